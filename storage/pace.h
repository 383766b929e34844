/*
 * How fast the bytes of a store pass that is reached through a file system: each piece has its
 * time, and the next one comes when that is over.
 *
 * Any number of threads.
 */
#ifndef TOZAI_STORAGE_PACE_H
#define TOZAI_STORAGE_PACE_H

#include "tozai/storage/limit.h"

struct tz_pace;

/* *ret NULL if there is no limit.  zone: by whose clock they hold, by its name in tzdata; NULL: the
 * system's.  TZ_INVALID if it is not known. */
int tz_pace_new(struct tz_pace **ret, const struct tz_store_limit limits[TZ_STORE_LIMITS],
                const char *zone, struct tz_error *err) TZ_MUST_CHECK;
void tz_pace_free(struct tz_pace *pace);

/* Both take NULL for a pace without a limit.
 * No more than so many bytes of len are to pass at once: a multiple of align, or all of them. */
size_t tz_pace_piece(struct tz_pace *pace, size_t len, size_t align);
/* Wait until a piece of len bytes may pass.  TZ_INTERRUPTED. */
int tz_pace_wait(struct tz_pace *pace, size_t len, struct tz_error *err) TZ_MUST_CHECK;

#endif
