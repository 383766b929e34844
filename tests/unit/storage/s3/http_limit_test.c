/* The limits under a clock that the tests make up. */
#include "storage/s3/http_limit.h"

#include "tozai/util/time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#define MS INT64_C(1000000)

static void the_first_window_that_holds_counts(void **state)
{
    (void)state;
    const struct tz_store_limit none[TZ_STORE_LIMITS] = {{0}};
    const struct tz_store_limit always[TZ_STORE_LIMITS] = {{.rate = 7}};
    const struct tz_store_limit windows[TZ_STORE_LIMITS] = {
        {.rate = 1, .begin_minute = 480, .end_minute = 1080},  /* 8:00 to 18:00 */
        {.rate = 0, .begin_minute = 1320, .end_minute = 360},  /* 22:00 to 6:00 */
        {.rate = 3, .begin_minute = 1320, .end_minute = 1380}, /* hidden by the one above */
        {.rate = 4},
    };
    const struct {
        unsigned minute;
        uint64_t rate;
    } expected[] = {{0, 0},    {359, 0},  {360, 4},  {479, 4},  {480, 1}, {1079, 1},
                    {1080, 4}, {1319, 4}, {1320, 0}, {1379, 0}, {1439, 0}};
    for (unsigned minute = 0; minute < 1440; minute++) {
        assert_int_equal(tz_limit_rate(none, minute), 0);
        assert_int_equal(tz_limit_rate(always, minute), 7);
    }
    for (size_t i = 0; i < TZ_COUNT(expected); i++)
        assert_int_equal(tz_limit_rate(windows, expected[i].minute), expected[i].rate);
    /* The same minute twice is a whole day from there. */
    const struct tz_store_limit day[TZ_STORE_LIMITS] = {
        {.rate = 5, .begin_minute = 60, .end_minute = 60}};
    assert_int_equal(tz_limit_rate(day, 59), 5);
    assert_int_equal(tz_limit_rate(day, 60), 5);
}

static unsigned minute_in(const char *name, const char *time)
{
    TZ_SCOPED(tz_scoped_zone) struct tz_zone *zone = NULL;
    int64_t time_ns = 0;

    assert_int_equal(tz_zone_open(&zone, name, NULL), 0);
    assert_int_equal(tz_time_parse(time, 0, &time_ns, NULL), 0);
    return tz_limit_minute(zone, time_ns);
}

static void minutes_are_those_of_the_zone(void **state)
{
    (void)state;
    assert_int_equal(minute_in("UTC", "1970-01-02T03:00:59Z"), 180);
    assert_int_equal(minute_in("Asia/Tokyo", "2026-11-28T15:30:00Z"), 30);
    assert_int_equal(minute_in("Asia/Kolkata", "2026-11-28T18:29:59Z"), 1439);
    /* An hour that the clocks skip, and one that comes twice. */
    assert_int_equal(minute_in("Europe/Berlin", "2026-03-29T00:59:00Z"), 119);
    assert_int_equal(minute_in("Europe/Berlin", "2026-03-29T01:00:00Z"), 180);
    assert_int_equal(minute_in("Europe/Berlin", "2026-10-25T00:30:00Z"), 150);
    assert_int_equal(minute_in("Europe/Berlin", "2026-10-25T01:30:00Z"), 150);
}

static void times_are_told_from_none(void **state)
{
    (void)state;
    const struct tz_store_limit always[TZ_STORE_LIMITS] = {{.rate = 7}};
    const struct tz_store_limit night[TZ_STORE_LIMITS] = {
        {.begin_minute = 1320}, /* to midnight, no limit */
        {.rate = 7},
    };
    assert_false(tz_limit_has_times(always));
    assert_true(tz_limit_has_times(night));
    assert_int_equal(tz_limit_rate(night, 1319), 7);
    assert_int_equal(tz_limit_rate(night, 1320), 0);
    assert_int_equal(tz_limit_rate(night, 1439), 0);
    assert_int_equal(tz_limit_rate(night, 0), 7);
}

/* Transfers that always want more, driven like the real ones: a look each time somebody can draw,
 * somewhat late. */
enum { FLOWS_MAX = 8 };

struct traffic {
    struct tz_http_bucket bucket;
    struct tz_http_flow flows[FLOWS_MAX];
    uint64_t moved[FLOWS_MAX], total;
    size_t count, piece;
    bool whole; /* pieces as a whole (downloads), or what may pass of them (uploads) */
    int64_t now_ns;
    size_t turn;
    uint64_t most_in_debt;
};

