#include "tozai/util/grow.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tozai/util/banned.h"

#define FIRST_CAP 64

int tz_grow(void *items, size_t count, size_t *cap, size_t size, struct tz_error *err)
{
    size_t more = *cap ? 2 * *cap : FIRST_CAP;
    void *old, *fresh = NULL;

    if (count < *cap)
        return 0;
    memcpy(&old, items, sizeof(old)); /* whatever type it points to */
    if (*cap <= SIZE_MAX / 2 && more <= SIZE_MAX / size)
        fresh = realloc(old, more * size);
    if (!fresh)
        return tz_fail_nomem(err);
    memcpy(items, &fresh, sizeof(fresh));
    *cap = more;
    return 0;
}
