#include "http_limit.h"

#include "tozai/util/time.h"

#include "tozai/util/banned.h"

/* A turn is worth a fiftieth of a second, but a piece that curl hands over (16 KiB) at least. */
#define TURNS_PER_SECOND  50
#define TURN_MIN          ((uint64_t)16 << 10)
#define TURN_MAX          ((uint64_t)256 << 10)
#define DEPTHS_PER_SECOND 5
/* More than any network has, and small enough for the arithmetic. */
#define RATE_MAX ((uint64_t)1 << 50)

static uint64_t turn(uint64_t rate)
{
    return TZ_MIN(TZ_MAX(rate / TURNS_PER_SECOND, TURN_MIN), TURN_MAX);
}

static int64_t depth(uint64_t rate)
{
    return (int64_t)TZ_MAX(rate / DEPTHS_PER_SECOND, TURN_MIN);
}

/* Time that no more than fills the bucket, even one in debt. */
static uint64_t useful_ns(const struct tz_http_bucket *bucket, int64_t now_ns)
{
    uint64_t elapsed = now_ns > bucket->filled_ns ? (uint64_t)(now_ns - bucket->filled_ns) : 0;
    uint64_t room = (uint64_t)(depth(bucket->rate) - bucket->tokens);
    uint64_t seconds = room / bucket->rate + 1;
    return seconds < 3600 ? TZ_MIN(elapsed, seconds * (uint64_t)TZ_SECOND_NS) : elapsed;
}

static void earn(struct tz_http_bucket *bucket, int64_t now_ns)
{
    const uint64_t second = (uint64_t)TZ_SECOND_NS;
    uint64_t elapsed = useful_ns(bucket, now_ns);
    uint64_t seconds = elapsed / second, rest = elapsed % second;
    /* rate * rest / second without an overflow */
    uint64_t parts = bucket->rate % second * rest + bucket->part;
    uint64_t earned = bucket->rate * seconds + bucket->rate / second * rest + parts / second;

    bucket->part = parts % second;
    bucket->tokens += (int64_t)earned;
}

void tz_http_bucket_fill(struct tz_http_bucket *bucket, uint64_t rate, int64_t now_ns)
{
    rate = TZ_MIN(rate, RATE_MAX);
    if (bucket->rate > 0)
        earn(bucket, now_ns);
    else
        bucket->tokens = 0; /* a limit that begins owes nothing */
    if (bucket->tokens > depth(rate))
        bucket->tokens = depth(rate);
    bucket->rate = rate;
    bucket->filled_ns = now_ns;
}

int64_t tz_http_bucket_wait_ns(const struct tz_http_bucket *bucket)
{
    if (bucket->rate == 0 || bucket->tokens >= (int64_t)turn(bucket->rate))
        return 0;

    uint64_t missing = (uint64_t)((int64_t)turn(bucket->rate) - bucket->tokens);
    uint64_t seconds = missing / bucket->rate;
    if (seconds >= 3600)
        return 3600 * TZ_SECOND_NS;
    /* The rest is less than the rate, so in doubles it is exact enough; one more for rounding. */
    double part = (double)(missing % bucket->rate) / (double)bucket->rate;
    return (int64_t)seconds * TZ_SECOND_NS + (int64_t)(part * (double)TZ_SECOND_NS) + 1;
}

bool tz_http_flow_draw(struct tz_http_flow *flow, size_t waiting)
{
    struct tz_http_bucket *bucket = flow->bucket;
    if (bucket->rate > 0) {
        int64_t one = (int64_t)turn(bucket->rate);
        if (bucket->tokens < one)
            return false;
        int64_t share = TZ_MAX(bucket->tokens / (int64_t)TZ_MAX(waiting, (size_t)1), one);
        bucket->tokens -= share;
        flow->allowance += (uint64_t)share;
    }
    flow->waiting = false;
    return true;
}

size_t tz_http_flow_take(struct tz_http_flow *flow, size_t len)
{
    if (flow->bucket->rate == 0)
        return len;
    size_t taken = (size_t)TZ_MIN(flow->allowance, len);
    flow->allowance -= taken;
    flow->waiting = taken == 0 && len > 0;
    return taken;
}

bool tz_http_flow_pass(struct tz_http_flow *flow, size_t len)
{
    size_t taken = tz_http_flow_take(flow, len);
    if (taken == 0 && len > 0)
        return false;
    flow->bucket->tokens -= (int64_t)(len - taken);
    return true;
}

void tz_http_flow_end(struct tz_http_flow *flow)
{
    if (!flow->bucket || flow->bucket->rate == 0)
        return;
    int64_t room = depth(flow->bucket->rate) - flow->bucket->tokens;
    if (room > 0)
        flow->bucket->tokens += (int64_t)TZ_MIN(flow->allowance, (uint64_t)room);
    flow->allowance = 0;
    flow->waiting = false;
}
