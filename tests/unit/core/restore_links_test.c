/*
 * Restoring over files that have several names: what is right stays, and names that do not belong
 * to the generation keep what they had.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "odd_tree.h"
#include "repo_fixture.h"

#include "tozai/util/file.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define SIX_SIZE 1200000

static struct tz_fixture fixture;
static struct tz_repo *repo;
static struct tz_restore_result result;

static char *in_tree(const char *name)
{
    return tz_path_join(fixture.tree, name);
}

static char *in_target(const char *name)
{
    return tz_path_join(fixture.target, name);
}

static void link_in(char *(*place)(const char *name), const char *from, const char *to)
{
    TZ_SCOPED(tz_scoped_free) char *old = place(from);
    TZ_SCOPED(tz_scoped_free) char *new = place(to);

    assert_int_equal(linkat(AT_FDCWD, old, AT_FDCWD, new, 0), 0);
}

/* A name for a file of the target that is not in the target. */
static char *link_outside(const char *name)
{
    TZ_SCOPED(tz_scoped_free) char *path = in_target(name);
    char *outside = tz_path_join(fixture.folder, "outside");

    assert_int_equal(linkat(AT_FDCWD, path, AT_FDCWD, outside, 0), 0);
    return outside;
}

static struct stat stat_of(const char *path)
{
    struct stat st;

    assert_int_equal(lstat(path, &st), 0);
    return st;
}

static struct stat stat_in(const char *name)
{
    TZ_SCOPED(tz_scoped_free) char *path = in_target(name);
    return stat_of(path);
}

static int enter(void **state)
{
    const struct tz_fixture_options options = {.more = "frame_size = 256K\npack_size = 1M\n"};
    struct tz_backup_result backup;
    TZ_SCOPED(tz_scoped_free) char *symbolic = NULL;

    (void)state;
    tz_fixture_make(&fixture, &options);
    symbolic = in_tree("symbolic");
    tz_fixture_fill(&fixture, "six", SIX_SIZE, 6);
    tz_fixture_fill(&fixture, "small", 3000, 1);
    tz_fixture_write_at(&fixture, "sparse", 5000000, "end", 3);
    tz_fixture_write_at(&fixture, "sparse", 0, "begin", 5);
    tz_fixture_write(&fixture, "equal", "same bytes", 10);
    tz_fixture_write(&fixture, "equal-too", "same bytes", 10);
    tz_fixture_write(&fixture, "empty", "", 0);
    link_in(in_tree, "six", "six-more");
    link_in(in_tree, "small", "a-small");
    link_in(in_tree, "small", "z-small");
    link_in(in_tree, "empty", "empty-more");
    link_in(in_tree, "sparse", "sparse-more");
    assert_int_equal(symlink("nowhere", symbolic), 0);
    link_in(in_tree, "symbolic", "symbolic-more");
    /* Alike in all that can be seen of one file. */
    TZ_SCOPED(tz_scoped_free) char *equal = in_tree("equal");
    TZ_SCOPED(tz_scoped_free) char *equal_too = in_tree("equal-too");
    const struct timespec times[2] = {{.tv_sec = 1234567890}, {.tv_sec = 1234567890}};
    assert_int_equal(utimensat(AT_FDCWD, equal, times, 0), 0);
    assert_int_equal(utimensat(AT_FDCWD, equal_too, times, 0), 0);
    tz_fixture_run(&fixture, &backup);
    assert_true(backup.complete);
    tz_backup_result_clear(&backup);
    repo = tz_fixture_open(&fixture, true);
    return 0;
}

static int leave(void **state)
{
    (void)state;
    tz_repo_free(repo);
    tz_fixture_clear(&fixture);
    return 0;
}

static void restore(enum tz_overwrite overwrite)
{
    const struct tz_restore_options options = {.overwrite = overwrite};

    tz_fixture_restore(repo, "tree", "latest", fixture.target, &options, &result);
    assert_int_equal(result.failed, 0);
}

static void must_be_equal(void)
{
    assert_int_equal(tz_odd_tree_compare(fixture.tree, fixture.target, stdout), 0);
}

/* What shares a chunk with others is fetched to be compared. */
static void assert_nothing_was_written(void)
{
    assert_int_equal(result.written_bytes, 0);
    assert_true(result.fetched_bytes < 20000);
}

static void assert_begins(const char *path, const char *text)
{
    char start[16];
    TZ_SCOPED(tz_scoped_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);

    assert_int_equal(read(fd, start, strlen(text)), strlen(text));
    assert_memory_equal(start, text, strlen(text));
}

static void assert_six(const char *path)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf got = {0};
    uint8_t *expected = malloc(SIX_SIZE);

    tz_fixture_random(expected, SIX_SIZE, 6);
    assert_int_equal(tz_file_read(path, SIX_SIZE, &got, NULL), 0);
    assert_int_equal(got.len, SIX_SIZE);
    assert_memory_equal(got.data, expected, SIX_SIZE);
    free(expected);
}

static void a_tree_that_is_right_is_not_touched(void **state)
{
    static const char *const names[] = {"a-small", "small",       "z-small",  "six",
                                        "empty",   "sparse-more", "symbolic", "symbolic-more"};
    struct stat before[TZ_COUNT(names)];

    (void)state;
    restore(TZ_OVERWRITE_ALWAYS);
    must_be_equal();
    for (size_t i = 0; i < TZ_COUNT(names); i++)
        before[i] = stat_in(names[i]);
    for (enum tz_overwrite how = TZ_OVERWRITE_NEVER; how <= TZ_OVERWRITE_ALWAYS; how++) {
        restore(how);
        assert_nothing_was_written();
        for (size_t i = 0; i < TZ_COUNT(names); i++) {
            struct stat after = stat_in(names[i]);
            assert_int_equal(after.st_ino, before[i].st_ino);
            assert_int_equal(after.st_nlink, before[i].st_nlink);
            assert_memory_equal(&after.st_ctim, &before[i].st_ctim, sizeof(after.st_ctim));
        }
    }
    must_be_equal();
}

