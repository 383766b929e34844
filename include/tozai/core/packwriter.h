/*
 * The way of chunks into the stores: frames are sealed by a pool of workers, gathered into packs,
 * and the packs are written to every store; the catalog learns a pack when a store has it.
 *
 * Memory is bounded: adding a frame waits for older ones when too many are on their way.
 *
 * Threads: one, the caller's; the workers are the writer's own.
 */
#ifndef TOZAI_CORE_PACKWRITER_H
#define TOZAI_CORE_PACKWRITER_H

#include "tozai/core/pack.h"
#include "tozai/core/repo.h"
#include "tozai/util/pool.h"
#include "tozai/util/recycle.h"

struct tz_packer;

struct tz_packer_options {
    struct tz_repo *repo; /* opened exclusively, unless it is a dry run */
    struct tz_pool *pool; /* shared with the caller */
    bool dry_run;         /* seal, count, but store nothing */
};

struct tz_packer_stats {
    uint64_t new_bytes;    /* plain bytes of data chunks that were stored */
    uint64_t stored_bytes; /* of finished packs */
    uint64_t packs;
};

int tz_packer_new(struct tz_packer **ret, const struct tz_packer_options *options,
                  struct tz_error *err) TZ_MUST_CHECK;
/* Gives up what is not stored yet; waits for the workers. */
void tz_packer_free(struct tz_packer *packer);
TZ_DEFINE_SCOPED(struct tz_packer *, tz_scoped_packer, tz_packer_free)

/* Workers of a packer if nobody says how many.  Each takes about 14 MiB, and three keep pace with
 * one thread that reads and cuts: the whole program stays below 128 MiB on any machine. */
#define TZ_PACKER_THREADS 3U

/* Plain bytes that one frame takes. */
size_t tz_packer_frame_size(const struct tz_packer *packer);
/* A buffer of frame size and TZ_AEAD_TAG more; plain malloc() memory, which goes back by
 * tz_packer_return() or with a frame. */
int tz_packer_buffer(struct tz_packer *packer, uint8_t **ret, struct tz_error *err) TZ_MUST_CHECK;
void tz_packer_return(struct tz_packer *packer, uint8_t *buffer);
/* Where they come from, for other threads; lives as long as the packer. */
struct tz_recycler *tz_packer_buffers(const struct tz_packer *packer);

/* Is the chunk stored already, or on its way?  Condemned and lost copies do not count. */
int tz_packer_has(struct tz_packer *packer, const uint8_t id[TZ_ID_SIZE], bool *ret,
                  struct tz_error *err) TZ_MUST_CHECK;
/* Store a chunk (copied into an open frame of its lane) unless it is there. lane: 0 to 3, keeps
 * like with like; lane 3 is the manifest's.  At most TZ_CHUNK_MAX bytes: one that is larger than a
 * frame becomes a frame of its own. */
#define TZ_PACKER_LANES    4
#define TZ_PACKER_SMALL    0 /* the stream of small files */
#define TZ_PACKER_LARGE    1 /* large files, compressed in another way */
#define TZ_PACKER_MANIFEST 3
int tz_packer_add(struct tz_packer *packer, unsigned lane, const uint8_t id[TZ_ID_SIZE],
                  const uint8_t *data, uint32_t len, struct tz_error *err) TZ_MUST_CHECK;
/* Store a whole buffer, which becomes the packer's, as a frame of these chunks (which lie in it
 * back to back, none stored yet, none twice).  On failure the buffer is the packer's all the same.
 */
int tz_packer_add_frame(struct tz_packer *packer, unsigned lane, uint8_t *buffer, size_t len,
                        const struct tz_chunk_ref *chunks, uint32_t count,
                        struct tz_error *err) TZ_MUST_CHECK;
/* Finish and store all packs, then write the index objects; wait until all is durable.  What a run
 * that fails before this has stored comes into the next run's index. */
int tz_packer_flush(struct tz_packer *packer, struct tz_error *err) TZ_MUST_CHECK;
/* The same, but the last index objects may still be on their way: the packs are in the catalog. */
int tz_packer_flush_packs(struct tz_packer *packer, struct tz_error *err) TZ_MUST_CHECK;
struct tz_packer_stats tz_packer_stats(const struct tz_packer *packer);

#endif
