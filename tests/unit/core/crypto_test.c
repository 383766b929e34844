#include "key_samples.h"

#include "tozai/util/hex.h"

#include <sodium.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static const char sunscreen[] = "Ladies and Gentlemen of the class of '99: If I could offer you "
                                "only one tip for the future, sunscreen would be it.";
#define SUNSCREEN_LEN (sizeof(sunscreen) - 1)
static const uint8_t sunscreen_ad[] = {0x50, 0x51, 0x52, 0x53, 0xc0, 0xc1,
                                       0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7};

/* key[i] = first + i */
static void count_up(uint8_t *data, size_t len, uint8_t first)
{
    for (size_t i = 0; i < len; i++)
        data[i] = (uint8_t)(first + i);
}

static void assert_hex(const uint8_t *data, size_t len, const char *expected)
{
    char text[256];
    assert_true(2 * len < sizeof(text));
    tz_hex(text, data, len);
    assert_string_equal(text, expected);
}

static struct tz_aead *new_aead(void)
{
    struct tz_aead *aead = NULL;
    assert_int_equal(tz_aead_new(&aead, NULL), 0);
    return aead;
}

static void libsodium_gives_the_bytes_of_rfc_8439(void **state)
{
    (void)state;
    uint8_t key[TZ_KEY_SIZE], out[SUNSCREEN_LEN + TZ_AEAD_TAG];
    const uint8_t nonce[12] = {7, 0, 0, 0, 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47};
    count_up(key, sizeof(key), 0x80);
    (void)crypto_aead_chacha20poly1305_ietf_encrypt(out, NULL, (const uint8_t *)sunscreen,
                                                    SUNSCREEN_LEN, sunscreen_ad,
                                                    sizeof(sunscreen_ad), NULL, nonce, key);
    assert_hex(out, 16, "d31a8d34648e60db7b86afbc53ef7ec2");
    assert_hex(out + SUNSCREEN_LEN, TZ_AEAD_TAG, "1ae10b594f09e26a7e902ecbd0600691");
}

/* With the test above: ours are those of the RFC too. */
static void frames_are_sealed_with_the_same_bytes_as_libsodium(void **state)
{
    (void)state;
    static const size_t sizes[] = {0,  1,   2,   15,   16,   17,   31,    32,    63,     64,
                                   65, 127, 128, 1000, 4095, 4096, 65536, 65537, 1 << 20};
    static const uint64_t nonces[] = {0, 1, 255, 256, UINT32_MAX, UINT64_C(1) << 32, UINT64_MAX};
    TZ_SCOPED(tz_scoped_aead) struct tz_aead *aead = new_aead();
    for (size_t i = 0; i < TZ_COUNT(sizes); i++) {
        size_t len = sizes[i], ad_len = i * 7;
        uint8_t key[TZ_KEY_SIZE], ad[256], nonce[12] = {0};
        tz_random(key, sizeof(key));
        tz_random(ad, sizeof(ad));
        TZ_SCOPED(tz_scoped_free) uint8_t *plain = malloc(len + 1);
        TZ_SCOPED(tz_scoped_free) uint8_t *ours = malloc(len + TZ_AEAD_TAG);
        TZ_SCOPED(tz_scoped_free) uint8_t *theirs = malloc(len + TZ_AEAD_TAG);
        assert_true(plain && ours && theirs);
        tz_random(plain, len);
        for (size_t n = 0; n < TZ_COUNT(nonces); n++) {
            for (int byte = 0; byte < 8; byte++)
                nonce[byte] = (uint8_t)(nonces[n] >> (8 * byte));
            (void)crypto_aead_chacha20poly1305_ietf_encrypt(theirs, NULL, plain, len, ad, ad_len,
                                                            NULL, nonce, key);
            assert_int_equal(tz_aead_seal(aead, key, nonces[n], ad, ad_len, plain, len, ours, NULL),
                             0);
            assert_memory_equal(ours, theirs, len + TZ_AEAD_TAG);
        }
    }
}

static void seal_and_open_work_in_place(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_aead) struct tz_aead *aead = new_aead();
    uint8_t key[TZ_KEY_SIZE], data[1000 + TZ_AEAD_TAG], plain[1000];
    tz_random(key, sizeof(key));
    tz_random(plain, sizeof(plain));
    memcpy(data, plain, sizeof(plain));
    assert_int_equal(tz_aead_seal(aead, key, 3, "ad", 2, data, 1000, data, NULL), 0);
    assert_memory_not_equal(data, plain, sizeof(plain));
    assert_int_equal(tz_aead_open(aead, key, 3, "ad", 2, data, sizeof(data), data, NULL), 0);
    assert_memory_equal(data, plain, sizeof(plain));
}

