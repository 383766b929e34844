/*
 * Making a generation of a source.
 *
 *   scan thread   walk, compare with the last manifest, read small files
 *   main thread   read and cut large files, place chunks, write the manifest, catalog
 *   workers       hash chunks; compress, encrypt and check frames; finish packs
 *   writers       one for each store (mirror.h)
 *
 * The order of writing is that of docs/design.md: packs, index, look, head, look, seal.  A crash at
 * any moment leaves no generation, only packs that the next run uses again.
 */
#ifndef TOZAI_CORE_BACKUP_H
#define TOZAI_CORE_BACKUP_H

#include "tozai/core/repo.h"
#include "tozai/core/source.h"

struct tz_backup_progress {
    uint64_t entries, files, bytes, new_bytes;
    uint64_t expected_bytes; /* of the last generation; 0: unknown */
    const char *source;
};
typedef void tz_backup_progress_fn(void *arg, const struct tz_backup_progress *progress);

struct tz_backup_options {
    struct tz_repo *repo; /* opened exclusive */
    const struct tz_config_source *source;
    const struct tz_tag *tags; /* borrowed */
    uint32_t tag_count;
    bool dry_run;
    tz_backup_progress_fn *progress; /* main thread, at most a few times a second */
    void *progress_arg;
    /*
     * Instead of tz_source_open(): something that is not configured, such as an archive.  Then of
     * source only the name counts, and the local manifest is neither used nor replaced.
     */
    int (*open_source)(void *arg, struct tz_source **ret, const struct tz_source_options *options,
                       struct tz_error *err);
    void *open_source_arg;
    const char *type; /* with open_source: the type that the head gets */
};

struct tz_backup_warning {
    char *path;
    size_t path_len;
    char *error;
};

/* What became of it. */
struct tz_backup_result {
    struct tz_head head;                /* id all zero after a dry run */
    struct tz_backup_warning *warnings; /* the first of them */
    size_t warning_count;
    uint64_t warnings_total;
    uint32_t stores; /* bit i: mirror store i holds the whole generation */
    bool complete;   /* every configured store does */
    double seconds;
};
void tz_backup_result_clear(struct tz_backup_result *result);

/* On failure there is no generation. */
int tz_backup(const struct tz_backup_options *options, struct tz_backup_result *ret,
              struct tz_error *err) TZ_MUST_CHECK;

/* The warnings of a stored generation (operator). */
int tz_backup_read_warnings(struct tz_repo *repo, const struct tz_head *head,
                            struct tz_backup_warning **ret, size_t *ret_count,
                            struct tz_error *err) TZ_MUST_CHECK;
void tz_backup_free_warnings(struct tz_backup_warning *warnings, size_t count);

#endif
