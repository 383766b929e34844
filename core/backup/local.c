/*
 * Reading the local manifest; writing it is in local_write.c, its form in local_rows.h.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "local_rows.h"

#include "tozai/util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define BLOCK_MAX                                                                                  \
    (8U << 20) /* the writer's blocks end behind 256 KiB, and an entry has at most 4 MiB */

/* A pack by the number that the rows have, and by that of the catalog: 0 if it knows it no more. */
struct known_pack {
    uint64_t then, now;
};

struct tz_local_reader {
    uint8_t key[TZ_KEY_SIZE];
    int fd; /* of entries */
    struct tz_buf block;
    struct tz_cursor cursor;
    struct tz_coder coder;
    struct tz_row_reader chunks, lists, tags;
    struct known_pack *packs; /* sorted by then */
    size_t pack_count;
    int64_t start_ns;
    uint64_t bytes;
};

static int read_info(struct tz_repo *repo, const char *parent, struct local_info *info,
                     struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free) char *path = tz_path_join(parent, "last");
    TZ_SCOPED(tz_scoped_buf) struct tz_buf bytes = {0};
    uint8_t check[LOCAL_CHECK_SIZE];

    if (!path)
        return tz_fail_nomem(err);
    if (tz_file_read(path, 4096, &bytes, err))
        return -1;
    if (bytes.len != sizeof(*info))
        return tz_fail(err, TZ_CORRUPT, "'%s' has the wrong length", path);
    memcpy(info, bytes.data, sizeof(*info));
    tz_local_check(tz_keys_local_key(tz_repo_keys(repo)), info, offsetof(struct local_info, check),
                   check);
    if (memcmp(check, info->check, sizeof(check)) != 0 ||
        memcmp(info->magic, tz_local_magic, sizeof(info->magic)) != 0 ||
        !memchr(info->folder, 0, sizeof(info->folder)) || strchr(info->folder, '/'))
        return tz_fail(err, TZ_CORRUPT, "'%s' is damaged", path);
    return 0;
}

static int open_files(struct tz_local_reader *reader, const char *folder, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free) char *path = tz_path_join(folder, "entries");

    if (!path)
        return tz_fail_nomem(err);
    reader->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (reader->fd < 0)
        return tz_fail_errno(err, errno, "open '%s'", path);
    if (tz_row_reader_open(&reader->chunks, folder, "chunks", LOCAL_CHUNK_ROW, err) ||
        tz_row_reader_open(&reader->lists, folder, "lists", LOCAL_LIST_ROW, err) ||
        tz_row_reader_open(&reader->tags, folder, "tags", LOCAL_TAG_SIZE, err))
        return -1;
    return 0;
}

/* The catalog may have been made anew, or have lost its last transactions in a power failure: its
 * numbers are asked for by the packs' hashes. */
static int read_packs(struct tz_local_reader *reader, struct tz_catalog *catalog,
                      struct tz_row_reader *rows, struct tz_error *err)
{
    if (rows->count > SIZE_MAX / sizeof(*reader->packs) - 1)
        return tz_fail_nomem(err);
    reader->packs = calloc((size_t)rows->count + 1, sizeof(*reader->packs));
    if (!reader->packs)
        return tz_fail_nomem(err);
    while (rows->at < rows->count) {
        const uint8_t *row = NULL;
        int64_t now = 0;

        if (tz_row_next(rows, &row, err))
            return -1;
        if (!tz_local_row_good(reader->key, LOCAL_PACKS, rows->at - 1, row, LOCAL_PACK_ROW))
            return tz_fail(err, TZ_CORRUPT, "the list of packs is damaged");
        if (tz_catalog_find_pack(catalog, row, &now, err))
            return -1;
        struct known_pack *pack = &reader->packs[reader->pack_count++];
        *pack = (struct known_pack){.then = tz_load_le64(row + 32), .now = (uint64_t)now};
    }
    return 0;
}

