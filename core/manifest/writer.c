#include "tozai/core/manifest.h"

#include "tozai/core/chunker.h"

#include <string.h>

#define CHUNK_MIN  (16U << 10)
#define CHUNK_MAX  (256U << 10)
#define CUT_MASK   (UINT64_C(1023) << 50) /* about every thousandth path */
#define ROOT_PIECE (1U << 20)

struct tz_manifest_writer {
    struct tz_packer *packer;
    struct tz_id_list *refs;
    struct tz_idhash *hash;
    struct tz_chunker chunker; /* its table hashes paths */
    struct tz_coder coder;
    struct tz_buf chunk;
    struct tz_buf first; /* first path of the chunk */
    struct tz_buf last;  /* path of the entry before */
    bool has_last;
    uint64_t entries; /* in the chunk */
    struct tz_buf root;
};

int tz_manifest_writer_new(struct tz_manifest_writer **ret, struct tz_packer *packer,
                           const struct tz_keys *keys, struct tz_id_list *refs,
                           struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_manifest_writer)
    struct tz_manifest_writer *writer = calloc(1, sizeof(*writer));
    if (!writer)
        return tz_fail_nomem(err);
    writer->packer = packer;
    writer->refs = refs;
    tz_chunker_init(&writer->chunker, tz_keys_chunker_seed(keys));
    if (tz_idhash_new(&writer->hash, tz_keys_chunk_id_key(keys), err))
        return -1;
    *ret = TZ_TAKE(writer);
    return 0;
}

void tz_manifest_writer_free(struct tz_manifest_writer *writer)
{
    if (!writer)
        return;
    tz_idhash_free(writer->hash);
    tz_coder_clear(&writer->coder);
    tz_buf_clear(&writer->chunk);
    tz_buf_clear(&writer->first);
    tz_buf_clear(&writer->last);
    tz_buf_clear(&writer->root);
    free(writer);
}

/* Does a chunk end behind this path? */
static bool cut_behind(const struct tz_manifest_writer *writer, const struct tz_entry *entry)
{
    uint64_t hash = 0;
    size_t from = entry->path_len > 64 ? entry->path_len - 64 : 0;

    for (size_t i = from; i < entry->path_len; i++)
        hash = (hash << 1) + writer->chunker.gear[(uint8_t)entry->path[i]];
    return (hash & CUT_MASK) == 0;
}

/* A line of the root: id, length, entries, first path. */
static int end_chunk(struct tz_manifest_writer *writer, struct tz_error *err)
{
    uint8_t id[TZ_ID_SIZE];
    struct tz_buf *chunk = &writer->chunk;

    if (chunk->len == 0)
        return 0;
    if (tz_idhash(writer->hash, chunk->data, chunk->len, id, err) ||
        tz_packer_add(writer->packer, TZ_PACKER_MANIFEST, id, chunk->data, (uint32_t)chunk->len,
                      err) ||
        tz_id_list_add(writer->refs, id, err))
        return -1;
    if (tz_buf_append(&writer->root, id, TZ_ID_SIZE, err) ||
        tz_put_varint(&writer->root, chunk->len, err) ||
        tz_put_varint(&writer->root, writer->entries, err) ||
        tz_put_bytes(&writer->root, writer->first.data, writer->first.len, err))
        return -1;
    tz_buf_reset(chunk);
    tz_coder_clear(&writer->coder);
    writer->entries = 0;
    return 0;
}

/* No reader would take a manifest out of order: better no generation than one that cannot be read.
 */
static int hold_order(struct tz_manifest_writer *writer, const struct tz_entry *entry,
                      struct tz_error *err)
{
    struct tz_buf *last = &writer->last;

    if (writer->has_last &&
        tz_path_compare((const char *)last->data, last->len, entry->path, entry->path_len) >= 0)
        return tz_fail(err, TZ_FAILED, "internal error: '%s' comes out of order", entry->path);
    tz_buf_reset(last);
    writer->has_last = true;
    return tz_buf_append(last, entry->path, entry->path_len, err);
}

int tz_manifest_add(struct tz_manifest_writer *writer, const struct tz_entry *entry,
                    struct tz_error *err)
{
    if (tz_entry_check(entry, err))
        return tz_while(err, "'%s'", entry->path);
    if (hold_order(writer, entry, err))
        return -1;
    /* An entry with much metadata may need nearly a chunk of its own. */
    if (writer->chunk.len + tz_entry_size_max(entry) > TZ_CHUNK_MAX && end_chunk(writer, err))
        return -1;
    if (writer->chunk.len == 0) {
        tz_buf_reset(&writer->first);
        if (tz_buf_append(&writer->first, entry->path, entry->path_len, err))
            return -1;
    }
    if (tz_entry_encode(&writer->coder, entry, NULL, &writer->chunk, err))
        return -1;
    writer->entries++;
    bool cut = writer->chunk.len >= CHUNK_MIN && cut_behind(writer, entry);
    return cut || writer->chunk.len >= CHUNK_MAX ? end_chunk(writer, err) : 0;
}

int tz_manifest_store(struct tz_packer *packer, struct tz_idhash *hash, struct tz_id_list *refs,
                      const uint8_t *data, size_t len, struct tz_extent **ret, uint32_t *ret_count,
                      struct tz_error *err)
{
    uint32_t count = (uint32_t)((len + ROOT_PIECE - 1) / ROOT_PIECE);
    TZ_SCOPED(tz_scoped_free) struct tz_extent *extents = calloc(count + 1, sizeof(*extents));

    if (!extents)
        return tz_fail_nomem(err);
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *piece = data + (size_t)i * ROOT_PIECE;
        size_t piece_len = TZ_MIN((size_t)ROOT_PIECE, len - (size_t)i * ROOT_PIECE);

        extents[i].len = piece_len;
        if (tz_idhash(hash, piece, piece_len, extents[i].id, err) ||
            tz_packer_add(packer, TZ_PACKER_MANIFEST, extents[i].id, piece, (uint32_t)piece_len,
                          err) ||
            tz_id_list_add(refs, extents[i].id, err))
            return -1;
    }
    *ret = TZ_TAKE(extents);
    *ret_count = count;
    return 0;
}

int tz_manifest_finish(struct tz_manifest_writer *writer, struct tz_head *head,
                       struct tz_error *err)
{
    if (end_chunk(writer, err))
        return -1;
    if (writer->root.len > TZ_MANIFEST_ROOT_MAX)
        return tz_fail(err, TZ_UNSUPPORTED, "the generation has too many entries");
    head->root_len = writer->root.len;
    return tz_manifest_store(writer->packer, writer->hash, writer->refs, writer->root.data,
                             writer->root.len, &head->root, &head->root_count, err);
}
