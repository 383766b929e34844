#include "tozai/core/labels.h"

#include "tozai/util/time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define D TZ_LABEL_DAILY
#define W TZ_LABEL_WEEKLY

static void set_zone(const char *zone)
{
    assert_int_equal(setenv("TZ", zone, 1), 0);
    tzset();
}

static int64_t moment(const char *text)
{
    int64_t time_ns = 0;
    struct tz_error err = {0};

    if (tz_time_parse(text, 0, &time_ns, &err))
        fail_msg("%s: %s", text, err.message);
    return time_ns;
}

/* Each time must get the label that stands beside it. */
struct expected {
    const char *time;
    unsigned label;
};

static void check(unsigned daily, unsigned weekly, const char *zone,
                  const struct expected *expected, size_t count)
{
    struct tz_label_rules rules = {.daily = daily, .weekly = weekly, .timezone = zone};
    int64_t times[32];
    unsigned labels[32];
    struct tz_error err = {0};

    assert_true(count <= TZ_COUNT(times));
    for (size_t i = 0; i < count; i++)
        times[i] = moment(expected[i].time);
    memset(labels, 0xff, sizeof(labels));
    assert_int_equal(tz_label_generations(&rules, times, count, labels, &err), 0);
    for (size_t i = 0; i < count; i++) {
        if (labels[i] != expected[i].label)
            fail_msg("%s has the label %u, not %u", expected[i].time, labels[i], expected[i].label);
    }
}
#define CHECK(daily, weekly, zone, expected)                                                       \
    check((daily), (weekly), (zone), (expected), TZ_COUNT(expected))

static void the_newest_of_a_day_and_of_a_week_is_labelled(void **state)
{
    (void)state;
    /* 2026-11-22 is a Sunday, the last day of its ISO week. */
    static const struct expected expected[] = {
        {"2026-11-23T00:00:00Z", D | W}, {"2026-11-22T23:59:59Z", D | W},
        {"2026-11-22T10:00:00Z", 0},     {"2026-11-16T00:00:00Z", D},
        {"2026-11-15T23:59:59Z", D | W}, {"2026-11-15T00:00:00Z", 0},
    };
    CHECK(7, 4, NULL, expected);
}

static void only_days_and_weeks_that_have_a_generation_count(void **state)
{
    (void)state;
    static const struct expected expected[] = {
        {"2026-11-22T12:00:00Z", D | W}, {"2026-11-22T11:00:00Z", 0},
        {"2026-06-01T12:00:00Z", D | W}, {"2026-06-01T11:00:00Z", 0},
        {"2020-02-29T12:00:00Z", 0},
    };
    CHECK(2, 2, NULL, expected);
}

static void none_are_labelled_if_none_are_wanted(void **state)
{
    (void)state;
    static const struct expected expected[] = {
        {"2026-11-22T12:00:00Z", W},
        {"2026-11-21T12:00:00Z", 0},
    };
    CHECK(0, 1, NULL, expected);
    check(7, 4, NULL, NULL, 0);
}

static void weeks_reach_over_the_end_of_a_year(void **state)
{
    (void)state;
    /* 2026-12-31 is a Thursday: that week ends on 2027-01-03. */
    static const struct expected expected[] = {
        {"2027-01-04T00:00:00Z", D | W}, {"2027-01-03T00:00:00Z", D | W},
        {"2027-01-01T00:00:00Z", D},     {"2026-12-31T00:00:00Z", D},
        {"2026-12-28T00:00:00Z", D},     {"2026-12-27T00:00:00Z", D | W},
        {"1969-12-31T00:00:00Z", D | W}, {"1969-12-29T00:00:00Z", 0},
    };
    CHECK(7, 4, NULL, expected);
}

