/* Cron expressions: what they may be, and when they fire. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "seeded.h"
#include "tozai/core/schedule.h"
#include "tozai/util/civil.h"
#include "tozai/util/time.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define S TZ_SECOND_NS

static void refuse(const char *text, const char *why)
{
    struct tz_cron cron;
    struct tz_error err = {0};

    assert_int_equal(tz_cron_parse(&cron, text, &err), -1);
    assert_int_equal(err.kind, TZ_INVALID);
    if (!strstr(err.message, why))
        fail_msg("'%s': '%s' lacks '%s'", text, err.message, why);
}

static void what_is_no_expression_is_refused(void **state)
{
    (void)state;
    refuse("", "not a cron expression");
    refuse("* * * *", "not a cron expression");
    refuse("* * * * * *", "not a cron expression");
    refuse("@reboot", "not a cron expression");
    refuse("60 * * * *", "not a minute");
    refuse("* 24 * * *", "not an hour");
    refuse("* * 0 * *", "not a day of the month");
    refuse("* * 32 * *", "not a day of the month");
    refuse("* * * 13 *", "not a month");
    refuse("* * * 0 *", "not a month");
    refuse("* * * * 8", "not a day of the week");
    refuse("*/0 * * * *", "not a minute");
    refuse("5-3 * * * *", "not a minute");
    refuse("1,,2 * * * *", "not a minute");
    refuse("1, * * * *", "not a minute");
    refuse(",1 * * * *", "not a minute");
    refuse("1- * * * *", "not a minute");
    refuse("-1 * * * *", "not a minute");
    refuse("* * * janu *", "not a month");
    refuse("* mon * * *", "not an hour");
    refuse("99999999999999999999 * * * *", "not a minute");
    refuse("*1 * * * *", "not a minute");
    refuse("* * * * mo", "not a day of the week");
}

static void what_never_fires_is_refused(void **state)
{
    struct tz_cron cron;

    (void)state;
    refuse("0 0 30 2 *", "never fires");
    refuse("0 0 31 2,4,6,9,11 *", "never fires");
    refuse("0 0 31 apr */2", "never fires");
    assert_int_equal(tz_cron_parse(&cron, "0 0 29 2 *", NULL), 0);
    assert_int_equal(tz_cron_parse(&cron, "0 0 31 2 mon", NULL), 0); /* on Mondays */
}

static int64_t next(const char *text, const char *zone, const char *after)
{
    TZ_SCOPED(tz_scoped_zone) struct tz_zone *clocks = NULL;
    struct tz_cron cron;
    struct tz_error err = {0};
    int64_t from, found = 0;

    if (tz_cron_parse(&cron, text, &err) || tz_time_parse(after, 0, &from, &err) ||
        tz_zone_open(&clocks, zone, &err) || tz_cron_next(&cron, clocks, from, &found, &err))
        fail_msg("%s: %s", text, err.message);
    return found;
}

static void fires_at(const char *text, const char *zone, const char *after, const char *expected)
{
    char found[TZ_TIME_TEXT];

    tz_time_format(found, next(text, zone, after));
    assert_string_equal(found, expected);
}

static void names_lists_ranges_and_steps_are_known(void **state)
{
    (void)state;
    fires_at("0 3 * * *", "UTC", "2026-11-27T02:59:59Z", "2026-11-27T03:00:00Z");
    fires_at("0 3 * * *", "UTC", "2026-11-27T03:00:00Z", "2026-11-28T03:00:00Z");
    fires_at("*/15 * * * *", "UTC", "2026-11-27T03:00:00Z", "2026-11-27T03:15:00Z");
    fires_at("5/20 1-2 * * *", "UTC", "2026-11-27T01:45:00Z", "2026-11-27T02:05:00Z");
    fires_at("30 22 * * MON-fri", "UTC", "2026-11-27T23:00:00Z", "2026-11-30T22:30:00Z");
    fires_at("0 0 * * fri-sun", "UTC", "2026-11-28T00:00:00Z", "2026-11-29T00:00:00Z");
    fires_at("0 0 * * 7", "UTC", "2026-11-27T00:00:00Z", "2026-11-29T00:00:00Z");
    fires_at("0 0 1 Jan,jul *", "UTC", "2026-11-27T00:00:00Z", "2027-01-01T00:00:00Z");
    fires_at("@weekly", "UTC", "2026-11-27T00:00:00Z", "2026-11-29T00:00:00Z");
    fires_at("@monthly", "UTC", "2026-11-27T00:00:00Z", "2026-12-01T00:00:00Z");
    fires_at("@HOURLY", "UTC", "2026-11-27T00:00:00Z", "2026-11-27T01:00:00Z");
    fires_at("0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z", "2104-02-29T00:00:00Z");
}

