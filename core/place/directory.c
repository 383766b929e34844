/*
 * Directories: made open for the restore, completed at the end.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "place.h"

#include "tozai/core/inode_flags.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tozai/util/banned.h"

/* Remember that the directory was there and stays as it is. */
static int keep(struct tz_place *place, const struct stat *st, struct tz_error *err)
{
    bool fresh;

    (void)pthread_mutex_lock(&place->lock);
    bool added = tz_inode_set_add(&place->kept, st, &fresh);
    (void)pthread_mutex_unlock(&place->lock);
    return added ? 0 : tz_fail_nomem(err);
}

static bool is_kept(struct tz_place *place, const struct stat *st)
{
    (void)pthread_mutex_lock(&place->lock);
    bool kept = tz_inode_set_has(&place->kept, st);
    (void)pthread_mutex_unlock(&place->lock);
    return kept;
}

/* A directory that was there: let us work in it.  What cannot be done shows when it is used. */
static int prepare_old(struct tz_place *place, int parent, const char *name, struct tz_error *err)
{
    struct stat st;
    uint32_t flags = 0;
    TZ_SCOPED(tz_scoped_fd)
    int path_fd = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (path_fd < 0 || fstat(path_fd, &st))
        return tz_fail_errno(err, errno, "open directory");
    if (place->overwrite == TZ_OVERWRITE_NEVER)
        return keep(place, &st, err);
    if (geteuid() != 0 && st.st_uid == geteuid() && (st.st_mode & 0700) != 0700)
        (void)tz_chmod_path_fd(path_fd, (st.st_mode & 07777) | 0700);
    TZ_SCOPED(tz_scoped_fd) int fd = openat(path_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && tz_inode_flags_get(fd, &flags) && (flags & TZ_INODE_LOCKS))
        (void)tz_inode_flags_set(fd, flags & ~TZ_INODE_LOCKS);
    return 0;
}

/* A new directory has no default ACL until it is finished, so that nothing inherits it. */
static void prepare_new(const struct tz_spot *spot)
{
    if (!spot->parent.inherits)
        return;
    TZ_SCOPED(tz_scoped_fd)
    int fd = openat(spot->parent.fd, spot->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)fremovexattr(fd, "system.posix_acl_default");
    (void)fremovexattr(fd, "system.posix_acl_access");
    (void)fchmod(fd, 0700);
    (void)tz_inode_flags_set(fd, 0);
}

/* *ret_done false: something else stood there and was removed. */
static int make(const struct tz_spot *spot, const struct tz_entry *entry, bool *ret_done,
                struct tz_error *err)
{
    struct stat st;
    bool there = false;

    *ret_done = true;
    if (mkdirat(spot->parent.fd, spot->name, 0700) == 0) {
        prepare_new(spot);
        return 0;
    }
    if (errno != EEXIST)
        return tz_fail_errno(err, errno, "make directory");
    if (tz_spot_stat(spot, &st, &there, err))
        return -1;
    if (there && S_ISDIR(st.st_mode))
        return prepare_old(spot->place, spot->parent.fd, spot->name, err);
    if (there && spot->place->overwrite == TZ_OVERWRITE_NEVER)
        return tz_fail(err, TZ_EXISTS, "something that is not a directory stands there");
    *ret_done = false;
    return there ? tz_spot_remove(spot, entry, err) : 0;
}

static int place_root(struct tz_place *place, struct tz_error *err)
{
    return place->root_made ? 0 : prepare_old(place, place->root, ".", err);
}

int tz_place_directory(struct tz_place *place, const struct tz_entry *entry, struct tz_error *err)
{
    TZ_SCOPED(tz_spot_close) struct tz_spot spot = {0};

    if (entry->path_len == 0)
        return place_root(place, err);
    if (tz_spot_open(place, entry->path, entry->path_len, &spot, err))
        return -1;
    for (int i = 0; i < TZ_PLACE_TRIES; i++) {
        bool done = false;
        if (make(&spot, entry, &done, err))
            return -1;
        if (done)
            return 0;
    }
    return tz_fail(err, TZ_BUSY, "something else keeps appearing in the directory's place");
}

int tz_place_finish_directory(struct tz_place *place, const struct tz_entry *entry,
                              struct tz_error *err)
{
    TZ_SCOPED(tz_spot_close) struct tz_spot spot = {0};
    TZ_SCOPED(tz_scoped_fd) int fd = -1;
    struct tz_placed placed = {0};

    if (entry->path_len == 0) {
        fd = openat(place->root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    } else {
        if (tz_spot_open(place, entry->path, entry->path_len, &spot, err))
            return -1;
        fd = openat(spot.parent.fd, spot.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    }
    if (fd < 0 || fstat(fd, &placed.st))
        return tz_fail_errno(err, errno, "open directory");
    if (place->overwrite == TZ_OVERWRITE_NEVER && is_kept(place, &placed.st))
        return 0;
    placed.fd = fd;
    tz_place_metadata(place, entry, &placed);
    /* Whether new files inherit from it is no longer what the cache believes. */
    tz_parents_forget(place->parents, entry->path, entry->path_len);
    return 0;
}
