#include "check.h"

#include <string.h>

#include "tozai/util/banned.h"

#define SLOT_MAX 65536

size_t tz_check_size_max(enum tz_name_kind kind)
{
    switch (kind) {
    case TZ_NAME_IS_PACK:
        return TZ_PACK_SIZE_MAX;
    case TZ_NAME_IS_KEY:
    case TZ_NAME_IS_SEAL:
    case TZ_NAME_IS_DESCRIPTOR:
        return SLOT_MAX;
    default:
        return TZ_OBJECT_MAX;
    }
}

/* The position that an object was sealed for: its name without the hash. */
static void position_of(char position[TZ_NAME_TEXT], const char *name, enum tz_name_kind kind)
{
    const char *cut = strrchr(name, kind == TZ_NAME_IS_HEAD ? '-' : '/');
    size_t len = cut ? (size_t)(cut - name) : strlen(name);

    memcpy(position, name, len);
    position[len] = '\0';
}

static int see_pack(void *arg, const struct tz_pack_info *info, struct tz_error *err)
{
    (void)arg;
    (void)info;
    (void)err;
    return 0;
}

static int see_hash(void *arg, const uint8_t hash[TZ_HASH_SIZE], struct tz_error *err)
{
    (void)arg;
    (void)hash;
    (void)err;
    return 0;
}

static int read_head(const char *name, const struct tz_name *parsed, const struct tz_buf *body,
                     struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_head) struct tz_head head = {0};
    char expected[TZ_NAME_TEXT];

    if (tz_head_read(&head, body->data, body->len, err))
        return -1;
    tz_name_head(expected, head.source_id, head.time_ns, parsed->hash);
    if (strcmp(expected, name) != 0)
        return tz_fail(err, TZ_CORRUPT, "the head does not belong to its name");
    return 0;
}

static int open_sealed(const struct tz_keys *keys, const char *name, const struct tz_name *parsed,
                       const void *data, size_t len, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf body = {0};
    char position[TZ_NAME_TEXT];
    enum tz_object_type type = parsed->kind == TZ_NAME_IS_INDEX  ? TZ_OBJECT_INDEX
                               : parsed->kind == TZ_NAME_IS_HEAD ? TZ_OBJECT_HEAD
                                                                 : TZ_OBJECT_TOMBSTONE;

    position_of(position, name, parsed->kind);
    if (tz_object_open(keys, type, position, data, len, &body, err))
        return -1;
    if (type == TZ_OBJECT_INDEX)
        return tz_index_read(body.data, body.len, see_pack, NULL, err);
    if (type == TZ_OBJECT_HEAD)
        return read_head(name, parsed, &body, err);
    return tz_tombstone_read(body.data, body.len, see_hash, NULL, err);
}

static int open_slot(const struct tz_keys *keys, const void *data, size_t len, struct tz_error *err)
{
    struct tz_slot_info info;

    if (tz_slot_info(&info, data, len, err))
        return -1;
    if (memcmp(info.repo_id, tz_keys_repo_id(keys), TZ_REPO_ID_SIZE) != 0)
        return tz_fail(err, TZ_CORRUPT, "the key slot belongs to another repository");
    return 0;
}

int tz_check_bytes(const struct tz_keys *keys, const char *name, const void *data, size_t len,
                   bool deep, struct tz_error *err)
{
    struct tz_name parsed = tz_name_parse(name);
    uint8_t hash[TZ_HASH_SIZE];

    if (len > tz_check_size_max(parsed.kind))
        return tz_fail(err, TZ_CORRUPT, "'%s' is too large", name);
    /* A seal holds its own hash; which generation it is for, only a key can tell. */
    if (parsed.kind == TZ_NAME_IS_SEAL && !keys)
        return tz_seal_check_hash(data, len, err);
    if (parsed.kind == TZ_NAME_IS_SEAL)
        return tz_seal_check(keys, name, parsed.hash, data, len, err);
    if (parsed.kind == TZ_NAME_OTHER || parsed.kind == TZ_NAME_IS_DESCRIPTOR)
        return tz_fail(err, TZ_CORRUPT, "'%s' has no hash in its name", name);
    if (tz_sha256(hash, data, len, err))
        return -1;
    if (memcmp(hash, parsed.hash, TZ_HASH_SIZE) != 0)
        return tz_fail(err, TZ_CORRUPT, "'%s': its SHA-256 is not what it should be", name);
    if (!deep || parsed.kind == TZ_NAME_IS_PACK)
        return 0;
    if (parsed.kind == TZ_NAME_IS_KEY)
        return open_slot(keys, data, len, err);
    return open_sealed(keys, name, &parsed, data, len, err);
}
