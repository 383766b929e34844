/*
 * An SQLite database as a source: a consistent copy while others write to it.
 *
 * While this process has the database open through SQLite it must never open and close the file
 * itself: that would drop SQLite's POSIX locks.  So everything else about it comes from calls by
 * path.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "input.h"
#include "meta.h"
#include "sqlite_copy.h"

#include "tozai/util/file.h"
#include "tozai/util/time.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tozai/util/banned.h"

struct database {
    char *path;      /* as configured: its base name is the entry's */
    char *real_path; /* without symbolic links: SQLite keeps the log beside this one */
    char *log_path;
    char *scratch;
    uint32_t block_size;
    int64_t time_ns;
    bool given;
    struct tz_owners *owners;
    tz_source_warn_fn *warn;
    void *warn_arg;
};

static void database_free(void *state)
{
    struct database *database = state;

    if (!database)
        return;
    tz_owners_free(database->owners);
    free(database->path);
    free(database->real_path);
    free(database->log_path);
    free(database->scratch);
    free(database);
}

TZ_DEFINE_SCOPED(struct database *, scoped_database, database_free)

static int set_paths(struct database *database, const struct tz_source_options *options,
                     struct tz_error *err)
{
    const char *path = options->config->paths.items[0];
    const char *scratch = options->scratch;

    database->path = strdup(path);
    database->scratch = strdup(scratch ? scratch : "/tmp");
    if (!database->path || !database->scratch)
        return tz_fail_nomem(err);
    database->real_path = realpath(path, NULL);
    if (!database->real_path)
        return tz_fail_errno(err, errno, "path '%s'", path);
    if (asprintf(&database->log_path, "%s-wal", database->real_path) < 0) {
        database->log_path = NULL;
        return tz_fail_nomem(err);
    }
    return 0;
}

static int database_open(void **ret, const struct tz_source_options *options, struct tz_error *err)
{
    const struct tz_config_source *config = options->config;
    struct stat st;
    TZ_SCOPED(scoped_database) struct database *database = calloc(1, sizeof(*database));
    if (!database)
        return tz_fail_nomem(err);

    if (config->paths.count != 1)
        return tz_fail(err, TZ_INVALID, "a source of type 'sqlite' has exactly one path");
    if (config->block_size > UINT32_MAX)
        return tz_fail(err, TZ_INVALID, "block_size is too large");
    if (set_paths(database, options, err))
        return -1;
    if (stat(database->real_path, &st))
        return tz_fail_errno(err, errno, "path '%s'", database->path);
    if (!S_ISREG(st.st_mode))
        return tz_fail(err, TZ_INVALID, "path '%s' is not a file", database->path);
    if (tz_owners_new(&database->owners, err))
        return -1;
    database->block_size = (uint32_t)config->block_size;
    database->time_ns = tz_now();
    database->warn = options->warn;
    database->warn_arg = options->warn_arg;
    *ret = TZ_TAKE(database);
    return 0;
}

static bool is_later(const struct statx_timestamp *a, int64_t b_s, uint32_t b_ns)
{
    return a->tv_sec != b_s ? a->tv_sec > b_s : a->tv_nsec > b_ns;
}

/*
 * The entry's stat, with the newest times of the database and its log.  A log without content
 * does not count: SQLite makes one when the database is only looked at.  Nor does the log's change
 * time: SQLite sets the log's owner whenever root opens it; each commit sets its modification time.
 */
static int set_stat(const struct database *database, struct tz_entry *entry, struct tz_error *err)
{
    struct statx st, log;

    if (statx(AT_FDCWD, database->real_path, 0, TZ_STATX_MASK, &st))
        return tz_fail_errno(err, errno, "stat '%s'", database->path);
    tz_entry_set_stat(entry, &st);
    if (statx(AT_FDCWD, database->log_path, 0, TZ_STATX_MASK, &log)) {
        if (errno == ENOENT)
            return 0;
        return tz_fail_errno(err, errno, "stat '%s'", database->log_path);
    }
    if (log.stx_size == 0)
        return 0;
    if (is_later(&log.stx_mtime, entry->mtime_s, entry->mtime_ns)) {
        entry->mtime_s = log.stx_mtime.tv_sec;
        entry->mtime_ns = log.stx_mtime.tv_nsec;
    }
    if (is_later(&log.stx_mtime, entry->ctime_s, entry->ctime_ns)) {
        entry->ctime_s = log.stx_mtime.tv_sec;
        entry->ctime_ns = log.stx_mtime.tv_nsec;
    }
    return 0;
}

static int database_next(void *state, struct tz_entry *entry, bool *ret_done, struct tz_error *err)
{
    struct database *database = state;
    const char *name = tz_path_base(database->path);

    *ret_done = database->given;
    if (database->given)
        return 0;
    if (tz_entry_set_path(entry, name, strlen(name), err) || set_stat(database, entry, err))
        return -1;
    database->given = true;
    return 0;
}

/* The copy was made after the stat: what changed in between is seen as a change the next time. */
static int database_load(void *state, struct tz_entry *entry, struct tz_input **ret_input,
                         struct tz_error *err)
{
    struct database *database = state;
    struct tz_sqlite_copy copy = {.fd = -1};
    struct tz_error why = {0};
    struct statx st;

    if (set_stat(database, entry, err) || tz_owners_fill(database->owners, entry, err))
        return -1;
    if (tz_entry_read_xattrs(entry, -1, database->real_path, &why) && database->warn)
        database->warn(database->warn_arg, entry->path, entry->path_len, &why);
    if (tz_sqlite_copy(&copy, database->real_path, database->scratch, err))
        return tz_while(err, "database '%s'", database->path);
    if (statx(copy.fd, "", AT_EMPTY_PATH, TZ_STATX_MASK, &st)) {
        (void)close(copy.fd);
        return tz_fail_errno(err, errno, "stat");
    }
    entry->size = st.stx_size;
    database->time_ns = copy.time_ns;

    struct tz_file_input_options options = {
        .block_size = database->block_size ? database->block_size : copy.page_size,
        .size = st.stx_size,
        .fixed = true,
    };
    return tz_file_input_new(ret_input, copy.fd, &st, &options, err);
}

static int database_finish(void *state, int64_t *ret_time_ns, char **ret_position,
                           struct tz_error *err)
{
    const struct database *database = state;
    char *position = strdup("");

    if (!position)
        return tz_fail_nomem(err);
    *ret_time_ns = database->time_ns;
    *ret_position = position;
    return 0;
}

const struct tz_source_driver tz_source_driver_sqlite = {
    .type = TZ_SOURCE_SQLITE,
    .open = database_open,
    .next = database_next,
    .load = database_load,
    .finish = database_finish,
    .free = database_free,
};
