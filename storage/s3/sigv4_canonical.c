/*
 * The canonical request, in which every server must arrive at the same bytes:
 *
 *   PUT
 *   /bucket/a%20b
 *   partNumber=1&uploadId=x
 *   host:s3.example.com
 *   x-amz-content-sha256:44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072
 *   x-amz-date:20130524T000000Z
 *
 *   host;x-amz-content-sha256;x-amz-date
 *   44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072
 */
#include "sigv4_private.h"

#include "tozai/util/hex.h"

#include <string.h>

#include "tozai/util/banned.h"

/* Whatever the locale. */
static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

int tz_s3_encode(const char *text, bool keep_slash, struct tz_buf *out, struct tz_error *err)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t len = strlen(text);
    if (len > SIZE_MAX / 3 - 1)
        return tz_fail_nomem(err);
    if (tz_buf_reserve(out, 3 * len + 1, err))
        return -1;
    uint8_t *end = out->data + out->len;
    for (; *text; text++) {
        if (is_unreserved(*text) || (keep_slash && *text == '/')) {
            *end++ = (uint8_t)*text;
            continue;
        }
        *end++ = '%';
        *end++ = (uint8_t)digits[(uint8_t)*text >> 4];
        *end++ = (uint8_t)digits[(uint8_t)*text & 15];
    }
    *end = 0;
    out->len = (size_t)(end - out->data);
    return 0;
}

/* Encoded, and with that in the order of bytes that is wanted. */
static int compare_parameters(const void *a, const void *b)
{
    const struct tz_s3_pair *one = a, *other = b;
    int order = strcmp(one->name, other->name);
    return order ? order : strcmp(one->value, other->value);
}

/* Each name and each value with its NUL, one after the other. */
static int encode_parameters(const struct tz_s3_signing *signing, struct tz_buf *out,
                             struct tz_error *err)
{
    for (size_t i = 0; i < signing->query_count; i++) {
        const struct tz_s3_pair *pair = &signing->query[i];
        if (tz_s3_encode(pair->name, false, out, err) || tz_buf_append(out, "", 1, err) ||
            tz_s3_encode(pair->value ? pair->value : "", false, out, err) ||
            tz_buf_append(out, "", 1, err))
            return -1;
    }
    return 0;
}

static int canonical_query(const struct tz_s3_signing *signing, struct tz_buf *out,
                           struct tz_error *err)
{
    size_t count = signing->query_count;
    if (count == 0)
        return tz_buf_printf(out, err, "%s", "");
    TZ_SCOPED(tz_scoped_buf) struct tz_buf encoded = {0};
    if (encode_parameters(signing, &encoded, err))
        return -1;
    TZ_SCOPED(tz_scoped_free) struct tz_s3_pair *sorted = calloc(count, sizeof(*sorted));
    if (!sorted)
        return tz_fail_nomem(err);
    const char *text = (const char *)encoded.data;
    for (size_t i = 0; i < count; i++) {
        sorted[i].name = text;
        text += strlen(text) + 1;
        sorted[i].value = text;
        text += strlen(text) + 1;
    }
    qsort(sorted, count, sizeof(*sorted), compare_parameters);
    for (size_t i = 0; i < count; i++)
        if (tz_buf_printf(out, err, "%s%s=%s", i ? "&" : "", sorted[i].name, sorted[i].value))
            return -1;
    return 0;
}

static char lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

int tz_sigv4_compare_names(const char *a, const char *b)
{
    for (; *a && lower(*a) == lower(*b); a++)
        b++;
    return (uint8_t)lower(*a) - (uint8_t)lower(*b);
}

struct header {
    const char *name, *value;
    size_t index; /* in the order given */
};

static int compare_headers(const void *a, const void *b)
{
    const struct header *one = a, *other = b;
    int order = tz_sigv4_compare_names(one->name, other->name);
    return order ? order : (one->index > other->index) - (one->index < other->index);
}

static int append_lower(struct tz_buf *out, const char *text, struct tz_error *err)
{
    size_t len = strlen(text);
    if (tz_buf_reserve(out, len + 1, err))
        return -1;
    for (size_t i = 0; i < len; i++)
        out->data[out->len++] = (uint8_t)lower(text[i]);
    return 0;
}

