#include "engine.h"

#include "tozai/util/grow.h"

#include <assert.h>
#include <string.h>

/* Chunks of page-structured files end where the file's offset is a multiple of this. */
#define PAGED_STEP (128U << 10)
#define PAGED_MAX  (256U << 10)
#define LEAST_ROOM 65536U

enum piece_kind { PIECE_FRESH, PIECE_KNOWN, PIECE_RESTART, PIECE_END, PIECE_DROP };

/* A stretch of a large file, in file order. */
struct piece {
    enum piece_kind kind;
    struct batch *batch;
    struct record *record;
    struct tz_extent extent; /* known: what it is; fresh: only len */
    uint64_t pack;
};

struct pieces {
    struct piece *items;
    size_t count, cap;
};

/* Bytes on their way to ids; a worker's job. */
struct hashing {
    struct tz_job job;
    struct cutter *cutter;
    struct hashing *next;
    uint8_t *data;
    size_t len;
    struct batch *small;  /* small files: the worker cuts */
    struct pieces pieces; /* large files: cut already */
    struct tz_chunk_ref *chunks;
    uint32_t count, cap;
    struct tz_error err;
    int failed;
};

struct cutter {
    struct cutter_options options;
    struct tz_chunker chunker;
    struct tz_chunk_sizes small, large;
    struct tz_idhash **hashes; /* one for each worker */
    struct hashing *first, *last;
    unsigned jobs;
    size_t size; /* of a buffer */

    /* The lane of large files. */
    struct hashing *lane;
    size_t done; /* bytes of the lane that are cut */
    struct tz_chunk_scan scan;
    struct batch *batch;
    struct record *record;
    bool paged;
    uint64_t file_at;

    /* The file whose pieces are being resolved. */
    struct tz_extent_sink *sink;
    struct tz_idhash *list_hash;
};

static void fit(struct tz_chunk_sizes *sizes, size_t frame)
{
    while ((size_t)sizes->max * 2 > frame) {
        sizes->min /= 2;
        sizes->average /= 2;
        sizes->max /= 2;
    }
}

int tz_cutter_new(struct cutter **ret, const struct cutter_options *options, struct tz_error *err)
{
    struct cutter *cutter = calloc(1, sizeof(*cutter));
    unsigned workers = tz_pool_size(options->pool);
    const uint8_t *id_key = tz_keys_chunk_id_key(options->keys);

    if (!cutter)
        return tz_fail_nomem(err);
    cutter->options = *options;
    cutter->size = tz_packer_frame_size(options->packer);
    cutter->small = tz_chunk_sizes_small;
    cutter->large = tz_chunk_sizes_large;
    fit(&cutter->small, cutter->size);
    fit(&cutter->large, cutter->size);
    tz_chunker_init(&cutter->chunker, tz_keys_chunker_seed(options->keys));
    cutter->hashes = calloc(workers, sizeof(struct tz_idhash *));
    int failed = cutter->hashes ? 0 : tz_fail_nomem(err);
    for (unsigned i = 0; !failed && i < workers; i++)
        failed = tz_idhash_new(&cutter->hashes[i], id_key, err);
    if (!failed)
        failed = tz_idhash_new(&cutter->list_hash, id_key, err);
    if (!failed)
        failed = tz_extent_sink_new(&cutter->sink, options->packer, cutter->list_hash,
                                    options->refs, err);
    if (failed) {
        tz_cutter_free(cutter);
        return -1;
    }
    *ret = cutter;
    return 0;
}

static void free_hashing(struct hashing *hashing)
{
    if (!hashing)
        return;
    free(hashing->data);
    free(hashing->pieces.items);
    free(hashing->chunks);
    free(hashing);
}

void tz_cutter_free(struct cutter *cutter)
{
    if (!cutter)
        return;
    for (struct hashing *hashing = cutter->first, *next; hashing; hashing = next) {
        next = hashing->next;
        tz_pool_wait(cutter->options.pool, &hashing->job);
        free_hashing(hashing);
    }
    free_hashing(cutter->lane);
    for (unsigned i = 0; cutter->hashes && i < tz_pool_size(cutter->options.pool); i++)
        tz_idhash_free(cutter->hashes[i]);
    free(cutter->hashes);
    tz_extent_sink_free(cutter->sink);
    tz_idhash_free(cutter->list_hash);
    free(cutter);
}

