#include "tozai/core/level.h"

#include "sync.h"

#include "tozai/util/log.h"

#include <string.h>

#include "tozai/util/banned.h"

/* An object and the stores that list it. */
struct there {
    char name[TZ_NAME_TEXT];
    uint64_t size; /* in the last store that was looked at */
    uint32_t stores;
    bool differs; /* not the same size everywhere */
};
struct there_list {
    struct there *items;
    size_t count, cap;
};

static void there_list_clear(struct there_list *list)
{
    free(list->items);
    *list = (struct there_list){0};
}

struct level {
    struct tz_sync sync; /* its copying */
    struct tz_repo *repo;
    size_t store;
    uint64_t mismatched; /* objects that the store has with another size */
    uint64_t held_back;
};

static int add_there(struct there_list *list, size_t store, const struct tz_listed *listed,
                     struct tz_error *err)
{
    if (list->count == list->cap) {
        size_t cap = list->cap ? 2 * list->cap : 256;
        void *fresh = realloc(list->items, cap * sizeof(*list->items));
        if (!fresh)
            return tz_fail_nomem(err);
        list->items = fresh;
        list->cap = cap;
    }
    struct there *there = &list->items[list->count++];
    *there = (struct there){.size = listed->size, .stores = TZ_STORE_BIT(store)};
    memcpy(there->name, listed->name, sizeof(there->name));
    return 0;
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct there *)a)->name, ((const struct there *)b)->name);
}

/* What several stores list becomes one. */
static void unite(struct there_list *list)
{
    size_t kept = 0;

    if (list->count == 0)
        return;
    qsort(list->items, list->count, sizeof(*list->items), compare);
    for (size_t i = 1; i < list->count; i++) {
        struct there *last = &list->items[kept], *item = &list->items[i];
        if (strcmp(last->name, item->name) == 0) {
            last->stores |= item->stores;
            last->differs = last->differs || last->size != item->size;
        } else {
            list->items[++kept] = *item;
        }
    }
    list->count = kept + 1;
}

/* What the stores list below a prefix.  A source that cannot be listed is left out from now on. */
static int look(struct level *level, const char *prefix, struct there_list *list,
                struct tz_error *err)
{
    struct tz_mirror *mirror = level->repo->mirror;

    there_list_clear(list);
    for (size_t i = 0; i < tz_mirror_count(mirror); i++) {
        TZ_SCOPED(tz_scoped_listing) struct tz_listing listed = {0};
        struct tz_error why = {0};
        if (!tz_mirror_usable(mirror, i))
            continue;
        if (tz_listing_read(&listed, tz_mirror_store(mirror, i), prefix, &why)) {
            if (tz_check_is_fatal(why.kind))
                return tz_check_pass(err, &why);
            tz_mirror_exclude(mirror, i, &why);
            tz_sync_warn(&level->sync);
            continue;
        }
        for (size_t k = 0; k < listed.count; k++)
            if (tz_name_parse(listed.items[k].name).kind != TZ_NAME_OTHER &&
                add_there(list, i, &listed.items[k], err))
                return -1;
    }
    unite(list);
    return 0;
}

static bool is_lacking(const struct level *level, const struct there *there)
{
    return !(there->stores & TZ_STORE_BIT(level->store));
}

/* Queue the copy of an object that the store lacks. */
static int copy(struct level *level, const struct there *there, struct tz_error *err)
{
    struct tz_target target = {.size = there->differs ? 0 : there->size};
    uint32_t sources = tz_sync_usable(&level->sync, there->stores);

    if (!is_lacking(level, there)) {
        if (there->differs && sources != TZ_STORE_BIT(level->store)) {
            level->mismatched++;
            tz_repo_warn(level->repo,
                         "'%s' has not the same size in every store; "
                         "'tozai verify --heal' mends it",
                         there->name);
        }
        return 0;
    }
    if (!sources || !tz_mirror_usable(level->repo->mirror, level->store))
        return 0;
    memcpy(target.name, there->name, sizeof(target.name));
    return tz_sync_submit(&level->sync, &target, sources, TZ_STORE_BIT(level->store), err);
}

