#include "root.h"

#include "tozai/util/grow.h"

#include <assert.h>
#include <string.h>

#define ROOT_PATH_MAX (1U << 20)

struct tz_manifest_reader {
    struct tz_chunk_reader *chunks;
    struct tz_buf bytes; /* of the root */
    struct tz_manifest_root root;
    size_t at;       /* the next piece */
    size_t expected; /* the first piece that was not expected yet */
    bool seeks;      /* what comes next is not known */
    char *prefix;
    size_t prefix_len;
    struct tz_id_list root_ids;
    struct tz_coder coder;
    struct tz_buf chunk; /* a copy: the reader's own may be replaced while entries are used */
    struct tz_cursor cursor;
    uint64_t left;      /* entries of the chunk that are to come */
    struct tz_buf last; /* path of the entry before, to hold the order */
    bool has_last;
    tz_manifest_lost_fn *lost; /* NULL: what cannot be had is an error */
    void *lost_arg;
    size_t lost_from; /* the run of such pieces that ends here */
    size_t lost_count;
    struct tz_error why; /* of its first one */
    bool any;            /* some piece was read */
};

int tz_manifest_load(struct tz_chunk_reader *chunks, const struct tz_extent *extents,
                     uint32_t count, uint64_t len, size_t max, struct tz_buf *out,
                     struct tz_error *err)
{
    size_t begin = out->len;

    if (len > max)
        return tz_fail(err, TZ_CORRUPT, "a list in the manifest is impossibly long");
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *data = NULL;
        uint32_t data_len = 0;

        if (tz_chunk_read(chunks, extents[i].id, &data, &data_len, err))
            return -1;
        if (extents[i].len > data_len || extents[i].offset > data_len - extents[i].len)
            return tz_fail(err, TZ_CORRUPT, "a list in the manifest goes beyond its chunk");
        if (extents[i].len > len - (out->len - begin))
            return tz_fail(err, TZ_CORRUPT, "a list in the manifest is longer than it should be");
        if (tz_buf_append(out, data + extents[i].offset, (size_t)extents[i].len, err))
            return -1;
    }
    if (out->len - begin != len)
        return tz_fail(err, TZ_CORRUPT, "a list in the manifest is cut");
    return 0;
}

void tz_manifest_root_clear(struct tz_manifest_root *root)
{
    free(root->pieces);
    *root = (struct tz_manifest_root){0};
}

/* One line of the root. */
static int get_piece(struct tz_cursor *c, struct tz_manifest_piece *piece, struct tz_error *err)
{
    const uint8_t *id = tz_get_raw(c, TZ_ID_SIZE);
    uint64_t len = tz_get_varint(c);

    piece->entries = tz_get_varint(c);
    piece->first = (const char *)tz_get_bytes(c, ROOT_PATH_MAX, &piece->first_len);
    if (!id || !piece->first || len == 0 || len > TZ_CHUNK_MAX || piece->entries == 0 ||
        piece->entries > len || !tz_path_valid(piece->first, piece->first_len))
        return tz_fail(err, TZ_CORRUPT, "damaged manifest root");
    memcpy(piece->id, id, TZ_ID_SIZE);
    piece->len = (uint32_t)len;
    return 0;
}

int tz_manifest_root_parse(struct tz_manifest_root *root, const void *data, size_t len,
                           struct tz_error *err)
{
    struct tz_cursor c = tz_cursor(data, len);
    size_t cap = 0;

    while (tz_left(&c) > 0) {
        if (tz_grow(&root->pieces, root->count, &cap, sizeof(*root->pieces), err))
            return -1;
        struct tz_manifest_piece *piece = &root->pieces[root->count];
        if (get_piece(&c, piece, err))
            return -1;
        if (root->count > 0 && tz_path_compare(piece[-1].first, piece[-1].first_len, piece->first,
                                               piece->first_len) >= 0)
            return tz_fail(err, TZ_CORRUPT, "the manifest's root is out of order");
        root->count++;
    }
    return 0;
}

