#include "packer_bench.h"

static const uint8_t zero_id[TZ_ID_SIZE];

/* A growing list of extents. */
struct list {
    struct tz_extent *items;
    size_t count, cap;
};

static void list_add(struct list *list, const struct tz_extent *extent)
{
    if (list->count == list->cap) {
        list->cap = list->cap ? list->cap * 2 : 1024;
        list->items = realloc(list->items, list->cap * sizeof(*list->items));
        assert_non_null(list->items);
    }
    list->items[list->count++] = *extent;
}

static void list_clear(struct list *list)
{
    free(list->items);
    *list = (struct list){0};
}

static bool is_hole(const struct tz_extent *extent)
{
    return memcmp(extent->id, zero_id, TZ_ID_SIZE) == 0;
}

/* Extents of which no two neighbours can be joined. */
static void random_list(struct seeded *seeded, size_t count, struct list *ret)
{
    *ret = (struct list){0};
    while (ret->count < count) {
        struct tz_extent extent = {.offset = (uint32_t)seeded_below(seeded, 1000),
                                   .len = 1 + seeded_below(seeded, 300000)};
        const struct tz_extent *last = ret->count ? &ret->items[ret->count - 1] : NULL;

        if (seeded_one_in(seeded, 10) && !(last && is_hole(last)))
            extent = (struct tz_extent){.len = 1 + seeded_below(seeded, UINT64_C(1) << 33)};
        else if (last && !is_hole(last) && seeded_one_in(seeded, 10))
            memcpy(extent.id, last->id, TZ_ID_SIZE);
        else
            seeded_fill(seeded, extent.id, TZ_ID_SIZE);
        if (last && memcmp(last->id, extent.id, TZ_ID_SIZE) == 0 &&
            last->offset + last->len == extent.offset)
            extent.offset++;
        list_add(ret, &extent);
    }
}

static uint64_t sum_of(const struct list *list)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < list->count; i++)
        sum += list->items[i].len;
    return sum;
}

static struct tz_extent_sink *new_sink(struct bench *b, struct tz_id_list *refs)
{
    struct tz_extent_sink *sink = NULL;
    OK(tz_extent_sink_new(&sink, b->packer, b->hash, refs, &err));
    return sink;
}

/* Give the list to a sink; pieces: each extent in several parts. */
static void sink_list(struct tz_extent_sink *sink, const struct list *list, struct seeded *pieces,
                      struct tz_entry *entry)
{
    for (size_t i = 0; i < list->count; i++) {
        struct tz_extent rest = list->items[i];
        while (rest.len > 0) {
            struct tz_extent part = rest;
            if (pieces && rest.len > 1)
                part.len = 1 + seeded_below(pieces, rest.len);
            OK(tz_extent_sink_add(sink, &part, &err));
            rest.len -= part.len;
            rest.offset += is_hole(&rest) ? 0 : (uint32_t)part.len;
        }
    }
    OK(tz_extent_sink_finish(sink, entry, &err));
    entry->type = TZ_ENTRY_FILE;
    entry->size = sum_of(list);
}

static void assert_walk(struct bench *b, const struct tz_entry *entry, const struct list *expected)
{
    TZ_SCOPED(tz_scoped_extent_walk) struct tz_extent_walk *walk = NULL;
    struct tz_extent extent;
    bool done = false;

    OK(tz_extent_walk_new(&walk, b->repo, entry, &err));
    for (size_t i = 0; i < expected->count; i++) {
        OK(tz_extent_walk_next(walk, &extent, &done, &err));
        assert_false(done);
        assert_memory_equal(extent.id, expected->items[i].id, TZ_ID_SIZE);
        assert_int_equal(extent.len, expected->items[i].len);
        if (!is_hole(&extent))
            assert_int_equal(extent.offset, expected->items[i].offset);
    }
    OK(tz_extent_walk_next(walk, &extent, &done, &err));
    assert_true(done);
}

