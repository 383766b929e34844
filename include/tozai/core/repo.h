/*
 * An opened repository: configuration, stores, keys and catalog together.
 *
 * Threads: the repository and its catalog belong to the main thread; the mirror's reads and the
 * keys may be used by workers.
 */
#ifndef TOZAI_CORE_REPO_H
#define TOZAI_CORE_REPO_H

#include "tozai/core/catalog.h"
#include "tozai/core/config.h"
#include "tozai/storage/mirror.h"
#include "tozai/storage/probe.h"

/* Something that went wrong but did not stop the work, for cmd/ to show. */
typedef void tz_warn_fn(void *arg, const char *text);

struct tz_repo_options {
    const struct tz_config *config; /* borrowed for the life of the repository */
    bool need_operator;             /* fail early with this purpose if the key cannot restore */
    const char *purpose;            /* "restore" */
    bool exclusive;                 /* take the state's lock: another holder is TZ_BUSY */
    bool read_only;                 /* never write to a store */
    bool writes;                    /* will: probe stores that nobody has, and mind the policy */
    bool soon;                      /* reads: a store that does not answer soon is left out */
    /* Tombstones may be listed beside the rest, not before it: who only reads condemns nothing, and
     * the looks of a backup see them again (tests/model). */
    bool any_order;
    const char *likely; /* soon: "SOURCE@POINT" that will be read first, perhaps; may be NULL */
    bool whole;         /* and all of its content, by tz_repo_take_early() */
    bool fill_empty;    /* sync: a store without a descriptor may be filled */
    bool spool;         /* with exclusive: what a slow store has no room for waits in files */
    bool
        keyless; /* stores and descriptor only: no keys, and the catalog learns nothing (level.h) */
    bool key_optional; /* keyless if no key opens without a prompt, with a warning */
    bool offline;      /* if no store can be used, what the catalog remembers will do */
    const char *fill;  /* the only one that fill_empty holds for; NULL: any */
    bool anew;         /* the catalog is to be rebuilt: a damaged one is put aside */
    bool no_prompt;
    const char *only_store; /* NULL: all; else use just this one */
    tz_warn_fn *warn;
    void *warn_arg;
};

struct tz_repo;

/*
 * Take the state's lock without opening the repository, for one who does several things under it:
 * then exclusive is not to be asked for.  Another holder is TZ_BUSY, and is told.  what: "tozai
 * run", for others to be told.  It is held until *ret_fd is closed.
 */
int tz_repo_lock(const struct tz_config *config, const char *what, int *ret_fd,
                 struct tz_error *err) TZ_MUST_CHECK;

/*
 * Open stores, descriptor, keys and catalog, and learn what is new in the stores.  A missing
 * catalog is made anew from the stores.  Fails if no store can be used (but see offline), if one is
 * another repository's, or if no key slot opens.
 */
int tz_repo_open(struct tz_repo **ret, const struct tz_repo_options *options,
                 struct tz_error *err) TZ_MUST_CHECK;
void tz_repo_free(struct tz_repo *repo);
TZ_DEFINE_SCOPED(struct tz_repo *, tz_scoped_repo, tz_repo_free)

struct tz_repo_init_options {
    const struct tz_config *config;
    struct tz_kdf_cost cost; /* zero: default */
    bool no_prompt;
    tz_warn_fn *warn;
    void *warn_arg;
};
/* Make the repository in every configured store; all must be reachable, where the policy wants
 * them, and hold none yet.  A catalog of another repository is put aside, and what the stores do is
 * probed and kept. */
int tz_repo_init(const struct tz_repo_init_options *options, uint8_t ret_id[TZ_REPO_ID_SIZE],
                 struct tz_error *err) TZ_MUST_CHECK;

const struct tz_config *tz_repo_config(const struct tz_repo *repo);
struct tz_mirror *tz_repo_mirror(const struct tz_repo *repo);
const struct tz_keys *tz_repo_keys(const struct tz_repo *repo); /* NULL: it is keyless */
struct tz_catalog *tz_repo_catalog(const struct tz_repo *repo);
/* No store can be used: there are neither keys nor anything but the catalog, as it was left. */
bool tz_repo_is_offline(const struct tz_repo *repo);
/* Why it is; borrowed.  NULL: it is not. */
const struct tz_error *tz_repo_offline_reason(const struct tz_repo *repo);
/* The catalog's number of mirror store i. */
int64_t tz_repo_store(const struct tz_repo *repo, size_t i);
const char *tz_repo_state(const struct tz_repo *repo);
void tz_repo_warn(const struct tz_repo *repo, const char *format, ...) TZ_PRINTF(2, 3);
/* state/<name>, made 0700; to be freed. */
int tz_repo_state_dir(const struct tz_repo *repo, const char *name, char **ret,
                      struct tz_error *err) TZ_MUST_CHECK;

/* List index, generations and tombstones of every usable store, and learn what the catalog lacks.
 */
