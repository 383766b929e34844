/* Many reads share few trays. */
#include "core/restore/engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { WORKERS = REMOTE_READERS, ROUNDS = 20 };

/* A line on which every answer takes latency_us, and whose bytes come for move_us. */
struct line {
    struct restore restore;
    long latency_us, move_us;
    pthread_mutex_t mutex;
    unsigned reads, most_reads, trays, most_trays, waits, most_waits;
};
struct reader {
    unsigned seed;
    struct line *line;
    struct worker worker;
    pthread_t thread;
};

static void pause_us(long us)
{
    const struct timespec pause = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
    (void)nanosleep(&pause, NULL);
}

static void count(struct line *line, unsigned *now, unsigned *most, int change)
{
    (void)pthread_mutex_lock(&line->mutex);
    *now += (unsigned)change;
    *most = TZ_MAX(*most, *now);
    (void)pthread_mutex_unlock(&line->mutex);
}

static void read_once(struct reader *reader)
{
    struct line *line = reader->line;
    struct worker *worker = &reader->worker;

    tz_restore_begin_read(&line->restore);
    count(line, &line->reads, &line->most_reads, 1);
    pause_us(line->latency_us);
    count(line, &line->waits, &line->most_waits, 1);
    while (!tz_restore_take_tray(&line->restore, worker))
        pause_us(100);
    count(line, &line->waits, &line->most_waits, -1);
    count(line, &line->trays, &line->most_trays, 1);
    assert_true(worker->sealed.cap >= TZ_RUN_BYTES);
    assert_true(tz_restore_take_tray(&line->restore, worker)); /* he has it already */
    worker->sealed.data[0] = 1;
    worker->sealed.len = 1;
    /* Half as long to half as long again. */
    reader->seed = reader->seed * 1103515245U + 12345U;
    pause_us(line->move_us / 2 + (long)(reader->seed >> 16) % line->move_us);
    count(line, &line->trays, &line->most_trays, -1);
    count(line, &line->reads, &line->most_reads, -1);
    tz_restore_end_read(&line->restore, worker);
    assert_null(worker->sealed.data);
}

static void *read_often(void *arg)
{
    for (unsigned i = 0; i < ROUNDS; i++)
        read_once(arg);
    return NULL;
}

static void run(struct line *line)
{
    struct reader *readers = calloc(WORKERS, sizeof(*readers));

    assert_non_null(readers);
    line->restore.run_bytes = TZ_RUN_BYTES;
    (void)pthread_mutex_init(&line->mutex, NULL);
    (void)pthread_mutex_init(&line->restore.tray_mutex, NULL);
    (void)pthread_cond_init(&line->restore.turn, NULL);
    assert_int_equal(tz_restore_make_trays(&line->restore, TRAYS, NULL), 0);
    for (unsigned i = 0; i < WORKERS; i++) {
        readers[i].seed = i;
        readers[i].line = line;
        assert_int_equal(pthread_create(&readers[i].thread, NULL, read_often, &readers[i]), 0);
    }
    for (unsigned i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_join(readers[i].thread, NULL), 0);
    assert_int_equal(line->restore.free_trays, TRAYS);
    assert_int_equal(line->restore.reads, 0);
    assert_int_equal(line->restore.tray_waits, 0);
    assert_in_range(line->most_trays, 1, TRAYS);
    tz_restore_free_trays(&line->restore);
    (void)pthread_cond_destroy(&line->restore.turn);
    (void)pthread_mutex_destroy(&line->restore.tray_mutex);
    (void)pthread_mutex_destroy(&line->mutex);
    free(readers);
}

static void late_answers_bring_more_reads_than_trays(void **state)
{
    (void)state;
    struct line line = {.latency_us = 30000, .move_us = 200};

    run(&line);
    assert_in_range(line.most_reads, TRAYS + 1, WORKERS);
}

/* Where the bytes are what takes long, no answer is left waiting for many others. */
static void a_slow_line_is_asked_for_little_more_than_fits(void **state)
{
    (void)state;
    struct line line = {.latency_us = 500, .move_us = 20000};

    run(&line);
    assert_in_range(line.most_reads, TRAYS, 2 * TRAYS);
    assert_in_range(line.most_waits, 1, TRAYS);
}

static void a_read_that_fails_while_it_waits_counts_no_longer(void **state)
{
    (void)state;
    struct restore restore = {.run_bytes = TZ_RUN_BYTES};
    struct worker workers[TRAYS + 2] = {{0}};

    (void)pthread_mutex_init(&restore.tray_mutex, NULL);
    (void)pthread_cond_init(&restore.turn, NULL);
    assert_int_equal(tz_restore_make_trays(&restore, TRAYS, NULL), 0);
    restore.most_reads = TRAYS + 3;
    for (unsigned i = 0; i < TRAYS + 2; i++) {
        tz_restore_begin_read(&restore);
        assert_int_equal(tz_restore_take_tray(&restore, &workers[i]), i < TRAYS);
    }
    assert_int_equal(restore.tray_waits, 2);
    tz_restore_end_read(&restore, &workers[TRAYS]);
    assert_int_equal(restore.tray_waits, 1);
    tz_restore_end_read(&restore, &workers[0]);
    assert_true(tz_restore_take_tray(&restore, &workers[TRAYS + 1]));
    assert_int_equal(restore.tray_waits, 0);
    for (unsigned i = 1; i < TRAYS + 2; i++)
        if (i != TRAYS)
            tz_restore_end_read(&restore, &workers[i]);
    assert_int_equal(restore.free_trays, TRAYS);
    assert_int_equal(restore.reads, 0);
    tz_restore_free_trays(&restore);
    (void)pthread_cond_destroy(&restore.turn);
    (void)pthread_mutex_destroy(&restore.tray_mutex);
}

/* What something came on early is a tray for the others then. */
static void a_tray_may_be_added_later(void **state)
{
    (void)state;
    struct restore restore = {.run_bytes = TZ_RUN_BYTES};
    struct worker worker = {0};
    struct tz_buf bytes = {0};

    (void)pthread_mutex_init(&restore.tray_mutex, NULL);
    (void)pthread_cond_init(&restore.turn, NULL);
    assert_int_equal(tz_restore_make_trays(&restore, 0, NULL), 0);
    tz_restore_begin_read(&restore);
    assert_false(tz_restore_take_tray(&restore, &worker));
    assert_int_equal(tz_buf_reserve(&bytes, TZ_RUN_BYTES, NULL), 0);
    const uint8_t *memory = bytes.data;
    bytes.len = 7;
    tz_restore_add_tray(&restore, &bytes);
    assert_null(bytes.data);
    assert_true(tz_restore_take_tray(&restore, &worker));
    assert_ptr_equal(worker.sealed.data, memory);
    assert_int_equal(worker.sealed.len, 0);
    tz_restore_end_read(&restore, &worker);
    assert_int_equal(restore.free_trays, 1);
    tz_restore_free_trays(&restore);
    (void)pthread_cond_destroy(&restore.turn);
    (void)pthread_mutex_destroy(&restore.tray_mutex);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(late_answers_bring_more_reads_than_trays),
        cmocka_unit_test(a_slow_line_is_asked_for_little_more_than_fits),
        cmocka_unit_test(a_read_that_fails_while_it_waits_counts_no_longer),
        cmocka_unit_test(a_tray_may_be_added_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
