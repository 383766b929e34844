#include "packer.h"

#include <string.h>

#define DEFAULT_FRAME_SIZE (4U << 20)
/* A dry run remembers this many new chunks to count repeated ones once. */
#define DRY_RUN_IDS 1000000U
/* Frame buffers that wait for their next use. */
#define SPARE_BUFFERS 3U
/* Packs, where stores are far away; else memory is worth more than the time. */
#define SPARE_BLOBS 8U

static int make_sealers(struct tz_packer *packer, int level, struct tz_error *err)
{
    unsigned count = tz_pool_size(packer->pool);

    packer->sealers = calloc(count, sizeof(struct tz_frame_sealer *));
    if (!packer->sealers)
        return tz_fail_nomem(err);
    for (; packer->sealer_count < count; packer->sealer_count++)
        if (tz_frame_sealer_new(&packer->sealers[packer->sealer_count], level, err))
            return -1;
    return 0;
}

int tz_packer_new(struct tz_packer **ret, const struct tz_packer_options *options,
                  struct tz_error *err)
{
    const struct tz_config *config = tz_repo_config(options->repo);
    TZ_SCOPED(tz_scoped_packer) struct tz_packer *packer = calloc(1, sizeof(*packer));
    if (!packer)
        return tz_fail_nomem(err);
    packer->repo = options->repo;
    packer->pool = options->pool;
    packer->dry_run = options->dry_run;
    packer->frame_size = config->frame_size ? (size_t)config->frame_size : DEFAULT_FRAME_SIZE;
    packer->pack_size = config->pack_size ? (size_t)config->pack_size : TZ_PACK_SIZE_USUAL;
    packer->content_max = PACKER_CONTENT_MAX;
    packer->ratio = 1.0;
    packer->next_tag = 1;
    packer->unindexed_fd = -1;
    if (tz_recycler_new(&packer->buffers, packer->frame_size + TZ_AEAD_TAG, SPARE_BUFFERS, err) ||
        tz_blob_shelf_new(&packer->blobs,
                          tz_mirror_is_far(tz_repo_mirror(options->repo)) ? SPARE_BLOBS : 0,
                          packer->pack_size + packer->frame_size, err) ||
        make_sealers(packer, config->compression, err) ||
        (!packer->dry_run && tz_packer_recall_unindexed(packer, err)))
        return -1;
    *ret = TZ_TAKE(packer);
    return 0;
}

static void free_work(struct work *work)
{
    free(work->buffer);
    free(work->chunks);
    free(work);
}

void tz_packer_free(struct tz_packer *packer)
{
    if (!packer)
        return;
    for (struct work *work = packer->first, *next; work; work = next) {
        next = work->next;
        tz_pool_wait(packer->pool, &work->job);
        free_work(work);
    }
    while (packer->packs)
        tz_packer_free_pack(packer, packer->packs);
    tz_packer_free_flights(packer);
    for (unsigned i = 0; i < packer->sealer_count; i++)
        tz_frame_sealer_free(packer->sealers[i]);
    free(packer->sealers);
    for (unsigned i = 0; i < TZ_PACKER_LANES; i++) {
        free(packer->lanes[i].buffer);
        free(packer->lanes[i].chunks);
    }
    tz_recycler_free(packer->buffers);
    tz_blob_shelf_close(packer->blobs);
    if (packer->unindexed_fd >= 0)
        (void)close(packer->unindexed_fd);
    tz_idset_clear(&packer->fresh);
    tz_buf_clear(&packer->index);
    free(packer);
}

size_t tz_packer_frame_size(const struct tz_packer *packer)
{
    return packer->frame_size;
}

struct tz_packer_stats tz_packer_stats(const struct tz_packer *packer)
{
    return packer->stats;
}

static void run_work(struct tz_job *job, unsigned worker)
{
    struct work *work = (struct work *)job;
    struct open_pack *pack = work->pack;

    if (work->kind == WORK_FRAME) {
        struct tz_frame_sealer *sealer = work->packer->sealers[worker];
        work->failed =
            tz_frame_sealer_large(sealer, work->large, &work->err) ||
            tz_frame_seal(sealer, pack->info.header, pack->key, work->number, work->buffer,
                          work->len, &work->sealed_len, &work->codec, &work->err);
    } else {
        work->failed = tz_pack_finish(pack->blob, &pack->info, pack->key, pack->pad, &work->err);
    }
}

