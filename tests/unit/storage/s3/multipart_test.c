/* Uploads in parts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "s3_fixture.h"

#include <stdatomic.h>

#define LEN (((size_t)64 << 20) + 5)

/* What the server does with them. */
struct uploads {
    unsigned fail_part; /* 400 for this one */
    unsigned complete;  /* 0: done and confirmed */
    bool there_before;  /* an object of that name */
    _Atomic unsigned begun, parts, completed, aborted;
    _Atomic bool there;
};
enum { LOST = 1, LATE_ERROR, REFUSED };

static void answer_complete(struct http_call *call, struct uploads *uploads)
{
    static const char late[] = "<?xml version=\"1.0\"?>\n<Error><Code>InternalError</Code></Error>";
    static const char gone[] = "<Error><Code>NoSuchUpload</Code></Error>";

    bool first = uploads->completed++ == 0;
    (void)http_read_body(call, NULL);
    if (uploads->complete == LATE_ERROR) {
        s3_fixture_answer(call, 200, "", late);
    } else if (uploads->complete == REFUSED || !first) {
        s3_fixture_answer(call, 404, "", gone);
    } else {
        uploads->there = true;
        if (uploads->complete == LOST)
            http_reset(call);
        else
            s3_fixture_answer(call, 200, "", "<CompleteMultipartUploadResult/>");
    }
}

static void serve(struct http_call *call)
{
    struct uploads *uploads = call->arg;
    unsigned part = 0;
    const char *number = strstr(call->target, "partNumber=");

    if (strcmp(call->method, "HEAD") == 0) {
        bool there = uploads->there || uploads->there_before;
        (void)http_print(call, "HTTP/1.1 %u x\r\nContent-Length: %zu\r\n\r\n", there ? 200 : 404,
                         there ? LEN : 0);
    } else if (strcmp(call->method, "GET") == 0) {
        s3_fixture_answer(call, 200, "", "<ListBucketResult/>");
    } else if (strcmp(call->method, "DELETE") == 0) {
        uploads->aborted++;
        s3_fixture_answer(call, 204, "", "");
    } else if (strstr(call->target, "uploads")) {
        uploads->begun++;
        s3_fixture_answer(call, 200, "",
                          "<InitiateMultipartUploadResult><UploadId>a/b+c</UploadId>"
                          "</InitiateMultipartUploadResult>");
    } else if (number && (part = (unsigned)atoi(number + strlen("partNumber="))) > 0) {
        uploads->parts++;
        assert_non_null(strstr(call->target, "uploadId=a%2Fb%2Bc"));
        s3_fixture_answer(call, part == uploads->fail_part ? 403 : 200, "ETag: \"part\"\r\n", "");
    } else {
        answer_complete(call, uploads);
    }
}

static enum tz_error_kind put(struct uploads *uploads, bool replace)
{
    struct s3_fixture fixture = {0};
    TZ_SCOPED(tz_scoped_free) char *data = calloc(1, LEN);
    struct tz_error err = {0};

    assert_non_null(data);
    s3_fixture_open(&fixture, serve, uploads);
    int status = replace ? tz_store_replace(fixture.store, "packs/x", data, LEN, &err)
                         : tz_store_put(fixture.store, "packs/x", data, LEN, &err);
    s3_fixture_close(&fixture);
    return status ? err.kind : TZ_OK;
}

static void parts_become_an_object(void **state)
{
    (void)state;
    struct uploads uploads = {0};

    assert_int_equal(put(&uploads, false), TZ_OK);
    assert_int_equal(uploads.parts, 5);
    assert_int_equal(uploads.completed, 1);
    assert_int_equal(uploads.aborted, 0);
}

static void what_fails_is_aborted(void **state)
{
    (void)state;
    struct uploads part = {.fail_part = 3}, late = {.complete = LATE_ERROR},
                   refused = {.complete = REFUSED};

    assert_int_equal(put(&part, false), TZ_DENIED);
    assert_int_equal(part.completed, 0);
    assert_int_equal(part.aborted, 1);
    /* The status came before the server knew. */
    assert_int_equal(put(&late, false), TZ_UNAVAILABLE);
    assert_int_equal(late.aborted, 1);
    assert_int_equal(put(&refused, false), TZ_UNAVAILABLE);
    assert_int_equal(refused.aborted, 1);
}

static void a_lost_confirmation_is_looked_for(void **state)
{
    (void)state;
    struct uploads lost = {.complete = LOST};

    assert_int_equal(put(&lost, false), TZ_OK);
    assert_int_equal(lost.begun, 1);
    assert_int_equal(lost.completed, 2);
    assert_int_equal(lost.aborted, 0);
}

/* What was there before, perhaps damaged, is not taken for what was to replace it. */
static void the_old_object_is_no_proof(void **state)
{
    (void)state;
    struct uploads refused = {.complete = REFUSED, .there_before = true};

    assert_int_equal(put(&refused, true), TZ_UNAVAILABLE);
    assert_int_equal(refused.aborted, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_become_an_object),
        cmocka_unit_test(what_fails_is_aborted),
        cmocka_unit_test(a_lost_confirmation_is_looked_for),
        cmocka_unit_test(the_old_object_is_no_proof),
    };
    return cmocka_run_group_tests_name("s3 parts", tests, NULL, NULL);
}
