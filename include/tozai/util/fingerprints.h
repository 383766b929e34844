/*
 * A set of 64-bit numbers: the first bytes of keyed hashes, say, of which many millions are to fit
 * into memory.
 *
 * Open addressing with linear probing in a table of a power of two, at most 3/4 full (Knuth, The
 * Art of Computer Programming, volume 3, 6.4).  Numbers should be uniform already; they are not
 * hashed again.  Not thread-safe.
 */
#ifndef TOZAI_UTIL_FINGERPRINTS_H
#define TOZAI_UTIL_FINGERPRINTS_H

#include "tozai/util/error.h"
#include "tozai/util/scope.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zero is an empty set. */
struct tz_fingerprints {
    uint64_t *slots; /* 0: free */
    size_t count, cap;
    bool has_zero;
};

void tz_fingerprints_clear(struct tz_fingerprints *set);
static inline TZ_UNUSED void tz_scoped_fingerprints(struct tz_fingerprints *set)
{
    tz_fingerprints_clear(set);
}
/* Takes all out and keeps the memory. */
void tz_fingerprints_reset(struct tz_fingerprints *set);
bool tz_fingerprints_has(const struct tz_fingerprints *set, uint64_t number);
int tz_fingerprints_add(struct tz_fingerprints *set, uint64_t number,
                        struct tz_error *err) TZ_MUST_CHECK;
/* The first bytes of a hash. */
uint64_t tz_fingerprint(const uint8_t *hash);

#endif
