/*
 * Checking the stores, healing them from each other, bringing them level.
 *
 * None of this needs to read content but tz_verify() at level content, which needs an operator.
 */
#ifndef TOZAI_CORE_VERIFY_H
#define TOZAI_CORE_VERIFY_H

#include "tozai/core/repo.h"

enum tz_verify_level {
    TZ_VERIFY_PRESENCE,   /* each store's listing against the catalog and against the others: names
                             and sizes */
    TZ_VERIFY_CIPHERTEXT, /* the hash of every object in every store */
    TZ_VERIFY_CONTENT, /* besides, every frame of every pack is opened, every chunk id recomputed;
                          every generation's manifest is read and all it names is found */
};

struct tz_verify_progress {
    const char *store;
    uint64_t objects, objects_total, bytes, bytes_total;
};
typedef void tz_verify_progress_fn(void *arg, const struct tz_verify_progress *progress);

struct tz_verify_options {
    struct tz_repo *repo;
    enum tz_verify_level level;
    const char *store;     /* NULL: every one */
    double sample_percent; /* 0 or 100: all; else those not verified for the longest time; those
                              that never were first, in the order in which they came */
    int64_t due_ns;        /* with a sample, besides: what was verified before; 0: none */
    bool heal;             /* replace damaged, add missing objects from another store */
    tz_verify_progress_fn *progress;
    void *progress_arg;
};

/* Names of objects; the caller's to free with the result. */
struct tz_verify_store {
    const char *name; /* the mirror's */
    bool reachable;
    uint64_t objects, bytes, checked_bytes;
    char **missing, **damaged, **healed,
        **unknown; /* unknown: not ours, or of no generation's index */
    size_t missing_count, damaged_count, healed_count, unknown_count;
};
struct tz_verify_result {
    struct tz_verify_store *stores;
    size_t store_count;
    /* Faults in what several stores share: a chunk that is in no pack, a manifest that cannot be
     * read… One line each. */
    char **faults;
    size_t fault_count;
    bool ok; /* nothing is wrong in the stores that are reachable, or all of it was healed */
};
void tz_verify_result_clear(struct tz_verify_result *result);

/* Finding damage is not a failure: see the result. */
int tz_verify(const struct tz_verify_options *options, struct tz_verify_result *ret,
              struct tz_error *err) TZ_MUST_CHECK;

struct tz_sync_options {
    struct tz_repo *repo;
    const char *from, *to; /* NULL: any, every */
    bool full; /* list the stores first; else the catalog is trusted, but for packs of stores
                  that are local or lack anything */
    tz_verify_progress_fn *progress;
    void *progress_arg;
};
struct tz_sync_result {
    uint64_t objects, bytes; /* copied */
    uint64_t failed;         /* objects that no store could give whole */
    uint64_t behind;         /* copies still missing */
    bool level;              /* every store that was meant was looked at and lacks nothing */
};
/* Copy what a store lacks from the others, in the order packs, index, keys, heads, seals; every
 * copy is checked by its hash before it is written.  A store that cannot be listed or written goes
 * out; a backup that follows knows what it cannot reach (tz_repo_set_reach()). */
int tz_sync(const struct tz_sync_options *options, struct tz_sync_result *ret,
            struct tz_error *err) TZ_MUST_CHECK;

/*
 * Make the catalog anew from the stores (or from one): index objects, heads and seals, the listing
 * of packs, and, for packs that no index names, their own directories (operator).  The old one is
 * put aside.
 */
int tz_catalog_rebuild(struct tz_repo *repo, const char *store, struct tz_error *err) TZ_MUST_CHECK;

#endif
