/*
 * Local files that must survive, and small helpers around file descriptors.
 */
#ifndef TOZAI_UTIL_FILE_H
#define TOZAI_UTIL_FILE_H

#include "tozai/util/buf.h"

#include <stdbool.h>
#include <sys/types.h>

/* Write all of data; EINTR and short writes are handled. */
int tz_write_all(int fd, const void *data, size_t len, struct tz_error *err) TZ_MUST_CHECK;
int tz_pwrite_all(int fd, const void *data, size_t len, uint64_t offset,
                  struct tz_error *err) TZ_MUST_CHECK;
/* Read until len bytes or the end; *ret_len says how many came. */
int tz_read_full(int fd, void *data, size_t len, size_t *ret_len,
                 struct tz_error *err) TZ_MUST_CHECK;
int tz_pread_full(int fd, void *data, size_t len, uint64_t offset, size_t *ret_len,
                  struct tz_error *err) TZ_MUST_CHECK;

/* Append a whole file to out; more than max bytes is an error. */
int tz_file_read(const char *path, size_t max, struct tz_buf *out,
                 struct tz_error *err) TZ_MUST_CHECK;
/*
 * Make the file hold exactly data: written to a temporary name beside it, fsynced, renamed, and
 * the directory fsynced.  On failure the old file is as it was and nothing is left behind.
 */
int tz_file_replace(const char *path, const void *data, size_t len, mode_t mode,
                    struct tz_error *err) TZ_MUST_CHECK;
/* The same for a file that is not there yet; TZ_EXISTS, and nothing changes, if it is. */
int tz_file_create(const char *path, const void *data, size_t len, mode_t mode,
                   struct tz_error *err) TZ_MUST_CHECK;
/*
 * Give a file a name that nobody has, and take the old one from it: 0 or a number of errno(3),
 * EEXIST if somebody has it, EOPNOTSUPP if this file system can neither rename so nor link.
 */
int tz_rename_new(int old_dir, const char *old_name, int dir, const char *name) TZ_MUST_CHECK;
/* A name for such a temporary file, without the target's, which may be as long as a name can be. */
#define TZ_TEMPORARY_NAME 32
int tz_temporary_name(char name[TZ_TEMPORARY_NAME], struct tz_error *err) TZ_MUST_CHECK;
/* Is this one, which a killed process left? */
bool tz_is_temporary(const char *name);
/* fsync the directory that holds path. */
int tz_sync_parent(const char *path, struct tz_error *err) TZ_MUST_CHECK;
/* mkdir -p, new ones with this mode, fsynced. */
int tz_make_dirs(const char *path, mode_t mode, struct tz_error *err) TZ_MUST_CHECK;
/* dir + "/" + name, to be freed; NULL without memory.  No slash behind "" or another slash. */
char *tz_path_join(const char *dir, const char *name);
/* The part behind the last slash. */
const char *tz_path_base(const char *path);

#endif
