/*
 * Local times in a named zone: the process' zone is another one from enter to leave.
 */
#ifndef TOZAI_CORE_SCHEDULE_ZONE_H
#define TOZAI_CORE_SCHEDULE_ZONE_H

#include "tozai/util/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct tz_process_zone {
    char *before;
    bool entered;
};

/* zone "": nothing is changed. */
int tz_process_zone_enter(struct tz_process_zone *ret, const char *zone,
                          struct tz_error *err) TZ_MUST_CHECK;
void tz_process_zone_leave(struct tz_process_zone *zone);

/* Days since 1970-01-01 of a date of the proleptic Gregorian calendar, and back. */
int64_t tz_day_number(int64_t year, int64_t month, int64_t day);
void tz_day_date(int64_t number, int *ret_year, int *ret_month, int *ret_day);
/* The local date of a moment. */
int tz_day_of(int64_t time_ns, int64_t *ret_day, struct tm *ret_local,
              struct tz_error *err) TZ_MUST_CHECK;

#endif
