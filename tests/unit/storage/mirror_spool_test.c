#include "mirror_fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define OBJECT ((size_t)10000)
#define PUTS   40U

struct spooled {
    struct fixture fixture;
    char folder[64]; /* west's */
};

/* West has room for two objects in memory, and a spool. */
static void open_patient(struct spooled *spooled, uint64_t max_bytes, unsigned patience_ms,
                         uint64_t total_bytes)
{
    const struct tz_mirror_options options = {.queue_bytes = 5 * OBJECT / 2,
                                              .total_queue_bytes = total_bytes,
                                              .unordered = "packs/",
                                              .writers = 2,
                                              .patience_ms = patience_ms};
    struct tz_error err = {0};
    char base[] = "/tmp/tozai-spool-XXXXXX";

    *spooled = (struct spooled){0};
    assert_non_null(mkdtemp(base));
    (void)snprintf(spooled->folder, sizeof(spooled->folder), "%s/spool/west", base);
    fixture_open(&spooled->fixture, &options);
    if (tz_mirror_spool(spooled->fixture.mirror, WEST, spooled->folder, max_bytes, &err))
        fail_msg("%s", err.message);
    for (size_t i = 0; i < TZ_COUNT(spooled->fixture.faulty); i++)
        faulty_store_plan(spooled->fixture.faulty[i], &(struct faulty_plan){.calls = FAULTY_PUT});
}

static void open_spooled(struct spooled *spooled, uint64_t max_bytes)
{
    open_patient(spooled, max_bytes, 0, 0);
}

static unsigned count_files(const struct spooled *spooled)
{
    DIR *dir = opendir(spooled->folder);
    unsigned count = 0;
    if (!dir)
        return 0;
    for (const struct dirent *entry; (entry = readdir(dir));)
        count += entry->d_name[0] != '.';
    (void)closedir(dir);
    return count;
}

/* Nothing of it stays. */
static void close_spooled(struct spooled *spooled)
{
    fixture_close(&spooled->fixture);
    assert_int_equal(access(spooled->folder, F_OK), -1);
    for (unsigned i = 0; i < 2; i++) {
        *strrchr(spooled->folder, '/') = '\0';
        assert_int_equal(rmdir(spooled->folder), 0);
    }
}

static int put_number(struct spooled *spooled, const char *prefix, unsigned n, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_blob) struct tz_blob *blob = NULL;
    char name[32];

    (void)snprintf(name, sizeof(name), "%s%02u", prefix, n);
    assert_int_equal(tz_blob_new(&blob, OBJECT, NULL), 0);
    memset(blob->data, (int)n, OBJECT);
    blob->len = OBJECT;
    return tz_mirror_put(spooled->fixture.mirror, name, blob, TZ_MIRROR_ALL, n, err);
}

static void put_all(struct spooled *spooled, const char *prefix, unsigned from, unsigned to)
{
    for (unsigned n = from; n < to; n++) {
        struct tz_error err = {0};
        if (put_number(spooled, prefix, n, &err))
            fail_msg("%s", err.message);
    }
}

/* How many results say that a store has the object. */
static unsigned count_stored(struct spooled *spooled, size_t store)
{
    struct tz_mirror_result results[2 * PUTS];
    size_t count = tz_mirror_results(spooled->fixture.mirror, results, TZ_COUNT(results));
    unsigned stored = 0;

    for (size_t i = 0; i < count; i++)
        stored += results[i].store == store && results[i].stored;
    return stored;
}

static void assert_content(struct spooled *spooled, const char *prefix)
{
    for (unsigned n = 0; n < PUTS; n++) {
        TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
        char name[32];
        (void)snprintf(name, sizeof(name), "%s%02u", prefix, n);
        assert_int_equal(
            tz_store_get(spooled->fixture.inside[WEST], name, 0, OBJECT + 1, &out, NULL), 0);
        assert_int_equal(out.len, OBJECT);
        assert_int_equal(out.data[0], n);
        assert_int_equal(out.data[OBJECT - 1], n);
    }
}

