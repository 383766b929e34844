/* For wcwidth() and struct winsize in text.c. */
#define _XOPEN_SOURCE 700
#define _DEFAULT_SOURCE
#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include <cmocka.h>
#include <jansson.h>

/* cmd/ is a program and no library: its files are taken in whole. */
/* NOLINTBEGIN(bugprone-suspicious-include) */
#include "cmd/json.c"
#include "cmd/output.c"
#include "cmd/progress.c"
#include "cmd/table.c"
#include "cmd/text.c"
/* NOLINTEND(bugprone-suspicious-include) */

static void check_escape(const char *text, size_t len, const char *expected)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};

    assert_int_equal(tz_escape(&out, text, len, NULL), 0);
    assert_int_equal(tz_buf_append(&out, "", 1, NULL), 0);
    assert_string_equal((char *)out.data, expected);
}
#define escapes_to(text, expected) check_escape((text), sizeof(text) - 1, (expected))

static void names_are_escaped_where_a_terminal_would_obey(void **state)
{
    (void)state;
    escapes_to("", "");
    escapes_to("plain name.txt", "plain name.txt");
    escapes_to("日本語 ñ \xf0\x9f\x98\x80", "日本語 ñ \xf0\x9f\x98\x80");
    escapes_to("a\nb\tc\rd", "a\\nb\\tc\\rd");
    escapes_to("\033[31mred\177", "\\x1b[31mred\\x7f");
    escapes_to("a\0b", "a\\x00b");
    escapes_to("\xff\xe6\x9d", "\\xff\\xe6\\x9d");
    escapes_to("\xc2\x9b"
               "31m",
               "\\u{9b}31m");
    escapes_to("a\u202etxt.exe", "a\\u{202e}txt.exe");
    escapes_to("\ufeffx", "\\u{feff}x");
    /* A backslash is doubled only where it would read as an escape. */
    escapes_to("a\\nb", "a\\\\nb");
    escapes_to("a\\b\\", "a\\b\\");
    escapes_to("\\\\x", "\\\\\\\\x");
}

static size_t width(const char *text)
{
    return tz_text_width(text, strlen(text));
}

static void width_is_that_of_a_terminal(void **state)
{
    (void)state;
    assert_int_equal(width(""), 0);
    assert_int_equal(width("abc"), 3);
    assert_int_equal(width("東京"), 4);
    assert_int_equal(width("e\u0301"), 1);
    assert_int_equal(width("\xff\xfe"), 2);
    assert_int_equal(tz_text_fit("東京都", 9, 5), 6);
    assert_int_equal(tz_text_fit("東京都", 9, 6), 9);
    assert_int_equal(tz_text_fit("e\u0301x", 4, 1), 3);
    assert_int_equal(tz_text_fit("abc", 3, 0), 0);
}

static char *dump(const json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS);
    assert_non_null(text);
    return text;
}

static void check_path(const char *path, size_t len, const char *expected)
{
    TZ_SCOPED(tz_scoped_json) json_t *object = json_object();

    assert_int_equal(tz_json_path(object, "path", path, len, NULL), 0);
    TZ_SCOPED(tz_scoped_free) char *text = dump(object);
    assert_string_equal(text, expected);
}
#define path_is(path, expected) check_path((path), sizeof(path) - 1, (expected))

static void json_names_lose_nothing(void **state)
{
    (void)state;
    path_is("", "{\"path\":\"\"}");
    path_is("/srv/資料", "{\"path\":\"/srv/資料\"}");
    path_is("a\nb", "{\"path\":\"a\\nb\"}");
    path_is("a\xff", "{\"path\":\"a\ufffd\",\"path_base64\":\"Yf8=\"}");
    path_is("\xff", "{\"path\":\"\ufffd\",\"path_base64\":\"/w==\"}");
    path_is("ab\xfe", "{\"path\":\"ab\ufffd\",\"path_base64\":\"YWL+\"}");
    path_is("abc\xed\xa0\x80", "{\"path\":\"abc\ufffd\ufffd\ufffd\",\"path_base64\":\"YWJj7aCA\"}");
}

static void json_helpers_report_a_lack_of_memory(void **state)
{
    (void)state;
    struct tz_error err = {0};
    TZ_SCOPED(tz_scoped_json) json_t *object = json_object();

    /* A value that could not be made is NULL. */
    assert_int_equal(tz_json_set(object, "x", NULL, &err), -1);
    assert_int_equal(err.kind, TZ_NOMEM);
    assert_int_equal(tz_json_set(object, "x", tz_json_time(0), &err), 0);
    assert_int_equal(tz_json_set(object, "y", tz_json_time(1500000000), &err), 0);
    static const uint8_t bytes[] = {0x00, 0xab};
    assert_int_equal(tz_json_set(object, "z", tz_json_hex(bytes, 2), &err), 0);
    TZ_SCOPED(tz_scoped_free) char *text = dump(object);
    assert_string_equal(text,
                        "{\"x\":null,\"y\":\"1970-01-01T00:00:01.500000000Z\",\"z\":\"00ab\"}");
}

