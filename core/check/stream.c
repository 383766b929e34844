#include "check.h"

#include "tozai/util/interrupt.h"
#include "tozai/util/queue.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "tozai/util/banned.h"

#define BATCH_ITEMS   256
#define BATCHES_AHEAD 4

struct batch {
    size_t count;
    struct tz_stream_item items[BATCH_ITEMS];
};

struct tz_stream {
    struct tz_store *store;
    char *prefix;
    struct tz_queue *queue;
    pthread_t thread;
    bool started;
    /* The thread's until it has ended. */
    struct batch *filling;
    char last[TZ_NAME_TEXT];
    int status;
    struct tz_error error;
    /* The caller's. */
    struct batch *reading;
    size_t at;
};

static int push(struct tz_stream *stream, struct tz_error *err)
{
    if (!tz_queue_push(stream->queue, stream->filling))
        return tz_fail(err, TZ_INTERRUPTED, "the listing was given up");
    stream->filling = NULL;
    return 0;
}

static int add(void *arg, const char *name, const struct tz_store_stat *stat, struct tz_error *err)
{
    struct tz_stream *stream = arg;
    size_t len = strlen(name);

    if (tz_interrupt_check(err))
        return -1;
    if (len >= TZ_NAME_TEXT)
        return tz_fail(err, TZ_CORRUPT, "an object's name is too long");
    /* The merge rests on it. */
    if (strcmp(stream->last, name) >= 0)
        return tz_fail(err, TZ_CORRUPT, "the listing is out of order at '%s'", name);
    memcpy(stream->last, name, len + 1);
    if (!stream->filling && !(stream->filling = calloc(1, sizeof(*stream->filling))))
        return tz_fail_nomem(err);
    struct tz_stream_item *item = &stream->filling->items[stream->filling->count++];
    memcpy(item->name, name, len + 1);
    item->size = stat->size;
    return stream->filling->count == BATCH_ITEMS ? push(stream, err) : 0;
}

static void *work(void *arg)
{
    struct tz_stream *stream = arg;

    stream->status = tz_store_list(stream->store, stream->prefix, add, stream, &stream->error);
    if (!stream->status && stream->filling)
        stream->status = push(stream, &stream->error);
    tz_queue_close(stream->queue);
    return NULL;
}

/* Signals are for the main thread. */
static int start(struct tz_stream *stream, struct tz_error *err)
{
    sigset_t all, before;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_BLOCK, &all, &before);
    int number = pthread_create(&stream->thread, NULL, work, stream);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (number)
        return tz_fail_errno(err, number, "start a thread to list a store");
    stream->started = true;
    return 0;
}

int tz_stream_open(struct tz_stream **ret, struct tz_store *store, const char *prefix,
                   struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_stream) struct tz_stream *stream = calloc(1, sizeof(*stream));
    if (!stream || !(stream->prefix = strdup(prefix)))
        return tz_fail_nomem(err);
    stream->store = store;
    if (tz_queue_new(&stream->queue, BATCHES_AHEAD, err) || start(stream, err))
        return -1;
    *ret = TZ_TAKE(stream);
    return 0;
}

const struct tz_stream_item *tz_stream_next(struct tz_stream *stream)
{
    if (stream->reading && stream->at == stream->reading->count) {
        free(stream->reading);
        stream->reading = NULL;
    }
    if (!stream->reading) {
        stream->reading = tz_queue_pop(stream->queue);
        stream->at = 0;
    }
    return stream->reading ? &stream->reading->items[stream->at++] : NULL;
}

static void join(struct tz_stream *stream)
{
    if (!stream->started)
        return;
    tz_queue_close(stream->queue);
    struct batch *batch;
    while ((batch = tz_queue_pop(stream->queue)))
        free(batch);
    (void)pthread_join(stream->thread, NULL);
    stream->started = false;
}

int tz_stream_status(struct tz_stream *stream, struct tz_error *err)
{
    join(stream);
    return stream->status ? tz_check_pass(err, &stream->error) : 0;
}

void tz_stream_free(struct tz_stream *stream)
{
    if (!stream)
        return;
    join(stream);
    tz_queue_free(stream->queue);
    free(stream->filling);
    free(stream->reading);
    free(stream->prefix);
    free(stream);
}
