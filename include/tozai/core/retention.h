/*
 * Which generations of a source a policy keeps.
 *
 * Hours, days, ISO weeks, months and years are those that calendar and clock of the policy's time
 * zone show: a day may have 23 or 25 hours, and the hour that a change of the clocks repeats is one
 * hour.  Of each that has a complete generation at all the newest one counts.
 *
 * The plan depends on nothing but its arguments (and the zone's file): no clock, no store, no order
 * of the input.  Planning again over what stays changes nothing.  Any number of threads may plan.
 */
#ifndef TOZAI_CORE_RETENTION_H
#define TOZAI_CORE_RETENTION_H

#include "tozai/core/config.h"
#include "tozai/core/generation.h"

#define TZ_RETENTION_ZONE 65

/* Zero counts and durations keep nothing. */
struct tz_retention_policy {
    unsigned last, hourly, daily, weekly, monthly, yearly;
    int64_t within_ns;            /* everything that is no older */
    int64_t window_ns;            /* any moment of it can be restored: what is younger, and the
                                     newest one before it */
    unsigned minimum_generations; /* complete ones that stay in any case */
    char zone[TZ_RETENTION_ZONE]; /* "Asia/Tokyo"; "": the system's */
};
/*
 * Of a source: each key from [retention SOURCE] or else from [retention]; 7 daily and 4 weekly if
 * neither says what to keep.  TZ_INVALID with the line of the file for a policy that keeps nothing,
 * that contradicts itself, or whose time zone does not exist.
 *
 * It is up to the caller not to ask for a source that is not configured, unless the user named it.
 */
int tz_retention_policy(const struct tz_config *config, const char *source,
                        struct tz_retention_policy *ret, struct tz_error *err) TZ_MUST_CHECK;
/* The policies of all sources, for the reading of a configuration. */
int tz_retention_check(const struct tz_config *config, struct tz_error *err) TZ_MUST_CHECK;

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
    TZ_KEEP_MINIMUM = 256,  /* there are too few for the other reasons */
    TZ_KEEP_VERIFIED = 512, /* the newest whose content was verified */
    TZ_KEEP_HELD = 1024,    /* by "hold" */
    TZ_KEEP_UNKNOWN = 2048, /* not complete, but newer than all that are: it may be on its way */
};
/* The labels of the calendar. */
#define TZ_KEEP_LABELS                                                                             \
    (TZ_KEEP_HOURLY | TZ_KEEP_DAILY | TZ_KEEP_WEEKLY | TZ_KEEP_MONTHLY | TZ_KEEP_YEARLY)
/* The other rules of a policy. */
#define TZ_KEEP_SPANS (TZ_KEEP_LAST | TZ_KEEP_WITHIN | TZ_KEEP_WINDOW)
/* "daily"; NULL if reason is more or less than one of them. */
const char *tz_retention_reason_name(unsigned reason);

/* Of two of the same time the one with the greater id is the newer one, as in the catalog. */
struct tz_retention_item {
    uint8_t id[TZ_HASH_SIZE];
    int64_t time_ns;
    bool complete; /* head, seal and every pack in one store at least */
    bool verified; /* its content, at any time */
    bool held;
    bool accepted;    /* somebody has said that the clock is right, though this is later */
    unsigned reasons; /* out: 0 means it goes */
};

/*
 * Fill in the reasons of a source's generations.  now_ns is what ages are counted from.
 *
 * A clock that cannot be right is TZ_INVALID, unless force:
 *  - the newest generation is more than a day later than now: the clock was set back, or was ahead;
 *  - it seems to have leapt: by age (within, window) everything from before a gap would go at once,
 *    and the gap is longer than that age, than a month, and than twenty of the usual intervals
 *    before it.  Where the gap is older than the age this was noticed, or is how things are.
 */
int tz_retention_plan(const struct tz_retention_policy *policy, struct tz_retention_item *items,
                      size_t count, int64_t now_ns, bool force, struct tz_error *err) TZ_MUST_CHECK;

#endif