static int add_chunk(struct hashing *hashing, size_t len, struct tz_error *err)
{
    if (hashing->count == hashing->cap) {
        uint32_t cap = hashing->cap ? hashing->cap * 2 : 64;
        void *fresh = realloc(hashing->chunks, cap * sizeof(*hashing->chunks));
        if (!fresh)
            return tz_fail_nomem(err);
        hashing->chunks = fresh;
        hashing->cap = cap;
    }
    hashing->chunks[hashing->count++] = (struct tz_chunk_ref){.len = (uint32_t)len};
    return 0;
}

static int add_piece(struct pieces *pieces, const struct piece *piece, struct tz_error *err)
{
    if (tz_grow(&pieces->items, pieces->count, &pieces->cap, sizeof(*pieces->items), err))
        return -1;
    pieces->items[pieces->count++] = *piece;
    return 0;
}

/* The small files of a batch are cut as one stream. */
static int cut_small(struct hashing *hashing, struct tz_error *err)
{
    const struct cutter *cutter = hashing->cutter;

    for (size_t at = 0; at < hashing->len;) {
        struct tz_chunk_scan scan = {0};
        size_t left = hashing->len - at;
        size_t len =
            tz_chunker_find(&cutter->chunker, &cutter->small, &scan, hashing->data + at, left);
        if (len == 0)
            len = left;
        if (add_chunk(hashing, len, err))
            return -1;
        at += len;
    }
    return 0;
}

static int hash_chunks(struct hashing *hashing, struct tz_idhash *hash, struct tz_error *err)
{
    size_t at = 0;

    if (hashing->small && cut_small(hashing, err))
        return -1;
    for (uint32_t i = 0; i < hashing->count; i++) {
        struct tz_chunk_ref *chunk = &hashing->chunks[i];
        if (tz_idhash(hash, hashing->data + at, chunk->len, chunk->id, err))
            return -1;
        at += chunk->len;
    }
    return 0;
}

static void run_hashing(struct tz_job *job, unsigned worker)
{
    struct hashing *hashing = (struct hashing *)job;
    hashing->failed = hash_chunks(hashing, hashing->cutter->hashes[worker], &hashing->err);
}

static void submit(struct cutter *cutter, struct hashing *hashing)
{
    hashing->cutter = cutter;
    hashing->job.run = run_hashing;
    if (cutter->last)
        cutter->last->next = hashing;
    else
        cutter->first = hashing;
    cutter->last = hashing;
    cutter->jobs++;
    tz_pool_submit(cutter->options.pool, &hashing->job);
}

int tz_cutter_small(struct cutter *cutter, struct batch *batch, struct tz_error *err)
{
    struct hashing *hashing = NULL;

    if (batch->data_len == 0)
        return 0;
    hashing = calloc(1, sizeof(*hashing));
    if (!hashing)
        return tz_fail_nomem(err);
    hashing->data = batch->data;
    hashing->len = batch->data_len;
    hashing->small = batch;
    batch->data = NULL;
    submit(cutter, hashing);
    return 0;
}

static int compare_ids(const void *a, const void *b)
{
    return memcmp(((const struct tz_chunk_ref *)a)->id, ((const struct tz_chunk_ref *)b)->id,
                  TZ_ID_SIZE);
}

static int has_repeats(const struct tz_chunk_ref *chunks, uint32_t count, bool *ret,
                       struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free) struct tz_chunk_ref *sorted = malloc(count * sizeof(*sorted));

    if (!sorted)
        return tz_fail_nomem(err);
    memcpy(sorted, chunks, count * sizeof(*sorted));
    qsort(sorted, count, sizeof(*sorted), compare_ids);
    *ret = false;
    for (uint32_t i = 1; i < count && !*ret; i++)
        *ret = compare_ids(&sorted[i - 1], &sorted[i]) == 0;
    return 0;
}

