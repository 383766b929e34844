/*
 * The inode flags that tozai keeps: those that chattr(1) sets and that mean the same on another
 * file system.
 *
 * Left out on purpose: what describes the layout (extents, inline data, encryption, verity,
 * casefold), what no file system acts on (secure deletion, undeletable), project inheritance
 * (project numbers are not kept) and data journalling (it needs a privilege of its own).
 */
#ifndef TOZAI_CORE_INODE_FLAGS_H
#define TOZAI_CORE_INODE_FLAGS_H

#include <linux/fs.h>
#include <stdbool.h>
#include <stdint.h>

/* While one of these is set, nothing else of the file can be changed. */
#define TZ_INODE_LOCKS ((uint32_t)(FS_IMMUTABLE_FL | FS_APPEND_FL))

#define TZ_INODE_FLAGS                                                                             \
    ((uint32_t)(FS_SYNC_FL | FS_IMMUTABLE_FL | FS_APPEND_FL | FS_NODUMP_FL | FS_NOATIME_FL |       \
                FS_DIRSYNC_FL | FS_TOPDIR_FL | FS_NOCOW_FL | FS_COMPR_FL))

/* The kept flags of an open file or directory; false if the file system has none. */
bool tz_inode_flags_get(int fd, uint32_t *ret_flags);
/* Change the kept flags to these, one by one where not all can be. -1 with errno. */
int tz_inode_flags_set(int fd, uint32_t flags);

#endif
