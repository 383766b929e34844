#include "tozai/util/queue.h"

#include <assert.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

#include "tozai/util/banned.h"

struct tz_queue {
    pthread_mutex_t mutex;
    pthread_cond_t has_room; /* or is closed */
    pthread_cond_t has_item; /* or is closed */
    bool closed;
    size_t capacity;
    size_t first; /* index of the oldest item */
    size_t count;
    void *items[]; /* a ring */
};

int tz_queue_new(struct tz_queue **ret, size_t capacity, struct tz_error *err)
{
    struct tz_queue *queue;

    if (capacity == 0)
        return tz_fail(err, TZ_INVALID, "a queue needs room for one item");
    if (capacity > (PTRDIFF_MAX - sizeof(*queue)) / sizeof(queue->items[0]))
        return tz_fail_nomem(err);
    queue = calloc(1, sizeof(*queue) + capacity * sizeof(queue->items[0]));
    if (!queue)
        return tz_fail_nomem(err);

    /* With default attributes none of these can fail on Linux. */
    (void)pthread_mutex_init(&queue->mutex, NULL);
    (void)pthread_cond_init(&queue->has_room, NULL);
    (void)pthread_cond_init(&queue->has_item, NULL);
    queue->capacity = capacity;
    *ret = queue;
    return 0;
}

void tz_queue_free(struct tz_queue *queue)
{
    if (!queue)
        return;
    (void)pthread_cond_destroy(&queue->has_item);
    (void)pthread_cond_destroy(&queue->has_room);
    (void)pthread_mutex_destroy(&queue->mutex);
    free(queue);
}

bool tz_queue_push(struct tz_queue *queue, void *item)
{
    assert(item);

    (void)pthread_mutex_lock(&queue->mutex);
    while (!queue->closed && queue->count == queue->capacity)
        (void)pthread_cond_wait(&queue->has_room, &queue->mutex);
    bool open = !queue->closed;
    if (open) {
        queue->items[(queue->first + queue->count) % queue->capacity] = item;
        queue->count++;
        (void)pthread_cond_signal(&queue->has_item);
    }
    (void)pthread_mutex_unlock(&queue->mutex);
    return open;
}

/* The oldest item or NULL; the mutex is held. */
static void *take_first(struct tz_queue *queue)
{
    if (queue->count == 0)
        return NULL;
    void *item = queue->items[queue->first];
    queue->first = (queue->first + 1) % queue->capacity;
    queue->count--;
    (void)pthread_cond_signal(&queue->has_room);
    return item;
}

void *tz_queue_pop(struct tz_queue *queue)
{
    (void)pthread_mutex_lock(&queue->mutex);
    while (!queue->closed && queue->count == 0)
        (void)pthread_cond_wait(&queue->has_item, &queue->mutex);
    void *item = take_first(queue);
    (void)pthread_mutex_unlock(&queue->mutex);
    return item;
}

void *tz_queue_try_pop(struct tz_queue *queue)
{
    (void)pthread_mutex_lock(&queue->mutex);
    void *item = take_first(queue);
    (void)pthread_mutex_unlock(&queue->mutex);
    return item;
}

void tz_queue_close(struct tz_queue *queue)
{
    (void)pthread_mutex_lock(&queue->mutex);
    queue->closed = true;
    (void)pthread_cond_broadcast(&queue->has_room);
    (void)pthread_cond_broadcast(&queue->has_item);
    (void)pthread_mutex_unlock(&queue->mutex);
}
