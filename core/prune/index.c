/*
 * Index objects: those that name packs which have gone are written anew without them, and small
 * ones are united.  The new one is in every store of the old ones before these go.
 */
#include "prune.h"

#include "tozai/util/interrupt.h"

#include <string.h>

#include "tozai/util/banned.h"

#define SMALL_SIZE  65536U /* an index below it is small */
#define SMALL_COUNT 32U    /* so many small ones are united */
#define BODY_BYTES  (4U << 20)
#define BODY_MAX    (32U << 20)
#define OLD_MAX     TZ_PRUNE_BATCH
#define MASKS_MAX   64U

struct cleaning {
    struct tz_pruning *pruning;
    uint32_t masks[MASKS_MAX]; /* sets of stores that hold an index which is to be written anew */
    size_t mask_count;
    bool unite;
    /* Of one set. */
    uint32_t stores;
    struct tz_buf body, hashes;
    struct tz_catalog_index old[OLD_MAX];
    size_t old_count;
};

/* The stores that have it, of those that are worked on. */
static int stores_of(struct tz_pruning *pruning, int64_t object, uint32_t *ret,
                     struct tz_error *err)
{
    if (tz_check_copies(pruning->repo, object, TZ_STATE_PRESENT, ret, err))
        return -1;
    *ret &= pruning->stores;
    return 0;
}

typedef int index_fn(struct cleaning *cleaning, const struct tz_catalog_index *index,
                     struct tz_error *err);

static int each_index(struct cleaning *cleaning, index_fn *found, struct tz_error *err)
{
    struct tz_catalog_index batch[16];
    char after[TZ_NAME_TEXT] = "";
    size_t count = TZ_COUNT(batch);

    while (count == TZ_COUNT(batch)) {
        if (tz_catalog_indexes(cleaning->pruning->catalog, after, batch, TZ_COUNT(batch), &count,
                               err))
            return -1;
        for (size_t i = 0; i < count; i++)
            if (found(cleaning, &batch[i], err))
                return -1;
        if (count > 0)
            memcpy(after, batch[count - 1].name, sizeof(after));
    }
    return 0;
}

static bool is_wanted(const struct cleaning *cleaning, const struct tz_catalog_index *index)
{
    return index->dead > 0 || (cleaning->unite && index->size < SMALL_SIZE);
}

static int count_small(struct cleaning *cleaning, const struct tz_catalog_index *index,
                       struct tz_error *err)
{
    (void)err;
    cleaning->old_count += index->size < SMALL_SIZE && index->dead < index->packs;
    return 0;
}

static int find_mask(struct cleaning *cleaning, const struct tz_catalog_index *index,
                     struct tz_error *err)
{
    uint32_t stores = 0;

    if (!is_wanted(cleaning, index))
        return 0;
    if (stores_of(cleaning->pruning, index->object, &stores, err))
        return -1;
    for (size_t i = 0; i < cleaning->mask_count; i++)
        if (cleaning->masks[i] == stores)
            return 0;
    if (stores && cleaning->mask_count < MASKS_MAX)
        cleaning->masks[cleaning->mask_count++] = stores;
    return 0;
}

static int note_body(struct cleaning *cleaning, const char *name, size_t size, struct tz_error *err)
{
    struct tz_pruning *pruning = cleaning->pruning;
    int64_t number = 0;

    if (tz_pruning_note_put(pruning, name, size, cleaning->stores, &number, err))
        return -1;
    for (size_t at = 0; at < cleaning->hashes.len; at += TZ_HASH_SIZE)
        if (tz_catalog_note_index(pruning->catalog, number, cleaning->hashes.data + at, err))
            return -1;
    return 0;
}

