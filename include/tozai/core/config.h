/*
 * The configuration file: INI sections, some of them named ("[store east]").
 *
 * Repeated keys make lists where the table below says so, and are an error elsewhere.  ${NAME} in a
 * value is replaced by the environment's value (an unset one is an error); "$$" is a dollar sign.
 * Sizes take K, M, G, T, durations s, m, h, d, w.  Unknown sections and keys are errors that name
 * the file, the line and the nearest known word.  All errors here are TZ_INVALID.
 *
 * " #" or " ;" outside of quotes begins a comment, but " ;" stays in commands and SQL.  A value
 * that is wholly in double quotes is what stands between them, except for commands, SQL and
 * conninfo.
 *
 * Known but not yet used sections ([drill x], keys of database sources) are accepted and checked
 * for their form, so that one file serves every version.
 */
#ifndef TOZAI_CORE_CONFIG_H
#define TOZAI_CORE_CONFIG_H

#include "tozai/storage/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tz_config_list {
    char **items;
    size_t count;
};

struct tz_config_pair {
    char *section; /* "retention wiki", "hooks"; NULL for a pair of a store or source */
    char *key;
    char *value; /* checked and expanded; a bool is "yes" or "no" */
    int line;
};

struct tz_config_store {
    char *name;
    char *url;
    char *location;              /* NULL if not given */
    unsigned timeout_s;          /* 0: default */
    struct tz_config_pair *more; /* the driver's own keys, in order, known ones only */
    size_t more_count;
    int line; /* of the section, for errors */
};

enum tz_source_type {
    TZ_SOURCE_DIRECTORY,
    TZ_SOURCE_SQLITE,
    TZ_SOURCE_IMAGE,
    TZ_SOURCE_COMMAND,
    TZ_SOURCE_POSTGRES,
    TZ_SOURCE_MARIADB,
};

struct tz_config_source {
    char *name;
    enum tz_source_type type;
    struct tz_config_list paths;         /* path = */
    struct tz_config_list excludes;      /* exclude =, gitignore syntax, in order */
    struct tz_config_list exclude_files; /* exclude_file =, files of such lines */
    bool exclude_caches;                 /* CACHEDIR.TAG */
    bool one_file_system;
    bool exclude_nodump;         /* files with the nodump flag; default yes */
    char *command;               /* command = */
    uint64_t block_size;         /* block_size =, image and sqlite; 0: automatic */
    struct tz_config_pair *more; /* keys of database types */
    size_t more_count;
    int line;
};

struct tz_config {
    char *file; /* the path it was read from */

    /* [repository] */
    char *state; /* directory for catalog, spool, last manifests */
    char *passphrase_file;
    char *passphrase_command;
    char *key_file;
    uint64_t pack_size;  /* pack_size =, 1M to 64M; 0: default */
    uint64_t frame_size; /* frame_size =, 256K to 4M; 0: default */
    int compression;     /* compression = 1 to 19 (zstd level); 0: default */
    unsigned threads;    /* threads =; 0: one for each processor */

    struct tz_config_store *stores; /* [store NAME], in the order of the file */
    size_t store_count;
    struct tz_config_source *sources; /* [source NAME] */
    size_t source_count;

    /* [policy] */
    struct tz_config_list allowed_locations; /* one comma-separated value */
    struct tz_config_list allowed_regions;
    unsigned min_copies;      /* 0: every store */
    bool allow_same_location; /* allow_same_location = yes: the operator says so */

    /* Everything of [retention], [retention X], [hooks], [notify], [drill X], in the file's order.
     */
    struct tz_config_pair *later;
    size_t later_count;
};

/* Read and check a file; TZ_NOT_FOUND if there is none.  Free it with tz_config_free(). */
int tz_config_read(struct tz_config **ret, const char *path, struct tz_error *err) TZ_MUST_CHECK;
void tz_config_free(struct tz_config *config);
TZ_DEFINE_SCOPED(struct tz_config *, tz_scoped_config, tz_config_free)

/* NULL if there is no such source. */
const struct tz_config_source *tz_config_find_source(const struct tz_config *config,
                                                     const char *name);
const struct tz_config_store *tz_config_find_store(const struct tz_config *config,
                                                   const char *name);
/* Is the word in the list, in whatever case? */
bool tz_config_list_has(const struct tz_config_list *list, const char *word);
const char *tz_source_type_name(enum tz_source_type type);
/*
 * The value of a key among pairs, or NULL; section as in the pair (NULL for a store's or source's
 * own). index counts the values of a key that comes more than once.
 */
const char *tz_config_pair_value(const struct tz_config_pair *pairs, size_t count,
                                 const char *section, const char *key, size_t index);

/* How the store is to be opened: both borrow from the configuration, and *ret points to *ret_s3. */
void tz_config_store_options(const struct tz_config *config, const struct tz_config_store *store,
                             struct tz_store_options *ret, struct tz_store_s3_options *ret_s3);

/* spool =, how much of a run may wait in files for a store that is slow; local: it is on this
 * machine, where the default is 0. */
uint64_t tz_config_store_spool(const struct tz_config_store *store, bool local);

/* The word of the list that is nearest to word (edit distance), or NULL if none is near. */
const char *tz_nearest_word(const char *word, const char *const *words, size_t count);

/*
 * Write a new, commented configuration for these stores; refuses to replace an existing file.
 * state and passphrase_file may be NULL (a default is written, the other is left as a comment).
 */
struct tz_config_template {
    const char *const *store_urls;
    const char *const *locations; /* count entries; NULL entries allowed */
    size_t store_count;
    const char *state;
    const char *passphrase_file;
    const char *key_file;
};
int tz_config_write_template(const char *path, const struct tz_config_template *template,
                             struct tz_error *err) TZ_MUST_CHECK;

#endif
