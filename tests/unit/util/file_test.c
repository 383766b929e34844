#include "tozai/util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* Each test has a folder of its own and stands in it. */
static int enter_folder(void **state)
{
    const char *base = getenv("TMPDIR");
    char *folder = tz_path_join(base && *base ? base : "/tmp", "tozai-test-XXXXXX");

    if (!folder || !mkdtemp(folder) || chdir(folder))
        return -1;
    *state = folder;
    (void)umask(022);
    return 0;
}

static int remove_tree(int parent, const char *name)
{
    if (unlinkat(parent, name, 0) == 0)
        return 0;
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir)
        return -1;
    int result = 0;
    for (struct dirent *entry; (entry = readdir(dir));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            result |= remove_tree(fd, entry->d_name);
    (void)closedir(dir);
    return unlinkat(parent, name, AT_REMOVEDIR) | result;
}

static int leave_folder(void **state)
{
    int result = chdir("/") | remove_tree(AT_FDCWD, *state);

    free(*state);
    return result;
}

static void make_file(const char *path, const char *text)
{
    TZ_SCOPED(tz_scoped_file) FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
}

static void assert_file(const char *path, const char *text)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf buf = {0};
    struct tz_error err = {0};

    if (tz_file_read(path, 1 << 20, &buf, &err))
        fail_msg("%s", err.message);
    assert_int_equal(buf.len, strlen(text));
    if (buf.len > 0)
        assert_memory_equal(buf.data, text, buf.len);
}

static unsigned count_entries(const char *path)
{
    TZ_SCOPED(tz_scoped_dir) DIR *dir = opendir(path);
    unsigned count = 0;

    assert_non_null(dir);
    while (readdir(dir))
        count++;
    return count - 2; /* "." and ".." */
}

static unsigned mode_of(const char *path)
{
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 07777;
}

/* Reading and writing */

static void what_is_written_is_read(void **state)
{
    (void)state;
    enum { SIZE = 300000 };
    uint8_t *data = malloc(SIZE);
    uint8_t *back = malloc(SIZE + 10);
    size_t len = 0;
    TZ_SCOPED(tz_scoped_fd) int fd = open("file", O_RDWR | O_CREAT, 0600);

    assert_true(data && back && fd >= 0);
    for (size_t i = 0; i < SIZE; i++)
        data[i] = (uint8_t)(i * 7 + i / 256);
    assert_int_equal(tz_write_all(fd, data, SIZE, NULL), 0);
    assert_int_equal(tz_write_all(fd, NULL, 0, NULL), 0);

    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_int_equal(tz_read_full(fd, back, 1000, &len, NULL), 0);
    assert_int_equal(len, 1000);
    assert_int_equal(tz_read_full(fd, back + 1000, SIZE, &len, NULL), 0);
    assert_int_equal(len, SIZE - 1000);
    assert_memory_equal(back, data, SIZE);
    assert_int_equal(tz_read_full(fd, back, 10, &len, NULL), 0);
    assert_int_equal(len, 0);
    free(data);
    free(back);
}

static void positions_are_kept_apart(void **state)
{
    (void)state;
    char text[16] = "";
    size_t len = 99;
    TZ_SCOPED(tz_scoped_fd) int fd = open("file", O_RDWR | O_CREAT, 0600);

    assert_int_equal(tz_pwrite_all(fd, "world", 5, 6, NULL), 0);
    assert_int_equal(tz_pwrite_all(fd, "hello ", 6, 0, NULL), 0);
    assert_int_equal(lseek(fd, 0, SEEK_CUR), 0);
    assert_int_equal(tz_pread_full(fd, text, 5, 6, &len, NULL), 0);
    assert_int_equal(len, 5);
    assert_string_equal(text, "world");
    assert_int_equal(tz_pread_full(fd, text, sizeof(text), 9, &len, NULL), 0);
    assert_int_equal(len, 2);
    assert_int_equal(tz_pread_full(fd, text, sizeof(text), 5000, &len, NULL), 0);
    assert_int_equal(len, 0);
}

