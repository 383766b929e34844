/*
 * The file of contents: each is a row of pieces, each piece
 *
 *   u64 length of a hole, u64 length of data, the data
 *
 * until the pieces make up its size.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "spool.h"

#include "tozai/util/file.h"
#include "tozai/util/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/statvfs.h>

#include "tozai/util/banned.h"

#define PIECE_HEAD  16U
#define BUFFER_SIZE ((size_t)1 << 20)
/* A shorter hole is kept as zeros: very many small ones would be as many pieces for ever. */
#define HOLE_MIN 4096U
/* The file system is never filled to the last byte: others live on it, too. */
#define ROOM_STEP ((uint64_t)4 << 20)
#define ROOM_LEFT ((uint64_t)8 << 20)

struct tz_archive_spool {
    char *directory;
    int fd;
    uint64_t max_size;
    struct tz_buf buffer; /* not written yet */
    uint64_t written;
    uint64_t total; /* of all contents, with holes */
    uint64_t next_check;
    uint64_t begin;  /* of the content at hand */
    uint64_t offset; /* in it */
};

/* Where O_TMPFILE is not known, the name lives for a moment. */
static int create_and_unlink(const char *directory, struct tz_error *err)
{
    char name[48];
    uint64_t number;

    if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
        return tz_fail_errno(err, errno, "get random bytes");
    (void)snprintf(name, sizeof(name), "import-%016jx.tmp", (uintmax_t)number);
    TZ_SCOPED(tz_scoped_free) char *path = tz_path_join(directory, name);
    if (!path)
        return tz_fail_nomem(err);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return tz_fail_errno(err, errno, "create '%s'", path);
    (void)unlink(path);
    return fd;
}

int tz_archive_spool_file(const char *directory, int *ret_fd, struct tz_error *err)
{
    int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd < 0)
        fd = create_and_unlink(directory, err);
    if (fd < 0)
        return -1;
    *ret_fd = fd;
    return 0;
}

int tz_archive_spool_new(struct tz_archive_spool **ret, const char *directory, uint64_t max_size,
                         struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_archive_spool) struct tz_archive_spool *spool = calloc(1, sizeof(*spool));

    if (!spool)
        return tz_fail_nomem(err);
    spool->fd = -1;
    spool->max_size = max_size;
    spool->directory = strdup(directory);
    if (!spool->directory || tz_buf_reserve(&spool->buffer, BUFFER_SIZE, NULL))
        return tz_fail_nomem(err);
    if (tz_archive_spool_file(directory, &spool->fd, err))
        return -1;
    *ret = TZ_TAKE(spool);
    return 0;
}

void tz_archive_spool_free(struct tz_archive_spool *spool)
{
    if (!spool)
        return;
    if (spool->fd >= 0)
        (void)close(spool->fd);
    tz_buf_clear(&spool->buffer);
    free(spool->directory);
    free(spool);
}

static int fail_room(const struct tz_archive_spool *spool, struct tz_error *err)
{
    (void)tz_fail(err, TZ_NOSPC, "no room is left in '%s' for the content of the archive",
                  spool->directory);
    return tz_hint(err, "an import keeps all of the content there for a while; make room, or let "
                        "'state' of [repository] lie on a larger file system");
}

int tz_archive_spool_check_room(struct tz_archive_spool *spool, struct tz_error *err)
{
    struct statvfs fs;

    spool->next_check = spool->written + ROOM_STEP;
    if (fstatvfs(spool->fd, &fs))
        return tz_fail_errno(err, errno, "look at the room in '%s'", spool->directory);
    return (uint64_t)fs.f_bavail * fs.f_frsize < ROOM_LEFT ? fail_room(spool, err) : 0;
}

int tz_archive_spool_flush(struct tz_archive_spool *spool, struct tz_error *err)
{
    if (spool->written >= spool->next_check && tz_archive_spool_check_room(spool, err))
        return -1;
    if (tz_write_all(spool->fd, spool->buffer.data, spool->buffer.len, err))
        return err && err->kind == TZ_NOSPC ? fail_room(spool, err) : -1;
    spool->written += spool->buffer.len;
    tz_buf_reset(&spool->buffer);
    return 0;
}

static int append(struct tz_archive_spool *spool, const void *data, size_t len,
                  struct tz_error *err)
{
    const uint8_t *at = data;

    while (len > 0) {
        size_t part = TZ_MIN(len, BUFFER_SIZE - spool->buffer.len);
        if (tz_buf_append(&spool->buffer, at, part, err))
            return -1;
        at += part;
        len -= part;
        if (spool->buffer.len == BUFFER_SIZE && tz_archive_spool_flush(spool, err))
            return -1;
    }
    return 0;
}

