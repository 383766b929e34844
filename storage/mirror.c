/*
 * The mirror as a whole: its stores, its beginning and its end.  Writing is in mirror_write.c,
 * reading in mirror_read.c.
 */
#include "mirror_private.h"
#include "tozai/util/interrupt.h"
#include "tozai/util/log.h"
#include "tozai/util/time.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tozai/util/banned.h"

#define DEFAULT_QUEUE_BYTES (UINT64_C(64) << 20)
#define DEFAULT_ATTEMPTS    5
#define DEFAULT_BACKOFF_MS  200
/* Of a store that tries again by itself. */
#define STEADY_ATTEMPTS 2
#define MAX_PAUSE_NS    (60 * TZ_SECOND_NS)
/* How long a wish to stop may go unnoticed. */
#define POLL_NS (TZ_SECOND_NS / 10)

void tz_mirror_lock(struct tz_mirror *mirror)
{
    (void)pthread_mutex_lock(&mirror->mutex);
}

void tz_mirror_unlock(struct tz_mirror *mirror)
{
    (void)pthread_mutex_unlock(&mirror->mutex);
}

void tz_mirror_wait(struct tz_mirror *mirror, int64_t duration_ns)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + TZ_MIN(duration_ns, POLL_NS);
    until.tv_sec += ns / TZ_SECOND_NS;
    until.tv_nsec = ns % TZ_SECOND_NS;
    (void)pthread_cond_timedwait(&mirror->changed, &mirror->mutex, &until);
}

/* Doubled with each attempt, less up to a half, so that many clients do not come back at once. */
static int64_t pause_ns(const struct tz_mirror *mirror, unsigned attempt)
{
    int64_t longest = (int64_t)mirror->options.backoff_ms * (TZ_SECOND_NS / 1000);
    for (unsigned i = 1; i < attempt && longest < MAX_PAUSE_NS; i++)
        longest *= 2;
    longest = TZ_MIN(longest, MAX_PAUSE_NS);
    /* The low bits of a clock in nanoseconds are chance enough; the multiplier spreads them. */
    uint64_t chance = (uint64_t)tz_monotonic() * UINT64_C(0x9e3779b97f4a7c15) >> 32;
    return longest - (int64_t)(chance % (uint64_t)(longest / 2 + 1));
}

bool tz_mirror_pause(struct tz_mirror *mirror, const struct tz_mirror_lane *lane, unsigned attempt)
{
    int64_t end_ns = tz_monotonic() + pause_ns(mirror, attempt);
    for (;;) {
        if (mirror->stopping || (lane && lane->out) || tz_interrupted())
            return false;
        int64_t left_ns = end_ns - tz_monotonic();
        if (left_ns <= 0)
            return true;
        tz_mirror_wait(mirror, left_ns);
    }
}

/* In the writer threads signals stay pending for the main one: no call is cut short by EINTR. */
static int start_thread(struct tz_mirror_lane *lane, struct tz_error *err)
{
    sigset_t all;
    sigset_t old;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    int number = pthread_create(&lane->threads[lane->started], NULL, tz_mirror_write_lane, lane);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (number)
        return tz_fail_errno(err, number, "start a writer of store '%s'", lane->name);
    lane->started++;
    return 0;
}

static int name_lane(struct tz_mirror_lane *lane, const char *name, struct tz_error *err)
{
    char number[32];
    (void)snprintf(number, sizeof(number), "%zu", lane->number + 1);
    lane->name = strdup(name && *name ? name : number);
    return lane->name ? 0 : tz_fail_nomem(err);
}

static struct tz_mirror_options without_zeros(const struct tz_mirror_options *options)
{
    struct tz_mirror_options all = options ? *options : (struct tz_mirror_options){0};
    if (!all.queue_bytes)
        all.queue_bytes = DEFAULT_QUEUE_BYTES;
    if (!all.remote_queue_bytes)
        all.remote_queue_bytes = all.queue_bytes;
    if (!all.writers)
        all.writers = 1;
    all.writers = TZ_MIN(all.writers, TZ_MIRROR_WRITERS_MAX);
    if (!all.attempts)
        all.attempts = DEFAULT_ATTEMPTS;
    if (!all.backoff_ms)
        all.backoff_ms = DEFAULT_BACKOFF_MS;
    return all;
}

/* A mirror with count lanes, all of them out for want of a store. */
static int new_mirror(struct tz_mirror **ret, size_t count, const struct tz_mirror_options *options,
                      struct tz_error *err)
{
    if (count == 0 || count > TZ_MIRROR_MAX_STORES)
        return tz_fail(err, TZ_INVALID, "a repository has 1 to %d stores, not %zu",
                       TZ_MIRROR_MAX_STORES, count);
    struct tz_mirror *mirror = calloc(1, sizeof(*mirror));
    if (!mirror)
        return tz_fail_nomem(err);
    pthread_condattr_t monotonic;
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&mirror->changed, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    (void)pthread_mutex_init(&mirror->mutex, NULL);
    mirror->options = without_zeros(options);
    mirror->results.end = &mirror->results.first;
    mirror->count = count;
    for (size_t i = 0; i < count; i++) {
        struct tz_mirror_lane *lane = &mirror->lanes[i];
        lane->mirror = mirror;
        lane->number = i;
        lane->queue.end = &lane->queue.first;
        lane->out = true;
        (void)tz_fail(&lane->error, TZ_UNAVAILABLE, "the store was not opened");
        (void)pthread_cond_init(&lane->work, NULL);
    }
    *ret = mirror;
    return 0;
}

