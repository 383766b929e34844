/*
 * For tests of sources: a folder, a configuration of one source, and short ways to make files.
 */
#ifndef TOZAI_TESTS_SOURCE_FIXTURE_H
#define TOZAI_TESTS_SOURCE_FIXTURE_H

#include "source_contract.h"

#define TZ_FIXTURE_MAX 16

struct tz_source_fixture {
    char *folder;  /* removed at the end */
    char *source;  /* folder/source, a directory; the configured path */
    char *scratch; /* folder/scratch */
    char *paths[TZ_FIXTURE_MAX];
    char *excludes[TZ_FIXTURE_MAX];
    char *exclude_files[TZ_FIXTURE_MAX];
    const char *never[TZ_FIXTURE_MAX];
    struct tz_config_source config;
    struct tz_source_options options;
    struct tz_test_warnings warnings;
};

/* For cmocka: *state is the fixture. */
int tz_source_fixture_set_up(void **state);
int tz_source_fixture_tear_down(void **state);

/* folder/path; freed at the end of the test by the caller. */
char *tz_fixture_path(const struct tz_source_fixture *f, const char *path);
/* A file with this text in folder/path, with the directories above it. */
void tz_fixture_file(struct tz_source_fixture *f, const char *path, const char *text);
void tz_fixture_directory(struct tz_source_fixture *f, const char *path);
void tz_fixture_remove(struct tz_source_fixture *f, const char *path);
void tz_fixture_rename(struct tz_source_fixture *f, const char *from, const char *to);
void tz_fixture_symlink(struct tz_source_fixture *f, const char *target, const char *path);
void tz_fixture_link(struct tz_source_fixture *f, const char *from, const char *to);

/* The paths that the source gives, each with its letter before and a newline behind, to be freed.
 */
char *tz_fixture_walk(struct tz_source_fixture *f);
/* The source cannot be opened: the kind of error; its message is in *ret. */
enum tz_error_kind tz_fixture_refused(struct tz_source_fixture *f, struct tz_error *ret);
/* Call next() until it gives path. */
void tz_fixture_next(struct tz_source *source, struct tz_entry *entry, const char *path);

#endif
