/* The bytes of an exchange in both directions, and whether they come fast enough. */
#include "http_exchange.h"

#include "tozai/util/time.h"

#include <string.h>

#include "tozai/util/banned.h"

#define HEADERS_MAX ((size_t)64 << 10)
#define ASK_NS      (TZ_SECOND_NS / 5)

static size_t send_body(char *data, size_t size, size_t count, void *arg)
{
    struct tz_http_exchange *exchange = arg;
    size_t left = exchange->request->body_len - exchange->sent;
    size_t len = tz_http_flow_take(&exchange->up, TZ_MIN(left, size * count));
    if (exchange->up.waiting)
        return CURL_READFUNC_PAUSE;
    if (len > 0)
        memcpy(data, (const char *)exchange->request->body + exchange->sent, len);
    exchange->sent += len;
    return len;
}

/* curl sends a body again when a kept connection turns out to be closed. */
static int rewind_body(void *arg, curl_off_t offset, int origin)
{
    struct tz_http_exchange *exchange = arg;
    if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > exchange->request->body_len)
        return CURL_SEEKFUNC_FAIL;
    exchange->rewound = true;
    exchange->sent = (size_t)offset;
    return CURL_SEEKFUNC_OK;
}

static void forget_answer(struct tz_http_exchange *exchange)
{
    tz_buf_reset(&exchange->response.headers);
    tz_buf_reset(&exchange->response.text);
    if (exchange->request->out)
        exchange->request->out->len = exchange->out_len;
    exchange->room_made = false;
    exchange->no_room_ns = 0;
    exchange->head_complete = false;
}

static int add_answer_header(struct tz_http_exchange *exchange, const char *line, size_t len)
{
    struct tz_buf *headers = &exchange->response.headers;
    const char *colon = memchr(line, ':', len);
    if (memchr(line, 0, len))
        return tz_fail(&exchange->error, TZ_CORRUPT, "a header of the answer holds a NUL");
    if (!colon || colon == line || *line == ' ' || *line == '\t')
        return 0; /* nothing that anybody could ask for */

    const char *value = colon + 1, *end = line + len;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && strchr(" \t\r\n", end[-1]))
        end--;
    size_t name_at = headers->len;
    if (tz_buf_append(headers, line, (size_t)(colon - line), &exchange->error))
        return -1;
    for (size_t i = name_at; i < headers->len; i++)
        if (headers->data[i] >= 'A' && headers->data[i] <= 'Z')
            headers->data[i] = (uint8_t)(headers->data[i] - 'A' + 'a');
    return tz_buf_append(headers, ": ", 2, &exchange->error) ||
                   tz_buf_append(headers, value, (size_t)(end - value), &exchange->error) ||
                   tz_buf_append(headers, "", 1, &exchange->error)
               ? -1
               : 0;
}

static size_t take_header(char *line, size_t size, size_t count, void *arg)
{
    struct tz_http_exchange *exchange = arg;
    size_t len = size * count;

    exchange->header_bytes += len;
    if (exchange->header_bytes > HEADERS_MAX) {
        (void)tz_fail(&exchange->error, TZ_CORRUPT, "the answer has more than %zu KiB of headers",
                      HEADERS_MAX >> 10);
        return CURL_WRITEFUNC_ERROR;
    }
    /* A status line; there are several if the server says "100 Continue" first. */
    if (len > 5 && memcmp(line, "HTTP/", 5) == 0) {
        forget_answer(exchange);
        const char *space = memchr(line, ' ', len);
        if (space && line + len - space > 4 && memcmp(space, " 100", 4) == 0)
            exchange->continued = true;
        return len;
    }
    /* Those after the body of a chunked answer are headers like others. */
    if (*line == '\r' || *line == '\n')
        exchange->head_complete = true;
    return add_answer_header(exchange, line, len) ? CURL_WRITEFUNC_ERROR : len;
}

