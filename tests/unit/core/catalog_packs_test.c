#include "catalog_fixture.h"

static void set_copy(struct fixture *f, int64_t object, int64_t store, enum tz_copy_state state)
{
    ok(tz_catalog_set_copy(f->catalog, object, store, state, &err));
}

static bool is_lost(struct fixture *f, int64_t pack)
{
    struct tz_catalog_pack found = {0};

    ok(tz_catalog_get_pack(f->catalog, pack, &found, &err));
    return found.lost;
}

static bool is_condemned(struct fixture *f, int64_t pack)
{
    struct tz_catalog_pack found = {0};

    ok(tz_catalog_get_pack(f->catalog, pack, &found, &err));
    return found.condemned;
}

static void condemn(struct fixture *f, uint64_t number)
{
    uint8_t hash[TZ_HASH_SIZE];

    pack_hash(hash, number);
    ok(tz_catalog_condemn(f->catalog, hash, &err));
}

static int64_t find_pack(struct fixture *f, uint64_t number)
{
    uint8_t hash[TZ_HASH_SIZE];
    int64_t pack = -1;

    pack_hash(hash, number);
    ok(tz_catalog_find_pack(f->catalog, hash, &pack, &err));
    return pack;
}

static void a_pack_is_kept_as_it_was_described(void **state)
{
    struct fixture *f = *state;
    TZ_SCOPED(tz_scoped_pack_info) struct tz_pack_info info = {0};
    struct tz_catalog_pack found = {0};
    char name[TZ_NAME_TEXT];
    int64_t pack = 0, object = 0;
    uint64_t size = 0;

    assert_int_equal(find_pack(f, 1), 0);
    make_pack(&info, 1, 0, 10);
    info.kind = TZ_PACK_MANIFEST;
    ok(tz_catalog_add_pack(f->catalog, &info, &pack, &err));
    reopen(f);
    assert_int_equal(find_pack(f, 1), pack);
    ok(tz_catalog_get_pack(f->catalog, pack, &found, &err));
    assert_int_equal(found.pack, pack);
    assert_memory_equal(found.hash, info.hash, sizeof(info.hash));
    assert_memory_equal(found.header, info.header, sizeof(info.header));
    assert_int_equal(found.size, info.size);
    assert_int_equal(found.kind, TZ_PACK_MANIFEST);
    assert_false(found.condemned || found.lost);

    tz_name_pack(name, info.hash);
    ok(tz_catalog_find_object(f->catalog, name, &object, &size, &err));
    assert_int_equal(object, pack);
    assert_int_equal(size, info.size);
}

static void frames_are_kept_as_they_were_described(void **state)
{
    struct fixture *f = *state;
    TZ_SCOPED(tz_scoped_pack_info) struct tz_pack_info info = {0};
    int64_t pack = add_pack(f, 1, 0, 10);

    make_pack(&info, 1, 0, 10);
    assert_int_equal(info.frame_count, 3);
    for (uint32_t i = 0; i < info.frame_count; i++) {
        struct tz_frame_info frame = {0};
        ok(tz_catalog_get_frame(f->catalog, pack, i, &frame, &err));
        assert_int_equal(frame.offset, info.frames[i].offset);
        assert_int_equal(frame.sealed_len, info.frames[i].sealed_len);
        assert_int_equal(frame.plain_len, info.frames[i].plain_len);
        assert_int_equal(frame.codec, info.frames[i].codec);
    }
    struct tz_frame_info frame = {.plain_len = 77};
    fails(tz_catalog_get_frame(f->catalog, pack, 3, &frame, &err), TZ_NOT_FOUND);
    fails(tz_catalog_get_frame(f->catalog, pack + 1, 0, &frame, &err), TZ_NOT_FOUND);
    assert_int_equal(frame.plain_len, 77);
    struct tz_catalog_pack found;
    fails(tz_catalog_get_pack(f->catalog, pack + 1, &found, &err), TZ_NOT_FOUND);
}

