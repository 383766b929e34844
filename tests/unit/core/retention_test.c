#include "tozai/core/retention.h"

#include "tozai/util/time.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define L TZ_KEEP_LAST
#define H TZ_KEEP_HOURLY
#define D TZ_KEEP_DAILY
#define W TZ_KEEP_WEEKLY
#define M TZ_KEEP_MONTHLY
#define Y TZ_KEEP_YEARLY

#define DAY_NS   (INT64_C(86400) * TZ_SECOND_NS)
#define ITEM_MAX 400

static int64_t moment(const char *text)
{
    int64_t time_ns = 0;
    struct tz_error err = {0};

    if (tz_time_parse(text, 0, &time_ns, &err))
        fail_msg("%s: %s", text, err.message);
    return time_ns;
}

static struct tz_retention_item item(int64_t time_ns)
{
    return (struct tz_retention_item){.time_ns = time_ns, .complete = true, .reasons = ~0U};
}

static void must_plan(const struct tz_retention_policy *policy, struct tz_retention_item *items,
                      size_t count, int64_t now_ns)
{
    struct tz_error err = {0};

    if (tz_retention_plan(policy, items, count, now_ns, false, &err))
        fail_msg("%s", err.message);
}

/* Each time must get the reasons that stand beside it; now is the first one. */
struct expected {
    const char *time;
    unsigned reasons;
};

static void check(const struct tz_retention_policy *policy, const struct expected *expected,
                  size_t count)
{
    struct tz_retention_item items[32];

    assert_true(count > 0 && count <= TZ_COUNT(items));
    for (size_t i = 0; i < count; i++)
        items[i] = item(moment(expected[i].time));
    must_plan(policy, items, count, items[0].time_ns);
    for (size_t i = 0; i < count; i++) {
        if (items[i].reasons != expected[i].reasons)
            fail_msg("%s has the reasons %x, not %x", expected[i].time, items[i].reasons,
                     expected[i].reasons);
    }
}
#define CHECK(expected, ...)                                                                       \
    check(&(struct tz_retention_policy){__VA_ARGS__}, (expected), TZ_COUNT(expected))

static void the_newest_of_a_day_and_of_a_week_stays(void **state)
{
    (void)state;
    /* 2026-11-22 is a Sunday, the last day of its ISO week. */
    static const struct expected expected[] = {
        {"2026-11-23T00:00:00Z", D | W}, {"2026-11-22T23:59:59Z", D | W},
        {"2026-11-22T10:00:00Z", 0},     {"2026-11-16T00:00:00Z", D},
        {"2026-11-15T23:59:59Z", D | W}, {"2026-11-15T00:00:00Z", 0},
    };
    CHECK(expected, .daily = 7, .weekly = 4, .zone = "UTC");
}

static void only_periods_that_have_a_generation_count(void **state)
{
    (void)state;
    static const struct expected expected[] = {
        {"2026-11-22T12:00:00Z", D | W}, {"2026-11-22T11:00:00Z", 0},
        {"2026-06-01T12:00:00Z", D | W}, {"2026-06-01T11:00:00Z", 0},
        {"2020-02-29T12:00:00Z", 0},
    };
    CHECK(expected, .daily = 2, .weekly = 2, .zone = "UTC");
}

static void weeks_reach_over_the_end_of_a_year(void **state)
{
    (void)state;
    /* 2026-12-31 is a Thursday of week 53, which ends on 2027-01-03. */
    static const struct expected expected[] = {
        {"2027-01-04T00:00:00Z", D | W}, {"2027-01-03T00:00:00Z", D | W},
        {"2027-01-01T00:00:00Z", D},     {"2026-12-31T00:00:00Z", D},
        {"2026-12-28T00:00:00Z", D},     {"2026-12-27T00:00:00Z", D | W},
        {"1969-12-31T00:00:00Z", D | W}, {"1969-12-29T00:00:00Z", 0},
        {"1969-12-28T00:00:00Z", W},
    };
    CHECK(expected, .daily = 7, .weekly = 5, .zone = "UTC");
}

