#include "packer_bench.h"
#include "random_entry.h"

#define ENTRIES_MAX 20000

/* A generation's manifest, written. */
struct written {
    struct tz_head head;
    struct tz_id_list refs;
    char source[8];
};

static void clear_written(struct written *written)
{
    free(written->head.root);
    free(written->refs.ids);
}

static struct written write_all(struct bench *b, const struct tz_entry *entries, size_t count)
{
    TZ_SCOPED(tz_scoped_manifest_writer) struct tz_manifest_writer *writer = NULL;
    struct written written = {.source = "test"};

    OK(tz_manifest_writer_new(&writer, b->packer, tz_repo_keys(b->repo), &written.refs, &err));
    for (size_t i = 0; i < count; i++)
        OK(tz_manifest_add(writer, &entries[i], &err));
    OK(tz_manifest_finish(writer, &written.head, &err));
    OK(tz_packer_flush(b->packer, &err));
    return written;
}

static struct tz_manifest_reader *read_prefix(struct bench *b, struct written *written,
                                              const char *prefix, size_t len)
{
    struct tz_manifest_reader *reader = NULL;

    written->head.source = written->source;
    OK(tz_manifest_reader_new(&reader, b->repo, &written->head, prefix, len, &err));
    return reader;
}

/* Exactly the entries within the prefix, in order. */
static void check_prefix(struct bench *b, struct written *written, const struct tz_entry *entries,
                         size_t count, const char *prefix, size_t len)
{
    TZ_SCOPED(tz_scoped_manifest_reader)
    struct tz_manifest_reader *reader = read_prefix(b, written, prefix, len);
    TZ_SCOPED(tz_scoped_entry) struct tz_entry entry = {0};
    bool done = false;

    for (size_t i = 0; i < count; i++) {
        if (!tz_path_within(entries[i].path, entries[i].path_len, prefix, len))
            continue;
        OK(tz_manifest_next(reader, &entry, &done, &err));
        assert_false(done);
        assert_same_entry(&entries[i], &entry, false);
    }
    for (int turn = 0; turn < 2; turn++) {
        OK(tz_manifest_next(reader, &entry, &done, &err));
        assert_true(done);
    }
}

static struct tz_entry *make_tree(uint64_t seed, size_t max, size_t *ret_count)
{
    struct seeded seeded = {seed};
    struct tz_entry *entries = calloc(max, sizeof(*entries));

    assert_non_null(entries);
    *ret_count = random_tree_make(&seeded, entries, max);
    return entries;
}

static void free_tree(struct tz_entry *entries, size_t count)
{
    random_tree_clear(entries, count);
    free(entries);
}

static void a_tree_comes_back(void **state)
{
    static const size_t sizes[] = {1, 2, 100, 3000, ENTRIES_MAX};

    for (size_t i = 0; i < TZ_COUNT(sizes); i++) {
        size_t count = 0;
        struct tz_entry *entries = make_tree(i + 1, sizes[i], &count);
        TZ_SCOPED(clear_written) struct written written = write_all(*state, entries, count);
        check_prefix(*state, &written, entries, count, "", 0);
        free_tree(entries, count);
    }
}

static void an_empty_manifest_has_no_entries(void **state)
{
    TZ_SCOPED(clear_written) struct written written = write_all(*state, NULL, 0);

    assert_int_equal(written.head.root_len, 0);
    check_prefix(*state, &written, NULL, 0, "", 0);
    check_prefix(*state, &written, NULL, 0, "a", 1);
}

static void a_prefix_gives_exactly_its_part_of_the_tree(void **state)
{
    struct bench *b = *state;

    for (uint64_t seed = 20; seed < 23; seed++) {
        size_t count = 0;
        struct tz_entry *entries = make_tree(seed, 6000, &count);
        TZ_SCOPED(clear_written) struct written written = write_all(b, entries, count);
        struct seeded seeded = {seed};

        assert_true(written.refs.count > 5);
        for (unsigned turn = 0; turn < 60; turn++) {
            const struct tz_entry *some = &entries[seeded_below(&seeded, count)];
            char prefix[8192];
            size_t len = some->path_len;

            memcpy(prefix, some->path, len);
            switch (seeded_below(&seeded, 4)) {
            case 0: /* a directory above it */
                while (len > 0 && prefix[--len] != '/')
                    ;
                break;
            case 1: /* probably not there */
                prefix[len++] = "!/z\xff"[seeded_below(&seeded, 4)];
                prefix[len++] = 'q';
                break;
            default:
                break;
            }
            check_prefix(b, &written, entries, count, prefix, len);
        }
        free_tree(entries, count);
    }
}

