/*
 * Whether, and when, what has failed is tried again.
 *
 * Pauses are drawn from [0, 200 ms * 2^n], or come behind what the server asks for.  As long as a
 * server fails now and then every request may be tried again; when it fails most of the time the
 * run's budget is soon spent, and each request is tried once: what a run of thousands of requests
 * does then is to give the store up, not to storm it.
 *
 * A server that does not answer at all is waited for as long as a restart takes if it has answered
 * before in this run, and hardly if it has not.
 */
#include "s3.h"

#include "tozai/util/interrupt.h"
#include "tozai/util/time.h"

#include <curl/curl.h>
#include <time.h>

#include "tozai/util/banned.h"

#define ATTEMPTS        6 /* that the server answered */
#define FIRST_PAUSE_NS  (TZ_SECOND_NS / 5)
#define LONGEST_NS      (20 * TZ_SECOND_NS)
#define RETRY_AFTER_MAX 60

/* Without an answer. */
#define UNANSWERED     3
#define UNANSWERED_NS  (10 * TZ_SECOND_NS)
#define RESTART_NS     (10 * TZ_SECOND_NS)
#define RESTART_TRIES  2 /* at least, however long one takes */
#define RESTART_GAP_NS (4 * TZ_SECOND_NS)

#define RETRY_COST 5 /* a success brings one token back */
#define SLEEP_NS   (TZ_SECOND_NS / 10)

/* May the run try once more? */
static bool spend(struct tz_s3_store *store)
{
    (void)pthread_mutex_lock(&store->mutex);
    bool may = store->retry_tokens >= RETRY_COST;
    if (may)
        store->retry_tokens -= RETRY_COST;
    (void)pthread_mutex_unlock(&store->mutex);
    return may;
}

void tz_s3_succeeded(struct tz_s3_store *store, unsigned status)
{
    (void)pthread_mutex_lock(&store->mutex);
    store->alive = true;
    store->seen |= status < 300;
    if (store->retry_tokens < TZ_S3_RETRY_TOKENS)
        store->retry_tokens++;
    (void)pthread_mutex_unlock(&store->mutex);
}

/* A number below limit; xorshift64* (Vigna), which chance needs no better than. */
static uint64_t draw(struct tz_s3_store *store, uint64_t limit)
{
    (void)pthread_mutex_lock(&store->mutex);
    uint64_t x = store->random;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    store->random = x;
    (void)pthread_mutex_unlock(&store->mutex);
    return x * UINT64_C(0x2545f4914f6cdd1d) % limit;
}

/* "Retry-After: 120", or a date. */
static int64_t asked_ns(struct tz_s3_store *store, const struct tz_http_response *response)
{
    const char *after = response ? tz_http_header(response, "retry-after") : NULL;
    char *end = NULL;

    if (!after)
        return 0;
    long seconds = strtol(after, &end, 10);
    if (end == after) {
        time_t date = curl_getdate(after, NULL);
        (void)pthread_mutex_lock(&store->mutex);
        int64_t now_ns = tz_now() + store->skew_ns;
        (void)pthread_mutex_unlock(&store->mutex);
        seconds = date > 0 ? (long)(date - now_ns / TZ_SECOND_NS) : 0;
    }
    return TZ_MIN(TZ_MAX(seconds, 0L), RETRY_AFTER_MAX) * TZ_SECOND_NS;
}

static int64_t pause_ns(struct tz_s3_store *store, unsigned tries,
                        const struct tz_http_response *response)
{
    int64_t longest = TZ_MIN(FIRST_PAUSE_NS << TZ_MIN(tries, 10U), LONGEST_NS);

    if (!response)
        longest = TZ_MIN(longest, RESTART_GAP_NS);
    return asked_ns(store, response) + (int64_t)draw(store, (uint64_t)longest);
}

static int wait_for(int64_t duration_ns, struct tz_error *err)
{
    int64_t end_ns = tz_monotonic() + duration_ns;

    for (;;) {
        int64_t left_ns = end_ns - tz_monotonic();
        if (tz_interrupt_check(err))
            return -1;
        if (left_ns <= 0)
            return 0;
        struct timespec part = {.tv_nsec = TZ_MIN(left_ns, SLEEP_NS)};
        (void)nanosleep(&part, NULL);
    }
}

/* After this many failed tries in that time, the last without an answer or with one. */
static bool worth_it(const struct tz_s3_store *store, unsigned tries, int64_t spent_ns,
                     bool answered)
{
    if (answered)
        return tries < ATTEMPTS;
    if (store->alive)
        return tries < RESTART_TRIES || spent_ns < RESTART_NS;
    return tries < UNANSWERED && spent_ns < UNANSWERED_NS;
}

/* It has not answered for so long: the next requests need not wait as long again. */
static bool has_hope(struct tz_s3_store *store, unsigned tries, int64_t spent_ns, bool answered)
{
    (void)pthread_mutex_lock(&store->mutex);
    bool hope = worth_it(store, tries, spent_ns, answered);
    if (!hope && !answered)
        store->alive = false;
    (void)pthread_mutex_unlock(&store->mutex);
    return hope;
}

bool tz_s3_try_again(struct tz_s3_store *store, unsigned tries, int64_t begun_ns,
                     const struct tz_http_response *response, struct tz_error *err)
{
    if (!has_hope(store, tries, tz_monotonic() - begun_ns, response))
        return false;
    return spend(store) && !wait_for(pause_ns(store, tries, response), err);
}
