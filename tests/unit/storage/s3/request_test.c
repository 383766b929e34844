/* How often, and when, a request is tried again, and what is sent then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "s3_fixture.h"

#include "tozai/util/time.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

/* The first `times` requests get this, later ones "hello". */
struct script {
    const char *lines, *body;
    const char *keys; /* written to the file with keys at the first request */
    const struct s3_fixture *fixture;
    int64_t at_ns[64]; /* of the first requests */
    unsigned times;
    unsigned status; /* 0: the connection is reset */
    _Atomic unsigned count;
    bool hang;
    char dates[4][32]; /* x-amz-date of the first */
};

static void note(struct script *script, const struct http_call *call, unsigned n)
{
    if (n < TZ_COUNT(script->at_ns))
        script->at_ns[n] = tz_monotonic();
    if (n < TZ_COUNT(script->dates)) {
        TZ_SCOPED(tz_scoped_free) char *date = http_header(call, "x-amz-date");
        (void)snprintf(script->dates[n], sizeof(script->dates[n]), "%s", date ? date : "");
    }
}

static void play(struct http_call *call)
{
    struct script *script = call->arg;
    unsigned n = script->count++;

    note(script, call, n);
    if (n >= script->times) {
        s3_fixture_answer(call, 200, "ETag: \"1\"\r\n", "hello");
        return;
    }
    if (n == 0 && script->keys)
        s3_fixture_write_keys(script->fixture, script->keys);
    if (script->hang)
        http_hang(call);
    else if (script->status == 0)
        http_reset(call);
    else
        s3_fixture_answer(call, script->status, script->lines ? script->lines : "",
                          script->body ? script->body : "");
}

/* A get of "packs/x"; the kind of its error or TZ_OK. */
static enum tz_error_kind get_soon(const struct s3_fixture *fixture,
                                   const struct tz_store_terms *terms, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};

    *err = (struct tz_error){0};
    if (tz_store_get_with(fixture->store, "packs/x", 0, 5, terms, &out, err))
        assert_int_equal(out.len, 0);
    else
        assert_memory_equal(out.data, "hello", 5);
    return err->kind;
}

static enum tz_error_kind get(const struct s3_fixture *fixture, struct tz_error *err)
{
    return get_soon(fixture, NULL, err);
}

/* The same with a server of its own that plays this. */
static enum tz_error_kind get_once(struct script *script, unsigned patience_s)
{
    const struct tz_store_terms terms = {.once = true, .still_s = patience_s};
    struct s3_fixture fixture = {0};
    struct tz_error err;

    script->fixture = &fixture;
    s3_fixture_open(&fixture, play, script);
    enum tz_error_kind kind = get_soon(&fixture, patience_s ? &terms : NULL, &err);
    s3_fixture_close(&fixture);
    return kind;
}

static void what_may_pass_is_tried_again(void **state)
{
    (void)state;
    struct script now_and_then[] = {
        {.times = 2, .status = 503},
        {.times = 2, .status = 500},
        {.times = 2, .status = 429},
        {.times = 2, .status = 0},
        {.times = 2, .status = 409},
        {.times = 2, .status = 400, .body = "<Error><Code>RequestTimeout</Code></Error>"},
    };
    struct script always = {.times = ~0U, .status = 503};
    struct script reset = {.times = ~0U};

    for (size_t i = 0; i < TZ_COUNT(now_and_then); i++) {
        assert_int_equal(get_once(&now_and_then[i], 0), TZ_OK);
        assert_int_equal(now_and_then[i].count, 3);
    }
    assert_int_equal(get_once(&always, 0), TZ_UNAVAILABLE);
    assert_int_equal(always.count, 6);
    assert_int_equal(get_once(&reset, 0), TZ_UNAVAILABLE);
    assert_int_equal(reset.count, 3);
}

static void what_is_final_is_not(void **state)
{
    (void)state;
    struct script scripts[] = {
        {.times = ~0U, .status = 404, .body = "<Error><Code>NoSuchKey</Code></Error>"},
        {.times = ~0U, .status = 403, .body = "<Error><Code>AccessDenied</Code></Error>"},
        {.times = ~0U, .status = 403, .body = "<Error><Code>QuotaExceeded</Code></Error>"},
        {.times = ~0U, .status = 404, .body = "<html/>"},
        {.times = ~0U, .status = 301},
    };
    const enum tz_error_kind kinds[] = {TZ_NOT_FOUND, TZ_DENIED, TZ_NOSPC, TZ_UNAVAILABLE,
                                        TZ_INVALID};

    for (size_t i = 0; i < TZ_COUNT(scripts); i++) {
        assert_int_equal(get_once(&scripts[i], 0), kinds[i]);
        assert_int_equal(scripts[i].count, 1);
    }
}

