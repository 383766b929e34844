#include "packer_bench.h"
#include "random_entry.h"

#include "core/backup/local_rows.h"

#include "tozai/util/hex.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#define ENTRIES_MAX 4000

/* A source's folder in the state directory, and what was written into it. */
struct local {
    struct bench *b;
    char *folder;
    struct tz_entry *entries;
    struct local_extra extras[ENTRIES_MAX];
    size_t count;
    struct local_extent lists[6000];
    uint8_t tags[12000][LOCAL_TAG_SIZE];
    uint64_t list_count, tag_count;
    uint64_t used; /* calls of use_pack() */
};

static int enter(void **state)
{
    struct local *l = calloc(1, sizeof(*l));
    void *b = NULL;

    assert_non_null(l);
    if (bench_enter(&b))
        return -1;
    l->b = b;
    OK(tz_repo_state_dir(l->b->repo, "sources/0123", &l->folder, &err));
    *state = l;
    return 0;
}

static void forget(struct local *l)
{
    random_tree_clear(l->entries, l->count);
    free(l->entries);
    l->entries = NULL;
    l->count = 0;
}

static int leave(void **state)
{
    struct local *l = *state;
    void *b = l->b;

    forget(l);
    free(l->folder);
    free(l);
    return bench_leave(&b);
}

/* A real chunk, so that the catalog knows a pack for it: its bytes are its number. */
static void make_chunk(struct local *l, uint64_t number, uint8_t id[TZ_ID_SIZE])
{
    uint8_t data[64] = {0};

    memcpy(data, &number, sizeof(number));
    OK(tz_idhash(l->b->hash, data, sizeof(data), id, &err));
    OK(tz_packer_add(l->b->packer, 0, id, data, sizeof(data), &err));
}

/* The made-up chunks of random entries become real ones. */
static void make_real(struct local *l)
{
    static const uint8_t hole[TZ_ID_SIZE];

    for (size_t i = 0; i < l->count; i++)
        for (uint32_t k = 0; k < l->entries[i].extent_count; k++) {
            uint8_t *id = l->entries[i].extents[k].id;
            uint64_t number = 0;
            l->entries[i].extent_packs[k] = 0;
            if (memcmp(id, hole, TZ_ID_SIZE) == 0)
                continue;
            memcpy(&number, id, sizeof(number));
            make_chunk(l, number, id);
        }
}

static void make_entries(struct local *l, uint64_t seed, size_t max)
{
    struct seeded seeded = {seed};

    l->entries = calloc(max, sizeof(*l->entries));
    assert_non_null(l->entries);
    l->count = random_tree_make(&seeded, l->entries, max);
    make_real(l);
}

/* Some lists and tags for some of the files. */
static void put_extras(struct local *l, struct tz_local_writer *writer, struct seeded *seeded)
{
    l->list_count = l->tag_count = 0;
    for (size_t i = 0; i < l->count; i++) {
        struct local_extra *extra = &l->extras[i];
        uint64_t row = 0;

        *extra = (struct local_extra){0};
        if (!seeded_one_in(seeded, 30))
            continue;
        extra->list_count = seeded_below(seeded, 20);
        extra->tag_count = seeded_below(seeded, 40);
        for (uint64_t k = 0; k < extra->list_count; k++) {
            struct local_extent *e = &l->lists[l->list_count++];
            assert_true(l->list_count <= TZ_COUNT(l->lists));
            *e = (struct local_extent){.extent = {.len = 1 + seeded_below(seeded, 64)}};
            if (seeded_one_in(seeded, 4))
                e->extent.len = seeded_next(seeded);
            else
                make_chunk(l, seeded_below(seeded, 1000), e->extent.id);
            e->extent.offset = (uint32_t)seeded_next(seeded);
            OK(tz_local_put_list(writer, e, &row, &err));
            if (k == 0)
                extra->list_first = row;
        }
        if (extra->tag_count) {
            uint8_t(*tags)[LOCAL_TAG_SIZE] = &l->tags[l->tag_count];
            l->tag_count += extra->tag_count;
            assert_true(l->tag_count <= TZ_COUNT(l->tags));
            seeded_fill(seeded, tags, extra->tag_count * LOCAL_TAG_SIZE);
            OK(tz_local_put_tags(writer, tags, extra->tag_count, &extra->tag_first, &err));
            extra->block_size = 8192;
        }
    }
}

