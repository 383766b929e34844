#include "plan.h"

#include "tozai/util/zone.h"

#include <string.h>

#include "tozai/util/banned.h"

/* All generations of a plan, the newest first. */
struct plan {
    const struct tz_retention_policy *policy;
    struct tz_retention_item **items;
    struct tz_local_time *local; /* of each */
    size_t count;
    int64_t now_ns;
};

static int compare(const void *a, const void *b)
{
    const struct tz_retention_item *left = *(struct tz_retention_item *const *)a;
    const struct tz_retention_item *right = *(struct tz_retention_item *const *)b;

    if (left->time_ns != right->time_ns)
        return left->time_ns < right->time_ns ? 1 : -1;
    return memcmp(right->id, left->id, TZ_HASH_SIZE);
}

uint64_t tz_retention_age(int64_t time_ns, int64_t now_ns)
{
    return time_ns < now_ns ? (uint64_t)now_ns - (uint64_t)time_ns : 0;
}

/* Numbers that are the same for moments of one period, and rise with time. */
typedef int64_t period_fn(const struct tz_local_time *local);

static int64_t hour_of(const struct tz_local_time *local)
{
    return local->days * 24 + local->hour;
}

static int64_t day_of(const struct tz_local_time *local)
{
    return local->days;
}

static int64_t week_of(const struct tz_local_time *local)
{
    /* An ISO week begins on Monday, and 1970-01-01 was a Thursday. */
    int64_t days = local->days + 3;

    return days / 7 - (days % 7 < 0);
}

static int64_t month_of(const struct tz_local_time *local)
{
    return local->year * 12 + local->month;
}

static int64_t year_of(const struct tz_local_time *local)
{
    return local->year;
}

struct period {
    int64_t number;
    size_t item;
};

/* The latest period first, and in it the newest item. */
static int compare_periods(const void *a, const void *b)
{
    const struct period *left = a;
    const struct period *right = b;

    if (left->number != right->number)
        return left->number < right->number ? 1 : -1;
    return left->item < right->item ? -1 : left->item > right->item;
}

/*
 * Keep the newest of each of the latest periods.  They need a sort of their own: where the clocks
 * go back over midnight, a day comes again after the next one has begun.
 */
static int keep_periods(const struct plan *plan, unsigned wanted, period_fn *period_of,
                        unsigned reason, struct tz_error *err)
{
    size_t count = 0;
    TZ_SCOPED(tz_scoped_free)
    struct period *periods = calloc(plan->count + 1, sizeof(periods[0]));

    if (!periods)
        return tz_fail_nomem(err);
    for (size_t i = 0; i < plan->count && wanted > 0; i++) {
        if (plan->items[i]->complete)
            periods[count++] = (struct period){period_of(&plan->local[i]), i};
    }
    qsort(periods, count, sizeof(periods[0]), compare_periods);
    for (size_t i = 0; i < count && wanted > 0; i++) {
        if (i > 0 && periods[i].number == periods[i - 1].number)
            continue;
        plan->items[periods[i].item]->reasons |= reason;
        wanted--;
    }
    return 0;
}

static int keep_calendar(const struct plan *plan, struct tz_error *err)
{
    const struct tz_retention_policy *policy = plan->policy;
    const struct {
        period_fn *period_of;
        unsigned wanted;
        unsigned reason;
    } rules[] = {
        {hour_of, policy->hourly, TZ_KEEP_HOURLY}, {day_of, policy->daily, TZ_KEEP_DAILY},
        {week_of, policy->weekly, TZ_KEEP_WEEKLY}, {month_of, policy->monthly, TZ_KEEP_MONTHLY},
        {year_of, policy->yearly, TZ_KEEP_YEARLY},
    };

    for (size_t i = 0; i < TZ_COUNT(rules); i++) {
        if (keep_periods(plan, rules[i].wanted, rules[i].period_of, rules[i].reason, err))
            return -1;
    }
    return 0;
}

