/*
 * What it takes to write packs anew: which ones may be, which chunks move, what heads need then.
 */
#include "database.h"
#include "prune.h"

#include <string.h>

#include "tozai/util/banned.h"

int tz_catalog_live_begin(struct tz_catalog *catalog, struct tz_error *err)
{
    static const char sql[] =
        "CREATE TEMP TABLE IF NOT EXISTS movable(generation INTEGER PRIMARY KEY) STRICT;"
        "CREATE TEMP TABLE IF NOT EXISTS victims(pack INTEGER PRIMARY KEY) STRICT;"
        "CREATE TEMP TABLE IF NOT EXISTS moves("
        "  pack INTEGER NOT NULL, frame INTEGER NOT NULL, offset INTEGER NOT NULL,"
        "  id BLOB NOT NULL, PRIMARY KEY (pack, frame, offset)) STRICT, WITHOUT ROWID;"
        "CREATE TEMP TABLE IF NOT EXISTS needs(pack INTEGER PRIMARY KEY) STRICT;"
        "DELETE FROM temp.movable; DELETE FROM temp.victims;"
        "DELETE FROM temp.moves; DELETE FROM temp.needs;";

    return tz_catalog_exec(catalog, sql, err);
}

int tz_catalog_set_movable(struct tz_catalog *catalog, const uint8_t id[TZ_HASH_SIZE], bool movable,
                           struct tz_error *err)
{
    static const char add[] = "INSERT OR IGNORE INTO temp.movable(generation)"
                              " SELECT number FROM generations WHERE id = ?1";
    static const char take[] = "DELETE FROM temp.movable WHERE generation ="
                               " (SELECT number FROM generations WHERE id = ?1)";

    return tz_catalog_run_hash(catalog, movable ? add : take, id, err);
}

int tz_catalog_is_movable(struct tz_catalog *catalog, const uint8_t id[TZ_HASH_SIZE], bool *ret,
                          struct tz_error *err)
{
    static const char sql[] = "SELECT 1 FROM temp.movable WHERE generation ="
                              " (SELECT number FROM generations WHERE id = ?1)";

    return tz_catalog_ask_hash(catalog, sql, id, ret, err);
}

int tz_catalog_live_packs(struct tz_catalog *catalog, struct tz_catalog_live **ret,
                          size_t *ret_count, struct tz_error *err)
{
    static const char sql[] =
        "SELECT p.id, p.hash, (SELECT sum(f.plain_len) FROM frames f WHERE f.pack = p.id), p.kind,"
        " p.condemned FROM packs p JOIN temp.listing t ON t.hash = p.hash WHERE p.lost = 0"
        " AND EXISTS (SELECT 1 FROM generation_packs g WHERE g.pack = p.id)"
        " AND NOT EXISTS (SELECT 1 FROM generation_packs g WHERE g.pack = p.id"
        "  AND NOT EXISTS (SELECT 1 FROM temp.movable m WHERE m.generation = g.generation))"
        " ORDER BY p.id";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};
    TZ_SCOPED(tz_scoped_query_list) struct tz_query_list list = {0};

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    for (;;) {
        struct tz_catalog_live *item;
        void *room;
        if (tz_query_next_item(&query, &list, sizeof(*item), &room, err))
            return -1;
        if (!room)
            break;
        item = room;
        item->pack = tz_query_get_int(&query, 0);
        if (tz_query_get_blob(&query, 1, item->hash, TZ_HASH_SIZE, err))
            return -1;
        item->live = 0;
        item->victim = false;
        item->plain = (uint64_t)tz_query_get_int(&query, 2);
        item->kind = (enum tz_pack_kind)tz_query_get_int(&query, 3);
        item->condemned = tz_query_get_int(&query, 4) != 0;
    }
    *ret_count = list.count;
    *ret = TZ_TAKE(list.items);
    return 0;
}

int tz_catalog_victim_add(struct tz_catalog *catalog, int64_t pack, struct tz_error *err)
{
    static const char sql[] = "INSERT OR IGNORE INTO temp.victims(pack) VALUES (?1)";

    return tz_catalog_run_int(catalog, sql, pack, err);
}

int tz_catalog_victims_leave(struct tz_catalog *catalog, struct tz_error *err)
{
    static const char sql[] =
        "DELETE FROM generation_packs WHERE pack IN (SELECT pack FROM temp.victims);"
        "UPDATE generations SET packs = (SELECT count(*) FROM generation_packs u"
        "  WHERE u.generation = generations.number);";

    return tz_catalog_exec(catalog, sql, err);
}