static int open_packs(struct tz_local_reader *reader, struct tz_catalog *catalog,
                      const char *folder, struct tz_error *err)
{
    struct tz_row_reader rows;
    int failed = tz_row_reader_open(&rows, folder, "packs", LOCAL_PACK_ROW, err) ||
                 read_packs(reader, catalog, &rows, err);

    tz_row_reader_close(&rows);
    return failed ? -1 : 0;
}

int tz_local_open(struct tz_local_reader **ret, struct tz_repo *repo, const char *folder,
                  struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_local_reader) struct tz_local_reader *reader = calloc(1, sizeof(*reader));
    TZ_SCOPED(tz_scoped_free) char *path = NULL;
    struct tz_error why = {0};
    struct local_info info;

    *ret = NULL;
    if (!reader)
        return tz_fail_nomem(err);
    reader->fd = reader->chunks.fd = reader->lists.fd = reader->tags.fd = -1;
    if (read_info(repo, folder, &info, &why)) {
        if (why.kind != TZ_NOT_FOUND)
            tz_repo_warn(repo, "the local manifest is not used: %s", why.message);
        return 0;
    }
    path = tz_path_join(folder, info.folder);
    if (!path)
        return tz_fail_nomem(err);
    tz_local_folder_key(tz_repo_keys(repo), info.folder, reader->key);
    if (open_files(reader, path, &why) || open_packs(reader, tz_repo_catalog(repo), path, &why)) {
        tz_repo_warn(repo, "the local manifest is not used: %s", why.message);
        return 0;
    }
    reader->start_ns = (int64_t)tz_load_le64(info.start_ns);
    reader->bytes = tz_load_le64(info.bytes);
    *ret = TZ_TAKE(reader);
    return 0;
}

void tz_local_reader_free(struct tz_local_reader *reader)
{
    if (!reader)
        return;
    if (reader->fd >= 0)
        (void)close(reader->fd);
    tz_row_reader_close(&reader->chunks);
    tz_row_reader_close(&reader->lists);
    tz_row_reader_close(&reader->tags);
    tz_buf_clear(&reader->block);
    tz_coder_clear(&reader->coder);
    free(reader->packs);
    tz_wipe(reader->key, sizeof(reader->key));
    free(reader);
}

int64_t tz_local_start(const struct tz_local_reader *reader)
{
    return reader->start_ns;
}

uint64_t tz_local_bytes(const struct tz_local_reader *reader)
{
    return reader->bytes;
}

/* The catalog's number of a pack; 0: it has none. */
static uint64_t pack_now(const struct tz_local_reader *reader, uint64_t then)
{
    size_t low = 0, high = reader->pack_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (reader->packs[middle].then < then)
            low = middle + 1;
        else
            high = middle;
    }
    return low < reader->pack_count && reader->packs[low].then == then ? reader->packs[low].now : 0;
}

static int fail_damaged(struct tz_error *err)
{
    return tz_fail(err, TZ_CORRUPT, "the local manifest is damaged");
}

static int next_block(struct tz_local_reader *reader, bool *ret_end, struct tz_error *err)
{
    uint8_t head[LOCAL_BLOCK_HEAD], check[LOCAL_CHECK_SIZE];
    size_t got = 0;

    if (tz_read_full(reader->fd, head, sizeof(head), &got, err))
        return -1;
    *ret_end = got == 0;
    if (got == 0)
        return 0;
    uint32_t len = tz_load_le32(head);
    if (got != sizeof(head) || len <= LOCAL_BLOCK_FIRST || len > BLOCK_MAX)
        return fail_damaged(err);
    tz_buf_reset(&reader->block);
    if (tz_buf_reserve(&reader->block, len, err) ||
        tz_read_full(reader->fd, reader->block.data, len, &got, err))
        return -1;
    tz_local_check(reader->key, reader->block.data, got, check);
    /* A block that is missing before this one would give its entries other rows. */
    if (got != len || memcmp(check, head + 4, sizeof(check)) != 0 ||
        tz_load_le64(reader->block.data) != reader->chunks.at)
        return fail_damaged(err);
    reader->block.len = len;
    reader->cursor =
        tz_cursor(reader->block.data + LOCAL_BLOCK_FIRST, len - (size_t)LOCAL_BLOCK_FIRST);
    return 0;
}

