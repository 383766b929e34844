/*
 * The catalog: a local SQLite database of what the stores hold.
 *
 * It is a cache: everything in it comes from the stores and can be rebuilt from any one of them.
 * It is never trusted over them.  WAL mode, STRICT tables, foreign keys, prepared statements; all
 * SQL is in core/catalog/.
 *
 * Threads: one at a time.  Processes: SQLite's locking; a writer waits up to 60 s, then TZ_BUSY.
 * Changes outside of tz_catalog_begin()/commit() are a transaction each.  Inside of one, after a
 * change that failed half-way everything but tz_catalog_rollback() fails.
 *
 * After a power failure the last transactions may be missing, whole; the database is not damaged.
 */
#ifndef TOZAI_CORE_CATALOG_H
#define TOZAI_CORE_CATALOG_H

#include "tozai/core/generation.h"

struct tz_catalog;

/*
 * Open <state>/catalog.db, made (0600) if it is missing, migrated if it is older.  One of another
 * repository: TZ_INVALID; damaged: TZ_CORRUPT with a hint to rebuild it; newer: TZ_UNSUPPORTED.
 */
int tz_catalog_open(struct tz_catalog **ret, const char *state,
                    const uint8_t repo_id[TZ_REPO_ID_SIZE], struct tz_error *err) TZ_MUST_CHECK;
/* The repository whose catalog is there; false if there is none that says so. */
bool tz_catalog_whose(const char *state, uint8_t ret[TZ_REPO_ID_SIZE]);
void tz_catalog_free(struct tz_catalog *catalog);
TZ_DEFINE_SCOPED(struct tz_catalog *, tz_scoped_catalog, tz_catalog_free)
/* Put a damaged or unwanted catalog aside (catalog.db.bad-<time>), so that the next open makes a
 * new one.  TZ_BUSY if anybody has it open; this process may not.  Nothing there: 0. */
int tz_catalog_put_aside(const char *state, struct tz_error *err) TZ_MUST_CHECK;
/* The same to the catalog that is open here; the handle then has a new, empty one.  The numbers of
 * stores, objects and packs that it gave are void.  If it cannot be put aside (TZ_BUSY), it is as
 * it was. */
int tz_catalog_renew(struct tz_catalog *catalog, const char *state,
                     const uint8_t repo_id[TZ_REPO_ID_SIZE], struct tz_error *err) TZ_MUST_CHECK;
/* 16 random bytes made with the database: local files that hold its numbers name it. */
const uint8_t *tz_catalog_instance(const struct tz_catalog *catalog);

int tz_catalog_begin(struct tz_catalog *catalog, struct tz_error *err) TZ_MUST_CHECK;
int tz_catalog_commit(struct tz_catalog *catalog, struct tz_error *err) TZ_MUST_CHECK;
/* Undo since begin; nothing if there is no transaction. */
void tz_catalog_rollback(struct tz_catalog *catalog);

/* Stores: a number for each name, for ever. A changed url or location is noted. */
int tz_catalog_store(struct tz_catalog *catalog, const char *name, const char *url,
                     const char *location, int64_t *ret_store, struct tz_error *err) TZ_MUST_CHECK;

int tz_catalog_knows_store(struct tz_catalog *catalog, const char *name, bool *ret,
                           struct tz_error *err) TZ_MUST_CHECK;
/* Its number, its copies and the checks of it are gone.  One that is not known does not matter. */
int tz_catalog_forget_store(struct tz_catalog *catalog, const char *name,
                            struct tz_error *err) TZ_MUST_CHECK;

/* Objects and their copies. */
enum tz_copy_state {
    TZ_COPY_UNKNOWN = 0,
    TZ_COPY_PRESENT = 1,
    TZ_COPY_MISSING = 2,
    TZ_COPY_DAMAGED = 3,
};
/* Note an object by name (any kind of tz_name_parse); the same number when it is known.  A size
 * that is known stays; 0 stands for an unknown one. */
int tz_catalog_add_object(struct tz_catalog *catalog, const char *name, uint64_t size,
                          int64_t *ret_object, struct tz_error *err) TZ_MUST_CHECK;
