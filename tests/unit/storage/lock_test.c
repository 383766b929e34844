#include "lock_contract.h"

#include "storage/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static int open_mem(struct tz_store **ret, struct tz_error *err)
{
    const struct tz_store_options options = {
        .name = "east", .url = "mem:locks", .lock = TZ_LOCK_COMPLIANCE};

    return tz_store_open(ret, &options, err);
}

static void directories_cannot_lock(void **state)
{
    TZ_SCOPED(tz_scoped_store) struct tz_store *store = NULL;
    struct tz_store_options options = {.name = "east", .url = "file:///", .read_only = true};
    struct tz_store_lock lock;
    struct tz_error err = {0};

    (void)state;
    assert_int_equal(tz_store_open(&store, &options, &err), 0);
    assert_int_equal(tz_store_features(store) & TZ_STORE_LOCKS, 0);
    assert_int_equal(tz_store_lock_mode(store), TZ_LOCK_NONE);
    assert_int_equal(tz_store_set_lock(store, TZ_LOCK_NONE, 0, &err), 0);
    assert_int_equal(tz_store_set_lock(store, TZ_LOCK_COMPLIANCE, 1, &err), -1);
    assert_int_equal(err.kind, TZ_UNSUPPORTED);
    assert_int_equal(tz_store_read_lock(store, "a", &lock, &err), -1);
    assert_int_equal(err.kind, TZ_UNSUPPORTED);
    assert_int_equal(tz_store_hold(store, "a", true, &err), -1);
    assert_int_equal(err.kind, TZ_UNSUPPORTED);
    assert_int_equal(tz_store_purge(store, "a", &err), -1);
    assert_int_equal(err.kind, TZ_UNSUPPORTED);
    tz_store_free(TZ_TAKE(store));
    options.lock = TZ_LOCK_GOVERNANCE;
    assert_int_equal(tz_store_open(&store, &options, &err), -1);
    assert_int_equal(err.kind, TZ_UNSUPPORTED);
    assert_non_null(strstr(err.message, "'file:' stores cannot lock objects"));
}

static void a_read_only_store_locks_nothing(void **state)
{
    TZ_SCOPED(tz_scoped_store) struct tz_store *store = NULL;
    const struct tz_store_options options = {
        .name = "east", .url = "mem:reader", .read_only = true, .lock = TZ_LOCK_COMPLIANCE};
    const struct tz_store_lock lock = {.mode = TZ_LOCK_COMPLIANCE, .until_ns = INT64_MAX / 2};
    struct tz_error err = {0};
    bool proven = false;

    (void)state;
    assert_int_equal(tz_store_open(&store, &options, &err), 0);
    assert_int_equal(tz_store_extend_lock(store, "a", &lock, &err), -1);
    assert_int_equal(err.kind, TZ_DENIED);
    assert_int_equal(tz_store_hold(store, "a", true, &err), -1);
    assert_int_equal(err.kind, TZ_DENIED);
    assert_int_equal(tz_store_purge(store, "a", &err), -1);
    assert_int_equal(err.kind, TZ_DENIED);
    assert_int_equal(tz_store_prove_lock(store, TZ_LOCK_COMPLIANCE, &proven, &err), -1);
    assert_int_equal(err.kind, TZ_DENIED);
    tz_store_mem_forget("reader");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(directories_cannot_lock),
        cmocka_unit_test(a_read_only_store_locks_nothing),
    };
    int failed = run_lock_contract("mem", open_mem, false);

    tz_store_mem_forget("locks");
    return failed + cmocka_run_group_tests_name("locks", tests, NULL, NULL);
}
