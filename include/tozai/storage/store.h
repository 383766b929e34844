/*
 * A store keeps named, immutable objects: a local directory ("file:///path"), memory ("mem:name"),
 * a bucket ("s3://bucket/prefix").
 *
 * Names are relative paths of [0-9A-Za-z._-] components joined by '/', at most 200 bytes, without
 * empty, "." or ".." components, and the first is not "tmp", which drivers have for themselves;
 * anything else is refused with TZ_INVALID.
 *
 * A put is all or nothing: once it returns 0 the whole object is durable under its name; if it
 * fails, no reader ever sees a part of it and nothing is left behind (a crash may leave a
 * temporary file that lists never show and that the next open removes once it is old).
 *
 * Threads: a store handle may be used by several threads at once.
 */
#ifndef TOZAI_STORAGE_STORE_H
#define TOZAI_STORAGE_STORE_H

#include "tozai/storage/digest.h"
#include "tozai/storage/limit.h"
#include "tozai/util/buf.h"

#include <stdbool.h>

/* What a store can do beyond the required functions. */
#define TZ_STORE_RANGES 1U  /* get reads a part without transferring the rest */
#define TZ_STORE_ATOMIC 2U  /* a put of a name that is taken is refused atomically */
#define TZ_STORE_LOCAL  4U  /* on this machine: reads cost no network */
#define TZ_STORE_BATCH  8U  /* remove_many takes few requests */
#define TZ_STORE_STEADY 16U /* what may pass is tried again by the store itself */
#define TZ_STORE_LOCKS  32U /* objects can be locked: the functions at the end of this file work */

#define TZ_STORE_NAME_MAX   200
#define TZ_STORE_REGION_MAX 64 /* with the NUL */

/* What only buckets have. */
enum tz_store_path { TZ_STORE_PATH_DEFAULT = 0, TZ_STORE_PATH_YES, TZ_STORE_PATH_NO };
struct tz_store_s3_options {
    const char *endpoint;         /* "https://s3.example.com"; NULL: AWS's own of the region */
    const char *region;           /* NULL: what the bucket says, "us-east-1" until it does */
    const char *credentials_file; /* NULL: environment, then the machine's own */
    const char *profile;          /* NULL: "default" */
    enum tz_store_path path_style;
    const char *ca_file;       /* NULL: the system's */
    const char *storage_class; /* NULL: the bucket's default */
    const char *sse;           /* "AES256", "aws:kms"; NULL: the bucket's default */
    const char *sse_kms_key;   /* NULL: the account's own */
    unsigned connections;      /* 0: 32 */
    bool lock_bucket;          /* a bucket that is made gets object lock */
};

/* Who may remove a locked object before its time: some who have that right, or nobody. */
enum tz_lock_mode { TZ_LOCK_NONE = 0, TZ_LOCK_GOVERNANCE, TZ_LOCK_COMPLIANCE };

struct tz_store_options {
    const char *name; /* from the configuration: "east" */
    const char *url;
    const char *location; /* "tokyo"; may be NULL */
    bool read_only;       /* refuse every change before it is tried */
    bool create;          /* make the top directory where it is missing (init) */
    unsigned timeout_s;   /* 0: the driver's default */
    /* For all that is put or got at once.  A store in memory does not heed them. */
    struct tz_store_limit upload[TZ_STORE_LIMITS], download[TZ_STORE_LIMITS];
    const char *zone;       /* by whose clock: a name in tzdata; NULL: the system's */
    enum tz_lock_mode lock; /* what tz_store_lock_mode() says */
    const char *unlocked; /* prefix of names that are never locked: they must go soon; NULL: none */
    const struct tz_store_s3_options *s3; /* NULL: defaults */
};

struct tz_store_stat {
    bool exists;
    uint64_t size;
    int64_t changed_ns; /* when the store received it, by the store's own clock */
};

struct tz_store;

/*
 * Open the store.  A place that does not exist or cannot be reached fails with TZ_UNAVAILABLE
 * (unless create), one that may not be entered with TZ_DENIED, an unknown scheme with
 * TZ_INVALID.  options are copied.  Free it with tz_store_free().
 */
int tz_store_open(struct tz_store **ret, const struct tz_store_options *options,
                  struct tz_error *err) TZ_MUST_CHECK;
/* NULL is allowed. */
void tz_store_free(struct tz_store *store);
TZ_DEFINE_SCOPED(struct tz_store *, tz_scoped_store, tz_store_free)

const char *tz_store_name(const struct tz_store *store);
const char *tz_store_url(const struct tz_store *store);
const char *tz_store_location(const struct tz_store *store); /* "" if it has none */
/* Without those that a probe must prove, until tz_store_trust(). */
unsigned tz_store_features(const struct tz_store *store);
/* A probe (probe.h) has proven these of the store; other bits than its driver's are ignored.  To be
 * called before other threads use the store. */
void tz_store_trust(struct tz_store *store, unsigned features);

