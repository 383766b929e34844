/*
 * Restoring: what is written and what is left alone, parts of a generation, hostile targets, and
 * damage in one store and in both.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "odd_tree.h"
#include "repo_fixture.h"

#include "tozai/core/manifest.h"
#include "tozai/util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

static struct tz_fixture fixture;
static struct tz_repo *repo;

static int enter_with(const struct tz_fixture_options *options)
{
    tz_fixture_make(&fixture, options);
    repo = NULL;
    return 0;
}

static int enter(void **state)
{
    const struct tz_fixture_options options = {.more = "frame_size = 256K\npack_size = 1M\n"};
    (void)state;
    return enter_with(&options);
}

static int enter_files(void **state)
{
    const struct tz_fixture_options options = {.more = "frame_size = 256K\npack_size = 1M\n",
                                               .files = true};
    (void)state;
    return enter_with(&options);
}

static int leave(void **state)
{
    (void)state;
    tz_repo_free(repo);
    repo = NULL;
    tz_fixture_clear(&fixture);
    return 0;
}

static char *in_tree(const char *name)
{
    return tz_path_join(fixture.tree, name);
}

static char *in_target(const char *name)
{
    return tz_path_join(fixture.target, name);
}

static void make_directory(const char *name)
{
    char *path = in_tree(name);
    assert_int_equal(mkdir(path, 0750), 0);
    free(path);
}

static void make_tree(void)
{
    make_directory("a");
    make_directory("a/deep");
    make_directory("b");
    make_directory("b-side");
    tz_fixture_fill(&fixture, "a/one", 5000, 1);
    tz_fixture_fill(&fixture, "a/deep/two", 700000, 2);
    tz_fixture_fill(&fixture, "a/deep/three", 0, 3);
    tz_fixture_fill(&fixture, "b/four", 300, 4);
    tz_fixture_fill(&fixture, "b-side/five", 100000, 5);
    tz_fixture_fill(&fixture, "six", 1200000, 6);
    tz_fixture_write_at(&fixture, "sparse", 5000000, "end", 3);
    tz_fixture_write_at(&fixture, "sparse", 0, "begin", 5);
    char *link = in_tree("a/link");
    assert_int_equal(symlink("deep/two", link), 0);
    free(link);
}

static void back_up(void)
{
    struct tz_backup_result result;

    tz_fixture_run(&fixture, &result);
    assert_true(result.complete);
    tz_backup_result_clear(&result);
    repo = tz_fixture_open(&fixture, true);
}

static void restore(const struct tz_restore_options *options, struct tz_restore_result *result)
{
    tz_fixture_restore(repo, "tree", "latest", fixture.target, options, result);
}

static void restore_whole(struct tz_restore_result *result)
{
    restore(NULL, result);
    assert_int_equal(result->failed, 0);
    assert_int_equal(tz_odd_tree_compare(fixture.tree, fixture.target, stdout), 0);
}

static int try_restore(const struct tz_restore_options *options, struct tz_restore_result *result,
                       struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_head) struct tz_head head = {0};
    struct tz_restore_options all = *options;

    if (tz_repo_find(repo, "tree", "latest", &head, err))
        return -1;
    all.repo = repo;
    all.head = &head;
    if (!all.target)
        all.target = fixture.target;
    return tz_restore(&all, result, err);
}

static void test_everything(void **state)
{
    struct tz_restore_result result;
    const struct tz_restore_options verify = {.overwrite = TZ_OVERWRITE_ALWAYS, .verify = true};

    (void)state;
    make_tree();
    back_up();
    restore_whole(&result);
    assert_int_equal(result.files, 7);
    assert_int_equal(result.entries, 7 + 5 + 1);
    assert_true(result.written_bytes >= 2000000);
    restore(&verify, &result);
    assert_true(result.verified);
    assert_int_equal(result.written_bytes, 0);
}

/* What is right already is neither fetched nor written. */
static void test_again(void **state)
{
    struct tz_restore_result result;
    struct stat before, after;
    char *path = in_target("six");

    (void)state;
    make_tree();
    back_up();
    restore_whole(&result);
    assert_int_equal(stat(path, &before), 0);
    restore_whole(&result);
    assert_int_equal(result.written_bytes, 0);
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_int_equal(before.st_blocks, after.st_blocks);
    free(path);
}

