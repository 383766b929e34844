#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "reader.h"

#include "locale.h"

#include "tozai/util/buf.h"
#include "tozai/util/interrupt.h"

#include <archive.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tozai/util/banned.h"

#define BLOCK_SIZE ((size_t)256 << 10)
/* What is kept of a pipe, to read it once more when the format is known. */
#define HEAD_MAX ((size_t)2 << 20)
#define TAIL     512U

struct tz_archive_reader {
    struct archive *archive;
    const char *name;
    const char *charset;
    uint8_t *block;
    off_t base;                  /* where the archive begins in fd */
    uint64_t given;              /* to libarchive, since it was opened */
    struct tz_buf head;          /* a pipe's beginning */
    size_t head_at;              /* what is given next of it */
    struct archive_entry *first; /* was read to learn the format */
    char *last;                  /* path of the last entry that was read */
    struct tz_archive_charset locale;
    int fd;
    int first_code;
    struct tz_error read_error;
    uint8_t tail[TAIL]; /* the last bytes given */
    bool seekable;
    bool as_bytes; /* the locale has names stay as they are */
    bool keeps_head;
    bool at_end;
    bool has_first;
};

static void remember_tail(struct tz_archive_reader *reader, const uint8_t *data, size_t len)
{
    if (len >= TAIL)
        memcpy(reader->tail, data + len - TAIL, TAIL);
    else if (len > 0) {
        memmove(reader->tail, reader->tail + len, TAIL - len);
        memcpy(reader->tail + TAIL - len, data, len);
    }
    reader->given += len;
    reader->at_end = len == 0;
}

static ssize_t read_fd(struct tz_archive_reader *reader)
{
    ssize_t len;

    do {
        if (tz_interrupt_check(&reader->read_error))
            return -1;
        len = read(reader->fd, reader->block, BLOCK_SIZE);
    } while (len < 0 && errno == EINTR);
    if (len < 0)
        return tz_fail_errno(&reader->read_error, errno, "read '%s'", reader->name);
    if (!reader->keeps_head)
        return len;
    if (reader->head.len + (size_t)len > HEAD_MAX ||
        tz_buf_append(&reader->head, reader->block, (size_t)len, NULL)) {
        reader->keeps_head = false; /* then it cannot be read again */
        tz_buf_clear(&reader->head);
    }
    reader->head_at = reader->head.len;
    return len;
}

static la_ssize_t give_block(struct archive *archive, void *arg, const void **ret)
{
    struct tz_archive_reader *reader = arg;

    *ret = reader->block;
    if (reader->head_at < reader->head.len) { /* once more */
        size_t len = TZ_MIN(reader->head.len - reader->head_at, BLOCK_SIZE);
        memcpy(reader->block, reader->head.data + reader->head_at, len);
        reader->head_at += len;
        remember_tail(reader, reader->block, len);
        return (la_ssize_t)len;
    }
    ssize_t len = read_fd(reader);
    if (len < 0) {
        archive_set_error(archive, EIO, "read error");
        return ARCHIVE_FATAL;
    }
    remember_tail(reader, reader->block, (size_t)len);
    return len;
}

static la_int64_t seek_fd(struct archive *archive, void *arg, la_int64_t offset, int whence)
{
    struct tz_archive_reader *reader = arg;
    off_t at = lseek(reader->fd, whence == SEEK_SET ? reader->base + offset : offset, whence);

    if (at < reader->base) {
        archive_set_error(archive, EIO, "seek error");
        return ARCHIVE_FATAL;
    }
    return at - reader->base;
}

static la_int64_t skip_fd(struct archive *archive, void *arg, la_int64_t wanted)
{
    struct tz_archive_reader *reader = arg;
    off_t at = lseek(reader->fd, 0, SEEK_CUR);
    struct stat st;

    (void)archive;
    /* Never beyond the end, so that it is noticed. */
    if (at < 0 || fstat(reader->fd, &st) || !S_ISREG(st.st_mode) || at >= st.st_size)
        return 0;
    la_int64_t len = TZ_MIN(wanted, st.st_size - at);
    if (lseek(reader->fd, len, SEEK_CUR) < 0)
        return 0;
    reader->given += (uint64_t)len;
    memset(reader->tail, 0xff, TAIL); /* not known */
    return len;
}

