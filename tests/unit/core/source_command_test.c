#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "source_fixture.h"

#include "tozai/util/file.h"
#include "tozai/util/interrupt.h"
#include "tozai/util/time.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static void configure(struct tz_source_fixture *f, const char *command)
{
    f->config.type = TZ_SOURCE_COMMAND;
    f->config.paths.count = 0;
    f->config.command = (char *)command;
}

/* Read all and finish.  The error of finish is in *err. */
static int run(struct tz_source_fixture *f, const char *command, struct tz_buf *out,
               struct tz_error *err)
{
    struct tz_entry entry = {0};
    struct tz_input *input = NULL;
    int64_t time_ns = 0;
    char *position = NULL;

    configure(f, command);
    struct tz_source *source = tz_test_source(&f->options);
    tz_fixture_next(source, &entry, "test");
    assert_int_equal(tz_source_load(source, &entry, &input, NULL), 0);
    tz_test_read(input, 4096, out);
    tz_input_free(input);
    tz_entry_clear(&entry);
    int status = tz_source_finish(source, &time_ns, &position, err);
    free(position);
    tz_source_free(source);
    return status;
}

static void append_numbers(void *arg, const char *path, struct tz_buf *out)
{
    (void)arg;
    assert_string_equal(path, "test");
    for (int i = 1; i <= 20000; i++)
        assert_int_equal(tz_buf_printf(out, NULL, "%d\n", i), 0);
}

static void it_keeps_the_contract(void **state)
{
    struct tz_source_fixture *f = *state;

    configure(f, "seq 20000");
    struct tz_source_contract contract = {.options = f->options, .content = append_numbers};
    tz_source_contract_run(&contract);
}

static void the_output_is_one_private_file(void **state)
{
    struct tz_source_fixture *f = *state;
    struct tz_entry entry = {0};
    struct tz_input *input = NULL;
    struct tz_error err = {0};
    bool done = false;

    configure(f, "echo x");
    f->config.name = (char *)"with/a slash";
    struct tz_source *source = tz_test_source(&f->options);
    assert_int_equal(tz_source_next(source, &entry, &done, NULL), 0);
    assert_string_equal(entry.path, "with_a slash");
    assert_int_equal(entry.type, TZ_ENTRY_FILE);
    assert_int_equal(entry.mode, 0600);
    assert_int_equal(entry.uid, geteuid());
    assert_true(entry.mtime_s > 1700000000);
    assert_int_equal(tz_source_load(source, &entry, &input, NULL), 0);
    assert_true(tz_input_hints(input)->sequential);
    struct tz_input *second = NULL;
    assert_int_equal(tz_source_load(source, &entry, &second, &err), -1);
    tz_input_free(input);
    tz_entry_clear(&entry);
    tz_source_free(source);
}

static void names_that_are_no_file_names_are_replaced(void **state)
{
    struct tz_source_fixture *f = *state;
    static const char *const names[] = {"..", ".", ""};

    configure(f, "true");
    for (size_t i = 0; i < TZ_COUNT(names); i++) {
        f->config.name = (char *)names[i];
        TZ_SCOPED(tz_scoped_free) char *walk = tz_fixture_walk(f);
        assert_string_equal(walk, "- output\n");
    }
}

static void without_a_command_it_is_refused(void **state)
{
    struct tz_source_fixture *f = *state;
    struct tz_error err;

    configure(f, NULL);
    assert_int_equal(tz_fixture_refused(f, &err), TZ_INVALID);
    configure(f, "");
    assert_int_equal(tz_fixture_refused(f, &err), TZ_INVALID);
}

static void a_failure_is_an_error_with_its_reason(void **state)
{
    struct tz_source_fixture *f = *state;
    struct tz_error err = {0};
    struct tz_buf out = {0};

    assert_int_equal(
        run(f, "echo partial; echo 'first line' >&2; echo 'the reason' >&2; exit 3", &out, &err),
        -1);
    assert_int_equal(err.kind, TZ_FAILED);
    assert_non_null(strstr(err.message, "exit status 3"));
    assert_non_null(strstr(err.message, "first line; the reason"));
    assert_int_equal(out.len, strlen("partial\n"));
    tz_buf_reset(&out);
    assert_int_equal(run(f, "echo partial; kill -KILL $$", &out, &err), -1);
    assert_non_null(strstr(err.message, "signal 9"));
    assert_int_equal(run(f, "/nowhere/no-such-program", &out, &err), -1);
    assert_non_null(strstr(err.message, "no-such-program"));
    tz_buf_clear(&out);
}

