/*
 * The pack writer over a real repository.
 */
#include "core/repo/internal.h"
#include "packer_bench.h"

#include "tozai/core/chunkreader.h"

/* A chunk of random bytes that the seed gives; every third is easy to compress. */
static uint8_t *make_chunk(const struct bench *b, uint64_t seed, size_t len, uint8_t id[TZ_ID_SIZE])
{
    struct seeded seeded = {seed};
    uint8_t *data = malloc(len);

    assert_non_null(data);
    seeded_fill(&seeded, data, len);
    if (seed % 3 == 0)
        memset(data + len / 8, 'x', len - len / 8);
    OK(tz_idhash(b->hash, data, len, id, &err));
    return data;
}

static size_t size_of_chunk(uint64_t seed)
{
    struct seeded seeded = {seed * 7919};
    return 1 + seeded_below(&seeded, 100000);
}

static void add_chunk(struct bench *b, unsigned lane, uint64_t seed, size_t len)
{
    uint8_t id[TZ_ID_SIZE];
    TZ_SCOPED(tz_scoped_free) uint8_t *data = make_chunk(b, seed, len, id);

    OK(tz_packer_add(b->packer, lane, id, data, (uint32_t)len, &err));
}

static void read_chunk(const struct bench *b, struct tz_chunk_reader *reader, uint64_t seed,
                       size_t len)
{
    uint8_t id[TZ_ID_SIZE];
    TZ_SCOPED(tz_scoped_free) uint8_t *expected = make_chunk(b, seed, len, id);
    const uint8_t *data = NULL;
    uint32_t data_len = 0;

    OK(tz_chunk_read(reader, id, &data, &data_len, &err));
    assert_int_equal(data_len, len);
    assert_memory_equal(data, expected, len);
}

static bool is_known(const struct bench *b, uint64_t seed, size_t len)
{
    uint8_t id[TZ_ID_SIZE];
    bool has = false;

    free(make_chunk(b, seed, len, id));
    OK(tz_packer_has(b->packer, id, &has, &err));
    return has;
}

static void chunks_of_all_lanes_come_back(void **state)
{
    struct bench *b = *state;
    TZ_SCOPED(tz_scoped_chunk_reader) struct tz_chunk_reader *reader = NULL;

    for (uint64_t i = 0; i < 200; i++)
        add_chunk(b, i % TZ_PACKER_LANES, i, size_of_chunk(i));
    assert_true(is_known(b, 0, size_of_chunk(0))); /* on its way already */
    OK(tz_packer_flush(b->packer, &err));
    assert_int_equal(b->packer->fresh.count, 0);
    assert_true(tz_packer_stats(b->packer).packs > 5);
    assert_int_equal(tz_fixture_count(b->fixture.east, "packs/"), tz_packer_stats(b->packer).packs);
    assert_int_equal(tz_fixture_compare_stores(&b->fixture), 0);

    OK(tz_chunk_reader_new(&reader, b->repo, &err));
    for (uint64_t i = 200; i-- > 0;)
        read_chunk(b, reader, i, size_of_chunk(i));
    assert_int_equal(tz_chunk_reader_healed(reader), 0);
}

static void a_chunk_is_stored_once(void **state)
{
    struct bench *b = *state;

    for (int turn = 0; turn < 3; turn++)
        for (uint64_t i = 0; i < 50; i++)
            add_chunk(b, turn == 2 ? 1 : 0, i, 20000);
    assert_int_equal(tz_packer_stats(b->packer).new_bytes, 50 * 20000);
    OK(tz_packer_flush(b->packer, &err));
    size_t packs = tz_fixture_count(b->fixture.east, "packs/");

    bench_stop(b);
    bench_start(b, false);
    for (uint64_t i = 0; i < 50; i++)
        add_chunk(b, 0, i, 20000);
    OK(tz_packer_flush(b->packer, &err));
    assert_int_equal(tz_packer_stats(b->packer).new_bytes, 0);
    assert_int_equal(tz_fixture_count(b->fixture.east, "packs/"), packs);
}

