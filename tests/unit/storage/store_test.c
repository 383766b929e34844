#include "storage/mem.h"
#include "tozai/storage/driver.h"
#include "tozai/storage/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static int open_url(struct tz_store **ret, const char *url, struct tz_error *err)
{
    struct tz_store_options options = {.name = "east", .url = url};
    return tz_store_open(ret, &options, err);
}

static void names_are_checked(void **state)
{
    (void)state;
    static const char *const valid[] = {"a",   "tozai", "packs/0a/ff", "a.seal", "..a",
                                        "a..", "A_-.z", "tmpx",        "x/tmp"};
    static const char *const invalid[] = {"",     ".",   "..",  "/",      "/a",          "a/",
                                          "a//b", "a/.", "./a", "a/../b", "a b",         "a\tb",
                                          "a\\",  "a*",  "tmp", "tmp/a",  "\xe6\x9d\xb1"};
    for (size_t i = 0; i < TZ_COUNT(valid); i++)
        assert_true(tz_store_name_valid(valid[i]));
    for (size_t i = 0; i < TZ_COUNT(invalid); i++)
        assert_false(tz_store_name_valid(invalid[i]));

    char name[TZ_STORE_NAME_MAX + 2];
    memset(name, 'a', sizeof(name));
    name[TZ_STORE_NAME_MAX] = '\0';
    assert_true(tz_store_name_valid(name));
    name[TZ_STORE_NAME_MAX] = 'a';
    name[TZ_STORE_NAME_MAX + 1] = '\0';
    assert_false(tz_store_name_valid(name));
}

static void an_unknown_scheme_is_refused_with_a_hint(void **state)
{
    (void)state;
    static const char *const urls[] = {
        "", "/backup/east", "gopher://host/", "files:///x", "fil:///x", "memory:x", ":", "mem"};
    for (size_t i = 0; i < TZ_COUNT(urls); i++) {
        struct tz_store *store = NULL;
        struct tz_error err = {0};
        assert_int_equal(open_url(&store, urls[i], &err), -1);
        assert_int_equal(err.kind, TZ_INVALID);
        assert_non_null(strstr(err.message, "'east'"));
        assert_non_null(strstr(err.hint, "file:///"));
        assert_null(store);
    }
}

static void options_are_copied(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_store) struct tz_store *store = NULL;
    char name[] = "east";
    char url[] = "mem:options";
    char location[] = "tokyo";
    struct tz_store_options options = {.name = name, .url = url, .location = location};
    assert_int_equal(tz_store_open(&store, &options, NULL), 0);
    memset(name, 'x', sizeof(name) - 1);
    memset(url, 'x', sizeof(url) - 1);
    memset(location, 'x', sizeof(location) - 1);
    assert_string_equal(tz_store_name(store), "east");
    assert_string_equal(tz_store_url(store), "mem:options");
    assert_string_equal(tz_store_location(store), "tokyo");
    tz_store_mem_forget("options");
}

static void what_is_not_given_is_empty(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_store) struct tz_store *store = NULL;
    struct tz_store_options options = {.url = "mem:options"};
    assert_int_equal(tz_store_open(&store, &options, NULL), 0);
    assert_string_equal(tz_store_name(store), "");
    assert_string_equal(tz_store_location(store), "");
    tz_store_mem_forget("options");
    tz_store_free(NULL);
}

static void a_read_only_store_says_so(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_store) struct tz_store *store = NULL;
    struct tz_store_options options = {.name = "east", .url = "mem:reader", .read_only = true};
    struct tz_error err = {0};
    assert_int_equal(tz_store_open(&store, &options, NULL), 0);
    assert_int_equal(tz_store_put(store, "keys/1", "x", 1, &err), -1);
    assert_int_equal(err.kind, TZ_DENIED);
    assert_non_null(strstr(err.message, "store 'east' is opened read-only"));
    assert_non_null(strstr(err.message, "'keys/1'"));
    tz_store_mem_forget("reader");
}

static void an_invalid_name_does_not_flood_the_message(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_store) struct tz_store *store = NULL;
    struct tz_error err = {0};
    char name[3000];
    memset(name, 'a', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(open_url(&store, "mem:flood", NULL), 0);
    assert_int_equal(tz_store_put(store, name, "x", 1, &err), -1);
    assert_int_equal(err.kind, TZ_INVALID);
    assert_non_null(strstr(err.message, "is not a valid object name"));
    tz_store_mem_forget("flood");
}

/* A driver whose get leaves something behind before it fails. */
static int half_get(void *state, const char *name, uint64_t offset, size_t len,
                    const struct tz_store_terms *terms, struct tz_buf *out, struct tz_error *err)
{
    (void)terms;
    (void)state;
    (void)name;
    (void)offset;
    (void)len;
    if (tz_buf_append(out, "half", 4, err))
        return -1;
    return tz_fail(err, TZ_IO, "the other half cannot be read");
}

static void free_nothing(void *state)
{
    *(bool *)state = true;
}

static void a_failed_get_leaves_the_buffer_as_it_was(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
    struct tz_store_driver driver = tz_store_driver_mem;
    struct tz_store_options options = {.name = "half", .url = "half:"};
    struct tz_store *store = NULL;
    bool freed = false;
    driver.get = half_get;
    driver.free = free_nothing;
    assert_int_equal(tz_buf_append(&out, "kept", 4, NULL), 0);
    assert_int_equal(tz_store_new(&store, &driver, &freed, &options, NULL), 0);
    assert_int_equal(tz_store_get(store, "object", 0, 8, &out, NULL), -1);
    assert_int_equal(out.len, 4);
    assert_memory_equal(out.data, "kept", 4);
    tz_store_free(store);
    assert_true(freed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_checked),
        cmocka_unit_test(an_unknown_scheme_is_refused_with_a_hint),
        cmocka_unit_test(options_are_copied),
        cmocka_unit_test(what_is_not_given_is_empty),
        cmocka_unit_test(a_read_only_store_says_so),
        cmocka_unit_test(an_invalid_name_does_not_flood_the_message),
        cmocka_unit_test(a_failed_get_leaves_the_buffer_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