static void check_find(struct tz_entry_finder *finder, const struct tz_entry *expected)
{
    const struct tz_entry *found = NULL;

    OK(tz_entry_find(finder, expected->path, expected->path_len, &found, &err));
    assert_non_null(found);
    assert_same_entry(expected, found, false);
}

/* Path with a byte behind it; it may be the path of another entry. */
static void check_absent(struct tz_entry_finder *finder, const struct tz_entry *entries,
                         size_t count, const struct tz_entry *near, char more)
{
    char path[8192];
    const struct tz_entry *found = NULL;
    bool there = false;

    if (near->path_len + 1 >= sizeof(path))
        return;
    memcpy(path, near->path, near->path_len);
    path[near->path_len] = more;
    for (size_t i = 0; i < count; i++)
        there |=
            tz_path_compare(entries[i].path, entries[i].path_len, path, near->path_len + 1) == 0;
    OK(tz_entry_find(finder, path, near->path_len + 1, &found, &err));
    assert_int_equal(found != NULL, there);
}

static void entries_are_found_by_path(void **state)
{
    struct bench *b = *state;
    size_t count = 0;
    struct tz_entry *entries = make_tree(30, 6000, &count);
    TZ_SCOPED(clear_written) struct written written = write_all(b, entries, count);
    TZ_SCOPED(tz_scoped_entry_finder) struct tz_entry_finder *finder = NULL;
    struct seeded seeded = {30};

    written.head.source = written.source;
    assert_true(written.refs.count > 5);
    OK(tz_entry_finder_new(&finder, b->repo, &written.head, &err));
    for (size_t i = 0; i < count; i++)
        check_find(finder, &entries[i]);
    for (size_t i = 0; i < count; i += 7)
        check_find(finder, &entries[count - 1 - i]);
    for (unsigned turn = 0; turn < 500; turn++) {
        const struct tz_entry *some = &entries[seeded_below(&seeded, count)];
        check_find(finder, some);
        check_absent(finder, entries, count, some, "!z\xff"[seeded_below(&seeded, 3)]);
        check_find(finder, some);
    }
    free_tree(entries, count);
}

/* Other names of all files, in any order. */
static void links_have_the_sizes_of_their_files(void **state)
{
    struct bench *b = *state;
    size_t count = 0;
    struct tz_entry *entries = make_tree(31, 6000, &count);
    TZ_SCOPED(clear_written) struct written written = write_all(b, entries, count);
    TZ_SCOPED(tz_scoped_entry_finder) struct tz_entry_finder *finder = NULL;
    struct seeded seeded = {31};

    written.head.source = written.source;
    OK(tz_entry_finder_new(&finder, b->repo, &written.head, &err));
    for (unsigned turn = 0; turn < 5000; turn++) {
        const struct tz_entry *file = &entries[seeded_below(&seeded, count)];
        const struct tz_entry link = {.link = file->path, .link_len = file->path_len};
        uint64_t size = UINT64_MAX;
        if (file->type == TZ_ENTRY_DIRECTORY || file->type == TZ_ENTRY_HARDLINK) {
            assert_int_equal(tz_entry_find_size(finder, &link, &size, &err), -1);
            assert_int_equal(err.kind, TZ_CORRUPT);
        } else {
            OK(tz_entry_find_size(finder, &link, &size, &err));
            assert_int_equal(size, file->size);
        }
    }
    free_tree(entries, count);
}

