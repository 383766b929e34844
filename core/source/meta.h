/*
 * What a source puts into an entry besides its content: what a stat gives, owner names, extended
 * attributes, inode flags.
 */
#ifndef TOZAI_CORE_SOURCE_META_H
#define TOZAI_CORE_SOURCE_META_H

#include "tozai/core/entry.h"

struct statx;

/* Every statx of the sources asks for this. */
#define TZ_STATX_MASK (STATX_BASIC_STATS | STATX_BTIME)

uint64_t tz_statx_dev(const struct statx *st);
/* Type, mode, owner, size (of files only), times, device, dev, ino, ctime. */
void tz_entry_set_stat(struct tz_entry *entry, const struct statx *st);

/* The names of users and groups, asked for once each. */
struct tz_owners;
int tz_owners_new(struct tz_owners **ret, struct tz_error *err) TZ_MUST_CHECK;
void tz_owners_free(struct tz_owners *owners);
TZ_DEFINE_SCOPED(struct tz_owners *, tz_scoped_owners, tz_owners_free)
/* Set user and group of the entry. */
int tz_owners_fill(struct tz_owners *owners, struct tz_entry *entry,
                   struct tz_error *err) TZ_MUST_CHECK;

/*
 * Set the extended attributes, sorted by name: of fd, or if fd is -1 of path, which is followed.
 * A file system without them has none.  On failure the entry has none.
 */
int tz_entry_read_xattrs(struct tz_entry *entry, int fd, const char *path,
                         struct tz_error *err) TZ_MUST_CHECK;
/* The same for an O_PATH descriptor, which cannot be asked itself: a symlink, a device… */
int tz_entry_read_xattrs_at(struct tz_entry *entry, int path_fd,
                            struct tz_error *err) TZ_MUST_CHECK;

#endif