int tz_catalog_each_chunk(struct tz_catalog *catalog, tz_catalog_chunk_fn *found, void *arg,
                          struct tz_error *err)
{
    static const char sql[] = "SELECT id, pack, frame, offset, len FROM chunks ORDER BY id, pack";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    for (;;) {
        uint8_t id[TZ_ID_SIZE];
        bool row;
        if (tz_query_step(&query, &row, err))
            return -1;
        if (!row)
            return 0;
        if (tz_query_get_blob(&query, 0, id, TZ_ID_SIZE, err))
            return -1;
        const struct tz_catalog_chunk chunk = {
            .id = id,
            .pack = tz_query_get_int(&query, 1),
            .frame = (uint32_t)tz_query_get_int(&query, 2),
            .offset = (uint32_t)tz_query_get_int(&query, 3),
            .len = (uint32_t)tz_query_get_int(&query, 4),
        };
        if (found(arg, &chunk, err))
            return -1;
    }
}

int tz_catalog_move_add(struct tz_catalog *catalog, const struct tz_catalog_chunk *chunk,
                        struct tz_error *err)
{
    static const char sql[] =
        "INSERT OR IGNORE INTO temp.moves(pack, frame, offset, id) VALUES (?1, ?2, ?3, ?4)";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_int(&query, 1, chunk->pack);
    tz_query_int(&query, 2, chunk->frame);
    tz_query_int(&query, 3, chunk->offset);
    tz_query_blob(&query, 4, chunk->id, TZ_ID_SIZE);
    return tz_query_run(&query, err);
}

int tz_catalog_moves(struct tz_catalog *catalog, const struct tz_catalog_move *after,
                     struct tz_catalog_move *ret, size_t max, size_t *ret_count,
                     struct tz_error *err)
{
    static const char sql[] = "SELECT id, pack, frame, offset FROM temp.moves"
                              " WHERE (pack, frame, offset) > (?1, ?2, ?3)"
                              " ORDER BY pack, frame, offset LIMIT ?4";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};

    *ret_count = 0;
    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_int(&query, 1, after->pack);
    tz_query_int(&query, 2, after->frame);
    tz_query_int(&query, 3, after->offset);
    tz_query_int(&query, 4, (int64_t)max);
    while (*ret_count < max) {
        struct tz_catalog_move *move = &ret[*ret_count];
        bool row;
        if (tz_query_step(&query, &row, err))
            return -1;
        if (!row)
            return 0;
        if (tz_query_get_blob(&query, 0, move->id, TZ_ID_SIZE, err))
            return -1;
        move->pack = tz_query_get_int(&query, 1);
        move->frame = (uint32_t)tz_query_get_int(&query, 2);
        move->offset = (uint32_t)tz_query_get_int(&query, 3);
        ++*ret_count;
    }
    return 0;
}

int tz_catalog_needs_victim(struct tz_catalog *catalog, const uint8_t id[TZ_HASH_SIZE], bool *ret,
                            struct tz_error *err)
{
    static const char sql[] =
        "SELECT 1 FROM generations g JOIN generation_packs u ON u.generation = g.number"
        " JOIN temp.victims v ON v.pack = u.pack WHERE g.id = ?1 LIMIT 1";

    return tz_catalog_ask_hash(catalog, sql, id, ret, err);
}

int tz_catalog_needs_begin(struct tz_catalog *catalog, struct tz_error *err)
{
    return tz_catalog_exec(catalog, "DELETE FROM temp.needs;", err);
}

int tz_catalog_needs_add(struct tz_catalog *catalog, int64_t pack, struct tz_error *err)
{
    static const char sql[] = "INSERT OR IGNORE INTO temp.needs(pack) VALUES (?1)";

    return tz_catalog_run_int(catalog, sql, pack, err);
}

int tz_catalog_needs_hashes(struct tz_catalog *catalog, const uint8_t id[TZ_HASH_SIZE],
                            struct tz_buf *ret, struct tz_error *err)
{
    static const char sql[] =
        "SELECT p.hash FROM packs p JOIN temp.needs n ON n.pack = p.id"
        " UNION SELECT p.hash FROM packs p JOIN generation_packs u ON u.pack = p.id"
        "  JOIN generations g ON g.number = u.generation WHERE g.id = ?1"
        "  AND NOT EXISTS (SELECT 1 FROM temp.victims v WHERE v.pack = p.id)"
        " ORDER BY 1";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_blob(&query, 1, id, TZ_HASH_SIZE);
    for (;;) {
        uint8_t hash[TZ_HASH_SIZE];
        bool row;
        if (tz_query_step(&query, &row, err))
            return -1;
        if (!row)
            return 0;
        if (tz_query_get_blob(&query, 0, hash, TZ_HASH_SIZE, err) ||
            tz_buf_append(ret, hash, TZ_HASH_SIZE, err))
            return -1;
    }
}
