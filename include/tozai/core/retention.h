/*
 * Which generations of a source a policy keeps.
 *
 * Calendar days, ISO weeks, months and years are those of the policy's time zone.  The plan depends
 * on nothing but its arguments: no clock, no store, no order of the input.
 */
#ifndef TOZAI_CORE_RETENTION_H
#define TOZAI_CORE_RETENTION_H

#include "tozai/core/config.h"
#include "tozai/core/generation.h"

/* Zero counts keep nothing; a policy that keeps nothing at all is TZ_INVALID. */
struct tz_retention_policy {
    unsigned last, hourly, daily, weekly, monthly, yearly;
    int64_t within_ns;            /* everything that is younger */
    int64_t window_ns;            /* any moment of it can be restored: whole chains of logs, too */
    unsigned minimum_generations; /* complete ones that stay in any case */
    char zone[64];                /* "Asia/Tokyo"; "": the system's */
};
/* Of a source: [retention SOURCE] over [retention] over 7 daily and 4 weekly.  TZ_INVALID with the
 * line of the file for what contradicts itself. */
int tz_retention_policy(const struct tz_config *config, const char *source,
                        struct tz_retention_policy *ret, struct tz_error *err) TZ_MUST_CHECK;

/* Why a generation stays; a set. */
enum tz_retention_reason {
    TZ_KEEP_LAST = 1,
    TZ_KEEP_HOURLY = 2,
    TZ_KEEP_DAILY = 4,
    TZ_KEEP_WEEKLY = 8,
    TZ_KEEP_MONTHLY = 16,
    TZ_KEEP_YEARLY = 32,
    TZ_KEEP_WITHIN = 64,
    TZ_KEEP_WINDOW = 128,
    TZ_KEEP_MINIMUM = 256,
    TZ_KEEP_VERIFIED = 512, /* the newest whose content was verified */
    TZ_KEEP_HELD = 1024,    /* by "hold" */
    TZ_KEEP_UNKNOWN = 2048, /* not complete anywhere: it may be still on its way */
};

struct tz_retention_item {
    uint8_t id[TZ_HASH_SIZE];
    int64_t time_ns;
    bool complete; /* head, seal and every pack in one store at least */
    bool verified; /* its content, at any time */
    bool held;
    unsigned reasons; /* out: 0 means it goes */
};

/*
 * Fill in the reasons of a source's generations, in whatever order they come.  now_ns is what
 * the ages are counted from.  A clock that cannot be right is TZ_INVALID, unless force: now_ns more
 * than a day before the newest generation, or so far behind it that everything would go at once
 * although runs were daily before.
 */
int tz_retention_plan(const struct tz_retention_policy *policy, struct tz_retention_item *items,
                      size_t count, int64_t now_ns, bool force, struct tz_error *err) TZ_MUST_CHECK;

#endif
