#include "key_samples.h"
#include "random_entry.h"

#include "tozai/core/manifest.h"

#define ENTRIES_MAX 120

/* The file of chunk ids that the local form has, in memory. */
struct row {
    uint8_t id[TZ_ID_SIZE];
    uint64_t pack;
};
struct row_list {
    struct row items[8192];
    size_t count, at;
};

static int put_row(void *arg, const uint8_t id[TZ_ID_SIZE], uint64_t pack, struct tz_error *err)
{
    struct row_list *rows = arg;

    (void)err;
    assert_true(rows->count < TZ_COUNT(rows->items));
    memcpy(rows->items[rows->count].id, id, TZ_ID_SIZE);
    rows->items[rows->count++].pack = pack;
    return 0;
}

static int get_row(void *arg, uint8_t id[TZ_ID_SIZE], uint64_t *ret_pack, struct tz_error *err)
{
    struct row_list *rows = arg;

    if (rows->at == rows->count)
        return tz_fail(err, TZ_CORRUPT, "no more rows");
    memcpy(id, rows->items[rows->at].id, TZ_ID_SIZE);
    *ret_pack = rows->items[rows->at++].pack;
    return 0;
}

static struct row_list row_list;
static const struct tz_rows all_rows = {.put = put_row, .get = get_row, .arg = &row_list};

static void encode_all(const struct tz_entry *entries, size_t count, const struct tz_rows *rows,
                       struct tz_buf *out)
{
    struct tz_coder coder = {0};
    struct tz_error err = {0};

    row_list.count = row_list.at = 0;
    for (size_t i = 0; i < count; i++) {
        size_t before = out->len;
        if (tz_entry_check(&entries[i], &err) ||
            tz_entry_encode(&coder, &entries[i], rows, out, &err))
            fail_msg("%s", err.message);
        if (!rows)
            assert_in_range(out->len - before, 1, tz_entry_size_max(&entries[i]));
    }
    tz_coder_clear(&coder);
}

static void entries_come_back(bool local)
{
    static struct tz_entry entries[ENTRIES_MAX];

    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct seeded seeded = {seed};
        size_t count = random_tree_make(&seeded, entries, 1 + seeded_below(&seeded, ENTRIES_MAX));
        TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
        TZ_SCOPED(tz_scoped_entry) struct tz_entry back = {0};
        struct tz_coder coder = {0};
        struct tz_error err = {0};

        encode_all(entries, count, local ? &all_rows : NULL, &out);
        TZ_SCOPED(tz_scoped_free) uint8_t *exact = exact_copy(out.data, out.len);
        struct tz_cursor c = tz_cursor(exact, out.len);
        for (size_t i = 0; i < count; i++) {
            if (tz_entry_decode(&coder, &c, local ? &all_rows : NULL, &back, &err))
                fail_msg("seed %u, entry %zu: %s", (unsigned)seed, i, err.message);
            assert_same_entry(&entries[i], &back, local);
        }
        assert_true(tz_wire_done(&c));
        assert_int_equal(row_list.at, row_list.count);
        tz_coder_clear(&coder);
        random_tree_clear(entries, count);
    }
}

static void all_kinds_of_entries_come_back(void **state)
{
    (void)state;
    entries_come_back(false);
}

static void all_kinds_of_entries_come_back_from_the_local_form(void **state)
{
    (void)state;
    entries_come_back(true);
}

/* A million files must not need a hundred megabytes. */
static void common_entries_are_short(void **state)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
    struct tz_coder coder = {0};
    struct tz_extent extent = {.id = {7}, .len = 500};
    char path[64];

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        int len = snprintf(path, sizeof(path), "usr/share/doc/some-package/file-%04u", i);
        uint64_t pack = 0;
        struct tz_entry entry = {.path = path,
                                 .path_len = (size_t)len,
                                 .type = TZ_ENTRY_FILE,
                                 .mode = 0644,
                                 .size = 500,
                                 .mtime_s = 1700000000,
                                 .extents = &extent,
                                 .extent_packs = &pack,
                                 .extent_count = 1};
        assert_int_equal(tz_entry_encode(&coder, &entry, NULL, &out, NULL), 0);
        extent.offset += 500;
    }
    tz_coder_clear(&coder);
    assert_true(out.len < 12 * 1000);
}

