/*
 * One request to the store, until it is answered or there is no hope.
 *
 * Pauses are drawn from [0, 200 ms * 2^n], 20 s at most, or what the server asks for.  As long as a
 * server fails now and then every request may be tried again; when it fails most of the time the
 * run's budget is soon spent, and each request is tried once: what a run of thousands of requests
 * does then is to give the store up, not to storm it.
 */
#include "s3.h"

#include "tozai/util/interrupt.h"
#include "tozai/util/log.h"
#include "tozai/util/time.h"

#include <curl/curl.h>
#include <string.h>
#include <time.h>

#include "tozai/util/banned.h"

#define ATTEMPTS        6
#define UNANSWERED      3 /* attempts that no server answered; there is another store */
#define FIRST_PAUSE_NS  (TZ_SECOND_NS / 5)
#define LONGEST_NS      (20 * TZ_SECOND_NS)
#define RETRY_AFTER_MAX 60
/* Tokens: what a run begins with, and what a further attempt costs.  A success brings one back. */
#define TOKENS      500
#define RETRY_COST  5
#define SLEEP_NS    (TZ_SECOND_NS / 10)
#define SKEW_MIN_NS (60 * TZ_SECOND_NS)

void tz_s3_add_query(struct tz_s3_call *call, const char *name, const char *value)
{
    if (call->query_count < TZ_COUNT(call->query))
        call->query[call->query_count++] = (struct tz_s3_pair){name, value};
}

void tz_s3_add_header(struct tz_s3_call *call, const char *name, const char *value)
{
    if (call->header_count < TZ_COUNT(call->headers))
        call->headers[call->header_count++] = (struct tz_s3_pair){name, value};
}

static int make_path(const struct tz_s3_store *store, const struct tz_s3_call *call,
                     struct tz_buf *path, struct tz_error *err)
{
    if (store->path_style)
        return tz_buf_printf(path, err, "/%s%s%s%s", store->bucket, call->name ? "/" : "",
                             call->name ? store->prefix : "", call->name ? call->name : "");
    return tz_buf_printf(path, err, "/%s%s", call->name ? store->prefix : "",
                         call->name ? call->name : "");
}

int tz_s3_while(const struct tz_s3_store *store, const struct tz_s3_call *call,
                struct tz_error *err)
{
    if (call->name)
        return tz_while(err, "%s '%s' in 's3://%s'", call->verb, call->name, store->bucket);
    return tz_while(err, "%s 's3://%s'", call->verb, store->bucket);
}

/* Sign and ask, once. */
static int ask(struct tz_s3_store *store, const struct tz_s3_address *address,
               const struct tz_s3_call *call, const struct tz_credentials *credentials,
               struct tz_http_response *ret, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf path = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf url = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf lines = {0};
    uint8_t hash[TZ_HASH_SIZE];

    if (!call->body_hash && tz_sha256(hash, call->body, call->body_len, err))
        return -1;
    (void)pthread_mutex_lock(&store->mutex);
    int64_t now_ns = tz_now() + store->skew_ns;
    (void)pthread_mutex_unlock(&store->mutex);
    if (make_path(store, call, &path, err))
        return -1;
    const struct tz_s3_signing signing = {
        .method = call->method,
        .host = address->host,
        .path = (const char *)path.data,
        .query = call->query,
        .query_count = call->query_count,
        .headers = call->headers,
        .header_count = call->header_count,
        .payload_hash = call->body_hash ? call->body_hash : hash,
        .access_key = credentials->access_key,
        .secret_key = credentials->secret_key,
        .session_token = credentials->session_token,
        .region = address->region,
        .time_ns = now_ns,
    };
    if (tz_buf_append(&url, address->base, strlen(address->base), err) ||
        tz_s3_sign(&signing, &url, &lines, err) || tz_buf_append(&url, "", 1, err) ||
        tz_buf_append(&lines, "", 1, err))
        return -1;
    const struct tz_http_request request = {
        .method = call->method,
        .url = (const char *)url.data,
        .lines = (const char *)lines.data,
        .body = call->body,
        .body_len = call->body_len,
        .out = call->out,
        .max = call->max,
        .still_s = call->patience_s,
        .uninterrupted = call->clearing_up,
    };
    return tz_http_perform(store->http, &request, ret, err);
}

static bool is_answer(const struct tz_s3_call *call, unsigned status)
{
    if (status >= 200 && status < 300)
        return true;
    for (size_t i = 0; i < TZ_COUNT(call->accept); i++)
        if (call->accept[i] && call->accept[i] == status)
            return true;
    return false;
}

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

