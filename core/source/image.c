/*
 * A disk image or block device as a source: one file, compared in blocks.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "input.h"
#include "meta.h"

#include "tozai/core/inode_flags.h"
#include "tozai/util/file.h"
#include "tozai/util/time.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tozai/util/banned.h"

#define DEFAULT_BLOCK 4096

struct image {
    char *path;
    uint32_t block_size;
    int64_t start_ns;
    bool given;
    struct tz_owners *owners;
    tz_source_warn_fn *warn;
    void *warn_arg;
};

static void image_free(void *state)
{
    struct image *image = state;

    if (!image)
        return;
    tz_owners_free(image->owners);
    free(image->path);
    free(image);
}

TZ_DEFINE_SCOPED(struct image *, scoped_image, image_free)

static int check_kind(const char *path, const struct statx *st, struct tz_error *err)
{
    unsigned kind = st->stx_mode & S_IFMT;

    if (kind == S_IFREG || kind == S_IFBLK)
        return 0;
    (void)tz_fail(err, TZ_INVALID, "path '%s' is neither a file nor a block device", path);
    return tz_hint(err, "a source of type 'image' has one file; 'directory' takes everything else");
}

static int look_at(const char *path, struct statx *st, struct tz_error *err)
{
    if (statx(AT_FDCWD, path, 0, TZ_STATX_MASK, st))
        return tz_fail_errno(err, errno, "path '%s'", path);
    return check_kind(path, st, err);
}

static int image_open(void **ret, const struct tz_source_options *options, struct tz_error *err)
{
    const struct tz_config_source *config = options->config;
    struct statx st;
    TZ_SCOPED(scoped_image) struct image *image = calloc(1, sizeof(*image));
    if (!image)
        return tz_fail_nomem(err);

    if (config->paths.count != 1)
        return tz_fail(err, TZ_INVALID, "a source of type 'image' has exactly one path");
    if (config->block_size > UINT32_MAX)
        return tz_fail(err, TZ_INVALID, "block_size is too large");
    if (look_at(config->paths.items[0], &st, err) || tz_owners_new(&image->owners, err))
        return -1;
    image->path = strdup(config->paths.items[0]);
    if (!image->path)
        return tz_fail_nomem(err);
    image->block_size = config->block_size ? (uint32_t)config->block_size : DEFAULT_BLOCK;
    image->start_ns = tz_now();
    image->warn = options->warn;
    image->warn_arg = options->warn_arg;
    *ret = TZ_TAKE(image);
    return 0;
}

static int device_size(int fd, uint64_t *ret_size, struct tz_error *err)
{
    if (ioctl(fd, BLKGETSIZE64, ret_size))
        return tz_fail_errno(err, errno, "size of block device");
    return 0;
}

/* A device becomes a file that only its owner may read, and one that always has changed. */
static void set_device_stat(struct tz_entry *entry, uint64_t size)
{
    int64_t now = tz_now();

    entry->type = TZ_ENTRY_FILE;
    entry->mode = 0600;
    entry->size = size;
    entry->device = 0;
    entry->mtime_s = entry->ctime_s = now / TZ_SECOND_NS;
    entry->mtime_ns = entry->ctime_ns = (uint32_t)(now % TZ_SECOND_NS);
}

static int open_image(const struct image *image, struct statx *st, uint64_t *ret_size, int *ret_fd,
                      struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_fd) int fd = open(image->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return tz_fail_errno(err, errno, "open '%s'", image->path);
    if (statx(fd, "", AT_EMPTY_PATH, TZ_STATX_MASK, st))
        return tz_fail_errno(err, errno, "stat '%s'", image->path);
    if (check_kind(image->path, st, err))
        return -1;
    *ret_size = st->stx_size;
    if (S_ISBLK(st->stx_mode) && device_size(fd, ret_size, err))
        return tz_while(err, "'%s'", image->path);
    *ret_fd = TZ_TAKE_FD(fd);
    return 0;
}

static int image_next(void *state, struct tz_entry *entry, bool *ret_done, struct tz_error *err)
{
    struct image *image = state;
    const char *name = tz_path_base(image->path);
    struct statx st;

    *ret_done = image->given;
    if (image->given)
        return 0;
    if (look_at(image->path, &st, err) || tz_entry_set_path(entry, name, strlen(name), err))
        return -1;
    tz_entry_set_stat(entry, &st);
    if (S_ISBLK(st.stx_mode)) {
        uint64_t size = 0;
        TZ_SCOPED(tz_scoped_fd) int fd = -1;
        if (open_image(image, &st, &size, &fd, err))
            return -1;
        set_device_stat(entry, size);
    }
    image->given = true;
    return 0;
}

/* Attributes of the device node say nothing about what is on the device. */
static void load_attributes(const struct image *image, struct tz_entry *entry, int fd)
{
    struct tz_error why = {0};

    (void)tz_inode_flags_get(fd, &entry->inode_flags);
    if (tz_entry_read_xattrs(entry, fd, NULL, &why) && image->warn)
        image->warn(image->warn_arg, entry->path, entry->path_len, &why);
}

/* It is all that the source has: what cannot be read is an error, not a warning. */
static int image_load(void *state, struct tz_entry *entry, struct tz_input **ret_input,
                      struct tz_error *err)
{
    struct image *image = state;
    struct statx st;
    uint64_t size = 0;
    TZ_SCOPED(tz_scoped_fd) int fd = -1;

    *ret_input = NULL;
    if (open_image(image, &st, &size, &fd, err))
        return -1;
    bool device = S_ISBLK(st.stx_mode);
    tz_entry_set_stat(entry, &st);
    if (device)
        set_device_stat(entry, size);
    else
        load_attributes(image, entry, fd);
    if (tz_owners_fill(image->owners, entry, err))
        return -1;

    struct tz_file_input_options options = {
        .block_size = image->block_size,
        .size = size,
        .sparse = !device && st.stx_blocks * 512 < st.stx_size,
        .fixed = device,
    };
    return tz_file_input_new(ret_input, TZ_TAKE_FD(fd), &st, &options, err);
}

static int image_finish(void *state, int64_t *ret_time_ns, char **ret_position,
                        struct tz_error *err)
{
    const struct image *image = state;
    char *position = strdup("");

    if (!position)
        return tz_fail_nomem(err);
    *ret_time_ns = image->start_ns;
    *ret_position = position;
    return 0;
}

const struct tz_source_driver tz_source_driver_image = {
    .type = TZ_SOURCE_IMAGE,
    .open = image_open,
    .next = image_next,
    .load = image_load,
    .finish = image_finish,
    .free = image_free,
};
