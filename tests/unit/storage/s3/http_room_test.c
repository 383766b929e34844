/* Answers that wait for room. */
#include "storage/s3/http.h"

#include "http_server.h"
#include "tozai/util/interrupt.h"
#include "tozai/util/time.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { READERS = 12, ROOMS = 3, LENGTH = 1 << 20 };

/* "/200" and "/404": that status and LENGTH bytes, each other than the one before. */
static void serve(struct http_call *call)
{
    TZ_SCOPED(tz_scoped_free) uint8_t *data = malloc(LENGTH);

    assert_non_null(data);
    for (size_t i = 0; i < LENGTH; i++)
        data[i] = (uint8_t)(i * 7 + (i >> 8));
    (void)http_answer(call, (unsigned)strtoul(call->target + 1, NULL, 10), data, LENGTH);
}

/* As many as there are rooms may have one. */
struct rooms {
    pthread_mutex_t mutex;
    unsigned free, taken, most_taken, refused;
    int64_t from_ns; /* before that there is none */
};

struct reader {
    pthread_t thread;
    struct tz_http *http;
    const char *url;
    struct rooms *rooms;
    bool has_room;
    size_t wanted; /* bytes, as it was told */
    unsigned http_status;
    enum tz_error_kind kind;
};

static bool take_room(void *arg, struct tz_buf *out, size_t len)
{
    struct reader *reader = arg;
    struct rooms *rooms = reader->rooms;

    (void)pthread_mutex_lock(&rooms->mutex);
    reader->wanted = len;
    if (!reader->has_room && rooms->free > 0 && tz_monotonic() >= rooms->from_ns) {
        rooms->free--;
        rooms->taken++;
        rooms->most_taken = TZ_MAX(rooms->most_taken, rooms->taken);
        reader->has_room = true;
        assert_int_equal(tz_buf_reserve(out, len, NULL), 0);
    }
    rooms->refused += !reader->has_room;
    (void)pthread_mutex_unlock(&rooms->mutex);
    return reader->has_room;
}

static void *read_one(void *arg)
{
    struct reader *reader = arg;
    TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
    const struct tz_store_terms terms = {.room = take_room, .arg = reader};
    const struct tz_http_request request = {
        .method = "GET", .url = reader->url, .out = &out, .max = LENGTH, .terms = &terms};
    struct tz_error err = {0};

    if (tz_http_perform(reader->http, &request, &response, &err)) {
        reader->kind = err.kind;
        assert_int_equal(out.len, 0);
    } else {
        reader->http_status = response.status;
        const struct tz_buf *body = response.status == 200 ? &out : &response.text;
        assert_int_equal(body->len, LENGTH);
        for (size_t i = 0; i < LENGTH; i++)
            if (body->data[i] != (uint8_t)(i * 7 + (i >> 8)))
                fail_msg("byte %zu is another one", i);
    }
    /* Who has it keeps it for a moment, as for opening what came. */
    const struct timespec moment = {.tv_nsec = 5000000};
    (void)nanosleep(&moment, NULL);
    (void)pthread_mutex_lock(&reader->rooms->mutex);
    reader->rooms->free += reader->has_room;
    reader->rooms->taken -= reader->has_room;
    (void)pthread_mutex_unlock(&reader->rooms->mutex);
    return NULL;
}

struct fixture {
    struct http_server *server;
    struct tz_http *http;
    struct rooms rooms;
    struct reader readers[READERS];
    char url[128];
};

static void set_up(struct fixture *f, const char *target, const struct tz_http_options *options,
                   enum http_server_tls tls)
{
    struct tz_http_options wanted = *options;

    *f = (struct fixture){.rooms = {.free = ROOMS}};
    (void)pthread_mutex_init(&f->rooms.mutex, NULL);
    f->server = http_server_start(serve, NULL, tls);
    wanted.ca_file = http_server_ca(f->server);
    assert_int_equal(tz_http_new(&f->http, &wanted, NULL), 0);
    (void)snprintf(f->url, sizeof(f->url), "%s%s", http_server_url(f->server), target);
}

static void tear_down(struct fixture *f)
{
    tz_http_free(f->http);
    http_server_stop(f->server);
    (void)pthread_mutex_destroy(&f->rooms.mutex);
}

