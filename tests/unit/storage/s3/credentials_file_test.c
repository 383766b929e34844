#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "storage/s3/credentials_private.h"
#include "tozai/util/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

static int parse(const char *text, const char *profile, struct tz_credentials *ret,
                 struct tz_error *err)
{
    *err = (struct tz_error){0};
    return tz_credentials_parse("keys", (const uint8_t *)text, strlen(text), profile, ret, err);
}

static void assert_text(const char *is, const char *should)
{
    if (should)
        assert_non_null(is);
    else
        assert_null(is);
    if (should)
        assert_string_equal(is, should);
}

static void files_in_every_form_are_read(void **state)
{
    static const struct {
        const char *text, *access_key, *secret_key, *token;
    } files[] = {
        {"[default]\naws_access_key_id=A\naws_secret_access_key=S\n", "A", "S", NULL},
        {"[default]\naws_access_key_id=A\naws_secret_access_key=S", "A", "S", NULL},
        {"\xef\xbb\xbf[default]\r\naws_access_key_id = A\r\naws_secret_access_key = S\r\n"
         "aws_session_token = T\r\n",
         "A", "S", "T"},
        {"# keys\n; more\n\n  # and more\n[default] # here\naws_access_key_id = A # one\n"
         "aws_secret_access_key = S ; two\n",
         "A", "S", NULL},
        {" [ default ]\t\n\taws_access_key_id\t=\tA\t\n  aws_secret_access_key   =  S  \n", "A",
         "S", NULL},
        /* Values with all that keys may have. */
        {"[default]\naws_access_key_id=account:user\naws_secret_access_key=a=b/c+d:e#f;g==\n"
         "aws_session_token===x\n",
         "account:user", "a=b/c+d:e#f;g==", "==x"},
        {"[default]\naws_secret_access_key=#S\naws_access_key_id=two words\n", "two words", "#S",
         NULL},
        {"[default]\nAWS_Access_Key_ID=A\nAWS_SECRET_ACCESS_KEY=S\n", "A", "S", NULL},
        /* An empty one is none, and may take back another. */
        {"[default]\naws_access_key_id=A\naws_secret_access_key=S\naws_session_token=\n", "A", "S",
         NULL},
        {"[default]\naws_session_token=T\naws_access_key_id=A\naws_secret_access_key=S\n"
         "aws_session_token= # none\n",
         "A", "S", NULL},
        /* Of keys and sections that are there twice, the last holds. */
        {"[default]\naws_access_key_id=X\naws_secret_access_key=S\n[other]\naws_access_key_id=O\n"
         "[default]\naws_access_key_id=Y\naws_access_key_id=A\n",
         "A", "S", NULL},
        /* Others' settings are skipped, with what is indented below them. */
        {"[default]\nregion=x\ns3 =\n  addressing_style = path\n  aws_access_key_id = N\n"
         "  no value\naws_access_key_id=A\naws_secret_access_key=S\n",
         "A", "S", NULL},
        {"[default]\ns3 =\n[default]\n  aws_access_key_id=A\naws_secret_access_key=S\n", "A", "S",
         NULL},
        {"[other]\naws_access_key_id=\"O\"\n[default]\naws_access_key_id=A\n"
         "aws_secret_access_key=\"S\n",
         "A", "\"S", NULL},
    };
    (void)state;
    for (size_t i = 0; i < TZ_COUNT(files); i++) {
        struct tz_credentials found = {0};
        struct tz_error err;
        assert_int_equal(parse(files[i].text, "default", &found, &err), 0);
        assert_text(found.access_key, files[i].access_key);
        assert_text(found.secret_key, files[i].secret_key);
        assert_text(found.session_token, files[i].token);
        assert_int_equal(found.expires_ns, 0);
        tz_credentials_clear(&found);
        assert_null(found.secret_key);
    }
}

