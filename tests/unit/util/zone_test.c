#include "tozai/util/zone.h"

#include "core/util/zone_rule.h"
#include "tozai/util/buf.h"
#include "tozai/util/civil.h"
#include "tozai/util/file.h"
#include "tozai/util/time.h"

#include "seeded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <cmocka.h>

#define ZONES "/usr/share/zoneinfo"

static void set_zone(const char *zone)
{
    assert_int_equal(zone ? setenv("TZ", zone, 1) : unsetenv("TZ"), 0);
    tzset();
}

static struct tz_zone *must_open(const char *name)
{
    struct tz_zone *zone = NULL;
    struct tz_error err = {0};

    if (tz_zone_open(&zone, name, &err))
        fail_msg("%s: %s", name, err.message);
    return zone;
}

/* The C library's answer, for the zone that is set for the process. */
static void check_moment(const struct tz_zone *zone, const char *name, int64_t seconds)
{
    struct tz_local_time local;
    struct tm tm;
    time_t time = (time_t)seconds;

    tz_zone_local(zone, seconds * TZ_SECOND_NS, &local);
    assert_non_null(localtime_r(&time, &tm));
    bool same = local.year == tm.tm_year + 1900L && local.month == tm.tm_mon + 1 &&
                local.day == tm.tm_mday && local.hour == tm.tm_hour && local.minute == tm.tm_min &&
                local.second == tm.tm_sec && (((local.days + 4) % 7) + 7) % 7 == tm.tm_wday;
    if (!same)
        fail_msg("%s at %lld: %lld-%d-%d %d:%d:%d, not %d-%d-%d %d:%d:%d", name, (long long)seconds,
                 (long long)local.year, local.month, local.day, local.hour, local.minute,
                 local.second, tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
                 tm.tm_sec);
}

static int32_t offset_at(const struct tz_zone *zone, int64_t seconds)
{
    struct tz_local_time local;

    tz_zone_local(zone, seconds * TZ_SECOND_NS, &local);
    return local.offset;
}

/* Both sides of each change that a search in steps finds, and moments in between. */
static size_t check_changes(const struct tz_zone *zone, const char *name, int64_t from, int64_t to)
{
    const int64_t step = INT64_C(20) * 86400;
    size_t count = 0;

    for (int64_t at = from; at < to; at += step) {
        int64_t low = at, high = at + step;
        int32_t before = offset_at(zone, low);
        check_moment(zone, name, at);
        if (offset_at(zone, high) == before)
            continue;
        while (high - low > 1) {
            int64_t middle = low + (high - low) / 2;
            if (offset_at(zone, middle) == before)
                low = middle;
            else
                high = middle;
        }
        for (int64_t near = low - 2; near <= high + 2; near++)
            check_moment(zone, name, near);
        count++;
    }
    return count;
}

static void the_c_library_says_the_same_of_every_zone(void **state)
{
    (void)state;
    FILE *list = fopen(ZONES "/tzdata.zi", "r");
    struct seeded seeded = {.state = 1};
    char line[512], name[128];
    size_t zones = 0, changes = 0;

    if (!list)
        skip();
    while (fgets(line, sizeof(line), list)) {
        /* "Z Asia/Tokyo ...", "L Asia/Tokyo Japan" */
        if (sscanf(line, "Z %127s", name) != 1 && sscanf(line, "L %*s %127s", name) != 1)
            continue;
        set_zone(name);
        struct tz_zone *zone = must_open(name);
        zones++;
        /* 1901 to 2100, and single moments up to 2262. */
        if (zones % 8 == 1 || strncmp(name, "Africa/C", 8) == 0 || strstr(name, "Lord_Howe") ||
            strstr(name, "Apia"))
            changes += check_changes(zone, name, INT64_C(-2170000000), INT64_C(4102444800));
        for (size_t i = 0; i < 200; i++)
            check_moment(zone, name, (int64_t)seeded_below(&seeded, 11300000000U) - 2170000000);
        tz_zone_free(zone);
    }
    (void)fclose(list);
    set_zone("UTC");
    print_message("%zu zones, %zu changes of clocks\n", zones, changes);
    assert_true(zones > 400);
    assert_true(changes > 2000);
}

