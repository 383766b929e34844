/*
 * The names in one directory, sorted by bytes.
 *
 * They lie in one block of memory.  A directory with more names than the memory limit allows is
 * sorted in runs, which go to a temporary file without a name and are merged while they are
 * read; so memory does not grow with the directory.
 *
 * Zero-initialized is empty.  One thread at a time.
 */
#ifndef TOZAI_CORE_SOURCE_NAMES_H
#define TOZAI_CORE_SOURCE_NAMES_H

#include "runs.h"

/* Names and their index of one directory that are kept in memory. */
#define TZ_NAMES_MEMORY ((size_t)32 << 20)

struct tz_name_key;

struct tz_names {
    struct tz_buf arena; /* for each name: type, bytes, NUL */
    struct tz_name_key *keys;
    size_t count, cap, at;
    bool has_ignore;    /* there is a .tozaiignore */
    bool has_cache_tag; /* there is a CACHEDIR.TAG */

    struct tz_runs runs; /* if there are any, all names are in them */
};

/* What a reading needs besides the directory; it may be used for many, one after the other. */
struct tz_names_reader {
    const char *scratch; /* directory for temporary files; NULL: never use one */
    size_t memory;       /* TZ_NAMES_MEMORY, or less in tests */
    uint8_t *buffer;     /* the reader's own */
};

void tz_names_reader_clear(struct tz_names_reader *reader);

/*
 * Read the directory open at fd.  On failure names is empty again; 1: it is the directory that
 * cannot be listed.
 */
int tz_names_read(struct tz_names *names, struct tz_names_reader *reader, int fd,
                  struct tz_error *err) TZ_MUST_CHECK;
/* Make it hold nothing but this name. */
int tz_names_only(struct tz_names *names, const char *text, uint8_t type,
                  struct tz_error *err) TZ_MUST_CHECK;
/* *ret_more false: that was all.  No name comes twice. */
int tz_names_next(struct tz_names *names, struct tz_listed *ret, bool *ret_more,
                  struct tz_error *err) TZ_MUST_CHECK;
void tz_names_clear(struct tz_names *names);

#endif
