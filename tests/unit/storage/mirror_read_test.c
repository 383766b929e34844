#include "mirror_fixture.h"

#include <pthread.h>

static const char content[] = "the bytes of the object";
#define CONTENT_LEN (sizeof(content) - 1)

static void open_with_object(struct fixture *fixture)
{
    fixture_open(fixture, NULL);
    for (size_t i = 0; i < STORES; i++)
        put_inside(fixture, i, "object", content);
}

static void plan_gets(struct fixture *fixture, size_t store, unsigned at, unsigned times,
                      enum faulty_way way, enum tz_error_kind kind)
{
    struct faulty_plan plan = {
        .calls = FAULTY_GET, .at = at, .times = times, .way = way, .kind = kind};
    faulty_store_plan(fixture->faulty[store], &plan);
}

struct reply {
    int status;
    size_t store;
    uint32_t failed;
    struct tz_buf out;
    struct tz_error err;
};

/* Read the whole object; what stood in the buffer before must stand there after. */
static struct reply get(struct fixture *fixture, const char *name, tz_mirror_accept_fn *accept,
                        void *arg)
{
    struct reply reply = {.store = 99, .failed = 99};
    assert_int_equal(tz_buf_append(&reply.out, "before:", 7, NULL), 0);
    reply.status = tz_mirror_get(fixture->mirror, name, 0, CONTENT_LEN, accept, arg, &reply.out,
                                 &reply.store, &reply.failed, &reply.err);
    assert_memory_equal(reply.out.data, "before:", 7);
    assert_int_equal(reply.out.len, reply.status ? 7 : 7 + CONTENT_LEN);
    return reply;
}

static void assert_read(struct fixture *fixture, size_t store, uint32_t failed)
{
    struct reply reply = get(fixture, "object", NULL, NULL);
    if (reply.status)
        fail_msg("%s", reply.err.message);
    assert_memory_equal(reply.out.data + 7, content, CONTENT_LEN);
    assert_int_equal(reply.store, store);
    assert_int_equal(reply.failed, failed);
    tz_buf_clear(&reply.out);
}

static struct tz_error assert_no_read(struct fixture *fixture, const char *name,
                                      enum tz_error_kind kind)
{
    struct reply reply = get(fixture, name, NULL, NULL);
    assert_int_equal(reply.status, -1);
    assert_int_equal(reply.err.kind, kind);
    assert_int_equal(reply.store, 99);
    tz_buf_clear(&reply.out);
    return reply.err;
}

static void the_first_store_is_read(void **state)
{
    (void)state;
    struct fixture fixture;
    open_with_object(&fixture);
    faulty_store_plan(fixture.faulty[WEST], &(struct faulty_plan){.calls = FAULTY_ALL});
    assert_read(&fixture, EAST, 0);
    assert_int_equal(faulty_store_count(fixture.faulty[WEST]), 0);
    fixture_close(&fixture);
}

static void a_part_can_be_read_and_nobody_needs_to_know_from_where(void **state)
{
    (void)state;
    struct fixture fixture;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
    open_with_object(&fixture);
    assert_int_equal(
        tz_mirror_get(fixture.mirror, "object", 4, 5, NULL, NULL, &out, NULL, NULL, NULL), 0);
    assert_int_equal(out.len, 5);
    assert_memory_equal(out.data, "bytes", 5);
    assert_int_equal(
        tz_mirror_get(fixture.mirror, "none", 4, 5, NULL, NULL, &out, NULL, NULL, NULL), -1);
    fixture_close(&fixture);
}

static void a_local_store_is_preferred(void **state)
{
    (void)state;
    struct fixture fixture;
    struct tz_store *stores[STORES];
    fixture_stores(&fixture, stores);
    faulty_store_features(fixture.faulty[EAST], TZ_STORE_RANGES);
    assert_int_equal(tz_mirror_new(&fixture.mirror, stores, STORES, NULL, NULL), 0);
    put_inside(&fixture, EAST, "object", content);
    put_inside(&fixture, WEST, "object", content);
    assert_read(&fixture, WEST, 0);
    fixture_close(&fixture);
}

