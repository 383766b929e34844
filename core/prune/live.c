/*
 * How much of each pack is needed: the manifests of the generations that stay say which chunks, the
 * catalog says where these lie.
 *
 * The chunks are kept as 64 bits of their ids.  Two that look alike, once in many years, cost a
 * chunk that is kept or moved for nothing.  When they are too many for the memory that a prune may
 * take, they are counted in several passes, each for a part of all ids.
 */
#include "prune.h"

#include "tozai/core/references.h"
#include "tozai/util/interrupt.h"

#include <string.h>

#include "tozai/util/banned.h"

/* Of one pass: 256 MiB. */
#define LIVE_MAX  ((size_t)24 << 20)
#define PARTS_MAX 4096U

struct tz_live {
    struct tz_pruning *pruning;
    struct tz_fingerprints chunks, manifest; /* of this pass; parts of manifests that were read */
    size_t max;                              /* chunks in the set */
    unsigned parts, part;
    bool full;
    bool unreadable; /* a generation is not movable after all */
    struct tz_catalog_live *packs;
    size_t pack_count;
    struct tz_catalog_live *owner; /* that counts for the chunk before */
    uint8_t last[TZ_ID_SIZE];
};

void tz_live_free(struct tz_live *live)
{
    if (!live)
        return;
    tz_fingerprints_clear(&live->chunks);
    tz_fingerprints_clear(&live->manifest);
    free(live->packs);
    free(live);
}

static bool is_of_part(const struct tz_live *live, uint64_t number)
{
    /* Slots of the set are chosen by the lower bits. */
    return (number >> 32) % live->parts == live->part;
}

static int see_reference(void *arg, const uint8_t id[TZ_ID_SIZE], struct tz_error *err)
{
    struct tz_live *live = arg;
    uint64_t number = tz_fingerprint(id);

    if (live->full || !is_of_part(live, number))
        return 0;
    if (live->chunks.count >= live->max && live->parts < PARTS_MAX) {
        live->full = !tz_fingerprints_has(&live->chunks, number);
        return 0;
    }
    return tz_fingerprints_add(&live->chunks, number, err);
}

static bool was_read(void *arg, uint64_t key)
{
    struct tz_live *live = arg;

    return live->full || tz_fingerprints_has(&live->manifest, key);
}

static int note_read(void *arg, uint64_t key, struct tz_error *err)
{
    struct tz_live *live = arg;

    return tz_fingerprints_add(&live->manifest, key, err);
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

static int find_movable(struct tz_live *live, struct tz_error *err)
{
    struct tz_pruning *pruning = live->pruning;

    for (size_t i = 0; i < pruning->result->kept_count; i++) {
        const struct tz_prune_generation *generation = &pruning->result->kept[i];
        bool movable = false;
        if (is_movable(pruning, generation, &movable, err) ||
            (movable && tz_catalog_set_movable(pruning->catalog, generation->id, true, err)))
            return -1;
    }
    return 0;
}

/* What cannot be read is let alone, and with it every pack that it needs. */
static int read_one(struct tz_live *live, const struct tz_prune_generation *generation,
                    struct tz_error *err)
{
    const struct tz_reference_visitor visitor = {see_reference, was_read, note_read, live};
    struct tz_pruning *pruning = live->pruning;
    TZ_SCOPED(tz_scoped_head) struct tz_head head = {0};
    struct tz_error why = {0};
    bool movable = false;

    if (tz_catalog_is_movable(pruning->catalog, generation->id, &movable, err))
        return -1;
    if (!movable || (!tz_pruning_load_head(pruning, generation->id, &head, &why) &&
                     !tz_each_reference(pruning->repo, &head, &visitor, &why)))
        return 0;
    if (tz_check_is_fatal(why.kind))
        return tz_check_pass(err, &why);
    tz_repo_warn(pruning->repo, "a generation of '%s' cannot be read, its packs stay: %s",
                 generation->source, why.message);
    live->unreadable = true;
    return tz_catalog_set_movable(pruning->catalog, generation->id, false, err);
}

/* The chunks of this part of all ids.  When they are too many, the set is full. */
static int read_part(struct tz_live *live, struct tz_error *err)
{
    const struct tz_prune_result *result = live->pruning->result;

    tz_fingerprints_reset(&live->chunks);
    tz_fingerprints_reset(&live->manifest);
    live->full = false;
    for (size_t i = 0; i < result->kept_count && !live->full; i++)
        if (read_one(live, &result->kept[i], err))
            return -1;
    return 0;
}

static int compare_packs(const void *a, const void *b)
{
    const struct tz_catalog_live *x = a, *y = b;

    return (x->pack > y->pack) - (x->pack < y->pack);
}

static struct tz_catalog_live *find_pack(const struct tz_live *live, int64_t pack)
{
    const struct tz_catalog_live key = {.pack = pack};

    if (live->pack_count == 0)
        return NULL;
    return bsearch(&key, live->packs, live->pack_count, sizeof(key), compare_packs);
}

/* Of several copies one counts, of those that stay by themselves if there is any. */
static int count_chunk(void *arg, const struct tz_catalog_chunk *chunk, struct tz_error *err)
{
    struct tz_live *live = arg;
    uint64_t number = tz_fingerprint(chunk->id);

    (void)err;
    if (!is_of_part(live, number) || !tz_fingerprints_has(&live->chunks, number))
        return 0;
    struct tz_catalog_live *pack = find_pack(live, chunk->pack);
    if (!pack)
        return 0;
    if (live->owner && memcmp(live->last, chunk->id, TZ_ID_SIZE) == 0) {
        if (!live->owner->condemned || pack->condemned)
            return 0;
        live->owner->live -= chunk->len;
    }
    pack->live += chunk->len;
    live->owner = pack;
    memcpy(live->last, chunk->id, TZ_ID_SIZE);
    return 0;
}

static int count_part(struct tz_live *live, struct tz_error *err)
{
    live->owner = NULL;
    return tz_catalog_each_chunk(live->pruning->catalog, count_chunk, live, err);
}

/* Call it for each part, with its chunks in the set. */
static int each_part(struct tz_live *live, int (*done)(struct tz_live *live, struct tz_error *err),
                     struct tz_error *err)
{
    for (live->part = 0; live->part < live->parts; live->part++) {
        if (read_part(live, err))
            return -1;
        if (live->full)
            return 0;
        if (done(live, err))
            return -1;
    }
    return 0;
}

/* What was counted, for the packs that are left when some generations cannot be moved. */
static int load_again(struct tz_live *live, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free) struct tz_catalog_live *left = NULL;
    size_t count = 0;

    if (tz_catalog_live_packs(live->pruning->catalog, &left, &count, err))
        return -1;
    for (size_t i = 0; i < count; i++) {
        const struct tz_catalog_live *counted = find_pack(live, left[i].pack);
        left[i].live = counted ? counted->live : left[i].plain;
    }
    free(live->packs);
    live->packs = TZ_TAKE(left);
    live->pack_count = count;
    return 0;
}

