/*
 * Inside of the roster.
 */
#ifndef TOZAI_CORE_ARCHIVE_ROSTER_PRIVATE_H
#define TOZAI_CORE_ARCHIVE_ROSTER_PRIVATE_H

#include "roster.h"

#include <sqlite3.h>

/* Instead of the number of what a hard link stands for. */
#define ROSTER_UNRESOLVED 0
#define ROSTER_DROPPED    (-1)

enum roster_statement {
    ROSTER_ADD,
    ROSTER_EACH_LINK,
    ROSTER_FIND_BEFORE,
    ROSTER_FIND_AFTER,
    ROSTER_POINT,
    ROSTER_SHARE,
    ROSTER_REPLACE,
    ROSTER_EACH_NAME,
    ROSTER_GET,
    ROSTER_GET_FIRST,
    ROSTER_SET_FIRST,
    ROSTER_STATEMENT_COUNT,
};

struct tz_archive_roster {
    sqlite3 *db;
    sqlite3_stmt *statements[ROSTER_STATEMENT_COUNT];
    uint64_t count;
    struct tz_buf body, key;
    struct tz_buf path; /* of the name given last */
    bool in_name;       /* ROSTER_EACH_NAME stands on a row that was not given yet */
    bool began;
};

/* Get a statement ready to be given its parameters. */
sqlite3_stmt *tz_roster_ready(struct tz_archive_roster *roster, enum roster_statement which);
int tz_roster_step(struct tz_archive_roster *roster, sqlite3_stmt *statement, bool *ret_row,
                   struct tz_error *err) TZ_MUST_CHECK;
/* Run a statement without rows. */
int tz_roster_run(struct tz_archive_roster *roster, sqlite3_stmt *statement,
                  struct tz_error *err) TZ_MUST_CHECK;
void tz_roster_bind(sqlite3_stmt *statement, int at, const void *data, size_t len);
/* A key as a path, with a NUL behind it that len does not count. */
int tz_roster_path(struct tz_buf *out, const void *key, size_t len,
                   struct tz_error *err) TZ_MUST_CHECK;

#endif