static void every_error_has_its_exit_code(void **state)
{
    (void)state;
    static const struct {
        enum tz_error_kind kind;
        int code;
    } codes[] = {{TZ_FAILED, 1}, {TZ_INVALID, 2},      {TZ_CORRUPT, 4},     {TZ_BUSY, 5},
                 {TZ_IO, 1},     {TZ_UNAVAILABLE, 1},  {TZ_UNSUPPORTED, 1}, {TZ_KEY, 1},
                 {TZ_NOMEM, 1},  {TZ_INTERRUPTED, 130}};

    for (size_t i = 0; i < TZ_COUNT(codes); i++) {
        struct tz_error err = {.kind = codes[i].kind};
        assert_int_equal(tz_exit_of(&err), codes[i].code);
    }
}

/* What a stream got while a test ran. */
struct capture {
    FILE *stream;
    int saved;
    FILE *file;
};

static struct capture begin_capture(FILE *stream)
{
    struct capture capture = {.stream = stream, .file = tmpfile()};

    assert_non_null(capture.file);
    assert_int_equal(fflush(stream), 0);
    capture.saved = dup(fileno(stream));
    assert_true(capture.saved >= 0);
    assert_true(dup2(fileno(capture.file), fileno(stream)) >= 0);
    return capture;
}

static void end_capture(struct capture *capture, char *text, size_t size)
{
    (void)fflush(capture->stream);
    (void)dup2(capture->saved, fileno(capture->stream));
    (void)close(capture->saved);
    rewind(capture->file);
    text[fread(text, 1, size - 1, capture->file)] = '\0';
    (void)fclose(capture->file);
}

static const struct tz_column columns[] = {{"NAME", false}, {"SIZE", true}, {"NOTE", false}};

static void tables_align_wide_names(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_table) struct tz_table *table = NULL;
    static const char *const rows[][3] = {
        {"wiki", "1", "a"}, {"データ", "12345678", NULL}, {"a\nb", "", "c\033"}};
    char text[1024];

    assert_int_equal(tz_table_new(&table, columns, 3, NULL), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(tz_table_add(table, rows[i], NULL), 0);
    struct capture capture = begin_capture(stdout);
    tz_table_print(table);
    end_capture(&capture, text, sizeof(text));
    assert_string_equal(text, "NAME        SIZE  NOTE\n"
                              "wiki           1  a\n"
                              "データ  12345678  \n"
                              "a\\nb              c\\x1b\n");
}

static void tables_grow(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_table) struct tz_table *table = NULL;
    static const char *const row[] = {"a", "b", "c"};
    static char text[65536];

    assert_int_equal(tz_table_new(&table, columns, 3, NULL), 0);
    struct capture capture = begin_capture(stdout);
    tz_table_print(table);
    end_capture(&capture, text, sizeof(text));
    assert_string_equal(text, "");

    for (int i = 0; i < 1000; i++)
        assert_int_equal(tz_table_add(table, row, NULL), 0);
    capture = begin_capture(stdout);
    tz_table_print(table);
    end_capture(&capture, text, sizeof(text));
    size_t lines = 0;
    for (const char *at = text; (at = strchr(at, '\n')); at++)
        lines++;
    assert_int_equal(lines, 1001);
}

static void errors_are_lines_for_people_and_objects_for_programs(void **state)
{
    (void)state;
    struct tz_context context = {0};
    struct tz_error err = {0};
    char text[1024];

    (void)tz_fail(&err, TZ_INVALID, "open '%s'", "a\nb\xff");
    (void)tz_hint(&err, "do \"this\"");
    struct capture capture = begin_capture(stderr);
    tz_report(&context, &err);
    end_capture(&capture, text, sizeof(text));
    assert_string_equal(text, "tozai: open 'a\\nb\\xff'\n  hint: do \"this\"\n");

    context.json = true;
    capture = begin_capture(stderr);
    tz_report(&context, &err);
    end_capture(&capture, text, sizeof(text));
    TZ_SCOPED(tz_scoped_json) json_t *read = json_loads(text, 0, NULL);
    json_t *error = json_object_get(read, "error");
    assert_string_equal(json_string_value(json_object_get(error, "code")), "invalid");
    assert_string_equal(json_string_value(json_object_get(error, "message")),
                        "open 'a\nb\xef\xbf\xbd'");
    assert_string_equal(json_string_value(json_object_get(error, "hint")), "do \"this\"");
    assert_string_equal(strchr(text, '\n'), "\n");
}