static void hours_months_and_years_are_kept_likewise(void **state)
{
    (void)state;
    static const struct expected expected[] = {
        {"2024-03-01T00:30:00Z", H | M | Y}, {"2024-03-01T00:10:00Z", 0},
        {"2024-02-29T23:59:59Z", H | M},     {"2024-02-29T23:00:00Z", 0},
        {"2024-02-29T22:59:59Z", H},         {"2024-01-31T22:00:00Z", M},
        {"2023-12-31T22:00:00Z", Y},         {"2023-03-31T22:00:00Z", 0},
        {"2022-01-01T00:00:00Z", 0},
    };
    CHECK(expected, .hourly = 3, .monthly = 3, .yearly = 2, .zone = "UTC");
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
    CHECK(tokyo, .daily = 7, .weekly = 4, .zone = "Asia/Tokyo");
    CHECK(utc, .daily = 7, .weekly = 4, .zone = "UTC");
    CHECK(utc, .daily = 7, .weekly = 4, .zone = "");
    assert_int_equal(setenv("TZ", "Asia/Tokyo", 1), 0);
    CHECK(tokyo, .daily = 7, .weekly = 4, .zone = "");
    assert_int_equal(setenv("TZ", "UTC", 1), 0);
}

static void a_day_of_23_or_25_hours_is_one_day(void **state)
{
    (void)state;
    /* The clocks go forward on 2026-03-29 and back on 2026-10-25. */
    static const struct expected expected[] = {
        {"2026-10-25T22:30:00Z", D | W}, {"2026-10-24T22:30:00Z", 0}, {"2026-10-24T21:30:00Z", D},
        {"2026-03-29T21:30:00Z", D | W}, {"2026-03-28T23:30:00Z", 0}, {"2026-03-28T22:30:00Z", D},
    };
    CHECK(expected, .daily = 7, .weekly = 4, .zone = "Europe/Berlin");
}

static void an_hour_that_comes_twice_is_one_hour(void **state)
{
    (void)state;
    /* 02:30 in summer, 02:30 and 02:50 in winter, 03:10. */
    static const struct expected expected[] = {
        {"2026-10-25T02:10:00Z", H}, {"2026-10-25T01:50:00Z", H}, {"2026-10-25T01:30:00Z", 0},
        {"2026-10-25T00:30:00Z", 0}, {"2026-10-24T23:30:00Z", H},
    };
    CHECK(expected, .hourly = 9, .zone = "Europe/Berlin");
}

static void a_day_that_comes_again_after_midnight_is_one_day(void **state)
{
    (void)state;
    /* At 00:01 of November 1st the clocks went back to 23:01 of October 31st. */
    static const struct expected expected[] = {
        {"2009-11-01T03:40:00Z", D}, /* 00:10 on the 1st */
        {"2009-11-01T03:00:00Z", D}, /* 23:30 on the 31st, again */
        {"2009-11-01T02:30:30Z", 0}, /* 00:00:30 on the 1st */
        {"2009-11-01T02:00:00Z", 0}, /* 23:30 on the 31st */
        {"2009-10-30T14:00:00Z", D}, {"2009-10-29T14:00:00Z", 0},
    };
    CHECK(expected, .daily = 3, .zone = "America/St_Johns");
}

static void a_day_that_was_skipped_is_none(void **state)
{
    (void)state;
    /* After the 29th came the 31st, a Saturday. */
    static const struct expected expected[] = {
        {"2011-12-30T10:00:00Z", D | W}, /* 00:00 on the 31st */
        {"2011-12-30T09:59:59Z", D},     /* 23:59:59 on the 29th */
        {"2011-12-29T10:00:00Z", 0},     /* 00:00 on the 29th */
        {"2011-12-29T09:59:59Z", 0},     /* 23:59:59 on the 28th */
    };
    CHECK(expected, .daily = 2, .weekly = 3, .zone = "Pacific/Apia");
}

static void of_equal_times_the_greater_id_is_the_newer_one(void **state)
{
    (void)state;
    struct tz_retention_policy policy = {.last = 1, .daily = 1, .zone = "UTC"};
    struct tz_retention_item items[3];

    for (size_t i = 0; i < TZ_COUNT(items); i++)
        items[i] = item(moment("2026-11-22"));
    items[1].id[0] = 2;
    items[2].id[0] = 1;
    must_plan(&policy, items, TZ_COUNT(items), items[0].time_ns);
    assert_int_equal(items[0].reasons, 0);
    assert_int_equal(items[1].reasons, L | D);
    assert_int_equal(items[2].reasons, 0);
}

