#include "catalog_fixture.h"

static int64_t add(struct fixture *f, const char *name, uint64_t size)
{
    int64_t object = 0;

    ok(tz_catalog_add_object(f->catalog, name, size, &object, &err));
    assert_true(object > 0);
    return object;
}

static enum tz_copy_state state_of(struct fixture *f, int64_t object, int64_t store)
{
    enum tz_copy_state state = TZ_COPY_DAMAGED;

    ok(tz_catalog_get_copy(f->catalog, object, store, &state, &err));
    return state;
}

static void a_store_keeps_its_number(void **state)
{
    struct fixture *f = *state;
    int64_t store = 0;

    assert_true(f->east > 0 && f->west > 0 && f->east != f->west);
    ok(tz_catalog_store(f->catalog, "east", "file:///east", "tokyo", &store, &err));
    assert_int_equal(store, f->east);
    ok(tz_catalog_store(f->catalog, "east", "s3://east", NULL, &store, &err));
    assert_int_equal(store, f->east);
    assert_int_equal(ask(f, "SELECT count(*) FROM stores WHERE url = 's3://east'"
                            " AND location = ''"),
                     1);
    reopen(f);
    ok(tz_catalog_store(f->catalog, "west", "file:///west", "osaka", &store, &err));
    assert_int_equal(store, f->west);
}

static void a_known_store_is_found_while_another_process_writes(void **state)
{
    struct fixture *f = *state;
    sqlite3 *db = NULL;
    int64_t store = 0;

    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_busy_timeout(f->catalog->db, 10), SQLITE_OK);
    ok(tz_catalog_store(f->catalog, "east", "file:///east", "tokyo", &store, &err));
    assert_int_equal(store, f->east);
    fails(tz_catalog_store(f->catalog, "east", "file:///moved", "tokyo", &store, &err), TZ_BUSY);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void an_object_keeps_its_number_and_size(void **state)
{
    struct fixture *f = *state;
    uint64_t size = 99;
    int64_t object = 99;

    ok(tz_catalog_find_object(f->catalog, "index/x", &object, &size, &err));
    assert_int_equal(object, 0);
    int64_t added = add(f, "index/x", 10);
    assert_int_equal(add(f, "index/x", 10), added);
    /* What another listing says does not replace what is known. */
    assert_int_equal(add(f, "index/x", 11), added);
    ok(tz_catalog_find_object(f->catalog, "index/x", &object, &size, &err));
    assert_int_equal(object, added);
    assert_int_equal(size, 10);
    assert_int_not_equal(add(f, "index/y", 10), added);
    /* Names are compared byte by byte. */
    ok(tz_catalog_find_object(f->catalog, "INDEX/X", &object, &size, &err));
    assert_int_equal(object, 0);
}

static void a_size_that_is_not_known_is_filled_in(void **state)
{
    struct fixture *f = *state;
    uint64_t size = 0;
    int64_t object = 0;

    int64_t added = add(f, "index/x", 0);
    assert_int_equal(add(f, "index/x", UINT64_MAX), added);
    ok(tz_catalog_find_object(f->catalog, "index/x", &object, &size, &err));
    assert_true(size == UINT64_MAX);
}

static void names_without_a_bound_are_refused(void **state)
{
    struct fixture *f = *state;
    char name[TZ_NAME_TEXT + 1];
    int64_t object = 0;

    memset(name, 'x', sizeof(name));
    name[TZ_NAME_TEXT] = '\0';
    fails(tz_catalog_add_object(f->catalog, name, 1, &object, &err), TZ_INVALID);
    fails(tz_catalog_add_object(f->catalog, "", 1, &object, &err), TZ_INVALID);
    name[TZ_NAME_TEXT - 1] = '\0';
    add(f, name, 1);
}

static void every_kind_of_name_is_kept(void **state)
{
    struct fixture *f = *state;
    uint8_t hash[TZ_HASH_SIZE], source[TZ_SOURCE_ID_SIZE] = {1};
    char name[TZ_NAME_TEXT];

    make_bytes(hash, sizeof(hash), 1);
    add(f, TZ_NAME_DESCRIPTOR, 1);
    tz_name_pack(name, hash);
    add(f, name, 1);
    tz_name_index(name, hash);
    add(f, name, 1);
    tz_name_key(name, hash);
    add(f, name, 1);
    tz_name_tombstone(name, hash);
    add(f, name, 1);
    tz_name_head(name, source, TZ_SECOND_NS, hash);
    add(f, name, 1);
    tz_name_seal(name, source, TZ_SECOND_NS, hash);
    add(f, name, 1);
    add(f, "lost+found", 1);
    assert_int_equal(ask(f, "SELECT count(DISTINCT kind) FROM objects"), 8);
    assert_int_equal(ask(f, "SELECT kind FROM objects WHERE name = 'lost+found'"), 0);
    assert_int_equal(ask(f, "SELECT kind FROM objects WHERE name LIKE 'packs/%'"), 3);
}

