#include "catalog_fixture.h"

#include <errno.h>
#include <unistd.h>

/* Packs, copies and a whole generation. */
static void fill(struct fixture *f)
{
    uint8_t hashes[2][TZ_HASH_SIZE];
    struct tz_head head;
    char home[] = "home";

    for (uint64_t i = 0; i < 10; i++)
        ok(tz_catalog_set_copy(f->catalog, add_pack(f, i, 100 * i, 50), f->east, TZ_COPY_PRESENT,
                               &err));
    make_head(&head, home, 9, 1000);
    pack_hash(hashes[0], 1);
    pack_hash(hashes[1], 99); /* not known */
    head.packs = hashes;
    head.pack_count = 2;
    ok(tz_catalog_add_generation(f->catalog, &head, add_head_object(f, &head), "body", 4, &err));
    ok(tz_catalog_add_seal(f->catalog, head.id, add_seal_object(f, &head), &err));
    ok(tz_catalog_condemn(f->catalog, hashes[0], &err));
    /* Leaves dead rows behind. */
    int64_t removed = 0;
    pack_hash(hashes[0], 5);
    ok(tz_catalog_find_pack(f->catalog, hashes[0], &removed, &err));
    ok(tz_catalog_remove_object(f->catalog, removed, &err));
}

static bool check(struct fixture *f, struct tz_buf *report)
{
    bool good = false;

    tz_buf_reset(report);
    ok(tz_catalog_check(f->catalog, &good, report, &err));
    assert_true(good == (report->len == 0));
    if (!good) /* whole lines */
        assert_int_equal(report->data[report->len - 1], '\n');
    return good;
}

static void a_sound_catalog_passes(void **state)
{
    struct fixture *f = *state;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf report = {0};

    assert_true(check(f, &report));
    fill(f);
    if (!check(f, &report))
        fail_msg("%s", (const char *)report.data);
}

/* Each fault that can be made by hand, and what must be said of it. */
static void every_fault_is_reported(void **state)
{
    struct fixture *f = *state;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf report = {0};
    static const struct {
        const char *damage, *words;
    } faults[] = {
        {"DELETE FROM stores", "refers to a row of stores that does not exist"},
        {"INSERT INTO copies VALUES (12345, 1, 1, 0)", "refers to a row of objects"},
        {"DELETE FROM objects WHERE kind = 5", "table generations"},
        {"UPDATE packs SET hash = zeroblob(32) WHERE id = 1", "its name is packs/"},
        {"UPDATE objects SET kind = 0 WHERE kind = 3 AND size > 0", "its name is packs/"},
        {"UPDATE packs SET condemned = 1 WHERE id = 1", "is marked as condemned, and is not"},
        {"UPDATE packs SET condemned = 0", "is condemned, and not marked"},
        {"UPDATE packs SET lost = 1 WHERE id = 1", "is marked as lost, and is not"},
        {"UPDATE copies SET state = 2", "is lost, and not marked"},
        {"DELETE FROM generation_packs", "a pack of it is not listed"},
        {"DELETE FROM heads", "its head is not kept"},
        {"DELETE FROM frames WHERE pack = 1", "does not lie in frame"},
        {"UPDATE chunks SET len = len + 1 WHERE pack = 1", "does not lie in frame"},
        {"UPDATE chunks SET offset = -1 WHERE pack = 1", "does not lie in frame"},
    };

    fill(f);
    for (size_t i = 0; i < TZ_COUNT(faults); i++) {
        char *message = NULL;
        assert_int_equal(sqlite3_db_config(f->catalog->db, SQLITE_DBCONFIG_ENABLE_FKEY, 0, NULL),
                         SQLITE_OK);
        ok(tz_catalog_begin(f->catalog, &err));
        if (sqlite3_exec(f->catalog->db, faults[i].damage, NULL, NULL, &message) != SQLITE_OK)
            fail_msg("%s: %s", faults[i].damage, message);
        assert_true(sqlite3_changes(f->catalog->db) > 0);
        assert_false(check(f, &report));
        if (!strstr((const char *)report.data, faults[i].words))
            fail_msg("%s gave:\n%s", faults[i].damage, (const char *)report.data);
        tz_catalog_rollback(f->catalog);
        assert_true(check(f, &report));
    }
}

