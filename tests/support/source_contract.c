#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "source_contract.h"

#include "tozai/util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* An error in a call that has to work ends the test with its message. */
static void must(int status, const struct tz_error *err)
{
    if (status)
        fail_msg("%s", err->message);
}

void tz_test_warn(void *arg, const char *path, size_t path_len, const struct tz_error *why)
{
    struct tz_test_warnings *warnings = arg;

    assert_int_not_equal(why->kind, TZ_OK);
    assert_true(why->message[0] != '\0');
    if (!warnings)
        return;
    if (__atomic_fetch_add(&warnings->count, 1, __ATOMIC_RELAXED) == 0) {
        size_t len = TZ_MIN(path_len, sizeof(warnings->first_path) - 1);
        memcpy(warnings->first_path, path, len);
        warnings->first_path[len] = '\0';
        warnings->first = *why;
    }
}

struct tz_source *tz_test_source(const struct tz_source_options *options)
{
    struct tz_error err = {0};
    struct tz_source *source = NULL;

    must(tz_source_open(&source, options, &err), &err);
    return source;
}

void tz_test_read(struct tz_input *input, size_t piece, struct tz_buf *out)
{
    struct tz_error err = {0};
    static const uint8_t zeros[4096];

    for (;;) {
        size_t len = 0;
        uint64_t hole = 0;
        must(tz_buf_reserve(out, piece, &err), &err);
        must(tz_input_read(input, out->data + out->len, piece, &len, &hole, &err), &err);
        assert_true(len == 0 || hole == 0);
        assert_true(len <= piece);
        out->len += len;
        for (uint64_t left = hole; left > 0; left -= TZ_MIN(left, sizeof(zeros)))
            must(tz_buf_append(out, zeros, (size_t)TZ_MIN(left, sizeof(zeros)), &err), &err);
        if (len == 0 && hole == 0)
            return;
    }
}

void tz_test_entries(const struct tz_source_options *options, struct tz_test_entries *ret)
{
    struct tz_source *source = tz_test_source(options);
    struct tz_error err = {0};
    bool done = false;

    *ret = (struct tz_test_entries){0};
    for (;;) {
        ret->items = realloc(ret->items, (ret->count + 1) * sizeof(*ret->items));
        assert_non_null(ret->items);
        struct tz_entry *entry = &ret->items[ret->count];
        *entry = (struct tz_entry){0};
        must(tz_source_next(source, entry, &done, &err), &err);
        if (done)
            break;
        ret->count++;
    }
    tz_source_free(source);
}

const struct tz_entry *tz_test_find(const struct tz_test_entries *entries, const char *path)
{
    for (size_t i = 0; i < entries->count; i++)
        if (entries->items[i].path_len == strlen(path) &&
            memcmp(entries->items[i].path, path, strlen(path)) == 0)
            return &entries->items[i];
    return NULL;
}

void tz_test_entries_clear(struct tz_test_entries *entries)
{
    for (size_t i = 0; i < entries->count; i++)
        tz_entry_clear(&entries->items[i]);
    free(entries->items);
    *entries = (struct tz_test_entries){0};
}

static void check_entry(const struct tz_entry *entry)
{
    assert_non_null(entry->path);
    assert_int_equal(entry->path[entry->path_len], '\0');
    assert_true(tz_path_valid(entry->path, entry->path_len));
    assert_in_range(entry->type, TZ_ENTRY_FILE, TZ_ENTRY_HARDLINK);
    assert_int_equal(entry->mode & ~07777U, 0);
    assert_in_range(entry->mtime_ns, 0, 999999999);
    assert_in_range(entry->ctime_ns, 0, 999999999);
    assert_int_equal(entry->extent_count, 0);
    if (entry->type != TZ_ENTRY_FILE)
        assert_int_equal(entry->size, 0);
    if (entry->type == TZ_ENTRY_SYMLINK || entry->type == TZ_ENTRY_HARDLINK) {
        assert_non_null(entry->link);
        assert_true(entry->link_len > 0);
        assert_int_equal(entry->link[entry->link_len], '\0');
    }
    if (entry->type == TZ_ENTRY_HARDLINK) {
        assert_true(tz_path_valid(entry->link, entry->link_len));
        assert_true(tz_path_compare(entry->link, entry->link_len, entry->path, entry->path_len) <
                    0);
    }
}

