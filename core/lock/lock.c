#include "lock.h"

#include "tozai/util/log.h"
#include "tozai/util/time.h"

#include <inttypes.h>
#include <string.h>

#include "tozai/util/banned.h"

#define KEY_TEXT 64

bool tz_lock_wanted(const struct tz_repo *repo)
{
    struct tz_mirror *mirror = tz_repo_mirror(repo);

    for (size_t i = 0; i < tz_mirror_count(mirror); i++)
        if (tz_mirror_store(mirror, i) &&
            tz_store_lock_mode(tz_mirror_store(mirror, i)) != TZ_LOCK_NONE)
            return true;
    return false;
}

bool tz_lock_in_store(struct tz_mirror *mirror, size_t i)
{
    return tz_mirror_store(mirror, i) && tz_mirror_usable(mirror, i) &&
           tz_store_lock_mode(tz_mirror_store(mirror, i)) != TZ_LOCK_NONE;
}

static void put_out(struct tz_repo *repo, size_t i, const struct tz_error *why)
{
    struct tz_mirror *mirror = tz_repo_mirror(repo);

    tz_mirror_exclude(mirror, i, why);
    tz_repo_warn(repo, "store '%s' is left out: %s%s%s", tz_mirror_name(mirror, i), why->message,
                 why->hint[0] ? "; " : "", why->hint);
}

int tz_lock_set(struct tz_repo *repo, int64_t until_ns, struct tz_error *err)
{
    struct tz_mirror *mirror = tz_repo_mirror(repo);

    for (size_t i = 0; i < tz_mirror_count(mirror); i++) {
        struct tz_store *store = tz_mirror_store(mirror, i);
        if (store &&
            tz_store_set_lock(store, tz_store_lock_mode(store), until_ns + TZ_LOCK_STEP_NS, err))
            return -1;
    }
    return 0;
}

/* What was proven, by which a changed store is told from the old one. */
static int describe(const struct tz_store *store, struct tz_buf *out, struct tz_error *err)
{
    return tz_buf_printf(out, err, "%s %s", tz_lock_mode_name(tz_store_lock_mode(store)),
                         tz_store_url(store));
}

static int prove(struct tz_repo *repo, size_t i, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf now = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf before = {0};
    struct tz_store *store = tz_mirror_store(tz_repo_mirror(repo), i);
    struct tz_error why = {0};
    char key[KEY_TEXT];
    bool found = false, proven = false;

    (void)snprintf(key, sizeof(key), "lock-proof %" PRId64, tz_repo_store(repo, i));
    if (describe(store, &now, err) ||
        tz_catalog_get_value(tz_repo_catalog(repo), key, &before, &found, err))
        return -1;
    if (found && before.len == now.len && memcmp(before.data, now.data, now.len) == 0)
        return 0;
    if (tz_store_prove_lock(store, tz_store_lock_mode(store), &proven, &why)) {
        if (why.kind != TZ_NOMEM && why.kind != TZ_INTERRUPTED) {
            put_out(repo, i, &why);
            return tz_repo_set_reach(repo, err);
        }
        if (err)
            *err = why;
        return -1;
    }
    if (!proven)
        tz_debug("store '%s': the credentials may delete nothing, so that its locks are not proven",
                 tz_store_name(store));
    return tz_catalog_set_value(tz_repo_catalog(repo), key, now.data, now.len, err);
}

int tz_lock_begin(struct tz_repo *repo, int64_t until_ns, struct tz_error *err)
{
    struct tz_mirror *mirror = tz_repo_mirror(repo);

    for (size_t i = 0; i < tz_mirror_count(mirror); i++)
        if (tz_lock_in_store(mirror, i) && prove(repo, i, err))
            return -1;
    return tz_lock_set(repo, until_ns, err);
}

/* --- Extending --- */

struct extension {
    int64_t needed_ns;
};

static bool reaches(const struct tz_store *store, const struct tz_store_lock *lock,
                    int64_t needed_ns)
{
    return lock->mode >= tz_store_lock_mode(store) && lock->until_ns >= needed_ns;
}

