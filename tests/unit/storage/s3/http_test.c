/* Ordinary traffic; what goes wrong on the way is in http_trouble_test.c. */
#include "storage/s3/http.h"

#include "http_server.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct tz_http *open_http(unsigned connections)
{
    struct tz_http_options options = {.connections = connections, .timeout_s = 20};
    struct tz_http *http = NULL;
    assert_int_equal(tz_http_new(&http, &options, NULL), 0);
    return http;
}

/* The server's URL with this target; to be freed. */
static char *url_of(const struct http_server *server, const char *target)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf url = {0};
    assert_int_equal(tz_buf_printf(&url, NULL, "%s%s", http_server_url(server), target), 0);
    return (char *)TZ_TAKE(url.data);
}

static void perform(struct tz_http *http, const struct tz_http_request *request,
                    struct tz_http_response *ret)
{
    struct tz_error err = {0};
    if (tz_http_perform(http, request, ret, &err))
        fail_msg("%s %s: %s", request->method, request->url, err.message);
}

static bool text_is(const struct tz_buf *buf, const char *text)
{
    return buf->len == strlen(text) && memcmp(buf->data, text, buf->len) == 0;
}

/* -- what is sent ------------------------------------------------------------------------ */

/* Answers with the request as it came: its first line, its headers, a blank line, its body. */
static void echo(struct http_call *call)
{
    char body[1024];
    size_t len = 0;

    for (size_t got; len < sizeof(body); len += got)
        if ((got = http_read_some(call, body + len, sizeof(body) - len)) == 0)
            break;
    (void)http_print(call, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s %s\r\n%s\r\n",
                     strlen(call->method) + 1 + strlen(call->target) + 2 + strlen(call->headers) +
                         2 + len,
                     call->method, call->target, call->headers);
    (void)http_write(call, body, len);
}

static char *echoed(const struct tz_http_request *request, const char *target)
{
    TZ_SCOPED(scoped_http_server)
    struct http_server *server = http_server_start(echo, NULL, HTTP_PLAIN);
    TZ_SCOPED(tz_scoped_http) struct tz_http *http = open_http(1);
    TZ_SCOPED(tz_scoped_free) char *url = url_of(server, target);
    TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {0};
    struct tz_http_request full = *request;
    full.url = url;
    perform(http, &full, &response);
    assert_int_equal(response.status, 200);
    assert_int_equal(tz_buf_append(&response.text, "", 1, NULL), 0);
    return (char *)TZ_TAKE(response.text.data);
}

static void the_target_is_sent_as_it_is(void **state)
{
    (void)state;
    const char *targets[] = {"/b/a%20b/../c//d/./e?x=%2F&y=&list-type=2", "/%2f%2F%7e~'()*!",
                             "/b/?uploads=", "/b?delete="};
    for (size_t i = 0; i < TZ_COUNT(targets); i++) {
        struct tz_http_request request = {.method = "GET"};
        TZ_SCOPED(tz_scoped_free) char *text = echoed(&request, targets[i]);
        assert_memory_equal(text, "GET ", 4);
        assert_memory_equal(text + 4, targets[i], strlen(targets[i]));
        assert_int_equal(text[4 + strlen(targets[i])], '\r');
    }
}

static void only_what_is_needed_is_added_to_the_headers(void **state)
{
    (void)state;
    struct tz_http_request request = {.method = "GET",
                                      .lines = "x-amz-date: 20260101T000000Z\0X-Empty:\0"
                                               "X-Blank:  \0x-two: a  b, c\0"};
    TZ_SCOPED(tz_scoped_free) char *text = echoed(&request, "/");
    assert_non_null(strstr(text, "\r\nx-amz-date: 20260101T000000Z\r\n"));
    assert_non_null(strstr(text, "\r\nX-Empty:\r\n"));
    assert_non_null(strstr(text, "\r\nX-Blank:\r\n"));
    assert_non_null(strstr(text, "\r\nx-two: a  b, c\r\n"));
    assert_non_null(strstr(text, "\r\nUser-Agent: tozai/" TOZAI_VERSION "\r\n"));
    assert_non_null(strstr(text, "\r\nHost: 127.0.0.1:"));
    const char *unwanted[] = {"Accept",       "Expect",     "Content-Length",
                              "Content-Type", "Connection", "Transfer-Encoding"};
    for (size_t i = 0; i < TZ_COUNT(unwanted); i++)
        assert_null(strstr(text, unwanted[i]));
}

