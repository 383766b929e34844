/*
 * Which generations stay: what the policy of each source says, and what must stay in any case.
 */
#include "prune.h"

#include "tozai/util/grow.h"
#include "tozai/util/hex.h"

#include <string.h>

#include "tozai/util/banned.h"

/* All generations of all sources; those of a source together, newest first. */
struct entry {
    struct tz_prune_generation generation;
    int64_t head_object, seal_object;
    int64_t end_ns;
    uint64_t turn;
    uint32_t complete; /* stores that have all of it */
    bool verified, held;
    bool accepted;  /* although it is later than now */
    bool forgotten; /* a prune that did not come to its end has decided it */
    bool replaced;  /* by another one of the same origin */
    bool hopeless;  /* sealed, whole in no store, and even a whole one would not be kept */
};
struct entries {
    struct entry *items;
    size_t count, cap;
};

static void entries_clear(struct entries *entries)
{
    for (size_t i = 0; i < entries->count; i++)
        free(entries->items[i].generation.source);
    free(entries->items);
}

static int add(void *arg, const struct tz_generation *generation, struct tz_error *err)
{
    struct entries *entries = arg;

    if (tz_grow(&entries->items, entries->count, &entries->cap, sizeof(*entries->items), err))
        return -1;
    struct entry *entry = &entries->items[entries->count];
    *entry = (struct entry){
        .generation.source = strdup(generation->source),
        .generation.time_ns = generation->time_ns,
        .head_object = generation->head_object,
        .seal_object = generation->seal_object,
        .end_ns = generation->end_ns,
        .turn = generation->turn,
        .verified = generation->verified_ns != 0,
    };
    if (!entry->generation.source)
        return tz_fail_nomem(err);
    memcpy(entry->generation.id, generation->id, TZ_HASH_SIZE);
    memcpy(entry->generation.origin, generation->origin, TZ_HASH_SIZE);
    entries->count++;
    return 0;
}

/* A generation that the clock made when it was wrong; "ahead ID" once --force has let it pass. */
static int look_ahead(struct tz_pruning *pruning, struct entry *entry, struct tz_error *err)
{
    static const char prefix[] = "ahead ";
    TZ_SCOPED(tz_scoped_buf) struct tz_buf value = {0};
    char key[sizeof(prefix) + TZ_HASH_TEXT];

    if (entry->generation.time_ns <= pruning->now_ns)
        return 0;
    memcpy(key, prefix, sizeof(prefix));
    tz_hex(key + sizeof(prefix) - 1, entry->generation.origin, TZ_HASH_SIZE);
    if (pruning->options->force && tz_catalog_set_value(pruning->catalog, key, "1", 1, err))
        return -1;
    return tz_catalog_get_value(pruning->catalog, key, &value, &entry->accepted, err);
}

static int look_at(struct tz_pruning *pruning, struct entry *entry, struct tz_error *err)
{
    const uint8_t *id = entry->generation.id;

    for (size_t i = 0; i < tz_mirror_count(pruning->mirror); i++) {
        bool complete = false;
        if (tz_catalog_generation_complete(pruning->catalog, id, pruning->repo->store_ids[i],
                                           &complete, err))
            return -1;
        entry->complete |= complete ? TZ_STORE_BIT(i) : 0;
    }
    if (tz_lock_is_held(pruning->catalog, id, &entry->held, err) || look_ahead(pruning, entry, err))
        return -1;
    return tz_catalog_is_condemned(pruning->catalog, id, &entry->forgotten, err);
}

/* Every name of a head or seal, in one store after the other. */
static void object_name(const struct tz_prune_generation *generation, const struct tz_keys *keys,
                        bool seal, char name[TZ_NAME_TEXT])
{
    uint8_t source_id[TZ_SOURCE_ID_SIZE];

    tz_name_id(keys, "source", generation->source, source_id);
    (seal ? tz_name_seal : tz_name_head)(name, source_id, generation->time_ns, generation->id);
}

/*
 * A head whose seal never came is given up when every store that has it got it so long ago, by its
 * own clock, and ours agrees.
 */
static int is_abandoned(struct tz_pruning *pruning, struct entry *entry, bool *ret,
                        struct tz_error *err)
{
    char name[TZ_NAME_TEXT];

