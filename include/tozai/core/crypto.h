/*
 * The cryptographic operations, as small whole functions.
 *
 * Algorithms (docs/format.md): ChaCha20-Poly1305-IETF for frames (libcrypto; the same bytes as
 * libsodium's, which a test holds against it), XChaCha20-Poly1305 for small objects (libsodium),
 * HMAC-SHA-256 for chunk ids (libcrypto), X25519 sealed boxes for pack keys (libsodium).
 *
 * Threads: a tz_aead or tz_idhash belongs to one thread at a time.
 */
#ifndef TOZAI_CORE_CRYPTO_H
#define TOZAI_CORE_CRYPTO_H

#include "tozai/storage/digest.h"

#include <stdbool.h>

#define TZ_KEY_SIZE   32
#define TZ_ID_SIZE    32
#define TZ_AEAD_TAG   16
#define TZ_XNONCE     24
#define TZ_SEAL_EXTRA 48 /* what a sealed box is longer than its content */

/* Once per process, before anything else; also turns core dumps off. */
int tz_crypto_init(struct tz_error *err) TZ_MUST_CHECK;
void tz_random(void *data, size_t len);
/* Guarded memory for secrets: locked, wiped when freed.  NULL without memory. */
void *tz_secret_alloc(size_t len) TZ_MUST_CHECK;
void tz_secret_free(void *secret);
void tz_wipe(void *data, size_t len);
/* Compare in constant time. */
bool tz_equal_secret(const void *a, const void *b, size_t len);

/* ChaCha20-Poly1305-IETF with an expanded key; the nonce is a number that never repeats for a key.
 */
struct tz_aead;
int tz_aead_new(struct tz_aead **ret, struct tz_error *err) TZ_MUST_CHECK;
void tz_aead_free(struct tz_aead *aead);
TZ_DEFINE_SCOPED(struct tz_aead *, tz_scoped_aead, tz_aead_free)
/* out gets len + TZ_AEAD_TAG bytes; it may be plain itself. */
int tz_aead_seal(struct tz_aead *aead, const uint8_t key[TZ_KEY_SIZE], uint64_t nonce,
                 const void *ad, size_t ad_len, const void *plain, size_t len, uint8_t *out,
                 struct tz_error *err) TZ_MUST_CHECK;
/* out gets len - TZ_AEAD_TAG bytes; it may be sealed itself.  Wrong bytes: TZ_CORRUPT. */
int tz_aead_open(struct tz_aead *aead, const uint8_t key[TZ_KEY_SIZE], uint64_t nonce,
                 const void *ad, size_t ad_len, const void *sealed, size_t len, uint8_t *out,
                 struct tz_error *err) TZ_MUST_CHECK;

/* XChaCha20-Poly1305 in one go; out as above. */
void tz_xaead_seal(const uint8_t key[TZ_KEY_SIZE], const uint8_t nonce[TZ_XNONCE], const void *ad,
                   size_t ad_len, const void *plain, size_t len, uint8_t *out);
int tz_xaead_open(const uint8_t key[TZ_KEY_SIZE], const uint8_t nonce[TZ_XNONCE], const void *ad,
                  size_t ad_len, const void *sealed, size_t len, uint8_t *out,
                  struct tz_error *err) TZ_MUST_CHECK;

/* The keyed hash that makes chunk ids. */
struct tz_idhash;
int tz_idhash_new(struct tz_idhash **ret, const uint8_t key[TZ_KEY_SIZE],
                  struct tz_error *err) TZ_MUST_CHECK;
void tz_idhash_free(struct tz_idhash *hash);
TZ_DEFINE_SCOPED(struct tz_idhash *, tz_scoped_idhash, tz_idhash_free)
int tz_idhash(struct tz_idhash *hash, const void *data, size_t len, uint8_t id[TZ_ID_SIZE],
              struct tz_error *err) TZ_MUST_CHECK;

/* A key for one purpose out of another: crypto_kdf (BLAKE2b) with an 8-byte context. */
void tz_derive(uint8_t out[TZ_KEY_SIZE], const uint8_t key[TZ_KEY_SIZE], uint64_t number,
               const char context[8]);
/* Keyed BLAKE2b-256, for source ids, host ids, local checksums. key may be NULL. */
void tz_keyed_hash(uint8_t out[32], const uint8_t *key, const void *data, size_t len);

#endif