static void chunks_are_found_where_they_lie(void **state)
{
    struct fixture *f = *state;
    struct tz_chunk_place place = {.pack = 77};
    int64_t first = add_pack(f, 1, 0, 10);
    int64_t second = add_pack(f, 2, 10, 5);

    assert_int_not_equal(first, second);
    for (uint32_t i = 0; i < 15; i++) {
        uint32_t in_pack = i < 10 ? i : i - 10;
        assert_true(find_chunk(f, i, &place));
        assert_int_equal(place.pack, i < 10 ? first : second);
        assert_int_equal(place.frame, in_pack / CHUNKS_PER_FRAME);
        assert_int_equal(place.offset, in_pack % CHUNKS_PER_FRAME * CHUNK_LEN);
        assert_int_equal(place.len, CHUNK_LEN);
        assert_false(place.condemned || place.lost);
    }
    place.pack = 77;
    assert_false(find_chunk(f, 15, &place));
    assert_int_equal(place.pack, 77);
}

static void to_add_a_pack_twice_changes_nothing(void **state)
{
    struct fixture *f = *state;
    int64_t pack = add_pack(f, 1, 0, 10);

    assert_int_equal(add_pack(f, 1, 0, 10), pack);
    assert_int_equal(ask(f, "SELECT count(*) FROM packs"), 1);
    assert_int_equal(ask(f, "SELECT count(*) FROM frames"), 3);
    assert_int_equal(ask(f, "SELECT count(*) FROM chunks"), 10);
    assert_int_equal(ask(f, "SELECT value FROM meta WHERE key = 'chunks'"), 10);
    assert_int_equal(ask(f, "SELECT value FROM meta WHERE key = 'dead_chunks'"), 0);
}

static void a_chunk_that_is_twice_in_a_pack_has_one_place(void **state)
{
    struct fixture *f = *state;
    TZ_SCOPED(tz_scoped_pack_info) struct tz_pack_info info = {0};
    struct tz_chunk_place place = {0};
    int64_t pack = 0;

    make_pack(&info, 1, 0, 10);
    memcpy(info.chunks[9].id, info.chunks[2].id, TZ_ID_SIZE);
    ok(tz_catalog_add_pack(f->catalog, &info, &pack, &err));
    assert_true(find_chunk(f, 2, &place));
    assert_true(place.frame == 0 || place.frame == 2);
    assert_int_equal(ask(f, "SELECT chunks FROM packs"), 9);
    assert_int_equal(ask(f, "SELECT value FROM meta WHERE key = 'chunks'"), 9);
}

static void a_description_that_contradicts_itself_is_refused(void **state)
{
    struct fixture *f = *state;
    int64_t pack = 77;

    ok(tz_catalog_begin(f->catalog, &err));
    for (int i = 0; i < 4; i++) {
        TZ_SCOPED(tz_scoped_pack_info) struct tz_pack_info info = {0};
        make_pack(&info, 1, 0, 10);
        if (i == 0)
            info.frames[1].first_chunk = 0;
        if (i == 1)
            info.frames[2].chunk_count = 3;
        if (i == 2)
            info.frames[1].plain_len--;
        if (i == 3)
            info.chunks[1].len = UINT32_MAX;
        fails(tz_catalog_add_pack(f->catalog, &info, &pack, &err), TZ_INVALID);
    }
    assert_int_equal(pack, 77);
    /* Found before anything was written: the transaction is as good as before. */
    add_pack(f, 2, 100, 1);
    ok(tz_catalog_commit(f->catalog, &err));
    assert_int_equal(ask(f, "SELECT count(*) FROM packs"), 1);
    assert_int_equal(ask(f, "SELECT count(*) FROM objects"), 1);
}

static void a_pack_without_chunks_is_kept(void **state)
{
    struct fixture *f = *state;
    int64_t pack = add_pack(f, 1, 0, 0);

    assert_int_equal(find_pack(f, 1), pack);
    assert_int_equal(add_pack(f, 1, 0, 0), pack);
}

static void its_description_decides_the_size_of_a_pack(void **state)
{
    struct fixture *f = *state;
    uint8_t hash[TZ_HASH_SIZE];
    char name[TZ_NAME_TEXT];
    struct tz_catalog_pack found = {0};
    int64_t object = 0;

    pack_hash(hash, 1);
    tz_name_pack(name, hash);
    ok(tz_catalog_add_object(f->catalog, name, 17, &object, &err));
    assert_int_equal(find_pack(f, 1), 0);
    assert_int_equal(add_pack(f, 1, 0, 10), object);
    ok(tz_catalog_get_pack(f->catalog, object, &found, &err));
    assert_int_equal(found.size, 100000 + 10 * CHUNK_LEN);
}

