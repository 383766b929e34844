#include "tozai/util/buf.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* A request that is far too large must fail as it does without a sanitizer. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "allocator_may_return_null=1";
}

static void appended_bytes_come_in_order(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf buf = {0};

    for (size_t i = 0; i < 10000; i++) {
        uint8_t bytes[2] = {(uint8_t)i, (uint8_t)(i >> 8)};
        assert_int_equal(tz_buf_append(&buf, bytes, sizeof(bytes), NULL), 0);
        assert_true(buf.cap >= buf.len);
    }
    assert_int_equal(buf.len, 20000);
    for (size_t i = 0; i < 10000; i++) {
        assert_int_equal(buf.data[2 * i], (uint8_t)i);
        assert_int_equal(buf.data[2 * i + 1], (uint8_t)(i >> 8));
    }
}

static void nothing_appended_is_nothing(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf buf = {0};

    assert_int_equal(tz_buf_append(&buf, NULL, 0, NULL), 0);
    assert_int_equal(tz_buf_reserve(&buf, 0, NULL), 0);
    assert_int_equal(buf.len, 0);
    assert_null(buf.data);
}

static void reserve_makes_room_and_keeps_the_content(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf buf = {0};

    assert_int_equal(tz_buf_append(&buf, "abc", 3, NULL), 0);
    assert_int_equal(tz_buf_reserve(&buf, 100000, NULL), 0);
    assert_true(buf.cap - buf.len >= 100000);
    assert_int_equal(buf.len, 3);
    assert_memory_equal(buf.data, "abc", 3);

    const uint8_t *before = buf.data;
    memset(buf.data + buf.len, 'x', 100000);
    assert_int_equal(tz_buf_reserve(&buf, 100000, NULL), 0);
    assert_ptr_equal(buf.data, before);
}

static void too_much_fails_and_changes_nothing(void **state)
{
    (void)state;
    static const size_t sizes[] = {SIZE_MAX,        SIZE_MAX - 3,       (size_t)PTRDIFF_MAX + 1,
                                   PTRDIFF_MAX - 2, PTRDIFF_MAX - 4096, PTRDIFF_MAX / 2};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf buf = {0};

    assert_int_equal(tz_buf_append(&buf, "abc", 3, NULL), 0);
    struct tz_buf before = buf;
    for (size_t i = 0; i < TZ_COUNT(sizes); i++) {
        struct tz_error err = {0};
        assert_int_equal(tz_buf_reserve(&buf, sizes[i], &err), -1);
        assert_int_equal(err.kind, TZ_NOMEM);
        assert_int_equal(tz_buf_append(&buf, "x", sizes[i], NULL), -1);
        assert_memory_equal(&buf, &before, sizeof(buf));
        assert_memory_equal(buf.data, "abc", 3);
    }
    struct tz_error err = {0};
    volatile int width = INT_MAX; /* volatile: the compiler would see that it is too much */
    assert_int_equal(tz_buf_printf(&buf, &err, "%*d%*d", width, 1, width, 2), -1);
    assert_int_equal(err.kind, TZ_FAILED);
    assert_memory_equal(&buf, &before, sizeof(buf));
}

static void printf_appends_terminated_text(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf buf = {0};

    assert_int_equal(tz_buf_printf(&buf, NULL, "%s", ""), 0);
    assert_string_equal((const char *)buf.data, "");
    for (int i = 0; i < 500; i++) {
        assert_int_equal(tz_buf_printf(&buf, NULL, "%03d,", i), 0);
        assert_int_equal(strlen((const char *)buf.data), buf.len);
    }
    assert_int_equal(buf.len, 2000);
    assert_memory_equal(buf.data, "000,001,002,", 12);
    assert_string_equal((const char *)buf.data + 1992, "498,499,");
    assert_int_equal(tz_buf_printf(&buf, NULL, "%10000d", 1), 0);
    assert_int_equal(buf.len, 12000);
    assert_int_equal(buf.data[11999], '1');
}

static void reset_keeps_the_memory_and_clear_does_not(void **state)
{
    (void)state;
    struct tz_buf buf = {0};

    assert_int_equal(tz_buf_append(&buf, "abc", 3, NULL), 0);
    const uint8_t *memory = buf.data;
    tz_buf_reset(&buf);
    assert_int_equal(buf.len, 0);
    assert_int_equal(tz_buf_append(&buf, "de", 2, NULL), 0);
    assert_ptr_equal(buf.data, memory);

    for (int i = 0; i < 2; i++) { /* twice is harmless */
        tz_buf_clear(&buf);
        assert_null(buf.data);
        assert_int_equal(buf.len, 0);
        assert_int_equal(buf.cap, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appended_bytes_come_in_order),
        cmocka_unit_test(nothing_appended_is_nothing),
        cmocka_unit_test(reserve_makes_room_and_keeps_the_content),
        cmocka_unit_test(too_much_fails_and_changes_nothing),
        cmocka_unit_test(printf_appends_terminated_text),
        cmocka_unit_test(reset_keeps_the_memory_and_clear_does_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
