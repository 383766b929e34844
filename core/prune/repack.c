/*
 * Writing packs anew of which little is needed.
 *
 * Heads name packs and never change; chunks are found through the index.  So a pack is condemned
 * first, although it is needed; then what is needed of it is stored anew, as a backup would store
 * it; then each generation that names it gets another head, by the same looks as a backup's; and
 * only when that is complete in every store is the old head forgotten.  Whatever stops this leaves
 * each generation complete under one head at least.
 */
#include "prune.h"

#include "../backup/engine.h"
#include "tozai/core/chunkreader.h"
#include "tozai/core/manifest.h"
#include "tozai/core/packwriter.h"
#include "tozai/util/hex.h"
#include "tozai/util/interrupt.h"

#include <string.h>

#include "tozai/util/banned.h"

/* Of all bytes that are needed, so many percent may lie waste. */
#define WASTE_PERCENT 5
#define MOVES         256

typedef int chunk_fn(struct tz_pruning *pruning, const uint8_t id[TZ_ID_SIZE],
                     struct tz_error *err);

static int each_extent(struct tz_pruning *pruning, const struct tz_entry *entry, chunk_fn *found,
                       struct tz_error *err)
{
    static const uint8_t hole[TZ_ID_SIZE];
    TZ_SCOPED(tz_scoped_extent_walk) struct tz_extent_walk *walk = NULL;
    uint8_t last[TZ_ID_SIZE] = {0};

    if (entry->type != TZ_ENTRY_FILE || entry->size == 0)
        return 0;
    if (tz_extent_walk_new(&walk, pruning->repo, entry, err))
        return -1;
    for (;;) {
        struct tz_extent extent;
        bool end = false;
        if (tz_extent_walk_next(walk, &extent, &end, err))
            return -1;
        if (end)
            return 0;
        if (memcmp(extent.id, hole, TZ_ID_SIZE) == 0 || memcmp(extent.id, last, TZ_ID_SIZE) == 0)
            continue;
        memcpy(last, extent.id, TZ_ID_SIZE);
        if (found(pruning, extent.id, err))
            return -1;
    }
}

/* The chunks of a generation's content. */
static int each_chunk(struct tz_pruning *pruning, const struct tz_head *head, chunk_fn *found,
                      struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_manifest_reader) struct tz_manifest_reader *reader = NULL;
    TZ_SCOPED(tz_scoped_entry) struct tz_entry entry = {0};
    bool end = false;

    if (tz_manifest_reader_new(&reader, pruning->repo, head, "", 0, err))
        return -1;
    for (;;) {
        if (tz_interrupt_check(err) || tz_manifest_next(reader, &entry, &end, err))
            return -1;
        if (end)
            return 0;
        if (each_extent(pruning, &entry, found, err))
            return -1;
    }
}

static int load_head(struct tz_pruning *pruning, const uint8_t id[TZ_HASH_SIZE],
                     struct tz_head *ret, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf body = {0};

    if (tz_catalog_get_head(pruning->catalog, id, &body, err) ||
        tz_head_read(ret, body.data, body.len, err))
        return -1;
    memcpy(ret->id, id, TZ_HASH_SIZE);
    return 0;
}

static int note_live(struct tz_pruning *pruning, const uint8_t id[TZ_ID_SIZE], struct tz_error *err)
{
    return tz_catalog_live_add(pruning->catalog, id, err);
}

/* In every store that is worked on, and free to change. */
static int is_movable(struct tz_pruning *pruning, const struct tz_prune_generation *generation,
                      bool *ret, struct tz_error *err)
{
    int64_t until_ns = 0;

    if (tz_pruning_head_locked(pruning, generation, &until_ns, err))
        return -1;
    *ret = until_ns == 0 && !(generation->reasons & TZ_KEEP_HELD);
    for (size_t i = 0; *ret && i < tz_mirror_count(pruning->mirror); i++)
        if ((pruning->stores & TZ_STORE_BIT(i)) &&
            tz_catalog_generation_complete(pruning->catalog, generation->id,
                                           pruning->repo->store_ids[i], ret, err))
            return -1;
    return 0;
}

/* What cannot be read is let alone, and with it every pack that it needs. */
static int measure_one(struct tz_pruning *pruning, const struct tz_prune_generation *generation,
                       struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_head) struct tz_head head = {0};
    struct tz_error why = {0};
    bool movable = false;

    if (is_movable(pruning, generation, &movable, err))
        return -1;
    if (!movable)
        return 0;
    if (load_head(pruning, generation->id, &head, &why) ||
        each_chunk(pruning, &head, note_live, &why)) {
        if (tz_check_is_fatal(why.kind))
            return tz_check_pass(err, &why);
        tz_repo_warn(pruning->repo, "a generation of '%s' cannot be read, its packs stay: %s",
                     generation->source, why.message);
        return 0;
    }
    return tz_catalog_live_movable(pruning->catalog, generation->id, err);
}

