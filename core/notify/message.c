#include "internal.h"

#include "tozai/util/hex.h"
#include "tozai/util/time.h"
#include "tozai/util/utf8.h"

#include <jansson.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>
#include <time.h>

#include "tozai/util/banned.h"

TZ_DEFINE_SCOPED(json_t *, scoped_json, json_decref)

/* Bytes of text in one line of base64: 76 characters. */
#define LINE_BYTES 57
/* In one encoded word of a header, which may have 75 characters in all. */
#define WORD_BYTES 42

static const struct {
    unsigned event;
    const char *name;
} events[] = {
    {TZ_EVENT_FAILURE, "failure"},   {TZ_EVENT_DAMAGE, "damage"}, {TZ_EVENT_OVERDUE, "overdue"},
    {TZ_EVENT_DEGRADED, "degraded"}, {TZ_EVENT_DRILL, "drill"},   {TZ_EVENT_RESTORE, "restore"},
};

const char *tz_event_name(unsigned set)
{
    for (size_t i = 0; i < TZ_COUNT(events); i++)
        if (set & events[i].event)
            return events[i].name;
    return "nothing";
}

void tz_pending_clear(struct tz_pending *pending)
{
    free(pending->host);
    free(pending->subject);
    free(pending->text);
    *pending = (struct tz_pending){0};
}

/* What is not UTF-8 becomes question marks. */
static json_t *make_text(const char *text)
{
    TZ_SCOPED(tz_scoped_free) char *clean = strdup(text);
    size_t len = strlen(text), size;
    uint32_t code;

    for (size_t i = 0; clean && i < len; i += TZ_MAX(size, 1U)) {
        size = tz_utf8_decode(clean + i, len - i, &code);
        if (size == 0)
            clean[i] = '?';
    }
    return clean ? json_string(clean) : NULL;
}

static json_t *make_events(unsigned set)
{
    TZ_SCOPED(scoped_json) json_t *list = json_array();

    for (size_t i = 0; list && i < TZ_COUNT(events); i++)
        if ((set & events[i].event) && json_array_append_new(list, json_string(events[i].name)))
            return NULL;
    return TZ_TAKE(list);
}

int tz_pending_write(const struct tz_pending *pending, bool with_channels, struct tz_buf *out,
                     struct tz_error *err)
{
    char time[TZ_TIME_TEXT];

    tz_time_format(time, pending->time_ns);
    TZ_SCOPED(scoped_json)
    json_t *document = json_pack(
        "{s:s, s:o, s:s, s:o, s:o, s:o}", "event", tz_event_name(pending->events), "events",
        make_events(pending->events), "time", time, "host", make_text(pending->host), "subject",
        make_text(pending->subject), "text", make_text(pending->text));
    if (!document || (with_channels &&
                      (json_object_set_new(document, "time_ns", json_integer(pending->time_ns)) ||
                       json_object_set_new(document, "event_bits", json_integer(pending->events)) ||
                       json_object_set_new(document, "channels", json_integer(pending->channels)))))
        return tz_fail_nomem(err);
    TZ_SCOPED(tz_scoped_free) char *text = json_dumps(document, JSON_COMPACT);
    return text ? tz_buf_append(out, text, strlen(text), err) : tz_fail_nomem(err);
}

int tz_pending_read(struct tz_pending *ret, const void *data, size_t len, struct tz_error *err)
{
    TZ_SCOPED(scoped_json) json_t *document = json_loadb(data, len, 0, NULL);
    const char *host, *subject, *text;
    json_int_t time_ns, bits, channels;

    if (json_unpack(document, "{s:s, s:s, s:s, s:I, s:I, s:I}", "host", &host, "subject", &subject,
                    "text", &text, "time_ns", &time_ns, "event_bits", &bits, "channels", &channels))
        return tz_fail(err, TZ_CORRUPT, "it is not a notice");
    struct tz_pending pending = {.events = (unsigned)bits,
                                 .channels = (unsigned)channels,
                                 .time_ns = time_ns,
                                 .host = strdup(host),
                                 .subject = strdup(subject),
                                 .text = strdup(text)};
    if (!pending.host || !pending.subject || !pending.text) {
        tz_pending_clear(&pending);
        return tz_fail_nomem(err);
    }
    *ret = pending;
    return 0;
}

