#include "mirror_fixture.h"

#include <pthread.h>
#include <time.h>

#define PUTS 20

/* For each tag and store: 0 no result, 1 stored, 2 not stored, more: reported twice. */
struct outcome {
    unsigned of[PUTS][STORES];
    size_t count;
};

static void add_results(struct fixture *fixture, struct outcome *outcome)
{
    struct tz_mirror_result results[7];
    size_t n = 0;
    do {
        n = tz_mirror_results(fixture->mirror, results, TZ_COUNT(results));
        assert_true(n <= TZ_COUNT(results));
        for (size_t i = 0; i < n; i++) {
            assert_true(results[i].tag < PUTS && results[i].store < STORES);
            outcome->of[results[i].tag][results[i].store] += results[i].stored ? 1 : 2;
            outcome->count++;
        }
    } while (n == TZ_COUNT(results));
}

static void put_number(struct fixture *fixture, unsigned n)
{
    char name[32];
    struct tz_error err = {0};
    (void)snprintf(name, sizeof(name), "packs/%02u", n);
    if (put_text(fixture, name, name, TZ_MIRROR_ALL, n, &err))
        fail_msg("%s", err.message);
}

static void flush(struct fixture *fixture)
{
    struct tz_error err = {0};
    if (tz_mirror_flush(fixture->mirror, &err))
        fail_msg("%s", err.message);
}

static enum tz_error_kind kind_of(struct fixture *fixture, size_t store)
{
    struct tz_error err = {0};
    if (!tz_mirror_error(fixture->mirror, store, &err))
        return TZ_OK;
    assert_false(tz_mirror_usable(fixture->mirror, store));
    assert_true(err.message[0] != '\0');
    return err.kind;
}

static void pause_ms(unsigned ms)
{
    struct timespec pause = {.tv_nsec = (long)ms * 1000000};
    (void)nanosleep(&pause, NULL);
}

static void every_store_receives_every_object_in_order(void **state)
{
    (void)state;
    struct fixture fixture;
    struct outcome outcome = {0};
    fixture_open(&fixture, NULL);
    struct tz_buf expected = {0};
    for (unsigned n = 0; n < PUTS; n++) {
        put_number(&fixture, n);
        assert_int_equal(tz_buf_printf(&expected, NULL, "packs/%02u ", n), 0);
    }
    flush(&fixture);
    add_results(&fixture, &outcome);
    assert_int_equal(outcome.count, PUTS * STORES);
    for (size_t i = 0; i < STORES; i++) {
        TZ_SCOPED(tz_scoped_free) char *journal = faulty_store_journal(fixture.faulty[i]);
        assert_string_equal(journal, (const char *)expected.data);
        for (unsigned n = 0; n < PUTS; n++)
            assert_int_equal(outcome.of[n][i], 1);
        assert_true(tz_mirror_usable(fixture.mirror, i));
        assert_string_equal(tz_mirror_name(fixture.mirror, i), store_names[i]);
    }
    /* What was handed out does not come again. */
    add_results(&fixture, &outcome);
    assert_int_equal(outcome.count, PUTS * STORES);
    tz_buf_clear(&expected);
    fixture_close(&fixture);
}

static void the_mask_chooses_the_stores(void **state)
{
    (void)state;
    struct fixture fixture;
    struct outcome outcome = {0};
    struct tz_error err = {0};
    fixture_open(&fixture, NULL);
    assert_int_equal(put_text(&fixture, "west", "x", 1U << WEST, 0, NULL), 0);
    assert_int_equal(put_text(&fixture, "none", "x", 0, 1, &err), -1);
    assert_int_equal(err.kind, TZ_UNAVAILABLE);
    assert_int_equal(put_text(&fixture, "../none", "x", TZ_MIRROR_ALL, 1, &err), -1);
    assert_int_equal(err.kind, TZ_INVALID);
    flush(&fixture);
    add_results(&fixture, &outcome);
    assert_int_equal(outcome.count, 1);
    assert_int_equal(outcome.of[0][WEST], 1);
    assert_false(is_inside(&fixture, EAST, "west"));
    assert_true(is_inside(&fixture, WEST, "west"));
    fixture_close(&fixture);
}

