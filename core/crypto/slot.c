/*
 * A slot object: the keys of a repository, wrapped for one passphrase or key file.
 *
 *     0   8  magic "TZKEYSLT"
 *     8   4  format version
 *    12   1  role
 *    13   1  kind of what unlocks it
 *    14   2  0
 *    16  16  repository id
 *    32   4  Argon2id passes        (0 for a key file)
 *    36   4  0
 *    40   8  Argon2id memory, bytes (0 for a key file)
 *    48   8  created, nanoseconds since 1970
 *    56  16  salt
 *    72  24  nonce
 *    96  64  label, UTF-8, zeros behind it
 *   160   n  XChaCha20-Poly1305 of the keys (keyring.h); associated data: the first 160 bytes
 *
 * The wrap key is Argon2id(passphrase, salt), or keyed BLAKE2b of the salt under a key file's
 * 256 bits, which need no stretching.
 */
#include "tozai/core/object.h"
#include "tozai/util/hex.h"
#include "tozai/util/time.h"

#include "keyring.h"

#include <sodium.h>

#include "tozai/util/banned.h"

#define SLOT_MAGIC     "TZKEYSLT"
#define KEY_FILE_HEX   ((size_t)2 * TZ_KEY_SIZE)
#define KEY_FILE_WRAP  "tozai key file wrap 1"
#define PASSES_DEFAULT 4U
#define PASSES_MAX     64U
#define MEMORY_DEFAULT (UINT64_C(64) << 20)
#define MEMORY_MAX     (UINT64_C(4) << 30)

struct slot_header {
    uint8_t magic[8];
    uint8_t version[4];
    uint8_t role;
    uint8_t kind;
    uint8_t zero[2];
    uint8_t repo_id[TZ_REPO_ID_SIZE];
    uint8_t passes[4];
    uint8_t zero_too[4];
    uint8_t memory_bytes[8];
    uint8_t created_ns[8];
    uint8_t salt[crypto_pwhash_argon2id_SALTBYTES];
    uint8_t nonce[TZ_XNONCE];
    uint8_t label[TZ_SLOT_LABEL_MAX + 1];
};
_Static_assert(sizeof(struct slot_header) == 160, "a slot's header has no holes");

TZ_DEFINE_SCOPED(uint8_t *, scoped_secret, tz_secret_free)

/* Labels are shown on terminals before anything vouches for them: no control characters. */
static bool label_valid(const uint8_t *label, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (label[i] < 0x20 || label[i] == 0x7f)
            return false;
    return len <= TZ_SLOT_LABEL_MAX;
}

static bool cost_valid(enum tz_unlock_kind kind, uint32_t passes, uint64_t memory_bytes)
{
    if (kind == TZ_UNLOCK_KEY_FILE)
        return passes == 0 && memory_bytes == 0;
    return passes >= 1 && passes <= PASSES_MAX &&
           memory_bytes >= crypto_pwhash_argon2id_MEMLIMIT_MIN && memory_bytes <= MEMORY_MAX;
}

static int wrap_key_of_passphrase(uint8_t *key, const struct slot_header *header,
                                  const struct tz_unlock *unlock, struct tz_error *err)
{
    if (crypto_pwhash_argon2id(key, TZ_KEY_SIZE, unlock->secret, unlock->len, header->salt,
                               tz_load_le32(header->passes),
                               (size_t)tz_load_le64(header->memory_bytes),
                               crypto_pwhash_argon2id_ALG_ARGON2ID13)) {
        (void)tz_fail(err, TZ_NOMEM, "not enough memory for Argon2id, which needs %llu MiB here",
                      (unsigned long long)(tz_load_le64(header->memory_bytes) >> 20));
        return tz_hint(err, "free some memory, or raise the limit that ulimit -v or a container "
                            "sets");
    }
    return 0;
}

static int wrap_key_of_file(uint8_t *key, const struct slot_header *header,
                            const struct tz_unlock *unlock, struct tz_error *err)
{
    TZ_SCOPED(scoped_secret) uint8_t *secret = tz_secret_alloc(TZ_KEY_SIZE);
    if (!secret)
        return tz_fail_nomem(err);
    if (unlock->len != KEY_FILE_HEX || !tz_unhex(secret, TZ_KEY_SIZE, unlock->secret))
        return tz_fail(err, TZ_KEY, "the key file does not hold 64 hexadecimal digits");
    uint8_t context[sizeof(KEY_FILE_WRAP) - 1 + sizeof(header->salt)];
    memcpy(context, KEY_FILE_WRAP, sizeof(KEY_FILE_WRAP) - 1);
    memcpy(context + sizeof(KEY_FILE_WRAP) - 1, header->salt, sizeof(header->salt));
    tz_keyed_hash(key, secret, context, sizeof(context));
    return 0;
}