/* A manifest chunk can be larger than the frames that the configuration asks for. */
static void a_chunk_may_be_larger_than_a_frame(void **state)
{
    struct bench *b = *state;
    static const size_t sizes[] = {(256U << 10) - 1, 256U << 10, (256U << 10) + 1, 1U << 20,
                                   TZ_CHUNK_MAX};
    TZ_SCOPED(tz_scoped_chunk_reader) struct tz_chunk_reader *reader = NULL;

    for (uint64_t i = 0; i < TZ_COUNT(sizes); i++) {
        add_chunk(b, TZ_PACKER_MANIFEST, i + 1, sizes[i]);
        add_chunk(b, 0, i + 100, 3000);
    }
    OK(tz_packer_flush(b->packer, &err));
    OK(tz_chunk_reader_new(&reader, b->repo, &err));
    for (uint64_t i = 0; i < TZ_COUNT(sizes); i++) {
        read_chunk(b, reader, i + 1, sizes[i]);
        read_chunk(b, reader, i + 100, 3000);
    }
}

static void impossible_chunks_are_refused(void **state)
{
    struct bench *b = *state;
    static const uint8_t id[TZ_ID_SIZE] = {1};
    uint8_t byte = 0;

    assert_int_equal(tz_packer_add(b->packer, 0, id, &byte, 0, &err), -1);
    assert_int_equal(err.kind, TZ_INVALID);
    assert_int_equal(tz_packer_add(b->packer, 0, id, &byte, TZ_CHUNK_MAX + 1, &err), -1);
    assert_int_equal(err.kind, TZ_INVALID);
}

static void add_whole_frame(struct bench *b, uint64_t seed, bool zeros)
{
    size_t len = tz_packer_frame_size(b->packer), half = len / 2;
    struct tz_chunk_ref chunks[2] = {{.len = (uint32_t)half}, {.len = (uint32_t)(len - half)}};
    struct seeded seeded = {seed};
    uint8_t *buffer = NULL;

    OK(tz_packer_buffer(b->packer, &buffer, &err));
    memset(buffer, 0, len);
    seeded_fill(&seeded, buffer, zeros ? 16 : len);
    seeded_fill(&seeded, buffer + half, zeros ? 16 : len - half);
    OK(tz_idhash(b->hash, buffer, half, chunks[0].id, &err));
    OK(tz_idhash(b->hash, buffer + half, len - half, chunks[1].id, &err));
    OK(tz_packer_add_frame(b->packer, 1, buffer, len, chunks, 2, &err));
}

static int check_size(void *arg, const char *name, const struct tz_store_stat *stat,
                      struct tz_error *error)
{
    const uint64_t *max = arg;

    (void)name;
    (void)error;
    assert_true(stat->size <= *max);
    return 0;
}

/*
 * When a pack is full is guessed from how well the last frames could be compressed.  Many workers
 * and a guess that is quite wrong must not make it larger than a reader takes.
 */
static void a_wrong_guess_does_not_burst_a_pack(void **state)
{
    struct bench *b = *state;
    uint64_t most = 0;

    b->packer->content_max = 1200000;
    most = b->packer->content_max + b->packer->content_max / 8 + 4096;
    for (uint64_t turn = 0; turn < 4; turn++) {
        for (uint64_t i = 0; i < 8; i++)
            add_whole_frame(b, turn * 100 + i, true);
        assert_true(b->packer->ratio < 0.5);
        for (uint64_t i = 0; i < 12; i++)
            add_whole_frame(b, turn * 100 + 50 + i, false);
    }
    OK(tz_packer_flush(b->packer, &err));
    OK(tz_store_list(tz_mirror_store(tz_repo_mirror(b->repo), 0), "packs/", check_size, &most,
                     &err));
}

