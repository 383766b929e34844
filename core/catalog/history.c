/*
 * Runs, checks and small values.
 */
#include "database.h"

#include "tozai/util/time.h"

#include "tozai/util/banned.h"

int tz_catalog_run_begin(struct tz_catalog *catalog, const char *command, int64_t *ret_run,
                         struct tz_error *err)
{
    static const char sql[] = "INSERT INTO runs(command, start_ns) VALUES (?1, ?2)";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_text(&query, 1, command);
    tz_query_int(&query, 2, tz_now());
    if (tz_query_run(&query, err))
        return -1;
    *ret_run = sqlite3_last_insert_rowid(catalog->db);
    return 0;
}

int tz_catalog_run_end(struct tz_catalog *catalog, int64_t run, const char *result,
                       struct tz_error *err)
{
    static const char sql[] = "UPDATE runs SET end_ns = ?2, result = ?3 WHERE id = ?1";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_int(&query, 1, run);
    tz_query_int(&query, 2, tz_now());
    tz_query_text(&query, 3, result);
    if (tz_query_run(&query, err))
        return -1;
    if (sqlite3_changes(catalog->db) == 0)
        return tz_fail(err, TZ_NOT_FOUND, "catalog '%s': there is no run %jd", catalog->path,
                       (intmax_t)run);
    return 0;
}

int tz_catalog_add_check(struct tz_catalog *catalog, int64_t store, const char *level,
                         uint64_t objects, uint64_t bytes, uint64_t bad, struct tz_error *err)
{
    static const char sql[] = "INSERT INTO checks(store, time_ns, level, objects, bytes, bad)"
                              " VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_int(&query, 1, store);
    tz_query_int(&query, 2, tz_now());
    tz_query_text(&query, 3, level);
    tz_query_int(&query, 4, (int64_t)objects);
    tz_query_int(&query, 5, (int64_t)bytes);
    tz_query_int(&query, 6, (int64_t)bad);
    return tz_query_run(&query, err);
}

int tz_catalog_set_value(struct tz_catalog *catalog, const char *key, const void *value, size_t len,
                         struct tz_error *err)
{
    static const char sql[] = "INSERT INTO vals(key, value) VALUES (?1, ?2)"
                              " ON CONFLICT(key) DO UPDATE SET value = excluded.value";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_text(&query, 1, key);
    tz_query_blob(&query, 2, value, len);
    return tz_query_run(&query, err);
}

int tz_catalog_get_value(struct tz_catalog *catalog, const char *key, struct tz_buf *out,
                         bool *ret_found, struct tz_error *err)
{
    static const char sql[] = "SELECT value FROM vals WHERE key = ?1";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};
    bool row;

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_text(&query, 1, key);
    if (tz_query_step(&query, &row, err))
        return -1;
    if (row) {
        const void *data = sqlite3_column_blob(query.statement, 0);
        int len = sqlite3_column_bytes(query.statement, 0);
        if (!data && sqlite3_errcode(catalog->db) == SQLITE_NOMEM)
            return tz_fail_nomem(err);
        if (data && tz_buf_append(out, data, (size_t)len, err))
            return -1;
    }
    *ret_found = row;
    return 0;
}