/* Sink, flush, walk. */
static void round_trip(struct bench *b, size_t count, uint64_t seed, uint32_t least_level,
                       uint32_t most_level)
{
    struct seeded seeded = {seed};
    struct tz_id_list refs = {0};
    struct tz_extent_sink *sink = new_sink(b, &refs);
    TZ_SCOPED(tz_scoped_entry) struct tz_entry entry = {0};
    TZ_SCOPED(list_clear) struct list list = {0};

    random_list(&seeded, count, &list);
    sink_list(sink, &list, &seeded, &entry);
    OK(tz_packer_flush(b->packer, &err));
    assert_in_range(entry.level, least_level, most_level);
    assert_true(entry.extent_count <= TZ_ENTRY_EXTENTS_MAX);
    assert_int_equal(refs.count > 0, entry.level > 0);
    assert_walk(b, &entry, &list);
    tz_extent_sink_free(sink);
    free(refs.ids);
}

static void short_lists_stay_in_the_entry(void **state)
{
    static const size_t counts[] = {0, 1, 2, 3, 100, 511, 512};

    for (size_t i = 0; i < TZ_COUNT(counts); i++)
        round_trip(*state, counts[i], i + 1, 0, 0);
}

static void longer_lists_move_into_chunks(void **state)
{
    static const size_t counts[] = {513, 514, 700, 2000};

    for (size_t i = 0; i < TZ_COUNT(counts); i++)
        round_trip(*state, counts[i], i + 10, 1, 1);
    /* Where the upper list is cut depends on ids, which depend on the repository's keys. */
    round_trip(*state, 20000, 14, 1, 2);
}

static void very_long_lists_have_two_levels(void **state)
{
    round_trip(*state, 250000, 99, 2, 2);
}

static void a_sink_can_be_used_again(void **state)
{
    struct bench *b = *state;
    struct seeded seeded = {5};
    struct tz_id_list refs = {0};
    struct tz_extent_sink *sink = new_sink(b, &refs);
    static const size_t counts[] = {3, 600, 0, 1, 5000, 512, 513, 2};
    struct tz_entry entries[TZ_COUNT(counts)] = {0};
    struct list lists[TZ_COUNT(counts)] = {0};

    for (size_t i = 0; i < TZ_COUNT(counts); i++) {
        random_list(&seeded, counts[i], &lists[i]);
        sink_list(sink, &lists[i], NULL, &entries[i]);
    }
    OK(tz_packer_flush(b->packer, &err));
    for (size_t i = 0; i < TZ_COUNT(counts); i++) {
        assert_walk(b, &entries[i], &lists[i]);
        tz_entry_clear(&entries[i]);
        list_clear(&lists[i]);
    }
    tz_extent_sink_free(sink);
    free(refs.ids);
}

static void neighbours_are_joined(void **state)
{
    struct bench *b = *state;
    struct tz_id_list refs = {0};
    struct tz_extent_sink *sink = new_sink(b, &refs);
    TZ_SCOPED(tz_scoped_entry) struct tz_entry entry = {0};
    static const struct tz_extent parts[] = {
        {.id = {1}, .offset = 0, .len = 10},
        {.id = {1}, .offset = 10, .len = 5},
        {.id = {1}, .offset = 16, .len = 4}, /* a byte is left out */
        {.id = {2}, .offset = 20, .len = 1}, /* another chunk */
        {.len = 100},
        {.len = 0},
        {.len = 200},
        {.id = {2}, .offset = 21, .len = 1},
        {.id = {2}, .offset = 21, .len = 1}, /* the same once more */
    };
    static const struct tz_extent joined[] = {
        {.id = {1}, .offset = 0, .len = 15}, {.id = {1}, .offset = 16, .len = 4},
        {.id = {2}, .offset = 20, .len = 1}, {.len = 300},
        {.id = {2}, .offset = 21, .len = 1}, {.id = {2}, .offset = 21, .len = 1},
    };

    for (size_t i = 0; i < TZ_COUNT(parts); i++)
        OK(tz_extent_sink_add(sink, &parts[i], &err));
    OK(tz_extent_sink_finish(sink, &entry, &err));
    assert_int_equal(entry.extent_count, TZ_COUNT(joined));
    for (size_t i = 0; i < TZ_COUNT(joined); i++) {
        assert_memory_equal(entry.extents[i].id, joined[i].id, TZ_ID_SIZE);
        assert_int_equal(entry.extents[i].offset, joined[i].offset);
        assert_int_equal(entry.extents[i].len, joined[i].len);
    }
    tz_extent_sink_free(sink);
    free(refs.ids);
}

