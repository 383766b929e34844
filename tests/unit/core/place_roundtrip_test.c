/*
 * A tree of odd files goes through the source and comes out of place alike.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "odd_tree.h"
#include "source_contract.h"

#include "tozai/util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    char *folder;
    char *source, *target;
    char *paths[1];
    struct tz_config_source config;
    struct tz_source_options options;
    struct tz_test_warnings read, placed;
};

static int set_up_empty(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    f->folder = tz_odd_folder();
    f->source = tz_path_join(f->folder, "source");
    f->target = tz_path_join(f->folder, "target");
    f->paths[0] = f->source;
    f->config = (struct tz_config_source){.name = (char *)"odd",
                                          .type = TZ_SOURCE_DIRECTORY,
                                          .paths = {.items = f->paths, .count = 1}};
    f->options = (struct tz_source_options){
        .config = &f->config, .scratch = f->folder, .warn = tz_test_warn, .warn_arg = &f->read};
    *state = f;
    return mkdir(f->source, 0755);
}

static int set_up(void **state)
{
    if (set_up_empty(state))
        return -1;
    return tz_odd_tree_make(((struct fixture *)*state)->source, stdout);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    free(f->source);
    free(f->target);
    tz_odd_folder_remove(f->folder);
    free(f);
    return 0;
}

/* Restore once more; what has the same inode in both is not made again. */
static void restore_again(struct fixture *f, enum tz_overwrite overwrite)
{
    struct tz_test_entries before, after;

    f->paths[0] = f->target;
    tz_test_entries(&f->options, &before);
    f->paths[0] = f->source;
    (void)tz_test_copy(&f->options, f->target, overwrite, &f->placed);
    f->paths[0] = f->target;
    tz_test_entries(&f->options, &after);
    f->paths[0] = f->source;

    assert_int_equal(f->placed.count, 0);
    assert_int_equal(tz_odd_tree_compare(f->source, f->target, stdout), 0);
    assert_int_equal(before.count, after.count);
    for (size_t i = 0; i < before.count && overwrite == TZ_OVERWRITE_CHANGED; i++) {
        assert_string_equal(before.items[i].path, after.items[i].path);
        if (before.items[i].type == TZ_ENTRY_FILE)
            assert_int_equal(before.items[i].ino, after.items[i].ino);
    }
    tz_test_entries_clear(&before);
    tz_test_entries_clear(&after);
}

static void everything_comes_back(void **state)
{
    struct fixture *f = *state;
    size_t count = tz_test_copy(&f->options, f->target, TZ_OVERWRITE_CHANGED, &f->placed);

    assert_true(count > 5500);
    assert_int_equal(f->read.count, 0);
    assert_int_equal(f->placed.count, 0);
    assert_int_equal(tz_odd_tree_compare(f->source, f->target, stdout), 0);
    restore_again(f, TZ_OVERWRITE_CHANGED);
    restore_again(f, TZ_OVERWRITE_ALWAYS);
}

