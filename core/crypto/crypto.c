#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "tozai/core/crypto.h"

#include "tozai/util/wire.h"

#include <errno.h>
#include <sodium.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "tozai/util/banned.h"

/* Secrets are laid against the end of a page; sizes in these steps keep them aligned. */
#define SECRET_ALIGN ((size_t)16)

_Static_assert(TZ_KEY_SIZE == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "key size");
_Static_assert(TZ_XNONCE == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, "nonce size");
_Static_assert(TZ_AEAD_TAG == crypto_aead_xchacha20poly1305_ietf_ABYTES, "tag size");
_Static_assert(TZ_SEAL_EXTRA == crypto_box_SEALBYTES, "sealed box size");
_Static_assert(TZ_KEY_SIZE == crypto_kdf_KEYBYTES && crypto_kdf_CONTEXTBYTES == 8, "kdf sizes");

/* A core file would hold every key; neither the kernel nor a debugger of the same user gets one. */
static int forbid_core_dumps(struct tz_error *err)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_CORE, &limit))
        return tz_fail_errno(err, errno, "read the core dump limit");
    limit.rlim_cur = 0;
    if (setrlimit(RLIMIT_CORE, &limit))
        return tz_fail_errno(err, errno, "turn core dumps off");
    if (prctl(PR_SET_DUMPABLE, 0L, 0L, 0L, 0L))
        return tz_fail_errno(err, errno, "turn core dumps off");
    return 0;
}

int tz_crypto_init(struct tz_error *err)
{
    if (sodium_init() < 0)
        return tz_fail(err, TZ_FAILED, "libsodium cannot be initialized (no random numbers?)");
    return forbid_core_dumps(err);
}

void tz_random(void *data, size_t len)
{
    randombytes_buf(data, len);
}

void *tz_secret_alloc(size_t len)
{
    if (len > SIZE_MAX - SECRET_ALIGN)
        return NULL;
    size_t rounded = (len + SECRET_ALIGN - 1) / SECRET_ALIGN * SECRET_ALIGN;
    void *secret = sodium_malloc(rounded ? rounded : SECRET_ALIGN);
    if (secret)
        memset(secret, 0, rounded); /* libsodium fills it with 0xdb */
    return secret;
}

void tz_secret_free(void *secret)
{
    sodium_free(secret);
}

void tz_wipe(void *data, size_t len)
{
    sodium_memzero(data, len);
}

bool tz_equal_secret(const void *a, const void *b, size_t len)
{
    return sodium_memcmp(a, b, len) == 0;
}

void tz_xaead_seal(const uint8_t key[TZ_KEY_SIZE], const uint8_t nonce[TZ_XNONCE], const void *ad,
                   size_t ad_len, const void *plain, size_t len, uint8_t *out)
{
    (void)crypto_aead_xchacha20poly1305_ietf_encrypt(out, NULL, plain, len, ad, ad_len, NULL, nonce,
                                                     key);
}

int tz_xaead_open(const uint8_t key[TZ_KEY_SIZE], const uint8_t nonce[TZ_XNONCE], const void *ad,
                  size_t ad_len, const void *sealed, size_t len, uint8_t *out, struct tz_error *err)
{
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(out, NULL, NULL, sealed, len, ad, ad_len, nonce,
                                                   key))
        return tz_fail(err, TZ_CORRUPT,
                       "decryption failed: the bytes or their place are not what was sealed");
    return 0;
}

void tz_derive(uint8_t out[TZ_KEY_SIZE], const uint8_t key[TZ_KEY_SIZE], uint64_t number,
               const char context[8])
{
    (void)crypto_kdf_derive_from_key(out, TZ_KEY_SIZE, number, context, key);
}

void tz_keyed_hash(uint8_t out[32], const uint8_t *key, const void *data, size_t len)
{
    (void)crypto_generichash(out, 32, data, len, key, key ? TZ_KEY_SIZE : 0);
}
