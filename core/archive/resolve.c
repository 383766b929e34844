/*
 * What hard links stand for.
 */
#include "roster_private.h"

#include "tozai/util/interrupt.h"

#include "tozai/util/banned.h"

/* Links that lead to links that come later in the archive: no writer makes any. */
#define CHAIN_MAX 64

/* What a key stood for at some moment. */
struct found {
    int64_t number; /* 0: nothing */
    enum tz_entry_type type;
    int64_t means;
};

/* key is a column of another statement, or of this one before. */
static int find(struct tz_archive_roster *roster, enum roster_statement which, struct tz_buf *key,
                int64_t number, struct found *ret, struct tz_error *err)
{
    sqlite3_stmt *statement = tz_roster_ready(roster, which);
    bool row = false;

    tz_roster_bind(statement, 1, key->data, key->len);
    (void)sqlite3_bind_int64(statement, 2, number);
    if (tz_roster_step(roster, statement, &row, err))
        return -1;
    *ret = (struct found){0};
    if (!row)
        return 0;
    ret->number = sqlite3_column_int64(statement, 0);
    ret->type = (enum tz_entry_type)sqlite3_column_int(statement, 1);
    ret->means = sqlite3_column_int64(statement, 2);
    /* Where it leads on to, should it be a link itself. */
    const void *target = sqlite3_column_blob(statement, 3);
    size_t len = (size_t)sqlite3_column_bytes(statement, 3);
    tz_buf_reset(key);
    return target ? tz_buf_append(key, target, len, err) : 0;
}

/* *ret: the number of what the link stands for, ROSTER_DROPPED if that is nothing.  key: its
 * target. */
static int follow(struct tz_archive_roster *roster, struct tz_buf *key, int64_t number,
                  int64_t *ret, enum tz_entry_type *ret_type, struct tz_error *err)
{
    *ret = ROSTER_DROPPED;
    for (int i = 0; i < CHAIN_MAX; i++) {
        TZ_SCOPED(tz_scoped_buf) struct tz_buf target = {0};
        struct found found;
        if (tz_buf_append(&target, key->data, key->len, err) ||
            find(roster, ROSTER_FIND_BEFORE, &target, number, &found, err))
            return -1;
        if (found.number == 0) {
            tz_buf_reset(&target);
            if (tz_buf_append(&target, key->data, key->len, err) ||
                find(roster, ROSTER_FIND_AFTER, &target, number, &found, err))
                return -1;
        }
        if (found.number == 0 || found.means == ROSTER_DROPPED)
            return 0;
        *ret_type = found.type;
        if (found.means != ROSTER_UNRESOLVED) {
            *ret = found.means;
            return 0;
        }
        number = found.number;
        struct tz_buf swap = *key;
        *key = target;
        target = swap;
    }
    return 0;
}

static int set_number(struct tz_archive_roster *roster, enum roster_statement which, int64_t number,
                      int64_t value, struct tz_error *err)
{
    sqlite3_stmt *statement = tz_roster_ready(roster, which);

    (void)sqlite3_bind_int64(statement, 1, number);
    if (which == ROSTER_POINT)
        (void)sqlite3_bind_int64(statement, 2, value);
    return tz_roster_run(roster, statement, err);
}

/* An old cpio and some pax archives keep the content with the last name. */
static int move_content(struct tz_archive_roster *roster, int64_t number, sqlite3_stmt *link,
                        struct tz_error *err)
{
    sqlite3_stmt *statement = tz_roster_ready(roster, ROSTER_REPLACE);

    if (sqlite3_column_type(link, 3) == SQLITE_NULL)
        return 0;
    (void)sqlite3_bind_int64(statement, 1, number);
    (void)sqlite3_bind_int64(statement, 2, sqlite3_column_int64(link, 3));
    (void)sqlite3_bind_int64(statement, 3, sqlite3_column_int64(link, 4));
    return tz_roster_run(roster, statement, err);
}

static void warn_link(sqlite3_stmt *link, bool is_directory, tz_source_warn_fn *warn, void *arg,
                      struct tz_buf *path)
{
    struct tz_error why = {0};
    size_t len = (size_t)sqlite3_column_bytes(link, 1);

    (void)tz_fail(&why, TZ_FAILED, "it is left out: a hard link to %s",
                  is_directory ? "a directory" : "what is not in the archive");
    tz_buf_reset(path);
    if (tz_roster_path(path, sqlite3_column_blob(link, 1), len, NULL))
        return;
    warn(arg, (const char *)path->data, len, &why);
}

static int type_of(struct tz_archive_roster *roster, int64_t number, enum tz_entry_type *ret,
                   struct tz_error *err)
{
    sqlite3_stmt *statement = tz_roster_ready(roster, ROSTER_GET);
    bool row = false;

    (void)sqlite3_bind_int64(statement, 1, number);
    if (tz_roster_step(roster, statement, &row, err))
        return -1;
    *ret = row ? (enum tz_entry_type)sqlite3_column_int(statement, 0) : TZ_ENTRY_HARDLINK;
    (void)sqlite3_reset(statement);
    return 0;
}

static int resolve_link(struct tz_archive_roster *roster, sqlite3_stmt *link,
                        tz_source_warn_fn *warn, void *warn_arg, struct tz_error *err)
{
    int64_t number = sqlite3_column_int64(link, 0), means = ROSTER_DROPPED;
    enum tz_entry_type type = TZ_ENTRY_FILE;

    tz_buf_reset(&roster->key);
    if (tz_buf_append(&roster->key, sqlite3_column_blob(link, 2),
                      (size_t)sqlite3_column_bytes(link, 2), err) ||
        follow(roster, &roster->key, number, &means, &type, err))
        return -1;
    if (means != ROSTER_DROPPED && type_of(roster, means, &type, err))
        return -1;
    if (means == ROSTER_DROPPED || type == TZ_ENTRY_DIRECTORY) {
        warn_link(link, type == TZ_ENTRY_DIRECTORY, warn, warn_arg, &roster->body);
        return set_number(roster, ROSTER_POINT, number, ROSTER_DROPPED, err);
    }
    if (type == TZ_ENTRY_FILE && move_content(roster, means, link, err))
        return -1;
    if (set_number(roster, ROSTER_POINT, number, means, err))
        return -1;
    return set_number(roster, ROSTER_SHARE, means, 0, err);
}

int tz_archive_roster_resolve(struct tz_archive_roster *roster, tz_source_warn_fn *warn,
                              void *warn_arg, struct tz_error *err)
{
    sqlite3_stmt *link = tz_roster_ready(roster, ROSTER_EACH_LINK);
    bool row = false;

    for (;;) {
        if (tz_interrupt_check(err) || tz_roster_step(roster, link, &row, err))
            return -1;
        if (!row)
            break;
        if (resolve_link(roster, link, warn, warn_arg, err))
            return -1;
    }
    (void)sqlite3_reset(link);
    return 0;
}
