#include "internal.h"

#include "tozai/util/time.h"

#include "tozai/util/banned.h"

#define DAY_NS (INT64_C(86400) * TZ_SECOND_NS)
/* Clocks differ a little. */
#define AHEAD_NS (600 * TZ_SECOND_NS)

static void sum_up(struct tz_status_source *source, int64_t now_ns)
{
    for (size_t i = 0; i < source->point_count; i++) {
        const struct tz_status_point *point = &source->points[i];
        if (!point->complete)
            continue;
        source->total_bytes += point->bytes;
        source->total_new_bytes += point->new_bytes;
        source->total_stored_bytes += point->stored_bytes;
        source->drilled_ns = TZ_MAX(source->drilled_ns, point->drilled_ns);
        source->verified_ns = TZ_MAX(source->verified_ns, point->verified_ns);
        /* One that a wrong clock put into the future says nothing of the present. */
        if (!source->last && point->time_ns <= now_ns + AHEAD_NS)
            source->last = point;
    }
    if (source->total_new_bytes > 0)
        source->dedup = (double)source->total_bytes / (double)source->total_new_bytes;
    if (source->total_stored_bytes > 0)
        source->compression = (double)source->total_new_bytes / (double)source->total_stored_bytes;
}

/* How much larger the last one is than the newest of those that are so much older. */
static bool find_growth(const struct tz_status_source *source, int64_t span_ns, int64_t *ret)
{
    for (size_t i = 0; source->last && i < source->point_count; i++) {
        const struct tz_status_point *point = &source->points[i];
        if (!point->complete || point->time_ns > source->last->time_ns - span_ns)
            continue;
        *ret = (int64_t)(source->last->bytes - point->bytes);
        return true;
    }
    return false;
}

static int judge_due(struct tz_status_source *source, const struct tz_schedule *schedule,
                     int64_t now_ns, struct tz_error *err)
{
    struct tz_due due;

    if (tz_schedule_due(schedule, source->last ? source->last->time_ns : 0, now_ns, &due, err))
        return -1;
    source->due_ns = due.due_ns;
    source->from_ns = due.from_ns;
    source->late_ns = due.late_ns;
    if (now_ns >= due.late_ns)
        source->state = TZ_STATUS_OVERDUE;
    else if (source->last && source->last->degraded)
        source->state = TZ_STATUS_DEGRADED;
    return 0;
}

int tz_status_judge_source(struct tz_status_source *source, const struct tz_config *config,
                           int64_t now_ns, struct tz_error *err)
{
    const struct tz_config_source *configured = tz_config_find_source(config, source->name);
    struct tz_retention_policy policy;
    struct tz_schedule schedule = {0};

    sum_up(source, now_ns);
    if (source->last)
        source->age_ns = TZ_MAX(0, now_ns - source->last->time_ns);
    source->knows_week = find_growth(source, 7 * DAY_NS, &source->growth_week);
    source->knows_month = find_growth(source, 30 * DAY_NS, &source->growth_month);
    if (configured && (tz_schedule_of(config, configured, &schedule, err) ||
                       judge_due(source, &schedule, now_ns, err)))
        return -1;
    if (tz_retention_policy(config, source->name, &policy, err) ||
        (configured && tz_status_fill_rules(source, &policy, now_ns, err)))
        return -1;
    return tz_status_fill_calendar(source, &policy, configured ? &schedule : NULL, now_ns, err);
}
