#include "packer.h"

#include <string.h>

/* Frames that may be on their way when a pack is closed land behind the size aimed at; so may one
 * chunk that is larger than a frame.  Memory that is not written to costs nothing. */
static size_t blob_size(const struct tz_packer *packer)
{
    size_t late = ((size_t)tz_pool_size(packer->pool) + 4) * (packer->frame_size + TZ_AEAD_TAG);
    size_t size = TZ_PACK_HEADER_SIZE + packer->pack_size + late + TZ_CHUNK_MAX + TZ_AEAD_TAG;
    return TZ_MIN(size, packer->content_max);
}

void tz_packer_free_pack(struct tz_packer *packer, struct open_pack *pack)
{
    if (!pack)
        return;
    for (struct open_pack **at = &packer->packs; *at; at = &(*at)->next)
        if (*at == pack) {
            *at = pack->next;
            break;
        }
    tz_blob_drop(pack->blob);
    tz_pack_info_clear(&pack->info);
    tz_secret_free(pack->key);
    free(pack);
}

static int new_pack(struct tz_packer *packer, enum tz_pack_kind kind, struct open_pack **ret,
                    struct tz_error *err)
{
    struct open_pack *pack = calloc(1, sizeof(*pack));

    if (!pack)
        return tz_fail_nomem(err);
    pack->kind = kind;
    pack->info.kind = kind;
    pack->key = tz_secret_alloc(TZ_KEY_SIZE);
    int failed = pack->key ? 0 : tz_fail_nomem(err);
    if (!failed)
        failed = tz_pack_header_make(tz_repo_keys(packer->repo), kind, pack->info.header, pack->key,
                                     err);
    if (!failed)
        failed = tz_blob_take(packer->blobs, &pack->blob, blob_size(packer), err);
    if (failed) {
        tz_packer_free_pack(packer, pack);
        return -1;
    }
    pack->next = packer->packs;
    packer->packs = pack;
    memcpy(pack->blob->data, pack->info.header, TZ_PACK_HEADER_SIZE);
    pack->blob->len = TZ_PACK_HEADER_SIZE;
    *ret = pack;
    return 0;
}

/* All frames are in: directory, trailer and hash are a worker's job. */
static int finish_pack(struct tz_packer *packer, struct open_pack *pack, struct tz_error *err)
{
    size_t room = tz_pack_tail_max(&pack->info, pack->blob->len);
    struct work *work = calloc(1, sizeof(*work));

    if (!work)
        return tz_fail_nomem(err);
    if (pack->blob->cap - pack->blob->len < room) {
        struct tz_blob *larger = NULL;
        if (tz_blob_new(&larger, pack->blob->len + room, err)) {
            free(work);
            return -1;
        }
        memcpy(larger->data, pack->blob->data, pack->blob->len);
        larger->len = pack->blob->len;
        tz_blob_drop(pack->blob);
        pack->blob = larger;
    }
    work->kind = WORK_FINISH;
    work->pack = pack;
    return tz_packer_submit(packer, work, err);
}

int tz_packer_close_pack(struct tz_packer *packer, enum tz_pack_kind kind, bool pad,
                         struct tz_error *err)
{
    struct open_pack *pack = packer->open[kind - 1];

    if (!pack)
        return 0;
    packer->open[kind - 1] = NULL;
    pack->closed = true;
    pack->pad = pad;
    return pack->collected == pack->frames ? finish_pack(packer, pack, err) : 0;
}

int tz_packer_open_pack(struct tz_packer *packer, enum tz_pack_kind kind, size_t len,
                        struct open_pack **ret, struct tz_error *err)
{
    struct open_pack **open = &packer->open[kind - 1];

    /* The ratio that closes packs in time is a guess: what is on its way must fit even if none of
     * it gets smaller. */
    if (*open && (*open)->blob->cap - (*open)->blob->len < (*open)->reserved + len + TZ_AEAD_TAG &&
        tz_packer_close_pack(packer, kind, false, err))
        return -1;
    if (!*open && new_pack(packer, kind, open, err))
        return -1;
    *ret = *open;
    return 0;
}

/* A sealed frame goes behind the others; frames come in the order of their numbers. */
int tz_packer_collect_frame(struct tz_packer *packer, struct work *work, struct tz_error *err)
{
    struct open_pack *pack = work->pack;
    struct tz_blob *blob = pack->blob;
    struct tz_frame_info frame = {
        .offset = blob->len,
        .sealed_len = (uint32_t)work->sealed_len,
        .plain_len = (uint32_t)work->len,
        .codec = work->codec,
        .first_chunk = pack->info.chunk_count,
        .chunk_count = work->chunk_count,
    };

    if (blob->cap - blob->len < work->sealed_len)
        return tz_fail(err, TZ_FAILED, "a pack grew beyond its limit");
    memcpy(blob->data + blob->len, work->buffer, work->sealed_len);
    blob->len += work->sealed_len;
    for (uint32_t i = 0; i < work->chunk_count; i++)
        if (tz_pack_info_add_chunk(&pack->info, &work->chunks[i], err))
            return -1;
    if (tz_pack_info_add_frame(&pack->info, &frame, err))
        return -1;
    packer->ratio = packer->ratio * 0.75 + 0.25 * (double)work->sealed_len / (double)work->len;
    pack->expected -= work->expected;
    pack->reserved -= work->len + TZ_AEAD_TAG;
    pack->collected++;
    return pack->closed && pack->collected == pack->frames ? finish_pack(packer, pack, err) : 0;
}

/* A finished pack leaves for the stores. */
int tz_packer_launch(struct tz_packer *packer, struct open_pack *pack, struct tz_error *err)
{
    packer->stats.packs++;
    packer->stats.stored_bytes += pack->info.size;
    int failed = tz_packer_send_pack(packer, pack->blob, &pack->info, err);
    tz_packer_free_pack(packer, pack);
    return failed ? -1 : tz_packer_land(packer, false, err);
}
