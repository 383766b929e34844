#include "key_samples.h"
#include "seeded.h"

#include "tozai/core/chunker.h"

#define MIB ((size_t)1 << 20)

static const uint8_t seed_a[TZ_KEY_SIZE] = "the chunker seed of repository a";
static const uint8_t seed_b[TZ_KEY_SIZE] = "the chunker seed of repository b";

static struct tz_chunker chunker;

static int make_chunker(void **state)
{
    if (init_crypto(state))
        return -1;
    tz_chunker_init(&chunker, seed_a);
    return 0;
}

/* Where the chunks of some bytes end. */
struct cuts {
    size_t ends[4096];
    size_t count;
};

static void add_cut(struct cuts *cuts, size_t end)
{
    assert_true(cuts->count < TZ_COUNT(cuts->ends));
    cuts->ends[cuts->count++] = end;
}

/*
 * Cut as a caller does that gets its bytes piece by piece: steps gives the sizes of the pieces, or
 * NULL for all at once.
 */
static void cut(const struct tz_chunker *by, const struct tz_chunk_sizes *sizes,
                const uint8_t *data, size_t len, struct seeded *steps, size_t step_max,
                struct cuts *ret)
{
    size_t begin = 0, have = steps ? 0 : len;
    struct tz_chunk_scan scan = {0};

    ret->count = 0;
    while (begin < len) {
        size_t found = tz_chunker_find(by, sizes, &scan, data + begin, have - begin);
        if (found > 0) {
            assert_int_equal(scan.at, 0);
            assert_int_equal(scan.hash, 0);
            begin += found;
            add_cut(ret, begin);
        } else if (have == len) {
            begin = len;
            add_cut(ret, len);
        } else {
            have += 1 + seeded_below(steps, step_max);
            have = TZ_MIN(have, len);
        }
    }
}

static void assert_same_cuts(const struct cuts *a, const struct cuts *b)
{
    assert_int_equal(a->count, b->count);
    assert_memory_equal(a->ends, b->ends, a->count * sizeof(a->ends[0]));
}

static uint8_t *random_bytes(uint64_t seed, size_t len)
{
    struct seeded seeded = {seed};
    uint8_t *data = malloc(len);

    assert_non_null(data);
    seeded_fill(&seeded, data, len);
    return data;
}

static void check_sizes(const struct tz_chunk_sizes *sizes, const struct cuts *cuts)
{
    size_t begin = 0;

    for (size_t i = 0; i < cuts->count; i++) {
        size_t len = cuts->ends[i] - begin;
        assert_in_range(len, i + 1 < cuts->count ? sizes->min : 1, sizes->max);
        begin = cuts->ends[i];
    }
}

static void sizes_stay_within_their_bounds(void **state)
{
    (void)state;
    const struct tz_chunk_sizes *const all[] = {&tz_chunk_sizes_small, &tz_chunk_sizes_large};
    struct cuts cuts;

    for (size_t i = 0; i < TZ_COUNT(all); i++) {
        assert_true(all[i]->min < all[i]->average && all[i]->average < all[i]->max);
        assert_int_equal(all[i]->average & (all[i]->average - 1), 0);
        for (uint64_t seed = 1; seed <= 3; seed++) {
            TZ_SCOPED(tz_scoped_free) uint8_t *data = random_bytes(seed, 4 * MIB);
            cut(&chunker, all[i], data, 4 * MIB, NULL, 0, &cuts);
            assert_int_equal(cuts.ends[cuts.count - 1], 4 * MIB);
            check_sizes(all[i], &cuts);
        }
    }
}

static void sizes_gather_around_the_average(void **state)
{
    (void)state;
    const size_t len = 48 * MIB;
    TZ_SCOPED(tz_scoped_free) uint8_t *data = random_bytes(7, len);
    const struct tz_chunk_sizes *sizes = &tz_chunk_sizes_small;
    size_t below_half = 0, above_double = 0, begin = 0;
    struct cuts cuts;

    cut(&chunker, sizes, data, len, NULL, 0, &cuts);
    for (size_t i = 0; i < cuts.count; i++) {
        below_half += cuts.ends[i] - begin < sizes->average / 2;
        above_double += cuts.ends[i] - begin > 2 * sizes->average;
        begin = cuts.ends[i];
    }
    /* By the probabilities of the two masks the mean is 1.22 times what is called the average, and
     * 9 % are above twice of it; with one mask it would be 17 %. */
    assert_in_range(len / cuts.count, sizes->average * 9 / 8, sizes->average * 11 / 8);
    assert_true(below_half < cuts.count / 4);
    assert_true(above_double < cuts.count / 8);
}

