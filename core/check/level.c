#include "tozai/core/level.h"

#include "sync.h"
#include "there.h"

#include "tozai/util/time.h"

#include <string.h>

#include "tozai/util/banned.h"

struct level {
    const struct tz_level_options *options;
    struct tz_sync sync; /* its copying */
    struct tz_repo *repo;
    uint64_t mismatched; /* objects that a target has with another size than others */
    uint64_t held_back;
    uint64_t lacking; /* copies that were to be made */
};

/* What the stores list below a prefix.  One that cannot be listed is left out from now on. */
static int look(struct level *level, const char *prefix, struct tz_there_list *list,
                struct tz_error *err)
{
    struct tz_mirror *mirror = level->repo->mirror;

    tz_there_clear(list);
    for (size_t i = 0; i < tz_mirror_count(mirror); i++) {
        struct tz_error why = {0};
        if (!tz_mirror_usable(mirror, i))
            continue;
        if (!tz_there_add(list, tz_mirror_store(mirror, i), i, prefix, &why))
            continue;
        if (tz_check_is_fatal(why.kind))
            return tz_check_pass(err, &why);
        tz_mirror_exclude(mirror, i, &why);
        tz_sync_warn(&level->sync);
    }
    tz_there_unite(list);
    return 0;
}

/* Two sizes cannot both be right, and which one is shows only when all is read. */
static void note_mismatch(struct level *level, const struct tz_there *there)
{
    uint32_t here = there->stores & level->sync.targets;
    uint32_t readable = tz_sync_usable(&level->sync, there->stores);

    if (!there->differs || !here || tz_check_count_bits(readable) < 2)
        return;
    level->mismatched++;
    level->sync.spoiled |= here;
    tz_repo_warn(level->repo,
                 "'%s' has not the same size in every store; 'tozai verify --heal' mends it",
                 there->name);
}

static uint32_t lacking(const struct level *level, const struct tz_there *there)
{
    return tz_sync_usable(&level->sync, level->sync.targets & ~there->stores);
}

/* Queue its copies to these targets, which lack it. */
static int copy_to(struct level *level, const struct tz_there *there, uint32_t targets,
                   struct tz_error *err)
{
    struct tz_target target = {.size = there->differs ? 0 : there->size};
    uint32_t sources = tz_sync_usable(&level->sync, level->sync.sources & there->stores);

    if (!sources || !targets)
        return 0;
    memcpy(target.name, there->name, sizeof(target.name));
    return tz_sync_submit(&level->sync, &target, sources, targets, err);
}

/* Is there anything to be done about it?  *ret: the targets that are to get it. */
static int find_lacking(struct level *level, const struct tz_there *there, uint32_t *ret,
                        struct tz_error *err)
{
    bool wanted = true;

    *ret = lacking(level, there);
    if (!*ret || !(there->stores & level->sync.sources)) {
        *ret = 0;
        return 0;
    }
    /* Only a key opens the tombstones; what this machine's catalog remembers of them is better
     * than nothing. */
    if (level->repo->catalog && tz_sync_is_wanted(level->repo, there->name, &wanted, err))
        return -1;
    if (!wanted)
        *ret = 0;
    level->lacking += tz_check_count_bits(*ret);
    return 0;
}

/* Everything below a prefix. */
static int copy_prefix(struct level *level, const char *prefix, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_there) struct tz_there_list list = {0};

    if (look(level, prefix, &list, err))
        return -1;
    for (size_t i = 0; i < list.count; i++) {
        uint32_t targets = 0;
        note_mismatch(level, &list.items[i]);
        if (find_lacking(level, &list.items[i], &targets, err) ||
            copy_to(level, &list.items[i], targets, err))
            return -1;
    }
    return 0;
}

static int copy_packs(struct level *level, struct tz_error *err)
{
    for (unsigned part = 0; part < 256; part++) {
        char prefix[16];
        (void)snprintf(prefix, sizeof(prefix), "packs/%02x/", part);
        if (copy_prefix(level, prefix, err))
            return -1;
    }
    return tz_sync_drain(&level->sync, err);
}

/* The targets that may have a seal: where its head is, if that is still elsewhere, too. */
static uint32_t where_sealed(const struct tz_there_list *now, const struct tz_there *seal,
                             uint32_t targets)
{
    struct tz_name parsed = tz_name_parse(seal->name);
    char name[TZ_NAME_TEXT];

    tz_name_head(name, parsed.source_id, parsed.time_ns, parsed.hash);
    const struct tz_there *head = tz_there_find(now, name);
    if (!head || tz_check_count_bits(head->stores) < 2)
        return 0;
    return targets & head->stores;
}

/* One of those that rest on packs.  It waits where something before it is not whole, and if it was
 * not there before the packs were listed. */
static int copy_one_old(struct level *level, const struct tz_there_list *before,
                        const struct tz_there_list *now, const struct tz_there *there,
                        struct tz_error *err)
{
    uint32_t targets = 0;

