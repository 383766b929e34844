#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "tozai/util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tozai/util/banned.h"

/* How often to look for a free temporary name; with 64 random bits once is enough. */
#define TEMPORARY_TRIES 16

/* Append what is left of fd to out, which may have grown when this fails. */
static int read_rest(int fd, size_t first_len, size_t max, struct tz_buf *out, struct tz_error *err)
{
    size_t total = 0;

    for (size_t want = first_len;; want = TZ_MAX(total, first_len)) {
        /* One byte more than allowed, to notice that there is more. */
        want = TZ_MIN(want, max - total + (max < SIZE_MAX));
        size_t len;
        if (tz_buf_reserve(out, want, err))
            return -1;
        if (tz_read_full(fd, out->data + out->len, want, &len, err))
            return -1;
        out->len += len;
        total += len;
        if (total > max)
            return tz_fail(err, TZ_INVALID, "larger than %zu bytes", max);
        if (len < want || want == 0)
            return 0;
    }
}

int tz_file_read(const char *path, size_t max, struct tz_buf *out, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return tz_fail_errno(err, errno, "open '%s'", path);
    struct stat st;
    if (fstat(fd, &st))
        return tz_fail_errno(err, errno, "stat '%s'", path);

    /* One byte more than it has, so that its end is seen without another turn. */
    size_t first_len = 4096;
    if (S_ISREG(st.st_mode) && st.st_size > 0 && (uintmax_t)st.st_size < SIZE_MAX)
        first_len = (size_t)st.st_size + 1;
    size_t before = out->len;
    if (read_rest(fd, first_len, max, out, err)) {
        out->len = before;
        return tz_while(err, "read '%s'", path);
    }
    return 0;
}

/* The directory that holds path, to be freed: "a" for "a/b/", "." for "b", "/" for "/". */
static char *parent_of(const char *path)
{
    size_t len = strlen(path);

    while (len > 0 && path[len - 1] == '/')
        len--;
    while (len > 0 && path[len - 1] != '/')
        len--;
    if (len == 0)
        return strdup(path[0] == '/' ? "/" : ".");
    while (len > 1 && path[len - 1] == '/')
        len--;
    return strndup(path, len);
}

static int open_parent(const char *path, int *ret_fd, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free) char *parent = parent_of(path);
    if (!parent)
        return tz_fail_nomem(err);
    int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return tz_fail_errno(err, errno, "open directory '%s'", parent);
    *ret_fd = fd;
    return 0;
}

static int sync_dir(int fd, const char *path, struct tz_error *err)
{
    /* EINVAL: a file system that has nothing to do for a directory. */
    if (fsync(fd) && errno != EINVAL)
        return tz_fail_errno(err, errno, "sync the directory of '%s'", path);
    return 0;
}

/* ".tozai-", 16 hexadecimal digits, ".tmp" */
static const char temporary_begin[] = ".tozai-", temporary_end[] = ".tmp";
#define TEMPORARY_DIGITS 16

int tz_temporary_name(char name[TZ_TEMPORARY_NAME], struct tz_error *err)
{
    uint64_t number;

    if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
        return tz_fail_errno(err, errno, "get random bytes");
    (void)snprintf(name, TZ_TEMPORARY_NAME, "%s%016jx%s", temporary_begin, (uintmax_t)number,
                   temporary_end);
    return 0;
}

bool tz_is_temporary(const char *name)
{
    size_t begin = strlen(temporary_begin), len = strlen(name);

    return len == begin + TEMPORARY_DIGITS + strlen(temporary_end) &&
           strncmp(name, temporary_begin, begin) == 0 &&
           strspn(name + begin, "0123456789abcdef") == TEMPORARY_DIGITS &&
           strcmp(name + begin + TEMPORARY_DIGITS, temporary_end) == 0;
}

/* A new file in the directory, under a name that nobody has. */
static int create_temporary(int dir, mode_t mode, char name[TZ_TEMPORARY_NAME], int *ret_fd,
                            struct tz_error *err)
{
    for (int i = 0; i < TEMPORARY_TRIES; i++) {
        if (tz_temporary_name(name, err))
            return -1;
        int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
        if (fd >= 0) {
            *ret_fd = fd;
            return 0;
        }
        if (errno != EEXIST && errno != EINTR)
            break;
    }
    return tz_fail_errno(err, errno, "create a temporary file");
}

