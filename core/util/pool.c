#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* sched_getaffinity() */
#endif
#include "tozai/util/pool.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "tozai/util/banned.h"

/* More processors than any kernel supports; stops the search for the size of its mask. */
#define MAX_PROCESSORS (1 << 20)

/* More workers than this are a mistake, not a wish. */
#define MAX_THREADS 4096

struct worker {
    struct tz_pool *pool;
    unsigned number;
    pthread_t thread;
};

struct tz_pool {
    pthread_mutex_t mutex;
    pthread_cond_t has_job; /* or is stopping */
    pthread_cond_t job_done;
    struct tz_job *first; /* waiting jobs, oldest first */
    struct tz_job *last;
    bool stopping;
    unsigned size; /* workers that run */
    struct worker workers[];
};

/* How many processors this process may use, whatever the machine has; at least 1. */
static unsigned count_processors(void)
{
    for (int size = CPU_SETSIZE; size <= MAX_PROCESSORS; size *= 2) {
        cpu_set_t *set = CPU_ALLOC((size_t)size);
        if (!set)
            break;
        int failed = sched_getaffinity(0, CPU_ALLOC_SIZE((size_t)size), set);
        int number = errno;
        int count = failed ? 0 : CPU_COUNT_S(CPU_ALLOC_SIZE((size_t)size), set);
        CPU_FREE(set);
        if (count > 0)
            return (unsigned)count;
        if (number != EINVAL) /* EINVAL: the kernel's mask is longer */
            break;
    }
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (unsigned)online : 1;
}

/* The next job, or NULL when the pool is stopping and none is left. */
static struct tz_job *take_job(struct tz_pool *pool)
{
    (void)pthread_mutex_lock(&pool->mutex);
    while (!pool->first && !pool->stopping)
        (void)pthread_cond_wait(&pool->has_job, &pool->mutex);
    struct tz_job *job = pool->first;
    if (job) {
        pool->first = job->next;
        if (!pool->first)
            pool->last = NULL;
    }
    (void)pthread_mutex_unlock(&pool->mutex);
    return job;
}

static void *work(void *argument)
{
    struct worker *self = argument;
    struct tz_pool *pool = self->pool;
    struct tz_job *job;

    while ((job = take_job(pool))) {
        job->run(job, self->number);
        (void)pthread_mutex_lock(&pool->mutex);
        job->done = true; /* from here on it is the caller's again */
        (void)pthread_cond_broadcast(&pool->job_done);
        (void)pthread_mutex_unlock(&pool->mutex);
    }
    return NULL;
}

/*
 * Start the workers with all signals blocked, so that they always reach the main thread, whose
 * waiting calls they are meant to end.
 */
static int start_workers(struct tz_pool *pool, unsigned threads, struct tz_error *err)
{
    sigset_t all;
    sigset_t before;
    int number = 0;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_BLOCK, &all, &before);
    while (!number && pool->size < threads) {
        struct worker *worker = &pool->workers[pool->size];
        *worker = (struct worker){.pool = pool, .number = pool->size};
        number = pthread_create(&worker->thread, NULL, work, worker);
        if (!number)
            pool->size++;
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);

    if (number)
        return tz_fail_errno(err, number, "start thread %u of %u", pool->size + 1, threads);
    return 0;
}

unsigned tz_pool_threads(unsigned threads, unsigned most)
{
    return threads ? threads : TZ_MIN(count_processors(), most);
}

int tz_pool_new(struct tz_pool **ret, unsigned threads, struct tz_error *err)
{
    if (threads > MAX_THREADS)
        return tz_fail(err, TZ_INVALID, "%u threads are more than %d", threads, MAX_THREADS);
    if (threads == 0)
        threads = TZ_MIN(count_processors(), MAX_THREADS);

    size_t workers_size = (size_t)threads * sizeof(struct worker);
    TZ_SCOPED(tz_scoped_pool) struct tz_pool *pool = calloc(1, sizeof(*pool) + workers_size);
    if (!pool)
        return tz_fail_nomem(err);
    /* With default attributes none of these can fail on Linux. */
    (void)pthread_mutex_init(&pool->mutex, NULL);
    (void)pthread_cond_init(&pool->has_job, NULL);
    (void)pthread_cond_init(&pool->job_done, NULL);
    if (start_workers(pool, threads, err))
        return -1;

    *ret = TZ_TAKE(pool);
    return 0;
}

void tz_pool_free(struct tz_pool *pool)
{
    if (!pool)
        return;

    (void)pthread_mutex_lock(&pool->mutex);
    pool->stopping = true;
    (void)pthread_cond_broadcast(&pool->has_job);
    (void)pthread_mutex_unlock(&pool->mutex);
    for (unsigned i = 0; i < pool->size; i++)
        (void)pthread_join(pool->workers[i].thread, NULL);

    (void)pthread_cond_destroy(&pool->job_done);
    (void)pthread_cond_destroy(&pool->has_job);
    (void)pthread_mutex_destroy(&pool->mutex);
    free(pool);
}

unsigned tz_pool_size(const struct tz_pool *pool)
{
    return pool->size;
}

void tz_pool_submit(struct tz_pool *pool, struct tz_job *job)
{
    (void)pthread_mutex_lock(&pool->mutex);
    job->next = NULL;
    job->done = false;
    if (pool->last)
        pool->last->next = job;
    else
        pool->first = job;
    pool->last = job;
    (void)pthread_cond_signal(&pool->has_job);
    (void)pthread_mutex_unlock(&pool->mutex);
}

void tz_pool_wait(struct tz_pool *pool, struct tz_job *job)
{
    (void)pthread_mutex_lock(&pool->mutex);
    while (!job->done)
        (void)pthread_cond_wait(&pool->job_done, &pool->mutex);
    (void)pthread_mutex_unlock(&pool->mutex);
}

bool tz_pool_done(struct tz_pool *pool, const struct tz_job *job)
{
    (void)pthread_mutex_lock(&pool->mutex);
    bool done = job->done;
    (void)pthread_mutex_unlock(&pool->mutex);
    return done;
}
