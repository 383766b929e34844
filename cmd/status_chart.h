/*
 * The drawn parts of the status page.
 */
#ifndef TOZAI_CMD_STATUS_CHART_H
#define TOZAI_CMD_STATUS_CHART_H

#include "page.h"
#include "status.h"

/* The recovery points of the last weeks on a line, with holes. */
void tz_chart_line(struct tz_page *page, const struct tz_status_source *source, int64_t now_ns);
/* The last days and weeks as fields of a calendar. */
void tz_chart_calendar(struct tz_page *page, const struct tz_status_source *source);
/* How the size grew from point to point. */
void tz_chart_growth(struct tz_page *page, const struct tz_status_source *source);

#endif