static void the_next_store_is_read_after_a_failure(void **state)
{
    (void)state;
    static const enum tz_error_kind kinds[] = {TZ_IO, TZ_DENIED, TZ_NOT_FOUND, TZ_UNAVAILABLE,
                                               TZ_NOMEM};
    for (size_t i = 0; i < TZ_COUNT(kinds); i++) {
        struct fixture fixture;
        open_with_object(&fixture);
        plan_gets(&fixture, EAST, 1, FAULTY_FOR_GOOD, FAULTY_BEFORE, kinds[i]);
        assert_read(&fixture, WEST, 1U << EAST);
        fixture_close(&fixture);
    }
}

static void a_short_object_is_not_taken(void **state)
{
    (void)state;
    struct fixture fixture;
    open_with_object(&fixture);
    plan_gets(&fixture, EAST, 1, 1, FAULTY_TRUNCATE, TZ_OK);
    assert_read(&fixture, WEST, 1U << EAST);
    fixture_close(&fixture);
}

static void when_all_fail_the_error_names_each_reason(void **state)
{
    (void)state;
    struct fixture fixture;
    open_with_object(&fixture);
    plan_gets(&fixture, EAST, 1, FAULTY_FOR_GOOD, FAULTY_TRUNCATE, TZ_OK);
    plan_gets(&fixture, WEST, 1, FAULTY_FOR_GOOD, FAULTY_BEFORE, TZ_DENIED);
    struct tz_error err = assert_no_read(&fixture, "object", TZ_CORRUPT);
    assert_non_null(strstr(err.message, "'object'"));
    assert_non_null(strstr(err.message, "east: "));
    assert_non_null(strstr(err.message, "11 bytes instead of 23"));
    assert_non_null(strstr(err.message, "west: "));
    assert_non_null(strstr(err.message, "planned fault"));
    fixture_close(&fixture);
}

static void not_found_means_that_every_store_says_so(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, NULL);
    (void)assert_no_read(&fixture, "none", TZ_NOT_FOUND);
    plan_gets(&fixture, WEST, 1, FAULTY_FOR_GOOD, FAULTY_BEFORE, TZ_IO);
    (void)assert_no_read(&fixture, "none", TZ_IO);
    plan_gets(&fixture, WEST, 1, FAULTY_FOR_GOOD, FAULTY_BEFORE, TZ_UNAVAILABLE);
    (void)assert_no_read(&fixture, "none", TZ_UNAVAILABLE);
    fixture_close(&fixture);

    /* A store that could not be opened may have it. */
    struct tz_store *stores[STORES];
    fixture_stores(&fixture, stores);
    tz_store_free(stores[WEST]);
    stores[WEST] = NULL;
    assert_int_equal(tz_mirror_new(&fixture.mirror, stores, STORES, NULL, NULL), 0);
    struct tz_error err = assert_no_read(&fixture, "none", TZ_UNAVAILABLE);
    assert_non_null(strstr(err.message, "the store was not opened"));
    fixture_close(&fixture);
}

static void what_may_pass_is_asked_again(void **state)
{
    (void)state;
    struct fixture fixture;
    open_with_object(&fixture);
    assert_int_equal(tz_store_remove(fixture.inside[EAST], "object", NULL), 0);
    faulty_store_plan(fixture.faulty[EAST], &(struct faulty_plan){.calls = FAULTY_GET});
    plan_gets(&fixture, WEST, 1, 4, FAULTY_BEFORE, TZ_UNAVAILABLE);
    assert_read(&fixture, WEST, 1U << EAST | 1U << WEST);
    assert_int_equal(faulty_store_count(fixture.faulty[WEST]), 5);
    /* The one that says that it does not have it is asked once. */
    assert_int_equal(faulty_store_count(fixture.faulty[EAST]), 1);
    fixture_close(&fixture);
}

static void but_not_for_ever(void **state)
{
    (void)state;
    struct fixture fixture;
    open_with_object(&fixture);
    plan_gets(&fixture, EAST, 1, FAULTY_FOR_GOOD, FAULTY_BEFORE, TZ_UNAVAILABLE);
    plan_gets(&fixture, WEST, 1, FAULTY_FOR_GOOD, FAULTY_BEFORE, TZ_UNAVAILABLE);
    (void)assert_no_read(&fixture, "object", TZ_UNAVAILABLE);
    assert_int_equal(faulty_store_count(fixture.faulty[EAST]), 5);
    assert_int_equal(faulty_store_count(fixture.faulty[WEST]), 5);
    fixture_close(&fixture);
}