static void a_store_that_fails_goes_out_and_the_other_holds_everything(void **state)
{
    (void)state;
    struct fixture fixture;
    struct outcome outcome = {0};
    fixture_open(&fixture, NULL);
    struct faulty_plan plan = {
        .calls = FAULTY_PUT, .at = 5, .times = FAULTY_FOR_GOOD, .kind = TZ_NOSPC};
    faulty_store_plan(fixture.faulty[WEST], &plan);
    for (unsigned n = 0; n < PUTS - 1; n++)
        put_number(&fixture, n);
    flush(&fixture);
    assert_int_equal(kind_of(&fixture, WEST), TZ_NOSPC);
    assert_int_equal(kind_of(&fixture, EAST), TZ_OK);
    put_number(&fixture, PUTS - 1);
    flush(&fixture);
    add_results(&fixture, &outcome);
    assert_int_equal(outcome.count, PUTS * STORES);
    for (unsigned n = 0; n < PUTS; n++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "packs/%02u", n);
        assert_int_equal(outcome.of[n][EAST], 1);
        assert_int_equal(outcome.of[n][WEST], n < 4 ? 1 : 2);
        assert_true(is_inside(&fixture, EAST, name));
        assert_int_equal(is_inside(&fixture, WEST, name), n < 4);
    }
    /* Nothing was tried any more once it was out. */
    assert_int_equal(faulty_store_count(fixture.faulty[WEST]), 5);
    fixture_close(&fixture);
}

static void what_may_pass_is_tried_again(void **state)
{
    (void)state;
    struct fixture fixture;
    struct outcome outcome = {0};
    fixture_open(&fixture, NULL);
    struct faulty_plan plan = {.calls = FAULTY_PUT, .at = 2, .times = 4, .kind = TZ_UNAVAILABLE};
    faulty_store_plan(fixture.faulty[WEST], &plan);
    for (unsigned n = 0; n < 4; n++)
        put_number(&fixture, n);
    flush(&fixture);
    add_results(&fixture, &outcome);
    for (unsigned n = 0; n < 4; n++)
        assert_int_equal(outcome.of[n][WEST], 1);
    assert_int_equal(faulty_store_count(fixture.faulty[WEST]), 8);
    TZ_SCOPED(tz_scoped_free) char *journal = faulty_store_journal(fixture.faulty[WEST]);
    assert_string_equal(journal, "packs/00 packs/01 packs/02 packs/03 ");
    fixture_close(&fixture);
}

static void not_for_ever(void **state)
{
    (void)state;
    struct fixture fixture;
    struct outcome outcome = {0};
    fixture_open(&fixture, &(struct tz_mirror_options){.attempts = 3});
    struct faulty_plan plan = {
        .calls = FAULTY_PUT, .at = 1, .times = FAULTY_FOR_GOOD, .kind = TZ_UNAVAILABLE};
    faulty_store_plan(fixture.faulty[WEST], &plan);
    put_number(&fixture, 0);
    flush(&fixture);
    add_results(&fixture, &outcome);
    assert_int_equal(outcome.of[0][EAST], 1);
    assert_int_equal(outcome.of[0][WEST], 2);
    assert_int_equal(faulty_store_count(fixture.faulty[WEST]), 3);
    assert_int_equal(kind_of(&fixture, WEST), TZ_UNAVAILABLE);
    fixture_close(&fixture);
}

static void what_is_final_is_not_tried_again(void **state)
{
    (void)state;
    static const enum tz_error_kind kinds[] = {TZ_IO, TZ_DENIED, TZ_NOSPC, TZ_CORRUPT};
    for (size_t i = 0; i < TZ_COUNT(kinds); i++) {
        struct fixture fixture;
        fixture_open(&fixture, NULL);
        struct faulty_plan plan = {.calls = FAULTY_PUT, .at = 1, .kind = kinds[i]};
        faulty_store_plan(fixture.faulty[EAST], &plan);
        put_number(&fixture, 0);
        flush(&fixture);
        assert_int_equal(faulty_store_count(fixture.faulty[EAST]), 1);
        assert_int_equal(kind_of(&fixture, EAST), kinds[i]);
        fixture_close(&fixture);
    }
}

