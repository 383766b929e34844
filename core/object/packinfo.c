/*
 * The frames and chunks of a pack, as its own directory and the index have them:
 *
 *   varint frames, varint chunks
 *   for each frame: u8 codec, varint sealed length, varint plain length, varint chunks,
 *     for each of its chunks: 32 id, varint length
 *
 * Frames lie back to back behind the pack's header, so offsets are not written.
 */
#include "tozai/core/packinfo.h"

#include "tozai/util/banned.h"

#define FRAMES_MAX      (1U << 20)
#define CHUNKS_MAX      (1U << 22)
#define FRAME_BYTES_MIN 4U                /* that a frame takes here at least */
#define CHUNK_BYTES_MIN (TZ_ID_SIZE + 1U) /* and a chunk */

void tz_pack_info_clear(struct tz_pack_info *info)
{
    free(info->frames);
    free(info->chunks);
    *info = (struct tz_pack_info){0};
}

/* Make room for one more item; array may be moved. */
static int grow(void **array, uint32_t *cap, uint32_t count, size_t item_size, uint32_t max,
                struct tz_error *err)
{
    if (count < *cap)
        return 0;
    if (count >= max)
        return tz_fail(err, TZ_FAILED, "a pack cannot have more than %u frames or chunks", max);
    uint32_t larger = *cap ? *cap * 2 : 16;
    void *moved = realloc(*array, larger * item_size);
    if (!moved)
        return tz_fail_nomem(err);
    *array = moved;
    *cap = larger;
    return 0;
}

int tz_pack_info_add_frame(struct tz_pack_info *info, const struct tz_frame_info *frame,
                           struct tz_error *err)
{
    void *array = info->frames;
    if (grow(&array, &info->frame_cap, info->frame_count, sizeof(*frame), FRAMES_MAX, err))
        return -1;
    info->frames = array;
    info->frames[info->frame_count++] = *frame;
    return 0;
}

int tz_pack_info_add_chunk(struct tz_pack_info *info, const struct tz_chunk_ref *chunk,
                           struct tz_error *err)
{
    void *array = info->chunks;
    if (grow(&array, &info->chunk_cap, info->chunk_count, sizeof(*chunk), CHUNKS_MAX, err))
        return -1;
    info->chunks = array;
    info->chunks[info->chunk_count++] = *chunk;
    return 0;
}

static bool chunk_valid(const struct tz_chunk_ref *chunk)
{
    return chunk->len >= 1 && chunk->len <= TZ_CHUNK_MAX;
}

/* Is frame what can follow the one that ended at offset, in a pack of size bytes (0: unknown)? */
static bool frame_valid(const struct tz_frame_info *frame, uint64_t offset, uint64_t size)
{
    uint64_t end = offset + frame->sealed_len;
    return frame->offset == offset && frame->sealed_len >= TZ_AEAD_TAG &&
           end <= (size ? size : TZ_PACK_SIZE_MAX) && frame->plain_len <= TZ_FRAME_PLAIN_MAX &&
           (frame->codec == TZ_CODEC_ZSTD ||
            (frame->codec == TZ_CODEC_RAW && frame->sealed_len == frame->plain_len + TZ_AEAD_TAG));
}

static uint64_t plain_sum(const struct tz_pack_info *info, const struct tz_frame_info *frame)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < frame->chunk_count; i++)
        sum += info->chunks[frame->first_chunk + i].len;
    return sum;
}

/* The writer's own mistakes must not reach a store. */
static int check_whole(const struct tz_pack_info *info, struct tz_error *err)
{
    uint64_t offset = TZ_PACK_HEADER_SIZE, chunks = 0;
    bool valid = info->frame_count <= FRAMES_MAX && info->chunk_count <= CHUNKS_MAX;
    for (uint32_t i = 0; valid && i < info->frame_count; i++) {
        const struct tz_frame_info *frame = &info->frames[i];
        valid = frame_valid(frame, offset, info->size) && frame->first_chunk == chunks &&
                chunks + frame->chunk_count <= info->chunk_count &&
                plain_sum(info, frame) == frame->plain_len;
        offset += frame->sealed_len;
        chunks += frame->chunk_count;
    }
    for (uint32_t i = 0; valid && i < info->chunk_count; i++)
        valid = chunk_valid(&info->chunks[i]);
    if (!valid || chunks != info->chunk_count)
        return tz_fail(err, TZ_FAILED, "internal error: the frames and chunks of a pack disagree");
    return 0;
}

