#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "odd_tree.h"
#include "source_fixture.h"

#include "tozai/core/inode_flags.h"
#include "tozai/util/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

static void assert_walk(struct tz_source_fixture *f, const char *expected)
{
    TZ_SCOPED(tz_scoped_free) char *walk = tz_fixture_walk(f);
    assert_string_equal(walk, expected);
}

static void read_from_disk(void *arg, const char *path, struct tz_buf *out)
{
    const struct tz_source_fixture *f = arg;
    TZ_SCOPED(tz_scoped_free) char *full = tz_path_join(f->source, path);
    assert_int_equal(tz_file_read(full, (size_t)1 << 30, out, NULL), 0);
}

static void append_to_file(void *arg, const char *path)
{
    const struct tz_source_fixture *f = arg;
    TZ_SCOPED(tz_scoped_free) char *full = tz_path_join(f->source, path);
    int fd = open(full, O_WRONLY | O_APPEND | O_CLOEXEC);
    assert_int_equal(write(fd, "more", 4), 4);
    assert_int_equal(close(fd), 0);
}

static void change_in_place(void *arg, const char *path)
{
    const struct tz_source_fixture *f = arg;
    TZ_SCOPED(tz_scoped_free) char *full = tz_path_join(f->source, path);
    int fd = open(full, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "X", 1, 1), 1);
    assert_int_equal(close(fd), 0);
}

static void truncate_file(void *arg, const char *path)
{
    const struct tz_source_fixture *f = arg;
    TZ_SCOPED(tz_scoped_free) char *full = tz_path_join(f->source, path);
    assert_int_equal(truncate(full, 1), 0);
}

/* Somebody who wants it to look as if nothing had happened. */
static void change_secretly(void *arg, const char *path)
{
    const struct tz_source_fixture *f = arg;
    TZ_SCOPED(tz_scoped_free) char *full = tz_path_join(f->source, path);
    struct stat st;

    assert_int_equal(stat(full, &st), 0);
    change_in_place(arg, path);
    assert_int_equal(utimensat(AT_FDCWD, full, (struct timespec[]){st.st_atim, st.st_mtim}, 0), 0);
}

static void make_sparse(struct tz_source_fixture *f, const char *path, off_t size, off_t data_at)
{
    tz_fixture_file(f, path, "");
    TZ_SCOPED(tz_scoped_free) char *full = tz_fixture_path(f, path);
    int fd = open(full, O_WRONLY | O_CLOEXEC);
    assert_int_equal(ftruncate(fd, size), 0);
    if (data_at >= 0)
        assert_int_equal(pwrite(fd, "data", 4, data_at), 4);
    assert_int_equal(close(fd), 0);
}

static void it_keeps_the_contract(void **state)
{
    struct tz_source_fixture *f = *state;
    static void (*const changes[])(void *, const char *) = {append_to_file, change_in_place,
                                                            truncate_file, change_secretly};

    tz_fixture_file(f, "source/a", "the first file");
    tz_fixture_file(f, "source/b/c", "another one");
    tz_fixture_file(f, "source/b/empty", "");
    tz_fixture_file(f, "source/b.c", "after what is in b");
    tz_fixture_directory(f, "source/none");
    tz_fixture_symlink(f, "nowhere", "source/link");
    tz_fixture_link(f, "source/a", "source/z");
    make_sparse(f, "source/sparse", 5000000, 3000000);
    make_sparse(f, "source/hole", 100000, -1);
    make_sparse(f, "source/end", 1000000, 999996);
    for (size_t i = 0; i < TZ_COUNT(changes); i++) {
        struct tz_source_contract contract = {
            .options = f->options, .content = read_from_disk, .change = changes[i], .arg = f};
        tz_source_contract_run(&contract);
    }
    assert_int_equal(f->warnings.count, 0);
}

static void holes_are_told(void **state)
{
    struct tz_source_fixture *f = *state;
    struct tz_source *source;
    struct tz_entry entry = {0};
    struct tz_input *input = NULL;
    uint8_t data[65536];
    uint64_t hole = 0, holes = 0, bytes = 0;
    size_t len = 0;

    make_sparse(f, "source/sparse", 8 << 20, 4 << 20);
    source = tz_test_source(&f->options);
    tz_fixture_next(source, &entry, "sparse");
    assert_int_equal(tz_source_load(source, &entry, &input, NULL), 0);
    do {
        assert_int_equal(tz_input_read(input, data, sizeof(data), &len, &hole, NULL), 0);
        holes += hole;
        bytes += len;
    } while (len > 0 || hole > 0);
    tz_input_free(input);
    tz_entry_clear(&entry);
    tz_source_free(source);
    assert_int_equal(holes + bytes, 8 << 20);
    struct stat st;
    TZ_SCOPED(tz_scoped_free) char *path = tz_fixture_path(f, "source/sparse");
    assert_int_equal(stat(path, &st), 0);
    if (st.st_blocks > 1000)
        skip(); /* a file system without holes */
    assert_true(holes > 7 << 20);
}

