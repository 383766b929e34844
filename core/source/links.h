/*
 * The files with several names that a walk has met: by device and inode, the path of the first.
 *
 * A file is forgotten when all its names were met.  Paths are kept as directory and name, and the
 * directory is shared, so that trees of millions of hard links stay small.
 *
 * One thread at a time.
 */
#ifndef TOZAI_CORE_SOURCE_LINKS_H
#define TOZAI_CORE_SOURCE_LINKS_H

#include "tozai/util/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tz_links;
/* A directory that holds first names; counted. */
struct tz_link_directory;

int tz_links_new(struct tz_links **ret, struct tz_error *err) TZ_MUST_CHECK;
void tz_links_free(struct tz_links *links);
TZ_DEFINE_SCOPED(struct tz_links *, tz_scoped_links, tz_links_free)

/*
 * The file (dev, ino) with this many names was met at path, whose last component is name_len long.
 * *ret_first is the path of the first name, to be freed, or NULL if this is the first one.
 * *directory is a place for the caller to keep between calls for the same directory, NULL at first.
 */
int tz_links_meet(struct tz_links *links, uint64_t dev, uint64_t ino, uint32_t names,
                  const char *path, size_t path_len, size_t name_len,
                  struct tz_link_directory **directory, char **ret_first, size_t *ret_len,
                  struct tz_error *err) TZ_MUST_CHECK;
/* The first name could not be backed up: the next one is the first then. */
void tz_links_forget(struct tz_links *links, uint64_t dev, uint64_t ino);
void tz_link_directory_release(struct tz_link_directory *directory);
size_t tz_links_count(const struct tz_links *links);

#endif
