/*
 * Comparing entries and generations, and searching: the cases that the command line cannot make
 * easily.  tests/cli has the others.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "repo_fixture.h"

#include "tozai/core/compare.h"
#include "tozai/core/manifest.h"
#include "tozai/util/file.h"
#include "tozai/util/hex.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static struct tz_fixture fixture;

static int enter(void **state)
{
    const struct tz_fixture_options options = {.more = "frame_size = 256K\npack_size = 1M\n"};
    (void)state;
    tz_fixture_make(&fixture, &options);
    return 0;
}

static int leave(void **state)
{
    (void)state;
    tz_fixture_clear(&fixture);
    return 0;
}

/* Back up and give the head; everything is opened anew each time. */
static void back_up(struct tz_head *ret)
{
    struct tz_backup_result result = {0};

    tz_fixture_run(&fixture, &result);
    *ret = result.head;
    result.head = (struct tz_head){0};
    tz_backup_result_clear(&result);
}

static unsigned differences(const struct tz_entry *a, const struct tz_entry *b)
{
    struct tz_error err = {0};
    unsigned found = UINT32_MAX;

    if (tz_compare_entries(NULL, a, b, &found, &err))
        fail_msg("%s", err.message);
    return found;
}

static void each_piece_of_metadata_is_told_apart(void **state)
{
    (void)state;
    char path[] = "a", link[] = "there", other[] = "elsewhere";
    struct tz_xattr xattr = {.name = path, .value = (uint8_t *)link, .value_len = 5};
    const struct tz_entry entry = {.path = path,
                                   .path_len = 1,
                                   .type = TZ_ENTRY_FILE,
                                   .mode = 0644,
                                   .uid = 1,
                                   .gid = 2,
                                   .mtime_s = 10,
                                   .mtime_ns = 5,
                                   .xattrs = &xattr,
                                   .xattr_count = 1};
    struct tz_entry changed = entry;

    assert_int_equal(differences(&entry, &changed), 0);
    changed.mode = 04644;
    assert_int_equal(differences(&entry, &changed), TZ_DIFFERS_MODE);
    changed = entry;
    changed.gid = 3;
    assert_int_equal(differences(&entry, &changed), TZ_DIFFERS_OWNER);
    changed = entry;
    changed.mtime_ns = 6;
    assert_int_equal(differences(&entry, &changed), TZ_DIFFERS_MTIME);
    changed = entry;
    changed.inode_flags = 1;
    assert_int_equal(differences(&entry, &changed), TZ_DIFFERS_FLAGS);
    changed = entry;
    changed.size = 1;
    assert_int_equal(differences(&entry, &changed), TZ_DIFFERS_CONTENT);
    changed = entry;
    changed.xattr_count = 0;
    assert_int_equal(differences(&entry, &changed), TZ_DIFFERS_XATTRS);
    struct tz_xattr longer = {.name = path, .value = (uint8_t *)link, .value_len = 4};
    changed.xattrs = &longer;
    changed.xattr_count = 1;
    assert_int_equal(differences(&entry, &changed), TZ_DIFFERS_XATTRS);
    changed.mode = 0600;
    changed.uid = 0;
    assert_int_equal(differences(&entry, &changed),
                     TZ_DIFFERS_XATTRS | TZ_DIFFERS_MODE | TZ_DIFFERS_OWNER);
    /* Of another type nothing else is worth telling. */
    changed.type = TZ_ENTRY_FIFO;
    assert_int_equal(differences(&entry, &changed), TZ_DIFFERS_TYPE);

    struct tz_entry first = {.type = TZ_ENTRY_SYMLINK, .link = link, .link_len = 5};
    struct tz_entry second = {.type = TZ_ENTRY_SYMLINK, .link = other, .link_len = 9};
    assert_int_equal(differences(&first, &second), TZ_DIFFERS_CONTENT);
    first = (struct tz_entry){.type = TZ_ENTRY_BLOCK, .device = 1};
    second = (struct tz_entry){.type = TZ_ENTRY_BLOCK, .device = 2};
    assert_int_equal(differences(&first, &second), TZ_DIFFERS_CONTENT);
}

static void differences_have_a_name_and_a_letter(void **state)
{
    (void)state;
    assert_string_equal(tz_difference_name(0), "type");
    assert_int_equal(tz_difference_letter(0), 'T');
    assert_string_equal(tz_difference_name(TZ_DIFFERS_COUNT - 1), "flags");
    assert_int_equal(1U << (TZ_DIFFERS_COUNT - 1), TZ_DIFFERS_FLAGS);
}

