/*
 * A set of chunk ids in memory: those on their way into the stores.
 */
#ifndef TOZAI_PACK_IDSET_H
#define TOZAI_PACK_IDSET_H

#include "tozai/core/crypto.h"

/* Open addressing with linear probing; ids are random already, so their first bytes are the hash.
 */
struct tz_idset {
    uint8_t (*slots)[TZ_ID_SIZE]; /* a zero id is a free slot */
    size_t cap, count;
};

void tz_idset_clear(struct tz_idset *set);
bool tz_idset_has(const struct tz_idset *set, const uint8_t id[TZ_ID_SIZE]);
int tz_idset_add(struct tz_idset *set, const uint8_t id[TZ_ID_SIZE],
                 struct tz_error *err) TZ_MUST_CHECK;
void tz_idset_remove(struct tz_idset *set, const uint8_t id[TZ_ID_SIZE]);

#endif