/* Fill it and make it durable; fd is closed in any case. */
static int fill(int fd, const void *data, size_t len, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_fd) int file = fd;

    if (tz_write_all(file, data, len, err))
        return -1;
    if (fsync(file))
        return tz_fail_errno(err, errno, "sync");
    /* A network file system may report a failed write only here. */
    if (close(TZ_TAKE_FD(file)) && errno != EINTR)
        return tz_fail_errno(err, errno, "close");
    return 0;
}

int tz_rename_new(int old_dir, const char *old_name, int dir, const char *name)
{
    if (renameat2(old_dir, old_name, dir, name, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return errno;
    /* NFS, for one, cannot do that, but it refuses to link to a name that is taken. */
    if (linkat(old_dir, old_name, dir, name, 0))
        return errno == EPERM || errno == ENOSYS ? EOPNOTSUPP : errno;
    (void)unlinkat(old_dir, old_name, 0);
    return 0;
}

static int write_at(int dir, const char *base, const void *data, size_t len, mode_t mode,
                    bool replace, struct tz_error *err)
{
    char name[TZ_TEMPORARY_NAME];
    int fd, number;

    if (create_temporary(dir, mode, name, &fd, err))
        return -1;
    if (fill(fd, data, len, err)) {
        (void)unlinkat(dir, name, 0);
        return -1;
    }
    if (replace)
        number = renameat(dir, name, dir, base) ? errno : 0;
    else
        number = tz_rename_new(dir, name, dir, base);
    if (number == 0)
        return 0;
    (void)unlinkat(dir, name, 0);
    return number == EEXIST ? tz_fail(err, TZ_EXISTS, "it exists already")
                            : tz_fail_errno(err, number, "rename");
}

static int write_file(const char *path, const void *data, size_t len, mode_t mode, bool replace,
                      struct tz_error *err)
{
    const char *base = tz_path_base(path);
    if (base[0] == '\0')
        return tz_fail(err, TZ_INVALID, "write '%s': not the name of a file", path);

    TZ_SCOPED(tz_scoped_fd) int dir = -1;
    if (open_parent(path, &dir, err) || write_at(dir, base, data, len, mode, replace, err))
        return tz_while(err, "write '%s'", path);
    return sync_dir(dir, path, err);
}

int tz_file_replace(const char *path, const void *data, size_t len, mode_t mode,
                    struct tz_error *err)
{
    return write_file(path, data, len, mode, true, err);
}

int tz_file_create(const char *path, const void *data, size_t len, mode_t mode,
                   struct tz_error *err)
{
    return write_file(path, data, len, mode, false, err);
}

int tz_sync_parent(const char *path, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_fd) int dir = -1;
    if (open_parent(path, &dir, err))
        return -1;
    return sync_dir(dir, path, err);
}

static int make_dir(const char *path, mode_t mode, struct tz_error *err)
{
    if (mkdir(path, mode) == 0)
        return tz_sync_parent(path, err);

    /* It may exist already, and on a read-only file system the reason given can be another one. */
    int number = errno;
    struct stat st;
    if (stat(path, &st) == 0) {
        if (S_ISDIR(st.st_mode))
            return 0;
        number = ENOTDIR;
    }
    return tz_fail_errno(err, number, "make directory '%s'", path);
}

int tz_make_dirs(const char *path, mode_t mode, struct tz_error *err)
{
    if (path[0] == '\0')
        return tz_fail(err, TZ_INVALID, "make directory '': the name is empty");
    TZ_SCOPED(tz_scoped_free) char *part = strdup(path);
    if (!part)
        return tz_fail_nomem(err);

    /* "/a/b": make "/a", then "/a/b". */
    for (char *at = part; *at;) {
        at += strspn(at, "/");
        at += strcspn(at, "/");
        char slash = *at;
        *at = '\0';
        if (make_dir(part, mode, err))
            return -1;
        *at = slash;
    }
    return 0;
}

char *tz_path_join(const char *dir, const char *name)
{
    size_t dir_len = strlen(dir);
    size_t size = dir_len + strlen(name) + 2;
    /* Nothing before a name that is to stay relative, and no second slash. */
    const char *between = dir_len == 0 || dir[dir_len - 1] == '/' ? "" : "/";

    char *path = malloc(size);
    if (path)
        (void)snprintf(path, size, "%s%s%s", dir, between, name);
    return path;
}

const char *tz_path_base(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}
