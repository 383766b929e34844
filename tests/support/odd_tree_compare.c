#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "odd_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define BLOCK     65536
#define XATTR_MAX 65536

/* A file that has several names, on both sides. */
struct twin {
    dev_t dev[2];
    ino_t ino[2];
};

struct comparison {
    FILE *notes;
    unsigned differences;
    struct twin *twins;
    size_t twin_count;
    char path[65536]; /* of what is compared, for the notes; cut off where it is longer */
};

__attribute__((format(printf, 2, 3))) static void differ(struct comparison *c, const char *format,
                                                         ...)
{
    va_list args;

    c->differences++;
    if (!c->notes)
        return;
    size_t len = strlen(c->path);
    (void)fprintf(c->notes, "differs: %s%s: ", len > 400 ? "..." : "",
                  c->path + (len > 400 ? len - 400 : 0));
    va_start(args, format);
    (void)vfprintf(c->notes, format, args);
    va_end(args);
    (void)fputc('\n', c->notes);
}

static void compare_stat(struct comparison *c, const struct stat *a, const struct stat *b)
{
    if (a->st_mode != b->st_mode)
        differ(c, "mode %o, not %o", b->st_mode, a->st_mode);
    if (a->st_uid != b->st_uid || a->st_gid != b->st_gid)
        differ(c, "owner %u:%u, not %u:%u", b->st_uid, b->st_gid, a->st_uid, a->st_gid);
    if (a->st_mtim.tv_sec != b->st_mtim.tv_sec || a->st_mtim.tv_nsec != b->st_mtim.tv_nsec)
        differ(c, "mtime %jd.%09ld, not %jd.%09ld", (intmax_t)b->st_mtim.tv_sec, b->st_mtim.tv_nsec,
               (intmax_t)a->st_mtim.tv_sec, a->st_mtim.tv_nsec);
    if (S_ISDIR(a->st_mode))
        return;
    if (a->st_nlink != b->st_nlink)
        differ(c, "%ju names, not %ju", (uintmax_t)b->st_nlink, (uintmax_t)a->st_nlink);
    if (a->st_rdev != b->st_rdev)
        differ(c, "device %jx, not %jx", (uintmax_t)b->st_rdev, (uintmax_t)a->st_rdev);
    if (a->st_size != b->st_size)
        differ(c, "size %jd, not %jd", (intmax_t)b->st_size, (intmax_t)a->st_size);
}

/* Names of one file must be names of one file on the other side, and the other way round. */
static void compare_links(struct comparison *c, const struct stat *a, const struct stat *b)
{
    for (size_t i = 0; i < c->twin_count; i++) {
        const struct twin *twin = &c->twins[i];
        bool first = twin->dev[0] == a->st_dev && twin->ino[0] == a->st_ino;
        bool second = twin->dev[1] == b->st_dev && twin->ino[1] == b->st_ino;
        if (first != second)
            differ(c, "is a name of %s file", second ? "an unexpected" : "another");
        if (first || second)
            return;
    }
    struct twin *twins = realloc(c->twins, (c->twin_count + 1) * sizeof(*twins));
    if (!twins) {
        differ(c, "out of memory");
        return;
    }
    twins[c->twin_count++] =
        (struct twin){.dev = {a->st_dev, b->st_dev}, .ino = {a->st_ino, b->st_ino}};
    c->twins = twins;
}

static void compare_target(struct comparison *c, int a, int b, const char *name)
{
    char first[8192] = "", second[8192] = "";

    if (readlinkat(a, name, first, sizeof(first) - 1) < 0 ||
        readlinkat(b, name, second, sizeof(second) - 1) < 0)
        differ(c, "cannot read symbolic link: %s", strerrordesc_np(errno));
    else if (strcmp(first, second) != 0)
        differ(c, "leads to '%.100s', not '%.100s'", second, first);
}

static void compare_content(struct comparison *c, int a, int b)
{
    static uint8_t first[BLOCK], second[BLOCK];
    off_t at = 0;

    for (;;) {
        ssize_t n = pread(a, first, BLOCK, at), m = pread(b, second, BLOCK, at);
        if (n < 0 || m < 0) {
            differ(c, "cannot be read: %s", strerrordesc_np(errno));
            return;
        }
        if (n != m || memcmp(first, second, (size_t)n) != 0) {
            differ(c, "content differs at offset %jd or later", (intmax_t)at);
            return;
        }
        if (n == 0)
            return;
        at += n;
    }
}

/* What takes no room here must not take all of it there. */
static void compare_holes(struct comparison *c, const struct stat *a, const struct stat *b)
{
    const off_t spare = 1 << 20;

    if (a->st_blocks * 512 + spare < a->st_size && b->st_blocks * 512 > a->st_blocks * 512 + spare)
        differ(c, "takes %jd bytes on disk, not %jd", (intmax_t)b->st_blocks * 512,
               (intmax_t)a->st_blocks * 512);
}

static void compare_flags(struct comparison *c, int a, int b)
{
    const int compared = FS_SYNC_FL | FS_IMMUTABLE_FL | FS_APPEND_FL | FS_NODUMP_FL |
                         FS_NOATIME_FL | FS_DIRSYNC_FL | FS_TOPDIR_FL | FS_NOCOW_FL | FS_COMPR_FL;
    int first = 0, second = 0;

    if (ioctl(a, FS_IOC_GETFLAGS, &first) || ioctl(b, FS_IOC_GETFLAGS, &second))
        return;
    if ((first & compared) != (second & compared))
        differ(c, "inode flags %x, not %x", (unsigned)(second & compared),
               (unsigned)(first & compared));
}

