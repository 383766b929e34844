/*
 * Which store gives an object soonest.
 *
 * Of each store two things are kept, both exponentially weighted means of real reads: how long a
 * small read takes, and how long a byte takes beyond that when all reads that are on their way
 * together are counted.  What a store would take is the first, and the second for everything that
 * it is asked for.  So reads at once spread over the stores in proportion to their speed.
 */
#include "mirror_private.h"
#include "tozai/util/time.h"

#include "tozai/util/banned.h"

/* Below it is the latency that counts. */
#define SMALL ((size_t)64 << 10)
/* The newest read's part of the mean. */
#define WEIGHT 0.2
/* Nobody has been asked yet: a distant server behind 500 Mbit/s. */
#define FIRST_LATENCY_NS  50e6
#define FIRST_NS_PER_BYTE 16.0
/* What was measured before is not believed any more: the store may be as fast as the best. */
#define STALE_NS (60 * TZ_SECOND_NS)
/* A store that a read could not reach comes behind the others: for so long at first. */
#define AVOID_FIRST_NS (TZ_SECOND_NS / 2)
#define AVOID_MAX_NS   (60 * TZ_SECOND_NS)

static bool is_fresh(int64_t measured_ns, int64_t now_ns)
{
    return measured_ns != 0 && now_ns - measured_ns < STALE_NS;
}

/* The best that is known of any, or a guess. */
static double best_latency(const struct tz_mirror *mirror, int64_t now_ns)
{
    double best = 0;
    for (size_t i = 0; i < mirror->count; i++) {
        const struct tz_mirror_pace *pace = &mirror->lanes[i].pace;
        if (is_fresh(pace->latency_measured_ns, now_ns) && (best == 0 || pace->latency_ns < best))
            best = pace->latency_ns;
    }
    return best > 0 ? best : FIRST_LATENCY_NS;
}

static double best_ns_per_byte(const struct tz_mirror *mirror, int64_t now_ns)
{
    double best = 0;
    for (size_t i = 0; i < mirror->count; i++) {
        const struct tz_mirror_pace *pace = &mirror->lanes[i].pace;
        if (is_fresh(pace->rate_measured_ns, now_ns) && (best == 0 || pace->ns_per_byte < best))
            best = pace->ns_per_byte;
    }
    return best > 0 ? best : FIRST_NS_PER_BYTE;
}

double tz_mirror_pace_expect(const struct tz_mirror_lane *lane, size_t len, int64_t now_ns)
{
    const struct tz_mirror_pace *pace = &lane->pace;
    double latency = is_fresh(pace->latency_measured_ns, now_ns)
                         ? pace->latency_ns
                         : best_latency(lane->mirror, now_ns);
    double per_byte = is_fresh(pace->rate_measured_ns, now_ns)
                          ? pace->ns_per_byte
                          : best_ns_per_byte(lane->mirror, now_ns);
    return latency + per_byte * ((double)pace->asked_bytes + (double)len);
}

void tz_mirror_pace_begin(struct tz_mirror_lane *lane, size_t len)
{
    lane->pace.asked++;
    lane->pace.asked_bytes += len;
}

/* An old mean says nothing: then the newest counts alone. */
static void average(double *mean, int64_t *measured_ns, double value, int64_t now_ns)
{
    *mean = is_fresh(*measured_ns, now_ns) ? *mean + WEIGHT * (value - *mean) : value;
    *measured_ns = now_ns;
}

void tz_mirror_pace_end(struct tz_mirror_lane *lane, size_t len, size_t came, int64_t duration_ns,
                        bool reached)
{
    struct tz_mirror_pace *pace = &lane->pace;
    int64_t now_ns = tz_monotonic();
    double took = (double)TZ_MAX(duration_ns, 1);
    unsigned together = pace->asked--;

    pace->asked_bytes -= len;
    if (!reached) {
        pace->avoid_ns = pace->avoid_ns ? TZ_MIN(2 * pace->avoid_ns, AVOID_MAX_NS) : AVOID_FIRST_NS;
        pace->avoid_until_ns = now_ns + pace->avoid_ns;
        return;
    }
    if (came == 0)
        return;
    pace->avoid_ns = 0;
    pace->avoid_until_ns = 0;
    if (came < SMALL) {
        average(&pace->latency_ns, &pace->latency_measured_ns, took, now_ns);
        return;
    }
    /* Never nothing, even if the small reads were slower than this one. */
    double moving = TZ_MAX(took - best_latency(lane->mirror, now_ns), took / 16);
    average(&pace->ns_per_byte, &pace->rate_measured_ns, moving / ((double)came * together),
            now_ns);
}
