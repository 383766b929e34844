/*
 * Writing the local manifest.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "local_rows.h"

#include "tozai/util/file.h"
#include "tozai/util/hex.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define BLOCK       (256U << 10) /* one ends behind this */
#define SETTLE_ROWS 4096U

/* Numbers of packs, with repetitions until they are sorted. */
struct pack_numbers {
    uint64_t *items;
    size_t count, cap;
};

struct tz_local_writer {
    struct tz_repo *repo;
    uint8_t key[TZ_KEY_SIZE];
    char *parent; /* <state>/sources/<source id> */
    char *path;   /* parent/<folder> */
    char folder[LOCAL_NAME_SIZE];
    bool made, committed;
    struct tz_row_writer entries; /* rows of one byte */
    struct tz_row_writer chunks, lists, tags, packs;
    struct tz_buf block;
    struct tz_coder coder;
    struct pack_numbers used;
};

static const char *const file_names[] = {"entries", "chunks", "lists", "tags", "packs"};

static int open_files(struct tz_local_writer *writer, struct tz_error *err)
{
    if (mkdir(writer->path, 0700))
        return tz_fail_errno(err, errno, "make '%s'", writer->path);
    writer->made = true;
    if (tz_row_writer_open(&writer->entries, writer->path, "entries", 1, err) ||
        tz_row_writer_open(&writer->chunks, writer->path, "chunks", LOCAL_CHUNK_ROW, err) ||
        tz_row_writer_open(&writer->lists, writer->path, "lists", LOCAL_LIST_ROW, err) ||
        tz_row_writer_open(&writer->tags, writer->path, "tags", LOCAL_TAG_SIZE, err) ||
        tz_row_writer_open(&writer->packs, writer->path, "packs", LOCAL_PACK_ROW, err))
        return -1;
    return 0;
}

int tz_local_create(struct tz_local_writer **ret, struct tz_repo *repo, const char *folder,
                    struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_local_writer) struct tz_local_writer *writer = calloc(1, sizeof(*writer));
    uint8_t random[8];

    if (!writer)
        return tz_fail_nomem(err);
    writer->repo = repo;
    writer->entries.fd = writer->chunks.fd = writer->lists.fd = -1;
    writer->tags.fd = writer->packs.fd = -1;
    tz_random(random, sizeof(random));
    tz_hex(writer->folder, random, sizeof(random));
    tz_local_folder_key(tz_repo_keys(repo), writer->folder, writer->key);
    writer->parent = strdup(folder);
    writer->path = tz_path_join(folder, writer->folder);
    if (!writer->parent || !writer->path)
        return tz_fail_nomem(err);
    if (open_files(writer, err))
        return -1;
    *ret = TZ_TAKE(writer);
    return 0;
}

static void remove_folder(const char *parent, const char *folder)
{
    TZ_SCOPED(tz_scoped_free) char *path = tz_path_join(parent, folder);

    for (size_t i = 0; path && i < TZ_COUNT(file_names); i++) {
        TZ_SCOPED(tz_scoped_free) char *file = tz_path_join(path, file_names[i]);
        if (file)
            (void)unlink(file);
    }
    if (path)
        (void)rmdir(path);
}

void tz_local_writer_free(struct tz_local_writer *writer)
{
    if (!writer)
        return;
    tz_row_writer_close(&writer->entries);
    tz_row_writer_close(&writer->chunks);
    tz_row_writer_close(&writer->lists);
    tz_row_writer_close(&writer->tags);
    tz_row_writer_close(&writer->packs);
    if (!writer->committed && writer->made)
        remove_folder(writer->parent, writer->folder);
    tz_buf_clear(&writer->block);
    tz_coder_clear(&writer->coder);
    free(writer->used.items);
    free(writer->path);
    free(writer->parent);
    tz_wipe(writer->key, sizeof(writer->key));
    free(writer);
}

