/*
 * POSIX ACLs: as the kernel gives them (extended attributes), and as libarchive has them.
 */
#ifndef TOZAI_CORE_ARCHIVE_ACL_H
#define TOZAI_CORE_ARCHIVE_ACL_H

#include "tozai/core/entry.h"

#include <archive_entry.h>

#define ACL_ACCESS_XATTR  "system.posix_acl_access"
#define ACL_DEFAULT_XATTR "system.posix_acl_default"

/* Is this attribute an ACL in the form that is understood here? */
bool tz_acl_is(const struct tz_xattr *xattr);
/* Add its entries to out; 0, or -1 without memory. */
int tz_acl_to_archive(const struct tz_xattr *xattr, struct archive_entry *out);

/*
 * Append what in has of one kind (ARCHIVE_ENTRY_ACL_TYPE_ACCESS or _DEFAULT) to value as an
 * attribute's value; nothing if there is no more to it than a mode.  *ret_mask: the group bits that
 * the mode then has. *ret_unknown: a user or group that this system does not know by name, and the
 * archive not by number, whose entry is left out.
 */
int tz_acl_from_archive(struct archive_entry *in, int type, struct tz_buf *value,
                        uint32_t *ret_mask, bool *ret_unknown, struct tz_error *err) TZ_MUST_CHECK;

#endif
