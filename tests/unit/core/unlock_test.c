#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "key_samples.h"

#include "tozai/util/interrupt.h"
#include "tozai/util/time.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    const char *top = getenv("TMPDIR");
    (void)snprintf(folder, sizeof(folder), "%.40s/unlock.XXXXXX", top ? top : "/tmp");
    return tz_crypto_init(NULL) || !mkdtemp(folder);
}

static int remove_folder(void **state)
{
    (void)state;
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/secret", folder);
    (void)unlink(path);
    return rmdir(folder);
}

/* The path of a new file in the folder, in a static buffer. */
static const char *write_file(const void *data, size_t len, mode_t mode)
{
    static char path[128];
    (void)snprintf(path, sizeof(path), "%s/secret", folder);
    (void)unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, len), len);
    assert_int_equal(fchmod(fd, mode), 0);
    assert_int_equal(close(fd), 0);
    return path;
}

/* Read from the source; the text must be this passphrase, or NULL for a failure. */
static enum tz_error_kind try_read(const struct tz_unlock_source *source, const char *expected,
                                   struct tz_error *err)
{
    struct tz_error own;
    err = err ? err : &own;
    tz_error_clear(err);
    TZ_SCOPED(tz_scoped_unlock) struct tz_unlock unlock = {0};
    if (tz_unlock_read(&unlock, source, err)) {
        assert_null(expected);
        assert_null(unlock.secret);
        return err->kind;
    }
    assert_non_null(expected);
    assert_int_equal(unlock.kind, TZ_UNLOCK_PASSPHRASE);
    assert_string_equal(unlock.secret, expected);
    assert_int_equal(unlock.len, strlen(expected));
    return TZ_OK;
}

static enum tz_error_kind try_file(const void *data, size_t len, const char *expected)
{
    struct tz_unlock_source source = {.passphrase_file = write_file(data, len, 0600)};
    return try_read(&source, expected, NULL);
}

static void the_first_line_of_a_file_is_the_passphrase(void **state)
{
    (void)state;
    assert_int_equal(try_file("secret\n", 7, "secret"), TZ_OK);
    assert_int_equal(try_file("secret", 6, "secret"), TZ_OK);
    assert_int_equal(try_file("secret\r\n", 8, "secret"), TZ_OK);
    assert_int_equal(try_file("secret\nmore\n", 12, "secret"), TZ_OK);
    assert_int_equal(try_file(" 東 西 \n", 11, " 東 西 "), TZ_OK);
    assert_int_equal(try_file("", 0, NULL), TZ_INVALID);
    assert_int_equal(try_file("\nsecond", 7, NULL), TZ_INVALID);
    assert_int_equal(try_file("\r\n", 2, NULL), TZ_INVALID);
    assert_int_equal(try_file("se\0cret\n", 8, NULL), TZ_INVALID);
}

static void a_passphrase_has_at_most_4096_bytes(void **state)
{
    (void)state;
    char text[10000];
    memset(text, 'x', sizeof(text));
    for (size_t len = 4094; len <= 4100; len++) {
        char expected[4101] = {0};
        memset(expected, 'x', len);
        bool fits = len <= 4096;
        assert_int_equal(try_file(text, len, fits ? expected : NULL), fits ? TZ_OK : TZ_INVALID);
        text[len] = '\n';
        assert_int_equal(try_file(text, sizeof(text), fits ? expected : NULL),
                         fits ? TZ_OK : TZ_INVALID);
        text[len] = 'x';
    }
}

static void a_file_that_others_can_read_is_refused(void **state)
{
    (void)state;
    const mode_t bad[] = {0640, 0604, 0620, 0602, 0610, 0644, 0666, 0777, 0440};
    for (size_t i = 0; i < TZ_COUNT(bad); i++) {
        struct tz_unlock_source source = {.passphrase_file = write_file("x", 1, bad[i])};
        struct tz_error err;
        assert_int_equal(try_read(&source, NULL, &err), TZ_INVALID);
        assert_non_null(strstr(err.hint, "chmod 600"));
        source = (struct tz_unlock_source){.key_file = source.passphrase_file};
        assert_int_equal(try_read(&source, NULL, &err), TZ_INVALID);
    }
    const mode_t good[] = {0600, 0400, 0700};
    for (size_t i = 0; i < TZ_COUNT(good); i++) {
        struct tz_unlock_source source = {.passphrase_file = write_file("x", 1, good[i])};
        assert_int_equal(try_read(&source, "x", NULL), TZ_OK);
    }
}

