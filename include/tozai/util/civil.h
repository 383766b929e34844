/*
 * Dates of the Gregorian calendar as numbers of days since 1970-01-01, also before 1970.
 */
#ifndef TOZAI_UTIL_CIVIL_H
#define TOZAI_UTIL_CIVIL_H

#include <stdbool.h>
#include <stdint.h>

int64_t tz_days_of_date(int64_t year, int month, int day);
void tz_date_of_days(int64_t days, int64_t *ret_year, int *ret_month, int *ret_day);
bool tz_is_leap_year(int64_t year);

#endif
