#include "tozai/core/references.h"

#include "root.h"
#include "tozai/util/fingerprints.h"
#include "tozai/util/interrupt.h"

#include <string.h>

#include "tozai/util/banned.h"

struct walk {
    const struct tz_reference_visitor *visitor;
    struct tz_chunk_reader *chunks;
    /* A list is read while the one above it is in use. */
    struct tz_buf lists[TZ_LIST_LEVELS];
};

static void clear(struct walk *walk)
{
    tz_chunk_reader_free(walk->chunks);
    for (size_t i = 0; i < TZ_LIST_LEVELS; i++)
        tz_buf_clear(&walk->lists[i]);
}

static uint64_t key_of(const struct tz_extent *extent, unsigned level)
{
    uint64_t place = extent->offset * UINT64_C(0x9e3779b97f4a7c15) ^ extent->len << 8 ^ level;

    return tz_fingerprint(extent->id) ^ place;
}

static int visit_list(struct walk *walk, const struct tz_extent *list, unsigned level,
                      struct tz_error *err);

/* level 0: content; else a list whose extents are of the level below. */
static int visit_extent(struct walk *walk, const struct tz_extent *extent, unsigned level,
                        struct tz_error *err)
{
    const struct tz_reference_visitor *visitor = walk->visitor;
    uint64_t key = key_of(extent, level);

    if (tz_extent_is_hole(extent))
        return level == 0 ? 0 : tz_fail(err, TZ_CORRUPT, "a list in the manifest is a hole");
    if (visitor->found(visitor->arg, extent->id, err))
        return -1;
    if (level == 0 || visitor->enter(visitor->arg, key))
        return 0;
    return visit_list(walk, extent, level, err) || visitor->leave(visitor->arg, key, err) ? -1 : 0;
}

static int visit_list(struct walk *walk, const struct tz_extent *list, unsigned level,
                      struct tz_error *err)
{
    struct tz_buf *bytes = &walk->lists[level];
    struct tz_coder coder = {0};
    int failed = tz_interrupt_check(err);

    tz_buf_reset(bytes);
    failed = failed || tz_manifest_load(walk->chunks, list, 1, list->len, TZ_CHUNK_MAX, bytes, err);
    struct tz_cursor c = tz_cursor(bytes->data, bytes->len);
    while (!failed && tz_left(&c) > 0) {
        struct tz_extent extent;
        uint64_t pack;
        failed = tz_extent_decode(&coder, &c, NULL, &extent, &pack, err) ||
                 visit_extent(walk, &extent, level - 1, err);
    }
    tz_coder_clear(&coder);
    return failed ? -1 : 0;
}

static int visit_entry(struct walk *walk, const struct tz_entry *entry, struct tz_error *err)
{
    if (entry->level >= TZ_LIST_LEVELS)
        return tz_fail(err, TZ_CORRUPT, "damaged content list in a manifest");
    for (uint32_t i = 0; i < entry->extent_count; i++) {
        /* A stretch of a small file is often a part of the chunk before. */
        if (i > 0 && entry->level == 0 &&
            memcmp(entry->extents[i].id, entry->extents[i - 1].id, TZ_ID_SIZE) == 0)
            continue;
        if (visit_extent(walk, &entry->extents[i], entry->level, err))
            return -1;
    }
    return 0;
}

static int visit_entries(struct walk *walk, const uint8_t *data, size_t len, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_entry) struct tz_entry entry = {0};
    struct tz_cursor c = tz_cursor(data, len);
    struct tz_coder coder = {0};
    int failed = 0;

    while (!failed && tz_left(&c) > 0)
        failed = tz_entry_decode(&coder, &c, NULL, &entry, err) || visit_entry(walk, &entry, err);
    tz_coder_clear(&coder);
    return failed ? -1 : 0;
}

static int visit_piece(struct walk *walk, const struct tz_manifest_piece *piece,
                       struct tz_error *err)
{
    const struct tz_reference_visitor *visitor = walk->visitor;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf copy = {0};
    const uint8_t *data = NULL;
    uint64_t key = tz_fingerprint(piece->id);
    uint32_t len = 0;

    if (tz_interrupt_check(err) || visitor->found(visitor->arg, piece->id, err))
        return -1;
    if (visitor->enter(visitor->arg, key))
        return 0;
    /* Lists are read by the same reader meanwhile. */
    if (tz_chunk_read(walk->chunks, piece->id, &data, &len, err) ||
        tz_buf_append(&copy, data, len, err))
        return -1;
    if (len != piece->len)
        return tz_fail(err, TZ_CORRUPT, "a manifest chunk has the wrong length");
    return visit_entries(walk, copy.data, copy.len, err) || visitor->leave(visitor->arg, key, err)
               ? -1
               : 0;
}

static int visit_head(struct walk *walk, const struct tz_head *head, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_manifest_root) struct tz_manifest_root root = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf bytes = {0};

    for (uint32_t i = 0; i < head->root_count; i++)
        if (walk->visitor->found(walk->visitor->arg, head->root[i].id, err))
            return -1;
    if (tz_manifest_load(walk->chunks, head->root, head->root_count, head->root_len,
                         TZ_MANIFEST_ROOT_MAX, &bytes, err) ||
        tz_manifest_root_parse(&root, bytes.data, bytes.len, err))
        return -1;
    for (size_t i = 0; i < root.count; i++)
        if (visit_piece(walk, &root.pieces[i], err))
            return -1;
    return 0;
}

int tz_each_reference(struct tz_repo *repo, const struct tz_head *head,
                      const struct tz_reference_visitor *visitor, struct tz_error *err)
{
    struct walk walk = {.visitor = visitor};

    int failed = tz_chunk_reader_new(&walk.chunks, repo, err) || visit_head(&walk, head, err);
    clear(&walk);
    return failed ? tz_while(err, "read the manifest of '%s'", head->source) : 0;
}
