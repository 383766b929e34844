/*
 * How things stand: what recovery points each source has and when the next is due, what each
 * store holds and lacks.
 *
 * It is read from the catalog, which opening the repository brought up to date, if any store was in
 * reach; nothing is changed.  Calendars are those of the source's time zone (retention's).
 */
#ifndef TOZAI_CORE_STATUS_H
#define TOZAI_CORE_STATUS_H

#include "tozai/core/generation.h"
#include "tozai/core/repo.h"

/* The calendar that is shown, the present day and week last. */
#define TZ_STATUS_DAYS  7
#define TZ_STATUS_WEEKS 4

enum tz_status_state {
    TZ_STATUS_OK,
    TZ_STATUS_DEGRADED, /* the last generation is in fewer stores than wanted */
    TZ_STATUS_OVERDUE,  /* or there is none at all */
    TZ_STATUS_LEFT,     /* no longer configured: nothing is due */
};
/* "ok", "degraded", "overdue", "left" */
const char *tz_status_state_name(enum tz_status_state state);

/* A generation. */
struct tz_status_point {
    uint8_t id[TZ_HASH_SIZE];
    int64_t time_ns, verified_ns, drilled_ns;
    uint64_t entries, bytes, new_bytes, stored_bytes, warnings;
    uint32_t stores; /* bit i: mirror store i holds all of it */
    bool sealed;
    bool complete; /* sealed, and whole in one store at least: it can be restored */
    bool degraded; /* in fewer stores than wanted */
};

/* A day or a week. */
struct tz_status_slot {
    int year, month, day; /* the first day of it */
    int64_t begin_ns, end_ns;
    unsigned points; /* that can be restored */
    bool missing;    /* none, though one was due, and the policy would still keep it */
};

/* A rule of the policy, and how many generations it keeps now. */
struct tz_status_rule {
    const char *name; /* "daily" */
    unsigned wanted;  /* so many at most; 0: all of the span */
    int64_t span_ns;
    unsigned kept;
};
#define TZ_STATUS_RULES 8

struct tz_status_source {
    char *name, *type;
    enum tz_status_state state;
    struct tz_status_point *points; /* newest first */
    size_t point_count;
    const struct tz_status_point *last; /* that can be restored; NULL: none */
    int64_t age_ns;                     /* of it */
    int64_t due_ns, from_ns, late_ns;   /* of the next (schedule.h); 0: never */
    int64_t drilled_ns, verified_ns;    /* the last drill, the last verification of content */
    uint64_t total_bytes, total_new_bytes, total_stored_bytes; /* of all points */
    double dedup, compression;                                 /* ratios; 0: not known */
    int64_t growth_week, growth_month; /* bytes of the last against the one 7, 30 days before */
    bool knows_week, knows_month;      /* there is such a one */
    struct tz_status_slot days[TZ_STATUS_DAYS], weeks[TZ_STATUS_WEEKS];
    struct tz_status_rule rules[TZ_STATUS_RULES]; /* of the policy; none if no longer configured */
    size_t rule_count;
    unsigned minimum; /* generations that stay in any case */
};

struct tz_status_store {
    const char *name;     /* the mirror's */
    const char *location; /* "" if it has none */
    bool reachable;
    char why[256]; /* it is not */
    struct tz_catalog_summary held;
};

struct tz_status {
    int64_t now_ns;
    struct tz_status_source *sources; /* as configured, then those that only the stores know */
    size_t source_count;
    struct tz_status_store *stores;
    size_t store_count;
    bool offline; /* no store could be asked: all of it is what the catalog remembers */
    bool warn; /* a source is overdue or degraded, or a store is out of reach, behind or damaged */
    char unknown[1024]; /* not empty: nothing could be found out, for this reason */
};

/* repo must outlive the result. */
int tz_status_collect(struct tz_repo *repo, int64_t now_ns, struct tz_status *ret,
                      struct tz_error *err) TZ_MUST_CHECK;
void tz_status_clear(struct tz_status *status);
static inline TZ_UNUSED void tz_scoped_status(struct tz_status *status)
{
    tz_status_clear(status);
}

/* A store is well: reachable, not behind, nothing in it damaged. */
bool tz_status_store_ok(const struct tz_status_store *store);

#endif
