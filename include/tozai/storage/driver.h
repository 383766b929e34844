/*
 * What a store driver gives.  Every function is required; what a driver cannot do is a feature
 * bit that it does not set.  Names were checked by the caller (store.c).  The contracts are those
 * of store.h; a driver is done when tests/support/store_contract.c passes on it.
 *
 * Errors name the object and the place.  A failure that may pass when tried again (a server that
 * is busy, a connection lost) has the kind TZ_UNAVAILABLE; all other kinds are final.
 */
#ifndef TOZAI_STORAGE_DRIVER_H
#define TOZAI_STORAGE_DRIVER_H

#include "tozai/storage/probe.h"

/*
 * What a driver gives beside that if it sets TZ_STORE_LOCKS.  Times are whole seconds.  Names that
 * begin with "tmp/" come here, too.  Whether a lock was kept is for the caller to find out.
 */
struct tz_store_lock_driver {
    int (*put)(void *state, const char *name, const void *data, size_t len, bool replace,
               const struct tz_store_lock *lock, struct tz_error *err);
    /* id NULL: the newest version. */
    int (*read)(void *state, const char *name, const char *id, struct tz_store_lock *ret,
                struct tz_error *err);
    /* Set mode and end of the newest version.  To make a lock shorter is TZ_DENIED. */
    int (*extend)(void *state, const char *name, const struct tz_store_lock *lock,
                  struct tz_error *err);
    int (*hold)(void *state, const char *name, bool held, struct tz_error *err);
    int (*purge)(void *state, const char *name, struct tz_error *err);
    int (*versions)(void *state, const char *prefix, tz_store_version_fn *found, void *arg,
                    struct tz_error *err);
    int (*get_version)(void *state, const char *name, const char *id, size_t max,
                       struct tz_buf *out, struct tz_error *err);
};

struct tz_store_driver {
    const char *scheme; /* "file" */
    unsigned features;
    unsigned provable; /* features that a store has only when a probe has proven them */
    /* *ret is the driver's own state, given to every other function. */
    int (*open)(void **ret, const struct tz_store_options *options, struct tz_error *err);
    void (*free)(void *state);
    /* replace: take the place of an object of that name instead of failing with TZ_EXISTS. */
    int (*put)(void *state, const char *name, const void *data, size_t len, bool replace,
               struct tz_error *err);
    int (*get)(void *state, const char *name, uint64_t offset, size_t len,
               const struct tz_store_terms *terms, struct tz_buf *out, struct tz_error *err);
    int (*stat)(void *state, const char *name, struct tz_store_stat *ret, struct tz_error *err);
    int (*list)(void *state, const char *prefix, const struct tz_store_terms *terms,
                tz_store_found_fn *found, void *arg, struct tz_error *err);
    int (*remove)(void *state, const char *name, struct tz_error *err);
    /* removed is never NULL, and all false. */
    int (*remove_many)(void *state, const char *const *names, size_t count, bool *removed,
                       struct tz_error *err);
    int (*leftovers)(void *state, tz_store_leftover_fn *found, void *arg, struct tz_error *err);
    /* *ret_bytes is 0. */
    int (*remove_leftover)(void *state, const struct tz_store_leftover *leftover, int64_t still_ns,
                           bool *ret_removed, uint64_t *ret_bytes, struct tz_error *err);
    int (*region)(void *state, char ret[TZ_STORE_REGION_MAX], struct tz_error *err);
    /* A local store says what it is; ret is all unknown, its time set. */
    int (*probe)(void *state, const struct tz_probe_options *options, struct tz_probe *ret,
                 struct tz_error *err);
    /* Of what is provable. */
    void (*trust)(void *state, unsigned features);
    const struct tz_store_lock_driver *locks; /* not looked at without TZ_STORE_LOCKS */
};

/* For drivers that remove one by one, are no server, and have nothing to be proven. */
int tz_store_remove_each(int (*remove)(void *state, const char *name, struct tz_error *err),
                         void *state, const char *const *names, size_t count, bool *removed,
                         struct tz_error *err) TZ_MUST_CHECK;
/* For one whose puts leave nothing. */
int tz_store_no_leftovers(void *state, tz_store_leftover_fn *found, void *arg,
                          struct tz_error *err);
int tz_store_remove_no_leftover(void *state, const struct tz_store_leftover *leftover,
                                int64_t still_ns, bool *ret_removed, uint64_t *ret_bytes,
                                struct tz_error *err);
int tz_store_no_region(void *state, char ret[TZ_STORE_REGION_MAX], struct tz_error *err);
int tz_store_sure(void *state, const struct tz_probe_options *options, struct tz_probe *ret,
                  struct tz_error *err);
void tz_store_no_trust(void *state, unsigned features);

extern const struct tz_store_driver tz_store_driver_file;
extern const struct tz_store_driver tz_store_driver_mem;
extern const struct tz_store_driver tz_store_driver_s3;

/*
 * Make a store of a driver directly, as tests do with wrappers.  state becomes the store's; it is
 * freed on failure, too.
 */
int tz_store_new(struct tz_store **ret, const struct tz_store_driver *driver, void *state,
                 const struct tz_store_options *options, struct tz_error *err) TZ_MUST_CHECK;

#endif
