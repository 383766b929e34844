#include "zone.h"

#include "tozai/util/time.h"

#include <stdlib.h>
#include <string.h>

#include "tozai/util/banned.h"

int tz_process_zone_enter(struct tz_process_zone *ret, const char *zone, struct tz_error *err)
{
    const char *now = getenv("TZ");
    char *before = now ? strdup(now) : NULL;

    *ret = (struct tz_process_zone){0};
    if (!zone[0]) {
        free(before);
        return 0;
    }
    if ((now && !before) || setenv("TZ", zone, 1)) {
        free(before);
        return tz_fail_nomem(err);
    }
    tzset();
    *ret = (struct tz_process_zone){.before = before, .entered = true};
    return 0;
}

void tz_process_zone_leave(struct tz_process_zone *zone)
{
    if (!zone->entered)
        return;
    /* Without memory the variable stays: unset is the system's zone, which is the usual one. */
    if (!zone->before || setenv("TZ", zone->before, 1))
        (void)unsetenv("TZ");
    tzset();
    free(zone->before);
    *zone = (struct tz_process_zone){0};
}

int64_t tz_day_number(int64_t year, int64_t month, int64_t day)
{
    /* The year begins in March, so that the leap day is its last one. */
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
           719468;
}

void tz_day_date(int64_t number, int *ret_year, int *ret_month, int *ret_day)
{
    time_t seconds = (time_t)number * 86400;
    struct tm date = {0};

    (void)gmtime_r(&seconds, &date);
    *ret_year = date.tm_year + 1900;
    *ret_month = date.tm_mon + 1;
    *ret_day = date.tm_mday;
}

int tz_day_of(int64_t time_ns, int64_t *ret_day, struct tm *ret_local, struct tz_error *err)
{
    time_t seconds = (time_t)(time_ns / TZ_SECOND_NS - (time_ns % TZ_SECOND_NS < 0));
    struct tm local;

    if (!localtime_r(&seconds, &local))
        return tz_fail(err, TZ_FAILED, "a time has no local date");
    *ret_day = tz_day_number(local.tm_year + 1900L, local.tm_mon + 1L, local.tm_mday);
    if (ret_local)
        *ret_local = local;
    return 0;
}
