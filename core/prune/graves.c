/*
 * The life of a tombstone.
 *
 *   written        in every store; until then nothing that it names is deleted
 *   ripe           it has stood for the grace period, by our clock
 *   empty          a listing had nothing any more of what it names, and no index names any of it
 *   removed        30 days after that, by the clock of every store and by ours
 *
 * A run of a backup that is younger than these 30 days relies on tombstones alone, so only the last
 * step needs a clock that is right: the store's.  How late it is there we know from what others
 * write: its youngest object is not younger than now, and one that a listing did not have was
 * written after it.
 */
#include "prune.h"

#include "tozai/core/packinfo.h"

#include <string.h>

#include "tozai/util/banned.h"

/* The stores in use that lack it; and when the last of the others got it. */
static int stand(struct tz_pruning *pruning, const struct tz_catalog_tombstone *stone,
                 uint32_t *ret_lacking, int64_t *ret_since_ns, struct tz_error *err)
{
    *ret_lacking = 0;
    *ret_since_ns = 0;
    for (size_t i = 0; i < tz_mirror_count(pruning->mirror); i++) {
        struct tz_store_stat stat;
        if (!(pruning->stores & TZ_STORE_BIT(i)))
            continue;
        if (tz_store_stat(tz_mirror_store(pruning->mirror, i), stone->name, &stat, err))
            return -1;
        if (stat.exists)
            *ret_since_ns = TZ_MAX(*ret_since_ns, stat.changed_ns);
        else
            *ret_lacking |= TZ_STORE_BIT(i);
    }
    return 0;
}

/* A prune was stopped while it wrote it, or a store was away. */
static int complete(struct tz_pruning *pruning, const struct tz_catalog_tombstone *stone,
                    uint32_t lacking, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf bytes = {0};
    struct tz_name parsed = tz_name_parse(stone->name);
    int64_t object = 0;

    if (pruning->options->dry_run)
        return 0;
    if (tz_mirror_get_hashed(pruning->mirror, stone->name, parsed.hash, TZ_OBJECT_MAX, &bytes, NULL,
                             err))
        return -1;
    return tz_pruning_put(pruning, stone->name, bytes.data, bytes.len, lacking, err) ||
                   tz_pruning_note_put(pruning, stone->name, bytes.len, lacking, &object, err)
               ? -1
               : 0;
}

static int is_ripe(struct tz_pruning *pruning, struct tz_catalog_tombstone *stone, bool *ret,
                   struct tz_error *err)
{
    uint32_t lacking = 0;
    int64_t since_ns = 0;

    *ret = false;
    /* One that a dry run has made up stands nowhere. */
    bool fresh = stone->seen_ns == pruning->now_ns;
    if (!(fresh && pruning->options->dry_run)) {
        if (stand(pruning, stone, &lacking, &since_ns, err))
            return -1;
        /* Another prune has found its end meanwhile. */
        if (lacking == pruning->stores)
            return 0;
        if (lacking && complete(pruning, stone, lacking, err))
            return -1;
    }
    /* One that a clock was ahead for would wait until that time comes. */
    if (stone->seen_ns == 0 || stone->seen_ns > pruning->now_ns || (lacking && !fresh)) {
        stone->seen_ns =
            lacking || since_ns == 0 ? pruning->now_ns : TZ_MIN(pruning->now_ns, since_ns);
        if (tz_catalog_set_tombstone(pruning->catalog, stone->object, stone->seen_ns,
                                     stone->gone_ns, err))
            return -1;
    }
    int64_t age_ns = pruning->now_ns - stone->seen_ns;
    *ret = pruning->options->grace_ns == 0 || age_ns >= pruning->options->grace_ns;
    return 0;
}

int tz_pruning_ripe(struct tz_pruning *pruning, int64_t **ret, size_t *ret_count,
                    struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free) struct tz_catalog_tombstone *stones = NULL;
    size_t count = 0, ripe = 0;

    if (tz_catalog_tombstones(pruning->catalog, &stones, &count, err))
        return -1;
    TZ_SCOPED(tz_scoped_free) int64_t *objects = calloc(count + 1, sizeof(*objects));
    if (!objects)
        return tz_fail_nomem(err);
    for (size_t i = 0; i < count; i++) {
        bool is = false;
        if (is_ripe(pruning, &stones[i], &is, err))
            return -1;
        if (is)
            objects[ripe++] = stones[i].object;
    }
    *ret = TZ_TAKE(objects);
    *ret_count = ripe;
    return 0;
}