/* Take the oldest job out of the line when it is done. */
static int collect(struct tz_packer *packer, struct tz_error *err)
{
    struct work *work = packer->first;
    int failed = 0;

    tz_pool_wait(packer->pool, &work->job);
    packer->first = work->next;
    if (!packer->first)
        packer->last = NULL;
    packer->works--;
    if (work->failed) {
        if (err)
            *err = work->err;
        failed = -1;
    } else if (work->kind == WORK_FRAME) {
        failed = tz_packer_collect_frame(packer, work, err);
    } else {
        failed = tz_packer_launch(packer, work->pack, err);
        work->pack = NULL;
    }
    if (work->buffer)
        tz_packer_return(packer, work->buffer);
    work->buffer = NULL;
    free_work(work);
    return failed;
}

int tz_packer_submit(struct tz_packer *packer, struct work *work, struct tz_error *err)
{
    work->packer = packer;
    work->job.run = run_work;
    if (packer->last)
        packer->last->next = work;
    else
        packer->first = work;
    packer->last = work;
    packer->works++;
    tz_pool_submit(packer->pool, &work->job);

    /* What is done already makes room; more than a little waits for the oldest. */
    while (packer->first && (packer->works > tz_pool_size(packer->pool) ||
                             tz_pool_done(packer->pool, &packer->first->job)))
        if (collect(packer, err))
            return -1;
    return 0;
}

int tz_packer_buffer(struct tz_packer *packer, uint8_t **ret, struct tz_error *err)
{
    return tz_recycler_take(packer->buffers, ret, err);
}

void tz_packer_return(struct tz_packer *packer, uint8_t *buffer)
{
    tz_recycler_give(packer->buffers, buffer);
}

struct tz_recycler *tz_packer_buffers(const struct tz_packer *packer)
{
    return packer->buffers;
}

int tz_packer_has(struct tz_packer *packer, const uint8_t id[TZ_ID_SIZE], bool *ret,
                  struct tz_error *err)
{
    struct tz_chunk_place place;
    bool found = false;

    *ret = tz_idset_has(&packer->fresh, id);
    if (*ret)
        return 0;
    if (tz_catalog_find_chunk(tz_repo_catalog(packer->repo), id, &place, &found, err))
        return -1;
    *ret = found && !place.condemned && !place.lost && !place.away;
    return 0;
}

static int note_fresh(struct tz_packer *packer, unsigned lane, const struct tz_chunk_ref *chunks,
                      uint32_t count, struct tz_error *err)
{
    for (uint32_t i = 0; i < count; i++) {
        if (packer->dry_run && packer->fresh.count >= DRY_RUN_IDS)
            break;
        if (tz_idset_add(&packer->fresh, chunks[i].id, err))
            return -1;
    }
    for (uint32_t i = 0; lane != TZ_PACKER_MANIFEST && i < count; i++)
        packer->stats.new_bytes += chunks[i].len;
    return 0;
}

/* A frame for the workers; buffer and chunks become its own. */
static int submit_frame(struct tz_packer *packer, unsigned lane, uint8_t *buffer, size_t len,
                        struct tz_chunk_ref *chunks, uint32_t count, struct tz_error *err)
{
    enum tz_pack_kind kind = lane == TZ_PACKER_MANIFEST ? TZ_PACK_MANIFEST : TZ_PACK_DATA;
    struct work *work = calloc(1, sizeof(*work));

    if (!work) {
        tz_packer_return(packer, buffer);
        free(chunks);
        return tz_fail_nomem(err);
    }
    *work = (struct work){
        .kind = WORK_FRAME, .buffer = buffer, .len = len, .chunks = chunks, .chunk_count = count};
    work->large = lane == TZ_PACKER_LARGE;
    if (tz_packer_open_pack(packer, kind, len, &work->pack, err)) {
        work->buffer = NULL;
        tz_packer_return(packer, buffer);
        free_work(work);
        return -1;
    }
    work->number = work->pack->frames++;
    work->expected = (uint64_t)((double)len * packer->ratio);
    work->pack->expected += work->expected;
    work->pack->reserved += len + TZ_AEAD_TAG;
    /* Another frame such as this would bring it farther from the size aimed at. */
    if (work->pack->blob->len + work->pack->expected + work->expected / 2 >= packer->pack_size) {
        work->pack->closed = true;
        packer->open[kind - 1] = NULL;
    }
    return tz_packer_submit(packer, work, err);
}

