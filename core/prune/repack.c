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
#include "tozai/core/packwriter.h"
#include "tozai/core/references.h"
#include "tozai/util/hex.h"
#include "tozai/util/interrupt.h"

#include <string.h>

#include "tozai/util/banned.h"

/* Of all bytes that are needed, so many percent may lie waste. */
#define WASTE_PERCENT 5
#define MOVES         256
/* A pack is small that has less than this part of the usual size; so many are united. */
#define SMALL_PART  4
#define SMALL_COUNT 16U

/* Those of which the smallest part is needed come first, condemned ones before all. */
static int compare(const void *a, const void *b)
{
    const struct tz_catalog_live *x = a, *y = b;
    double left = x->condemned ? -1 : (double)x->live / (double)(x->plain + 1);
    double right = y->condemned ? -1 : (double)y->live / (double)(y->plain + 1);

    return (left > right) - (left < right);
}

/* Those of which little is needed, until little of all lies waste. */
static void mark_sparse(const struct tz_pruning *pruning, struct tz_catalog_live *packs,
                        size_t count)
{
    uint64_t live = 0, waste = 0;

    for (size_t i = 0; i < count; i++) {
        live += packs[i].live;
        waste += packs[i].plain > packs[i].live ? packs[i].plain - packs[i].live : 0;
    }
    for (size_t i = 0; i < count; i++) {
        struct tz_catalog_live *pack = &packs[i];
        bool sparse = pack->live * 100 < pack->plain * pruning->options->live_percent;
        bool wasteful = pack->live < pack->plain && waste * 100 > live * WASTE_PERCENT;
        pack->victim = pack->condemned || sparse || wasteful;
        if (!pack->victim)
            break;
        waste -= pack->plain > pack->live ? pack->plain - pack->live : 0;
    }
}

/* Small ones, when there are many of a kind: each run of a backup leaves some. */
static void mark_small(const struct tz_pruning *pruning, struct tz_catalog_live *packs,
                       size_t count, enum tz_pack_kind kind)
{
    uint64_t small =
        (pruning->repo->config->pack_size ? pruning->repo->config->pack_size : TZ_PACK_SIZE_USUAL) /
        SMALL_PART;
    size_t found = 0;

    for (size_t i = 0; i < count; i++)
        found += packs[i].kind == kind && !packs[i].victim && packs[i].plain < small;
    for (size_t i = 0; found >= SMALL_COUNT && i < count; i++)
        packs[i].victim |= packs[i].kind == kind && packs[i].plain < small;
}

/* Victims come first then. */
static size_t gather_victims(struct tz_catalog_live *packs, size_t count)
{
    size_t victims = 0;

    for (size_t i = 0; i < count; i++)
        if (packs[i].victim) {
            struct tz_catalog_live victim = packs[i];
            packs[i] = packs[victims];
            packs[victims++] = victim;
        }
    return victims;
}

static int choose(struct tz_pruning *pruning, struct tz_live *live, size_t *ret_count,
                  struct tz_error *err)
{
    size_t count = 0;
    struct tz_catalog_live *packs = tz_live_packs(live, &count);

    if (count > 0)
        qsort(packs, count, sizeof(*packs), compare);
    mark_sparse(pruning, packs, count);
    mark_small(pruning, packs, count, TZ_PACK_DATA);
    mark_small(pruning, packs, count, TZ_PACK_MANIFEST);
    *ret_count = gather_victims(packs, count);
    for (size_t i = 0; i < *ret_count; i++) {
        pruning->result->tombstoned_packs += !packs[i].condemned;
        if (tz_catalog_victim_add(pruning->catalog, packs[i].pack, err))
            return -1;
    }
    pruning->result->rewritten_packs = *ret_count;
    return tz_pruning_condemn(pruning, packs, *ret_count, err);
}

/* What moves, and which parts of manifests refer to nothing of that. */
struct repacking {
    struct tz_pruning *pruning;
    struct tz_fingerprints moved, untouched;
    uint64_t hits; /* references to what moved */
    /* The hits when each part began that is being read. */
    uint64_t begun[TZ_REFERENCE_DEPTH];
    size_t depth;
};

static void clear(struct repacking *repacking)
{
    tz_fingerprints_clear(&repacking->moved);
    tz_fingerprints_clear(&repacking->untouched);
}

static int move_one(struct tz_chunk_reader *reader, struct tz_packer *packer,
                    const struct tz_catalog_move *move, enum tz_pack_kind kind,
                    struct tz_error *err)
{
    const uint8_t *data = NULL;
    uint32_t len = 0;
    bool has = false;

    if (tz_packer_has(packer, move->id, &has, err))
        return -1;
    if (has)
        return 0;
    if (tz_chunk_read(reader, move->id, &data, &len, err))
        return -1;
    return tz_packer_add(packer, kind == TZ_PACK_MANIFEST ? TZ_PACKER_MANIFEST : TZ_PACKER_LARGE,
                         move->id, data, len, err);
}

