/*
 * Moments and durations.
 *
 * A moment is nanoseconds since 1970 in UTC (1677 to 2262).  tz_now() is the only clock that the
 * rest of the program reads.
 */
#ifndef TOZAI_UTIL_TIME_H
#define TOZAI_UTIL_TIME_H

#include "tozai/util/error.h"

#include <stdbool.h>
#include <stdint.h>

#define TZ_SECOND_NS INT64_C(1000000000)

/* The wall clock. */
int64_t tz_now(void);
/* A clock that never goes back, for durations only. */
int64_t tz_monotonic(void);

/* "2026-11-22T05:30:00Z", with nine digits of fraction if there is one.  text holds 40 bytes. */
#define TZ_TIME_TEXT 40
void tz_time_format(char *text, int64_t time_ns);
/* "2026-11-22 14:30:00" in the local zone. */
void tz_time_format_local(char *text, int64_t time_ns);
/* "20261122T053000Z", as object names have it. */
void tz_time_format_name(char *text, int64_t time_ns);
/* The whole text must be one; false if not. */
bool tz_time_parse_name(const char *text, int64_t *ret_ns);

/*
 * An RFC 3339 time, "now", or an age like "-3h" or "-2d" before now_ns.  A time without a zone is
 * local; the clock part or its seconds may be missing ("2026-11-22", "2026-11-22 05:30").  Local
 * times that a change of the clocks skips or repeats are refused.
 */
int tz_time_parse(const char *text, int64_t now_ns, int64_t *ret_ns,
                  struct tz_error *err) TZ_MUST_CHECK;
/* "90s", "15m", "3h", "7d", "4w", or a plain number of seconds. */
int tz_duration_parse(const char *text, int64_t *ret_ns, struct tz_error *err) TZ_MUST_CHECK;
/* "4096", "64K", "32M", "1G", "2T": binary multiples. */
int tz_size_parse(const char *text, uint64_t *ret_bytes, struct tz_error *err) TZ_MUST_CHECK;
/* "1.3 GiB".  text holds 16 bytes. */
#define TZ_SIZE_TEXT 16
void tz_size_format(char *text, uint64_t bytes);

#endif
