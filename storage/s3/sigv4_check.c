/*
 * What must not be signed: a description that would make other lines on the wire than those that
 * were meant, or that two servers would read in two ways.
 */
#include "sigv4_private.h"

#include <string.h>

#include "tozai/util/banned.h"

static bool is_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* The names of methods and headers (RFC 9110, 5.6.2). */
static bool is_token(const char *text)
{
    for (const char *c = text; *c; c++)
        if (!is_alphanumeric(*c) && !strchr("!#$%&'*+-.^_`|~", *c))
            return false;
    return *text;
}

static bool is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f;
}

/* Something that stands in a line without an end of its own: not empty, no space, nothing that
 * would end it. */
static bool is_word(const char *text, const char *ends)
{
    for (const char *c = text; *c; c++)
        if (is_control(*c) || *c == ' ' || strchr(ends, *c))
            return false;
    return *text;
}

const char *tz_sigv4_trim(const char *value, size_t *ret_len)
{
    value += strspn(value, " ");
    size_t len = strlen(value);
    while (len > 0 && value[len - 1] == ' ')
        len--;
    *ret_len = len;
    return value;
}

static bool is_field_value(const char *text)
{
    for (const char *c = text; *c; c++)
        if (is_control(*c))
            return false;
    return text[strspn(text, " ")];
}

/* The headers that the signer adds. */
static bool is_own(const char *name)
{
    static const char *const own[] = {"host", "x-amz-date", "x-amz-content-sha256",
                                      "x-amz-security-token", "authorization"};
    for (size_t i = 0; i < TZ_COUNT(own); i++)
        if (tz_sigv4_compare_names(own[i], name) == 0)
            return true;
    return false;
}

static int check_header(const struct tz_s3_pair *header, struct tz_error *err)
{
    if (!header->name || !is_token(header->name))
        return tz_fail(err, TZ_INVALID, "'%s' is not the name of a header",
                       header->name ? header->name : "");
    if (is_own(header->name))
        return tz_fail(err, TZ_INVALID, "the header '%s' is the signer's own", header->name);
    if (!header->value || !is_field_value(header->value))
        return tz_fail(err, TZ_INVALID, "the header '%s' has no value, or one that is not text",
                       header->name);
    return 0;
}

/* The secret is never part of a message. */
static int check_keys(const struct tz_s3_signing *signing, struct tz_error *err)
{
    if (!signing->access_key || !is_word(signing->access_key, ","))
        return tz_fail(err, TZ_INVALID, "the access key is empty or malformed");
    if (!signing->secret_key || !*signing->secret_key)
        return tz_fail(err, TZ_INVALID, "the secret key of '%s' is empty", signing->access_key);
    if (signing->session_token && !is_word(signing->session_token, ""))
        return tz_fail(err, TZ_INVALID, "the session token of '%s' is empty or malformed",
                       signing->access_key);
    return 0;
}

int tz_sigv4_check(const struct tz_s3_signing *signing, struct tz_error *err)
{
    if (!signing->method || !is_token(signing->method))
        return tz_fail(err, TZ_INVALID, "the method of a request is missing or malformed");
    if (!signing->host || !is_word(signing->host, "/?#@"))
        return tz_fail(err, TZ_INVALID, "the host of a request is missing or malformed");
    if (!signing->path || *signing->path != '/')
        return tz_fail(err, TZ_INVALID, "the path of a request does not begin with '/'");
    if (!signing->region || !is_word(signing->region, "/,"))
        return tz_fail(err, TZ_INVALID, "the region is missing or malformed");
    for (size_t i = 0; i < signing->query_count; i++)
        if (!signing->query[i].name || !*signing->query[i].name)
            return tz_fail(err, TZ_INVALID, "a query parameter has no name");
    for (size_t i = 0; i < signing->header_count; i++)
        if (check_header(&signing->headers[i], err))
            return -1;
    return check_keys(signing, err);
}