static void the_server_says_when(void **state)
{
    (void)state;
    struct script script = {.times = 1, .status = 503, .lines = "Retry-After: 1\r\n"};

    assert_int_equal(get_once(&script, 0), TZ_OK);
    assert_true(script.at_ns[1] - script.at_ns[0] >= TZ_SECOND_NS);
}

/* "Fri, 31 Dec 1999 23:59:59 GMT", that long from now. */
static void date_in(char ret[64], int seconds)
{
    time_t then = time(NULL) + seconds;
    struct tm parts;

    assert_non_null(gmtime_r(&then, &parts));
    assert_true(strftime(ret, 64, "%a, %d %b %Y %H:%M:%S GMT", &parts) > 0);
}

static void or_until_when(void **state)
{
    (void)state;
    char date[64], lines[96];
    struct script script = {.times = 1, .status = 503, .lines = lines};
    struct script past = {
        .times = 1, .status = 503, .lines = "Retry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\n"};

    date_in(date, 3);
    (void)snprintf(lines, sizeof(lines), "Retry-After: %s\r\n", date);
    assert_int_equal(get_once(&script, 0), TZ_OK);
    /* The server took some of the time to begin, and the date has no parts of seconds. */
    assert_true(script.at_ns[1] - script.at_ns[0] >= TZ_SECOND_NS);
    assert_int_equal(get_once(&past, 0), TZ_OK);
    assert_int_equal(past.count, 2);
}

/* There is another store to ask. */
static void little_patience_is_one_try(void **state)
{
    (void)state;
    struct script busy = {.times = ~0U, .status = 503};
    struct script hung = {.times = ~0U, .hang = true};

    assert_int_equal(get_once(&busy, 1), TZ_UNAVAILABLE);
    assert_int_equal(busy.count, 1);
    assert_int_equal(get_once(&hung, 1), TZ_UNAVAILABLE);
    assert_int_equal(hung.count, 1);
}

#define AT_ONCE 12

/* Threads leave the asserting to the main one. */
static void *get_in_vain(void *arg)
{
    const struct s3_fixture *fixture = arg;
    uintptr_t got = 0;

    for (unsigned i = 0; i < 5; i++) {
        TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
        got += tz_store_get(fixture->store, "packs/x", 0, 5, &out, NULL) == 0;
    }
    return (void *)got; /* NOLINT(performance-no-int-to-ptr): a number */
}

/* A run in which nothing succeeds soon tries each request once. */
static void the_budget_ends(void **state)
{
    (void)state;
    struct script script = {.times = ~0U, .status = 0};
    struct s3_fixture fixture = {0};
    pthread_t threads[AT_ONCE];
    struct tz_error err;
    void *got;

    s3_fixture_open(&fixture, play, &script);
    for (unsigned i = 0; i < AT_ONCE; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, get_in_vain, &fixture), 0);
    for (unsigned i = 0; i < AT_ONCE; i++) {
        assert_int_equal(pthread_join(threads[i], &got), 0);
        assert_null(got);
    }
    assert_int_equal(script.count, 5 * AT_ONCE + TZ_S3_RETRY_TOKENS / 5);
    script.count = 0;
    assert_int_equal(get(&fixture, &err), TZ_UNAVAILABLE);
    assert_int_equal(script.count, 1);
    /* Successes fill it again. */
    script.times = 0;
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(get(&fixture, &err), TZ_OK);
    script.count = 0;
    script.times = 1;
    assert_int_equal(get(&fixture, &err), TZ_OK);
    s3_fixture_close(&fixture);
}

static void who_has_answered_is_waited_for(void **state)
{
    (void)state;
    struct script script = {.times = 0};
    struct s3_fixture fixture = {0};
    struct tz_error err;

    s3_fixture_open(&fixture, play, &script);
    assert_int_equal(get(&fixture, &err), TZ_OK);
    script.count = 0;
    script.times = 5;
    assert_int_equal(get(&fixture, &err), TZ_OK);
    assert_int_equal(script.count, 6);
    /* But not for ever, and the next time not as long. */
    script.count = 0;
    script.times = ~0U;
    int64_t begin_ns = tz_monotonic();
    assert_int_equal(get(&fixture, &err), TZ_UNAVAILABLE);
    assert_true(tz_monotonic() - begin_ns >= 9 * TZ_SECOND_NS);
    assert_true(tz_monotonic() - begin_ns < 60 * TZ_SECOND_NS);
    script.count = 0;
    assert_int_equal(get(&fixture, &err), TZ_UNAVAILABLE);
    assert_true(script.count <= 3);
    s3_fixture_close(&fixture);
}