    *ret = false;
    if (entry->seal_object || pruning->now_ns - entry->end_ns < TZ_PRUNE_UNFINISHED_NS)
        return 0;
    object_name(&entry->generation, pruning->repo->keys, false, name);
    for (size_t i = 0; i < tz_mirror_count(pruning->mirror); i++) {
        struct tz_store_stat stat;
        if (!(pruning->stores & TZ_STORE_BIT(i)))
            continue;
        if (tz_store_stat(tz_mirror_store(pruning->mirror, i), name, &stat, err))
            return -1;
        if (stat.exists && pruning->newest_ns[i] - stat.changed_ns < TZ_PRUNE_UNFINISHED_NS)
            return 0;
    }
    *ret = true;
    return 0;
}

int tz_pruning_head_locked(struct tz_pruning *pruning, const struct tz_prune_generation *generation,
                           int64_t *ret_until_ns, struct tz_error *err)
{
    char name[TZ_NAME_TEXT];

    *ret_until_ns = 0;
    if (!pruning->options->locked)
        return 0;
    for (int seal = 1; seal >= 0 && !*ret_until_ns; seal--) {
        object_name(generation, pruning->repo->keys, seal != 0, name);
        if (tz_pruning_locked(pruning, name, UINT32_MAX, ret_until_ns, err))
            return -1;
    }
    return 0;
}

static bool is_named(const struct tz_prune_options *options, const char *source)
{
    for (size_t i = 0; i < options->source_count; i++)
        if (strcmp(options->sources[i], source) == 0)
            return true;
    return false;
}

void tz_pruning_clear(struct tz_prune_generation *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(list[i].source);
    free(list);
}

int tz_pruning_add(struct tz_prune_generation **list, size_t *count,
                   const struct tz_prune_generation *generation, struct tz_error *err)
{
    /* Room for a power of two. */
    if ((*count & (*count - 1)) == 0) {
        void *more = realloc(*list, (*count ? 2 * *count : 1) * sizeof(**list));
        if (!more)
            return tz_fail_nomem(err);
        *list = more;
    }
    struct tz_prune_generation *item = &(*list)[*count];
    *item = *generation;
    item->source = strdup(generation->source);
    if (!item->source)
        return tz_fail_nomem(err);
    ++*count;
    return 0;
}

static int decide(struct tz_pruning *pruning, struct entry *entry, struct tz_error *err)
{
    struct tz_prune_result *result = pruning->result;
    bool goes = entry->forgotten;

    if (entry->replaced)
        return tz_pruning_add(&pruning->replaced, &pruning->replaced_count, &entry->generation,
                              err);
    if (!goes && !entry->generation.unconfigured && entry->generation.reasons == 0)
        goes = entry->complete != 0 || entry->hopeless;
    if (!goes && !entry->generation.unconfigured && is_abandoned(pruning, entry, &goes, err))
        return -1;
    if (goes && tz_pruning_head_locked(pruning, &entry->generation,
                                       &entry->generation.locked_until_ns, err))
        return -1;
    if (goes && entry->generation.locked_until_ns == 0)
        return tz_pruning_add(&result->forgotten, &result->forgotten_count, &entry->generation,
                              err);
    /* Others may be still at work on it, or on what it takes the place of. */
    if (!entry->generation.unconfigured && !entry->generation.locked_until_ns &&
        entry->generation.reasons == 0)
        entry->generation.reasons = TZ_KEEP_UNKNOWN;
    return tz_pruning_add(&result->kept, &result->kept_count, &entry->generation, err);
}

/* A prune that wrote it anew was stopped before it took the old one away.  They have one time, so
 * they stand together. */
static void find_replaced(struct entry *entries, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t k = i;
             k > 0 && entries[k - 1].generation.time_ns == entries[i].generation.time_ns; k--) {
            struct entry *a = &entries[i], *b = &entries[k - 1];
            if (memcmp(a->generation.origin, b->generation.origin, TZ_HASH_SIZE) != 0)
                continue;
            /* Both are sorted by id, falling. */
            if (a->turn > b->turn && a->complete && !(b->complete & ~a->complete))
                b->replaced = true;
            else if (b->turn >= a->turn && b->complete && !(a->complete & ~b->complete))
                a->replaced = true;
        }
}

