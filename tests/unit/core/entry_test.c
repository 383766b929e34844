#include "tozai/core/entry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int compare(const char *a, const char *b)
{
    int order = tz_path_compare(a, strlen(a), b, strlen(b));
    return (order > 0) - (order < 0);
}

static void paths_are_in_the_order_of_a_walk(void **state)
{
    (void)state;
    static const char *const ordered[] = {
        "",
        "a",
        "a/b",
        "a/b/c",
        "a/b\x01",
        "a/c",
        "a\x01",
        "a\x01/x",
        "a ",
        "a!",
        "a-b",
        "a.b",
        "a.b/c",
        "a0",
        "aa",
        "ab",
        "b",
        "longer-than-eight",
        "longer-than-eight/x",
        "longer-than-eight!",
        "longer-than-nine",
        "\x7f",
        "\x80",
        "\xff",
    };
    for (size_t i = 0; i < TZ_COUNT(ordered); i++)
        for (size_t j = 0; j < TZ_COUNT(ordered); j++)
            assert_int_equal(compare(ordered[i], ordered[j]), (i > j) - (i < j));
}

static void comparison_looks_at_every_byte(void **state)
{
    (void)state;
    char a[40], b[40];

    for (size_t len = 1; len < sizeof(a); len++) {
        for (size_t at = 0; at < len; at++) {
            memset(a, 'x', len);
            memset(b, 'x', len);
            assert_int_equal(tz_path_compare(a, len, b, len), 0);
            b[at] = 'y';
            assert_true(tz_path_compare(a, len, b, len) < 0);
            assert_true(tz_path_compare(b, len, a, len) > 0);
            b[at] = '/'; /* lower than all */
            assert_true(tz_path_compare(a, len, b, len) > 0);
        }
    }
}

static bool within(const char *path, const char *prefix)
{
    return tz_path_within(path, strlen(path), prefix, strlen(prefix));
}

static void a_prefix_holds_itself_and_what_is_below(void **state)
{
    (void)state;
    assert_true(within("", ""));
    assert_true(within("a", ""));
    assert_true(within("a", "a"));
    assert_true(within("a/b", "a"));
    assert_true(within("a/b/c", "a/b"));
    assert_false(within("", "a"));
    assert_false(within("ab", "a"));
    assert_false(within("a-b", "a"));
    assert_false(within("a", "a/b"));
    assert_false(within("b/a", "a"));
}

static void only_plain_relative_paths_are_valid(void **state)
{
    (void)state;
    static const char *const valid[] = {
        "", "a", "a/b", "...", "..a", ".a", "a/...", "a/.b", "\xff\xfe", "a\nb", " ", "a/ /b",
    };
    static const char *const invalid[] = {
        "/", "/a", "a/", "a//b", ".", "..", "./a", "../a", "a/.", "a/..", "a/./b", "a/../b", "//",
    };
    for (size_t i = 0; i < TZ_COUNT(valid); i++)
        assert_true(tz_path_valid(valid[i], strlen(valid[i])));
    for (size_t i = 0; i < TZ_COUNT(invalid); i++)
        assert_false(tz_path_valid(invalid[i], strlen(invalid[i])));
    assert_false(tz_path_valid("a\0b", 3));
    assert_false(tz_path_valid("a\0", 2));
}

static void a_path_of_a_mebibyte_is_valid_and_a_longer_one_is_not(void **state)
{
    (void)state;
    size_t len = ((size_t)1 << 20) + 1;
    char *path = malloc(len);

    assert_non_null(path);
    memset(path, 'a', len);
    assert_true(tz_path_valid(path, len - 1));
    assert_false(tz_path_valid(path, len));
    free(path);
}

static void set_path(struct tz_entry *entry, const char *path)
{
    assert_int_equal(tz_entry_set_path(entry, path, strlen(path), NULL), 0);
    assert_int_equal(entry->path_len, strlen(path));
    assert_string_equal(entry->path, path);
}

static void a_path_can_be_set_again(void **state)
{
    (void)state;
    struct tz_entry entry = {0};

    set_path(&entry, "");
    set_path(&entry, "a/longer/path");
    const char *memory = entry.path;
    set_path(&entry, "short");
    assert_ptr_equal(entry.path, memory);
    set_path(&entry, "an/even/longer/path/than/the/one/before");
    assert_int_equal(tz_entry_set_path(&entry, entry.path + 3, 4, NULL), 0);
    assert_string_equal(entry.path, "even");
    tz_entry_clear(&entry);
    assert_null(entry.path);
    tz_entry_clear(&entry);
}

static void extents_grow_with_their_packs(void **state)
{
    (void)state;
    struct tz_entry entry = {0};

    for (uint32_t i = 0; i < 1000; i++) {
        struct tz_extent extent = {.offset = i, .len = i * 3};
        assert_int_equal(tz_entry_add_extent(&entry, &extent, i + 7, NULL), 0);
    }
    assert_int_equal(entry.extent_count, 1000);
    for (uint32_t i = 0; i < 1000; i++) {
        assert_int_equal(entry.extents[i].offset, i);
        assert_int_equal(entry.extent_packs[i], i + 7);
    }
    tz_entry_clear(&entry);
}

