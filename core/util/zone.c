#include "zone_private.h"

#include "tozai/util/civil.h"
#include "tozai/util/file.h"
#include "tozai/util/time.h"

#include <errno.h>
#include <string.h>

#include "tozai/util/banned.h"

#define FILE_MAX    ((size_t)1 << 20)
#define DAY_SECONDS INT64_C(86400)

void tz_zone_free(struct tz_zone *zone)
{
    if (!zone)
        return;
    free(zone->times);
    free(zone->types);
    free(zone);
}

static int make_utc(struct tz_zone **ret, struct tz_error *err)
{
    struct tz_zone *zone = calloc(1, sizeof(*zone));

    if (!zone)
        return tz_fail_nomem(err);
    *ret = zone;
    return 0;
}

/* *ret stays NULL if there is no such file. */
static int read_file(struct tz_zone **ret, const char *path, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf data = {0};
    struct tz_error why = {0};

    if (tz_file_read(path, FILE_MAX, &data, &why)) {
        if (why.kind == TZ_NOT_FOUND || why.sys_errno == EISDIR || why.sys_errno == ENOTDIR)
            return 0;
        if (err)
            *err = why;
        return -1;
    }
    return tz_zone_read(ret, data.data, data.len, err) ? tz_while(err, "'%s'", path) : 0;
}

/* Where the C library looks, and where systems without /usr have it. */
static int find_named(struct tz_zone **ret, const char *name, struct tz_error *err)
{
    const char *own = getenv("TZDIR");
    const char *const folders[] = {own && *own ? own : "/usr/share/zoneinfo", "/etc/zoneinfo"};

    for (size_t i = 0; i < TZ_COUNT(folders) && !*ret; i++) {
        TZ_SCOPED(tz_scoped_free) char *path = tz_path_join(folders[i], name);
        if (!path)
            return tz_fail_nomem(err);
        if (read_file(ret, path, err))
            return -1;
    }
    if (!*ret && strcmp(name, "UTC") == 0)
        return make_utc(ret, err);
    return 0;
}

static bool is_name(const char *name)
{
    return name[0] != '\0' && name[0] != '/' && !strstr(name, "..");
}

static int open_named(struct tz_zone **ret, const char *name, struct tz_error *err)
{
    if (is_name(name) && find_named(ret, name, err))
        return -1;
    if (*ret)
        return 0;
    (void)tz_fail(err, TZ_INVALID, "there is no time zone '%s'", name);
    return tz_hint(err, "zones are the files below /usr/share/zoneinfo (package tzdata), such as "
                        "Asia/Tokyo or UTC");
}

/* TZ is a name, a path, or a rule such as "JST-9". */
static int open_variable(struct tz_zone **ret, const char *value, struct tz_error *err)
{
    const char *name = value[0] == ':' ? value + 1 : value;
    struct tz_zone_rule rule;

    if (*name == '\0')
        return make_utc(ret, err);
    if (name[0] == '/' ? read_file(ret, name, err) : is_name(name) && find_named(ret, name, err))
        return tz_while(err, "the environment variable TZ");
    if (*ret)
        return 0;
    if (!tz_zone_rule_read(&rule, name)) {
        (void)tz_fail(err, TZ_INVALID, "the environment variable TZ: there is no time zone '%s'",
                      name);
        return tz_hint(err, "say TZ=UTC or TZ=Asia/Tokyo, or 'timezone' in [retention]");
    }
    if (make_utc(ret, err))
        return -1;
    (*ret)->has_rule = true;
    (*ret)->rule = rule;
    return 0;
}

static int open_system(struct tz_zone **ret, struct tz_error *err)
{
    const char *value = getenv("TZ");

    if (value)
        return open_variable(ret, value, err);
    if (read_file(ret, "/etc/localtime", err))
        return -1;
    return *ret ? 0 : make_utc(ret, err);
}

int tz_zone_open(struct tz_zone **ret, const char *name, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_zone) struct tz_zone *zone = NULL;

    if (*name ? open_named(&zone, name, err) : open_system(&zone, err))
        return -1;
    *ret = TZ_TAKE(zone);
    return 0;
}

static int32_t find_offset(const struct tz_zone *zone, int64_t seconds)
{
    size_t low = 0, high = zone->count; /* the first time that is later than seconds */

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (zone->times[middle] <= seconds)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == zone->count && zone->has_rule)
        return tz_zone_rule_offset(&zone->rule, seconds);
    return zone->offsets[low > 0 ? zone->types[low - 1] : 0];
}

void tz_zone_local(const struct tz_zone *zone, int64_t time_ns, struct tz_local_time *ret)
{
    int64_t seconds = time_ns / TZ_SECOND_NS - (time_ns % TZ_SECOND_NS < 0);
    int32_t offset = find_offset(zone, seconds);
    int64_t local = seconds + offset;
    int64_t days = local / DAY_SECONDS - (local % DAY_SECONDS < 0);
    int rest = (int)(local - days * DAY_SECONDS);

    *ret = (struct tz_local_time){
        .days = days,
        .hour = rest / 3600,
        .minute = rest / 60 % 60,
        .second = rest % 60,
        .offset = offset,
    };
    tz_date_of_days(days, &ret->year, &ret->month, &ret->day);
}

int tz_zone_moments(const struct tz_zone *zone, int64_t days, int hour, int minute,
                    int64_t ret_ns[2])
{
    int64_t local = days * DAY_SECONDS + hour * INT64_C(3600) + minute * INT64_C(60);
    /* No clock is a day from Greenwich: these are those before and after a change that matters. */
    int32_t before = find_offset(zone, local - DAY_SECONDS);
    int32_t after = find_offset(zone, local + DAY_SECONDS);
    bool by_before = find_offset(zone, local - before) == before;
    bool by_after = find_offset(zone, local - after) == after;

    ret_ns[0] = (local - (by_after && !by_before ? after : before)) * TZ_SECOND_NS;
    ret_ns[1] = (local - after) * TZ_SECOND_NS;
    return before != after && by_before && by_after ? 2 : 1;
}