static int move_all(struct repacking *repacking, const struct tz_live *live,
                    struct tz_chunk_reader *reader, struct tz_packer *packer, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free) struct tz_catalog_move *moves = calloc(MOVES, sizeof(*moves));
    struct tz_catalog_move after = {.pack = 0};
    size_t count = MOVES;

    if (!moves)
        return tz_fail_nomem(err);
    while (count == MOVES) {
        if (tz_catalog_moves(repacking->pruning->catalog, &after, moves, MOVES, &count, err))
            return -1;
        for (size_t i = 0, expected = 0; i < count; i++) {
            expected = TZ_MAX(expected, i);
            while (expected < count && tz_chunk_expect(reader, moves[expected].id))
                expected++;
            if (tz_interrupt_check(err) ||
                tz_fingerprints_add(&repacking->moved, tz_fingerprint(moves[i].id), err) ||
                move_one(reader, packer, &moves[i], tz_live_kind(live, moves[i].pack), err))
                return -1;
        }
        if (count > 0)
            after = moves[count - 1];
    }
    return tz_packer_flush(packer, err);
}

static int move(struct repacking *repacking, struct tz_live *live, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_pool) struct tz_pool *pool = NULL;
    TZ_SCOPED(tz_scoped_packer) struct tz_packer *packer = NULL;
    TZ_SCOPED(tz_scoped_chunk_reader) struct tz_chunk_reader *reader = NULL;
    struct tz_repo *repo = repacking->pruning->repo;
    struct tz_packer_options options = {.repo = repo};
    const unsigned threads = tz_pool_threads(repo->config->threads, TZ_PACKER_THREADS);

    if (tz_live_find_moves(live, err) || tz_pool_new(&pool, threads, err))
        return -1;
    options.pool = pool;
    if (tz_packer_new(&packer, &options, err) || tz_chunk_reader_new(&reader, repo, err))
        return -1;
    return move_all(repacking, live, reader, packer, err);
}

static int note_need(void *arg, const uint8_t id[TZ_ID_SIZE], struct tz_error *err)
{
    struct repacking *repacking = arg;
    struct tz_catalog *catalog = repacking->pruning->catalog;
    struct tz_chunk_place place;
    bool found = false;

    if (!tz_fingerprints_has(&repacking->moved, tz_fingerprint(id)))
        return 0;
    repacking->hits++;
    if (tz_catalog_find_chunk(catalog, id, &place, &found, err))
        return -1;
    if (!found || place.lost || place.condemned)
        return tz_fail(err, TZ_CORRUPT, "a chunk has no place that stays");
    return tz_catalog_needs_add(catalog, place.pack, err);
}

static bool is_untouched(void *arg, uint64_t key)
{
    struct repacking *repacking = arg;

    if (tz_fingerprints_has(&repacking->untouched, key))
        return true;
    repacking->begun[repacking->depth++] = repacking->hits;
    return false;
}

static int note_untouched(void *arg, uint64_t key, struct tz_error *err)
{
    struct repacking *repacking = arg;

    if (repacking->begun[--repacking->depth] != repacking->hits)
        return 0;
    return tz_fingerprints_add(&repacking->untouched, key, err);
}

static int set_packs(struct repacking *repacking, struct tz_head *head, struct tz_error *err)
{
    const struct tz_reference_visitor visitor = {note_need, is_untouched, note_untouched,
                                                 repacking};
    struct tz_pruning *pruning = repacking->pruning;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf hashes = {0};

    repacking->depth = 0;
    if (tz_catalog_needs_begin(pruning->catalog, err) ||
        tz_each_reference(pruning->repo, head, &visitor, err) ||
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
static int write_head(struct repacking *repacking, struct tz_prune_generation *generation,
                      bool *ret_done, struct tz_error *err)
{
    struct tz_pruning *pruning = repacking->pruning;
    TZ_SCOPED(tz_scoped_head) struct tz_head head = {0};
    struct tz_error why = {0};
    uint32_t stores = 0;
    bool condemned = false;

    *ret_done = false;
    if (tz_pruning_load_head(pruning, generation->id, &head, err) || set_tags(&head, err))
        return -1;
    if (set_packs(repacking, &head, &why) ||
        tz_backup_commit(pruning->repo, NULL, &head, &stores, &condemned, &why)) {
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
static int replace(struct repacking *repacking, struct tz_prune_generation *generation,
                   struct tz_error *err)
{
    struct tz_pruning *pruning = repacking->pruning;
    struct tz_prune_generation old = *generation;
    struct proof proof = {.id = old.id};
    bool needs = false, done = false;

    if (tz_catalog_needs_victim(pruning->catalog, old.id, &needs, err))
        return -1;
    if (!needs)
        return 0;
    if (tz_catalog_each_generation(pruning->catalog, old.source, see_verified, &proof, err) ||
        write_head(repacking, generation, &done, err))
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
    TZ_SCOPED(tz_scoped_live) struct tz_live *live = NULL;
    TZ_SCOPED(clear) struct repacking repacking = {.pruning = pruning};
    size_t victims = 0;

    if (pruning->options->live_percent == 0)
        return 0;
    if (tz_live_measure(&live, pruning, err) || choose(pruning, live, &victims, err))
        return -1;
    if (victims == 0)
        return 0;
    if (pruning->options->dry_run)
        return tz_catalog_victims_leave(pruning->catalog, err);
    if (move(&repacking, live, err))
        return tz_while(err, "write packs anew");
    tz_live_free(TZ_TAKE(live));
    for (size_t i = 0; i < pruning->result->kept_count; i++)
        if (replace(&repacking, &pruning->result->kept[i], err))
            return tz_while(err, "write a head anew");
    return 0;
}
