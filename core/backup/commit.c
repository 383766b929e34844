/*
 * The last steps of a backup: second look, head, third look, seal (docs/design.md).
 */
#include "engine.h"

#include "tozai/core/lock.h"
#include "tozai/core/packinfo.h"
#include "tozai/util/time.h"

#include <string.h>

#define HEAD_TAG 1U

/* Store one object everywhere that is still usable; *ret_stores says where it is now. */
static int put_object(struct tz_repo *repo, const char *name, const struct tz_buf *bytes,
                      uint32_t mask, uint32_t *ret_stores, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_blob) struct tz_blob *blob = NULL;
    struct tz_mirror *mirror = tz_repo_mirror(repo);
    struct tz_mirror_result results[TZ_MIRROR_MAX_STORES];
    size_t count;

    *ret_stores = 0;
    if (tz_blob_copy(&blob, bytes->data, bytes->len, err) ||
        tz_mirror_put(mirror, name, blob, mask, HEAD_TAG, err) || tz_mirror_flush(mirror, err))
        return -1;
    while ((count = tz_mirror_results(mirror, results, TZ_COUNT(results))) > 0)
        for (size_t i = 0; i < count; i++)
            if (results[i].tag == HEAD_TAG && results[i].stored)
                *ret_stores |= UINT32_C(1) << results[i].store;
    return *ret_stores ? 0 : tz_fail(err, TZ_UNAVAILABLE, "no store took '%s'", name);
}

/* A head (body: what it says) or a seal that was put into these stores. */
static int note_object(struct tz_repo *repo, const char *name, uint64_t size, uint32_t stores,
                       const struct tz_head *head, const struct tz_buf *body, struct tz_error *err)
{
    struct tz_catalog *catalog = tz_repo_catalog(repo);
    int64_t object = 0;

    if (tz_catalog_add_object(catalog, name, size, &object, err))
        return -1;
    for (size_t i = 0; i < tz_mirror_count(tz_repo_mirror(repo)); i++) {
        bool stored = stores & UINT32_C(1) << i;
        if (tz_catalog_set_copy(catalog, object, tz_repo_store(repo, i),
                                stored ? TZ_COPY_PRESENT : TZ_COPY_MISSING, err) ||
            (stored && tz_lock_note(repo, object, i, err)))
            return -1;
    }
    return body ? tz_catalog_add_generation(catalog, head, object, body->data, body->len, err)
                : tz_catalog_add_seal(catalog, head->id, object, err);
}

/* All at once: what is known to be in a store is never read again. */
static int note(struct tz_repo *repo, const char *name, uint64_t size, uint32_t stores,
                const struct tz_head *head, const struct tz_buf *body, struct tz_error *err)
{
    struct tz_catalog *catalog = tz_repo_catalog(repo);

    if (tz_catalog_begin(catalog, err))
        return -1;
    if (note_object(repo, name, size, stores, head, body, err) || tz_catalog_commit(catalog, err)) {
        tz_catalog_rollback(catalog);
        return -1;
    }
    return 0;
}

struct presence {
    struct tz_repo *repo;
    const struct tz_head *head;
    uint32_t at; /* in the head's packs, sorted */
    uint32_t missing;
};

static int see_pack(void *arg, const char *name, const struct tz_store_stat *stat,
                    struct tz_error *err)
{
    struct presence *presence = arg;
    struct tz_name parsed = tz_name_parse(name);

    (void)stat;
    (void)err;
    if (parsed.kind != TZ_NAME_IS_PACK)
        return 0;
    for (; presence->at < presence->head->pack_count; presence->at++) {
        int order = memcmp(presence->head->packs[presence->at], parsed.hash, TZ_HASH_SIZE);
        if (order > 0)
            return 0;
        if (order == 0) {
            presence->at++;
            return 0;
        }
        presence->missing++;
    }
    return 0;
}

/* A run that slept for weeks cannot rely on tombstones alone: it lists the packs too. */
static int look_at_packs(struct tz_repo *repo, const struct tz_head *head, struct tz_error *err)
{
    struct tz_mirror *mirror = tz_repo_mirror(repo);

    for (size_t i = 0; i < tz_mirror_count(mirror); i++) {
        struct presence presence = {.repo = repo, .head = head};
        if (!tz_mirror_usable(mirror, i))
            continue;
        if (tz_store_list(tz_mirror_store(mirror, i), "packs/", see_pack, &presence, err))
            return -1;
        presence.missing += head->pack_count - presence.at;
        if (presence.missing > 0)
            return tz_fail(err, TZ_CORRUPT, "%u packs have gone from store '%s' meanwhile",
                           presence.missing, tz_mirror_name(mirror, i));
    }
    return 0;
}

static int compare_hashes(const void *a, const void *b)
{
    return memcmp(a, b, TZ_HASH_SIZE);
}