static void entries_have_what_a_stat_gives(void **state)
{
    struct tz_source_fixture *f = *state;
    struct tz_test_entries entries;
    struct stat st;
    TZ_SCOPED(tz_scoped_free) char *path = tz_fixture_path(f, "source/a");

    tz_fixture_file(f, "source/a", "12345");
    assert_int_equal(chmod(path, 04640), 0);
    const struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = -5, .tv_nsec = 77}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    assert_int_equal(stat(path, &st), 0);
    tz_test_entries(&f->options, &entries);

    const struct tz_entry *entry = tz_test_find(&entries, "a");
    assert_non_null(entry);
    assert_int_equal(entry->type, TZ_ENTRY_FILE);
    assert_int_equal(entry->mode, 04640);
    assert_int_equal(entry->uid, st.st_uid);
    assert_int_equal(entry->gid, st.st_gid);
    assert_int_equal(entry->size, 5);
    assert_int_equal(entry->mtime_s, -5);
    assert_int_equal(entry->mtime_ns, 77);
    assert_int_equal(entry->ino, st.st_ino);
    assert_int_equal(entry->ctime_s, st.st_ctim.tv_sec);
    assert_int_equal(entry->ctime_ns, st.st_ctim.tv_nsec);
    assert_non_null(tz_test_find(&entries, ""));
    assert_int_equal(tz_test_find(&entries, "")->type, TZ_ENTRY_DIRECTORY);
    tz_test_entries_clear(&entries);
}

static void load_completes_an_entry(void **state)
{
    struct tz_source_fixture *f = *state;
    struct tz_entry entry = {0};
    struct tz_input *input = NULL;
    TZ_SCOPED(tz_scoped_free) char *path = tz_fixture_path(f, "source/a");

    tz_fixture_file(f, "source/a", "text");
    bool has_xattrs = setxattr(path, "user.b", "2", 1, 0) == 0;
    has_xattrs = setxattr(path, "user.a", "", 0, 0) == 0 && has_xattrs;
    TZ_SCOPED(tz_scoped_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool has_flags = tz_inode_flags_set(fd, FS_NODUMP_FL) == 0;

    struct tz_source *source = tz_test_source(&f->options);
    tz_fixture_next(source, &entry, "a");
    assert_null(entry.user);
    assert_int_equal(tz_source_load(source, &entry, &input, NULL), 0);
    if (geteuid() == 0) {
        assert_string_equal(entry.user, "root");
        assert_string_equal(entry.group, "root");
    }
    if (has_xattrs) {
        uint32_t own = 0;
        for (uint32_t i = 0; i < entry.xattr_count; i++)
            own += strncmp(entry.xattrs[i].name, "user.", 5) == 0;
        assert_int_equal(own, 2);
    }
    if (has_flags)
        assert_int_equal(entry.inode_flags & TZ_INODE_FLAGS, FS_NODUMP_FL);
    tz_input_free(input);
    tz_entry_clear(&entry);
    tz_source_free(source);
}

/* The access time of what is backed up stays as it was. */
static void reading_leaves_no_trace(void **state)
{
    struct tz_source_fixture *f = *state;
    struct stat before, after;
    struct tz_entry entry = {0};
    struct tz_input *input = NULL;
    struct tz_buf text = {0};
    TZ_SCOPED(tz_scoped_free) char *path = tz_fixture_path(f, "source/a");

    tz_fixture_file(f, "source/a", "text");
    const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 2000}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    assert_int_equal(stat(path, &before), 0);
    struct tz_source *source = tz_test_source(&f->options);
    tz_fixture_next(source, &entry, "a");
    assert_int_equal(tz_source_load(source, &entry, &input, NULL), 0);
    tz_test_read(input, 100, &text);
    tz_input_free(input);
    tz_entry_clear(&entry);
    tz_source_free(source);
    tz_buf_clear(&text);
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(before.st_atim.tv_sec, after.st_atim.tv_sec);
    assert_int_equal(before.st_ctim.tv_nsec, after.st_ctim.tv_nsec);
}

static void several_paths_stand_under_their_full_paths(void **state)
{
    struct tz_source_fixture *f = *state;
    struct tz_buf expected = {0};
    char *folder = f->folder + 1;

    tz_fixture_file(f, "x/one/a", "a");
    tz_fixture_file(f, "x/one/d/b", "b");
    tz_fixture_file(f, "x/other", "not this one");
    tz_fixture_file(f, "x/one.two/c", "c");
    tz_fixture_file(f, "y", "y");
    f->paths[0] = tz_fixture_path(f, "y");
    f->paths[1] = tz_fixture_path(f, "x//one.two/");
    f->paths[2] = tz_fixture_path(f, "./x/one");
    f->config.paths.count = 3;

    assert_int_equal(tz_buf_printf(&expected, NULL, "d~\n"), 0);
    for (size_t i = 0; i <= strlen(folder); i++)
        if (folder[i] == '/' || folder[i] == '\0')
            assert_int_equal(tz_buf_printf(&expected, NULL, "d~%.*s\n", (int)i, folder), 0);
    static const char *const lines[][2] = {
        {"d~", "/x"},         {"d ", "/x/one"},     {"- ", "/x/one/a"},     {"d ", "/x/one/d"},
        {"- ", "/x/one/d/b"}, {"d ", "/x/one.two"}, {"- ", "/x/one.two/c"}, {"- ", "/y"},
    };
    for (size_t i = 0; i < TZ_COUNT(lines); i++)
        assert_int_equal(
            tz_buf_printf(&expected, NULL, "%s%s%s\n", lines[i][0], folder, lines[i][1]), 0);
    assert_walk(f, (char *)expected.data);
    tz_buf_clear(&expected);

    /* The files of the second path can be read, too. */
    struct tz_test_warnings warnings = {0};
    TZ_SCOPED(tz_scoped_free) char *target = tz_fixture_path(f, "target");
    (void)tz_test_copy(&f->options, target, TZ_OVERWRITE_CHANGED, &warnings);
    TZ_SCOPED(tz_scoped_free) char *original = tz_fixture_path(f, "x/one");
    TZ_SCOPED(tz_scoped_free) char *copy = tz_path_join(target, original);
    assert_int_equal(tz_odd_tree_compare(original, copy, stdout), 0);
    for (size_t i = 0; i < 3; i++)
        free(f->paths[i]);
}

