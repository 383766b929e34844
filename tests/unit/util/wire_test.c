#include "tozai/util/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BYTES(text) (text), sizeof(text) - 1

static void integers_are_little_endian(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf buf = {0};

    assert_int_equal(tz_put_u8(&buf, 0xfe, NULL), 0);
    assert_int_equal(tz_put_u16(&buf, 0x0102, NULL), 0);
    assert_int_equal(tz_put_u32(&buf, 0xf1020304, NULL), 0);
    assert_int_equal(tz_put_u64(&buf, UINT64_C(0xf102030405060708), NULL), 0);
    assert_int_equal(buf.len, 15);
    assert_memory_equal(buf.data, "\xfe\x02\x01\x04\x03\x02\xf1\x08\x07\x06\x05\x04\x03\x02\xf1",
                        15);

    struct tz_cursor c = tz_cursor(buf.data, buf.len);
    assert_int_equal(tz_get_u8(&c), 0xfe);
    assert_int_equal(tz_get_u16(&c), 0x0102);
    assert_int_equal(tz_get_u32(&c), 0xf1020304);
    assert_false(tz_wire_done(&c));
    assert_true(tz_get_u64(&c) == UINT64_C(0xf102030405060708));
    assert_true(tz_wire_ok(&c));
    assert_true(tz_wire_done(&c));
}

static void store_and_load_agree(void **state)
{
    (void)state;
    uint8_t bytes[8];

    tz_store_le16(bytes, 0xfedc);
    assert_memory_equal(bytes, "\xdc\xfe", 2);
    assert_int_equal(tz_load_le16(bytes), 0xfedc);
    tz_store_le32(bytes, 0xfedcba98);
    assert_memory_equal(bytes, "\x98\xba\xdc\xfe", 4);
    assert_int_equal(tz_load_le32(bytes), 0xfedcba98);
    tz_store_le64(bytes, UINT64_C(0xfedcba9876543210));
    assert_memory_equal(bytes, "\x10\x32\x54\x76\x98\xba\xdc\xfe", 8);
    assert_true(tz_load_le64(bytes) == UINT64_C(0xfedcba9876543210));
}

static void varints_have_known_bytes(void **state)
{
    (void)state;
    static const struct {
        uint64_t value;
        const char *bytes;
        size_t len;
    } cases[] = {
        {0, BYTES("\x00")},
        {1, BYTES("\x01")},
        {127, BYTES("\x7f")},
        {128, BYTES("\x80\x01")},
        {300, BYTES("\xac\x02")},
        {16383, BYTES("\xff\x7f")},
        {16384, BYTES("\x80\x80\x01")},
        {UINT32_MAX, BYTES("\xff\xff\xff\xff\x0f")},
        {UINT64_C(1) << 63, BYTES("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01")},
        {UINT64_MAX, BYTES("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")},
    };

    for (size_t i = 0; i < TZ_COUNT(cases); i++) {
        TZ_SCOPED(tz_scoped_buf) struct tz_buf buf = {0};
        assert_int_equal(tz_put_varint(&buf, cases[i].value, NULL), 0);
        assert_int_equal(buf.len, cases[i].len);
        assert_memory_equal(buf.data, cases[i].bytes, cases[i].len);
        struct tz_cursor c = tz_cursor(buf.data, buf.len);
        assert_true(tz_get_varint(&c) == cases[i].value);
        assert_true(tz_wire_done(&c));
    }
}

static void svarints_have_known_bytes(void **state)
{
    (void)state;
    static const struct {
        int64_t value;
        const char *bytes;
        size_t len;
    } cases[] = {
        {0, BYTES("\x00")},
        {-1, BYTES("\x01")},
        {1, BYTES("\x02")},
        {-2, BYTES("\x03")},
        {-64, BYTES("\x7f")},
        {64, BYTES("\x80\x01")},
        {INT64_MAX, BYTES("\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01")},
        {INT64_MIN, BYTES("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")},
    };

    for (size_t i = 0; i < TZ_COUNT(cases); i++) {
        TZ_SCOPED(tz_scoped_buf) struct tz_buf buf = {0};
        assert_int_equal(tz_put_svarint(&buf, cases[i].value, NULL), 0);
        assert_int_equal(buf.len, cases[i].len);
        assert_memory_equal(buf.data, cases[i].bytes, cases[i].len);
        struct tz_cursor c = tz_cursor(buf.data, buf.len);
        assert_true(tz_get_svarint(&c) == cases[i].value);
        assert_true(tz_wire_done(&c));
    }
}

