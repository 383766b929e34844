#include "store_contract.h"
#include "tozai/storage/blob.h"
#include "tozai/storage/probe.h"
#include "tozai/util/time.h"

#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>

#include <cmocka.h>

#define THREADS      4
#define MANY_OBJECTS 3000
#define MIB          ((size_t)1 << 20)
#define LARGE_BYTES  (40 * MIB + 5)

struct fixture {
    char place[64];
    struct tz_store *store;
};

/* cmocka gives a test no argument, and one group runs at a time. */
static store_contract_open_fn *open_store;
static unsigned places;

/* The call must succeed; if not, say why. */
#define assert_ok(call)                                                                            \
    do {                                                                                           \
        struct tz_error error_ = {0};                                                              \
        struct tz_error *err = &error_;                                                            \
        if ((call) != 0)                                                                           \
            fail_msg("%s: %s", #call, error_.message);                                             \
    } while (0)

/* The call must fail with this kind, and say something. */
#define assert_fails(call, expected)                                                               \
    do {                                                                                           \
        struct tz_error error_ = {0};                                                              \
        struct tz_error *err = &error_;                                                            \
        assert_int_equal((call), -1);                                                              \
        if (error_.kind != (expected))                                                             \
            fail_msg("%s: %s, not %s: %s", #call, tz_error_code(error_.kind),                      \
                     tz_error_code(expected), error_.message);                                     \
        assert_true(error_.message[0] != '\0');                                                    \
    } while (0)

static int set_up(void **state)
{
    static struct fixture fixture;
    struct tz_error err = {0};
    (void)snprintf(fixture.place, sizeof(fixture.place), "contract-%ld-%u", (long)getpid(),
                   places++);
    if (open_store(&fixture.store, fixture.place, false, &err)) {
        print_error("open '%s': %s\n", fixture.place, err.message);
        return -1;
    }
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    tz_store_free(fixture->store);
    fixture->store = NULL;
    return 0;
}

static struct tz_store *store_of(void **state)
{
    return ((struct fixture *)*state)->store;
}

/* Bytes that look random, differ with the seed and have no period of a power of two. */
static void fill(uint8_t *data, size_t len, uint64_t seed)
{
    uint64_t x = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    for (size_t i = 0; i < len; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        data[i] = (uint8_t)(x >> 32);
    }
}

static void put_text(struct tz_store *store, const char *name, const char *text)
{
    assert_ok(tz_store_put(store, name, text, strlen(text), err));
}

static void assert_content(struct tz_store *store, const char *name, const void *data, size_t len)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
    assert_ok(tz_store_get(store, name, 0, len + 10, &out, err));
    assert_int_equal(out.len, len);
    if (len > 0)
        assert_memory_equal(out.data, data, len);
}

static void assert_text(struct tz_store *store, const char *name, const char *text)
{
    assert_content(store, name, text, strlen(text));
}

static void assert_exists(struct tz_store *store, const char *name, bool exists)
{
    struct tz_store_stat stat = {0};
    assert_ok(tz_store_stat(store, name, &stat, err));
    assert_int_equal(stat.exists, exists);
}

/* Around the alignment, and around the size from which a driver may write past the page cache. */
static const size_t sizes[] = {
    0,       1,   4095,    4096,       4097,       8192,    65537,
    MIB - 1, MIB, MIB + 1, MIB + 4095, MIB + 4096, 2 * MIB, 2 * MIB + 123,
};

static void get_returns_what_put_stored(void **state)
{
    struct tz_store *store = store_of(state);
    for (size_t i = 0; i < TZ_COUNT(sizes); i++) {
        TZ_SCOPED(tz_scoped_blob) struct tz_blob *blob = NULL;
        char name[64];
        assert_ok(tz_blob_new(&blob, sizes[i], err));
        blob->len = sizes[i];
        fill(blob->data, blob->len, i);
        (void)snprintf(name, sizeof(name), "packs/%02zx/object", i);
        assert_ok(tz_store_put(store, name, blob->data, blob->len, err));
        assert_content(store, name, blob->data, blob->len);
        struct tz_store_stat stat;
        assert_ok(tz_store_stat(store, name, &stat, err));
        assert_int_equal(stat.size, blob->len);
    }
}

