/* The moments of tozai/util/time.h, read from text. */
#include "tozai/util/time.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tozai/util/banned.h"

#define DAY_SECONDS INT64_C(86400)

static const char time_hint[] =
    "write it like 2026-11-22T05:30:00Z, '2026-11-22 05:30' (local time), now, "
    "or an age such as -90s, -15m, -3h, -2d or -1w";

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Exactly this many digits; false leaves the rest unread. */
static bool get_number(const char **at, int digits, int *ret)
{
    int value = 0;

    for (int i = 0; i < digits; i++) {
        if (!is_digit((*at)[i]))
            return false;
        value = value * 10 + ((*at)[i] - '0');
    }
    *at += digits;
    *ret = value;
    return true;
}

static bool get_char(const char **at, char c)
{
    if (**at != c)
        return false;
    (*at)++;
    return true;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return month == 2 && leap ? 29 : days[month - 1];
}

/* What a text says, before it is known in which zone. */
struct clock_time {
    int year, month, day, hour, minute, second;
    int64_t rest_ns;
    bool has_zone;
    int offset_minutes; /* east of Greenwich */
};

static bool is_possible(const struct clock_time *t)
{
    return t->month >= 1 && t->month <= 12 && t->day >= 1 &&
           t->day <= days_in_month(t->year, t->month) && t->hour <= 23 && t->minute <= 59 &&
           t->second <= 59;
}

/* Seconds since 1970 if the text is UTC; years 0 to 9999 of the Gregorian calendar. */
static int64_t utc_seconds(const struct clock_time *t)
{
    /* Years that begin in March have the leap day at their end; 400 of them are 146097 days. */
    int64_t year = t->month <= 2 ? t->year + 399 : t->year + 400;
    int64_t month = (t->month + 9) % 12;
    int64_t day = (153 * month + 2) / 5 + t->day - 1;
    int64_t days = year * 365 + year / 4 - year / 100 + year / 400 + day - 146097 - 719468;

    return days * DAY_SECONDS + t->hour * INT64_C(3600) + t->minute * INT64_C(60) + t->second;
}

/* One to nine digits behind the point. */
static bool get_fraction(const char **at, int64_t *ret_ns)
{
    int64_t unit = TZ_SECOND_NS;
    int64_t value = 0;

    if (!is_digit(**at))
        return false;
    for (; is_digit(**at); (*at)++) {
        unit /= 10;
        if (unit == 0)
            return false;
        value += (**at - '0') * unit;
    }
    *ret_ns = value;
    return true;
}

/* "Z", "+09:00", "+0900", "+09" as PostgreSQL prints it, or nothing. */
static bool get_zone(const char **at, struct clock_time *t)
{
    int hours = 0;
    int minutes = 0;
    bool west = **at == '-';

    if (**at == '\0')
        return true;
    t->has_zone = true;
    if (get_char(at, 'Z') || get_char(at, 'z'))
        return true;
    if (!get_char(at, '+') && !get_char(at, '-'))
        return false;
    if (!get_number(at, 2, &hours))
        return false;
    if ((get_char(at, ':') || **at != '\0') && !get_number(at, 2, &minutes))
        return false;
    t->offset_minutes = (hours * 60 + minutes) * (west ? -1 : 1);
    return hours <= 23 && minutes <= 59;
}

/* "T05:30", "05:30:00.5+09:00", … behind the date and its separator. */
static bool get_clock(const char **at, struct clock_time *t)
{
    if (!get_number(at, 2, &t->hour) || !get_char(at, ':') || !get_number(at, 2, &t->minute))
        return false;
    if (get_char(at, ':')) {
        if (!get_number(at, 2, &t->second))
            return false;
        if (get_char(at, '.') && !get_fraction(at, &t->rest_ns))
            return false;
    }
    return get_zone(at, t);
}

static bool get_time(const char *text, struct clock_time *t)
{
    const char *at = text;

    if (!get_number(&at, 4, &t->year) || !get_char(&at, '-') || !get_number(&at, 2, &t->month) ||
        !get_char(&at, '-') || !get_number(&at, 2, &t->day))
        return false;
    if (*at == '\0')
        return true;
    if (!get_char(&at, 'T') && !get_char(&at, 't') && !get_char(&at, ' '))
        return false;
    return get_clock(&at, t) && *at == '\0';
}