static void a_fault_of_the_file_is_reported(void **state)
{
    struct fixture *f = *state;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf report = {0};

    fill(f);
    int64_t page = ask(f, "SELECT rootpage FROM sqlite_schema WHERE name = 'frames'");
    tz_catalog_free(f->catalog);
    f->catalog = NULL;
    {
        TZ_SCOPED(tz_scoped_file) FILE *file = fopen(f->path, "r+");
        assert_non_null(file);
        assert_int_equal(fseek(file, (long)(page - 1) * 4096, SEEK_SET), 0);
        assert_true(fputs("\xff\xff\xff\xff\xff\xff\xff\xff", file) >= 0);
    }
    f->catalog = open_catalog(f);
    assert_false(check(f, &report));
}

static void an_export_is_a_catalog_of_its_own(void **state)
{
    struct fixture *f = *state;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf report = {0};
    struct stat st;

    fill(f);
    TZ_SCOPED(tz_scoped_free) char *file = tz_path_join(f->folder, "export'; x.db");
    assert_non_null(file);
    mode_t old = umask(0);
    ok(tz_catalog_export(f->catalog, file, &err));
    (void)umask(old);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);

    /* Put in place of the original it has everything, and is whole in one file. */
    int64_t packs = ask(f, "SELECT count(*) FROM packs");
    ok(tz_catalog_set_value(f->catalog, "later", "x", 1, &err));
    tz_catalog_free(f->catalog);
    f->catalog = NULL;
    assert_int_equal(rename(file, f->path), 0);
    f->catalog = open_catalog(f);
    assert_int_equal(ask(f, "SELECT count(*) FROM packs"), packs);
    assert_int_equal(ask(f, "SELECT count(*) FROM vals"), 0);
    assert_true(check(f, &report));
}

static void an_export_replaces_nothing(void **state)
{
    struct fixture *f = *state;
    TZ_SCOPED(tz_scoped_free) char *file = tz_path_join(f->folder, "export.db");
    struct stat st;

    assert_non_null(file);
    {
        TZ_SCOPED(tz_scoped_file) FILE *taken = fopen(file, "w");
        assert_non_null(taken);
    }
    fails(tz_catalog_export(f->catalog, file, &err), TZ_EXISTS);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_size, 0);
    assert_int_equal(unlink(file), 0);
    fails(tz_catalog_export(f->catalog, "/nonexistent/export.db", &err), TZ_NOT_FOUND);

    ok(tz_catalog_begin(f->catalog, &err));
    fails(tz_catalog_export(f->catalog, file, &err), TZ_FAILED);
    tz_catalog_rollback(f->catalog);
    assert_int_equal(stat(file, &st), -1);
    ok(tz_catalog_export(f->catalog, file, &err));
}

static void a_rollback_undoes_everything(void **state)
{
    struct fixture *f = *state;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf value = {0};
    bool found = true;

    tz_catalog_rollback(f->catalog); /* nothing to undo */
    ok(tz_catalog_begin(f->catalog, &err));
    fill(f);
    ok(tz_catalog_set_value(f->catalog, "key", "value", 5, &err));
    ok(tz_catalog_get_value(f->catalog, "key", &value, &found, &err));
    assert_true(found);
    tz_catalog_rollback(f->catalog);
    assert_int_equal(ask(f, "SELECT count(*) FROM objects"), 0);
    assert_int_equal(ask(f, "SELECT count(*) FROM chunks"), 0);
    ok(tz_catalog_get_value(f->catalog, "key", &value, &found, &err));
    assert_false(found);

    /* To close it in the middle is the same. */
    ok(tz_catalog_begin(f->catalog, &err));
    fill(f);
    reopen(f);
    assert_int_equal(ask(f, "SELECT count(*) FROM objects"), 0);
    ok(tz_catalog_begin(f->catalog, &err));
    fill(f);
    ok(tz_catalog_commit(f->catalog, &err));
    reopen(f);
    assert_int_equal(ask(f, "SELECT count(*) FROM packs"), 9);
}

static void transactions_are_not_nested(void **state)
{
    struct fixture *f = *state;

    fails(tz_catalog_commit(f->catalog, &err), TZ_FAILED);
    ok(tz_catalog_begin(f->catalog, &err));
    fails(tz_catalog_begin(f->catalog, &err), TZ_FAILED);
    ok(tz_catalog_commit(f->catalog, &err));
}

static void half_a_change_is_never_committed(void **state)
{
    struct fixture *f = *state;
    struct tz_head head;
    char home[] = "home";
    int64_t object = 0;

    make_head(&head, home, 1, 1000);
    ok(tz_catalog_begin(f->catalog, &err));
    add_pack(f, 1, 0, 4);
    fails(tz_catalog_add_generation(f->catalog, &head, 12345, "x", 1, &err), TZ_INVALID);
    fails(tz_catalog_add_object(f->catalog, "index/x", 1, &object, &err), TZ_FAILED);
    fails(tz_catalog_commit(f->catalog, &err), TZ_FAILED);
    tz_catalog_rollback(f->catalog);
    assert_int_equal(ask(f, "SELECT count(*) FROM objects"), 0);
    add_pack(f, 1, 0, 4);
    assert_int_equal(ask(f, "SELECT count(*) FROM objects"), 1);
}

