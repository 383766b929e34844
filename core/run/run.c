#include "hook.h"
#include "internal.h"

#include "tozai/util/file.h"
#include "tozai/util/interrupt.h"
#include "tozai/util/time.h"

#include <stdarg.h>
#include <string.h>

#include "tozai/util/banned.h"

/* Room for what a hook has said. */
#define TEXT_SIZE (TZ_HOOK_OUTPUT + 2048)

const char *tz_outcome_name(enum tz_outcome outcome)
{
    static const char *const names[] = {
        [TZ_OUTCOME_NONE] = "not due",      [TZ_OUTCOME_OK] = "ok",
        [TZ_OUTCOME_DEGRADED] = "degraded", [TZ_OUTCOME_DAMAGE] = "damage",
        [TZ_OUTCOME_FAILED] = "failed",     [TZ_OUTCOME_INTERRUPTED] = "interrupted",
    };

    return (size_t)outcome < TZ_COUNT(names) ? names[outcome] : "unknown";
}

const char *tz_run_setting(const struct tz_run *run, const char *section, const char *key)
{
    return tz_config_pair_value(run->config->later, run->config->later_count, section, key, 0);
}

int64_t tz_run_duration(const struct tz_run *run, const char *section, const char *key,
                        int64_t otherwise_ns)
{
    const char *text = tz_run_setting(run, section, key);
    int64_t ret_ns;

    /* The configuration was checked: it is one. */
    return text && tz_duration_parse(text, &ret_ns, NULL) == 0 ? ret_ns : otherwise_ns;
}

void tz_run_warn(const struct tz_run *run, const char *format, ...)
{
    char text[TEXT_SIZE];
    va_list args;

    if (!run->options->warn)
        return;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    run->options->warn(run->options->arg, text);
}

void tz_run_step(const struct tz_run *run, const char *format, ...)
{
    char text[TEXT_SIZE];
    va_list args;

    if (!run->options->step)
        return;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    run->options->step(run->options->arg, text);
}

void tz_run_note(struct tz_run *run, struct tz_run_part *part, enum tz_outcome outcome,
                 const struct tz_error *why)
{
    struct tz_run_result *result = run->result;

    part->outcome = outcome;
    if (why)
        part->why = *why;
    /* The first failure is the reason that is told, a worse one later on takes its place. */
    if (outcome > result->outcome && why)
        result->why = *why;
    result->outcome = TZ_MAX(result->outcome, outcome);
}

int tz_run_open(struct tz_run *run, bool offline, struct tz_error *err)
{
    const struct tz_repo_options wanted = {
        .config = run->config,
        .no_prompt = run->options->no_prompt,
        .warn = run->options->warn,
        .warn_arg = run->options->arg,
        .writes = true,
        .offline = offline,
        .spool = true, /* tz_run() holds the lock */
    };

    tz_repo_free(run->repo);
    run->repo = NULL;
    return tz_repo_open(&run->repo, &wanted, err);
}

/* Nothing can be done, but what the catalog remembers can be shown. */
static int recall(struct tz_run *run, struct tz_status *after, struct tz_error *err)
{
    struct tz_error why = {0};

    run->offline = TZ_TAKE(run->repo);
    if (tz_status_collect(run->offline, tz_now(), after, &why))
        tz_run_warn(run, "%s", why.message);
    *err = *tz_repo_offline_reason(run->offline);
    return -1;
}

static int open_repository(struct tz_run *run, struct tz_status *status, struct tz_status *after)
{
    struct tz_error why = {0};
    int64_t began = tz_monotonic();

    tz_run_step(run, "open");
    if (tz_interrupt_check(&why) || tz_run_open(run, true, &why) ||
        (tz_repo_is_offline(run->repo) ? recall(run, after, &why)
                                       : tz_status_collect(run->repo, tz_now(), status, &why))) {
        tz_run_note(run, &run->result->open, tz_run_outcome_of(&why), &why);
        return -1;
    }
    run->result->open.took_ns = tz_monotonic() - began;
    tz_run_note(run, &run->result->open, TZ_OUTCOME_OK, NULL);
    return 0;
}

static void do_steps(struct tz_run *run, const struct tz_status *status)
{
    void (*const steps[])(struct tz_run *) = {tz_run_sync, tz_run_prune, tz_run_verify};

    tz_run_backups(run, status);
    for (size_t i = 0; i < TZ_COUNT(steps) && run->repo && !tz_interrupted(); i++)
        steps[i](run);
}

/* How things stand afterwards. */
static void collect_status(struct tz_run *run, struct tz_status *status)
{
    struct tz_error why = {0};

    if (tz_status_collect(run->repo, tz_now(), status, &why)) {
        tz_run_note(run, &run->result->status, TZ_OUTCOME_FAILED, &why);
        return;
    }
    run->result->status.outcome = TZ_OUTCOME_OK;
    for (size_t i = 0; i < status->source_count; i++)
        run->result->overdue += status->sources[i].state == TZ_STATUS_OVERDUE;
}

/* One record in the catalog for each run, with what became of it. */
static void keep_record(struct tz_run *run, int64_t number)
{
    struct tz_error why = {0};

    if (tz_catalog_run_end(tz_repo_catalog(run->repo), number,
                           tz_outcome_name(run->result->outcome), &why))
        tz_run_warn(run, "%s", why.message);
}

