#include "mirror_fixture.h"

#include <pthread.h>
#include <time.h>

#define OBJECT  ((size_t)256 << 10)
#define READERS 8U
#define READS   40U

static void pause_ms(long ms)
{
    struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    (void)nanosleep(&pause, NULL);
}

/* Both stores are far away and have the object; each get takes so long there. */
static void open_far(struct fixture *fixture, unsigned east_ms, unsigned west_ms)
{
    static uint8_t bytes[OBJECT];
    const unsigned delays[STORES] = {east_ms, west_ms};

    fixture_remote = true;
    fixture_open(fixture, NULL);
    fixture_remote = false;
    for (size_t i = 0; i < STORES; i++) {
        assert_int_equal(tz_store_put(fixture->inside[i], "object", bytes, OBJECT, NULL), 0);
        faulty_store_plan(fixture->faulty[i],
                          &(struct faulty_plan){.calls = FAULTY_GET, .delay_ms = delays[i]});
    }
}

static size_t read_object(struct fixture *fixture, size_t len)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
    size_t store = STORES;
    assert_int_equal(
        tz_mirror_get(fixture->mirror, "object", 0, len, NULL, NULL, &out, &store, NULL, NULL), 0);
    assert_int_equal(out.len, len);
    return store;
}

static void *read_some(void *arg)
{
    for (unsigned i = 0; i < READS; i++)
        (void)read_object(arg, OBJECT);
    return NULL;
}

/* Several threads read at once; how many reads each store served. */
static void read_at_once(struct fixture *fixture, unsigned counts[STORES])
{
    pthread_t threads[READERS];

    for (unsigned i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_some, fixture), 0);
    for (unsigned i = 0; i < READERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (size_t i = 0; i < STORES; i++)
        counts[i] = faulty_store_count(fixture->faulty[i]);
    assert_int_equal(counts[EAST] + counts[WEST], READERS * READS);
}

static void without_a_measurement_the_first_far_store_is_read(void **state)
{
    (void)state;
    struct fixture fixture;
    open_far(&fixture, 0, 0);
    assert_int_equal(read_object(&fixture, 100), EAST);
    fixture_close(&fixture);
}

static void a_store_that_turns_slow_is_left_for_the_other(void **state)
{
    (void)state;
    struct fixture fixture;
    size_t last = STORES;
    open_far(&fixture, 400, 1);
    for (unsigned i = 0; i < 6; i++)
        last = read_object(&fixture, OBJECT);
    assert_int_equal(last, WEST);
    assert_true(faulty_store_count(fixture.faulty[EAST]) <= 3);
    fixture_close(&fixture);
}

static void reads_at_once_use_two_equal_stores_alike(void **state)
{
    (void)state;
    struct fixture fixture;
    unsigned counts[STORES];
    open_far(&fixture, 10, 10);
    read_at_once(&fixture, counts);
    assert_true(counts[EAST] >= READERS * READS / 4);
    assert_true(counts[WEST] >= READERS * READS / 4);
    fixture_close(&fixture);
}

static void reads_at_once_use_a_faster_store_more(void **state)
{
    (void)state;
    struct fixture fixture;
    unsigned counts[STORES];
    open_far(&fixture, 80, 8);
    read_at_once(&fixture, counts);
    assert_true(counts[EAST] > 0);
    assert_true(counts[WEST] > 3 * counts[EAST]);
    fixture_close(&fixture);
}

static void a_store_that_was_not_reached_is_asked_again_soon(void **state)
{
    (void)state;
    struct fixture fixture;
    open_far(&fixture, 1, 200);
    faulty_store_plan(fixture.faulty[EAST], &(struct faulty_plan){.calls = FAULTY_GET,
                                                                  .at = 1,
                                                                  .way = FAULTY_BEFORE,
                                                                  .kind = TZ_UNAVAILABLE,
                                                                  .delay_ms = 1});
    assert_int_equal(read_object(&fixture, OBJECT), WEST);
    assert_int_equal(read_object(&fixture, OBJECT), WEST);
    assert_int_equal(faulty_store_count(fixture.faulty[EAST]), 1);
    pause_ms(700);
    assert_int_equal(read_object(&fixture, OBJECT), EAST);
    fixture_close(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_measurement_the_first_far_store_is_read),
        cmocka_unit_test(a_store_that_turns_slow_is_left_for_the_other),
        cmocka_unit_test(reads_at_once_use_two_equal_stores_alike),
        cmocka_unit_test(reads_at_once_use_a_faster_store_more),
        cmocka_unit_test(a_store_that_was_not_reached_is_asked_again_soon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