/* What the policy goes by.  whole: as if what is sealed was in a store as it was written. */
static size_t make_items(const struct entry *entries, size_t count, bool whole,
                         struct tz_retention_item *items)
{
    size_t planned = 0;

    for (size_t i = 0; i < count; i++) {
        const struct entry *entry = &entries[i];
        if (entry->forgotten || entry->replaced)
            continue;
        items[planned] = (struct tz_retention_item){
            .time_ns = entry->generation.time_ns,
            .complete = entry->complete || (whole && entry->seal_object),
            .verified = entry->verified && (entry->complete || !whole),
            .held = entry->held,
            .accepted = entry->accepted,
        };
        memcpy(items[planned++].id, entry->generation.id, TZ_HASH_SIZE);
    }
    return planned;
}

/*
 * A generation that has lost something in every store holds no place of the policy, so it would
 * stay for ever.  It goes when it would go if it was whole: not sooner, since it may be the catalog
 * that is wrong, or what is lost may come back.
 */
static int find_hopeless(struct tz_pruning *pruning, const struct tz_retention_policy *policy,
                         struct entry *entries, size_t count, struct tz_retention_item *items,
                         struct tz_error *err)
{
    size_t planned = make_items(entries, count, true, items);

    if (tz_retention_plan(policy, items, planned, pruning->now_ns, pruning->options->force, err))
        return -1;
    planned = 0;
    for (size_t i = 0; i < count; i++)
        if (!entries[i].forgotten && !entries[i].replaced)
            entries[i].hopeless =
                items[planned++].reasons == 0 && entries[i].seal_object && entries[i].complete == 0;
    return 0;
}

static int plan_source(struct tz_pruning *pruning, struct entry *entries, size_t count,
                       struct tz_error *err)
{
    const struct tz_prune_options *options = pruning->options;
    const char *source = entries[0].generation.source;
    TZ_SCOPED(tz_scoped_free) struct tz_retention_item *items = calloc(count, sizeof(*items));
    struct tz_retention_policy policy;
    size_t planned = 0;

    if (options->source_count > 0 && !is_named(options, source))
        return 0;
    if (!items)
        return tz_fail_nomem(err);
    bool unconfigured =
        options->source_count == 0 && !tz_config_find_source(pruning->repo->config, source);
    for (size_t i = 0; i < count; i++) {
        entries[i].generation.unconfigured = unconfigured;
        if (look_at(pruning, &entries[i], err))
            return -1;
    }
    find_replaced(entries, count);
    planned = make_items(entries, count, false, items);
    if (!unconfigured && planned > 0 &&
        (tz_retention_policy(pruning->repo->config, source, &policy, err) ||
         find_hopeless(pruning, &policy, entries, count, items, err) ||
         tz_retention_plan(&policy, items, make_items(entries, count, false, items),
                           pruning->now_ns, options->force, err)))
        return tz_while(err, "retention of '%s'", source);
    planned = 0;
    for (size_t i = 0; i < count; i++) {
        if (!entries[i].forgotten && !entries[i].replaced)
            entries[i].generation.reasons = items[planned++].reasons;
        if (decide(pruning, &entries[i], err))
            return -1;
    }
    return 0;
}

int tz_pruning_plan(struct tz_pruning *pruning, struct tz_error *err)
{
    TZ_SCOPED(entries_clear) struct entries entries = {0};

    if (tz_catalog_each_generation(pruning->catalog, NULL, add, &entries, err))
        return -1;
    for (size_t i = 0, end; i < entries.count; i = end) {
        for (end = i + 1; end < entries.count; end++)
            if (strcmp(entries.items[end].generation.source, entries.items[i].generation.source) !=
                0)
                break;
        if (plan_source(pruning, &entries.items[i], end - i, err))
            return -1;
    }
    return 0;
}

int tz_pruning_load_head(struct tz_pruning *pruning, const uint8_t id[TZ_HASH_SIZE],
                         struct tz_head *ret, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf body = {0};

    if (tz_catalog_get_head(pruning->catalog, id, &body, err) ||
        tz_head_read(ret, body.data, body.len, err))
        return -1;
    memcpy(ret->id, id, TZ_HASH_SIZE);
    return 0;
}
