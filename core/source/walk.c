/*
 * The walk of the directory source: into directories and out of them again.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "directory.h"

#include "tozai/util/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "tozai/util/banned.h"

#define IGNORE_FILE    ".tozaiignore"
#define CACHE_TAG_FILE "CACHEDIR.TAG"
#define CACHE_TAG      "Signature: 8a477f597d28d172789f06886806bc55"

void tz_directory_warn(struct tz_directory *dir, const struct tz_error *why)
{
    if (dir->warn)
        dir->warn(dir->warn_arg, (const char *)dir->stack.path.data, dir->stack.path.len, why);
}

/* Failures that are not the file's fault: going on would only repeat them. */
bool tz_directory_is_fatal(int number)
{
    return number == ENOMEM || number == EMFILE || number == ENFILE;
}

int tz_directory_open_item(const struct tz_item *item, int flags)
{
    int all = flags | O_CLOEXEC | O_NONBLOCK | (item->follow ? 0 : O_NOFOLLOW);
    int fd = openat(item->at, item->name, all | O_NOATIME);

    if (fd < 0 && errno == EPERM) /* only the owner may leave the access time alone */
        fd = openat(item->at, item->name, all);
    return fd;
}

void tz_directory_close_item(struct tz_item *item)
{
    if (item->fd >= 0)
        (void)close(item->fd);
    item->fd = -1;
}

/* Is this the tag of a cache directory, and not just a file of that name? */
static bool is_cache_tag(int fd)
{
    char head[sizeof(CACHE_TAG) - 1];
    size_t len = 0;
    struct stat st;
    TZ_SCOPED(tz_scoped_fd)
    int tag = openat(fd, CACHE_TAG_FILE, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (tag < 0 || fstat(tag, &st) || !S_ISREG(st.st_mode))
        return false;
    if (tz_read_full(tag, head, sizeof(head), &len, NULL))
        return false;
    return len == sizeof(head) && memcmp(head, CACHE_TAG, len) == 0;
}

static int read_ignore_file(int fd, struct tz_buf *out, struct tz_error *err)
{
    struct stat st;
    size_t len = 0;
    TZ_SCOPED(tz_scoped_fd)
    int file = openat(fd, IGNORE_FILE, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (file < 0 || fstat(file, &st))
        return tz_fail_errno(err, errno, "read its " IGNORE_FILE);
    if (!S_ISREG(st.st_mode))
        return tz_fail(err, TZ_INVALID, "its " IGNORE_FILE " is not a regular file");
    if (st.st_size > (off_t)TZ_IGNORE_SIZE_MAX)
        return tz_fail(err, TZ_INVALID, "its " IGNORE_FILE " is larger than 1 MiB");
    if (tz_buf_reserve(out, (size_t)st.st_size, err) ||
        tz_read_full(file, out->data, (size_t)st.st_size, &len, err))
        return tz_while(err, "read its " IGNORE_FILE);
    out->len = len;
    return 0;
}

/* Add the directory's own patterns; the path is that of the directory. */
static int learn_ignore_file(struct tz_directory *dir, int fd, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf text = {0};
    struct tz_error why = {0};

    if (read_ignore_file(fd, &text, &why)) {
        tz_directory_warn(dir, &why);
        return 0;
    }
    if (text.len == 0)
        return 0;
    return tz_ignore_add(dir->ignore, dir->stack.path.len, (const char *)text.data, text.len, err);
}

/* Open the item if load() has not done so.  *ret_gone: it cannot be walked; if it should be, that
 * was said. */
static int open_directory(struct tz_directory *dir, bool *ret_gone, struct tz_error *err)
{
    struct tz_item *item = &dir->item;
    struct tz_error why = {0};
    struct statx st;

    *ret_gone = false;
    if (item->fd < 0)
        item->fd = tz_directory_open_item(item, O_RDONLY | O_DIRECTORY);
    if (item->fd < 0 && (tz_directory_is_fatal(errno) || item->follow))
        return tz_fail_errno(err, errno, "open directory '%s'", item->name);
    if (item->fd < 0) {
        *ret_gone = true;
        if (errno != ENOENT) {
            (void)tz_fail_errno(&why, errno, "open directory");
            tz_directory_warn(dir, &why);
        }
        return 0;
    }
    /* What was checked on the way must hold for what is walked. */
    if (statx(item->fd, "", AT_EMPTY_PATH, STATX_INO, &st) || st.stx_ino != item->st.stx_ino ||
        tz_statx_dev(&st) != tz_statx_dev(&item->st)) {
        *ret_gone = true;
        (void)tz_fail(&why, TZ_FAILED, "the directory was replaced while it was read");
        tz_directory_warn(dir, &why);
    }
    return 0;
}

static int read_level(struct tz_directory *dir, struct tz_level *level, struct tz_error *err)
{
    struct tz_error why = {0};

    int status = tz_names_read(&level->names, &dir->reader, level->fd, &why);
    if (status > 0) {
        tz_directory_warn(dir, &why); /* what cannot be listed is empty */
        return 0;
    }
    if (status < 0) {
        if (err)
            *err = why;
        return -1;
    }
    bool is_root = dir->stack.count == 0;
    if (dir->exclude_caches && !is_root && level->names.has_cache_tag && is_cache_tag(level->fd))
        return tz_names_only(&level->names, CACHE_TAG_FILE, DT_REG, err);
    if (level->names.has_ignore)
        return learn_ignore_file(dir, level->fd, err);
    return 0;
}

/* Go into the item. */
int tz_directory_descend(struct tz_directory *dir, struct tz_error *err)
{
    bool gone = false;

    dir->descend = false;
    if (open_directory(dir, &gone, err))
        return -1;
    if (gone) {
        tz_directory_close_item(&dir->item);
        return 0;
    }
    struct tz_level level = {
        .dev = tz_statx_dev(&dir->item.st),
        .ino = dir->item.st.stx_ino,
        .fd = TZ_TAKE_FD(dir->item.fd),
        .name_len = dir->item.name_len,
        .ignore_count = tz_ignore_count(dir->ignore),
    };
    if (read_level(dir, &level, err) || tz_dirstack_push(&dir->stack, &level, err)) {
        (void)close(level.fd);
        tz_names_clear(&level.names);
        return -1;
    }
    return 0;
}

/* Leave the deepest directory, and those above it that are not there any more. */
int tz_directory_ascend(struct tz_directory *dir, struct tz_error *err)
{
    bool lost = false;

    do {
        tz_ignore_cut(dir->ignore, tz_dirstack_top(&dir->stack)->ignore_count);
        if (tz_dirstack_pop(&dir->stack, &lost, err))
            return -1;
        if (lost) {
            struct tz_error why = {0};
            (void)tz_fail(&why, TZ_FAILED,
                          "the directory was moved while it was read: the rest of it is missing");
            tz_directory_warn(dir, &why);
        }
    } while (lost);
    return 0;
}
