/*
 * Comparing generations, and looking for files in them.  Both need an operator, and read the
 * manifests as streams; content is read only where an entry has the same size but lies in other
 * chunks.
 */
#ifndef TOZAI_CORE_COMPARE_H
#define TOZAI_CORE_COMPARE_H

#include "tozai/core/entry.h"
#include "tozai/core/repo.h"

/* What differs between two entries of the same path; the bits are in the order of names. */
#define TZ_DIFFERS_TYPE    1U /* the others are not told then */
#define TZ_DIFFERS_CONTENT 2U /* bytes, a link's target, a device's number */
#define TZ_DIFFERS_MODE    4U
#define TZ_DIFFERS_OWNER   8U /* or group */
#define TZ_DIFFERS_MTIME   16U
#define TZ_DIFFERS_XATTRS  32U
#define TZ_DIFFERS_FLAGS   64U /* inode flags */
#define TZ_DIFFERS_COUNT   7

/* "content" and "c"; index is the number of the bit. */
const char *tz_difference_name(unsigned index);
char tz_difference_letter(unsigned index);

/* *ret is 0 if they are alike. */
int tz_compare_entries(struct tz_repo *repo, const struct tz_entry *before,
                       const struct tz_entry *after, unsigned *ret,
                       struct tz_error *err) TZ_MUST_CHECK;

enum tz_change { TZ_ADDED = 1, TZ_REMOVED = 2, TZ_CHANGED = 4 };
/* One entry that differs, in the order of paths; differences only of TZ_CHANGED.  entry is
 * borrowed: the newer one, or the one that was removed. */
typedef int tz_change_fn(void *arg, enum tz_change change, const struct tz_entry *entry,
                         unsigned differences, struct tz_error *err);
/* Tell of the kinds of changes in the mask. */
int tz_compare_generations(struct tz_repo *repo, const struct tz_head *before,
                           const struct tz_head *after, unsigned mask, tz_change_fn *found,
                           void *arg, struct tz_error *err) TZ_MUST_CHECK;

/*
 * A search of every generation of a source that is complete in some store.
 *
 * pattern is one of gitignore: without a slash it matches the last part of a path, else the whole
 * path.
 */
struct tz_version {
    uint32_t generation; /* index in the result */
    bool gone;  /* the first generation that has it no more; the rest does not count then */
    bool first; /* no generation before has it, or it had gone */
    unsigned differences; /* to the generation before */
    enum tz_entry_type type;
    uint64_t size;
    int64_t mtime_s;
    uint32_t mtime_ns;
};
struct tz_match {
    struct tz_entry last;        /* as it was seen last */
    struct tz_version *versions; /* one for each generation that has it, and each time it went */
    size_t count, room;
};
struct tz_searched {
    uint8_t id[TZ_HASH_SIZE], origin[TZ_HASH_SIZE];
    int64_t time_ns;
};
struct tz_search_result {
    struct tz_searched *generations; /* oldest first */
    size_t generation_count;
    struct tz_match *matches; /* in the order of paths */
    size_t match_count;
    size_t version_count;
    size_t unreadable; /* generations that could not be read to their end; a warning told of each */
    bool cut;          /* there was more than max_versions */
};
void tz_search_result_clear(struct tz_search_result *result);

struct tz_search_options {
    struct tz_repo *repo;
    const char *source;
    const char *pattern;
    size_t max_versions; /* memory: beyond so many, further paths are left out; 0: 200000 */
};
int tz_search(const struct tz_search_options *options, struct tz_search_result *ret,
              struct tz_error *err) TZ_MUST_CHECK;

#endif