static void there_are_never_too_few(void **state)
{
    (void)state;
    static const struct expected expected[] = {
        {"2026-11-22T12:00:00Z", D},
        {"2026-11-22T11:00:00Z", TZ_KEEP_MINIMUM},
        {"2026-11-22T10:00:00Z", TZ_KEEP_MINIMUM},
        {"2026-11-22T09:00:00Z", 0},
    };
    CHECK(expected, .daily = 1, .minimum_generations = 3, .zone = "UTC");
    CHECK(expected, .daily = 7, .minimum_generations = 3, .zone = "UTC");
}

static void the_newest_verified_one_stays(void **state)
{
    (void)state;
    struct tz_retention_policy policy = {.last = 1, .zone = "UTC"};
    struct tz_retention_item items[5];
    int64_t now = moment("2026-11-22");

    for (size_t i = 0; i < TZ_COUNT(items); i++)
        items[i] = item(now - (int64_t)i * DAY_NS);
    items[2].verified = true;
    items[2].complete = false; /* no more */
    items[3].verified = true;
    items[4].verified = true;
    must_plan(&policy, items, TZ_COUNT(items), now);
    const unsigned wanted[] = {L, 0, 0, TZ_KEEP_VERIFIED, 0};
    for (size_t i = 0; i < TZ_COUNT(items); i++)
        assert_int_equal(items[i].reasons, wanted[i]);
}

static void what_is_held_stays(void **state)
{
    (void)state;
    struct tz_retention_policy policy = {.last = 1, .zone = "UTC"};
    struct tz_retention_item items[4];
    int64_t now = moment("2026-11-22");

    for (size_t i = 0; i < TZ_COUNT(items); i++)
        items[i] = item(now - (int64_t)i * DAY_NS);
    items[0].held = items[2].held = items[3].held = true;
    items[3].complete = false;
    must_plan(&policy, items, TZ_COUNT(items), now);
    const unsigned wanted[] = {L | TZ_KEEP_HELD, 0, TZ_KEEP_HELD, TZ_KEEP_HELD};
    for (size_t i = 0; i < TZ_COUNT(items); i++)
        assert_int_equal(items[i].reasons, wanted[i]);
}

static void what_may_be_on_its_way_is_left_alone(void **state)
{
    (void)state;
    struct tz_retention_policy policy = {.last = 9, .within_ns = 90 * DAY_NS, .zone = "UTC"};
    struct tz_retention_item items[4];
    int64_t now = moment("2026-11-22");

    for (size_t i = 0; i < TZ_COUNT(items); i++) {
        items[i] = item(now - (int64_t)i * DAY_NS);
        items[i].complete = i == 2;
    }
    must_plan(&policy, items, TZ_COUNT(items), now);
    const unsigned wanted[] = {TZ_KEEP_UNKNOWN, TZ_KEEP_UNKNOWN, L | TZ_KEEP_WITHIN, 0};
    for (size_t i = 0; i < TZ_COUNT(items); i++)
        assert_int_equal(items[i].reasons, wanted[i]);
    /* Where none is complete, all may be. */
    items[2].complete = false;
    must_plan(&policy, items, TZ_COUNT(items), now);
    for (size_t i = 0; i < TZ_COUNT(items); i++)
        assert_int_equal(items[i].reasons, TZ_KEEP_UNKNOWN);
}

static void nothing_is_planned_to_be_nothing(void **state)
{
    (void)state;
    struct tz_retention_policy policy = {.daily = 1, .zone = "UTC"};

    must_plan(&policy, NULL, 0, 0);
}

static void the_ends_of_time_are_planned_too(void **state)
{
    (void)state;
    struct tz_retention_policy policy = {
        .last = 1, .yearly = 9, .within_ns = INT64_MAX, .window_ns = 1, .zone = "Europe/London"};
    struct tz_retention_item items[] = {item(INT64_MAX), item(INT64_MIN), item(0)};
    struct tz_error err = {0};

    assert_int_equal(tz_retention_plan(&policy, items, TZ_COUNT(items), INT64_MIN, true, &err), 0);
    assert_int_equal(tz_retention_plan(&policy, items, TZ_COUNT(items), INT64_MIN, false, &err),
                     -1);
    assert_int_equal(tz_retention_plan(&policy, items, TZ_COUNT(items), INT64_MAX, true, &err), 0);
    assert_int_equal(items[0].reasons, L | Y | TZ_KEEP_WITHIN | TZ_KEEP_WINDOW);
    assert_int_equal(items[1].reasons, Y);
    assert_int_equal(items[2].reasons, Y | TZ_KEEP_WITHIN | TZ_KEEP_WINDOW);
}