static void one_context_changes_keys_nonces_and_directions(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_aead) struct tz_aead *aead = new_aead();
    uint8_t keys[2][TZ_KEY_SIZE], sealed[6][5 + TZ_AEAD_TAG], plain[5];
    tz_random(keys, sizeof(keys));
    for (unsigned i = 0; i < 6; i++) {
        const uint8_t *key = keys[i / 3];
        assert_int_equal(tz_aead_seal(aead, key, i % 3, NULL, 0, "tozai", 5, sealed[i], NULL), 0);
        assert_int_equal(tz_aead_open(aead, key, i % 3, NULL, 0, sealed[i], 21, plain, NULL), 0);
        assert_memory_equal(plain, "tozai", 5);
    }
    for (unsigned i = 6; i-- > 0;) {
        TZ_SCOPED(tz_scoped_aead) struct tz_aead *fresh = new_aead();
        const uint8_t *key = keys[i / 3];
        assert_int_equal(tz_aead_open(fresh, key, i % 3, NULL, 0, sealed[i], 21, plain, NULL), 0);
        assert_int_not_equal(
            tz_aead_open(aead, key, i % 3 + 1, NULL, 0, sealed[i], 21, plain, NULL), 0);
    }
}

static void a_failed_open_gives_no_plain_bytes(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_aead) struct tz_aead *aead = new_aead();
    uint8_t key[TZ_KEY_SIZE] = {1}, sealed[100 + TZ_AEAD_TAG], out[100], zeros[100] = {0};
    uint8_t plain[100];
    memset(plain, 'x', sizeof(plain));
    assert_int_equal(tz_aead_seal(aead, key, 0, NULL, 0, plain, 100, sealed, NULL), 0);
    for (size_t bit = 0; bit < sizeof(sealed) * 8; bit++) {
        struct tz_error err = {0};
        sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
        memset(out, 'y', sizeof(out));
        assert_int_equal(tz_aead_open(aead, key, 0, NULL, 0, sealed, sizeof(sealed), out, &err),
                         -1);
        assert_int_equal(err.kind, TZ_CORRUPT);
        assert_memory_equal(out, zeros, sizeof(out));
        sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t len = 0; len < sizeof(sealed); len++)
        assert_int_equal(tz_aead_open(aead, key, 0, NULL, 0, sealed, len, out, NULL), -1);
    assert_int_equal(tz_aead_open(aead, key, 0, "a", 1, sealed, sizeof(sealed), out, NULL), -1);
    assert_int_equal(tz_aead_open(aead, key, 1, NULL, 0, sealed, sizeof(sealed), out, NULL), -1);
    assert_int_equal(tz_aead_open(aead, key, 0, NULL, 0, sealed, sizeof(sealed), out, NULL), 0);
    assert_memory_equal(out, plain, sizeof(out));
}

static void small_objects_have_the_bytes_of_the_xchacha_draft(void **state)
{
    (void)state;
    uint8_t key[TZ_KEY_SIZE], nonce[TZ_XNONCE], out[SUNSCREEN_LEN + TZ_AEAD_TAG];
    count_up(key, sizeof(key), 0x80);
    count_up(nonce, sizeof(nonce), 0x40);
    tz_xaead_seal(key, nonce, sunscreen_ad, sizeof(sunscreen_ad), sunscreen, SUNSCREEN_LEN, out);
    assert_hex(out, 16, "bd6d179d3e83d43b9576579493c0e939");
    assert_hex(out + SUNSCREEN_LEN, TZ_AEAD_TAG, "c0875924c1c7987947deafd8780acf49");

    uint8_t plain[SUNSCREEN_LEN];
    assert_int_equal(tz_xaead_open(key, nonce, sunscreen_ad, sizeof(sunscreen_ad), out, sizeof(out),
                                   plain, NULL),
                     0);
    assert_memory_equal(plain, sunscreen, SUNSCREEN_LEN);
    for (size_t len = 0; len < sizeof(out); len++)
        assert_int_equal(
            tz_xaead_open(key, nonce, sunscreen_ad, sizeof(sunscreen_ad), out, len, plain, NULL),
            -1);
}

