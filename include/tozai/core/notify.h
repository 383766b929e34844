/*
 * Telling people and machines what happened: mail by SMTP, a webhook, and a URL that is pinged.
 *
 * A notice that cannot be delivered is never an error: it is kept as a file in the state directory
 * (which works when no store can be reached, too) and tried again by the next run, for a week.
 * Each delivery takes at most half a minute.  Errors name no URL, since those can hold secrets.
 *
 * Threads: any; each call is by itself.  Processes: several may keep notices at once.
 */
#ifndef TOZAI_CORE_NOTIFY_H
#define TOZAI_CORE_NOTIFY_H

#include "tozai/core/repo.h"

/* What "on" of [notify] chooses from; the worst last. */
enum tz_event {
    TZ_EVENT_RESTORE = 1,
    TZ_EVENT_DRILL = 2,
    TZ_EVENT_DEGRADED = 4,
    TZ_EVENT_OVERDUE = 8,
    TZ_EVENT_DAMAGE = 16,
    TZ_EVENT_FAILURE = 32,
};

struct tz_notice {
    unsigned events;     /* all that it is about */
    const char *subject; /* one line */
    const char *text;    /* lines */
    /* Mails of one topic are sent once a day, as long as no other comes between; NULL: always. */
    const char *topic;
};

struct tz_notifier {
    const struct tz_config *config;
    tz_warn_fn *warn; /* what could not be delivered; may be NULL */
    void *warn_arg;
};

/* Does [notify] ask for one of these events? */
bool tz_notify_wants(const struct tz_config *config, unsigned events);
/* Deliver it where that is asked for. */
void tz_notify(const struct tz_notifier *notifier, const struct tz_notice *notice);
/* Try those again that are kept. */
void tz_notify_again(const struct tz_notifier *notifier);
/* The next mail of any topic is sent: all was well meanwhile. */
void tz_notify_all_well(const struct tz_notifier *notifier);

enum tz_ping { TZ_PING_START, TZ_PING_SUCCESS, TZ_PING_FAILURE };
/* Ask for the ping_url; one that fails is not kept, as it would be wrong later. */
void tz_notify_ping(const struct tz_notifier *notifier, enum tz_ping ping);

#endif
