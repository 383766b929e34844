/*
 * Large buffers of one size that are used again instead of going back to the system, which would
 * have to clear their pages each time.
 *
 * Threads: any number at once.
 */
#ifndef TOZAI_UTIL_RECYCLE_H
#define TOZAI_UTIL_RECYCLE_H

#include "tozai/util/error.h"

#include <stddef.h>
#include <stdint.h>

struct tz_recycler;

/* Buffers of size bytes; at most keep unused ones are held. */
int tz_recycler_new(struct tz_recycler **ret, size_t size, unsigned keep,
                    struct tz_error *err) TZ_MUST_CHECK;
/* Frees those that it holds; what was taken is its taker's. */
void tz_recycler_free(struct tz_recycler *recycler);
TZ_DEFINE_SCOPED(struct tz_recycler *, tz_scoped_recycler, tz_recycler_free)

/* A buffer with any content; plain malloc() memory. */
int tz_recycler_take(struct tz_recycler *recycler, uint8_t **ret,
                     struct tz_error *err) TZ_MUST_CHECK;
/* NULL is allowed. */
void tz_recycler_give(struct tz_recycler *recycler, uint8_t *buffer);

#endif
