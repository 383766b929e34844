#include "engine.h"

#include <openssl/evp.h>

/*
 * Poly1305 is an almost-universal hash: for two different blocks chosen without knowing the key the
 * chance of equal tags is below 8 * (length / 16) / 2^106 (Bernstein, FSE 2005).  Tags never
 * leave the host; and whoever has them and the blocks could learn the key, so it is made for them
 * alone.
 */
int tz_block_tags(const uint8_t key[TZ_KEY_SIZE], const uint8_t *data, size_t block_size,
                  size_t count, uint8_t (*tags)[LOCAL_TAG_SIZE], struct tz_error *err)
{
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "POLY1305", NULL);
    EVP_MAC_CTX *context = mac ? EVP_MAC_CTX_new(mac) : NULL;
    bool good = context != NULL;
    uint8_t tag_key[TZ_KEY_SIZE];

    tz_derive(tag_key, key, 1, "tzblocks");
    for (size_t i = 0; good && i < count; i++) {
        size_t len = 0;
        good = EVP_MAC_init(context, tag_key, TZ_KEY_SIZE, NULL) &&
               EVP_MAC_update(context, data + i * block_size, block_size) &&
               EVP_MAC_final(context, tags[i], &len, LOCAL_TAG_SIZE) && len == LOCAL_TAG_SIZE;
    }
    tz_wipe(tag_key, sizeof(tag_key));
    EVP_MAC_CTX_free(context);
    EVP_MAC_free(mac);
    return good ? 0 : tz_fail(err, TZ_FAILED, "libcrypto has no Poly1305");
}
