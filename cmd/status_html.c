#include "status_chart.h"

#include <inttypes.h>

#include "tozai/util/banned.h"

static void put_badge(struct tz_page *page, const char *kind, const char *text)
{
    tz_page_put(page, "<span class=\"badge %s\">%s</span>", kind, text);
}

static void put_term(struct tz_page *page, const char *term)
{
    tz_page_put(page, "<dt>%s</dt><dd>", term);
}

static void end_term(struct tz_page *page)
{
    tz_page_put(page, "</dd>");
}

static void put_time_term(struct tz_page *page, const char *term, int64_t time_ns)
{
    put_term(page, term);
    tz_page_time(page, time_ns);
    end_term(page);
}

static void put_source_badge(struct tz_page *page, enum tz_status_state state)
{
    static const struct {
        const char *kind, *text;
    } badges[] = {
        [TZ_STATUS_OK] = {"good", "ok"},
        [TZ_STATUS_DEGRADED] = {"warn", "degraded"},
        [TZ_STATUS_OVERDUE] = {"bad", "overdue"},
        [TZ_STATUS_LEFT] = {"left", "no longer configured"},
    };

    put_badge(page, badges[state].kind, badges[state].text);
}

static void put_growth(struct tz_page *page, const struct tz_status_source *source)
{
    char growth[TZ_GROWTH_TEXT];

    if (source->knows_week) {
        tz_growth_format(growth, source->growth_week);
        tz_page_put(page, ", %s in 7 days", growth);
    }
    if (source->knows_month) {
        tz_growth_format(growth, source->growth_month);
        tz_page_put(page, ", %s in 30 days", growth);
    }
}

static void put_rules(struct tz_page *page, const struct tz_status_source *source)
{
    char text[TZ_RULE_TEXT];

    if (source->rule_count == 0)
        return;
    put_term(page, "keeps");
    for (size_t i = 0; i < source->rule_count; i++) {
        tz_rule_format(text, &source->rules[i]);
        tz_page_put(page, "%s, ", text);
    }
    tz_page_put(page, "at least %u", source->minimum);
    end_term(page);
}

static void put_source_numbers(struct tz_page *page, const struct tz_status_source *source)
{
    char age[TZ_AGE_TEXT];

    tz_page_put(page, "<dl>");
    put_term(page, "last");
    if (source->last) {
        tz_age_format(age, source->age_ns);
        tz_page_time(page, source->last->time_ns);
        tz_page_put(page, " (%s old)", age);
    } else {
        tz_page_put(page, "no generation yet");
    }
    end_term(page);
    if (source->last && source->due_ns)
        put_time_term(page, "next due", source->due_ns);
    if (source->last) {
        put_term(page, "size");
        tz_page_size(page, source->last->bytes);
        put_growth(page, source);
        end_term(page);
        put_term(page, "stored");
        tz_page_size(page, source->total_stored_bytes);
        tz_page_put(page, " for %zu %s of ", source->point_count,
                    tz_plural(source->point_count, "generation", "generations"));
        tz_page_size(page, source->total_bytes);
        end_term(page);
    }
    if (source->dedup > 0 && source->compression > 0) {
        put_term(page, "ratios");
        tz_page_put(page, "deduplication %.1f, compression %.1f", source->dedup,
                    source->compression);
        end_term(page);
    }
    put_rules(page, source);
    put_time_term(page, "content verified", source->verified_ns);
    put_time_term(page, "restore tried", source->drilled_ns);
    tz_page_put(page, "</dl>");
}

static void put_source(struct tz_page *page, const struct tz_status_source *source, int64_t now_ns)
{
    tz_page_put(page, "<section class=\"card\"><div class=\"top\"><h3>");
    tz_page_text(page, source->name);
    tz_page_put(page, "</h3><span class=\"soft\">");
    tz_page_text(page, source->type);
    tz_page_put(page, "</span>");
    put_source_badge(page, source->state);
    tz_page_put(page, "</div><div class=\"grid\"><div>");
    tz_chart_line(page, source, now_ns);
    tz_chart_calendar(page, source);
    tz_page_put(page, "</div><div>");
    tz_chart_growth(page, source);
    put_source_numbers(page, source);
    tz_page_put(page, "</div></div></section>\n");
}

