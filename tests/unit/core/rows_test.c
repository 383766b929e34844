#include "key_samples.h"
#include "seeded.h"

#include "core/backup/rows.h"

#include "tozai/util/file.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static char *folder;

static int enter(void **state)
{
    const char *base = getenv("TMPDIR");

    (void)state;
    folder = tz_path_join(base && *base ? base : "/tmp", "tozai-test-XXXXXX");
    return folder && mkdtemp(folder) ? 0 : -1;
}

static int leave(void **state)
{
    char *path = tz_path_join(folder, "rows");

    (void)state;
    (void)unlink(path);
    int status = rmdir(folder);
    free(path);
    free(folder);
    return status;
}

/* The row of this number. */
static void make_row(uint8_t *row, size_t size, uint64_t number)
{
    struct seeded seeded = {number};
    seeded_fill(&seeded, row, size);
}

static void write_rows(size_t row_size, uint64_t count)
{
    struct tz_row_writer writer;
    uint8_t rows[5 * 64];
    struct seeded seeded = {count};

    assert_int_equal(tz_row_writer_open(&writer, folder, "rows", row_size, NULL), 0);
    for (uint64_t at = 0; at < count;) {
        size_t part = (size_t)TZ_MIN(1 + seeded_below(&seeded, 5), count - at);
        for (size_t i = 0; i < part; i++)
            make_row(rows + i * row_size, row_size, at + i);
        assert_int_equal(tz_row_put(&writer, rows, part, NULL), 0);
        at += part;
        assert_int_equal(writer.count, at);
    }
    assert_int_equal(tz_row_flush(&writer, NULL), 0);
    tz_row_writer_close(&writer);
    tz_row_writer_close(&writer);
}

static void remove_rows(void)
{
    char *path = tz_path_join(folder, "rows");
    assert_int_equal(unlink(path), 0);
    free(path);
}

static void rows_come_back_in_order_and_anywhere(void **state)
{
    static const uint64_t counts[] = {0, 1, 2, 2047, 2048, 2049, 10000};
    static const size_t sizes[] = {1, 16, 44, 56, 64};

    (void)state;
    for (size_t s = 0; s < TZ_COUNT(sizes); s++)
        for (size_t i = 0; i < TZ_COUNT(counts); i++) {
            struct tz_row_reader reader;
            struct seeded seeded = {i};
            uint8_t expected[64], rows[7 * 64];
            const uint8_t *row = NULL;
            struct tz_error err = {0};

            write_rows(sizes[s], counts[i]);
            assert_int_equal(tz_row_reader_open(&reader, folder, "rows", sizes[s], NULL), 0);
            assert_int_equal(reader.count, counts[i]);
            for (uint64_t at = 0; at < counts[i]; at++) {
                make_row(expected, sizes[s], at);
                assert_int_equal(tz_row_next(&reader, &row, NULL), 0);
                assert_memory_equal(row, expected, sizes[s]);
            }
            assert_int_equal(tz_row_next(&reader, &row, &err), -1);
            assert_int_equal(err.kind, TZ_CORRUPT);
            for (unsigned turn = 0; turn < 50 && counts[i] > 7; turn++) {
                uint64_t at = seeded_below(&seeded, counts[i] - 7);
                size_t part = seeded_below(&seeded, 8);
                assert_int_equal(tz_row_read(&reader, at, rows, part, NULL), 0);
                for (size_t k = 0; k < part; k++) {
                    make_row(expected, sizes[s], at + k);
                    assert_memory_equal(rows + k * sizes[s], expected, sizes[s]);
                }
            }
            tz_row_reader_close(&reader);
            remove_rows();
        }
}

static void many_rows_of_zeros_take_no_room(void **state)
{
    static const uint64_t runs[] = {1, 511, 512, 513, 100000, 3, UINT64_C(1) << 30, 5000};
    TZ_SCOPED(tz_scoped_free) char *path = tz_path_join(folder, "rows");
    struct tz_row_writer writer;
    struct tz_row_reader reader;
    struct tz_error err = {0};
    uint8_t expected[16], row[16];
    struct stat st;
    uint64_t at = 0;

    (void)state;
    assert_int_equal(tz_row_writer_open(&writer, folder, "rows", 16, NULL), 0);
    for (size_t i = 0; i < TZ_COUNT(runs); i++) {
        make_row(row, 16, i);
        assert_int_equal(tz_row_put(&writer, row, 1, NULL), 0);
        assert_int_equal(tz_row_put_zeros(&writer, runs[i], NULL), 0);
    }
    assert_int_equal(tz_row_put_zeros(&writer, UINT64_MAX / 16 + 1, &err), -1);
    assert_int_equal(tz_row_flush(&writer, NULL), 0);
    tz_row_writer_close(&writer);
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_blocks * 512 < 1 << 20);

    assert_int_equal(tz_row_reader_open(&reader, folder, "rows", 16, NULL), 0);
    for (size_t i = 0; i < TZ_COUNT(runs); i++, at += 1 + runs[i - 1]) {
        make_row(expected, 16, i);
        assert_int_equal(tz_row_read(&reader, at, row, 1, NULL), 0);
        assert_memory_equal(row, expected, 16);
        assert_int_equal(tz_row_hole(&reader, at, 1 + runs[i]), 0);
        memset(expected, 0, sizeof(expected));
        assert_int_equal(tz_row_read(&reader, at + runs[i], row, 1, NULL), 0);
        assert_memory_equal(row, expected, 16);
        /* All but what shares a block of the file system with a row of data. */
        if (runs[i] > 10000)
            assert_in_range(tz_row_hole(&reader, at + 4096, runs[i] - 4096), runs[i] - 4096 - 4096,
                            runs[i] - 4096);
    }
    assert_int_equal(reader.count, at);
    tz_row_reader_close(&reader);
    remove_rows();
}