static bool after_some_questions(void *arg)
{
    unsigned *left = arg;

    return *left == 0 || --*left == 0;
}

static void each_store_is_asked_once_if_that_will_do(void **state)
{
    (void)state;
    struct fixture fixture;
    struct tz_buf out = {0};
    struct tz_error err = {0};
    const struct tz_mirror_request request = {.name = "object", .len = CONTENT_LEN, .once = true};
    open_with_object(&fixture);
    plan_gets(&fixture, EAST, 1, FAULTY_FOR_GOOD, FAULTY_BEFORE, TZ_UNAVAILABLE);
    plan_gets(&fixture, WEST, 1, FAULTY_FOR_GOOD, FAULTY_BEFORE, TZ_UNAVAILABLE);
    assert_int_equal(tz_mirror_read(fixture.mirror, &request, &out, NULL, NULL, &err), -1);
    assert_int_equal(err.kind, TZ_UNAVAILABLE);
    assert_int_equal(faulty_store_count(fixture.faulty[EAST]), 1);
    assert_int_equal(faulty_store_count(fixture.faulty[WEST]), 1);
    fixture_close(&fixture);
}

static void what_nobody_wants_any_more_is_asked_of_no_other_store(void **state)
{
    (void)state;
    struct fixture fixture;
    struct tz_buf out = {0};
    struct tz_error err = {0};
    unsigned left = 2; /* before the second store */
    const struct tz_mirror_request request = {
        .name = "object", .len = CONTENT_LEN, .unwanted = after_some_questions, .arg = &left};
    open_with_object(&fixture);
    faulty_store_plan(fixture.faulty[WEST], &(struct faulty_plan){.calls = FAULTY_GET});
    plan_gets(&fixture, EAST, 1, FAULTY_FOR_GOOD, FAULTY_BEFORE, TZ_NOT_FOUND);
    assert_int_equal(tz_mirror_read(fixture.mirror, &request, &out, NULL, NULL, &err), -1);
    assert_int_equal(err.kind, TZ_INTERRUPTED);
    assert_int_equal(out.len, 0);
    assert_int_equal(faulty_store_count(fixture.faulty[EAST]), 1);
    assert_int_equal(faulty_store_count(fixture.faulty[WEST]), 0);

    /* Not even when there is no other one left. */
    left = 4;
    plan_gets(&fixture, EAST, 1, FAULTY_FOR_GOOD, FAULTY_BEFORE, TZ_NOT_FOUND);
    plan_gets(&fixture, WEST, 1, FAULTY_FOR_GOOD, FAULTY_BEFORE, TZ_NOT_FOUND);
    assert_int_equal(tz_mirror_read(fixture.mirror, &request, &out, NULL, NULL, &err), -1);
    assert_int_equal(err.kind, TZ_INTERRUPTED);
    assert_int_equal(faulty_store_count(fixture.faulty[WEST]), 1);
    fixture_close(&fixture);
}

static void a_store_that_was_not_reached_is_asked_last_for_a_while(void **state)
{
    (void)state;
    struct fixture fixture;
    open_with_object(&fixture);
    plan_gets(&fixture, EAST, 1, 1, FAULTY_BEFORE, TZ_UNAVAILABLE);
    assert_read(&fixture, WEST, 1U << EAST);
    assert_read(&fixture, WEST, 0);
    assert_int_equal(faulty_store_count(fixture.faulty[EAST]), 1);
    plan_gets(&fixture, WEST, 1, 1, FAULTY_BEFORE, TZ_IO);
    assert_read(&fixture, EAST, 1U << WEST);
    fixture_close(&fixture);
}

/* It has tried again by itself each time. */
static void a_steady_store_is_asked_twice(void **state)
{
    (void)state;
    struct fixture fixture;
    struct tz_store *stores[STORES];
    const struct tz_mirror_options fast = {.backoff_ms = 1};
    fixture_stores(&fixture, stores);
    for (size_t i = 0; i < STORES; i++)
        faulty_store_features(fixture.faulty[i], TZ_STORE_RANGES | TZ_STORE_STEADY);
    assert_int_equal(tz_mirror_new(&fixture.mirror, stores, STORES, &fast, NULL), 0);
    plan_gets(&fixture, EAST, 1, FAULTY_FOR_GOOD, FAULTY_BEFORE, TZ_UNAVAILABLE);
    plan_gets(&fixture, WEST, 1, FAULTY_FOR_GOOD, FAULTY_BEFORE, TZ_UNAVAILABLE);
    (void)assert_no_read(&fixture, "object", TZ_UNAVAILABLE);
    assert_int_equal(faulty_store_count(fixture.faulty[EAST]), 2);
    assert_int_equal(faulty_store_count(fixture.faulty[WEST]), 2);
    fixture_close(&fixture);
}

