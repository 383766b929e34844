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

#define TZ_S3_TIME_TEXT      48
#define TZ_S3_KEY_MAX        1024
#define TZ_S3_DEFAULT_REGION "us-east-1"
/* What a run begins with; see retry.c. */
#define TZ_S3_RETRY_TOKENS 500
#define TZ_S3_NO_SERVER    "what answers there is no S3 server: check 'endpoint'"

/* Where requests go. */
struct tz_s3_address {
    char *base; /* "https://host:port", what a target is put behind */
    char *host; /* of the Host header */
    char *region;
};

struct tz_s3_store {
    char *bucket;
    char *prefix;                      /* "" or "tozai/" */
    char *endpoint;                    /* NULL: AWS's own of the region */
    struct tz_s3_address addresses[2]; /* the second one if the first named the wrong region */
    char *storage_class;               /* NULL: the bucket's own */
    char *sse, *sse_kms_key;           /* NULL: the bucket's own */
    bool path_style;
    struct tz_http *http;
    struct tz_http *services; /* that give keys */
    struct tz_provider *provider;

    pthread_mutex_t mutex; /* of what follows */
    int64_t skew_ns;       /* the server's clock less ours */
    int retry_tokens;      /* what this run may still spend on trying again */
    uint64_t random;
    unsigned address; /* which one counts */
    bool alive;       /* the last that was asked for was answered */
    bool seen;        /* the bucket is there */
    bool open_region; /* nobody said which: the bucket itself may */
    bool conditional; /* a probe has seen the server keep to If-None-Match */
    bool batch;       /* and delete many objects at once */
};

/* endpoint.c: take the address apart.  endpoint NULL: AWS's own of the region; region NULL: open.
 */
int tz_s3_set_address(struct tz_s3_store *store, const char *url, const char *endpoint,
                      const char *region, enum tz_store_path path_style,
                      struct tz_error *err) TZ_MUST_CHECK;
void tz_s3_clear_address(struct tz_s3_store *store);
/* The one that counts now; it stays valid as long as the store. */
const struct tz_s3_address *tz_s3_address(struct tz_s3_store *store);
/* A server that was asked at this address says that the bucket is in that region.  True if a
 * request may go to a new address now. */
bool tz_s3_move(struct tz_s3_store *store, const struct tz_s3_address *asked, const char *region);

