/*
 * Reading a large file: as a stream that is cut by content, or, where it is made of pages, block by
 * block against what was there the last time.
 */
#include "engine.h"

#include "tozai/util/interrupt.h"

#include <string.h>

#define REREADS    2
#define TAG_WINDOW 1024U
#define LIST_ROWS  256U
/* With more extents than one for two blocks a file is written whole again. */
#define SCATTERED_MIN 256U

/* What the last backup knows of a page-structured file. */
struct past {
    struct tz_local_reader *last;
    const struct local_extra *extra;
    uint64_t tags_at, tags_have; /* window of tags */
    uint8_t tags[TAG_WINDOW][LOCAL_TAG_SIZE];
    struct local_extent rows[LIST_ROWS];
    uint64_t rows_at, rows_have;
    uint64_t row; /* the extent that covers offset */
    uint64_t row_begin;
    bool usable;
};

struct paging {
    struct reading *reading;
    struct record *record;
    struct past past;
    uint32_t block_size;
    uint64_t blocks; /* done */
    uint64_t size;   /* bytes done */
    uint64_t tag_first;
    struct tz_buf buffer; /* blocks to look at */
    uint8_t (*tags)[LOCAL_TAG_SIZE];
};

/* Remember that a failure came from the file. */
static int from_input(struct reading *reading, int failed)
{
    reading->input_failed |= failed != 0;
    return failed;
}

static void warn(const struct reading *reading, const struct record *record,
                 const struct tz_error *why)
{
    tz_warnings_add(reading->warnings, record->entry.path, record->entry.path_len, why);
}

static bool past_tag(struct past *past, uint64_t block, const uint8_t tag[LOCAL_TAG_SIZE])
{
    if (!past->usable || block >= past->extra->tag_count)
        return false;
    if (block < past->tags_at || block >= past->tags_at + past->tags_have) {
        uint64_t count = TZ_MIN(past->extra->tag_count - block, (uint64_t)TAG_WINDOW);
        if (tz_local_tags(past->last, past->extra->tag_first + block, past->tags, (size_t)count,
                          NULL)) {
            past->usable = false;
            return false;
        }
        past->tags_at = block;
        past->tags_have = count;
    }
    return memcmp(past->tags[block - past->tags_at], tag, LOCAL_TAG_SIZE) == 0;
}

/* The old extent at row, through the window. */
static const struct local_extent *past_row(struct past *past, uint64_t row)
{
    if (row >= past->extra->list_count)
        return NULL;
    if (row < past->rows_at || row >= past->rows_at + past->rows_have) {
        uint64_t count = TZ_MIN(past->extra->list_count - row, (uint64_t)LIST_ROWS);
        if (tz_local_list(past->last, past->extra->list_first + row, past->rows, (size_t)count,
                          NULL))
            return NULL;
        past->rows_at = row;
        past->rows_have = count;
    }
    return &past->rows[row - past->rows_at];
}

/* The old extents that cover [offset, offset + len); calls come in ascending order. False: not to
 * be had (a bad pack, a damaged list), the bytes must be stored anew. */
static bool past_extents(struct paging *paging, uint64_t offset, uint64_t len,
                         struct local_extent *ret, size_t max, size_t *ret_count)
{
    struct past *past = &paging->past;
    const struct reading *reading = paging->reading;

    *ret_count = 0;
    while (len > 0) {
        const struct local_extent *row = past_row(past, past->row);
        if (!row || *ret_count == max)
            return false;
        uint64_t end = past->row_begin + row->extent.len;
        if (offset >= end) {
            past->row_begin = end;
            past->row++;
            continue;
        }
        struct local_extent part = *row;
        uint64_t skip = offset - past->row_begin;
        bool hole = tz_extent_is_hole(&row->extent);
        if (!hole && tz_pack_is_bad(reading->bad_packs, reading->bad_count, row->pack))
            return false;
        part.extent.offset = hole ? 0 : row->extent.offset + (uint32_t)skip;
        part.extent.len = TZ_MIN(len, end - offset);
        offset += part.extent.len;
        len -= part.extent.len;
        ret[(*ret_count)++] = part;
    }
    return true;
}

/* Copy plain bytes into the cutter. */
static int put_fresh(struct cutter *cutter, const uint8_t *data, size_t len, struct tz_error *err)
{
    while (len > 0) {
        uint8_t *room = NULL;
        size_t have = 0;

        if (tz_cutter_room(cutter, &room, &have, err))
            return -1;
        size_t part = TZ_MIN(have, len);
        memcpy(room, data, part);
        if (tz_cutter_fresh(cutter, part, err))
            return -1;
        data += part;
        len -= part;
    }
    return 0;
}

