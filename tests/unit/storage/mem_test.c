#include "storage/mem.h"
#include "store_contract.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static int open_place(struct tz_store **ret, const char *place, bool read_only,
                      struct tz_error *err)
{
    char url[128];
    (void)snprintf(url, sizeof(url), "mem:%s", place);
    struct tz_store_options options = {.name = "memory", .url = url, .read_only = read_only};
    return tz_store_open(ret, &options, err);
}

static bool has(struct tz_store *store, const char *name)
{
    struct tz_store_stat stat = {0};
    assert_int_equal(tz_store_stat(store, name, &stat, NULL), 0);
    return stat.exists;
}

static void objects_outlive_the_handle(void **state)
{
    (void)state;
    struct tz_store *store = NULL;
    assert_int_equal(open_place(&store, "lasting", false, NULL), 0);
    assert_int_equal(tz_store_put(store, "object", "x", 1, NULL), 0);
    tz_store_free(store);
    assert_int_equal(open_place(&store, "lasting", false, NULL), 0);
    assert_true(has(store, "object"));
    tz_store_free(store);
    tz_store_mem_forget("lasting");
}

static void different_names_are_different_stores(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_store) struct tz_store *east = NULL;
    TZ_SCOPED(tz_scoped_store) struct tz_store *west = NULL;
    assert_int_equal(open_place(&east, "east", false, NULL), 0);
    assert_int_equal(open_place(&west, "west", false, NULL), 0);
    assert_int_equal(tz_store_put(east, "object", "x", 1, NULL), 0);
    assert_false(has(west, "object"));
    tz_store_mem_forget("east");
    tz_store_mem_forget("west");
}

static void a_forgotten_store_is_empty_when_it_is_opened_again(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_store) struct tz_store *before = NULL;
    TZ_SCOPED(tz_scoped_store) struct tz_store *after = NULL;
    assert_int_equal(open_place(&before, "forgotten", false, NULL), 0);
    assert_int_equal(tz_store_put(before, "object", "x", 1, NULL), 0);
    tz_store_mem_forget("forgotten");
    tz_store_mem_forget("forgotten");
    assert_int_equal(open_place(&after, "forgotten", false, NULL), 0);
    assert_false(has(after, "object"));
    assert_true(has(before, "object"));
    tz_store_mem_forget("forgotten");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_outlive_the_handle),
        cmocka_unit_test(different_names_are_different_stores),
        cmocka_unit_test(a_forgotten_store_is_empty_when_it_is_opened_again),
    };
    int failed = run_store_contract("mem", open_place);
    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