/* The first piece that may hold the path: the last one that begins at or before it. */
static size_t find_piece(const struct tz_manifest_reader *reader, const char *path, size_t len)
{
    size_t low = 0, high = reader->root.count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct tz_manifest_piece *p = &reader->root.pieces[middle];
        if (tz_path_compare(p->first, p->first_len, path, len) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 ? low - 1 : 0;
}

int tz_manifest_reader_new(struct tz_manifest_reader **ret, struct tz_repo *repo,
                           const struct tz_head *head, const char *prefix, size_t prefix_len,
                           struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_manifest_reader)
    struct tz_manifest_reader *reader = calloc(1, sizeof(*reader));
    if (!reader)
        return tz_fail_nomem(err);
    reader->prefix = malloc(prefix_len + 1);
    if (!reader->prefix)
        return tz_fail_nomem(err);
    memcpy(reader->prefix, prefix, prefix_len);
    reader->prefix[prefix_len] = 0;
    reader->prefix_len = prefix_len;
    for (uint32_t i = 0; i < head->root_count; i++)
        if (tz_id_list_add(&reader->root_ids, head->root[i].id, err))
            return -1;
    if (tz_chunk_reader_new(&reader->chunks, repo, err) ||
        tz_manifest_load(reader->chunks, head->root, head->root_count, head->root_len,
                         TZ_MANIFEST_ROOT_MAX, &reader->bytes, err) ||
        tz_manifest_root_parse(&reader->root, reader->bytes.data, reader->bytes.len, err))
        return tz_while(err, "read the manifest of '%s'", head->source);
    reader->at = find_piece(reader, prefix, prefix_len);
    *ret = TZ_TAKE(reader);
    return 0;
}

void tz_manifest_reader_free(struct tz_manifest_reader *reader)
{
    if (!reader)
        return;
    tz_chunk_reader_free(reader->chunks);
    tz_buf_clear(&reader->bytes);
    tz_manifest_root_clear(&reader->root);
    tz_buf_clear(&reader->chunk);
    tz_buf_clear(&reader->last);
    tz_coder_clear(&reader->coder);
    free(reader->prefix);
    free(reader->root_ids.ids);
    free(reader);
}

/* Is the path behind all that the prefix holds? */
static bool is_behind(const struct tz_manifest_reader *reader, const char *path, size_t len)
{
    return !tz_path_within(path, len, reader->prefix, reader->prefix_len) &&
           tz_path_compare(path, len, reader->prefix, reader->prefix_len) > 0;
}

/* Nothing of the prefix can be in this piece or behind it: by the root, so without reading one
 * chunk too many. */
static bool is_end(const struct tz_manifest_reader *reader, size_t piece)
{
    if (piece == reader->root.count)
        return true;
    const struct tz_manifest_piece *next = &reader->root.pieces[piece];
    return is_behind(reader, next->first, next->first_len);
}

static void expect_pieces(struct tz_manifest_reader *reader)
{
    reader->expected = TZ_MAX(reader->expected, reader->at);
    while (!reader->seeks && !is_end(reader, reader->expected) &&
           tz_chunk_expect(reader->chunks, reader->root.pieces[reader->expected].id))
        reader->expected++;
}

static int next_piece(struct tz_manifest_reader *reader, struct tz_error *err)
{
    const struct tz_manifest_piece *piece = &reader->root.pieces[reader->at];
    const uint8_t *data = NULL;
    uint32_t len = 0;

    expect_pieces(reader);

    if (tz_chunk_read(reader->chunks, piece->id, &data, &len, err))
        return -1;
    if (len != piece->len)
        return tz_fail(err, TZ_CORRUPT, "a manifest chunk has the wrong length");
    tz_buf_reset(&reader->chunk);
    if (tz_buf_append(&reader->chunk, data, len, err))
        return -1;
    reader->cursor = tz_cursor(reader->chunk.data, len);
    tz_coder_clear(&reader->coder);
    reader->left = piece->entries;
    reader->at++;
    return 0;
}

/* A chunk must hold what the root says of it: by that parts of the tree are found. */
static int hold_root(struct tz_manifest_reader *reader, const struct tz_entry *entry,
                     struct tz_error *err)
{
    const struct tz_manifest_piece *piece = &reader->root.pieces[reader->at - 1];
    bool first = reader->left == piece->entries;
    bool same = !first || (entry->path_len == piece->first_len &&
                           memcmp(entry->path, piece->first, piece->first_len) == 0);

    reader->left -= reader->left > 0;
    if (!same || (reader->left == 0) != (tz_left(&reader->cursor) == 0))
        return tz_fail(err, TZ_CORRUPT, "a manifest chunk is not what the root says");
    return 0;
}

/* The order is what merges, prefixes and safe restores rest on. */
static int hold_order(struct tz_manifest_reader *reader, const struct tz_entry *entry,
                      struct tz_error *err)
{
    struct tz_buf *last = &reader->last;

    if (reader->has_last &&
        tz_path_compare((const char *)last->data, last->len, entry->path, entry->path_len) >= 0)
        return tz_fail(err, TZ_CORRUPT, "the manifest is out of order");
    tz_buf_reset(last);
    reader->has_last = true;
    return tz_buf_append(last, entry->path, entry->path_len, err);
}

void tz_manifest_reader_tolerate(struct tz_manifest_reader *reader, tz_manifest_lost_fn *lost,
                                 void *arg)
{
    reader->lost = lost;
    reader->lost_arg = arg;
}

