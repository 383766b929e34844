/*
 * HTTP for one store: connections that are kept and shared, on libcurl's multi interface.
 *
 * One thread does all input and output; any number of threads ask and wait for their answers.
 * At most `connections` requests are on their way at once, later ones wait for their turn.
 * No redirect is followed and no status is an error here: the caller knows what it means.  Nothing
 * is tried again, but for one case: a kept connection on which the server hung up before it
 * answered is replaced by a new one, once.
 *
 * HTTP/1.1 over plain TCP or TLS 1.2 and later.  Proxies come from the environment (http_proxy,
 * https_proxy, no_proxy).  A body of more than 1 MiB waits up to a second for "100 Continue", so
 * that a refusal costs no upload; a server that lets it wait is not asked again.
 *
 * Memory: what the requests' bodies and answers need, which belong to the callers, and curl's own
 * buffers, up to 512 KiB for each connection.
 */
#ifndef TOZAI_STORAGE_S3_HTTP_H
#define TOZAI_STORAGE_S3_HTTP_H

#include "tozai/storage/store.h"

#include <stdbool.h>

struct tz_http_options {
    const char *ca_file;        /* only these are trusted; NULL: the system's */
    const char *user_agent;     /* NULL: "tozai/<version>" */
    unsigned connections;       /* 0: 8 */
    unsigned timeout_s;         /* nothing moves for so long: the request has failed; 0: 30 */
    unsigned connect_timeout_s; /* 0: 10 */
    /* For all connections together; what was not used may come later, but no more than a fifth of
     * a second's (or 16 KiB). */
    struct tz_store_limit upload[TZ_STORE_LIMITS], download[TZ_STORE_LIMITS];
    const char *zone; /* of their times, by its name in tzdata; NULL: the system's */
};

/* What to do about the status 407. */
#define TZ_HTTP_PROXY_KEYS                                                                         \
    "the HTTP proxy asks for other credentials: http_proxy or https_proxy is "                     \
    "http://USER:PASSWORD@HOST:PORT"

struct tz_http;
/* The strings are copied.  Fails if the ca_file cannot be read, or if there are limits with times
 * and no such zone (TZ_INVALID). */
int tz_http_new(struct tz_http **ret, const struct tz_http_options *options,
                struct tz_error *err) TZ_MUST_CHECK;
/* Requests that others still wait for fail with TZ_INTERRUPTED, and have returned when this
 * does.  NULL is allowed. */
void tz_http_free(struct tz_http *http);
TZ_DEFINE_SCOPED(struct tz_http *, tz_scoped_http, tz_http_free)

struct tz_http_request {
    const char *method; /* "GET", "HEAD", "PUT", "POST", "DELETE" */
    const char *url;    /* encoded; sent as it is */
    /* "Name: value" lines, each with a NUL behind it, and one more at the end; NULL: none. */
    const char *lines;
    const void *body; /* borrowed until the call returns */
    size_t body_len;
    /* Where the body of a 2xx answer is appended, at most max of it.  It may have room enough:
     * then nothing is copied or moved.  NULL: it goes to ->text, as that of other answers. */
    struct tz_buf *out;
    size_t max;
    /* For the whole of it from its turn on, beside the options' one; 0: none. */
    unsigned timeout_s;
    /* Borrowed; NULL: none.  once is not for this layer; still_s is instead of the options'
     * timeout_s, and with the time it takes to connect; room is for what goes to out, and an answer
     * that waits for it is not silent.  The thread that does input and output asks. */
    const struct tz_store_terms *terms;
    bool direct; /* past the proxies of the environment: to services of this machine */
    /* Clearing up: goes on after tz_interrupt_request(). */
    bool uninterrupted;
};

#define TZ_HTTP_TEXT_MAX ((size_t)16 << 20)
struct tz_http_response {
    unsigned status; /* 200 */
    struct tz_buf text;
    struct tz_buf headers;         /* "name: value" lines, names in lower case, a NUL behind each */
    bool repeated;                 /* it was sent again on a new connection */
    uint64_t uploaded, downloaded; /* bytes of the bodies */
    int64_t first_byte_ns, total_ns; /* how long it took from its turn on */
};
void tz_http_response_clear(struct tz_http_response *response);
static inline TZ_UNUSED void tz_scoped_http_response(struct tz_http_response *response)
{
    tz_http_response_clear(response);
}
/* The value of a header (name in lower case), NULL if there is none. */
const char *tz_http_header(const struct tz_http_response *response, const char *name);

/*
 * Do it and wait.  ret is filled in for any complete answer, whatever its status; what it held is
 * not cleared.  A body that the server did not want to read to its end is no error.  Errors:
 *
 *   TZ_UNAVAILABLE  no address, no connection, reset, cut short, too slow: it may go well later
 *   TZ_DENIED       TLS: a certificate that is not trusted, or no common version
 *   TZ_CORRUPT      more bytes than max (or TZ_HTTP_TEXT_MAX), 64 KiB of headers, or not HTTP
 *   TZ_INVALID      a URL that is none or holds a user name, a header line that is none
 *   TZ_INTERRUPTED  tz_interrupt_request(), within half a second, or tz_http_free()
 *   TZ_NOMEM        no memory left
 *
 * After an error out is as it was.
 */
int tz_http_perform(struct tz_http *http, const struct tz_http_request *request,
                    struct tz_http_response *ret, struct tz_error *err) TZ_MUST_CHECK;

#endif