static void every_cut_is_noticed(void **state)
{
    static struct tz_entry entries[40];

    (void)state;
    for (uint64_t seed = 100; seed < 104; seed++) {
        struct seeded seeded = {seed};
        size_t count = random_tree_make(&seeded, entries, TZ_COUNT(entries));
        TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
        size_t ends = 0, entry_end[TZ_COUNT(entries)];
        struct tz_coder coder = {0};

        for (size_t i = 0; i < count && out.len < 6000; i++) {
            assert_int_equal(tz_entry_encode(&coder, &entries[i], NULL, &out, NULL), 0);
            entry_end[ends++] = out.len;
        }
        tz_coder_clear(&coder);
        out.len = TZ_MIN(out.len, (size_t)6000);
        for (size_t len = 0; len < out.len; len++) {
            TZ_SCOPED(tz_scoped_free) uint8_t *exact = exact_copy(out.data, len);
            TZ_SCOPED(tz_scoped_entry) struct tz_entry back = {0};
            struct tz_cursor c = tz_cursor(exact, len);
            struct tz_error err = {0};
            size_t whole = 0, expected = 0;

            while (expected < ends && entry_end[expected] <= len)
                expected++;
            while (tz_left(&c) > 0 && tz_entry_decode(&coder, &c, NULL, &back, &err) == 0)
                whole++;
            tz_coder_clear(&coder);
            assert_int_equal(whole, expected);
            bool at_end = len == (expected ? entry_end[expected - 1] : 0);
            assert_int_equal(err.kind, at_end ? TZ_OK : TZ_CORRUPT);
        }
        random_tree_clear(entries, count);
    }
}

/* What must hold of all that a decoder lets through. */
static void assert_valid(const struct tz_entry *entry)
{
    uint64_t sum = 0;
    struct tz_error err = {0};

    if (tz_entry_check(entry, &err))
        fail_msg("%s", err.message);
    assert_true(tz_path_valid(entry->path, entry->path_len));
    assert_in_range(entry->type, TZ_ENTRY_FILE, TZ_ENTRY_HARDLINK);
    assert_true(entry->mode <= 07777 && entry->mtime_ns < 1000000000);
    for (uint32_t i = 0; i < entry->extent_count; i++)
        sum += entry->extents[i].len;
    if (entry->type == TZ_ENTRY_FILE && entry->level == 0)
        assert_int_equal(sum, entry->size);
    if (entry->type != TZ_ENTRY_FILE)
        assert_true(entry->extent_count == 0 && entry->size == 0 && entry->level == 0);
}

/* Decode all that can be; what could be is written again and read again, and is the same. */
static void decode_hostile(const uint8_t *data, size_t len, bool local)
{
    TZ_SCOPED(tz_scoped_free) uint8_t *exact = exact_copy(data, len);
    TZ_SCOPED(tz_scoped_entry) struct tz_entry entry = {0}, again = {0};
    struct tz_coder coder = {0}, writer = {0}, reader = {0};
    struct tz_cursor c = tz_cursor(exact, len);
    struct tz_error err = {0};

    row_list.at = 0;
    while (tz_left(&c) > 0) {
        TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
        if (tz_entry_decode(&coder, &c, local ? &all_rows : NULL, &entry, &err)) {
            assert_int_equal(err.kind, TZ_CORRUPT);
            break;
        }
        assert_valid(&entry);
        assert_int_equal(tz_entry_encode(&writer, &entry, NULL, &out, NULL), 0);
        struct tz_cursor back = tz_cursor(out.data, out.len);
        assert_int_equal(tz_entry_decode(&reader, &back, NULL, &again, NULL), 0);
        assert_same_entry(&entry, &again, false);
    }
    tz_coder_clear(&coder);
    tz_coder_clear(&writer);
    tz_coder_clear(&reader);
}

