/*
 * What a server means by an answer that is no success.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html lists most of the codes;
 * others are those of Ceph and Swift.
 */
#include "s3.h"

#include "xml.h"

#include <stdio.h>
#include <string.h>

#include "tozai/util/banned.h"

enum { AGAIN = 1, SKEWED = 2, CREDENTIALS = 4, ELSEWHERE = 8, RIGHTS = 16 };

struct meaning {
    const char *code;
    enum tz_error_kind kind;
    unsigned flags;
    const char *hint;
};

#define CHECK_KEYS   "check the access key and its secret in the store's credentials"
#define CHECK_REGION "set 'region' of the store to the bucket's, and 'endpoint' to that region's"
#define CHECK_KMS                                                                                  \
    "check 'sse_kms_key_id': the key must be there, enabled, and in the bucket's region"
#define CHECK_CLOCK "set the clock of this machine (NTP)"

static const struct meaning meanings[] = {
    {"AccessDenied", TZ_DENIED, RIGHTS, NULL},
    {"AccountProblem", TZ_DENIED, 0, "the provider has a problem with the account: ask there"},
    {"AllAccessDisabled", TZ_DENIED, 0, "the provider has disabled the bucket: ask there"},
    {"AuthorizationHeaderMalformed", TZ_INVALID, ELSEWHERE, CHECK_REGION},
    {"BadDigest", TZ_UNAVAILABLE, AGAIN, "bytes were damaged on the way"},
    {"ConditionalRequestConflict", TZ_UNAVAILABLE, AGAIN, NULL},
    {"EntityTooLarge", TZ_INVALID, 0, "make 'pack_size' smaller"},
    {"ExpiredToken", TZ_DENIED, CREDENTIALS, "the session has ended: fetch new credentials"},
    {"IllegalLocationConstraintException", TZ_INVALID, ELSEWHERE, CHECK_REGION},
    {"IncompleteBody", TZ_UNAVAILABLE, AGAIN, NULL},
    {"InternalError", TZ_UNAVAILABLE, AGAIN, NULL},
    {"InvalidAccessKeyId", TZ_DENIED, CREDENTIALS, CHECK_KEYS},
    {"InvalidEncryptionAlgorithmError", TZ_UNSUPPORTED, 0, NULL},
    {"InvalidObjectState", TZ_DENIED, 0,
     "the object is in an archive class: bring it back at the provider first, and set no lifecycle "
     "rule that moves it there"},
    {"InvalidRange", TZ_NOT_FOUND, 0, NULL},
    {"InvalidToken", TZ_DENIED, CREDENTIALS, CHECK_KEYS},
    {"KMS.DisabledException", TZ_DENIED, 0, CHECK_KMS},
    {"KMS.InvalidKeyUsageException", TZ_DENIED, 0, CHECK_KMS},
    {"KMS.InvalidStateException", TZ_DENIED, 0, CHECK_KMS},
    {"KMS.KMSInvalidStateException", TZ_DENIED, 0, CHECK_KMS},
    {"KMS.NotFoundException", TZ_DENIED, 0, CHECK_KMS},
    {"NoSuchBucket", TZ_UNAVAILABLE, 0, "make the bucket at the provider, or correct 'url'"},
    {"NoSuchKey", TZ_NOT_FOUND, 0, NULL},
    {"NoSuchUpload", TZ_UNAVAILABLE, 0, NULL},
    {"NoSuchVersion", TZ_NOT_FOUND, 0, NULL},
    {"NotImplemented", TZ_UNSUPPORTED, 0, NULL},
    {"NotSignedUp", TZ_DENIED, 0, "the account has no S3 service"},
    {"OperationAborted", TZ_UNAVAILABLE, AGAIN, NULL},
    {"PermanentRedirect", TZ_INVALID, ELSEWHERE, CHECK_REGION},
    {"PreconditionFailed", TZ_EXISTS, 0, NULL},
    {"QuotaExceeded", TZ_NOSPC, 0, "the bucket or the account has reached its quota"},
    {"RequestTimeTooSkewed", TZ_DENIED, SKEWED, CHECK_CLOCK},
    {"RequestExpired", TZ_DENIED, SKEWED, CHECK_CLOCK},
    {"RequestTimeout", TZ_UNAVAILABLE, AGAIN, NULL},
    {"ServiceUnavailable", TZ_UNAVAILABLE, AGAIN, NULL},
    {"SignatureDoesNotMatch", TZ_DENIED, 0, CHECK_KEYS},
    {"SlowDown", TZ_UNAVAILABLE, AGAIN, NULL},
    {"TemporaryRedirect", TZ_UNAVAILABLE, AGAIN, NULL},
    {"TokenRefreshRequired", TZ_DENIED, CREDENTIALS, NULL},
    {"TooManyRequests", TZ_UNAVAILABLE, AGAIN, NULL},
    {"XAmzContentSHA256Mismatch", TZ_UNAVAILABLE, AGAIN, "bytes were damaged on the way"},
};

