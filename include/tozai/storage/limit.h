/*
 * How many bytes a second may pass to or from a store, and when.
 */
#ifndef TOZAI_STORAGE_LIMIT_H
#define TOZAI_STORAGE_LIMIT_H

#include "tozai/util/zone.h"

#include <stdbool.h>

/*
 * A limit of bytes per second and when it holds: minutes since midnight, [begin, end), over
 * midnight if end <= begin; both 0: always.  rate 0: no limit.  Of several the first that holds
 * counts; all zero: there is none.
 */
struct tz_store_limit {
    uint64_t rate;
    unsigned begin_minute, end_minute;
};
#define TZ_STORE_LIMITS 8

/* The rate that holds at this minute of the day, 0: no limit. */
uint64_t tz_limit_rate(const struct tz_store_limit limits[TZ_STORE_LIMITS], unsigned minute);
/* Is there one at any time of the day? */
bool tz_limit_any(const struct tz_store_limit limits[TZ_STORE_LIMITS]);
/* Does any of them hold for a part of the day only? */
bool tz_limit_has_times(const struct tz_store_limit limits[TZ_STORE_LIMITS]);
/* Minutes since midnight there. */
unsigned tz_limit_minute(const struct tz_zone *zone, int64_t time_ns);

#endif
