/* Uploads in parts that never ended: how they are listed, and which of them may go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "s3_fixture.h"

#include "tozai/util/time.h"

#include <stdatomic.h>

#define DATE    "Date: Fri, 02 Jan 2026 12:00:00 GMT\r\n"
#define HOUR_NS (INT64_C(3600) * TZ_SECOND_NS)
#define DAY_NS  (24 * HOUR_NS)

#define UPLOAD(key, id, time)                                                                      \
    "<Upload><Key>" key "</Key><UploadId>" id "</UploadId><Initiated>" time "</Initiated></"       \
    "Upload>"
#define UPLOADS(text)                                                                              \
    "<?xml version=\"1.0\"?><ListMultipartUploadsResult>" text "</ListMultipartUploadsResult>"
#define LAST "<IsTruncated>false</IsTruncated>"
#define MORE(key, id)                                                                              \
    "<IsTruncated>true</IsTruncated><NextKeyMarker>" key "</NextKeyMarker><NextUploadIdMarker>" id \
    "</NextUploadIdMarker>"
#define PART(size, time)                                                                           \
    "<Part><PartNumber>1</PartNumber><LastModified>" time "</LastModified><Size>" size             \
    "</Size></Part>"
#define PARTS(text) "<ListPartsResult>" text "</ListPartsResult>"

/* The pages in the order in which they are asked for, and the last request's target. */
struct book {
    const char *const *pages;
    size_t count;
    unsigned status; /* of each; 0: 200 */
    _Atomic size_t next;
    char targets[4][1024];
};

static void turn_page(struct http_call *call)
{
    struct book *book = call->arg;
    size_t i = book->next++;

    if (i < TZ_COUNT(book->targets))
        (void)snprintf(book->targets[i], sizeof(book->targets[i]), "%.1000s", call->target);
    s3_fixture_answer(call, book->status ? book->status : 200, DATE,
                      book->pages[TZ_MIN(i, book->count - 1)]);
}

static int add(void *arg, const struct tz_store_leftover *leftover, struct tz_error *err)
{
    return tz_buf_printf(arg, err, "%s %s %d\n", leftover->name, leftover->id,
                         (int)(leftover->age_ns / HOUR_NS));
}

static enum tz_error_kind list(struct book *book, struct tz_buf *lines)
{
    struct s3_fixture fixture = {0};
    struct tz_error err = {0};

    s3_fixture_open(&fixture, turn_page, book);
    int status = tz_store_leftovers(fixture.store, add, lines, &err);
    s3_fixture_close(&fixture);
    return status ? err.kind : TZ_OK;
}
static enum tz_error_kind list_page(const char *page)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf lines = {0};
    struct book book = {.pages = &page, .count = 1};
    return list(&book, &lines);
}

static void pages_are_joined(void **state)
{
    (void)state;
    static const char *const pages[] = {
        UPLOADS("<EncodingType>url</EncodingType>" UPLOAD(
            "top%2Fpacks/a", "1/+", "2026-01-02T09:00:00.000Z") MORE("top/packs%2Fa", "1/+")),
        UPLOADS(UPLOAD("top/packs/a", "2", "2026-01-01T11:59:59.999Z")
                    UPLOAD("top/others are", "3", "2026-01-01T00:00:00Z") MORE("top/packs/b", "")),
        UPLOADS(UPLOAD("top/packs/b", "4", "2026-01-02T12:00:05Z")
                    UPLOAD("elsewhere", "5", "2026-01-02T12:00:05Z") LAST
                "<NextKeyMarker/><NextUploadIdMarker></NextUploadIdMarker>"),
    };
    TZ_SCOPED(tz_scoped_buf) struct tz_buf lines = {0};
    struct book book = {.pages = pages, .count = TZ_COUNT(pages)};

    assert_int_equal(list(&book, &lines), TZ_OK);
    assert_string_equal((const char *)lines.data, "packs/a 1/+ 3\npacks/a 2 24\npacks/b 4 0\n");
    assert_int_equal(book.next, 3);
    assert_string_equal(book.targets[0], "/bucket?encoding-type=url&prefix=top%2F&uploads=");
    assert_string_equal(book.targets[1],
                        "/bucket?encoding-type=url&key-marker=top%2Fpacks%2Fa&prefix=top%2F&"
                        "upload-id-marker=1%2F%2B&uploads=");
    assert_string_equal(
        book.targets[2],
        "/bucket?encoding-type=url&key-marker=top%2Fpacks%2Fb&prefix=top%2F&uploads=");
    assert_int_equal(list_page(UPLOADS(LAST)), TZ_OK);
    assert_int_equal(list_page(UPLOADS("")), TZ_OK);
}