/* One wrong byte costs one write, in the same file. */
static void test_wrong_byte(void **state)
{
    struct tz_restore_result result;
    struct stat before, after;
    char *path = in_target("six");

    (void)state;
    make_tree();
    back_up();
    restore_whole(&result);
    assert_int_equal(stat(path, &before), 0);
    tz_fixture_write_at(&fixture, path, 600000, "wrong", 5);
    restore_whole(&result);
    assert_true(result.written_bytes > 0 && result.written_bytes <= 1 << 20);
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    free(path);
}

/* Longer, shorter, other kinds of things in the way. */
static void test_wrong_targets(void **state)
{
    struct tz_restore_result result;
    char *six = in_target("six"), *sparse = in_target("sparse"), *one = in_target("a/one");
    char *deep = in_target("a/deep"), *link = in_target("a/link"),
         *three = in_target("a/deep/three");
    uint8_t *noise = malloc(6000000);

    (void)state;
    make_tree();
    back_up();
    tz_fixture_random(noise, 6000000, 9);
    for (int round = 0; round < 2; round++) {
        restore_whole(&result);
        tz_fixture_write_at(&fixture, six, 1000000, noise, 5000000);
        tz_fixture_write_at(&fixture, sparse, 10, noise, 4500000);
        tz_fixture_write_at(&fixture, three, 0, noise, 70000);
        assert_int_equal(truncate(one, 17), 0);
        assert_int_equal(unlink(link), 0);
        assert_int_equal(mkdir(link, 0700), 0);
    }
    restore_whole(&result);
    struct stat st;
    assert_int_equal(stat(sparse, &st), 0);
    assert_true(st.st_blocks * 512 < 1 << 20);
    /* A file where a directory belongs, a directory where a file belongs. */
    assert_int_equal(tz_odd_tree_remove(deep), 0);
    tz_fixture_write_at(&fixture, deep, 0, "in the way", 10);
    assert_int_equal(unlink(one), 0);
    assert_int_equal(mkdir(one, 0700), 0);
    restore_whole(&result);
    free(noise);
    free(six);
    free(sparse);
    free(one);
    free(deep);
    free(link);
    free(three);
}

static void test_overwrite_never(void **state)
{
    struct tz_restore_result result;
    const struct tz_restore_options never = {.overwrite = TZ_OVERWRITE_NEVER};
    char *six = in_target("six"), *one = in_target("a/one");

    (void)state;
    make_tree();
    back_up();
    restore_whole(&result);
    tz_fixture_write_at(&fixture, six, 0, "mine", 4);
    assert_int_equal(unlink(one), 0);
    restore(&never, &result);
    assert_int_equal(result.failed, 0);
    assert_int_equal(result.written_bytes, 5000);
    char start[4];
    TZ_SCOPED(tz_scoped_fd) int fd = open(six, O_RDONLY | O_CLOEXEC);
    assert_int_equal(read(fd, start, 4), 4);
    assert_memory_equal(start, "mine", 4);
    free(six);
    free(one);
}

static void test_overwrite_changed(void **state)
{
    struct tz_restore_result result;
    const struct tz_restore_options changed = {.overwrite = TZ_OVERWRITE_CHANGED};
    char *six = in_target("six"), *five = in_target("b-side/five");
    struct stat st;

    (void)state;
    make_tree();
    back_up();
    restore_whole(&result);
    restore(&changed, &result);
    assert_int_equal(result.fetched_bytes, 0);
    assert_int_equal(result.written_bytes, 0);
    /* Same size and time: believed, though the content is another. */
    assert_int_equal(stat(six, &st), 0);
    tz_fixture_write_at(&fixture, six, 0, "hidden", 6);
    const struct timespec times[2] = {st.st_atim, st.st_mtim};
    assert_int_equal(utimensat(AT_FDCWD, six, times, 0), 0);
    tz_fixture_write_at(&fixture, five, 50, "seen", 4);
    restore(&changed, &result);
    assert_true(result.written_bytes > 0);
    assert_int_equal(tz_odd_tree_compare(fixture.tree, fixture.target, NULL), 1);
    restore_whole(&result);
    free(six);
    free(five);
}

