/* A pack's directory once it is decrypted; before it, where it begins and how long the pack is. */
#include "fuzz.h"

#include "core/pack/directory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    TZ_SCOPED(tz_scoped_pack_info) struct tz_pack_info info = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf again = {0};
    struct tz_cursor c = tz_cursor(data, len);
    uint32_t begin = tz_get_u32(&c);
    struct tz_error err = {0};

    info.size = tz_get_u32(&c);
    if (!tz_wire_ok(&c) || info.size == 0 || info.size > TZ_PACK_SIZE_MAX)
        return 0;
    if (tz_pack_directory_parse(&info, c.at, tz_left(&c), begin, &err)) {
        check(err.kind == TZ_CORRUPT);
        return 0;
    }
    check(tz_pack_info_put_frames(&info, &again, NULL) == 0);
    check(again.len <= tz_left(&c) && memcmp(again.data, c.at, again.len) == 0);
    return 0;
}
