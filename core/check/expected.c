/*
 * What should be where: an object that one store has must be in every store, and what a generation
 * needs must be somewhere.
 */
#include "check.h"

#include <string.h>

#include "tozai/util/banned.h"

#define LOOK_AGAIN_MAX 256

int tz_check_copies(struct tz_repo *repo, int64_t object, unsigned states, uint32_t *ret,
                    struct tz_error *err)
{
    *ret = 0;
    for (size_t i = 0; i < tz_mirror_count(tz_repo_mirror(repo)); i++) {
        enum tz_copy_state state = TZ_COPY_UNKNOWN;
        if (tz_catalog_get_copy(tz_repo_catalog(repo), object, tz_repo_store(repo, i), &state, err))
            return -1;
        if (states & 1U << state)
            *ret |= TZ_STORE_BIT(i);
    }
    return 0;
}

static int see_user(void *arg, const struct tz_generation *generation, struct tz_error *err)
{
    (void)generation;
    (void)err;
    *(bool *)arg = true;
    return 0;
}

int tz_check_is_needed(struct tz_repo *repo, int64_t pack, bool *ret, struct tz_error *err)
{
    *ret = false;
    return tz_catalog_each_user(tz_repo_catalog(repo), pack, see_user, ret, err);
}

/* Does the catalog know the pack from an index, and is it condemned? */
static int look_up(struct tz_repo *repo, int64_t pack, bool *ret_described, bool *ret_condemned,
                   struct tz_error *err)
{
    struct tz_catalog_pack found = {0};
    struct tz_error why = {0};

    *ret_described = !tz_catalog_get_pack(tz_repo_catalog(repo), pack, &found, &why);
    *ret_condemned = found.condemned;
    return *ret_described || why.kind == TZ_NOT_FOUND ? 0 : tz_check_pass(err, &why);
}

static int pack_is_expected(struct tz_repo *repo, int64_t pack, bool elsewhere, bool *ret,
                            struct tz_error *err)
{
    bool described = false, condemned = false, needed = false;

    if (look_up(repo, pack, &described, &condemned, err))
        return -1;
    if (elsewhere && !condemned) {
        *ret = true;
        return 0;
    }
    /* A prune is at work, or has been. */
    if (tz_check_is_needed(repo, pack, &needed, err))
        return -1;
    *ret = needed;
    return 0;
}

/* A generation that was seen does not go away by itself. */
static int generation_is_known(struct tz_repo *repo, const struct tz_name *name, bool *ret,
                               struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf body = {0};
    struct tz_error why = {0};

    *ret = !tz_catalog_get_head(tz_repo_catalog(repo), name->hash, &body, &why);
    return *ret || why.kind == TZ_NOT_FOUND ? 0 : tz_check_pass(err, &why);
}

/* Should the store have this object, which it has not? */
static int is_expected(struct tz_repo *repo, const struct tz_catalog_copy *copy, bool *ret,
                       struct tz_error *err)
{
    struct tz_name name = tz_name_parse(copy->name);
    uint32_t good = 0, there = 0;

    if (tz_check_copies(repo, copy->object, TZ_STATE_PRESENT, &good, err) ||
        tz_check_copies(repo, copy->object, TZ_STATE_THERE, &there, err))
        return -1;
    *ret = good != 0;
    switch (name.kind) {
    case TZ_NAME_IS_PACK:
        return pack_is_expected(repo, copy->object, there != 0, ret, err);
    case TZ_NAME_IS_HEAD:
    case TZ_NAME_IS_SEAL:
        return *ret ? 0 : generation_is_known(repo, &name, ret, err);
    case TZ_NAME_IS_INDEX:
        /* What lies damaged in another store may never have been one. */
        *ret = *ret || there == 0;
        return 0;
    default:
        /* Key slots and tombstones are removed from all stores when they have served. */
        return 0;
    }
}

struct look {
    struct tz_check *check;
    struct tz_verify_store *store;
};

