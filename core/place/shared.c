/*
 * Files that have other names.  Nobody knows where those are: what is behind them is never changed,
 * but stays if it is right, and else is replaced by a copy.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "place.h"

#include "tozai/util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tozai/util/banned.h"

#define COPY_BYTES ((size_t)256 << 10)

static int copy_range(int from, int to, uint64_t at, uint64_t end, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free) uint8_t *bytes = malloc(COPY_BYTES);

    if (!bytes)
        return tz_fail_nomem(err);
    while (at < end) {
        size_t got = 0;
        if (tz_pread_full(from, bytes, (size_t)TZ_MIN(end - at, (uint64_t)COPY_BYTES), at, &got,
                          err) ||
            tz_pwrite_all(to, bytes, got, at, err))
            return -1;
        if (got == 0) /* somebody cuts it */
            return 0;
        at += got;
    }
    return 0;
}

/* The first len bytes, with their holes. */
static int copy_content(int from, int to, uint64_t len, struct tz_error *err)
{
    bool cloned = ioctl(to, FICLONE, from) == 0;

    for (uint64_t at = 0; !cloned && at < len;) {
        off_t data = lseek(from, (off_t)at, SEEK_DATA);
        if (data < 0 && errno == ENXIO)
            break;
        off_t end = data < 0 ? -1 : lseek(from, data, SEEK_HOLE);
        uint64_t begin = end < 0 ? at : (uint64_t)data; /* one that knows of no holes */
        at = end < 0 ? len : TZ_MIN(len, (uint64_t)end);
        if (copy_range(from, to, begin, at, err))
            return -1;
    }
    return ftruncate(to, (off_t)len) ? tz_fail_errno(err, errno, "set length") : 0;
}

/* Put a new file into the place of what stands there. */
static int replace(const struct tz_spot *spot, const struct tz_entry *entry, int *ret_fd,
                   struct tz_error *err)
{
    for (int i = 0; i < TZ_PLACE_TRIES; i++) {
        if (tz_spot_remove(spot, entry, err))
            return -1;
        if (tz_spot_create(spot, entry, ret_fd))
            return *ret_fd >= 0 ? 0 : tz_fail_errno(err, errno, "make file");
    }
    return tz_fail(err, TZ_BUSY, "something else keeps appearing in the file's place");
}

int tz_place_unshare(struct tz_place *place, const struct tz_entry *entry, int fd,
                     struct tz_error *err)
{
    TZ_SCOPED(tz_spot_close) struct tz_spot spot = {0};
    TZ_SCOPED(tz_scoped_fd) int copy = -1;
    struct stat st;

    if (fstat(fd, &st))
        return tz_fail_errno(err, errno, "stat");
    if (tz_spot_open(place, entry->path, entry->path_len, &spot, err) ||
        replace(&spot, entry, &copy, err) ||
        copy_content(fd, copy, TZ_MIN((uint64_t)st.st_size, entry->size), err))
        return -1;
    /* At once for whoever reads from it. */
    if (dup3(copy, fd, O_CLOEXEC) < 0)
        return tz_fail_errno(err, errno, "exchange a file");
    tz_place_set_fresh(place, fd, !spot.parent.inherits);
    return 0;
}

/* The first file to ask for it gets it; a file of its own is what the others are meant to be. */
static bool claim(struct tz_place *place, const struct stat *st)
{
    bool first = false;

    (void)pthread_mutex_lock(&place->lock);
    bool added = tz_inode_set_add(&place->shared, st, &first);
    (void)pthread_mutex_unlock(&place->lock);
    return added && first;
}

bool tz_place_may_stay(struct tz_place *place, const struct tz_entry *entry,
                       const struct tz_placed *placed)
{
    return tz_place_metadata_is_right(entry, placed) && claim(place, &placed->st);
}

bool tz_place_keeps(struct tz_place *place, const struct tz_entry *entry, int fd)
{
    struct tz_placed placed = {.fd = fd};

    return fstat(fd, &placed.st) == 0 && (uint64_t)placed.st.st_size == entry->size &&
           tz_place_may_stay(place, entry, &placed);
}