/* *ret_object 0: not known. */
int tz_catalog_find_object(struct tz_catalog *catalog, const char *name, int64_t *ret_object,
                           uint64_t *ret_size, struct tz_error *err) TZ_MUST_CHECK;
/* The size that was noted was that of a damaged copy. */
int tz_catalog_set_size(struct tz_catalog *catalog, int64_t object, uint64_t size,
                        struct tz_error *err) TZ_MUST_CHECK;
/* Nothing is noted of an object that is not known: another process may have forgotten it. */
int tz_catalog_set_copy(struct tz_catalog *catalog, int64_t object, int64_t store,
                        enum tz_copy_state state, struct tz_error *err) TZ_MUST_CHECK;
int tz_catalog_get_copy(struct tz_catalog *catalog, int64_t object, int64_t store,
                        enum tz_copy_state *ret, struct tz_error *err) TZ_MUST_CHECK;
/* The copy was checked at this time (ciphertext or content) and found good: it is present. */
int tz_catalog_set_verified(struct tz_catalog *catalog, int64_t object, int64_t store,
                            int64_t time_ns, struct tz_error *err) TZ_MUST_CHECK;
struct tz_catalog_copy {
    int64_t object;
    const char *name;
    uint64_t size;
    enum tz_copy_state state; /* in the store asked for; UNKNOWN if nothing was noted */
    int64_t verified_ns;      /* 0: never */
};
/* Every object whose name begins with prefix, in byte order of names.  found() may not change the
 * catalog. */
typedef int tz_catalog_copy_fn(void *arg, const struct tz_catalog_copy *copy, struct tz_error *err);
int tz_catalog_each_copy(struct tz_catalog *catalog, int64_t store, const char *prefix,
                         tz_catalog_copy_fn *found, void *arg, struct tz_error *err) TZ_MUST_CHECK;
/*
 * Forget an object, its copies, the pack that it is or the generation that it is the head of.  A
 * pack that a generation needs keeps its number, as one that is not known.  Unknown numbers do not
 * matter.
 */
int tz_catalog_remove_object(struct tz_catalog *catalog, int64_t object,
                             struct tz_error *err) TZ_MUST_CHECK;

/*
 * Packs and chunks.  A pack's number is its object's number.  A pack is known once it was added;
 * one that a head names before that is an object of size 0 (tz_catalog_find_object), but not a
 * pack.
 */
/* The same number when it is known.  info that contradicts itself: TZ_INVALID.  Hundreds of packs
 * in one transaction are several times faster than each in its own. */
int tz_catalog_add_pack(struct tz_catalog *catalog, const struct tz_pack_info *info,
                        int64_t *ret_pack, struct tz_error *err) TZ_MUST_CHECK;
int tz_catalog_find_pack(struct tz_catalog *catalog, const uint8_t hash[TZ_HASH_SIZE],
                         int64_t *ret_pack, struct tz_error *err) TZ_MUST_CHECK; /* 0: unknown */
struct tz_chunk_place {
    int64_t pack;
    uint32_t frame;  /* number of the frame in the pack */
    uint32_t offset; /* in the frame's plain bytes */
    uint32_t len;
    bool condemned; /* the pack is named by a tombstone */
    bool lost;      /* no store is known to hold the pack */
    bool away;      /* none of the stores of tz_catalog_set_reach() is known to hold it */
};
/* A chunk that lies in several packs gives a place that is neither condemned nor lost nor away, if
 * there is one; else one that is only condemned, which can still be read. */
int tz_catalog_find_chunk(struct tz_catalog *catalog, const uint8_t id[TZ_ID_SIZE],
                          struct tz_chunk_place *ret, bool *ret_found,
                          struct tz_error *err) TZ_MUST_CHECK;
struct tz_catalog_pack {
    int64_t pack;
    uint8_t hash[TZ_HASH_SIZE];
    uint64_t size;
    uint32_t kind;
    uint8_t header[TZ_PACK_HEADER_SIZE];
    bool condemned, lost;
};
int tz_catalog_get_pack(struct tz_catalog *catalog, int64_t pack, struct tz_catalog_pack *ret,
                        struct tz_error *err) TZ_MUST_CHECK;
