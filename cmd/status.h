/*
 * The status in the forms in which it is shown.
 */
#ifndef TOZAI_CMD_STATUS_H
#define TOZAI_CMD_STATUS_H

#include "common.h"

#include "tozai/core/status.h"
#include "tozai/util/time.h"

void tz_status_print(const struct tz_status *status);
/* The document of interface and manual; NULL without memory. */
json_t *tz_status_json(const struct tz_status *status);
/* Text-file metrics for Prometheus. */
int tz_status_metrics(const struct tz_status *status, struct tz_buf *out,
                      struct tz_error *err) TZ_MUST_CHECK;
/* One page that needs nothing else. */
int tz_status_page(const struct tz_status *status, struct tz_buf *out,
                   struct tz_error *err) TZ_MUST_CHECK;
/* Write metrics and page to these files, atomically; NULL: not. */
int tz_status_write(const struct tz_status *status, const char *metrics, const char *page,
                    struct tz_error *err) TZ_MUST_CHECK;
/* The same when nothing can be found out, for this reason: what was written before must not go on
 * saying that all is well.  NULL paths are allowed. */
int tz_status_write_unknown(const char *why, const char *metrics, const char *page,
                            struct tz_error *err) TZ_MUST_CHECK;

/* "3 days", "5 hours" */
#define TZ_AGE_TEXT 32
void tz_age_format(char *text, int64_t age_ns);
/* "7 of 7 daily", "12 within 90d" */
#define TZ_RULE_TEXT 64
void tz_rule_format(char *text, const struct tz_status_rule *rule);
/* "+1.2 MiB" */
#define TZ_GROWTH_TEXT (TZ_SIZE_TEXT + 1)
void tz_growth_format(char *text, int64_t bytes);

#endif
