#include "catalog_fixture.h"

/* A generation with its head object; it needs the packs of these numbers. */
static int64_t add_generation(struct fixture *f, char *source, uint64_t number, int64_t time_ns,
                              const uint64_t *packs, uint32_t pack_count)
{
    uint8_t hashes[8][TZ_HASH_SIZE];
    struct tz_head head;
    char body[40];

    make_head(&head, source, number, time_ns);
    assert_true(pack_count <= TZ_COUNT(hashes));
    for (uint32_t i = 0; i < pack_count; i++)
        pack_hash(hashes[i], packs[i]);
    head.packs = hashes;
    head.pack_count = pack_count;
    (void)snprintf(body, sizeof(body), "body of %ju", (uintmax_t)number);
    int64_t object = add_head_object(f, &head);
    ok(tz_catalog_add_generation(f->catalog, &head, object, body, strlen(body), &err));
    return object;
}

static int64_t add_seal(struct fixture *f, char *source, uint64_t number, int64_t time_ns)
{
    struct tz_head head;

    make_head(&head, source, number, time_ns);
    int64_t object = add_seal_object(f, &head);
    ok(tz_catalog_add_seal(f->catalog, head.id, object, &err));
    return object;
}

static bool is_complete(struct fixture *f, uint64_t number, int64_t store)
{
    uint8_t id[TZ_HASH_SIZE];
    bool complete = false;

    make_bytes(id, sizeof(id), number);
    ok(tz_catalog_generation_complete(f->catalog, id, store, &complete, &err));
    return complete;
}

static void set_present(struct fixture *f, int64_t object, int64_t store)
{
    ok(tz_catalog_set_copy(f->catalog, object, store, TZ_COPY_PRESENT, &err));
}

struct seen {
    struct tz_generation generations[16];
    char sources[16][16];
    size_t count;
    size_t stop_at;
};

static int see(void *arg, const struct tz_generation *generation, struct tz_error *error)
{
    struct seen *seen = arg;

    assert_true(seen->count < TZ_COUNT(seen->generations));
    (void)snprintf(seen->sources[seen->count], sizeof(seen->sources[0]), "%s", generation->source);
    seen->generations[seen->count++] = *generation;
    if (seen->count == seen->stop_at)
        return tz_fail(error, TZ_INTERRUPTED, "enough");
    return 0;
}

static struct seen list(struct fixture *f, const char *source)
{
    struct seen seen = {0};

    ok(tz_catalog_each_generation(f->catalog, source, see, &seen, &err));
    return seen;
}

static void check_seen(const struct seen *seen, size_t at, const char *source, uint64_t number)
{
    uint8_t id[TZ_HASH_SIZE];

    make_bytes(id, sizeof(id), number);
    assert_true(at < seen->count);
    assert_string_equal(seen->sources[at], source);
    assert_memory_equal(seen->generations[at].id, id, sizeof(id));
}

static int see_all_fields(void *arg, const struct tz_generation *generation, struct tz_error *error)
{
    const int64_t *head_object = arg;
    uint8_t id[TZ_HASH_SIZE], source_id[TZ_SOURCE_ID_SIZE];

    (void)error;
    make_bytes(id, sizeof(id), 1);
    memset(source_id, 'h', sizeof(source_id));
    assert_memory_equal(generation->id, id, sizeof(id));
    assert_memory_equal(generation->source_id, source_id, sizeof(source_id));
    assert_int_equal(generation->head_object, *head_object);
    assert_int_equal(generation->seal_object, 0);
    assert_string_equal(generation->source, "home");
    assert_string_equal(generation->type, "directory");
    assert_string_equal(generation->host, "host");
    assert_int_equal(generation->time_ns, 1000);
    assert_int_equal(generation->start_ns, 1001);
    assert_int_equal(generation->end_ns, 1002);
    assert_int_equal(generation->entries, 3);
    assert_int_equal(generation->bytes, 4);
    assert_int_equal(generation->new_bytes, 5);
    assert_int_equal(generation->stored_bytes, 6);
    assert_int_equal(generation->warnings, 7);
    assert_int_equal(generation->locked_until_ns, 8);
    assert_int_equal(generation->verified_ns, 0);
    assert_int_equal(generation->drilled_ns, 0);
    return 0;
}

