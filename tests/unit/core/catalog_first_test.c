/* With which runs a restore of everything begins. */
#include "catalog_fixture.h"

#define MIB (1U << 20)

/* Frames of these sealed lengths, back to back, one chunk in each.  Gives where the first lies. */
static uint64_t add_frames(struct fixture *f, uint64_t number, enum tz_pack_kind kind,
                           const uint32_t *lengths, uint32_t count)
{
    TZ_SCOPED(tz_scoped_pack_info) struct tz_pack_info info = {0};
    int64_t pack = 0;

    make_pack(&info, number, 0, 0);
    info.kind = kind;
    uint64_t offset = TZ_PACK_HEADER_SIZE;
    for (uint32_t i = 0; i < count; i++) {
        struct tz_frame_info frame = {.offset = offset,
                                      .sealed_len = lengths[i],
                                      .plain_len = lengths[i] - TZ_AEAD_TAG,
                                      .codec = TZ_CODEC_RAW,
                                      .first_chunk = i,
                                      .chunk_count = 1};
        struct tz_chunk_ref chunk = {.len = frame.plain_len};
        make_bytes(chunk.id, sizeof(chunk.id), number * 1000 + i);
        ok(tz_pack_info_add_frame(&info, &frame, &err));
        ok(tz_pack_info_add_chunk(&info, &chunk, &err));
        offset += lengths[i];
    }
    info.size = offset + 100;
    ok(tz_catalog_add_pack(f->catalog, &info, &pack, &err));
    return TZ_PACK_HEADER_SIZE;
}

/* A generation of packs 1 to count. */
static void add_generation(struct fixture *f, struct tz_head *head, uint32_t count, uint64_t bytes)
{
    static uint8_t hashes[8192][TZ_HASH_SIZE];
    static char home[] = "home";

    make_head(head, home, 9, 1000);
    for (uint32_t i = 0; i < count; i++)
        pack_hash(hashes[i], i + 1);
    head->packs = hashes;
    head->pack_count = count;
    head->bytes = bytes;
    ok(tz_catalog_add_generation(f->catalog, head, add_head_object(f, head), "body", 4, &err));
}

static size_t first_runs(struct fixture *f, const struct tz_head *head, struct tz_catalog_run *runs,
                         size_t most)
{
    size_t count = 77;

    ok(tz_catalog_first_runs(f->catalog, head->id, runs, most, &count, &err));
    return count;
}

static void check_run(const struct tz_catalog_run *run, uint64_t pack, uint64_t offset,
                      uint32_t frames, size_t len)
{
    uint8_t hash[TZ_HASH_SIZE];

    pack_hash(hash, pack);
    assert_memory_equal(run->pack, hash, TZ_HASH_SIZE);
    assert_int_equal(run->offset, offset);
    assert_int_equal(run->frames, frames);
    assert_int_equal(run->len, len);
}

static void frames_are_united_as_far_as_a_run_goes(void **state)
{
    struct fixture *f = *state;
    const uint32_t first[] = {MIB, 2 * MIB, MIB, 1000, 4 * MIB, 4 * MIB + 16, 500};
    uint32_t small[TZ_RUN_FRAMES + 1];
    struct tz_catalog_run runs[8];
    struct tz_head head;

    for (size_t i = 0; i < TZ_COUNT(small); i++)
        small[i] = 1000;
    uint64_t at = add_frames(f, 1, TZ_PACK_DATA, first, TZ_COUNT(first));
    (void)add_frames(f, 2, TZ_PACK_MANIFEST, first, TZ_COUNT(first));
    (void)add_frames(f, 3, TZ_PACK_DATA, small, TZ_COUNT(small));
    (void)add_frames(f, 4, TZ_PACK_DATA, small, 1); /* nobody's */
    add_generation(f, &head, 3, 40 * (uint64_t)MIB);

    assert_int_equal(first_runs(f, &head, runs, TZ_COUNT(runs)), 7);
    check_run(&runs[0], 1, at, 3, 4 * (size_t)MIB);
    at += runs[0].len;
    check_run(&runs[1], 1, at, 1, 1000);
    at += runs[1].len;
    check_run(&runs[2], 1, at, 1, 4 * (size_t)MIB);
    at += runs[2].len;
    check_run(&runs[3], 1, at, 1, 4 * (size_t)MIB + 16); /* a frame is never cut */
    at += runs[3].len;
    check_run(&runs[4], 1, at, 1, 500);
    check_run(&runs[5], 3, TZ_PACK_HEADER_SIZE, TZ_RUN_FRAMES, TZ_RUN_FRAMES * (size_t)1000);
    check_run(&runs[6], 3, TZ_PACK_HEADER_SIZE + TZ_RUN_FRAMES * (uint64_t)1000, 1, 1000);

    /* No more than are wanted, and the last one is whole. */
    assert_int_equal(first_runs(f, &head, runs, 1), 1);
    check_run(&runs[0], 1, TZ_PACK_HEADER_SIZE, 3, 4 * (size_t)MIB);
}