static void put_store_badge(struct tz_page *page, const struct tz_status_store *store)
{
    if (!store->reachable)
        put_badge(page, "bad", "out of reach");
    else if (store->held.damaged > 0)
        put_badge(page, "bad", "damaged");
    else if (store->held.behind_objects > 0)
        put_badge(page, "warn", "behind");
    else
        put_badge(page, "good", "ok");
}

static void put_objects(struct tz_page *page, const char *term, uint64_t objects, uint64_t bytes)
{
    put_term(page, term);
    tz_page_put(page, "%" PRIu64 " %s, ", objects, tz_plural(objects, "object", "objects"));
    tz_page_size(page, bytes);
    end_term(page);
}

static void put_check(struct tz_page *page, const struct tz_catalog_summary *held)
{
    put_term(page, "last verified");
    tz_page_time(page, held->check_ns);
    if (held->check_ns) {
        tz_page_put(page, " (");
        tz_page_text(page, held->check_level);
        tz_page_put(page, ", %" PRIu64 " bad)", held->check_bad);
    }
    end_term(page);
    if (!held->oldest_verified_ns)
        return;
    put_term(page, "oldest check");
    tz_page_time(page, held->oldest_verified_ns);
    if (held->unverified > 0)
        tz_page_put(page, " (%" PRIu64 " %s never checked)", held->unverified,
                    tz_plural(held->unverified, "object was", "objects were"));
    end_term(page);
}

static void put_store(struct tz_page *page, const struct tz_status_store *store)
{
    const struct tz_catalog_summary *held = &store->held;

    tz_page_put(page, "<section class=\"card\"><div class=\"top\"><h3>");
    tz_page_text(page, store->name);
    tz_page_put(page, "</h3><span class=\"soft\">");
    tz_page_text(page, store->location);
    tz_page_put(page, "</span>");
    put_store_badge(page, store);
    tz_page_put(page, "</div><dl style=\"margin-top:8px\">");
    if (!store->reachable) {
        put_term(page, "why");
        tz_page_text(page, store->why);
        end_term(page);
    }
    put_objects(page, "holds", held->objects, held->bytes);
    if (held->behind_objects > 0)
        put_objects(page, "lacks", held->behind_objects, held->behind_bytes);
    if (held->damaged > 0) {
        put_term(page, "damaged");
        tz_page_put(page, "%" PRIu64, held->damaged);
        end_term(page);
    }
    if (held->locked_bytes > 0) {
        put_term(page, "locked");
        tz_page_size(page, held->locked_bytes);
        end_term(page);
    }
    put_check(page, held);
    tz_page_put(page, "</dl></section>\n");
}

int tz_status_page(const struct tz_status *status, struct tz_buf *out, struct tz_error *err)
{
    struct tz_page page = {.out = out, .err = err};

    tz_page_begin(&page, status->warn ? "tozai: look here" : "tozai: all is well");
    tz_page_put(&page, "<header><h1>tozai</h1>");
    put_badge(&page, status->warn ? "bad" : "good", status->warn ? "look here" : "all is well");
    tz_page_put(&page, "<span class=\"soft\">as of ");
    tz_page_time(&page, status->now_ns);
    tz_page_put(&page, "</span></header>\n");
    if (status->unknown[0]) {
        tz_page_put(&page, "<section class=\"card\"><p>Nothing could be found out: ");
        tz_page_text(&page, status->unknown);
        tz_page_put(&page, "</p></section>\n");
        return tz_page_end(&page);
    }
    if (status->offline)
        tz_page_put(&page, "<section class=\"card\"><p>No store could be asked. This is what the"
                           " catalog of the machine remembers.</p></section>\n");
    tz_page_put(&page, "<h2>Stores</h2>\n<div class=\"cards\">\n");
    for (size_t i = 0; i < status->store_count; i++)
        put_store(&page, &status->stores[i]);
    tz_page_put(&page, "</div>\n<h2>Sources</h2>\n");
    for (size_t i = 0; i < status->source_count; i++)
        put_source(&page, &status->sources[i], status->now_ns);
    return tz_page_end(&page);
}
