#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "metadata.h"

#include "remove.h"

#include "tozai/core/inode_flags.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tozai/util/banned.h"

#define LIST_MAX  ((size_t)64 << 10) /* the kernel's limit, of values too */
#define PROC_PATH 64

struct work {
    struct tz_place *place;
    const struct tz_entry *entry;
    const struct tz_placed *placed;
    char path[PROC_PATH]; /* leads to what an O_PATH descriptor stands for, and no further */
    bool owner_failed, group_failed;
};

static void note_errno(const struct work *work, enum tz_place_lack lack, int number,
                       const char *what)
{
    struct tz_error why = {0};

    (void)tz_fail_errno(&why, number, "%s", what);
    tz_place_note(work->place, work->entry, lack, &why);
}

static int change_owner(const struct work *work, uid_t uid, gid_t gid)
{
    return fchownat(work->placed->fd, "", uid, gid, AT_EMPTY_PATH);
}

/* True if something was changed: that takes setuid, setgid and capabilities away. */
static bool set_owner(struct work *work)
{
    const struct stat *st = &work->placed->st;
    const struct tz_entry *entry = work->entry;

    if (st->st_uid == entry->uid && st->st_gid == entry->gid)
        return false;
    if (change_owner(work, entry->uid, entry->gid) == 0)
        return true;
    int number = errno;
    work->owner_failed = st->st_uid != entry->uid;
    /* A group that the user is in may be set without being root. */
    work->group_failed = st->st_gid != entry->gid && change_owner(work, (uid_t)-1, entry->gid) != 0;
    if (work->owner_failed || work->group_failed)
        note_errno(work, TZ_LACK_OWNER, number, "set owner and group");
    return true;
}

static void set_mode(const struct work *work, bool owner_changed)
{
    const struct tz_placed *placed = work->placed;
    uint32_t mode = work->entry->mode & 07777;

    if (S_ISLNK(placed->st.st_mode))
        return;
    /* Never for the benefit of another owner than the one it was meant for. */
    if (work->owner_failed)
        mode &= ~(uint32_t)S_ISUID;
    if (work->group_failed && !S_ISDIR(placed->st.st_mode))
        mode &= ~(uint32_t)S_ISGID;
    if (mode != (work->entry->mode & 07777))
        note_errno(work, TZ_LACK_MODE, EPERM, "set setuid or setgid without the owner");
    bool same = mode == (placed->st.st_mode & 07777) && work->entry->xattr_count == 0;
    if (same && placed->fresh && !(owner_changed && (mode & (S_ISUID | S_ISGID))))
        return;
    int failed = placed->path_only ? tz_chmod_path_fd(placed->fd, mode) : fchmod(placed->fd, mode);
    if (failed)
        note_errno(work, TZ_LACK_MODE, errno, "set mode");
}

static enum tz_place_lack lack_of(const char *name)
{
    static const struct {
        const char *prefix;
        enum tz_place_lack lack;
    } spaces[] = {
        {"user.", TZ_LACK_XATTR_USER},
        {"system.", TZ_LACK_XATTR_SYSTEM},
        {"security.", TZ_LACK_XATTR_SECURITY},
        {"trusted.", TZ_LACK_XATTR_TRUSTED},
    };
    for (size_t i = 0; i < TZ_COUNT(spaces); i++)
        if (strncmp(name, spaces[i].prefix, strlen(spaces[i].prefix)) == 0)
            return spaces[i].lack;
    return TZ_LACK_XATTR_OTHER;
}

static bool is_acl(const char *name)
{
    return strncmp(name, "system.posix_acl_", strlen("system.posix_acl_")) == 0;
}

static int set_xattr(const struct work *work, const struct tz_xattr *xattr)
{
    const void *value = xattr->value ? xattr->value : (const void *)"";

    if (work->placed->path_only)
        return setxattr(work->path, xattr->name, value, xattr->value_len, 0);
    return fsetxattr(work->placed->fd, xattr->name, value, xattr->value_len, 0);
}

static void set_xattrs(const struct work *work, bool acls)
{
    for (uint32_t i = 0; i < work->entry->xattr_count; i++) {
        const struct tz_xattr *xattr = &work->entry->xattrs[i];
        if (is_acl(xattr->name) != acls || set_xattr(work, xattr) == 0)
            continue;
        int number = errno;
        struct tz_error why = {0};
        (void)tz_fail_errno(&why, number, "set extended attribute '%s'", xattr->name);
        tz_place_note(work->place, work->entry, lack_of(xattr->name), &why);
    }
}

static bool is_wanted(const struct tz_entry *entry, const char *name)
{
    for (uint32_t i = 0; i < entry->xattr_count; i++)
        if (strcmp(entry->xattrs[i].name, name) == 0)
            return true;
    return false;
}

/* Labels that the system gives every file by itself are not ours to remove. */
static bool is_removable(const char *name)
{
    return lack_of(name) == TZ_LACK_XATTR_USER || lack_of(name) == TZ_LACK_XATTR_TRUSTED ||
           is_acl(name) || strcmp(name, "security.capability") == 0;
}

/* list holds LIST_MAX bytes. */
static ssize_t list_xattrs(const struct work *work, char *list)
{
    return work->placed->path_only ? listxattr(work->path, list, LIST_MAX)
                                   : flistxattr(work->placed->fd, list, LIST_MAX);
}