static int put_frame(const struct tz_pack_info *info, const struct tz_frame_info *frame,
                     struct tz_buf *out, struct tz_error *err)
{
    if (tz_put_u8(out, frame->codec, err) || tz_put_varint(out, frame->sealed_len, err) ||
        tz_put_varint(out, frame->plain_len, err) || tz_put_varint(out, frame->chunk_count, err))
        return -1;
    for (uint32_t i = 0; i < frame->chunk_count; i++) {
        const struct tz_chunk_ref *chunk = &info->chunks[frame->first_chunk + i];
        if (tz_buf_append(out, chunk->id, TZ_ID_SIZE, err) || tz_put_varint(out, chunk->len, err))
            return -1;
    }
    return 0;
}

static int put_frames(const struct tz_pack_info *info, struct tz_buf *out, struct tz_error *err)
{
    if (tz_put_varint(out, info->frame_count, err) || tz_put_varint(out, info->chunk_count, err))
        return -1;
    for (uint32_t i = 0; i < info->frame_count; i++)
        if (put_frame(info, &info->frames[i], out, err))
            return -1;
    return 0;
}

int tz_pack_info_put_frames(const struct tz_pack_info *info, struct tz_buf *out,
                            struct tz_error *err)
{
    size_t begin = out->len;
    if (check_whole(info, err))
        return -1;
    if (put_frames(info, out, err)) {
        out->len = begin;
        return -1;
    }
    return 0;
}

/* Numbers that do not fit are as bad as a cut. */
static uint32_t get_limited(struct tz_cursor *c, uint32_t max)
{
    uint64_t value = tz_get_varint(c);
    if (value <= max)
        return (uint32_t)value;
    tz_wire_bad(c);
    return 0;
}

static int reserve(struct tz_pack_info *info, uint32_t frames, uint32_t chunks,
                   struct tz_error *err)
{
    if (frames > info->frame_cap) {
        void *array = realloc(info->frames, frames * sizeof(*info->frames));
        if (!array)
            return tz_fail_nomem(err);
        info->frames = array;
        info->frame_cap = frames;
    }
    if (chunks > info->chunk_cap) {
        void *array = realloc(info->chunks, chunks * sizeof(*info->chunks));
        if (!array)
            return tz_fail_nomem(err);
        info->chunks = array;
        info->chunk_cap = chunks;
    }
    return 0;
}

/* Read one chunk into the room that is reserved. */
static void get_chunk(struct tz_pack_info *info, struct tz_cursor *c)
{
    struct tz_chunk_ref *chunk = &info->chunks[info->chunk_count];
    const uint8_t *id = tz_get_raw(c, TZ_ID_SIZE);
    chunk->len = get_limited(c, TZ_CHUNK_MAX);
    if (!id || !chunk_valid(chunk)) {
        tz_wire_bad(c);
        return;
    }
    memcpy(chunk->id, id, TZ_ID_SIZE);
    info->chunk_count++;
}

static void get_frame(struct tz_pack_info *info, uint64_t *offset, uint32_t chunks,
                      struct tz_cursor *c)
{
    struct tz_frame_info frame = {.offset = *offset, .first_chunk = info->chunk_count};
    frame.codec = tz_get_u8(c);
    frame.sealed_len = get_limited(c, TZ_PACK_SIZE_MAX);
    frame.plain_len = get_limited(c, TZ_FRAME_PLAIN_MAX);
    frame.chunk_count = get_limited(c, chunks - info->chunk_count);
    if (!tz_wire_ok(c) || !frame_valid(&frame, *offset, info->size)) {
        tz_wire_bad(c);
        return;
    }
    for (uint32_t i = 0; tz_wire_ok(c) && i < frame.chunk_count; i++)
        get_chunk(info, c);
    if (!tz_wire_ok(c) || plain_sum(info, &frame) != frame.plain_len) {
        tz_wire_bad(c);
        return;
    }
    *offset += frame.sealed_len;
    info->frames[info->frame_count++] = frame;
}

int tz_pack_info_get_frames(struct tz_pack_info *info, struct tz_cursor *c, struct tz_error *err)
{
    info->frame_count = 0;
    info->chunk_count = 0;
    uint32_t frames = get_limited(c, FRAMES_MAX);
    uint32_t chunks = get_limited(c, CHUNKS_MAX);
    /* Counts are believed only as far as the bytes that are there could hold them. */
    uint64_t needed = (uint64_t)frames * FRAME_BYTES_MIN + (uint64_t)chunks * CHUNK_BYTES_MIN;
    if (needed > tz_left(c))
        tz_wire_bad(c);
    if (tz_wire_ok(c) && reserve(info, frames, chunks, err))
        return -1;

    uint64_t offset = TZ_PACK_HEADER_SIZE;
    for (uint32_t i = 0; tz_wire_ok(c) && i < frames; i++)
        get_frame(info, &offset, chunks, c);
    if (!tz_wire_ok(c) || info->chunk_count != chunks) {
        tz_wire_bad(c);
        return tz_fail(err, TZ_CORRUPT, "the list of a pack's frames is damaged");
    }
    return 0;
}
