/*
 * The second half of the directory source: owner names, extended attributes, inode flags and the
 * input of a file.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "directory.h"

#include "input.h"

#include "tozai/core/inode_flags.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "tozai/util/banned.h"

/* Smaller files are not worth a look for pages. */
#define PAGES_MIN ((uint64_t)64 << 10)
#define HEAD_SIZE 128

/* The entry will not be there: say so, and let another name of the same file take its place. */
static int leave_out(struct tz_directory *dir, const struct tz_error *why)
{
    tz_directory_warn(dir, why);
    if (dir->item.st.stx_nlink > 1)
        tz_links_forget(dir->links, tz_statx_dev(&dir->item.st), dir->item.st.stx_ino);
    dir->descend = false;
    return 1;
}

/* After an open that failed: leave the entry out, or stop. */
static int open_failed(struct tz_directory *dir, int number, struct tz_error *err)
{
    struct tz_error why = {0};

    if (tz_directory_is_fatal(number))
        return tz_fail_errno(err, number, "open");
    if (number == ELOOP)
        (void)tz_fail(&why, TZ_FAILED, "it became a symbolic link while it was being read");
    else
        (void)tz_fail_errno(&why, number, "open");
    return leave_out(dir, &why);
}

/* Extended attributes that cannot be read cost a warning, not the entry. */
static int after_xattrs(struct tz_directory *dir, int failed, const struct tz_error *why,
                        struct tz_error *err)
{
    if (!failed)
        return 0;
    if (why->kind != TZ_NOMEM) {
        tz_directory_warn(dir, why);
        return 0;
    }
    if (err)
        *err = *why;
    return -1;
}

static int load_open(struct tz_directory *dir, struct tz_entry *entry, int fd, struct tz_error *err)
{
    struct tz_error why = {0};

    if (after_xattrs(dir, tz_entry_read_xattrs(entry, fd, NULL, &why), &why, err))
        return -1;
    entry->inode_flags = 0;
    (void)tz_inode_flags_get(fd, &entry->inode_flags); /* not every file system has them */
    return 0;
}

/* What cannot be opened for reading, or should not be: devices, fifos, sockets, symbolic links. */
static int load_closed(struct tz_directory *dir, struct tz_entry *entry, struct tz_error *err)
{
    int flags = O_PATH | O_CLOEXEC | (dir->item.follow ? 0 : O_NOFOLLOW);
    TZ_SCOPED(tz_scoped_fd) int fd = openat(dir->item.at, dir->item.name, flags);
    struct tz_error why = {0};

    if (fd < 0)
        return open_failed(dir, errno, err);
    return after_xattrs(dir, tz_entry_read_xattrs_at(entry, fd, &why), &why, err);
}

static int load_directory(struct tz_directory *dir, struct tz_entry *entry, struct tz_error *err)
{
    struct tz_item *item = &dir->item;

    if (item->fd < 0)
        item->fd = tz_directory_open_item(item, O_RDONLY | O_DIRECTORY);
    if (item->fd >= 0)
        return load_open(dir, entry, item->fd, err);
    /* The walk will say that it cannot be listed; it is an entry all the same. */
    if (errno == EACCES || errno == EPERM)
        return load_closed(dir, entry, err);
    return open_failed(dir, errno, err);
}

/* The file may be another one than next() saw; then its other names are not those of that one. */
static void take_new_stat(struct tz_directory *dir, struct tz_entry *entry, const struct statx *st)
{
    const struct statx *old = &dir->item.st;

    if (old->stx_nlink > 1 &&
        (old->stx_ino != st->stx_ino || tz_statx_dev(old) != tz_statx_dev(st)))
        tz_links_forget(dir->links, tz_statx_dev(old), old->stx_ino);
    tz_entry_set_stat(entry, st);
}

static uint32_t page_size(const struct tz_entry *entry, int fd)
{
    uint8_t head[HEAD_SIZE];

    if (entry->size < PAGES_MIN)
        return 0;
    ssize_t len = pread(fd, head, sizeof(head), 0);
    return tz_page_size_of(entry->path, entry->path_len, head, len > 0 ? (size_t)len : 0,
                           entry->size);
}

/* Open the item, unless next() has.  0 or 1 as load(). */
static int open_file(struct tz_directory *dir, struct tz_entry *entry, struct tz_error *err)
{
    struct tz_item *item = &dir->item;
    struct statx st;

    if (item->fd >= 0)
        return 0;
    item->fd = tz_directory_open_item(item, O_RDONLY);
    if (item->fd < 0 || statx(item->fd, "", AT_EMPTY_PATH, TZ_STATX_MASK, &st))
        return open_failed(dir, errno, err);
    if (!S_ISREG(st.stx_mode)) {
        struct tz_error why = {0};
        (void)tz_fail(&why, TZ_FAILED, "it became something else while it was being read");
        return leave_out(dir, &why);
    }
    take_new_stat(dir, entry, &st);
    item->st = st;
    return 0;
}

static int load_file(struct tz_directory *dir, struct tz_entry *entry, struct tz_input **ret_input,
                     struct tz_error *err)
{
    struct tz_item *item = &dir->item;

    int status = open_file(dir, entry, err);
    if (status || load_open(dir, entry, item->fd, err))
        return status ? status : -1;

    struct tz_file_input_options options = {
        .block_size = page_size(entry, item->fd),
        .size = entry->size,
        .sparse = item->st.stx_blocks * 512 < item->st.stx_size,
    };
    return tz_file_input_new(ret_input, TZ_TAKE_FD(item->fd), &item->st, &options, err);
}

int tz_directory_load(void *state, struct tz_entry *entry, struct tz_input **ret_input,
                      struct tz_error *err)
{
    struct tz_directory *dir = state;

    *ret_input = NULL;
    if (tz_owners_fill(dir->owners, entry, err))
        return -1;
    switch (entry->type) {
    case TZ_ENTRY_HARDLINK:
        return 0;
    case TZ_ENTRY_FILE:
        return load_file(dir, entry, ret_input, err);
    case TZ_ENTRY_DIRECTORY:
        return load_directory(dir, entry, err);
    default:
        return load_closed(dir, entry, err);
    }
}
