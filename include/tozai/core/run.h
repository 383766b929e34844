/*
 * What cron calls: backups of what is due, then sync, prune, and a verification of a part, with the
 * operator's hooks and notifications around it.
 *
 * A step that fails does not stop the others, but for a before hook: without it the backup that it
 * prepares is not made.  A wish to stop, or the end of the time limit, ends the step at work and
 * leaves out the others; hooks that clear up and notifications still come.
 *
 * Threads: one, the caller's.
 */
#ifndef TOZAI_CORE_RUN_H
#define TOZAI_CORE_RUN_H

#include "tozai/core/backup.h"
#include "tozai/core/status.h"
#include "tozai/core/verify.h"

/* What became of a part, or of all; each is worse than those before it. */
enum tz_outcome {
    TZ_OUTCOME_NONE, /* it was not its turn */
    TZ_OUTCOME_OK,
    TZ_OUTCOME_DEGRADED, /* done, but not all input or not in every store */
    TZ_OUTCOME_DAMAGE,
    TZ_OUTCOME_FAILED,
    TZ_OUTCOME_INTERRUPTED,
};
/* "not due", "ok", "degraded", "damage", "failed", "interrupted" */
const char *tz_outcome_name(enum tz_outcome outcome);

struct tz_run_part {
    enum tz_outcome outcome;
    struct tz_error why; /* if it failed */
    int64_t took_ns;
};

struct tz_run_source {
    const char *name; /* the configuration's */
    struct tz_run_part part;
    struct tz_backup_result backup; /* if it was made */
};

/* A hook that failed; one that went well is not kept. */
struct tz_run_hook {
    const char *name;   /* "before" */
    const char *source; /* NULL: of the whole run */
    struct tz_error why;
    char *output; /* the end of what it printed */
};

struct tz_run_result {
    enum tz_outcome outcome;
    struct tz_error why; /* the first that failed */
    int64_t began_ns, took_ns;
    struct tz_run_source *sources;
    size_t source_count;
    struct tz_run_part open, prune, sync, verify, status;
    size_t forgotten; /* generations, by prune */
    uint64_t deleted_packs, freed_bytes;
    struct tz_sync_result synced;
    struct tz_verify_result verified;
    double verified_percent;
    struct tz_run_hook *hooks;
    size_t hook_count;
    size_t overdue; /* sources that still are */
};
void tz_run_result_clear(struct tz_run_result *result);

struct tz_run_options {
    const struct tz_config *config;
    bool all;       /* every source, due or not */
    bool no_prompt; /* for a passphrase */
    /* What is beginning, such as "backup wiki"; may be NULL. */
    void (*step)(void *arg, const char *what);
    tz_backup_progress_fn *backup_progress;
    tz_verify_progress_fn *verify_progress;
    /* Something that is worth a line; may be NULL. */
    tz_warn_fn *warn;
    void *arg; /* of all of these */
    /* While the repository is still open: for what the result means.  repo NULL: it could not be
     * opened; the status is then what the catalog remembers (offline), or nothing. */
    int (*report)(void *arg, struct tz_repo *repo, const struct tz_run_result *result,
                  const struct tz_status *status, struct tz_error *err);
};

/*
 * The parts that fail are in the result.  An error is returned only when nothing was done: another
 * run holds the lock (TZ_BUSY, at once), or the configuration makes no sense (TZ_INVALID); or when
 * report() fails.
 */
int tz_run(const struct tz_run_options *options, struct tz_run_result *ret,
           struct tz_error *err) TZ_MUST_CHECK;

#endif