/*
 * Store len bytes under name, durably.  A name that is taken: TZ_EXISTS, and the old object stays.
 * data may be a tz_blob's: aligned, with room up to the alignment behind it (see blob.h), which
 * lets a driver write it without a copy; it need not be.
 */
int tz_store_put(struct tz_store *store, const char *name, const void *data, size_t len,
                 struct tz_error *err) TZ_MUST_CHECK;
/* The same, but takes the place of an object of that name, atomically.  For healing only. */
int tz_store_replace(struct tz_store *store, const char *name, const void *data, size_t len,
                     struct tz_error *err) TZ_MUST_CHECK;
/*
 * Append to out the bytes [offset, offset + len) of the object, fewer if it ends before.  No such
 * object: TZ_NOT_FOUND.  What stands in out is unchanged on failure.
 */
int tz_store_get(struct tz_store *store, const char *name, uint64_t offset, size_t len,
                 struct tz_buf *out, struct tz_error *err) TZ_MUST_CHECK;
/* How a read is to go.  The functions are called on any thread and must not wait for the store. */
struct tz_store_terms {
    bool once;        /* tried once: there is another place to read from */
    unsigned still_s; /* given up when nothing comes for so long; 0: the store's own time */
    /* Has it taken too long for the bytes that came so far?  Asked a few times each second; NULL:
     * never. */
    bool (*too_slow)(void *arg, uint64_t came, int64_t took_ns);
    /*
     * Give out room for len bytes; asked when the first of them are there, and again every few
     * milliseconds as long as it says false: until then they wait in the network.  So more requests
     * may be on their way than there is memory for their answers.  NULL: the store makes room.
     */
    bool (*room)(void *arg, struct tz_buf *out, size_t len);
    void *arg;
};
/* The same on these terms (borrowed; NULL: none); TZ_UNAVAILABLE when it is given up.  No read from
 * a disk can be broken off, and none asks for room. */
int tz_store_get_with(struct tz_store *store, const char *name, uint64_t offset, size_t len,
                      const struct tz_store_terms *terms, struct tz_buf *out,
                      struct tz_error *err) TZ_MUST_CHECK;
/* Not existing is an answer, not an error. */
int tz_store_stat(struct tz_store *store, const char *name, struct tz_store_stat *ret,
                  struct tz_error *err) TZ_MUST_CHECK;
/*
 * Call found() for every object whose name begins with prefix ("packs/", "", "generations/ab12/"),
 * in ascending byte order of names.  found() returns 0 to go on, or -1 with err set to stop,
 * which the list then returns.  found() may call get and stat, not change the store.  A listing
 * that cannot be completed is an error, never a short list.
 */
typedef int tz_store_found_fn(void *arg, const char *name, const struct tz_store_stat *stat,
                              struct tz_error *err);
int tz_store_list(struct tz_store *store, const char *prefix, tz_store_found_fn *found, void *arg,
                  struct tz_error *err) TZ_MUST_CHECK;
/* The same on these terms, which hold for each of its requests; there is no room to ask for. */
int tz_store_list_with(struct tz_store *store, const char *prefix,
                       const struct tz_store_terms *terms, tz_store_found_fn *found, void *arg,
                       struct tz_error *err) TZ_MUST_CHECK;
/* Delete an object.  It is no error if there is none. */
int tz_store_remove(struct tz_store *store, const char *name, struct tz_error *err) TZ_MUST_CHECK;
/*
 * Delete many.  One that cannot be deleted does not stop the others, unless the store is out of
 * reach; the error is that of the first.  removed (may be NULL; count entries) tells which are not
 * there any more, on failure as well.
 */
int tz_store_remove_many(struct tz_store *store, const char *const *names, size_t count,
                         bool *removed, struct tz_error *err) TZ_MUST_CHECK;

/*
 * What puts that never ended have left behind: temporary files, uploads in parts that nobody
 * completed or aborted.  No list shows them, but they take room, and in a bucket they are paid for.
 */
struct tz_store_leftover {
    const char *name; /* of the object that was to be; NULL: nobody knows */
    const char *id;
    int64_t age_ns; /* since it was begun, by the store's clock */
    uint64_t bytes; /* that it takes; 0: not known without asking for each */
};
typedef int tz_store_leftover_fn(void *arg, const struct tz_store_leftover *leftover,
                                 struct tz_error *err);
/*
 * Call found() for each, in no order; a put that is running is one, too.  found() changes nothing
 * in the store.  TZ_UNSUPPORTED if the store cannot tell, TZ_DENIED if it may not.
 */
int tz_store_leftovers(struct tz_store *store, tz_store_leftover_fn *found, void *arg,
                       struct tz_error *err) TZ_MUST_CHECK;
/*
 * Remove it, unless something has come for it within still_ns, by the store's clock: then it may be
 * running.  *ret_bytes: what that gave back, 0 if it stays or was gone.  *ret_removed false: it
 * stays.
 */