static bool is_there(const char *name)
{
    char *path = in_target(name);
    bool there = faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    free(path);
    return there;
}

static void test_some_paths(void **state)
{
    struct tz_restore_result result;
    const char *paths[] = {"six", "a/deep", "a/deep/two", "b"};
    const struct tz_restore_options some = {
        .overwrite = TZ_OVERWRITE_ALWAYS, .paths = paths, .path_count = 4, .verify = true};

    (void)state;
    make_tree();
    back_up();
    restore(&some, &result);
    assert_int_equal(result.failed, 0);
    assert_true(result.verified);
    assert_true(is_there("six") && is_there("a/deep/two") && is_there("a/deep/three"));
    assert_true(is_there("b/four"));
    assert_false(is_there("a/one") || is_there("b-side") || is_there("sparse") ||
                 is_there("a/link"));
    assert_int_equal(result.files, 4);
    struct stat st;
    char *path = in_target("a");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0750);
    free(path);
}

static void test_missing_path(void **state)
{
    struct tz_restore_result result;
    const char *paths[] = {"a/nowhere"};
    const struct tz_restore_options some = {.paths = paths, .path_count = 1};
    struct tz_error err = {0};

    (void)state;
    make_tree();
    back_up();
    assert_int_equal(try_restore(&some, &result, &err), -1);
    assert_int_equal(err.kind, TZ_NOT_FOUND);
    assert_non_null(strstr(err.message, "a/nowhere"));
    /* The beginning of a name is not the name. */
    paths[0] = "b-sid";
    assert_int_equal(try_restore(&some, &result, &err), -1);
    assert_int_equal(err.kind, TZ_NOT_FOUND);
}

static void test_target_is_a_file(void **state)
{
    struct tz_restore_result result;
    const struct tz_restore_options options = {.overwrite = TZ_OVERWRITE_ALWAYS};
    struct tz_error err = {0};

    (void)state;
    make_tree();
    back_up();
    tz_fixture_write_at(&fixture, fixture.target, 0, "a file", 6);
    assert_int_equal(try_restore(&options, &result, &err), -1);
    assert_int_equal(err.kind, TZ_INVALID);
    assert_int_equal(unlink(fixture.target), 0);
}

/* A symbolic link planted in the target leads nowhere. */
static void test_planted_links(void **state)
{
    struct tz_restore_result result;
    char *outside = tz_path_join(fixture.folder, "outside");
    char *victim = tz_path_join(outside, "one"), *big = tz_path_join(fixture.folder, "big");
    char *a = in_target("a"), *six = in_target("six");

    (void)state;
    make_tree();
    back_up();
    assert_int_equal(mkdir(outside, 0700), 0);
    assert_int_equal(mkdir(fixture.target, 0700), 0);
    assert_int_equal(symlink(outside, a), 0);
    tz_fixture_write_at(&fixture, big, 0, "untouched", 9);
    assert_int_equal(symlink(big, six), 0);
    restore_whole(&result);
    assert_int_equal(access(victim, F_OK), -1);
    struct stat st;
    assert_int_equal(stat(big, &st), 0);
    assert_int_equal(st.st_size, 9);
    assert_int_equal(tz_odd_tree_remove(outside), 0);
    /* The same for a part. */
    assert_int_equal(tz_odd_tree_remove(fixture.target), 0);
    assert_int_equal(mkdir(fixture.target, 0700), 0);
    assert_int_equal(mkdir(outside, 0700), 0);
    assert_int_equal(symlink(outside, a), 0);
    const char *paths[] = {"a/deep/two"};
    const struct tz_restore_options some = {
        .overwrite = TZ_OVERWRITE_ALWAYS, .paths = paths, .path_count = 1};
    restore(&some, &result);
    char *deep = tz_path_join(outside, "deep");
    assert_int_equal(access(deep, F_OK), -1);
    free(deep);
    free(outside);
    free(victim);
    free(big);
    free(a);
    free(six);
}

