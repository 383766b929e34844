/*
 * The mirror: several stores that hold the same objects.
 *
 * Writing.  tz_mirror_put() gives an object to the queue of every usable store; the store's writer
 * threads take them out in order and retry what may pass (exponential, jittered).  A local store
 * has one writer, any other several, since there each put waits for the network.  Those of objects
 * whose names begin with `unordered` may overtake each other; any other object is written when all
 * that were put before it are durable, and before any that was put behind it.  A store that fails
 * for good is *out*: what was queued for it and all later puts are reported as not stored there,
 * and the others go on.  A slow store does not stop a fast one until queue_bytes wait for it in
 * memory and its spool, if it has one (tz_mirror_spool()), is full.  Before a put writes to a spool
 * it waits for memory to become free, as long as such waits have not taken more than patience_ms
 * and a quarter of the time since the first put.  The results of all puts are collected and handed
 * out by tz_mirror_results() on the caller's thread.
 *
 * Reading.  The stores are tried in the order of preference (those that are not out and local
 * first, as configured; the others by the time in which they are likely to give it, by how fast
 * they were so far and by what they are asked for already, so that reads at once spread over
 * several). The next one is taken on an error, when nothing has come for a few seconds, or when the
 * bytes are not accepted; a store that a read could not reach comes behind the others for a while,
 * up to a minute.  When none gives the object, those that could not be reached are asked again, as
 * writes are.
 *
 * Threads: puts, flush and results belong to one thread at a time; reads and tz_mirror_store() may
 * be used by any thread at any time.
 */
#ifndef TOZAI_STORAGE_MIRROR_H
#define TOZAI_STORAGE_MIRROR_H

#include "tozai/storage/blob.h"
#include "tozai/storage/store.h"

#define TZ_MIRROR_MAX_STORES 16

struct tz_mirror_options {
    /* That may wait for one store, with what is being written; 0: 64 MiB.  One object always fits.
     */
    uint64_t queue_bytes;
    uint64_t remote_queue_bytes; /* the same for a store that is not local; 0: queue_bytes */
    /* Of all queues together, what several stores wait for counted once; 0: no limit.  An empty
     * queue takes an object all the same.  A store with less than its part of it in its queue waits
     * until that gets shorter; it does not spool because of what others have not taken. */
    uint64_t total_queue_bytes;
    const char *unordered; /* prefix of names whose order does not matter; NULL: none */
    unsigned writers;      /* of a store that is not local; 0: 1 */
    unsigned attempts;     /* tries of one operation; 0: 5 */
    unsigned backoff_ms;   /* first pause between tries; 0: 200 */
    unsigned patience_ms;  /* before what has no room is spooled; 0: none at all */
    bool none_will_do;     /* all stores may be out, but for a wrong setting (TZ_INVALID) */
};

struct tz_mirror;

/*
 * Open every store.  One that cannot be opened is out from the start (see tz_mirror_error());
 * it is an error only if none can (but see none_will_do).
 */
int tz_mirror_open(struct tz_mirror **ret, const struct tz_store_options *stores, size_t count,
                   const struct tz_mirror_options *options, struct tz_error *err) TZ_MUST_CHECK;
/*
 * The same over stores that the caller opened (NULL for one that is out); they become the mirror's
 * and are freed on failure, too.
 */
int tz_mirror_new(struct tz_mirror **ret, struct tz_store **stores, size_t count,
                  const struct tz_mirror_options *options, struct tz_error *err) TZ_MUST_CHECK;
/* Drops what is still queued; flush before. */
void tz_mirror_free(struct tz_mirror *mirror);
TZ_DEFINE_SCOPED(struct tz_mirror *, tz_scoped_mirror, tz_mirror_free)

size_t tz_mirror_count(const struct tz_mirror *mirror);
/* Store i, or NULL if it could not be opened. */
struct tz_store *tz_mirror_store(struct tz_mirror *mirror, size_t i);
const char *tz_mirror_name(const struct tz_mirror *mirror, size_t i);
/* Not out. */
bool tz_mirror_usable(struct tz_mirror *mirror, size_t i);
/* Does every read wait for a network, since no usable store is on this machine? */
bool tz_mirror_is_far(struct tz_mirror *mirror);
/* Why store i is out; false if it is not. */
bool tz_mirror_error(struct tz_mirror *mirror, size_t i, struct tz_error *ret);
/* Take store i out for the rest of the run, for this reason. */
void tz_mirror_exclude(struct tz_mirror *mirror, size_t i, const struct tz_error *why);

