#include "tozai/storage/driver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct tz_probe sample = {
    .time_ns = 1234567890,
    .parts =
        {
            [TZ_PROBE_CONDITIONAL] = TZ_PROBE_YES,
            [TZ_PROBE_HASH] = TZ_PROBE_NO,
        },
    .has_region = true,
    .region = "ap-northeast-1",
};

static void write_sample(struct tz_buf *out, const char *address)
{
    assert_int_equal(tz_probe_write(&sample, address, out, NULL), 0);
}

static void what_is_kept_comes_back(void **state)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf bytes = {0};
    struct tz_probe back;

    (void)state;
    write_sample(&bytes, "s3://b/p\n\n");
    assert_true(tz_probe_read(bytes.data, bytes.len, "s3://b/p\n\n", &back));
    assert_int_equal(back.time_ns, sample.time_ns);
    assert_memory_equal(back.parts, sample.parts, sizeof(back.parts));
    assert_true(back.has_region);
    assert_string_equal(back.region, "ap-northeast-1");
}

static void a_probe_of_another_address_says_nothing(void **state)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf bytes = {0};
    struct tz_probe back = {.time_ns = 7};

    (void)state;
    write_sample(&bytes, "s3://b/p\nhttps://a\n");
    assert_false(tz_probe_read(bytes.data, bytes.len, "s3://b/p\nhttps://b\n", &back));
    assert_int_equal(back.time_ns, 7);
}

static void damaged_ones_are_refused(void **state)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf bytes = {0};
    struct tz_probe back;

    (void)state;
    write_sample(&bytes, "a");
    for (size_t len = 0; len < bytes.len; len++)
        assert_false(tz_probe_read(bytes.data, len, "a", &back));
    bytes.data[bytes.len - 1] = TZ_PROBE_YES + 1;
    assert_false(tz_probe_read(bytes.data, bytes.len, "a", &back));
    bytes.data[bytes.len - 1] = TZ_PROBE_YES;
    bytes.data[0]++;
    assert_false(tz_probe_read(bytes.data, bytes.len, "a", &back));
    bytes.data[0]--;
    assert_true(tz_probe_read(bytes.data, bytes.len, "a", &back));
    assert_int_equal(tz_buf_append(&bytes, "", 1, NULL), 0);
    assert_false(tz_probe_read(bytes.data, bytes.len, "a", &back));
}

static void every_part_and_answer_has_a_name(void **state)
{
    (void)state;
    for (enum tz_probe_part i = 0; i < TZ_PROBE_PARTS; i++)
        assert_true(strlen(tz_probe_part_name(i)) > 0);
    assert_string_equal(tz_probe_answer_name(TZ_PROBE_UNKNOWN), "unknown");
    assert_string_equal(tz_probe_answer_name(TZ_PROBE_YES), "yes");
}

static void only_what_is_proven_is_a_feature(void **state)
{
    struct tz_probe probe = {0};

    (void)state;
    assert_int_equal(tz_probe_features(&probe), 0);
    for (size_t i = 0; i < TZ_PROBE_PARTS; i++)
        probe.parts[i] = TZ_PROBE_NO;
    assert_int_equal(tz_probe_features(&probe), 0);
    probe.parts[TZ_PROBE_CONDITIONAL] = TZ_PROBE_YES;
    assert_int_equal(tz_probe_features(&probe), TZ_STORE_ATOMIC);
    probe.parts[TZ_PROBE_BATCH] = TZ_PROBE_YES;
    assert_int_equal(tz_probe_features(&probe), TZ_STORE_ATOMIC | TZ_STORE_BATCH);
}

/* What a local store is cannot be taken or given. */
static void trust_reaches_only_what_must_be_proven(void **state)
{
    TZ_SCOPED(tz_scoped_store) struct tz_store *store = NULL;
    const struct tz_store_options options = {.name = "m", .url = "mem:probe"};
    char region[TZ_STORE_REGION_MAX] = "x";

    (void)state;
    assert_int_equal(tz_store_open(&store, &options, NULL), 0);
    unsigned before = tz_store_features(store);
    tz_store_trust(store, TZ_STORE_BATCH);
    assert_int_equal(tz_store_features(store), before);
    assert_int_equal(tz_store_region(store, region, NULL), 0);
    assert_string_equal(region, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_kept_comes_back),
        cmocka_unit_test(a_probe_of_another_address_says_nothing),
        cmocka_unit_test(damaged_ones_are_refused),
        cmocka_unit_test(every_part_and_answer_has_a_name),
        cmocka_unit_test(only_what_is_proven_is_a_feature),
        cmocka_unit_test(trust_reaches_only_what_must_be_proven),
    };
    return cmocka_run_group_tests_name("probe", tests, NULL, NULL);
}
