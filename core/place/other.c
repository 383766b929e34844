/*
 * Symbolic links, fifos, sockets, devices, and further names of files.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "place.h"

#include "tozai/core/inode_flags.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "tozai/util/banned.h"

static mode_t kind_of(enum tz_entry_type type)
{
    switch (type) {
    case TZ_ENTRY_SYMLINK:
        return S_IFLNK;
    case TZ_ENTRY_FIFO:
        return S_IFIFO;
    case TZ_ENTRY_SOCKET:
        return S_IFSOCK;
    case TZ_ENTRY_CHARACTER:
        return S_IFCHR;
    case TZ_ENTRY_BLOCK:
        return S_IFBLK;
    default:
        return 0;
    }
}

static dev_t device_of(const struct tz_entry *entry)
{
    if (entry->type != TZ_ENTRY_CHARACTER && entry->type != TZ_ENTRY_BLOCK)
        return 0;
    return makedev((unsigned)(entry->device >> 32), (unsigned)entry->device);
}

static int make(const struct tz_spot *spot, const struct tz_entry *entry)
{
    if (entry->type == TZ_ENTRY_SYMLINK)
        return symlinkat(entry->link, spot->parent.fd, spot->name);
    return mknodat(spot->parent.fd, spot->name, kind_of(entry->type) | 0600, device_of(entry));
}

/* Is what stands there already what it should be, metadata aside? */
static bool is_same(const struct tz_spot *spot, const struct tz_entry *entry, const struct stat *st)
{
    char target[PATH_MAX];

    if ((st->st_mode & S_IFMT) != kind_of(entry->type))
        return false;
    if (entry->type != TZ_ENTRY_SYMLINK)
        return st->st_rdev == device_of(entry);
    ssize_t len = readlinkat(spot->parent.fd, spot->name, target, sizeof(target));
    return len >= 0 && (size_t)len == entry->link_len &&
           memcmp(target, entry->link, entry->link_len) == 0;
}

/* Can what was found, and has other names, stay as it is? */
static bool stays(const struct tz_spot *spot, const struct tz_entry *entry, const struct stat *st)
{
    struct tz_placed placed = {.path_only = true};
    TZ_SCOPED(tz_scoped_fd)
    int fd = openat(spot->parent.fd, spot->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

    placed.fd = fd;
    return fd >= 0 && fstat(fd, &placed.st) == 0 && placed.st.st_ino == st->st_ino &&
           placed.st.st_dev == st->st_dev && tz_place_may_stay(spot->place, entry, &placed);
}

/* Metadata of what was just made or found. */
static int complete(const struct tz_spot *spot, const struct tz_entry *entry, bool fresh,
                    struct tz_error *err)
{
    struct tz_placed placed = {.path_only = true, .fresh = fresh && !spot->parent.inherits};
    TZ_SCOPED(tz_scoped_fd)
    int fd = openat(spot->parent.fd, spot->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &placed.st))
        return tz_fail_errno(err, errno, "open");
    /* Else it might be somebody's file, put there to get an owner or a mode. */
    if ((placed.st.st_mode & S_IFMT) != kind_of(entry->type) || placed.st.st_nlink != 1)
        return tz_fail(err, TZ_FAILED, "it was replaced while it was restored");
    placed.fd = fd;
    tz_place_metadata(spot->place, entry, &placed);
    return 0;
}

static void note_not_made(struct tz_place *place, const struct tz_entry *entry, int number)
{
    struct tz_error why = {0};

    (void)tz_fail_errno(&why, number, "make %s", tz_entry_type_name(entry->type));
    tz_place_note(place, entry, TZ_LACK_DEVICE, &why);
}

static bool is_link_sane(const struct tz_entry *entry)
{
    return entry->link && entry->link_len > 0 && strlen(entry->link) == entry->link_len;
}

