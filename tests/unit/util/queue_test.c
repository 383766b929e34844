#include "tozai/util/queue.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

enum { PRODUCERS = 3, CONSUMERS = 3, ITEMS = 5000 };

/* Long enough for another thread to come to where it waits; a test never fails for being early. */
static void pause_shortly(void)
{
    struct timespec pause = {.tv_nsec = 20000000};

    (void)nanosleep(&pause, NULL);
}

static void items_leave_in_the_order_they_came(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_queue) struct tz_queue *queue = NULL;
    int items[3];

    assert_int_equal(tz_queue_new(&queue, 3, NULL), 0);
    for (int round = 0; round < 10; round++) { /* the ring turns */
        for (int i = 0; i < 2 + round % 2; i++)
            assert_true(tz_queue_push(queue, &items[i]));
        for (int i = 0; i < 2 + round % 2; i++)
            assert_ptr_equal(tz_queue_pop(queue), &items[i]);
    }
}

static void try_pop_does_not_wait(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_queue) struct tz_queue *queue = NULL;
    int item;

    assert_int_equal(tz_queue_new(&queue, 1, NULL), 0);
    assert_null(tz_queue_try_pop(queue));
    assert_true(tz_queue_push(queue, &item));
    assert_ptr_equal(tz_queue_try_pop(queue), &item);
    assert_null(tz_queue_try_pop(queue));
}

static void a_closed_queue_refuses_and_drains(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_queue) struct tz_queue *queue = NULL;
    int items[2];

    assert_int_equal(tz_queue_new(&queue, 4, NULL), 0);
    assert_true(tz_queue_push(queue, &items[0]));
    assert_true(tz_queue_push(queue, &items[1]));
    tz_queue_close(queue);
    tz_queue_close(queue); /* twice is harmless */
    assert_false(tz_queue_push(queue, &items[0]));
    assert_ptr_equal(tz_queue_pop(queue), &items[0]);
    assert_ptr_equal(tz_queue_try_pop(queue), &items[1]);
    assert_null(tz_queue_pop(queue));
    assert_null(tz_queue_try_pop(queue));
}

static void impossible_queues_are_refused(void **state)
{
    (void)state;
    struct tz_queue *queue = NULL;
    struct tz_error err = {0};

    assert_int_equal(tz_queue_new(&queue, SIZE_MAX, &err), -1);
    assert_int_equal(err.kind, TZ_NOMEM);
    assert_int_equal(tz_queue_new(&queue, SIZE_MAX / sizeof(void *) + 1, &err), -1);
    assert_int_equal(tz_queue_new(&queue, 0, &err), -1);
    assert_int_equal(err.kind, TZ_INVALID);
    assert_null(queue);
    tz_queue_free(NULL);
}

/* One thread that pushes or pops once and says what came of it. */
struct waiter {
    struct tz_queue *queue;
    pthread_t thread;
    atomic_bool finished;
    bool pushed;
    void *item;
};

static void *push_one(void *argument)
{
    struct waiter *waiter = argument;

    waiter->pushed = tz_queue_push(waiter->queue, waiter);
    atomic_store(&waiter->finished, true);
    return NULL;
}

static void *pop_one(void *argument)
{
    struct waiter *waiter = argument;

    waiter->item = tz_queue_pop(waiter->queue);
    atomic_store(&waiter->finished, true);
    return NULL;
}

static void push_waits_for_room(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_queue) struct tz_queue *queue = NULL;
    int item;

    assert_int_equal(tz_queue_new(&queue, 1, NULL), 0);
    assert_true(tz_queue_push(queue, &item));
    struct waiter waiter = {.queue = queue};
    assert_int_equal(pthread_create(&waiter.thread, NULL, push_one, &waiter), 0);
    pause_shortly();
    assert_false(atomic_load(&waiter.finished));
    assert_ptr_equal(tz_queue_pop(queue), &item);
    assert_int_equal(pthread_join(waiter.thread, NULL), 0);
    assert_true(waiter.pushed);
    assert_ptr_equal(tz_queue_pop(queue), &waiter);
}

static void pop_waits_for_an_item(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_queue) struct tz_queue *queue = NULL;
    int item;

    assert_int_equal(tz_queue_new(&queue, 1, NULL), 0);
    struct waiter waiter = {.queue = queue};
    assert_int_equal(pthread_create(&waiter.thread, NULL, pop_one, &waiter), 0);
    pause_shortly();
    assert_false(atomic_load(&waiter.finished));
    assert_true(tz_queue_push(queue, &item));
    assert_int_equal(pthread_join(waiter.thread, NULL), 0);
    assert_ptr_equal(waiter.item, &item);
}

