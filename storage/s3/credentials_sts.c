/*
 * STS: a token of the cluster (EKS) against keys of a role.  The request is not signed:
 *
 *   POST / HTTP/1.1
 *   Content-Type: application/x-www-form-urlencoded
 *
 *   Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=...&RoleSessionName=...&
 *   WebIdentityToken=...
 *
 *   <AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>
 *     <AccessKeyId>..., <SecretAccessKey>..., <SessionToken>..., <Expiration>...
 *   <ErrorResponse><Error><Code>..., <Message>...
 */
#include "credentials_private.h"
#include "sigv4.h"
#include "xml.h"

#include <stddef.h>

#include "tozai/util/banned.h"

#define SERVICE   "STS"
#define TIMEOUT_S 10
#define TRIES     3

/* What is read of an answer, each at the end of its path.  Not there: NULL. */
struct answer {
    char *access_key, *secret_key, *session_token, *expiration;
    char *code, *message;
};
static const struct {
    const char *path;
    size_t offset;
} elements[] = {
    {"/Credentials/AccessKeyId", offsetof(struct answer, access_key)},
    {"/Credentials/SecretAccessKey", offsetof(struct answer, secret_key)},
    {"/Credentials/SessionToken", offsetof(struct answer, session_token)},
    {"/Credentials/Expiration", offsetof(struct answer, expiration)},
    {"Error/Code", offsetof(struct answer, code)},
    {"Error/Message", offsetof(struct answer, message)},
};

static char **member_at(struct answer *answer, size_t offset)
{
    return (char **)((char *)answer + offset);
}

static void scoped_answer(struct answer *answer)
{
    for (size_t i = 0; i < TZ_COUNT(elements); i++)
        tz_credentials_wipe(*member_at(answer, elements[i].offset));
}

static bool ends_with(const char *path, const char *end)
{
    size_t len = strlen(path), end_len = strlen(end);
    return len >= end_len && strcmp(path + len - end_len, end) == 0;
}

static int take_element(void *arg, const char *path, const char *text, size_t len,
                        struct tz_error *err)
{
    for (size_t i = 0; i < TZ_COUNT(elements); i++) {
        char **member = member_at(arg, elements[i].offset);
        if (len == 0 || *member || !ends_with(path, elements[i].path))
            continue;
        *member = strdup(text);
        return *member ? 0 : tz_fail_nomem(err);
    }
    return 0;
}

/* A failure to ask the token's issuer passes, although its status is 400. */
static int fail_answer(const struct tz_http_response *response, struct tz_error *err)
{
    TZ_SCOPED(scoped_answer) struct answer answer = {0};
    const struct tz_buf *text = &response->text;
    if (tz_xml_read(text->data, text->len, take_element, &answer, NULL) || !answer.code)
        return tz_credentials_fail_status(response, SERVICE, err);
    tz_credentials_set_status(response, SERVICE, err);
    enum tz_error_kind kind = err ? err->kind : TZ_DENIED;
    if (strcmp(answer.code, "IDPCommunicationError") == 0)
        kind = TZ_UNAVAILABLE;
    return tz_fail(err, kind, SERVICE " refuses the role: %.100s: %.300s", answer.code,
                   answer.message ? answer.message : "");
}

static int take_answer(const struct tz_buf *body, struct tz_credentials *ret, struct tz_error *err)
{
    TZ_SCOPED(scoped_answer) struct answer answer = {0};
    if (tz_xml_read(body->data, body->len, take_element, &answer, err)) {
        /* Not an object of the store that is damaged. */
        if (err && err->kind == TZ_CORRUPT)
            err->kind = TZ_UNAVAILABLE;
        return tz_while(err, SERVICE);
    }
    if (!answer.access_key || !answer.secret_key || !answer.session_token || !answer.expiration)
        return tz_fail(err, TZ_UNAVAILABLE, SERVICE " answers without keys");
    if (tz_credentials_parse_expiry(answer.expiration, &ret->expires_ns, err))
        return tz_while(err, SERVICE);
    ret->access_key = TZ_TAKE(answer.access_key);
    ret->secret_key = TZ_TAKE(answer.secret_key);
    ret->session_token = TZ_TAKE(answer.session_token);
    return 0;
}

static int add_field(struct tz_buf *body, const char *name, const char *value, struct tz_error *err)
{
    return tz_buf_printf(body, err, "%s%s=", body->len ? "&" : "", name) ||
                   tz_s3_encode(value, false, body, err)
               ? -1
               : 0;
}

static int make_body(const struct tz_credentials_setup *setup, struct tz_buf *body,
                     struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_secret) char *token = NULL;
    if (tz_credentials_read_token(setup->identity_file, &token, err))
        return -1;
    const char *session = setup->session_name ? setup->session_name : "tozai";
    /* Room for all of it, so that the token is never moved. */
    size_t most = strlen(token) + strlen(setup->role_arn) + strlen(session);
    return tz_buf_reserve(body, 3 * most + 256, err) ||
                   add_field(body, "Action", "AssumeRoleWithWebIdentity", err) ||
                   add_field(body, "Version", "2011-06-15", err) ||
                   add_field(body, "RoleArn", setup->role_arn, err) ||
                   add_field(body, "RoleSessionName", session, err) ||
                   add_field(body, "WebIdentityToken", token, err)
               ? -1
               : 0;
}

int tz_credentials_ask_identity(const struct tz_credentials_asker *asker,
                                struct tz_credentials *ret, struct tz_error *err)
{
    const struct tz_credentials_setup *setup = asker->setup;
    if (!setup->identity_file)
        return tz_fail(err, TZ_NOT_FOUND, "AWS_WEB_IDENTITY_TOKEN_FILE is not set");
    if (!setup->role_arn)
        return tz_fail(err, TZ_DENIED,
                       "AWS_WEB_IDENTITY_TOKEN_FILE is set, but AWS_ROLE_ARN is not");
    TZ_SCOPED(tz_scoped_buf) struct tz_buf url = {0};
    TZ_SCOPED(tz_scoped_secret_buf) struct tz_buf body = {0};
    TZ_SCOPED(tz_scoped_secret_buf) struct tz_buf out = {0};
    TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {0};
    if (tz_buf_printf(&url, err, "%s/", setup->sts) || make_body(setup, &body, err))
        return -1;
    struct tz_http_request request = {
        .method = "POST",
        .url = (const char *)url.data,
        .lines = "Content-Type: application/x-www-form-urlencoded\0Accept: application/xml\0",
        .body = body.data,
        .body_len = body.len,
        .timeout_s = TIMEOUT_S};
    if (tz_credentials_request(asker->http, &request, TRIES, &out, &response, err))
        return -1;
    if (response.status / 100 != 2)
        return fail_answer(&response, err);
    return take_answer(&out, ret, err);
}
