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
/* Taken of a store that was not measured: a distant server behind 500 Mbit/s. */
#define FIRST_LATENCY_NS  50e6
#define FIRST_NS_PER_BYTE 16.0
/* Nobody bets on it with more than one read as long as that is out. */
#define BET 8.0
/* An old measurement counts half after each minute: the store may have become faster. */
#define HALF_NS (60 * TZ_SECOND_NS)
/* A store that a read could not reach comes behind the others: for so long at first. */
#define AVOID_FIRST_NS (TZ_SECOND_NS / 2)
#define AVOID_MAX_NS   (60 * TZ_SECOND_NS)

static double aged(double value, int64_t measured_ns, int64_t now_ns)
{
    for (int64_t age_ns = now_ns - measured_ns; age_ns >= HALF_NS && value > 1; age_ns -= HALF_NS)
        value /= 2;
    return value;
}

static double latency(const struct tz_mirror_pace *pace, int64_t now_ns)
{
    if (pace->latency_measured_ns == 0)
        return FIRST_LATENCY_NS;
    return aged(pace->latency_ns, pace->latency_measured_ns, now_ns);
}

static double ns_per_byte(const struct tz_mirror_pace *pace, int64_t now_ns)
{
    if (pace->rate_measured_ns == 0)
        return pace->asked > 0 ? BET * FIRST_NS_PER_BYTE : FIRST_NS_PER_BYTE;
    return aged(pace->ns_per_byte, pace->rate_measured_ns, now_ns);
}

double tz_mirror_pace_expect(const struct tz_mirror_lane *lane, size_t len, int64_t now_ns)
{
    const struct tz_mirror_pace *pace = &lane->pace;
    return latency(pace, now_ns) +
           ns_per_byte(pace, now_ns) * ((double)pace->asked_bytes + (double)len);
}

void tz_mirror_pace_begin(struct tz_mirror_lane *lane, size_t len)
{
    lane->pace.asked++;
    lane->pace.asked_bytes += len;
}

static void average(double *mean, int64_t *measured_ns, double value, int64_t now_ns)
{
    *mean = *measured_ns != 0 ? *mean + WEIGHT * (value - *mean) : value;
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
    double moving = TZ_MAX(took - latency(pace, now_ns), took / 16);
    average(&pace->ns_per_byte, &pace->rate_measured_ns, moving / ((double)came * together),
            now_ns);
}
