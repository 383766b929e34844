/* Limits by the time of the day, from their text to what a store is opened with. */
#include "core/config/parse.h"
#include "core/config/value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MIB ((uint64_t)1 << 20)

static void expect(const struct tz_store_limit *limit, uint64_t rate, unsigned begin, unsigned end)
{
    assert_int_equal(limit->rate, rate);
    assert_int_equal(limit->begin_minute, begin);
    assert_int_equal(limit->end_minute, end);
}

static void read_limits(struct tz_store_limit limits[TZ_STORE_LIMITS], const char *text)
{
    struct tz_error err = {0};

    memset(limits, 0xff, TZ_STORE_LIMITS * sizeof(limits[0]));
    if (tz_value_limits(limits, text, &err))
        fail_msg("%s: %s", text, err.message);
}

static void a_rate_holds_always(void **state)
{
    (void)state;
    static const char *const same[] = {"20M", "20MiB", "20M/s", "20MiB/s", "20m", "20971520"};
    struct tz_store_limit limits[TZ_STORE_LIMITS];

    for (size_t i = 0; i < TZ_COUNT(same); i++) {
        read_limits(limits, same[i]);
        for (size_t k = 0; k < TZ_STORE_LIMITS; k++)
            expect(&limits[k], k == 0 ? 20 * MIB : 0, 0, 0);
    }
    read_limits(limits, "none");
    expect(&limits[0], 0, 0, 0);
    read_limits(limits, "1K");
    expect(&limits[0], 1024, 0, 0);
}

/* The one without a time comes last, wherever it stands: the first that holds counts. */
static void times_come_before_what_holds_otherwise(void **state)
{
    (void)state;
    struct tz_store_limit limits[TZ_STORE_LIMITS];

    read_limits(limits, "20MiB/s, 08:00-20:00 2MiB/s");
    expect(&limits[0], 2 * MIB, 480, 1200);
    expect(&limits[1], 20 * MIB, 0, 0);
    expect(&limits[2], 0, 0, 0);

    read_limits(limits, "22:30-06:00  none,3M ,12:00-13:00\t1G");
    expect(&limits[0], 0, 1350, 360);
    expect(&limits[1], 1024 * MIB, 720, 780);
    expect(&limits[2], 3 * MIB, 0, 0);

    /* Midnight is the end of one day and the beginning of another; at its edges nothing meets. */
    read_limits(limits, "00:00-08:00 1M,08:00-24:00 2M");
    expect(&limits[0], MIB, 0, 480);
    expect(&limits[1], 2 * MIB, 480, 1440);
    expect(&limits[2], 0, 0, 0);
    read_limits(limits, "20:00-00:00 1M");
    expect(&limits[0], MIB, 1200, 0);
}

static void as_many_as_fit(void **state)
{
    (void)state;
    struct tz_store_limit limits[TZ_STORE_LIMITS];

    read_limits(limits, "9M,00:00-01:00 1M,01:00-02:00 2M,02:00-03:00 3M,03:00-04:00 4M,"
                        "04:00-05:00 5M,05:00-06:00 6M,06:00-07:00 7M");
    expect(&limits[6], 7 * MIB, 360, 420);
    expect(&limits[7], 9 * MIB, 0, 0);
}

