#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* strsep() */
#endif
/*
 * Bringing stores level: what is copied, in which order, and what happens when a store fails.
 */
#include "check_fixture.h"
#include "core/catalog/prune.h"
#include "odd_tree.h"

#include "tozai/util/interrupt.h"

#include <pthread.h>

static struct tz_fixture fixture;
static struct tz_store *stores[STORES];

static int enter(void **state)
{
    (void)state;
    make_repository(&fixture, false, 2);
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

/* As the command opens it: an empty store may be filled. */
static struct tz_repo *open_to_fill(void)
{
    const struct tz_repo_options options = {
        .config = fixture.config, .exclusive = true, .fill_empty = true, .no_prompt = true};
    struct tz_repo *repo = NULL;

    MUST(tz_repo_open(&repo, &options, err));
    return repo;
}

static void sync_all(struct tz_repo *repo, bool full, struct tz_sync_result *ret)
{
    const struct tz_sync_options options = {.repo = repo, .full = full};

    *ret = (struct tz_sync_result){0};
    MUST(tz_sync(&options, ret, err));
}

static void expect_nothing_to_do(struct tz_repo *repo, bool full)
{
    struct tz_sync_result result;

    sync_all(repo, full, &result);
    assert_int_equal(result.objects, 0);
    assert_int_equal(result.failed, 0);
    assert_int_equal(result.behind, 0);
}

static void expect_level(struct tz_repo *repo)
{
    expect_nothing_to_do(repo, false);
    expect_nothing_to_do(repo, true);
    assert_int_equal(tz_fixture_compare_stores(&fixture), 0);
    expect_good(repo, TZ_VERIFY_CONTENT);
}

/* Take away every n-th object of a store, beginning with the first-th. */
static size_t lose(size_t store, size_t first, size_t n, const char *prefix)
{
    TZ_SCOPED(tz_scoped_listing) struct tz_listing list = {0};
    size_t lost = 0;

    MUST(tz_listing_read(&list, stores[store], prefix, err));
    for (size_t i = first; i < list.count; i += n) {
        if (strcmp(list.items[i].name, TZ_NAME_DESCRIPTOR) == 0)
            continue;
        MUST(tz_store_remove(stores[store], list.items[i].name, err));
        lost++;
    }
    return lost;
}

static void test_nothing_to_do(void **state)
{
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, false);

    (void)state;
    expect_level(repo);
}

static void test_lost_a_third(void **state)
{
    struct tz_sync_result result;

    (void)state;
    for (size_t first = 0; first < 3; first++) {
        TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);
        size_t lost = lose(WEST, first, 3, "");
        assert_true(lost > 3);
        sync_all(repo, true, &result);
        assert_int_equal(result.objects, lost);
        assert_int_equal(result.failed, 0);
        assert_int_equal(result.behind, 0);
        assert_true(result.bytes > 0);
        expect_level(repo);
    }
}

/* Both lack something else. */
static void test_both_ways(void **state)
{
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);
    struct tz_sync_result result;

    (void)state;
    size_t lost = lose(EAST, 0, 2, "");
    TZ_SCOPED(tz_scoped_listing) struct tz_listing left = {0};
    MUST(tz_listing_read(&left, stores[EAST], "", err));
    for (size_t i = 0; i < left.count; i++)
        if (strcmp(left.items[i].name, TZ_NAME_DESCRIPTOR) != 0) {
            MUST(tz_store_remove(stores[WEST], left.items[i].name, err));
            lost++;
        }
    sync_all(repo, true, &result);
    assert_int_equal(result.objects, lost);
    assert_int_equal(result.behind, 0);
    expect_level(repo);
}

/* A store that came back empty gets everything; the catalog that believes otherwise is not trusted.
 */
static void fill_empty(bool full)
{
    struct tz_sync_result result;
    size_t count = tz_fixture_count(fixture.east, "");

    MUST(tz_store_remove(stores[WEST], TZ_NAME_DESCRIPTOR, err));
    (void)lose(WEST, 0, 1, "");
    assert_int_equal(tz_fixture_count(fixture.west, ""), 0);
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = open_to_fill();
    sync_all(repo, full, &result);
    assert_int_equal(result.objects, count - 1); /* the opening has written the descriptor */
    assert_int_equal(result.behind, 0);
    tz_repo_free(TZ_TAKE(repo));
    repo = tz_fixture_open(&fixture, true);
    expect_level(repo);
    tz_repo_free(TZ_TAKE(repo));
    tz_fixture_check(&fixture, "west");
}