int tz_packer_add_frame(struct tz_packer *packer, unsigned lane, uint8_t *buffer, size_t len,
                        const struct tz_chunk_ref *chunks, uint32_t count, struct tz_error *err)
{
    struct tz_chunk_ref *copy = NULL;
    int failed = note_fresh(packer, lane, chunks, count, err);

    if (failed || packer->dry_run) {
        tz_packer_return(packer, buffer);
        return failed;
    }
    copy = malloc(count * sizeof(*copy));
    if (!copy) {
        tz_packer_return(packer, buffer);
        return tz_fail_nomem(err);
    }
    memcpy(copy, chunks, count * sizeof(*copy));
    return submit_frame(packer, lane, buffer, len, copy, count, err);
}

static int flush_lane(struct tz_packer *packer, unsigned number, struct tz_error *err)
{
    struct lane *lane = &packer->lanes[number];
    uint8_t *buffer = lane->buffer;
    struct tz_chunk_ref *chunks = lane->chunks;
    size_t len = lane->len;
    uint32_t count = lane->count;

    if (len == 0)
        return 0;
    *lane = (struct lane){0};
    return submit_frame(packer, number, buffer, len, chunks, count, err);
}

/* A chunk that is larger than a frame usually is becomes one by itself. */
static int add_large(struct tz_packer *packer, unsigned number, const struct tz_chunk_ref *chunk,
                     const uint8_t *data, struct tz_error *err)
{
    uint8_t *buffer = malloc(chunk->len + (size_t)TZ_AEAD_TAG);
    struct tz_chunk_ref *chunks = malloc(sizeof(*chunks));

    if (!buffer || !chunks) {
        free(buffer);
        free(chunks);
        return tz_fail_nomem(err);
    }
    memcpy(buffer, data, chunk->len);
    *chunks = *chunk;
    return submit_frame(packer, number, buffer, chunk->len, chunks, 1, err);
}

int tz_packer_add(struct tz_packer *packer, unsigned number, const uint8_t id[TZ_ID_SIZE],
                  const uint8_t *data, uint32_t len, struct tz_error *err)
{
    struct lane *lane = &packer->lanes[number];
    struct tz_chunk_ref ref = {.len = len};
    bool has = false;

    if (len == 0 || len > TZ_CHUNK_MAX)
        return tz_fail(err, TZ_INVALID, "a chunk of %u bytes", len);
    if (tz_packer_has(packer, id, &has, err))
        return -1;
    if (has)
        return 0;
    memcpy(ref.id, id, TZ_ID_SIZE);
    if (note_fresh(packer, number, &ref, 1, err))
        return -1;
    if (packer->dry_run)
        return 0;
    if (len > packer->frame_size)
        return add_large(packer, number, &ref, data, err);
    if (lane->len + len > packer->frame_size && flush_lane(packer, number, err))
        return -1;
    if (!lane->buffer && tz_packer_buffer(packer, &lane->buffer, err))
        return -1;
    if (lane->count == lane->cap) {
        uint32_t cap = lane->cap ? lane->cap * 2 : 64;
        void *fresh = realloc(lane->chunks, cap * sizeof(*lane->chunks));
        if (!fresh)
            return tz_fail_nomem(err);
        lane->chunks = fresh;
        lane->cap = cap;
    }
    memcpy(lane->buffer + lane->len, data, len);
    lane->len += len;
    lane->chunks[lane->count++] = ref;
    return 0;
}

int tz_packer_flush_packs(struct tz_packer *packer, struct tz_error *err)
{
    if (packer->dry_run)
        return 0;
    for (unsigned i = 0; i < TZ_PACKER_LANES; i++)
        if (flush_lane(packer, i, err))
            return -1;
    if (tz_packer_close_pack(packer, TZ_PACK_DATA, true, err) ||
        tz_packer_close_pack(packer, TZ_PACK_MANIFEST, true, err))
        return -1;
    while (packer->first)
        if (collect(packer, err))
            return -1;
    return tz_packer_land(packer, true, err) || tz_packer_write_index(packer, err) ? -1 : 0;
}

int tz_packer_flush(struct tz_packer *packer, struct tz_error *err)
{
    if (tz_packer_flush_packs(packer, err))
        return -1;
    return packer->dry_run ? 0 : tz_packer_land(packer, true, err);
}
