#include "database.h"

#include "tozai/util/banned.h"

int tz_catalog_find_pack(struct tz_catalog *catalog, const uint8_t hash[TZ_HASH_SIZE],
                         int64_t *ret_pack, struct tz_error *err)
{
    static const char sql[] = "SELECT id FROM packs WHERE hash = ?1";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};
    bool row;

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_blob(&query, 1, hash, TZ_HASH_SIZE);
    if (tz_query_step(&query, &row, err))
        return -1;
    *ret_pack = row ? tz_query_get_int(&query, 0) : 0;
    return 0;
}

int tz_catalog_find_chunk(struct tz_catalog *catalog, const uint8_t id[TZ_ID_SIZE],
                          struct tz_chunk_place *ret, bool *ret_found, struct tz_error *err)
{
    /* Rows of packs that were forgotten have no partner. */
    static const char sql[] = "SELECT c.pack, c.frame, c.offset, c.len, p.condemned, p.lost"
                              " FROM chunks c CROSS JOIN packs p ON p.id = c.pack WHERE c.id = ?1";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};
    struct tz_chunk_place best = {0};
    int best_rank = INT32_MAX;

    if (tz_catalog_flush(catalog, err) || tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_blob(&query, 1, id, TZ_ID_SIZE);
    /* Usually one row; 0: good, 1: condemned but still there, then away, then lost. */
    while (best_rank > 0) {
        bool row;
        if (tz_query_step(&query, &row, err))
            return -1;
        if (!row)
            break;
        bool condemned = tz_query_get_int(&query, 4) != 0;
        bool lost = tz_query_get_int(&query, 5) != 0;
        bool away = tz_numbers_has(&catalog->away, tz_query_get_int(&query, 0));
        int rank = (lost ? 4 : 0) + (away ? 2 : 0) + (condemned ? 1 : 0);
        if (rank >= best_rank)
            continue;
        best_rank = rank;
        best = (struct tz_chunk_place){.pack = tz_query_get_int(&query, 0),
                                       .frame = (uint32_t)tz_query_get_int(&query, 1),
                                       .offset = (uint32_t)tz_query_get_int(&query, 2),
                                       .len = (uint32_t)tz_query_get_int(&query, 3),
                                       .condemned = condemned,
                                       .lost = lost,
                                       .away = away};
    }
    *ret_found = best_rank != INT32_MAX;
    if (*ret_found)
        *ret = best;
    return 0;
}

int tz_catalog_get_pack(struct tz_catalog *catalog, int64_t pack, struct tz_catalog_pack *ret,
                        struct tz_error *err)
{
    static const char sql[] = "SELECT p.hash, o.size, p.kind, p.condemned, p.lost, p.header"
                              " FROM packs p CROSS JOIN objects o ON o.id = p.id WHERE p.id = ?1";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};
    bool row;

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_int(&query, 1, pack);
    if (tz_query_step(&query, &row, err))
        return -1;
    if (!row)
        return tz_fail(err, TZ_NOT_FOUND, "catalog '%s': there is no pack %jd", catalog->path,
                       (intmax_t)pack);
    struct tz_catalog_pack found = {.pack = pack,
                                    .size = (uint64_t)tz_query_get_int(&query, 1),
                                    .kind = (uint32_t)tz_query_get_int(&query, 2),
                                    .condemned = tz_query_get_int(&query, 3) != 0,
                                    .lost = tz_query_get_int(&query, 4) != 0};
    if (tz_query_get_blob(&query, 0, found.hash, sizeof(found.hash), err) ||
        tz_query_get_blob(&query, 5, found.header, sizeof(found.header), err))
        return -1;
    *ret = found;
    return 0;
}

int tz_catalog_get_frame(struct tz_catalog *catalog, int64_t pack, uint32_t frame,
                         struct tz_frame_info *ret, struct tz_error *err)
{
    static const char sql[] = "SELECT offset, sealed_len, plain_len, codec FROM frames"
                              " WHERE pack = ?1 AND no = ?2";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};
    bool row;

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_int(&query, 1, pack);
    tz_query_int(&query, 2, frame);
    if (tz_query_step(&query, &row, err))
        return -1;
    if (!row)
        return tz_fail(err, TZ_NOT_FOUND, "catalog '%s': pack %jd has no frame %u", catalog->path,
                       (intmax_t)pack, frame);
    *ret = (struct tz_frame_info){.offset = (uint64_t)tz_query_get_int(&query, 0),
                                  .sealed_len = (uint32_t)tz_query_get_int(&query, 1),
                                  .plain_len = (uint32_t)tz_query_get_int(&query, 2),
                                  .codec = (uint8_t)tz_query_get_int(&query, 3)};
    return 0;
}