/* Policies that services publish: so many runs a day, for so many days. */
static size_t fill(struct tz_retention_item *items, size_t days, size_t runs, int64_t now_ns)
{
    size_t count = 0;

    assert_true(days * runs <= ITEM_MAX);
    for (size_t i = 0; i < days; i++) {
        for (size_t j = 0; j < runs; j++)
            items[count++] = item(now_ns - (int64_t)i * DAY_NS - (int64_t)j * DAY_NS / 24);
    }
    return count;
}

static size_t count_kept(const struct tz_retention_item *items, size_t count)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++)
        kept += items[i].reasons != 0;
    return kept;
}

static void daily_for_7_days_and_weekly_for_4_weeks(void **state)
{
    (void)state;
    struct tz_retention_policy policy = {
        .daily = 7, .weekly = 4, .minimum_generations = 3, .zone = "Asia/Tokyo"};
    struct tz_retention_item items[ITEM_MAX];
    /* A Wednesday, in Tokyo: its week and the Sundays before it. */
    int64_t now = moment("2026-11-25T03:00:00+09:00");
    size_t count = fill(items, 75, 1, now);

    must_plan(&policy, items, count, now);
    for (size_t i = 0; i < count; i++) {
        unsigned wanted = (i < 7 ? D : 0) | (i == 0 || i == 3 || i == 10 || i == 17 ? W : 0);
        assert_int_equal(items[i].reasons, wanted);
    }
    assert_int_equal(count_kept(items, count), 9);
}

static void any_of_the_last_4_days(void **state)
{
    (void)state;
    struct tz_retention_policy policy = {.daily = 4, .minimum_generations = 3, .zone = "UTC"};
    struct tz_retention_item items[ITEM_MAX];
    int64_t now = moment("2026-11-25T12:00:00Z");
    size_t count = fill(items, 30, 5, now);

    must_plan(&policy, items, count, now);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(items[i].reasons, i % 5 == 0 && i < 20 ? D : 0);
}

static void at_least_7_generations_and_3_months_of_them(void **state)
{
    (void)state;
    struct tz_retention_policy policy = {
        .last = 7, .within_ns = 91 * DAY_NS, .minimum_generations = 7, .zone = "UTC"};
    struct tz_retention_item items[ITEM_MAX];
    int64_t now = moment("2026-11-25T12:00:00Z");
    size_t count = fill(items, 200, 1, now);

    must_plan(&policy, items, count, now);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(items[i].reasons, (i < 7 ? L : 0) | (i <= 91 ? TZ_KEEP_WITHIN : 0));

    /* Without a run for a long time seven stay. */
    must_plan(&policy, items, 92, now + 30 * DAY_NS);
    assert_int_equal(count_kept(items, 92), 62);
    struct tz_error err = {0};
    assert_int_equal(tz_retention_plan(&policy, items, 92, now + 600 * DAY_NS, true, &err), 0);
    assert_int_equal(count_kept(items, 92), 7);
}

static void any_moment_of_7_days(void **state)
{
    (void)state;
    struct tz_retention_policy policy = {
        .window_ns = 7 * DAY_NS, .minimum_generations = 3, .zone = "UTC"};
    struct tz_retention_item items[ITEM_MAX];
    int64_t now = moment("2026-11-25T12:00:00Z");
    size_t count = fill(items, 30, 4, now);

    /* The first moment of the window, seven days ago, needs the generation before it. */
    must_plan(&policy, items, count, now + DAY_NS / 2);
    for (size_t i = 0; i < count; i++) {
        bool young = now + DAY_NS / 2 - items[i].time_ns < 7 * DAY_NS;
        bool before = i > 0 && !young && now + DAY_NS / 2 - items[i - 1].time_ns < 7 * DAY_NS;
        assert_int_equal(items[i].reasons, young || before ? TZ_KEEP_WINDOW : 0);
    }
    assert_int_equal(count_kept(items, count), 7 * 4 + 1);
}