static void a_full_disk_is_told_and_survived(void **state)
{
    struct fixture *f = *state;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf report = {0};
    TZ_SCOPED(tz_scoped_pack_info) struct tz_pack_info info = {0};
    int64_t pack = 0;

    fill(f);
    int64_t before = ask(f, "SELECT count(*) FROM chunks");
    /* The database may not grow by more than a few pages. */
    int64_t pages = ask(f, "PRAGMA page_count");
    char sql[64];
    (void)snprintf(sql, sizeof(sql), "PRAGMA max_page_count = %jd", (intmax_t)pages + 3);
    assert_int_equal(sqlite3_exec(f->catalog->db, sql, NULL, NULL, NULL), SQLITE_OK);

    make_pack(&info, 1000, 100000, 5000);
    fails(tz_catalog_add_pack(f->catalog, &info, &pack, &err), TZ_NOSPC);
    assert_non_null(strstr(err.message, f->path));
    assert_int_equal(pack, 0);
    ok(tz_catalog_begin(f->catalog, &err));
    fails(tz_catalog_add_pack(f->catalog, &info, &pack, &err), TZ_NOSPC);
    fails(tz_catalog_commit(f->catalog, &err), TZ_FAILED);
    tz_catalog_rollback(f->catalog);
    assert_int_equal(ask(f, "SELECT count(*) FROM chunks"), before);
    assert_true(check(f, &report));

    reopen(f); /* with room again */
    ok(tz_catalog_add_pack(f->catalog, &info, &pack, &err));
}

static void values_survive(void **state)
{
    struct fixture *f = *state;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf value = {0};
    bool found = true;

    ok(tz_catalog_get_value(f->catalog, "key", &value, &found, &err));
    assert_false(found);
    ok(tz_catalog_set_value(f->catalog, "key", "a\0b", 3, &err));
    ok(tz_catalog_set_value(f->catalog, "empty", NULL, 0, &err));
    reopen(f);
    ok(tz_catalog_get_value(f->catalog, "key", &value, &found, &err));
    assert_true(found);
    assert_int_equal(value.len, 3);
    assert_memory_equal(value.data, "a\0b", 3);
    ok(tz_catalog_get_value(f->catalog, "empty", &value, &found, &err));
    assert_true(found);
    assert_int_equal(value.len, 3);
    ok(tz_catalog_set_value(f->catalog, "key", "c", 1, &err));
    ok(tz_catalog_get_value(f->catalog, "key", &value, &found, &err));
    assert_int_equal(value.len, 4);
    assert_memory_equal(value.data, "a\0bc", 4);
    ok(tz_catalog_get_value(f->catalog, "Key", &value, &found, &err));
    assert_false(found);
}

static int ignore_copy(void *arg, const struct tz_catalog_copy *copy, struct tz_error *error)
{
    (void)arg;
    (void)copy;
    (void)error;
    return 0;
}

static int ignore_generation(void *arg, const struct tz_generation *generation,
                             struct tz_error *error)
{
    (void)arg;
    (void)generation;
    (void)error;
    return 0;
}

/* Every question and change that a command may make many times. */
static void use_everything(struct fixture *f)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf buf = {0};
    TZ_SCOPED(tz_scoped_free) int64_t *bad = NULL;
    struct tz_catalog_pack pack;
    struct tz_frame_info frame;
    struct tz_chunk_place place;
    uint8_t id[TZ_HASH_SIZE];
    enum tz_copy_state state;
    size_t count;
    bool yes;

    fill(f);
    assert_true(find_chunk(f, 101, &place));
    ok(tz_catalog_set_verified(f->catalog, place.pack, f->west, 1, &err));
    ok(tz_catalog_get_copy(f->catalog, place.pack, f->east, &state, &err));
    ok(tz_catalog_each_copy(f->catalog, f->east, "packs/", ignore_copy, NULL, &err));
    ok(tz_catalog_get_pack(f->catalog, place.pack, &pack, &err));
    ok(tz_catalog_get_frame(f->catalog, place.pack, place.frame, &frame, &err));
    ok(tz_catalog_bad_packs(f->catalog, &bad, &count, &err));
    ok(tz_catalog_each_user(f->catalog, place.pack, ignore_generation, NULL, &err));
    ok(tz_catalog_each_generation(f->catalog, NULL, ignore_generation, NULL, &err));
    ok(tz_catalog_each_generation(f->catalog, "home", ignore_generation, NULL, &err));
    make_bytes(id, sizeof(id), 9);
    ok(tz_catalog_get_head(f->catalog, id, &buf, &err));
    ok(tz_catalog_set_verified_generation(f->catalog, id, 1, &err));
    ok(tz_catalog_generation_complete(f->catalog, id, f->east, &yes, &err));
    ok(tz_catalog_set_value(f->catalog, "key", "x", 1, &err));
    ok(tz_catalog_get_value(f->catalog, "key", &buf, &yes, &err));
    ok(tz_catalog_remove_object(f->catalog, place.pack, &err)); /* needed */
    ok(tz_catalog_remove_object(f->catalog, ask(f, "SELECT head_object FROM generations"), &err));
}

