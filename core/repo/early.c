#include "internal.h"

#include "tozai/util/pool.h"

#include <stdatomic.h>
#include <string.h>

struct tz_early {
    struct tz_job job;
    struct tz_early_reads *reads;
    struct tz_store *store;
    struct tz_catalog_run run;
    struct tz_buf bytes; /* empty: they did not come */
    bool taken;
};

struct tz_early_reads {
    struct tz_pool *pool;
    atomic_bool unwanted;
    struct tz_early items[TZ_EARLY_RUNS];
    size_t count;
};

static bool is_unwanted(void *arg, uint64_t came, int64_t took_ns)
{
    struct tz_early_reads *reads = arg;

    (void)came;
    (void)took_ns;
    return atomic_load(&reads->unwanted);
}

/* Who takes it reads it himself if it does not come. */
static void read_early(struct tz_job *job, unsigned worker)
{
    struct tz_early *early = (struct tz_early *)(void *)job;
    const struct tz_store_terms terms = {
        .once = true, .still_s = TZ_SILENT_S, .too_slow = is_unwanted, .arg = early->reads};
    char name[TZ_NAME_TEXT];
    struct tz_error ignored = {0};

    (void)worker;
    if (atomic_load(&early->reads->unwanted))
        return;
    tz_name_pack(name, early->run.pack);
    if (tz_store_get_with(early->store, name, early->run.offset, early->run.len, &terms,
                          &early->bytes, &ignored))
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
    for (size_t i = 0; i < count; i++)
        reads->items[i] = (struct tz_early){.reads = reads, .run = runs[i]};
    reads->count = count;
    repo->early = reads;
}

/* The next one that can be used, in turn. */
static size_t next_store(const struct tz_repo *repo, size_t store)
{
    do
        store = (store + 1) % tz_mirror_count(repo->mirror);
    while (!tz_mirror_usable(repo->mirror, store));
    return store;
}

void tz_early_begin(struct tz_repo *repo)
{
    struct tz_early_reads *reads = repo->early;
    size_t store = tz_mirror_count(repo->mirror) - 1;
    struct tz_error ignored = {0};

    if (!reads)
        return;
    if (tz_pool_new(&reads->pool, (unsigned)reads->count, &ignored)) {
        tz_early_free(TZ_TAKE(repo->early));
        return;
    }
    for (size_t i = 0; i < reads->count; i++) {
        struct tz_early *early = &reads->items[i];
        store = next_store(repo, store);
        early->job.run = read_early;
        early->store = tz_mirror_store(repo->mirror, store);
        tz_pool_submit(reads->pool, &early->job);
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

size_t tz_repo_drop_early(struct tz_repo *repo)
{
    size_t dropped = 0;

    for (size_t i = 0; repo->early && i < repo->early->count; i++) {
        struct tz_early *early = &repo->early->items[i];
        if (early->taken)
            continue;
        TZ_SCOPED(tz_scoped_buf) struct tz_buf bytes = {0};
        atomic_store(&early->reads->unwanted, true);
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
    atomic_store(&reads->unwanted, true);
    tz_pool_free(reads->pool);
    for (size_t i = 0; i < reads->count; i++)
        tz_buf_clear(&reads->items[i].bytes);
    free(reads);
}
