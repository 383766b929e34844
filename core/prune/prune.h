/*
 * A prune while it runs.
 */
#ifndef TOZAI_CORE_PRUNE_PRUNE_H
#define TOZAI_CORE_PRUNE_PRUNE_H

#include "../catalog/prune.h"
#include "../check/check.h"
#include "../repo/internal.h"
#include "tozai/core/lock.h"
#include "tozai/core/prune.h"
#include "tozai/util/fingerprints.h"

/* Objects that are worked on at once. */
#define TZ_PRUNE_BATCH 512

struct tz_pruning {
    const struct tz_prune_options *options;
    struct tz_repo *repo;
    struct tz_mirror *mirror;
    struct tz_catalog *catalog;
    struct tz_prune_result *result;
    int64_t now_ns;
    uint32_t stores;                         /* that are worked on */
    int64_t newest_ns[TZ_MIRROR_MAX_STORES]; /* the youngest object, by the store's clock */
    bool transaction;                        /* of a dry run: everything in it is undone */
    /* Heads in whose place others have come. */
    struct tz_prune_generation *replaced;
    size_t replaced_count;
    bool forgotten; /* what the plan said has gone */
};

/* prune.c */
/* Changes of the catalog that belong together; a dry run is one all the time. */
int tz_pruning_begin(struct tz_pruning *pruning, struct tz_error *err) TZ_MUST_CHECK;
int tz_pruning_commit(struct tz_pruning *pruning, struct tz_error *err) TZ_MUST_CHECK;
void tz_pruning_rollback(struct tz_pruning *pruning);

/* objects.c: changes of the stores; a dry run leaves them out. */
/* Put an object into every store of the mask, all or failure.  Then note it, in one transaction
 * with what it says: the catalog is not kept locked while a store takes its time. */
int tz_pruning_put(struct tz_pruning *pruning, const char *name, const void *data, size_t len,
                   uint32_t stores, struct tz_error *err) TZ_MUST_CHECK;
int tz_pruning_note_put(struct tz_pruning *pruning, const char *name, size_t len, uint32_t stores,
                        int64_t *ret_object, struct tz_error *err) TZ_MUST_CHECK;
/* Remove at most TZ_PRUNE_BATCH objects from the stores that each has a bit for. */
struct tz_pruning_object {
    const char *name;
    uint32_t stores;
};
int tz_pruning_remove(struct tz_pruning *pruning, const struct tz_pruning_object *objects,
                      size_t count, struct tz_error *err) TZ_MUST_CHECK;
/* Is it locked in one of these stores?  *ret_until_ns 0: no. */
int tz_pruning_locked(struct tz_pruning *pruning, const char *name, uint32_t stores,
                      int64_t *ret_until_ns, struct tz_error *err) TZ_MUST_CHECK;

/* plan.c: fill in kept and forgotten of the result. */
int tz_pruning_plan(struct tz_pruning *pruning, struct tz_error *err) TZ_MUST_CHECK;
int tz_pruning_add(struct tz_prune_generation **list, size_t *count,
                   const struct tz_prune_generation *generation,
                   struct tz_error *err) TZ_MUST_CHECK;
/* Is its head or seal locked?  *ret_until_ns 0: no. */
int tz_pruning_head_locked(struct tz_pruning *pruning, const struct tz_prune_generation *generation,
                           int64_t *ret_until_ns, struct tz_error *err) TZ_MUST_CHECK;
void tz_pruning_clear(struct tz_prune_generation *list, size_t count);
/* forget.c: write tombstones for what is forgotten, replaced, and not needed any more; then remove
 * seals and heads. */
int tz_pruning_forget(struct tz_pruning *pruning, struct tz_error *err) TZ_MUST_CHECK;
/* Write tombstones that name these packs. */
int tz_pruning_condemn(struct tz_pruning *pruning, const struct tz_catalog_live *packs,
                       size_t count, struct tz_error *err) TZ_MUST_CHECK;
int tz_pruning_load_head(struct tz_pruning *pruning, const uint8_t id[TZ_HASH_SIZE],
                         struct tz_head *ret, struct tz_error *err) TZ_MUST_CHECK;
/* live.c: how much of each pack is needed by the generations that stay. */
struct tz_live;
int tz_live_measure(struct tz_live **ret, struct tz_pruning *pruning,
                    struct tz_error *err) TZ_MUST_CHECK;
void tz_live_free(struct tz_live *live);
TZ_DEFINE_SCOPED(struct tz_live *, tz_scoped_live, tz_live_free)
/* The packs that may be written anew, to be sorted and marked; valid until it is freed. */
struct tz_catalog_live *tz_live_packs(struct tz_live *live, size_t *ret_count);
/* Note in the catalog which chunks of the victims are needed.  The packs are sorted by number
 * then. */
int tz_live_find_moves(struct tz_live *live, struct tz_error *err) TZ_MUST_CHECK;
/* After that: of what kind is this one of the packs? */
enum tz_pack_kind tz_live_kind(const struct tz_live *live, int64_t pack);
/* repack.c: write packs anew of which little is needed, and the heads that name them. */
int tz_pruning_repack(struct tz_pruning *pruning, struct tz_error *err) TZ_MUST_CHECK;
/* packs.c: list the packs of all stores; delete what ripe tombstones name. */
int tz_pruning_list(struct tz_pruning *pruning, struct tz_error *err) TZ_MUST_CHECK;
int tz_pruning_delete(struct tz_pruning *pruning, const int64_t *tombstones, size_t count,
                      struct tz_error *err) TZ_MUST_CHECK;
/* graves.c: tombstones in their age. */
/* Those whose packs may go now, in every store; free() */
int tz_pruning_ripe(struct tz_pruning *pruning, int64_t **ret, size_t *ret_count,
                    struct tz_error *err) TZ_MUST_CHECK;
/* Remove those that nobody can need any more. */
int tz_pruning_bury(struct tz_pruning *pruning, struct tz_error *err) TZ_MUST_CHECK;
/* index.c: write index objects anew that name packs which have gone, and unite small ones. */
int tz_pruning_clean_indexes(struct tz_pruning *pruning, struct tz_error *err) TZ_MUST_CHECK;
/* proof.c: every kept generation is complete where it claims to be. */
int tz_pruning_prove(struct tz_pruning *pruning, struct tz_error *err) TZ_MUST_CHECK;

#endif