static void a_link_leads_to_its_first_name(void **state)
{
    struct tz_entry entries[] = {
        {.path = (char *)"", .path_len = 0, .type = TZ_ENTRY_DIRECTORY},
        {.path = (char *)"a", .path_len = 1, .type = TZ_ENTRY_FIFO},
        {.path = (char *)"b", .path_len = 1, .type = TZ_ENTRY_HARDLINK, .link = (char *)"a"},
        {.path = (char *)"c", .path_len = 1, .type = TZ_ENTRY_HARDLINK, .link = (char *)"b"},
        {.path = (char *)"d", .path_len = 1, .type = TZ_ENTRY_HARDLINK, .link = (char *)"z"},
    };
    TZ_SCOPED(tz_scoped_entry_finder) struct tz_entry_finder *finder = NULL;
    const struct tz_entry *first = NULL;
    struct bench *b = *state;

    for (size_t i = 2; i < TZ_COUNT(entries); i++)
        entries[i].link_len = 1;
    TZ_SCOPED(clear_written)
    struct written written = write_all(b, entries, TZ_COUNT(entries));
    written.head.source = written.source;
    OK(tz_entry_finder_new(&finder, b->repo, &written.head, &err));
    OK(tz_entry_find_first(finder, &entries[2], &first, &err));
    assert_int_equal(first->type, TZ_ENTRY_FIFO);
    assert_int_equal(tz_entry_find_first(finder, &entries[3], &first, &err), -1);
    assert_int_equal(err.kind, TZ_CORRUPT);
    assert_int_equal(tz_entry_find_first(finder, &entries[4], &first, &err), -1);
    assert_int_equal(err.kind, TZ_CORRUPT);
    OK(tz_entry_find_first(finder, &entries[2], &first, &err));
}

static size_t count_new(struct bench *b, const struct tz_id_list *before,
                        const struct tz_id_list *after)
{
    size_t new = 0;

    (void)b;
    for (size_t i = 0; i < after->count; i++) {
        bool found = false;
        for (size_t k = 0; k < before->count && !found; k++)
            found = memcmp(after->ids[i], before->ids[k], TZ_ID_SIZE) == 0;
        new += !found;
    }
    return new;
}

static void an_unchanged_part_gives_the_same_chunks(void **state)
{
    struct bench *b = *state;
    size_t count = 0;
    struct tz_entry *entries = make_tree(41, ENTRIES_MAX, &count);
    TZ_SCOPED(clear_written) struct written first = write_all(b, entries, count);
    size_t packs = tz_fixture_count(b->fixture.east, "packs/");

    assert_true(first.refs.count > 20);
    {
        TZ_SCOPED(clear_written) struct written same = write_all(b, entries, count);
        assert_int_equal(count_new(b, &first.refs, &same.refs), 0);
        assert_int_equal(same.refs.count, first.refs.count);
        assert_int_equal(same.head.root_len, first.head.root_len);
        assert_int_equal(tz_fixture_count(b->fixture.east, "packs/"), packs);
    }
    {
        entries[count / 2].mtime_s += 100;
        TZ_SCOPED(clear_written) struct written touched = write_all(b, entries, count);
        /* The chunk that the entry is in, and the root. */
        assert_in_range(count_new(b, &first.refs, &touched.refs), 2, 2);
        check_prefix(b, &touched, entries, count, "", 0);
    }
    {
        struct tz_entry gone = entries[count / 3];
        entries[count / 3] = entries[count / 3 - 1];
        TZ_SCOPED(clear_written)
        struct written shorter = write_all(b, entries, count / 3);
        entries[count / 3] = gone;
        assert_true(count_new(b, &first.refs, &shorter.refs) <= 2);
    }
    free_tree(entries, count);
}

/* An entry that comes or goes moves no chunk's end but those around it. */
static void an_entry_more_or_less_changes_few_chunks(void **state)
{
    struct bench *b = *state;
    size_t count = 0;
    struct tz_entry *entries = make_tree(43, ENTRIES_MAX, &count);
    TZ_SCOPED(clear_written) struct written first = write_all(b, entries, count);

    for (size_t place = 1; place < count; place += count / 5) {
        TZ_SCOPED(tz_scoped_manifest_writer) struct tz_manifest_writer *writer = NULL;
        TZ_SCOPED(clear_written) struct written fewer = {.source = "test"};
        OK(tz_manifest_writer_new(&writer, b->packer, tz_repo_keys(b->repo), &fewer.refs, &err));
        for (size_t i = 0; i < count; i++)
            if (i != place)
                OK(tz_manifest_add(writer, &entries[i], &err));
        OK(tz_manifest_finish(writer, &fewer.head, &err));
        assert_in_range(count_new(b, &first.refs, &fewer.refs), 1, 5);
    }
    free_tree(entries, count);
}

