/*
 * The catalog made anew: from both stores, from either one, and with damaged or missing evidence.
 */
#include "check_fixture.h"

#include "core/catalog/database.h"
#include "tozai/core/manifest.h"

#include <dirent.h>

static struct tz_fixture fixture;
static struct tz_store *stores[STORES];

static int enter(void **state)
{
    (void)state;
    make_repository(&fixture, false, 3);
    for (size_t i = 0; i < STORES; i++)
        stores[i] = inside(&fixture, i);
    return 0;
}

static int leave(void **state)
{
    (void)state;
    for (size_t i = 0; i < STORES; i++)
        tz_store_free(stores[i]);
    tz_fixture_clear(&fixture);
    return 0;
}

static int64_t ask(struct tz_repo *repo, const char *sql)
{
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};
    bool row = false;

    MUST(tz_query_open(&query, tz_repo_catalog(repo), sql, err));
    MUST(tz_query_step(&query, &row, err));
    return row ? tz_query_get_int(&query, 0) : -1;
}

/* What a catalog must say, whatever numbers it uses. */
struct facts {
    int64_t packs, chunks, frames, generations, sealed, needed, copies, slots;
};

static struct facts look(struct tz_repo *repo)
{
    return (struct facts){
        .packs = ask(repo, "SELECT count(*) FROM packs"),
        .chunks = ask(repo, "SELECT count(*) FROM chunks"),
        .frames = ask(repo, "SELECT sum(offset + sealed_len + plain_len + codec) FROM frames"),
        .generations = ask(repo, "SELECT count(*) FROM generations"),
        .sealed = ask(repo, "SELECT count(seal_object) FROM generations"),
        .needed = ask(repo, "SELECT count(*) FROM generation_packs"),
        .copies = ask(repo, "SELECT count(*) FROM copies WHERE state = 1 AND object IN"
                            " (SELECT id FROM objects WHERE kind > 1)"),
        .slots = ask(repo, "SELECT count(*) FROM objects WHERE kind = 2"),
    };
}

static void expect_same(const struct facts *a, const struct facts *b)
{
    assert_int_equal(a->packs, b->packs);
    assert_int_equal(a->chunks, b->chunks);
    assert_int_equal(a->frames, b->frames);
    assert_int_equal(a->generations, b->generations);
    assert_int_equal(a->sealed, b->sealed);
    assert_int_equal(a->needed, b->needed);
    assert_int_equal(a->slots, b->slots);
}

static void expect_whole(struct tz_repo *repo)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf report = {0};
    bool ok = false;

    MUST(tz_catalog_check(tz_repo_catalog(repo), &ok, &report, err));
    if (!ok)
        print_message("%s", (const char *)report.data);
    assert_true(ok);
}

static unsigned count_aside(void)
{
    DIR *dir = opendir(fixture.state);
    unsigned count = 0;

    assert_non_null(dir);
    for (const struct dirent *entry; (entry = readdir(dir));)
        count +=
            strncmp(entry->d_name, "catalog.db.bad-", 15) == 0 && !strstr(entry->d_name, "-wal");
    assert_int_equal(closedir(dir), 0);
    return count;
}

static void test_from_both(void **state)
{
    uint8_t instance[TZ_CATALOG_INSTANCE_SIZE];

    (void)state;
    {
        TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);
        struct facts before = look(repo);
        struct tz_catalog *handle = tz_repo_catalog(repo);
        assert_true(before.packs > 3 && before.generations == 3 && before.sealed == 3);
        memcpy(instance, tz_catalog_instance(handle), sizeof(instance));

        MUST(tz_catalog_rebuild(repo, NULL, err));
        assert_ptr_equal(tz_repo_catalog(repo), handle);
        assert_memory_not_equal(tz_catalog_instance(handle), instance, sizeof(instance));
        struct facts after = look(repo);
        expect_same(&before, &after);
        assert_int_equal(before.copies, after.copies);
        expect_whole(repo);
        assert_int_equal(count_aside(), 1);
        expect_good(repo, TZ_VERIFY_CONTENT);
        /* And once more, by the same handle. */
        MUST(tz_catalog_rebuild(repo, NULL, err));
        assert_int_equal(count_aside(), 2);
        expect_good(repo, TZ_VERIFY_CONTENT);
    }
    /* The next run goes on with it: at most small files, which share chunks, are stored again. */
    struct tz_backup_result result;
    tz_fixture_run(&fixture, &result);
    assert_true(result.complete);
    assert_true(result.head.new_bytes <= 5 * 3000);
    tz_backup_result_clear(&result);
    tz_fixture_check(&fixture, NULL);
}

