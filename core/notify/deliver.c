#include "internal.h"

#include "tozai/util/time.h"

#include <curl/curl.h>
#include <string.h>
#include <sys/utsname.h>

#include "tozai/util/banned.h"

#define LIMIT_NS   (30 * TZ_SECOND_NS)
#define ANSWER_MAX ((size_t)1 << 20)

TZ_DEFINE_SCOPED(CURL *, scoped_curl, curl_easy_cleanup)
TZ_DEFINE_SCOPED(struct curl_slist *, scoped_lines, curl_slist_free_all)

struct upload {
    const uint8_t *data;
    size_t len, sent;
};

static size_t give(char *buffer, size_t size, size_t count, void *arg)
{
    struct upload *upload = arg;
    size_t len = TZ_MIN(size * count, upload->len - upload->sent);

    memcpy(buffer, upload->data + upload->sent, len);
    upload->sent += len;
    return len;
}

/* A server that answers without end is not listened to for ever. */
static size_t drop(char *data, size_t size, size_t count, void *arg)
{
    size_t *total = arg;

    (void)data;
    *total += size * count;
    return *total > ANSWER_MAX ? 0 : size * count;
}

/* curl's settings take pointers of several kinds: a failure of one is remembered. */
#define SET(curl, failed, option, value)                                                           \
    ((failed) = (failed) || curl_easy_setopt((curl), (option), (value)) != CURLE_OK)