static bool can_be_lost(enum tz_error_kind kind)
{
    return kind == TZ_CORRUPT || kind == TZ_NOT_FOUND || kind == TZ_UNAVAILABLE || kind == TZ_IO ||
           kind == TZ_DENIED;
}

/* The run of lost pieces is over. */
static void tell_lost(struct tz_manifest_reader *reader)
{
    if (reader->lost_count == 0)
        return;
    const struct tz_manifest_piece *from = &reader->root.pieces[reader->lost_from];
    const struct tz_manifest_piece *to = from + reader->lost_count;
    bool last = reader->lost_from + reader->lost_count == reader->root.count;
    reader->lost(reader->lost_arg, from->first, from->first_len, last ? NULL : to->first,
                 last ? 0 : to->first_len, &reader->why);
    reader->lost_count = 0;
}

/* Go on to the next piece; one that is lost is noted. */
static int step(struct tz_manifest_reader *reader, struct tz_error *err)
{
    struct tz_error why = {0};

    if (!next_piece(reader, &why)) {
        tell_lost(reader);
        reader->any = true;
        return 0;
    }
    if (!reader->lost || !can_be_lost(why.kind)) {
        if (err)
            *err = why;
        return -1;
    }
    if (reader->lost_count == 0) {
        reader->lost_from = reader->at;
        reader->why = why;
    }
    reader->lost_count++;
    reader->at++;
    return 0;
}

static int finish(struct tz_manifest_reader *reader, bool *ret_done, struct tz_error *err)
{
    if (reader->lost_count > 0 && !reader->any) {
        if (err)
            *err = reader->why;
        return -1;
    }
    tell_lost(reader);
    *ret_done = true;
    return 0;
}

int tz_manifest_next(struct tz_manifest_reader *reader, struct tz_entry *entry, bool *ret_done,
                     struct tz_error *err)
{
    *ret_done = false;
    for (;;) {
        while (tz_left(&reader->cursor) == 0) {
            bool end = is_end(reader, reader->at);
            if (end ? finish(reader, ret_done, err) : step(reader, err))
                return tz_while(err, "read the manifest");
            if (end)
                return 0;
        }
        if (tz_entry_decode(&reader->coder, &reader->cursor, NULL, entry, err) ||
            hold_order(reader, entry, err) || hold_root(reader, entry, err))
            return tz_while(err, "read the manifest");
        if (tz_path_within(entry->path, entry->path_len, reader->prefix, reader->prefix_len))
            return 0;
        if (is_behind(reader, entry->path, entry->path_len)) {
            reader->at = reader->root.count;
            reader->cursor.at = reader->cursor.end;
        }
    }
}

void tz_manifest_seek(struct tz_manifest_reader *reader, const char *path, size_t path_len,
                      bool *ret_moved)
{
    size_t piece = find_piece(reader, path, path_len);
    const struct tz_buf *last = &reader->last;

    assert(reader->prefix_len == 0 && !reader->lost);
    reader->seeks = true;
    *ret_moved = !(reader->at == piece + 1 && reader->has_last &&
                   tz_path_compare((const char *)last->data, last->len, path, path_len) < 0);
    if (!*ret_moved)
        return;
    reader->at = piece;
    reader->cursor = (struct tz_cursor){0};
    reader->has_last = false;
}

int tz_manifest_each_chunk(struct tz_manifest_reader *reader, tz_manifest_chunk_fn *found,
                           void *arg, struct tz_error *err)
{
    for (size_t i = 0; i < reader->root_ids.count; i++)
        if (found(arg, reader->root_ids.ids[i], err))
            return -1;
    for (size_t i = 0; i < reader->root.count; i++)
        if (found(arg, reader->root.pieces[i].id, err))
            return -1;
    return 0;
}

/* One level of an extent list while it is walked. */
struct walk_level {
    struct tz_buf chunk;
    struct tz_cursor cursor;
    struct tz_coder coder;
};

#define AHEAD 64U

/* What comes next, of which the reader of the content is told. */
struct lookahead {
    struct tz_chunk_reader *content;
    struct tz_extent extents[AHEAD]; /* a ring */
    unsigned first, count, expected;
    bool ended; /* by what: */
    int failed;
    struct tz_error why;
};

struct tz_extent_walk {
    struct tz_chunk_reader *chunks; /* NULL for level 0 */
    struct lookahead *ahead;        /* NULL: nobody is to be told */
    const struct tz_entry *entry;
    uint32_t at; /* in the entry's extents */
    struct walk_level levels[TZ_LIST_LEVELS];
    uint64_t left; /* bytes of the file still to come */
};

