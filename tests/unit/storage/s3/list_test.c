/* Listings as a server should not give them: none of them may look like a short, whole one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "s3_fixture.h"

#define OBJECT(key)                                                                                \
    "<Contents><Key>" key "</Key><Size>7</Size>"                                                   \
    "<LastModified>2026-01-02T03:04:05.678Z</LastModified></Contents>"
#define LISTING(text) "<?xml version=\"1.0\"?><ListBucketResult>" text "</ListBucketResult>"
#define LAST          "<IsTruncated>false</IsTruncated>"
#define MORE(token)                                                                                \
    "<IsTruncated>true</IsTruncated><NextContinuationToken>" token "</NextContinuationToken>"

/* The pages in the order in which they are asked for; the last one again and again. */
struct book {
    const char *const *pages;
    size_t count;
    _Atomic size_t next;
};

static void turn_page(struct http_call *call)
{
    struct book *book = call->arg;
    size_t i = book->next++;

    s3_fixture_answer(call, 200, "", book->pages[TZ_MIN(i, book->count - 1)]);
}

static int add_name(void *arg, const char *name, const struct tz_store_stat *stat,
                    struct tz_error *err)
{
    assert_int_equal(stat->size, 7);
    assert_int_equal(stat->changed_ns % 1000000000, 0);
    return tz_buf_printf(arg, err, "%s ", name);
}

/* What is found below "packs/", with a space behind each; the kind of the error or TZ_OK. */
static enum tz_error_kind list_pages(const char *const *pages, size_t count, struct tz_buf *names)
{
    struct book book = {.pages = pages, .count = count};
    struct s3_fixture fixture = {0};
    struct tz_error err = {0};

    s3_fixture_open(&fixture, turn_page, &book);
    int status = tz_store_list(fixture.store, "packs/", add_name, names, &err);
    s3_fixture_close(&fixture);
    return status ? err.kind : TZ_OK;
}
static enum tz_error_kind list_page(const char *page)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf names = {0};
    return list_pages(&page, 1, &names);
}

static void pages_are_joined(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf names = {0};
    const char *const pages[] = {
        LISTING("<EncodingType>url</EncodingType>" MORE("a&amp;b") OBJECT("top/packs/a")
                    OBJECT("top%2Fpacks/b")),
        LISTING(MORE("c") OBJECT("top/packs/others%20are") OBJECT("top/packs/skipped here")),
        LISTING(MORE("d")),
        LISTING(OBJECT("top/packs/z") LAST),
    };

    assert_int_equal(list_pages(pages, TZ_COUNT(pages), &names), TZ_OK);
    assert_string_equal((const char *)names.data, "packs/a packs/b packs/z ");
    assert_int_equal(list_page(LISTING(LAST)), TZ_OK);
}

static void odd_pages_are_errors(void **state)
{
    (void)state;
    const char *const pages[] = {
        "",
        "<html><head/><body>Log in to this network</body></html>",
        "<Error><Code>InternalError</Code></Error>",
        LISTING(""), /* neither the last nor how to go on */
        LISTING("<IsTruncated>true</IsTruncated>"),
        LISTING("<IsTruncated>perhaps</IsTruncated>"),
        "<ListBucketResult>" LAST OBJECT("top/packs/a"),
        LISTING(LAST OBJECT("top/packs/b") OBJECT("top/packs/a")),
        LISTING(LAST OBJECT("top/packs/a") OBJECT("top/packs/a")),
        LISTING(LAST OBJECT("top/keys/a")),
        LISTING(LAST OBJECT("packs/a")),
        LISTING(LAST OBJECT("")),
        LISTING(LAST "<Contents><Size>7</Size></Contents>"),
        LISTING(LAST "<Contents><Key>top/packs/a</Key></Contents>"),
        LISTING(LAST "<Contents><Key>top/packs/a</Key><Size/></Contents>"),
        LISTING(LAST "<Contents><Key>top/packs/a</Key><Size>-7</Size></Contents>"),
        LISTING(LAST
                "<Contents><Key>top/packs/a</Key><Size>99999999999999999999</Size></Contents>"),
        LISTING(LAST "<EncodingType>url</EncodingType>" OBJECT("top/packs/a%0")),
        LISTING(LAST "<EncodingType>url</EncodingType>" OBJECT("top/packs/a%00b")),
        "<!DOCTYPE x [<!ENTITY a \"b\">]>" LISTING(LAST),
        "\xff\xfe garbage",
    };

    for (size_t i = 0; i < TZ_COUNT(pages); i++)
        if (list_page(pages[i]) != TZ_CORRUPT)
            fail_msg("taken for a listing: %s", pages[i]);
}

