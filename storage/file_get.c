/*
 * How the file driver reads an object.
 *
 * Large reads of what is not in the page cache go past it: a pack is read once and then not for
 * days, and going through the cache costs more CPU time than decrypting it (docs/performance.md).
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "file_driver.h"

#include "tozai/storage/blob.h"
#include "tozai/util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tozai/util/banned.h"

#define DIRECT_BYTES ((size_t)256 << 10)
#define SAMPLE_PAGES 32U
#define BLOCK_REST   (TZ_BLOB_ALIGN - 1)

/*
 * Is most of the middle of [offset, offset + len) in the page cache?  The ends may be there only
 * because of what was read beside them.  preadv2() with RWF_NOWAIT would ask for less, but it
 * makes the kernel read the page.
 */
static bool is_cached(int fd, uint64_t offset, size_t len)
{
    unsigned char pages[SAMPLE_PAGES];
    uint64_t middle = (offset + len / 2 - SAMPLE_PAGES / 2 * TZ_BLOB_ALIGN) & ~(uint64_t)BLOCK_REST;
    size_t cached = 0, size = SAMPLE_PAGES * TZ_BLOB_ALIGN;
    size_t count = (size + (size_t)sysconf(_SC_PAGESIZE) - 1) / (size_t)sysconf(_SC_PAGESIZE);
    void *map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, (off_t)middle);

    if (map == MAP_FAILED)
        return true; /* larger pages than blocks, or a file system without maps */
    if (mincore(map, size, pages) == 0)
        for (size_t i = 0; i < count; i++)
            cached += pages[i] & 1U;
    (void)munmap(map, size);
    return cached > count / 2;
}

static bool set_direct(int fd, bool direct)
{
    int flags = fcntl(fd, F_GETFL);

    return flags >= 0 && fcntl(fd, F_SETFL, direct ? flags | O_DIRECT : flags & ~O_DIRECT) == 0;
}

/* The whole blocks that hold [offset, offset + len), into aligned memory; *ret_len of them. */
static bool read_blocks(int fd, uint64_t offset, size_t len, uint8_t *blocks, size_t *ret_len)
{
    size_t came = 0;

    while (came < len) {
        ssize_t n = pread(fd, blocks + came, len - came, (off_t)(offset + came));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        came += (size_t)n;
        if (n == 0 || (size_t)n % TZ_BLOB_ALIGN != 0)
            break; /* the file's end */
    }
    *ret_len = came;
    return true;
}

/*
 * Put the first *ret_len of len bytes at offset behind what is in out, which has room for them.
 * Not all, or none, is no failure: the rest is read through the cache, which tells why.
 */
static int read_direct(int fd, uint64_t offset, size_t len, struct tz_buf *out, size_t *ret_len,
                       struct tz_error *err)
{
    size_t before = offset & BLOCK_REST;
    uint8_t *to = out->data + out->len;
    size_t blocks = len & ~BLOCK_REST, came = 0;

    *ret_len = 0;
    if (before || (uintptr_t)to & BLOCK_REST) {
        /* Read around it, aligned, and move it. */
        if (tz_buf_reserve(out, len + 3 * TZ_BLOB_ALIGN, err))
            return -1;
        to = out->data + out->len;
        to += (TZ_BLOB_ALIGN - ((uintptr_t)to & BLOCK_REST)) & BLOCK_REST;
        blocks = (before + len + BLOCK_REST) & ~BLOCK_REST;
    }
    if (!set_direct(fd, true))
        return 0;
    bool good = read_blocks(fd, offset - before, blocks, to, &came);
    if (!set_direct(fd, false))
        return tz_fail_errno(err, errno, "turn direct reading off");
    if (!good || came <= before)
        return 0;
    *ret_len = TZ_MIN(came - before, len);
    if (to + before != out->data + out->len)
        memmove(out->data + out->len, to + before, *ret_len);
    return 0;
}

/* Append what is there of [offset, offset + len) of the file of this size. */
static int read_range(int fd, uint64_t size, uint64_t offset, size_t len, struct tz_buf *out,
                      struct tz_error *err)
{
    if (offset >= size)
        return 0;
    size_t want = size - offset < len ? (size_t)(size - offset) : len, direct = 0, came = 0;
    if (tz_buf_reserve(out, want, err))
        return -1;
    /* What lies behind a part is not wanted: it would only be read ahead. */
    if (want < size)
        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
    if (want >= DIRECT_BYTES && !is_cached(fd, offset, want) &&
        read_direct(fd, offset, want, out, &direct, err))
        return -1;
    if (tz_pread_full(fd, out->data + out->len + direct, want - direct, offset + direct, &came,
                      err))
        return -1;
    out->len += direct + came;
    return 0;
}

/* The same, as fast as the store may. */
static int read_paced(struct tz_file_store *store, int fd, uint64_t size, uint64_t offset,
                      size_t len, struct tz_buf *out, struct tz_error *err)
{
    size_t left = offset < size ? (size_t)TZ_MIN(size - offset, (uint64_t)len) : 0;

    if (!store->download)
        return read_range(fd, size, offset, len, out, err);
    if (tz_buf_reserve(out, left, err))
        return -1;
    while (left > 0) {
        size_t piece = tz_pace_piece(store->download, left, TZ_BLOB_ALIGN), before = out->len;
        if (tz_pace_wait(store->download, piece, err) ||
            read_range(fd, size, offset, piece, out, err))
            return -1;
        if (out->len - before < piece)
            break; /* it has become shorter */
        offset += piece;
        left -= piece;
    }
    return 0;
}

int tz_file_get(void *state, const char *name, uint64_t offset, size_t len,
                const struct tz_store_terms *terms, struct tz_buf *out, struct tz_error *err)
{
    (void)terms; /* no read from a disk can be broken off */
    struct tz_file_store *store = state;
    TZ_SCOPED(tz_scoped_fd) int dir = -1;
    TZ_SCOPED(tz_scoped_fd) int fd = -1;
    const char *base = NULL;
    int number = tz_file_open_parent(store, name, false, &base, &dir);
    if (!number) {
        /* Not blocking: a pipe that somebody planted must not hold us up. */
        fd = openat(dir, base, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        number = fd < 0 ? errno : 0;
    }
    if (number)
        return tz_file_fail(store, tz_file_missing(store, number) ? ENOENT : number, "get", name,
                            err);

    struct stat st;
    if (fstat(fd, &st))
        return tz_file_fail(store, errno, "get", name, err);
    if (!S_ISREG(st.st_mode))
        return tz_file_fail(store, ENOENT, "get", name, err);
    struct tz_error reason = {0};
    if (read_paced(store, fd, (uint64_t)st.st_size, offset, len, out, &reason)) {
        if (reason.sys_errno)
            return tz_file_fail(store, reason.sys_errno, "get", name, err);
        if (err)
            *err = reason;
        return tz_while(err, "get '%s' in '%s'", name, store->path);
    }
    return 0;
}