static void a_store_that_is_out_is_asked_last(void **state)
{
    (void)state;
    struct fixture fixture;
    open_with_object(&fixture);
    tz_mirror_exclude(fixture.mirror, EAST,
                      &(struct tz_error){.kind = TZ_NOSPC, .message = "full"});
    assert_read(&fixture, WEST, 0);
    assert_int_equal(tz_store_remove(fixture.inside[WEST], "object", NULL), 0);
    assert_read(&fixture, EAST, 1U << WEST);
    /* Its own failure is nothing new. */
    assert_int_equal(tz_store_remove(fixture.inside[EAST], "object", NULL), 0);
    struct reply reply = get(&fixture, "object", NULL, NULL);
    assert_int_equal(reply.status, -1);
    assert_int_equal(reply.err.kind, TZ_NOT_FOUND);
    assert_int_equal(reply.failed, 1U << WEST);
    tz_buf_clear(&reply.out);
    fixture_close(&fixture);
}

/* Accepts the call with this number, after a change in place as a decryption would make it. */
static int accept_nth(void *arg, uint8_t *data, size_t len, struct tz_error *err)
{
    unsigned *left = arg;
    assert_int_equal(len, CONTENT_LEN);
    assert_memory_equal(data, content, CONTENT_LEN);
    memset(data, 'a' + (int)*left, len);
    if (--*left > 0)
        return tz_fail(err, TZ_CORRUPT, "not accepted");
    return 0;
}

static void bytes_that_are_not_accepted_are_thrown_away(void **state)
{
    (void)state;
    struct fixture fixture;
    open_with_object(&fixture);
    unsigned second = 2;
    struct reply reply = get(&fixture, "object", accept_nth, &second);
    assert_int_equal(reply.status, 0);
    assert_int_equal(reply.store, WEST);
    assert_int_equal(reply.failed, 1U << EAST);
    for (size_t i = 0; i < CONTENT_LEN; i++)
        assert_int_equal(reply.out.data[7 + i], 'b');
    tz_buf_clear(&reply.out);

    unsigned third = 3;
    reply = get(&fixture, "object", accept_nth, &third);
    assert_int_equal(reply.status, -1);
    assert_int_equal(reply.err.kind, TZ_CORRUPT);
    assert_int_equal(reply.failed, 1U << EAST | 1U << WEST);
    tz_buf_clear(&reply.out);
    fixture_close(&fixture);
}

static void hash_of(uint8_t hash[TZ_HASH_SIZE], const char *text)
{
    assert_int_equal(tz_sha256(hash, text, strlen(text), NULL), 0);
}

static void a_wrong_hash_leads_to_the_next_store(void **state)
{
    (void)state;
    static const enum faulty_way ways[] = {FAULTY_FLIP, FAULTY_TRUNCATE};
    uint8_t hash[TZ_HASH_SIZE];
    hash_of(hash, content);
    for (size_t i = 0; i < TZ_COUNT(ways); i++) {
        struct fixture fixture;
        TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
        struct tz_error err = {0};
        size_t store = 99;
        open_with_object(&fixture);
        plan_gets(&fixture, EAST, 1, FAULTY_FOR_GOOD, ways[i], TZ_OK);
        assert_int_equal(
            tz_mirror_get_hashed(fixture.mirror, "object", hash, 1000, &out, &store, &err), 0);
        assert_int_equal(store, WEST);
        assert_int_equal(out.len, CONTENT_LEN);
        assert_memory_equal(out.data, content, CONTENT_LEN);

        plan_gets(&fixture, WEST, 1, FAULTY_FOR_GOOD, ways[i], TZ_OK);
        assert_int_equal(
            tz_mirror_get_hashed(fixture.mirror, "object", hash, 1000, &out, &store, &err), -1);
        assert_int_equal(err.kind, TZ_CORRUPT);
        assert_non_null(strstr(err.message, "SHA-256"));
        assert_int_equal(out.len, CONTENT_LEN);
        fixture_close(&fixture);
    }
}

