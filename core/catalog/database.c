#include "database.h"

#include <errno.h>
#include <string.h>

#include "tozai/util/banned.h"

int tz_catalog_corrupt(struct tz_catalog *catalog, const char *what, struct tz_error *err)
{
    tz_error_set(err, TZ_CORRUPT, 0, "catalog '%s': %s", catalog->path, what);
    return tz_hint(err, TZ_CATALOG_HINT);
}

static int fail_busy(struct tz_catalog *catalog, struct tz_error *err)
{
    tz_error_set(err, TZ_BUSY, 0, "catalog '%s': another process has kept it locked for %d s",
                 catalog->path, TZ_CATALOG_WAIT_MS / 1000);
    return tz_hint(err, "wait until the other run has ended, then try again");
}

static enum tz_error_kind kind_of(struct tz_catalog *catalog, int code)
{
    int number = catalog->db ? sqlite3_system_errno(catalog->db) : 0;

    switch (code & 0xff) {
    case SQLITE_NOMEM:
        return TZ_NOMEM;
    case SQLITE_FULL:
        return TZ_NOSPC;
    case SQLITE_PERM:
    case SQLITE_READONLY:
        return TZ_DENIED;
    case SQLITE_CANTOPEN:
    case SQLITE_IOERR:
        if (code == SQLITE_IOERR_NOMEM)
            return TZ_NOMEM;
        return number ? tz_error_kind_of(number) : TZ_IO;
    case SQLITE_INTERRUPT:
        return TZ_INTERRUPTED;
    case SQLITE_CONSTRAINT:
        return TZ_INVALID; /* a number that the caller does not have from here */
    default:
        return TZ_FAILED;
    }
}

int tz_catalog_fail(struct tz_catalog *catalog, int code, struct tz_error *err)
{
    const char *text = catalog->db ? sqlite3_errmsg(catalog->db) : sqlite3_errstr(code);

    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return fail_busy(catalog, err);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return tz_catalog_corrupt(catalog, text, err);
    default:
        return tz_fail(err, kind_of(catalog, code), "catalog '%s': %s", catalog->path, text);
    }
}

int tz_catalog_exec(struct tz_catalog *catalog, const char *sql, struct tz_error *err)
{
    int code = sqlite3_exec(catalog->db, sql, NULL, NULL, NULL);

    return code == SQLITE_OK ? 0 : tz_catalog_fail(catalog, code, err);
}

/* The place of this text's statement, or an empty one; NULL if there is neither. */
static sqlite3_stmt **find_place(struct tz_catalog *catalog, const char *sql)
{
    size_t at = (size_t)((uintptr_t)sql >> 4);

    for (size_t i = 0; i < TZ_CATALOG_STATEMENTS; i++, at++) {
        size_t place = at % TZ_CATALOG_STATEMENTS;
        if (!catalog->statements[place].sql)
            catalog->statements[place].sql = sql;
        if (catalog->statements[place].sql == sql)
            return &catalog->statements[place].statement;
    }
    return NULL;
}

static int prepare(struct tz_catalog *catalog, const char *sql, bool keep, sqlite3_stmt **ret,
                   struct tz_error *err)
{
    unsigned flags = keep ? SQLITE_PREPARE_PERSISTENT : 0;
    int code = sqlite3_prepare_v3(catalog->db, sql, -1, flags, ret, NULL);

    /* The text is ours and is right: it is the schema that is not what it should be. */
    if (code == SQLITE_ERROR)
        return tz_catalog_corrupt(catalog, sqlite3_errmsg(catalog->db), err);
    return code == SQLITE_OK ? 0 : tz_catalog_fail(catalog, code, err);
}

/* SQLite may have given up a transaction by itself, when the disk was full for example. */
static int check_transaction(struct tz_catalog *catalog, struct tz_error *err)
{
    if (catalog->transaction == TZ_TRANSACTION_OPEN && sqlite3_get_autocommit(catalog->db))
        catalog->transaction = TZ_TRANSACTION_BROKEN;
    if (catalog->transaction == TZ_TRANSACTION_BROKEN)
        return tz_fail(err, TZ_FAILED, "catalog '%s': the transaction was given up after an error",
                       catalog->path);
    return 0;
}

int tz_query_open(struct tz_query *query, struct tz_catalog *catalog, const char *sql,
                  struct tz_error *err)
{
    if (check_transaction(catalog, err))
        return -1;
    sqlite3_stmt **place = find_place(catalog, sql);
    sqlite3_stmt *statement = place ? *place : NULL;
    /* A walk whose callback asks the same question finds its statement in use. */
    bool keep = place && !(statement && sqlite3_stmt_busy(statement));
    if (!keep || !statement) {
        if (prepare(catalog, sql, keep, &statement, err))
            return -1;
        if (keep)
            *place = statement;
    }
    *query = (struct tz_query){.catalog = catalog, .statement = statement, .kept = keep};
    return 0;
}

