#include "tozai/util/time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define S    TZ_SECOND_NS
#define HOUR (3600 * S)
#define DAY  (24 * HOUR)
#define NS   INT64_C(1)

static int use_zone(const char *zone)
{
    int result = setenv("TZ", zone, 1);

    tzset();
    return result;
}

/* No clock changes, and far enough from UTC that a mix-up shows. */
static int use_japan(void **state)
{
    (void)state;
    return use_zone("JST-9");
}

static int use_germany(void **state)
{
    (void)state;
    return use_zone("CET-1CEST,M3.5.0,M10.5.0/3");
}

static int64_t parsed(const char *text, int64_t now)
{
    struct tz_error err = {0};
    int64_t time = 0;

    if (tz_time_parse(text, now, &time, &err))
        fail_msg("%s", err.message);
    return time;
}

static void assert_refused(const char *text)
{
    struct tz_error err = {0};
    int64_t time = 77;

    if (!tz_time_parse(text, 0, &time, &err))
        fail_msg("'%s' was accepted", text);
    assert_int_equal(err.kind, TZ_INVALID);
    assert_non_null(strstr(err.message, text));
    assert_true(err.hint[0] != '\0');
    assert_int_equal(time, 77);
}

static const struct {
    int64_t time;
    const char *text;
    const char *name;
} moments[] = {
    {0, "1970-01-01T00:00:00Z", "19700101T000000Z"},
    {1, "1970-01-01T00:00:00.000000001Z", "19700101T000000Z"},
    {-1, "1969-12-31T23:59:59.999999999Z", "19691231T235959Z"},
    {-S, "1969-12-31T23:59:59Z", "19691231T235959Z"},
    {1795325400 * S, "2026-11-22T05:30:00Z", "20261122T053000Z"},
    {1795325400 * S + 120000000, "2026-11-22T05:30:00.120000000Z", "20261122T053000Z"},
    {951782400 * S, "2000-02-29T00:00:00Z", "20000229T000000Z"},
    {-2203891200 * S, "1900-03-01T00:00:00Z", "19000301T000000Z"},
    {-2203977600 * S, "1900-02-28T00:00:00Z", "19000228T000000Z"},
    {4107542399 * S, "2100-02-28T23:59:59Z", "21000228T235959Z"},
    {4107542400 * S, "2100-03-01T00:00:00Z", "21000301T000000Z"},
    {INT64_MAX, "2262-04-11T23:47:16.854775807Z", "22620411T234716Z"},
    {INT64_MIN, "1677-09-21T00:12:43.145224192Z", "16770921T001243Z"},
};

static void moments_have_known_texts(void **state)
{
    (void)state;

    for (size_t i = 0; i < TZ_COUNT(moments); i++) {
        char text[TZ_TIME_TEXT];
        tz_time_format(text, moments[i].time);
        assert_string_equal(text, moments[i].text);
        tz_time_format_name(text, moments[i].time);
        assert_string_equal(text, moments[i].name);
        assert_true(parsed(moments[i].text, 0) == moments[i].time);
    }
}

static void local_format_is_in_the_local_zone(void **state)
{
    (void)state;
    char text[TZ_TIME_TEXT];

    tz_time_format_local(text, 1795325400 * S + 5);
    assert_string_equal(text, "2026-11-22 14:30:00");
    tz_time_format_local(text, -NS);
    assert_string_equal(text, "1970-01-01 08:59:59");
    tz_time_format_local(text, INT64_MIN);
    assert_memory_equal(text, "1677-09-21 ", 11);
    tz_time_format_local(text, INT64_MAX);
    assert_string_equal(text, "2262-04-12 08:47:16");
}

static void random_moments_come_back(void **state)
{
    (void)state;
    uint64_t random = 42;

    for (int i = 0; i < 20000; i++) {
        char text[TZ_TIME_TEXT];
        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        int64_t time = (int64_t)random;
        tz_time_format(text, time);
        assert_true(parsed(text, 0) == time);

        int64_t second = 0;
        tz_time_format_name(text, time);
        assert_true(tz_time_parse_name(text, &second));
        assert_true(second <= time && time - second < S);
        tz_time_format_local(text, time);
        assert_true(parsed(text, 0) == second);
    }
}

