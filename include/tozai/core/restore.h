/*
 * Restoring a generation, or a part of it, into a directory.
 *
 * The manifest is read in windows; in each window the needed frames are planned by pack and place,
 * so that each is fetched once, and opened, checked and written by all workers.  What the target
 * holds already is kept where it is right (place.h), so an interrupted restore resumes.
 */
#ifndef TOZAI_CORE_RESTORE_H
#define TOZAI_CORE_RESTORE_H

#include "tozai/core/place.h"
#include "tozai/core/repo.h"

struct tz_restore_progress {
    uint64_t files, files_total;
    uint64_t bytes, bytes_total;
};
typedef void tz_restore_progress_fn(void *arg, const struct tz_restore_progress *progress);
/* A path that could not be restored as it was; any thread, one at a time. */
typedef void tz_restore_warn_fn(void *arg, const char *path, size_t path_len,
                                const struct tz_error *why);

struct tz_restore_options {
    struct tz_repo *repo; /* opened with need_operator */
    const struct tz_head *head;
    const char *target;
    const char *const *paths; /* of entries; each with all below it; none: everything */
    size_t path_count;
    enum tz_overwrite overwrite;
    bool verify;  /* read everything back and compare ids */
    bool dry_run; /* count only */
    bool to_file; /* the generation is one file, and target is its name (or a device), not a
                     directory */
    tz_restore_progress_fn *progress; /* main thread */
    void *progress_arg;
    tz_restore_warn_fn *warn;
    void *warn_arg;
};

struct tz_restore_result {
    uint64_t entries, files, bytes; /* restored, or right already */
    uint64_t fetched_bytes;         /* of frames, from stores */
    uint64_t written_bytes;
    uint64_t healed;   /* frames that one store could not give and another did */
    uint64_t failed;   /* entries that are not as they should be; each was a warning */
    uint64_t damaged;  /* of them, because no store has good bytes */
    uint64_t warnings; /* metadata that could not be set, and the failed */
    bool verified;     /* everything was read back, and right */
    double seconds;
};

/* A path that the generation does not have: TZ_NOT_FOUND.  Single bad files do not stop it: see the
 * result. */
int tz_restore(const struct tz_restore_options *options, struct tz_restore_result *ret,
               struct tz_error *err) TZ_MUST_CHECK;

/* Write one file's content to a descriptor, in order (tozai cat). */
int tz_restore_stream(struct tz_repo *repo, const struct tz_entry *entry, int fd,
                      uint64_t *ret_healed, struct tz_error *err) TZ_MUST_CHECK;

#endif