static void put_takes_data_that_is_not_aligned(void **state)
{
    struct tz_store *store = store_of(state);
    for (size_t i = 0; i < TZ_COUNT(sizes); i++) {
        /* Exactly as large as it must be, so that a read beyond the end is noticed. */
        TZ_SCOPED(tz_scoped_free) uint8_t *data = malloc(sizes[i] + 1);
        char name[64];
        assert_non_null(data);
        fill(data, sizes[i] + 1, i);
        (void)snprintf(name, sizeof(name), "object-%zu", i);
        assert_ok(tz_store_put(store, name, data + 1, sizes[i], err));
        assert_content(store, name, data + 1, sizes[i]);
    }
}

static void a_large_object_survives(void **state)
{
    struct tz_store *store = store_of(state);
    TZ_SCOPED(tz_scoped_blob) struct tz_blob *blob = NULL;
    assert_ok(tz_blob_new(&blob, LARGE_BYTES, err));
    blob->len = LARGE_BYTES;
    fill(blob->data, blob->len, 7);
    assert_ok(tz_store_put(store, "packs/large", blob->data, blob->len, err));
    assert_content(store, "packs/large", blob->data, blob->len);
}

static void get_of_a_range_gives_that_range(void **state)
{
    struct tz_store *store = store_of(state);
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
    put_text(store, "object", "0123456789");
    assert_ok(tz_store_get(store, "object", 3, 4, &out, err));
    assert_int_equal(out.len, 4);
    assert_memory_equal(out.data, "3456", 4);
    /* Appended; short at the end; nothing behind it; nothing asked for. */
    assert_ok(tz_store_get(store, "object", 8, 100, &out, err));
    assert_ok(tz_store_get(store, "object", 10, 1, &out, err));
    assert_ok(tz_store_get(store, "object", UINT64_MAX, SIZE_MAX, &out, err));
    assert_ok(tz_store_get(store, "object", 5, 0, &out, err));
    assert_int_equal(out.len, 6);
    assert_memory_equal(out.data, "345689", 6);
    assert_ok(tz_store_get(store, "object", 9, SIZE_MAX, &out, err));
    assert_int_equal(out.len, 7);
    assert_int_equal(out.data[6], '9');
}

/* Drivers read large ranges in other ways than small ones: any of them, at any place in memory. */
static void large_ranges_are_what_was_put(void **state)
{
    struct fixture *fixture = *state;
    TZ_SCOPED(tz_scoped_blob) struct tz_blob *blob = NULL;
    const size_t size = 5 * MIB + 4099;

    assert_ok(tz_blob_new(&blob, size, err));
    fill(blob->data, size, 11);
    blob->len = size;
    assert_ok(tz_store_put(fixture->store, "packs/large", blob->data, size, err));
    for (unsigned i = 0; i < 60; i++) {
        TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
        static const uint64_t offsets[] = {0, 4096, 1, 4095, 5 * MIB - 4096, 5 * MIB + 4098};
        static const size_t lens[] = {MIB, MIB + 4096, 4 * MIB + 17, 2 * MIB - 1, SIZE_MAX / 2};
        uint64_t offset = offsets[i % TZ_COUNT(offsets)];
        size_t len = lens[i % TZ_COUNT(lens)];
        size_t before = i % 3 == 0 ? 0 : 3001 * i % 8192;
        size_t expected = (size_t)TZ_MIN((uint64_t)len, size - offset);
        /* In the last third, memory as that of blobs. */
        if (i >= 40) {
            out.data = aligned_alloc(TZ_BLOB_ALIGN, 2048 * TZ_BLOB_ALIGN);
            assert_non_null(out.data);
            out.cap = 2048 * TZ_BLOB_ALIGN;
        }
        for (size_t k = 0; k < before; k++)
            assert_ok(tz_buf_append(&out, "\x5a", 1, err));
        assert_ok(tz_store_get(fixture->store, "packs/large", offset, len, &out, err));
        assert_int_equal(out.len, before + expected);
        for (size_t k = 0; k < before; k++)
            assert_int_equal(out.data[k], 0x5a);
        assert_memory_equal(out.data + before, blob->data + offset, expected);
    }
}

