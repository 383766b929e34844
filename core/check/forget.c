#include "tozai/core/level.h"
#include "tozai/util/grow.h"

#include "../repo/internal.h"
#include "check.h"

#include <string.h>

#include "tozai/util/banned.h"

struct ids {
    uint8_t (*items)[TZ_HASH_SIZE];
    size_t count, cap;
};

static void ids_clear(struct ids *ids)
{
    free(ids->items);
}

static int add_sealed(void *arg, const struct tz_generation *generation, struct tz_error *err)
{
    struct ids *ids = arg;

    if (generation->seal_object == 0)
        return 0;
    if (tz_grow(&ids->items, ids->count, &ids->cap, sizeof(*ids->items), err))
        return -1;
    memcpy(ids->items[ids->count++], generation->id, TZ_HASH_SIZE);
    return 0;
}

/* What the other stores hold, by their own listings. */
static int list_others(struct tz_repo *repo, const char *name, size_t *ret_count,
                       struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_presence) struct tz_presence presence = {.repo = repo};

    *ret_count = 0;
    for (size_t i = 0; i < tz_mirror_count(repo->mirror); i++) {
        if (strcmp(tz_mirror_name(repo->mirror, i), name) == 0)
            continue;
        ++*ret_count;
        if (!tz_mirror_usable(repo->mirror, i))
            continue;
        if (tz_presence_list(&presence, i, "", err))
            return -1;
        if (!(presence.listed & TZ_STORE_BIT(i)))
            tz_mirror_exclude(repo->mirror, i, &presence.stores[i].error);
    }
    return tz_presence_finish(&presence, err);
}

/* Whole copies of a generation in stores that can be reached, without this one. */
static int count_copies(struct tz_repo *repo, const uint8_t id[TZ_HASH_SIZE], const char *without,
                        uint64_t *ret, struct tz_error *err)
{
    *ret = 0;
    for (size_t i = 0; i < tz_mirror_count(repo->mirror); i++) {
        bool complete = false;
        if (strcmp(tz_mirror_name(repo->mirror, i), without) == 0 ||
            !tz_mirror_usable(repo->mirror, i))
            continue;
        if (tz_catalog_generation_complete(repo->catalog, id, repo->store_ids[i], &complete, err))
            return -1;
        *ret += complete;
    }
    return 0;
}

static int check_copies(struct tz_repo *repo, const char *name, struct tz_forget_result *ret,
                        struct tz_error *err)
{
    TZ_SCOPED(ids_clear) struct ids ids = {0};
    size_t others = 0;
    uint64_t short_of = 0;

    if (list_others(repo, name, &others, err) ||
        tz_catalog_each_generation(repo->catalog, NULL, add_sealed, &ids, err))
        return -1;
    uint64_t wanted = repo->config->min_copies ? repo->config->min_copies : TZ_MAX(others, 1U);
    ret->generations = ids.count;
    for (size_t i = 0; i < ids.count; i++) {
        uint64_t copies = 0;
        if (count_copies(repo, ids.items[i], name, &copies, err))
            return -1;
        ret->copies = i == 0 ? copies : TZ_MIN(ret->copies, copies);
        short_of += copies < wanted;
    }
    if (short_of == 0)
        return 0;
    (void)tz_fail(err, TZ_FAILED,
                  "without store '%s' %llu of %zu generations would have fewer than %llu copies",
                  name, (unsigned long long)short_of, ids.count, (unsigned long long)wanted);
    return tz_hint(err, "'tozai sync' brings the other stores level; '%s' is not forgotten", name);
}

static bool is_configured(const struct tz_config *config, const char *name)
{
    for (size_t i = 0; i < config->store_count; i++)
        if (strcmp(config->stores[i].name, name) == 0)
            return true;
    return false;
}

static int need_known(struct tz_catalog *catalog, const char *name, struct tz_error *err)
{
    bool known = false;

    if (catalog && tz_catalog_knows_store(catalog, name, &known, err))
        return -1;
    return known ? 0 : tz_fail(err, TZ_NOT_FOUND, "there never was a store '%s'", name);
}

int tz_need_forgettable(const struct tz_config *config, const char *name, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_catalog) struct tz_catalog *catalog = NULL;
    uint8_t id[TZ_REPO_ID_SIZE];

    if (is_configured(config, name))
        return 0;
    if (tz_catalog_whose(config->state, id) && tz_catalog_open(&catalog, config->state, id, err))
        return -1;
    return need_known(catalog, name, err);
}

int tz_forget_store(struct tz_repo *repo, const char *name, struct tz_forget_result *ret,
                    struct tz_error *err)
{
    struct tz_forget_result result = {0};
    bool configured = is_configured(repo->config, name);

    if (!configured && need_known(repo->catalog, name, err))
        return -1;
    if (check_copies(repo, name, &result, err))
        return -1;
    if (!configured && tz_catalog_forget_store(repo->catalog, name, err))
        return -1;
    result.forgotten = !configured;
    *ret = result;
    return 0;
}
