/*
 * What stands behind a pack's frames: the sealed directory (frames and chunks as packinfo.c has
 * them, then zeros that bring the pack to a Padmé size) and the sealed trailer (the length of the
 * sealed directory as u64).
 */
#include "directory.h"

#include <string.h>

size_t tz_pack_tail_max(const struct tz_pack_info *info, size_t size_before)
{
    size_t directory = 32 + (size_t)info->frame_count * 24 + (size_t)info->chunk_count * 40;
    size_t size = size_before + directory + TZ_AEAD_TAG + TZ_PACK_TRAILER_SIZE;

    return (size_t)tz_padme(size) - size_before + 64;
}

/* Append len plain bytes, sealed. */
static int append_sealed(struct tz_blob *blob, struct tz_aead *aead, const uint8_t key[TZ_KEY_SIZE],
                         uint64_t nonce, const void *plain, size_t len, struct tz_error *err)
{
    if (blob->cap - blob->len < len + TZ_AEAD_TAG)
        return tz_fail(err, TZ_FAILED, "no room for a pack's directory");
    if (tz_aead_seal(aead, key, nonce, blob->data, TZ_PACK_HEADER_SIZE, plain, len,
                     blob->data + blob->len, err))
        return -1;
    blob->len += len + TZ_AEAD_TAG;
    return 0;
}

int tz_pack_finish(struct tz_blob *blob, struct tz_pack_info *info, const uint8_t key[TZ_KEY_SIZE],
                   bool pad, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf directory = {0};
    TZ_SCOPED(tz_scoped_aead) struct tz_aead *aead = NULL;
    uint8_t trailer[8];

    if (tz_aead_new(&aead, err) || tz_pack_info_put_frames(info, &directory, err))
        return -1;
    size_t size = blob->len + directory.len + TZ_AEAD_TAG + TZ_PACK_TRAILER_SIZE;
    size_t zeros = pad ? (size_t)tz_padme(size) - size : 0;
    if (tz_buf_reserve(&directory, zeros, err))
        return -1;
    if (zeros)
        memset(directory.data + directory.len, 0, zeros);
    directory.len += zeros;

    tz_store_le64(trailer, directory.len + TZ_AEAD_TAG);
    if (append_sealed(blob, aead, key, TZ_NONCE_DIRECTORY, directory.data, directory.len, err) ||
        append_sealed(blob, aead, key, TZ_NONCE_TRAILER, trailer, sizeof(trailer), err) ||
        tz_sha256(info->hash, blob->data, blob->len, err))
        return -1;
    info->size = blob->len;
    memcpy(info->header, blob->data, TZ_PACK_HEADER_SIZE);
    return 0;
}

/* Where the directory begins, out of the sealed trailer. */
static int directory_offset(struct tz_aead *aead, const uint8_t key[TZ_KEY_SIZE],
                            const uint8_t *data, size_t len, size_t *ret, struct tz_error *err)
{
    uint8_t trailer[8];
    size_t end = len - TZ_PACK_TRAILER_SIZE;

    if (tz_aead_open(aead, key, TZ_NONCE_TRAILER, data, TZ_PACK_HEADER_SIZE, data + end,
                     TZ_PACK_TRAILER_SIZE, trailer, err))
        return tz_while(err, "the pack's trailer");
    uint64_t sealed = tz_load_le64(trailer);
    if (sealed < TZ_AEAD_TAG || sealed > end - TZ_PACK_HEADER_SIZE)
        return tz_fail(err, TZ_CORRUPT, "the pack's directory has an impossible length");
    *ret = end - (size_t)sealed;
    return 0;
}

static bool all_zero(const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (data[i])
            return false;
    return true;
}

int tz_pack_directory_parse(struct tz_pack_info *info, const uint8_t *plain, size_t len,
                            uint64_t begin, struct tz_error *err)
{
    struct tz_cursor c = tz_cursor(plain, len);
    uint64_t end = TZ_PACK_HEADER_SIZE;

    if (tz_pack_info_get_frames(info, &c, err))
        return -1;
    if (!all_zero(c.at, tz_left(&c)))
        return tz_fail(err, TZ_CORRUPT, "the pack's directory ends in unknown bytes");
    for (uint32_t i = 0; i < info->frame_count; i++)
        end += info->frames[i].sealed_len;
    if (end != begin)
        return tz_fail(err, TZ_CORRUPT, "the pack's frames do not reach to its directory");
    return 0;
}

int tz_pack_directory(const struct tz_keys *keys, const uint8_t *data, size_t len,
                      struct tz_pack_info *info, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_aead) struct tz_aead *aead = NULL;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf plain = {0};
    uint8_t key[TZ_KEY_SIZE];
    size_t begin = 0;

    if (len < TZ_PACK_HEADER_SIZE + TZ_AEAD_TAG + TZ_PACK_TRAILER_SIZE || len > TZ_PACK_SIZE_MAX)
        return tz_fail(err, TZ_CORRUPT, "a pack cannot have %zu bytes", len);
    if (tz_aead_new(&aead, err) || tz_pack_header_open(keys, data, key, err))
        return -1;
    int failed = directory_offset(aead, key, data, len, &begin, err);
    size_t sealed = len - TZ_PACK_TRAILER_SIZE - begin;
    if (!failed)
        failed = tz_buf_reserve(&plain, sealed, err);
    if (!failed && tz_aead_open(aead, key, TZ_NONCE_DIRECTORY, data, TZ_PACK_HEADER_SIZE,
                                data + begin, sealed, plain.data, err))
        failed = tz_while(err, "the pack's directory");
    tz_wipe(key, sizeof(key));
    if (failed)
        return -1;

    memcpy(info->header, data, TZ_PACK_HEADER_SIZE);
    info->kind = tz_load_le32(data + 12);
    info->size = len;
    return tz_pack_directory_parse(info, plain.data, sealed - TZ_AEAD_TAG, begin, err);
}