static void a_put_whose_reply_was_lost_counts_as_stored(void **state)
{
    (void)state;
    struct fixture fixture;
    struct outcome outcome = {0};
    fixture_open(&fixture, NULL);
    struct faulty_plan plan = {
        .calls = FAULTY_PUT, .at = 1, .way = FAULTY_AFTER, .kind = TZ_UNAVAILABLE};
    faulty_store_plan(fixture.faulty[WEST], &plan);
    put_number(&fixture, 0);
    flush(&fixture);
    add_results(&fixture, &outcome);
    assert_int_equal(outcome.of[0][WEST], 1);
    assert_int_equal(faulty_store_count(fixture.faulty[WEST]), 2);
    fixture_close(&fixture);
}

static void an_object_that_is_there_already_counts_as_stored(void **state)
{
    (void)state;
    struct fixture fixture;
    struct outcome outcome = {0};
    fixture_open(&fixture, NULL);
    put_inside(&fixture, WEST, "packs/00", "packs/00");
    /* Nor does it matter that the look at its size fails at first. */
    struct faulty_plan plan = {.calls = FAULTY_STAT, .at = 1, .times = 2, .kind = TZ_UNAVAILABLE};
    faulty_store_plan(fixture.faulty[WEST], &plan);
    put_number(&fixture, 0);
    flush(&fixture);
    add_results(&fixture, &outcome);
    assert_int_equal(outcome.of[0][WEST], 1);
    assert_int_equal(outcome.of[0][EAST], 1);
    assert_int_equal(faulty_store_count(fixture.faulty[WEST]), 3);
    fixture_close(&fixture);
}

static void an_object_of_another_size_in_its_place_is_damage(void **state)
{
    (void)state;
    struct fixture fixture;
    struct outcome outcome = {0};
    struct tz_error err = {0};
    fixture_open(&fixture, NULL);
    put_inside(&fixture, WEST, "packs/00", "packs/0");
    put_number(&fixture, 0);
    flush(&fixture);
    add_results(&fixture, &outcome);
    assert_int_equal(outcome.of[0][EAST], 1);
    assert_int_equal(outcome.of[0][WEST], 2);
    assert_true(tz_mirror_error(fixture.mirror, WEST, &err));
    assert_int_equal(err.kind, TZ_CORRUPT);
    assert_non_null(strstr(err.message, "7 bytes instead of 8"));
    fixture_close(&fixture);
}

static void without_a_usable_store_put_and_flush_fail_and_say_why(void **state)
{
    (void)state;
    struct fixture fixture;
    struct outcome outcome = {0};
    struct tz_error err = {0};
    fixture_open(&fixture, NULL);
    struct faulty_plan plan = {.calls = FAULTY_PUT, .at = 1, .times = FAULTY_FOR_GOOD};
    faulty_store_plan(fixture.faulty[EAST], &plan);
    put_number(&fixture, 0);
    flush(&fixture);
    faulty_store_plan(fixture.faulty[WEST], &plan);
    put_number(&fixture, 1);
    assert_int_equal(tz_mirror_flush(fixture.mirror, &err), -1);
    assert_int_equal(err.kind, TZ_UNAVAILABLE);
    assert_int_equal(put_text(&fixture, "packs/02", "x", TZ_MIRROR_ALL, 2, &err), -1);
    assert_int_equal(err.kind, TZ_UNAVAILABLE);
    assert_non_null(strstr(err.message, "east: put 'packs/00'"));
    assert_non_null(strstr(err.message, "west: put 'packs/01'"));
    add_results(&fixture, &outcome);
    assert_int_equal(outcome.count, 4);
    assert_int_equal(outcome.of[0][WEST], 1);
    assert_int_equal(outcome.of[1][WEST], 2);
    fixture_close(&fixture);
}

/* Objects of this size and what comes with each of them: four fit in the queue, five do not. */
#define OBJECT_BYTES ((size_t)100000)
#define QUEUE_BYTES  (4 * OBJECT_BYTES + OBJECT_BYTES / 2)

static int put_large(struct fixture *fixture, unsigned n, uint32_t mask, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_blob) struct tz_blob *blob = NULL;
    char name[32];
    (void)snprintf(name, sizeof(name), "packs/%02u", n);
    assert_int_equal(tz_blob_new(&blob, OBJECT_BYTES, NULL), 0);
    memset(blob->data, (int)n, OBJECT_BYTES);
    blob->len = OBJECT_BYTES;
    return tz_mirror_put(fixture->mirror, name, blob, mask, n, err);
}