/* Tombstones first, then packs: nothing that the head names may be condemned or gone. */
static int look(struct tz_repo *repo, const struct tz_head *head, bool *ret_good,
                struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free) int64_t *bad = NULL;
    size_t count = 0;

    *ret_good = true;
    if (tz_repo_refresh_tombstones(repo, err) ||
        tz_catalog_bad_packs(tz_repo_catalog(repo), &bad, &count, err))
        return -1;
    for (size_t i = 0; i < count && *ret_good; i++) {
        struct tz_catalog_pack pack;
        if (tz_catalog_get_pack(tz_repo_catalog(repo), bad[i], &pack, err))
            return -1;
        *ret_good = head->pack_count == 0 || !bsearch(pack.hash, head->packs, head->pack_count,
                                                      TZ_HASH_SIZE, compare_hashes);
    }
    if (*ret_good && tz_now() - head->start_ns > TZ_TOMBSTONE_STANDS_NS)
        return look_at_packs(repo, head, err);
    return 0;
}

static int put_head(struct tz_repo *repo, struct tz_head *head, uint32_t mask, uint32_t *ret_stores,
                    struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf body = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf object = {0};
    char name[TZ_NAME_TEXT], position[TZ_NAME_TEXT];

    tz_name_head(name, head->source_id, head->time_ns, head->id);
    size_t len = (size_t)(strrchr(name, '-') - name);
    memcpy(position, name, len);
    position[len] = 0;
    if (tz_head_write(head, &body, err) ||
        tz_object_seal(tz_repo_keys(repo), TZ_OBJECT_HEAD, position, body.data, body.len, &object,
                       err) ||
        tz_sha256(head->id, object.data, object.len, err))
        return -1;
    tz_name_head(name, head->source_id, head->time_ns, head->id);
    if (put_object(repo, name, &object, mask, ret_stores, err))
        return -1;
    return note(repo, name, object.len, *ret_stores, head, &body, err);
}

static int put_seal(struct tz_repo *repo, const struct tz_head *head, uint32_t mask,
                    uint32_t *ret_stores, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf seal = {0};
    char name[TZ_NAME_TEXT];

    tz_name_seal(name, head->source_id, head->time_ns, head->id);
    if (tz_seal_write(tz_repo_keys(repo), name, head->id, &seal, err) ||
        put_object(repo, name, &seal, mask, ret_stores, err))
        return -1;
    return note(repo, name, seal.len, *ret_stores, head, NULL, err);
}

/* Stores that have every pack the head names: only there it may stand. */
static int whole_stores(struct tz_repo *repo, const struct tz_head *head, uint32_t *ret,
                        struct tz_error *err)
{
    struct tz_mirror *mirror = tz_repo_mirror(repo);

    *ret = 0;
    for (size_t i = 0; i < tz_mirror_count(mirror); i++) {
        bool whole = tz_mirror_usable(mirror, i);
        for (uint32_t k = 0; whole && k < head->pack_count; k++) {
            enum tz_copy_state state = TZ_COPY_UNKNOWN;
            int64_t pack = 0;
            if (tz_catalog_find_pack(tz_repo_catalog(repo), head->packs[k], &pack, err) ||
                (pack && tz_catalog_get_copy(tz_repo_catalog(repo), pack, tz_repo_store(repo, i),
                                             &state, err)))
                return -1;
            whole = state == TZ_COPY_PRESENT;
        }
        if (whole)
            *ret |= UINT32_C(1) << i;
    }
    return *ret ? 0 : tz_fail(err, TZ_UNAVAILABLE, "no store holds every pack of the generation");
}

/* A prune gives up a head that has stood without a seal for so long. */
static int look_at_head(struct tz_repo *repo, const struct tz_head *head, uint32_t stores,
                        struct tz_error *err)
{
    struct tz_mirror *mirror = tz_repo_mirror(repo);
    char name[TZ_NAME_TEXT];

    if (tz_now() - head->start_ns <= TZ_TOMBSTONE_STANDS_NS)
        return 0;
    tz_name_head(name, head->source_id, head->time_ns, head->id);
    for (size_t i = 0; i < tz_mirror_count(mirror); i++) {
        struct tz_store_stat stat = {0};
        if (!(stores & UINT32_C(1) << i))
            continue;
        if (tz_store_stat(tz_mirror_store(mirror, i), name, &stat, err))
            return -1;
        if (!stat.exists)
            return tz_fail(err, TZ_FAILED, "a prune has given up the unfinished head in store '%s'",
                           tz_mirror_name(mirror, i));
    }
    return 0;
}

static int condemned(bool *ret, struct tz_error *err)
{
    *ret = true;
    (void)tz_fail(err, TZ_FAILED, "a prune has condemned packs that this backup refers to");
    return tz_hint(err, "run the backup again: it stores them anew");
}

int tz_backup_commit(struct tz_repo *repo, struct tz_packer *packer, struct tz_head *head,
                     uint32_t *ret_stores, bool *ret_condemned, struct tz_error *err)
{
    uint32_t whole = 0, with_head = 0;
    bool good = false;

    *ret_condemned = false;
    if (look(repo, head, &good, err))
        return tz_while(err, "second look");
    if (!good)
        return condemned(ret_condemned, err);
    if (packer && tz_packer_flush(packer, err))
        return -1;
    if (head->locked_until_ns && tz_lock_extend(repo, head, err))
        return tz_while(err, "extend locks");
    if (whole_stores(repo, head, &whole, err) || put_head(repo, head, whole, &with_head, err) ||
        look(repo, head, &good, err))
        return -1;
    if (!good)
        return condemned(ret_condemned, err);
    if (look_at_head(repo, head, with_head, err))
        return -1;
    return put_seal(repo, head, with_head, ret_stores, err);
}
