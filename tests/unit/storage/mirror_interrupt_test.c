/*
 * What a mirror does when the user wants to stop.  The wish cannot be taken back, so that these
 * tests are a program of their own.
 */
#include "mirror_fixture.h"
#include "tozai/util/interrupt.h"

#include <pthread.h>

/* If the pause were not cut short, the tests would run into their time limit. */
#define ONE_HOUR_MS (3600U * 1000U)

static const struct faulty_plan unreachable = {
    .calls = FAULTY_ALL, .at = 1, .times = FAULTY_FOR_GOOD, .kind = TZ_UNAVAILABLE};

static void a_pause_before_the_next_try_ends(void **state)
{
    (void)state;
    struct fixture fixture;
    struct tz_mirror_result results[STORES + 1];
    fixture_open(&fixture, &(struct tz_mirror_options){.backoff_ms = ONE_HOUR_MS});
    faulty_store_plan(fixture.faulty[WEST], &unreachable);
    assert_int_equal(put_text(&fixture, "object", "x", TZ_MIRROR_ALL, 1, NULL), 0);
    faulty_store_await(fixture.faulty[WEST], 1);
    tz_interrupt_request();
    /* What can be stored is stored. */
    assert_int_equal(tz_mirror_flush(fixture.mirror, NULL), 0);
    assert_int_equal(tz_mirror_results(fixture.mirror, results, TZ_COUNT(results)), STORES);
    for (size_t i = 0; i < STORES; i++)
        assert_int_equal(results[i].stored, results[i].store == EAST);
    assert_int_equal(faulty_store_count(fixture.faulty[WEST]), 1);
    assert_false(tz_mirror_usable(fixture.mirror, WEST));
    fixture_close(&fixture);
}

static void a_put_does_not_wait_for_room(void **state)
{
    (void)state;
    struct fixture fixture;
    struct tz_error err = {0};
    struct tz_mirror_result results[STORES + 1];
    fixture_open(&fixture, &(struct tz_mirror_options){.queue_bytes = 1});
    tz_interrupt_request();
    faulty_store_hold(fixture.faulty[WEST]);
    faulty_store_plan(fixture.faulty[WEST], &(struct faulty_plan){.calls = FAULTY_PUT});
    assert_int_equal(put_text(&fixture, "first", "x", TZ_MIRROR_ALL, 1, &err), 0);
    assert_int_equal(put_text(&fixture, "second", "x", TZ_MIRROR_ALL, 2, &err), -1);
    assert_int_equal(err.kind, TZ_INTERRUPTED);
    faulty_store_let_go(fixture.faulty[WEST]);
    assert_int_equal(tz_mirror_flush(fixture.mirror, NULL), 0);
    assert_int_equal(tz_mirror_results(fixture.mirror, results, TZ_COUNT(results)), STORES);
    assert_true(is_inside(&fixture, WEST, "first"));
    assert_false(is_inside(&fixture, EAST, "second"));
    fixture_close(&fixture);
}

static void a_read_does_not_wait_to_ask_again(void **state)
{
    (void)state;
    struct fixture fixture;
    struct tz_error err = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
    fixture_open(&fixture, &(struct tz_mirror_options){.backoff_ms = ONE_HOUR_MS});
    tz_interrupt_request();
    faulty_store_plan(fixture.faulty[EAST], &unreachable);
    put_inside(&fixture, WEST, "west", "x");
    assert_int_equal(
        tz_mirror_get(fixture.mirror, "west", 0, 1, NULL, NULL, &out, NULL, NULL, &err), 0);
    assert_int_equal(
        tz_mirror_get(fixture.mirror, "none", 0, 1, NULL, NULL, &out, NULL, NULL, &err), -1);
    assert_int_equal(err.kind, TZ_INTERRUPTED);
    assert_int_equal(out.len, 1);
    fixture_close(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pause_before_the_next_try_ends),
        cmocka_unit_test(a_put_does_not_wait_for_room),
        cmocka_unit_test(a_read_does_not_wait_to_ask_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
