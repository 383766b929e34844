/*
 * What the files of core/check/ share: listing the stores, checking objects in worker threads,
 * and a verification while it runs.
 */
#ifndef TOZAI_CORE_CHECK_CHECK_H
#define TOZAI_CORE_CHECK_CHECK_H

#include "tozai/core/pack.h"
#include "tozai/core/verify.h"
#include "tozai/util/pool.h"

#define TZ_STORE_BIT(i) (UINT32_C(1) << (i))

/* common.c */

/* A list of names; the array has room for a power of two. */
struct tz_check_names {
    char **items;
    size_t count;
};
int tz_check_names_add(struct tz_check_names *names, const char *name,
                       struct tz_error *err) TZ_MUST_CHECK;
void tz_check_names_clear(struct tz_check_names *names);
/* By bytes, each name once. */
void tz_check_names_sort(struct tz_check_names *names);
/* In a sorted list. */
bool tz_check_names_has(const struct tz_check_names *names, const char *name);

/* Errors that say nothing of the object that was read: the work cannot go on. */
bool tz_check_is_fatal(enum tz_error_kind kind);
/* tz_store_get(), again after a pause when the store could not be reached. */
int tz_check_read(struct tz_store *store, const char *name, uint64_t offset, size_t len,
                  struct tz_buf *out, struct tz_error *err) TZ_MUST_CHECK;
/* Put *err, which may be NULL, in place of what happened; -1. */
int tz_check_pass(struct tz_error *err, const struct tz_error *why);
/* How many stores are in the set. */
unsigned tz_check_count_bits(uint32_t set);
/* The store of this name among the mirror's. */
int tz_check_find_store(const struct tz_repo *repo, const char *name, size_t *ret,
                        struct tz_error *err) TZ_MUST_CHECK;

/* small.c: objects that are read whole. */

/* Are these the bytes that belong to the name?  Any kind but the descriptor; no key is needed. With
 * keys NULL a seal is only known to be whole, not whose it is; any role can tell that.  deep: open
 * it, too (not packs).  TZ_CORRUPT if not. */
int tz_check_bytes(const struct tz_keys *keys, const char *name, const void *data, size_t len,
                   bool deep, struct tz_error *err) TZ_MUST_CHECK;
/* The most bytes that an object of this kind can have. */
size_t tz_check_size_max(enum tz_name_kind kind);

/* directory.c */

/* Bytes at a pack's end that are read to find its directory. */
#define TZ_CHECK_TAIL ((size_t)64 << 10)
struct tz_aead;
/*
 * Where the directory of a pack of this size begins, from its last bytes (TZ_PACK_TRAILER_SIZE at
 * least).
 */
int tz_check_directory_begin(struct tz_aead *aead, const uint8_t header[TZ_PACK_HEADER_SIZE],
                             const uint8_t key[TZ_KEY_SIZE], const uint8_t *tail, size_t len,
                             uint64_t size, uint64_t *ret, struct tz_error *err) TZ_MUST_CHECK;
/* Open the directory; tail is all from its beginning on.  plain is scratch.  Everything but the
 * hash is filled in, and the frames reach exactly to the directory. */
int tz_check_directory(struct tz_aead *aead, const uint8_t header[TZ_PACK_HEADER_SIZE],
                       const uint8_t key[TZ_KEY_SIZE], const uint8_t *tail, size_t len,
                       uint64_t size, struct tz_buf *plain, struct tz_pack_info *info,
                       struct tz_error *err) TZ_MUST_CHECK;

/* stream.c: a listing that a thread of its own makes, to be merged with another sequence. */
struct tz_stream;
struct tz_stream_item {
    char name[TZ_NAME_TEXT];
    uint64_t size;
};
int tz_stream_open(struct tz_stream **ret, struct tz_store *store, const char *prefix,
                   struct tz_error *err) TZ_MUST_CHECK;
/* The next object, which stays until the call after; NULL at the end. */
const struct tz_stream_item *tz_stream_next(struct tz_stream *stream);
/* After the end: 0 if the listing is whole and in order, else why not. */
int tz_stream_status(struct tz_stream *stream, struct tz_error *err) TZ_MUST_CHECK;
void tz_stream_free(struct tz_stream *stream);
TZ_DEFINE_SCOPED(struct tz_stream *, tz_scoped_stream, tz_stream_free)

