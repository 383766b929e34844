#include "status_chart.h"

#include "tozai/util/time.h"

#include <inttypes.h>

#include "tozai/util/banned.h"

/* More points than a screen has columns tell nothing. */
#define CURVE_POINTS 400
#define CURVE_WIDTH  400.0
#define CURVE_HEIGHT 100.0
/* Further to the right a label does not fit, in percent. */
#define LABEL_MAX 86

struct span {
    int64_t from, to;
};

/* Where a moment lies on the line, in percent. */
static double place(const struct span *span, int64_t time_ns)
{
    double part = (double)(time_ns - span->from) / (double)(span->to - span->from);

    return part < 0 ? 0 : part > 1 ? 100 : 100 * part;
}

static void put_hole(struct tz_page *page, const struct span *span,
                     const struct tz_status_slot *slot, int64_t end_ns)
{
    double from = place(span, slot->begin_ns), to = place(span, end_ns);

    tz_page_put(page,
                "<i class=\"hole\" style=\"left:%.3f%%;width:%.3f%%\" title=\"no recovery point:"
                " %04d-%02d-%02d\"></i>",
                from, to - from, slot->year, slot->month, slot->day);
}

static bool is_in_missing_week(const struct tz_status_source *source, int64_t time_ns)
{
    for (size_t i = 0; i < TZ_STATUS_WEEKS; i++) {
        const struct tz_status_slot *week = &source->weeks[i];
        if (week->missing && time_ns >= week->begin_ns && time_ns < week->end_ns)
            return true;
    }
    return false;
}

static void put_holes(struct tz_page *page, const struct span *span,
                      const struct tz_status_source *source)
{
    for (size_t i = 0; i < TZ_STATUS_WEEKS; i++) {
        if (source->weeks[i].missing)
            put_hole(page, span, &source->weeks[i], source->weeks[i].end_ns);
    }
    for (size_t i = 0; i < TZ_STATUS_DAYS; i++) {
        const struct tz_status_slot *day = &source->days[i];
        if (day->missing && !is_in_missing_week(source, day->begin_ns))
            put_hole(page, span, day, day->end_ns);
    }
}

static void put_overdue(struct tz_page *page, const struct span *span,
                        const struct tz_status_source *source, int64_t now_ns)
{
    double from = place(span, source->due_ns), to = place(span, now_ns);

    if (source->last && source->state == TZ_STATUS_OVERDUE)
        tz_page_put(page,
                    "<i class=\"hole\" style=\"left:%.3f%%;width:%.3f%%\" title=\"overdue\"></i>",
                    from, to - from);
}

static void put_points(struct tz_page *page, const struct span *span,
                       const struct tz_status_source *source)
{
    for (size_t i = 0; i < source->point_count; i++) {
        const struct tz_status_point *point = &source->points[i];
        char time[TZ_TIME_TEXT], size[TZ_SIZE_TEXT];

        if (!point->complete || point->time_ns < span->from || point->time_ns > span->to)
            continue;
        tz_time_format_local(time, point->time_ns);
        tz_size_format(size, point->bytes);
        tz_page_put(page, "<i class=\"point%s\" style=\"left:%.3f%%\" title=\"%s, %s%s\"></i>",
                    point->degraded ? " warn" : "", place(span, point->time_ns), time, size,
                    point->degraded ? ", not in every store" : "");
    }
}

void tz_chart_line(struct tz_page *page, const struct tz_status_source *source, int64_t now_ns)
{
    struct span span = {source->weeks[0].begin_ns,
                        TZ_MAX(now_ns, source->days[TZ_STATUS_DAYS - 1].end_ns)};

    tz_page_put(page, "<p class=\"name\">Recovery points</p><div class=\"line\">");
    for (size_t i = 1; i < TZ_STATUS_WEEKS; i++)
        tz_page_put(page, "<i class=\"week\" style=\"left:%.3f%%\"></i>",
                    place(&span, source->weeks[i].begin_ns));
    put_holes(page, &span, source);
    put_overdue(page, &span, source, now_ns);
    put_points(page, &span, source);
    tz_page_put(page, "</div><div class=\"axis\">");
    for (size_t i = 0; i < TZ_STATUS_WEEKS && place(&span, source->weeks[i].begin_ns) < LABEL_MAX;
         i++)
        tz_page_put(page, "<span style=\"left:%.3f%%\">%02d-%02d</span>",
                    place(&span, source->weeks[i].begin_ns), source->weeks[i].month,
                    source->weeks[i].day);
    tz_page_put(page, "</div>\n");
}

