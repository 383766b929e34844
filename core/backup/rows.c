#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "rows.h"

#include "tozai/util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define BUFFER      (256U << 10)
#define WINDOW_ROWS 2048U
/* A shorter run of zeros is written: file systems have no smaller holes. */
#define HOLE_MIN 8192U

int tz_row_writer_open(struct tz_row_writer *writer, const char *folder, const char *name,
                       size_t row_size, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free) char *path = tz_path_join(folder, name);

    *writer = (struct tz_row_writer){.fd = -1, .row_size = row_size};
    if (!path)
        return tz_fail_nomem(err);
    writer->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (writer->fd < 0)
        return tz_fail_errno(err, errno, "create '%s'", path);
    return 0;
}

int tz_row_put(struct tz_row_writer *writer, const void *row, size_t rows, struct tz_error *err)
{
    if (tz_buf_append(&writer->pending, row, rows * writer->row_size, err))
        return -1;
    writer->count += rows;
    return writer->pending.len >= BUFFER ? tz_row_flush(writer, err) : 0;
}

static int put_hole(struct tz_row_writer *writer, uint64_t len, struct tz_error *err)
{
    if (tz_row_flush(writer, err))
        return -1;
    off_t end = lseek(writer->fd, (off_t)len, SEEK_CUR);
    /* The last one has nothing behind it that would make the file so long. */
    if (end < 0 || ftruncate(writer->fd, end))
        return tz_fail_errno(err, errno, "write the local manifest");
    return 0;
}

int tz_row_put_zeros(struct tz_row_writer *writer, uint64_t rows, struct tz_error *err)
{
    static const uint8_t zeros[HOLE_MIN];
    uint64_t len = 0;

    if (__builtin_mul_overflow(rows, writer->row_size, &len) || len > INT64_MAX)
        return tz_fail(err, TZ_UNSUPPORTED, "the local manifest would be too large");
    if (len >= HOLE_MIN ? put_hole(writer, len, err)
                        : tz_buf_append(&writer->pending, zeros, (size_t)len, err))
        return -1;
    writer->count += rows;
    return writer->pending.len >= BUFFER ? tz_row_flush(writer, err) : 0;
}

int tz_row_flush(struct tz_row_writer *writer, struct tz_error *err)
{
    if (tz_write_all(writer->fd, writer->pending.data, writer->pending.len, err))
        return tz_while(err, "write the local manifest");
    tz_buf_reset(&writer->pending);
    return 0;
}

void tz_row_writer_close(struct tz_row_writer *writer)
{
    if (writer->fd >= 0)
        (void)close(writer->fd);
    writer->fd = -1;
    tz_buf_clear(&writer->pending);
}

int tz_row_reader_open(struct tz_row_reader *reader, const char *folder, const char *name,
                       size_t row_size, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free) char *path = tz_path_join(folder, name);
    struct stat st;

    *reader = (struct tz_row_reader){.fd = -1, .row_size = row_size};
    if (!path)
        return tz_fail_nomem(err);
    reader->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (reader->fd < 0 || fstat(reader->fd, &st))
        return tz_fail_errno(err, errno, "open '%s'", path);
    if (st.st_size % (off_t)row_size != 0)
        return tz_fail(err, TZ_CORRUPT, "'%s' is cut short", path);
    reader->count = (uint64_t)st.st_size / row_size;
    return 0;
}

int tz_row_read(const struct tz_row_reader *reader, uint64_t row, void *data, size_t rows,
                struct tz_error *err)
{
    size_t got = 0, len = rows * reader->row_size;

    if (row > reader->count || rows > reader->count - row)
        return tz_fail(err, TZ_CORRUPT, "the local manifest names rows that it does not have");
    if (tz_pread_full(reader->fd, data, len, row * reader->row_size, &got, err))
        return -1;
    return got == len ? 0 : tz_fail(err, TZ_CORRUPT, "the local manifest is cut short");
}

uint64_t tz_row_hole(const struct tz_row_reader *reader, uint64_t row, uint64_t rows)
{
    off_t begin = (off_t)(row * reader->row_size);
    off_t data = lseek(reader->fd, begin, SEEK_DATA);

    if (data < 0) /* no data up to the end; or nobody knows */
        return errno == ENXIO ? rows : 0;
    return TZ_MIN(rows, (uint64_t)(data - begin) / reader->row_size);
}

int tz_row_next(struct tz_row_reader *reader, const uint8_t **ret, struct tz_error *err)
{
    if (!reader->window) {
        reader->window = malloc(WINDOW_ROWS * reader->row_size);
        if (!reader->window)
            return tz_fail_nomem(err);
    }
    if (reader->at < reader->window_first ||
        reader->at >= reader->window_first + reader->window_rows) {
        if (reader->at >= reader->count)
            return tz_fail(err, TZ_CORRUPT, "the local manifest names rows that it does not have");
        size_t rows = (size_t)TZ_MIN(reader->count - reader->at, (uint64_t)WINDOW_ROWS);
        if (tz_row_read(reader, reader->at, reader->window, rows, err))
            return -1;
        reader->window_first = reader->at;
        reader->window_rows = rows;
    }
    *ret = reader->window + (size_t)(reader->at - reader->window_first) * reader->row_size;
    reader->at++;
    return 0;
}

void tz_row_reader_close(struct tz_row_reader *reader)
{
    if (reader->fd >= 0)
        (void)close(reader->fd);
    reader->fd = -1;
    free(reader->window);
    reader->window = NULL;
}
