#include "random_entry.h"

#include "tozai/core/manifest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CHUNK 60000U /* bytes of the made-up chunks of small files */

static void add_extent(struct tz_entry *entry, const uint8_t id[TZ_ID_SIZE], uint32_t offset,
                       uint64_t len)
{
    struct tz_extent extent = {.offset = offset, .len = len};
    uint64_t pack = 0;

    memcpy(extent.id, id, TZ_ID_SIZE);
    for (size_t i = 0; i < TZ_ID_SIZE; i++)
        pack = pack * 31 + id[i]; /* one chunk lies in one pack; a hole in none */
    assert_int_equal(tz_entry_add_extent(entry, &extent, pack >> 1, NULL), 0);
    entry->size += len;
}

static char *copy_text(const char *text)
{
    char *copy = strdup(text);
    assert_non_null(copy);
    return copy;
}

static char *random_text(struct seeded *seeded, size_t len)
{
    char *text = malloc(len + 1);

    assert_non_null(text);
    for (size_t i = 0; i < len; i++)
        text[i] = (char)(1 + seeded_below(seeded, 255));
    text[len] = 0;
    return text;
}

/* A name below a directory; few letters, so that many share their beginnings. */
static size_t random_name(struct seeded *seeded, char *name)
{
    static const char letters[] = "aaabcd.!- \x01\x7f\xc3\xa4\xff";
    size_t len = 1 + seeded_below(seeded, seeded_one_in(seeded, 20) ? 200 : 8);

    for (size_t i = 0; i < len; i++)
        name[i] = letters[seeded_below(seeded, sizeof(letters) - 1)];
    if (name[0] == '.')
        name[0] = 'e';
    return len;
}

static void make_path(struct seeded *seeded, const struct tz_entry *parent, struct tz_entry *entry)
{
    char *path = malloc(parent->path_len + 202);
    size_t len = parent->path_len;

    assert_non_null(path);
    memcpy(path, parent->path, len);
    if (len > 0)
        path[len++] = '/';
    len += random_name(seeded, path + len);
    path[len] = 0;
    entry->path = path;
    entry->path_len = len;
}

static void make_metadata(struct seeded *seeded, struct tz_entry *entry)
{
    static const char *const names[] = {"root", "daemon", "www-data", "a name with spaces"};
    static const uint32_t modes[] = {0644, 0755, 0600, 07777, 0};

    entry->mode = modes[seeded_below(seeded, TZ_COUNT(modes))];
    entry->uid = seeded_one_in(seeded, 8) ? (uint32_t)seeded_next(seeded) : 1000;
    entry->gid = seeded_one_in(seeded, 8) ? UINT32_MAX : 100;
    if (!seeded_one_in(seeded, 5))
        entry->user = copy_text(names[seeded_below(seeded, TZ_COUNT(names))]);
    if (!seeded_one_in(seeded, 5))
        entry->group = copy_text(names[seeded_below(seeded, 2)]);
    entry->mtime_s = 1700000000 + (int64_t)seeded_below(seeded, 3);
    if (seeded_one_in(seeded, 30))
        entry->mtime_s = (int64_t)seeded_next(seeded);
    entry->mtime_ns = seeded_one_in(seeded, 2) ? 0 : (uint32_t)seeded_below(seeded, 1000000000);
    entry->flags = seeded_one_in(seeded, 10) ? (uint32_t)seeded_below(seeded, 4) : 0;
    entry->inode_flags = seeded_one_in(seeded, 10) ? (uint32_t)seeded_next(seeded) : 0;
    entry->dev = seeded_one_in(seeded, 10) ? seeded_next(seeded) : 2049;
    entry->ino = seeded_one_in(seeded, 3) ? seeded_next(seeded) : seeded_below(seeded, 1000);
    entry->ctime_s = (int64_t)seeded_below(seeded, 2000000000);
    entry->ctime_ns = (uint32_t)seeded_below(seeded, 1000000000);
}