static void either_of_two_given_day_fields_is_enough(void **state)
{
    (void)state;
    fires_at("0 0 13 * fri", "UTC", "2026-11-27T00:00:00Z", "2026-12-04T00:00:00Z");
    fires_at("0 0 13 * fri", "UTC", "2026-12-11T00:00:00Z", "2026-12-13T00:00:00Z");
    /* A star, even with a step, does not choose by itself. */
    fires_at("0 0 */2 * mon", "UTC", "2026-11-27T00:00:00Z", "2026-12-07T00:00:00Z");
}

static void changes_of_the_clock_neither_skip_nor_double(void **state)
{
    const char *zone = "Europe/Berlin";

    (void)state;
    /* 02:30 does not exist on 2026-03-29: half an hour after the change. */
    fires_at("30 2 * * *", zone, "2026-03-28T12:00:00Z", "2026-03-29T01:30:00Z");
    fires_at("30 2 * * *", zone, "2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z");
    /* 02:30 exists twice on 2026-10-25: the first. */
    fires_at("30 2 * * *", zone, "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z");
    fires_at("30 2 * * *", zone, "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z");
    /* Every hour means every hour. */
    fires_at("30 * * * *", zone, "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z");
    fires_at("30 * * * *", zone, "2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z");
    /* Where winter is the time that is set back, 01:30 of 2026-03-29 is skipped the same way. */
    fires_at("30 1 * * *", "Europe/Dublin", "2026-03-28T12:00:00Z", "2026-03-29T01:30:00Z");
    /* Half an hour. */
    fires_at("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", "2026-10-03T15:45:00Z");
    fires_at("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00:00Z", "2026-04-04T14:45:00Z");
    fires_at("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z");
    /* Set back at one past midnight: what the evening repeats comes behind a midnight. */
    fires_at("0,30 * * * *", "America/St_Johns", "2010-11-07T02:00:00Z", "2010-11-07T02:30:00Z");
    fires_at("0,30 * * * *", "America/St_Johns", "2010-11-07T02:30:00Z", "2010-11-07T03:00:00Z");
    /* A zone that skips a whole day, and one that skips midnight. */
    fires_at("0 12 * * *", "Pacific/Apia", "2011-12-29T23:00:00Z", "2011-12-30T22:00:00Z");
    fires_at("0 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00:00Z", "2018-11-04T03:00:00Z");
    fires_at("0 3 * * *", "Asia/Tokyo", "2026-11-27T00:00:00Z", "2026-11-27T18:00:00Z");
}

/* --- A model: sets of numbers, and every minute looked at. --- */

struct model {
    bool minutes[60], hours[24], days[32], months[13], weekdays[8];
    bool day_star, weekday_star, hour_star;
    char text[256];
};

static unsigned pick(struct seeded *random, unsigned count)
{
    return (unsigned)(seeded_next(random) % count);
}

/* A random field between min and max, as text and as a set. */
static bool make_field(struct seeded *random, unsigned min, unsigned max, bool *set, char *text,
                       size_t size)
{
    bool star = pick(random, 3) == 0;
    unsigned step = pick(random, 2) ? 1 : 1 + pick(random, max);

    memset(set, 0, (max + 1) * sizeof(set[0]));
    if (star) {
        for (unsigned i = min; i <= max; i += step)
            set[i] = true;
        (void)(step > 1 ? snprintf(text, size, "*/%u", step) : snprintf(text, size, "*"));
        return true;
    }
    unsigned items = 1 + pick(random, 3);
    text[0] = '\0';
    for (unsigned k = 0; k < items; k++) {
        unsigned from = min + pick(random, max - min + 1);
        unsigned to = from + pick(random, max - from + 1);
        size_t len = strlen(text);
        for (unsigned i = from; i <= to; i += step)
            set[i] = true;
        (void)snprintf(text + len, size - len, "%s%u-%u/%u", k > 0 ? "," : "", from, to, step);
    }
    return false;
}