static int use_pack(void *arg, int64_t pack, struct tz_error *error)
{
    struct local *l = arg;

    (void)error;
    assert_true(pack > 0);
    l->used++;
    return 0;
}

static struct tz_local_writer *write_local(struct local *l, uint64_t seed)
{
    struct tz_local_writer *writer = NULL;
    struct seeded seeded = {seed};

    OK(tz_local_create(&writer, l->b->repo, l->folder, &err));
    put_extras(l, writer, &seeded);
    for (size_t i = 0; i < l->count; i++)
        OK(tz_local_add(writer, &l->entries[i], &l->extras[i], &err));
    OK(tz_packer_flush(l->b->packer, &err));
    l->used = 0;
    OK(tz_local_settle(writer, use_pack, l, &err));
    return writer;
}

static void write_and_commit(struct local *l, uint64_t seed)
{
    struct tz_local_writer *writer = write_local(l, seed);

    OK(tz_local_commit(writer, 1234567890123456789, 42, &err));
    tz_local_writer_free(writer);
}

static struct tz_local_reader *open_local(struct local *l)
{
    struct tz_local_reader *reader = NULL;
    OK(tz_local_open(&reader, l->b->repo, l->folder, &err));
    return reader;
}

static uint64_t pack_of(struct local *l, const uint8_t id[TZ_ID_SIZE])
{
    static const uint8_t hole[TZ_ID_SIZE];
    struct tz_chunk_place place;
    bool found = false;

    if (memcmp(id, hole, TZ_ID_SIZE) == 0)
        return 0;
    OK(tz_catalog_find_chunk(tz_repo_catalog(l->b->repo), id, &place, &found, &err));
    assert_true(found);
    return (uint64_t)place.pack;
}

static void check_extra(struct local *l, struct tz_local_reader *reader,
                        const struct local_extra *expected, const struct local_extra *extra)
{
    struct local_extent rows[20];
    uint8_t tags[40][LOCAL_TAG_SIZE];

    assert_int_equal(extra->list_count, expected->list_count);
    assert_int_equal(extra->tag_count, expected->tag_count);
    assert_int_equal(extra->block_size, expected->block_size);
    OK(tz_local_list(reader, extra->list_first, rows, extra->list_count, &err));
    OK(tz_local_tags(reader, extra->tag_first, tags, extra->tag_count, &err));
    for (size_t i = 0; i < extra->list_count; i++) {
        const struct local_extent *e = &l->lists[expected->list_first + i];
        assert_memory_equal(rows[i].extent.id, e->extent.id, TZ_ID_SIZE);
        assert_int_equal(rows[i].extent.len, e->extent.len);
        assert_int_equal(rows[i].extent.offset, e->extent.offset);
        assert_int_equal(rows[i].pack, pack_of(l, e->extent.id));
    }
    if (extra->tag_count)
        assert_memory_equal(tags, l->tags[expected->tag_first], extra->tag_count * LOCAL_TAG_SIZE);
}

/* All that was written, with the packs that the catalog has now. */
static void check_all(struct local *l)
{
    TZ_SCOPED(tz_scoped_local_reader) struct tz_local_reader *reader = open_local(l);
    TZ_SCOPED(tz_scoped_entry) struct tz_entry entry = {0};
    struct local_extra extra;
    bool done = false;

    assert_non_null(reader);
    assert_int_equal(tz_local_start(reader), 1234567890123456789);
    assert_int_equal(tz_local_bytes(reader), 42);
    for (size_t i = 0; i < l->count; i++) {
        for (uint32_t k = 0; k < l->entries[i].extent_count; k++)
            l->entries[i].extent_packs[k] = pack_of(l, l->entries[i].extents[k].id);
        OK(tz_local_next(reader, &entry, &extra, &done, &err));
        assert_false(done);
        assert_same_entry(&l->entries[i], &entry, true);
        check_extra(l, reader, &l->extras[i], &extra);
    }
    OK(tz_local_next(reader, &entry, &extra, &done, &err));
    assert_true(done);
}