/* Everything below a prefix. */
static int copy_prefix(struct level *level, const char *prefix, struct tz_error *err)
{
    TZ_SCOPED(there_list_clear) struct there_list list = {0};

    if (look(level, prefix, &list, err))
        return -1;
    for (size_t i = 0; i < list.count; i++)
        if (copy(level, &list.items[i], err))
            return -1;
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

static bool is_among(const struct there_list *list, const struct there *wanted)
{
    return list->count > 0 && bsearch(wanted, list->items, list->count, sizeof(*wanted), compare);
}

/* May it go, now that the packs are there?  Only heads of these, and seals whose head is there. */
static bool is_due(const struct level *level, const struct there_list *now,
                   const struct there *there, enum tz_name_kind kind)
{
    struct tz_name parsed = tz_name_parse(there->name);
    struct there head = {0};

    if (parsed.kind != kind)
        return false;
    if (kind != TZ_NAME_IS_SEAL)
        return true;
    tz_name_head(head.name, parsed.source_id, parsed.time_ns, parsed.hash);
    const struct there *found =
        now->count > 0 ? bsearch(&head, now->items, now->count, sizeof(head), compare) : NULL;
    /* In the store, and still elsewhere. */
    return found && !is_lacking(level, found) && (found->stores & ~TZ_STORE_BIT(level->store));
}

/* Those of one kind that were there before the packs were listed, and still are. */
static int copy_old(struct level *level, const struct there_list *before, const char *prefix,
                    enum tz_name_kind kind, struct tz_error *err)
{
    TZ_SCOPED(there_list_clear) struct there_list now = {0};
    bool blocked = level->sync.result->failed > 0 || level->mismatched > 0;

    if (look(level, prefix, &now, err))
        return -1;
    for (size_t i = 0; i < now.count; i++) {
        const struct there *there = &now.items[i];
        if (tz_name_parse(there->name).kind != kind || !is_lacking(level, there))
            continue;
        if (blocked || !is_among(before, there))
            level->held_back++;
        else if (is_due(level, &now, there, kind) && copy(level, there, err))
            return -1;
    }
    return tz_sync_drain(&level->sync, err);
}

static int copy_all(struct level *level, struct tz_error *err)
{
    TZ_SCOPED(there_list_clear) struct there_list indexes = {0}, generations = {0};

    return copy_prefix(level, "keys/", err) || copy_prefix(level, "tombstones/", err) ||
                   look(level, "index/", &indexes, err) ||
                   look(level, "generations/", &generations, err) || copy_packs(level, err) ||
                   copy_old(level, &indexes, "index/", TZ_NAME_IS_INDEX, err) ||
                   copy_old(level, &generations, "generations/", TZ_NAME_IS_HEAD, err) ||
                   copy_old(level, &generations, "generations/", TZ_NAME_IS_SEAL, err)
               ? -1
               : 0;
}

static int choose(struct level *level, const char *name, struct tz_error *err)
{
    struct tz_mirror *mirror = level->repo->mirror;
    struct tz_error why = {0};
    bool any = false;

    if (tz_check_find_store(level->repo, name, &level->store, err))
        return -1;
    if (tz_mirror_error(mirror, level->store, &why)) {
        (void)tz_check_pass(err, &why);
        return tz_while(err, "store '%s'", name);
    }
    for (size_t i = 0; i < tz_mirror_count(mirror); i++) {
        any = any || (i != level->store && tz_mirror_usable(mirror, i));
        if (!tz_mirror_usable(mirror, i))
            level->sync.out |= TZ_STORE_BIT(i); /* the opening has spoken of it */
    }
    return any ? 0 : tz_fail(err, TZ_UNAVAILABLE, "there is no other store to copy from");
}

int tz_level(const struct tz_level_options *options, struct tz_level_result *ret,
             struct tz_error *err)
{
    struct tz_sync_result result = {0};
    const struct tz_sync_options copying = {.repo = options->repo,
                                            .progress = options->progress,
                                            .progress_arg = options->progress_arg};
    struct level level = {.repo = options->repo,
                          .sync = {.options = &copying,
                                   .repo = options->repo,
                                   .mirror = options->repo->mirror,
                                   .result = &result}};
    uint32_t before = 0;

    int failed =
        choose(&level, options->store, err) || tz_pool_new(&level.sync.pool, TZ_SYNC_READERS, err);
    before = level.sync.out;
    failed = failed || copy_all(&level, err);
    if (!failed)
        tz_sync_report(&level.sync, true);
    tz_sync_tear_down(&level.sync);
    if (failed)
        return tz_while(err, "fill store '%s'", options->store);
    *ret = (struct tz_level_result){
        .objects = result.objects,
        .bytes = result.bytes,
        .failed = result.failed + level.mismatched,
        .held_back = level.held_back,
    };
    /* What a source that has gone out had more than the others, nobody knows. */
    ret->level = ret->failed == 0 && ret->held_back == 0 && level.sync.out == before &&
                 tz_mirror_usable(level.repo->mirror, level.store);
    return 0;
}
