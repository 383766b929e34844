#include "catalog_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* This program, started anew: SQLite's connections do not survive a fork. */
static pid_t start(const char *job, const char *folder, const char *number)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        (void)execl("/proc/self/exe", "catalog_open_test", job, folder, number, (char *)NULL);
        _exit(127);
    }
    return pid;
}

static int end(pid_t pid)
{
    int status = -1;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* Wait until another process has made the file. */
static void await(const char *path)
{
    struct timespec pause = {.tv_nsec = 5000000};
    struct stat st;

    for (int i = 0; stat(path, &st); i++) {
        assert_true(i < 4000);
        (void)nanosleep(&pause, NULL);
    }
}

static void make_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT, 0600);

    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
}

static mode_t mode_of(const struct fixture *f, const char *suffix)
{
    char path[4096];
    struct stat st;

    (void)snprintf(path, sizeof(path), "%s%s", f->path, suffix);
    if (stat(path, &st))
        fail_msg("%s is missing", path);
    return st.st_mode & 07777;
}

/* The names in the folder that begin with prefix; the last of them is copied to name. */
static unsigned count_files(const struct fixture *f, const char *prefix, char *name, size_t size)
{
    TZ_SCOPED(tz_scoped_dir) DIR *dir = opendir(f->folder);
    unsigned count = 0;

    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));)
        if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0) {
            (void)snprintf(name, size, "%s/%s", f->folder, entry->d_name);
            count++;
        }
    return count;
}

static void a_new_catalog_is_made_for_its_owner_only(void **state)
{
    struct fixture *f = *state;
    mode_t old = umask(0);

    f->catalog = open_catalog(f);
    (void)umask(old);
    assert_int_equal(mode_of(f, ""), 0600);
    assert_int_equal(mode_of(f, "-wal"), 0600);
    assert_int_equal(mode_of(f, "-shm"), 0600);
    assert_int_equal(ask(f, "PRAGMA user_version"), tz_schema_latest());
    assert_int_equal(ask(f, "PRAGMA foreign_keys"), 1);
    assert_int_equal(ask(f, "PRAGMA synchronous"), 1);
    assert_int_equal(ask(f, "PRAGMA trusted_schema"), 0);
    assert_int_equal(ask(f, "PRAGMA cache_size"), -12288);
    assert_int_equal(ask(f, "SELECT journal_mode = 'wal' FROM pragma_journal_mode"), 1);

    /* One that somebody opened up is closed again. */
    tz_catalog_free(f->catalog);
    f->catalog = NULL;
    assert_int_equal(chmod(f->path, 0664), 0);
    f->catalog = open_catalog(f);
    assert_int_equal(mode_of(f, ""), 0600);
    assert_int_equal(mode_of(f, "-wal"), 0600);
}

static void a_strict_umask_does_not_lock_the_owner_out(void **state)
{
    struct fixture *f = *state;
    mode_t old = umask(0777);

    f->catalog = open_catalog(f);
    (void)umask(old);
    assert_int_equal(mode_of(f, ""), 0600);
    assert_int_equal(mode_of(f, "-wal"), 0600);
}

static void every_database_has_an_instance_of_its_own(void **state)
{
    struct fixture *f = *state;
    uint8_t instance[TZ_CATALOG_INSTANCE_SIZE], zeros[TZ_CATALOG_INSTANCE_SIZE] = {0};

    f->catalog = open_catalog(f);
    memcpy(instance, tz_catalog_instance(f->catalog), sizeof(instance));
    assert_memory_not_equal(instance, zeros, sizeof(instance));
    reopen(f);
    assert_memory_equal(instance, tz_catalog_instance(f->catalog), sizeof(instance));
    tz_catalog_free(f->catalog);
    f->catalog = NULL;
    ok(tz_catalog_put_aside(f->folder, &err));
    f->catalog = open_catalog(f);
    assert_memory_not_equal(instance, tz_catalog_instance(f->catalog), sizeof(instance));
}

static void a_folder_that_is_missing_is_named(void **state)
{
    struct fixture *f = *state;
    struct tz_catalog *catalog = NULL;

    fails(tz_catalog_open(&catalog, "/nonexistent/state", repo, &err), TZ_NOT_FOUND);
    assert_null(catalog);
    assert_non_null(strstr(err.message, "catalog '/nonexistent/state/catalog.db'"));
    assert_int_equal(mkdir(f->path, 0700), 0);
    fails(tz_catalog_open(&catalog, f->folder, repo, &err), TZ_INVALID);
    assert_int_equal(rmdir(f->path), 0);
}

