#include "policy.h"

#include "tozai/util/time.h"

#include <string.h>

#include "tozai/util/banned.h"

#define DAY_NS        (INT64_C(86400) * TZ_SECOND_NS)
#define DEFAULT_DAYS  7
#define DEFAULT_WEEKS 4

static const char *find(const struct tz_config *config, const char *source, const char *key)
{
    char section[128];

    (void)snprintf(section, sizeof(section), "retention %s", source);
    const char *own = tz_config_pair_value(config->later, config->later_count, section, key, 0);
    return own ? own
               : tz_config_pair_value(config->later, config->later_count, "retention", key, 0);
}

/* The configuration was checked: it is a number. */
static uint64_t find_number(const struct tz_config *config, const char *source, const char *key)
{
    const char *value = find(config, source, key);

    return value ? strtoull(value, NULL, 10) : 0;
}

static bool says_what_to_keep(const struct tz_config *config, const char *source)
{
    static const char *const keys[] = {"last",    "hourly", "daily", "weekly",
                                       "monthly", "yearly", "within"};

    for (size_t i = 0; i < TZ_COUNT(keys); i++)
        if (find(config, source, keys[i]))
            return true;
    return false;
}

void tz_calendar_policy(struct tz_calendar_policy *ret, const struct tz_config *config,
                        const char *source)
{
    const char *within = find(config, source, "within");
    int64_t within_ns = 0;

    *ret = (struct tz_calendar_policy){
        .days = DEFAULT_DAYS,
        .weeks = DEFAULT_WEEKS,
        .zone = find(config, source, "timezone"),
    };
    if (!says_what_to_keep(config, source))
        return;
    if (within && tz_duration_parse(within, &within_ns, NULL))
        within_ns = 0;
    uint64_t days = (uint64_t)(within_ns / DAY_NS);
    ret->days = TZ_MAX(find_number(config, source, "daily"), days);
    ret->weeks = TZ_MAX(find_number(config, source, "weekly"), ret->days / 7);
}
