/*
 * A catalog that is made anew while it is open.
 */
#include "database.h"

#include <string.h>

#include "tozai/util/banned.h"

/* Close the database, keep the handle. */
static int close_database(struct tz_catalog *catalog, struct tz_error *err)
{
    if (catalog->transaction != TZ_TRANSACTION_NONE)
        return tz_fail(err, TZ_FAILED, "catalog '%s': cannot be put aside inside a transaction",
                       catalog->path);
    for (size_t i = 0; i < TZ_CATALOG_STATEMENTS; i++) {
        (void)sqlite3_finalize(catalog->statements[i].statement);
        catalog->statements[i].statement = NULL;
    }
    int code = sqlite3_close(catalog->db);
    if (code != SQLITE_OK)
        return tz_catalog_fail(catalog, code, err);
    catalog->db = NULL;
    /* Until there is another one, everything fails. */
    catalog->transaction = TZ_TRANSACTION_BROKEN;
    return 0;
}

/* The handle gets what a fresh one has. */
static int open_database(struct tz_catalog *catalog, const char *state,
                         const uint8_t repo_id[TZ_REPO_ID_SIZE], struct tz_error *err)
{
    struct tz_catalog *fresh = NULL;

    if (tz_catalog_open(&fresh, state, repo_id, err))
        return -1;
    tz_catalog_drop_rows(catalog);
    free(catalog->path);
    *catalog = *fresh;
    free(fresh);
    return 0;
}

int tz_catalog_renew(struct tz_catalog *catalog, const char *state,
                     const uint8_t repo_id[TZ_REPO_ID_SIZE], struct tz_error *err)
{
    struct tz_error ignored;

    if (close_database(catalog, err))
        return -1;
    if (tz_catalog_put_aside(state, err)) {
        /* Somebody else has it open: go on with it as it is. */
        (void)open_database(catalog, state, repo_id, &ignored);
        return -1;
    }
    return open_database(catalog, state, repo_id, err);
}

int tz_catalog_set_size(struct tz_catalog *catalog, int64_t object, uint64_t size,
                        struct tz_error *err)
{
    static const char sql[] = "UPDATE objects SET size = ?2 WHERE id = ?1 AND size <> ?2";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_int(&query, 1, object);
    tz_query_int(&query, 2, (int64_t)size);
    return tz_query_run(&query, err);
}
