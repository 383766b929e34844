/*
 * Lists that grow.
 */
#ifndef TOZAI_UTIL_GROW_H
#define TOZAI_UTIL_GROW_H

#include "tozai/util/error.h"

#include <stddef.h>

/*
 * Room for one more item of this size behind count of them.  items is the address of the pointer to
 * the first one, which realloc() may move; *cap is how many there is room for.  On failure,
 * TZ_NOMEM, nothing has changed.
 */
int tz_grow(void *items, size_t count, size_t *cap, size_t size,
            struct tz_error *err) TZ_MUST_CHECK;

#endif
