#include "content.h"

#include "tozai/core/manifest.h"
#include "tozai/util/interrupt.h"

#include <string.h>

#include "tozai/util/banned.h"

/* One of the two files: where it stands, and the chunk there if it was needed. */
struct side {
    struct tz_extent_walk *walk;
    struct tz_chunk_reader *reader;
    struct tz_extent extent;
    uint64_t done;       /* of the extent */
    const uint8_t *data; /* of the extent's chunk; NULL: not read yet, or a hole */
    bool end;
};

static void clear_side(struct side *side)
{
    tz_extent_walk_free(side->walk);
    tz_chunk_reader_free(side->reader);
}

static int open_side(struct side *side, struct tz_repo *repo, const struct tz_entry *entry,
                     struct tz_error *err)
{
    return tz_extent_walk_new(&side->walk, repo, entry, err) ||
                   tz_chunk_reader_new(&side->reader, repo, err)
               ? -1
               : 0;
}

/* Step over what was compared; at the end of an extent go to the next. */
static int advance(struct side *side, uint64_t len, struct tz_error *err)
{
    side->done += len;
    while (!side->end && side->done == side->extent.len) {
        side->done = 0;
        side->data = NULL;
        side->extent = (struct tz_extent){0};
        if (tz_extent_walk_next(side->walk, &side->extent, &side->end, err))
            return -1;
    }
    return 0;
}

/* Both stand at the same byte of the same chunk, or in a hole. */
static bool is_same_place(const struct side *a, const struct side *b)
{
    return memcmp(a->extent.id, b->extent.id, TZ_ID_SIZE) == 0 &&
           (tz_extent_is_hole(&a->extent) ||
            a->extent.offset + a->done == b->extent.offset + b->done);
}

static int load(struct side *side, struct tz_error *err)
{
    uint32_t len = 0;

    if (side->data || tz_extent_is_hole(&side->extent))
        return 0;
    if (tz_chunk_read(side->reader, side->extent.id, &side->data, &len, err))
        return -1;
    if ((uint64_t)side->extent.offset + side->extent.len > len)
        return tz_fail(err, TZ_CORRUPT, "the manifest asks for more than a chunk has");
    return 0;
}

static bool is_zero(const uint8_t *data, uint64_t len)
{
    for (uint64_t i = 0; i < len; i++) {
        if (data[i] != 0)
            return false;
    }
    return true;
}

static bool is_same_bytes(const struct side *a, const struct side *b, uint64_t len)
{
    const uint8_t *first = a->data ? a->data + a->extent.offset + a->done : NULL;
    const uint8_t *second = b->data ? b->data + b->extent.offset + b->done : NULL;

    if (first && second)
        return memcmp(first, second, (size_t)len) == 0;
    if (!first && !second)
        return true;
    return is_zero(first ? first : second, len);
}

int tz_same_content(struct tz_repo *repo, const struct tz_entry *a, const struct tz_entry *b,
                    bool *ret, struct tz_error *err)
{
    TZ_SCOPED(clear_side) struct side first = {0};
    TZ_SCOPED(clear_side) struct side second = {0};

    if (open_side(&first, repo, a, err) || open_side(&second, repo, b, err) ||
        advance(&first, 0, err) || advance(&second, 0, err))
        return -1;
    while (!first.end && !second.end) {
        uint64_t len = TZ_MIN(first.extent.len - first.done, second.extent.len - second.done);

        if (tz_interrupt_check(err))
            return -1;
        if (!is_same_place(&first, &second)) {
            if (load(&first, err) || load(&second, err))
                return -1;
            if (!is_same_bytes(&first, &second, len)) {
                *ret = false;
                return 0;
            }
        }
        if (advance(&first, len, err) || advance(&second, len, err))
            return -1;
    }
    *ret = first.end && second.end;
    return 0;
}
