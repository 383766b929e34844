#include "pace.h"

#include "tozai/util/interrupt.h"
#include "tozai/util/time.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tozai/util/banned.h"

/* A piece takes about a twentieth of a second, but is not so large that others starve. */
#define PIECES_PER_SECOND 20
#define PIECE_MAX         ((size_t)1 << 20)
/* How long a wish to stop may go unnoticed. */
#define POLL_NS (TZ_SECOND_NS / 10)
/* Nobody waits longer: the rate may be another one by then. */
#define WAIT_MAX_S 3600

struct tz_pace {
    pthread_mutex_t mutex;
    struct tz_store_limit limits[TZ_STORE_LIMITS];
    struct tz_zone *zone; /* NULL: they hold always */
    int64_t free_ns;      /* by tz_monotonic(): when what has passed has had its time */
};

int tz_pace_new(struct tz_pace **ret, const struct tz_store_limit limits[TZ_STORE_LIMITS],
                const char *zone, struct tz_error *err)
{
    *ret = NULL;
    if (!tz_limit_any(limits))
        return 0;
    struct tz_pace *pace = calloc(1, sizeof(*pace));
    if (!pace)
        return tz_fail_nomem(err);
    (void)pthread_mutex_init(&pace->mutex, NULL);
    memcpy(pace->limits, limits, sizeof(pace->limits));
    if (tz_limit_has_times(limits) && tz_zone_open(&pace->zone, zone ? zone : "", err)) {
        tz_pace_free(pace);
        return -1;
    }
    *ret = pace;
    return 0;
}

void tz_pace_free(struct tz_pace *pace)
{
    if (!pace)
        return;
    tz_zone_free(pace->zone);
    (void)pthread_mutex_destroy(&pace->mutex);
    free(pace);
}

static uint64_t rate_now(const struct tz_pace *pace)
{
    return tz_limit_rate(pace->limits, pace->zone ? tz_limit_minute(pace->zone, tz_now()) : 0);
}

size_t tz_pace_piece(struct tz_pace *pace, size_t len, size_t align)
{
    uint64_t rate = pace ? rate_now(pace) : 0;

    if (rate == 0)
        return len;
    size_t most = (size_t)TZ_MIN(rate / PIECES_PER_SECOND, (uint64_t)PIECE_MAX);
    return TZ_MIN(TZ_MAX(most - most % align, align), len);
}

/* When a piece may begin.  Time that nobody used is lost. */
static int64_t take_turn(struct tz_pace *pace, size_t len)
{
    uint64_t rate = rate_now(pace);
    int64_t now_ns = tz_monotonic(), begin_ns = now_ns;

    (void)pthread_mutex_lock(&pace->mutex);
    if (rate > 0) {
        double s = TZ_MIN((double)len / (double)rate, (double)WAIT_MAX_S);
        begin_ns = TZ_MAX(pace->free_ns, now_ns);
        pace->free_ns = begin_ns + (int64_t)(s * (double)TZ_SECOND_NS);
    }
    (void)pthread_mutex_unlock(&pace->mutex);
    return begin_ns;
}

int tz_pace_wait(struct tz_pace *pace, size_t len, struct tz_error *err)
{
    if (!pace)
        return 0;
    int64_t begin_ns = take_turn(pace, len);
    for (;;) {
        int64_t left_ns = TZ_MIN(begin_ns - tz_monotonic(), POLL_NS);
        if (left_ns <= 0)
            return 0;
        if (tz_interrupt_check(err))
            return -1;
        (void)nanosleep(&(struct timespec){.tv_nsec = (long)left_ns}, NULL);
    }
}
