/* Encryption by the server: what it is asked for, and whether it is believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "s3_fixture.h"

#include "tozai/storage/probe.h"

#include <stdatomic.h>

#define LARGE (((size_t)64 << 20) + 5)

/* A server that answers so to puts, and to HEAD. */
struct server {
    const char *put, *head; /* header lines */
    unsigned status;        /* of puts; 0: 200 */
    const char *body;
    const char *wanted, *wanted_key; /* headers of what is put; NULL: they must not be there */
    _Atomic unsigned puts, heads, begun, parts;
    _Atomic bool there;
};

static void expect_header(const struct http_call *call, const char *name, const char *value)
{
    TZ_SCOPED(tz_scoped_free) char *found = http_header(call, name);
    TZ_SCOPED(tz_scoped_free) char *signature = http_header(call, "authorization");

    if (!value) {
        assert_null(found);
        return;
    }
    assert_non_null(found);
    assert_string_equal(found, value);
    /* Nobody on the way can take it out. */
    assert_non_null(signature);
    assert_non_null(strstr(signature, name));
}

static void expect_wish(const struct http_call *call, const struct server *server)
{
    expect_header(call, "x-amz-server-side-encryption", server->wanted);
    expect_header(call, "x-amz-server-side-encryption-aws-kms-key-id", server->wanted_key);
}

static void serve_put(struct http_call *call, struct server *server)
{
    char lines[256];

    if (strstr(call->target, "partNumber=")) {
        server->parts++;
        expect_header(call, "x-amz-server-side-encryption", NULL);
        s3_fixture_answer(call, 200, "ETag: \"part\"\r\n", "");
        return;
    }
    server->puts++;
    expect_wish(call, server);
    server->there = server->there || server->status == 0;
    (void)snprintf(lines, sizeof(lines), "ETag: \"1\"\r\n%s", server->put);
    s3_fixture_answer(call, server->status ? server->status : 200, lines,
                      server->body ? server->body : "");
}

static void serve(struct http_call *call)
{
    struct server *server = call->arg;

    if (strcmp(call->method, "HEAD") == 0) {
        server->heads++;
        (void)http_print(call, "HTTP/1.1 %u x\r\nContent-Length: 5\r\n%s\r\n",
                         server->there ? 200 : 404, server->there ? server->head : "");
    } else if (strcmp(call->method, "GET") == 0) {
        s3_fixture_answer(
            call, 200, "",
            strstr(call->target, "top/")
                ? "bytes"
                : "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>");
    } else if (strcmp(call->method, "PUT") == 0) {
        serve_put(call, server);
    } else if (strstr(call->target, "uploads")) {
        server->begun++;
        expect_wish(call, server);
        s3_fixture_answer(call, 200, "",
                          "<InitiateMultipartUploadResult><UploadId>a</UploadId>"
                          "</InitiateMultipartUploadResult>");
    } else {
        server->there = true;
        s3_fixture_answer(call, 200, "", "<CompleteMultipartUploadResult/>");
    }
}

static enum tz_error_kind put(struct server *server, const char *sse, const char *key, size_t len,
                              struct tz_error *err)
{
    const struct tz_store_s3_options s3 = {.sse = sse, .sse_kms_key = key};
    struct s3_fixture fixture = {0};
    TZ_SCOPED(tz_scoped_free) char *data = calloc(1, len);

    assert_non_null(data);
    server->wanted = sse;
    server->wanted_key = key;
    *err = (struct tz_error){0};
    s3_fixture_open_with(&fixture, serve, server, NULL, &s3);
    int status = tz_store_put(fixture.store, "packs/x", data, len, err);
    s3_fixture_close(&fixture);
    return status ? err->kind : TZ_OK;
}

#define AES "x-amz-server-side-encryption: AES256\r\n"
#define KMS "x-amz-server-side-encryption: aws:kms\r\n"

static void each_put_asks_for_it(void **state)
{
    (void)state;
    struct server plain = {.put = ""}, aes = {.put = AES}, kms = {.put = KMS};
    struct server key = {.put = KMS};
    struct tz_error err;

    assert_int_equal(put(&plain, NULL, NULL, 5, &err), TZ_OK);
    assert_int_equal(put(&aes, "AES256", NULL, 5, &err), TZ_OK);
    assert_int_equal(put(&kms, "aws:kms", NULL, 5, &err), TZ_OK);
    assert_int_equal(put(&key, "aws:kms", "alias/tozai", 5, &err), TZ_OK);
    assert_int_equal(plain.puts + aes.puts + kms.puts + key.puts, 4);
    /* The answer says it, so nothing more is asked: one HEAD is from before. */
    assert_int_equal(aes.heads, 1);
}

