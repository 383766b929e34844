/*
 * What the files of the catalog share: the open database, queries, and changes of several steps.
 *
 * A query is a prepared statement that is kept for the next time.  The first failure of its
 * bindings is remembered and reported by the next step, so that callers check once.
 */
#ifndef TOZAI_CORE_CATALOG_DATABASE_H
#define TOZAI_CORE_CATALOG_DATABASE_H

#include "tozai/core/catalog.h"

#include <sqlite3.h>

#define TZ_CATALOG_FILE          "catalog.db"
#define TZ_CATALOG_INSTANCE_SIZE 16
/* How long a writer waits for another one. */
#define TZ_CATALOG_WAIT_MS 60000
/* Places for kept statements: a power of two, well above the number of statements there are. */
#define TZ_CATALOG_STATEMENTS 256
#define TZ_CATALOG_HINT       "run 'tozai catalog rebuild'"

enum tz_catalog_transaction {
    TZ_TRANSACTION_NONE,
    TZ_TRANSACTION_OPEN,
    TZ_TRANSACTION_BROKEN, /* a change failed half-way: it can only be rolled back */
};

/* A chunk in a pack. */
struct tz_chunk_row {
    uint8_t id[TZ_ID_SIZE];
    int64_t pack;
    uint32_t frame, offset, len;
};

/* Numbers of objects. */
struct tz_numbers {
    int64_t *items;
    size_t count, cap;
};
void tz_numbers_clear(struct tz_numbers *numbers);
static inline TZ_UNUSED void tz_scoped_numbers(struct tz_numbers *numbers)
{
    tz_numbers_clear(numbers);
}
int tz_numbers_add(struct tz_numbers *numbers, int64_t number, struct tz_error *err) TZ_MUST_CHECK;
/* They must be ascending. */
bool tz_numbers_has(const struct tz_numbers *numbers, int64_t number);

struct tz_catalog {
    sqlite3 *db;
    char *path;
    uint8_t instance[TZ_CATALOG_INSTANCE_SIZE];
    enum tz_catalog_transaction transaction;
    struct {
        const char *sql; /* compared by address: each query has one text */
        sqlite3_stmt *statement;
    } statements[TZ_CATALOG_STATEMENTS];
    struct {
        struct tz_chunk_row *data;
        size_t count, cap;
    } rows;                 /* of the open transaction, not inserted yet */
    struct tz_numbers away; /* see tz_catalog_set_reach() */
};

/* The error of a result code of SQLite, which was not SQLITE_OK; -1. */
int tz_catalog_fail(struct tz_catalog *catalog, int code, struct tz_error *err) TZ_MUST_CHECK;
/* The database holds what it cannot hold; -1. */
int tz_catalog_corrupt(struct tz_catalog *catalog, const char *what,
                       struct tz_error *err) TZ_MUST_CHECK;
/* Run statements without parameters and results. */
int tz_catalog_exec(struct tz_catalog *catalog, const char *sql,
                    struct tz_error *err) TZ_MUST_CHECK;

struct tz_query {
    struct tz_catalog *catalog;
    sqlite3_stmt *statement;
    bool kept;   /* belongs to the catalog */
    int failure; /* of a binding */
};

/* sql must be a constant.  Several queries of the same text may be open at once. */
int tz_query_open(struct tz_query *query, struct tz_catalog *catalog, const char *sql,
                  struct tz_error *err) TZ_MUST_CHECK;
