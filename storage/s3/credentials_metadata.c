/*
 * Instance metadata, second version: a token for this visit, the name of the role, its keys.
 *
 *   PUT /latest/api/token                                   X-aws-ec2-metadata-token-ttl-seconds
 *   GET /latest/meta-data/iam/security-credentials/         X-aws-ec2-metadata-token
 *   GET /latest/meta-data/iam/security-credentials/ROLE     X-aws-ec2-metadata-token
 *
 * Most machines have no such service: then nothing answers, which must not take long.
 */
#include "credentials_private.h"

#include "tozai/util/banned.h"

#define SERVICE   "the metadata service"
#define ROLES     "/latest/meta-data/iam/security-credentials/"
#define TIMEOUT_S 1
#define TRIES     2

/* Append a header line, in memory that does not move; a NUL more ends the lines. */
static int add_line(struct tz_buf *lines, const char *name, const char *value, struct tz_error *err)
{
    return tz_buf_reserve(lines, strlen(name) + strlen(value) + 4, err) ||
                   tz_buf_printf(lines, err, "%s: %s", name, value) ||
                   tz_buf_append(lines, "\0", 2, err)
               ? -1
               : 0;
}

static int perform(const struct tz_credentials_asker *asker, const char *method, const char *path,
                   const struct tz_buf *lines, struct tz_buf *out, struct tz_http_response *ret,
                   struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf url = {0};
    if (tz_buf_printf(&url, err, "%s%s", asker->setup->metadata, path))
        return -1;
    struct tz_http_request request = {.method = method,
                                      .url = (const char *)url.data,
                                      .lines = (const char *)lines->data,
                                      .timeout_s = TIMEOUT_S,
                                      .direct = true};
    return tz_credentials_request(asker->http, &request, TRIES, out, ret, err);
}

/* No answer means that this is no such instance, unless somebody said where the service is. */
static int fail_silent(const struct tz_credentials_asker *asker, struct tz_error *err)
{
    if (!err || err->kind != TZ_UNAVAILABLE || asker->setup->metadata_named)
        return -1;
    return tz_fail(err, TZ_NOT_FOUND, "no answer from %s", asker->setup->metadata);
}

/* The answer as a text of one line. */
static int take_line(const struct tz_buf *out, const char *what, char **ret, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_secret) char *text = tz_credentials_trim((const char *)out->data, out->len);
    if (!text)
        return tz_fail_nomem(err);
    if (!*text || !tz_credentials_is_line(text))
        return tz_fail(err, TZ_UNAVAILABLE, SERVICE " gives no %s", what);
    *ret = TZ_TAKE(text);
    return 0;
}

static int get_token(const struct tz_credentials_asker *asker, char **ret, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf lines = {0};
    TZ_SCOPED(tz_scoped_secret_buf) struct tz_buf out = {0};
    TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {0};
    if (add_line(&lines, "X-aws-ec2-metadata-token-ttl-seconds", "300", err))
        return -1;
    if (perform(asker, "PUT", "/latest/api/token", &lines, &out, &response, err))
        return fail_silent(asker, err);
    if (response.status / 100 != 2)
        return tz_credentials_fail_status(&response, SERVICE, err);
    return take_line(&out, "token", ret, err);
}

/* The first of the names, one a line; there is one at most. */
static int get_role(const struct tz_credentials_asker *asker, const struct tz_buf *lines,
                    char **ret, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
    TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {0};
    if (perform(asker, "GET", ROLES, lines, &out, &response, err))
        return -1;
    if (response.status == 404)
        return tz_fail(err, TZ_NOT_FOUND, "this instance has no role");
    if (response.status / 100 != 2)
        return tz_credentials_fail_status(&response, SERVICE, err);
    const uint8_t *end = out.len ? memchr(out.data, '\n', out.len) : NULL;
    if (end)
        out.len = (size_t)(end - out.data);
    TZ_SCOPED(tz_scoped_free) char *role = NULL;
    if (take_line(&out, "role", &role, err))
        return -1;
    if (strpbrk(role, " /?#%\\\""))
        return tz_fail(err, TZ_UNAVAILABLE, SERVICE " gives a role of an impossible name");
    *ret = TZ_TAKE(role);
    return 0;
}

static int get_keys(const struct tz_credentials_asker *asker, const struct tz_buf *lines,
                    const char *role, struct tz_credentials *ret, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf path = {0};
    TZ_SCOPED(tz_scoped_secret_buf) struct tz_buf out = {0};
    TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {0};
    if (tz_buf_printf(&path, err, "%s%s", ROLES, role) ||
        perform(asker, "GET", (const char *)path.data, lines, &out, &response, err))
        return -1;
    if (response.status / 100 != 2)
        return tz_credentials_fail_status(&response, SERVICE, err);
    return tz_credentials_from_json(&out, SERVICE, ret, err);
}

int tz_credentials_ask_metadata(const struct tz_credentials_asker *asker,
                                struct tz_credentials *ret, struct tz_error *err)
{
    if (asker->setup->metadata_disabled)
        return tz_fail(err, TZ_NOT_FOUND, "AWS_EC2_METADATA_DISABLED is true");
    TZ_SCOPED(tz_scoped_secret) char *token = NULL;
    if (get_token(asker, &token, err))
        return -1;
    TZ_SCOPED(tz_scoped_secret_buf) struct tz_buf lines = {0};
    TZ_SCOPED(tz_scoped_free) char *role = NULL;
    if (add_line(&lines, "X-aws-ec2-metadata-token", token, err) ||
        get_role(asker, &lines, &role, err))
        return -1;
    return get_keys(asker, &lines, role, ret, err);
}