/* Remove what was there before, or came from the directory. */
static void remove_xattrs(const struct work *work)
{
    const struct tz_placed *placed = work->placed;
    TZ_SCOPED(tz_scoped_free) char *list = malloc(LIST_MAX);
    if (!list) {
        note_errno(work, TZ_LACK_XATTR_OTHER, ENOMEM, "list extended attributes");
        return;
    }

    ssize_t len = list_xattrs(work, list);
    for (ssize_t at = 0; at < len; at += (ssize_t)strlen(list + at) + 1) {
        const char *name = list + at;
        if (is_wanted(work->entry, name) || !is_removable(name))
            continue;
        int failed =
            placed->path_only ? removexattr(work->path, name) : fremovexattr(placed->fd, name);
        if (failed && errno != ENODATA)
            note_errno(work, lack_of(name), errno, "remove an extended attribute");
    }
}

static void set_flags(const struct work *work, uint32_t flags)
{
    if (tz_inode_flags_set(work->placed->fd, flags))
        note_errno(work, TZ_LACK_FLAGS, errno, "set inode flags");
}

static struct timespec mtime_of(const struct tz_entry *entry)
{
    uint32_t ns = entry->mtime_ns;

    /* Larger numbers have meanings of their own for the kernel. */
    return (struct timespec){.tv_sec = (time_t)entry->mtime_s,
                             .tv_nsec = ns < 1000000000 ? (long)ns : 0};
}

static void set_times(const struct work *work)
{
    const struct tz_placed *placed = work->placed;
    struct timespec times[2] = {
        {.tv_nsec = UTIME_OMIT}, /* the access time is not kept */
        mtime_of(work->entry),
    };
    int failed =
        placed->path_only ? utimensat(AT_FDCWD, work->path, times, 0) : futimens(placed->fd, times);
    if (failed)
        note_errno(work, TZ_LACK_TIMES, errno, "set modification time");
}

void tz_place_metadata(struct tz_place *place, const struct tz_entry *entry,
                       const struct tz_placed *placed)
{
    struct work work = {.place = place, .entry = entry, .placed = placed};
    uint32_t flags = entry->inode_flags & TZ_INODE_FLAGS, now = 0;
    bool may_have_flags = !placed->path_only && !placed->fresh;

    (void)snprintf(work.path, sizeof(work.path), "/proc/self/fd/%d", placed->fd);
    bool owner_changed = set_owner(&work);
    if (!placed->fresh)
        remove_xattrs(&work);
    /* An ACL may take from us the right to set the others. */
    set_xattrs(&work, false);
    set_xattrs(&work, true);
    set_mode(&work, owner_changed);

    bool set = !placed->path_only &&
               (flags != 0 || (may_have_flags && tz_inode_flags_get(placed->fd, &now) && now != 0));
    if (set)
        set_flags(&work, flags & ~TZ_INODE_LOCKS);
    set_times(&work);
    if (set && (flags & TZ_INODE_LOCKS))
        set_flags(&work, flags);
}

/* Every attribute that is wanted, with its value. */
static bool has_xattrs(const struct work *work)
{
    TZ_SCOPED(tz_scoped_free) uint8_t *value = malloc(LIST_MAX);

    for (uint32_t i = 0; i < work->entry->xattr_count; i++) {
        const struct tz_xattr *xattr = &work->entry->xattrs[i];
        ssize_t len = -1;
        if (value)
            len = work->placed->path_only
                      ? getxattr(work->path, xattr->name, value, LIST_MAX)
                      : fgetxattr(work->placed->fd, xattr->name, value, LIST_MAX);
        if (len < 0 || (size_t)len != xattr->value_len ||
            (len > 0 && memcmp(value, xattr->value, (size_t)len) != 0))
            return false;
    }
    return true;
}

/* One that would be removed. */
static bool has_other_xattrs(const struct work *work)
{
    TZ_SCOPED(tz_scoped_free) char *list = malloc(LIST_MAX);
    if (!list)
        return true;

    ssize_t len = list_xattrs(work, list);
    for (ssize_t at = 0; at < len; at += (ssize_t)strlen(list + at) + 1)
        if (!is_wanted(work->entry, list + at) && is_removable(list + at))
            return true;
    return false;
}

bool tz_place_metadata_is_right(const struct tz_entry *entry, const struct tz_placed *placed)
{
    struct work work = {.entry = entry, .placed = placed};
    const struct stat *st = &placed->st;
    const struct timespec mtime = mtime_of(entry);
    uint32_t flags = 0;

    (void)snprintf(work.path, sizeof(work.path), "/proc/self/fd/%d", placed->fd);
    if (st->st_uid != entry->uid || st->st_gid != entry->gid ||
        st->st_mtim.tv_sec != mtime.tv_sec || st->st_mtim.tv_nsec != mtime.tv_nsec)
        return false;
    if (!S_ISLNK(st->st_mode) && (st->st_mode & 07777) != (entry->mode & 07777))
        return false;
    if (!placed->path_only)
        (void)tz_inode_flags_get(placed->fd, &flags);
    if (!placed->path_only && flags != (entry->inode_flags & TZ_INODE_FLAGS))
        return false;
    return has_xattrs(&work) && !has_other_xattrs(&work);
}
