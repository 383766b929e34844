#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "file_driver.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "tozai/util/banned.h"

bool tz_file_gone(const struct tz_file_store *store)
{
    struct stat st;
    return fstat(store->top, &st) != 0 || st.st_nlink == 0;
}

bool tz_file_unreachable(int number)
{
    switch (number) {
    case ESTALE:
    case ENODEV:
    case ENXIO:
    case ENOTCONN:
    case ECONNABORTED:
    case ECONNRESET:
    case ETIMEDOUT:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENETDOWN:
    case ENETUNREACH:
        return true;
    default:
        return false;
    }
}

void tz_file_error(const struct tz_file_store *store, int number, const char *verb,
                   const char *name, struct tz_error *err)
{
    if (!err)
        return;
    if (number == ENOENT && tz_file_gone(store)) {
        tz_error_set(err, TZ_UNAVAILABLE, number, "%s '%s' in '%s': the directory has gone", verb,
                     name, store->path);
        tz_error_hint(err, "was the disk unmounted, or the directory removed?");
        return;
    }
    tz_error_set_errno(err, number, "%s '%s' in '%s'", verb, name, store->path);
    if (tz_file_unreachable(number)) {
        err->kind = TZ_UNAVAILABLE;
    } else if (number == ELOOP) {
        tz_error_set(err, TZ_DENIED, number,
                     "%s '%s' in '%s': a symbolic link stands in the way and is not followed", verb,
                     name, store->path);
        tz_error_hint(err, "to spread a store over several disks, use a bind mount");
    } else if (number == EOPNOTSUPP) {
        err->kind = TZ_UNSUPPORTED;
        tz_error_hint(err, "the file system must be able to rename without replacing, or to link");
    } else if (number == EXDEV) {
        tz_error_hint(err, "'%s/%s' and the objects must lie on the same file system", store->path,
                      TZ_FILE_TEMPORARY);
    }
}

int tz_file_sync_dir(int dir)
{
    /* Some file systems have nothing to sync in a directory and say so with EINVAL. */
    if (fsync(dir) && errno != EINVAL)
        return errno;
    return 0;
}

int tz_file_open_child(int dir, const char *name, int *ret_fd)
{
    int fd = openat(dir, name, TZ_FILE_OPEN_DIRECTORY | O_NOFOLLOW);
    if (fd >= 0) {
        *ret_fd = fd;
        return 0;
    }
    int number = errno;
    struct stat st;
    if (number == ENOTDIR && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISLNK(st.st_mode))
        return ELOOP;
    return number;
}

static int make_and_open(int dir, const char *name, int *ret_fd)
{
    int number = tz_file_open_child(dir, name, ret_fd);
    if (number != ENOENT)
        return number;
    if (mkdirat(dir, name, S_IRWXU)) {
        if (errno != EEXIST)
            return errno;
    } else {
        number = tz_file_sync_dir(dir);
        if (number) {
            (void)unlinkat(dir, name, AT_REMOVEDIR);
            return number;
        }
    }
    return tz_file_open_child(dir, name, ret_fd);
}

int tz_file_make_child(struct tz_file_store *store, int dir, const char *name, int *ret_fd)
{
    (void)pthread_mutex_lock(&store->making);
    int number = make_and_open(dir, name, ret_fd);
    (void)pthread_mutex_unlock(&store->making);
    return number;
}

int tz_file_open_parent(struct tz_file_store *store, const char *name, bool create,
                        const char **ret_base, int *ret_fd)
{
    TZ_SCOPED(tz_scoped_fd) int dir = openat(store->top, ".", TZ_FILE_OPEN_DIRECTORY);
    if (dir < 0)
        return errno;
    for (const char *slash = strchr(name, '/'); slash; slash = strchr(name, '/')) {
        char component[TZ_STORE_NAME_MAX + 1] = "";
        memcpy(component, name, (size_t)(slash - name));
        int child = -1;
        int number = create ? tz_file_make_child(store, dir, component, &child)
                            : tz_file_open_child(dir, component, &child);
        if (number)
            return number;
        (void)close(dir);
        dir = child;
        name = slash + 1;
    }
    *ret_base = name;
    *ret_fd = TZ_TAKE_FD(dir);
    return 0;
}