static void everything_comes_back(void **state)
{
    struct local *l = *state;
    static const size_t sizes[] = {1, 50, ENTRIES_MAX};

    for (size_t i = 0; i < TZ_COUNT(sizes); i++) {
        make_entries(l, i + 1, sizes[i]);
        write_and_commit(l, i + 1);
        assert_int_equal(l->used > 0, i > 0);
        check_all(l);
        forget(l);
    }
}

static size_t count_files(const char *folder)
{
    TZ_SCOPED(tz_scoped_dir) DIR *dir = opendir(folder);
    size_t count = 0;

    assert_non_null(dir);
    for (const struct dirent *item; (item = readdir(dir));)
        count += strcmp(item->d_name, ".") != 0 && strcmp(item->d_name, "..") != 0;
    return count;
}

static void the_last_one_counts_and_older_ones_go(void **state)
{
    struct local *l = *state;

    for (uint64_t seed = 1; seed <= 3; seed++) {
        forget(l);
        make_entries(l, seed, 100);
        write_and_commit(l, seed);
        check_all(l);
        assert_int_equal(count_files(l->folder), 2); /* "last" and its folder */
    }
}

/* A run that was killed while it replaced "last", or before it. */
static void what_a_killed_run_left_goes(void **state)
{
    static const char *const names[] = {".tozai-0123456789abcdef.tmp",
                                        ".tozai-0000000000000000.tmp"};
    struct local *l = *state;

    for (size_t i = 0; i < TZ_COUNT(names); i++) {
        char *path = tz_path_join(l->folder, names[i]);
        assert_non_null(path);
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        assert_int_equal(close(fd), 0);
        free(path);
    }
    make_entries(l, 5, 100);
    write_and_commit(l, 5);
    assert_int_equal(count_files(l->folder), 2);
    check_all(l);
}

static void without_commit_the_old_one_stays(void **state)
{
    struct local *l = *state;
    struct tz_local_writer *writer = NULL;

    make_entries(l, 5, 100);
    write_and_commit(l, 5);
    writer = write_local(l, 5);
    assert_int_equal(count_files(l->folder), 3);
    tz_local_writer_free(writer);
    assert_int_equal(count_files(l->folder), 2);
    check_all(l);
    OK(tz_local_create(&writer, l->b->repo, l->folder, &err));
    tz_local_writer_free(writer);
    check_all(l);
}

static void none_is_not_an_error(void **state)
{
    struct local *l = *state;

    assert_null(open_local(l));
    assert_int_equal(l->b->fixture.warnings, 0);
}

/* The path of a file of the folder that counts. */
static char *path_of(struct local *l, const char *name)
{
    char *last = tz_path_join(l->folder, "last");
    TZ_SCOPED(tz_scoped_buf) struct tz_buf bytes = {0};

    if (strcmp(name, "last") == 0)
        return last;
    OK(tz_file_read(last, 4096, &bytes, &err));
    free(last);
    char *folder = tz_path_join(l->folder, (const char *)bytes.data + 8);
    char *path = tz_path_join(folder, name);
    free(folder);
    return path;
}

/* Does content lie in a pack that is not known?  Then a backup reads the file again. */
static bool has_unknown(const struct tz_entry *entry, const struct local_extent *rows, size_t count)
{
    static const uint8_t hole[TZ_ID_SIZE];

    for (uint32_t k = 0; k < entry->extent_count; k++)
        if (!entry->extent_packs[k] && memcmp(entry->extents[k].id, hole, TZ_ID_SIZE) != 0)
            return true;
    for (size_t k = 0; k < count; k++)
        if (!rows[k].pack && memcmp(rows[k].extent.id, hole, TZ_ID_SIZE) != 0)
            return true;
    return false;
}

/*
 * Read as a backup does.  What is given must be right, whatever happened to the files: entries as
 * they were, with their own chunks, up to some place where the damage is noticed.  Returns how many
 * entries came.
 */
