/*
 * The root of a manifest: a line for each of its chunks.
 *
 *   for each chunk: 32 id, varint length, varint entries, varint length and bytes of its first path
 */
#ifndef TOZAI_MANIFEST_ROOT_H
#define TOZAI_MANIFEST_ROOT_H

#include "tozai/core/manifest.h"

struct tz_manifest_piece {
    uint8_t id[TZ_ID_SIZE];
    uint32_t len;
    uint64_t entries;
    const char *first; /* path of its first entry; in the bytes that were parsed */
    size_t first_len;
};

struct tz_manifest_root {
    struct tz_manifest_piece *pieces;
    size_t count;
};

void tz_manifest_root_clear(struct tz_manifest_root *root);
static inline TZ_UNUSED void tz_scoped_manifest_root(struct tz_manifest_root *root)
{
    tz_manifest_root_clear(root);
}
/* root is zero before; on failure it is to be cleared.  First paths ascend; hostile bytes:
 * TZ_CORRUPT. */
int tz_manifest_root_parse(struct tz_manifest_root *root, const void *data, size_t len,
                           struct tz_error *err) TZ_MUST_CHECK;

#endif