static void copies_are_noted_for_each_store(void **state)
{
    struct fixture *f = *state;
    int64_t object = add(f, "index/x", 10);

    assert_int_equal(state_of(f, object, f->east), TZ_COPY_UNKNOWN);
    ok(tz_catalog_set_copy(f->catalog, object, f->east, TZ_COPY_PRESENT, &err));
    ok(tz_catalog_set_copy(f->catalog, object, f->west, TZ_COPY_MISSING, &err));
    reopen(f);
    assert_int_equal(state_of(f, object, f->east), TZ_COPY_PRESENT);
    assert_int_equal(state_of(f, object, f->west), TZ_COPY_MISSING);
    ok(tz_catalog_set_copy(f->catalog, object, f->east, TZ_COPY_DAMAGED, &err));
    assert_int_equal(state_of(f, object, f->east), TZ_COPY_DAMAGED);
    ok(tz_catalog_set_copy(f->catalog, object, f->east, TZ_COPY_UNKNOWN, &err));
    assert_int_equal(state_of(f, object, f->east), TZ_COPY_UNKNOWN);
}

static void copies_of_nothing_are_refused(void **state)
{
    struct fixture *f = *state;
    int64_t object = add(f, "index/x", 10);

    /* One that another process has forgotten. */
    ok(tz_catalog_set_copy(f->catalog, 12345, f->east, TZ_COPY_PRESENT, &err));
    assert_int_equal(state_of(f, 12345, f->east), TZ_COPY_UNKNOWN);
    fails(tz_catalog_set_copy(f->catalog, object, 12345, TZ_COPY_PRESENT, &err), TZ_INVALID);
    fails(tz_catalog_set_verified(f->catalog, object, 12345, 1, &err), TZ_INVALID);
    fails(tz_catalog_set_copy(f->catalog, object, f->east, (enum tz_copy_state)4, &err),
          TZ_INVALID);
    assert_int_equal(ask(f, "SELECT count(*) FROM copies"), 0);
}

struct seen {
    char names[16][TZ_NAME_TEXT];
    struct tz_catalog_copy copies[16];
    size_t count;
    size_t stop_at;
};

static int see(void *arg, const struct tz_catalog_copy *copy, struct tz_error *error)
{
    struct seen *seen = arg;

    assert_true(seen->count < TZ_COUNT(seen->names));
    (void)snprintf(seen->names[seen->count], TZ_NAME_TEXT, "%s", copy->name);
    seen->copies[seen->count++] = *copy;
    if (seen->count == seen->stop_at)
        return tz_fail(error, TZ_INTERRUPTED, "enough");
    return 0;
}

static struct seen walk(struct fixture *f, int64_t store, const char *prefix)
{
    struct seen seen = {0};

    ok(tz_catalog_each_copy(f->catalog, store, prefix, see, &seen, &err));
    return seen;
}

static void a_verified_copy_is_present_until_it_is_another(void **state)
{
    struct fixture *f = *state;
    int64_t object = add(f, "index/x", 10);

    ok(tz_catalog_set_verified(f->catalog, object, f->east, 1000, &err));
    assert_int_equal(state_of(f, object, f->east), TZ_COPY_PRESENT);
    assert_int_equal(walk(f, f->east, "").copies[0].verified_ns, 1000);
    ok(tz_catalog_set_copy(f->catalog, object, f->east, TZ_COPY_PRESENT, &err));
    assert_int_equal(walk(f, f->east, "").copies[0].verified_ns, 1000);
    ok(tz_catalog_set_verified(f->catalog, object, f->east, 2000, &err));
    assert_int_equal(walk(f, f->east, "").copies[0].verified_ns, 2000);
    ok(tz_catalog_set_copy(f->catalog, object, f->east, TZ_COPY_DAMAGED, &err));
    assert_int_equal(walk(f, f->east, "").copies[0].verified_ns, 2000);
    /* Written again: nobody has looked at that copy. */
    ok(tz_catalog_set_copy(f->catalog, object, f->east, TZ_COPY_PRESENT, &err));
    assert_int_equal(walk(f, f->east, "").copies[0].verified_ns, 0);
}

static void a_walk_is_in_byte_order(void **state)
{
    struct fixture *f = *state;
    static const char *const sorted[] = {"A",   "a",   "a-",    "a/1",       "a/10",
                                         "a/2", "a0b", "b\x7f", "b\xc3\xa9", "b\xff"};
    static const int order[] = {3, 8, 0, 9, 5, 1, 7, 2, 6, 4};

    for (size_t i = 0; i < TZ_COUNT(order); i++)
        add(f, sorted[order[i]], (uint64_t)order[i]);
    struct seen seen = walk(f, f->east, "");
    assert_int_equal(seen.count, TZ_COUNT(sorted));
    for (size_t i = 0; i < seen.count; i++) {
        assert_string_equal(seen.names[i], sorted[i]);
        assert_int_equal(seen.copies[i].size, i);
        assert_int_equal(seen.copies[i].state, TZ_COPY_UNKNOWN);
    }
}

