/*
 * A pool of worker threads.
 *
 * A job is a struct of the caller's that begins with a struct tz_job.  Submitting lends it to
 * the pool until tz_pool_wait() has returned for it; waiting in the order of submission gives an
 * ordered parallel pipeline.  One thread submits; any one may wait for a job; run() is called on
 * any worker.
 */
#ifndef TOZAI_UTIL_POOL_H
#define TOZAI_UTIL_POOL_H

#include "tozai/util/error.h"

#include <stdbool.h>

struct tz_job {
    /* worker: 0 to the pool's size - 1, to pick what belongs to one thread. */
    void (*run)(struct tz_job *job, unsigned worker);
    struct tz_job *next; /* the pool's */
    bool done;           /* the pool's */
};

struct tz_pool;

/* threads, or if it is 0: one for each processor that this process may use, but at most so many. */
unsigned tz_pool_threads(unsigned threads, unsigned most);
/* threads 0: one for each processor that this process may use. */
int tz_pool_new(struct tz_pool **ret, unsigned threads, struct tz_error *err) TZ_MUST_CHECK;
/* Waits for the jobs that were submitted. */
void tz_pool_free(struct tz_pool *pool);
TZ_DEFINE_SCOPED(struct tz_pool *, tz_scoped_pool, tz_pool_free)

unsigned tz_pool_size(const struct tz_pool *pool);
void tz_pool_submit(struct tz_pool *pool, struct tz_job *job);
void tz_pool_wait(struct tz_pool *pool, struct tz_job *job);
/* The same without waiting: is it done? */
bool tz_pool_done(struct tz_pool *pool, const struct tz_job *job);

#endif