/* A file may have a hole of nearly eight exbibytes: anybody can make one. */
static void the_largest_holes_can_be_read_again(void **state)
{
    struct bench *b = *state;
    static const uint64_t sizes[] = {TZ_HOLE_MAX, TZ_HOLE_MAX + 1, UINT64_C(1) << 62, INT64_MAX};

    for (size_t i = 0; i < TZ_COUNT(sizes); i++) {
        struct tz_id_list refs = {0};
        struct tz_extent_sink *sink = new_sink(b, &refs);
        TZ_SCOPED(tz_scoped_entry)
        struct tz_entry entry = {.type = TZ_ENTRY_FILE, .size = sizes[i]};
        TZ_SCOPED(tz_scoped_entry) struct tz_entry back = {0};
        TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
        struct tz_coder coder = {0};
        struct tz_extent first = {.len = sizes[i] / 3}, second = {.len = sizes[i] - first.len};

        OK(tz_extent_sink_add(sink, &first, &err));
        OK(tz_extent_sink_add(sink, &second, &err));
        OK(tz_extent_sink_finish(sink, &entry, &err));
        OK(tz_entry_set_path(&entry, "huge", 4, &err));
        OK(tz_entry_check(&entry, &err));
        OK(tz_entry_encode(&coder, &entry, NULL, &out, &err));
        tz_coder_clear(&coder);
        struct tz_cursor c = tz_cursor(out.data, out.len);
        OK(tz_entry_decode(&coder, &c, NULL, &back, &err));
        assert_int_equal(back.size, sizes[i]);
        assert_true(back.extent_count <= 9);
        tz_coder_clear(&coder);
        tz_extent_sink_free(sink);
        free(refs.ids);
    }
}

static void a_wrong_size_is_noticed(void **state)
{
    struct bench *b = *state;

    for (int level = 0; level < 2; level++)
        for (int more = -1; more <= 1; more += 2) {
            struct seeded seeded = {77};
            struct tz_id_list refs = {0};
            struct tz_extent_sink *sink = new_sink(b, &refs);
            TZ_SCOPED(tz_scoped_entry) struct tz_entry entry = {0};
            TZ_SCOPED(list_clear) struct list list = {0};
            TZ_SCOPED(tz_scoped_extent_walk) struct tz_extent_walk *walk = NULL;
            bool done = false;

            random_list(&seeded, level ? 1000 : 10, &list);
            sink_list(sink, &list, NULL, &entry);
            OK(tz_packer_flush(b->packer, &err));
            entry.size += (uint64_t)(int64_t)more;
            OK(tz_extent_walk_new(&walk, b->repo, &entry, &err));
            int status = 0;
            while (!status && !done) {
                struct tz_extent extent;
                status = tz_extent_walk_next(walk, &extent, &done, &err);
            }
            assert_int_equal(status, -1);
            assert_int_equal(err.kind, TZ_CORRUPT);
            tz_extent_sink_free(sink);
            free(refs.ids);
        }
}

static size_t sink_and_count(struct bench *b, const struct list *list)
{
    struct tz_id_list refs = {0};
    struct tz_extent_sink *sink = new_sink(b, &refs);
    TZ_SCOPED(tz_scoped_entry) struct tz_entry entry = {0};
    size_t new = 0;

    sink_list(sink, list, NULL, &entry);
    for (size_t i = 0; i < refs.count; i++) {
        struct tz_chunk_place place;
        bool found = false;
        OK(tz_catalog_find_chunk(tz_repo_catalog(b->repo), refs.ids[i], &place, &found, &err));
        new += !found;
    }
    OK(tz_packer_flush(b->packer, &err));
    assert_walk(b, &entry, list);
    tz_extent_sink_free(sink);
    free(refs.ids);
    return new;
}

static void a_list_that_changed_a_little_gives_few_new_chunks(void **state)
{
    struct bench *b = *state;
    struct seeded seeded = {123};
    TZ_SCOPED(list_clear) struct list list = {0};

    random_list(&seeded, 30000, &list);
    assert_true(sink_and_count(b, &list) > 60);
    assert_int_equal(sink_and_count(b, &list), 0);
    seeded_fill(&seeded, list.items[15000].id, TZ_ID_SIZE); /* another chunk in the middle */
    assert_in_range(sink_and_count(b, &list), 1, 4);
    list.items[3].len++; /* longer at the beginning */
    assert_in_range(sink_and_count(b, &list), 1, 4);
}

