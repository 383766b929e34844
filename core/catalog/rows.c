/*
 * The rows of chunks on their way into their table.
 *
 * Ids are random, so that in a large table nearly every row falls on a page of its own.  Written
 * pack by pack, each page would be read, changed and written again and again.  So the rows of a
 * transaction are collected over many packs and inserted in the order of the tree: every page is
 * touched once for each batch.  Whoever wants to see rows calls tz_catalog_flush() first.
 */
#include "database.h"

#include <string.h>

#include "tozai/util/banned.h"

/* 7 MiB of rows. */
#define BATCH_MAX 131072

static int compare(const void *a, const void *b)
{
    const struct tz_chunk_row *left = a, *right = b;
    int order = memcmp(left->id, right->id, TZ_ID_SIZE);

    return order ? order : (left->pack > right->pack) - (left->pack < right->pack);
}

/* *ret_new: those that were not there. */
static int insert(struct tz_catalog *catalog, int64_t *ret_new, struct tz_error *err)
{
    static const char sql[] = "INSERT OR IGNORE INTO chunks(id, pack, frame, offset, len)"
                              " VALUES (?1, ?2, ?3, ?4, ?5)";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};
    int64_t fresh = 0;

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    for (size_t i = 0; i < catalog->rows.count; i++) {
        const struct tz_chunk_row *row = &catalog->rows.data[i];
        tz_query_blob(&query, 1, row->id, TZ_ID_SIZE);
        tz_query_int(&query, 2, row->pack);
        tz_query_int(&query, 3, row->frame);
        tz_query_int(&query, 4, row->offset);
        tz_query_int(&query, 5, row->len);
        if (tz_query_run(&query, err))
            return -1;
        fresh += sqlite3_changes(catalog->db);
    }
    *ret_new = fresh;
    return 0;
}

/* Rows that were there already are those of a pack that was forgotten: they are alive again. */
static int count(struct tz_catalog *catalog, int64_t fresh, int64_t revived, struct tz_error *err)
{
    static const char sql[] =
        "UPDATE meta SET value = value + CASE key WHEN 'chunks' THEN ?1 ELSE -?2 END"
        " WHERE key IN ('chunks', 'dead_chunks')";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_int(&query, 1, fresh);
    tz_query_int(&query, 2, revived);
    return tz_query_run(&query, err);
}

int tz_catalog_flush(struct tz_catalog *catalog, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_change) struct tz_change change = {0};
    int64_t fresh;

    if (catalog->rows.count == 0)
        return 0;
    if (tz_change_begin(&change, catalog, err))
        return -1;
    qsort(catalog->rows.data, catalog->rows.count, sizeof(*catalog->rows.data), compare);
    if (insert(catalog, &fresh, err) ||
        count(catalog, fresh, (int64_t)catalog->rows.count - fresh, err))
        return -1;
    tz_catalog_drop_rows(catalog);
    return tz_change_end(&change, err);
}

void tz_catalog_drop_rows(struct tz_catalog *catalog)
{
    free(catalog->rows.data);
    catalog->rows.data = NULL;
    catalog->rows.count = catalog->rows.cap = 0;
}

static int reserve(struct tz_catalog *catalog, size_t more, struct tz_error *err)
{
    size_t cap = TZ_MAX(catalog->rows.cap, (size_t)1024);

    while (cap < catalog->rows.count + more)
        cap *= 2;
    if (cap == catalog->rows.cap)
        return 0;
    struct tz_chunk_row *data = realloc(catalog->rows.data, cap * sizeof(*data));
    if (!data)
        return tz_fail_nomem(err);
    catalog->rows.data = data;
    catalog->rows.cap = cap;
    return 0;
}

int tz_catalog_put_rows(struct tz_catalog *catalog, const struct tz_chunk_row *rows, size_t len,
                        struct tz_error *err)
{
    while (len > 0) {
        if (catalog->rows.count == BATCH_MAX && tz_catalog_flush(catalog, err))
            return -1;
        size_t part = TZ_MIN(len, BATCH_MAX - catalog->rows.count);
        if (reserve(catalog, part, err))
            return -1;
        memcpy(catalog->rows.data + catalog->rows.count, rows, part * sizeof(*rows));
        catalog->rows.count += part;
        rows += part;
        len -= part;
    }
    return 0;
}