/* HMAC fills a short key up with zeros, so these keys may be given filled up to 32 bytes. */
static void chunk_ids_have_the_bytes_of_rfc_4231(void **state)
{
    (void)state;
    uint8_t keys[4][TZ_KEY_SIZE] = {{0}, "Jefe", {0}, {0}}, dd[50], cd[50], id[TZ_ID_SIZE];
    memset(keys[0], 0x0b, 20);
    memset(keys[2], 0xaa, 20);
    count_up(keys[3], 25, 1);
    memset(dd, 0xdd, sizeof(dd));
    memset(cd, 0xcd, sizeof(cd));
    const struct {
        const void *data;
        size_t len;
        const char *expected;
    } cases[] = {
        {"Hi There", 8, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
        {"what do ya want for nothing?", 28,
         "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {dd, 50, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
        {cd, 50, "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
    };
    for (size_t i = 0; i < TZ_COUNT(cases); i++) {
        TZ_SCOPED(tz_scoped_idhash) struct tz_idhash *hash = NULL;
        assert_int_equal(tz_idhash_new(&hash, keys[i], NULL), 0);
        for (int turn = 0; turn < 3; turn++) {
            assert_int_equal(tz_idhash(hash, cases[i].data, cases[i].len, id, NULL), 0);
            assert_hex(id, sizeof(id), cases[i].expected);
        }
    }
}

static void chunk_ids_are_the_same_as_libsodiums(void **state)
{
    (void)state;
    uint8_t key[TZ_KEY_SIZE], data[300], id[TZ_ID_SIZE], expected[TZ_ID_SIZE];
    tz_random(key, sizeof(key));
    tz_random(data, sizeof(data));
    TZ_SCOPED(tz_scoped_idhash) struct tz_idhash *hash = NULL;
    assert_int_equal(tz_idhash_new(&hash, key, NULL), 0);
    for (size_t len = 0; len <= sizeof(data); len++) {
        (void)crypto_auth_hmacsha256(expected, data, len, key);
        assert_int_equal(tz_idhash(hash, data, len, id, NULL), 0);
        assert_memory_equal(id, expected, sizeof(id));
    }
}

static void derived_keys_differ_by_key_number_and_context(void **state)
{
    (void)state;
    uint8_t key[TZ_KEY_SIZE] = {1}, other[TZ_KEY_SIZE] = {2}, out[5][TZ_KEY_SIZE];
    tz_derive(out[0], key, 1, "tzobject");
    tz_derive(out[1], key, 2, "tzobject");
    tz_derive(out[2], key, 1, "tzchunk ");
    tz_derive(out[3], other, 1, "tzobject");
    tz_derive(out[4], key, 1, "tzobject");
    for (int i = 1; i < 4; i++)
        assert_memory_not_equal(out[0], out[i], TZ_KEY_SIZE);
    assert_memory_equal(out[0], out[4], TZ_KEY_SIZE);
}

/* BLAKE2b-256 of nothing, as other implementations give it. */
static void keyed_hash_without_a_key_is_plain_blake2b(void **state)
{
    (void)state;
    uint8_t hash[32], keyed[32], key[TZ_KEY_SIZE] = {0};
    tz_keyed_hash(hash, NULL, "", 0);
    assert_hex(hash, 32, "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
    tz_keyed_hash(keyed, key, "", 0);
    assert_memory_not_equal(hash, keyed, 32);
}

static void secrets_begin_as_zeros_and_aligned(void **state)
{
    (void)state;
    for (size_t len = 0; len < 100; len++) {
        uint8_t *secret = tz_secret_alloc(len);
        assert_non_null(secret);
        assert_int_equal((uintptr_t)secret % 16, 0);
        for (size_t i = 0; i < len; i++)
            assert_int_equal(secret[i], 0);
        memset(secret, 0xff, len);
        tz_secret_free(secret);
    }
    tz_secret_free(NULL);
    assert_null(tz_secret_alloc(SIZE_MAX));
}

static void there_will_be_no_core_dump(void **state)
{
    (void)state;
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_CORE, &limit), 0);
    assert_int_equal(limit.rlim_cur, 0);
    assert_int_equal(prctl(PR_GET_DUMPABLE, 0L, 0L, 0L, 0L), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(libsodium_gives_the_bytes_of_rfc_8439),
        cmocka_unit_test(frames_are_sealed_with_the_same_bytes_as_libsodium),
        cmocka_unit_test(seal_and_open_work_in_place),
        cmocka_unit_test(one_context_changes_keys_nonces_and_directions),
        cmocka_unit_test(a_failed_open_gives_no_plain_bytes),
        cmocka_unit_test(small_objects_have_the_bytes_of_the_xchacha_draft),
        cmocka_unit_test(chunk_ids_have_the_bytes_of_rfc_4231),
        cmocka_unit_test(chunk_ids_are_the_same_as_libsodiums),
        cmocka_unit_test(derived_keys_differ_by_key_number_and_context),
        cmocka_unit_test(keyed_hash_without_a_key_is_plain_blake2b),
        cmocka_unit_test(secrets_begin_as_zeros_and_aligned),
        cmocka_unit_test(there_will_be_no_core_dump),
    };
    return cmocka_run_group_tests(tests, init_crypto, NULL);
}
