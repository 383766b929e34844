#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "tozai/util/file.h"
#include "file_driver.h"
#include "tozai/util/hex.h"
#include "tozai/util/time.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "tozai/util/banned.h"

/* Is this how a path says that there is no such object? */
bool tz_file_missing(const struct tz_file_store *store, int number)
{
    return (number == ENOENT || number == ENOTDIR) && !tz_file_gone(store);
}

/* "file:///a/b" and "file:/a/b" are "/a/b". */
int tz_store_local_path(char **ret, const char *url, struct tz_error *err)
{
    if (strncmp(url, "file:", strlen("file:")) != 0) {
        *ret = NULL;
        return 0;
    }
    const char *path = url + strlen("file:");
    if (strncmp(path, "///", 3) == 0)
        path += 2;
    if (path[0] != '/' || path[1] == '/') {
        (void)tz_fail(err, TZ_INVALID, "'%s' does not name an absolute path", url);
        return tz_hint(err, "write file:///backup/east for the directory /backup/east");
    }
    TZ_SCOPED(tz_scoped_free) char *text = strdup(path);
    if (!text)
        return tz_fail_nomem(err);
    if (!tz_percent_decode(text)) {
        (void)tz_fail(err, TZ_INVALID, "'%s' has a '%%' without two digits behind it", url);
        return tz_hint(err, "write %%25 for the character itself");
    }
    *ret = TZ_TAKE(text);
    return 0;
}

static int open_top(struct tz_file_store *store, struct tz_error *err)
{
    if (!store->path)
        return tz_fail(err, TZ_INVALID, "the url does not name a directory");
    store->top = open(store->path, TZ_FILE_OPEN_DIRECTORY);
    if (store->top >= 0)
        return 0;
    int number = errno;
    (void)tz_fail_errno(err, number, "open directory '%s'", store->path);
    if (err && (number == ENOENT || tz_file_unreachable(number)))
        err->kind = TZ_UNAVAILABLE;
    else if (err && number == ENOTDIR)
        err->kind = TZ_INVALID;
    if (number == ENOENT)
        return tz_hint(
            err, "is the disk mounted?  Only 'tozai init' makes the directory of a new store: "
                 "for one that is added make it before");
    return -1;
}

static void file_free(void *state)
{
    struct tz_file_store *store = state;
    if (!store)
        return;
    if (store->top >= 0)
        (void)close(store->top);
    (void)pthread_mutex_destroy(&store->making);
    tz_pace_free(store->upload);
    tz_pace_free(store->download);
    free(store->path);
    free(store);
}
TZ_DEFINE_SCOPED(struct tz_file_store *, scoped_file_store, file_free)

static int file_open(void **ret, const struct tz_store_options *options, struct tz_error *err)
{
    TZ_SCOPED(scoped_file_store) struct tz_file_store *store = calloc(1, sizeof(*store));
    if (!store)
        return tz_fail_nomem(err);
    store->top = -1;
    store->making = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    if (tz_store_local_path(&store->path, options->url, err) ||
        tz_pace_new(&store->upload, options->upload, options->zone, err) ||
        tz_pace_new(&store->download, options->download, options->zone, err))
        return -1;
    if (options->create && !options->read_only && tz_make_dirs(store->path, S_IRWXU, err))
        return -1;
    if (open_top(store, err))
        return -1;
    if (!options->read_only)
        tz_file_clean_temporary(store);
    *ret = TZ_TAKE(store);
    return 0;
}

static int file_stat(void *state, const char *name, struct tz_store_stat *ret, struct tz_error *err)
{
    struct tz_file_store *store = state;
    TZ_SCOPED(tz_scoped_fd) int dir = -1;
    const char *base = NULL;
    struct stat st;
    int number = tz_file_open_parent(store, name, false, &base, &dir);
    if (!number && fstatat(dir, base, &st, AT_SYMLINK_NOFOLLOW))
        number = errno;
    *ret = (struct tz_store_stat){0};
    if (tz_file_missing(store, number))
        return 0;
    if (number)
        return tz_file_fail(store, number, "look for", name, err);
    if (S_ISREG(st.st_mode))
        *ret = (struct tz_store_stat){
            .exists = true,
            .size = (uint64_t)st.st_size,
            .changed_ns = (int64_t)st.st_mtim.tv_sec * TZ_SECOND_NS + st.st_mtim.tv_nsec,
        };
    return 0;
}

static int file_remove(void *state, const char *name, struct tz_error *err)
{
    struct tz_file_store *store = state;
    TZ_SCOPED(tz_scoped_fd) int dir = -1;
    const char *base = NULL;
    int number = tz_file_open_parent(store, name, false, &base, &dir);
    if (!number)
        number = unlinkat(dir, base, 0) ? errno : tz_file_sync_dir(dir);
    if (!number || number == EISDIR || tz_file_missing(store, number))
        return 0;
    return tz_file_fail(store, number, "remove", name, err);
}

static int file_remove_many(void *state, const char *const *names, size_t count, bool *removed,
                            struct tz_error *err)
{
    return tz_store_remove_each(file_remove, state, names, count, removed, err);
}

const struct tz_store_driver tz_store_driver_file = {
    .scheme = "file",
    .features = TZ_STORE_RANGES | TZ_STORE_ATOMIC | TZ_STORE_LOCAL,
    .open = file_open,
    .free = file_free,
    .put = tz_file_put,
    .get = tz_file_get,
    .stat = file_stat,
    .list = tz_file_list,
    .remove = file_remove,
    .remove_many = file_remove_many,
    .leftovers = tz_file_leftovers,
    .remove_leftover = tz_file_remove_leftover,
    .region = tz_store_no_region,
    .probe = tz_store_sure,
    .trust = tz_store_no_trust,
};
