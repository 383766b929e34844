/*
 * Content-defined chunking: a keyed gear hash with normalised chunk sizes.
 *
 * Source: Xia et al., "FastCDC" (USENIX ATC 2016): cut points below the average need more zero
 * bits, those above it fewer, so that sizes gather around the average.  The gear table comes from
 * the repository's chunker seed.  A cut depends only on the 64 bytes before it and on where the
 * chunk began.
 *
 * Threads: a chunker is read-only after it was made; scans belong to their callers.
 */
#ifndef TOZAI_CORE_CHUNKER_H
#define TOZAI_CORE_CHUNKER_H

#include "tozai/core/crypto.h"

struct tz_chunk_sizes {
    /* bytes; average a power of two, 64 <= min < average < max */
    uint32_t min, average, max;
};
/* Chosen by measurement, see docs/decisions.md. */
extern const struct tz_chunk_sizes tz_chunk_sizes_large; /* large files */
extern const struct tz_chunk_sizes tz_chunk_sizes_small; /* the stream of small files */

/* Files below this size go into the small-file stream. */
#define TZ_SMALL_FILE 65536U

struct tz_chunker {
    uint64_t gear[256];
};
void tz_chunker_init(struct tz_chunker *chunker, const uint8_t seed[TZ_KEY_SIZE]);

/* How far a chunk was looked at. Zero at its beginning. */
struct tz_chunk_scan {
    uint64_t hash;
    size_t at;
};
/*
 * Look for the end of the chunk that begins at data, of which len bytes are there; what scan says
 * was looked at before is not looked at again.  Returns the chunk's length (and resets scan), or 0
 * if it does not end within len.
 */
size_t tz_chunker_find(const struct tz_chunker *chunker, const struct tz_chunk_sizes *sizes,
                       struct tz_chunk_scan *scan, const uint8_t *data, size_t len);

#endif