static void bad_limits_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } bad[] = {
        {"fast", "'fast' is not a rate"},
        {"20 MiB/s", "'20 MiB/s' is not a rate"},
        {"20MB/s", "'20MB/s' is not a rate"},
        {"iB", "'iB' is not a rate"},
        {"/s", "'/s' is not a rate"},
        {"-1M", "'-1M' is not a rate"},
        {"2MiB/min", "'2MiB/min' is not a rate"},
        {"11111111111111111111111111111111111111M",
         "'11111111111111111111111111111111111111M' is not a rate"},
        {"0", "'0' is too slow: at least 1K"},
        {"1023", "'1023' is too slow: at least 1K"},
        {"1M,", "an item of the list is empty"},
        {",1M", "an item of the list is empty"},
        {"1M,2M", "there is a second rate without a time, '2M'"},
        {"08:00-20:00", "there is no rate behind '08:00-20:00'"},
        {"08:00-20:00 ", "there is no rate behind '08:00-20:00'"},
        {"08:00-20:00 soon", "'soon' is not a rate"},
        {"8:00-20:00 2M", "'8:00-20:00' is not a time of the day"},
        {"08:00-20:0 2M", "'08:00-20:0' is not a time of the day"},
        {"08:60-20:00 2M", "'08:60-20:00' is not a time of the day"},
        {"08:00-24:01 2M", "'08:00-24:01' is not a time of the day"},
        {"25:00-26:00 2M", "'25:00-26:00' is not a time of the day"},
        {"08:00 20:00 2M", "'08:00' is not a time of the day"},
        {"08:00-20:002M", "'08:00-20:002M' is not a time of the day"},
        {"2M 08:00-20:00", "'2M' is not a time of the day"},
        {"08:00-20:00 2M 3M", "'2M 3M' is not a rate"},
        {"08:00-08:00 2M", "'08:00-08:00' is all day or nothing"},
        {"00:00-24:00 2M", "'00:00-24:00' is all day or nothing"},
        {"24:00-00:00 2M", "'24:00-00:00' is all day or nothing"},
        {"24:00-24:00 2M", "'24:00-24:00' is all day or nothing"},
        {"08:00-20:00 2M, 19:59-21:00 1M", "there are two limits for 19:59"},
        {"22:00-06:00 2M, 05:00-07:00 1M", "there are two limits for 05:00"},
        {"00:00-01:00 1M,01:00-02:00 2M,02:00-03:00 3M,03:00-04:00 4M,04:00-05:00 5M,"
         "05:00-06:00 6M,06:00-07:00 7M,07:00-08:00 8M",
         "there are more than 7 times"},
    };
    struct tz_store_limit limits[TZ_STORE_LIMITS];

    for (size_t i = 0; i < TZ_COUNT(bad); i++) {
        struct tz_error err = {0};
        if (!tz_value_limits(limits, bad[i].text, &err))
            fail_msg("accepted: %s", bad[i].text);
        assert_int_equal(err.kind, TZ_INVALID);
        assert_string_equal(err.message, bad[i].message);
    }
}

#define CONFIG(lines)                                                                              \
    "[repository]\nstate = /s\n[store east]\nurl = s3://bucket/x\n" lines                          \
    "[policy]\nmin_copies = 1\n"

static void a_store_is_opened_with_them(void **state)
{
    (void)state;
    static const char text[] =
        CONFIG("upload_limit = 20MiB/s, 08:00-20:00 2MiB/s   # by day\n"
               "download_limit = 1G\n") "[retention]\ntimezone = Asia/Tokyo\n";
    TZ_SCOPED(tz_scoped_config) struct tz_config *config = NULL;
    struct tz_store_options options;
    struct tz_store_s3_options s3;

    assert_int_equal(tz_config_parse(&config, "x.conf", text, strlen(text), NULL), 0);
    tz_config_store_options(config, &config->stores[0], &options, &s3);
    expect(&options.upload[0], 2 * MIB, 480, 1200);
    expect(&options.upload[1], 20 * MIB, 0, 0);
    expect(&options.download[0], 1024 * MIB, 0, 0);
    expect(&options.download[1], 0, 0, 0);
    assert_string_equal(options.zone, "Asia/Tokyo");
}

static void the_line_of_a_bad_one_is_named(void **state)
{
    (void)state;
    static const char text[] = CONFIG("download_limit = 20M, 8-20 2M\n");
    struct tz_config *config = NULL;
    struct tz_error err = {0};

    assert_int_equal(tz_config_parse(&config, "x.conf", text, strlen(text), &err), -1);
    assert_string_equal(err.message, "x.conf:5: download_limit: '8-20 2M' is not a rate");
    assert_non_null(strstr(err.hint, "08:00-20:00 2M"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rate_holds_always),
        cmocka_unit_test(times_come_before_what_holds_otherwise),
        cmocka_unit_test(as_many_as_fit),
        cmocka_unit_test(bad_limits_are_refused),
        cmocka_unit_test(a_store_is_opened_with_them),
        cmocka_unit_test(the_line_of_a_bad_one_is_named),
    };
    return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