static int measure(struct tz_pruning *pruning, struct tz_error *err)
{
    if (tz_catalog_live_begin(pruning->catalog, err) || tz_pruning_begin(pruning, err))
        return -1;
    for (size_t i = 0; i < pruning->result->kept_count; i++)
        if (measure_one(pruning, &pruning->result->kept[i], err)) {
            tz_pruning_rollback(pruning);
            return -1;
        }
    return tz_pruning_commit(pruning, err);
}

/* Those of which the smallest part is needed come first, condemned ones before all. */
static int compare(const void *a, const void *b)
{
    const struct tz_catalog_live *x = a, *y = b;
    double left = x->condemned ? -1 : (double)x->live / (double)(x->plain + 1);
    double right = y->condemned ? -1 : (double)y->live / (double)(y->plain + 1);

    return (left > right) - (left < right);
}

/* How many of the sorted packs are to go. */
static size_t count_victims(const struct tz_pruning *pruning, const struct tz_catalog_live *packs,
                            size_t count)
{
    uint64_t live = 0, waste = 0;
    size_t victims = 0;

    for (size_t i = 0; i < count; i++) {
        live += packs[i].live;
        waste += packs[i].plain > packs[i].live ? packs[i].plain - packs[i].live : 0;
    }
    for (; victims < count; victims++) {
        const struct tz_catalog_live *pack = &packs[victims];
        bool sparse = pack->live * 100 < pack->plain * pruning->options->live_percent;
        bool wasteful = pack->live < pack->plain && waste * 100 > live * WASTE_PERCENT;
        if (!pack->condemned && !sparse && !wasteful)
            break;
        waste -= pack->plain > pack->live ? pack->plain - pack->live : 0;
    }
    return victims;
}

static int choose(struct tz_pruning *pruning, size_t *ret_count, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free) struct tz_catalog_live *packs = NULL;
    size_t count = 0;

    if (tz_catalog_live_packs(pruning->catalog, &packs, &count, err))
        return -1;
    if (count > 0)
        qsort(packs, count, sizeof(*packs), compare);
    *ret_count = count_victims(pruning, packs, count);
    for (size_t i = 0; i < *ret_count; i++) {
        pruning->result->tombstoned_packs += !packs[i].condemned;
        if (tz_catalog_victim_add(pruning->catalog, packs[i].pack, err))
            return -1;
    }
    pruning->result->rewritten_packs = *ret_count;
    return tz_pruning_condemn(pruning, packs, *ret_count, err);
}

static int move_all(struct tz_pruning *pruning, struct tz_chunk_reader *reader,
                    struct tz_packer *packer, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free) uint8_t(*ids)[TZ_ID_SIZE] = calloc(MOVES, sizeof(*ids));
    int64_t last = 0;
    size_t count = MOVES;

    if (!ids)
        return tz_fail_nomem(err);
    while (count == MOVES) {
        if (tz_catalog_moves(pruning->catalog, last, ids, MOVES, &count, &last, err))
            return -1;
        for (size_t i = 0; i < count; i++) {
            const uint8_t *data = NULL;
            uint32_t len = 0;
            bool has = false;
            if (tz_interrupt_check(err) || tz_packer_has(packer, ids[i], &has, err) ||
                (!has && (tz_chunk_read(reader, ids[i], &data, &len, err) ||
                          tz_packer_add(packer, TZ_PACKER_LARGE, ids[i], data, len, err))))
                return -1;
        }
    }
    return tz_packer_flush(packer, err);
}

static int move(struct tz_pruning *pruning, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_pool) struct tz_pool *pool = NULL;
    TZ_SCOPED(tz_scoped_packer) struct tz_packer *packer = NULL;
    TZ_SCOPED(tz_scoped_chunk_reader) struct tz_chunk_reader *reader = NULL;
    struct tz_packer_options options = {.repo = pruning->repo};

    if (tz_catalog_victims_fill(pruning->catalog, err) ||
        tz_pool_new(&pool, pruning->repo->config->threads, err))
        return -1;
    options.pool = pool;
    if (tz_packer_new(&packer, &options, err) || tz_chunk_reader_new(&reader, pruning->repo, err))
        return -1;
    return move_all(pruning, reader, packer, err);
}

static int note_need(struct tz_pruning *pruning, const uint8_t id[TZ_ID_SIZE], struct tz_error *err)
{
    struct tz_chunk_place place;
    bool found = false;

    if (tz_catalog_find_chunk(pruning->catalog, id, &place, &found, err))
        return -1;
    if (!found || place.lost || place.condemned)
        return tz_fail(err, TZ_CORRUPT, "a chunk has no place that stays");
    return tz_catalog_needs_add(pruning->catalog, place.pack, err);
}

