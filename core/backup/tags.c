#include "engine.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <string.h>

/*
 * Poly1305 is an almost-universal hash: for two different blocks chosen without knowing the key the
 * chance of equal tags is below 8 * (length / 16) / 2^106 (Bernstein, FSE 2005).  Tags never
 * leave the host, so nothing is learnt of the key.
 */
int tz_block_tags(const uint8_t key[TZ_KEY_SIZE], const uint8_t *data, size_t block_size,
                  size_t count, uint8_t (*tags)[LOCAL_TAG_SIZE], struct tz_error *err)
{
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "POLY1305", NULL);
    EVP_MAC_CTX *context = mac ? EVP_MAC_CTX_new(mac) : NULL;
    bool good = context != NULL;

    for (size_t i = 0; good && i < count; i++) {
        size_t len = 0;
        good = EVP_MAC_init(context, key, TZ_KEY_SIZE, NULL) &&
               EVP_MAC_update(context, data + i * block_size, block_size) &&
               EVP_MAC_final(context, tags[i], &len, LOCAL_TAG_SIZE) && len == LOCAL_TAG_SIZE;
    }
    EVP_MAC_CTX_free(context);
    EVP_MAC_free(mac);
    return good ? 0 : tz_fail(err, TZ_FAILED, "libcrypto has no Poly1305");
}