static void warnings_respect_quiet_and_json(void **state)
{
    (void)state;
    struct tz_context context = {0};
    char text[1024];

    struct capture capture = begin_capture(stderr);
    tz_warn(&context, "%d files", 3);
    tz_note(&context, "not seen");
    context.verbose = 1;
    tz_note(&context, "seen");
    context.json = true;
    tz_warn(&context, "x");
    tz_note(&context, "not seen");
    context.quiet = true;
    tz_warn(&context, "not seen");
    end_capture(&capture, text, sizeof(text));
    assert_string_equal(text, "tozai: warning: 3 files\ntozai: seen\n"
                              "{\"warning\":{\"message\":\"x\"}}\n");
}

static void progress_is_silent_where_nobody_wants_it(void **state)
{
    (void)state;
    struct tz_context quiet = {.quiet = true, .verbose = 1};
    struct tz_context none = {.no_progress = true, .verbose = 1};
    struct tz_context no_terminal = {0};
    struct tz_context *contexts[] = {&quiet, &none, &no_terminal};
    char text[64];

    struct capture capture = begin_capture(stderr);
    for (size_t i = 0; i < TZ_COUNT(contexts); i++) {
        TZ_SCOPED(tz_scoped_progress) struct tz_progress *progress = NULL;
        assert_int_equal(tz_progress_new(&progress, contexts[i], NULL), 0);
        assert_null(progress);
        tz_progress_update(progress, &(struct tz_progress_state){.phase = "x"});
    }
    end_capture(&capture, text, sizeof(text));
    assert_string_equal(text, "");
}

static void progress_in_a_log_comes_once_for_each_phase(void **state)
{
    (void)state;
    struct tz_context context = {.verbose = 1};
    struct tz_progress *progress = NULL;
    struct tz_progress_state now = {
        .phase = "backup a\033b", .files = 2, .bytes_done = 512, .bytes_total = 2048};
    char text[1024];

    struct capture capture = begin_capture(stderr);
    assert_int_equal(tz_progress_new(&progress, &context, NULL), 0);
    assert_non_null(progress);
    for (int i = 0; i < 100; i++)
        tz_progress_update(progress, &now);
    now = (struct tz_progress_state){.phase = "sync", .bytes_done = 1 << 20, .note = "east: done"};
    tz_progress_update(progress, &now);
    tz_progress_finish(progress);
    end_capture(&capture, text, sizeof(text));
    assert_string_equal(text, "tozai: backup a\\x1bb  512 B / 2.0 KiB 25%  2 files\n"
                              "tozai: sync  1.0 MiB  0 files  east: done\n");
}

static void progress_as_json_is_a_line_of_its_own(void **state)
{
    (void)state;
    struct tz_context context = {.verbose = 1, .json = true};
    struct tz_progress *progress = NULL;
    char text[1024];

    struct capture capture = begin_capture(stderr);
    assert_int_equal(tz_progress_new(&progress, &context, NULL), 0);
    tz_progress_update(
        progress, &(struct tz_progress_state){.phase = "backup a", .files = 7, .bytes_done = 5});
    tz_progress_finish(progress);
    end_capture(&capture, text, sizeof(text));
    TZ_SCOPED(tz_scoped_json) json_t *read = json_loads(text, 0, NULL);
    json_t *object = json_object_get(read, "progress");
    assert_int_equal(json_integer_value(json_object_get(object, "files")), 7);
    assert_int_equal(json_integer_value(json_object_get(object, "bytes_done")), 5);
    assert_string_equal(json_string_value(json_object_get(object, "phase")), "backup a");
}

/* A terminal of 40 columns in the place of standard error. */
struct terminal {
    int master;
    int saved;
};

static struct terminal begin_terminal(void)
{
    struct terminal terminal = {.master = posix_openpt(O_RDWR | O_NOCTTY)};
    struct winsize size = {.ws_row = 10, .ws_col = 40};

    assert_true(terminal.master >= 0);
    assert_int_equal(grantpt(terminal.master) || unlockpt(terminal.master), 0);
    int slave = open(ptsname(terminal.master), O_RDWR | O_NOCTTY);
    assert_true(slave >= 0);
    assert_int_equal(ioctl(slave, TIOCSWINSZ, &size), 0);
    (void)fflush(stderr);
    terminal.saved = dup(STDERR_FILENO);
    assert_true(dup2(slave, STDERR_FILENO) >= 0);
    (void)close(slave);
    return terminal;
}

