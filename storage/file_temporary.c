/*
 * What crashed puts of the file driver leave: files in tmp/.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "file_driver.h"

#include "tozai/util/file.h"
#include "tozai/util/log.h"
#include "tozai/util/time.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "tozai/util/banned.h"

/* A file that is so old is removed when the store is opened. */
#define TEMPORARY_AGE_NS (INT64_C(24) * 3600 * TZ_SECOND_NS)

/* 0 or an errno value; *ret NULL: there is no such folder, and so nothing in it. */
static int open_folder(struct tz_file_store *store, DIR **ret)
{
    TZ_SCOPED(tz_scoped_fd) int fd = -1;
    int number = tz_file_open_child(store->top, TZ_FILE_TEMPORARY, &fd);

    *ret = NULL;
    if (number)
        return number == ENOENT && !tz_file_gone(store) ? 0 : number;
    *ret = fdopendir(fd);
    if (!*ret)
        return errno;
    (void)TZ_TAKE_FD(fd);
    return 0;
}

/* A file that was renamed meanwhile is none. */
static bool look(int dir, const char *name, int64_t now_ns, int64_t *ret_age_ns, uint64_t *ret_size)
{
    struct stat st;

    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode))
        return false;
    *ret_age_ns = now_ns - (int64_t)st.st_mtim.tv_sec * TZ_SECOND_NS;
    *ret_size = (uint64_t)st.st_size;
    return true;
}

void tz_file_clean_temporary(struct tz_file_store *store)
{
    TZ_SCOPED(tz_scoped_dir) DIR *stream = NULL;
    int64_t now_ns = tz_now(), age_ns = 0;
    uint64_t size = 0;

    if (open_folder(store, &stream) || !stream)
        return;
    for (struct dirent *entry = readdir(stream); entry; entry = readdir(stream))
        if (look(dirfd(stream), entry->d_name, now_ns, &age_ns, &size) &&
            age_ns > TEMPORARY_AGE_NS && unlinkat(dirfd(stream), entry->d_name, 0) == 0)
            tz_debug("removed an old temporary file: %s/%s", TZ_FILE_TEMPORARY, entry->d_name);
}

int tz_file_leftovers(void *state, tz_store_leftover_fn *found, void *arg, struct tz_error *err)
{
    struct tz_file_store *store = state;
    TZ_SCOPED(tz_scoped_dir) DIR *stream = NULL;
    int64_t now_ns = tz_now();
    int number = open_folder(store, &stream);

    if (number)
        return tz_file_fail(store, number, "list", TZ_FILE_TEMPORARY, err);
    for (;;) {
        struct tz_store_leftover leftover = {0};
        errno = 0;
        const struct dirent *entry = stream ? readdir(stream) : NULL;
        if (!entry)
            break;
        leftover.id = entry->d_name;
        if (look(dirfd(stream), entry->d_name, now_ns, &leftover.age_ns, &leftover.bytes) &&
            found(arg, &leftover, err))
            return -1;
    }
    if (stream && errno)
        return tz_file_fail(store, errno, "list", TZ_FILE_TEMPORARY, err);
    return 0;
}

int tz_file_remove_leftover(void *state, const struct tz_store_leftover *leftover, int64_t still_ns,
                            bool *ret_removed, uint64_t *ret_bytes, struct tz_error *err)
{
    struct tz_file_store *store = state;
    TZ_SCOPED(tz_scoped_dir) DIR *stream = NULL;
    int64_t age_ns = 0;
    uint64_t size = 0;
    int number = strchr(leftover->id, '/') ? EINVAL : open_folder(store, &stream);

    if (!number && (!stream || !look(dirfd(stream), leftover->id, tz_now(), &age_ns, &size))) {
        *ret_removed = true; /* by somebody else */
        return 0;
    }
    if (!number && age_ns <= still_ns)
        return 0;
    if (!number && unlinkat(dirfd(stream), leftover->id, 0))
        number = errno;
    if (number && number != ENOENT)
        return tz_file_fail(store, number, "remove a temporary file of", leftover->id, err);
    *ret_removed = true;
    *ret_bytes = number ? 0 : size;
    return 0;
}
