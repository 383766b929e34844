/* tozai prune: applies the retention policy and reclaims space. */
#include "common.h"
#include "table.h"

#include "tozai/core/lock.h"
#include "tozai/core/prune.h"
#include "tozai/util/hex.h"
#include "tozai/util/time.h"

#include <inttypes.h>
#include <string.h>

#include "tozai/util/banned.h"

static const struct tz_option options[] = {
    {.name = "dry-run", .letter = 'n', .help = "show what would be done, and do nothing"},
    {.name = "grace",
     .metavar = "DURATION",
     .help = "how long packs that nothing needs are kept before they are deleted (1d)"},
    {.name = "live",
     .metavar = "PERCENT",
     .help = "write packs anew of which less than this is needed (60; 0: none)"},
    {.name = "without",
     .metavar = "NAME",
     .complete = TZ_COMPLETE_STORE,
     .help = "go on although this store cannot be reached; it stays as it is"},
    {.name = "force", .help = "go on although the clock looks wrong"},
};

static const struct {
    unsigned reason;
    const char *label;
} labels[] = {
    {TZ_KEEP_LAST, "last"},         {TZ_KEEP_HOURLY, "hourly"},   {TZ_KEEP_DAILY, "daily"},
    {TZ_KEEP_WEEKLY, "weekly"},     {TZ_KEEP_MONTHLY, "monthly"}, {TZ_KEEP_YEARLY, "yearly"},
    {TZ_KEEP_WITHIN, "within"},     {TZ_KEEP_WINDOW, "window"},   {TZ_KEEP_MINIMUM, "minimum"},
    {TZ_KEEP_VERIFIED, "verified"}, {TZ_KEEP_HELD, "held"},       {TZ_KEEP_UNKNOWN, "unfinished"},
};
#define LABELS_MAX (TZ_COUNT(labels) + 2)

static size_t labels_of(const struct tz_prune_generation *generation, const char *ret[LABELS_MAX])
{
    size_t count = 0;

    for (size_t i = 0; i < TZ_COUNT(labels); i++)
        if (generation->reasons & labels[i].reason)
            ret[count++] = labels[i].label;
    if (generation->unconfigured)
        ret[count++] = "unconfigured";
    if (generation->locked_until_ns)
        ret[count++] = "locked";
    return count;
}

static json_t *make_kept(const struct tz_prune_generation *generation)
{
    TZ_SCOPED(tz_scoped_json) json_t *list = json_array();
    const char *texts[LABELS_MAX];
    size_t count = labels_of(generation, texts);

    for (size_t i = 0; i < count; i++)
        if (!list || json_array_append_new(list, json_string(texts[i])))
            return NULL;
    return json_pack("{s:o, s:o, s:o, s:O, s:o}", "id",
                     tz_json_hex(generation->origin, TZ_HASH_SIZE), "source",
                     tz_json_text(generation->source, strlen(generation->source)), "time",
                     tz_json_time(generation->time_ns), "labels", list, "locked_until",
                     tz_json_time(generation->locked_until_ns));
}

static int print_json(const struct tz_prune_result *result, bool dry_run, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_json) json_t *kept = json_array();
    TZ_SCOPED(tz_scoped_json) json_t *forgotten = json_array();
    TZ_SCOPED(tz_scoped_json) json_t *broken = json_array();

    for (size_t i = 0; i < result->kept_count; i++)
        if (tz_json_append(kept, make_kept(&result->kept[i]), err))
            return -1;
    for (size_t i = 0; i < result->forgotten_count; i++)
        if (tz_json_append(forgotten, tz_json_hex(result->forgotten[i].origin, TZ_HASH_SIZE), err))
            return -1;
    for (size_t i = 0; i < result->broken_count; i++)
        if (tz_json_append(broken, tz_json_text(result->broken[i], strlen(result->broken[i])), err))
            return -1;
    TZ_SCOPED(tz_scoped_json)
    json_t *document = json_pack(
        "{s:b, s:O, s:O, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:O}", "dry_run", dry_run, "kept", kept,
        "forgotten", forgotten, "tombstoned_packs", (json_int_t)result->tombstoned_packs,
        "waiting_packs", (json_int_t)result->waiting_packs, "deleted_packs",
        (json_int_t)result->deleted_packs, "rewritten_packs", (json_int_t)result->rewritten_packs,
        "freed_bytes", (json_int_t)result->freed_bytes, "locked_packs",
        (json_int_t)result->locked_packs, "locked_until", tz_json_time(result->locked_until_ns),
        "broken", broken);
    return tz_json_print(document, err);
}

static int add_row(struct tz_table *table, const struct tz_prune_generation *generation, bool kept,
                   struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf why = {0};
    char id[TZ_HASH_TEXT], time[TZ_TIME_TEXT];
    const char *texts[LABELS_MAX];
    size_t count = labels_of(generation, texts);

    for (size_t i = 0; i < count; i++)
        if (tz_buf_printf(&why, err, "%s%s", i ? ", " : "", texts[i]))
            return -1;
    if (tz_buf_append(&why, "", 1, err))
        return -1;
    tz_hex(id, generation->origin, TZ_HASH_SIZE);
    id[12] = '\0';
    tz_time_format_local(time, generation->time_ns);
    const char *cells[] = {generation->source, id, time, kept ? "kept" : "forgotten",
                           (const char *)why.data};
    return tz_table_add(table, cells, err);
}