static void random_changes_give_valid_entries_or_none(void **state)
{
    static struct tz_entry entries[ENTRIES_MAX];

    (void)state;
    for (uint64_t seed = 200; seed < 240; seed++) {
        struct seeded seeded = {seed};
        size_t count = random_tree_make(&seeded, entries, 10 + seeded_below(&seeded, 30));
        TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
        bool local = seed % 2;

        encode_all(entries, count, local ? &all_rows : NULL, &out);
        for (unsigned turn = 0; turn < 60; turn++) {
            TZ_SCOPED(tz_scoped_free) uint8_t *copy = exact_copy(out.data, out.len);
            size_t len = out.len;
            for (uint64_t n = 1 + seeded_below(&seeded, 3); n > 0; n--) {
                size_t at = seeded_below(&seeded, TZ_MIN(len, (size_t)3000));
                switch (seeded_below(&seeded, 4)) {
                case 0:
                    copy[at] = (uint8_t)seeded_next(&seeded);
                    break;
                case 1:
                    copy[at] ^= (uint8_t)(1U << seeded_below(&seeded, 8));
                    break;
                case 2:
                    copy[at] = 0xff;
                    break;
                default:
                    memmove(copy + at, copy + at + 1, len - at - 1);
                    len--;
                }
            }
            decode_hostile(copy, len, local);
        }
        random_tree_clear(entries, count);
    }
}

static void noise_gives_valid_entries_or_none(void **state)
{
    struct seeded seeded = {4};
    uint8_t noise[200];

    (void)state;
    for (unsigned turn = 0; turn < 20000; turn++) {
        size_t len = seeded_below(&seeded, sizeof(noise));
        seeded_fill(&seeded, noise, len);
        for (size_t i = 0; i < len; i++)
            if (!seeded_one_in(&seeded, 4))
                noise[i] &= 7;
        decode_hostile(noise, len, false);
    }
}

/* The head of an entry: path, type, parts. */
static void put_head(struct tz_buf *out, const char *path, size_t len, unsigned type,
                     uint64_t parts)
{
    assert_int_equal(tz_put_varint(out, 0, NULL) | tz_put_bytes(out, path, len, NULL) |
                         tz_put_u8(out, (uint8_t)type, NULL) | tz_put_varint(out, parts, NULL),
                     0);
}

static enum tz_error_kind decode_one(const struct tz_buf *bytes)
{
    TZ_SCOPED(tz_scoped_free) uint8_t *exact = exact_copy(bytes->data, bytes->len);
    TZ_SCOPED(tz_scoped_entry) struct tz_entry entry = {0};
    struct tz_cursor c = tz_cursor(exact, bytes->len);
    struct tz_coder coder = {0};
    struct tz_error err = {0};

    (void)!tz_entry_decode(&coder, &c, NULL, &entry, &err);
    tz_coder_clear(&coder);
    return err.kind;
}

static void paths_that_no_backup_makes_are_refused(void **state)
{
    static const struct {
        const char *path;
        size_t len;
    } bad[] = {
        {".", 1},      {"..", 2},   {"/", 1},     {"/etc", 4},   {"a/", 2},  {"a//b", 4},
        {"a/../b", 6}, {"../b", 4}, {"a/..", 4},  {"a/./b", 5},  {"./a", 3}, {"a/.", 3},
        {"\0", 1},     {"a\0b", 3}, {"a/b\0", 4}, {"a/\0/b", 5},
    };

    (void)state;
    for (size_t i = 0; i < TZ_COUNT(bad); i++) {
        TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
        put_head(&out, bad[i].path, bad[i].len, TZ_ENTRY_FIFO, 0);
        assert_int_equal(decode_one(&out), TZ_CORRUPT);

        /* The same as the target of a hard link. */
        out.len = 0;
        put_head(&out, "x", 1, TZ_ENTRY_HARDLINK, 0);
        assert_int_equal(tz_put_bytes(&out, bad[i].path, bad[i].len, NULL), 0);
        assert_int_equal(decode_one(&out), TZ_CORRUPT);
    }
    TZ_SCOPED(tz_scoped_buf) struct tz_buf good = {0};
    put_head(&good, "a/.../b", 7, TZ_ENTRY_FIFO, 0);
    assert_int_equal(decode_one(&good), TZ_OK);
}