static void test_fill_empty(void **state)
{
    (void)state;
    fill_empty(true);
    fill_empty(false);
}

/* A third store in the configuration. */
static void test_third_store(void **state)
{
    char *north = tz_path_join(fixture.folder, "north");
    char text[4096], url[1024];
    struct tz_sync_result result;

    (void)state;
    MUST(tz_make_dirs(north, 0700, err));
    (void)snprintf(url, sizeof(url), "file://%s", north);
    (void)snprintf(text, sizeof(text),
                   "[source tree]\ntype = directory\npath = %s\n"
                   "[store north]\nurl = %s\nlocation = sapporo\n",
                   fixture.tree, url);
    const struct tz_fixture_options options = {.more = "frame_size = 256K\npack_size = 1M\n",
                                               .sources = text};
    tz_fixture_configure(&fixture, &options, NULL, NULL);
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = open_to_fill();
    assert_int_equal(tz_mirror_count(tz_repo_mirror(repo)), 3);
    sync_all(repo, false, &result);
    assert_int_equal(result.objects, tz_fixture_count(fixture.east, "") - 1);
    assert_int_equal(result.behind, 0);
    assert_int_equal(tz_fixture_count(url, ""), tz_fixture_count(fixture.east, ""));
    tz_repo_free(TZ_TAKE(repo));
    repo = tz_fixture_open(&fixture, true);
    expect_level(repo);
    tz_repo_free(TZ_TAKE(repo));
    tz_fixture_check(&fixture, "north");
    free(north);
}

/* A backup that one store missed is brought there, whoever holds only a writer's key. */
static void test_degraded(void **state)
{
    const struct faulty_plan plan = {
        .calls = FAULTY_PUT, .at = 2, .times = FAULTY_FOR_GOOD, .kind = TZ_NOSPC};
    const struct tz_fixture_options options = {.more = "frame_size = 256K\npack_size = 1M\n"};
    char *key = tz_path_join(fixture.folder, "writer-key");
    struct tz_backup_result backup;
    struct tz_sync_result result;

    (void)state;
    tz_fixture_add_writer(&fixture, key);
    tz_fixture_configure(&fixture, &options, NULL, key);
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, false);
    faulty_store_plan(tz_fixture_spoil(repo, WEST), &plan);
    tz_fixture_fill(&fixture, "new", 3000000, 4711);
    tz_fixture_backup(repo, "tree", &backup);
    assert_false(backup.complete);
    assert_int_equal(backup.stores, 1U << EAST);
    tz_backup_result_clear(&backup);
    /* The store that failed stays out for this run. */
    sync_all(repo, false, &result);
    assert_int_equal(result.objects, 0);
    assert_true(result.behind > 4);
    tz_repo_free(TZ_TAKE(repo));

    repo = tz_fixture_open(&fixture, false);
    assert_int_equal(tz_keys_role(tz_repo_keys(repo)), TZ_ROLE_WRITER);
    sync_all(repo, false, &result);
    assert_true(result.objects > 4);
    assert_int_equal(result.behind, 0);
    assert_int_equal(tz_fixture_compare_stores(&fixture), 0);
    expect_nothing_to_do(repo, true);
    expect_good(repo, TZ_VERIFY_CIPHERTEXT);
    tz_repo_free(TZ_TAKE(repo));
    tz_fixture_configure(&fixture, &options, NULL, NULL);
    char *usual = tz_path_join(fixture.folder, "key");
    tz_fixture_configure(&fixture, &options, NULL, usual);
    tz_fixture_check(&fixture, "west");
    free(usual);
    free(key);
}

/* Is every head of the store one whose packs are all there, and every seal one whose head is? */
static void expect_consistent(struct tz_repo *repo, size_t store)
{
    TZ_SCOPED(tz_scoped_listing) struct tz_listing list = {0};

    MUST(tz_listing_read(&list, stores[store], "generations/", err));
    for (size_t i = 0; i < list.count; i++) {
        TZ_SCOPED(tz_scoped_head) struct tz_head head = {0};
        TZ_SCOPED(tz_scoped_buf) struct tz_buf body = {0};
        struct tz_name name = tz_name_parse(list.items[i].name);
        char text[TZ_NAME_TEXT];
        tz_name_head(text, name.source_id, name.time_ns, name.hash);
        assert_true(is_there(stores[store], text));
        MUST(tz_catalog_get_head(tz_repo_catalog(repo), name.hash, &body, err));
        MUST(tz_head_read(&head, body.data, body.len, err));
        for (uint32_t k = 0; k < head.pack_count; k++) {
            tz_name_pack(text, head.packs[k]);
            assert_true(is_there(stores[store], text));
        }
    }
}

