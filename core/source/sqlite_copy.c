#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "sqlite_copy.h"

#include "tozai/core/source.h"
#include "tozai/util/file.h"
#include "tozai/util/interrupt.h"
#include "tozai/util/time.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tozai/util/banned.h"

#define STEP_PAGES  2048
#define PATIENCE_NS (60 * TZ_SECOND_NS) /* with locks of others */
#define HEAD_SIZE   100
#define COPY_NAME   "copy.db"

static void close_database(sqlite3 **database)
{
    (void)sqlite3_close(*database);
}

/* Where the copy gets a name for the moment that SQLite needs to open it. */
struct place {
    char *directory; /* in scratch, ours alone */
    char *file;      /* in it */
};

static void remove_place(struct place *place)
{
    if (place->file)
        (void)unlink(place->file);
    if (place->directory)
        (void)rmdir(place->directory);
    free(place->file);
    free(place->directory);
    *place = (struct place){0};
}

static int make_place(struct place *place, const char *scratch, struct tz_error *err)
{
    char *directory = tz_path_join(scratch, "sqlite-XXXXXX");

    if (!directory)
        return tz_fail_nomem(err);
    if (!mkdtemp(directory)) {
        int number = errno;
        free(directory);
        return tz_fail_errno(err, number, "make a directory in '%s'", scratch);
    }
    place->directory = directory;
    place->file = tz_path_join(directory, COPY_NAME);
    return place->file ? 0 : tz_fail_nomem(err);
}

/* code is SQLite's. */
static int fail(struct tz_error *err, sqlite3 *database, int code, const char *what)
{
    const char *why = database && sqlite3_errcode(database) == code ? sqlite3_errmsg(database)
                                                                    : sqlite3_errstr(code);

    switch (code & 0xff) {
    case SQLITE_NOTADB:
        (void)tz_fail(err, TZ_INVALID, "%s: %s", what, why);
        return tz_hint(err, "an encrypted database can be backed up with a source of type "
                            "'command' that runs its own dump tool");
    case SQLITE_CORRUPT:
        return tz_fail(err, TZ_CORRUPT, "%s: %s", what, why);
    case SQLITE_NOMEM:
        return tz_fail_nomem(err);
    case SQLITE_FULL:
        return tz_fail(err, TZ_NOSPC, "%s: %s", what, why);
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return tz_fail(err, TZ_DENIED, "%s: %s", what, why);
    case SQLITE_IOERR:
        return tz_fail(err, TZ_IO, "%s: %s", what, why);
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
        (void)tz_fail(err, TZ_DENIED, "%s: %s", what, why);
        return tz_hint(err, "a database in WAL mode can only be read with the right to write to "
                            "its directory");
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        (void)tz_fail(err, TZ_FAILED, "%s: %s", what, why);
        return tz_hint(err, "another program holds a lock on the database for more than a minute");
    default:
        return tz_fail(err, TZ_FAILED, "%s: %s", what, why);
    }
}

static void pause_shortly(void)
{
    const struct timespec moment = {.tv_nsec = 10000000};
    (void)nanosleep(&moment, NULL);
}

/* Called while somebody else holds a lock: 1 to try again. */
static int be_patient(void *arg, int count)
{
    int64_t *start = arg;

    if (count == 0)
        *start = tz_monotonic();
    if (tz_interrupted() || tz_monotonic() - *start > PATIENCE_NS)
        return 0;
    pause_shortly();
    return 1;
}

/* Run one statement to its first row. */
static int run(sqlite3 *database, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(database, sql, -1, &statement, NULL);

    if (code == SQLITE_OK) {
        code = sqlite3_step(statement);
        if (code == SQLITE_ROW || code == SQLITE_DONE)
            code = SQLITE_OK;
    }
    (void)sqlite3_finalize(statement);
    return code;
}

/* Is there a log with content?  It is not ours to move into the database. */
static bool has_log(const char *path)
{
    struct stat st;
    TZ_SCOPED(tz_scoped_free) char *log = NULL;

    if (asprintf(&log, "%s-wal", path) < 0) {
        log = NULL;
        return false;
    }
    return stat(log, &st) == 0 && st.st_size > 0;
}

