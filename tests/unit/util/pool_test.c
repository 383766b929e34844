#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* sched_getaffinity() */
#endif
#include "tozai/util/pool.h"

#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { WORKERS = 4, JOBS = 3000 };

/* Nothing in it is atomic: the pool must order the accesses, and TSan looks whether it does. */
struct square {
    struct tz_job job;
    unsigned number;
    unsigned result;
    unsigned runs;
    unsigned worker;
    unsigned *per_worker;
};

static void run_square(struct tz_job *job, unsigned worker)
{
    struct square *square = (struct square *)job;

    square->result = square->number * square->number;
    square->runs++;
    square->worker = worker;
    if (square->per_worker && worker < WORKERS)
        square->per_worker[worker]++;
}

static void every_job_runs_once_on_a_worker_of_the_pool(void **state)
{
    (void)state;
    static struct square squares[JOBS];
    unsigned per_worker[WORKERS] = {0};
    TZ_SCOPED(tz_scoped_pool) struct tz_pool *pool = NULL;
    unsigned total = 0;

    assert_int_equal(tz_pool_new(&pool, WORKERS, NULL), 0);
    assert_int_equal(tz_pool_size(pool), WORKERS);
    for (unsigned i = 0; i < JOBS; i++) {
        squares[i] = (struct square){.job.run = run_square, .number = i, .per_worker = per_worker};
        tz_pool_submit(pool, &squares[i].job);
    }
    for (unsigned i = 0; i < JOBS; i++) {
        tz_pool_wait(pool, &squares[i].job);
        assert_int_equal(squares[i].result, i * i);
        assert_int_equal(squares[i].runs, 1);
        assert_true(squares[i].worker < WORKERS);
        assert_true(tz_pool_done(pool, &squares[i].job));
    }
    for (unsigned i = 0; i < WORKERS; i++)
        total += per_worker[i];
    assert_int_equal(total, JOBS);
}

/* A window of jobs that are used again and again: how a pipeline uses the pool. */
static void a_job_may_be_submitted_again(void **state)
{
    (void)state;
    struct square squares[8] = {0};
    TZ_SCOPED(tz_scoped_pool) struct tz_pool *pool = NULL;

    assert_int_equal(tz_pool_new(&pool, 2, NULL), 0);
    for (unsigned i = 0; i < 2000; i++) {
        struct square *square = &squares[i % 8];
        if (i >= 8) {
            tz_pool_wait(pool, &square->job);
            assert_int_equal(square->result, (i - 8) * (i - 8));
        }
        square->job.run = run_square;
        square->number = i;
        tz_pool_submit(pool, &square->job);
    }
    for (unsigned i = 0; i < 8; i++) {
        tz_pool_wait(pool, &squares[i].job);
        assert_int_equal(squares[i].runs, 250);
    }
}

/* A job that can only end when the other one runs at the same time. */
struct meeting {
    struct tz_job job;
    pthread_barrier_t *barrier;
    unsigned worker;
};

static void run_meeting(struct tz_job *job, unsigned worker)
{
    struct meeting *meeting = (struct meeting *)job;

    meeting->worker = worker;
    (void)pthread_barrier_wait(meeting->barrier);
}

static void jobs_run_at_the_same_time_on_different_workers(void **state)
{
    (void)state;
    pthread_barrier_t barrier;
    struct meeting meetings[3];
    TZ_SCOPED(tz_scoped_pool) struct tz_pool *pool = NULL;

    assert_int_equal(pthread_barrier_init(&barrier, NULL, 3), 0);
    assert_int_equal(tz_pool_new(&pool, 3, NULL), 0);
    for (int i = 0; i < 3; i++) {
        meetings[i] = (struct meeting){.job.run = run_meeting, .barrier = &barrier};
        tz_pool_submit(pool, &meetings[i].job);
    }
    for (int i = 2; i >= 0; i--) /* waiting in any order is allowed */
        tz_pool_wait(pool, &meetings[i].job);
    assert_true(meetings[0].worker != meetings[1].worker);
    assert_true(meetings[0].worker != meetings[2].worker);
    assert_true(meetings[1].worker != meetings[2].worker);
    assert_int_equal(pthread_barrier_destroy(&barrier), 0);
}

static void done_says_whether_without_waiting(void **state)
{
    (void)state;
    pthread_barrier_t barrier;
    TZ_SCOPED(tz_scoped_pool) struct tz_pool *pool = NULL;

    assert_int_equal(pthread_barrier_init(&barrier, NULL, 2), 0);
    assert_int_equal(tz_pool_new(&pool, 1, NULL), 0);
    struct meeting meeting = {.job.run = run_meeting, .barrier = &barrier};
    tz_pool_submit(pool, &meeting.job);
    assert_false(tz_pool_done(pool, &meeting.job)); /* it waits for us */
    (void)pthread_barrier_wait(&barrier);
    tz_pool_wait(pool, &meeting.job);
    assert_true(tz_pool_done(pool, &meeting.job));
    assert_int_equal(pthread_barrier_destroy(&barrier), 0);
}