static void a_pack_is_lost_when_no_store_has_it(void **state)
{
    struct fixture *f = *state;
    int64_t pack = add_pack(f, 1, 0, 10);
    struct tz_chunk_place place = {0};

    assert_false(is_lost(f, pack)); /* nothing was noted */
    set_copy(f, pack, f->east, TZ_COPY_PRESENT);
    set_copy(f, pack, f->west, TZ_COPY_MISSING);
    assert_false(is_lost(f, pack));
    set_copy(f, pack, f->east, TZ_COPY_DAMAGED);
    assert_true(is_lost(f, pack));
    assert_true(find_chunk(f, 3, &place));
    assert_true(place.lost && !place.condemned);
    set_copy(f, pack, f->west, TZ_COPY_UNKNOWN);
    assert_false(is_lost(f, pack));
    set_copy(f, pack, f->west, TZ_COPY_MISSING);
    assert_true(is_lost(f, pack));
    ok(tz_catalog_set_verified(f->catalog, pack, f->west, 1000, &err));
    assert_false(is_lost(f, pack));
    assert_true(find_chunk(f, 3, &place));
    assert_false(place.lost);
}

static void a_pack_can_be_lost_before_it_is_described(void **state)
{
    struct fixture *f = *state;
    uint8_t hash[TZ_HASH_SIZE];
    char name[TZ_NAME_TEXT];
    int64_t object = 0;

    pack_hash(hash, 1);
    tz_name_pack(name, hash);
    ok(tz_catalog_add_object(f->catalog, name, 17, &object, &err));
    set_copy(f, object, f->east, TZ_COPY_MISSING);
    assert_true(is_lost(f, add_pack(f, 1, 0, 10)));
}

static void a_condemned_pack_stays_condemned(void **state)
{
    struct fixture *f = *state;
    int64_t known = add_pack(f, 1, 0, 10);
    struct tz_chunk_place place = {0};

    assert_false(is_condemned(f, known));
    condemn(f, 1);
    condemn(f, 1);
    assert_true(is_condemned(f, known));
    assert_true(find_chunk(f, 3, &place));
    assert_true(place.condemned && !place.lost);

    /* One that is not known yet. */
    condemn(f, 2);
    assert_int_equal(find_pack(f, 2), 0);
    assert_true(is_condemned(f, add_pack(f, 2, 10, 10)));

    /* One that was forgotten and is learnt again. */
    ok(tz_catalog_remove_object(f->catalog, known, &err));
    assert_int_equal(find_pack(f, 1), 0);
    assert_true(is_condemned(f, add_pack(f, 1, 0, 10)));
}

static void bad_packs_are_those_condemned_or_lost(void **state)
{
    struct fixture *f = *state;
    TZ_SCOPED(tz_scoped_free) int64_t *bad = NULL, *none = NULL;
    int64_t packs[200];
    size_t count = 77;

    for (size_t i = 0; i < TZ_COUNT(packs); i++)
        packs[i] = add_pack(f, i, 10 * i, 1);
    ok(tz_catalog_bad_packs(f->catalog, &none, &count, &err));
    assert_int_equal(count, 0);
    for (size_t i = TZ_COUNT(packs); i-- > 2;) {
        set_copy(f, packs[i], f->east, i % 2 ? TZ_COPY_MISSING : TZ_COPY_PRESENT);
        if (i % 3 == 0)
            condemn(f, i);
    }
    ok(tz_catalog_bad_packs(f->catalog, &bad, &count, &err));
    size_t n = 0;
    for (size_t i = 2; i < TZ_COUNT(packs); i++) {
        if (i % 2 == 0 && i % 3 != 0)
            continue;
        assert_true(n < count);
        assert_int_equal(bad[n++], packs[i]);
    }
    assert_int_equal(n, count);
}

