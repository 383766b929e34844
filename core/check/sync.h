/*
 * A sync while it runs.
 */
#ifndef TOZAI_CORE_CHECK_SYNC_H
#define TOZAI_CORE_CHECK_SYNC_H

#include "../repo/internal.h"
#include "check.h"

/* Objects that are read while others are written: each may have the size of a pack. */
#define TZ_SYNC_READERS 4

struct tz_sync_copy {
    struct tz_job job;
    struct tz_sync *sync;
    char name[TZ_NAME_TEXT];
    int64_t object;
    uint32_t sources, targets;
    struct tz_blob *room; /* to read it into */
    /* What came out. */
    struct tz_blob *blob;
    uint32_t damaged, gone; /* of the sources */
    struct tz_error fatal;
};

/* What its stores had, and had no more when it was to be read. */
struct tz_sync_vanished {
    int64_t object;
    enum tz_name_kind kind;
};

/* A put on its way. */
struct tz_sync_pending {
    int64_t object;
    uint64_t size;
};

struct tz_sync {
    const struct tz_sync_options *options;
    struct tz_repo *repo;
    struct tz_mirror *mirror;
    struct tz_catalog *catalog; /* NULL: nothing is noted (level.c) */
    struct tz_sync_result *result;
    int64_t begun_ns;
    uint32_t sources, targets; /* that the caller asked for */
    uint32_t behind;           /* stores that lack anything */
    uint32_t spoiled;          /* stores that have, or get, no whole copy of something */
    uint64_t failed_copies;    /* of what no store could give */
    uint32_t out;              /* stores that were spoken of */
    struct tz_presence presence;
    struct tz_pool *pool;
    struct tz_sync_copy copies[TZ_SYNC_READERS]; /* a ring */
    size_t first, used;
    struct tz_sync_pending *pending;
    size_t pending_count, pending_cap;
    uint64_t open; /* results that have not come */
    struct tz_sync_vanished *vanished;
    size_t vanished_count, vanished_cap;
    struct tz_verify_progress progress;
    int64_t next_progress;
};

/* Those of the set that are still usable. */
uint32_t tz_sync_usable(const struct tz_sync *sync, uint32_t stores);
/* Speak of stores that have gone out, once. */
void tz_sync_warn(struct tz_sync *sync);
void tz_sync_report(struct tz_sync *sync, bool now);
/* Copy an object; waits for older ones. */
int tz_sync_submit(struct tz_sync *sync, const struct tz_target *target, uint32_t sources,
                   uint32_t targets, struct tz_error *err) TZ_MUST_CHECK;
/* Note the puts that are done. */
int tz_sync_take_results(struct tz_sync *sync, struct tz_error *err) TZ_MUST_CHECK;
/* Until all is durable that was submitted. */
int tz_sync_drain(struct tz_sync *sync, struct tz_error *err) TZ_MUST_CHECK;
/* sync.c: false for what a prune means to delete, as far as the catalog knows; a pack that a
 * generation needs all the same is wanted. */
int tz_sync_is_wanted(struct tz_repo *repo, const char *name, bool *ret,
                      struct tz_error *err) TZ_MUST_CHECK;
void tz_sync_tear_down(struct tz_sync *sync);

#endif
