/*
 * Time zones: what the clocks of a place show at a moment.
 *
 * Read from the files of tzdata (RFC 8536), so that several zones can be used at once and none is
 * the process's.  A zone does not change once it is open: any number of threads may use it.
 */
#ifndef TOZAI_UTIL_ZONE_H
#define TOZAI_UTIL_ZONE_H

#include "tozai/util/error.h"

#include <stddef.h>
#include <stdint.h>

struct tz_zone;

/*
 * A zone by its name in tzdata ("Asia/Tokyo").  "" is the system's: that of the environment
 * variable TZ, or else of /etc/localtime, or else UTC.  TZ_INVALID if there is no such zone.
 */
int tz_zone_open(struct tz_zone **ret, const char *name, struct tz_error *err) TZ_MUST_CHECK;
void tz_zone_free(struct tz_zone *zone);
TZ_DEFINE_SCOPED(struct tz_zone *, tz_scoped_zone, tz_zone_free)

/* The contents of a file of tzdata; TZ_INVALID for what is not one, and for one that counts leap
 * seconds. */
int tz_zone_read(struct tz_zone **ret, const void *data, size_t len,
                 struct tz_error *err) TZ_MUST_CHECK;

/* What a calendar on the wall and the clock beside it show, in the Gregorian calendar. */
struct tz_local_time {
    int64_t days; /* since 1970-01-01 */
    int64_t year;
    int month, day; /* from 1 */
    int hour, minute, second;
    int32_t offset; /* seconds east of Greenwich */
};
void tz_zone_local(const struct tz_zone *zone, int64_t time_ns, struct tz_local_time *ret);

/*
 * The moments at which the clocks show this time, the earlier one first, and how many there are: 1,
 * or 2 where a change of the clocks repeats it.  For a time that a change skips it is the 1 that
 * clocks without the change would show it at: so much later than the change.
 */
int tz_zone_moments(const struct tz_zone *zone, int64_t days, int hour, int minute,
                    int64_t ret_ns[2]);

#endif