/* presence.c: what the stores list, against the catalog, which learns it. */
struct tz_presence {
    struct tz_repo *repo;
    uint32_t listed; /* stores whose listing is whole */
    struct {
        uint64_t objects, bytes;       /* of kinds that are ours */
        struct tz_check_names unknown; /* not ours, or packs that no index names */
        struct tz_error error;         /* why it could not be listed */
    } stores[TZ_MIRROR_MAX_STORES];
    struct tz_check_names
        doubtful; /* small objects with different sizes: all copies must be read */
    struct tz_check_names vanished; /* were damaged where they were, and are gone */
};
void tz_presence_clear(struct tz_presence *presence);
static inline TZ_UNUSED void tz_scoped_presence(struct tz_presence *presence)
{
    tz_presence_clear(presence);
}
/* Stores that can be asked: those that are usable, and those whose only fault is the descriptor. */
uint32_t tz_presence_stores(struct tz_repo *repo);
/* List one store below prefix and note in the catalog what is there, what is missing and what is
 * damaged for its size.  A store that cannot be listed is not a failure: see listed. */
int tz_presence_list(struct tz_presence *presence, size_t store, const char *prefix,
                     struct tz_error *err) TZ_MUST_CHECK;
/* After the last store: settle what could not be settled store by store. */
int tz_presence_finish(struct tz_presence *presence, struct tz_error *err) TZ_MUST_CHECK;

/* checker.c: objects are checked by worker threads. */
enum tz_outcome {
    TZ_OUTCOME_NONE, /* not asked */
    TZ_OUTCOME_GOOD,
    TZ_OUTCOME_BAD,
    TZ_OUTCOME_GONE,
    TZ_OUTCOME_UNREACHABLE,
};

struct tz_check_task {
    struct tz_job job;
    struct tz_checker *checker;

    /* What is asked. */
    char name[TZ_NAME_TEXT];
    struct tz_name parsed;
    int64_t object; /* the catalog's number; 0: unknown */
    uint64_t size;  /* of a described pack */
    uint32_t stores;
    bool deep;      /* open it, too */
    bool described; /* a pack with this header and size */
    uint8_t header[TZ_PACK_HEADER_SIZE];
    size_t turn; /* which of the stores' copies of a pack is opened */

    /* What came out. */
    enum tz_outcome outcome[TZ_MIRROR_MAX_STORES];
    struct tz_pack_info info; /* a good pack's, if deep */
    bool has_info;
    bool rotten;                          /* the hash is right and the content is not */
    struct tz_error why;                  /* of the last copy that is not good */
    struct tz_error fatal;                /* the check itself failed */
    uint64_t bytes[TZ_MIRROR_MAX_STORES]; /* that were read */
};

struct tz_checker;
typedef int tz_check_done_fn(void *arg, struct tz_check_task *task, struct tz_error *err);
/* done() is called on the caller's thread, in the order of submission. */
int tz_checker_new(struct tz_checker **ret, struct tz_repo *repo, tz_check_done_fn *done, void *arg,
                   struct tz_error *err) TZ_MUST_CHECK;
/* Waits for the workers; results that were not collected are dropped. */
void tz_checker_free(struct tz_checker *checker);
TZ_DEFINE_SCOPED(struct tz_checker *, tz_scoped_checker, tz_checker_free)
/* An empty task to fill in; collects older ones when all are on their way. */
int tz_checker_task(struct tz_checker *checker, struct tz_check_task **ret,
                    struct tz_error *err) TZ_MUST_CHECK;
void tz_checker_submit(struct tz_checker *checker, struct tz_check_task *task);
/* Collect all. */
int tz_checker_drain(struct tz_checker *checker, struct tz_error *err) TZ_MUST_CHECK;

/* What belongs to one worker. */
struct tz_check_worker {
    struct tz_frame_opener *opener;
    struct tz_idhash *hash;
    struct tz_sha256 *digest;
    struct tz_aead *aead;
    struct tz_buf mine, other, tail, plain;
    struct tz_pool *mate; /* a thread that reads another copy meanwhile; NULL: none */
};
struct tz_repo *tz_checker_repo(const struct tz_checker *checker);
/* copy.c: run on a worker. */
void tz_check_run(struct tz_check_task *task, struct tz_check_worker *worker);

