/*
 * The packs that stores list, against what heads need and tombstones name.
 */
#include "database.h"
#include "prune.h"

#include <string.h>

#include "tozai/util/banned.h"

/* For a row l of the listing; packs that no index has described are objects, too. */
#define NEEDED                                                                                     \
    "EXISTS (SELECT 1 FROM objects o JOIN generation_packs g ON g.pack = o.id"                     \
    " WHERE o.name = l.name)"

int tz_catalog_listing_begin(struct tz_catalog *catalog, struct tz_error *err)
{
    static const char sql[] =
        "CREATE TEMP TABLE IF NOT EXISTS listing("
        "  name TEXT PRIMARY KEY, hash BLOB NOT NULL UNIQUE, size INTEGER NOT NULL,"
        "  stores INTEGER NOT NULL, changed_ns INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
        "CREATE TEMP TABLE IF NOT EXISTS dropped("
        "  generation INTEGER PRIMARY KEY, id BLOB NOT NULL) STRICT;"
        "DELETE FROM temp.listing; DELETE FROM temp.dropped;";

    return tz_catalog_exec(catalog, sql, err);
}

int tz_catalog_listing_add(struct tz_catalog *catalog, unsigned store, const char *name,
                           const uint8_t hash[TZ_HASH_SIZE], uint64_t size, int64_t changed_ns,
                           struct tz_error *err)
{
    static const char sql[] =
        "INSERT INTO temp.listing(name, hash, size, stores, changed_ns)"
        " VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT(name) DO UPDATE SET size = size + excluded.size,"
        " stores = stores | excluded.stores, changed_ns = max(changed_ns, excluded.changed_ns)";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_text(&query, 1, name);
    tz_query_blob(&query, 2, hash, TZ_HASH_SIZE);
    tz_query_int(&query, 3, (int64_t)size);
    tz_query_int(&query, 4, INT64_C(1) << store);
    tz_query_int(&query, 5, changed_ns);
    return tz_query_run(&query, err);
}

int tz_catalog_listing_remove(struct tz_catalog *catalog, const char *name, struct tz_error *err)
{
    static const char sql[] = "DELETE FROM temp.listing WHERE name = ?1";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_text(&query, 1, name);
    return tz_query_run(&query, err);
}

int tz_catalog_listing_drop(struct tz_catalog *catalog, const uint8_t id[TZ_HASH_SIZE],
                            struct tz_error *err)
{
    static const char sql[] = "INSERT OR IGNORE INTO temp.dropped(generation, id)"
                              " SELECT number, id FROM generations WHERE id = ?1";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_blob(&query, 1, id, TZ_HASH_SIZE);
    return tz_query_run(&query, err);
}

/* Rows of name, hash, size and stores. */
static int read_listed(struct tz_query *query, struct tz_catalog_listed *ret, size_t max,
                       size_t *ret_count, struct tz_error *err)
{
    *ret_count = 0;
    while (*ret_count < max) {
        struct tz_catalog_listed *listed = &ret[*ret_count];
        bool row;
        if (tz_query_step(query, &row, err))
            return -1;
        if (!row)
            return 0;
        tz_query_get_name(query, 0, listed->name);
        if (tz_query_get_blob(query, 1, listed->hash, TZ_HASH_SIZE, err))
            return -1;
        listed->size = (uint64_t)tz_query_get_int(query, 2);
        listed->stores = (uint32_t)tz_query_get_int(query, 3);
        ++*ret_count;
    }
    return 0;
}

int tz_catalog_unneeded(struct tz_catalog *catalog, const char *after, int64_t old_ns,
                        struct tz_catalog_listed *ret, size_t max, size_t *ret_count,
                        struct tz_error *err)
{
    static const char sql[] =
        "SELECT l.name, l.hash, l.size, l.stores FROM temp.listing l"
        " WHERE l.name > ?1 AND (l.changed_ns <= ?2 OR " NEEDED ")"
        " AND NOT EXISTS (SELECT 1 FROM objects o JOIN generation_packs g ON g.pack = o.id"
        "  WHERE o.name = l.name"
        "  AND NOT EXISTS (SELECT 1 FROM temp.dropped d WHERE d.generation = g.generation))"
        " AND NOT EXISTS (SELECT 1 FROM tombstone_packs t WHERE t.hash = l.hash)"
        " ORDER BY l.name LIMIT ?3";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_text(&query, 1, after);
    tz_query_int(&query, 2, old_ns);
    tz_query_int(&query, 3, (int64_t)max);
    return read_listed(&query, ret, max, ret_count, err);
}

int tz_catalog_condemned_of(struct tz_catalog *catalog, int64_t tombstone, const char *after,
                            struct tz_catalog_listed *ret, size_t max, size_t *ret_count,
                            struct tz_error *err)
{
    static const char sql[] =
        "SELECT l.name, l.hash, l.size, l.stores FROM tombstone_packs t"
        " JOIN temp.listing l ON l.hash = t.hash"
        " WHERE t.tombstone = ?1 AND l.name > ?2 AND NOT " NEEDED " ORDER BY l.name LIMIT ?3";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_int(&query, 1, tombstone);
    tz_query_text(&query, 2, after);
    tz_query_int(&query, 3, (int64_t)max);
    return read_listed(&query, ret, max, ret_count, err);
}

/* The answer to a question for one number. */
static int read_int(struct tz_query *query, int64_t *ret, struct tz_error *err)
{
    bool row;

    if (tz_query_step(query, &row, err))
        return -1;
    *ret = row ? tz_query_get_int(query, 0) : 0;
    return 0;
}

int tz_catalog_count_waiting(struct tz_catalog *catalog, uint64_t *ret, struct tz_error *err)
{
    static const char sql[] = "SELECT count(*) FROM temp.listing l WHERE NOT " NEEDED
                              " AND EXISTS (SELECT 1 FROM tombstone_packs t WHERE t.hash = l.hash)";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};
    int64_t count;

    if (tz_query_open(&query, catalog, sql, err) || read_int(&query, &count, err))
        return -1;
    *ret = (uint64_t)count;
    return 0;
}

int tz_catalog_tombstone_in_use(struct tz_catalog *catalog, int64_t object, bool *ret,
                                struct tz_error *err)
{
    static const char sql[] =
        "SELECT EXISTS (SELECT 1 FROM tombstone_packs t JOIN temp.listing l ON l.hash = t.hash"
        "  WHERE t.tombstone = ?1)"
        " OR EXISTS (SELECT 1 FROM tombstone_packs t JOIN index_packs i ON i.hash = t.hash"
        "  JOIN copies c ON c.object = i.index_object AND c.state <> 2 WHERE t.tombstone = ?1)";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};
    int64_t found;

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_int(&query, 1, object);
    if (read_int(&query, &found, err))
        return -1;
    *ret = found != 0;
    return 0;
}

int tz_catalog_is_dead(struct tz_catalog *catalog, const uint8_t hash[TZ_HASH_SIZE], bool *ret,
                       struct tz_error *err)
{
    static const char sql[] = "SELECT EXISTS (SELECT 1 FROM condemned WHERE hash = ?1)"
                              " AND NOT EXISTS (SELECT 1 FROM temp.listing WHERE hash = ?1)"
                              " AND NOT EXISTS (SELECT 1 FROM packs p"
                              "  JOIN generation_packs u ON u.pack = p.id WHERE p.hash = ?1)";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};
    int64_t found;

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_blob(&query, 1, hash, TZ_HASH_SIZE);
    if (read_int(&query, &found, err))
        return -1;
    *ret = found != 0;
    return 0;
}
