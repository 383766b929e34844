#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "odd_tree.h"
#include "source_fixture.h"

#include "tozai/core/inode_flags.h"
#include "tozai/core/place.h"
#include "tozai/util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

/* The fixture's source folder is the target here. */
static struct tz_place *open_place(struct tz_source_fixture *f, enum tz_overwrite overwrite)
{
    struct tz_place *place = NULL;
    struct tz_error err = {0};

    if (tz_place_open(&place, f->source, overwrite, tz_test_warn, &f->warnings, &err))
        fail_msg("%s", err.message);
    return place;
}

static struct tz_entry entry_of(const char *path, enum tz_entry_type type, uint32_t mode)
{
    return (struct tz_entry){.path = (char *)path,
                             .path_len = strlen(path),
                             .type = type,
                             .mode = mode,
                             .uid = geteuid(),
                             .gid = getegid(),
                             .mtime_s = 1234567890,
                             .mtime_ns = 5};
}

static int put_file(struct tz_place *place, const char *path, const char *text,
                    struct tz_error *err)
{
    struct tz_entry entry = entry_of(path, TZ_ENTRY_FILE, 0644);
    uint64_t old_size = 0;
    int fd = -1;

    entry.size = strlen(text);
    if (tz_place_file(place, &entry, &fd, &old_size, NULL, err))
        return -1;
    if (fd < 0)
        return 0;
    if (tz_pwrite_all(fd, text, strlen(text), 0, err)) {
        (void)close(fd);
        return -1;
    }
    return tz_place_finish_file(place, &entry, fd, err);
}

static int put_directory(struct tz_place *place, const char *path, struct tz_error *err)
{
    struct tz_entry entry = entry_of(path, TZ_ENTRY_DIRECTORY, 0755);
    return tz_place_directory(place, &entry, err);
}

static int put_link(struct tz_place *place, enum tz_entry_type type, const char *path,
                    const char *link, struct tz_error *err)
{
    struct tz_entry entry = entry_of(path, type, 0777);
    entry.link = (char *)link;
    entry.link_len = strlen(link);
    return tz_place_other(place, &entry, err);
}

static void assert_content(const struct tz_source_fixture *f, const char *path,
                           const char *expected)
{
    TZ_SCOPED(tz_scoped_free) char *full = tz_fixture_path(f, path);
    struct tz_buf text = {0};

    assert_int_equal(tz_file_read(full, 100000, &text, NULL), 0);
    assert_int_equal(text.len, strlen(expected));
    if (text.len > 0)
        assert_memory_equal(text.data, expected, text.len);
    tz_buf_clear(&text);
}

static struct stat stat_of(const struct tz_source_fixture *f, const char *path)
{
    TZ_SCOPED(tz_scoped_free) char *full = tz_fixture_path(f, path);
    struct stat st;

    if (lstat(full, &st))
        fail_msg("%s: %s", full, strerrordesc_np(errno));
    return st;
}

static bool is_there(const struct tz_source_fixture *f, const char *path)
{
    TZ_SCOPED(tz_scoped_free) char *full = tz_fixture_path(f, path);
    struct stat st;
    return lstat(full, &st) == 0;
}

static void the_target_is_made(void **state)
{
    struct tz_source_fixture *f = *state;
    struct tz_place *place = NULL;
    struct tz_error err = {0};
    TZ_SCOPED(tz_scoped_free) char *target = tz_fixture_path(f, "a/b/c");

    assert_int_equal(tz_place_open(&place, target, TZ_OVERWRITE_NEVER, NULL, NULL, &err), 0);
    assert_true(S_ISDIR(stat_of(f, "a/b/c").st_mode));
    assert_int_equal(put_file(place, "x", "text", NULL), 0);
    assert_int_equal(tz_place_sync(place, NULL), 0);
    tz_place_free(place);
    assert_content(f, "a/b/c/x", "text");
}

static void a_file_is_no_target(void **state)
{
    struct tz_source_fixture *f = *state;
    struct tz_place *place = NULL;
    struct tz_error err = {0};
    TZ_SCOPED(tz_scoped_free) char *target = tz_fixture_path(f, "file");

    tz_fixture_file(f, "file", "");
    assert_int_equal(tz_place_open(&place, target, TZ_OVERWRITE_NEVER, NULL, NULL, &err), -1);
    assert_int_equal(err.kind, TZ_INVALID);
    assert_null(place);
    tz_place_free(NULL);
}

