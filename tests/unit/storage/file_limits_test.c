/* Limits of bandwidth of a store in a directory, which may be one of a far machine. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "tozai/storage/blob.h"
#include "tozai/storage/store.h"
#include "tozai/util/interrupt.h"
#include "tozai/util/time.h"
#include "tozai/util/zone.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define MIB ((size_t)1 << 20)

struct fixture {
    char folder[40];
    char url[64];
    struct tz_store *store;
    struct tz_blob *blob; /* 2 MiB and a half, and some bytes */
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    size_t len = 5 * MIB / 2 + 123;

    assert_non_null(f);
    (void)snprintf(f->folder, sizeof(f->folder), "/tmp/tozai-limits-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    (void)snprintf(f->url, sizeof(f->url), "file://%s", f->folder);
    assert_int_equal(tz_blob_new(&f->blob, len, NULL), 0);
    for (size_t i = 0; i < len; i++)
        f->blob->data[i] = (uint8_t)(i * 7 + i / 251);
    f->blob->len = len;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    char command[80];

    tz_store_free(f->store);
    tz_blob_drop(f->blob);
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", f->folder);
    int status = system(command);
    free(f);
    return status;
}

static void reopen(struct fixture *f, struct tz_store_options *options)
{
    struct tz_error err = {0};

    tz_store_free(f->store);
    f->store = NULL;
    options->name = "east";
    options->url = f->url;
    if (tz_store_open(&f->store, options, &err))
        fail_msg("%s", err.message);
}

static double put(struct fixture *f, const char *name)
{
    int64_t begun_ns = tz_monotonic();

    assert_int_equal(tz_store_put(f->store, name, f->blob->data, f->blob->len, NULL), 0);
    return (double)(tz_monotonic() - begun_ns) / (double)TZ_SECOND_NS;
}

/* Read [offset, offset + len), which is right; how long did it take? */
static double get(struct fixture *f, const char *name, size_t offset, size_t len)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
    int64_t begun_ns = tz_monotonic();
    size_t expected = TZ_MIN(f->blob->len - offset, len);

    assert_int_equal(tz_store_get(f->store, name, offset, len, &out, NULL), 0);
    double took = (double)(tz_monotonic() - begun_ns) / (double)TZ_SECOND_NS;
    assert_int_equal(out.len, expected);
    assert_memory_equal(out.data, f->blob->data + offset, expected);
    return took;
}

/* 2.5 MiB at 5 MiB a second; the first piece need not wait. */
static void assert_limited(double took)
{
    if (took < 0.4)
        fail_msg("it took %.3f s", took);
}

static void what_is_put_keeps_to_the_limit(void **state)
{
    struct fixture *f = *state;

    reopen(f, &(struct tz_store_options){.upload = {{.rate = 5 * MIB}}});
    assert_limited(put(f, "packs/a"));
    reopen(f, &(struct tz_store_options){0});
    (void)get(f, "packs/a", 0, 3 * MIB);
}

static void what_is_got_keeps_to_the_limit(void **state)
{
    struct fixture *f = *state;

    reopen(f, &(struct tz_store_options){.download = {{.rate = 5 * MIB}}});
    (void)put(f, "packs/a");
    assert_limited(get(f, "packs/a", 0, 3 * MIB));
    assert_limited(get(f, "packs/a", 1, 9 * MIB));
    (void)get(f, "packs/a", MIB + 17, 12345);
    (void)get(f, "packs/a", f->blob->len - 5, 100);
}

struct putter {
    struct fixture *f;
    const char *name;
    pthread_t thread;
};

static void *put_one(void *arg)
{
    struct putter *putter = arg;

    (void)put(putter->f, putter->name);
    return NULL;
}

static void it_is_one_limit_for_all(void **state)
{
    struct fixture *f = *state;
    struct putter putters[2] = {{.f = f, .name = "packs/a"}, {.f = f, .name = "packs/b"}};
    int64_t begun_ns = tz_monotonic();

    reopen(f, &(struct tz_store_options){.upload = {{.rate = 10 * MIB}}});
    for (size_t i = 0; i < TZ_COUNT(putters); i++)
        assert_int_equal(pthread_create(&putters[i].thread, NULL, put_one, &putters[i]), 0);
    for (size_t i = 0; i < TZ_COUNT(putters); i++)
        assert_int_equal(pthread_join(putters[i].thread, NULL), 0);
    assert_limited((double)(tz_monotonic() - begun_ns) / (double)TZ_SECOND_NS);
}

/* Zones half a day apart, so that no window of one is the other's. */
static void the_limit_of_this_hour_holds(void **state)
{
    struct fixture *f = *state;
    static const char *const zones[] = {"Asia/Tokyo", "America/New_York"};

    for (size_t i = 0; i < TZ_COUNT(zones); i++) {
        TZ_SCOPED(tz_scoped_zone) struct tz_zone *zone = NULL;
        struct tz_local_time local;
        assert_int_equal(tz_zone_open(&zone, zones[i], NULL), 0);
        tz_zone_local(zone, tz_now(), &local);
        unsigned hour = (unsigned)local.hour;
        unsigned begin = (hour + 23) % 24 * 60, end = (hour + 2) % 24 * 60;
        reopen(f,
               &(struct tz_store_options){
                   .upload = {{.rate = 5 * MIB, .begin_minute = begin, .end_minute = end}},
                   .download = {{.rate = 0, .begin_minute = begin, .end_minute = end}, {.rate = 1}},
                   .zone = zones[i]});
        char name[20];
        (void)snprintf(name, sizeof(name), "packs/%zu", i);
        assert_limited(put(f, name));
        (void)get(f, name, 0, 3 * MIB); /* at 1 byte a second it would never end */
    }
}

static void a_zone_that_is_none_is_refused(void **state)
{
    struct fixture *f = *state;
    struct tz_store_options options = {
        .name = "east", .url = f->url, .upload = {{MIB, 60, 120}}, .zone = "Nowhere/Land"};
    struct tz_error err = {0};

    assert_int_equal(tz_store_open(&f->store, &options, &err), -1);
    assert_int_equal(err.kind, TZ_INVALID);
    options.upload[0] = (struct tz_store_limit){.rate = MIB};
    assert_int_equal(tz_store_open(&f->store, &options, &err), 0);
}

static void *interrupt_soon(void *arg)
{
    (void)arg;
    (void)nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
    tz_interrupt_request();
    return NULL;
}

/* The last test: the wish cannot be taken back. */
static void a_slow_put_can_be_stopped(void **state)
{
    struct fixture *f = *state;
    struct tz_store_stat stat;
    struct tz_error err = {0};
    pthread_t thread;

    reopen(f, &(struct tz_store_options){.upload = {{.rate = 1024}}});
    assert_int_equal(pthread_create(&thread, NULL, interrupt_soon, NULL), 0);
    assert_int_equal(tz_store_put(f->store, "packs/a", f->blob->data, f->blob->len, &err), -1);
    assert_int_equal(err.kind, TZ_INTERRUPTED);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(tz_store_stat(f->store, "packs/a", &stat, NULL), 0);
    assert_false(stat.exists);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_put_keeps_to_the_limit), TEST(what_is_got_keeps_to_the_limit),
        TEST(it_is_one_limit_for_all),        TEST(the_limit_of_this_hour_holds),
        TEST(a_zone_that_is_none_is_refused), TEST(a_slow_put_can_be_stopped),
    };
    return cmocka_run_group_tests_name("file limits", tests, NULL, NULL);
}
