/*
 * What a prune asks of the catalog: which packs no head needs, which tombstones and index objects
 * name what.
 *
 * A *listing* is a temporary table of the packs that the stores in use list, made anew by each
 * prune.  Names of packs come in their order, at most max at once, so that no list of all of them
 * is ever in memory.
 */
#ifndef TOZAI_CORE_CATALOG_PRUNE_H
#define TOZAI_CORE_CATALOG_PRUNE_H

#include "tozai/core/catalog.h"

/* What objects say; the caller has read them. */
int tz_catalog_note_index(struct tz_catalog *catalog, int64_t index,
                          const uint8_t pack[TZ_HASH_SIZE], struct tz_error *err) TZ_MUST_CHECK;
/* Condemns it, too. */
int tz_catalog_note_tombstone(struct tz_catalog *catalog, int64_t tombstone,
                              const uint8_t hash[TZ_HASH_SIZE], struct tz_error *err) TZ_MUST_CHECK;
/* Of a head: was it forgotten?  Of a pack: may it go? */
int tz_catalog_is_condemned(struct tz_catalog *catalog, const uint8_t hash[TZ_HASH_SIZE], bool *ret,
                            struct tz_error *err) TZ_MUST_CHECK;
/* Does an index object that this store has name the pack? */
int tz_catalog_is_described(struct tz_catalog *catalog, const uint8_t pack[TZ_HASH_SIZE],
                            int64_t store, bool *ret, struct tz_error *err) TZ_MUST_CHECK;
/* Does the store have every pack that the index object names, but for condemned ones? */
int tz_catalog_index_whole(struct tz_catalog *catalog, int64_t index, int64_t store, bool *ret,
                           struct tz_error *err) TZ_MUST_CHECK;
/* Up to max packs noted as present in this store whose index objects have all gone from it; names
 * behind after. */
struct tz_catalog_doubt {
    int64_t pack;
    char name[TZ_NAME_TEXT];
};
int tz_catalog_doubtful_packs(struct tz_catalog *catalog, int64_t store, const char *after,
                              struct tz_catalog_doubt *ret, size_t max, size_t *ret_count,
                              struct tz_error *err) TZ_MUST_CHECK;

/* Numbers of head and seal objects of generations that were forgotten and stand in no store any
 * more; free() */
int tz_catalog_forgotten(struct tz_catalog *catalog, int64_t **ret, size_t *ret_count,
                         struct tz_error *err) TZ_MUST_CHECK;
/* Numbers of index objects and tombstones that stand in no store any more; free() */
int tz_catalog_gone_objects(struct tz_catalog *catalog, int64_t **ret, size_t *ret_count,
                            struct tz_error *err) TZ_MUST_CHECK;
/* The name of an object with a copy in some store that is a head and no known generation, that is,
 * one that could not be read; *ret_found false if there is none. */
int tz_catalog_unread_head(struct tz_catalog *catalog, char name[TZ_NAME_TEXT], bool *ret_found,
                           struct tz_error *err) TZ_MUST_CHECK;
/* Do the lists of packs of all generations have the lengths that were noted with them? */
int tz_catalog_check_needs(struct tz_catalog *catalog, struct tz_error *err) TZ_MUST_CHECK;

/* The listing. */
int tz_catalog_listing_begin(struct tz_catalog *catalog, struct tz_error *err) TZ_MUST_CHECK;
int tz_catalog_listing_add(struct tz_catalog *catalog, unsigned store, const char *name,
                           const uint8_t hash[TZ_HASH_SIZE], uint64_t size, int64_t changed_ns,
                           struct tz_error *err) TZ_MUST_CHECK;
/* It has gone from every store. */
int tz_catalog_listing_remove(struct tz_catalog *catalog, const char *name,
                              struct tz_error *err) TZ_MUST_CHECK;
/* A generation goes: what only such ones need is unneeded, whatever its age. */
int tz_catalog_listing_drop(struct tz_catalog *catalog, const uint8_t id[TZ_HASH_SIZE],
                            struct tz_error *err) TZ_MUST_CHECK;

struct tz_catalog_listed {
    char name[TZ_NAME_TEXT];
    uint8_t hash[TZ_HASH_SIZE];
    uint64_t size;   /* the sum of the copies' */
    uint32_t stores; /* that list it */
};
/* Packs behind after that no tombstone names and no head needs but those that go, if one of these
 * needs them or no store got them behind old_ns. */
int tz_catalog_unneeded(struct tz_catalog *catalog, const char *after, int64_t old_ns,
                        struct tz_catalog_listed *ret, size_t max, size_t *ret_count,
                        struct tz_error *err) TZ_MUST_CHECK;
/* Packs behind after that this tombstone names and no head needs. */
int tz_catalog_condemned_of(struct tz_catalog *catalog, int64_t tombstone, const char *after,
                            struct tz_catalog_listed *ret, size_t max, size_t *ret_count,
                            struct tz_error *err) TZ_MUST_CHECK;
/* How many packs of the listing some tombstone names and no head needs. */
int tz_catalog_count_waiting(struct tz_catalog *catalog, uint64_t *ret,
                             struct tz_error *err) TZ_MUST_CHECK;

/* Tombstones that stand in some store; free() */
struct tz_catalog_tombstone {
    int64_t object;
    char name[TZ_NAME_TEXT];
    int64_t seen_ns; /* when a prune saw it first, 0: not yet */
    int64_t gone_ns; /* when a prune found that all that it names has gone, 0: it has not */
};
int tz_catalog_tombstones(struct tz_catalog *catalog, struct tz_catalog_tombstone **ret,
                          size_t *ret_count, struct tz_error *err) TZ_MUST_CHECK;