static void a_dry_run_stores_nothing(void **state)
{
    struct bench *b = *state;

    bench_stop(b);
    bench_start(b, true);
    for (int turn = 0; turn < 2; turn++)
        for (uint64_t i = 0; i < 30; i++)
            add_chunk(b, 0, i, 20000);
    add_whole_frame(b, 77, false);
    OK(tz_packer_flush(b->packer, &err));
    assert_int_equal(tz_packer_stats(b->packer).new_bytes,
                     30 * 20000 + tz_packer_frame_size(b->packer));
    assert_int_equal(tz_fixture_count(b->fixture.east, "packs/"), 0);
    assert_int_equal(tz_fixture_count(b->fixture.east, "index/"), 0);
}

static void giving_up_leaves_nothing_behind(void **state)
{
    struct bench *b = *state;

    for (uint64_t i = 0; i < 60; i++)
        add_chunk(b, i % 2, i, 30000);
    bench_stop(b); /* what leaks or is used too late is the sanitizers' to find */
    bench_start(b, false);
}

/* Add until some packs are in the catalog, and stop without an index. */
static uint64_t fail_half_way(struct bench *b)
{
    uint64_t count = 0;

    while (b->packer->index_packs < 2) {
        assert_true(count < 1000);
        add_chunk(b, 0, 1 + 3 * count++, 50000);
        OK(tz_packer_land(b->packer, false, &err));
    }
    bench_stop(b);
    return count;
}

/* What a new machine, which has only the stores and the key, finds. */
static uint64_t count_known(struct bench *b, uint64_t count)
{
    char *elsewhere = tz_path_join(b->fixture.folder, "elsewhere");
    const struct tz_fixture_options options = {.more = BENCH_SETTINGS};
    uint64_t known = 0;

    bench_stop(b);
    tz_fixture_configure(&b->fixture, &options, elsewhere, NULL);
    free(elsewhere);
    bench_start(b, false);
    for (uint64_t i = 0; i < count; i++)
        known += is_known(b, 1 + 3 * i, 50000);
    return known;
}

static void packs_of_a_failed_run_come_into_the_next_index(void **state)
{
    struct bench *b = *state;
    uint64_t count = fail_half_way(b), known = 0;

    assert_int_equal(tz_fixture_count(b->fixture.east, "index/"), 0);
    bench_start(b, false);
    for (uint64_t i = 0; i < count; i++)
        known += is_known(b, 1 + 3 * i, 50000);
    assert_true(known > 10);
    OK(tz_packer_flush(b->packer, &err));
    assert_int_equal(tz_fixture_count(b->fixture.east, "index/"), 1);
    assert_int_equal(b->packer->unindexed_len, 0);
    assert_int_equal(count_known(b, count), known);
}

static void an_index_is_not_written_again(void **state)
{
    struct bench *b = *state;

    (void)fail_half_way(b);
    for (int turn = 0; turn < 3; turn++) {
        bench_start(b, false);
        OK(tz_packer_flush(b->packer, &err));
        assert_int_equal(tz_fixture_count(b->fixture.east, "index/"), 1);
        bench_stop(b);
    }
    bench_start(b, false);
}

/* Even when the runs fail one after the other. */
static void packs_of_several_failed_runs_are_kept(void **state)
{
    struct bench *b = *state;
    uint64_t len = 0;

    for (uint64_t turn = 0; turn < 3; turn++) {
        if (turn > 0)
            bench_start(b, false);
        len = b->packer->unindexed_len;
        for (struct flight *f = b->packer->flights; f; f = f->next)
            f->is_index = false; /* as if it never arrived */
        for (uint64_t i = 0; b->packer->index_packs < 2; i++) {
            add_chunk(b, 0, 1 + turn * 3000 + 3 * i, 50000);
            OK(tz_packer_land(b->packer, false, &err));
        }
        assert_true(b->packer->unindexed_len > len);
        bench_stop(b);
    }
    bench_start(b, false);
    OK(tz_packer_flush(b->packer, &err));
    assert_int_equal(b->packer->unindexed_len, 0);
}

