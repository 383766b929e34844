#include "tozai/core/labels.h"

#include "tozai/util/time.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tozai/util/banned.h"

#define DEFAULT_DAILY  7
#define DEFAULT_WEEKLY 4

/* The value for a source: of its own section, or of the general one. */
static const char *find_value(const struct tz_config *config, const char *source, const char *key)
{
    const char *value = NULL;

    for (size_t i = 0; i < config->later_count; i++) {
        const struct tz_config_pair *pair = &config->later[i];
        bool own = strncmp(pair->section, "retention ", 10) == 0 &&
                   strcmp(pair->section + 10, source) == 0;
        if (strcmp(pair->key, key) != 0 || (!own && strcmp(pair->section, "retention") != 0))
            continue;
        value = pair->value;
        if (own)
            break;
    }
    return value;
}

/* The configuration was checked: it is a number. */
static unsigned find_number(const struct tz_config *config, const char *source, const char *key,
                            unsigned otherwise)
{
    const char *value = find_value(config, source, key);

    return value ? (unsigned)strtoul(value, NULL, 10) : otherwise;
}

void tz_label_rules(struct tz_label_rules *ret, const struct tz_config *config, const char *source)
{
    *ret = (struct tz_label_rules){
        .daily = find_number(config, source, "daily", DEFAULT_DAILY),
        .weekly = find_number(config, source, "weekly", DEFAULT_WEEKLY),
        .timezone = find_value(config, source, "timezone"),
    };
}

static int set_zone(const char *zone, struct tz_error *err)
{
    if (zone ? setenv("TZ", zone, 1) : unsetenv("TZ"))
        return tz_fail_nomem(err);
    tzset();
    return 0;
}

/* Numbers that are the same for two moments of one day, or of one ISO week. */
struct date {
    long day;
    long week;
};

/* Days since 1970-01-01 of a date of the proleptic Gregorian calendar. */
static long days_from_civil(long year, long month, long day)
{
    /* The year begins in March, so that the leap day is its last one. */
    year -= month <= 2;
    long era = (year >= 0 ? year : year - 399) / 400;
    long year_of_era = year - era * 400;
    long day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    long day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static int find_date(struct date *ret, int64_t time_ns, struct tz_error *err)
{
    time_t seconds = (time_t)(time_ns / TZ_SECOND_NS - (time_ns % TZ_SECOND_NS < 0));
    struct tm local;

    if (!localtime_r(&seconds, &local))
        return tz_fail(err, TZ_FAILED, "a generation's time has no local date");
    ret->day = days_from_civil(local.tm_year + 1900L, local.tm_mon + 1L, local.tm_mday);
    /* The Monday of its week: 1970-01-01 was a Thursday. */
    long since_monday = (local.tm_wday + 6) % 7;
    ret->week = ret->day - since_monday;
    return 0;
}

static int label(const struct tz_label_rules *rules, const int64_t *times_ns, size_t count,
                 unsigned *labels, struct tz_error *err)
{
    struct date last = {0};
    unsigned days = 0, weeks = 0;

    for (size_t i = 0; i < count; i++) {
        struct date date;

        labels[i] = 0;
        if (find_date(&date, times_ns[i], err))
            return -1;
        if ((i == 0 || date.day != last.day) && days++ < rules->daily)
            labels[i] |= TZ_LABEL_DAILY;
        if ((i == 0 || date.week != last.week) && weeks++ < rules->weekly)
            labels[i] |= TZ_LABEL_WEEKLY;
        last = date;
    }
    return 0;
}

int tz_label_generations(const struct tz_label_rules *rules, const int64_t *times_ns, size_t count,
                         unsigned *ret_labels, struct tz_error *err)
{
    const char *zone = getenv("TZ");
    TZ_SCOPED(tz_scoped_free) char *before = zone ? strdup(zone) : NULL;

    if (zone && !before)
        return tz_fail_nomem(err);
    if (rules->timezone && set_zone(rules->timezone, err))
        return -1;
    int failed = label(rules, times_ns, count, ret_labels, err);
    if (rules->timezone && set_zone(before, failed ? NULL : err))
        return -1;
    return failed;
}