int tz_extent_walk_new(struct tz_extent_walk **ret, struct tz_repo *repo,
                       const struct tz_entry *entry, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_extent_walk) struct tz_extent_walk *walk = calloc(1, sizeof(*walk));
    if (!walk)
        return tz_fail_nomem(err);
    if (entry->level >= TZ_LIST_LEVELS)
        return tz_fail(err, TZ_CORRUPT, "damaged content list in a manifest");
    if (entry->level > 0 && tz_chunk_reader_new(&walk->chunks, repo, err))
        return -1;
    walk->entry = entry;
    walk->left = entry->size;
    *ret = TZ_TAKE(walk);
    return 0;
}

void tz_extent_walk_free(struct tz_extent_walk *walk)
{
    if (!walk)
        return;
    for (unsigned i = 0; i < TZ_LIST_LEVELS; i++) {
        tz_buf_clear(&walk->levels[i].chunk);
        tz_coder_clear(&walk->levels[i].coder);
    }
    tz_chunk_reader_free(walk->chunks);
    free(walk->ahead);
    free(walk);
}

/* The next extent of a level: from the entry itself at the top, else from the chunk below. */
static int next_at(struct tz_extent_walk *walk, unsigned level, struct tz_extent *extent,
                   bool *ret_done, struct tz_error *err)
{
    uint64_t pack;

    if (level == walk->entry->level) {
        *ret_done = walk->at == walk->entry->extent_count;
        if (!*ret_done)
            *extent = walk->entry->extents[walk->at++];
        return 0;
    }
    struct walk_level *l = &walk->levels[level];
    while (tz_left(&l->cursor) == 0) {
        struct tz_extent up;
        if (next_at(walk, level + 1, &up, ret_done, err))
            return -1;
        if (*ret_done)
            return 0;
        tz_buf_reset(&l->chunk);
        tz_coder_clear(&l->coder);
        if (tz_manifest_load(walk->chunks, &up, 1, up.len, TZ_CHUNK_MAX, &l->chunk, err))
            return -1;
        l->cursor = tz_cursor(l->chunk.data, l->chunk.len);
    }
    *ret_done = false;
    return tz_extent_decode(&l->coder, &l->cursor, NULL, extent, &pack, err);
}

static int walk_on(struct tz_extent_walk *walk, struct tz_extent *extent, bool *ret_done,
                   struct tz_error *err)
{
    if (next_at(walk, 0, extent, ret_done, err))
        return -1;
    if (*ret_done && walk->left > 0)
        return tz_fail(err, TZ_CORRUPT, "a file's pieces do not make up its size in a manifest");
    if (!*ret_done) {
        if (extent->len > walk->left)
            return tz_fail(err, TZ_CORRUPT, "a file's pieces are more than its size in a manifest");
        walk->left -= extent->len;
    }
    return 0;
}

void tz_extent_walk_expect(struct tz_extent_walk *walk, struct tz_chunk_reader *content)
{
    if (tz_chunk_reader_is_far(content))
        walk->ahead = calloc(1, sizeof(*walk->ahead)); /* without memory it goes as before */
    if (walk->ahead)
        walk->ahead->content = content;
}

/* As far as what is read goes, and what the reader has room for. */
static void look_ahead(struct tz_extent_walk *walk)
{
    struct lookahead *ahead = walk->ahead;

    for (;;) {
        for (; ahead->expected < ahead->count; ahead->expected++) {
            const struct tz_extent *extent =
                &ahead->extents[(ahead->first + ahead->expected) % AHEAD];
            if (!tz_extent_is_hole(extent) && !tz_chunk_expect(ahead->content, extent->id))
                return;
        }
        if (ahead->ended || ahead->count == AHEAD)
            return;
        struct tz_extent *next = &ahead->extents[(ahead->first + ahead->count) % AHEAD];
        ahead->failed = walk_on(walk, next, &ahead->ended, &ahead->why);
        ahead->ended = ahead->ended || ahead->failed;
        ahead->count += !ahead->ended;
    }
}

int tz_extent_walk_next(struct tz_extent_walk *walk, struct tz_extent *extent, bool *ret_done,
                        struct tz_error *err)
{
    struct lookahead *ahead = walk->ahead;

    if (!ahead)
        return walk_on(walk, extent, ret_done, err);
    look_ahead(walk);
    *ret_done = ahead->count == 0;
    if (!*ret_done) {
        *extent = ahead->extents[ahead->first];
        ahead->first = (ahead->first + 1) % AHEAD;
        ahead->count--;
        ahead->expected -= ahead->expected > 0;
        return 0;
    }
    if (ahead->failed && err)
        *err = ahead->why;
    return ahead->failed;
}
