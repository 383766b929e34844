/*
 * Legal holds of generations.
 */
#include "lock.h"

#include <string.h>

#include "tozai/util/banned.h"

struct others {
    struct tz_repo *repo;
    const struct tz_head *head;
    bool any; /* other generations are held */
    struct tz_lock_list packs;
};

/* What other held generations need stays held. */
static int see_other(void *arg, const struct tz_generation *generation, struct tz_error *err)
{
    struct others *others = arg;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf body = {0};
    TZ_SCOPED(tz_scoped_head) struct tz_head head = {0};
    struct tz_catalog *catalog = tz_repo_catalog(others->repo);
    bool held = false;

    if (memcmp(generation->id, others->head->id, TZ_HASH_SIZE) == 0)
        return 0;
    if (tz_lock_is_held(catalog, generation->id, &held, err))
        return -1;
    if (!held)
        return 0;
    others->any = true;
    if (tz_catalog_get_head(catalog, generation->id, &body, err) ||
        tz_head_read(&head, body.data, body.len, err))
        return -1;
    for (uint32_t k = 0; k < head.pack_count; k++) {
        char name[TZ_NAME_TEXT];
        tz_name_pack(name, head.packs[k]);
        if (tz_lock_list_add(&others->packs, 0, 0, name, err))
            return -1;
    }
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct tz_lock_item *)a)->name, ((const struct tz_lock_item *)b)->name);
}

static void leave_out(struct tz_lock_list *list, const struct tz_lock_list *others)
{
    size_t kept = 0;

    if (others->count == 0)
        return;
    qsort(others->items, others->count, sizeof(*others->items), compare_names);
    for (size_t i = 0; i < list->count; i++)
        if (!bsearch(&list->items[i], others->items, others->count, sizeof(*others->items),
                     compare_names))
            list->items[kept++] = list->items[i];
    list->count = kept;
}

static int hold_one(void *arg, struct tz_store *store, struct tz_lock_item *item,
                    struct tz_error *err)
{
    return tz_store_hold(store, item->name, *(const bool *)arg, err);
}

static int add_names(struct tz_lock_list *list, const struct tz_head *head, size_t store,
                     struct tz_error *err)
{
    char name[TZ_NAME_TEXT];

    tz_name_head(name, head->source_id, head->time_ns, head->id);
    if (tz_lock_list_add(list, store, 0, name, err))
        return -1;
    tz_name_seal(name, head->source_id, head->time_ns, head->id);
    return tz_lock_list_add(list, store, 0, name, err);
}

/* In stores that lock objects.  One that lacks a part of the generation cannot hold it. */
static int hold_in_stores(struct tz_repo *repo, const struct tz_head *head, bool held,
                          const struct others *others, uint32_t *ret_stores, struct tz_error *err)
{
    struct tz_error errors[TZ_MIRROR_MAX_STORES] = {{0}};
    TZ_SCOPED(tz_scoped_lock_list) struct tz_lock_list list = {0};
    struct tz_mirror *mirror = tz_repo_mirror(repo);
    uint32_t failed = 0;

    for (size_t i = 0; i < tz_mirror_count(mirror); i++) {
        bool whole = false;
        if (!tz_lock_in_store(mirror, i))
            continue;
        if (tz_catalog_generation_complete(tz_repo_catalog(repo), head->id, tz_repo_store(repo, i),
                                           &whole, err))
            return -1;
        if (!whole)
            continue;
        *ret_stores |= UINT32_C(1) << i;
        if (tz_lock_list_packs(&list, repo, head, i, err) || add_names(&list, head, i, err) ||
            (!others->any && tz_lock_list_common(&list, repo, i, err)))
            return -1;
    }
    if (!held)
        leave_out(&list, &others->packs);
    tz_lock_work(repo, &list, hold_one, &held, &failed, errors);
    for (size_t i = 0; i < tz_mirror_count(mirror); i++)
        if (failed & UINT32_C(1) << i) {
            if (err)
                *err = errors[i];
            return tz_while(err, "store '%s'", tz_mirror_name(mirror, i));
        }
    return 0;
}

int tz_lock_hold(struct tz_repo *repo, const struct tz_head *head, bool held, uint32_t *ret_stores,
                 struct tz_error *err)
{
    struct others others = {.repo = repo, .head = head};
    struct tz_catalog *catalog = tz_repo_catalog(repo);
    uint32_t stores = 0;

    /* A hold stands in the catalog before the stores know it, a release after. */
    int failed = (held && tz_lock_set_held(catalog, head->id, true, err)) ||
                 (!held && tz_catalog_each_generation(catalog, NULL, see_other, &others, err)) ||
                 hold_in_stores(repo, head, held, &others, &stores, err) ||
                 (!held && tz_lock_set_held(catalog, head->id, false, err));
    free(others.packs.items);
    if (failed)
        return -1;
    *ret_stores = stores;
    return 0;
}