static void rules_of_posix_are_read_as_the_c_library_reads_them(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "JST-9",
        "<+0330>-3:30",
        "<-03>3<-02>,M3.5.0/-2,M10.5.0/-1",
        "CET-1CEST,M3.5.0,M10.5.0/3",
        "EST5EDT,M3.2.0,M11.1.0",
        "NZST-12NZDT,M9.5.0,M4.1.0/3",
        "IST-1GMT0,M10.5.0,M3.5.0/1",
        "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0",
        "AAA3BBB,J60/0,J300/0",
        "AAA3BBB,59/0,300",
        "AAA-5BBB,J1/3,J365/22:30:15",
        "EET-2EEST,M3.5.5/0,M10.5.5/0",
        "ABC-2:30:15",
    };

    for (size_t i = 0; i < TZ_COUNT(texts); i++) {
        set_zone(texts[i]);
        struct tz_zone *zone = must_open("");
        (void)check_changes(zone, texts[i], INT64_C(0), INT64_C(4102444800));
        tz_zone_free(zone);
    }
    set_zone("UTC");
}

static void a_summer_can_last_for_ever(void **state)
{
    (void)state;
    struct tz_zone_rule rule;

    assert_true(tz_zone_rule_read(&rule, "EST5EDT,0/0,J365/25"));
    for (int64_t at = 0; at < 4102444800; at += 86400 / 2)
        assert_int_equal(tz_zone_rule_offset(&rule, at), -4 * 3600);
}

static void odd_rules_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "J-9",
        "JST",
        "JST-25",
        "JST-9:60",
        "JST-9x",
        "<JST-9",
        "<>-9",
        "CET-1CEST,",
        "CET-1CEST,M3.5.0",
        "CET-1CEST,M3.5.0,M10.5.0/168",
        "CET-1CEST,M13.5.0,M10.5.0",
        "CET-1CEST,M3.6.0,M10.5.0",
        "CET-1CEST,M3.5.7,M10.5.0",
        "CET-1CEST,J0,J365",
        "CET-1CEST,J1,J366",
        "CET-1CEST,0,366",
        "CET-1CEST,M3.5.0,M10.5.0,",
        "CET-1CEST99999999999999",
        "CET--1",
    };
    struct tz_zone_rule rule;

    for (size_t i = 0; i < TZ_COUNT(texts); i++) {
        if (tz_zone_rule_read(&rule, texts[i]))
            fail_msg("'%s' was read", texts[i]);
    }
}

static void expect_none(const char *name, const char *message)
{
    struct tz_zone *zone = NULL;
    struct tz_error err = {0};

    assert_int_equal(tz_zone_open(&zone, name, &err), -1);
    assert_int_equal(err.kind, TZ_INVALID);
    assert_string_equal(err.message, message);
    assert_null(zone);
}

static void zones_that_do_not_exist_are_named(void **state)
{
    (void)state;
    expect_none("Asia/Tokio", "there is no time zone 'Asia/Tokio'");
    expect_none("Asia", "there is no time zone 'Asia'");
    expect_none("UTC/x", "there is no time zone 'UTC/x'");
    expect_none("/etc/localtime", "there is no time zone '/etc/localtime'");
    expect_none("../zoneinfo/UTC", "there is no time zone '../zoneinfo/UTC'");
    expect_none("JST-9", "there is no time zone 'JST-9'");
    expect_none("zone.tab", "'" ZONES "/zone.tab': this is not the file of a time zone");

    set_zone("Nowhere/Land");
    expect_none("", "the environment variable TZ: there is no time zone 'Nowhere/Land'");
    set_zone("UTC");
}

static void the_systems_zone_is_that_of_tz_or_of_localtime(void **state)
{
    (void)state;
    static const char *const values[] = {"Asia/Tokyo", ":Asia/Tokyo", ZONES "/Asia/Tokyo",
                                         ":" ZONES "/Asia/Tokyo", "JST-9"};

    for (size_t i = 0; i < TZ_COUNT(values); i++) {
        set_zone(values[i]);
        struct tz_zone *zone = must_open("");
        assert_int_equal(offset_at(zone, 1800000000), 9 * 3600);
        tz_zone_free(zone);
    }
    set_zone("");
    struct tz_zone *zone = must_open("");
    assert_int_equal(offset_at(zone, 1800000000), 0);
    tz_zone_free(zone);

    set_zone(NULL);
    zone = must_open("");
    check_moment(zone, "/etc/localtime", 1800000000);
    tz_zone_free(zone);
    set_zone("UTC");
}

