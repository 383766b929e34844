#include "internal.h"

#include "tozai/util/civil.h"
#include "tozai/util/time.h"
#include "tozai/util/zone.h"

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
    const struct tz_zone *zone; /* of both */
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

/* When the day begins: a change of the clocks may skip its midnight, or repeat it. */
static int64_t begin_of(const struct calendar *calendar, int64_t day)
{
    int64_t moments[2];

    (void)tz_zone_moments(calendar->zone, day, 0, 0, moments);
    return moments[0];
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
    if (tz_cron_next(&schedule->cron, calendar->zone, slot->begin_ns - TZ_SECOND_NS, &next, err))
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
        int64_t year;
        bool due;

        tz_date_of_days(begin, &year, &slots[i].month, &slots[i].day);
        slots[i].year = (int)year;
        slots[i].begin_ns = begin_of(calendar, begin);
        slots[i].end_ns = begin_of(calendar, begin + step);
        if (was_due(calendar, &slots[i], &due, err))
            return -1;
        slots[i].missing = due && slots[i].points == 0 && back > 0 && back < kept;
    }
    return 0;
}

static int fill(struct tz_status_source *source, struct calendar *calendar, int64_t now_ns,
                struct tz_error *err)
{
    struct tz_local_time local;

    tz_zone_local(calendar->zone, now_ns, &local);
    calendar->today = local.days;
    for (size_t i = 0; i < source->point_count; i++) {
        const struct tz_status_point *point = &source->points[i];
        if (!point->complete)
            continue;
        tz_zone_local(calendar->zone, point->time_ns, &local);
        count_point(source, calendar, local.days, point->time_ns);
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
    TZ_SCOPED(tz_scoped_zone) struct tz_zone *zone = NULL;
    struct calendar calendar = {.policy = policy, .schedule = schedule, .first_ns = INT64_MAX};

    if (tz_zone_open(&zone, policy->zone, err))
        return -1;
    calendar.zone = zone;
    return fill(source, &calendar, now_ns, err);
}