static void entries_out_of_order_are_not_written(void **state)
{
    struct bench *b = *state;
    struct tz_id_list refs = {0};
    char a[] = "a", ab[] = "a/b", bang[] = "a!", z[] = "z";
    const struct tz_entry in_order[] = {
        {.path = a, .path_len = 1, .type = TZ_ENTRY_DIRECTORY},
        {.path = ab, .path_len = 3, .type = TZ_ENTRY_FILE},
        {.path = bang, .path_len = 2, .type = TZ_ENTRY_FILE},
        {.path = z, .path_len = 1, .type = TZ_ENTRY_FILE},
    };

    for (size_t i = 0; i < TZ_COUNT(in_order); i++)
        for (size_t k = 0; k < TZ_COUNT(in_order); k++) {
            TZ_SCOPED(tz_scoped_manifest_writer) struct tz_manifest_writer *writer = NULL;
            OK(tz_manifest_writer_new(&writer, b->packer, tz_repo_keys(b->repo), &refs, &err));
            OK(tz_manifest_add(writer, &in_order[i], &err));
            assert_int_equal(tz_manifest_add(writer, &in_order[k], &err), k > i ? 0 : -1);
        }
    free(refs.ids);
}

/* A manifest made by hand: chunks of encoded entries, and a root that may say what it will. */
struct forged {
    struct tz_buf chunks[4];
    const char *first[4];
    uint64_t entries[4];
    size_t count;
    uint64_t len_lie;
    unsigned missing; /* a bit for each chunk that is not stored */
    const char *prefix;
};

static void clear_forged(struct forged *forged)
{
    for (size_t i = 0; i < TZ_COUNT(forged->chunks); i++)
        tz_buf_clear(&forged->chunks[i]);
}

/* One more chunk with these paths, ended by NULL. */
static void forge_chunk(struct forged *forged, const char *const *paths)
{
    struct tz_coder coder = {0};
    size_t number = forged->count++;

    forged->first[number] = paths[0];
    for (; *paths; paths++, forged->entries[number]++) {
        char *path = strdup(*paths);
        const struct tz_entry entry = {
            .path = path, .path_len = strlen(path), .type = TZ_ENTRY_FIFO};
        OK(tz_entry_encode(&coder, &entry, NULL, &forged->chunks[number], &err));
        free(path);
    }
    tz_coder_clear(&coder);
}

/* How many entries can be read, and what the end of it is. */
static enum tz_error_kind read_forged(struct bench *b, struct forged *forged, size_t *ret_count)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf root = {0};
    TZ_SCOPED(clear_written) struct written written = {.source = "test"};
    TZ_SCOPED(tz_scoped_manifest_reader) struct tz_manifest_reader *reader = NULL;
    TZ_SCOPED(tz_scoped_entry) struct tz_entry entry = {0};
    struct tz_error why = {0};
    bool done = false;

    for (size_t i = 0; i < forged->count; i++) {
        const struct tz_buf *chunk = &forged->chunks[i];
        uint8_t id[TZ_ID_SIZE];
        OK(tz_idhash(b->hash, chunk->data, chunk->len, id, &err));
        if (!(forged->missing & 1U << i))
            OK(tz_packer_add(b->packer, TZ_PACKER_MANIFEST, id, chunk->data, (uint32_t)chunk->len,
                             &err));
        OK(tz_buf_append(&root, id, sizeof(id), &err));
        OK(tz_put_varint(&root, chunk->len + forged->len_lie, &err));
        OK(tz_put_varint(&root, forged->entries[i], &err));
        OK(tz_put_text(&root, forged->first[i], &err));
    }
    written.head.root_len = root.len;
    OK(tz_manifest_store(b->packer, b->hash, &written.refs, root.data, root.len, &written.head.root,
                         &written.head.root_count, &err));
    OK(tz_packer_flush(b->packer, &err));
    written.head.source = written.source;
    *ret_count = 0;
    const char *prefix = forged->prefix ? forged->prefix : "";
    if (tz_manifest_reader_new(&reader, b->repo, &written.head, prefix, strlen(prefix), &why))
        return why.kind;
    while (!tz_manifest_next(reader, &entry, &done, &why) && !done)
        ++*ret_count;
    return why.kind;
}

