/* A chunk of an extent list. */
#include "fuzz.h"

#include "tozai/core/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const uint8_t hole[TZ_ID_SIZE];
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
    struct tz_cursor c = tz_cursor(data, len);
    struct tz_coder coder = {0}, writer = {0}, reader = {0};
    struct tz_error err = {0};

    while (tz_left(&c) > 0) {
        struct tz_extent extent, again;
        uint64_t pack = 1;
        if (tz_extent_decode(&coder, &c, NULL, &extent, &pack, &err)) {
            check(err.kind == TZ_CORRUPT);
            break;
        }
        bool is_hole = memcmp(extent.id, hole, TZ_ID_SIZE) == 0;
        check(extent.len >= 1 && extent.len <= (is_hole ? TZ_HOLE_MAX : (uint64_t)TZ_CHUNK_MAX));
        check(is_hole || extent.offset + extent.len <= TZ_CHUNK_MAX);
        tz_buf_reset(&out);
        check(tz_extent_encode(&writer, &extent, pack, NULL, &out, NULL) == 0);
        struct tz_cursor back = tz_cursor(out.data, out.len);
        check(tz_extent_decode(&reader, &back, NULL, &again, &pack, NULL) == 0);
        check(tz_wire_done(&back) && again.len == extent.len && again.offset == extent.offset &&
              memcmp(again.id, extent.id, TZ_ID_SIZE) == 0);
    }
    return 0;
}