static int put_head(struct tz_archive_spool *spool, uint64_t hole, uint64_t data,
                    struct tz_error *err)
{
    uint8_t head[PIECE_HEAD];

    tz_store_le64(head, hole);
    tz_store_le64(head + 8, data);
    return append(spool, head, sizeof(head), err);
}

/* Count len more bytes of content. */
static int advance(struct tz_archive_spool *spool, uint64_t len, struct tz_error *err)
{
    if (len > TZ_ARCHIVE_FILE_MAX - TZ_MIN(spool->offset, TZ_ARCHIVE_FILE_MAX))
        return tz_fail(err, TZ_FAILED, "a file of impossible size");
    if (len > (uint64_t)INT64_MAX - spool->total)
        return tz_fail(err, TZ_NOSPC, "content of impossible size");
    spool->offset += len;
    spool->total += len;
    if (spool->max_size == 0 || spool->total <= spool->max_size)
        return 0;
    (void)tz_fail(err, TZ_NOSPC, "the content of the archive is larger than --max-size allows");
    return tz_hint(err, "a small archive can hold very much on purpose; if this one is what you "
                        "expect, allow more");
}

void tz_archive_spool_begin(struct tz_archive_spool *spool)
{
    spool->begin = spool->written + spool->buffer.len;
    spool->offset = 0;
}

int tz_archive_spool_put(struct tz_archive_spool *spool, uint64_t offset, const void *data,
                         size_t len, struct tz_error *err)
{
    static const uint8_t zeros[HOLE_MIN];

    if (len == 0)
        return 0;
    if (offset < spool->offset)
        return tz_fail(err, TZ_FAILED, "the pieces of a file are not in order");
    uint64_t hole = offset - spool->offset;
    if (advance(spool, hole, err) || advance(spool, len, err))
        return -1;
    if (hole >= HOLE_MIN) {
        if (put_head(spool, hole, len, err))
            return -1;
    } else if (put_head(spool, 0, hole + len, err) || append(spool, zeros, (size_t)hole, err)) {
        return -1;
    }
    return append(spool, data, len, err);
}

int tz_archive_spool_end(struct tz_archive_spool *spool, uint64_t size,
                         struct tz_archive_content *ret, struct tz_error *err)
{
    if (size > spool->offset) {
        uint64_t hole = size - spool->offset;
        if (advance(spool, hole, err) || put_head(spool, hole, 0, err))
            return -1;
    }
    *ret = (struct tz_archive_content){.at = spool->begin, .size = spool->offset};
    return 0;
}

void tz_archive_spool_rewind(struct tz_archive_spool_reader *reader)
{
    reader->at = reader->content.at;
    reader->hole = reader->data = reader->done = 0;
}

static int read_at(const struct tz_archive_spool_reader *reader, void *data, size_t len,
                   struct tz_error *err)
{
    size_t got = 0;

    if (tz_pread_full(reader->spool->fd, data, len, reader->at, &got, err))
        return tz_while(err, "read what was kept of the archive");
    if (got != len)
        return tz_fail(err, TZ_IO, "what was kept of the archive has been cut");
    return 0;
}

static int next_piece(struct tz_archive_spool_reader *reader, struct tz_error *err)
{
    uint8_t head[PIECE_HEAD];
    uint64_t left = reader->content.size - reader->done;

    if (read_at(reader, head, sizeof(head), err))
        return -1;
    reader->at += sizeof(head);
    reader->hole = tz_load_le64(head);
    reader->data = tz_load_le64(head + 8);
    if (reader->hole > left || reader->data > left - reader->hole ||
        reader->hole + reader->data == 0)
        return tz_fail(err, TZ_IO, "what was kept of the archive is damaged");
    return 0;
}

int tz_archive_spool_read(struct tz_archive_spool_reader *reader, void *data, size_t len,
                          size_t *ret_len, uint64_t *ret_hole, struct tz_error *err)
{
    *ret_len = 0;
    *ret_hole = 0;
    if (reader->done == reader->content.size)
        return 0;
    if (reader->hole == 0 && reader->data == 0 && next_piece(reader, err))
        return -1;
    if (reader->hole > 0) {
        *ret_hole = reader->hole;
        reader->done += reader->hole;
        reader->hole = 0;
        return 0;
    }
    size_t part = (size_t)TZ_MIN((uint64_t)len, reader->data);
    if (read_at(reader, data, part, err))
        return -1;
    *ret_len = part;
    reader->at += part;
    reader->data -= part;
    reader->done += part;
    return 0;
}