static int wrap_key(uint8_t *key, const struct slot_header *header, const struct tz_unlock *unlock,
                    struct tz_error *err)
{
    return header->kind == TZ_UNLOCK_KEY_FILE ? wrap_key_of_file(key, header, unlock, err)
                                              : wrap_key_of_passphrase(key, header, unlock, err);
}

static int make_header(struct slot_header *header, const struct tz_keys *keys, enum tz_role role,
                       const char *label, enum tz_unlock_kind kind, const struct tz_kdf_cost *cost,
                       struct tz_error *err)
{
    size_t label_len = label ? strlen(label) : 0;
    if (!label_valid((const uint8_t *)label, label_len))
        return tz_fail(err, TZ_INVALID,
                       "a key's label has at most %d bytes and no control characters",
                       TZ_SLOT_LABEL_MAX);

    bool stretched = kind == TZ_UNLOCK_PASSPHRASE;
    uint32_t passes = cost && cost->passes ? cost->passes : PASSES_DEFAULT;
    uint64_t memory = cost && cost->memory_bytes ? cost->memory_bytes : MEMORY_DEFAULT;
    if (stretched && !cost_valid(kind, passes, memory))
        return tz_fail(err, TZ_INVALID,
                       "Argon2id takes 1 to %u passes over 8 KiB to 4 GiB, not %u over %llu bytes",
                       PASSES_MAX, passes, (unsigned long long)memory);

    *header = (struct slot_header){.role = (uint8_t)role, .kind = (uint8_t)kind};
    memcpy(header->magic, SLOT_MAGIC, sizeof(header->magic));
    tz_store_le32(header->version, TZ_FORMAT_VERSION);
    memcpy(header->repo_id, keys->repo_id, TZ_REPO_ID_SIZE);
    tz_store_le32(header->passes, stretched ? passes : 0);
    tz_store_le64(header->memory_bytes, stretched ? memory : 0);
    tz_store_le64(header->created_ns, (uint64_t)tz_now());
    tz_random(header->salt, sizeof(header->salt));
    tz_random(header->nonce, sizeof(header->nonce));
    if (label_len)
        memcpy(header->label, label, label_len);
    return 0;
}

int tz_slot_seal(const struct tz_keys *keys, enum tz_role role, const char *label,
                 const struct tz_unlock *unlock, const struct tz_kdf_cost *cost, struct tz_buf *out,
                 struct tz_error *err)
{
    if (role == TZ_ROLE_OPERATOR && tz_keys_need_operator(keys, "making an operator key", err))
        return -1;
    struct slot_header header;
    if (make_header(&header, keys, role, label, unlock->kind, cost, err))
        return -1;

    size_t plain_len = tz_keyring_size(keys);
    TZ_SCOPED(scoped_secret) uint8_t *key = tz_secret_alloc(TZ_KEY_SIZE);
    TZ_SCOPED(scoped_secret) uint8_t *plain = tz_secret_alloc(plain_len + TZ_AEAD_TAG);
    if (!key || !plain)
        return tz_fail_nomem(err);
    if (wrap_key(key, &header, unlock, err) ||
        tz_buf_reserve(out, sizeof(header) + plain_len + TZ_AEAD_TAG, err))
        return -1;
    tz_keyring_encode(keys, role, plain);
    tz_xaead_seal(key, header.nonce, &header, sizeof(header), plain, plain_len, plain);
    memcpy(out->data + out->len, &header, sizeof(header));
    memcpy(out->data + out->len + sizeof(header), plain, plain_len + TZ_AEAD_TAG);
    out->len += sizeof(header) + plain_len + TZ_AEAD_TAG;
    return 0;
}

