/*
 * An archive while it is read, with nothing but what libarchive itself contains: no filter that is
 * a program of its own, and no mtree, which would have files of this system read.
 *
 * Threads: open, use and free it on one; meanwhile that thread's locale is the reader's.
 */
#ifndef TOZAI_CORE_ARCHIVE_READER_H
#define TOZAI_CORE_ARCHIVE_READER_H

#include "tozai/util/error.h"

#include <archive_entry.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tz_archive_reader;

/*
 * fd: from its position on; it stays the caller's.  name: for messages.  charset: of names where
 * the archive does not say, or NULL.  What is no archive at all: TZ_INVALID.
 */
int tz_archive_reader_open(struct tz_archive_reader **ret, int fd, const char *name,
                           const char *charset, struct tz_error *err) TZ_MUST_CHECK;
void tz_archive_reader_free(struct tz_archive_reader *reader);
TZ_DEFINE_SCOPED(struct tz_archive_reader *, tz_scoped_archive_reader, tz_archive_reader_free)

/*
 * The next entry, valid until the next call; NULL at the end.  *ret_doubt: what libarchive says is
 * wrong with it, or NULL.
 */
int tz_archive_reader_next(struct tz_archive_reader *reader, struct archive_entry **ret,
                           const char **ret_doubt, struct tz_error *err) TZ_MUST_CHECK;
/*
 * The next piece of the entry's content, which belongs at *ret_offset; with *ret_len 0 the end, and
 * *ret_offset is the length of it all, or 0 if the archive does not say.
 */
int tz_archive_reader_data(struct tz_archive_reader *reader, const void **ret, size_t *ret_len,
                           uint64_t *ret_offset, struct tz_error *err) TZ_MUST_CHECK;
/* Bytes of the archive read so far. */
uint64_t tz_archive_reader_bytes(const struct tz_archive_reader *reader);
/* At the end: did the archive say that it ends there?  True if that cannot be known. */
bool tz_archive_reader_ended(const struct tz_archive_reader *reader);

#endif
