/*
 * The S3 driver on a real server: $TOZAI_S3_SERVER is the folder that tests/servers/ made.
 */
#include "lock_contract.h"
#include "store_contract.h"

#include "tozai/util/buf.h"
#include "tozai/util/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SKIPPED 77

static unsigned trusted;
static char endpoint[256], region[64], credentials[512];

/* "NAME=value" of the folder's file env. */
static bool find_setting(const char *text, const char *name, char *value, size_t size)
{
    size_t len = strlen(name);

    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, len) == 0 && line[len] == '=') {
            (void)snprintf(value, size, "%.*s", (int)strcspn(line + len + 1, "\n"), line + len + 1);
            return true;
        }
    }
    return false;
}

static bool find_server(void)
{
    const char *folder = getenv("TOZAI_S3_SERVER");
    TZ_SCOPED(tz_scoped_buf) struct tz_buf text = {0};
    char path[512];

    if (!folder || !*folder)
        return false;
    (void)snprintf(path, sizeof(path), "%s/env", folder);
    (void)snprintf(credentials, sizeof(credentials), "%s/credentials", folder);
    if (tz_file_read(path, 65536, &text, NULL) || tz_buf_append(&text, "", 1, NULL))
        return false;
    return find_setting((const char *)text.data, "S3_ENDPOINT", endpoint, sizeof(endpoint)) &&
           find_setting((const char *)text.data, "S3_REGION", region, sizeof(region));
}

static int open_place(struct tz_store **ret, const char *place, bool read_only,
                      struct tz_error *err)
{
    char url[128];
    const struct tz_store_s3_options s3 = {
        .endpoint = endpoint,
        .region = region,
        .credentials_file = credentials,

    };
    const struct tz_store_options options = {
        .name = "bucket",
        .url = url,
        .read_only = read_only,
        .create = true,
        .s3 = &s3,
    };

    (void)snprintf(url, sizeof(url), "s3://contract/%s", place);
    if (tz_store_open(ret, &options, err))
        return -1;
    tz_store_trust(*ret, trusted);
    return 0;
}

#define IN_PARTS (((size_t)70 << 20) + 3)

static void fill(uint8_t *data, uint64_t seed)
{
    uint64_t x = seed;

    for (size_t i = 0; i < IN_PARTS; i++) {
        x = x * UINT64_C(6364136223846793005) + 1442695040888963407U;
        data[i] = (uint8_t)(x >> 56);
    }
}

static void assert_bytes(struct tz_store *store, const uint8_t *data, size_t offset, size_t len)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};

    assert_int_equal(tz_store_get(store, "packs/parts", offset, len, &out, NULL), 0);
    assert_int_equal(out.len, TZ_MIN(len, IN_PARTS - offset));
    assert_memory_equal(out.data, data + offset, out.len);
}

static void an_object_in_parts_is_like_others(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_store) struct tz_store *store = NULL;
    TZ_SCOPED(tz_scoped_free) uint8_t *data = malloc(IN_PARTS);
    struct tz_store_stat stat;
    struct tz_error err = {0};

    assert_non_null(data);
    assert_int_equal(open_place(&store, "parts", false, NULL), 0);
    for (uint64_t seed = 1; seed <= 2; seed++) {
        fill(data, seed);
        assert_int_equal(tz_store_replace(store, "packs/parts", data, IN_PARTS, NULL), 0);
        assert_int_equal(tz_store_stat(store, "packs/parts", &stat, NULL), 0);
        assert_int_equal(stat.size, IN_PARTS);
        assert_bytes(store, data, 0, IN_PARTS);
        assert_bytes(store, data, ((size_t)16 << 20) - 5, 10);
        assert_bytes(store, data, IN_PARTS - 3, 10);
    }
    assert_int_equal(tz_store_put(store, "packs/parts", data, IN_PARTS, &err), -1);
    assert_int_equal(err.kind, TZ_EXISTS);
    assert_int_equal(tz_store_remove(store, "packs/parts", NULL), 0);
    assert_int_equal(tz_store_put(store, "packs/parts", data, IN_PARTS, NULL), 0);
    assert_bytes(store, data, 0, IN_PARTS);
}

static int open_locked(struct tz_store **ret, struct tz_error *err)
{
    const struct tz_store_s3_options s3 = {
        .endpoint = endpoint,
        .region = region,
        .credentials_file = credentials,
        .lock_bucket = true,
    };
    const struct tz_store_options options = {
        .name = "bucket",
        .url = "s3://contract-locks/place",
        .create = true,
        .lock = TZ_LOCK_COMPLIANCE,
        .s3 = &s3,
    };

    return tz_store_open(ret, &options, err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(an_object_in_parts_is_like_others)};

    if (!find_server()) {
        (void)printf("skipped: no server ($TOZAI_S3_SERVER)\n");
        return SKIPPED;
    }
    trusted = TZ_STORE_ATOMIC | TZ_STORE_BATCH;
    int failed = run_store_contract("s3", open_place);
    failed += cmocka_run_group_tests_name("s3 parts", tests, NULL, NULL);
    failed += run_lock_contract("s3 locks", open_locked, true);
    /* What was not proven is done in another way. */
    trusted = 0;
    return run_store_contract("s3 of which nothing is known", open_place) + failed;
}
