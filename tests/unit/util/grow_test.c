#include "tozai/util/grow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

struct item {
    uint64_t number;
    char letter;
};

static void what_is_in_the_list_stays(void **state)
{
    struct item *items = NULL;
    size_t count = 0, cap = 0;

    (void)state;
    for (uint64_t i = 0; i < 10000; i++) {
        assert_int_equal(tz_grow(&items, count, &cap, sizeof(*items), NULL), 0);
        assert_true(count < cap);
        items[count++] = (struct item){i, (char)('a' + i % 26)};
    }
    for (uint64_t i = 0; i < count; i++) {
        assert_int_equal(items[i].number, i);
        assert_int_equal(items[i].letter, 'a' + (int)(i % 26));
    }
    assert_true(cap < 2 * count + 64);
    free(items);
}

static void a_list_that_memory_cannot_hold_is_refused(void **state)
{
    char *items = malloc(1), *before = items;
    struct tz_error err = {0};
    size_t cap;

    (void)state;
    assert_non_null(items);
    for (size_t size = 1; size <= 16; size *= 16) {
        cap = SIZE_MAX / 2 + 1;
        assert_int_equal(tz_grow(&items, cap, &cap, size, &err), -1);
        assert_int_equal(err.kind, TZ_NOMEM);
        assert_true(items == before && cap == SIZE_MAX / 2 + 1);
        cap = SIZE_MAX / 16;
        assert_int_equal(tz_grow(&items, cap, &cap, 16, &err), -1);
        assert_true(items == before && cap == SIZE_MAX / 16);
    }
    free(items);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_in_the_list_stays),
        cmocka_unit_test(a_list_that_memory_cannot_hold_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
