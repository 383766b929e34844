/*
 * Packs that are written anew: those of which little is needed, and small ones that many runs left;
 * those of manifests, too.
 */
#include "check_fixture.h"

#include "tozai/core/prune.h"

#define RUNS 24U
#define KEEP_ALL                                                                                   \
    "[retention]\nlast = 100\nminimum_generations = 1\n[source tree]\ntype = directory\npath = "
#define KEEP_ONE                                                                                   \
    "[retention]\nlast = 1\nminimum_generations = 1\n[source tree]\ntype = directory\npath = "

static struct tz_fixture fixture;

/* Another policy. */
static void configure(const char *sources)
{
    char text[8192];
    const struct tz_fixture_options options = {.sources = text};

    (void)snprintf(text, sizeof(text), "%s%s\n", sources, fixture.tree);
    tz_fixture_configure(&fixture, &options, NULL, NULL);
}

/* Each run leaves a small pack of data and one of a manifest. */
static int enter(void **state)
{
    const struct tz_fixture_options options = {.more = "pack_size = 1M\n"};
    char name[32];

    (void)state;
    tz_fixture_make(&fixture, &options);
    for (unsigned i = 0; i < 300; i++) {
        (void)snprintf(name, sizeof(name), "file-%u", i);
        tz_fixture_fill(&fixture, name, 5000, i);
    }
    configure(KEEP_ALL);
    for (unsigned run = 0; run < RUNS; run++) {
        struct tz_backup_result result;
        (void)snprintf(name, sizeof(name), "file-%u", run * 7 % 300);
        tz_fixture_fill(&fixture, name, 5000, 1000 + run);
        tz_fixture_run(&fixture, &result);
        tz_backup_result_clear(&result);
    }
    return 0;
}

static int leave(void **state)
{
    (void)state;
    tz_fixture_clear(&fixture);
    return 0;
}

static size_t count_packs(size_t store, enum tz_pack_kind kind)
{
    TZ_SCOPED(tz_scoped_store) struct tz_store *handle = inside(&fixture, store);
    TZ_SCOPED(tz_scoped_listing) struct tz_listing list = {0};

    list_class(handle, TZ_NAME_IS_PACK, kind, &list);
    return list.count;
}

static void prune(size_t live_max, bool dry_run, struct tz_prune_result *ret)
{
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);
    const struct tz_prune_options options = {
        .repo = repo, .dry_run = dry_run, .live_percent = TZ_PRUNE_LIVE, .live_max = live_max};

    MUST(tz_prune(&options, ret, err));
    assert_int_equal(ret->broken_count, 0);
}

/* What the generation before each of the changes was still is. */
static void expect_all(void)
{
    tz_fixture_check(&fixture, "east");
    tz_fixture_check(&fixture, "west");
    assert_int_equal(tz_fixture_compare_stores(&fixture), 0);
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);
    const struct tz_verify_options options = {.repo = repo, .level = TZ_VERIFY_CONTENT};
    struct tz_verify_result result = {0};
    MUST(tz_verify(&options, &result, err));
    assert_true(result.ok);
    tz_verify_result_clear(&result);
}

static void small_packs_are_united(void **state)
{
    struct tz_prune_result first, second;

    (void)state;
    assert_true(count_packs(EAST, TZ_PACK_DATA) >= RUNS);
    assert_true(count_packs(EAST, TZ_PACK_MANIFEST) >= RUNS);
    prune(0, false, &first);
    assert_int_equal(first.forgotten_count, 0);
    assert_int_equal(first.kept_count, RUNS);
    assert_true(first.rewritten_packs >= 2 * RUNS - 4);
    for (size_t store = EAST; store <= WEST; store++) {
        assert_true(count_packs(store, TZ_PACK_DATA) < 10);
        assert_true(count_packs(store, TZ_PACK_MANIFEST) < 10);
    }
    expect_all();
    prune(0, false, &second);
    assert_int_equal(second.rewritten_packs, 0);
    assert_int_equal(second.deleted_packs, 0);
    tz_prune_result_clear(&first);
    tz_prune_result_clear(&second);
}

/* Only packs of one generation are left, and not many small ones. */
static void what_only_old_generations_needed_goes(void **state)
{
    struct tz_prune_result result;

    (void)state;
    configure(KEEP_ONE);
    prune(0, false, &result);
    assert_int_equal(result.forgotten_count, RUNS - 1);
    tz_prune_result_clear(&result);
    assert_true(count_packs(EAST, TZ_PACK_MANIFEST) < 16);
    expect_all();
}

/* When memory holds few chunks at once, the outcome is the same. */
static void many_passes_find_the_same(void **state)
{
    struct tz_prune_result one, many;

    (void)state;
    configure(KEEP_ONE);
    prune(0, true, &one);
    prune(16, true, &many);
    assert_true(one.rewritten_packs > 0);
    assert_int_equal(one.rewritten_packs, many.rewritten_packs);
    assert_int_equal(one.tombstoned_packs, many.tombstoned_packs);
    assert_int_equal(one.freed_bytes, many.freed_bytes);
    tz_prune_result_clear(&many);
    prune(16, false, &many);
    assert_int_equal(one.rewritten_packs, many.rewritten_packs);
    assert_int_equal(one.deleted_packs, many.deleted_packs);
    expect_all();
    tz_prune_result_clear(&one);
    tz_prune_result_clear(&many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(small_packs_are_united, enter, leave),
        cmocka_unit_test_setup_teardown(what_only_old_generations_needed_goes, enter, leave),
        cmocka_unit_test_setup_teardown(many_passes_find_the_same, enter, leave),
    };

    return cmocka_run_group_tests_name("repack", tests, NULL, NULL);
}
