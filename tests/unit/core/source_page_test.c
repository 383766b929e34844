#include "tozai/core/source.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MIB ((uint64_t)1 << 20)

static uint32_t by_name(const char *path, uint64_t size)
{
    static const uint8_t head[128];
    return tz_page_size_of(path, strlen(path), head, sizeof(head), size);
}

static void sqlite_says_its_page_size(void **state)
{
    (void)state;
    static const struct {
        uint8_t high, low;
        uint32_t size;
    } samples[] = {{16, 0, 4096}, {2, 0, 512}, {128, 0, 32768}, {0, 1, 65536},
                   {0, 0, 0},     {0, 3, 0},   {1, 0, 0},       {12, 0, 0}};
    uint8_t head[100] = "SQLite format 3";

    for (size_t i = 0; i < TZ_COUNT(samples); i++) {
        head[16] = samples[i].high;
        head[17] = samples[i].low;
        assert_int_equal(tz_page_size_of("x", 1, head, sizeof(head), MIB), samples[i].size);
    }
    head[16] = 16;
    head[17] = 0;
    assert_int_equal(tz_page_size_of("x", 1, head, 17, MIB), 0);
    head[15] = 'x'; /* no NUL behind the magic */
    assert_int_equal(tz_page_size_of("x", 1, head, sizeof(head), MIB), 0);
    assert_int_equal(tz_page_size_of("x", 1, NULL, 0, MIB), 0);
}

static void postgres_relations_are_known_by_their_place(void **state)
{
    (void)state;
    static const char *const relations[] = {
        "base/5/16384",     "data/base/16385/16384.3", "base/1/2619_fsm",
        "base/1/2619_vm",   "base/1/2619_init",        "global/1262",
        "x/global/1262_vm", "base/1/2619_fsm.1",       "pg_tblspc/16390/PG_15_202209061/5/16391",
    };
    static const char *const others[] = {
        "base/5/PG_VERSION",
        "base/5/pg_filenode.map",
        "global/pg_control",
        "base/x/16384",
        "16384",
        "5/16384",
        "base/5/16384.",
        "base/5/16384.x",
        "base/5/16384_xyz",
        "base/5/",
        "pg_wal/000000010000000000000001",
    };
    for (size_t i = 0; i < TZ_COUNT(relations); i++)
        assert_int_equal(by_name(relations[i], MIB), 8192);
    for (size_t i = 0; i < TZ_COUNT(others); i++)
        assert_int_equal(by_name(others[i], MIB), 0);
    assert_int_equal(by_name("base/5/16384", MIB + 1), 0); /* not whole pages */
}

static void innodb_is_known_by_its_names(void **state)
{
    (void)state;
    assert_int_equal(by_name("mysql/shop/orders.ibd", MIB), 16384);
    assert_int_equal(by_name("ibdata1", MIB), 16384);
    assert_int_equal(by_name("d/undo_001", MIB), 16384);
    assert_int_equal(by_name("undo002", MIB), 16384);
    assert_int_equal(by_name("ibdata", MIB), 0);
    assert_int_equal(by_name("ibdata1.old", MIB), 0);
    assert_int_equal(by_name(".ibd", MIB), 0);
    assert_int_equal(by_name("undo_x", MIB), 0);
    assert_int_equal(by_name("d.ibd/x", MIB), 0);
}

static void large_disk_images_are_compared_in_blocks(void **state)
{
    (void)state;
    assert_int_equal(by_name("vm/disk.qcow2", 16 * MIB), 4096);
    assert_int_equal(by_name("disk.img", 100 * MIB), 4096);
    assert_int_equal(by_name("disk.raw", 100 * MIB), 4096);
    assert_int_equal(by_name("disk.vmdk", 100 * MIB), 4096);
    assert_int_equal(by_name("disk.img", 16 * MIB - 1), 0);
    assert_int_equal(by_name("disk.img.gz", 100 * MIB), 0);
    assert_int_equal(by_name("img", 100 * MIB), 0);
    assert_int_equal(by_name("", 100 * MIB), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sqlite_says_its_page_size),
        cmocka_unit_test(postgres_relations_are_known_by_their_place),
        cmocka_unit_test(innodb_is_known_by_its_names),
        cmocka_unit_test(large_disk_images_are_compared_in_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
