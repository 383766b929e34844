/*
 * A run at work; only core/run/ sees it.
 */
#ifndef TOZAI_CORE_RUN_INTERNAL_H
#define TOZAI_CORE_RUN_INTERNAL_H

#include "tozai/core/run.h"
#include "tozai/core/schedule.h"

struct tz_run {
    const struct tz_run_options *options;
    const struct tz_config *config;
    struct tz_run_result *result;
    struct tz_repo *repo;    /* NULL before and after */
    struct tz_repo *offline; /* without any store; the status at the end borrows from it */
};

/* The value of [section] key, or NULL. */
const char *tz_run_setting(const struct tz_run *run, const char *section, const char *key);
/* The same as a duration. */
int64_t tz_run_duration(const struct tz_run *run, const char *section, const char *key,
                        int64_t otherwise_ns);
void tz_run_warn(const struct tz_run *run, const char *format, ...) TZ_PRINTF(2, 3);
void tz_run_step(const struct tz_run *run, const char *format, ...) TZ_PRINTF(2, 3);

/* Note what became of a part: err NULL: nothing went wrong. */
void tz_run_note(struct tz_run *run, struct tz_run_part *part, enum tz_outcome outcome,
                 const struct tz_error *why);

/*
 * hooks.c: run a hook if there is one.  source NULL: of the whole run.  part is what is told of the
 * result; NULL: it is not known yet.  -1 if it failed, which is noted and may be ignored.
 */
int tz_run_hook(struct tz_run *run, const char *name, const struct tz_config_source *source,
                const struct tz_run_part *part, bool clearing_up);

/* limits.c: how much we take of the machine, and how long. */
int tz_run_yield(const struct tz_run *run, struct tz_error *err) TZ_MUST_CHECK;
struct tz_run_limit;
/* *ret NULL: there is no limit. */
int tz_run_limit_start(struct tz_run_limit **ret, const struct tz_run *run,
                       struct tz_error *err) TZ_MUST_CHECK;
/* Has it struck? */
bool tz_run_limit_over(struct tz_run_limit *limit);
void tz_run_limit_free(struct tz_run_limit *limit);
TZ_DEFINE_SCOPED(struct tz_run_limit *, tz_scoped_run_limit, tz_run_limit_free)

/* run.c: open the repository, or once more: every store has another chance.  NULL on failure.
 * offline: without any store it is opened, too (tz_repo_options). */
int tz_run_open(struct tz_run *run, bool offline, struct tz_error *err) TZ_MUST_CHECK;
/* steps.c */
/* What a part that failed for this reason is. */
enum tz_outcome tz_run_outcome_of(const struct tz_error *why);
void tz_run_backups(struct tz_run *run, const struct tz_status *status);
void tz_run_sync(struct tz_run *run);
void tz_run_verify(struct tz_run *run);
/* tell.c: pings and notices. */
void tz_run_tell_begin(const struct tz_run *run);
void tz_run_tell_end(const struct tz_run *run);
/* prune.c */
void tz_run_prune(struct tz_run *run);

#endif
