#include "tozai/util/fingerprints.h"

#include "seeded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define NUMBERS 100000U

static void all_that_was_added_is_there_and_nothing_else(void **state)
{
    TZ_SCOPED(tz_scoped_fingerprints) struct tz_fingerprints set = {0};
    struct seeded seeded = {7};
    struct tz_error err;

    (void)state;
    assert_false(tz_fingerprints_has(&set, 0));
    assert_false(tz_fingerprints_has(&set, 1));
    for (unsigned i = 0; i < NUMBERS; i++)
        assert_int_equal(tz_fingerprints_add(&set, seeded_next(&seeded), &err), 0);
    assert_int_equal(set.count, NUMBERS);
    assert_true(set.count <= set.cap / 4 * 3);
    seeded.state = 7;
    for (unsigned i = 0; i < NUMBERS; i++)
        assert_true(tz_fingerprints_has(&set, seeded_next(&seeded)));
    for (unsigned i = 0; i < NUMBERS; i++)
        assert_false(tz_fingerprints_has(&set, seeded_next(&seeded)));
}

static void a_number_counts_once(void **state)
{
    TZ_SCOPED(tz_scoped_fingerprints) struct tz_fingerprints set = {0};
    struct tz_error err;

    (void)state;
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(tz_fingerprints_add(&set, i % 3, &err), 0);
    assert_int_equal(set.count, 3);
    for (unsigned i = 0; i < 3; i++)
        assert_true(tz_fingerprints_has(&set, i));
    assert_false(tz_fingerprints_has(&set, 3));
}

/* Those of one slot stand behind each other, also around the end of the table. */
static void numbers_of_one_slot_do_not_hide_each_other(void **state)
{
    TZ_SCOPED(tz_scoped_fingerprints) struct tz_fingerprints set = {0};
    struct tz_error err;

    (void)state;
    for (uint64_t i = 0; i < 500; i++)
        assert_int_equal(tz_fingerprints_add(&set, (i << 32) | UINT32_MAX, &err), 0);
    assert_int_equal(set.count, 500);
    for (uint64_t i = 0; i < 500; i++)
        assert_true(tz_fingerprints_has(&set, (i << 32) | UINT32_MAX));
    assert_false(tz_fingerprints_has(&set, (UINT64_C(500) << 32) | UINT32_MAX));
}

static void it_is_empty_after_a_reset(void **state)
{
    TZ_SCOPED(tz_scoped_fingerprints) struct tz_fingerprints set = {0};
    struct tz_error err;

    (void)state;
    for (uint64_t i = 0; i < 3000; i++)
        assert_int_equal(tz_fingerprints_add(&set, i, &err), 0);
    size_t cap = set.cap;
    tz_fingerprints_reset(&set);
    assert_int_equal(set.count, 0);
    assert_int_equal(set.cap, cap);
    for (uint64_t i = 0; i < 3000; i++)
        assert_false(tz_fingerprints_has(&set, i));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_that_was_added_is_there_and_nothing_else),
        cmocka_unit_test(a_number_counts_once),
        cmocka_unit_test(numbers_of_one_slot_do_not_hide_each_other),
        cmocka_unit_test(it_is_empty_after_a_reset),
    };

    return cmocka_run_group_tests_name("fingerprints", tests, NULL, NULL);
}