/* As a reader of stored manifests fills it: extents without packs. */
static void extents_without_packs_get_them_when_one_is_added(void **state)
{
    (void)state;
    struct tz_entry entry = {
        .extents = calloc(4, sizeof(struct tz_extent)), .extent_count = 3, .extent_cap = 4};
    struct tz_extent extent = {.len = 9};

    assert_int_equal(tz_entry_add_extent(&entry, &extent, 5, NULL), 0);
    assert_int_equal(entry.extent_count, 4);
    assert_int_equal(entry.extent_packs[0], 0);
    assert_int_equal(entry.extent_packs[3], 5);
    tz_entry_clear(&entry);
}

static void fill(struct tz_entry *entry)
{
    *entry = (struct tz_entry){
        .type = TZ_ENTRY_FILE,
        .flags = TZ_ENTRY_CHANGED,
        .mode = 04755,
        .uid = 1,
        .gid = 2,
        .user = strdup("daemon"),
        .group = strdup("bin"),
        .size = 12345,
        .mtime_s = -5,
        .mtime_ns = 6,
        .link = strdup("there"),
        .link_len = 5,
        .inode_flags = 7,
        .xattrs = calloc(2, sizeof(struct tz_xattr)),
        .xattr_count = 2,
        .level = 1,
        .dev = 8,
        .ino = 9,
        .ctime_s = 10,
        .ctime_ns = 11,
    };
    set_path(entry, "some/path");
    entry->xattrs[0] = (struct tz_xattr){strdup("user.a"), (uint8_t *)strdup("v"), 1};
    entry->xattrs[1] = (struct tz_xattr){strdup("user.b"), NULL, 0};
    for (uint32_t i = 0; i < 5; i++)
        assert_int_equal(tz_entry_add_extent(entry, &(struct tz_extent){.len = i}, i + 1, NULL), 0);
}

static void a_copy_is_deep(void **state)
{
    (void)state;
    struct tz_entry entry, copy = {0};

    fill(&entry);
    assert_int_equal(tz_entry_copy(&copy, &entry, NULL), 0);
    assert_ptr_not_equal(copy.path, entry.path);
    assert_ptr_not_equal(copy.extents, entry.extents);
    tz_entry_clear(&entry);

    assert_string_equal(copy.path, "some/path");
    assert_string_equal(copy.user, "daemon");
    assert_string_equal(copy.group, "bin");
    assert_string_equal(copy.link, "there");
    assert_int_equal(copy.link_len, 5);
    assert_int_equal(copy.mode, 04755);
    assert_int_equal(copy.mtime_s, -5);
    assert_int_equal(copy.inode_flags, 7);
    assert_int_equal(copy.level, 1);
    assert_int_equal(copy.ino, 9);
    assert_int_equal(copy.xattr_count, 2);
    assert_string_equal(copy.xattrs[0].name, "user.a");
    assert_memory_equal(copy.xattrs[0].value, "v", 1);
    assert_int_equal(copy.xattrs[1].value_len, 0);
    assert_int_equal(copy.extent_count, 5);
    assert_int_equal(copy.extents[4].len, 4);
    assert_int_equal(copy.extent_packs[4], 5);
    tz_entry_clear(&copy);
}

static void an_empty_entry_can_be_copied(void **state)
{
    (void)state;
    struct tz_entry entry = {0}, copy = {.size = 1};

    assert_int_equal(tz_entry_copy(&copy, &entry, NULL), 0);
    assert_null(copy.path);
    assert_int_equal(copy.size, 0);
}

static void every_type_has_a_letter_and_a_name(void **state)
{
    (void)state;
    static const char letters[] = "?-dlpscbh";

    for (int type = 1; type <= TZ_ENTRY_HARDLINK; type++) {
        assert_int_equal(tz_entry_type_letter((enum tz_entry_type)type), letters[type]);
        assert_true(strlen(tz_entry_type_name((enum tz_entry_type)type)) > 2);
    }
    assert_string_equal(tz_entry_type_name(TZ_ENTRY_FIFO), "fifo");
    assert_int_equal(tz_entry_type_letter((enum tz_entry_type)99), '?');
    assert_string_equal(tz_entry_type_name((enum tz_entry_type)99), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_are_in_the_order_of_a_walk),
        cmocka_unit_test(comparison_looks_at_every_byte),
        cmocka_unit_test(a_prefix_holds_itself_and_what_is_below),
        cmocka_unit_test(only_plain_relative_paths_are_valid),
        cmocka_unit_test(a_path_of_a_mebibyte_is_valid_and_a_longer_one_is_not),
        cmocka_unit_test(a_path_can_be_set_again),
        cmocka_unit_test(extents_grow_with_their_packs),
        cmocka_unit_test(extents_without_packs_get_them_when_one_is_added),
        cmocka_unit_test(a_copy_is_deep),
        cmocka_unit_test(an_empty_entry_can_be_copied),
        cmocka_unit_test(every_type_has_a_letter_and_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