void tz_query_clear(struct tz_query *query);
static inline TZ_UNUSED void tz_scoped_query(struct tz_query *query)
{
    tz_query_clear(query);
}
/* Parameters count from 1.  Text and bytes must stay until the query has run. */
void tz_query_int(struct tz_query *query, int at, int64_t value);
void tz_query_text(struct tz_query *query, int at, const char *text);
void tz_query_blob(struct tz_query *query, int at, const void *data, size_t len);
/* The next row; *ret_row false behind the last. */
int tz_query_step(struct tz_query *query, bool *ret_row, struct tz_error *err) TZ_MUST_CHECK;
/* For a query without rows: run it, and make it ready to run again with other parameters. */
int tz_query_run(struct tz_query *query, struct tz_error *err) TZ_MUST_CHECK;
/* The first column of all rows, behind those that are there. */
int tz_query_numbers(struct tz_query *query, struct tz_numbers *numbers,
                     struct tz_error *err) TZ_MUST_CHECK;
/*
 * The next row, and room for one more item of this size behind those that *items, which is
 * malloc()ed, has.  *ret NULL behind the last row; an item that was given counts.
 */
struct tz_query_list {
    void *items;
    size_t count, cap;
};
static inline TZ_UNUSED void tz_scoped_query_list(struct tz_query_list *list)
{
    free(list->items);
}
int tz_query_next_item(struct tz_query *query, struct tz_query_list *list, size_t size, void **ret,
                       struct tz_error *err) TZ_MUST_CHECK;
/* Statements with one parameter: run it, or ask whether it has a row. */
int tz_catalog_run_int(struct tz_catalog *catalog, const char *sql, int64_t value,
                       struct tz_error *err) TZ_MUST_CHECK;
int tz_catalog_ask_int(struct tz_catalog *catalog, const char *sql, int64_t value, bool *ret,
                       struct tz_error *err) TZ_MUST_CHECK;
int tz_catalog_run_hash(struct tz_catalog *catalog, const char *sql,
                        const uint8_t hash[TZ_HASH_SIZE], struct tz_error *err) TZ_MUST_CHECK;
int tz_catalog_ask_hash(struct tz_catalog *catalog, const char *sql,
                        const uint8_t hash[TZ_HASH_SIZE], bool *ret,
                        struct tz_error *err) TZ_MUST_CHECK;
/* Columns count from 0. */
int64_t tz_query_get_int(struct tz_query *query, int at);
/* Exactly len bytes; anything else is TZ_CORRUPT. */
int tz_query_get_blob(struct tz_query *query, int at, void *data, size_t len,
                      struct tz_error *err) TZ_MUST_CHECK;
/* The name of an object. */
void tz_query_get_name(struct tz_query *query, int at, char ret[TZ_NAME_TEXT]);
/* A copy, to be freed. */
int tz_query_get_text(struct tz_query *query, int at, char **ret,
                      struct tz_error *err) TZ_MUST_CHECK;

/*
 * A change of several steps that must be seen as one.  Outside of a transaction it makes its own.
 * Inside of one, a change that is not ended leaves the transaction broken: then it cannot be
 * committed, so that no half of a change ever is.
 */
struct tz_change {
    struct tz_catalog *catalog;
    bool own;
};
int tz_change_begin(struct tz_change *change, struct tz_catalog *catalog,
                    struct tz_error *err) TZ_MUST_CHECK;
int tz_change_end(struct tz_change *change, struct tz_error *err) TZ_MUST_CHECK;
void tz_change_abort(struct tz_change *change);
static inline TZ_UNUSED void tz_scoped_change(struct tz_change *change)
{
    tz_change_abort(change);
}

/* The flag "lost" of the pack that has this number, if it is one, from its copies. */
int tz_catalog_note_lost(struct tz_catalog *catalog, int64_t object,
                         struct tz_error *err) TZ_MUST_CHECK;

/* Rows of chunks are collected until the transaction ends, or until somebody has to see them. */
int tz_catalog_put_rows(struct tz_catalog *catalog, const struct tz_chunk_row *rows, size_t len,
                        struct tz_error *err) TZ_MUST_CHECK;
int tz_catalog_flush(struct tz_catalog *catalog, struct tz_error *err) TZ_MUST_CHECK;
/* They belong to a transaction that is undone. */
void tz_catalog_drop_rows(struct tz_catalog *catalog);

#endif
