#include "tozai/core/chunker.h"

#include "tozai/util/wire.h"

const struct tz_chunk_sizes tz_chunk_sizes_large = {64U << 10, 256U << 10, 1U << 20};
const struct tz_chunk_sizes tz_chunk_sizes_small = {16U << 10, 64U << 10, 256U << 10};

void tz_chunker_init(struct tz_chunker *chunker, const uint8_t seed[TZ_KEY_SIZE])
{
    for (unsigned i = 0; i < 256; i++) {
        uint8_t block[TZ_KEY_SIZE];
        tz_derive(block, seed, i, "tzgeartb");
        chunker->gear[i] = tz_load_le64(block);
        tz_wipe(block, sizeof(block));
    }
}

/* The number of bits of a power of two. */
static unsigned log2_of(uint32_t value)
{
    unsigned bits = 0;
    while (value >>= 1)
        bits++;
    return bits;
}

/* Advance while no cut is found; true with *at behind the cut byte. */
static bool roll(const uint64_t gear[256], const uint8_t *data, size_t *at, size_t end,
                 uint64_t *hash, uint64_t mask)
{
    uint64_t h = *hash;
    size_t i = *at;

    while (i < end) {
        h = (h << 1) + gear[data[i++]];
        if (!(h & mask)) {
            *at = i;
            *hash = h;
            return true;
        }
    }
    *at = i;
    *hash = h;
    return false;
}

size_t tz_chunker_find(const struct tz_chunker *chunker, const struct tz_chunk_sizes *sizes,
                       struct tz_chunk_scan *scan, const uint8_t *data, size_t len)
{
    /* The high bits of the hash know the last 64 bytes, the low ones only a few. */
    uint64_t below = UINT64_MAX >> log2_of(sizes->average);
    uint64_t strict = ~(below >> 1), loose = ~(below << 1 | 1); /* one bit more, one fewer */
    size_t at = scan->at;
    uint64_t hash = scan->hash;
    bool cut = false;

    /* Nothing is cut below the minimum; the hash needs the 64 bytes before it. */
    if (at < sizes->min - 64)
        at = sizes->min - 64;
    if (at < sizes->min && at < len) {
        size_t end = TZ_MIN((size_t)sizes->min, len);
        while (at < end)
            hash = (hash << 1) + chunker->gear[data[at++]];
    }
    if (at >= sizes->min && at < sizes->average)
        cut = roll(chunker->gear, data, &at, TZ_MIN((size_t)sizes->average, len), &hash, strict);
    if (!cut && at >= sizes->average)
        cut = roll(chunker->gear, data, &at, TZ_MIN((size_t)sizes->max, len), &hash, loose);

    if (cut || (len >= sizes->max && at >= sizes->max)) {
        *scan = (struct tz_chunk_scan){0};
        return at;
    }
    *scan = (struct tz_chunk_scan){.hash = hash, .at = TZ_MIN(at, len)};
    return 0;
}