static void what_is_no_file_is_refused(void **state)
{
    (void)state;
    struct tz_unlock_source source = {.passphrase_file = folder};
    assert_int_equal(try_read(&source, NULL, NULL), TZ_INVALID);
    source.passphrase_file = "/dev/zero";
    assert_int_equal(try_read(&source, NULL, NULL), TZ_INVALID);
    source.passphrase_file = "/nonexistent/file";
    assert_int_equal(try_read(&source, NULL, NULL), TZ_NOT_FOUND);
}

static void a_pipe_will_do(void **state)
{
    (void)state;
    int ends[2];
    char path[32];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "piped\n", 6), 6);
    assert_int_equal(close(ends[1]), 0);
    (void)snprintf(path, sizeof(path), "/dev/fd/%d", ends[0]);
    struct tz_unlock_source source = {.passphrase_file = path};
    assert_int_equal(try_read(&source, "piped", NULL), TZ_OK);
    assert_int_equal(close(ends[0]), 0);
}

static void a_command_prints_the_passphrase(void **state)
{
    (void)state;
    struct tz_unlock_source source = {.passphrase_command = "echo from a $((1 + 1))nd place"};
    assert_int_equal(try_read(&source, "from a 2nd place", NULL), TZ_OK);
    source.passphrase_command = "echo first; yes | head -c 1000000";
    assert_int_equal(try_read(&source, "first", NULL), TZ_OK);
    source.passphrase_command = "read x; echo \"[$x]\""; /* there is nothing to read */
    assert_int_equal(try_read(&source, "[]", NULL), TZ_OK);
    source.passphrase_command = "true";
    assert_int_equal(try_read(&source, NULL, NULL), TZ_INVALID);
}

static void a_command_that_fails_shows_nothing_of_its_output(void **state)
{
    (void)state;
    struct tz_unlock_source source = {.passphrase_command = "echo hunter2; exit 3"};
    struct tz_error err;
    assert_int_equal(try_read(&source, NULL, &err), TZ_KEY);
    assert_non_null(strstr(err.message, "exit code 3"));
    assert_null(strstr(err.message, "hunter2"));
    assert_null(strstr(err.hint, "hunter2"));
    source.passphrase_command = "echo hunter2; kill -9 $$";
    assert_int_equal(try_read(&source, NULL, &err), TZ_KEY);
    assert_non_null(strstr(err.message, "signal 9"));
    source.passphrase_command = "/nonexistent/command 2>/dev/null";
    assert_int_equal(try_read(&source, NULL, &err), TZ_KEY);
    assert_non_null(strstr(err.message, "exit code 127"));
}

static void the_environment_is_wiped_after_reading(void **state)
{
    (void)state;
    const struct tz_unlock_source source = {.environment = true};
    assert_int_equal(setenv("TOZAI_PASSPHRASE", "from outside", 1), 0);
    const char *value = getenv("TOZAI_PASSPHRASE");
    assert_int_equal(try_read(&source, "from outside", NULL), TZ_OK);
    assert_null(getenv("TOZAI_PASSPHRASE"));
    assert_int_equal(value[0], 0);
    struct tz_error err;
    assert_int_equal(try_read(&source, NULL, &err), TZ_INVALID);
    assert_true(err.hint[0]);
    assert_int_equal(setenv("TOZAI_PASSPHRASE", "", 1), 0);
    assert_int_equal(try_read(&source, NULL, NULL), TZ_INVALID);
    assert_null(getenv("TOZAI_PASSPHRASE"));
}