static void one_of_another_repository_is_refused(void **state)
{
    struct fixture *f = *state;
    struct tz_catalog *catalog = NULL;

    tz_catalog_free(open_catalog(f));
    fails(tz_catalog_open(&catalog, f->folder, other_repo, &err), TZ_INVALID);
    assert_null(catalog);
    assert_non_null(strstr(err.message, f->path));
    assert_non_null(strstr(err.hint, "tozai catalog rebuild"));
    f->catalog = open_catalog(f);
}

static void a_newer_one_is_refused(void **state)
{
    struct fixture *f = *state;
    struct tz_catalog *catalog = NULL;

    tz_catalog_free(open_catalog(f));
    run_sql(f->path, "PRAGMA user_version = 999");
    fails(tz_catalog_open(&catalog, f->folder, repo, &err), TZ_UNSUPPORTED);
    assert_non_null(strstr(err.message, "999"));
    run_sql(f->path, "PRAGMA user_version = -1");
    fails(tz_catalog_open(&catalog, f->folder, repo, &err), TZ_CORRUPT);
}

/* All that makes up the schema, one text for one thing. */
static void read_schema(const char *path, struct tz_buf *out)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "SELECT name || ': ' || coalesce(sql, '')"
                                        " FROM sqlite_schema ORDER BY name",
                                        -1, &statement, NULL),
                     SQLITE_OK);
    while (sqlite3_step(statement) == SQLITE_ROW)
        ok(tz_buf_printf(out, &err, "%s\n", sqlite3_column_text(statement, 0)));
    assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* A database as the tozai that had only so many steps made it. */
static void make_version(const struct fixture *f, unsigned version)
{
    struct tz_catalog *old = calloc(1, sizeof(*old));

    assert_non_null(old);
    assert_non_null(old->path = strdup(f->path));
    assert_int_equal(sqlite3_open(f->path, &old->db), SQLITE_OK);
    ok(tz_schema_upgrade(old, version, repo, &err));
    unsigned found = 0;
    ok(tz_schema_version(old, &found, &err));
    assert_int_equal(found, version);
    tz_catalog_free(old);
}

static void every_older_version_is_brought_up_to_date(void **state)
{
    struct fixture *f = *state;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf newest = {0};

    assert_true(tz_schema_latest() >= 2);
    tz_catalog_free(open_catalog(f));
    read_schema(f->path, &newest);
    assert_non_null(strstr((const char *)newest.data, "generations_by_source"));
    for (unsigned version = 1; version <= tz_schema_latest(); version++) {
        TZ_SCOPED(tz_scoped_buf) struct tz_buf upgraded = {0};
        ok(tz_catalog_put_aside(f->folder, &err));
        make_version(f, version);
        run_sql(f->path, "INSERT INTO objects(name, kind, size) VALUES ('index/old', 4, 5)");

        struct tz_catalog *catalog = NULL;
        fails(tz_catalog_open(&catalog, f->folder, other_repo, &err), TZ_INVALID);
        f->catalog = open_catalog(f);
        assert_int_equal(ask(f, "PRAGMA user_version"), tz_schema_latest());
        assert_int_equal(ask(f, "SELECT size FROM objects WHERE name = 'index/old'"), 5);
        tz_catalog_free(f->catalog);
        f->catalog = NULL;
        read_schema(f->path, &upgraded);
        assert_string_equal((const char *)upgraded.data, (const char *)newest.data);
    }
}

static void an_upgrade_that_fails_changes_nothing(void **state)
{
    struct fixture *f = *state;
    struct tz_catalog *catalog = NULL;

    make_version(f, 1);
    /* Something is in the way of the second step. */
    run_sql(f->path, "CREATE INDEX generations_by_source ON generations(type)");
    fails(tz_catalog_open(&catalog, f->folder, repo, &err), TZ_FAILED);
    assert_non_null(strstr(err.message, "upgrade to version 2"));
    run_sql(f->path, "DROP INDEX generations_by_source");
    f->catalog = open_catalog(f);
    assert_int_equal(ask(f, "PRAGMA user_version"), tz_schema_latest());
}

