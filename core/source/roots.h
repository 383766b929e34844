/*
 * The configured paths of a directory source, and the directories above them.
 *
 * One path: what is in it gets paths relative to it.  Several: each gets its own full path, and the
 * directories above are entries too.  In the order of paths.
 */
#ifndef TOZAI_CORE_SOURCE_ROOTS_H
#define TOZAI_CORE_SOURCE_ROOTS_H

#include "tozai/core/config.h"

#include <sys/stat.h>

struct tz_root {
    char *file;      /* the path to open */
    char *path;      /* in the manifest; "" for a single directory */
    size_t name_len; /* of the last component of path */
    bool implied;    /* a directory above others */
    bool is_directory;
};

struct tz_roots {
    struct tz_root *items;
    size_t count;
};

/* Check the paths: they exist, and none is inside another one. */
int tz_roots_read(struct tz_roots *ret, const struct tz_config_list *paths,
                  struct tz_error *err) TZ_MUST_CHECK;
void tz_roots_clear(struct tz_roots *roots);

#endif