static void offsets_beyond_what_a_file_can_have_are_refused(void **state)
{
    (void)state;
    char text[16];
    size_t len = 99;
    struct tz_error err = {0};
    TZ_SCOPED(tz_scoped_fd) int fd = open("file", O_RDWR | O_CREAT, 0600);

    assert_int_equal(tz_pread_full(fd, text, 1, UINT64_MAX, &len, &err), -1);
    assert_int_equal(err.sys_errno, EFBIG);
    assert_int_equal(len, 99);
    assert_int_equal(tz_pread_full(fd, text, 2, INT64_MAX - 1, &len, NULL), -1);
    assert_int_equal(tz_pwrite_all(fd, "x", 1, INT64_MAX, NULL), -1);
    assert_int_equal(tz_pwrite_all(fd, "x", 1, UINT64_C(1) << 63, NULL), -1);
}

static void failed_transfers_say_why(void **state)
{
    (void)state;
    char text[4];
    size_t len = 99;
    struct tz_error err = {0};
    TZ_SCOPED(tz_scoped_fd) int full = open("/dev/full", O_WRONLY);
    TZ_SCOPED(tz_scoped_fd) int folder = open(".", O_RDONLY);

    assert_int_equal(tz_write_all(full, "x", 1, &err), -1);
    assert_int_equal(err.kind, TZ_NOSPC);
    assert_string_equal(err.message, "write: No space left on device");
    assert_int_equal(tz_pwrite_all(full, "x", 1, 512, &err), -1);
    assert_string_equal(err.message, "write at offset 512: No space left on device");
    assert_int_equal(tz_read_full(folder, text, 4, &len, &err), -1);
    assert_int_equal(err.sys_errno, EISDIR);
    assert_int_equal(tz_pread_full(folder, text, 4, 7, &len, &err), -1);
    assert_string_equal(err.message, "read at offset 7: Is a directory");
    assert_int_equal(len, 99);
}

enum { STREAM_SIZE = 1000000 };

/* Writes to a pipe as slowly as it is read, in its own time. */
static void *write_stream(void *argument)
{
    int fd = *(int *)argument;
    uint8_t *data = malloc(STREAM_SIZE);
    int result = -1;

    if (data) {
        for (size_t i = 0; i < STREAM_SIZE; i++)
            data[i] = (uint8_t)(i % 251);
        result = tz_write_all(fd, data, STREAM_SIZE, NULL);
    }
    free(data);
    (void)close(fd);
    return result ? argument : NULL;
}

static void check_stream(int flags)
{
    int pipe_fds[2];
    pthread_t thread;
    void *result;
    size_t len = 0;
    uint8_t *data = malloc(STREAM_SIZE + 1);

    assert_non_null(data);
    assert_int_equal(pipe(pipe_fds), 0);
    assert_int_equal(fcntl(pipe_fds[0], F_SETFL, flags), 0);
    assert_int_equal(fcntl(pipe_fds[1], F_SETFL, flags), 0);
    assert_int_equal(pthread_create(&thread, NULL, write_stream, &pipe_fds[1]), 0);
    assert_int_equal(tz_read_full(pipe_fds[0], data, STREAM_SIZE + 1, &len, NULL), 0);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_null(result);
    assert_int_equal(len, STREAM_SIZE);
    for (size_t i = 0; i < STREAM_SIZE; i++)
        if (data[i] != i % 251)
            fail_msg("byte %zu is wrong", i);
    (void)close(pipe_fds[0]);
    free(data);
}

static void pipes_pass_everything(void **state)
{
    (void)state;
    check_stream(0);
}

static void pipes_that_do_not_block_pass_everything_too(void **state)
{
    (void)state;
    check_stream(O_NONBLOCK);
}

static volatile sig_atomic_t alarms;

static void count_alarm(int number)
{
    (void)number;
    alarms++;
}

