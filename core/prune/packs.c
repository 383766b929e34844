#include "prune.h"

#include "tozai/util/interrupt.h"

#include <string.h>

#include "tozai/util/banned.h"

struct listing {
    struct tz_pruning *pruning;
    size_t store;
};

static int see_age(void *arg, const char *name, const struct tz_store_stat *stat,
                   struct tz_error *err)
{
    struct listing *listing = arg;
    int64_t *newest_ns = &listing->pruning->newest_ns[listing->store];

    (void)name;
    (void)err;
    *newest_ns = TZ_MAX(*newest_ns, stat->changed_ns);
    return 0;
}

static int see_pack(void *arg, const char *name, const struct tz_store_stat *stat,
                    struct tz_error *err)
{
    struct listing *listing = arg;
    struct tz_name parsed = tz_name_parse(name);

    (void)see_age(arg, name, stat, err);
    if (parsed.kind != TZ_NAME_IS_PACK)
        return 0;
    return tz_catalog_listing_add(listing->pruning->catalog, (unsigned)listing->store, name,
                                  parsed.hash, stat->size, stat->changed_ns, err);
}

static int list_store(struct tz_pruning *pruning, size_t i, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_presence) struct tz_presence presence = {.repo = pruning->repo};
    struct listing listing = {pruning, i};
    struct tz_store *store = tz_mirror_store(pruning->mirror, i);

    /* What the catalog believes of it first: a generation is complete where its packs are. */
    if (tz_presence_list(&presence, i, "packs/", err))
        return -1;
    if (!(presence.listed & TZ_STORE_BIT(i))) {
        if (err)
            *err = presence.stores[i].error;
        return -1;
    }
    if (tz_store_list(store, "generations/", see_age, &listing, err) ||
        tz_store_list(store, "tombstones/", see_age, &listing, err) ||
        tz_pruning_begin(pruning, err))
        return -1;
    if (tz_store_list(store, "packs/", see_pack, &listing, err)) {
        tz_pruning_rollback(pruning);
        return -1;
    }
    return tz_pruning_commit(pruning, err);
}

int tz_pruning_list(struct tz_pruning *pruning, struct tz_error *err)
{
    if (tz_catalog_listing_begin(pruning->catalog, err))
        return -1;
    for (size_t i = 0; i < tz_mirror_count(pruning->mirror); i++)
        if ((pruning->stores & TZ_STORE_BIT(i)) && list_store(pruning, i, err))
            return tz_while(err, "list store '%s'", tz_mirror_name(pruning->mirror, i));
    return 0;
}

/* Those of the batch that are not locked; the others are counted. */
static int choose(struct tz_pruning *pruning, struct tz_catalog_listed *batch, size_t *count,
                  struct tz_error *err)
{
    struct tz_prune_result *result = pruning->result;
    size_t kept = 0;

    for (size_t i = 0; i < *count; i++) {
        int64_t until_ns = 0;
        if (tz_pruning_locked(pruning, batch[i].name, batch[i].stores, &until_ns, err))
            return -1;
        if (until_ns == 0) {
            batch[kept++] = batch[i];
            continue;
        }
        result->locked_packs++;
        result->locked_until_ns = TZ_MAX(result->locked_until_ns, until_ns);
    }
    *count = kept;
    return 0;
}

static int note_deleted(struct tz_pruning *pruning, const struct tz_catalog_listed *listed,
                        struct tz_error *err)
{
    int64_t object = 0;

    pruning->result->deleted_packs++;
    pruning->result->freed_bytes += listed->size;
    if (tz_catalog_listing_remove(pruning->catalog, listed->name, err) ||
        tz_catalog_find_object(pruning->catalog, listed->name, &object, NULL, err))
        return -1;
    /* A store that is left out may have it still. */
    for (size_t i = 0; object && i < tz_mirror_count(pruning->mirror); i++) {
        enum tz_copy_state state = TZ_COPY_UNKNOWN;
        if (pruning->stores & TZ_STORE_BIT(i)) {
            if (tz_catalog_set_copy(pruning->catalog, object, pruning->repo->store_ids[i],
                                    TZ_COPY_MISSING, err))
                return -1;
            continue;
        }
        if (tz_catalog_get_copy(pruning->catalog, object, pruning->repo->store_ids[i], &state, err))
            return -1;
        if (state == TZ_COPY_PRESENT || state == TZ_COPY_DAMAGED)
            return 0;
    }
    return object ? tz_catalog_remove_object(pruning->catalog, object, err) : 0;
}

static int delete_batch(struct tz_pruning *pruning, const struct tz_catalog_listed *batch,
                        size_t count, struct tz_error *err)
{
    struct tz_pruning_object objects[TZ_PRUNE_BATCH];

    for (size_t i = 0; i < count; i++)
        objects[i] = (struct tz_pruning_object){batch[i].name, batch[i].stores};
    if (tz_interrupt_check(err) || tz_pruning_remove(pruning, objects, count, err) ||
        tz_pruning_begin(pruning, err))
        return -1;
    for (size_t i = 0; i < count; i++)
        if (note_deleted(pruning, &batch[i], err)) {
            tz_pruning_rollback(pruning);
            return -1;
        }
    return tz_pruning_commit(pruning, err);
}

static int delete_of(struct tz_pruning *pruning, int64_t tombstone, struct tz_catalog_listed *batch,
                     struct tz_error *err)
{
    char after[TZ_NAME_TEXT] = "";
    bool more = true;

    while (more) {
        size_t count = 0;
        if (tz_catalog_condemned_of(pruning->catalog, tombstone, after, batch, TZ_PRUNE_BATCH,
                                    &count, err))
            return -1;
        if (count == 0)
            return 0;
        more = count == TZ_PRUNE_BATCH;
        memcpy(after, batch[count - 1].name, sizeof(after));
        if (choose(pruning, batch, &count, err) || delete_batch(pruning, batch, count, err))
            return -1;
    }
    return 0;
}

int tz_pruning_delete(struct tz_pruning *pruning, const int64_t *tombstones, size_t count,
                      struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free)
    struct tz_catalog_listed *batch = calloc(TZ_PRUNE_BATCH, sizeof(*batch));

    if (!batch)
        return tz_fail_nomem(err);
    for (size_t i = 0; i < count; i++)
        if (delete_of(pruning, tombstones[i], batch, err))
            return -1;
    return 0;
}