static void paths_must_exist_and_be_apart(void **state)
{
    struct tz_source_fixture *f = *state;
    struct tz_error err;
    TZ_SCOPED(tz_scoped_free) char *below = tz_fixture_path(f, "source/below");
    TZ_SCOPED(tz_scoped_free) char *same = tz_fixture_path(f, "scratch/");
    TZ_SCOPED(tz_scoped_free) char *missing = tz_fixture_path(f, "missing");
    TZ_SCOPED(tz_scoped_free) char *dots = tz_fixture_path(f, "scratch/../source");

    tz_fixture_directory(f, "source/below");
    f->paths[1] = below;
    f->config.paths.count = 2;
    assert_int_equal(tz_fixture_refused(f, &err), TZ_INVALID);
    assert_non_null(strstr(err.message, below));
    f->paths[0] = f->scratch;
    f->paths[1] = same;
    assert_int_equal(tz_fixture_refused(f, &err), TZ_INVALID);
    f->paths[1] = dots;
    assert_int_equal(tz_fixture_refused(f, &err), TZ_INVALID);
    f->paths[1] = missing;
    assert_int_equal(tz_fixture_refused(f, &err), TZ_NOT_FOUND);
    assert_non_null(strstr(err.message, missing));
    f->paths[0] = missing;
    f->config.paths.count = 1;
    assert_int_equal(tz_fixture_refused(f, &err), TZ_NOT_FOUND);
    f->config.paths.count = 0;
    assert_int_equal(tz_fixture_refused(f, &err), TZ_INVALID);
}

static void a_file_can_be_the_path(void **state)
{
    struct tz_source_fixture *f = *state;
    TZ_SCOPED(tz_scoped_free) char *path = tz_fixture_path(f, "source/alone");
    TZ_SCOPED(tz_scoped_free) char *link = tz_fixture_path(f, "link");
    TZ_SCOPED(tz_scoped_free) char *target = tz_fixture_path(f, "target");

    tz_fixture_file(f, "source/alone", "content");
    f->paths[0] = path;
    assert_walk(f, "- alone\n");
    tz_fixture_symlink(f, "source/alone", "link");
    f->paths[0] = link;
    assert_walk(f, "- link\n");
    assert_int_equal(tz_test_copy(&f->options, target, TZ_OVERWRITE_CHANGED, NULL), 1);
    struct tz_buf text = {0};
    TZ_SCOPED(tz_scoped_free) char *copy = tz_path_join(target, "link");
    assert_int_equal(tz_file_read(copy, 100, &text, NULL), 0);
    assert_int_equal(text.len, 7);
    tz_buf_clear(&text);
}

static void a_link_to_a_directory_can_be_the_path(void **state)
{
    struct tz_source_fixture *f = *state;
    TZ_SCOPED(tz_scoped_free) char *link = tz_fixture_path(f, "link");

    tz_fixture_file(f, "source/a", "a");
    tz_fixture_symlink(f, "source", "link");
    tz_fixture_symlink(f, ".", "source/self");
    f->paths[0] = link;
    assert_walk(f, "d \n- a\nl self\n");
}

static void excludes_leave_out(void **state)
{
    struct tz_source_fixture *f = *state;
    TZ_SCOPED(tz_scoped_free) char *list = tz_fixture_path(f, "list");

    tz_fixture_file(f, "source/a.tmp", "");
    tz_fixture_file(f, "source/b", "");
    tz_fixture_file(f, "source/cache/x", "");
    tz_fixture_file(f, "source/d/cache", "");
    tz_fixture_file(f, "source/d/b.tmp", "");
    tz_fixture_file(f, "source/d/keep.tmp", "");
    tz_fixture_file(f, "source/only-files", "");
    tz_fixture_file(f, "list", "# from a file\n*.tmp\n!/d/keep.tmp\nonly-files/\n");
    f->excludes[0] = (char *)"cache/";
    f->config.excludes.count = 1;
    f->exclude_files[0] = list;
    f->config.exclude_files.count = 1;
    assert_walk(f, "d \n- b\nd d\n- d/cache\n- d/keep.tmp\n- only-files\n");
    f->excludes[1] = (char *)"/d";
    f->excludes[2] = (char *)"!/d/keep.tmp"; /* too late: its directory is out */
    f->excludes[3] = (char *)"!a.tmp";
    f->config.excludes.count = 4;
    assert_walk(f, "d \n- a.tmp\n- b\n- only-files\n");

    struct tz_error err;
    f->exclude_files[0] = f->folder;
    assert_int_not_equal(tz_fixture_refused(f, &err), TZ_OK);
    assert_non_null(strstr(err.message, f->folder));
}

