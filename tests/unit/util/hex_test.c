#include "tozai/util/hex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void every_byte_goes_there_and_back(void **state)
{
    (void)state;
    uint8_t data[256];
    uint8_t back[256];
    char text[2 * sizeof(data) + 1];

    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)i;
    tz_hex(text, data, sizeof(data));
    assert_int_equal(strlen(text), 2 * sizeof(data));
    assert_memory_equal(text, "000102030405060708090a0b", 24);
    assert_string_equal(text + sizeof(text) - 9, "fcfdfeff");
    assert_true(tz_unhex(back, sizeof(back), text));
    assert_memory_equal(back, data, sizeof(data));
}

static void nothing_is_an_empty_text(void **state)
{
    (void)state;
    char text[1] = {'x'};
    uint8_t none = 7;

    tz_hex(text, NULL, 0);
    assert_string_equal(text, "");
    assert_true(tz_unhex(&none, 0, "zz"));
    assert_int_equal(none, 7);
}

static void every_other_character_is_refused(void **state)
{
    (void)state;
    uint8_t data[2];
    char text[5];

    for (int c = 0; c < 256; c++) {
        bool is_digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
        for (size_t at = 0; at < 4; at++) {
            memcpy(text, "1f2e", 5);
            text[at] = (char)c;
            assert_int_equal(tz_unhex(data, 2, text), is_digit);
        }
    }
}

static void reading_stops_at_the_last_digit(void **state)
{
    (void)state;
    uint8_t data[2];

    assert_true(tz_unhex(data, 2, "beef-and-more"));
    assert_memory_equal(data, "\xbe\xef", 2);
}

/* The text is copied to memory of just its size, where a sanitizer sees a read behind it. */
static void a_short_text_is_not_read_behind_its_end(void **state)
{
    (void)state;
    static const char digits[] = "0123456789";

    for (size_t len = 0; len < 8; len++) {
        uint8_t data[4];
        char *text = strndup(digits, len);
        assert_non_null(text);
        assert_false(tz_unhex(data, sizeof(data), text));
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_goes_there_and_back),
        cmocka_unit_test(nothing_is_an_empty_text),
        cmocka_unit_test(every_other_character_is_refused),
        cmocka_unit_test(reading_stops_at_the_last_digit),
        cmocka_unit_test(a_short_text_is_not_read_behind_its_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
