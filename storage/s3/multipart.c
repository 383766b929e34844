/*
 * Objects that are larger than one put should hold: parts of equal size, one after the other (the
 * mirror writes several objects at once).  What fails is aborted, so that nobody pays for parts
 * that belong to nothing.
 */
#include "s3.h"
#include "xml.h"

#include "tozai/util/log.h"

#include <stdio.h>
#include <string.h>

#include "tozai/util/banned.h"

#define PART_NUMBER 16
#define ETAG_MAX    128

struct upload {
    struct tz_s3_store *store;
    const char *name;
    char *id;
    struct tz_buf list; /* the body of the request that completes it */
};

static int see_id(void *arg, const char *path, const char *text, size_t len, struct tz_error *err)
{
    struct upload *upload = arg;

    (void)len;
    if (strcmp(path, "InitiateMultipartUploadResult/UploadId") != 0)
        return 0;
    free(upload->id);
    upload->id = strdup(text);
    return upload->id ? 0 : tz_fail_nomem(err);
}

static int begin(struct upload *upload, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {0};
    struct tz_s3_call call = {.method = "POST", .verb = "put", .name = upload->name};

    tz_s3_add_query(&call, "uploads", NULL);
    tz_s3_add_storage(upload->store, &call);
    if (tz_s3_call(upload->store, &call, &response, err) ||
        tz_xml_read(response.text.data, response.text.len, see_id, upload, err))
        return -1;
    if (!upload->id)
        return tz_fail(err, TZ_CORRUPT, "put '%s': the server began no upload", upload->name);
    return 0;
}

/* An ETag goes back as it came, but nothing that XML would take for markup. */
static bool plain_etag(const char *etag)
{
    return strlen(etag) < ETAG_MAX && !strpbrk(etag, "<>&");
}

static int put_part(struct upload *upload, unsigned number, const uint8_t *data, size_t len,
                    struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {0};
    char text[PART_NUMBER];
    struct tz_s3_call call = {
        .method = "PUT",
        .verb = "put",
        .name = upload->name,
        .body = data,
        .body_len = len,
    };

    (void)snprintf(text, sizeof(text), "%u", number);
    tz_s3_add_query(&call, "partNumber", text);
    tz_s3_add_query(&call, "uploadId", upload->id);
    if (tz_s3_call(upload->store, &call, &response, err))
        return -1;
    const char *etag = tz_http_header(&response, "etag");
    if (!etag || !plain_etag(etag))
        return tz_fail(err, TZ_CORRUPT, "put '%s': part %u has no ETag", upload->name, number);
    return tz_buf_printf(&upload->list, err,
                         "<Part><PartNumber>%u</PartNumber><ETag>%s</ETag></Part>", number, etag);
}

static int put_all(struct upload *upload, const uint8_t *data, size_t len, struct tz_error *err)
{
    unsigned number = 0;

    if (tz_buf_printf(&upload->list, err, "<CompleteMultipartUpload>"))
        return -1;
    for (size_t at = 0; at < len; at += TZ_S3_PART_SIZE)
        if (put_part(upload, ++number, data + at, TZ_MIN(len - at, TZ_S3_PART_SIZE), err))
            return -1;
    return tz_buf_printf(&upload->list, err, "</CompleteMultipartUpload>");
}

static int see_failure(void *arg, const char *path, const char *text, size_t len,
                       struct tz_error *err)
{
    (void)arg;
    (void)len;
    /* The status was sent long before the server knew. */
    if (strcmp(path, "Error/Code") == 0)
        return tz_fail(err, TZ_UNAVAILABLE, "the server could not put the parts together: %.60s",
                       text);
    return 0;
}

static int complete(struct upload *upload, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {0};
    struct tz_s3_call call = {
        .method = "POST",
        .verb = "put",
        .name = upload->name,
        .body = upload->list.data,
        .body_len = upload->list.len,
    };

    tz_s3_add_query(&call, "uploadId", upload->id);
    if (tz_s3_call(upload->store, &call, &response, err))
        return -1;
    return response.text.len == 0
               ? 0
               : tz_xml_read(response.text.data, response.text.len, see_failure, NULL, err);
}

static void abort_upload(struct upload *upload)
{
    TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {0};
    struct tz_s3_call call = {.method = "DELETE",
                              .verb = "abort the upload of",
                              .name = upload->name,
                              .clearing_up = true};
    struct tz_error why = {0};

    tz_s3_add_query(&call, "uploadId", upload->id);
    if (tz_s3_call(upload->store, &call, &response, &why))
        tz_debug("%s", why.message);
}

/* Whole, and of this size?  A failure to complete may have come after the deed, unless something
 * was there before. */
static bool is_there(struct upload *upload, size_t len)
{
    struct tz_store_stat stat;

    return !tz_s3_stat(upload->store, upload->name, &stat, NULL) && stat.exists && stat.size == len;
}

int tz_s3_put_parts(struct tz_s3_store *store, const char *name, const void *data, size_t len,
                    bool replace, struct tz_error *err)
{
    struct upload upload = {.store = store, .name = name};
    struct tz_error why = {0};

    int status = begin(&upload, &why) || put_all(&upload, data, len, &why) ? -1 : 0;
    if (!status && complete(&upload, &why) && (replace || !is_there(&upload, len)))
        status = -1;
    if (status && upload.id)
        abort_upload(&upload);
    if (!status)
        status = tz_s3_check_encrypted(store, name, NULL, &why);
    tz_buf_clear(&upload.list);
    free(upload.id);
    if (status && err)
        *err = why;
    return status;
}