/* A path can also become bad where it is put together. */
static void a_path_put_together_is_checked_as_a_whole(void **state)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
    TZ_SCOPED(tz_scoped_entry) struct tz_entry entry = {0};
    struct tz_coder coder = {0};
    struct tz_error err = {0};

    (void)state;
    put_head(&out, "a/b", 3, TZ_ENTRY_FIFO, 0);
    assert_int_equal(tz_put_varint(&out, 2, NULL) | tz_put_bytes(&out, "..", 2, NULL), 0);
    assert_int_equal(tz_put_u8(&out, TZ_ENTRY_FIFO, NULL) | tz_put_varint(&out, 0, NULL), 0);
    struct tz_cursor c = tz_cursor(out.data, out.len);
    assert_int_equal(tz_entry_decode(&coder, &c, NULL, &entry, NULL), 0);
    assert_int_equal(tz_entry_decode(&coder, &c, NULL, &entry, &err), -1);
    assert_int_equal(err.kind, TZ_CORRUPT);
    tz_coder_clear(&coder);
}

static void more_of_the_last_path_than_there_is_is_refused(void **state)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};

    (void)state;
    assert_int_equal(tz_put_varint(&out, 1, NULL) | tz_put_bytes(&out, "a", 1, NULL), 0);
    assert_int_equal(tz_put_u8(&out, TZ_ENTRY_FIFO, NULL) | tz_put_varint(&out, 0, NULL), 0);
    assert_int_equal(decode_one(&out), TZ_CORRUPT);
}

/* A newer version's parts cannot be skipped: their length is not known. */
static void unknown_types_and_parts_are_refused(void **state)
{
    (void)state;
    for (unsigned type = 0; type < 256; type++) {
        TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
        put_head(&out, "a", 1, type, 0);
        if (type == TZ_ENTRY_FILE)
            assert_int_equal(tz_put_varint(&out, 0, NULL) | tz_put_varint(&out, 0, NULL), 0);
        else if (type == TZ_ENTRY_CHARACTER || type == TZ_ENTRY_BLOCK)
            assert_int_equal(tz_put_varint(&out, 5, NULL), 0);
        else if (type == TZ_ENTRY_SYMLINK || type == TZ_ENTRY_HARDLINK)
            assert_int_equal(tz_put_text(&out, "b", NULL), 0);
        assert_int_equal(decode_one(&out), type >= 1 && type <= 8 ? TZ_OK : TZ_CORRUPT);
    }
    static const uint64_t parts[] = {
        64, 128, 192, 256, 1U << 20, UINT64_C(1) << 32, UINT64_C(1) << 63};
    for (size_t i = 0; i < TZ_COUNT(parts); i++) {
        TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
        put_head(&out, "a", 1, TZ_ENTRY_FIFO, parts[i]);
        assert_int_equal(tz_buf_append(&out, "\0\0\0\0", 4, NULL), 0);
        assert_int_equal(decode_one(&out), TZ_CORRUPT);
    }
}

/* A file with these extents, each a head and what follows it. */
static void put_file(struct tz_buf *out, uint64_t size, uint64_t extents)
{
    put_head(out, "a", 1, TZ_ENTRY_FILE, 0);
    assert_int_equal(tz_put_varint(out, size, NULL) | tz_put_varint(out, extents, NULL), 0);
}

