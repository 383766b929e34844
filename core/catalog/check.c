/*
 * The catalog's own integrity, and its copy.
 */
#include "database.h"

#include "tozai/util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "tozai/util/banned.h"

/* Each gives one text for each fault, and no row when all is well; a hundred say enough. */
#define SOME " LIMIT 100"
static const char *const questions[] = {
    "SELECT integrity_check FROM pragma_integrity_check(100) WHERE integrity_check <> 'ok'",

    "SELECT 'table ' || \"table\" || ', row ' || coalesce(rowid, '?') || ': refers to a row of ' ||"
    " parent || ' that does not exist' FROM pragma_foreign_key_check" SOME,

    "SELECT 'pack ' || p.id || ': its name is ' || o.name FROM packs p"
    " CROSS JOIN objects o ON o.id = p.id"
    " WHERE o.name <> 'packs/' || substr(lower(hex(p.hash)), 1, 2) || '/' || lower(hex(p.hash))"
    " OR o.kind <> 3" SOME,

    "SELECT 'pack ' || p.id || ': ' || CASE WHEN p.condemned"
    " THEN 'is marked as condemned, and is not' ELSE 'is condemned, and not marked' END"
    " FROM packs p WHERE p.condemned <> EXISTS (SELECT 1 FROM condemned WHERE hash = p.hash)" SOME,

    "SELECT 'pack ' || p.id || ': ' || CASE WHEN p.lost"
    " THEN 'is marked as lost, and is not' ELSE 'is lost, and not marked' END"
    " FROM packs p WHERE p.lost <> (EXISTS (SELECT 1 FROM copies WHERE object = p.id)"
    " AND NOT EXISTS (SELECT 1 FROM copies WHERE object = p.id AND state IN (0, 1)))" SOME,

    "SELECT 'generation ' || lower(hex(id)) || ': a pack of it is not listed' FROM generations"
    " WHERE packs <> (SELECT count(*) FROM generation_packs WHERE generation = number)" SOME,

    "SELECT 'generation ' || lower(hex(id)) || ': its head is not kept' FROM generations"
    " WHERE NOT EXISTS (SELECT 1 FROM heads WHERE generation = number)" SOME,

    /* Rows of forgotten packs have no partner in packs; that is no fault. */
    "SELECT 'chunk ' || lower(hex(c.id)) || ': does not lie in frame ' || c.frame || ' of pack ' ||"
    " c.pack FROM chunks c CROSS JOIN packs p ON p.id = c.pack"
    " LEFT JOIN frames f ON f.pack = c.pack AND f.no = c.frame"
    " WHERE f.no IS NULL OR c.offset < 0 OR c.len < 0 OR c.offset + c.len > f.plain_len" SOME,
};

static int ask(struct tz_catalog *catalog, const char *sql, bool *ret_ok, struct tz_buf *report,
               struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    for (;;) {
        bool row;
        if (tz_query_step(&query, &row, err))
            return -1;
        if (!row)
            return 0;
        const char *line = (const char *)sqlite3_column_text(query.statement, 0);
        *ret_ok = false;
        if (tz_buf_printf(report, err, "%s\n", line ? line : "a fault without a text"))
            return -1;
    }
}

int tz_catalog_check(struct tz_catalog *catalog, bool *ret_ok, struct tz_buf *report,
                     struct tz_error *err)
{
    bool ok = true;

    if (tz_catalog_flush(catalog, err))
        return -1;
    for (size_t i = 0; i < TZ_COUNT(questions); i++) {
        struct tz_error fault = {0};
        if (ask(catalog, questions[i], &ok, report, &fault) == 0)
            continue;
        if (fault.kind != TZ_CORRUPT) {
            if (err)
                *err = fault;
            return -1;
        }
        /* Too damaged to answer is an answer. */
        ok = false;
        if (tz_buf_printf(report, err, "%s\n", fault.message))
            return -1;
    }
    *ret_ok = ok;
    return 0;
}

/* VACUUM INTO writes a compact copy of one moment into a file that is new or empty. */
static int copy_into(struct tz_catalog *catalog, const char *file, int fd, struct tz_error *err)
{
    static const char sql[] = "VACUUM INTO ?1";
    {
        TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};
        if (tz_query_open(&query, catalog, sql, err))
            return -1;
        tz_query_text(&query, 1, file);
        if (tz_query_run(&query, err))
            return -1;
    }
    if (fsync(fd))
        return tz_fail_errno(err, errno, "sync");
    return tz_sync_parent(file, err);
}

int tz_catalog_export(struct tz_catalog *catalog, const char *file, struct tz_error *err)
{
    if (catalog->transaction != TZ_TRANSACTION_NONE)
        return tz_fail(err, TZ_FAILED, "catalog '%s': cannot be exported inside a transaction",
                       catalog->path);
    /* Made by us for its mode, and so that no other file is ever replaced. */
    TZ_SCOPED(tz_scoped_fd) int fd = open(file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return tz_fail_errno(err, errno, "create '%s'", file);
    if (copy_into(catalog, file, fd, err)) {
        (void)unlink(file);
        return tz_while(err, "export the catalog to '%s'", file);
    }
    return 0;
}
