#include "http_exchange.h"

#include <string.h>

#include "tozai/util/banned.h"

/* Bodies of more than this go and come in large steps. */
#define LARGE_BODY        ((size_t)64 << 10)
#define LARGE_RECEIVE     (512L << 10)
#define LARGE_SEND        (256L << 10)
#define SMALL_BUFFER      (16L << 10)
#define RECEIVES_A_SECOND 16

static int check_url(const char *url, struct tz_error *err)
{
    CURLU *parsed = curl_url();
    if (!parsed)
        return tz_fail_nomem(err);
    char *scheme = NULL, *user = NULL;
    CURLUcode code = curl_url_set(parsed, CURLUPART_URL, url, CURLU_PATH_AS_IS);
    if (code == CURLUE_OK)
        code = curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0);
    bool known = scheme && (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0);
    bool has_user = curl_url_get(parsed, CURLUPART_USER, &user, 0) == CURLUE_OK;
    curl_free(user);
    curl_free(scheme);
    curl_url_cleanup(parsed);

    if (code == CURLUE_OUT_OF_MEMORY)
        return tz_fail_nomem(err);
    if (code != CURLUE_OK)
        return tz_fail(err, TZ_INVALID, "'%s' is not a URL: %s", url, curl_url_strerror(code));
    if (!known)
        return tz_fail(err, TZ_INVALID, "'%s' does not begin with http:// or https://", url);
    if (has_user)
        return tz_fail(err, TZ_INVALID, "a user name has no place in a URL");
    return 0;
}

static int add_line(struct curl_slist **lines, const char *line, struct tz_error *err)
{
    struct curl_slist *longer = curl_slist_append(*lines, line);
    if (!longer)
        return tz_fail_nomem(err);
    *lines = longer;
    return 0;
}

/* curl takes "Name:" for the wish to leave the header out; an empty one is "Name;". */
static int add_header(struct curl_slist **lines, const char *line, struct tz_error *err)
{
    size_t name_len = strcspn(line, ": \t\r\n");
    if (name_len == 0 || line[name_len] != ':' || strpbrk(line, "\r\n"))
        return tz_fail(err, TZ_INVALID, "a header line is not 'name: value'");
    if (line[name_len + 1 + strspn(line + name_len + 1, " \t")])
        return add_line(lines, line, err);

    TZ_SCOPED(tz_scoped_buf) struct tz_buf empty = {0};
    if (tz_buf_printf(&empty, err, "%.*s;", (int)name_len, line))
        return -1;
    return add_line(lines, (const char *)empty.data, err);
}

int tz_http_exchange_init(struct tz_http_exchange *exchange, struct tz_http_common *common,
                          const struct tz_http_request *request, struct tz_error *err)
{
    *exchange = (struct tz_http_exchange){
        .request = request,
        .common = common,
        .up.bucket = &common->upload,
        .down.bucket = &common->download,
        .out_len = request->out ? request->out->len : 0,
    };
    if (check_url(request->url, err))
        return -1;
    int status = add_line(&exchange->lines, "Accept:", err);
    for (const char *line = request->lines; !status && line && *line; line += strlen(line) + 1)
        status = add_header(&exchange->lines, line, err);
    if (status)
        tz_http_exchange_clear(exchange);
    return status;
}

void tz_http_exchange_clear(struct tz_http_exchange *exchange)
{
    curl_slist_free_all(exchange->lines);
    exchange->lines = NULL;
    tz_http_response_clear(&exchange->response);
}

/* Each of these returns how many options curl refused. */
static int set_common(CURL *easy, const struct tz_http_common *common)
{
    int bad = curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) != CURLE_OK;
    bad += curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") != CURLE_OK;
    bad += curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L) != CURLE_OK;
    bad += curl_easy_setopt(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L) != CURLE_OK;
    bad += curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) != CURLE_OK;
    bad += curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L) != CURLE_OK;
    bad += curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) != CURLE_OK;
    /* Do not wait for a name look-up that is given up. */
    bad += curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L) != CURLE_OK;
    bad += curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L) != CURLE_OK;
    bad += curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L) != CURLE_OK;
    bad += curl_easy_setopt(easy, CURLOPT_DNS_SHUFFLE_ADDRESSES, 1L) != CURLE_OK;
    bad +=
        curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)common->connect_timeout_s) != CURLE_OK;
    bad += curl_easy_setopt(easy, CURLOPT_USERAGENT, common->user_agent) != CURLE_OK;
    bad += curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) != CURLE_OK;
    if (common->ca_file) {
        bad += curl_easy_setopt(easy, CURLOPT_CAINFO, common->ca_file) != CURLE_OK;
        bad += curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) != CURLE_OK;
    }
    return bad;
}

/* What is read at once is only then counted: little of it where there is a limit. */
static long receive_size(const struct tz_http_exchange *exchange)
{
    uint64_t rate = exchange->common->download.rate;
    long size = exchange->request->out && exchange->request->max > LARGE_BODY ? LARGE_RECEIVE
                                                                              : SMALL_BUFFER;
    if (rate > 0 && rate / RECEIVES_A_SECOND < (uint64_t)size)
        size = (long)(rate / RECEIVES_A_SECOND);
    return TZ_MAX(size, SMALL_BUFFER);
}

static int set_request(CURL *easy, struct tz_http_exchange *exchange)
{
    const struct tz_http_request *request = exchange->request;
    bool put = strcmp(request->method, "PUT") == 0, post = strcmp(request->method, "POST") == 0;
    int bad = curl_easy_setopt(easy, CURLOPT_URL, request->url) != CURLE_OK;

    /* PUT and POST say "Content-Length: 0" where others say nothing. */
    if (put || post || request->body_len > 0) {
        bad += curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L) != CURLE_OK;
        bad += curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)request->body_len) !=
               CURLE_OK;
    } else if (strcmp(request->method, "HEAD") == 0) {
        bad += curl_easy_setopt(easy, CURLOPT_NOBODY, 1L) != CURLE_OK;
    }
    if (request->direct)
        bad += curl_easy_setopt(easy, CURLOPT_NOPROXY, "*") != CURLE_OK;
    bad += curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method) != CURLE_OK;
    bad += curl_easy_setopt(easy, CURLOPT_HTTPHEADER, exchange->lines) != CURLE_OK;
    bad += curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE,
                            request->body_len > LARGE_BODY ? LARGE_SEND : SMALL_BUFFER) != CURLE_OK;
    /* Refused as long as curl has the buffer of a request that found no host: then that one does.
     */
    (void)curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, receive_size(exchange));
    bad += curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, exchange->fresh ? 1L : 0L) != CURLE_OK;
    return bad;
}

/* For "100 Continue"? */
static bool asks(const struct tz_http_exchange *exchange)
{
    return exchange->request->body_len > TZ_HTTP_CONTINUE_MIN && !exchange->common->hasty;
}

int tz_http_exchange_begin(struct tz_http_exchange *exchange, CURL *easy, int64_t now_ns)
{
    /* curl asks for any body, unless told not to. */
    if (!exchange->expect_removed && !asks(exchange)) {
        if (add_line(&exchange->lines, "Expect:", &exchange->error))
            return -1;
        exchange->expect_removed = true;
    }
    curl_easy_reset(easy);
    exchange->easy = easy;
    exchange->started_ns = exchange->moved_ns = now_ns;
    if (set_common(easy, exchange->common) + tz_http_exchange_attach(exchange, easy) +
        set_request(easy, exchange))
        return tz_fail_nomem(&exchange->error); /* all options are known to this curl */
    return 0;
}
