#include "../catalog/prune.h"
#include "packer.h"

#include "tozai/core/lock.h"
#include "tozai/util/time.h"

#include <string.h>

/* An index object is written when it lists this much. */
#define INDEX_BYTES (4U << 20)

static void free_flight(struct flight *flight)
{
    if (!flight)
        return;
    tz_pack_info_clear(&flight->info);
    tz_buf_clear(&flight->names);
    free(flight);
}
TZ_DEFINE_SCOPED(struct flight *, scoped_flight, free_flight)

void tz_packer_free_flights(struct tz_packer *packer)
{
    for (struct flight *flight = packer->flights, *next; flight; flight = next) {
        next = flight->next;
        free_flight(flight);
    }
    packer->flights = NULL;
}

static uint32_t all_stores(const struct tz_packer *packer)
{
    return (UINT32_C(1) << tz_mirror_count(tz_repo_mirror(packer->repo))) - 1;
}

/* The flight becomes the packer's. */
static int take_off(struct tz_packer *packer, struct flight *flight, struct tz_blob *blob,
                    uint32_t mask, struct tz_error *err)
{
    flight->tag = packer->next_tag++;
    flight->size = blob->len;
    flight->waiting = mask;
    flight->next = packer->flights;
    packer->flights = flight;
    return tz_mirror_put(tz_repo_mirror(packer->repo), flight->name, blob, mask, flight->tag, err);
}

int tz_packer_send_pack(struct tz_packer *packer, struct tz_blob *blob, struct tz_pack_info *info,
                        struct tz_error *err)
{
    struct flight *flight = calloc(1, sizeof(*flight));

    if (!flight)
        return tz_fail_nomem(err);
    tz_name_pack(flight->name, info->hash);
    flight->is_pack = true;
    flight->info = *info;
    memset(info, 0, sizeof(*info));
    return take_off(packer, flight, blob, all_stores(packer), err);
}

/* Is some store of the mask in use? */
static bool any_usable(const struct tz_packer *packer, uint32_t mask)
{
    struct tz_mirror *mirror = tz_repo_mirror(packer->repo);

    for (size_t i = 0; i < tz_mirror_count(mirror); i++)
        if ((mask & UINT32_C(1) << i) && tz_mirror_usable(mirror, i))
            return true;
    return false;
}

static int name_pack(void *arg, const struct tz_pack_info *info, struct tz_error *err)
{
    return tz_buf_append(arg, info->hash, TZ_HASH_SIZE, err);
}

int tz_packer_send_index(struct tz_packer *packer, const struct tz_buf *body, uint32_t mask,
                         struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf object = {0};
    TZ_SCOPED(tz_scoped_blob) struct tz_blob *blob = NULL;
    TZ_SCOPED(scoped_flight) struct flight *flight = calloc(1, sizeof(*flight));
    uint8_t hash[TZ_HASH_SIZE];

    if (!flight)
        return tz_fail_nomem(err);
    /* Packs of an earlier run, and just the stores that have them cannot be reached now. */
    if (mask != all_stores(packer) && !any_usable(packer, mask)) {
        packer->unindexed_stays = true;
        return 0;
    }
    if (tz_object_seal(tz_repo_keys(packer->repo), TZ_OBJECT_INDEX, "index", body->data, body->len,
                       &object, err) ||
        tz_index_read(body->data, body->len, name_pack, &flight->names, err) ||
        tz_sha256(hash, object.data, object.len, err) ||
        tz_blob_copy(&blob, object.data, object.len, err))
        return -1;
    tz_name_index(flight->name, hash);
    flight->is_index = true;
    return take_off(packer, TZ_TAKE(flight), blob, mask, err);
}

/* A pack that some store has: now others may refer to its chunks. */
static int note_pack(struct tz_packer *packer, struct flight *flight, struct tz_error *err)
{
    int64_t pack = 0;

    if (tz_packer_note_unindexed(packer, &flight->info, err) ||
        tz_catalog_add_pack(tz_repo_catalog(packer->repo), &flight->info, &pack, err))
        return -1;
    for (uint32_t i = 0; i < flight->info.chunk_count; i++)
        tz_idset_remove(&packer->fresh, flight->info.chunks[i].id);
    if (packer->index_packs == 0)
        packer->index_since_ns = tz_now();
    if (packer->index_packs++ == 0 && tz_index_begin(&packer->index, err))
        return -1;
    return tz_index_add(&packer->index, &flight->info, err);
}