static void make_xattrs(struct seeded *seeded, struct tz_entry *entry)
{
    uint32_t count = 1 + (uint32_t)seeded_below(seeded, 4);

    entry->xattrs = calloc(count, sizeof(*entry->xattrs));
    assert_non_null(entry->xattrs);
    for (uint32_t i = 0; i < count; i++) {
        size_t len = seeded_below(seeded, seeded_one_in(seeded, 40) ? 65537 : 50);
        entry->xattrs[i].name = random_text(seeded, 1 + seeded_below(seeded, 255));
        entry->xattrs[i].value = malloc(len + 1);
        assert_non_null(entry->xattrs[i].value);
        seeded_fill(seeded, entry->xattrs[i].value, len);
        entry->xattrs[i].value_len = len;
        entry->xattr_count++;
    }
}

/* The stream of small files: where in which chunk the next one begins. */
struct stream {
    uint8_t id[TZ_ID_SIZE];
    uint32_t offset;
};

static void make_small(struct seeded *seeded, struct stream *stream, struct tz_entry *entry)
{
    uint64_t left = seeded_below(seeded, 9000);

    while (left > 0) {
        if (stream->offset == CHUNK) {
            seeded_fill(seeded, stream->id, TZ_ID_SIZE);
            stream->offset = 0;
        }
        uint64_t part = TZ_MIN(left, (uint64_t)(CHUNK - stream->offset));
        add_extent(entry, stream->id, stream->offset, part);
        stream->offset += (uint32_t)part;
        left -= part;
    }
}

static void make_large(struct seeded *seeded, struct tz_entry *entry)
{
    static const uint8_t hole[TZ_ID_SIZE];
    uint32_t count = (uint32_t)seeded_below(seeded, seeded_one_in(seeded, 20) ? 512 : 6);
    uint8_t ids[12][TZ_ID_SIZE];

    seeded_fill(seeded, ids, sizeof(ids));
    for (uint32_t i = 0; i <= count && entry->extent_count < TZ_ENTRY_EXTENTS_MAX; i++) {
        uint32_t offset = (uint32_t)seeded_below(seeded, TZ_CHUNK_MAX);
        if (seeded_one_in(seeded, 6))
            add_extent(entry, hole, 0, 1 + seeded_below(seeded, UINT64_C(1) << 40));
        else
            add_extent(entry, ids[seeded_below(seeded, TZ_COUNT(ids))], offset,
                       1 + seeded_below(seeded, TZ_CHUNK_MAX - offset));
    }
    if (seeded_one_in(seeded, 15)) {
        entry->level = 1 + (uint32_t)seeded_below(seeded, TZ_LIST_LEVELS - 1);
        entry->size = seeded_next(seeded) >> 1;
    }
}

static void make_content(struct seeded *seeded, struct stream *stream, struct tz_entry *entry,
                         const struct tz_entry *first)
{
    switch (entry->type) {
    case TZ_ENTRY_FILE:
        if (seeded_one_in(seeded, 6))
            make_large(seeded, entry);
        else
            make_small(seeded, stream, entry);
        return;
    case TZ_ENTRY_SYMLINK:
        entry->link = random_text(seeded, 1 + seeded_below(seeded, 100));
        entry->link_len = strlen(entry->link);
        return;
    case TZ_ENTRY_HARDLINK:
        entry->link = copy_text(first->path);
        entry->link_len = first->path_len;
        return;
    case TZ_ENTRY_CHARACTER:
    case TZ_ENTRY_BLOCK:
        entry->device = seeded_next(seeded);
        return;
    default:
        return;
    }
}

static int compare_entries(const void *a, const void *b)
{
    const struct tz_entry *x = a, *y = b;
    return tz_path_compare(x->path, x->path_len, y->path, y->path_len);
}