static void make_model(struct seeded *random, struct model *model)
{
    char fields[5][48];

    (void)make_field(random, 0, 59, model->minutes, fields[0], sizeof(fields[0]));
    model->hour_star = make_field(random, 0, 23, model->hours, fields[1], sizeof(fields[1]));
    model->day_star = make_field(random, 1, 31, model->days, fields[2], sizeof(fields[2]));
    (void)make_field(random, 1, 12, model->months, fields[3], sizeof(fields[3]));
    model->weekday_star = make_field(random, 0, 7, model->weekdays, fields[4], sizeof(fields[4]));
    (void)snprintf(model->text, sizeof(model->text), "%s %s %s %s %s", fields[0], fields[1],
                   fields[2], fields[3], fields[4]);
}

/* One for all days of the month. */
static void make_weekly_model(struct seeded *random, struct model *model)
{
    char fields[3][48];

    *model = (struct model){.day_star = true};
    (void)make_field(random, 0, 59, model->minutes, fields[0], sizeof(fields[0]));
    model->hour_star = make_field(random, 0, 23, model->hours, fields[1], sizeof(fields[1]));
    model->weekday_star = make_field(random, 0, 7, model->weekdays, fields[2], sizeof(fields[2]));
    memset(model->days, true, sizeof(model->days));
    memset(model->months, true, sizeof(model->months));
    (void)snprintf(model->text, sizeof(model->text), "%s %s * * %s", fields[0], fields[1],
                   fields[2]);
}

static bool model_fires(const struct model *model, time_t at)
{
    struct tm tm;

    (void)gmtime_r(&at, &tm);
    bool day = model->days[tm.tm_mday];
    bool weekday = model->weekdays[tm.tm_wday] || (tm.tm_wday == 0 && model->weekdays[7]);
    bool date = model->day_star || model->weekday_star ? day && weekday : day || weekday;
    return model->minutes[tm.tm_min] && model->hours[tm.tm_hour] && model->months[tm.tm_mon + 1] &&
           date;
}

static void it_fires_when_a_walk_over_every_minute_says_so(void **state)
{
    struct seeded random = {.state = 20261127};
    const time_t limit = 800 * 86400;
    TZ_SCOPED(tz_scoped_zone) struct tz_zone *utc = NULL;
    unsigned compared = 0;

    (void)state;
    assert_int_equal(tz_zone_open(&utc, "UTC", NULL), 0);
    for (int round = 0; round < 100; round++) {
        struct model model;
        struct tz_cron cron;
        time_t from = 1795000000 + (time_t)pick(&random, 100000000);
        time_t at = from / 60 * 60 + 60;
        int64_t found = 0;

        make_model(&random, &model);
        while (at < from + limit && !model_fires(&model, at))
            at += 60;
        if (tz_cron_parse(&cron, model.text, NULL)) {
            assert_true(at >= from + limit);
            continue;
        }
        if (at >= from + limit)
            continue; /* a leap day */
        if (tz_cron_next(&cron, utc, (int64_t)from * S, &found, NULL) || found != (int64_t)at * S)
            fail_msg("'%s' after %jd: %jd, not %jd", model.text, (intmax_t)from,
                     (intmax_t)(found / S), (intmax_t)at);
        compared++;
    }
    assert_true(compared > 70);
}

/* What the clocks of the process's zone show, as if it were a moment of UTC. */
static time_t shown_at(time_t at)
{
    struct tm tm;

    (void)localtime_r(&at, &tm);
    return (time_t)tz_days_of_date(tm.tm_year + 1900L, tm.tm_mon + 1, tm.tm_mday) * 86400 +
           tm.tm_hour * 3600L + tm.tm_min * 60L + tm.tm_sec;
}

#define WALK_MINUTES   (5 * 1440)
#define BEFORE_MINUTES (2 * 1440) /* to know what was shown already */

/*
 * Mark the minutes from the moment on at which the model fires, by what the clocks of the process's
 * zone show in each: where they leap, a minute that they pass over counts as many minutes later;
 * where they go back, what they have shown before counts for every hour only.
 */
