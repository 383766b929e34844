#include "zone.h"

#include "tozai/core/schedule.h"
#include "tozai/util/time.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "tozai/util/banned.h"

#define ANY_DAY     UINT32_C(0xfffffffe)
#define SEARCH_DAYS 14700 /* leap days are at most eight years apart, on one weekday forty */

struct field {
    const char *name;
    unsigned min, max;
    const char *names; /* three letters each, of min and so on; NULL: none */
};

enum { MINUTE, HOUR, DAY, MONTH, WEEKDAY, FIELDS };

static const struct field fields[FIELDS] = {
    [MINUTE] = {"minute", 0, 59, NULL},
    [HOUR] = {"hour", 0, 23, NULL},
    [DAY] = {"day of the month", 1, 31, NULL},
    [MONTH] = {"month", 1, 12, "janfebmaraprmayjunjulaugsepoctnovdec"},
    /* 7 is Sunday, too. */
    [WEEKDAY] = {"day of the week", 0, 7, "sunmontuewedthufrisat"},
};

static const struct {
    const char *name, *text;
} shortcuts[] = {
    {"@hourly", "0 * * * *"},   {"@daily", "0 0 * * *"},   {"@midnight", "0 0 * * *"},
    {"@weekly", "0 0 * * 0"},   {"@monthly", "0 0 1 * *"}, {"@yearly", "0 0 1 1 *"},
    {"@annually", "0 0 1 1 *"},
};

/* A number or a name at *at, which moves behind it. */
static bool read_value(const struct field *field, const char **at, unsigned *ret)
{
    const char *text = *at;
    unsigned value = 0;

    if (isdigit((unsigned char)text[0])) {
        while (isdigit((unsigned char)*text) && value < 1000)
            value = value * 10 + (unsigned)(*text++ - '0');
    } else {
        const char *name = field->names;
        while (name && *name && strncasecmp(name, text, 3) != 0)
            name += 3;
        if (!name || !*name)
            return false;
        value = field->min + (unsigned)(name - field->names) / 3;
        text += 3;
    }
    if (value < field->min || value > field->max || isalnum((unsigned char)*text))
        return false;
    *at = text;
    *ret = value;
    return true;
}

/* "*", "3", "3-7", each with "/2"; one without an end but with a step goes to the field's end. */
static bool read_range(const struct field *field, const char **at, uint64_t *set)
{
    unsigned from = field->min, to = field->max, step = 1;
    bool star = **at == '*';

    if (star)
        (*at)++;
    else if (!read_value(field, at, &from))
        return false;
    if (!star)
        to = from;
    if (!star && **at == '-') {
        (*at)++;
        if (!read_value(field, at, &to))
            return false;
        /* "fri-sun" */
        if (field == &fields[WEEKDAY] && to == 0 && from > 0)
            to = 7;
    } else if (!star && **at == '/') {
        to = field->max;
    }
    if (**at == '/') {
        const struct field steps = {"step", 1, field->max + 1, NULL};
        (*at)++;
        if (!read_value(&steps, at, &step))
            return false;
    }
    for (unsigned value = from; value <= to; value += step)
        *set |= UINT64_C(1) << value;
    return from <= to;
}

static int read_field(const struct field *field, const char *text, size_t len, uint64_t *ret,
                      struct tz_error *err)
{
    const char *at = text;
    uint64_t set = 0;
    bool good;

    while ((good = read_range(field, &at, &set)) && *at == ',')
        at++;
    if (!good || at != text + len)
        return tz_fail(err, TZ_INVALID, "'%.*s' is not a %s (%u to %u)", (int)TZ_MIN(len, 64U),
                       text, field->name, field->min, field->max);
    *ret = set;
    return 0;
}

static const char *expand(const char *text)
{
    for (size_t i = 0; i < TZ_COUNT(shortcuts); i++)
        if (strcasecmp(shortcuts[i].name, text) == 0)
            return shortcuts[i].text;
    return text;
}

/* The number of fields, and where they begin. */
static size_t split(const char *text, const char **starts, size_t *lens)
{
    size_t count = 0;

    for (text += strspn(text, " \t"); *text; text += strspn(text, " \t")) {
        size_t len = strcspn(text, " \t");
        if (count < FIELDS) {
            starts[count] = text;
            lens[count] = len;
        }
        count++;
        text += len;
    }
    return count;
}