/* Answers without a body, as HEAD has them, and codes that nobody listed. */
static struct meaning of_status(unsigned status)
{
    static const struct meaning known[] = {
        {"301", TZ_INVALID, ELSEWHERE, CHECK_REGION},
        {"307", TZ_UNAVAILABLE, AGAIN, NULL},
        {"401", TZ_DENIED, CREDENTIALS, CHECK_KEYS},
        {"403", TZ_DENIED, CREDENTIALS | RIGHTS, NULL},
        {"404", TZ_NOT_FOUND, 0, NULL},
        {"407", TZ_DENIED, 0, TZ_HTTP_PROXY_KEYS},
        {"408", TZ_UNAVAILABLE, AGAIN, NULL},
        {"409", TZ_UNAVAILABLE, AGAIN, NULL},
        {"412", TZ_EXISTS, 0, NULL},
        {"429", TZ_UNAVAILABLE, AGAIN, NULL},
        {"501", TZ_UNSUPPORTED, 0, NULL},
        {"507", TZ_NOSPC, 0, NULL},
    };
    char text[16];

    (void)snprintf(text, sizeof(text), "%u", status);
    for (size_t i = 0; i < TZ_COUNT(known); i++)
        if (strcmp(known[i].code, text) == 0)
            return known[i];
    if (status >= 500)
        return (struct meaning){NULL, TZ_UNAVAILABLE, AGAIN, NULL};
    return (struct meaning){NULL, TZ_FAILED, 0, NULL};
}

static struct meaning of_code(const char *code, unsigned status)
{
    for (size_t i = 0; i < TZ_COUNT(meanings); i++)
        if (strcmp(meanings[i].code, code) == 0)
            return meanings[i];
    return of_status(status);
}

/* No line breaks and no control characters in what is shown. */
static void copy_shown(char *to, size_t size, const char *text, size_t len)
{
    len = TZ_MIN(len, size - 1);
    memcpy(to, text, len);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
            to[i] = ' ';
    to[len] = '\0';
}

static int see_text(void *arg, const char *path, const char *text, size_t len, struct tz_error *err)
{
    struct tz_s3_refusal *refusal = arg;

    (void)err;
    if (strcmp(path, "Error/Code") == 0)
        copy_shown(refusal->code, sizeof(refusal->code), text, len);
    else if (strcmp(path, "Error/Message") == 0)
        copy_shown(refusal->message, sizeof(refusal->message), text, len);
    else if (strcmp(path, "Error/Region") == 0)
        copy_shown(refusal->region, sizeof(refusal->region), text, len);
    return 0;
}

static void set_meaning(struct tz_s3_refusal *refusal, const struct meaning *meaning)
{
    refusal->kind = meaning->kind;
    refusal->again = meaning->flags & AGAIN;
    refusal->skewed = meaning->flags & SKEWED;
    refusal->credentials = meaning->flags & CREDENTIALS;
    refusal->elsewhere = meaning->flags & ELSEWHERE;
    refusal->rights = meaning->flags & RIGHTS;
    refusal->hint = meaning->hint;
}

/* A 404 that S3 did not write says nothing of an object: a web server, or a balancer without a
 * server behind it.  A HEAD has no words for it. */
static bool is_strange(const struct tz_s3_call *call, const struct tz_http_response *response,
                       const struct tz_s3_refusal *refusal)
{
    return response->status == 404 && !refusal->code[0] && strcmp(call->method, "HEAD") != 0 &&
           strcmp(call->method, "DELETE") != 0;
}

void tz_s3_read_refusal(const struct tz_s3_call *call, const struct tz_http_response *response,
                        struct tz_s3_refusal *ret)
{
    const char *region = tz_http_header(response, "x-amz-bucket-region");

