/*
 * Inside of an opened repository; only core/repo/ sees it.
 */
#ifndef TOZAI_REPO_INTERNAL_H
#define TOZAI_REPO_INTERNAL_H

#include "tozai/core/repo.h"

#define DESCRIPTOR_MAX 4096
#define SLOT_MAX       65536
#define KEY_MAX        256 /* of a value in the catalog */

/* One object of a listing. */
struct tz_listed {
    char name[TZ_NAME_TEXT];
    uint64_t size;
};
struct tz_listing {
    struct tz_listed *items;
    size_t count, cap;
};
/* What a store lists of all that is small: tombstones, and the rest in the order of names. */
struct tz_small {
    struct tz_listing tombstones, others;
};

/* Answers of a far store that nobody has taken yet. */
struct tz_ahead {
    bool asked;
    bool descriptor_taken, small_taken;
    struct tz_buf descriptor;
    struct tz_error descriptor_error;
    struct tz_buf slot; /* empty: it did not come */
    struct tz_small small;
    struct tz_error tombstones_error, others_error;
};

/* A frame that is likely to be read first. */
struct tz_likely {
    uint8_t pack[TZ_HASH_SIZE];
    struct tz_frame_info frame;
    struct tz_buf bytes; /* empty: it did not come */
};

/* early.c */
struct tz_early_reads;

struct tz_repo {
    const struct tz_config *config;
    struct tz_mirror *mirror;
    struct tz_keys *keys;
    struct tz_catalog *catalog;
    struct tz_descriptor descriptor;
    struct tz_buf descriptor_bytes;
    uint8_t slot[TZ_HASH_SIZE];       /* that opened */
    uint8_t usual_slot[TZ_HASH_SIZE]; /* that opened last time, as the catalog says */
    struct tz_ahead ahead[TZ_MIRROR_MAX_STORES];
    int64_t ahead_ns; /* when the last of them had come */
    struct tz_likely likely;
    struct tz_early_reads *early; /* NULL: none */
    uint32_t filled;              /* stores that had nothing when they were opened */
    int64_t store_ids[TZ_MIRROR_MAX_STORES];
    int lock_fd;
    const char *fill;     /* of the options */
    bool soon, any_order; /* of the options */
    bool offline;         /* no store can be used, and the catalog stands in */
    struct tz_error away; /* why */
    tz_warn_fn *warn;
    void *warn_arg;
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
int tz_listing_read_with(struct tz_listing *listing, struct tz_store *store, const char *prefix,
                         const struct tz_store_terms *terms, struct tz_error *err) TZ_MUST_CHECK;
void tz_small_clear(struct tz_small *small);
/*
 * soon.c: how long a store may take.  TZ_SOON is for what another store may do as well: one that is
 * silent for 4 s is given up then; what fails at once (a reset, a 503) is tried twice more.
 * TZ_ONCE: no second try, since it is asked for again if it does not come.
 */
enum tz_haste { TZ_PATIENT, TZ_SOON, TZ_ONCE };
#define TZ_SILENT_S 4U
/* refresh.c.  Tombstones before heads and packs, as the protocol demands (design.md). */
int tz_small_read(struct tz_small *small, struct tz_store *store, enum tz_haste haste,
                  struct tz_error *err) TZ_MUST_CHECK;
/* The halves, where the order does not matter. */
int tz_small_read_tombstones(struct tz_small *small, struct tz_store *store, enum tz_haste haste,
                             struct tz_error *err) TZ_MUST_CHECK;
int tz_small_read_others(struct tz_small *small, struct tz_store *store, enum tz_haste haste,
                         struct tz_error *err) TZ_MUST_CHECK;

typedef int tz_soon_fn(void *arg, const struct tz_store_terms *terms, struct tz_error *err);
int tz_repo_try(enum tz_haste haste, tz_soon_fn *try, void *arg,
                struct tz_error *err) TZ_MUST_CHECK;
/* At most max bytes of an object, which take the place of what stands in ret. */
int tz_repo_get_small(struct tz_store *store, const char *name, size_t max, enum tz_haste haste,
                      struct tz_buf *ret, struct tz_error *err) TZ_MUST_CHECK;

/*
 * ahead.c: what is asked of every far store before anything can be done.  Descriptor, key slot and
 * listings need nothing of each other, and each answer takes a way there and back: all of it is
 * asked at once; all but the descriptor only once, so that a store in trouble is not asked the
 * more.  An answer is taken once; false, and whoever wants it asks himself.  The main thread waits
 * for all of them, then any thread may take those of one store.
 */
int tz_repo_ask_ahead(struct tz_repo *repo, const struct tz_repo_options *options,
                      struct tz_error *err) TZ_MUST_CHECK;
/* err is set (its kind) if the answer is a failure. */
bool tz_ahead_descriptor(struct tz_repo *repo, size_t i, struct tz_buf *ret, struct tz_error *err);
bool tz_ahead_small(struct tz_repo *repo, size_t i, struct tz_small *ret, struct tz_error *err);
/* The bytes of usual_slot, from any store that can be used; whole, by their hash. */
bool tz_ahead_slot(struct tz_repo *repo, struct tz_buf *ret);
void tz_ahead_clear(struct tz_repo *repo);
/*
 * early.c: what a restore of everything reads first is on its way while the repository is opened
 * (tz_repo_take_early()).  What cannot be guessed or begun is read later.  The catalog is open when
 * it is planned; the mirror must live longer than the reads.
 */
void tz_early_plan(struct tz_repo *repo, const uint8_t generation[TZ_HASH_SIZE]);
void tz_early_begin(struct tz_repo *repo);
void tz_early_free(struct tz_early_reads *reads);
/* For the next opening: repo->slot is the one that opened, for who restores (operator) or others.
 */
int tz_repo_note_slot(struct tz_repo *repo, bool operator, struct tz_error * err) TZ_MUST_CHECK;
/* find.c: the generation that "SOURCE@POINT" names if the catalog knows all that the stores do. */
int tz_repo_guess(struct tz_repo *repo, const char *text, struct tz_head *ret,
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
/* Append where store i is, by its configuration: url, endpoint, region. */
int tz_repo_address(const struct tz_repo *repo, size_t i, struct tz_buf *ret,
                    struct tz_error *err) TZ_MUST_CHECK;
/* open.c: the catalog's numbers of the stores. */
int tz_repo_number_stores(struct tz_repo *repo, struct tz_error *err) TZ_MUST_CHECK;
/*
 * apart.c: the configuration cannot tell that two hosts are one, or that a disk is mounted twice.
 * What is put into store i under a random name must not be seen in another one: TZ_INVALID.  Where
 * nothing can be put, or what is put would stay (locks), nothing is found out.
 */
int tz_repo_check_apart(struct tz_repo *repo, size_t i, size_t *ret_other,
                        struct tz_error *err) TZ_MUST_CHECK; /* ret_other: that one; or NULL */
/* Keep in mind that store i is the other one by a second name: as long as both have the addresses
 * that they have now, and what it holds counts for nothing. */
int tz_repo_note_alias(struct tz_repo *repo, size_t i, size_t other,
                       struct tz_error *err) TZ_MUST_CHECK;
bool tz_repo_is_alias(struct tz_repo *repo, size_t i, size_t *ret_other);
/* That error. */
int tz_repo_one_place(const struct tz_repo *repo, size_t i, size_t k,
                      struct tz_error *err) TZ_MUST_CHECK;
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