static void a_missing_object_is_not_found(void **state)
{
    struct tz_store *store = store_of(state);
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
    assert_ok(tz_buf_append(&out, "kept", 4, err));
    put_text(store, "packs/ab/there", "x");
    static const char *const missing[] = {"none",  "packs/none", "packs/ab/non", "packs/ab/there2",
                                          "packs", "a/b/c/d"};
    for (size_t i = 0; i < TZ_COUNT(missing); i++) {
        assert_fails(tz_store_get(store, missing[i], 0, 10, &out, err), TZ_NOT_FOUND);
        assert_exists(store, missing[i], false);
        assert_ok(tz_store_remove(store, missing[i], err));
    }
    assert_int_equal(out.len, 4);
    assert_memory_equal(out.data, "kept", 4);
    assert_text(store, "packs/ab/there", "x");
}

static void put_refuses_a_name_that_is_taken(void **state)
{
    struct tz_store *store = store_of(state);
    put_text(store, "keys/1", "the old one");
    assert_fails(tz_store_put(store, "keys/1", "new", 3, err), TZ_EXISTS);
    assert_fails(tz_store_put(store, "keys/1", "the old one", 11, err), TZ_EXISTS);
    assert_text(store, "keys/1", "the old one");
}

static void replace_takes_the_place_of_an_object(void **state)
{
    struct tz_store *store = store_of(state);
    put_text(store, "packs/1", "damaged, and longer");
    assert_ok(tz_store_replace(store, "packs/1", "good", 4, err));
    assert_text(store, "packs/1", "good");
    assert_ok(tz_store_replace(store, "packs/2", "was not there", 13, err));
    assert_text(store, "packs/2", "was not there");
}

static void remove_makes_room_for_a_new_object(void **state)
{
    struct tz_store *store = store_of(state);
    put_text(store, "packs/1", "first");
    put_text(store, "packs/2", "other");
    assert_ok(tz_store_remove(store, "packs/1", err));
    assert_exists(store, "packs/1", false);
    assert_text(store, "packs/2", "other");
    put_text(store, "packs/1", "second");
    assert_text(store, "packs/1", "second");
}

#define MANY 23

static void remove_many_removes_those_and_no_others(void **state)
{
    struct tz_store *store = store_of(state);
    char names[MANY][32];
    const char *list[MANY];
    bool removed[MANY + 1];
    for (size_t i = 0; i < MANY; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "packs/%02zx/object", i);
        list[i] = names[i];
        if (i % 3) /* what is not there counts as removed */
            put_text(store, names[i], "x");
    }
    put_text(store, "packs/other", "other");
    memset(removed, 7, sizeof(removed));
    removed[MANY] = false;
    assert_ok(tz_store_remove_many(store, list, MANY, removed, err));
    for (size_t i = 0; i < MANY; i++) {
        assert_true(removed[i]);
        assert_exists(store, names[i], false);
    }
    assert_false(removed[MANY]);
    assert_text(store, "packs/other", "other");
    assert_ok(tz_store_remove_many(store, NULL, 0, NULL, err));
    assert_ok(tz_store_remove_many(store, list, 1, NULL, err));
}

