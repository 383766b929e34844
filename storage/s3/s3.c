/*
 * The S3 driver: opening, and requests for one object.
 */
#include "s3.h"

#include "tozai/util/hex.h"
#include "tozai/util/time.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tozai/util/banned.h"

#define RANGE_TEXT  64
#define CONNECTIONS 32

static void s3_free(void *state)
{
    struct tz_s3_store *store = state;

    if (!store)
        return;
    tz_provider_free(store->provider);
    tz_http_free(store->services);
    tz_http_free(store->http);
    (void)pthread_mutex_destroy(&store->mutex);
    tz_s3_clear_address(store);
    free(store->storage_class);
    free(store->sse);
    free(store->sse_kms_key);
    free(store);
}
TZ_DEFINE_SCOPED(struct tz_s3_store *, scoped_s3_store, s3_free)

static int copy_text(char **to, const char *text, struct tz_error *err)
{
    *to = text ? strdup(text) : NULL;
    return !text || *to ? 0 : tz_fail_nomem(err);
}

static int open_parts(struct tz_s3_store *store, const struct tz_store_options *options,
                      struct tz_error *err)
{
    const struct tz_store_s3_options none = {0};
    const struct tz_store_s3_options *s3 = options->s3 ? options->s3 : &none;
    struct tz_http_options http = {
        .ca_file = s3->ca_file,
        .connections = s3->connections ? s3->connections : CONNECTIONS,
        .timeout_s = options->timeout_s,
        .zone = options->zone,
    };
    const struct tz_credentials_options credentials = {
        .file = s3->credentials_file,
        .profile = s3->profile,
        .region = store->addresses[0].region,
    };

    memcpy(http.upload, options->upload, sizeof(http.upload));
    memcpy(http.download, options->download, sizeof(http.download));
    if (copy_text(&store->storage_class, s3->storage_class, err) ||
        copy_text(&store->sse, s3->sse, err) ||
        copy_text(&store->sse_kms_key, s3->sse_kms_key, err))
        return -1;
    /* The services that give keys are near, and neither the store's limits nor its authority
     * are for them. */
    const struct tz_http_options services = {.connections = 2, .connect_timeout_s = 1};
    if (tz_http_new(&store->http, &http, err) || tz_http_new(&store->services, &services, err) ||
        tz_provider_new(&store->provider, store->services, &credentials, err))
        return -1;
    return 0;
}

/* A listing of one key shows whether the bucket is there and may be read. */
static int look_at_bucket(struct tz_s3_store *store, bool *ret_missing, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {0};
    struct tz_s3_call call = {.method = "GET", .verb = "list"};

    tz_s3_add_query(&call, "list-type", "2");
    tz_s3_add_query(&call, "max-keys", "1");
    tz_s3_add_query(&call, "prefix", store->prefix);
    int status = tz_s3_call(store, &call, &response, err);
    if (ret_missing)
        *ret_missing = response.status == 404;
    return status;
}

/* AWS wants to be told the region of a new bucket, unless it is us-east-1. */
static int make_bucket(struct tz_s3_store *store, bool locked, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf body = {0};
    struct tz_s3_call call = {.method = "PUT", .verb = "make"};
    const char *region = tz_s3_address(store)->region;

    if (strcmp(region, TZ_S3_DEFAULT_REGION) != 0 &&
        tz_buf_printf(&body, err,
                      "<CreateBucketConfiguration "
                      "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><LocationConstraint>%s"
                      "</LocationConstraint></CreateBucketConfiguration>",
                      region))
        return -1;
    call.body = body.data;
    call.body_len = body.len;
    if (locked)
        tz_s3_add_header(&call, "x-amz-bucket-object-lock-enabled", "true");
    return tz_s3_call(store, &call, &response, err);
}

/* With create, make it where it is missing.  Else the first request will tell. */
static int find_bucket(struct tz_s3_store *store, const struct tz_store_options *options,
                       struct tz_error *err)
{
    struct tz_error why = {0};
    bool missing = false;

