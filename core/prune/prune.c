#include "prune.h"

#include "tozai/util/log.h"
#include "tozai/util/time.h"

#include <string.h>

#include "tozai/util/banned.h"

void tz_prune_result_clear(struct tz_prune_result *result)
{
    for (size_t i = 0; i < result->kept_count; i++)
        free(result->kept[i].source);
    for (size_t i = 0; i < result->forgotten_count; i++)
        free(result->forgotten[i].source);
    for (size_t i = 0; i < result->broken_count; i++)
        free(result->broken[i]);
    free(result->kept);
    free(result->forgotten);
    free(result->broken);
    *result = (struct tz_prune_result){0};
}

int tz_pruning_begin(struct tz_pruning *pruning, struct tz_error *err)
{
    return pruning->transaction ? 0 : tz_catalog_begin(pruning->catalog, err);
}

int tz_pruning_commit(struct tz_pruning *pruning, struct tz_error *err)
{
    return pruning->transaction ? 0 : tz_catalog_commit(pruning->catalog, err);
}

void tz_pruning_rollback(struct tz_pruning *pruning)
{
    if (!pruning->transaction)
        tz_catalog_rollback(pruning->catalog);
}

/* Every store must be there but the one that may be left out. */
static int check_stores(struct tz_pruning *pruning, struct tz_error *err)
{
    const char *without = pruning->options->without;

    for (size_t i = 0; i < tz_mirror_count(pruning->mirror); i++) {
        const char *name = tz_mirror_name(pruning->mirror, i);
        struct tz_error why = {0};
        if (without && strcmp(without, name) == 0) {
            pruning->stores &= ~TZ_STORE_BIT(i);
            continue;
        }
        if (!tz_mirror_error(pruning->mirror, i, &why))
            continue;
        (void)tz_fail(err, TZ_UNAVAILABLE, "store '%s' cannot be used: %s", name, why.message);
        return tz_hint(
            err,
            "nothing is deleted anywhere while a store is away, unless it is left out by "
            "name: --without %s",
            name);
    }
    return pruning->stores ? 0 : tz_fail(err, TZ_INVALID, "there is no store to work on");
}

/* Not a byte goes unless it is known what every head needs. */
static int check_heads(struct tz_pruning *pruning, struct tz_error *err)
{
    char name[TZ_NAME_TEXT];
    bool found = false;

    if (check_stores(pruning, err) || tz_catalog_check_needs(pruning->catalog, err) ||
        tz_catalog_unread_head(pruning->catalog, name, &found, err))
        return -1;
    if (!found)
        return 0;
    (void)tz_fail(err, TZ_CORRUPT, "'%s' cannot be read, so nobody knows what it needs", name);
    return tz_hint(err, "'tozai verify --heal' mends it from another store; if none has it whole, "
                        "remove it there by hand");
}

/* All stores, their tombstones first and their heads behind. */
static int learn(struct tz_pruning *pruning, struct tz_error *err)
{
    return tz_repo_refresh(pruning->repo, err) || check_heads(pruning, err) ? -1 : 0;
}

static int condemn_and_forget(struct tz_pruning *pruning, struct tz_error *err)
{
    if (tz_pruning_bury(pruning, err) || tz_pruning_forget(pruning, err) ||
        tz_pruning_repack(pruning, err))
        return -1;
    return pruning->replaced_count ? tz_pruning_forget(pruning, err) : 0;
}

/* The tombstones first, then all heads again, and only then is anything deleted. */
static int reclaim(struct tz_pruning *pruning, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free) int64_t *ripe = NULL;
    size_t count = 0;

    if (tz_pruning_ripe(pruning, &ripe, &count, err) ||
        (!pruning->options->dry_run && learn(pruning, err)) ||
        tz_pruning_delete(pruning, ripe, count, err) ||
        tz_catalog_count_waiting(pruning->catalog, &pruning->result->waiting_packs, err))
        return -1;
    return tz_pruning_clean_indexes(pruning, err);
}

static int work(struct tz_pruning *pruning, struct tz_error *err)
{
    if (check_stores(pruning, err) || learn(pruning, err))
        return -1;
    if (pruning->options->dry_run) {
        if (tz_catalog_begin(pruning->catalog, err))
            return -1;
        pruning->transaction = true;
    }
    if (tz_pruning_list(pruning, err) || tz_pruning_plan(pruning, err) ||
        condemn_and_forget(pruning, err) || reclaim(pruning, err))
        return -1;
    return tz_pruning_prove(pruning, err);
}

int tz_prune(const struct tz_prune_options *options, struct tz_prune_result *ret,
             struct tz_error *err)
{
    struct tz_prune_result result = {0};
    struct tz_mirror *mirror = tz_repo_mirror(options->repo);
    struct tz_pruning pruning = {
        .options = options,
        .repo = options->repo,
        .mirror = mirror,
        .catalog = tz_repo_catalog(options->repo),
        .result = &result,
        .now_ns = options->now_ns ? options->now_ns : tz_now(),
        .stores = (uint32_t)((UINT64_C(1) << tz_mirror_count(mirror)) - 1),
    };
    int64_t run = 0;

    int failed = !options->dry_run && tz_catalog_run_begin(pruning.catalog, "prune", &run, err);
    if (!failed)
        failed = work(&pruning, err);
    tz_pruning_clear(pruning.replaced, pruning.replaced_count);
    if (pruning.transaction)
        tz_catalog_rollback(pruning.catalog);
    /* A note for people. */
    struct tz_error ignored = {0};
    if (run && tz_catalog_run_end(pruning.catalog, run, failed ? "failed" : "complete", &ignored))
        tz_debug("the end of the run was not noted: %s", ignored.message);
    if (failed) {
        tz_prune_result_clear(&result);
        return tz_while(err, "prune");
    }
    *ret = result;
    return 0;
}
