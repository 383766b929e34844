/*
 * How fast a store may be used: "20M", or by the time of day "20M, 08:00-20:00 2M, 22:00-06:00
 * none".
 */
#include "value.h"

#include "tozai/util/time.h"

#include <stdio.h>
#include <string.h>

#include "tozai/util/banned.h"

#define RATE_MIN    1024U
#define RATE_TEXT   32
#define HOUR        60U
#define DAY_MINUTES (24 * HOUR)

/* What is read of the list. */
struct limits {
    struct tz_store_limit times[TZ_STORE_LIMITS];
    size_t time_count;
    struct tz_store_limit otherwise;
    bool has_otherwise;
    bool taken[DAY_MINUTES]; /* by one of the times */
};

/* "2M", "2MiB", "2M/s", "2MiB/s", "none" */
static int read_rate(const char *text, uint64_t *ret, struct tz_error *err)
{
    char size[RATE_TEXT];
    size_t len = strlen(text);

    if (strcmp(text, "none") == 0) {
        *ret = 0;
        return 0;
    }
    if (len > 2 && strcmp(text + len - 2, "/s") == 0)
        len -= 2;
    if (len > 3 && text[len - 2] == 'i' && text[len - 1] == 'B' && strchr("KMGT", text[len - 3]))
        len -= 2;
    (void)snprintf(size, sizeof(size), "%.*s", (int)TZ_MIN(len, sizeof(size) - 1), text);
    if (len >= sizeof(size) || tz_size_parse(size, ret, NULL)) {
        (void)tz_fail(err, TZ_INVALID, "'%s' is not a rate", text);
        return tz_hint(err,
                       "write bytes in a second, such as 500K, 2M or 2MiB/s, or 'none'; a time "
                       "comes before it, as in 08:00-20:00 2M");
    }
    if (*ret < RATE_MIN) {
        (void)tz_fail(err, TZ_INVALID, "'%s' is too slow: at least 1K", text);
        return tz_hint(err, "'none' is no limit");
    }
    return 0;
}

/* Two digits and a colon, and two more: "08:00" to "24:00".  NULL if it does not begin so. */
static const char *read_minute(const char *text, unsigned *ret)
{
    unsigned value[2];

    for (size_t i = 0; i < 2; i++) {
        const char *at = text + 3 * i;
        if (at[0] < '0' || at[0] > '9' || at[1] < '0' || at[1] > '9' || (i == 0 && at[2] != ':'))
            return NULL;
        value[i] = (unsigned)(at[0] - '0') * 10 + (unsigned)(at[1] - '0');
    }
    *ret = value[0] * HOUR + value[1];
    return value[1] < HOUR && *ret <= DAY_MINUTES ? text + 5 : NULL;
}

static int fail_time(const char *text, struct tz_error *err)
{
    (void)tz_fail(err, TZ_INVALID, "'%.*s' is not a time of the day", (int)strcspn(text, " \t"),
                  text);
    return tz_hint(err, "write it as 08:00-20:00, or as 22:00-06:00 over midnight");
}

static int take_minutes(struct limits *limits, unsigned begin, unsigned end, struct tz_error *err)
{
    for (unsigned i = begin; i != end; i = (i + 1) % DAY_MINUTES) {
        if (limits->taken[i])
            return tz_fail(err, TZ_INVALID, "there are two limits for %02u:%02u", i / HOUR,
                           i % HOUR);
        limits->taken[i] = true;
    }
    return 0;
}

/* "08:00-20:00 2M" */
static int add_time(struct limits *limits, const char *text, struct tz_error *err)
{
    unsigned begin = 0, end = 0;
    const char *at = read_minute(text, &begin);

    at = at && *at == '-' ? read_minute(at + 1, &end) : NULL;
    if (!at || (*at && *at != ' ' && *at != '\t'))
        return fail_time(text, err);
    at += strspn(at, " \t");
    if (!*at)
        return tz_fail(err, TZ_INVALID, "there is no rate behind '%s'", text);
    if (begin % DAY_MINUTES == end % DAY_MINUTES) {
        (void)tz_fail(err, TZ_INVALID, "'%.11s' is all day or nothing", text);
        return tz_hint(err, "write a rate without a time for the whole day");
    }
    if (limits->time_count == TZ_STORE_LIMITS - 1)
        return tz_fail(err, TZ_INVALID, "there are more than %d times", TZ_STORE_LIMITS - 1);
    struct tz_store_limit *limit = &limits->times[limits->time_count++];
    *limit = (struct tz_store_limit){.begin_minute = begin % DAY_MINUTES, .end_minute = end};
    if (read_rate(at, &limit->rate, err))
        return -1;
    return take_minutes(limits, limit->begin_minute, end % DAY_MINUTES, err);
}

static int add(struct limits *limits, const char *text, struct tz_error *err)
{
    if (strchr(text, ':'))
        return add_time(limits, text, err);
    if (read_rate(text, &limits->otherwise.rate, err))
        return -1;
    if (limits->has_otherwise)
        return tz_fail(err, TZ_INVALID, "there is a second rate without a time, '%s'", text);
    limits->has_otherwise = true;
    return 0;
}

int tz_value_limits(struct tz_store_limit ret[TZ_STORE_LIMITS], const char *text,
                    struct tz_error *err)
{
    struct tz_config_list items = {0};
    struct limits limits = {0};
    int failed = tz_value_list(&items, text, NULL, err);

    for (size_t i = 0; !failed && i < items.count; i++)
        failed = add(&limits, items.items[i], err);
    for (size_t i = 0; i < items.count; i++)
        free(items.items[i]);
    free(items.items);
    if (failed)
        return -1;
    /* What holds at some time comes before what holds otherwise. */
    limits.times[limits.time_count] = limits.otherwise;
    memcpy(ret, limits.times, sizeof(limits.times));
    return 0;
}

int tz_check_limits(char *text, struct tz_error *err)
{
    struct tz_store_limit limits[TZ_STORE_LIMITS];

    return tz_value_limits(limits, text, err);
}