static void a_generation_is_kept_as_its_head_has_it(void **state)
{
    struct fixture *f = *state;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf body = {0};
    char home[] = "home";
    uint8_t id[TZ_HASH_SIZE];

    int64_t object = add_generation(f, home, 1, 1000, NULL, 0);
    reopen(f);
    ok(tz_catalog_each_generation(f->catalog, NULL, see_all_fields, &object, &err));
    make_bytes(id, sizeof(id), 1);
    ok(tz_buf_append(&body, "> ", 2, &err));
    ok(tz_catalog_get_head(f->catalog, id, &body, &err));
    assert_int_equal(body.len, 11);
    assert_memory_equal(body.data, "> body of 1", 11);
}

static void what_is_not_known_is_not_found(void **state)
{
    struct fixture *f = *state;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf body = {0};
    uint8_t id[TZ_HASH_SIZE] = {0xab};
    bool complete;

    fails(tz_catalog_get_head(f->catalog, id, &body, &err), TZ_NOT_FOUND);
    assert_non_null(strstr(err.message, "ab00"));
    fails(tz_catalog_add_seal(f->catalog, id, 1, &err), TZ_NOT_FOUND);
    fails(tz_catalog_set_verified_generation(f->catalog, id, 1, &err), TZ_NOT_FOUND);
    fails(tz_catalog_generation_complete(f->catalog, id, f->east, &complete, &err), TZ_NOT_FOUND);
    assert_int_equal(list(f, NULL).count, 0);
    assert_int_equal(list(f, "home").count, 0);
}

static void to_add_a_generation_twice_changes_nothing(void **state)
{
    struct fixture *f = *state;
    char home[] = "home";
    const uint64_t packs[] = {1, 2};

    int64_t object = add_generation(f, home, 1, 1000, packs, 2);
    int64_t seal = add_seal(f, home, 1, 1000);
    assert_int_equal(add_generation(f, home, 1, 1000, packs, 2), object);
    struct seen seen = list(f, NULL);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.generations[0].seal_object, seal);
    assert_int_equal(ask(f, "SELECT count(*) FROM generation_packs"), 2);
}

static void a_head_without_an_object_is_refused(void **state)
{
    struct fixture *f = *state;
    struct tz_head head;
    char home[] = "home";

    make_head(&head, home, 1, 1000);
    fails(tz_catalog_add_generation(f->catalog, &head, 12345, "x", 1, &err), TZ_INVALID);
    assert_int_equal(ask(f, "SELECT count(*) FROM generations"), 0);
    assert_int_equal(ask(f, "SELECT count(*) FROM heads"), 0);
}

static void the_newest_generation_comes_first(void **state)
{
    struct fixture *f = *state;
    char home[] = "home", database[] = "database";
    uint8_t one[TZ_HASH_SIZE], two[TZ_HASH_SIZE];

    add_generation(f, home, 5, 2000, NULL, 0);
    add_generation(f, database, 3, 3000, NULL, 0);
    add_generation(f, home, 4, -1000, NULL, 0); /* before 1970 */
    add_generation(f, home, 1, 5000, NULL, 0);
    add_generation(f, home, 2, 5000, NULL, 0);
    make_bytes(one, sizeof(one), 1);
    make_bytes(two, sizeof(two), 2);
    uint64_t larger = memcmp(one, two, sizeof(one)) > 0 ? 1 : 2;

    struct seen all = list(f, NULL);
    assert_int_equal(all.count, 5);
    check_seen(&all, 0, "database", 3);
    check_seen(&all, 1, "home", larger);
    check_seen(&all, 2, "home", 3 - larger);
    check_seen(&all, 3, "home", 5);
    check_seen(&all, 4, "home", 4);

    struct seen some = list(f, "home");
    assert_int_equal(some.count, 4);
    check_seen(&some, 0, "home", larger);
    check_seen(&some, 3, "home", 4);

    struct seen seen = {.stop_at = 2};
    fails(tz_catalog_each_generation(f->catalog, NULL, see, &seen, &err), TZ_INTERRUPTED);
    assert_int_equal(seen.count, 2);
}