static int put_body(struct cleaning *cleaning, struct tz_error *err)
{
    struct tz_pruning *pruning = cleaning->pruning;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf object = {0};
    uint8_t hash[TZ_HASH_SIZE];
    char name[TZ_NAME_TEXT];

    if (cleaning->hashes.len == 0)
        return 0;
    if (tz_object_seal(pruning->repo->keys, TZ_OBJECT_INDEX, "index", cleaning->body.data,
                       cleaning->body.len, &object, err) ||
        tz_sha256(hash, object.data, object.len, err))
        return -1;
    tz_name_index(name, hash);
    if (tz_pruning_put(pruning, name, object.data, object.len, cleaning->stores, err) ||
        tz_pruning_begin(pruning, err))
        return -1;
    if (note_body(cleaning, name, object.len, err)) {
        tz_pruning_rollback(pruning);
        return -1;
    }
    return tz_pruning_commit(pruning, err);
}

static int remove_old(struct cleaning *cleaning, struct tz_error *err)
{
    struct tz_pruning *pruning = cleaning->pruning;

    for (size_t i = 0; i < cleaning->old_count; i++) {
        const struct tz_pruning_object object = {cleaning->old[i].name, pruning->stores};
        if (tz_pruning_remove(pruning, &object, 1, err))
            return -1;
        for (size_t k = 0; k < tz_mirror_count(pruning->mirror); k++)
            if ((pruning->stores & TZ_STORE_BIT(k)) &&
                tz_catalog_set_copy(pruning->catalog, cleaning->old[i].object,
                                    pruning->repo->store_ids[k], TZ_COPY_MISSING, err))
                return -1;
    }
    return 0;
}

static int finish(struct cleaning *cleaning, struct tz_error *err)
{
    if (put_body(cleaning, err) || remove_old(cleaning, err))
        return -1;
    cleaning->old_count = 0;
    tz_buf_reset(&cleaning->body);
    tz_buf_reset(&cleaning->hashes);
    return 0;
}

static int take_pack(void *arg, const struct tz_pack_info *info, struct tz_error *err)
{
    struct cleaning *cleaning = arg;
    bool dead = false;

    if (tz_catalog_is_dead(cleaning->pruning->catalog, info->hash, &dead, err))
        return -1;
    if (dead)
        return 0;
    if (cleaning->hashes.len == 0 && tz_index_begin(&cleaning->body, err))
        return -1;
    return tz_index_add(&cleaning->body, info, err) ||
                   tz_buf_append(&cleaning->hashes, info->hash, TZ_HASH_SIZE, err)
               ? -1
               : 0;
}

/* What an index says, of the packs that are still there. */
static int read_old(struct cleaning *cleaning, const struct tz_catalog_index *index,
                    struct tz_error *err)
{
    struct tz_pruning *pruning = cleaning->pruning;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf bytes = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf body = {0};
    struct tz_name parsed = tz_name_parse(index->name);

    if (index->dead == index->packs)
        return 0;
    if (tz_mirror_get_hashed(pruning->mirror, index->name, parsed.hash, TZ_OBJECT_MAX, &bytes, NULL,
                             err) ||
        tz_object_open(pruning->repo->keys, TZ_OBJECT_INDEX, "index", bytes.data, bytes.len, &body,
                       err))
        return -1;
    if (cleaning->body.len > 0 && cleaning->body.len + body.len > BODY_MAX && finish(cleaning, err))
        return -1;
    return tz_index_read(body.data, body.len, take_pack, cleaning, err);
}

static int take(struct cleaning *cleaning, const struct tz_catalog_index *index,
                struct tz_error *err)
{
    struct tz_pruning *pruning = cleaning->pruning;
    uint32_t stores = 0;
    int64_t until_ns = 0;
    struct tz_error why = {0};

    if (!is_wanted(cleaning, index))
        return 0;
    if (tz_interrupt_check(err) || stores_of(pruning, index->object, &stores, err) ||
        tz_pruning_locked(pruning, index->name, stores, &until_ns, err))
        return -1;
    if (stores != cleaning->stores || until_ns)
        return 0;
    if (read_old(cleaning, index, &why)) {
        if (tz_check_is_fatal(why.kind) || why.kind == TZ_UNAVAILABLE)
            return tz_check_pass(err, &why);
        /* Another prune has united it, or it is damaged: it stays as it is. */
        tz_repo_warn(pruning->repo, "'%s' is left as it is: %s", index->name, why.message);
        return 0;
    }
    cleaning->old[cleaning->old_count++] = *index;
    return cleaning->body.len >= BODY_BYTES || cleaning->old_count == OLD_MAX
               ? finish(cleaning, err)
               : 0;
}

