/* That the limit of the hour is the one that holds, in the store's own zone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "s3_fixture.h"

#include "tozai/util/time.h"
#include "tozai/util/zone.h"

#define LEN  ((size_t)1 << 20)
#define SLOW ((uint64_t)1 << 20)
#define FAST ((uint64_t)1 << 30)

static void serve(struct http_call *call)
{
    if (strcmp(call->method, "HEAD") == 0)
        (void)http_print(call, "HTTP/1.1 404 x\r\n\r\n");
    else if (strcmp(call->method, "GET") == 0)
        s3_fixture_answer(call, 200, "",
                          "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>");
    else
        s3_fixture_answer(call, 200, "ETag: \"1\"\r\n", "");
}

/* How long a put of 1 MiB takes with `now` from an hour before this one to an hour after it. */
static double put_with(uint64_t now, uint64_t otherwise, const char *zone)
{
    TZ_SCOPED(tz_scoped_zone) struct tz_zone *clock = NULL;
    TZ_SCOPED(tz_scoped_free) char *data = calloc(1, LEN);
    struct s3_fixture fixture = {0};
    struct tz_local_time local;

    assert_int_equal(tz_zone_open(&clock, zone, NULL), 0);
    tz_zone_local(clock, tz_now(), &local);
    const unsigned hour = (unsigned)local.hour;
    const struct tz_store_options options = {
        .upload = {{now, (hour + 23) % 24 * 60, (hour + 2) % 24 * 60}, {otherwise, 0, 0}},
        .zone = zone,
    };
    assert_non_null(data);
    s3_fixture_open_with(&fixture, serve, NULL, &options, NULL);
    int64_t begun_ns = tz_monotonic();
    assert_int_equal(tz_store_put(fixture.store, "packs/x", data, LEN, NULL), 0);
    int64_t took_ns = tz_monotonic() - begun_ns;
    s3_fixture_close(&fixture);
    return (double)took_ns / (double)TZ_SECOND_NS;
}

/* The zones are half a day apart, so that no window of one is the other's. */
static void the_limit_of_this_hour_holds(void **state)
{
    (void)state;
    static const char *const zones[] = {"Asia/Tokyo", "America/New_York"};

    for (size_t i = 0; i < TZ_COUNT(zones); i++) {
        double slow = put_with(SLOW, FAST, zones[i]), fast = put_with(FAST, SLOW, zones[i]);
        if (slow < 0.6 || fast > slow / 2)
            fail_msg("%s: %.2f s where it is slow, %.2f s where it is not", zones[i], slow, fast);
    }
}

static void a_zone_that_is_none_is_refused(void **state)
{
    (void)state;
    const struct tz_store_s3_options s3 = {.endpoint = "http://127.0.0.1:9", .region = "r"};
    struct tz_store_options options = {.name = "east",
                                       .url = "s3://bucket/top",
                                       .upload = {{SLOW, 60, 120}},
                                       .zone = "Nowhere/Land",
                                       .s3 = &s3};
    struct tz_store *store = NULL;
    struct tz_error err = {0};

    assert_int_equal(tz_store_open(&store, &options, &err), -1);
    assert_int_equal(err.kind, TZ_INVALID);
    /* Nobody needs it for a limit that always holds. */
    options.upload[0] = (struct tz_store_limit){.rate = SLOW};
    assert_int_equal(tz_store_open(&store, &options, &err), 0);
    tz_store_free(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_limit_of_this_hour_holds),
        cmocka_unit_test(a_zone_that_is_none_is_refused),
    };
    return cmocka_run_group_tests_name("s3 limits by time", tests, NULL, NULL);
}