/* Names that share an inode share it again; a hard link of the target to elsewhere is cut. */
static void test_hard_links(void **state)
{
    struct tz_restore_result result;
    char *one = in_tree("a/one"), *twin = in_tree("twin"), *third = in_tree("b/third");
    char *six = in_target("six"), *precious = tz_path_join(fixture.folder, "precious");
    struct stat st;

    (void)state;
    make_tree();
    assert_int_equal(link(one, twin), 0);
    assert_int_equal(link(one, third), 0);
    back_up();
    restore_whole(&result);
    restore_whole(&result);
    /* A file outside that has a name in the target is not written to. */
    assert_int_equal(link(six, precious), 0);
    tz_fixture_write_at(&fixture, precious, 0, "precious", 8);
    restore_whole(&result);
    char start[8];
    TZ_SCOPED(tz_scoped_fd) int fd = open(precious, O_RDONLY | O_CLOEXEC);
    assert_int_equal(read(fd, start, 8), 8);
    assert_memory_equal(start, "precious", 8);
    assert_int_equal(stat(six, &st), 0);
    assert_int_equal(st.st_nlink, 1);
    free(one);
    free(twin);
    free(third);
    free(six);
    free(precious);
}

/* Another name of a file is restored by itself with the file's content. */
static void test_hard_link_alone(void **state)
{
    struct tz_restore_result result;
    const char *paths[] = {"twin", "z"};
    const struct tz_restore_options some = {
        .overwrite = TZ_OVERWRITE_ALWAYS, .paths = paths, .path_count = 2, .verify = true};
    char *one = in_tree("a/one"), *twin = in_tree("twin"), *z = in_tree("z");

    (void)state;
    make_tree();
    assert_int_equal(link(one, twin), 0);
    assert_int_equal(link(one, z), 0);
    back_up();
    restore(&some, &result);
    assert_int_equal(result.failed, 0);
    assert_true(result.verified);
    assert_true(is_there("twin") && is_there("z"));
    assert_false(is_there("a"));
    free(z);
    z = in_target("z");
    struct stat st;
    assert_int_equal(stat(z, &st), 0);
    assert_int_equal(st.st_size, 5000);
    assert_int_equal(st.st_nlink, 2);
    free(one);
    free(twin);
    free(z);
}

/* More files are open at once than the system allows: their pieces lie far apart. */
static void test_few_descriptors(void **state)
{
    struct tz_restore_result result;
    char name[32];
    uint8_t *data = malloc(400000);

    (void)state;
    for (unsigned i = 0; i < 300; i++) {
        (void)snprintf(name, sizeof(name), "file-%03u", i);
        tz_fixture_fill(&fixture, name, 70000, i);
    }
    back_up();
    tz_repo_free(TZ_TAKE(repo));
    for (unsigned i = 0; i < 300; i++) {
        (void)snprintf(name, sizeof(name), "file-%03u", i);
        tz_fixture_random(data, 70000, 1000 + i);
        tz_fixture_write_at(&fixture, name, 70000, data, 70000);
    }
    back_up();
    free(data);
    tz_repo_free(TZ_TAKE(repo));
    /* In a process of its own, since a limit does not go up again. */
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const struct rlimit few = {200, 200};
        int status = setrlimit(RLIMIT_NOFILE, &few);
        repo = tz_fixture_open(&fixture, true);
        restore(NULL, &result);
        tz_repo_free(repo);
        _exit(status != 0 || result.failed != 0);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(tz_odd_tree_compare(fixture.tree, fixture.target, stdout), 0);
}

struct damaging {
    struct tz_store *store;
    char names[64][128];
    size_t count;
};

static int note_pack(void *arg, const char *name, const struct tz_store_stat *stat,
                     struct tz_error *err)
{
    struct damaging *damaging = arg;

    (void)err;
    if (stat->size < 300000)
        return 0;
    assert_true(damaging->count < TZ_COUNT(damaging->names));
    (void)snprintf(damaging->names[damaging->count++], sizeof(damaging->names[0]), "%s", name);
    return 0;
}