/* Give the new chunks to the packer: the whole buffer as a frame if all are new. */
static int place(struct cutter *cutter, struct hashing *hashing, struct tz_error *err)
{
    struct tz_packer *packer = cutter->options.packer;
    unsigned lane = hashing->small ? TZ_PACKER_SMALL : TZ_PACKER_LARGE;
    bool has = false, repeats = false;

    if (hashing->len * 4 >= cutter->size * 3 && hashing->count > 0) {
        for (uint32_t i = 0; i < hashing->count && !has; i++)
            if (tz_packer_has(packer, hashing->chunks[i].id, &has, err))
                return -1;
        if (!has && has_repeats(hashing->chunks, hashing->count, &repeats, err))
            return -1;
        if (!has && !repeats) {
            uint8_t *data = TZ_TAKE(hashing->data);
            return tz_packer_add_frame(packer, lane, data, hashing->len, hashing->chunks,
                                       hashing->count, err);
        }
    }
    size_t at = 0;
    for (uint32_t i = 0; i < hashing->count; i++) {
        const struct tz_chunk_ref *chunk = &hashing->chunks[i];
        if (tz_packer_add(packer, lane, chunk->id, hashing->data + at, chunk->len, err))
            return -1;
        at += chunk->len;
    }
    return 0;
}

/* Where in the chunks of a buffer we are. */
struct position {
    uint32_t chunk;
    uint32_t offset;
};

/* The next extent of at most len bytes. */
static struct tz_extent take_extent(const struct hashing *hashing, struct position *at,
                                    uint64_t len)
{
    assert(at->chunk < hashing->count);
    const struct tz_chunk_ref *chunk = &hashing->chunks[at->chunk];
    struct tz_extent extent = {.offset = at->offset,
                               .len = TZ_MIN(len, (uint64_t)(chunk->len - at->offset))};

    memcpy(extent.id, chunk->id, TZ_ID_SIZE);
    at->offset += (uint32_t)extent.len;
    if (at->offset == chunk->len) {
        at->chunk++;
        at->offset = 0;
    }
    return extent;
}

static int resolve_small(struct hashing *hashing, struct tz_error *err)
{
    struct batch *batch = hashing->small;
    struct position at = {0};

    for (size_t i = 0; i < batch->count; i++) {
        struct record *record = &batch->records[i];
        uint64_t left = record->len;

        if (record->kind != RECORD_SMALL)
            continue;
        record->entry.extent_count = 0;
        while (left > 0) {
            struct tz_extent extent = take_extent(hashing, &at, left);
            if (tz_entry_add_extent(&record->entry, &extent, 0, err))
                return -1;
            left -= extent.len;
        }
        record->done = true;
        batch->waiting--;
    }
    return 0;
}

static int emit(struct cutter *cutter, struct record *record, const struct tz_extent *extent,
                uint64_t pack, struct tz_error *err)
{
    struct local_extent row = {.extent = *extent, .pack = pack};
    uint64_t at = 0;

    if (tz_extent_sink_add(cutter->sink, extent, err))
        return -1;
    if (!cutter->options.local)
        return 0;
    if (tz_local_put_list(cutter->options.local, &row, &at, err))
        return -1;
    if (record->extra.list_count++ == 0)
        record->extra.list_first = at;
    return 0;
}

static int finish_record(struct cutter *cutter, const struct piece *piece, struct tz_error *err)
{
    if (tz_extent_sink_finish(cutter->sink, &piece->record->entry, err))
        return -1;
    if (piece->kind == PIECE_DROP)
        piece->record->kind = RECORD_DROPPED;
    piece->record->done = true;
    piece->batch->waiting--;
    return 0;
}

static int resolve_piece(struct cutter *cutter, struct hashing *hashing, const struct piece *piece,
                         struct position *at, struct tz_error *err)
{
    struct tz_entry unused = {0};
    uint64_t left = piece->extent.len;

    switch (piece->kind) {
    case PIECE_KNOWN:
        return emit(cutter, piece->record, &piece->extent, piece->pack, err);
    case PIECE_FRESH:
        while (left > 0) {
            struct tz_extent extent = take_extent(hashing, at, left);
            if (emit(cutter, piece->record, &extent, 0, err))
                return -1;
            left -= extent.len;
        }
        return 0;
    case PIECE_RESTART:
        if (tz_extent_sink_finish(cutter->sink, &unused, err))
            return -1;
        tz_entry_clear(&unused);
        piece->record->extra.list_count = 0;
        return 0;
    default:
        return finish_record(cutter, piece, err);
    }
}

