#include "tozai/util/log.h"

#include "tozai/util/time.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* Standard error goes to this file, which has no name, while lines are written. */
static FILE *captured;
static int original = -1;

static int start_capture(void **state)
{
    (void)state;
    captured = tmpfile();
    original = dup(STDERR_FILENO);
    if (!captured || original < 0 || dup2(fileno(captured), STDERR_FILENO) < 0)
        return -1;
    return 0;
}

static int stop_capture(void **state)
{
    (void)state;
    tz_log_level = 0;
    int result = dup2(original, STDERR_FILENO) < 0;
    return result | close(original) | fclose(captured);
}

static size_t read_captured(char *text, size_t size)
{
    rewind(captured);
    size_t len = fread(text, 1, size - 1, captured);
    text[len] = '\0';
    return len;
}

static void silence_is_the_default(void **state)
{
    (void)state;
    char text[100];

    assert_int_equal(tz_log_level, 0);
    tz_debug("nothing %d", 1);
    assert_int_equal(read_captured(text, sizeof(text)), 0);
}

static void a_line_has_its_time_and_text(void **state)
{
    (void)state;
    char text[200];
    int64_t time = 0;

    tz_log_level = 1;
    tz_debug("pack %d of %s", 7, "東");
    (void)read_captured(text, sizeof(text));
    char *rest = strchr(text, ' ');
    assert_non_null(rest);
    assert_string_equal(rest, " debug: pack 7 of 東\n");
    *rest = '\0';
    assert_int_equal(tz_time_parse(text, 0, &time, NULL), 0);
    assert_in_range(tz_now() - time, 0, 60 * TZ_SECOND_NS);
}

static void a_line_stays_one_line(void **state)
{
    (void)state;
    char text[200];

    tz_log_level = 1;
    tz_debug("name 'a\nb\x1b[31m\x7f\t'");
    (void)read_captured(text, sizeof(text));
    assert_non_null(strstr(text, "name 'a?b?[31m?"
                                 "?'\n"));
}

static void a_long_line_is_cut(void **state)
{
    (void)state;
    char text[20000];

    tz_log_level = 1;
    tz_debug("%010000d", 1);
    size_t len = read_captured(text, sizeof(text));
    assert_in_range(len, 1000, 3000);
    assert_int_equal(text[len - 1], '\n');
}

static void errno_is_kept(void **state)
{
    (void)state;

    tz_log_level = 1;
    assert_true(close(STDERR_FILENO) == 0); /* the line cannot be written */
    errno = ENOTTY;
    tz_debug("x");
    assert_int_equal(errno, ENOTTY);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start_capture, stop_capture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(silence_is_the_default), TEST(a_line_has_its_time_and_text),
        TEST(a_line_stays_one_line),  TEST(a_long_line_is_cut),
        TEST(errno_is_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
