#include "tozai/util/error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Whole characters only: continuation bytes as many as each first byte asks for. */
static bool is_utf8(const char *text)
{
    while (*text) {
        unsigned char first = (unsigned char)*text++;
        int more = first < 0x80    ? 0
                   : first >= 0xf0 ? 3
                   : first >= 0xe0 ? 2
                   : first >= 0xc0 ? 1
                                   : -1;

        if (more < 0)
            return false;
        for (; more > 0; more--)
            if (((unsigned char)*text++ & 0xc0) != 0x80)
                return false;
    }
    return true;
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text);

    return len >= strlen(end) && strcmp(text + len - strlen(end), end) == 0;
}

static void fail_fills_all_fields_and_is_minus_one(void **state)
{
    (void)state;
    struct tz_error err = {.hint = "an older hint", .sys_errno = 5};

    assert_int_equal(tz_fail(&err, TZ_CORRUPT, "object '%s' is %d bytes", "x", 7), -1);
    assert_int_equal(err.kind, TZ_CORRUPT);
    assert_int_equal(err.sys_errno, 0);
    assert_string_equal(err.message, "object 'x' is 7 bytes");
    assert_string_equal(err.hint, "");
    assert_int_equal(tz_fail_nomem(&err), -1);
    assert_int_equal(err.kind, TZ_NOMEM);
}

static void fail_errno_appends_the_reason(void **state)
{
    (void)state;
    struct tz_error err = {0};

    assert_int_equal(tz_fail_errno(&err, ENOENT, "open '%s'", "x"), -1);
    assert_int_equal(err.kind, TZ_NOT_FOUND);
    assert_int_equal(err.sys_errno, ENOENT);
    assert_string_equal(err.message, "open 'x': No such file or directory");

    (void)tz_fail_errno(&err, 123456, "ioctl");
    assert_int_equal(err.kind, TZ_IO);
    assert_non_null(strstr(err.message, "ioctl: "));
    assert_non_null(strstr(err.message, "123456"));
}

static void errno_values_have_kinds(void **state)
{
    (void)state;
    static const struct {
        int number;
        enum tz_error_kind kind;
    } cases[] = {
        {ENOENT, TZ_NOT_FOUND},  {EEXIST, TZ_EXISTS}, {EACCES, TZ_DENIED}, {EPERM, TZ_DENIED},
        {EROFS, TZ_DENIED},      {ENOSPC, TZ_NOSPC},  {EDQUOT, TZ_NOSPC},  {ENOMEM, TZ_NOMEM},
        {EINTR, TZ_INTERRUPTED}, {EIO, TZ_IO},        {ENOTDIR, TZ_IO},    {EPIPE, TZ_IO},
    };

    for (size_t i = 0; i < TZ_COUNT(cases); i++)
        assert_int_equal(tz_error_kind_of(cases[i].number), cases[i].kind);
}

static void nobody_needs_to_care(void **state)
{
    (void)state;

    assert_int_equal(tz_fail(NULL, TZ_IO, "x"), -1);
    assert_int_equal(tz_fail_errno(NULL, EIO, "x"), -1);
    assert_int_equal(tz_fail_nomem(NULL), -1);
    assert_int_equal(tz_while(NULL, "x"), -1);
    assert_int_equal(tz_hint(NULL, "x"), -1);
    tz_error_clear(NULL);
}

static void while_puts_words_in_front_and_keeps_the_rest(void **state)
{
    (void)state;
    struct tz_error err = {0};

    (void)tz_fail_errno(&err, ENOSPC, "write");
    (void)tz_hint(&err, "free %d bytes", 9);
    assert_int_equal(tz_while(&err, "pack %d", 3), -1);
    assert_int_equal(tz_while(&err, "back up '%s'", "home"), -1);
    assert_string_equal(err.message, "back up 'home': pack 3: write: No space left on device");
    assert_string_equal(err.hint, "free 9 bytes");
    assert_int_equal(err.kind, TZ_NOSPC);
    assert_int_equal(err.sys_errno, ENOSPC);
}

static void while_on_an_empty_error_is_still_an_error(void **state)
{
    (void)state;
    struct tz_error err = {0};

    (void)tz_while(&err, "do it");
    assert_int_equal(err.kind, TZ_FAILED);
    assert_string_equal(err.message, "do it");
}

static void clear_leaves_nothing(void **state)
{
    (void)state;
    struct tz_error err = {0};

    (void)tz_fail_errno(&err, EIO, "x");
    (void)tz_hint(&err, "y");
    tz_error_clear(&err);
    assert_int_equal(err.kind, TZ_OK);
    assert_int_equal(err.sys_errno, 0);
    assert_string_equal(err.message, "");
    assert_string_equal(err.hint, "");
}

static void arguments_may_be_the_error_itself(void **state)
{
    (void)state;
    struct tz_error err = {0};

    (void)tz_fail(&err, TZ_IO, "inner");
    (void)tz_hint(&err, "advice");
    (void)tz_while(&err, "saw <%s>", err.message);
    assert_string_equal(err.message, "saw <inner>: inner");
    (void)tz_hint(&err, "%s!", err.hint);
    assert_string_equal(err.hint, "advice!");
    (void)tz_fail(&err, TZ_IO, "again %s", err.message);
    assert_string_equal(err.message, "again saw <inner>: inner");
}

