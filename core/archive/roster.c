/*
 * A path is kept with its slashes as NULs, of which a path has none itself: so the order of the
 * bytes is the order of paths.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "roster_private.h"

#include "metadata.h"

#include "tozai/util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "tozai/util/banned.h"

static const char *const texts[ROSTER_STATEMENT_COUNT] = {
    [ROSTER_ADD] = "INSERT INTO entry(number, key, type, body, at, size, target, means)"
                   " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    [ROSTER_EACH_LINK] = "SELECT number, key, target, at, size FROM entry WHERE target IS NOT NULL"
                         " ORDER BY number",
    [ROSTER_FIND_BEFORE] =
        "SELECT number, type, means, target FROM entry WHERE key = ?1 AND number < ?2"
        " ORDER BY number DESC LIMIT 1",
    [ROSTER_FIND_AFTER] =
        "SELECT number, type, means, target FROM entry WHERE key = ?1 AND number > ?2"
        " ORDER BY number LIMIT 1",
    [ROSTER_POINT] = "UPDATE entry SET means = ?2 WHERE number = ?1",
    [ROSTER_SHARE] = "UPDATE entry SET shared = 1 WHERE number = ?1",
    [ROSTER_REPLACE] = "UPDATE entry SET at = ?2, size = ?3 WHERE number = ?1",
    [ROSTER_EACH_NAME] = "SELECT e.key, m.type, e.means, m.shared FROM entry e"
                         " CROSS JOIN entry m ON m.number = e.means ORDER BY e.key, e.number",
    [ROSTER_GET] = "SELECT type, body, at, size FROM entry WHERE number = ?1",
    [ROSTER_GET_FIRST] = "SELECT first FROM entry WHERE number = ?1",
    [ROSTER_SET_FIRST] = "UPDATE entry SET first = ?2 WHERE number = ?1",
};

static int fail(struct tz_archive_roster *roster, int code, struct tz_error *err)
{
    int number = roster->db ? sqlite3_system_errno(roster->db) : 0;
    enum tz_error_kind kind = TZ_FAILED;

    switch (code & 0xff) {
    case SQLITE_NOMEM:
        return tz_fail_nomem(err);
    case SQLITE_FULL:
        kind = TZ_NOSPC;
        break;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        kind = number ? tz_error_kind_of(number) : TZ_IO;
        break;
    default:
        break;
    }
    return tz_fail(err, kind, "keep the entries of the archive: %s",
                   roster->db ? sqlite3_errmsg(roster->db) : sqlite3_errstr(code));
}

sqlite3_stmt *tz_roster_ready(struct tz_archive_roster *roster, enum roster_statement which)
{
    (void)sqlite3_reset(roster->statements[which]);
    (void)sqlite3_clear_bindings(roster->statements[which]);
    return roster->statements[which];
}

int tz_roster_step(struct tz_archive_roster *roster, sqlite3_stmt *statement, bool *ret_row,
                   struct tz_error *err)
{
    int code = sqlite3_step(statement);

    *ret_row = code == SQLITE_ROW;
    return code == SQLITE_ROW || code == SQLITE_DONE ? 0 : fail(roster, code, err);
}

int tz_roster_run(struct tz_archive_roster *roster, sqlite3_stmt *statement, struct tz_error *err)
{
    int code = sqlite3_step(statement);

    if (code != SQLITE_DONE)
        return fail(roster, code, err);
    (void)sqlite3_reset(statement);
    return 0;
}

static int execute(struct tz_archive_roster *roster, const char *sql, struct tz_error *err)
{
    int code = sqlite3_exec(roster->db, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? 0 : fail(roster, code, err);
}

/* Nothing of it is ever to be recovered: it needs no journal, no waiting for the disk, and no end
 * of the transaction. */
static int make_tables(struct tz_archive_roster *roster, struct tz_error *err)
{
    static const char sql[] = "PRAGMA locking_mode = EXCLUSIVE;"
                              "PRAGMA journal_mode = OFF;"
                              "PRAGMA synchronous = OFF;"
                              "PRAGMA cache_size = -65536;"
                              "CREATE TABLE entry("
                              " number INTEGER PRIMARY KEY,"
                              " key BLOB NOT NULL,"
                              " type INTEGER NOT NULL,"
                              " at INTEGER," /* content; NULL: none */
                              " size INTEGER,"
                              " means INTEGER NOT NULL," /* the number of what it stands for */
                              " shared INTEGER NOT NULL DEFAULT 0,"
                              " target BLOB," /* of a hard link: a key */
                              " first BLOB,"  /* the first of its names, a path */
                              " body BLOB NOT NULL);"
                              "CREATE INDEX by_key ON entry(key, number);"
                              "BEGIN";

    return execute(roster, sql, err);
}