/* What a comparison told, as text: "+a -b Mc". */
static int note(void *arg, enum tz_change change, const struct tz_entry *entry, unsigned found,
                struct tz_error *err)
{
    static const char kinds[] = {[TZ_ADDED] = '+', [TZ_REMOVED] = '-', [TZ_CHANGED] = 'M'};

    return tz_buf_printf(arg, err, "%c%s%s ", kinds[change], entry->path,
                         found & TZ_DIFFERS_CONTENT ? "!" : "");
}

static void compare(const struct tz_head *before, const struct tz_head *after, unsigned mask,
                    const char *expected)
{
    struct tz_repo *repo = tz_fixture_open(&fixture, true);
    struct tz_buf told = {0};
    struct tz_error err = {0};

    assert_int_equal(tz_buf_printf(&told, &err, "%s", ""), 0);
    if (tz_compare_generations(repo, before, after, mask, note, &told, &err))
        fail_msg("%s", err.message);
    assert_string_equal((const char *)told.data, expected);
    tz_buf_clear(&told);
    tz_repo_free(repo);
}

static void set_time(const char *name, time_t seconds)
{
    char *path = tz_path_join(fixture.tree, name);
    const struct timespec times[2] = {{seconds, 0}, {seconds, 0}};

    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    free(path);
}

#define ALL (TZ_ADDED | TZ_REMOVED | TZ_CHANGED)

static void content_is_compared_whatever_chunks_it_is_in(void **state)
{
    (void)state;
    struct tz_head first = {0}, second = {0};
    uint8_t zeros[4096] = {0}, byte = 1;

    /* Small files share chunks: with other neighbours they lie in others. */
    for (unsigned i = 0; i < 50; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "small-%02u", i);
        tz_fixture_fill(&fixture, name, 3000 + i, i);
        set_time(name, 1000);
    }
    /* A hole reads as zeros; here the same zeros are written out. */
    tz_fixture_write(&fixture, "sparse", "begin", 5);
    tz_fixture_write_at(&fixture, "sparse", 400000, "end", 3);
    tz_fixture_write(&fixture, "sparse-too", "begin", 5);
    tz_fixture_write_at(&fixture, "sparse-too", 400000, "end", 3);
    set_time("sparse", 1000);
    set_time("sparse-too", 1000);
    set_time("", 1000);
    back_up(&first);

    tz_fixture_fill(&fixture, "small-00", 3000, 77);
    for (unsigned i = 0; i < 50; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "small-%02u", i);
        set_time(name, 2000);
    }
    for (uint64_t at = 4096; at + sizeof(zeros) < 400000; at += sizeof(zeros)) {
        tz_fixture_write_at(&fixture, "sparse", at, zeros, sizeof(zeros));
        tz_fixture_write_at(&fixture, "sparse-too", at, zeros, sizeof(zeros));
    }
    tz_fixture_write_at(&fixture, "sparse-too", 300000, &byte, 1);
    set_time("sparse", 2000);
    set_time("sparse-too", 1000);
    set_time("", 1000);
    back_up(&second);

    struct tz_buf expected = {0};
    struct tz_error err = {0};
    for (unsigned i = 0; i < 50; i++)
        assert_int_equal(tz_buf_printf(&expected, &err, "Msmall-%02u%s ", i, i == 0 ? "!" : ""), 0);
    assert_int_equal(tz_buf_printf(&expected, &err, "Msparse Msparse-too! "), 0);
    compare(&first, &second, ALL, (const char *)expected.data);
    compare(&second, &first, ALL, (const char *)expected.data);
    compare(&first, &first, ALL, "");
    tz_buf_clear(&expected);
    tz_head_clear(&first);
    tz_head_clear(&second);
}

static void only_the_kinds_asked_for_are_told_in_order(void **state)
{
    (void)state;
    struct tz_head first = {0}, second = {0};
    char *gone = tz_path_join(fixture.tree, "b");

    tz_fixture_write(&fixture, "a", "a", 1);
    tz_fixture_write(&fixture, "b", "b", 1);
    tz_fixture_write(&fixture, "d", "d", 1);
    set_time("", 1000);
    back_up(&first);
    assert_int_equal(unlink(gone), 0);
    free(gone);
    tz_fixture_write(&fixture, "c", "c", 1);
    tz_fixture_write(&fixture, "d", "dd", 2);
    tz_fixture_write(&fixture, "e", "e", 1);
    set_time("", 1000);
    back_up(&second);

    compare(&first, &second, ALL, "-b +c Md! +e ");
    compare(&first, &second, TZ_ADDED, "+c +e ");
    compare(&first, &second, TZ_REMOVED, "-b ");
    compare(&first, &second, TZ_CHANGED, "Md! ");
    compare(&second, &first, ALL, "+b -c Md! -e ");
    tz_head_clear(&first);
    tz_head_clear(&second);
}

