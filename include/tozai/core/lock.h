/*
 * Object locks of a repository: how long things are locked, since when that is known, and holds.
 *
 * In a store with object_lock all that is put is locked until its generation may go, and a week
 * more.  Every backup extends the locks of what it refers to, again by a week more than needed, so
 * that an unchanged pack costs one extension a week.  The catalog remembers each copy's lock; what
 * it does not know is asked of the store.  A lock that does not come about puts the store out.
 */
#ifndef TOZAI_CORE_LOCK_H
#define TOZAI_CORE_LOCK_H

#include "tozai/core/repo.h"

/* For clocks that differ, and for prunes that come late. */
#define TZ_LOCK_MARGIN_NS (INT64_C(24) * 3600 * TZ_SECOND_NS)
#define TZ_LOCK_STEP_NS   (INT64_C(7) * 24 * 3600 * TZ_SECOND_NS)

/*
 * When the policy lets go of a generation that a source makes now, at the latest if runs go on as
 * they should, with the margin.  source NULL: the longest of all configured ones.
 */
int64_t tz_lock_end(const struct tz_config *config, const char *source, int64_t now_ns);

/* Are objects of some store locked? */
bool tz_lock_wanted(const struct tz_repo *repo);
/* Lock what is put from now on until then and a week more, without a proof. */
int tz_lock_set(struct tz_repo *repo, int64_t until_ns, struct tz_error *err) TZ_MUST_CHECK;
/*
 * The same before a run.  A store that was not yet seen to refuse the deletion of a locked object
 * has to prove it (tz_store_prove_lock); one that fails is out, with a warning.
 */
int tz_lock_begin(struct tz_repo *repo, int64_t until_ns, struct tz_error *err) TZ_MUST_CHECK;
/*
 * See to it that all that the generation rests on (its packs, the index, key slots and descriptor)
 * is locked until head->locked_until_ns, wherever objects are locked.  A store where that fails is
 * out.
 */
int tz_lock_extend(struct tz_repo *repo, const struct tz_head *head,
                   struct tz_error *err) TZ_MUST_CHECK;

/* An object was just put into mirror store i: note how it is locked. */
int tz_lock_note(struct tz_repo *repo, int64_t object, size_t i,
                 struct tz_error *err) TZ_MUST_CHECK;
/* The lock that is noted for a copy: mode NONE if nothing is known.  store: the catalog's number.
 */
int tz_lock_get(struct tz_catalog *catalog, int64_t object, int64_t store,
                struct tz_store_lock *ret, struct tz_error *err) TZ_MUST_CHECK;

/*
 * Must this object of mirror store i stay for now?  *ret_until_ns 0: no; the latest time there is
 * for a legal hold.  The store is asked unless the catalog knows of a lock that still lasts.  arg
 * is the repository (fits prune.h).
 */
int tz_lock_find(void *arg, size_t i, const char *name, int64_t *ret_until_ns,
                 struct tz_error *err) TZ_MUST_CHECK;

/*
 * Set a legal hold on all that the generation rests on, or release it (but for what another held
 * generation needs).  *ret_stores: where; other stores know no holds.  The catalog remembers it, so
 * that prune keeps the generation.  When a store fails, what was done in others stays.
 */
int tz_lock_hold(struct tz_repo *repo, const struct tz_head *head, bool held, uint32_t *ret_stores,
                 struct tz_error *err) TZ_MUST_CHECK;
int tz_lock_is_held(struct tz_catalog *catalog, const uint8_t id[TZ_HASH_SIZE], bool *ret,
                    struct tz_error *err) TZ_MUST_CHECK;

/*
 * Look through an object's versions, the newest first, for one that accept() takes (0; or -1 with
 * why not), where somebody has removed or written over what is locked.  In a store without locks
 * nothing is found.
 */
typedef int tz_lock_accept_fn(void *arg, const uint8_t *data, size_t len, struct tz_error *err);
int tz_lock_recover(struct tz_store *store, const char *name, size_t max, tz_lock_accept_fn *accept,
                    void *arg, struct tz_buf *out, bool *ret_found,
                    struct tz_error *err) TZ_MUST_CHECK;

#endif