static void damaged_pages_are_asked_for_again(void **state)
{
    (void)state;
    static const char *const pages[] = {
        UPLOADS(UPLOAD("top/packs/a", "1", "2026-01-02T09:00:00Z") MORE("top/packs/a", "1")),
        UPLOADS(UPLOAD("top/packs/b", "2", "2026-01-02T09:00:00Z") "<IsTruncated>fal"),
        UPLOADS(UPLOAD("top/packs/b", "2", "2026-01-02T09:00:00Z") LAST),
    };
    TZ_SCOPED(tz_scoped_buf) struct tz_buf lines = {0};
    struct book book = {.pages = pages, .count = TZ_COUNT(pages)};

    assert_int_equal(list(&book, &lines), TZ_OK);
    assert_string_equal((const char *)lines.data, "packs/a 1 3\npacks/b 2 3\n");
}

static void odd_answers_are_errors(void **state)
{
    (void)state;
    static const char *const corrupt[] = {
        "",
        "garbage",
        UPLOADS("<Upload><Key>top/a</Key></Upload>"),
        UPLOADS("<Upload><UploadId>1</UploadId></Upload>"),
        UPLOADS(UPLOAD("top/a", "1", "yesterday")),
        UPLOADS("<EncodingType>url</EncodingType>" UPLOAD("top/a%0", "1", "2026-01-02T09:00:00Z")),
        UPLOADS("<IsTruncated>true</IsTruncated>"),
        UPLOADS("<IsTruncated>true</IsTruncated><NextKeyMarker></NextKeyMarker>"),
        UPLOADS(MORE("top/a", "1")), /* for ever */
    };

    for (size_t i = 0; i < TZ_COUNT(corrupt); i++)
        if (list_page(corrupt[i]) != TZ_CORRUPT)
            fail_msg("taken for a list: %s", corrupt[i]);
    /* Taken for a listing of objects. */
    assert_int_equal(
        list_page("<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"),
        TZ_UNSUPPORTED);
}

static void a_refusal_says_which_right_is_lacking(void **state)
{
    (void)state;
    static const char *const denied = "<Error><Code>AccessDenied</Code></Error>";
    static const char *const unknown = "<Error><Code>NotImplemented</Code></Error>";
    struct book book = {.pages = &denied, .count = 1, .status = 403};
    struct book other = {.pages = &unknown, .count = 1, .status = 501};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf lines = {0};
    struct s3_fixture fixture = {0};
    struct tz_error err = {0};

    s3_fixture_open(&fixture, turn_page, &book);
    assert_int_equal(tz_store_leftovers(fixture.store, add, &lines, &err), -1);
    assert_int_equal(err.kind, TZ_DENIED);
    assert_non_null(strstr(err.hint, "s3:ListBucketMultipartUploads"));
    s3_fixture_close(&fixture);
    assert_int_equal(list(&other, &lines), TZ_UNSUPPORTED);
}

/* --- Removing --- */

struct server {
    const char *parts;
    unsigned parts_status, abort_status; /* 0: 200, 204 */
    _Atomic unsigned aborted;
};

static void serve(struct http_call *call)
{
    struct server *server = call->arg;

    assert_non_null(strstr(call->target, "/bucket/top/packs/x?uploadId=a%2Bb"));
    if (strcmp(call->method, "DELETE") == 0) {
        server->aborted++;
        s3_fixture_answer(call, server->abort_status ? server->abort_status : 204, DATE, "");
    } else {
        s3_fixture_answer(call, server->parts_status ? server->parts_status : 200, DATE,
                          server->parts);
    }
}

static enum tz_error_kind remove_one(struct server *server, int64_t age_ns, bool *ret_removed,
                                     uint64_t *ret_bytes)
{
    const struct tz_store_leftover leftover = {.name = "packs/x", .id = "a+b", .age_ns = age_ns};
    struct s3_fixture fixture = {0};
    struct tz_error err = {0};

    s3_fixture_open(&fixture, serve, server);
    int status =
        tz_store_remove_leftover(fixture.store, &leftover, DAY_NS, ret_removed, ret_bytes, &err);
    s3_fixture_close(&fixture);
    return status ? err.kind : TZ_OK;
}

