#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* pipe2() */
#endif
#include "tozai/util/shell.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Run it, and read what it writes to its end; the status of waitpid(). */
static int run(const char *command, char *const *environment, bool group, char *said, size_t size)
{
    struct tz_error err = {0};
    int ends[2];
    pid_t pid;
    int status;
    size_t len = 0;
    ssize_t got;

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    const struct tz_shell shell = {.command = command,
                                   .environment = environment,
                                   .output = ends[1],
                                   .errors = ends[1],
                                   .group = group};
    if (tz_shell_start(&pid, &shell, &err))
        fail_msg("%s", err.message);
    assert_int_equal(close(ends[1]), 0);
    while ((got = read(ends[0], said + len, size - 1 - len)) > 0)
        len += (size_t)got;
    said[len] = '\0';
    assert_int_equal(close(ends[0]), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void output_and_errors_go_where_they_are_sent(void **state)
{
    char said[256];

    (void)state;
    int status = run("echo one; echo two >&2; exit 3", NULL, true, said, sizeof(said));
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 3);
    assert_string_equal(said, "one\ntwo\n");
}

static void there_is_nothing_to_read(void **state)
{
    char said[256];

    (void)state;
    assert_int_equal(run("cat; echo end", NULL, false, said, sizeof(said)), 0);
    assert_string_equal(said, "end\n");
}

static void the_environment_can_be_another_one(void **state)
{
    char text[] = "WORD=hello";
    char *const environment[] = {text, NULL};
    char said[256];

    (void)state;
    assert_int_equal(setenv("OTHER", "ours", 1), 0);
    assert_int_equal(run("echo $WORD $OTHER", environment, true, said, sizeof(said)), 0);
    assert_string_equal(said, "hello\n");
    assert_int_equal(run("echo $WORD $OTHER", NULL, true, said, sizeof(said)), 0);
    assert_string_equal(said, "ours\n");
}

static void signals_are_as_usual(void **state)
{
    sigset_t blocked;
    char said[256];

    (void)state;
    assert_true(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    (void)sigemptyset(&blocked);
    (void)sigaddset(&blocked, SIGTERM);
    assert_int_equal(sigprocmask(SIG_BLOCK, &blocked, NULL), 0);
    int status = run("kill -PIPE $$; echo alive", NULL, true, said, sizeof(said));
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE);
    status = run("kill -TERM $$; echo alive", NULL, true, said, sizeof(said));
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    assert_int_equal(sigprocmask(SIG_UNBLOCK, &blocked, NULL), 0);
}

static void a_group_of_its_own_is_given_where_it_is_wanted(void **state)
{
    static const char command[] = "[ $$ = $(ps -o pgid= -p $$) ] && echo own || echo ours";
    char said[256];

    (void)state;
    if (system("ps -p 1 >/dev/null 2>&1") != 0)
        skip();
    assert_int_equal(run(command, NULL, true, said, sizeof(said)), 0);
    assert_string_equal(said, "own\n");
    assert_int_equal(run(command, NULL, false, said, sizeof(said)), 0);
    assert_string_equal(said, "ours\n");
}

static void the_last_of_what_is_said_is_kept(void **state)
{
    static const char *const parts[] = {"", "a", "bc", "defghijk", "", "lmnop", "qrstuvwxyz", "0"};
    char all[64] = "", kept[9] = "";
    size_t len = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        strncat(all, parts[i], sizeof(all) - strlen(all) - 1);
        tz_keep_last(kept, &len, sizeof(kept), parts[i], strlen(parts[i]));
        size_t expected = strlen(all) < sizeof(kept) ? strlen(all) : sizeof(kept);
        assert_int_equal(len, expected);
        assert_memory_equal(kept, all + strlen(all) - expected, expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(output_and_errors_go_where_they_are_sent),
        cmocka_unit_test(there_is_nothing_to_read),
        cmocka_unit_test(the_environment_can_be_another_one),
        cmocka_unit_test(signals_are_as_usual),
        cmocka_unit_test(a_group_of_its_own_is_given_where_it_is_wanted),
        cmocka_unit_test(the_last_of_what_is_said_is_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
