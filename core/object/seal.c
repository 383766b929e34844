#include "tozai/core/generation.h"

#include "tozai/util/banned.h"

int tz_seal_write(const struct tz_keys *keys, const char *name, const uint8_t head[TZ_HASH_SIZE],
                  struct tz_buf *out, struct tz_error *err)
{
    uint8_t hash[TZ_HASH_SIZE];
    size_t begin = out->len;
    if (tz_object_seal(keys, TZ_OBJECT_SEAL, name, head, TZ_HASH_SIZE, out, err))
        return -1;
    if (tz_sha256(hash, out->data + begin, out->len - begin, err) ||
        tz_buf_append(out, hash, TZ_HASH_SIZE, err)) {
        out->len = begin;
        return -1;
    }
    return 0;
}

int tz_seal_check_hash(const void *data, size_t len, struct tz_error *err)
{
    if (len < TZ_OBJECT_HEADER_SIZE + TZ_AEAD_TAG + TZ_HASH_SIZE || len > TZ_OBJECT_MAX)
        return tz_fail(err, TZ_CORRUPT, "a seal cannot have %zu bytes", len);
    uint8_t hash[TZ_HASH_SIZE];
    size_t hashed = len - TZ_HASH_SIZE;
    if (tz_sha256(hash, data, hashed, err))
        return -1;
    if (memcmp(hash, (const uint8_t *)data + hashed, TZ_HASH_SIZE) != 0)
        return tz_fail(err, TZ_CORRUPT, "the seal is damaged: its SHA-256 is another");
    return 0;
}

int tz_seal_check(const struct tz_keys *keys, const char *name, const uint8_t head[TZ_HASH_SIZE],
                  const void *data, size_t len, struct tz_error *err)
{
    if (tz_seal_check_hash(data, len, err))
        return -1;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf body = {0};
    if (tz_object_open(keys, TZ_OBJECT_SEAL, name, data, len - TZ_HASH_SIZE, &body, err))
        return tz_while(err, "seal '%s'", name);
    if (body.len != TZ_HASH_SIZE || memcmp(body.data, head, TZ_HASH_SIZE) != 0)
        return tz_fail(err, TZ_CORRUPT, "seal '%s' is for another generation head", name);
    return 0;
}
