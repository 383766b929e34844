/*
 * Putting entries back into a directory, never outside of it.
 *
 * Every path is resolved beneath the target with openat2(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
 * RESOLVE_NO_MAGICLINKS), component by component where it is longer than PATH_MAX, so that
 * neither ".." nor a symbolic link, planted before or during the restore, leads out.
 *
 * Order: directories as they come (tz_place_directory, with a mode that lets the restore work),
 * content and metadata of the others, and tz_place_finish_directory() in reverse order at the end.
 * Metadata is put back as: owner, xattrs (with ACLs and capabilities), mode, inode flags, times;
 * the immutable and append-only flags last of all.  Owners are put back by number, whatever names
 * this system has for them; without the owner a file gets no setuid bit.  What the user may not set
 * (owner without root) is counted once per kind of failure through warn, and does not fail.
 *
 * Threads: any number may place different entries at once.
 */
#ifndef TOZAI_CORE_PLACE_H
#define TOZAI_CORE_PLACE_H

#include "tozai/core/entry.h"

enum tz_overwrite {
    TZ_OVERWRITE_NEVER,   /* what exists stays as it is */
    TZ_OVERWRITE_CHANGED, /* files of the same size and mtime stay as they are */
    TZ_OVERWRITE_ALWAYS,  /* content is compared, differences are written */
};

typedef void tz_place_warn_fn(void *arg, const char *path, size_t path_len,
                              const struct tz_error *why); /* any thread */

struct tz_place;
/* target is made (with parents) if it is missing; a file there: TZ_INVALID. */
int tz_place_open(struct tz_place **ret, const char *target, enum tz_overwrite overwrite,
                  tz_place_warn_fn *warn, void *warn_arg, struct tz_error *err) TZ_MUST_CHECK;
void tz_place_free(struct tz_place *place);
TZ_DEFINE_SCOPED(struct tz_place *, tz_scoped_place, tz_place_free)

/* Make the directory (replacing anything else that stands there, unless never), 0700 for now. */
int tz_place_directory(struct tz_place *place, const struct tz_entry *entry,
                       struct tz_error *err) TZ_MUST_CHECK;
/* Its metadata. */
int tz_place_finish_directory(struct tz_place *place, const struct tz_entry *entry,
                              struct tz_error *err) TZ_MUST_CHECK;

/*
 * Open a file for its content: read-write, created 0600 if it is missing.  *ret_fd -1: it stays as
 * it is (never, or changed and alike).  *ret_old_size: bytes that stood there before (0: new).
 * Something else in its place is removed first.
 *
 * *ret_shared: the file that stands there has other names than this one (hard links), perhaps
 * outside of the target, and must not be changed.  It is open for reading only; before anything is
 * written tz_place_unshare() is needed.  If its content turns out to be right, tz_place_keeps()
 * tells whether it can stay.  With ret_shared NULL such a file is removed first.
 */
int tz_place_file(struct tz_place *place, const struct tz_entry *entry, int *ret_fd,
                  uint64_t *ret_old_size, bool *ret_shared, struct tz_error *err) TZ_MUST_CHECK;
/* Put a copy into the shared file's place, as long as the entry at most; fd is that from now on,
 * and read-write.  Others may read from fd meanwhile. */
int tz_place_unshare(struct tz_place *place, const struct tz_entry *entry, int fd,
                     struct tz_error *err) TZ_MUST_CHECK;
/*
 * Can a shared file with the right content stay?  Only if its length and metadata are right too,
 * and no other file of this place stays under another name of it.  What this user could not set
 * counts as wrong.  Then there is nothing to finish: close it.
 */
bool tz_place_keeps(struct tz_place *place, const struct tz_entry *entry, int fd);
/* After the content: the length (ftruncate) and the metadata.  Closes fd, always. */
int tz_place_finish_file(struct tz_place *place, const struct tz_entry *entry, int fd,
                         struct tz_error *err) TZ_MUST_CHECK;
/* Symlinks, fifos, sockets, devices and hard links, whole. */
int tz_place_other(struct tz_place *place, const struct tz_entry *entry,
                   struct tz_error *err) TZ_MUST_CHECK;
/* Open an existing regular file of the target for reading, for verification; same rules. */
int tz_place_reopen(struct tz_place *place, const struct tz_entry *entry, int *ret_fd,
                    struct tz_error *err) TZ_MUST_CHECK;
/* Wait until all that was placed is on disk. */
int tz_place_sync(struct tz_place *place, struct tz_error *err) TZ_MUST_CHECK;
/* How many pieces of metadata could not be set. */
uint64_t tz_place_warnings(const struct tz_place *place);

#endif
