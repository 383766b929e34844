/*
 * How far a long run has come.
 *
 * On a terminal one line on standard error is rewritten, up to five times a second.  Elsewhere
 * --verbose gives a plain line now and then, and with --json an object
 * {"progress":{"phase","files","bytes_done","bytes_total","bytes_per_second","eta_seconds","note"}}.
 * Nothing with --quiet or --no-progress.
 *
 * One thread; not after the context.
 */
#ifndef TOZAI_CMD_PROGRESS_H
#define TOZAI_CMD_PROGRESS_H

#include "command.h"

struct tz_progress_state {
    const char *phase; /* "backup" */
    const char *name;  /* of what, "wiki"; may be NULL */
    uint64_t files;    /* done */
    uint64_t bytes_done;
    uint64_t bytes_total; /* 0: not known yet */
    const char *note;     /* "east: 12 MiB waiting"; may be NULL */
};

struct tz_progress;

/* *ret is NULL where no progress is wanted. */
int tz_progress_new(struct tz_progress **ret, struct tz_context *context,
                    struct tz_error *err) TZ_MUST_CHECK;
/* Cheap: call it as often as there is news.  progress may be NULL. */
void tz_progress_update(struct tz_progress *progress, const struct tz_progress_state *state);
/* Take the line away, and free it.  progress may be NULL. */
void tz_progress_finish(struct tz_progress *progress);
TZ_DEFINE_SCOPED(struct tz_progress *, tz_scoped_progress, tz_progress_finish)

#endif
