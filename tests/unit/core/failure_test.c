/*
 * Stores and memory that fail at every point of a backup: no generation is claimed where it cannot
 * be restored from, and the next run makes all well.
 *
 * Linked with --wrap for the allocation functions, so that each of the product's own can fail.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "odd_tree.h"
#include "repo_fixture.h"
#include "watched_source.h"

#include "storage/mirror_private.h"

#include "tozai/core/verify.h"
#include "tozai/util/file.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <cmocka.h>

#define EAST 1U
#define WEST 2U
#define BOTH 3U

static struct tz_fixture fixture;
static struct tz_watch watch;

static bool is_long(void)
{
    return getenv("TOZAI_LONG") != NULL;
}

static void make_tree(void)
{
    char name[32];

    for (unsigned i = 0; i < 5; i++) {
        (void)snprintf(name, sizeof(name), "small-%u", i);
        tz_fixture_fill(&fixture, name, 1000 * i, i);
    }
    tz_fixture_fill(&fixture, "large", 600000, 7);
}

static int enter(void **state)
{
    const struct tz_fixture_options options = {.more = "frame_size = 256K\npack_size = 1M\n"};

    (void)state;
    tz_fixture_make(&fixture, &options);
    make_tree();
    tz_watch = NULL;
    watch = (struct tz_watch){.older_s = 0};
    return 0;
}

static int leave(void **state)
{
    (void)state;
    tz_watch = NULL;
    tz_fixture_clear(&fixture);
    return 0;
}

/* As the command does it: bring the stores level, then back up.  Both stores are whole then. */
static void run_whole(void)
{
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, false);
    const struct tz_sync_options options = {.repo = repo};
    struct tz_sync_result synced = {0};
    struct tz_backup_result result;
    struct tz_error err = {0};

    if (tz_sync(&options, &synced, &err))
        fail_msg("sync: %s", err.message);
    assert_int_equal(synced.failed, 0);
    tz_fixture_backup(repo, "tree", &result);
    assert_true(result.complete);
    tz_backup_result_clear(&result);
    tz_repo_free(TZ_TAKE(repo));
    assert_int_equal(tz_fixture_compare_stores(&fixture), 0);
    tz_fixture_check(&fixture, "east");
    tz_fixture_check(&fixture, "west");
}

struct believing {
    struct tz_store *store;
    unsigned wrong;
};

static int compare_belief(void *arg, const struct tz_catalog_copy *copy, struct tz_error *err)
{
    struct believing *believing = arg;
    struct tz_store_stat stat;

    if (copy->state != TZ_COPY_PRESENT)
        return 0;
    if (tz_store_stat(believing->store, copy->name, &stat, err))
        return -1;
    believing->wrong += !stat.exists;
    return 0;
}

/* What the catalog believes that a store has, it has. */
static void check_beliefs(struct tz_repo *repo)
{
    for (size_t i = 0; i < 2; i++) {
        TZ_SCOPED(tz_scoped_store) struct tz_store *store = NULL;
        const struct tz_store_options options = {.name = "test",
                                                 .url = i ? fixture.west : fixture.east};
        struct tz_error err = {0};

        assert_int_equal(tz_store_open(&store, &options, &err), 0);
        struct believing believing = {.store = store};
        if (tz_catalog_each_copy(tz_repo_catalog(repo), tz_repo_store(repo, i), "", compare_belief,
                                 &believing, &err))
            fail_msg("%s", err.message);
        assert_int_equal(believing.wrong, 0);
    }
}

/* A backup with these faults; was any of them met? */
static bool run_with_faults(const struct faulty_plan *plan, unsigned stores)
{
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, false);
    struct faulty_store *faulty[2] = {NULL, NULL};
    struct tz_backup_result result;
    struct tz_error err = {0};
    bool met = false;

    for (size_t i = 0; i < 2; i++)
        if (stores & 1U << i) {
            faulty[i] = tz_fixture_spoil(repo, i);
            faulty_store_plan(faulty[i], plan);
        }
    int failed = tz_fixture_try_backup(repo, "tree", &result, &err);
    for (size_t i = 0; i < 2; i++)
        met |= faulty[i] && faulty_store_count(faulty[i]) >= plan->at;
    if (failed)
        assert_true(err.kind != TZ_OK && err.message[0]);
    check_beliefs(repo);
    if (!met) {
        assert_false(failed);
        assert_int_equal(result.stores, BOTH);
    }
    tz_repo_free(TZ_TAKE(repo));
    if (failed)
        return met;
    /* What it claims is so, from each store that it claims it of, by itself. */
    assert_true(result.stores != 0);
    assert_int_equal(result.complete, result.stores == BOTH);
    if (result.stores & EAST)
        tz_fixture_check(&fixture, "east");
    if (result.stores & WEST)
        tz_fixture_check(&fixture, "west");
    tz_backup_result_clear(&result);
    return met;
}

static void fail_every_call(unsigned calls, enum faulty_way way, unsigned times, unsigned stores,
                            enum tz_error_kind kind)
{
    bool met = true;
    unsigned at;

