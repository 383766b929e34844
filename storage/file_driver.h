/*
 * What the parts of the file driver share.
 *
 * An object is a file of its name below the top directory; a put writes it in tmp/ first.  Paths
 * are walked one component at a time from the top's descriptor, and no symbolic link is followed:
 * whoever may write to the directory cannot lead tozai out of it.
 */
#ifndef TOZAI_STORAGE_FILE_DRIVER_H
#define TOZAI_STORAGE_FILE_DRIVER_H

#include "tozai/storage/driver.h"

#include "pace.h"

#include <pthread.h>

#define TZ_FILE_TEMPORARY "tmp"

/* How open() is told to open a directory. */
#define TZ_FILE_OPEN_DIRECTORY (O_RDONLY | O_DIRECTORY | O_CLOEXEC)

struct tz_file_store {
    char *path;
    int top;
    pthread_mutex_t making; /* so that a directory is durable before another thread uses it */
    struct tz_pace *upload, *download;
};

/*
 * The functions that return int without taking a struct tz_error return 0 or an errno value: what
 * it means (no such object, an empty list, a failure) depends on the caller.
 */

/* ELOOP where name is a symbolic link, ENOTDIR where it is anything else but a directory. */
int tz_file_open_child(int dir, const char *name, int *ret_fd);
/* The same, and make it, durably, if it is missing. */
int tz_file_make_child(struct tz_file_store *store, int dir, const char *name, int *ret_fd);
/* Open the directory that name lies in; *ret_base is the part of name behind the last '/'. */
int tz_file_open_parent(struct tz_file_store *store, const char *name, bool create,
                        const char **ret_base, int *ret_fd);
int tz_file_sync_dir(int dir);

/* The top directory was removed, or its disk cannot be asked. */
bool tz_file_gone(const struct tz_file_store *store);
/* A reason that may pass: a network file system or a disk that is not there right now. */
bool tz_file_unreachable(int number);
/* Set err: "put 'name' in '/top': reason".  ENOENT is TZ_UNAVAILABLE when the top has gone. */
void tz_file_error(const struct tz_file_store *store, int number, const char *verb,
                   const char *name, struct tz_error *err);
#define tz_file_fail(store, number, verb, name, err)                                               \
    (tz_file_error((store), (number), (verb), (name), (err)), -1)

/* Is this number no failure but the answer that there is no such object? */
bool tz_file_missing(const struct tz_file_store *store, int number);

int tz_file_get(void *state, const char *name, uint64_t offset, size_t len,
                const struct tz_store_terms *terms, struct tz_buf *out, struct tz_error *err);
int tz_file_put(void *state, const char *name, const void *data, size_t len, bool replace,
                struct tz_error *err);
int tz_file_list(void *state, const char *prefix, const struct tz_store_terms *terms,
                 tz_store_found_fn *found, void *arg, struct tz_error *err);
/* file_temporary.c: what crashed puts left behind.  Remove that of long ago, as far as it is
 * possible. */
void tz_file_clean_temporary(struct tz_file_store *store);
int tz_file_leftovers(void *state, tz_store_leftover_fn *found, void *arg, struct tz_error *err);
int tz_file_remove_leftover(void *state, const struct tz_store_leftover *leftover, int64_t still_ns,
                            bool *ret_removed, uint64_t *ret_bytes, struct tz_error *err);

#endif