static void keep_last(const struct plan *plan)
{
    unsigned left = plan->policy->last;

    for (size_t i = 0; i < plan->count && left > 0; i++) {
        if (plan->items[i]->complete) {
            plan->items[i]->reasons |= TZ_KEEP_LAST;
            left--;
        }
    }
}

static void keep_young(const struct plan *plan)
{
    uint64_t within = (uint64_t)plan->policy->within_ns;
    uint64_t window = (uint64_t)plan->policy->window_ns;
    bool reached = window == 0;

    for (size_t i = 0; i < plan->count; i++) {
        struct tz_retention_item *item = plan->items[i];
        uint64_t age = tz_retention_age(item->time_ns, plan->now_ns);
        if (!item->complete)
            continue;
        if (within > 0 && age <= within)
            item->reasons |= TZ_KEEP_WITHIN;
        /* The first one that is as old as the window is what its first moments had. */
        if (!reached)
            item->reasons |= TZ_KEEP_WINDOW;
        reached = reached || age >= window;
    }
}

/* Whatever the policy says. */
static void keep_others(const struct plan *plan)
{
    bool any_complete = false;
    bool any_verified = false;

    for (size_t i = 0; i < plan->count; i++) {
        struct tz_retention_item *item = plan->items[i];
        any_complete = any_complete || item->complete;
        if (!any_complete)
            item->reasons |= TZ_KEEP_UNKNOWN;
        if (item->complete && item->verified && !any_verified) {
            item->reasons |= TZ_KEEP_VERIFIED;
            any_verified = true;
        }
        if (item->held)
            item->reasons |= TZ_KEEP_HELD;
    }
}

static void keep_minimum(const struct plan *plan)
{
    size_t kept = 0;

    for (size_t i = 0; i < plan->count; i++)
        kept += plan->items[i]->complete && plan->items[i]->reasons != 0;
    for (size_t i = 0; i < plan->count && kept < plan->policy->minimum_generations; i++) {
        if (plan->items[i]->complete && plan->items[i]->reasons == 0) {
            plan->items[i]->reasons = TZ_KEEP_MINIMUM;
            kept++;
        }
    }
}

static int make(const struct plan *plan, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_zone) struct tz_zone *zone = NULL;

    if (tz_zone_open(&zone, plan->policy->zone, err))
        return -1;
    qsort(plan->items, plan->count, sizeof(struct tz_retention_item *), compare);
    for (size_t i = 0; i < plan->count; i++) {
        plan->items[i]->reasons = 0;
        tz_zone_local(zone, plan->items[i]->time_ns, &plan->local[i]);
    }
    if (keep_calendar(plan, err))
        return -1;
    keep_last(plan);
    keep_young(plan);
    keep_others(plan);
    keep_minimum(plan);
    return 0;
}

int tz_retention_plan(const struct tz_retention_policy *policy, struct tz_retention_item *items,
                      size_t count, int64_t now_ns, bool force, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free)
    struct tz_retention_item **sorted = calloc(count + 1, sizeof(struct tz_retention_item *));
    TZ_SCOPED(tz_scoped_free)
    struct tz_local_time *local = calloc(count + 1, sizeof(local[0]));
    struct plan plan = {policy, sorted, local, count, now_ns};

    if (!sorted || !local)
        return tz_fail_nomem(err);
    for (size_t i = 0; i < count; i++)
        sorted[i] = &items[i];
    if (make(&plan, err))
        return -1;
    if (force)
        return 0;
    return tz_retention_check_clock(policy, (const struct tz_retention_item *const *)sorted, count,
                                    now_ns, err);
}

const char *tz_retention_reason_name(unsigned reason)
{
    static const char *const names[] = {
        "last",   "hourly", "daily",   "weekly",   "monthly", "yearly",
        "within", "window", "minimum", "verified", "held",    "unknown",
    };

    for (size_t i = 0; i < TZ_COUNT(names); i++) {
        if (reason == 1U << i)
            return names[i];
    }
    return NULL;
}
