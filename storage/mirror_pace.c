/*
 * Which store gives an object soonest.
 *
 * Of each store two things are kept, both exponentially weighted means of real reads: how long it
 * takes until the first byte comes, and how long a byte takes while any come, those of all reads
 * counted together.  What a store would take is the first, and the second for
 * everything that it is asked for.  So reads at once spread over the stores in proportion to their
 * speed.
 */
#include "mirror_private.h"
#include "tozai/util/time.h"

#include "tozai/util/banned.h"

/* Below it is the latency that counts, where a store does not say when the first byte came. */
#define SMALL ((size_t)64 << 10)
/* The rate of one that does is measured over so many bytes, at first over fewer. */
#define WINDOW       ((uint64_t)16 << 20)
#define FIRST_WINDOW ((uint64_t)2 << 20)
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

void tz_mirror_pace_move(struct tz_mirror_lane *lane, bool begun)
{
    struct tz_mirror_pace *pace = &lane->pace;
    int64_t now_ns = tz_monotonic();

    if (pace->moving > 0)
        pace->moving_ns += now_ns - pace->since_ns;
    pace->since_ns = now_ns;
    pace->moving += begun ? 1U : -1U;
}

/* The line's rate is that of all reads together.  A connection needs its time to get fast: little
 * says nothing of it. */
static void learn_parts(struct tz_mirror_pace *pace, const struct tz_mirror_sample *sample,
                        int64_t now_ns)
{
    average(&pace->latency_ns, &pace->latency_measured_ns, (double)sample->first_ns, now_ns);
    pace->moved_bytes += sample->came;
    if (pace->moved_bytes < (pace->rate_measured_ns ? WINDOW : FIRST_WINDOW))
        return;
    if (pace->moving > 0) {
        pace->moving_ns += now_ns - pace->since_ns;
        pace->since_ns = now_ns;
    }
    average(&pace->ns_per_byte, &pace->rate_measured_ns,
            (double)TZ_MAX(pace->moving_ns, 1) / (double)pace->moved_bytes, now_ns);
    pace->moving_ns = 0;
    pace->moved_bytes = 0;
}

/* Of a store that does not say when the first byte came. */
static void learn_whole(struct tz_mirror_pace *pace, const struct tz_mirror_sample *sample,
                        int64_t now_ns)
{
    double took = (double)TZ_MAX(sample->took_ns, 1);

    if (sample->came < SMALL) {
        average(&pace->latency_ns, &pace->latency_measured_ns, took, now_ns);
        return;
    }
    /* Never nothing, even if the small reads were slower than this one. */
    double moving = TZ_MAX(took - latency(pace, now_ns), took / 16);
    average(&pace->ns_per_byte, &pace->rate_measured_ns,
            moving / ((double)sample->came * pace->asked), now_ns);
}

void tz_mirror_pace_end(struct tz_mirror_lane *lane, const struct tz_mirror_sample *sample)
{
    struct tz_mirror_pace *pace = &lane->pace;
    int64_t now_ns = tz_monotonic();

    if (!sample->reached) {
        pace->avoid_ns = pace->avoid_ns ? TZ_MIN(2 * pace->avoid_ns, AVOID_MAX_NS) : AVOID_FIRST_NS;
        pace->avoid_until_ns = now_ns + pace->avoid_ns;
    } else if (sample->came > 0) {
        pace->avoid_ns = 0;
        pace->avoid_until_ns = 0;
        if (sample->first_ns > 0)
            learn_parts(pace, sample, now_ns);
        else
            learn_whole(pace, sample, now_ns);
    }
    pace->asked--;
    pace->asked_bytes -= sample->len;
}
