#include "tozai/storage/digest.h"
#include "tozai/util/hex.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* From FIPS 180-4's examples. */
static const struct {
    const char *text;
    const char *hash;
} known[] = {
    {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
};

static void assert_hash(const uint8_t hash[TZ_HASH_SIZE], const char *expected)
{
    char text[TZ_HASH_TEXT];
    tz_hex(text, hash, TZ_HASH_SIZE);
    assert_string_equal(text, expected);
}

static void known_texts_have_their_known_hashes(void **state)
{
    (void)state;
    for (size_t i = 0; i < TZ_COUNT(known); i++) {
        uint8_t hash[TZ_HASH_SIZE];
        assert_int_equal(tz_sha256(hash, known[i].text, strlen(known[i].text), NULL), 0);
        assert_hash(hash, known[i].hash);
    }
}

static void nothing_may_be_a_null_pointer(void **state)
{
    (void)state;
    uint8_t hash[TZ_HASH_SIZE];
    assert_int_equal(tz_sha256(hash, NULL, 0, NULL), 0);
    assert_hash(hash, known[0].hash);
}

static void pieces_give_the_hash_of_the_whole_and_end_starts_anew(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_sha256) struct tz_sha256 *digest = NULL;
    assert_int_equal(tz_sha256_new(&digest, NULL), 0);
    for (size_t i = 0; i < TZ_COUNT(known); i++) {
        uint8_t hash[TZ_HASH_SIZE];
        for (const char *p = known[i].text; *p; p++)
            assert_int_equal(tz_sha256_add(digest, p, 1, NULL), 0);
        assert_int_equal(tz_sha256_add(digest, NULL, 0, NULL), 0);
        assert_int_equal(tz_sha256_end(digest, hash, NULL), 0);
        assert_hash(hash, known[i].hash);
    }
    tz_sha256_free(NULL);
}

static void *hash_often(void *arg)
{
    uint8_t hash[TZ_HASH_SIZE];
    for (int i = 0; i < 200; i++)
        if (tz_sha256(hash, "abc", 3, NULL))
            return NULL;
    memcpy(arg, hash, sizeof(hash));
    return arg;
}

static void threads_may_hash_at_once(void **state)
{
    (void)state;
    pthread_t threads[4];
    uint8_t hashes[4][TZ_HASH_SIZE];
    for (size_t i = 0; i < TZ_COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hash_often, hashes[i]), 0);
    for (size_t i = 0; i < TZ_COUNT(threads); i++) {
        void *result = NULL;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_non_null(result);
        assert_hash(hashes[i], known[1].hash);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_may_hash_at_once),
        cmocka_unit_test(known_texts_have_their_known_hashes),
        cmocka_unit_test(nothing_may_be_a_null_pointer),
        cmocka_unit_test(pieces_give_the_hash_of_the_whole_and_end_starts_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
