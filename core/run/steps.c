/*
 * The parts of a run between its hooks.
 */
#include "internal.h"

#include "tozai/util/interrupt.h"
#include "tozai/util/time.h"
#include "tozai/util/wire.h"

#include <string.h>

#include "tozai/util/banned.h"

#define DAY_NS        (INT64_C(86400) * TZ_SECOND_NS)
#define WITHIN_NS     (30 * DAY_NS)
#define VERIFIED_KEY  "run.verified"
#define SHARE_MARGIN  1.1 /* runs may be late */
#define LEAST_PERCENT 0.01

enum tz_outcome tz_run_outcome_of(const struct tz_error *why)
{
    if (why->kind == TZ_INTERRUPTED || tz_interrupted())
        return TZ_OUTCOME_INTERRUPTED;
    return why->kind == TZ_CORRUPT ? TZ_OUTCOME_DAMAGE : TZ_OUTCOME_FAILED;
}

/* --- Backups --- */

static void judge_backup(struct tz_run *run, struct tz_run_source *done)
{
    const struct tz_backup_result *backup = &done->backup;
    size_t wanted =
        run->config->min_copies > 0 ? run->config->min_copies : run->config->store_count;
    struct tz_error why = {0};
    size_t copies = 0;

    for (uint32_t stores = backup->stores; stores; stores >>= 1)
        copies += stores & 1;
    if (copies < wanted) {
        (void)tz_fail(&why, TZ_UNAVAILABLE, "the generation of '%s' is in %zu of %zu stores",
                      done->name, copies, run->config->store_count);
    } else if (backup->warning_count > 0) {
        const struct tz_backup_warning *first = &backup->warnings[0];
        (void)tz_fail(&why, TZ_FAILED, "not all of '%s' could be read: '%.*s': %s", done->name,
                      (int)TZ_MIN(first->path_len, 200U), first->path, first->error);
    }
    bool whole = copies >= wanted && backup->warnings_total == 0;
    tz_run_note(run, &done->part, whole ? TZ_OUTCOME_OK : TZ_OUTCOME_DEGRADED,
                why.kind ? &why : NULL);
}

static int make_backup(struct tz_run *run, const struct tz_config_source *source,
                       struct tz_run_source *done)
{
    struct tz_error why = {0};
    const struct tz_backup_options wanted = {
        .repo = run->repo,
        .source = source,
        .progress = run->options->backup_progress,
        .progress_arg = run->options->arg,
    };

    tz_run_step(run, "backup %s", source->name);
    if (tz_interrupt_check(&why) || tz_backup(&wanted, &done->backup, &why)) {
        tz_run_note(run, &done->part, tz_run_outcome_of(&why), &why);
        return -1;
    }
    judge_backup(run, done);
    return 0;
}

static void do_source(struct tz_run *run, const struct tz_config_source *source,
                      struct tz_run_source *done)
{
    int64_t began = tz_monotonic();
    struct tz_error why = {0};

    if (tz_run_hook(run, "before", source, NULL, false) == 0) {
        (void)make_backup(run, source, done);
    } else {
        (void)tz_fail(&why, TZ_FAILED, "source '%s': its hook 'before' failed", source->name);
        tz_run_note(run, &done->part, tz_run_outcome_of(&why), &why);
    }
    done->part.took_ns = tz_monotonic() - began;
    /* They undo what before did, even if that stopped half-way. */
    if (done->part.outcome >= TZ_OUTCOME_DAMAGE)
        (void)tz_run_hook(run, "on_failure", source, &done->part, true);
    (void)tz_run_hook(run, "after", source, &done->part, true);
}

static bool is_due(const struct tz_run *run, const struct tz_status *status, const char *name)
{
    for (size_t i = 0; i < status->source_count; i++) {
        if (strcmp(status->sources[i].name, name) == 0)
            return run->options->all || status->now_ns >= status->sources[i].from_ns;
    }
    return true;
}

void tz_run_backups(struct tz_run *run, const struct tz_status *status)
{
    struct tz_run_result *result = run->result;
    const struct tz_sync_options level = {.repo = run->repo};
    struct tz_sync_result synced = {0};
    struct tz_error why = {0};
    bool levelled = false;

    for (size_t i = 0; i < result->source_count && !tz_interrupted(); i++) {
        const struct tz_config_source *source = &run->config->sources[i];
        if (!is_due(run, status, source->name))
            continue;
        /* A store that was out gets what it lacks first, so that a new generation can be whole. */
        if (!levelled && tz_sync(&level, &synced, &why))
            tz_run_warn(run, "the stores could not be brought level: %s", why.message);
        levelled = true;
        do_source(run, source, &result->sources[i]);
    }
}

/* --- Sync --- */

