#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "local.h"

#include "rows.h"

#include "tozai/util/file.h"
#include "tozai/util/hex.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* entries: a sequence of blocks: u32 length, 16-byte keyed hash, that many bytes. */
#define BLOCK        (256U << 10)
#define BLOCK_MAX    (4U << 20)
#define BLOCK_HEAD   20U
#define CHUNK_ROW    40U
#define LIST_ROW     56U
#define SETTLE_ROWS  4096U
#define NAME_SIZE    24U
#define INFO_SIZE    64U

/* The file "last": name of the folder, start, bytes, catalog instance, checksum. */
struct info {
    char folder[NAME_SIZE];
    uint8_t start[8];
    uint8_t bytes[8];
    uint8_t instance[16];
    uint8_t check[8];
};
_Static_assert(sizeof(struct info) == INFO_SIZE, "the file 'last' has 64 bytes");

struct tz_local_reader {
    struct tz_repo *repo;
    int fd;
    struct tz_buf block;
    struct tz_cursor cursor;
    struct tz_coder coder;
    struct tz_row_reader chunks, lists, tags;
    int64_t start_ns;
    uint64_t bytes;
};

struct tz_local_writer {
    struct tz_repo *repo;
    char *parent; /* <state>/sources/<source id> */
    char *path;   /* parent/<folder> */
    char folder[NAME_SIZE];
    bool committed;
    struct tz_row_writer entries; /* rows of one byte */
    struct tz_row_writer chunks, lists, tags;
    struct tz_buf block;
    struct tz_coder coder;
};

static void checksum(const struct tz_repo *repo, const void *data, size_t len, uint8_t out[16])
{
    uint8_t hash[32];
    tz_keyed_hash(hash, tz_keys_local_key(tz_repo_keys(repo)), data, len);
    memcpy(out, hash, 16);
}

static int read_info(struct tz_repo *repo, const char *parent, struct info *info,
                     struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free) char *path = tz_path_join(parent, "last");
    TZ_SCOPED(tz_scoped_buf) struct tz_buf bytes = {0};
    uint8_t check[16];

    if (!path)
        return tz_fail_nomem(err);
    if (tz_file_read(path, 4096, &bytes, err))
        return -1;
    if (bytes.len != sizeof(*info))
        return tz_fail(err, TZ_CORRUPT, "'%s' has the wrong length", path);
    memcpy(info, bytes.data, sizeof(*info));
    checksum(repo, info, offsetof(struct info, check), check);
    if (memcmp(check, info->check, sizeof(info->check)) != 0 ||
        !memchr(info->folder, 0, NAME_SIZE) || strchr(info->folder, '/'))
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
    if (tz_row_reader_open(&reader->chunks, folder, "chunks", CHUNK_ROW, err) ||
        tz_row_reader_open(&reader->lists, folder, "lists", LIST_ROW, err) ||
        tz_row_reader_open(&reader->tags, folder, "tags", LOCAL_TAG_SIZE, err))
        return -1;
    return 0;
}

int tz_local_open(struct tz_local_reader **ret, struct tz_repo *repo, const char *folder,
                  struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_local_reader) struct tz_local_reader *reader = calloc(1, sizeof(*reader));
    TZ_SCOPED(tz_scoped_free) char *path = NULL;
    struct tz_error why = {0};
    struct info info;

    *ret = NULL;
    if (!reader)
        return tz_fail_nomem(err);
    reader->repo = repo;
    reader->fd = reader->chunks.fd = reader->lists.fd = reader->tags.fd = -1;
    if (read_info(repo, folder, &info, &why)) {
        if (why.kind != TZ_NOT_FOUND)
            tz_repo_warn(repo, "the local manifest is not used: %s", why.message);
        return 0;
    }
    /* Its pack numbers are those of one catalog only. */
    if (memcmp(info.instance, tz_catalog_instance(tz_repo_catalog(repo)), 16) != 0)
        return 0;
    path = tz_path_join(folder, info.folder);
    if (!path)
        return tz_fail_nomem(err);
    if (open_files(reader, path, &why)) {
        tz_repo_warn(repo, "the local manifest is not used: %s", why.message);
        return 0;
    }
    reader->start_ns = (int64_t)tz_load_le64(info.start);
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

