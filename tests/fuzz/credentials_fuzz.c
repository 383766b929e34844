/*
 * The parser of credentials files on any bytes.  What it finds are lines of the file: both keys or
 * none, not empty, without blanks around them, and the same when they are written out plainly.
 */
#include "fuzz.h"

#include "storage/s3/credentials_private.h"
#include "tozai/util/error.h"

static bool is_value(const char *text)
{
    return *text && !strchr(" \t\r", text[0]) && !strchr(" \t\r", text[strlen(text) - 1]) &&
           !strchr(text, '\n');
}

static void check_again(const struct tz_credentials *found)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf plain = {0};
    TZ_SCOPED(tz_scoped_credentials) struct tz_credentials again = {0};
    const char *token = found->session_token ? found->session_token : "";
    check(tz_buf_printf(&plain, NULL,
                        "[default]\naws_access_key_id=%s\naws_secret_access_key=%s\n"
                        "aws_session_token=%s\n",
                        found->access_key, found->secret_key, token) == 0);
    check(tz_credentials_parse("again", plain.data, plain.len, "default", &again, NULL) == 0);
    check(strcmp(again.access_key, found->access_key) == 0);
    check(strcmp(again.secret_key, found->secret_key) == 0);
    check(!again.session_token == !found->session_token);
    check(!again.session_token || strcmp(again.session_token, token) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const char *const profiles[] = {"default", "east"};
    for (size_t i = 0; i < TZ_COUNT(profiles); i++) {
        TZ_SCOPED(tz_scoped_credentials) struct tz_credentials found = {0};
        struct tz_error err = {0};
        if (tz_credentials_parse("fuzz", data, len, profiles[i], &found, &err)) {
            check(err.kind == TZ_NOT_FOUND || err.kind == TZ_INVALID || err.kind == TZ_NOMEM);
            check(!found.access_key && !found.secret_key && !found.session_token);
            continue;
        }
        check(is_value(found.access_key) && is_value(found.secret_key));
        check(!found.session_token || is_value(found.session_token));
        check(found.expires_ns == 0);
        check_again(&found);
    }
    return 0;
}
