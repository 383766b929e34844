#include "internal.h"

#include "tozai/util/grow.h"

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

    if (tz_grow(&beliefs->items, beliefs->count, &beliefs->cap, sizeof(*beliefs->items), err))
        return -1;
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

/* What the store lists below prefix, against what is believed of it. */
static int learn_prefix(struct tz_repo *repo, size_t i, const char *prefix,
                        const struct tz_listing *listed, struct tz_error *err)
{
    TZ_SCOPED(beliefs_clear) struct beliefs beliefs = {0};

    if (tz_catalog_each_copy(repo->catalog, repo->store_ids[i], prefix, add_belief, &beliefs,
                             err) ||
        tz_catalog_begin(repo->catalog, err))
        return -1;
    if (compare(repo, i, listed, &beliefs, err)) {
        tz_catalog_rollback(repo->catalog);
        return -1;
    }
    return tz_catalog_commit(repo->catalog, err);
}

/* All that is small but the tombstones.  Heads before indexes, which are written in the other
 * order: so the packs of each head that is seen are described. */
static const char *const prefixes[] = {"keys/", "generations/", "index/"};
#define BEHIND     "packs/"
#define TOMBSTONES "tombstones/"

void tz_small_clear(struct tz_small *small)
{
    tz_listing_clear(&small->tombstones);
    tz_listing_clear(&small->others);
}

/* The names of a store from the first on, as far as they are of small objects. */
struct beginning {
    struct tz_listing *listed;
    bool complete; /* the first pack was seen */
};

static int add_small(void *arg, const char *name, const struct tz_store_stat *stat,
                     struct tz_error *err)
{
    struct beginning *beginning = arg;

    if (strcmp(name, BEHIND) >= 0) {
        beginning->complete = true;
        return tz_fail(err, TZ_FAILED, "enough");
    }
    return tz_listing_add(beginning->listed, name, stat->size, err);
}

/* The part of the listing, which is in order, with this prefix; it borrows. */
static struct tz_listing part_of(const struct tz_listing *listed, const char *prefix)
{
    size_t len = strlen(prefix), first = 0, end;

    while (first < listed->count && strncmp(listed->items[first].name, prefix, len) != 0)
        first++;
    for (end = first; end < listed->count && strncmp(listed->items[end].name, prefix, len) == 0;)
        end++;
    /* A listing of nothing has no items. */
    return (struct tz_listing){.items = end > first ? &listed->items[first] : NULL,
                               .count = end - first};
}

/* What a store lists. */
struct listed {
    struct tz_small small;
    bool failed;
    struct tz_error error;
};
struct reading {
    struct tz_repo *repo;
    bool all;
    enum tz_haste haste;
    struct listed stores[TZ_MIRROR_MAX_STORES];
};

static void reading_clear(struct reading *reading)
{
    for (size_t i = 0; i < TZ_MIRROR_MAX_STORES; i++)
        tz_small_clear(&reading->stores[i].small);
}

/* They come before the packs: where a request costs more than a page of names, one lists them. */
static int list_at_once(struct tz_store *store, const struct tz_store_terms *terms,
                        struct tz_listing *listed, struct tz_error *err)
{
    struct beginning beginning = {.listed = listed};
    struct tz_error why = {0};

    if (!tz_store_list_with(store, "", terms, add_small, &beginning, &why) || beginning.complete)
        return 0;
    if (err)
        *err = why;
    return -1;
}

struct asked {
    struct tz_listing *listed;
    struct tz_store *store;
};

static int list_tombstones(void *arg, const struct tz_store_terms *terms, struct tz_error *err)
{
    const struct asked *asked = arg;

    tz_listing_clear(asked->listed);
    return tz_listing_read_with(asked->listed, asked->store, TOMBSTONES, terms, err);
}

static int list_others(void *arg, const struct tz_store_terms *terms, struct tz_error *err)
{
    const struct asked *asked = arg;

    tz_listing_clear(asked->listed);
    if (!(tz_store_features(asked->store) & TZ_STORE_LOCAL))
        return list_at_once(asked->store, terms, asked->listed, err);
    for (size_t k = 0; k < TZ_COUNT(prefixes); k++)
        if (tz_listing_read(asked->listed, asked->store, prefixes[k], err))
            return -1;
    return 0;
}

int tz_small_read_tombstones(struct tz_small *small, struct tz_store *store, enum tz_haste haste,
                             struct tz_error *err)
{
    struct asked asked = {&small->tombstones, store};

