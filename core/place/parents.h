/*
 * Open directories beneath a target, by their path: the few that were used last stay open.
 *
 * A directory is reached by openat2(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
 * RESOLVE_NO_MAGICLINKS), in pieces where the path is too long for the kernel, or name by name
 * without following where there is no openat2.
 *
 * Any number of threads.
 */
#ifndef TOZAI_CORE_PLACE_PARENTS_H
#define TOZAI_CORE_PLACE_PARENTS_H

#include "tozai/util/error.h"

#include <stdbool.h>
#include <stddef.h>

struct tz_parents;

/* A directory that somebody uses; it stays open until it is released. */
struct tz_parent {
    int fd;
    bool inherits; /* new files get a default ACL or inode flags from it */
    void *slot;    /* the cache's */
};

/* root stays the caller's and open. */
int tz_parents_new(struct tz_parents **ret, int root, struct tz_error *err) TZ_MUST_CHECK;
/* Nobody uses one any more. */
void tz_parents_free(struct tz_parents *parents);

/* The directory with this path; "" is the root. */
int tz_parents_get(struct tz_parents *parents, const char *path, size_t len, struct tz_parent *ret,
                   struct tz_error *err) TZ_MUST_CHECK;
void tz_parents_release(struct tz_parents *parents, struct tz_parent *parent);
/* Something at or above these directories was replaced, or their metadata changed. */
void tz_parents_forget(struct tz_parents *parents, const char *path, size_t len);

/* Open a directory beneath root without the cache.  -1 with errno. */
int tz_open_beneath(int root, const char *path, size_t len);

#endif
