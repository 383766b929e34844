/*
 * From an entry of libarchive's, which somebody else made, to one that a manifest may hold.
 */
#ifndef TOZAI_CORE_ARCHIVE_FOREIGN_H
#define TOZAI_CORE_ARCHIVE_FOREIGN_H

#include "tozai/core/entry.h"

#include <archive.h>
#include <archive_entry.h>

/* What is odd about it. */
struct tz_foreign {
    struct tz_error why; /* kind TZ_OK: nothing */
    bool left_out;       /* it cannot be taken at all */
    bool was_absolute;   /* its path, or that of a hard link's target */
};

/*
 * Fill ret, which is empty: a file, directory... or a hard link to the path link.  Sizes come with
 * the content.  default_time: where the archive has none.
 */
int tz_foreign_read(struct tz_entry *ret, struct archive_entry *in, int64_t default_time_ns,
                    struct tz_foreign *foreign, struct tz_error *err) TZ_MUST_CHECK;
/* "./a//b/" as a manifest has it, in place.  False: it leads upward. */
bool tz_foreign_path(char *path, size_t *ret_len, bool *ret_absolute);

#endif