static void another_database_is_not_taken_for_a_catalog(void **state)
{
    struct fixture *f = *state;
    struct tz_catalog *catalog = NULL;

    run_sql(f->path, "CREATE TABLE mine(x)");
    fails(tz_catalog_open(&catalog, f->folder, repo, &err), TZ_CORRUPT);
    assert_non_null(strstr(err.hint, "tozai catalog rebuild"));
    run_sql(f->path, "INSERT INTO mine VALUES (1)"); /* still there */
}

/* A catalog with something in it, all of it in its file. */
static void fill(struct fixture *f)
{
    f->catalog = open_catalog(f);
    for (uint64_t i = 0; i < 50; i++)
        add_pack(f, i, 100 * i, 100);
    tz_catalog_free(f->catalog);
    f->catalog = NULL;
}

static void check_refused(const struct fixture *f)
{
    struct tz_catalog *catalog = NULL;

    fails(tz_catalog_open(&catalog, f->folder, repo, &err), TZ_CORRUPT);
    assert_null(catalog);
    assert_non_null(strstr(err.message, f->path));
    assert_non_null(strstr(err.hint, "tozai catalog rebuild"));
}

static void flip(const struct fixture *f, off_t offset)
{
    TZ_SCOPED(tz_scoped_fd) int fd = open(f->path, O_RDWR);
    uint8_t byte;

    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, offset), 1);
    byte ^= 0xff;
    assert_int_equal(pwrite(fd, &byte, 1, offset), 1);
}

static void damage_to_the_file_is_noticed(void **state)
{
    struct fixture *f = *state;
    struct stat st;

    fill(f);
    assert_int_equal(stat(f->path, &st), 0);
    /* The magic text; the page size; the schema's tree; our application's number. */
    static const off_t offsets[] = {3, 16, 100, 68};
    for (size_t i = 0; i < TZ_COUNT(offsets); i++) {
        flip(f, offsets[i]);
        check_refused(f);
        flip(f, offsets[i]);
    }
    struct tz_catalog *catalog = open_catalog(f);
    tz_catalog_free(catalog);

    static const off_t cuts[] = {4096, 100000};
    for (size_t i = 0; i < TZ_COUNT(cuts); i++) {
        assert_int_equal(truncate(f->path, st.st_size - cuts[i]), 0);
        check_refused(f);
    }
    ok(tz_catalog_put_aside(f->folder, &err));
    fill(f);
}

static void damage_inside_is_noticed_when_it_is_met(void **state)
{
    struct fixture *f = *state;
    struct stat st;

    fill(f);
    assert_int_equal(stat(f->path, &st), 0);
    {
        /* Every page but the first, which holds the schema's root. */
        TZ_SCOPED(tz_scoped_fd) int fd = open(f->path, O_RDWR);
        static const uint8_t garbage[16] = {0xde, 0xad, 0xbe, 0xef};
        assert_true(fd >= 0);
        for (off_t at = (off_t)4096 * 40; at < st.st_size; at += 4096)
            assert_int_equal(pwrite(fd, garbage, sizeof(garbage), at), sizeof(garbage));
    }
    f->catalog = open_catalog(f);
    bool failed = false;
    for (uint64_t i = 0; i < 5000 && !failed; i++) {
        uint8_t id[TZ_ID_SIZE];
        struct tz_chunk_place place;
        bool found;
        make_bytes(id, sizeof(id), i);
        failed = tz_catalog_find_chunk(f->catalog, id, &place, &found, &err) != 0;
    }
    assert_true(failed);
    assert_int_equal(err.kind, TZ_CORRUPT);
    assert_non_null(strstr(err.hint, "tozai catalog rebuild"));
}

static void a_schema_that_lacks_something_is_noticed(void **state)
{
    struct fixture *f = *state;
    int64_t pack = 0;
    uint8_t hash[TZ_HASH_SIZE] = {0};

    tz_catalog_free(open_catalog(f));
    run_sql(f->path, "DROP TABLE frames; DROP TABLE packs");
    f->catalog = open_catalog(f);
    fails(tz_catalog_find_pack(f->catalog, hash, &pack, &err), TZ_CORRUPT);
    assert_non_null(strstr(err.hint, "tozai catalog rebuild"));
    tz_catalog_free(f->catalog);
    f->catalog = NULL;
    run_sql(f->path, "DELETE FROM meta WHERE key = 'repository'");
    check_refused(f);
    run_sql(f->path, "INSERT INTO meta VALUES ('repository', x'00')");
    check_refused(f);
    run_sql(f->path, "DROP TABLE meta");
    check_refused(f);
}