static void a_hostile_path_is_refused(void **state)
{
    struct tz_source_fixture *f = *state;
    struct tz_place *place = open_place(f, TZ_OVERWRITE_ALWAYS);
    static const char *const paths[] = {"../x", "/x",  "a/../../x", ".", "..", "a//b",
                                        "a/",   "./x", "a/..",      "",  "a/."};

    assert_int_equal(put_directory(place, "a", NULL), 0);
    for (size_t i = 0; i < TZ_COUNT(paths); i++) {
        struct tz_error err = {0};
        assert_int_equal(put_file(place, paths[i], "x", &err), -1);
        assert_int_equal(err.kind, TZ_CORRUPT);
        err = (struct tz_error){0};
        assert_int_equal(put_link(place, TZ_ENTRY_SYMLINK, paths[i], "x", &err), -1);
        assert_int_equal(err.kind, TZ_CORRUPT);
        if (paths[i][0] == '\0')
            continue; /* the root is a directory */
        assert_int_equal(put_directory(place, paths[i], NULL), -1);
        assert_int_equal(put_link(place, TZ_ENTRY_HARDLINK, "link", paths[i], NULL), -1);
    }
    assert_false(is_there(f, "x"));
    tz_place_free(place);
}

static void a_link_to_the_outside_is_not_followed(void **state)
{
    struct tz_source_fixture *f = *state;
    struct tz_place *place = open_place(f, TZ_OVERWRITE_ALWAYS);
    struct tz_entry inside = entry_of("out/file", TZ_ENTRY_FILE, 0644);
    struct tz_entry directory = entry_of("out", TZ_ENTRY_DIRECTORY, 0700);
    struct tz_error err = {0};
    int fd = -1;

    tz_fixture_file(f, "outside/file", "untouched");
    tz_fixture_symlink(f, "../outside", "source/out");
    tz_fixture_symlink(f, "../outside/file", "source/file");
    tz_fixture_symlink(f, "/", "source/root");

    /* As a directory on the way. */
    assert_int_equal(put_file(place, "out/file", "evil", &err), -1);
    assert_int_equal(put_file(place, "out/new", "evil", NULL), -1);
    assert_int_equal(put_directory(place, "out/new", NULL), -1);
    assert_int_equal(put_link(place, TZ_ENTRY_SYMLINK, "out/new", "x", NULL), -1);
    assert_int_equal(put_file(place, "root/tmp/tozai-evil", "evil", NULL), -1);
    assert_int_equal(tz_place_reopen(place, &inside, &fd, NULL), -1);
    assert_int_equal(put_link(place, TZ_ENTRY_HARDLINK, "link", "out/file", NULL), -1);
    assert_int_equal(tz_place_finish_directory(place, &directory, NULL), -1);
    assert_false(is_there(f, "outside/new"));
    assert_content(f, "outside/file", "untouched");

    /* As the file itself: it is replaced. */
    assert_int_equal(put_file(place, "file", "mine", NULL), 0);
    assert_true(S_ISREG(stat_of(f, "source/file").st_mode));
    assert_content(f, "source/file", "mine");
    assert_content(f, "outside/file", "untouched");

    /* As the directory itself: it is replaced. */
    assert_int_equal(put_directory(place, "out", NULL), 0);
    assert_true(S_ISDIR(stat_of(f, "source/out").st_mode));
    assert_int_equal(put_file(place, "out/file", "mine", NULL), 0);
    assert_content(f, "outside/file", "untouched");
    tz_place_free(place);
}

/* The directory is known, and open, when somebody puts a link in its place. */
static void a_directory_swapped_during_the_restore_leads_nowhere(void **state)
{
    struct tz_source_fixture *f = *state;
    struct tz_place *place = open_place(f, TZ_OVERWRITE_ALWAYS);
    struct tz_entry file = entry_of("a/b/one", TZ_ENTRY_FILE, 0644);
    uint64_t old_size = 0;
    int fd = -1;

    tz_fixture_file(f, "outside/b/one", "untouched");
    assert_int_equal(put_directory(place, "a", NULL), 0);
    assert_int_equal(put_directory(place, "a/b", NULL), 0);
    assert_int_equal(tz_place_file(place, &file, &fd, &old_size, NULL, NULL), 0);
    tz_fixture_rename(f, "source/a", "source/moved");
    tz_fixture_symlink(f, "../outside", "source/a");

    /* What is open goes on where it was; what is new finds no way. */
    assert_int_equal(tz_place_finish_file(place, &file, fd, NULL), 0);
    (void)put_file(place, "a/b/two", "evil", NULL);
    (void)put_directory(place, "a/c", NULL);
    assert_int_equal(put_directory(place, "a/b/c/d", NULL), -1);
    struct tz_entry directory = entry_of("a", TZ_ENTRY_DIRECTORY, 0123);
    assert_int_equal(tz_place_finish_directory(place, &directory, NULL), -1);
    tz_place_free(place);
    assert_content(f, "outside/b/one", "untouched");
    assert_false(is_there(f, "outside/b/two"));
    assert_false(is_there(f, "outside/c"));
    assert_int_not_equal(stat_of(f, "outside").st_mode & 0777, 0123);
}

