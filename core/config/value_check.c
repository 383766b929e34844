#include "value.h"

#include "tozai/core/schedule.h"
#include "tozai/util/utf8.h"

#include <ctype.h>
#include <string.h>

#include "tozai/util/banned.h"

/* Room for the section's word before it, and short enough to be read in a table. */
#define MAX_NAME_BYTES    64
#define MAX_KMS_KEY_BYTES 2048

#define LOWER  "abcdefghijklmnopqrstuvwxyz"
#define UPPER  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

static bool only(const char *text, const char *allowed)
{
    return text[strspn(text, allowed)] == '\0';
}

static bool has_prefix(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

const char *tz_url_path(const char *url)
{
    return has_prefix(url, "file://") ? url + strlen("file://") : NULL;
}

/* "bucket/prefix": what a bucket may be called, and a prefix that no server rewrites. */
static int check_bucket(const char *text, struct tz_error *err)
{
    size_t len = strcspn(text, "/");
    size_t good = strspn(text, LOWER DIGITS ".-");

    if (len < 3 || len > 63 || good < len || !isalnum((unsigned char)text[0]) ||
        !isalnum((unsigned char)text[len - 1]))
        return tz_fail(err, TZ_INVALID, "'%.*s' is not the name of a bucket", (int)TZ_MIN(len, 64U),
                       text);
    for (const char *at = text + len; *at;) {
        at++;
        size_t part = strcspn(at, "/");
        bool last = at[part] == '\0';
        if ((part == 0 && !last) || (part == 1 && at[0] == '.') ||
            (part == 2 && at[0] == '.' && at[1] == '.'))
            return tz_fail(err, TZ_INVALID, "the prefix '%s' has an empty part, '.' or '..'",
                           text + len + 1);
        at += part;
    }
    return 0;
}

static void drop_last_slashes(char *text)
{
    size_t len = strlen(text);

    while (len > 0 && text[len - 1] == '/')
        text[--len] = '\0';
}

int tz_check_store_url(char *text, struct tz_error *err)
{
    if (has_prefix(text, "file://")) {
        char *path = text + strlen("file://");
        if (tz_value_path(path, err))
            return tz_hint(err, "a local store is written file:///the/directory");
        if (strcmp(path, "/") == 0)
            return tz_fail(err, TZ_INVALID, "the root directory cannot be a store");
        return 0;
    }
    if (has_prefix(text, "s3://")) {
        if (check_bucket(text + strlen("s3://"), err))
            return -1;
        drop_last_slashes(text);
        return 0;
    }
    if (has_prefix(text, "mem:") && text[4] != '\0')
        return 0;
    (void)tz_fail(err, TZ_INVALID, "'%s' is not the URL of a store", text);
    return tz_hint(err, "write file:///the/directory or s3://bucket/prefix");
}

/* Something that a URL can hold behind its scheme, beginning with a host. */
static bool is_url_rest(const char *text)
{
    for (const char *at = text; *at; at++) {
        if (*at <= ' ' || *at >= 0x7f || strchr("\"<>\\^`{|}", *at))
            return false;
    }
    return isalnum((unsigned char)text[0]) || text[0] == '[';
}

int tz_check_http_url(char *text, struct tz_error *err)
{
    const char *rest = has_prefix(text, "https://")  ? text + strlen("https://")
                       : has_prefix(text, "http://") ? text + strlen("http://")
                                                     : "";
    if (!is_url_rest(rest))
        return tz_fail(err, TZ_INVALID, "this is not an http:// or https:// URL");
    return 0;
}

int tz_check_endpoint(char *text, struct tz_error *err)
{
    if (tz_check_http_url(text, err))
        return -1;
    const char *path = strstr(text, "://") + strlen("://");

    path += strcspn(path, "/?#");
    if (path[strspn(path, "/")] != '\0')
        return tz_fail(err, TZ_INVALID,
                       "this is more than a scheme and a host: a path belongs into 'url'");
    return 0;
}

int tz_check_smtp_url(char *text, struct tz_error *err)
{
    const char *rest = has_prefix(text, "smtps://")  ? text + strlen("smtps://")
                       : has_prefix(text, "smtp://") ? text + strlen("smtp://")
                                                     : "";
    if (!is_url_rest(rest))
        return tz_fail(err, TZ_INVALID, "this is not an smtp:// or smtps:// URL");
    return 0;
}

/* One address; what is before the '@' is the business of the server that gets it. */
static bool is_mail(const char *text)
{
    const char *at = strrchr(text, '@');

    return at && at > text && at[1] != '\0' && text[0] != '-' && !strpbrk(text, " \t<>\"") &&
           only(at + 1, LOWER UPPER DIGITS ".-[]:");
}

int tz_check_mail(char *text, struct tz_error *err)
{
    if (!is_mail(text))
        return tz_fail(err, TZ_INVALID, "'%s' is not a mail address", text);
    return 0;
}

int tz_check_slot(char *text, struct tz_error *err)
{
    if (!only(text, LOWER DIGITS "_") || strlen(text) > 63)
        return tz_fail(err, TZ_INVALID,
                       "'%s' is not a replication slot: up to 63 of a-z, 0-9 and _", text);
    return 0;
}

int tz_check_cron(char *text, struct tz_error *err)
{
    struct tz_cron cron;

    return tz_cron_parse(&cron, text, err);
}

int tz_check_timezone(char *text, struct tz_error *err)
{
    /* It names a file below /usr/share/zoneinfo. */
    if (!only(text, LOWER UPPER DIGITS "/_+-") || text[0] == '/' || strlen(text) > 64)
        return tz_fail(err, TZ_INVALID, "'%s' is not a time zone such as Asia/Tokyo or UTC", text);
    return 0;
}

int tz_check_token(char *text, struct tz_error *err)
{
    if (!only(text, LOWER UPPER DIGITS "._-"))
        return tz_fail(err, TZ_INVALID, "'%s' holds more than letters, digits, '.', '_' and '-'",
                       text);
    return 0;
}

int tz_check_kms_key(char *text, struct tz_error *err)
{
    if (!only(text, LOWER UPPER DIGITS "._-:/") || strlen(text) > MAX_KMS_KEY_BYTES)
        return tz_fail(err, TZ_INVALID,
                       "'%.64s' is neither the id nor the ARN of a key, nor alias/NAME", text);
    return 0;
}

/* Letters of any script; not blanks, marks without a width, or what renders as nothing. */
static bool is_name_code(uint32_t code)
{
    if (code < 0x80)
        return isalnum((int)code) || code == '.' || code == '_' || code == '-';
    return code > 0xa0 && code != 0xad && code != 0x1680 && code != 0x3000 && code != 0xfeff &&
           !(code >= 0x2000 && code <= 0x206f) && !(code >= 0xe000 && code <= 0xf8ff) &&
           !(code >= 0xfff0 && code <= 0xffff) && code < 0xe0000;
}

int tz_check_name(const char *name, struct tz_error *err)
{
    size_t len = strlen(name);

    if (len > MAX_NAME_BYTES)
        return tz_fail(err, TZ_INVALID, "the name '%.32s...' is longer than %d bytes", name,
                       MAX_NAME_BYTES);
    if (name[0] == '-' || name[0] == '.')
        return tz_fail(err, TZ_INVALID, "the name '%s' begins with '%c'", name, name[0]);
    for (size_t i = 0; i < len;) {
        uint32_t code;
        size_t size = tz_utf8_decode(name + i, len - i, &code);
        if (size == 0 || !is_name_code(code))
            return tz_fail(err, TZ_INVALID,
                           "the name '%s' holds more than letters, digits, '.', '_' and '-'", name);
        i += size;
    }
    return 0;
}
