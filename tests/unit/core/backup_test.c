/*
 * Backing up: what a first run, an unchanged one and a slightly changed one read and store, and
 * what becomes of files that vanish, move or cannot be read meanwhile.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "odd_tree.h"
#include "repo_fixture.h"
#include "watched_source.h"

#include "tozai/core/object.h"
#include "tozai/core/packinfo.h"
#include "tozai/util/file.h"
#include "tozai/util/time.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define FILES 40

static struct tz_fixture fixture;
static struct tz_watch watch;

static int enter_with(const struct tz_fixture_options *options)
{
    tz_fixture_make(&fixture, options);
    watch = (struct tz_watch){.older_s = 1000};
    tz_watch = &watch;
    return 0;
}

static int enter(void **state)
{
    const struct tz_fixture_options options = {.more = "frame_size = 256K\npack_size = 1M\n"};
    (void)state;
    return enter_with(&options);
}

static int leave(void **state)
{
    (void)state;
    tz_watch = NULL;
    tz_fixture_clear(&fixture);
    return 0;
}

/* Small files in two directories, and a large one. */
static void make_tree(void)
{
    char name[64];
    char *dir = tz_path_join(fixture.tree, "dir");

    assert_int_equal(mkdir(dir, 0755), 0);
    free(dir);
    for (unsigned i = 0; i < FILES; i++) {
        (void)snprintf(name, sizeof(name), "%sfile-%03u", i % 2 ? "dir/" : "", i);
        tz_fixture_fill(&fixture, name, 100 + 977 * i, i);
    }
    tz_fixture_fill(&fixture, "large", 1500000, 99);
}

static void run(struct tz_backup_result *result)
{
    watch.loads = 0;
    watch.rewinds = 0;
    watch.read_bytes = 0;
    tz_fixture_run(&fixture, result);
}

static void check_stores(void)
{
    assert_int_equal(tz_fixture_compare_stores(&fixture), 0);
    tz_fixture_check(&fixture, "east");
    tz_fixture_check(&fixture, "west");
}

static void test_first_run(void **state)
{
    struct tz_backup_result result;

    (void)state;
    make_tree();
    run(&result);
    assert_true(result.complete);
    assert_int_equal(result.stores, 3);
    assert_int_equal(result.warnings_total, 0);
    assert_int_equal(result.head.files, FILES + 1);
    assert_int_equal(result.head.directories, 2);
    assert_int_equal(watch.loads, FILES + 1);
    assert_int_equal(result.head.new_bytes, result.head.bytes);
    tz_backup_result_clear(&result);
    check_stores();
}

static void test_unchanged_run(void **state)
{
    struct tz_backup_result result;

    (void)state;
    make_tree();
    run(&result);
    tz_backup_result_clear(&result);
    size_t packs = tz_fixture_count(fixture.east, "packs/");
    size_t indexes = tz_fixture_count(fixture.east, "index/");
    for (int i = 0; i < 3; i++) {
        run(&result);
        assert_int_equal(watch.loads, 0);
        assert_int_equal(watch.read_bytes, 0);
        assert_int_equal(result.head.new_bytes, 0);
        assert_int_equal(result.head.stored_bytes, 0);
        assert_int_equal(result.head.files, FILES + 1);
        assert_true(result.complete);
        tz_backup_result_clear(&result);
        assert_int_equal(tz_fixture_count(fixture.east, "packs/"), packs);
        assert_int_equal(tz_fixture_count(fixture.east, "index/"), indexes);
        assert_int_equal(tz_fixture_count(fixture.east, "generations/"), 2 * (i + 2));
    }
    check_stores();
}

/* A file that changed just before the last run may have changed again since: it is read. */
static void test_racy_files(void **state)
{
    struct tz_backup_result result;

    (void)state;
    watch.older_s = -1000; /* however long the tree took to make */
    make_tree();
    run(&result);
    tz_backup_result_clear(&result);
    run(&result);
    assert_int_equal(watch.loads, FILES + 1);
    assert_int_equal(result.head.new_bytes, 0);
    tz_backup_result_clear(&result);
    check_stores();
}

