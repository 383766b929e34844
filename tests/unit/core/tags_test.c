#include "key_samples.h"
#include "seeded.h"

#include "core/backup/engine.h"

#include <sodium.h>

static const uint8_t key[TZ_KEY_SIZE] = "a key of local state, 32 bytes..";

#define BLOCK  4096U
#define BLOCKS 64U

static uint8_t data[BLOCKS * BLOCK];

static int fill_blocks(void **state)
{
    struct seeded seeded = {1};

    seeded_fill(&seeded, data, sizeof(data));
    memset(data + 3 * BLOCK, 0, 2 * BLOCK); /* two equal ones */
    return init_crypto(state);
}

static void a_tag_is_poly1305_under_a_key_of_its_own(void **state)
{
    uint8_t tags[BLOCKS][LOCAL_TAG_SIZE], own[TZ_KEY_SIZE], expected[LOCAL_TAG_SIZE];

    (void)state;
    tz_derive(own, key, 1, "tzblocks");
    assert_int_equal(tz_block_tags(key, data, BLOCK, BLOCKS, tags, NULL), 0);
    for (size_t i = 0; i < BLOCKS; i++) {
        (void)crypto_onetimeauth(expected, data + i * BLOCK, BLOCK, own);
        assert_memory_equal(tags[i], expected, LOCAL_TAG_SIZE);
    }
}

static void equal_blocks_have_equal_tags_and_others_not(void **state)
{
    uint8_t tags[BLOCKS][LOCAL_TAG_SIZE];

    (void)state;
    assert_int_equal(tz_block_tags(key, data, BLOCK, BLOCKS, tags, NULL), 0);
    for (size_t i = 0; i < BLOCKS; i++)
        for (size_t k = 0; k < i; k++)
            assert_int_equal(memcmp(tags[i], tags[k], LOCAL_TAG_SIZE) == 0, i == 4 && k == 3);
}

static void every_bit_of_a_block_counts(void **state)
{
    uint8_t before[1][LOCAL_TAG_SIZE], after[1][LOCAL_TAG_SIZE];
    struct seeded seeded = {2};

    (void)state;
    assert_int_equal(tz_block_tags(key, data, BLOCK, 1, before, NULL), 0);
    for (unsigned turn = 0; turn < 500; turn++) {
        size_t bit = turn < 64 ? turn : seeded_below(&seeded, (size_t)8 * BLOCK);
        data[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_int_equal(tz_block_tags(key, data, BLOCK, 1, after, NULL), 0);
        data[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_memory_not_equal(before, after, LOCAL_TAG_SIZE);
    }
}

static void another_key_or_length_gives_another_tag(void **state)
{
    uint8_t tags[3][1][LOCAL_TAG_SIZE], other[TZ_KEY_SIZE];
    const uint8_t *zeros = data + 3 * BLOCK;

    (void)state;
    memcpy(other, key, sizeof(other));
    other[31] ^= 1;
    assert_int_equal(tz_block_tags(key, zeros, BLOCK, 1, tags[0], NULL), 0);
    assert_int_equal(tz_block_tags(other, zeros, BLOCK, 1, tags[1], NULL), 0);
    assert_int_equal(tz_block_tags(key, zeros, BLOCK - 1, 1, tags[2], NULL), 0);
    assert_memory_not_equal(tags[0], tags[1], LOCAL_TAG_SIZE);
    assert_memory_not_equal(tags[0], tags[2], LOCAL_TAG_SIZE);
}

static void no_blocks_have_no_tags(void **state)
{
    uint8_t tags[1][LOCAL_TAG_SIZE] = {{7}};

    (void)state;
    assert_int_equal(tz_block_tags(key, data, BLOCK, 0, tags, NULL), 0);
    assert_int_equal(tags[0][0], 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tag_is_poly1305_under_a_key_of_its_own),
        cmocka_unit_test(equal_blocks_have_equal_tags_and_others_not),
        cmocka_unit_test(every_bit_of_a_block_counts),
        cmocka_unit_test(another_key_or_length_gives_another_tag),
        cmocka_unit_test(no_blocks_have_no_tags),
    };
    return cmocka_run_group_tests(tests, fill_blocks, NULL);
}