    if (find_lacking(level, there, &targets, err))
        return -1;
    uint32_t due = tz_there_find(before, there->name) ? targets & ~level->sync.spoiled : 0;
    level->held_back += tz_check_count_bits(targets & ~due);
    if (tz_name_parse(there->name).kind == TZ_NAME_IS_SEAL)
        due = where_sealed(now, there, due);
    return copy_to(level, there, due, err);
}

static int copy_old(struct level *level, const struct tz_there_list *before, const char *prefix,
                    enum tz_name_kind kind, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_there) struct tz_there_list now = {0};

    if (look(level, prefix, &now, err))
        return -1;
    for (size_t i = 0; i < now.count; i++)
        if (tz_name_parse(now.items[i].name).kind == kind &&
            copy_one_old(level, before, &now, &now.items[i], err))
            return -1;
    return tz_sync_drain(&level->sync, err);
}

static int copy_all(struct level *level, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_there) struct tz_there_list indexes = {0};
    TZ_SCOPED(tz_scoped_there) struct tz_there_list generations = {0};

    return copy_prefix(level, "keys/", err) || copy_prefix(level, "tombstones/", err) ||
                   look(level, "index/", &indexes, err) ||
                   look(level, "generations/", &generations, err) || copy_packs(level, err) ||
                   copy_old(level, &indexes, "index/", TZ_NAME_IS_INDEX, err) ||
                   copy_old(level, &generations, "generations/", TZ_NAME_IS_HEAD, err) ||
                   copy_old(level, &generations, "generations/", TZ_NAME_IS_SEAL, err)
               ? -1
               : 0;
}

/* What had something before it was to be filled may be another one, by another name. */
static int check_apart(struct level *level, struct tz_error *err)
{
    struct tz_repo *repo = level->repo;

    for (size_t i = 0; i < tz_mirror_count(repo->mirror); i++)
        if ((tz_sync_usable(&level->sync, level->sync.targets) & ~repo->filled & TZ_STORE_BIT(i)) &&
            tz_repo_check_apart(repo, i, NULL, err))
            return -1;
    return 0;
}

/* A store that was asked for by name must be usable. */
static int choose_one(struct level *level, const char *name, uint32_t *ret, struct tz_error *err)
{
    struct tz_error why = {0};
    size_t store = 0;

    if (tz_check_find_store(level->repo, name, &store, err))
        return -1;
    if (tz_mirror_error(level->repo->mirror, store, &why)) {
        (void)tz_check_pass(err, &why);
        return tz_while(err, "store '%s'", name);
    }
    *ret = TZ_STORE_BIT(store);
    return 0;
}

static int choose(struct level *level, struct tz_error *err)
{
    const struct tz_level_options *options = level->options;
    size_t count = tz_mirror_count(level->repo->mirror);
    uint32_t all = (uint32_t)((UINT64_C(1) << count) - 1);

    level->sync.sources = level->sync.targets = all;
    if ((options->store && choose_one(level, options->store, &level->sync.targets, err)) ||
        (options->from && choose_one(level, options->from, &level->sync.sources, err)))
        return -1;
    /* The opening has spoken of those. */
    level->sync.out = all & ~tz_sync_usable(&level->sync, all);
    if (options->store && !tz_sync_usable(&level->sync, level->sync.sources & ~level->sync.targets))
        return tz_fail(err, TZ_UNAVAILABLE, "there is no other store to copy from");
    return 0;
}

static void report(const struct level *level, uint32_t out_before, struct tz_level_result *ret)
{
    const struct tz_sync_result *done = level->sync.result;
    uint64_t settled = done->objects + level->sync.failed_copies;

    *ret = (struct tz_level_result){
        .objects = done->objects,
        .bytes = done->bytes,
        .failed = done->failed + level->mismatched,
        .held_back = level->held_back,
        .behind = level->lacking - TZ_MIN(settled, level->lacking),
    };
    /* What a source that has gone out had more than the others, nobody knows. */
    ret->level = ret->failed == 0 && ret->behind == 0 && level->sync.out == out_before &&
                 tz_sync_usable(&level->sync, level->sync.targets) == level->sync.targets;
}

int tz_level(const struct tz_level_options *options, struct tz_level_result *ret,
             struct tz_error *err)
{
    struct tz_sync_result result = {0};
    const struct tz_sync_options copying = {.repo = options->repo,
                                            .progress = options->progress,
                                            .progress_arg = options->progress_arg};
    struct level level = {.options = options,
                          .repo = options->repo,
                          .sync = {.options = &copying,
                                   .repo = options->repo,
                                   .mirror = options->repo->mirror,
                                   .result = &result,
                                   .begun_ns = tz_now()}};

    int failed = choose(&level, err) || tz_pool_new(&level.sync.pool, TZ_SYNC_READERS, err);
    uint32_t out_before = level.sync.out;
    failed = failed || (options->apart && check_apart(&level, err)) || copy_all(&level, err);
    if (!failed)
        tz_sync_report(&level.sync, true);
    tz_sync_tear_down(&level.sync);
    if (failed)
        return options->store ? tz_while(err, "fill store '%s'", options->store)
                              : tz_while(err, "sync");
    report(&level, out_before, ret);
    return 0;
}
