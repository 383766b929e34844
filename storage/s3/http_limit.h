/*
 * How fast bytes may pass: one token bucket for each direction of a store, and the parts of it
 * that single transfers hold.
 *
 * A bucket gains `rate` tokens in a second, of which it keeps those of a fifth of a second.  A
 * transfer draws a share of them and uses it up, then it waits for its next turn; that way no
 * transfer starves another.  A transfer that must take a piece as a whole may take more than it
 * holds; the bucket is then in debt and nobody draws until that is paid.
 *
 * Nothing here reads a clock.  One thread at a time.
 */
#ifndef TOZAI_STORAGE_S3_HTTP_LIMIT_H
#define TOZAI_STORAGE_S3_HTTP_LIMIT_H

#include "http.h"

struct tz_http_bucket {
    uint64_t rate;     /* bytes per second; 0: no limit */
    int64_t tokens;    /* below 0: debt */
    uint64_t part;     /* of a token, in billionths */
    int64_t filled_ns; /* when that was so */
};

/* What came in since the last time, at the old rate; from now on at this one.  The first fill
 * leaves it empty. */
void tz_http_bucket_fill(struct tz_http_bucket *bucket, uint64_t rate, int64_t now_ns);
/* How long it takes until somebody can draw. */
int64_t tz_http_bucket_wait_ns(const struct tz_http_bucket *bucket);

struct tz_http_flow {
    struct tz_http_bucket *bucket;
    uint64_t allowance;
    bool waiting; /* for its next turn; set by take and pass */
};

/* Give it its share of the bucket, as one of `waiting` that want some.  False: not yet. */
bool tz_http_flow_draw(struct tz_http_flow *flow, size_t waiting);
/* How many of len bytes may pass, and count them; 0: it has to wait (if len is not 0). */
size_t tz_http_flow_take(struct tz_http_flow *flow, size_t len);
/* The same for all of them or none. */
bool tz_http_flow_pass(struct tz_http_flow *flow, size_t len);
/* It is over: the bucket gets back what was not used. */
void tz_http_flow_end(struct tz_http_flow *flow);

#endif
