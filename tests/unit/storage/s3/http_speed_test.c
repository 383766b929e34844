/* Limits of real transfers: eight up and eight down at the same time. */
#include "storage/s3/http.h"

#include "http_server.h"
#include "tozai/util/time.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { EACH = 8, SLICES = 400, SLICE_MS = 50 };
#ifdef TOZAI_SANITIZED
#define SANITIZED 1
#else
#define SANITIZED 0
#endif
#define UP_RATE   ((uint64_t)3 << 20)
#define DOWN_RATE ((uint64_t)4 << 20)
#define SECONDS   3

/* What came in within each slice of time. */
struct receiver {
    int64_t start_ns;
    atomic_uint_fast64_t slices[SLICES];
};

static void serve(struct http_call *call)
{
    struct receiver *receiver = call->arg;
    TZ_SCOPED(tz_scoped_free) char *data = calloc(1, (size_t)16 << 20);
    assert_non_null(data);
    if (strcmp(call->method, "GET") == 0) {
        (void)http_answer(call, 200, data, strtoull(call->target + 1, NULL, 10));
        return;
    }
    if (call->continues)
        (void)http_print(call, "HTTP/1.1 100 Continue\r\n\r\n");
    call->continues = false;
    for (size_t len; (len = http_read_some(call, data, 65536)) > 0;) {
        int64_t slice = (tz_monotonic() - receiver->start_ns) / (SLICE_MS * INT64_C(1000000));
        atomic_fetch_add(&receiver->slices[TZ_MIN(slice, SLICES - 1)], len);
    }
    (void)http_answer(call, 200, "", 0);
}

struct transfer {
    pthread_t thread;
    struct tz_http *http;
    const struct http_server *server;
    bool up;
    size_t len;
    int status;
    int64_t end_ns;
};

static void *transfer(void *arg)
{
    struct transfer *t = arg;
    TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
    TZ_SCOPED(tz_scoped_free) char *body = calloc(1, t->len);
    char url[128];

    (void)snprintf(url, sizeof(url), "%s/%zu", http_server_url(t->server), t->len);
    struct tz_http_request request = {.method = "GET", .url = url, .out = &out, .max = t->len};
    if (t->up)
        request =
            (struct tz_http_request){.method = "PUT", .url = url, .body = body, .body_len = t->len};
    t->status = tz_http_perform(t->http, &request, &response, NULL);
    if (t->status == 0 && (response.status != 200 || (!t->up && out.len != t->len)))
        t->status = -1;
    t->end_ns = tz_monotonic();
    return NULL;
}

static void run_all(struct transfer *transfers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_int_equal(pthread_create(&transfers[i].thread, NULL, transfer, &transfers[i]), 0);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(pthread_join(transfers[i].thread, NULL), 0);
        assert_int_equal(transfers[i].status, 0);
    }
}

/* Never faster than allowed; slower only as far as a busy machine may be. */
static void check_rate(const struct transfer *transfers, size_t count, int64_t start_ns,
                       uint64_t rate)
{
    int64_t end_ns = start_ns;
    uint64_t total = 0;
    for (size_t i = 0; i < count; i++) {
        end_ns = TZ_MAX(end_ns, transfers[i].end_ns);
        total += transfers[i].len;
    }
    double part = (double)total / ((double)(end_ns - start_ns) / 1e9) / (double)rate;
    print_message("%.3f of the limit\n", part);
    /* How near it comes from below is the machine's business: http_limit_test has a clock of its
     * own for that. */
    assert_true(part < 1.05);
}

static void check_limits(enum http_server_tls tls)
{
    struct receiver receiver = {.start_ns = tz_monotonic()};
    TZ_SCOPED(scoped_http_server)
    struct http_server *server = http_server_start(serve, &receiver, tls);
    const struct tz_http_options options = {.ca_file = http_server_ca(server),
                                            .connections = 2 * EACH,
                                            .upload = {{.rate = UP_RATE}},
                                            .download = {{.rate = DOWN_RATE}}};
    TZ_SCOPED(tz_scoped_http) struct tz_http *http = NULL;
    struct transfer transfers[2 * EACH] = {0};

    assert_int_equal(tz_http_new(&http, &options, NULL), 0);
    for (size_t i = 0; i < TZ_COUNT(transfers); i++)
        transfers[i] =
            (struct transfer){.http = http,
                              .server = server,
                              .up = i < EACH,
                              .len = (size_t)(SECONDS * (i < EACH ? UP_RATE : DOWN_RATE) / EACH)};
    int64_t start_ns = tz_monotonic();
    run_all(transfers, TZ_COUNT(transfers));
    check_rate(transfers, EACH, start_ns, UP_RATE);
    check_rate(transfers + EACH, EACH, start_ns, DOWN_RATE);

    /* No half second brings more than its share and a burst; with sanitizers the receiving side is
     * late by more than that. */
    const size_t window = 500 / SLICE_MS;
    for (size_t i = 0; !SANITIZED && i + window < SLICES; i++) {
        uint64_t sum = 0;
        for (size_t j = 0; j < window; j++)
            sum += atomic_load(&receiver.slices[i + j]);
        assert_true(sum <= UP_RATE * 9 / 10);
    }
}

static void limits_hold_for_all_connections_together(void **state)
{
    (void)state;
    check_limits(HTTP_PLAIN);
}

/* A TLS library holds bytes back of which the socket knows nothing any more. */
static void limits_hold_over_tls(void **state)
{
    (void)state;
    check_limits(HTTP_TLS);
}

/* Far below what 1 s brings: the transfer waits for its turn, and that is not the server's fault.
 */
static void who_waits_for_the_limit_is_not_given_up(void **state)
{
    (void)state;
    struct receiver receiver = {.start_ns = tz_monotonic()};
    TZ_SCOPED(scoped_http_server)
    struct http_server *server = http_server_start(serve, &receiver, HTTP_PLAIN);
    const struct tz_http_options options = {
        .timeout_s = 1, .upload = {{.rate = 12000}}, .download = {{.rate = 12000}}};
    TZ_SCOPED(tz_scoped_http) struct tz_http *http = NULL;

    assert_int_equal(tz_http_new(&http, &options, NULL), 0);
    struct transfer transfers[] = {{.http = http, .server = server, .up = true, .len = 30000},
                                   {.http = http, .server = server, .up = false, .len = 30000}};
    int64_t start_ns = tz_monotonic();
    run_all(transfers, TZ_COUNT(transfers));
    assert_true(transfers[0].end_ns - start_ns > TZ_SECOND_NS);
    assert_true(transfers[1].end_ns - start_ns > TZ_SECOND_NS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_hold_for_all_connections_together),
        cmocka_unit_test(limits_hold_over_tls),
        cmocka_unit_test(who_waits_for_the_limit_is_not_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
