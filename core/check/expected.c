/*
 * What should be where: every store has what a sealed generation needs, the key slots and the
 * tombstones.
 *
 * Anything else that one store has alone is what a run left that was killed.  The next run, or a
 * sync, makes the stores alike again; nothing is lost by then, so nothing is missing.
 */
#include "../catalog/prune.h"
#include "../repo/internal.h"
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

static int see_sealed_user(void *arg, const struct tz_generation *generation, struct tz_error *err)
{
    (void)err;
    *(bool *)arg |= generation->seal_object != 0;
    return 0;
}

int tz_check_is_needed(struct tz_repo *repo, int64_t pack, bool *ret, struct tz_error *err)
{
    *ret = false;
    return tz_catalog_each_user(tz_repo_catalog(repo), pack, see_user, ret, err);
}

/* Does a sealed generation need this pack? */
static int pack_is_expected(struct tz_repo *repo, int64_t pack, bool *ret, struct tz_error *err)
{
    *ret = false;
    return tz_catalog_each_user(tz_repo_catalog(repo), pack, see_sealed_user, ret, err);
}

struct index_look {
    struct tz_repo *repo;
    int64_t store; /* that lacks it */
    bool expected;
};

/* Of packs that another index describes there, a prune that was stopped has left this one. */
static int look_at_pack(void *arg, const struct tz_pack_info *info, struct tz_error *err)
{
    struct index_look *look = arg;
    int64_t pack = 0;
    char name[TZ_NAME_TEXT];

    if (look->expected)
        return 0;
    tz_name_pack(name, info->hash);
    if (tz_catalog_find_object(tz_repo_catalog(look->repo), name, &pack, NULL, err))
        return -1;
    if (!pack || pack_is_expected(look->repo, pack, &look->expected, err))
        return pack ? -1 : 0;
    bool described = false;
    if (look->expected && tz_catalog_is_described(tz_repo_catalog(look->repo), info->hash,
                                                  look->store, &described, err))
        return -1;
    look->expected = look->expected && !described;
    return 0;
}

/* Does the index, which another store has, describe a pack that is expected? */
static int index_is_expected(struct tz_repo *repo, int64_t store, const char *name,
                             const struct tz_name *parsed, bool *ret, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf bytes = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf body = {0};
    struct index_look look = {.repo = repo, .store = store};
    struct tz_error why = {0};

    if (tz_mirror_get_hashed(repo->mirror, name, parsed->hash, TZ_OBJECT_MAX, &bytes, NULL, &why) ||
        tz_object_open(repo->keys, TZ_OBJECT_INDEX, "index", bytes.data, bytes.len, &body, &why) ||
        tz_index_read(body.data, body.len, look_at_pack, &look, &why)) {
        if (tz_check_is_fatal(why.kind))
            return tz_check_pass(err, &why);
        look.expected = true; /* nobody can tell */
    }
    *ret = look.expected;
    return 0;
}

/* Should the store have this object, which it has not? */
static int is_expected(struct tz_repo *repo, int64_t store, const struct tz_catalog_copy *copy,
                       bool *ret, struct tz_error *err)
{
    struct tz_name name = tz_name_parse(copy->name);
    uint32_t good = 0, there = 0;

    if (tz_check_copies(repo, copy->object, TZ_STATE_PRESENT, &good, err) ||
        tz_check_copies(repo, copy->object, TZ_STATE_THERE, &there, err))
        return -1;
    *ret = good != 0;
    switch (name.kind) {
    case TZ_NAME_IS_PACK:
        return pack_is_expected(repo, copy->object, ret, err);
    case TZ_NAME_IS_HEAD:
    case TZ_NAME_IS_SEAL:
        /* One that was seen does not go away by itself; a head alone is none yet. */
        return tz_catalog_is_sealed(tz_repo_catalog(repo), name.hash, ret, err);
    case TZ_NAME_IS_INDEX:
        if (good)
            return index_is_expected(repo, store, copy->name, &name, ret, err);
        /* What lies damaged in another store may never have been one. */
        *ret = there == 0;
        return 0;
    default:
        /* Key slots and tombstones are removed from all stores when they have served. */
        return 0;
    }
}

struct look {
    struct tz_check *check;
    struct tz_verify_store *store;
    int64_t number; /* of the store */
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
    if (is_expected(look->check->repo, look->number, copy, &expected, err))
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
        struct look look = {check, check->of[i], tz_repo_store(check->repo, i)};
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