static void a_generation_is_complete_where_all_of_it_is(void **state)
{
    struct fixture *f = *state;
    char home[] = "home";
    const uint64_t packs[] = {1, 2};

    int64_t first = add_pack(f, 1, 0, 4), second = add_pack(f, 2, 10, 4);
    int64_t head = add_generation(f, home, 9, 1000, packs, 2);
    set_present(f, head, f->east);
    set_present(f, first, f->east);
    set_present(f, second, f->east);
    assert_false(is_complete(f, 9, f->east)); /* not sealed */
    int64_t seal = add_seal(f, home, 9, 1000);
    assert_false(is_complete(f, 9, f->east)); /* its seal is in no store */
    set_present(f, seal, f->east);
    assert_true(is_complete(f, 9, f->east));
    assert_false(is_complete(f, 9, f->west));

    /* Each part that is not certainly there is missed. */
    const int64_t parts[] = {head, seal, first, second};
    const enum tz_copy_state states[] = {TZ_COPY_UNKNOWN, TZ_COPY_MISSING, TZ_COPY_DAMAGED};
    for (size_t i = 0; i < TZ_COUNT(parts); i++) {
        for (size_t n = 0; n < TZ_COUNT(states); n++) {
            ok(tz_catalog_set_copy(f->catalog, parts[i], f->east, states[n], &err));
            assert_false(is_complete(f, 9, f->east));
        }
        set_present(f, parts[i], f->west);
        assert_false(is_complete(f, 9, f->east));
        set_present(f, parts[i], f->east);
        assert_true(is_complete(f, 9, f->east));
    }
    assert_true(is_complete(f, 9, f->west));
}

static void a_pack_that_is_not_known_makes_it_incomplete(void **state)
{
    struct fixture *f = *state;
    char home[] = "home", name[TZ_NAME_TEXT];
    const uint64_t packs[] = {1, 2};
    uint8_t hash[TZ_HASH_SIZE];
    int64_t unknown = 0, pack = 77;
    uint64_t size = 77;

    set_present(f, add_pack(f, 1, 0, 4), f->east);
    set_present(f, add_generation(f, home, 9, 1000, packs, 2), f->east);
    set_present(f, add_seal(f, home, 9, 1000), f->east);
    assert_false(is_complete(f, 9, f->east));

    /* It is an object without a size, and not a pack. */
    pack_hash(hash, 2);
    tz_name_pack(name, hash);
    ok(tz_catalog_find_object(f->catalog, name, &unknown, &size, &err));
    assert_true(unknown > 0);
    assert_int_equal(size, 0);
    ok(tz_catalog_find_pack(f->catalog, hash, &pack, &err));
    assert_int_equal(pack, 0);

    set_present(f, unknown, f->east);
    assert_false(is_complete(f, 9, f->east)); /* there, but what is in it is not known */
    assert_int_equal(add_pack(f, 2, 10, 4), unknown);
    assert_true(is_complete(f, 9, f->east));
    ok(tz_catalog_find_object(f->catalog, name, &unknown, &size, &err));
    assert_int_equal(size, 100000 + 4 * CHUNK_LEN);
}

static void a_pack_that_is_named_twice_counts_once(void **state)
{
    struct fixture *f = *state;
    char home[] = "home";
    const uint64_t packs[] = {1, 1};

    set_present(f, add_pack(f, 1, 0, 4), f->east);
    set_present(f, add_generation(f, home, 9, 1000, packs, 2), f->east);
    set_present(f, add_seal(f, home, 9, 1000), f->east);
    assert_true(is_complete(f, 9, f->east));
}

