/* Lists of versions as a server should not give them: what is purged by them must really go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "s3_fixture.h"

#include <stdatomic.h>

#define VERSION(key, id)                                                                           \
    "<Version><Key>" key "</Key><VersionId>" id "</VersionId><IsLatest>true</IsLatest>"            \
    "<Size>7</Size><LastModified>2026-01-02T03:04:05.678Z</LastModified></Version>"
#define VERSIONS(text) "<?xml version=\"1.0\"?><ListVersionsResult>" text "</ListVersionsResult>"
#define LAST           "<IsTruncated>false</IsTruncated>"
#define MORE(key, id)                                                                              \
    "<IsTruncated>true</IsTruncated><NextKeyMarker>" key "</NextKeyMarker>"                        \
    "<NextVersionIdMarker>" id "</NextVersionIdMarker>"

/* The pages in the order in which they are asked for, and what else was. */
struct book {
    const char *const *pages;
    size_t count;
    _Atomic size_t next;
    _Atomic unsigned removed;
    char target[1024]; /* of the last removal */
};

static void turn_page(struct http_call *call)
{
    struct book *book = call->arg;

    if (strcmp(call->method, "GET") == 0) {
        size_t i = book->next++;
        s3_fixture_answer(call, 200, "", book->pages[TZ_MIN(i, book->count - 1)]);
    } else if (strcmp(call->method, "DELETE") == 0) {
        (void)snprintf(book->target, sizeof(book->target), "%.1000s", call->target);
        book->removed++;
        s3_fixture_answer(call, 204, "", "");
    } else {
        s3_fixture_answer(call, 200, "x-amz-version-id: newest\r\n", "");
    }
}

static int add(void *arg, const struct tz_store_version *version, struct tz_error *err)
{
    return tz_buf_printf(arg, err, "%s %s\n", version->name, version->id);
}

static enum tz_error_kind list(struct book *book, struct tz_buf *lines)
{
    struct s3_fixture fixture = {0};
    struct tz_error err = {0};

    s3_fixture_open(&fixture, turn_page, book);
    int status = tz_store_versions(fixture.store, "packs/", add, lines, &err);
    s3_fixture_close(&fixture);
    return status ? err.kind : TZ_OK;
}

static void damaged_pages_are_asked_for_again(void **state)
{
    (void)state;
    static const char *const pages[] = {
        VERSIONS(VERSION("top/packs/a", "1") MORE("top/packs/a", "1")),
        VERSIONS(VERSION("top/packs/b", "2") "<IsTruncated>fal"),
        VERSIONS(VERSION("top/packs/b", "2") LAST),
    };
    TZ_SCOPED(tz_scoped_buf) struct tz_buf lines = {0};
    struct book book = {.pages = pages, .count = TZ_COUNT(pages)};

    assert_int_equal(list(&book, &lines), TZ_OK);
    assert_string_equal((const char *)lines.data, "packs/a 1\npacks/b 2\n");
}

static void odd_pages_are_errors(void **state)
{
    (void)state;
    static const char *const corrupt[] = {
        "",
        "garbage",
        VERSIONS(""),
        VERSIONS(VERSION("top/packs/a", "1")),
        VERSIONS("<Version><Key>top/packs/a</Key></Version>" LAST),
        VERSIONS("<IsTruncated>true</IsTruncated>"),
        VERSIONS(VERSION("elsewhere", "1") LAST),
        VERSIONS(MORE("top/packs/a", "1")), /* for ever */
    };
    TZ_SCOPED(tz_scoped_buf) struct tz_buf lines = {0};

    for (size_t i = 0; i < TZ_COUNT(corrupt); i++) {
        struct book book = {.pages = &corrupt[i], .count = 1};
        if (list(&book, &lines) != TZ_CORRUPT)
            fail_msg("taken for a list: %s", corrupt[i]);
    }
}

/* A list of objects, in which there are no versions, does not say that there is nothing to purge.
 */
static void a_server_without_versions_is_not_believed(void **state)
{
    (void)state;
    static const char *const pages[] = {"<ListBucketResult>" LAST "</ListBucketResult>"};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf lines = {0};
    struct book book = {.pages = pages, .count = 1};
    struct s3_fixture fixture = {0};
    struct tz_error err = {0};

    assert_int_equal(list(&book, &lines), TZ_UNSUPPORTED);
    s3_fixture_open(&fixture, turn_page, &book);
    assert_int_equal(tz_store_purge(fixture.store, "packs/a", &err), 0);
    s3_fixture_close(&fixture);
    assert_int_equal(book.removed, 1);
    assert_non_null(strstr(book.target, "versionId=newest"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damaged_pages_are_asked_for_again),
        cmocka_unit_test(odd_pages_are_errors),
        cmocka_unit_test(a_server_without_versions_is_not_believed),
    };
    return cmocka_run_group_tests_name("s3 versions", tests, NULL, NULL);
}