static void close_wakes_all_that_wait(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_queue) struct tz_queue *full = NULL;
    TZ_SCOPED(tz_scoped_queue) struct tz_queue *empty = NULL;
    struct waiter pushers[3] = {0};
    struct waiter poppers[3] = {0};
    int item;

    assert_int_equal(tz_queue_new(&full, 1, NULL), 0);
    assert_int_equal(tz_queue_new(&empty, 1, NULL), 0);
    assert_true(tz_queue_push(full, &item));
    for (int i = 0; i < 3; i++) {
        pushers[i].queue = full;
        poppers[i].queue = empty;
        assert_int_equal(pthread_create(&pushers[i].thread, NULL, push_one, &pushers[i]), 0);
        assert_int_equal(pthread_create(&poppers[i].thread, NULL, pop_one, &poppers[i]), 0);
    }
    pause_shortly();
    tz_queue_close(full);
    tz_queue_close(empty);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_join(pushers[i].thread, NULL), 0);
        assert_int_equal(pthread_join(poppers[i].thread, NULL), 0);
        assert_false(pushers[i].pushed);
        assert_null(poppers[i].item);
    }
    assert_ptr_equal(tz_queue_pop(full), &item);
}

/* An item belongs to whoever holds it: its count is not atomic, and TSan would see two owners. */
struct item {
    unsigned producer;
    unsigned number;
    unsigned seen;
};

struct side {
    struct tz_queue *queue;
    pthread_t thread;
    unsigned producer;
    struct item *items;
    unsigned count;
    bool in_order;
};

static void *produce(void *argument)
{
    struct side *side = argument;

    for (unsigned i = 0; i < ITEMS; i++) {
        side->items[i] = (struct item){.producer = side->producer, .number = i};
        if (tz_queue_push(side->queue, &side->items[i]))
            side->count++;
    }
    return NULL;
}

static void *consume(void *argument)
{
    struct side *side = argument;
    unsigned next[PRODUCERS] = {0};
    struct item *item;

    side->in_order = true;
    while ((item = tz_queue_pop(side->queue))) {
        item->seen++;
        /* What one producer sent arrives at one consumer in order, perhaps with gaps. */
        if (item->number < next[item->producer])
            side->in_order = false;
        next[item->producer] = item->number + 1;
        side->count++;
    }
    return NULL;
}

static void many_threads_lose_and_double_nothing(void **state)
{
    (void)state;
    static struct item items[PRODUCERS][ITEMS];
    struct side producers[PRODUCERS] = {0};
    struct side consumers[CONSUMERS] = {0};
    TZ_SCOPED(tz_scoped_queue) struct tz_queue *queue = NULL;
    unsigned total = 0;

    assert_int_equal(tz_queue_new(&queue, 7, NULL), 0);
    for (unsigned i = 0; i < PRODUCERS; i++) {
        producers[i] = (struct side){.queue = queue, .producer = i, .items = items[i]};
        assert_int_equal(pthread_create(&producers[i].thread, NULL, produce, &producers[i]), 0);
    }
    for (unsigned i = 0; i < CONSUMERS; i++) {
        consumers[i] = (struct side){.queue = queue};
        assert_int_equal(pthread_create(&consumers[i].thread, NULL, consume, &consumers[i]), 0);
    }
    for (unsigned i = 0; i < PRODUCERS; i++) {
        assert_int_equal(pthread_join(producers[i].thread, NULL), 0);
        assert_int_equal(producers[i].count, ITEMS);
    }
    tz_queue_close(queue);
    for (unsigned i = 0; i < CONSUMERS; i++) {
        assert_int_equal(pthread_join(consumers[i].thread, NULL), 0);
        assert_true(consumers[i].in_order);
        total += consumers[i].count;
    }
    assert_int_equal(total, PRODUCERS * ITEMS);
    for (unsigned p = 0; p < PRODUCERS; p++)
        for (unsigned i = 0; i < ITEMS; i++)
            assert_int_equal(items[p][i].seen, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_leave_in_the_order_they_came),
        cmocka_unit_test(try_pop_does_not_wait),
        cmocka_unit_test(a_closed_queue_refuses_and_drains),
        cmocka_unit_test(impossible_queues_are_refused),
        cmocka_unit_test(push_waits_for_room),
        cmocka_unit_test(pop_waits_for_an_item),
        cmocka_unit_test(close_wakes_all_that_wait),
        cmocka_unit_test(many_threads_lose_and_double_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
