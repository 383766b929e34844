/*
 * The place of prune in a run: behind sync, so that a generation that lies in two halves is whole
 * before anybody asks whether it may go.
 */
#include "internal.h"

#include "tozai/core/lock.h"
#include "tozai/core/prune.h"
#include "tozai/storage/mirror.h"
#include "tozai/util/time.h"

#include "tozai/util/banned.h"

static void note_failure(struct tz_run *run, const struct tz_error *why)
{
    enum tz_outcome outcome = TZ_OUTCOME_FAILED;

    if (why->kind == TZ_INTERRUPTED)
        outcome = TZ_OUTCOME_INTERRUPTED;
    else if (why->kind == TZ_UNAVAILABLE)
        outcome = TZ_OUTCOME_DEGRADED; /* a store is away: the next run does it */
    else if (why->kind == TZ_CORRUPT)
        outcome = TZ_OUTCOME_DAMAGE;
    tz_run_note(run, &run->result->prune, outcome, why);
}

/* A store that was too full to take more is the very one that needs room; it is out for the
 * repository that met it. */
static bool is_full(const struct tz_run *run)
{
    struct tz_mirror *mirror = tz_repo_mirror(run->repo);

    for (size_t i = 0; i < tz_mirror_count(mirror); i++) {
        struct tz_error why = {0};
        if (tz_mirror_error(mirror, i, &why) && why.kind == TZ_NOSPC)
            return true;
    }
    return false;
}

static void note_again(struct tz_run *run, struct tz_run_part *part)
{
    const struct tz_error why = part->why;

    tz_run_note(run, part, part->outcome, why.kind ? &why : NULL);
}

/* Into the room that there is now.  What the first sync lacked does not count any more; without any
 * room the store is out again, and its copies are behind rather than damaged. */
static void sync_again(struct tz_run *run)
{
    struct tz_run_result *result = run->result;

    result->outcome = TZ_OUTCOME_NONE;
    result->why = (struct tz_error){0};
    result->sync = (struct tz_run_part){0};
    note_again(run, &result->open);
    for (size_t i = 0; i < result->source_count; i++)
        note_again(run, &result->sources[i].part);
    note_again(run, &result->prune);
    tz_run_sync(run);
}

void tz_run_prune(struct tz_run *run)
{
    struct tz_prune_options wanted = {
        .grace_ns = TZ_PRUNE_GRACE_NS,
        .live_percent = TZ_PRUNE_LIVE,
        .locked = tz_lock_find,
    };
    struct tz_prune_result result = {0};
    struct tz_error why = {0};
    int64_t began = tz_monotonic();

    run->result->prune.outcome = TZ_OUTCOME_NONE;
    /* A host with a writer's key leaves it to the keeper. */
    if (tz_keys_role(tz_repo_keys(run->repo)) != TZ_ROLE_OPERATOR)
        return;
    tz_run_step(run, "prune");
    bool full = is_full(run);
    if (full && tz_run_open(run, false, &why)) {
        note_failure(run, &why);
        return;
    }
    wanted.repo = run->repo;
    wanted.locked_arg = run->repo;
    if (tz_prune(&wanted, &result, &why)) {
        note_failure(run, &why);
    } else {
        tz_run_note(run, &run->result->prune, TZ_OUTCOME_OK, NULL);
    }
    /* Prune did not cause it; the verification behind it mends it, or says that it is so. */
    for (size_t i = 0; i < result.broken_count; i++)
        tz_run_warn(run, "a generation lacks packs: %s", result.broken[i]);
    run->result->forgotten = result.forgotten_count;
    run->result->deleted_packs = result.deleted_packs;
    run->result->freed_bytes = result.freed_bytes;
    run->result->prune.took_ns = tz_monotonic() - began;
    tz_prune_result_clear(&result);
    if (full)
        sync_again(run);
}
