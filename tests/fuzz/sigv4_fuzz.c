/*
 * The signer on any texts: whatever it accepts makes one line for each header and a target of
 * plain characters, from which path and query can be read again.
 *
 * The input is texts with a NUL behind each: method, host, path, region, access key, secret key
 * and session token; the first byte of the last text has the number of parameters in its low half
 * and that of headers in its high half, and their names and values follow.
 */
#include "fuzz.h"

#include "storage/s3/sigv4_private.h"

#include <string.h>

#define PAIRS_MAX 15

struct input {
    const char *at, *end; /* *end is NUL */
};

static const char *next_text(struct input *input)
{
    const char *text = input->at;
    if (text < input->end)
        input->at += strlen(text) + 1;
    if (input->at > input->end)
        input->at = input->end;
    return text;
}

/* A value that begins with 0xff stands for none. */
static void read_pairs(struct input *input, struct tz_s3_pair *pairs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        pairs[i].name = next_text(input);
        pairs[i].value = next_text(input);
        if (*pairs[i].value == '\xff')
            pairs[i].value = NULL;
    }
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Decode up to one of the ends, which are not plain characters; where it stopped. */
static const char *decode(const char *from, const char *ends, struct tz_buf *out)
{
    static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                     "0123456789-._~";
    for (; *from && !strchr(ends, *from); from++) {
        char c = *from;
        if (c == '%') {
            check(hex_value(from[1]) >= 0 && hex_value(from[2]) >= 0);
            c = (char)(hex_value(from[1]) * 16 + hex_value(from[2]));
            check(!strchr(unreserved, c));
            from += 2;
        } else {
            check(strchr(unreserved, c) || c == '/');
        }
        check(tz_buf_append(out, &c, 1, NULL) == 0);
    }
    check(tz_buf_append(out, "", 1, NULL) == 0);
    return from;
}

/* Take the parameter that says this, each once; false if there is none. */
static bool take(const struct tz_s3_signing *signing, bool *taken, const char *name,
                 const char *value)
{
    for (size_t i = 0; i < signing->query_count; i++) {
        const struct tz_s3_pair *pair = &signing->query[i];
        if (!taken[i] && strcmp(pair->name, name) == 0 &&
            strcmp(pair->value ? pair->value : "", value) == 0) {
            taken[i] = true;
            return true;
        }
    }
    return false;
}

static void check_target(const struct tz_s3_signing *signing, const struct tz_buf *target)
{
    const char *at = (const char *)target->data;
    check(strlen(at) == target->len && *at == '/');
    TZ_SCOPED(tz_scoped_buf) struct tz_buf path = {0};
    at = decode(at, "?", &path);
    check(strcmp((char *)path.data, signing->path) == 0);
    bool taken[PAIRS_MAX] = {false};
    size_t count = 0;
    for (; *at; count++) {
        check(*at == (count ? '&' : '?') && !memchr(at + 1, '/', strcspn(at + 1, "&")));
        TZ_SCOPED(tz_scoped_buf) struct tz_buf name = {0};
        TZ_SCOPED(tz_scoped_buf) struct tz_buf value = {0};
        at = decode(at + 1, "=", &name);
        check(*at == '=');
        at = decode(at + 1, "&", &value);
        check(take(signing, taken, (char *)name.data, (char *)value.data));
    }
    check(count == signing->query_count);
}

/* "Name: value" of characters that are no controls; their number. */
static size_t check_lines(const struct tz_buf *lines)
{
    const char *line = (const char *)lines->data, *end = line + lines->len;
    size_t count = 0;
    check(*end == 0);
    for (; line < end; line += strlen(line) + 1, count++) {
        const char *colon = strchr(line, ':');
        check(colon && colon > line && colon[1] == ' ' && colon[2] && colon[2] != ' ');
        check(!memchr(line, ' ', (size_t)(colon - line)));
        for (const char *c = line; *c; c++)
            check((unsigned char)*c >= 0x20 && *c != 0x7f);
    }
    check(line == end);
    return count;
}

/* As many lines as there must be: method, path, query, each header's, an empty one, names, hash. */
static void check_canonical(const struct tz_s3_signing *signing)
{
    TZ_SCOPED(tz_scoped_sigv4) struct tz_sigv4 steps = {0};
    check(tz_sigv4_sign(&steps, &tz_sigv4_s3, signing, NULL) == 0);
    size_t names = 1, lines = 1;
    for (const char *c = (const char *)steps.names.data; *c; c++)
        names += *c == ';';
    for (const char *c = (const char *)steps.canonical.data; *c; c++)
        lines += *c == '\n';
    check(lines == names + 6);
    check(names <= signing->header_count + steps.added_count && names >= steps.added_count);
}

static void check_request(const struct tz_s3_signing *signing)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf target = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf lines = {0};
    struct tz_error err = {0};
    if (tz_s3_sign(signing, &target, &lines, &err)) {
        check(err.kind == TZ_INVALID && target.len == 0 && lines.len == 0);
        return;
    }
    check_target(signing, &target);
    check(check_lines(&lines) == signing->header_count + (signing->session_token ? 4 : 3));
    check_canonical(signing);
    TZ_SCOPED(tz_scoped_buf) struct tz_buf again = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf lines_again = {0};
    check(tz_s3_sign(signing, &again, &lines_again, &err) == 0);
    check(strcmp((char *)again.data, (char *)target.data) == 0);
    check(lines_again.len == lines.len && !memcmp(lines_again.data, lines.data, lines.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    TZ_SCOPED(tz_scoped_free) char *text = calloc(len + 1, 1);
    check(text != NULL);
    if (len)
        memcpy(text, data, len);
    struct input input = {text, text + len};
    struct tz_s3_pair query[PAIRS_MAX], headers[PAIRS_MAX];
    struct tz_s3_signing signing = {.query = query, .headers = headers};
    signing.method = next_text(&input);
    signing.host = next_text(&input);
    signing.path = next_text(&input);
    signing.region = next_text(&input);
    signing.access_key = next_text(&input);
    signing.secret_key = next_text(&input);
    const char *token = next_text(&input), *counts = next_text(&input);
    signing.session_token = *token ? token : NULL;
    signing.query_count = (uint8_t)*counts % 16;
    signing.header_count = (uint8_t)*counts / 16;
    signing.time_ns = (int64_t)len * TZ_SECOND_NS * 86400;
    if (len % 2)
        signing.payload_hash = TZ_S3_UNSIGNED_PAYLOAD;
    read_pairs(&input, query, signing.query_count);
    read_pairs(&input, headers, signing.header_count);
    check_request(&signing);
    return 0;
}