static void varints_of_every_width_come_back(void **state)
{
    (void)state;
    uint64_t v = UINT64_C(0x9e3779b97f4a7c15);

    for (int i = 0; i < 20000; i++) {
        TZ_SCOPED(tz_scoped_buf) struct tz_buf buf = {0};
        v = v * UINT64_C(6364136223846793005) + 1442695040888963407u;
        uint64_t value = v >> (i % 64);
        int64_t sign = (int64_t)(i & 1 ? ~value : value);
        assert_int_equal(tz_put_varint(&buf, value, NULL), 0);
        assert_int_equal(tz_put_svarint(&buf, sign, NULL), 0);
        struct tz_cursor c = tz_cursor(buf.data, buf.len);
        assert_true(tz_get_varint(&c) == value);
        assert_true(tz_get_svarint(&c) == sign);
        assert_true(tz_wire_done(&c));
    }
}

/* Whatever is accepted is what the writer would have written: all inputs of up to three bytes. */
static void a_varint_has_one_spelling(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf buf = {0};
    unsigned accepted = 0;

    for (uint32_t bits = 0; bits<UINT32_C(1) << 24; bits += bits> 0xffff ? 7 : 1) {
        uint8_t bytes[4];
        tz_store_le32(bytes, bits);
        struct tz_cursor c = tz_cursor(bytes, 3);
        uint64_t value = tz_get_varint(&c);
        if (!tz_wire_ok(&c)) {
            assert_true(value == 0);
            continue;
        }
        size_t used = 3 - tz_left(&c);
        tz_buf_reset(&buf);
        assert_int_equal(tz_put_varint(&buf, value, NULL), 0);
        assert_int_equal(buf.len, used);
        assert_memory_equal(buf.data, bytes, used);
        accepted++;
    }
    assert_true(accepted > 1000);
}

static void wrong_varints_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
    } cases[] = {
        {BYTES("")},
        {BYTES("\x80")},
        {BYTES("\xff\xff\xff")},
        {BYTES("\x80\x00")},
        {BYTES("\x81\x80\x00")},
        {BYTES("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02")},
        {BYTES("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f")},
        {BYTES("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x81\x00")},
        {BYTES("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01")},
        {BYTES("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00")},
    };

    for (size_t i = 0; i < TZ_COUNT(cases); i++) {
        struct tz_cursor c = tz_cursor(cases[i].bytes, cases[i].len);
        assert_true(tz_get_varint(&c) == 0);
        assert_false(tz_wire_ok(&c));
        assert_false(tz_wire_done(&c));
        c = tz_cursor(cases[i].bytes, cases[i].len);
        assert_true(tz_get_svarint(&c) == 0);
        assert_false(tz_wire_ok(&c));
    }
}

static void byte_strings_and_texts_come_back(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf buf = {0};

    assert_int_equal(tz_put_bytes(&buf, "a\0b", 3, NULL), 0);
    assert_int_equal(tz_put_bytes(&buf, NULL, 0, NULL), 0);
    assert_int_equal(tz_put_text(&buf, "東西", NULL), 0);
    assert_int_equal(tz_put_text(&buf, "", NULL), 0);
    assert_memory_equal(buf.data,
                        "\x03"
                        "a\0b\0\x06",
                        6);

    struct tz_cursor c = tz_cursor(buf.data, buf.len);
    size_t len = 99;
    const uint8_t *data = tz_get_bytes(&c, 3, &len);
    assert_ptr_equal(data, buf.data + 1); /* in place */
    assert_int_equal(len, 3);
    assert_non_null(tz_get_bytes(&c, 0, &len));
    assert_int_equal(len, 0);
    TZ_SCOPED(tz_scoped_free) char *text = tz_get_text(&c, 6);
    assert_string_equal(text, "東西");
    TZ_SCOPED(tz_scoped_free) char *empty = tz_get_text(&c, 0);
    assert_string_equal(empty, "");
    assert_true(tz_wire_done(&c));
}

static void a_failed_put_leaves_no_half(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf buf = {0};
    struct tz_error err = {0};

    assert_int_equal(tz_put_u8(&buf, 1, NULL), 0);
    assert_int_equal(tz_put_bytes(&buf, "x", SIZE_MAX, &err), -1);
    assert_int_equal(err.kind, TZ_NOMEM);
    assert_int_equal(buf.len, 1);
}

static void a_string_longer_than_allowed_is_refused(void **state)
{
    (void)state;
    struct tz_cursor c = tz_cursor("\x03"
                                   "abc",
                                   4);
    size_t len = 99;

    assert_null(tz_get_bytes(&c, 2, &len));
    assert_int_equal(len, 0);
    assert_false(tz_wire_ok(&c));
    c = tz_cursor("\x03"
                  "abc",
                  4);
    assert_null(tz_get_text(&c, 2));
    assert_false(tz_wire_ok(&c));
}

static void a_string_longer_than_the_input_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
    } cases[] = {
        {BYTES("\x01")},
        {BYTES("\x04xyz")},
        {BYTES("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01xyz")},
        {BYTES("\xff\xff\xff\xff\xff\xff\xff\xff\x7fxyz")},
    };

    for (size_t i = 0; i < TZ_COUNT(cases); i++) {
        size_t len = 99;
        struct tz_cursor c = tz_cursor(cases[i].bytes, cases[i].len);
        assert_null(tz_get_bytes(&c, SIZE_MAX, &len));
        assert_int_equal(len, 0);
        assert_false(tz_wire_ok(&c));
    }
    struct tz_cursor c = tz_cursor("abc", 3);
    assert_null(tz_get_raw(&c, SIZE_MAX));
    assert_false(tz_wire_ok(&c));
}

