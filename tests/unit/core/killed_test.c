/*
 * Killed before each transaction of the catalog: what it says of the stores is never less than what
 * they hold, and the next command goes on.
 *
 * The victim is a child, which a hook of SQLite kills; each round it gets one transaction further,
 * until it comes to its end.  A second machine's catalog, made of nothing but the stores, is the
 * measure.
 */
#include "check_fixture.h"
#include "odd_tree.h"

#include "tozai/core/prune.h"

#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILES      40U
#define ROUNDS_MAX 500U
#define MORE       "pack_size = 1M\n"

static struct tz_fixture fixture;
static char sources[8192];
static unsigned changes;

/* --- The victim --- */

static unsigned transactions_left;

static int count_down(void *arg)
{
    (void)arg;
    if (transactions_left-- == 0)
        (void)kill(getpid(), SIGKILL);
    return 0;
}

static int watch(sqlite3 *db, const char **message, const void *api)
{
    (void)message;
    (void)api;
    (void)sqlite3_commit_hook(db, count_down, NULL);
    return SQLITE_OK;
}

/* false: it was killed before its transaction of this number. */
static bool survives(void (*victim)(void), unsigned transactions)
{
    int status = 0;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        transactions_left = transactions;
        (void)sqlite3_auto_extension((void (*)(void))watch);
        victim();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status)) {
        assert_int_equal(WEXITSTATUS(status), 0);
        return true;
    }
    assert_int_equal(WTERMSIG(status), SIGKILL);
    return false;
}

/* --- What it does --- */

static void back_up(void)
{
    struct tz_backup_result result;

    tz_fixture_run(&fixture, &result);
    tz_backup_result_clear(&result);
}

/* All packs of which anything is not needed are written anew. */
static void prune(void)
{
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, true);
    const struct tz_prune_options options = {.repo = repo, .live_percent = 100};
    struct tz_prune_result result;

    MUST(tz_prune(&options, &result, err));
    assert_int_equal(result.broken_count, 0);
    tz_prune_result_clear(&result);
}

static void synchronize(void)
{
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, false);
    const struct tz_sync_options options = {.repo = repo, .full = true};
    struct tz_sync_result result;

    MUST(tz_sync(&options, &result, err));
    assert_true(result.level);
}

/* --- What must hold --- */

static void change(void)
{
    char name[32];

    for (unsigned i = 0; i < 3; i++) {
        (void)snprintf(name, sizeof(name), "file-%u", changes * 7 % FILES);
        tz_fixture_fill(&fixture, name, 3000, ++changes);
    }
}

static void refresh(void)
{
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&fixture, false);

    MUST(tz_repo_refresh(repo, err));
}

static void use_state(const char *name)
{
    const struct tz_fixture_options options = {.more = MORE, .sources = sources};
    TZ_SCOPED(tz_scoped_free) char *state = tz_path_join(fixture.folder, name);

    assert_non_null(state);
    tz_fixture_configure(&fixture, &options, state, NULL);
}

/* How many rows of the second catalog does the first one lack? */
static void expect_no_less(sqlite3 *db, const char *what, const char *rows)
{
    char sql[1024];
    sqlite3_stmt *statement = NULL;

    (void)snprintf(sql, sizeof(sql),
                   "WITH a AS (SELECT %s), b AS (SELECT %s)"
                   " SELECT count(*) FROM (SELECT * FROM b EXCEPT SELECT * FROM a)",
                   rows, rows);
    /* The same tables, of the other file. */
    for (char *at = strstr(strstr(sql, "), b AS ("), "main."); at; at = strstr(at, "main."))
        memcpy(at, "othr.", 5);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    if (sqlite3_column_int(statement, 0) != 0)
        fail_msg("%d %s are in the stores and unknown", sqlite3_column_int(statement, 0), what);
    assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
}

