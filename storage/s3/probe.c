/*
 * What the server does, seen on one object that is there, and never different afterwards: its own
 * bytes are put again, under a condition and with a hash that both should be refused.
 */
#include "s3.h"
#include "xml.h"

#include "tozai/util/time.h"

#include <curl/curl.h>
#include <string.h>
#include <time.h>

#include "tozai/util/banned.h"

#define OBJECT_MAX  4096
#define RANGE_BEGIN 3
#define RANGE_LEN   8

bool tz_s3_is_answer_unknown(const struct tz_error *why)
{
    return why->kind != TZ_UNAVAILABLE && why->kind != TZ_INTERRUPTED && why->kind != TZ_NOMEM;
}

int tz_s3_probe_put(struct tz_s3_store *store, struct tz_s3_call *call,
                    struct tz_http_response *ret, struct tz_error *err)
{
    char md5[TZ_S3_MD5_TEXT];

    call->method = "PUT";
    call->verb = "put";
    /* Buckets with object lock demand one; without it the server says so. */
    if (!tz_s3_content_md5(md5, call->body, call->body_len, NULL))
        tz_s3_add_header(call, "Content-MD5", md5);
    tz_s3_add_storage(store, call);
    return tz_s3_call(store, call, ret, err);
}

struct trial {
    struct tz_s3_store *store;
    const char *name;
    struct tz_buf bytes; /* of the object */
    struct tz_probe *probe;
};

static enum tz_probe_answer yes_if(bool condition)
{
    return condition ? TZ_PROBE_YES : TZ_PROBE_NO;
}

static int try_range(struct trial *trial, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf part = {0};

    if (trial->bytes.len < RANGE_BEGIN + RANGE_LEN)
        return 0;
    if (tz_store_driver_s3.get(trial->store, trial->name, RANGE_BEGIN, RANGE_LEN, 0, &part, err))
        return -1;
    trial->probe->parts[TZ_PROBE_RANGES] =
        yes_if(part.len == RANGE_LEN &&
               memcmp(part.data, trial->bytes.data + RANGE_BEGIN, RANGE_LEN) == 0);
    return 0;
}

static void note_clock(struct trial *trial, const struct tz_http_response *response)
{
    const char *date = tz_http_header(response, "date");
    time_t seconds = date ? curl_getdate(date, NULL) : -1;

    if (seconds >= 0)
        trial->probe->ahead_ns = (int64_t)seconds * TZ_SECOND_NS - tz_now();
}

/* A server that does not know the condition writes the object over with what it is. */
static int try_condition(struct trial *trial, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {0};
    struct tz_s3_call call = {
        .name = trial->name,
        .body = trial->bytes.data,
        .body_len = trial->bytes.len,
        .accept = {412, 501, 400, 405},
    };

    tz_s3_add_header(&call, "If-None-Match", "*");
    if (tz_s3_probe_put(trial->store, &call, &response, err))
        return -1;
    trial->probe->parts[TZ_PROBE_CONDITIONAL] = yes_if(response.status == 412);
    note_clock(trial, &response);
    return 0;
}

/* As if the bytes had been changed on the way. */
static int try_hash(struct trial *trial, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {0};
    uint8_t hash[TZ_HASH_SIZE];
    struct tz_s3_refusal refusal;
    struct tz_s3_call call = {
        .name = trial->name,
        .body = trial->bytes.data,
        .body_len = trial->bytes.len,
        .body_hash = hash,
        .accept = {400, 403},
    };

    if (tz_sha256(hash, trial->bytes.data, trial->bytes.len, err))
        return -1;
    hash[0] ^= 1;
    if (tz_s3_probe_put(trial->store, &call, &response, err))
        return -1;
    tz_s3_read_refusal(&call, &response, &refusal);
    /* 403 may be for another reason: only a signature that does not fit the bytes is the one. */
    if (response.status != 403 || strcmp(refusal.code, "SignatureDoesNotMatch") == 0)
        trial->probe->parts[TZ_PROBE_HASH] = yes_if(response.status >= 400);
    return 0;
}

