/*
 * A pack's own directory against what the catalog says of the pack.
 */
#include "database.h"

#include <string.h>

#include "tozai/util/banned.h"

static int compare_frames(struct tz_catalog *catalog, int64_t pack, const struct tz_pack_info *info,
                          bool *ret_same, struct tz_error *err)
{
    static const char sql[] = "SELECT no, offset, sealed_len, plain_len, codec FROM frames"
                              " WHERE pack = ?1 ORDER BY no";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};
    bool same = true, row = true;
    uint32_t count = 0;

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_int(&query, 1, pack);
    while (same) {
        if (tz_query_step(&query, &row, err))
            return -1;
        if (!row || count == info->frame_count)
            break;
        const struct tz_frame_info *frame = &info->frames[count];
        same = tz_query_get_int(&query, 0) == (int64_t)count &&
               tz_query_get_int(&query, 1) == (int64_t)frame->offset &&
               tz_query_get_int(&query, 2) == (int64_t)frame->sealed_len &&
               tz_query_get_int(&query, 3) == (int64_t)frame->plain_len &&
               tz_query_get_int(&query, 4) == (int64_t)frame->codec;
        count++;
    }
    *ret_same = same && !row && count == info->frame_count;
    return 0;
}

/* Where the catalog has the chunk in this pack. */
static int find_place(struct tz_query *query, int64_t pack, const struct tz_chunk_ref *chunk,
                      struct tz_chunk_place *ret, bool *ret_found, struct tz_error *err)
{
    tz_query_blob(query, 1, chunk->id, TZ_ID_SIZE);
    tz_query_int(query, 2, pack);
    if (tz_query_step(query, ret_found, err))
        return -1;
    if (*ret_found)
        *ret = (struct tz_chunk_place){.frame = (uint32_t)tz_query_get_int(query, 0),
                                       .offset = (uint32_t)tz_query_get_int(query, 1),
                                       .len = (uint32_t)tz_query_get_int(query, 2)};
    (void)sqlite3_reset(query->statement);
    return 0;
}

/* A chunk that a pack holds twice has one row, which may stand for either. */
static bool stands_elsewhere(const struct tz_pack_info *info, const struct tz_chunk_ref *chunk,
                             const struct tz_chunk_place *place)
{
    uint64_t offset = 0;

    if (place->frame >= info->frame_count)
        return false;
    const struct tz_frame_info *frame = &info->frames[place->frame];
    for (uint32_t i = 0; i < frame->chunk_count; i++) {
        const struct tz_chunk_ref *other = &info->chunks[frame->first_chunk + i];
        if (offset == place->offset)
            return other->len == place->len && memcmp(other->id, chunk->id, TZ_ID_SIZE) == 0;
        offset += other->len;
    }
    return false;
}

static int compare_chunks(struct tz_catalog *catalog, int64_t pack, const struct tz_pack_info *info,
                          bool *ret_same, struct tz_error *err)
{
    static const char sql[] = "SELECT frame, offset, len FROM chunks WHERE id = ?1 AND pack = ?2";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};

    *ret_same = false;
    if (tz_catalog_flush(catalog, err) || tz_query_open(&query, catalog, sql, err))
        return -1;
    for (uint32_t i = 0; i < info->frame_count; i++) {
        const struct tz_frame_info *frame = &info->frames[i];
        uint32_t offset = 0;
        for (uint32_t n = 0; n < frame->chunk_count; n++) {
            const struct tz_chunk_ref *chunk = &info->chunks[frame->first_chunk + n];
            struct tz_chunk_place place = {0};
            bool found = false;
            if (find_place(&query, pack, chunk, &place, &found, err))
                return -1;
            bool here = place.frame == i && place.offset == offset && place.len == chunk->len;
            if (!found || (!here && !stands_elsewhere(info, chunk, &place)))
                return 0;
            offset += chunk->len;
        }
    }
    *ret_same = true;
    return 0;
}

int tz_catalog_compare_pack(struct tz_catalog *catalog, int64_t pack,
                            const struct tz_pack_info *info, bool *ret_same, struct tz_error *err)
{
    struct tz_catalog_pack known;
    bool same = false;

    if (tz_catalog_get_pack(catalog, pack, &known, err))
        return -1;
    if (known.size == info->size && known.kind == info->kind &&
        memcmp(known.header, info->header, TZ_PACK_HEADER_SIZE) == 0 &&
        (compare_frames(catalog, pack, info, &same, err) ||
         (same && compare_chunks(catalog, pack, info, &same, err))))
        return -1;
    *ret_same = same;
    return 0;
}