static int measure(struct tz_live *live, struct tz_error *err)
{
    if (tz_catalog_live_begin(live->pruning->catalog, err) || find_movable(live, err) ||
        tz_catalog_live_packs(live->pruning->catalog, &live->packs, &live->pack_count, err))
        return -1;
    for (live->parts = 1;; live->parts *= 2) {
        for (size_t i = 0; i < live->pack_count; i++)
            live->packs[i].live = 0;
        if (each_part(live, count_part, err))
            return -1;
        if (!live->full)
            return live->unreadable ? load_again(live, err) : 0;
    }
}

int tz_live_measure(struct tz_live **ret, struct tz_pruning *pruning, struct tz_error *err)
{
    struct tz_live *live = calloc(1, sizeof(*live));

    if (!live)
        return tz_fail_nomem(err);
    live->pruning = pruning;
    live->max = pruning->options->live_max ? pruning->options->live_max : LIVE_MAX;
    int failed = tz_pruning_begin(pruning, err);
    if (!failed) {
        failed = measure(live, err);
        if (failed)
            tz_pruning_rollback(pruning);
        else
            failed = tz_pruning_commit(pruning, err);
    }
    if (failed) {
        tz_live_free(live);
        return -1;
    }
    *ret = live;
    return 0;
}

struct tz_catalog_live *tz_live_packs(struct tz_live *live, size_t *ret_count)
{
    *ret_count = live->pack_count;
    return live->packs;
}

enum tz_pack_kind tz_live_kind(const struct tz_live *live, int64_t pack)
{
    const struct tz_catalog_live *found = find_pack(live, pack);

    return found ? found->kind : TZ_PACK_DATA;
}

static int add_move(void *arg, const struct tz_catalog_chunk *chunk, struct tz_error *err)
{
    struct tz_live *live = arg;
    uint64_t number = tz_fingerprint(chunk->id);

    if (!is_of_part(live, number) || !tz_fingerprints_has(&live->chunks, number))
        return 0;
    const struct tz_catalog_live *pack = find_pack(live, chunk->pack);
    return pack && pack->victim ? tz_catalog_move_add(live->pruning->catalog, chunk, err) : 0;
}

static int add_moves(struct tz_live *live, struct tz_error *err)
{
    return tz_catalog_each_chunk(live->pruning->catalog, add_move, live, err);
}

int tz_live_find_moves(struct tz_live *live, struct tz_error *err)
{
    struct tz_pruning *pruning = live->pruning;

    if (live->pack_count > 0)
        qsort(live->packs, live->pack_count, sizeof(*live->packs), compare_packs);
    if (tz_pruning_begin(pruning, err))
        return -1;
    /* The set of a single part is still there. */
    live->part = 0;
    if (live->parts == 1 ? add_moves(live, err) : each_part(live, add_moves, err)) {
        tz_pruning_rollback(pruning);
        return -1;
    }
    return tz_pruning_commit(pruning, err);
}