static void packs_that_hold_much_else_are_not_guessed_at(void **state)
{
    struct fixture *f = *state;
    const uint32_t frames[] = {MIB, MIB, MIB, MIB};
    struct tz_catalog_run runs[4];
    struct tz_head most, half;

    (void)add_frames(f, 1, TZ_PACK_DATA, frames, TZ_COUNT(frames));
    add_generation(f, &most, 1, 3 * (uint64_t)MIB + 1000);
    assert_int_equal(first_runs(f, &most, runs, TZ_COUNT(runs)), 1);

    static char other[] = "other";
    make_head(&half, other, 10, 1000);
    half.packs = most.packs;
    half.pack_count = 1;
    half.bytes = 2 * (uint64_t)MIB;
    ok(tz_catalog_add_generation(f->catalog, &half, add_head_object(f, &half), "body", 4, &err));
    assert_int_equal(first_runs(f, &half, runs, TZ_COUNT(runs)), 0);
}

static void what_cannot_be_read_or_is_not_known_is_left_out(void **state)
{
    struct fixture *f = *state;
    const uint32_t frame[] = {1000};
    struct tz_catalog_run runs[4];
    struct tz_head head;
    uint8_t hash[TZ_HASH_SIZE];

    for (uint64_t i = 1; i <= 3; i++)
        (void)add_frames(f, i, TZ_PACK_DATA, frame, 1);
    pack_hash(hash, 1);
    ok(tz_catalog_condemn(f->catalog, hash, &err));
    add_generation(f, &head, 4, MIB); /* the fourth is not described yet */
    assert_int_equal(first_runs(f, &head, runs, TZ_COUNT(runs)), 2);
    check_run(&runs[0], 2, TZ_PACK_HEADER_SIZE, 1, 1000);
    check_run(&runs[1], 3, TZ_PACK_HEADER_SIZE, 1, 1000);

    make_bytes(head.id, sizeof(head.id), 4711);
    assert_int_equal(first_runs(f, &head, runs, TZ_COUNT(runs)), 0);
}

/* One that takes minutes gains nothing. */
static void a_very_large_generation_is_not_looked_through(void **state)
{
    struct fixture *f = *state;
    const uint32_t frame[] = {1000};
    struct tz_catalog_run runs[4];
    struct tz_head head;

    (void)add_frames(f, 1, TZ_PACK_DATA, frame, 1);
    add_generation(f, &head, 5000, MIB);
    assert_int_equal(first_runs(f, &head, runs, TZ_COUNT(runs)), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)
    const struct CMUnitTest tests[] = {
        TEST(frames_are_united_as_far_as_a_run_goes),
        TEST(packs_that_hold_much_else_are_not_guessed_at),
        TEST(what_cannot_be_read_or_is_not_known_is_left_out),
        TEST(a_very_large_generation_is_not_looked_through),
    };
    return cmocka_run_group_tests_name("first runs", tests, NULL, NULL);
}