struct swapper {
    int dir;
    atomic_bool stop;
};

/* Exchange a directory and a link to the outside, over and over. */
static void *swap_for_ever(void *arg)
{
    struct swapper *swapper = arg;

    while (!swapper->stop)
        (void)renameat2(swapper->dir, "a", swapper->dir, "link", RENAME_EXCHANGE);
    return NULL;
}

static void a_race_with_a_link_is_never_lost(void **state)
{
    struct tz_source_fixture *f = *state;
    struct swapper swapper = {.dir = open(f->source, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    pthread_t thread;
    unsigned made = 0;

    tz_fixture_file(f, "outside/kept", "untouched");
    tz_fixture_directory(f, "source/a");
    tz_fixture_symlink(f, "../outside", "source/link");
    assert_int_equal(pthread_create(&thread, NULL, swap_for_ever, &swapper), 0);
    for (int i = 0; i < 2000; i++) {
        struct tz_place *place = open_place(f, TZ_OVERWRITE_CHANGED);
        char name[32];
        (void)snprintf(name, sizeof(name), "a/%d", i);
        made += put_file(place, name, "x", NULL) == 0;
        tz_place_free(place);
    }
    swapper.stop = true;
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(close(swapper.dir), 0);
    assert_true(made > 0);

    struct tz_test_entries entries;
    TZ_SCOPED(tz_scoped_free) char *outside = tz_fixture_path(f, "outside");
    f->paths[0] = outside;
    tz_test_entries(&f->options, &entries);
    assert_int_equal(entries.count, 2); /* itself and what was there */
    tz_test_entries_clear(&entries);
}

static void a_file_with_other_names_is_not_written_through(void **state)
{
    struct tz_source_fixture *f = *state;
    struct tz_place *place = open_place(f, TZ_OVERWRITE_ALWAYS);

    tz_fixture_file(f, "outside", "untouched");
    tz_fixture_link(f, "outside", "source/file");
    assert_int_equal(put_file(place, "file", "mine", NULL), 0);
    assert_content(f, "outside", "untouched");
    assert_content(f, "source/file", "mine");
    assert_int_equal(stat_of(f, "outside").st_nlink, 1);
    tz_place_free(place);
}

static void overwrite_says_what_happens_to_an_old_file(void **state)
{
    struct tz_source_fixture *f = *state;
    struct tz_entry entry = entry_of("file", TZ_ENTRY_FILE, 0600);
    const struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1234567890, .tv_nsec = 5}};
    TZ_SCOPED(tz_scoped_free) char *path = tz_fixture_path(f, "source/file");
    uint64_t old_size = 0;
    int fd = -1;

    entry.size = 3;
    tz_fixture_file(f, "source/file", "old");
    struct tz_place *never = open_place(f, TZ_OVERWRITE_NEVER);
    assert_int_equal(tz_place_file(never, &entry, &fd, &old_size, NULL, NULL), 0);
    assert_int_equal(fd, -1);
    tz_place_free(never);

    struct tz_place *changed = open_place(f, TZ_OVERWRITE_CHANGED);
    assert_int_equal(tz_place_file(changed, &entry, &fd, &old_size, NULL, NULL), 0);
    assert_true(fd >= 0); /* another time */
    assert_int_equal(old_size, 3);
    assert_int_equal(close(fd), 0);
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    assert_int_equal(tz_place_file(changed, &entry, &fd, &old_size, NULL, NULL), 0);
    assert_int_equal(fd, -1);
    entry.size = 4;
    assert_int_equal(tz_place_file(changed, &entry, &fd, &old_size, NULL, NULL), 0);
    assert_true(fd >= 0); /* another size */
    assert_int_equal(close(fd), 0);
    tz_place_free(changed);
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);

    struct tz_place *always = open_place(f, TZ_OVERWRITE_ALWAYS);
    ino_t before = stat_of(f, "source/file").st_ino;
    assert_int_equal(tz_place_file(always, &entry, &fd, &old_size, NULL, NULL), 0);
    assert_true(fd >= 0);
    assert_int_equal(old_size, 3);
    assert_int_equal(pwrite(fd, "newer", 5, 0), 5);
    entry.size = 3;
    assert_int_equal(tz_place_finish_file(always, &entry, fd, NULL), 0);
    assert_content(f, "source/file", "new");
    assert_int_equal(stat_of(f, "source/file").st_ino, before);
    assert_int_equal(stat_of(f, "source/file").st_mode & 07777, 0600);
    tz_place_free(always);
}

