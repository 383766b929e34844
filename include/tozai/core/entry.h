/*
 * One entry of a source: a file, a directory, a link, a device… with all that a restore puts back.
 *
 * Paths are relative, of any bytes but NUL, components joined by '/', without leading or trailing
 * slash, without empty, "." or ".." components; the root directory itself has the path "".
 * The total order of paths is by bytes with '/' counting lower than every other byte: the order
 * of a walk that sorts each directory by name.
 */
#ifndef TOZAI_CORE_ENTRY_H
#define TOZAI_CORE_ENTRY_H

#include "tozai/core/generation.h"

#include <sys/types.h>

enum tz_entry_type {
    TZ_ENTRY_FILE = 1,
    TZ_ENTRY_DIRECTORY = 2,
    TZ_ENTRY_SYMLINK = 3,
    TZ_ENTRY_FIFO = 4,
    TZ_ENTRY_SOCKET = 5,
    TZ_ENTRY_CHARACTER = 6,
    TZ_ENTRY_BLOCK = 7,
    TZ_ENTRY_HARDLINK = 8, /* another name of the entry whose path is link */
};

/* Flags of an entry. */
#define TZ_ENTRY_IMPLIED 1U /* a directory above a source path: only it, not what else is in it */
#define TZ_ENTRY_CHANGED 2U /* the file changed while it was read and would not hold still */

struct tz_xattr {
    char *name;
    uint8_t *value;
    size_t value_len;
};

struct tz_entry {
    char *path;
    size_t path_len;
    enum tz_entry_type type;
    uint32_t flags;
    uint32_t mode; /* permission bits with setuid, setgid and sticky: 07777 */
    uint32_t uid, gid;
    char *user, *group; /* names at the time of the backup; NULL if the number had none */
    uint64_t size;      /* of a file; 0 for everything else */
    int64_t mtime_s;    /* any 64-bit value */
    uint32_t mtime_ns;
    uint64_t device; /* of device entries: major << 32 | minor */
    char *link;      /* symlink: its target; hardlink: the path of the first name */
    size_t link_len;
    uint32_t inode_flags;    /* FS_*_FL that restore may set */
    struct tz_xattr *xattrs; /* sorted by name */
    uint32_t xattr_count;

    /* Content of a file. level 0: extents are the content. level n: the extents hold an encoded
     * list of extents of level n - 1 (manifest.h). */
    uint32_t level;
    struct tz_extent *extents;
    uint32_t extent_count, extent_cap;

    /* Only in the local manifest, to see that nothing changed: never stored. */
    uint64_t dev, ino;
    int64_t ctime_s;
    uint32_t ctime_ns;
    uint64_t *extent_packs; /* catalog number of each extent's pack; 0 for holes and unknown */
};

/* Free what it holds and make it zero. */
void tz_entry_clear(struct tz_entry *entry);
static inline TZ_UNUSED void tz_scoped_entry(struct tz_entry *entry)
{
    tz_entry_clear(entry);
}
int tz_entry_set_path(struct tz_entry *entry, const void *path, size_t len,
                      struct tz_error *err) TZ_MUST_CHECK;
int tz_entry_add_extent(struct tz_entry *entry, const struct tz_extent *extent, uint64_t pack,
                        struct tz_error *err) TZ_MUST_CHECK;
/* A deep copy. */
int tz_entry_copy(struct tz_entry *ret, const struct tz_entry *entry,
                  struct tz_error *err) TZ_MUST_CHECK;

/* <0, 0, >0 in the order above. */
int tz_path_compare(const char *a, size_t a_len, const char *b, size_t b_len);
/* Is path the prefix itself or below it?  "" holds everything. */
bool tz_path_within(const char *path, size_t path_len, const char *prefix, size_t prefix_len);
/* May this path come out of a manifest?  (The rules at the top, at most 1 MiB.) */
bool tz_path_valid(const void *path, size_t len);
char tz_entry_type_letter(enum tz_entry_type type); /* as ls -l shows it */
const char *tz_entry_type_name(enum tz_entry_type type);

#endif