static void an_empty_file_becomes_a_catalog(void **state)
{
    struct fixture *f = *state;

    /* What a crash between the making of the file and the first transaction leaves. */
    make_file(f->path);
    f->catalog = open_catalog(f);
    assert_int_equal(ask(f, "PRAGMA user_version"), tz_schema_latest());
}

static void one_that_is_put_aside_can_still_be_read(void **state)
{
    struct fixture *f = *state;
    char name[4096] = "";

    ok(tz_catalog_put_aside(f->folder, &err)); /* nothing there */
    fill(f);
    ok(tz_catalog_put_aside(f->folder, &err));
    assert_int_equal(access(f->path, F_OK), -1);
    assert_int_equal(count_files(f, "catalog.db.bad-", name, sizeof(name)), 1);
    run_sql(name, "SELECT * FROM packs");
    /* Several within one second. */
    tz_catalog_free(open_catalog(f));
    ok(tz_catalog_put_aside(f->folder, &err));
    tz_catalog_free(open_catalog(f));
    ok(tz_catalog_put_aside(f->folder, &err));
    assert_int_equal(count_files(f, "catalog.db.bad-", name, sizeof(name)), 3);
    f->catalog = open_catalog(f);
    assert_int_equal(ask(f, "SELECT count(*) FROM packs"), 0);
}

static void the_log_of_a_killed_process_goes_aside_too(void **state)
{
    struct fixture *f = *state;
    char name[4096] = "";

    assert_int_equal(end(start("die", f->folder, "1")), 9);
    (void)mode_of(f, "-wal");
    ok(tz_catalog_put_aside(f->folder, &err));
    assert_int_equal(count_files(f, "catalog.db-", name, sizeof(name)), 0);
    assert_int_equal(count_files(f, "catalog.db.bad-", name, sizeof(name)), 2);
    f->catalog = open_catalog(f);
    assert_int_equal(ask(f, "SELECT count(*) FROM objects"), 0);
}

static void what_a_killed_process_committed_is_there(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(end(start("die", f->folder, "1")), 9);
    f->catalog = open_catalog(f);
    assert_int_equal(ask(f, "SELECT count(*) FROM objects WHERE name = 'committed'"), 1);
    assert_int_equal(ask(f, "SELECT count(*) FROM objects WHERE name = 'not committed'"), 0);
}

static void one_in_use_is_not_put_aside(void **state)
{
    struct fixture *f = *state;
    char ready[4096], stop[4096], name[4096];

    (void)snprintf(ready, sizeof(ready), "%s/ready", f->folder);
    (void)snprintf(stop, sizeof(stop), "%s/stop", f->folder);
    pid_t pid = start("hold", f->folder, "1");
    await(ready);
    fails(tz_catalog_put_aside(f->folder, &err), TZ_BUSY);
    assert_int_equal(access(f->path, F_OK), 0);
    make_file(stop);
    assert_int_equal(end(pid), 0);
    ok(tz_catalog_put_aside(f->folder, &err));
    assert_int_equal(count_files(f, "catalog.db.bad-", name, sizeof(name)), 1);
}

static void processes_may_make_it_at_the_same_time(void **state)
{
    struct fixture *f = *state;
    enum { PROCESSES = 6 };
    pid_t pids[PROCESSES];
    static const char *const numbers[PROCESSES] = {"1", "2", "3", "4", "5", "6"};

    for (size_t i = 0; i < PROCESSES; i++)
        pids[i] = start("add", f->folder, numbers[i]);
    for (size_t i = 0; i < PROCESSES; i++)
        assert_int_equal(end(pids[i]), 0);
    f->catalog = open_catalog(f);
    assert_int_equal(ask(f, "SELECT count(*) FROM packs"), PROCESSES * 20 + 1);
    assert_int_equal(ask(f, "SELECT count(*) FROM meta"), 4);
    assert_int_equal(ask(f, "SELECT count(*) FROM objects"), PROCESSES * 20 + 1);
}

