/*
 * What a kind of source gives: its entries in order, and the content of its files.
 *
 * The engine opens a source, calls next() until it says done, and for each file that is new or
 * changed load() and then read() of the input.  finish() tells whether what was read is whole.
 *
 * Threads: the source belongs to one thread.  An input belongs to whoever has it, and may be
 * read on another thread while the source goes on; it must be freed before the source.
 */
#ifndef TOZAI_CORE_SOURCE_H
#define TOZAI_CORE_SOURCE_H

#include "tozai/core/config.h"
#include "tozai/core/entry.h"

/* A path that could not be read: the backup goes on, counts it and says so. */
typedef void tz_source_warn_fn(void *arg, const char *path, size_t path_len,
                               const struct tz_error *why);

struct tz_source_options {
    const struct tz_config_source *config;
    const char *scratch; /* directory for temporary copies (SQLite) */
    /* Absolute paths that are never backed up: the stores' and the state directory. */
    const char *const *never;
    size_t never_count;
    bool all_new;            /* no entry is known: load() will be called for each */
    tz_source_warn_fn *warn; /* called on the thread that calls next, load or tz_input_finish */
    void *warn_arg;
};

/* What the engine should know of a file before it reads it. */
struct tz_input_hints {
    uint32_t block_size; /* page-structured: compare in blocks of this size; 0: not */
    bool sequential;     /* cannot seek: no holes, size unknown before the end */
};

struct tz_input;
struct tz_source;

struct tz_source_driver {
    enum tz_source_type type;
    /* Start a look at the source: connect, take the snapshot, start the command. */
    int (*open)(void **ret, const struct tz_source_options *options, struct tz_error *err);
    /*
     * The next entry in path order with what a stat gives (type, mode, owner numbers, size, times,
     * device, dev, ino, ctime; link for symlinks and hardlinks); owner names, xattrs and inode
     * flags come with load().  *ret_done at the end.  entry is cleared by the caller.
     */
    int (*next)(void *state, struct tz_entry *entry, bool *ret_done, struct tz_error *err);
    /*
     * Complete the entry that next() gave last: owner names, xattrs, inode flags, and for a file
     * its input.  1: it vanished or cannot be read (warn was called), leave it out.  The entry's
     * size and times may be newer than next() said.
     */
    int (*load)(void *state, struct tz_entry *entry, struct tz_input **ret_input,
                struct tz_error *err);
    /* After the last entry: did all go well?  A failed command, a lost snapshot: an error, and
     * there will be no generation.  Gives the consistent point. */
    int (*finish)(void *state, int64_t *ret_time_ns, char **ret_position, struct tz_error *err);
    /* May be called at any time. */
    void (*free)(void *state);
};

struct tz_input_driver {
    /*
     * Read up to len bytes at the input's position.  *ret_len 0: the end.  Where a hole begins,
     * *ret_hole gets its length instead (and *ret_len is 0): it reads as zeros, at least one block
     * long.
     */
    int (*read)(void *state, void *data, size_t len, size_t *ret_len, uint64_t *ret_hole,
                struct tz_error *err);
    /* Skip len bytes without reading (unchanged parts). Not for sequential inputs. */
    int (*skip)(void *state, uint64_t len, struct tz_error *err);
    /*
     * After the last byte: did the file hold still?  *ret_changed: its size, mtime or ctime is not
     * what it was when load() opened it; entry's size and times are then brought up to date.
     */
    int (*finish)(void *state, struct tz_entry *entry, bool *ret_changed, struct tz_error *err);
    /* Back to the beginning, with size and times of now in entry, to read a changed file again. */
    int (*rewind)(void *state, struct tz_entry *entry, struct tz_error *err);
    void (*free)(void *state);
};

/* Open a source by its configuration.  Free it with tz_source_free(). */
int tz_source_open(struct tz_source **ret, const struct tz_source_options *options,
                   struct tz_error *err) TZ_MUST_CHECK;
void tz_source_free(struct tz_source *source);
TZ_DEFINE_SCOPED(struct tz_source *, tz_scoped_source, tz_source_free)
/* Make one of a driver directly, as tests do. */
int tz_source_new(struct tz_source **ret, const struct tz_source_driver *driver, void *state,
                  struct tz_error *err) TZ_MUST_CHECK;
int tz_source_next(struct tz_source *source, struct tz_entry *entry, bool *ret_done,
                   struct tz_error *err) TZ_MUST_CHECK;
int tz_source_load(struct tz_source *source, struct tz_entry *entry, struct tz_input **ret_input,
                   struct tz_error *err) TZ_MUST_CHECK;
int tz_source_finish(struct tz_source *source, int64_t *ret_time_ns, char **ret_position,
                     struct tz_error *err) TZ_MUST_CHECK;

/* For drivers. */
int tz_input_new(struct tz_input **ret, const struct tz_input_driver *driver, void *state,
                 const struct tz_input_hints *hints, struct tz_error *err) TZ_MUST_CHECK;
void tz_input_free(struct tz_input *input);
TZ_DEFINE_SCOPED(struct tz_input *, tz_scoped_input, tz_input_free)
const struct tz_input_hints *tz_input_hints(const struct tz_input *input);
int tz_input_read(struct tz_input *input, void *data, size_t len, size_t *ret_len,
                  uint64_t *ret_hole, struct tz_error *err) TZ_MUST_CHECK;
int tz_input_skip(struct tz_input *input, uint64_t len, struct tz_error *err) TZ_MUST_CHECK;
int tz_input_finish(struct tz_input *input, struct tz_entry *entry, bool *ret_changed,
                    struct tz_error *err) TZ_MUST_CHECK;
int tz_input_rewind(struct tz_input *input, struct tz_entry *entry,
                    struct tz_error *err) TZ_MUST_CHECK;

/*
 * Directory trees.  One path: entries relative to it (a file: under its own name).  Several: each
 * under its own full path, with the directories above as TZ_ENTRY_IMPLIED.  A configured path that
 * is a symbolic link stands for what it leads to; everything below is taken as it is.
 *
 * Excludes have the syntax of gitignore(5), relative to the root of the entries: first the lines of
 * exclude_file, then those of exclude, then the .tozaiignore of each directory for what is
 * below it; the last match decides.  nodump and CACHEDIR.TAG do not count for a configured path
 * itself. Each file is of its own moment; the consistent point is when the walk began.
 */
extern const struct tz_source_driver tz_source_driver_directory;
/* One database, as of one moment, with the metadata of its file. */
extern const struct tz_source_driver tz_source_driver_sqlite;
/* One file or block device.  As it is while it is read: take a snapshot of it if it is in use. */
extern const struct tz_source_driver tz_source_driver_image;
/* The standard output of a shell command, whose exit status must be 0. */
extern const struct tz_source_driver tz_source_driver_command;

/* The page size of a file that is made of pages (SQLite, PostgreSQL relation, InnoDB), from its
 * name and first bytes; 0 if it is not. */
uint32_t tz_page_size_of(const char *path, size_t path_len, const uint8_t *head, size_t head_len,
                         uint64_t file_size);

#endif
