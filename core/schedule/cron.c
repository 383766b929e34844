#include "tozai/core/schedule.h"

#include "tozai/util/civil.h"

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
    [MINUTE] = {"a minute", 0, 59, NULL},
    [HOUR] = {"an hour", 0, 23, NULL},
    [DAY] = {"a day of the month", 1, 31, NULL},
    [MONTH] = {"a month", 1, 12, "janfebmaraprmayjunjulaugsepoctnovdec"},
    /* 7 is Sunday, too. */
    [WEEKDAY] = {"a day of the week", 0, 7, "sunmontuewedthufrisat"},
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
        return tz_fail(err, TZ_INVALID, "'%.*s' is not %s (%u to %u)", (int)TZ_MIN(len, 64U), text,
                       field->name, field->min, field->max);
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
    int64_t year;
    int month, day;
    int64_t weekday = ((number + 4) % 7 + 7) % 7; /* 1970-01-01 was a Thursday */

    tz_date_of_days(number, &year, &month, &day);
    bool by_day = cron->days >> day & 1;
    bool by_weekday = cron->weekdays >> weekday & 1;
    return (cron->months >> month & 1) &&
           (cron->either_day ? by_day || by_weekday : by_day && by_weekday);
}

/* *best_ns: the earliest so far that lies behind after_ns; INT64_MAX: none. */
static void consider_time(const struct tz_cron *cron, const struct tz_zone *zone, int64_t day,
                          int hour, int minute, int64_t after_ns, int64_t *best_ns)
{
    int64_t moments[2];
    int count = tz_zone_moments(zone, day, hour, minute, moments);

    for (int i = 0; i < (cron->every_hour ? count : 1); i++)
        if (moments[i] > after_ns)
            *best_ns = TZ_MIN(*best_ns, moments[i]);
}

static int64_t first_of_day(const struct tz_cron *cron, const struct tz_zone *zone, int64_t day,
                            int64_t after_ns)
{
    int64_t best_ns = INT64_MAX;

    if (!matches_day(cron, day))
        return best_ns;
    for (int hour = 0; hour < 24; hour++)
        for (int minute = 0; minute < 60 && (cron->hours >> hour & 1); minute++)
            if (cron->minutes >> minute & 1)
                consider_time(cron, zone, day, hour, minute, after_ns, &best_ns);
    return best_ns;
}

int tz_cron_next(const struct tz_cron *cron, const struct tz_zone *zone, int64_t after_ns,
                 int64_t *ret_ns, struct tz_error *err)
{
    struct tz_local_time now;
    int64_t found_ns = INT64_MAX;

    tz_zone_local(zone, after_ns, &now);
    /* A skipped time of yesterday may come today. */
    int64_t day = now.days - 1;
    for (; day < now.days + SEARCH_DAYS && found_ns == INT64_MAX; day++)
        found_ns = first_of_day(cron, zone, day, after_ns);
    if (found_ns == INT64_MAX)
        return tz_fail(err, TZ_INVALID, "the cron expression does not fire within forty years");
    /* Where clocks change at midnight, the next day's may be earlier than one that is late. */
    *ret_ns = TZ_MIN(found_ns, first_of_day(cron, zone, day, after_ns));
    return 0;
}
