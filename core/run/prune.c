/*
 * The place of prune in a run.
 */
#include "internal.h"

#include "tozai/util/banned.h"

/*
 * To be wired to tozai/core/prune.h as soon as that is there: what retention no longer keeps is
 * forgotten here, before the stores are brought level.  Until then the part is not done, and the
 * result says so.
 */
void tz_run_prune(struct tz_run *run)
{
    run->result->prune.outcome = TZ_OUTCOME_NONE;
}
