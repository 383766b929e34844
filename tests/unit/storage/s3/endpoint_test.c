/* The address of requests. */
#include "storage/s3/s3.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void scoped_address(struct tz_s3_store *store)
{
    tz_s3_clear_address(store);
}

struct address {
    const char *url, *endpoint, *region;
    enum tz_store_path path_style;
    const char *bucket, *prefix, *base, *host;
};

static void addresses_are_taken_apart(void **state)
{
    (void)state;
    const struct address good[] = {
        {"s3://bucket", NULL, NULL, 0, "bucket", "", "https://bucket.s3.us-east-1.amazonaws.com",
         "bucket.s3.us-east-1.amazonaws.com"},
        {"s3://bucket/a/b///", "", "cn-north-1", 0, "bucket", "a/b/",
         "https://bucket.s3.cn-north-1.amazonaws.com.cn", "bucket.s3.cn-north-1.amazonaws.com.cn"},
        {"s3://buc.ket/x", NULL, "eu-west-1", 0, "buc.ket", "x/",
         "https://s3.eu-west-1.amazonaws.com", "s3.eu-west-1.amazonaws.com"},
        {"s3://bucket/x", "http://host:8080", "r", 0, "bucket", "x/", "http://host:8080",
         "host:8080"},
        {"s3://bucket/x", "https://host:443/", "r", 0, "bucket", "x/", "https://host", "host"},
        {"s3://bucket/x", "http://host:80", "r", 0, "bucket", "x/", "http://host", "host"},
        {"s3://bucket/x", "https://host:80", "r", 0, "bucket", "x/", "https://host:80", "host:80"},
        {"s3://bucket/x", "https://host", "r", TZ_STORE_PATH_NO, "bucket", "x/",
         "https://bucket.host", "bucket.host"},
        {"s3://bucket/x", NULL, "r", TZ_STORE_PATH_YES, "bucket", "x/",
         "https://s3.r.amazonaws.com", "s3.r.amazonaws.com"},
        {"s3://bucket/x", "http://[::1]:9000", "r", 0, "bucket", "x/", "http://[::1]:9000",
         "[::1]:9000"},
    };

    for (size_t i = 0; i < TZ_COUNT(good); i++) {
        TZ_SCOPED(scoped_address) struct tz_s3_store store = {0};
        struct tz_error err = {0};
        if (tz_s3_set_address(&store, good[i].url, good[i].endpoint, good[i].region,
                              good[i].path_style, &err))
            fail_msg("%s: %s", good[i].url, err.message);
        assert_string_equal(store.bucket, good[i].bucket);
        assert_string_equal(store.prefix, good[i].prefix);
        assert_string_equal(store.addresses[0].base, good[i].base);
        assert_string_equal(store.addresses[0].host, good[i].host);
    }
}

static void what_is_no_address_is_refused(void **state)
{
    (void)state;
    char long_prefix[TZ_S3_KEY_MAX + 32] = "s3://bucket/";
    const char *const bad[][2] = {
        {"s3:bucket", NULL},
        {"s3://", NULL},
        {"s3://ab/x", NULL},
        {"s3:///x", NULL},
        {"s3://bucket//x", NULL},
        {"s3://buc ket/x", NULL},
        {"s3://buc%20ket/x", NULL},
        {"s3://b?x=y/x", NULL},
        {"s3://0123456789012345678901234567890123456789012345678901234567890123", NULL},
        {long_prefix, NULL},
        {"s3://bucket/x", "host:80"},
        {"s3://bucket/x", "ftp://host"},
        {"s3://bucket/x", "https://"},
        {"s3://bucket/x", "https:///x"},
        {"s3://bucket/x", "https://host/path"},
        {"s3://bucket/x", "https://host?x"},
        {"s3://bucket/x", "https://user:word@host"},
    };

    memset(long_prefix + strlen(long_prefix), 'x', TZ_S3_KEY_MAX);
    for (size_t i = 0; i < TZ_COUNT(bad); i++) {
        TZ_SCOPED(scoped_address) struct tz_s3_store store = {0};
        struct tz_error err = {0};
        if (!tz_s3_set_address(&store, bad[i][0], bad[i][1], "r", 0, &err))
            fail_msg("%s at %s was taken", bad[i][0], bad[i][1] ? bad[i][1] : "AWS");
        assert_int_equal(err.kind, TZ_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_taken_apart),
        cmocka_unit_test(what_is_no_address_is_refused),
    };
    return cmocka_run_group_tests_name("s3 endpoint", tests, NULL, NULL);
}