static int note(struct tz_packer *packer, struct flight *flight, struct tz_error *err)
{
    struct tz_catalog *catalog = tz_repo_catalog(packer->repo);
    size_t stores = tz_mirror_count(tz_repo_mirror(packer->repo));
    int64_t object = 0;

    if (flight->is_pack && note_pack(packer, flight, err))
        return -1;
    if (tz_catalog_add_object(catalog, flight->name, flight->size, &object, err))
        return -1;
    for (size_t i = 0; i < stores; i++) {
        bool stored = flight->stored & UINT32_C(1) << i;
        if (tz_catalog_set_copy(catalog, object, tz_repo_store(packer->repo, i),
                                stored ? TZ_COPY_PRESENT : TZ_COPY_MISSING, err) ||
            (stored && tz_lock_note(packer->repo, object, i, err)))
            return -1;
    }
    for (size_t at = 0; at < flight->names.len; at += TZ_HASH_SIZE)
        if (tz_catalog_note_index(catalog, object, flight->names.data + at, err))
            return -1;
    return 0;
}

/* An object is done when every store has reported. */
static int land_one(struct tz_packer *packer, struct flight **at, struct tz_error *err)
{
    struct flight *flight = *at;
    struct tz_catalog *catalog = tz_repo_catalog(packer->repo);

    *at = flight->next;
    int failed = 0;
    if (!flight->stored) {
        struct tz_error why = {0};
        (void)tz_mirror_error(tz_repo_mirror(packer->repo), 0, &why);
        failed = tz_fail(err, TZ_UNAVAILABLE, "no store took '%s': %s", flight->name, why.message);
    }
    if (!failed)
        failed = tz_catalog_begin(catalog, err);
    if (!failed) {
        failed = note(packer, flight, err) || tz_catalog_commit(catalog, err);
        if (failed)
            tz_catalog_rollback(catalog);
    }
    if (!failed && flight->is_index)
        failed = tz_packer_note_indexed(packer, err);
    free_flight(flight);
    return failed ? -1 : 0;
}

static int take_results(struct tz_packer *packer, struct tz_error *err)
{
    struct tz_mirror_result results[16];
    size_t count;

    while ((count = tz_mirror_results(tz_repo_mirror(packer->repo), results, 16)) > 0) {
        for (size_t i = 0; i < count; i++) {
            struct flight **at = &packer->flights;
            while (*at && (*at)->tag != results[i].tag)
                at = &(*at)->next;
            if (!*at)
                continue;
            (*at)->waiting &= ~(UINT32_C(1) << results[i].store);
            if (results[i].stored)
                (*at)->stored |= UINT32_C(1) << results[i].store;
            if (!(*at)->waiting && land_one(packer, at, err))
                return -1;
        }
    }
    return 0;
}

int tz_packer_land(struct tz_packer *packer, bool wait, struct tz_error *err)
{
    if (wait && tz_mirror_flush(tz_repo_mirror(packer->repo), err))
        return -1;
    if (take_results(packer, err))
        return -1;
    return packer->index.len >= INDEX_BYTES ? tz_packer_write_index(packer, err) : 0;
}

int tz_packer_write_index(struct tz_packer *packer, struct tz_error *err)
{
    if (packer->index_packs == 0)
        return 0;
    /* They may have been deleted, and no tombstone tells any more (unindexed.c). */
    if (tz_now() - packer->index_since_ns >= TZ_TOMBSTONE_STANDS_NS) {
        (void)tz_fail(err, TZ_FAILED, "packs have waited for an index for too long");
        return tz_hint(err, "run it again: it looks for them in the stores");
    }
    packer->index_packs = 0;
    int failed = tz_packer_send_index(packer, &packer->index, all_stores(packer), err);
    tz_buf_reset(&packer->index);
    return failed;
}
