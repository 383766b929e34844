/*
 * For the tests of verify, sync and rebuild: a repository with some generations, and hands that
 * damage what its stores hold.
 */
#ifndef TOZAI_TESTS_CHECK_FIXTURE_H
#define TOZAI_TESTS_CHECK_FIXTURE_H

#include "repo_fixture.h"

#include "core/repo/internal.h"
#include "tozai/core/pack.h"
#include "tozai/core/verify.h"
#include "tozai/util/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

enum { EAST, WEST, STORES };

#define MUST(call)                                                                                 \
    do {                                                                                           \
        struct tz_error must_err_ = {0};                                                           \
        struct tz_error *err = &must_err_;                                                         \
        if (call)                                                                                  \
            fail_msg("%s: %s", #call, err->message);                                               \
    } while (0)

struct objects {
    struct tz_listed *items;
    size_t count, cap;
};

static inline TZ_UNUSED int objects_add(void *arg, const char *name,
                                        const struct tz_store_stat *stat, struct tz_error *err)
{
    return tz_listing_add(arg, name, stat->size, err);
}

/* Handles past every fault. */
static inline TZ_UNUSED struct tz_store *inside(const struct tz_fixture *f, size_t store)
{
    const struct tz_store_options options = {.name = "inside",
                                             .url = store == EAST ? f->east : f->west};
    struct tz_store *handle = NULL;

    MUST(tz_store_open(&handle, &options, err));
    return handle;
}

static inline TZ_UNUSED void get_object(struct tz_store *store, const char *name,
                                        struct tz_buf *bytes)
{
    tz_buf_reset(bytes);
    MUST(tz_store_get(store, name, 0, SIZE_MAX / 2, bytes, err));
}

static inline TZ_UNUSED void put_object(struct tz_store *store, const char *name, const void *data,
                                        size_t len)
{
    MUST(tz_store_replace(store, name, len ? data : "", len, err));
}

static inline TZ_UNUSED bool is_there(struct tz_store *store, const char *name)
{
    struct tz_store_stat stat;

    MUST(tz_store_stat(store, name, &stat, err));
    return stat.exists;
}

/* Packs of data and packs of manifests are classes of their own: kind is a pack's, or 0. */
static inline TZ_UNUSED void list_class(struct tz_store *store, enum tz_name_kind class,
                                        uint32_t kind, struct tz_listing *ret)
{
    TZ_SCOPED(tz_scoped_listing) struct tz_listing all = {0};

    *ret = (struct tz_listing){0};
    MUST(tz_listing_read(&all, store, "", err));
    for (size_t i = 0; i < all.count; i++) {
        TZ_SCOPED(tz_scoped_buf) struct tz_buf header = {0};
        if (tz_name_parse(all.items[i].name).kind != class)
            continue;
        if (kind) {
            MUST(tz_store_get(store, all.items[i].name, 0, 16, &header, err));
            if (tz_load_le32(header.data + 12) != kind)
                continue;
        }
        MUST(tz_listing_add(ret, all.items[i].name, all.items[i].size, err));
    }
}

/* Files of random bytes, with a few small ones, changed a little from run to run. */
static inline TZ_UNUSED void make_generations(struct tz_fixture *f, unsigned count)
{
    char name[32];

    for (unsigned run = 0; run < count; run++) {
        struct tz_backup_result result;
        for (unsigned i = 0; i < 5; i++) {
            (void)snprintf(name, sizeof(name), "small-%u", i);
            tz_fixture_fill(f, name, 3000, 100 * run + i);
        }
        (void)snprintf(name, sizeof(name), "large-%u", run);
        tz_fixture_fill(f, name, 1500000, 7 + run);
        tz_fixture_run(f, &result);
        assert_true(result.complete);
        tz_backup_result_clear(&result);
    }
}

static inline TZ_UNUSED void make_repository(struct tz_fixture *f, bool files, unsigned generations)
{
    const struct tz_fixture_options options = {.files = files,
                                               .more = "frame_size = 256K\npack_size = 1M\n"};

    tz_fixture_make(f, &options);
    make_generations(f, generations);
}

static inline TZ_UNUSED void run_verify(struct tz_repo *repo, enum tz_verify_level level, bool heal,
                                        struct tz_verify_result *ret)
{
    const struct tz_verify_options options = {.repo = repo, .level = level, .heal = heal};

    *ret = (struct tz_verify_result){0};
    MUST(tz_verify(&options, ret, err));
}

static inline TZ_UNUSED bool has_name(char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static inline TZ_UNUSED void print_result(const struct tz_verify_result *result)
{
    for (size_t i = 0; i < result->store_count; i++) {
        const struct tz_verify_store *s = &result->stores[i];
        print_message("%s: %s%ju objects, %ju bytes, %ju checked\n", s->name,
                      s->reachable ? "" : "not reachable, ", (uintmax_t)s->objects,
                      (uintmax_t)s->bytes, (uintmax_t)s->checked_bytes);
        for (size_t k = 0; k < s->missing_count; k++)
            print_message("  missing %s\n", s->missing[k]);
        for (size_t k = 0; k < s->damaged_count; k++)
            print_message("  damaged %s\n", s->damaged[k]);
        for (size_t k = 0; k < s->healed_count; k++)
            print_message("  healed %s\n", s->healed[k]);
        for (size_t k = 0; k < s->unknown_count; k++)
            print_message("  unknown %s\n", s->unknown[k]);
    }
    for (size_t i = 0; i < result->fault_count; i++)
        print_message("fault: %s\n", result->faults[i]);
    print_message("%s\n", result->ok ? "ok" : "not ok");
}

/* Nothing is wrong, and nothing was. */
static inline TZ_UNUSED void expect_good(struct tz_repo *repo, enum tz_verify_level level)
{
    struct tz_verify_result result;

    run_verify(repo, level, false, &result);
    if (!result.ok)
        print_result(&result);
    assert_true(result.ok);
    for (size_t i = 0; i < result.store_count; i++) {
        assert_true(result.stores[i].reachable);
        assert_int_equal(result.stores[i].healed_count, 0);
    }
    tz_verify_result_clear(&result);
}

#endif