static int resolve(struct cutter *cutter, struct hashing *hashing, struct tz_error *err)
{
    struct position at = {0};

    if (hashing->small)
        return resolve_small(hashing, err);
    for (size_t i = 0; i < hashing->pieces.count; i++)
        if (resolve_piece(cutter, hashing, &hashing->pieces.items[i], &at, err))
            return -1;
    return 0;
}

/* Take the oldest job. */
static int collect(struct cutter *cutter, struct tz_error *err)
{
    struct hashing *hashing = cutter->first;
    int failed = 0;

    tz_pool_wait(cutter->options.pool, &hashing->job);
    cutter->first = hashing->next;
    if (!cutter->first)
        cutter->last = NULL;
    cutter->jobs--;
    if (hashing->failed) {
        if (err)
            *err = hashing->err;
        failed = -1;
    }
    /* The extents first: a frame gives its buffer away, not the chunk list. */
    if (!failed)
        failed = place(cutter, hashing, err) || resolve(cutter, hashing, err);
    if (hashing->data)
        tz_packer_return(cutter->options.packer, TZ_TAKE(hashing->data));
    free_hashing(hashing);
    return failed ? -1 : 0;
}

static int open_lane(struct cutter *cutter, struct tz_error *err)
{
    cutter->lane = calloc(1, sizeof(*cutter->lane));
    if (!cutter->lane)
        return tz_fail_nomem(err);
    cutter->done = 0;
    return tz_packer_buffer(cutter->options.packer, &cutter->lane->data, err);
}

static int cut_at(struct cutter *cutter, size_t len, struct tz_error *err)
{
    cutter->done += len;
    return add_chunk(cutter->lane, len, err);
}

/* End the chunk that is open, whatever its length. */
static int cut_here(struct cutter *cutter, struct tz_error *err)
{
    cutter->scan = (struct tz_chunk_scan){0};
    if (!cutter->lane || cutter->lane->len == cutter->done)
        return 0;
    return cut_at(cutter, cutter->lane->len - cutter->done, err);
}

/* Pieces whose bytes lie behind the last cut go on into the next buffer. */
static int split_pieces(struct hashing *from, struct hashing *to, size_t done, struct tz_error *err)
{
    size_t keep = 0;
    uint64_t before = 0;

    for (; keep < from->pieces.count; keep++) {
        struct piece *piece = &from->pieces.items[keep];
        uint64_t len = piece->kind == PIECE_FRESH ? piece->extent.len : 0;

        if (before + len > done) {
            struct piece rest = *piece;
            piece->extent.len = done - before;
            rest.extent.len = before + len - done;
            if (add_piece(&to->pieces, &rest, err))
                return -1;
            keep++;
            break;
        }
        before += len;
    }
    for (size_t i = keep; i < from->pieces.count; i++)
        if (add_piece(&to->pieces, &from->pieces.items[i], err))
            return -1;
    from->pieces.count = keep;
    return 0;
}

/* Hand on what is cut, carry the rest over. */
static int rotate(struct cutter *cutter, struct tz_error *err)
{
    struct hashing *full = cutter->lane;
    size_t done = cutter->done, rest = full->len - done;

    cutter->lane = NULL;
    if (open_lane(cutter, err) || split_pieces(full, cutter->lane, done, err)) {
        free_hashing(full);
        return -1;
    }
    memcpy(cutter->lane->data, full->data + done, rest);
    cutter->lane->len = rest;
    full->len = done;
    submit(cutter, full);
    return tz_cutter_settle(cutter, false, err);
}

static int note(struct cutter *cutter, enum piece_kind kind, const struct tz_extent *extent,
                uint64_t pack, struct tz_error *err)
{
    struct piece piece = {
        .kind = kind, .batch = cutter->batch, .record = cutter->record, .pack = pack};

    if (!cutter->lane && open_lane(cutter, err))
        return -1;
    if (extent)
        piece.extent = *extent;
    return add_piece(&cutter->lane->pieces, &piece, err);
}

