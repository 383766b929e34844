/*
 * The vectors that AWS publishes for Signature Version 4 (awslabs/aws-c-auth,
 * tests/aws-signing-test-suite), which are not part of the project: TOZAI_SIGV4_VECTORS names the
 * folder that holds their "v4", else it is ../shared/sigv4 beside the project.
 */
#include "storage/s3/sigv4_private.h"
#include "tozai/util/file.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define CASES        38
#define CASES_FOR_S3 32 /* the others have a path that is to be normalised */
#define PAIRS_MAX    8
#define VECTOR_MAX   ((size_t)1 << 20)

struct vector {
    const char *folder;
    struct tz_buf request; /* cut into its parts in place */
    json_t *context;
    struct tz_s3_signing signing;
    struct tz_s3_pair query[PAIRS_MAX], headers[PAIRS_MAX];
    uint8_t hash[TZ_HASH_SIZE];
    struct tz_sigv4_service service;
};

static void clear_vector(struct vector *vector)
{
    tz_buf_clear(&vector->request);
    json_decref(vector->context);
}

/* A file of the case, with a NUL behind it. */
static void read_text(const char *folder, const char *name, struct tz_buf *out)
{
    TZ_SCOPED(tz_scoped_free) char *path = tz_path_join(folder, name);
    assert_non_null(path);
    assert_int_equal(tz_file_read(path, VECTOR_MAX, out, NULL), 0);
    assert_int_equal(tz_buf_append(out, "", 1, NULL), 0);
    out->len--;
}

static const char *context_text(const struct vector *vector, const char *object, const char *name)
{
    const json_t *from = object ? json_object_get(vector->context, object) : vector->context;
    return json_string_value(json_object_get(from, name));
}

static int hex_value(char c)
{
    static const char digits[] = "0123456789ABCDEF";
    const char *digit = c ? strchr(digits, c) : NULL;
    assert_non_null(digit);
    return (int)(digit - digits);
}

/* "%E1%88%B4" to the bytes, in place. */
static char *decode(char *text)
{
    char *to = text;
    for (const char *from = text; *from; from++) {
        if (*from == '%') {
            *to++ = (char)(hex_value(from[1]) * 16 + hex_value(from[2]));
            from += 2;
        } else {
            *to++ = *from;
        }
    }
    *to = 0;
    return text;
}

/* Cut text at the first c and give what is behind it; NULL if there is none. */
static char *cut(char *text, char c)
{
    char *at = strchr(text, c);
    if (!at)
        return NULL;
    *at = 0;
    return at + 1;
}

static void parse_target(struct vector *vector, char *target)
{
    char *query = cut(target, '?');
    vector->signing.path = decode(target);
    for (char *rest; query && *query; query = rest) {
        rest = cut(query, '&');
        char *value = cut(query, '=');
        assert_true(vector->signing.query_count < PAIRS_MAX);
        vector->query[vector->signing.query_count++] =
            (struct tz_s3_pair){decode(query), value ? decode(value) : NULL};
    }
}

/* A line that begins with a space goes on with the one before: one line of it. */
static void unfold(char *lines)
{
    for (char *at = lines; (at = strstr(at, "\n ")); at++)
        *at = ' ';
}

static void parse_header(struct vector *vector, char *line)
{
    char *value = cut(line, ':');
    assert_non_null(value);
    if (strcmp(line, "Host") == 0) {
        vector->signing.host = value;
        return;
    }
    assert_true(vector->signing.header_count < PAIRS_MAX);
    vector->headers[vector->signing.header_count++] = (struct tz_s3_pair){line, value};
}

static void parse_request(struct vector *vector)
{
    char *line = (char *)vector->request.data;
    char *body = strstr(line, "\n\n");
    if (body) {
        *body = 0;
        body += 2;
    }
    unfold(line);
    char *rest = cut(line, '\n');
    char *target = cut(line, ' ');
    assert_non_null(target);
    char *version = strstr(target, " HTTP/1.1");
    assert_non_null(version);
    *version = 0;
    vector->signing.method = line;
    parse_target(vector, target);
    for (; rest && *rest; rest = line) {
        line = cut(rest, '\n');
        parse_header(vector, rest);
    }
    assert_int_equal(tz_sha256(vector->hash, body ? body : "", body ? strlen(body) : 0, NULL), 0);
    vector->signing.payload_hash = vector->hash;
    vector->signing.query = vector->query;
    vector->signing.headers = vector->headers;
}