static void users_of_a_pack_are_found(void **state)
{
    struct fixture *f = *state;
    char home[] = "home", database[] = "database";
    const uint64_t packs[] = {1, 2, 3};
    struct seen seen = {0};

    int64_t first = add_pack(f, 1, 0, 4), second = add_pack(f, 2, 10, 4);
    int64_t unused = add_pack(f, 4, 20, 4);
    add_generation(f, home, 7, 1000, packs, 2);
    add_generation(f, home, 8, 2000, packs, 1);
    add_generation(f, database, 9, 1500, packs, 3);

    ok(tz_catalog_each_user(f->catalog, first, see, &seen, &err));
    assert_int_equal(seen.count, 3);
    check_seen(&seen, 0, "database", 9);
    check_seen(&seen, 1, "home", 8);
    check_seen(&seen, 2, "home", 7);
    seen.count = 0;
    ok(tz_catalog_each_user(f->catalog, second, see, &seen, &err));
    assert_int_equal(seen.count, 2);
    seen.count = 0;
    ok(tz_catalog_each_user(f->catalog, unused, see, &seen, &err));
    assert_int_equal(seen.count, 0);
}

static void a_needed_pack_that_is_removed_is_unknown_again(void **state)
{
    struct fixture *f = *state;
    char home[] = "home";
    const uint64_t packs[] = {1};
    struct tz_chunk_place place;
    struct tz_catalog_pack found;
    struct seen seen = {0};

    int64_t pack = add_pack(f, 1, 0, 4);
    set_present(f, pack, f->east);
    set_present(f, add_generation(f, home, 9, 1000, packs, 1), f->east);
    set_present(f, add_seal(f, home, 9, 1000), f->east);
    assert_true(is_complete(f, 9, f->east));

    ok(tz_catalog_remove_object(f->catalog, pack, &err));
    assert_false(is_complete(f, 9, f->east));
    assert_false(find_chunk(f, 0, &place));
    fails(tz_catalog_get_pack(f->catalog, pack, &found, &err), TZ_NOT_FOUND);
    ok(tz_catalog_each_user(f->catalog, pack, see, &seen, &err));
    assert_int_equal(seen.count, 1);
    assert_int_equal(ask(f, "SELECT value FROM meta WHERE key = 'dead_chunks'"), 4);

    assert_int_equal(add_pack(f, 1, 0, 4), pack);
    assert_false(is_complete(f, 9, f->east));
    assert_true(find_chunk(f, 0, &place));
    assert_int_equal(place.pack, pack);
    assert_int_equal(ask(f, "SELECT value FROM meta WHERE key = 'dead_chunks'"), 0);
    assert_int_equal(ask(f, "SELECT value FROM meta WHERE key = 'chunks'"), 4);
    set_present(f, pack, f->east);
    assert_true(is_complete(f, 9, f->east));
}

static void a_generation_goes_with_its_head(void **state)
{
    struct fixture *f = *state;
    char home[] = "home";
    const uint64_t packs[] = {1, 2, 3};

    add_pack(f, 1, 0, 4);
    int64_t head = add_generation(f, home, 8, 1000, packs, 2);
    int64_t other = add_generation(f, home, 9, 2000, packs + 2, 1);
    int64_t seal = add_seal(f, home, 8, 1000);

    /* Without its seal it is unfinished. */
    ok(tz_catalog_remove_object(f->catalog, seal, &err));
    assert_int_equal(list(f, NULL).count, 2);
    assert_int_equal(list(f, NULL).generations[1].seal_object, 0);

    ok(tz_catalog_remove_object(f->catalog, head, &err));
    struct seen seen = list(f, NULL);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.generations[0].head_object, other);
    assert_int_equal(ask(f, "SELECT count(*) FROM heads"), 1);
    assert_int_equal(ask(f, "SELECT count(*) FROM generation_packs"), 1);
    /* Pack 2 was never described, and nobody needs it any more; 3 is still needed. */
    assert_int_equal(ask(f, "SELECT count(*) FROM objects WHERE kind = 3"), 2);
}