static int next_block(struct tz_local_reader *reader, bool *ret_end, struct tz_error *err)
{
    uint8_t head[BLOCK_HEAD], check[16];
    size_t got = 0;

    if (tz_read_full(reader->fd, head, sizeof(head), &got, err))
        return -1;
    *ret_end = got == 0;
    if (got == 0)
        return 0;
    uint32_t len = tz_load_le32(head);
    if (got != sizeof(head) || len == 0 || len > BLOCK_MAX)
        return tz_fail(err, TZ_CORRUPT, "the local manifest is damaged");
    tz_buf_reset(&reader->block);
    if (tz_buf_reserve(&reader->block, len, err) ||
        tz_read_full(reader->fd, reader->block.data, len, &got, err))
        return -1;
    checksum(reader->repo, reader->block.data, got, check);
    if (got != len || memcmp(check, head + 4, sizeof(check)) != 0)
        return tz_fail(err, TZ_CORRUPT, "the local manifest is damaged");
    reader->block.len = len;
    reader->cursor = tz_cursor(reader->block.data, len);
    return 0;
}

static int get_row(void *arg, uint8_t id[TZ_ID_SIZE], uint64_t *ret_pack, struct tz_error *err)
{
    struct tz_local_reader *reader = arg;
    const uint8_t *row = NULL;

    if (tz_row_next(&reader->chunks, &row, err))
        return -1;
    memcpy(id, row, TZ_ID_SIZE);
    *ret_pack = tz_load_le64(row + TZ_ID_SIZE);
    return 0;
}

int tz_local_next(struct tz_local_reader *reader, struct tz_entry *entry, struct local_extra *extra,
                  bool *ret_done, struct tz_error *err)
{
    struct tz_rows rows = {.get = get_row, .arg = reader};
    struct tz_cursor *c = &reader->cursor;

    *ret_done = false;
    *extra = (struct local_extra){0};
    if (tz_left(c) == 0) {
        if (next_block(reader, ret_done, err))
            return -1;
        if (*ret_done)
            return 0;
    }
    if (tz_entry_decode(&reader->coder, c, &rows, entry, err))
        return -1;
    if (tz_get_u8(c)) {
        extra->list_first = tz_get_varint(c);
        extra->list_count = tz_get_varint(c);
        extra->tag_first = tz_get_varint(c);
        extra->tag_count = tz_get_varint(c);
        extra->block_size = (uint32_t)tz_get_varint(c);
    }
    return tz_wire_ok(c) ? 0 : tz_fail(err, TZ_CORRUPT, "the local manifest is damaged");
}

static void decode_list(const uint8_t row[LIST_ROW], struct local_extent *ret)
{
    memcpy(ret->extent.id, row, TZ_ID_SIZE);
    ret->pack = tz_load_le64(row + 32);
    ret->extent.len = tz_load_le64(row + 40);
    ret->extent.offset = tz_load_le32(row + 48);
}

int tz_local_list(struct tz_local_reader *reader, uint64_t row, struct local_extent *ret,
                  size_t count, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free) uint8_t *bytes = malloc(count * LIST_ROW + 1);

    if (!bytes)
        return tz_fail_nomem(err);
    if (tz_row_read(&reader->lists, row, bytes, count, err))
        return -1;
    for (size_t i = 0; i < count; i++)
        decode_list(bytes + i * LIST_ROW, &ret[i]);
    return 0;
}

int tz_local_tags(struct tz_local_reader *reader, uint64_t row, uint8_t (*ret)[LOCAL_TAG_SIZE],
                  size_t count, struct tz_error *err)
{
    return tz_row_read(&reader->tags, row, ret, count, err);
}

int tz_local_create(struct tz_local_writer **ret, struct tz_repo *repo, const char *folder,
                    struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_local_writer) struct tz_local_writer *writer = calloc(1, sizeof(*writer));
    uint8_t random[8];

    if (!writer)
        return tz_fail_nomem(err);
    writer->repo = repo;
    writer->entries.fd = writer->chunks.fd = writer->lists.fd = writer->tags.fd = -1;
    tz_random(random, sizeof(random));
    tz_hex(writer->folder, random, sizeof(random));
    writer->parent = strdup(folder);
    char *path = tz_path_join(folder, writer->folder);
    if (!writer->parent || !path) {
        free(path);
        return tz_fail_nomem(err);
    }
    if (mkdir(path, 0700)) {
        (void)tz_fail_errno(err, errno, "make '%s'", path);
        free(path);
        return -1;
    }
    writer->path = path;
    if (tz_row_writer_open(&writer->entries, path, "entries", 1, err) ||
        tz_row_writer_open(&writer->chunks, path, "chunks", CHUNK_ROW, err) ||
        tz_row_writer_open(&writer->lists, path, "lists", LIST_ROW, err) ||
        tz_row_writer_open(&writer->tags, path, "tags", LOCAL_TAG_SIZE, err))
        return -1;
    *ret = TZ_TAKE(writer);
    return 0;
}