/* --- Mail --- */

static int put_base64(struct tz_buf *out, const void *data, size_t len, struct tz_error *err)
{
    unsigned char text[(LINE_BYTES + 2) / 3 * 4 + 1];

    int size = EVP_EncodeBlock(text, data, (int)len);
    return tz_buf_append(out, text, (size_t)size, err);
}

static bool is_plain(const char *text)
{
    for (; *text; text++)
        if (*text < ' ' || *text >= 0x7f)
            return false;
    return true;
}

/* So many bytes of text, at most max, that end with a whole character. */
static size_t cut(const char *text, size_t max)
{
    size_t len = strlen(text), used = 0, size;
    uint32_t code;

    while (used < len && (size = TZ_MAX(tz_utf8_decode(text + used, len - used, &code), 1U)) &&
           used + size <= max)
        used += size;
    return used;
}

/* RFC 2047, and nothing in it that could end the line. */
static int put_subject(struct tz_buf *out, const char *subject, struct tz_error *err)
{
    if (is_plain(subject))
        return tz_buf_printf(out, err, "Subject: %.200s\r\n", subject);
    if (tz_buf_printf(out, err, "Subject:"))
        return -1;
    for (const char *at = subject; *at;) {
        size_t len = cut(at, WORD_BYTES);
        if (tz_buf_printf(out, err, "%s =?utf-8?B?", at == subject ? "" : "\r\n") ||
            put_base64(out, at, len, err) || tz_buf_printf(out, err, "?="))
            return -1;
        at += len;
    }
    return tz_buf_printf(out, err, "\r\n");
}

static int put_date(struct tz_buf *out, int64_t time_ns, struct tz_error *err)
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t seconds = (time_t)(time_ns / TZ_SECOND_NS);
    struct tm tm = {0};

    (void)gmtime_r(&seconds, &tm);
    return tz_buf_printf(out, err, "Date: %s, %02d %s %04d %02d:%02d:%02d +0000\r\n",
                         days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900,
                         tm.tm_hour, tm.tm_min, tm.tm_sec);
}

static int put_addresses(struct tz_buf *out, const char *from, const struct tz_config_list *to,
                         struct tz_error *err)
{
    if (tz_buf_printf(out, err, "From: tozai <%s>\r\nTo:", from))
        return -1;
    for (size_t i = 0; i < to->count; i++)
        if (tz_buf_printf(out, err, "%s <%s>", i > 0 ? ",\r\n" : "", to->items[i]))
            return -1;
    return tz_buf_printf(out, err, "\r\n");
}

static int put_headers(struct tz_buf *out, const struct tz_pending *pending, const char *from,
                       struct tz_error *err)
{
    uint8_t random[16];
    char id[2 * sizeof(random) + 1];

    if (RAND_bytes(random, sizeof(random)) != 1)
        return tz_fail(err, TZ_FAILED, "no random numbers");
    tz_hex(id, random, sizeof(random));
    return tz_buf_printf(out, err,
                         "Message-ID: <%s@%s>\r\nAuto-Submitted: auto-generated\r\n"
                         "X-Tozai-Event: %s\r\nMIME-Version: 1.0\r\n"
                         "Content-Type: text/plain; charset=utf-8\r\n"
                         "Content-Transfer-Encoding: base64\r\n\r\n",
                         id, strrchr(from, '@') + 1, tz_event_name(pending->events));
}

int tz_pending_mail(const struct tz_pending *pending, const char *from,
                    const struct tz_config_list *to, struct tz_buf *out, struct tz_error *err)
{
    size_t len = strlen(pending->text);

    if (put_date(out, pending->time_ns, err) || put_addresses(out, from, to, err) ||
        put_subject(out, pending->subject, err) || put_headers(out, pending, from, err))
        return -1;
    for (size_t i = 0; i < len; i += LINE_BYTES)
        if (put_base64(out, pending->text + i, TZ_MIN(len - i, (size_t)LINE_BYTES), err) ||
            tz_buf_append(out, "\r\n", 2, err))
            return -1;
    return 0;
}
