/*
 * Frames that are fetched ahead of who reads them.
 */
#include "core/pack/expected.h"
#include "core/repo/internal.h"
#include "packer_bench.h"

#define FRAMES 12U

/* Each chunk fills a frame of its own. */
#define CHUNK_SIZE ((size_t)200000)

struct ahead {
    struct bench *b;
    struct tz_expected *expected;
    struct tz_buf plain;
};

static void fill_chunk(uint64_t seed, uint8_t *data)
{
    struct seeded seeded = {seed};

    seeded_fill(&seeded, data, CHUNK_SIZE);
}

static struct tz_chunk_place place_of(const struct bench *b, uint64_t seed)
{
    TZ_SCOPED(tz_scoped_free) uint8_t *data = malloc(CHUNK_SIZE);
    uint8_t id[TZ_ID_SIZE];
    struct tz_chunk_place place = {0};
    bool found = false;

    assert_non_null(data);
    fill_chunk(seed, data);
    OK(tz_idhash(b->hash, data, CHUNK_SIZE, id, &err));
    OK(tz_catalog_find_chunk(tz_repo_catalog(b->repo), id, &place, &found, &err));
    assert_true(found);
    return place;
}

static void fetch(struct ahead *a, uint64_t seed)
{
    struct tz_chunk_place place = place_of(a->b, seed);
    struct tz_catalog_pack pack;
    struct tz_frame_info info;
    uint8_t key[TZ_KEY_SIZE];

    OK(tz_catalog_get_pack(tz_repo_catalog(a->b->repo), place.pack, &pack, &err));
    OK(tz_catalog_get_frame(tz_repo_catalog(a->b->repo), place.pack, place.frame, &info, &err));
    OK(tz_pack_header_open(tz_repo_keys(a->b->repo), pack.header, key, &err));
    tz_expected_fetch(a->expected, &pack, key, place.frame, &info);
}

static bool take(struct ahead *a, uint64_t seed, unsigned wanted)
{
    TZ_SCOPED(tz_scoped_free) uint8_t *data = malloc(CHUNK_SIZE);
    struct tz_chunk_place place = place_of(a->b, seed);
    unsigned uses = 0;
    uint32_t failed = 0;
    bool found = false;

    OK(tz_expected_take(a->expected, place.pack, place.frame, &a->plain, &uses, &failed, &found,
                        &err));
    if (!found)
        return false;
    assert_non_null(data);
    fill_chunk(seed, data);
    assert_int_equal(a->plain.len, CHUNK_SIZE);
    assert_memory_equal(a->plain.data, data, CHUNK_SIZE);
    assert_int_equal(uses, wanted);
    assert_int_equal(failed, 0);
    return true;
}

static int enter(void **state)
{
    struct ahead *a = calloc(1, sizeof(*a));
    TZ_SCOPED(tz_scoped_free) uint8_t *data = malloc(CHUNK_SIZE);
    void *b = NULL;

    assert_non_null(a);
    assert_non_null(data);
    if (bench_enter(&b))
        return -1;
    a->b = b;
    for (uint64_t seed = 0; seed < FRAMES; seed++) {
        uint8_t id[TZ_ID_SIZE];
        fill_chunk(seed, data);
        OK(tz_idhash(a->b->hash, data, CHUNK_SIZE, id, &err));
        OK(tz_packer_add(a->b->packer, 0, id, data, CHUNK_SIZE, &err));
    }
    OK(tz_packer_flush(a->b->packer, &err));
    OK(tz_expected_new(&a->expected, tz_repo_mirror(a->b->repo), &err));
    *state = a;
    return 0;
}

static int leave(void **state)
{
    struct ahead *a = *state;
    void *b = a->b;

    tz_expected_free(a->expected);
    tz_buf_clear(&a->plain);
    free(a);
    return bench_leave(&b);
}