    run_whole();
    for (at = 1; met && at < 60; at++) {
        const struct faulty_plan plan = {
            .calls = calls, .at = at, .times = times, .way = way, .kind = kind};
        tz_fixture_fill(&fixture, "small-1", 3000 + at, 100 * at + times);
        tz_fixture_fill(&fixture, "new", 300000, 100 * at + times + 1);
        met = run_with_faults(&plan, stores);
        run_whole();
    }
    assert_true(at > 3 && at < 60);
}

static void test_puts_fail_east(void **state)
{
    (void)state;
    fail_every_call(FAULTY_PUT, FAULTY_BEFORE, 1, EAST, TZ_IO);
    fail_every_call(FAULTY_PUT, FAULTY_BEFORE, FAULTY_FOR_GOOD, EAST, TZ_NOSPC);
}

static void test_puts_fail_west(void **state)
{
    (void)state;
    fail_every_call(FAULTY_PUT, FAULTY_BEFORE, 1, WEST, TZ_IO);
    fail_every_call(FAULTY_PUT, FAULTY_AFTER, 1, WEST, TZ_IO);
}

static void test_puts_fail_both(void **state)
{
    (void)state;
    fail_every_call(FAULTY_PUT, FAULTY_BEFORE, 1, BOTH, TZ_IO);
    fail_every_call(FAULTY_PUT, FAULTY_AFTER, FAULTY_FOR_GOOD, BOTH, TZ_IO);
}

/* Busy servers are asked again: one refusal costs nothing. */
static void test_short_refusals(void **state)
{
    const struct faulty_plan plan = {
        .calls = FAULTY_PUT, .at = 2, .times = 1, .kind = TZ_UNAVAILABLE};

    (void)state;
    assert_true(run_with_faults(&plan, WEST));
    assert_int_equal(tz_fixture_compare_stores(&fixture), 0);
}

static void test_lists_fail(void **state)
{
    (void)state;
    fail_every_call(FAULTY_LIST, FAULTY_BEFORE, 1, WEST, TZ_IO);
    fail_every_call(FAULTY_LIST, FAULTY_BEFORE, FAULTY_FOR_GOOD, BOTH, TZ_UNAVAILABLE);
}

static void test_any_call_fails(void **state)
{
    (void)state;
    fail_every_call(FAULTY_ALL, FAULTY_BEFORE, 1, EAST, TZ_IO);
    fail_every_call(FAULTY_ALL, FAULTY_BEFORE, 1, BOTH, TZ_DENIED);
}

/*
 * Two sources in one session.  The first fails while its packs are on their way; what the stores
 * then say of those must not be taken for the second one's.
 */
static void test_late_results(void **state)
{
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, false);
    struct faulty_store *west = tz_fixture_spoil(repo, 1);
    const struct faulty_plan counted = {.calls = FAULTY_PUT};
    const struct faulty_plan failing = {.calls = FAULTY_PUT, .at = 1, .times = FAULTY_FOR_GOOD};
    const struct timespec pause = {.tv_nsec = 100000000};
    struct tz_backup_result result;
    struct tz_error err = {0};

    (void)state;
    tz_fixture_fill(&fixture, "large", 5000000, 1000);
    tz_repo_mirror(repo)->options.queue_bytes = 64 << 20; /* the store that is held blocks nobody */
    tz_watch = &watch;
    watch.end_fault = "the command failed";
    faulty_store_plan(west, &counted);
    faulty_store_hold(west);
    assert_int_equal(tz_fixture_try_backup(repo, "tree", &result, &err), -1);
    faulty_store_await(west, 1);
    faulty_store_let_go(west);
    (void)nanosleep(&pause, NULL);
    watch.end_fault = NULL;
    faulty_store_plan(west, &failing);
    tz_fixture_fill(&fixture, "large", 6000000, 2000);
    if (tz_fixture_try_backup(repo, "tree", &result, &err))
        fail_msg("%s", err.message);
    assert_int_equal(result.stores, EAST);
    tz_backup_result_clear(&result);
    check_beliefs(repo);
    tz_repo_free(TZ_TAKE(repo));
    tz_fixture_check(&fixture, "east");
    tz_watch = NULL;
    run_whole();
}

/* Allocations. */
static atomic_bool counting;
static atomic_ulong allocations, fail_at;

static bool may_allocate(void)
{
    if (!atomic_load(&counting))
        return true;
    return atomic_fetch_add(&allocations, 1) + 1 != atomic_load(&fail_at);
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t len);
int __real_posix_memalign(void **ret, size_t alignment, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t len);
int __wrap_posix_memalign(void **ret, size_t alignment, size_t size);

void *__wrap_malloc(size_t size)
{
    return may_allocate() ? __real_malloc(size) : NULL;
}

void *__wrap_calloc(size_t count, size_t size)
{
    return may_allocate() ? __real_calloc(count, size) : NULL;
}

void *__wrap_realloc(void *old, size_t size)
{
    return may_allocate() ? __real_realloc(old, size) : NULL;
}

char *__wrap_strdup(const char *text)
{
    return may_allocate() ? __real_strdup(text) : NULL;
}

char *__wrap_strndup(const char *text, size_t len)
{
    return may_allocate() ? __real_strndup(text, len) : NULL;
}