static void expect_what_the_stores_say(void)
{
    TZ_SCOPED(tz_scoped_free) char *one = tz_path_join(fixture.folder, "state/catalog.db");
    TZ_SCOPED(tz_scoped_free) char *two = tz_path_join(fixture.folder, "second/catalog.db");
    char attach[4096];
    sqlite3 *db = NULL;

    refresh();
    use_state("second");
    refresh();
    assert_int_equal(sqlite3_open_v2(one, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    (void)snprintf(attach, sizeof(attach), "ATTACH '%s' AS othr", two);
    assert_int_equal(sqlite3_exec(db, attach, NULL, NULL, NULL), SQLITE_OK);
    expect_no_less(db, "heads", "id FROM main.generations");
    expect_no_less(db, "generations", "id FROM main.generations WHERE seal_object IS NOT NULL");
    expect_no_less(db, "tombstones", "hash FROM main.condemned");
    expect_no_less(db, "names in tombstones",
                   "o.name, t.hash FROM main.tombstone_packs t"
                   " JOIN main.objects o ON o.id = t.tombstone");
    expect_no_less(db, "names in indexes",
                   "o.name, i.hash FROM main.index_packs i"
                   " JOIN main.objects o ON o.id = i.index_object");
    expect_no_less(db, "packs", "hash FROM main.packs WHERE condemned = 0");
    expect_no_less(db, "chunks",
                   "c.id, p.hash FROM main.chunks c JOIN main.packs p ON p.id = c.pack"
                   " WHERE p.condemned = 0");
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    TZ_SCOPED(tz_scoped_free) char *folder = tz_path_join(fixture.folder, "second");
    assert_int_equal(tz_odd_tree_remove(folder), 0);
    use_state("state");
}

/* Half of what the second store holds goes, of every kind. */
static void lose(void)
{
    static const char *const prefixes[] = {"packs/", "index/", "generations/", "tombstones/"};
    TZ_SCOPED(tz_scoped_store) struct tz_store *store = inside(&fixture, WEST);

    for (size_t i = 0; i < TZ_COUNT(prefixes); i++) {
        TZ_SCOPED(tz_scoped_listing) struct tz_listing list = {0};
        MUST(tz_listing_read(&list, store, prefixes[i], err));
        for (size_t k = changes % 2; k < list.count; k += 2)
            MUST(tz_store_remove(store, list.items[k].name, err));
    }
}

/* The same from the beginning, killed one transaction later each time. */
static void kill_at_each(void (*victim)(void))
{
    unsigned at = 0;
    bool ended = false;

    for (; !ended; at++) {
        assert_true(at < ROUNDS_MAX);
        change();
        back_up();
        change();
        if (victim == synchronize)
            lose();
        ended = survives(victim, at);
        expect_what_the_stores_say();
        if (victim == synchronize)
            synchronize();
        back_up();
        prune();
        tz_fixture_check(&fixture, NULL);
    }
    assert_true(at > 5);
    tz_fixture_check(&fixture, "east");
    tz_fixture_check(&fixture, "west");
    expect_what_the_stores_say();
    assert_int_equal(tz_fixture_compare_stores(&fixture), 0);
}

static void a_backup(void **state)
{
    (void)state;
    kill_at_each(back_up);
}

static void a_prune(void **state)
{
    (void)state;
    kill_at_each(prune);
}

static void a_sync(void **state)
{
    (void)state;
    kill_at_each(synchronize);
}

static int enter(void **state)
{
    const struct tz_fixture_options options = {.files = true, .more = MORE};

    (void)state;
    tz_fixture_make(&fixture, &options);
    (void)snprintf(sources, sizeof(sources),
                   "[retention]\nlast = 2\ndaily = 0\nweekly = 0\nminimum_generations = 1\n"
                   "[source tree]\ntype = directory\npath = %s\n",
                   fixture.tree);
    use_state("state");
    for (unsigned i = 0; i < FILES; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "file-%u", i);
        tz_fixture_fill(&fixture, name, 3000, 1000 + i);
    }
    return 0;
}

static int leave(void **state)
{
    (void)state;
    tz_fixture_clear(&fixture);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_backup, enter, leave),
        cmocka_unit_test_setup_teardown(a_prune, enter, leave),
        cmocka_unit_test_setup_teardown(a_sync, enter, leave),
    };

    return cmocka_run_group_tests_name("killed", tests, NULL, NULL);
}
