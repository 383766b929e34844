/* Hooks: what they get, what is kept of them, and what happens to those that misbehave. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/run/hook.h"
#include "tozai/util/interrupt.h"
#include "tozai/util/time.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define S TZ_SECOND_NS

static struct tz_hook_result result;
static struct tz_error err;

static int run_for(const char *command, int64_t limit_ns)
{
    static const char *const variables[] = {"TOZAI_RESULT=ok", "TOZAI_SOURCE=a b", NULL};
    const struct tz_hook hook = {.command = command, .variables = variables, .limit_ns = limit_ns};

    tz_error_clear(&err);
    return tz_hook_run(&hook, &result, &err);
}

static int run(const char *command)
{
    return run_for(command, 60 * S);
}

static void both_streams_are_kept(void **state)
{
    (void)state;
    assert_int_equal(run("echo out; echo err >&2; cat"), 0);
    assert_string_equal(result.output, "out\nerr\n");
    assert_true(result.took_ns >= 0 && result.output_total == 8);
}

static void the_environment_tells_the_result_and_no_secret(void **state)
{
    (void)state;
    (void)setenv("TOZAI_PASSPHRASE", "geheim", 1);
    (void)setenv("TOZAI_RESULT", "of another run", 1);
    (void)setenv("TOZAI_PASSPHRASE_HINT", "stays", 1);
    assert_int_equal(run("echo \"$TOZAI_RESULT,$TOZAI_SOURCE,${TOZAI_PASSPHRASE-unset},"
                         "$TOZAI_PASSPHRASE_HINT,${PATH:+path}\""),
                     0);
    assert_string_equal(result.output, "ok,a b,unset,stays,path\n");
    (void)unsetenv("TOZAI_PASSPHRASE");
    (void)unsetenv("TOZAI_RESULT");
}

static void a_failure_says_how(void **state)
{
    (void)state;
    assert_int_equal(run("echo why; exit 7"), -1);
    assert_int_equal(err.kind, TZ_FAILED);
    assert_string_equal(err.message, "exit status 7");
    assert_string_equal(result.output, "why\n");
    assert_int_equal(run("kill -9 $$"), -1);
    assert_string_equal(err.message, "ended by signal 9");
    assert_int_equal(run("/no/such/program"), -1);
    assert_string_equal(err.message, "exit status 127");
}

static void much_output_is_read_and_its_end_kept(void **state)
{
    (void)state;
    assert_int_equal(run("head -c 1000000000 /dev/zero; echo last"), 0);
    assert_int_equal(result.output_total, 1000000005);
    assert_int_equal(result.output_len, TZ_HOOK_OUTPUT);
    assert_string_equal(result.output + TZ_HOOK_OUTPUT - 5, "last\n");
}

static bool is_gone(pid_t pid)
{
    for (int i = 0; i < 100; i++) {
        const struct timespec moment = {.tv_nsec = 20000000};
        (void)waitpid(pid, NULL, WNOHANG);
        if (kill(pid, 0) && errno == ESRCH)
            return true;
        (void)nanosleep(&moment, NULL);
    }
    return false;
}

static void one_that_hangs_is_ended_with_all_that_it_started(void **state)
{
    int64_t began = tz_monotonic();

    (void)state;
    assert_int_equal(run_for("sleep 1000 & echo $!; sleep 1000", S / 2), -1);
    assert_int_equal(err.kind, TZ_FAILED);
    assert_non_null(strstr(err.message, "took longer"));
    assert_true(tz_monotonic() - began < 5 * S);
    assert_true(is_gone((pid_t)atoi(result.output)));
}

static void one_that_will_not_end_is_killed(void **state)
{
    int64_t began = tz_monotonic();

    (void)state;
    assert_int_equal(run_for("trap '' TERM; (trap '' TERM; sleep 1000) & echo $!;"
                             " while :; do sleep 1; done",
                             S / 2),
                     -1);
    assert_true(tz_monotonic() - began < 15 * S);
    assert_true(is_gone((pid_t)atoi(result.output)));
}

static void what_prints_without_end_is_ended_in_time(void **state)
{
    int64_t began = tz_monotonic();

    (void)state;
    assert_int_equal(run_for("exec yes", S / 2), -1);
    assert_true(result.output_total > TZ_HOOK_OUTPUT);
    assert_true(tz_monotonic() - began < 5 * S);
}

static void what_it_leaves_behind_does_not_hold_us(void **state)
{
    int64_t began = tz_monotonic();

    (void)state;
    assert_int_equal(run("sleep 30 & echo $!"), 0);
    assert_true(tz_monotonic() - began < 10 * S);
    (void)kill((pid_t)atoi(result.output), SIGKILL);
}

/* The last one: the wish to stop stays. */
static void an_interrupt_ends_it_unless_it_clears_up(void **state)
{
    int64_t began = tz_monotonic();
    const struct tz_hook hook = {.command = "echo done", .limit_ns = 60 * S, .uninterrupted = true};

    (void)state;
    tz_interrupt_request();
    assert_int_equal(run("sleep 30"), -1);
    assert_int_equal(err.kind, TZ_INTERRUPTED);
    assert_true(tz_monotonic() - began < 10 * S);
    assert_int_equal(tz_hook_run(&hook, &result, &err), 0);
    assert_string_equal(result.output, "done\n");
}

static void zero_bytes_hide_nothing(void **state)
{
    (void)state;
    assert_int_equal(run("head -c 100000 /dev/zero; echo why; exit 3"), -1);
    assert_int_equal(result.output_total, 100004);
    assert_int_equal(strlen(result.output), TZ_HOOK_OUTPUT);
    assert_string_equal(result.output + TZ_HOOK_OUTPUT - 5, " why\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_streams_are_kept),
        cmocka_unit_test(the_environment_tells_the_result_and_no_secret),
        cmocka_unit_test(a_failure_says_how),
        cmocka_unit_test(much_output_is_read_and_its_end_kept),
        cmocka_unit_test(zero_bytes_hide_nothing),
        cmocka_unit_test(one_that_hangs_is_ended_with_all_that_it_started),
        cmocka_unit_test(one_that_will_not_end_is_killed),
        cmocka_unit_test(what_prints_without_end_is_ended_in_time),
        cmocka_unit_test(what_it_leaves_behind_does_not_hold_us),
        cmocka_unit_test(an_interrupt_ends_it_unless_it_clears_up),
    };

    /* Orphans are reaped here, so that a killed one is gone and not a zombie. */
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
