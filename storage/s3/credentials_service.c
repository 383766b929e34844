/*
 * What the services have in common: asking them, and their answers in JSON:
 *
 *   {"AccessKeyId": "ASIA...", "SecretAccessKey": "...", "Token": "...",
 *    "Expiration": "2026-11-22T05:30:00Z"}
 *
 * The metadata service adds "Code": "Success", or says there why it has none.
 */
#include "credentials_private.h"
#include "tozai/util/interrupt.h"
#include "tozai/util/log.h"

#include <jansson.h>
#include <time.h>

#include "tozai/util/banned.h"

#define TOO_MANY_REQUESTS 429
#define FIRST_PAUSE_MS    100
#define MS_NS             (TZ_SECOND_NS / 1000)

static bool may_pass(unsigned status)
{
    return status == TOO_MANY_REQUESTS || status >= 500;
}

static void pause_before(unsigned attempt)
{
    int64_t ns = ((int64_t)FIRST_PAUSE_MS << attempt) * MS_NS;
    struct timespec time = {.tv_sec = ns / TZ_SECOND_NS, .tv_nsec = ns % TZ_SECOND_NS};
    (void)nanosleep(&time, NULL);
}

static int request_once(struct tz_http *http, const struct tz_http_request *request,
                        struct tz_http_response *ret, struct tz_error *err)
{
    if (tz_http_perform(http, request, ret, err) == 0)
        return 0;
    /* A store that reads so would take it for one of its objects. */
    if (err && (err->kind == TZ_CORRUPT || err->kind == TZ_NOT_FOUND))
        err->kind = TZ_UNAVAILABLE;
    return -1;
}

int tz_credentials_request(struct tz_http *http, struct tz_http_request *request, unsigned tries,
                           struct tz_buf *out, struct tz_http_response *ret, struct tz_error *err)
{
    if (tz_buf_reserve(out, TZ_CREDENTIALS_ANSWER_MAX, err))
        return -1;
    request->out = out;
    request->max = TZ_CREDENTIALS_ANSWER_MAX;
    for (unsigned attempt = 1;; attempt++) {
        struct tz_error why = {0};
        int status = request_once(http, request, ret, &why);
        bool again = status ? why.kind == TZ_UNAVAILABLE : may_pass(ret->status);
        if (!again || attempt >= tries) {
            if (status && err)
                *err = why;
            return status;
        }
        tz_debug("%s: %s, again", request->url, status ? why.message : "busy");
        tz_http_response_clear(ret);
        pause_before(attempt);
        if (tz_interrupt_check(err))
            return -1;
    }
}

void tz_credentials_set_status(const struct tz_http_response *response, const char *service,
                               struct tz_error *err)
{
    tz_error_set(err, may_pass(response->status) ? TZ_UNAVAILABLE : TZ_DENIED, 0,
                 "%s answers with status %u", service, response->status);
}

int tz_credentials_parse_expiry(const char *text, int64_t *ret_ns, struct tz_error *err)
{
    /* An age, which tz_time_parse() knows as well, is none. */
    if (text[0] >= '0' && text[0] <= '9' && tz_time_parse(text, 0, ret_ns, NULL) == 0)
        return 0;
    return tz_fail(err, TZ_UNAVAILABLE, "the end of the keys is no time");
}

static const char *get_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text && *text ? text : NULL;
}

/* Moves the text: what json_decref() frees has been wiped.  jansson's own copies while it read
 * are beyond reach. */
static int take_text(const json_t *object, const char *key, char **ret, struct tz_error *err)
{
    const json_t *value = json_object_get(object, key);
    size_t len = json_string_length(value);
    if (len == 0)
        return 0;
    char *text = (char *)json_string_value(value);
    *ret = strdup(text);
    memset(text, '*', len);
    return *ret ? 0 : tz_fail_nomem(err);
}

static int take_answer(const json_t *object, const char *service, struct tz_credentials *ret,
                       struct tz_error *err)
{
    if (take_text(object, "AccessKeyId", &ret->access_key, err) ||
        take_text(object, "SecretAccessKey", &ret->secret_key, err) ||
        take_text(object, "Token", &ret->session_token, err))
        return -1;
    const char *code = get_text(object, "Code");
    if (code && strcmp(code, "Success") != 0)
        return tz_fail(err, TZ_DENIED, "%s has no keys: %.100s", service, code);
    if (!ret->access_key || !ret->secret_key)
        return tz_fail(err, TZ_UNAVAILABLE, "%s answers without keys", service);
    const char *end = get_text(object, "Expiration");
    if (end && tz_credentials_parse_expiry(end, &ret->expires_ns, err))
        return tz_while(err, "%s", service);
    return 0;
}

int tz_credentials_from_json(const struct tz_buf *body, const char *service,
                             struct tz_credentials *ret, struct tz_error *err)
{
    json_t *object = json_loadb((const char *)body->data, body->len, 0, NULL);
    if (!json_is_object(object)) {
        json_decref(object);
        return tz_fail(err, TZ_UNAVAILABLE, "%s does not answer in JSON", service);
    }
    TZ_SCOPED(tz_scoped_credentials) struct tz_credentials found = {0};
    int status = take_answer(object, service, &found, err);
    json_decref(object);
    if (status)
        return -1;
    tz_credentials_move(ret, &found);
    return 0;
}
