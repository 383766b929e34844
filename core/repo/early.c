#include "internal.h"

#include "tozai/util/pool.h"

#include <stdatomic.h>
#include <string.h>

struct tz_early {
    struct tz_job job;
    struct tz_early_reads *reads;
    struct tz_catalog_run run;
    struct tz_buf bytes; /* empty: they did not come */
    bool taken;
    atomic_bool unwanted;
};

struct tz_early_reads {
    struct tz_mirror *mirror;
    struct tz_pool *pool;
    struct tz_early items[TZ_EARLY_RUNS];
    size_t count;
};

static bool is_unwanted(void *arg)
{
    struct tz_early *early = arg;

    return atomic_load(&early->unwanted);
}

/* Who takes it reads it himself if it does not come. */
static void read_early(struct tz_job *job, unsigned worker)
{
    struct tz_early *early = (struct tz_early *)(void *)job;
    char name[TZ_NAME_TEXT];
    const struct tz_mirror_request request = {.name = name,
                                              .offset = early->run.offset,
                                              .len = early->run.len,
                                              .unwanted = is_unwanted,
                                              .once = true,
                                              .arg = early};
    struct tz_error ignored = {0};

    (void)worker;
    tz_name_pack(name, early->run.pack);
    if (tz_mirror_read(early->reads->mirror, &request, &early->bytes, NULL, NULL, &ignored))
        tz_buf_clear(&early->bytes);
}

void tz_early_plan(struct tz_repo *repo, const uint8_t generation[TZ_HASH_SIZE])
{
    struct tz_catalog_run runs[TZ_EARLY_RUNS];
    size_t count = 0;
    struct tz_error ignored = {0};

    if (tz_catalog_first_runs(repo->catalog, generation, runs, TZ_EARLY_RUNS, &count, &ignored) ||
        count == 0)
        return;
    struct tz_early_reads *reads = calloc(1, sizeof(*reads));
    if (!reads)
        return;
    for (size_t i = 0; i < count; i++) {
        reads->items[i].reads = reads;
        reads->items[i].run = runs[i];
    }
    reads->count = count;
    repo->early = reads;
}

void tz_early_begin(struct tz_repo *repo)
{
    struct tz_early_reads *reads = repo->early;
    struct tz_error ignored = {0};

    if (!reads)
        return;
    reads->mirror = repo->mirror;
    if (tz_pool_new(&reads->pool, (unsigned)reads->count, &ignored)) {
        tz_early_free(TZ_TAKE(repo->early));
        return;
    }
    for (size_t i = 0; i < reads->count; i++) {
        reads->items[i].job.run = read_early;
        tz_pool_submit(reads->pool, &reads->items[i].job);
    }
}

size_t tz_repo_early_count(const struct tz_repo *repo)
{
    size_t left = 0;

    for (size_t i = 0; repo->early && i < repo->early->count; i++)
        left += !repo->early->items[i].taken;
    return left;
}

struct tz_early *tz_repo_take_early(struct tz_repo *repo, const uint8_t pack[TZ_HASH_SIZE],
                                    uint64_t offset, size_t len)
{
    for (size_t i = 0; repo->early && i < repo->early->count; i++) {
        struct tz_early *early = &repo->early->items[i];
        if (early->taken || early->run.offset != offset || early->run.len != len ||
            memcmp(early->run.pack, pack, TZ_HASH_SIZE) != 0)
            continue;
        early->taken = true;
        return early;
    }
    return NULL;
}

void tz_early_get(struct tz_early *early, struct tz_buf *ret)
{
    tz_pool_wait(early->reads->pool, &early->job);
    tz_buf_clear(ret);
    *ret = early->bytes;
    early->bytes = (struct tz_buf){0};
}

/* Those that nobody took are broken off. */
static void break_off(struct tz_early_reads *reads)
{
    for (size_t i = 0; i < reads->count; i++)
        if (!reads->items[i].taken)
            atomic_store(&reads->items[i].unwanted, true);
}

size_t tz_repo_drop_early(struct tz_repo *repo)
{
    size_t dropped = 0;

    if (repo->early)
        break_off(repo->early);
    for (size_t i = 0; repo->early && i < repo->early->count; i++) {
        struct tz_early *early = &repo->early->items[i];
        TZ_SCOPED(tz_scoped_buf) struct tz_buf bytes = {0};
        if (early->taken)
            continue;
        early->taken = true;
        tz_early_get(early, &bytes);
        dropped++;
    }
    return dropped;
}

void tz_early_free(struct tz_early_reads *reads)
{
    if (!reads)
        return;
    break_off(reads);
    tz_pool_free(reads->pool);
    for (size_t i = 0; i < reads->count; i++)
        tz_buf_clear(&reads->items[i].bytes);
    free(reads);
}