static size_t read_damaged(struct local *l, bool *ret_noticed)
{
    TZ_SCOPED(tz_scoped_local_reader) struct tz_local_reader *reader = open_local(l);
    TZ_SCOPED(tz_scoped_entry) struct tz_entry entry = {0};
    struct local_extra extra;
    size_t count = 0;
    bool done = false;

    *ret_noticed = !reader;
    while (reader) {
        if (tz_local_next(reader, &entry, &extra, &done, &err)) {
            *ret_noticed = true;
            break;
        }
        if (done)
            break;
        assert_true(count < l->count);
        struct local_extent rows[20];
        if (tz_local_list(reader, extra.list_first, rows, extra.list_count, NULL) ||
            has_unknown(&entry, rows, extra.list_count)) {
            *ret_noticed = true;
            assert_same_entry(&l->entries[count++], &entry, false);
            continue;
        }
        check_extra(l, reader, &l->extras[count], &extra);
        assert_same_entry(&l->entries[count++], &entry, true);
    }
    return count;
}

static void damage_is_noticed(void **state)
{
    struct local *l = *state;
    static const char *const files[] = {"entries", "chunks", "lists", "packs", "last"};
    struct seeded seeded = {9};

    make_entries(l, 9, 400);
    write_and_commit(l, 9);
    check_all(l);
    for (size_t i = 0; i < TZ_COUNT(files); i++) {
        char *path = path_of(l, files[i]);
        TZ_SCOPED(tz_scoped_buf) struct tz_buf good = {0};
        OK(tz_file_read(path, 64U << 20, &good, &err));
        assert_true(good.len > 0);
        for (unsigned turn = 0; turn < 60; turn++) {
            size_t at = turn < 24 && turn < good.len ? turn : seeded_below(&seeded, good.len);
            uint8_t flip = (uint8_t)(1U << seeded_below(&seeded, 8));
            bool noticed = false;

            good.data[at] ^= flip;
            tz_fixture_write(&l->b->fixture, path, good.data, good.len);
            (void)read_damaged(l, &noticed);
            assert_true(noticed);
            good.data[at] ^= flip;
        }
        tz_fixture_write(&l->b->fixture, path, good.data, good.len);
        check_all(l);
        free(path);
    }
    assert_true(l->b->fixture.warnings > 0);
}

static void a_cut_file_is_noticed_or_harmless(void **state)
{
    struct local *l = *state;
    static const char *const files[] = {"entries", "chunks", "lists", "packs", "tags", "last"};
    struct seeded seeded = {10};

    make_entries(l, 10, 400);
    write_and_commit(l, 10);
    check_all(l);
    for (size_t i = 0; i < TZ_COUNT(files); i++) {
        char *path = path_of(l, files[i]);
        TZ_SCOPED(tz_scoped_buf) struct tz_buf good = {0};
        OK(tz_file_read(path, 64U << 20, &good, &err));
        for (unsigned turn = 0; turn < 30; turn++) {
            static const size_t rows[] = {
                1, LOCAL_CHUNK_ROW, LOCAL_LIST_ROW, LOCAL_PACK_ROW, LOCAL_TAG_SIZE, 64};
            size_t len = seeded_below(&seeded, good.len);
            bool noticed = false;

            len -= len % rows[i]; /* whole rows are harder to notice */
            tz_fixture_write(&l->b->fixture, path, good.data, len);
            size_t count = read_damaged(l, &noticed);
            /* The end of the entries may be missing unnoticed: those files are read again. */
            assert_true(noticed || count < l->count);
        }
        assert_int_equal(unlink(path), 0);
        assert_null(open_local(l));
        tz_fixture_write(&l->b->fixture, path, good.data, good.len);
        check_all(l);
        free(path);
    }
}

