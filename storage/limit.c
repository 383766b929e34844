#include "tozai/storage/limit.h"

#include <stddef.h>

#include "tozai/util/banned.h"

static bool holds(const struct tz_store_limit *limit, unsigned minute)
{
    if (limit->begin_minute == 0 && limit->end_minute == 0)
        return true;
    if (limit->begin_minute < limit->end_minute)
        return minute >= limit->begin_minute && minute < limit->end_minute;
    return minute >= limit->begin_minute || minute < limit->end_minute;
}

uint64_t tz_limit_rate(const struct tz_store_limit limits[TZ_STORE_LIMITS], unsigned minute)
{
    for (size_t i = 0; i < TZ_STORE_LIMITS; i++)
        if (holds(&limits[i], minute))
            return limits[i].rate;
    return 0;
}

bool tz_limit_any(const struct tz_store_limit limits[TZ_STORE_LIMITS])
{
    for (size_t i = 0; i < TZ_STORE_LIMITS; i++)
        if (limits[i].rate > 0)
            return true;
    return false;
}

bool tz_limit_has_times(const struct tz_store_limit limits[TZ_STORE_LIMITS])
{
    for (size_t i = 0; i < TZ_STORE_LIMITS; i++)
        if (limits[i].begin_minute != 0 || limits[i].end_minute != 0)
            return true;
    return false;
}

unsigned tz_limit_minute(const struct tz_zone *zone, int64_t time_ns)
{
    struct tz_local_time local;

    tz_zone_local(zone, time_ns, &local);
    return (unsigned)(local.hour * 60 + local.minute);
}