static void begin(struct fixture *f, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        f->readers[i] = (struct reader){.http = f->http, .url = f->url, .rooms = &f->rooms};
        assert_int_equal(pthread_create(&f->readers[i].thread, NULL, read_one, &f->readers[i]), 0);
    }
}

static void end(struct fixture *f, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_int_equal(pthread_join(f->readers[i].thread, NULL), 0);
}

static void all_come_though_there_is_room_for_few(struct fixture *f)
{
    begin(f, READERS);
    end(f, READERS);
    for (size_t i = 0; i < READERS; i++) {
        assert_int_equal(f->readers[i].kind, TZ_OK);
        assert_int_equal(f->readers[i].http_status, 200);
        assert_int_equal(f->readers[i].wanted, LENGTH);
    }
    assert_in_range(f->rooms.most_taken, 1, ROOMS);
    assert_true(f->rooms.refused > 0);
}

static void more_are_answered_than_there_is_room_for(void **state)
{
    (void)state;
    const struct tz_http_options options = {.connections = READERS};
    struct fixture f;

    for (enum http_server_tls tls = HTTP_PLAIN; tls <= HTTP_TLS; tls++) {
        set_up(&f, "/200", &options, tls);
        all_come_though_there_is_room_for_few(&f);
        tear_down(&f);
    }
}

static void a_limit_of_bandwidth_holds_beside(void **state)
{
    (void)state;
    const uint64_t rate = (uint64_t)6 << 20;
    const struct tz_http_options options = {.connections = READERS, .download = {{.rate = rate}}};
    struct fixture f;

    set_up(&f, "/200", &options, HTTP_PLAIN);
    int64_t began_ns = tz_monotonic();
    all_come_though_there_is_room_for_few(&f);
    double seconds = (double)(tz_monotonic() - began_ns) / 1e9;
    assert_true((double)READERS * LENGTH / seconds < 1.2 * (double)rate);
    tear_down(&f);
}

static void who_waits_for_room_is_not_silent(void **state)
{
    (void)state;
    const struct tz_http_options options = {.connections = READERS, .timeout_s = 1};
    struct fixture f;

    set_up(&f, "/200", &options, HTTP_PLAIN);
    f.rooms.from_ns = tz_monotonic() + 5 * TZ_SECOND_NS / 2;
    begin(&f, 2);
    end(&f, 2);
    assert_int_equal(f.readers[0].http_status, 200);
    assert_int_equal(f.readers[1].http_status, 200);
    assert_true(tz_monotonic() >= f.rooms.from_ns);
    tear_down(&f);
}

static void a_refusal_needs_no_room(void **state)
{
    (void)state;
    const struct tz_http_options options = {.connections = 1};
    struct fixture f;

    set_up(&f, "/404", &options, HTTP_PLAIN);
    f.rooms.free = 0;
    begin(&f, 1);
    end(&f, 1);
    assert_int_equal(f.readers[0].http_status, 404);
    assert_int_equal(f.rooms.refused, 0);
    tear_down(&f);
}

static void wait_for_refusals(struct fixture *f)
{
    const struct timespec moment = {.tv_nsec = 10000000};

    for (unsigned refused = 0; refused < 3;) {
        (void)nanosleep(&moment, NULL);
        (void)pthread_mutex_lock(&f->rooms.mutex);
        refused = f->rooms.refused;
        (void)pthread_mutex_unlock(&f->rooms.mutex);
    }
}

/* The last one: the wish to stop stays. */
static void an_interruption_ends_the_wait(void **state)
{
    (void)state;
    const struct tz_http_options options = {.connections = READERS};
    struct fixture f;

    set_up(&f, "/200", &options, HTTP_PLAIN);
    f.rooms.free = 0;
    begin(&f, 3);
    wait_for_refusals(&f);
    tz_interrupt_request();
    end(&f, 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(f.readers[i].kind, TZ_INTERRUPTED);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(more_are_answered_than_there_is_room_for),
        cmocka_unit_test(a_limit_of_bandwidth_holds_beside),
        cmocka_unit_test(who_waits_for_room_is_not_silent),
        cmocka_unit_test(a_refusal_needs_no_room),
        cmocka_unit_test(an_interruption_ends_the_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