static void walk(const struct model *model, time_t from, bool fires[WALK_MINUTES])
{
    time_t last = shown_at(from - (BEFORE_MINUTES + 1) * 60), latest = last;

    memset(fires, 0, WALK_MINUTES * sizeof(fires[0]));
    for (int i = -BEFORE_MINUTES; i < WALK_MINUTES; i++) {
        time_t shown = shown_at(from + i * 60L);
        for (time_t passed = last + 60; passed < shown; passed += 60) {
            time_t late = i + (passed - last) / 60 - 1;
            if (late >= 0 && late < WALK_MINUTES && model_fires(model, passed))
                fires[late] = true;
        }
        if (i >= 0 && (shown > latest || model->hour_star) && model_fires(model, shown))
            fires[i] = true;
        last = shown;
        latest = TZ_MAX(latest, shown);
    }
}

/* A moment some time before the clocks change, if they do within a year. */
static bool find_change(struct seeded *random, time_t *at)
{
    for (time_t hours = 0; hours < 366L * 24; hours++) {
        time_t now = *at + hours * 3600;
        if (shown_at(now + 3600) - shown_at(now) == 3600)
            continue;
        *at = now - (time_t)pick(random, 3 * 1440) * 60;
        return true;
    }
    return false;
}

/* The moments of all firings in the time of the walk. */
static void compare_walk(const struct model *model, const struct tz_zone *zone, const char *name,
                         time_t from)
{
    static bool fires[WALK_MINUTES];
    const int64_t end = (int64_t)from + WALK_MINUTES * 60;
    struct tz_cron cron;
    int64_t found = (int64_t)from * S - 1;

    walk(model, from, fires);
    assert_int_equal(tz_cron_parse(&cron, model->text, NULL), 0);
    for (int64_t i = 0; i < WALK_MINUTES; i++) {
        if (!fires[i])
            continue;
        int64_t expected = (int64_t)from + i * 60;
        if (tz_cron_next(&cron, zone, found, &found, NULL) || found != expected * S)
            fail_msg("'%s' in %s: %jd, not %jd", model->text, name, (intmax_t)(found / S),
                     (intmax_t)expected);
        /* It need not be asked right after the last one. */
        found += i % 3 * 17 * S;
    }
    if (tz_cron_next(&cron, zone, found, &found, NULL) || found < end * S)
        fail_msg("'%s' in %s: %jd, and no such minute", model->text, name, (intmax_t)(found / S));
}

static void it_fires_when_a_walk_by_the_clocks_of_a_zone_says_so(void **state)
{
    static const struct {
        const char *name;
        bool changes;
    } zones[] = {
        {"Europe/Berlin", true},     {"America/New_York", true},  {"Australia/Lord_Howe", true},
        {"Asia/Tokyo", false},       {"Africa/Casablanca", true}, {"Europe/Dublin", true},
        {"America/Sao_Paulo", true}, /* at midnight, until 2019 */
        {"America/St_Johns", true},  /* just after it, until 2011 */
        {"Pacific/Apia", true},      /* once a whole day */
    };
    struct seeded random = {.state = 20261128};

    (void)state;
    for (size_t i = 0; i < TZ_COUNT(zones); i++) {
        TZ_SCOPED(tz_scoped_zone) struct tz_zone *zone = NULL;
        unsigned changes = 0;
        assert_int_equal(tz_zone_open(&zone, zones[i].name, NULL), 0);
        (void)setenv("TZ", zones[i].name, 1);
        tzset();
        for (int round = 0; round < 20; round++) {
            struct model model;
            /* 2005 to 2024 */
            time_t from = 1104537600 + (time_t)pick(&random, 20 * 365 * 1440) * 60;
            make_weekly_model(&random, &model);
            changes += round % 4 != 0 && find_change(&random, &from);
            compare_walk(&model, zone, zones[i].name, from);
        }
        assert_true(zones[i].changes == (changes > 2));
    }
    (void)unsetenv("TZ");
    tzset();
}

static void the_zone_of_the_process_stays(void **state)
{
    (void)state;
    (void)setenv("TZ", "Asia/Tokyo", 1);
    (void)next("0 3 * * *", "Europe/Berlin", "2026-11-27T00:00:00Z");
    assert_string_equal(getenv("TZ"), "Asia/Tokyo");
    fires_at("0 3 * * *", "", "2026-11-27T00:00:00Z", "2026-11-27T18:00:00Z");
    (void)unsetenv("TZ");
    (void)next("0 3 * * *", "Europe/Berlin", "2026-11-27T00:00:00Z");
    assert_null(getenv("TZ"));
}