static int look_at(void *arg, const struct tz_catalog_copy *copy, struct tz_error *err)
{
    struct look *look = arg;
    struct tz_verify_store *store = look->store;
    bool expected = false;

    if (strcmp(copy->name, TZ_NAME_DESCRIPTOR) == 0)
        return 0;
    if (copy->state == TZ_COPY_PRESENT || copy->state == TZ_COPY_DAMAGED) {
        if (copy->size == 0 && tz_name_parse(copy->name).kind == TZ_NAME_IS_PACK &&
            tz_check_names_add(&look->check->undescribed, copy->name, err))
            return -1;
        /* At the other levels its bytes decide. */
        if (copy->state == TZ_COPY_DAMAGED && look->check->options->level == TZ_VERIFY_PRESENCE)
            return tz_check_add(&store->damaged, &store->damaged_count, copy->name, err);
        return 0;
    }
    if (is_expected(look->check->repo, copy, &expected, err))
        return -1;
    return expected ? tz_check_add(&store->missing, &store->missing_count, copy->name, err) : 0;
}

/*
 * While the stores were listed one after the other somebody may have written to them.  What seems
 * to be missing is looked for once more, unless it is so much that this cannot be why.
 */
static int look_again(struct tz_check *check, size_t i, struct tz_error *err)
{
    struct tz_store *handle = tz_mirror_store(check->mirror, i);
    struct tz_verify_store *store = check->of[i];
    size_t kept = 0;
    int failed = 0;

    if (store->missing_count > LOOK_AGAIN_MAX)
        return 0;
    for (size_t k = 0; k < store->missing_count; k++) {
        char *name = store->missing[k];
        struct tz_store_stat stat = {0};
        struct tz_error why = {0};
        uint64_t size = 0;
        int64_t object = 0;
        bool there = false;

        failed = failed || tz_catalog_find_object(check->catalog, name, &object, &size, err);
        if (!failed && object && !tz_store_stat(handle, name, &stat, &why))
            there = stat.exists && stat.size == size;
        if (there)
            failed = tz_catalog_set_copy(check->catalog, object, tz_repo_store(check->repo, i),
                                         TZ_COPY_PRESENT, err);
        if (there)
            free(name);
        else
            store->missing[kept++] = name;
    }
    store->missing_count = kept;
    return failed ? -1 : 0;
}

int tz_check_report_presence(struct tz_check *check, struct tz_error *err)
{
    for (size_t i = 0; i < tz_mirror_count(check->mirror); i++) {
        struct look look = {.check = check, .store = check->of[i]};
        /* Also where the store went away later: what was listed is so. */
        if (!(check->selected & check->presence.listed & TZ_STORE_BIT(i)))
            continue;
        if (tz_catalog_each_copy(check->catalog, tz_repo_store(check->repo, i), "", look_at, &look,
                                 err) ||
            look_again(check, i, err))
            return -1;
    }
    tz_check_names_sort(&check->undescribed);
    return 0;
}

int tz_check_packs_present(struct tz_repo *repo, const struct tz_name *parsed, size_t store,
                           bool *ret, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf body = {0};
    TZ_SCOPED(tz_scoped_head) struct tz_head head = {0};
    struct tz_catalog *catalog = tz_repo_catalog(repo);

    *ret = false;
    if (tz_catalog_get_head(catalog, parsed->hash, &body, err) ||
        tz_head_read(&head, body.data, body.len, err))
        return -1;
    for (uint32_t i = 0; i < head.pack_count; i++) {
        enum tz_copy_state state = TZ_COPY_UNKNOWN;
        int64_t object = 0;
        char name[TZ_NAME_TEXT];

        tz_name_pack(name, head.packs[i]);
        if (tz_catalog_find_object(catalog, name, &object, NULL, err) ||
            (object &&
             tz_catalog_get_copy(catalog, object, tz_repo_store(repo, store), &state, err)))
            return -1;
        if (state != TZ_COPY_PRESENT)
            return 0;
    }
    *ret = true;
    return 0;
}