#define SKEWED "<Error><Code>RequestTimeTooSkewed</Code></Error>"
#define LATER  "Date: Fri, 01 Jan 2100 00:00:00 GMT\r\n"

static void the_servers_clock_is_taken(void **state)
{
    (void)state;
    struct script script = {.times = 1, .status = 403, .body = SKEWED, .lines = LATER};

    assert_int_equal(get_once(&script, 0), TZ_OK);
    assert_int_equal(script.count, 2);
    assert_memory_equal(script.dates[1], "21000101T0000", 13);
    /* One that is refused by its own clock is not asked for ever. */
    struct script always = {.times = ~0U, .status = 403, .body = SKEWED, .lines = LATER};
    assert_int_equal(get_once(&always, 0), TZ_DENIED);
    assert_int_equal(always.count, 2);
    struct script silent = {.times = ~0U, .status = 403, .body = SKEWED};
    assert_int_equal(get_once(&silent, 0), TZ_DENIED);
    assert_int_equal(silent.count, 1);
}

/* The answer to a HEAD does not say why it is refused. */
static void a_head_learns_the_clock_too(void **state)
{
    (void)state;
    struct script script = {.times = 1, .status = 403, .lines = LATER};
    struct s3_fixture fixture = {0};
    struct tz_store_stat stat;

    s3_fixture_open(&fixture, play, &script);
    assert_int_equal(tz_store_stat(fixture.store, "packs/x", &stat, NULL), 0);
    assert_memory_equal(script.dates[1], "21000101T0000", 13);
    s3_fixture_close(&fixture);
}

/* Set right once, it may be wrong again later. */
static void the_clock_is_mended_anew(void **state)
{
    (void)state;
    struct script script = {.times = 1, .status = 403, .body = SKEWED, .lines = LATER};
    struct s3_fixture fixture = {0};
    struct tz_error err;

    s3_fixture_open(&fixture, play, &script);
    assert_int_equal(get(&fixture, &err), TZ_OK);
    script.count = 0;
    script.lines = "Date: Sat, 01 Jan 2101 00:00:00 GMT\r\n";
    assert_int_equal(get(&fixture, &err), TZ_OK);
    assert_memory_equal(script.dates[1], "21010101T0000", 13);
    s3_fixture_close(&fixture);
}

static void new_keys_are_read_once(void **state)
{
    (void)state;
    struct script script = {
        .times = 1,
        .status = 400,
        .body = "<Error><Code>ExpiredToken</Code></Error>",
        .keys = "[default]\naws_access_key_id = other\naws_secret_access_key = secret\n",
    };
    struct script always = {
        .times = ~0U,
        .status = 400,
        .body = "<Error><Code>ExpiredToken</Code></Error>",
    };

    assert_int_equal(get_once(&script, 0), TZ_OK);
    assert_int_equal(script.count, 2);
    assert_int_equal(get_once(&always, 0), TZ_DENIED);
    assert_int_equal(always.count, 2);
}

/* Something that nods to all: nothing is stored there. */
static void put_needs_more_than_a_nod(struct http_call *call)
{
    const char *found = strcmp(call->method, "HEAD") == 0 ? "" : "<ListBucketResult/>";
    s3_fixture_answer(call, strcmp(call->method, "HEAD") == 0 ? 404 : 200, "", found);
}
static void a_nod_is_no_put(void **state)
{
    (void)state;
    struct s3_fixture fixture = {0};
    struct tz_error err = {0};

    s3_fixture_open(&fixture, put_needs_more_than_a_nod, NULL);
    assert_int_equal(tz_store_put(fixture.store, "packs/x", "hello", 5, &err), -1);
    assert_int_equal(err.kind, TZ_UNAVAILABLE);
    s3_fixture_close(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_may_pass_is_tried_again),
        cmocka_unit_test(what_is_final_is_not),
        cmocka_unit_test(the_server_says_when),
        cmocka_unit_test(or_until_when),
        cmocka_unit_test(little_patience_is_one_try),
        cmocka_unit_test(the_budget_ends),
        cmocka_unit_test(who_has_answered_is_waited_for),
        cmocka_unit_test(the_servers_clock_is_taken),
        cmocka_unit_test(a_head_learns_the_clock_too),
        cmocka_unit_test(the_clock_is_mended_anew),
        cmocka_unit_test(new_keys_are_read_once),
        cmocka_unit_test(a_nod_is_no_put),
    };
    return cmocka_run_group_tests_name("s3 requests", tests, NULL, NULL);
}