int tz_repo_refresh(struct tz_repo *repo, struct tz_error *err) TZ_MUST_CHECK;
/* What only stores that are out have is read from another pack, and stored anew: call it when one
 * went out before a run. */
int tz_repo_set_reach(struct tz_repo *repo, struct tz_error *err) TZ_MUST_CHECK;
/* Only the tombstones: what a run must know again before it writes on. */
int tz_repo_refresh_tombstones(struct tz_repo *repo, struct tz_error *err) TZ_MUST_CHECK;

/*
 * Find a generation: "latest", an id or unique prefix (8 digits or more), a time or an age.  A
 * sealed one is wanted unless unsealed is allowed.  Not there: TZ_NOT_FOUND with the nearest before
 * and after in the hint; a prefix of several: TZ_INVALID.
 */
int tz_repo_find(struct tz_repo *repo, const char *source, const char *point, struct tz_head *ret,
                 struct tz_error *err) TZ_MUST_CHECK;
/* With the option likely the frame with that generation's manifest root comes while the repository
 * is opened.  False: it is not this one.  The bytes are as a store gave them.  Main thread. */
bool tz_repo_take_likely(struct tz_repo *repo, const uint8_t pack[TZ_HASH_SIZE],
                         const struct tz_frame_info *frame, struct tz_buf *ret);
/*
 * With the option whole the runs with which a restore of that generation begins come while the
 * repository is opened, if every read has to wait for a network: up to TZ_EARLY_RUNS of them, as
 * far as the catalog can tell.  Main thread; each is given out once, and must be got before the
 * repository is freed.  NULL: this one is not among them.
 */
#define TZ_EARLY_RUNS 24
struct tz_early;
/* How many nobody has taken yet. */
size_t tz_repo_early_count(const struct tz_repo *repo);
struct tz_early *tz_repo_take_early(struct tz_repo *repo, const uint8_t pack[TZ_HASH_SIZE],
                                    uint64_t offset, size_t len);
/* Wait for it, on any thread; what a store gave takes the place of what ret held, nothing if none
 * did. */
void tz_early_get(struct tz_early *early, struct tz_buf *ret);
/* Nobody wants the others: they are broken off.  Gives how many those were. */
size_t tz_repo_drop_early(struct tz_repo *repo);
/* Split "SOURCE@POINT"; *ret_point is "latest" without one.  Both to be freed. */
int tz_repo_split_point(const char *text, char **ret_source, char **ret_point,
                        struct tz_error *err) TZ_MUST_CHECK;

/*
 * What stores do (probe.h).  It is kept in the catalog with the store's address, and what was not
 * proven is not used.  Runs that write probe a store of which nothing is kept; reads need no probe.
 */
/* False if nothing is known of mirror store i, or of another address than it has now. */
bool tz_repo_get_probe(struct tz_repo *repo, size_t i, struct tz_probe *ret);
/* Keep what was found out about mirror store i. */
int tz_repo_set_probe(struct tz_repo *repo, size_t i, const struct tz_probe *probe,
                      struct tz_error *err) TZ_MUST_CHECK;
/* Try an opened store of the configuration out, with objects in "probe/" where they can be removed
 * again: not where objects are locked. */
int tz_repo_probe(const struct tz_config *config, struct tz_store *store, struct tz_probe *ret,
                  struct tz_error *err) TZ_MUST_CHECK;
/* Has [policy] a word against the store?  said: the region that it named, NULL if it did not: then
 * the configured one counts.  TZ_INVALID if it may not be used. */
int tz_repo_check_region(const struct tz_config *config, const struct tz_config_store *store,
                         const char *said, struct tz_error *err) TZ_MUST_CHECK;

/* Key slots in the stores. */
struct tz_slot_entry {
    uint8_t hash[TZ_HASH_SIZE];
    struct tz_slot_info info;
    bool current; /* the one that is open now */
};
int tz_repo_slots(struct tz_repo *repo, struct tz_slot_entry **ret, size_t *ret_count,
                  struct tz_error *err) TZ_MUST_CHECK; /* free() */
int tz_repo_add_slot(struct tz_repo *repo, enum tz_role role, const char *label,
                     const struct tz_unlock *unlock, const struct tz_kdf_cost *cost,
                     uint8_t ret_hash[TZ_HASH_SIZE], struct tz_error *err) TZ_MUST_CHECK;
/* From every store; the last operator slot is refused. */
int tz_repo_remove_slot(struct tz_repo *repo, const uint8_t hash[TZ_HASH_SIZE],
                        struct tz_error *err) TZ_MUST_CHECK;
/* Add an operator slot with keys from a paper copy, without any other key. */
int tz_repo_recover(const struct tz_repo_init_options *options, const struct tz_keys *keys,
                    const struct tz_unlock *unlock, struct tz_error *err) TZ_MUST_CHECK;

#endif
