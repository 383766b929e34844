/*
 * Packs that the catalog knows and that no index in a store names yet.
 *
 * A run that fails between a pack and its index leaves such packs.  The next run refers to them, so
 * it must put them into an index of its own, or no other machine could find what they hold.  They
 * are kept in the file <state>/unindexed:
 *
 *   for each pack: u32 length, 16 check, that many bytes: the body of an index of this one pack
 *
 * A record is durable before the catalog learns the pack; the file is emptied when all that it
 * names is in an index.  A pack may come into two indexes: that is the same as in one.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "../repo/internal.h"
#include "packer.h"

#include "tozai/util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define RECORD_HEAD 20U
#define CHECK_SIZE  16U
/* An index is written for every 4 MiB: the file is never nearly as long. */
#define UNINDEXED_MAX (256U << 20)

static void make_check(const struct tz_packer *packer, const void *data, size_t len,
                       uint8_t check[CHECK_SIZE])
{
    uint8_t hash[32];

    tz_keyed_hash(hash, tz_keys_local_key(tz_repo_keys(packer->repo)), data, len);
    memcpy(check, hash, CHECK_SIZE);
}

int tz_packer_note_unindexed(struct tz_packer *packer, const struct tz_pack_info *info,
                             struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf record = {0};
    static const uint8_t head[RECORD_HEAD];

    if (tz_buf_append(&record, head, sizeof(head), err) || tz_index_begin(&record, err) ||
        tz_index_add(&record, info, err))
        return -1;
    tz_store_le32(record.data, (uint32_t)(record.len - RECORD_HEAD));
    make_check(packer, record.data + RECORD_HEAD, record.len - RECORD_HEAD, record.data + 4);
    if (tz_pwrite_all(packer->unindexed_fd, record.data, record.len, packer->unindexed_len, err))
        return tz_while(err, "write '%s/unindexed'", tz_repo_state(packer->repo));
    if (fdatasync(packer->unindexed_fd))
        return tz_fail_errno(err, errno, "sync '%s/unindexed'", tz_repo_state(packer->repo));
    packer->unindexed_len += record.len;
    return 0;
}

int tz_packer_note_indexed(struct tz_packer *packer, struct tz_error *err)
{
    if (packer->unindexed_stays || packer->index_packs > 0)
        return 0;
    for (const struct flight *flight = packer->flights; flight; flight = flight->next)
        if (flight->is_index)
            return 0;
    /* What a crash brings back is written into one more index. */
    if (ftruncate(packer->unindexed_fd, 0))
        return tz_fail_errno(err, errno, "empty '%s/unindexed'", tz_repo_state(packer->repo));
    packer->unindexed_len = 0;
    return 0;
}

/* The records of a file, by the stores that have their packs. */
struct recall {
    struct tz_packer *packer;
    uint32_t mask; /* take the packs that are in just these stores */
    uint32_t next; /* and the next greater set that was seen */
    struct tz_buf body;
};

/* Does the store have the pack still?  While this machine was off, a prune may have condemned and
 * deleted what no index names, and taken its tombstone away: nothing else would tell. */
static int is_there(struct tz_packer *packer, size_t i, const struct tz_pack_info *info, bool *ret,
                    struct tz_error *err)
{
    struct tz_mirror *mirror = tz_repo_mirror(packer->repo);
    struct tz_store_stat stat = {0};
    struct tz_error why = {0};
    char name[TZ_NAME_TEXT];

    *ret = true;
    if (!tz_mirror_usable(mirror, i))
        return 0;
    tz_name_pack(name, info->hash);
    if (!tz_store_stat(tz_mirror_store(mirror, i), name, &stat, &why)) {
        *ret = stat.exists;
        return 0;
    }
    if (why.kind == TZ_UNAVAILABLE || why.kind == TZ_IO || why.kind == TZ_DENIED) {
        tz_repo_put_out(packer->repo, i, &why);
        return 0;
    }
    if (err)
        *err = why;
    return -1;
}

/* The catalog's word for it, or what it is after the stores were asked.  *ret 0: nobody may refer
 * to the pack. */