static void the_same_cuts_whatever_the_pieces(void **state)
{
    (void)state;
    static const size_t steps_max[] = {1000, 16384, 65536, 300000};
    const size_t len = 3 * MIB + 12345;
    struct cuts whole, pieces;

    for (uint64_t seed = 1; seed <= 4; seed++) {
        TZ_SCOPED(tz_scoped_free) uint8_t *data = random_bytes(seed, len);
        cut(&chunker, &tz_chunk_sizes_small, data, len, NULL, 0, &whole);
        for (size_t i = 0; i < TZ_COUNT(steps_max); i++) {
            struct seeded steps = {seed * 100 + i};
            cut(&chunker, &tz_chunk_sizes_small, data, len, &steps, steps_max[i], &pieces);
            assert_same_cuts(&whole, &pieces);
        }
    }
}

/* Byte by byte, around each place where the search changes its way. */
static void the_same_cuts_for_single_bytes(void **state)
{
    (void)state;
    const struct tz_chunk_sizes tiny = {128, 256, 1024};
    struct cuts whole, pieces;

    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct seeded steps = {seed};
        TZ_SCOPED(tz_scoped_free) uint8_t *data = random_bytes(seed, 20000);
        cut(&chunker, &tiny, data, 20000, NULL, 0, &whole);
        check_sizes(&tiny, &whole);
        cut(&chunker, &tiny, data, 20000, &steps, 1, &pieces);
        assert_same_cuts(&whole, &pieces);
    }
}

static bool has_cut(const struct cuts *cuts, size_t end)
{
    for (size_t i = 0; i < cuts->count; i++)
        if (cuts->ends[i] == end)
            return true;
    return false;
}

/* After a change at place, with `shift` more bytes: from which old cut on are all there again? */
static size_t resynchronised_at(const struct cuts *before, const struct cuts *after, size_t place,
                                long shift)
{
    size_t from = SIZE_MAX;

    for (size_t i = before->count; i-- > 0 && before->ends[i] > place;) {
        if (!has_cut(after, (size_t)((long)before->ends[i] + shift)))
            break;
        from = before->ends[i];
    }
    return from;
}

/* What stands before the change is cut as it was. */
static void check_prefix(const struct cuts *before, const struct cuts *after, size_t place)
{
    for (size_t i = 0; i < before->count && before->ends[i] <= place; i++)
        assert_int_equal(before->ends[i], after->ends[i]);
}

static void cuts_come_back_behind_an_insertion_or_deletion(void **state)
{
    (void)state;
    const size_t len = 6 * MIB, added_max = 5000;
    struct cuts before, after;

    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct seeded seeded = {seed};
        TZ_SCOPED(tz_scoped_free) uint8_t *old = random_bytes(seed + 1000, len);
        TZ_SCOPED(tz_scoped_free) uint8_t *new = malloc(len + added_max);
        size_t place = seeded_below(&seeded, len / 2), n = 1 + seeded_below(&seeded, added_max - 1);
        bool inserted = seed % 2 == 0;

        assert_non_null(new);
        memcpy(new, old, place);
        if (inserted) {
            seeded_fill(&seeded, new + place, n);
            memcpy(new + place + n, old + place, len - place);
        } else {
            memcpy(new + place, old + place + n, len - place - n);
        }
        cut(&chunker, &tz_chunk_sizes_small, old, len, NULL, 0, &before);
        cut(&chunker, &tz_chunk_sizes_small, new, inserted ? len + n : len - n, NULL, 0, &after);
        check_prefix(&before, &after, place);
        size_t again = resynchronised_at(&before, &after, place, inserted ? (long)n : -(long)n);
        assert_in_range(again, place, place + 8 * (size_t)tz_chunk_sizes_small.max);
    }
}

/* The bytes between a chunk's beginning and 64 bytes before the minimum are not looked at. */
static void a_cut_knows_only_the_bytes_before_it(void **state)
{
    (void)state;
    const struct tz_chunk_sizes *sizes = &tz_chunk_sizes_small;
    struct cuts before, after;

    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct seeded seeded = {seed};
        TZ_SCOPED(tz_scoped_free) uint8_t *data = random_bytes(seed, MIB);
        cut(&chunker, sizes, data, MIB, NULL, 0, &before);
        for (size_t i = 0, begin = 0; i < before.count; begin = before.ends[i++])
            if (MIB - begin > sizes->min)
                seeded_fill(&seeded, data + begin, sizes->min - 64);
        cut(&chunker, sizes, data, MIB, NULL, 0, &after);
        assert_same_cuts(&before, &after);
    }
}