static void one_worker_runs_in_the_order_of_submission(void **state)
{
    (void)state;
    static struct square squares[100];
    TZ_SCOPED(tz_scoped_pool) struct tz_pool *pool = NULL;

    assert_int_equal(tz_pool_new(&pool, 1, NULL), 0);
    for (unsigned i = 0; i < 100; i++) {
        squares[i] = (struct square){.job.run = run_square, .number = i};
        tz_pool_submit(pool, &squares[i].job);
    }
    tz_pool_wait(pool, &squares[99].job);
    for (unsigned i = 0; i < 100; i++)
        assert_true(tz_pool_done(pool, &squares[i].job));
}

static void free_waits_for_what_was_submitted(void **state)
{
    (void)state;
    static struct square squares[JOBS];

    for (int round = 0; round < 3; round++) {
        struct tz_pool *pool = NULL;
        assert_int_equal(tz_pool_new(&pool, 3, NULL), 0);
        for (unsigned i = 0; i < JOBS; i++) {
            squares[i] = (struct square){.job.run = run_square, .number = i};
            tz_pool_submit(pool, &squares[i].job);
        }
        tz_pool_free(pool);
        for (unsigned i = 0; i < JOBS; i++)
            assert_int_equal(squares[i].runs, 1);
    }
    tz_pool_free(NULL);
}

static void no_number_means_the_processors_of_this_process(void **state)
{
    (void)state;
    cpu_set_t before;
    cpu_set_t one;
    struct tz_pool *pool = NULL;

    assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
    assert_int_equal(tz_pool_new(&pool, 0, NULL), 0);
    assert_int_equal(tz_pool_size(pool), CPU_COUNT(&before));
    assert_int_equal(tz_pool_threads(0, UINT_MAX), CPU_COUNT(&before));
    assert_int_equal(tz_pool_threads(0, 1), 1);
    assert_int_equal(tz_pool_threads(1000, 1), 1000);
    tz_pool_free(pool);

    CPU_ZERO(&one);
    for (size_t i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
        if (CPU_ISSET(i, &before))
            CPU_SET(i, &one);
    assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
    assert_int_equal(tz_pool_new(&pool, 0, NULL), 0);
    assert_int_equal(tz_pool_size(pool), 1);
    assert_int_equal(tz_pool_threads(0, 100), 1);
    tz_pool_free(pool);
    assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
}

struct look {
    struct tz_job job;
    sigset_t mask;
    int result;
};

static void run_look(struct tz_job *job, unsigned worker)
{
    struct look *look = (struct look *)job;

    (void)worker;
    look->result = pthread_sigmask(SIG_BLOCK, NULL, &look->mask);
}

static void workers_leave_signals_to_the_main_thread(void **state)
{
    (void)state;
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGALRM, SIGCHLD, SIGUSR1};
    sigset_t mask;
    TZ_SCOPED(tz_scoped_pool) struct tz_pool *pool = NULL;

    assert_int_equal(tz_pool_new(&pool, 1, NULL), 0);
    struct look look = {.job.run = run_look, .result = -1};
    tz_pool_submit(pool, &look.job);
    tz_pool_wait(pool, &look.job);
    assert_int_equal(look.result, 0);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, NULL, &mask), 0);
    for (size_t i = 0; i < TZ_COUNT(numbers); i++) {
        assert_int_equal(sigismember(&look.mask, numbers[i]), 1);
        assert_int_equal(sigismember(&mask, numbers[i]), 0); /* ours is as before */
    }
}

static void too_many_threads_are_refused(void **state)
{
    (void)state;
    struct tz_pool *pool = NULL;
    struct tz_error err = {0};

    assert_int_equal(tz_pool_new(&pool, 1000000, &err), -1);
    assert_int_equal(err.kind, TZ_INVALID);
    assert_null(pool);
}

/* Memory for a few stacks only: those that were started must be stopped again. */
static void a_pool_that_cannot_start_leaves_no_thread(void **state)
{
    (void)state;
#ifdef TOZAI_SANITIZED
    skip(); /* sanitizers need an address space without limits */
#endif
    pid_t child = fork();
    if (child == 0) {
        struct rlimit limit = {.rlim_cur = 200 << 20, .rlim_max = 200 << 20};
        struct tz_pool *pool = NULL;
        struct tz_error err = {0};
        if (setrlimit(RLIMIT_AS, &limit))
            _exit(1);
        for (int i = 0; i < 5; i++)
            if (tz_pool_new(&pool, 1000, &err) != -1 || pool)
                _exit(2);
        if (!strstr(err.message, "of 1000: "))
            _exit(3);
        if (tz_pool_new(&pool, 4, &err)) /* the stacks are free again */
            _exit(4);
        tz_pool_free(pool);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_job_runs_once_on_a_worker_of_the_pool),
        cmocka_unit_test(a_job_may_be_submitted_again),
        cmocka_unit_test(jobs_run_at_the_same_time_on_different_workers),
        cmocka_unit_test(done_says_whether_without_waiting),
        cmocka_unit_test(one_worker_runs_in_the_order_of_submission),
        cmocka_unit_test(free_waits_for_what_was_submitted),
        cmocka_unit_test(no_number_means_the_processors_of_this_process),
        cmocka_unit_test(too_many_threads_are_refused),
        cmocka_unit_test(a_pool_that_cannot_start_leaves_no_thread),
        cmocka_unit_test(workers_leave_signals_to_the_main_thread),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