static void a_text_with_an_inner_nul_is_refused(void **state)
{
    (void)state;
    struct tz_cursor c = tz_cursor("\x03"
                                   "a\0b",
                                   4);

    assert_null(tz_get_text(&c, 10));
    assert_false(tz_wire_ok(&c));
}

static void after_a_failure_every_read_gives_nothing(void **state)
{
    (void)state;
    static const char input[] = "\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01";
    struct tz_cursor c = tz_cursor(input, sizeof(input));
    size_t len;

    assert_int_equal(tz_get_u8(&c), 1);
    tz_wire_bad(&c);
    assert_int_equal(tz_get_u8(&c), 0);
    assert_int_equal(tz_get_u16(&c), 0);
    assert_int_equal(tz_get_u32(&c), 0);
    assert_true(tz_get_u64(&c) == 0);
    assert_true(tz_get_varint(&c) == 0);
    assert_true(tz_get_svarint(&c) == 0);
    assert_null(tz_get_raw(&c, 0));
    assert_null(tz_get_bytes(&c, 10, &len));
    assert_int_equal(len, 0);
    assert_null(tz_get_text(&c, 10));
    assert_int_equal(tz_left(&c), 0);
    assert_false(tz_wire_ok(&c));
    assert_false(tz_wire_done(&c));
}

static void an_empty_input_is_done_at_once(void **state)
{
    (void)state;
    struct tz_cursor c = tz_cursor(NULL, 0);

    assert_true(tz_wire_done(&c));
    assert_int_equal(tz_left(&c), 0);
    assert_non_null(tz_get_raw(&c, 0));
    assert_true(tz_wire_done(&c));
    assert_int_equal(tz_get_u8(&c), 0);
    assert_false(tz_wire_ok(&c));
}

/* Reads a record of every type; the memory ends where the input does, for the sanitizers. */
static bool read_record(const uint8_t *data, size_t len)
{
    uint8_t *copy = malloc(len ? len : 1);
    assert_non_null(copy);
    memcpy(copy, data, len);

    struct tz_cursor c = tz_cursor(copy, len);
    size_t bytes_len;
    (void)tz_get_u8(&c);
    (void)tz_get_u16(&c);
    (void)tz_get_u32(&c);
    (void)tz_get_u64(&c);
    (void)tz_get_varint(&c);
    (void)tz_get_svarint(&c);
    (void)tz_get_bytes(&c, 100, &bytes_len);
    char *text = tz_get_text(&c, 100);
    bool done = tz_wire_done(&c);
    assert_int_equal(done, text != NULL && tz_left(&c) == 0);
    free(text);
    free(copy);
    return done;
}

static void a_record_cut_anywhere_is_refused(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf buf = {0};

    assert_int_equal(tz_put_u8(&buf, 1, NULL), 0);
    assert_int_equal(tz_put_u16(&buf, 2, NULL), 0);
    assert_int_equal(tz_put_u32(&buf, 3, NULL), 0);
    assert_int_equal(tz_put_u64(&buf, 4, NULL), 0);
    assert_int_equal(tz_put_varint(&buf, 500, NULL), 0);
    assert_int_equal(tz_put_svarint(&buf, -60000, NULL), 0);
    assert_int_equal(tz_put_bytes(&buf, "bytes", 5, NULL), 0);
    assert_int_equal(tz_put_text(&buf, "text", NULL), 0);

    assert_true(read_record(buf.data, buf.len));
    for (size_t len = 0; len < buf.len; len++)
        assert_false(read_record(buf.data, len));
    assert_int_equal(tz_put_u8(&buf, 0, NULL), 0);
    assert_false(read_record(buf.data, buf.len));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_little_endian),
        cmocka_unit_test(store_and_load_agree),
        cmocka_unit_test(varints_have_known_bytes),
        cmocka_unit_test(svarints_have_known_bytes),
        cmocka_unit_test(varints_of_every_width_come_back),
        cmocka_unit_test(a_varint_has_one_spelling),
        cmocka_unit_test(wrong_varints_are_refused),
        cmocka_unit_test(byte_strings_and_texts_come_back),
        cmocka_unit_test(a_failed_put_leaves_no_half),
        cmocka_unit_test(a_string_longer_than_allowed_is_refused),
        cmocka_unit_test(a_string_longer_than_the_input_is_refused),
        cmocka_unit_test(a_text_with_an_inner_nul_is_refused),
        cmocka_unit_test(after_a_failure_every_read_gives_nothing),
        cmocka_unit_test(an_empty_input_is_done_at_once),
        cmocka_unit_test(a_record_cut_anywhere_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