static void end_terminal(struct terminal *terminal, char *text, size_t size)
{
    (void)fflush(stderr);
    /* What was written may come in several pieces. */
    struct pollfd input = {.fd = terminal->master, .events = POLLIN};
    size_t len = 0;
    while (len < size - 1 && poll(&input, 1, 200) == 1) {
        ssize_t n = read(terminal->master, text + len, size - 1 - len);
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    (void)dup2(terminal->saved, STDERR_FILENO);
    (void)close(terminal->saved);
    (void)close(terminal->master);
    text[len] = '\0';
}

static void a_terminal_gets_one_line_that_fits(void **state)
{
    (void)state;
    struct tz_context context = {0};
    struct tz_progress *progress = NULL;
    struct tz_progress_state now = {.phase = "backup データ",
                                    .files = 2,
                                    .bytes_done = 512,
                                    .note = "東京: much more than fits"};
    char text[1024];

    assert_int_equal(setenv("TERM", "xterm", 1), 0);
    struct terminal terminal = begin_terminal();
    int failed = tz_progress_new(&progress, &context, NULL);
    for (int i = 0; i < 1000; i++)
        tz_progress_update(progress, &now);
    tz_warn(&context, "careful");
    tz_progress_finish(progress);
    end_terminal(&terminal, text, sizeof(text));
    assert_int_equal(failed, 0);
    /* 39 columns, as a full line would wrap; the warning takes the line away. */
    assert_string_equal(text, "\rbackup データ  512 B  2 files  東京: mu\033[K"
                              "\r\033[Ktozai: warning: careful\r\n");
}

static void a_dumb_terminal_gets_no_line(void **state)
{
    (void)state;
    struct tz_context context = {0};
    struct tz_progress *progress = NULL;
    char text[64];

    assert_int_equal(setenv("TERM", "dumb", 1), 0);
    struct terminal terminal = begin_terminal();
    int failed = tz_progress_new(&progress, &context, NULL);
    bool shown = progress != NULL;
    tz_progress_finish(progress);
    end_terminal(&terminal, text, sizeof(text));
    assert_int_equal(failed, 0);
    assert_false(shown);
    assert_string_equal(text, "");
}

static void the_rate_tells_the_rest(void **state)
{
    (void)state;
    struct tz_progress progress = {0};
    const struct tz_progress_state half = {.bytes_done = 1000, .bytes_total = 4000};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf text = {0};

    assert_int_equal(remaining(&progress, &half), -1);
    measure(&progress, 0, 1 * TZ_SECOND_NS);
    assert_int_equal(remaining(&progress, &half), -1);
    measure(&progress, 1000, 11 * TZ_SECOND_NS);
    assert_int_equal(remaining(&progress, &half), 30);
    /* A number that goes back is no rate. */
    measure(&progress, 10, 12 * TZ_SECOND_NS);
    assert_int_equal(remaining(&progress, &half), 30);

    assert_int_equal(add_duration(&text, 59, NULL), 0);
    assert_int_equal(add_duration(&text, 600, NULL), 0);
    assert_int_equal(add_duration(&text, 36610, NULL), 0);
    assert_int_equal(tz_buf_append(&text, "", 1, NULL), 0);
    assert_string_equal((char *)text.data, "0:5910:0010:10:10");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_escaped_where_a_terminal_would_obey),
        cmocka_unit_test(width_is_that_of_a_terminal),
        cmocka_unit_test(json_names_lose_nothing),
        cmocka_unit_test(json_helpers_report_a_lack_of_memory),
        cmocka_unit_test(every_error_has_its_exit_code),
        cmocka_unit_test(tables_align_wide_names),
        cmocka_unit_test(tables_grow),
        cmocka_unit_test(errors_are_lines_for_people_and_objects_for_programs),
        cmocka_unit_test(warnings_respect_quiet_and_json),
        cmocka_unit_test(progress_is_silent_where_nobody_wants_it),
        cmocka_unit_test(progress_in_a_log_comes_once_for_each_phase),
        cmocka_unit_test(progress_as_json_is_a_line_of_its_own),
        cmocka_unit_test(a_terminal_gets_one_line_that_fits),
        cmocka_unit_test(a_dumb_terminal_gets_no_line),
        cmocka_unit_test(the_rate_tells_the_rest),
    };

    /* As main() does. */
    if (!setlocale(LC_CTYPE, "C.UTF-8"))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
