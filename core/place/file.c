/*
 * Regular files: opened for their content, completed afterwards.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "place.h"

#include "tozai/core/inode_flags.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <unistd.h>

#include "tozai/util/banned.h"

/* These only take effect on a file that is still empty. */
#define EARLY_FLAGS ((uint32_t)(FS_NOCOW_FL | FS_COMPR_FL))

void tz_place_set_fresh(struct tz_place *place, int fd, bool fresh)
{
    if (fd < TZ_PLACE_FDS)
        atomic_store_explicit(&place->fresh[fd], fresh, memory_order_relaxed);
}

static bool is_fresh(const struct tz_place *place, int fd)
{
    return fd < TZ_PLACE_FDS && atomic_load_explicit(&place->fresh[fd], memory_order_relaxed);
}

bool tz_spot_create(const struct tz_spot *spot, const struct tz_entry *entry, int *ret_fd)
{
    int fd = openat(spot->parent.fd, spot->name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                    0600);

    *ret_fd = fd;
    if (fd < 0)
        return errno != EEXIST;
    tz_place_set_fresh(spot->place, fd, !spot->parent.inherits);
    if (entry->inode_flags & EARLY_FLAGS)
        (void)tz_inode_flags_set(fd, entry->inode_flags & EARLY_FLAGS); /* finished later */
    return true;
}

static bool is_alike(const struct stat *st, const struct tz_entry *entry)
{
    return st->st_size >= 0 && (uint64_t)st->st_size == entry->size &&
           st->st_mtim.tv_sec == entry->mtime_s && st->st_mtim.tv_nsec == (long)entry->mtime_ns;
}

/* While it is written nobody may read or change it who may not later. */
static bool is_too_open(const struct stat *st, const struct tz_entry *entry)
{
    return st->st_uid != entry->uid || st->st_gid != entry->gid ||
           (st->st_mode & 07777 & ~(mode_t)entry->mode) != 0;
}

/* Is what was opened the file that was seen? */
static bool is_it(const struct stat *st, const struct stat *expected)
{
    return S_ISREG(st->st_mode) && st->st_ino == expected->st_ino && st->st_dev == expected->st_dev;
}

/* Open the file that is there. *ret_fd -1: it must make way for a new one. */
static int open_old(const struct tz_spot *spot, const struct tz_entry *entry,
                    const struct stat *expected, int *ret_fd, struct tz_error *err)
{
    int flags = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    struct stat st;
    TZ_SCOPED(tz_scoped_fd) int fd = openat(spot->parent.fd, spot->name, flags);

    *ret_fd = -1;
    if (fd < 0 && errno == EPERM && tz_unlock_at(spot->parent.fd, spot->name))
        fd = openat(spot->parent.fd, spot->name, flags);
    if (fd < 0) /* read-only, running, or replaced in this moment */
        return 0;
    if (fstat(fd, &st))
        return tz_fail_errno(err, errno, "stat");
    if (!is_it(&st, expected) || st.st_nlink != 1)
        return 0;
    if (is_too_open(&st, entry) && fchmod(fd, 0600))
        return 0;
    tz_place_set_fresh(spot->place, fd, false);
    *ret_fd = TZ_TAKE_FD(fd);
    return 0;
}