static void files_that_are_wrong_are_refused_with_the_place(void **state)
{
    static const struct {
        const char *text;
        enum tz_error_kind kind;
        const char *message;
    } files[] = {
        {"[default\n", TZ_INVALID, "line 1 of 'keys' has no ']'"},
        {"\n[default] x\n", TZ_INVALID, "line 2 of 'keys' goes on behind ']'"},
        {"[default]\nKEY-IN-A-LINE\n", TZ_INVALID, "line 2 of 'keys' is no 'key = value'"},
        {"[default]\n= x\n", TZ_INVALID, "line 2 of 'keys' is no 'key = value'"},
        {"aws_access_key_id=A\n[default]\n", TZ_INVALID,
         "line 1 of 'keys' stands before the first [profile]"},
        {"[default]\naws_access_key_id=A\naws_secret_access_key='S'\n", TZ_INVALID,
         "line 3 of 'keys' has its value in quotes"},
        {"[default]\naws_access_key_id=A\n", TZ_INVALID,
         "profile 'default' in 'keys' has no aws_secret_access_key"},
        {"[default]\naws_secret_access_key=S\n", TZ_INVALID,
         "profile 'default' in 'keys' has no aws_access_key_id"},
        {"[default]\nregion=x\n", TZ_NOT_FOUND, "profile 'default' in 'keys' has no keys"},
        {"", TZ_NOT_FOUND, "no profile 'default' in 'keys'"},
        {"[Default]\n[default x]\n", TZ_NOT_FOUND, "no profile 'default' in 'keys'"},
    };
    (void)state;
    for (size_t i = 0; i < TZ_COUNT(files); i++) {
        struct tz_credentials found = {0};
        struct tz_error err;
        assert_int_equal(parse(files[i].text, "default", &found, &err), -1);
        assert_string_equal(err.message, files[i].message);
        assert_int_equal(err.kind, files[i].kind);
        assert_null(strstr(err.hint, "KEY-IN-A-LINE"));
        assert_null(found.access_key);
        assert_null(found.secret_key);
    }
    struct tz_credentials found = {0};
    struct tz_error err = {0};
    assert_int_equal(
        tz_credentials_parse("keys", (const uint8_t *)"[default]\n\0", 11, "default", &found, &err),
        -1);
    assert_string_equal(err.message, "'keys' is not a text file");
}

static void a_missing_profile_names_the_others(void **state)
{
    static const char text[] = "[east]\naws_access_key_id=A\naws_secret_access_key=S\n[ west ]\n";
    struct tz_credentials found = {0};
    struct tz_error err;
    (void)state;
    assert_int_equal(parse(text, "north", &found, &err), -1);
    assert_int_equal(err.kind, TZ_NOT_FOUND);
    assert_string_equal(err.message, "no profile 'north' in 'keys'");
    assert_string_equal(err.hint, "it has 'east', 'west'");
    assert_int_equal(parse("# nothing\n", "north", &found, &err), -1);
    assert_string_equal(err.hint, "it has no profile at all");
    assert_int_equal(parse(text, "east", &found, &err), 0);
    assert_string_equal(found.access_key, "A");
    tz_credentials_clear(&found);
}

static void many_profiles_do_not_overflow_the_hint(void **state)
{
    struct tz_buf text = {0};
    struct tz_credentials found = {0};
    struct tz_error err = {0};
    (void)state;
    for (int i = 0; i < 5000; i++)
        assert_int_equal(tz_buf_printf(&text, NULL, "[profile number %d]\n", i), 0);
    assert_int_equal(tz_credentials_parse("keys", text.data, text.len, "x", &found, &err), -1);
    assert_true(strlen(err.hint) < sizeof(err.hint));
    assert_non_null(strstr(err.hint, "'profile number 0', 'profile number 1', "));
    tz_buf_clear(&text);
}

static int enter_folder(void **state)
{
    const char *base = getenv("TMPDIR");
    char *folder = tz_path_join(base && *base ? base : "/tmp", "tozai-test-XXXXXX");
    if (!folder || !mkdtemp(folder) || chdir(folder))
        return -1;
    *state = folder;
    return 0;
}

static int leave_folder(void **state)
{
    (void)unlink("keys");
    int result = chdir("/") | rmdir(*state);
    free(*state);
    return result;
}

static const char good[] = "[default]\naws_access_key_id=A\naws_secret_access_key=S\n";

