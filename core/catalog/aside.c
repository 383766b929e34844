#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "database.h"

#include "tozai/util/file.h"
#include "tozai/util/time.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "tozai/util/banned.h"

/* The bytes of a database file that SQLite locks (its file format, "the lock-byte page"). */
#define LOCK_START 0x40000000
#define LOCK_LEN   512
/* How many catalogs can be put aside within one second. */
#define ASIDE_TRIES 100

/* Nobody may have it open: he would go on under the old name and mix his log with the new one's. */
static int lock(int fd, const char *path, struct tz_error *err)
{
    struct flock range = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = LOCK_START, .l_len = LOCK_LEN};

    if (fcntl(fd, F_OFD_SETLK, &range) == 0)
        return 0;
    if (errno != EAGAIN && errno != EACCES)
        return tz_fail_errno(err, errno, "catalog '%s': lock", path);
    tz_error_set(err, TZ_BUSY, 0, "catalog '%s': another process is using it", path);
    return tz_hint(err, "wait until the other run has ended, then try again");
}

static int with_suffix(char **ret, const char *path, const char *suffix, struct tz_error *err)
{
    size_t size = strlen(path) + strlen(suffix) + 1;
    char *text = malloc(size);
    if (!text)
        return tz_fail_nomem(err);
    (void)snprintf(text, size, "%s%s", path, suffix);
    *ret = text;
    return 0;
}

/* "catalog.db.bad-20261122T053000Z", with "-2" if that is taken. */
static int free_name(char **ret, const char *path, struct tz_error *err)
{
    char time[TZ_TIME_TEXT], suffix[TZ_TIME_TEXT + 32];
    struct stat st;

    tz_time_format_name(time, tz_now());
    (void)snprintf(suffix, sizeof(suffix), ".bad-%s", time);
    for (int i = 2; i < ASIDE_TRIES; i++) {
        TZ_SCOPED(tz_scoped_free) char *name = NULL;
        if (with_suffix(&name, path, suffix, err))
            return -1;
        if (lstat(name, &st) && errno == ENOENT) {
            *ret = TZ_TAKE(name);
            return 0;
        }
        (void)snprintf(suffix, sizeof(suffix), ".bad-%s-%d", time, i);
    }
    return tz_fail(err, TZ_EXISTS, "catalog '%s': too many were put aside", path);
}

static int move(const char *from, const char *to, struct tz_error *err)
{
    if (rename(from, to) && errno != ENOENT)
        return tz_fail_errno(err, errno, "rename '%s' to '%s'", from, to);
    return 0;
}

/*
 * The log goes first: left beside a new database it would be taken for that one's.  The old
 * database with its log under the new name can still be opened by hand.
 */
static int move_all(const char *path, const char *aside, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free) char *log = NULL, *aside_log = NULL, *shared = NULL;

    if (with_suffix(&log, path, "-wal", err) || with_suffix(&aside_log, aside, "-wal", err) ||
        with_suffix(&shared, path, "-shm", err))
        return -1;
    if (move(log, aside_log, err))
        return -1;
    if (unlink(shared) && errno != ENOENT)
        return tz_fail_errno(err, errno, "remove '%s'", shared);
    if (move(path, aside, err))
        return -1;
    return tz_sync_parent(path, err);
}

int tz_catalog_put_aside(const char *state, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free) char *path = tz_path_join(state, TZ_CATALOG_FILE);
    if (!path)
        return tz_fail_nomem(err);
    TZ_SCOPED(tz_scoped_fd) int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0)
        return tz_fail_errno(err, errno, "catalog '%s': open", path);

    TZ_SCOPED(tz_scoped_free) char *aside = NULL;
    if (lock(fd, path, err) || free_name(&aside, path, err))
        return -1;
    return move_all(path, aside, err);
}
