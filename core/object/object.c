#include "tozai/core/object.h"

#include "envelope.h"

#include "tozai/util/banned.h"

static const char object_magic[8] = "TZOBJECT";

/* As it is stored: the first part of the associated data. */
struct object_header {
    uint8_t magic[8];
    uint8_t version[4];
    uint8_t type[4];
    uint8_t repo_id[TZ_REPO_ID_SIZE];
    uint8_t epoch[4];
    uint8_t zero[4];
    uint8_t nonce[TZ_XNONCE];
};
_Static_assert(sizeof(struct object_header) == TZ_OBJECT_HEADER_SIZE, "the header has no holes");

/* Associated data: header and position. */
struct place {
    uint8_t data[TZ_OBJECT_HEADER_SIZE + TZ_NAME_TEXT];
    size_t len;
};

static int make_place(struct place *place, const struct object_header *header, const char *position,
                      struct tz_error *err)
{
    size_t len = strlen(position);
    if (len >= TZ_NAME_TEXT)
        return tz_fail(err, TZ_INVALID, "an object's position cannot have %zu bytes", len);
    memcpy(place->data, header, sizeof(*header));
    memcpy(place->data + sizeof(*header), position, len);
    place->len = sizeof(*header) + len;
    return 0;
}

int tz_object_seal(const struct tz_keys *keys, enum tz_object_type type, const char *position,
                   const void *body, size_t len, struct tz_buf *out, struct tz_error *err)
{
    struct object_header header = {0};
    memcpy(header.magic, object_magic, sizeof(header.magic));
    tz_store_le32(header.version, TZ_FORMAT_VERSION);
    tz_store_le32(header.type, (uint32_t)type);
    memcpy(header.repo_id, tz_keys_repo_id(keys), TZ_REPO_ID_SIZE);
    tz_store_le32(header.epoch, tz_keys_epoch(keys));
    tz_random(header.nonce, sizeof(header.nonce));
    struct place place;
    if (make_place(&place, &header, position, err))
        return -1;

    TZ_SCOPED(tz_scoped_buf) struct tz_buf plain = {0};
    if (tz_envelope_pack(body, len, sizeof(header) + TZ_AEAD_TAG, &plain, err) ||
        tz_buf_reserve(out, sizeof(header) + plain.len + TZ_AEAD_TAG, err))
        return -1;
    uint8_t *end = out->data + out->len;
    memcpy(end, &header, sizeof(header));
    tz_xaead_seal(tz_keys_object_key(keys, tz_keys_epoch(keys)), header.nonce, place.data,
                  place.len, plain.data, plain.len, end + sizeof(header));
    out->len += sizeof(header) + plain.len + TZ_AEAD_TAG;
    return 0;
}

static const char *type_name(uint32_t type)
{
    static const char *const names[] = {"unknown object", "index", "generation head", "seal",
                                        "tombstone"};
    return names[type < TZ_COUNT(names) ? type : 0];
}

static int check_header(const struct object_header *header, const struct tz_keys *keys,
                        enum tz_object_type type, struct tz_error *err)
{
    if (memcmp(header->magic, object_magic, sizeof(header->magic)) != 0)
        return tz_fail(err, TZ_CORRUPT, "this is not an object of tozai");
    uint32_t version = tz_load_le32(header->version);
    if (version > TZ_FORMAT_VERSION) {
        (void)tz_fail(err, TZ_UNSUPPORTED, "object format %u is newer than this tozai", version);
        return tz_hint(err, "install a newer tozai");
    }
    if (version == 0 || tz_load_le32(header->zero) != 0)
        return tz_fail(err, TZ_CORRUPT, "the object's header is damaged");
    if (memcmp(header->repo_id, tz_keys_repo_id(keys), TZ_REPO_ID_SIZE) != 0)
        return tz_fail(err, TZ_CORRUPT, "the object belongs to another repository");
    if (tz_load_le32(header->type) != (uint32_t)type)
        return tz_fail(err, TZ_CORRUPT, "the object is of type '%s', not '%s'",
                       type_name(tz_load_le32(header->type)), type_name((uint32_t)type));
    return 0;
}

static int find_key(const uint8_t **ret, const struct object_header *header,
                    const struct tz_keys *keys, struct tz_error *err)
{
    uint32_t epoch = tz_load_le32(header->epoch);
    *ret = tz_keys_object_key(keys, epoch);
    if (*ret)
        return 0;
    (void)tz_fail(err, TZ_KEY, "the object is sealed under key epoch %u, which this key lacks",
                  epoch);
    return tz_hint(err, "use a key that was made after the last rotation");
}

int tz_object_open(const struct tz_keys *keys, enum tz_object_type type, const char *position,
                   const void *data, size_t len, struct tz_buf *out, struct tz_error *err)
{
    struct object_header header;
    if (len < sizeof(header) + TZ_AEAD_TAG || len > TZ_OBJECT_MAX)
        return tz_fail(err, TZ_CORRUPT, "an object cannot have %zu bytes", len);
    memcpy(&header, data, sizeof(header));
    const uint8_t *key;
    struct place place;
    if (check_header(&header, keys, type, err) || find_key(&key, &header, keys, err) ||
        make_place(&place, &header, position, err))
        return -1;

    TZ_SCOPED(tz_scoped_buf) struct tz_buf plain = {0};
    size_t sealed_len = len - sizeof(header);
    if (tz_buf_reserve(&plain, sealed_len, err) ||
        tz_xaead_open(key, header.nonce, place.data, place.len,
                      (const uint8_t *)data + sizeof(header), sealed_len, plain.data, err))
        return -1;
    return tz_envelope_unpack(plain.data, sealed_len - TZ_AEAD_TAG, out, err);
}
