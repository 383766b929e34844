#include "status.h"

#include <inttypes.h>
#include <string.h>

#include "tozai/util/banned.h"

#define PREFIX "tozai_"

/* One family of metrics: its name, and the value of each source or store. */
struct source_metric {
    const char *name, *help;
    bool (*value)(const struct tz_status_source *source, double *ret);
};
struct store_metric {
    const char *name, *help;
    bool (*value)(const struct tz_status_store *store, double *ret);
};

static bool give(double value, double *ret)
{
    *ret = value;
    return true;
}

/* A moment in seconds; what never was has no sample. */
static bool give_time(int64_t time_ns, double *ret)
{
    *ret = (double)time_ns / (double)TZ_SECOND_NS;
    return time_ns != 0;
}

static bool source_state(const struct tz_status_source *source, double *ret)
{
    return give(source->state == TZ_STATUS_OK || source->state == TZ_STATUS_LEFT, ret);
}
static bool source_overdue(const struct tz_status_source *source, double *ret)
{
    return give(source->state == TZ_STATUS_OVERDUE, ret);
}
static bool source_degraded(const struct tz_status_source *source, double *ret)
{
    return give(source->last && source->last->degraded, ret);
}
static bool source_last(const struct tz_status_source *source, double *ret)
{
    return give_time(source->last ? source->last->time_ns : 0, ret);
}
static bool source_due(const struct tz_status_source *source, double *ret)
{
    return give_time(source->due_ns, ret);
}
static bool source_drilled(const struct tz_status_source *source, double *ret)
{
    return give_time(source->drilled_ns, ret);
}
static bool source_verified(const struct tz_status_source *source, double *ret)
{
    return give_time(source->verified_ns, ret);
}
static bool source_generations(const struct tz_status_source *source, double *ret)
{
    return give((double)source->point_count, ret);
}
static bool source_bytes(const struct tz_status_source *source, double *ret)
{
    *ret = source->last ? (double)source->last->bytes : 0;
    return source->last != NULL;
}
static bool source_entries(const struct tz_status_source *source, double *ret)
{
    *ret = source->last ? (double)source->last->entries : 0;
    return source->last != NULL;
}
static bool source_warnings(const struct tz_status_source *source, double *ret)
{
    *ret = source->last ? (double)source->last->warnings : 0;
    return source->last != NULL;
}
static bool source_stored(const struct tz_status_source *source, double *ret)
{
    return give((double)source->total_stored_bytes, ret);
}

static const struct source_metric source_metrics[] = {
    {"source_ok", "1 if nothing is wrong with the source.", source_state},
    {"source_overdue", "1 if a generation is overdue.", source_overdue},
    {"source_degraded", "1 if the last generation is in fewer stores than wanted.",
     source_degraded},
    {"source_last_generation_timestamp_seconds", "When the last generation was made.", source_last},
    {"source_due_timestamp_seconds", "When the next generation is due.", source_due},
    {"source_last_drill_timestamp_seconds", "When a restore was last tried.", source_drilled},
    {"source_last_verified_timestamp_seconds", "When the content was last verified.",
     source_verified},
    {"source_generations", "How many generations there are.", source_generations},
    {"source_bytes", "Size of the last generation.", source_bytes},
    {"source_entries", "Entries of the last generation.", source_entries},
    {"source_warnings", "Warnings of the last generation.", source_warnings},
    {"source_stored_bytes", "What all generations took in one store when they were made.",
     source_stored},
};

static bool store_reachable(const struct tz_status_store *store, double *ret)
{
    return give(store->reachable, ret);
}
static bool store_objects(const struct tz_status_store *store, double *ret)
{
    return give((double)store->held.objects, ret);
}
static bool store_bytes(const struct tz_status_store *store, double *ret)
{
    return give((double)store->held.bytes, ret);
}
static bool store_behind(const struct tz_status_store *store, double *ret)
{
    return give((double)store->held.behind_objects, ret);
}
static bool store_behind_bytes(const struct tz_status_store *store, double *ret)
{
    return give((double)store->held.behind_bytes, ret);
}
static bool store_damaged(const struct tz_status_store *store, double *ret)
{
    return give((double)store->held.damaged, ret);
}
static bool store_locked(const struct tz_status_store *store, double *ret)
{
    return give((double)store->held.locked_bytes, ret);
}
static bool store_checked(const struct tz_status_store *store, double *ret)
{
    return give_time(store->held.check_ns, ret);
}
static bool store_oldest(const struct tz_status_store *store, double *ret)
{
    return give_time(store->held.oldest_verified_ns, ret);
}

