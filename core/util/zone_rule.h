/*
 * What a zone's clocks do for ever, as POSIX writes it: "EST5EDT,M3.2.0,M11.1.0".
 */
#ifndef TOZAI_UTIL_ZONE_RULE_H
#define TOZAI_UTIL_ZONE_RULE_H

#include <stdbool.h>
#include <stdint.h>

enum tz_zone_day_kind {
    TZ_DAY_OF_YEAR,      /* "59": from 0, with leap days */
    TZ_DAY_WITHOUT_LEAP, /* "J60": from 1, as if there were none */
    TZ_DAY_OF_WEEK,      /* "M3.5.0": the last Sunday of March */
};

/* When the clocks are changed, each year. */
struct tz_zone_change {
    enum tz_zone_day_kind kind;
    int month, week, day;
    int32_t seconds; /* behind the midnight that begins the day, on the clocks before the change */
};

struct tz_zone_rule {
    int32_t offset; /* seconds east of Greenwich */
    bool has_summer;
    int32_t summer_offset;
    struct tz_zone_change to_summer, to_standard;
};

/* The whole text must be one; false if not. */
bool tz_zone_rule_read(struct tz_zone_rule *ret, const char *text);
int32_t tz_zone_rule_offset(const struct tz_zone_rule *rule, int64_t seconds);

#endif
