/*
 * The entries of an archive, in a database that nobody else sees and that is gone when it is
 * closed; so memory stays bounded however many there are.
 *
 * Entries are numbered from 1 in the order of the archive.  The one that a name stands for in the
 * end is the last with this path, a hard link stands for the entry that had its target's path when
 * it was written.
 */
#ifndef TOZAI_CORE_ARCHIVE_ROSTER_H
#define TOZAI_CORE_ARCHIVE_ROSTER_H

#include "spool.h"

#include "tozai/core/source.h"

struct tz_archive_roster;
/* In directory. */
int tz_archive_roster_new(struct tz_archive_roster **ret, const char *directory,
                          struct tz_error *err) TZ_MUST_CHECK;
void tz_archive_roster_free(struct tz_archive_roster *roster);
TZ_DEFINE_SCOPED(struct tz_archive_roster *, tz_scoped_archive_roster, tz_archive_roster_free)

/* Of a hard link: what it is a name of is link, and content replaces that one's unless it is NULL.
 */
int tz_archive_roster_add(struct tz_archive_roster *roster, const struct tz_entry *entry,
                          const struct tz_archive_content *content,
                          struct tz_error *err) TZ_MUST_CHECK;
uint64_t tz_archive_roster_count(const struct tz_archive_roster *roster);
/* After the last: find out what hard links stand for.  Those that stand for nothing are left out,
 * with a warning. */
int tz_archive_roster_resolve(struct tz_archive_roster *roster, tz_source_warn_fn *warn,
                              void *warn_arg, struct tz_error *err) TZ_MUST_CHECK;

/* A name in the end. */
struct tz_archive_name {
    char *path; /* until the next call */
    size_t path_len;
    enum tz_entry_type type; /* of what it stands for; TZ_ENTRY_DIRECTORY only for itself */
    int64_t number;          /* of what it stands for */
    bool shared;             /* other names may stand for that, too */
    unsigned
        replaced; /* entries of this path that do not count any more, if not all are directories */
};
/* In path order. */
int tz_archive_roster_next(struct tz_archive_roster *roster, struct tz_archive_name *ret,
                           bool *ret_done, struct tz_error *err) TZ_MUST_CHECK;
/* Fill entry (but its path) and content with those of an entry. */
int tz_archive_roster_get(struct tz_archive_roster *roster, int64_t number, struct tz_entry *entry,
                          struct tz_archive_content *content, struct tz_error *err) TZ_MUST_CHECK;
/*
 * The name that a shared entry was given first, appended to ret; nothing if it has none yet: then
 * it is this one from now on.
 */
int tz_archive_roster_first_name(struct tz_archive_roster *roster, int64_t number, const char *path,
                                 size_t path_len, struct tz_buf *ret,
                                 struct tz_error *err) TZ_MUST_CHECK;

#endif
