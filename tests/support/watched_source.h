/*
 * The real source of a backup with somebody who watches, and who makes things happen at a chosen
 * moment.
 *
 * A program that is linked with --wrap=tz_source_open gets it for every tz_source_open() while
 * tz_watch is set.
 */
#ifndef TOZAI_TESTS_WATCHED_SOURCE_H
#define TOZAI_TESTS_WATCHED_SOURCE_H

#include "tozai/core/source.h"

struct tz_watch {
    /* What was seen. */
    unsigned loads; /* of files */
    /* Large and small files are read by different threads. */
    _Atomic unsigned rewinds;
    _Atomic uint64_t read_bytes; /* of all files, without holes */

    /* Change times are told this much older, so that a test need not wait until a file that it
     * made counts as old. */
    int64_t older_s;
    const char *path;          /* the file of the next three */
    uint64_t from;             /* reads at or behind this offset... */
    int fault;                 /* ...fail with this errno, or */
    void (*happen)(void *arg); /* ...come after this */
    void *arg;
    const char *end_fault; /* finish() of the source fails with this text */
};

extern struct tz_watch *tz_watch;

#endif