static int end_block(struct tz_local_writer *writer, struct tz_error *err)
{
    uint8_t head[LOCAL_BLOCK_HEAD];

    if (writer->block.len == 0)
        return 0;
    tz_store_le32(head, (uint32_t)writer->block.len);
    tz_local_check(writer->key, writer->block.data, writer->block.len, head + 4);
    if (tz_row_put(&writer->entries, head, sizeof(head), err) ||
        tz_row_put(&writer->entries, writer->block.data, writer->block.len, err))
        return -1;
    tz_buf_reset(&writer->block);
    return 0;
}

static int put_row(void *arg, const uint8_t id[TZ_ID_SIZE], uint64_t pack, struct tz_error *err)
{
    struct tz_local_writer *writer = arg;
    uint8_t row[LOCAL_CHUNK_ROW];

    memcpy(row, id, TZ_ID_SIZE);
    tz_store_le64(row + TZ_ID_SIZE, pack);
    tz_local_seal_row(writer->key, LOCAL_CHUNKS, writer->chunks.count, row, sizeof(row));
    return tz_row_put(&writer->chunks, row, 1, err);
}

int tz_local_extra_encode(const struct local_extra *extra, struct tz_buf *out, struct tz_error *err)
{
    bool more = extra->list_count || extra->tag_count;

    if (tz_put_u8(out, more, err))
        return -1;
    if (more &&
        (tz_put_varint(out, extra->list_first, err) || tz_put_varint(out, extra->list_count, err) ||
         tz_put_varint(out, extra->tag_first, err) || tz_put_varint(out, extra->tag_count, err) ||
         tz_put_varint(out, extra->block_size, err)))
        return -1;
    return 0;
}

int tz_local_add(struct tz_local_writer *writer, const struct tz_entry *entry,
                 const struct local_extra *extra, struct tz_error *err)
{
    struct tz_rows rows = {.put = put_row, .arg = writer};

    if (writer->block.len == 0 && tz_put_u64(&writer->block, writer->chunks.count, err))
        return -1;
    if (tz_entry_encode(&writer->coder, entry, &rows, &writer->block, err) ||
        tz_local_extra_encode(extra, &writer->block, err))
        return -1;
    return writer->block.len >= BLOCK ? end_block(writer, err) : 0;
}

int tz_local_put_list(struct tz_local_writer *writer, const struct local_extent *extent,
                      uint64_t *ret_row, struct tz_error *err)
{
    uint8_t row[LOCAL_LIST_ROW];

    *ret_row = writer->lists.count;
    memcpy(row, extent->extent.id, TZ_ID_SIZE);
    tz_store_le64(row + 32, extent->pack);
    tz_store_le64(row + 40, extent->extent.len);
    tz_store_le32(row + 48, extent->extent.offset);
    tz_local_seal_row(writer->key, LOCAL_LISTS, writer->lists.count, row, sizeof(row));
    return tz_row_put(&writer->lists, row, 1, err);
}

int tz_local_put_tags(struct tz_local_writer *writer, uint8_t (*tags)[LOCAL_TAG_SIZE], size_t count,
                      uint64_t *ret_row, struct tz_error *err)
{
    *ret_row = writer->tags.count;
    return tz_row_put(&writer->tags, tags, count, err);
}

int tz_local_put_hole_tags(struct tz_local_writer *writer, uint64_t count, uint64_t *ret_row,
                           struct tz_error *err)
{
    *ret_row = writer->tags.count;
    return tz_row_put_zeros(&writer->tags, count, err);
}

