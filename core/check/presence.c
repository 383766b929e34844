/*
 * A store's listing, merged with what the catalog has of it.  Only differences are kept, and those
 * of one store at a time.
 */
#include "../repo/internal.h"
#include "check.h"

#include "tozai/util/grow.h"
#include "tozai/util/interrupt.h"

#include <string.h>

#include "tozai/util/banned.h"

/* Objects that are learnt, each read from a store, in one transaction of the catalog. */
#define LEARN_BATCH 64

enum kind {
    DIFFERENCE_THERE, /* it is there, and that was not noted */
    DIFFERENCE_GONE,  /* it is not there, and was not noted as missing */
    DIFFERENCE_SIZE,  /* it has another size */
    DIFFERENCE_NEW,   /* the catalog does not know it */
};

struct difference {
    enum kind kind;
    enum tz_copy_state was;
    int64_t object;
    uint64_t size;
    char *name;
};

struct merge {
    struct tz_presence *presence;
    size_t store;
    const char *prefix;
    struct tz_stream *stream;
    const struct tz_stream_item *item; /* of the listing, not yet used */
    struct difference *items;
    size_t count, cap;
    uint64_t objects, bytes;
};

static void merge_clear(struct merge *merge)
{
    for (size_t i = 0; i < merge->count; i++)
        free(merge->items[i].name);
    free(merge->items);
    tz_stream_free(merge->stream);
}

void tz_presence_clear(struct tz_presence *presence)
{
    for (size_t i = 0; i < TZ_MIRROR_MAX_STORES; i++)
        tz_check_names_clear(&presence->stores[i].unknown);
    tz_check_names_clear(&presence->doubtful);
    tz_check_names_clear(&presence->vanished);
    *presence = (struct tz_presence){0};
}

uint32_t tz_presence_stores(struct tz_repo *repo)
{
    struct tz_mirror *mirror = tz_repo_mirror(repo);
    uint32_t stores = 0;

    for (size_t i = 0; i < tz_mirror_count(mirror); i++) {
        struct tz_error why = {0};
        if (!tz_mirror_store(mirror, i))
            continue;
        if (!tz_mirror_error(mirror, i, &why) || why.kind == TZ_CORRUPT || why.kind == TZ_NOT_FOUND)
            stores |= TZ_STORE_BIT(i);
    }
    return stores;
}

/* name NULL: the object's number will do. */
static int note(struct merge *merge, enum kind kind, const struct tz_catalog_copy *copy,
                const char *name, uint64_t size, struct tz_error *err)
{
    if (tz_grow(&merge->items, merge->count, &merge->cap, sizeof(*merge->items), err))
        return -1;
    struct difference difference = {.kind = kind, .size = size};
    if (copy) {
        difference.was = copy->state;
        difference.object = copy->object;
    }
    if (name && !(difference.name = strdup(name)))
        return tz_fail_nomem(err);
    merge->items[merge->count++] = difference;
    return 0;
}

/* Descriptors have no hash in their name: they are looked at by themselves (descriptors.c). */
static void next(struct merge *merge)
{
    do
        merge->item = tz_stream_next(merge->stream);
    while (merge->item && strcmp(merge->item->name, TZ_NAME_DESCRIPTOR) == 0);
}

/* The listing has a name that the catalog has not. */
static int note_new(struct merge *merge, struct tz_error *err)
{
    const struct tz_stream_item *item = merge->item;

    if (tz_name_parse(item->name).kind == TZ_NAME_OTHER)
        return tz_check_names_add(&merge->presence->stores[merge->store].unknown, item->name, err);
    merge->objects++;
    merge->bytes += item->size;
    return note(merge, DIFFERENCE_NEW, NULL, item->name, item->size, err);
}

/* Both have the name. */
static int note_known(struct merge *merge, const struct tz_catalog_copy *copy, struct tz_error *err)
{
    uint64_t size = merge->item->size;
    bool is_pack = strncmp(copy->name, "packs/", 6) == 0;

    merge->objects++;
    merge->bytes += size;
    /* A pack that only a head has named so far has no size yet. */
    if (size != copy->size && !(is_pack && copy->size == 0 && size > 0))
        return note(merge, DIFFERENCE_SIZE, copy, copy->name, size, err);
    if (copy->state == TZ_COPY_UNKNOWN || copy->state == TZ_COPY_MISSING)
        return note(merge, DIFFERENCE_THERE, copy, is_pack ? NULL : copy->name, size, err);
    return 0;
}

/* Not before the catalog is being read: what it learns from then on is not seen, so that a listing
 * that began earlier does not make it missing. */
static int begin(struct merge *merge, struct tz_error *err)
{
    struct tz_repo *repo = merge->presence->repo;

    if (merge->stream)
        return 0;
    if (tz_stream_open(&merge->stream, tz_mirror_store(repo->mirror, merge->store), merge->prefix,
                       err))
        return -1;
    next(merge);
    return 0;
}

static int compare(void *arg, const struct tz_catalog_copy *copy, struct tz_error *err)
{
    struct merge *merge = arg;
    int order = 1;

    if (begin(merge, err))
        return -1;
    if (strcmp(copy->name, TZ_NAME_DESCRIPTOR) == 0)
        return 0;
    for (; merge->item; next(merge)) {
        order = strcmp(merge->item->name, copy->name);
        if (order >= 0)
            break;
        if (note_new(merge, err))
            return -1;
    }
    if (merge->item && order == 0) {
        if (note_known(merge, copy, err))
            return -1;
        next(merge);
        return 0;
    }
    if (copy->state == TZ_COPY_MISSING)
        return 0;
    return note(merge, DIFFERENCE_GONE, copy, copy->state == TZ_COPY_DAMAGED ? copy->name : NULL, 0,
                err);
}