/* The moment so many seconds after 1970; false if it is outside of 1677 to 2262. */
static bool join(int64_t seconds, int64_t rest_ns, int64_t *ret_ns)
{
    /* The first moments of the range are only reached from above. */
    if (seconds < 0) {
        seconds++;
        rest_ns -= TZ_SECOND_NS;
    }
    if (seconds < INT64_MIN / TZ_SECOND_NS || seconds > INT64_MAX / TZ_SECOND_NS)
        return false;
    int64_t whole_ns = seconds * TZ_SECOND_NS;
    if (rest_ns < 0 ? whole_ns < INT64_MIN - rest_ns : whole_ns > INT64_MAX - rest_ns)
        return false;
    *ret_ns = whole_ns + rest_ns;
    return true;
}

bool tz_time_parse_name(const char *text, int64_t *ret_ns)
{
    struct clock_time t = {0};
    const char *at = text;

    if (!get_number(&at, 4, &t.year) || !get_number(&at, 2, &t.month) ||
        !get_number(&at, 2, &t.day) || !get_char(&at, 'T') || !get_number(&at, 2, &t.hour) ||
        !get_number(&at, 2, &t.minute) || !get_number(&at, 2, &t.second) || !get_char(&at, 'Z') ||
        *at != '\0')
        return false;
    return is_possible(&t) && join(utc_seconds(&t), 0, ret_ns);
}

/*
 * The moment at which local clocks show this.  summer is 1 with summer time, 0 without, or -1 for
 * whatever applies then, and becomes what did apply.  False if they never show it.
 */
static bool local_seconds(const struct clock_time *t, int *summer, int64_t *ret)
{
    struct tm tm = {
        .tm_year = t->year - 1900,
        .tm_mon = t->month - 1,
        .tm_mday = t->day,
        .tm_hour = t->hour,
        .tm_min = t->minute,
        .tm_sec = t->second,
        .tm_isdst = *summer,
        .tm_wday = -1, /* stays so if mktime() fails; its -1 is also a moment in 1969 */
    };
    time_t seconds = mktime(&tm);

    /* mktime() moves what does not exist to what does. */
    if (tm.tm_wday < 0 || tm.tm_mday != t->day || tm.tm_hour != t->hour || tm.tm_min != t->minute)
        return false;
    *summer = tm.tm_isdst > 0;
    *ret = seconds;
    return true;
}

/* Local times that are skipped in spring or come twice in autumn are refused, not guessed. */
static int resolve_local(const char *text, const struct clock_time *t, int64_t *ret,
                         struct tz_error *err)
{
    int summer = -1;
    int64_t other;

    if (!local_seconds(t, &summer, ret))
        return tz_fail(err, TZ_INVALID, "'%s' does not exist in the local zone: clocks skip it",
                       text);
    summer = !summer;
    if (local_seconds(t, &summer, &other) && other != *ret)
        return tz_fail(err, TZ_INVALID,
                       "'%s' comes twice in the local zone: say which with 'Z' "
                       "or an offset like +02:00",
                       text);
    return 0;
}

/* An age such as "-3h"; the unit is required, for "-3" could mean anything. */
static int parse_age(const char *text, int64_t now_ns, int64_t *ret_ns, struct tz_error *err)
{
    int64_t age_ns;

    if (is_digit(text[strlen(text) - 1]))
        return tz_fail(err, TZ_INVALID, "'%s' is not an age: the unit is missing", text);
    if (tz_duration_parse(text + 1, &age_ns, NULL))
        return tz_fail(err, TZ_INVALID, "'%s' is not an age", text);
    if (now_ns < INT64_MIN + age_ns)
        return tz_fail(err, TZ_INVALID, "'%s' is before the year 1678", text);
    *ret_ns = now_ns - age_ns;
    return 0;
}

static int parse_date(const char *text, int64_t *ret_ns, struct tz_error *err)
{
    struct clock_time t = {0};
    int64_t seconds;

    if (!get_time(text, &t))
        return tz_fail(err, TZ_INVALID, "'%s' is not a time", text);
    if (!is_possible(&t))
        return tz_fail(err, TZ_INVALID, "'%s' is not a time: there is no such day or hour", text);
    if (t.has_zone)
        seconds = utc_seconds(&t) - t.offset_minutes * INT64_C(60);
    else if (resolve_local(text, &t, &seconds, err))
        return -1;
    if (!join(seconds, t.rest_ns, ret_ns))
        return tz_fail(err, TZ_INVALID, "'%s' is not between the years 1678 and 2261", text);
    return 0;
}

int tz_time_parse(const char *text, int64_t now_ns, int64_t *ret_ns, struct tz_error *err)
{
    if (strcmp(text, "now") == 0) {
        *ret_ns = now_ns;
        return 0;
    }
    if (text[0] == '-' ? parse_age(text, now_ns, ret_ns, err) : parse_date(text, ret_ns, err))
        return tz_hint(err, "%s", time_hint);
    return 0;
}