/* Whichever put fails: what is in the store is never a head without its packs, and the next run
 * copies the rest, and only that. */
static void test_resumes(void **state)
{
    size_t count = tz_fixture_count(fixture.east, ""), copied = 0;

    (void)state;
    for (unsigned n = 1; n < count; n++) {
        const struct faulty_plan plan = {.calls = FAULTY_PUT,
                                         .at = n,
                                         .times = FAULTY_FOR_GOOD,
                                         .way = n % 2 ? FAULTY_BEFORE : FAULTY_AFTER,
                                         .kind = TZ_IO};
        struct tz_sync_result result;
        TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, false);
        size_t lost = lose(WEST, 0, 1, "");
        assert_int_equal(lost, count - 1);
        faulty_store_plan(tz_fixture_spoil(repo, WEST), &plan);
        sync_all(repo, true, &result);
        assert_int_equal(result.objects, n - 1);
        assert_int_equal(result.behind, lost - (n - 1));
        expect_consistent(repo, WEST);
        tz_repo_free(TZ_TAKE(repo));

        repo = tz_fixture_open(&fixture, false);
        sync_all(repo, true, &result);
        copied += result.objects;
        assert_int_equal(result.behind, 0);
        /* A put that failed after it was done is not repeated. */
        assert_int_equal(result.objects, lost - (n - 1) - (n % 2 ? 0 : 1));
        assert_int_equal(tz_fixture_compare_stores(&fixture), 0);
    }
    assert_true(copied > 0);
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);
    expect_level(repo);
}

/* Packs, index, keys and tombstones, heads, seals. */
static void test_order(void **state)
{
    static const enum tz_name_kind ranks[] = {TZ_NAME_IS_PACK, TZ_NAME_IS_INDEX, TZ_NAME_IS_KEY,
                                              TZ_NAME_IS_HEAD, TZ_NAME_IS_SEAL};
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, false);
    struct tz_sync_result result;
    size_t rank = 0;

    (void)state;
    (void)lose(WEST, 0, 1, "");
    struct faulty_store *faulty = tz_fixture_spoil(repo, WEST);
    sync_all(repo, true, &result);
    char *journal = faulty_store_journal(faulty);
    for (char *rest = journal, *name; (name = strsep(&rest, " ")) && *name;) {
        enum tz_name_kind kind = tz_name_parse(name).kind;
        while (rank < TZ_COUNT(ranks) && ranks[rank] != kind)
            rank++;
        assert_true(rank < TZ_COUNT(ranks));
    }
    assert_int_equal(rank, TZ_COUNT(ranks) - 1);
    free(journal);
    expect_level(repo);
}

/* A copy that is damaged is not spread; a good one elsewhere would be. */
static void test_damaged_source(void **state)
{
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);
    TZ_SCOPED(tz_scoped_listing) struct tz_listing list = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf bytes = {0};
    struct tz_sync_result result;
    int64_t pack = 0;
    enum tz_copy_state copy;

    (void)state;
    list_class(stores[EAST], TZ_NAME_IS_PACK, TZ_PACK_DATA, &list);
    const char *name = list.items[0].name;
    get_object(stores[EAST], name, &bytes);
    bytes.data[bytes.len / 2] ^= 1;
    put_object(stores[EAST], name, bytes.data, bytes.len);
    size_t lost = lose(WEST, 0, 1, "packs/") + lose(WEST, 0, 1, "generations/");
    sync_all(repo, true, &result);
    assert_int_equal(result.failed, 1);
    assert_false(is_there(stores[WEST], name));
    expect_consistent(repo, WEST);
    assert_true(result.behind > 0 && result.behind < lost);
    assert_int_equal(result.objects + result.behind + 1, lost); /* a damaged one has no source */
    MUST(tz_catalog_find_object(tz_repo_catalog(repo), name, &pack, NULL, err));
    MUST(tz_catalog_get_copy(tz_repo_catalog(repo), pack, tz_repo_store(repo, EAST), &copy, err));
    assert_int_equal(copy, TZ_COPY_DAMAGED);

    bytes.data[bytes.len / 2] ^= 1;
    put_object(stores[EAST], name, bytes.data, bytes.len);
    struct tz_verify_result verified;
    run_verify(repo, TZ_VERIFY_CIPHERTEXT, false, &verified); /* sees that it is whole again */
    assert_int_equal(verified.stores[EAST].damaged_count, 0);
    tz_verify_result_clear(&verified);
    sync_all(repo, true, &result);
    assert_int_equal(result.behind, 0);
    expect_level(repo);
}