void tz_run_sync(struct tz_run *run)
{
    struct tz_run_result *result = run->result;
    const struct tz_sync_options wanted = {
        .repo = run->repo,
        .full = true,
        .progress = run->options->verify_progress,
        .progress_arg = run->options->arg,
    };
    struct tz_error why = {0};
    int64_t began = tz_monotonic();

    tz_run_step(run, "sync");
    if (tz_sync(&wanted, &result->synced, &why)) {
        tz_run_note(run, &result->sync, tz_run_outcome_of(&why), &why);
    } else if (result->synced.failed > 0) {
        (void)tz_fail(&why, TZ_CORRUPT, "%ju objects are whole in no store",
                      (uintmax_t)result->synced.failed);
        tz_run_note(run, &result->sync, TZ_OUTCOME_DAMAGE, &why);
    } else if (result->synced.behind > 0) {
        (void)tz_fail(&why, TZ_UNAVAILABLE, "%ju copies are missing in a store",
                      (uintmax_t)result->synced.behind);
        tz_run_note(run, &result->sync, TZ_OUTCOME_DEGRADED, &why);
    } else if (!result->synced.level) {
        (void)tz_fail(&why, TZ_UNAVAILABLE, "not every store could be looked at");
        tz_run_note(run, &result->sync, TZ_OUTCOME_DEGRADED, &why);
    } else {
        tz_run_note(run, &result->sync, TZ_OUTCOME_OK, NULL);
    }
    result->sync.took_ns = tz_monotonic() - began;
}

/* --- Verification --- */

/* When the last run verified; 0: none did. */
static int64_t last_verified(struct tz_run *run)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf value = {0};
    bool found = false;

    if (tz_catalog_get_value(tz_repo_catalog(run->repo), VERIFIED_KEY, &value, &found, NULL) ||
        !found || value.len != 8)
        return 0;
    return (int64_t)tz_load_le64(value.data);
}

/* Without a last time: as if it was a day ago. */
static int64_t find_since(int64_t last_ns, int64_t now_ns)
{
    return last_ns > 0 && last_ns <= now_ns ? now_ns - last_ns : DAY_NS;
}

/* So much that runs like this one come round within the time. */
static double find_percent(int64_t since_ns, int64_t within_ns)
{
    double percent = 100 * SHARE_MARGIN * (double)since_ns / (double)within_ns;

    return percent < LEAST_PERCENT ? LEAST_PERCENT : percent > 100 ? 100 : percent;
}

static void judge_verification(struct tz_run *run)
{
    struct tz_run_result *result = run->result;
    const struct tz_verify_result *verified = &result->verified;
    size_t bad = verified->fault_count, healed = 0;
    struct tz_error why = {0};
    bool reachable = true;

    for (size_t i = 0; i < verified->store_count; i++) {
        const struct tz_verify_store *store = &verified->stores[i];
        bad += store->missing_count + store->damaged_count;
        healed += store->healed_count;
        reachable = reachable && store->reachable;
    }
    if (!verified->ok) {
        (void)tz_fail(&why, TZ_CORRUPT, "%zu faults were found that could not be healed", bad);
        tz_run_note(run, &result->verify, TZ_OUTCOME_DAMAGE, &why);
    } else if (!reachable) {
        (void)tz_fail(&why, TZ_UNAVAILABLE, "a store could not be verified");
        tz_run_note(run, &result->verify, TZ_OUTCOME_DEGRADED, &why);
    } else {
        tz_run_note(run, &result->verify, TZ_OUTCOME_OK, NULL);
    }
    if (healed > 0)
        tz_run_warn(run, "%zu damaged or missing objects were healed", healed);
}

static void note_time(struct tz_run *run, int64_t now_ns)
{
    struct tz_error why = {0};
    uint8_t value[8];

    tz_store_le64(value, (uint64_t)now_ns);
    if (tz_catalog_set_value(tz_repo_catalog(run->repo), VERIFIED_KEY, value, sizeof(value), &why))
        tz_run_warn(run, "%s", why.message);
}

void tz_run_verify(struct tz_run *run)
{
    struct tz_run_result *result = run->result;
    int64_t began = tz_monotonic(), now = tz_now();
    int64_t within = tz_run_duration(run, "run", "verify_within", WITHIN_NS);
    int64_t since = find_since(last_verified(run), now);
    double percent = within > 0 ? find_percent(since, within) : 0;
    const struct tz_verify_options wanted = {
        .repo = run->repo,
        .level = TZ_VERIFY_CIPHERTEXT,
        .sample_percent = percent,
        /* What would be too old in the next run: its store was away, or much is new every day. */
        .due_ns = now - within + since,
        .heal = true,
        .progress = run->options->verify_progress,
        .progress_arg = run->options->arg,
    };
    struct tz_error why = {0};

    if (percent <= 0)
        return;
    tz_run_step(run, "verify");
    result->verified_percent = percent;
    if (tz_verify(&wanted, &result->verified, &why)) {
        tz_run_note(run, &result->verify, tz_run_outcome_of(&why), &why);
    } else {
        note_time(run, now);
        judge_verification(run);
    }
    result->verify.took_ns = tz_monotonic() - began;
}
