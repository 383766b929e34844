/*
 * Copying what a store lacks.
 *
 *   workers        read an object from a store that has it, check its hash
 *   main thread    order, catalog
 *   writers        one for each store (mirror.h)
 *
 * An index goes to a store when the packs that it describes are there: whoever learns it takes them
 * for present.  A head goes to a store when every pack that it needs is there, a seal when its head
 * is; both only while another store still has them.  So no prune can take packs away in between:
 * while the head stands anywhere its packs are needed (docs/design.md).
 */
#include "sync.h"

#include "../catalog/prune.h"

#include "tozai/util/time.h"

#include <string.h>

#include "tozai/util/banned.h"

int tz_sync_is_wanted(struct tz_repo *repo, const char *name, bool *ret, struct tz_error *err)
{
    struct tz_name parsed = tz_name_parse(name);
    bool condemned = false;
    int64_t object = 0;

    *ret = true;
    if (parsed.kind != TZ_NAME_IS_PACK && parsed.kind != TZ_NAME_IS_HEAD &&
        parsed.kind != TZ_NAME_IS_SEAL)
        return 0;
    if (tz_catalog_is_condemned(repo->catalog, parsed.hash, &condemned, err))
        return -1;
    *ret = !condemned;
    if (!condemned || parsed.kind != TZ_NAME_IS_PACK)
        return 0;
    if (tz_catalog_find_object(repo->catalog, name, &object, NULL, err))
        return -1;
    return object ? tz_check_is_needed(repo, object, ret, err) : 0;
}

/* Stores of the set that have what the index describes. */
static int where_described(struct tz_sync *sync, int64_t index, uint32_t *stores,
                           struct tz_error *err)
{
    for (size_t i = 0; i < tz_mirror_count(sync->mirror); i++) {
        bool whole = false;
        if (!(*stores & TZ_STORE_BIT(i)))
            continue;
        if (tz_catalog_index_whole(sync->catalog, index, sync->repo->store_ids[i], &whole, err))
            return -1;
        if (!whole)
            *stores &= ~TZ_STORE_BIT(i);
    }
    return 0;
}

/* Stores of the set in which this index, this head, or the head of this seal may be written now. */
static int where_allowed(struct tz_sync *sync, const struct tz_target *target, uint32_t *stores,
                         struct tz_error *err)
{
    struct tz_name parsed = tz_name_parse(target->name);
    uint32_t heads = 0;
    bool forgotten = false;
    char name[TZ_NAME_TEXT];
    int64_t head = 0;

    if (parsed.kind == TZ_NAME_IS_INDEX)
        return where_described(sync, target->object, stores, err);
    if (parsed.kind != TZ_NAME_IS_HEAD && parsed.kind != TZ_NAME_IS_SEAL)
        return 0;
    /* A prune that has said so takes it away everywhere, and its packs after it. */
    if (tz_catalog_is_condemned(sync->catalog, parsed.hash, &forgotten, err))
        return -1;
    if (forgotten) {
        *stores = 0;
        return 0;
    }
    tz_name_head(name, parsed.source_id, parsed.time_ns, parsed.hash);
    if (tz_catalog_find_object(sync->catalog, name, &head, NULL, err))
        return -1;
    if (head && tz_check_copies(sync->repo, head, TZ_STATE_PRESENT, &heads, err))
        return -1;
    for (size_t i = 0; i < tz_mirror_count(sync->mirror); i++) {
        struct tz_error why = {0};
        bool whole = false;
        if (!(*stores & TZ_STORE_BIT(i)))
            continue;
        if (tz_check_packs_present(sync->repo, &parsed, i, &whole, &why) &&
            tz_check_is_fatal(why.kind))
            return tz_check_pass(err, &why);
        /* A seal's head is here, and still elsewhere. */
        if (!whole || !(heads & ~TZ_STORE_BIT(i)) ||
            (parsed.kind == TZ_NAME_IS_SEAL && !(heads & TZ_STORE_BIT(i))))
            *stores &= ~TZ_STORE_BIT(i);
    }
    return 0;
}

/* Call it for every object of the part that a target lacks. */
typedef int lacking_fn(struct tz_sync *sync, const struct tz_target *target, uint32_t sources,
                       uint32_t targets, struct tz_error *err);

static int each_lacking(struct tz_sync *sync, unsigned part, enum tz_name_kind only,
                        lacking_fn *found, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_targets) struct tz_targets targets = {0};
    uint32_t all = (uint32_t)((UINT64_C(1) << tz_mirror_count(sync->mirror)) - 1);

    if (tz_targets_load(&targets, sync->repo, all, part, err))
        return -1;
    for (size_t i = 0; i < targets.count; i++) {
        const struct tz_target *target = &targets.items[i];
        uint32_t lacking = sync->targets & ~target->stores;
        uint32_t sources = sync->sources & target->stores & ~target->damaged;
        bool wanted = false;

        if (!lacking || !sources ||
            (only != TZ_NAME_OTHER && tz_name_parse(target->name).kind != only))
            continue;
        if (tz_sync_is_wanted(sync->repo, target->name, &wanted, err))
            return -1;
        if (wanted && found(sync, target, sources, lacking, err))
            return -1;
    }
    return 0;
}