static void names_are_read_strictly(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "20261122T053000",
        "20261122T053000Zx",
        "20261122T053000Z-ab",
        "20261122t053000Z",
        "20261122 053000Z",
        "2026-11-22T05:30:00Z",
        "20261322T053000Z",
        "20260022T053000Z",
        "20261100T053000Z",
        "20260230T053000Z",
        "20261122T243000Z",
        "20261122T056000Z",
        "20261122T053060Z",
        "-0261122T053000Z",
        "+0261122T053000Z",
        " 0261122T053000Z",
        "16770101T000000Z",
        "23000101T000000Z",
        "00000101T000000Z",
        "99991231T235959Z",
    };
    int64_t time = 77;

    for (size_t i = 0; i < TZ_COUNT(wrong); i++)
        if (tz_time_parse_name(wrong[i], &time))
            fail_msg("'%s' was accepted", wrong[i]);
    assert_int_equal(time, 77);
    assert_true(tz_time_parse_name("20261122T053000Z", &time));
    assert_true(time == 1795325400 * S);
}

static void times_with_a_zone_are_exact(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t time;
    } cases[] = {
        {"2026-11-22T05:30:00Z", 1795325400 * S},
        {"2026-11-22t05:30:00z", 1795325400 * S},
        {"2026-11-22 05:30:00Z", 1795325400 * S},
        {"2026-11-22 05:30Z", 1795325400 * S},
        {"2026-11-22T14:30:00+09:00", 1795325400 * S},
        {"2026-11-22T14:30:00+0900", 1795325400 * S},
        {"2026-11-22 14:30:00+09", 1795325400 * S},
        {"2026-11-22 14:30+09:00", 1795325400 * S},
        {"2026-11-21T23:15:00-06:15", 1795325400 * S},
        {"2026-11-22T05:30:00-00:00", 1795325400 * S},
        {"2026-11-23T05:29:00+23:59", 1795325400 * S},
        {"2026-11-22T05:30:00.5Z", 1795325400 * S + S / 2},
        {"2026-11-22T14:30:00.000000001+09:00", 1795325400 * S + 1},
        {"2026-11-22T14:30:00.123456+09", 1795325400 * S + 123456000},
        {"1970-01-01T00:00:00+00:01", -60 * S},
    };

    for (size_t i = 0; i < TZ_COUNT(cases); i++)
        if (parsed(cases[i].text, 0) != cases[i].time)
            fail_msg("'%s' was read as another time", cases[i].text);
}

static void times_without_a_zone_are_local(void **state)
{
    (void)state;

    assert_true(parsed("2026-11-22T14:30:00", 0) == 1795325400 * S);
    assert_true(parsed("2026-11-22 14:30", 0) == 1795325400 * S);
    assert_true(parsed("2026-11-22 14:30:00.25", 0) == 1795325400 * S + S / 4);
    assert_true(parsed("2026-11-22", 0) == (1795325400 - 14 * 3600 - 1800) * S);
    /* -1 from mktime() is a moment too. */
    assert_true(parsed("1970-01-01 08:59:59", 0) == -S);
}

static void summer_time_counts(void **state)
{
    (void)state;
    char text[TZ_TIME_TEXT];

    assert_true(parsed("2026-07-01 12:00", 0) == parsed("2026-07-01T10:00:00Z", 0));
    assert_true(parsed("2026-12-01 12:00", 0) == parsed("2026-12-01T11:00:00Z", 0));
    assert_true(parsed("2026-03-29 01:59:59", 0) == parsed("2026-03-29T00:59:59Z", 0));
    assert_true(parsed("2026-03-29 03:00", 0) == parsed("2026-03-29T01:00:00Z", 0));
    assert_true(parsed("2026-10-25 01:59:59", 0) == parsed("2026-10-24T23:59:59Z", 0));
    assert_true(parsed("2026-10-25 03:00", 0) == parsed("2026-10-25T02:00:00Z", 0));
    tz_time_format_local(text, parsed("2026-07-01T10:00:00Z", 0));
    assert_string_equal(text, "2026-07-01 12:00:00");
}

static void local_times_that_are_skipped_or_come_twice_are_refused(void **state)
{
    (void)state;
    struct tz_error err = {0};
    int64_t time;

    assert_refused("2026-03-29 02:00");
    assert_refused("2026-03-29 02:59:59");
    assert_refused("2026-10-25 02:00");
    assert_refused("2026-10-25 02:59:59");
    assert_int_equal(tz_time_parse("2026-10-25 02:30", 0, &time, &err), -1);
    assert_non_null(strstr(err.message, "twice"));
    /* With a zone both are fine. */
    assert_true(parsed("2026-10-25T02:30:00+01:00", 0) - parsed("2026-10-25T02:30:00+02:00", 0) ==
                HOUR);
}