static void a_torn_record_is_cut_off(void **state)
{
    struct bench *b = *state;
    char *path = tz_path_join(b->fixture.state, "unindexed");
    uint64_t count = fail_half_way(b), known = 0;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf file = {0};

    /* The beginning of one more record, as a crash leaves it. */
    OK(tz_file_read(path, 1U << 20, &file, &err));
    size_t whole = file.len;
    OK(tz_buf_reserve(&file, 50, &err));
    memcpy(file.data + whole, file.data, 50);
    file.len += 50;
    OK(tz_file_replace(path, file.data, file.len, 0600, &err));
    bench_start(b, false);
    assert_int_equal(b->packer->unindexed_len, whole);
    for (uint64_t i = 0; i < count; i++)
        known += is_known(b, 1 + 3 * i, 50000);
    OK(tz_packer_flush(b->packer, &err));
    assert_int_equal(count_known(b, count), known);
    free(path);
}

static void damage_in_the_file_is_no_obstacle(void **state)
{
    struct bench *b = *state;
    char *path = tz_path_join(b->fixture.state, "unindexed");
    struct seeded seeded = {3};

    TZ_SCOPED(tz_scoped_buf) struct tz_buf file = {0};

    (void)fail_half_way(b);
    OK(tz_file_read(path, 1U << 20, &file, &err));
    size_t first = 20 + tz_load_le32(file.data);
    assert_true(file.len > first);
    for (int turn = 0; turn < 40; turn++) {
        size_t at = seeded_below(&seeded, file.len);
        uint8_t flip = (uint8_t)(1U << seeded_below(&seeded, 8));

        file.data[at] ^= flip;
        OK(tz_file_replace(path, file.data, file.len, 0600, &err));
        file.data[at] ^= flip;
        bench_start(b, false);
        assert_true(b->packer->unindexed_len <= (at < first ? 0 : at)); /* not from there on */
        bench_stop(b);
    }
    bench_start(b, false);
    free(path);
}

static void remove_packs(struct bench *b)
{
    for (size_t i = 0; i < 2; i++) {
        TZ_SCOPED(tz_scoped_listing) struct tz_listing list = {0};
        struct tz_store *store = tz_mirror_store(tz_repo_mirror(b->repo), i);
        OK(tz_listing_read(&list, store, "packs/", &err));
        assert_true(list.count > 0);
        for (size_t k = 0; k < list.count; k++)
            OK(tz_store_remove(store, list.items[k].name, &err));
    }
}

/* The machine was off for longer than a prune waits, and no tombstone tells of it. */
static void packs_that_a_prune_has_deleted_come_into_no_index(void **state)
{
    struct bench *b = *state;
    uint64_t count = fail_half_way(b);

    bench_start(b, true); /* which recalls nothing */
    remove_packs(b);
    bench_stop(b);
    bench_start(b, false);
    for (uint64_t i = 0; i < count; i++)
        assert_false(is_known(b, 1 + 3 * i, 50000));
    OK(tz_packer_flush(b->packer, &err));
    assert_int_equal(tz_fixture_count(b->fixture.east, "index/"), 0);
    assert_int_equal(tz_fixture_count(b->fixture.west, "index/"), 0);
}

static _Atomic int64_t slept_ns; /* writers read the clock, too */
int64_t __real_tz_now(void);
int64_t __wrap_tz_now(void);
int64_t __wrap_tz_now(void)
{
    return __real_tz_now() + slept_ns;
}