static int copy_one(struct tz_sync *sync, const struct tz_target *target, uint32_t sources,
                    uint32_t targets, struct tz_error *err)
{
    sources = tz_sync_usable(sync, sources);
    targets = tz_sync_usable(sync, targets);
    if (where_allowed(sync, target, &targets, err))
        return -1;
    return sources && targets ? tz_sync_submit(sync, target, sources, targets, err) : 0;
}

static int count_one(struct tz_sync *sync, const struct tz_target *target, uint32_t sources,
                     uint32_t targets, struct tz_error *err)
{
    uint64_t copies = tz_check_count_bits(targets);

    (void)sources;
    (void)err;
    sync->progress.objects_total += copies;
    sync->progress.bytes_total += copies * target->size;
    return 0;
}

static int count_behind(struct tz_sync *sync, const struct tz_target *target, uint32_t sources,
                        uint32_t targets, struct tz_error *err)
{
    (void)target;
    (void)sources;
    (void)err;
    sync->result->behind += tz_check_count_bits(targets);
    return 0;
}

static int each_part(struct tz_sync *sync, lacking_fn *found, struct tz_error *err)
{
    for (unsigned part = 0; part < TZ_PARTS; part++)
        if (each_lacking(sync, part, TZ_NAME_OTHER, found, err))
            return -1;
    return 0;
}

static int copy_stages(struct tz_sync *sync, struct tz_error *err)
{
    for (unsigned part = 0; part < TZ_PART_GENERATIONS; part++)
        if ((part == TZ_PART_INDEX && tz_sync_drain(sync, err)) ||
            each_lacking(sync, part, TZ_NAME_OTHER, copy_one, err))
            return -1;
    /* The looks: what was pruned meanwhile is not written any more (see above). */
    if (tz_sync_drain(sync, err) || tz_repo_refresh(sync->repo, err) ||
        each_lacking(sync, TZ_PART_GENERATIONS, TZ_NAME_IS_HEAD, copy_one, err) ||
        tz_sync_drain(sync, err) || tz_repo_refresh(sync->repo, err) ||
        each_lacking(sync, TZ_PART_GENERATIONS, TZ_NAME_IS_SEAL, copy_one, err))
        return -1;
    return tz_sync_drain(sync, err);
}

/* A store that has lost even this one is not recognized by the next run. */
static int put_descriptors(struct tz_sync *sync, struct tz_error *err)
{
    const struct tz_buf *bytes = &sync->repo->descriptor_bytes;

    for (size_t i = 0; i < tz_mirror_count(sync->mirror); i++) {
        struct tz_store *store = tz_mirror_store(sync->mirror, i);
        struct tz_store_stat stat;
        struct tz_error why = {0};

        if (!(tz_sync_usable(sync, sync->targets) & TZ_STORE_BIT(i)))
            continue;
        if (tz_store_stat(store, TZ_NAME_DESCRIPTOR, &stat, &why) ||
            (!stat.exists &&
             tz_store_put(store, TZ_NAME_DESCRIPTOR, bytes->data, bytes->len, &why))) {
            if (tz_check_is_fatal(why.kind))
                return tz_check_pass(err, &why);
            tz_mirror_exclude(sync->mirror, i, &why);
            tz_sync_warn(sync);
        } else if (!stat.exists) {
            sync->result->objects++;
            sync->result->bytes += bytes->len;
        }
    }
    return 0;
}

static int list(struct tz_sync *sync, uint32_t stores, const char *prefix, struct tz_error *err)
{
    for (size_t i = 0; i < tz_mirror_count(sync->mirror); i++) {
        if (!(stores & TZ_STORE_BIT(i)))
            continue;
        if (tz_presence_list(&sync->presence, i, prefix, err))
            return -1;
        if (sync->presence.listed & TZ_STORE_BIT(i))
            continue;
        tz_mirror_exclude(sync->mirror, i, &sync->presence.stores[i].error);
        tz_sync_warn(sync);
    }
    return 0;
}

static int note_behind(struct tz_sync *sync, const struct tz_target *target, uint32_t sources,
                       uint32_t targets, struct tz_error *err)
{
    (void)target;
    (void)sources;
    (void)err;
    sync->behind |= targets;
    return 0;
}

/*
 * The catalog knows of packs what it was told when they were written.  A store that lacks anything
 * may lack them, too: one that was emptied and filled again, say.  So its packs are listed before
 * anything is written that rests on them.  Where that costs no request they always are: somebody
 * may have deleted some.
 */