/* One request. */
struct tz_s3_call {
    const char *method;
    const char *verb; /* of what is done, for errors: "put" */
    const char *name; /* the object's, without the prefix; NULL: the bucket itself */
    struct tz_s3_pair query[8];
    size_t query_count;
    struct tz_s3_pair headers[16];
    size_t header_count;
    const void *body;
    size_t body_len;
    const uint8_t *body_hash; /* NULL: made here */
    struct tz_buf *out;       /* as in tz_http_request */
    size_t max;
    /* Statuses beside 2xx that are an answer, no failure: up to four. */
    unsigned accept[4];
    const struct tz_store_terms *terms; /* NULL: none */
    bool clearing_up;                   /* goes on after a wish to stop */
    bool *repeated;                     /* set if it was sent more than once; may be NULL */
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

/* Put what was done, and where, in front of the error. */
int tz_s3_while(const struct tz_s3_store *store, const struct tz_s3_call *call,
                struct tz_error *err);

/*
 * retry.c.  After this many failed tries since begun_ns, the last answered by this (NULL: by
 * nothing): wait and say that one more is worth it.  err is set only if that is interrupted.
 */
bool tz_s3_try_again(struct tz_s3_store *store, unsigned tries, int64_t begun_ns,
                     const struct tz_http_response *response, struct tz_error *err);
/* One was answered with this status. */
void tz_s3_succeeded(struct tz_s3_store *store, unsigned status);

/* refusal.c: what an answer that is no success means. */
struct tz_s3_refusal {
    enum tz_error_kind kind;
    bool again;                       /* trying again may help */
    bool skewed;                      /* the clocks differ */
    bool credentials;                 /* new ones may help */
    bool rights;                      /* the credentials lack one */
    bool elsewhere;                   /* in another region, or another endpoint's */
    char region[TZ_STORE_REGION_MAX]; /* then, if the server says it */
    char code[64];                    /* "NoSuchKey" */
    char message[256];
    const char *hint; /* NULL: none */
};
void tz_s3_read_refusal(const struct tz_s3_call *call, const struct tz_http_response *response,
                        struct tz_s3_refusal *ret);
/* The same for a code without an answer of its own, as a batch has them. */
void tz_s3_read_code(const char *code, struct tz_s3_refusal *ret);
int tz_s3_refuse(const struct tz_s3_store *store, const struct tz_s3_call *call,
                 const struct tz_http_response *response, const struct tz_s3_refusal *refusal,
                 struct tz_error *err);

/* encryption.c: how what is put is to be stored.  Of a store that was told to encrypt. */
#define TZ_S3_CLASS     "x-amz-storage-class"
#define TZ_S3_LOCK_MODE "x-amz-object-lock-mode"
#define TZ_S3_SSE       "x-amz-server-side-encryption"
/* The headers of class and encryption, which the beginning of an upload in parts takes, too. */
void tz_s3_add_storage(const struct tz_s3_store *store, struct tz_s3_call *call);
/* Does the answer to a put, or to a HEAD, say that the object is encrypted as it should be?  True
 * if nothing was asked for. */
bool tz_s3_is_encrypted(const struct tz_s3_store *store, const struct tz_http_response *response);
/* The same for an object that was just put, whose answer was this; a server that does not say so
 * then is asked.  TZ_UNSUPPORTED if it is not. */
int tz_s3_check_encrypted(struct tz_s3_store *store, const char *name,
                          const struct tz_http_response *response,
                          struct tz_error *err) TZ_MUST_CHECK;

/* multipart.c: for what one put may not hold. */
#define TZ_S3_SINGLE_MAX ((size_t)64 << 20)
#define TZ_S3_PART_SIZE  ((size_t)16 << 20)
int tz_s3_put_parts(struct tz_s3_store *store, const char *name, const void *data, size_t len,
                    bool replace, struct tz_error *err) TZ_MUST_CHECK;

/* lock.c: headers with which a put locks its object.  They live as long as the call. */
#define TZ_S3_MD5_TEXT 25
struct tz_s3_lock_texts {
    char until[TZ_S3_TIME_TEXT], md5[TZ_S3_MD5_TEXT];
};
int tz_s3_add_lock(struct tz_s3_call *call, const struct tz_store_lock *lock,
                   struct tz_s3_lock_texts *texts, struct tz_error *err) TZ_MUST_CHECK;
int tz_s3_extend_lock(void *state, const char *name, const struct tz_store_lock *lock,
                      struct tz_error *err) TZ_MUST_CHECK;
int tz_s3_read_lock(void *state, const char *name, const char *id, struct tz_store_lock *ret,
                    struct tz_error *err) TZ_MUST_CHECK;
int tz_s3_hold(void *state, const char *name, bool held, struct tz_error *err) TZ_MUST_CHECK;

/* versions.c: of buckets that keep what was removed or written over. */
int tz_s3_versions(void *state, const char *prefix, tz_store_version_fn *found, void *arg,
                   struct tz_error *err) TZ_MUST_CHECK;
int tz_s3_get_version(void *state, const char *name, const char *id, size_t max, struct tz_buf *out,
                      struct tz_error *err) TZ_MUST_CHECK;
int tz_s3_purge(void *state, const char *name, struct tz_error *err) TZ_MUST_CHECK;

/* list.c: what listings have in common. */
/* A copy, in the place of what *to was. */
int tz_s3_keep_text(char **to, const char *text, struct tz_error *err) TZ_MUST_CHECK;
int tz_s3_read_size(const char *text, uint64_t *ret, struct tz_error *err) TZ_MUST_CHECK;
int tz_s3_read_time(const char *text, int64_t *ret_ns, struct tz_error *err) TZ_MUST_CHECK;
bool tz_s3_decode_key(char *key);
/* Ask for a page of any listing, into an empty page each time: no hash comes with one, and what was
 * damaged on the way (TZ_CORRUPT) is whole the next time. */
typedef int tz_s3_page_fn(void *asking, struct tz_error *err);
int tz_s3_ask_for_page(tz_s3_page_fn *ask, void *asking, struct tz_error *err) TZ_MUST_CHECK;

/* s3.c */
int tz_s3_remove(void *state, const char *name, struct tz_error *err) TZ_MUST_CHECK;
int tz_s3_stat(void *state, const char *name, struct tz_store_stat *ret,
               struct tz_error *err) TZ_MUST_CHECK;

/* remove.c: many at once, if the server was seen to do that. */
int tz_s3_remove_many(void *state, const char *const *names, size_t count, bool *removed,
                      struct tz_error *err) TZ_MUST_CHECK;
/* At most 1000, whatever was seen.  TZ_UNSUPPORTED if the server does not know how. */
int tz_s3_remove_batch(struct tz_s3_store *store, const char *const *names, size_t count,
                       bool *removed, struct tz_error *err) TZ_MUST_CHECK;
/* The header that S3 demands of some requests: 24 characters and a NUL. */
#define TZ_S3_MD5_TEXT 25
int tz_s3_content_md5(char ret[TZ_S3_MD5_TEXT], const void *data, size_t len,
                      struct tz_error *err) TZ_MUST_CHECK;

/* probe.c */
/* The answer to GetBucketLocation: TZ_CORRUPT if it is none. */
int tz_s3_read_location(char ret[TZ_STORE_REGION_MAX], const void *data, size_t len,
                        struct tz_error *err) TZ_MUST_CHECK;
int tz_s3_region(void *state, char ret[TZ_STORE_REGION_MAX], struct tz_error *err) TZ_MUST_CHECK;
int tz_s3_probe(void *state, const struct tz_probe_options *options, struct tz_probe *ret,
                struct tz_error *err) TZ_MUST_CHECK;

/* probe_canary.c: with objects that are put and removed again. */
int tz_s3_probe_canary(struct tz_s3_store *store, struct tz_probe *probe,
                       struct tz_error *err) TZ_MUST_CHECK;
/* Of a trial that failed: is its answer just unknown?  Else the probe has failed. */
bool tz_s3_is_answer_unknown(const struct tz_error *why);
/* Put, once, under a condition that is to be refused; false headers and hashes are the caller's. */
int tz_s3_probe_put(struct tz_s3_store *store, struct tz_s3_call *call,
                    struct tz_http_response *ret, struct tz_error *err) TZ_MUST_CHECK;

/* leftovers.c */
int tz_s3_leftovers(void *state, tz_store_leftover_fn *found, void *arg,
                    struct tz_error *err) TZ_MUST_CHECK;
int tz_s3_remove_leftover(void *state, const struct tz_store_leftover *leftover, int64_t still_ns,
                          bool *ret_removed, uint64_t *ret_bytes,
                          struct tz_error *err) TZ_MUST_CHECK;

/* list.c */
int tz_s3_list(void *state, const char *prefix, const struct tz_store_terms *terms,
               tz_store_found_fn *found, void *arg, struct tz_error *err) TZ_MUST_CHECK;

#endif
