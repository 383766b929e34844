/*
 * A repository over two stores in memory, and a packer with all that it needs.
 */
#ifndef TOZAI_TESTS_PACKER_BENCH_H
#define TOZAI_TESTS_PACKER_BENCH_H

#include "repo_fixture.h"
#include "seeded.h"

#include "core/pack/packer.h"

#include "tozai/core/manifest.h"
#include "tozai/util/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Of the last call that was made through OK(). */
static struct tz_error err;

#define OK(call)                                                                                   \
    do {                                                                                           \
        if (call)                                                                                  \
            fail_msg("%s: %s", #call, err.message);                                                \
    } while (0)

struct bench {
    struct tz_fixture fixture;
    struct tz_repo *repo;
    struct tz_pool *pool;
    struct tz_idhash *hash;
    struct tz_packer *packer; /* NULL when it is stopped */
};

static inline TZ_UNUSED void bench_start(struct bench *b, bool dry_run)
{
    struct tz_packer_options options = {.dry_run = dry_run};

    b->repo = tz_fixture_open(&b->fixture, true);
    OK(tz_pool_new(&b->pool, 2, &err));
    OK(tz_idhash_new(&b->hash, tz_keys_chunk_id_key(tz_repo_keys(b->repo)), &err));
    options.repo = b->repo;
    options.pool = b->pool;
    OK(tz_packer_new(&b->packer, &options, &err));
}

static inline TZ_UNUSED void bench_stop(struct bench *b)
{
    tz_packer_free(b->packer);
    tz_idhash_free(b->hash);
    tz_pool_free(b->pool);
    tz_repo_free(b->repo);
    b->packer = NULL;
}

/* Small frames and packs, so that there are several of them. */
#define BENCH_SETTINGS "frame_size = 256K\npack_size = 1M\n"

static inline TZ_UNUSED int bench_enter(void **state)
{
    const struct tz_fixture_options options = {.more = BENCH_SETTINGS};
    struct bench *b = calloc(1, sizeof(*b));

    assert_non_null(b);
    tz_fixture_make(&b->fixture, &options);
    bench_start(b, false);
    *state = b;
    return 0;
}

static inline TZ_UNUSED int bench_leave(void **state)
{
    struct bench *b = *state;

    if (b->packer)
        bench_stop(b);
    tz_fixture_clear(&b->fixture);
    free(b);
    return 0;
}

#endif