static void refuse(const struct tz_retention_policy *policy, struct tz_retention_item *items,
                   size_t count, int64_t now_ns, const char *message)
{
    struct tz_error err = {0};

    assert_int_equal(tz_retention_plan(policy, items, count, now_ns, false, &err), -1);
    assert_int_equal(err.kind, TZ_INVALID);
    assert_string_equal(err.message, message);
    assert_non_null(strstr(err.hint, "--force"));
    assert_int_equal(tz_retention_plan(policy, items, count, now_ns, true, &err), 0);
}

static void a_clock_that_was_set_back_is_refused(void **state)
{
    (void)state;
    struct tz_retention_policy policy = {.daily = 7, .zone = "UTC"};
    struct tz_retention_item items[ITEM_MAX];
    int64_t now = moment("2026-11-25T12:00:00Z");
    size_t count = fill(items, 30, 1, now);

    must_plan(&policy, items, count, now - DAY_NS);
    refuse(&policy, items, count, now - 365 * DAY_NS,
           "the clock says 2025-11-25T12:00:00Z, but the newest generation is of "
           "2026-11-25T12:00:00Z: one of the two is wrong");
    assert_int_equal(count_kept(items, count), 7);
}

/* The clock was a year ahead for one run; --force has been said since. */
static void what_was_accepted_is_not_asked_again(void **state)
{
    (void)state;
    struct tz_retention_policy policy = {.daily = 7, .zone = "UTC"};
    struct tz_retention_item items[ITEM_MAX];
    int64_t now = moment("2026-11-25T12:00:00Z");
    size_t count = fill(items, 30, 1, now);

    items[0].time_ns = now + 365 * DAY_NS;
    refuse(&policy, items, count, now,
           "the clock says 2026-11-25T12:00:00Z, but the newest generation is of "
           "2027-11-25T12:00:00Z: one of the two is wrong");
    items[0].accepted = true;
    must_plan(&policy, items, count, now);
    /* Another one is another matter. */
    items[1].time_ns = now + 2 * DAY_NS;
    refuse(&policy, items, count, now,
           "the clock says 2026-11-25T12:00:00Z, but the newest generation is of "
           "2026-11-27T12:00:00Z: one of the two is wrong");
}

static void a_clock_that_leapt_is_refused(void **state)
{
    (void)state;
    struct tz_retention_policy policy = {
        .within_ns = 14 * DAY_NS, .minimum_generations = 3, .zone = "UTC"};
    struct tz_retention_policy counting = {.daily = 7, .minimum_generations = 3, .zone = "UTC"};
    struct tz_retention_item items[ITEM_MAX];
    int64_t now = moment("2026-11-25T12:00:00Z");
    size_t count = fill(items, 14, 1, now);
    static const char message[] = "the clock seems to have leapt from 2026-11-25T12:00:00Z to "
                                  "2027-11-25T12:00:00Z: everything from before would be too old "
                                  "at once";

    refuse(&policy, items, count, now + 365 * DAY_NS, message);
    assert_int_equal(count_kept(items, count), 3);
    /* Also when it was noticed after some runs; not by a policy that only counts. */
    items[count] = item(now + 365 * DAY_NS);
    items[count + 1] = item(now + 366 * DAY_NS);
    refuse(&policy, items, count + 2, now + 366 * DAY_NS, message);
    must_plan(&counting, items, count + 2, now + 366 * DAY_NS);
    /* A month without a backup is no leap, and neither is one that had its time. */
    must_plan(&policy, items, count, now + 31 * DAY_NS);
    must_plan(&policy, items, count + 2, now + 381 * DAY_NS);
    /* Yearly runs leap as a matter of course. */
    for (size_t i = 0; i < 10; i++)
        items[i] = item(now - (int64_t)i * 365 * DAY_NS);
    must_plan(&policy, items, 10, now + 365 * DAY_NS);
}

static void a_zone_that_does_not_exist_is_no_plan(void **state)
{
    (void)state;
    struct tz_retention_policy policy = {.daily = 7, .zone = "Asia/Tokio"};
    struct tz_error err = {0};

    assert_int_equal(tz_retention_plan(&policy, NULL, 0, 0, false, &err), -1);
    assert_string_equal(err.message, "there is no time zone 'Asia/Tokio'");
}

/* Monday 01:30 in Tokyo is Sunday 16:30 in London. */
struct planner {
    const char *zone;
    unsigned second; /* what must come of the second item */
    bool failed;
};

