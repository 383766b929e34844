#include "sigv4_fixture.h"

#include "tozai/util/hex.h"

#define EMPTY_HASH "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

/* The line number n of what tz_s3_sign() gave. */
static const char *line_at(const struct tz_buf *lines, size_t n)
{
    const char *line = (char *)lines->data, *end = line + lines->len;
    for (; n > 0 && line < end; n--)
        line += strlen(line) + 1;
    assert_true(line < end);
    return line;
}

static size_t count_lines(const struct tz_buf *lines)
{
    size_t count = 0;
    for (size_t i = 0; i < lines->len; i++)
        count += lines->data[i] == 0;
    return count;
}

static void assert_canonical(const struct tz_s3_signing *signing, const char *expected)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf canonical = {0};
    assert_int_equal(tz_s3_canonical_request(signing, &canonical, NULL), 0);
    assert_string_equal(text_of(&canonical), expected);
}

/* Of a GET of "/", what lies between its headers' and the empty line. */
static void assert_header_lines(const struct tz_s3_pair *headers, size_t count,
                                const char *expected)
{
    struct tz_s3_signing signing = example;
    signing.headers = headers;
    signing.header_count = count;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf canonical = {0};
    assert_int_equal(tz_s3_canonical_request(&signing, &canonical, NULL), 0);
    static const char before[] = "GET\n/\n\n";
    const char *begin = text_of(&canonical);
    assert_memory_equal(begin, before, strlen(before));
    begin += strlen(before);
    const char *end = strstr(begin, "\n\n");
    assert_non_null(end);
    TZ_SCOPED(tz_scoped_free) char *found = strndup(begin, (size_t)(end + 1 - begin));
    assert_string_equal(found, expected);
}

/* What the documentation prints for each of its examples. */
static void assert_example(const struct tz_s3_signing *signing, const char *target,
                           const char *canonical, const char *canonical_hash, const char *names,
                           const char *signature)
{
    assert_canonical(signing, canonical);
    TZ_SCOPED(tz_scoped_buf) struct tz_buf expected = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf found = {0};
    assert_int_equal(tz_buf_printf(&expected, NULL,
                                   "AWS4-HMAC-SHA256\n20130524T000000Z\n"
                                   "20130524/us-east-1/s3/aws4_request\n%s",
                                   canonical_hash),
                     0);
    assert_int_equal(tz_s3_string_to_sign(signing, &found, NULL), 0);
    assert_string_equal(text_of(&found), text_of(&expected));

    TZ_SCOPED(tz_scoped_buf) struct tz_buf found_target = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf lines = {0};
    assert_int_equal(tz_s3_sign(signing, &found_target, &lines, NULL), 0);
    assert_string_equal(text_of(&found_target), target);
    tz_buf_reset(&expected);
    assert_int_equal(tz_buf_printf(&expected, NULL,
                                   "Authorization: AWS4-HMAC-SHA256 Credential="
                                   "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
                                   "SignedHeaders=%s, Signature=%s",
                                   names, signature),
                     0);
    assert_string_equal(line_at(&lines, count_lines(&lines) - 1), text_of(&expected));
}

