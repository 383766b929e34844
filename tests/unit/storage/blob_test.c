#include "tozai/storage/blob.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* A request that is far too large must fail as it does without a sanitizer. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "allocator_may_return_null=1";
}

static void a_blob_is_aligned_and_reaches_to_the_alignment(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 4095, 4096, 4097, 1000000};
    for (size_t i = 0; i < TZ_COUNT(sizes); i++) {
        TZ_SCOPED(tz_scoped_blob) struct tz_blob *blob = NULL;
        assert_int_equal(tz_blob_new(&blob, sizes[i], NULL), 0);
        assert_int_equal((uintptr_t)blob->data % TZ_BLOB_ALIGN, 0);
        assert_int_equal(blob->cap % TZ_BLOB_ALIGN, 0);
        assert_true(blob->cap >= sizes[i] && blob->cap - sizes[i] <= TZ_BLOB_ALIGN);
        assert_int_equal(blob->len, 0);
        memset(blob->data, 0xff, blob->cap);
    }
}

static void a_copy_holds_the_bytes(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_blob) struct tz_blob *blob = NULL;
    TZ_SCOPED(tz_scoped_blob) struct tz_blob *empty = NULL;
    char text[] = "hello";
    assert_int_equal(tz_blob_copy(&blob, text, 5, NULL), 0);
    text[0] = 'x';
    assert_int_equal(blob->len, 5);
    assert_memory_equal(blob->data, "hello", 5);
    assert_int_equal(tz_blob_copy(&empty, NULL, 0, NULL), 0);
    assert_int_equal(empty->len, 0);
}

static void a_size_that_cannot_be_is_refused(void **state)
{
    (void)state;
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - 4094, SIZE_MAX / 2};
    for (size_t i = 0; i < TZ_COUNT(sizes); i++) {
        struct tz_blob *blob = NULL;
        struct tz_error err = {0};
        assert_int_equal(tz_blob_new(&blob, sizes[i], &err), -1);
        assert_int_equal(err.kind, TZ_NOMEM);
        assert_null(blob);
    }
}

static void *hold_and_drop(void *arg)
{
    struct tz_blob *blob = arg;
    for (int i = 0; i < 1000; i++)
        tz_blob_drop(tz_blob_hold(blob));
    tz_blob_drop(blob);
    return NULL;
}

/* The sanitizers see a blob that is freed twice, too early or never. */
static void the_last_of_many_threads_frees_it(void **state)
{
    (void)state;
    struct tz_blob *blob = NULL;
    pthread_t threads[4];
    assert_int_equal(tz_blob_copy(&blob, "x", 1, NULL), 0);
    for (size_t i = 0; i < TZ_COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hold_and_drop, tz_blob_hold(blob)), 0);
    assert_int_equal(blob->data[0], 'x');
    tz_blob_drop(blob);
    for (size_t i = 0; i < TZ_COUNT(threads); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    tz_blob_drop(NULL);
}

/* What was dropped is taken again, if it has the size, was not too full, and there was room. */
static void a_shelf_keeps_what_was_dropped(void **state)
{
    (void)state;
    struct tz_blob_shelf *shelf = NULL;
    struct tz_blob *blobs[4] = {0};
    uint8_t *data[4];

    assert_int_equal(tz_blob_shelf_new(&shelf, 2, 100000, NULL), 0);
    for (size_t i = 0; i < TZ_COUNT(blobs); i++) {
        assert_int_equal(tz_blob_take(shelf, &blobs[i], 500000, NULL), 0);
        memset(blobs[i]->data, (int)i + 1, blobs[i]->cap);
        data[i] = blobs[i]->data;
    }
    blobs[0]->len = 100001;
    blobs[1]->len = 100000;
    for (size_t i = 0; i < TZ_COUNT(blobs); i++)
        tz_blob_drop(blobs[i]);

    /* The first was too full, and there was no room for the last. */
    assert_int_equal(tz_blob_take(shelf, &blobs[3], 600000, NULL), 0);
    assert_true(blobs[3]->cap >= 600000);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(tz_blob_take(shelf, &blobs[i], 500000, NULL), 0);
        assert_true(blobs[i]->data == data[1] || blobs[i]->data == data[2]);
        assert_int_equal(blobs[i]->len, 0);
        assert_int_equal(blobs[i]->references, 1);
    }
    assert_ptr_not_equal(blobs[0]->data, blobs[1]->data);
    tz_blob_drop(blobs[0]);
    tz_blob_shelf_close(shelf);
    /* These come back to a shelf that is closed. */
    tz_blob_drop(blobs[1]);
    tz_blob_drop(blobs[3]);
    tz_blob_shelf_close(NULL);
}

struct taker {
    struct tz_blob_shelf *shelf;
    uint8_t mark;
};

static void *take_and_drop(void *arg)
{
    const struct taker *taker = arg;

    for (int i = 0; i < 500; i++) {
        struct tz_blob *blob = NULL;
        if (tz_blob_take(taker->shelf, &blob, 5000, NULL))
            return arg;
        memset(blob->data, taker->mark, blob->cap);
        if (blob->data[0] != taker->mark || blob->data[blob->cap - 1] != taker->mark)
            return arg;
        tz_blob_drop(tz_blob_hold(blob));
        tz_blob_drop(blob);
    }
    return NULL;
}

/* A sanitizer sees what two have at once, or what is lost. */
static void a_shelf_serves_many_threads(void **state)
{
    (void)state;
    struct taker takers[4];
    pthread_t threads[4];
    struct tz_blob_shelf *shelf = NULL;

    assert_int_equal(tz_blob_shelf_new(&shelf, 2, 5000, NULL), 0);
    for (size_t i = 0; i < TZ_COUNT(threads); i++) {
        takers[i] = (struct taker){shelf, (uint8_t)(i + 1)};
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_drop, &takers[i]), 0);
    }
    for (size_t i = 0; i < TZ_COUNT(threads); i++) {
        void *failed = NULL;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    tz_blob_shelf_close(shelf);
}

static void a_shelf_refuses_what_cannot_be(void **state)
{
    (void)state;
    struct tz_blob_shelf *shelf = NULL;
    struct tz_blob *blob = NULL;
    struct tz_error err = {0};

    assert_int_equal(tz_blob_shelf_new(&shelf, 1, 1000, NULL), 0);
    assert_int_equal(tz_blob_take(shelf, &blob, 1, NULL), 0);
    tz_blob_drop(TZ_TAKE(blob)); /* it has the size that such a one wraps to */
    assert_int_equal(tz_blob_take(shelf, &blob, SIZE_MAX - 1, &err), -1);
    assert_int_equal(err.kind, TZ_NOMEM);
    assert_null(blob);
    tz_blob_shelf_close(shelf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_blob_is_aligned_and_reaches_to_the_alignment),
        cmocka_unit_test(a_copy_holds_the_bytes),
        cmocka_unit_test(a_size_that_cannot_be_is_refused),
        cmocka_unit_test(the_last_of_many_threads_frees_it),
        cmocka_unit_test(a_shelf_keeps_what_was_dropped),
        cmocka_unit_test(a_shelf_serves_many_threads),
        cmocka_unit_test(a_shelf_refuses_what_cannot_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