/* Change a byte inside of every larger pack of a store: those of content. */
static void damage(const char *url)
{
    const struct tz_store_options options = {.name = "test", .url = url};
    TZ_SCOPED(tz_scoped_store) struct tz_store *store = NULL;
    struct damaging damaging = {.count = 0};
    struct tz_error err = {0};

    assert_int_equal(tz_store_open(&store, &options, &err), 0);
    assert_int_equal(tz_store_list(store, "packs/", note_pack, &damaging, &err), 0);
    assert_true(damaging.count > 0);
    for (size_t i = 0; i < damaging.count; i++) {
        TZ_SCOPED(tz_scoped_buf) struct tz_buf bytes = {0};
        assert_int_equal(tz_store_get(store, damaging.names[i], 0, SIZE_MAX / 2, &bytes, &err), 0);
        bytes.data[150000] ^= 0x10;
        assert_int_equal(tz_store_replace(store, damaging.names[i], bytes.data, bytes.len, &err),
                         0);
    }
}

static void test_damage_in_one_store(void **state)
{
    struct tz_restore_result result;

    (void)state;
    make_tree();
    back_up();
    damage(fixture.east);
    restore_whole(&result);
    assert_true(result.healed > 0);
    assert_int_equal(result.damaged, 0);
}

static unsigned warned;

static void note_warning(void *arg, const char *path, size_t path_len, const struct tz_error *why)
{
    (void)arg;
    assert_int_equal(strlen(path), path_len);
    assert_true(why->message[0] != 0);
    warned++;
}

static void test_damage_in_both_stores(void **state)
{
    struct tz_restore_result result;
    const struct tz_restore_options noted = {
        .overwrite = TZ_OVERWRITE_ALWAYS, .warn = note_warning, .verify = true};
    unsigned differences;

    (void)state;
    make_tree();
    back_up();
    damage(fixture.east);
    damage(fixture.west);
    warned = 0;
    restore(&noted, &result);
    assert_true(result.damaged > 0);
    assert_true(result.failed >= result.damaged);
    assert_false(result.verified);
    assert_true(warned >= result.failed);
    assert_true(result.failed < result.files); /* each is counted once, others are whole */
    differences = tz_odd_tree_compare(fixture.tree, fixture.target, NULL);
    assert_true(differences > 0);
    /* Files that are whole in the target need no store. */
    assert_int_equal(tz_odd_tree_remove(fixture.target), 0);
    assert_int_equal(rename(fixture.tree, fixture.target), 0);
    restore(NULL, &result);
    assert_int_equal(result.written_bytes, 0);
    assert_true(result.failed < result.files);
    assert_int_equal(rename(fixture.target, fixture.tree), 0);
}

/* A store that cannot be reached at all. */
static void test_store_gone(void **state)
{
    struct tz_restore_result result;
    char *elsewhere = tz_path_join(fixture.folder, "elsewhere");

    (void)state;
    make_tree();
    back_up();
    tz_repo_free(TZ_TAKE(repo));
    assert_int_equal(rename(tz_fixture_place(fixture.east), elsewhere), 0);
    repo = tz_fixture_open(&fixture, true);
    assert_true(fixture.warnings > 0);
    restore_whole(&result);
    free(elsewhere);
}

/* Reads that fail now and then, from one store: nothing is lost. */
static void test_failing_reads(void **state)
{
    struct tz_restore_result result;

    (void)state;
    make_tree();
    back_up();
    struct faulty_store *east = tz_fixture_spoil(repo, 0);
    static const enum faulty_way ways[] = {FAULTY_BEFORE, FAULTY_FLIP, FAULTY_TRUNCATE};
    for (size_t i = 0; i < TZ_COUNT(ways); i++) {
        for (unsigned at = 1; at < 12; at++) {
            const struct faulty_plan plan = {.calls = FAULTY_GET,
                                             .at = at,
                                             .times = at % 3 ? 1 : FAULTY_FOR_GOOD,
                                             .way = ways[i]};
            faulty_store_plan(east, &plan);
            restore_whole(&result);
            assert_int_equal(result.damaged, 0);
            assert_int_equal(tz_odd_tree_remove(fixture.target), 0);
        }
    }
}