static void a_file_that_others_may_read_is_refused(void **state)
{
    static const mode_t refused[] = {0604, 0644, 0602, 0601, 0666, 0607};
    static const mode_t allowed[] = {0600, 0400, 0640, 0660, 0440};
    struct tz_credentials found = {0};
    struct tz_error err = {0};
    (void)state;
    assert_int_equal(tz_file_replace("keys", good, strlen(good), 0600, &err), 0);
    for (size_t i = 0; i < TZ_COUNT(refused); i++) {
        assert_int_equal(chmod("keys", refused[i]), 0);
        assert_int_equal(tz_credentials_read_file("keys", "default", &found, &err), -1);
        assert_int_equal(err.kind, TZ_DENIED);
        assert_string_equal(err.hint, "chmod o-rwx 'keys'");
        assert_null(found.access_key);
    }
    for (size_t i = 0; i < TZ_COUNT(allowed); i++) {
        assert_int_equal(chmod("keys", allowed[i]), 0);
        assert_int_equal(tz_credentials_read_file("keys", "default", &found, &err), 0);
        assert_string_equal(found.secret_key, "S");
        tz_credentials_clear(&found);
    }
}

static void what_is_no_file_is_refused(void **state)
{
    struct tz_credentials found = {0};
    struct tz_error err = {0};
    (void)state;
    assert_int_equal(tz_credentials_read_file("keys", "default", &found, &err), -1);
    assert_int_equal(err.kind, TZ_NOT_FOUND);
    /* Nobody writes to it, and it is not waited for. */
    assert_int_equal(mkfifo("keys", 0600), 0);
    assert_int_equal(tz_credentials_read_file("keys", "default", &found, &err), -1);
    assert_int_equal(err.kind, TZ_INVALID);
    assert_int_equal(tz_credentials_read_file("keys/more", "default", &found, &err), -1);
    assert_int_equal(err.kind, TZ_NOT_FOUND);
    assert_int_equal(tz_credentials_read_file("/", "default", &found, &err), -1);
    assert_int_equal(err.kind, TZ_INVALID);
}

static void a_huge_file_is_refused(void **state)
{
    struct tz_credentials found = {0};
    struct tz_error err = {0};
    struct tz_buf text = {0};
    (void)state;
    while (text.len <= (256 << 10))
        assert_int_equal(tz_buf_printf(&text, NULL, "# %0100d\n", 0), 0);
    assert_int_equal(tz_file_replace("keys", text.data, text.len, 0600, &err), 0);
    assert_int_equal(tz_credentials_read_file("keys", "default", &found, &err), -1);
    assert_string_equal(err.message, "read 'keys': larger than 262144 bytes");
    tz_buf_clear(&text);
}

static void tokens_are_read_without_what_is_around_them(void **state)
{
    static const char *const wrong[] = {"", " \n", "a\nb", "a\x01"};
    struct tz_error err = {0};
    char *token = NULL;
    (void)state;
    assert_int_equal(tz_credentials_read_token("keys", &token, &err), -1);
    assert_int_equal(err.kind, TZ_DENIED);
    assert_int_equal(tz_file_replace("keys", " a.b.c==\r\n\n", 11, 0644, &err), 0);
    assert_int_equal(tz_credentials_read_token("keys", &token, &err), 0);
    assert_string_equal(token, "a.b.c==");
    tz_credentials_wipe(token);
    token = NULL;
    for (size_t i = 0; i < TZ_COUNT(wrong); i++) {
        assert_int_equal(tz_file_replace("keys", wrong[i], strlen(wrong[i]), 0600, &err), 0);
        assert_int_equal(tz_credentials_read_token("keys", &token, &err), -1);
        assert_int_equal(err.kind, TZ_DENIED);
        assert_null(token);
    }
    assert_int_equal(tz_file_replace("keys", "a\0b", 3, 0600, &err), 0);
    assert_int_equal(tz_credentials_read_token("keys", &token, &err), -1);
}

#define IN_FOLDER(function) cmocka_unit_test_setup_teardown(function, enter_folder, leave_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_in_every_form_are_read),
        cmocka_unit_test(files_that_are_wrong_are_refused_with_the_place),
        cmocka_unit_test(a_missing_profile_names_the_others),
        cmocka_unit_test(many_profiles_do_not_overflow_the_hint),
        IN_FOLDER(a_file_that_others_may_read_is_refused),
        IN_FOLDER(what_is_no_file_is_refused),
        IN_FOLDER(a_huge_file_is_refused),
        IN_FOLDER(tokens_are_read_without_what_is_around_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