static void read_vector(struct vector *vector, const char *folder)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf text = {0};
    read_text(folder, "context.json", &text);
    vector->folder = folder;
    vector->context = json_loads((char *)text.data, 0, NULL);
    assert_non_null(vector->context);
    read_text(folder, "request.txt", &vector->request);
    parse_request(vector);

    vector->signing.access_key = context_text(vector, "credentials", "access_key_id");
    vector->signing.secret_key = context_text(vector, "credentials", "secret_access_key");
    if (!json_is_true(json_object_get(vector->context, "omit_session_token")))
        vector->signing.session_token = context_text(vector, "credentials", "token");
    vector->signing.region = context_text(vector, NULL, "region");
    assert_int_equal(
        tz_time_parse(context_text(vector, NULL, "timestamp"), 0, &vector->signing.time_ns, NULL),
        0);
    vector->service.name = context_text(vector, NULL, "service");
    vector->service.payload_line = json_is_true(json_object_get(vector->context, "sign_body"));
}

static void assert_file(const struct vector *vector, const char *name, const char *found)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf expected = {0};
    read_text(vector->folder, name, &expected);
    if (strcmp(found, (char *)expected.data) != 0)
        print_error("%s/%s\n", vector->folder, name);
    assert_string_equal(found, (char *)expected.data);
}

static void assert_vector(const char *folder)
{
    TZ_SCOPED(clear_vector) struct vector vector = {0};
    read_vector(&vector, folder);
    TZ_SCOPED(tz_scoped_sigv4) struct tz_sigv4 steps = {0};
    struct tz_error err = {0};
    if (tz_sigv4_sign(&steps, &vector.service, &vector.signing, &err))
        fail_msg("%s: %s", folder, err.message);
    assert_file(&vector, "header-canonical-request.txt", (char *)steps.canonical.data);
    assert_file(&vector, "header-string-to-sign.txt", (char *)steps.to_sign.data);
    assert_file(&vector, "header-signature.txt", steps.signature);
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);
    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

/* S3 never normalises a path.  The one such case whose path has nothing to normalise applies. */
static bool is_for_s3(const char *name)
{
    return !ends_with(name, "-normalized") || strcmp(name, "get-space-normalized") == 0;
}

/* NULL: there are none. */
static char *find_vectors(void)
{
    const char *named = getenv("TOZAI_SIGV4_VECTORS"), *source = getenv("TOZAI_SOURCE_DIR");
    if (named)
        return tz_path_join(named, "v4");
    if (!source)
        return NULL;
    TZ_SCOPED(tz_scoped_free) char *path = tz_path_join(source, "../shared/sigv4/v4");
    return path && access(path, R_OK) == 0 ? TZ_TAKE(path) : NULL;
}

static void published_requests_get_the_published_signatures(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_free) char *top = find_vectors();
    if (!top) {
        print_message("no vectors: TOZAI_SIGV4_VECTORS names no folder of them\n");
        skip();
    }
    TZ_SCOPED(tz_scoped_dir) DIR *dir = opendir(top);
    if (!dir)
        fail_msg("cannot open folder '%s'", top);
    size_t cases = 0, passed = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (entry->d_name[0] == '.')
            continue;
        cases++;
        if (!is_for_s3(entry->d_name))
            continue;
        TZ_SCOPED(tz_scoped_free) char *folder = tz_path_join(top, entry->d_name);
        assert_vector(folder);
        passed++;
    }
    print_message("%zu of %zu cases\n", passed, cases);
    assert_int_equal(cases, CASES);
    assert_int_equal(passed, CASES_FOR_S3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_requests_get_the_published_signatures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
