#include "tozai/util/recycle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>

static void gives_the_same_buffer_again(void **state)
{
    struct tz_recycler *recycler = NULL;
    uint8_t *a = NULL, *b = NULL;

    (void)state;
    assert_int_equal(tz_recycler_new(&recycler, 1 << 20, 2, NULL), 0);
    assert_int_equal(tz_recycler_take(recycler, &a, NULL), 0);
    memset(a, 0x5a, 1 << 20);
    tz_recycler_give(recycler, a);
    assert_int_equal(tz_recycler_take(recycler, &b, NULL), 0);
    assert_ptr_equal(a, b);
    tz_recycler_give(recycler, b);
    tz_recycler_give(recycler, NULL);
    tz_recycler_free(recycler);
}

static void holds_no_more_than_it_should(void **state)
{
    struct tz_recycler *recycler = NULL;
    uint8_t *buffers[4] = {0};
    uint8_t *again = NULL;

    (void)state;
    assert_int_equal(tz_recycler_new(&recycler, 4096, 1, NULL), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(tz_recycler_take(recycler, &buffers[i], NULL), 0);
    for (int i = 0; i < 4; i++)
        tz_recycler_give(recycler, buffers[i]); /* the first is kept, the others are freed */
    assert_int_equal(tz_recycler_take(recycler, &again, NULL), 0);
    assert_ptr_equal(again, buffers[0]);
    tz_recycler_give(recycler, again);
    tz_recycler_free(recycler);
    tz_recycler_free(NULL);
}

static void *take_and_give(void *arg)
{
    struct tz_recycler *recycler = arg;

    for (int i = 0; i < 2000; i++) {
        uint8_t *buffer = NULL;
        if (tz_recycler_take(recycler, &buffer, NULL))
            return recycler;
        memset(buffer, i, 64);
        for (int k = 0; k < 64; k++)
            if (buffer[k] != (uint8_t)i)
                return recycler; /* somebody else has it too */
        tz_recycler_give(recycler, buffer);
    }
    return NULL;
}

static void gives_no_buffer_to_two_threads(void **state)
{
    struct tz_recycler *recycler = NULL;
    pthread_t threads[4];
    void *result = NULL;

    (void)state;
    assert_int_equal(tz_recycler_new(&recycler, 64, 2, NULL), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_give, recycler), 0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_null(result);
    }
    tz_recycler_free(recycler);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_same_buffer_again),
        cmocka_unit_test(holds_no_more_than_it_should),
        cmocka_unit_test(gives_no_buffer_to_two_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