static void test_one_changed(void **state)
{
    struct tz_backup_result result;

    (void)state;
    make_tree();
    run(&result);
    tz_backup_result_clear(&result);
    tz_fixture_fill(&fixture, "dir/file-003", 5000, 12345);
    run(&result);
    assert_int_equal(watch.loads, 1);
    assert_int_equal(watch.read_bytes, 5000);
    assert_true(result.head.new_bytes >= 5000 && result.head.new_bytes < 6000);
    tz_backup_result_clear(&result);
    check_stores();
}

/* Mode, owner, name: the content is not stored again. */
static void test_metadata_only(void **state)
{
    struct tz_backup_result result;
    char *large = tz_path_join(fixture.tree, "large");
    char *moved = tz_path_join(fixture.tree, "dir/moved");

    (void)state;
    make_tree();
    run(&result);
    tz_backup_result_clear(&result);
    assert_int_equal(chmod(large, 0600), 0);
    run(&result);
    assert_int_equal(result.head.new_bytes, 0);
    tz_backup_result_clear(&result);
    check_stores();
    assert_int_equal(rename(large, moved), 0);
    run(&result);
    assert_int_equal(result.head.new_bytes, 0);
    assert_int_equal(result.head.files, FILES + 1);
    tz_backup_result_clear(&result);
    check_stores();
    free(large);
    free(moved);
}

/* The same content in two files and in two runs is stored once. */
static void test_copies(void **state)
{
    struct tz_backup_result result;

    (void)state;
    tz_fixture_fill(&fixture, "a", 3000000, 7);
    tz_fixture_fill(&fixture, "b", 3000000, 7);
    run(&result);
    assert_int_equal(result.head.bytes, 6000000);
    assert_int_equal(result.head.new_bytes, 3000000);
    tz_backup_result_clear(&result);
    tz_fixture_fill(&fixture, "c", 3000000, 7);
    run(&result);
    assert_int_equal(result.head.new_bytes, 0);
    tz_backup_result_clear(&result);
    check_stores();
}

/* Every odd file, twice over. */
static void test_odd_tree(void **state)
{
    struct tz_backup_result result;

    char sources[4096];
    struct tz_fixture_options options = {.sources = sources};

    (void)state;
    (void)snprintf(sources, sizeof(sources),
                   "[source tree]\ntype = directory\npath = %s\nexclude_nodump = no\n",
                   fixture.tree);
    tz_fixture_configure(&fixture, &options, NULL, NULL);
    assert_int_equal(tz_odd_tree_make(fixture.tree, NULL), 0);
    run(&result);
    assert_int_equal(result.warnings_total, 0);
    tz_backup_result_clear(&result);
    check_stores();
    run(&result);
    assert_int_equal(watch.loads, 0);
    tz_backup_result_clear(&result);
    check_stores();
}

/* The backup goes on without a file that fails, says so, and the next run is whole again. */
static void check_unreadable(const char *path, int fault, uint64_t from)
{
    struct tz_backup_result result;
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = NULL;
    struct tz_backup_warning *stored = NULL;
    size_t count = 0;
    struct tz_error err = {0};

    watch.path = path;
    watch.fault = fault;
    watch.from = from;
    run(&result);
    assert_int_equal(result.warnings_total, 1);
    assert_int_equal(result.warning_count, 1);
    assert_string_equal(result.warnings[0].path, path);
    assert_non_null(strstr(result.warnings[0].error, strerror(fault)));
    assert_int_equal(result.head.warnings, 1);
    assert_int_equal(result.head.files, FILES);
    assert_true(result.complete);

    repo = tz_fixture_open(&fixture, true);
    if (tz_backup_read_warnings(repo, &result.head, &stored, &count, &err))
        fail_msg("%s", err.message);
    assert_int_equal(count, 1);
    assert_string_equal(stored[0].path, path);
    assert_string_equal(stored[0].error, result.warnings[0].error);
    tz_backup_free_warnings(stored, count);
    tz_repo_free(TZ_TAKE(repo));
    tz_backup_result_clear(&result);

    watch.fault = 0;
    watch.path = NULL;
    run(&result);
    assert_int_equal(result.warnings_total, 0);
    assert_int_equal(result.head.files, FILES + 1);
    tz_backup_result_clear(&result);
    check_stores();
}

