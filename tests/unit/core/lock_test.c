#include "repo_fixture.h"

#include "tozai/core/lock.h"
#include "tozai/core/prune.h"
#include "tozai/util/time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DAY_NS (INT64_C(24) * 3600 * TZ_SECOND_NS)

#define MUST(call)                                                                                 \
    do {                                                                                           \
        struct tz_error must_err_ = {0};                                                           \
        struct tz_error *err = &must_err_;                                                         \
        if (call)                                                                                  \
            fail_msg("%s: %s", #call, err->message);                                               \
    } while (0)

/* What a file cannot say, since these stores are none that people configure. */
static void lock_store(struct tz_config *config, size_t i, const char *mode)
{
    struct tz_config_store *store = &config->stores[i];

    store->more = calloc(1, sizeof(*store->more));
    assert_non_null(store->more);
    store->more[0] = (struct tz_config_pair){.key = strdup("object_lock"), .value = strdup(mode)};
    store->more_count = 1;
}

static void configure_unlocked(struct tz_fixture *f, const char *retention)
{
    char sources[512];
    struct tz_fixture_options options = {.sources = sources};

    (void)snprintf(sources, sizeof(sources),
                   "[source tree]\ntype = directory\npath = %s\n[retention]\n%s\n", f->tree,
                   retention);
    tz_fixture_configure(f, &options, NULL, NULL);
}

static void configure(struct tz_fixture *f, const char *retention)
{
    configure_unlocked(f, retention);
    lock_store(f->config, 0, "compliance");
}

static int set_up(void **state)
{
    static struct tz_fixture f;
    uint8_t id[TZ_REPO_ID_SIZE];

    tz_fixture_make(&f, &(struct tz_fixture_options){.stay_empty = true});
    configure(&f, "weekly = 4");
    const struct tz_repo_init_options init = {.config = f.config, .no_prompt = true};
    MUST(tz_repo_init(&init, id, err));
    tz_fixture_fill(&f, "a", 3000000, 1);
    tz_fixture_fill(&f, "b", 1000, 2);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    tz_fixture_clear(*state);
    return 0;
}

struct look {
    struct tz_store *store;
    int64_t least_ns; /* the earliest end of a lock */
    unsigned objects, held;
};

static int look_at(void *arg, const char *name, const struct tz_store_stat *stat,
                   struct tz_error *unused)
{
    struct look *look = arg;
    struct tz_store_lock lock = {0};

    (void)stat;
    (void)unused;
    MUST(tz_store_read_lock(look->store, name, &lock, err));
    look->objects++;
    look->held += lock.held;
    int64_t end_ns = lock.mode == TZ_LOCK_COMPLIANCE ? lock.until_ns : 0;
    look->least_ns = TZ_MIN(look->least_ns, end_ns);
    return 0;
}

static struct look look_below(const char *url, const char *prefix)
{
    TZ_SCOPED(tz_scoped_store) struct tz_store *store = NULL;
    const struct tz_store_options options = {.name = "look", .url = url};
    struct look look = {.least_ns = INT64_MAX};

    MUST(tz_store_open(&store, &options, err));
    look.store = store;
    MUST(tz_store_list(store, prefix, look_at, &look, err));
    look.store = NULL;
    return look;
}

static void all_of_a_run_is_locked(void **state)
{
    struct tz_fixture *f = *state;
    struct tz_backup_result result = {0};
    int64_t before_ns = tz_now();

    tz_fixture_run(f, &result);
    assert_true(result.complete);
    assert_true(result.head.locked_until_ns >= before_ns + 28 * DAY_NS + TZ_LOCK_MARGIN_NS);
    assert_true(result.head.locked_until_ns <= tz_now() + 28 * DAY_NS + TZ_LOCK_MARGIN_NS);
    struct look look = look_below(f->east, "");
    assert_true(look.objects >= 6);
    assert_true(look.least_ns >= result.head.locked_until_ns);
    assert_int_equal(look.held, 0);
    /* The other one is not configured to. */
    assert_int_equal(look_below(f->west, "").least_ns, 0);
    tz_backup_result_clear(&result);
}

static void without_locks_nothing_is_locked(void **state)
{
    struct tz_fixture *f = *state;
    struct tz_fixture plain;
    struct tz_backup_result result = {0};

    (void)f;
    tz_fixture_make(&plain, &(struct tz_fixture_options){0});
    tz_fixture_fill(&plain, "a", 1000, 1);
    tz_fixture_run(&plain, &result);
    assert_int_equal(result.head.locked_until_ns, 0);
    assert_int_equal(look_below(plain.east, "").least_ns, 0);
    tz_backup_result_clear(&result);
    tz_fixture_clear(&plain);
}

static void locks_are_extended_when_they_are_too_short(void **state)
{
    struct tz_fixture *f = *state;
    struct tz_backup_result result = {0};

    tz_fixture_run(f, &result);
    tz_backup_result_clear(&result);
    int64_t first_ns = look_below(f->east, "packs/").least_ns;
    tz_fixture_run(f, &result);
    assert_true(result.complete);
    tz_backup_result_clear(&result);
    assert_int_equal(look_below(f->east, "packs/").least_ns, first_ns);
    configure(f, "weekly = 6");
    tz_fixture_run(f, &result);
    assert_true(result.complete);
    static const char *const rests_on[] = {"packs/", "index/", "keys/", "tozai"};
    for (size_t i = 0; i < TZ_COUNT(rests_on); i++)
        assert_true(look_below(f->east, rests_on[i]).least_ns >= result.head.locked_until_ns);
    assert_true(look_below(f->east, "packs/").least_ns >= first_ns + 13 * DAY_NS);
    /* A shorter one changes nothing. */
    int64_t second_ns = look_below(f->east, "packs/").least_ns;
    tz_backup_result_clear(&result);
    configure(f, "daily = 2\nweekly = 0");
    tz_fixture_run(f, &result);
    assert_true(result.complete);
    assert_int_equal(look_below(f->east, "packs/").least_ns, second_ns);
    tz_backup_result_clear(&result);
}

/* A run that needs longer locks, with this fault in the store that keeps them. */
static void run_with_fault(struct tz_fixture *f, enum faulty_way way, enum tz_error_kind kind,
                           bool complete)
{
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(f, false);
    struct faulty_store *faulty = tz_fixture_spoil(repo, 0);
    const struct faulty_plan plan = {
        .calls = FAULTY_LOCK, .at = 3, .times = 1, .way = way, .kind = kind};
    struct tz_backup_result result = {0};

    faulty_store_plan(faulty, &plan);
    f->warnings = 0;
    tz_fixture_backup(repo, "tree", &result);
    assert_int_equal(result.complete, complete);
    assert_int_equal(result.stores & 1U, complete ? 1 : 0);
    assert_true(result.stores & 2U);
    assert_int_equal(f->warnings, complete ? 0 : 1);
    if (!complete)
        assert_non_null(strstr(f->warning, "store 'east' is left out"));
    tz_backup_result_clear(&result);
}

static void what_is_not_extended_does_not_count(void **state)
{
    struct tz_fixture *f = *state;
    struct tz_backup_result result = {0};

    tz_fixture_run(f, &result);
    tz_backup_result_clear(&result);
    configure(f, "weekly = 8");
    run_with_fault(f, FAULTY_BEFORE, TZ_DENIED, false);
    /* The others were extended at the same time: so all once more. */
    configure(f, "weekly = 12");
    run_with_fault(f, FAULTY_BEFORE, TZ_UNAVAILABLE, false);
    /* It says that it did, and did not. */
    configure(f, "weekly = 16");
    run_with_fault(f, FAULTY_AFTER, TZ_OK, false);
    tz_fixture_run(f, &result);
    assert_true(look_below(f->east, "packs/").least_ns >= result.head.locked_until_ns);
    tz_backup_result_clear(&result);
}

static void a_catalog_made_anew_asks_the_store(void **state)
{
    struct tz_fixture *f = *state;
    struct tz_backup_result result = {0};
    char other[512];

    tz_fixture_run(f, &result);
    tz_backup_result_clear(&result);
    int64_t first_ns = look_below(f->east, "packs/").least_ns;
    (void)snprintf(other, sizeof(other), "%s/other", f->folder);
    free(f->state);
    f->state = strdup(other);
    configure(f, "weekly = 4");
    tz_fixture_run(f, &result);
    assert_true(result.complete);
    assert_int_equal(look_below(f->east, "packs/").least_ns, first_ns);
    tz_backup_result_clear(&result);
}

static void the_catalog_knows_the_locks(void **state)
{
    struct tz_fixture *f = *state;
    struct tz_backup_result result = {0};
    struct tz_store_lock lock = {0};
    int64_t pack = 0;

    tz_fixture_run(f, &result);
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(f, false);
    struct tz_catalog *catalog = tz_repo_catalog(repo);
    MUST(tz_catalog_find_pack(catalog, result.head.packs[0], &pack, err));
    MUST(tz_lock_get(catalog, pack, tz_repo_store(repo, 0), &lock, err));
    assert_int_equal(lock.mode, TZ_LOCK_COMPLIANCE);
    assert_true(lock.until_ns >= result.head.locked_until_ns);
    MUST(tz_lock_get(catalog, pack, tz_repo_store(repo, 1), &lock, err));
    assert_int_equal(lock.mode, TZ_LOCK_NONE);
    MUST(tz_lock_get(catalog, 999999, tz_repo_store(repo, 0), &lock, err));
    assert_int_equal(lock.mode, TZ_LOCK_NONE);
    tz_backup_result_clear(&result);
}

static void holds_of_two_generations_do_not_mix(void **state)
{
    struct tz_fixture *f = *state;
    struct tz_backup_result first = {0}, second = {0};
    uint32_t stores = 0;
    bool held = false;

    tz_fixture_run(f, &first);
    tz_fixture_fill(f, "c", 2000000, 3);
    tz_fixture_run(f, &second);
    {
        TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(f, false);
        MUST(tz_lock_hold(repo, &first.head, true, &stores, err));
        assert_int_equal(stores, 1);
        unsigned some = look_below(f->east, "packs/").held;
        assert_int_equal(some, first.head.pack_count);
        MUST(tz_lock_hold(repo, &second.head, true, &stores, err));
        assert_true(look_below(f->east, "packs/").held > some);
        /* What the second one needs of the first stays held. */
        MUST(tz_lock_hold(repo, &first.head, false, &stores, err));
        assert_int_equal(look_below(f->east, "packs/").held, second.head.pack_count);
        assert_int_equal(look_below(f->east, "keys/").held, 1);
        assert_int_equal(look_below(f->east, "generations/").held, 2);
    }
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(f, false);
    MUST(tz_lock_is_held(tz_repo_catalog(repo), first.head.id, &held, err));
    assert_false(held);
    MUST(tz_lock_is_held(tz_repo_catalog(repo), second.head.id, &held, err));
    assert_true(held);
    MUST(tz_lock_hold(repo, &second.head, false, &stores, err));
    assert_int_equal(look_below(f->east, "").held, 0);
    MUST(tz_lock_is_held(tz_repo_catalog(repo), second.head.id, &held, err));
    assert_false(held);
    tz_backup_result_clear(&first);
    tz_backup_result_clear(&second);
}

static void prune_all_but_one(struct tz_fixture *f, struct tz_prune_result *ret)
{
    configure(f, "last = 1\nminimum_generations = 1");
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(f, true);
    const struct tz_prune_options options = {
        .repo = repo, .locked = tz_lock_find, .locked_arg = repo};

    MUST(tz_prune(&options, ret, err));
    assert_int_equal(ret->broken_count, 0);
}

static void run_twice(struct tz_fixture *f, struct tz_backup_result *first)
{
    struct tz_backup_result second = {0};

    tz_fixture_run(f, first);
    tz_fixture_fill(f, "a", 3000000, 3);
    tz_fixture_run(f, &second);
    tz_backup_result_clear(&second);
}

static void prune_leaves_what_is_locked(void **state)
{
    struct tz_fixture *f = *state;
    struct tz_backup_result first = {0};
    struct tz_prune_result result = {0};

    run_twice(f, &first);
    unsigned before = look_below(f->east, "").objects;
    prune_all_but_one(f, &result);
    assert_int_equal(result.kept_count, 2);
    assert_int_equal(result.forgotten_count, 0);
    unsigned locked = 0;
    for (size_t i = 0; i < result.kept_count; i++)
        locked += result.kept[i].locked_until_ns >= first.head.locked_until_ns;
    assert_int_equal(locked, 1);
    assert_int_equal(look_below(f->east, "").objects, before);
    tz_prune_result_clear(&result);
    tz_backup_result_clear(&first);
}

static void prune_keeps_what_is_held_and_takes_what_is_free(void **state)
{
    struct tz_fixture *f = *state;
    struct tz_backup_result first = {0};
    struct tz_prune_result result = {0};
    uint32_t stores = 0;

    configure_unlocked(f, "weekly = 4");
    run_twice(f, &first);
    for (int held = 1; held >= 0; held--) {
        {
            TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(f, true);
            MUST(tz_lock_hold(repo, &first.head, held, &stores, err));
        }
        prune_all_but_one(f, &result);
        assert_int_equal(result.kept_count, held ? 2 : 1);
        assert_int_equal(result.forgotten_count, held ? 0 : 1);
        assert_true(held || result.deleted_packs > 0);
        tz_prune_result_clear(&result);
    }
    tz_fixture_check(f, "east");
    tz_backup_result_clear(&first);
}

static void a_hold_that_fails_says_so(void **state)
{
    struct tz_fixture *f = *state;
    struct tz_backup_result result = {0};
    const struct faulty_plan plans[] = {
        {.calls = FAULTY_LOCK, .at = 2, .kind = TZ_DENIED},
        {.calls = FAULTY_LOCK, .at = 2, .way = FAULTY_AFTER},
    };

    tz_fixture_run(f, &result);
    for (size_t i = 0; i < TZ_COUNT(plans); i++) {
        TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(f, false);
        struct faulty_store *faulty = tz_fixture_spoil(repo, 0);
        struct tz_error why = {0};
        uint32_t stores = 0;
        bool held = false;
        faulty_store_plan(faulty, &plans[i]);
        assert_int_equal(tz_lock_hold(repo, &result.head, true, &stores, &why), -1);
        assert_non_null(strstr(why.message, "store 'east'"));
        /* The catalog errs to the safe side. */
        MUST(tz_lock_is_held(tz_repo_catalog(repo), result.head.id, &held, err));
        assert_true(held);
        faulty_store_plan(faulty, &(struct faulty_plan){0});
        MUST(tz_lock_hold(repo, &result.head, false, &stores, err));
        assert_int_equal(look_below(f->east, "").held, 0);
    }
    tz_backup_result_clear(&result);
}

static void tombstones_are_not_locked(void **state)
{
    struct tz_fixture *f = *state;
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(f, false);
    struct tz_store *store = tz_mirror_store(tz_repo_mirror(repo), 0);

    MUST(tz_store_put(store, "tombstones/x", "x", 1, err));
    MUST(tz_store_put(store, "index/x", "x", 1, err));
    assert_int_equal(look_below(f->east, "tombstones/").least_ns, 0);
    assert_true(look_below(f->east, "index/").least_ns > tz_now() + 28 * DAY_NS);
    MUST(tz_store_remove(store, "tombstones/x", err));
    assert_int_equal(tz_store_remove(store, "index/x", NULL), -1);
}

static void what_was_there_without_a_lock_gets_one(void **state)
{
    struct tz_fixture *f = *state;
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(f, false);
    TZ_SCOPED(tz_scoped_blob) struct tz_blob *blob = NULL;
    TZ_SCOPED(tz_scoped_store) struct tz_store *plain = NULL;
    const struct tz_store_options options = {.name = "plain", .url = f->east};

    MUST(tz_store_open(&plain, &options, err));
    MUST(tz_store_put(plain, "packs/x", "x", 1, err));
    MUST(tz_blob_copy(&blob, "x", 1, err));
    MUST(tz_mirror_put(tz_repo_mirror(repo), "packs/x", blob, 1, 1, err));
    MUST(tz_mirror_flush(tz_repo_mirror(repo), err));
    assert_true(tz_mirror_usable(tz_repo_mirror(repo), 0));
    assert_true(look_below(f->east, "packs/x").least_ns > tz_now() + 28 * DAY_NS);
}

static void the_end_follows_the_policy(void **state)
{
    struct tz_fixture *f = *state;
    static const struct {
        const char *retention;
        int days;
    } cases[] = {
        {"", 28},
        {"daily = 40", 40},
        {"daily = 7\nweekly = 0", 7},
        {"monthly = 3", 93},
        {"yearly = 2", 732},
        {"within = 90d", 90},
        {"window = 30d", 30},
        {"last = 60", 60},
        {"hourly = 2400", 100},
        {"weekly = 2\n[retention tree]\nweekly = 5", 35},
        {"weekly = 8\n[retention tree]\nweekly = 5", 35},
        {"yearly = 1000000", 36525 / 366 * 366},
    };

    for (size_t i = 0; i < TZ_COUNT(cases); i++) {
        configure(f, cases[i].retention);
        int64_t end_ns = tz_lock_end(f->config, "tree", 1000) - 1000 - TZ_LOCK_MARGIN_NS;
        if (end_ns / DAY_NS < cases[i].days - 1 || end_ns / DAY_NS > cases[i].days)
            fail_msg("%s: %lld days", cases[i].retention, (long long)(end_ns / DAY_NS));
        assert_true(tz_lock_end(f->config, NULL, 1000) >= end_ns);
    }
}

#define lock_test(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        lock_test(all_of_a_run_is_locked),
        lock_test(without_locks_nothing_is_locked),
        lock_test(locks_are_extended_when_they_are_too_short),
        lock_test(what_is_not_extended_does_not_count),
        lock_test(a_catalog_made_anew_asks_the_store),
        lock_test(the_catalog_knows_the_locks),
        lock_test(holds_of_two_generations_do_not_mix),
        lock_test(prune_leaves_what_is_locked),
        lock_test(prune_keeps_what_is_held_and_takes_what_is_free),
        lock_test(a_hold_that_fails_says_so),
        lock_test(tombstones_are_not_locked),
        lock_test(what_was_there_without_a_lock_gets_one),
        lock_test(the_end_follows_the_policy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