/* The place of one frame (first_chunk and chunk_count are not filled in). */
int tz_catalog_get_frame(struct tz_catalog *catalog, int64_t pack, uint32_t frame,
                         struct tz_frame_info *ret, struct tz_error *err) TZ_MUST_CHECK;
/* Is info, from the pack's own directory, what is noted of it: size, header, frames, chunks? */
int tz_catalog_compare_pack(struct tz_catalog *catalog, int64_t pack,
                            const struct tz_pack_info *info, bool *ret_same,
                            struct tz_error *err) TZ_MUST_CHECK;
/* Note that a tombstone names this pack.  Unknown packs are kept too: they are condemned when they
 * become known.  There is no way back, even if the pack is forgotten. */
int tz_catalog_condemn(struct tz_catalog *catalog, const uint8_t hash[TZ_HASH_SIZE],
                       struct tz_error *err) TZ_MUST_CHECK;
/*
 * Only these stores can be reached: until the catalog is closed, a pack that none of them is known
 * to hold is away.  count 0: nothing is away any more.
 */
int tz_catalog_set_reach(struct tz_catalog *catalog, const int64_t *stores, size_t count,
                         struct tz_error *err) TZ_MUST_CHECK;
/* Packs that are condemned, lost or away: none is the usual answer. */
int tz_catalog_bad_packs(struct tz_catalog *catalog, int64_t **ret_sorted, size_t *ret_count,
                         struct tz_error *err) TZ_MUST_CHECK; /* free() */

/* Generations. */
struct tz_generation {
    uint8_t id[TZ_HASH_SIZE];     /* of its head */
    uint8_t origin[TZ_HASH_SIZE]; /* what people call it (tz_head_origin()) */
    uint64_t turn;                /* the greatest one of an origin counts */
    int64_t head_object;
    int64_t seal_object;        /* 0: not sealed in any store */
    char *source, *type, *host; /* of the head */
    uint8_t source_id[TZ_SOURCE_ID_SIZE];
    int64_t time_ns, start_ns, end_ns;
    uint64_t entries, bytes, new_bytes, stored_bytes, warnings;
    int64_t locked_until_ns;
    int64_t verified_ns, drilled_ns; /* 0: never */
};
void tz_generation_clear(struct tz_generation *generation);
/* Note a head (body: the head object's plain body, kept for restores) and, later, its seal.  Its
 * packs need not be known.  A head that is known: 0, nothing changes; its seal before it:
 * TZ_NOT_FOUND. */
int tz_catalog_add_generation(struct tz_catalog *catalog, const struct tz_head *head,
                              int64_t head_object, const void *body, size_t len,
                              struct tz_error *err) TZ_MUST_CHECK;
int tz_catalog_add_seal(struct tz_catalog *catalog, const uint8_t id[TZ_HASH_SIZE],
                        int64_t seal_object, struct tz_error *err) TZ_MUST_CHECK;
/* Is it known with a seal, in whatever store?  False also if it is not known at all. */
int tz_catalog_is_sealed(struct tz_catalog *catalog, const uint8_t id[TZ_HASH_SIZE], bool *ret,
                         struct tz_error *err) TZ_MUST_CHECK;
/* The body that was noted; TZ_NOT_FOUND if there is none. */
int tz_catalog_get_head(struct tz_catalog *catalog, const uint8_t id[TZ_HASH_SIZE],
                        struct tz_buf *body, struct tz_error *err) TZ_MUST_CHECK;
/* Newest first (time, then id, both falling); source NULL: of all, ordered by source name.  found()
 * borrows, and may not change the catalog. */
typedef int tz_generation_fn(void *arg, const struct tz_generation *generation,
                             struct tz_error *err);
int tz_catalog_each_generation(struct tz_catalog *catalog, const char *source,
                               tz_generation_fn *found, void *arg,
                               struct tz_error *err) TZ_MUST_CHECK;
