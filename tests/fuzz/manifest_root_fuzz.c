/* Roots of manifests. */
#include "fuzz.h"

#include "core/manifest/root.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    TZ_SCOPED(tz_scoped_manifest_root) struct tz_manifest_root root = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf again = {0};
    struct tz_error err = {0};

    if (tz_manifest_root_parse(&root, data, len, &err)) {
        check(err.kind == TZ_CORRUPT);
        return 0;
    }
    for (size_t i = 0; i < root.count; i++) {
        const struct tz_manifest_piece *piece = &root.pieces[i];
        check(piece->len > 0 && piece->len <= TZ_CHUNK_MAX && piece->entries > 0);
        check(tz_path_valid(piece->first, piece->first_len));
        check(i == 0 || tz_path_compare(piece[-1].first, piece[-1].first_len, piece->first,
                                        piece->first_len) < 0);
        check(tz_buf_append(&again, piece->id, TZ_ID_SIZE, NULL) == 0 &&
              tz_put_varint(&again, piece->len, NULL) == 0 &&
              tz_put_varint(&again, piece->entries, NULL) == 0 &&
              tz_put_bytes(&again, piece->first, piece->first_len, NULL) == 0);
    }
    check(again.len == len && (len == 0 || memcmp(again.data, data, len) == 0));
    return 0;
}