static void bodies_have_their_length_also_empty_ones(void **state)
{
    (void)state;
    const char *methods[] = {"PUT", "POST"};
    for (size_t i = 0; i < TZ_COUNT(methods); i++) {
        struct tz_http_request request = {.method = methods[i]};
        TZ_SCOPED(tz_scoped_free) char *empty = echoed(&request, "/");
        assert_memory_equal(empty, methods[i], strlen(methods[i]));
        assert_non_null(strstr(empty, "\r\nContent-Length: 0\r\n"));
        assert_null(strstr(empty, "Content-Type"));

        request.body = "seven..";
        request.body_len = 7;
        TZ_SCOPED(tz_scoped_free) char *seven = echoed(&request, "/");
        assert_non_null(strstr(seven, "\r\nContent-Length: 7\r\n"));
        assert_string_equal(strstr(seven, "\r\n\r\n") + 4, "seven..");
        assert_null(strstr(seven, "Content-Type"));
        assert_null(strstr(seven, "Expect"));
        assert_null(strstr(seven, "Transfer-Encoding"));
    }
    struct tz_http_request request = {.method = "DELETE"};
    TZ_SCOPED(tz_scoped_free) char *text = echoed(&request, "/");
    assert_memory_equal(text, "DELETE /\r\n", 10);
    assert_null(strstr(text, "Content-Length"));
}

/* -- what comes back --------------------------------------------------------------------- */

static void answer_by_target(struct http_call *call)
{
    if (!http_read_body(call, NULL))
        return;
    if (strcmp(call->target, "/chunked") == 0)
        (void)http_print(call, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                               "5\r\nhello\r\n7;x=y\r\n, world\r\n0\r\nX-Trailer: t\r\n\r\n");
    else if (strcmp(call->target, "/204") == 0)
        (void)http_print(call, "HTTP/1.1 204 No Content\r\nETag: \"x\"\r\n\r\n");
    else if (strcmp(call->target, "/304") == 0)
        (void)http_print(call, "HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n");
    else if (strcmp(call->target, "/empty") == 0)
        (void)http_answer(call, 200, "", 0);
    else if (strcmp(call->target, "/head") == 0)
        (void)http_print(call, "HTTP/1.1 200 OK\r\nContent-Length: 123456\r\n\r\n");
    else if (strcmp(call->target, "/head404") == 0)
        (void)http_print(call, "HTTP/1.1 404 Not Found\r\nContent-Length: 300\r\n\r\n");
    else if (strcmp(call->target, "/404") == 0)
        (void)http_answer(call, 404, "<Error/>", 8);
    else if (strcmp(call->target, "/307") == 0)
        (void)http_print(call, "HTTP/1.1 307 Moved\r\nLocation: /empty\r\nContent-Length: 2\r\n\r\n"
                               "go");
    else if (strcmp(call->target, "/headers") == 0)
        (void)http_print(call, "HTTP/1.1 103 Early\r\nX-Early: 1\r\n\r\n"
                               "HTTP/1.1 200 OK\r\nETag:\t\"a:b\"  \r\nX-Nothing:\r\n"
                               "x-amz-Version-ID: V\r\nX: 1\r\n"
                               "Content-Length: 0\r\n\r\n");
    else if (strcmp(call->target, "/until-close") == 0) {
        (void)http_print(call, "HTTP/1.0 200 OK\r\n\r\nall of it");
        http_close(call);
    } else
        (void)http_answer(call, 200, "hello", 5);
}