static void a_ranged_get_is_signed_as_documented(void **state)
{
    (void)state;
    static const struct tz_s3_pair range = {"Range", "bytes=0-9"};
    struct tz_s3_signing signing = example;
    signing.path = "/test.txt";
    signing.headers = &range;
    signing.header_count = 1;
    assert_example(&signing, "/test.txt",
                   "GET\n/test.txt\n\nhost:examplebucket.s3.amazonaws.com\nrange:bytes=0-9\n"
                   "x-amz-content-sha256:" EMPTY_HASH "\nx-amz-date:20130524T000000Z\n\n"
                   "host;range;x-amz-content-sha256;x-amz-date\n" EMPTY_HASH,
                   "7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972",
                   "host;range;x-amz-content-sha256;x-amz-date",
                   "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

static void a_put_is_signed_as_documented(void **state)
{
    (void)state;
#define BODY_HASH "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"
    static const struct tz_s3_pair headers[] = {{"Date", "Fri, 24 May 2013 00:00:00 GMT"},
                                                {"x-amz-storage-class", "REDUCED_REDUNDANCY"}};
    static const char body[] = "Welcome to Amazon S3.";
    uint8_t hash[TZ_HASH_SIZE];
    assert_int_equal(tz_sha256(hash, body, strlen(body), NULL), 0);
    struct tz_s3_signing signing = example;
    signing.method = "PUT";
    signing.path = "/test$file.text";
    signing.headers = headers;
    signing.header_count = TZ_COUNT(headers);
    signing.payload_hash = hash;
    assert_example(&signing, "/test%24file.text",
                   "PUT\n/test%24file.text\n\ndate:Fri, 24 May 2013 00:00:00 GMT\n"
                   "host:examplebucket.s3.amazonaws.com\nx-amz-content-sha256:" BODY_HASH
                   "\nx-amz-date:20130524T000000Z\nx-amz-storage-class:REDUCED_REDUNDANCY\n\n"
                   "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class\n" BODY_HASH,
                   "9e0e90d9c76de8fa5b200d8c849cd5b8dc7a3be3951ddb7f6a76b4158342019d",
                   "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
                   "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
}

static void a_parameter_without_a_value_is_signed_as_documented(void **state)
{
    (void)state;
    static const struct tz_s3_pair lifecycle = {"lifecycle", NULL};
    struct tz_s3_signing signing = example;
    signing.query = &lifecycle;
    signing.query_count = 1;
    assert_example(&signing, "/?lifecycle=",
                   "GET\n/\nlifecycle=\nhost:examplebucket.s3.amazonaws.com\n"
                   "x-amz-content-sha256:" EMPTY_HASH "\nx-amz-date:20130524T000000Z\n\n"
                   "host;x-amz-content-sha256;x-amz-date\n" EMPTY_HASH,
                   "9766c798316ff2757b517bc739a67f6213b4ab36dd5da2f94eaebf79c77395ca",
                   "host;x-amz-content-sha256;x-amz-date",
                   "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
}

static void a_list_is_signed_as_documented(void **state)
{
    (void)state;
    static const struct tz_s3_pair query[] = {{"prefix", "J"}, {"max-keys", "2"}};
    struct tz_s3_signing signing = example;
    signing.query = query;
    signing.query_count = TZ_COUNT(query);
    assert_example(&signing, "/?max-keys=2&prefix=J",
                   "GET\n/\nmax-keys=2&prefix=J\nhost:examplebucket.s3.amazonaws.com\n"
                   "x-amz-content-sha256:" EMPTY_HASH "\nx-amz-date:20130524T000000Z\n\n"
                   "host;x-amz-content-sha256;x-amz-date\n" EMPTY_HASH,
                   "df57d21db20da04d7fa30298dd4488ba3a2b47ca3a489c74750e0f1e7df1b9b7",
                   "host;x-amz-content-sha256;x-amz-date",
                   "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

/* Everything but the unreserved characters, as printf() spells it. */
static void encode_slowly(struct tz_buf *out, const char *text, const char *kept)
{
    static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                     "0123456789-._~";
    for (; *text; text++) {
        bool keep = strchr(unreserved, *text) || strchr(kept, *text);
        assert_int_equal(tz_buf_printf(out, NULL, keep ? "%c" : "%%%02X", (unsigned char)*text), 0);
    }
}

static void every_byte_is_encoded_in_path_and_query(void **state)
{
    (void)state;
    char bytes[256], path[258];
    for (size_t i = 0; i < 255; i++)
        bytes[i] = (char)(i + 1);
    bytes[255] = 0;
    (void)snprintf(path, sizeof(path), "/%s", bytes);
    struct tz_s3_pair pair = {bytes, bytes};
    struct tz_s3_signing signing = example;
    signing.path = path;
    signing.query = &pair;
    signing.query_count = 1;

    TZ_SCOPED(tz_scoped_buf) struct tz_buf expected = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf target = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf lines = {0};
    encode_slowly(&expected, path, "/");
    assert_int_equal(tz_buf_append(&expected, "?", 1, NULL), 0);
    encode_slowly(&expected, bytes, "");
    assert_int_equal(tz_buf_append(&expected, "=", 1, NULL), 0);
    encode_slowly(&expected, bytes, "");
    assert_int_equal(tz_s3_sign(&signing, &target, &lines, NULL), 0);
    assert_string_equal(text_of(&target), text_of(&expected));
}

static void encoding_keeps_a_slash_where_told_to(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
    assert_int_equal(tz_s3_encode("", true, &out, NULL), 0);
    assert_string_equal(text_of(&out), "");
    assert_int_equal(tz_s3_encode("a/b c", true, &out, NULL), 0);
    assert_string_equal(text_of(&out), "a/b%20c");
    assert_int_equal(tz_s3_encode("/+~\xc3\xa4", false, &out, NULL), 0);
    assert_string_equal(text_of(&out), "a/b%20c%2F%2B~%C3%A4");
}

static void a_path_is_not_normalised(void **state)
{
    (void)state;
    static const char *const paths[] = {"/",       "//",     "//a//b/", "/a/../b", "/./a/.", "/..",
                                        "/a/b/..", "/~a/.b", "/a.",     "/...",    "/-_.",   "///"};
    for (size_t i = 0; i < TZ_COUNT(paths); i++) {
        struct tz_s3_signing signing = example;
        signing.path = paths[i];
        TZ_SCOPED(tz_scoped_buf) struct tz_buf target = {0};
        TZ_SCOPED(tz_scoped_buf) struct tz_buf lines = {0};
        assert_int_equal(tz_s3_sign(&signing, &target, &lines, NULL), 0);
        assert_string_equal(text_of(&target), paths[i]);
    }
}

static void a_path_that_looks_encoded_is_encoded_once_more(void **state)
{
    (void)state;
    struct tz_s3_signing signing = example;
    signing.path = "/a%20b?c#d";
    TZ_SCOPED(tz_scoped_buf) struct tz_buf target = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf lines = {0};
    assert_int_equal(tz_s3_sign(&signing, &target, &lines, NULL), 0);
    assert_string_equal(text_of(&target), "/a%2520b%3Fc%23d");
}

/* The order is that of the encoded bytes: '%' is before '-', and '=' is not part of a name. */
static void a_query_is_sorted_by_what_is_sent(void **state)
{
    (void)state;
    static const struct tz_s3_pair query[] = {
        {"b", "2"},  {"a-b", "1"}, {"a", "\xc3\xa4"}, {"a", "~"}, {"B", "x y"}, {"a", NULL},
        {"a!", "1"}, {"a", "/"},   {"\xff", "&="},    {"a", ""},  {"a0", "1"},  {"a", "~"},
    };
    struct tz_s3_signing signing = example;
    signing.query = query;
    signing.query_count = TZ_COUNT(query);
    TZ_SCOPED(tz_scoped_buf) struct tz_buf target = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf lines = {0};
    assert_int_equal(tz_s3_sign(&signing, &target, &lines, NULL), 0);
    assert_string_equal(text_of(&target), "/?%FF=%26%3D&B=x%20y&a=&a=&a=%2F&a=%C3%A4&a=~&a=~&"
                                          "a%21=1&a-b=1&a0=1&b=2");
}

static void headers_whose_names_begin_alike_are_sorted_by_name(void **state)
{
    (void)state;
    static const struct tz_s3_pair headers[] = {
        {"x-amz-meta-a-b", "1"},
        {"X-Amz-Meta-A", "2"},
        {"x-amz-copy-source-range", "bytes=0-1"},
        {"x-amz-meta-a0", "3"},
        {"x-amz-copy-source", "/b/k"},
        {"x_y", "4"},
        {"X-Z", "5"},
    };
    assert_header_lines(headers, TZ_COUNT(headers),
                        "host:examplebucket.s3.amazonaws.com\n"
                        "x-amz-content-sha256:" EMPTY_HASH "\n"
                        "x-amz-copy-source:/b/k\n"
                        "x-amz-copy-source-range:bytes=0-1\n"
                        "x-amz-date:20130524T000000Z\n"
                        "x-amz-meta-a:2\n"
                        "x-amz-meta-a-b:1\n"
                        "x-amz-meta-a0:3\n"
                        "x-z:5\n"
                        "x_y:4\n");
}

static void repeated_headers_are_joined_in_the_order_given(void **state)
{
    (void)state;
    static const struct tz_s3_pair headers[] = {
        {"X-B", "3"},          {"x-a", " b  c "}, {"X-A", "a"},
        {"content-type", "x"}, {"x-b", "1, 2"},   {"x-A", "c"},
    };
    assert_header_lines(headers, TZ_COUNT(headers),
                        "content-type:x\n"
                        "host:examplebucket.s3.amazonaws.com\n"
                        "x-a:b c,a,c\n"
                        "x-amz-content-sha256:" EMPTY_HASH "\n"
                        "x-amz-date:20130524T000000Z\n"
                        "x-b:3,1, 2\n");
}

static void spaces_are_collapsed_where_they_are_signed_only(void **state)
{
    (void)state;
    static const struct tz_s3_pair header = {"X-Amz-Meta-N", "   \"a   b\"  c "};
    assert_header_lines(&header, 1,
                        "host:examplebucket.s3.amazonaws.com\n"
                        "x-amz-content-sha256:" EMPTY_HASH "\n"
                        "x-amz-date:20130524T000000Z\n"
                        "x-amz-meta-n:\"a b\" c\n");
    struct tz_s3_signing signing = example;
    signing.headers = &header;
    signing.header_count = 1;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf target = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf lines = {0};
    assert_int_equal(tz_s3_sign(&signing, &target, &lines, NULL), 0);
    assert_string_equal(line_at(&lines, 0), "X-Amz-Meta-N: \"a   b\"  c");
}

static void the_lines_are_those_that_were_signed(void **state)
{
    (void)state;
    static const struct tz_s3_pair headers[] = {{"X-B", "2"}, {"Content-Type", "text/plain"}};
    struct tz_s3_signing signing = example;
    signing.host = "s3.example.com:8443";
    signing.headers = headers;
    signing.header_count = TZ_COUNT(headers);
    signing.payload_hash = TZ_S3_UNSIGNED_PAYLOAD;
    signing.access_key = "account:user";
    signing.session_token = "to/ken+==";
    signing.region = "eu-west-9";
    TZ_SCOPED(tz_scoped_buf) struct tz_buf target = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf lines = {0};
    assert_int_equal(tz_s3_sign(&signing, &target, &lines, NULL), 0);
    assert_int_equal(count_lines(&lines), 6);
    assert_string_equal(line_at(&lines, 0), "X-B: 2");
    assert_string_equal(line_at(&lines, 1), "Content-Type: text/plain");
    assert_string_equal(line_at(&lines, 2), "x-amz-date: 20130524T000000Z");
    assert_string_equal(line_at(&lines, 3), "x-amz-content-sha256: UNSIGNED-PAYLOAD");
    assert_string_equal(line_at(&lines, 4), "x-amz-security-token: to/ken+==");
    static const char authorization[] =
        "Authorization: AWS4-HMAC-SHA256 "
        "Credential=account:user/20130524/eu-west-9/s3/aws4_request, SignedHeaders="
        "content-type;host;x-amz-content-sha256;x-amz-date;x-amz-security-token;x-b, Signature=";
    uint8_t signature[TZ_HASH_SIZE];
    assert_memory_equal(line_at(&lines, 5), authorization, strlen(authorization));
    assert_int_equal(strlen(line_at(&lines, 5)), strlen(authorization) + TZ_HASH_TEXT - 1);
    assert_true(tz_unhex(signature, sizeof(signature), line_at(&lines, 5) + strlen(authorization)));
    assert_int_equal(lines.data[lines.len], 0);
    assert_canonical(&signing,
                     "GET\n/\n\ncontent-type:text/plain\nhost:s3.example.com:8443\n"
                     "x-amz-content-sha256:UNSIGNED-PAYLOAD\nx-amz-date:20130524T000000Z\n"
                     "x-amz-security-token:to/ken+==\nx-b:2\n\n"
                     "content-type;host;x-amz-content-sha256;x-amz-date;x-amz-security-token;x-b\n"
                     "UNSIGNED-PAYLOAD");
}

static void texts_are_appended(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf target = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf lines = {0};
    assert_int_equal(tz_buf_printf(&target, NULL, "https://h"), 0);
    assert_int_equal(tz_buf_append(&lines, "A: b", 5, NULL), 0);
    assert_int_equal(tz_s3_sign(&example, &target, &lines, NULL), 0);
    assert_string_equal(text_of(&target), "https://h/");
    assert_string_equal(line_at(&lines, 0), "A: b");
    assert_string_equal(line_at(&lines, 1), "x-amz-date: 20130524T000000Z");
    TZ_SCOPED(tz_scoped_buf) struct tz_buf text = {0};
    assert_int_equal(tz_buf_printf(&text, NULL, "x"), 0);
    assert_int_equal(tz_s3_string_to_sign(&example, &text, NULL), 0);
    assert_memory_equal(text_of(&text), "xAWS4-HMAC-SHA256\n", 18);
}

/* All that goes into a signature, one changed after the other. */
static void every_part_changes_the_signature(void **state)
{
    (void)state;
    static const struct tz_s3_pair pair = {"x", "y"};
    static const uint8_t zeros[TZ_HASH_SIZE];
    struct tz_s3_signing all[12];
    for (size_t i = 0; i < TZ_COUNT(all); i++)
        all[i] = example;
    all[1].method = "HEAD";
    all[2].host = "examplebucket.s3.amazonaws.com:80";
    all[3].path = "/x";
    all[4].query = &pair;
    all[4].query_count = 1;
    all[5].headers = &pair;
    all[5].header_count = 1;
    all[6].payload_hash = TZ_S3_UNSIGNED_PAYLOAD;
    all[7].payload_hash = zeros; /* the address decides, not the bytes there */
    all[8].secret_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEy";
    all[9].session_token = "t";
    all[10].region = "us-east-2";
    all[11].time_ns += TZ_SECOND_NS;
    char signatures[TZ_COUNT(all)][TZ_HASH_TEXT];
    for (size_t i = 0; i < TZ_COUNT(all); i++) {
        TZ_SCOPED(tz_scoped_sigv4) struct tz_sigv4 steps = {0};
        assert_int_equal(tz_sigv4_sign(&steps, &tz_sigv4_s3, &all[i], NULL), 0);
        memcpy(signatures[i], steps.signature, TZ_HASH_TEXT);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(signatures[i], signatures[j]);
    }
}

/* Around the block of the hash, from which on HMAC hashes its key; the comparison with another
 * signer says whether the signature is right. */
static void a_secret_of_any_length_signs(void **state)
{
    (void)state;
    static const size_t lengths[] = {1, 59, 60, 61, 64, 65, 100000};
    char last[TZ_HASH_TEXT] = "";
    for (size_t i = 0; i < TZ_COUNT(lengths); i++) {
        TZ_SCOPED(tz_scoped_free) char *secret = calloc(lengths[i] + 1, 1);
        assert_non_null(secret);
        memset(secret, 'k', lengths[i]);
        struct tz_s3_signing signing = example;
        signing.secret_key = secret;
        TZ_SCOPED(tz_scoped_sigv4) struct tz_sigv4 steps = {0};
        assert_int_equal(tz_sigv4_sign(&steps, &tz_sigv4_s3, &signing, NULL), 0);
        assert_string_not_equal(steps.signature, last);
        memcpy(last, steps.signature, TZ_HASH_TEXT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ranged_get_is_signed_as_documented),
        cmocka_unit_test(a_put_is_signed_as_documented),
        cmocka_unit_test(a_parameter_without_a_value_is_signed_as_documented),
        cmocka_unit_test(a_list_is_signed_as_documented),
        cmocka_unit_test(every_byte_is_encoded_in_path_and_query),
        cmocka_unit_test(encoding_keeps_a_slash_where_told_to),
        cmocka_unit_test(a_path_is_not_normalised),
        cmocka_unit_test(a_path_that_looks_encoded_is_encoded_once_more),
        cmocka_unit_test(a_query_is_sorted_by_what_is_sent),
        cmocka_unit_test(headers_whose_names_begin_alike_are_sorted_by_name),
        cmocka_unit_test(repeated_headers_are_joined_in_the_order_given),
        cmocka_unit_test(spaces_are_collapsed_where_they_are_signed_only),
        cmocka_unit_test(the_lines_are_those_that_were_signed),
        cmocka_unit_test(texts_are_appended),
        cmocka_unit_test(every_part_changes_the_signature),
        cmocka_unit_test(a_secret_of_any_length_signs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