/* Or it slept in the middle of the run. */
static void packs_of_long_ago_come_into_no_index(void **state)
{
    struct bench *b = *state;

    for (uint64_t i = 0; b->packer->index_packs < 2; i++) {
        add_chunk(b, 0, 1 + 3 * i, 50000);
        OK(tz_packer_land(b->packer, false, &err));
    }
    slept_ns = TZ_TOMBSTONE_STANDS_NS;
    assert_int_equal(tz_packer_flush(b->packer, &err), -1);
    slept_ns = 0;
    assert_non_null(strstr(err.message, "too long"));
    assert_int_equal(tz_fixture_count(b->fixture.east, "index/"), 0);
    bench_stop(b);
    bench_start(b, false);
    OK(tz_packer_flush(b->packer, &err));
    assert_int_equal(tz_fixture_count(b->fixture.east, "index/"), 1);
}

/* The index follows its packs: a store that missed the packs does not get it before them. */
static void an_index_does_not_come_without_its_packs(void **state)
{
    struct bench *b = *state;
    struct tz_error why = {.kind = TZ_UNAVAILABLE, .message = "it is away"};

    tz_mirror_exclude(tz_repo_mirror(b->repo), 1, &why);
    (void)fail_half_way(b);
    assert_int_equal(tz_fixture_count(b->fixture.west, "packs/"), 0);

    bench_start(b, false);
    add_chunk(b, 0, 100000, 5000);
    OK(tz_packer_flush(b->packer, &err));
    assert_int_equal(tz_fixture_count(b->fixture.west, "packs/"), 1);
    assert_int_equal(tz_fixture_count(b->fixture.west, "index/"), 1);
    assert_int_equal(tz_fixture_count(b->fixture.east, "index/"), 2);
    assert_int_equal(b->packer->unindexed_len, 0);
}

/* Is some pack noted as present in a store that does not have it? */
static unsigned count_phantoms(struct bench *b)
{
    struct tz_catalog *catalog = tz_repo_catalog(b->repo);
    unsigned phantoms = 0;

    for (int64_t object = 1; object < 200; object++)
        for (size_t i = 0; i < 2; i++) {
            struct tz_store *store = tz_mirror_store(tz_repo_mirror(b->repo), i);
            enum tz_copy_state state = TZ_COPY_UNKNOWN;
            struct tz_catalog_pack pack;
            struct tz_store_stat stat;
            char name[TZ_NAME_TEXT];

            if (tz_catalog_get_pack(catalog, object, &pack, NULL))
                continue;
            OK(tz_catalog_get_copy(catalog, object, tz_repo_store(b->repo, i), &state, &err));
            tz_name_pack(name, pack.hash);
            OK(tz_store_stat(store, name, &stat, &err));
            phantoms += state == TZ_COPY_PRESENT && !stat.exists;
        }
    return phantoms;
}

/* Two failed runs, of which one had only one store. */
static void packs_of_different_stores_come_into_different_indexes(void **state)
{
    struct bench *b = *state;
    struct tz_error why = {.kind = TZ_UNAVAILABLE, .message = "it is away"};

    tz_mirror_exclude(tz_repo_mirror(b->repo), 1, &why);
    (void)fail_half_way(b);
    bench_start(b, false);
    for (struct flight *f = b->packer->flights; f; f = f->next)
        f->is_index = false; /* as if it never arrived */
    for (uint64_t i = 0; b->packer->index_packs < 2; i++) {
        add_chunk(b, 0, 50001 + 3 * i, 50000);
        OK(tz_packer_land(b->packer, false, &err));
    }
    bench_stop(b);

    bench_start(b, false);
    assert_true(b->packer->unindexed_len > 0);
    OK(tz_packer_note_indexed(b->packer, &err)); /* not before the last of them has arrived */
    assert_true(b->packer->unindexed_len > 0);
    OK(tz_packer_flush(b->packer, &err));
    assert_int_equal(b->packer->unindexed_len, 0);
    assert_true(count_known(b, 1) > 0); /* a new machine now */
    assert_int_equal(count_phantoms(b), 0);
}

