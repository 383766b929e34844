#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "source_fixture.h"

#include "tozai/util/file.h"
#include "tozai/util/interrupt.h"
#include "tozai/util/time.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static char *database_path(const struct tz_source_fixture *f)
{
    return tz_fixture_path(f, "source/app.db");
}

static void configure(struct tz_source_fixture *f)
{
    f->config.type = TZ_SOURCE_SQLITE;
    f->paths[0] = database_path(f);
}

static int tear_down(void **state)
{
    struct tz_source_fixture *f = *state;
    free(f->paths[0]);
    return tz_source_fixture_tear_down(state);
}

static int set_up(void **state)
{
    if (tz_source_fixture_set_up(state))
        return -1;
    configure(*state);
    return 0;
}

static void execute(sqlite3 *database, const char *sql)
{
    char *why = NULL;
    if (sqlite3_exec(database, sql, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s: %s", sql, why);
}

static sqlite3 *open_database(const char *path)
{
    sqlite3 *database = NULL;
    assert_int_equal(sqlite3_open(path, &database), SQLITE_OK);
    assert_int_equal(sqlite3_busy_timeout(database, 60000), SQLITE_OK);
    return database;
}

static int64_t ask(sqlite3 *database, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    assert_int_equal(sqlite3_prepare_v2(database, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(statement, 0);
    assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
    return value;
}

/* Rows whose sum of values is always zero between two transactions. */
static void make_database(const char *path, const char *mode, int page_size)
{
    char sql[200];
    sqlite3 *database = open_database(path);

    (void)snprintf(sql, sizeof(sql), "PRAGMA page_size=%d; PRAGMA journal_mode=%s", page_size,
                   mode);
    execute(database, sql);
    execute(database, "CREATE TABLE t (id INTEGER PRIMARY KEY, value INTEGER, filler BLOB);"
                      "CREATE INDEX i ON t (value)");
    execute(database, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE "
                      "i < 20000) INSERT INTO t SELECT i, 0, randomblob(100) FROM n");
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
}

/* When the last copy was taken, as the source says. */
static int64_t last_time_ns;

/* The copy that the source gives; path of a file that holds it. */
static char *back_up(struct tz_source_fixture *f, uint32_t *ret_block_size)
{
    struct tz_entry entry = {0};
    struct tz_input *input = NULL;
    struct tz_error err = {0};
    struct tz_buf content = {0};
    int64_t time_ns = 0;
    char *position = NULL;
    bool changed = true;

    struct tz_source *source = tz_test_source(&f->options);
    tz_fixture_next(source, &entry, "app.db");
    if (tz_source_load(source, &entry, &input, &err))
        fail_msg("%s", err.message);
    if (ret_block_size)
        *ret_block_size = tz_input_hints(input)->block_size;
    tz_test_read(input, 65536, &content);
    assert_int_equal(content.len, entry.size);
    assert_int_equal(tz_input_finish(input, &entry, &changed, NULL), 0);
    assert_false(changed);
    tz_input_free(input);
    assert_int_equal(tz_source_finish(source, &time_ns, &position, NULL), 0);
    assert_true(time_ns > 0 && time_ns <= tz_now());
    last_time_ns = time_ns;
    free(position);
    tz_entry_clear(&entry);
    tz_source_free(source);

    char *path = tz_fixture_path(f, "copy.db");
    TZ_SCOPED(tz_scoped_free) char *log = tz_fixture_path(f, "copy.db-wal");
    TZ_SCOPED(tz_scoped_free) char *memory = tz_fixture_path(f, "copy.db-shm");
    (void)unlink(log);
    (void)unlink(memory);
    assert_int_equal(tz_file_replace(path, content.data, content.len, 0600, NULL), 0);
    tz_buf_clear(&content);
    return path;
}

static void check_copy(const char *path, int64_t rows)
{
    sqlite3 *database = open_database(path);

    assert_int_equal(
        ask(database, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'"),
        1);
    assert_int_equal(ask(database, "SELECT count(*) FROM t"), rows);
    assert_int_equal(ask(database, "SELECT sum(value) FROM t"), 0);
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
}

/* Is nothing left behind in the directory but what should be there? */
static unsigned count_files(const char *path)
{
    unsigned count = 0;
    DIR *dir = opendir(path);

    assert_non_null(dir);
    for (const struct dirent *item = readdir(dir); item; item = readdir(dir))
        count += item->d_name[0] != '.';
    assert_int_equal(closedir(dir), 0);
    return count;
}

/* Each copy of a database that nobody writes to is the same. */
static void read_copy(void *arg, const char *path, struct tz_buf *out)
{
    const struct tz_source_fixture *f = arg;
    TZ_SCOPED(tz_scoped_free) char *copy = tz_fixture_path(f, "copy.db");

    assert_string_equal(path, "app.db");
    assert_int_equal(tz_file_read(copy, (size_t)1 << 30, out, NULL), 0);
}

static void it_keeps_the_contract(void **state)
{
    struct tz_source_fixture *f = *state;

    make_database(f->paths[0], "DELETE", 4096);
    free(back_up(f, NULL));
    struct tz_source_contract contract = {.options = f->options, .content = read_copy, .arg = f};
    tz_source_contract_run(&contract);
    assert_int_equal(count_files(f->scratch), 0);
    assert_int_equal(count_files(f->source), 1);
}

/* What did not change is stored once, so pages must come through as they are. */
static void pages_are_copied_byte_for_byte(void **state)
{
    struct tz_source_fixture *f = *state;
    struct tz_buf original = {0}, copy = {0};

    make_database(f->paths[0], "DELETE", 4096);
    TZ_SCOPED(tz_scoped_free) char *path = back_up(f, NULL);
    assert_int_equal(tz_file_read(f->paths[0], (size_t)1 << 30, &original, NULL), 0);
    assert_int_equal(tz_file_read(path, (size_t)1 << 30, &copy, NULL), 0);
    assert_int_equal(original.len, copy.len);
    /* SQLite sets counters in the header of the first page. */
    assert_memory_equal(original.data + 100, copy.data + 100, copy.len - 100);
    tz_buf_clear(&original);
    tz_buf_clear(&copy);
}

static void page_sizes_are_kept(void **state)
{
    struct tz_source_fixture *f = *state;
    static const int sizes[] = {512, 1024, 4096, 65536};
    uint32_t block_size = 0;

    for (size_t i = 0; i < TZ_COUNT(sizes); i++) {
        (void)unlink(f->paths[0]);
        make_database(f->paths[0], "DELETE", sizes[i]);
        TZ_SCOPED(tz_scoped_free) char *copy = back_up(f, &block_size);
        assert_int_equal(block_size, sizes[i]);
        check_copy(copy, 20000);
        sqlite3 *database = open_database(copy);
        assert_int_equal(ask(database, "PRAGMA page_size"), sizes[i]);
        assert_int_equal(sqlite3_close(database), SQLITE_OK);
    }
    f->config.block_size = 16384;
    free(back_up(f, &block_size));
    assert_int_equal(block_size, 16384);
}

/* Writes as fast as it can until it is killed: moves values between rows, grows and shrinks. */
static void write_for_ever(const char *path)
{
    sqlite3 *database = open_database(path);

    execute(database, "PRAGMA wal_autocheckpoint=50; PRAGMA synchronous=OFF");
    for (int i = 0;; i++) {
        char sql[400];
        (void)snprintf(sql, sizeof(sql),
                       "BEGIN IMMEDIATE; UPDATE t SET value = value + 1, filler = randomblob(100) "
                       "WHERE id %% 100 = %d; UPDATE t SET value = value - 1 WHERE id %% 100 = %d;"
                       "COMMIT",
                       i % 100, (i * 37 + 1) % 100);
        if (sqlite3_exec(database, sql, NULL, NULL, NULL) != SQLITE_OK)
            (void)sqlite3_exec(database, "ROLLBACK", NULL, NULL, NULL);
    }
}

static void check_while_writing(struct tz_source_fixture *f, const char *mode)
{
    pid_t writers[2];

    make_database(f->paths[0], mode, 4096);
    for (size_t i = 0; i < TZ_COUNT(writers); i++) {
        writers[i] = fork();
        if (writers[i] == 0)
            write_for_ever(f->paths[0]);
    }
    for (int i = 0; i < 12; i++) {
        TZ_SCOPED(tz_scoped_free) char *copy = back_up(f, NULL);
        check_copy(copy, 20000);
        (void)nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    for (size_t i = 0; i < TZ_COUNT(writers); i++) {
        int status = 0;
        assert_int_equal(waitpid(writers[i], &status, WNOHANG), 0); /* still at work */
        assert_int_equal(kill(writers[i], SIGKILL), 0);
        assert_int_equal(waitpid(writers[i], &status, 0), writers[i]);
    }
    /* What they left behind as if the power had failed is recovered and copied, too. */
    TZ_SCOPED(tz_scoped_free) char *copy = back_up(f, NULL);
    check_copy(copy, 20000);
}

static void copies_are_whole_while_others_write_in_wal_mode(void **state)
{
    check_while_writing(*state, "WAL");
}

static void copies_are_whole_while_others_write_with_a_rollback_journal(void **state)
{
    check_while_writing(*state, "DELETE");
}

/* Commits the time, as often as it can. */
static void write_the_time_for_ever(const char *path, int ready)
{
    sqlite3 *database = open_database(path);
    char sql[100];

    execute(database, "PRAGMA synchronous=OFF");
    for (int i = 0;; i++) {
        (void)snprintf(sql, sizeof(sql), "UPDATE stamp SET ns = %jd", (intmax_t)tz_now());
        if (sqlite3_exec(database, sql, NULL, NULL, NULL) != SQLITE_OK)
            _exit(1);
        if (i == 10 && write(ready, "x", 1) != 1)
            _exit(1);
    }
}

/*
 * A database of many steps, and somebody who commits between any two of them: the copy is of one
 * moment, the one that the source tells, and does not begin again with each commit.
 */
static void a_busy_database_is_copied_as_of_one_moment(void **state)
{
    struct tz_source_fixture *f = *state;
    int status = 0, ready[2];
    char byte;

    make_database(f->paths[0], "WAL", 4096);
    sqlite3 *database = open_database(f->paths[0]);
    execute(database, "CREATE TABLE large (data BLOB); CREATE TABLE stamp (ns INTEGER);"
                      "INSERT INTO stamp VALUES (0);"
                      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE "
                      "i < 12000) INSERT INTO large SELECT randomblob(4000) FROM n");
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
    assert_int_equal(pipe(ready), 0);
    pid_t writer = fork();
    if (writer == 0)
        write_the_time_for_ever(f->paths[0], ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    int64_t start_ns = tz_now();
    TZ_SCOPED(tz_scoped_free) char *copy = back_up(f, NULL);
    assert_int_equal(waitpid(writer, &status, WNOHANG), 0);
    assert_int_equal(kill(writer, SIGKILL), 0);
    assert_int_equal(waitpid(writer, &status, 0), writer);
    assert_int_equal(close(ready[0]), 0);
    assert_int_equal(close(ready[1]), 0);

    check_copy(copy, 20000);
    database = open_database(copy);
    int64_t stamp_ns = ask(database, "SELECT ns FROM stamp");
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
    assert_true(last_time_ns >= start_ns);
    assert_true(stamp_ns <= last_time_ns);
    assert_true(stamp_ns > start_ns - 10 * TZ_SECOND_NS);
}

static struct tz_entry stat_now(struct tz_source_fixture *f)
{
    struct tz_test_entries entries;
    struct tz_entry entry;

    tz_test_entries(&f->options, &entries);
    assert_int_equal(entries.count, 1);
    entry = entries.items[0];
    entry.path = NULL;
    tz_test_entries_clear(&entries);
    return entry;
}

static bool same_times(const struct tz_entry *a, const struct tz_entry *b)
{
    return a->mtime_s == b->mtime_s && a->mtime_ns == b->mtime_ns && a->ctime_s == b->ctime_s &&
           a->ctime_ns == b->ctime_ns && a->ino == b->ino;
}

/* A commit that lies in the log alone changes the entry; a backup does not. */
static void the_log_counts_as_a_change(void **state)
{
    struct tz_source_fixture *f = *state;

    make_database(f->paths[0], "WAL", 4096);
    sqlite3 *database = open_database(f->paths[0]);
    assert_int_equal(ask(database, "SELECT count(*) FROM t"), 20000);
    struct tz_entry before = stat_now(f);
    (void)nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    execute(database, "UPDATE t SET value = 0 WHERE id = 1");
    struct tz_entry after = stat_now(f);
    assert_false(same_times(&before, &after));

    TZ_SCOPED(tz_scoped_free) char *copy = back_up(f, NULL);
    check_copy(copy, 20000);
    struct tz_entry again = stat_now(f);
    assert_true(same_times(&after, &again));
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
}

/* Nobody has it open, its log was left behind: looking at it changes nothing. */
static void a_backup_of_an_idle_database_leaves_it_alone(void **state)
{
    struct tz_source_fixture *f = *state;
    static const char *const modes[] = {"WAL", "DELETE"};

    for (size_t i = 0; i < TZ_COUNT(modes); i++) {
        (void)unlink(f->paths[0]);
        make_database(f->paths[0], modes[i], 4096);
        struct tz_entry before = stat_now(f);
        TZ_SCOPED(tz_scoped_free) char *copy = back_up(f, NULL);
        struct tz_entry after = stat_now(f);
        assert_true(same_times(&before, &after));
        check_copy(copy, 20000);
    }
}

static int crash_with_a_log(const char *path)
{
    sqlite3 *database = open_database(path);

    execute(database, "PRAGMA wal_autocheckpoint=0");
    execute(database, "DELETE FROM t WHERE id > 15000");
    _exit(0); /* without closing it */
}

static void a_log_that_was_left_behind_is_copied_and_stays(void **state)
{
    struct tz_source_fixture *f = *state;
    struct stat before, after;
    int status = 0;

    make_database(f->paths[0], "WAL", 4096);
    pid_t pid = fork();
    if (pid == 0)
        _exit(crash_with_a_log(f->paths[0]));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    TZ_SCOPED(tz_scoped_free) char *log = tz_fixture_path(f, "source/app.db-wal");
    assert_int_equal(stat(log, &before), 0);
    assert_true(before.st_size > 0);
    struct tz_entry first = stat_now(f);
    TZ_SCOPED(tz_scoped_free) char *copy = back_up(f, NULL);
    check_copy(copy, 15000);
    assert_int_equal(stat(log, &after), 0);
    assert_int_equal(before.st_size, after.st_size);
    struct tz_entry second = stat_now(f);
    assert_true(same_times(&first, &second));
}

static void metadata_is_that_of_the_database(void **state)
{
    struct tz_source_fixture *f = *state;
    struct tz_entry entry = {0};
    struct tz_input *input = NULL;

    make_database(f->paths[0], "DELETE", 4096);
    assert_int_equal(chmod(f->paths[0], 0640), 0);
    bool has_xattr = setxattr(f->paths[0], "user.app", "1", 1, 0) == 0;
    struct tz_source *source = tz_test_source(&f->options);
    tz_fixture_next(source, &entry, "app.db");
    assert_int_equal(tz_source_load(source, &entry, &input, NULL), 0);
    assert_int_equal(entry.mode, 0640);
    assert_int_equal(entry.type, TZ_ENTRY_FILE);
    if (geteuid() == 0)
        assert_string_equal(entry.user, "root");
    bool found = false;
    for (uint32_t i = 0; i < entry.xattr_count; i++)
        found = found || strcmp(entry.xattrs[i].name, "user.app") == 0;
    assert_int_equal(found, has_xattr);
    tz_input_free(input);
    tz_entry_clear(&entry);
    tz_source_free(source);
}

static void a_link_to_a_database_is_followed(void **state)
{
    struct tz_source_fixture *f = *state;
    struct tz_entry entry = {0};
    struct tz_input *input = NULL;

    make_database(f->paths[0], "WAL", 4096);
    tz_fixture_symlink(f, "source/app.db", "link.db");
    free(f->paths[0]);
    f->paths[0] = tz_fixture_path(f, "link.db");
    struct tz_source *source = tz_test_source(&f->options);
    tz_fixture_next(source, &entry, "link.db");
    assert_int_equal(tz_source_load(source, &entry, &input, NULL), 0);
    assert_true(entry.size > 100000);
    tz_input_free(input);
    tz_entry_clear(&entry);
    tz_source_free(source);
}

static enum tz_error_kind load_fails(struct tz_source_fixture *f)
{
    struct tz_entry entry = {0};
    struct tz_input *input = NULL;
    struct tz_error err = {0};

    struct tz_source *source = tz_test_source(&f->options);
    tz_fixture_next(source, &entry, "app.db");
    assert_int_equal(tz_source_load(source, &entry, &input, &err), -1);
    assert_null(input);
    assert_non_null(strstr(err.message, f->paths[0]));
    tz_entry_clear(&entry);
    tz_source_free(source);
    assert_int_equal(count_files(f->scratch), 0);
    return err.kind;
}

static void what_is_no_database_is_refused(void **state)
{
    struct tz_source_fixture *f = *state;
    struct tz_error err;

    assert_int_equal(tz_fixture_refused(f, &err), TZ_NOT_FOUND);
    char text[10001];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    tz_fixture_file(f, "source/app.db", text);
    assert_int_equal(load_fails(f), TZ_INVALID);

    free(f->paths[0]);
    f->paths[0] = strdup(f->source);
    assert_int_equal(tz_fixture_refused(f, &err), TZ_INVALID);
    f->config.paths.count = 0;
    assert_int_equal(tz_fixture_refused(f, &err), TZ_INVALID);
}

static void a_damaged_database_is_refused(void **state)
{
    struct tz_source_fixture *f = *state;

    make_database(f->paths[0], "DELETE", 4096);
    int fd = open(f->paths[0], O_WRONLY | O_CLOEXEC);
    char garbage[3000];
    memset(garbage, 0x55, sizeof(garbage));
    assert_int_equal(pwrite(fd, garbage, sizeof(garbage), 100), (ssize_t)sizeof(garbage));
    assert_int_equal(close(fd), 0);
    enum tz_error_kind kind = load_fails(f);
    assert_true(kind == TZ_CORRUPT || kind == TZ_INVALID);
}

static void an_empty_database_is_an_empty_file(void **state)
{
    struct tz_source_fixture *f = *state;

    tz_fixture_file(f, "source/app.db", "");
    TZ_SCOPED(tz_scoped_free) char *copy = back_up(f, NULL);
    sqlite3 *database = open_database(copy);
    assert_int_equal(ask(database, "SELECT count(*) FROM sqlite_schema"), 0);
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
}

/* Somebody holds the database and does not let go. */
static int wait_for_a_lock(struct tz_source_fixture *f)
{
    struct tz_entry entry = {0};
    struct tz_input *input = NULL;
    struct tz_error err = {0};

    struct tz_source *source = tz_test_source(&f->options);
    tz_fixture_next(source, &entry, "app.db");
    tz_interrupt_request();
    if (tz_source_load(source, &entry, &input, &err) != -1)
        return 10;
    tz_source_free(source);
    return err.kind == TZ_INTERRUPTED && count_files(f->scratch) == 0 ? 0 : 11;
}

static int hold_a_lock(const char *path, int ready)
{
    sqlite3 *database = open_database(path);

    execute(database, "BEGIN EXCLUSIVE");
    if (write(ready, "x", 1) != 1)
        return 10;
    for (;;)
        (void)pause();
}

/* Both sides in processes of their own: a lock does not stop its own process. */
static void a_wish_to_stop_ends_the_wait_for_a_lock(void **state)
{
    struct tz_source_fixture *f = *state;
    int status = 0, ready[2];
    char byte;

    make_database(f->paths[0], "DELETE", 4096);
    assert_int_equal(pipe(ready), 0);
    pid_t holder = fork();
    if (holder == 0)
        _exit(hold_a_lock(f->paths[0], ready[1]));
    assert_int_equal(read(ready[0], &byte, 1), 1);
    int64_t start = tz_monotonic();
    pid_t waiter = fork();
    if (waiter == 0)
        _exit(wait_for_a_lock(f));
    assert_int_equal(waitpid(waiter, &status, 0), waiter);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_true(tz_monotonic() - start < 10 * TZ_SECOND_NS);
    assert_int_equal(kill(holder, SIGKILL), 0);
    assert_int_equal(waitpid(holder, &status, 0), holder);
    assert_int_equal(close(ready[0]), 0);
    assert_int_equal(close(ready[1]), 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_keeps_the_contract),
        TEST(pages_are_copied_byte_for_byte),
        TEST(page_sizes_are_kept),
        TEST(copies_are_whole_while_others_write_in_wal_mode),
        TEST(copies_are_whole_while_others_write_with_a_rollback_journal),
        TEST(a_busy_database_is_copied_as_of_one_moment),
        TEST(the_log_counts_as_a_change),
        TEST(a_backup_of_an_idle_database_leaves_it_alone),
        TEST(a_log_that_was_left_behind_is_copied_and_stays),
        TEST(metadata_is_that_of_the_database),
        TEST(a_link_to_a_database_is_followed),
        TEST(what_is_no_database_is_refused),
        TEST(a_damaged_database_is_refused),
        TEST(an_empty_database_is_an_empty_file),
        TEST(a_wish_to_stop_ends_the_wait_for_a_lock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
