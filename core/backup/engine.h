/*
 * Inside of a backup.
 */
#ifndef TOZAI_BACKUP_ENGINE_H
#define TOZAI_BACKUP_ENGINE_H

#include "local.h"

#include "tozai/core/backup.h"
#include "tozai/core/chunker.h"
#include "tozai/core/source.h"
#include "tozai/util/pool.h"
#include "tozai/util/queue.h"

#include <pthread.h>
#include <stdatomic.h>

#define WARNINGS_KEPT 10000U

/* Warnings of both threads. */
struct warnings {
    pthread_mutex_t mutex;
    struct tz_backup_warning *items;
    size_t count, cap;
    uint64_t total;
};
void tz_warnings_add(struct warnings *warnings, const char *path, size_t path_len,
                     const struct tz_error *why);

enum record_kind {
    RECORD_PLAIN,   /* complete as it is: directories, links, unchanged files, empty files */
    RECORD_SMALL,   /* content in the batch's data */
    RECORD_INPUT,   /* content is read by the main thread */
    RECORD_DROPPED, /* could not be read */
};

/* An entry on its way through the backup. */
struct record {
    struct tz_entry entry;
    enum record_kind kind;
    bool unchanged;
    bool has_old; /* old says where the last list and tags are */
    struct local_extra old;
    struct local_extra extra; /* for the new local manifest */
    struct tz_input *input;
    size_t offset, len; /* in the batch's data */
    bool done;          /* content is resolved */
};

/* Entries in path order, and the content of the small files among them. */
struct batch {
    struct record *records;
    size_t count;
    uint8_t *data; /* malloc()ed frame_size + TZ_AEAD_TAG, or NULL */
    size_t data_len;
    bool last;
    struct tz_error err; /* of the scan; then this batch is the last */
    int failed;
    struct batch *next; /* in the main thread's line */
    size_t waiting;     /* records that are not done */
};
void tz_batch_free(struct batch *batch);

/* The scan thread. */
struct scan_options {
    struct tz_source *source;
    struct tz_local_reader *last; /* NULL: none */
    const int64_t *bad_packs;     /* sorted */
    size_t bad_count;
    size_t data_size;            /* of a batch's buffer */
    struct tz_recycler *buffers; /* where they come from */
    struct warnings *warnings;
};
struct scan;
int tz_scan_start(struct scan **ret, const struct scan_options *options,
                  struct tz_error *err) TZ_MUST_CHECK;
/* The next batch in order; waits for it.  The caller's to free. */
struct batch *tz_scan_next(struct scan *scan);
/* Stops and joins the thread. */
void tz_scan_free(struct scan *scan);

/* Cutting and hashing: what lies between bytes read and extents known. */
struct cutter;
struct cutter_options {
    struct tz_packer *packer;
    struct tz_pool *pool;
    const struct tz_keys *keys;
    struct tz_local_writer *local; /* lists of large files go there */
    struct tz_id_list *refs;
};
int tz_cutter_new(struct cutter **ret, const struct cutter_options *options,
                  struct tz_error *err) TZ_MUST_CHECK;
void tz_cutter_free(struct cutter *cutter);
/* The small files of a batch; takes the data. */
int tz_cutter_small(struct cutter *cutter, struct batch *batch, struct tz_error *err) TZ_MUST_CHECK;
/* A large file, piece by piece.  begin: cut anew at its first byte unless paged. */
int tz_cutter_begin(struct cutter *cutter, struct batch *batch, struct record *record, bool paged,
                    struct tz_error *err) TZ_MUST_CHECK;
/* Room for new bytes: at least 64 KiB, more usually. */
int tz_cutter_room(struct cutter *cutter, uint8_t **ret, size_t *ret_len,
                   struct tz_error *err) TZ_MUST_CHECK;
/* len bytes were put there. */
int tz_cutter_fresh(struct cutter *cutter, size_t len, struct tz_error *err) TZ_MUST_CHECK;
/* Content that is stored already, or a hole (zero id). */
int tz_cutter_known(struct cutter *cutter, const struct tz_extent *extent, uint64_t pack,
                    struct tz_error *err) TZ_MUST_CHECK;
/* Forget what was given of this file so far: it is read again. */
int tz_cutter_restart(struct cutter *cutter, struct tz_error *err) TZ_MUST_CHECK;
/* The file's end; drop: leave the entry out. */
int tz_cutter_end(struct cutter *cutter, bool drop, struct tz_error *err) TZ_MUST_CHECK;
/* Hash and place what is ready; all: everything, also what does not fill a batch. */
int tz_cutter_settle(struct cutter *cutter, bool all, struct tz_error *err) TZ_MUST_CHECK;

/* Reading one large file into the cutter (main thread). */
struct reading {
    struct cutter *cutter;
    struct tz_local_reader *last;
    struct tz_local_writer *local;
    const uint8_t *tag_key;
    const int64_t *bad_packs;
    size_t bad_count;
    struct warnings *warnings;
    _Atomic uint64_t *bytes;
    bool input_failed; /* a failure was the file's, not the engine's */
};
/* Is it for the file alone to suffer from this failure of its input?  Others stop the backup. */
bool tz_is_files_fault(const struct tz_error *why);
int tz_read_large(struct reading *reading, struct batch *batch, struct record *record,
                  struct tz_error *err) TZ_MUST_CHECK;
/* The keyed 128-bit hash of a block (Poly1305, docs/decisions.md). */
int tz_block_tags(const uint8_t key[TZ_KEY_SIZE], const uint8_t *data, size_t block_size,
                  size_t count, uint8_t (*tags)[LOCAL_TAG_SIZE],
                  struct tz_error *err) TZ_MUST_CHECK;

bool tz_pack_is_bad(const int64_t *bad_packs, size_t count, uint64_t pack);

/* The last steps: looks, head, seal (commit.c).  What the packer (NULL: nothing) has on its way is
 * flushed before the head.  *ret_condemned: it failed because a prune has condemned packs that the
 * head names. */
int tz_backup_commit(struct tz_repo *repo, struct tz_packer *packer, struct tz_head *head,
                     uint32_t *ret_stores, bool *ret_condemned, struct tz_error *err) TZ_MUST_CHECK;

#endif