static void the_first_source_that_is_set_is_taken(void **state)
{
    (void)state;
    struct tz_unlock_source source = {.passphrase_file = write_file("file", 4, 0600),
                                      .passphrase_command = "echo command",
                                      .key_file = "/nonexistent/key",
                                      .environment = true};
    assert_int_equal(setenv("TOZAI_PASSPHRASE", "environment", 1), 0);
    assert_int_equal(try_read(&source, "file", NULL), TZ_OK);
    source.passphrase_file = NULL;
    assert_int_equal(try_read(&source, "command", NULL), TZ_OK);
    source.passphrase_command = NULL;
    assert_int_equal(try_read(&source, NULL, NULL), TZ_NOT_FOUND);
    source.key_file = NULL;
    assert_int_equal(try_read(&source, "environment", NULL), TZ_OK);
}

static void a_new_key_file_opens_what_it_wrapped(void **state)
{
    (void)state;
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/secret", folder);
    (void)unlink(path);
    mode_t before = umask(0);
    assert_int_equal(tz_key_file_create(path, NULL), 0);
    (void)umask(before);
    struct stat stat_now;
    assert_int_equal(stat(path, &stat_now), 0);
    assert_int_equal(stat_now.st_mode & 07777, 0600);
    assert_int_equal(stat_now.st_size, strlen("tozai-key-file-1 ") + 64 + 1);

    struct tz_unlock_source source = {.key_file = path};
    TZ_SCOPED(tz_scoped_unlock) struct tz_unlock unlock = {0}, again = {0};
    assert_int_equal(tz_unlock_read(&unlock, &source, NULL), 0);
    assert_int_equal(tz_unlock_read(&again, &source, NULL), 0);
    assert_int_equal(unlock.kind, TZ_UNLOCK_KEY_FILE);
    assert_int_equal(unlock.len, 64);
    assert_string_equal(unlock.secret, again.secret);

    TZ_SCOPED(tz_scoped_keys) struct tz_keys *keys = make_keys(1), *opened = NULL;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf slot = {0};
    assert_int_equal(tz_slot_seal(keys, TZ_ROLE_WRITER, "", &unlock, NULL, &slot, NULL), 0);
    assert_int_equal(tz_slot_open(&opened, slot.data, slot.len, &again, NULL), 0);
}

static void a_key_file_is_never_replaced(void **state)
{
    (void)state;
    const char *path = write_file("precious", 8, 0600);
    struct tz_error err = {0};
    assert_int_equal(tz_key_file_create(path, &err), -1);
    assert_int_equal(err.kind, TZ_EXISTS);
    struct tz_unlock_source source = {.passphrase_file = path};
    assert_int_equal(try_read(&source, "precious", NULL), TZ_OK);
    assert_int_equal(tz_key_file_create("/nonexistent/key", &err), -1);
    assert_int_equal(err.kind, TZ_NOT_FOUND);
}

static void a_damaged_key_file_is_refused(void **state)
{
    (void)state;
    char good[] =
        "tozai-key-file-1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n";
    size_t len = strlen(good);
    for (size_t cut = 0; cut <= len + 1; cut++) {
        struct tz_unlock_source source = {.key_file = write_file(good, cut, 0600)};
        TZ_SCOPED(tz_scoped_unlock) struct tz_unlock unlock = {0};
        struct tz_error err = {0};
        int expected = cut == len || cut == len - 1 ? 0 : -1;
        assert_int_equal(tz_unlock_read(&unlock, &source, &err), expected);
        assert_int_equal(err.kind, expected ? TZ_KEY : TZ_OK);
        assert_null(strstr(err.message, "0123456789"));
    }
    for (size_t at = 0; at < len; at++) {
        char was = good[at];
        good[at] = 'x';
        struct tz_unlock_source source = {.key_file = write_file(good, len, 0600)};
        TZ_SCOPED(tz_scoped_unlock) struct tz_unlock unlock = {0};
        assert_int_equal(tz_unlock_read(&unlock, &source, NULL), -1);
        good[at] = was;
    }
}

