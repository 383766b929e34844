/* What must not be signed: nothing is given, and the message says why. */
#include "sigv4_fixture.h"

static void assert_refused(const struct tz_s3_signing *signing, const char *word)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf target = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf lines = {0};
    struct tz_error err = {0};
    assert_int_equal(tz_buf_printf(&target, NULL, "t"), 0);
    assert_int_equal(tz_buf_printf(&lines, NULL, "l"), 0);
    assert_int_equal(tz_s3_sign(signing, &target, &lines, &err), -1);
    assert_int_equal(err.kind, TZ_INVALID);
    assert_non_null(strstr(err.message, word));
    assert_null(strstr(err.message, "SECRET"));
    assert_string_equal(text_of(&target), "t");
    assert_string_equal(text_of(&lines), "l");
    tz_error_clear(&err);
    assert_int_equal(tz_s3_canonical_request(signing, &lines, &err), -1);
    assert_int_equal(err.kind, TZ_INVALID);
    tz_error_clear(&err);
    assert_int_equal(tz_s3_string_to_sign(signing, &lines, &err), -1);
    assert_int_equal(err.kind, TZ_INVALID);
    assert_string_equal(text_of(&lines), "l");
}

/* field is one of signing's; bad ends with NULL. */
static void assert_texts_refused(struct tz_s3_signing *signing, const char **field,
                                 const char *word, const char *const *bad)
{
    for (; *bad; bad++) {
        *field = *bad;
        assert_refused(signing, word);
    }
    *field = NULL;
    if (field != &signing->session_token)
        assert_refused(signing, word);
    *signing = example;
}
#define BAD(...) ((const char *const[]){__VA_ARGS__, NULL})

static void what_is_no_text_of_its_kind_is_refused(void **state)
{
    (void)state;
    struct tz_s3_signing it = example;
    assert_texts_refused(&it, &it.method, "method", BAD("", "G T", "GET\n", "GET:", "\xc3"));
    assert_texts_refused(
        &it, &it.host, "host",
        BAD("", "a b", "a\r\nX: y", "a\t", "a/b", "a@b", "a?b", "a#b", "a\x7f", "a\n"));
    assert_texts_refused(&it, &it.path, "path", BAD("", "a", "a/b", " /", "?/", "\n/"));
    assert_texts_refused(&it, &it.region, "region", BAD("", "a/b", "a b", "a\n", "a,b"));
    assert_texts_refused(&it, &it.access_key, "access key",
                         BAD("", "a b", "a\nb", "a,b", "a\r", "\x1f"));
    assert_texts_refused(&it, &it.secret_key, "secret key", BAD(""));
    assert_texts_refused(&it, &it.session_token, "session token",
                         BAD("", "a b", "SECRET\n", "a\r\nX: y", "\x7f"));
}

static void assert_header_refused(const char *name, const char *value, const char *word)
{
    struct tz_s3_pair headers[] = {{"X-Ok", "ok"}, {name, value}};
    struct tz_s3_signing signing = example;
    signing.headers = headers;
    signing.header_count = TZ_COUNT(headers);
    assert_refused(&signing, word);
}

static void a_header_that_is_none_is_refused(void **state)
{
    (void)state;
    static const char *const names[] = {NULL,        "",     ":",      "x y",   "x:",  " x",
                                        "x\n",       "x\ty", "x\r\ny", "(x)",   "x,y", "x;y",
                                        "x\xc3\xa4", "x=y",  "\"x\"",  "x\x7f", "x/y", "x@y"};
    for (size_t i = 0; i < TZ_COUNT(names); i++)
        assert_header_refused(names[i], "v", "name of a header");
    static const char *const own[] = {"host",
                                      "Host",
                                      "X-Amz-Date",
                                      "x-amz-content-SHA256",
                                      "X-AMZ-SECURITY-TOKEN",
                                      "authorization",
                                      "AUTHORIZATION"};
    for (size_t i = 0; i < TZ_COUNT(own); i++)
        assert_header_refused(own[i], "v", own[i]);
    static const char *const values[] = {NULL,   "",     " ",  "   ",   "a\nb", "a\r\nb: c",
                                         "a\rb", "a\tb", "\n", "a\x01", "\x7f", "SECRET\n"};
    for (size_t i = 0; i < TZ_COUNT(values); i++)
        assert_header_refused("X-Bad", values[i], "X-Bad");
}

static void every_control_character_in_a_value_is_refused(void **state)
{
    (void)state;
    for (int c = 1; c < 256; c++) {
        char value[] = {'a', (char)c, 'b', 0};
        struct tz_s3_pair header = {"x-a", value};
        struct tz_s3_signing signing = example;
        signing.headers = &header;
        signing.header_count = 1;
        if (c < 0x20 || c == 0x7f) {
            assert_refused(&signing, "x-a");
            continue;
        }
        TZ_SCOPED(tz_scoped_buf) struct tz_buf canonical = {0};
        TZ_SCOPED(tz_scoped_buf) struct tz_buf expected = {0};
        assert_int_equal(tz_buf_printf(&expected, NULL, "\nx-a:a%cb\n", c), 0);
        assert_int_equal(tz_s3_canonical_request(&signing, &canonical, NULL), 0);
        assert_non_null(strstr(text_of(&canonical), text_of(&expected)));
    }
}

static void a_parameter_without_a_name_is_refused(void **state)
{
    (void)state;
    static const char *const names[] = {NULL, ""};
    for (size_t i = 0; i < TZ_COUNT(names); i++) {
        struct tz_s3_pair query[] = {{"a", "b"}, {names[i], "v"}};
        struct tz_s3_signing signing = example;
        signing.query = query;
        signing.query_count = TZ_COUNT(query);
        assert_refused(&signing, "parameter");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_text_of_its_kind_is_refused),
        cmocka_unit_test(a_header_that_is_none_is_refused),
        cmocka_unit_test(every_control_character_in_a_value_is_refused),
        cmocka_unit_test(a_parameter_without_a_name_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