    return tz_repo_try(haste, list_tombstones, &asked, err);
}

int tz_small_read_others(struct tz_small *small, struct tz_store *store, enum tz_haste haste,
                         struct tz_error *err)
{
    struct asked asked = {&small->others, store};

    return tz_repo_try(haste, list_others, &asked, err);
}

int tz_small_read(struct tz_small *small, struct tz_store *store, enum tz_haste haste,
                  struct tz_error *err)
{
    return tz_small_read_tombstones(small, store, haste, err) ||
                   tz_small_read_others(small, store, haste, err)
               ? -1
               : 0;
}

static int list_store(struct reading *reading, size_t i, struct tz_error *err)
{
    struct tz_store *store = tz_mirror_store(reading->repo->mirror, i);
    struct tz_small *small = &reading->stores[i].small;
    struct tz_error why = {0};

    if (!reading->all)
        return tz_listing_read(&small->tombstones, store, TOMBSTONES, err);
    if (!tz_ahead_small(reading->repo, i, small, &why))
        return tz_small_read(small, store, reading->haste, err);
    if (why.kind == TZ_OK)
        return 0;
    *err = why;
    return -1;
}

/* In any thread. */
static void visit(void *arg, size_t i)
{
    struct reading *reading = arg;
    struct listed *listed = &reading->stores[i];

    listed->error = (struct tz_error){0};
    listed->failed = list_store(reading, i, &listed->error) != 0;
    /* A store that gives no proper listing is of no use now, but the others are. */
    if (listed->failed && listed->error.kind == TZ_CORRUPT)
        listed->error.kind = TZ_UNAVAILABLE;
}

static int learn_store(struct reading *reading, size_t i, struct tz_error *err)
{
    struct listed *listed = &reading->stores[i];

    if (listed->failed) {
        if (err)
            *err = listed->error;
        return -1;
    }
    if (learn_prefix(reading->repo, i, TOMBSTONES, &listed->small.tombstones, err))
        return -1;
    for (size_t k = 0; reading->all && k < TZ_COUNT(prefixes); k++) {
        const struct tz_listing part = part_of(&listed->small.others, prefixes[k]);
        if (learn_prefix(reading->repo, i, prefixes[k], &part, err))
            return -1;
    }
    return reading->all ? tz_repo_doubt_packs(reading->repo, i, err) : 0;
}

/* Where one store is as good as the other they get little time, unless none of them answers. */
static int list_all(struct reading *reading, uint32_t usable, struct tz_error *err)
{
    bool any = false;

    if (tz_repo_visit_stores(reading->repo, visit, reading, err))
        return -1;
    for (size_t i = 0; i < TZ_MIRROR_MAX_STORES; i++)
        any = any || ((usable & 1U << i) && reading->stores[i].error.kind != TZ_UNAVAILABLE);
    if (reading->haste == TZ_PATIENT || any)
        return 0;
    reading->haste = TZ_PATIENT;
    return tz_repo_visit_stores(reading->repo, visit, reading, err);
}

static int refresh(struct tz_repo *repo, bool all, struct tz_error *err)
{
    TZ_SCOPED(reading_clear)
    struct reading reading = {
        .repo = repo, .all = all, .haste = all && repo->soon ? TZ_SOON : TZ_PATIENT};
    uint32_t usable = 0;

    for (size_t i = 0; i < tz_mirror_count(repo->mirror); i++)
        usable |= tz_mirror_usable(repo->mirror, i) ? 1U << i : 0;
    if (list_all(&reading, usable, err))
        return -1;
    for (size_t i = 0; i < tz_mirror_count(repo->mirror); i++) {
        struct tz_error why = {0};

        if (!(usable & 1U << i) || !learn_store(&reading, i, &why))
            continue;
        if (why.kind != TZ_UNAVAILABLE && why.kind != TZ_IO && why.kind != TZ_DENIED) {
            if (err)
                *err = why;
            return tz_while(err, "read what store '%s' holds", tz_mirror_name(repo->mirror, i));
        }
        tz_repo_put_out(repo, i, &why);
    }
    return all ? tz_repo_forget_gone(repo, err) : 0;
}

int tz_repo_refresh(struct tz_repo *repo, struct tz_error *err)
{
    return refresh(repo, true, err);
}

int tz_repo_refresh_tombstones(struct tz_repo *repo, struct tz_error *err)
{
    return refresh(repo, false, err);
}