/* A child that has a terminal of its own and asks on it. */
struct asker {
    pid_t pid;
    int terminal; /* our side */
    char shown[4096];
    size_t shown_len;
};

/* The child's part: ask, compare, and say with the exit code how it went. */
static void ask_and_exit(const char *terminal, bool confirm, bool handle, const char *expected)
{
    (void)setsid();                  /* fails under a shell, which has done it */
    int fd = open(terminal, O_RDWR); /* becomes the controlling terminal */
    if (fd < 0 || (handle && tz_interrupt_install(NULL)))
        _exit(99);
    const struct tz_unlock_source source = {
        .prompt = true, .confirm = confirm, .prompt_text = "Passphrase for the test"};
    struct tz_unlock unlock = {0};
    struct tz_error err = {0};
    int status = tz_unlock_read(&unlock, &source, &err);
    if (status)
        _exit((int)err.kind);
    _exit(strcmp(unlock.secret, expected) ? 98 : 0);
}

static void open_terminal(struct asker *asker, char *name, size_t size)
{
    *asker = (struct asker){.terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)};
    assert_true(asker->terminal >= 0);
    assert_int_equal(grantpt(asker->terminal), 0);
    assert_int_equal(unlockpt(asker->terminal), 0);
    assert_int_equal(ptsname_r(asker->terminal, name, size), 0);
}

static void start(struct asker *asker, bool confirm, bool handle, const char *expected)
{
    char name[64];
    open_terminal(asker, name, sizeof(name));
    asker->pid = fork();
    assert_true(asker->pid >= 0);
    if (asker->pid == 0)
        ask_and_exit(name, confirm, handle, expected);
}

/* Wait until the terminal has shown text. */
static void await(struct asker *asker, const char *text)
{
    int64_t end = tz_monotonic() + 20 * TZ_SECOND_NS;
    while (!strstr(asker->shown, text)) {
        struct pollfd polled = {.fd = asker->terminal, .events = POLLIN};
        assert_true(tz_monotonic() < end);
        (void)poll(&polled, 1, 100);
        if (!(polled.revents & POLLIN))
            continue;
        ssize_t got = read(asker->terminal, asker->shown + asker->shown_len,
                           sizeof(asker->shown) - 1 - asker->shown_len);
        assert_true(got >= 0);
        asker->shown_len += (size_t)got;
    }
}

static void answer(struct asker *asker, const char *text)
{
    assert_int_equal(write(asker->terminal, text, strlen(text)), strlen(text));
}

static bool echoes(const struct asker *asker)
{
    struct termios now;
    assert_int_equal(tcgetattr(asker->terminal, &now), 0);
    return now.c_lflag & ECHO;
}

static int finish(struct asker *asker)
{
    int status;
    assert_int_equal(waitpid(asker->pid, &status, 0), asker->pid);
    assert_int_equal(close(asker->terminal), 0);
    return status;
}

static void the_prompt_reads_without_echo(void **state)
{
    (void)state;
    struct asker asker;
    start(&asker, false, false, "typed 東西");
    await(&asker, "Passphrase for the test: ");
    assert_false(echoes(&asker));
    answer(&asker, "typed 東西\n");
    await(&asker, "\n");
    assert_null(strstr(asker.shown, "typed"));
    assert_true(echoes(&asker));
    assert_int_equal(finish(&asker), 0);
}

static void a_new_passphrase_is_asked_for_twice(void **state)
{
    (void)state;
    struct asker asker;
    start(&asker, true, false, "new");
    await(&asker, "Passphrase for the test: ");
    answer(&asker, "new\n");
    await(&asker, "again: ");
    answer(&asker, "new\n");
    assert_int_equal(finish(&asker), 0);

    start(&asker, true, false, "new");
    await(&asker, "Passphrase for the test: ");
    answer(&asker, "new\n");
    await(&asker, "again: ");
    answer(&asker, "nev\n");
    int status = finish(&asker);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), TZ_INVALID);
}