static int find_stores(struct tz_packer *packer, const struct tz_pack_info *info, bool ask,
                       uint32_t *ret, struct tz_error *err)
{
    struct tz_catalog *catalog = tz_repo_catalog(packer->repo);
    struct tz_catalog_pack pack;
    int64_t number = 0;

    *ret = 0;
    if (tz_catalog_find_pack(catalog, info->hash, &number, err))
        return -1;
    if (number == 0)
        return 0;
    if (tz_catalog_get_pack(catalog, number, &pack, err))
        return -1;
    for (size_t i = 0; !pack.condemned && i < tz_mirror_count(tz_repo_mirror(packer->repo)); i++) {
        enum tz_copy_state state = TZ_COPY_UNKNOWN;
        int64_t store = tz_repo_store(packer->repo, i);
        bool there = true;
        if (tz_catalog_get_copy(catalog, number, store, &state, err))
            return -1;
        if (state != TZ_COPY_PRESENT)
            continue;
        if ((ask && is_there(packer, i, info, &there, err)) ||
            (!there && tz_catalog_set_copy(catalog, number, store, TZ_COPY_MISSING, err)))
            return -1;
        *ret |= there ? UINT32_C(1) << i : 0;
    }
    return 0;
}

static int recall_pack(void *arg, const struct tz_pack_info *info, struct tz_error *err)
{
    struct recall *recall = arg;
    uint32_t mask = 0;

    /* The first time, when nothing is taken yet. */
    if (find_stores(recall->packer, info, recall->mask == 0, &mask, err))
        return -1;
    if (mask > recall->mask && mask < recall->next)
        recall->next = mask;
    if (mask != recall->mask)
        return 0;
    if (recall->body.len == 0 && tz_index_begin(&recall->body, err))
        return -1;
    return tz_index_add(&recall->body, info, err);
}

/* The whole records; behind them a crash may have left a part of one.  *ret_len: where they end. */
static int each_record(struct tz_packer *packer, const struct tz_buf *file, size_t *ret_len,
                       struct recall *recall, struct tz_error *err)
{
    *ret_len = 0;
    while (file->len - *ret_len > RECORD_HEAD) {
        const uint8_t *at = file->data + *ret_len;
        uint32_t len = tz_load_le32(at);
        uint8_t check[CHECK_SIZE];

        if (len > file->len - *ret_len - RECORD_HEAD)
            break;
        make_check(packer, at + RECORD_HEAD, len, check);
        if (memcmp(check, at + 4, CHECK_SIZE) != 0)
            break;
        if (recall && tz_index_read(at + RECORD_HEAD, len, recall_pack, recall, err))
            return -1;
        *ret_len += RECORD_HEAD + len;
    }
    return 0;
}

/* An index must not come into a store that lacks its packs: one for each set of stores. */
static int index_records(struct tz_packer *packer, const struct tz_buf *file, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf body = {0};
    struct recall recall = {.packer = packer, .next = UINT32_MAX};
    size_t len = 0;

    for (;;) {
        recall.body = body;
        int failed = each_record(packer, file, &len, &recall, err);
        body = recall.body;
        if (failed)
            return -1;
        if (recall.mask && tz_packer_send_index(packer, &body, recall.mask, err))
            return -1;
        if (recall.next == UINT32_MAX)
            return 0;
        recall.mask = recall.next;
        recall.next = UINT32_MAX;
        tz_buf_reset(&body);
    }
}

int tz_packer_recall_unindexed(struct tz_packer *packer, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free) char *path = tz_path_join(tz_repo_state(packer->repo), "unindexed");
    TZ_SCOPED(tz_scoped_buf) struct tz_buf file = {0};
    size_t len = 0;

    if (!path)
        return tz_fail_nomem(err);
    packer->unindexed_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (packer->unindexed_fd < 0)
        return tz_fail_errno(err, errno, "open '%s'", path);
    if (tz_sync_parent(path, err) || tz_file_read(path, UNINDEXED_MAX, &file, err) ||
        each_record(packer, &file, &len, NULL, err))
        return -1;
    if (ftruncate(packer->unindexed_fd, (off_t)len))
        return tz_fail_errno(err, errno, "cut '%s'", path);
    file.len = len;
    packer->unindexed_len = len;
    return index_records(packer, &file, err);
}