struct putter {
    struct fixture *fixture;
    unsigned n;
    uint32_t mask;
    int status;
    int done; /* atomic */
    pthread_t thread;
};

static void *run_putter(void *arg)
{
    struct putter *putter = arg;
    putter->status = put_large(putter->fixture, putter->n, putter->mask, NULL);
    __atomic_store_n(&putter->done, 1, __ATOMIC_RELEASE);
    return NULL;
}

static void start_putter(struct putter *putter)
{
    assert_int_equal(pthread_create(&putter->thread, NULL, run_putter, putter), 0);
}

static int join_putter(struct putter *putter)
{
    assert_int_equal(pthread_join(putter->thread, NULL), 0);
    return putter->status;
}

/* A fixture whose west does not finish its first put, and with a queue for it that is full. */
static void open_stuck(struct fixture *fixture)
{
    fixture_open(fixture, &(struct tz_mirror_options){.queue_bytes = QUEUE_BYTES});
    faulty_store_plan(fixture->faulty[WEST], &(struct faulty_plan){.calls = FAULTY_PUT});
    faulty_store_hold(fixture->faulty[WEST]);
    for (unsigned n = 0; n < 4; n++)
        assert_int_equal(put_large(fixture, n, TZ_MIRROR_ALL, NULL), 0);
    faulty_store_await(fixture->faulty[WEST], 1);
}

static void await_results(struct fixture *fixture, struct outcome *outcome, size_t count)
{
    while (outcome->count < count) {
        pause_ms(1);
        add_results(fixture, outcome);
    }
}

static void a_slow_store_stops_the_fast_one_only_when_its_queue_is_full(void **state)
{
    (void)state;
    struct fixture fixture;
    struct outcome outcome = {0};
    open_stuck(&fixture);
    /* The fast one gets everything while the slow one has nothing. */
    await_results(&fixture, &outcome, 4);
    for (unsigned n = 0; n < 4; n++) {
        assert_int_equal(outcome.of[n][EAST], 1);
        assert_int_equal(outcome.of[n][WEST], 0);
    }
    TZ_SCOPED(tz_scoped_free) char *journal = faulty_store_journal(fixture.faulty[WEST]);
    assert_string_equal(journal, "");

    /* A put that does not concern the slow one goes through; one that does waits for it. */
    assert_int_equal(put_large(&fixture, 4, 1U << EAST, NULL), 0);
    struct putter putter = {.fixture = &fixture, .n = 5, .mask = TZ_MIRROR_ALL};
    start_putter(&putter);
    await_results(&fixture, &outcome, 5);
    pause_ms(50);
    assert_false(__atomic_load_n(&putter.done, __ATOMIC_ACQUIRE));
    assert_false(is_inside(&fixture, EAST, "packs/05"));
    faulty_store_let_go(fixture.faulty[WEST]);
    assert_int_equal(join_putter(&putter), 0);
    flush(&fixture);
    add_results(&fixture, &outcome);
    assert_int_equal(outcome.count, 11);
    assert_int_equal(outcome.of[5][EAST], 1);
    assert_int_equal(outcome.of[5][WEST], 1);
    fixture_close(&fixture);
}

static void put_name(struct fixture *fixture, const char *name, unsigned tag)
{
    struct tz_error err = {0};
    if (put_text(fixture, name, name, TZ_MIRROR_ALL, tag, &err))
        fail_msg("%s", err.message);
}

