/*
 * What the driver makes of answers that real servers seldom give: where a bucket is, what a refusal
 * says, which objects of a batch stay.
 */
#include "http_server.h"
#include "storage/s3/s3.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LOCATION(text) "<?xml version=\"1.0\"?><LocationConstraint>" text "</LocationConstraint>"

static void the_place_of_a_bucket_is_understood(void **state)
{
    static const char *const answers[][2] = {
        {LOCATION("ap-northeast-1"), "ap-northeast-1"},
        {LOCATION("\n  eu-central-1 \n"), "eu-central-1"},
        {LOCATION(""), "us-east-1"},
        {"<LocationConstraint xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"/>", "us-east-1"},
        {LOCATION("EU"), "eu-west-1"},
        {LOCATION("<LocationConstraint>us-west-2</LocationConstraint>"), "us-west-2"},
    };
    (void)state;
    for (size_t i = 0; i < TZ_COUNT(answers); i++) {
        char region[TZ_STORE_REGION_MAX] = "";
        assert_int_equal(tz_s3_read_location(region, answers[i][0], strlen(answers[i][0]), NULL),
                         0);
        assert_string_equal(region, answers[i][1]);
    }
}

static void what_is_no_place_is_refused(void **state)
{
    static const char *const answers[] = {
        "",
        "<html/>",
        "<Error><Code>AccessDenied</Code></Error>",
        LOCATION("two words"),
        LOCATION("0123456789012345678901234567890123456789012345678901234567890123"),
        "<LocationConstraint>x",
    };
    (void)state;
    for (size_t i = 0; i < TZ_COUNT(answers); i++) {
        char region[TZ_STORE_REGION_MAX] = "before";
        struct tz_error err = {0};
        assert_int_equal(tz_s3_read_location(region, answers[i], strlen(answers[i]), &err), -1);
        assert_int_equal(err.kind, TZ_CORRUPT);
        assert_string_equal(region, "before");
    }
}

/* A server whose answers depend on the request.  Each connection has a thread of its own. */
struct script {
    char host[64];             /* what the region of a request must be; "": any */
    _Atomic unsigned requests; /* that it has refused for it */
    const char *batch;         /* the answer to a batch */
    _Atomic unsigned batches, deletes;
};

static void answer_error(struct http_call *call, unsigned status, const char *body)
{
    (void)http_print(call,
                     "HTTP/1.1 %u No\r\nContent-Type: application/xml\r\n"
                     "Content-Length: %zu\r\n\r\n%s",
                     status, strlen(body), body);
}

static bool right_region(struct http_call *call, const struct script *script)
{
    char *authorization = http_header(call, "Authorization");
    char scope[96];

    (void)snprintf(scope, sizeof(scope), "/%s/s3/aws4_request", script->host);
    bool right = authorization && strstr(authorization, scope);
    free(authorization);
    return right;
}

static void serve(struct http_call *call)
{
    struct script *script = call->arg;

    (void)http_read_body(call, NULL);
    if (script->host[0] && !right_region(call, script)) {
        script->requests++;
        if (strcmp(call->method, "HEAD") == 0)
            (void)http_print(call,
                             "HTTP/1.1 400 No\r\nx-amz-bucket-region: %s\r\n"
                             "Content-Length: 0\r\n\r\n",
                             script->host);
        else
            answer_error(call, 400,
                         "<Error><Code>AuthorizationHeaderMalformed</Code><Message>no</Message>"
                         "<Region>eu-north-1</Region></Error>");
    } else if (strcmp(call->method, "POST") == 0) {
        script->batches++;
        if (script->batch)
            (void)http_answer(call, 200, script->batch, strlen(script->batch));
        else
            answer_error(call, 501, "<Error><Code>NotImplemented</Code></Error>");
    } else if (strcmp(call->method, "DELETE") == 0) {
        script->deletes++;
        (void)http_answer(call, 204, "", 0);
    } else if (strcmp(call->method, "HEAD") == 0) {
        (void)http_print(call, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    } else {
        (void)http_answer(call, 200, "hello", 5);
    }
}

static struct tz_store *open_store(const struct http_server *server, const char *region,
                                   unsigned features)
{
    const struct tz_store_s3_options s3 = {.endpoint = http_server_url(server), .region = region};
    const struct tz_store_options options = {.name = "x", .url = "s3://bucket/p&q", .s3 = &s3};
    struct tz_store *store = NULL;
    struct tz_error err = {0};

    if (tz_store_open(&store, &options, &err))
        fail_msg("%s", err.message);
    tz_store_trust(store, features);
    return store;
}

static void an_open_region_is_what_the_server_says(void **state)
{
    struct script script = {.host = "eu-north-1"};
    TZ_SCOPED(scoped_http_server)
    struct http_server *server = http_server_start(serve, &script, HTTP_PLAIN);
    TZ_SCOPED(tz_scoped_store) struct tz_store *store = open_store(server, NULL, 0);
    TZ_SCOPED(tz_scoped_store) struct tz_store *second = open_store(server, NULL, 0);
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
    struct tz_store_stat stat;

    (void)state;
    assert_int_equal(tz_store_get(store, "a", 0, 5, &out, NULL), 0);
    assert_int_equal(tz_store_get(store, "b", 0, 5, &out, NULL), 0);
    assert_int_equal(script.requests, 1);
    /* And from the head of an answer that has no body. */
    assert_int_equal(tz_store_stat(second, "a", &stat, NULL), 0);
    assert_true(stat.exists);
    assert_int_equal(script.requests, 2);
}

static void a_configured_region_stays_and_is_spoken_of(void **state)
{
    struct script script = {.host = "eu-north-1"};
    TZ_SCOPED(scoped_http_server)
    struct http_server *server = http_server_start(serve, &script, HTTP_PLAIN);
    TZ_SCOPED(tz_scoped_store) struct tz_store *store = open_store(server, "eu-west-1", 0);
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
    struct tz_error err = {0};

    (void)state;
    assert_int_equal(tz_store_get(store, "a", 0, 5, &out, &err), -1);
    assert_int_equal(err.kind, TZ_INVALID);
    assert_non_null(strstr(err.hint, "set 'region = eu-north-1'"));
    assert_int_equal(script.requests, 1);
}

/* The first answer to a put is lost, after which the condition does not hold any more. */
static void lose_first(struct http_call *call)
{
    _Atomic unsigned *puts = call->arg;

    (void)http_read_body(call, NULL);
    if (strcmp(call->method, "PUT") != 0)
        (void)http_answer(call, 200, "mine", 4);
    else if (++*puts == 1)
        http_reset(call);
    else
        answer_error(call, 412, "<Error><Code>PreconditionFailed</Code></Error>");
}

static void a_put_whose_answer_was_lost_is_done(void **state)
{
    _Atomic unsigned puts = 0;
    TZ_SCOPED(scoped_http_server)
    struct http_server *server = http_server_start(lose_first, &puts, HTTP_PLAIN);
    TZ_SCOPED(tz_scoped_store) struct tz_store *store = open_store(server, "x", TZ_STORE_ATOMIC);
    struct tz_error err = {0};

    (void)state;
    assert_int_equal(tz_store_put(store, "a", "mine", 4, NULL), 0);
    assert_int_equal(puts, 2);
    /* The same on a connection that was kept. */
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
    assert_int_equal(tz_store_get(store, "b", 0, 4, &out, NULL), 0);
    puts = 0;
    if (tz_store_put(store, "a", "mine", 4, &err))
        fail_msg("%s", err.message);
    assert_int_equal(puts, 2);
    /* But what others have put stays theirs. */
    assert_int_equal(tz_store_put(store, "a", "mine", 4, &err), -1);
    assert_int_equal(err.kind, TZ_EXISTS);
    puts = 0;
    assert_int_equal(tz_store_put(store, "a", "other", 5, &err), -1);
    assert_int_equal(err.kind, TZ_EXISTS);
}

static const char *const names[] = {"a", "b", "c"};

#define ERROR(key, code)                                                                           \
    "<Error><Key>p&amp;q/" key "</Key><Code>" code "</Code><Message>why</Message></Error>"

/* b may not be deleted, c was busy and is tried again alone, a went. */
static void a_batch_tells_what_stays(void **state)
{
    struct script script = {.batch = "<DeleteResult>" ERROR("b", "AccessDenied")
                                ERROR("c", "InternalError") "</DeleteResult>"};
    TZ_SCOPED(scoped_http_server)
    struct http_server *server = http_server_start(serve, &script, HTTP_PLAIN);
    TZ_SCOPED(tz_scoped_store) struct tz_store *store = open_store(server, "x", TZ_STORE_BATCH);
    struct tz_error err = {0};
    bool removed[3];

    (void)state;
    assert_int_equal(tz_store_remove_many(store, names, 3, removed, &err), -1);
    assert_int_equal(err.kind, TZ_DENIED);
    assert_non_null(strstr(err.message, "remove 'b'"));
    assert_true(removed[0] && !removed[1] && removed[2]);
    assert_int_equal(script.deletes, 1);
}

static void a_batch_that_cannot_be_understood_deleted_nothing(void **state)
{
    static const char *const answers[] = {
        "", "gibberish", "<html/>", "<DeleteResult>" ERROR("x", "AccessDenied") "</DeleteResult>",
        "<DeleteResult>" ERROR("b", "AccessDenied")};

    (void)state;
    for (size_t i = 0; i < TZ_COUNT(answers); i++) {
        struct script script = {.batch = answers[i]};
        TZ_SCOPED(scoped_http_server)
        struct http_server *server = http_server_start(serve, &script, HTTP_PLAIN);
        TZ_SCOPED(tz_scoped_store) struct tz_store *store = open_store(server, "x", TZ_STORE_BATCH);
        struct tz_error err = {0};
        bool removed[3];

        assert_int_equal(tz_store_remove_many(store, names, 3, removed, &err), -1);
        assert_int_equal(err.kind, TZ_CORRUPT);
        assert_false(removed[0] || removed[1] || removed[2]);
    }
}

static void without_batches_each_is_deleted_alone(void **state)
{
    struct script script = {0};
    TZ_SCOPED(scoped_http_server)
    struct http_server *server = http_server_start(serve, &script, HTTP_PLAIN);
    TZ_SCOPED(tz_scoped_store) struct tz_store *untried = open_store(server, "x", 0);
    TZ_SCOPED(tz_scoped_store) struct tz_store *wrong = open_store(server, "x", TZ_STORE_BATCH);

    (void)state;
    assert_int_equal(tz_store_remove_many(untried, names, 3, NULL, NULL), 0);
    assert_int_equal(script.batches, 0);
    assert_int_equal(script.deletes, 3);
    /* The server was changed since the probe: asked once, and no more. */
    assert_int_equal(tz_store_remove_many(wrong, names, 3, NULL, NULL), 0);
    assert_int_equal(tz_store_remove_many(wrong, names, 3, NULL, NULL), 0);
    assert_int_equal(script.batches, 1);
    assert_int_equal(script.deletes, 9);
}

static void the_md5_is_as_rfc_1864_says(void **state)
{
    char text[TZ_S3_MD5_TEXT];

    (void)state;
    assert_int_equal(tz_s3_content_md5(text, "", 0, NULL), 0);
    assert_string_equal(text, "1B2M2Y8AsgTpgAmY7PhCfg==");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_place_of_a_bucket_is_understood),
        cmocka_unit_test(what_is_no_place_is_refused),
        cmocka_unit_test(an_open_region_is_what_the_server_says),
        cmocka_unit_test(a_configured_region_stays_and_is_spoken_of),
        cmocka_unit_test(a_put_whose_answer_was_lost_is_done),
        cmocka_unit_test(a_batch_tells_what_stays),
        cmocka_unit_test(a_batch_that_cannot_be_understood_deleted_nothing),
        cmocka_unit_test(without_batches_each_is_deleted_alone),
        cmocka_unit_test(the_md5_is_as_rfc_1864_says),
    };
    (void)setenv("AWS_ACCESS_KEY_ID", "key", 1);
    (void)setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
    (void)setenv("no_proxy", "*", 1);
    return cmocka_run_group_tests_name("answers of S3", tests, NULL, NULL);
}
