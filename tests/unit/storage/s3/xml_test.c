#include "storage/s3/xml.h"

#include "tozai/util/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* "path=text;" of each element. */
static int note(void *arg, const char *path, const char *text, size_t len, struct tz_error *err)
{
    assert_int_equal(strlen(text), len);
    return tz_buf_printf(arg, err, "%s=%s;", path, text);
}

static void check_elements(const char *document, const char *expected)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf seen = {0};
    struct tz_error err = {0};

    if (tz_xml_read(document, strlen(document), note, &seen, &err))
        fail_msg("%s: %s", document, err.message);
    assert_string_equal((const char *)seen.data, expected);
}

static void check_refused_bytes(const char *document, size_t len)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf seen = {0};
    struct tz_error err = {0};

    if (tz_xml_read(document, len, note, &seen, &err) == 0)
        fail_msg("%.200s", document);
    assert_int_equal(err.kind, TZ_CORRUPT);
    assert_true(err.message[0] != '\0');
}

static void check_refused(const char *document)
{
    check_refused_bytes(document, strlen(document));
}

static void elements_come_with_their_path_and_text(void **state)
{
    (void)state;
    check_elements("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                   "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
                   "<IsTruncated>false</IsTruncated>"
                   "<Contents><Key>a%20b</Key><Size>5</Size></Contents>"
                   "<Contents><Key>c</Key><Size/></Contents><!-- x --><?pi y?>"
                   "</ListBucketResult>",
                   "ListBucketResult/IsTruncated=false;"
                   "ListBucketResult/Contents/Key=a%20b;ListBucketResult/Contents/Size=5;"
                   "ListBucketResult/Contents=;"
                   "ListBucketResult/Contents/Key=c;ListBucketResult/Contents/Size=;"
                   "ListBucketResult/Contents=;ListBucketResult=;");
    check_elements("<a/>", "a=;");
}

static void text_is_put_together(void **state)
{
    (void)state;
    check_elements("<a>1<b> x\n</b>2<c/>3</a>", "a/b= x\n;a/c=;a=123;");
    check_elements("<a>&lt;&amp;&gt;&quot;&apos;&#65;&#x20AC;<![CDATA[<b>&amp;]]></a>",
                   "a=<&>\"'A\xe2\x82\xac<b>&amp;;");
    check_elements("<a>\xc3\xa4</a>", "a=\xc3\xa4;");
    check_elements("\xef\xbb\xbf<a>x</a>", "a=x;");
}

static void prefixes_and_attributes_are_dropped(void **state)
{
    (void)state;
    check_elements("<s3:a xmlns:s3=\"u\" x=\"1\"><s3:b y='2'>z</s3:b></s3:a>", "a/b=z;a=;");
}

static void what_is_no_document_is_corrupt(void **state)
{
    (void)state;
    const char *documents[] = {"",
                               "hello",
                               "<a>",
                               "<a></b>",
                               "<a/><b/>",
                               "<a/>x",
                               "<a b></a>",
                               "<a>&nbsp;</a>",
                               "<a>\xff</a>",
                               "<a>\xc3</a>",
                               "<a>\x01</a>",
                               "<a>&#0;</a>",
                               "<a>&#xD800;</a>",
                               "<html><br></html>"};
    for (size_t i = 0; i < TZ_COUNT(documents); i++)
        check_refused(documents[i]);
    check_refused_bytes("<a>x\0y</a>", 10);
    check_refused_bytes("\xff\xfe<\0a\0/\0>\0", 10); /* UTF-16 */
    check_refused_bytes("<\0a\0/\0>\0", 8);
    check_refused("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a>\xe4</a>");
    assert_int_equal(tz_xml_read(NULL, 0, note, NULL, NULL), -1);
}

static void document_types_are_refused(void **state)
{
    (void)state;
    check_refused("<!DOCTYPE a><a/>");
    check_refused("<!DOCTYPE a SYSTEM \"http://127.0.0.1/x.dtd\"><a/>");
    check_refused("<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>");
    check_refused("<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><a>&x;</a>");
    check_refused("<!DOCTYPE a [<!ENTITY % x \"<!ENTITY y 'z'>\"> %x;]><a>&y;</a>");
}

