/*
 * Inside of an opened repository; only core/repo/ sees it.
 */
#ifndef TOZAI_REPO_INTERNAL_H
#define TOZAI_REPO_INTERNAL_H

#include "tozai/core/repo.h"

#define DESCRIPTOR_MAX 4096
#define SLOT_MAX       65536

struct tz_repo {
    const struct tz_config *config;
    struct tz_mirror *mirror;
    struct tz_keys *keys;
    struct tz_catalog *catalog;
    struct tz_descriptor descriptor;
    struct tz_buf descriptor_bytes;
    uint8_t slot[TZ_HASH_SIZE]; /* that opened */
    int64_t store_ids[TZ_MIRROR_MAX_STORES];
    int lock_fd;
    const char *fill;     /* of the options */
    bool soon;            /* of the options */
    bool offline;         /* no store can be used, and the catalog stands in */
    struct tz_error away; /* why */
    tz_warn_fn *warn;
    void *warn_arg;
};

/* One object of a listing. */
struct tz_listed {
    char name[TZ_NAME_TEXT];
    uint64_t size;
};
struct tz_listing {
    struct tz_listed *items;
    size_t count, cap;
};
void tz_listing_clear(struct tz_listing *listing);
static inline TZ_UNUSED void tz_scoped_listing(struct tz_listing *listing)
{
    tz_listing_clear(listing);
}
int tz_listing_add(struct tz_listing *listing, const char *name, uint64_t size,
                   struct tz_error *err) TZ_MUST_CHECK;
int tz_listing_read(struct tz_listing *listing, struct tz_store *store, const char *prefix,
                    struct tz_error *err) TZ_MUST_CHECK;

/*
 * at_once.c: visit every usable store; those that are not local at once, each on a thread of its
 * own, so that their answers are waited for together.  The main thread waits.
 */
typedef void tz_repo_visit_fn(void *arg, size_t store);
int tz_repo_visit_stores(struct tz_repo *repo, tz_repo_visit_fn *visit, void *arg,
                         struct tz_error *err) TZ_MUST_CHECK;

/* stores.c: open the mirror over the configured stores.  options NULL: none. */
int tz_repo_open_stores(struct tz_mirror **ret, const struct tz_config *config,
                        const struct tz_repo_options *options, bool create,
                        struct tz_error *err) TZ_MUST_CHECK;
/* Read the descriptors, hold them against each other, put what cannot be used out: with offline,
 * also if that leaves none, which is an error all the same. */
int tz_repo_check_stores(struct tz_repo *repo, const struct tz_repo_options *options,
                         struct tz_error *err) TZ_MUST_CHECK;
/* Every descriptor is damaged: this slot says whose the repository is. */
int tz_repo_adopt(struct tz_repo *repo, const struct tz_slot_info *slot,
                  struct tz_error *err) TZ_MUST_CHECK;
/* A store that cannot be used goes out and is spoken of; the others go on. */
void tz_repo_put_out(struct tz_repo *repo, size_t i, const struct tz_error *why);
/* probe.c: tell the stores what was proven of them.  For runs that write: probe those of which
 * nothing is known, and put those out that are where the policy does not want them; fails if none
 * is left. */
int tz_repo_use_probes(struct tz_repo *repo, bool writes, struct tz_error *err) TZ_MUST_CHECK;
/* Ask store i itself, if the policy cares, and judge. */
int tz_repo_ask_region(struct tz_repo *repo, size_t i, struct tz_error *err) TZ_MUST_CHECK;
/* unlock.c */
/* Whose key slots are in store i?  *ret is the oldest of them; false if none can be read, or they
 * are of several repositories. */
bool tz_repo_whose_slots(struct tz_repo *repo, size_t i, struct tz_slot_info *ret);
int tz_repo_unlock_secret(const struct tz_config *config, bool no_prompt, bool confirm,
                          struct tz_unlock *ret, struct tz_error *err) TZ_MUST_CHECK;
int tz_repo_open_keys(struct tz_repo *repo, const struct tz_repo_options *options,
                      struct tz_error *err) TZ_MUST_CHECK;
/* doubt.c */
/*
 * Index objects go with the packs that they describe, or others take their place.  Packs of store i
 * that none describes any more are looked for, even if we slept through the whole life of the
 * tombstone that named them: without an index the catalog's belief has no ground.
 */
int tz_repo_doubt_packs(struct tz_repo *repo, size_t i, struct tz_error *err) TZ_MUST_CHECK;
/* Forget generations that a prune forgot, here or elsewhere: no store has them, and a tombstone
 * says that this was meant.  Others that have gone are missed (verify). */
int tz_repo_forget_gone(struct tz_repo *repo, struct tz_error *err) TZ_MUST_CHECK;
/* learn.c: note an object that was found in store i. */
int tz_repo_learn(struct tz_repo *repo, size_t i, const char *name, uint64_t size,
                  struct tz_error *err) TZ_MUST_CHECK;

#endif
