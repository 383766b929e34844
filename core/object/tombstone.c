/*
 * The body of a tombstone: u8 version 1, varint count, count times 32 hash.
 */
#include "tozai/core/packinfo.h"

#include "body.h"

#include "tozai/util/banned.h"

#define TOMBSTONE_VERSION 1U

static int write_body(struct tz_buf *out, const uint8_t (*hashes)[TZ_HASH_SIZE], size_t count,
                      struct tz_error *err)
{
    if (tz_put_u8(out, TOMBSTONE_VERSION, err) || tz_put_varint(out, count, err))
        return -1;
    return count ? tz_buf_append(out, hashes, count * TZ_HASH_SIZE, err) : 0;
}

int tz_tombstone_write(struct tz_buf *out, const uint8_t (*hashes)[TZ_HASH_SIZE], size_t count,
                       struct tz_error *err)
{
    if (count > TZ_OBJECT_MAX / TZ_HASH_SIZE)
        return tz_fail(err, TZ_INVALID, "%zu packs are too many for one tombstone", count);
    size_t begin = out->len;
    if (write_body(out, hashes, count, err)) {
        out->len = begin;
        return -1;
    }
    return 0;
}

int tz_tombstone_read(const void *body, size_t len,
                      int (*found)(void *arg, const uint8_t hash[TZ_HASH_SIZE],
                                   struct tz_error *err),
                      void *arg, struct tz_error *err)
{
    struct tz_cursor c = tz_cursor(body, len);
    if (tz_body_begin(&c, TOMBSTONE_VERSION, "tombstone", err))
        return -1;
    uint64_t count = tz_get_varint(&c);
    /* Known to be whole before the first pack is condemned. */
    if (!tz_wire_ok(&c) || count > tz_left(&c) / TZ_HASH_SIZE ||
        count * TZ_HASH_SIZE != tz_left(&c))
        return tz_fail(err, TZ_CORRUPT, "the tombstone is damaged");
    for (uint64_t i = 0; i < count; i++)
        if (found(arg, tz_get_raw(&c, TZ_HASH_SIZE), err))
            return -1;
    return 0;
}