static void what_has_not_moved_is_aborted(void **state)
{
    (void)state;
    struct server old = {.parts = PARTS(PART("16777216", "2026-01-01T10:00:00Z")
                                            PART("5", "2026-01-01T11:00:00.000Z"))};
    struct server empty = {.parts = PARTS(LAST)};
    struct server gone = {.parts = "<Error><Code>NoSuchUpload</Code></Error>", .parts_status = 404};
    struct server late = {.parts = PARTS(PART("7", "2026-01-01T10:00:00Z")), .abort_status = 404};
    uint64_t bytes = 0;
    bool removed = false;

    assert_int_equal(remove_one(&old, 3 * DAY_NS, &removed, &bytes), TZ_OK);
    assert_true(removed);
    assert_int_equal(bytes, 16777221);
    assert_int_equal(old.aborted, 1);
    assert_int_equal(remove_one(&empty, 3 * DAY_NS, &removed, &bytes), TZ_OK);
    assert_true(removed);
    assert_int_equal(bytes, 0);
    assert_int_equal(empty.aborted, 1);
    /* Somebody else was faster. */
    removed = false;
    assert_int_equal(remove_one(&gone, 3 * DAY_NS, &removed, &bytes), TZ_OK);
    assert_true(removed);
    assert_int_equal(gone.aborted, 0);
    assert_int_equal(remove_one(&late, 3 * DAY_NS, &removed, &bytes), TZ_OK);
    assert_true(removed);
    assert_int_equal(bytes, 0);
}

/* By the server's clock, which says noon of January 2nd. */
static void what_may_be_running_stays(void **state)
{
    (void)state;
    struct server moves = {
        .parts = PARTS(PART("5", "2026-01-02T11:00:00Z") PART("5", "2026-01-01T01:00:00Z"))};
    struct server edge = {.parts = PARTS(PART("5", "2026-01-01T12:00:00Z"))};
    struct server young = {.parts = PARTS(LAST)};
    struct server more = {
        .parts = PARTS(PART("5", "2026-01-01T01:00:00Z") "<IsTruncated>true</IsTruncated>")};
    struct server *const all[] = {&moves, &edge, &more};
    uint64_t bytes = 0;
    bool removed = true;

    for (size_t i = 0; i < TZ_COUNT(all); i++) {
        assert_int_equal(remove_one(all[i], 30 * DAY_NS, &removed, &bytes), TZ_OK);
        assert_false(removed);
        assert_int_equal(bytes, 0);
        assert_int_equal(all[i]->aborted, 0);
    }
    assert_int_equal(remove_one(&young, DAY_NS - 1, &removed, &bytes), TZ_OK);
    assert_false(removed);
    assert_int_equal(young.aborted, 0);
}

static void what_is_not_understood_stays(void **state)
{
    (void)state;
    struct server garbage = {.parts = "<html>"}, other = {.parts = "<ListBucketResult/>"};
    struct server denied = {.parts = "<Error><Code>AccessDenied</Code></Error>",
                            .parts_status = 403};
    struct server size = {.parts = PARTS(PART("much", "2026-01-01T01:00:00Z"))};
    uint64_t bytes = 0;
    bool removed = false;

    assert_int_equal(remove_one(&garbage, 3 * DAY_NS, &removed, &bytes), TZ_CORRUPT);
    assert_int_equal(remove_one(&other, 3 * DAY_NS, &removed, &bytes), TZ_UNSUPPORTED);
    assert_int_equal(remove_one(&denied, 3 * DAY_NS, &removed, &bytes), TZ_DENIED);
    assert_int_equal(remove_one(&size, 3 * DAY_NS, &removed, &bytes), TZ_CORRUPT);
    assert_false(removed);
    assert_int_equal(garbage.aborted + other.aborted + denied.aborted + size.aborted, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_are_joined),
        cmocka_unit_test(damaged_pages_are_asked_for_again),
        cmocka_unit_test(odd_answers_are_errors),
        cmocka_unit_test(a_refusal_says_which_right_is_lacking),
        cmocka_unit_test(what_has_not_moved_is_aborted),
        cmocka_unit_test(what_may_be_running_stays),
        cmocka_unit_test(what_is_not_understood_stays),
    };
    return cmocka_run_group_tests_name("s3 leftovers", tests, NULL, NULL);
}
