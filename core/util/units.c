/* The numbers with units of tozai/util/time.h: durations and sizes. */
#include "tozai/util/time.h"

#include <stdio.h>
#include <string.h>

#include "tozai/util/banned.h"

#define NO_UNIT (-1)

/*
 * "15m": the number, and which of the units stands behind it, if any.  A number that does not fit
 * becomes the largest that does.  False: it is something else.
 */
static bool get_number(const char *text, const char *units, uint64_t *ret, int *ret_unit)
{
    const char *at = text;
    uint64_t value = 0;

    for (; *at >= '0' && *at <= '9'; at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        value = value > (UINT64_MAX - digit) / 10 ? UINT64_MAX : value * 10 + digit;
    }
    const char *unit = *at ? strchr(units, *at) : NULL;
    if (at == text || (*at && (!unit || at[1])))
        return false;
    *ret = value;
    *ret_unit = unit ? (int)(unit - units) : NO_UNIT;
    return true;
}

int tz_duration_parse(const char *text, int64_t *ret_ns, struct tz_error *err)
{
    static const int64_t unit_seconds[] = {1, 60, 3600, 86400, INT64_C(7) * 86400};
    uint64_t count;
    int unit;

    if (!get_number(text, "smhdw", &count, &unit))
        return tz_fail(err, TZ_INVALID,
                       "'%s' is not a duration: write a number and s, m, h, d or w", text);
    int64_t unit_ns = TZ_SECOND_NS * (unit == NO_UNIT ? 1 : unit_seconds[unit]);
    if (count > (uint64_t)(INT64_MAX / unit_ns))
        return tz_fail(err, TZ_INVALID, "'%s' is too long: a duration ends at 292 years", text);
    *ret_ns = (int64_t)count * unit_ns;
    return 0;
}

int tz_size_parse(const char *text, uint64_t *ret_bytes, struct tz_error *err)
{
    uint64_t count;
    int unit;

    if (!get_number(text, "KMGTkmgt", &count, &unit))
        return tz_fail(err, TZ_INVALID,
                       "'%s' is not a size: write a number of bytes, or one with K, M, G or T",
                       text);
    unsigned shift = unit == NO_UNIT ? 0 : 10 * ((unsigned)unit % 4 + 1);
    /* What a file offset can hold. */
    if (count > (uint64_t)INT64_MAX >> shift)
        return tz_fail(err, TZ_INVALID, "'%s' is too large: a size ends at 8 EiB", text);
    *ret_bytes = count << shift;
    return 0;
}

void tz_size_format(char *text, uint64_t bytes)
{
    static const char units[] = "KMGTPE";

    if (bytes < 1024) {
        (void)snprintf(text, TZ_SIZE_TEXT, "%u B", (unsigned)bytes);
        return;
    }
    for (unsigned i = 0; i < strlen(units); i++) {
        unsigned shift = 10 * (i + 1);
        uint64_t whole = bytes >> shift;
        uint64_t part = bytes & ((UINT64_C(1) << shift) - 1);
        uint64_t half = UINT64_C(1) << (shift - 1);
        uint64_t tenths = whole * 10 + ((part * 10 + half) >> shift);
        /* 1023.97 KiB is printed as 1.0 MiB, not as 1024.0 KiB. */
        if (tenths >= 10240)
            continue;
        (void)snprintf(text, TZ_SIZE_TEXT, "%u.%u %ciB", (unsigned)(tenths / 10),
                       (unsigned)(tenths % 10), units[i]);
        return;
    }
}