/* Unordered objects of a remote store are on their way together, nothing else is. */
static void a_remote_store_has_several_writers(void **state)
{
    (void)state;
    struct fixture fixture;
    struct outcome outcome = {0};
    fixture_remote = true;
    fixture_open(&fixture, &(struct tz_mirror_options){.writers = 3, .unordered = "packs/"});
    fixture_remote = false;
    for (size_t i = 0; i < STORES; i++) {
        faulty_store_plan(fixture.faulty[i], &(struct faulty_plan){.calls = FAULTY_PUT});
        faulty_store_hold(fixture.faulty[i]);
    }
    for (unsigned n = 0; n < 4; n++)
        put_number(&fixture, n);
    put_name(&fixture, "index/a", 4);
    put_name(&fixture, "head/b", 5);
    put_number(&fixture, 6);
    put_number(&fixture, 7);
    for (size_t i = 0; i < STORES; i++)
        faulty_store_await(fixture.faulty[i], 3);
    pause_ms(30);
    for (size_t i = 0; i < STORES; i++)
        assert_int_equal(faulty_store_count(fixture.faulty[i]), 3);
    for (size_t i = 0; i < STORES; i++)
        faulty_store_let_go(fixture.faulty[i]);
    flush(&fixture);
    add_results(&fixture, &outcome);
    assert_int_equal(outcome.count, 8 * STORES);
    for (size_t i = 0; i < STORES; i++) {
        TZ_SCOPED(tz_scoped_free) char *journal = faulty_store_journal(fixture.faulty[i]);
        const char *index = strstr(journal, "index/a head/b ");
        assert_non_null(index);
        for (unsigned n = 0; n < 8; n++) {
            char name[32];
            (void)snprintf(name, sizeof(name), "packs/%02u ", n);
            const char *pack = strstr(journal, name);
            if (n == 4 || n == 5)
                continue;
            assert_non_null(pack);
            assert_true(n < 4 ? pack < index : pack > index);
        }
    }
    fixture_close(&fixture);
}

static void a_store_that_goes_out_lets_a_waiting_put_go_on(void **state)
{
    (void)state;
    struct fixture fixture;
    struct outcome outcome = {0};
    open_stuck(&fixture);
    struct putter putter = {.fixture = &fixture, .n = 4, .mask = TZ_MIRROR_ALL};
    start_putter(&putter);
    pause_ms(20);
    tz_mirror_exclude(fixture.mirror, WEST,
                      &(struct tz_error){.kind = TZ_DENIED, .message = "not allowed there"});
    assert_int_equal(join_putter(&putter), 0);
    assert_int_equal(kind_of(&fixture, WEST), TZ_DENIED);
    faulty_store_let_go(fixture.faulty[WEST]);
    flush(&fixture);
    add_results(&fixture, &outcome);
    assert_int_equal(outcome.count, 10);
    for (unsigned n = 0; n < 5; n++)
        assert_int_equal(outcome.of[n][EAST], 1);
    /* The one that it was just writing arrived; what waited behind it did not. */
    assert_int_equal(outcome.of[0][WEST], 1);
    for (unsigned n = 1; n < 5; n++)
        assert_int_equal(outcome.of[n][WEST], 2);
    fixture_close(&fixture);
}

static void the_first_reason_for_being_out_stays(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, NULL);
    struct tz_error first = {.kind = TZ_DENIED, .message = "first"};
    struct tz_error second = {.kind = TZ_IO, .message = "second"};
    tz_mirror_exclude(fixture.mirror, EAST, &first);
    tz_mirror_exclude(fixture.mirror, EAST, &second);
    struct tz_error err = {0};
    assert_true(tz_mirror_error(fixture.mirror, EAST, &err));
    assert_int_equal(err.kind, TZ_DENIED);
    assert_string_equal(err.message, "first");
    assert_false(tz_mirror_error(fixture.mirror, WEST, &err));
    fixture_close(&fixture);
}

static void one_object_always_fits(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, &(struct tz_mirror_options){.queue_bytes = 1});
    for (unsigned n = 0; n < PUTS; n++)
        assert_int_equal(put_large(&fixture, n, TZ_MIRROR_ALL, NULL), 0);
    flush(&fixture);
    assert_true(is_inside(&fixture, WEST, "packs/19"));
    fixture_close(&fixture);
}

static void empty_objects_do_not_fill_the_memory(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, &(struct tz_mirror_options){.queue_bytes = 1});
    faulty_store_plan(fixture.faulty[WEST], &(struct faulty_plan){.calls = FAULTY_PUT});
    faulty_store_hold(fixture.faulty[WEST]);
    assert_int_equal(put_text(&fixture, "first", "", TZ_MIRROR_ALL, 0, NULL), 0);
    struct putter putter = {.fixture = &fixture, .n = 1, .mask = TZ_MIRROR_ALL};
    start_putter(&putter);
    pause_ms(50);
    assert_false(__atomic_load_n(&putter.done, __ATOMIC_ACQUIRE));
    faulty_store_let_go(fixture.faulty[WEST]);
    assert_int_equal(join_putter(&putter), 0);
    fixture_close(&fixture);
}

