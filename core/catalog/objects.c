#include "database.h"

#include <string.h>

#include "tozai/util/banned.h"

static int find_store(struct tz_catalog *catalog, const char *name, const char *url,
                      const char *location, int64_t *ret_store, bool *ret_same,
                      struct tz_error *err)
{
    static const char sql[] = "SELECT id, url = ?2 AND location = ?3 FROM stores WHERE name = ?1";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};
    bool row;

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_text(&query, 1, name);
    tz_query_text(&query, 2, url);
    tz_query_text(&query, 3, location);
    if (tz_query_step(&query, &row, err))
        return -1;
    *ret_store = row ? tz_query_get_int(&query, 0) : 0;
    *ret_same = row && tz_query_get_int(&query, 1) != 0;
    return 0;
}

int tz_catalog_store(struct tz_catalog *catalog, const char *name, const char *url,
                     const char *location, int64_t *ret_store, struct tz_error *err)
{
    static const char sql[] =
        "INSERT INTO stores(name, url, location) VALUES (?1, ?2, ?3)"
        " ON CONFLICT(name) DO UPDATE SET url = excluded.url, location = excluded.location";
    int64_t store;
    bool same;

    url = url ? url : "";
    location = location ? location : "";
    /* Every command asks; the usual one does not have to wait for a writer. */
    if (find_store(catalog, name, url, location, &store, &same, err))
        return -1;
    if (!same) {
        TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};
        if (tz_query_open(&query, catalog, sql, err))
            return -1;
        tz_query_text(&query, 1, name);
        tz_query_text(&query, 2, url);
        tz_query_text(&query, 3, location);
        if (tz_query_run(&query, err) ||
            find_store(catalog, name, url, location, &store, &same, err))
            return -1;
    }
    *ret_store = store;
    return 0;
}

int tz_catalog_find_object(struct tz_catalog *catalog, const char *name, int64_t *ret_object,
                           uint64_t *ret_size, struct tz_error *err)
{
    static const char sql[] = "SELECT id, size FROM objects WHERE name = ?1";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};
    bool row;

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_text(&query, 1, name);
    if (tz_query_step(&query, &row, err))
        return -1;
    *ret_object = row ? tz_query_get_int(&query, 0) : 0;
    if (ret_size)
        *ret_size = row ? (uint64_t)tz_query_get_int(&query, 1) : 0;
    return 0;
}

/* The size of a pack that was only named so far. */
static int set_size(struct tz_catalog *catalog, int64_t object, uint64_t size, struct tz_error *err)
{
    static const char sql[] = "UPDATE objects SET size = ?2 WHERE id = ?1";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_int(&query, 1, object);
    tz_query_int(&query, 2, (int64_t)size);
    return tz_query_run(&query, err);
}

static int insert_object(struct tz_catalog *catalog, const char *name, uint64_t size,
                         int64_t *ret_object, struct tz_error *err)
{
    /* Another process may have been faster since we looked. */
    static const char sql[] = "INSERT INTO objects(name, kind, size) VALUES (?1, ?2, ?3)"
                              " ON CONFLICT(name) DO NOTHING";
    uint64_t found_size;

    {
        TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};
        if (tz_query_open(&query, catalog, sql, err))
            return -1;
        tz_query_text(&query, 1, name);
        tz_query_int(&query, 2, (int64_t)tz_name_parse(name).kind);
        tz_query_int(&query, 3, (int64_t)size);
        if (tz_query_run(&query, err))
            return -1;
    }
    if (sqlite3_changes(catalog->db) > 0) {
        *ret_object = sqlite3_last_insert_rowid(catalog->db);
        return 0;
    }
    return tz_catalog_find_object(catalog, name, ret_object, &found_size, err);
}

int tz_catalog_add_object(struct tz_catalog *catalog, const char *name, uint64_t size,
                          int64_t *ret_object, struct tz_error *err)
{
    int64_t object;
    uint64_t found_size;

    if (name[0] == '\0' || strlen(name) >= TZ_NAME_TEXT)
        return tz_fail(err, TZ_INVALID, "catalog '%s': '%.*s' is not the name of an object",
                       catalog->path, TZ_NAME_TEXT, name);
    if (tz_catalog_find_object(catalog, name, &object, &found_size, err))
        return -1;
    if (object == 0) {
        if (insert_object(catalog, name, size, &object, err))
            return -1;
    } else if (found_size == 0 && size > 0 && set_size(catalog, object, size, err)) {
        return -1;
    }
    *ret_object = object;
    return 0;
}

int tz_catalog_note_lost(struct tz_catalog *catalog, int64_t object, struct tz_error *err)
{
    /* The first comparison keeps unchanged rows, which are nearly all, from being written. */
    static const char sql[] =
        "UPDATE packs SET lost = 1 - lost WHERE id = ?1 AND lost <>"
        " (EXISTS (SELECT 1 FROM copies WHERE object = ?1)"
        "  AND NOT EXISTS (SELECT 1 FROM copies WHERE object = ?1 AND state IN (0, 1)))";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_int(&query, 1, object);
    return tz_query_run(&query, err);
}

