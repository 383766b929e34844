#include "tozai/core/keys.h"

#include "keyring.h"

#include <errno.h>
#include <sodium.h>

#include "tozai/util/banned.h"

_Static_assert(TZ_KEY_SIZE == crypto_box_PUBLICKEYBYTES, "public key size");
_Static_assert(TZ_KEY_SIZE == crypto_box_SECRETKEYBYTES, "secret key size");

const char *tz_role_name(enum tz_role role)
{
    switch (role) {
    case TZ_ROLE_OPERATOR:
        return "operator";
    case TZ_ROLE_WRITER:
        return "writer";
    }
    return "unknown";
}

int tz_keyring_new(struct tz_keys **ret, uint32_t epoch_count, struct tz_error *err)
{
    if (epoch_count < 1 || epoch_count > TZ_EPOCHS_MAX)
        return tz_fail(err, TZ_CORRUPT, "%u key epochs, where 1 to %u are possible", epoch_count,
                       TZ_EPOCHS_MAX);
    struct tz_keys *keys =
        tz_secret_alloc(sizeof(struct tz_keys) + epoch_count * sizeof(struct tz_epoch));
    if (!keys)
        return tz_fail_nomem(err);
    keys->epoch_count = epoch_count;
    *ret = keys;
    return 0;
}

static int check_pair(const struct tz_epoch *epoch, uint32_t number, struct tz_error *err)
{
    uint8_t expected[TZ_KEY_SIZE];
    if (epoch->has_secret && (crypto_scalarmult_base(expected, epoch->secret_key) ||
                              memcmp(expected, epoch->public_key, TZ_KEY_SIZE) != 0))
        return tz_fail(err, TZ_CORRUPT, "the keys of epoch %u are not a pair", number);
    return 0;
}

int tz_keyring_finish(struct tz_keys *keys, struct tz_error *err)
{
    for (uint32_t i = 0; i < keys->epoch_count; i++) {
        struct tz_epoch *epoch = &keys->epochs[i];
        if (check_pair(epoch, i + 1, err))
            return -1;
        tz_derive(epoch->object_key, epoch->index_key, 1, "tzobject");
    }
    /* What deduplication and names rest on must survive a rotation, so it is the first epoch's. */
    const uint8_t *first = keys->epochs[0].index_key;
    tz_derive(keys->chunk_id_key, first, 1, "tzchunk ");
    tz_derive(keys->chunker_seed, first, 1, "tzgear  ");
    tz_derive(keys->name_key, first, 1, "tznames ");
    tz_derive(keys->local_key, first, 1, "tzlocal ");
    if (sodium_mprotect_readonly(keys))
        return tz_fail_errno(err, errno, "protect the keys in memory");
    return 0;
}

/* An epoch in the plain text of a slot. */
struct plain_epoch {
    uint8_t number[4];
    uint8_t has_secret;
    uint8_t public_key[TZ_KEY_SIZE];
    uint8_t secret_key[TZ_KEY_SIZE];
    uint8_t index_key[TZ_KEY_SIZE];
};
_Static_assert(sizeof(struct plain_epoch) == TZ_KEYRING_EPOCH_SIZE, "an epoch has no holes");

size_t tz_keyring_size(const struct tz_keys *keys)
{
    return 4 + keys->epoch_count * sizeof(struct plain_epoch);
}

void tz_keyring_encode(const struct tz_keys *keys, enum tz_role role, uint8_t *plain)
{
    memset(plain, 0, tz_keyring_size(keys));
    tz_store_le32(plain, keys->epoch_count);
    struct plain_epoch *at = (struct plain_epoch *)(plain + 4);
    for (uint32_t i = 0; i < keys->epoch_count; i++, at++) {
        const struct tz_epoch *epoch = &keys->epochs[i];
        tz_store_le32(at->number, i + 1);
        memcpy(at->public_key, epoch->public_key, TZ_KEY_SIZE);
        memcpy(at->index_key, epoch->index_key, TZ_KEY_SIZE);
        at->has_secret = role == TZ_ROLE_OPERATOR && epoch->has_secret;
        if (at->has_secret)
            memcpy(at->secret_key, epoch->secret_key, TZ_KEY_SIZE);
    }
}

/* A role says which keys there are: an operator has every secret key, a writer none. */
static int decode_epoch(struct tz_epoch *epoch, uint32_t number, enum tz_role role,
                        const struct plain_epoch *plain, struct tz_error *err)
{
    bool secret = role == TZ_ROLE_OPERATOR;
    if (tz_load_le32(plain->number) != number || plain->has_secret != secret ||
        (!secret && !sodium_is_zero(plain->secret_key, TZ_KEY_SIZE)))
        return tz_fail(err, TZ_CORRUPT, "key epoch %u is not as a key of role %s has it", number,
                       tz_role_name(role));
    epoch->has_secret = secret;
    memcpy(epoch->public_key, plain->public_key, TZ_KEY_SIZE);
    memcpy(epoch->secret_key, plain->secret_key, TZ_KEY_SIZE);
    memcpy(epoch->index_key, plain->index_key, TZ_KEY_SIZE);
    return 0;
}

