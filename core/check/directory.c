/*
 * A pack's directory from a pack that is not in memory as a whole.
 */
#include "check.h"

#include <string.h>

#include "tozai/util/banned.h"

int tz_check_directory_begin(struct tz_aead *aead, const uint8_t header[TZ_PACK_HEADER_SIZE],
                             const uint8_t key[TZ_KEY_SIZE], const uint8_t *tail, size_t len,
                             uint64_t size, uint64_t *ret, struct tz_error *err)
{
    uint8_t trailer[TZ_PACK_TRAILER_SIZE - TZ_AEAD_TAG];

    if (len < TZ_PACK_TRAILER_SIZE ||
        size < TZ_PACK_HEADER_SIZE + TZ_AEAD_TAG + TZ_PACK_TRAILER_SIZE)
        return tz_fail(err, TZ_CORRUPT, "the pack is too short");
    if (tz_aead_open(aead, key, TZ_NONCE_TRAILER, header, TZ_PACK_HEADER_SIZE,
                     tail + len - TZ_PACK_TRAILER_SIZE, TZ_PACK_TRAILER_SIZE, trailer, err))
        return tz_while(err, "the pack's trailer");
    uint64_t sealed = tz_load_le64(trailer);
    if (sealed < TZ_AEAD_TAG || sealed > size - TZ_PACK_TRAILER_SIZE - TZ_PACK_HEADER_SIZE)
        return tz_fail(err, TZ_CORRUPT, "the pack's directory has an impossible length");
    *ret = size - TZ_PACK_TRAILER_SIZE - sealed;
    return 0;
}

static bool all_zero(const uint8_t *data, size_t len)
{
    return len == 0 || (data[0] == 0 && memcmp(data, data + 1, len - 1) == 0);
}

int tz_check_directory(struct tz_aead *aead, const uint8_t header[TZ_PACK_HEADER_SIZE],
                       const uint8_t key[TZ_KEY_SIZE], const uint8_t *tail, size_t len,
                       uint64_t size, struct tz_buf *plain, struct tz_pack_info *info,
                       struct tz_error *err)
{
    size_t sealed = len - TZ_PACK_TRAILER_SIZE;
    uint64_t end = TZ_PACK_HEADER_SIZE;

    tz_buf_reset(plain);
    if (tz_buf_reserve(plain, sealed, err))
        return -1;
    if (tz_aead_open(aead, key, TZ_NONCE_DIRECTORY, header, TZ_PACK_HEADER_SIZE, tail, sealed,
                     plain->data, err))
        return tz_while(err, "the pack's directory");
    memcpy(info->header, header, TZ_PACK_HEADER_SIZE);
    info->kind = tz_load_le32(header + 12);
    info->size = size;
    struct tz_cursor c = tz_cursor(plain->data, sealed - TZ_AEAD_TAG);
    if (tz_pack_info_get_frames(info, &c, err))
        return -1;
    if (!all_zero(c.at, tz_left(&c)))
        return tz_fail(err, TZ_CORRUPT, "the pack's directory ends in unknown bytes");
    if (info->frame_count > 0) {
        const struct tz_frame_info *last = &info->frames[info->frame_count - 1];
        end = last->offset + last->sealed_len;
    }
    if (end != size - len)
        return tz_fail(err, TZ_CORRUPT, "the pack's frames do not reach to its directory");
    return 0;
}