static void test_unreadable_small(void **state)
{
    (void)state;
    make_tree();
    check_unreadable("dir/file-005", EIO, 0);
}

static void test_unreadable_large(void **state)
{
    (void)state;
    make_tree();
    check_unreadable("large", EIO, 0);
    tz_fixture_fill(&fixture, "large", 1500001, 100);
    check_unreadable("large", EIO, 1000000);
    /* Whatever the file system calls it. */
    tz_fixture_fill(&fixture, "large", 1500002, 101);
    check_unreadable("large", EUCLEAN, 700000);
    tz_fixture_fill(&fixture, "large", 1500003, 102);
    check_unreadable("large", ESTALE, 0);
    /* Not the engine's disk: the file's. */
    tz_fixture_fill(&fixture, "large", 1500004, 103);
    check_unreadable("large", ENOSPC, 0);
}

static void vanish(void *arg)
{
    char *path = tz_path_join(fixture.tree, arg);
    (void)unlink(path);
    free(path);
}

/* The walk has seen it, and then it is gone. */
static void test_vanished(void **state)
{
    struct tz_backup_result result;

    (void)state;
    make_tree();
    watch.path = "dir/file-001";
    watch.happen = vanish;
    watch.arg = (void *)(uintptr_t) "file-002";
    run(&result);
    /* The directory was listed before or after: both are right, but nothing else is missing. */
    assert_true(result.head.files >= FILES);
    tz_backup_result_clear(&result);
    watch.path = NULL;
    run(&result);
    assert_int_equal(result.warnings_total, 0);
    tz_backup_result_clear(&result);
    check_stores();
}

static struct tz_buf tombstone;
static char tombstone_name[TZ_NAME_TEXT];

static struct tz_store *open_store(const char *url)
{
    const struct tz_store_options options = {.name = "inside", .url = url};
    struct tz_store *store = NULL;

    assert_int_equal(tz_store_open(&store, &options, NULL), 0);
    return store;
}

static int add_hash(void *arg, const char *name, const struct tz_store_stat *stat,
                    struct tz_error *err)
{
    (void)stat;
    return tz_buf_append(arg, tz_name_parse(name).hash, TZ_HASH_SIZE, err);
}

/* A tombstone of every pack that is there now. */
static void carve(void)
{
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);
    TZ_SCOPED(tz_scoped_store) struct tz_store *store = open_store(fixture.east);
    TZ_SCOPED(tz_scoped_buf) struct tz_buf hashes = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf body = {0};
    uint8_t hash[TZ_HASH_SIZE];

    tz_buf_reset(&tombstone);
    assert_int_equal(tz_store_list(store, "packs/", add_hash, &hashes, NULL), 0);
    assert_true(hashes.len > 0);
    assert_int_equal(tz_tombstone_write(&body, (const uint8_t(*)[TZ_HASH_SIZE])hashes.data,
                                        hashes.len / TZ_HASH_SIZE, NULL),
                     0);
    assert_int_equal(tz_object_seal(tz_repo_keys(repo), TZ_OBJECT_TOMBSTONE, "tombstones",
                                    body.data, body.len, &tombstone, NULL),
                     0);
    assert_int_equal(tz_sha256(hash, tombstone.data, tombstone.len, NULL), 0);
    tz_name_tombstone(tombstone_name, hash);
}

static void bury(void *arg)
{
    const char *const urls[] = {fixture.east, fixture.west};

    (void)arg;
    for (size_t i = 0; i < TZ_COUNT(urls); i++) {
        TZ_SCOPED(tz_scoped_store) struct tz_store *store = open_store(urls[i]);
        struct tz_error err = {0};
        if (tz_store_put(store, tombstone_name, tombstone.data, tombstone.len, &err))
            assert_int_equal(err.kind, TZ_EXISTS);
    }
}

