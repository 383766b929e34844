/* From the configuration to a policy. */
#include "plan.h"

#include "tozai/util/time.h"
#include "tozai/util/zone.h"

#include <stddef.h>
#include <string.h>

#include "tozai/util/banned.h"

#define DEFAULT_DAILY   7
#define DEFAULT_WEEKLY  4
#define DEFAULT_MINIMUM 3

struct rule {
    const char *key;
    size_t offset;
    bool duration; /* int64_t, else unsigned */
};
static const struct rule rules[] = {
    {"last", offsetof(struct tz_retention_policy, last), false},
    {"hourly", offsetof(struct tz_retention_policy, hourly), false},
    {"daily", offsetof(struct tz_retention_policy, daily), false},
    {"weekly", offsetof(struct tz_retention_policy, weekly), false},
    {"monthly", offsetof(struct tz_retention_policy, monthly), false},
    {"yearly", offsetof(struct tz_retention_policy, yearly), false},
    {"within", offsetof(struct tz_retention_policy, within_ns), true},
    {"window", offsetof(struct tz_retention_policy, window_ns), true},
};

/* tz_fail() with "FILE:LINE: " in front. */
#define fail_at(err, config, pair, ...)                                                            \
    ((void)tz_fail((err), TZ_INVALID, __VA_ARGS__),                                                \
     tz_while((err), "%s:%d", (config)->file, (pair)->line))

/* What is said of a source: in its own section, or else in the general one. */
static const struct tz_config_pair *find(const struct tz_config *config, const char *source,
                                         const char *key)
{
    static const char prefix[] = "retention ";
    const struct tz_config_pair *general = NULL;

    for (size_t i = 0; i < config->later_count; i++) {
        const struct tz_config_pair *pair = &config->later[i];
        if (strcmp(pair->key, key) != 0)
            continue;
        if (strncmp(pair->section, prefix, sizeof(prefix) - 1) == 0 &&
            strcmp(pair->section + sizeof(prefix) - 1, source) == 0)
            return pair;
        if (strcmp(pair->section, "retention") == 0)
            general = pair;
    }
    return general;
}

/* The configuration was checked: it is a number that fits. */
static unsigned number(const struct tz_config_pair *pair)
{
    return (unsigned)strtoul(pair->value, NULL, 10);
}

static int read_rule(const struct tz_config *config, struct tz_retention_policy *policy,
                     const struct rule *rule, const struct tz_config_pair *pair,
                     struct tz_error *err)
{
    if (rule->duration) {
        int64_t value;
        if (tz_duration_parse(pair->value, &value, err))
            return tz_while(err, "%s", pair->key);
        /* "within = 90" is meant to be days, and would be a minute and a half. */
        if (value > 0 && pair->value[strspn(pair->value, "0123456789")] == '\0') {
            (void)fail_at(err, config, pair, "%s: '%s' has no unit", pair->key, pair->value);
            return tz_hint(err, "write '%sd' for so many days; units are h, d and w", pair->value);
        }
        if (value > 0 && value < 3600 * TZ_SECOND_NS) {
            (void)fail_at(err, config, pair, "%s: '%s' is less than an hour", pair->key,
                          pair->value);
            return tz_hint(err, "m is minutes; for three months write '90d'");
        }
        memcpy((char *)policy + rule->offset, &value, sizeof(value));
    } else {
        unsigned value = number(pair);
        memcpy((char *)policy + rule->offset, &value, sizeof(value));
    }
    return 0;
}

/* *ret_where: a key that says what to keep, the last one of the file; NULL if none does. */
static int read_rules(const struct tz_config *config, const char *source,
                      struct tz_retention_policy *policy, const struct tz_config_pair **ret_where,
                      struct tz_error *err)
{
    *ret_where = NULL;
    for (size_t i = 0; i < TZ_COUNT(rules); i++) {
        const struct tz_config_pair *pair = find(config, source, rules[i].key);
        if (!pair)
            continue;
        if (read_rule(config, policy, &rules[i], pair, err))
            return -1;
        if (!*ret_where || pair->line > (*ret_where)->line)
            *ret_where = pair;
    }
    if (!*ret_where) {
        policy->daily = DEFAULT_DAILY;
        policy->weekly = DEFAULT_WEEKLY;
    }
    return 0;
}

/* The most that the counts can keep. */
static uint64_t count_most(const struct tz_retention_policy *policy)
{
    return (uint64_t)policy->last + policy->hourly + policy->daily + policy->weekly +
           policy->monthly + policy->yearly;
}

static int check(const struct tz_config *config, const char *source,
                 const struct tz_retention_policy *policy, const struct tz_config_pair *where,
                 struct tz_error *err)
{
    const struct tz_config_pair *minimum = find(config, source, "minimum_generations");
    bool by_age = policy->within_ns > 0 || policy->window_ns > 0;

    if (where && !by_age && count_most(policy) == 0) {
        (void)fail_at(err, config, where, "[%s] keeps no generation at all", where->section);
        return tz_hint(err, "say how many: such as 'daily = 7', 'last = 10' or 'within = 90d'");
    }
    if (minimum && policy->minimum_generations == 0) {
        (void)fail_at(err, config, minimum, "[%s]: minimum_generations is 0", minimum->section);
        return tz_hint(err, "one complete generation always stays: say 1 or more");
    }
    if (minimum && !by_age && count_most(policy) < policy->minimum_generations) {
        (void)fail_at(err, config, minimum,
                      "[%s]: minimum_generations = %u is more than the %llu that the policy keeps "
                      "at most",
                      minimum->section, policy->minimum_generations,
                      (unsigned long long)count_most(policy));
        return tz_hint(err, "so its rules would never count: lower the minimum, or raise them");
    }
    return 0;
}

static int read_zone(const struct tz_config *config, const struct tz_config_pair *pair,
                     struct tz_retention_policy *policy, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_zone) struct tz_zone *zone = NULL;
    size_t len = strlen(pair->value);

    if (len >= sizeof(policy->zone))
        return fail_at(err, config, pair, "the name of the time zone is too long");
    memcpy(policy->zone, pair->value, len + 1);
    if (tz_zone_open(&zone, policy->zone, err)) {
        (void)tz_retention_hint_zone(policy->zone, err);
        return tz_while(err, "%s:%d: timezone", config->file, pair->line);
    }
    return 0;
}

int tz_retention_policy(const struct tz_config *config, const char *source,
                        struct tz_retention_policy *ret, struct tz_error *err)
{
    struct tz_retention_policy policy = {.minimum_generations = DEFAULT_MINIMUM};
    const struct tz_config_pair *minimum = find(config, source, "minimum_generations");
    const struct tz_config_pair *zone = find(config, source, "timezone");
    const struct tz_config_pair *where;

    if (read_rules(config, source, &policy, &where, err))
        return -1;
    if (minimum)
        policy.minimum_generations = number(minimum);
    if (check(config, source, &policy, where, err) ||
        (zone && read_zone(config, zone, &policy, err)))
        return -1;
    *ret = policy;
    return 0;
}

int tz_retention_check(const struct tz_config *config, struct tz_error *err)
{
    struct tz_retention_policy policy;

    for (size_t i = 0; i < config->source_count; i++) {
        if (tz_retention_policy(config, config->sources[i].name, &policy, err))
            return -1;
    }
    /* Nobody's name: what the general section says by itself. */
    return config->source_count > 0 ? 0 : tz_retention_policy(config, "", &policy, err);
}