/* Hand-made entries, as hostile as can be. */
static enum tz_error_kind walk_to_the_end(struct bench *b, const struct tz_entry *entry)
{
    TZ_SCOPED(tz_scoped_extent_walk) struct tz_extent_walk *walk = NULL;
    bool done = false;
    struct tz_error why = {0};
    struct tz_extent extent;

    if (tz_extent_walk_new(&walk, b->repo, entry, &why))
        return why.kind;
    while (!done)
        if (tz_extent_walk_next(walk, &extent, &done, &why))
            return why.kind;
    return TZ_OK;
}

static struct tz_extent store_list(struct bench *b, const struct tz_buf *bytes)
{
    struct tz_id_list refs = {0};
    struct tz_extent *extents = NULL, extent;
    uint32_t count = 0;

    OK(tz_manifest_store(b->packer, b->hash, &refs, bytes->data, bytes->len, &extents, &count,
                         &err));
    assert_int_equal(count, 1);
    extent = extents[0];
    free(extents);
    free(refs.ids);
    return extent;
}

static void hostile_lists_are_refused(void **state)
{
    struct bench *b = *state;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf good = {0}, cut = {0}, noise = {0};
    const struct tz_extent content = {.id = {9}, .len = 100};
    struct tz_coder coder = {0};

    OK(tz_extent_encode(&coder, &content, 0, NULL, &good, &err));
    tz_coder_clear(&coder);
    OK(tz_buf_append(&cut, good.data, good.len - 1, &err));
    OK(tz_buf_append(&noise, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11, &err));
    struct tz_extent good_at = store_list(b, &good), cut_at = store_list(b, &cut);
    struct tz_extent noise_at = store_list(b, &noise), odd;
    OK(tz_packer_flush(b->packer, &err));

    struct tz_entry entry = {
        .type = TZ_ENTRY_FILE, .level = 1, .size = 100, .extents = &good_at, .extent_count = 1};
    assert_int_equal(walk_to_the_end(b, &entry), TZ_OK);
    entry.extents = &cut_at;
    assert_int_equal(walk_to_the_end(b, &entry), TZ_CORRUPT);
    entry.extents = &noise_at;
    assert_int_equal(walk_to_the_end(b, &entry), TZ_CORRUPT);
    entry.extents = &odd;
    odd = good_at; /* beyond the end of the chunk */
    odd.len++;
    assert_int_equal(walk_to_the_end(b, &entry), TZ_CORRUPT);
    odd = good_at;
    odd.offset = UINT32_MAX;
    assert_int_equal(walk_to_the_end(b, &entry), TZ_CORRUPT);
    odd = (struct tz_extent){.len = 50}; /* a hole where a list should be */
    assert_int_equal(walk_to_the_end(b, &entry), TZ_CORRUPT);
    odd = (struct tz_extent){.id = {77}, .len = 50}; /* a chunk that there is not */
    assert_int_equal(walk_to_the_end(b, &entry), TZ_CORRUPT);
    entry.extents = &good_at;
    entry.level = 2; /* extents where more lists should be */
    assert_int_equal(walk_to_the_end(b, &entry), TZ_CORRUPT);
    entry.level = TZ_LIST_LEVELS;
    assert_int_equal(walk_to_the_end(b, &entry), TZ_CORRUPT);
    entry.level = UINT32_MAX;
    assert_int_equal(walk_to_the_end(b, &entry), TZ_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(short_lists_stay_in_the_entry, bench_enter, bench_leave),
        cmocka_unit_test_setup_teardown(longer_lists_move_into_chunks, bench_enter, bench_leave),
        cmocka_unit_test_setup_teardown(very_long_lists_have_two_levels, bench_enter, bench_leave),
        cmocka_unit_test_setup_teardown(a_sink_can_be_used_again, bench_enter, bench_leave),
        cmocka_unit_test_setup_teardown(neighbours_are_joined, bench_enter, bench_leave),
        cmocka_unit_test_setup_teardown(the_largest_holes_can_be_read_again, bench_enter,
                                        bench_leave),
        cmocka_unit_test_setup_teardown(a_wrong_size_is_noticed, bench_enter, bench_leave),
        cmocka_unit_test_setup_teardown(a_list_that_changed_a_little_gives_few_new_chunks,
                                        bench_enter, bench_leave),
        cmocka_unit_test_setup_teardown(hostile_lists_are_refused, bench_enter, bench_leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
