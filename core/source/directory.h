/*
 * What the parts of the directory source share: directory.c gives entries, walk.c goes into
 * directories, load.c completes entries.
 */
#ifndef TOZAI_CORE_SOURCE_DIRECTORY_H
#define TOZAI_CORE_SOURCE_DIRECTORY_H

#include "tozai/core/source.h"

#include "dirstack.h"
#include "ignore.h"
#include "links.h"
#include "meta.h"
#include "roots.h"

#include <sys/stat.h>

/* A list of patterns that is larger is a mistake. */
#define TZ_IGNORE_SIZE_MAX ((size_t)1 << 20)

struct tz_identity {
    uint64_t dev, ino;
};

/* What the walk is at. Its path is the stack's. */
struct tz_item {
    int at;           /* directory, or AT_FDCWD */
    const char *name; /* in it */
    size_t name_len;  /* of the last component of the path */
    bool follow;      /* a configured path: it stands for what it leads to */
    int fd;           /* of a directory that load() has opened, of a file that next() has; or -1 */
    struct statx st;
};

struct tz_directory {
    tz_source_warn_fn *warn;
    void *warn_arg;
    bool exclude_caches, exclude_nodump, one_file_system;
    bool all_new;
    char *scratch;
    int64_t start_ns;
    struct tz_identity *never;
    size_t never_count;

    struct tz_roots roots;
    size_t root_at;
    uint64_t root_dev; /* of the root that is walked */
    struct tz_dirstack stack;
    struct tz_names_reader reader;
    struct tz_links *links;
    struct tz_owners *owners;
    struct tz_ignore *ignore;
    struct tz_item item;
    bool descend; /* the item is a directory to go into next */
};

/* Report a failure at the stack's path. */
void tz_directory_warn(struct tz_directory *dir, const struct tz_error *why);
/* Is this errno value no fault of the file's? */
bool tz_directory_is_fatal(int number);
/* Open the item without changing its access time if that may be.  -1 with errno. */
int tz_directory_open_item(const struct tz_item *item, int flags);

void tz_directory_close_item(struct tz_item *item);
/* Go into the item, a directory. */
int tz_directory_descend(struct tz_directory *dir, struct tz_error *err) TZ_MUST_CHECK;
/* Leave the deepest directory, and those above it that are not there any more. */
int tz_directory_ascend(struct tz_directory *dir, struct tz_error *err) TZ_MUST_CHECK;
/* For the driver. */
int tz_directory_load(void *state, struct tz_entry *entry, struct tz_input **ret_input,
                      struct tz_error *err);

#endif