/* Without the spaces around it, and of several within it one. */
static int append_collapsed(struct tz_buf *out, const char *value, struct tz_error *err)
{
    size_t len;
    value = tz_sigv4_trim(value, &len);
    if (tz_buf_reserve(out, len, err))
        return -1;
    for (size_t i = 0; i < len; i++)
        if (value[i] != ' ' || value[i - 1] != ' ')
            out->data[out->len++] = (uint8_t)value[i];
    return 0;
}

/* "name:value\n" to the canonical request and "name" to the list of names; a header that is there
 * again only adds ",value". */
static int append_header(struct tz_sigv4 *steps, const struct header *header, bool again,
                         struct tz_error *err)
{
    struct tz_buf *out = &steps->canonical, *names = &steps->names;
    if (again)
        out->data[out->len - 1] = ',';
    else if ((names->len && tz_buf_append(names, ";", 1, err)) ||
             append_lower(names, header->name, err) || append_lower(out, header->name, err) ||
             tz_buf_append(out, ":", 1, err))
        return -1;
    return append_collapsed(out, header->value, err) || tz_buf_append(out, "\n", 1, err) ? -1 : 0;
}

static int canonical_headers(struct tz_sigv4 *steps, const struct tz_s3_signing *signing,
                             struct tz_error *err)
{
    size_t given = signing->header_count, count = given + steps->added_count;
    TZ_SCOPED(tz_scoped_free) struct header *headers = calloc(count, sizeof(*headers));
    if (!headers)
        return tz_fail_nomem(err);
    for (size_t i = 0; i < count; i++) {
        const struct tz_s3_pair *pair = i < given ? &signing->headers[i] : &steps->added[i - given];
        headers[i] = (struct header){pair->name, pair->value, i};
    }
    qsort(headers, count, sizeof(*headers), compare_headers);
    for (size_t i = 0; i < count; i++) {
        bool again = i && tz_sigv4_compare_names(headers[i - 1].name, headers[i].name) == 0;
        if (append_header(steps, &headers[i], again, err))
            return -1;
    }
    return 0;
}

/* The texts that are fixed beforehand, and the headers that carry them. */
static int prepare(struct tz_sigv4 *steps, const struct tz_sigv4_service *service,
                   const struct tz_s3_signing *signing, struct tz_error *err)
{
    tz_time_format_name(steps->time, signing->time_ns);
    if (signing->payload_hash == TZ_S3_UNSIGNED_PAYLOAD) {
        (void)snprintf(steps->payload, sizeof(steps->payload), "UNSIGNED-PAYLOAD");
    } else {
        uint8_t empty[TZ_HASH_SIZE];
        if (!signing->payload_hash && tz_sha256(empty, "", 0, err))
            return -1;
        tz_hex(steps->payload, signing->payload_hash ? signing->payload_hash : empty, TZ_HASH_SIZE);
    }
    struct tz_s3_pair *added = steps->added;
    *added++ = (struct tz_s3_pair){"Host", signing->host};
    *added++ = (struct tz_s3_pair){"x-amz-date", steps->time};
    if (service->payload_line)
        *added++ = (struct tz_s3_pair){"x-amz-content-sha256", steps->payload};
    if (signing->session_token)
        *added++ = (struct tz_s3_pair){"x-amz-security-token", signing->session_token};
    steps->added_count = (size_t)(added - steps->added);
    return 0;
}

int tz_sigv4_canonical(struct tz_sigv4 *steps, const struct tz_sigv4_service *service,
                       const struct tz_s3_signing *signing, struct tz_error *err)
{
    if (prepare(steps, service, signing, err) ||
        tz_s3_encode(signing->path, true, &steps->path, err) ||
        canonical_query(signing, &steps->query, err))
        return -1;
    struct tz_buf *out = &steps->canonical;
    if (tz_buf_printf(out, err, "%s\n%s\n%s\n", signing->method, (char *)steps->path.data,
                      (char *)steps->query.data) ||
        canonical_headers(steps, signing, err) || tz_buf_append(&steps->names, "", 1, err))
        return -1;
    steps->names.len--;
    return tz_buf_printf(out, err, "\n%s\n%s", (char *)steps->names.data, steps->payload);
}
