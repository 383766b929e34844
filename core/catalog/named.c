/*
 * What index objects and tombstones name, and what follows when they have gone from a store.
 */
#include "database.h"
#include "prune.h"

#include <string.h>

#include "tozai/util/banned.h"

/* Run a statement whose parameters are an object's number and a hash. */
static int run_pair(struct tz_catalog *catalog, const char *sql, int64_t object,
                    const uint8_t hash[TZ_HASH_SIZE], struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_int(&query, 1, object);
    tz_query_blob(&query, 2, hash, TZ_HASH_SIZE);
    return tz_query_run(&query, err);
}

int tz_catalog_note_index(struct tz_catalog *catalog, int64_t index,
                          const uint8_t pack[TZ_HASH_SIZE], struct tz_error *err)
{
    static const char sql[] =
        "INSERT OR IGNORE INTO index_packs(index_object, hash) VALUES (?1, ?2)";

    return run_pair(catalog, sql, index, pack, err);
}

int tz_catalog_note_tombstone(struct tz_catalog *catalog, int64_t tombstone,
                              const uint8_t hash[TZ_HASH_SIZE], struct tz_error *err)
{
    static const char one[] =
        "INSERT OR IGNORE INTO tombstones(object, seen_ns, gone_ns) VALUES (?1, 0, 0)";
    static const char sql[] =
        "INSERT OR IGNORE INTO tombstone_packs(tombstone, hash) VALUES (?1, ?2)";
    TZ_SCOPED(tz_scoped_change) struct tz_change change = {0};

    if (tz_change_begin(&change, catalog, err) ||
        tz_catalog_run_int(catalog, one, tombstone, err) ||
        run_pair(catalog, sql, tombstone, hash, err) || tz_catalog_condemn(catalog, hash, err))
        return -1;
    return tz_change_end(&change, err);
}

int tz_catalog_is_condemned(struct tz_catalog *catalog, const uint8_t hash[TZ_HASH_SIZE], bool *ret,
                            struct tz_error *err)
{
    static const char sql[] = "SELECT 1 FROM condemned WHERE hash = ?1";

    return tz_catalog_ask_hash(catalog, sql, hash, ret, err);
}

int tz_catalog_is_described(struct tz_catalog *catalog, const uint8_t pack[TZ_HASH_SIZE],
                            int64_t store, bool *ret, struct tz_error *err)
{
    static const char sql[] =
        "SELECT 1 FROM index_packs i JOIN copies c ON c.object = i.index_object AND c.store = ?2"
        " AND c.state = 1 WHERE i.hash = ?1 LIMIT 1";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_blob(&query, 1, pack, TZ_HASH_SIZE);
    tz_query_int(&query, 2, store);
    return tz_query_step(&query, ret, err);
}

int tz_catalog_index_whole(struct tz_catalog *catalog, int64_t index, int64_t store, bool *ret,
                           struct tz_error *err)
{
    static const char sql[] =
        "SELECT 1 FROM index_packs i WHERE i.index_object = ?1"
        " AND NOT EXISTS (SELECT 1 FROM packs p JOIN copies c ON c.object = p.id AND c.store = ?2"
        "  AND c.state = 1 WHERE p.hash = i.hash)"
        " AND NOT EXISTS (SELECT 1 FROM condemned d WHERE d.hash = i.hash) LIMIT 1";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};
    bool lacks;

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_int(&query, 1, index);
    tz_query_int(&query, 2, store);
    if (tz_query_step(&query, &lacks, err))
        return -1;
    *ret = !lacks;
    return 0;
}

