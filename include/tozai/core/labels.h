/*
 * Labels of generations: which of them are the ones a calendar keeps.
 *
 * The newest generation of a calendar day is that day's "daily", the newest one of an ISO week
 * (Monday to Sunday) that week's "weekly"; of each, so many of the latest days and weeks count that
 * have a generation at all.
 */
#ifndef TOZAI_CORE_LABELS_H
#define TOZAI_CORE_LABELS_H

#include "tozai/core/config.h"

#define TZ_LABEL_DAILY  1U
#define TZ_LABEL_WEEKLY 2U

struct tz_label_rules {
    unsigned daily;       /* how many days */
    unsigned weekly;      /* how many weeks */
    const char *timezone; /* "Asia/Tokyo"; NULL: the system's.  Borrowed from the configuration */
};

/* What [retention SOURCE] says, or else [retention], or else 7 days and 4 weeks. */
void tz_label_rules(struct tz_label_rules *ret, const struct tz_config *config, const char *source);

/*
 * Give each of count generations of one source, newest first, its labels.  Days begin at midnight
 * of the time zone, which is set for the process meanwhile: no other thread may use local times or
 * the environment.
 */
int tz_label_generations(const struct tz_label_rules *rules, const int64_t *times_ns, size_t count,
                         unsigned *ret_labels, struct tz_error *err) TZ_MUST_CHECK;

#endif