static void another_seed_cuts_elsewhere(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_free) uint8_t *data = random_bytes(3, 8 * MIB);
    struct tz_chunker other, again;
    struct cuts a, b, c;
    size_t common = 0;

    tz_chunker_init(&other, seed_b);
    tz_chunker_init(&again, seed_a);
    cut(&chunker, &tz_chunk_sizes_small, data, 8 * MIB, NULL, 0, &a);
    cut(&other, &tz_chunk_sizes_small, data, 8 * MIB, NULL, 0, &b);
    cut(&again, &tz_chunk_sizes_small, data, 8 * MIB, NULL, 0, &c);
    assert_same_cuts(&a, &c);
    for (size_t i = 0; i + 1 < b.count; i++)
        common += has_cut(&a, b.ends[i]);
    assert_true(common <= 1);
}

/* The end of the chunk that begins at data, by the definition and without any haste. */
static size_t find_slowly(const struct tz_chunk_sizes *sizes, const uint8_t *data, size_t len)
{
    unsigned bits = 0;

    while ((UINT32_C(1) << bits) < sizes->average)
        bits++;
    for (size_t end = sizes->min + 1; end <= TZ_MIN(len, (size_t)sizes->max); end++) {
        unsigned zeros = end <= sizes->average ? bits + 1 : bits - 1;
        uint64_t hash = 0;
        for (size_t i = end - 64; i < end; i++)
            hash = hash * 2 + chunker.gear[data[i]];
        if (end == sizes->max || hash >> (64 - zeros) == 0)
            return end;
    }
    return len;
}

static void cuts_are_where_the_definition_says(void **state)
{
    (void)state;
    static const struct tz_chunk_sizes all[] = {
        {128, 256, 1024}, {64, 128, 130}, {200, 1024, 1100}};
    struct cuts cuts;

    for (uint64_t seed = 1; seed <= 30; seed++) {
        const struct tz_chunk_sizes *sizes = &all[seed % TZ_COUNT(all)];
        TZ_SCOPED(tz_scoped_free) uint8_t *data = random_bytes(seed, 30000);
        if (seed % 5 == 0)
            memset(data + 10000, 7, 10000);
        cut(&chunker, sizes, data, 30000, NULL, 0, &cuts);
        for (size_t i = 0, begin = 0; i < cuts.count; begin = cuts.ends[i++])
            assert_int_equal(cuts.ends[i] - begin, find_slowly(sizes, data + begin, 30000 - begin));
    }
}

/* Bytes without any variety are cut at the maximum, or wherever their hash stands still. */
static void monotonous_bytes_have_chunks_of_one_size(void **state)
{
    (void)state;
    const struct tz_chunk_sizes *sizes = &tz_chunk_sizes_small;
    const struct tz_chunk_sizes tiny = {128, 256, 1024};
    struct cuts cuts, whole, pieces;
    struct seeded steps = {1};

    for (unsigned byte = 0; byte < 256; byte += 5) {
        TZ_SCOPED(tz_scoped_free) uint8_t *data = malloc(2 * MIB);
        assert_non_null(data);
        memset(data, (int)byte, 2 * MIB);
        cut(&chunker, sizes, data, 2 * MIB, NULL, 0, &cuts);
        check_sizes(sizes, &cuts);
        cut(&chunker, &tiny, data, 5000, NULL, 0, &whole);
        cut(&chunker, &tiny, data, 5000, &steps, 1, &pieces);
        assert_same_cuts(&whole, &pieces);
        for (size_t i = 1; i + 1 < cuts.count; i++)
            assert_int_equal(cuts.ends[i] - cuts.ends[i - 1], cuts.ends[0]);
    }
}

static void no_byte_beyond_the_end_is_read(void **state)
{
    (void)state;
    const struct tz_chunk_sizes tiny = {128, 256, 1024};

    for (size_t len = 0; len < 1500; len += 1 + len / 16) {
        TZ_SCOPED(tz_scoped_free) uint8_t *data = random_bytes(len, len ? len : 1);
        TZ_SCOPED(tz_scoped_free) uint8_t *exact = exact_copy(data, len);
        struct tz_chunk_scan scan = {0};
        size_t found = tz_chunker_find(&chunker, &tiny, &scan, exact, len);
        assert_true(found <= len && scan.at <= len);
        assert_int_equal(found == 0 && len > 0, scan.at > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_stay_within_their_bounds),
        cmocka_unit_test(sizes_gather_around_the_average),
        cmocka_unit_test(the_same_cuts_whatever_the_pieces),
        cmocka_unit_test(the_same_cuts_for_single_bytes),
        cmocka_unit_test(cuts_come_back_behind_an_insertion_or_deletion),
        cmocka_unit_test(a_cut_knows_only_the_bytes_before_it),
        cmocka_unit_test(another_seed_cuts_elsewhere),
        cmocka_unit_test(cuts_are_where_the_definition_says),
        cmocka_unit_test(monotonous_bytes_have_chunks_of_one_size),
        cmocka_unit_test(no_byte_beyond_the_end_is_read),
    };
    return cmocka_run_group_tests(tests, make_chunker, NULL);
}