struct fixture {
    struct http_server *server;
    struct tz_http *http;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    f->server = http_server_start(answer_by_target, NULL, HTTP_PLAIN);
    f->http = open_http(4);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    tz_http_free(f->http);
    http_server_stop(f->server);
    free(f);
    return 0;
}

static void ask(struct fixture *f, const char *method, const char *target, struct tz_buf *out,
                struct tz_http_response *ret)
{
    TZ_SCOPED(tz_scoped_free) char *url = url_of(f->server, target);
    struct tz_http_request request = {.method = method, .url = url, .out = out, .max = 1000};
    tz_http_response_clear(ret);
    perform(f->http, &request, ret);
}

static void an_answer_goes_to_out_or_to_text(void **state)
{
    struct fixture *f = *state;
    TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};

    assert_int_equal(tz_buf_append(&out, "old ", 4, NULL), 0);
    ask(f, "GET", "/x", &out, &response);
    assert_int_equal(response.status, 200);
    assert_true(text_is(&out, "old hello"));
    assert_int_equal(response.text.len, 0);
    assert_int_equal(response.downloaded, 5);
    assert_int_equal(response.uploaded, 0);
    assert_true(response.first_byte_ns > 0 && response.first_byte_ns <= response.total_ns);

    ask(f, "GET", "/404", &out, &response);
    assert_int_equal(response.status, 404);
    assert_true(text_is(&out, "old hello"));
    assert_true(text_is(&response.text, "<Error/>"));

    ask(f, "GET", "/x", NULL, &response);
    assert_true(text_is(&response.text, "hello"));
    assert_int_equal(http_server_connections(f->server), 1);
}

static void answers_without_a_body_are_complete(void **state)
{
    struct fixture *f = *state;
    TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};

    ask(f, "GET", "/204", &out, &response);
    assert_int_equal(response.status, 204);
    assert_string_equal(tz_http_header(&response, "etag"), "\"x\"");
    ask(f, "GET", "/304", &out, &response);
    assert_int_equal(response.status, 304);
    ask(f, "GET", "/empty", &out, &response);
    assert_int_equal(response.status, 200);
    ask(f, "HEAD", "/head", &out, &response);
    assert_int_equal(response.status, 200);
    assert_string_equal(tz_http_header(&response, "content-length"), "123456");
    ask(f, "HEAD", "/head404", &out, &response);
    assert_int_equal(response.status, 404);
    assert_int_equal(out.len, 0);
    /* None of them upset the connection. */
    assert_int_equal(http_server_connections(f->server), 1);
}

static void a_chunked_answer_is_put_together(void **state)
{
    struct fixture *f = *state;
    TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};

    ask(f, "GET", "/chunked", &out, &response);
    assert_true(text_is(&out, "hello, world"));
    ask(f, "GET", "/chunked", NULL, &response);
    assert_true(text_is(&response.text, "hello, world"));
    assert_int_equal(http_server_connections(f->server), 1);
}

static void an_answer_may_end_with_the_connection(void **state)
{
    struct fixture *f = *state;
    TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {0};

    ask(f, "GET", "/until-close", NULL, &response);
    assert_true(text_is(&response.text, "all of it"));
    ask(f, "GET", "/x", NULL, &response);
    assert_int_equal(http_server_connections(f->server), 2);
}

static void a_redirect_is_only_reported(void **state)
{
    struct fixture *f = *state;
    TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {0};

    ask(f, "GET", "/307", NULL, &response);
    assert_int_equal(response.status, 307);
    assert_string_equal(tz_http_header(&response, "location"), "/empty");
    assert_int_equal(http_server_requests(f->server), 1);
}