static void a_wrong_byte_is_not_mended_in_other_names(void **state)
{
    (void)state;
    restore(TZ_OVERWRITE_ALWAYS);
    TZ_SCOPED(tz_scoped_free) char *outside = link_outside("six");
    tz_fixture_write_at(&fixture, outside, 0, "old", 3);
    restore(TZ_OVERWRITE_ALWAYS);
    must_be_equal();
    assert_true(result.written_bytes > 0 && result.written_bytes < SIX_SIZE);
    assert_begins(outside, "old");
    assert_int_equal(stat_of(outside).st_size, SIX_SIZE);
    assert_int_equal(stat_of(outside).st_nlink, 1);
    /* The same where time and size alone decide. */
    assert_int_equal(unlink(outside), 0);
    free(TZ_TAKE(outside));
    outside = link_outside("six-more");
    tz_fixture_write_at(&fixture, outside, SIX_SIZE - 4, "old", 3);
    restore(TZ_OVERWRITE_CHANGED);
    must_be_equal();
    assert_int_equal(stat_of(outside).st_nlink, 1);
}

static void a_length_is_not_changed_in_other_names(void **state)
{
    static const off_t lengths[] = {0, 7, SIX_SIZE - 1, SIX_SIZE + 1, 3 * SIX_SIZE};

    (void)state;
    for (size_t i = 0; i < TZ_COUNT(lengths); i++) {
        restore(TZ_OVERWRITE_ALWAYS);
        TZ_SCOPED(tz_scoped_free) char *outside = link_outside("six");
        assert_int_equal(truncate(outside, lengths[i]), 0);
        restore(TZ_OVERWRITE_ALWAYS);
        must_be_equal();
        assert_int_equal(stat_of(outside).st_size, lengths[i]);
        assert_int_equal(unlink(outside), 0);
    }
}

static void metadata_is_not_changed_in_other_names(void **state)
{
    const struct timespec times[2] = {{.tv_sec = 99}, {.tv_sec = 99}};

    (void)state;
    for (int i = 0; i < 2; i++) {
        restore(TZ_OVERWRITE_ALWAYS);
        TZ_SCOPED(tz_scoped_free) char *outside = link_outside("six");
        if (i == 0)
            assert_int_equal(chmod(outside, 0400), 0);
        else
            assert_int_equal(utimensat(AT_FDCWD, outside, times, 0), 0);
        struct stat before = stat_of(outside);
        restore(TZ_OVERWRITE_ALWAYS);
        must_be_equal();
        assert_nothing_was_written();
        assert_int_equal(stat_of(outside).st_mode, before.st_mode);
        assert_int_equal(stat_of(outside).st_mtim.tv_sec, before.st_mtim.tv_sec);
        assert_six(outside);
        assert_int_equal(unlink(outside), 0);
    }
}

static void a_hole_is_not_made_in_other_names(void **state)
{
    (void)state;
    restore(TZ_OVERWRITE_ALWAYS);
    TZ_SCOPED(tz_scoped_free) char *outside = link_outside("sparse");
    tz_fixture_write_at(&fixture, outside, 2500000, "noise", 5);
    restore(TZ_OVERWRITE_ALWAYS);
    must_be_equal();
    assert_true(stat_in("sparse").st_blocks * 512 < 1 << 20);
    char noise[5];
    TZ_SCOPED(tz_scoped_fd) int fd = open(outside, O_RDONLY | O_CLOEXEC);
    assert_int_equal(pread(fd, noise, 5, 2500000), 5);
    assert_memory_equal(noise, "noise", 5);
}

/* The files of a snapshot that somebody made with "cp -al" stay in both. */
static void a_file_that_is_right_stays_linked(void **state)
{
    (void)state;
    restore(TZ_OVERWRITE_ALWAYS);
    TZ_SCOPED(tz_scoped_free) char *outside = link_outside("equal");
    restore(TZ_OVERWRITE_ALWAYS);
    assert_int_equal(stat_of(outside).st_ino, stat_in("equal").st_ino);
    assert_nothing_was_written();
}

static void files_of_their_own_do_not_stay_linked(void **state)
{
    (void)state;
    restore(TZ_OVERWRITE_ALWAYS);
    TZ_SCOPED(tz_scoped_free) char *too = in_target("equal-too");
    assert_int_equal(unlink(too), 0);
    link_in(in_target, "equal", "equal-too");
    restore(TZ_OVERWRITE_ALWAYS);
    must_be_equal();
    assert_int_not_equal(stat_in("equal").st_ino, stat_in("equal-too").st_ino);
    assert_nothing_was_written();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_tree_that_is_right_is_not_touched, enter, leave),
        cmocka_unit_test_setup_teardown(a_wrong_byte_is_not_mended_in_other_names, enter, leave),
        cmocka_unit_test_setup_teardown(a_length_is_not_changed_in_other_names, enter, leave),
        cmocka_unit_test_setup_teardown(metadata_is_not_changed_in_other_names, enter, leave),
        cmocka_unit_test_setup_teardown(a_hole_is_not_made_in_other_names, enter, leave),
        cmocka_unit_test_setup_teardown(a_file_that_is_right_stays_linked, enter, leave),
        cmocka_unit_test_setup_teardown(files_of_their_own_do_not_stay_linked, enter, leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
