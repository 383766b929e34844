/*
 * The parts of tz_provider: what is set up (credentials_setup.c), which place is asked
 * (credentials_chain.c), and the places themselves: files, instance metadata, container, STS.
 *
 * Nothing here is shared between threads but the setup, which nobody changes.
 */
#ifndef TOZAI_STORAGE_S3_CREDENTIALS_PRIVATE_H
#define TOZAI_STORAGE_S3_CREDENTIALS_PRIVATE_H

#include "credentials.h"
#include "tozai/util/time.h"

#include <string.h>

/* Options and environment, read once: getenv() is not for programs with threads.  NULL: not set. */
struct tz_credentials_setup {
    char *file; /* of the configuration */
    char *profile;
    bool profile_named; /* by somebody, not "default" for want of a name */

    char *access_key, *secret_key, *session_token;

    char *shared_file;
    bool shared_named;

    char *identity_file, *role_arn, *session_name;
    char *sts; /* an endpoint, without a slash behind it, as all of them */

    char *container_host, *container_path, *container_url;
    char *container_token, *container_token_file;

    char *metadata;
    bool metadata_named, metadata_disabled;
};
int tz_credentials_setup_read(struct tz_credentials_setup *ret,
                              const struct tz_credentials_options *options,
                              struct tz_error *err) TZ_MUST_CHECK;
void tz_credentials_setup_clear(struct tz_credentials_setup *setup);

/* What a place needs to be asked. */
struct tz_credentials_asker {
    const struct tz_credentials_setup *setup;
    struct tz_http *http;
    int64_t now_ns;
};

/*
 * Ask the place number *place, or, if that is TZ_CREDENTIALS_NO_PLACE, one after the other until
 * one is set up; *place then says which.  The kinds of errors are those of tz_provider_get().
 */
#define TZ_CREDENTIALS_NO_PLACE SIZE_MAX
int tz_credentials_find(const struct tz_credentials_asker *asker, size_t *place,
                        struct tz_credentials *ret, struct tz_error *err) TZ_MUST_CHECK;
/* The file that the place reads, NULL if it reads none. */
const char *tz_credentials_place_file(const struct tz_credentials_setup *setup, size_t place);
/* Does asking again give something new? */
bool tz_credentials_place_is_fixed(size_t place);

/*
 * The places.  ret is empty before.  TZ_NOT_FOUND: nothing is set up there, and the message says
 * what was missing; any other error ends the search.
 */
int tz_credentials_ask_identity(const struct tz_credentials_asker *asker,
                                struct tz_credentials *ret, struct tz_error *err) TZ_MUST_CHECK;
int tz_credentials_ask_container(const struct tz_credentials_asker *asker,
                                 struct tz_credentials *ret, struct tz_error *err) TZ_MUST_CHECK;
int tz_credentials_ask_metadata(const struct tz_credentials_asker *asker,
                                struct tz_credentials *ret, struct tz_error *err) TZ_MUST_CHECK;

/*
 * A profile of a credentials file.  TZ_NOT_FOUND: no file, no such profile, or one without keys;
 * TZ_DENIED: others may read it; TZ_INVALID: not in the format, only one of the keys.  No message
 * shows a line of the file.
 */
int tz_credentials_read_file(const char *path, const char *profile, struct tz_credentials *ret,
                             struct tz_error *err) TZ_MUST_CHECK;
/* The same for its bytes. */
int tz_credentials_parse(const char *path, const uint8_t *data, size_t len, const char *profile,
                         struct tz_credentials *ret, struct tz_error *err) TZ_MUST_CHECK;

/* A file that holds a token, read anew each time, without the blanks and line ends around it. */
int tz_credentials_read_token(const char *path, char **ret, struct tz_error *err) TZ_MUST_CHECK;

/*
 * Ask a service, up to `tries` times while it does not answer or answers with 429 or 5xx.  The
 * body of a 2xx answer goes to the request's out, which is empty and has room for max bytes.
 */
#define TZ_CREDENTIALS_ANSWER_MAX ((size_t)64 << 10)
int tz_credentials_request(struct tz_http *http, struct tz_http_request *request, unsigned tries,
                           struct tz_buf *out, struct tz_http_response *ret,
                           struct tz_error *err) TZ_MUST_CHECK;
/* What an answer that is not 2xx means: TZ_UNAVAILABLE for 429 and 5xx, else TZ_DENIED. */
#define tz_credentials_fail_status(response, service, err)                                         \
    (tz_credentials_set_status((response), (service), (err)), -1)
void tz_credentials_set_status(const struct tz_http_response *response, const char *service,
                               struct tz_error *err);
/* The answer of the metadata and container services. */
int tz_credentials_from_json(const struct tz_buf *body, const char *service,
                             struct tz_credentials *ret, struct tz_error *err) TZ_MUST_CHECK;
/* "2026-11-22T05:30:00Z"; TZ_UNAVAILABLE if it is none. */
int tz_credentials_parse_expiry(const char *text, int64_t *ret_ns,
                                struct tz_error *err) TZ_MUST_CHECK;

/* Hand over what from holds; ret holds nothing. */
static inline void tz_credentials_move(struct tz_credentials *ret, struct tz_credentials *from)
{
    *ret = *from;
    *from = (struct tz_credentials){0};
}
/* May the text stand in a header line?  Not if it has control characters. */
bool tz_credentials_is_line(const char *text);
/* The text between the blanks and line ends around it, to be freed; NULL without memory. */
char *tz_credentials_trim(const char *text, size_t len);
/* NULL is allowed. */
void tz_credentials_wipe(char *text);
TZ_DEFINE_SCOPED(char *, tz_scoped_secret, tz_credentials_wipe)
/* All that the buffer has room for is wiped. */
void tz_credentials_wipe_buf(struct tz_buf *buf);
static inline TZ_UNUSED void tz_scoped_secret_buf(struct tz_buf *buf)
{
    tz_credentials_wipe_buf(buf);
}

#endif
