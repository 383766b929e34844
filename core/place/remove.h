/*
 * Removing what stands in the way of a restore, however deep, without following anything.
 *
 * Mount points are never emptied.  Any number of threads.
 */
#ifndef TOZAI_CORE_PLACE_REMOVE_H
#define TOZAI_CORE_PLACE_REMOVE_H

#include "tozai/util/error.h"

#include <stdbool.h>

/* Remove name in the directory parent, with all that is in it.  Nothing there: 0. */
int tz_remove_at(int parent, const char *name, struct tz_error *err) TZ_MUST_CHECK;
/* Take the immutable and append-only flags from a file or directory; true if it had one. */
bool tz_unlock_at(int parent, const char *name);
/* chmod of what an O_PATH descriptor stands for.  -1 with errno. */
int tz_chmod_path_fd(int fd, unsigned mode);

#endif