/* The last of much, in one line, without control characters, with its first line whole. */
static void much_on_standard_error_is_cut(void **state)
{
    struct tz_source_fixture *f = *state;
    struct tz_error err = {0};
    struct tz_buf out = {0};

    assert_int_equal(
        run(f, "seq 100000 >&2; printf 'the \\033[31mreason\\n\\n' >&2; exit 1", &out, &err), -1);
    assert_non_null(strstr(err.message, "100000; the [31mreason"));
    assert_null(strchr(err.message, '\n'));
    assert_null(strchr(err.message, '\033'));
    assert_null(strstr(err.message, "; 50000;"));
    const char *first = strstr(err.message, ": ") + 2;
    assert_int_equal(strcspn(first, ";"), 5); /* a number of five digits, not the end of one */
    tz_buf_clear(&out);
}

static void warnings_of_a_command_that_ends_well_are_no_error(void **state)
{
    struct tz_source_fixture *f = *state;
    struct tz_error err = {0};
    struct tz_buf out = {0};

    assert_int_equal(run(f, "echo warning >&2; echo x", &out, &err), 0);
    assert_int_equal(out.len, 2);
    tz_buf_clear(&out);
}

/* Both pipes are full again and again. */
static void neither_pipe_blocks_the_other(void **state)
{
    struct tz_source_fixture *f = *state;
    struct tz_error err = {0};
    struct tz_buf out = {0};

    assert_int_equal(run(f,
                         "i=0; while [ $i -lt 20 ]; do head -c 300000 /dev/zero >&2; "
                         "head -c 300000 /dev/zero; i=$((i+1)); done",
                         &out, &err),
                     0);
    assert_int_equal(out.len, 20 * 300000);
    tz_buf_clear(&out);
}

static void standard_input_is_empty(void **state)
{
    struct tz_source_fixture *f = *state;
    struct tz_error err = {0};
    struct tz_buf out = {0};

    assert_int_equal(run(f, "cat; echo end", &out, &err), 0);
    assert_int_equal(out.len, 4);
    tz_buf_clear(&out);
}

/* What we ignore and block is not passed on. */
static void signals_are_as_by_default(void **state)
{
    struct tz_source_fixture *f = *state;
    struct tz_error err = {0};
    struct tz_buf out = {0};
    sigset_t blocked, old;

    assert_int_equal(tz_interrupt_install(NULL), 0);
    (void)sigemptyset(&blocked);
    (void)sigaddset(&blocked, SIGPIPE);
    (void)sigprocmask(SIG_BLOCK, &blocked, &old);
    assert_int_equal(run(f, "kill -PIPE $$; echo survived", &out, &err), -1);
    (void)sigprocmask(SIG_SETMASK, &old, NULL);
    assert_int_equal(out.len, 0);
    tz_buf_clear(&out);
}

/* A dump tool that closes its output early may still fail afterwards. */
static void the_status_counts_even_after_the_output_ended(void **state)
{
    struct tz_source_fixture *f = *state;
    struct tz_error err = {0};
    struct tz_buf out = {0};

    assert_int_equal(run(f, "echo x; exec >&-; sleep 0.3; exit 5", &out, &err), -1);
    assert_non_null(strstr(err.message, "exit status 5"));
    tz_buf_clear(&out);
}

/* Something that the command leaves behind holds its standard error open. */
static void what_is_left_behind_is_not_waited_for(void **state)
{
    struct tz_source_fixture *f = *state;
    struct tz_error err = {0};
    struct tz_buf out = {0};
    int64_t start = tz_monotonic();

    assert_int_equal(run(f, "sleep 20 >/dev/null & echo x", &out, &err), 0);
    assert_true(tz_monotonic() - start < 10 * TZ_SECOND_NS);
    tz_buf_clear(&out);
}

