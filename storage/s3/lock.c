/*
 * Object Lock: retention and legal holds.
 */
#include "s3.h"

#include "tozai/util/time.h"

#include <openssl/evp.h>
#include <string.h>

#include "tozai/util/banned.h"

#define MD5_SIZE 16
#define MODE     TZ_S3_LOCK_MODE
#define UNTIL    "x-amz-object-lock-retain-until-date"
#define HOLD     "x-amz-object-lock-legal-hold"
#define SPACE    "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""

static const char *word_of(enum tz_lock_mode mode)
{
    return mode == TZ_LOCK_COMPLIANCE ? "COMPLIANCE" : "GOVERNANCE";
}

/* AWS takes no lock without it.  It protects nothing: the payload's SHA-256 is signed. */
static int make_md5(char text[TZ_S3_MD5_TEXT], const void *data, size_t len, struct tz_error *err)
{
    uint8_t md5[EVP_MAX_MD_SIZE];
    unsigned size = 0;

    if (!EVP_Digest(data ? data : "", len, md5, &size, EVP_md5(), NULL) || size != MD5_SIZE)
        return tz_fail(err, TZ_UNSUPPORTED,
                       "libcrypto has no MD5, which the server wants with a lock");
    (void)EVP_EncodeBlock((unsigned char *)text, md5, MD5_SIZE);
    return 0;
}

/* "2026-11-27T23:46:47.000Z", the form of the documents of AWS. */
static void write_time(char text[TZ_S3_TIME_TEXT], int64_t time_ns)
{
    char plain[TZ_TIME_TEXT];

    tz_time_format(plain, time_ns - time_ns % TZ_SECOND_NS);
    (void)snprintf(text, TZ_S3_TIME_TEXT, "%.*s.000Z", (int)strlen(plain) - 1, plain);
}

int tz_s3_add_lock(struct tz_s3_call *call, const struct tz_store_lock *lock,
                   struct tz_s3_lock_texts *texts, struct tz_error *err)
{
    if (make_md5(texts->md5, call->body, call->body_len, err))
        return -1;
    write_time(texts->until, lock->until_ns);
    tz_s3_add_header(call, "Content-MD5", texts->md5);
    tz_s3_add_header(call, MODE, word_of(lock->mode));
    tz_s3_add_header(call, UNTIL, texts->until);
    return 0;
}

static int read_headers(const struct tz_http_response *response, const char *name,
                        struct tz_store_lock *ret, struct tz_error *err)
{
    const char *mode = tz_http_header(response, MODE);
    const char *until = tz_http_header(response, UNTIL);
    const char *hold = tz_http_header(response, HOLD);

    *ret = (struct tz_store_lock){.held = hold && strcmp(hold, "ON") == 0};
    if (!mode || !until)
        return 0;
    if (strcmp(mode, "COMPLIANCE") == 0)
        ret->mode = TZ_LOCK_COMPLIANCE;
    else if (strcmp(mode, "GOVERNANCE") == 0)
        ret->mode = TZ_LOCK_GOVERNANCE;
    else
        return tz_fail(err, TZ_CORRUPT, "'%s' is locked in an unknown mode, '%.20s'", name, mode);
    if (tz_time_parse(until, 0, &ret->until_ns, err))
        return tz_while(err, "the end of the lock of '%s'", name);
    return 0;
}

int tz_s3_read_lock(void *state, const char *name, const char *id, struct tz_store_lock *ret,
                    struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {0};
    struct tz_s3_call call = {.method = "HEAD", .verb = "look for", .name = name};

    if (id)
        tz_s3_add_query(&call, "versionId", id);
    if (tz_s3_call(state, &call, &response, err))
        return -1;
    return read_headers(&response, name, ret, err);
}

/* PUT of one of the small documents that belong to an object. */
static int put_document(struct tz_s3_store *store, const char *name, const char *kind,
                        const struct tz_buf *body, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {0};
    char md5[TZ_S3_MD5_TEXT];
    struct tz_s3_call call = {
        .method = "PUT",
        .verb = "lock",
        .name = name,
        .body = body->data,
        .body_len = body->len,
    };

    if (make_md5(md5, body->data, body->len, err))
        return -1;
    tz_s3_add_query(&call, kind, NULL);
    tz_s3_add_header(&call, "Content-MD5", md5);
    return tz_s3_call(store, &call, &response, err);
}

int tz_s3_extend_lock(void *state, const char *name, const struct tz_store_lock *lock,
                      struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf body = {0};
    char until[TZ_S3_TIME_TEXT];

    write_time(until, lock->until_ns);
    if (tz_buf_printf(&body, err,
                      "<Retention " SPACE "><Mode>%s</Mode><RetainUntilDate>%s</RetainUntilDate>"
                      "</Retention>",
                      word_of(lock->mode), until))
        return -1;
    return put_document(state, name, "retention", &body, err);
}

int tz_s3_hold(void *state, const char *name, bool held, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf body = {0};

    if (tz_buf_printf(&body, err, "<LegalHold " SPACE "><Status>%s</Status></LegalHold>",
                      held ? "ON" : "OFF"))
        return -1;
    return put_document(state, name, "legal-hold", &body, err);
}