/* Either store alone gives everything back. */
static void test_from_one(void **state)
{
    static const char *const names[] = {"east", "west"};
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);
    struct facts before = look(repo);

    (void)state;
    for (size_t i = 0; i < STORES; i++) {
        MUST(tz_catalog_rebuild(repo, names[i], err));
        struct facts after = look(repo);
        expect_same(&before, &after);
        assert_int_equal(before.copies, 2 * after.copies);
        expect_whole(repo);
    }
    struct tz_error why = {0};
    assert_int_equal(tz_catalog_rebuild(repo, "north", &why), -1);
    assert_int_equal(why.kind, TZ_INVALID);
    /* A name that is not known costs nothing. */
    assert_int_equal(look(repo).packs, before.packs);
    expect_good(repo, TZ_VERIFY_CONTENT);
}

static void remove_class(size_t store, enum tz_name_kind kind)
{
    TZ_SCOPED(tz_scoped_listing) struct tz_listing list = {0};

    list_class(stores[store], kind, 0, &list);
    for (size_t i = 0; i < list.count; i++)
        MUST(tz_store_remove(stores[store], list.items[i].name, err));
}

/* Without any index the packs tell themselves what they hold. */
static void test_without_index(void **state)
{
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);
    struct facts before = look(repo);

    (void)state;
    remove_class(EAST, TZ_NAME_IS_INDEX);
    remove_class(WEST, TZ_NAME_IS_INDEX);
    MUST(tz_catalog_rebuild(repo, NULL, err));
    struct facts after = look(repo);
    expect_same(&before, &after);
    expect_whole(repo);
    expect_good(repo, TZ_VERIFY_CONTENT);
    tz_repo_free(TZ_TAKE(repo));
    tz_fixture_check(&fixture, "east");
}

/* A writer cannot read them, and says so; an operator can, later. */
static void test_writer(void **state)
{
    const struct tz_fixture_options options = {.more = "frame_size = 256K\npack_size = 1M\n"};
    char *key = tz_path_join(fixture.folder, "writer-key");
    char *usual = tz_path_join(fixture.folder, "key");

    (void)state;
    tz_fixture_add_writer(&fixture, key);
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);
    struct facts before = look(repo);
    tz_repo_free(TZ_TAKE(repo));
    tz_fixture_configure(&fixture, &options, NULL, key);
    repo = tz_fixture_open(&fixture, false);
    MUST(tz_catalog_rebuild(repo, NULL, err));
    struct facts after = look(repo);
    expect_same(&before, &after);
    assert_int_equal(fixture.warnings, 0);

    remove_class(EAST, TZ_NAME_IS_INDEX);
    remove_class(WEST, TZ_NAME_IS_INDEX);
    MUST(tz_catalog_rebuild(repo, NULL, err));
    assert_int_equal(look(repo).packs, 0);
    assert_int_equal(look(repo).generations, 3);
    assert_int_equal(fixture.warnings, 1);
    assert_non_null(strstr(fixture.warning, "operator"));
    tz_repo_free(TZ_TAKE(repo));

    tz_fixture_configure(&fixture, &options, NULL, usual);
    repo = tz_fixture_open(&fixture, true);
    MUST(tz_catalog_rebuild(repo, NULL, err));
    after = look(repo);
    expect_same(&before, &after);
    free(key);
    free(usual);
}

/* Damaged evidence is left out, with a warning; the other store's is taken. */
static void test_damaged(void **state)
{
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);
    TZ_SCOPED(tz_scoped_listing) struct tz_listing list = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf bytes = {0};
    struct facts before = look(repo);

    (void)state;
    MUST(tz_listing_read(&list, stores[EAST], "", err));
    for (size_t i = 0; i < list.count; i++) {
        /* Every second one of each store; never the same. */
        struct tz_store *store = stores[i % 2];
        if (strcmp(list.items[i].name, TZ_NAME_DESCRIPTOR) == 0)
            continue;
        get_object(store, list.items[i].name, &bytes);
        bytes.data[bytes.len / 2] ^= 1;
        put_object(store, list.items[i].name, bytes.data, bytes.len);
    }
    MUST(tz_catalog_rebuild(repo, NULL, err));
    struct facts after = look(repo);
    expect_same(&before, &after);
    struct tz_verify_result result;
    run_verify(repo, TZ_VERIFY_CIPHERTEXT, true, &result);
    if (!result.ok)
        print_result(&result);
    assert_true(result.ok);
    assert_int_equal(result.stores[EAST].healed_count + result.stores[WEST].healed_count,
                     list.count - 1);
    tz_verify_result_clear(&result);
    expect_good(repo, TZ_VERIFY_CONTENT);
    assert_int_equal(tz_fixture_compare_stores(&fixture), 0);
}

