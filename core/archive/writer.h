/*
 * Inside of an export.
 */
#ifndef TOZAI_CORE_ARCHIVE_WRITER_H
#define TOZAI_CORE_ARCHIVE_WRITER_H

#include "format.h"

#include "tozai/core/manifest.h"

#include <archive_entry.h>

/* What an archive of a format does not hold. */
enum loss {
    LOSS_XATTRS,
    LOSS_XATTR_NAMES,
    LOSS_ACLS,
    LOSS_FLAGS,
    LOSS_OWNERS,
    LOSS_OWNER_NAMES,
    LOSS_LARGE_OWNERS,
    LOSS_SETUID,
    LOSS_FRACTIONS,
    LOSS_EARLY_FRACTIONS,
    LOSS_TIMES,
    LOSS_HARDLINKS,
    LOSS_HOLES,
    LOSS_NAMES,
    LOSS_COUNT,
};
struct losses {
    struct {
        uint64_t entries;
        char *first; /* path */
        size_t first_len;
    } kinds[LOSS_COUNT];
};
void tz_losses_add(struct losses *losses, enum loss loss, const struct tz_entry *entry);
/* One line for each kind. */
void tz_losses_tell(const struct losses *losses, const struct tz_archive_form *form,
                    tz_warn_fn *tell, void *arg);
void tz_losses_clear(struct losses *losses);

/* For formats that count the names of a file: which files have several, and how many. */
struct link_table;
int tz_link_table_new(struct link_table **ret, struct tz_error *err) TZ_MUST_CHECK;
void tz_link_table_free(struct link_table *table);
/* One more name of the file whose first name is path. */
int tz_link_table_add(struct link_table *table, const char *path, size_t len,
                      struct tz_error *err) TZ_MUST_CHECK;
/* How many names the file has, 1 if it was never added, and the number that stands for it (from 1;
 * 0 if it has but one). */
unsigned tz_link_table_names(const struct link_table *table, const char *path, size_t len,
                             uint32_t *ret_number);
/* This path, if it is the first name of several, is that of a file; the others are those of links,
 * pipes and devices, which a cpio has once for each name. */
void tz_link_table_note_file(struct link_table *table, const char *path, size_t len);
bool tz_link_table_is_file(const struct link_table *table, const char *path, size_t len);
uint32_t tz_link_table_count(const struct link_table *table);

/* Where the manifest has gaps. */
struct lost_part {
    /* Paths: the first one, and those behind it that are before the second; NULL: to the end. */
    char *from, *to;
    size_t from_len, to_len;
};
struct lost_parts {
    struct lost_part *items;
    size_t count;
};
int tz_lost_parts_add(struct lost_parts *parts, const char *from, size_t from_len, const char *to,
                      size_t to_len, struct tz_error *err) TZ_MUST_CHECK;
bool tz_lost_parts_hold(const struct lost_parts *parts, const char *path, size_t len);
void tz_lost_parts_clear(struct lost_parts *parts);

/*
 * The entries that come next, read ahead of the one that is being written, so that what they need
 * of far stores is on its way.  One that cannot be read is told in its turn.
 */
struct upcoming;
int tz_upcoming_new(struct upcoming **ret, struct tz_manifest_reader *reader,
                    struct tz_chunk_reader *chunks, struct tz_error *err) TZ_MUST_CHECK;
void tz_upcoming_free(struct upcoming *upcoming);
TZ_DEFINE_SCOPED(struct upcoming *, tz_scoped_upcoming, tz_upcoming_free)
/* *ret may be changed, and belongs to upcoming until the next call; NULL: there is no more. */
int tz_upcoming_next(struct upcoming *upcoming, struct tz_entry **ret,
                     struct tz_error *err) TZ_MUST_CHECK;
/* Read on and ask for what there is room for, before each read of content. */
void tz_upcoming_ask(struct upcoming *upcoming);

struct export
{
    const struct tz_archive_export_options *options;
    struct tz_archive_export_result *result;
    const struct tz_archive_form *form;
    struct tz_chunk_reader *chunks;
    struct upcoming *upcoming; /* NULL: of no entry the content is wanted; borrowed */
    /* What it gave last: many small files lie in one chunk, which need not be checked for each. */
    uint8_t chunk_id[TZ_ID_SIZE];
    const uint8_t *chunk; /* NULL: nothing yet */
    uint32_t chunk_len;
    struct link_table *links; /* NULL unless the format counts them */
    uint32_t next_inode;
    struct tz_entry_finder *finder; /* of files by another name of theirs; NULL: no need so far */
    struct archive *archive;
    struct losses losses;
    struct lost_parts lost;
    struct tz_error lost_error;  /* could not be remembered */
    struct tz_error write_error; /* of the callback */
    bool ended;                  /* nothing is to be written any more */
    int64_t next_progress;
};

/* Fill out with all of entry but holes.  0: done; 1: the format has nothing for it (*why says so);
 * -1: no memory. */
int tz_export_header(struct export *export, const struct tz_entry *entry, struct archive_entry *out,
                     struct tz_error *why) TZ_MUST_CHECK;
/* Add the map of the file's holes to out.  Fails if a long list of the content cannot be had. */
int tz_export_holes(struct export *export, const struct tz_entry *entry, struct archive_entry *out,
                    struct tz_error *err) TZ_MUST_CHECK;
/* Write the file's content, after its header. */
int tz_export_content(struct export *export, const struct tz_entry *entry,
                      struct tz_error *err) TZ_MUST_CHECK;
/* What went wrong in libarchive. */
int tz_export_fail(struct export *export, struct tz_error *err) TZ_MUST_CHECK;
void tz_export_report(struct export *export, bool now);

#endif