static int place_special(struct tz_place *place, const struct tz_entry *entry, struct tz_error *err)
{
    TZ_SCOPED(tz_spot_close) struct tz_spot spot = {0};
    struct stat st;
    bool there = false;

    if (entry->type == TZ_ENTRY_SYMLINK && !is_link_sane(entry))
        return tz_fail(err, TZ_CORRUPT, "a symbolic link without a target");
    if (tz_spot_open(place, entry->path, entry->path_len, &spot, err))
        return -1;
    for (int i = 0; i < TZ_PLACE_TRIES; i++) {
        if (make(&spot, entry) == 0)
            return complete(&spot, entry, true, err);
        if (errno == EPERM && entry->type != TZ_ENTRY_SYMLINK) {
            note_not_made(place, entry, errno);
            return 0;
        }
        if (errno != EEXIST)
            return tz_fail_errno(err, errno, "make %s", tz_entry_type_name(entry->type));
        if (place->overwrite == TZ_OVERWRITE_NEVER)
            return 0;
        if (tz_spot_stat(&spot, &st, &there, err))
            return -1;
        bool same = there && is_same(&spot, entry, &st);
        if (same && st.st_nlink == 1)
            return complete(&spot, entry, false, err);
        if (same && stays(&spot, entry, &st))
            return 0;
        if (there && tz_spot_remove(&spot, entry, err))
            return -1;
    }
    return tz_fail(err, TZ_BUSY, "something else keeps appearing in its place");
}

/* A locked inode gets no new name: take the lock off for the moment. */
static int link_locked(const struct tz_spot *from, const struct tz_spot *to)
{
    uint32_t flags = 0;
    struct stat st;

    if (fstatat(from->parent.fd, from->name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode)) {
        errno = EPERM;
        return -1;
    }
    TZ_SCOPED(tz_scoped_fd)
    int fd = openat(from->parent.fd, from->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || !tz_inode_flags_get(fd, &flags) || !(flags & TZ_INODE_LOCKS) ||
        tz_inode_flags_set(fd, flags & ~TZ_INODE_LOCKS)) {
        errno = EPERM;
        return -1;
    }
    int status = linkat(from->parent.fd, from->name, to->parent.fd, to->name, 0);
    int number = errno;
    (void)tz_inode_flags_set(fd, flags);
    errno = number;
    return status;
}

static int make_link(const struct tz_spot *from, const struct tz_spot *to)
{
    if (linkat(from->parent.fd, from->name, to->parent.fd, to->name, 0) == 0)
        return 0;
    return errno == EPERM ? link_locked(from, to) : -1;
}

static bool is_same_file(const struct tz_spot *a, const struct tz_spot *b)
{
    struct stat first, second;

    return fstatat(a->parent.fd, a->name, &first, AT_SYMLINK_NOFOLLOW) == 0 &&
           fstatat(b->parent.fd, b->name, &second, AT_SYMLINK_NOFOLLOW) == 0 &&
           first.st_ino == second.st_ino && first.st_dev == second.st_dev;
}

static int place_link(struct tz_place *place, const struct tz_entry *entry, struct tz_error *err)
{
    TZ_SCOPED(tz_spot_close) struct tz_spot from = {0};
    TZ_SCOPED(tz_spot_close) struct tz_spot to = {0};

    if (!is_link_sane(entry) || !tz_path_valid(entry->link, entry->link_len))
        return tz_fail(err, TZ_CORRUPT, "a hard link without a first name");
    if (tz_spot_open(place, entry->link, entry->link_len, &from, err) ||
        tz_spot_open(place, entry->path, entry->path_len, &to, err))
        return -1;
    for (int i = 0; i < TZ_PLACE_TRIES; i++) {
        if (make_link(&from, &to) == 0)
            return 0;
        if (errno != EEXIST) {
            (void)tz_fail_errno(err, errno, "link to '%s'", entry->link);
            return tz_hint(err, "the other name of this file must be restored before, to a file "
                                "system that has hard links");
        }
        if (place->overwrite == TZ_OVERWRITE_NEVER || is_same_file(&from, &to))
            return 0;
        if (tz_spot_remove(&to, entry, err))
            return -1;
    }
    return tz_fail(err, TZ_BUSY, "something else keeps appearing in its place");
}

int tz_place_other(struct tz_place *place, const struct tz_entry *entry, struct tz_error *err)
{
    switch (entry->type) {
    case TZ_ENTRY_HARDLINK:
        return place_link(place, entry, err);
    case TZ_ENTRY_SYMLINK:
    case TZ_ENTRY_FIFO:
    case TZ_ENTRY_SOCKET:
    case TZ_ENTRY_CHARACTER:
    case TZ_ENTRY_BLOCK:
        return place_special(place, entry, err);
    default:
        return tz_fail(err, TZ_CORRUPT, "an entry of unknown type %d", (int)entry->type);
    }
}
