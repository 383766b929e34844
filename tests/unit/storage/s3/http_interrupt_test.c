/* The wish to stop cannot be taken back, so this is a program of its own, in this order. */
#include "storage/s3/http.h"

#include "http_server.h"
#include "tozai/util/interrupt.h"
#include "tozai/util/time.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* One that hangs before its answer, in mid answer, in mid upload. */
static void hang(struct http_call *call)
{
    if (strcmp(call->target, "/good") == 0) {
        (void)http_answer(call, 200, "hello", 5);
        return;
    }
    if (strcmp(call->target, "/slow") == 0) {
        (void)nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
        (void)http_answer(call, 200, "hello", 5);
        return;
    }
    if (strcmp(call->target, "/body") == 0)
        (void)http_print(call, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    if (call->continues)
        (void)http_print(call, "HTTP/1.1 100 Continue\r\n\r\n");
    http_hang(call);
}

struct waiter {
    pthread_t thread;
    struct tz_http *http;
    const struct http_server *server;
    const char *target;
    size_t body_len;
    bool uninterrupted;
    int status;
    enum tz_error_kind kind;
    int64_t end_ns;
};

static void *ask(void *arg)
{
    struct waiter *waiter = arg;
    TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {0};
    TZ_SCOPED(tz_scoped_free) char *body = calloc(1, waiter->body_len + 1);
    struct tz_error err = {0};
    char url[128];

    (void)snprintf(url, sizeof(url), "%s%s", http_server_url(waiter->server), waiter->target);
    const struct tz_http_request request = {.method = waiter->body_len ? "PUT" : "GET",
                                            .url = url,
                                            .body = body,
                                            .body_len = waiter->body_len,
                                            .uninterrupted = waiter->uninterrupted};
    waiter->status = tz_http_perform(waiter->http, &request, &response, &err);
    waiter->kind = err.kind;
    waiter->end_ns = tz_monotonic();
    return NULL;
}

static void an_interruption_ends_all_waiting(void **state)
{
    (void)state;
    TZ_SCOPED(scoped_http_server)
    struct http_server *server = http_server_start(hang, NULL, HTTP_PLAIN);
    const struct tz_http_options options = {.connections = 4};
    TZ_SCOPED(tz_scoped_http) struct tz_http *http = NULL;
    struct waiter waiters[] = {{.target = "/slow", .uninterrupted = true},
                               {.target = "/head"},
                               {.target = "/body"},
                               {.target = "/upload", .body_len = (size_t)64 << 20},
                               {.target = "/before-its-turn"},
                               {.target = "/before-its-turn-too"}};

    assert_int_equal(tz_http_new(&http, &options, NULL), 0);
    for (size_t i = 0; i < TZ_COUNT(waiters); i++) {
        waiters[i].http = http;
        waiters[i].server = server;
        assert_int_equal(pthread_create(&waiters[i].thread, NULL, ask, &waiters[i]), 0);
        while (http_server_requests(server) < TZ_MIN(i + 1, 4U))
            (void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    (void)nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);

    int64_t start_ns = tz_monotonic();
    tz_interrupt_request();
    for (size_t i = 0; i < TZ_COUNT(waiters); i++)
        assert_int_equal(pthread_join(waiters[i].thread, NULL), 0);
    assert_int_equal(waiters[0].status, 0);
    for (size_t i = 1; i < TZ_COUNT(waiters); i++) {
        assert_int_equal(waiters[i].kind, TZ_INTERRUPTED);
        assert_true(waiters[i].end_ns - start_ns < TZ_SECOND_NS / 2);
    }
    assert_int_equal(http_server_requests(server), 4);
}

static void after_it_only_clearing_up_is_done(void **state)
{
    (void)state;
    TZ_SCOPED(scoped_http_server)
    struct http_server *server = http_server_start(hang, NULL, HTTP_PLAIN);
    const struct tz_http_options options = {0};
    TZ_SCOPED(tz_scoped_http) struct tz_http *http = NULL;
    TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {0};
    struct tz_error err = {0};
    char url[128];

    assert_int_equal(tz_http_new(&http, &options, NULL), 0);
    (void)snprintf(url, sizeof(url), "%s/good", http_server_url(server));
    struct tz_http_request request = {.method = "GET", .url = url};
    assert_int_equal(tz_http_perform(http, &request, &response, &err), -1);
    assert_int_equal(err.kind, TZ_INTERRUPTED);
    assert_int_equal(http_server_requests(server), 0);
    request.uninterrupted = true;
    assert_int_equal(tz_http_perform(http, &request, &response, &err), 0);
    assert_int_equal(response.status, 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_interruption_ends_all_waiting),
        cmocka_unit_test(after_it_only_clearing_up_is_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