static void remove_folder(const char *parent, const char *folder)
{
    static const char *const files[] = {"entries", "chunks", "lists", "tags"};
    TZ_SCOPED(tz_scoped_free) char *path = tz_path_join(parent, folder);

    for (size_t i = 0; path && i < TZ_COUNT(files); i++) {
        TZ_SCOPED(tz_scoped_free) char *file = tz_path_join(path, files[i]);
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
    if (!writer->committed && writer->path)
        remove_folder(writer->parent, writer->folder);
    tz_buf_clear(&writer->block);
    tz_coder_clear(&writer->coder);
    free(writer->path);
    free(writer->parent);
    free(writer);
}

static int end_block(struct tz_local_writer *writer, struct tz_error *err)
{
    uint8_t head[BLOCK_HEAD];

    if (writer->block.len == 0)
        return 0;
    tz_store_le32(head, (uint32_t)writer->block.len);
    checksum(writer->repo, writer->block.data, writer->block.len, head + 4);
    if (tz_row_put(&writer->entries, head, sizeof(head), err) ||
        tz_row_put(&writer->entries, writer->block.data, writer->block.len, err))
        return -1;
    tz_buf_reset(&writer->block);
    return 0;
}

static int put_row(void *arg, const uint8_t id[TZ_ID_SIZE], uint64_t pack, struct tz_error *err)
{
    struct tz_local_writer *writer = arg;
    uint8_t row[CHUNK_ROW];

    memcpy(row, id, TZ_ID_SIZE);
    tz_store_le64(row + TZ_ID_SIZE, pack);
    return tz_row_put(&writer->chunks, row, 1, err);
}

int tz_local_add(struct tz_local_writer *writer, const struct tz_entry *entry,
                 const struct local_extra *extra, struct tz_error *err)
{
    struct tz_rows rows = {.put = put_row, .arg = writer};
    bool more = extra->list_count || extra->tag_count;

    if (tz_entry_encode(&writer->coder, entry, &rows, &writer->block, err) ||
        tz_put_u8(&writer->block, more, err))
        return -1;
    if (more && (tz_put_varint(&writer->block, extra->list_first, err) ||
                 tz_put_varint(&writer->block, extra->list_count, err) ||
                 tz_put_varint(&writer->block, extra->tag_first, err) ||
                 tz_put_varint(&writer->block, extra->tag_count, err) ||
                 tz_put_varint(&writer->block, extra->block_size, err)))
        return -1;
    return writer->block.len >= BLOCK ? end_block(writer, err) : 0;
}

int tz_local_put_list(struct tz_local_writer *writer, const struct local_extent *extent,
                      uint64_t *ret_row, struct tz_error *err)
{
    uint8_t row[LIST_ROW] = {0};

    *ret_row = writer->lists.count;
    memcpy(row, extent->extent.id, TZ_ID_SIZE);
    tz_store_le64(row + 32, extent->pack);
    tz_store_le64(row + 40, extent->extent.len);
    tz_store_le32(row + 48, extent->extent.offset);
    return tz_row_put(&writer->lists, row, 1, err);
}

int tz_local_put_tags(struct tz_local_writer *writer, uint8_t (*tags)[LOCAL_TAG_SIZE],
                      size_t count, uint64_t *ret_row, struct tz_error *err)
{
    *ret_row = writer->tags.count;
    return tz_row_put(&writer->tags, tags, count, err);
}

struct settling {
    struct tz_catalog *catalog;
    uint8_t last_id[TZ_ID_SIZE];
    uint64_t last_pack;
    local_pack_fn *used;
    void *arg;
};

/* The pack of a row: known, that of the row before, or the catalog's. */
static int settle_row(struct settling *settling, const uint8_t id[TZ_ID_SIZE], uint8_t pack[8],
                      bool *ret_changed, struct tz_error *err)
{
    static const uint8_t hole[TZ_ID_SIZE];
    uint64_t number = tz_load_le64(pack);

    if (memcmp(id, hole, TZ_ID_SIZE) == 0)
        return 0;
    if (number == 0) {
        if (memcmp(settling->last_id, id, TZ_ID_SIZE) == 0) {
            number = settling->last_pack;
        } else {
            struct tz_chunk_place place;
            bool found = false;
            if (tz_catalog_find_chunk(settling->catalog, id, &place, &found, err))
                return -1;
            if (!found)
                return tz_fail(err, TZ_CORRUPT, "a chunk of this run is not in the catalog");
            number = (uint64_t)place.pack;
        }
        tz_store_le64(pack, number);
        *ret_changed = true;
    }
    if (number == settling->last_pack && memcmp(settling->last_id, id, TZ_ID_SIZE) == 0)
        return 0;
    memcpy(settling->last_id, id, TZ_ID_SIZE);
    bool repeated = number == settling->last_pack;
    settling->last_pack = number;
    return repeated ? 0 : settling->used(settling->arg, (int64_t)number, err);
}

static int settle_file(struct tz_row_writer *file, struct settling *settling, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free) uint8_t *rows = malloc(SETTLE_ROWS * file->row_size);

    if (!rows)
        return tz_fail_nomem(err);
    if (tz_row_flush(file, err))
        return -1;
    for (uint64_t at = 0; at < file->count; at += SETTLE_ROWS) {
        size_t count = (size_t)TZ_MIN(file->count - at, (uint64_t)SETTLE_ROWS), got = 0;
        bool changed = false;

        if (tz_pread_full(file->fd, rows, count * file->row_size, at * file->row_size, &got, err))
            return -1;
        if (got != count * file->row_size)
            return tz_fail(err, TZ_IO, "%zu bytes instead of %zu can be read back", got,
                           count * file->row_size);
        for (size_t i = 0; i < count; i++) {
            uint8_t *row = rows + i * file->row_size;
            if (settle_row(settling, row, row + TZ_ID_SIZE, &changed, err))
                return -1;
        }
        if (changed && tz_pwrite_all(file->fd, rows, count * file->row_size, at * file->row_size,
                                     err))
            return -1;
    }
    return 0;
}