static void put_new(struct tz_buf *out, uint64_t len, uint64_t offset, uint8_t id)
{
    uint8_t bytes[TZ_ID_SIZE] = {id};

    assert_int_equal(tz_put_varint(out, len << 2 | 3, NULL) | tz_put_varint(out, offset, NULL) |
                         tz_buf_append(out, bytes, sizeof(bytes), NULL),
                     0);
}

static void extents_outside_of_their_chunks_are_refused(void **state)
{
    static const struct {
        uint64_t len, offset;
        uint8_t id;
        enum tz_error_kind kind;
    } cases[] = {
        {1, 0, 1, TZ_OK},
        {TZ_CHUNK_MAX, 0, 1, TZ_OK},
        {1, TZ_CHUNK_MAX - 1, 1, TZ_OK},
        {0, 0, 1, TZ_CORRUPT},
        {1, TZ_CHUNK_MAX, 1, TZ_CORRUPT},
        {TZ_CHUNK_MAX, 1, 1, TZ_CORRUPT},
        {TZ_CHUNK_MAX + 1, 0, 1, TZ_CORRUPT},
        {1, UINT32_MAX, 1, TZ_CORRUPT},
        {1, UINT64_C(1) << 32, 1, TZ_CORRUPT},
        {UINT64_C(1) << 32 | 1, 0, 1, TZ_CORRUPT},
        {1, 0, 0, TZ_CORRUPT}, /* the zero id is no chunk's */
    };

    (void)state;
    for (size_t i = 0; i < TZ_COUNT(cases); i++) {
        TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
        put_file(&out, cases[i].len, 1);
        put_new(&out, cases[i].len, cases[i].offset, cases[i].id);
        assert_int_equal(decode_one(&out), cases[i].kind);
    }
}

static void extents_must_make_up_the_file(void **state)
{
    static const uint64_t sizes[] = {0, 99, 101, UINT64_MAX, UINT64_C(1) << 63};

    (void)state;
    for (size_t i = 0; i < TZ_COUNT(sizes); i++) {
        TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
        put_file(&out, sizes[i], 2);
        put_new(&out, 60, 0, 1);
        put_new(&out, 40, 0, 2);
        assert_int_equal(decode_one(&out), TZ_CORRUPT);
    }
    /* Sums that come round again. */
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
    put_file(&out, 0, 16);
    for (int i = 0; i < 16; i++)
        assert_int_equal(tz_put_varint(&out, TZ_HOLE_MAX << 2, NULL), 0);
    assert_int_equal(decode_one(&out), TZ_CORRUPT);
}

static void references_to_nothing_are_refused(void **state)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf next = {0}, recent = {0}, beyond = {0}, follows = {0};

    (void)state;
    put_file(&next, 5, 1); /* behind the last chunk: there is none */
    assert_int_equal(tz_put_varint(&next, 5 << 2 | 1, NULL), 0);
    assert_int_equal(decode_one(&next), TZ_CORRUPT);
    put_file(&recent, 5, 1);
    assert_int_equal(tz_put_varint(&recent, 5 << 2 | 2, NULL) | tz_put_u8(&recent, 0, NULL) |
                         tz_put_varint(&recent, 0, NULL),
                     0);
    assert_int_equal(decode_one(&recent), TZ_CORRUPT);
    put_file(&beyond, 6, 2);
    put_new(&beyond, 1, 0, 1);
    assert_int_equal(tz_put_varint(&beyond, 5 << 2 | 2, NULL) | tz_put_u8(&beyond, 1, NULL) |
                         tz_put_varint(&beyond, 0, NULL),
                     0);
    assert_int_equal(decode_one(&beyond), TZ_CORRUPT);
    put_head(&follows, "a", 1, TZ_ENTRY_FILE, 128);
    assert_int_equal(tz_put_varint(&follows, 5, NULL), 0);
    assert_int_equal(decode_one(&follows), TZ_CORRUPT);
}