static void wrong_times_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "yesterday",
        "Now",
        "now ",
        " now",
        "2026",
        "2026-11",
        "2026-11-",
        "2026-1-2",
        "2026-11-22T",
        "2026-11-22 ",
        "2026-11-22T05",
        "2026-11-22T05:",
        "2026-11-22T05:3",
        "2026-11-22T05:30:",
        "2026-11-22T05:30:0",
        "2026-11-22T05:30:00.",
        "2026-11-22T05:30:00.Z",
        "2026-11-22T05:30:00,5Z",
        "2026-11-22T05:30:00.1234567890Z",
        "2026-11-22T05:30.5Z",
        "2026-11-22T05:30:00Zz",
        "2026-11-22T05:30:00 Z",
        "2026-11-22T05:30:00+",
        "2026-11-22T05:30:00+9",
        "2026-11-22T05:30:00+09:",
        "2026-11-22T05:30:00+09:0",
        "2026-11-22T05:30:00+09:00x",
        "2026-11-22T05:30:00+24:00",
        "2026-11-22T05:30:00+09:60",
        "2026-11-22Z",
        "2026-11-22+09:00",
        "2026/11/22",
        "2026-11-22  05:30",
        "2026-11-22_05:30",
        "20261122T053000Z",
        "2026-13-01",
        "2026-00-01",
        "2026-01-00",
        "2026-01-32",
        "2026-02-29",
        "2026-02-30",
        "2026-02-30T00:00:00Z",
        "2028-02-30",
        "2100-02-29T00:00:00Z",
        "2026-04-31",
        "2026-11-22T24:00:00Z",
        "2026-11-22T23:60:00Z",
        "2026-11-22T23:59:60Z",
        "2026-11-22T-1:30:00Z",
        "0000-01-01T00:00:00Z",
        "1677-09-21T00:12:43.145224191Z",
        "2262-04-11T23:47:16.854775808Z",
        "9999-12-31T23:59:59Z",
        "9999-12-31",
        "12026-11-22",
    };

    for (size_t i = 0; i < TZ_COUNT(wrong); i++)
        assert_refused(wrong[i]);
    assert_true(parsed("2024-02-29", 0) != 0);
    assert_true(parsed("2000-02-29", 0) != 0);
}

static void now_and_ages_count_from_now(void **state)
{
    (void)state;
    int64_t now = 1795325400 * S + 123;

    assert_true(parsed("now", now) == now);
    assert_true(parsed("-90s", now) == now - 90 * S);
    assert_true(parsed("-15m", now) == now - 900 * S);
    assert_true(parsed("-3h", now) == now - 3 * HOUR);
    assert_true(parsed("-2d", now) == now - 2 * DAY);
    assert_true(parsed("-1w", now) == now - 7 * DAY);
    assert_true(parsed("-0s", now) == now);
    assert_true(parsed("-3h", INT64_MIN + 3 * HOUR) == INT64_MIN);
}

static void wrong_ages_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"-",   "-3",    "-h",  "--3h", "-3h ",  "- 3h",
                                        "+3h", "-3h2m", "-3x", "-3H",  "-1.5h", "-99999999999999w"};
    struct tz_error err = {0};
    int64_t time;

    for (size_t i = 0; i < TZ_COUNT(wrong); i++)
        assert_refused(wrong[i]);
    assert_int_equal(tz_time_parse("-3h", INT64_MIN + 3 * HOUR - 1, &time, &err), -1);
    assert_int_equal(tz_time_parse("-15000w", INT64_MIN / 2, &time, &err), -1);
    assert_int_equal(err.kind, TZ_INVALID);
}

static void durations_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t seconds;
    } cases[] = {
        {"0", 0},
        {"90", 90},
        {"90s", 90},
        {"15m", 900},
        {"3h", 10800},
        {"7d", 604800},
        {"4w", 2419200},
        {"007d", 604800},
        {"15250w", INT64_C(15250) * 604800},
        {"9223372036", INT64_C(9223372036)},
    };

    for (size_t i = 0; i < TZ_COUNT(cases); i++) {
        int64_t duration = -1;
        assert_int_equal(tz_duration_parse(cases[i].text, &duration, NULL), 0);
        assert_true(duration == cases[i].seconds * S);
    }
}

static void wrong_durations_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "s",
        "-1",
        "-1s",
        "+1",
        " 1",
        "1 ",
        "1 h",
        "1.5h",
        "1hh",
        "1h1",
        "1H",
        "1y",
        "0x10",
        "1M",
        "1e3",
        "h1",
        "9223372037",
        "15251w",
        "18446744073709551616",
        "18446744073709551615",
        "99999999999999999999999999999999999s",
    };

    for (size_t i = 0; i < TZ_COUNT(wrong); i++) {
        struct tz_error err = {0};
        int64_t duration = 77;
        if (!tz_duration_parse(wrong[i], &duration, &err))
            fail_msg("'%s' was accepted", wrong[i]);
        char quoted[100];
        (void)snprintf(quoted, sizeof(quoted), "'%s'", wrong[i]);
        assert_non_null(strstr(err.message, quoted));
        assert_int_equal(err.kind, TZ_INVALID);
        assert_int_equal(duration, 77);
    }
}

