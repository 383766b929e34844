/* The transfers of tozai/util/file.h that work on a file descriptor. */
#include "tozai/util/file.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "tozai/util/banned.h"

/* The kernel moves no more than this in one call anyway. */
#define MAX_TRANSFER ((size_t)1 << 30)

/*
 * After a failed transfer: is it worth another try?  Standard input and output may be
 * non-blocking because another program that shares them made them so; then wait.
 */
static bool may_retry(int fd, short events)
{
    if (errno == EINTR)
        return true;
    if (errno != EAGAIN && errno != EWOULDBLOCK)
        return false;
    struct pollfd wait = {.fd = fd, .events = events};
    return poll(&wait, 1, -1) >= 0 || errno == EINTR;
}

int tz_write_all(int fd, const void *data, size_t len, struct tz_error *err)
{
    const uint8_t *at = data;

    while (len > 0) {
        ssize_t n = write(fd, at, TZ_MIN(len, MAX_TRANSFER));
        if (n < 0 && may_retry(fd, POLLOUT))
            continue;
        if (n <= 0) /* nothing written without a reason would loop for ever */
            return tz_fail_errno(err, n < 0 ? errno : EIO, "write");
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

/* off_t is signed. */
static int check_range(size_t len, uint64_t offset, struct tz_error *err)
{
    if (offset > INT64_MAX || len > INT64_MAX - offset)
        return tz_fail_errno(err, EFBIG, "offset %ju", (uintmax_t)offset);
    return 0;
}

int tz_pwrite_all(int fd, const void *data, size_t len, uint64_t offset, struct tz_error *err)
{
    const uint8_t *at = data;

    if (check_range(len, offset, err))
        return -1;
    while (len > 0) {
        ssize_t n = pwrite(fd, at, TZ_MIN(len, MAX_TRANSFER), (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return tz_fail_errno(err, n < 0 ? errno : EIO, "write at offset %ju",
                                 (uintmax_t)offset);
        at += n;
        len -= (size_t)n;
        offset += (uint64_t)n;
    }
    return 0;
}

int tz_read_full(int fd, void *data, size_t len, size_t *ret_len, struct tz_error *err)
{
    uint8_t *start = data;
    size_t done = 0;

    while (done < len) {
        ssize_t n = read(fd, start + done, TZ_MIN(len - done, MAX_TRANSFER));
        if (n < 0 && may_retry(fd, POLLIN))
            continue;
        if (n < 0)
            return tz_fail_errno(err, errno, "read");
        if (n == 0)
            break;
        done += (size_t)n;
    }
    *ret_len = done;
    return 0;
}

int tz_pread_full(int fd, void *data, size_t len, uint64_t offset, size_t *ret_len,
                  struct tz_error *err)
{
    uint8_t *start = data;
    size_t done = 0;

    if (check_range(len, offset, err))
        return -1;
    while (done < len) {
        off_t at = (off_t)(offset + done);
        ssize_t n = pread(fd, start + done, TZ_MIN(len - done, MAX_TRANSFER), at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return tz_fail_errno(err, errno, "read at offset %ju", (uintmax_t)at);
        if (n == 0)
            break;
        done += (size_t)n;
    }
    *ret_len = done;
    return 0;
}
