/*
 * Keys and roles.
 *
 * A repository has, for each key epoch, an X25519 pair (the restore pair) and a 256-bit index key
 * from which the chunk-id key, the chunker seed and the index AEAD key are derived.  A *slot* is
 * an object keys/<hash> that wraps them under a passphrase (Argon2id) or a key file:
 *
 *   operator   restore secret key + index key: can do everything
 *   writer     restore public key + index key: can back up, list, sync and verify ciphertext
 *
 * A struct tz_keys is an opened slot.  Everything secret in it lies in guarded memory; it is
 * read-only after it was made and may be used by several threads.  tz_crypto_init() comes first.
 */
#ifndef TOZAI_CORE_KEYS_H
#define TOZAI_CORE_KEYS_H

#include "tozai/core/crypto.h"
#include "tozai/util/buf.h"

#define TZ_REPO_ID_SIZE   16
#define TZ_SLOT_LABEL_MAX 63

enum tz_role { TZ_ROLE_OPERATOR = 1, TZ_ROLE_WRITER = 2 };
const char *tz_role_name(enum tz_role role);

/* What unlocks a slot. */
enum tz_unlock_kind { TZ_UNLOCK_PASSPHRASE = 1, TZ_UNLOCK_KEY_FILE = 2 };
struct tz_unlock {
    enum tz_unlock_kind kind;
    char *secret; /* guarded memory, NUL-terminated: the passphrase, or the key file's 64 hex digits
                   */
    size_t len;
};
/* NULL is allowed; wipes and frees the secret. */
void tz_unlock_clear(struct tz_unlock *unlock);
static inline TZ_UNUSED void tz_scoped_unlock(struct tz_unlock *unlock)
{
    tz_unlock_clear(unlock);
}

/* Where the secret comes from, in this order: the first that is set. */
struct tz_unlock_source {
    const char *passphrase_file;    /* first line; a file or pipe not readable by others */
    const char *passphrase_command; /* run by /bin/sh, first line of its output */
    const char *key_file; /* "tozai-key-file-1 <64 hex>"; must not be readable by others */
    bool environment;     /* $TOZAI_PASSPHRASE, which is wiped and unset by this */
    bool prompt;          /* ask on the terminal without echo, if there is one */
    bool confirm;         /* when prompting: ask twice */
    const char *prompt_text;
};
/* A passphrase has 1 to 4096 bytes, none of them zero.  No source at all: TZ_INVALID. */
int tz_unlock_read(struct tz_unlock *ret, const struct tz_unlock_source *source,
                   struct tz_error *err) TZ_MUST_CHECK;
/* Make a new key file with mode 0600; refuses to replace one. */
int tz_key_file_create(const char *path, struct tz_error *err) TZ_MUST_CHECK;

struct tz_keys;

/* New random keys for a new repository (role operator, epoch 1). */
int tz_keys_create(struct tz_keys **ret, const uint8_t repo_id[TZ_REPO_ID_SIZE],
                   struct tz_error *err) TZ_MUST_CHECK;
void tz_keys_free(struct tz_keys *keys);
TZ_DEFINE_SCOPED(struct tz_keys *, tz_scoped_keys, tz_keys_free)

/* How hard a passphrase is to try; zero fields: Argon2id with 4 passes over 64 MiB. */
struct tz_kdf_cost {
    uint32_t passes;
    uint64_t memory_bytes;
};

/* The bytes of a slot object that wraps these keys, reduced to the role. label: up to 63 bytes. */
int tz_slot_seal(const struct tz_keys *keys, enum tz_role role, const char *label,
                 const struct tz_unlock *unlock, const struct tz_kdf_cost *cost, struct tz_buf *out,
                 struct tz_error *err) TZ_MUST_CHECK;
/* What is written outside of a slot's wrapping. */
struct tz_slot_info {
    uint8_t repo_id[TZ_REPO_ID_SIZE];
    enum tz_role role;
    enum tz_unlock_kind kind;
    int64_t created_ns;
    char label[TZ_SLOT_LABEL_MAX + 1];
};
/* Hostile bytes: TZ_CORRUPT, or TZ_UNSUPPORTED for a newer version. */
int tz_slot_info(struct tz_slot_info *ret, const void *data, size_t len,
                 struct tz_error *err) TZ_MUST_CHECK;
/* Open it.  A secret of the other kind or a wrong one: TZ_KEY. */
int tz_slot_open(struct tz_keys **ret, const void *data, size_t len, const struct tz_unlock *unlock,
                 struct tz_error *err) TZ_MUST_CHECK;

enum tz_role tz_keys_role(const struct tz_keys *keys);
const uint8_t *tz_keys_repo_id(const struct tz_keys *keys);
/* The epoch that new objects are written under. */
uint32_t tz_keys_epoch(const struct tz_keys *keys);
/* Derived keys, those of epoch 1 always, so that deduplication, source ids and local state survive
 * a rotation; borrowed. */
const uint8_t *tz_keys_chunk_id_key(const struct tz_keys *keys);
const uint8_t *tz_keys_chunker_seed(const struct tz_keys *keys);
const uint8_t *tz_keys_name_key(const struct tz_keys *keys);  /* source and host ids */
const uint8_t *tz_keys_local_key(const struct tz_keys *keys); /* checksums of local state */
/* Key of small objects of an epoch; NULL if this slot does not have that epoch. */
const uint8_t *tz_keys_object_key(const struct tz_keys *keys, uint32_t epoch);
/* Restore public key of the present epoch. */
const uint8_t *tz_keys_public(const struct tz_keys *keys);

/* Seal a pack key to the public key of the present epoch. */
int tz_keys_seal_pack_key(const struct tz_keys *keys, const uint8_t pack_key[TZ_KEY_SIZE],
                          uint8_t sealed[TZ_KEY_SIZE + TZ_SEAL_EXTRA],
                          struct tz_error *err) TZ_MUST_CHECK;
/* Open one.  A writer: TZ_KEY with a hint; wrong bytes: TZ_CORRUPT. */
int tz_keys_open_pack_key(const struct tz_keys *keys, uint32_t epoch,
                          const uint8_t sealed[TZ_KEY_SIZE + TZ_SEAL_EXTRA],
                          uint8_t pack_key[TZ_KEY_SIZE], struct tz_error *err) TZ_MUST_CHECK;
/* 0 for an operator; else TZ_KEY, saying what was wanted ("restore") and which key is needed. */
int tz_keys_need_operator(const struct tz_keys *keys, const char *what,
                          struct tz_error *err) TZ_MUST_CHECK;

/*
 * The paper copy: lines of base32 groups, each line with its number and a check, to be typed in
 * again.  It holds the whole operator key unprotected.
 */
int tz_paper_print(const struct tz_keys *keys, struct tz_buf *out,
                   struct tz_error *err) TZ_MUST_CHECK;
/* Read it back: case, spaces, dashes and lines around it do not matter; O/0 and I/L/1 are the
 * same.  A wrong line is named. */
int tz_paper_read(struct tz_keys **ret, const char *text, struct tz_error *err) TZ_MUST_CHECK;

#endif
