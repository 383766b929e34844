/*
 * Signs the requests of standard input, for the comparison with another signer.
 *
 * A request is a line of fields with spaces between them, texts as hexadecimal digits:
 *
 *   method=474554 host=68 path=2f query=61:62 query=61 header=78:79 access=6b secret=73 token=74
 *   region=72 time=1369353600000000000 payload=<64 digits>
 *
 * A query without ':' has no value; payload=unsigned; no payload: no body.  Its answer is a line
 * of four texts: the canonical request, the string to sign, the target and the header lines.
 */
#include "storage/s3/sigv4.h"
#include "tozai/util/hex.h"

#include <errno.h>
#include <string.h>

#define PAIRS_MAX 64

struct request {
    struct tz_s3_signing signing;
    struct tz_s3_pair query[PAIRS_MAX], headers[PAIRS_MAX];
    uint8_t hash[TZ_HASH_SIZE];
};

/* Cut text at the first c and give what is behind it; NULL if there is none. */
static char *cut(char *text, char c)
{
    char *at = strchr(text, c);
    if (!at)
        return NULL;
    *at = 0;
    return at + 1;
}

/* In place: text is twice as long as what it stands for. */
static bool unhex(char *text)
{
    size_t len = strlen(text);
    if (len % 2 || !tz_unhex((uint8_t *)text, len / 2, text))
        return false;
    text[len / 2] = 0;
    return true;
}

static bool add_pair(struct tz_s3_pair *pairs, size_t *count, char *text)
{
    char *value = cut(text, ':');
    if (*count >= PAIRS_MAX || !unhex(text) || (value && !unhex(value)))
        return false;
    pairs[(*count)++] = (struct tz_s3_pair){text, value};
    return true;
}

static bool set_payload(struct request *request, const char *text)
{
    request->signing.payload_hash = request->hash;
    if (strcmp(text, "unsigned") == 0)
        request->signing.payload_hash = TZ_S3_UNSIGNED_PAYLOAD;
    else if (strlen(text) != TZ_HASH_TEXT - 1 || !tz_unhex(request->hash, TZ_HASH_SIZE, text))
        return false;
    return true;
}

static bool set_time(struct request *request, const char *text)
{
    char *end;
    errno = 0;
    request->signing.time_ns = strtoll(text, &end, 10);
    return !errno && end != text && !*end;
}

static bool set_text(struct request *request, const char *name, char *text)
{
    struct tz_s3_signing *signing = &request->signing;
    const struct {
        const char *name;
        const char **field;
    } texts[] = {
        {"method", &signing->method},       {"host", &signing->host},
        {"path", &signing->path},           {"region", &signing->region},
        {"access", &signing->access_key},   {"secret", &signing->secret_key},
        {"token", &signing->session_token},
    };
    for (size_t i = 0; i < TZ_COUNT(texts); i++) {
        if (strcmp(texts[i].name, name) == 0) {
            *texts[i].field = text;
            return unhex(text);
        }
    }
    return false;
}

static bool set_field(struct request *request, const char *name, char *text)
{
    if (strcmp(name, "query") == 0)
        return add_pair(request->query, &request->signing.query_count, text);
    if (strcmp(name, "header") == 0)
        return add_pair(request->headers, &request->signing.header_count, text);
    if (strcmp(name, "payload") == 0)
        return set_payload(request, text);
    if (strcmp(name, "time") == 0)
        return set_time(request, text);
    return set_text(request, name, text);
}

static int parse(struct request *request, char *line, struct tz_error *err)
{
    request->signing.query = request->query;
    request->signing.headers = request->headers;
    for (char *rest = line; rest;) {
        char *name = rest;
        rest = cut(name, ' ');
        char *text = cut(name, '=');
        if (!text || !set_field(request, name, text))
            return tz_fail(err, TZ_INVALID, "cannot read the field '%s'", name);
    }
    return 0;
}

static int print_hex(const struct tz_buf *buf, char end, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free) char *text = malloc(2 * buf->len + 1);
    if (!text)
        return tz_fail_nomem(err);
    tz_hex(text, buf->data, buf->len);
    if (printf("%s%c", text, end) < 0)
        return tz_fail_errno(err, errno, "write");
    return 0;
}

static int answer(char *line, struct tz_error *err)
{
    struct request request = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf canonical = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf to_sign = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf target = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf lines = {0};
    if (parse(&request, line, err) || tz_s3_canonical_request(&request.signing, &canonical, err) ||
        tz_s3_string_to_sign(&request.signing, &to_sign, err) ||
        tz_s3_sign(&request.signing, &target, &lines, err))
        return -1;
    if (print_hex(&canonical, ' ', err) || print_hex(&to_sign, ' ', err) ||
        print_hex(&target, ' ', err) || print_hex(&lines, '\n', err))
        return -1;
    return 0;
}

int main(void)
{
    TZ_SCOPED(tz_scoped_free) char *line = NULL;
    size_t size = 0;
    struct tz_error err = {0};
    for (ssize_t len; (len = getline(&line, &size, stdin)) > 0;) {
        if (line[len - 1] == '\n')
            line[len - 1] = 0;
        if (answer(line, &err)) {
            (void)fprintf(stderr, "sign-lines: %s\n", err.message);
            return 1;
        }
    }
    return fflush(stdout) ? 1 : 0;
}