static void never_leaves_what_is_there(void **state)
{
    struct fixture *f = *state;
    struct stat before, after;

    TZ_SCOPED(tz_scoped_free) char *other_file = tz_path_join(f->source, "file");
    TZ_SCOPED(tz_scoped_free) char *other_directory = tz_path_join(f->source, "directory");
    assert_int_equal(tz_file_replace(other_file, "theirs", 6, 0644, NULL), 0);
    assert_int_equal(mkdir(other_directory, 0755), 0);
    assert_int_equal(mkdir(f->target, 0750), 0);
    TZ_SCOPED(tz_scoped_free) char *file = tz_path_join(f->target, "file");
    TZ_SCOPED(tz_scoped_free) char *directory = tz_path_join(f->target, "directory");
    assert_int_equal(tz_file_replace(file, "mine", 4, 0600, NULL), 0);
    assert_int_equal(mkdir(directory, 0711), 0);
    assert_int_equal(stat(directory, &before), 0);
    (void)tz_test_copy(&f->options, f->target, TZ_OVERWRITE_NEVER, &f->placed);

    struct tz_buf text = {0};
    assert_int_equal(tz_file_read(file, 1000, &text, NULL), 0);
    assert_int_equal(text.len, 4);
    tz_buf_clear(&text);
    assert_int_equal(stat(directory, &after), 0);
    assert_int_equal(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
    assert_int_equal(after.st_mode & 07777, 0711);
    assert_int_equal(stat(f->target, &after), 0);
    assert_int_equal(after.st_mode & 07777, 0750);
}

static const char *const kinds[] = {"file", "directory", "symlink", "fifo", "linked"};

/* One of a kind; side 1 is what is there before the restore. */
static void make_kind(int dir, const char *name, const char *kind, int side)
{
    char other[300];

    if (strcmp(kind, "symlink") == 0) {
        assert_int_equal(symlinkat(side ? "/etc" : "/usr", dir, name), 0);
    } else if (strcmp(kind, "fifo") == 0) {
        assert_int_equal(mknodat(dir, name, S_IFIFO | 0644, 0), 0);
    } else if (strcmp(kind, "directory") == 0) { /* full, and closed where one is not root */
        assert_int_equal(mkdirat(dir, name, 0755), 0);
        (void)snprintf(other, sizeof(other), "%s/inside-%d", name, side);
        assert_int_equal(mkdirat(dir, other, 0755), 0);
        (void)snprintf(other, sizeof(other), "%s/inside-%d/file", name, side);
        assert_int_equal(mknodat(dir, other, S_IFREG | 0600, 0), 0);
        (void)snprintf(other, sizeof(other), "%s/inside-%d", name, side);
        assert_int_equal(fchmodat(dir, other, 0500, 0), 0);
    } else {
        int fd = openat(dir, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
        assert_int_equal(write(fd, kind, (size_t)side + 1), side + 1);
        assert_int_equal(close(fd), 0);
    }
    if (strcmp(kind, "linked") == 0) {
        (void)snprintf(other, sizeof(other), "%s-other", name);
        assert_int_equal(linkat(dir, name, dir, other, 0), 0);
    }
}

/* The directories' times were put back before something was taken out of them. */
static void copy_time(int from, int to, const char *name)
{
    struct stat st;

    assert_int_equal(fstatat(from, name, &st, 0), 0);
    assert_int_equal(utimensat(to, name, (struct timespec[]){st.st_mtim, st.st_mtim}, 0), 0);
}

/* A tree is turned into another one: every kind is replaced by every other kind. */
static void one_kind_replaces_another(void **state)
{
    struct fixture *f = *state;
    char name[256];

    assert_int_equal(mkdir(f->target, 0755), 0);
    int source = open(f->source, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int target = open(f->target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < TZ_COUNT(kinds); i++) {
        for (size_t j = 0; j < TZ_COUNT(kinds); j++) {
            (void)snprintf(name, sizeof(name), "%s-instead-of-%s", kinds[i], kinds[j]);
            make_kind(source, name, kinds[i], 0);
            make_kind(target, name, kinds[j], 1);
        }
    }
    (void)tz_test_copy(&f->options, f->target, TZ_OVERWRITE_CHANGED, &f->placed);
    assert_int_equal(f->placed.count, 0);

    /* What the source does not have is not removed: it may be somebody's. */
    for (size_t i = 0; i < TZ_COUNT(kinds); i++) {
        (void)snprintf(name, sizeof(name), "%s-instead-of-linked-other", kinds[i]);
        if (strcmp(kinds[i], "linked") != 0)
            assert_int_equal(unlinkat(target, name, 0), 0);
    }
    (void)snprintf(name, sizeof(name), "%s/directory-instead-of-directory/inside-1", f->target);
    assert_int_equal(tz_odd_tree_remove(name), 0);
    copy_time(source, target, "directory-instead-of-directory");
    copy_time(source, target, ".");
    assert_int_equal(close(source), 0);
    assert_int_equal(close(target), 0);
    assert_int_equal(tz_odd_tree_compare(f->source, f->target, stdout), 0);
}

/* What one side of a comparison has, and the other after a change. */
static int change(const char *folder, int which)
{
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = 5, .tv_nsec = 6}};
    int status = 0, dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    switch (which) {
    case 0:
        status = fchmodat(dir, "file", 0600, 0);
        break;
    case 1:
        status = utimensat(dir, "file", times, 0);
        break;
    case 2:
        status = utimensat(dir, "link", times, AT_SYMLINK_NOFOLLOW);
        break;
    case 3:
        status = unlinkat(dir, "file", 0);
        break;
    case 4:
        status = mkdirat(dir, "another", 0755);
        break;
    case 5:
        status = unlinkat(dir, "link", 0) || symlinkat("b", dir, "link");
        break;
    case 6: /* the same sizes and counts of names, but other files */
        status = unlinkat(dir, "linked-1", 0) || unlinkat(dir, "linked-2", 0) ||
                 linkat(dir, "linked-3", dir, "linked-2", 0) ||
                 linkat(dir, "linked-4", dir, "linked-1", 0) || unlinkat(dir, "linked-3", 0) ||
                 linkat(dir, "linked-1", dir, "linked-3", 0) || unlinkat(dir, "linked-4", 0) ||
                 linkat(dir, "linked-2", dir, "linked-4", 0);
        break;
    case 7: {
        int fd = openat(dir, "file", O_WRONLY | O_CLOEXEC);
        struct stat st;
        status = fstat(fd, &st) || pwrite(fd, "X", 1, 2) != 1 ||
                 futimens(fd, (struct timespec[]){st.st_atim, st.st_mtim}) || close(fd);
        break;
    }
    default:
        status = unlinkat(dir, "fifo", 0) || mknodat(dir, "fifo", S_IFREG | 0644, 0);
    }
    (void)close(dir);
    return status;
}

static void make_sample(const char *folder)
{
    const struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 2}};
    static const char *const names[] = {"file", "link", "fifo", "linked-1", "linked-3", "."};
    int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    assert_int_equal(mknodat(dir, "fifo", S_IFIFO | 0644, 0), 0);
    assert_int_equal(symlinkat("a", dir, "link"), 0);
    assert_int_equal(mknodat(dir, "linked-1", S_IFREG | 0644, 0), 0);
    assert_int_equal(linkat(dir, "linked-1", dir, "linked-2", 0), 0);
    assert_int_equal(mknodat(dir, "linked-3", S_IFREG | 0644, 0), 0);
    assert_int_equal(linkat(dir, "linked-3", dir, "linked-4", 0), 0);
    int fd = openat(dir, "file", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    assert_int_equal(write(fd, "content", 7), 7);
    assert_int_equal(close(fd), 0);
    for (size_t i = 0; i < TZ_COUNT(names); i++)
        assert_int_equal(utimensat(dir, names[i], times, AT_SYMLINK_NOFOLLOW), 0);
    assert_int_equal(close(dir), 0);
}

/* A check that sees nothing proves nothing. */
static void the_comparison_sees_differences(void **state)
{
    struct fixture *f = *state;
    const struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 2}};

    make_sample(f->source);
    for (int which = 0; which <= 8; which++) {
        assert_int_equal(mkdir(f->target, 0755), 0);
        make_sample(f->target);
        assert_int_equal(tz_odd_tree_compare(f->source, f->target, stdout), 0);
        assert_int_equal(change(f->target, which), 0);
        assert_int_equal(utimensat(AT_FDCWD, f->target, times, 0), 0);
        if (tz_odd_tree_compare(f->source, f->target, NULL) == 0)
            fail_msg("change %d was not seen", which);
        assert_int_equal(tz_odd_tree_remove(f->target), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(everything_comes_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(never_leaves_what_is_there, set_up_empty, tear_down),
        cmocka_unit_test_setup_teardown(one_kind_replaces_another, set_up_empty, tear_down),
        cmocka_unit_test_setup_teardown(the_comparison_sees_differences, set_up_empty, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