/* The descriptor itself shows it if it was put so; else it is put again, with its own bytes. */
static int try_encryption(struct trial *trial, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_http_response) struct tz_http_response head = {0};
    TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {0};
    struct tz_s3_call look = {.method = "HEAD", .verb = "look for", .name = trial->name};
    struct tz_s3_call call = {
        .name = trial->name, .body = trial->bytes.data, .body_len = trial->bytes.len};
    struct tz_probe *probe = trial->probe;
    struct tz_error why = {0};

    if (!trial->store->sse)
        return 0;
    if (tz_s3_call(trial->store, &look, &head, err))
        return -1;
    if (tz_s3_is_encrypted(trial->store, &head) ||
        (!tz_s3_probe_put(trial->store, &call, &response, &why) &&
         !tz_s3_check_encrypted(trial->store, trial->name, &response, &why))) {
        probe->encrypts = TZ_PROBE_YES;
        return 0;
    }
    if (!tz_s3_is_answer_unknown(&why)) {
        if (err)
            *err = why;
        return -1;
    }
    probe->encrypts = TZ_PROBE_NO;
    probe->no_encryption = why;
    return 0;
}

static int see_status(void *arg, const char *path, const char *text, size_t len,
                      struct tz_error *err)
{
    (void)len;
    (void)err;
    if (strcmp(path, "VersioningConfiguration/Status") == 0)
        *(bool *)arg = strcmp(text, "Enabled") == 0;
    return 0;
}

static int try_versioning(struct trial *trial, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {0};
    struct tz_s3_call call = {.method = "GET", .verb = "ask for the versioning of"};
    bool enabled = false;

    tz_s3_add_query(&call, "versioning", NULL);
    if (tz_s3_call(trial->store, &call, &response, err) ||
        tz_xml_read(response.text.data, response.text.len, see_status, &enabled, err))
        return -1;
    trial->probe->parts[TZ_PROBE_VERSIONING] = yes_if(enabled);
    return 0;
}

/* What an element says, without the spaces of a pretty printer. */
static int see_location(void *arg, const char *path, const char *text, size_t len,
                        struct tz_error *err)
{
    char *region = arg;
    static const char root[] = "LocationConstraint";

    if (strncmp(path, root, strlen(root)) != 0)
        return tz_fail(err, TZ_CORRUPT, "the answer is '%s', not where the bucket is", path);
    while (len > 0 && strchr(" \t\r\n", *text))
        text++, len--;
    while (len > 0 && strchr(" \t\r\n", text[len - 1]))
        len--;
    if (len >= TZ_STORE_REGION_MAX || memchr(text, '\0', len))
        return tz_fail(err, TZ_CORRUPT, "the name of the bucket's region is too long");
    if (len > 0) {
        memcpy(region, text, len);
        region[len] = '\0';
    }
    return 0;
}

/* Two names are older than the others: none, and "EU". */
int tz_s3_read_location(char ret[TZ_STORE_REGION_MAX], const void *data, size_t len,
                        struct tz_error *err)
{
    char region[TZ_STORE_REGION_MAX] = "";

    if (tz_xml_read(data, len, see_location, region, err))
        return -1;
    for (const char *p = region; *p; p++)
        if ((unsigned char)*p <= ' ' || *p == 0x7f)
            return tz_fail(err, TZ_CORRUPT, "the name of the bucket's region is none");
    const char *name = !region[0]                  ? TZ_S3_DEFAULT_REGION
                       : strcmp(region, "EU") == 0 ? "eu-west-1"
                                                   : region;
    memcpy(ret, name, strlen(name) + 1);
    return 0;
}

int tz_s3_region(void *state, char ret[TZ_STORE_REGION_MAX], struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {0};
    struct tz_s3_call call = {.method = "GET", .verb = "ask for the region of"};

    tz_s3_add_query(&call, "location", NULL);
    if (tz_s3_call(state, &call, &response, err))
        return -1;
    return tz_s3_read_location(ret, response.text.data, response.text.len, err);
}

static int try_region(struct trial *trial, struct tz_error *err)
{
    if (tz_s3_region(trial->store, trial->probe->region, err))
        return -1;
    trial->probe->has_region = true;
    return 0;
}

int tz_s3_probe(void *state, const struct tz_probe_options *options, struct tz_probe *ret,
                struct tz_error *err)
{
    /* Whether locks hold belongs here, too. */
    static int (*const trials[])(struct trial * trial, struct tz_error * err) = {
        try_region, try_versioning, try_range, try_condition, try_hash, try_encryption,
    };
    struct trial trial = {.store = state, .name = options->name, .probe = ret};
    int status = tz_store_driver_s3.get(state, options->name, 0, OBJECT_MAX, 0, &trial.bytes, err);

    for (size_t i = 0; i < TZ_COUNT(trials) && !status; i++) {
        struct tz_error why = {0};
        if (!trials[i](&trial, &why) || tz_s3_is_answer_unknown(&why))
            continue;
        if (err)
            *err = why;
        status = -1;
    }
    tz_buf_clear(&trial.bytes);
    if (!status && options->canary)
        status = tz_s3_probe_canary(state, ret, err);
    return status;
}
