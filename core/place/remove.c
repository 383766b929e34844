#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "remove.h"

#include "tozai/core/inode_flags.h"
#include "tozai/util/interrupt.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tozai/util/banned.h"

#define RENAME_TRIES 1000

int tz_chmod_path_fd(int fd, unsigned mode)
{
    char path[64];

    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return chmod(path, mode);
}

bool tz_unlock_at(int parent, const char *name)
{
    uint32_t flags = 0;
    struct stat st;

    /* Opening anything else might do something. */
    if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) ||
        (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)))
        return false;
    TZ_SCOPED(tz_scoped_fd)
    int fd = openat(parent, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || !tz_inode_flags_get(fd, &flags) || !(flags & TZ_INODE_LOCKS))
        return false;
    return tz_inode_flags_set(fd, flags & ~TZ_INODE_LOCKS) == 0;
}

/* unlinkat() that takes off locks. */
static int unlink_at(int parent, const char *name, int flags)
{
    if (unlinkat(parent, name, flags) == 0 || errno == ENOENT)
        return 0;
    if (errno != EPERM)
        return -1;
    if (!tz_unlock_at(parent, name)) {
        errno = EPERM;
        return -1;
    }
    return unlinkat(parent, name, flags);
}

/* Open a directory that is to be emptied; who owns it may always. -1 with errno. */
static int open_to_empty(int parent, const char *name)
{
    struct stat st;
    TZ_SCOPED(tz_scoped_fd)
    int path_fd = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (path_fd < 0)
        return -1;
    if (geteuid() != 0 && fstat(path_fd, &st) == 0 && (st.st_mode & 0700) != 0700)
        (void)tz_chmod_path_fd(path_fd, (st.st_mode & 0777) | 0700);
    int fd = openat(path_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    uint32_t flags = 0;
    if (fd >= 0 && tz_inode_flags_get(fd, &flags) && (flags & TZ_INODE_LOCKS))
        (void)tz_inode_flags_set(fd, flags & ~TZ_INODE_LOCKS);
    return fd;
}

static bool is_dot(const char *name)
{
    return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

/* Remove a file or an empty directory. 1: a directory with something in it. -1 with errno. */
static int remove_simple(int parent, const char *name)
{
    if (unlink_at(parent, name, 0) == 0)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return -1;
    if (unlink_at(parent, name, AT_REMOVEDIR) == 0)
        return 0;
    if (errno == ENOTDIR)
        errno = EPERM; /* the reason why the file would not go */
    return errno == ENOTEMPTY || errno == EEXIST ? 1 : -1;
}

/* Move a directory from below up into top, under a name that is free. */
static int move_up(int from, const char *name, int top, unsigned *number)
{
    char target[40];

    for (int i = 0; i < RENAME_TRIES; i++) {
        (void)snprintf(target, sizeof(target), ".tozai-remove-%u", (*number)++);
        if (renameat2(from, name, top, target, RENAME_NOREPLACE) == 0)
            return 0;
        if (errno == EACCES || errno == EPERM) { /* its ".." changes: it must be writable */
            int fd = open_to_empty(from, name);
            if (fd < 0)
                return -1;
            (void)close(fd);
            if (renameat2(from, name, top, target, RENAME_NOREPLACE) == 0)
                return 0;
        }
        if (errno != EEXIST)
            return -1;
    }
    return -1;
}

/* One look at all names in an open directory. */
struct pass {
    int fd;  /* the directory */
    int top; /* where what is deeper moves to; -1: this is it */
    unsigned *number;
    unsigned removed;
};

static int empty_pass(struct pass *pass, struct tz_error *err);

/* Empty a directory in top: what has something in it moves up to top. */
static int empty_lower(struct pass *upper, const char *name, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_fd) int fd = open_to_empty(upper->fd, name);
    if (fd < 0)
        return tz_fail_errno(err, errno, "open directory '%s' to remove it", name);

    struct pass lower = {.fd = fd, .top = upper->fd, .number = upper->number};
    if (empty_pass(&lower, err))
        return -1;
    upper->removed += lower.removed;
    if (unlink_at(upper->fd, name, AT_REMOVEDIR) == 0)
        upper->removed++;
    else if (errno != ENOTEMPTY && errno != EEXIST)
        return tz_fail_errno(err, errno, "remove directory '%s'", name);
    return 0;
}

static int empty_name(struct pass *pass, const char *name, struct tz_error *err)
{
    int status = remove_simple(pass->fd, name);

    if (status < 0)
        return tz_fail_errno(err, errno, "remove '%s'", name);
    if (status == 0) {
        pass->removed++;
        return 0;
    }
    if (pass->top < 0)
        return empty_lower(pass, name, err);
    if (move_up(pass->fd, name, pass->top, pass->number))
        return tz_fail_errno(err, errno, "move directory '%s' to remove it", name);
    pass->removed++;
    return 0;
}

static int empty_pass(struct pass *pass, struct tz_error *err)
{
    int copy = openat(pass->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    TZ_SCOPED(tz_scoped_dir) DIR *listing = copy >= 0 ? fdopendir(copy) : NULL;

    if (!listing) {
        int number = errno;
        if (copy >= 0)
            (void)close(copy);
        return tz_fail_errno(err, number, "list a directory to remove it");
    }
    for (;;) {
        errno = 0;
        const struct dirent *item = readdir(listing);
        if (!item)
            return errno ? tz_fail_errno(err, errno, "list a directory to remove it") : 0;
        if (is_dot(item->d_name))
            continue;
        if (tz_interrupt_check(err) || empty_name(pass, item->d_name, err))
            return -1;
    }
}

/*
 * A tree is emptied without recursion and with a handful of descriptors: only two levels are
 * looked at, and what lies deeper is moved up into the first until nothing is left.
 */
static int remove_tree(int parent, const char *name, struct tz_error *err)
{
    unsigned number = 0;
    TZ_SCOPED(tz_scoped_fd) int top = open_to_empty(parent, name);

    if (top < 0)
        return tz_fail_errno(err, errno, "open directory '%s' to remove it", name);
    for (;;) {
        struct pass pass = {.fd = top, .top = -1, .number = &number};
        if (empty_pass(&pass, err))
            return -1;
        if (unlink_at(parent, name, AT_REMOVEDIR) == 0)
            return 0;
        if ((errno != ENOTEMPTY && errno != EEXIST) || pass.removed == 0)
            return tz_fail_errno(err, errno, "remove directory '%s'", name);
    }
}

int tz_remove_at(int parent, const char *name, struct tz_error *err)
{
    int status = remove_simple(parent, name);

    if (status < 0)
        return tz_fail_errno(err, errno, "remove '%s', which stands in the way", name);
    return status == 0 ? 0 : remove_tree(parent, name, err);
}
