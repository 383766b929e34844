#include "tozai/core/manifest.h"
#include "tozai/util/grow.h"

#include <string.h>

/* A list chunk ends behind an extent whose id begins so, or at the maximum: the same part of a list
 * gives the same chunk again. */
#define LIST_CUT_MASK 0x3fU
#define LIST_MIN      4096U
#define LIST_MAX      65536U

/* One level of a list: extents that are not yet in a chunk of the level above. */
struct level {
    struct tz_buf bytes; /* encoded */
    struct tz_coder coder;
};

struct tz_extent_sink {
    struct tz_packer *packer;
    struct tz_idhash *hash;
    struct tz_id_list *refs;
    struct tz_extent *direct; /* while the list is short */
    uint32_t count;
    struct tz_extent pending; /* may still grow */
    bool has_pending;
    struct level levels[TZ_LIST_LEVELS];
    unsigned depth;                  /* levels in use; 0: direct only */
    uint64_t counts[TZ_LIST_LEVELS]; /* extents that each level was given */
};

/* The level above all: it has nowhere to flush to. */
#define TOP (TZ_LIST_LEVELS - 1U)

int tz_id_list_add(struct tz_id_list *list, const uint8_t id[TZ_ID_SIZE], struct tz_error *err)
{
    if (tz_grow(&list->ids, list->count, &list->cap, sizeof(*list->ids), err))
        return -1;
    memcpy(list->ids[list->count++], id, TZ_ID_SIZE);
    return 0;
}

int tz_extent_sink_new(struct tz_extent_sink **ret, struct tz_packer *packer,
                       struct tz_idhash *hash, struct tz_id_list *refs, struct tz_error *err)
{
    struct tz_extent_sink *sink = calloc(1, sizeof(*sink));
    if (!sink)
        return tz_fail_nomem(err);
    sink->direct = calloc(TZ_ENTRY_EXTENTS_MAX, sizeof(*sink->direct));
    if (!sink->direct) {
        free(sink);
        return tz_fail_nomem(err);
    }
    sink->packer = packer;
    sink->hash = hash;
    sink->refs = refs;
    *ret = sink;
    return 0;
}

void tz_extent_sink_free(struct tz_extent_sink *sink)
{
    if (!sink)
        return;
    for (unsigned i = 0; i < TZ_LIST_LEVELS; i++) {
        tz_buf_clear(&sink->levels[i].bytes);
        tz_coder_clear(&sink->levels[i].coder);
    }
    free(sink->direct);
    free(sink);
}

static int push(struct tz_extent_sink *sink, unsigned level, const struct tz_extent *extent,
                struct tz_error *err);

/* Store what a level has gathered as one chunk, and note it one level up. */
static int flush_level(struct tz_extent_sink *sink, unsigned level, struct tz_error *err)
{
    struct level *l = &sink->levels[level];
    struct tz_extent up = {.len = l->bytes.len};

    if (l->bytes.len == 0)
        return 0;
    if (tz_idhash(sink->hash, l->bytes.data, l->bytes.len, up.id, err) ||
        tz_packer_add(sink->packer, TZ_PACKER_MANIFEST, up.id, l->bytes.data,
                      (uint32_t)l->bytes.len, err) ||
        tz_id_list_add(sink->refs, up.id, err))
        return -1;
    tz_buf_reset(&l->bytes);
    tz_coder_clear(&l->coder);
    return push(sink, level + 1, &up, err);
}

/* Level n's extents point at chunks of encoded extents of level n - 1. */
static int push(struct tz_extent_sink *sink, unsigned level, const struct tz_extent *extent,
                struct tz_error *err)
{
    struct level *l = &sink->levels[level];

    if (level == TOP && sink->counts[level] == TZ_ENTRY_EXTENTS_MAX)
        return tz_fail(err, TZ_UNSUPPORTED, "a file has too many pieces");
    sink->counts[level]++;
    if (level + 1 > sink->depth)
        sink->depth = level + 1;
    if (tz_extent_encode(&l->coder, extent, 0, NULL, &l->bytes, err))
        return -1;
    if (level == TOP)
        return 0;
    bool cut = (extent->id[0] & LIST_CUT_MASK) == 0 && l->bytes.len >= LIST_MIN;
    return cut || l->bytes.len >= LIST_MAX ? flush_level(sink, level, err) : 0;
}

