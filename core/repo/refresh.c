#include "internal.h"

#include <string.h>

/* What the catalog believes of a store. */
struct belief {
    char name[TZ_NAME_TEXT];
    int64_t object;
    uint64_t size;
    enum tz_copy_state state;
};
struct beliefs {
    struct belief *items;
    size_t count, cap;
};

static void beliefs_clear(struct beliefs *beliefs)
{
    free(beliefs->items);
}

static int add_belief(void *arg, const struct tz_catalog_copy *copy, struct tz_error *err)
{
    struct beliefs *beliefs = arg;

    if (beliefs->count == beliefs->cap) {
        size_t cap = beliefs->cap ? beliefs->cap * 2 : 64;
        void *fresh = realloc(beliefs->items, cap * sizeof(*beliefs->items));
        if (!fresh)
            return tz_fail_nomem(err);
        beliefs->items = fresh;
        beliefs->cap = cap;
    }
    struct belief *belief = &beliefs->items[beliefs->count++];
    *belief = (struct belief){.object = copy->object, .size = copy->size, .state = copy->state};
    memcpy(belief->name, copy->name, strnlen(copy->name, TZ_NAME_TEXT - 1) + 1);
    return 0;
}

/* Merge the listing with what was believed; only differences cost anything. */
static int compare(struct tz_repo *repo, size_t i, const struct tz_listing *listed,
                   const struct beliefs *beliefs, struct tz_error *err)
{
    size_t b = 0;

    for (size_t l = 0; l <= listed->count; l++) {
        const struct tz_listed *item = l < listed->count ? &listed->items[l] : NULL;

        for (; b < beliefs->count && (!item || strcmp(beliefs->items[b].name, item->name) < 0); b++)
            if (beliefs->items[b].state == TZ_COPY_PRESENT &&
                tz_catalog_set_copy(repo->catalog, beliefs->items[b].object, repo->store_ids[i],
                                    TZ_COPY_MISSING, err))
                return -1;
        if (!item)
            break;
        bool known = b < beliefs->count && strcmp(beliefs->items[b].name, item->name) == 0;
        bool settled = known && beliefs->items[b].state == TZ_COPY_PRESENT &&
                       beliefs->items[b].size == item->size;
        if (known)
            b++;
        if (!settled && tz_repo_learn(repo, i, item->name, item->size, err))
            return -1;
    }
    return 0;
}

static int refresh_prefix(struct tz_repo *repo, size_t i, const char *prefix, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_listing) struct tz_listing listed = {0};
    TZ_SCOPED(beliefs_clear) struct beliefs beliefs = {0};

    if (tz_listing_read(&listed, tz_mirror_store(repo->mirror, i), prefix, err))
        return -1;
    int failed =
        tz_catalog_each_copy(repo->catalog, repo->store_ids[i], prefix, add_belief, &beliefs, err);
    if (failed || tz_catalog_begin(repo->catalog, err))
        return -1;
    if (compare(repo, i, &listed, &beliefs, err)) {
        tz_catalog_rollback(repo->catalog);
        return -1;
    }
    return tz_catalog_commit(repo->catalog, err);
}

int tz_repo_refresh(struct tz_repo *repo, struct tz_error *err)
{
    /* Tombstones before heads and packs, as the protocol demands (design.md). */
    static const char *const prefixes[] = {"tombstones/", "keys/", "index/", "generations/"};

    for (size_t i = 0; i < tz_mirror_count(repo->mirror); i++) {
        for (size_t k = 0; k < TZ_COUNT(prefixes) && tz_mirror_usable(repo->mirror, i); k++) {
            struct tz_error why = {0};

            if (!refresh_prefix(repo, i, prefixes[k], &why))
                continue;
            if (why.kind != TZ_UNAVAILABLE && why.kind != TZ_IO && why.kind != TZ_DENIED) {
                if (err)
                    *err = why;
                return tz_while(err, "read what store '%s' holds", tz_mirror_name(repo->mirror, i));
            }
            tz_mirror_exclude(repo->mirror, i, &why);
            tz_repo_warn(repo, "store '%s' is left out: %s", tz_mirror_name(repo->mirror, i),
                         why.message);
        }
    }
    return 0;
}