/* Reading a part must not need the rest: chunks of the rest may even be lost. */
static void a_prefix_reads_no_chunk_too_many(void **state)
{
    static const char *const first[] = {"a", "b", NULL};
    static const char *const second[] = {"m", "m/x", "m/y", "n", NULL};
    static const char *const third[] = {"n!", "z", NULL};
    static const struct {
        const char *prefix;
        size_t count;
        enum tz_error_kind kind;
    } cases[] = {
        {"m", 3, TZ_OK},      {"m/x", 1, TZ_OK},   {"n", 1, TZ_OK},      {"m/z", 0, TZ_OK},
        {"a", 0, TZ_CORRUPT}, {"", 0, TZ_CORRUPT}, {"z", 0, TZ_CORRUPT},
    };

    for (size_t i = 0; i < TZ_COUNT(cases); i++) {
        TZ_SCOPED(clear_forged) struct forged forged = {.missing = 1 | 4};
        size_t count = 0;
        forge_chunk(&forged, first);
        forge_chunk(&forged, second);
        forge_chunk(&forged, third);
        forged.prefix = cases[i].prefix;
        assert_int_equal(read_forged(*state, &forged, &count), cases[i].kind);
        assert_int_equal(count, cases[i].count);
    }
}

static void a_manifest_out_of_order_is_refused(void **state)
{
    static const char *const good[] = {"a", "a/b", "a!", "b", NULL};
    static const char *const swapped[] = {"a", "a!", "a/b", NULL};
    static const char *const twice[] = {"a", "b", "b", NULL};
    static const char *const later[] = {"c", "d", NULL};
    static const char *const earlier[] = {"a", "b", NULL};
    static const char *const overlap[] = {"b", "x", NULL};
    size_t count = 0;

    TZ_SCOPED(clear_forged) struct forged one = {0}, two = {0}, three = {0}, four = {0}, five = {0};
    forge_chunk(&one, good);
    assert_int_equal(read_forged(*state, &one, &count), TZ_OK);
    assert_int_equal(count, 4);
    forge_chunk(&two, swapped);
    assert_int_equal(read_forged(*state, &two, &count), TZ_CORRUPT);
    assert_int_equal(count, 2);
    forge_chunk(&three, twice);
    assert_int_equal(read_forged(*state, &three, &count), TZ_CORRUPT);
    /* Between chunks. */
    forge_chunk(&four, later);
    forge_chunk(&four, earlier);
    assert_int_equal(read_forged(*state, &four, &count), TZ_CORRUPT);
    assert_int_equal(count, 0);
    forge_chunk(&five, good);
    forge_chunk(&five, overlap);
    assert_int_equal(read_forged(*state, &five, &count), TZ_CORRUPT);
    assert_int_equal(count, 4);
}

static void a_root_that_lies_is_noticed(void **state)
{
    static const char *const paths[] = {"b", "c", NULL};
    static const char *const more[] = {"d", "e", NULL};
    static const char *const odd_firsts[] = {"a", "c", "", "b/", "../b"};
    size_t count = 0;

    for (size_t i = 0; i < TZ_COUNT(odd_firsts); i++) {
        TZ_SCOPED(clear_forged) struct forged forged = {0};
        forge_chunk(&forged, paths);
        forged.first[0] = odd_firsts[i];
        assert_int_equal(read_forged(*state, &forged, &count), TZ_CORRUPT);
        assert_int_equal(count, 0);
    }
    for (uint64_t entries = 0; entries < 5; entries++) {
        TZ_SCOPED(clear_forged) struct forged forged = {0};
        forge_chunk(&forged, paths);
        forge_chunk(&forged, more);
        forged.entries[0] = entries;
        assert_int_equal(read_forged(*state, &forged, &count), entries == 2 ? TZ_OK : TZ_CORRUPT);
    }
    static const uint64_t lies[] = {1, UINT64_C(1) << 22, UINT64_C(1) << 32, UINT64_MAX - 50};
    for (size_t i = 0; i < TZ_COUNT(lies); i++) {
        TZ_SCOPED(clear_forged) struct forged forged = {.len_lie = lies[i]};
        forge_chunk(&forged, paths);
        assert_int_equal(read_forged(*state, &forged, &count), TZ_CORRUPT);
    }
}