/* Counts are believed only as far as memory for them is small. */
static void huge_counts_are_refused(void **state)
{
    static const uint64_t counts[] = {513, 40000, 1U << 20, UINT64_C(1) << 32, UINT64_MAX};
    TZ_SCOPED(tz_scoped_free) uint8_t *many = malloc(2U << 20);

    (void)state;
    assert_non_null(many);
    memset(many, 5, 2U << 20); /* extents of one byte behind the last; short names and values */
    for (size_t i = 0; i < TZ_COUNT(counts); i++) {
        TZ_SCOPED(tz_scoped_buf) struct tz_buf extents = {0}, xattrs = {0};
        put_file(&extents, counts[i], counts[i]);
        put_new(&extents, 1, 0, 1);
        assert_int_equal(tz_buf_append(&extents, many, 2U << 20, NULL), 0);
        assert_int_equal(decode_one(&extents), TZ_CORRUPT);
        if (counts[i] < 1000)
            continue;
        put_head(&xattrs, "a", 1, TZ_ENTRY_FIFO, 8);
        assert_int_equal(tz_put_varint(&xattrs, counts[i], NULL) |
                             tz_buf_append(&xattrs, many, 2U << 20, NULL),
                         0);
        assert_int_equal(decode_one(&xattrs), TZ_CORRUPT);
    }
}

static void odd_attributes_are_refused(void **state)
{
    static const struct {
        size_t name_len, value_len;
        enum tz_error_kind kind;
    } cases[] = {
        {1, 0, TZ_OK},        {255, 65536, TZ_OK},    {0, 0, TZ_CORRUPT},
        {300, 0, TZ_CORRUPT}, {1, 65537, TZ_CORRUPT},
    };
    TZ_SCOPED(tz_scoped_free) char *text = malloc(70000);

    (void)state;
    assert_non_null(text);
    memset(text, 'n', 70000);
    for (size_t i = 0; i < TZ_COUNT(cases); i++) {
        TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
        put_head(&out, "a", 1, TZ_ENTRY_FIFO, 8);
        assert_int_equal(tz_put_varint(&out, 1, NULL) |
                             tz_put_bytes(&out, text, cases[i].name_len, NULL) |
                             tz_put_bytes(&out, text, cases[i].value_len, NULL),
                         0);
        assert_int_equal(decode_one(&out), cases[i].kind);
    }
    TZ_SCOPED(tz_scoped_buf) struct tz_buf none = {0}, nul = {0};
    put_head(&none, "a", 1, TZ_ENTRY_FIFO, 8);
    assert_int_equal(tz_put_varint(&none, 0, NULL), 0);
    assert_int_equal(decode_one(&none), TZ_CORRUPT);
    put_head(&nul, "a", 1, TZ_ENTRY_FIFO, 8);
    assert_int_equal(tz_put_varint(&nul, 1, NULL) | tz_put_bytes(&nul, "a\0b", 3, NULL) |
                         tz_put_bytes(&nul, "v", 1, NULL),
                     0);
    assert_int_equal(decode_one(&nul), TZ_CORRUPT);
}

static void odd_links_are_refused(void **state)
{
    static const struct {
        const char *link;
        size_t len;
    } bad[] = {{"", 0}, {"a\0b", 3}, {"\0", 1}};

    (void)state;
    for (size_t i = 0; i < TZ_COUNT(bad); i++) {
        TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
        put_head(&out, "a", 1, TZ_ENTRY_SYMLINK, 0);
        assert_int_equal(tz_put_bytes(&out, bad[i].link, bad[i].len, NULL), 0);
        assert_int_equal(decode_one(&out), TZ_CORRUPT);
    }
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
    put_head(&out, "a", 1, TZ_ENTRY_SYMLINK, 0); /* a symlink may point anywhere */
    assert_int_equal(tz_put_text(&out, "../../etc//passwd/", NULL), 0);
    assert_int_equal(decode_one(&out), TZ_OK);
}