/* Ascending, valid paths; and the end stays the end. */
static void check_order(const struct tz_source_contract *contract)
{
    struct tz_source *source = tz_test_source(&contract->options);
    struct tz_entry entry = {0}, last = {0};
    struct tz_error err = {0};
    bool done = false;

    for (size_t i = 0;; i++) {
        must(tz_source_next(source, &entry, &done, &err), &err);
        if (done)
            break;
        check_entry(&entry);
        if (i > 0)
            assert_true(tz_path_compare(last.path, last.path_len, entry.path, entry.path_len) < 0);
        tz_entry_clear(&last);
        last = entry;
        entry = (struct tz_entry){0};
    }
    assert_non_null(last.path);
    must(tz_source_next(source, &entry, &done, &err), &err);
    assert_true(done);
    tz_entry_clear(&last);
    tz_source_free(source);
}

static void check_same(const struct tz_source_contract *contract, const char *path,
                       const struct tz_buf *got)
{
    struct tz_buf expected = {0};

    contract->content(contract->arg, path, &expected);
    assert_int_equal(got->len, expected.len);
    if (got->len > 0)
        assert_memory_equal(got->data, expected.data, got->len);
    tz_buf_clear(&expected);
}

/* Skipping a part gives what lies behind it. */
static void check_skip(struct tz_input *input, struct tz_entry *entry, const struct tz_buf *whole)
{
    struct tz_buf rest = {0};
    struct tz_error err = {0};
    size_t skipped = whole->len / 3;
    bool changed = false;

    must(tz_input_rewind(input, entry, &err), &err);
    must(tz_input_skip(input, skipped, &err), &err);
    tz_test_read(input, 5000, &rest);
    assert_int_equal(rest.len, whole->len - skipped);
    if (rest.len > 0)
        assert_memory_equal(rest.data, whole->data + skipped, rest.len);
    must(tz_input_finish(input, entry, &changed, &err), &err);
    assert_false(changed);
    assert_int_equal(tz_input_skip(input, 1, &err), -1);
    tz_buf_clear(&rest);
}

static void check_file(const struct tz_source_contract *contract, struct tz_input *input,
                       struct tz_entry *entry, size_t piece)
{
    struct tz_buf got = {0};
    struct tz_error err = {0};
    bool changed = true;
    bool sequential = tz_input_hints(input)->sequential;

    tz_test_read(input, piece, &got);
    check_same(contract, entry->path, &got);
    must(tz_input_finish(input, entry, &changed, &err), &err);
    assert_false(changed);
    if (!sequential) {
        assert_int_equal(entry->size, got.len);
        check_skip(input, entry, &got);
        tz_buf_reset(&got);
        must(tz_input_rewind(input, entry, &err), &err);
        tz_test_read(input, 65536, &got);
        check_same(contract, entry->path, &got);
    }
    tz_buf_clear(&got);
}

/* Every file has its content, and the source says that all went well. */
static void check_content(const struct tz_source_contract *contract, size_t piece)
{
    struct tz_source *source = tz_test_source(&contract->options);
    struct tz_error err = {0};
    bool done = false;

    for (;;) {
        struct tz_entry entry = {0};
        struct tz_input *input = NULL;
        must(tz_source_next(source, &entry, &done, &err), &err);
        if (done)
            break;
        int status = tz_source_load(source, &entry, &input, &err);
        must(status < 0, &err);
        assert_int_equal(status, 0);
        assert_int_equal(input != NULL, entry.type == TZ_ENTRY_FILE);
        for (uint32_t i = 1; i < entry.xattr_count; i++)
            assert_true(strcmp(entry.xattrs[i - 1].name, entry.xattrs[i].name) < 0);
        if (input)
            check_file(contract, input, &entry, piece);
        tz_input_free(input);
        tz_entry_clear(&entry);
    }

    int64_t time_ns = 0;
    char *position = NULL;
    must(tz_source_finish(source, &time_ns, &position, &err), &err);
    assert_true(time_ns > 0);
    assert_non_null(position);
    free(position);
    tz_source_free(source);
}

/* Go to the first file that has content. */
static bool load_first(struct tz_source *source, struct tz_entry *entry, struct tz_input **input)
{
    struct tz_error err = {0};
    bool done = false;

    for (;;) {
        *entry = (struct tz_entry){0};
        must(tz_source_next(source, entry, &done, &err), &err);
        if (done)
            return false;
        must(tz_source_load(source, entry, input, &err), &err);
        if (*input && entry->size > 1)
            return true;
        tz_input_free(*input);
        *input = NULL;
        tz_entry_clear(entry);
    }
}