static void an_object_that_is_too_long_is_not_taken(void **state)
{
    (void)state;
    struct fixture fixture;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
    struct tz_error err = {0};
    uint8_t hash[TZ_HASH_SIZE];
    hash_of(hash, content);
    open_with_object(&fixture);
    assert_int_equal(
        tz_mirror_get_hashed(fixture.mirror, "object", hash, CONTENT_LEN - 1, &out, NULL, &err),
        -1);
    assert_int_equal(err.kind, TZ_CORRUPT);
    assert_non_null(strstr(err.message, "more than the 22 bytes"));
    assert_int_equal(out.len, 0);
    assert_int_equal(
        tz_mirror_get_hashed(fixture.mirror, "object", hash, CONTENT_LEN, &out, NULL, &err), 0);
    assert_int_equal(
        tz_mirror_get_hashed(fixture.mirror, "object", hash, SIZE_MAX, &out, NULL, &err), 0);
    assert_int_equal(out.len, 2 * CONTENT_LEN);

    hash_of(hash, "");
    put_inside(&fixture, EAST, "empty", "");
    assert_int_equal(tz_mirror_get_hashed(fixture.mirror, "empty", hash, 0, &out, NULL, &err), 0);
    assert_int_equal(out.len, 2 * CONTENT_LEN);
    fixture_close(&fixture);
}

static void *read_often(void *arg)
{
    for (int i = 0; i < 200; i++) {
        TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
        if (tz_mirror_get(arg, "object", 0, CONTENT_LEN, NULL, NULL, &out, NULL, NULL, NULL))
            return arg;
        for (size_t s = 0; s < STORES; s++)
            (void)tz_mirror_usable(arg, s);
    }
    return NULL;
}

static void threads_may_read_while_one_writes(void **state)
{
    (void)state;
    struct fixture fixture;
    pthread_t threads[3];
    open_with_object(&fixture);
    plan_gets(&fixture, EAST, 50, 3, FAULTY_BEFORE, TZ_UNAVAILABLE);
    for (size_t i = 0; i < TZ_COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_often, fixture.mirror), 0);
    for (unsigned n = 0; n < 200; n++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "packs/%u", n);
        assert_int_equal(put_text(&fixture, name, name, TZ_MIRROR_ALL, n, NULL), 0);
    }
    assert_int_equal(tz_mirror_flush(fixture.mirror, NULL), 0);
    for (size_t i = 0; i < TZ_COUNT(threads); i++) {
        void *failed = NULL;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    fixture_close(&fixture);
}

static void a_store_that_cannot_be_opened_is_out_from_the_start(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_mirror) struct tz_mirror *mirror = NULL;
    struct tz_error err = {0};
    const struct tz_store_options stores[] = {
        {.name = "east", .url = "file:///nonexistent/tozai"},
        {.name = "west", .url = "mem:opened"},
    };
    assert_int_equal(tz_mirror_open(&mirror, stores, 2, NULL, &err), 0);
    assert_int_equal(tz_mirror_count(mirror), 2);
    assert_string_equal(tz_mirror_name(mirror, 0), "east");
    assert_null(tz_mirror_store(mirror, 0));
    assert_false(tz_mirror_usable(mirror, 0));
    assert_true(tz_mirror_error(mirror, 0, &err));
    assert_int_equal(err.kind, TZ_UNAVAILABLE);
    assert_non_null(strstr(err.message, "/nonexistent/tozai"));
    assert_true(err.hint[0] != '\0');
    assert_true(tz_mirror_usable(mirror, 1));
    assert_string_equal(tz_store_url(tz_mirror_store(mirror, 1)), "mem:opened");
    tz_store_mem_forget("opened");
}

static void it_is_an_error_if_none_can_be_opened(void **state)
{
    (void)state;
    struct tz_mirror *mirror = NULL;
    struct tz_error err = {0};
    const struct tz_store_options stores[] = {
        {.name = "east", .url = "file:///nonexistent/east"},
        {.name = "west", .url = "file:///nonexistent/west"},
    };
    assert_int_equal(tz_mirror_open(&mirror, stores, 2, NULL, &err), -1);
    assert_int_equal(err.kind, TZ_UNAVAILABLE);
    assert_non_null(strstr(err.message, "/nonexistent/east"));
    assert_non_null(strstr(err.message, "/nonexistent/west"));
    assert_true(err.hint[0] != '\0');
    assert_null(mirror);

    struct tz_store *none[STORES] = {NULL, NULL};
    assert_int_equal(tz_mirror_open(&mirror, stores, 0, NULL, &err), -1);
    assert_int_equal(err.kind, TZ_INVALID);
    assert_int_equal(tz_mirror_new(&mirror, none, STORES, NULL, &err), -1);
    assert_int_equal(err.kind, TZ_UNAVAILABLE);
}