static unsigned status_of(const struct tz_http_exchange *exchange)
{
    long status = 0;
    (void)curl_easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &status);
    return (unsigned)status;
}

/* Make room for all of it at once where the server said how much there is. */
static int make_room(struct tz_http_exchange *exchange, struct tz_buf *buf, size_t held, size_t max)
{
    curl_off_t len = -1;

    exchange->room_made = true;
    (void)curl_easy_getinfo(exchange->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &len);
    if (len < 0)
        return 0;
    if ((uint64_t)len > max - held)
        return tz_fail(&exchange->error, TZ_CORRUPT, "the answer has %llu bytes, more than %zu",
                       (unsigned long long)len, max);
    return tz_buf_reserve(buf, (size_t)len, &exchange->error);
}

/* The caller's own room, where he has it to give. */
static bool has_room(struct tz_http_exchange *exchange, struct tz_buf *buf, size_t max)
{
    const struct tz_store_terms *terms = exchange->request->terms;
    curl_off_t len = -1;

    if (exchange->room_made || !terms || !terms->room || buf != exchange->request->out)
        return true;
    (void)curl_easy_getinfo(exchange->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &len);
    bool given = terms->room(terms->arg, buf, len >= 0 ? (size_t)TZ_MIN((uint64_t)len, max) : max);
    if (given)
        exchange->no_room_ns = 0;
    else if (exchange->no_room_ns == 0)
        exchange->no_room_ns = tz_monotonic();
    return given;
}

static size_t receive_body(char *data, size_t size, size_t count, void *arg)
{
    struct tz_http_exchange *exchange = arg;
    size_t len = size * count;
    unsigned status = status_of(exchange);
    bool wanted = exchange->request->out && status >= 200 && status < 300;
    struct tz_buf *buf = wanted ? exchange->request->out : &exchange->response.text;
    size_t held = buf->len - (wanted ? exchange->out_len : 0);
    size_t max = wanted ? exchange->request->max : TZ_HTTP_TEXT_MAX;

    if (!has_room(exchange, buf, max) || !tz_http_flow_pass(&exchange->down, len))
        return CURL_WRITEFUNC_PAUSE;
    if (!exchange->room_made && make_room(exchange, buf, held, max))
        return CURL_WRITEFUNC_ERROR;
    if (len > max - held) {
        (void)tz_fail(&exchange->error, TZ_CORRUPT, "the answer has more than %zu bytes", max);
        return CURL_WRITEFUNC_ERROR;
    }
    return tz_buf_append(buf, data, len, &exchange->error) ? CURL_WRITEFUNC_ERROR : len;
}

int tz_http_exchange_attach(struct tz_http_exchange *exchange, CURL *easy)
{
    int bad = curl_easy_setopt(easy, CURLOPT_PRIVATE, exchange) != CURLE_OK;
    bad += curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, exchange->curl_text) != CURLE_OK;
    bad += curl_easy_setopt(easy, CURLOPT_READFUNCTION, send_body) != CURLE_OK;
    bad += curl_easy_setopt(easy, CURLOPT_READDATA, exchange) != CURLE_OK;
    bad += curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, rewind_body) != CURLE_OK;
    bad += curl_easy_setopt(easy, CURLOPT_SEEKDATA, exchange) != CURLE_OK;
    bad += curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header) != CURLE_OK;
    bad += curl_easy_setopt(easy, CURLOPT_HEADERDATA, exchange) != CURLE_OK;
    bad += curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, receive_body) != CURLE_OK;
    bad += curl_easy_setopt(easy, CURLOPT_WRITEDATA, exchange) != CURLE_OK;
    return bad;
}