/* Some month must have one of its days, unless a weekday is enough. */
static bool fires(const struct tz_cron *cron)
{
    static const unsigned lengths[] = {0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    if (cron->either_day)
        return true;
    for (unsigned month = 1; month <= 12; month++) {
        uint32_t days = (uint32_t)((UINT64_C(2) << lengths[month]) - 2);
        if ((cron->months >> month & 1) && (cron->days & days))
            return true;
    }
    return false;
}

int tz_cron_parse(struct tz_cron *ret, const char *text, struct tz_error *err)
{
    const char *starts[FIELDS] = {0};
    size_t lens[FIELDS] = {0};
    uint64_t sets[FIELDS] = {0};

    if (split(expand(text), starts, lens) != FIELDS) {
        (void)tz_fail(err, TZ_INVALID, "'%.64s' is not a cron expression", text);
        return tz_hint(err, "write minute, hour, day, month and weekday, such as '0 3 * * *'");
    }
    for (size_t i = 0; i < FIELDS; i++)
        if (read_field(&fields[i], starts[i], lens[i], &sets[i], err))
            return -1;
    struct tz_cron cron = {
        .minutes = sets[MINUTE],
        .hours = (uint32_t)sets[HOUR],
        .days = (uint32_t)sets[DAY],
        .months = (uint32_t)sets[MONTH],
        .weekdays = (uint32_t)((sets[WEEKDAY] | sets[WEEKDAY] >> 7) & 0x7f),
        .every_hour = starts[HOUR][0] == '*',
        .either_day = starts[DAY][0] != '*' && starts[WEEKDAY][0] != '*',
    };
    if (!fires(&cron))
        return tz_fail(err, TZ_INVALID, "'%.64s' never fires: no month in it has such a day", text);
    *ret = cron;
    return 0;
}

static bool matches_day(const struct tz_cron *cron, int64_t number)
{
    int year, month, day;
    int64_t weekday = ((number + 4) % 7 + 7) % 7; /* 1970-01-01 was a Thursday */

    tz_day_date(number, &year, &month, &day);
    bool by_day = cron->days >> day & 1;
    bool by_weekday = cron->weekdays >> weekday & 1;
    return (cron->months >> month & 1) &&
           (cron->either_day ? by_day || by_weekday : by_day && by_weekday);
}

/* The moment of a local time with (1) or without (0) summer time; false if it is another one. */
static bool find_moment(int64_t number, int hour, int minute, int summer, time_t *ret)
{
    int year, month, day;

    tz_day_date(number, &year, &month, &day);
    struct tm local = {.tm_year = year - 1900,
                       .tm_mon = month - 1,
                       .tm_mday = day,
                       .tm_hour = hour,
                       .tm_min = minute,
                       .tm_isdst = summer};
    *ret = mktime(&local);
    return local.tm_mday == day && local.tm_hour == hour && local.tm_min == minute;
}

/* Take the moment if it lies behind after and before the best one so far. */
static void consider(time_t moment, time_t after, time_t *best)
{
    if (moment > after && (*best < 0 || moment < *best))
        *best = moment;
}

static void consider_time(const struct tz_cron *cron, int64_t day, int hour, int minute,
                          time_t after, time_t *best)
{
    time_t moments[2];
    bool plain = find_moment(day, hour, minute, 0, &moments[0]);
    bool summer = find_moment(day, hour, minute, 1, &moments[1]);

    /* Twice: the earlier one is that of summer time.  Skipped: by the clock before the change. */
    if (plain && summer && moments[0] != moments[1]) {
        consider(TZ_MIN(moments[0], moments[1]), after, best);
        if (cron->every_hour)
            consider(TZ_MAX(moments[0], moments[1]), after, best);
    } else {
        consider(summer && !plain ? moments[1] : moments[0], after, best);
    }
}

static time_t first_of_day(const struct tz_cron *cron, int64_t day, time_t after)
{
    time_t best = -1;

    for (int hour = 0; hour < 24; hour++) {
        for (int minute = 0; minute < 60 && (cron->hours >> hour & 1); minute++)
            if (cron->minutes >> minute & 1)
                consider_time(cron, day, hour, minute, after, &best);
    }
    return best;
}

static int find_next(const struct tz_cron *cron, int64_t after_ns, int64_t *ret_ns,
                     struct tz_error *err)
{
    time_t after = (time_t)(after_ns / TZ_SECOND_NS - (after_ns % TZ_SECOND_NS < 0));
    int64_t today;

    if (tz_day_of(after_ns, &today, NULL, err))
        return -1;
    /* A skipped time of yesterday may come today. */
    for (int64_t day = today - 1; day < today + SEARCH_DAYS; day++) {
        time_t found = matches_day(cron, day) ? first_of_day(cron, day, after) : -1;
        if (found < 0)
            continue;
        *ret_ns = (int64_t)found * TZ_SECOND_NS;
        return 0;
    }
    return tz_fail(err, TZ_INVALID, "the cron expression does not fire within forty years");
}

int tz_cron_next(const struct tz_cron *cron, const char *zone, int64_t after_ns, int64_t *ret_ns,
                 struct tz_error *err)
{
    struct tz_process_zone entered;

    if (tz_process_zone_enter(&entered, zone, err))
        return -1;
    int failed = find_next(cron, after_ns, ret_ns, err);
    tz_process_zone_leave(&entered);
    return failed;
}
