/*
 * One request to the store, until it is answered or there is no hope (retry.c).
 */
#include "s3.h"

#include "tozai/util/log.h"
#include "tozai/util/time.h"

#include <curl/curl.h>
#include <string.h>
#include <time.h>

#include "tozai/util/banned.h"

/* A smaller difference of the clocks is no reason for a refusal. */
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
               int64_t skew_ns, struct tz_http_response *ret, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf path = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf url = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf lines = {0};
    uint8_t hash[TZ_HASH_SIZE];

    if (!call->body_hash && tz_sha256(hash, call->body, call->body_len, err))
        return -1;
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
        .time_ns = tz_now() + skew_ns,
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
        .terms = call->terms,
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

/* What one attempt came to. */
enum outcome { ANSWERED, FAILED, TRY_NOW, TRY_LATER };

struct attempt {
    struct tz_s3_store *store;
    const struct tz_s3_call *call;
    int64_t skew_ns; /* that it was signed with */
    bool clock_mended, keys_renewed;
    struct tz_error error;
};

/* Take the server's clock for the right one; false if it is what the request went by. */
static bool set_clock(struct attempt *attempt, const struct tz_http_response *response)
{
    struct tz_s3_store *store = attempt->store;
    const char *date = tz_http_header(response, "date");
    time_t seconds = date ? curl_getdate(date, NULL) : -1;

    if (seconds < 0)
        return false;
    int64_t skew_ns = (int64_t)seconds * TZ_SECOND_NS - tz_now();
    int64_t change = skew_ns - attempt->skew_ns;
    if (change < SKEW_MIN_NS && change > -SKEW_MIN_NS)
        return false;
    (void)pthread_mutex_lock(&store->mutex);
    store->skew_ns = skew_ns;
    (void)pthread_mutex_unlock(&store->mutex);
    tz_debug("the clock of '%s' is %+lld s from ours", store->bucket,
             (long long)(skew_ns / TZ_SECOND_NS));
    return true;
}

/* A refusal without a body, as HEAD has it, does not say why: the clock may be it. */
static bool may_be_skewed(const struct tz_http_response *response,
                          const struct tz_s3_refusal *refusal)
{
    return refusal->skewed || (response->status == 403 && !refusal->code[0]);
}

static enum outcome judge(struct attempt *attempt, const struct tz_s3_address *asked,
                          const struct tz_credentials *credentials,
                          const struct tz_http_response *response)
{
    struct tz_s3_refusal refusal = {0};

    if (is_answer(attempt->call, response->status))
        return ANSWERED;
    tz_s3_read_refusal(attempt->call, response, &refusal);
    (void)tz_s3_refuse(attempt->store, attempt->call, response, &refusal, &attempt->error);
    if (refusal.elsewhere && tz_s3_move(attempt->store, asked, refusal.region))
        return TRY_NOW;
    if (may_be_skewed(response, &refusal) && !attempt->clock_mended &&
        set_clock(attempt, response)) {
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
    (void)pthread_mutex_lock(&store->mutex);
    attempt->skew_ns = store->skew_ns;
    (void)pthread_mutex_unlock(&store->mutex);
    if (ask(store, address, attempt->call, &credentials, attempt->skew_ns, ret, err)) {
        (void)tz_s3_while(store, attempt->call, err);
        /* What is no HTTP says nothing of an object. */
        if (err->kind == TZ_CORRUPT)
            err->kind = TZ_UNAVAILABLE;
        if (err->kind == TZ_UNAVAILABLE && !err->hint[0])
            (void)tz_hint(err, "check 'endpoint' ('%s') and the network", address->base);
        return err->kind == TZ_UNAVAILABLE ? TRY_LATER : FAILED;
    }
    return judge(attempt, address, &credentials, ret);
}

/* Tried in vain: once more?  Where there is another store to ask, its turn comes at once. */
static bool try_again(struct attempt *attempt, enum outcome outcome, unsigned tries,
                      int64_t begun_ns, const struct tz_http_response *response)
{
    if (outcome != TRY_LATER)
        return outcome == TRY_NOW;
    return !(attempt->call->terms && attempt->call->terms->once) &&
           tz_s3_try_again(attempt->store, tries, begun_ns, response->status ? response : NULL,
                           &attempt->error);
}

int tz_s3_call(struct tz_s3_store *store, const struct tz_s3_call *call,
               struct tz_http_response *ret, struct tz_error *err)
{
    struct attempt attempt = {.store = store, .call = call};
    size_t before = call->out ? call->out->len : 0;
    int64_t begun_ns = tz_monotonic();

    for (unsigned tries = 1;; tries++) {
        enum outcome outcome = try_once(&attempt, ret);
        if (call->repeated && (ret->repeated || tries > 1))
            *call->repeated = true;
        if (outcome == ANSWERED) {
            tz_s3_succeeded(store, ret->status);
            return 0;
        }
        if (call->out)
            call->out->len = before;
        tz_debug("attempt %u: %s", tries, attempt.error.message);
        if (!try_again(&attempt, outcome, tries, begun_ns, ret))
            break;
    }
    if (err)
        *err = attempt.error;
    return -1;
}