static void await_inside(struct spooled *spooled, size_t store, const char *name)
{
    for (unsigned i = 0; i < 500 && !is_inside(&spooled->fixture, store, name); i++)
        (void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    assert_true(is_inside(&spooled->fixture, store, name));
}

static void a_store_that_stands_still_does_not_stop_the_other(void **state)
{
    (void)state;
    struct spooled spooled;
    struct stat st;
    open_spooled(&spooled, 100 * OBJECT);
    faulty_store_hold(spooled.fixture.faulty[WEST]);
    put_all(&spooled, "packs/", 0, PUTS);
    assert_int_equal(count_files(&spooled), PUTS - 2);
    assert_int_equal(stat(spooled.folder, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    await_inside(&spooled, EAST, "packs/39");
    assert_false(is_inside(&spooled.fixture, WEST, "packs/39"));

    faulty_store_let_go(spooled.fixture.faulty[WEST]);
    assert_int_equal(tz_mirror_flush(spooled.fixture.mirror, NULL), 0);
    assert_int_equal(count_files(&spooled), 0);
    assert_int_equal(count_stored(&spooled, WEST), PUTS);
    assert_content(&spooled, "packs/");
    close_spooled(&spooled);
}

static void a_store_that_is_a_little_slower_needs_no_files(void **state)
{
    (void)state;
    struct spooled spooled;
    open_patient(&spooled, 100 * OBJECT, 600000, 0);
    faulty_store_plan(spooled.fixture.faulty[WEST],
                      &(struct faulty_plan){.calls = FAULTY_PUT, .delay_ms = 5});
    for (unsigned n = 0; n < PUTS; n++) {
        put_all(&spooled, "packs/", n, n + 1);
        assert_int_equal(count_files(&spooled), 0);
    }
    assert_int_equal(tz_mirror_flush(spooled.fixture.mirror, NULL), 0);
    assert_int_equal(count_stored(&spooled, WEST), PUTS);
    assert_content(&spooled, "packs/");
    close_spooled(&spooled);
}

static void patience_ends(void **state)
{
    (void)state;
    struct spooled spooled;
    open_patient(&spooled, 100 * OBJECT, 50, 0);
    faulty_store_hold(spooled.fixture.faulty[WEST]);
    put_all(&spooled, "packs/", 0, PUTS);
    assert_int_equal(count_files(&spooled), PUTS - 2);
    faulty_store_let_go(spooled.fixture.faulty[WEST]);
    assert_int_equal(tz_mirror_flush(spooled.fixture.mirror, NULL), 0);
    assert_int_equal(count_stored(&spooled, WEST), PUTS);
    close_spooled(&spooled);
}

static void files_are_their_owners_alone(void **state)
{
    (void)state;
    struct spooled spooled;
    struct stat st;
    char file[80];
    mode_t before = umask(0);
    open_spooled(&spooled, 100 * OBJECT);
    faulty_store_hold(spooled.fixture.faulty[WEST]);
    put_all(&spooled, "packs/", 0, 4);
    (void)umask(before);
    (void)snprintf(file, sizeof(file), "%s/0", spooled.folder);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(st.st_size, OBJECT);
    faulty_store_let_go(spooled.fixture.faulty[WEST]);
    assert_int_equal(tz_mirror_flush(spooled.fixture.mirror, NULL), 0);
    close_spooled(&spooled);
}

static void the_order_stays(void **state)
{
    (void)state;
    struct spooled spooled;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf expected = {0};
    open_spooled(&spooled, 100 * OBJECT);
    faulty_store_hold(spooled.fixture.faulty[WEST]);
    /* Names in whose order nothing may change. */
    put_all(&spooled, "index/", 0, PUTS);
    faulty_store_let_go(spooled.fixture.faulty[WEST]);
    assert_int_equal(tz_mirror_flush(spooled.fixture.mirror, NULL), 0);
    for (unsigned n = 0; n < PUTS; n++)
        assert_int_equal(tz_buf_printf(&expected, NULL, "index/%02u ", n), 0);
    TZ_SCOPED(tz_scoped_free) char *journal = faulty_store_journal(spooled.fixture.faulty[WEST]);
    assert_string_equal(journal, (const char *)expected.data);
    assert_content(&spooled, "index/");
    close_spooled(&spooled);
}

static void *let_go_later(void *arg)
{
    (void)nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
    faulty_store_let_go(arg);
    return NULL;
}

/* The put that finds no room waits until this store goes on. */
static void assert_waits(struct spooled *spooled, unsigned n, size_t store)
{
    pthread_t thread;
    struct timespec begin, end;
    (void)clock_gettime(CLOCK_MONOTONIC, &begin);
    assert_int_equal(pthread_create(&thread, NULL, let_go_later, spooled->fixture.faulty[store]),
                     0);
    put_all(spooled, "packs/", n, n + 1);
    (void)clock_gettime(CLOCK_MONOTONIC, &end);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true((end.tv_sec - begin.tv_sec) * 1000 + (end.tv_nsec - begin.tv_nsec) / 1000000 > 200);
}

static void a_full_spool_makes_puts_wait(void **state)
{
    (void)state;
    struct spooled spooled;
    open_spooled(&spooled, 7 * OBJECT / 2);
    faulty_store_hold(spooled.fixture.faulty[WEST]);
    put_all(&spooled, "packs/", 0, 5);
    assert_int_equal(count_files(&spooled), 3);
    assert_waits(&spooled, 5, WEST);
    put_all(&spooled, "packs/", 6, PUTS);
    assert_int_equal(tz_mirror_flush(spooled.fixture.mirror, NULL), 0);
    assert_int_equal(count_stored(&spooled, WEST), PUTS);
    assert_content(&spooled, "packs/");
    close_spooled(&spooled);
}

/* West keeps the first two objects in memory, so east may have only one other, though not two of
 * its own would be too many. */
static void different_objects_in_memory_are_few(void **state)
{
    (void)state;
    struct spooled spooled;
    open_patient(&spooled, 100 * OBJECT, 0, 7 * OBJECT / 2);
    faulty_store_hold(spooled.fixture.faulty[WEST]);
    put_all(&spooled, "packs/", 0, 2);
    await_inside(&spooled, EAST, "packs/01");
    faulty_store_hold(spooled.fixture.faulty[EAST]);
    put_all(&spooled, "packs/", 2, 3);
    assert_int_equal(count_files(&spooled), 1);
    assert_waits(&spooled, 3, EAST);
    faulty_store_let_go(spooled.fixture.faulty[WEST]);
    put_all(&spooled, "packs/", 4, PUTS);
    assert_int_equal(tz_mirror_flush(spooled.fixture.mirror, NULL), 0);
    assert_int_equal(count_stored(&spooled, WEST), PUTS);
    assert_content(&spooled, "packs/");
    close_spooled(&spooled);
}

/* What both have still to write counts once, and who has little waits instead of writing files. */
static void a_store_that_is_ahead_writes_no_files(void **state)
{
    (void)state;
    struct spooled spooled;
    open_patient(&spooled, 100 * OBJECT, 0, 5 * OBJECT / 2);
    faulty_store_hold(spooled.fixture.faulty[WEST]);
    faulty_store_hold(spooled.fixture.faulty[EAST]);
    put_all(&spooled, "packs/", 0, 2);
    assert_int_equal(count_files(&spooled), 0);
    faulty_store_let_go(spooled.fixture.faulty[EAST]);
    await_inside(&spooled, EAST, "packs/01");
    put_all(&spooled, "packs/", 2, PUTS);
    await_inside(&spooled, EAST, "packs/39");
    assert_int_equal(count_files(&spooled), PUTS - 2);
    faulty_store_let_go(spooled.fixture.faulty[WEST]);
    assert_int_equal(tz_mirror_flush(spooled.fixture.mirror, NULL), 0);
    assert_int_equal(count_stored(&spooled, WEST), PUTS);
    assert_content(&spooled, "packs/");
    close_spooled(&spooled);
}

/* A folder that has gone takes no files, as a disk that is full does not. */
static void without_a_place_for_files_puts_wait(void **state)
{
    (void)state;
    struct spooled spooled;
    open_spooled(&spooled, 100 * OBJECT);
    faulty_store_hold(spooled.fixture.faulty[WEST]);
    put_all(&spooled, "packs/", 0, 2);
    assert_int_equal(rmdir(spooled.folder), 0);
    assert_waits(&spooled, 2, WEST);
    put_all(&spooled, "packs/", 3, PUTS);
    assert_int_equal(tz_mirror_flush(spooled.fixture.mirror, NULL), 0);
    assert_int_equal(count_stored(&spooled, WEST), PUTS);
    assert_content(&spooled, "packs/");
    close_spooled(&spooled);
}

static void what_waits_for_a_store_that_goes_out_is_removed(void **state)
{
    (void)state;
    struct spooled spooled;
    open_spooled(&spooled, 100 * OBJECT);
    faulty_store_plan(spooled.fixture.faulty[WEST], &(struct faulty_plan){.calls = FAULTY_PUT,
                                                                          .at = 1,
                                                                          .times = FAULTY_FOR_GOOD,
                                                                          .kind = TZ_NOSPC});
    faulty_store_hold(spooled.fixture.faulty[WEST]);
    put_all(&spooled, "packs/", 0, PUTS);
    faulty_store_let_go(spooled.fixture.faulty[WEST]);
    assert_int_equal(tz_mirror_flush(spooled.fixture.mirror, NULL), 0);
    assert_false(tz_mirror_usable(spooled.fixture.mirror, WEST));
    assert_int_equal(count_files(&spooled), 0);
    assert_int_equal(count_stored(&spooled, EAST), PUTS);
    close_spooled(&spooled);
}

static void a_file_that_was_changed_is_not_stored(void **state)
{
    (void)state;
    struct spooled spooled;
    struct tz_error err = {0};
    char file[80];
    open_spooled(&spooled, 100 * OBJECT);
    faulty_store_hold(spooled.fixture.faulty[WEST]);
    put_all(&spooled, "packs/", 0, 4);
    (void)snprintf(file, sizeof(file), "%s/1", spooled.folder);
    int fd = open(file, O_WRONLY);
    assert_int_equal(pwrite(fd, "X", 1, 100), 1);
    (void)close(fd);
    faulty_store_let_go(spooled.fixture.faulty[WEST]);
    assert_int_equal(tz_mirror_flush(spooled.fixture.mirror, NULL), 0);
    assert_true(tz_mirror_error(spooled.fixture.mirror, WEST, &err));
    assert_int_equal(err.kind, TZ_IO);
    assert_false(is_inside(&spooled.fixture, WEST, "packs/03"));
    assert_true(is_inside(&spooled.fixture, EAST, "packs/03"));
    close_spooled(&spooled);
}

static void leftovers_are_removed_and_the_end_removes_all(void **state)
{
    (void)state;
    struct spooled spooled;
    char file[80];
    open_spooled(&spooled, 100 * OBJECT);
    (void)snprintf(file, sizeof(file), "%s/17", spooled.folder);
    int fd = open(file, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    (void)close(fd);
    assert_int_equal(
        tz_mirror_spool(spooled.fixture.mirror, WEST, spooled.folder, 100 * OBJECT, NULL), 0);
    assert_int_equal(count_files(&spooled), 0);
    /* Freed without a flush: two are being written, the rest is dropped. */
    faulty_store_hold(spooled.fixture.faulty[WEST]);
    put_all(&spooled, "packs/", 0, 10);
    faulty_store_await(spooled.fixture.faulty[WEST], 1);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, let_go_later, spooled.fixture.faulty[WEST]), 0);
    tz_mirror_free(TZ_TAKE(spooled.fixture.mirror));
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(count_files(&spooled), 0);
    close_spooled(&spooled);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_store_that_stands_still_does_not_stop_the_other),
        cmocka_unit_test(a_store_that_is_a_little_slower_needs_no_files),
        cmocka_unit_test(patience_ends),
        cmocka_unit_test(files_are_their_owners_alone),
        cmocka_unit_test(the_order_stays),
        cmocka_unit_test(a_full_spool_makes_puts_wait),
        cmocka_unit_test(different_objects_in_memory_are_few),
        cmocka_unit_test(a_store_that_is_ahead_writes_no_files),
        cmocka_unit_test(without_a_place_for_files_puts_wait),
        cmocka_unit_test(what_waits_for_a_store_that_goes_out_is_removed),
        cmocka_unit_test(a_file_that_was_changed_is_not_stored),
        cmocka_unit_test(leftovers_are_removed_and_the_end_removes_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
