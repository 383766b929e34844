/*
 * What becomes of packs: condemned by a tombstone, lost in all stores, forgotten.
 */
#include "database.h"

#include "tozai/util/banned.h"

#define STORES_MAX 16 /* as in the query below */

/*
 * Dead rows of chunks cost room only; to delete them means to walk over all rows, since an index
 * by pack would be as large as the table.  So it is done when a quarter is dead, and the walks
 * together cost no more than a few times what the inserts did.
 */
#define SWEEP_SHARE   4
#define SWEEP_MINIMUM 65536

int tz_catalog_condemn(struct tz_catalog *catalog, const uint8_t hash[TZ_HASH_SIZE],
                       struct tz_error *err)
{
    /* Kept for known packs too: one that is forgotten and learnt again is still condemned. */
    static const char keep[] = "INSERT OR IGNORE INTO condemned(hash) VALUES (?1)";
    static const char note[] = "UPDATE packs SET condemned = 1 WHERE hash = ?1 AND condemned = 0";
    TZ_SCOPED(tz_scoped_change) struct tz_change change = {0};

    if (tz_change_begin(&change, catalog, err) || tz_catalog_run_hash(catalog, keep, hash, err) ||
        tz_catalog_run_hash(catalog, note, hash, err))
        return -1;
    return tz_change_end(&change, err);
}

int tz_catalog_set_reach(struct tz_catalog *catalog, const int64_t *stores, size_t count,
                         struct tz_error *err)
{
    static const char sql[] =
        "SELECT id FROM packs WHERE NOT EXISTS (SELECT 1 FROM copies WHERE object = packs.id"
        " AND state = 1 AND store IN (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14,"
        " ?15, ?16)) ORDER BY id";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};
    TZ_SCOPED(tz_scoped_numbers) struct tz_numbers away = {0};

    if (count > STORES_MAX)
        return tz_fail(err, TZ_INVALID, "more than %d stores", STORES_MAX);
    if (count > 0) {
        if (tz_catalog_flush(catalog, err) || tz_query_open(&query, catalog, sql, err))
            return -1;
        for (size_t i = 0; i < STORES_MAX; i++)
            tz_query_int(&query, (int)i + 1, i < count ? stores[i] : 0);
        if (tz_query_numbers(&query, &away, err))
            return -1;
    }
    tz_numbers_clear(&catalog->away);
    catalog->away = away;
    away = (struct tz_numbers){0};
    return 0;
}

int tz_catalog_bad_packs(struct tz_catalog *catalog, int64_t **ret_sorted, size_t *ret_count,
                         struct tz_error *err)
{
    /* In the words of the partial index, so that only bad ones are looked at. */
    static const char sql[] =
        "SELECT id FROM packs INDEXED BY packs_bad WHERE condemned = 1 OR lost = 1 ORDER BY id";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};
    TZ_SCOPED(tz_scoped_numbers) struct tz_numbers bad = {0}, all = {0};
    size_t a = 0, b = 0;

    if (tz_query_open(&query, catalog, sql, err) || tz_query_numbers(&query, &bad, err))
        return -1;
    while (a < bad.count || b < catalog->away.count) {
        int64_t left = a < bad.count ? bad.items[a] : INT64_MAX;
        int64_t right = b < catalog->away.count ? catalog->away.items[b] : INT64_MAX;
        a += left <= right;
        b += right <= left;
        if (tz_numbers_add(&all, TZ_MIN(left, right), err))
            return -1;
    }
    *ret_sorted = TZ_TAKE(all.items);
    *ret_count = all.count;
    return 0;
}

/* Before a pack is forgotten: the rows of its chunks, which stay, are dead. */
static int note_dead(struct tz_catalog *catalog, int64_t pack, struct tz_error *err)
{
    static const char sql[] =
        "UPDATE meta SET value = value + (SELECT chunks FROM packs WHERE id = ?1)"
        " WHERE key = 'dead_chunks' AND EXISTS (SELECT 1 FROM packs WHERE id = ?1)";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_int(&query, 1, pack);
    return tz_query_run(&query, err);
}