static void swapped_rows_and_blocks_are_noticed(void **state)
{
    struct local *l = *state;
    static const struct {
        const char *file;
        size_t size;
    } files[] = {{"chunks", LOCAL_CHUNK_ROW}, {"lists", LOCAL_LIST_ROW}, {"packs", LOCAL_PACK_ROW}};
    bool noticed = false;

    make_entries(l, 11, ENTRIES_MAX);
    OK(tz_packer_flush(l->b->packer, &err)); /* the lists' chunks come into a pack of their own */
    write_and_commit(l, 11);
    check_all(l);
    for (size_t i = 0; i < TZ_COUNT(files); i++) {
        char *path = path_of(l, files[i].file);
        TZ_SCOPED(tz_scoped_buf) struct tz_buf bytes = {0}, good = {0};
        OK(tz_file_read(path, 64U << 20, &bytes, &err));
        OK(tz_buf_append(&good, bytes.data, bytes.len, &err));
        assert_true(bytes.len >= 2 * files[i].size);
        memcpy(bytes.data, good.data + files[i].size, files[i].size);
        memcpy(bytes.data + files[i].size, good.data, files[i].size);
        tz_fixture_write(&l->b->fixture, path, bytes.data, bytes.len);
        (void)read_damaged(l, &noticed);
        assert_true(noticed);
        tz_fixture_write(&l->b->fixture, path, good.data, good.len);
        free(path);
    }

    /* A row of one file in another's place; both have 44 bytes. */
    char *chunks = path_of(l, "chunks"), *packs = path_of(l, "packs");
    TZ_SCOPED(tz_scoped_buf) struct tz_buf bytes = {0}, other = {0};
    OK(tz_file_read(chunks, 64U << 20, &bytes, &err));
    OK(tz_file_read(packs, 64U << 20, &other, &err));
    memcpy(bytes.data, other.data, LOCAL_CHUNK_ROW);
    tz_fixture_write(&l->b->fixture, chunks, bytes.data, bytes.len);
    (void)read_damaged(l, &noticed);
    assert_true(noticed);
    free(chunks);
    free(packs);
}

/* Without one of the blocks the entries behind it would get the chunks of others. */
static void a_missing_block_is_noticed(void **state)
{
    struct local *l = *state;
    char path[] = "0000";

    /* Entries that say all of themselves, whatever stood before them. */
    l->entries = calloc(ENTRIES_MAX, sizeof(*l->entries));
    assert_non_null(l->entries);
    for (l->count = 0; l->count < 9; l->count++) {
        struct tz_entry *entry = &l->entries[l->count];
        struct tz_extent extent = {.len = 5};
        entry->type = TZ_ENTRY_FILE;
        entry->size = 5;
        entry->xattrs = calloc(2, sizeof(*entry->xattrs));
        for (; entry->xattr_count < 2; entry->xattr_count++)
            entry->xattrs[entry->xattr_count] = (struct tz_xattr){
                .name = strdup("user.n"), .value = calloc(65536, 1), .value_len = 65536};
        path[0] = (char)('1' + l->count);
        OK(tz_entry_set_path(entry, path, 4, &err));
        make_chunk(l, l->count, extent.id);
        OK(tz_entry_add_extent(entry, &extent, 0, &err));
    }
    write_and_commit(l, 16);
    memset(l->extras, 0, sizeof(l->extras));
    check_all(l);

    char *file = path_of(l, "entries");
    TZ_SCOPED(tz_scoped_buf) struct tz_buf good = {0};
    OK(tz_file_read(file, 64U << 20, &good, &err));
    for (size_t at = 0; at < good.len;) {
        size_t len = LOCAL_BLOCK_HEAD + tz_load_le32(good.data + at);
        TZ_SCOPED(tz_scoped_buf) struct tz_buf without = {0};
        bool noticed = false;
        OK(tz_buf_append(&without, good.data, at, &err));
        OK(tz_buf_append(&without, good.data + at + len, good.len - at - len, &err));
        tz_fixture_write(&l->b->fixture, file, without.data, without.len);
        size_t count = read_damaged(l, &noticed);
        assert_true(noticed || at + len == good.len); /* the last one cannot be missed */
        assert_true(count < l->count);
        at += len;
    }
    free(file);
}

/* One run's rows under another's entries: all files are sound by themselves. */
static void files_of_another_run_are_noticed(void **state)
{
    struct local *l = *state;
    static const char *const files[] = {"chunks", "lists", "packs", "entries"};
    struct tz_buf old[TZ_COUNT(files)] = {{0}};

    make_entries(l, 12, 400);
    write_and_commit(l, 12);
    for (size_t i = 0; i < TZ_COUNT(files); i++) {
        char *path = path_of(l, files[i]);
        OK(tz_file_read(path, 64U << 20, &old[i], &err));
        free(path);
    }
    write_and_commit(l, 12); /* the same once more, in another folder */
    check_all(l);
    for (size_t i = 0; i < TZ_COUNT(files); i++) {
        char *path = path_of(l, files[i]);
        TZ_SCOPED(tz_scoped_buf) struct tz_buf good = {0};
        bool noticed = false;
        OK(tz_file_read(path, 64U << 20, &good, &err));
        OK(tz_file_replace(path, old[i].data, old[i].len, 0600, &err));
        (void)read_damaged(l, &noticed);
        assert_true(noticed);
        tz_fixture_write(&l->b->fixture, path, good.data, good.len);
        tz_buf_clear(&old[i]);
        free(path);
    }
}

