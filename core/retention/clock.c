/* Can the clock be right that a plan counts from? */
#include "plan.h"

#include "tozai/util/time.h"

#include "tozai/util/banned.h"

#define DAY_NS   (UINT64_C(86400) * (uint64_t)TZ_SECOND_NS)
#define MONTH_NS (31 * DAY_NS)
/* A gap of so many usual intervals is none of them. */
#define INTERVALS 20
/* So many of them say what is usual. */
#define USUAL_MIN 3
#define USUAL_MAX 31

static int compare_ages(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;

    return left < right ? -1 : left > right;
}

/* The middle one of the last intervals between these, the newest first; 0 if they are too few. */
static uint64_t usual_interval(const struct tz_retention_item *const *items, size_t count)
{
    uint64_t intervals[USUAL_MAX];
    size_t n = 0;

    for (size_t i = 0; i + 1 < count && n < USUAL_MAX; i++)
        intervals[n++] = tz_retention_age(items[i + 1]->time_ns, items[i]->time_ns);
    if (n < USUAL_MIN)
        return 0;
    qsort(intervals, n, sizeof(intervals[0]), compare_ages);
    return intervals[n / 2];
}

static int check_back(const struct tz_retention_item *const *items, size_t count, int64_t now_ns,
                      struct tz_error *err)
{
    char now[TZ_TIME_TEXT], time[TZ_TIME_TEXT];
    size_t newest = 0;

    while (newest < count && items[newest]->accepted)
        newest++;
    if (newest == count || tz_retention_age(now_ns, items[newest]->time_ns) <= DAY_NS)
        return 0;
    tz_time_format(now, now_ns);
    tz_time_format(time, items[newest]->time_ns);
    (void)tz_fail(err, TZ_INVALID,
                  "the clock says %s, but the newest generation is of %s: one of the two is wrong",
                  now, time);
    return tz_hint(err, "set the clock; if it is right now, 'tozai prune --force' says so once and "
                        "for all");
}

/* items: those before the gap, of which at least one would go. */
static int check_gap(const struct tz_retention_item *const *items, size_t count, int64_t end_ns,
                     uint64_t longest, struct tz_error *err)
{
    char from[TZ_TIME_TEXT], to[TZ_TIME_TEXT];
    uint64_t gap = tz_retention_age(items[0]->time_ns, end_ns);
    uint64_t usual = usual_interval(items, count);

    if (usual == 0 || gap <= longest || gap <= MONTH_NS || gap / INTERVALS <= usual)
        return 0;
    tz_time_format(from, items[0]->time_ns);
    tz_time_format(to, end_ns);
    (void)tz_fail(err, TZ_INVALID,
                  "the clock seems to have leapt from %s to %s: everything from before would be "
                  "too old at once",
                  from, to);
    return tz_hint(err, "set the clock; if there really was no backup in between, --force takes it "
                        "for right");
}

int tz_retention_check_clock(const struct tz_retention_policy *policy,
                             const struct tz_retention_item *const *items, size_t count,
                             int64_t now_ns, struct tz_error *err)
{
    uint64_t longest = (uint64_t)TZ_MAX(policy->within_ns, policy->window_ns);
    int64_t end_ns = now_ns;
    size_t first = 0; /* of those that are too old */
    bool any_goes = false;

    if (count == 0)
        return 0;
    if (check_back(items, count, now_ns, err))
        return -1;
    while (first < count && tz_retention_age(items[first]->time_ns, now_ns) <= longest)
        end_ns = items[first++]->time_ns;
    for (size_t i = first; i < count; i++)
        any_goes = any_goes || (items[i]->complete && items[i]->reasons == 0);
    if (longest == 0 || !any_goes)
        return 0;
    return check_gap(&items[first], count - first, TZ_MIN(end_ns, now_ns), longest, err);
}
