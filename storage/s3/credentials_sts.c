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
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "credentials_private.h"
#include "sigv4.h"

#include <expat.h>

#include "tozai/util/banned.h"

#define SERVICE   "STS"
#define TIMEOUT_S 10
#define TRIES     3
#define TEXT_MAX  ((size_t)16 << 10)

/* The elements that are read, wherever they stand; each has one place in an answer. */
enum { ACCESS_KEY, SECRET_KEY, SESSION_TOKEN, EXPIRATION, CODE, MESSAGE, ELEMENTS };
static const char *const element_names[ELEMENTS] = {
    [ACCESS_KEY] = "AccessKeyId",
    [SECRET_KEY] = "SecretAccessKey",
    [SESSION_TOKEN] = "SessionToken",
    [EXPIRATION] = "Expiration",
    [CODE] = "Code",
    [MESSAGE] = "Message",
};

struct answer {
    struct tz_buf texts[ELEMENTS];
    int inside; /* of which element, -1: none */
    bool failed;
};

static void scoped_answer(struct answer *answer)
{
    for (size_t i = 0; i < ELEMENTS; i++)
        tz_credentials_wipe_buf(&answer->texts[i]);
}

static void on_begin(void *state, const char *name, const char **attributes)
{
    struct answer *answer = state;
    (void)attributes;
    answer->inside = -1;
    for (int i = 0; i < ELEMENTS; i++)
        if (strcmp(name, element_names[i]) == 0)
            answer->inside = i;
}

static void on_end(void *state, const char *name)
{
    struct answer *answer = state;
    (void)name;
    answer->inside = -1;
}

static void on_text(void *state, const char *text, int len)
{
    struct answer *answer = state;
    if (answer->inside < 0)
        return;
    struct tz_buf *to = &answer->texts[answer->inside];
    if (to->len + (size_t)len >= TEXT_MAX || tz_buf_reserve(to, TEXT_MAX - to->len, NULL) ||
        tz_buf_append(to, text, (size_t)len, NULL))
        answer->failed = true;
}

/* Every text ends with a NUL that len does not count. */
static int parse_answer(const struct tz_buf *body, struct answer *ret, struct tz_error *err)
{
    XML_Parser parser = XML_ParserCreate(NULL);
    if (!parser)
        return tz_fail_nomem(err);
    ret->inside = -1;
    XML_SetUserData(parser, ret);
    XML_SetElementHandler(parser, on_begin, on_end);
    XML_SetCharacterDataHandler(parser, on_text);
    enum XML_Status status = XML_Parse(parser, (const char *)body->data, (int)body->len, 1);
    XML_ParserFree(parser);
    if (status != XML_STATUS_OK || ret->failed)
        return tz_fail(err, TZ_UNAVAILABLE, SERVICE " does not answer in XML");
    for (size_t i = 0; i < ELEMENTS; i++) {
        if (tz_buf_append(&ret->texts[i], "", 1, err))
            return -1;
        ret->texts[i].len--;
    }
    return 0;
}

static const char *text_of(const struct answer *answer, int element)
{
    return (const char *)answer->texts[element].data;
}

/* A token that has ended is replaced by the cluster, and a look at its issuer can fail. */
static int fail_answer(const struct tz_http_response *response, struct tz_error *err)
{
    TZ_SCOPED(scoped_answer) struct answer answer = {0};
    (void)tz_credentials_fail_status(response, SERVICE, err);
    if (response->text.len == 0 || parse_answer(&response->text, &answer, NULL) ||
        !*text_of(&answer, CODE))
        return -1;
    const char *code = text_of(&answer, CODE);
    if (err && strcmp(code, "IDPCommunicationError") == 0)
        err->kind = TZ_UNAVAILABLE;
    enum tz_error_kind kind = err ? err->kind : TZ_DENIED;
    return tz_fail(err, kind, SERVICE " refuses the role: %.100s: %.300s", code,
                   text_of(&answer, MESSAGE));
}

static int take_text(struct answer *answer, int element, char **ret, struct tz_error *err)
{
    *ret = strndup(text_of(answer, element), answer->texts[element].len);
    return *ret ? 0 : tz_fail_nomem(err);
}

static int take_answer(const struct tz_buf *body, struct tz_credentials *ret, struct tz_error *err)
{
    TZ_SCOPED(scoped_answer) struct answer answer = {0};
    TZ_SCOPED(tz_scoped_credentials) struct tz_credentials found = {0};
    if (parse_answer(body, &answer, err))
        return -1;
    for (int i = ACCESS_KEY; i <= EXPIRATION; i++)
        if (!*text_of(&answer, i))
            return tz_fail(err, TZ_UNAVAILABLE, SERVICE " answers without %s", element_names[i]);
    if (take_text(&answer, ACCESS_KEY, &found.access_key, err) ||
        take_text(&answer, SECRET_KEY, &found.secret_key, err) ||
        take_text(&answer, SESSION_TOKEN, &found.session_token, err) ||
        tz_credentials_parse_expiry(text_of(&answer, EXPIRATION), &found.expires_ns, err))
        return -1;
    tz_credentials_move(ret, &found);
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
