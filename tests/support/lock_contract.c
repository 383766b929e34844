#include "lock_contract.h"

#include "tozai/util/time.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define SHORT_NS (4 * TZ_SECOND_NS)
#define HOUR_NS  (3600 * TZ_SECOND_NS)
#define NAME     64

static lock_contract_open_fn *open_store;
static bool has_versions;

#define assert_ok(call)                                                                            \
    do {                                                                                           \
        struct tz_error ok_err_ = {0};                                                             \
        struct tz_error *err = &ok_err_;                                                           \
        if (call)                                                                                  \
            fail_msg("%s: %s", #call, err->message);                                               \
    } while (0)
#define assert_fails(call, wanted)                                                                 \
    do {                                                                                           \
        struct tz_error fails_err_ = {0};                                                          \
        struct tz_error *err = &fails_err_;                                                        \
        assert_int_equal(call, -1);                                                                \
        if (err->kind != (wanted))                                                                 \
            fail_msg("%s: kind %d: %s", #call, (int)err->kind, err->message);                      \
    } while (0)

static int set_up(void **state)
{
    struct tz_store *store = NULL;

    assert_ok(open_store(&store, err));
    *state = store;
    return 0;
}

static int tear_down(void **state)
{
    tz_store_free(*state);
    return 0;
}

/* One that was never used: what is locked outlives the test. */
static const char *new_name(char name[NAME])
{
    static unsigned number;

    (void)snprintf(name, NAME, "lock/%" PRIx64 "-%u", (uint64_t)tz_now(), number++);
    return name;
}

static void put_locked(struct tz_store *store, const char *name, enum tz_lock_mode mode,
                       int64_t until_ns)
{
    assert_ok(tz_store_set_lock(store, mode, until_ns, err));
    assert_ok(tz_store_put(store, name, "hello", 5, err));
    assert_ok(tz_store_set_lock(store, TZ_LOCK_NONE, 0, err));
}

static struct tz_store_lock lock_of(struct tz_store *store, const char *name)
{
    struct tz_store_lock lock = {0};

    assert_ok(tz_store_read_lock(store, name, &lock, err));
    return lock;
}

static int64_t ceiling(int64_t time_ns)
{
    return (time_ns + TZ_SECOND_NS - 1) / TZ_SECOND_NS * TZ_SECOND_NS;
}

static void what_is_put_is_locked(void **state)
{
    char name[NAME];
    int64_t until_ns = tz_now() + SHORT_NS;

    assert_true(tz_store_features(*state) & TZ_STORE_LOCKS);
    put_locked(*state, new_name(name), TZ_LOCK_COMPLIANCE, until_ns);
    struct tz_store_lock lock = lock_of(*state, name);
    assert_int_equal(lock.mode, TZ_LOCK_COMPLIANCE);
    assert_int_equal(lock.until_ns, ceiling(until_ns));
    assert_false(lock.held);
    assert_fails(tz_store_purge(*state, name, err), TZ_DENIED);
    struct tz_store_stat stat;
    assert_ok(tz_store_stat(*state, name, &stat, err));
    assert_true(stat.exists);
}

static void what_is_not_locked_is_purged(void **state)
{
    char name[NAME];
    struct tz_store_stat stat;

    assert_ok(tz_store_put(*state, new_name(name), "x", 1, err));
    assert_int_equal(lock_of(*state, name).mode, TZ_LOCK_NONE);
    assert_ok(tz_store_purge(*state, name, err));
    assert_ok(tz_store_stat(*state, name, &stat, err));
    assert_false(stat.exists);
    assert_ok(tz_store_purge(*state, name, err));
    assert_fails(tz_store_read_lock(*state, name, &(struct tz_store_lock){0}, err), TZ_NOT_FOUND);
}

static void a_lock_ends(void **state)
{
    char name[NAME];
    const struct timespec second = {.tv_sec = 1};
    struct tz_error why = {0};

    put_locked(*state, new_name(name), TZ_LOCK_COMPLIANCE, tz_now() + TZ_SECOND_NS);
    assert_fails(tz_store_purge(*state, name, err), TZ_DENIED);
    for (int i = 0; i < 15 && tz_store_purge(*state, name, &why); i++) {
        assert_int_equal(why.kind, TZ_DENIED);
        (void)nanosleep(&second, NULL);
    }
    assert_fails(tz_store_read_lock(*state, name, &(struct tz_store_lock){0}, err), TZ_NOT_FOUND);
}

static void a_lock_grows_and_never_shrinks(void **state)
{
    char name[NAME];
    int64_t now_ns = tz_now();
    struct tz_store_lock lock = {.mode = TZ_LOCK_COMPLIANCE, .until_ns = now_ns + 2 * SHORT_NS};

    put_locked(*state, new_name(name), TZ_LOCK_COMPLIANCE, now_ns + SHORT_NS);
    assert_ok(tz_store_extend_lock(*state, name, &lock, err));
    assert_int_equal(lock_of(*state, name).until_ns, ceiling(lock.until_ns));
    /* Shorter: it is locked long enough. */
    struct tz_store_lock less = {.mode = TZ_LOCK_COMPLIANCE, .until_ns = now_ns + SHORT_NS};
    assert_ok(tz_store_extend_lock(*state, name, &less, err));
    less.mode = TZ_LOCK_GOVERNANCE;
    assert_ok(tz_store_extend_lock(*state, name, &less, err));
    assert_int_equal(lock_of(*state, name).until_ns, ceiling(lock.until_ns));
    assert_int_equal(lock_of(*state, name).mode, TZ_LOCK_COMPLIANCE);
    (void)new_name(name);
    assert_fails(tz_store_extend_lock(*state, name, &lock, err), TZ_NOT_FOUND);
}

static void an_object_without_a_lock_gets_one(void **state)
{
    char name[NAME];
    int64_t until_ns = tz_now() + SHORT_NS;

    assert_ok(tz_store_put(*state, new_name(name), "x", 1, err));
    assert_ok(tz_store_need_lock(*state, name, err));
    assert_int_equal(lock_of(*state, name).mode, TZ_LOCK_NONE);
    assert_ok(tz_store_set_lock(*state, TZ_LOCK_GOVERNANCE, until_ns, err));
    assert_ok(tz_store_need_lock(*state, name, err));
    assert_ok(tz_store_need_lock(*state, name, err));
    assert_int_equal(lock_of(*state, name).mode, TZ_LOCK_GOVERNANCE);
    assert_int_equal(lock_of(*state, name).until_ns, ceiling(until_ns));
    assert_fails(tz_store_purge(*state, name, err), TZ_DENIED);
}

static void a_hold_has_no_end(void **state)
{
    char name[NAME];

    assert_ok(tz_store_put(*state, new_name(name), "x", 1, err));
    assert_ok(tz_store_hold(*state, name, true, err));
    assert_true(lock_of(*state, name).held);
    assert_fails(tz_store_purge(*state, name, err), TZ_DENIED);
    assert_ok(tz_store_hold(*state, name, false, err));
    assert_false(lock_of(*state, name).held);
    assert_ok(tz_store_purge(*state, name, err));
    assert_fails(tz_store_hold(*state, name, true, err), TZ_NOT_FOUND);
}

/* What an attacker without the right to delete versions could do. */
struct seen {
    const char *name;
    unsigned versions, marks;
    char oldest[256];
};

static int see(void *arg, const struct tz_store_version *version, struct tz_error *err)
{
    struct seen *seen = arg;

    (void)err;
    if (strcmp(version->name, seen->name) != 0)
        return 0;
    seen->versions += !version->removed;
    seen->marks += version->removed;
    if (version->latest)
        assert_int_equal(seen->versions + seen->marks, 1);
    (void)snprintf(seen->oldest, sizeof(seen->oldest), "%s", version->id);
    return 0;
}

static void hidden_versions_are_found(void **state)
{
    char name[NAME];
    TZ_SCOPED(tz_scoped_buf) struct tz_buf back = {0};
    struct seen seen = {.name = new_name(name)};
    struct tz_store_lock lock = {0};

    put_locked(*state, name, TZ_LOCK_GOVERNANCE, tz_now() + SHORT_NS);
    if (!has_versions) {
        assert_fails(tz_store_remove(*state, name, err), TZ_DENIED);
        assert_fails(tz_store_replace(*state, name, "evil", 4, err), TZ_DENIED);
    } else {
        assert_ok(tz_store_replace(*state, name, "evil", 4, err));
        assert_ok(tz_store_remove(*state, name, err));
    }
    assert_ok(tz_store_versions(*state, name, see, &seen, err));
    assert_int_equal(seen.versions, has_versions ? 2 : 1);
    assert_int_equal(seen.marks, has_versions ? 1 : 0);
    assert_ok(tz_store_get_version(*state, name, seen.oldest, 100, &back, err));
    assert_int_equal(back.len, 5);
    assert_memory_equal(back.data, "hello", 5);
    assert_ok(tz_store_read_version_lock(*state, name, seen.oldest, &lock, err));
    assert_int_equal(lock.mode, TZ_LOCK_GOVERNANCE);
}

static void a_large_object_is_locked_too(void **state)
{
    const size_t len = ((size_t)64 << 20) + 12345;
    char name[NAME];
    int64_t until_ns = tz_now() + 10 * SHORT_NS;
    uint8_t *data = calloc(1, len);

    assert_non_null(data);
    memset(data, 0x5a, len);
    assert_ok(tz_store_set_lock(*state, TZ_LOCK_GOVERNANCE, until_ns, err));
    assert_ok(tz_store_put(*state, new_name(name), data, len, err));
    free(data);
    assert_int_equal(lock_of(*state, name).mode, TZ_LOCK_GOVERNANCE);
    assert_int_equal(lock_of(*state, name).until_ns, ceiling(until_ns));
}

static void locks_are_proven(void **state)
{
    static const enum tz_lock_mode modes[] = {TZ_LOCK_GOVERNANCE, TZ_LOCK_COMPLIANCE};

    for (size_t i = 0; i < TZ_COUNT(modes); i++) {
        bool proven = false;
        assert_ok(tz_store_prove_lock(*state, modes[i], &proven, err));
        assert_true(proven);
    }
}

static int no_object(void *arg, const char *name, const struct tz_store_stat *stat,
                     struct tz_error *err)
{
    (void)arg;
    (void)stat;
    (void)err;
    assert_int_not_equal(strncmp(name, "tmp/", 4), 0);
    return 0;
}

static void lists_do_not_show_the_proof(void **state)
{
    bool proven = false;

    assert_ok(tz_store_prove_lock(*state, TZ_LOCK_GOVERNANCE, &proven, err));
    assert_ok(tz_store_list(*state, "", no_object, NULL, err));
}

#define lock_test(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int run_lock_contract(const char *title, lock_contract_open_fn *open, bool versions)
{
    const struct CMUnitTest tests[] = {
        lock_test(what_is_put_is_locked),
        lock_test(what_is_not_locked_is_purged),
        lock_test(a_lock_ends),
        lock_test(a_lock_grows_and_never_shrinks),
        lock_test(an_object_without_a_lock_gets_one),
        lock_test(a_hold_has_no_end),
        lock_test(hidden_versions_are_found),
        lock_test(a_large_object_is_locked_too),
        lock_test(locks_are_proven),
        lock_test(lists_do_not_show_the_proof),
    };
    open_store = open;
    has_versions = versions;
    return cmocka_run_group_tests_name(title, tests, NULL, NULL);
}
