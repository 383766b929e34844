#include "key_samples.h"
#include "seeded.h"

#include "core/pack/idset.h"

#define IDS 700

/* Ids that fall on few places, also around the end of the table: the first bytes say where. */
static void make_id(uint8_t id[TZ_ID_SIZE], unsigned number, unsigned homes)
{
    static const uint64_t last = UINT64_MAX - 3;
    struct seeded seeded = {number};

    seeded_fill(&seeded, id, TZ_ID_SIZE);
    if (homes == 0)
        return;
    uint64_t home = last + number % homes;
    memcpy(id, &home, sizeof(home));
}

static void check_all(const struct tz_idset *set, uint8_t (*ids)[TZ_ID_SIZE], const bool *in)
{
    size_t count = 0;

    for (unsigned i = 0; i < IDS; i++) {
        assert_int_equal(tz_idset_has(set, ids[i]), in[i]);
        count += in[i];
    }
    assert_int_equal(set->count, count);
}

static void it_holds_what_was_added_and_not_removed(void **state)
{
    static const unsigned homes[] = {0, 1, 3, 7, 40};
    (void)state;
    for (size_t k = 0; k < TZ_COUNT(homes); k++) {
        uint8_t ids[IDS][TZ_ID_SIZE];
        bool in[IDS] = {false};
        struct tz_idset set = {0};
        struct seeded seeded = {k + 1};

        for (unsigned i = 0; i < IDS; i++)
            make_id(ids[i], i, homes[k]);
        for (unsigned turn = 0; turn < 6000; turn++) {
            unsigned i = (unsigned)seeded_below(&seeded, IDS);
            /* Now mostly growing, now mostly shrinking. */
            if (seeded_below(&seeded, 4) < (turn / 1000 % 2 ? 1U : 3U)) {
                assert_int_equal(tz_idset_add(&set, ids[i], NULL), 0);
                in[i] = true;
            } else {
                tz_idset_remove(&set, ids[i]);
                in[i] = false;
            }
            if (turn % 200 == 0)
                check_all(&set, ids, in);
        }
        check_all(&set, ids, in);
        for (unsigned i = 0; i < IDS; i++)
            tz_idset_remove(&set, ids[i]);
        assert_int_equal(set.count, 0);
        tz_idset_clear(&set);
    }
}

static void it_grows_and_stays_half_empty(void **state)
{
    struct tz_idset set = {0};
    uint8_t id[TZ_ID_SIZE];

    (void)state;
    for (unsigned i = 0; i < 20000; i++) {
        make_id(id, i, 0);
        assert_int_equal(tz_idset_add(&set, id, NULL), 0);
        assert_true(set.count * 2 <= set.cap);
    }
    assert_int_equal(set.count, 20000);
    for (unsigned i = 0; i < 20000; i++) {
        make_id(id, i, 0);
        assert_true(tz_idset_has(&set, id));
    }
    tz_idset_clear(&set);
    assert_int_equal(set.cap, 0);
    assert_false(tz_idset_has(&set, id));
}

static void an_empty_set_has_nothing_to_remove(void **state)
{
    struct tz_idset set = {0};
    uint8_t id[TZ_ID_SIZE] = {1};

    (void)state;
    assert_false(tz_idset_has(&set, id));
    tz_idset_remove(&set, id);
    assert_int_equal(set.count, 0);
    tz_idset_clear(&set);
}

static void adding_twice_is_adding_once(void **state)
{
    struct tz_idset set = {0};
    uint8_t id[TZ_ID_SIZE] = {1};

    (void)state;
    assert_int_equal(tz_idset_add(&set, id, NULL), 0);
    assert_int_equal(tz_idset_add(&set, id, NULL), 0);
    assert_int_equal(set.count, 1);
    tz_idset_remove(&set, id);
    assert_false(tz_idset_has(&set, id));
    tz_idset_clear(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_holds_what_was_added_and_not_removed),
        cmocka_unit_test(it_grows_and_stays_half_empty),
        cmocka_unit_test(an_empty_set_has_nothing_to_remove),
        cmocka_unit_test(adding_twice_is_adding_once),
    };
    return cmocka_run_group_tests(tests, init_crypto, NULL);
}