static bool store_unverified(const struct tz_status_store *store, double *ret)
{
    return give((double)store->held.unverified, ret);
}

static const struct store_metric store_metrics[] = {
    {"store_reachable", "1 if the store can be used.", store_reachable},
    {"store_objects", "Objects in the store.", store_objects},
    {"store_bytes", "Bytes in the store.", store_bytes},
    {"store_behind_objects", "Objects that another store has and this one lacks.", store_behind},
    {"store_behind_bytes", "Bytes of these.", store_behind_bytes},
    {"store_damaged_objects", "Objects that are known to be damaged.", store_damaged},
    {"store_locked_bytes", "Bytes of packs that are locked.", store_locked},
    {"store_last_verified_timestamp_seconds", "When the store was last checked.", store_checked},
    {"store_oldest_verified_timestamp_seconds",
     "When the object was checked whose check is the oldest.", store_oldest},
    {"store_unverified_objects", "Objects that were never checked.", store_unverified},
};

static int put_label(struct tz_buf *out, const char *name, const char *text, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_json) json_t *clean = tz_json_text(text, strlen(text));

    if (!clean)
        return tz_fail_nomem(err);
    if (tz_buf_printf(out, err, "%s=\"", name))
        return -1;
    for (const char *at = json_string_value(clean); *at; at++) {
        const char *escaped = *at == '\\'   ? "\\\\"
                              : *at == '"'  ? "\\\""
                              : *at == '\n' ? "\\n"
                                            : NULL;
        if (escaped ? tz_buf_printf(out, err, "%s", escaped) : tz_buf_append(out, at, 1, err))
            return -1;
    }
    return tz_buf_append(out, "\"", 1, err);
}

static int put_head(struct tz_buf *out, const char *name, const char *help, struct tz_error *err)
{
    return tz_buf_printf(out, err, "# HELP " PREFIX "%s %s\n# TYPE " PREFIX "%s gauge\n", name,
                         help, name);
}

static int put_source(struct tz_buf *out, const struct source_metric *metric,
                      const struct tz_status_source *source, struct tz_error *err)
{
    double value;

    if (!metric->value(source, &value))
        return 0;
    return tz_buf_printf(out, err, PREFIX "%s{", metric->name) ||
                   put_label(out, "source", source->name, err) ||
                   tz_buf_printf(out, err, "} %.17g\n", value)
               ? -1
               : 0;
}

static int put_store(struct tz_buf *out, const struct store_metric *metric,
                     const struct tz_status_store *store, struct tz_error *err)
{
    double value;

    if (!metric->value(store, &value))
        return 0;
    return tz_buf_printf(out, err, PREFIX "%s{", metric->name) ||
                   put_label(out, "store", store->name, err) || tz_buf_append(out, ",", 1, err) ||
                   put_label(out, "location", store->location, err) ||
                   tz_buf_printf(out, err, "} %.17g\n", value)
               ? -1
               : 0;
}

static int put_general(struct tz_buf *out, const struct tz_status *status, struct tz_error *err)
{
    if (put_head(out, "status_ok", "1 if nothing is wrong anywhere.", err) ||
        tz_buf_printf(out, err, PREFIX "status_ok %d\n", !status->warn) ||
        put_head(out, "status_timestamp_seconds", "When this was found.", err))
        return -1;
    return tz_buf_printf(out, err, PREFIX "status_timestamp_seconds %.17g\n",
                         (double)status->now_ns / (double)TZ_SECOND_NS);
}

int tz_status_metrics(const struct tz_status *status, struct tz_buf *out, struct tz_error *err)
{
    if (put_general(out, status, err))
        return -1;
    for (size_t i = 0; i < TZ_COUNT(source_metrics); i++) {
        if (put_head(out, source_metrics[i].name, source_metrics[i].help, err))
            return -1;
        for (size_t k = 0; k < status->source_count; k++)
            if (put_source(out, &source_metrics[i], &status->sources[k], err))
                return -1;
    }
    for (size_t i = 0; i < TZ_COUNT(store_metrics); i++) {
        if (put_head(out, store_metrics[i].name, store_metrics[i].help, err))
            return -1;
        for (size_t k = 0; k < status->store_count; k++)
            if (put_store(out, &store_metrics[i], &status->stores[k], err))
                return -1;
    }
    return 0;
}