static void a_head_that_lies_is_noticed(void **state)
{
    struct bench *b = *state;
    size_t count = 0;
    struct tz_entry *entries = make_tree(51, 500, &count);
    TZ_SCOPED(clear_written) struct written written = write_all(b, entries, count);
    struct tz_manifest_reader *reader = NULL;
    const struct tz_extent good = written.head.root[0];
    const uint64_t len = written.head.root_len;

    written.head.source = written.source;
    for (unsigned what = 0; what < 7; what++) {
        written.head.root[0] = good;
        written.head.root_len = len;
        if (what == 1)
            written.head.root_len++;
        if (what == 2)
            written.head.root_len--;
        if (what == 3)
            written.head.root_len = UINT64_MAX;
        if (what == 4)
            written.head.root[0].offset = 1;
        if (what == 5)
            written.head.root[0].id[0] ^= 1;
        if (what == 6)
            written.head.root[0].len = UINT64_MAX;
        int status = tz_manifest_reader_new(&reader, b->repo, &written.head, "", 0, &err);
        assert_int_equal(status, what ? -1 : 0);
        if (what)
            assert_int_equal(err.kind, TZ_CORRUPT);
        else
            tz_manifest_reader_free(reader);
    }
    free_tree(entries, count);
}

static int add_id(void *arg, const uint8_t id[TZ_ID_SIZE], struct tz_error *error)
{
    return tz_id_list_add(arg, id, error);
}

static void it_names_the_chunks_that_it_is_made_of(void **state)
{
    struct bench *b = *state;
    size_t count = 0;
    struct tz_entry *entries = make_tree(61, 5000, &count);
    TZ_SCOPED(clear_written) struct written written = write_all(b, entries, count);
    TZ_SCOPED(tz_scoped_manifest_reader)
    struct tz_manifest_reader *reader = read_prefix(b, &written, "", 0);
    struct tz_id_list found = {0};

    OK(tz_manifest_each_chunk(reader, add_id, &found, &err));
    assert_int_equal(found.count, written.refs.count);
    assert_int_equal(count_new(b, &written.refs, &found), 0);
    free(found.ids);
    free_tree(entries, count);
}

/* An entry with very much metadata, in the midst of others, and with frames that are smaller. */
static void large_metadata_is_stored_if_a_chunk_takes_it(void **state)
{
    struct bench *b = *state;
    struct tz_xattr xattrs[64];
    TZ_SCOPED(tz_scoped_free) uint8_t *value = malloc(65536);
    size_t count = 0;
    struct tz_entry *entries = make_tree(71, 300, &count);
    struct seeded seeded = {72};
    struct tz_id_list refs = {0};

    assert_non_null(value);
    seeded_fill(&seeded, value, 65536);
    for (size_t i = 0; i < TZ_COUNT(xattrs); i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "user.%02zu", i);
        xattrs[i] = (struct tz_xattr){.name = strdup(name), .value = value, .value_len = 65536};
    }
    struct tz_entry *before = &entries[count / 2 - 1], *large = &entries[count / 2];
    struct tz_xattr *old[2] = {before->xattrs, large->xattrs};
    uint32_t old_counts[2] = {before->xattr_count, large->xattr_count};
    before->xattrs = large->xattrs = xattrs;
    before->xattr_count = 1; /* together they are more than a chunk */
    large->xattr_count = 63;
    {
        TZ_SCOPED(clear_written) struct written written = write_all(b, entries, count);
        check_prefix(b, &written, entries, count, "", 0);
    }
    large->xattr_count = 64;
    {
        /* Refused before anything has changed: the others can still be stored. */
        TZ_SCOPED(tz_scoped_manifest_writer) struct tz_manifest_writer *writer = NULL;
        OK(tz_manifest_writer_new(&writer, b->packer, tz_repo_keys(b->repo), &refs, &err));
        for (size_t i = 0; i < count; i++) {
            int status = tz_manifest_add(writer, &entries[i], &err);
            assert_int_equal(status, i == count / 2 ? -1 : 0);
            if (status)
                assert_int_equal(err.kind, TZ_UNSUPPORTED);
        }
    }
    before->xattrs = old[0];
    before->xattr_count = old_counts[0];
    large->xattrs = old[1];
    large->xattr_count = old_counts[1];
    for (size_t i = 0; i < TZ_COUNT(xattrs); i++)
        free(xattrs[i].name);
    free(refs.ids);
    free_tree(entries, count);
}

