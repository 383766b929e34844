#include "internal.h"

#include "tozai/util/time.h"

#include <stdarg.h>
#include <string.h>
#include <sys/utsname.h>

#include "tozai/util/banned.h"

/* What is told if "on" is not said. */
#define USUAL "failure, degraded, overdue, damage"

const char *tz_notify_setting(const struct tz_config *config, const char *key)
{
    return tz_config_pair_value(config->later, config->later_count, "notify", key, 0);
}

static void warn(const struct tz_notifier *notifier, const char *format, ...) TZ_PRINTF(2, 3);
static void warn(const struct tz_notifier *notifier, const char *format, ...)
{
    char text[2048];
    va_list args;

    if (!notifier->warn)
        return;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    notifier->warn(notifier->warn_arg, text);
}

static bool holds_word(const char *list, const char *word)
{
    size_t len = strlen(word);

    for (const char *at = list; *at; at += strcspn(at, ", \t")) {
        at += strspn(at, ", \t");
        if (strncmp(at, word, len) == 0 && strchr(", \t", at[len]))
            return true; /* strchr() finds the end, too */
    }
    return false;
}

bool tz_notify_wants(const struct tz_config *config, unsigned events)
{
    const char *on = tz_notify_setting(config, "on");

    for (unsigned event = 1; event <= TZ_EVENT_FAILURE; event <<= 1)
        if ((events & event) && holds_word(on ? on : USUAL, tz_event_name(event)))
            return true;
    return false;
}

/* Channels that failed in this call are not tried again in it: each costs up to half a minute. */
struct delivery {
    const struct tz_notifier *notifier;
    unsigned failed;
};

static void try_channel(struct delivery *delivery, struct tz_pending *pending, unsigned channel,
                        const char *name,
                        int (*deliver)(const struct tz_config *, const struct tz_pending *,
                                       struct tz_error *))
{
    struct tz_error why = {0};

    if (!(pending->channels & channel) || (delivery->failed & channel))
        return;
    if (deliver(delivery->notifier->config, pending, &why)) {
        delivery->failed |= channel;
        warn(delivery->notifier, "a notice could not be delivered by %s: %s", name, why.message);
    } else {
        pending->channels &= ~channel;
    }
}

/* Those that are configured. */
static unsigned channels_of(const struct tz_config *config)
{
    return (tz_notify_setting(config, "mail_to") ? TZ_NOTICE_MAIL : 0) |
           (tz_notify_setting(config, "webhook") ? TZ_NOTICE_WEBHOOK : 0);
}

static void deliver(void *arg, struct tz_pending *pending)
{
    struct delivery *delivery = arg;

    pending->channels &= channels_of(delivery->notifier->config);
    try_channel(delivery, pending, TZ_NOTICE_MAIL, "mail", tz_deliver_mail);
    try_channel(delivery, pending, TZ_NOTICE_WEBHOOK, "webhook", tz_deliver_webhook);
}

static int make_pending(struct tz_pending *ret, const struct tz_notice *notice,
                        struct tz_error *err)
{
    struct utsname system;
    const char *host = uname(&system) == 0 ? system.nodename : "";

    *ret = (struct tz_pending){
        .events = notice->events,
        .time_ns = tz_now(),
        .host = strdup(host),
        .subject = strndup(notice->subject, 500),
        .text = strndup(notice->text, TZ_NOTICE_MAX),
    };
    return ret->host && ret->subject && ret->text ? 0 : tz_fail_nomem(err);
}

void tz_notify(const struct tz_notifier *notifier, const struct tz_notice *notice)
{
    TZ_SCOPED(tz_scoped_pending) struct tz_pending pending = {0};
    struct delivery delivery = {.notifier = notifier};
    struct tz_error why = {0};
    unsigned channels = channels_of(notifier->config);

    if (!channels || !tz_notify_wants(notifier->config, notice->events))
        return;
    if ((channels & TZ_NOTICE_MAIL) && notice->topic &&
        tz_kept_is_told(notifier->config, notice->topic))
        channels &= ~TZ_NOTICE_MAIL;
    if (!channels)
        return;
    if (make_pending(&pending, notice, &why) == 0) {
        pending.channels = channels;
        deliver(&delivery, &pending);
        if (pending.channels == 0 || tz_kept_add(notifier->config, &pending, &why) == 0)
            return;
    }
    warn(notifier, "a notice is lost: %s", why.message);
}

void tz_notify_again(const struct tz_notifier *notifier)
{
    struct delivery delivery = {.notifier = notifier};
    struct tz_error why = {0};

    if (tz_kept_each(notifier->config, deliver, &delivery, &why))
        warn(notifier, "notices that are kept: %s", why.message);
}

void tz_notify_all_well(const struct tz_notifier *notifier)
{
    tz_kept_forget_topic(notifier->config);
}

void tz_notify_ping(const struct tz_notifier *notifier, enum tz_ping ping)
{
    static const char *const suffixes[] = {
        [TZ_PING_START] = "/start", [TZ_PING_SUCCESS] = "", [TZ_PING_FAILURE] = "/fail"};
    const char *url = tz_notify_setting(notifier->config, "ping_url");
    TZ_SCOPED(tz_scoped_buf) struct tz_buf whole = {0};
    struct tz_error why = {0};

    if (!url)
        return;
    /* Before a query, and without a second slash. */
    size_t len = strcspn(url, "?#"), base = len;
    while (suffixes[ping][0] && base > 0 && url[base - 1] == '/')
        base--;
    if (tz_buf_printf(&whole, &why, "%.*s%s%s", (int)base, url, suffixes[ping], url + len) ||
        tz_deliver_ping(notifier->config, (const char *)whole.data, &why))
        warn(notifier, "the ping URL: %s", why.message);
}
