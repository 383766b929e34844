#include "tozai/core/schedule.h"

#include "tozai/util/time.h"

#include <string.h>

#include "tozai/util/banned.h"

#define MINUTE_NS (60 * TZ_SECOND_NS)
#define HOUR_NS   (60 * MINUTE_NS)
#define DAY_NS    (24 * HOUR_NS)

/* A timer may come so much early; no more, or a daily run would wander through the day. */
#define EARLY_NS (10 * MINUTE_NS)
/* How late something may be before anybody is told. */
#define LEAST_GRACE_NS (15 * MINUTE_NS)
#define MOST_GRACE_NS  (6 * HOUR_NS)

static int64_t grace(int64_t interval_ns)
{
    return TZ_MAX(LEAST_GRACE_NS, TZ_MIN(MOST_GRACE_NS, interval_ns / 4));
}

int tz_schedule_of(const struct tz_config *config, const struct tz_config_source *source,
                   struct tz_schedule *ret, struct tz_error *err)
{
    struct tz_retention_policy policy;
    const char *every = tz_config_pair_value(source->more, source->more_count, NULL, "every", 0);
    const char *cron = tz_config_pair_value(source->more, source->more_count, NULL, "cron", 0);

    if (!every && !cron) {
        every = tz_config_pair_value(config->later, config->later_count, "run", "every", 0);
        cron = tz_config_pair_value(config->later, config->later_count, "run", "cron", 0);
    }
    if (tz_retention_policy(config, source->name, &policy, err))
        return -1;
    *ret = (struct tz_schedule){.every_ns = DAY_NS};
    memcpy(ret->zone, policy.zone, sizeof(ret->zone));
    if (cron) {
        ret->every_ns = 0;
        return tz_cron_parse(&ret->cron, cron, err);
    }
    return every ? tz_duration_parse(every, &ret->every_ns, err) : 0;
}

/* So many days later at the same time of the day. */
static int64_t days_later(const struct tz_zone *zone, int64_t time_ns, int64_t days)
{
    struct tz_local_time local;
    int64_t moments[2];
    int64_t rest_ns = (time_ns % TZ_SECOND_NS + TZ_SECOND_NS) % TZ_SECOND_NS;

    tz_zone_local(zone, time_ns, &local);
    (void)tz_zone_moments(zone, local.days + days, local.hour, local.minute, moments);
    return moments[0] + local.second * TZ_SECOND_NS + rest_ns;
}

/*
 * Whole days are those of the calendar, or a daily run would be skipped where the clocks go
 * forward. The timer goes by the system's zone and the policy by its own, in which a day may be
 * longer or shorter: the earlier of the two is the time to begin, the later one the time that
 * counts.
 */
static int due_after(const struct tz_schedule *schedule, const struct tz_zone *zone,
                     int64_t last_ns, struct tz_due *ret, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_zone) struct tz_zone *system = NULL;
    int64_t every_ns = schedule->every_ns, days = every_ns / DAY_NS;
    int64_t here = last_ns + every_ns, there = here;

    if (every_ns % DAY_NS == 0) {
        if (tz_zone_open(&system, "", err))
            return -1;
        here = days_later(system, last_ns, days);
        there = days_later(zone, last_ns, days);
    }
    *ret = (struct tz_due){
        .due_ns = TZ_MAX(here, there),
        .from_ns = TZ_MIN(here, there) - TZ_MIN(EARLY_NS, every_ns / 10),
        .late_ns = TZ_MAX(here, there) + grace(every_ns),
    };
    return 0;
}

int tz_schedule_due(const struct tz_schedule *schedule, int64_t last_ns, int64_t now_ns,
                    struct tz_due *ret, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_zone) struct tz_zone *zone = NULL;
    int64_t due, next;

    if (last_ns == 0 || last_ns > now_ns + EARLY_NS) {
        *ret = (struct tz_due){.due_ns = now_ns, .from_ns = now_ns, .late_ns = now_ns};
        return 0;
    }
    if (tz_zone_open(&zone, schedule->zone, err))
        return -1;
    if (schedule->every_ns > 0)
        return due_after(schedule, zone, last_ns, ret, err);
    if (tz_cron_next(&schedule->cron, zone, last_ns, &due, err) ||
        tz_cron_next(&schedule->cron, zone, due, &next, err))
        return -1;
    *ret = (struct tz_due){.due_ns = due, .from_ns = due, .late_ns = due + grace(next - due)};
    return 0;
}
