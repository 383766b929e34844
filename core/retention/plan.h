/*
 * The steps of a plan, for each other.
 */
#ifndef TOZAI_CORE_RETENTION_PLAN_H
#define TOZAI_CORE_RETENTION_PLAN_H

#include "tozai/core/retention.h"

/* now - time; 0 for what is later than now. */
uint64_t tz_retention_age(int64_t time_ns, int64_t now_ns);

/* Is now later than what the clock can have been when the newest item was made?  The items are
 * sorted, the newest first, and have their reasons.  TZ_INVALID if so. */
int tz_retention_check_clock(const struct tz_retention_policy *policy,
                             const struct tz_retention_item *const *items, size_t count,
                             int64_t now_ns, struct tz_error *err) TZ_MUST_CHECK;

/* near.c: there is no zone of this name: hint at one that there is, if it is near.  Always -1. */
int tz_retention_hint_zone(const char *name, struct tz_error *err);

#endif