/* Walks over a whole table are allowed where the table or the index is small. */
static void check_plan(struct fixture *f, const char *sql)
{
    static const char *const allowed[] = {"packs_bad", "objects_unknown", "generations_by_source",
                                          "sqlite_master", "CONSTANT ROW"};
    sqlite3_stmt *plan = NULL;
    char text[4096];

    (void)snprintf(text, sizeof(text), "EXPLAIN QUERY PLAN %s", sql);
    assert_int_equal(sqlite3_prepare_v2(f->catalog->db, text, -1, &plan, NULL), SQLITE_OK);
    while (sqlite3_step(plan) == SQLITE_ROW) {
        const char *step = (const char *)sqlite3_column_text(plan, 3);
        bool good = strncmp(step, "SCAN", 4) != 0;
        for (size_t i = 0; i < TZ_COUNT(allowed); i++)
            good = good || strstr(step, allowed[i]);
        if (!good)
            fail_msg("%s: %s", step, sql);
    }
    assert_int_equal(sqlite3_finalize(plan), SQLITE_OK);
}

static void no_question_walks_over_a_large_table(void **state)
{
    struct fixture *f = *state;
    unsigned count = 0;

    use_everything(f);
    for (size_t i = 0; i < TZ_CATALOG_STATEMENTS; i++) {
        const char *sql = f->catalog->statements[i].sql;
        if (!sql || strncmp(sql, "PRAGMA", 6) == 0)
            continue;
        check_plan(f, sql);
        count++;
    }
    assert_true(count > 35);
}

static void runs_and_checks_are_remembered(void **state)
{
    struct fixture *f = *state;
    int64_t first = 0, second = 0;

    ok(tz_catalog_run_begin(f->catalog, "backup", &first, &err));
    ok(tz_catalog_run_begin(f->catalog, "verify", &second, &err));
    assert_int_not_equal(first, second);
    ok(tz_catalog_run_end(f->catalog, first, "ok", &err));
    fails(tz_catalog_run_end(f->catalog, 12345, "ok", &err), TZ_NOT_FOUND);
    assert_int_equal(ask(f, "SELECT count(*) FROM runs WHERE command = 'backup'"
                            " AND result = 'ok' AND end_ns >= start_ns AND start_ns > 0"),
                     1);
    assert_int_equal(ask(f, "SELECT count(*) FROM runs WHERE command = 'verify'"
                            " AND result IS NULL AND end_ns IS NULL"),
                     1);

    ok(tz_catalog_add_check(f->catalog, f->west, "ciphertext", 1, 2, 3, &err));
    fails(tz_catalog_add_check(f->catalog, 12345, "ciphertext", 1, 2, 3, &err), TZ_INVALID);
    assert_int_equal(ask(f, "SELECT count(*) FROM checks WHERE level = 'ciphertext' AND"
                            " objects = 1 AND bytes = 2 AND bad = 3 AND time_ns > 0"),
                     1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)
    const struct CMUnitTest tests[] = {
        TEST(a_sound_catalog_passes),
        TEST(every_fault_is_reported),
        TEST(a_fault_of_the_file_is_reported),
        TEST(an_export_is_a_catalog_of_its_own),
        TEST(an_export_replaces_nothing),
        TEST(a_rollback_undoes_everything),
        TEST(transactions_are_not_nested),
        TEST(half_a_change_is_never_committed),
        TEST(a_full_disk_is_told_and_survived),
        TEST(values_survive),
        TEST(no_question_walks_over_a_large_table),
        TEST(runs_and_checks_are_remembered),
    };
    return cmocka_run_group_tests_name("catalog check", tests, NULL, NULL);
}
