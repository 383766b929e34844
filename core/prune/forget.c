/*
 * Tombstones, and then the seals and heads that they name.
 *
 * A tombstone names heads, too: who finds one in a store that a tombstone names knows that it was
 * meant to go, and finishes that; who misses one knows why.
 */
#include "prune.h"

#include <string.h>

#include "tozai/util/banned.h"

#define TOMBSTONE_NAMES 32768U

struct stone {
    uint8_t (*hashes)[TZ_HASH_SIZE];
    size_t count;
};

static void stone_clear(struct stone *stone)
{
    free(stone->hashes);
}

static int write_object(struct tz_pruning *pruning, const struct stone *stone,
                        char name[TZ_NAME_TEXT], struct tz_buf *object, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf body = {0};
    uint8_t hash[TZ_HASH_SIZE];

    if (tz_tombstone_write(&body, (const uint8_t(*)[TZ_HASH_SIZE])stone->hashes, stone->count,
                           err) ||
        tz_object_seal(pruning->repo->keys, TZ_OBJECT_TOMBSTONE, "tombstones", body.data, body.len,
                       object, err) ||
        tz_sha256(hash, object->data, object->len, err))
        return -1;
    tz_name_tombstone(name, hash);
    return 0;
}

static int note_stone(struct tz_pruning *pruning, const struct stone *stone, const char *name,
                      size_t size, struct tz_error *err)
{
    int64_t number = 0;

    if (tz_pruning_note_put(pruning, name, size, pruning->stores, &number, err))
        return -1;
    for (size_t i = 0; i < stone->count; i++)
        if (tz_catalog_note_tombstone(pruning->catalog, number, stone->hashes[i], err))
            return -1;
    return tz_catalog_set_tombstone(pruning->catalog, number, pruning->now_ns, 0, err);
}

/* In every store before the catalog knows of it: what it names is condemned from then on.  The
 * catalog gets its names with its copies, since a copy that is known is never read again. */
static int put_stone(struct tz_pruning *pruning, struct stone *stone, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf object = {0};
    char name[TZ_NAME_TEXT];

    if (stone->count == 0)
        return 0;
    if (write_object(pruning, stone, name, &object, err) ||
        tz_pruning_put(pruning, name, object.data, object.len, pruning->stores, err) ||
        tz_pruning_begin(pruning, err))
        return -1;
    if (note_stone(pruning, stone, name, object.len, err)) {
        tz_pruning_rollback(pruning);
        return -1;
    }
    stone->count = 0;
    return tz_pruning_commit(pruning, err);
}

static int name_hash(struct tz_pruning *pruning, struct stone *stone,
                     const uint8_t hash[TZ_HASH_SIZE], struct tz_error *err)
{
    if (stone->count == TOMBSTONE_NAMES && put_stone(pruning, stone, err))
        return -1;
    memcpy(stone->hashes[stone->count++], hash, TZ_HASH_SIZE);
    return 0;
}

static int name_heads(struct tz_pruning *pruning, struct stone *stone,
                      const struct tz_prune_generation *list, size_t list_count,
                      struct tz_error *err)
{
    for (size_t i = 0; i < list_count; i++) {
        const uint8_t *id = list[i].id;
        bool condemned = false;
        if (tz_catalog_listing_drop(pruning->catalog, id, err) ||
            tz_catalog_is_condemned(pruning->catalog, id, &condemned, err) ||
            (!condemned && name_hash(pruning, stone, id, err)))
            return -1;
    }
    return 0;
}

/* Packs that are younger may belong to a backup that is running. */
static int64_t old_enough(const struct tz_pruning *pruning)
{
    int64_t grace_ns = pruning->options->grace_ns;

    return grace_ns > 0 ? pruning->now_ns - TZ_MAX(grace_ns, TZ_PRUNE_YOUNG_NS) : INT64_MAX;
}