/* A change in the middle is noticed, and the second reading is whole. */
static void check_change(const struct tz_source_contract *contract)
{
    struct tz_source *source = tz_test_source(&contract->options);
    struct tz_error err = {0};
    struct tz_entry entry = {0};
    struct tz_input *input = NULL;
    struct tz_buf got = {0};
    uint8_t byte;
    size_t len = 0;
    uint64_t hole = 0;
    bool changed = false;

    assert_true(load_first(source, &entry, &input));
    must(tz_input_read(input, &byte, 1, &len, &hole, &err), &err);
    contract->change(contract->arg, entry.path);
    tz_test_read(input, 65536, &got);
    must(tz_input_finish(input, &entry, &changed, &err), &err);
    assert_true(changed);

    must(tz_input_rewind(input, &entry, &err), &err);
    tz_buf_reset(&got);
    tz_test_read(input, 65536, &got);
    check_same(contract, entry.path, &got);
    assert_int_equal(entry.size, got.len);
    must(tz_input_finish(input, &entry, &changed, &err), &err);
    assert_false(changed);
    tz_buf_clear(&got);
    tz_input_free(input);
    tz_entry_clear(&entry);
    tz_source_free(source);
}

/* Whatever was done so far, free() ends it. */
static void check_free(const struct tz_source_contract *contract)
{
    tz_source_free(NULL);
    tz_source_free(tz_test_source(&contract->options));
    for (int steps = 1; steps <= 3; steps++) {
        struct tz_source *source = tz_test_source(&contract->options);
        struct tz_error err = {0};
        bool done = false;
        for (int i = 0; i < steps && !done; i++) {
            struct tz_entry entry = {0};
            struct tz_input *input = NULL;
            must(tz_source_next(source, &entry, &done, &err), &err);
            if (!done && i + 1 == steps)
                must(tz_source_load(source, &entry, &input, &err), &err);
            tz_input_free(input);
            tz_entry_clear(&entry);
        }
        tz_source_free(source);
    }
}

void tz_source_contract_run(const struct tz_source_contract *contract)
{
    check_order(contract);
    check_content(contract, 1000);
    check_content(contract, (size_t)1 << 20);
    check_free(contract);
    if (contract->change)
        check_change(contract);
}

static void copy_content(struct tz_input *input, int fd)
{
    static uint8_t data[1 << 20];
    struct tz_error err = {0};
    uint64_t at = 0;

    for (;;) {
        size_t len = 0;
        uint64_t hole = 0;
        must(tz_input_read(input, data, sizeof(data), &len, &hole, &err), &err);
        if (len == 0 && hole == 0)
            return;
        if (fd >= 0 && len > 0)
            must(tz_pwrite_all(fd, data, len, at, &err), &err);
        at += len + hole;
    }
}

static void copy_file(struct tz_place *place, struct tz_input *input, struct tz_entry *entry)
{
    struct tz_error err = {0};
    uint64_t old_size = 0;
    bool changed = false;
    int fd = -1;

    must(tz_place_file(place, entry, &fd, &old_size, NULL, &err), &err);
    /* Old bytes in what is now a hole would stay. */
    if (fd >= 0 && old_size > 0)
        must(ftruncate(fd, 0), &err);
    copy_content(input, fd);
    must(tz_input_finish(input, entry, &changed, &err), &err);
    if (fd >= 0)
        must(tz_place_finish_file(place, entry, fd, &err), &err);
}

size_t tz_test_copy(const struct tz_source_options *options, const char *target,
                    enum tz_overwrite overwrite, struct tz_test_warnings *warnings)
{
    struct tz_source *source = tz_test_source(options);
    struct tz_test_entries directories = {0};
    struct tz_error err = {0};
    struct tz_place *place = NULL;
    size_t count = 0;

    must(tz_place_open(&place, target, overwrite, tz_test_warn, warnings, &err), &err);
    for (;; count++) {
        struct tz_entry entry = {0};
        struct tz_input *input = NULL;
        bool done = false;
        must(tz_source_next(source, &entry, &done, &err), &err);
        if (done)
            break;
        must(tz_source_load(source, &entry, &input, &err), &err);
        if (entry.type == TZ_ENTRY_DIRECTORY)
            must(tz_place_directory(place, &entry, &err), &err);
        else if (entry.type == TZ_ENTRY_FILE)
            copy_file(place, input, &entry);
        else
            must(tz_place_other(place, &entry, &err), &err);
        tz_input_free(input);
        if (entry.type != TZ_ENTRY_DIRECTORY) {
            tz_entry_clear(&entry);
            continue;
        }
        directories.items =
            realloc(directories.items, (directories.count + 1) * sizeof(*directories.items));
        assert_non_null(directories.items);
        directories.items[directories.count++] = entry;
    }
    for (size_t i = directories.count; i-- > 0;)
        must(tz_place_finish_directory(place, &directories.items[i], &err), &err);
    tz_test_entries_clear(&directories);
    tz_place_free(place);
    tz_source_free(source);
    return count;
}
