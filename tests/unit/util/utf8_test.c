#include "tozai/util/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void every_length_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t size;
        uint32_t code;
    } samples[] = {
        {"\x01", 1, 0x01},
        {"\x7f", 1, 0x7f},
        {"\xc2\x80", 2, 0x80},
        {"\xdf\xbf", 2, 0x7ff},
        {"\xe0\xa0\x80", 3, 0x800},
        {"\xed\x9f\xbf", 3, 0xd7ff},
        {"\xee\x80\x80", 3, 0xe000},
        {"\xef\xbf\xbf", 3, 0xffff},
        {"\xf0\x90\x80\x80", 4, 0x10000},
        {"\xf4\x8f\xbf\xbf", 4, 0x10ffff},
    };

    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        uint32_t code = 0;
        size_t len = strlen(samples[i].text);
        assert_int_equal(tz_utf8_decode(samples[i].text, len, &code), samples[i].size);
        assert_int_equal(code, samples[i].code);
        assert_true(tz_utf8_valid(samples[i].text, len));
        /* Cut anywhere it is nothing. */
        for (size_t cut = 1; cut < len; cut++)
            assert_int_equal(tz_utf8_decode(samples[i].text, cut, &code), 0);
    }
    uint32_t code = 1;
    assert_int_equal(tz_utf8_decode("", 1, &code), 1);
    assert_int_equal(code, 0);
}

static void what_is_not_utf8_is_refused(void **state)
{
    (void)state;
    static const char *const samples[] = {
        "\x80", /* a continuation alone */
        "\xbf",
        "\xc0\x80", /* overlong */
        "\xc1\xbf",
        "\xe0\x9f\xbf",
        "\xf0\x8f\xbf\xbf",
        "\xed\xa0\x80", /* surrogates */
        "\xed\xbf\xbf",
        "\xf4\x90\x80\x80", /* above the last */
        "\xf5\x80\x80\x80",
        "\xfe",
        "\xff",
        "\xc2"
        "a", /* no continuation */
        "\xe6\x9d"
        "a",
        "\xf0\x9f\x98"
        "a",
    };

    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        uint32_t code;
        assert_int_equal(tz_utf8_decode(samples[i], strlen(samples[i]), &code), 0);
        assert_false(tz_utf8_valid(samples[i], strlen(samples[i])));
    }
}

static void text_is_valid_as_a_whole(void **state)
{
    (void)state;
    assert_true(tz_utf8_valid("", 0));
    assert_true(tz_utf8_valid("a\0b", 3));
    assert_true(tz_utf8_valid("東京 Tokyo", strlen("東京 Tokyo")));
    assert_false(tz_utf8_valid("東京\xff", strlen("東京\xff")));
    assert_false(tz_utf8_valid("東", 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_length_is_read),
        cmocka_unit_test(what_is_not_utf8_is_refused),
        cmocka_unit_test(text_is_valid_as_a_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
