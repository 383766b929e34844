/* What the end of an exchange means. */
#include "http_exchange.h"

#include "tozai/util/time.h"

#include <string.h>
#include <strings.h>

#include "tozai/util/banned.h"

#define TLS_TOO_OLD "the server speaks no TLS of version 1.2 or newer, and must be taught to"
#define CHECK_PROXY "check the HTTP proxy: https_proxy, http_proxy, no_proxy in the environment"

static const struct {
    CURLcode code;
    enum tz_error_kind kind;
} kinds[] = {
    {CURLE_COULDNT_RESOLVE_PROXY, TZ_UNAVAILABLE},
    {CURLE_COULDNT_RESOLVE_HOST, TZ_UNAVAILABLE},
    {CURLE_COULDNT_CONNECT, TZ_UNAVAILABLE},
    {CURLE_PARTIAL_FILE, TZ_UNAVAILABLE},
    {CURLE_OPERATION_TIMEDOUT, TZ_UNAVAILABLE},
    {CURLE_GOT_NOTHING, TZ_UNAVAILABLE},
    {CURLE_SEND_ERROR, TZ_UNAVAILABLE},
    {CURLE_RECV_ERROR, TZ_UNAVAILABLE},
    {CURLE_SEND_FAIL_REWIND, TZ_UNAVAILABLE},
    {CURLE_UPLOAD_FAILED, TZ_UNAVAILABLE},
    {CURLE_NO_CONNECTION_AVAILABLE, TZ_UNAVAILABLE},
    {CURLE_PROXY, TZ_UNAVAILABLE},
    {CURLE_SSL_SHUTDOWN_FAILED, TZ_UNAVAILABLE},
    {CURLE_PEER_FAILED_VERIFICATION, TZ_DENIED},
    {CURLE_SSL_CERTPROBLEM, TZ_DENIED},
    {CURLE_SSL_CIPHER, TZ_DENIED},
    {CURLE_SSL_ISSUER_ERROR, TZ_DENIED},
    {CURLE_SSL_INVALIDCERTSTATUS, TZ_DENIED},
    {CURLE_SSL_CLIENTCERT, TZ_DENIED},
    {CURLE_UNSUPPORTED_PROTOCOL, TZ_CORRUPT}, /* HTTP/0.9; the URL's scheme was looked at before */
    {CURLE_WEIRD_SERVER_REPLY, TZ_CORRUPT},
    {CURLE_BAD_CONTENT_ENCODING, TZ_CORRUPT},
    {CURLE_URL_MALFORMAT, TZ_INVALID},
    {CURLE_LOGIN_DENIED, TZ_INVALID},
    {CURLE_SSL_CACERT_BADFILE, TZ_INVALID},
    {CURLE_OUT_OF_MEMORY, TZ_NOMEM},
};

/* A handshake that the network broke says so; anything else in it is the two sides' disagreement,
 * for which the TLS library has an error of its own. */
static enum tz_error_kind handshake_kind(const char *text)
{
    bool disagreed = strstr(text, "error:") && !strstr(text, "unexpected eof");
    return disagreed ? TZ_DENIED : TZ_UNAVAILABLE;
}

static enum tz_error_kind kind_of(CURLcode code, const char *text)
{
    if (code == CURLE_SSL_CONNECT_ERROR)
        return handshake_kind(text);
    for (size_t i = 0; i < TZ_COUNT(kinds); i++)
        if (kinds[i].code == code)
            return kinds[i].kind;
    return TZ_FAILED;
}

/* curl says that memory is short when a line of the answer's head does not fit its buffer. */
static bool line_too_long(const struct tz_http_exchange *exchange, CURLcode code)
{
    long sent = 0;
    (void)curl_easy_getinfo(exchange->easy, CURLINFO_REQUEST_SIZE, &sent);
    return code == CURLE_OUT_OF_MEMORY && sent > 0 && !exchange->head_complete;
}

/* What to do about it: the first line that fits. */
static const struct {
    CURLcode code;
    const char *part; /* of the text; "": any */
    const char *hint;
} advice[] = {
    {CURLE_SSL_CONNECT_ERROR, "wrong version number",
     "the server does not speak TLS there: is it http://, or another port?"},
    {CURLE_SSL_CONNECT_ERROR, "protocol version", TLS_TOO_OLD},
    {CURLE_SSL_CONNECT_ERROR, "unsupported protocol", TLS_TOO_OLD},
    {CURLE_PEER_FAILED_VERIFICATION, "has expired",
     "renew the server's certificate, or set the clock of this machine"},
    {CURLE_PEER_FAILED_VERIFICATION, "not yet valid",
     "set the clock of this machine, or wait until the server's certificate begins"},
    {CURLE_PEER_FAILED_VERIFICATION, "subject name",
     "the server's certificate is for another name than the one that it was asked by"},
    {CURLE_PEER_FAILED_VERIFICATION, "",
     "if the server has a certificate of your own authority, name that authority's file as "
     "ca_file"},
    {CURLE_SSL_CACERT_BADFILE, "", "ca_file must hold certificates in PEM"},
    {CURLE_COULDNT_RESOLVE_PROXY, "", CHECK_PROXY},
    {CURLE_RECV_ERROR, "CONNECT tunnel failed, response 407", TZ_HTTP_PROXY_KEYS},
    {CURLE_RECV_ERROR, "CONNECT tunnel failed", CHECK_PROXY},
};