static int compare_numbers(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Sort, each once. */
static void unite(struct pack_numbers *numbers)
{
    size_t kept = 0;

    if (numbers->count)
        qsort(numbers->items, numbers->count, sizeof(*numbers->items), compare_numbers);
    for (size_t i = 0; i < numbers->count; i++)
        if (kept == 0 || numbers->items[kept - 1] != numbers->items[i])
            numbers->items[kept++] = numbers->items[i];
    numbers->count = kept;
}

static int add_number(struct pack_numbers *numbers, uint64_t number, struct tz_error *err)
{
    if (numbers->count == numbers->cap) {
        unite(numbers);
        /* Only when that left little room: else each new number would sort all of them. */
        if (numbers->count >= numbers->cap / 2) {
            size_t cap = numbers->cap ? numbers->cap * 2 : 1024;
            void *fresh = realloc(numbers->items, cap * sizeof(*numbers->items));
            if (!fresh)
                return tz_fail_nomem(err);
            numbers->items = fresh;
            numbers->cap = cap;
        }
    }
    numbers->items[numbers->count++] = number;
    return 0;
}

struct settling {
    struct tz_local_writer *writer;
    struct tz_catalog *catalog;
    uint8_t last_id[TZ_ID_SIZE];
    uint64_t last_pack;
    local_pack_fn *used;
    void *arg;
};

/* The pack of a chunk that was new: that of the row before, or the catalog's. */
static int find_pack(struct settling *settling, const uint8_t id[TZ_ID_SIZE], uint64_t *ret,
                     struct tz_error *err)
{
    struct tz_chunk_place place;
    bool found = false;

    if (memcmp(settling->last_id, id, TZ_ID_SIZE) == 0) {
        *ret = settling->last_pack;
        return 0;
    }
    if (tz_catalog_find_chunk(settling->catalog, id, &place, &found, err))
        return -1;
    if (!found)
        return tz_fail(err, TZ_CORRUPT, "a chunk of this run is not in the catalog");
    *ret = (uint64_t)place.pack;
    return 0;
}

static int settle_row(struct settling *settling, const uint8_t id[TZ_ID_SIZE], uint8_t pack[8],
                      bool *ret_changed, struct tz_error *err)
{
    static const uint8_t hole[TZ_ID_SIZE];
    uint64_t number = tz_load_le64(pack);

    *ret_changed = false;
    if (memcmp(id, hole, TZ_ID_SIZE) == 0)
        return 0;
    if (number == 0) {
        if (find_pack(settling, id, &number, err))
            return -1;
        tz_store_le64(pack, number);
        *ret_changed = true;
    }
    bool repeated = number == settling->last_pack;
    memcpy(settling->last_id, id, TZ_ID_SIZE);
    settling->last_pack = number;
    if (repeated)
        return 0;
    if (add_number(&settling->writer->used, number, err))
        return -1;
    return settling->used(settling->arg, (int64_t)number, err);
}

/* Rows [first, first + count), which were read back. */
static int settle_rows(struct settling *settling, enum local_file kind, uint8_t *rows,
                       size_t row_size, uint64_t first, size_t count, bool *ret_changed,
                       struct tz_error *err)
{
    const uint8_t *key = settling->writer->key;

    for (size_t i = 0; i < count; i++) {
        uint8_t *row = rows + i * row_size;
        bool changed = false;

        if (!tz_local_row_good(key, kind, first + i, row, row_size))
            return tz_fail(err, TZ_IO, "it reads back as other bytes (faulty disk or memory?)");
        if (settle_row(settling, row, row + TZ_ID_SIZE, &changed, err))
            return -1;
        if (changed)
            tz_local_seal_row(key, kind, first + i, row, row_size);
        *ret_changed |= changed;
    }
    return 0;
}

static int settle_file(struct tz_row_writer *file, enum local_file kind, struct settling *settling,
                       struct tz_error *err)
{
    size_t row_size = file->row_size;
    TZ_SCOPED(tz_scoped_free) uint8_t *rows = malloc(SETTLE_ROWS * row_size);

    if (!rows)
        return tz_fail_nomem(err);
    if (tz_row_flush(file, err))
        return -1;
    for (uint64_t at = 0; at < file->count; at += SETTLE_ROWS) {
        size_t count = (size_t)TZ_MIN(file->count - at, (uint64_t)SETTLE_ROWS), got = 0;
        bool changed = false;

        if (tz_pread_full(file->fd, rows, count * row_size, at * row_size, &got, err))
            return -1;
        if (got != count * row_size)
            return tz_fail(err, TZ_IO, "%zu bytes instead of %zu can be read back", got,
                           count * row_size);
        if (settle_rows(settling, kind, rows, row_size, at, count, &changed, err))
            return -1;
        if (changed && tz_pwrite_all(file->fd, rows, count * row_size, at * row_size, err))
            return -1;
    }
    return 0;
}

/* What the numbers in the rows mean. */
static int put_packs(struct tz_local_writer *writer, struct tz_catalog *catalog,
                     struct tz_error *err)
{
    unite(&writer->used);
    for (size_t i = 0; i < writer->used.count; i++) {
        struct tz_catalog_pack pack;
        uint8_t row[LOCAL_PACK_ROW];

        if (tz_catalog_get_pack(catalog, (int64_t)writer->used.items[i], &pack, err))
            return -1;
        memcpy(row, pack.hash, TZ_HASH_SIZE);
        tz_store_le64(row + TZ_HASH_SIZE, writer->used.items[i]);
        tz_local_seal_row(writer->key, LOCAL_PACKS, writer->packs.count, row, sizeof(row));
        if (tz_row_put(&writer->packs, row, 1, err))
            return -1;
    }
    return tz_row_flush(&writer->packs, err);
}

int tz_local_settle(struct tz_local_writer *writer, local_pack_fn *used, void *arg,
                    struct tz_error *err)
{
    struct tz_catalog *catalog = tz_repo_catalog(writer->repo);
    struct settling settling = {.writer = writer, .catalog = catalog, .used = used, .arg = arg};

    if (end_block(writer, err) || tz_row_flush(&writer->entries, err) ||
        tz_row_flush(&writer->tags, err) ||
        settle_file(&writer->chunks, LOCAL_CHUNKS, &settling, err) ||
        settle_file(&writer->lists, LOCAL_LISTS, &settling, err) || put_packs(writer, catalog, err))
        return tz_while(err, "settle the local manifest");
    return 0;
}

/* What earlier runs left beside the folder that counts now, killed ones too. */
static void remove_others(const struct tz_local_writer *writer)
{
    TZ_SCOPED(tz_scoped_dir) DIR *dir = opendir(writer->parent);
    const struct dirent *item;

    while (dir && (item = readdir(dir)))
        if (tz_is_temporary(item->d_name))
            (void)unlinkat(dirfd(dir), item->d_name, 0);
        else if (item->d_name[0] != '.' && strcmp(item->d_name, "last") != 0 &&
                 strcmp(item->d_name, writer->folder) != 0)
            remove_folder(writer->parent, item->d_name);
}

/* The files, their names in the folder, and the folder's own name. */
static int sync_folder(const struct tz_local_writer *writer, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free) char *file = tz_path_join(writer->path, file_names[0]);
    const int fds[] = {writer->entries.fd, writer->chunks.fd, writer->lists.fd, writer->tags.fd,
                       writer->packs.fd};

    if (!file)
        return tz_fail_nomem(err);
    for (size_t i = 0; i < TZ_COUNT(fds); i++)
        if (fdatasync(fds[i]))
            return tz_fail_errno(err, errno, "sync '%s'", writer->path);
    return tz_sync_parent(file, err) || tz_sync_parent(writer->path, err) ? -1 : 0;
}

int tz_local_commit(struct tz_local_writer *writer, int64_t start_ns, uint64_t bytes,
                    struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free) char *last = tz_path_join(writer->parent, "last");
    struct local_info info = {{0}, {0}, {0}, {0}, {0}};

    if (!last)
        return tz_fail_nomem(err);
    memcpy(info.magic, tz_local_magic, sizeof(info.magic));
    memcpy(info.folder, writer->folder, strlen(writer->folder));
    tz_store_le64(info.start_ns, (uint64_t)start_ns);
    tz_store_le64(info.bytes, bytes);
    tz_local_check(tz_keys_local_key(tz_repo_keys(writer->repo)), &info,
                   offsetof(struct local_info, check), info.check);
    if (sync_folder(writer, err) || tz_file_replace(last, &info, sizeof(info), 0600, err))
        return tz_while(err, "write the local manifest");
    writer->committed = true;
    remove_others(writer);
    return 0;
}
