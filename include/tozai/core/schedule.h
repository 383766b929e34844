/*
 * When something is due: so often, or at the times of a cron expression.
 *
 * Cron expressions have five fields (minute, hour, day of the month, month, day of the week) of
 * numbers, names, lists, ranges and steps, or are one of @hourly, @daily, @midnight, @weekly,
 * @monthly, @yearly and @annually.  If both day fields are given (neither begins with '*'), either
 * is enough.  A time that a change of the clocks skips comes as long after the change; one that
 * comes twice is taken once, unless the hour field begins with '*'.
 *
 * Any number of threads may ask.
 */
#ifndef TOZAI_CORE_SCHEDULE_H
#define TOZAI_CORE_SCHEDULE_H

#include "tozai/core/config.h"
#include "tozai/core/retention.h"
#include "tozai/util/zone.h"

struct tz_cron {
    uint64_t minutes;                       /* bit i: at minute i */
    uint32_t hours, days, months, weekdays; /* days and months count from 1; Sunday is 0 */
    bool every_hour;                        /* the field begins with '*' */
    bool either_day;                        /* a day or a weekday is enough */
};

/* TZ_INVALID for what is none, and for one that never fires. */
int tz_cron_parse(struct tz_cron *ret, const char *text, struct tz_error *err) TZ_MUST_CHECK;
/* The first moment behind after_ns at which it fires, by the clocks of the zone. */
int tz_cron_next(const struct tz_cron *cron, const struct tz_zone *zone, int64_t after_ns,
                 int64_t *ret_ns, struct tz_error *err) TZ_MUST_CHECK;

struct tz_schedule {
    int64_t every_ns; /* 0: cron */
    struct tz_cron cron;
    char zone[TZ_RETENTION_ZONE]; /* of the source's retention; "": the system's */
};

/* What [source X] says, or else [run], or else once a day. */
int tz_schedule_of(const struct tz_config *config, const struct tz_config_source *source,
                   struct tz_schedule *ret, struct tz_error *err) TZ_MUST_CHECK;

struct tz_due {
    int64_t due_ns;
    int64_t from_ns; /* from then on it is to be done: a little before, so that a timer that is a
                        little early does not pass it over */
    int64_t late_ns; /* from then on it is overdue */
};
/* After one at last_ns, and so many days of the calendar if every is of whole days; 0: there was
 * none, and it is due and overdue at once.  One that lies in the future of now_ns is no reason to
 * wait. */
int tz_schedule_due(const struct tz_schedule *schedule, int64_t last_ns, int64_t now_ns,
                    struct tz_due *ret, struct tz_error *err) TZ_MUST_CHECK;

#endif
