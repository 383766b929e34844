/*
 * When a policy lets go of a generation.
 *
 * That depends on what is still to come: a generation is the newest of its week only until the next
 * one.  So each counts as one that may become the weekly, the monthly, the yearly one: locks may
 * last longer than needed, never shorter, as long as runs go on.
 */
#include "tozai/core/lock.h"

#include "tozai/core/retention.h"
#include "tozai/util/time.h"

#include <string.h>

#include "tozai/util/banned.h"

#define HOUR_NS    (INT64_C(3600) * TZ_SECOND_NS)
#define DAY_NS     (24 * HOUR_NS)
#define CENTURY_NS (36525 * DAY_NS)

/* So many of a period; no more than a century, so that no sum overflows. */
static int64_t span(unsigned count, int64_t period_ns)
{
    return TZ_MIN((int64_t)count, CENTURY_NS / period_ns) * period_ns;
}

static int64_t kept_for(const struct tz_config *config, const char *source)
{
    struct tz_retention_policy policy;

    /* That it can be read was checked with the configuration; the general one need not be used. */
    if (tz_retention_policy(config, source, &policy, NULL))
        return 0;
    const int64_t spans[] = {
        span(policy.hourly, HOUR_NS),         span(policy.last, DAY_NS), /* with a run each day */
        span(policy.daily, DAY_NS),           span(policy.weekly, 7 * DAY_NS),
        span(policy.monthly, 31 * DAY_NS),    span(policy.yearly, 366 * DAY_NS),
        TZ_MIN(policy.within_ns, CENTURY_NS), TZ_MIN(policy.window_ns, CENTURY_NS),
    };
    int64_t longest = 0;

    for (size_t i = 0; i < TZ_COUNT(spans); i++)
        longest = TZ_MAX(longest, spans[i]);
    return longest;
}

int64_t tz_lock_end(const struct tz_config *config, const char *source, int64_t now_ns)
{
    int64_t longest = kept_for(config, source ? source : "");

    for (size_t i = 0; !source && i < config->source_count; i++)
        longest = TZ_MAX(longest, kept_for(config, config->sources[i].name));
    return now_ns + longest + TZ_LOCK_MARGIN_NS;
}