static void ignore_files_hold_below_their_directory(void **state)
{
    struct tz_source_fixture *f = *state;

    tz_fixture_file(f, "source/.tozaiignore", "*.o\n/top\n");
    tz_fixture_file(f, "source/a.o", "");
    tz_fixture_file(f, "source/top", "");
    tz_fixture_file(f, "source/d/.tozaiignore", "!keep.o\n/x\ny/z\n");
    tz_fixture_file(f, "source/d/keep.o", "");
    tz_fixture_file(f, "source/d/other.o", "");
    tz_fixture_file(f, "source/d/top", "");
    tz_fixture_file(f, "source/d/x", "");
    tz_fixture_file(f, "source/d/y/z", "");
    tz_fixture_file(f, "source/d/y/x", "");
    tz_fixture_file(f, "source/e/keep.o", "");
    tz_fixture_file(f, "source/e/x", "");
    assert_walk(f, "d \n- .tozaiignore\nd d\n- d/.tozaiignore\n- d/keep.o\n- d/top\nd d/y\n"
                   "- d/y/x\nd e\n- e/x\n");
    f->excludes[0] = (char *)"x";
    f->config.excludes.count = 1;
    assert_walk(f, "d \n- .tozaiignore\nd d\n- d/.tozaiignore\n- d/keep.o\n- d/top\nd d/y\nd e\n");
    assert_int_equal(f->warnings.count, 0);
}

static void an_odd_ignore_file_is_a_warning(void **state)
{
    struct tz_source_fixture *f = *state;

    tz_fixture_directory(f, "source/a/.tozaiignore");
    tz_fixture_directory(f, "source/b");
    tz_fixture_symlink(f, "/dev/zero", "source/b/.tozaiignore");
    assert_walk(f, "d \nd a\nd a/.tozaiignore\nd b\nl b/.tozaiignore\n");
    assert_int_equal(f->warnings.count, 2);
    assert_string_equal(f->warnings.first_path, "a");
}

#define TAG "Signature: 8a477f597d28d172789f06886806bc55"

static void caches_are_left_empty(void **state)
{
    struct tz_source_fixture *f = *state;

    tz_fixture_file(f, "source/CACHEDIR.TAG", TAG); /* what was configured is wanted */
    tz_fixture_file(f, "source/cache/CACHEDIR.TAG", TAG "\n# more\n");
    tz_fixture_file(f, "source/cache/AAA", "");
    tz_fixture_file(f, "source/cache/data", "");
    tz_fixture_file(f, "source/no-cache/CACHEDIR.TAG", "Signature: something else altogether!!!!");
    tz_fixture_file(f, "source/no-cache/data", "");
    assert_walk(f, "d \n- CACHEDIR.TAG\nd cache\n- cache/AAA\n- cache/CACHEDIR.TAG\n"
                   "- cache/data\nd no-cache\n- no-cache/CACHEDIR.TAG\n- no-cache/data\n");
    f->config.exclude_caches = true;
    assert_walk(f, "d \n- CACHEDIR.TAG\nd cache\n- cache/CACHEDIR.TAG\nd no-cache\n"
                   "- no-cache/CACHEDIR.TAG\n- no-cache/data\n");
}