/* "Failed to connect to 127.0.0.1 port 9 after 0 ms": when that is not the host of the URL, it is
 * the proxy's. */
static bool proxy_is_away(const struct tz_http_exchange *exchange, CURLcode code)
{
    static const char words[] = "onnect to ";
    const char *url = NULL, *host = strstr(exchange->curl_text, words);

    if (code != CURLE_COULDNT_CONNECT || !host ||
        curl_easy_getinfo(exchange->easy, CURLINFO_EFFECTIVE_URL, &url) != CURLE_OK || !url)
        return false;
    host += strlen(words);
    const char *asked = strstr(url, "://");
    asked = asked ? asked + 3 : url;
    /* The other one has brackets. */
    asked += *asked == '[';
    size_t len = strcspn(host, " ");
    return strncasecmp(asked, host, len) != 0 || !strchr(":/]?", asked[len]);
}

static void advise(struct tz_http_exchange *exchange, CURLcode code)
{
    if (proxy_is_away(exchange, code)) {
        (void)tz_hint(&exchange->error, "%s", CHECK_PROXY);
        return;
    }
    for (size_t i = 0; i < TZ_COUNT(advice); i++)
        if (advice[i].code == code && strstr(exchange->curl_text, advice[i].part)) {
            (void)tz_hint(&exchange->error, "%s", advice[i].hint);
            return;
        }
}

static void explain(struct tz_http_exchange *exchange, CURLcode code)
{
    const char *text = exchange->curl_text[0] ? exchange->curl_text : curl_easy_strerror(code);
    enum tz_error_kind kind = kind_of(code, exchange->curl_text);

    if (line_too_long(exchange, code))
        (void)tz_fail(&exchange->error, TZ_CORRUPT, "the answer has a header that is too long");
    else if (kind == TZ_NOMEM)
        (void)tz_fail_nomem(&exchange->error);
    else
        (void)tz_fail(&exchange->error, kind, "%s", text);
    advise(exchange, code);
}

static void fill_in_response(struct tz_http_exchange *exchange)
{
    struct tz_http_response *response = &exchange->response;
    curl_off_t down = 0, first_us = 0, total_us = 0;
    long status = 0;

    (void)curl_easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_easy_getinfo(exchange->easy, CURLINFO_SIZE_DOWNLOAD_T, &down);
    (void)curl_easy_getinfo(exchange->easy, CURLINFO_STARTTRANSFER_TIME_T, &first_us);
    (void)curl_easy_getinfo(exchange->easy, CURLINFO_TOTAL_TIME_T, &total_us);
    response->status = (unsigned)status;
    response->repeated = exchange->fresh || exchange->rewound;
    response->uploaded = exchange->sent;
    response->downloaded = (uint64_t)down;
    response->first_byte_ns = (int64_t)first_us * 1000;
    response->total_ns = (int64_t)total_us * 1000;
}

bool tz_http_exchange_begins_anew(struct tz_http_exchange *exchange, CURLcode code)
{
    long connections = 0;

    if (code != CURLE_SEND_ERROR && code != CURLE_RECV_ERROR && code != CURLE_GOT_NOTHING)
        return false;
    (void)curl_easy_getinfo(exchange->easy, CURLINFO_NUM_CONNECTS, &connections);
    if (connections > 0 || exchange->fresh || exchange->header_bytes > 0)
        return false;
    tz_http_flow_end(&exchange->up);
    exchange->fresh = true;
    exchange->sent = 0;
    exchange->curl_text[0] = '\0';
    return true;
}

void tz_http_exchange_end(struct tz_http_exchange *exchange, CURLcode code)
{
    tz_http_flow_end(&exchange->up);
    tz_http_flow_end(&exchange->down);
    if (exchange->error.kind == TZ_OK && code != CURLE_OK)
        explain(exchange, code);
    /* An end in mid head is a good one to curl. */
    if (exchange->error.kind == TZ_OK && !exchange->head_complete)
        (void)tz_fail(&exchange->error, TZ_UNAVAILABLE, "the answer was cut short");
    if (exchange->error.kind != TZ_OK) {
        if (exchange->request->out)
            exchange->request->out->len = exchange->out_len;
        return;
    }

    fill_in_response(exchange);
    size_t len = exchange->request->body_len;
    if (!exchange->expect_removed && exchange->sent == len && !exchange->continued)
        exchange->common->hasty = true;
}

void tz_http_response_clear(struct tz_http_response *response)
{
    tz_buf_clear(&response->text);
    tz_buf_clear(&response->headers);
    *response = (struct tz_http_response){0};
}

const char *tz_http_header(const struct tz_http_response *response, const char *name)
{
    size_t name_len = strlen(name);
    const char *line = (const char *)response->headers.data;
    const char *end = line ? line + response->headers.len : NULL;

    for (; line < end; line += strlen(line) + 1)
        if (strncmp(line, name, name_len) == 0 && strncmp(line + name_len, ": ", 2) == 0)
            return line + name_len + 2;
    return NULL;
}