static void sizes_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t bytes;
    } cases[] = {
        {"0", 0},
        {"4096", 4096},
        {"64K", 65536},
        {"64k", 65536},
        {"32M", UINT64_C(32) << 20},
        {"1G", UINT64_C(1) << 30},
        {"2T", UINT64_C(2) << 40},
        {"2t", UINT64_C(2) << 40},
        {"8388607T", UINT64_C(8388607) << 40},
        {"9223372036854775807", INT64_MAX},
    };

    for (size_t i = 0; i < TZ_COUNT(cases); i++) {
        uint64_t bytes = 1;
        assert_int_equal(tz_size_parse(cases[i].text, &bytes, NULL), 0);
        assert_true(bytes == cases[i].bytes);
    }
}

static void wrong_sizes_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "K",
        "-1",
        "-1K",
        "+1",
        " 1",
        "1 ",
        "1 K",
        "1.5G",
        "1KB",
        "1KiB",
        "1B",
        "0x10",
        "1P",
        "1KK",
        "K1",
        "8388608T",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "18014398509481984K",
        "99999999999999999999999999999999G",
    };

    for (size_t i = 0; i < TZ_COUNT(wrong); i++) {
        struct tz_error err = {0};
        uint64_t bytes = 77;
        if (!tz_size_parse(wrong[i], &bytes, &err))
            fail_msg("'%s' was accepted", wrong[i]);
        char quoted[100];
        (void)snprintf(quoted, sizeof(quoted), "'%s'", wrong[i]);
        assert_non_null(strstr(err.message, quoted));
        assert_int_equal(err.kind, TZ_INVALID);
        assert_int_equal(bytes, 77);
    }
}

static void sizes_are_printed_short(void **state)
{
    (void)state;
    static const struct {
        uint64_t bytes;
        const char *text;
    } cases[] = {
        {0, "0 B"},
        {1, "1 B"},
        {1023, "1023 B"},
        {1024, "1.0 KiB"},
        {1075, "1.0 KiB"},
        {1076, "1.1 KiB"},
        {1536, "1.5 KiB"},
        {1048524, "1023.9 KiB"},
        {1048525, "1.0 MiB"},
        {1048576, "1.0 MiB"},
        {1395864371, "1.3 GiB"},
        {UINT64_C(5) << 40, "5.0 TiB"},
        {UINT64_C(3) << 49, "1.5 PiB"},
        {INT64_MAX, "8.0 EiB"},
        {UINT64_MAX, "16.0 EiB"},
    };

    for (size_t i = 0; i < TZ_COUNT(cases); i++) {
        char text[TZ_SIZE_TEXT];
        tz_size_format(text, cases[i].bytes);
        assert_string_equal(text, cases[i].text);
    }
}

static void the_clocks_run(void **state)
{
    (void)state;
    struct timespec pause = {.tv_nsec = 2000000};
    int64_t wall = tz_now();
    int64_t start = tz_monotonic();

    assert_true(wall / S - (int64_t)time(NULL) <= 1);
    assert_true(wall > parsed("2020-01-01T00:00:00Z", 0));
    (void)nanosleep(&pause, NULL);
    assert_true(tz_monotonic() - start >= 2000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(moments_have_known_texts, use_japan),
        cmocka_unit_test_setup(local_format_is_in_the_local_zone, use_japan),
        cmocka_unit_test_setup(random_moments_come_back, use_japan),
        cmocka_unit_test_setup(names_are_read_strictly, use_japan),
        cmocka_unit_test_setup(times_with_a_zone_are_exact, use_japan),
        cmocka_unit_test_setup(times_without_a_zone_are_local, use_japan),
        cmocka_unit_test_setup(summer_time_counts, use_germany),
        cmocka_unit_test_setup(local_times_that_are_skipped_or_come_twice_are_refused, use_germany),
        cmocka_unit_test_setup(wrong_times_are_refused, use_japan),
        cmocka_unit_test_setup(now_and_ages_count_from_now, use_japan),
        cmocka_unit_test_setup(wrong_ages_are_refused, use_japan),
        cmocka_unit_test(durations_are_read),
        cmocka_unit_test(wrong_durations_are_refused),
        cmocka_unit_test(sizes_are_read),
        cmocka_unit_test(wrong_sizes_are_refused),
        cmocka_unit_test(sizes_are_printed_short),
        cmocka_unit_test(the_clocks_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
