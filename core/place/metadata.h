/*
 * Putting metadata back on something that is open.
 */
#ifndef TOZAI_CORE_PLACE_METADATA_H
#define TOZAI_CORE_PLACE_METADATA_H

#include "tozai/core/place.h"

#include <sys/stat.h>

/* What could not be set is said once for each of these. */
enum tz_place_lack {
    TZ_LACK_OWNER,
    TZ_LACK_MODE,
    TZ_LACK_XATTR_USER,
    TZ_LACK_XATTR_SYSTEM,
    TZ_LACK_XATTR_SECURITY,
    TZ_LACK_XATTR_TRUSTED,
    TZ_LACK_XATTR_OTHER,
    TZ_LACK_FLAGS,
    TZ_LACK_TIMES,
    TZ_LACK_DEVICE, /* said every time: the entry is missing */
};

/* Count and perhaps say it. */
void tz_place_note(struct tz_place *place, const struct tz_entry *entry, enum tz_place_lack lack,
                   const struct tz_error *why);

struct tz_placed {
    int fd;
    bool path_only; /* fd is O_PATH: not a file or directory */
    bool fresh;     /* made by this restore, with nothing inherited */
    struct stat st; /* of fd */
};

/*
 * Owner, extended attributes (ACLs after the others), mode, inode flags, times, and last of all
 * the flags that lock the inode.  What cannot be set is noted.
 */
void tz_place_metadata(struct tz_place *place, const struct tz_entry *entry,
                       const struct tz_placed *placed);
/* Has it all of that already? */
bool tz_place_metadata_is_right(const struct tz_entry *entry, const struct tz_placed *placed);

#endif
