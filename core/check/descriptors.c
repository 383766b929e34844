/*
 * The descriptors, which have no hash in their name: what most say, the catalog's memory being one
 * of them, is right.
 */
#include "../repo/internal.h"
#include "check.h"

#include <string.h>

#include "tozai/util/banned.h"

#define MEMORY "descriptor" /* the catalog's value: as all stores had it */

struct candidate {
    struct tz_buf bytes;
    bool there, valid;
    unsigned votes;
};

static void clear(struct candidate *candidates)
{
    for (size_t i = 0; i <= TZ_MIRROR_MAX_STORES; i++)
        tz_buf_clear(&candidates[i].bytes);
}

static bool is_valid(const struct tz_check *check, const struct tz_buf *bytes)
{
    struct tz_descriptor found;

    return !tz_descriptor_read(&found, bytes->data, bytes->len, NULL) &&
           memcmp(found.repo_id, tz_keys_repo_id(check->keys), TZ_REPO_ID_SIZE) == 0;
}

/* Stores that are not checked have a vote, too. */
static int read_all(struct tz_check *check, struct candidate *candidates, struct tz_error *err)
{
    struct candidate *memory = &candidates[TZ_MIRROR_MAX_STORES];
    uint32_t stores = tz_presence_stores(check->repo);

    for (size_t i = 0; i < tz_mirror_count(check->mirror); i++) {
        struct candidate *candidate = &candidates[i];
        struct tz_error why = {0};

        if (!(stores & TZ_STORE_BIT(i)))
            continue;
        if (tz_check_read(tz_mirror_store(check->mirror, i), TZ_NAME_DESCRIPTOR, 0, DESCRIPTOR_MAX,
                          &candidate->bytes, &why)) {
            if (tz_check_is_fatal(why.kind))
                return tz_check_pass(err, &why);
            if (why.kind == TZ_UNAVAILABLE && check->of[i])
                tz_check_lose_store(check, i, &why);
            candidate->there = why.kind != TZ_NOT_FOUND;
            continue;
        }
        candidate->there = true;
        candidate->valid = is_valid(check, &candidate->bytes);
    }
    if (tz_catalog_get_value(check->catalog, MEMORY, &memory->bytes, &memory->there, err))
        return -1;
    memory->valid = memory->there && is_valid(check, &memory->bytes);
    return 0;
}

static bool same(const struct candidate *a, const struct candidate *b)
{
    return a->bytes.len == b->bytes.len && memcmp(a->bytes.data, b->bytes.data, a->bytes.len) == 0;
}

/* The valid one that most agree on; NULL if that is not one.  *ret_unanimous: all valid ones do. */
static const struct candidate *vote(struct candidate *candidates, bool *ret_unanimous)
{
    const struct candidate *best = NULL;
    bool tie = false;

    *ret_unanimous = true;
    for (size_t i = 0; i <= TZ_MIRROR_MAX_STORES; i++) {
        struct candidate *candidate = &candidates[i];
        for (size_t k = 0; candidate->valid && k <= TZ_MIRROR_MAX_STORES; k++)
            candidate->votes += candidates[k].valid && same(candidate, &candidates[k]);
        if (candidate->valid && (!best || candidate->votes > best->votes))
            best = candidate;
    }
    for (size_t i = 0; i <= TZ_MIRROR_MAX_STORES; i++) {
        if (!candidates[i].valid || same(best, &candidates[i]))
            continue;
        *ret_unanimous = false;
        tie = tie || candidates[i].votes == best->votes;
    }
    return tie ? NULL : best;
}

static int note(struct tz_check *check, size_t i, const struct candidate *candidate, bool good,
                struct tz_error *err)
{
    struct tz_verify_store *store = check->of[i];
    enum tz_copy_state state = good               ? TZ_COPY_PRESENT
                               : candidate->there ? TZ_COPY_DAMAGED
                                                  : TZ_COPY_MISSING;
    int64_t object = 0;

    store->objects += candidate->there;
    store->bytes += candidate->bytes.len;
    store->checked_bytes += candidate->bytes.len;
    if (tz_catalog_add_object(check->catalog, TZ_NAME_DESCRIPTOR, check->descriptor.len, &object,
                              err) ||
        tz_catalog_set_copy(check->catalog, object, tz_repo_store(check->repo, i), state, err))
        return -1;
    if (good)
        return 0;
    return candidate->there
               ? tz_check_add(&store->damaged, &store->damaged_count, TZ_NAME_DESCRIPTOR, err)
               : tz_check_add(&store->missing, &store->missing_count, TZ_NAME_DESCRIPTOR, err);
}

static int judge(struct tz_check *check, struct candidate *candidates, struct tz_error *err)
{
    bool unanimous = false;
    const struct candidate *best = vote(candidates, &unanimous);

    /* Where nobody has a good one, the opening went by the key slots. */
    const struct tz_buf *right = best        ? &best->bytes
                                 : unanimous ? &check->repo->descriptor_bytes
                                             : NULL;

    if (right && tz_buf_append(&check->descriptor, right->data, right->len, err))
        return -1;
    if (best && unanimous &&
        tz_catalog_set_value(check->catalog, MEMORY, best->bytes.data, best->bytes.len, err))
        return -1;
    if (!best && !unanimous &&
        tz_check_fault(check, err,
                       "the stores have different descriptors ('" TZ_NAME_DESCRIPTOR
                       "'), and nothing tells which of them is right"))
        return -1;
    for (size_t i = 0; i < tz_mirror_count(check->mirror); i++)
        if ((check->alive & TZ_STORE_BIT(i)) &&
            note(check, i, &candidates[i],
                 best && candidates[i].valid && same(best, &candidates[i]), err))
            return -1;
    return 0;
}

int tz_check_descriptors(struct tz_check *check, struct tz_error *err)
{
    struct candidate candidates[TZ_MIRROR_MAX_STORES + 1] = {0};

    int failed = read_all(check, candidates, err) || judge(check, candidates, err);
    clear(candidates);
    return failed ? -1 : 0;
}