/* A pack that lies under another one's name, with no index to tell: it is not believed. */
static void test_swapped_without_index(void **state)
{
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);
    TZ_SCOPED(tz_scoped_listing) struct tz_listing list = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf bytes = {0};
    struct facts before = look(repo);

    (void)state;
    list_class(stores[EAST], TZ_NAME_IS_PACK, TZ_PACK_DATA, &list);
    get_object(stores[EAST], list.items[1].name, &bytes);
    for (size_t i = 0; i < STORES; i++) {
        put_object(stores[i], list.items[0].name, bytes.data, bytes.len);
        remove_class(i, TZ_NAME_IS_INDEX);
    }
    MUST(tz_catalog_rebuild(repo, NULL, err));
    assert_int_equal(look(repo).packs, before.packs - 1);
    assert_true(fixture.warnings > 0);
    assert_non_null(strstr(fixture.warning, list.items[0].name));
    expect_whole(repo);
}

static void test_busy(void **state)
{
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);
    struct facts before = look(repo);
    struct tz_catalog *other = NULL;
    struct tz_error why = {0};

    (void)state;
    MUST(tz_catalog_open(&other, fixture.state, tz_keys_repo_id(tz_repo_keys(repo)), err));
    assert_int_equal(tz_catalog_rebuild(repo, NULL, &why), -1);
    assert_int_equal(why.kind, TZ_BUSY);
    /* It is as it was. */
    struct facts after = look(repo);
    expect_same(&before, &after);
    tz_catalog_free(other);
    MUST(tz_catalog_rebuild(repo, NULL, err));
    after = look(repo);
    expect_same(&before, &after);
}

/* Whatever the catalog forgot or made up, the stores tell. */
static void test_wrong_catalog(void **state)
{
    static const char *const changes[] = {
        "DELETE FROM chunks",
        "DELETE FROM generations",
        "DELETE FROM packs",
        "UPDATE copies SET state = 2",
        "UPDATE objects SET size = size + 1",
        "INSERT INTO objects(name, kind, size) VALUES ('index/made-up', 4, 100)",
    };
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);
    struct facts before = look(repo);

    (void)state;
    for (size_t i = 0; i < TZ_COUNT(changes); i++) {
        MUST(tz_catalog_exec(tz_repo_catalog(repo), changes[i], err));
        MUST(tz_catalog_rebuild(repo, NULL, err));
        struct facts after = look(repo);
        expect_same(&before, &after);
        assert_int_equal(before.copies, after.copies);
    }
    expect_good(repo, TZ_VERIFY_CONTENT);
}

/* One store cannot be listed: the other one tells. */
static void test_unreachable(void **state)
{
    const struct faulty_plan plan = {
        .calls = FAULTY_LIST, .at = 3, .times = FAULTY_FOR_GOOD, .kind = TZ_UNAVAILABLE};
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);
    struct facts before = look(repo);
    struct tz_error why = {0};

    (void)state;
    faulty_store_plan(tz_fixture_spoil(repo, EAST), &plan);
    MUST(tz_catalog_rebuild(repo, NULL, err));
    struct facts after = look(repo);
    expect_same(&before, &after);
    assert_true(fixture.warnings > 0);
    assert_int_equal(tz_catalog_rebuild(repo, "east", &why), -1);
    assert_int_equal(why.kind, TZ_UNAVAILABLE);
    assert_int_equal(look(repo).packs, before.packs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_from_both, enter, leave),
        cmocka_unit_test_setup_teardown(test_from_one, enter, leave),
        cmocka_unit_test_setup_teardown(test_without_index, enter, leave),
        cmocka_unit_test_setup_teardown(test_writer, enter, leave),
        cmocka_unit_test_setup_teardown(test_damaged, enter, leave),
        cmocka_unit_test_setup_teardown(test_swapped_without_index, enter, leave),
        cmocka_unit_test_setup_teardown(test_busy, enter, leave),
        cmocka_unit_test_setup_teardown(test_wrong_catalog, enter, leave),
        cmocka_unit_test_setup_teardown(test_unreachable, enter, leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