/* A signal every millisecond, and a writer that waits: reads return EINTR again and again. */
static void signals_do_not_disturb_a_transfer(void **state)
{
    (void)state;
    struct sigaction action = {.sa_handler = count_alarm};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
    struct itimerspec every = {.it_value.tv_nsec = 1000000, .it_interval.tv_nsec = 1000000};
    timer_t timer;
    int pipe_fds[2];
    char text[8] = "";
    size_t len = 0;

    assert_int_equal(pipe(pipe_fds), 0);
    pid_t child = fork();
    if (child == 0) {
        struct timespec pause = {.tv_nsec = 50000000};
        for (int i = 0; i < 3; i++) {
            (void)nanosleep(&pause, NULL);
            if (write(pipe_fds[1], "ab", 2) != 2)
                _exit(1);
        }
        _exit(0);
    }
    (void)close(pipe_fds[1]);
    assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
    assert_int_equal(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
    assert_int_equal(timer_settime(timer, 0, &every, NULL), 0);
    int result = tz_read_full(pipe_fds[0], text, sizeof(text), &len, NULL);
    assert_int_equal(timer_delete(timer), 0);
    assert_int_equal(result, 0);
    assert_int_equal(len, 6);
    assert_string_equal(text, "ababab");
    assert_true(alarms > 5);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    (void)close(pipe_fds[0]);
}

/* Whole files */

static void a_file_is_appended_to_the_buffer(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf buf = {0};

    make_file("file", "content");
    make_file("empty", "");
    assert_int_equal(tz_buf_append(&buf, "<", 1, NULL), 0);
    assert_int_equal(tz_file_read("file", 7, &buf, NULL), 0); /* just as large as allowed */
    assert_int_equal(tz_file_read("empty", 0, &buf, NULL), 0);
    assert_int_equal(tz_file_read("file", SIZE_MAX, &buf, NULL), 0);
    assert_int_equal(buf.len, 15);
    assert_memory_equal(buf.data, "<contentcontent", 15);
}

static void a_file_larger_than_allowed_is_refused(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf buf = {0};
    struct tz_error err = {0};

    make_file("file", "content");
    assert_int_equal(tz_buf_append(&buf, "<", 1, NULL), 0);
    assert_int_equal(tz_file_read("file", 6, &buf, &err), -1);
    assert_string_equal(err.message, "read 'file': larger than 6 bytes");
    assert_int_equal(err.kind, TZ_INVALID);
    assert_int_equal(tz_file_read("file", 0, &buf, &err), -1);
    assert_int_equal(buf.len, 1);
    /* Sparse and huge: it must not be read, nor memory be taken for it. */
    assert_int_equal(truncate("file", (off_t)1 << 42), 0);
    assert_int_equal(tz_file_read("file", 100, &buf, &err), -1);
    assert_true(buf.cap < 4096);
    /* No size that could be known before. */
    assert_int_equal(tz_file_read("/dev/zero", 100000, &buf, &err), -1);
    assert_int_equal(buf.len, 1);
}

static void files_without_a_size_are_read_to_their_end(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf buf = {0};
    int pipe_fds[2];
    pthread_t thread;
    char path[40];

    assert_int_equal(tz_file_read("/proc/self/status", 1 << 20, &buf, NULL), 0);
    assert_true(buf.len > 100);
    tz_buf_reset(&buf);

    assert_int_equal(pipe(pipe_fds), 0);
    (void)snprintf(path, sizeof(path), "/dev/fd/%d", pipe_fds[0]);
    assert_int_equal(pthread_create(&thread, NULL, write_stream, &pipe_fds[1]), 0);
    assert_int_equal(tz_file_read(path, STREAM_SIZE, &buf, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(buf.len, STREAM_SIZE);
    (void)close(pipe_fds[0]);
}

static void a_file_that_cannot_be_read_is_named(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf buf = {0};
    struct tz_error err = {0};

    assert_int_equal(tz_file_read("none", 100, &buf, &err), -1);
    assert_int_equal(err.kind, TZ_NOT_FOUND);
    assert_string_equal(err.message, "open 'none': No such file or directory");
    assert_int_equal(tz_file_read(".", 100, &buf, &err), -1);
    assert_string_equal(err.message, "read '.': read: Is a directory");
    assert_int_equal(buf.len, 0);
}

static void replace_makes_and_replaces(void **state)
{
    (void)state;

    assert_int_equal(tz_file_replace("file", "one", 3, 0600, NULL), 0);
    assert_file("file", "one");
    assert_int_equal(mode_of("file"), 0600);
    assert_int_equal(tz_file_replace("./file", "", 0, 0640, NULL), 0);
    assert_file("file", "");
    assert_int_equal(mode_of("file"), 0640);
    assert_int_equal(mkdir("folder", 0755), 0);
    assert_int_equal(tz_file_replace("folder//file", "two", 3, 0600, NULL), 0);
    assert_file("folder/file", "two");

    TZ_SCOPED(tz_scoped_free) char *here = getcwd(NULL, 0);
    TZ_SCOPED(tz_scoped_free) char *path = tz_path_join(here, "file");
    assert_int_equal(tz_file_replace(path, "three", 5, 0600, NULL), 0);
    assert_file("file", "three");
    assert_int_equal(count_entries("."), 2);
    assert_int_equal(count_entries("folder"), 1);
}

static void create_makes_only_new_ones(void **state)
{
    struct tz_error err = {0};

    (void)state;
    assert_int_equal(tz_file_create("file", "one", 3, 0600, NULL), 0);
    assert_file("file", "one");
    assert_int_equal(mode_of("file"), 0600);
    assert_int_equal(tz_file_create("file", "two", 3, 0600, &err), -1);
    assert_int_equal(err.kind, TZ_EXISTS);
    assert_string_equal(err.message, "write 'file': it exists already");
    assert_file("file", "one");
    /* A link that leads nowhere is a name that is taken, too. */
    assert_int_equal(symlink("nowhere", "link"), 0);
    assert_int_equal(tz_file_create("link", "two", 3, 0600, &err), -1);
    assert_int_equal(err.kind, TZ_EXISTS);
    assert_int_equal(tz_file_create("folder/", "two", 3, 0600, &err), -1);
    assert_int_equal(err.kind, TZ_INVALID);
    assert_int_equal(count_entries("."), 2);
}

static void temporary_names_are_known(void **state)
{
    static const char *const others[] = {
        "",
        ".tozai-",
        ".tozai-.tmp",
        ".tozai-0123456789abcde.tmp",
        ".tozai-0123456789abcdefa.tmp",
        ".tozai-0123456789abcdeg.tmp",
        ".tozai-0123456789abcdef.tmq",
        "xtozai-0123456789abcdef.tmp",
    };
    char one[TZ_TEMPORARY_NAME], other[TZ_TEMPORARY_NAME];

    (void)state;
    assert_int_equal(tz_temporary_name(one, NULL), 0);
    assert_int_equal(tz_temporary_name(other, NULL), 0);
    assert_string_not_equal(one, other);
    assert_true(tz_is_temporary(one));
    for (size_t i = 0; i < TZ_COUNT(others); i++)
        assert_false(tz_is_temporary(others[i]));
}

static void replace_takes_the_longest_name(void **state)
{
    (void)state;
    char name[256];

    memset(name, 'n', 255);
    name[255] = '\0';
    assert_int_equal(tz_file_replace(name, "x", 1, 0600, NULL), 0);
    assert_file(name, "x");
}

/* Who has the old one open keeps it, and another name of it is another file. */
static void replace_does_not_touch_the_old_file(void **state)
{
    (void)state;
    char text[4] = "";
    size_t len;

    make_file("file", "old");
    assert_int_equal(link("file", "other"), 0);
    TZ_SCOPED(tz_scoped_fd) int fd = open("file", O_RDONLY);
    assert_int_equal(tz_file_replace("file", "new", 3, 0600, NULL), 0);
    assert_int_equal(tz_read_full(fd, text, 3, &len, NULL), 0);
    assert_string_equal(text, "old");
    assert_file("other", "old");
    assert_file("file", "new");
}

static void a_failed_replace_leaves_all_as_it_was(void **state)
{
    (void)state;
    struct tz_error err = {0};

    /* The rename fails. */
    assert_int_equal(mkdir("folder", 0755), 0);
    assert_int_equal(tz_file_replace("folder", "x", 1, 0600, &err), -1);
    assert_string_equal(err.message, "write 'folder': rename: Is a directory");
    assert_int_equal(count_entries("."), 1);
    assert_int_equal(count_entries("folder"), 0);

    /* There is no place to write to. */
    assert_int_equal(tz_file_replace("none/file", "x", 1, 0600, &err), -1);
    assert_int_equal(err.kind, TZ_NOT_FOUND);
    assert_string_equal(err.message,
                        "write 'none/file': open directory 'none': No such file or directory");

    /* Nobody may write there, not even root. */
    assert_int_equal(tz_file_replace("/proc/none", "x", 1, 0600, &err), -1);
    assert_memory_equal(err.message, "write '/proc/none': create a temporary file: ", 45);

    /* It is not the name of a file. */
    assert_int_equal(tz_file_replace("folder/", "x", 1, 0600, &err), -1);
    assert_int_equal(tz_file_replace("", "x", 1, 0600, &err), -1);
    assert_int_equal(err.kind, TZ_INVALID);
    assert_int_equal(count_entries("folder"), 0);
    assert_int_equal(count_entries("."), 1);
}

/* A limit on the size of files stands for a disk that gets full in the middle. */
static void a_replace_without_room_leaves_all_as_it_was(void **state)
{
    (void)state;
    make_file("file", "old");
    pid_t child = fork();
    if (child == 0) {
        static const char data[10000];
        struct rlimit limit = {.rlim_cur = 4096, .rlim_max = 4096};
        struct tz_error err = {0};
        (void)signal(SIGXFSZ, SIG_IGN);
        if (setrlimit(RLIMIT_FSIZE, &limit))
            _exit(1);
        if (tz_file_replace("file", data, sizeof(data), 0600, &err) != -1)
            _exit(2);
        if (strcmp(err.message, "write 'file': write: File too large") != 0)
            _exit(3);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_file("file", "old");
    assert_int_equal(count_entries("."), 1);
}

enum { VERSIONS = 200, VERSION_SIZE = 20000 };

static void *replace_often(void *argument)
{
    char *data = malloc(VERSION_SIZE);

    for (int i = 0; data && i < VERSIONS; i++) {
        memset(data, 'a' + i % 26, VERSION_SIZE);
        if (tz_file_replace(argument, data, VERSION_SIZE, 0600, NULL))
            break;
    }
    free(data);
    return NULL;
}

static void readers_see_one_version_or_another(void **state)
{
    (void)state;
    static char name[] = "file";
    pthread_t threads[2];
    TZ_SCOPED(tz_scoped_buf) struct tz_buf buf = {0};

    assert_int_equal(tz_file_replace(name, "", 0, 0600, NULL), 0);
    for (size_t i = 0; i < TZ_COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, replace_often, name), 0);
    for (int i = 0; i < 500; i++) {
        tz_buf_reset(&buf);
        assert_int_equal(tz_file_read(name, VERSION_SIZE, &buf, NULL), 0);
        assert_true(buf.len == 0 || buf.len == VERSION_SIZE);
        for (size_t k = 1; k < buf.len; k++)
            if (buf.data[k] != buf.data[0])
                fail_msg("two versions were mixed");
    }
    for (size_t i = 0; i < TZ_COUNT(threads); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(count_entries("."), 1);
}

/* Directories and paths */

static void make_dirs_makes_all_that_are_missing(void **state)
{
    (void)state;

    assert_int_equal(tz_make_dirs("a/b/c", 0700, NULL), 0);
    assert_int_equal(mode_of("a"), 0700);
    assert_int_equal(mode_of("a/b"), 0700);
    assert_int_equal(mode_of("a/b/c"), 0700);
    assert_int_equal(tz_make_dirs("a/b/c", 0755, NULL), 0);
    assert_int_equal(mode_of("a/b/c"), 0700); /* old ones stay */
    assert_int_equal(tz_make_dirs("a//b///d/", 0755, NULL), 0);
    assert_int_equal(mode_of("a/b/d"), 0755);
    assert_int_equal(tz_make_dirs("a/b/../e/./f", 0755, NULL), 0);
    assert_int_equal(mode_of("a/e/f"), 0755);
    assert_int_equal(symlink("a", "link"), 0);
    assert_int_equal(tz_make_dirs("link/g", 0755, NULL), 0);
    assert_int_equal(mode_of("a/g"), 0755);

    TZ_SCOPED(tz_scoped_free) char *here = getcwd(NULL, 0);
    TZ_SCOPED(tz_scoped_free) char *path = tz_path_join(here, "h/i");
    assert_int_equal(tz_make_dirs(path, 0755, NULL), 0);
    assert_int_equal(mode_of("h/i"), 0755);
    assert_int_equal(tz_make_dirs("/", 0755, NULL), 0);
    assert_int_equal(tz_make_dirs(".", 0755, NULL), 0);
}

static void make_dirs_names_what_is_in_the_way(void **state)
{
    (void)state;
    struct tz_error err = {0};

    make_file("file", "");
    assert_int_equal(tz_make_dirs("file", 0755, &err), -1);
    assert_string_equal(err.message, "make directory 'file': Not a directory");
    assert_int_equal(tz_make_dirs("file/a/b", 0755, &err), -1);
    assert_string_equal(err.message, "make directory 'file': Not a directory");
    assert_int_equal(symlink("nowhere", "dangling"), 0);
    assert_int_equal(tz_make_dirs("dangling/a", 0755, &err), -1);
    assert_int_equal(err.kind, TZ_EXISTS);
    assert_int_equal(tz_make_dirs("", 0755, &err), -1);
    assert_int_equal(err.kind, TZ_INVALID);
    if (geteuid() != 0) { /* root may write anywhere */
        assert_int_equal(mkdir("closed", 0500), 0);
        assert_int_equal(tz_make_dirs("closed/a", 0755, &err), -1);
        assert_int_equal(err.kind, TZ_DENIED);
        assert_int_equal(tz_make_dirs("closed", 0755, &err), 0);
    }
}

static void sync_parent_finds_the_parent(void **state)
{
    (void)state;
    struct tz_error err = {0};

    assert_int_equal(tz_make_dirs("a/b", 0755, NULL), 0);
    assert_int_equal(tz_sync_parent("file", NULL), 0);
    assert_int_equal(tz_sync_parent("a/file", NULL), 0);
    assert_int_equal(tz_sync_parent("a/b/", NULL), 0);
    assert_int_equal(tz_sync_parent("a//b//", NULL), 0);
    assert_int_equal(tz_sync_parent("/tmp", NULL), 0);
    assert_int_equal(tz_sync_parent("/", NULL), 0);
    assert_int_equal(tz_sync_parent("none/a", &err), -1);
    assert_string_equal(err.message, "open directory 'none': No such file or directory");
    assert_int_equal(tz_sync_parent("a/none//b/", &err), -1);
    assert_string_equal(err.message, "open directory 'a/none': No such file or directory");
    assert_int_equal(tz_sync_parent("/none/a", &err), -1);
    assert_string_equal(err.message, "open directory '/none': No such file or directory");
}

static void paths_are_joined_with_one_slash(void **state)
{
    (void)state;
    static const struct {
        const char *dir, *name, *path;
    } cases[] = {
        {"a", "b", "a/b"}, {"/a/b", "c", "/a/b/c"}, {"/", "a", "/a"},  {"a/", "b", "a/b"},
        {"", "a", "a"},    {"a", "", "a/"},         {".", "x", "./x"},
    };

    for (size_t i = 0; i < TZ_COUNT(cases); i++) {
        TZ_SCOPED(tz_scoped_free) char *path = tz_path_join(cases[i].dir, cases[i].name);
        assert_string_equal(path, cases[i].path);
    }
}

static void the_base_is_behind_the_last_slash(void **state)
{
    (void)state;

    assert_string_equal(tz_path_base("a"), "a");
    assert_string_equal(tz_path_base("/a/bc"), "bc");
    assert_string_equal(tz_path_base("a/"), "");
    assert_string_equal(tz_path_base("/"), "");
    assert_string_equal(tz_path_base(""), "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, enter_folder, leave_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_written_is_read),
        TEST(positions_are_kept_apart),
        TEST(offsets_beyond_what_a_file_can_have_are_refused),
        TEST(failed_transfers_say_why),
        TEST(pipes_pass_everything),
        TEST(pipes_that_do_not_block_pass_everything_too),
        TEST(signals_do_not_disturb_a_transfer),
        TEST(a_file_is_appended_to_the_buffer),
        TEST(a_file_larger_than_allowed_is_refused),
        TEST(files_without_a_size_are_read_to_their_end),
        TEST(a_file_that_cannot_be_read_is_named),
        TEST(replace_makes_and_replaces),
        TEST(create_makes_only_new_ones),
        TEST(temporary_names_are_known),
        TEST(replace_takes_the_longest_name),
        TEST(replace_does_not_touch_the_old_file),
        TEST(a_failed_replace_leaves_all_as_it_was),
        TEST(a_replace_without_room_leaves_all_as_it_was),
        TEST(readers_see_one_version_or_another),
        TEST(make_dirs_makes_all_that_are_missing),
        TEST(make_dirs_names_what_is_in_the_way),
        TEST(sync_parent_finds_the_parent),
        TEST(paths_are_joined_with_one_slash),
        TEST(the_base_is_behind_the_last_slash),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
