#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "meta.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "tozai/util/banned.h"

/* The kernel's own limits of a list of names and of a value. */
#define XATTR_MAX ((size_t)64 << 10)
/* An entry must fit into a chunk of the manifest. */
#define XATTRS_MAX ((size_t)3 << 20)

uint64_t tz_statx_dev(const struct statx *st)
{
    return (uint64_t)st->stx_dev_major << 32 | st->stx_dev_minor;
}

static enum tz_entry_type type_of(unsigned mode)
{
    switch (mode & S_IFMT) {
    case S_IFDIR:
        return TZ_ENTRY_DIRECTORY;
    case S_IFLNK:
        return TZ_ENTRY_SYMLINK;
    case S_IFIFO:
        return TZ_ENTRY_FIFO;
    case S_IFSOCK:
        return TZ_ENTRY_SOCKET;
    case S_IFCHR:
        return TZ_ENTRY_CHARACTER;
    case S_IFBLK:
        return TZ_ENTRY_BLOCK;
    default:
        return TZ_ENTRY_FILE;
    }
}

void tz_entry_set_stat(struct tz_entry *entry, const struct statx *st)
{
    enum tz_entry_type type = type_of(st->stx_mode);
    bool device = type == TZ_ENTRY_CHARACTER || type == TZ_ENTRY_BLOCK;

    entry->type = type;
    entry->mode = st->stx_mode & 07777U;
    entry->uid = st->stx_uid;
    entry->gid = st->stx_gid;
    entry->size = type == TZ_ENTRY_FILE ? st->stx_size : 0;
    entry->mtime_s = st->stx_mtime.tv_sec;
    entry->mtime_ns = st->stx_mtime.tv_nsec;
    entry->device = device ? (uint64_t)st->stx_rdev_major << 32 | st->stx_rdev_minor : 0;
    entry->dev = tz_statx_dev(st);
    entry->ino = st->stx_ino;
    entry->ctime_s = st->stx_ctime.tv_sec;
    entry->ctime_ns = st->stx_ctime.tv_nsec;
}

static int read_list(int fd, const char *path, char *list, size_t size, size_t *ret_len)
{
    ssize_t len = fd >= 0 ? flistxattr(fd, list, size) : listxattr(path, list, size);
    if (len < 0)
        return -1;
    *ret_len = (size_t)len;
    return 0;
}

static ssize_t read_value(int fd, const char *path, const char *name, void *value, size_t size)
{
    return fd >= 0 ? fgetxattr(fd, name, value, size) : getxattr(path, name, value, size);
}

static void clear_xattr(struct tz_xattr *xattr)
{
    free(xattr->name);
    free(xattr->value);
    *xattr = (struct tz_xattr){0};
}

/* *ret_gone: it went away since it was listed. */
static int read_xattr(int fd, const char *path, const char *name, struct tz_xattr *ret,
                      bool *ret_gone, struct tz_error *err)
{
    uint8_t *buffer = malloc(XATTR_MAX);
    if (!buffer)
        return tz_fail_nomem(err);

    ssize_t len = read_value(fd, path, name, buffer, XATTR_MAX);
    *ret_gone = len < 0 && errno == ENODATA;
    if (len < 0) {
        int number = errno;
        free(buffer);
        return *ret_gone ? 0 : tz_fail_errno(err, number, "read extended attribute '%s'", name);
    }
    uint8_t *value = realloc(buffer, len > 0 ? (size_t)len : 1);
    ret->value = value ? value : buffer;
    ret->value_len = (size_t)len;
    ret->name = strdup(name);
    if (ret->name)
        return 0;
    clear_xattr(ret);
    return tz_fail_nomem(err);
}

static int compare_xattrs(const void *a, const void *b)
{
    return strcmp(((const struct tz_xattr *)a)->name, ((const struct tz_xattr *)b)->name);
}

static void drop_xattrs(struct tz_entry *entry)
{
    for (uint32_t i = 0; i < entry->xattr_count; i++)
        clear_xattr(&entry->xattrs[i]);
    free(entry->xattrs);
    entry->xattrs = NULL;
    entry->xattr_count = 0;
}

static int read_values(struct tz_entry *entry, int fd, const char *path, const char *list,
                       size_t len, struct tz_error *err)
{
    size_t count = 0, bytes = 0;
    for (size_t at = 0; at < len; at += strlen(list + at) + 1)
        count++;

    entry->xattrs = calloc(count, sizeof(*entry->xattrs));
    if (!entry->xattrs)
        return tz_fail_nomem(err);
    for (size_t at = 0; at < len; at += strlen(list + at) + 1) {
        bool gone = false;
        if (read_xattr(fd, path, list + at, &entry->xattrs[entry->xattr_count], &gone, err))
            return -1;
        if (gone)
            continue;
        bytes += strlen(list + at) + entry->xattrs[entry->xattr_count].value_len;
        entry->xattr_count++;
        if (bytes > XATTRS_MAX)
            return tz_fail(err, TZ_UNSUPPORTED, "its extended attributes are larger than 3 MiB");
    }
    qsort(entry->xattrs, entry->xattr_count, sizeof(*entry->xattrs), compare_xattrs);
    return 0;
}

int tz_entry_read_xattrs(struct tz_entry *entry, int fd, const char *path, struct tz_error *err)
{
    char few[1024]; /* nearly always enough */
    TZ_SCOPED(tz_scoped_free) char *many = NULL;
    const char *list = few;
    size_t len = 0;

    drop_xattrs(entry);
    int failed = read_list(fd, path, few, sizeof(few), &len);
    if (failed && errno == ERANGE) {
        many = malloc(XATTR_MAX);
        if (!many)
            return tz_fail_nomem(err);
        list = many;
        failed = read_list(fd, path, many, XATTR_MAX, &len);
    }
    if (failed && (errno == ENOTSUP || errno == ENOSYS))
        return 0;
    if (failed)
        return tz_fail_errno(err, errno, "list extended attributes");
    if (len == 0)
        return 0;
    if (read_values(entry, fd, path, list, len, err)) {
        drop_xattrs(entry);
        return -1;
    }
    return 0;
}

int tz_entry_read_xattrs_at(struct tz_entry *entry, int path_fd, struct tz_error *err)
{
    char path[64];

    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", path_fd);
    return tz_entry_read_xattrs(entry, -1, path, err);
}