static void earn(struct tz_s3_store *store, unsigned status)
{
    (void)pthread_mutex_lock(&store->mutex);
    store->seen |= status < 300;
    if (store->retry_tokens < TOKENS)
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

static int64_t pause_ns(struct tz_s3_store *store, unsigned attempt,
                        const struct tz_http_response *response)
{
    const char *after = response ? tz_http_header(response, "retry-after") : NULL;
    int64_t longest = TZ_MIN(FIRST_PAUSE_NS << TZ_MIN(attempt, 10U), LONGEST_NS);
    int64_t drawn = (int64_t)draw(store, (uint64_t)longest);
    long seconds = after ? strtol(after, NULL, 10) : 0;

    if (seconds <= 0)
        return drawn;
    return TZ_MIN(seconds, RETRY_AFTER_MAX) * TZ_SECOND_NS + drawn;
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

/* Take the server's clock for the right one; false if it says nothing new. */
static bool set_clock(struct tz_s3_store *store, const struct tz_http_response *response)
{
    const char *date = tz_http_header(response, "date");
    time_t seconds = date ? curl_getdate(date, NULL) : -1;

    if (seconds < 0)
        return false;
    int64_t skew_ns = (int64_t)seconds * TZ_SECOND_NS - tz_now();
    (void)pthread_mutex_lock(&store->mutex);
    int64_t change = skew_ns - store->skew_ns;
    store->skew_ns = skew_ns;
    (void)pthread_mutex_unlock(&store->mutex);
    if (change < SKEW_MIN_NS && change > -SKEW_MIN_NS)
        return false;
    tz_debug("the clock of '%s' is %+lld s from ours", store->bucket,
             (long long)(skew_ns / TZ_SECOND_NS));
    return true;
}

/* What one attempt came to. */
enum outcome { ANSWERED, FAILED, TRY_NOW, TRY_LATER };

struct attempt {
    struct tz_s3_store *store;
    const struct tz_s3_call *call;
    bool clock_mended, keys_renewed;
    struct tz_error error;
};

static enum outcome judge(struct attempt *attempt, const struct tz_s3_address *asked,
                          const struct tz_credentials *credentials,
                          const struct tz_http_response *response)
{
    struct tz_s3_refusal refusal = {0};

    if (is_answer(attempt->call, response->status))
        return ANSWERED;
    tz_s3_read_refusal(response, &refusal);
    (void)tz_s3_refuse(attempt->store, attempt->call, response, &refusal, &attempt->error);
    if (refusal.elsewhere && tz_s3_move(attempt->store, asked, refusal.region))
        return TRY_NOW;
    if (refusal.skewed && !attempt->clock_mended && set_clock(attempt->store, response)) {
        attempt->clock_mended = true;
        return TRY_NOW;
    }
    if (refusal.credentials && !attempt->keys_renewed) {
        attempt->keys_renewed = true;
        tz_provider_refused(attempt->store->provider, credentials->access_key);
        return TRY_NOW;
    }
    return refusal.again ? TRY_LATER : FAILED;
}

static enum outcome try_once(struct attempt *attempt, struct tz_http_response *ret)
{
    TZ_SCOPED(tz_scoped_credentials) struct tz_credentials credentials = {0};
    struct tz_s3_store *store = attempt->store;
    const struct tz_s3_address *address = tz_s3_address(store);
    struct tz_error *err = &attempt->error;

    *err = (struct tz_error){0};
    tz_http_response_clear(ret);
    if (tz_provider_get(store->provider, &credentials, err)) {
        (void)tz_while(err, "credentials");
        return err->kind == TZ_UNAVAILABLE ? TRY_LATER : FAILED;
    }
    if (ask(store, address, attempt->call, &credentials, ret, err)) {
        (void)tz_s3_while(store, attempt->call, err);
        if (err->kind == TZ_UNAVAILABLE && !err->hint[0])
            (void)tz_hint(err, "check 'endpoint' ('%s') and the network", address->base);
        return err->kind == TZ_UNAVAILABLE ? TRY_LATER : FAILED;
    }
    return judge(attempt, address, &credentials, ret);
}

int tz_s3_call(struct tz_s3_store *store, const struct tz_s3_call *call,
               struct tz_http_response *ret, struct tz_error *err)
{
    struct attempt attempt = {.store = store, .call = call};
    size_t before = call->out ? call->out->len : 0;

    for (unsigned tries = 1;; tries++) {
        enum outcome outcome = try_once(&attempt, ret);
        if (call->repeated && (ret->repeated || tries > 1))
            *call->repeated = true;
        if (outcome == ANSWERED) {
            earn(store, ret->status);
            return 0;
        }
        if (call->out)
            call->out->len = before;
        if (outcome == FAILED || tries >= (ret->status ? ATTEMPTS : UNANSWERED) ||
            (outcome == TRY_LATER && (call->patience_s || !spend(store))))
            break;
        tz_debug("attempt %u: %s", tries, attempt.error.message);
        if (outcome == TRY_LATER &&
            wait_for(pause_ns(store, tries, ret->status ? ret : NULL), &attempt.error))
            break;
    }
    if (err)
        *err = attempt.error;
    return -1;
}
