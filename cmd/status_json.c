#include "status.h"

#include <string.h>

#include "tozai/util/banned.h"

static json_t *make_slots(const struct tz_status_slot *slots, size_t count)
{
    TZ_SCOPED(tz_scoped_json) json_t *list = json_array();

    for (size_t i = 0; list && i < count; i++) {
        char date[16];
        (void)snprintf(date, sizeof(date), "%04d-%02d-%02d", slots[i].year % 10000,
                       slots[i].month % 100, slots[i].day % 100);
        if (json_array_append_new(list, json_pack("{s:s, s:I, s:b}", "from", date, "generations",
                                                  (json_int_t)slots[i].points, "missing",
                                                  slots[i].missing)))
            return NULL;
    }
    return TZ_TAKE(list);
}

static json_t *make_rules(const struct tz_status_source *source)
{
    TZ_SCOPED(tz_scoped_json) json_t *list = json_array();

    for (size_t i = 0; list && i < source->rule_count; i++) {
        const struct tz_status_rule *rule = &source->rules[i];
        bool span = rule->span_ns > 0;
        if (json_array_append_new(
                list, json_pack("{s:s, s:o, s:o, s:I}", "rule", rule->name, "wanted",
                                span ? json_null() : json_integer(rule->wanted), "span_seconds",
                                span ? json_integer(rule->span_ns / TZ_SECOND_NS) : json_null(),
                                "generations", (json_int_t)rule->kept)))
            return NULL;
    }
    return TZ_TAKE(list);
}

static json_t *make_number(bool known, int64_t value)
{
    return known ? json_integer(value) : json_null();
}

static json_t *make_ratio(double value)
{
    return value > 0 ? json_real(value) : json_null();
}

static json_t *make_source(const struct tz_status_source *source)
{
    const struct tz_status_point *last = source->last;
    int64_t age_s = source->age_ns / TZ_SECOND_NS;
    bool any = last != NULL;

    /* Without a log all since the last generation is lost at once. */
    return json_pack(
        "{s:o, s:s, s:s, s:o, s:o, s:o, s:o, s:[], s:o, s:o, s:o, s:I, s:o, s:I, s:I, s:I,"
        " s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
        "name", tz_json_text(source->name, strlen(source->name)), "type", source->type, "state",
        tz_status_state_name(source->state), "last_generation",
        tz_json_time(any ? last->time_ns : 0), "last_generation_id",
        any ? tz_json_hex(last->id, TZ_HASH_SIZE) : json_null(), "age_seconds",
        make_number(any, age_s), "rpo_seconds", make_number(any, age_s), "windows", "due",
        tz_json_time(source->due_ns), "last_drill", tz_json_time(source->drilled_ns),
        "last_verified", tz_json_time(source->verified_ns), "generations",
        (json_int_t)source->point_count, "bytes", make_number(any, any ? (int64_t)last->bytes : 0),
        "total_bytes", (json_int_t)source->total_bytes, "total_new_bytes",
        (json_int_t)source->total_new_bytes, "total_stored_bytes",
        (json_int_t)source->total_stored_bytes, "dedup_ratio", make_ratio(source->dedup),
        "compression_ratio", make_ratio(source->compression), "growth_week_bytes",
        make_number(source->knows_week, source->growth_week), "growth_month_bytes",
        make_number(source->knows_month, source->growth_month), "days",
        make_slots(source->days, TZ_STATUS_DAYS), "weeks",
        make_slots(source->weeks, TZ_STATUS_WEEKS), "rules", make_rules(source),
        "minimum_generations",
        source->rule_count > 0 ? json_integer(source->minimum) : json_null());
}

static json_t *make_store(const struct tz_status_store *store)
{
    const struct tz_catalog_summary *held = &store->held;

    return json_pack(
        "{s:s, s:o, s:b, s:o, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:I}", "name",
        store->name, "location", tz_json_text(store->location, strlen(store->location)),
        "reachable", store->reachable, "why",
        store->reachable ? json_null() : tz_json_text(store->why, strlen(store->why)), "ok",
        tz_status_store_ok(store), "objects", (json_int_t)held->objects, "bytes",
        (json_int_t)held->bytes, "behind_objects", (json_int_t)held->behind_objects, "behind_bytes",
        (json_int_t)held->behind_bytes, "damaged_objects", (json_int_t)held->damaged,
        "locked_bytes", (json_int_t)held->locked_bytes, "last_verified",
        tz_json_time(held->check_ns), "last_level",
        held->check_ns ? json_string(held->check_level) : json_null(), "last_bad",
        make_number(held->check_ns != 0, (int64_t)held->check_bad), "oldest_verified",
        tz_json_time(held->oldest_verified_ns), "unverified_objects", (json_int_t)held->unverified);
}

json_t *tz_status_json(const struct tz_status *status)
{
    TZ_SCOPED(tz_scoped_json) json_t *sources = json_array();
    TZ_SCOPED(tz_scoped_json) json_t *stores = json_array();

    if (!sources || !stores)
        return NULL;
    for (size_t i = 0; i < status->source_count; i++)
        if (json_array_append_new(sources, make_source(&status->sources[i])))
            return NULL;
    for (size_t i = 0; i < status->store_count; i++)
        if (json_array_append_new(stores, make_store(&status->stores[i])))
            return NULL;
    return json_pack("{s:o, s:b, s:b, s:O, s:O}", "time", tz_json_time(status->now_ns), "ok",
                     !status->warn, "offline", status->offline, "sources", sources, "stores",
                     stores);
}