static void move(struct traffic *t, size_t i)
{
    while (!t->flows[i].waiting) {
        size_t len = t->whole ? (tz_http_flow_pass(&t->flows[i], t->piece) ? t->piece : 0)
                              : tz_http_flow_take(&t->flows[i], t->piece);
        t->moved[i] += len;
        t->total += len;
    }
}

static void drive(struct traffic *t, uint64_t rate, int64_t until_ns, int64_t late_ns)
{
    while (t->now_ns < until_ns) {
        tz_http_bucket_fill(&t->bucket, rate, t->now_ns);
        t->turn++;
        for (size_t i = 0; i < t->count; i++) {
            size_t which = (t->turn + i) % t->count;
            if (!t->flows[which].waiting || tz_http_flow_draw(&t->flows[which], t->count))
                move(t, which);
        }
        if (t->bucket.tokens < 0)
            t->most_in_debt = TZ_MAX(t->most_in_debt, (uint64_t)-t->bucket.tokens);
        int64_t wait_ns = tz_http_bucket_wait_ns(&t->bucket);
        assert_true(wait_ns >= 0);
        t->now_ns += TZ_MAX(wait_ns, INT64_C(1)) + rand() % (late_ns + 1);
    }
}

static struct traffic new_traffic(size_t count, bool whole)
{
    struct traffic t = {
        .count = count, .whole = whole, .piece = 16384, .now_ns = 123456789 * TZ_SECOND_NS};
    return t;
}

static void join(struct traffic *t)
{
    for (size_t i = 0; i < t->count; i++)
        t->flows[i].bucket = &t->bucket;
}

static void check_near(uint64_t value, uint64_t expected, double part)
{
    double lowest = (double)expected * (1 - part), highest = (double)expected * (1 + part);
    if ((double)value < lowest || (double)value > highest)
        fail_msg("%llu is not near %llu", (unsigned long long)value, (unsigned long long)expected);
}

static void rates_are_kept_over_five_seconds(void **state)
{
    (void)state;
    const uint64_t rates[] = {512 << 10, 1000003, 10 << 20, 125000000, UINT64_C(5) << 30};
    const size_t counts[] = {1, 3, 8};
    for (size_t r = 0; r < TZ_COUNT(rates); r++)
        for (size_t c = 0; c < TZ_COUNT(counts); c++)
            for (int whole = 0; whole < 2; whole++) {
                struct traffic t = new_traffic(counts[c], whole);
                join(&t);
                drive(&t, rates[r], t.now_ns + 5 * TZ_SECOND_NS, 5 * MS);
                check_near(t.total, 5 * rates[r], 0.05);
                for (size_t i = 0; i < t.count; i++)
                    check_near(t.moved[i], 5 * rates[r] / t.count, 0.25);
            }
}

static void slow_rates_are_kept_in_the_long_run(void **state)
{
    (void)state;
    const uint64_t rates[] = {1, 1000, 20000};
    for (size_t r = 0; r < TZ_COUNT(rates); r++)
        for (int whole = 0; whole < 2; whole++) {
            struct traffic t = new_traffic(8, whole);
            join(&t);
            int64_t seconds = 4000000 / (int64_t)rates[r] + 1;
            drive(&t, rates[r], t.now_ns + seconds * TZ_SECOND_NS, MS);
            check_near(t.total, (uint64_t)seconds * rates[r], 0.05);
        }
}

static void what_was_not_used_comes_back_in_part_only(void **state)
{
    (void)state;
    const uint64_t rate = 10 << 20;
    for (int whole = 0; whole < 2; whole++) {
        struct traffic t = new_traffic(8, whole);
        join(&t);
        drive(&t, rate, t.now_ns + TZ_SECOND_NS, MS);
        t.now_ns += 3600 * TZ_SECOND_NS; /* nobody wanted anything */
        uint64_t before = t.total;
        drive(&t, rate, t.now_ns + 100 * MS, MS);
        assert_in_range(t.total - before, rate / 10, rate / 10 + rate / 5 + 8 * t.piece);
        assert_true(t.most_in_debt <= 8 * t.piece);
    }
}

static void debts_are_paid(void **state)
{
    (void)state;
    struct traffic t = new_traffic(1, true);
    join(&t);
    t.piece = 1 << 20;
    drive(&t, 100000, t.now_ns + 2 * TZ_SECOND_NS, MS);
    assert_int_equal(t.total, t.piece); /* the first piece was let through as a whole */
    drive(&t, 100000, t.now_ns + 300 * TZ_SECOND_NS, MS);
    check_near(t.total, 30200000, 0.05);
}

