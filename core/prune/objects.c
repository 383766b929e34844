#include "prune.h"

#include <string.h>

#include "tozai/util/banned.h"

#define PUT_TAG UINT64_C(0x7072756e65)

/* Which stores have it now? */
static int put_everywhere(struct tz_pruning *pruning, const char *name, const void *data,
                          size_t len, uint32_t stores, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_blob) struct tz_blob *blob = NULL;
    struct tz_mirror_result results[TZ_MIRROR_MAX_STORES];
    uint32_t stored = 0;
    size_t count;

    if (tz_blob_copy(&blob, data, len, err) ||
        tz_mirror_put(pruning->mirror, name, blob, stores, PUT_TAG, err) ||
        tz_mirror_flush(pruning->mirror, err))
        return -1;
    while ((count = tz_mirror_results(pruning->mirror, results, TZ_COUNT(results))) > 0)
        for (size_t i = 0; i < count; i++)
            if (results[i].tag == PUT_TAG && results[i].stored)
                stored |= TZ_STORE_BIT(results[i].store);
    for (size_t i = 0; i < tz_mirror_count(pruning->mirror); i++) {
        struct tz_error why = {0};
        if (!(stores & ~stored & TZ_STORE_BIT(i)))
            continue;
        (void)tz_mirror_error(pruning->mirror, i, &why);
        return tz_fail(err, why.kind ? why.kind : TZ_UNAVAILABLE,
                       "store '%s' did not take '%s': %s", tz_mirror_name(pruning->mirror, i), name,
                       why.message);
    }
    return 0;
}

int tz_pruning_put(struct tz_pruning *pruning, const char *name, const void *data, size_t len,
                   uint32_t stores, struct tz_error *err)
{
    return pruning->options->dry_run ? 0 : put_everywhere(pruning, name, data, len, stores, err);
}

int tz_pruning_note_put(struct tz_pruning *pruning, const char *name, size_t len, uint32_t stores,
                        int64_t *ret_object, struct tz_error *err)
{
    if (tz_catalog_add_object(pruning->catalog, name, len, ret_object, err))
        return -1;
    for (size_t i = 0; i < tz_mirror_count(pruning->mirror); i++)
        if ((stores & TZ_STORE_BIT(i)) &&
            tz_catalog_set_copy(pruning->catalog, *ret_object, pruning->repo->store_ids[i],
                                TZ_COPY_PRESENT, err))
            return -1;
    return 0;
}

/* Where objects are locked, removing alone would only hide them. */
static int remove_from(struct tz_store *store, const char *const *names, size_t count,
                       struct tz_error *err)
{
    if (tz_store_lock_mode(store) == TZ_LOCK_NONE)
        return tz_store_remove_many(store, names, count, NULL, err);
    for (size_t i = 0; i < count; i++)
        if (tz_store_purge(store, names[i], err))
            return -1;
    return 0;
}

int tz_pruning_remove(struct tz_pruning *pruning, const struct tz_pruning_object *objects,
                      size_t count, struct tz_error *err)
{
    const char *names[TZ_PRUNE_BATCH];

    for (size_t i = 0; !pruning->options->dry_run && i < tz_mirror_count(pruning->mirror); i++) {
        size_t chosen = 0;
        for (size_t k = 0; k < count && k < TZ_PRUNE_BATCH; k++)
            if (objects[k].stores & pruning->stores & TZ_STORE_BIT(i))
                names[chosen++] = objects[k].name;
        if (chosen > 0 && remove_from(tz_mirror_store(pruning->mirror, i), names, chosen, err))
            return tz_while(err, "store '%s'", tz_mirror_name(pruning->mirror, i));
    }
    return 0;
}

int tz_pruning_locked(struct tz_pruning *pruning, const char *name, uint32_t stores,
                      int64_t *ret_until_ns, struct tz_error *err)
{
    *ret_until_ns = 0;
    for (size_t i = 0; pruning->options->locked && i < tz_mirror_count(pruning->mirror); i++) {
        int64_t until_ns = 0;
        if (!(stores & pruning->stores & TZ_STORE_BIT(i)))
            continue;
        if (pruning->options->locked(pruning->options->locked_arg, i, name, &until_ns, err))
            return -1;
        *ret_until_ns = TZ_MAX(*ret_until_ns, until_ns);
    }
    return 0;
}
