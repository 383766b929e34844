/*
 * The inside of a struct tz_http: the jobs that wait for their turn, and the thread that does them.
 */
#ifndef TOZAI_STORAGE_S3_HTTP_LOOP_H
#define TOZAI_STORAGE_S3_HTTP_LOOP_H

#include "http_exchange.h"

#include <pthread.h>

struct tz_http_job {
    struct tz_http_exchange exchange;
    struct tz_http_job *next;
    bool done;
    pthread_cond_t finished;
};

struct tz_http_slot {
    CURL *easy;
    struct tz_http_job *job; /* on its way, or NULL */
};

struct tz_http {
    pthread_mutex_t mutex;
    struct tz_http_job *first, **last; /* that wait for their turn */
    size_t users;                      /* threads within tz_http_perform() */
    pthread_cond_t left;               /* no user any more */
    bool stopping;

    /* The rest belongs to the thread while it runs. */
    pthread_t thread;
    bool running;
    CURLM *multi;
    struct tz_http_common common;
    struct tz_store_limit upload[TZ_STORE_LIMITS], download[TZ_STORE_LIMITS];
    struct tz_zone *zone; /* of their times; NULL: there are none */
    int64_t rates_ns;     /* when the time of day was read */
    uint64_t upload_rate, download_rate;
    size_t turn; /* the slot that is first when limits are shared out */
    size_t count;
    struct tz_http_slot slots[];
};

/* The thread; it ends when ->stopping is set, after all jobs have ended.  arg: struct tz_http. */
void *tz_http_run(void *arg);

#endif