typedef int support_fn(struct archive *archive);

/* Or would it run a program of that name?  Once it was added it could not be taken back. */
static bool is_built_in(support_fn *filter)
{
    struct archive *trial = archive_read_new();
    bool good = trial && filter(trial) == ARCHIVE_OK;

    (void)archive_read_free(trial);
    return good;
}

static int add_filters(struct archive *archive)
{
    static support_fn *const filters[] = {
        archive_read_support_filter_bzip2, archive_read_support_filter_compress,
        archive_read_support_filter_gzip,  archive_read_support_filter_lz4,
        archive_read_support_filter_lzip,  archive_read_support_filter_lzma,
        archive_read_support_filter_rpm,   archive_read_support_filter_uu,
        archive_read_support_filter_xz,    archive_read_support_filter_zstd,
    };

    for (size_t i = 0; i < TZ_COUNT(filters); i++) {
        if (is_built_in(filters[i]) && filters[i](archive) != ARCHIVE_OK)
            return -1;
    }
    return 0;
}

static int add_formats(struct archive *archive)
{
    static support_fn *const formats[] = {
        archive_read_support_format_tar,  archive_read_support_format_cpio,
        archive_read_support_format_zip,  archive_read_support_format_7zip,
        archive_read_support_format_ar,   archive_read_support_format_cab,
        archive_read_support_format_lha,  archive_read_support_format_rar,
        archive_read_support_format_rar5, archive_read_support_format_xar,
        archive_read_support_format_warc, archive_read_support_format_iso9660,
    };

    for (size_t i = 0; i < TZ_COUNT(formats); i++) {
        if (formats[i](archive) < ARCHIVE_WARN)
            return -1;
    }
    return 0;
}

/* Of the place where it went wrong. */
static int fail_at(struct tz_archive_reader *reader, enum tz_error_kind kind, const char *what,
                   struct tz_error *err)
{
    const char *text = what ? what : archive_error_string(reader->archive);

    if (reader->read_error.kind != TZ_OK) {
        if (err)
            *err = reader->read_error;
        return -1;
    }
    (void)tz_fail(err, kind, "%s", text ? text : "it cannot be read");
    if (reader->last)
        (void)tz_while(err, "after '%.300s'", reader->last);
    if (tz_archive_reader_bytes(reader) > 0)
        (void)tz_while(err, "at byte %ju or before", (uintmax_t)tz_archive_reader_bytes(reader));
    return tz_while(err, "archive '%s'", reader->name);
}

static int fail_encrypted(struct tz_archive_reader *reader, struct tz_error *err)
{
    (void)fail_at(reader, TZ_UNSUPPORTED, "what follows is encrypted", err);
    return tz_hint(err, "unpack it with the program that made it, and import or back up that");
}

static int fail_header(struct tz_archive_reader *reader, struct tz_error *err)
{
    const char *text = archive_error_string(reader->archive);

    /* Without a format this question is not understood, but answered with a crash. */
    if (archive_format(reader->archive) != 0 &&
        archive_read_has_encrypted_entries(reader->archive) > 0)
        return fail_encrypted(reader, err);
    if (!reader->last && text && strncmp(text, "Unrecognized archive format", 27) == 0) {
        (void)fail_at(reader, TZ_INVALID, "no format that is known here", err);
        return tz_hint(err, "tar, cpio, zip, 7-Zip, rar, cab, lha, xar, ar, warc and iso9660 are, "
                            "as they are or compressed");
    }
    return fail_at(reader, TZ_FAILED, NULL, err);
}