static int check_condemned(void *arg, const uint8_t hash[TZ_HASH_SIZE], struct tz_error *err)
{
    const struct tz_head *head = arg;

    (void)err;
    for (uint32_t i = 0; i < head->pack_count; i++)
        assert_memory_not_equal(head->packs[i], hash, TZ_HASH_SIZE);
    return 0;
}

/* A prune condemns, while the run reads, what it means to refer to: it stores that anew. */
static void test_condemned_meanwhile(void **state)
{
    struct tz_backup_result result;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf body = {0};

    (void)state;
    make_tree();
    run(&result);
    tz_backup_result_clear(&result);
    carve();
    tz_fixture_fill(&fixture, "new", 200000, 1234);
    watch.path = "new";
    watch.happen = bury;
    run(&result);
    watch.path = NULL;
    assert_true(result.complete);
    assert_int_equal(result.head.files, FILES + 2);
    /* All but what the first try had stored. */
    assert_int_equal(result.head.new_bytes, result.head.bytes - 200000);
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);
    assert_int_equal(tz_object_open(tz_repo_keys(repo), TZ_OBJECT_TOMBSTONE, "tombstones",
                                    tombstone.data, tombstone.len, &body, NULL),
                     0);
    assert_int_equal(tz_tombstone_read(body.data, body.len, check_condemned, &result.head, NULL),
                     0);
    tz_repo_free(TZ_TAKE(repo));
    tz_backup_result_clear(&result);
    tz_buf_clear(&tombstone);
    check_stores();
}

static unsigned times_left;

static void grow(void *arg)
{
    char *path;

    if (times_left == 0)
        return;
    times_left--;
    path = tz_path_join(fixture.tree, arg);
    TZ_SCOPED(tz_scoped_fd) int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "more", 4), 4);
    free(path);
}

static void shrink(void *arg)
{
    char *path;

    if (times_left == 0)
        return;
    times_left--;
    path = tz_path_join(fixture.tree, arg);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(truncate(path, st.st_size / 2), 0);
    free(path);
}

static void check_changing(const char *path, void (*happen)(void *), unsigned times,
                           unsigned warnings)
{
    struct tz_backup_result result;

    tz_fixture_write_at(&fixture, path, 0, "new", 3);
    watch.path = path;
    watch.happen = happen;
    watch.arg = (void *)(uintptr_t)path;
    times_left = times;
    run(&result);
    assert_int_equal(result.warnings_total, warnings);
    assert_int_equal(result.head.files, FILES + 1);
    assert_true(watch.rewinds > 0);
    if (warnings)
        assert_non_null(strstr(result.warnings[0].error, "changed while it was read"));
    tz_backup_result_clear(&result);
    watch.path = NULL;
    watch.happen = NULL;
    if (warnings) {
        /* It was marked, so it is read although nothing says that it changed. */
        run(&result);
        assert_int_equal(watch.loads, 1);
        assert_int_equal(result.warnings_total, 0);
        tz_backup_result_clear(&result);
    }
    check_stores();
}

static void test_changing_small(void **state)
{
    (void)state;
    make_tree();
    check_changing("file-004", grow, 1, 0);
    check_changing("file-006", shrink, 1, 0);
    check_changing("file-008", grow, 1000, 1);
    check_changing("file-020", shrink, 1000, 1);
}

static void test_changing_large(void **state)
{
    (void)state;
    make_tree();
    check_changing("large", grow, 1, 0);
    check_changing("large", shrink, 1, 0);
    check_changing("large", grow, 1000, 1);
}

static void become_large(void *arg)
{
    if (times_left == 0)
        return;
    times_left--;
    tz_fixture_fill(&fixture, arg, 700000, 5);
}

static void append_much(void *arg)
{
    static char zeros[700000];

    if (times_left == 0)
        return;
    times_left--;
    tz_fixture_write_at(&fixture, arg, 10, zeros, sizeof(zeros));
}

