#include "check.h"

#include "tozai/util/interrupt.h"

#include "tozai/util/banned.h"

/* More workers than these would want more memory than the program may use. */
#define WORKERS_MIN 2U
#define WORKERS_MAX 8U
/* Where reads wait for a network; each has two windows and a frame: about 130 MiB. */
#define WORKERS_FAR 10U

struct tz_checker {
    struct tz_repo *repo;
    struct tz_pool *pool;
    tz_check_done_fn *done;
    void *arg;
    struct tz_check_worker workers[WORKERS_FAR];
    struct tz_check_task *tasks; /* a ring */
    size_t count;
    size_t first, used; /* on their way, oldest first */
};

/* Two at least, so that one store is read while another one's bytes are worked on; three for each
 * processor, if nothing else is wanted, since each waits for a disk half of its time. */
static int make_pool(struct tz_pool **ret, unsigned threads, unsigned far, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_pool) struct tz_pool *pool = NULL;

    if (far > 0)
        return tz_pool_new(ret, WORKERS_FAR, err);
    if (tz_pool_new(&pool, threads, err))
        return -1;
    unsigned size = tz_pool_size(pool) * (threads ? 1 : 3);
    size = TZ_MIN(TZ_MAX(size, WORKERS_MIN), WORKERS_MAX);
    if (size != tz_pool_size(pool)) {
        tz_pool_free(TZ_TAKE(pool));
        if (tz_pool_new(&pool, size, err))
            return -1;
    }
    *ret = TZ_TAKE(pool);
    return 0;
}

/* Stores that are not on this machine. */
static unsigned count_far(struct tz_mirror *mirror)
{
    unsigned far = 0;

    for (size_t i = 0; i < tz_mirror_count(mirror); i++)
        far += tz_mirror_store(mirror, i) &&
               !(tz_store_features(tz_mirror_store(mirror, i)) & TZ_STORE_LOCAL);
    return far;
}

static int make_worker(struct tz_check_worker *worker, struct tz_repo *repo, unsigned far,
                       struct tz_error *err)
{
    const uint8_t *key = tz_keys_chunk_id_key(tz_repo_keys(repo));

    if (tz_frame_opener_new(&worker->opener, err) || tz_idhash_new(&worker->hash, key, err) ||
        tz_sha256_new(&worker->digest, err))
        return -1;
    if (far > 1 && tz_pool_new(&worker->mate, 1, err))
        return -1;
    return tz_aead_new(&worker->aead, err);
}

static void clear_worker(struct tz_check_worker *worker)
{
    tz_pool_free(worker->mate);
    tz_frame_opener_free(worker->opener);
    tz_idhash_free(worker->hash);
    tz_sha256_free(worker->digest);
    tz_aead_free(worker->aead);
    tz_buf_clear(&worker->mine);
    tz_buf_clear(&worker->other);
    tz_buf_clear(&worker->tail);
    tz_buf_clear(&worker->plain);
}

int tz_checker_new(struct tz_checker **ret, struct tz_repo *repo, tz_check_done_fn *done, void *arg,
                   struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_checker) struct tz_checker *checker = calloc(1, sizeof(*checker));
    if (!checker)
        return tz_fail_nomem(err);
    checker->repo = repo;
    checker->done = done;
    checker->arg = arg;
    unsigned far = count_far(tz_repo_mirror(repo));
    if (make_pool(&checker->pool, tz_repo_config(repo)->threads, far, err))
        return -1;
    for (unsigned i = 0; i < tz_pool_size(checker->pool); i++)
        if (make_worker(&checker->workers[i], repo, far, err))
            return -1;
    checker->count = (size_t)2 * tz_pool_size(checker->pool);
    checker->tasks = calloc(checker->count, sizeof(*checker->tasks));
    if (!checker->tasks)
        return tz_fail_nomem(err);
    *ret = TZ_TAKE(checker);
    return 0;
}

void tz_checker_free(struct tz_checker *checker)
{
    if (!checker)
        return;
    tz_pool_free(checker->pool);
    for (size_t i = 0; i < checker->count && checker->tasks; i++)
        tz_pack_info_clear(&checker->tasks[i].info);
    for (size_t i = 0; i < WORKERS_FAR; i++)
        clear_worker(&checker->workers[i]);
    free(checker->tasks);
    free(checker);
}

struct tz_repo *tz_checker_repo(const struct tz_checker *checker)
{
    return checker->repo;
}

static void run(struct tz_job *job, unsigned worker)
{
    struct tz_check_task *task = (struct tz_check_task *)(void *)job;

    tz_check_run(task, &task->checker->workers[worker]);
}

static int collect(struct tz_checker *checker, struct tz_error *err)
{
    struct tz_check_task *task = &checker->tasks[checker->first];

    tz_pool_wait(checker->pool, &task->job);
    checker->first = (checker->first + 1) % checker->count;
    checker->used--;
    if (task->fatal.kind != TZ_OK)
        return tz_check_pass(err, &task->fatal);
    return checker->done(checker->arg, task, err);
}

int tz_checker_task(struct tz_checker *checker, struct tz_check_task **ret, struct tz_error *err)
{
    if (tz_interrupt_check(err) || (checker->used == checker->count && collect(checker, err)))
        return -1;
    struct tz_check_task *task = &checker->tasks[(checker->first + checker->used) % checker->count];
    tz_pack_info_clear(&task->info);
    *task = (struct tz_check_task){.job.run = run, .checker = checker};
    *ret = task;
    return 0;
}

void tz_checker_submit(struct tz_checker *checker, struct tz_check_task *task)
{
    task->parsed = tz_name_parse(task->name);
    checker->used++;
    tz_pool_submit(checker->pool, &task->job);
}

int tz_checker_drain(struct tz_checker *checker, struct tz_error *err)
{
    while (checker->used > 0)
        if (collect(checker, err))
            return -1;
    return 0;
}
