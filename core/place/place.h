/*
 * What the parts of a restore into a directory share.
 */
#ifndef TOZAI_CORE_PLACE_PLACE_H
#define TOZAI_CORE_PLACE_PLACE_H

#include "tozai/core/place.h"

#include "metadata.h"
#include "parents.h"
#include "remove.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

/* Descriptors below this are remembered as fresh or not; others count as not. */
#define TZ_PLACE_FDS 4096

struct tz_inode {
    dev_t dev;
    ino_t ino;
};
struct tz_inode_set {
    struct tz_inode *slots; /* open addressing; ino 0: free */
    size_t count, cap;
};

struct tz_place {
    int root;
    bool root_made;
    enum tz_overwrite overwrite;
    tz_place_warn_fn *warn;
    void *warn_arg;
    struct tz_parents *parents;
    atomic_uint_fast64_t warnings;
    atomic_uint said;                /* bits of enum tz_place_lack */
    atomic_bool fresh[TZ_PLACE_FDS]; /* this open file was made by us */

    pthread_mutex_t lock;
    /* TZ_OVERWRITE_NEVER: directories that were there before keep their metadata. */
    struct tz_inode_set kept;
    struct tz_inode_set shared; /* files with other names that stayed */
};

/* The place of an entry: its directory, open, and its name there. */
struct tz_spot {
    struct tz_place *place;
    struct tz_parent parent;
    char name[1024]; /* more than any file system takes */
};

int tz_spot_open(struct tz_place *place, const char *path, size_t len, struct tz_spot *ret,
                 struct tz_error *err) TZ_MUST_CHECK;
void tz_spot_close(struct tz_spot *spot);
int tz_spot_stat(const struct tz_spot *spot, struct stat *st, bool *ret_there,
                 struct tz_error *err) TZ_MUST_CHECK;
/* Remove what stands there, of any kind. */
int tz_spot_remove(const struct tz_spot *spot, const struct tz_entry *entry,
                   struct tz_error *err) TZ_MUST_CHECK;

/* Make the file.  True: made, or failed with errno other than EEXIST. */
bool tz_spot_create(const struct tz_spot *spot, const struct tz_entry *entry, int *ret_fd);
void tz_place_set_fresh(struct tz_place *place, int fd, bool fresh);

/* A set of inodes.  False: no memory. */
bool tz_inode_set_add(struct tz_inode_set *set, const struct stat *st, bool *ret_new);
bool tz_inode_set_has(const struct tz_inode_set *set, const struct stat *st);

/* Can something that has other names stay as it is, apart from its content?  Not if its metadata
 * is wrong, or another entry stays under another name of it. */
bool tz_place_may_stay(struct tz_place *place, const struct tz_entry *entry,
                       const struct tz_placed *placed);

/* How often something is tried again that somebody else keeps changing. */
#define TZ_PLACE_TRIES 8

#endif