static void headers_are_those_of_the_last_answer(void **state)
{
    struct fixture *f = *state;
    TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {0};

    ask(f, "GET", "/headers", NULL, &response);
    assert_string_equal(tz_http_header(&response, "etag"), "\"a:b\"");
    assert_string_equal(tz_http_header(&response, "x-nothing"), "");
    assert_string_equal(tz_http_header(&response, "x-amz-version-id"), "V");
    assert_string_equal(tz_http_header(&response, "x"), "1");
    assert_null(tz_http_header(&response, "x-early"));
    assert_null(tz_http_header(&response, "x-amz"));
    const struct tz_http_response none = {0};
    assert_null(tz_http_header(&none, "x"));
}

static void room_that_is_there_is_used(void **state)
{
    struct fixture *f = *state;
    TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};

    assert_int_equal(tz_buf_reserve(&out, 5, NULL), 0);
    const uint8_t *before = out.data;
    ask(f, "GET", "/x", &out, &response);
    assert_ptr_equal(out.data, before);
    assert_true(text_is(&out, "hello"));
}

/* -- much of it -------------------------------------------------------------------------- */

/* A byte that depends on where it is. */
static uint8_t *make_bytes(size_t len)
{
    uint8_t *data = malloc(len);
    assert_non_null(data);
    for (size_t i = 0; i < len; i++)
        data[i] = (uint8_t)(i * 2654435761U >> 13);
    return data;
}

/* Answers a PUT with the body's hash, a GET with arg's bytes. */
struct large {
    uint8_t *data;
    size_t len;
    atomic_uint continues;
};

static void store_or_send(struct http_call *call)
{
    struct large *large = call->arg;
    uint8_t hash[TZ_HASH_SIZE];

    atomic_fetch_add(&large->continues, call->continues);
    if (!http_read_body(call, hash))
        return;
    if (strcmp(call->method, "PUT") == 0)
        (void)http_answer(call, 200, hash, sizeof(hash));
    else
        (void)http_answer(call, 200, large->data, large->len);
}

static void large_bodies_go_both_ways(void **state)
{
    (void)state;
    struct large large = {.len = (size_t)64 << 20};
    TZ_SCOPED(tz_scoped_free) uint8_t *data = make_bytes(large.len);
    large.data = data;
    TZ_SCOPED(scoped_http_server)
    struct http_server *server = http_server_start(store_or_send, &large, HTTP_PLAIN);
    TZ_SCOPED(tz_scoped_http) struct tz_http *http = open_http(1);
    TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
    uint8_t hash[TZ_HASH_SIZE];

    struct tz_http_request put = {
        .method = "PUT", .url = http_server_url(server), .body = data, .body_len = large.len};
    perform(http, &put, &response);
    assert_int_equal(tz_sha256(hash, data, large.len, NULL), 0);
    assert_int_equal(response.text.len, sizeof(hash));
    assert_memory_equal(response.text.data, hash, sizeof(hash));
    assert_int_equal(response.uploaded, large.len);
    assert_int_equal(atomic_load(&large.continues), 1);

    tz_http_response_clear(&response);
    struct tz_http_request get = {
        .method = "GET", .url = http_server_url(server), .out = &out, .max = large.len};
    perform(http, &get, &response);
    assert_int_equal(out.len, large.len);
    assert_memory_equal(out.data, data, large.len);
    assert_true(out.cap == large.len); /* reserved at once */
    assert_int_equal(http_server_connections(server), 1);
}

static void only_large_bodies_wait_for_permission(void **state)
{
    (void)state;
    struct large large = {0};
    TZ_SCOPED(tz_scoped_free) uint8_t *data = make_bytes(((size_t)1 << 20) + 1);
    TZ_SCOPED(scoped_http_server)
    struct http_server *server = http_server_start(store_or_send, &large, HTTP_PLAIN);
    TZ_SCOPED(tz_scoped_http) struct tz_http *http = open_http(1);
    TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {0};
    struct tz_http_request put = {
        .method = "PUT", .url = http_server_url(server), .body = data, .body_len = (size_t)1 << 20};
    perform(http, &put, &response);
    assert_int_equal(atomic_load(&large.continues), 0);
    tz_http_response_clear(&response);
    put.body_len++;
    perform(http, &put, &response);
    assert_int_equal(atomic_load(&large.continues), 1);
    tz_http_response_clear(&response);
    perform(http, &put, &response);
    assert_int_equal(atomic_load(&large.continues), 2);
}