/* Nor does an index come to a store that could not get what it describes: whoever learnt it there
 * would rely on that. */
static void test_index_of_damaged(void **state)
{
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);
    TZ_SCOPED(tz_scoped_listing) struct tz_listing list = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf bytes = {0};
    struct tz_catalog *catalog = tz_repo_catalog(repo);
    struct tz_sync_result result;
    bool described = true;

    (void)state;
    list_class(stores[EAST], TZ_NAME_IS_PACK, TZ_PACK_DATA, &list);
    const char *name = list.items[0].name;
    const struct tz_name parsed = tz_name_parse(name);
    get_object(stores[EAST], name, &bytes);
    bytes.data[bytes.len / 2] ^= 1;
    put_object(stores[EAST], name, bytes.data, bytes.len);
    (void)lose(WEST, 0, 1, "");
    sync_all(repo, true, &result);
    assert_int_equal(result.failed, 1);
    assert_true(result.behind > 0);
    MUST(tz_catalog_is_described(catalog, parsed.hash, tz_repo_store(repo, WEST), &described, err));
    assert_false(described);

    bytes.data[bytes.len / 2] ^= 1;
    put_object(stores[EAST], name, bytes.data, bytes.len);
    struct tz_verify_result verified;
    run_verify(repo, TZ_VERIFY_CIPHERTEXT, false, &verified);
    tz_verify_result_clear(&verified);
    sync_all(repo, true, &result);
    assert_int_equal(result.behind, 0);
    MUST(tz_catalog_is_described(catalog, parsed.hash, tz_repo_store(repo, WEST), &described, err));
    assert_true(described);
    expect_level(repo);
}

/* Packs under a tombstone that no generation needs stay away; others are copied all the same. */
static void test_condemned(void **state)
{
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);
    TZ_SCOPED(tz_scoped_listing) struct tz_listing list = {0};
    TZ_SCOPED(tz_scoped_pack_info) struct tz_pack_info info = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf bytes = {0};
    struct tz_sync_result result;
    char name[TZ_NAME_TEXT];
    int64_t pack = 0;

    (void)state;
    /* A pack that the catalog knows and nobody needs. */
    MUST(tz_buf_append(&bytes, "unneeded", 8, err));
    MUST(tz_sha256(info.hash, bytes.data, bytes.len, err));
    info.size = bytes.len;
    info.kind = TZ_PACK_DATA;
    MUST(tz_catalog_add_pack(tz_repo_catalog(repo), &info, &pack, err));
    tz_name_pack(name, info.hash);
    put_object(stores[EAST], name, bytes.data, bytes.len);
    MUST(tz_catalog_condemn(tz_repo_catalog(repo), info.hash, err));
    list_class(stores[EAST], TZ_NAME_IS_PACK, TZ_PACK_DATA, &list);
    for (size_t i = 0; i < list.count; i++)
        MUST(
            tz_catalog_condemn(tz_repo_catalog(repo), tz_name_parse(list.items[i].name).hash, err));
    size_t lost = lose(WEST, 0, 1, "packs/");
    sync_all(repo, true, &result);
    assert_int_equal(result.objects, lost);
    assert_int_equal(result.behind, 0);
    assert_false(is_there(stores[WEST], name));
    struct tz_verify_result verified;
    run_verify(repo, TZ_VERIFY_PRESENCE, true, &verified);
    assert_true(verified.ok);
    assert_int_equal(verified.stores[WEST].healed_count, 0);
    tz_verify_result_clear(&verified);
}

/* Somebody has deleted packs, of which the catalog heard nothing.  Packs are listed where that
 * costs no request. */
