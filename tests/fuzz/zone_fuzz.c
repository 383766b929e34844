/* Files of tzdata, and the rules in them. */
#include "fuzz.h"

#include "core/util/zone_rule.h"
#include "tozai/util/time.h"
#include "tozai/util/zone.h"

#include <string.h>

/* What is shown is a date, and fits the moment. */
static void check_moment(const struct tz_zone *zone, int64_t seconds)
{
    struct tz_local_time local;

    tz_zone_local(zone, seconds * TZ_SECOND_NS, &local);
    check(local.month >= 1 && local.month <= 12 && local.day >= 1 && local.day <= 31);
    check(local.hour >= 0 && local.hour < 24 && local.minute >= 0 && local.minute < 60);
    check(local.second >= 0 && local.second < 60);
    check(local.days * 86400 + local.hour * 3600 + local.minute * 60 + local.second ==
          seconds + local.offset);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const int64_t moments[] = {-9223372036, -2208988800, -1,         0,          951782400,
                                      1795824000,  2147483647,  2147483648, 4102444800, 9223372036};
    TZ_SCOPED(tz_scoped_zone) struct tz_zone *zone = NULL;
    TZ_SCOPED(tz_scoped_free) char *text = malloc(len + 1);
    struct tz_zone_rule rule;

    check(text != NULL);
    if (len > 0)
        memcpy(text, data, len);
    text[len] = 0;
    if (tz_zone_rule_read(&rule, text)) {
        for (size_t i = 0; i < TZ_COUNT(moments); i++) {
            int32_t offset = tz_zone_rule_offset(&rule, moments[i]);
            check(offset == rule.offset || (rule.has_summer && offset == rule.summer_offset));
        }
    }
    if (tz_zone_read(&zone, data, len, NULL))
        return 0;
    for (size_t i = 0; i < TZ_COUNT(moments); i++)
        check_moment(zone, moments[i]);
    return 0;
}