/* Paths and types, sorted, each path once. */
static size_t make_paths(struct seeded *seeded, struct tz_entry *entries, size_t max)
{
    size_t count = 1, kept = 1;

    entries[0] = (struct tz_entry){.type = TZ_ENTRY_DIRECTORY, .path = copy_text("")};
    while (count < max) {
        const struct tz_entry *parent = &entries[seeded_below(seeded, count)];
        if (parent->type != TZ_ENTRY_DIRECTORY || parent->path_len > 3000)
            continue;
        struct tz_entry *entry = &entries[count++];
        *entry = (struct tz_entry){.type = TZ_ENTRY_FILE};
        if (seeded_one_in(seeded, 3))
            entry->type = (enum tz_entry_type)(1 + seeded_below(seeded, 8));
        make_path(seeded, parent, entry);
    }
    qsort(entries, count, sizeof(*entries), compare_entries);
    for (size_t i = 1; i < count; i++) {
        if (compare_entries(&entries[kept - 1], &entries[i]) == 0)
            tz_entry_clear(&entries[i]);
        else
            entries[kept++] = entries[i];
    }
    return kept;
}

size_t random_tree_make(struct seeded *seeded, struct tz_entry *entries, size_t max)
{
    struct stream stream = {.offset = CHUNK};
    const struct tz_entry *first = &entries[0];
    size_t count = make_paths(seeded, entries, max);

    for (size_t i = 0; i < count; i++) {
        struct tz_entry *entry = &entries[i];
        if (entry->type == TZ_ENTRY_HARDLINK && first == entries)
            entry->type = TZ_ENTRY_FIFO; /* no file to be a name of yet */
        make_metadata(seeded, entry);
        if (seeded_one_in(seeded, 12))
            make_xattrs(seeded, entry);
        make_content(seeded, &stream, entry, first);
        if (entry->type == TZ_ENTRY_FILE)
            first = entry;
    }
    return count;
}

void random_tree_clear(struct tz_entry *entries, size_t count)
{
    for (size_t i = 0; i < count; i++)
        tz_entry_clear(&entries[i]);
}

static void assert_same_text(const char *a, const char *b)
{
    if (!a || !b)
        assert_ptr_equal(a, b);
    else
        assert_string_equal(a, b);
}

static void assert_same_xattrs(const struct tz_entry *a, const struct tz_entry *b)
{
    assert_int_equal(a->xattr_count, b->xattr_count);
    for (uint32_t i = 0; i < a->xattr_count; i++) {
        assert_string_equal(a->xattrs[i].name, b->xattrs[i].name);
        assert_int_equal(a->xattrs[i].value_len, b->xattrs[i].value_len);
        assert_memory_equal(a->xattrs[i].value, b->xattrs[i].value, a->xattrs[i].value_len);
    }
}

static void assert_same_extents(const struct tz_entry *a, const struct tz_entry *b, bool local)
{
    assert_int_equal(a->level, b->level);
    assert_int_equal(a->extent_count, b->extent_count);
    for (uint32_t i = 0; i < a->extent_count; i++) {
        assert_memory_equal(a->extents[i].id, b->extents[i].id, TZ_ID_SIZE);
        assert_int_equal(a->extents[i].offset, b->extents[i].offset);
        assert_int_equal(a->extents[i].len, b->extents[i].len);
        if (local)
            assert_int_equal(a->extent_packs[i], b->extent_packs[i]);
    }
}

void assert_same_entry(const struct tz_entry *a, const struct tz_entry *b, bool local)
{
    assert_int_equal(a->path_len, b->path_len);
    assert_string_equal(a->path, b->path);
    assert_int_equal(a->type, b->type);
    assert_int_equal(a->flags, b->flags);
    assert_int_equal(a->mode, b->mode);
    assert_int_equal(a->uid, b->uid);
    assert_int_equal(a->gid, b->gid);
    assert_same_text(a->user, b->user);
    assert_same_text(a->group, b->group);
    assert_int_equal(a->size, b->size);
    assert_int_equal(a->mtime_s, b->mtime_s);
    assert_int_equal(a->mtime_ns, b->mtime_ns);
    assert_int_equal(a->device, b->device);
    assert_int_equal(a->link_len, b->link_len);
    assert_same_text(a->link, b->link);
    assert_int_equal(a->inode_flags, b->inode_flags);
    assert_same_xattrs(a, b);
    assert_same_extents(a, b, local);
    if (!local)
        return;
    assert_int_equal(a->dev, b->dev);
    assert_int_equal(a->ino, b->ino);
    assert_int_equal(a->ctime_s, b->ctime_s);
    assert_int_equal(a->ctime_ns, b->ctime_ns);
}