/* Small when it was listed, large when it was read. */
static void test_small_becomes_large(void **state)
{
    struct tz_backup_result result;

    (void)state;
    make_tree();
    watch.path = "file-010";
    watch.arg = (void *)(uintptr_t) "file-010";
    watch.happen = append_much;
    times_left = 1;
    run(&result);
    assert_int_equal(result.warnings_total, 0);
    tz_backup_result_clear(&result);
    check_stores();
    watch.path = "file-012";
    watch.arg = (void *)(uintptr_t) "file-012";
    watch.happen = become_large; /* another file under this name */
    times_left = 1;
    run(&result);
    tz_backup_result_clear(&result);
    watch.path = NULL;
    run(&result);
    tz_backup_result_clear(&result);
    check_stores();
}

/* A source that fails at its end makes no generation, and another one of the same session is not
 * touched by what the first left in the queues. */
static void test_failed_source(void **state)
{
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = NULL;
    struct tz_backup_result result;
    struct tz_error err = {0};

    (void)state;
    make_tree();
    watch.end_fault = "the command failed";
    repo = tz_fixture_open(&fixture, false);
    assert_int_equal(tz_fixture_try_backup(repo, "tree", &result, &err), -1);
    assert_int_equal(err.kind, TZ_FAILED);
    assert_non_null(strstr(err.message, "the command failed"));
    assert_int_equal(tz_fixture_count(fixture.east, "generations/"), 0);
    watch.end_fault = NULL;
    tz_fixture_backup(repo, "tree", &result);
    assert_true(result.complete);
    tz_backup_result_clear(&result);
    tz_repo_free(TZ_TAKE(repo));
    check_stores();
}

/*
 * What a failed run stored is used by the next one.  It must not be known to the local catalog
 * alone: another machine has to find it in the stores' index.
 */
static void test_other_machine_after_failed_run(void **state)
{
    const struct tz_fixture_options options = {.more = "frame_size = 256K\npack_size = 1M\n"};
    struct tz_backup_result result;
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = NULL;
    struct tz_error err = {0};

    (void)state;
    tz_fixture_fill(&fixture, "large", 9000000, 1);
    watch.end_fault = "the command failed";
    repo = tz_fixture_open(&fixture, false);
    assert_int_equal(tz_fixture_try_backup(repo, "tree", &result, &err), -1);
    tz_repo_free(TZ_TAKE(repo));
    assert_true(tz_fixture_count(fixture.east, "packs/") > 0);
    watch.end_fault = NULL;
    run(&result);
    assert_true(result.complete);
    assert_true(result.head.new_bytes < 9000000); /* what was stored is not stored again */
    tz_backup_result_clear(&result);

    char *elsewhere = tz_path_join(fixture.folder, "elsewhere");
    tz_fixture_configure(&fixture, &options, elsewhere, NULL);
    free(elsewhere);
    check_stores();
}

static void test_dry_run(void **state)
{
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = NULL;
    struct tz_backup_result result = {0};
    struct tz_error err = {0};

    (void)state;
    make_tree();
    repo = tz_fixture_open(&fixture, false);
    const struct tz_backup_options options = {
        .repo = repo, .source = &fixture.config->sources[0], .dry_run = true};
    if (tz_backup(&options, &result, &err))
        fail_msg("%s", err.message);
    assert_int_equal(result.head.new_bytes, result.head.bytes);
    tz_backup_result_clear(&result);
    assert_int_equal(tz_fixture_count(fixture.east, "packs/"), 0);
    assert_int_equal(tz_fixture_count(fixture.west, "generations/"), 0);
}

/* The other run has the lock. */
static void test_busy(void **state)
{
    struct tz_repo *second = NULL;
    struct tz_error err = {0};

    (void)state;
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *first = tz_fixture_open(&fixture, false);
    const struct tz_repo_options options = {
        .config = fixture.config, .exclusive = true, .no_prompt = true};
    assert_non_null(first);
    assert_int_equal(tz_repo_open(&second, &options, &err), -1);
    assert_int_equal(err.kind, TZ_BUSY);
    assert_null(second);
}

