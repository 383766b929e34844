#include "key_samples.h"

#include "tozai/storage/store.h"
#include "tozai/util/time.h"

#include <stdio.h>

#define HEX64  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define SOURCE "00112233445566778899aabbccddeeff"
#define MOMENT INT64_C(1795325400) * TZ_SECOND_NS /* 2026-11-22T05:30:00Z */

static const uint8_t hash[TZ_HASH_SIZE] = {
    0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
    0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
};
static const uint8_t source_id[TZ_SOURCE_ID_SIZE] = {
    0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff,
};

static void assert_name(const char *name, const char *expected, enum tz_name_kind kind)
{
    assert_string_equal(name, expected);
    struct tz_name found = tz_name_parse(name);
    assert_int_equal(found.kind, kind);
    assert_memory_equal(found.hash, hash, TZ_HASH_SIZE);
    if (kind == TZ_NAME_IS_HEAD || kind == TZ_NAME_IS_SEAL) {
        assert_memory_equal(found.source_id, source_id, TZ_SOURCE_ID_SIZE);
        assert_true(found.time_ns == MOMENT);
    }
}

static void every_name_is_read_back(void **state)
{
    (void)state;
    char name[TZ_NAME_TEXT];
    tz_name_pack(name, hash);
    assert_name(name, "packs/01/" HEX64, TZ_NAME_IS_PACK);
    tz_name_index(name, hash);
    assert_name(name, "index/" HEX64, TZ_NAME_IS_INDEX);
    tz_name_key(name, hash);
    assert_name(name, "keys/" HEX64, TZ_NAME_IS_KEY);
    tz_name_tombstone(name, hash);
    assert_name(name, "tombstones/" HEX64, TZ_NAME_IS_TOMBSTONE);
    /* Names have whole seconds. */
    tz_name_head(name, source_id, MOMENT + 999999999, hash);
    assert_name(name, "generations/" SOURCE "/20261122T053000Z-" HEX64, TZ_NAME_IS_HEAD);
    tz_name_seal(name, source_id, MOMENT, hash);
    assert_name(name, "generations/" SOURCE "/20261122T053000Z-" HEX64 ".seal", TZ_NAME_IS_SEAL);
    assert_int_equal(tz_name_parse(TZ_NAME_DESCRIPTOR).kind, TZ_NAME_IS_DESCRIPTOR);
}

static void anything_odd_is_not_ours(void **state)
{
    (void)state;
    static const char *const names[] = {
        "",
        "tozai/",
        "tozai2",
        "keys",
        "keys/",
        "keys/" HEX64 "0",
        "keys/" HEX64 "/",
        "keys//" HEX64,
        " keys/" HEX64,
        "KEYS/" HEX64,
        "index/0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef",
        "index/g123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "index/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde",
        "index/" HEX64 ".seal",
        "packs/" HEX64,
        "packs/02/" HEX64,
        "packs/0/1" HEX64,
        "packs/01-" HEX64,
        "packs/1/" HEX64,
        "packs/01/",
        "packs/",
        "generations/" SOURCE "/20261122T053000Z-" HEX64 ".sea",
        "generations/" SOURCE "/20261122T053000Z-" HEX64 ".seals",
        "generations/" SOURCE "/20261122T053000Z-" HEX64 ".SEAL",
        "generations/" SOURCE "/20261122T053000Z_" HEX64,
        "generations/" SOURCE "-20261122T053000Z-" HEX64,
        "generations/" SOURCE "/20261322T053000Z-" HEX64,
        "generations/" SOURCE "/20261122T243000Z-" HEX64,
        "generations/" SOURCE "/20260230T053000Z-" HEX64,
        "generations/" SOURCE "/20261122 053000Z-" HEX64,
        "generations/" SOURCE "/2026112 T053000Z-" HEX64,
        "generations/0" SOURCE "/20261122T053000Z-" HEX64,
        "generations/" SOURCE "/" HEX64,
        "generations/" SOURCE "/",
        "generations/",
        "tombstones",
        "logs/" SOURCE "/1/2-3-" HEX64,
    };
    for (size_t i = 0; i < TZ_COUNT(names); i++) {
        struct tz_name found = tz_name_parse(names[i]), other = {.kind = TZ_NAME_OTHER};
        if (found.kind != TZ_NAME_OTHER)
            print_error("%s\n", names[i]);
        assert_memory_equal(&found, &other, sizeof(found));
    }
}

static void every_cut_name_is_not_ours(void **state)
{
    (void)state;
    char name[TZ_NAME_TEXT];
    tz_name_seal(name, source_id, MOMENT, hash);
    for (size_t len = strlen(name); len-- > 0;) {
        name[len] = 0;
        TZ_SCOPED(tz_scoped_free) uint8_t *copy = exact_copy(name, len + 1);
        bool head = len == strlen(name) && tz_name_parse((char *)copy).kind == TZ_NAME_IS_HEAD;
        bool is_whole_head = len == strlen("generations/" SOURCE "/20261122T053000Z-" HEX64);
        assert_int_equal(head, is_whole_head);
        if (!head)
            assert_int_equal(tz_name_parse((char *)copy).kind, TZ_NAME_OTHER);
    }
}

static void a_store_takes_every_name(void **state)
{
    (void)state;
    char name[TZ_NAME_TEXT];
    tz_name_pack(name, hash);
    assert_true(tz_store_name_valid(name));
    tz_name_key(name, hash);
    assert_true(tz_store_name_valid(name));
    tz_name_tombstone(name, hash);
    assert_true(tz_store_name_valid(name));
    tz_name_seal(name, source_id, MOMENT, hash);
    assert_true(tz_store_name_valid(name));
    assert_true(tz_store_name_valid(TZ_NAME_DESCRIPTOR));
}

static void times_of_two_centuries_make_names(void **state)
{
    (void)state;
    for (int64_t seconds = INT64_C(-9000000000); seconds < INT64_C(9000000000);
         seconds += 86400 * 365 + 3607) {
        char name[TZ_NAME_TEXT];
        tz_name_head(name, source_id, seconds * TZ_SECOND_NS, hash);
        struct tz_name found = tz_name_parse(name);
        assert_int_equal(found.kind, TZ_NAME_IS_HEAD);
        assert_true(found.time_ns == seconds * TZ_SECOND_NS);
    }
}

static void ids_of_names_depend_on_kind_name_and_key(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_keys) struct tz_keys *keys = make_keys(1), *others = make_keys(1);
    uint8_t ids[6][TZ_SOURCE_ID_SIZE];
    tz_name_id(keys, "source", "wiki", ids[0]);
    tz_name_id(keys, "host", "wiki", ids[1]);
    tz_name_id(keys, "source", "wiki2", ids[2]);
    tz_name_id(keys, "sourcew", "iki", ids[3]);
    tz_name_id(others, "source", "wiki", ids[4]);
    tz_name_id(keys, "source", "wiki", ids[5]);
    for (int i = 1; i < 5; i++)
        assert_memory_not_equal(ids[0], ids[i], TZ_SOURCE_ID_SIZE);
    assert_memory_equal(ids[0], ids[5], TZ_SOURCE_ID_SIZE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_name_is_read_back),
        cmocka_unit_test(anything_odd_is_not_ours),
        cmocka_unit_test(every_cut_name_is_not_ours),
        cmocka_unit_test(a_store_takes_every_name),
        cmocka_unit_test(times_of_two_centuries_make_names),
        cmocka_unit_test(ids_of_names_depend_on_kind_name_and_key),
    };
    return cmocka_run_group_tests(tests, init_crypto, NULL);
}