/* Many tiny files: more than one window holds. */
static void test_many_files(void **state)
{
    struct tz_restore_result result;
    const unsigned count = getenv("TOZAI_LONG") ? 140000 : 3000;
    char name[64];

    (void)state;
    for (unsigned i = 0; i < count; i++) {
        if (i % 500 == 0) {
            (void)snprintf(name, sizeof(name), "dir-%04u", i / 500);
            make_directory(name);
        }
        (void)snprintf(name, sizeof(name), "dir-%04u/%u", i / 500, i);
        tz_fixture_fill(&fixture, name, i % 97, i);
    }
    /* Hard links whose first names lie in an earlier window. */
    char *first = in_tree("dir-0000/0"), *last = in_tree("zz-last");
    assert_int_equal(link(first, last), 0);
    free(first);
    free(last);
    back_up();
    restore_whole(&result);
    assert_int_equal(result.files, count);
}

static void test_dry_run(void **state)
{
    struct tz_restore_result result;
    const struct tz_restore_options dry = {.dry_run = true};

    (void)state;
    make_tree();
    back_up();
    restore(&dry, &result);
    assert_int_equal(result.files, 7);
    assert_true(result.bytes >= 7000000);
    assert_int_equal(access(fixture.target, F_OK), -1);
}

static void test_stream(void **state)
{
    TZ_SCOPED(tz_scoped_head) struct tz_head head = {0};
    TZ_SCOPED(tz_scoped_manifest_reader) struct tz_manifest_reader *reader = NULL;
    TZ_SCOPED(tz_scoped_entry) struct tz_entry entry = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf expected = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf got = {0};
    char *path = tz_path_join(fixture.folder, "out"), *from = in_tree("sparse");
    struct tz_error err = {0};
    uint64_t healed = 0;
    bool done = false;

    (void)state;
    make_tree();
    back_up();
    assert_int_equal(tz_repo_find(repo, "tree", "latest", &head, &err), 0);
    assert_int_equal(tz_manifest_reader_new(&reader, repo, &head, "sparse", 6, &err), 0);
    assert_int_equal(tz_manifest_next(reader, &entry, &done, &err), 0);
    assert_false(done);
    TZ_SCOPED(tz_scoped_fd) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (tz_restore_stream(repo, &entry, fd, &healed, &err))
        fail_msg("%s", err.message);
    assert_int_equal(tz_file_read(path, 10000000, &got, &err), 0);
    assert_int_equal(tz_file_read(from, 10000000, &expected, &err), 0);
    assert_int_equal(got.len, expected.len);
    assert_memory_equal(got.data, expected.data, got.len);
    free(path);
    free(from);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_everything, enter, leave),
        cmocka_unit_test_setup_teardown(test_again, enter, leave),
        cmocka_unit_test_setup_teardown(test_wrong_byte, enter, leave),
        cmocka_unit_test_setup_teardown(test_wrong_targets, enter, leave),
        cmocka_unit_test_setup_teardown(test_overwrite_never, enter, leave),
        cmocka_unit_test_setup_teardown(test_overwrite_changed, enter, leave),
        cmocka_unit_test_setup_teardown(test_some_paths, enter, leave),
        cmocka_unit_test_setup_teardown(test_missing_path, enter, leave),
        cmocka_unit_test_setup_teardown(test_target_is_a_file, enter, leave),
        cmocka_unit_test_setup_teardown(test_planted_links, enter, leave),
        cmocka_unit_test_setup_teardown(test_hard_links, enter, leave),
        cmocka_unit_test_setup_teardown(test_hard_link_alone, enter, leave),
        cmocka_unit_test_setup_teardown(test_few_descriptors, enter, leave),
        cmocka_unit_test_setup_teardown(test_damage_in_one_store, enter, leave),
        cmocka_unit_test_setup_teardown(test_damage_in_both_stores, enter, leave),
        cmocka_unit_test_setup_teardown(test_store_gone, enter_files, leave),
        cmocka_unit_test_setup_teardown(test_failing_reads, enter, leave),
        cmocka_unit_test_setup_teardown(test_many_files, enter, leave),
        cmocka_unit_test_setup_teardown(test_dry_run, enter, leave),
        cmocka_unit_test_setup_teardown(test_stream, enter, leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
