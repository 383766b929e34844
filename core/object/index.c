/*
 * The body of an index object:
 *
 *   u8 version 1, then for each pack, to the end:
 *   32 hash, varint size, u8 kind, 128 header, its frames (packinfo.c)
 */
#include "tozai/core/packinfo.h"

#include "body.h"

#include "tozai/util/banned.h"

#define INDEX_VERSION 1U

int tz_index_begin(struct tz_buf *out, struct tz_error *err)
{
    return tz_put_u8(out, INDEX_VERSION, err);
}

static bool pack_valid(const struct tz_pack_info *info)
{
    return info->size >= TZ_PACK_HEADER_SIZE && info->size <= TZ_PACK_SIZE_MAX &&
           (info->kind == TZ_PACK_DATA || info->kind == TZ_PACK_MANIFEST);
}

int tz_index_add(struct tz_buf *out, const struct tz_pack_info *info, struct tz_error *err)
{
    if (!pack_valid(info))
        return tz_fail(err, TZ_FAILED, "internal error: a pack of kind %u with %llu bytes",
                       info->kind, (unsigned long long)info->size);
    size_t begin = out->len;
    if (tz_buf_append(out, info->hash, TZ_HASH_SIZE, err) || tz_put_varint(out, info->size, err) ||
        tz_put_u8(out, (uint8_t)info->kind, err) ||
        tz_buf_append(out, info->header, TZ_PACK_HEADER_SIZE, err) ||
        tz_pack_info_put_frames(info, out, err)) {
        out->len = begin;
        return -1;
    }
    return 0;
}

static int get_pack(struct tz_pack_info *info, struct tz_cursor *c, struct tz_error *err)
{
    const uint8_t *hash = tz_get_raw(c, TZ_HASH_SIZE);
    info->size = tz_get_varint(c);
    info->kind = tz_get_u8(c);
    const uint8_t *header = tz_get_raw(c, TZ_PACK_HEADER_SIZE);
    if (!hash || !header || !pack_valid(info))
        return tz_fail(err, TZ_CORRUPT, "the index is damaged: a pack cannot be like this");
    memcpy(info->hash, hash, TZ_HASH_SIZE);
    memcpy(info->header, header, TZ_PACK_HEADER_SIZE);
    if (tz_pack_info_get_frames(info, c, err))
        return tz_while(err, "the index is damaged");
    return 0;
}

int tz_index_read(const void *body, size_t len, tz_index_pack_fn *found, void *arg,
                  struct tz_error *err)
{
    struct tz_cursor c = tz_cursor(body, len);
    if (tz_body_begin(&c, INDEX_VERSION, "index", err))
        return -1;
    TZ_SCOPED(tz_scoped_pack_info) struct tz_pack_info info = {0};
    while (tz_left(&c) > 0)
        if (get_pack(&info, &c, err) || found(arg, &info, err))
            return -1;
    return 0;
}