/* On a thread of its own. */
static int extend_one(void *arg, struct tz_store *store, struct tz_lock_item *item,
                      struct tz_error *err)
{
    const struct extension *extension = arg;
    const struct tz_store_lock wanted = {.mode = tz_store_lock_mode(store),
                                         .until_ns = extension->needed_ns + TZ_LOCK_STEP_NS};

    if (item->known.mode == TZ_LOCK_NONE) {
        if (tz_store_read_lock(store, item->name, &item->known, err))
            return -1;
        if (reaches(store, &item->known, extension->needed_ns))
            return 0;
    }
    if (tz_store_extend_lock(store, item->name, &wanted, err))
        return -1;
    item->known = wanted;
    return 0;
}

/* What is locked long enough, as far as the catalog knows, is left out. */
static int keep_short(struct tz_repo *repo, struct tz_lock_list *list, int64_t needed_ns,
                      struct tz_error *err)
{
    size_t kept = 0;

    for (size_t i = 0; i < list->count; i++) {
        struct tz_lock_item *item = &list->items[i];
        if (tz_lock_get(tz_repo_catalog(repo), item->object, tz_repo_store(repo, item->store),
                        &item->known, err))
            return -1;
        if (!reaches(tz_mirror_store(tz_repo_mirror(repo), item->store), &item->known, needed_ns))
            list->items[kept++] = *item;
    }
    list->count = kept;
    return 0;
}

int tz_lock_list_packs(struct tz_lock_list *list, struct tz_repo *repo, const struct tz_head *head,
                       size_t store, struct tz_error *err)
{
    for (uint32_t k = 0; k < head->pack_count; k++) {
        char name[TZ_NAME_TEXT];
        int64_t pack = 0;
        tz_name_pack(name, head->packs[k]);
        if (tz_catalog_find_pack(tz_repo_catalog(repo), head->packs[k], &pack, err))
            return -1;
        enum tz_copy_state state = TZ_COPY_UNKNOWN;
        if (pack && tz_catalog_get_copy(tz_repo_catalog(repo), pack, tz_repo_store(repo, store),
                                        &state, err))
            return -1;
        /* A store without it will not hold the generation anyway. */
        if (state == TZ_COPY_PRESENT && tz_lock_list_add(list, store, pack, name, err))
            return -1;
    }
    return 0;
}

static int note_all(struct tz_repo *repo, const struct tz_lock_list *list, struct tz_error *err)
{
    struct tz_catalog *catalog = tz_repo_catalog(repo);

    if (tz_catalog_begin(catalog, err))
        return -1;
    for (size_t i = 0; i < list->count; i++) {
        const struct tz_lock_item *item = &list->items[i];
        if (item->done && tz_lock_put(catalog, item->object, tz_repo_store(repo, item->store),
                                      &item->known, err)) {
            tz_catalog_rollback(catalog);
            return -1;
        }
    }
    return tz_catalog_commit(catalog, err);
}

int tz_lock_extend(struct tz_repo *repo, const struct tz_head *head, struct tz_error *err)
{
    struct tz_error errors[TZ_MIRROR_MAX_STORES] = {{0}};
    TZ_SCOPED(tz_scoped_lock_list) struct tz_lock_list list = {0};
    struct tz_mirror *mirror = tz_repo_mirror(repo);
    struct extension extension = {.needed_ns = head->locked_until_ns};
    uint32_t failed = 0;

    for (size_t i = 0; i < tz_mirror_count(mirror); i++)
        if (tz_lock_in_store(mirror, i) && (tz_lock_list_packs(&list, repo, head, i, err) ||
                                            tz_lock_list_common(&list, repo, i, err)))
            return -1;
    if (keep_short(repo, &list, extension.needed_ns, err))
        return -1;
    tz_lock_work(repo, &list, extend_one, &extension, &failed, errors);
    if (note_all(repo, &list, err))
        return -1;
    for (size_t i = 0; i < tz_mirror_count(mirror); i++) {
        if (!(failed & UINT32_C(1) << i))
            continue;
        if (errors[i].kind == TZ_INTERRUPTED || errors[i].kind == TZ_NOMEM) {
            if (err)
                *err = errors[i];
            return -1;
        }
        tz_mirror_exclude(mirror, i, &errors[i]);
    }
    return 0;
}
