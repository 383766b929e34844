#include "internal.h"

#include "tozai/util/pool.h"

struct visit {
    struct tz_job job;
    tz_repo_visit_fn *visit;
    void *arg;
    size_t store;
};

static void run(struct tz_job *job, unsigned worker)
{
    struct visit *visit = (struct visit *)(void *)job;

    (void)worker;
    visit->visit(visit->arg, visit->store);
}

int tz_repo_visit_stores(struct tz_repo *repo, tz_repo_visit_fn *visit, void *arg,
                         struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_pool) struct tz_pool *pool = NULL;
    struct visit visits[TZ_MIRROR_MAX_STORES];
    unsigned far = 0;

    for (size_t i = 0; i < tz_mirror_count(repo->mirror); i++) {
        if (!tz_mirror_usable(repo->mirror, i))
            continue;
        if (tz_store_features(tz_mirror_store(repo->mirror, i)) & TZ_STORE_LOCAL)
            visit(arg, i);
        else
            visits[far++] = (struct visit){{.run = run}, visit, arg, i};
    }
    if (far == 1)
        visit(arg, visits[0].store);
    if (far < 2)
        return 0;
    if (tz_pool_new(&pool, far, err))
        return -1;
    for (unsigned i = 0; i < far; i++)
        tz_pool_submit(pool, &visits[i].job);
    for (unsigned i = 0; i < far; i++)
        tz_pool_wait(pool, &visits[i].job);
    return 0;
}
