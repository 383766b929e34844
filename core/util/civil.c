#include "tozai/util/civil.h"

#include "tozai/util/banned.h"

/* Years are counted from March here, so that the leap day is the last one, in eras of 400. */
#define ERA_YEARS 400
#define ERA_DAYS  INT64_C(146097)
#define YEAR_DAYS INT64_C(365)
/* From 0000-03-01 to 1970-01-01. */
#define EPOCH_DAYS INT64_C(719468)

static int64_t divide_down(int64_t number, int64_t by)
{
    return number / by - (number % by < 0);
}

int64_t tz_days_of_date(int64_t year, int month, int day)
{
    int64_t from_march = month > 2 ? month - 3 : month + 9;
    int64_t march_year = month > 2 ? year : year - 1;
    int64_t era = divide_down(march_year, ERA_YEARS);
    int64_t in_era = march_year - era * ERA_YEARS;
    int64_t day_of_year = (153 * from_march + 2) / 5 + day - 1;

    return era * ERA_DAYS + in_era * YEAR_DAYS + in_era / 4 - in_era / 100 + day_of_year -
           EPOCH_DAYS;
}

void tz_date_of_days(int64_t days, int64_t *ret_year, int *ret_month, int *ret_day)
{
    int64_t era = divide_down(days + EPOCH_DAYS, ERA_DAYS);
    int64_t in_era = days + EPOCH_DAYS - era * ERA_DAYS;
    /* 4, 100 and 400 years of days, less one: their last days do not begin another year. */
    int64_t year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / YEAR_DAYS;
    int64_t day_of_year = in_era - (year * YEAR_DAYS + year / 4 - year / 100);
    int64_t from_march = (5 * day_of_year + 2) / 153;

    *ret_day = (int)(day_of_year - (153 * from_march + 2) / 5 + 1);
    *ret_month = (int)(from_march < 10 ? from_march + 3 : from_march - 9);
    *ret_year = era * ERA_YEARS + year + (*ret_month <= 2);
}

bool tz_is_leap_year(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}