/* The same for one with other names, which is only looked at. */
static int open_shared(const struct tz_spot *spot, const struct stat *expected)
{
    struct stat st;
    TZ_SCOPED(tz_scoped_fd)
    int fd = openat(spot->parent.fd, spot->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    return fd >= 0 && fstat(fd, &st) == 0 && is_it(&st, expected) ? TZ_TAKE_FD(fd) : -1;
}

/* One try with what stands there. *ret_done false: it is gone, or was removed. */
static int reuse(const struct tz_spot *spot, const struct tz_entry *entry, int *ret_fd,
                 uint64_t *ret_old_size, bool *ret_shared, bool *ret_done, struct tz_error *err)
{
    struct tz_place *place = spot->place;
    struct stat st;
    bool there = false;

    *ret_fd = -1;
    *ret_done = true;
    if (place->overwrite == TZ_OVERWRITE_NEVER)
        return 0;
    if (tz_spot_stat(spot, &st, &there, err))
        return -1;
    bool regular = there && S_ISREG(st.st_mode);
    if (regular && place->overwrite == TZ_OVERWRITE_CHANGED && is_alike(&st, entry))
        return 0;
    if (regular) {
        bool shared = st.st_nlink != 1;
        if (shared && ret_shared)
            *ret_fd = open_shared(spot, &st);
        if (!shared && open_old(spot, entry, &st, ret_fd, err))
            return -1;
        *ret_old_size = (uint64_t)st.st_size;
        if (ret_shared)
            *ret_shared = shared;
        if (*ret_fd >= 0)
            return 0;
    }
    *ret_done = false;
    return there ? tz_spot_remove(spot, entry, err) : 0;
}

int tz_place_file(struct tz_place *place, const struct tz_entry *entry, int *ret_fd,
                  uint64_t *ret_old_size, bool *ret_shared, struct tz_error *err)
{
    TZ_SCOPED(tz_spot_close) struct tz_spot spot = {0};

    if (tz_spot_open(place, entry->path, entry->path_len, &spot, err))
        return -1;
    for (int i = 0; i < TZ_PLACE_TRIES; i++) {
        int fd = -1;
        uint64_t old_size = 0;
        bool shared = false;
        bool done = tz_spot_create(&spot, entry, &fd);
        if (done && fd < 0)
            return tz_fail_errno(err, errno, "make file");
        if (!done && reuse(&spot, entry, &fd, &old_size, ret_shared ? &shared : NULL, &done, err))
            return -1;
        if (done) {
            *ret_fd = fd;
            *ret_old_size = old_size;
            if (ret_shared)
                *ret_shared = shared && fd >= 0;
            return 0;
        }
    }
    return tz_fail(err, TZ_BUSY, "something else keeps appearing in the file's place");
}

static int set_length(int fd, const struct stat *st, uint64_t size, struct tz_error *err)
{
    if ((uint64_t)st->st_size == size)
        return 0;
    if (size > INT64_MAX)
        return tz_fail(err, TZ_CORRUPT, "a file of impossible size");
    int status;
    do
        status = ftruncate(fd, (off_t)size);
    while (status && errno == EINTR);
    return status ? tz_fail_errno(err, errno, "set length") : 0;
}

int tz_place_finish_file(struct tz_place *place, const struct tz_entry *entry, int fd,
                         struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_fd) int file = fd;
    struct tz_placed placed = {.fd = fd, .fresh = is_fresh(place, fd)};

    if (fstat(fd, &placed.st))
        return tz_fail_errno(err, errno, "stat");
    if (set_length(fd, &placed.st, entry->size, err))
        return -1;
    tz_place_metadata(place, entry, &placed);
    if (close(TZ_TAKE_FD(file)) && errno != EINTR)
        return tz_fail_errno(err, errno, "close");
    return 0;
}

int tz_place_reopen(struct tz_place *place, const struct tz_entry *entry, int *ret_fd,
                    struct tz_error *err)
{
    TZ_SCOPED(tz_spot_close) struct tz_spot spot = {0};
    struct stat st;

    if (tz_spot_open(place, entry->path, entry->path_len, &spot, err))
        return -1;
    TZ_SCOPED(tz_scoped_fd)
    int fd = openat(spot.parent.fd, spot.name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return tz_fail_errno(err, errno, "open");
    if (fstat(fd, &st))
        return tz_fail_errno(err, errno, "stat");
    if (!S_ISREG(st.st_mode))
        return tz_fail(err, TZ_FAILED, "it is not a regular file");
    *ret_fd = TZ_TAKE_FD(fd);
    return 0;
}