static void verified_and_large_numbers_are_kept(void **state)
{
    struct fixture *f = *state;
    struct tz_head head;
    char home[] = "home";

    make_head(&head, home, 1, INT64_MAX - 2);
    head.bytes = UINT64_MAX;
    head.entries = UINT64_C(1) << 63;
    int64_t object = add_head_object(f, &head);
    ok(tz_catalog_add_generation(f->catalog, &head, object, NULL, 0, &err));
    ok(tz_catalog_set_verified_generation(f->catalog, head.id, 4711, &err));
    struct seen seen = list(f, "home");
    assert_int_equal(seen.count, 1);
    assert_true(seen.generations[0].bytes == UINT64_MAX);
    assert_true(seen.generations[0].entries == UINT64_C(1) << 63);
    assert_true(seen.generations[0].time_ns == INT64_MAX - 2);
    assert_int_equal(seen.generations[0].verified_ns, 4711);
    TZ_SCOPED(tz_scoped_buf) struct tz_buf body = {0};
    ok(tz_catalog_get_head(f->catalog, head.id, &body, &err));
    assert_int_equal(body.len, 0);
}

static void many_packs(void **state)
{
    struct fixture *f = *state;
    enum { PACKS = 30000 };
    struct tz_head head;
    char home[] = "home";

    make_head(&head, home, 9, 1000);
    TZ_SCOPED(tz_scoped_free) uint8_t(*hashes)[TZ_HASH_SIZE] = calloc(PACKS, TZ_HASH_SIZE);
    assert_non_null(hashes);
    head.packs = hashes;
    head.pack_count = PACKS;
    ok(tz_catalog_begin(f->catalog, &err));
    for (uint64_t i = 0; i < PACKS; i++) {
        pack_hash(hashes[i], i);
        set_present(f, add_pack(f, i, 10 * i, 1), f->east);
    }
    set_present(f, add_head_object(f, &head), f->east);
    int64_t start = tz_monotonic();
    ok(tz_catalog_add_generation(f->catalog, &head, add_head_object(f, &head), hashes,
                                 (size_t)PACKS * TZ_HASH_SIZE, &err));
    int64_t added = tz_monotonic();
    set_present(f, add_seal(f, home, 9, 1000), f->east);
    ok(tz_catalog_commit(f->catalog, &err));
    int64_t asked = tz_monotonic();
    assert_true(is_complete(f, 9, f->east));
    print_message("%.1f ms to add, %.1f ms to ask\n", (double)(added - start) / 1e6,
                  (double)(tz_monotonic() - asked) / 1e6);

    TZ_SCOPED(tz_scoped_buf) struct tz_buf body = {0};
    ok(tz_catalog_get_head(f->catalog, head.id, &body, &err));
    assert_int_equal(body.len, (size_t)PACKS * TZ_HASH_SIZE);
    assert_memory_equal(body.data, hashes, body.len);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)
    const struct CMUnitTest tests[] = {
        TEST(a_generation_is_kept_as_its_head_has_it),
        TEST(what_is_not_known_is_not_found),
        TEST(to_add_a_generation_twice_changes_nothing),
        TEST(a_head_without_an_object_is_refused),
        TEST(the_newest_generation_comes_first),
        TEST(a_generation_is_complete_where_all_of_it_is),
        TEST(a_pack_that_is_not_known_makes_it_incomplete),
        TEST(a_pack_that_is_named_twice_counts_once),
        TEST(users_of_a_pack_are_found),
        TEST(a_needed_pack_that_is_removed_is_unknown_again),
        TEST(a_generation_goes_with_its_head),
        TEST(verified_and_large_numbers_are_kept),
        TEST(many_packs),
    };
    return cmocka_run_group_tests_name("catalog generations", tests, NULL, NULL);
}