static void a_file_never_opens_wider_than_it_will_be(void **state)
{
    struct tz_source_fixture *f = *state;
    struct tz_entry entry = entry_of("new", TZ_ENTRY_FILE, 0644);
    TZ_SCOPED(tz_scoped_free) char *path = tz_fixture_path(f, "source/old");
    struct tz_place *place = open_place(f, TZ_OVERWRITE_ALWAYS);
    uint64_t old_size = 0;
    int fd = -1;

    assert_int_equal(tz_place_file(place, &entry, &fd, &old_size, NULL, NULL), 0);
    assert_int_equal(stat_of(f, "source/new").st_mode & 07777, 0600);
    assert_int_equal(tz_place_finish_file(place, &entry, fd, NULL), 0);
    assert_int_equal(stat_of(f, "source/new").st_mode & 07777, 0644);

    tz_fixture_file(f, "source/old", "x");
    assert_int_equal(chmod(path, 0666), 0);
    entry = entry_of("old", TZ_ENTRY_FILE, 0640);
    assert_int_equal(tz_place_file(place, &entry, &fd, &old_size, NULL, NULL), 0);
    assert_int_equal(stat_of(f, "source/old").st_mode & 07777, 0600);
    assert_int_equal(tz_place_finish_file(place, &entry, fd, NULL), 0);
    assert_int_equal(stat_of(f, "source/old").st_mode & 07777, 0640);
    tz_place_free(place);
}

