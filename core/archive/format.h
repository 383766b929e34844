/*
 * The formats that can be written, and what each of them can hold.
 */
#ifndef TOZAI_CORE_ARCHIVE_FORMAT_H
#define TOZAI_CORE_ARCHIVE_FORMAT_H

#include "tozai/core/archive.h"

#include <archive.h>

#define HOLDS_XATTRS      1U
#define HOLDS_ACLS        2U
#define HOLDS_FLAGS       4U
#define HOLDS_OWNERS      8U
#define HOLDS_OWNER_NAMES 16U
#define HOLDS_HARDLINKS   32U
#define HOLDS_DEVICES     64U
#define HOLDS_FIFOS       128U
#define HOLDS_HOLES       256U
#define HOLDS_BYTES       512U  /* names that are not UTF-8 */
#define HOLDS_ROOT        1024U /* the directory itself, beside what is in it */
#define HOLDS_SETUID      2048U
#define COUNTS_LINKS      4096U /* hard links are told by inode numbers and how many there are */

struct tz_archive_form {
    const char *name;
    const char *aliases; /* "tar posix " */
    const char *endings; /* ".tar .pax " */
    int (*set)(struct archive *archive);
    const char *options; /* for archive_write_set_options(), or NULL */
    const char *root;    /* the path of the root */
    unsigned holds;
    uint32_t grain_ns; /* of times */
    int64_t earliest_s, latest_s;
    uint32_t largest_id; /* of owners */
    uint64_t largest_device;
};

/* By a name from tz_archive_type_parse(). */
const struct tz_archive_form *tz_archive_form(const char *name);
/* Make libarchive write this type. */
int tz_archive_type_apply(const struct tz_archive_type *type, unsigned threads,
                          struct archive *archive, struct tz_error *err) TZ_MUST_CHECK;

#endif