static void a_writer_waits_for_another_one(void **state)
{
    struct fixture *f = *state;
    char ready[4096], stop[4096];
    int64_t object = 0;

    (void)snprintf(ready, sizeof(ready), "%s/ready", f->folder);
    (void)snprintf(stop, sizeof(stop), "%s/stop", f->folder);
    f->catalog = open_catalog(f);
    pid_t pid = start("hold", f->folder, "write");
    await(ready);

    /* Readers do not wait. */
    assert_int_equal(ask(f, "SELECT count(*) FROM objects"), 0);
    assert_int_equal(sqlite3_busy_timeout(f->catalog->db, 50), SQLITE_OK);
    fails(tz_catalog_begin(f->catalog, &err), TZ_BUSY);
    assert_non_null(strstr(err.message, "another process"));
    assert_true(err.hint[0] != '\0');
    fails(tz_catalog_add_object(f->catalog, "index/x", 1, &object, &err), TZ_BUSY);

    assert_int_equal(sqlite3_busy_timeout(f->catalog->db, TZ_CATALOG_WAIT_MS), SQLITE_OK);
    make_file(stop);
    ok(tz_catalog_begin(f->catalog, &err));
    ok(tz_catalog_add_object(f->catalog, "index/x", 1, &object, &err));
    ok(tz_catalog_commit(f->catalog, &err));
    assert_int_equal(end(pid), 0);
    assert_int_equal(ask(f, "SELECT count(*) FROM objects WHERE name = 'held'"), 1);
}

/* What another process does; its exit status. */
static int do_job(const char *job, char *folder, const char *number)
{
    struct fixture f = {.folder = folder};
    int64_t object = 0;

    f.catalog = open_catalog(&f);
    if (strcmp(job, "add") == 0) {
        /* Packs of its own, and one that all add. */
        for (uint64_t i = 0; i < 20; i++) {
            add_pack(&f, (uint64_t)atoi(number) * 1000 + i, 0, 30);
            add_pack(&f, 7, 0, 30);
        }
    } else if (strcmp(job, "die") == 0) {
        ok(tz_catalog_add_object(f.catalog, "committed", 1, &object, &err));
        ok(tz_catalog_begin(f.catalog, &err));
        ok(tz_catalog_add_object(f.catalog, "not committed", 1, &object, &err));
        _exit(9);
    } else {
        char ready[4096], stop[4096];
        (void)snprintf(ready, sizeof(ready), "%s/ready", folder);
        (void)snprintf(stop, sizeof(stop), "%s/stop", folder);
        bool write = strcmp(number, "write") == 0;
        if (write) {
            ok(tz_catalog_begin(f.catalog, &err));
            ok(tz_catalog_add_object(f.catalog, "held", 1, &object, &err));
        }
        make_file(ready);
        await(stop);
        if (write)
            ok(tz_catalog_commit(f.catalog, &err));
    }
    tz_catalog_free(f.catalog);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 4)
        return tz_crypto_init(&err) ? 1 : do_job(argv[1], argv[2], argv[3]);

#define TEST(name) cmocka_unit_test_setup_teardown(name, enter_folder, leave)
    const struct CMUnitTest tests[] = {
        TEST(a_new_catalog_is_made_for_its_owner_only),
        TEST(a_strict_umask_does_not_lock_the_owner_out),
        TEST(every_database_has_an_instance_of_its_own),
        TEST(a_folder_that_is_missing_is_named),
        TEST(one_of_another_repository_is_refused),
        TEST(a_newer_one_is_refused),
        TEST(every_older_version_is_brought_up_to_date),
        TEST(an_upgrade_that_fails_changes_nothing),
        TEST(another_database_is_not_taken_for_a_catalog),
        TEST(damage_to_the_file_is_noticed),
        TEST(damage_inside_is_noticed_when_it_is_met),
        TEST(a_schema_that_lacks_something_is_noticed),
        TEST(an_empty_file_becomes_a_catalog),
        TEST(one_that_is_put_aside_can_still_be_read),
        TEST(the_log_of_a_killed_process_goes_aside_too),
        TEST(what_a_killed_process_committed_is_there),
        TEST(one_in_use_is_not_put_aside),
        TEST(processes_may_make_it_at_the_same_time),
        TEST(a_writer_waits_for_another_one),
    };
    return cmocka_run_group_tests_name("catalog open", tests, NULL, NULL);
}
