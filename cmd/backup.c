/* tozai backup: makes generations. */
#include "common.h"
#include "progress.h"

#include "tozai/core/verify.h"
#include "tozai/util/hex.h"
#include "tozai/util/interrupt.h"
#include "tozai/util/time.h"

#include <inttypes.h>
#include <string.h>

#include "tozai/util/banned.h"

#define SHORT_ID 12

static const struct tz_option options[] = {
    {.name = "dry-run", .help = "say what would be stored, and store nothing"},
    {.name = "tag",
     .metavar = "K=V",
     .repeated = true,
     .help = "keep this pair with the generation"},
};

/* All that the sources of one run have in common, and what has become of them so far. */
struct run {
    struct tz_context *context;
    struct tz_session session;
    struct tz_tag *tags;
    uint32_t tag_count;
    bool dry_run;
    struct tz_progress *progress;
    json_t *generations;
    json_t *failures;
    bool failed, interrupted, warned;
};

static void clear_run(struct run *run)
{
    for (uint32_t i = 0; i < run->tag_count; i++) {
        free(run->tags[i].key);
        free(run->tags[i].value);
    }
    free(run->tags);
    tz_progress_finish(run->progress);
    json_decref(run->generations);
    json_decref(run->failures);
    tz_session_close(&run->session);
}

static int read_tags(struct run *run, struct tz_error *err)
{
    const char *text;
    size_t count = 0;

    while (tz_option_nth(run->context, "tag", count))
        count++;
    run->tags = calloc(count + 1, sizeof(run->tags[0]));
    if (!run->tags)
        return tz_fail_nomem(err);
    for (size_t i = 0; (text = tz_option_nth(run->context, "tag", i)); i++) {
        const char *equals = strchr(text, '=');
        if (!equals || equals == text)
            return tz_fail(err, TZ_INVALID, "--tag '%s' is not KEY=VALUE", text);
        if (strncmp(text, TZ_TAG_OWN, strlen(TZ_TAG_OWN)) == 0)
            return tz_fail(err, TZ_INVALID, "--tag '%s': keys that begin with '%s' are tozai's own",
                           text, TZ_TAG_OWN);
        struct tz_tag *tag = &run->tags[run->tag_count++];
        tag->key = strndup(text, (size_t)(equals - text));
        tag->value = strdup(equals + 1);
        if (!tag->key || !tag->value)
            return tz_fail_nomem(err);
    }
    return 0;
}

/* Unknown names are found before anything is done. */
static int check_names(const struct run *run, const struct tz_config *config, struct tz_error *err)
{
    const struct tz_config_source *source;

    for (size_t i = 0; i < run->context->argument_count; i++) {
        if (tz_need_source(config, run->context->arguments[i], &source, err))
            return -1;
    }
    if (config->source_count > 0)
        return 0;
    (void)tz_fail(err, TZ_INVALID, "'%s' names no source", config->file);
    return tz_hint(err, "add a section [source NAME] with a type and a path");
}

static int start(struct run *run, struct tz_error *err)
{
    struct tz_context *context = run->context;
    TZ_SCOPED(tz_scoped_config) struct tz_config *config = NULL;
    const struct tz_repo_options wanted = {
        .exclusive = true,
        .writes = !tz_option_given(context, "dry-run"),
        .spool = true,
        .any_order = true,
    };

    if (read_tags(run, err) || tz_context_config(context, &config, err) ||
        check_names(run, config, err) || tz_session_open(&run->session, context, &wanted, err) ||
        tz_progress_new(&run->progress, context, err))
        return -1;
    run->dry_run = tz_option_given(context, "dry-run");
    run->generations = json_array();
    run->failures = json_array();
    return run->generations && run->failures ? 0 : tz_fail_nomem(err);
}

/* A store that was out gets what it lacks first, so that the new generation can be whole there. */
static void level_stores(struct run *run)
{
    const struct tz_sync_options wanted = {.repo = run->session.repo};
    struct tz_sync_result result = {0};
    struct tz_error why = {0};

    if (run->dry_run)
        return;
    if (tz_sync(&wanted, &result, &why))
        tz_warn(run->context, "the stores could not be brought level: %s", why.message);
    else if (result.objects > 0)
        tz_note(run->context, "brought the stores level: %" PRIu64 " objects copied",
                result.objects);
}

static void show_progress(void *arg, const struct tz_backup_progress *progress)
{
    struct run *run = arg;

    const struct tz_progress_state state = {
        .phase = "backup",
        .name = progress->source,
        .files = progress->files,
        .bytes_done = progress->bytes,
        .bytes_total = progress->expected_bytes,
    };
    tz_progress_update(run->progress, &state);
}

static const char *state_of(const struct run *run, const struct tz_backup_result *result)
{
    return run->dry_run ? "dry-run" : tz_state_text(&run->session, result->stores);
}

static int add_json(struct run *run, const struct tz_backup_result *result, struct tz_error *err)
{
    return tz_json_append(run->generations,
                          tz_json_backup(&run->session, result, state_of(run, result)), err);
}

static int print_text(const struct run *run, const struct tz_backup_result *result,
                      struct tz_error *err)
{
    const struct tz_head *head = &result->head;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf missing = {0};
    char id[2 * TZ_HASH_SIZE + 1], bytes[TZ_SIZE_TEXT], fresh[TZ_SIZE_TEXT], stored[TZ_SIZE_TEXT];