static void *plan_often(void *arg)
{
    struct planner *planner = arg;
    struct tz_retention_policy policy = {.daily = 1, .weekly = 2};

    (void)snprintf(policy.zone, sizeof(policy.zone), "%s", planner->zone);
    for (size_t i = 0; i < 300; i++) {
        struct tz_retention_item items[] = {item(1795969800 * TZ_SECOND_NS),
                                            item((1795969800 - 2 * 3600) * TZ_SECOND_NS)};
        if (tz_retention_plan(&policy, items, TZ_COUNT(items), items[0].time_ns, false, NULL) ||
            items[0].reasons != (D | W) || items[1].reasons != planner->second)
            planner->failed = true;
    }
    return NULL;
}

static void threads_plan_in_zones_of_their_own(void **state)
{
    (void)state;
    struct planner planners[] = {{.zone = "Asia/Tokyo", .second = W}, {.zone = "Europe/London"}};
    pthread_t threads[TZ_COUNT(planners)];

    for (size_t i = 0; i < TZ_COUNT(planners); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, plan_often, &planners[i]), 0);
    for (size_t i = 0; i < TZ_COUNT(planners); i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_false(planners[i].failed);
    }
}

static void each_reason_has_a_name(void **state)
{
    (void)state;
    assert_string_equal(tz_retention_reason_name(TZ_KEEP_LAST), "last");
    assert_string_equal(tz_retention_reason_name(TZ_KEEP_YEARLY), "yearly");
    assert_string_equal(tz_retention_reason_name(TZ_KEEP_UNKNOWN), "unknown");
    assert_null(tz_retention_reason_name(2 * TZ_KEEP_UNKNOWN));
    assert_null(tz_retention_reason_name(0));
    assert_null(tz_retention_reason_name(D | W));
}

/* --- policies --- */

static struct tz_config_pair pair(const char *section, const char *key, const char *value, int line)
{
    return (struct tz_config_pair){
        .section = (char *)(uintptr_t)section,
        .key = (char *)(uintptr_t)key,
        .value = (char *)(uintptr_t)value,
        .line = line,
    };
}

static void policies_come_from_the_source_then_from_all_then_from_here(void **state)
{
    (void)state;
    struct tz_config_pair pairs[] = {
        pair("retention wiki", "daily", "14", 1),
        pair("retention", "daily", "3", 2),
        pair("retention", "timezone", "Asia/Tokyo", 3),
        pair("retention wiki2", "weekly", "9", 4),
        pair("hooks", "weekly", "8", 5),
        pair("retention wiki2", "within", "4d", 6),
        pair("retention wiki2", "window", "0", 7),
        pair("retention", "window", "1w", 8),
        pair("retention", "minimum_generations", "2", 9),
    };
    struct tz_config config = {
        .file = (char *)(uintptr_t) "x.conf", .later = pairs, .later_count = TZ_COUNT(pairs)};
    struct tz_retention_policy policy;
    struct tz_error err = {0};

    assert_int_equal(tz_retention_policy(&config, "wiki", &policy, &err), 0);
    assert_int_equal(policy.daily, 14);
    assert_int_equal(policy.weekly, 0);
    assert_int_equal(policy.window_ns, 7 * DAY_NS);
    assert_int_equal(policy.minimum_generations, 2);
    assert_string_equal(policy.zone, "Asia/Tokyo");
    assert_int_equal(tz_retention_policy(&config, "wiki2", &policy, &err), 0);
    assert_int_equal(policy.daily, 3);
    assert_int_equal(policy.weekly, 9);
    assert_int_equal(policy.within_ns, 4 * DAY_NS);
    assert_int_equal(policy.window_ns, 0);
    config.later_count = 0;
    assert_int_equal(tz_retention_policy(&config, "wiki", &policy, &err), 0);
    assert_int_equal(policy.daily, 7);
    assert_int_equal(policy.weekly, 4);
    assert_int_equal(policy.last + policy.hourly + policy.monthly + policy.yearly, 0);
    assert_int_equal(policy.minimum_generations, 3);
    assert_string_equal(policy.zone, "");
}

