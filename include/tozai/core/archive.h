/*
 * Archives of other programs: a generation written as one, and one read as a source.
 *
 * Export streams: memory does not grow with the generation, but for what the format itself makes
 * libarchive keep (zip, 7zip and xar: the list of entries) and, with cpio, the list of files that
 * have several names.  Entries come in the order of the manifest.
 *
 * Import trusts nothing.  The archive is read once, from its beginning to its end; what it holds
 * is spooled to unlinked files in the scratch directory and never written under a name, and
 * nothing in it is run.  So an import needs room for the content of the archive in the scratch
 * directory.
 *
 * Threads: each call runs on the caller's.
 */
#ifndef TOZAI_CORE_ARCHIVE_H
#define TOZAI_CORE_ARCHIVE_H

#include "tozai/core/repo.h"
#include "tozai/core/source.h"

/* What a head's type says of a generation that was imported. */
#define TZ_ARCHIVE_SOURCE_TYPE "archive"

/* A format, and how the whole is compressed. */
struct tz_archive_type {
    const char *format; /* "pax" */
    const char *filter; /* "zstd"; NULL: not at all */
};

/*
 * The type that text means, NAME or NAME+FILTER; with text NULL the one that the ending of file
 * stands for ("x.tar.zst").  TZ_INVALID, with what there is in the hint, if there is none.
 */
int tz_archive_type_parse(struct tz_archive_type *ret, const char *text, const char *file,
                          struct tz_error *err) TZ_MUST_CHECK;

struct tz_archive_progress {
    uint64_t entries, bytes;
    uint64_t bytes_total; /* 0: unknown */
};
typedef void tz_archive_progress_fn(void *arg, const struct tz_archive_progress *progress);
/* An entry that the archive does not hold, or not as it is. */
typedef void tz_archive_warn_fn(void *arg, const char *path, size_t path_len,
                                const struct tz_error *why);

struct tz_archive_export_options {
    struct tz_repo *repo; /* opened with need_operator */
    const struct tz_head *head;
    struct tz_archive_type type;
    int fd;                           /* written to in order; neither synced nor closed */
    tz_archive_progress_fn *progress; /* a few times a second */
    void *progress_arg;
    tz_archive_warn_fn *warn;
    void *warn_arg;
    /* What the format cannot hold, once for each kind, after the last entry. */
    tz_warn_fn *lost;
    void *lost_arg;
};

struct tz_archive_export_result {
    uint64_t entries, files, bytes; /* in the archive */
    uint64_t archive_bytes;         /* written to fd */
    uint64_t left_out;              /* entries that are not in it; each was a warning */
    uint64_t sockets;               /* of them: nothing that an archive could hold */
    uint64_t damaged;               /* parts of the manifest, and entries, that no store has */
    uint64_t healed;                /* reads that one store failed and another served */
};

/*
 * Parts of the manifest that are lost, and files of which the list of content is, are left out with
 * a warning; content that is lost is a failure.  After a failure fd holds a part of an archive, of
 * which nothing can be used.
 */
int tz_archive_export(const struct tz_archive_export_options *options,
                      struct tz_archive_export_result *ret, struct tz_error *err) TZ_MUST_CHECK;

/* A file that appears under its name when it is whole, and not before. */
struct tz_archive_output;
/* Another file of this name: TZ_EXISTS, unless it is to be overwritten; never another kind of file.
 */
int tz_archive_output_open(struct tz_archive_output **ret, const char *path, bool overwrite,
                           struct tz_error *err) TZ_MUST_CHECK;
/* Without a commit nothing is left of it. */
void tz_archive_output_free(struct tz_archive_output *output);
TZ_DEFINE_SCOPED(struct tz_archive_output *, tz_scoped_archive_output, tz_archive_output_free)
int tz_archive_output_fd(const struct tz_archive_output *output);
/* Durable, and under its name. */
int tz_archive_output_commit(struct tz_archive_output *output, struct tz_error *err) TZ_MUST_CHECK;

struct tz_archive_import_options {
    int fd;              /* the archive, from its position on; a pipe will do */
    const char *name;    /* for messages: "wiki.tar.gz" */
    const char *charset; /* of names, where the archive does not say: "CP932"; NULL: as they are */
    uint64_t max_size;   /* bytes of content, with their holes; 0: what fits into scratch */
    int64_t time_ns;     /* the moment that the archive shows; 0: now */
    tz_archive_progress_fn *progress; /* while it is read: bytes of the archive */
    void *progress_arg;
};

/* May a source be called this?  TZ_INVALID if not. */
int tz_archive_check_source(const char *name, struct tz_error *err) TZ_MUST_CHECK;
/*
 * A source of the archive's entries, for open_source of struct tz_backup_options; arg is the struct
 * tz_archive_import_options.  The whole archive is read before it returns.
 *
 * Names lose what leads upward: leading slashes are removed, entries with ".." are left out.  Of
 * several entries with one name the last one counts.  Directories that others need are made up
 * (0755). A hard link becomes what it is a name of when it was written; the first name in path
 * order is the file.  Each of these is a warning.
 *
 * Damaged, encrypted or cut: TZ_CORRUPT or TZ_UNSUPPORTED, and where.  More than max_size, or no
 * room: TZ_NOSPC.
 */
int tz_archive_open_source(void *arg, struct tz_source **ret,
                           const struct tz_source_options *options,
                           struct tz_error *err) TZ_MUST_CHECK;

#endif
