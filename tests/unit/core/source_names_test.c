#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "core/source/links.h"
#include "core/source/names.h"
#include "source_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT 1200

/* Names of many lengths, in no order. */
static void name_of(unsigned number, char *name)
{
    unsigned length = 1 + number * 31 % 240;
    (void)snprintf(name, 256, "%c%0*u", 'a' + (char)(number * 7 % 26), (int)length, number);
    if (number % 3 == 0)
        name[0] = (char)(0x80 + number % 64);
}

static void make_many(const struct tz_source_fixture *f)
{
    char name[256];
    int dir = open(f->source, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    for (unsigned i = 0; i < COUNT; i++) {
        name_of(i, name);
        if (i % 10 == 0)
            assert_int_equal(mkdirat(dir, name, 0755), 0);
        else
            assert_int_equal(mknodat(dir, name, S_IFREG | 0600, 0), 0);
    }
    assert_int_equal(close(dir), 0);
}

/* All names, ascending, with their types; and as often as they should be. */
static void check(const struct tz_source_fixture *f, size_t memory, size_t expected_runs)
{
    struct tz_names names = {0};
    struct tz_names_reader reader = {.scratch = f->scratch, .memory = memory};
    struct tz_listed name;
    struct tz_error err = {0};
    char last[256] = "";
    size_t count = 0, directories = 0;
    bool more = true;

    int fd = open(f->source, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (tz_names_read(&names, &reader, fd, &err))
        fail_msg("%s", err.message);
    assert_true(names.runs.count >= expected_runs);
    for (;;) {
        assert_int_equal(tz_names_next(&names, &name, &more, NULL), 0);
        if (!more)
            break;
        assert_int_equal(strlen(name.text), name.len);
        assert_true(strcmp(last, name.text) < 0);
        memcpy(last, name.text, name.len + 1);
        directories += name.type == DT_DIR;
        count++;
    }
    assert_int_equal(count, COUNT);
    assert_true(directories == COUNT / 10 || directories == 0);
    assert_int_equal(tz_names_next(&names, &name, &more, NULL), 0);
    assert_false(more);
    tz_names_clear(&names);
    tz_names_clear(&names);
    tz_names_reader_clear(&reader);
    assert_int_equal(close(fd), 0);
}

static void names_come_sorted(void **state)
{
    struct tz_source_fixture *f = *state;

    make_many(f);
    check(f, TZ_NAMES_MEMORY, 0);
}

static void a_huge_directory_is_sorted_on_disk(void **state)
{
    struct tz_source_fixture *f = *state;

    make_many(f);
    check(f, 1, 3);
    check(f, 100000, 2);
    DIR *scratch = opendir(f->scratch);
    unsigned left = 0;
    while (readdir(scratch))
        left++;
    assert_int_equal(closedir(scratch), 0);
    assert_int_equal(left, 2); /* "." and ".." */
}

static void without_scratch_all_stays_in_memory(void **state)
{
    struct tz_source_fixture *f = *state;
    char *scratch = f->scratch;

    make_many(f);
    f->scratch = NULL;
    check(f, 1, 0);
    f->scratch = scratch;
}

static void scratch_that_is_missing_is_an_error(void **state)
{
    struct tz_source_fixture *f = *state;
    struct tz_names names = {0};
    struct tz_names_reader reader = {.scratch = "/nowhere/at/all", .memory = 1};
    struct tz_error err = {0};

    make_many(f);
    int fd = open(f->source, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(tz_names_read(&names, &reader, fd, &err), -1);
    assert_int_equal(err.kind, TZ_NOT_FOUND);
    tz_names_clear(&names);
    tz_names_reader_clear(&reader);
    assert_int_equal(close(fd), 0);
}

static void special_names_are_seen(void **state)
{
    struct tz_source_fixture *f = *state;
    struct tz_names names = {0};
    struct tz_names_reader reader = {.memory = TZ_NAMES_MEMORY};
    struct tz_listed name;
    bool more = false;

    tz_fixture_file(f, "source/CACHEDIR.TAG", "");
    tz_fixture_file(f, "source/.tozaiignore.", "");
    int fd = open(f->source, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(tz_names_read(&names, &reader, fd, NULL), 0);
    assert_true(names.has_cache_tag);
    assert_false(names.has_ignore);
    assert_int_equal(tz_names_only(&names, "x", DT_REG, NULL), 0);
    assert_int_equal(tz_names_next(&names, &name, &more, NULL), 0);
    assert_true(more);
    assert_string_equal(name.text, "x");
    assert_int_equal(tz_names_next(&names, &name, &more, NULL), 0);
    assert_false(more);
    tz_names_clear(&names);
    tz_names_reader_clear(&reader);
    assert_int_equal(close(fd), 0);
}

/* As when a file is renamed while its directory is listed. */
static void a_name_in_two_runs_comes_once(void **state)
{
    struct tz_source_fixture *f = *state;
    static const char *const names[2][4] = {{"a", "c", "d", "dd"}, {"b", "c", "d", "e"}};
    static const char *const expected[] = {"a", "b", "c", "d", "dd", "e"};
    struct tz_runs runs = {0};
    struct tz_listed name;
    bool more = false;

    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(tz_runs_begin(&runs, f->scratch, NULL), 0);
        for (size_t j = 0; j < 4; j++) {
            name = (struct tz_listed){.text = names[i][j], .len = strlen(names[i][j])};
            assert_int_equal(tz_runs_add(&runs, &name, NULL), 0);
        }
        assert_int_equal(tz_runs_end(&runs, NULL), 0);
    }
    for (size_t i = 0; i < TZ_COUNT(expected); i++) {
        assert_int_equal(tz_runs_next(&runs, &name, &more, NULL), 0);
        assert_true(more);
        assert_string_equal(name.text, expected[i]);
    }
    assert_int_equal(tz_runs_next(&runs, &name, &more, NULL), 0);
    assert_false(more);
    tz_runs_clear(&runs);
}

static void what_is_no_directory_is_told_apart(void **state)
{
    struct tz_source_fixture *f = *state;
    struct tz_names names = {0};
    struct tz_names_reader reader = {.memory = TZ_NAMES_MEMORY};

    tz_fixture_file(f, "file", "");
    TZ_SCOPED(tz_scoped_free) char *path = tz_fixture_path(f, "file");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(tz_names_read(&names, &reader, fd, NULL), 1);
    tz_names_reader_clear(&reader);
    assert_int_equal(close(fd), 0);
}

/* Meet a file; the path of its first name, or NULL. */
static char *meet(struct tz_links *links, uint64_t ino, uint32_t count, const char *path,
                  struct tz_link_directory **directory)
{
    const char *slash = strrchr(path, '/');
    size_t len = strlen(path), first_len = 0;
    size_t name_len = slash ? len - (size_t)(slash + 1 - path) : len;
    char *first = NULL;

    assert_int_equal(tz_links_meet(links, 1, ino, count, path, len, name_len, directory, &first,
                                   &first_len, NULL),
                     0);
    if (first)
        assert_int_equal(strlen(first), first_len);
    return first;
}

static void assert_meets(struct tz_links *links, uint64_t ino, const char *path,
                         const char *expected)
{
    struct tz_link_directory *directory = NULL;
    char *first = meet(links, ino, 3, path, &directory);

    if (expected)
        assert_string_equal(first, expected);
    else
        assert_null(first);
    free(first);
    tz_link_directory_release(directory);
}

static void links_are_forgotten_with_their_last_name(void **state)
{
    (void)state;
    struct tz_links *links = NULL;

    assert_int_equal(tz_links_new(&links, NULL), 0);
    tz_links_forget(links, 1, 1);
    assert_meets(links, 1, "a/b/first", NULL);
    assert_meets(links, 2, "top", NULL);
    assert_meets(links, 1, "c", "a/b/first");
    assert_int_equal(tz_links_count(links), 2);
    assert_meets(links, 1, "d", "a/b/first");
    assert_int_equal(tz_links_count(links), 1);
    assert_meets(links, 2, "e", "top");
    tz_links_forget(links, 1, 2);
    tz_links_forget(links, 1, 99);
    assert_meets(links, 2, "f", NULL);
    tz_links_free(links);
    tz_links_free(NULL);
}

/* Many at once, dropped in another order: none is lost in the table. */
static void the_table_of_links_holds_many(void **state)
{
    (void)state;
    struct tz_links *links = NULL;
    struct tz_link_directory *directory = NULL;
    char path[64];

    assert_int_equal(tz_links_new(&links, NULL), 0);
    for (unsigned i = 0; i < 20000; i++) {
        (void)snprintf(path, sizeof(path), "directory/%u", i);
        assert_null(meet(links, i * 64, 3, path, &directory));
    }
    tz_link_directory_release(directory);
    assert_int_equal(tz_links_count(links), 20000);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned n = 0; n < 20000; n++) {
            unsigned i = n * 7919 % 20000;
            directory = NULL;
            char *first = meet(links, i * 64, 3, "z", &directory);
            (void)snprintf(path, sizeof(path), "directory/%u", i);
            assert_string_equal(first, path);
            free(first);
            tz_link_directory_release(directory);
        }
    }
    assert_int_equal(tz_links_count(links), 0);
    tz_links_free(links);
}

#define TEST(function)                                                                             \
    cmocka_unit_test_setup_teardown(function, tz_source_fixture_set_up, tz_source_fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(names_come_sorted),
        TEST(a_huge_directory_is_sorted_on_disk),
        TEST(without_scratch_all_stays_in_memory),
        TEST(scratch_that_is_missing_is_an_error),
        TEST(special_names_are_seen),
        TEST(a_name_in_two_runs_comes_once),
        TEST(what_is_no_directory_is_told_apart),
        cmocka_unit_test(links_are_forgotten_with_their_last_name),
        cmocka_unit_test(the_table_of_links_holds_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