static void work(struct tz_run *run, struct tz_status *before, struct tz_status *after)
{
    struct tz_error why = {0};
    int64_t number = 0;

    if (tz_run_hook(run, "before", NULL, NULL, false)) {
        (void)tz_fail(&why, TZ_FAILED, "the hook 'before' failed");
        tz_run_note(run, &run->result->open,
                    tz_interrupted() ? TZ_OUTCOME_INTERRUPTED : TZ_OUTCOME_FAILED, &why);
        return;
    }
    if (open_repository(run, before, after))
        return;
    bool recorded = tz_catalog_run_begin(tz_repo_catalog(run->repo), "run", &number, &why) == 0;
    if (!recorded)
        tz_run_warn(run, "%s", why.message);
    do_steps(run, before);
    if (!run->repo)
        return;
    collect_status(run, after);
    if (recorded)
        keep_record(run, number);
}

/* A wish to stop comes from the user or from the clock. */
static void judge_end(struct tz_run *run, struct tz_run_limit *limit)
{
    struct tz_run_result *result = run->result;

    if (tz_run_limit_over(limit)) {
        (void)tz_fail(&result->why, TZ_FAILED, "the time limit of %s is over",
                      tz_run_setting(run, "run", "time_limit"));
        result->outcome = TZ_OUTCOME_FAILED;
    } else if (tz_interrupted() && result->outcome != TZ_OUTCOME_INTERRUPTED) {
        (void)tz_fail(&result->why, TZ_INTERRUPTED, "interrupted");
        result->outcome = TZ_OUTCOME_INTERRUPTED;
    }
}

static void finish(struct tz_run *run)
{
    const struct tz_run_part whole = {.outcome = run->result->outcome, .why = run->result->why};

    if (whole.outcome >= TZ_OUTCOME_DAMAGE)
        (void)tz_run_hook(run, "on_failure", NULL, &whole, true);
    (void)tz_run_hook(run, "after", NULL, &whole, true);
    /* One of the hooks that failed: the work is done, but not all of it. */
    if (run->result->hook_count > 0 && run->result->outcome < TZ_OUTCOME_DEGRADED) {
        run->result->outcome = TZ_OUTCOME_DEGRADED;
        run->result->why = run->result->hooks[0].why;
        (void)tz_while(&run->result->why, "hook '%s'", run->result->hooks[0].name);
    }
}

static int prepare(struct tz_run *run, struct tz_error *err)
{
    const struct tz_config *config = run->config;
    struct tz_run_result *result = run->result;

    result->began_ns = tz_now();
    result->sources = calloc(config->source_count + 1, sizeof(result->sources[0]));
    if (!result->sources)
        return tz_fail_nomem(err);
    for (size_t i = 0; i < config->source_count; i++)
        result->sources[result->source_count++].name = config->sources[i].name;
    return tz_make_dirs(config->state, 0700, err);
}

/* Somebody is to hear that nothing is done, unless another one is at work. */
static int fail_to_begin(struct tz_run *run, const struct tz_error *why, struct tz_error *err)
{
    if (err)
        *err = *why;
    if (why->kind != TZ_BUSY) {
        const struct tz_run_part whole = {.outcome = TZ_OUTCOME_FAILED, .why = *why};
        run->result->outcome = whole.outcome;
        run->result->why = whole.why;
        (void)tz_run_hook(run, "on_failure", NULL, &whole, true);
        tz_run_tell_end(run);
    }
    return -1;
}

int tz_run(const struct tz_run_options *options, struct tz_run_result *ret, struct tz_error *err)
{
    struct tz_run run = {.options = options, .config = options->config, .result = ret};
    TZ_SCOPED(tz_scoped_run_limit) struct tz_run_limit *limit = NULL;
    TZ_SCOPED(tz_scoped_status) struct tz_status before = {0};
    TZ_SCOPED(tz_scoped_status) struct tz_status after = {0};
    TZ_SCOPED(tz_scoped_fd) int lock = -1;
    int64_t began = tz_monotonic();
    struct tz_error why = {0};

    if (prepare(&run, &why) || tz_repo_lock(run.config, "tozai run", &lock, &why) ||
        tz_run_yield(&run, &why) || tz_run_limit_start(&limit, &run, &why))
        return fail_to_begin(&run, &why, err);
    tz_run_tell_begin(&run);
    work(&run, &before, &after);
    judge_end(&run, limit);
    finish(&run);
    ret->took_ns = tz_monotonic() - began;
    tz_run_tell_end(&run);
    int failed = options->report ? options->report(options->arg, run.repo, ret, &after, err) : 0;
    tz_repo_free(run.repo);
    tz_repo_free(run.offline);
    return failed;
}

void tz_run_result_clear(struct tz_run_result *result)
{
    for (size_t i = 0; i < result->source_count; i++)
        tz_backup_result_clear(&result->sources[i].backup);
    for (size_t i = 0; i < result->hook_count; i++)
        free(result->hooks[i].output);
    free(result->sources);
    free(result->hooks);
    tz_verify_result_clear(&result->verified);
    *result = (struct tz_run_result){0};
}