static void nodump_leaves_out(void **state)
{
    struct tz_source_fixture *f = *state;
    static const char *const marked[] = {"source/file", "source/directory"};

    tz_fixture_file(f, "source/file", "");
    tz_fixture_file(f, "source/directory/inside", "");
    tz_fixture_file(f, "source/other", "");
    for (size_t i = 0; i < TZ_COUNT(marked); i++) {
        TZ_SCOPED(tz_scoped_free) char *path = tz_fixture_path(f, marked[i]);
        TZ_SCOPED(tz_scoped_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (tz_inode_flags_set(fd, FS_NODUMP_FL))
            skip();
    }
    assert_walk(f, "d \nd directory\n- directory/inside\n- file\n- other\n");
    f->config.exclude_nodump = true;
    assert_walk(f, "d \n- other\n");
}

static void what_is_never_backed_up_is_skipped(void **state)
{
    struct tz_source_fixture *f = *state;
    struct tz_error err = {0};
    TZ_SCOPED(tz_scoped_free) char *store = tz_fixture_path(f, "source/a/store");
    TZ_SCOPED(tz_scoped_free) char *missing = tz_fixture_path(f, "missing");

    tz_fixture_file(f, "source/a/store/pack", "");
    tz_fixture_file(f, "source/a/other/store", "");
    f->never[0] = missing;
    f->never[1] = store;
    f->options.never_count = 2;
    assert_walk(f, "d \nd a\nd a/other\n- a/other/store\n");

    f->paths[0] = store;
    struct tz_source *source = tz_test_source(&f->options);
    struct tz_entry entry = {0};
    bool done = false;
    assert_int_equal(tz_source_next(source, &entry, &done, &err), -1);
    assert_int_equal(err.kind, TZ_INVALID);
    tz_source_free(source);
}

static void hard_links_name_the_first(void **state)
{
    struct tz_source_fixture *f = *state;
    struct tz_test_entries entries;

    tz_fixture_file(f, "source/b/first", "content");
    tz_fixture_directory(f, "source/a");
    tz_fixture_link(f, "source/b/first", "source/c");
    tz_fixture_link(f, "source/b/first", "source/a/z");
    tz_fixture_link(f, "source/b/first", "outside");
    tz_fixture_file(f, "source/d", "alone");
    assert_walk(f, "d \nd a\n- a/z\nd b\nh b/first\nh c\n- d\n");
    tz_test_entries(&f->options, &entries);
    assert_string_equal(tz_test_find(&entries, "b/first")->link, "a/z");
    assert_string_equal(tz_test_find(&entries, "c")->link, "a/z");
    assert_int_equal(tz_test_find(&entries, "c")->link_len, 3);
    tz_test_entries_clear(&entries);
}

/* Files are opened by load() alone, some time after next(). */
static struct tz_source_fixture *let_load_open(void **state)
{
    struct tz_source_fixture *f = *state;

    f->options.all_new = false;
    return f;
}

static void load_of(struct tz_source *source, struct tz_entry *entry, int expected)
{
    struct tz_input *input = NULL;
    struct tz_error err = {0};

    assert_int_equal(tz_source_load(source, entry, &input, &err), expected);
    if (expected == 1)
        assert_null(input);
    tz_input_free(input);
}

static void another_name_takes_the_place_of_a_first_that_vanished(void **state)
{
    struct tz_source_fixture *f = let_load_open(state);
    struct tz_entry entry = {0};

    tz_fixture_file(f, "source/a", "content");
    tz_fixture_link(f, "source/a", "source/b");
    tz_fixture_link(f, "source/a", "source/c");
    struct tz_source *source = tz_test_source(&f->options);
    tz_fixture_next(source, &entry, "a");
    tz_fixture_remove(f, "source/a");
    load_of(source, &entry, 1);
    assert_int_equal(f->warnings.count, 1);
    tz_fixture_next(source, &entry, "b");
    assert_int_equal(entry.type, TZ_ENTRY_FILE);
    load_of(source, &entry, 0);
    tz_fixture_next(source, &entry, "c");
    assert_int_equal(entry.type, TZ_ENTRY_HARDLINK);
    assert_string_equal(entry.link, "b");
    tz_entry_clear(&entry);
    tz_source_free(source);
}

static void what_vanishes_unseen_was_never_there(void **state)
{
    struct tz_source_fixture *f = *state;
    struct tz_entry entry = {0};
    bool done = false;

    tz_fixture_file(f, "source/a", "");
    tz_fixture_file(f, "source/b", "");
    tz_fixture_file(f, "source/c/d", "");
    struct tz_source *source = tz_test_source(&f->options);
    tz_fixture_next(source, &entry, "a");
    tz_fixture_remove(f, "source/b");
    tz_fixture_next(source, &entry, "c");
    tz_fixture_remove(f, "source/c");
    tz_entry_clear(&entry);
    assert_int_equal(tz_source_next(source, &entry, &done, NULL), 0);
    assert_true(done);
    tz_source_free(source);
    assert_int_equal(f->warnings.count, 0);
}

static void what_vanishes_before_load_is_a_warning(void **state)
{
    struct tz_source_fixture *f = let_load_open(state);
    struct tz_entry entry = {0};
    bool done = false;

    tz_fixture_file(f, "source/a", "");
    tz_fixture_file(f, "source/b/c", "");
    tz_fixture_symlink(f, "x", "source/l");
    struct tz_source *source = tz_test_source(&f->options);
    tz_fixture_next(source, &entry, "a");
    tz_fixture_remove(f, "source/a");
    load_of(source, &entry, 1);
    assert_string_equal(f->warnings.first_path, "a");
    assert_int_equal(f->warnings.first.kind, TZ_NOT_FOUND);
    tz_fixture_next(source, &entry, "b");
    tz_fixture_remove(f, "source/b");
    load_of(source, &entry, 1);
    tz_fixture_next(source, &entry, "l"); /* and nothing from b in between */
    tz_fixture_remove(f, "source/l");
    load_of(source, &entry, 1);
    assert_int_equal(f->warnings.count, 3);
    tz_entry_clear(&entry);
    assert_int_equal(tz_source_next(source, &entry, &done, NULL), 0);
    assert_true(done);
    tz_source_free(source);
}

static void what_becomes_a_link_is_not_followed(void **state)
{
    struct tz_source_fixture *f = let_load_open(state);
    struct tz_entry entry = {0};
    bool done = false;

    tz_fixture_file(f, "secret/inside", "secret");
    tz_fixture_file(f, "source/a", "");
    tz_fixture_file(f, "source/b/c", "");
    struct tz_source *source = tz_test_source(&f->options);
    tz_fixture_next(source, &entry, "a");
    tz_fixture_remove(f, "source/a");
    tz_fixture_symlink(f, "../secret/inside", "source/a");
    load_of(source, &entry, 1);
    tz_fixture_next(source, &entry, "b");
    tz_fixture_remove(f, "source/b");
    tz_fixture_symlink(f, "../secret", "source/b");
    tz_entry_clear(&entry);
    assert_int_equal(tz_source_next(source, &entry, &done, NULL), 0);
    assert_true(done);
    assert_int_equal(f->warnings.count, 2);
    tz_source_free(source);
}

static void what_becomes_a_fifo_does_not_block(void **state)
{
    struct tz_source_fixture *f = let_load_open(state);
    struct tz_entry entry = {0};
    TZ_SCOPED(tz_scoped_free) char *path = tz_fixture_path(f, "source/a");

    tz_fixture_file(f, "source/a", "");
    struct tz_source *source = tz_test_source(&f->options);
    tz_fixture_next(source, &entry, "a");
    tz_fixture_remove(f, "source/a");
    assert_int_equal(mkfifo(path, 0600), 0);
    load_of(source, &entry, 1);
    tz_entry_clear(&entry);
    tz_source_free(source);
}

static void a_replaced_directory_is_not_walked(void **state)
{
    struct tz_source_fixture *f = *state;
    struct tz_entry entry = {0};
    bool done = false;

    tz_fixture_file(f, "source/a/old", "");
    tz_fixture_file(f, "other/new", "");
    struct tz_source *source = tz_test_source(&f->options);
    tz_fixture_next(source, &entry, "a");
    tz_fixture_rename(f, "source/a", "moved");
    tz_fixture_rename(f, "other", "source/a");
    tz_entry_clear(&entry);
    assert_int_equal(tz_source_next(source, &entry, &done, NULL), 0);
    assert_true(done);
    assert_int_equal(f->warnings.count, 1);
    tz_source_free(source);
}

static void a_replaced_file_gives_the_new_one(void **state)
{
    struct tz_source_fixture *f = let_load_open(state);
    struct tz_entry entry = {0};
    struct tz_input *input = NULL;
    struct tz_buf text = {0};

    tz_fixture_file(f, "source/a", "old");
    tz_fixture_file(f, "new", "the new content");
    struct tz_source *source = tz_test_source(&f->options);
    tz_fixture_next(source, &entry, "a");
    uint64_t old_ino = entry.ino;
    tz_fixture_rename(f, "new", "source/a");
    assert_int_equal(tz_source_load(source, &entry, &input, NULL), 0);
    assert_int_equal(entry.size, 15);
    assert_int_not_equal(entry.ino, old_ino);
    tz_test_read(input, 4, &text);
    assert_int_equal(text.len, 15);
    tz_buf_clear(&text);
    tz_input_free(input);
    tz_entry_clear(&entry);
    tz_source_free(source);
}

static size_t count_descriptors(void)
{
    size_t count = 0;
    DIR *dir = opendir("/proc/self/fd");

    while (readdir(dir))
        count++;
    (void)closedir(dir);
    return count;
}

/* "source/d/d/d…", with "e" beside each, that many times. */
static void make_chain(struct tz_source_fixture *f, int depth)
{
    int dir = open(f->source, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    for (int i = 0; i < depth; i++) {
        assert_true(mkdirat(dir, "d", 0755) == 0 || errno == EEXIST);
        assert_true(mknodat(dir, "e", S_IFREG | 0644, 0) == 0 || errno == EEXIST);
        int next = openat(dir, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(close(dir), 0);
        dir = next;
    }
    assert_int_equal(close(dir), 0);
}

static void what_next_has_opened_is_what_load_reads(void **state)
{
    struct tz_source_fixture *f = *state;
    struct tz_entry entry = {0};
    struct tz_input *input = NULL;
    struct tz_buf text = {0};
    bool changed = false;

    f->options.all_new = true;
    tz_fixture_file(f, "source/a", "old");
    tz_fixture_file(f, "new", "the new content");
    struct tz_source *source = tz_test_source(&f->options);
    tz_fixture_next(source, &entry, "a");
    uint64_t ino = entry.ino;
    tz_fixture_rename(f, "new", "source/a");
    assert_int_equal(tz_source_load(source, &entry, &input, NULL), 0);
    tz_test_read(input, 4, &text);
    assert_int_equal(text.len, 3);
    assert_memory_equal(text.data, "old", 3);
    assert_int_equal(tz_input_finish(input, &entry, &changed, NULL), 0);
    assert_int_equal(entry.ino, ino);
    tz_buf_clear(&text);
    tz_input_free(input);
    tz_entry_clear(&entry);
    tz_source_free(source);
}

static void deep_trees_need_few_descriptors(void **state)
{
    struct tz_source_fixture *f = *state;
    struct tz_entry entry = {0};
    struct tz_error err = {0};
    size_t before = count_descriptors(), most = 0, files = 0;
    bool done = false;

    make_chain(f, 1000);
    struct tz_source *source = tz_test_source(&f->options);
    for (;;) {
        tz_entry_clear(&entry);
        if (tz_source_next(source, &entry, &done, &err))
            fail_msg("%s", err.message);
        if (done)
            break;
        files += entry.type == TZ_ENTRY_FILE;
        if (entry.path_len % 50 == 1)
            most = TZ_MAX(most, count_descriptors());
    }
    tz_source_free(source);
    assert_int_equal(files, 1000);
    assert_int_equal(f->warnings.count, 0);
    assert_true(most <= before + 66);
    assert_int_equal(count_descriptors(), before);
}

/*
 * Walk to the bottom of a chain, have a directory far above it moved away, and walk on.  How many
 * files there were: each directory of the chain has one behind it.
 */
static size_t walk_while_moving(struct tz_source_fixture *f, bool replace)
{
    struct tz_entry entry = {0};
    struct tz_error err = {0};
    size_t files = 0;
    bool done = false;
    char deepest[400] = "";

    make_chain(f, 150);
    for (int i = 0; i < 150; i++)
        memcpy(deepest + 2 * i, "d/", 2);
    deepest[299] = '\0';
    struct tz_source *source = tz_test_source(&f->options);
    tz_fixture_next(source, &entry, deepest);
    tz_fixture_rename(f, "source/d/d/d/d/d", "moved");
    if (replace)
        make_chain(f, 150);
    for (;;) {
        tz_entry_clear(&entry);
        if (tz_source_next(source, &entry, &done, &err))
            fail_msg("%s", err.message);
        if (done)
            break;
        files += entry.type == TZ_ENTRY_FILE;
    }
    tz_source_free(source);
    return files;
}

static void a_moved_directory_is_noticed_on_the_way_back(void **state)
{
    struct tz_source_fixture *f = *state;
    size_t files = walk_while_moving(f, false);

    /* Those beside open directories, and the five above the one that moved. */
    assert_true(files >= 60 && files <= 70);
    assert_int_equal(f->warnings.count, 150 - files);
}

/* In its place there is another one with the same names in it. */
static void another_directory_does_not_pass_for_the_moved_one(void **state)
{
    struct tz_source_fixture *f = *state;
    size_t files = walk_while_moving(f, true);

    assert_true(files >= 60 && files <= 70);
    assert_int_equal(f->warnings.count, 150 - files);
}

/* Run as another user in a process of its own; its result is the exit code. */
static int as_nobody(int (*run)(struct tz_source_fixture *), struct tz_source_fixture *f)
{
    int status = 0;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        if (setgid(65534) || setuid(65534))
            _exit(100);
        _exit(run(f));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 101;
}

static int walk_what_cannot_be_read(struct tz_source_fixture *f)
{
    struct tz_source *source = NULL;
    bool done = false;
    unsigned loaded = 0, left_out = 0, entries = 0;

    if (tz_source_open(&source, &f->options, NULL))
        return 10;
    for (;;) {
        struct tz_entry entry = {0};
        struct tz_input *input = NULL;
        if (tz_source_next(source, &entry, &done, NULL))
            return 11;
        if (done)
            break;
        entries++;
        int status = tz_source_load(source, &entry, &input, NULL);
        if (status < 0)
            return 12;
        loaded += status == 0;
        left_out += status == 1;
        tz_input_free(input);
        tz_entry_clear(&entry);
    }
    tz_source_free(source);
    /* "", closed, fine, fine/file, secret; the content of closed is not there */
    return entries == 5 && loaded == 4 && left_out == 1 && f->warnings.count == 2 ? 0 : 20;
}

static void what_cannot_be_read_is_a_warning(void **state)
{
    struct tz_source_fixture *f = *state;

    if (geteuid() != 0)
        skip();
    tz_fixture_file(f, "source/closed/inside", "");
    tz_fixture_file(f, "source/fine/file", "text");
    tz_fixture_file(f, "source/secret", "text");
    TZ_SCOPED(tz_scoped_free) char *closed = tz_fixture_path(f, "source/closed");
    TZ_SCOPED(tz_scoped_free) char *secret = tz_fixture_path(f, "source/secret");
    assert_int_equal(chmod(closed, 0700), 0);
    assert_int_equal(chmod(secret, 0600), 0);
    assert_int_equal(chmod(f->folder, 0755), 0);
    assert_int_equal(as_nobody(walk_what_cannot_be_read, f), 0);
}

static int walk_an_unreadable_root(struct tz_source_fixture *f)
{
    struct tz_source *source = NULL;
    struct tz_entry entry = {0};
    struct tz_error err = {0};
    bool done = false;

    if (tz_source_open(&source, &f->options, &err))
        return 10;
    if (tz_source_next(source, &entry, &done, &err) || done)
        return 11;
    tz_entry_clear(&entry);
    if (tz_source_next(source, &entry, &done, &err) != -1 || err.kind != TZ_DENIED)
        return 12;
    tz_source_free(source);
    return strstr(err.message, f->source) ? 0 : 13;
}

/* An empty backup of all that was asked for would look like a good one. */
static void a_path_that_cannot_be_read_is_an_error(void **state)
{
    struct tz_source_fixture *f = *state;

    if (geteuid() != 0)
        skip();
    tz_fixture_file(f, "source/file", "");
    assert_int_equal(chmod(f->source, 0700), 0);
    assert_int_equal(chmod(f->folder, 0755), 0);
    assert_int_equal(as_nobody(walk_an_unreadable_root, f), 0);
}

static int walk_across_a_mount(struct tz_source_fixture *f)
{
    TZ_SCOPED(tz_scoped_free) char *mounted = tz_fixture_path(f, "source/mounted");
    static const char all[] = "d \n- a\nd mounted\n- mounted/inside\n- z\n";
    static const char one[] = "d \n- a\nd mounted\n- z\n";

    if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
        mount("none", mounted, "tmpfs", 0, "size=64k"))
        return 77;
    TZ_SCOPED(tz_scoped_free) char *file = tz_fixture_path(f, "source/mounted/inside");
    int fd = open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0 || close(fd))
        return 10;
    TZ_SCOPED(tz_scoped_free) char *whole = tz_fixture_walk(f);
    f->config.one_file_system = true;
    TZ_SCOPED(tz_scoped_free) char *part = tz_fixture_walk(f);
    return strcmp(whole, all) == 0 && strcmp(part, one) == 0 ? 0 : 11;
}

static void one_file_system_ends_at_mount_points(void **state)
{
    struct tz_source_fixture *f = *state;
    int status = 0;

    tz_fixture_file(f, "source/a", "");
    tz_fixture_directory(f, "source/mounted");
    tz_fixture_file(f, "source/z", "");
    pid_t pid = fork();
    if (pid == 0)
        _exit(walk_across_a_mount(f));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* Files that the kernel makes up are of any size but the one they say. */
static void a_file_that_ends_early_has_changed(void **state)
{
    struct tz_source_fixture *f = *state;
    struct tz_entry entry = {0};
    struct tz_input *input = NULL;
    struct tz_buf text = {0};
    bool changed = false;

    f->paths[0] = (char *)"/sys/devices/system/cpu/possible";
    if (access(f->paths[0], R_OK))
        skip();
    struct tz_source *source = tz_test_source(&f->options);
    tz_fixture_next(source, &entry, "possible");
    assert_int_equal(tz_source_load(source, &entry, &input, NULL), 0);
    assert_true(entry.size > 1000);
    tz_test_read(input, 4096, &text);
    assert_in_range(text.len, 1, 1000);
    assert_int_equal(tz_input_finish(input, &entry, &changed, NULL), 0);
    assert_true(changed);
    tz_buf_clear(&text);
    tz_input_free(input);
    tz_entry_clear(&entry);
    tz_source_free(source);
}

static void pages_are_recognized(void **state)
{
    struct tz_source_fixture *f = *state;
    struct tz_entry entry = {0};
    struct tz_input *input = NULL;

    tz_fixture_file(f, "source/base/5/16384", "");
    make_sparse(f, "source/base/5/16384", 131072, 8192);
    struct tz_source *source = tz_test_source(&f->options);
    tz_fixture_next(source, &entry, "base/5/16384");
    assert_int_equal(tz_source_load(source, &entry, &input, NULL), 0);
    assert_int_equal(tz_input_hints(input)->block_size, 8192);
    assert_false(tz_input_hints(input)->sequential);
    tz_input_free(input);
    tz_entry_clear(&entry);
    tz_source_free(source);
}

/* Each test runs both ways: what next() opens for itself, and what load() opens. */
static bool all_new;

static int set_up(void **state)
{
    int failed = tz_source_fixture_set_up(state);
    struct tz_source_fixture *f = *state;

    f->options.all_new = all_new;
    return failed;
}

#define TEST(function)                                                                             \
    cmocka_unit_test_setup_teardown(function, set_up, tz_source_fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_keeps_the_contract),
        TEST(holes_are_told),
        TEST(entries_have_what_a_stat_gives),
        TEST(load_completes_an_entry),
        TEST(reading_leaves_no_trace),
        TEST(several_paths_stand_under_their_full_paths),
        TEST(paths_must_exist_and_be_apart),
        TEST(a_file_can_be_the_path),
        TEST(a_link_to_a_directory_can_be_the_path),
        TEST(excludes_leave_out),
        TEST(ignore_files_hold_below_their_directory),
        TEST(an_odd_ignore_file_is_a_warning),
        TEST(caches_are_left_empty),
        TEST(nodump_leaves_out),
        TEST(what_is_never_backed_up_is_skipped),
        TEST(hard_links_name_the_first),
        TEST(another_name_takes_the_place_of_a_first_that_vanished),
        TEST(what_vanishes_unseen_was_never_there),
        TEST(what_vanishes_before_load_is_a_warning),
        TEST(what_becomes_a_link_is_not_followed),
        TEST(what_becomes_a_fifo_does_not_block),
        TEST(a_replaced_directory_is_not_walked),
        TEST(a_replaced_file_gives_the_new_one),
        TEST(what_next_has_opened_is_what_load_reads),
        TEST(deep_trees_need_few_descriptors),
        TEST(a_moved_directory_is_noticed_on_the_way_back),
        TEST(another_directory_does_not_pass_for_the_moved_one),
        TEST(what_cannot_be_read_is_a_warning),
        TEST(a_path_that_cannot_be_read_is_an_error),
        TEST(one_file_system_ends_at_mount_points),
        TEST(a_file_that_ends_early_has_changed),
        TEST(pages_are_recognized),
    };
    int failed = cmocka_run_group_tests_name("some known", tests, NULL, NULL);
    all_new = true;
    return failed + cmocka_run_group_tests_name("all new", tests, NULL, NULL);
}