/* A damaged or missing local manifest costs reading, nothing else. */
static void test_local_manifest_lost(void **state)
{
    struct tz_backup_result result;
    char *sources = tz_path_join(fixture.state, "sources");

    (void)state;
    make_tree();
    run(&result);
    tz_backup_result_clear(&result);
    assert_int_equal(tz_odd_tree_remove(sources), 0);
    free(sources);
    run(&result);
    assert_int_equal(watch.loads, FILES + 1);
    assert_int_equal(result.head.new_bytes, 0);
    assert_int_equal(result.warnings_total, 0);
    tz_backup_result_clear(&result);
    check_stores();
}

static void test_catalog_lost(void **state)
{
    struct tz_backup_result result;

    (void)state;
    make_tree();
    run(&result);
    tz_backup_result_clear(&result);
    assert_int_equal(tz_odd_tree_remove(fixture.state), 0);
    run(&result);
    assert_int_equal(watch.loads, FILES + 1);
    assert_int_equal(result.head.new_bytes, 0);
    tz_backup_result_clear(&result);
    check_stores();
}

/* Files of many kinds of holes. */
static void test_holes(void **state)
{
    struct tz_backup_result result;
    static const struct {
        const char *name;
        uint64_t at;
        size_t len;
        off_t size;
    } files[] = {
        {"all-hole", 0, 0, 50 << 20},      {"small-hole", 0, 0, 1000},
        {"hole-first", 5 << 20, 1000, 0},  {"hole-last", 0, 3000000, 20 << 20},
        {"odd-hole", 12345, 77, 10000001}, {"one-byte", (1 << 20) - 1, 1, 0},
        {"block-hole", 4096, 4096, 65536}, {"empty", 0, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < TZ_COUNT(files); i++) {
        uint8_t *data = malloc(files[i].len + 1);
        char *path = tz_path_join(fixture.tree, files[i].name);
        tz_fixture_random(data, files[i].len, i + 50);
        tz_fixture_write_at(&fixture, files[i].name, files[i].at, data, files[i].len);
        if (files[i].size)
            assert_int_equal(truncate(path, files[i].size), 0);
        free(path);
        free(data);
    }
    run(&result);
    assert_true(result.head.bytes > 80 << 20);
    assert_true(result.head.new_bytes < 4 << 20);
    assert_true(watch.read_bytes < 4 << 20);
    tz_backup_result_clear(&result);
    check_stores();
    run(&result);
    assert_int_equal(watch.loads, 0);
    tz_backup_result_clear(&result);
    check_stores();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_first_run, enter, leave),
        cmocka_unit_test_setup_teardown(test_unchanged_run, enter, leave),
        cmocka_unit_test_setup_teardown(test_racy_files, enter, leave),
        cmocka_unit_test_setup_teardown(test_one_changed, enter, leave),
        cmocka_unit_test_setup_teardown(test_metadata_only, enter, leave),
        cmocka_unit_test_setup_teardown(test_copies, enter, leave),
        cmocka_unit_test_setup_teardown(test_odd_tree, enter, leave),
        cmocka_unit_test_setup_teardown(test_unreadable_small, enter, leave),
        cmocka_unit_test_setup_teardown(test_unreadable_large, enter, leave),
        cmocka_unit_test_setup_teardown(test_condemned_meanwhile, enter, leave),
        cmocka_unit_test_setup_teardown(test_vanished, enter, leave),
        cmocka_unit_test_setup_teardown(test_changing_small, enter, leave),
        cmocka_unit_test_setup_teardown(test_changing_large, enter, leave),
        cmocka_unit_test_setup_teardown(test_small_becomes_large, enter, leave),
        cmocka_unit_test_setup_teardown(test_failed_source, enter, leave),
        cmocka_unit_test_setup_teardown(test_other_machine_after_failed_run, enter, leave),
        cmocka_unit_test_setup_teardown(test_dry_run, enter, leave),
        cmocka_unit_test_setup_teardown(test_busy, enter, leave),
        cmocka_unit_test_setup_teardown(test_local_manifest_lost, enter, leave),
        cmocka_unit_test_setup_teardown(test_catalog_lost, enter, leave),
        cmocka_unit_test_setup_teardown(test_holes, enter, leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
