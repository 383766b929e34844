/*
 * HMAC-SHA-256 through libcrypto, which uses the processor's SHA instructions.
 */
#include "tozai/core/crypto.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <sodium.h>

#include "tozai/util/banned.h"

struct tz_idhash {
    EVP_MAC *mac;
    EVP_MAC_CTX *context; /* keyed once; each hash starts from there */
};

/* Some early 3.0 releases of libcrypto did not begin anew without a key: better to know now. */
static int check_restart(struct tz_idhash *hash, const uint8_t *key, struct tz_error *err)
{
    static const uint8_t sample[] = "tozai";
    uint8_t expected[crypto_auth_hmacsha256_BYTES], id[TZ_ID_SIZE];
    (void)crypto_auth_hmacsha256(expected, sample, sizeof(sample), key);
    for (int i = 0; i < 2; i++) {
        if (tz_idhash(hash, sample, sizeof(sample), id, err))
            return -1;
        if (!tz_equal_secret(id, expected, TZ_ID_SIZE))
            return tz_fail(err, TZ_UNSUPPORTED, "this libcrypto computes a wrong HMAC-SHA-256");
    }
    return 0;
}

int tz_idhash_new(struct tz_idhash **ret, const uint8_t key[TZ_KEY_SIZE], struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_idhash) struct tz_idhash *hash = calloc(1, sizeof(*hash));
    if (!hash)
        return tz_fail_nomem(err);
    hash->mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    if (!hash->mac)
        return tz_fail(err, TZ_UNSUPPORTED, "this libcrypto has no HMAC");
    hash->context = EVP_MAC_CTX_new(hash->mac);
    if (!hash->context)
        return tz_fail_nomem(err);

    char digest[] = "SHA256";
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                           OSSL_PARAM_construct_end()};
    if (!EVP_MAC_init(hash->context, key, TZ_KEY_SIZE, params))
        return tz_fail(err, TZ_UNSUPPORTED, "this libcrypto has no HMAC-SHA-256");
    if (check_restart(hash, key, err))
        return -1;
    *ret = TZ_TAKE(hash);
    return 0;
}

void tz_idhash_free(struct tz_idhash *hash)
{
    if (!hash)
        return;
    EVP_MAC_CTX_free(hash->context);
    EVP_MAC_free(hash->mac);
    free(hash);
}

int tz_idhash(struct tz_idhash *hash, const void *data, size_t len, uint8_t id[TZ_ID_SIZE],
              struct tz_error *err)
{
    size_t size = 0;
    if (!EVP_MAC_init(hash->context, NULL, 0, NULL) || !EVP_MAC_update(hash->context, data, len) ||
        !EVP_MAC_final(hash->context, id, &size, TZ_ID_SIZE) || size != TZ_ID_SIZE)
        return tz_fail(err, TZ_FAILED, "libcrypto: HMAC-SHA-256 failed");
    return 0;
}
