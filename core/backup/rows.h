/*
 * A file of rows of one size, written in order through a buffer, read at any place.
 */
#ifndef TOZAI_BACKUP_ROWS_H
#define TOZAI_BACKUP_ROWS_H

#include "tozai/util/buf.h"

struct tz_row_writer {
    int fd;
    size_t row_size;
    uint64_t count; /* written or buffered */
    struct tz_buf pending;
};
int tz_row_writer_open(struct tz_row_writer *writer, const char *folder, const char *name,
                       size_t row_size, struct tz_error *err) TZ_MUST_CHECK;
int tz_row_put(struct tz_row_writer *writer, const void *row, size_t rows,
               struct tz_error *err) TZ_MUST_CHECK;
/* Rows of zeros.  Many of them are a hole in the file, which takes no room. */
int tz_row_put_zeros(struct tz_row_writer *writer, uint64_t rows,
                     struct tz_error *err) TZ_MUST_CHECK;
int tz_row_flush(struct tz_row_writer *writer, struct tz_error *err) TZ_MUST_CHECK;
void tz_row_writer_close(struct tz_row_writer *writer);

struct tz_row_reader {
    int fd;
    size_t row_size;
    uint64_t count;
    uint64_t at; /* next row, for tz_row_next() */
    uint8_t *window;
    uint64_t window_first;
    size_t window_rows;
};
int tz_row_reader_open(struct tz_row_reader *reader, const char *folder, const char *name,
                       size_t row_size, struct tz_error *err) TZ_MUST_CHECK;
/* The next row, borrowed until the next call; rows beyond the end are TZ_CORRUPT. */
int tz_row_next(struct tz_row_reader *reader, const uint8_t **ret,
                struct tz_error *err) TZ_MUST_CHECK;
int tz_row_read(const struct tz_row_reader *reader, uint64_t row, void *data, size_t rows,
                struct tz_error *err) TZ_MUST_CHECK;
/* How many of the rows from this one on are zeros because they lie in a hole of the file. */
uint64_t tz_row_hole(const struct tz_row_reader *reader, uint64_t row, uint64_t rows);
void tz_row_reader_close(struct tz_row_reader *reader);

#endif