int tz_pruning_condemn(struct tz_pruning *pruning, const struct tz_catalog_live *packs,
                       size_t count, struct tz_error *err)
{
    TZ_SCOPED(stone_clear)
    struct stone stone = {.hashes = malloc((size_t)TOMBSTONE_NAMES * TZ_HASH_SIZE)};

    if (!stone.hashes)
        return tz_fail_nomem(err);
    for (size_t i = 0; i < count; i++)
        if (!packs[i].condemned && name_hash(pruning, &stone, packs[i].hash, err))
            return -1;
    return put_stone(pruning, &stone, err);
}

static int condemn(struct tz_pruning *pruning, struct tz_error *err)
{
    const struct tz_prune_result *result = pruning->result;
    TZ_SCOPED(stone_clear)
    struct stone stone = {.hashes = malloc((size_t)TOMBSTONE_NAMES * TZ_HASH_SIZE)};
    TZ_SCOPED(tz_scoped_free)
    struct tz_catalog_listed *batch = calloc(TZ_PRUNE_BATCH, sizeof(*batch));
    char after[TZ_NAME_TEXT] = "";
    size_t count = TZ_PRUNE_BATCH;

    if (!stone.hashes || !batch)
        return tz_fail_nomem(err);
    if (name_heads(pruning, &stone, result->forgotten, result->forgotten_count, err) ||
        name_heads(pruning, &stone, pruning->replaced, pruning->replaced_count, err))
        return -1;
    while (count == TZ_PRUNE_BATCH) {
        if (tz_catalog_unneeded(pruning->catalog, after, old_enough(pruning), batch, TZ_PRUNE_BATCH,
                                &count, err))
            return -1;
        for (size_t i = 0; i < count; i++)
            if (name_hash(pruning, &stone, batch[i].hash, err))
                return -1;
        pruning->result->tombstoned_packs += count;
        if (count > 0)
            memcpy(after, batch[count - 1].name, sizeof(after));
    }
    return put_stone(pruning, &stone, err);
}

/* In every store, whatever is known of it. */
static int remove_all(struct tz_pruning *pruning, const struct tz_prune_generation *list,
                      size_t count, bool seals, struct tz_error *err)
{
    for (size_t i = 0; i < count; i++) {
        const struct tz_prune_generation *generation = &list[i];
        uint8_t source_id[TZ_SOURCE_ID_SIZE];
        char name[TZ_NAME_TEXT];
        const struct tz_pruning_object object = {.name = name, .stores = pruning->stores};
        int64_t number = 0;

        tz_name_id(pruning->repo->keys, "source", generation->source, source_id);
        (seals ? tz_name_seal : tz_name_head)(name, source_id, generation->time_ns, generation->id);
        if (tz_pruning_remove(pruning, &object, 1, err) ||
            tz_catalog_find_object(pruning->catalog, name, &number, NULL, err))
            return -1;
        for (size_t k = 0; number && k < tz_mirror_count(pruning->mirror); k++)
            if ((pruning->stores & TZ_STORE_BIT(k)) &&
                tz_catalog_set_copy(pruning->catalog, number, pruning->repo->store_ids[k],
                                    TZ_COPY_MISSING, err))
                return -1;
    }
    return 0;
}

/* The catalog forgets what no store has; one that is left out may have it still. */
static int forget_gone(struct tz_pruning *pruning, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free) int64_t *gone = NULL;
    size_t count = 0;

    if (tz_catalog_forgotten(pruning->catalog, &gone, &count, err))
        return -1;
    for (size_t i = 0; i < count; i++)
        if (tz_catalog_remove_object(pruning->catalog, gone[i], err))
            return -1;
    return 0;
}

int tz_pruning_forget(struct tz_pruning *pruning, struct tz_error *err)
{
    const struct tz_prune_result *result = pruning->result;
    size_t count = pruning->forgotten ? 0 : result->forgotten_count;

    if (condemn(pruning, err))
        return -1;
    for (int seals = 1; seals >= 0; seals--)
        if (remove_all(pruning, result->forgotten, count, seals != 0, err) ||
            remove_all(pruning, pruning->replaced, pruning->replaced_count, seals != 0, err))
            return -1;
    tz_pruning_clear(pruning->replaced, pruning->replaced_count);
    pruning->replaced = NULL;
    pruning->replaced_count = 0;
    pruning->forgotten = true;
    return forget_gone(pruning, err);
}
