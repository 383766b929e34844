/*
 * The directories from a root down to the one that is being walked.
 *
 * There may be more of them than descriptors: the root and the deepest ones are open, the others
 * are opened again, component by component from the root, when the walk comes back to them.
 * Each must then still be the same directory, or it counts as lost.
 *
 * One thread at a time.
 */
#ifndef TOZAI_CORE_SOURCE_DIRSTACK_H
#define TOZAI_CORE_SOURCE_DIRSTACK_H

#include "names.h"

struct tz_link_directory;

/* Descriptors that stay open. */
#define TZ_DIRSTACK_OPEN ((size_t)64)

struct tz_level {
    uint64_t dev, ino;
    int fd;          /* -1: closed for now */
    size_t path_len; /* of its path, in the stack's path */
    size_t name_len; /* of the last component of it */
    struct tz_names names;
    size_t ignore_count;                      /* patterns before its own */
    struct tz_link_directory *link_directory; /* see links.h */
};

struct tz_dirstack {
    struct tz_level *levels;
    size_t count, cap;
    size_t first_open;  /* levels 0 and first_open to count - 1 are open */
    struct tz_buf path; /* of the deepest level, or of what was appended to it */
};

/* The deepest directory. */
static inline struct tz_level *tz_dirstack_top(struct tz_dirstack *stack)
{
    return &stack->levels[stack->count - 1];
}

/* Make stack->path the path of name in the deepest directory. */
int tz_dirstack_path(struct tz_dirstack *stack, const char *name, size_t len,
                     struct tz_error *err) TZ_MUST_CHECK;
/*
 * Go down into level, whose path is stack->path.  Takes what level holds on success.  Its fd and
 * identity must be set.
 */
int tz_dirstack_push(struct tz_dirstack *stack, const struct tz_level *level,
                     struct tz_error *err) TZ_MUST_CHECK;
/*
 * Leave the deepest directory.  The one above may have to be opened again; if it is not there any
 * more, *ret_lost is true, its fd is -1 and nothing more can be read in it.
 */
int tz_dirstack_pop(struct tz_dirstack *stack, bool *ret_lost, struct tz_error *err) TZ_MUST_CHECK;
void tz_dirstack_clear(struct tz_dirstack *stack);

#endif
