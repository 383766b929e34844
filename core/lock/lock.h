/*
 * Inside of core/lock/: work on many objects at once.
 */
#ifndef TOZAI_CORE_LOCK_LOCK_H
#define TOZAI_CORE_LOCK_LOCK_H

#include "tozai/core/lock.h"

struct tz_lock_item {
    size_t store; /* of the mirror */
    int64_t object;
    char name[TZ_NAME_TEXT];
    struct tz_store_lock known; /* of the catalog; afterwards what is */
    bool done;
};

struct tz_lock_list {
    struct tz_lock_item *items;
    size_t count, cap;
};
static inline TZ_UNUSED void tz_scoped_lock_list(struct tz_lock_list *list)
{
    free(list->items);
}
int tz_lock_list_add(struct tz_lock_list *list, size_t store, int64_t object, const char *name,
                     struct tz_error *err) TZ_MUST_CHECK;
/* What every generation rests on: index, key slots, descriptor. */
int tz_lock_list_common(struct tz_lock_list *list, struct tz_repo *repo, size_t store,
                        struct tz_error *err) TZ_MUST_CHECK;

/* The packs that the head names and the store has. */
int tz_lock_list_packs(struct tz_lock_list *list, struct tz_repo *repo, const struct tz_head *head,
                       size_t store, struct tz_error *err) TZ_MUST_CHECK;
/* It is usable, and its objects are locked. */
bool tz_lock_in_store(struct tz_mirror *mirror, size_t i);

/* Do it to every item, several at once.  After a failure a store's other items are left out. */
typedef int tz_lock_work_fn(void *arg, struct tz_store *store, struct tz_lock_item *item,
                            struct tz_error *err);
void tz_lock_work(struct tz_repo *repo, struct tz_lock_list *list, tz_lock_work_fn *work, void *arg,
                  uint32_t *ret_failed, struct tz_error errors[TZ_MIRROR_MAX_STORES]);

/* catalog.c */
int tz_lock_put(struct tz_catalog *catalog, int64_t object, int64_t store,
                const struct tz_store_lock *lock, struct tz_error *err) TZ_MUST_CHECK;
int tz_lock_set_held(struct tz_catalog *catalog, const uint8_t id[TZ_HASH_SIZE], bool held,
                     struct tz_error *err) TZ_MUST_CHECK;

#endif
