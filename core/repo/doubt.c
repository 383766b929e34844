/*
 * What follows when objects have gone from the stores because a prune took them.
 */
#include "../catalog/prune.h"
#include "internal.h"

#include <string.h>

#define DOUBTS 64

int tz_repo_doubt_packs(struct tz_repo *repo, size_t i, struct tz_error *err)
{
    struct tz_catalog_doubt doubts[DOUBTS];
    char after[TZ_NAME_TEXT] = "";
    size_t count = DOUBTS;

    while (count == DOUBTS) {
        if (tz_catalog_doubtful_packs(repo->catalog, repo->store_ids[i], after, doubts, DOUBTS,
                                      &count, err))
            return -1;
        for (size_t k = 0; k < count; k++) {
            struct tz_store_stat stat;
            if (tz_store_stat(tz_mirror_store(repo->mirror, i), doubts[k].name, &stat, err))
                return -1;
            if (!stat.exists && tz_catalog_set_copy(repo->catalog, doubts[k].pack,
                                                    repo->store_ids[i], TZ_COPY_MISSING, err))
                return -1;
        }
        if (count > 0)
            memcpy(after, doubts[count - 1].name, sizeof(after));
    }
    return 0;
}

int tz_repo_forget_gone(struct tz_repo *repo, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free) int64_t *gone = NULL;
    size_t count = 0;

    if (tz_catalog_forgotten(repo->catalog, &gone, &count, err))
        return -1;
    for (size_t i = 0; i < count; i++)
        if (tz_catalog_remove_object(repo->catalog, gone[i], err))
            return -1;
    return 0;
}