/* It is 30 days after it was found empty, in this store. */
static int is_over_in(struct tz_pruning *pruning, const struct tz_catalog_tombstone *stone,
                      size_t i, bool *ret, struct tz_error *err)
{
    int64_t store = pruning->repo->store_ids[i], newest_ns = 0, after_ns = 0;

    if (tz_catalog_get_marks(pruning->catalog, stone->object, store, &newest_ns, &after_ns, err))
        return -1;
    if (newest_ns == 0)
        newest_ns = pruning->newest_ns[i];
    else if (after_ns == 0 && pruning->newest_ns[i] > newest_ns)
        after_ns = pruning->newest_ns[i];
    *ret = after_ns != 0 && pruning->newest_ns[i] - after_ns >= TZ_TOMBSTONE_STANDS_NS;
    return tz_catalog_set_marks(pruning->catalog, stone->object, store, newest_ns, after_ns, err);
}

/* Something that it names is there, or there again. */
static int note_use(struct tz_pruning *pruning, const struct tz_catalog_tombstone *stone,
                    struct tz_error *err)
{
    if (stone->gone_ns == 0)
        return 0;
    for (size_t i = 0; i < tz_mirror_count(pruning->mirror); i++)
        if (tz_catalog_set_marks(pruning->catalog, stone->object, pruning->repo->store_ids[i], 0, 0,
                                 err))
            return -1;
    return tz_catalog_set_tombstone(pruning->catalog, stone->object, stone->seen_ns, 0, err);
}

static int is_over(struct tz_pruning *pruning, struct tz_catalog_tombstone *stone, bool *ret,
                   struct tz_error *err)
{
    bool in_use = false, everywhere = true;

    *ret = false;
    if (tz_catalog_tombstone_in_use(pruning->catalog, stone->object, &in_use, err))
        return -1;
    if (in_use)
        return note_use(pruning, stone, err);
    if (stone->gone_ns == 0 || stone->gone_ns > pruning->now_ns) {
        stone->gone_ns = pruning->now_ns;
        if (tz_catalog_set_tombstone(pruning->catalog, stone->object, stone->seen_ns,
                                     stone->gone_ns, err))
            return -1;
    }
    for (size_t i = 0; i < tz_mirror_count(pruning->mirror); i++) {
        bool over = false;
        if ((pruning->stores & TZ_STORE_BIT(i)) && is_over_in(pruning, stone, i, &over, err))
            return -1;
        /* A store that is left out has its own time. */
        everywhere = everywhere && over;
    }
    *ret = everywhere && pruning->now_ns - stone->gone_ns >= TZ_TOMBSTONE_STANDS_NS;
    return 0;
}

/* Those that are over, first in the list. */
static int find_over(struct tz_pruning *pruning, struct tz_catalog_tombstone *stones, size_t *count,
                     struct tz_error *err)
{
    size_t over_count = 0;

    for (size_t i = 0; i < *count; i++) {
        bool over = false;
        if (is_over(pruning, &stones[i], &over, err))
            return -1;
        if (over)
            stones[over_count++] = stones[i];
    }
    *count = over_count;
    return 0;
}

int tz_pruning_bury(struct tz_pruning *pruning, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free) struct tz_catalog_tombstone *stones = NULL;
    size_t count = 0;

    if (tz_catalog_tombstones(pruning->catalog, &stones, &count, err) ||
        tz_pruning_begin(pruning, err))
        return -1;
    if (find_over(pruning, stones, &count, err)) {
        tz_pruning_rollback(pruning);
        return -1;
    }
    if (tz_pruning_commit(pruning, err))
        return -1;
    for (size_t i = 0; i < count; i++) {
        const struct tz_pruning_object object = {stones[i].name, pruning->stores};
        int64_t until_ns = 0;
        if (tz_pruning_locked(pruning, object.name, object.stores, &until_ns, err))
            return -1;
        if (until_ns == 0 && (tz_pruning_remove(pruning, &object, 1, err) ||
                              tz_catalog_remove_object(pruning->catalog, stones[i].object, err)))
            return -1;
    }
    return 0;
}