static void another_folder_of_zones_can_be_used(void **state)
{
    (void)state;
    char folder[] = "/tmp/tozai-test-XXXXXX";
    char path[64];
    TZ_SCOPED(tz_scoped_buf) struct tz_buf data = {0};
    struct tz_error err = {0};

    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/Mine", folder);
    assert_int_equal(tz_file_read(ZONES "/Asia/Tokyo", 1 << 20, &data, &err), 0);
    assert_int_equal(tz_file_create(path, data.data, data.len, 0600, &err), 0);
    assert_int_equal(setenv("TZDIR", folder, 1), 0);
    struct tz_zone *zone = must_open("Mine");
    assert_int_equal(offset_at(zone, 0), 9 * 3600);
    tz_zone_free(zone);
    /* UTC needs no file. */
    zone = must_open("UTC");
    assert_int_equal(offset_at(zone, 0), 0);
    tz_zone_free(zone);
    expect_none("Asia/Tokyo", "there is no time zone 'Asia/Tokyo'");
    assert_int_equal(unsetenv("TZDIR"), 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

static void every_cut_of_a_file_is_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"Europe/London", "Asia/Tokyo", "UTC"};

    for (size_t i = 0; i < TZ_COUNT(names); i++) {
        TZ_SCOPED(tz_scoped_free) char *path = tz_path_join(ZONES, names[i]);
        TZ_SCOPED(tz_scoped_buf) struct tz_buf data = {0};
        assert_int_equal(tz_file_read(path, 1 << 20, &data, NULL), 0);
        for (size_t len = 0; len < data.len; len++) {
            struct tz_zone *zone = NULL;
            struct tz_error err = {0};
            TZ_SCOPED(tz_scoped_free) uint8_t *exact = malloc(len + 1);
            memcpy(exact, data.data, len);
            assert_int_equal(tz_zone_read(&zone, exact, len, &err), -1);
            assert_int_equal(err.kind, TZ_INVALID);
        }
    }
}

static void a_zone_that_counts_leap_seconds_is_refused(void **state)
{
    (void)state;
    struct stat st;
    struct tz_zone *zone = NULL;
    struct tz_error err = {0};

    if (stat(ZONES "/right/UTC", &st))
        skip();
    assert_int_equal(tz_zone_open(&zone, "right/UTC", &err), -1);
    assert_non_null(strstr(err.message, "leap seconds"));
}

/* A file of version 1: two kinds of time and one change. */
static void files_of_the_first_version_are_read(void **state)
{
    (void)state;
    /* clang-format off */
    static const uint8_t file[] = {
        'T', 'Z', 'i', 'f', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* no indicators, no leap seconds */
        0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 4, /* a time, two kinds, four letters */
        0, 1, 0, 0, 1,                      /* at 65536 the kind 1 begins */
        0, 0, 0, 0, 0, 0, 0, 0, 0x0e, 0x10, 1, 0, 'A', 'A', 'A', 0,
    };
    /* clang-format on */
    struct tz_zone *zone = NULL;
    struct tz_error err = {0};

    if (tz_zone_read(&zone, file, sizeof(file), &err))
        fail_msg("%s", err.message);
    assert_int_equal(offset_at(zone, 65535), 0);
    assert_int_equal(offset_at(zone, 65536), 3600);
    assert_int_equal(offset_at(zone, 4000000000), 3600);
    tz_zone_free(zone);
}

/* Version 2: an empty first block, then times of 8 bytes and a rule. */
static void files_that_contradict_themselves_are_refused(void **state)
{
    (void)state;
    /* clang-format off */
    static const uint8_t file[] = {
        'T', 'Z', 'i', 'f', '2', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        'T', 'Z', 'i', 'f', '2', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 4,
        0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 1, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0x0e, 0x10, 1, 0, 'A', 'A', 'A', 0,
        '\n', 'A', 'A', 'A', '-', '2', '\n',
    };
    static const struct {
        size_t at;
        uint8_t byte;
        const char *message;
    } faults[] = {
        {101, 1, "the changes of the time zone are out of order"}, /* the second time as the first */
        {105, 2, "the changes of the time zone are out of order"}, /* a kind that is not there */
        {112, 2, "the time zone is more than a day from Greenwich"},
        {127, 'x', "the time zone's rule 'AAA-x' cannot be read"},
        {127, 0, "the time zone's rule for the future cannot be read"},
        {122, ' ', "the time zone's file is cut short"},
        {83, 0, "the time zone has 0 kinds of time"},
        {48, ' ', "this is not the file of a time zone"},
    };
    /* clang-format on */
    struct tz_zone *zone = NULL;
    struct tz_error err = {0};

    if (tz_zone_read(&zone, file, sizeof(file), &err))
        fail_msg("%s", err.message);
    assert_int_equal(offset_at(zone, 65535), 0);
    assert_int_equal(offset_at(zone, 65536), 3600);
    assert_int_equal(offset_at(zone, 131072), 7200);
    tz_zone_free(zone);
    for (size_t i = 0; i < TZ_COUNT(faults); i++) {
        uint8_t bad[sizeof(file)];
        struct tz_zone *none = NULL;
        memcpy(bad, file, sizeof(file));
        bad[faults[i].at] = faults[i].byte;
        if (tz_zone_read(&none, bad, sizeof(bad), &err) == 0)
            fail_msg("byte %zu", faults[i].at);
        assert_string_equal(err.message, faults[i].message);
    }
}

