#include "tozai/util/interrupt.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/*
 * The flag of a process cannot be taken back, so each test runs in a child.  It gives 0, or the
 * line that found something wrong.
 */
#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return __LINE__;                                                                       \
    } while (0)

static int run_in_child(int (*body)(void))
{
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        int line = body();
        if (line)
            (void)fprintf(stderr, "line %d\n", line);
        _exit(line != 0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static int without_a_wish(void)
{
    CHECK(tz_interrupt_install(NULL) == 0);
    CHECK(!tz_interrupted());
    CHECK(tz_interrupt_check(NULL) == 0);
    return 0;
}

static void nobody_asked_at_first(void **state)
{
    (void)state;
    assert_int_equal(run_in_child(without_a_wish), 0);
}

static int with_a_request(void)
{
    struct tz_error err = {0};

    tz_interrupt_request();
    CHECK(tz_interrupted());
    CHECK(tz_interrupt_check(&err) == -1);
    CHECK(err.kind == TZ_INTERRUPTED);
    CHECK(strcmp(err.message, "interrupted") == 0);
    /* A request is not a signal: the first one that comes does not end the process. */
    CHECK(tz_interrupt_install(NULL) == 0);
    CHECK(raise(SIGTERM) == 0);
    CHECK(tz_interrupted());
    return 0;
}

static void a_request_is_seen(void **state)
{
    (void)state;
    assert_int_equal(run_in_child(with_a_request), 0);
}

static int first_signal;
static int second_signal;

static int with_one_signal(void)
{
    CHECK(tz_interrupt_install(NULL) == 0);
    errno = ENOTTY;
    CHECK(raise(first_signal) == 0);
    CHECK(errno == ENOTTY);
    CHECK(tz_interrupted());
    CHECK(tz_interrupt_check(NULL) == -1);
    return 0;
}

static int with_two_signals(void)
{
    int line = with_one_signal();

    CHECK(line == 0);
    (void)raise(second_signal);
    return __LINE__; /* must not be reached */
}

static void the_first_signal_asks_and_the_second_ends(void **state)
{
    (void)state;
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};

    for (size_t i = 0; i < TZ_COUNT(numbers); i++) {
        first_signal = numbers[i];
        assert_int_equal(run_in_child(with_one_signal), 0);
        for (size_t k = 0; k < TZ_COUNT(numbers); k++) {
            second_signal = numbers[k];
            int status = run_in_child(with_two_signals);
            assert_true(WIFSIGNALED(status));
            assert_int_equal(WTERMSIG(status), numbers[k]);
        }
    }
}

static int with_nohup(void)
{
    CHECK(signal(SIGHUP, SIG_IGN) != SIG_ERR);
    CHECK(tz_interrupt_install(NULL) == 0);
    CHECK(raise(SIGHUP) == 0);
    CHECK(raise(SIGHUP) == 0);
    CHECK(!tz_interrupted());
    CHECK(raise(SIGINT) == 0);
    CHECK(tz_interrupted());
    return 0;
}

static void what_was_ignored_stays_ignored(void **state)
{
    (void)state;
    assert_int_equal(run_in_child(with_nohup), 0);
}

static int with_a_broken_pipe(void)
{
    int fds[2];

    CHECK(tz_interrupt_install(NULL) == 0);
    CHECK(pipe(fds) == 0);
    CHECK(close(fds[0]) == 0);
    CHECK(write(fds[1], "x", 1) == -1);
    CHECK(errno == EPIPE);
    CHECK(!tz_interrupted());
    return 0;
}

static void a_broken_pipe_is_an_error_not_an_end(void **state)
{
    (void)state;
    assert_int_equal(run_in_child(with_a_broken_pipe), 0);
}

static int with_a_call_that_waits(void)
{
    int fds[2];
    char byte;

    CHECK(tz_interrupt_install(NULL) == 0);
    CHECK(pipe(fds) == 0);
    pid_t parent = getpid();
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        /* Longer than the parent needs to come to the read(). */
        struct timespec pause = {.tv_nsec = 100000000};
        (void)nanosleep(&pause, NULL);
        _exit(kill(parent, SIGTERM) != 0);
    }
    CHECK(read(fds[0], &byte, 1) == -1);
    CHECK(errno == EINTR);
    CHECK(tz_interrupted());
    CHECK(waitpid(child, NULL, 0) == child);
    return 0;
}

static void calls_that_wait_are_ended(void **state)
{
    (void)state;
    assert_int_equal(run_in_child(with_a_call_that_waits), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_asked_at_first),
        cmocka_unit_test(a_request_is_seen),
        cmocka_unit_test(the_first_signal_asks_and_the_second_ends),
        cmocka_unit_test(what_was_ignored_stays_ignored),
        cmocka_unit_test(a_broken_pipe_is_an_error_not_an_end),
        cmocka_unit_test(calls_that_wait_are_ended),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