static int check_header(const struct slot_header *header, struct tz_error *err)
{
    if (memcmp(header->magic, SLOT_MAGIC, sizeof(header->magic)) != 0)
        return tz_fail(err, TZ_CORRUPT, "this is not a key slot");
    uint32_t version = tz_load_le32(header->version);
    if (version > TZ_FORMAT_VERSION) {
        (void)tz_fail(err, TZ_UNSUPPORTED, "key slot format %u is newer than this tozai", version);
        return tz_hint(err, "install a newer tozai");
    }
    const uint8_t *end = memchr(header->label, 0, sizeof(header->label));
    size_t label_len = end ? (size_t)(end - header->label) : sizeof(header->label);
    if (version == 0 || (header->role != TZ_ROLE_OPERATOR && header->role != TZ_ROLE_WRITER) ||
        (header->kind != TZ_UNLOCK_PASSPHRASE && header->kind != TZ_UNLOCK_KEY_FILE) ||
        !sodium_is_zero(header->zero, sizeof(header->zero)) ||
        !sodium_is_zero(header->zero_too, sizeof(header->zero_too)) ||
        !label_valid(header->label, label_len) ||
        !sodium_is_zero(header->label + label_len, sizeof(header->label) - label_len))
        return tz_fail(err, TZ_CORRUPT, "the key slot's header is damaged");
    /* A store's owner must not be able to make opening a slot take forever. */
    if (!cost_valid(header->kind, tz_load_le32(header->passes), tz_load_le64(header->memory_bytes)))
        return tz_fail(err, TZ_CORRUPT, "the key slot asks for an impossible amount of work");
    return 0;
}

static int read_header(struct slot_header *ret, const void *data, size_t len, struct tz_error *err)
{
    if (len < sizeof(*ret) + TZ_AEAD_TAG)
        return tz_fail(err, TZ_CORRUPT, "the key slot is cut: it has only %zu bytes", len);
    memcpy(ret, data, sizeof(*ret));
    if (check_header(ret, err))
        return -1;
    if (len > sizeof(*ret) + TZ_KEYRING_SIZE_MAX + TZ_AEAD_TAG)
        return tz_fail(err, TZ_CORRUPT, "a key slot cannot have %zu bytes", len);
    return 0;
}

int tz_slot_info(struct tz_slot_info *ret, const void *data, size_t len, struct tz_error *err)
{
    struct slot_header header;
    if (read_header(&header, data, len, err))
        return -1;
    struct tz_slot_info info = {
        .role = header.role,
        .kind = header.kind,
        .created_ns = (int64_t)tz_load_le64(header.created_ns),
    };
    memcpy(info.repo_id, header.repo_id, TZ_REPO_ID_SIZE);
    memcpy(info.label, header.label, sizeof(info.label)); /* ends in a zero: checked */
    *ret = info;
    return 0;
}

static int fail_kind(enum tz_unlock_kind wanted, struct tz_error *err)
{
    return wanted == TZ_UNLOCK_KEY_FILE
               ? tz_fail(err, TZ_KEY, "this key opens with a key file, not with a passphrase")
               : tz_fail(err, TZ_KEY, "this key opens with a passphrase, not with a key file");
}

int tz_slot_open(struct tz_keys **ret, const void *data, size_t len, const struct tz_unlock *unlock,
                 struct tz_error *err)
{
    struct slot_header header;
    if (read_header(&header, data, len, err))
        return -1;
    if (header.kind != unlock->kind)
        return fail_kind(header.kind, err);

    size_t sealed_len = len - sizeof(header);
    TZ_SCOPED(scoped_secret) uint8_t *key = tz_secret_alloc(TZ_KEY_SIZE);
    TZ_SCOPED(scoped_secret) uint8_t *plain = tz_secret_alloc(sealed_len);
    if (!key || !plain)
        return tz_fail_nomem(err);
    if (wrap_key(key, &header, unlock, err))
        return -1;
    memcpy(plain, (const uint8_t *)data + sizeof(header), sealed_len);
    if (tz_xaead_open(key, header.nonce, &header, sizeof(header), plain, sealed_len, plain, NULL))
        return tz_fail(err, TZ_KEY,
                       header.kind == TZ_UNLOCK_KEY_FILE
                           ? "the key file is not the one that this key was wrapped with"
                           : "the passphrase is wrong");
    return tz_keyring_decode(ret, header.repo_id, header.role, plain, sealed_len - TZ_AEAD_TAG,
                             err);
}