static int set_packs(struct tz_pruning *pruning, struct tz_head *head, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf hashes = {0};

    if (tz_catalog_needs_begin(pruning->catalog, err) ||
        each_chunk(pruning, head, note_need, err) ||
        tz_catalog_needs_hashes(pruning->catalog, head->id, &hashes, err))
        return -1;
    free(head->packs);
    head->pack_count = (uint32_t)(hashes.len / TZ_HASH_SIZE);
    head->packs = calloc((size_t)head->pack_count + 1, sizeof(*head->packs));
    if (!head->packs)
        return tz_fail_nomem(err);
    if (hashes.len > 0)
        memcpy(head->packs, hashes.data, hashes.len);
    return 0;
}

static int set_tag(struct tz_head *head, const char *key, const char *value, struct tz_error *err)
{
    uint32_t i = 0;

    while (i < head->tag_count && strcmp(head->tags[i].key, key) != 0)
        i++;
    if (i == head->tag_count) {
        struct tz_tag *tags = realloc(head->tags, (i + 1) * sizeof(*tags));
        if (!tags)
            return tz_fail_nomem(err);
        head->tags = tags;
        head->tags[i] = (struct tz_tag){strdup(key), NULL};
        head->tag_count++;
    }
    free(head->tags[i].value);
    head->tags[i].value = strdup(value);
    return head->tags[i].key && head->tags[i].value ? 0 : tz_fail_nomem(err);
}

static int set_tags(struct tz_head *head, struct tz_error *err)
{
    uint8_t origin[TZ_HASH_SIZE];
    char id[TZ_HASH_TEXT], turn[32];

    tz_head_origin(head, origin);
    tz_hex(id, origin, TZ_HASH_SIZE);
    (void)snprintf(turn, sizeof(turn), "%llu", (unsigned long long)tz_head_turn(head) + 1);
    return set_tag(head, TZ_TAG_ORIGIN, id, err) || set_tag(head, TZ_TAG_TURN, turn, err) ? -1 : 0;
}

/* *ret_done false: another prune was in the way, the old head stays. */
static int write_head(struct tz_pruning *pruning, struct tz_prune_generation *generation,
                      bool *ret_done, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_head) struct tz_head head = {0};
    struct tz_error why = {0};
    uint32_t stores = 0;
    bool condemned = false;

    *ret_done = false;
    if (load_head(pruning, generation->id, &head, err) || set_tags(&head, err))
        return -1;
    if (set_packs(pruning, &head, &why) ||
        tz_backup_commit(pruning->repo, &head, &stores, &condemned, &why)) {
        if (!condemned && why.kind != TZ_CORRUPT)
            return tz_check_pass(err, &why);
        tz_repo_warn(pruning->repo, "a generation of '%s' keeps its packs for now: %s",
                     generation->source, why.message);
        return 0;
    }
    *ret_done = (stores & pruning->stores) == pruning->stores;
    if (*ret_done)
        memcpy(generation->id, head.id, TZ_HASH_SIZE);
    return 0;
}

struct proof {
    const uint8_t *id;
    int64_t verified_ns;
};

static int see_verified(void *arg, const struct tz_generation *generation, struct tz_error *err)
{
    struct proof *proof = arg;

    (void)err;
    if (memcmp(generation->id, proof->id, TZ_HASH_SIZE) == 0)
        proof->verified_ns = generation->verified_ns;
    return 0;
}

/* Its content is the same: what was verified still is. */
static int replace(struct tz_pruning *pruning, struct tz_prune_generation *generation,
                   struct tz_error *err)
{
    struct tz_prune_generation old = *generation;
    struct proof proof = {.id = old.id};
    bool needs = false, done = false;

    if (tz_catalog_needs_victim(pruning->catalog, old.id, &needs, err))
        return -1;
    if (!needs)
        return 0;
    if (tz_catalog_each_generation(pruning->catalog, old.source, see_verified, &proof, err) ||
        write_head(pruning, generation, &done, err))
        return -1;
    if (!done)
        return 0;
    if (proof.verified_ns && tz_catalog_set_verified_generation(pruning->catalog, generation->id,
                                                                proof.verified_ns, err))
        return -1;
    return tz_pruning_add(&pruning->replaced, &pruning->replaced_count, &old, err);
}

int tz_pruning_repack(struct tz_pruning *pruning, struct tz_error *err)
{
    size_t victims = 0;

    if (pruning->options->live_percent == 0)
        return 0;
    if (measure(pruning, err) || choose(pruning, &victims, err))
        return -1;
    if (victims == 0)
        return 0;
    if (pruning->options->dry_run)
        return tz_catalog_victims_leave(pruning->catalog, err);
    if (move(pruning, err))
        return tz_while(err, "write packs anew");
    for (size_t i = 0; i < pruning->result->kept_count; i++)
        if (replace(pruning, &pruning->result->kept[i], err))
            return tz_while(err, "write a head anew");
    return 0;
}