/* The only store that has the packs is away: it is told another time. */
static void an_index_waits_for_the_store_of_its_packs(void **state)
{
    struct bench *b = *state;
    struct tz_error why = {.kind = TZ_UNAVAILABLE, .message = "it is away"};
    struct tz_packer_options options = {.repo = NULL};

    tz_mirror_exclude(tz_repo_mirror(b->repo), 1, &why);
    (void)fail_half_way(b);

    bench_start(b, false);
    tz_packer_free(b->packer);
    tz_mirror_exclude(tz_repo_mirror(b->repo), 0, &why);
    size_t before = tz_fixture_count(b->fixture.east, "index/");
    options.repo = b->repo;
    options.pool = b->pool;
    OK(tz_packer_new(&b->packer, &options, &err));
    add_chunk(b, 0, 100000, 5000);
    OK(tz_packer_flush(b->packer, &err));
    assert_true(b->packer->unindexed_len > 0);
    assert_int_equal(tz_fixture_count(b->fixture.east, "index/"), before);
    assert_int_equal(tz_fixture_count(b->fixture.west, "index/"), 1);
    bench_stop(b);

    bench_start(b, false);
    OK(tz_packer_flush(b->packer, &err));
    assert_int_equal(b->packer->unindexed_len, 0);
    assert_true(tz_fixture_count(b->fixture.east, "index/") > before);
}

static void without_any_store_it_is_an_error(void **state)
{
    struct bench *b = *state;
    struct tz_error why = {.kind = TZ_UNAVAILABLE, .message = "it is away"};

    add_chunk(b, 0, 1, 5000);
    tz_mirror_exclude(tz_repo_mirror(b->repo), 0, &why);
    tz_mirror_exclude(tz_repo_mirror(b->repo), 1, &why);
    assert_int_equal(tz_packer_flush(b->packer, &err), -1);
    assert_int_equal(err.kind, TZ_UNAVAILABLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(chunks_of_all_lanes_come_back, bench_enter, bench_leave),
        cmocka_unit_test_setup_teardown(a_chunk_is_stored_once, bench_enter, bench_leave),
        cmocka_unit_test_setup_teardown(a_chunk_may_be_larger_than_a_frame, bench_enter,
                                        bench_leave),
        cmocka_unit_test_setup_teardown(impossible_chunks_are_refused, bench_enter, bench_leave),
        cmocka_unit_test_setup_teardown(a_wrong_guess_does_not_burst_a_pack, bench_enter,
                                        bench_leave),
        cmocka_unit_test_setup_teardown(a_dry_run_stores_nothing, bench_enter, bench_leave),
        cmocka_unit_test_setup_teardown(giving_up_leaves_nothing_behind, bench_enter, bench_leave),
        cmocka_unit_test_setup_teardown(packs_of_a_failed_run_come_into_the_next_index, bench_enter,
                                        bench_leave),
        cmocka_unit_test_setup_teardown(an_index_is_not_written_again, bench_enter, bench_leave),
        cmocka_unit_test_setup_teardown(packs_of_several_failed_runs_are_kept, bench_enter,
                                        bench_leave),
        cmocka_unit_test_setup_teardown(packs_that_a_prune_has_deleted_come_into_no_index,
                                        bench_enter, bench_leave),
        cmocka_unit_test_setup_teardown(packs_of_long_ago_come_into_no_index, bench_enter,
                                        bench_leave),
        cmocka_unit_test_setup_teardown(a_torn_record_is_cut_off, bench_enter, bench_leave),
        cmocka_unit_test_setup_teardown(damage_in_the_file_is_no_obstacle, bench_enter,
                                        bench_leave),
        cmocka_unit_test_setup_teardown(an_index_does_not_come_without_its_packs, bench_enter,
                                        bench_leave),
        cmocka_unit_test_setup_teardown(packs_of_different_stores_come_into_different_indexes,
                                        bench_enter, bench_leave),
        cmocka_unit_test_setup_teardown(an_index_waits_for_the_store_of_its_packs, bench_enter,
                                        bench_leave),
        cmocka_unit_test_setup_teardown(without_any_store_it_is_an_error, bench_enter, bench_leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