static void no_store_at_all_will_do_if_that_is_said(void **state)
{
    (void)state;
    struct tz_mirror_options options = {.none_will_do = true};
    struct tz_mirror *mirror = NULL;
    struct tz_error err = {0};
    struct tz_store_options stores[] = {
        {.name = "east", .url = "file:///nonexistent/east"},
        {.name = "west", .url = "file:///nonexistent/west"},
    };
    assert_int_equal(tz_mirror_open(&mirror, stores, 2, &options, &err), 0);
    assert_int_equal(tz_mirror_count(mirror), 2);
    for (size_t i = 0; i < 2; i++) {
        struct tz_error why = {0};
        assert_false(tz_mirror_usable(mirror, i));
        assert_string_equal(tz_mirror_name(mirror, i), stores[i].name);
        assert_true(tz_mirror_error(mirror, i, &why));
        assert_non_null(strstr(why.message, stores[i].name));
    }
    TZ_SCOPED(tz_scoped_buf) struct tz_buf bytes = {0};
    assert_int_equal(tz_mirror_get(mirror, "tozai", 0, 1, NULL, NULL, &bytes, NULL, NULL, &err),
                     -1);
    assert_int_equal(err.kind, TZ_UNAVAILABLE);
    tz_mirror_free(mirror);

    /* A mistake stays one. */
    mirror = NULL;
    stores[0].url = "gopher://east";
    assert_int_equal(tz_mirror_open(&mirror, stores, 2, &options, &err), -1);
    assert_int_equal(err.kind, TZ_INVALID);
    assert_null(mirror);
}

static void too_many_stores_are_refused_and_freed(void **state)
{
    (void)state;
    struct tz_mirror *mirror = NULL;
    struct tz_error err = {0};
    struct tz_store *stores[TZ_MIRROR_MAX_STORES + 1];
    for (size_t i = 0; i < TZ_COUNT(stores); i++)
        stores[i] = open_memory("many");
    assert_int_equal(tz_mirror_new(&mirror, stores, TZ_COUNT(stores), NULL, &err), -1);
    assert_int_equal(err.kind, TZ_INVALID);
    tz_store_mem_forget("many");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_store_is_read),
        cmocka_unit_test(a_part_can_be_read_and_nobody_needs_to_know_from_where),
        cmocka_unit_test(a_local_store_is_preferred),
        cmocka_unit_test(the_next_store_is_read_after_a_failure),
        cmocka_unit_test(a_short_object_is_not_taken),
        cmocka_unit_test(when_all_fail_the_error_names_each_reason),
        cmocka_unit_test(not_found_means_that_every_store_says_so),
        cmocka_unit_test(what_may_pass_is_asked_again),
        cmocka_unit_test(but_not_for_ever),
        cmocka_unit_test(each_store_is_asked_once_if_that_will_do),
        cmocka_unit_test(what_nobody_wants_any_more_is_asked_of_no_other_store),
        cmocka_unit_test(a_store_that_was_not_reached_is_asked_last_for_a_while),
        cmocka_unit_test(a_steady_store_is_asked_twice),
        cmocka_unit_test(a_store_that_is_out_is_asked_last),
        cmocka_unit_test(bytes_that_are_not_accepted_are_thrown_away),
        cmocka_unit_test(a_wrong_hash_leads_to_the_next_store),
        cmocka_unit_test(an_object_that_is_too_long_is_not_taken),
        cmocka_unit_test(threads_may_read_while_one_writes),
        cmocka_unit_test(a_store_that_cannot_be_opened_is_out_from_the_start),
        cmocka_unit_test(it_is_an_error_if_none_can_be_opened),
        cmocka_unit_test(no_store_at_all_will_do_if_that_is_said),
        cmocka_unit_test(too_many_stores_are_refused_and_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
