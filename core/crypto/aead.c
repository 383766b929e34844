/*
 * ChaCha20-Poly1305-IETF through libcrypto, which is 2.4 times as fast as libsodium at it.
 *
 * Setting up a key costs more than a nonce, and a pack's frames share one: so the key is given
 * to libcrypto only when it changed.
 */
#include "tozai/core/crypto.h"

#include "tozai/util/wire.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "tozai/util/banned.h"

#define NONCE_SIZE 12

struct tz_aead {
    EVP_CIPHER *cipher;
    EVP_CIPHER_CTX *context;
    bool keyed;
    uint8_t key[TZ_KEY_SIZE]; /* that the context holds, if keyed */
};

static int fail_library(struct tz_error *err, const char *what)
{
    unsigned long code = ERR_get_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    ERR_clear_error();
    return tz_fail(err, TZ_FAILED, "libcrypto: %s: %s", what, reason ? reason : "unknown reason");
}

int tz_aead_new(struct tz_aead **ret, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_aead) struct tz_aead *aead = tz_secret_alloc(sizeof(*aead));
    if (!aead)
        return tz_fail_nomem(err);
    aead->cipher = EVP_CIPHER_fetch(NULL, "ChaCha20-Poly1305", NULL);
    if (!aead->cipher)
        return fail_library(err, "no ChaCha20-Poly1305");
    aead->context = EVP_CIPHER_CTX_new();
    if (!aead->context)
        return tz_fail_nomem(err);
    if (!EVP_CipherInit_ex2(aead->context, aead->cipher, NULL, NULL, 1, NULL))
        return fail_library(err, "ChaCha20-Poly1305");
    *ret = TZ_TAKE(aead);
    return 0;
}

void tz_aead_free(struct tz_aead *aead)
{
    if (!aead)
        return;
    EVP_CIPHER_CTX_free(aead->context);
    EVP_CIPHER_free(aead->cipher);
    tz_secret_free(aead);
}

/* Key, nonce, direction and associated data. */
static int begin(struct tz_aead *aead, const uint8_t *key, uint64_t nonce, bool seal,
                 const void *ad, size_t ad_len, struct tz_error *err)
{
    bool same = aead->keyed && tz_equal_secret(aead->key, key, TZ_KEY_SIZE);
    uint8_t iv[NONCE_SIZE] = {0};
    tz_store_le64(iv, nonce);

    aead->keyed = false; /* until libcrypto has taken it */
    if (!EVP_CipherInit_ex2(aead->context, NULL, same ? NULL : key, iv, seal, NULL))
        return fail_library(err, "set key and nonce");
    if (!same)
        memcpy(aead->key, key, TZ_KEY_SIZE);
    aead->keyed = true;

    int done;
    if (ad_len && !EVP_CipherUpdate(aead->context, NULL, &done, ad, (int)ad_len))
        return fail_library(err, "associated data");
    return 0;
}

static int check_sizes(size_t ad_len, size_t len, struct tz_error *err)
{
    if (ad_len > INT_MAX || len > INT_MAX)
        return tz_fail(err, TZ_INVALID, "%zu bytes are too many to seal or open at once", len);
    return 0;
}

int tz_aead_seal(struct tz_aead *aead, const uint8_t key[TZ_KEY_SIZE], uint64_t nonce,
                 const void *ad, size_t ad_len, const void *plain, size_t len, uint8_t *out,
                 struct tz_error *err)
{
    if (check_sizes(ad_len, len, err) || begin(aead, key, nonce, true, ad, ad_len, err))
        return -1;
    int done = 0, last = 0;
    if (len && !EVP_CipherUpdate(aead->context, out, &done, plain, (int)len))
        return fail_library(err, "encrypt");
    uint8_t rest[16]; /* a stream cipher leaves nothing for the end */
    if (!EVP_CipherFinal_ex(aead->context, rest, &last) || (size_t)done != len || last)
        return fail_library(err, "finish the encryption");
    if (EVP_CIPHER_CTX_ctrl(aead->context, EVP_CTRL_AEAD_GET_TAG, TZ_AEAD_TAG, out + len) <= 0)
        return fail_library(err, "authenticate");
    return 0;
}

int tz_aead_open(struct tz_aead *aead, const uint8_t key[TZ_KEY_SIZE], uint64_t nonce,
                 const void *ad, size_t ad_len, const void *sealed, size_t len, uint8_t *out,
                 struct tz_error *err)
{
    if (len < TZ_AEAD_TAG)
        return tz_fail(err, TZ_CORRUPT, "decryption failed: only %zu bytes", len);
    if (check_sizes(ad_len, len, err) || begin(aead, key, nonce, false, ad, ad_len, err))
        return -1;

    size_t plain_len = len - TZ_AEAD_TAG;
    uint8_t tag[TZ_AEAD_TAG];
    memcpy(tag, (const uint8_t *)sealed + plain_len, TZ_AEAD_TAG);
    if (EVP_CIPHER_CTX_ctrl(aead->context, EVP_CTRL_AEAD_SET_TAG, TZ_AEAD_TAG, tag) <= 0)
        return fail_library(err, "set the tag");
    int done = 0, last = 0;
    if (plain_len && !EVP_CipherUpdate(aead->context, out, &done, sealed, (int)plain_len))
        return fail_library(err, "decrypt");
    uint8_t rest[16];
    if (EVP_CipherFinal_ex(aead->context, rest, &last) > 0)
        return 0;

    /* Nobody may ever look at bytes that were not authenticated. */
    tz_wipe(out, plain_len);
    ERR_clear_error();
    return tz_fail(err, TZ_CORRUPT,
                   "decryption failed: the bytes or their place are not what was sealed");
}
