/*
 * What a zone consists of.
 */
#ifndef TOZAI_UTIL_ZONE_PRIVATE_H
#define TOZAI_UTIL_ZONE_PRIVATE_H

#include "zone_rule.h"

#include "tozai/util/zone.h"

#define TZ_ZONE_TYPES     256
#define TZ_ZONE_RULE_TEXT 128

struct tz_zone {
    /* From each time on the clocks show offsets[types[i]]; before the first one, offsets[0]. */
    int64_t *times;
    uint8_t *types;
    size_t count;
    int32_t offsets[TZ_ZONE_TYPES];
    /* From the last time on. */
    bool has_rule;
    struct tz_zone_rule rule;
};

#endif