int tz_cutter_begin(struct cutter *cutter, struct batch *batch, struct record *record, bool paged,
                    struct tz_error *err)
{
    cutter->batch = batch;
    cutter->record = record;
    cutter->file_at = 0;
    if ((!paged || !cutter->paged) && cut_here(cutter, err))
        return -1;
    cutter->paged = paged;
    return 0;
}

int tz_cutter_room(struct cutter *cutter, uint8_t **ret, size_t *ret_len, struct tz_error *err)
{
    if (!cutter->lane && open_lane(cutter, err))
        return -1;
    if (cutter->size - cutter->lane->len < LEAST_ROOM && rotate(cutter, err))
        return -1;
    *ret = cutter->lane->data + cutter->lane->len;
    *ret_len = cutter->size - cutter->lane->len;
    return 0;
}

/* Chunks of pages end at even places of the file, so that an equal file elsewhere gives the same.
 */
static int cut_paged(struct cutter *cutter, size_t len, struct tz_error *err)
{
    size_t end = cutter->lane->len;

    cutter->lane->len -= len;
    while (len > 0) {
        size_t open = cutter->lane->len - cutter->done;
        size_t step = PAGED_STEP - (size_t)(cutter->file_at % PAGED_STEP);

        step = TZ_MIN(TZ_MIN(step, len), PAGED_MAX - open);
        cutter->lane->len += step;
        cutter->file_at += step;
        len -= step;
        open += step;
        bool even = cutter->file_at % PAGED_STEP == 0 && open >= PAGED_STEP;
        if ((even || open >= PAGED_MAX) && cut_at(cutter, open, err))
            return -1;
    }
    cutter->lane->len = end;
    return 0;
}

static int cut_by_content(struct cutter *cutter, struct tz_error *err)
{
    struct hashing *lane = cutter->lane;
    size_t len;

    while (cutter->done < lane->len &&
           (len = tz_chunker_find(&cutter->chunker, &cutter->large, &cutter->scan,
                                  lane->data + cutter->done, lane->len - cutter->done)) > 0)
        if (cut_at(cutter, len, err))
            return -1;
    return 0;
}

int tz_cutter_fresh(struct cutter *cutter, size_t len, struct tz_error *err)
{
    struct tz_extent extent = {.len = len};

    if (len == 0)
        return 0;
    if (note(cutter, PIECE_FRESH, &extent, 0, err))
        return -1;
    cutter->lane->len += len;
    return cutter->paged ? cut_paged(cutter, len, err) : cut_by_content(cutter, err);
}

int tz_cutter_known(struct cutter *cutter, const struct tz_extent *extent, uint64_t pack,
                    struct tz_error *err)
{
    cutter->file_at += extent->len;
    if (!cutter->paged && cut_here(cutter, err))
        return -1;
    return note(cutter, PIECE_KNOWN, extent, pack, err);
}

int tz_cutter_restart(struct cutter *cutter, struct tz_error *err)
{
    cutter->file_at = 0;
    if (!cutter->paged && cut_here(cutter, err))
        return -1;
    return note(cutter, PIECE_RESTART, NULL, 0, err);
}

int tz_cutter_end(struct cutter *cutter, bool drop, struct tz_error *err)
{
    if (!cutter->paged && cut_here(cutter, err))
        return -1;
    return note(cutter, drop ? PIECE_DROP : PIECE_END, NULL, 0, err);
}

int tz_cutter_settle(struct cutter *cutter, bool all, struct tz_error *err)
{
    /* Hashing is quick beside what follows: half of the workers are enough for it. */
    unsigned most = all ? 0 : 1 + tz_pool_size(cutter->options.pool) / 2;

    if (all && cutter->lane) {
        struct hashing *rest = NULL;
        if (cut_here(cutter, err))
            return -1;
        rest = TZ_TAKE(cutter->lane);
        cutter->done = 0;
        submit(cutter, rest);
    }
    while (cutter->first &&
           (cutter->jobs > most || tz_pool_done(cutter->options.pool, &cutter->first->job)))
        if (collect(cutter, err))
            return -1;
    return 0;
}
