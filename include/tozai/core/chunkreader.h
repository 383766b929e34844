/*
 * Reading chunks back: a frame is fetched from the first store that gives good bytes, opened, and
 * every chunk that is asked for is checked against its id.
 *
 * tz_frame_fetch() may be called by several threads (each with its own opener and idhash); a
 * tz_chunk_reader belongs to one.
 */
#ifndef TOZAI_CORE_CHUNKREADER_H
#define TOZAI_CORE_CHUNKREADER_H

#include "tozai/core/pack.h"
#include "tozai/core/repo.h"

/* Fetch and open a frame; plain gets info->plain_len bytes.  sealed is scratch.  *ret_failed_stores
 * (may be NULL): a bit for each store that gave bad bytes or none.  That no store has the pack is
 * TZ_CORRUPT. */
int tz_frame_fetch(struct tz_mirror *mirror, struct tz_frame_opener *opener,
                   const struct tz_catalog_pack *pack, const uint8_t key[TZ_KEY_SIZE],
                   uint32_t frame, const struct tz_frame_info *info, struct tz_buf *sealed,
                   struct tz_buf *plain, uint32_t *ret_failed_stores,
                   struct tz_error *err) TZ_MUST_CHECK;

struct tz_chunk_reader;
int tz_chunk_reader_new(struct tz_chunk_reader **ret, struct tz_repo *repo,
                        struct tz_error *err) TZ_MUST_CHECK;
void tz_chunk_reader_free(struct tz_chunk_reader *reader);
TZ_DEFINE_SCOPED(struct tz_chunk_reader *, tz_scoped_chunk_reader, tz_chunk_reader_free)
/* The chunk's bytes, valid until the next call. */
int tz_chunk_read(struct tz_chunk_reader *reader, const uint8_t id[TZ_ID_SIZE], const uint8_t **ret,
                  uint32_t *ret_len, struct tz_error *err) TZ_MUST_CHECK;
/*
 * This chunk is likely to be read, after those that were expected before it: where the stores are
 * far away it is asked for in the meantime.  One that is expected twice in turn counts as one read.
 * False: too much is on its way, say it again after a read.  Takes up to 64 MiB.
 */
bool tz_chunk_expect(struct tz_chunk_reader *reader, const uint8_t id[TZ_ID_SIZE]);
/* Does it make a difference? */
bool tz_chunk_reader_is_far(const struct tz_chunk_reader *reader);
/* Reads that a store failed and another served. */
uint64_t tz_chunk_reader_healed(const struct tz_chunk_reader *reader);

#endif