static void output_that_was_not_read_is_an_error(void **state)
{
    struct tz_source_fixture *f = *state;
    struct tz_error err = {0};
    int64_t time_ns = 0;
    char *position = NULL;

    configure(f, "yes");
    struct tz_source *source = tz_test_source(&f->options);
    assert_int_equal(tz_source_finish(source, &time_ns, &position, &err), -1);
    assert_non_null(strstr(err.message, "not read to its end"));
    assert_null(position);
    tz_source_free(source);
}

static pid_t read_number(const char *path)
{
    struct tz_buf text = {0};
    pid_t number = 0;

    for (int i = 0; i < 500 && number == 0; i++) {
        const struct timespec moment = {.tv_nsec = 10000000};
        tz_buf_reset(&text);
        if (tz_file_read(path, 100, &text, NULL) == 0 && text.len > 1 &&
            text.data[text.len - 1] == '\n')
            number = (pid_t)strtol((char *)text.data, NULL, 10);
        else
            (void)nanosleep(&moment, NULL);
    }
    tz_buf_clear(&text);
    assert_true(number > 0);
    return number;
}

/* Gone, or only waiting to be collected by whoever is its parent now. */
static bool has_ended(pid_t pid)
{
    char path[64], name = 0;

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    FILE *file = fopen(path, "r");
    if (!file)
        return true;
    int count = fscanf(file, "%*d %*s %c", &name);
    (void)fclose(file);
    return count != 1 || name == 'Z' || name == 'X';
}

static void check_killed(struct tz_source_fixture *f, const char *format)
{
    TZ_SCOPED(tz_scoped_free) char *file = tz_fixture_path(f, "pid");
    char command[1000];

    (void)unlink(file);
    (void)snprintf(command, sizeof(command), format, file);
    configure(f, command);
    struct tz_source *source = tz_test_source(&f->options);
    pid_t pid = read_number(file);
    assert_false(has_ended(pid));
    tz_source_free(source);
    for (int i = 0; i < 300 && !has_ended(pid); i++)
        (void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    assert_true(has_ended(pid));
}

static void free_ends_the_whole_group(void **state)
{
    struct tz_source_fixture *f = *state;

    check_killed(f, "sleep 1000 & echo $! > '%s'; wait");
    check_killed(f, "trap '' TERM; echo $$ > '%s'; while :; do sleep 1; done");
    /* The shell has ended, what it started has not. */
    check_killed(f, "sleep 1000 & echo $! > '%s'; sleep 0.1; exit 0");
}

static int be_interrupted(struct tz_source_fixture *f)
{
    struct tz_entry entry = {0};
    struct tz_input *input = NULL;
    struct tz_error err = {0};
    char data[10];
    size_t len = 0;
    uint64_t hole = 0;

    configure(f, "sleep 1000");
    struct tz_source *source = tz_test_source(&f->options);
    tz_fixture_next(source, &entry, "test");
    if (tz_source_load(source, &entry, &input, NULL))
        return 10;
    tz_interrupt_request();
    if (tz_input_read(input, data, sizeof(data), &len, &hole, &err) != -1)
        return 11;
    tz_source_free(source);
    return err.kind == TZ_INTERRUPTED ? 0 : 12;
}

/* In a process of its own, as the wish cannot be taken back. */
static void a_wish_to_stop_ends_the_wait(void **state)
{
    int64_t start = tz_monotonic();
    int status = 0;

    pid_t pid = fork();
    if (pid == 0)
        _exit(be_interrupted(*state));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_true(tz_monotonic() - start < 5 * TZ_SECOND_NS);
}

#define TEST(function)                                                                             \
    cmocka_unit_test_setup_teardown(function, tz_source_fixture_set_up, tz_source_fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_keeps_the_contract),
        TEST(the_output_is_one_private_file),
        TEST(names_that_are_no_file_names_are_replaced),
        TEST(without_a_command_it_is_refused),
        TEST(a_failure_is_an_error_with_its_reason),
        TEST(much_on_standard_error_is_cut),
        TEST(warnings_of_a_command_that_ends_well_are_no_error),
        TEST(neither_pipe_blocks_the_other),
        TEST(standard_input_is_empty),
        TEST(signals_are_as_by_default),
        TEST(the_status_counts_even_after_the_output_ended),
        TEST(what_is_left_behind_is_not_waited_for),
        TEST(output_that_was_not_read_is_an_error),
        TEST(free_ends_the_whole_group),
        TEST(a_wish_to_stop_ends_the_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