static void answer_without_permission(struct http_call *call)
{
    struct large *large = call->arg;
    atomic_fetch_add(&large->continues, call->continues);
    call->continues = false; /* it has not heard of that */
    if (http_read_body(call, NULL))
        (void)http_answer(call, 200, "", 0);
}

static void a_server_without_permission_is_asked_once(void **state)
{
    (void)state;
    struct large large = {0};
    TZ_SCOPED(tz_scoped_free) uint8_t *data = make_bytes((size_t)2 << 20);
    TZ_SCOPED(scoped_http_server)
    struct http_server *server = http_server_start(answer_without_permission, &large, HTTP_PLAIN);
    TZ_SCOPED(tz_scoped_http) struct tz_http *http = open_http(1);
    struct tz_http_request put = {
        .method = "PUT", .url = http_server_url(server), .body = data, .body_len = (size_t)2 << 20};
    for (int i = 0; i < 3; i++) {
        TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {0};
        perform(http, &put, &response);
        assert_int_equal(response.status, 200);
        assert_int_equal(response.uploaded, put.body_len);
    }
    assert_int_equal(atomic_load(&large.continues), 1);
}

static void refuse_at_once(struct http_call *call)
{
    (void)http_answer(call, 503, "<Error>slow down</Error>", 24);
    http_close(call);
}

static void a_refusal_costs_no_upload(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_free) uint8_t *data = make_bytes((size_t)16 << 20);
    TZ_SCOPED(scoped_http_server)
    struct http_server *server = http_server_start(refuse_at_once, NULL, HTTP_PLAIN);
    TZ_SCOPED(tz_scoped_http) struct tz_http *http = open_http(1);
    struct tz_http_request put = {.method = "PUT",
                                  .url = http_server_url(server),
                                  .body = data,
                                  .body_len = (size_t)16 << 20};
    for (int i = 0; i < 3; i++) {
        TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {0};
        perform(http, &put, &response);
        assert_int_equal(response.status, 503);
        assert_int_equal(response.uploaded, 0);
        assert_true(text_is(&response.text, "<Error>slow down</Error>"));
    }
}

enum { THREADS = 16, REQUESTS = 1000, FEW = 4 };

struct crowd {
    struct tz_http *http;
    const struct http_server *server;
    atomic_uint next;
    atomic_uint wrong;
};

/* Each asks for something else and looks whether that is what came. */
static void *ask_often(void *arg)
{
    struct crowd *crowd = arg;
    for (unsigned i; (i = atomic_fetch_add(&crowd->next, 1)) < REQUESTS;) {
        TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {0};
        TZ_SCOPED(tz_scoped_buf) struct tz_buf url = {0};
        char body[32], expected[64];
        (void)snprintf(body, sizeof(body), "body %u", i);
        (void)snprintf(expected, sizeof(expected), "/n/%u body %u", i, i);
        struct tz_http_request request = {.method = "POST", .body = body, .body_len = strlen(body)};
        bool good = tz_buf_printf(&url, NULL, "%s/n/%u", http_server_url(crowd->server), i) == 0;
        request.url = (const char *)url.data;
        good = good && tz_http_perform(crowd->http, &request, &response, NULL) == 0 &&
               text_is(&response.text, expected);
        atomic_fetch_add(&crowd->wrong, !good);
    }
    return NULL;
}

static atomic_uint at_once, most_at_once;

static void answer_target_and_body(struct http_call *call)
{
    char body[64] = {0}, text[128];
    unsigned now = atomic_fetch_add(&at_once, 1) + 1, most = atomic_load(&most_at_once);
    while (now > most && !atomic_compare_exchange_weak(&most_at_once, &most, now))
        ;
    for (size_t len = 0, got; (got = http_read_some(call, body + len, sizeof(body) - 1 - len)) > 0;)
        len += got;
    (void)snprintf(text, sizeof(text), "%.60s %.60s", call->target, body);
    atomic_fetch_sub(&at_once, 1);
    (void)http_answer(call, 200, text, strlen(text));
}