/*
 * Let objects wait in files of this folder (made 0700; the files 0600) when store i has no room
 * for them in memory, up to so many bytes.  What an earlier run left there is removed, so the
 * caller has the folder for itself.  Before the first put.  0 bytes: only remove.  A disk that has
 * no room for them is no error: then puts wait, as without it.
 */
int tz_mirror_spool(struct tz_mirror *mirror, size_t i, const char *folder, uint64_t max_bytes,
                    struct tz_error *err) TZ_MUST_CHECK;

/* Every store that is usable. */
#define TZ_MIRROR_ALL UINT32_MAX

/*
 * Queue an object for the stores of the mask (bit i: store i); holds the blob.  An object that a
 * store has already under this name counts as stored if its size is right.  tag comes back
 * with the results, one for each store of the mask.  Fails, without results, with TZ_UNAVAILABLE
 * when no store of the mask is usable, and with TZ_INTERRUPTED when that comes while it waits for
 * room.
 */
int tz_mirror_put(struct tz_mirror *mirror, const char *name, struct tz_blob *blob, uint32_t mask,
                  uint64_t tag, struct tz_error *err) TZ_MUST_CHECK;
/* Wait until every queued put is durable or has failed; fails only if no store is left. */
int tz_mirror_flush(struct tz_mirror *mirror, struct tz_error *err) TZ_MUST_CHECK;

struct tz_mirror_result {
    uint64_t tag;
    size_t store;
    bool stored; /* false: the store was, or went, out */
};
/* Hand out up to max results that came since the last call; returns how many. */
size_t tz_mirror_results(struct tz_mirror *mirror, struct tz_mirror_result *results, size_t max);

/*
 * Does this object do?  Return 0, or -1 with err set (TZ_CORRUPT) to try another store.  data may
 * be changed in place (decryption): a refused copy is thrown away.
 */
typedef int tz_mirror_accept_fn(void *arg, uint8_t *data, size_t len, struct tz_error *err);

struct tz_mirror_request {
    const char *name;
    uint64_t offset;
    size_t len;
    tz_mirror_accept_fn *accept; /* NULL: any that has all len bytes will do */
    /* As in struct tz_store_terms; the time in which there is no room is not the store's.  What a
     * store that asks for none gives goes into what stands in out. */
    bool (*room)(void *arg, struct tz_buf *out, size_t len);
    /* Asked a few times each second, on any thread: does nobody want it any more?  Then the read
     * fails with TZ_INTERRUPTED.  NULL: somebody does. */
    bool (*unwanted)(void *arg);
    bool once; /* every store is tried once, with no more patience than if there was another one */
    void *arg;
};
/*
 * Read a part of an object from the first store that gives acceptable bytes.  *ret_store (may be
 * NULL) says which; *ret_failed (may be NULL) gets a bit for each store that was tried in vain for
 * a reason other than being out.  When all fail, the error names each store's reason; TZ_CORRUPT if
 * one gave wrong bytes, TZ_NOT_FOUND if every store says that it has none (one that could not be
 * opened or reached may have it).
 */
int tz_mirror_read(struct tz_mirror *mirror, const struct tz_mirror_request *request,
                   struct tz_buf *out, size_t *ret_store, uint32_t *ret_failed,
                   struct tz_error *err) TZ_MUST_CHECK;
/* The same without a room. */
int tz_mirror_get(struct tz_mirror *mirror, const char *name, uint64_t offset, size_t len,
                  tz_mirror_accept_fn *accept, void *arg, struct tz_buf *out, size_t *ret_store,
                  uint32_t *ret_failed, struct tz_error *err) TZ_MUST_CHECK;
/* Read a whole object of at most max bytes whose SHA-256 is hash. */
int tz_mirror_get_hashed(struct tz_mirror *mirror, const char *name,
                         const uint8_t hash[TZ_HASH_SIZE], size_t max, struct tz_buf *out,
                         size_t *ret_store, struct tz_error *err) TZ_MUST_CHECK;

#endif