static void rows_beyond_the_end_are_refused(void **state)
{
    struct tz_row_reader reader;
    uint8_t rows[64];
    static const struct {
        uint64_t row;
        size_t count;
    } bad[] = {{3, 1},          {2, 2},        {0, 4}, {UINT64_MAX, 1},
               {UINT64_MAX, 2}, {1, SIZE_MAX}, {4, 0}, {0, SIZE_MAX / 16 + 1}};

    (void)state;
    write_rows(16, 3);
    assert_int_equal(tz_row_reader_open(&reader, folder, "rows", 16, NULL), 0);
    assert_int_equal(tz_row_read(&reader, 3, rows, 0, NULL), 0);
    for (size_t i = 0; i < TZ_COUNT(bad); i++) {
        struct tz_error err = {0};
        assert_int_equal(tz_row_read(&reader, bad[i].row, rows, bad[i].count, &err), -1);
        assert_int_equal(err.kind, TZ_CORRUPT);
    }
    tz_row_reader_close(&reader);
    remove_rows();
}

static void a_file_that_was_cut_is_refused(void **state)
{
    char *path = tz_path_join(folder, "rows");
    struct tz_row_reader reader;
    struct tz_error err = {0};
    const uint8_t *row = NULL;

    (void)state;
    write_rows(16, 3000);
    assert_int_equal(truncate(path, 3000 * 16 - 1), 0);
    assert_int_equal(tz_row_reader_open(&reader, folder, "rows", 16, &err), -1);
    assert_int_equal(err.kind, TZ_CORRUPT);
    tz_row_reader_close(&reader);

    /* While it is open. */
    assert_int_equal(truncate(path, 3000 * 16 - 16), 0);
    assert_int_equal(tz_row_reader_open(&reader, folder, "rows", 16, NULL), 0);
    assert_int_equal(truncate(path, 16), 0);
    int status = 0;
    while (!status && reader.at < reader.count)
        status = tz_row_next(&reader, &row, &err);
    assert_int_equal(status, -1);
    assert_int_equal(err.kind, TZ_CORRUPT);
    tz_row_reader_close(&reader);
    remove_rows();
    free(path);
}

static void a_file_that_is_not_there_is_an_error(void **state)
{
    struct tz_row_reader reader;
    struct tz_error err = {0};

    (void)state;
    assert_int_equal(tz_row_reader_open(&reader, folder, "rows", 16, &err), -1);
    assert_int_equal(err.kind, TZ_NOT_FOUND);
    tz_row_reader_close(&reader);
}

static void an_existing_file_is_not_written_over(void **state)
{
    struct tz_row_writer writer;
    struct tz_error err = {0};
    struct stat st;
    char *path = tz_path_join(folder, "rows");

    (void)state;
    write_rows(16, 3);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(tz_row_writer_open(&writer, folder, "rows", 16, &err), -1);
    assert_int_equal(err.kind, TZ_EXISTS);
    tz_row_writer_close(&writer);
    remove_rows();
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows_come_back_in_order_and_anywhere, enter, leave),
        cmocka_unit_test_setup_teardown(many_rows_of_zeros_take_no_room, enter, leave),
        cmocka_unit_test_setup_teardown(rows_beyond_the_end_are_refused, enter, leave),
        cmocka_unit_test_setup_teardown(a_file_that_was_cut_is_refused, enter, leave),
        cmocka_unit_test_setup_teardown(a_file_that_is_not_there_is_an_error, enter, leave),
        cmocka_unit_test_setup_teardown(an_existing_file_is_not_written_over, enter, leave),
    };
    return cmocka_run_group_tests(tests, init_crypto, NULL);
}
