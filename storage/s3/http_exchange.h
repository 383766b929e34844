/*
 * One request on its way and its answer: what curl is told about it, the bytes in both directions,
 * and what the end of it means.
 *
 * Made by the thread that asks; from then until it is finished only the thread that does the
 * input and output touches it.
 */
#ifndef TOZAI_STORAGE_S3_HTTP_EXCHANGE_H
#define TOZAI_STORAGE_S3_HTTP_EXCHANGE_H

#include "http_limit.h"

#include <curl/curl.h>

/* A longer body asks for "100 Continue". */
#define TZ_HTTP_CONTINUE_MIN ((size_t)1 << 20)

/* What all requests of a store have in common. */
struct tz_http_common {
    char *ca_file; /* NULL: the system's */
    char *user_agent;
    unsigned timeout_s, connect_timeout_s;
    struct tz_http_bucket upload, download;
    bool hasty; /* the server does not say "100 Continue": do not ask for it */
};

struct tz_http_exchange {
    const struct tz_http_request *request;
    struct tz_http_common *common;
    struct curl_slist *lines;
    CURL *easy; /* borrowed; NULL before its turn */

    size_t sent;    /* of the body, given to curl */
    size_t out_len; /* of request->out, before */
    struct tz_http_flow up, down;
    struct tz_http_response response;
    size_t header_bytes; /* of all answers, also the interim ones */
    bool head_complete;  /* the blank line behind the headers came */
    bool continued;      /* the server said "100 Continue" */
    bool expect_removed; /* it is not asked for that */
    bool fresh;          /* on a new connection, since the kept one was closed */
    bool rewound;        /* curl itself did the same */
    bool room_made;
    int64_t no_room_ns; /* since when it waits for room; 0: it does not */

    int64_t started_ns, moved_ns;
    int64_t asked_ns; /* when it was last asked whether it is too slow */
    uint64_t moved;   /* what had moved then */

    char curl_text[CURL_ERROR_SIZE];
    struct tz_error error; /* its kind TZ_OK: none */
};

/* TZ_INVALID, TZ_NOMEM. */
int tz_http_exchange_init(struct tz_http_exchange *exchange, struct tz_http_common *common,
                          const struct tz_http_request *request,
                          struct tz_error *err) TZ_MUST_CHECK;
void tz_http_exchange_clear(struct tz_http_exchange *exchange);

/* Connect easy's callbacks with the exchange; returns how many of the options curl refused. */
int tz_http_exchange_attach(struct tz_http_exchange *exchange, CURL *easy);
/* Its turn: tell easy all about it, whose private pointer becomes the exchange. */
int tz_http_exchange_begin(struct tz_http_exchange *exchange, CURL *easy,
                           int64_t now_ns) TZ_MUST_CHECK;
/* Begin anew on a connection of its own?  Only if that is what curl's result asks for. */
bool tz_http_exchange_begins_anew(struct tz_http_exchange *exchange, CURLcode code);
/* Too slow: says so in ->error. */
bool tz_http_exchange_stalled(struct tz_http_exchange *exchange, int64_t now_ns);
/* Ask again for the room that it waits for.  -1: it has failed, with ->error. */
int tz_http_exchange_ask_room(struct tz_http_exchange *exchange) TZ_MUST_CHECK;
/* Let waiting directions go on that are worth it.  -1: it has failed, with ->error. */
int tz_http_exchange_resume(struct tz_http_exchange *exchange, size_t up_waiting,
                            size_t down_waiting) TZ_MUST_CHECK;
/* curl is done with it: fills in the response, or ->error, unless that is there already. */
void tz_http_exchange_end(struct tz_http_exchange *exchange, CURLcode code);

#endif