/* Take the whole catalog away; it is made anew from the stores, with other numbers. */
static void renew_catalog(struct local *l)
{
    static const char *const files[] = {"catalog.db", "catalog.db-wal", "catalog.db-shm"};

    bench_stop(l->b);
    for (size_t i = 0; i < TZ_COUNT(files); i++) {
        char *path = tz_path_join(l->b->fixture.state, files[i]);
        (void)unlink(path);
        free(path);
    }
    bench_start(l->b, false);
}

/*
 * Numbers of packs are the catalog's own.  One that was made anew, or that lost its last
 * transactions in a power failure, gives them to other packs.
 */
static void another_catalog_has_other_numbers(void **state)
{
    struct local *l = *state;
    uint64_t before = 0, changed = 0;

    for (uint64_t i = 0; i < 60; i++) { /* some packs before, which come in another order then */
        struct seeded seeded = {i};
        uint8_t id[TZ_ID_SIZE], data[60000];
        seeded_fill(&seeded, data, sizeof(data));
        OK(tz_idhash(l->b->hash, data, sizeof(data), id, &err));
        OK(tz_packer_add(l->b->packer, 1, id, data, sizeof(data), &err));
        if (i % 10 == 9)
            OK(tz_packer_flush(l->b->packer, &err));
    }
    make_entries(l, 13, 300);
    write_and_commit(l, 13);
    check_all(l);
    for (int turn = 0; turn < 4; turn++) {
        const struct tz_entry *file = NULL;
        for (size_t i = 0; !file; i++)
            file = l->entries[i].extent_count ? &l->entries[i] : NULL;
        before = file->extent_packs[0];
        renew_catalog(l);
        check_all(l);
        changed += file->extent_packs[0] != before;
    }
    (void)changed; /* by chance it may have been the same each time */
}

static uint64_t count_unknown(struct local *l)
{
    static const uint8_t hole[TZ_ID_SIZE];
    TZ_SCOPED(tz_scoped_local_reader) struct tz_local_reader *reader = open_local(l);
    TZ_SCOPED(tz_scoped_entry) struct tz_entry entry = {0};
    struct local_extra extra;
    uint64_t unknown = 0;
    bool done = false;

    assert_non_null(reader);
    for (;;) {
        OK(tz_local_next(reader, &entry, &extra, &done, &err));
        if (done)
            return unknown;
        for (uint32_t k = 0; k < entry.extent_count; k++)
            unknown += memcmp(entry.extents[k].id, hole, TZ_ID_SIZE) != 0 && !entry.extent_packs[k];
    }
}

struct removing {
    struct local *l;
    size_t count;
};

static int remove_pack(void *arg, const char *name, const struct tz_store_stat *stat,
                       struct tz_error *error)
{
    struct removing *removing = arg;
    struct tz_catalog *catalog = tz_repo_catalog(removing->l->b->repo);
    int64_t object = 0;
    uint64_t size = 0;

    (void)stat;
    removing->count++;
    if (tz_catalog_find_object(catalog, name, &object, &size, error))
        return -1;
    return tz_catalog_remove_object(catalog, object, error);
}

/* What lies in a pack that is gone must be read again. */
static void a_pack_that_the_catalog_forgot_has_no_number(void **state)
{
    struct local *l = *state;
    struct removing removing = {.l = l};

    make_entries(l, 14, 300);
    write_and_commit(l, 14);
    assert_int_equal(count_unknown(l), 0);
    OK(tz_store_list(tz_mirror_store(tz_repo_mirror(l->b->repo), 0), "packs/", remove_pack,
                     &removing, &err));
    assert_true(removing.count > 0);
    assert_true(count_unknown(l) > 0);
}

