/*
 * The local manifest: what a source looked like when it was last backed up, so that the next
 * backup opens only what changed.  It holds file names, so it is 0600 and says nothing of content
 * but ids.
 *
 *   <state>/sources/<source id>/last   name of the folder that counts, which has the files
 *
 *     entries   entries with inode numbers and change times
 *     chunks    a row for each chunk that they name: id, pack
 *     lists     extents of large and page-structured files
 *     tags      keyed 128-bit hash of each block of page-structured files
 *     packs     hashes of the packs, by the numbers that the rows have
 *
 * It is a cache: what is missing, damaged, or lies in a pack that the catalog does not know, is
 * read again (and found to be stored already).
 */
#ifndef TOZAI_BACKUP_LOCAL_H
#define TOZAI_BACKUP_LOCAL_H

#include "tozai/core/manifest.h"

#define LOCAL_TAG_SIZE 16

/* What belongs to an entry beyond tz_entry. */
struct local_extra {
    uint64_t list_first, list_count; /* rows of lists */
    uint64_t tag_first, tag_count;   /* of tags */
    uint32_t block_size;             /* 0: no tags */
};

/* As it stands behind an entry. */
int tz_local_extra_encode(const struct local_extra *extra, struct tz_buf *out,
                          struct tz_error *err) TZ_MUST_CHECK;
int tz_local_extra_decode(struct tz_cursor *c, struct local_extra *extra,
                          struct tz_error *err) TZ_MUST_CHECK;

/* A row of lists. */
struct local_extent {
    struct tz_extent extent;
    uint64_t pack;
};

struct tz_local_reader;
/* *ret NULL: there is none to be had (the reason went to warn if it is worth one). */
int tz_local_open(struct tz_local_reader **ret, struct tz_repo *repo, const char *folder,
                  struct tz_error *err) TZ_MUST_CHECK;
void tz_local_reader_free(struct tz_local_reader *reader);
TZ_DEFINE_SCOPED(struct tz_local_reader *, tz_scoped_local_reader, tz_local_reader_free)
/* When the backup began that wrote it. */
int64_t tz_local_start(const struct tz_local_reader *reader);
uint64_t tz_local_bytes(const struct tz_local_reader *reader);
/* Packs of extents that the catalog does not know any more are 0. */
int tz_local_next(struct tz_local_reader *reader, struct tz_entry *entry, struct local_extra *extra,
                  bool *ret_done, struct tz_error *err) TZ_MUST_CHECK;
/* Random access, from any thread.  A damaged row is TZ_CORRUPT; a damaged tag is just another tag.
 */
int tz_local_list(struct tz_local_reader *reader, uint64_t row, struct local_extent *ret,
                  size_t count, struct tz_error *err) TZ_MUST_CHECK;
int tz_local_tags(struct tz_local_reader *reader, uint64_t row, uint8_t (*ret)[LOCAL_TAG_SIZE],
                  size_t count, struct tz_error *err) TZ_MUST_CHECK;

/* How many of the tags from this row on are those of a hole. */
uint64_t tz_local_hole_tags(const struct tz_local_reader *reader, uint64_t row, uint64_t count);

struct tz_local_writer;
int tz_local_create(struct tz_local_writer **ret, struct tz_repo *repo, const char *folder,
                    struct tz_error *err) TZ_MUST_CHECK;
/* Without commit everything it wrote is removed. */
void tz_local_writer_free(struct tz_local_writer *writer);
TZ_DEFINE_SCOPED(struct tz_local_writer *, tz_scoped_local_writer, tz_local_writer_free)
int tz_local_add(struct tz_local_writer *writer, const struct tz_entry *entry,
                 const struct local_extra *extra, struct tz_error *err) TZ_MUST_CHECK;
/* Append a row or a tag; gives where it stands. */
int tz_local_put_list(struct tz_local_writer *writer, const struct local_extent *extent,
                      uint64_t *ret_row, struct tz_error *err) TZ_MUST_CHECK;
int tz_local_put_tags(struct tz_local_writer *writer, uint8_t (*tags)[LOCAL_TAG_SIZE], size_t count,
                      uint64_t *ret_row, struct tz_error *err) TZ_MUST_CHECK;
/* Tags of blocks that are a hole: zeros, which take next to no room. */
int tz_local_put_hole_tags(struct tz_local_writer *writer, uint64_t count, uint64_t *ret_row,
                           struct tz_error *err) TZ_MUST_CHECK;
/* Fill in the packs of rows that had none, from the catalog; calls used() for each pack of the
 * rows, once or oftener.  Nothing can be added after it. */
typedef int local_pack_fn(void *arg, int64_t pack, struct tz_error *err);
int tz_local_settle(struct tz_local_writer *writer, local_pack_fn *used, void *arg,
                    struct tz_error *err) TZ_MUST_CHECK;
/* Durable, and from now on the one that counts. */
int tz_local_commit(struct tz_local_writer *writer, int64_t start_ns, uint64_t bytes,
                    struct tz_error *err) TZ_MUST_CHECK;

#endif