    if (!options->create || !look_at_bucket(store, &missing, &why))
        return 0;
    if (missing && !options->read_only)
        return make_bucket(store, options->s3 && options->s3->lock_bucket, err);
    if (err)
        *err = why;
    return -1;
}

static int s3_open(void **ret, const struct tz_store_options *options, struct tz_error *err)
{
    TZ_SCOPED(scoped_s3_store) struct tz_s3_store *store = calloc(1, sizeof(*store));
    const struct tz_store_s3_options *s3 = options->s3;

    if (!store)
        return tz_fail_nomem(err);
    (void)pthread_mutex_init(&store->mutex, NULL);
    store->retry_tokens = TZ_S3_RETRY_TOKENS;
    store->random = (uint64_t)tz_monotonic() | 1U;
    if (tz_s3_set_address(store, options->url, s3 ? s3->endpoint : NULL, s3 ? s3->region : NULL,
                          s3 ? s3->path_style : TZ_STORE_PATH_DEFAULT, err) ||
        open_parts(store, options, err) || find_bucket(store, options, err))
        return -1;
    *ret = TZ_TAKE(store);
    return 0;
}

/* Most names end with the SHA-256 of what they name: then nobody needs to compute it again, and
 * the server refuses anything else. */
static bool hash_of_name(const char *name, uint8_t hash[TZ_HASH_SIZE])
{
    size_t len = strlen(name);
    const size_t hex = TZ_HASH_TEXT - 1;

    return len > hex && (name[len - hex - 1] == '/' || name[len - hex - 1] == '-') &&
           tz_unhex(hash, TZ_HASH_SIZE, name + len - hex);
}

static int exists(const char *name, struct tz_error *err)
{
    return tz_fail(err, TZ_EXISTS, "put '%s': the name is taken", name);
}

/* What is put, and how that went. */
struct put {
    struct tz_s3_store *store;
    const char *name;
    const void *data;
    size_t len;
    const struct tz_store_lock *lock; /* NULL: none */
    bool conditional;                 /* only if there is no such object */
    bool replace;                     /* whatever is there */
    bool repeated;                    /* it was sent more than once */
};

static int put_once(struct put *put, const uint8_t *hash, struct tz_http_response *ret,
                    struct tz_error *err)
{
    struct tz_s3_lock_texts texts;
    struct tz_s3_call call = {
        .method = "PUT",
        .verb = "put",
        .name = put->name,
        .body = put->data,
        .body_len = put->len,
        .body_hash = hash,
        .repeated = &put->repeated,
    };

    if (put->conditional) {
        tz_s3_add_header(&call, "If-None-Match", "*");
        call.accept[0] = 412;
        call.accept[1] = 501;
    }
    tz_s3_add_storage(put->store, &call);
    if (put->lock && tz_s3_add_lock(&call, put->lock, &texts, err))
        return -1;
    if (tz_s3_call(put->store, &call, ret, err))
        return -1;
    if (ret->status < 300 && !tz_http_header(ret, "etag")) {
        (void)tz_fail(err, TZ_UNAVAILABLE, "put '%s': the answer does not confirm it", put->name);
        return tz_hint(err, TZ_S3_NO_SERVER);
    }
    return ret->status < 300 ? tz_s3_check_encrypted(put->store, put->name, ret, err) : 0;
}

/* A name and bytes that do not belong together are put as they are: the caller's hash is wrong. */
static int put_single(struct put *put, struct tz_http_response *ret, struct tz_error *err)
{
    uint8_t named[TZ_HASH_SIZE], real[TZ_HASH_SIZE];
    struct tz_error why = {0};

    if (!hash_of_name(put->name, named))
        return put_once(put, NULL, ret, err);
    if (!put_once(put, named, ret, &why))
        return 0;
    if (ret->status == 400 && why.kind == TZ_UNAVAILABLE) {
        if (tz_sha256(real, put->data, put->len, err))
            return -1;
        if (memcmp(real, named, TZ_HASH_SIZE) != 0)
            return put_once(put, real, ret, err);
    }
    if (err)
        *err = why;
    return -1;
}

