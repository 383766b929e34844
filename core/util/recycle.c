#include "tozai/util/recycle.h"

#include <pthread.h>

#include "tozai/util/banned.h"

struct tz_recycler {
    pthread_mutex_t mutex;
    size_t size;
    unsigned keep, count;
    uint8_t *held[];
};

int tz_recycler_new(struct tz_recycler **ret, size_t size, unsigned keep, struct tz_error *err)
{
    struct tz_recycler *recycler = calloc(1, sizeof(*recycler) + keep * sizeof(uint8_t *));

    if (!recycler)
        return tz_fail_nomem(err);
    recycler->size = size;
    recycler->keep = keep;
    (void)pthread_mutex_init(&recycler->mutex, NULL);
    *ret = recycler;
    return 0;
}

void tz_recycler_free(struct tz_recycler *recycler)
{
    if (!recycler)
        return;
    for (unsigned i = 0; i < recycler->count; i++)
        free(recycler->held[i]);
    (void)pthread_mutex_destroy(&recycler->mutex);
    free(recycler);
}

int tz_recycler_take(struct tz_recycler *recycler, uint8_t **ret, struct tz_error *err)
{
    uint8_t *buffer = NULL;

    (void)pthread_mutex_lock(&recycler->mutex);
    if (recycler->count > 0)
        buffer = recycler->held[--recycler->count];
    (void)pthread_mutex_unlock(&recycler->mutex);
    if (!buffer)
        buffer = malloc(recycler->size);
    if (!buffer)
        return tz_fail_nomem(err);
    *ret = buffer;
    return 0;
}

void tz_recycler_give(struct tz_recycler *recycler, uint8_t *buffer)
{
    if (!buffer)
        return;
    (void)pthread_mutex_lock(&recycler->mutex);
    if (recycler->count < recycler->keep) {
        recycler->held[recycler->count++] = buffer;
        buffer = NULL;
    }
    (void)pthread_mutex_unlock(&recycler->mutex);
    free(buffer);
}
