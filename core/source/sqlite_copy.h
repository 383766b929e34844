/*
 * A consistent copy of an SQLite database that others may be writing to.
 */
#ifndef TOZAI_CORE_SOURCE_SQLITE_COPY_H
#define TOZAI_CORE_SOURCE_SQLITE_COPY_H

#include "tozai/util/error.h"

#include <stdint.h>

struct tz_sqlite_copy {
    int fd;             /* the copy, without a name, at its beginning */
    uint32_t page_size; /* 0: an empty database */
    int64_t time_ns;    /* of the snapshot */
};

/*
 * Copy the database at path by SQLite's backup interface inside one read transaction: writers in
 * WAL mode go on, others wait at their commit.  The copy is checked for its header and size.
 * Not a database: TZ_INVALID; a damaged one: TZ_CORRUPT.
 */
int tz_sqlite_copy(struct tz_sqlite_copy *ret, const char *path, const char *scratch,
                   struct tz_error *err) TZ_MUST_CHECK;

#endif
