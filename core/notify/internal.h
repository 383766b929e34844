/*
 * The parts of notifying; only core/notify/ sees it.
 */
#ifndef TOZAI_CORE_NOTIFY_INTERNAL_H
#define TOZAI_CORE_NOTIFY_INTERNAL_H

#include "tozai/core/notify.h"

#define TZ_NOTICE_MAIL    1U
#define TZ_NOTICE_WEBHOOK 2U
#define TZ_NOTICE_MAX     ((size_t)65536) /* bytes of text */

/* One that is to be delivered, now or again. */
struct tz_pending {
    unsigned events;
    unsigned channels; /* that it must still go to */
    int64_t time_ns;
    char *host, *subject, *text;
};
void tz_pending_clear(struct tz_pending *pending);
static inline TZ_UNUSED void tz_scoped_pending(struct tz_pending *pending)
{
    tz_pending_clear(pending);
}

/* The word of the worst of the events. */
const char *tz_event_name(unsigned events);

/* The JSON object that a webhook gets, and with channels the one that a file keeps. */
int tz_pending_write(const struct tz_pending *pending, bool with_channels, struct tz_buf *out,
                     struct tz_error *err) TZ_MUST_CHECK;
int tz_pending_read(struct tz_pending *ret, const void *data, size_t len,
                    struct tz_error *err) TZ_MUST_CHECK;
/* A mail: headers, and the text in base64. */
int tz_pending_mail(const struct tz_pending *pending, const char *from,
                    const struct tz_config_list *to, struct tz_buf *out,
                    struct tz_error *err) TZ_MUST_CHECK;

/* deliver.c */
int tz_deliver_mail(const struct tz_config *config, const struct tz_pending *pending,
                    struct tz_error *err) TZ_MUST_CHECK;
int tz_deliver_webhook(const struct tz_config *config, const struct tz_pending *pending,
                       struct tz_error *err) TZ_MUST_CHECK;
/* Ask for a URL; the answer is thrown away. */
int tz_deliver_ping(const struct tz_config *config, const char *url,
                    struct tz_error *err) TZ_MUST_CHECK;

/* kept.c: one file for each, in <state>/notices. */
int tz_kept_add(const struct tz_config *config, const struct tz_pending *pending,
                struct tz_error *err) TZ_MUST_CHECK;
/* Call it for each, oldest first.  It changes pending->channels; one without any is removed, as is
 * one that is too old or cannot be read. */
typedef void tz_kept_fn(void *arg, struct tz_pending *pending);
int tz_kept_each(const struct tz_config *config, tz_kept_fn *found, void *arg,
                 struct tz_error *err) TZ_MUST_CHECK;
/* Was a mail of this topic sent within a day, and none of another since?  If not it is noted. */
bool tz_kept_is_told(const struct tz_config *config, const char *topic);
void tz_kept_forget_topic(const struct tz_config *config);

const char *tz_notify_setting(const struct tz_config *config, const char *key);

#endif