/* If it waited for the end of the pause, the test would run into its time limit. */
static void free_does_not_wait_for_the_next_try(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, &(struct tz_mirror_options){.backoff_ms = 3600 * 1000});
    struct faulty_plan plan = {
        .calls = FAULTY_PUT, .at = 1, .times = FAULTY_FOR_GOOD, .kind = TZ_UNAVAILABLE};
    faulty_store_plan(fixture.faulty[WEST], &plan);
    for (unsigned n = 0; n < PUTS; n++)
        put_number(&fixture, n);
    faulty_store_await(fixture.faulty[WEST], 1);
    fixture_close(&fixture);
    tz_mirror_free(NULL);
}

static void exclude_ends_the_pause_before_the_next_try(void **state)
{
    (void)state;
    struct fixture fixture;
    struct outcome outcome = {0};
    fixture_open(&fixture, &(struct tz_mirror_options){.backoff_ms = 3600 * 1000});
    struct faulty_plan plan = {
        .calls = FAULTY_PUT, .at = 1, .times = FAULTY_FOR_GOOD, .kind = TZ_UNAVAILABLE};
    faulty_store_plan(fixture.faulty[WEST], &plan);
    put_number(&fixture, 0);
    faulty_store_await(fixture.faulty[WEST], 1);
    tz_mirror_exclude(fixture.mirror, WEST, &(struct tz_error){.kind = TZ_DENIED});
    flush(&fixture);
    add_results(&fixture, &outcome);
    assert_int_equal(outcome.count, STORES);
    assert_int_equal(outcome.of[0][WEST], 2);
    fixture_close(&fixture);
}

static void puts_to_stores_that_were_not_opened_are_reported(void **state)
{
    (void)state;
    struct fixture fixture;
    struct outcome outcome = {0};
    struct tz_store *stores[STORES];
    fixture_stores(&fixture, stores);
    tz_store_free(stores[WEST]);
    stores[WEST] = NULL;
    assert_int_equal(tz_mirror_new(&fixture.mirror, stores, STORES, NULL, NULL), 0);
    assert_int_equal(kind_of(&fixture, WEST), TZ_UNAVAILABLE);
    assert_null(tz_mirror_store(fixture.mirror, WEST));
    put_number(&fixture, 0);
    flush(&fixture);
    add_results(&fixture, &outcome);
    assert_int_equal(outcome.of[0][EAST], 1);
    assert_int_equal(outcome.of[0][WEST], 2);
    fixture_close(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_store_receives_every_object_in_order),
        cmocka_unit_test(the_mask_chooses_the_stores),
        cmocka_unit_test(a_store_that_fails_goes_out_and_the_other_holds_everything),
        cmocka_unit_test(what_may_pass_is_tried_again),
        cmocka_unit_test(not_for_ever),
        cmocka_unit_test(what_is_final_is_not_tried_again),
        cmocka_unit_test(a_put_whose_reply_was_lost_counts_as_stored),
        cmocka_unit_test(an_object_that_is_there_already_counts_as_stored),
        cmocka_unit_test(an_object_of_another_size_in_its_place_is_damage),
        cmocka_unit_test(without_a_usable_store_put_and_flush_fail_and_say_why),
        cmocka_unit_test(a_slow_store_stops_the_fast_one_only_when_its_queue_is_full),
        cmocka_unit_test(a_remote_store_has_several_writers),
        cmocka_unit_test(a_store_that_goes_out_lets_a_waiting_put_go_on),
        cmocka_unit_test(the_first_reason_for_being_out_stays),
        cmocka_unit_test(one_object_always_fits),
        cmocka_unit_test(empty_objects_do_not_fill_the_memory),
        cmocka_unit_test(free_does_not_wait_for_the_next_try),
        cmocka_unit_test(exclude_ends_the_pause_before_the_next_try),
        cmocka_unit_test(puts_to_stores_that_were_not_opened_are_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
