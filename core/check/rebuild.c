/*
 * The catalog made anew from the stores.
 */
#include "../repo/internal.h"
#include "check.h"

#include "tozai/util/log.h"

#include <string.h>

#include "tozai/util/banned.h"

struct rebuild {
    struct tz_repo *repo;
    uint32_t stores;
    struct tz_presence presence;
    size_t adopted, refused;
};

/* Stores have numbers of their own in the new catalog. */
static int register_stores(struct tz_repo *repo, struct tz_error *err)
{
    for (size_t i = 0; i < tz_mirror_count(repo->mirror); i++) {
        const char *name = tz_mirror_name(repo->mirror, i);
        const struct tz_config_store *found = NULL;

        for (size_t k = 0; k < repo->config->store_count; k++)
            if (strcmp(repo->config->stores[k].name, name) == 0)
                found = &repo->config->stores[k];
        if (tz_catalog_store(repo->catalog, name, found ? found->url : "",
                             found && found->location ? found->location : "", &repo->store_ids[i],
                             err))
            return -1;
    }
    return 0;
}

static int choose_stores(struct rebuild *rebuild, const char *name, struct tz_error *err)
{
    struct tz_mirror *mirror = rebuild->repo->mirror;
    struct tz_error why = {0};
    size_t only = 0;

    if (!name) {
        for (size_t i = 0; i < tz_mirror_count(mirror); i++)
            if (tz_mirror_usable(mirror, i))
                rebuild->stores |= TZ_STORE_BIT(i);
        return rebuild->stores ? 0 : tz_fail(err, TZ_UNAVAILABLE, "no store can be used");
    }
    if (tz_check_find_store(rebuild->repo, name, &only, err))
        return -1;
    if (tz_mirror_error(mirror, only, &why)) {
        (void)tz_check_pass(err, &why);
        return tz_while(err, "store '%s'", name);
    }
    rebuild->stores = TZ_STORE_BIT(only);
    return 0;
}

static int list(struct rebuild *rebuild, size_t i, const char *prefix, struct tz_error *err)
{
    if (tz_presence_list(&rebuild->presence, i, prefix, err))
        return -1;
    if (rebuild->presence.listed & TZ_STORE_BIT(i))
        return 0;
    const struct tz_error *why = &rebuild->presence.stores[i].error;
    rebuild->stores &= ~TZ_STORE_BIT(i);
    if (!rebuild->stores) {
        (void)tz_check_pass(err, why);
        return tz_while(err, "list store '%s'", tz_mirror_name(rebuild->repo->mirror, i));
    }
    tz_mirror_exclude(rebuild->repo->mirror, i, why);
    tz_repo_warn(rebuild->repo, "store '%s' is left out: %s",
                 tz_mirror_name(rebuild->repo->mirror, i), why->message);
    return 0;
}

/* Index objects before packs, so that of packs only differences are left. */
static int learn(struct rebuild *rebuild, struct tz_error *err)
{
    static const char *const prefixes[] = {"tombstones/", "keys/", "index/", "generations/",
                                           "packs/"};

    for (size_t k = 0; k < TZ_COUNT(prefixes); k++)
        for (size_t i = 0; i < tz_mirror_count(rebuild->repo->mirror); i++)
            if ((rebuild->stores & TZ_STORE_BIT(i)) && list(rebuild, i, prefixes[k], err))
                return -1;
    return tz_presence_finish(&rebuild->presence, err);
}

/* A pack has told what it holds. */
static int adopt(void *arg, struct tz_check_task *task, struct tz_error *err)
{
    struct rebuild *rebuild = arg;
    struct tz_repo *repo = rebuild->repo;
    int64_t pack = 0;

    if (!task->has_info) {
        rebuild->refused++;
        tz_repo_warn(repo, "'%s' is in no index and cannot be read: %s", task->name,
                     task->why.message);
        return 0;
    }
    if (tz_catalog_add_pack(repo->catalog, &task->info, &pack, err))
        return -1;
    rebuild->adopted++;
    for (size_t i = 0; i < tz_mirror_count(repo->mirror); i++) {
        if (task->outcome[i] == TZ_OUTCOME_NONE)
            continue;
        if (tz_catalog_set_copy(
                repo->catalog, pack, repo->store_ids[i],
                task->outcome[i] == TZ_OUTCOME_GOOD ? TZ_COPY_PRESENT : TZ_COPY_DAMAGED, err))
            return -1;
    }
    return 0;
}

