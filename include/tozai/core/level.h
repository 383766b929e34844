/*
 * Moving a repository between stores, by the stores' listings alone.
 *
 * Filling a store needs no key: names say what the bytes must be.  What a generation needs, nobody
 * can read without one, so all packs that were listed go first; then the indexes, heads and seals
 * that were there before the packs were listed, and still are.  A head was written after its packs,
 * and no prune takes packs of a head that stands: so none comes before what it needs.  If any pack
 * could not be copied into a store, indexes and generations are held back there.
 *
 * Tombstones cannot be read without a key.  If this machine has a catalog, what it remembers of
 * them is not brought back; what else a prune was about to delete may come back, and goes again
 * with the next one.
 *
 * It may be stopped at any moment, and run again: what is there is not copied again.
 */
#ifndef TOZAI_CORE_LEVEL_H
#define TOZAI_CORE_LEVEL_H

#include "tozai/core/verify.h"

struct tz_level_options {
    struct tz_repo *repo; /* opened keyless */
    const char *store;    /* that is brought level; NULL: every one */
    bool apart; /* see first that the store is not another one by a second name (TZ_INVALID) */
    const char *from; /* only what this one has; NULL: any of the others */
    tz_verify_progress_fn *progress;
    void *progress_arg;
};
struct tz_level_result {
    uint64_t objects, bytes; /* copied */
    uint64_t failed;         /* objects that no other store could give whole */
    uint64_t held_back;      /* copies of indexes, heads and seals that wait for them */
    uint64_t behind;         /* copies that are still missing, with these */
    bool level;              /* each store has all that the others have */
};
/* A store that drops out on the way is not a failure: then it is not level.  Nor is it one that is
 * out from the beginning if none is named. */
int tz_level(const struct tz_level_options *options, struct tz_level_result *ret,
             struct tz_error *err) TZ_MUST_CHECK;

struct tz_forget_result {
    uint64_t generations; /* that are sealed */
    uint64_t copies;      /* whole copies that each has elsewhere, at least */
    bool forgotten;       /* false: it is still configured */
};
/*
 * Forget a store that is not configured any more.  Before that the others are listed: fewer than
 * min_copies whole copies of a generation there (0: one in every other store) is TZ_FAILED, an
 * unknown store TZ_NOT_FOUND.  For one that is still configured this is only looked at.
 */
int tz_forget_store(struct tz_repo *repo, const char *name, struct tz_forget_result *ret,
                    struct tz_error *err) TZ_MUST_CHECK;
/* Is it one that can be forgotten, by configuration and catalog?  TZ_NOT_FOUND if not. */
int tz_need_forgettable(const struct tz_config *config, const char *name,
                        struct tz_error *err) TZ_MUST_CHECK;

#endif