static void expect_error(const struct tz_config_pair *pairs, size_t count, const char *message)
{
    struct tz_config_source source = {.name = (char *)(uintptr_t) "wiki"};
    struct tz_config config = {.file = (char *)(uintptr_t) "x.conf",
                               .later = (struct tz_config_pair *)(uintptr_t)pairs,
                               .later_count = count,
                               .sources = &source,
                               .source_count = 1};
    struct tz_error err = {0};

    assert_int_equal(tz_retention_check(&config, &err), -1);
    assert_int_equal(err.kind, TZ_INVALID);
    assert_string_equal(err.message, message);
    assert_true(err.hint[0] != '\0');
    /* The section of another source does not matter. */
    config.sources[0].name = (char *)(uintptr_t) "other";
    bool general = strcmp(pairs[0].section, "retention") == 0;
    assert_int_equal(tz_retention_check(&config, NULL), general ? -1 : 0);
}
#define EXPECT_ERROR(message, ...)                                                                 \
    do {                                                                                           \
        const struct tz_config_pair pairs_[] = {__VA_ARGS__};                                      \
        expect_error(pairs_, TZ_COUNT(pairs_), (message));                                         \
    } while (0)

static void empty_and_contradictory_policies_are_refused(void **state)
{
    (void)state;
    EXPECT_ERROR("x.conf:4: [retention] keeps no generation at all",
                 pair("retention", "daily", "0", 3), pair("retention", "within", "0", 4));
    EXPECT_ERROR("x.conf:3: [retention wiki] keeps no generation at all",
                 pair("retention wiki", "daily", "0", 3), pair("retention", "daily", "7", 2));
    EXPECT_ERROR("x.conf:3: [retention wiki]: minimum_generations is 0",
                 pair("retention wiki", "minimum_generations", "0", 3));
    EXPECT_ERROR("x.conf:3: [retention]: minimum_generations = 6 is more than the 5 that the "
                 "policy keeps at most",
                 pair("retention", "minimum_generations", "6", 3),
                 pair("retention", "daily", "4", 4), pair("retention", "last", "1", 4));
    EXPECT_ERROR("x.conf:3: within: '90' has no unit", pair("retention wiki", "within", "90", 3));
    EXPECT_ERROR("x.conf:3: within: '3m' is less than an hour",
                 pair("retention wiki", "within", "3m", 3));
    EXPECT_ERROR("x.conf:3: timezone: there is no time zone 'Asia/Tokio'",
                 pair("retention wiki", "timezone", "Asia/Tokio", 3));
}

int main(void)
{
    assert_int_equal(setenv("TZ", "UTC", 1), 0);
    tzset();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_of_a_day_and_of_a_week_stays),
        cmocka_unit_test(only_periods_that_have_a_generation_count),
        cmocka_unit_test(weeks_reach_over_the_end_of_a_year),
        cmocka_unit_test(hours_months_and_years_are_kept_likewise),
        cmocka_unit_test(days_are_those_of_the_time_zone),
        cmocka_unit_test(a_day_of_23_or_25_hours_is_one_day),
        cmocka_unit_test(an_hour_that_comes_twice_is_one_hour),
        cmocka_unit_test(a_day_that_comes_again_after_midnight_is_one_day),
        cmocka_unit_test(a_day_that_was_skipped_is_none),
        cmocka_unit_test(of_equal_times_the_greater_id_is_the_newer_one),
        cmocka_unit_test(there_are_never_too_few),
        cmocka_unit_test(the_newest_verified_one_stays),
        cmocka_unit_test(what_is_held_stays),
        cmocka_unit_test(what_may_be_on_its_way_is_left_alone),
        cmocka_unit_test(nothing_is_planned_to_be_nothing),
        cmocka_unit_test(the_ends_of_time_are_planned_too),
        cmocka_unit_test(daily_for_7_days_and_weekly_for_4_weeks),
        cmocka_unit_test(any_of_the_last_4_days),
        cmocka_unit_test(at_least_7_generations_and_3_months_of_them),
        cmocka_unit_test(any_moment_of_7_days),
        cmocka_unit_test(a_clock_that_was_set_back_is_refused),
        cmocka_unit_test(what_was_accepted_is_not_asked_again),
        cmocka_unit_test(a_clock_that_leapt_is_refused),
        cmocka_unit_test(a_zone_that_does_not_exist_is_no_plan),
        cmocka_unit_test(threads_plan_in_zones_of_their_own),
        cmocka_unit_test(each_reason_has_a_name),
        cmocka_unit_test(policies_come_from_the_source_then_from_all_then_from_here),
        cmocka_unit_test(empty_and_contradictory_policies_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