static void test_deleted(void **state)
{
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);
    struct tz_sync_result result;

    (void)state;
    size_t lost = lose(WEST, 0, 1, "packs/");
    struct faulty_store *faulty = tz_fixture_spoil(repo, WEST);
    faulty_store_features(faulty, TZ_STORE_RANGES | TZ_STORE_ATOMIC);
    expect_nothing_to_do(repo, false);
    assert_int_equal(tz_fixture_count(fixture.west, "packs/"), 0);
    faulty_store_features(faulty, TZ_STORE_RANGES | TZ_STORE_ATOMIC | TZ_STORE_LOCAL);
    sync_all(repo, false, &result);
    assert_int_equal(result.objects, lost);
    assert_int_equal(result.behind, 0);
    expect_level(repo);
}

struct late {
    uint8_t hash[TZ_HASH_SIZE];
    const struct tz_repo *repo;
    unsigned times;
};

/* Another process puts a pack into folders that were listed already, and the catalog hears of it.
 */
static void learn_late(void *arg, unsigned call)
{
    struct late *late = arg;
    TZ_SCOPED(tz_scoped_catalog) struct tz_catalog *catalog = NULL;
    char name[TZ_NAME_TEXT];
    int64_t object = 0;

    if (call != FAULTY_LIST || late->times++ > 0)
        return;
    tz_name_pack(name, late->hash);
    MUST(tz_catalog_open(&catalog, fixture.state, late->repo->descriptor.repo_id, err));
    MUST(tz_catalog_add_object(catalog, name, 1000, &object, err));
    for (size_t i = 0; i < STORES; i++)
        MUST(tz_catalog_set_copy(catalog, object, late->repo->store_ids[i], TZ_COPY_PRESENT, err));
}

/* What the catalog learns after a listing has begun is not missing because that lacks it. */
static void test_learnt_meanwhile(void **state)
{
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);
    struct late late = {.hash = {1, 2, 3}, .repo = repo};
    enum tz_copy_state copy = TZ_COPY_UNKNOWN;
    struct tz_sync_result result;
    char name[TZ_NAME_TEXT];
    int64_t object = 0;

    (void)state;
    struct faulty_store *faulty = tz_fixture_spoil(repo, WEST);
    faulty_store_features(faulty, TZ_STORE_RANGES | TZ_STORE_ATOMIC | TZ_STORE_LOCAL);
    faulty_store_hook(faulty, learn_late, &late);
    sync_all(repo, false, &result);
    assert_true(late.times > 0);
    tz_name_pack(name, late.hash);
    MUST(tz_catalog_find_object(repo->catalog, name, &object, NULL, err));
    assert_true(object > 0);
    MUST(tz_catalog_get_copy(repo->catalog, object, repo->store_ids[WEST], &copy, err));
    assert_int_equal(copy, TZ_COPY_PRESENT);
    /* The next listing knows better. */
    sync_all(repo, false, &result);
    MUST(tz_catalog_get_copy(repo->catalog, object, repo->store_ids[WEST], &copy, err));
    assert_int_equal(copy, TZ_COPY_MISSING);
}

/* A store was to give a pack to the other one, and has it no more.  That is a failure only while a
 * generation needs it: otherwise a prune has been at work. */
static void test_vanished(void **state)
{
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);
    TZ_SCOPED(tz_scoped_listing) struct tz_listing list = {0};
    struct tz_sync_result result;

    (void)state;
    /* Its packs are not listed before. */
    struct faulty_store *far = tz_fixture_spoil(repo, EAST);
    faulty_store_features(far, TZ_STORE_RANGES | TZ_STORE_ATOMIC);
    list_class(stores[EAST], TZ_NAME_IS_PACK, TZ_PACK_DATA, &list);
    const char *name = list.items[0].name;
    for (unsigned pass = 0; pass < 2; pass++) {
        int64_t pack = 0;
        MUST(tz_catalog_find_object(tz_repo_catalog(repo), name, &pack, NULL, err));
        MUST(tz_catalog_set_copy(tz_repo_catalog(repo), pack, tz_repo_store(repo, EAST),
                                 TZ_COPY_PRESENT, err));
        MUST(tz_catalog_set_copy(tz_repo_catalog(repo), pack, tz_repo_store(repo, WEST),
                                 TZ_COPY_MISSING, err));
        for (size_t store = EAST; store <= WEST; store++) {
            if (is_there(stores[store], name))
                MUST(tz_store_remove(stores[store], name, err));
            if (pass == 1)
                (void)lose(store, 0, 1, "generations/");
        }
        sync_all(repo, false, &result);
        assert_int_equal(result.failed, pass == 0);
    }
}