static void the_beginning_of_parts_asks_for_it(void **state)
{
    (void)state;
    struct server kms = {.put = "", .head = KMS}, liar = {.put = "", .head = ""};
    struct tz_error err;

    assert_int_equal(put(&kms, "aws:kms", "k", LARGE, &err), TZ_OK);
    assert_int_equal(kms.begun, 1);
    assert_int_equal(kms.parts, 5);
    assert_int_equal(put(&liar, "aws:kms", "k", LARGE, &err), TZ_UNSUPPORTED);
}

static void an_answer_without_it_is_looked_into(void **state)
{
    (void)state;
    struct server silent = {.put = "", .head = AES}, liar = {.put = "", .head = ""};
    struct server other = {.put = AES, .head = AES};
    struct tz_error err;

    assert_int_equal(put(&silent, "AES256", NULL, 5, &err), TZ_OK);
    assert_int_equal(silent.heads, 2);
    assert_int_equal(put(&liar, "AES256", NULL, 5, &err), TZ_UNSUPPORTED);
    assert_string_equal(err.message, "put 'packs/x' in 's3://bucket': the server took "
                                     "'sse = AES256' and says 'none'");
    assert_non_null(strstr(err.hint, "'sse'"));
    assert_int_equal(put(&other, "aws:kms", NULL, 5, &err), TZ_UNSUPPORTED);
    assert_non_null(strstr(err.message, "says 'AES256'"));
}

static void refusals_have_a_hint(void **state)
{
    (void)state;
    static const struct {
        unsigned status;
        const char *code;
        enum tz_error_kind kind;
        const char *hint;
    } refusals[] = {
        {400, "InvalidRequest", TZ_FAILED, "'sse = aws:kms', or only over https://"},
        {501, "NotImplemented", TZ_UNSUPPORTED, "'sse = aws:kms', or only over https://"},
        {400, "InvalidEncryptionAlgorithmError", TZ_UNSUPPORTED, "'sse = aws:kms'"},
        {400, "KMS.NotFoundException", TZ_DENIED, "sse_kms_key_id"},
        {400, "KMS.DisabledException", TZ_DENIED, "sse_kms_key_id"},
        {403, "AccessDenied", TZ_DENIED, "kms:GenerateDataKey"},
    };

    for (size_t i = 0; i < TZ_COUNT(refusals); i++) {
        char body[128];
        struct tz_error err;
        struct server server = {.put = "", .status = refusals[i].status, .body = body};
        (void)snprintf(body, sizeof(body), "<Error><Code>%s</Code></Error>", refusals[i].code);
        assert_int_equal(put(&server, "aws:kms", "k", 5, &err), refusals[i].kind);
        if (!strstr(err.hint, refusals[i].hint))
            fail_msg("%s: %s", refusals[i].code, err.hint);
    }
}

static void probe(struct server *server, const char *sse, struct tz_probe *ret)
{
    const struct tz_store_s3_options s3 = {.sse = sse};
    const struct tz_probe_options options = {.name = "tozai"};
    struct s3_fixture fixture = {0};
    struct tz_error err = {0};

    server->wanted = sse;
    server->there = true;
    s3_fixture_open_with(&fixture, serve, server, NULL, &s3);
    if (tz_store_probe(fixture.store, &options, ret, &err))
        fail_msg("%s", err.message);
    s3_fixture_close(&fixture);
}

static void a_probe_finds_it_out(void **state)
{
    (void)state;
    struct server plain = {.put = "", .head = ""}, is = {.put = AES, .head = AES};
    struct server will = {.put = AES, .head = ""}, liar = {.put = "", .head = ""};
    struct server refuses = {
        .put = "", .head = "", .status = 400, .body = "<Error><Code>InvalidRequest</Code></Error>"};
    struct tz_probe found;

    probe(&plain, NULL, &found);
    assert_int_equal(found.encrypts, TZ_PROBE_UNKNOWN);
    probe(&is, "AES256", &found);
    assert_int_equal(found.encrypts, TZ_PROBE_YES);
    assert_int_equal(is.puts, plain.puts); /* it shows already */
    probe(&will, "AES256", &found);
    assert_int_equal(found.encrypts, TZ_PROBE_YES);
    assert_int_equal(will.puts, plain.puts + 1);
    probe(&liar, "AES256", &found);
    assert_int_equal(found.encrypts, TZ_PROBE_NO);
    assert_int_equal(found.no_encryption.kind, TZ_UNSUPPORTED);
    probe(&refuses, "AES256", &found);
    assert_int_equal(found.encrypts, TZ_PROBE_NO);
    assert_non_null(strstr(found.no_encryption.message, "InvalidRequest"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_put_asks_for_it),
        cmocka_unit_test(the_beginning_of_parts_asks_for_it),
        cmocka_unit_test(an_answer_without_it_is_looked_into),
        cmocka_unit_test(refusals_have_a_hint),
        cmocka_unit_test(a_probe_finds_it_out),
    };
    return cmocka_run_group_tests_name("s3 encryption", tests, NULL, NULL);
}