int tz_catalog_set_tombstone(struct tz_catalog *catalog, int64_t object, int64_t seen_ns,
                             int64_t gone_ns, struct tz_error *err) TZ_MUST_CHECK;
/* Does the listing, or an index object in some store, have anything that it names? */
int tz_catalog_tombstone_in_use(struct tz_catalog *catalog, int64_t object, bool *ret,
                                struct tz_error *err) TZ_MUST_CHECK;
/*
 * Two moments of a store's clock: newest, that of its youngest object when the tombstone's packs
 * were found gone; after, that of an object that came later, 0 as long as there is none.
 */
int tz_catalog_get_marks(struct tz_catalog *catalog, int64_t tombstone, int64_t store,
                         int64_t *ret_newest_ns, int64_t *ret_after_ns,
                         struct tz_error *err) TZ_MUST_CHECK;
int tz_catalog_set_marks(struct tz_catalog *catalog, int64_t tombstone, int64_t store,
                         int64_t newest_ns, int64_t after_ns, struct tz_error *err) TZ_MUST_CHECK;

/* Index objects in some store. */
struct tz_catalog_index {
    int64_t object;
    char name[TZ_NAME_TEXT];
    uint64_t size;
    uint64_t packs, dead; /* how many it names; of these, how many are dead */
};
/* Of those behind after that have been read, in the order of names. */
int tz_catalog_indexes(struct tz_catalog *catalog, const char *after, struct tz_catalog_index *ret,
                       size_t max, size_t *ret_count, struct tz_error *err) TZ_MUST_CHECK;
/* Condemned, not listed, and needed by no generation: one that was written after the listing, and
 * condemned all the same, is not dead. */
int tz_catalog_is_dead(struct tz_catalog *catalog, const uint8_t hash[TZ_HASH_SIZE], bool *ret,
                       struct tz_error *err) TZ_MUST_CHECK;

/*
 * Writing packs anew.  movable: the generations that can get another head.  victims: packs that are
 * to go although they are needed.  moves: the chunks in them that are needed.
 */
int tz_catalog_live_begin(struct tz_catalog *catalog, struct tz_error *err) TZ_MUST_CHECK;
int tz_catalog_set_movable(struct tz_catalog *catalog, const uint8_t id[TZ_HASH_SIZE], bool movable,
                           struct tz_error *err) TZ_MUST_CHECK;
int tz_catalog_is_movable(struct tz_catalog *catalog, const uint8_t id[TZ_HASH_SIZE], bool *ret,
                          struct tz_error *err) TZ_MUST_CHECK;
struct tz_catalog_live {
    int64_t pack;
    uint8_t hash[TZ_HASH_SIZE];
    uint64_t live, plain; /* bytes before compression: that are needed (here 0), and all */
    enum tz_pack_kind kind;
    bool condemned;
    bool victim; /* the caller's; here false */
};
/* Packs of the listing that movable generations need, and no others, in the order of their numbers;
 * free() */
int tz_catalog_live_packs(struct tz_catalog *catalog, struct tz_catalog_live **ret,
                          size_t *ret_count, struct tz_error *err) TZ_MUST_CHECK;
/* Every chunk of every pack, in the order of ids, then of packs.  found() may add moves. */
struct tz_catalog_chunk {
    const uint8_t *id;
    int64_t pack;
    uint32_t frame, offset, len;
};
typedef int tz_catalog_chunk_fn(void *arg, const struct tz_catalog_chunk *chunk,
                                struct tz_error *err);
int tz_catalog_each_chunk(struct tz_catalog *catalog, tz_catalog_chunk_fn *found, void *arg,
                          struct tz_error *err) TZ_MUST_CHECK;
int tz_catalog_victim_add(struct tz_catalog *catalog, int64_t pack,
                          struct tz_error *err) TZ_MUST_CHECK;
/* As if no generation needed them any more: for a dry run. */
int tz_catalog_victims_leave(struct tz_catalog *catalog, struct tz_error *err) TZ_MUST_CHECK;
int tz_catalog_move_add(struct tz_catalog *catalog, const struct tz_catalog_chunk *chunk,
                        struct tz_error *err) TZ_MUST_CHECK;
/* Moves behind this one (0 at the beginning), in the order of their places. */
struct tz_catalog_move {
    uint8_t id[TZ_ID_SIZE];
    int64_t pack;
    uint32_t frame, offset;
};
int tz_catalog_moves(struct tz_catalog *catalog, const struct tz_catalog_move *after,
                     struct tz_catalog_move *ret, size_t max, size_t *ret_count,
                     struct tz_error *err) TZ_MUST_CHECK;
int tz_catalog_needs_victim(struct tz_catalog *catalog, const uint8_t id[TZ_HASH_SIZE], bool *ret,
                            struct tz_error *err) TZ_MUST_CHECK;
/* The packs that a generation needs when its victims have gone: those added, and its others. */
int tz_catalog_needs_begin(struct tz_catalog *catalog, struct tz_error *err) TZ_MUST_CHECK;
int tz_catalog_needs_add(struct tz_catalog *catalog, int64_t pack,
                         struct tz_error *err) TZ_MUST_CHECK;
/* Appends the hashes, in ascending order. */
int tz_catalog_needs_hashes(struct tz_catalog *catalog, const uint8_t id[TZ_HASH_SIZE],
                            struct tz_buf *ret, struct tz_error *err) TZ_MUST_CHECK;

#endif
