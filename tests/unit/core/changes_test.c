/*
 * Page-structured files over many rounds of changes: what is stored, and that every byte of every
 * generation comes back.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "odd_tree.h"
#include "repo_fixture.h"
#include "watched_source.h"

#include "tozai/util/file.h"

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
static struct tz_watch watch;

static int enter_with(const char *more)
{
    const struct tz_fixture_options options = {.more = more};
    tz_fixture_make(&fixture, &options);
    watch = (struct tz_watch){.older_s = 1000};
    tz_watch = &watch;
    return 0;
}

static int enter_small(void **state)
{
    (void)state;
    return enter_with("frame_size = 256K\npack_size = 1M\n");
}

static int enter(void **state)
{
    (void)state;
    return enter_with("frame_size = 1M\npack_size = 4M\n");
}

static int leave(void **state)
{
    (void)state;
    tz_watch = NULL;
    tz_fixture_clear(&fixture);
    return 0;
}

/* A number from 0 to n - 1. */
static uint64_t draw(uint64_t *seed, uint64_t n)
{
    uint64_t value;

    tz_fixture_random(&value, sizeof(value), ++*seed);
    return value % n;
}

/* The first page of an SQLite database of this page size. */
static void put_header(const char *name, uint32_t page)
{
    uint8_t header[100] = "SQLite format 3";

    header[16] = (uint8_t)(page >> 8);
    header[17] = (uint8_t)page;
    header[18] = header[19] = 1;
    header[21] = 64;
    header[22] = header[23] = 32;
    tz_fixture_write_at(&fixture, name, 0, header, sizeof(header));
}

static void make_pages(const char *name, uint32_t page, size_t pages, uint64_t seed)
{
    tz_fixture_fill(&fixture, name, page * pages, seed);
    put_header(name, page);
}

static void change_page(const char *name, uint32_t page, uint64_t number, uint64_t seed)
{
    uint8_t *data = malloc(page);

    tz_fixture_random(data, page, seed);
    tz_fixture_write_at(&fixture, name, number * page, data, page);
    free(data);
}

static void run(struct tz_backup_result *result)
{
    watch.read_bytes = 0;
    tz_fixture_run(&fixture, result);
}

static void run_and_check(void)
{
    struct tz_backup_result result;

    run(&result);
    assert_true(result.complete);
    assert_int_equal(result.warnings_total, 0);
    tz_backup_result_clear(&result);
    tz_fixture_check(&fixture, NULL);
}

static void test_one_page(void **state)
{
    struct tz_backup_result result;

    (void)state;
    make_pages("db.sqlite", 4096, 2000, 1);
    run(&result);
    assert_int_equal(result.head.new_bytes, 4096 * 2000);
    tz_backup_result_clear(&result);
    tz_fixture_check(&fixture, NULL);
    for (uint64_t i = 0; i < 3; i++) {
        change_page("db.sqlite", 4096, 1000 + i * 100, 77 + i);
        run(&result);
        assert_int_equal(result.head.new_bytes, 4096);
        tz_backup_result_clear(&result);
        tz_fixture_check(&fixture, NULL);
    }
    assert_int_equal(tz_fixture_compare_stores(&fixture), 0);
}

/* Random changes of pages, growth, cuts, holes and odd sizes. */
static void change_somehow(const char *name, uint32_t page, uint64_t *seed)
{
    char *path = tz_path_join(fixture.tree, name);
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    uint64_t size = (uint64_t)st.st_size, pages = size / page;
    switch (draw(seed, 12)) {
    case 0: /* cut, at a page or not */
        size = draw(seed, size + 1);
        assert_int_equal(truncate(path, (off_t)(draw(seed, 2) ? size : size / page * page)), 0);
        break;
    case 1: /* grow by a hole */
        assert_int_equal(truncate(path, (off_t)(size + draw(seed, 40) * page + draw(seed, 2))), 0);
        break;
    case 2: /* grow by data behind a gap */
        change_page(name, page, pages + draw(seed, 30), *seed);
        break;
    case 3: { /* punch */
        TZ_SCOPED(tz_scoped_fd) int fd = open(path, O_RDWR | O_CLOEXEC);
        (void)fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)draw(seed, size + 1),
                        (off_t)(draw(seed, 50) * page + 1));
        break;
    }
    case 4: /* zeros that are no hole */
        if (pages > 4) {
            uint8_t *zeros = calloc(3, page);
            tz_fixture_write_at(&fixture, name, draw(seed, pages - 3) * page, zeros, 3 * page);
            free(zeros);
        }
        break;
    case 5: /* odd bytes */
        tz_fixture_write_at(&fixture, name, draw(seed, size + 1), "x", 1);
        break;
    case 6: /* a page moves */
        change_page(name, page, draw(seed, pages + 1), draw(seed, 5));
        break;
    default:
        for (uint64_t i = draw(seed, 20); i > 0; i--)
            change_page(name, page, draw(seed, pages + 1), *seed);
    }
    put_header(name, page);
    free(path);
}

static void check_rounds(uint64_t seed, unsigned rounds)
{
    static const uint32_t page_sizes[] = {512, 1024, 4096, 8192, 32768};
    const uint32_t page = page_sizes[draw(&seed, TZ_COUNT(page_sizes))];

    print_message("seed %ju, pages of %u bytes\n", (uintmax_t)seed, page);
    make_pages("db.sqlite", page, 100 + draw(&seed, 4000000 / page), seed);
    make_pages("other.sqlite", page, 100 + draw(&seed, 1000000 / page), seed + 1);
    tz_fixture_fill(&fixture, "plain", 300000, seed);
    for (unsigned i = 0; i < rounds; i++) {
        run_and_check();
        for (uint64_t k = 1 + draw(&seed, 3); k > 0; k--)
            change_somehow("db.sqlite", page, &seed);
        if (draw(&seed, 3) == 0)
            change_somehow("other.sqlite", page, &seed);
        if (draw(&seed, 3) == 0)
            tz_fixture_write_at(&fixture, "plain", draw(&seed, 300000), "changed", 7);
    }
    run_and_check();
    assert_int_equal(tz_fixture_compare_stores(&fixture), 0);
}