struct running {
    struct tz_repo *repo;
    struct tz_sync_result result;
};

static void *run_sync(void *arg)
{
    struct running *running = arg;

    sync_all(running->repo, true, &running->result);
    return NULL;
}

/* A generation that is given up while it is copied is not brought back. */
static void test_pruned_meanwhile(void **state)
{
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);
    TZ_SCOPED(tz_scoped_listing) struct tz_listing heads = {0};
    TZ_SCOPED(tz_scoped_listing) struct tz_listing seals = {0};
    const struct faulty_plan plan = {.calls = FAULTY_PUT};
    struct running running = {.repo = repo};
    pthread_t thread;

    (void)state;
    list_class(stores[EAST], TZ_NAME_IS_HEAD, 0, &heads);
    list_class(stores[EAST], TZ_NAME_IS_SEAL, 0, &seals);
    (void)lose(WEST, 0, 1, "");
    struct faulty_store *faulty = tz_fixture_spoil(repo, WEST);
    faulty_store_plan(faulty, &plan);
    faulty_store_hold(faulty);
    assert_int_equal(pthread_create(&thread, NULL, run_sync, &running), 0);
    faulty_store_await(faulty, 1);
    MUST(tz_store_remove(stores[EAST], heads.items[0].name, err));
    MUST(tz_store_remove(stores[EAST], seals.items[0].name, err));
    faulty_store_let_go(faulty);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(running.result.failed, 0);
    assert_int_equal(running.result.behind, 0);
    assert_false(is_there(stores[WEST], heads.items[0].name));
    assert_false(is_there(stores[WEST], seals.items[0].name));
    assert_true(is_there(stores[WEST], heads.items[1].name));
    assert_true(is_there(stores[WEST], seals.items[1].name));
}

struct late_prune {
    struct faulty_store *faulty;
    const char *head;
};

static void *prune_late(void *arg)
{
    struct late_prune *prune = arg;

    /* One listing for the sync and four for its second look: now begins the third one. */
    faulty_store_await(prune->faulty, 6);
    MUST(tz_store_remove(stores[EAST], prune->head, err));
    return NULL;
}

/* The same, after the head was copied: it gets no seal. */
static void test_pruned_late(void **state)
{
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);
    TZ_SCOPED(tz_scoped_listing) struct tz_listing heads = {0};
    TZ_SCOPED(tz_scoped_listing) struct tz_listing seals = {0};
    const struct faulty_plan plan = {.calls = FAULTY_LIST, .delay_ms = 50};
    struct late_prune prune;
    struct tz_sync_result result;
    pthread_t thread;

    (void)state;
    list_class(stores[EAST], TZ_NAME_IS_HEAD, 0, &heads);
    list_class(stores[EAST], TZ_NAME_IS_SEAL, 0, &seals);
    (void)lose(WEST, 0, 1, "");
    prune = (struct late_prune){tz_fixture_spoil(repo, EAST), heads.items[0].name};
    faulty_store_plan(prune.faulty, &plan);
    assert_int_equal(pthread_create(&thread, NULL, prune_late, &prune), 0);
    sync_all(repo, true, &result);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(is_there(stores[WEST], heads.items[0].name));
    assert_false(is_there(stores[WEST], seals.items[0].name));
    assert_true(is_there(stores[WEST], seals.items[1].name));
}

static void test_from_and_to(void **state)
{
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);
    struct tz_sync_options options = {.repo = repo, .full = true, .to = "west"};
    struct tz_sync_result result;
    struct tz_error why = {0};

    (void)state;
    size_t east = lose(EAST, 0, 2, "packs/"), west = lose(WEST, 1, 2, "packs/");
    MUST(tz_sync(&options, &result, err));
    assert_int_equal(result.objects, west);
    assert_int_equal(result.behind, 0);
    options.to = NULL;
    options.from = "east";
    MUST(tz_sync(&options, &result, err));
    assert_int_equal(result.objects, 0);
    options.from = "west";
    MUST(tz_sync(&options, &result, err));
    assert_int_equal(result.objects, east);
    expect_level(repo);
    options.from = "north";
    assert_int_equal(tz_sync(&options, &result, &why), -1);
    assert_int_equal(why.kind, TZ_INVALID);
}