static void search(const char *pattern, size_t max_versions, struct tz_search_result *ret)
{
    struct tz_repo *repo = tz_fixture_open(&fixture, true);
    struct tz_error err = {0};
    const struct tz_search_options options = {
        .repo = repo, .source = "tree", .pattern = pattern, .max_versions = max_versions};

    if (tz_search(&options, ret, &err))
        fail_msg("%s", err.message);
    tz_repo_free(repo);
}

static void a_search_is_bounded(void **state)
{
    (void)state;
    struct tz_search_result result = {0};
    struct tz_head head = {0};

    for (unsigned i = 0; i < 20; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "file-%02u", i);
        tz_fixture_fill(&fixture, name, 100, i);
    }
    back_up(&head);
    tz_head_clear(&head);
    back_up(&head);

    search("file-*", 0, &result);
    assert_int_equal(result.match_count, 20);
    assert_int_equal(result.version_count, 40);
    assert_int_equal(result.generation_count, 2);
    assert_false(result.cut);
    assert_memory_equal(result.generations[1].id, head.id, TZ_HASH_SIZE);
    tz_search_result_clear(&result);

    /* Paths that are there get all their versions; further ones are left out. */
    search("file-*", 5, &result);
    assert_true(result.cut);
    assert_int_equal(result.match_count, 5);
    for (size_t i = 0; i < result.match_count; i++)
        assert_int_equal(result.matches[i].count, 2);
    tz_search_result_clear(&result);

    search("no-such-*", 5, &result);
    assert_int_equal(result.match_count, 0);
    assert_false(result.cut);
    tz_search_result_clear(&result);
    tz_head_clear(&head);
}

static void paths_that_come_and_go_are_followed(void **state)
{
    (void)state;
    /* Which of a to e is there in each generation. */
    static const char *const there[] = {"ace", "bd", "abcde", "", "c"};
    struct tz_search_result result = {0};

    for (size_t i = 0; i < TZ_COUNT(there); i++) {
        struct tz_head head = {0};
        for (char name[2] = "a"; name[0] <= 'e'; name[0]++) {
            char *path = tz_path_join(fixture.tree, name);
            if (strchr(there[i], name[0]))
                tz_fixture_write(&fixture, name, name, 1);
            else
                (void)unlink(path);
            free(path);
        }
        back_up(&head);
        tz_head_clear(&head);
    }
    search("[a-e]", 0, &result);
    assert_int_equal(result.match_count, 5);
    for (size_t i = 0; i < result.match_count; i++) {
        const struct tz_match *match = &result.matches[i];
        assert_int_equal(match->last.path[0], 'a' + (int)i);
        for (size_t k = 0; k < match->count; k++) {
            const struct tz_version *version = &match->versions[k];
            /* At most one version or one going for each generation, in their order. */
            assert_true(k == 0 || version->generation > version[-1].generation);
            assert_int_equal(version->gone,
                             !strchr(there[version->generation], match->last.path[0]));
            assert_true(!version->gone || !version[-1].gone);
        }
    }
    /* c: there, gone, there, gone, there. */
    assert_int_equal(result.matches[2].count, 5);
    assert_true(result.matches[2].versions[4].first);
    /* a: there, gone, there, gone; it is told once that it went for good. */
    assert_int_equal(result.matches[0].count, 4);
    tz_search_result_clear(&result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_piece_of_metadata_is_told_apart),
        cmocka_unit_test(differences_have_a_name_and_a_letter),
        cmocka_unit_test_setup_teardown(content_is_compared_whatever_chunks_it_is_in, enter, leave),
        cmocka_unit_test_setup_teardown(only_the_kinds_asked_for_are_told_in_order, enter, leave),
        cmocka_unit_test_setup_teardown(a_search_is_bounded, enter, leave),
        cmocka_unit_test_setup_teardown(paths_that_come_and_go_are_followed, enter, leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
