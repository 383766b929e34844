#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "input.h"

#include "meta.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tozai/util/banned.h"

/* From here on it pays to tell the kernel that the file is read from end to end. */
#define SEQUENTIAL_MIN ((uint64_t)1 << 20)

struct file_input {
    int fd;
    bool sparse, fixed;
    uint64_t size; /* when it was opened: a file that grows is not followed */
    uint64_t at;
    uint64_t data_end; /* of the run of data that at lies in; at or before it: unknown */
    struct statx_timestamp modified, status_changed; /* mtime and ctime of then */
};

static void remember(struct file_input *input, const struct statx *st)
{
    input->modified = st->stx_mtime;
    input->status_changed = st->stx_ctime;
}

/* Where the data at or behind the position begins; the file's size if there is none. */
static int find_data(struct file_input *input, uint64_t *ret_start, struct tz_error *err)
{
    off_t start = lseek(input->fd, (off_t)input->at, SEEK_DATA);
    if (start < 0 && errno == ENXIO) { /* nothing but a hole, up to the end or cut off there */
        *ret_start = input->size;
        return 0;
    }
    if (start < 0 && errno == EINVAL) { /* this file system knows of none */
        input->sparse = false;
        *ret_start = input->at;
        return 0;
    }
    if (start < 0)
        return tz_fail_errno(err, errno, "look for data at offset %ju", (uintmax_t)input->at);
    *ret_start = TZ_MIN((uint64_t)start, input->size);
    return 0;
}

/* Know what lies at the position: *ret_hole is the length of a hole, or 0 and data_end is set. */
static int look(struct file_input *input, uint64_t *ret_hole, struct tz_error *err)
{
    uint64_t start = 0;

    *ret_hole = 0;
    if (!input->sparse || input->at < input->data_end)
        return 0;
    if (find_data(input, &start, err))
        return -1;
    if (start > input->at) {
        *ret_hole = start - input->at;
        return 0;
    }
    if (!input->sparse)
        return 0;
    off_t end = lseek(input->fd, (off_t)input->at, SEEK_HOLE);
    /* Shortened in this moment: the read will say so. */
    input->data_end = end > (off_t)input->at ? (uint64_t)end : input->size;
    return 0;
}

static int file_read(void *state, void *data, size_t len, size_t *ret_len, uint64_t *ret_hole,
                     struct tz_error *err)
{
    struct file_input *input = state;

    *ret_len = 0;
    *ret_hole = 0;
    if (input->at >= input->size)
        return 0;
    if (look(input, ret_hole, err))
        return -1;
    if (*ret_hole > 0) {
        input->at += *ret_hole;
        return 0;
    }

    uint64_t end = input->sparse ? TZ_MIN(input->data_end, input->size) : input->size;
    size_t want = (size_t)TZ_MIN((uint64_t)len, end - input->at);
    ssize_t got;
    do
        got = pread(input->fd, data, want, (off_t)input->at);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return tz_fail_errno(err, errno, "read at offset %ju", (uintmax_t)input->at);
    input->at += (uint64_t)got;
    *ret_len = (size_t)got;
    return 0;
}

static int file_skip(void *state, uint64_t len, struct tz_error *err)
{
    struct file_input *input = state;

    if (len > input->size - TZ_MIN(input->at, input->size))
        return tz_fail(err, TZ_FAILED, "skip of %ju bytes beyond the end", (uintmax_t)len);
    input->at += len;
    return 0;
}

static bool same_time(const struct statx_timestamp *a, const struct statx_timestamp *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static int stat_now(const struct file_input *input, struct statx *st, struct tz_error *err)
{
    if (statx(input->fd, "", AT_EMPTY_PATH, TZ_STATX_MASK, st))
        return tz_fail_errno(err, errno, "stat");
    return 0;
}

static int file_finish(void *state, struct tz_entry *entry, bool *ret_changed, struct tz_error *err)
{
    struct file_input *input = state;
    struct statx st;

    *ret_changed = input->at != input->size; /* it ended before its time */
    if (input->fixed)
        return 0;
    if (stat_now(input, &st, err))
        return -1;
    if (st.stx_size != input->size || !same_time(&st.stx_mtime, &input->modified) ||
        !same_time(&st.stx_ctime, &input->status_changed))
        *ret_changed = true;
    tz_entry_set_stat(entry, &st);
    return 0;
}

static int file_rewind(void *state, struct tz_entry *entry, struct tz_error *err)
{
    struct file_input *input = state;
    struct statx st;

    input->at = 0;
    input->data_end = 0;
    if (input->fixed)
        return 0;
    if (stat_now(input, &st, err))
        return -1;
    remember(input, &st);
    input->size = st.stx_size;
    tz_entry_set_stat(entry, &st);
    return 0;
}

static void file_free(void *state)
{
    struct file_input *input = state;

    (void)close(input->fd);
    free(input);
}

static const struct tz_input_driver file_driver = {
    .read = file_read,
    .skip = file_skip,
    .finish = file_finish,
    .rewind = file_rewind,
    .free = file_free,
};

int tz_file_input_new(struct tz_input **ret, int fd, const struct statx *st,
                      const struct tz_file_input_options *options, struct tz_error *err)
{
    struct tz_input_hints hints = {.block_size = options->block_size};
    struct file_input *input = calloc(1, sizeof(*input));
    if (!input) {
        (void)close(fd);
        return tz_fail_nomem(err);
    }

    input->fd = fd;
    input->sparse = options->sparse;
    input->fixed = options->fixed;
    input->size = options->size;
    remember(input, st);
    if (options->size >= SEQUENTIAL_MIN)
        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    if (tz_input_new(ret, &file_driver, input, &hints, err)) {
        file_free(input);
        return -1;
    }
    return 0;
}
