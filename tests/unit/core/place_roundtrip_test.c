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

static int set_up(void **state)
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
    return mkdir(f->source, 0755) || tz_odd_tree_make(f->source, stdout);
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

static void everything_comes_back(void **state)
{
    struct fixture *f = *state;
    size_t count = tz_test_copy(&f->options, f->target, TZ_OVERWRITE_CHANGED, &f->placed);

    assert_true(count > 5500);
    assert_int_equal(f->read.count, 0);
    assert_int_equal(f->placed.count, 0);
    assert_int_equal(tz_odd_tree_compare(f->source, f->target, stdout), 0);
}

static void a_second_restore_changes_nothing(void **state)
{
    struct fixture *f = *state;
    struct tz_test_entries before, after;

    (void)tz_test_copy(&f->options, f->target, TZ_OVERWRITE_CHANGED, &f->placed);
    f->paths[0] = f->target;
    tz_test_entries(&f->options, &before);
    f->paths[0] = f->source;
    (void)tz_test_copy(&f->options, f->target, TZ_OVERWRITE_CHANGED, &f->placed);
    f->paths[0] = f->target;
    tz_test_entries(&f->options, &after);
    f->paths[0] = f->source;

    assert_int_equal(f->placed.count, 0);
    assert_int_equal(tz_odd_tree_compare(f->source, f->target, stdout), 0);
    assert_int_equal(before.count, after.count);
    for (size_t i = 0; i < before.count; i++) { /* files were not even made again */
        if (before.items[i].type != TZ_ENTRY_FILE)
            continue;
        assert_string_equal(before.items[i].path, after.items[i].path);
        assert_int_equal(before.items[i].ino, after.items[i].ino);
    }
    tz_test_entries_clear(&before);
    tz_test_entries_clear(&after);
}

static void always_writes_over_what_is_there(void **state)
{
    struct fixture *f = *state;

    (void)tz_test_copy(&f->options, f->target, TZ_OVERWRITE_CHANGED, &f->placed);
    (void)tz_test_copy(&f->options, f->target, TZ_OVERWRITE_ALWAYS, &f->placed);
    assert_int_equal(f->placed.count, 0);
    assert_int_equal(tz_odd_tree_compare(f->source, f->target, stdout), 0);
}

static void never_leaves_what_is_there(void **state)
{
    struct fixture *f = *state;
    struct stat before, after;

    assert_int_equal(mkdir(f->target, 0750), 0);
    TZ_SCOPED(tz_scoped_free) char *file = tz_path_join(f->target, "zz-outside");
    TZ_SCOPED(tz_scoped_free) char *directory = tz_path_join(f->target, "sizes");
    assert_int_equal(tz_file_replace(file, "mine", 4, 0600, NULL), 0);
    assert_int_equal(mkdir(directory, 0711), 0);
    assert_int_equal(stat(directory, &before), 0);
    (void)tz_test_copy(&f->options, f->target, TZ_OVERWRITE_NEVER, &f->placed);

    struct tz_buf text = {0};
    assert_int_equal(tz_file_read(file, 1000, &text, NULL), 0);
    assert_int_equal(text.len, 4);
    tz_buf_clear(&text);
    assert_int_equal(stat(directory, &after), 0);
    assert_int_equal(after.st_mode & 07777, 0711);
    assert_int_equal(stat(f->target, &after), 0);
    assert_int_equal(after.st_mode & 07777, 0750);
}

/* A tree is turned into another one: every kind is replaced by every other kind. */
static void one_kind_replaces_another(void **state)
{
    struct fixture *f = *state;
    static const char *const kinds[] = {"file", "directory", "symlink", "fifo", "linked"};
    char name[256];

    TZ_SCOPED(tz_scoped_free) char *source = tz_path_join(f->folder, "kinds");
    assert_int_equal(mkdir(source, 0755), 0);
    assert_int_equal(mkdir(f->target, 0755), 0);
    int dirs[2] = {open(source, O_RDONLY | O_DIRECTORY), open(f->target, O_RDONLY | O_DIRECTORY)};
    assert_true(dirs[0] >= 0 && dirs[1] >= 0);
    for (size_t i = 0; i < TZ_COUNT(kinds); i++) {
        for (size_t j = 0; j < TZ_COUNT(kinds); j++) {
            for (size_t side = 0; side < 2; side++) {
                const char *kind = kinds[side == 0 ? i : j];
                char other[300];
                (void)snprintf(name, sizeof(name), "%s-instead-of-%s", kinds[i], kinds[j]);
                (void)snprintf(other, sizeof(other), "%s-other", name);
                if (strcmp(kind, "directory") == 0) {
                    assert_int_equal(mkdirat(dirs[side], name, 0755), 0);
                    (void)snprintf(other, sizeof(other), "%s/inside-%zu", name, side);
                    assert_int_equal(mkdirat(dirs[side], other, 0500), 0);
                    (void)snprintf(other, sizeof(other), "%s/inside-%zu/file", name, side);
                    assert_int_equal(mknodat(dirs[side], other, S_IFREG | 0600, 0), 0);
                } else if (strcmp(kind, "symlink") == 0) {
                    assert_int_equal(symlinkat(side ? "/etc" : "/usr", dirs[side], name), 0);
                } else if (strcmp(kind, "fifo") == 0) {
                    assert_int_equal(mknodat(dirs[side], name, S_IFIFO | 0644, 0), 0);
                } else {
                    int fd = openat(dirs[side], name, O_CREAT | O_EXCL | O_WRONLY, 0644);
                    assert_int_equal(write(fd, kind, side + 1), (ssize_t)side + 1);
                    (void)close(fd);
                }
                if (strcmp(kind, "linked") == 0)
                    assert_int_equal(linkat(dirs[side], name, dirs[side], other, 0), 0);
            }
        }
    }
    (void)close(dirs[0]);
    (void)close(dirs[1]);

    f->paths[0] = source;
    (void)tz_test_copy(&f->options, f->target, TZ_OVERWRITE_CHANGED, &f->placed);
    f->paths[0] = f->source;
    /* What the source does not have is not removed: it may be somebody's. */
    for (size_t i = 0; i < TZ_COUNT(kinds); i++) {
        (void)snprintf(name, sizeof(name), "%s/%s-instead-of-linked-other", f->target, kinds[i]);
        if (strcmp(kinds[i], "linked") != 0)
            assert_int_equal(unlink(name), 0);
        (void)snprintf(name, sizeof(name), "%s/directory-instead-of-directory/inside-1", f->target);
    }
    assert_int_equal(tz_odd_tree_remove(name), 0);
    /* Its time was put back before something was taken out of it. */
    struct stat st;
    TZ_SCOPED(tz_scoped_free) char *same = tz_path_join(source, "directory-instead-of-directory");
    assert_int_equal(stat(same, &st), 0);
    (void)snprintf(name, sizeof(name), "%s/directory-instead-of-directory", f->target);
    assert_int_equal(utimensat(AT_FDCWD, name, (struct timespec[]){st.st_mtim, st.st_mtim}, 0), 0);
    assert_int_equal(stat(source, &st), 0);
    assert_int_equal(utimensat(AT_FDCWD, f->target, (struct timespec[]){st.st_mtim, st.st_mtim}, 0),
                     0);
    assert_int_equal(tz_odd_tree_compare(source, f->target, stdout), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(everything_comes_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_second_restore_changes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(always_writes_over_what_is_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(never_leaves_what_is_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_kind_replaces_another, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
