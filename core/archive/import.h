/*
 * Inside of an import.
 */
#ifndef TOZAI_CORE_ARCHIVE_IMPORT_H
#define TOZAI_CORE_ARCHIVE_IMPORT_H

#include "roster.h"
#include "spool.h"

#include "tozai/core/archive.h"

#include <stdatomic.h>

struct import {
    const struct tz_archive_import_options *options;
    tz_source_warn_fn *warn;
    void *warn_arg;
    struct tz_archive_spool *spool;
    struct tz_archive_roster *roster;
    int64_t time_ns;
    /* While entries are given. */
    char *directory; /* the path of the last directory given: it and all above it are there */
    size_t directory_len;
    char *other; /* the path of the last entry given that is not a directory; NULL: none */
    size_t other_len;
    struct tz_archive_name name; /* is given next, when the directories above it are there */
    bool has_name;
    struct tz_archive_content content; /* of the entry given last */
    atomic_bool failed;                /* a content could not be read back */
};

void tz_import_free(struct import *import);
/* Read the archive to its end: then spool and roster hold all of it. */
int tz_import_read(struct import *import, struct tz_error *err) TZ_MUST_CHECK;
/* What a backup asks of a source. */
extern const struct tz_source_driver tz_import_driver;

#endif