static int list_packs(struct tz_sync *sync, struct tz_error *err)
{
    uint32_t stores = 0;

    if (each_part(sync, note_behind, err))
        return -1;
    stores = sync->behind;
    for (size_t i = 0; i < tz_mirror_count(sync->mirror); i++)
        if (tz_mirror_usable(sync->mirror, i) &&
            tz_store_features(tz_mirror_store(sync->mirror, i)) & TZ_STORE_LOCAL)
            stores |= TZ_STORE_BIT(i);
    return list(sync, tz_sync_usable(sync, stores), "packs/", err);
}

static int learn(struct tz_sync *sync, struct tz_error *err)
{
    uint32_t all = (uint32_t)((UINT64_C(1) << tz_mirror_count(sync->mirror)) - 1);

    sync->presence.repo = sync->repo;
    if (sync->options->full ? list(sync, tz_sync_usable(sync, all), "", err)
                            : list_packs(sync, err))
        return -1;
    return tz_presence_finish(&sync->presence, err);
}

static int choose_stores(struct tz_sync *sync, struct tz_error *err)
{
    uint32_t all = (uint32_t)((UINT64_C(1) << tz_mirror_count(sync->mirror)) - 1);
    size_t from = 0, to = 0;

    if ((sync->options->from && tz_check_find_store(sync->repo, sync->options->from, &from, err)) ||
        (sync->options->to && tz_check_find_store(sync->repo, sync->options->to, &to, err)))
        return -1;
    for (size_t i = 0; i < tz_mirror_count(sync->mirror); i++)
        if (!tz_mirror_usable(sync->mirror, i))
            sync->out |= TZ_STORE_BIT(i); /* the opening has spoken of it */
    sync->sources = sync->options->from ? TZ_STORE_BIT(from) : all;
    sync->targets = sync->options->to ? TZ_STORE_BIT(to) : all;
    struct tz_error why = {0};
    size_t named = sync->options->from ? from : to;
    if ((sync->options->from && tz_mirror_error(sync->mirror, from, &why)) ||
        (sync->options->to && tz_mirror_error(sync->mirror, named = to, &why))) {
        (void)tz_check_pass(err, &why);
        return tz_while(err, "store '%s'", tz_mirror_name(sync->mirror, named));
    }
    return 0;
}

struct need {
    struct tz_repo *repo;
    bool found;
};

/* A head that a store has. */
static int see_head(void *arg, const struct tz_generation *generation, struct tz_error *err)
{
    struct need *need = arg;
    uint32_t stores = 0;

    if (tz_check_copies(need->repo, generation->head_object, TZ_STATE_THERE, &stores, err))
        return -1;
    need->found |= stores != 0;
    return 0;
}

/* A prune may have deleted them in the meantime; it does so only with packs that nobody needs, and
 * unites what is in indexes. */
static int judge_vanished(struct tz_sync *sync, struct tz_error *err)
{
    if (sync->vanished_count > 0 && tz_repo_refresh(sync->repo, err))
        return -1;
    for (size_t i = 0; i < sync->vanished_count; i++) {
        const struct tz_sync_vanished *vanished = &sync->vanished[i];
        struct need need = {.repo = sync->repo};
        if (vanished->kind == TZ_NAME_IS_PACK &&
            tz_catalog_each_user(sync->catalog, vanished->object, see_head, &need, err))
            return -1;
        sync->result->failed += need.found;
    }
    return 0;
}

static int copy_all(struct tz_sync *sync, struct tz_error *err)
{
    if (put_descriptors(sync, err) || tz_pool_new(&sync->pool, TZ_SYNC_READERS, err) ||
        copy_stages(sync, err) || judge_vanished(sync, err) || each_part(sync, count_behind, err))
        return -1;
    tz_sync_report(sync, true);
    return 0;
}

/* What a store that is out has lost meanwhile nobody knows. */
static bool is_level(const struct tz_sync *sync)
{
    bool level = sync->result->failed == 0 && sync->result->behind == 0;

    for (size_t i = 0; i < tz_mirror_count(sync->mirror); i++)
        level &= !(sync->targets & TZ_STORE_BIT(i)) || tz_mirror_usable(sync->mirror, i);
    return level;
}

static int work(struct tz_sync *sync, struct tz_error *err)
{
    if (choose_stores(sync, err) || learn(sync, err) || each_part(sync, count_one, err))
        return -1;
    /* What the opening has just seen need not be asked again. */
    if (!sync->options->full && sync->progress.objects_total == 0)
        return 0;
    return copy_all(sync, err);
}

int tz_sync(const struct tz_sync_options *options, struct tz_sync_result *ret, struct tz_error *err)
{
    struct tz_sync_result result = {0};
    struct tz_sync sync = {
        .options = options,
        .repo = options->repo,
        .mirror = options->repo->mirror,
        .catalog = options->repo->catalog,
        .result = &result,
        .begun_ns = tz_now(),
    };

    /* A backup that comes next must know what cannot be read where. */
    int failed = work(&sync, err) || tz_repo_set_reach(options->repo, err);
    result.level = !failed && is_level(&sync);
    tz_sync_tear_down(&sync);
    if (failed)
        return tz_while(err, "sync");
    *ret = result;
    return 0;
}
