#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "tozai/core/inode_flags.h"

#include <errno.h>
#include <sys/ioctl.h>

#include "tozai/util/banned.h"

/* The kernel reads and writes an int, whatever the request's name says. */
bool tz_inode_flags_get(int fd, uint32_t *ret_flags)
{
    int flags = 0;

    if (ioctl(fd, FS_IOC_GETFLAGS, &flags))
        return false;
    *ret_flags = (uint32_t)flags & TZ_INODE_FLAGS;
    return true;
}

int tz_inode_flags_set(int fd, uint32_t flags)
{
    int now = 0;

    if (ioctl(fd, FS_IOC_GETFLAGS, &now))
        return -1;
    uint32_t old = (uint32_t)now;
    uint32_t wanted = (old & ~TZ_INODE_FLAGS) | (flags & TZ_INODE_FLAGS);
    if (wanted == old)
        return 0;
    now = (int)wanted;
    if (ioctl(fd, FS_IOC_SETFLAGS, &now) == 0)
        return 0;

    /* One that this file system does not have must not cost the others. */
    int failure = errno;
    uint32_t current = old;
    for (uint32_t bit = 1; bit != 0; bit <<= 1) {
        if (!((wanted ^ current) & bit))
            continue;
        now = (int)(current ^ bit);
        if (ioctl(fd, FS_IOC_SETFLAGS, &now) == 0)
            current ^= bit;
        else
            failure = errno;
    }
    errno = failure;
    return current == wanted ? 0 : -1;
}