/* Packs that no index names, and those that only heads name, each with the stores that list it. */
static int gather(struct rebuild *rebuild, struct tz_check_names *all, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_targets) struct tz_targets targets = {0};

    for (size_t i = 0; i < tz_mirror_count(rebuild->repo->mirror); i++) {
        const struct tz_check_names *unknown = &rebuild->presence.stores[i].unknown;
        for (size_t k = 0; k < unknown->count; k++)
            if (tz_name_parse(unknown->items[k]).kind == TZ_NAME_IS_PACK &&
                tz_check_names_add(all, unknown->items[k], err))
                return -1;
    }
    for (unsigned part = 0; part < TZ_PART_PACKS; part++) {
        if (tz_targets_load(&targets, rebuild->repo, rebuild->stores, part, err))
            return -1;
        for (size_t i = 0; i < targets.count; i++)
            if (targets.items[i].size == 0 && tz_check_names_add(all, targets.items[i].name, err))
                return -1;
    }
    tz_check_names_sort(all);
    return 0;
}

static int where(struct rebuild *rebuild, const char *name, uint32_t *ret, struct tz_error *err)
{
    struct tz_mirror *mirror = rebuild->repo->mirror;

    *ret = 0;
    for (size_t i = 0; i < tz_mirror_count(mirror); i++) {
        struct tz_store_stat stat = {0};
        struct tz_error why = {0};
        if (!(rebuild->stores & TZ_STORE_BIT(i)))
            continue;
        if (tz_store_stat(tz_mirror_store(mirror, i), name, &stat, &why) &&
            tz_check_is_fatal(why.kind))
            return tz_check_pass(err, &why);
        if (stat.exists)
            *ret |= TZ_STORE_BIT(i);
    }
    return 0;
}

static int read_directories(struct rebuild *rebuild, const struct tz_check_names *names,
                            struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_checker) struct tz_checker *checker = NULL;

    if (tz_checker_new(&checker, rebuild->repo, adopt, rebuild, err))
        return -1;
    for (size_t i = 0; i < names->count; i++) {
        struct tz_check_task *task = NULL;
        if (tz_checker_task(checker, &task, err))
            return -1;
        (void)snprintf(task->name, sizeof(task->name), "%s", names->items[i]);
        task->deep = true;
        if (where(rebuild, task->name, &task->stores, err))
            return -1;
        tz_checker_submit(checker, task);
    }
    return tz_checker_drain(checker, err);
}

static int adopt_packs(struct rebuild *rebuild, struct tz_error *err)
{
    struct tz_check_names names = {0};

    int failed = gather(rebuild, &names, err);
    if (!failed && names.count > 0) {
        if (tz_keys_role(rebuild->repo->keys) == TZ_ROLE_OPERATOR)
            failed = read_directories(rebuild, &names, err);
        else
            tz_repo_warn(rebuild->repo,
                         "%zu packs are in no index that can be read; what they hold can only be "
                         "learnt with an operator key",
                         names.count);
    }
    tz_check_names_clear(&names);
    tz_debug("%zu packs told themselves what they hold, %zu did not", rebuild->adopted,
             rebuild->refused);
    return failed ? -1 : 0;
}

int tz_catalog_rebuild(struct tz_repo *repo, const char *store, struct tz_error *err)
{
    struct rebuild rebuild = {.repo = repo, .presence.repo = repo};

    int failed =
        choose_stores(&rebuild, store, err) ||
        tz_catalog_renew(repo->catalog, repo->config->state, repo->descriptor.repo_id, err) ||
        register_stores(repo, err) || learn(&rebuild, err) || adopt_packs(&rebuild, err);
    tz_presence_clear(&rebuild.presence);
    return failed ? tz_while(err, "rebuild the catalog") : 0;
}