/* What an entry is worth storing for must not be lost to a detail of it. */
static void odd_details_are_brought_into_form(void **state)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
    TZ_SCOPED(tz_scoped_entry) struct tz_entry back = {0};
    char path[] = "a", empty[] = "", name[300];
    struct tz_coder coder = {0};

    (void)state;
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = 0;
    const struct tz_entry odd = {.path = path,
                                 .path_len = 1,
                                 .type = TZ_ENTRY_FIFO,
                                 .mode = 010644,
                                 .mtime_s = 5,
                                 .mtime_ns = UINT32_MAX,
                                 .user = name,
                                 .group = empty};
    assert_int_equal(tz_entry_check(&odd, NULL), 0);
    assert_int_equal(tz_entry_encode(&coder, &odd, NULL, &out, NULL), 0);
    tz_coder_clear(&coder);
    struct tz_cursor c = tz_cursor(out.data, out.len);
    assert_int_equal(tz_entry_decode(&coder, &c, NULL, &back, NULL), 0);
    tz_coder_clear(&coder);
    assert_int_equal(back.mode, 0644);
    assert_int_equal(back.mtime_ns, 999999999);
    assert_null(back.user);
    assert_null(back.group);
}

static enum tz_error_kind check_entry(const struct tz_entry *entry)
{
    struct tz_error err = {0};
    int status = tz_entry_check(entry, &err);

    assert_int_equal(status == 0, err.kind == TZ_OK);
    return err.kind;
}

static void what_no_reader_takes_is_not_stored(void **state)
{
    char path[] = "a/../b", good_path[] = "a", name[] = "user.n", link[] = "";
    TZ_SCOPED(tz_scoped_free) uint8_t *value = calloc(65537, 1);
    struct tz_xattr xattrs[70];

    (void)state;
    assert_non_null(value);
    for (size_t i = 0; i < TZ_COUNT(xattrs); i++)
        xattrs[i] = (struct tz_xattr){.name = name, .value = value, .value_len = 65536};
    const struct tz_entry good = {.path = good_path, .path_len = 1, .type = TZ_ENTRY_FILE};
    struct tz_entry odd = good;
    assert_int_equal(check_entry(&good), TZ_OK);
    odd.path = path;
    odd.path_len = 6;
    assert_int_equal(check_entry(&odd), TZ_UNSUPPORTED);
    odd = good;
    odd.xattrs = xattrs;
    odd.xattr_count = 62;
    assert_int_equal(check_entry(&odd), TZ_OK);
    odd.xattr_count = 70; /* more than a chunk takes */
    assert_int_equal(check_entry(&odd), TZ_UNSUPPORTED);
    odd.xattr_count = 1;
    xattrs[0].value_len = 65537;
    assert_int_equal(check_entry(&odd), TZ_UNSUPPORTED);
    xattrs[0].value_len = 0;
    xattrs[0].name = link;
    assert_int_equal(check_entry(&odd), TZ_UNSUPPORTED);
    odd = good;
    odd.type = TZ_ENTRY_SYMLINK;
    odd.link = link;
    assert_int_equal(check_entry(&odd), TZ_UNSUPPORTED);
    odd.type = TZ_ENTRY_HARDLINK;
    odd.link = path;
    odd.link_len = 6;
    assert_int_equal(check_entry(&odd), TZ_UNSUPPORTED);
    odd = good;
    odd.size = UINT64_C(1) << 63;
    assert_int_equal(check_entry(&odd), TZ_UNSUPPORTED);
}

static void impossible_extents_are_not_written(void **state)
{
    static const struct tz_extent bad[] = {
        {.id = {1}, .len = 0},
        {.id = {1}, .len = TZ_CHUNK_MAX + 1},
        {.id = {1}, .len = 2, .offset = TZ_CHUNK_MAX - 1},
        {.id = {0}, .len = 0},
        {.id = {0}, .len = TZ_HOLE_MAX + 1},
        {.id = {0}, .len = UINT64_MAX},
    };

    (void)state;
    for (size_t i = 0; i < TZ_COUNT(bad); i++) {
        TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
        struct tz_coder coder = {0};
        assert_int_equal(tz_extent_encode(&coder, &bad[i], 0, NULL, &out, NULL), -1);
        assert_int_equal(out.len, 0);
    }
}

