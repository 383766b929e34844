/*
 * What every kind of source promises, as a test; and a copy from a source into a directory with
 * nothing in between.
 */
#ifndef TOZAI_TESTS_SOURCE_CONTRACT_H
#define TOZAI_TESTS_SOURCE_CONTRACT_H

#include "tozai/core/place.h"
#include "tozai/core/source.h"

/* Warnings that a source or place gave; zero-initialized is none. */
struct tz_test_warnings {
    unsigned count;
    char first_path[256];
    struct tz_error first;
};
void tz_test_warn(void *arg, const char *path, size_t path_len, const struct tz_error *why);

struct tz_source_contract {
    struct tz_source_options options;
    /* What the file at path has to hold, appended to out. */
    void (*content)(void *arg, const char *path, struct tz_buf *out);
    /*
     * Change the source while the file at path is being read; NULL: it cannot change.  After it
     * finish() must say so, and content() gives the new content.
     */
    void (*change)(void *arg, const char *path);
    void *arg;
};

/* Runs as part of a cmocka test. */
void tz_source_contract_run(const struct tz_source_contract *contract);

/* Open, or fail the test. */
struct tz_source *tz_test_source(const struct tz_source_options *options);
/* Read an input to its end, in pieces of this size, holes as zeros. */
void tz_test_read(struct tz_input *input, size_t piece, struct tz_buf *out);

/* All entries of a source, in order, as its next() gave them. */
struct tz_test_entries {
    struct tz_entry *items;
    size_t count;
};
void tz_test_entries(const struct tz_source_options *options, struct tz_test_entries *ret);
const struct tz_entry *tz_test_find(const struct tz_test_entries *entries, const char *path);
void tz_test_entries_clear(struct tz_test_entries *entries);

/* Restore all that the source has into target.  How many entries there were. */
size_t tz_test_copy(const struct tz_source_options *options, const char *target,
                    enum tz_overwrite overwrite, struct tz_test_warnings *warnings);

#endif