static void days_are_those_of_the_time_zone(void **state)
{
    (void)state;
    /* In Tokyo the second one is on the 22nd, in UTC on the 21st. */
    static const struct expected tokyo[] = {
        {"2026-11-22T05:00:00Z", D | W},
        {"2026-11-21T15:00:00Z", 0},
        {"2026-11-21T14:59:59Z", D},
    };
    static const struct expected utc[] = {
        {"2026-11-22T05:00:00Z", D | W},
        {"2026-11-21T15:00:00Z", D},
        {"2026-11-21T14:59:59Z", 0},
    };
    CHECK(7, 4, "Asia/Tokyo", tokyo);
    CHECK(7, 4, NULL, utc);
    CHECK(7, 4, "UTC", utc);
}

static void the_zone_of_the_process_stays(void **state)
{
    (void)state;
    static const struct expected expected[] = {{"2026-11-22T05:00:00Z", D | W}};
    char text[TZ_TIME_TEXT];

    set_zone("Europe/Berlin");
    CHECK(7, 4, "Asia/Tokyo", expected);
    assert_string_equal(getenv("TZ"), "Europe/Berlin");
    tz_time_format_local(text, moment("2026-11-22T05:00:00Z"));
    assert_string_equal(text, "2026-11-22 06:00:00");

    assert_int_equal(unsetenv("TZ"), 0);
    CHECK(7, 4, "Asia/Tokyo", expected);
    assert_null(getenv("TZ"));
    set_zone("UTC");
}

static void a_day_of_23_or_25_hours_is_one_day(void **state)
{
    (void)state;
    /* The clocks go forward on 2026-03-29 and back on 2026-10-25. */
    static const struct expected expected[] = {
        {"2026-10-25T22:30:00Z", D | W}, {"2026-10-24T22:30:00Z", 0}, {"2026-10-24T21:30:00Z", D},
        {"2026-03-29T21:30:00Z", D | W}, {"2026-03-28T23:30:00Z", 0}, {"2026-03-28T22:30:00Z", D},
    };
    CHECK(7, 4, "Europe/Berlin", expected);
}

static struct tz_config_pair pair(const char *section, const char *key, const char *value)
{
    return (struct tz_config_pair){
        .section = (char *)(uintptr_t)section,
        .key = (char *)(uintptr_t)key,
        .value = (char *)(uintptr_t)value,
    };
}

static void rules_come_from_the_source_then_from_all_then_from_here(void **state)
{
    (void)state;
    struct tz_config_pair pairs[] = {
        pair("retention wiki", "daily", "14"),
        pair("retention", "daily", "3"),
        pair("retention", "timezone", "Asia/Tokyo"),
        pair("retention wiki2", "weekly", "9"),
        pair("hooks", "weekly", "8"),
    };
    struct tz_config config = {.later = pairs, .later_count = TZ_COUNT(pairs)};
    struct tz_label_rules rules;

    tz_label_rules(&rules, &config, "wiki");
    assert_int_equal(rules.daily, 14);
    assert_int_equal(rules.weekly, 4);
    assert_string_equal(rules.timezone, "Asia/Tokyo");
    tz_label_rules(&rules, &config, "wiki2");
    assert_int_equal(rules.daily, 3);
    assert_int_equal(rules.weekly, 9);
    config.later_count = 0;
    tz_label_rules(&rules, &config, "wiki");
    assert_int_equal(rules.daily, 7);
    assert_int_equal(rules.weekly, 4);
    assert_null(rules.timezone);
}

int main(void)
{
    set_zone("UTC");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_of_a_day_and_of_a_week_is_labelled),
        cmocka_unit_test(only_days_and_weeks_that_have_a_generation_count),
        cmocka_unit_test(none_are_labelled_if_none_are_wanted),
        cmocka_unit_test(weeks_reach_over_the_end_of_a_year),
        cmocka_unit_test(days_are_those_of_the_time_zone),
        cmocka_unit_test(the_zone_of_the_process_stays),
        cmocka_unit_test(a_day_of_23_or_25_hours_is_one_day),
        cmocka_unit_test(rules_come_from_the_source_then_from_all_then_from_here),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
