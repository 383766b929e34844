#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "internal.h"

#include "tozai/util/interrupt.h"
#include "tozai/util/time.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "tozai/util/banned.h"

/* ioprio_set(2), for which there is no header. */
#define IO_WHO_PROCESS       1
#define IO_CLASS_SHIFT       13
#define IO_CLASS_BEST_EFFORT 2
#define IO_CLASS_IDLE        3
#define IO_LOWEST            7

struct tz_run_limit {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool ending;
    atomic_bool over;
    int64_t deadline_ns; /* monotonic */
};

/* Of this thread, and so of all that are started later. */
int tz_run_yield(const struct tz_run *run, struct tz_error *err)
{
    const char *nice = tz_run_setting(run, "run", "nice");
    const char *io = tz_run_setting(run, "run", "ionice");
    int class = 0;

    /* One who is nicer already stays so. */
    if (nice && getpriority(PRIO_PROCESS, 0) < atoi(nice) &&
        setpriority(PRIO_PROCESS, 0, atoi(nice)))
        return tz_fail_errno(err, errno, "set nice to %s", nice);
    if (io && strcmp(io, "idle") == 0)
        class = IO_CLASS_IDLE << IO_CLASS_SHIFT;
    else if (io && strcmp(io, "best-effort") == 0)
        class = IO_CLASS_BEST_EFFORT << IO_CLASS_SHIFT | IO_LOWEST;
    if (class && syscall(SYS_ioprio_set, IO_WHO_PROCESS, 0, class))
        return tz_fail_errno(err, errno, "set ionice to %s", io);
    return 0;
}

static void *watch(void *arg)
{
    struct tz_run_limit *limit = arg;
    const struct timespec until = {.tv_sec = (time_t)(limit->deadline_ns / TZ_SECOND_NS),
                                   .tv_nsec = (long)(limit->deadline_ns % TZ_SECOND_NS)};
    int status = 0;

    (void)pthread_mutex_lock(&limit->mutex);
    while (!limit->ending && status != ETIMEDOUT)
        status = pthread_cond_timedwait(&limit->changed, &limit->mutex, &until);
    if (!limit->ending) {
        atomic_store(&limit->over, true);
        tz_interrupt_request();
    }
    (void)pthread_mutex_unlock(&limit->mutex);
    return NULL;
}

static int start_thread(struct tz_run_limit *limit)
{
    pthread_condattr_t attributes;
    int status = pthread_condattr_init(&attributes);

    if (status)
        return status;
    status = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    if (!status)
        status = pthread_cond_init(&limit->changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    if (status)
        return status;
    status = pthread_create(&limit->thread, NULL, watch, limit);
    if (status)
        (void)pthread_cond_destroy(&limit->changed);
    return status;
}

int tz_run_limit_start(struct tz_run_limit **ret, const struct tz_run *run, struct tz_error *err)
{
    int64_t limit_ns = tz_run_duration(run, "run", "time_limit", 0);

    *ret = NULL;
    if (limit_ns == 0)
        return 0;
    TZ_SCOPED(tz_scoped_free) struct tz_run_limit *limit = calloc(1, sizeof(*limit));
    if (!limit)
        return tz_fail_nomem(err);
    limit->deadline_ns = tz_monotonic() + limit_ns;
    int status = pthread_mutex_init(&limit->mutex, NULL);
    if (!status && (status = start_thread(limit)))
        (void)pthread_mutex_destroy(&limit->mutex);
    if (status)
        return tz_fail_errno(err, status, "start a thread");
    *ret = TZ_TAKE(limit);
    return 0;
}

bool tz_run_limit_over(struct tz_run_limit *limit)
{
    return limit && atomic_load(&limit->over);
}

void tz_run_limit_free(struct tz_run_limit *limit)
{
    if (!limit)
        return;
    (void)pthread_mutex_lock(&limit->mutex);
    limit->ending = true;
    (void)pthread_cond_signal(&limit->changed);
    (void)pthread_mutex_unlock(&limit->mutex);
    (void)pthread_join(limit->thread, NULL);
    (void)pthread_cond_destroy(&limit->changed);
    (void)pthread_mutex_destroy(&limit->mutex);
    free(limit);
}