    tz_hex(id, head->id, TZ_HASH_SIZE);
    tz_size_format(bytes, head->bytes);
    tz_size_format(fresh, head->new_bytes);
    tz_size_format(stored, head->stored_bytes);
    if (tz_store_names(&run->session, result->stores, false, &missing, err))
        return -1;
    (void)printf("%s: ", head->source);
    if (run->dry_run)
        (void)printf("would be ");
    else
        (void)printf("%.*s, ", SHORT_ID, id);
    (void)printf("%" PRIu64 " %s, %s; %s new, %s stored, %.1f s", head->entries,
                 tz_plural(head->entries, "entry", "entries"), bytes, fresh, stored,
                 result->seconds);
    if (missing.len > 0 && !run->dry_run)
        (void)printf("; %s: missing in %s", state_of(run, result), (const char *)missing.data);
    (void)printf("%s\n", run->dry_run ? "; nothing was stored" : "");
    return 0;
}

static int report(struct run *run, const struct tz_backup_result *result, struct tz_error *err)
{
    bool degraded = !run->dry_run && strcmp(state_of(run, result), "complete") != 0;

    run->warned |= degraded || result->warnings_total > 0;
    if (run->context->json)
        return add_json(run, result, err);
    tz_clear_line(run->context);
    tz_path_warnings_show(run->context, result->warnings, result->warning_count,
                          result->warnings_total);
    return print_text(run, result, err);
}

/* One source that fails does not stop the others. */
static int note_failure(struct run *run, const char *source, const struct tz_error *why,
                        struct tz_error *err)
{
    run->failed = true;
    run->interrupted = why->kind == TZ_INTERRUPTED;
    tz_report(run->context, why);
    return tz_json_append(run->failures,
                          json_pack("{s:s, s:{s:s, s:o, s:o}}", "source", source, "error", "code",
                                    tz_error_code(why->kind), "message",
                                    tz_json_text(why->message, strlen(why->message)), "hint",
                                    tz_json_text(why->hint, strlen(why->hint))),
                          err);
}

static int back_up(struct run *run, const struct tz_config_source *source, struct tz_error *err)
{
    struct tz_backup_result result = {0};
    struct tz_error why = {0};
    const struct tz_backup_options wanted = {
        .repo = run->session.repo,
        .source = source,
        .tags = run->tags,
        .tag_count = run->tag_count,
        .dry_run = run->dry_run,
        .progress = show_progress,
        .progress_arg = run,
    };

    if (tz_interrupt_check(&why) || tz_backup(&wanted, &result, &why))
        return note_failure(run, source->name, &why, err);
    int failed = report(run, &result, err);
    tz_backup_result_clear(&result);
    return failed;
}

/* A source that is named twice is backed up once. */
static bool is_repeated(const struct tz_context *context, size_t index)
{
    for (size_t i = 0; i < index && index < context->argument_count; i++) {
        if (strcmp(context->arguments[i], context->arguments[index]) == 0)
            return true;
    }
    return false;
}

static int back_up_all(struct run *run, struct tz_error *err)
{
    const struct tz_config *config = run->session.config;
    bool named = run->context->argument_count > 0;
    size_t count = named ? run->context->argument_count : config->source_count;

    for (size_t i = 0; i < count && !run->interrupted; i++) {
        const struct tz_config_source *source = &config->sources[i];
        if (named && tz_need_source(config, run->context->arguments[i], &source, err))
            return -1;
        if (!is_repeated(run->context, i) && back_up(run, source, err))
            return -1;
    }
    return 0;
}

static uint32_t usable_stores(const struct run *run)
{
    struct tz_mirror *mirror = tz_repo_mirror(run->session.repo);
    uint32_t usable = 0;

    for (size_t i = 0; i < tz_mirror_count(mirror); i++)
        usable |= (uint32_t)tz_mirror_usable(mirror, i) << i;
    return usable;
}

/* Why stores that could be used when the backups began have not got all of it. */
static void warn_of_lost_stores(const struct run *run, uint32_t usable)
{
    struct tz_mirror *mirror = tz_repo_mirror(run->session.repo);
    struct tz_error why = {0};

    for (size_t i = 0; i < tz_mirror_count(mirror); i++)
        if ((usable >> i & 1) && tz_mirror_error(mirror, i, &why))
            tz_warn(run->context, "store '%s' has failed: %s%s%s", tz_mirror_name(mirror, i),
                    why.message, why.hint[0] ? "; " : "", why.hint);
}

static int print_json(struct run *run, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_json)
    json_t *document = json_pack("{s:O}", "generations", run->generations);

    if (document && json_array_size(run->failures) > 0 &&
        json_object_set(document, "failed", run->failures))
        return tz_fail_nomem(err);
    return tz_json_print(document, err);
}

static int run(struct tz_context *context, struct tz_error *err)
{
    TZ_SCOPED(clear_run) struct run run = {.context = context};

    if (start(&run, err))
        return -1;
    level_stores(&run);
    uint32_t usable = usable_stores(&run);
    int failed = back_up_all(&run, err);
    warn_of_lost_stores(&run, usable);
    if (failed || (context->json && print_json(&run, err)))
        return -1;
    if (run.interrupted)
        return TZ_EXIT_INTERRUPTED;
    return run.failed ? TZ_EXIT_FAILED : run.warned ? TZ_EXIT_WARNINGS : TZ_EXIT_OK;
}

const struct tz_command tz_command_backup = {
    .name = "backup",
    .summary = "make a generation of each source",
    .arguments = "[SOURCE...]",
    TZ_OPTIONS(options),
    .max_arguments = TZ_MANY,
    .complete = TZ_COMPLETE_SOURCE,
    .complete_rest = TZ_COMPLETE_SOURCE,
    .run = run,
};
