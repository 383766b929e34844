/*
 * What a source's retention says of the calendar: its time zone, and how far back each day and week
 * keeps a generation, without which none can be missing.
 */
#ifndef TOZAI_CORE_SCHEDULE_POLICY_H
#define TOZAI_CORE_SCHEDULE_POLICY_H

#include "tozai/core/config.h"

struct tz_calendar_policy {
    uint64_t days, weeks;
    const char *zone; /* borrowed from the configuration; NULL: the system's */
};

/* Each key from [retention SOURCE] or else from [retention]; 7 days and 4 weeks if neither says
 * what to keep. */
void tz_calendar_policy(struct tz_calendar_policy *ret, const struct tz_config *config,
                        const char *source);

#endif
