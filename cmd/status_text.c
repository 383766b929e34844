#include "status.h"

#include <inttypes.h>
#include <string.h>

#include "tozai/util/banned.h"

#define LABEL "  %-7s"

void tz_age_format(char *text, int64_t age_ns)
{
    static const struct {
        int64_t seconds;
        const char *one, *many;
    } units[] = {
        {86400, "day", "days"},
        {3600, "hour", "hours"},
        {60, "minute", "minutes"},
        {1, "second", "seconds"},
    };
    int64_t seconds = age_ns / TZ_SECOND_NS;
    size_t i = 0;

    /* Two of a unit tell more than one of the next. */
    while (i + 1 < TZ_COUNT(units) && seconds < 2 * units[i].seconds)
        i++;
    int64_t count = seconds / units[i].seconds;
    (void)snprintf(text, TZ_AGE_TEXT, "%" PRId64 " %s", count,
                   count == 1 ? units[i].one : units[i].many);
}

void tz_rule_format(char *text, const struct tz_status_rule *rule)
{
    static const struct {
        int64_t seconds;
        char letter;
    } units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    int64_t seconds = rule->span_ns / TZ_SECOND_NS;
    size_t i = 0;

    if (rule->wanted > 0) {
        (void)snprintf(text, TZ_RULE_TEXT, "%u of %u %s", rule->kept, rule->wanted, rule->name);
        return;
    }
    while (i + 1 < TZ_COUNT(units) && seconds % units[i].seconds != 0)
        i++;
    (void)snprintf(text, TZ_RULE_TEXT, "%u %s %" PRId64 "%c", rule->kept, rule->name,
                   seconds / units[i].seconds, units[i].letter);
}

void tz_growth_format(char *text, int64_t bytes)
{
    uint64_t size = bytes < 0 ? 0 - (uint64_t)bytes : (uint64_t)bytes;

    text[0] = bytes < 0 ? '-' : '+';
    tz_size_format(text + 1, size);
}

static void print_slots(const char *label, const struct tz_status_slot *slots, size_t count)
{
    (void)printf(LABEL, label);
    for (size_t i = 0; i < count; i++)
        (void)printf(" %02d-%02d", slots[i].month, slots[i].day);
    (void)printf("\n" LABEL, "");
    for (size_t i = 0; i < count; i++) {
        if (slots[i].points > 0)
            (void)printf(" %5u", slots[i].points);
        else
            (void)printf(" %5s", slots[i].missing ? "none" : ".");
    }
    (void)putchar('\n');
}

static void print_rules(const struct tz_status_source *source)
{
    char text[TZ_RULE_TEXT];

    if (source->rule_count == 0)
        return;
    (void)printf(LABEL " ", "keeps");
    for (size_t i = 0; i < source->rule_count; i++) {
        tz_rule_format(text, &source->rules[i]);
        (void)printf("%s, ", text);
    }
    (void)printf("at least %u\n", source->minimum);
}

static void print_last(const struct tz_status_source *source)
{
    char time[TZ_TIME_TEXT], due[TZ_TIME_TEXT], age[TZ_AGE_TEXT];

    if (source->last) {
        tz_time_format_local(time, source->last->time_ns);
        tz_age_format(age, source->age_ns);
        (void)printf(LABEL " %s (%s ago)%s\n", "last", time, age,
                     source->last->degraded ? ", not in every store" : "");
    } else {
        (void)printf(LABEL " no generation yet\n", "last");
    }
    if (source->last && source->due_ns > 0) {
        tz_time_format_local(due, source->due_ns);
        (void)printf(LABEL " %s\n", "due", due);
    }
}

static void print_sizes(const struct tz_status_source *source)
{
    char bytes[TZ_SIZE_TEXT], total[TZ_SIZE_TEXT], stored[TZ_SIZE_TEXT], growth[TZ_GROWTH_TEXT];

    if (!source->last)
        return;
    tz_size_format(bytes, source->last->bytes);
    tz_size_format(total, source->total_bytes);
    tz_size_format(stored, source->total_stored_bytes);
    (void)printf(LABEL " %s", "size", bytes);
    if (source->knows_week) {
        tz_growth_format(growth, source->growth_week);
        (void)printf(", %s in 7 days", growth);
    }
    if (source->knows_month) {
        tz_growth_format(growth, source->growth_month);
        (void)printf(", %s in 30 days", growth);
    }
    (void)printf("\n" LABEL " %s for %s", "stored", stored, total);
    if (source->dedup > 0 && source->compression > 0)
        (void)printf(" (deduplication %.1f, compression %.1f)", source->dedup, source->compression);
    (void)putchar('\n');
}

static void print_source(const struct tz_status_source *source)
{
    tz_print_name(source->name, strlen(source->name));
    (void)printf(" (%s): %s\n", source->type,
                 source->state == TZ_STATUS_LEFT ? "no longer configured"
                                                 : tz_status_state_name(source->state));
    print_last(source);
    print_rules(source);
    if (source->point_count > 0) {
        print_slots("days", source->days, TZ_STATUS_DAYS);
        print_slots("weeks", source->weeks, TZ_STATUS_WEEKS);
    }
    print_sizes(source);
    (void)putchar('\n');
}

static void print_moment(const char *what, int64_t time_ns)
{
    char time[TZ_TIME_TEXT];

    if (time_ns == 0) {
        (void)printf(LABEL " never\n", what);
        return;
    }
    tz_time_format_local(time, time_ns);
    (void)printf(LABEL " %s\n", what, time);
}

static void print_store(const struct tz_status_store *store)
{
    const struct tz_catalog_summary *held = &store->held;
    char bytes[TZ_SIZE_TEXT], behind[TZ_SIZE_TEXT], locked[TZ_SIZE_TEXT];

    tz_size_format(bytes, held->bytes);
    tz_size_format(behind, held->behind_bytes);
    tz_size_format(locked, held->locked_bytes);
    (void)printf("%s%s%s%s: %s\n", store->name, store->location[0] ? " (" : "", store->location,
                 store->location[0] ? ")" : "",
                 !store->reachable           ? "out of reach"
                 : held->behind_objects > 0  ? "behind"
                 : tz_status_store_ok(store) ? "ok"
                                             : "damaged");
    if (!store->reachable)
        (void)printf(LABEL " %s\n", "why", store->why);
    (void)printf(LABEL " %" PRIu64 " %s, %s%s%s\n", "holds", held->objects,
                 tz_plural(held->objects, "object", "objects"), bytes,
                 held->locked_bytes > 0 ? ", locked " : "", held->locked_bytes > 0 ? locked : "");
    if (held->behind_objects > 0)
        (void)printf(LABEL " %" PRIu64 " %s, %s\n", "lacks", held->behind_objects,
                     tz_plural(held->behind_objects, "object", "objects"), behind);
    if (held->damaged > 0)
        (void)printf(LABEL " %" PRIu64 " %s\n", "damaged", held->damaged,
                     tz_plural(held->damaged, "object", "objects"));
    print_moment("checked", held->check_ns);
}

void tz_status_print(const struct tz_status *status)
{
    if (status->offline)
        (void)printf("No store could be asked: this is what the catalog remembers.\n\n");
    for (size_t i = 0; i < status->source_count; i++)
        print_source(&status->sources[i]);
    for (size_t i = 0; i < status->store_count; i++)
        print_store(&status->stores[i]);
}
