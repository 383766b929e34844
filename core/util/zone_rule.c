#include "zone_rule.h"

#include "tozai/util/civil.h"
#include "tozai/util/scope.h"

#include <string.h>

#include "tozai/util/banned.h"

#define HOUR INT32_C(3600)
#define DAY  INT32_C(86400)

/* What is left out: the rules of the United States, as everywhere. */
static const char default_changes[] = ",M3.2.0,M11.1.0";

static bool read_char(const char **at, char c)
{
    if (**at != c)
        return false;
    (*at)++;
    return true;
}

/* Up to three digits. */
static bool read_number(const char **at, int min, int max, int *ret)
{
    int value = 0;
    int digits = 0;

    for (; **at >= '0' && **at <= '9' && digits < 3; digits++)
        value = value * 10 + (*(*at)++ - '0');
    *ret = value;
    return digits > 0 && value >= min && value <= max;
}

/* "JST" or "<+0330>". */
static bool skip_name(const char **at)
{
    bool quoted = read_char(at, '<');
    size_t len = strspn(*at, quoted ? "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                      "0123456789+-"
                                    : "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");

    *at += len;
    return len >= 3 && (!quoted || read_char(at, '>'));
}

/* "[+-]hh[:mm[:ss]]" */
static bool read_time(const char **at, int max_hours, int32_t *ret)
{
    int hours = 0, minutes = 0, seconds = 0;
    bool negative = read_char(at, '-');

    if (!negative)
        (void)read_char(at, '+');
    if (!read_number(at, 0, max_hours, &hours))
        return false;
    if (read_char(at, ':') && (!read_number(at, 0, 59, &minutes) ||
                               (read_char(at, ':') && !read_number(at, 0, 59, &seconds))))
        return false;
    *ret = (hours * HOUR + minutes * 60 + seconds) * (negative ? -1 : 1);
    return true;
}

/* They are counted to the west here. */
static bool read_offset(const char **at, int32_t *ret)
{
    if (!read_time(at, 24, ret))
        return false;
    *ret = -*ret;
    return true;
}

static bool read_change(const char **at, struct tz_zone_change *ret)
{
    bool good = false;

    *ret = (struct tz_zone_change){.seconds = 2 * HOUR};
    if (!read_char(at, ','))
        return false;
    if (read_char(at, 'M')) {
        ret->kind = TZ_DAY_OF_WEEK;
        good = read_number(at, 1, 12, &ret->month) && read_char(at, '.') &&
               read_number(at, 1, 5, &ret->week) && read_char(at, '.') &&
               read_number(at, 0, 6, &ret->day);
    } else if (read_char(at, 'J')) {
        ret->kind = TZ_DAY_WITHOUT_LEAP;
        good = read_number(at, 1, 365, &ret->day);
    } else {
        ret->kind = TZ_DAY_OF_YEAR;
        good = read_number(at, 0, 365, &ret->day);
    }
    return good && (!read_char(at, '/') || read_time(at, 167, &ret->seconds));
}

bool tz_zone_rule_read(struct tz_zone_rule *ret, const char *text)
{
    struct tz_zone_rule rule = {0};
    const char *at = text;

    if (!skip_name(&at) || !read_offset(&at, &rule.offset))
        return false;
    if (*at) {
        rule.has_summer = true;
        rule.summer_offset = rule.offset + HOUR;
        if (!skip_name(&at) || (*at && *at != ',' && !read_offset(&at, &rule.summer_offset)))
            return false;
        if (*at == '\0')
            at = default_changes;
        if (!read_change(&at, &rule.to_summer) || !read_change(&at, &rule.to_standard) || *at)
            return false;
    }
    *ret = rule;
    return true;
}

/* The day of the n-th such weekday of a month, or of the last one. */
static int64_t find_weekday(int64_t year, const struct tz_zone_change *change)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int length = lengths[change->month - 1] + (change->month == 2 && tz_is_leap_year(year));
    int64_t first = tz_days_of_date(year, change->month, 1);
    /* 1970-01-01 was a Thursday. */
    int weekday = (int)(((first + 4) % 7 + 7) % 7);
    int day = (change->day - weekday + 7) % 7 + (change->week - 1) * 7;

    return first + (day < length ? day : day - 7);
}

static int64_t find_day(int64_t year, const struct tz_zone_change *change)
{
    int64_t first = tz_days_of_date(year, 1, 1);

    switch (change->kind) {
    case TZ_DAY_OF_WEEK:
        return find_weekday(year, change);
    case TZ_DAY_WITHOUT_LEAP:
        return first + change->day - 1 + (change->day >= 60 && tz_is_leap_year(year));
    case TZ_DAY_OF_YEAR:
        break;
    }
    return first + change->day;
}

int32_t tz_zone_rule_offset(const struct tz_zone_rule *rule, int64_t seconds)
{
    int64_t days = (seconds + rule->offset) / DAY - ((seconds + rule->offset) % DAY < 0);
    int64_t latest = INT64_MIN;
    int64_t year;
    int month, day;
    int32_t offset = rule->offset;

    if (!rule->has_summer)
        return offset;
    tz_date_of_days(days, &year, &month, &day);
    /* The change that was the last one.  A change may lie some days outside of its year; two at
     * once are the end of a summer and the beginning of the next one: it never ends. */
    for (int64_t y = year - 2; y <= year + 1; y++) {
        const struct {
            int64_t time;
            int32_t offset;
        } changes[] = {
            {find_day(y, &rule->to_standard) * DAY + rule->to_standard.seconds -
                 rule->summer_offset,
             rule->offset},
            {find_day(y, &rule->to_summer) * DAY + rule->to_summer.seconds - rule->offset,
             rule->summer_offset},
        };
        for (size_t i = 0; i < TZ_COUNT(changes); i++) {
            if (changes[i].time <= seconds && changes[i].time >= latest) {
                latest = changes[i].time;
                offset = changes[i].offset;
            }
        }
    }
    return offset;
}