/* Fill the queue with the first seeds; how many it took. */
static unsigned fill(struct ahead *a)
{
    unsigned count = 0;

    for (; tz_expected_has_room(a->expected); count++) {
        assert_true(count < FRAMES);
        fetch(a, count);
    }
    assert_in_range(count, 4, FRAMES - 1);
    return count;
}

static void what_was_fetched_is_taken_once(void **state)
{
    struct ahead *a = *state;
    unsigned count = fill(a);

    for (uint64_t seed = 0; seed < count; seed++) {
        assert_true(take(a, seed, 1));
        assert_true(tz_expected_has_room(a->expected));
        assert_false(take(a, seed, 1));
    }
}

/* The ring goes round, and each frame keeps its uses. */
static void uses_are_counted(void **state)
{
    struct ahead *a = *state;

    for (uint64_t turn = 0; turn < 3; turn++) {
        unsigned count = fill(a);
        struct tz_chunk_place second = place_of(a->b, 1), none = place_of(a->b, FRAMES - 1);
        assert_true(tz_expected_want(a->expected, second.pack, second.frame));
        assert_true(tz_expected_want(a->expected, second.pack, second.frame));
        assert_false(tz_expected_want(a->expected, none.pack, none.frame));
        for (uint64_t seed = 0; seed < count; seed++)
            assert_true(take(a, seed, seed == 1 ? 3 : 1));
    }
}

static void what_was_passed_over_makes_room(void **state)
{
    struct ahead *a = *state;
    unsigned count = fill(a);

    assert_true(take(a, 3, 1));
    for (uint64_t seed = 0; seed < 3; seed++)
        assert_false(take(a, seed, 1));
    for (uint64_t seed = FRAMES - 4; seed < FRAMES; seed++)
        fetch(a, seed);
    assert_false(tz_expected_has_room(a->expected));
    for (uint64_t seed = 4; seed < count; seed++)
        assert_true(take(a, seed, 1));
}

/* Frames that nobody takes do not fill the queue for ever. */
static void what_nobody_takes_goes(void **state)
{
    struct ahead *a = *state;

    (void)fill(a);
    assert_false(take(a, FRAMES - 1, 1));
    assert_true(tz_expected_has_room(a->expected));
    assert_false(take(a, 0, 1));
    assert_true(take(a, 1, 1));
}

/* Who reads what is lost hears of it; others are not disturbed. */
static void what_is_lost_fails_in_its_turn(void **state)
{
    struct ahead *a = *state;
    struct tz_chunk_place lost = place_of(a->b, 0);
    struct tz_catalog_pack pack;
    char name[TZ_NAME_TEXT];
    unsigned uses = 0, others = 0;
    uint32_t failed = 0;
    bool found = false;

    OK(tz_catalog_get_pack(tz_repo_catalog(a->b->repo), lost.pack, &pack, &err));
    tz_name_pack(name, pack.hash);
    for (size_t i = 0; i < 2; i++)
        OK(tz_store_remove(tz_mirror_store(tz_repo_mirror(a->b->repo), i), name, &err));
    unsigned count = fill(a);
    assert_int_equal(tz_expected_take(a->expected, lost.pack, lost.frame, &a->plain, &uses, &failed,
                                      &found, &err),
                     -1);
    assert_true(found);
    assert_int_equal(err.kind, TZ_CORRUPT);
    for (uint64_t seed = 1; seed < count; seed++)
        if (place_of(a->b, seed).pack != lost.pack) {
            assert_true(take(a, seed, 1));
            others++;
        }
    assert_true(others > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_fetched_is_taken_once, enter, leave),
        cmocka_unit_test_setup_teardown(uses_are_counted, enter, leave),
        cmocka_unit_test_setup_teardown(what_was_passed_over_makes_room, enter, leave),
        cmocka_unit_test_setup_teardown(what_nobody_takes_goes, enter, leave),
        cmocka_unit_test_setup_teardown(what_is_lost_fails_in_its_turn, enter, leave),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
