#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "engine.h"

#include "tozai/util/file.h"
#include "tozai/util/grow.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <string.h>

#define ZEROS 65536U

static int open_it(struct restore *restore, struct file *file, struct tz_error *err)
{
    if (restore->compare)
        return tz_place_reopen(restore->place, &file->entry, &file->fd, err);
    if (!restore->device)
        return tz_place_file(restore->place, &file->entry, &file->fd, &file->old_size,
                             &file->shared, err);
    file->fd = open(restore->device, O_RDWR | O_CLOEXEC);
    if (file->fd < 0)
        return tz_fail_errno(err, errno, "open '%s'", restore->device);
    file->old_size = UINT64_MAX;
    return 0;
}

bool tz_restore_open_file(struct restore *restore, struct file *file)
{
    struct tz_error why = {0};

    (void)pthread_mutex_lock(&file->mutex);
    if (!file->opened) {
        file->opened = true;
        file->fd = -1;
        if (open_it(restore, file, &why)) {
            file->fd = -1;
            tz_restore_spoil(restore, file, &why);
        }
    }
    bool open = file->fd >= 0;
    (void)pthread_mutex_unlock(&file->mutex);
    return open;
}

int tz_restore_own_file(struct restore *restore, struct file *file, struct tz_error *err)
{
    (void)pthread_mutex_lock(&file->mutex);
    int failed = file->shared ? tz_place_unshare(restore->place, &file->entry, file->fd, err) : 0;
    if (!failed)
        file->shared = false;
    (void)pthread_mutex_unlock(&file->mutex);
    return failed;
}

int tz_restore_add_hole(struct file *file, uint64_t offset, uint64_t len, struct tz_error *err)
{
    if (tz_grow(&file->holes, file->hole_count, &file->hole_cap, sizeof(*file->holes), err))
        return -1;
    file->holes[file->hole_count++] = (struct hole){offset, len};
    return 0;
}

/* Zeros where a hole belongs, for what cannot punch one. */
static int write_zeros(int fd, uint64_t offset, uint64_t len, struct tz_error *err)
{
    static const uint8_t zeros[ZEROS];

    while (len > 0) {
        size_t part = (size_t)TZ_MIN(len, (uint64_t)sizeof(zeros));
        if (tz_pwrite_all(fd, zeros, part, offset, err))
            return -1;
        offset += part;
        len -= part;
    }
    return 0;
}

/* A new file's holes are there already; what stood in an old file's is removed. */
static int make_holes(struct restore *restore, struct file *file, struct tz_error *err)
{
    for (size_t i = 0; i < file->hole_count; i++) {
        const struct hole *hole = &file->holes[i];
        uint64_t len = hole->len;

        if (restore->compare || hole->offset >= file->old_size)
            continue;
        if (!restore->device)
            len = TZ_MIN(len, file->old_size - hole->offset);
        if (fallocate(file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)hole->offset,
                      (off_t)len) &&
            write_zeros(file->fd, hole->offset, len, err))
            return -1;
    }
    return 0;
}

/* For what is not written to: the holes must read as zeros. */
static int check_holes(const struct file *file, struct tz_error *err)
{
    uint8_t buffer[4096];

    for (size_t i = 0; i < file->hole_count; i++) {
        uint64_t at = file->holes[i].offset, end = at + file->holes[i].len;
        while (at < end) {
            off_t data = lseek(file->fd, (off_t)at, SEEK_DATA);
            size_t got = 0;
            if (data < 0 || (uint64_t)data >= end)
                break;
            at = (uint64_t)data;
            if (tz_pread_full(file->fd, buffer, (size_t)TZ_MIN(end - at, (uint64_t)sizeof(buffer)),
                              at, &got, err))
                return -1;
            for (size_t k = 0; k < got; k++)
                if (buffer[k])
                    return tz_fail(err, TZ_CORRUPT, "it reads back as other bytes");
            if (got == 0)
                break;
            at += got;
        }
    }
    return 0;
}

static int finish_it(struct restore *restore, struct file *file, struct tz_error *err)
{
    int fd = file->fd;

    if (restore->compare) {
        off_t size = lseek(fd, 0, SEEK_END);
        int failed = check_holes(file, err);
        (void)close(fd);
        if (!failed && (size < 0 || (uint64_t)size != file->entry.size))
            return tz_fail(err, TZ_CORRUPT, "it reads back with another length");
        return failed;
    }
    if (file->shared && !check_holes(file, NULL) &&
        tz_place_keeps(restore->place, &file->entry, fd)) {
        (void)close(fd);
        return 0;
    }
    if (tz_restore_own_file(restore, file, err) || make_holes(restore, file, err)) {
        (void)close(fd);
        return -1;
    }
    if (!restore->device)
        return tz_place_finish_file(restore->place, &file->entry, fd, err);
    int failed = fsync(fd) ? tz_fail_errno(err, errno, "write '%s'", restore->device) : 0;
    if (close(fd) && !failed)
        failed = tz_fail_errno(err, errno, "close '%s'", restore->device);
    return failed;
}

void tz_restore_release(struct restore *restore, struct file *file)
{
    struct tz_error why = {0};

    if (atomic_fetch_sub(&file->pending, 1) != 1)
        return;
    bool open = tz_restore_open_file(restore, file); /* an empty file comes here unopened */
    if (atomic_load(&restore->stopped) || atomic_load(&file->failed)) {
        /* It must not look finished: no mtime, no owner. */
        if (open)
            (void)close(file->fd);
    } else if (open && finish_it(restore, file, &why)) {
        tz_restore_spoil(restore, file, &why);
    }
    file->fd = -1;
    file->done = true;
    if (!restore->compare)
        atomic_fetch_add(&restore->files_done, 1);
}

void tz_restore_free_file(struct file *file)
{
    if (!file)
        return;
    if (file->opened && file->fd >= 0)
        (void)close(file->fd);
    tz_entry_clear(&file->entry);
    (void)pthread_mutex_destroy(&file->mutex);
    free(file->holes);
    free(file);
}
