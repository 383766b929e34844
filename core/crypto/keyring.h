/*
 * What a struct tz_keys holds, for the files that wrap keys (slot.c, paper.c).
 *
 * A keyring is made in three steps: tz_keyring_new(), fill in repo_id, role and the epochs,
 * tz_keyring_finish().  Its memory is guarded all along and read-only from then on.
 */
#ifndef TOZAI_CORE_CRYPTO_KEYRING_H
#define TOZAI_CORE_CRYPTO_KEYRING_H

#include "tozai/core/keys.h"
#include "tozai/util/wire.h"

#define TZ_EPOCHS_MAX 64U

struct tz_epoch {
    bool has_secret; /* false in a writer's keyring */
    uint8_t public_key[TZ_KEY_SIZE];
    uint8_t secret_key[TZ_KEY_SIZE];
    uint8_t index_key[TZ_KEY_SIZE];
    uint8_t object_key[TZ_KEY_SIZE]; /* derived */
};

struct tz_keys {
    uint8_t repo_id[TZ_REPO_ID_SIZE];
    enum tz_role role;
    uint8_t chunk_id_key[TZ_KEY_SIZE]; /* these four are derived from the first epoch */
    uint8_t chunker_seed[TZ_KEY_SIZE];
    uint8_t name_key[TZ_KEY_SIZE];
    uint8_t local_key[TZ_KEY_SIZE];
    uint32_t epoch_count;     /* at least 1 */
    struct tz_epoch epochs[]; /* epoch n is epochs[n - 1] */
};

int tz_keyring_new(struct tz_keys **ret, uint32_t epoch_count, struct tz_error *err) TZ_MUST_CHECK;
/* Check that each pair is one, derive the rest and make it read-only. */
int tz_keyring_finish(struct tz_keys *keys, struct tz_error *err) TZ_MUST_CHECK;

/*
 * The plain text of a slot: u32 count, then for each epoch, from 1 on
 *   u32 epoch, u8 has_secret, 32 public, 32 secret or zeros, 32 index key
 */
#define TZ_KEYRING_EPOCH_SIZE (4U + 1U + 3U * TZ_KEY_SIZE)
#define TZ_KEYRING_SIZE_MAX   (4U + TZ_EPOCHS_MAX * TZ_KEYRING_EPOCH_SIZE)
size_t tz_keyring_size(const struct tz_keys *keys);
/* Write tz_keyring_size() bytes; a writer's role leaves the secret keys out. */
void tz_keyring_encode(const struct tz_keys *keys, enum tz_role role, uint8_t *plain);
int tz_keyring_decode(struct tz_keys **ret, const uint8_t repo_id[TZ_REPO_ID_SIZE],
                      enum tz_role role, const void *plain, size_t len,
                      struct tz_error *err) TZ_MUST_CHECK;

#endif