static void a_walk_keeps_to_its_prefix_and_store(void **state)
{
    struct fixture *f = *state;

    add(f, "packs/00/x", 1);
    int64_t object = add(f, "packs/ab/x", 2);
    add(f, "packs/ab/y", 3);
    add(f, "packs/ac/x", 4);
    add(f, "packs0", 5);
    add(f, "b\xff", 6);
    add(f, "b\xff\xff", 7);
    add(f, "c", 8);
    ok(tz_catalog_set_copy(f->catalog, object, f->west, TZ_COPY_DAMAGED, &err));

    struct seen seen = walk(f, f->west, "packs/ab/");
    assert_int_equal(seen.count, 2);
    assert_string_equal(seen.names[0], "packs/ab/x");
    assert_string_equal(seen.names[1], "packs/ab/y");
    assert_int_equal(seen.copies[0].object, object);
    assert_int_equal(seen.copies[0].state, TZ_COPY_DAMAGED);
    assert_int_equal(seen.copies[1].state, TZ_COPY_UNKNOWN);
    assert_int_equal(walk(f, f->east, "packs/ab/").copies[0].state, TZ_COPY_UNKNOWN);
    assert_int_equal(walk(f, f->east, "packs/").count, 4);
    assert_int_equal(walk(f, f->east, "b\xff").count, 2);
    assert_int_equal(walk(f, f->east, "zzz").count, 0);
}

static void a_walk_stops_when_it_is_told_to(void **state)
{
    struct fixture *f = *state;
    struct seen seen = {.stop_at = 2};

    add(f, "a", 1);
    add(f, "b", 1);
    add(f, "c", 1);
    fails(tz_catalog_each_copy(f->catalog, f->east, "", see, &seen, &err), TZ_INTERRUPTED);
    assert_int_equal(seen.count, 2);
    assert_string_equal(err.message, "enough");
    assert_int_equal(walk(f, f->east, "").count, 3);
}

struct nested {
    struct fixture *f;
    unsigned count;
};

static int count_one(void *arg, const struct tz_catalog_copy *copy, struct tz_error *error)
{
    struct nested *nested = arg;

    (void)copy;
    (void)error;
    nested->count++;
    return 0;
}

static int walk_again(void *arg, const struct tz_catalog_copy *copy, struct tz_error *error)
{
    struct nested *nested = arg;
    enum tz_copy_state state;

    if (tz_catalog_get_copy(nested->f->catalog, copy->object, nested->f->east, &state, error))
        return -1;
    return tz_catalog_each_copy(nested->f->catalog, nested->f->west, "", count_one, nested, error);
}

static void walks_can_be_nested(void **state)
{
    struct fixture *f = *state;
    struct nested nested = {.f = f};

    add(f, "a", 1);
    add(f, "b", 1);
    add(f, "c", 1);
    ok(tz_catalog_each_copy(f->catalog, f->east, "", walk_again, &nested, &err));
    assert_int_equal(nested.count, 9);
}

static void a_removed_object_is_gone_with_its_copies(void **state)
{
    struct fixture *f = *state;
    int64_t object = add(f, "index/x", 10), found = 0;
    uint64_t size = 0;

    ok(tz_catalog_set_copy(f->catalog, object, f->east, TZ_COPY_PRESENT, &err));
    ok(tz_catalog_remove_object(f->catalog, object, &err));
    ok(tz_catalog_find_object(f->catalog, "index/x", &found, &size, &err));
    assert_int_equal(found, 0);
    assert_int_equal(ask(f, "SELECT count(*) FROM copies"), 0);
    /* Twice is as good as once, and its number is not given to another. */
    ok(tz_catalog_remove_object(f->catalog, object, &err));
    assert_true(add(f, "index/y", 10) > object);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)
    const struct CMUnitTest tests[] = {
        TEST(a_store_keeps_its_number),
        TEST(a_known_store_is_found_while_another_process_writes),
        TEST(an_object_keeps_its_number_and_size),
        TEST(a_size_that_is_not_known_is_filled_in),
        TEST(names_without_a_bound_are_refused),
        TEST(every_kind_of_name_is_kept),
        TEST(copies_are_noted_for_each_store),
        TEST(copies_of_nothing_are_refused),
        TEST(a_verified_copy_is_present_until_it_is_another),
        TEST(a_walk_is_in_byte_order),
        TEST(a_walk_keeps_to_its_prefix_and_store),
        TEST(a_walk_stops_when_it_is_told_to),
        TEST(walks_can_be_nested),
        TEST(a_removed_object_is_gone_with_its_copies),
    };
    return cmocka_run_group_tests_name("catalog objects", tests, NULL, NULL);
}