static int print_table(const struct tz_prune_result *result, struct tz_error *err)
{
    static const struct tz_column columns[] = {
        {.title = "SOURCE"}, {.title = "ID"},  {.title = "TIME"},
        {.title = "STATE"},  {.title = "WHY"},
    };
    TZ_SCOPED(tz_scoped_table) struct tz_table *table = NULL;

    if (tz_table_new(&table, columns, TZ_COUNT(columns), err))
        return -1;
    for (size_t i = 0; i < result->kept_count; i++)
        if (add_row(table, &result->kept[i], true, err))
            return -1;
    for (size_t i = 0; i < result->forgotten_count; i++)
        if (add_row(table, &result->forgotten[i], false, err))
            return -1;
    tz_table_print(table);
    return 0;
}

static int print_text(const struct tz_prune_result *result, struct tz_error *err)
{
    char bytes[TZ_SIZE_TEXT], until[TZ_TIME_TEXT];

    if (print_table(result, err))
        return -1;
    tz_size_format(bytes, result->freed_bytes);
    (void)printf("%zu kept, %zu forgotten; %" PRIu64 " %s condemned, %" PRIu64 " deleted, %s freed",
                 result->kept_count, result->forgotten_count, result->tombstoned_packs,
                 tz_plural(result->tombstoned_packs, "pack", "packs"), result->deleted_packs,
                 bytes);
    if (result->rewritten_packs > 0)
        (void)printf(", %" PRIu64 " written anew", result->rewritten_packs);
    (void)putchar('\n');
    if (result->waiting_packs > result->locked_packs)
        (void)printf(
            "%" PRIu64 " %s for the end of the grace period\n",
            result->waiting_packs - result->locked_packs,
            tz_plural(result->waiting_packs - result->locked_packs, "pack waits", "packs wait"));
    if (result->locked_packs > 0) {
        tz_time_format_local(until, result->locked_until_ns);
        (void)printf("%" PRIu64 " %s locked, the last until %s\n", result->locked_packs,
                     tz_plural(result->locked_packs, "pack is", "packs are"), until);
    }
    return 0;
}

/* A whole number of percent. */
static int parse_percent(const char *text, unsigned *ret, struct tz_error *err)
{
    char *end = NULL;
    unsigned long value = strtoul(text, &end, 10);

    if (text[0] < '0' || text[0] > '9' || *end != '\0' || value > 100)
        return tz_fail(err, TZ_INVALID, "--live: '%s' is no percentage", text);
    *ret = (unsigned)value;
    return 0;
}

static int read_options(struct tz_context *context, const struct tz_session *session,
                        struct tz_prune_options *ret, struct tz_error *err)
{
    const char *grace = tz_option_value(context, "grace");
    const char *live = tz_option_value(context, "live");

    ret->dry_run = tz_option_given(context, "dry-run");
    ret->force = tz_option_given(context, "force");
    ret->grace_ns = TZ_PRUNE_GRACE_NS;
    ret->live_percent = TZ_PRUNE_LIVE;
    ret->sources = (const char *const *)context->arguments;
    ret->source_count = context->argument_count;
    if (grace && tz_duration_parse(grace, &ret->grace_ns, err))
        return tz_while(err, "--grace");
    if (live && parse_percent(live, &ret->live_percent, err))
        return -1;
    for (size_t i = 0; i < ret->source_count; i++)
        if (tz_session_check_source(session, ret->sources[i], err))
            return -1;
    return tz_store_option(context, session->config, "without", &ret->without, err);
}

static int run(struct tz_context *context, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_session) struct tz_session session = {0};
    TZ_SCOPED(tz_prune_result_clear) struct tz_prune_result result = {0};
    const struct tz_repo_options opening = {
        .exclusive = true, .need_operator = true, .purpose = "prune"};
    struct tz_prune_options wanted = {0};

    if (tz_session_open(&session, context, &opening, err) ||
        read_options(context, &session, &wanted, err))
        return -1;
    wanted.repo = session.repo;
    wanted.locked = tz_lock_find;
    wanted.locked_arg = session.repo;
    if (tz_prune(&wanted, &result, err))
        return -1;
    tz_clear_line(context);
    if (context->json ? print_json(&result, wanted.dry_run, err) : print_text(&result, err))
        return -1;
    for (size_t i = 0; i < result.broken_count; i++)
        tz_warn(context, "a generation lacks packs: %s; 'tozai verify' says which",
                result.broken[i]);
    return result.broken_count > 0 ? TZ_EXIT_DAMAGE : TZ_EXIT_OK;
}

const struct tz_command tz_command_prune = {
    .name = "prune",
    .summary = "forget generations that no policy keeps, and reclaim their space",
    .arguments = "[SOURCE...]",
    .max_arguments = TZ_MANY,
    .complete = TZ_COMPLETE_SOURCE,
    .complete_rest = TZ_COMPLETE_SOURCE,
    TZ_OPTIONS(options),
    .run = run,
};