/* All attributes of expected must be in actual, alike. */
static void compare_xattrs_one_way(struct comparison *c, const char *expected, const char *actual,
                                   bool only_names)
{
    static char list[XATTR_MAX], first[XATTR_MAX], second[XATTR_MAX];
    ssize_t len = listxattr(expected, list, sizeof(list));

    for (ssize_t at = 0; at < len; at += (ssize_t)strlen(list + at) + 1) {
        const char *name = list + at;
        ssize_t n = getxattr(expected, name, first, sizeof(first));
        ssize_t m = getxattr(actual, name, second, sizeof(second));
        if (only_names && m < 0)
            differ(c, "has an extended attribute '%s' too many", name);
        if (only_names)
            continue;
        if (m < 0)
            differ(c, "lacks extended attribute '%s'", name);
        else if (n != m || (n > 0 && memcmp(first, second, (size_t)n) != 0))
            differ(c, "extended attribute '%s' differs", name);
    }
}

static void compare_xattrs(struct comparison *c, int a, int b, const char *name)
{
    int first = openat(a, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    int second = openat(b, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    char path_a[64], path_b[64];

    (void)snprintf(path_a, sizeof(path_a), "/proc/self/fd/%d", first);
    (void)snprintf(path_b, sizeof(path_b), "/proc/self/fd/%d", second);
    if (first >= 0 && second >= 0) {
        compare_xattrs_one_way(c, path_a, path_b, false);
        compare_xattrs_one_way(c, path_b, path_a, true);
    }
    if (first >= 0)
        (void)close(first);
    if (second >= 0)
        (void)close(second);
}

static void compare_directories(struct comparison *c, int a, int b);

static void compare_open(struct comparison *c, int a, int b, const char *name,
                         const struct stat *sa, const struct stat *sb)
{
    int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    int first = openat(a, name, flags), second = openat(b, name, flags);

    if (first < 0 || second < 0) {
        differ(c, "cannot be opened: %s", strerrordesc_np(errno));
    } else {
        compare_flags(c, first, second);
        if (S_ISDIR(sa->st_mode)) {
            compare_directories(c, first, second);
        } else {
            compare_content(c, first, second);
            compare_holes(c, sa, sb);
        }
    }
    if (first >= 0)
        (void)close(first);
    if (second >= 0)
        (void)close(second);
}

static void compare_entry(struct comparison *c, int a, int b, const char *name)
{
    struct stat sa, sb;

    if (fstatat(a, name, &sa, AT_SYMLINK_NOFOLLOW) || fstatat(b, name, &sb, AT_SYMLINK_NOFOLLOW)) {
        differ(c, "is not there: %s", strerrordesc_np(errno));
        return;
    }
    compare_stat(c, &sa, &sb);
    if ((sa.st_mode & S_IFMT) != (sb.st_mode & S_IFMT))
        return;
    if (!S_ISDIR(sa.st_mode) && (sa.st_nlink > 1 || sb.st_nlink > 1))
        compare_links(c, &sa, &sb);
    compare_xattrs(c, a, b, name);
    if (S_ISLNK(sa.st_mode))
        compare_target(c, a, b, name);
    if (S_ISREG(sa.st_mode) || S_ISDIR(sa.st_mode))
        compare_open(c, a, b, name, &sa, &sb);
}

struct names {
    char **items;
    size_t count;
};

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void list(struct comparison *c, int fd, struct names *ret)
{
    DIR *dir = fdopendir(openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const struct dirent *item;

    *ret = (struct names){0};
    if (!dir) {
        differ(c, "cannot be listed: %s", strerrordesc_np(errno));
        return;
    }
    while ((item = readdir(dir))) {
        if (strcmp(item->d_name, ".") == 0 || strcmp(item->d_name, "..") == 0)
            continue;
        ret->items = realloc(ret->items, (ret->count + 1) * sizeof(*ret->items));
        ret->items[ret->count++] = strdup(item->d_name);
    }
    (void)closedir(dir);
    if (ret->count > 0)
        qsort(ret->items, ret->count, sizeof(*ret->items), by_bytes);
}

static void free_names(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->items[i]);
    free(names->items);
}

static void compare_directories(struct comparison *c, int a, int b)
{
    struct names first, second;
    size_t i = 0, j = 0, len = strlen(c->path);

    list(c, a, &first);
    list(c, b, &second);
    while (i < first.count || j < second.count) {
        int order = i == first.count    ? 1
                    : j == second.count ? -1
                                        : strcmp(first.items[i], second.items[j]);
        const char *name = order <= 0 ? first.items[i] : second.items[j];
        (void)snprintf(c->path + len, sizeof(c->path) - len, "/%s", name);
        if (order == 0)
            compare_entry(c, a, b, name);
        else
            differ(c, order < 0 ? "is missing" : "should not be there");
        i += order <= 0;
        j += order >= 0;
        c->path[len] = '\0';
    }
    free_names(&first);
    free_names(&second);
}

/* Two for each level of a deep tree. */
static void allow_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max < 65536 ? limit.rlim_max : 65536;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

unsigned tz_odd_tree_compare(const char *expected, const char *actual, FILE *notes)
{
    struct comparison *c = calloc(1, sizeof(*c));
    if (!c)
        return 1;
    c->notes = notes;
    allow_descriptors();
    int a = open(expected, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int b = open(actual, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (a < 0 || b < 0)
        differ(c, "cannot open '%s' and '%s'", expected, actual);
    else
        compare_entry(c, a, b, ".");
    if (a >= 0)
        (void)close(a);
    if (b >= 0)
        (void)close(b);
    unsigned differences = c->differences;
    free(c->twins);
    free(c);
    return differences;
}
