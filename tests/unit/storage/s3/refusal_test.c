/* What a server means by an answer that is no success. */
#include "storage/s3/s3.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct tz_s3_refusal read_as(const char *method, unsigned status, const char *body)
{
    TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {.status = status};
    const struct tz_s3_call call = {.method = method, .verb = "try", .name = "packs/x"};
    struct tz_s3_refusal refusal;

    if (body)
        assert_int_equal(tz_buf_append(&response.text, body, strlen(body), NULL), 0);
    tz_s3_read_refusal(&call, &response, &refusal);
    return refusal;
}

static void codes_have_a_kind_and_a_hint(void **state)
{
    (void)state;
    const struct {
        const char *code;
        unsigned status;
        enum tz_error_kind kind;
        bool again, hint;
    } cases[] = {
        {"SlowDown", 503, TZ_UNAVAILABLE, true, false},
        {"InternalError", 500, TZ_UNAVAILABLE, true, false},
        {"RequestTimeout", 400, TZ_UNAVAILABLE, true, false},
        {"XAmzContentSHA256Mismatch", 400, TZ_UNAVAILABLE, true, true},
        {"BadDigest", 400, TZ_UNAVAILABLE, true, true},
        {"NoSuchKey", 404, TZ_NOT_FOUND, false, false},
        {"NoSuchBucket", 404, TZ_UNAVAILABLE, false, true},
        {"AccessDenied", 403, TZ_DENIED, false, false},
        {"QuotaExceeded", 403, TZ_NOSPC, false, true},
        {"", 407, TZ_DENIED, false, true}, /* of a proxy */
        {"SignatureDoesNotMatch", 403, TZ_DENIED, false, true},
        {"AuthorizationHeaderMalformed", 400, TZ_INVALID, false, true},
        {"PermanentRedirect", 301, TZ_INVALID, false, true},
        {"SomethingNew", 500, TZ_UNAVAILABLE, true, false},
        {"SomethingNew", 418, TZ_FAILED, false, false},
    };

    for (size_t i = 0; i < TZ_COUNT(cases); i++) {
        char body[256];
        (void)snprintf(body, sizeof(body),
                       "<?xml version=\"1.0\"?><Error><Code>%s</Code><Message>so it is</Message>"
                       "<RequestId>1</RequestId></Error>",
                       cases[i].code);
        struct tz_s3_refusal refusal = read_as("GET", cases[i].status, body);
        assert_string_equal(refusal.code, cases[i].code);
        assert_string_equal(refusal.message, "so it is");
        if (refusal.kind != cases[i].kind || refusal.again != cases[i].again ||
            (refusal.hint != NULL) != cases[i].hint)
            fail_msg("%s is understood otherwise", cases[i].code);
    }
    assert_true(read_as("GET", 403, "<Error><Code>RequestTimeTooSkewed</Code></Error>").skewed);
    assert_true(read_as("GET", 400, "<Error><Code>ExpiredToken</Code></Error>").credentials);
}

/* A balancer's page, a body that was cut, none at all. */
static void without_words_the_status_must_do(void **state)
{
    (void)state;
    const char *const bodies[] = {NULL, "<html><body>Bad Gateway<br></body></html>",
                                  "<Error><Code>AccessDen", "\xff\xfe", "{\"error\": 1}"};

    for (size_t i = 0; i < TZ_COUNT(bodies); i++) {
        struct tz_s3_refusal refusal = read_as("GET", 502, bodies[i]);
        assert_int_equal(refusal.kind, TZ_UNAVAILABLE);
        assert_true(refusal.again);
        assert_string_equal(refusal.code, "");
        assert_int_equal(read_as("PUT", 403, bodies[i]).kind, TZ_DENIED);
        assert_int_equal(read_as("PUT", 507, bodies[i]).kind, TZ_NOSPC);
        assert_int_equal(read_as("HEAD", 404, bodies[i]).kind, TZ_NOT_FOUND);
        /* No S3 server: nobody may take an object for missing. */
        refusal = read_as("GET", 404, bodies[i]);
        assert_int_equal(refusal.kind, TZ_UNAVAILABLE);
        assert_false(refusal.again);
        assert_non_null(strstr(refusal.hint, "endpoint"));
    }
}

static void what_is_shown_is_one_line(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_http_response) struct tz_http_response response = {.status = 403};
    char bucket[] = "bucket";
    const struct tz_s3_store store = {.bucket = bucket};
    struct tz_s3_call call = {.method = "PUT", .verb = "put", .name = "packs/x"};
    struct tz_error err = {0};
    struct tz_s3_refusal refusal = read_as(
        "PUT", 403, "<Error><Code>AccessDenied</Code><Message>no\n\x7f way</Message></Error>");

    assert_string_equal(refusal.message, "no   way");
    assert_int_equal(tz_s3_refuse(&store, &call, &response, &refusal, &err), -1);
    assert_string_equal(err.message, "put 'packs/x' in 's3://bucket': 403 AccessDenied: no   way");
    assert_non_null(strstr(err.hint, "s3:PutObject"));
    call.name = NULL;
    assert_int_equal(tz_s3_refuse(&store, &call, &response, &refusal, &err), -1);
    assert_string_equal(err.message, "put 's3://bucket': 403 AccessDenied: no   way");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_have_a_kind_and_a_hint),
        cmocka_unit_test(without_words_the_status_must_do),
        cmocka_unit_test(what_is_shown_is_one_line),
    };
    return cmocka_run_group_tests_name("s3 refusals", tests, NULL, NULL);
}