/* Run a statement that notes one copy: object, store, and a value of its own. */
static int note_copy(struct tz_catalog *catalog, const char *sql, int64_t object, int64_t store,
                     int64_t value, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_int(&query, 1, object);
    tz_query_int(&query, 2, store);
    tz_query_int(&query, 3, value);
    if (tz_query_run(&query, err))
        return -1;
    /* Most of what a listing says is known; then nothing was written. */
    if (sqlite3_changes(catalog->db) == 0)
        return 0;
    return tz_catalog_note_lost(catalog, object, err);
}

/* Another process, which was told that a prune has deleted it, may have forgotten the object. */
#define IF_THERE " WHERE EXISTS (SELECT 1 FROM objects WHERE id = ?1)"

int tz_catalog_set_copy(struct tz_catalog *catalog, int64_t object, int64_t store,
                        enum tz_copy_state state, struct tz_error *err)
{
    /* A copy that was missing or damaged and is there again is another one: not verified yet. */
    static const char sql[] =
        "INSERT INTO copies(object, store, state) SELECT ?1, ?2, ?3" IF_THERE
        " ON CONFLICT(object, store) DO UPDATE SET state = excluded.state, verified_ns ="
        "  CASE WHEN state IN (2, 3) AND excluded.state IN (0, 1) THEN 0 ELSE verified_ns END"
        "  WHERE state <> excluded.state";
    TZ_SCOPED(tz_scoped_change) struct tz_change change = {0};

    if (tz_change_begin(&change, catalog, err) ||
        note_copy(catalog, sql, object, store, (int64_t)state, err))
        return -1;
    return tz_change_end(&change, err);
}

int tz_catalog_set_verified(struct tz_catalog *catalog, int64_t object, int64_t store,
                            int64_t time_ns, struct tz_error *err)
{
    static const char sql[] =
        "INSERT INTO copies(object, store, state, verified_ns) SELECT ?1, ?2, 1, ?3" IF_THERE
        " ON CONFLICT(object, store) DO UPDATE SET state = 1, verified_ns = excluded.verified_ns";
    TZ_SCOPED(tz_scoped_change) struct tz_change change = {0};

    if (tz_change_begin(&change, catalog, err) ||
        note_copy(catalog, sql, object, store, time_ns, err))
        return -1;
    return tz_change_end(&change, err);
}

int tz_catalog_get_copy(struct tz_catalog *catalog, int64_t object, int64_t store,
                        enum tz_copy_state *ret, struct tz_error *err)
{
    static const char sql[] = "SELECT state FROM copies WHERE object = ?1 AND store = ?2";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};
    bool row;

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_int(&query, 1, object);
    tz_query_int(&query, 2, store);
    if (tz_query_step(&query, &row, err))
        return -1;
    *ret = row ? (enum tz_copy_state)tz_query_get_int(&query, 0) : TZ_COPY_UNKNOWN;
    return 0;
}

/* The first text behind all that begin with prefix, to be freed; empty if there is none. */
static char *prefix_end(const char *prefix)
{
    char *end = strdup(prefix);
    size_t len = end ? strlen(end) : 0;

    while (len > 0 && (unsigned char)end[len - 1] == 0xff)
        end[--len] = '\0';
    if (len > 0)
        end[len - 1] = (char)((unsigned char)end[len - 1] + 1);
    return end;
}

int tz_catalog_each_copy(struct tz_catalog *catalog, int64_t store, const char *prefix,
                         tz_catalog_copy_fn *found, void *arg, struct tz_error *err)
{
    /* A blob is greater than every text: no end. */
    static const char sql[] = "SELECT o.id, o.name, o.size, c.state, c.verified_ns FROM objects o"
                              " LEFT JOIN copies c ON c.object = o.id AND c.store = ?1"
                              " WHERE o.name >= ?2 AND o.name < ?3 ORDER BY o.name";
    TZ_SCOPED(tz_scoped_free) char *end = prefix_end(prefix);
    if (!end)
        return tz_fail_nomem(err);
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};
    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_int(&query, 1, store);
    tz_query_text(&query, 2, prefix);
    if (end[0] != '\0')
        tz_query_text(&query, 3, end);
    else
        tz_query_blob(&query, 3, NULL, 0);

    for (;;) {
        bool row;
        if (tz_query_step(&query, &row, err))
            return -1;
        if (!row)
            return 0;
        const char *name = (const char *)sqlite3_column_text(query.statement, 1);
        if (!name)
            return tz_fail_nomem(err);
        struct tz_catalog_copy copy = {
            .object = tz_query_get_int(&query, 0),
            .name = name,
            .size = (uint64_t)tz_query_get_int(&query, 2),
            .state = (enum tz_copy_state)tz_query_get_int(&query, 3), /* NULL gives 0 */
            .verified_ns = tz_query_get_int(&query, 4),
        };
        if (found(arg, &copy, err))
            return -1;
    }
}