static void what_fits_exactly_is_not_marked_as_cut(void **state)
{
    (void)state;
    struct tz_error err = {0};
    char text[sizeof(err.message)];

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    (void)tz_fail(&err, TZ_IO, "%s", text);
    assert_string_equal(err.message, text);
    (void)tz_fail(&err, TZ_IO, "%sy", text);
    assert_int_equal(strlen(err.message), sizeof(err.message) - 1);
    assert_true(ends_with(err.message, "x..."));
}

/* "あ" has three bytes, "😀" four: start them at every offset. */
static void long_texts_are_cut_between_characters(void **state)
{
    (void)state;
    static const char *const characters[] = {"é", "あ", "😀"};
    static char text[4 * sizeof(((struct tz_error *)NULL)->message)];
    struct {
        struct tz_error err;
        char guard[8];
    } box = {.guard = "guard"};

    for (size_t c = 0; c < TZ_COUNT(characters); c++) {
        size_t len = strlen(characters[c]);
        for (size_t offset = 0; offset < 4; offset++) {
            memset(text, 'x', offset);
            size_t at = offset;
            for (; at + len < sizeof(text); at += len)
                memcpy(text + at, characters[c], len);
            text[at] = '\0';

            (void)tz_fail(&box.err, TZ_IO, "%s", text);
            assert_true(is_utf8(box.err.message));
            assert_true(ends_with(box.err.message, "..."));
            assert_in_range(strlen(box.err.message), sizeof(box.err.message) - 8,
                            sizeof(box.err.message) - 1);
            (void)tz_fail_errno(&box.err, EIO, "%s", text);
            assert_true(is_utf8(box.err.message));
            (void)tz_hint(&box.err, "%s", text);
            assert_true(is_utf8(box.err.hint));
            assert_true(ends_with(box.err.hint, "..."));
            for (int i = 0; i < 5; i++) {
                (void)tz_while(&box.err, "%.*s", (int)(offset + len * 100), text);
                assert_true(is_utf8(box.err.message));
                assert_true(strlen(box.err.message) < sizeof(box.err.message));
            }
            assert_string_equal(box.guard, "guard");
        }
    }
}

static void bytes_that_are_not_utf8_are_cut_too(void **state)
{
    (void)state;
    struct tz_error err = {0};
    char text[2 * sizeof(err.message)];

    memset(text, 0x80, sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    (void)tz_fail(&err, TZ_IO, "%s", text);
    assert_true(ends_with(err.message, "..."));
    assert_true(strlen(err.message) > sizeof(err.message) - 10);
}

static void long_words_do_not_push_out_the_cause(void **state)
{
    (void)state;
    struct tz_error err = {0};
    char path[5000];

    memset(path, 'p', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    (void)tz_fail_errno(&err, EACCES, "open");
    (void)tz_while(&err, "read '%s'", path);
    assert_true(ends_with(err.message, "ppp...: open: Permission denied"));
    assert_int_equal(err.kind, TZ_DENIED);
}

static void every_kind_has_its_word(void **state)
{
    (void)state;
    static const char *const words[] = {
        [TZ_FAILED] = "failed",
        [TZ_INVALID] = "invalid",
        [TZ_IO] = "io",
        [TZ_NOT_FOUND] = "not-found",
        [TZ_EXISTS] = "exists",
        [TZ_DENIED] = "denied",
        [TZ_NOSPC] = "no-space",
        [TZ_NOMEM] = "out-of-memory",
        [TZ_CORRUPT] = "corrupt",
        [TZ_KEY] = "key",
        [TZ_BUSY] = "busy",
        [TZ_UNAVAILABLE] = "unavailable",
        [TZ_UNSUPPORTED] = "unsupported",
        [TZ_INTERRUPTED] = "interrupted",
    };

    for (size_t i = TZ_FAILED; i < TZ_COUNT(words); i++)
        assert_string_equal(tz_error_code((enum tz_error_kind)i), words[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fail_fills_all_fields_and_is_minus_one),
        cmocka_unit_test(fail_errno_appends_the_reason),
        cmocka_unit_test(errno_values_have_kinds),
        cmocka_unit_test(nobody_needs_to_care),
        cmocka_unit_test(while_puts_words_in_front_and_keeps_the_rest),
        cmocka_unit_test(while_on_an_empty_error_is_still_an_error),
        cmocka_unit_test(clear_leaves_nothing),
        cmocka_unit_test(arguments_may_be_the_error_itself),
        cmocka_unit_test(what_fits_exactly_is_not_marked_as_cut),
        cmocka_unit_test(long_texts_are_cut_between_characters),
        cmocka_unit_test(bytes_that_are_not_utf8_are_cut_too),
        cmocka_unit_test(long_words_do_not_push_out_the_cause),
        cmocka_unit_test(every_kind_has_its_word),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
