#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "store_contract.h"
#include "tozai/storage/blob.h"
#include "tozai/util/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include <cmocka.h>

#define MIB ((size_t)1 << 20)

#define PATH_BYTES 600
#define URL_BYTES  (PATH_BYTES + 100)

/*
 * These take the place of the C library's functions in this program: they do the same, but they
 * can be told to fail as a bad disk or another file system would.
 */
static unsigned fsync_calls;
static unsigned fsync_fails_at;   /* 0: never */
static bool rename_is_plain;      /* renameat2() is not supported */
static bool direct_is_refused;    /* writes past the page cache are refused when it comes to them */
static size_t direct_stops_after; /* how many bytes such a write takes; 0: all */
static unsigned direct_writes;

int fsync(int fd)
{
    if (__atomic_add_fetch(&fsync_calls, 1, __ATOMIC_RELAXED) == fsync_fails_at) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fsync, fd);
}

int renameat2(int old_dir, const char *old_name, int new_dir, const char *new_name,
              unsigned int flags)
{
    if (rename_is_plain) {
        errno = EINVAL;
        return -1;
    }
    return (int)syscall(SYS_renameat2, old_dir, old_name, new_dir, new_name, flags);
}

ssize_t write(int fd, const void *data, size_t len)
{
    if (fcntl(fd, F_GETFL) & O_DIRECT) {
        if (direct_is_refused) {
            errno = EINVAL;
            return -1;
        }
        direct_writes++;
        if (direct_stops_after > 0 && direct_stops_after < len) {
            /* What the rest of this function is to be spared, the kernel does with pwrite(). */
            char path[64];
            (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
            TZ_SCOPED(tz_scoped_fd) int plain = open(path, O_WRONLY | O_CLOEXEC);
            off_t at = lseek(fd, 0, SEEK_CUR);
            ssize_t n = pwrite(plain, data, direct_stops_after, at);
            return n < 0 || lseek(fd, n, SEEK_CUR) < 0 ? -1 : n;
        }
    }
    return syscall(SYS_write, fd, data, len);
}

static void heal(void)
{
    fsync_calls = 0;
    fsync_fails_at = 0;
    rename_is_plain = false;
    direct_is_refused = false;
    direct_stops_after = 0;
    direct_writes = 0;
}

struct fixture {
    char dir[256];
    struct tz_store *store;
};

/* The folder that holds all folders of this program. */
static char top[200];

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void remove_tree(const char *path)
{
    (void)nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static int open_dir(struct tz_store **ret, const char *dir, bool create, struct tz_error *err)
{
    char url[URL_BYTES];
    (void)snprintf(url, sizeof(url), "file://%s", dir);
    struct tz_store_options options = {.name = "east", .url = url, .create = create};
    return tz_store_open(ret, &options, err);
}

static int open_place(struct tz_store **ret, const char *place, bool read_only,
                      struct tz_error *err)
{
    char url[URL_BYTES];
    (void)snprintf(url, sizeof(url), "file://%s/%s", top, place);
    struct tz_store_options options = {
        .name = "east", .url = url, .read_only = read_only, .create = true};
    return tz_store_open(ret, &options, err);
}

static int set_up(void **state)
{
    static struct fixture fixture;
    (void)snprintf(fixture.dir, sizeof(fixture.dir), "%s/store-XXXXXX", top);
    heal();
    if (!mkdtemp(fixture.dir) || open_dir(&fixture.store, fixture.dir, false, NULL))
        return -1;
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    tz_store_free(fixture->store);
    fixture->store = NULL;
    heal();
    remove_tree(fixture->dir);
    return 0;
}

static const char *path_in(const struct fixture *fixture, const char *name)
{
    static char path[PATH_BYTES];
    (void)snprintf(path, sizeof(path), "%s/%s", fixture->dir, name);
    return path;
}

static void write_file(const struct fixture *fixture, const char *name, const char *text)
{
    FILE *file = fopen(path_in(fixture, name), "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* How many entries a directory has; 0 if there is none. */
static unsigned entries_in(const struct fixture *fixture, const char *name)
{
    unsigned count = 0;
    DIR *stream = opendir(path_in(fixture, name));
    if (!stream)
        return 0;
    for (const struct dirent *entry = readdir(stream); entry; entry = readdir(stream))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            count++;
    (void)closedir(stream);
    return count;
}

static void put_text(struct tz_store *store, const char *name, const char *text)
{
    struct tz_error err = {0};
    if (tz_store_put(store, name, text, strlen(text), &err))
        fail_msg("%s", err.message);
}

static void assert_text(struct tz_store *store, const char *name, const char *text)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
    assert_int_equal(tz_store_get(store, name, 0, 1000, &out, NULL), 0);
    assert_int_equal(out.len, strlen(text));
    assert_memory_equal(out.data, text, out.len);
}

static int add_name(void *arg, const char *name, const struct tz_store_stat *stat,
                    struct tz_error *err)
{
    (void)stat;
    return tz_buf_printf(arg, err, "%s ", name);
}

static void assert_list(struct tz_store *store, const char *prefix, const char *expected)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf text = {0};
    struct tz_error err = {0};
    if (tz_store_list(store, prefix, add_name, &text, &err))
        fail_msg("%s", err.message);
    assert_string_equal(text.len ? (const char *)text.data : "", expected);
}

static bool exists(struct tz_store *store, const char *name)
{
    struct tz_store_stat stat = {0};
    assert_int_equal(tz_store_stat(store, name, &stat, NULL), 0);
    return stat.exists;
}

static struct tz_blob *make_blob(size_t len)
{
    struct tz_blob *blob = NULL;
    assert_int_equal(tz_blob_new(&blob, len, NULL), 0);
    blob->len = len;
    for (size_t i = 0; i < len; i++)
        blob->data[i] = (uint8_t)(i * 2654435761U >> 13);
    return blob;
}

static void assert_blob(struct tz_store *store, const char *name, const struct tz_blob *blob)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
    assert_int_equal(tz_store_get(store, name, 0, blob->len + 1, &out, NULL), 0);
    assert_int_equal(out.len, blob->len);
    assert_memory_equal(out.data, blob->data, blob->len);
}

static void urls_name_absolute_paths(void **state)
{
    const struct fixture *fixture = *state;
    static const char *const forms[] = {"file://%s", "file:%s", "file://%s/", "file:%s//"};
    for (size_t i = 0; i < TZ_COUNT(forms); i++) {
        TZ_SCOPED(tz_scoped_store) struct tz_store *store = NULL;
        char url[URL_BYTES];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        (void)snprintf(url, sizeof(url), forms[i], fixture->dir);
#pragma GCC diagnostic pop
        struct tz_store_options options = {.name = "east", .url = url};
        assert_int_equal(tz_store_open(&store, &options, NULL), 0);
        put_text(store, "object", "x");
        assert_int_equal(tz_store_remove(fixture->store, "object", NULL), 0);
    }
}

static void a_url_is_percent_decoded(void **state)
{
    const struct fixture *fixture = *state;
    TZ_SCOPED(tz_scoped_store) struct tz_store *store = NULL;
    char url[URL_BYTES];
    (void)snprintf(url, sizeof(url), "file://%s/a%%20b%%2Fc%%e6%%9D%%b1", fixture->dir);
    struct tz_store_options options = {.name = "east", .url = url, .create = true};
    assert_int_equal(tz_store_open(&store, &options, NULL), 0);
    put_text(store, "object", "x");
    assert_int_equal(access(path_in(fixture, "a b/c\xe6\x9d\xb1/object"), F_OK), 0);
}

static void other_urls_are_refused_with_a_hint(void **state)
{
    (void)state;
    static const char *const urls[] = {"file:",        "file:relative", "file://host/path",
                                       "file://",      "file:////x",    "file:///a%2",
                                       "file:///a%zz", "file:///a%00b", "file:///a%"};
    for (size_t i = 0; i < TZ_COUNT(urls); i++) {
        struct tz_store *store = NULL;
        struct tz_error err = {0};
        struct tz_store_options options = {.name = "east", .url = urls[i], .create = true};
        assert_int_equal(tz_store_open(&store, &options, &err), -1);
        assert_int_equal(err.kind, TZ_INVALID);
        assert_true(err.hint[0] != '\0');
    }
}

static void a_place_that_is_not_there_is_unavailable_unless_made(void **state)
{
    struct fixture *fixture = *state;
    struct tz_store *store = NULL;
    struct tz_error err = {0};
    char dir[PATH_BYTES];
    (void)snprintf(dir, sizeof(dir), "%s", path_in(fixture, "not/there"));
    assert_int_equal(open_dir(&store, dir, false, &err), -1);
    assert_int_equal(err.kind, TZ_UNAVAILABLE);
    assert_true(err.hint[0] != '\0');
    assert_int_equal(access(dir, F_OK), -1);

    assert_int_equal(open_dir(&store, dir, true, &err), 0);
    struct stat st;
    assert_int_equal(stat(dir, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    tz_store_free(store);

    write_file(fixture, "file", "");
    assert_int_equal(open_dir(&store, path_in(fixture, "file"), false, &err), -1);
    assert_int_equal(err.kind, TZ_INVALID);
}

static void only_the_owner_may_read_objects(void **state)
{
    const struct fixture *fixture = *state;
    struct stat st;
    put_text(fixture->store, "packs/ab/object", "x");
    assert_int_equal(stat(path_in(fixture, "packs/ab/object"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(stat(path_in(fixture, "packs"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(stat(path_in(fixture, "packs/ab"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
}

static void nothing_temporary_stays_after_a_put(void **state)
{
    const struct fixture *fixture = *state;
    put_text(fixture->store, "object", "x");
    assert_int_equal(tz_store_put(fixture->store, "object", "y", 1, NULL), -1);
    assert_int_equal(tz_store_replace(fixture->store, "object", "z", 1, NULL), 0);
    rename_is_plain = true;
    put_text(fixture->store, "other", "x");
    assert_int_equal(tz_store_put(fixture->store, "other", "y", 1, NULL), -1);
    assert_int_equal(entries_in(fixture, "tmp"), 0);
}

/* Fail the first fsync, the second... until a put has none left that could fail. */
static void a_put_that_cannot_be_made_durable_leaves_nothing(void **state)
{
    const struct fixture *fixture = *state;
    unsigned failures = 0;
    for (unsigned n = 1;; n++) {
        struct tz_error err = {0};
        fsync_calls = 0;
        fsync_fails_at = n;
        if (!tz_store_put(fixture->store, "packs/ab/object", "x", 1, &err))
            break;
        fsync_fails_at = 0;
        failures++;
        assert_int_equal(err.kind, TZ_IO);
        assert_non_null(strstr(err.message, "packs/ab/object"));
        assert_false(exists(fixture->store, "packs/ab/object"));
        assert_int_equal(entries_in(fixture, "tmp"), 0);
        /* So that the next round fails one step later, not in the same directories again. */
        remove_tree(path_in(fixture, "packs"));
        remove_tree(path_in(fixture, "tmp"));
    }
    /* packs, ab and tmp in their parents; the file; its name in ab. */
    assert_int_equal(failures, 5);
    fsync_fails_at = 0;
    assert_text(fixture->store, "packs/ab/object", "x");
}

static void a_failed_replace_keeps_an_object(void **state)
{
    const struct fixture *fixture = *state;
    put_text(fixture->store, "object", "old");
    fsync_calls = 0;
    fsync_fails_at = 1;
    assert_int_equal(tz_store_replace(fixture->store, "object", "new", 3, NULL), -1);
    assert_text(fixture->store, "object", "old");
    assert_int_equal(entries_in(fixture, "tmp"), 0);
}

static void a_put_that_cannot_be_written_leaves_nothing(void **state)
{
    const struct fixture *fixture = *state;
    TZ_SCOPED(tz_scoped_blob) struct tz_blob *blob = make_blob(2 * MIB);
    struct rlimit old;
    struct tz_error err = {0};
    put_text(fixture->store, "packs/there", "x");
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    struct rlimit small = {.rlim_cur = MIB, .rlim_max = old.rlim_max};
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int aligned = tz_store_put(fixture->store, "packs/1", blob->data, blob->len, &err);
    int unaligned = tz_store_put(fixture->store, "packs/2", blob->data + 1, blob->len - 1, NULL);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    (void)signal(SIGXFSZ, handler);
    assert_int_equal(aligned, -1);
    assert_int_equal(err.sys_errno, EFBIG);
    assert_int_equal(unaligned, -1);
    assert_int_equal(entries_in(fixture, "tmp"), 0);
    assert_list(fixture->store, "", "packs/there ");
}

/* A file system of one MiB, in a mount namespace of this process; false if that is not allowed. */
static bool mount_small(const char *dir)
{
    if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
        return false;
    return mount("tmpfs", dir, "tmpfs", MS_NOSUID | MS_NODEV, "size=1m") == 0;
}

static void a_full_disk_leaves_nothing_and_room_for_small_objects(void **state)
{
    const struct fixture *fixture = *state;
    TZ_SCOPED(tz_scoped_blob) struct tz_blob *blob = make_blob(2 * MIB);
    char dir[PATH_BYTES];
    struct tz_store *store = NULL;
    (void)snprintf(dir, sizeof(dir), "%s", path_in(fixture, "small"));
    assert_int_equal(mkdir(dir, 0700), 0);
    if (!mount_small(dir)) {
        print_message("skipped: mounting needs root\n");
        skip();
    }
    bool opened = open_dir(&store, dir, false, NULL) == 0;
    for (size_t shift = 0; opened && shift < 2; shift++) {
        struct tz_error err = {0};
        assert_int_equal(
            tz_store_put(store, "packs/large", blob->data + shift, blob->len - shift, &err), -1);
        assert_int_equal(err.kind, TZ_NOSPC);
        assert_false(exists(store, "packs/large"));
        assert_int_equal(entries_in(fixture, "small/tmp"), 0);
    }
    if (opened) {
        put_text(store, "packs/small", "x");
        assert_list(store, "", "packs/small ");
        tz_store_free(store);
    }
    assert_int_equal(umount2(dir, MNT_DETACH), 0);
    assert_true(opened);
}

static bool direct_works(const struct fixture *fixture)
{
    write_file(fixture, "probe", "");
    TZ_SCOPED(tz_scoped_fd) int fd = open(path_in(fixture, "probe"), O_WRONLY | O_DIRECT);
    assert_int_equal(unlink(path_in(fixture, "probe")), 0);
    return fd >= 0;
}

static void large_aligned_objects_go_past_the_page_cache(void **state)
{
    const struct fixture *fixture = *state;
    TZ_SCOPED(tz_scoped_blob) struct tz_blob *blob = make_blob(2 * MIB + 77);
    if (!direct_works(fixture)) {
        print_message("skipped: this file system cannot do that\n");
        skip();
    }
    assert_int_equal(tz_store_put(fixture->store, "large", blob->data, blob->len, NULL), 0);
    assert_int_equal(direct_writes, 2);
    assert_blob(fixture->store, "large", blob);
    assert_int_equal(tz_store_put(fixture->store, "odd", blob->data + 1, 2 * MIB, NULL), 0);
    assert_int_equal(tz_store_put(fixture->store, "small", blob->data, MIB - 1, NULL), 0);
    assert_int_equal(direct_writes, 2);
}

static void a_refused_direct_write_becomes_an_ordinary_one(void **state)
{
    const struct fixture *fixture = *state;
    TZ_SCOPED(tz_scoped_blob) struct tz_blob *blob = make_blob(2 * MIB + 77);
    direct_is_refused = true;
    assert_int_equal(tz_store_put(fixture->store, "large", blob->data, blob->len, NULL), 0);
    assert_blob(fixture->store, "large", blob);
}

static void a_direct_write_that_stops_early_goes_on(void **state)
{
    const struct fixture *fixture = *state;
    TZ_SCOPED(tz_scoped_blob) struct tz_blob *blob = make_blob(2 * MIB + 77);
    static const size_t stops[] = {4096, 3 * 4096, 512, 1000};
    for (size_t i = 0; i < TZ_COUNT(stops); i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "large-%zu", stops[i]);
        direct_stops_after = stops[i];
        assert_int_equal(tz_store_put(fixture->store, name, blob->data, blob->len, NULL), 0);
        assert_blob(fixture->store, name, blob);
    }
}

static void old_temporary_files_are_removed_by_the_next_open(void **state)
{
    const struct fixture *fixture = *state;
    const struct timespec old[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
    assert_int_equal(mkdir(path_in(fixture, "tmp"), 0700), 0);
    write_file(fixture, "tmp/young", "x");
    write_file(fixture, "tmp/old", "x");
    assert_int_equal(utimensat(AT_FDCWD, path_in(fixture, "tmp/old"), old, 0), 0);

    struct tz_store *store = NULL;
    char url[URL_BYTES];
    (void)snprintf(url, sizeof(url), "file://%s", fixture->dir);
    struct tz_store_options reader = {.name = "east", .url = url, .read_only = true};
    assert_int_equal(tz_store_open(&store, &reader, NULL), 0);
    tz_store_free(store);
    assert_int_equal(entries_in(fixture, "tmp"), 2);

    assert_int_equal(open_dir(&store, fixture->dir, false, NULL), 0);
    tz_store_free(store);
    assert_int_equal(entries_in(fixture, "tmp"), 1);
    assert_int_equal(access(path_in(fixture, "tmp/young"), F_OK), 0);
}

struct left {
    unsigned count;
    uint64_t bytes;
    int64_t oldest_ns;
};

static int see_left(void *arg, const struct tz_store_leftover *leftover, struct tz_error *err)
{
    struct left *left = arg;

    (void)err;
    assert_null(leftover->name);
    left->count++;
    left->bytes += leftover->bytes;
    left->oldest_ns = TZ_MAX(left->oldest_ns, leftover->age_ns);
    return 0;
}

static void temporary_files_are_leftovers(void **state)
{
    const struct fixture *fixture = *state;
    const int64_t day_ns = INT64_C(86400) * 1000000000;
    const struct timespec old[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
    const struct tz_store_leftover young = {.id = "young"}, gone = {.id = "old"};
    const struct tz_store_leftover outside = {.id = "../packs/object"};
    struct left left = {0};
    bool removed = false;
    uint64_t bytes = 0;

    assert_int_equal(tz_store_leftovers(fixture->store, see_left, &left, NULL), 0);
    assert_int_equal(left.count, 0);
    put_text(fixture->store, "packs/object", "x"); /* which makes the folder */
    write_file(fixture, "tmp/young", "xx");
    write_file(fixture, "tmp/old", "xxx");
    assert_int_equal(utimensat(AT_FDCWD, path_in(fixture, "tmp/old"), old, 0), 0);
    assert_int_equal(tz_store_leftovers(fixture->store, see_left, &left, NULL), 0);
    assert_int_equal(left.count, 2);
    assert_int_equal(left.bytes, 5);
    assert_true(left.oldest_ns > 1000 * day_ns);

    assert_int_equal(
        tz_store_remove_leftover(fixture->store, &young, day_ns, &removed, &bytes, NULL), 0);
    assert_false(removed);
    assert_int_equal(
        tz_store_remove_leftover(fixture->store, &gone, day_ns, &removed, &bytes, NULL), 0);
    assert_true(removed);
    assert_int_equal(bytes, 3);
    assert_int_equal(
        tz_store_remove_leftover(fixture->store, &gone, day_ns, &removed, &bytes, NULL), 0);
    assert_int_equal(bytes, 0);
    assert_int_equal(entries_in(fixture, "tmp"), 1);
    assert_int_equal(tz_store_remove_leftover(fixture->store, &outside, -1, &removed, &bytes, NULL),
                     -1);
    assert_true(exists(fixture->store, "packs/object"));
}

static void strays_are_not_listed(void **state)
{
    const struct fixture *fixture = *state;
    put_text(fixture->store, "packs/object", "x");
    write_file(fixture, "tmp/left-behind", "x");
    write_file(fixture, "packs/with space", "x");
    write_file(fixture, "packs/object~", "x");
    assert_int_equal(mkdir(path_in(fixture, "lost+found"), 0700), 0);
    write_file(fixture, "lost+found/object", "x");
    assert_int_equal(mkdir(path_in(fixture, "packs/empty"), 0700), 0);
    assert_int_equal(mkfifo(path_in(fixture, "packs/pipe"), 0600), 0);
    assert_int_equal(symlink("object", path_in(fixture, "packs/link")), 0);
    assert_list(fixture->store, "", "packs/object ");
    assert_list(fixture->store, "packs/", "packs/object ");
}

static void what_is_not_a_file_is_no_object(void **state)
{
    const struct fixture *fixture = *state;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
    static const char *const names[] = {"packs/pipe", "packs/dir"};
    assert_int_equal(mkdir(path_in(fixture, "packs"), 0700), 0);
    assert_int_equal(mkdir(path_in(fixture, "packs/dir"), 0700), 0);
    assert_int_equal(mkfifo(path_in(fixture, "packs/pipe"), 0600), 0);
    for (size_t i = 0; i < TZ_COUNT(names); i++) {
        struct tz_error err = {0};
        assert_int_equal(tz_store_get(fixture->store, names[i], 0, 1, &out, &err), -1);
        assert_int_equal(err.kind, TZ_NOT_FOUND);
        assert_false(exists(fixture->store, names[i]));
        assert_int_equal(tz_store_put(fixture->store, names[i], "x", 1, &err), -1);
        assert_int_equal(err.kind, TZ_FAILED);
    }
    assert_int_equal(tz_store_remove(fixture->store, "packs/dir", NULL), 0);
    /* Healing makes an object of what is not one. */
    assert_int_equal(tz_store_replace(fixture->store, "packs/pipe", "x", 1, NULL), 0);
    assert_text(fixture->store, "packs/pipe", "x");
}

static void assert_denied(int status, const struct tz_error *err)
{
    assert_int_equal(status, -1);
    assert_int_equal(err->kind, TZ_DENIED);
    assert_non_null(strstr(err->message, "symbolic link"));
    assert_true(err->hint[0] != '\0');
}

static void no_symbolic_link_is_followed(void **state)
{
    const struct fixture *fixture = *state;
    struct tz_store *store = fixture->store;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
    struct tz_store_stat stat;
    struct tz_error err = {0};
    char outside[PATH_BYTES];
    (void)snprintf(outside, sizeof(outside), "%s/outside", top);
    assert_int_equal(mkdir(outside, 0700), 0);
    put_text(store, "index/1", "x");
    assert_int_equal(symlink(outside, path_in(fixture, "packs")), 0);

    assert_denied(tz_store_put(store, "packs/object", "x", 1, &err), &err);
    assert_denied(tz_store_put(store, "packs/ab/object", "x", 1, &err), &err);
    assert_denied(tz_store_replace(store, "packs/object", "x", 1, &err), &err);
    assert_denied(tz_store_get(store, "packs/object", 0, 1, &out, &err), &err);
    assert_denied(tz_store_stat(store, "packs/object", &stat, &err), &err);
    assert_denied(tz_store_remove(store, "packs/object", &err), &err);
    /* What lies behind it may be objects: without them the list would be a short one. */
    assert_denied(tz_store_list(store, "", add_name, &out, &err), &err);
    assert_denied(tz_store_list(store, "packs/", add_name, &out, &err), &err);
    assert_int_equal(rmdir(outside), 0);
    assert_denied(tz_store_list(store, "", add_name, &out, &err), &err);

    /* In the place of the temporary directory, and of an object. */
    assert_int_equal(unlink(path_in(fixture, "packs")), 0);
    assert_int_equal(mkdir(outside, 0700), 0);
    assert_int_equal(rmdir(path_in(fixture, "tmp")), 0);
    assert_int_equal(symlink(outside, path_in(fixture, "tmp")), 0);
    assert_denied(tz_store_put(store, "index/2", "x", 1, &err), &err);
    assert_int_equal(symlink("1", path_in(fixture, "index/3")), 0);
    assert_denied(tz_store_get(store, "index/3", 0, 1, &out, &err), &err);
    assert_false(exists(store, "index/3"));
    assert_int_equal(rmdir(outside), 0);
}

static void a_directory_that_goes_away_is_unavailable(void **state)
{
    struct fixture *fixture = *state;
    struct tz_store *store = fixture->store;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
    struct tz_store_stat stat;
    struct tz_error err = {0};
    put_text(store, "packs/object", "x");
    remove_tree(fixture->dir);
    assert_int_equal(tz_store_put(store, "packs/new", "x", 1, &err), -1);
    assert_int_equal(err.kind, TZ_UNAVAILABLE);
    assert_int_equal(tz_store_get(store, "packs/object", 0, 1, &out, &err), -1);
    assert_int_equal(err.kind, TZ_UNAVAILABLE);
    assert_int_equal(tz_store_stat(store, "packs/object", &stat, &err), -1);
    assert_int_equal(err.kind, TZ_UNAVAILABLE);
    assert_int_equal(tz_store_remove(store, "packs/object", &err), -1);
    assert_int_equal(err.kind, TZ_UNAVAILABLE);
    static const char *const prefixes[] = {"", "packs/", "pa", "none/"};
    for (size_t i = 0; i < TZ_COUNT(prefixes); i++) {
        assert_int_equal(tz_store_list(store, prefixes[i], add_name, &out, &err), -1);
        assert_int_equal(err.kind, TZ_UNAVAILABLE);
    }
}

static void a_file_in_the_way_of_a_directory_is_an_error(void **state)
{
    const struct fixture *fixture = *state;
    struct tz_error err = {0};
    put_text(fixture->store, "a", "x");
    assert_int_equal(tz_store_put(fixture->store, "a/b", "x", 1, &err), -1);
    assert_int_equal(err.kind, TZ_IO);
    assert_false(exists(fixture->store, "a/b"));
    assert_list(fixture->store, "a/", "");
    assert_int_equal(entries_in(fixture, "tmp"), 0);
}

#define file_test(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        file_test(urls_name_absolute_paths),
        file_test(a_url_is_percent_decoded),
        file_test(other_urls_are_refused_with_a_hint),
        file_test(a_place_that_is_not_there_is_unavailable_unless_made),
        file_test(only_the_owner_may_read_objects),
        file_test(nothing_temporary_stays_after_a_put),
        file_test(a_put_that_cannot_be_made_durable_leaves_nothing),
        file_test(a_failed_replace_keeps_an_object),
        file_test(a_put_that_cannot_be_written_leaves_nothing),
        file_test(large_aligned_objects_go_past_the_page_cache),
        file_test(a_refused_direct_write_becomes_an_ordinary_one),
        file_test(a_direct_write_that_stops_early_goes_on),
        file_test(old_temporary_files_are_removed_by_the_next_open),
        file_test(temporary_files_are_leftovers),
        file_test(strays_are_not_listed),
        file_test(what_is_not_a_file_is_no_object),
        file_test(no_symbolic_link_is_followed),
        file_test(a_directory_that_goes_away_is_unavailable),
        file_test(a_file_in_the_way_of_a_directory_is_an_error),
        /* Last: the mount namespace stays. */
        file_test(a_full_disk_leaves_nothing_and_room_for_small_objects),
    };
    const char *base = getenv("TMPDIR");
    (void)snprintf(top, sizeof(top), "%s/tozai-file-XXXXXX", base && *base == '/' ? base : "/tmp");
    if (!mkdtemp(top)) {
        perror(top);
        return 1;
    }
    int failed = run_store_contract("file", open_place);
    rename_is_plain = true;
    failed += run_store_contract("file, on a file system that can only link", open_place);
    heal();
    failed += cmocka_run_group_tests(tests, NULL, NULL);
    remove_tree(top);
    return failed;
}