int __wrap_posix_memalign(void **ret, size_t alignment, size_t size)
{
    return may_allocate() ? __real_posix_memalign(ret, alignment, size) : ENOMEM;
}

static void begin_failing(unsigned long at)
{
    atomic_store(&allocations, 0);
    atomic_store(&fail_at, at);
    atomic_store(&counting, true);
}

/* How many allocations were there? */
static unsigned long end_failing(void)
{
    atomic_store(&counting, false);
    return atomic_load(&allocations);
}

/* One run from opening to closing; *ret_done: it says that it succeeded. */
static unsigned long back_up_failing(unsigned long at, bool *ret_done)
{
    const struct tz_repo_options options = {
        .config = fixture.config, .exclusive = true, .no_prompt = true};
    struct tz_repo *repo = NULL;
    struct tz_backup_result result = {0};
    struct tz_error err = {0};

    begin_failing(at);
    int failed = tz_repo_open(&repo, &options, &err);
    if (!failed) {
        const struct tz_backup_options backup = {.repo = repo,
                                                 .source = &fixture.config->sources[0]};
        failed = tz_backup(&backup, &result, &err);
    }
    tz_repo_free(repo);
    unsigned long count = end_failing();
    if (failed)
        assert_true(err.kind != TZ_OK && err.message[0]);
    *ret_done = !failed && result.stores == BOTH && result.warnings_total == 0;
    /* A file may be left out only with a warning. */
    if (!failed)
        assert_int_equal(result.head.files + result.warnings_total >= 6, 1);
    tz_backup_result_clear(&result);
    return count;
}

/* The next allocation that is to fail: all of them in the long form, a sample in the short one. */
static unsigned long next_at(unsigned long at, uint64_t *seed, unsigned samples,
                             unsigned long total)
{
    uint64_t step;

    if (is_long())
        return at + 1;
    tz_fixture_random(&step, sizeof(step), ++*seed);
    return at + 1 + (unsigned long)(step % (2 * total / samples + 1));
}

static void test_allocations_of_backup(void **state)
{
    uint64_t seed = 1;
    bool done = false;

    (void)state;
    unsigned long total = back_up_failing(0, &done);
    assert_true(done);
    assert_true(total > 100);
    for (unsigned long at = 1; at < total + 10; at = next_at(at, &seed, 150, total)) {
        tz_fixture_fill(&fixture, "small-1", 3000, at);
        (void)back_up_failing(at, &done);
        if (done)
            tz_fixture_check(&fixture, NULL);
    }
    run_whole();
}

static unsigned long restore_failing(unsigned long at, bool *ret_done)
{
    const struct tz_repo_options options = {
        .config = fixture.config, .need_operator = true, .purpose = "test", .no_prompt = true};
    struct tz_repo *repo = NULL;
    struct tz_head head = {0};
    struct tz_restore_result result = {0};
    struct tz_error err = {0};

    begin_failing(at);
    int failed =
        tz_repo_open(&repo, &options, &err) || tz_repo_find(repo, "tree", "latest", &head, &err);
    if (!failed) {
        const struct tz_restore_options restore = {.repo = repo,
                                                   .head = &head,
                                                   .target = fixture.target,
                                                   .overwrite = TZ_OVERWRITE_ALWAYS,
                                                   .verify = true};
        failed = tz_restore(&restore, &result, &err);
    }
    tz_head_clear(&head);
    tz_repo_free(repo);
    unsigned long count = end_failing();
    if (failed)
        assert_true(err.kind != TZ_OK && err.message[0]);
    *ret_done = !failed && result.failed == 0;
    return count;
}

static void test_allocations_of_restore(void **state)
{
    uint64_t seed = 2;
    bool done = false;

    (void)state;
    run_whole();
    unsigned long total = restore_failing(0, &done);
    assert_true(done);
    for (unsigned long at = 1; at < total + 10; at = next_at(at, &seed, 150, total)) {
        if (at % 2 && access(fixture.target, F_OK) == 0)
            assert_int_equal(tz_odd_tree_remove(fixture.target), 0);
        (void)restore_failing(at, &done);
        if (done)
            assert_int_equal(tz_odd_tree_compare(fixture.tree, fixture.target, stdout), 0);
    }
    (void)restore_failing(0, &done);
    assert_true(done);
    assert_int_equal(tz_odd_tree_compare(fixture.tree, fixture.target, stdout), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_puts_fail_east, enter, leave),
        cmocka_unit_test_setup_teardown(test_puts_fail_west, enter, leave),
        cmocka_unit_test_setup_teardown(test_puts_fail_both, enter, leave),
        cmocka_unit_test_setup_teardown(test_short_refusals, enter, leave),
        cmocka_unit_test_setup_teardown(test_lists_fail, enter, leave),
        cmocka_unit_test_setup_teardown(test_any_call_fails, enter, leave),
        cmocka_unit_test_setup_teardown(test_late_results, enter, leave),
        cmocka_unit_test_setup_teardown(test_allocations_of_backup, enter, leave),
        cmocka_unit_test_setup_teardown(test_allocations_of_restore, enter, leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
