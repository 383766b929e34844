/* Whatever can go wrong between the request and its answer, and which error that is. */
#include "storage/s3/http.h"

#include "http_server.h"
#include "tozai/util/time.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

enum { MAX = 1000 };

/* What the server of a test does, by target. */
static void odd_answer(struct http_call *call)
{
    const char *target = call->target;

    if (strcmp(target, "/reset-head") == 0) {
        http_reset(call);
    } else if (strcmp(target, "/reset-body") == 0) {
        (void)http_print(call, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
        http_reset(call);
    } else if (strcmp(target, "/nothing") == 0) {
        http_close(call);
    } else if (strcmp(target, "/half-head") == 0) {
        (void)http_print(call, "HTTP/1.1 200 OK\r\nContent-Le");
        http_close(call);
    } else if (strcmp(target, "/short") == 0) {
        (void)http_print(call, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
        http_close(call);
    } else if (strcmp(target, "/short-chunk") == 0) {
        (void)http_print(call, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf");
        http_close(call);
    } else if (strcmp(target, "/no-last-chunk") == 0) {
        (void)http_print(call,
                         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
        http_close(call);
    } else if (strcmp(target, "/large") == 0) {
        (void)http_print(call, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%01001d", MAX + 1, 1);
    } else if (strcmp(target, "/large-chunk") == 0) {
        (void)http_print(
            call,
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n%01001d\r\n0\r\n\r\n", 1);
    } else if (strcmp(target, "/huge-text") == 0) {
        (void)http_print(call, "HTTP/1.1 500 X\r\nContent-Length: 16777217\r\n\r\nx");
    } else if (strcmp(target, "/not-http") == 0) {
        (void)http_print(call, "SSH-2.0-OpenSSH_9.2\r\n");
        http_close(call);
    } else if (strcmp(target, "/bad-length") == 0) {
        (void)http_print(call, "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello");
        http_close(call);
    } else if (strcmp(target, "/no-colon") == 0) {
        (void)http_print(call, "HTTP/1.1 200 OK\r\nwhat is this\r\n\r\n");
    } else if (strcmp(target, "/nul") == 0) {
        (void)http_write(call, "HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n", 46);
    } else if (strcmp(target, "/flood") == 0) {
        (void)http_print(call, "HTTP/1.1 200 OK\r\n");
        while (http_print(call, "X-More: %01000d\r\n", 1))
            ;
    } else if (strcmp(target, "/flood-100") == 0) {
        while (http_print(call, "HTTP/1.1 100 Continue\r\n\r\n"))
            ;
    } else if (strcmp(target, "/long-line") == 0) {
        (void)http_print(call, "HTTP/1.1 200 OK\r\nX: ");
        while (http_print(call, "%01000d", 1))
            ;
    } else if (strcmp(target, "/hang") == 0) {
        http_hang(call);
    } else if (strcmp(target, "/hang-body") == 0) {
        (void)http_print(call, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
        http_hang(call);
    } else if (strcmp(target, "/drip") == 0) {
        (void)http_print(call, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
        while (!http_server_stopping(call->server) && http_print(call, "x"))
            (void)nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    } else if (strcmp(target, "/slow") == 0) { /* 2.5 s, but never still for long */
        (void)http_print(call, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
        for (int i = 0; i < 5 && http_print(call, "%d", i); i++)
            (void)nanosleep(&(struct timespec){.tv_nsec = 500000000}, NULL);
    } else {
        (void)http_answer(call, 200, "hello", 5);
    }
}

struct fixture {
    struct http_server *server;
    struct tz_http *http;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    const struct tz_http_options options = {
        .connections = 2, .timeout_s = 1, .connect_timeout_s = 1};

    assert_non_null(f);
    f->server = http_server_start(odd_answer, NULL, HTTP_PLAIN);
    assert_int_equal(tz_http_new(&f->http, &options, NULL), 0);
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

/* The kind of the error (TZ_OK: none), after which everything must be as it was. */
static enum tz_error_kind kind_of(struct tz_http *http, const char *url,
                                  struct tz_http_request request, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};

    assert_int_equal(tz_buf_append(&out, "old", 3, NULL), 0);
    request.method = request.method ? request.method : "GET";
    request.url = url;
    request.out = &out;
    request.max = MAX;
    tz_error_clear(err);
    if (tz_http_perform(http, &request, &response, err) == 0)
        return TZ_OK;
    assert_int_equal(out.len, 3);
    assert_memory_equal(out.data, "old", 3);
    assert_int_equal(response.status, 0);
    assert_true(err->message[0] != '\0');
    return err->kind;
}

static enum tz_error_kind kind_at(struct fixture *f, const char *target)
{
    struct tz_error err = {0};
    char url[128];
    (void)snprintf(url, sizeof(url), "%s%s", http_server_url(f->server), target);
    return kind_of(f->http, url, (struct tz_http_request){0}, &err);
}

static void check_kinds(void **state, const char *const *targets, size_t count,
                        enum tz_error_kind expected)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < count; i++) {
        enum tz_error_kind kind = kind_at(f, targets[i]);
        if (kind != expected)
            fail_msg("%s: %s instead of %s", targets[i], tz_error_code(kind),
                     tz_error_code(expected));
        /* Whatever happened, the next one is not harmed. */
        assert_int_equal(kind_at(f, "/good"), TZ_OK);
    }
}

static void a_broken_connection_is_unavailable(void **state)
{
    static const char *const targets[] = {"/reset-head",   "/reset-body", "/nothing",
                                          "/half-head",    "/short",      "/short-chunk",
                                          "/no-last-chunk"};
    check_kinds(state, targets, TZ_COUNT(targets), TZ_UNAVAILABLE);
}

static void what_is_too_long_or_not_http_is_corrupt(void **state)
{
    static const char *const targets[] = {"/large",      "/large-chunk", "/huge-text", "/not-http",
                                          "/bad-length", "/no-colon",    "/nul",       "/flood",
                                          "/flood-100",  "/long-line"};
    check_kinds(state, targets, TZ_COUNT(targets), TZ_CORRUPT);
}

static int64_t ms_since(int64_t start_ns)
{
    return (tz_monotonic() - start_ns) / 1000000;
}

static void a_connection_that_stands_still_is_given_up(void **state)
{
    struct fixture *f = *state;
    const char *targets[] = {"/hang", "/hang-body"};
    for (size_t i = 0; i < TZ_COUNT(targets); i++) {
        int64_t start_ns = tz_monotonic();
        assert_int_equal(kind_at(f, targets[i]), TZ_UNAVAILABLE);
        assert_in_range(ms_since(start_ns), 1000, 2500);
    }
    assert_int_equal(kind_at(f, "/slow"), TZ_OK);
}

static void a_request_can_have_a_time_of_its_own(void **state)
{
    struct fixture *f = *state;
    struct tz_error err = {0};
    char url[128];
    (void)snprintf(url, sizeof(url), "%s/drip", http_server_url(f->server));

    int64_t start_ns = tz_monotonic();
    assert_int_equal(kind_of(f->http, url, (struct tz_http_request){.timeout_s = 2}, &err),
                     TZ_UNAVAILABLE);
    assert_in_range(ms_since(start_ns), 2000, 3500);
    assert_non_null(strstr(err.message, "2 s"));
}

/* The bytes that had come each time that it was asked; it has enough of the fifth. */
struct drips {
    unsigned asked;
    uint64_t came;
    int64_t took_ns;
};

static bool has_enough(void *arg, uint64_t came, int64_t took_ns)
{
    struct drips *drips = arg;

    assert_true(came >= drips->came && came <= 1000 && took_ns >= drips->took_ns);
    *drips = (struct drips){.asked = drips->asked + 1, .came = came, .took_ns = took_ns};
    return came >= 5;
}

static void an_answer_that_drips_can_be_left(void **state)
{
    struct fixture *f = *state;
    struct drips drips = {0};
    const struct tz_store_terms terms = {.too_slow = has_enough, .arg = &drips};
    const struct tz_http_request request = {.terms = &terms};
    struct tz_error err = {0};
    char url[128];

    (void)snprintf(url, sizeof(url), "%s/drip", http_server_url(f->server));
    assert_int_equal(kind_of(f->http, url, request, &err), TZ_UNAVAILABLE);
    assert_in_range(drips.came, 5, 100);
    assert_true(drips.asked > 1);
    assert_non_null(strstr(err.message, "bytes came in"));
}

/* A port on which nobody listens; or, with a backlog that is full, nobody answers. */
static int bind_port(unsigned *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

static void who_cannot_be_reached_is_unavailable(void **state)
{
    struct fixture *f = *state;
    struct tz_error err = {0};
    char url[128];
    unsigned port = 0;
    TZ_SCOPED(tz_scoped_fd) int fd = bind_port(&port);

    assert_true(fd >= 0); /* it does not listen */
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/", port);
    assert_int_equal(kind_of(f->http, url, (struct tz_http_request){0}, &err), TZ_UNAVAILABLE);
    /* More often than there are connections. */
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(
            kind_of(f->http, "http://no-such-host.invalid/", (struct tz_http_request){0}, &err),
            TZ_UNAVAILABLE);
        assert_non_null(strstr(err.message, "no-such-host.invalid"));
    }
}

static void a_proxy_that_is_away_is_named(void **state)
{
    struct fixture *f = *state;
    struct tz_error err = {0};
    char proxy[128], url[128];
    unsigned port = 0;
    TZ_SCOPED(tz_scoped_fd) int fd = bind_port(&port);

    assert_true(fd >= 0); /* it does not listen */
    (void)snprintf(proxy, sizeof(proxy), "http://localhost:%u", port);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/", port);
    assert_int_equal(setenv("http_proxy", proxy, 1), 0);
    assert_int_equal(kind_of(f->http, url, (struct tz_http_request){0}, &err), TZ_UNAVAILABLE);
    assert_int_equal(unsetenv("http_proxy"), 0);
    assert_non_null(strstr(err.hint, "check the HTTP proxy"));
    assert_int_equal(kind_of(f->http, url, (struct tz_http_request){0}, &err), TZ_UNAVAILABLE);
    assert_string_equal(err.hint, "");
}

/* It listens and its system accepts, but nobody says a word: TLS cannot begin. */
static void a_handshake_that_stands_still_is_given_up(void **state)
{
    struct fixture *f = *state;
    struct tz_error err = {0};
    char url[128];
    unsigned port = 0;
    TZ_SCOPED(tz_scoped_fd) int fd = bind_port(&port);

    assert_int_equal(listen(fd, 1), 0);
    (void)snprintf(url, sizeof(url), "https://127.0.0.1:%u/", port);
    int64_t start_ns = tz_monotonic();
    assert_int_equal(kind_of(f->http, url, (struct tz_http_request){0}, &err), TZ_UNAVAILABLE);
    assert_in_range(ms_since(start_ns), 900, 2500);
}

static void what_is_no_request_is_invalid(void **state)
{
    struct fixture *f = *state;
    struct tz_error err = {0};
    const char *urls[] = {"",
                          "x",
                          "ftp://127.0.0.1/",
                          "file:///etc/passwd",
                          "http://",
                          "http://a b/",
                          "http://127.0.0.1:99999/",
                          "http://u:p@127.0.0.1/",
                          "http://127.0.0.1/\r\nX: y"};
    for (size_t i = 0; i < TZ_COUNT(urls); i++)
        if (kind_of(f->http, urls[i], (struct tz_http_request){0}, &err) != TZ_INVALID)
            fail_msg("'%s': %s", urls[i], tz_error_code(err.kind));

    const char *lines[] = {"no colon\0", ": x\0", "a b: c\0", "X: a\r\nY: b\0", "X: a\n\0"};
    for (size_t i = 0; i < TZ_COUNT(lines); i++)
        assert_int_equal(kind_of(f->http, http_server_url(f->server),
                                 (struct tz_http_request){.lines = lines[i]}, &err),
                         TZ_INVALID);
    assert_int_equal(http_server_requests(f->server), 0);
}

/* -- kept connections -------------------------------------------------------------------- */

struct turns {
    atomic_uint wrong; /* bodies that came with other bytes */
    bool late;         /* hang up only when the second request comes */
    bool in_body;      /* and not before some of its body was read */
};

static void hang_up_on_the_second(struct http_call *call)
{
    struct turns *turns = call->arg;
    uint8_t hash[TZ_HASH_SIZE];

    if (turns->late && call->connection_number == 1 && call->number == 2) {
        char some[4096];
        if (call->continues)
            (void)http_print(call, "%s", ""); /* not even an interim answer */
        if (turns->in_body)
            (void)http_read_some(call, some, sizeof(some));
        http_close(call);
        return;
    }
    if (!http_read_body(call, hash))
        return;
    (void)http_answer(call, 200, hash, sizeof(hash));
    if (!turns->late)
        http_close(call); /* without having said so */
}

static void put_three_times(struct turns *turns, size_t len, unsigned connections)
{
    TZ_SCOPED(scoped_http_server)
    struct http_server *server = http_server_start(hang_up_on_the_second, turns, HTTP_PLAIN);
    const struct tz_http_options options = {.connections = 1, .timeout_s = 5};
    TZ_SCOPED(tz_scoped_http) struct tz_http *http = NULL;
    TZ_SCOPED(tz_scoped_free) uint8_t *body = malloc(len);
    uint8_t hash[TZ_HASH_SIZE];

    assert_non_null(body);
    for (size_t i = 0; i < len; i++)
        body[i] = (uint8_t)(i % 251);
    assert_int_equal(tz_sha256(hash, body, len, NULL), 0);
    assert_int_equal(tz_http_new(&http, &options, NULL), 0);
    for (int i = 0; i < 3; i++) {
        TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {0};
        struct tz_error err = {0};
        const struct tz_http_request put = {
            .method = "PUT", .url = http_server_url(server), .body = body, .body_len = len};
        if (tz_http_perform(http, &put, &response, &err))
            fail_msg("%s", err.message);
        assert_int_equal(response.text.len, sizeof(hash));
        assert_memory_equal(response.text.data, hash, sizeof(hash));
        assert_int_equal(response.uploaded, len);
    }
    assert_int_equal(http_server_connections(server), connections);
}

static void a_kept_connection_that_was_closed_is_replaced(void **state)
{
    (void)state;
    const size_t lens[] = {10, 500000, (size_t)5 << 20};
    for (size_t i = 0; i < TZ_COUNT(lens); i++) {
        /* Closed while nobody used it, just when the request came, or in mid body. */
        put_three_times(&(struct turns){0}, lens[i], 3);
        put_three_times(&(struct turns){.late = true}, lens[i], 2);
    }
    put_three_times(&(struct turns){.late = true, .in_body = true}, 1000000, 2);
}

static atomic_uint attempts;

static void never_answer(struct http_call *call)
{
    atomic_fetch_add(&attempts, 1);
    if (call->number == 1 && strcmp(call->target, "/first") == 0)
        (void)http_answer(call, 200, "", 0);
    else
        http_close(call);
}

/* A new connection without an answer is the caller's trouble. */
static void nothing_is_tried_for_ever(void **state)
{
    (void)state;
    TZ_SCOPED(scoped_http_server)
    struct http_server *server = http_server_start(never_answer, NULL, HTTP_PLAIN);
    const struct tz_http_options options = {.connections = 1, .timeout_s = 5};
    TZ_SCOPED(tz_scoped_http) struct tz_http *http = NULL;
    struct tz_error err = {0};
    char url[128];

    assert_int_equal(tz_http_new(&http, &options, NULL), 0);
    (void)snprintf(url, sizeof(url), "%s/first", http_server_url(server));
    assert_int_equal(kind_of(http, url, (struct tz_http_request){0}, &err), TZ_OK);
    assert_int_equal(kind_of(http, http_server_url(server), (struct tz_http_request){0}, &err),
                     TZ_UNAVAILABLE);
    assert_in_range(atomic_load(&attempts), 2, 3);
}

static void add_bytes(struct http_call *call)
{
    (void)http_print(call, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello%s",
                     "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong");
    if (strcmp(call->target, "/late") == 0) {
        (void)nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
        (void)http_print(call, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong");
    }
}

static void bytes_that_are_too_many_are_not_taken_for_the_next_answer(void **state)
{
    (void)state;
    TZ_SCOPED(scoped_http_server)
    struct http_server *server = http_server_start(add_bytes, NULL, HTTP_PLAIN);
    const struct tz_http_options options = {.connections = 1, .timeout_s = 5};
    TZ_SCOPED(tz_scoped_http) struct tz_http *http = NULL;
    const char *targets[] = {"/", "/late"};

    assert_int_equal(tz_http_new(&http, &options, NULL), 0);
    for (size_t i = 0; i < 6; i++) {
        TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {0};
        char url[128];
        (void)snprintf(url, sizeof(url), "%s%s", http_server_url(server), targets[i % 2]);
        const struct tz_http_request get = {.method = "GET", .url = url};
        assert_int_equal(tz_http_perform(http, &get, &response, NULL), 0);
        assert_int_equal(response.text.len, 5);
        assert_memory_equal(response.text.data, "hello", 5);
        (void)nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    }
}

/* -- uploads ----------------------------------------------------------------------------- */

static void refuse_upload(struct http_call *call)
{
    char some[65536];

    if (call->continues)
        (void)http_print(call, "HTTP/1.1 100 Continue\r\n\r\n");
    call->continues = false;
    (void)http_read_some(call, some, sizeof(some));
    if (strcmp(call->target, "/hang") == 0) {
        http_hang(call);
    } else if (strcmp(call->target, "/reset") == 0) {
        http_reset(call);
    } else {
        (void)http_answer(call, 403, "<Error/>", 8);
        while (http_read_some(call, some, sizeof(some)) > 0)
            ;
    }
}

static void uploads_fail_like_other_requests(void **state)
{
    (void)state;
    TZ_SCOPED(scoped_http_server)
    struct http_server *server = http_server_start(refuse_upload, NULL, HTTP_PLAIN);
    const struct tz_http_options options = {.connections = 1, .timeout_s = 1};
    TZ_SCOPED(tz_scoped_http) struct tz_http *http = NULL;
    const size_t len = (size_t)32 << 20;
    TZ_SCOPED(tz_scoped_free) uint8_t *body = calloc(1, len);
    struct tz_http_request put = {.method = "PUT", .body = body, .body_len = len};
    struct tz_error err = {0};
    char url[128];

    assert_non_null(body);
    assert_int_equal(tz_http_new(&http, &options, NULL), 0);
    (void)snprintf(url, sizeof(url), "%s/reset", http_server_url(server));
    assert_int_equal(kind_of(http, url, put, &err), TZ_UNAVAILABLE);
    int64_t start_ns = tz_monotonic();
    (void)snprintf(url, sizeof(url), "%s/hang", http_server_url(server));
    assert_int_equal(kind_of(http, url, put, &err), TZ_UNAVAILABLE);
    assert_in_range(ms_since(start_ns), 1000, 3000);

    /* An answer before the end of the body is one. */
    TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {0};
    (void)snprintf(url, sizeof(url), "%s/403", http_server_url(server));
    put.url = url;
    assert_int_equal(tz_http_perform(http, &put, &response, NULL), 0);
    assert_int_equal(response.status, 403);
    assert_true(response.uploaded < len);
}

/* -- TLS --------------------------------------------------------------------------------- */

static enum tz_error_kind kind_over_tls(const char *url, const char *ca_file, const char *hint)
{
    const struct tz_http_options options = {.ca_file = ca_file, .connect_timeout_s = 2};
    TZ_SCOPED(tz_scoped_http) struct tz_http *http = NULL;
    struct tz_error err = {0};

    assert_int_equal(tz_http_new(&http, &options, NULL), 0);
    enum tz_error_kind kind = kind_of(http, url, (struct tz_http_request){0}, &err);
    if (!strstr(err.hint, hint))
        fail_msg("'%s' has the hint '%s'", err.message, err.hint);
    return kind;
}

static void tls_must_be_trusted_and_new_enough(void **state)
{
    struct fixture *f = *state;
    TZ_SCOPED(scoped_http_server)
    struct http_server *server = http_server_start(odd_answer, NULL, HTTP_TLS);
    TZ_SCOPED(scoped_http_server)
    struct http_server *other = http_server_start(odd_answer, NULL, HTTP_TLS);
    TZ_SCOPED(scoped_http_server)
    struct http_server *old = http_server_start(odd_answer, NULL, HTTP_TLS_OLD);
    char url[128];

    assert_int_equal(kind_over_tls(http_server_url(server), http_server_ca(server), ""), TZ_OK);
    assert_int_equal(kind_over_tls(http_server_url(server), NULL, "ca_file"), TZ_DENIED);
    assert_int_equal(kind_over_tls(http_server_url(server), http_server_ca(other), "ca_file"),
                     TZ_DENIED);
    assert_int_equal(
        kind_over_tls(http_server_url(old), http_server_ca(old), "no TLS of version 1.2"),
        TZ_DENIED);
    /* It is for 127.0.0.1 alone. */
    (void)snprintf(url, sizeof(url), "https://localhost:%u/", http_server_port(server));
    assert_int_equal(kind_over_tls(url, http_server_ca(server), "another name"), TZ_DENIED);
    /* No TLS at all on the other side. */
    (void)snprintf(url, sizeof(url), "https://127.0.0.1:%u/", http_server_port(f->server));
    assert_int_equal(kind_over_tls(url, NULL, ""), TZ_UNAVAILABLE);

    struct tz_http *http = NULL;
    struct tz_error err = {0};
    const struct tz_http_options options = {.ca_file = "/nonexistent/ca.pem"};
    assert_int_equal(tz_http_new(&http, &options, &err), -1);
    assert_int_equal(err.kind, TZ_NOT_FOUND);
    assert_null(http);
    tz_http_free(NULL);
}

/* A peer that hangs up in mid handshake may be there again later. */
static void *accept_and_close(void *arg)
{
    int fd = accept(*(int *)arg, NULL, NULL);
    char some[1024];
    if (fd >= 0) {
        (void)recv(fd, some, sizeof(some), 0);
        (void)close(fd);
    }
    return NULL;
}

static void a_broken_handshake_is_unavailable(void **state)
{
    (void)state;
    unsigned port = 0;
    TZ_SCOPED(tz_scoped_fd) int fd = bind_port(&port);
    pthread_t thread;
    char url[128];

    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(pthread_create(&thread, NULL, accept_and_close, &fd), 0);
    (void)snprintf(url, sizeof(url), "https://127.0.0.1:%u/", port);
    assert_int_equal(kind_over_tls(url, NULL, ""), TZ_UNAVAILABLE);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

/* -- the end ----------------------------------------------------------------------------- */

struct waiter {
    struct tz_http *http;
    const struct http_server *server;
    pthread_t thread;
    enum tz_error_kind kind;
};

static void *wait_for_ever(void *arg)
{
    struct waiter *waiter = arg;
    const struct tz_http_request get = {.method = "GET", .url = NULL};
    struct tz_error err = {0};
    char url[128];
    (void)snprintf(url, sizeof(url), "%s/drip", http_server_url(waiter->server));
    waiter->kind = kind_of(waiter->http, url, get, &err);
    return NULL;
}

static void free_ends_what_others_wait_for(void **state)
{
    struct fixture *f = *state;
    struct waiter waiters[6] = {0}; /* two on their way, four before their turn */

    for (size_t i = 0; i < TZ_COUNT(waiters); i++) {
        waiters[i].http = f->http;
        waiters[i].server = f->server;
        assert_int_equal(pthread_create(&waiters[i].thread, NULL, wait_for_ever, &waiters[i]), 0);
    }
    while (http_server_requests(f->server) < 2)
        (void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    (void)nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);

    int64_t start_ns = tz_monotonic();
    tz_http_free(TZ_TAKE(f->http));
    assert_true(ms_since(start_ns) < 500);
    for (size_t i = 0; i < TZ_COUNT(waiters); i++) {
        assert_int_equal(pthread_join(waiters[i].thread, NULL), 0);
        assert_int_equal(waiters[i].kind, TZ_INTERRUPTED);
    }
    assert_int_equal(http_server_requests(f->server), 2);
}

/* More than once: curl keeps the buffer of a request that found no host. */
static void a_host_without_an_address_is_unavailable(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 3; i++) {
        struct tz_error err = {0};
        const struct tz_http_request request = {.direct = true};
        assert_int_equal(kind_of(f->http, "http://no-such-host.invalid/", request, &err),
                         TZ_UNAVAILABLE);
        assert_non_null(strstr(err.message, "no-such-host.invalid"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_broken_connection_is_unavailable, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_host_without_an_address_is_unavailable, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_is_too_long_or_not_http_is_corrupt, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_connection_that_stands_still_is_given_up, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_request_can_have_a_time_of_its_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_answer_that_drips_can_be_left, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_cannot_be_reached_is_unavailable, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_proxy_that_is_away_is_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_handshake_that_stands_still_is_given_up, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_request_is_invalid, set_up, tear_down),
        cmocka_unit_test(a_kept_connection_that_was_closed_is_replaced),
        cmocka_unit_test(nothing_is_tried_for_ever),
        cmocka_unit_test(bytes_that_are_too_many_are_not_taken_for_the_next_answer),
        cmocka_unit_test(uploads_fail_like_other_requests),
        cmocka_unit_test_setup_teardown(tls_must_be_trusted_and_new_enough, set_up, tear_down),
        cmocka_unit_test(a_broken_handshake_is_unavailable),
        cmocka_unit_test_setup_teardown(free_ends_what_others_wait_for, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