/* The whole listing against the whole catalog below the prefix. */
static int merge_all(struct merge *merge, struct tz_error *err)
{
    struct tz_repo *repo = merge->presence->repo;

    if (tz_catalog_each_copy(repo->catalog, repo->store_ids[merge->store], merge->prefix, compare,
                             merge, err) ||
        begin(merge, err))
        return -1;
    for (; merge->item; next(merge))
        if (note_new(merge, err))
            return -1;
    return 0;
}

/* What can be noted without looking into an object. */
static int settle(struct merge *merge, const struct difference *difference, struct tz_error *err)
{
    struct tz_repo *repo = merge->presence->repo;
    int64_t store = repo->store_ids[merge->store];
    enum tz_copy_state state = TZ_COPY_PRESENT, now = TZ_COPY_UNKNOWN;

    /* Another process may have learnt more meanwhile. */
    if (difference->object &&
        tz_catalog_get_copy(repo->catalog, difference->object, store, &now, err))
        return -1;
    if (now != difference->was)
        return 0;
    switch (difference->kind) {
    case DIFFERENCE_GONE:
        if (difference->name &&
            tz_check_names_add(&merge->presence->vanished, difference->name, err))
            return -1;
        state = TZ_COPY_MISSING;
        break;
    case DIFFERENCE_SIZE:
        /* A pack's size is that of its authenticated description; the size of another object may
         * have been learnt from a damaged copy. */
        if (tz_name_parse(difference->name).kind != TZ_NAME_IS_PACK)
            return tz_check_names_add(&merge->presence->doubtful, difference->name, err);
        state = TZ_COPY_DAMAGED;
        break;
    case DIFFERENCE_THERE:
        if (difference->name)
            return 0;
        break;
    case DIFFERENCE_NEW:
        return 0;
    }
    return tz_catalog_set_copy(repo->catalog, difference->object, store, state, err);
}

/* Packs wait until all indexes have been read. */
static int learn(struct merge *merge, const struct difference *difference, enum tz_name_kind kind,
                 size_t *learnt, struct tz_error *err)
{
    struct tz_repo *repo = merge->presence->repo;

    if (!difference->name || tz_name_parse(difference->name).kind != kind ||
        (difference->kind != DIFFERENCE_NEW && difference->kind != DIFFERENCE_THERE))
        return 0;
    if (kind == TZ_NAME_IS_PACK)
        return tz_check_names_add(&merge->presence->stores[merge->store].unknown, difference->name,
                                  err);
    if (++*learnt % LEARN_BATCH == 0 &&
        (tz_catalog_commit(repo->catalog, err) || tz_interrupt_check(err) ||
         tz_catalog_begin(repo->catalog, err)))
        return -1;
    return tz_repo_learn(repo, merge->store, difference->name, difference->size, err);
}

static int apply(struct merge *merge, struct tz_error *err)
{
    /* Condemned packs first, packs before the heads that name them, heads before their seals. */
    static const enum tz_name_kind order[] = {
        TZ_NAME_IS_TOMBSTONE, TZ_NAME_IS_KEY,  TZ_NAME_IS_INDEX,
        TZ_NAME_IS_HEAD,      TZ_NAME_IS_SEAL, TZ_NAME_IS_PACK,
    };
    size_t learnt = 0;

    for (size_t i = 0; i < merge->count; i++)
        if (settle(merge, &merge->items[i], err))
            return -1;
    for (size_t k = 0; k < TZ_COUNT(order); k++)
        for (size_t i = 0; i < merge->count; i++)
            if (learn(merge, &merge->items[i], order[k], &learnt, err))
                return -1;
    return 0;
}

static int apply_in_transaction(struct merge *merge, struct tz_error *err)
{
    struct tz_catalog *catalog = merge->presence->repo->catalog;

    if (merge->count == 0)
        return 0;
    if (tz_catalog_begin(catalog, err))
        return -1;
    if (apply(merge, err)) {
        tz_catalog_rollback(catalog);
        return -1;
    }
    return tz_catalog_commit(catalog, err);
}

/* A short listing must not make objects missing: what was merged counts only if it is whole. */
static int list(struct merge *merge, struct tz_error *err)
{
    struct tz_presence *presence = merge->presence;
    struct tz_error why = {0};

    if (merge_all(merge, err))
        return -1;
    /* Without descriptor and without an object: a disk that is not mounted has lost nothing. */
    if (tz_stream_status(merge->stream, &why) ||
        (merge->objects == 0 && tz_mirror_error(presence->repo->mirror, merge->store, &why))) {
        if (tz_check_is_fatal(why.kind))
            return tz_check_pass(err, &why);
        presence->stores[merge->store].error = why;
        presence->listed &= ~TZ_STORE_BIT(merge->store);
        return 0;
    }
    if (apply_in_transaction(merge, err))
        return -1;
    presence->listed |= TZ_STORE_BIT(merge->store);
    presence->stores[merge->store].objects += merge->objects;
    presence->stores[merge->store].bytes += merge->bytes;
    return 0;
}

int tz_presence_list(struct tz_presence *presence, size_t store, const char *prefix,
                     struct tz_error *err)
{
    struct merge merge = {.presence = presence, .store = store, .prefix = prefix};

    int failed = list(&merge, err);
    merge_clear(&merge);
    return failed ? tz_while(err, "list store '%s'",
                             tz_mirror_name(tz_repo_mirror(presence->repo), store))
                  : 0;
}
