/*
 * After all stores were listed: what could not be settled store by store.
 */
#include "../repo/internal.h"
#include "check.h"

#include "tozai/util/banned.h"

/* Packs of a listing that an index has named meanwhile are not unknown. */
static int settle_unknown(struct tz_presence *presence, size_t store, struct tz_error *err)
{
    struct tz_repo *repo = presence->repo;
    struct tz_check_names *unknown = &presence->stores[store].unknown;
    size_t kept = 0;

    for (size_t i = 0; i < unknown->count; i++) {
        enum tz_copy_state state = TZ_COPY_UNKNOWN;
        int64_t object = 0;
        bool is_pack = tz_name_parse(unknown->items[i]).kind == TZ_NAME_IS_PACK;

        if (is_pack &&
            (tz_catalog_find_object(repo->catalog, unknown->items[i], &object, NULL, err) ||
             (object &&
              tz_catalog_get_copy(repo->catalog, object, repo->store_ids[store], &state, err))))
            return -1;
        if (!object) {
            char *name = unknown->items[i];
            unknown->items[i] = unknown->items[kept];
            unknown->items[kept++] = name;
        } else if ((state == TZ_COPY_UNKNOWN || state == TZ_COPY_MISSING) &&
                   tz_catalog_set_copy(repo->catalog, object, repo->store_ids[store],
                                       TZ_COPY_PRESENT, err)) {
            return -1;
        }
    }
    for (size_t i = kept; i < unknown->count; i++)
        free(unknown->items[i]);
    unknown->count = kept;
    return 0;
}

/* Stores have different sizes of a small object: its bytes decide. */
static int settle_doubtful(struct tz_presence *presence, const char *name, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf bytes = {0};
    struct tz_repo *repo = presence->repo;
    size_t max = tz_check_size_max(tz_name_parse(name).kind) + 1;
    int64_t object = 0;

    if (tz_catalog_find_object(repo->catalog, name, &object, NULL, err) || !object)
        return object ? -1 : 0;
    for (size_t i = 0; i < tz_mirror_count(repo->mirror); i++) {
        enum tz_copy_state state = TZ_COPY_PRESENT;
        struct tz_error why = {0};

        if (!(presence->listed & TZ_STORE_BIT(i)))
            continue;
        tz_buf_reset(&bytes);
        if (tz_check_read(tz_mirror_store(repo->mirror, i), name, 0, max, &bytes, &why) ||
            tz_check_bytes(repo->keys, name, bytes.data, bytes.len, false, &why)) {
            if (tz_check_is_fatal(why.kind))
                return tz_check_pass(err, &why);
            if (why.kind == TZ_UNAVAILABLE)
                continue;
            state = why.kind == TZ_NOT_FOUND ? TZ_COPY_MISSING : TZ_COPY_DAMAGED;
        }
        if ((state == TZ_COPY_PRESENT &&
             (tz_catalog_set_size(repo->catalog, object, bytes.len, err) ||
              tz_repo_learn(repo, i, name, bytes.len, err))) ||
            tz_catalog_set_copy(repo->catalog, object, repo->store_ids[i], state, err))
            return -1;
    }
    return 0;
}

/*
 * An object that was damaged wherever it was, and has gone everywhere: somebody has taken away what
 * never was of use.  One that a generation hangs on is not forgotten.
 */
static int settle_vanished(struct tz_presence *presence, const char *name, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf body = {0};
    struct tz_catalog *catalog = presence->repo->catalog;
    struct tz_name parsed = tz_name_parse(name);
    uint32_t copies = 0;
    int64_t object = 0;

    if (tz_catalog_find_object(catalog, name, &object, NULL, err))
        return -1;
    if (!object || parsed.kind == TZ_NAME_IS_PACK)
        return 0;
    if (tz_check_copies(presence->repo, object, TZ_STATE_THERE | 1U << TZ_COPY_UNKNOWN, &copies,
                        err))
        return -1;
    if (copies)
        return 0;
    bool is_generation = parsed.kind == TZ_NAME_IS_HEAD || parsed.kind == TZ_NAME_IS_SEAL;
    struct tz_error why = {0};
    if (is_generation && !tz_catalog_get_head(catalog, parsed.hash, &body, &why))
        return 0;
    if (is_generation && why.kind != TZ_NOT_FOUND)
        return tz_check_pass(err, &why);
    return tz_catalog_remove_object(catalog, object, err);
}

int tz_presence_finish(struct tz_presence *presence, struct tz_error *err)
{
    tz_check_names_sort(&presence->doubtful);
    tz_check_names_sort(&presence->vanished);
    for (size_t i = 0; i < presence->doubtful.count; i++)
        if (settle_doubtful(presence, presence->doubtful.items[i], err))
            return -1;
    for (size_t i = 0; i < presence->vanished.count; i++)
        if (settle_vanished(presence, presence->vanished.items[i], err))
            return -1;
    for (size_t i = 0; i < tz_mirror_count(presence->repo->mirror); i++)
        if (settle_unknown(presence, i, err))
            return -1;
    return 0;
}