int tz_keyring_decode(struct tz_keys **ret, const uint8_t repo_id[TZ_REPO_ID_SIZE],
                      enum tz_role role, const void *plain, size_t len, struct tz_error *err)
{
    const uint8_t *p = plain;
    uint32_t count = len < 4 ? 0 : tz_load_le32(p);
    if (count < 1 || count > TZ_EPOCHS_MAX || len != 4 + count * sizeof(struct plain_epoch))
        return tz_fail(err, TZ_CORRUPT, "the keys have a wrong length: %zu bytes for %u epochs",
                       len, count);

    TZ_SCOPED(tz_scoped_keys) struct tz_keys *keys = NULL;
    if (tz_keyring_new(&keys, count, err))
        return -1;
    memcpy(keys->repo_id, repo_id, TZ_REPO_ID_SIZE);
    keys->role = role;
    const struct plain_epoch *at = (const struct plain_epoch *)(p + 4);
    for (uint32_t i = 0; i < count; i++)
        if (decode_epoch(&keys->epochs[i], i + 1, role, &at[i], err))
            return -1;
    if (tz_keyring_finish(keys, err))
        return -1;
    *ret = TZ_TAKE(keys);
    return 0;
}

int tz_keys_create(struct tz_keys **ret, const uint8_t repo_id[TZ_REPO_ID_SIZE],
                   struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_keys) struct tz_keys *keys = NULL;
    if (tz_keyring_new(&keys, 1, err))
        return -1;
    memcpy(keys->repo_id, repo_id, TZ_REPO_ID_SIZE);
    keys->role = TZ_ROLE_OPERATOR;
    struct tz_epoch *epoch = &keys->epochs[0];
    epoch->has_secret = true;
    if (crypto_box_keypair(epoch->public_key, epoch->secret_key))
        return tz_fail(err, TZ_FAILED, "libsodium cannot make a key pair");
    tz_random(epoch->index_key, TZ_KEY_SIZE);
    if (tz_keyring_finish(keys, err))
        return -1;
    *ret = TZ_TAKE(keys);
    return 0;
}

void tz_keys_free(struct tz_keys *keys)
{
    tz_secret_free(keys); /* wiped there */
}

enum tz_role tz_keys_role(const struct tz_keys *keys)
{
    return keys->role;
}

const uint8_t *tz_keys_repo_id(const struct tz_keys *keys)
{
    return keys->repo_id;
}

uint32_t tz_keys_epoch(const struct tz_keys *keys)
{
    return keys->epoch_count;
}

const uint8_t *tz_keys_chunk_id_key(const struct tz_keys *keys)
{
    return keys->chunk_id_key;
}

const uint8_t *tz_keys_chunker_seed(const struct tz_keys *keys)
{
    return keys->chunker_seed;
}

const uint8_t *tz_keys_name_key(const struct tz_keys *keys)
{
    return keys->name_key;
}

const uint8_t *tz_keys_local_key(const struct tz_keys *keys)
{
    return keys->local_key;
}

static const struct tz_epoch *find_epoch(const struct tz_keys *keys, uint32_t number)
{
    return number >= 1 && number <= keys->epoch_count ? &keys->epochs[number - 1] : NULL;
}

const uint8_t *tz_keys_object_key(const struct tz_keys *keys, uint32_t epoch)
{
    const struct tz_epoch *found = find_epoch(keys, epoch);
    return found ? found->object_key : NULL;
}

const uint8_t *tz_keys_public(const struct tz_keys *keys)
{
    return keys->epochs[keys->epoch_count - 1].public_key;
}

int tz_keys_seal_pack_key(const struct tz_keys *keys, const uint8_t pack_key[TZ_KEY_SIZE],
                          uint8_t sealed[TZ_KEY_SIZE + TZ_SEAL_EXTRA], struct tz_error *err)
{
    /* It fails for a public key of small order, which only a hostile slot could bring. */
    if (crypto_box_seal(sealed, pack_key, TZ_KEY_SIZE, tz_keys_public(keys)))
        return tz_fail(err, TZ_CORRUPT, "the repository's public key is not a valid one");
    return 0;
}

int tz_keys_need_operator(const struct tz_keys *keys, const char *what, struct tz_error *err)
{
    if (keys->role == TZ_ROLE_OPERATOR)
        return 0;
    (void)tz_fail(err, TZ_KEY, "%s needs an operator key; this is a %s key", what,
                  tz_role_name(keys->role));
    return tz_hint(err, "use the passphrase or key file of an operator slot; "
                        "a writer key can make backups but cannot read them back");
}

int tz_keys_open_pack_key(const struct tz_keys *keys, uint32_t epoch,
                          const uint8_t sealed[TZ_KEY_SIZE + TZ_SEAL_EXTRA],
                          uint8_t pack_key[TZ_KEY_SIZE], struct tz_error *err)
{
    if (tz_keys_need_operator(keys, "reading content", err))
        return -1;
    const struct tz_epoch *found = find_epoch(keys, epoch);
    if (!found) {
        (void)tz_fail(err, TZ_KEY, "the pack is sealed for key epoch %u, which this key lacks",
                      epoch);
        return tz_hint(err, "use a key that was made after the last rotation");
    }
    if (crypto_box_seal_open(pack_key, sealed, TZ_KEY_SIZE + TZ_SEAL_EXTRA, found->public_key,
                             found->secret_key))
        return tz_fail(err, TZ_CORRUPT, "the pack's key is damaged or of another repository");
    return 0;
}