static void remove_many_refuses_all_if_one_name_is_wrong(void **state)
{
    struct tz_store *store = store_of(state);
    static const char *const names[] = {"a", "../b"};
    bool removed[2] = {true, true};
    put_text(store, "a", "x");
    assert_fails(tz_store_remove_many(store, names, 2, removed, err), TZ_INVALID);
    assert_false(removed[0] || removed[1]);
    assert_text(store, "a", "x");
}

static void stat_tells_when_it_was_stored(void **state)
{
    struct tz_store *store = store_of(state);
    struct tz_store_stat stat;
    int64_t day_ns = 24 * 3600 * TZ_SECOND_NS;
    put_text(store, "object", "x");
    assert_ok(tz_store_stat(store, "object", &stat, err));
    assert_true(stat.exists);
    assert_true(stat.changed_ns > tz_now() - day_ns && stat.changed_ns < tz_now() + day_ns);
}

static int found_nothing(void *arg, const char *name, const struct tz_store_stat *stat,
                         struct tz_error *err)
{
    (void)arg;
    (void)stat;
    return tz_fail(err, TZ_FAILED, "found '%s'", name);
}

static void invalid_names_are_refused(void **state)
{
    struct tz_store *store = store_of(state);
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
    struct tz_store_stat stat;
    char long_name[TZ_STORE_NAME_MAX + 2];
    memset(long_name, 'x', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = '\0';
    const char *const names[] = {"",     "/",        "/a",  "a/",    "a//b",  ".",      "..",
                                 "a/..", "../a",     "./a", "a/./b", "a b",   "a\n",    "a\\b",
                                 "a%62", "\xc3\xa4", "a:b", "tmp",   "tmp/x", long_name};
    for (size_t i = 0; i < TZ_COUNT(names); i++) {
        assert_fails(tz_store_put(store, names[i], "x", 1, err), TZ_INVALID);
        assert_fails(tz_store_replace(store, names[i], "x", 1, err), TZ_INVALID);
        assert_fails(tz_store_get(store, names[i], 0, 1, &out, err), TZ_INVALID);
        assert_fails(tz_store_stat(store, names[i], &stat, err), TZ_INVALID);
        assert_fails(tz_store_remove(store, names[i], err), TZ_INVALID);
    }
    static const char *const prefixes[] = {"/", "a//", "../", "a/../", "a/./b", "a b", "\xc3\xa4"};
    for (size_t i = 0; i < TZ_COUNT(prefixes); i++)
        assert_fails(tz_store_list(store, prefixes[i], found_nothing, NULL, err), TZ_INVALID);
    assert_ok(tz_store_list(store, "", found_nothing, NULL, err));
}

static void unusual_but_valid_names_work(void **state)
{
    struct tz_store *store = store_of(state);
    char long_name[TZ_STORE_NAME_MAX + 1];
    memset(long_name, 'x', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = '\0';
    char deep_name[TZ_STORE_NAME_MAX + 1] = "";
    for (size_t i = 0; i < sizeof(deep_name) - 1; i++)
        deep_name[i] = i % 2 ? '/' : 'd';
    deep_name[sizeof(deep_name) - 2] = 'e';
    const char *const names[] = {".hidden", "...", "-", "a/tmp/b", "tmp2", long_name, deep_name};
    for (size_t i = 0; i < TZ_COUNT(names); i++) {
        put_text(store, names[i], names[i]);
        assert_text(store, names[i], names[i]);
    }
}

struct listing {
    struct tz_store *store;
    struct tz_buf text; /* every name and a space */
    size_t count;
    size_t stop_at; /* 0: do not */
    char last[TZ_STORE_NAME_MAX + 1];
};

static int add_name(void *arg, const char *name, const struct tz_store_stat *stat,
                    struct tz_error *err)
{
    struct listing *listing = arg;
    if (strcmp(listing->last, name) >= 0)
        return tz_fail(err, TZ_FAILED, "'%s' comes after '%s'", name, listing->last);
    (void)snprintf(listing->last, sizeof(listing->last), "%s", name);

    /* A listing must not get in the way of reads. */
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
    struct tz_store_stat again;
    if (listing->store && (tz_store_stat(listing->store, name, &again, err) ||
                           tz_store_get(listing->store, name, 0, 1000, &out, err)))
        return -1;
    if (!stat->exists || (listing->store && (again.size != stat->size || out.len != stat->size ||
                                             again.changed_ns != stat->changed_ns)))
        return tz_fail(err, TZ_FAILED, "list, stat and get of '%s' differ", name);

    listing->count++;
    if (listing->count == listing->stop_at)
        return tz_fail(err, TZ_KEY, "enough");
    return tz_buf_printf(&listing->text, err, "%s ", name);
}

static void assert_list(struct tz_store *store, const char *prefix, const char *expected)
{
    struct listing listing = {.store = store};
    assert_ok(tz_store_list(store, prefix, add_name, &listing, err));
    assert_int_equal(listing.text.len, strlen(expected));
    assert_memory_equal(listing.text.len ? (const char *)listing.text.data : "", expected,
                        listing.text.len);
    tz_buf_clear(&listing.text);
}

static void list_gives_the_names_with_the_prefix_in_order(void **state)
{
    struct tz_store *store = store_of(state);
    assert_list(store, "", "");
    assert_list(store, "packs/", "");
    /* '-' and '.' come before '/', digits and letters behind it. */
    static const char *const names[] = {"packs/b/1",  "packs/a/2",         "packs/a/1", "packs/a-b",
                                        "packs/a.b",  "packs/a0",          "tozai",     "packs.old",
                                        "packsize/x", "generations/ab12/h"};
    for (size_t i = 0; i < TZ_COUNT(names); i++)
        put_text(store, names[i], names[i]);
    assert_list(store, "",
                "generations/ab12/h packs.old packs/a-b packs/a.b packs/a/1 packs/a/2 packs/a0 "
                "packs/b/1 packsize/x tozai ");
    assert_list(store, "packs/", "packs/a-b packs/a.b packs/a/1 packs/a/2 packs/a0 packs/b/1 ");
    assert_list(store, "packs/a/", "packs/a/1 packs/a/2 ");
    assert_list(store, "packs/a", "packs/a-b packs/a.b packs/a/1 packs/a/2 packs/a0 ");
    assert_list(store, "packs/a/2", "packs/a/2 ");
    assert_list(store, "packs/a/2/", "");
    assert_list(store, "packs/c", "");
    assert_list(store, "packs",
                "packs.old packs/a-b packs/a.b packs/a/1 packs/a/2 packs/a0 "
                "packs/b/1 packsize/x ");
    assert_list(store, "t", "tozai ");
    assert_list(store, "tmp", "");
    assert_list(store, "tmp/", "");
    assert_list(store, "tozai/", "");
    assert_list(store, "none/", "");
    assert_list(store, "none/at/all", "");
}

static void a_probe_changes_nothing(void **state)
{
    struct tz_store *store = store_of(state);
    const struct tz_probe_options wanted = {.name = "tozai", .canary = true};
    const struct tz_probe_options missing = {.name = "none"};
    struct tz_probe probe;
    put_text(store, "tozai", "what says whose this is");
    assert_ok(tz_store_probe(store, &wanted, &probe, err));
    assert_text(store, "tozai", "what says whose this is");
    assert_list(store, "", "tozai ");
    assert_int_equal(probe.parts[TZ_PROBE_READ], TZ_PROBE_YES);
    assert_int_equal(probe.parts[TZ_PROBE_LIST], TZ_PROBE_YES);
    assert_int_equal(probe.parts[TZ_PROBE_RANGES], TZ_PROBE_YES);
    assert_int_equal(probe.parts[TZ_PROBE_REMOVE], TZ_PROBE_YES);
    if (!(tz_store_features(store) & TZ_STORE_LOCAL))
        assert_fails(tz_store_probe(store, &missing, &probe, err), TZ_NOT_FOUND);
}

static void list_stops_with_the_error_of_found(void **state)
{
    struct tz_store *store = store_of(state);
    struct listing listing = {.stop_at = 2};
    struct tz_error error = {0};
    put_text(store, "a/1", "x");
    put_text(store, "a/2", "x");
    put_text(store, "a/3", "x");
    assert_int_equal(tz_store_list(store, "", add_name, &listing, &error), -1);
    assert_int_equal(error.kind, TZ_KEY);
    assert_non_null(strstr(error.message, "enough"));
    assert_int_equal(listing.count, 2);
    tz_buf_clear(&listing.text);
}

struct worker {
    struct tz_store *store;
    unsigned number;
    unsigned puts;
    bool same_name;
    unsigned stored;
    struct tz_error error; /* the last one */
    pthread_t thread;
    uint8_t data[5000];
};

static void *run_worker(void *arg)
{
    struct worker *worker = arg;
    fill(worker->data, sizeof(worker->data), worker->number);
    for (unsigned i = 0; i < worker->puts; i++) {
        char name[64];
        (void)snprintf(name, sizeof(name), "packs/%02x/%u", i % 256,
                       worker->same_name ? 0 : worker->number);
        if (!tz_store_put(worker->store, name, worker->data, sizeof(worker->data), &worker->error))
            worker->stored++;
    }
    return NULL;
}

static void run_workers(struct tz_store *store, struct worker workers[THREADS], unsigned puts,
                        bool same_name)
{
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] =
            (struct worker){.store = store, .number = i, .puts = puts, .same_name = same_name};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
}

static void one_of_parallel_puts_of_a_name_wins(void **state)
{
    struct tz_store *store = store_of(state);
    struct worker workers[THREADS];
    if (!(tz_store_features(store) & TZ_STORE_ATOMIC))
        skip();
    for (unsigned round = 0; round < 20; round++) {
        run_workers(store, workers, 1, true);
        unsigned winners = 0;
        for (unsigned i = 0; i < THREADS; i++) {
            winners += workers[i].stored;
            if (workers[i].stored)
                assert_content(store, "packs/00/0", workers[i].data, sizeof(workers[i].data));
            else
                assert_int_equal(workers[i].error.kind, TZ_EXISTS);
        }
        assert_int_equal(winners, 1);
        assert_ok(tz_store_remove(store, "packs/00/0", err));
    }
}

/* Which is also how thousands of objects come to be listed. */
static void a_list_names_thousands_of_objects(void **state)
{
    struct tz_store *store = store_of(state);
    static struct worker workers[THREADS];
    struct listing listing = {0};
    run_workers(store, workers, 1, false);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(workers[i].stored, 1);
    for (unsigned i = THREADS; i < MANY_OBJECTS; i++) {
        char name[64];
        (void)snprintf(name, sizeof(name), "packs/%02x/%u", i % 7, i);
        put_text(store, name, "x");
    }
    assert_ok(tz_store_list(store, "packs/", add_name, &listing, err));
    assert_int_equal(listing.count, MANY_OBJECTS);
    tz_buf_clear(&listing.text);
}

static void parallel_puts_of_different_names_all_succeed(void **state)
{
    struct tz_store *store = store_of(state);
    struct worker workers[THREADS];
    struct listing listing = {0};
    run_workers(store, workers, 40, false);
    for (unsigned i = 0; i < THREADS; i++)
        if (workers[i].stored != 40)
            fail_msg("thread %u: %s", i, workers[i].error.message);
    assert_ok(tz_store_list(store, "", add_name, &listing, err));
    assert_int_equal(listing.count, THREADS * 40);
    tz_buf_clear(&listing.text);
}

static void two_handles_see_the_same_store(void **state)
{
    struct fixture *fixture = *state;
    TZ_SCOPED(tz_scoped_store) struct tz_store *other = NULL;
    assert_ok(open_store(&other, fixture->place, false, err));
    put_text(fixture->store, "object", "hello");
    assert_text(other, "object", "hello");
    assert_fails(tz_store_put(other, "object", "x", 1, err), TZ_EXISTS);
    assert_ok(tz_store_remove(other, "object", err));
    assert_exists(fixture->store, "object", false);
}

static void a_read_only_store_refuses_every_change(void **state)
{
    struct fixture *fixture = *state;
    TZ_SCOPED(tz_scoped_store) struct tz_store *reader = NULL;
    put_text(fixture->store, "object", "hello");
    assert_ok(open_store(&reader, fixture->place, true, err));
    assert_fails(tz_store_put(reader, "new", "x", 1, err), TZ_DENIED);
    assert_fails(tz_store_put(reader, "object", "x", 1, err), TZ_DENIED);
    assert_fails(tz_store_replace(reader, "object", "x", 1, err), TZ_DENIED);
    assert_fails(tz_store_remove(reader, "object", err), TZ_DENIED);
    assert_fails(tz_store_remove_many(reader, &(const char *){"object"}, 1, NULL, err), TZ_DENIED);
    assert_text(reader, "object", "hello");
    assert_list(reader, "", "object ");
}

static int see_leftover(void *arg, const struct tz_store_leftover *leftover, struct tz_error *err)
{
    (void)arg;
    return tz_fail(err, TZ_BUSY, "'%s' is left over", leftover->name ? leftover->name : "");
}

static void a_put_leaves_nothing_over(void **state)
{
    struct tz_store *store = store_of(state);
    put_text(store, "packs/object", "x");
    assert_fails(tz_store_put(store, "packs/object", "y", 1, err), TZ_EXISTS);
    assert_ok(tz_store_leftovers(store, see_leftover, NULL, err));
}

static void errors_may_be_ignored(void **state)
{
    struct tz_store *store = store_of(state);
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
    put_text(store, "object", "x");
    assert_int_equal(tz_store_put(store, "object", "x", 1, NULL), -1);
    assert_int_equal(tz_store_get(store, "none", 0, 1, &out, NULL), -1);
    assert_int_equal(tz_store_put(store, "", "x", 1, NULL), -1);
}

#define contract_test(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int run_store_contract(const char *title, store_contract_open_fn *open)
{
    const struct CMUnitTest tests[] = {
        contract_test(get_returns_what_put_stored),
        contract_test(put_takes_data_that_is_not_aligned),
        contract_test(a_large_object_survives),
        contract_test(get_of_a_range_gives_that_range),
        contract_test(large_ranges_are_what_was_put),
        contract_test(a_missing_object_is_not_found),
        contract_test(put_refuses_a_name_that_is_taken),
        contract_test(replace_takes_the_place_of_an_object),
        contract_test(remove_makes_room_for_a_new_object),
        contract_test(remove_many_removes_those_and_no_others),
        contract_test(remove_many_refuses_all_if_one_name_is_wrong),
        contract_test(stat_tells_when_it_was_stored),
        contract_test(invalid_names_are_refused),
        contract_test(unusual_but_valid_names_work),
        contract_test(list_gives_the_names_with_the_prefix_in_order),
        contract_test(a_probe_changes_nothing),
        contract_test(list_stops_with_the_error_of_found),
        contract_test(one_of_parallel_puts_of_a_name_wins),
        contract_test(parallel_puts_of_different_names_all_succeed),
        contract_test(a_list_names_thousands_of_objects),
        contract_test(two_handles_see_the_same_store),
        contract_test(a_read_only_store_refuses_every_change),
        contract_test(a_put_leaves_nothing_over),
        contract_test(errors_may_be_ignored),
    };
    open_store = open;
    return cmocka_run_group_tests_name(title, tests, NULL, NULL);
}
