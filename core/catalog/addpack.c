/*
 * Packs become known: their object, their frames, and a row for each of their chunks.
 */
#include "database.h"

#include <string.h>

#include "tozai/util/banned.h"

/* The object that the pack is.  Its description is authenticated: its size is right, whatever
 * a listing said. */
static int add_pack_object(struct tz_catalog *catalog, const struct tz_pack_info *info,
                           int64_t *ret_object, struct tz_error *err)
{
    static const char sql[] = "UPDATE objects SET size = ?2 WHERE id = ?1 AND size <> ?2";
    char name[TZ_NAME_TEXT];
    int64_t object;

    tz_name_pack(name, info->hash);
    if (tz_catalog_add_object(catalog, name, info->size, &object, err))
        return -1;
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};
    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_int(&query, 1, object);
    tz_query_int(&query, 2, (int64_t)info->size);
    if (tz_query_run(&query, err))
        return -1;
    *ret_object = object;
    return 0;
}

static int insert_pack(struct tz_catalog *catalog, int64_t pack, uint32_t chunks,
                       const struct tz_pack_info *info, struct tz_error *err)
{
    static const char sql[] = "INSERT INTO packs(id, hash, kind, chunks, condemned, lost, header)"
                              " VALUES (?1, ?2, ?3, ?5,"
                              " EXISTS (SELECT 1 FROM condemned WHERE hash = ?2), 0, ?4)";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_int(&query, 1, pack);
    tz_query_blob(&query, 2, info->hash, TZ_HASH_SIZE);
    tz_query_int(&query, 3, info->kind);
    tz_query_blob(&query, 4, info->header, TZ_PACK_HEADER_SIZE);
    tz_query_int(&query, 5, chunks);
    if (tz_query_run(&query, err))
        return -1;
    /* Its copies may have been noted before it was described. */
    return tz_catalog_note_lost(catalog, pack, err);
}

static int insert_frames(struct tz_catalog *catalog, int64_t pack, const struct tz_pack_info *info,
                         struct tz_error *err)
{
    static const char sql[] = "INSERT INTO frames(pack, no, offset, sealed_len, plain_len, codec)"
                              " VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_int(&query, 1, pack);
    for (uint32_t i = 0; i < info->frame_count; i++) {
        const struct tz_frame_info *frame = &info->frames[i];
        tz_query_int(&query, 2, i);
        tz_query_int(&query, 3, (int64_t)frame->offset);
        tz_query_int(&query, 4, frame->sealed_len);
        tz_query_int(&query, 5, frame->plain_len);
        tz_query_int(&query, 6, frame->codec);
        if (tz_query_run(&query, err))
            return -1;
    }
    return 0;
}

static int compare_rows(const void *a, const void *b)
{
    const struct tz_chunk_row *left = a, *right = b;

    return memcmp(left->id, right->id, TZ_ID_SIZE);
}

/* Where each chunk lies, from the lengths of those before it in its frame. */
static int place_chunks(struct tz_chunk_row *rows, const struct tz_pack_info *info,
                        uint32_t *ret_count, struct tz_error *err)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < info->frame_count; i++) {
        const struct tz_frame_info *frame = &info->frames[i];
        uint64_t offset = 0;
        if (frame->first_chunk != count || frame->chunk_count > info->chunk_count - count)
            return tz_fail(err, TZ_INVALID, "frame %u of a pack has chunks that are not its own",
                           i);
        for (uint32_t n = 0; n < frame->chunk_count; n++, count++) {
            const struct tz_chunk_ref *chunk = &info->chunks[count];
            rows[count] =
                (struct tz_chunk_row){.frame = i, .offset = (uint32_t)offset, .len = chunk->len};
            memcpy(rows[count].id, chunk->id, TZ_ID_SIZE);
            offset += chunk->len;
            if (offset > frame->plain_len)
                return tz_fail(err, TZ_INVALID, "frame %u of a pack is shorter than its chunks", i);
        }
    }
    *ret_count = count;
    return 0;
}

/* A row for each distinct chunk, to be freed. */
static int make_rows(const struct tz_pack_info *info, struct tz_chunk_row **ret_rows,
                     uint32_t *ret_count, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free)
    struct tz_chunk_row *rows = calloc((size_t)info->chunk_count + 1, sizeof(*rows));
    if (!rows)
        return tz_fail_nomem(err);
    uint32_t count, distinct = 0;
    if (place_chunks(rows, info, &count, err))
        return -1;
    qsort(rows, count, sizeof(*rows), compare_rows);
    for (uint32_t i = 0; i < count; i++)
        if (i == 0 || compare_rows(&rows[distinct - 1], &rows[i]) != 0)
            rows[distinct++] = rows[i];
    *ret_rows = TZ_TAKE(rows);
    *ret_count = distinct;
    return 0;
}

/* What a pack that is not known yet brings. */
static int insert_all(struct tz_catalog *catalog, const struct tz_pack_info *info,
                      struct tz_chunk_row *rows, uint32_t count, int64_t *ret_pack,
                      struct tz_error *err)
{
    int64_t pack;

    if (add_pack_object(catalog, info, &pack, err) ||
        insert_pack(catalog, pack, count, info, err) || insert_frames(catalog, pack, info, err))
        return -1;
    for (uint32_t i = 0; i < count; i++)
        rows[i].pack = pack;
    if (tz_catalog_put_rows(catalog, rows, count, err))
        return -1;
    *ret_pack = pack;
    return 0;
}

int tz_catalog_add_pack(struct tz_catalog *catalog, const struct tz_pack_info *info,
                        int64_t *ret_pack, struct tz_error *err)
{
    int64_t pack;

    /* A run that learns a store's index objects meets mostly packs that are known. */
    if (tz_catalog_find_pack(catalog, info->hash, &pack, err))
        return -1;
    if (pack == 0) {
        /* All that can be wrong with it is found before anything is written. */
        TZ_SCOPED(tz_scoped_free) struct tz_chunk_row *rows = NULL;
        uint32_t count;
        if (make_rows(info, &rows, &count, err))
            return -1;
        TZ_SCOPED(tz_scoped_change) struct tz_change change = {0};
        if (tz_change_begin(&change, catalog, err) ||
            tz_catalog_find_pack(catalog, info->hash, &pack, err))
            return -1;
        /* Another process may have been faster. */
        if (pack == 0 && insert_all(catalog, info, rows, count, &pack, err))
            return -1;
        if (tz_change_end(&change, err))
            return -1;
    }
    *ret_pack = pack;
    return 0;
}