static void extents_come_back(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct seeded seeded = {seed};
        static struct tz_extent extents[600];
        static uint64_t packs[600];
        size_t count = seeded_below(&seeded, TZ_COUNT(extents));
        uint8_t ids[20][TZ_ID_SIZE];
        TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
        struct tz_coder coder = {0};
        const struct tz_rows *rows = seed % 2 ? &all_rows : NULL;

        seeded_fill(&seeded, ids, sizeof(ids));
        row_list.count = row_list.at = 0;
        for (size_t i = 0; i < count; i++) {
            struct tz_extent *e = &extents[i];
            size_t number = seeded_below(&seeded, TZ_COUNT(ids));
            *e = (struct tz_extent){.len = 1 + seeded_below(&seeded, 1000)};
            packs[i] = 0;
            if (seeded_one_in(&seeded, 5)) {
                e->len = TZ_HOLE_MAX - seeded_below(&seeded, 3);
            } else {
                memcpy(e->id, ids[number], TZ_ID_SIZE);
                packs[i] = rows ? number + 1 : 0;
                e->offset = (uint32_t)seeded_below(&seeded, TZ_CHUNK_MAX - 1000);
                if (i > 0 && seeded_one_in(&seeded, 2) &&
                    memcmp(extents[i - 1].id, e->id, TZ_ID_SIZE) == 0)
                    e->offset = (uint32_t)(extents[i - 1].offset + extents[i - 1].len);
                if (e->offset + e->len > TZ_CHUNK_MAX)
                    e->offset = 0;
            }
            assert_int_equal(tz_extent_encode(&coder, e, packs[i], rows, &out, NULL), 0);
        }
        tz_coder_clear(&coder);
        struct tz_cursor c = tz_cursor(out.data, out.len);
        for (size_t i = 0; i < count; i++) {
            struct tz_extent back;
            uint64_t pack = 0;
            assert_int_equal(tz_extent_decode(&coder, &c, rows, &back, &pack, NULL), 0);
            assert_memory_equal(back.id, extents[i].id, TZ_ID_SIZE);
            assert_int_equal(back.offset, extents[i].offset);
            assert_int_equal(back.len, extents[i].len);
            assert_int_equal(pack, packs[i]);
        }
        assert_true(tz_wire_done(&c));
        tz_coder_clear(&coder);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_kinds_of_entries_come_back),
        cmocka_unit_test(all_kinds_of_entries_come_back_from_the_local_form),
        cmocka_unit_test(common_entries_are_short),
        cmocka_unit_test(every_cut_is_noticed),
        cmocka_unit_test(random_changes_give_valid_entries_or_none),
        cmocka_unit_test(noise_gives_valid_entries_or_none),
        cmocka_unit_test(paths_that_no_backup_makes_are_refused),
        cmocka_unit_test(a_path_put_together_is_checked_as_a_whole),
        cmocka_unit_test(more_of_the_last_path_than_there_is_is_refused),
        cmocka_unit_test(unknown_types_and_parts_are_refused),
        cmocka_unit_test(extents_outside_of_their_chunks_are_refused),
        cmocka_unit_test(extents_must_make_up_the_file),
        cmocka_unit_test(references_to_nothing_are_refused),
        cmocka_unit_test(huge_counts_are_refused),
        cmocka_unit_test(odd_attributes_are_refused),
        cmocka_unit_test(odd_links_are_refused),
        cmocka_unit_test(odd_details_are_brought_into_form),
        cmocka_unit_test(what_no_reader_takes_is_not_stored),
        cmocka_unit_test(impossible_extents_are_not_written),
        cmocka_unit_test(extents_come_back),
    };
    return cmocka_run_group_tests(tests, init_crypto, NULL);
}