/* The clock of a machine that sleeps meanwhile. */
static _Atomic int64_t slept_ns; /* writers read the clock, too */
int64_t __real_tz_now(void);
int64_t __wrap_tz_now(void);
int64_t __wrap_tz_now(void)
{
    return __real_tz_now() + slept_ns;
}

static void fall_asleep(void *arg, const struct tz_verify_progress *progress)
{
    (void)arg;
    (void)progress;
    slept_ns = TZ_TOMBSTONE_STANDS_NS;
}

/* After so long nobody knows any more what was condemned when it began. */
static void test_slept(void **state)
{
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, false);
    const struct tz_sync_options options = {.repo = repo, .full = true, .progress = fall_asleep};
    struct tz_sync_result result = {0};
    struct tz_error why = {0};

    (void)state;
    (void)lose(WEST, 0, 1, "packs/");
    (void)lose(WEST, 0, 1, "generations/");
    int failed = tz_sync(&options, &result, &why);
    slept_ns = 0;
    assert_int_equal(failed, -1);
    assert_non_null(strstr(why.message, "longer than a prune waits"));
    TZ_SCOPED(tz_scoped_listing) struct tz_listing list = {0};
    MUST(tz_listing_read(&list, stores[WEST], "generations/", err));
    assert_int_equal(list.count, 0);
    sync_all(repo, false, &result);
    expect_level(repo);
}

static void see_progress(void *arg, const struct tz_verify_progress *progress)
{
    *(struct tz_verify_progress *)arg = *progress;
}

static void test_progress(void **state)
{
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);
    struct tz_verify_progress last = {0};
    const struct tz_sync_options options = {
        .repo = repo, .full = true, .progress = see_progress, .progress_arg = &last};
    struct tz_sync_result result;

    (void)state;
    size_t lost = lose(WEST, 0, 2, "");
    MUST(tz_sync(&options, &result, err));
    assert_int_equal(result.objects, lost);
    assert_int_equal(last.objects, lost);
    assert_int_equal(last.objects_total, lost);
    assert_int_equal(last.bytes, result.bytes);
    assert_int_equal(last.bytes_total, result.bytes);
}

/* The last test: the wish to stop stays. */
static void test_interrupted(void **state)
{
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);
    const struct tz_sync_options options = {.repo = repo, .full = true};
    struct tz_sync_result result = {0};
    struct tz_error why = {0};

    (void)state;
    (void)lose(WEST, 0, 1, "");
    /* Removing files stops, too. */
    tz_odd_folder_remove(fixture.folder);
    fixture.folder = NULL;
    tz_interrupt_request();
    assert_int_equal(tz_sync(&options, &result, &why), -1);
    assert_int_equal(why.kind, TZ_INTERRUPTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nothing_to_do, enter, leave),
        cmocka_unit_test_setup_teardown(test_lost_a_third, enter, leave),
        cmocka_unit_test_setup_teardown(test_both_ways, enter, leave),
        cmocka_unit_test_setup_teardown(test_fill_empty, enter, leave),
        cmocka_unit_test_setup_teardown(test_third_store, enter, leave),
        cmocka_unit_test_setup_teardown(test_degraded, enter, leave),
        cmocka_unit_test_setup_teardown(test_resumes, enter, leave),
        cmocka_unit_test_setup_teardown(test_order, enter, leave),
        cmocka_unit_test_setup_teardown(test_damaged_source, enter, leave),
        cmocka_unit_test_setup_teardown(test_index_of_damaged, enter, leave),
        cmocka_unit_test_setup_teardown(test_condemned, enter, leave),
        cmocka_unit_test_setup_teardown(test_deleted, enter, leave),
        cmocka_unit_test_setup_teardown(test_learnt_meanwhile, enter, leave),
        cmocka_unit_test_setup_teardown(test_vanished, enter, leave),
        cmocka_unit_test_setup_teardown(test_pruned_meanwhile, enter, leave),
        cmocka_unit_test_setup_teardown(test_pruned_late, enter, leave),
        cmocka_unit_test_setup_teardown(test_from_and_to, enter, leave),
        cmocka_unit_test_setup_teardown(test_progress, enter, leave),
        cmocka_unit_test_setup_teardown(test_slept, enter, leave),
        cmocka_unit_test_setup_teardown(test_interrupted, enter, leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