int tz_local_settle(struct tz_local_writer *writer, local_pack_fn *used, void *arg,
                    struct tz_error *err)
{
    struct settling settling = {
        .catalog = tz_repo_catalog(writer->repo), .used = used, .arg = arg};

    if (end_block(writer, err) || tz_row_flush(&writer->entries, err) ||
        tz_row_flush(&writer->tags, err) || settle_file(&writer->chunks, &settling, err) ||
        settle_file(&writer->lists, &settling, err))
        return tz_while(err, "settle the local manifest");
    return 0;
}

/* What earlier runs left beside the folder that counts now. */
static void remove_others(const struct tz_local_writer *writer)
{
    TZ_SCOPED(tz_scoped_dir) DIR *dir = opendir(writer->parent);
    const struct dirent *item;

    while (dir && (item = readdir(dir)))
        if (item->d_name[0] != '.' && strcmp(item->d_name, "last") != 0 &&
            strcmp(item->d_name, writer->folder) != 0)
            remove_folder(writer->parent, item->d_name);
}

int tz_local_commit(struct tz_local_writer *writer, int64_t start_ns, uint64_t bytes,
                    struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free) char *last = tz_path_join(writer->parent, "last");
    const int fds[] = {writer->entries.fd, writer->chunks.fd, writer->lists.fd, writer->tags.fd};
    struct info info = {{0}, {0}, {0}, {0}, {0}};
    uint8_t check[16];

    if (!last)
        return tz_fail_nomem(err);
    for (size_t i = 0; i < TZ_COUNT(fds); i++)
        if (fdatasync(fds[i]))
            return tz_fail_errno(err, errno, "write the local manifest '%s'", writer->path);
    memcpy(info.folder, writer->folder, strlen(writer->folder));
    tz_store_le64(info.start, (uint64_t)start_ns);
    tz_store_le64(info.bytes, bytes);
    memcpy(info.instance, tz_catalog_instance(tz_repo_catalog(writer->repo)), 16);
    checksum(writer->repo, &info, offsetof(struct info, check), check);
    memcpy(info.check, check, sizeof(info.check));
    if (tz_sync_parent(writer->path, err) ||
        tz_file_replace(last, &info, sizeof(info), 0600, err))
        return tz_while(err, "write the local manifest");
    writer->committed = true;
    remove_others(writer);
    return 0;
}