static void a_chunk_that_nobody_stored_is_an_error(void **state)
{
    struct local *l = *state;
    struct tz_local_writer *writer = NULL;
    const struct tz_extent extent = {.id = {1, 2, 3}, .len = 5};
    TZ_SCOPED(tz_scoped_entry) struct tz_entry entry = {.type = TZ_ENTRY_FILE, .size = 5};

    OK(tz_entry_set_path(&entry, "file", 4, &err));
    OK(tz_entry_add_extent(&entry, &extent, 0, &err));
    OK(tz_local_create(&writer, l->b->repo, l->folder, &err));
    OK(tz_local_add(writer, &entry, &(struct local_extra){0}, &err));
    assert_int_equal(tz_local_settle(writer, use_pack, l, &err), -1);
    assert_int_equal(err.kind, TZ_CORRUPT);
    tz_local_writer_free(writer);
    assert_int_equal(count_files(l->folder), 0);
}

static int refuse_pack(void *arg, int64_t pack, struct tz_error *error)
{
    (void)arg;
    (void)pack;
    return tz_fail(error, TZ_INTERRUPTED, "enough");
}

static void an_error_of_the_caller_comes_through(void **state)
{
    struct local *l = *state;
    struct tz_local_writer *writer = NULL;

    make_entries(l, 15, 100);
    OK(tz_packer_flush(l->b->packer, &err));
    OK(tz_local_create(&writer, l->b->repo, l->folder, &err));
    for (size_t i = 0; i < l->count; i++)
        OK(tz_local_add(writer, &l->entries[i], &l->extras[i], &err));
    assert_int_equal(tz_local_settle(writer, refuse_pack, l, &err), -1);
    assert_int_equal(err.kind, TZ_INTERRUPTED);
    tz_local_writer_free(writer);
}

static void extras_come_back(void **state)
{
    static const struct local_extra extras[] = {
        {0},
        {.list_first = 5, .list_count = 1},
        {.tag_first = UINT64_MAX, .tag_count = UINT64_MAX, .block_size = UINT32_MAX},
        {.list_count = 1, .tag_count = 2, .block_size = 4096},
    };

    (void)state;
    for (size_t i = 0; i < TZ_COUNT(extras); i++) {
        TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
        struct local_extra back;
        OK(tz_local_extra_encode(&extras[i], &out, &err));
        struct tz_cursor c = tz_cursor(out.data, out.len);
        OK(tz_local_extra_decode(&c, &back, &err));
        assert_true(tz_wire_done(&c));
        assert_memory_equal(&back, &extras[i], sizeof(back));
        for (size_t len = 0; len < out.len; len++) {
            c = tz_cursor(out.data, len);
            assert_int_equal(tz_local_extra_decode(&c, &back, &err), -1);
            assert_int_equal(err.kind, TZ_CORRUPT);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(everything_comes_back, enter, leave),
        cmocka_unit_test_setup_teardown(the_last_one_counts_and_older_ones_go, enter, leave),
        cmocka_unit_test_setup_teardown(what_a_killed_run_left_goes, enter, leave),
        cmocka_unit_test_setup_teardown(without_commit_the_old_one_stays, enter, leave),
        cmocka_unit_test_setup_teardown(none_is_not_an_error, enter, leave),
        cmocka_unit_test_setup_teardown(damage_is_noticed, enter, leave),
        cmocka_unit_test_setup_teardown(a_cut_file_is_noticed_or_harmless, enter, leave),
        cmocka_unit_test_setup_teardown(swapped_rows_and_blocks_are_noticed, enter, leave),
        cmocka_unit_test_setup_teardown(a_missing_block_is_noticed, enter, leave),
        cmocka_unit_test_setup_teardown(files_of_another_run_are_noticed, enter, leave),
        cmocka_unit_test_setup_teardown(another_catalog_has_other_numbers, enter, leave),
        cmocka_unit_test_setup_teardown(a_pack_that_the_catalog_forgot_has_no_number, enter, leave),
        cmocka_unit_test_setup_teardown(a_chunk_that_nobody_stored_is_an_error, enter, leave),
        cmocka_unit_test_setup_teardown(an_error_of_the_caller_comes_through, enter, leave),
        cmocka_unit_test(extras_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