static void due_follows_the_last_one(void **state)
{
    const struct tz_schedule daily = {.every_ns = 86400 * S};
    const int64_t now = 1795800000 * S;
    struct tz_schedule cron = {.zone = "UTC"};
    struct tz_due due;

    (void)state;
    assert_int_equal(tz_schedule_due(&daily, now - 3600 * S, now, &due, NULL), 0);
    assert_int_equal(due.due_ns, now + 82800 * S);
    assert_int_equal(due.from_ns, due.due_ns - 600 * S);
    assert_int_equal(due.late_ns, due.due_ns + 6 * 3600 * S);
    /* Never, and in the future: at once. */
    assert_int_equal(tz_schedule_due(&daily, 0, now, &due, NULL), 0);
    assert_int_equal(due.from_ns, now);
    assert_int_equal(tz_schedule_due(&daily, now + 86400 * S, now, &due, NULL), 0);
    assert_int_equal(due.late_ns, now);

    assert_int_equal(tz_cron_parse(&cron.cron, "0 3 * * *", NULL), 0);
    assert_int_equal(tz_schedule_due(&cron, now, now, &due, NULL), 0);
    assert_int_equal(due.due_ns % (86400 * S), 3 * 3600 * S);
    assert_true(due.due_ns > now && due.due_ns <= now + 86400 * S);
    assert_int_equal(due.late_ns, due.due_ns + 6 * 3600 * S);
}

static int64_t moment(const char *text)
{
    int64_t ret_ns = 0;

    assert_int_equal(tz_time_parse(text, 0, &ret_ns, NULL), 0);
    return ret_ns;
}

static void a_day_of_23_hours_is_a_day(void **state)
{
    const struct tz_schedule berlin = {.every_ns = 86400 * S, .zone = "Europe/Berlin"};
    const struct tz_schedule weekly = {.every_ns = INT64_C(7) * 86400 * S, .zone = "Europe/Berlin"};
    const struct tz_schedule hours = {.every_ns = 3600 * S, .zone = "Europe/Berlin"};
    const int64_t spring = moment("2027-03-27T02:00:00.5Z");
    const int64_t autumn = moment("2027-10-30T01:00:00Z");
    struct tz_due due;

    (void)state;
    for (int utc = 0; utc < 2; utc++) {
        (void)setenv("TZ", utc ? "UTC" : "Europe/Berlin", 1);
        tzset();
        assert_int_equal(tz_schedule_due(&berlin, spring, spring, &due, NULL), 0);
        assert_int_equal(due.from_ns, spring + (82800 - 600) * S);
        assert_int_equal(due.due_ns, spring + (utc ? 86400 : 82800) * S);
        assert_int_equal(tz_schedule_due(&berlin, autumn, autumn, &due, NULL), 0);
        assert_int_equal(due.from_ns, autumn + ((utc ? 86400 : 90000) - 600) * S);
        assert_int_equal(due.late_ns, autumn + (90000 + 6 * 3600) * S);
        assert_int_equal(tz_schedule_due(&weekly, spring, spring, &due, NULL), 0);
        assert_int_equal(due.from_ns, spring + (7 * 86400 - 3600 - 600) * S);
        assert_int_equal(tz_schedule_due(&hours, spring, spring, &due, NULL), 0);
        assert_int_equal(due.due_ns, spring + 3600 * S);
    }
    (void)unsetenv("TZ");
    tzset();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_expression_is_refused),
        cmocka_unit_test(what_never_fires_is_refused),
        cmocka_unit_test(names_lists_ranges_and_steps_are_known),
        cmocka_unit_test(either_of_two_given_day_fields_is_enough),
        cmocka_unit_test(changes_of_the_clock_neither_skip_nor_double),
        cmocka_unit_test(it_fires_when_a_walk_over_every_minute_says_so),
        cmocka_unit_test(it_fires_when_a_walk_by_the_clocks_of_a_zone_says_so),
        cmocka_unit_test(the_zone_of_the_process_stays),
        cmocka_unit_test(due_follows_the_last_one),
        cmocka_unit_test(a_day_of_23_hours_is_a_day),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
