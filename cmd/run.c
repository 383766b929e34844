/* tozai run: what cron calls. */
#include "progress.h"
#include "run_result.h"
#include "status.h"

#include "tozai/util/banned.h"

static const struct tz_option options[] = {
    {.name = "all", .help = "back up every source, due or not"},
};

struct running {
    struct tz_context *context;
    struct tz_config *config;
    struct tz_progress *progress;
};

static void clear_running(struct running *running)
{
    tz_progress_finish(running->progress);
    tz_config_free(running->config);
}

static void warn(void *arg, const char *text)
{
    struct running *running = arg;

    tz_warn_text(running->context, text);
}

static void show_step(void *arg, const char *what)
{
    struct running *running = arg;

    tz_note(running->context, "%s", what);
}

static void show_backup(void *arg, const struct tz_backup_progress *progress)
{
    struct running *running = arg;

    const struct tz_progress_state state = {
        .phase = "backup",
        .name = progress->source,
        .files = progress->files,
        .bytes_done = progress->bytes,
        .bytes_total = progress->expected_bytes,
    };
    tz_progress_update(running->progress, &state);
}

static void show_verify(void *arg, const struct tz_verify_progress *progress)
{
    struct running *running = arg;

    const struct tz_progress_state state = {
        .phase = "stores",
        .name = progress->store,
        .files = progress->objects,
        .bytes_done = progress->bytes,
        .bytes_total = progress->bytes_total,
    };
    tz_progress_update(running->progress, &state);
}

static const char *setting(const struct running *running, const char *key)
{
    const struct tz_config *config = running->config;

    return tz_config_pair_value(config->later, config->later_count, "run", key, 0);
}

/* Somebody may not be able to write there: no reason to have failed. */
static void write_status(struct running *running, const struct tz_status *status)
{
    struct tz_error why = {0};

    if (tz_status_write(status, setting(running, "prometheus"), NULL, &why))
        tz_warn(running->context, "%s", why.message);
    if (tz_status_write(status, NULL, setting(running, "html"), &why))
        tz_warn(running->context, "%s", why.message);
}

static void write_unknown(struct running *running, const char *text)
{
    struct tz_error why = {0};

    if (tz_status_write_unknown(text, setting(running, "prometheus"), NULL, &why))
        tz_warn(running->context, "%s", why.message);
    if (tz_status_write_unknown(text, NULL, setting(running, "html"), &why))
        tz_warn(running->context, "%s", why.message);
}

static int report(void *arg, struct tz_repo *repo, const struct tz_run_result *result,
                  const struct tz_status *status, struct tz_error *err)
{
    struct running *running = arg;
    const struct tz_session session = {.config = running->config, .repo = repo};

    tz_clear_line(running->context);
    if (result->status.outcome == TZ_OUTCOME_OK || status->offline)
        write_status(running, status);
    else if (result->outcome != TZ_OUTCOME_INTERRUPTED)
        write_unknown(running, result->why.message);
    if (!running->context->json) {
        tz_run_print(&session, result);
        return 0;
    }
    TZ_SCOPED(tz_scoped_json) json_t *document = tz_run_json(&session, result);
    return tz_json_print(document, err);
}

static enum tz_exit exit_of(enum tz_outcome outcome)
{
    switch (outcome) {
    case TZ_OUTCOME_NONE:
    case TZ_OUTCOME_OK:
        return TZ_EXIT_OK;
    case TZ_OUTCOME_DEGRADED:
        return TZ_EXIT_WARNINGS;
    case TZ_OUTCOME_DAMAGE:
        return TZ_EXIT_DAMAGE;
    case TZ_OUTCOME_INTERRUPTED:
        return TZ_EXIT_INTERRUPTED;
    case TZ_OUTCOME_FAILED:
        break;
    }
    return TZ_EXIT_FAILED;
}

static int run(struct tz_context *context, struct tz_error *err)
{
    TZ_SCOPED(clear_running) struct running running = {.context = context};
    struct tz_run_options wanted = {
        .all = tz_option_given(context, "all"),
        .step = show_step,
        .backup_progress = show_backup,
        .verify_progress = show_verify,
        .warn = warn,
        .report = report,
        .arg = &running,
    };
    struct tz_run_result result = {0};

    if (tz_context_config(context, &running.config, err) ||
        tz_progress_new(&running.progress, context, err))
        return -1;
    wanted.config = running.config;
    int code = tz_run(&wanted, &result, err) ? -1 : (int)exit_of(result.outcome);
    tz_run_result_clear(&result);
    return code;
}

const struct tz_command tz_command_run = {
    .name = "run",
    .summary = "back up what is due, then sync, prune and verify: for cron",
    .arguments = "",
    TZ_OPTIONS(options),
    .run = run,
};