/* The same, without what a prune has written anew and not sealed, and without those in whose place
 * it has sealed others: what people call generations. */
int tz_catalog_each_current(struct tz_catalog *catalog, const char *source, tz_generation_fn *found,
                            void *arg, struct tz_error *err) TZ_MUST_CHECK;
/* In a store: are head and seal noted as present there, and every pack that it needs, all known? */
int tz_catalog_generation_complete(struct tz_catalog *catalog, const uint8_t id[TZ_HASH_SIZE],
                                   int64_t store, bool *ret, struct tz_error *err) TZ_MUST_CHECK;
/* Generations that need this pack. */
int tz_catalog_each_user(struct tz_catalog *catalog, int64_t pack, tz_generation_fn *found,
                         void *arg, struct tz_error *err) TZ_MUST_CHECK;
/*
 * The first runs of the generation's data packs, in the order of the packs' numbers and as long as
 * they may be: with which a restore begins that wants everything.  Frames that the generation does
 * not use are among them, so there are none where packs hold much that it does not.
 */
struct tz_catalog_run {
    uint8_t pack[TZ_HASH_SIZE];
    uint64_t offset;
    size_t len;
    uint32_t frames;
};
int tz_catalog_first_runs(struct tz_catalog *catalog, const uint8_t id[TZ_HASH_SIZE],
                          struct tz_catalog_run *ret, size_t most, size_t *ret_count,
                          struct tz_error *err) TZ_MUST_CHECK;
int tz_catalog_set_verified_generation(struct tz_catalog *catalog, const uint8_t id[TZ_HASH_SIZE],
                                       int64_t time_ns, struct tz_error *err) TZ_MUST_CHECK;

/* Runs and checks, for list, status and the operator's memory. */
int tz_catalog_run_begin(struct tz_catalog *catalog, const char *command, int64_t *ret_run,
                         struct tz_error *err) TZ_MUST_CHECK;
int tz_catalog_run_end(struct tz_catalog *catalog, int64_t run, const char *result,
                       struct tz_error *err) TZ_MUST_CHECK;
int tz_catalog_add_check(struct tz_catalog *catalog, int64_t store, const char *level,
                         uint64_t objects, uint64_t bytes, uint64_t bad,
                         struct tz_error *err) TZ_MUST_CHECK;

/* What is noted of a store, in numbers. */
struct tz_catalog_summary {
    uint64_t objects, bytes;               /* present */
    uint64_t damaged;                      /* copies */
    uint64_t behind_objects, behind_bytes; /* not present here, but in another store; without
                                              packs that a prune means to delete */
    uint64_t locked_bytes;                 /* packs of generations that are locked at now_ns */
    uint64_t unverified;                   /* of the objects present, that never were */
    int64_t oldest_verified_ns;            /* of the others; 0: there is none */
    int64_t verified_ns;                   /* of the one that was verified last; 0: none was */
    int64_t check_ns;                      /* the last check of the store; 0: none */
    char check_level[16];
    uint64_t check_bad;
};
int tz_catalog_summarize(struct tz_catalog *catalog, int64_t store, int64_t now_ns,
                         struct tz_catalog_summary *ret, struct tz_error *err) TZ_MUST_CHECK;

/* Small values that must survive: "key" to bytes. */
int tz_catalog_set_value(struct tz_catalog *catalog, const char *key, const void *value, size_t len,
                         struct tz_error *err) TZ_MUST_CHECK;
int tz_catalog_get_value(struct tz_catalog *catalog, const char *key, struct tz_buf *out,
                         bool *ret_found, struct tz_error *err) TZ_MUST_CHECK;

/* Integrity of the database itself and of its references; *ret_ok, and a line for each fault. */
int tz_catalog_check(struct tz_catalog *catalog, bool *ret_ok, struct tz_buf *report,
                     struct tz_error *err) TZ_MUST_CHECK;
/* A consistent copy of the database (file must not exist; 0600).  Not inside of a transaction. */
int tz_catalog_export(struct tz_catalog *catalog, const char *file,
                      struct tz_error *err) TZ_MUST_CHECK;

#endif