/* Also across pages. */
static void order_holds_across_pages(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf names = {0};
    const char *const pages[] = {
        LISTING(MORE("a") OBJECT("top/packs/b")),
        LISTING(LAST OBJECT("top/packs/a")),
    };

    assert_int_equal(list_pages(pages, TZ_COUNT(pages), &names), TZ_CORRUPT);
}

static void circles_of_tokens_end(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf names = {0};
    const char *const same[] = {LISTING(MORE("a"))};
    const char *const round[] = {
        LISTING(MORE("a")), LISTING(MORE("b")), LISTING(MORE("c")), LISTING(MORE("a")),
        LISTING(MORE("b")), LISTING(MORE("c")), LISTING(MORE("a")), LISTING(MORE("b")),
        LISTING(MORE("c")), LISTING(MORE("a")), LISTING(MORE("b")), LISTING(MORE("c")),
        LISTING(LAST),
    };

    assert_int_equal(list_pages(same, TZ_COUNT(same), &names), TZ_CORRUPT);
    assert_int_equal(list_pages(round, TZ_COUNT(round), &names), TZ_CORRUPT);
}

static void damaged_pages_are_asked_for_again(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf names = {0};
    const char *const pages[] = {
        LISTING(OBJECT("top/packs/a") MORE("a")),
        LISTING(OBJECT("top/packs/b") "<IsTruncated>fal"),
        "<ListBucketResult>" OBJECT("top/packs/b") "</ListBucketResuld>",
        LISTING(OBJECT("top/packs/b") LAST),
    };

    assert_int_equal(list_pages(pages, TZ_COUNT(pages), &names), TZ_OK);
    assert_string_equal((const char *)names.data, "packs/a packs/b ");
}

/* Each with another token. */
static void answer_nothing(struct http_call *call)
{
    unsigned *number = call->arg;
    char page[200];

    (void)snprintf(page, sizeof(page), LISTING(MORE("%u")), ++*number);
    s3_fixture_answer(call, 200, "", page);
}
static void pages_of_nothing_end(void **state)
{
    (void)state;
    struct s3_fixture fixture = {0};
    struct tz_error err = {0};
    unsigned number = 0;

    s3_fixture_open(&fixture, answer_nothing, &number);
    assert_int_equal(tz_store_list(fixture.store, "packs/", add_name, NULL, &err), -1);
    assert_int_equal(err.kind, TZ_CORRUPT);
    assert_non_null(strstr(err.message, "do not end"));
    s3_fixture_close(&fixture);
}

static void huge_pages_are_refused(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf page = {0};

    assert_int_equal(tz_buf_printf(&page, NULL, "<ListBucketResult>" LAST), 0);
    for (unsigned i = 0; i < 2001; i++)
        assert_int_equal(tz_buf_printf(&page, NULL,
                                       "<Contents><Key>top/packs/%05u</Key><Size>7</Size>"
                                       "</Contents>",
                                       i),
                         0);
    assert_int_equal(tz_buf_printf(&page, NULL, "</ListBucketResult>"), 0);
    assert_int_equal(list_page((const char *)page.data), TZ_CORRUPT);
}

/* It stops where the caller has seen enough. */
static int stop(void *arg, const char *name, const struct tz_store_stat *stat, struct tz_error *err)
{
    (void)arg;
    (void)name;
    (void)stat;
    return tz_fail(err, TZ_BUSY, "enough");
}
static void the_caller_may_stop(void **state)
{
    (void)state;
    const char *const pages[] = {LISTING(MORE("a") OBJECT("top/packs/b"))};
    struct book book = {.pages = pages, .count = 1};
    struct s3_fixture fixture = {0};
    struct tz_error err = {0};

    s3_fixture_open(&fixture, turn_page, &book);
    assert_int_equal(tz_store_list(fixture.store, "packs/", stop, NULL, &err), -1);
    assert_int_equal(err.kind, TZ_BUSY);
    assert_int_equal(book.next, 1);
    s3_fixture_close(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_are_joined),
        cmocka_unit_test(odd_pages_are_errors),
        cmocka_unit_test(order_holds_across_pages),
        cmocka_unit_test(circles_of_tokens_end),
        cmocka_unit_test(huge_pages_are_refused),
        cmocka_unit_test(the_caller_may_stop),
        cmocka_unit_test(damaged_pages_are_asked_for_again),
        cmocka_unit_test(pages_of_nothing_end),
    };
    return cmocka_run_group_tests_name("s3 listings", tests, NULL, NULL);
}