static int put_unchanged(struct paging *paging, uint64_t offset, const uint8_t *data, size_t len,
                         struct tz_error *err)
{
    struct local_extent parts[16];
    size_t count = 0;

    if (!past_extents(paging, offset, len, parts, TZ_COUNT(parts), &count))
        return put_fresh(paging->reading->cutter, data, len, err);
    for (size_t i = 0; i < count; i++)
        if (tz_cutter_known(paging->reading->cutter, &parts[i].extent, parts[i].pack, err))
            return -1;
    return 0;
}

/* Compare whole blocks (the last one may be short) and pass on runs of changed and unchanged ones.
 */
static int put_blocks(struct paging *paging, const uint8_t *data, size_t len, struct tz_error *err)
{
    size_t size = paging->block_size, whole = len / size, count = (len + size - 1) / size;
    size_t run = 0;
    bool run_same = false;
    uint64_t row = 0;

    if (tz_block_tags(paging->reading->tag_key, data, size, whole, paging->tags, err) ||
        (count > whole && tz_block_tags(paging->reading->tag_key, data + whole * size,
                                        len - whole * size, 1, &paging->tags[whole], err)))
        return -1;
    for (size_t i = 0; i <= count; i++) {
        bool same = i < count && past_tag(&paging->past, paging->blocks + i, paging->tags[i]);
        /* Unchanged runs go out block by block group of 64 KiB, so that their extents are few. */
        bool full = run_same && (i - run) * size >= 65536;
        if (i == count || same != run_same || full) {
            size_t begin = run * size, end = TZ_MIN(i * size, len);
            if (end > begin &&
                (run_same
                     ? put_unchanged(paging, paging->size + begin, data + begin, end - begin, err)
                     : put_fresh(paging->reading->cutter, data + begin, end - begin, err)))
                return -1;
            run = i;
            run_same = same;
        }
    }
    if (paging->reading->local &&
        tz_local_put_tags(paging->reading->local, paging->tags, count, &row, err))
        return -1;
    if (paging->blocks == 0)
        paging->tag_first = row;
    paging->blocks += count;
    paging->size += len;
    return 0;
}

/* A hole of whole blocks: tags of zero blocks, which no data block is looked up by. */
static int put_hole_blocks(struct paging *paging, uint64_t blocks, struct tz_error *err)
{
    struct tz_extent hole = {.len = blocks * paging->block_size};
    uint64_t row = 0;

    if (blocks == 0)
        return 0;
    if (tz_cutter_known(paging->reading->cutter, &hole, 0, err))
        return -1;
    if (paging->reading->local && tz_local_put_hole_tags(paging->reading->local, blocks, &row, err))
        return -1;
    if (paging->blocks == 0)
        paging->tag_first = row;
    paging->blocks += blocks;
    paging->size += hole.len;
    return 0;
}

/* A hole: whole blocks of it are recorded, the ragged ends read as zeros. */
static int put_hole(struct paging *paging, uint64_t len, struct tz_error *err)
{
    struct tz_buf *buffer = &paging->buffer;
    uint64_t head = (paging->block_size - buffer->len % paging->block_size) % paging->block_size;

    head = TZ_MIN(head, len);
    memset(buffer->data + buffer->len, 0, (size_t)head);
    buffer->len += (size_t)head;
    if (buffer->len % paging->block_size == 0 && buffer->len > 0) {
        if (put_blocks(paging, buffer->data, buffer->len, err))
            return -1;
        buffer->len = 0;
    }
    len -= head;
    if (put_hole_blocks(paging, len / paging->block_size, err))
        return -1;
    len %= paging->block_size;
    memset(buffer->data + buffer->len, 0, (size_t)len);
    buffer->len += (size_t)len;
    return 0;
}

static int read_paged(struct paging *paging, struct tz_error *err)
{
    struct tz_buf *buffer = &paging->buffer;
    struct reading *reading = paging->reading;
    size_t cap = TZ_MAX((size_t)paging->block_size * 2, (size_t)512 << 10);

    cap -= cap % paging->block_size;
    buffer->len = 0;
    if (tz_buf_reserve(buffer, cap + paging->block_size, err))
        return -1;
    for (;;) {
        size_t got = 0;
        uint64_t hole = 0;

        if (tz_interrupt_check(err) ||
            from_input(reading, tz_input_read(paging->record->input, buffer->data + buffer->len,
                                              cap - buffer->len, &got, &hole, err)))
            return -1;
        if (got == 0 && hole == 0)
            break;
        buffer->len += got;
        atomic_fetch_add(reading->bytes, got + hole);
        if (hole && put_hole(paging, hole, err))
            return -1;
        if (buffer->len == cap) {
            if (put_blocks(paging, buffer->data, buffer->len, err))
                return -1;
            buffer->len = 0;
        }
    }
    return buffer->len > 0 ? put_blocks(paging, buffer->data, buffer->len, err) : 0;
}

