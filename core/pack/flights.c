#include "packer.h"

#include <string.h>

/* An index object is written when it lists this much. */
#define INDEX_BYTES (4U << 20)

void tz_packer_free_flights(struct tz_packer *packer)
{
    for (struct flight *flight = packer->flights, *next; flight; flight = next) {
        next = flight->next;
        tz_pack_info_clear(&flight->info);
        free(flight);
    }
    packer->flights = NULL;
}

int tz_packer_send(struct tz_packer *packer, const char *name, struct tz_blob *blob,
                   struct tz_pack_info *info, struct tz_error *err)
{
    struct tz_mirror *mirror = tz_repo_mirror(packer->repo);
    struct flight *flight = calloc(1, sizeof(*flight));

    if (!flight)
        return tz_fail_nomem(err);
    flight->tag = packer->next_tag++;
    flight->size = blob->len;
    memcpy(flight->name, name, strlen(name) + 1);
    for (size_t i = 0; i < tz_mirror_count(mirror); i++)
        flight->waiting |= UINT32_C(1) << i;
    if (info) {
        flight->info = *info;
        flight->is_pack = true;
        memset(info, 0, sizeof(*info));
    }
    flight->next = packer->flights;
    packer->flights = flight;
    return tz_mirror_put(mirror, name, blob, flight->waiting, flight->tag, err);
}

/* A pack that some store has: now others may refer to its chunks. */
static int note_pack(struct tz_packer *packer, struct flight *flight, struct tz_error *err)
{
    int64_t pack = 0;

    if (tz_catalog_add_pack(tz_repo_catalog(packer->repo), &flight->info, &pack, err))
        return -1;
    for (uint32_t i = 0; i < flight->info.chunk_count; i++)
        tz_idset_remove(&packer->fresh, flight->info.chunks[i].id);
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
                                stored ? TZ_COPY_PRESENT : TZ_COPY_MISSING, err))
            return -1;
    }
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
    tz_pack_info_clear(&flight->info);
    free(flight);
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
    TZ_SCOPED(tz_scoped_buf) struct tz_buf object = {0};
    TZ_SCOPED(tz_scoped_blob) struct tz_blob *blob = NULL;
    uint8_t hash[TZ_HASH_SIZE];
    char name[TZ_NAME_TEXT];

    if (packer->index_packs == 0)
        return 0;
    if (tz_object_seal(tz_repo_keys(packer->repo), TZ_OBJECT_INDEX, "index", packer->index.data,
                       packer->index.len, &object, err) ||
        tz_sha256(hash, object.data, object.len, err) ||
        tz_blob_copy(&blob, object.data, object.len, err))
        return -1;
    tz_buf_reset(&packer->index);
    packer->index_packs = 0;
    tz_name_index(name, hash);
    return tz_packer_send(packer, name, blob, NULL, err);
}