static void an_empty_answer_is_refused(void **state)
{
    (void)state;
    const char *const answers[] = {"\n", "\004"}; /* the second: end of file */
    for (size_t i = 0; i < TZ_COUNT(answers); i++) {
        struct asker asker;
        start(&asker, false, false, "");
        await(&asker, "test: ");
        answer(&asker, answers[i]);
        int status = finish(&asker);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), TZ_INVALID);
    }
}

static void an_interrupt_brings_the_echo_back(void **state)
{
    (void)state;
    struct asker asker;
    start(&asker, false, false, "");
    await(&asker, "test: ");
    assert_false(echoes(&asker));
    answer(&asker, "half\003");
    await(&asker, "\n");
    int status;
    assert_int_equal(waitpid(asker.pid, &status, 0), asker.pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGINT);
    assert_true(echoes(&asker));
    assert_int_equal(close(asker.terminal), 0);
}

static void an_interrupt_that_is_handled_ends_the_question(void **state)
{
    (void)state;
    struct asker asker;
    start(&asker, false, true, "");
    await(&asker, "test: ");
    assert_int_equal(kill(asker.pid, SIGTERM), 0);
    await(&asker, "\n");
    int status;
    assert_int_equal(waitpid(asker.pid, &status, 0), asker.pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), TZ_INTERRUPTED);
    assert_true(echoes(&asker));
    assert_int_equal(close(asker.terminal), 0);
}

/* What a shell does: run the asker in the foreground, and go on with it when it was stopped. */
static void ask_under_a_shell(const char *terminal, const char *expected)
{
    (void)setsid();
    int fd = open(terminal, O_RDWR);
    if (fd < 0)
        _exit(99);
    pid_t pid = fork();
    if (pid == 0) {
        (void)setpgid(0, 0);
        (void)signal(SIGTTOU, SIG_IGN);
        (void)tcsetpgrp(fd, getpid());
        (void)signal(SIGTTOU, SIG_DFL);
        ask_and_exit(terminal, false, false, expected);
    }
    int status;
    struct termios now;
    if (waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status))
        _exit(97);
    if (tcgetattr(fd, &now) || !(now.c_lflag & ECHO))
        _exit(96);
    (void)kill(pid, SIGCONT);
    if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        _exit(95);
    _exit(WEXITSTATUS(status));
}

static void after_a_stop_it_asks_again(void **state)
{
    (void)state;
    struct asker asker;
    char name[64];
    open_terminal(&asker, name, sizeof(name));
    asker.pid = fork();
    assert_true(asker.pid >= 0);
    if (asker.pid == 0)
        ask_under_a_shell(name, "typed");
    await(&asker, "test: ");
    answer(&asker, "lost\032");
    await(&asker, "\nPassphrase for the test: ");
    answer(&asker, "typed\n");
    assert_int_equal(finish(&asker), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_line_of_a_file_is_the_passphrase),
        cmocka_unit_test(a_passphrase_has_at_most_4096_bytes),
        cmocka_unit_test(a_file_that_others_can_read_is_refused),
        cmocka_unit_test(what_is_no_file_is_refused),
        cmocka_unit_test(a_pipe_will_do),
        cmocka_unit_test(a_command_prints_the_passphrase),
        cmocka_unit_test(a_command_that_fails_shows_nothing_of_its_output),
        cmocka_unit_test(the_environment_is_wiped_after_reading),
        cmocka_unit_test(the_first_source_that_is_set_is_taken),
        cmocka_unit_test(a_new_key_file_opens_what_it_wrapped),
        cmocka_unit_test(a_key_file_is_never_replaced),
        cmocka_unit_test(a_damaged_key_file_is_refused),
        cmocka_unit_test(the_prompt_reads_without_echo),
        cmocka_unit_test(a_new_passphrase_is_asked_for_twice),
        cmocka_unit_test(an_empty_answer_is_refused),
        cmocka_unit_test(an_interrupt_brings_the_echo_back),
        cmocka_unit_test(an_interrupt_that_is_handled_ends_the_question),
        cmocka_unit_test(after_a_stop_it_asks_again),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