static bool may_be_conditional(struct tz_s3_store *store)
{
    (void)pthread_mutex_lock(&store->mutex);
    bool may = store->conditional;
    (void)pthread_mutex_unlock(&store->mutex);
    return may;
}

static void refuse_conditional(struct tz_s3_store *store)
{
    (void)pthread_mutex_lock(&store->mutex);
    store->conditional = false;
    (void)pthread_mutex_unlock(&store->mutex);
}

/* Is what is there what was to be put? */
static int is_same(const struct put *put, bool *ret, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf there = {0};

    if (tz_store_driver_s3.get(put->store, put->name, 0, put->len + 1, 0, &there, err))
        return -1;
    *ret = there.len == put->len && (put->len == 0 || memcmp(there.data, put->data, put->len) == 0);
    return 0;
}

/* The server itself refuses a name that is taken.  *ret_done: no more is to be done. */
static int put_conditional(const struct put *put, bool *ret_done, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {0};
    struct put conditional = *put;

    *ret_done = false;
    if (put->len > TZ_S3_SINGLE_MAX || !may_be_conditional(put->store))
        return 0;
    conditional.conditional = true;
    if (put_single(&conditional, &response, err))
        return -1;
    *ret_done = response.status != 501;
    if (response.status == 501)
        refuse_conditional(put->store);
    if (response.status != 412)
        return 0;
    /* By an earlier attempt whose answer was lost? */
    bool same = false;
    if (conditional.repeated && is_same(put, &same, err))
        return -1;
    return same ? 0 : exists(put->name, err);
}

/* Servers differ in whether the beginning of an upload in parts can lock what comes of it. */
static int put_unconditional(struct put *put, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {0};

    if (put->len <= TZ_S3_SINGLE_MAX)
        return put_single(put, &response, err);
    if (tz_s3_put_parts(put->store, put->name, put->data, put->len, put->replace, err))
        return -1;
    return put->lock ? tz_s3_extend_lock(put->store, put->name, put->lock, err) : 0;
}

/*
 * Where the condition was not seen to hold the server is asked before: objects never change, so
 * between the two nobody can put anything else there.
 */
static int put_new(struct put *put, struct tz_error *err)
{
    struct tz_store_stat stat;
    bool done = false;

    if (put_conditional(put, &done, err))
        return -1;
    if (done)
        return 0;
    if (tz_s3_stat(put->store, put->name, &stat, err))
        return -1;
    if (stat.exists)
        return exists(put->name, err);
    return put_unconditional(put, err);
}

static int put_locked(void *state, const char *name, const void *data, size_t len, bool replace,
                      const struct tz_store_lock *lock, struct tz_error *err)
{
    struct put put = {
        .store = state, .name = name, .data = data, .len = len, .lock = lock, .replace = replace};

    return replace ? put_unconditional(&put, err) : put_new(&put, err);
}

static int s3_put(void *state, const char *name, const void *data, size_t len, bool replace,
                  struct tz_error *err)
{
    return put_locked(state, name, data, len, replace, NULL, err);
}

static bool has_seen_bucket(struct tz_s3_store *store)
{
    (void)pthread_mutex_lock(&store->mutex);
    bool seen = store->seen;
    (void)pthread_mutex_unlock(&store->mutex);
    return seen;
}

static int read_length(const struct tz_http_response *response, const char *name, uint64_t *ret,
                       struct tz_error *err)
{
    const char *text = tz_http_header(response, "content-length");
    char *end = NULL;

    unsigned long long size = text ? strtoull(text, &end, 10) : 0;
    if (!text || end == text || *end)
        return tz_fail(err, TZ_CORRUPT, "look for '%s': the server does not say how large it is",
                       name);
    *ret = size;
    return 0;
}

