#include "internal.h"

#include <string.h>

#include "tozai/util/banned.h"

static int plan(const struct tz_status_source *source, const struct tz_retention_policy *policy,
                int64_t now_ns, struct tz_retention_item *items, struct tz_error *err)
{
    for (size_t i = 0; i < source->point_count; i++) {
        const struct tz_status_point *point = &source->points[i];
        items[i] = (struct tz_retention_item){.time_ns = point->time_ns,
                                              .complete = point->complete,
                                              .verified = point->verified_ns != 0};
        memcpy(items[i].id, point->id, TZ_HASH_SIZE);
    }
    /* The clock is not asked whether it can be right: nothing goes by this. */
    return tz_retention_plan(policy, items, source->point_count, now_ns, true, err);
}

static unsigned count(const struct tz_retention_item *items, size_t item_count, unsigned reason)
{
    unsigned kept = 0;

    for (size_t i = 0; i < item_count; i++)
        kept += (items[i].reasons & reason) != 0;
    return kept;
}

int tz_status_fill_rules(struct tz_status_source *source, const struct tz_retention_policy *policy,
                         int64_t now_ns, struct tz_error *err)
{
    const struct {
        unsigned reason, wanted;
        int64_t span_ns;
    } rules[TZ_STATUS_RULES] = {
        {TZ_KEEP_LAST, policy->last, 0},        {TZ_KEEP_HOURLY, policy->hourly, 0},
        {TZ_KEEP_DAILY, policy->daily, 0},      {TZ_KEEP_WEEKLY, policy->weekly, 0},
        {TZ_KEEP_MONTHLY, policy->monthly, 0},  {TZ_KEEP_YEARLY, policy->yearly, 0},
        {TZ_KEEP_WITHIN, 0, policy->within_ns}, {TZ_KEEP_WINDOW, 0, policy->window_ns},
    };
    TZ_SCOPED(tz_scoped_free)
    struct tz_retention_item *items = calloc(source->point_count + 1, sizeof(items[0]));

    if (!items)
        return tz_fail_nomem(err);
    if (plan(source, policy, now_ns, items, err))
        return -1;
    for (size_t i = 0; i < TZ_COUNT(rules); i++) {
        if (rules[i].wanted == 0 && rules[i].span_ns == 0)
            continue;
        source->rules[source->rule_count++] = (struct tz_status_rule){
            .name = tz_retention_reason_name(rules[i].reason),
            .wanted = rules[i].wanted,
            .span_ns = rules[i].span_ns,
            .kept = count(items, source->point_count, rules[i].reason),
        };
    }
    source->minimum = policy->minimum_generations;
    return 0;
}
