/*
 * What is known of a pack: where its frames lie and which chunks they hold.  The pack writer
 * makes it, index objects carry it, the catalog keeps it, the pack's own directory repeats it.
 */
#ifndef TOZAI_CORE_PACKINFO_H
#define TOZAI_CORE_PACKINFO_H

#include "tozai/core/object.h"
#include "tozai/util/wire.h"

#define TZ_PACK_HEADER_SIZE 128
#define TZ_PACK_SIZE_USUAL  (16U << 20)  /* unless the configuration says otherwise */
#define TZ_PACK_SIZE_MAX    (128U << 20) /* bytes of a stored pack */
#define TZ_FRAME_PLAIN_MAX  (8U << 20)   /* plain bytes of a frame */
#define TZ_CHUNK_MAX        (4U << 20)   /* plain bytes of a chunk */
/* A run: frames back to back that a restore reads at once, so many bytes (or one frame). */
#define TZ_RUN_BYTES  (4U << 20)
#define TZ_RUN_FRAMES 16U

enum tz_pack_kind { TZ_PACK_DATA = 1, TZ_PACK_MANIFEST = 2 };
enum tz_codec { TZ_CODEC_RAW = 0, TZ_CODEC_ZSTD = 1 };

struct tz_chunk_ref {
    uint8_t id[TZ_ID_SIZE];
    uint32_t len; /* plain bytes */
};

struct tz_frame_info {
    uint64_t offset;      /* of the sealed frame in the pack */
    uint32_t sealed_len;  /* with the tag */
    uint32_t plain_len;   /* sum of the chunks' lengths */
    uint8_t codec;        /* enum tz_codec */
    uint32_t first_chunk; /* index into chunks of the pack */
    uint32_t chunk_count;
};

struct tz_pack_info {
    uint8_t hash[TZ_HASH_SIZE];
    uint64_t size;
    uint32_t kind; /* enum tz_pack_kind */
    uint8_t header[TZ_PACK_HEADER_SIZE];
    struct tz_frame_info *frames;
    uint32_t frame_count, frame_cap;
    struct tz_chunk_ref *chunks; /* of all frames, in order */
    uint32_t chunk_count, chunk_cap;
};

void tz_pack_info_clear(struct tz_pack_info *info);
static inline TZ_UNUSED void tz_scoped_pack_info(struct tz_pack_info *info)
{
    tz_pack_info_clear(info);
}
/* Make room; both double. */
int tz_pack_info_add_frame(struct tz_pack_info *info, const struct tz_frame_info *frame,
                           struct tz_error *err) TZ_MUST_CHECK;
int tz_pack_info_add_chunk(struct tz_pack_info *info, const struct tz_chunk_ref *chunk,
                           struct tz_error *err) TZ_MUST_CHECK;

/* Encode the frames and chunks (not hash, size, kind and header), as directory and index have it.
 */
int tz_pack_info_put_frames(const struct tz_pack_info *info, struct tz_buf *out,
                            struct tz_error *err) TZ_MUST_CHECK;
/* Read them; every length is checked against the limits above and against info->size. */
int tz_pack_info_get_frames(struct tz_pack_info *info, struct tz_cursor *c,
                            struct tz_error *err) TZ_MUST_CHECK;

/* The body of an index object: a run's new packs. */
int tz_index_begin(struct tz_buf *out, struct tz_error *err) TZ_MUST_CHECK;
int tz_index_add(struct tz_buf *out, const struct tz_pack_info *info,
                 struct tz_error *err) TZ_MUST_CHECK;
/* Call found() for each pack of a body; it borrows info for the call. */
typedef int tz_index_pack_fn(void *arg, const struct tz_pack_info *info, struct tz_error *err);
int tz_index_read(const void *body, size_t len, tz_index_pack_fn *found, void *arg,
                  struct tz_error *err) TZ_MUST_CHECK;

/* A tombstone stands so long after all that it names has gone: who began later need not ask more.
 */
#define TZ_TOMBSTONE_STANDS_NS (INT64_C(30) * 24 * 3600 * 1000000000)
/* The body of a tombstone: the packs that a prune means to delete. */
int tz_tombstone_write(struct tz_buf *out, const uint8_t (*hashes)[TZ_HASH_SIZE], size_t count,
                       struct tz_error *err) TZ_MUST_CHECK;
int tz_tombstone_read(const void *body, size_t len,
                      int (*found)(void *arg, const uint8_t hash[TZ_HASH_SIZE],
                                   struct tz_error *err),
                      void *arg, struct tz_error *err) TZ_MUST_CHECK;

#endif
