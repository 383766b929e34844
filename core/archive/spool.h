/*
 * What was read of an archive, until the backup has taken it: contents in one file, the entries in
 * another, both without a name.
 *
 * Contents are written one after the other, and read in any order, by any thread.  Entries are
 * added in the order of the archive, told apart by a number from 1, and come back in path order.
 */
#ifndef TOZAI_CORE_ARCHIVE_SPOOL_H
#define TOZAI_CORE_ARCHIVE_SPOOL_H

#include "tozai/core/entry.h"

/* No file is larger: nor can a hole be, in a manifest. */
#define TZ_ARCHIVE_FILE_MAX (UINT64_C(1) << 60)

struct tz_archive_content {
    uint64_t at; /* in the file of contents */
    uint64_t size;
};

struct tz_archive_spool;
/* In directory; max_size: of all contents together, 0 for no limit. */
int tz_archive_spool_new(struct tz_archive_spool **ret, const char *directory, uint64_t max_size,
                         struct tz_error *err) TZ_MUST_CHECK;
void tz_archive_spool_free(struct tz_archive_spool *spool);
TZ_DEFINE_SCOPED(struct tz_archive_spool *, tz_scoped_archive_spool, tz_archive_spool_free)

/* One content after the other; pieces in ascending order, what lies between them is a hole. */
void tz_archive_spool_begin(struct tz_archive_spool *spool);
/* A piece that overlaps what there is: TZ_FAILED. */
int tz_archive_spool_put(struct tz_archive_spool *spool, uint64_t offset, const void *data,
                         size_t len, struct tz_error *err) TZ_MUST_CHECK;
/* size: of the whole, if it is more than was put. */
int tz_archive_spool_end(struct tz_archive_spool *spool, uint64_t size,
                         struct tz_archive_content *ret, struct tz_error *err) TZ_MUST_CHECK;
/* All is there: what is still in memory goes to the file. */
int tz_archive_spool_flush(struct tz_archive_spool *spool, struct tz_error *err) TZ_MUST_CHECK;
/* Is there room left?  To be asked now and then when other files of the directory grow. */
int tz_archive_spool_check_room(struct tz_archive_spool *spool, struct tz_error *err) TZ_MUST_CHECK;

/* Reading one content from its beginning to its end. */
struct tz_archive_spool_reader {
    const struct tz_archive_spool *spool;
    struct tz_archive_content content;
    uint64_t at;         /* in the file */
    uint64_t hole, data; /* of the piece at hand, still to come */
    uint64_t done;       /* of size */
};
void tz_archive_spool_rewind(struct tz_archive_spool_reader *reader);
/* As an input does it (source.h). */
int tz_archive_spool_read(struct tz_archive_spool_reader *reader, void *data, size_t len,
                          size_t *ret_len, uint64_t *ret_hole, struct tz_error *err) TZ_MUST_CHECK;

/* A new file in directory that has no name. */
int tz_archive_spool_file(const char *directory, int *ret_fd, struct tz_error *err) TZ_MUST_CHECK;

#endif
