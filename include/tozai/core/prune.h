/*
 * Forgetting generations that no policy keeps, and deleting the packs that none needs any more.
 *
 * It is safe beside backups, syncs and other prunes of any host, however long one of them sleeps
 * between two steps; a sync that slept for 30 days ends itself (docs/design.md;
 * tests/model/prune.pml):
 *
 *   1. a tombstone, in every store, names the heads that go and the packs that no other head needs
 *   2. the seals go, in every store, then the heads
 *   3. when the tombstone has stood for the grace period, all heads are listed again; what it names
 *      and none of them needs is deleted.  What is needed stays, and stays condemned: a tombstone
 * is never withdrawn
 *   4. index objects that name deleted packs are written anew without them
 *   5. the tombstone goes 30 days after the last of its packs, by the clock of each store
 *
 * Killed at any moment, the next prune goes on where this one was: what is meant to go stands in
 * the stores.  On failure everything that is complete still is.
 *
 * Threads: one, the caller's.
 */
#ifndef TOZAI_CORE_PRUNE_H
#define TOZAI_CORE_PRUNE_H

#include "tozai/core/repo.h"
#include "tozai/core/retention.h"

#define TZ_PRUNE_GRACE_NS (INT64_C(24) * 3600 * 1000000000) /* the usual grace period */
#define TZ_PRUNE_LIVE     60                                /* the usual live_percent */

/* A head without a seal is given up when it is so old, by the store's clock and by ours. */
#define TZ_PRUNE_UNFINISHED_NS (INT64_C(30) * 24 * 3600 * 1000000000)
/* Packs that no head names may belong to a backup that is running; they are let alone for so long
 * (unless the grace period is 0). */
#define TZ_PRUNE_YOUNG_NS (INT64_C(7) * 24 * 3600 * 1000000000)

/*
 * Must this object of store i stay for now (object lock)?  *ret_until_ns 0: no.  The copy is then
 * counted and left.
 */
typedef int tz_prune_locked_fn(void *arg, size_t store, const char *name, int64_t *ret_until_ns,
                               struct tz_error *err);

struct tz_prune_options {
    struct tz_repo *repo;  /* opened exclusive (a dry run, too) */
    bool dry_run;          /* find out what would be done; changes nothing */
    bool force;            /* although the clock looks wrong (retention.h) */
    int64_t grace_ns;      /* between tombstone and deletion; 0: none */
    unsigned live_percent; /* write packs anew of which less is needed; 0: none */
    size_t live_max;       /* chunks that are counted at once; 0: as many as 256 MiB hold */
    int64_t now_ns;        /* 0: tz_now() */
    /* Only these sources, configured or not; none: all that are configured. */
    const char *const *sources;
    size_t source_count;
    /* Work although this store cannot be used; it is then left as it is.  NULL: none. */
    const char *without;
    tz_prune_locked_fn *locked; /* NULL: nothing is locked */
    void *locked_arg;
};

struct tz_prune_generation {
    uint8_t id[TZ_HASH_SIZE];     /* of its head */
    uint8_t origin[TZ_HASH_SIZE]; /* what people call it */
    char *source;
    int64_t time_ns;
    unsigned reasons;        /* enum tz_retention_reason; why it is kept */
    bool unconfigured;       /* kept because its source left the configuration */
    int64_t locked_until_ns; /* kept because its head or seal is locked; 0: they are not */
};

struct tz_prune_result {
    struct tz_prune_generation *kept, *forgotten;
    size_t kept_count, forgotten_count;
    uint64_t tombstoned_packs; /* condemned by this run */
    uint64_t waiting_packs;    /* condemned, not needed, and not yet deleted */
    uint64_t deleted_packs;
    uint64_t freed_bytes; /* of packs, in all stores together */
    uint64_t rewritten_packs;
    uint64_t locked_packs;   /* that could not be deleted yet */
    int64_t locked_until_ns; /* when the last of them can be */
    /* Copies of kept generations that claim to be complete and are not: "west: ID".  Prune did not
     * cause it, and tells it. */
    char **broken;
    size_t broken_count;
};
void tz_prune_result_clear(struct tz_prune_result *result);

/*
 * Refused, with nothing done: a store that cannot be used, or a head that cannot be read
 * (TZ_UNAVAILABLE, TZ_CORRUPT); a policy or a clock that cannot be right (TZ_INVALID).
 */
int tz_prune(const struct tz_prune_options *options, struct tz_prune_result *ret,
             struct tz_error *err) TZ_MUST_CHECK;

#endif