/* Component by component, each as bytes; a path comes before what is below it. */
static int compare_walk(const char *a, const char *b)
{
    for (;;) {
        size_t a_len = strcspn(a, "/"), b_len = strcspn(b, "/");
        int order = memcmp(a, b, TZ_MIN(a_len, b_len));
        if (order)
            return order;
        if (a_len != b_len)
            return a_len < b_len ? -1 : 1;
        if (!a[a_len] || !b[b_len])
            return (a[a_len] != 0) - (b[b_len] != 0);
        a += a_len + 1;
        b += b_len + 1;
    }
}

/* What the merge of a walk with the last manifest rests on. */
static void the_order_is_that_of_a_walk(void **state)
{
    size_t count = 0;
    struct tz_entry *entries = make_tree(81, 3000, &count);
    struct seeded seeded = {82};

    (void)state;
    for (unsigned turn = 0; turn < 200000; turn++) {
        const struct tz_entry *a = &entries[1 + seeded_below(&seeded, count - 1)];
        const struct tz_entry *b = &entries[1 + seeded_below(&seeded, count - 1)];
        int order = tz_path_compare(a->path, a->path_len, b->path, b->path_len);
        int walk = compare_walk(a->path, b->path);
        assert_int_equal((order > 0) - (order < 0), (walk > 0) - (walk < 0));
        assert_int_equal((order > 0) - (order < 0), (a > b) - (a < b));
    }
    /* So whatever is below a directory comes directly behind it. */
    for (size_t i = 0; i + 1 < count; i++) {
        bool inside = true;
        for (size_t k = i + 1; k < TZ_MIN(count, i + 50); k++) {
            bool within = tz_path_within(entries[k].path, entries[k].path_len, entries[i].path,
                                         entries[i].path_len);
            assert_true(inside || !within);
            inside = within;
        }
    }
    free_tree(entries, count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_tree_comes_back, bench_enter, bench_leave),
        cmocka_unit_test_setup_teardown(an_empty_manifest_has_no_entries, bench_enter, bench_leave),
        cmocka_unit_test_setup_teardown(a_prefix_gives_exactly_its_part_of_the_tree, bench_enter,
                                        bench_leave),
        cmocka_unit_test_setup_teardown(a_prefix_reads_no_chunk_too_many, bench_enter, bench_leave),
        cmocka_unit_test_setup_teardown(entries_are_found_by_path, bench_enter, bench_leave),
        cmocka_unit_test_setup_teardown(links_have_the_sizes_of_their_files, bench_enter,
                                        bench_leave),
        cmocka_unit_test_setup_teardown(a_link_leads_to_its_first_name, bench_enter, bench_leave),
        cmocka_unit_test_setup_teardown(an_unchanged_part_gives_the_same_chunks, bench_enter,
                                        bench_leave),
        cmocka_unit_test_setup_teardown(an_entry_more_or_less_changes_few_chunks, bench_enter,
                                        bench_leave),
        cmocka_unit_test_setup_teardown(entries_out_of_order_are_not_written, bench_enter,
                                        bench_leave),
        cmocka_unit_test_setup_teardown(a_manifest_out_of_order_is_refused, bench_enter,
                                        bench_leave),
        cmocka_unit_test_setup_teardown(a_root_that_lies_is_noticed, bench_enter, bench_leave),
        cmocka_unit_test_setup_teardown(a_head_that_lies_is_noticed, bench_enter, bench_leave),
        cmocka_unit_test_setup_teardown(it_names_the_chunks_that_it_is_made_of, bench_enter,
                                        bench_leave),
        cmocka_unit_test_setup_teardown(large_metadata_is_stored_if_a_chunk_takes_it, bench_enter,
                                        bench_leave),
        cmocka_unit_test(the_order_is_that_of_a_walk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