static CURL *make_handle(const struct tz_config *config, char *text, size_t *total,
                         const char *protocols)
{
    const char *ca_file = tz_notify_setting(config, "ca_file");
    const char *timeout = tz_notify_setting(config, "timeout");
    int64_t limit_ns = LIMIT_NS;
    bool failed = false;

    /* The configuration was checked: it is one. */
    if (timeout && tz_duration_parse(timeout, &limit_ns, NULL))
        return NULL;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return NULL;
    TZ_SCOPED(scoped_curl) CURL *curl = curl_easy_init();
    if (!curl)
        return NULL;
    text[0] = '\0';
    SET(curl, failed, CURLOPT_ERRORBUFFER, text);
    SET(curl, failed, CURLOPT_NOSIGNAL, 1L);
    SET(curl, failed, CURLOPT_PROTOCOLS_STR, protocols);
    SET(curl, failed, CURLOPT_TIMEOUT_MS, (long)(limit_ns / 1000000));
    SET(curl, failed, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(curl, failed, CURLOPT_USERAGENT, "tozai/" TOZAI_VERSION);
    SET(curl, failed, CURLOPT_WRITEFUNCTION, drop);
    SET(curl, failed, CURLOPT_WRITEDATA, total);
    if (ca_file)
        SET(curl, failed, CURLOPT_CAINFO, ca_file);
    return failed ? NULL : TZ_TAKE(curl);
}

static int perform(CURL *curl, const char *text, struct tz_error *err)
{
    CURLcode code = curl_easy_perform(curl);

    if (code == CURLE_OK)
        return 0;
    /* Never the URL: it can hold a secret. */
    return tz_fail(err, TZ_UNAVAILABLE, "%s", text[0] ? text : curl_easy_strerror(code));
}

static int perform_http(CURL *curl, const char *text, struct tz_error *err)
{
    long status = 0;

    if (perform(curl, text, err))
        return -1;
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (status / 100 != 2)
        return tz_fail(err, TZ_UNAVAILABLE, "the server answered with status %ld", status);
    return 0;
}

static int fail_handle(struct tz_error *err)
{
    return tz_fail(err, TZ_FAILED, "libcurl could not be set up");
}

int tz_deliver_ping(const struct tz_config *config, const char *url, struct tz_error *err)
{
    char text[CURL_ERROR_SIZE];
    size_t total = 0;
    bool failed = false;

    TZ_SCOPED(scoped_curl) CURL *curl = make_handle(config, text, &total, "http,https");
    if (!curl)
        return fail_handle(err);
    SET(curl, failed, CURLOPT_URL, url);
    return failed ? fail_handle(err) : perform_http(curl, text, err);
}

int tz_deliver_webhook(const struct tz_config *config, const struct tz_pending *pending,
                       struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf body = {0};
    char text[CURL_ERROR_SIZE];
    size_t total = 0;
    bool failed = false;

    if (tz_pending_write(pending, false, &body, err))
        return -1;
    TZ_SCOPED(scoped_lines)
    struct curl_slist *lines = curl_slist_append(NULL, "Content-Type: application/json");
    TZ_SCOPED(scoped_curl) CURL *curl = make_handle(config, text, &total, "http,https");
    if (!curl || !lines)
        return fail_handle(err);
    SET(curl, failed, CURLOPT_URL, tz_notify_setting(config, "webhook"));
    SET(curl, failed, CURLOPT_HTTPHEADER, lines);
    SET(curl, failed, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
    SET(curl, failed, CURLOPT_POSTFIELDS, body.data);
    return failed ? fail_handle(err) : perform_http(curl, text, err);
}

/* "a, b" as a list that points into text. */
static size_t split(char *text, char **items, size_t max)
{
    size_t count = 0;

    for (char *at = text; *at && count < max;) {
        at += strspn(at, " \t,");
        size_t len = strcspn(at, " \t,");
        if (len == 0)
            break;
        items[count++] = at;
        at += len;
        if (*at)
            *at++ = '\0';
    }
    return count;
}

static int find_from(const struct tz_config *config, struct tz_buf *out, struct tz_error *err)
{
    const char *from = tz_notify_setting(config, "mail_from");
    struct utsname system;

    if (from)
        return tz_buf_printf(out, err, "%s", from);
    return tz_buf_printf(out, err, "tozai@%s",
                         uname(&system) == 0 && system.nodename[0] ? system.nodename : "localhost");
}

/* A password goes over an encrypted connection or not at all.  A server on this machine needs none,
 * and rarely has a certificate that anybody trusts. */
static long encryption_of(const char *url)
{
    static const char *const local[] = {"localhost", "127.0.0.1", "[::1]"};
    const char *host = strstr(url, "://") + 3;
    size_t len = strcspn(host, "/?");

    if (memchr(host, '@', len))
        return (long)CURLUSESSL_ALL;
    for (size_t i = 0; i < TZ_COUNT(local); i++) {
        size_t size = strlen(local[i]);
        if (strncmp(host, local[i], size) == 0 && (size == len || host[size] == ':'))
            return (long)CURLUSESSL_NONE;
    }
    return (long)CURLUSESSL_TRY;
}

static int send_mail(const struct tz_config *config, const char *from,
                     const struct tz_config_list *to, const struct tz_buf *mail,
                     struct tz_error *err)
{
    const char *configured = tz_notify_setting(config, "smtp_url");
    const char *url = configured ? configured : "smtp://localhost";
    struct upload upload = {.data = mail->data, .len = mail->len};
    TZ_SCOPED(scoped_lines) struct curl_slist *lines = NULL;
    char text[CURL_ERROR_SIZE];
    size_t total = 0;
    bool failed = false;

    for (size_t i = 0; i < to->count; i++) {
        struct curl_slist *longer = curl_slist_append(lines, to->items[i]);
        if (!longer)
            return tz_fail_nomem(err);
        lines = longer;
    }
    TZ_SCOPED(scoped_curl) CURL *curl = make_handle(config, text, &total, "smtp,smtps");
    if (!curl)
        return fail_handle(err);
    SET(curl, failed, CURLOPT_URL, url);
    SET(curl, failed, CURLOPT_USE_SSL, encryption_of(url));
    SET(curl, failed, CURLOPT_MAIL_FROM, from);
    SET(curl, failed, CURLOPT_MAIL_RCPT, lines);
    /* One who is refused does not keep the others from hearing of it. */
    SET(curl, failed, CURLOPT_MAIL_RCPT_ALLLOWFAILS, 1L);
    SET(curl, failed, CURLOPT_UPLOAD, 1L);
    SET(curl, failed, CURLOPT_READFUNCTION, give);
    SET(curl, failed, CURLOPT_READDATA, &upload);
    return failed ? fail_handle(err) : perform(curl, text, err);
}

int tz_deliver_mail(const struct tz_config *config, const struct tz_pending *pending,
                    struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free) char *list = strdup(tz_notify_setting(config, "mail_to"));
    TZ_SCOPED(tz_scoped_free) char **items = NULL;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf from = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf mail = {0};

    if (!list)
        return tz_fail_nomem(err);
    size_t max = strlen(list) / 2 + 1;
    items = calloc(max, sizeof(items[0]));
    if (!items)
        return tz_fail_nomem(err);
    const struct tz_config_list to = {.items = items, .count = split(list, items, max)};
    if (find_from(config, &from, err) ||
        tz_pending_mail(pending, (const char *)from.data, &to, &mail, err))
        return -1;
    return send_mail(config, (const char *)from.data, &to, &mail, err);
}