static void put_slots(struct tz_page *page, const char *name, const struct tz_status_slot *slots,
                      size_t count)
{
    tz_page_put(page, "<div class=\"slots\" role=\"group\" aria-label=\"%s\">", name);
    for (size_t i = 0; i < count; i++) {
        const struct tz_status_slot *slot = &slots[i];
        tz_page_put(page, "<div class=\"slot%s%s\"><b>",
                    slot->points > 0 ? " there"
                    : slot->missing  ? " missing"
                                     : "",
                    i + 1 == count ? " now" : "");
        if (slot->points > 0)
            tz_page_put(page, "%u", slot->points);
        else
            tz_page_put(page, "%s", slot->missing ? "none" : "&nbsp;");
        tz_page_put(page, "</b>%02d-%02d</div>", slot->month, slot->day);
    }
    tz_page_put(page, "</div>");
}

void tz_chart_calendar(struct tz_page *page, const struct tz_status_source *source)
{
    put_slots(page, "the last 7 days", source->days, TZ_STATUS_DAYS);
    put_slots(page, "the last 4 weeks", source->weeks, TZ_STATUS_WEEKS);
    tz_page_put(page, "<p class=\"key\"><i style=\"background:var(--good)\"></i>there"
                      "<i style=\"background:var(--warn)\"></i>not in every store"
                      "<i style=\"background:var(--bad)\"></i>hole &middot; days above, weeks"
                      " (from Monday) below</p>\n");
}

/* The points that can be restored, oldest first, not too many; returns how many. */
static size_t choose(const struct tz_status_source *source,
                     const struct tz_status_point *chosen[CURVE_POINTS])
{
    size_t total = 0, seen = 0, count = 0;

    for (size_t i = 0; i < source->point_count; i++)
        total += source->points[i].complete;
    size_t step = (total + CURVE_POINTS - 1) / CURVE_POINTS;
    for (size_t i = source->point_count; i-- > 0;) {
        if (!source->points[i].complete)
            continue;
        seen++;
        /* The newest one always. */
        if ((total - seen) % step == 0 && count < CURVE_POINTS)
            chosen[count++] = &source->points[i];
    }
    return count;
}

static void put_curve(struct tz_page *page, const struct tz_status_point *const *points,
                      size_t count, uint64_t most)
{
    struct span span = {points[0]->time_ns, points[count - 1]->time_ns};

    for (size_t i = 0; i < count; i++) {
        double x = place(&span, points[i]->time_ns) / 100 * CURVE_WIDTH;
        double y = CURVE_HEIGHT - 92 * (double)points[i]->bytes / (double)most;
        tz_page_put(page, "%s%.2f,%.2f", i > 0 ? " " : "", x, y);
    }
}

void tz_chart_growth(struct tz_page *page, const struct tz_status_source *source)
{
    const struct tz_status_point *points[CURVE_POINTS];
    size_t count = choose(source, points);
    uint64_t most = 1;

    if (count < 2 || points[0]->time_ns == points[count - 1]->time_ns)
        return;
    for (size_t i = 0; i < count; i++)
        most = TZ_MAX(most, points[i]->bytes);
    tz_page_put(page, "<p class=\"name\">Size</p><svg viewBox=\"0 0 400 100\""
                      " preserveAspectRatio=\"none\" role=\"img\" aria-label=\"size over time\">"
                      "<polygon points=\"0,100 ");
    put_curve(page, points, count, most);
    tz_page_put(page, " 400,100\"/><polyline points=\"");
    put_curve(page, points, count, most);
    tz_page_put(page, "\"/></svg><div class=\"ends\"><span>");
    tz_page_time(page, points[0]->time_ns);
    tz_page_put(page, " &middot; ");
    tz_page_size(page, points[0]->bytes);
    tz_page_put(page, "</span><span>");
    tz_page_size(page, points[count - 1]->bytes);
    tz_page_put(page, "</span></div>\n");
}