    *ret = (struct tz_s3_refusal){0};
    /* A proxy's page is no XML: then the status must do. */
    if (response->text.len > 0 &&
        tz_xml_read(response->text.data, response->text.len, see_text, ret, NULL))
        ret->code[0] = ret->message[0] = ret->region[0] = '\0';
    struct meaning meaning = of_code(ret->code, response->status);
    set_meaning(ret, &meaning);
    /* To a HEAD a server can only say it here. */
    ret->elsewhere |= response->status == 400 && !ret->code[0] && region;
    if (!ret->region[0] && region)
        copy_shown(ret->region, sizeof(ret->region), region, strlen(region));
    if (is_strange(call, response, ret)) {
        ret->kind = TZ_UNAVAILABLE;
        ret->hint = TZ_S3_NO_SERVER;
    }
}

void tz_s3_read_code(const char *code, struct tz_s3_refusal *ret)
{
    struct meaning meaning = of_code(code, 0);

    *ret = (struct tz_s3_refusal){0};
    copy_shown(ret->code, sizeof(ret->code), code, strlen(code));
    set_meaning(ret, &meaning);
}

/* What was asked for with this header; NULL: nothing. */
static const char *asked_with(const struct tz_s3_call *call, const char *name)
{
    for (size_t i = 0; i < call->header_count; i++)
        if (strcmp(call->headers[i].name, name) == 0)
            return call->headers[i].value;
    return NULL;
}

/* What the credentials would need for it. */
static const char *right_for(const struct tz_s3_call *call)
{
    const char *part = call->query_count > 0 ? call->query[0].name : "";
    const char *encryption = asked_with(call, TZ_S3_SSE);

    if (encryption && strcmp(encryption, "aws:kms") == 0)
        return "s3:PutObject for its objects, and kms:GenerateDataKey and kms:Decrypt for the key";
    if (strcmp(part, "uploads") == 0 && strcmp(call->method, "GET") == 0)
        return "s3:ListBucketMultipartUploads for the bucket";
    if (strcmp(part, "uploadId") == 0 && strcmp(call->method, "GET") == 0)
        return "s3:ListMultipartUploadParts for its objects";
    if (strcmp(part, "uploadId") == 0 && strcmp(call->method, "DELETE") == 0)
        return "s3:AbortMultipartUpload for its objects";
    if (strcmp(call->method, "DELETE") == 0 || strcmp(part, "delete") == 0)
        return "s3:DeleteObject, which a writer must not have";
    if (!call->name && strcmp(call->method, "PUT") == 0)
        return "s3:CreateBucket, unless the bucket is made before";
    if (strcmp(part, "location") == 0)
        return "s3:GetBucketLocation";
    if (!call->name)
        return "s3:ListBucket for the bucket";
    if (strcmp(call->method, "GET") == 0)
        return "s3:GetObject for its objects, and s3:ListBucket for the bucket";
    if (strcmp(call->method, "HEAD") == 0)
        return "s3:GetObject for its objects, and s3:ListBucket for the bucket, without which "
               "nothing tells a missing object from a refusal";
    return "s3:PutObject for its objects";
}

/* What else would be wrong with a request that is always right?  What the configuration adds. */
static int suspect_settings(const struct tz_s3_call *call, unsigned status, struct tz_error *err)
{
    const char *encryption = asked_with(call, TZ_S3_SSE);
    const char *class = asked_with(call, TZ_S3_CLASS);

    if (status != 400 && status != 501)
        return -1;
    if (asked_with(call, TZ_S3_LOCK_MODE))
        return tz_hint(err, "perhaps the bucket was made without Object Lock: make one with it, or "
                            "take 'object_lock' out (docs/s3.md)");
    if (encryption)
        return tz_hint(err,
                       "perhaps the server does not do 'sse = %s', or only over https://: "
                       "leave it out, or set up its encryption (docs/s3.md)",
                       encryption);
    if (class)
        return tz_hint(err, "perhaps the server does not know 'storage_class = %s'", class);
    return -1;
}

int tz_s3_refuse(const struct tz_s3_store *store, const struct tz_s3_call *call,
                 const struct tz_http_response *response, const struct tz_s3_refusal *refusal,
                 struct tz_error *err)
{
    bool words = refusal->message[0] != '\0';

    (void)tz_fail(err, refusal->kind, "%u %s%s%s", response->status,
                  refusal->code[0] ? refusal->code : "(no code)", words ? ": " : "",
                  refusal->message);
    (void)tz_s3_while(store, call, err);
    if (refusal->rights)
        return tz_hint(err, "the credentials need %s (docs/s3.md)", right_for(call));
    if (refusal->elsewhere && refusal->region[0])
        return tz_hint(err, "the bucket is in the region '%s': set 'region = %s' of the store",
                       refusal->region, refusal->region);
    if (refusal->hint)
        return tz_hint(err, "%s", refusal->hint);
    return suspect_settings(call, response->status, err);
}