static void bad_packs_are_found_without_a_look_at_good_ones(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(ask(f, "SELECT count(*) FROM sqlite_schema WHERE name = 'packs_bad'"
                            " AND sql LIKE '%WHERE condemned = 1 OR lost = 1'"),
                     1);
    sqlite3_stmt *statement = NULL;
    assert_int_equal(sqlite3_prepare_v2(f->catalog->db,
                                        "EXPLAIN QUERY PLAN SELECT id FROM packs"
                                        " WHERE condemned = 1 OR lost = 1 ORDER BY id",
                                        -1, &statement, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    assert_non_null(strstr((const char *)sqlite3_column_text(statement, 3), "packs_bad"));
    assert_int_equal(sqlite3_step(statement), SQLITE_DONE); /* no sorting */
    assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
}

static void the_best_place_of_a_chunk_is_given(void **state)
{
    struct fixture *f = *state;
    struct tz_chunk_place place = {0};
    int64_t first = add_pack(f, 1, 0, 4);
    int64_t second = add_pack(f, 2, 2, 4); /* chunks 2 and 3 lie in both */

    assert_true(find_chunk(f, 2, &place));
    assert_true(place.pack == first || place.pack == second);

    condemn(f, 1);
    assert_true(find_chunk(f, 2, &place));
    assert_int_equal(place.pack, second);
    assert_int_equal(place.offset, 0);
    assert_false(place.condemned || place.lost);

    /* A lost pack is worse than one that is only condemned. */
    set_copy(f, second, f->east, TZ_COPY_MISSING);
    assert_true(find_chunk(f, 2, &place));
    assert_int_equal(place.pack, first);
    assert_int_equal(place.offset, 2 * CHUNK_LEN);
    assert_true(place.condemned && !place.lost);

    ok(tz_catalog_remove_object(f->catalog, first, &err));
    assert_true(find_chunk(f, 2, &place));
    assert_int_equal(place.pack, second);
    assert_true(place.lost && !place.condemned);
    assert_false(find_chunk(f, 1, &place));

    ok(tz_catalog_remove_object(f->catalog, second, &err));
    assert_false(find_chunk(f, 2, &place));
}

static void a_forgotten_pack_leaves_nothing_that_is_seen(void **state)
{
    struct fixture *f = *state;
    struct tz_chunk_place place = {0};
    int64_t pack = add_pack(f, 1, 0, 10);

    condemn(f, 1);
    set_copy(f, pack, f->east, TZ_COPY_PRESENT);
    ok(tz_catalog_remove_object(f->catalog, pack, &err));
    for (uint64_t i = 0; i < 10; i++)
        assert_false(find_chunk(f, i, &place));
    assert_int_equal(ask(f, "SELECT count(*) FROM packs"), 0);
    assert_int_equal(ask(f, "SELECT count(*) FROM frames"), 0);
    assert_int_equal(ask(f, "SELECT value FROM meta WHERE key = 'dead_chunks'"), 10);

    int64_t again = add_pack(f, 1, 0, 10);
    assert_true(again > pack);
    assert_true(find_chunk(f, 9, &place));
    assert_int_equal(place.pack, again);
    assert_int_equal(ask(f, "SELECT value FROM meta WHERE key = 'chunks'"), 20);
}

static void dead_chunks_are_swept_when_they_are_many(void **state)
{
    struct fixture *f = *state;
    struct tz_chunk_place place = {0};
    int64_t large = add_pack(f, 1, 0, 70000);
    int64_t small = add_pack(f, 2, 100000, 10);
    int64_t kept = add_pack(f, 3, 200000, 10);

    ok(tz_catalog_remove_object(f->catalog, small, &err));
    assert_int_equal(ask(f, "SELECT count(*) FROM chunks"), 70020);
    ok(tz_catalog_remove_object(f->catalog, large, &err));
    assert_int_equal(ask(f, "SELECT count(*) FROM chunks"), 10);
    assert_int_equal(ask(f, "SELECT value FROM meta WHERE key = 'chunks'"), 10);
    assert_int_equal(ask(f, "SELECT value FROM meta WHERE key = 'dead_chunks'"), 0);
    assert_true(find_chunk(f, 200009, &place));
    assert_int_equal(place.pack, kept);
}

static void chunks_of_an_open_transaction_are_found(void **state)
{
    struct fixture *f = *state;
    struct tz_chunk_place place = {0};

    ok(tz_catalog_begin(f->catalog, &err));
    int64_t first = add_pack(f, 1, 0, 4);
    assert_true(find_chunk(f, 3, &place));
    assert_int_equal(place.pack, first);
    int64_t second = add_pack(f, 2, 2, 4);
    ok(tz_catalog_remove_object(f->catalog, first, &err));
    assert_true(find_chunk(f, 3, &place));
    assert_int_equal(place.pack, second);
    assert_int_equal(ask(f, "SELECT value FROM meta WHERE key = 'dead_chunks'"), 4);
    add_pack(f, 3, 20, 4);
    tz_catalog_rollback(f->catalog);

    /* Neither the rows that were written nor those that were still to be. */
    ok(tz_catalog_begin(f->catalog, &err));
    int64_t fourth = add_pack(f, 4, 40, 4);
    ok(tz_catalog_commit(f->catalog, &err));
    assert_false(find_chunk(f, 3, &place));
    assert_false(find_chunk(f, 20, &place));
    assert_true(find_chunk(f, 43, &place));
    assert_int_equal(place.pack, fourth);
    assert_int_equal(ask(f, "SELECT count(*) FROM chunks"), 4);
    assert_int_equal(ask(f, "SELECT value FROM meta WHERE key = 'chunks'"), 4);
}

static double seconds_since(int64_t start)
{
    return (double)(tz_monotonic() - start) / (double)TZ_SECOND_NS;
}

static void many_chunks(void **state)
{
    struct fixture *f = *state;
    const uint64_t packs = 400, chunks = 500;
    struct tz_chunk_place place = {0};

    int64_t start = tz_monotonic();
    ok(tz_catalog_begin(f->catalog, &err));
    for (uint64_t i = 0; i < packs; i++)
        add_pack(f, i, i * chunks, (uint32_t)chunks);
    ok(tz_catalog_commit(f->catalog, &err));
    double seconds = seconds_since(start);
    print_message("%.0f inserts/s\n", (double)(packs * chunks) / seconds);

    start = tz_monotonic();
    for (uint64_t i = 0; i < packs * chunks; i++) {
        uint64_t number = i * 7919 % (packs * chunks);
        assert_true(find_chunk(f, number, &place));
        assert_int_equal(place.frame, number % chunks / CHUNKS_PER_FRAME);
    }
    seconds = seconds_since(start);
    print_message("%.0f look-ups/s\n", (double)(packs * chunks) / seconds);

    start = tz_monotonic();
    reopen(f);
    print_message("%.3f ms to open\n", seconds_since(start) * 1000);
    assert_int_equal(ask(f, "SELECT value FROM meta WHERE key = 'chunks'"), packs * chunks);
    struct stat st;
    assert_int_equal(stat(f->path, &st), 0);
    print_message("%.1f bytes per chunk\n", (double)st.st_size / (double)(packs * chunks));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)
    const struct CMUnitTest tests[] = {
        TEST(a_pack_is_kept_as_it_was_described),
        TEST(frames_are_kept_as_they_were_described),
        TEST(chunks_are_found_where_they_lie),
        TEST(to_add_a_pack_twice_changes_nothing),
        TEST(a_chunk_that_is_twice_in_a_pack_has_one_place),
        TEST(a_description_that_contradicts_itself_is_refused),
        TEST(a_pack_without_chunks_is_kept),
        TEST(its_description_decides_the_size_of_a_pack),
        TEST(a_pack_is_lost_when_no_store_has_it),
        TEST(a_pack_can_be_lost_before_it_is_described),
        TEST(a_condemned_pack_stays_condemned),
        TEST(bad_packs_are_those_condemned_or_lost),
        TEST(bad_packs_are_found_without_a_look_at_good_ones),
        TEST(the_best_place_of_a_chunk_is_given),
        TEST(a_forgotten_pack_leaves_nothing_that_is_seen),
        TEST(dead_chunks_are_swept_when_they_are_many),
        TEST(chunks_of_an_open_transaction_are_found),
        TEST(many_chunks),
    };
    return cmocka_run_group_tests_name("catalog packs", tests, NULL, NULL);
}