/* The stores that have every pack of it that is not dead. */
struct having {
    struct tz_pruning *pruning;
    uint32_t stores;
};

static int see_pack(void *arg, const struct tz_pack_info *info, struct tz_error *err)
{
    struct having *having = arg;
    struct tz_catalog *catalog = having->pruning->catalog;
    uint32_t stores = 0;
    int64_t pack = 0;
    bool dead = false;

    if (tz_catalog_is_dead(catalog, info->hash, &dead, err) ||
        tz_catalog_find_pack(catalog, info->hash, &pack, err) ||
        (pack && tz_check_copies(having->pruning->repo, pack, TZ_STATE_PRESENT, &stores, err)))
        return -1;
    having->stores &= dead ? UINT32_MAX : stores;
    return 0;
}

/* A prune that was stopped has removed it from some stores only, or has put it into some only. */
static int level(struct cleaning *cleaning, const struct tz_catalog_index *index,
                 struct tz_error *err)
{
    struct tz_pruning *pruning = cleaning->pruning;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf bytes = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf body = {0};
    struct tz_name parsed = tz_name_parse(index->name);
    struct tz_error why = {0};
    uint32_t stores = 0;
    int64_t object = 0;

    if (stores_of(pruning, index->object, &stores, err))
        return -1;
    struct having having = {pruning, pruning->stores & ~stores};
    if (!stores || !having.stores || index->dead == index->packs)
        return 0;
    if (tz_mirror_get_hashed(pruning->mirror, index->name, parsed.hash, TZ_OBJECT_MAX, &bytes, NULL,
                             &why) ||
        tz_object_open(pruning->repo->keys, TZ_OBJECT_INDEX, "index", bytes.data, bytes.len, &body,
                       &why) ||
        tz_index_read(body.data, body.len, see_pack, &having, &why))
        return tz_check_is_fatal(why.kind) ? tz_check_pass(err, &why) : 0;
    if (!having.stores)
        return 0;
    return tz_pruning_put(pruning, index->name, bytes.data, bytes.len, having.stores, err) ||
                   tz_pruning_note_put(pruning, index->name, bytes.len, having.stores, &object, err)
               ? -1
               : 0;
}

static int clean(struct cleaning *cleaning, struct tz_error *err)
{
    if (each_index(cleaning, level, err) || each_index(cleaning, count_small, err))
        return -1;
    cleaning->unite = cleaning->old_count >= SMALL_COUNT;
    cleaning->old_count = 0;
    if (each_index(cleaning, find_mask, err))
        return -1;
    for (size_t i = 0; i < cleaning->mask_count; i++) {
        cleaning->stores = cleaning->masks[i];
        if (each_index(cleaning, take, err) || finish(cleaning, err))
            return -1;
    }
    return 0;
}

/* What no store has any more; one that is left out may have it still. */
static int forget_gone(struct tz_pruning *pruning, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free) int64_t *gone = NULL;
    size_t count = 0;

    if (tz_catalog_gone_objects(pruning->catalog, &gone, &count, err))
        return -1;
    for (size_t i = 0; i < count; i++)
        if (tz_catalog_remove_object(pruning->catalog, gone[i], err))
            return -1;
    return 0;
}

int tz_pruning_clean_indexes(struct tz_pruning *pruning, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free) struct cleaning *cleaning = calloc(1, sizeof(*cleaning));

    if (!cleaning)
        return tz_fail_nomem(err);
    cleaning->pruning = pruning;
    int failed = pruning->options->dry_run ? 0 : clean(cleaning, err);
    tz_buf_clear(&cleaning->body);
    tz_buf_clear(&cleaning->hashes);
    return failed || forget_gone(pruning, err) ? -1 : 0;
}
