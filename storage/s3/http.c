#include "http_loop.h"

#include "tozai/util/interrupt.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "tozai/util/banned.h"

#define CONNECTIONS       8
#define TIMEOUT_S         30
#define CONNECT_TIMEOUT_S 10

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_state;

static void init_curl(void)
{
    curl_state = curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* Signals are for the threads that ask; a closed pipe is an error like others. */
static int start_thread(struct tz_http *http, struct tz_error *err)
{
    sigset_t all, old;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    int number = pthread_create(&http->thread, NULL, tz_http_run, http);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (number)
        return tz_fail_errno(err, number, "start a thread");
    http->running = true;
    return 0;
}

static int copy_options(struct tz_http *http, const struct tz_http_options *options,
                        struct tz_error *err)
{
    struct tz_http_common *common = &http->common;
    const char *agent = options->user_agent ? options->user_agent : "tozai/" TOZAI_VERSION;

    common->user_agent = strdup(agent);
    common->ca_file = options->ca_file ? strdup(options->ca_file) : NULL;
    if (!common->user_agent || (options->ca_file && !common->ca_file))
        return tz_fail_nomem(err);
    common->timeout_s = options->timeout_s ? options->timeout_s : TIMEOUT_S;
    common->connect_timeout_s =
        options->connect_timeout_s ? options->connect_timeout_s : CONNECT_TIMEOUT_S;
    memcpy(http->upload, options->upload, sizeof(http->upload));
    memcpy(http->download, options->download, sizeof(http->download));
    if (tz_limit_has_times(http->upload) || tz_limit_has_times(http->download))
        return tz_zone_open(&http->zone, options->zone ? options->zone : "", err);
    return 0;
}

static int open_handles(struct tz_http *http, struct tz_error *err)
{
    http->multi = curl_multi_init();
    if (!http->multi)
        return tz_fail_nomem(err);
    for (size_t i = 0; i < http->count; i++) {
        http->slots[i].easy = curl_easy_init();
        if (!http->slots[i].easy)
            return tz_fail_nomem(err);
    }
    /* As many kept connections, and no more, as there can be requests. */
    if (curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, (long)http->count))
        return tz_fail_nomem(err);
    return 0;
}

int tz_http_new(struct tz_http **ret, const struct tz_http_options *options, struct tz_error *err)
{
    size_t count = options->connections ? options->connections : CONNECTIONS;

    (void)pthread_once(&curl_once, init_curl);
    if (curl_state)
        return tz_fail(err, TZ_FAILED, "libcurl: %s", curl_easy_strerror(curl_state));
    if (options->ca_file && access(options->ca_file, R_OK))
        return tz_fail_errno(err, errno, "read '%s'", options->ca_file);

    struct tz_http *http = calloc(1, sizeof(*http) + count * sizeof(http->slots[0]));
    if (!http)
        return tz_fail_nomem(err);
    (void)pthread_mutex_init(&http->mutex, NULL);
    (void)pthread_cond_init(&http->left, NULL);
    http->last = &http->first;
    http->count = count;
    if (copy_options(http, options, err) || open_handles(http, err) || start_thread(http, err)) {
        tz_http_free(http);
        return -1;
    }
    *ret = http;
    return 0;
}

static void stop_thread(struct tz_http *http)
{
    (void)pthread_mutex_lock(&http->mutex);
    http->stopping = true;
    (void)pthread_mutex_unlock(&http->mutex);
    (void)curl_multi_wakeup(http->multi);
    (void)pthread_join(http->thread, NULL);

    (void)pthread_mutex_lock(&http->mutex);
    while (http->users > 0)
        (void)pthread_cond_wait(&http->left, &http->mutex);
    (void)pthread_mutex_unlock(&http->mutex);
}

void tz_http_free(struct tz_http *http)
{
    if (!http)
        return;
    if (http->running)
        stop_thread(http);
    for (size_t i = 0; i < http->count; i++)
        curl_easy_cleanup(http->slots[i].easy);
    (void)curl_multi_cleanup(http->multi);
    tz_zone_free(http->zone);
    free(http->common.ca_file);
    free(http->common.user_agent);
    (void)pthread_cond_destroy(&http->left);
    (void)pthread_mutex_destroy(&http->mutex);
    free(http);
}

/* Hand it to the thread and wait until that is done with it. */
static void submit(struct tz_http *http, struct tz_http_job *job)
{
    (void)pthread_mutex_lock(&http->mutex);
    if (http->stopping) {
        (void)tz_fail(&job->exchange.error, TZ_INTERRUPTED, "the connections are being closed");
    } else {
        http->users++;
        *http->last = job;
        http->last = &job->next;
        (void)curl_multi_wakeup(http->multi);
        while (!job->done)
            (void)pthread_cond_wait(&job->finished, &http->mutex);
        if (--http->users == 0)
            (void)pthread_cond_signal(&http->left);
    }
    (void)pthread_mutex_unlock(&http->mutex);
}

int tz_http_perform(struct tz_http *http, const struct tz_http_request *request,
                    struct tz_http_response *ret, struct tz_error *err)
{
    struct tz_http_job job = {0};

    if (!request->uninterrupted && tz_interrupt_check(err))
        return -1;
    if (tz_http_exchange_init(&job.exchange, &http->common, request, err))
        return -1;
    (void)pthread_cond_init(&job.finished, NULL);
    submit(http, &job);
    (void)pthread_cond_destroy(&job.finished);

    bool failed = job.exchange.error.kind != TZ_OK;
    if (!failed)
        *ret = job.exchange.response; /* ours no longer */
    else if (err)
        *err = job.exchange.error;
    if (!failed)
        job.exchange.response = (struct tz_http_response){0};
    tz_http_exchange_clear(&job.exchange);
    return failed ? -1 : 0;
}