static int append(struct tz_extent_sink *sink, const struct tz_extent *extent, struct tz_error *err)
{
    if (sink->depth > 0)
        return push(sink, 0, extent, err);
    if (sink->count < TZ_ENTRY_EXTENTS_MAX) {
        sink->direct[sink->count++] = *extent;
        return 0;
    }
    /* Too long for the entry: from now on it is a list. */
    for (uint32_t i = 0; i < sink->count; i++)
        if (push(sink, 0, &sink->direct[i], err))
            return -1;
    sink->count = 0;
    return push(sink, 0, extent, err);
}

static bool joins(const struct tz_extent *last, const struct tz_extent *extent)
{
    if (memcmp(last->id, extent->id, TZ_ID_SIZE) != 0)
        return false;
    return tz_extent_is_hole(extent) ? last->len <= TZ_HOLE_MAX - extent->len
                                     : last->offset + last->len == extent->offset;
}

static int add(struct tz_extent_sink *sink, const struct tz_extent *extent, struct tz_error *err)
{
    struct tz_extent *last = &sink->pending;

    if (extent->len == 0)
        return 0;
    if (sink->has_pending && joins(last, extent)) {
        last->len += extent->len;
        return 0;
    }
    if (sink->has_pending && append(sink, last, err))
        return -1;
    *last = *extent;
    sink->has_pending = true;
    return 0;
}

int tz_extent_sink_add(struct tz_extent_sink *sink, const struct tz_extent *extent,
                       struct tz_error *err)
{
    struct tz_extent rest = *extent;

    while (tz_extent_is_hole(&rest) && rest.len > TZ_HOLE_MAX) {
        struct tz_extent part = {.len = TZ_HOLE_MAX};
        if (add(sink, &part, err))
            return -1;
        rest.len -= TZ_HOLE_MAX;
    }
    return add(sink, &rest, err);
}

/* Decode what the top level holds: few extents, which go into the entry. */
static int take_top(struct tz_extent_sink *sink, unsigned top, struct tz_entry *entry,
                    struct tz_error *err)
{
    struct level *l = &sink->levels[top];
    struct tz_coder coder = {0};
    struct tz_cursor c = tz_cursor(l->bytes.data, l->bytes.len);
    int failed = 0;

    while (!failed && tz_left(&c) > 0) {
        struct tz_extent extent;
        uint64_t pack;
        failed = tz_extent_decode(&coder, &c, NULL, &extent, &pack, err) ||
                 tz_entry_add_extent(entry, &extent, 0, err);
    }
    tz_coder_clear(&coder);
    tz_buf_reset(&l->bytes);
    tz_coder_clear(&l->coder);
    entry->level = top;
    return failed ? -1 : 0;
}

static int finish_levels(struct tz_extent_sink *sink, struct tz_entry *entry, struct tz_error *err)
{
    unsigned level = 0;

    if (flush_level(sink, 0, err))
        return -1;
    /* A level that was cut before goes up as a whole, until one is short enough. */
    for (level = 1; level < TOP; level++) {
        if (sink->counts[level] <= TZ_ENTRY_EXTENTS_MAX && level + 1 == sink->depth)
            break;
        if (flush_level(sink, level, err))
            return -1;
    }
    return take_top(sink, level, entry, err);
}

int tz_extent_sink_finish(struct tz_extent_sink *sink, struct tz_entry *entry, struct tz_error *err)
{
    int failed = 0;

    entry->extent_count = 0;
    entry->level = 0;
    if (sink->has_pending && append(sink, &sink->pending, err))
        return -1;
    sink->has_pending = false;
    if (sink->depth > 0) {
        failed = finish_levels(sink, entry, err);
    } else {
        for (uint32_t i = 0; !failed && i < sink->count; i++)
            failed = tz_entry_add_extent(entry, &sink->direct[i], 0, err);
    }
    sink->count = 0;
    sink->depth = 0;
    memset(sink->counts, 0, sizeof(sink->counts));
    return failed;
}