int tz_catalog_doubtful_packs(struct tz_catalog *catalog, int64_t store, const char *after,
                              struct tz_catalog_doubt *ret, size_t max, size_t *ret_count,
                              struct tz_error *err)
{
    static const char sql[] =
        "SELECT DISTINCT o.id, o.name FROM objects x"
        " JOIN copies c ON c.object = x.id AND c.store = ?1 AND c.state = 2"
        " JOIN index_packs i ON i.index_object = x.id"
        " JOIN packs p ON p.hash = i.hash JOIN objects o ON o.id = p.id"
        " JOIN copies h ON h.object = p.id AND h.store = ?1 AND h.state IN (0, 1)"
        " WHERE x.name >= 'index/' AND x.name < 'index0' AND o.name > ?2"
        " AND NOT EXISTS (SELECT 1 FROM index_packs j JOIN copies d ON d.object = j.index_object"
        "  AND d.store = ?1 AND d.state <> 2 WHERE j.hash = i.hash)"
        " ORDER BY o.name LIMIT ?3";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};

    *ret_count = 0;
    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_int(&query, 1, store);
    tz_query_text(&query, 2, after);
    tz_query_int(&query, 3, (int64_t)max);
    while (*ret_count < max) {
        bool row;
        if (tz_query_step(&query, &row, err))
            return -1;
        if (!row)
            return 0;
        struct tz_catalog_doubt *doubt = &ret[(*ret_count)++];
        doubt->pack = tz_query_get_int(&query, 0);
        tz_query_get_name(&query, 1, doubt->name);
    }
    return 0;
}

static int read_numbers(struct tz_catalog *catalog, const char *sql, int64_t **ret,
                        size_t *ret_count, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};
    TZ_SCOPED(tz_scoped_numbers) struct tz_numbers numbers = {0};

    if (tz_query_open(&query, catalog, sql, err) || tz_query_numbers(&query, &numbers, err))
        return -1;
    *ret_count = numbers.count;
    *ret = TZ_TAKE(numbers.items);
    return 0;
}

#define NO_COPY "NOT EXISTS (SELECT 1 FROM copies c WHERE c.object = o.id AND c.state <> 2)"

int tz_catalog_forgotten(struct tz_catalog *catalog, int64_t **ret, size_t *ret_count,
                         struct tz_error *err)
{
    /* The seal first: its note in the generation goes with it. */
    static const char sql[] =
        "SELECT o.id FROM generations g JOIN objects o ON o.id IN (g.head_object, g.seal_object)"
        " WHERE EXISTS (SELECT 1 FROM condemned d WHERE d.hash = g.id)"
        " AND NOT EXISTS (SELECT 1 FROM copies c"
        "  WHERE c.object IN (g.head_object, g.seal_object) AND c.state <> 2)"
        " ORDER BY o.kind DESC";

    return read_numbers(catalog, sql, ret, ret_count, err);
}

int tz_catalog_gone_objects(struct tz_catalog *catalog, int64_t **ret, size_t *ret_count,
                            struct tz_error *err)
{
    /* Their names are ASCII: nothing of another kind lies in between. */
    static const char sql[] =
        "SELECT o.id FROM objects o WHERE o.name >= 'index/' AND o.name < 'index0' AND " NO_COPY
        " UNION ALL SELECT o.id FROM objects o"
        " WHERE o.name >= 'tombstones/' AND o.name < 'tombstones0' AND " NO_COPY;

    return read_numbers(catalog, sql, ret, ret_count, err);
}

int tz_catalog_unread_head(struct tz_catalog *catalog, char name[TZ_NAME_TEXT], bool *ret_found,
                           struct tz_error *err)
{
    static const char sql[] =
        "SELECT o.name FROM objects o"
        " WHERE o.name >= 'generations/' AND o.name < 'generations0' AND o.kind = 5"
        " AND EXISTS (SELECT 1 FROM copies c WHERE c.object = o.id AND c.state <> 2)"
        " AND NOT EXISTS (SELECT 1 FROM generations g WHERE g.head_object = o.id) LIMIT 1";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};

    if (tz_query_open(&query, catalog, sql, err) || tz_query_step(&query, ret_found, err))
        return -1;
    if (*ret_found)
        tz_query_get_name(&query, 0, name);
    return 0;
}

int tz_catalog_check_needs(struct tz_catalog *catalog, struct tz_error *err)
{
    static const char sql[] = "SELECT 1 FROM generations g WHERE g.packs <>"
                              " (SELECT count(*) FROM generation_packs p"
                              "  WHERE p.generation = g.number) LIMIT 1";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};
    bool row;

    if (tz_query_open(&query, catalog, sql, err) || tz_query_step(&query, &row, err))
        return -1;
    return row ? tz_catalog_corrupt(catalog, "it does not know what a generation needs", err) : 0;
}
