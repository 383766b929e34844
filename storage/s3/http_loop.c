#include "http_loop.h"

#include "tozai/util/interrupt.h"
#include "tozai/util/time.h"

#include "tozai/util/banned.h"

/* How often requests on their way are looked at: for interruptions and for time-outs. */
#define LOOK_MS 200
/* Somebody who asks wakes the thread; this is only so that it never sleeps for ever. */
#define IDLE_MS 60000
/* How often one is asked for room that he did not have; anything that moves asks, too. */
#define ROOM_NS (5 * INT64_C(1000000))
/* How often the time of day is read for the limits. */
#define RATES_NS TZ_SECOND_NS

static void finish(struct tz_http *http, struct tz_http_job *job, CURLcode code)
{
    tz_http_exchange_end(&job->exchange, code);
    (void)pthread_mutex_lock(&http->mutex);
    job->done = true;
    (void)pthread_cond_signal(&job->finished);
    (void)pthread_mutex_unlock(&http->mutex);
}

/* The job is over: its own error if it has one, else curl's code. */
static void finish_slot(struct tz_http *http, struct tz_http_slot *slot, CURLcode code)
{
    struct tz_http_job *job = TZ_TAKE(slot->job);
    finish(http, job, code);
}

static void abort_slot(struct tz_http *http, struct tz_http_slot *slot)
{
    (void)curl_multi_remove_handle(http->multi, slot->easy);
    finish_slot(http, slot, CURLE_ABORTED_BY_CALLBACK);
}

static void begin(struct tz_http *http, struct tz_http_slot *slot, struct tz_http_job *job)
{
    slot->job = job;
    if (tz_http_exchange_begin(&job->exchange, slot->easy, tz_monotonic()) == 0) {
        if (curl_multi_add_handle(http->multi, slot->easy) == CURLM_OK)
            return;
        (void)tz_fail_nomem(&job->exchange.error);
    }
    finish_slot(http, slot, CURLE_OUT_OF_MEMORY);
}

/* Locked. */
static struct tz_http_job *take_job(struct tz_http *http)
{
    struct tz_http_job *job = http->first;
    if (job) {
        http->first = job->next;
        if (!http->first)
            http->last = &http->first;
    }
    return job;
}

static void begin_jobs(struct tz_http *http)
{
    for (size_t i = 0; i < http->count; i++) {
        if (http->slots[i].job)
            continue;
        (void)pthread_mutex_lock(&http->mutex);
        struct tz_http_job *job = take_job(http);
        (void)pthread_mutex_unlock(&http->mutex);
        if (!job)
            return;
        begin(http, &http->slots[i], job);
    }
}

static bool stopping(struct tz_http *http)
{
    (void)pthread_mutex_lock(&http->mutex);
    bool stop = http->stopping;
    (void)pthread_mutex_unlock(&http->mutex);
    return stop;
}

static void collect_answers(struct tz_http *http)
{
    int left;
    for (CURLMsg *message = curl_multi_info_read(http->multi, &left); message;
         message = curl_multi_info_read(http->multi, &left)) {
        CURL *easy = message->easy_handle;
        CURLcode code = message->data.result; /* gone with the handle */
        size_t i = 0;
        while (http->slots[i].easy != easy)
            i++;
        struct tz_http_slot *slot = &http->slots[i];
        (void)curl_multi_remove_handle(http->multi, easy);
        if (tz_http_exchange_begins_anew(&slot->job->exchange, code))
            begin(http, slot, slot->job);
        else
            finish_slot(http, slot, code);
    }
}

static void fill_buckets(struct tz_http *http, int64_t now_ns)
{
    if (http->rates_ns == 0 || now_ns - http->rates_ns >= RATES_NS) {
        unsigned minute = http->zone ? tz_limit_minute(http->zone, tz_now()) : 0;
        http->upload_rate = tz_limit_rate(http->upload, minute);
        http->download_rate = tz_limit_rate(http->download, minute);
        http->rates_ns = now_ns;
    }
    tz_http_bucket_fill(&http->common.upload, http->upload_rate, now_ns);
    tz_http_bucket_fill(&http->common.download, http->download_rate, now_ns);
}

/* Let those go on that the limits made wait, in turns; how long until the next can. */
static int64_t share_limits(struct tz_http *http)
{
    size_t up = 0, down = 0;
    for (size_t i = 0; i < http->count; i++) {
        const struct tz_http_job *job = http->slots[i].job;
        up += job && job->exchange.up.waiting;
        down += job && job->exchange.down.waiting;
    }
    if (up + down == 0)
        return INT64_MAX;

    http->turn = (http->turn + 1) % http->count;
    for (size_t i = 0; i < http->count; i++) {
        struct tz_http_slot *slot = &http->slots[(http->turn + i) % http->count];
        if (slot->job && tz_http_exchange_resume(&slot->job->exchange, up, down))
            abort_slot(http, slot);
    }
    int64_t up_ns = up ? tz_http_bucket_wait_ns(&http->common.upload) : INT64_MAX;
    int64_t down_ns = down ? tz_http_bucket_wait_ns(&http->common.download) : INT64_MAX;
    return TZ_MIN(up_ns, down_ns);
}

