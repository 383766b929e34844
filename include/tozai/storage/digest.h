/*
 * SHA-256, the hash that names objects.
 */
#ifndef TOZAI_STORAGE_DIGEST_H
#define TOZAI_STORAGE_DIGEST_H

#include "tozai/util/error.h"

#include <stddef.h>
#include <stdint.h>

#define TZ_HASH_SIZE 32
#define TZ_HASH_TEXT (2 * TZ_HASH_SIZE + 1)

int tz_sha256(uint8_t hash[TZ_HASH_SIZE], const void *data, size_t len,
              struct tz_error *err) TZ_MUST_CHECK;

/* The same in pieces. */
struct tz_sha256;
int tz_sha256_new(struct tz_sha256 **ret, struct tz_error *err) TZ_MUST_CHECK;
void tz_sha256_free(struct tz_sha256 *digest);
TZ_DEFINE_SCOPED(struct tz_sha256 *, tz_scoped_sha256, tz_sha256_free)
int tz_sha256_add(struct tz_sha256 *digest, const void *data, size_t len,
                  struct tz_error *err) TZ_MUST_CHECK;
/* Give the hash and start anew. */
int tz_sha256_end(struct tz_sha256 *digest, uint8_t hash[TZ_HASH_SIZE],
                  struct tz_error *err) TZ_MUST_CHECK;

#endif