int tz_store_remove_leftover(struct tz_store *store, const struct tz_store_leftover *leftover,
                             int64_t still_ns, bool *ret_removed, uint64_t *ret_bytes,
                             struct tz_error *err) TZ_MUST_CHECK;

/* What the store says of itself where it lies: "" for one that has no regions.  TZ_DENIED if the
 * credentials may not ask. */
int tz_store_region(struct tz_store *store, char ret[TZ_STORE_REGION_MAX],
                    struct tz_error *err) TZ_MUST_CHECK;

/*
 * Locks.  A locked object can neither be removed nor lose its bytes before the lock's end; a legal
 * hold has no end and is set and released apart.  Where a store keeps versions "removed" means for
 * good: tz_store_remove() and tz_store_replace() only hide what is locked, and others could do the
 * same, but the locked version is still there (tz_store_versions()).  A store without versions
 * refuses both (TZ_DENIED).
 *
 * A server may accept a lock and not keep it, so each lock is read back; TZ_UNSUPPORTED if it is
 * not there or too short.  All of these fail with TZ_UNSUPPORTED where there is no TZ_STORE_LOCKS.
 */
struct tz_store_lock {
    enum tz_lock_mode mode;
    int64_t until_ns; /* 0 without a mode */
    bool held;        /* legal hold */
};
/* "none", "governance", "compliance" */
const char *tz_lock_mode_name(enum tz_lock_mode mode);
/* How objects of this store are to be locked, as the options said; nothing is until set_lock. */
enum tz_lock_mode tz_store_lock_mode(const struct tz_store *store);
/*
 * From now on what is put is locked from the start, until this time (rounded up to seconds);
 * TZ_LOCK_NONE ends that.  A put whose lock did not come about fails, but the object may be there.
 */
int tz_store_set_lock(struct tz_store *store, enum tz_lock_mode mode, int64_t until_ns,
                      struct tz_error *err) TZ_MUST_CHECK;
/* What set_lock said. */
struct tz_store_lock tz_store_put_lock(struct tz_store *store);
/* The object's lock, whose end may have passed.  No such object: TZ_NOT_FOUND. */
int tz_store_read_lock(struct tz_store *store, const char *name, struct tz_store_lock *ret,
                       struct tz_error *err) TZ_MUST_CHECK;
/* See to it that the object is locked at least so long.  A lock is never made shorter or weaker. */
int tz_store_extend_lock(struct tz_store *store, const char *name, const struct tz_store_lock *lock,
                         struct tz_error *err) TZ_MUST_CHECK;
/* The same with what set_lock said; nothing if puts are not locked. */
int tz_store_need_lock(struct tz_store *store, const char *name,
                       struct tz_error *err) TZ_MUST_CHECK;
/* Set a legal hold, or release it. */
int tz_store_hold(struct tz_store *store, const char *name, bool held,
                  struct tz_error *err) TZ_MUST_CHECK;
/* Delete an object with all its versions.  What is locked is TZ_DENIED; none there is no error. */
int tz_store_purge(struct tz_store *store, const char *name, struct tz_error *err) TZ_MUST_CHECK;

struct tz_store_version {
    const char *name;
    const char *id;
    bool latest;  /* what tz_store_get() reads */
    bool removed; /* no bytes: the mark that hides the versions before it */
    uint64_t size;
    int64_t changed_ns;
};
typedef int tz_store_version_fn(void *arg, const struct tz_store_version *version,
                                struct tz_error *err);
/* Call found() for every version of every object whose name begins so: in the order of names, the
 * newest first.  As tz_store_list() otherwise. */
int tz_store_versions(struct tz_store *store, const char *prefix, tz_store_version_fn *found,
                      void *arg, struct tz_error *err) TZ_MUST_CHECK;
int tz_store_get_version(struct tz_store *store, const char *name, const char *id, size_t max,
                         struct tz_buf *out, struct tz_error *err) TZ_MUST_CHECK;
int tz_store_read_version_lock(struct tz_store *store, const char *name, const char *id,
                               struct tz_store_lock *ret, struct tz_error *err) TZ_MUST_CHECK;

/*
 * Does the store really refuse to delete what is locked in this mode?  A small object is locked
 * for a minute and deleted, and must still be there.  TZ_UNSUPPORTED if it is not, or if its lock
 * cannot be read back.  *ret_proven false: these credentials may delete nothing at all, so that a
 * refusal says nothing.  The object's name is one that lists do not show; it goes as soon as the
 * store lets it go, at the latest with the next proof.
 */
int tz_store_prove_lock(struct tz_store *store, enum tz_lock_mode mode, bool *ret_proven,
                        struct tz_error *err) TZ_MUST_CHECK;

/* The directory that a "file:" URL names, to be freed; *ret NULL for other URLs. */
int tz_store_local_path(char **ret, const char *url, struct tz_error *err) TZ_MUST_CHECK;

/* Is this a name that a store accepts? */
bool tz_store_name_valid(const char *name);

#endif
