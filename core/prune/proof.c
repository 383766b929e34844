#include "prune.h"

#include "tozai/util/hex.h"

#include <string.h>

#include "tozai/util/banned.h"

static int note_broken(struct tz_pruning *pruning, size_t i,
                       const struct tz_prune_generation *generation, struct tz_error *err)
{
    struct tz_prune_result *result = pruning->result;
    char id[TZ_HASH_TEXT], text[sizeof(id) + 256];
    struct tz_check_names names = {result->broken, result->broken_count};

    tz_hex(id, generation->id, TZ_HASH_SIZE);
    (void)snprintf(text, sizeof(text), "%.200s: %s", tz_mirror_name(pruning->mirror, i), id);
    int failed = tz_check_names_add(&names, text, err);
    result->broken = names.items;
    result->broken_count = names.count;
    return failed;
}

/* Does the store have head and seal? */
static int claims(struct tz_pruning *pruning, size_t i,
                  const struct tz_prune_generation *generation, bool *ret, struct tz_error *err)
{
    uint8_t source_id[TZ_SOURCE_ID_SIZE];

    *ret = true;
    tz_name_id(pruning->repo->keys, "source", generation->source, source_id);
    for (int seal = 0; seal < 2 && *ret; seal++) {
        enum tz_copy_state state = TZ_COPY_UNKNOWN;
        char name[TZ_NAME_TEXT];
        int64_t object = 0;
        (seal ? tz_name_seal : tz_name_head)(name, source_id, generation->time_ns, generation->id);
        if (tz_catalog_find_object(pruning->catalog, name, &object, NULL, err) ||
            (object && tz_catalog_get_copy(pruning->catalog, object, pruning->repo->store_ids[i],
                                           &state, err)))
            return -1;
        *ret = state == TZ_COPY_PRESENT || state == TZ_COPY_DAMAGED;
    }
    return 0;
}

/* Another prune may forget it meanwhile: it takes the seal before any pack. */
static int is_sealed_still(struct tz_pruning *pruning, size_t i,
                           const struct tz_prune_generation *generation, bool *ret,
                           struct tz_error *err)
{
    uint8_t source_id[TZ_SOURCE_ID_SIZE];
    struct tz_store_stat stat;
    char name[TZ_NAME_TEXT];

    tz_name_id(pruning->repo->keys, "source", generation->source, source_id);
    tz_name_seal(name, source_id, generation->time_ns, generation->id);
    if (tz_store_stat(tz_mirror_store(pruning->mirror, i), name, &stat, err))
        return -1;
    *ret = stat.exists;
    return 0;
}

/* Does it say in store i that it is complete, and is not? */
static int seems_broken(struct tz_pruning *pruning, size_t i,
                        const struct tz_prune_generation *generation, bool *ret,
                        struct tz_error *err)
{
    bool claimed = false, complete = false;

    if (claims(pruning, i, generation, &claimed, err) ||
        (claimed && tz_catalog_generation_complete(pruning->catalog, generation->id,
                                                   pruning->repo->store_ids[i], &complete, err)))
        return -1;
    *ret = claimed && !complete;
    return 0;
}

/*
 * What others did meanwhile is no damage: they may have united the indexes that described its packs
 * while this one listed them, or be forgetting the generation.
 */
static int is_broken(struct tz_pruning *pruning, size_t i,
                     const struct tz_prune_generation *generation, bool *ret, struct tz_error *err)
{
    *ret = false;
    if (seems_broken(pruning, i, generation, ret, err))
        return -1;
    if (!*ret || pruning->options->dry_run)
        return 0;
    if (tz_repo_refresh(pruning->repo, err) || seems_broken(pruning, i, generation, ret, err))
        return -1;
    return *ret ? is_sealed_still(pruning, i, generation, ret, err) : 0;
}

static int prove_in(struct tz_pruning *pruning, size_t i, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_presence) struct tz_presence presence = {.repo = pruning->repo};

    if (!pruning->options->dry_run) {
        if (tz_presence_list(&presence, i, "packs/", err))
            return -1;
        if (!(presence.listed & TZ_STORE_BIT(i)))
            return tz_check_pass(err, &presence.stores[i].error);
    }
    for (size_t k = 0; k < pruning->result->kept_count; k++) {
        const struct tz_prune_generation *generation = &pruning->result->kept[k];
        bool broken = false;
        if (is_broken(pruning, i, generation, &broken, err) ||
            (broken && note_broken(pruning, i, generation, err)))
            return -1;
    }
    return 0;
}

int tz_pruning_prove(struct tz_pruning *pruning, struct tz_error *err)
{
    for (size_t i = 0; i < tz_mirror_count(pruning->mirror); i++)
        if ((pruning->stores & TZ_STORE_BIT(i)) && prove_in(pruning, i, err))
            return tz_while(err, "prove that all is there in store '%s'",
                            tz_mirror_name(pruning->mirror, i));
    return 0;
}