/* Whatever has moved so far.  Nothing has while there is no connection, which has its own limit. */
static uint64_t count_moved(const struct tz_http_exchange *exchange, bool *ret_connected)
{
    curl_off_t up = 0, down = 0, connected_us = 0;

    (void)curl_easy_getinfo(exchange->easy, CURLINFO_PRETRANSFER_TIME_T, &connected_us);
    (void)curl_easy_getinfo(exchange->easy, CURLINFO_SIZE_UPLOAD_T, &up);
    (void)curl_easy_getinfo(exchange->easy, CURLINFO_SIZE_DOWNLOAD_T, &down);
    *ret_connected = connected_us > 0;
    return (uint64_t)up + (uint64_t)down + exchange->header_bytes;
}

static bool is_too_slow(struct tz_http_exchange *exchange, int64_t now_ns)
{
    const struct tz_store_terms *terms = exchange->request->terms;
    const int64_t took_ns = now_ns - exchange->started_ns;
    curl_off_t down = 0;

    /* The loop comes by with every piece that arrives. */
    if (!terms || !terms->too_slow || now_ns - exchange->asked_ns < ASK_NS)
        return false;
    exchange->asked_ns = now_ns;
    (void)curl_easy_getinfo(exchange->easy, CURLINFO_SIZE_DOWNLOAD_T, &down);
    if (!terms->too_slow(terms->arg, (uint64_t)down, took_ns))
        return false;
    (void)tz_fail(&exchange->error, TZ_UNAVAILABLE, "only %llu bytes came in %.0f s",
                  (unsigned long long)down, (double)took_ns / 1e9);
    return true;
}

bool tz_http_exchange_stalled(struct tz_http_exchange *exchange, int64_t now_ns)
{
    const struct tz_store_terms *terms = exchange->request->terms;
    unsigned whole_s = exchange->request->timeout_s, still_s = terms ? terms->still_s : 0;
    bool connected = false;
    uint64_t moved = count_moved(exchange, &connected);

    if (whole_s > 0 && now_ns - exchange->started_ns >= whole_s * TZ_SECOND_NS) {
        (void)tz_fail(&exchange->error, TZ_UNAVAILABLE, "no complete answer within %u s", whole_s);
        return true;
    }
    if (is_too_slow(exchange, now_ns))
        return true;
    bool counted = connected || still_s > 0;
    if (still_s == 0)
        still_s = exchange->common->timeout_s;
    if (!counted || moved != exchange->moved || exchange->up.waiting || exchange->down.waiting ||
        exchange->no_room_ns != 0) {
        exchange->moved = moved;
        exchange->moved_ns = now_ns;
    }
    if (now_ns - exchange->moved_ns < still_s * TZ_SECOND_NS)
        return false;
    (void)tz_fail(&exchange->error, TZ_UNAVAILABLE, "nothing has moved for %u s", still_s);
    return true;
}

/* What is paused goes on, but for the directions that wait.  This hands over what curl holds back,
 * so that it may be waiting again afterwards. */
static int go_on(struct tz_http_exchange *exchange)
{
    bool down = exchange->down.waiting || exchange->no_room_ns != 0;
    int still = (exchange->up.waiting ? CURLPAUSE_SEND : 0) | (down ? CURLPAUSE_RECV : 0);

    if (curl_easy_pause(exchange->easy, still) == CURLE_OK)
        return 0;
    if (exchange->error.kind == TZ_OK)
        return tz_fail(&exchange->error, TZ_FAILED, "a transfer that was held back did not go on");
    return -1;
}

int tz_http_exchange_ask_room(struct tz_http_exchange *exchange)
{
    if (!has_room(exchange, exchange->request->out, exchange->request->max))
        return 0;
    return go_on(exchange);
}

int tz_http_exchange_resume(struct tz_http_exchange *exchange, size_t up_waiting,
                            size_t down_waiting)
{
    bool up = exchange->up.waiting && tz_http_flow_draw(&exchange->up, up_waiting);
    bool down = exchange->down.waiting && tz_http_flow_draw(&exchange->down, down_waiting);
    return up || down ? go_on(exchange) : 0;
}