static int fail_none(struct tz_mirror *mirror, struct tz_error *err)
{
    const struct tz_error *first = &mirror->lanes[0].error;
    tz_mirror_lock(mirror);
    (void)tz_mirror_check_usable(mirror, TZ_MIRROR_ALL, err);
    tz_mirror_unlock(mirror);
    if (err)
        err->kind = first->kind;
    return tz_hint(err, "%s", first->hint);
}

/* Name the lanes, and start the writers of those that have a store. */
static int start(struct tz_mirror *mirror, struct tz_error *err)
{
    bool any = false;
    for (size_t i = 0; i < mirror->count; i++) {
        struct tz_mirror_lane *lane = &mirror->lanes[i];
        if (!lane->name && name_lane(lane, lane->store ? tz_store_name(lane->store) : NULL, err))
            return -1;
        any = any || lane->store;
    }
    if (!any && !(mirror->options.none_will_do && mirror->lanes[0].error.kind != TZ_INVALID))
        return fail_none(mirror, err);
    for (size_t i = 0; i < mirror->count; i++) {
        struct tz_mirror_lane *lane = &mirror->lanes[i];
        if (!lane->store)
            continue;
        lane->out = false;
        lane->error = (struct tz_error){0};
        lane->local = tz_store_features(lane->store) & TZ_STORE_LOCAL;
        lane->attempts = mirror->options.attempts;
        if (tz_store_features(lane->store) & TZ_STORE_STEADY)
            lane->attempts = TZ_MIN(lane->attempts, STEADY_ATTEMPTS);
        for (unsigned n = lane->local ? 1 : mirror->options.writers; n > 0; n--)
            if (start_thread(lane, err))
                return -1;
    }
    return 0;
}

int tz_mirror_new(struct tz_mirror **ret, struct tz_store **stores, size_t count,
                  const struct tz_mirror_options *options, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_mirror) struct tz_mirror *mirror = NULL;
    if (new_mirror(&mirror, count, options, err)) {
        for (size_t i = 0; i < count; i++)
            tz_store_free(stores[i]);
        return -1;
    }
    for (size_t i = 0; i < count; i++)
        mirror->lanes[i].store = stores[i];
    if (start(mirror, err))
        return -1;
    *ret = TZ_TAKE(mirror);
    return 0;
}

int tz_mirror_open(struct tz_mirror **ret, const struct tz_store_options *stores, size_t count,
                   const struct tz_mirror_options *options, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_mirror) struct tz_mirror *mirror = NULL;
    if (new_mirror(&mirror, count, options, err))
        return -1;
    for (size_t i = 0; i < count; i++) {
        struct tz_mirror_lane *lane = &mirror->lanes[i];
        if (name_lane(lane, stores[i].name, err))
            return -1;
        if (tz_store_open(&lane->store, &stores[i], &lane->error))
            tz_debug("store '%s' is out: %s", lane->name, lane->error.message);
    }
    if (start(mirror, err))
        return -1;
    *ret = TZ_TAKE(mirror);
    return 0;
}

void tz_mirror_free(struct tz_mirror *mirror)
{
    if (!mirror)
        return;
    tz_mirror_lock(mirror);
    mirror->stopping = true;
    (void)pthread_cond_broadcast(&mirror->changed);
    for (size_t i = 0; i < mirror->count; i++)
        (void)pthread_cond_broadcast(&mirror->lanes[i].work);
    tz_mirror_unlock(mirror);
    /* All of them first: the writers of one store wake those of others. */
    for (size_t i = 0; i < mirror->count; i++)
        for (struct tz_mirror_lane *lane = &mirror->lanes[i]; lane->started > 0;)
            (void)pthread_join(lane->threads[--lane->started], NULL);
    for (size_t i = 0; i < mirror->count; i++) {
        struct tz_mirror_lane *lane = &mirror->lanes[i];
        tz_mirror_items_clear(&lane->queue);
        if (lane->spool.folder)
            (void)rmdir(lane->spool.folder);
        free(lane->spool.folder);
        tz_store_free(lane->store);
        free(lane->name);
        (void)pthread_cond_destroy(&lane->work);
    }
    tz_mirror_items_clear(&mirror->results);
    (void)pthread_cond_destroy(&mirror->changed);
    (void)pthread_mutex_destroy(&mirror->mutex);
    free(mirror);
}

size_t tz_mirror_count(const struct tz_mirror *mirror)
{
    return mirror->count;
}

struct tz_store *tz_mirror_store(struct tz_mirror *mirror, size_t i)
{
    return mirror->lanes[i].store;
}

const char *tz_mirror_name(const struct tz_mirror *mirror, size_t i)
{
    return mirror->lanes[i].name;
}

bool tz_mirror_usable(struct tz_mirror *mirror, size_t i)
{
    return !tz_mirror_error(mirror, i, NULL);
}

bool tz_mirror_is_far(struct tz_mirror *mirror)
{
    for (size_t i = 0; i < mirror->count; i++)
        if (tz_mirror_usable(mirror, i) &&
            (tz_store_features(tz_mirror_store(mirror, i)) & TZ_STORE_LOCAL))
            return false;
    return true;
}

bool tz_mirror_error(struct tz_mirror *mirror, size_t i, struct tz_error *ret)
{
    tz_mirror_lock(mirror);
    bool out = mirror->lanes[i].out;
    if (out && ret)
        *ret = mirror->lanes[i].error;
    tz_mirror_unlock(mirror);
    return out;
}

void tz_mirror_exclude(struct tz_mirror *mirror, size_t i, const struct tz_error *why)
{
    tz_mirror_lock(mirror);
    tz_mirror_lane_fail(&mirror->lanes[i], why);
    tz_mirror_unlock(mirror);
}