int tz_s3_stat(void *state, const char *name, struct tz_store_stat *ret, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {0};
    struct tz_s3_call call = {.method = "HEAD", .verb = "look for", .name = name, .accept = {404}};
    struct tz_store_stat stat = {0};

    if (tz_s3_call(state, &call, &response, err))
        return -1;
    if (response.status != 404) {
        const char *time = tz_http_header(&response, "last-modified");
        time_t seconds = time ? curl_getdate(time, NULL) : -1;
        stat.exists = true;
        stat.changed_ns = seconds > 0 ? (int64_t)seconds * TZ_SECOND_NS : 0;
        if (read_length(&response, name, &stat.size, err))
            return -1;
    } else if (!has_seen_bucket(state) && look_at_bucket(state, NULL, err)) {
        return -1; /* a HEAD does not tell a missing bucket from a missing object */
    }
    *ret = stat;
    return 0;
}

/* "bytes 5-9/10" begins where it should? */
static bool right_range(const struct tz_http_response *response, uint64_t offset)
{
    const char *range = tz_http_header(response, "content-range");
    uint64_t begin = 0;

    return range && sscanf(range, "bytes %" SCNu64 "-", &begin) == 1 && begin == offset;
}

static int s3_get(void *state, const char *name, uint64_t offset, size_t len,
                  const struct tz_store_terms *terms, struct tz_buf *out, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {0};
    struct tz_s3_call call = {
        .method = "GET",
        .verb = "get",
        .name = name,
        .out = out,
        .max = len,
        .terms = terms,
        .accept = {416},
    };
    uint64_t last = len > UINT64_MAX - offset ? UINT64_MAX : offset + len - 1;
    size_t before = out->len;
    char range[RANGE_TEXT];

    if (len == 0 || offset > INT64_MAX) {
        struct tz_store_stat stat;
        if (tz_s3_stat(state, name, &stat, err))
            return -1;
        return stat.exists ? 0 : tz_fail(err, TZ_NOT_FOUND, "get '%s': it is not there", name);
    }
    if (last > INT64_MAX)
        (void)snprintf(range, sizeof(range), "bytes=%" PRIu64 "-", offset);
    else
        (void)snprintf(range, sizeof(range), "bytes=%" PRIu64 "-%" PRIu64, offset, last);
    tz_s3_add_header(&call, "Range", range);
    if (tz_s3_call(state, &call, &response, err))
        return -1;
    if (response.status == 416 || out->len == before)
        return 0;
    if (response.status == 206 ? !right_range(&response, offset) : offset > 0) {
        out->len = before;
        return tz_fail(err, TZ_CORRUPT, "get '%s': the server gives other bytes than asked for",
                       name);
    }
    return 0;
}

int tz_s3_remove(void *state, const char *name, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {0};
    struct tz_s3_call call = {.method = "DELETE", .verb = "remove", .name = name};
    struct tz_error why = {0};

    if (!tz_s3_call(state, &call, &response, &why) || why.kind == TZ_NOT_FOUND)
        return 0;
    if (err)
        *err = why;
    return -1;
}

static void s3_trust(void *state, unsigned features)
{
    struct tz_s3_store *store = state;

    (void)pthread_mutex_lock(&store->mutex);
    store->conditional = features & TZ_STORE_ATOMIC;
    store->batch = features & TZ_STORE_BATCH;
    (void)pthread_mutex_unlock(&store->mutex);
}

static const struct tz_store_lock_driver locks = {
    .put = put_locked,
    .read = tz_s3_read_lock,
    .extend = tz_s3_extend_lock,
    .hold = tz_s3_hold,
    .purge = tz_s3_purge,
    .versions = tz_s3_versions,
    .get_version = tz_s3_get_version,
};

const struct tz_store_driver tz_store_driver_s3 = {
    .scheme = "s3",
    .features = TZ_STORE_RANGES | TZ_STORE_STEADY | TZ_STORE_LOCKS,
    .provable = TZ_STORE_ATOMIC | TZ_STORE_BATCH,
    .open = s3_open,
    .free = s3_free,
    .put = s3_put,
    .get = s3_get,
    .stat = tz_s3_stat,
    .list = tz_s3_list,
    .remove = tz_s3_remove,
    .remove_many = tz_s3_remove_many,
    .leftovers = tz_s3_leftovers,
    .remove_leftover = tz_s3_remove_leftover,
    .region = tz_s3_region,
    .probe = tz_s3_probe,
    .trust = s3_trust,
    .locks = &locks,
};
