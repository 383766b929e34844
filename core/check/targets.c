#include "check.h"

#include "tozai/util/grow.h"

#include <string.h>

#include "tozai/util/banned.h"

struct load {
    struct tz_targets *targets;
    size_t store;
};

static int add(void *arg, const struct tz_catalog_copy *copy, struct tz_error *err)
{
    struct load *load = arg;
    struct tz_targets *targets = load->targets;

    if (copy->state != TZ_COPY_PRESENT && copy->state != TZ_COPY_DAMAGED)
        return 0;
    if (tz_grow(&targets->items, targets->count, &targets->cap, sizeof(*targets->items), err))
        return -1;
    struct tz_target *target = &targets->items[targets->count++];
    *target = (struct tz_target){
        .object = copy->object,
        .size = copy->size,
        .stores = TZ_STORE_BIT(load->store),
        .damaged = copy->state == TZ_COPY_DAMAGED ? TZ_STORE_BIT(load->store) : 0,
        .verified_ns = copy->verified_ns,
    };
    memcpy(target->name, copy->name, strnlen(copy->name, TZ_NAME_TEXT - 1));
    return 0;
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct tz_target *)a)->name, ((const struct tz_target *)b)->name);
}

/* The same object in several stores becomes one target. */
static void unite(struct tz_targets *targets)
{
    size_t kept = 0;

    if (targets->count == 0)
        return;
    qsort(targets->items, targets->count, sizeof(*targets->items), compare);
    for (size_t i = 1; i < targets->count; i++) {
        struct tz_target *last = &targets->items[kept], *target = &targets->items[i];
        if (last->object == target->object) {
            last->stores |= target->stores;
            last->damaged |= target->damaged;
            last->verified_ns = TZ_MIN(last->verified_ns, target->verified_ns);
        } else {
            targets->items[++kept] = *target;
        }
    }
    targets->count = kept + 1;
}

int tz_targets_load(struct tz_targets *targets, struct tz_repo *repo, uint32_t stores,
                    unsigned part, struct tz_error *err)
{
    static const char *const others[] = {"index/", "keys/", "tombstones/", "generations/"};
    char prefix[16];

    targets->count = 0;
    if (part >= TZ_PART_NOTHING)
        return 0;
    if (part < TZ_PART_PACKS)
        (void)snprintf(prefix, sizeof(prefix), "packs/%02x/", part);
    else
        (void)snprintf(prefix, sizeof(prefix), "%s", others[part - TZ_PART_PACKS]);
    for (size_t i = 0; i < TZ_MIRROR_MAX_STORES; i++) {
        struct load load = {.targets = targets, .store = i};
        if ((stores & TZ_STORE_BIT(i)) &&
            tz_catalog_each_copy(tz_repo_catalog(repo), tz_repo_store(repo, i), prefix, add, &load,
                                 err))
            return -1;
    }
    unite(targets);
    return 0;
}