static void many_threads_share_few_connections(void **state)
{
    (void)state;
    TZ_SCOPED(scoped_http_server)
    struct http_server *server = http_server_start(answer_target_and_body, NULL, HTTP_PLAIN);
    TZ_SCOPED(tz_scoped_http) struct tz_http *http = open_http(FEW);
    struct crowd crowd = {.http = http, .server = server};
    pthread_t threads[THREADS];

    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_often, &crowd), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(atomic_load(&crowd.wrong), 0);
    assert_int_equal(http_server_requests(server), REQUESTS);
    assert_in_range(http_server_connections(server), 1, FEW);
    assert_in_range(atomic_load(&most_at_once), 1, FEW);
}

/* -- TLS and proxies --------------------------------------------------------------------- */

static void tls_works_with_a_certificate_that_is_trusted(void **state)
{
    (void)state;
    struct large large = {.len = (size_t)5 << 20};
    TZ_SCOPED(tz_scoped_free) uint8_t *data = make_bytes(large.len);
    large.data = data;
    TZ_SCOPED(scoped_http_server)
    struct http_server *server = http_server_start(store_or_send, &large, HTTP_TLS);
    struct tz_http_options options = {.ca_file = http_server_ca(server), .user_agent = "x"};
    TZ_SCOPED(tz_scoped_http) struct tz_http *http = NULL;
    assert_int_equal(tz_http_new(&http, &options, NULL), 0);

    for (int i = 0; i < 3; i++) {
        TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {0};
        TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
        struct tz_http_request get = {
            .method = "GET", .url = http_server_url(server), .out = &out, .max = large.len};
        perform(http, &get, &response);
        assert_int_equal(out.len, large.len);
        assert_memory_equal(out.data, data, large.len);
    }
    assert_int_equal(http_server_connections(server), 1);
}

static void the_environment_names_a_proxy(void **state)
{
    (void)state;
    TZ_SCOPED(scoped_http_server)
    struct http_server *proxy = http_server_start(echo, NULL, HTTP_PLAIN);
    assert_int_equal(setenv("http_proxy", http_server_url(proxy), 1), 0);
    TZ_SCOPED(tz_scoped_http) struct tz_http *http = open_http(1);
    TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {0};
    struct tz_http_request get = {.method = "GET", .url = "http://store.invalid:81/b/k"};

    perform(http, &get, &response);
    assert_int_equal(unsetenv("http_proxy"), 0);
    assert_memory_equal(response.text.data, "GET http://store.invalid:81/b/k\r\n", 33);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_target_is_sent_as_it_is),
        cmocka_unit_test(only_what_is_needed_is_added_to_the_headers),
        cmocka_unit_test(bodies_have_their_length_also_empty_ones),
        cmocka_unit_test_setup_teardown(an_answer_goes_to_out_or_to_text, set_up, tear_down),
        cmocka_unit_test_setup_teardown(answers_without_a_body_are_complete, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_chunked_answer_is_put_together, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_answer_may_end_with_the_connection, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_redirect_is_only_reported, set_up, tear_down),
        cmocka_unit_test_setup_teardown(headers_are_those_of_the_last_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(room_that_is_there_is_used, set_up, tear_down),
        cmocka_unit_test(large_bodies_go_both_ways),
        cmocka_unit_test(only_large_bodies_wait_for_permission),
        cmocka_unit_test(a_server_without_permission_is_asked_once),
        cmocka_unit_test(a_refusal_costs_no_upload),
        cmocka_unit_test(many_threads_share_few_connections),
        cmocka_unit_test(tls_works_with_a_certificate_that_is_trusted),
        cmocka_unit_test(the_environment_names_a_proxy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
