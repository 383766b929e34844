/*
 * A mirror over stores in memory that fail as they are told to.
 */
#ifndef TOZAI_TESTS_MIRROR_FIXTURE_H
#define TOZAI_TESTS_MIRROR_FIXTURE_H

#include "faulty_store.h"
#include "storage/mem.h"
#include "tozai/storage/mirror.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define STORES 2

enum { EAST, WEST };

static const char *const store_names[STORES] = {"east", "west"};

struct fixture {
    struct tz_mirror *mirror;
    struct faulty_store *faulty[STORES];
    struct tz_store *inside[STORES]; /* second handles, past the faults */
};

static inline struct tz_store *open_memory(const char *name)
{
    struct tz_store *store = NULL;
    char url[64];
    (void)snprintf(url, sizeof(url), "mem:%s", name);
    struct tz_store_options options = {.name = name, .url = url};
    assert_int_equal(tz_store_open(&store, &options, NULL), 0);
    return store;
}

/* Do the stores say that they are on this machine? */
static bool fixture_remote;

/* Fill stores with one handle on each; they become the mirror's that the test makes of them. */
static inline void fixture_stores(struct fixture *fixture, struct tz_store *stores[STORES])
{
    *fixture = (struct fixture){0};
    for (size_t i = 0; i < STORES; i++) {
        fixture->inside[i] = open_memory(store_names[i]);
        assert_int_equal(
            faulty_store_new(&stores[i], &fixture->faulty[i], open_memory(store_names[i]), NULL),
            0);
        if (fixture_remote)
            faulty_store_features(fixture->faulty[i], TZ_STORE_RANGES | TZ_STORE_ATOMIC);
    }
}

/* Pauses are as short as they can be. */
static inline void fixture_open(struct fixture *fixture, const struct tz_mirror_options *options)
{
    struct tz_store *stores[STORES];
    struct tz_mirror_options fast = options ? *options : (struct tz_mirror_options){0};
    if (!fast.backoff_ms)
        fast.backoff_ms = 1;
    fixture_stores(fixture, stores);
    assert_int_equal(tz_mirror_new(&fixture->mirror, stores, STORES, &fast, NULL), 0);
}

static inline void fixture_close(struct fixture *fixture)
{
    tz_mirror_free(fixture->mirror);
    for (size_t i = 0; i < STORES; i++) {
        tz_store_free(fixture->inside[i]);
        tz_store_mem_forget(store_names[i]);
    }
}

static inline void put_inside(struct fixture *fixture, size_t store, const char *name,
                              const char *text)
{
    assert_int_equal(tz_store_put(fixture->inside[store], name, text, strlen(text), NULL), 0);
}

static inline bool is_inside(struct fixture *fixture, size_t store, const char *name)
{
    struct tz_store_stat stat;
    assert_int_equal(tz_store_stat(fixture->inside[store], name, &stat, NULL), 0);
    return stat.exists;
}

/* Put a text as the object name, with tag. */
static inline int put_text(struct fixture *fixture, const char *name, const char *text,
                           uint32_t mask, uint64_t tag, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_blob) struct tz_blob *blob = NULL;
    assert_int_equal(tz_blob_copy(&blob, text, strlen(text), NULL), 0);
    return tz_mirror_put(fixture->mirror, name, blob, mask, tag, err);
}

#endif