static int read_counts(struct tz_catalog *catalog, int64_t *ret_rows, int64_t *ret_dead,
                       struct tz_error *err)
{
    static const char sql[] = "SELECT (SELECT value FROM meta WHERE key = 'chunks'),"
                              " (SELECT value FROM meta WHERE key = 'dead_chunks')";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};
    bool row;

    if (tz_query_open(&query, catalog, sql, err) || tz_query_step(&query, &row, err))
        return -1;
    *ret_rows = row ? tz_query_get_int(&query, 0) : 0;
    *ret_dead = row ? tz_query_get_int(&query, 1) : 0;
    return 0;
}

/* Delete the dead rows if there are so many that a walk over all rows pays. */
static int sweep(struct tz_catalog *catalog, struct tz_error *err)
{
    static const char sql[] =
        "DELETE FROM chunks WHERE NOT EXISTS (SELECT 1 FROM packs WHERE packs.id = chunks.pack)";
    static const char count[] =
        "UPDATE meta SET value = CASE key WHEN 'chunks' THEN value - ?1 ELSE 0 END"
        " WHERE key IN ('chunks', 'dead_chunks')";
    int64_t rows, dead;

    if (read_counts(catalog, &rows, &dead, err))
        return -1;
    if (dead < SWEEP_MINIMUM || dead < rows / SWEEP_SHARE)
        return 0;
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0}, meta = {0};
    if (tz_query_open(&query, catalog, sql, err) || tz_query_run(&query, err) ||
        tz_query_open(&meta, catalog, count, err))
        return -1;
    tz_query_int(&meta, 1, sqlite3_changes64(catalog->db));
    return tz_query_run(&meta, err);
}

/* A pack that a generation needs stays as one that is not known: the generation is not whole
 * without it, and finds it again under the same number. */
static int make_unknown(struct tz_catalog *catalog, int64_t object, struct tz_error *err)
{
    static const char packs[] = "DELETE FROM packs WHERE id = ?1";
    static const char copies[] = "DELETE FROM copies WHERE object = ?1";
    static const char size[] = "UPDATE objects SET size = 0 WHERE id = ?1";

    if (tz_catalog_run_int(catalog, packs, object, err) ||
        tz_catalog_run_int(catalog, copies, object, err))
        return -1;
    return tz_catalog_run_int(catalog, size, object, err);
}

/* Unknown packs that only a forgotten generation needed. */
static int forget_unneeded(struct tz_catalog *catalog, struct tz_error *err)
{
    static const char sql[] =
        "DELETE FROM objects WHERE kind = 3 AND size = 0"
        " AND NOT EXISTS (SELECT 1 FROM generation_packs WHERE pack = objects.id)"
        " AND NOT EXISTS (SELECT 1 FROM packs WHERE packs.id = objects.id)"
        " AND NOT EXISTS (SELECT 1 FROM copies WHERE object = objects.id)";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    return tz_query_run(&query, err);
}

int tz_catalog_remove_object(struct tz_catalog *catalog, int64_t object, struct tz_error *err)
{
    static const char user[] = "SELECT 1 FROM generation_packs WHERE pack = ?1 LIMIT 1";
    static const char head[] = "SELECT 1 FROM generations WHERE head_object = ?1";
    /* Copies, pack, frames and, of a head, the generation go with it; of a seal, the note of it. */
    static const char forget[] = "DELETE FROM objects WHERE id = ?1";
    /* What core/lock/ remembers of its copies. */
    static const char locks[] =
        "DELETE FROM vals WHERE key IN"
        " (SELECT 'lock ' || store || ' ' || ?1 FROM copies WHERE object = ?1)";
    TZ_SCOPED(tz_scoped_change) struct tz_change change = {0};
    bool is_needed, is_head;

    if (tz_change_begin(&change, catalog, err) || tz_catalog_flush(catalog, err) ||
        tz_catalog_ask_int(catalog, user, object, &is_needed, err) ||
        tz_catalog_ask_int(catalog, head, object, &is_head, err) ||
        note_dead(catalog, object, err) || tz_catalog_run_int(catalog, locks, object, err))
        return -1;
    if (is_needed ? make_unknown(catalog, object, err)
                  : tz_catalog_run_int(catalog, forget, object, err))
        return -1;
    if ((is_head && forget_unneeded(catalog, err)) || sweep(catalog, err))
        return -1;
    return tz_change_end(&change, err);
}