static int read_stream(struct reading *reading, struct record *record, uint64_t *ret_size,
                       struct tz_error *err)
{
    *ret_size = 0;
    for (;;) {
        uint8_t *room = NULL;
        size_t have = 0, got = 0;
        uint64_t hole = 0;

        if (tz_interrupt_check(err) || tz_cutter_room(reading->cutter, &room, &have, err) ||
            from_input(reading, tz_input_read(record->input, room, TZ_MIN(have, (size_t)1 << 20),
                                              &got, &hole, err)))
            return -1;
        if (got == 0 && hole == 0)
            return 0;
        if (tz_cutter_fresh(reading->cutter, got, err))
            return -1;
        struct tz_extent extent = {.len = hole};
        if (hole && tz_cutter_known(reading->cutter, &extent, 0, err))
            return -1;
        *ret_size += got + hole;
        atomic_fetch_add(reading->bytes, got + hole);
    }
}

static bool past_usable(const struct reading *reading, const struct record *record,
                        uint32_t block_size)
{
    const struct local_extra *old = &record->old;

    return reading->last && record->has_old && old->block_size == block_size &&
           old->tag_count > 0 &&
           !(old->list_count > SCATTERED_MIN && old->list_count > old->tag_count / 2);
}

static int read_pages_once(struct reading *reading, struct record *record, uint32_t block_size,
                           uint64_t *ret_size, struct tz_error *err)
{
    struct paging *paging = calloc(1, sizeof(*paging));
    int failed = 0;

    if (!paging)
        return tz_fail_nomem(err);
    paging->reading = reading;
    paging->record = record;
    paging->block_size = block_size;
    paging->past.last = reading->last;
    paging->past.extra = &record->old;
    paging->past.usable = past_usable(reading, record, block_size);
    size_t most = TZ_MAX((size_t)block_size * 2, (size_t)512 << 10) / block_size + 2;
    paging->tags = calloc(most, sizeof(*paging->tags));
    failed = paging->tags ? read_paged(paging, err) : tz_fail_nomem(err);
    *ret_size = paging->size;
    record->extra.tag_first = paging->tag_first;
    record->extra.tag_count = paging->blocks;
    record->extra.block_size = block_size;
    tz_buf_clear(&paging->buffer);
    free(paging->tags);
    free(paging);
    return failed;
}

/* Read until it holds still; marked if it will not. */
static int read_still(struct reading *reading, struct record *record, uint32_t block_size,
                      struct tz_error *err)
{
    for (int i = 0;; i++) {
        bool changed = false;
        uint64_t size = 0;
        struct tz_error why = {0};

        if (block_size ? read_pages_once(reading, record, block_size, &size, err)
                       : read_stream(reading, record, &size, err))
            return -1;
        if (from_input(reading, tz_input_finish(record->input, &record->entry, &changed, err)))
            return -1;
        record->entry.size = size;
        if (!changed)
            return 0;
        if (i == REREADS || tz_input_hints(record->input)->sequential) {
            record->entry.flags |= TZ_ENTRY_CHANGED;
            (void)tz_fail(&why, TZ_FAILED, "it changed while it was read, %d times", i + 1);
            warn(reading, record, &why);
            return 0;
        }
        if (tz_cutter_restart(reading->cutter, err) ||
            from_input(reading, tz_input_rewind(record->input, &record->entry, err)))
            return -1;
    }
}

bool tz_is_files_fault(const struct tz_error *why)
{
    return why->kind != TZ_NOMEM && why->kind != TZ_INTERRUPTED;
}

int tz_read_large(struct reading *reading, struct batch *batch, struct record *record,
                  struct tz_error *err)
{
    uint32_t block_size = tz_input_hints(record->input)->block_size;
    bool sequential = tz_input_hints(record->input)->sequential;
    struct tz_error why = {0};

    if (tz_cutter_begin(reading->cutter, batch, record, block_size != 0, err))
        return -1;
    reading->input_failed = false;
    int failed = read_still(reading, record, block_size, &why);
    if (failed && (sequential || !reading->input_failed || !tz_is_files_fault(&why))) {
        if (err)
            *err = why;
        return -1;
    }
    if (failed) {
        warn(reading, record, &why);
        record->extra.tag_count = 0;
    }
    tz_input_free(record->input);
    record->input = NULL;
    return tz_cutter_end(reading->cutter, failed != 0, err);
}
