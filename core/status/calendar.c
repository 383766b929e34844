#include "../schedule/zone.h"
#include "internal.h"

#include "tozai/util/time.h"

#include "tozai/util/banned.h"

#define DAY_NS (INT64_C(86400) * TZ_SECOND_NS)

/* The Monday of a day's week: 1970-01-01 was a Thursday. */
static int64_t monday_of(int64_t day)
{
    return day - ((day + 3) % 7 + 7) % 7;
}

struct calendar {
    const struct tz_retention_policy *policy;
    const struct tz_schedule *schedule;
    int64_t today;
    int64_t first_ns; /* the oldest point */
};

static void count_point(struct tz_status_source *source, struct calendar *calendar, int64_t day,
                        int64_t time_ns)
{
    int64_t back = calendar->today - day;
    int64_t weeks_back = (monday_of(calendar->today) - monday_of(day)) / 7;

    if (back >= 0 && back < TZ_STATUS_DAYS)
        source->days[TZ_STATUS_DAYS - 1 - back].points++;
    if (weeks_back >= 0 && weeks_back < TZ_STATUS_WEEKS)
        source->weeks[TZ_STATUS_WEEKS - 1 - weeks_back].points++;
    calendar->first_ns = TZ_MIN(calendar->first_ns, time_ns);
}

static int64_t midnight_of(int64_t day)
{
    struct tm local = {.tm_isdst = -1};

    tz_day_date(day, &local.tm_year, &local.tm_mon, &local.tm_mday);
    local.tm_year -= 1900;
    local.tm_mon--;
    return (int64_t)mktime(&local) * TZ_SECOND_NS;
}

/* Should there have been a generation in this time? */
static int was_due(const struct calendar *calendar, const struct tz_status_slot *slot, bool *ret,
                   struct tz_error *err)
{
    const struct tz_schedule *schedule = calendar->schedule;
    int64_t next;

    *ret = false;
    if (!schedule || slot->end_ns <= calendar->first_ns)
        return 0;
    if (schedule->every_ns > 0) {
        /* A day of 23 hours is a day. */
        *ret = schedule->every_ns <= slot->end_ns - slot->begin_ns + DAY_NS / 24;
        return 0;
    }
    if (tz_cron_next(&schedule->cron, schedule->zone, slot->begin_ns - TZ_SECOND_NS, &next, err))
        return -1;
    *ret = next < slot->end_ns;
    return 0;
}

/* The present day and week are not over: what is not there may still come. */
static int fill_slots(struct tz_status_slot *slots, size_t count, int64_t last, int64_t step,
                      uint64_t kept, const struct calendar *calendar, struct tz_error *err)
{
    for (size_t i = 0; i < count; i++) {
        size_t back = count - 1 - i;
        int64_t begin = last - (int64_t)back * step;
        bool due;

        tz_day_date(begin, &slots[i].year, &slots[i].month, &slots[i].day);
        slots[i].begin_ns = midnight_of(begin);
        slots[i].end_ns = midnight_of(begin + step);
        if (was_due(calendar, &slots[i], &due, err))
            return -1;
        slots[i].missing = due && slots[i].points == 0 && back > 0 && back < kept;
    }
    return 0;
}

static int fill(struct tz_status_source *source, struct calendar *calendar, int64_t now_ns,
                struct tz_error *err)
{
    if (tz_day_of(now_ns, &calendar->today, NULL, err))
        return -1;
    for (size_t i = 0; i < source->point_count; i++) {
        const struct tz_status_point *point = &source->points[i];
        int64_t day;
        if (!point->complete)
            continue;
        if (tz_day_of(point->time_ns, &day, NULL, err))
            return -1;
        count_point(source, calendar, day, point->time_ns);
    }
    /* So far back each day and each week keeps a generation, without which none can be missing. */
    const struct tz_retention_policy *policy = calendar->policy;
    int64_t all_ns = TZ_MAX(policy->within_ns, policy->window_ns);
    uint64_t days = TZ_MAX((uint64_t)policy->daily, (uint64_t)(all_ns / DAY_NS));
    uint64_t weeks = TZ_MAX((uint64_t)policy->weekly, days / 7);
    if (fill_slots(source->days, TZ_STATUS_DAYS, calendar->today, 1, days, calendar, err))
        return -1;
    return fill_slots(source->weeks, TZ_STATUS_WEEKS, monday_of(calendar->today), 7, weeks,
                      calendar, err);
}

int tz_status_fill_calendar(struct tz_status_source *source,
                            const struct tz_retention_policy *policy,
                            const struct tz_schedule *schedule, int64_t now_ns,
                            struct tz_error *err)
{
    struct calendar calendar = {.policy = policy, .schedule = schedule, .first_ns = INT64_MAX};
    struct tz_process_zone entered;

    if (tz_process_zone_enter(&entered, policy->zone, err))
        return -1;
    int failed = fill(source, &calendar, now_ns, err);
    tz_process_zone_leave(&entered);
    return failed;
}