static void old_metadata_goes_away(void **state)
{
    struct tz_source_fixture *f = *state;
    TZ_SCOPED(tz_scoped_free) char *path = tz_fixture_path(f, "source/file");
    struct tz_place *place = open_place(f, TZ_OVERWRITE_ALWAYS);
    uint32_t flags = 0;

    tz_fixture_file(f, "source/file", "old");
    if (setxattr(path, "user.old", "x", 1, 0))
        skip();
    TZ_SCOPED(tz_scoped_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool flagged = tz_inode_flags_set(fd, FS_NODUMP_FL | FS_IMMUTABLE_FL) == 0;
    assert_int_equal(put_file(place, "file", "new", NULL), 0);
    assert_content(f, "source/file", "new");
    assert_int_equal(getxattr(path, "user.old", NULL, 0), -1);
    if (flagged) {
        assert_true(tz_inode_flags_get(fd, &flags));
        assert_int_equal(flags, 0);
    }
    assert_int_equal(f->warnings.count, 0);
    tz_place_free(place);
}

/* A target whose directories hand their default ACL down must not change what is restored. */
static void a_default_acl_of_the_target_is_not_inherited(void **state)
{
    struct tz_source_fixture *f = *state;
    /* user::rwx user:1:rwx group::r-x mask::rwx other::--- */
    static const uint8_t acl[] = {2, 0, 0,   0,   1,   0,   7,  0, 255, 255, 255, 255, 2,   0,  7,
                                  0, 1, 0,   0,   0,   4,   0,  5, 0,   255, 255, 255, 255, 16, 0,
                                  7, 0, 255, 255, 255, 255, 32, 0, 0,   0,   255, 255, 255, 255};
    static const char *const names[] = {"file", "directory/file", "fifo", "directory"};
    struct tz_entry directory = entry_of("directory", TZ_ENTRY_DIRECTORY, 0750);
    struct tz_entry fifo = entry_of("fifo", TZ_ENTRY_FIFO, 0640);

    if (setxattr(f->source, "system.posix_acl_default", acl, sizeof(acl), 0))
        skip();
    struct tz_place *place = open_place(f, TZ_OVERWRITE_CHANGED);
    assert_int_equal(put_file(place, "file", "x", NULL), 0);
    assert_int_equal(tz_place_directory(place, &directory, NULL), 0);
    assert_int_equal(put_file(place, "directory/file", "x", NULL), 0);
    assert_int_equal(tz_place_other(place, &fifo, NULL), 0);
    assert_int_equal(tz_place_finish_directory(place, &directory, NULL), 0);
    tz_place_free(place);
    for (size_t i = 0; i < TZ_COUNT(names); i++) {
        TZ_SCOPED(tz_scoped_free) char *path = tz_path_join(f->source, names[i]);
        assert_int_equal(getxattr(path, "system.posix_acl_access", NULL, 0), -1);
        assert_int_equal(getxattr(path, "system.posix_acl_default", NULL, 0), -1);
    }
    assert_int_equal(stat_of(f, "source/file").st_mode & 07777, 0644);
    assert_int_equal(stat_of(f, "source/fifo").st_mode & 07777, 0640);
    assert_int_equal(stat_of(f, "source/directory").st_mode & 07777, 0750);
    assert_int_equal(f->warnings.count, 0);
}

/* In a setgid directory new files get its group; setgid directories hand the bit down. */
static void a_setgid_target_is_not_inherited(void **state)
{
    struct tz_source_fixture *f = *state;
    struct tz_entry directory = entry_of("directory", TZ_ENTRY_DIRECTORY, 0750);

    if (geteuid() != 0)
        skip();
    assert_int_equal(chown(f->source, 1, 2), 0);
    assert_int_equal(chmod(f->source, 02755), 0);
    struct tz_place *place = open_place(f, TZ_OVERWRITE_CHANGED);
    assert_int_equal(put_file(place, "file", "x", NULL), 0);
    assert_int_equal(put_link(place, TZ_ENTRY_SYMLINK, "link", "x", NULL), 0);
    assert_int_equal(tz_place_directory(place, &directory, NULL), 0);
    assert_int_equal(tz_place_finish_directory(place, &directory, NULL), 0);
    tz_place_free(place);
    assert_int_equal(stat_of(f, "source/file").st_gid, 0);
    assert_int_equal(stat_of(f, "source/link").st_gid, 0);
    assert_int_equal(stat_of(f, "source/directory").st_gid, 0);
    assert_int_equal(stat_of(f, "source/directory").st_mode & 07777, 0750);
}

static void make_deep(struct tz_source_fixture *f, const char *path, int depth)
{
    TZ_SCOPED(tz_scoped_free) char *full = tz_fixture_path(f, path);
    int dir = open(full, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char name[200];

    memset(name, 'x', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    for (int i = 0; i < depth; i++) {
        assert_int_equal(mkdirat(dir, name, 0755), 0);
        assert_int_equal(mkdirat(dir, "empty", 0), 0);
        assert_int_equal(mknodat(dir, "file", S_IFREG | 0600, 0), 0);
        assert_int_equal(symlinkat("/etc", dir, "link"), 0);
        int next = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(close(dir), 0);
        dir = next;
    }
    assert_int_equal(close(dir), 0);
}

static void a_deep_tree_gives_way_to_a_file(void **state)
{
    struct tz_source_fixture *f = *state;
    struct tz_place *place = open_place(f, TZ_OVERWRITE_CHANGED);

    tz_fixture_file(f, "outside/file", "untouched");
    tz_fixture_directory(f, "source/file");
    tz_fixture_symlink(f, "../../outside", "source/file/out");
    make_deep(f, "source/file", 100);
    assert_int_equal(put_file(place, "file", "new", NULL), 0);
    assert_content(f, "source/file", "new");
    assert_content(f, "outside/file", "untouched");
    tz_place_free(place);
}

static int replace_a_mount(struct tz_source_fixture *f)
{
    TZ_SCOPED(tz_scoped_free) char *mounted = tz_fixture_path(f, "source/file/below/mounted");
    struct tz_place *place = NULL;
    struct tz_error err = {0};

    if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
        return 77;
    TZ_SCOPED(tz_scoped_free) char *other = tz_fixture_path(f, "other");
    if (mount(other, mounted, NULL, MS_BIND, NULL))
        return 77;
    if (tz_place_open(&place, f->source, TZ_OVERWRITE_ALWAYS, NULL, NULL, &err))
        return 10;
    if (put_file(place, "file", "new", &err) == 0)
        return 11;
    tz_place_free(place);
    return err.sys_errno == EBUSY ? 0 : 12;
}

/* It may be another file system, or the directory of somebody else. */
static void a_mount_is_never_emptied(void **state)
{
    struct tz_source_fixture *f = *state;
    int status = 0;

    tz_fixture_file(f, "other/file", "untouched");
    tz_fixture_directory(f, "source/file/below/mounted");
    pid_t pid = fork();
    if (pid == 0)
        _exit(replace_a_mount(f));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_content(f, "other/file", "untouched");
}

static void hard_links_are_made_again(void **state)
{
    struct tz_source_fixture *f = *state;
    struct tz_place *place = open_place(f, TZ_OVERWRITE_CHANGED);
    struct tz_error err = {0};

    assert_int_equal(put_file(place, "first", "x", NULL), 0);
    assert_int_equal(put_directory(place, "d", NULL), 0);
    for (int i = 0; i < 2; i++) /* the second time it is there already */
        assert_int_equal(put_link(place, TZ_ENTRY_HARDLINK, "d/second", "first", NULL), 0);
    assert_int_equal(stat_of(f, "source/first").st_ino, stat_of(f, "source/d/second").st_ino);
    tz_fixture_remove(f, "source/d/second");
    tz_fixture_file(f, "source/d/second", "another");
    assert_int_equal(put_link(place, TZ_ENTRY_HARDLINK, "d/second", "first", NULL), 0);
    assert_int_equal(stat_of(f, "source/first").st_ino, stat_of(f, "source/d/second").st_ino);
    assert_int_equal(put_link(place, TZ_ENTRY_HARDLINK, "third", "missing", &err), -1);
    assert_int_equal(err.kind, TZ_NOT_FOUND);
    assert_int_equal(put_link(place, TZ_ENTRY_HARDLINK, "third", "", NULL), -1);
    tz_place_free(place);
}

/* A first name that is a symbolic link to the outside: the link gets another name, not its target.
 */
static void a_hard_link_to_a_planted_link_stays_inside(void **state)
{
    struct tz_source_fixture *f = *state;
    struct tz_place *place = open_place(f, TZ_OVERWRITE_CHANGED);

    tz_fixture_file(f, "outside", "untouched");
    tz_fixture_symlink(f, "../outside", "source/first");
    (void)put_link(place, TZ_ENTRY_HARDLINK, "second", "first", NULL);
    assert_int_equal(stat_of(f, "outside").st_nlink, 1);
    tz_place_free(place);
}

static void an_old_symlink_is_kept_or_replaced(void **state)
{
    struct tz_source_fixture *f = *state;
    struct tz_place *place = open_place(f, TZ_OVERWRITE_CHANGED);
    TZ_SCOPED(tz_scoped_free) char *path = tz_fixture_path(f, "source/link");
    char target[64] = "";

    tz_fixture_symlink(f, "same", "source/link");
    ino_t before = stat_of(f, "source/link").st_ino;
    assert_int_equal(put_link(place, TZ_ENTRY_SYMLINK, "link", "same", NULL), 0);
    assert_int_equal(stat_of(f, "source/link").st_ino, before);
    assert_int_equal(stat_of(f, "source/link").st_mtim.tv_sec, 1234567890);
    assert_int_equal(put_link(place, TZ_ENTRY_SYMLINK, "link", "samples", NULL), 0);
    assert_int_equal(readlink(path, target, sizeof(target) - 1), 7);
    assert_string_equal(target, "samples");
    tz_place_free(place);
}

static void a_type_nobody_knows_is_refused(void **state)
{
    struct tz_source_fixture *f = *state;
    struct tz_place *place = open_place(f, TZ_OVERWRITE_CHANGED);
    struct tz_entry entry = entry_of("x", (enum tz_entry_type)77, 0644);
    struct tz_error err = {0};

    assert_int_equal(tz_place_other(place, &entry, &err), -1);
    assert_int_equal(err.kind, TZ_CORRUPT);
    entry.type = TZ_ENTRY_SYMLINK; /* without a target */
    assert_int_equal(tz_place_other(place, &entry, &err), -1);
    assert_int_equal(err.kind, TZ_CORRUPT);
    tz_place_free(place);
}

static void impossible_times_do_no_harm(void **state)
{
    struct tz_source_fixture *f = *state;
    struct tz_place *place = open_place(f, TZ_OVERWRITE_CHANGED);
    struct tz_entry entry = entry_of("x", TZ_ENTRY_FIFO, 0644);

    entry.mtime_ns = (1U << 30) - 1; /* to utimensat() that is "now" */
    assert_int_equal(tz_place_other(place, &entry, NULL), 0);
    assert_int_equal(stat_of(f, "source/x").st_mtim.tv_sec, 1234567890);
    entry = entry_of("y", TZ_ENTRY_FIFO, 0644);
    entry.mtime_s = INT64_MAX;
    assert_int_equal(tz_place_other(place, &entry, NULL), 0);
    entry = entry_of("z", TZ_ENTRY_FILE, 0644);
    entry.size = UINT64_MAX;
    uint64_t old_size = 0;
    int fd = -1;
    assert_int_equal(tz_place_file(place, &entry, &fd, &old_size, NULL, NULL), 0);
    assert_int_equal(tz_place_finish_file(place, &entry, fd, NULL), -1);
    tz_place_free(place);
}

static void reopen_reads_only_files(void **state)
{
    struct tz_source_fixture *f = *state;
    struct tz_place *place = open_place(f, TZ_OVERWRITE_CHANGED);
    struct tz_entry entry = entry_of("file", TZ_ENTRY_FILE, 0644);
    char text[8] = "";
    int fd = -1;

    assert_int_equal(tz_place_reopen(place, &entry, &fd, NULL), -1);
    assert_int_equal(put_file(place, "file", "text", NULL), 0);
    assert_int_equal(tz_place_reopen(place, &entry, &fd, NULL), 0);
    assert_int_equal(read(fd, text, sizeof(text)), 4);
    assert_int_equal(close(fd), 0);
    tz_fixture_remove(f, "source/file");
    TZ_SCOPED(tz_scoped_free) char *path = tz_fixture_path(f, "source/file");
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(tz_place_reopen(place, &entry, &fd, NULL), -1);
    tz_fixture_remove(f, "source/file");
    tz_fixture_symlink(f, "/etc/passwd", "source/file");
    assert_int_equal(tz_place_reopen(place, &entry, &fd, NULL), -1);
    tz_place_free(place);
}

/* Without root: what may not be set is counted, said once, and loses what it must. */
static int restore_as_nobody(struct tz_source_fixture *f)
{
    static struct tz_test_warnings warnings;
    struct tz_place *place = NULL;
    struct tz_entry file = entry_of("a", TZ_ENTRY_FILE, 06755);
    struct tz_entry device = entry_of("device", TZ_ENTRY_CHARACTER, 0600);
    struct tz_entry directory = entry_of("d", TZ_ENTRY_DIRECTORY, 0500);
    struct tz_xattr xattr = {
        .name = (char *)"user.x", .value = (uint8_t *)(char *)"1", .value_len = 1};
    struct stat st;
    uint64_t old_size = 0;
    int fd = -1;

    if (chdir(f->source) ||
        tz_place_open(&place, ".", TZ_OVERWRITE_ALWAYS, tz_test_warn, &warnings, NULL))
        return 10;
    for (int i = 0; i < 2; i++) {
        file.path = (char *)(i ? "b" : "a");
        file.uid = file.gid = 12345;
        if (tz_place_file(place, &file, &fd, &old_size, NULL, NULL) ||
            tz_place_finish_file(place, &file, fd, NULL) || stat(file.path, &st))
            return 11;
        if ((st.st_mode & 07777) != 0755) /* no setuid for the wrong user */
            return 12;
    }
    if (warnings.count != 2 || tz_place_warnings(place) != 4)
        return 13;
    device.device = (uint64_t)1 << 32 | 3;
    device.path = (char *)"device";
    if (tz_place_other(place, &device, NULL) || warnings.count != 3)
        return 14;
    if (tz_place_directory(place, &directory, NULL) ||
        tz_place_finish_directory(place, &directory, NULL) || stat("d", &st) ||
        (st.st_mode & 07777) != 0500)
        return 15;
    /* A second restore into the directory that it may not write to now. */
    if (tz_place_directory(place, &directory, NULL) || put_file(place, "d/file", "x", NULL) ||
        tz_place_finish_directory(place, &directory, NULL))
        return 16;
    /* A file that may not be written to, and the attribute of one. */
    file = entry_of("c", TZ_ENTRY_FILE, 0444);
    file.uid = geteuid();
    file.gid = getegid();
    file.xattrs = &xattr;
    file.xattr_count = 1;
    for (int i = 0; i < 2; i++)
        if (tz_place_file(place, &file, &fd, &old_size, NULL, NULL) ||
            tz_place_finish_file(place, &file, fd, NULL))
            return 17;
    char value = 0;
    if (getxattr("c", "user.x", &value, 1) != 1 || value != '1')
        return errno == EOPNOTSUPP ? 0 : 18;
    /* An ACL that takes from the owner the right to set what comes behind it. */
    static uint8_t acl[] = {2, 0, 0,   0,   1,   0,   4,  0, 255, 255, 255, 255, 2,   0,  4,
                            0, 1, 0,   0,   0,   4,   0,  4, 0,   255, 255, 255, 255, 16, 0,
                            4, 0, 255, 255, 255, 255, 32, 0, 4,   0,   255, 255, 255, 255};
    struct tz_xattr both[] = {
        {.name = (char *)"system.posix_acl_access", .value = acl, .value_len = sizeof(acl)}, xattr};
    file.path = (char *)"f";
    file.xattrs = both;
    file.xattr_count = 2;
    if (tz_place_file(place, &file, &fd, &old_size, NULL, NULL) ||
        tz_place_finish_file(place, &file, fd, NULL) || getxattr("f", "user.x", &value, 1) != 1)
        return 21;
    /* A directory that is full and closed gives way. */
    if (mkdir("e", 0700) || mkdir("e/f", 0700) || mkdir("e/f/g", 0) || chmod("e/f", 0) ||
        chmod("e", 0100) || put_file(place, "e", "file", NULL))
        return 19;
    tz_place_free(place);
    return warnings.count == 3 ? 0 : 20;
}

static void without_root_what_can_be_is_restored(void **state)
{
    struct tz_source_fixture *f = *state;
    int status = 0;

    if (geteuid() != 0)
        skip();
    assert_int_equal(chown(f->source, 65534, 65534), 0);
    assert_int_equal(chmod(f->folder, 0755), 0);
    pid_t pid = fork();
    if (pid == 0) {
        if (setgid(65534) || setuid(65534))
            _exit(100);
        _exit(restore_as_nobody(f));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* From here on this process has no openat2(), as in an old kernel or some sandboxes. */
static int forget_openat2(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = TZ_COUNT(filter), .filter = filter};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static int restore_without_openat2(struct tz_source_fixture *f)
{
    struct tz_place *place = NULL;
    char deep[6100];

    if (forget_openat2())
        return 77;
    if (syscall(SYS_openat2, AT_FDCWD, ".", NULL, 0) != -1 || errno != ENOSYS)
        return 77;
    if (tz_place_open(&place, f->source, TZ_OVERWRITE_ALWAYS, NULL, NULL, NULL))
        return 10;
    for (size_t len = 0; len + 202 < sizeof(deep); len += 201) {
        memset(deep + len, 'd', 200);
        deep[len + 200] = '\0';
        if (put_directory(place, deep, NULL))
            return 11;
        deep[len + 200] = '/';
    }
    memcpy(deep + 30 * 201, "file", 5);
    if (put_file(place, deep, "x", NULL))
        return 12;
    if (put_file(place, "out/file", "evil", NULL) == 0 || put_directory(place, "out/d", NULL) == 0)
        return 13;
    tz_place_free(place);
    return 0;
}

static void without_openat2_links_are_not_followed_either(void **state)
{
    struct tz_source_fixture *f = *state;
    int status = 0;

    tz_fixture_file(f, "outside/file", "untouched");
    tz_fixture_symlink(f, "../outside", "source/out");
    pid_t pid = fork();
    if (pid == 0)
        _exit(restore_without_openat2(f));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_content(f, "outside/file", "untouched");
    assert_false(is_there(f, "outside/d"));
}

struct placer {
    struct tz_place *place;
    int number;
    int failures;
};

static void *place_many(void *arg)
{
    struct placer *placer = arg;

    for (int i = 0; i < 300; i++) {
        char path[64];
        (void)snprintf(path, sizeof(path), "d%d", i % 50);
        placer->failures += put_directory(placer->place, path, NULL) != 0;
        (void)snprintf(path, sizeof(path), "d%d/%d-%d", i % 50, placer->number, i);
        placer->failures += put_file(placer->place, path, path, NULL) != 0;
        if (i % 7 == 0) {
            struct tz_entry entry = entry_of("d1", TZ_ENTRY_DIRECTORY, 0755);
            placer->failures +=
                tz_place_finish_directory(placer->place, &entry, NULL) != 0 && i > 50;
        }
    }
    return NULL;
}

static void many_threads_may_place_at_once(void **state)
{
    struct tz_source_fixture *f = *state;
    struct tz_place *place = open_place(f, TZ_OVERWRITE_CHANGED);
    struct placer placers[8];
    pthread_t threads[8];
    struct tz_test_entries entries;

    for (int i = 0; i < 8; i++) {
        placers[i] = (struct placer){.place = place, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, place_many, &placers[i]), 0);
    }
    for (int i = 0; i < 8; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(placers[i].failures, 0);
    }
    tz_place_free(place);
    tz_test_entries(&f->options, &entries);
    assert_int_equal(entries.count, 1 + 50 + 8 * 300);
    tz_test_entries_clear(&entries);
}

#define TEST(function)                                                                             \
    cmocka_unit_test_setup_teardown(function, tz_source_fixture_set_up, tz_source_fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_target_is_made),
        TEST(a_file_is_no_target),
        TEST(a_hostile_path_is_refused),
        TEST(a_link_to_the_outside_is_not_followed),
        TEST(a_directory_swapped_during_the_restore_leads_nowhere),
        TEST(a_race_with_a_link_is_never_lost),
        TEST(a_file_with_other_names_is_not_written_through),
        TEST(overwrite_says_what_happens_to_an_old_file),
        TEST(a_file_never_opens_wider_than_it_will_be),
        TEST(old_metadata_goes_away),
        TEST(a_default_acl_of_the_target_is_not_inherited),
        TEST(a_setgid_target_is_not_inherited),
        TEST(a_deep_tree_gives_way_to_a_file),
        TEST(a_mount_is_never_emptied),
        TEST(hard_links_are_made_again),
        TEST(a_hard_link_to_a_planted_link_stays_inside),
        TEST(an_old_symlink_is_kept_or_replaced),
        TEST(a_type_nobody_knows_is_refused),
        TEST(impossible_times_do_no_harm),
        TEST(reopen_reads_only_files),
        TEST(without_root_what_can_be_is_restored),
        TEST(without_openat2_links_are_not_followed_either),
        TEST(many_threads_may_place_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