static bool is_long(void)
{
    return getenv("TOZAI_LONG") != NULL;
}

static void test_rounds(void **state)
{
    (void)state;
    check_rounds(1, is_long() ? 100 : 12);
}

static void test_rounds_more(void **state)
{
    (void)state;
    check_rounds(22, is_long() ? 100 : 12);
}

static void test_rounds_still_more(void **state)
{
    (void)state;
    check_rounds(303, is_long() ? 100 : 12);
}

/* To nothing, and back. */
static void test_to_nothing(void **state)
{
    char *path = tz_path_join(fixture.tree, "db.sqlite");

    (void)state;
    make_pages("db.sqlite", 4096, 500, 1);
    run_and_check();
    assert_int_equal(truncate(path, 0), 0);
    run_and_check();
    make_pages("db.sqlite", 4096, 500, 1);
    run_and_check();
    assert_int_equal(truncate(path, 100000), 0);
    run_and_check();
    assert_int_equal(truncate(path, 99999), 0);
    run_and_check();
    assert_int_equal(truncate(path, 3000000), 0);
    run_and_check();
    make_pages("db.sqlite", 8192, 300, 2); /* another page size */
    run_and_check();
    free(path);
}

/* So scattered that it is written whole again. */
static void test_scattered(void **state)
{
    struct tz_backup_result result;
    uint64_t new_bytes[7];

    (void)state;
    make_pages("db.sqlite", 4096, 1200, 1);
    run_and_check();
    for (uint64_t i = 0; i < TZ_COUNT(new_bytes); i++) {
        for (uint64_t k = 0; k < 150; k++)
            change_page("db.sqlite", 4096, k * 8 + i + 1, 1000 * i + k);
        run(&result);
        new_bytes[i] = result.head.new_bytes;
        tz_backup_result_clear(&result);
        tz_fixture_check(&fixture, NULL);
    }
    assert_int_equal(new_bytes[0], 4096 * 150);
}

/*
 * An unchanged file's list moves into the new local manifest while the list of a large file behind
 * it is being written: neither may get into the other.
 */
static void test_lists_stay_apart(void **state)
{
    char name[64];
    struct tz_backup_result result;

    (void)state;
    /* More files with content than one batch has, unchanged ones among them. */
    make_pages("a-unchanged.sqlite", 4096, 400, 1);
    for (unsigned i = 0; i < 16; i++) {
        (void)snprintf(name, sizeof(name), "b-%02u", i);
        tz_fixture_fill(&fixture, name, 150000, 100 + i);
    }
    make_pages("c-large.sqlite", 4096, 3000, 2);
    run_and_check();
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 16; i++) {
            (void)snprintf(name, sizeof(name), "b-%02u", i);
            tz_fixture_fill(&fixture, name, 150000, 1000 * round + 500 + i);
        }
        for (unsigned i = 0; i < 300; i++)
            change_page("c-large.sqlite", 4096, 5 + 10 * i + round, 7000 * round + i);
        run_and_check();
        change_page("c-large.sqlite", 4096, 1, 9000 + round);
        run(&result);
        assert_int_equal(result.head.new_bytes, 4096);
        tz_backup_result_clear(&result);
        tz_fixture_check(&fixture, NULL);
    }
    change_page("a-unchanged.sqlite", 4096, 7, 31);
    run(&result);
    assert_int_equal(result.head.new_bytes, 4096);
    tz_backup_result_clear(&result);
    tz_fixture_check(&fixture, NULL);
}

static unsigned changes_left;

static void change_now(void *arg)
{
    (void)arg;
    if (changes_left == 0)
        return;
    changes_left--;
    change_page("db.sqlite", 4096, 3 + changes_left, 4000 + changes_left);
}

/* Pages that change under the reader: read again from the beginning. */
static void test_changing_pages(void **state)
{
    struct tz_backup_result result;

    (void)state;
    make_pages("db.sqlite", 4096, 1000, 1);
    run_and_check();
    change_page("db.sqlite", 4096, 500, 5);
    watch.path = "db.sqlite";
    watch.from = 3000000;
    watch.happen = change_now;
    changes_left = 1;
    run(&result);
    assert_int_equal(result.warnings_total, 0);
    tz_backup_result_clear(&result);
    watch.path = NULL;
    tz_fixture_check(&fixture, NULL);
    change_page("db.sqlite", 4096, 600, 6);
    run(&result);
    assert_int_equal(result.head.new_bytes, 4096);
    tz_backup_result_clear(&result);
    tz_fixture_check(&fixture, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_page, enter, leave),
        cmocka_unit_test_setup_teardown(test_lists_stay_apart, enter, leave),
        cmocka_unit_test_setup_teardown(test_rounds, enter, leave),
        cmocka_unit_test_setup_teardown(test_rounds_more, enter_small, leave),
        cmocka_unit_test_setup_teardown(test_rounds_still_more, enter_small, leave),
        cmocka_unit_test_setup_teardown(test_to_nothing, enter, leave),
        cmocka_unit_test_setup_teardown(test_scattered, enter, leave),
        cmocka_unit_test_setup_teardown(test_changing_pages, enter, leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
