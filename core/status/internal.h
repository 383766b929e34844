/*
 * The parts of the status; only core/status/ sees it.
 */
#ifndef TOZAI_CORE_STATUS_INTERNAL_H
#define TOZAI_CORE_STATUS_INTERNAL_H

#include "tozai/core/schedule.h"
#include "tozai/core/status.h"

/* Read all generations; each source of the configuration has an entry, also one without any. */
int tz_status_read_sources(struct tz_status *status, struct tz_repo *repo,
                           struct tz_error *err) TZ_MUST_CHECK;
/* What follows from the points: ages, sums, ratios, growth, state. */
int tz_status_judge_source(struct tz_status_source *source, const struct tz_config *config,
                           int64_t now_ns, struct tz_error *err) TZ_MUST_CHECK;
/* Which days and weeks there are; schedule NULL: none is expected. */
int tz_status_fill_calendar(struct tz_status_source *source,
                            const struct tz_retention_policy *policy,
                            const struct tz_schedule *schedule, int64_t now_ns,
                            struct tz_error *err) TZ_MUST_CHECK;

/* rules.c: what the policy keeps. */
int tz_status_fill_rules(struct tz_status_source *source, const struct tz_retention_policy *policy,
                         int64_t now_ns, struct tz_error *err) TZ_MUST_CHECK;

#endif