static int get_row(void *arg, uint8_t id[TZ_ID_SIZE], uint64_t *ret_pack, struct tz_error *err)
{
    struct tz_local_reader *reader = arg;
    const uint8_t *row = NULL;

    if (tz_row_next(&reader->chunks, &row, err))
        return -1;
    if (!tz_local_row_good(reader->key, LOCAL_CHUNKS, reader->chunks.at - 1, row, LOCAL_CHUNK_ROW))
        return fail_damaged(err);
    memcpy(id, row, TZ_ID_SIZE);
    *ret_pack = pack_now(reader, tz_load_le64(row + TZ_ID_SIZE));
    return 0;
}

int tz_local_extra_decode(struct tz_cursor *c, struct local_extra *extra, struct tz_error *err)
{
    uint8_t more = tz_get_u8(c);
    uint64_t block_size = 0;

    *extra = (struct local_extra){0};
    if (more) {
        extra->list_first = tz_get_varint(c);
        extra->list_count = tz_get_varint(c);
        extra->tag_first = tz_get_varint(c);
        extra->tag_count = tz_get_varint(c);
        block_size = tz_get_varint(c);
    }
    if (!tz_wire_ok(c) || more > 1 || block_size > UINT32_MAX)
        return fail_damaged(err);
    extra->block_size = (uint32_t)block_size;
    return 0;
}

static bool holds(const struct tz_row_reader *rows, uint64_t first, uint64_t count)
{
    return count == 0 || (first < rows->count && count <= rows->count - first);
}

int tz_local_next(struct tz_local_reader *reader, struct tz_entry *entry, struct local_extra *extra,
                  bool *ret_done, struct tz_error *err)
{
    struct tz_rows rows = {.get = get_row, .arg = reader};

    *ret_done = false;
    if (tz_left(&reader->cursor) == 0) {
        if (next_block(reader, ret_done, err))
            return -1;
        if (*ret_done)
            return 0;
    }
    if (tz_entry_decode(&reader->coder, &reader->cursor, &rows, entry, err))
        return -1;
    if (tz_local_extra_decode(&reader->cursor, extra, err))
        return -1;
    if (!holds(&reader->lists, extra->list_first, extra->list_count) ||
        !holds(&reader->tags, extra->tag_first, extra->tag_count))
        return fail_damaged(err);
    return 0;
}

int tz_local_list(struct tz_local_reader *reader, uint64_t row, struct local_extent *ret,
                  size_t count, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free) uint8_t *bytes = malloc(count * LOCAL_LIST_ROW + 1);

    if (!bytes)
        return tz_fail_nomem(err);
    if (tz_row_read(&reader->lists, row, bytes, count, err))
        return -1;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *at = bytes + i * LOCAL_LIST_ROW;
        if (!tz_local_row_good(reader->key, LOCAL_LISTS, row + i, at, LOCAL_LIST_ROW))
            return fail_damaged(err);
        memcpy(ret[i].extent.id, at, TZ_ID_SIZE);
        ret[i].pack = pack_now(reader, tz_load_le64(at + 32));
        ret[i].extent.len = tz_load_le64(at + 40);
        ret[i].extent.offset = tz_load_le32(at + 48);
    }
    return 0;
}

int tz_local_tags(struct tz_local_reader *reader, uint64_t row, uint8_t (*ret)[LOCAL_TAG_SIZE],
                  size_t count, struct tz_error *err)
{
    return tz_row_read(&reader->tags, row, ret, count, err);
}

uint64_t tz_local_hole_tags(const struct tz_local_reader *reader, uint64_t row, uint64_t count)
{
    return tz_row_hole(&reader->tags, row, count);
}
