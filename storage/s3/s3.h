/*
 * What the parts of the S3 driver share.
 *
 * An object of the store is an object of the bucket, its key the prefix of the url before its name.
 * Everything goes through tz_s3_call(), which signs, tries again, and says what a refusal means.
 */
#ifndef TOZAI_STORAGE_S3_S3_H
#define TOZAI_STORAGE_S3_S3_H

#include "tozai/storage/driver.h"

#include "credentials.h"
#include "http.h"
#include "sigv4.h"

#include <pthread.h>

#define TZ_S3_KEY_MAX        1024
#define TZ_S3_DEFAULT_REGION "us-east-1"

struct tz_s3_store {
    char *bucket;
    char *prefix; /* "" or "tozai/" */
    char *base;   /* "https://host:port", what a target is put behind */
    char *host;   /* of the Host header */
    char *region;
    char *storage_class; /* NULL: the bucket's own */
    bool path_style;
    struct tz_http *http;
    struct tz_http *services; /* that give keys */
    struct tz_provider *provider;

    pthread_mutex_t mutex; /* of what follows */
    int64_t skew_ns;       /* the server's clock less ours */
    int retry_tokens;      /* what this run may still spend on trying again */
    uint64_t random;
    bool conditional; /* the server was seen to keep to If-None-Match */
};

/* endpoint.c: take the address apart.  endpoint NULL: AWS's own of the region. */
int tz_s3_set_address(struct tz_s3_store *store, const char *url, const char *endpoint,
                      const char *region, enum tz_store_path path_style,
                      struct tz_error *err) TZ_MUST_CHECK;

/* One request. */
struct tz_s3_call {
    const char *method;
    const char *verb; /* of what is done, for errors: "put" */
    const char *name; /* the object's, without the prefix; NULL: the bucket itself */
    struct tz_s3_pair query[8];
    size_t query_count;
    struct tz_s3_pair headers[12];
    size_t header_count;
    const void *body;
    size_t body_len;
    const uint8_t *body_hash; /* NULL: made here */
    struct tz_buf *out;       /* as in tz_http_request */
    size_t max;
    /* Statuses beside 2xx that are an answer, no failure: up to four. */
    unsigned accept[4];
    bool clearing_up; /* goes on after a wish to stop */
};
void tz_s3_add_query(struct tz_s3_call *call, const char *name, const char *value);
void tz_s3_add_header(struct tz_s3_call *call, const char *name, const char *value);

/*
 * Do it: signed, and tried again with growing, random pauses while that may help and the run's
 * budget lasts.  Clock skew and expired credentials are mended once.  TZ_NOT_FOUND is only the
 * object's not being there; a missing bucket is TZ_UNAVAILABLE.
 */
int tz_s3_call(struct tz_s3_store *store, const struct tz_s3_call *call,
               struct tz_http_response *ret, struct tz_error *err) TZ_MUST_CHECK;

/* refusal.c: what an answer that is no success means. */
struct tz_s3_refusal {
    enum tz_error_kind kind;
    bool again;       /* trying again may help */
    bool skewed;      /* the clocks differ */
    bool credentials; /* new ones may help */
    char code[64];    /* "NoSuchKey" */
    char message[256];
    const char *hint; /* NULL: none */
};
void tz_s3_read_refusal(const struct tz_http_response *response, struct tz_s3_refusal *ret);
int tz_s3_refuse(const struct tz_s3_store *store, const struct tz_s3_call *call,
                 const struct tz_http_response *response, const struct tz_s3_refusal *refusal,
                 struct tz_error *err);

/* multipart.c: for what one put may not hold. */
#define TZ_S3_SINGLE_MAX ((size_t)64 << 20)
#define TZ_S3_PART_SIZE  ((size_t)16 << 20)
int tz_s3_put_parts(struct tz_s3_store *store, const char *name, const void *data, size_t len,
                    struct tz_error *err) TZ_MUST_CHECK;

/* s3.c */
int tz_s3_stat(void *state, const char *name, struct tz_store_stat *ret,
               struct tz_error *err) TZ_MUST_CHECK;

/* list.c */
int tz_s3_list(void *state, const char *prefix, tz_store_found_fn *found, void *arg,
               struct tz_error *err) TZ_MUST_CHECK;

#endif