static int set_charset(struct tz_archive_reader *reader, struct tz_error *err)
{
    if (!reader->charset ||
        archive_read_set_option(reader->archive, NULL, "hdrcharset", reader->charset) == ARCHIVE_OK)
        return 0;
    return tz_fail(err, TZ_INVALID, "there is no character set '%s'", reader->charset);
}

static int start(struct tz_archive_reader *reader, bool as_bytes, struct tz_error *err)
{
    struct archive *archive;

    tz_archive_charset_enter(&reader->locale, as_bytes);
    reader->as_bytes = as_bytes;
    reader->archive = archive = archive_read_new();
    if (!archive)
        return tz_fail_nomem(err);
    if (add_filters(archive) || add_formats(archive))
        return tz_fail(err, TZ_UNSUPPORTED, "libarchive: %s", archive_error_string(archive));
    if (set_charset(reader, err))
        return -1;
    if (archive_read_set_read_callback(archive, give_block) != ARCHIVE_OK ||
        archive_read_set_callback_data(archive, reader) != ARCHIVE_OK ||
        (reader->seekable && (archive_read_set_seek_callback(archive, seek_fd) != ARCHIVE_OK ||
                              archive_read_set_skip_callback(archive, skip_fd) != ARCHIVE_OK)))
        return tz_fail_nomem(err);
    if (archive_read_open1(archive) != ARCHIVE_OK)
        return fail_header(reader, err);
    return 0;
}

static void stop(struct tz_archive_reader *reader)
{
    (void)archive_read_free(reader->archive);
    reader->archive = NULL;
    reader->first = NULL;
    tz_archive_charset_leave(&reader->locale);
}

static bool rewind_input(struct tz_archive_reader *reader)
{
    reader->given = 0;
    reader->at_end = false;
    if (reader->seekable)
        return lseek(reader->fd, reader->base, SEEK_SET) == reader->base;
    reader->head_at = 0;
    return reader->keeps_head;
}

/* Formats whose names are bytes, or nearly always: there they are to stay what they are. */
static bool names_are_bytes(struct archive *archive)
{
    switch (archive_format(archive) & ARCHIVE_FORMAT_BASE_MASK) {
    case ARCHIVE_FORMAT_TAR:
    case ARCHIVE_FORMAT_CPIO:
    case ARCHIVE_FORMAT_AR:
    case ARCHIVE_FORMAT_WARC:
        return true;
    default:
        return false;
    }
}

/*
 * libarchive changes UTF-8 names to their composed form, so that a name in another form would
 * not come back as it was.  It does so only in a locale of UTF-8; in others, it gives the name as
 * it stands in a tar, but cannot give those of formats that are not bytes themselves.  So the first
 * entry tells.
 */
static int find_format(struct tz_archive_reader *reader, struct tz_error *err)
{
    if (start(reader, !reader->charset, err))
        return -1;
    reader->first_code = archive_read_next_header(reader->archive, &reader->first);
    if (reader->as_bytes && !names_are_bytes(reader->archive) && reader->read_error.kind == TZ_OK &&
        rewind_input(reader)) {
        stop(reader);
        if (start(reader, false, err))
            return -1;
        reader->first_code = archive_read_next_header(reader->archive, &reader->first);
    }
    reader->has_first = true;
    if (reader->keeps_head && reader->head_at == reader->head.len)
        tz_buf_clear(&reader->head);
    reader->keeps_head = false;
    return 0;
}

int tz_archive_reader_open(struct tz_archive_reader **ret, int fd, const char *name,
                           const char *charset, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_archive_reader)
    struct tz_archive_reader *reader = calloc(1, sizeof(*reader));
    struct stat st;

    if (!reader)
        return tz_fail_nomem(err);
    reader->fd = fd;
    reader->name = name;
    reader->charset = charset;
    reader->base = lseek(fd, 0, SEEK_CUR);
    reader->seekable = reader->base >= 0;
    reader->keeps_head = !reader->seekable;
    reader->block = malloc(BLOCK_SIZE);
    if (!reader->block)
        return tz_fail_nomem(err);
    if (fstat(fd, &st))
        return tz_fail_errno(err, errno, "stat '%s'", name);
    if (S_ISREG(st.st_mode) && st.st_size <= reader->base)
        return tz_fail(err, TZ_INVALID, "'%s' is empty, not an archive", name);
    if (find_format(reader, err))
        return -1;
    *ret = TZ_TAKE(reader);
    return 0;
}