static int open_database(struct tz_archive_roster *roster, const char *path, struct tz_error *err)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
                SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_NOFOLLOW;
    int code = sqlite3_open_v2(path, &roster->db, flags, NULL);

    if (code != SQLITE_OK)
        return fail(roster, code, err);
    return make_tables(roster, err);
}

int tz_archive_roster_new(struct tz_archive_roster **ret, const char *directory,
                          struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_archive_roster)
    struct tz_archive_roster *roster = calloc(1, sizeof(*roster));
    char name[48];
    uint64_t number;

    if (!roster)
        return tz_fail_nomem(err);
    if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
        return tz_fail_errno(err, errno, "get random bytes");
    (void)snprintf(name, sizeof(name), "import-%016jx.db", (uintmax_t)number);
    TZ_SCOPED(tz_scoped_free) char *path = tz_path_join(directory, name);
    if (!path)
        return tz_fail_nomem(err);
    TZ_SCOPED(tz_scoped_fd) int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return tz_fail_errno(err, errno, "create '%s'", path);
    int failed = open_database(roster, path, err);
    (void)unlink(path); /* from here on it is only ours */
    if (failed)
        return -1;
    for (unsigned i = 0; i < ROSTER_STATEMENT_COUNT; i++) {
        int code = sqlite3_prepare_v3(roster->db, texts[i], -1, SQLITE_PREPARE_PERSISTENT,
                                      &roster->statements[i], NULL);
        if (code != SQLITE_OK)
            return fail(roster, code, err);
    }
    *ret = TZ_TAKE(roster);
    return 0;
}

void tz_archive_roster_free(struct tz_archive_roster *roster)
{
    if (!roster)
        return;
    for (unsigned i = 0; i < ROSTER_STATEMENT_COUNT; i++)
        (void)sqlite3_finalize(roster->statements[i]);
    (void)sqlite3_close(roster->db);
    tz_buf_clear(&roster->body);
    tz_buf_clear(&roster->key);
    tz_buf_clear(&roster->path);
    free(roster);
}

static void turn(uint8_t *text, size_t len, uint8_t from, uint8_t to)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] == from)
            text[i] = to;
    }
}

static int append_key(struct tz_buf *out, const char *path, size_t len, struct tz_error *err)
{
    if (tz_buf_reserve(out, len + 1, err) || tz_buf_append(out, path, len, err))
        return -1;
    turn(out->data + out->len - len, len, '/', '\0');
    return 0;
}

int tz_roster_path(struct tz_buf *out, const void *key, size_t len, struct tz_error *err)
{
    if (tz_buf_append(out, key, len, err) || tz_buf_append(out, "", 1, err))
        return -1;
    turn(out->data + out->len - len - 1, len, '\0', '/');
    return 0;
}

void tz_roster_bind(sqlite3_stmt *statement, int at, const void *data, size_t len)
{
    /* A NULL pointer would be NULL, not an empty one. */
    (void)sqlite3_bind_blob64(statement, at, data ? data : "", len, SQLITE_STATIC);
}

int tz_archive_roster_add(struct tz_archive_roster *roster, const struct tz_entry *entry,
                          const struct tz_archive_content *content, struct tz_error *err)
{
    sqlite3_stmt *statement = tz_roster_ready(roster, ROSTER_ADD);
    bool is_link = entry->type == TZ_ENTRY_HARDLINK;
    int64_t number = (int64_t)roster->count + 1;

    tz_buf_reset(&roster->body);
    tz_buf_reset(&roster->key);
    if (tz_archive_metadata_write(entry, &roster->body, err) ||
        append_key(&roster->key, entry->path, entry->path_len, err) ||
        (is_link && append_key(&roster->key, entry->link, entry->link_len, err)))
        return -1;
    (void)sqlite3_bind_int64(statement, 1, number);
    tz_roster_bind(statement, 2, roster->key.data, entry->path_len);
    (void)sqlite3_bind_int(statement, 3, (int)entry->type);
    tz_roster_bind(statement, 4, roster->body.data, roster->body.len);
    if (content) {
        (void)sqlite3_bind_int64(statement, 5, (int64_t)content->at);
        (void)sqlite3_bind_int64(statement, 6, (int64_t)content->size);
    }
    if (is_link)
        tz_roster_bind(statement, 7, roster->key.data + entry->path_len, entry->link_len);
    (void)sqlite3_bind_int64(statement, 8, is_link ? ROSTER_UNRESOLVED : number);
    if (tz_roster_run(roster, statement, err))
        return -1;
    roster->count++;
    return 0;
}