/* Open the database and begin to read. SQLite's code. */
static int open_for(sqlite3 **ret, const char *path, int flags, int64_t *patience)
{
    int code = sqlite3_open_v2(path, ret, flags | SQLITE_OPEN_NOMUTEX, NULL);

    if (code != SQLITE_OK)
        return code;
    (void)sqlite3_busy_handler(*ret, be_patient, patience);
    (void)sqlite3_extended_result_codes(*ret, 1);
    if (has_log(path))
        (void)sqlite3_db_config(*ret, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    code = run(*ret, "BEGIN");
    /* Only the first read takes the snapshot. */
    return code == SQLITE_OK ? run(*ret, "SELECT count(*) FROM sqlite_schema") : code;
}

/*
 * Reading is enough, except for a database in WAL mode whose shared memory must be made or
 * recovered first.
 */
static int open_source(sqlite3 **ret, const char *path, int64_t *patience, struct tz_error *err)
{
    int code = open_for(ret, path, SQLITE_OPEN_READONLY, patience);
    int kind = code & 0xff;

    if (kind == SQLITE_CANTOPEN || kind == SQLITE_READONLY) {
        (void)sqlite3_close(*ret);
        *ret = NULL;
        code = open_for(ret, path, SQLITE_OPEN_READWRITE, patience);
    }
    if (tz_interrupt_check(err))
        return -1;
    return code == SQLITE_OK ? 0 : fail(err, *ret, code, "open");
}

/* An empty database without a name, and a descriptor of its file. */
static int open_copy(sqlite3 **ret, int *ret_fd, const char *scratch, struct tz_error *err)
{
    TZ_SCOPED(remove_place) struct place place = {0};

    if (make_place(&place, scratch, err))
        return -1;
    *ret_fd = open(place.file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (*ret_fd < 0)
        return tz_fail_errno(err, errno, "make '%s'", place.file);

    int code = sqlite3_open_v2(place.file, ret, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (code == SQLITE_OK)
        code = run(*ret, "PRAGMA journal_mode=OFF");
    if (code == SQLITE_OK)
        code = run(*ret, "PRAGMA synchronous=OFF");
    return code == SQLITE_OK ? 0 : fail(err, *ret, code, "open the copy");
}

static int copy_pages(sqlite3 *from, sqlite3 *to, int *ret_pages, struct tz_error *err)
{
    sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");
    int code = SQLITE_OK, pages = 0;

    if (!backup)
        return fail(err, to, sqlite3_errcode(to), "copy");
    while (code == SQLITE_OK && !tz_interrupted()) {
        code = sqlite3_backup_step(backup, STEP_PAGES);
        pages = sqlite3_backup_pagecount(backup);
    }
    (void)sqlite3_backup_finish(backup);
    if (code != SQLITE_DONE && tz_interrupt_check(err))
        return -1;
    if (code != SQLITE_DONE)
        return fail(err, to, code, "copy");
    *ret_pages = pages;
    return 0;
}

/* Is the file a database of that many pages?  Its page size if so. */
static int check_copy(int fd, int pages, uint32_t *ret_page_size, struct tz_error *err)
{
    uint8_t head[HEAD_SIZE];
    size_t len = 0;
    struct stat st;

    if (fstat(fd, &st))
        return tz_fail_errno(err, errno, "stat the copy");
    if (tz_pread_full(fd, head, sizeof(head), 0, &len, err))
        return -1;
    uint32_t page_size = tz_page_size_of("", 0, head, len, (uint64_t)st.st_size);
    bool empty = st.st_size == 0 && pages == 0;
    pages = TZ_MAX(pages, 1); /* a database without any gets one when it is copied */
    if (!empty && (page_size == 0 || (uint64_t)st.st_size != (uint64_t)pages * page_size))
        return tz_fail(err, TZ_CORRUPT, "the copy has %jd bytes, not %d pages of %u",
                       (intmax_t)st.st_size, pages, page_size);
    *ret_page_size = page_size;
    return 0;
}

int tz_sqlite_copy(struct tz_sqlite_copy *ret, const char *path, const char *scratch,
                   struct tz_error *err)
{
    struct tz_sqlite_copy copy = {0};
    int64_t patience = 0;
    int pages = 0;
    TZ_SCOPED(tz_scoped_fd) int fd = -1;
    TZ_SCOPED(close_database) sqlite3 *from = NULL;
    TZ_SCOPED(close_database) sqlite3 *to = NULL;

    if (open_source(&from, path, &patience, err))
        return -1;
    copy.time_ns = tz_now();
    if (open_copy(&to, &fd, scratch, err) || copy_pages(from, to, &pages, err))
        return -1;
    int code = sqlite3_close(to);
    if (code != SQLITE_OK)
        return fail(err, to, code, "close the copy");
    to = NULL;
    if (check_copy(fd, pages, &copy.page_size, err))
        return -1;
    copy.fd = TZ_TAKE_FD(fd);
    *ret = copy;
    return 0;
}