static void the_moments_of_a_shown_time_are_those_that_show_it(void **state)
{
    (void)state;
    static const char *const names[] = {"Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu",
                                        "Africa/Casablanca", "UTC"};
    struct seeded seeded = {.state = 2};
    size_t repeated = 0;

    for (size_t i = 0; i < TZ_COUNT(names); i++) {
        struct tz_zone *zone = must_open(names[i]);
        for (size_t k = 0; k < 20000; k++) {
            /* Each minute of 2026 may come. */
            int64_t at_ns =
                (1767225600 + (int64_t)seeded_below(&seeded, 365 * 1440) * 60) * TZ_SECOND_NS;
            int64_t moments[2];
            struct tz_local_time local, other;
            tz_zone_local(zone, at_ns, &local);
            int count = tz_zone_moments(zone, local.days, local.hour, local.minute, moments);
            assert_true(at_ns == moments[0] || (count == 2 && at_ns == moments[1]));
            if (count == 1)
                continue;
            assert_true(moments[0] < moments[1]);
            tz_zone_local(zone, at_ns == moments[0] ? moments[1] : moments[0], &other);
            assert_true(local.days == other.days && local.hour == other.hour &&
                        local.minute == other.minute);
            repeated++;
        }
        tz_zone_free(zone);
    }
    assert_true(repeated > 0);
}

static void a_second_begins_at_its_first_nanosecond(void **state)
{
    (void)state;
    struct tz_zone *zone = must_open("UTC");
    struct tz_local_time local;

    tz_zone_local(zone, -1, &local);
    assert_int_equal(local.days, -1);
    assert_int_equal(local.second, 59);
    tz_zone_local(zone, 0, &local);
    assert_int_equal(local.days, 0);
    tz_zone_free(zone);
}

static void dates_and_days_are_each_others_inverse(void **state)
{
    (void)state;
    int64_t year = -801;
    int month = 12, day = 31;

    assert_int_equal(tz_days_of_date(1970, 1, 1), 0);
    assert_int_equal(tz_days_of_date(2000, 2, 29), 11016);
    for (int64_t days = tz_days_of_date(-800, 1, 1); days < tz_days_of_date(2400, 3, 2); days++) {
        int64_t y;
        int m, d;
        tz_date_of_days(days, &y, &m, &d);
        bool next_day = y == year && m == month && d == day + 1;
        bool next_month = y == year && m == month + 1 && d == 1 && day >= 28;
        bool next_year = y == year + 1 && m == 1 && d == 1 && month == 12 && day == 31;
        assert_true(next_day || next_month || next_year);
        assert_int_equal(tz_days_of_date(y, m, d), days);
        year = y;
        month = m;
        day = d;
    }
}

int main(void)
{
    set_zone("UTC");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_c_library_says_the_same_of_every_zone),
        cmocka_unit_test(rules_of_posix_are_read_as_the_c_library_reads_them),
        cmocka_unit_test(a_summer_can_last_for_ever),
        cmocka_unit_test(odd_rules_are_refused),
        cmocka_unit_test(zones_that_do_not_exist_are_named),
        cmocka_unit_test(the_systems_zone_is_that_of_tz_or_of_localtime),
        cmocka_unit_test(another_folder_of_zones_can_be_used),
        cmocka_unit_test(every_cut_of_a_file_is_refused),
        cmocka_unit_test(a_zone_that_counts_leap_seconds_is_refused),
        cmocka_unit_test(files_of_the_first_version_are_read),
        cmocka_unit_test(files_that_contradict_themselves_are_refused),
        cmocka_unit_test(the_moments_of_a_shown_time_are_those_that_show_it),
        cmocka_unit_test(a_second_begins_at_its_first_nanosecond),
        cmocka_unit_test(dates_and_days_are_each_others_inverse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
