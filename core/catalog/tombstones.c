/*
 * Tombstones and index objects, as a prune goes through them.
 */
#include "database.h"
#include "prune.h"

#include <string.h>

#include "tozai/util/banned.h"

int tz_catalog_tombstones(struct tz_catalog *catalog, struct tz_catalog_tombstone **ret,
                          size_t *ret_count, struct tz_error *err)
{
    static const char sql[] =
        "SELECT t.object, o.name, t.seen_ns, t.gone_ns FROM tombstones t"
        " JOIN objects o ON o.id = t.object"
        " WHERE EXISTS (SELECT 1 FROM copies c WHERE c.object = t.object AND c.state <> 2)"
        " ORDER BY t.object";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};
    TZ_SCOPED(tz_scoped_query_list) struct tz_query_list list = {0};

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    for (;;) {
        struct tz_catalog_tombstone *item;
        void *room;
        if (tz_query_next_item(&query, &list, sizeof(*item), &room, err))
            return -1;
        if (!room)
            break;
        item = room;
        item->object = tz_query_get_int(&query, 0);
        tz_query_get_name(&query, 1, item->name);
        item->seen_ns = tz_query_get_int(&query, 2);
        item->gone_ns = tz_query_get_int(&query, 3);
    }
    *ret_count = list.count;
    *ret = TZ_TAKE(list.items);
    return 0;
}

int tz_catalog_set_tombstone(struct tz_catalog *catalog, int64_t object, int64_t seen_ns,
                             int64_t gone_ns, struct tz_error *err)
{
    static const char sql[] = "UPDATE tombstones SET seen_ns = ?2, gone_ns = ?3 WHERE object = ?1";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_int(&query, 1, object);
    tz_query_int(&query, 2, seen_ns);
    tz_query_int(&query, 3, gone_ns);
    return tz_query_run(&query, err);
}

int tz_catalog_get_marks(struct tz_catalog *catalog, int64_t tombstone, int64_t store,
                         int64_t *ret_newest_ns, int64_t *ret_after_ns, struct tz_error *err)
{
    static const char sql[] =
        "SELECT newest_ns, after_ns FROM tombstone_marks WHERE tombstone = ?1 AND store = ?2";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};
    bool row;

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_int(&query, 1, tombstone);
    tz_query_int(&query, 2, store);
    if (tz_query_step(&query, &row, err))
        return -1;
    *ret_newest_ns = row ? tz_query_get_int(&query, 0) : 0;
    *ret_after_ns = row ? tz_query_get_int(&query, 1) : 0;
    return 0;
}

int tz_catalog_set_marks(struct tz_catalog *catalog, int64_t tombstone, int64_t store,
                         int64_t newest_ns, int64_t after_ns, struct tz_error *err)
{
    static const char sql[] = "INSERT INTO tombstone_marks(tombstone, store, newest_ns, after_ns)"
                              " VALUES (?1, ?2, ?3, ?4) ON CONFLICT(tombstone, store) DO UPDATE"
                              " SET newest_ns = excluded.newest_ns, after_ns = excluded.after_ns";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_int(&query, 1, tombstone);
    tz_query_int(&query, 2, store);
    tz_query_int(&query, 3, newest_ns);
    tz_query_int(&query, 4, after_ns);
    return tz_query_run(&query, err);
}

int tz_catalog_indexes(struct tz_catalog *catalog, const char *after, struct tz_catalog_index *ret,
                       size_t max, size_t *ret_count, struct tz_error *err)
{
    static const char sql[] =
        "SELECT o.id, o.name, o.size, count(*), sum("
        "  EXISTS (SELECT 1 FROM condemned d WHERE d.hash = i.hash)"
        "  AND NOT EXISTS (SELECT 1 FROM temp.listing l WHERE l.hash = i.hash)"
        "  AND NOT EXISTS (SELECT 1 FROM packs p JOIN generation_packs u ON u.pack = p.id"
        "   WHERE p.hash = i.hash))"
        " FROM objects o JOIN index_packs i ON i.index_object = o.id"
        " WHERE o.name > ?1 AND o.name >= 'index/' AND o.name < 'index0'"
        "  AND EXISTS (SELECT 1 FROM copies c WHERE c.object = o.id AND c.state <> 2)"
        " GROUP BY o.id, o.name, o.size ORDER BY o.name LIMIT ?2";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};

    *ret_count = 0;
    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_text(&query, 1, after);
    tz_query_int(&query, 2, (int64_t)max);
    while (*ret_count < max) {
        bool row;
        if (tz_query_step(&query, &row, err))
            return -1;
        if (!row)
            return 0;
        struct tz_catalog_index *index = &ret[(*ret_count)++];
        index->object = tz_query_get_int(&query, 0);
        tz_query_get_name(&query, 1, index->name);
        index->size = (uint64_t)tz_query_get_int(&query, 2);
        index->packs = (uint64_t)tz_query_get_int(&query, 3);
        index->dead = (uint64_t)tz_query_get_int(&query, 4);
    }
    return 0;
}