void tz_archive_reader_free(struct tz_archive_reader *reader)
{
    if (!reader)
        return;
    stop(reader);
    tz_buf_clear(&reader->head);
    free(reader->block);
    free(reader->last);
    free(reader);
}

uint64_t tz_archive_reader_bytes(const struct tz_archive_reader *reader)
{
    la_int64_t bytes = archive_filter_bytes(reader->archive, -1);
    return bytes > 0 ? (uint64_t)bytes : 0;
}

bool tz_archive_reader_ended(const struct tz_archive_reader *reader)
{
    static const uint8_t zeros[TAIL];
    bool is_tar =
        (archive_format(reader->archive) & ARCHIVE_FORMAT_BASE_MASK) == ARCHIVE_FORMAT_TAR;

    /* What is compressed knows its end itself.  What libarchive did not read stands behind the
     * mark. */
    if (!is_tar || archive_filter_count(reader->archive) > 1 ||
        tz_archive_reader_bytes(reader) < reader->given || !reader->at_end)
        return true;
    return memcmp(reader->tail, zeros, TAIL) == 0;
}

/* Names that stay bytes make it complain each time that they are not in the locale's character set.
 */
static bool is_about_charset(const struct tz_archive_reader *reader, const char *text)
{
    return reader->as_bytes && (strstr(text, "can't be converted from") != NULL ||
                                strstr(text, "cannot be converted from") != NULL);
}

static int keep_path(struct tz_archive_reader *reader, struct archive_entry *entry,
                     struct tz_error *err)
{
    const char *path = archive_entry_pathname(entry);
    char *copy = strdup(path ? path : "");

    if (!copy)
        return tz_fail_nomem(err);
    free(reader->last);
    reader->last = copy;
    return 0;
}

int tz_archive_reader_next(struct tz_archive_reader *reader, struct archive_entry **ret,
                           const char **ret_doubt, struct tz_error *err)
{
    struct archive_entry *entry = reader->first;
    int code = reader->first_code;

    if (!reader->has_first)
        code = archive_read_next_header(reader->archive, &entry);
    reader->has_first = false;
    *ret_doubt = NULL;
    *ret = NULL;
    if (code == ARCHIVE_EOF)
        return 0;
    if (code != ARCHIVE_OK && code != ARCHIVE_WARN)
        return fail_header(reader, err);
    if (archive_entry_is_encrypted(entry))
        return fail_encrypted(reader, err);
    if (code == ARCHIVE_WARN) {
        const char *text = archive_error_string(reader->archive);
        text = text ? text : "something is wrong with it";
        *ret_doubt = is_about_charset(reader, text) ? NULL : text;
    }
    *ret = entry;
    return keep_path(reader, entry, err);
}

int tz_archive_reader_data(struct tz_archive_reader *reader, const void **ret, size_t *ret_len,
                           uint64_t *ret_offset, struct tz_error *err)
{
    la_int64_t offset = 0;
    int code;

    do { /* an empty piece is not the end */
        if (tz_interrupt_check(err))
            return -1;
        code = archive_read_data_block(reader->archive, ret, ret_len, &offset);
    } while (code == ARCHIVE_OK && *ret_len == 0);
    *ret_offset = offset > 0 ? (uint64_t)offset : 0;
    if (code == ARCHIVE_EOF)
        *ret_len = 0;
    if (code == ARCHIVE_EOF || code == ARCHIVE_OK)
        return 0;
    if (archive_read_has_encrypted_entries(reader->archive) > 0)
        return fail_encrypted(reader, err);
    return fail_at(reader, TZ_FAILED, NULL, err);
}
