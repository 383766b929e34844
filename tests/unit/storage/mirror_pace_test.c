#include "mirror_fixture.h"

#include <pthread.h>
#include <time.h>

#define OBJECT  ((size_t)256 << 10)
#define LARGE   ((size_t)1 << 20)
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

/* One MiB, far away: each get is answered after wait_ms, and its bytes take move_ms. */
static void open_farther(struct fixture *fixture, unsigned wait_ms, const unsigned move_ms[STORES])
{
    static uint8_t bytes[LARGE];

    fixture_remote = true;
    fixture_open(fixture, NULL);
    fixture_remote = false;
    for (size_t i = 0; i < STORES; i++) {
        assert_int_equal(tz_store_put(fixture->inside[i], "large", bytes, LARGE, NULL), 0);
        faulty_store_plan(
            fixture->faulty[i],
            &(struct faulty_plan){.calls = FAULTY_GET, .delay_ms = wait_ms, .move_ms = move_ms[i]});
    }
}

/* Reads that share few rooms. */
struct shared {
    struct fixture *fixture;
    pthread_mutex_t mutex;
    unsigned rooms, reads; /* free ones; those that are to come */
};
struct guest {
    struct shared *shared;
    bool has_room;
};

static bool take_room(void *arg, struct tz_buf *out, size_t len)
{
    struct guest *guest = arg;

    (void)pthread_mutex_lock(&guest->shared->mutex);
    if (!guest->has_room && guest->shared->rooms > 0) {
        guest->shared->rooms--;
        guest->has_room = true;
        assert_int_equal(tz_buf_reserve(out, len, NULL), 0);
    }
    (void)pthread_mutex_unlock(&guest->shared->mutex);
    return guest->has_room;
}

static bool take_turn(struct shared *shared)
{
    (void)pthread_mutex_lock(&shared->mutex);
    bool mine = shared->reads > 0;
    shared->reads -= mine;
    (void)pthread_mutex_unlock(&shared->mutex);
    return mine;
}

static void *read_with_room(void *arg)
{
    struct shared *shared = arg;

    while (take_turn(shared)) {
        TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
        struct guest guest = {.shared = shared};
        const struct tz_mirror_request request = {
            .name = "large", .len = LARGE, .room = take_room, .arg = &guest};
        assert_int_equal(tz_mirror_read(shared->fixture->mirror, &request, &out, NULL, NULL, NULL),
                         0);
        assert_int_equal(out.len, LARGE);
        (void)pthread_mutex_lock(&shared->mutex);
        shared->rooms += guest.has_room;
        (void)pthread_mutex_unlock(&shared->mutex);
    }
    return NULL;
}

static void read_in_rooms(struct fixture *fixture, unsigned rooms, unsigned reads,
                          unsigned counts[STORES])
{
    struct shared shared = {.fixture = fixture, .rooms = rooms, .reads = reads};
    pthread_t threads[READERS];

    (void)pthread_mutex_init(&shared.mutex, NULL);
    for (unsigned i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_with_room, &shared), 0);
    for (unsigned i = 0; i < READERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (size_t i = 0; i < STORES; i++)
        counts[i] = faulty_store_count(fixture->faulty[i]);
    assert_int_equal(shared.rooms, rooms);
    (void)pthread_mutex_destroy(&shared.mutex);
}

/* What is read first is short, so that its time is that of waiting for the answer. */
static void a_late_answer_makes_no_slow_store(void **state)
{
    (void)state;
    struct fixture fixture;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
    unsigned counts[STORES];

    open_farther(&fixture, 150, (unsigned[STORES]){3, 3});
    assert_int_equal(tz_mirror_get(fixture.mirror, "large", 0, (size_t)100 << 10, NULL, NULL, &out,
                                   NULL, NULL, NULL),
                     0);
    read_in_rooms(&fixture, READERS, 64, counts);
    assert_true(counts[EAST] >= 16);
    assert_true(counts[WEST] >= 16);
    fixture_close(&fixture);
}

static void waiting_for_room_makes_no_slow_store(void **state)
{
    (void)state;
    struct fixture fixture;
    unsigned counts[STORES];

    open_farther(&fixture, 1, (unsigned[STORES]){50, 5});
    read_in_rooms(&fixture, 2, 100, counts);
    assert_true(counts[EAST] > 0);
    assert_true(counts[WEST] > 2 * counts[EAST]);
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
        cmocka_unit_test(a_late_answer_makes_no_slow_store),
        cmocka_unit_test(waiting_for_room_makes_no_slow_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