/* count times `text`, with before in front and after behind. */
static struct tz_buf repeated(const char *before, const char *text, size_t count, const char *after)
{
    struct tz_buf buf = {0};
    assert_int_equal(tz_buf_append(&buf, before, strlen(before), NULL), 0);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(tz_buf_append(&buf, text, strlen(text), NULL), 0);
    assert_int_equal(tz_buf_append(&buf, after, strlen(after) + 1, NULL), 0);
    return buf;
}

static int count(void *arg, const char *path, const char *text, size_t len, struct tz_error *err)
{
    size_t *counted = arg;
    (void)path, (void)text, (void)err;
    *counted += 1 + len;
    return 0;
}

static void everything_has_a_limit(void **state)
{
    (void)state;
    for (size_t depth = TZ_XML_DEPTH_MAX; depth <= TZ_XML_DEPTH_MAX + 1; depth++) {
        TZ_SCOPED(tz_scoped_buf) struct tz_buf ends = repeated("", "</a>", depth, "");
        TZ_SCOPED(tz_scoped_buf)
        struct tz_buf deep = repeated("", "<a>", depth, (const char *)ends.data);
        size_t counted = 0;
        assert_int_equal(tz_xml_read(deep.data, deep.len - 1, count, &counted, NULL),
                         depth > TZ_XML_DEPTH_MAX ? -1 : 0);
        assert_int_equal(counted, depth > TZ_XML_DEPTH_MAX ? 0 : depth);
    }
    for (size_t len = TZ_XML_TEXT_MAX; len <= TZ_XML_TEXT_MAX + 1; len++) {
        TZ_SCOPED(tz_scoped_buf) struct tz_buf text = repeated("<a>", "x", len, "</a>");
        size_t counted = 0;
        assert_int_equal(tz_xml_read(text.data, text.len - 1, count, &counted, NULL),
                         len > TZ_XML_TEXT_MAX ? -1 : 0);
        assert_int_equal(counted, len > TZ_XML_TEXT_MAX ? 0 : 1 + len);
    }
    for (size_t len = TZ_XML_PATH_MAX; len <= TZ_XML_PATH_MAX + 1; len++) {
        TZ_SCOPED(tz_scoped_buf) struct tz_buf name = repeated("<", "x", len, "/>");
        size_t counted = 0;
        assert_int_equal(tz_xml_read(name.data, name.len - 1, count, &counted, NULL),
                         len > TZ_XML_PATH_MAX ? -1 : 0);
    }
    TZ_SCOPED(tz_scoped_buf)
    struct tz_buf large = repeated("<a>", "<b/>", TZ_XML_SIZE_MAX / 4, "</a>");
    check_refused_bytes((const char *)large.data, large.len - 1);
}

/* A listing of a thousand keys. */
static void a_long_document_is_read(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_buf)
    struct tz_buf list = repeated("<R>", "<C><K>0123456789</K>\n</C>", 1000, "</R>");
    size_t counted = 0;
    assert_int_equal(tz_xml_read(list.data, list.len - 1, count, &counted, NULL), 0);
    assert_int_equal(counted, 1000 * (11 + 2) + 1);
}

static int refuse_third(void *arg, const char *path, const char *text, size_t len,
                        struct tz_error *err)
{
    unsigned *calls = arg;
    (void)path, (void)text, (void)len;
    return ++*calls == 3 ? tz_fail(err, TZ_BUSY, "three") : 0;
}

static void the_callers_error_ends_it(void **state)
{
    (void)state;
    unsigned calls = 0;
    struct tz_error err = {0};
    assert_int_equal(tz_xml_read("<a><b/><c/><d/><e/></a>", 23, refuse_third, &calls, &err), -1);
    assert_int_equal(err.kind, TZ_BUSY);
    assert_string_equal(err.message, "three");
    assert_int_equal(calls, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_come_with_their_path_and_text),
        cmocka_unit_test(text_is_put_together),
        cmocka_unit_test(prefixes_and_attributes_are_dropped),
        cmocka_unit_test(what_is_no_document_is_corrupt),
        cmocka_unit_test(document_types_are_refused),
        cmocka_unit_test(everything_has_a_limit),
        cmocka_unit_test(a_long_document_is_read),
        cmocka_unit_test(the_callers_error_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