void tz_query_clear(struct tz_query *query)
{
    if (!query->statement)
        return;
    if (query->kept) {
        /* It gives the error of the last step once more. */
        (void)sqlite3_reset(query->statement);
        (void)sqlite3_clear_bindings(query->statement);
    } else {
        (void)sqlite3_finalize(query->statement);
    }
    query->statement = NULL;
}

static void note(struct tz_query *query, int code)
{
    if (query->failure == SQLITE_OK)
        query->failure = code;
}

void tz_query_int(struct tz_query *query, int at, int64_t value)
{
    note(query, sqlite3_bind_int64(query->statement, at, value));
}

void tz_query_text(struct tz_query *query, int at, const char *text)
{
    note(query, sqlite3_bind_text(query->statement, at, text, -1, SQLITE_STATIC));
}

void tz_query_blob(struct tz_query *query, int at, const void *data, size_t len)
{
    /* Without memory of its own an empty value would be NULL. */
    note(query, sqlite3_bind_blob64(query->statement, at, data ? data : "", len, SQLITE_STATIC));
}

int tz_query_step(struct tz_query *query, bool *ret_row, struct tz_error *err)
{
    int code = query->failure;

    if (code == SQLITE_OK)
        code = sqlite3_step(query->statement);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return tz_catalog_fail(query->catalog, code, err);
    *ret_row = code == SQLITE_ROW;
    return 0;
}

int tz_query_run(struct tz_query *query, struct tz_error *err)
{
    bool row = true;

    while (row)
        if (tz_query_step(query, &row, err))
            return -1;
    (void)sqlite3_reset(query->statement);
    return 0;
}

int64_t tz_query_get_int(struct tz_query *query, int at)
{
    return sqlite3_column_int64(query->statement, at);
}

int tz_query_get_blob(struct tz_query *query, int at, void *data, size_t len, struct tz_error *err)
{
    const void *value = sqlite3_column_blob(query->statement, at);
    int found = sqlite3_column_bytes(query->statement, at);

    if (!value || found < 0 || (size_t)found != len)
        return tz_catalog_corrupt(query->catalog, "a value has the wrong length", err);
    memcpy(data, value, len);
    return 0;
}

int tz_query_get_text(struct tz_query *query, int at, char **ret, struct tz_error *err)
{
    const unsigned char *text = sqlite3_column_text(query->statement, at);
    if (!text && sqlite3_errcode(query->catalog->db) == SQLITE_NOMEM)
        return tz_fail_nomem(err);
    if (!text)
        return tz_catalog_corrupt(query->catalog, "a text is missing", err);
    char *copy = strdup((const char *)text);
    if (!copy)
        return tz_fail_nomem(err);
    *ret = copy;
    return 0;
}

int tz_catalog_begin(struct tz_catalog *catalog, struct tz_error *err)
{
    if (catalog->transaction != TZ_TRANSACTION_NONE)
        return tz_fail(err, TZ_FAILED, "catalog '%s': a transaction is open already",
                       catalog->path);
    /* At once, so that no change inside of it ever has to wait or to fail for a lock. */
    if (tz_catalog_exec(catalog, "BEGIN IMMEDIATE", err))
        return -1;
    catalog->transaction = TZ_TRANSACTION_OPEN;
    return 0;
}

int tz_catalog_commit(struct tz_catalog *catalog, struct tz_error *err)
{
    if (catalog->transaction == TZ_TRANSACTION_NONE)
        return tz_fail(err, TZ_FAILED, "catalog '%s': no transaction is open", catalog->path);
    if (check_transaction(catalog, err) || tz_catalog_flush(catalog, err) ||
        tz_catalog_exec(catalog, "COMMIT", err))
        return -1;
    catalog->transaction = TZ_TRANSACTION_NONE;
    return 0;
}

void tz_catalog_rollback(struct tz_catalog *catalog)
{
    tz_catalog_drop_rows(catalog);
    if (catalog->transaction == TZ_TRANSACTION_NONE)
        return;
    /* A failure would mean that SQLite has rolled back already. */
    if (!sqlite3_get_autocommit(catalog->db))
        (void)sqlite3_exec(catalog->db, "ROLLBACK", NULL, NULL, NULL);
    catalog->transaction = TZ_TRANSACTION_NONE;
}

int tz_change_begin(struct tz_change *change, struct tz_catalog *catalog, struct tz_error *err)
{
    bool own = catalog->transaction == TZ_TRANSACTION_NONE;

    if (own ? tz_catalog_begin(catalog, err) : check_transaction(catalog, err))
        return -1;
    *change = (struct tz_change){.catalog = catalog, .own = own};
    return 0;
}

int tz_change_end(struct tz_change *change, struct tz_error *err)
{
    if (change->own && tz_catalog_commit(change->catalog, err))
        return -1;
    change->catalog = NULL;
    return 0;
}

void tz_change_abort(struct tz_change *change)
{
    if (!change->catalog)
        return;
    if (change->own)
        tz_catalog_rollback(change->catalog);
    else
        change->catalog->transaction = TZ_TRANSACTION_BROKEN;
    change->catalog = NULL;
}