/* targets.c: what there is to check, part by part. */
struct tz_target {
    char name[TZ_NAME_TEXT];
    int64_t object;
    uint64_t size;
    uint32_t stores;     /* that have a copy, good or damaged */
    uint32_t damaged;    /* of these, where it was noted as damaged */
    int64_t verified_ns; /* the oldest of its copies */
};
struct tz_targets {
    struct tz_target *items;
    size_t count, cap;
};
static inline TZ_UNUSED void tz_scoped_targets(struct tz_targets *targets)
{
    free(targets->items);
    *targets = (struct tz_targets){0};
}
/* The parts are small and together hold every object but the descriptor, packs first. */
#define TZ_PART_PACKS 256
#define TZ_PARTS      (TZ_PART_PACKS + 4)
enum tz_part {
    TZ_PART_INDEX = TZ_PART_PACKS,
    TZ_PART_KEYS,
    TZ_PART_TOMBSTONES,
    TZ_PART_GENERATIONS, /* heads and seals */
    TZ_PART_NOTHING,
};
/* Objects of this part with a copy in one of the stores, in order of names. */
int tz_targets_load(struct tz_targets *targets, struct tz_repo *repo, uint32_t stores,
                    unsigned part, struct tz_error *err) TZ_MUST_CHECK;

/* A verification while it runs. */
struct tz_check_note {
    int64_t object;
    size_t store;
    enum tz_outcome outcome;
    int64_t time_ns;
};
#define TZ_CHECK_NOTES 256
struct tz_check {
    const struct tz_verify_options *options;
    struct tz_repo *repo;
    struct tz_mirror *mirror;
    struct tz_catalog *catalog;
    const struct tz_keys *keys;
    struct tz_verify_result *result;
    struct tz_presence presence;
    uint32_t selected;                                /* stores that the caller asked for */
    uint32_t alive;                                   /* of these, those that can still be read */
    struct tz_verify_store *of[TZ_MIRROR_MAX_STORES]; /* in the result; NULL: not selected */
    struct tz_buf descriptor;          /* as it must be; empty if the stores do not tell */
    struct tz_check_names undescribed; /* packs that a generation needs and no index names */
    struct tz_check_note notes[TZ_CHECK_NOTES];
    size_t note_count;
    struct tz_verify_progress progress;
    int64_t next_progress;
};
/* Lists of the result. */
int tz_check_add(char ***names, size_t *count, const char *name,
                 struct tz_error *err) TZ_MUST_CHECK;
int tz_check_fault(struct tz_check *check, struct tz_error *err, const char *format, ...)
    TZ_PRINTF(3, 4) TZ_MUST_CHECK;
void tz_check_lose_store(struct tz_check *check, size_t store, const struct tz_error *why);

/* descriptors.c: hold the descriptors against each other. */
int tz_check_descriptors(struct tz_check *check, struct tz_error *err) TZ_MUST_CHECK;
/* expected.c: report what is missing where it should be and, at level presence, what is damaged. */
int tz_check_report_presence(struct tz_check *check, struct tz_error *err) TZ_MUST_CHECK;
/* objects.c: the bytes of objects. */
int tz_check_objects(struct tz_check *check, struct tz_error *err) TZ_MUST_CHECK;
/* generations.c: every sealed generation's manifest. */
int tz_check_generations(struct tz_check *check, struct tz_error *err) TZ_MUST_CHECK;
/* heal.c */
int tz_check_heal(struct tz_check *check, struct tz_error *err) TZ_MUST_CHECK;
/* faults.c: say what is lost, and for which generations. */
int tz_check_faults(struct tz_check *check, struct tz_error *err) TZ_MUST_CHECK;
/* Is every pack of this head in the store?  parsed: of the head's or the seal's name. */
int tz_check_packs_present(struct tz_repo *repo, const struct tz_name *parsed, size_t store,
                           bool *ret, struct tz_error *err) TZ_MUST_CHECK;
/* Does a generation need this pack? */
int tz_check_is_needed(struct tz_repo *repo, int64_t pack, bool *ret,
                       struct tz_error *err) TZ_MUST_CHECK;
/* A bit for each store in which the catalog has the object in one of the states (1 << state). */
int tz_check_copies(struct tz_repo *repo, int64_t object, unsigned states, uint32_t *ret,
                    struct tz_error *err) TZ_MUST_CHECK;
#define TZ_STATE_PRESENT (1U << TZ_COPY_PRESENT)
#define TZ_STATE_THERE   (1U << TZ_COPY_PRESENT | 1U << TZ_COPY_DAMAGED)

#endif
