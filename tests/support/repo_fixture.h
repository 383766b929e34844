/*
 * A real repository over two stores, in a temporary folder: its configuration goes through
 * tz_config_read(), its key file through tz_repo_init().
 *
 * What goes wrong in here ends the test.
 */
#ifndef TOZAI_TESTS_REPO_FIXTURE_H
#define TOZAI_TESTS_REPO_FIXTURE_H

#include "faulty_store.h"

#include "tozai/core/backup.h"
#include "tozai/core/restore.h"

struct tz_fixture_options {
    bool files;          /* file stores; else in memory */
    bool stay_empty;     /* no tz_repo_init() yet */
    const char *more;    /* lines of [repository], such as "frame_size = 256K\n" */
    const char *sources; /* sections; NULL: [source tree], the directory f->tree */
};

struct tz_fixture {
    char *folder; /* everything is in here */
    char *tree, *target, *state, *file;
    char *east, *west; /* URLs */
    struct tz_config *config;
    unsigned warnings;  /* that tz_fixture_open()'s repositories gave */
    char warning[2048]; /* the last of them */
};

void tz_fixture_make(struct tz_fixture *f, const struct tz_fixture_options *options);
void tz_fixture_clear(struct tz_fixture *f);
/* The directory of a file store. */
const char *tz_fixture_place(const char *url);
/* Write the configuration again, with another state directory or key file (NULL: as before). */
void tz_fixture_configure(struct tz_fixture *f, const struct tz_fixture_options *options,
                          const char *state, const char *key_file);
/* Give the second secret to a writer: a new slot with this key file in every store. */
void tz_fixture_add_writer(struct tz_fixture *f, const char *key_file);

struct tz_repo *tz_fixture_open(struct tz_fixture *f, bool need_operator);
/* From now on calls of store i go through a faulty one, which lives as long as the repository. */
struct faulty_store *tz_fixture_spoil(struct tz_repo *repo, size_t i);

/* Back up a source; it must succeed. */
void tz_fixture_backup(struct tz_repo *repo, const char *source, struct tz_backup_result *ret);
int tz_fixture_try_backup(struct tz_repo *repo, const char *source, struct tz_backup_result *ret,
                          struct tz_error *err) TZ_MUST_CHECK;
/* Restore source@point, all of it, into the target; it must succeed.  options may be NULL. */
void tz_fixture_restore(struct tz_repo *repo, const char *source, const char *point,
                        const char *target, const struct tz_restore_options *options,
                        struct tz_restore_result *ret);
/* Open, back up, close: a whole run. */
void tz_fixture_run(struct tz_fixture *f, struct tz_backup_result *ret);
/* A fresh target gets the latest generation of "tree", from this store only (NULL: any), and
 * must be equal to f->tree. */
void tz_fixture_check(struct tz_fixture *f, const char *only_store);

/* Objects of a store: how many, and the sum of their sizes, with names that begin so. */
size_t tz_fixture_count(const char *url, const char *prefix);
/* How many names or contents differ between the two stores? */
unsigned tz_fixture_compare_stores(const struct tz_fixture *f);

/* Files.  The name is below f->tree unless it is absolute. */
void tz_fixture_write(const struct tz_fixture *f, const char *name, const void *data, size_t len);
void tz_fixture_write_at(const struct tz_fixture *f, const char *name, uint64_t offset,
                         const void *data, size_t len);
/* len random bytes of this seed. */
void tz_fixture_fill(const struct tz_fixture *f, const char *name, size_t len, uint64_t seed);
void tz_fixture_random(void *data, size_t len, uint64_t seed);

#endif