uint64_t tz_archive_roster_count(const struct tz_archive_roster *roster)
{
    return roster->count;
}

/* Is the row of the same path as the name at hand? */
static bool is_same_path(const struct tz_archive_roster *roster, sqlite3_stmt *row)
{
    size_t len = (size_t)sqlite3_column_bytes(row, 0);
    const void *key = sqlite3_column_blob(row, 0);

    return len == roster->key.len && (len == 0 || memcmp(roster->key.data, key, len) == 0);
}

static int take_name(struct tz_archive_roster *roster, sqlite3_stmt *row,
                     struct tz_archive_name *ret, bool *ret_only_directories, struct tz_error *err)
{
    size_t len = (size_t)sqlite3_column_bytes(row, 0);

    tz_buf_reset(&roster->key);
    if (tz_buf_append(&roster->key, sqlite3_column_blob(row, 0), len, err))
        return -1;
    ret->type = (enum tz_entry_type)sqlite3_column_int(row, 1);
    ret->number = sqlite3_column_int64(row, 2);
    ret->shared = sqlite3_column_int(row, 3) != 0;
    *ret_only_directories &= ret->type == TZ_ENTRY_DIRECTORY;
    return 0;
}

/* Of the rows with one path, which come one behind the other, the last one counts. */
int tz_archive_roster_next(struct tz_archive_roster *roster, struct tz_archive_name *ret,
                           bool *ret_done, struct tz_error *err)
{
    sqlite3_stmt *row = roster->statements[ROSTER_EACH_NAME];
    bool only_directories = true;
    unsigned rows = 0;

    *ret_done = false;
    if (!roster->began) {
        roster->began = true;
        if (tz_roster_step(roster, tz_roster_ready(roster, ROSTER_EACH_NAME), &roster->in_name,
                           err))
            return -1;
    }
    while (roster->in_name && (rows == 0 || is_same_path(roster, row))) {
        if (take_name(roster, row, ret, &only_directories, err) ||
            tz_roster_step(roster, row, &roster->in_name, err))
            return -1;
        rows++;
    }
    if (rows == 0) {
        *ret_done = true;
        return 0;
    }
    ret->replaced = only_directories ? 0 : rows - 1;
    tz_buf_reset(&roster->path);
    if (tz_roster_path(&roster->path, roster->key.data, roster->key.len, err))
        return -1;
    ret->path = (char *)roster->path.data;
    ret->path_len = roster->key.len;
    return 0;
}

int tz_archive_roster_get(struct tz_archive_roster *roster, int64_t number, struct tz_entry *entry,
                          struct tz_archive_content *content, struct tz_error *err)
{
    sqlite3_stmt *statement = tz_roster_ready(roster, ROSTER_GET);
    bool row = false;

    (void)sqlite3_bind_int64(statement, 1, number);
    if (tz_roster_step(roster, statement, &row, err))
        return -1;
    if (!row)
        return tz_fail(err, TZ_IO, "what was kept of the archive is damaged");
    if (tz_archive_metadata_read(entry, sqlite3_column_blob(statement, 1),
                                 (size_t)sqlite3_column_bytes(statement, 1), err))
        return -1;
    entry->type = (enum tz_entry_type)sqlite3_column_int(statement, 0);
    content->at = (uint64_t)sqlite3_column_int64(statement, 2);
    content->size = (uint64_t)sqlite3_column_int64(statement, 3);
    entry->size = content->size;
    (void)sqlite3_reset(statement);
    return 0;
}

int tz_archive_roster_first_name(struct tz_archive_roster *roster, int64_t number, const char *path,
                                 size_t path_len, struct tz_buf *ret, struct tz_error *err)
{
    sqlite3_stmt *statement = tz_roster_ready(roster, ROSTER_GET_FIRST);
    bool row = false;

    (void)sqlite3_bind_int64(statement, 1, number);
    if (tz_roster_step(roster, statement, &row, err))
        return -1;
    if (row && sqlite3_column_type(statement, 0) != SQLITE_NULL)
        return tz_buf_append(ret, sqlite3_column_blob(statement, 0),
                             (size_t)sqlite3_column_bytes(statement, 0), err);
    statement = tz_roster_ready(roster, ROSTER_SET_FIRST);
    (void)sqlite3_bind_int64(statement, 1, number);
    tz_roster_bind(statement, 2, path, path_len);
    return tz_roster_run(roster, statement, err);
}