static void a_new_rate_holds_from_now_on(void **state)
{
    (void)state;
    struct traffic t = new_traffic(4, false);
    join(&t);
    drive(&t, 1 << 20, t.now_ns + 5 * TZ_SECOND_NS, MS);
    uint64_t before = t.total;
    drive(&t, 8 << 20, t.now_ns + 5 * TZ_SECOND_NS, MS);
    check_near(t.total - before, 40 << 20, 0.05);
    before = t.total;
    drive(&t, 1 << 20, t.now_ns + 5 * TZ_SECOND_NS, MS);
    check_near(t.total - before, 5 << 20, 0.05);
}

static void without_a_limit_nothing_waits(void **state)
{
    (void)state;
    struct tz_http_bucket bucket = {0};
    struct tz_http_flow flow = {.bucket = &bucket};

    tz_http_bucket_fill(&bucket, 0, TZ_SECOND_NS);
    assert_int_equal(tz_http_flow_take(&flow, SIZE_MAX), SIZE_MAX);
    assert_true(tz_http_flow_pass(&flow, SIZE_MAX));
    assert_int_equal(tz_http_bucket_wait_ns(&bucket), 0);
    assert_int_equal(bucket.tokens, 0);

    /* One that begins owes and gives nothing; one that ends lets those go that wait. */
    tz_http_bucket_fill(&bucket, 1000, 2 * TZ_SECOND_NS);
    assert_int_equal(tz_http_flow_take(&flow, 1), 0);
    assert_true(flow.waiting);
    assert_false(tz_http_flow_draw(&flow, 1));
    assert_true(flow.waiting);
    tz_http_bucket_fill(&bucket, 0, 3 * TZ_SECOND_NS);
    assert_true(tz_http_flow_draw(&flow, 1));
    assert_false(flow.waiting);
    assert_int_equal(tz_http_flow_take(&flow, 1), 1);
}

static void nothing_to_move_is_not_waited_for(void **state)
{
    (void)state;
    struct tz_http_bucket bucket = {0};
    struct tz_http_flow flow = {.bucket = &bucket};

    tz_http_bucket_fill(&bucket, 1000, TZ_SECOND_NS);
    assert_int_equal(tz_http_flow_take(&flow, 0), 0);
    assert_false(flow.waiting);
    assert_true(tz_http_flow_pass(&flow, 0));
    assert_false(flow.waiting);
}

static void an_ended_transfer_gives_back_what_it_had(void **state)
{
    (void)state;
    struct tz_http_bucket bucket = {0};
    struct tz_http_flow flow = {.bucket = &bucket};

    tz_http_bucket_fill(&bucket, 1 << 20, TZ_SECOND_NS);
    tz_http_bucket_fill(&bucket, 1 << 20, TZ_SECOND_NS + 100 * MS);
    int64_t before = bucket.tokens;
    assert_in_range(before, (1 << 20) / 10 - 1, (1 << 20) / 10 + 1);
    assert_true(tz_http_flow_draw(&flow, 2));
    assert_int_equal(tz_http_flow_take(&flow, 1000), 1000);
    tz_http_flow_end(&flow);
    assert_int_equal(bucket.tokens, before - 1000);
    assert_int_equal(tz_http_flow_take(&flow, 1), 0);
    tz_http_flow_end(&(struct tz_http_flow){0});
}

static void odd_clocks_and_rates_do_no_harm(void **state)
{
    (void)state;
    struct tz_http_bucket bucket = {0};

    tz_http_bucket_fill(&bucket, UINT64_MAX, INT64_MAX - 10);
    tz_http_bucket_fill(&bucket, UINT64_MAX, 5); /* backwards */
    assert_int_equal(bucket.tokens, 0);
    tz_http_bucket_fill(&bucket, UINT64_MAX, INT64_MAX);
    assert_true(bucket.tokens > 0);
    tz_http_bucket_fill(&bucket, 1, INT64_MAX);
    assert_in_range(bucket.tokens, 1, 16384);
    bucket.tokens = -1000000;
    assert_int_equal(tz_http_bucket_wait_ns(&bucket), 3600 * TZ_SECOND_NS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_window_that_holds_counts),
        cmocka_unit_test(minutes_are_those_of_the_zone),
        cmocka_unit_test(times_are_told_from_none),
        cmocka_unit_test(rates_are_kept_over_five_seconds),
        cmocka_unit_test(slow_rates_are_kept_in_the_long_run),
        cmocka_unit_test(what_was_not_used_comes_back_in_part_only),
        cmocka_unit_test(debts_are_paid),
        cmocka_unit_test(a_new_rate_holds_from_now_on),
        cmocka_unit_test(without_a_limit_nothing_waits),
        cmocka_unit_test(nothing_to_move_is_not_waited_for),
        cmocka_unit_test(an_ended_transfer_gives_back_what_it_had),
        cmocka_unit_test(odd_clocks_and_rates_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