/* The one that has waited for room for the longest time, but not since after_ns or before. */
static struct tz_http_slot *next_without_room(struct tz_http *http, int64_t after_ns)
{
    struct tz_http_slot *first = NULL;
    int64_t first_ns = INT64_MAX;

    for (size_t i = 0; i < http->count; i++) {
        struct tz_http_slot *slot = &http->slots[i];
        int64_t since_ns = slot->job ? slot->job->exchange.no_room_ns : 0;
        if (since_ns > after_ns && since_ns < first_ns) {
            first = slot;
            first_ns = since_ns;
        }
    }
    return first;
}

/* Who came first gets room first; how long until it is worth while to ask again. */
static int64_t share_room(struct tz_http *http)
{
    int64_t after_ns = 0;

    for (struct tz_http_slot *slot; (slot = next_without_room(http, after_ns)) != NULL;) {
        after_ns = slot->job->exchange.no_room_ns;
        if (tz_http_exchange_ask_room(&slot->job->exchange))
            abort_slot(http, slot);
        else if (slot->job->exchange.no_room_ns != 0)
            return ROOM_NS;
    }
    return INT64_MAX;
}

static void end_stalled(struct tz_http *http, int64_t now_ns)
{
    for (size_t i = 0; i < http->count; i++)
        if (http->slots[i].job && tz_http_exchange_stalled(&http->slots[i].job->exchange, now_ns))
            abort_slot(http, &http->slots[i]);
}

/* Of those that wait for their turn and those on their way: all that `all` or an interruption
 * ends. */
static void end_jobs(struct tz_http *http, bool all, enum tz_error_kind kind, const char *why)
{
    struct tz_http_job *ended = NULL;
    (void)pthread_mutex_lock(&http->mutex);
    http->last = &http->first;
    for (struct tz_http_job *job = http->first, *next; job; job = next) {
        next = job->next;
        if (all || !job->exchange.request->uninterrupted) {
            *http->last = next;
            job->next = ended;
            ended = job;
        } else {
            http->last = &job->next;
        }
    }
    (void)pthread_mutex_unlock(&http->mutex);

    for (struct tz_http_job *job = ended, *next; job; job = next) {
        next = job->next; /* the job is gone once it is finished */
        (void)tz_fail(&job->exchange.error, kind, "%s", why);
        finish(http, job, CURLE_OK);
    }
    for (size_t i = 0; i < http->count; i++) {
        struct tz_http_job *job = http->slots[i].job;
        if (!job || (!all && job->exchange.request->uninterrupted))
            continue;
        (void)tz_fail(&job->exchange.error, kind, "%s", why);
        abort_slot(http, &http->slots[i]);
    }
}

static bool busy(const struct tz_http *http)
{
    for (size_t i = 0; i < http->count; i++)
        if (http->slots[i].job)
            return true;
    return false;
}

/* One round: what can be done without waiting, then wait. */
static CURLMcode move_bytes(struct tz_http *http)
{
    int running;
    CURLMcode code = curl_multi_perform(http->multi, &running);
    if (code)
        return code;
    collect_answers(http);
    int64_t now_ns = tz_monotonic();
    fill_buckets(http, now_ns);
    int64_t wait_ns = TZ_MIN(share_limits(http), share_room(http));
    end_stalled(http, now_ns);

    begin_jobs(http);
    int wait_ms = busy(http) ? LOOK_MS : IDLE_MS;
    if (wait_ns < (int64_t)wait_ms * 1000000)
        wait_ms = (int)((wait_ns + 999999) / 1000000);
    return curl_multi_poll(http->multi, NULL, 0, wait_ms, NULL);
}

void *tz_http_run(void *arg)
{
    struct tz_http *http = arg;

    while (!stopping(http)) {
        if (tz_interrupted())
            end_jobs(http, false, TZ_INTERRUPTED, "interrupted");
        CURLMcode code = move_bytes(http);
        if (code)
            end_jobs(http, true, code == CURLM_OUT_OF_MEMORY ? TZ_NOMEM : TZ_FAILED,
                     curl_multi_strerror(code));
    }
    end_jobs(http, true, TZ_INTERRUPTED, "the connections are being closed");
    return NULL;
}
