#include "tozai/util/time.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tozai/util/banned.h"

static int64_t read_clock(clockid_t id)
{
    struct timespec now;

    (void)clock_gettime(id, &now); /* these two clocks always exist */
    return (int64_t)now.tv_sec * TZ_SECOND_NS + now.tv_nsec;
}

int64_t tz_now(void)
{
    return read_clock(CLOCK_REALTIME);
}

int64_t tz_monotonic(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

/* Whole seconds, rounded down also before 1970, and the nanoseconds above them. */
static time_t split(int64_t time_ns, int64_t *ret_rest_ns)
{
    int64_t seconds = time_ns / TZ_SECOND_NS;
    int64_t rest = time_ns % TZ_SECOND_NS;

    if (rest < 0) {
        seconds--;
        rest += TZ_SECOND_NS;
    }
    *ret_rest_ns = rest;
    return (time_t)seconds;
}

void tz_time_format(char *text, int64_t time_ns)
{
    int64_t rest;
    time_t seconds = split(time_ns, &rest);
    struct tm tm;

    (void)gmtime_r(&seconds, &tm);
    size_t len = strftime(text, TZ_TIME_TEXT, "%Y-%m-%dT%H:%M:%S", &tm);
    if (rest)
        (void)snprintf(text + len, TZ_TIME_TEXT - len, ".%09" PRId64 "Z", rest);
    else
        (void)snprintf(text + len, TZ_TIME_TEXT - len, "Z");
}

void tz_time_format_local(char *text, int64_t time_ns)
{
    int64_t rest;
    time_t seconds = split(time_ns, &rest);
    struct tm tm;

    (void)localtime_r(&seconds, &tm);
    (void)strftime(text, TZ_TIME_TEXT, "%Y-%m-%d %H:%M:%S", &tm);
}

void tz_time_format_name(char *text, int64_t time_ns)
{
    int64_t rest;
    time_t seconds = split(time_ns, &rest);
    struct tm tm;

    (void)gmtime_r(&seconds, &tm);
    (void)strftime(text, TZ_TIME_TEXT, "%Y%m%dT%H%M%SZ", &tm);
}
