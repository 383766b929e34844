/*
 * Inside of a store's handle: store.c and store_lock.c.
 */
#ifndef TOZAI_STORAGE_STORE_PRIVATE_H
#define TOZAI_STORAGE_STORE_PRIVATE_H

#include "tozai/storage/driver.h"

#include <pthread.h>

struct tz_store {
    const struct tz_store_driver *driver;
    void *state;
    char *name;
    char *url;
    char *location;
    char *unlocked;
    bool read_only;
    unsigned proven; /* of what has to be */
    enum tz_lock_mode lock_mode;
    pthread_mutex_t mutex;     /* of what follows */
    struct tz_store_lock lock; /* of what is put */
};

int tz_store_check_name(const char *name, struct tz_error *err) TZ_MUST_CHECK;
int tz_store_check_writable(const struct tz_store *store, const char *name,
                            struct tz_error *err) TZ_MUST_CHECK;
/* Put, and see that the lock is kept if there has to be one. */
int tz_store_put_locked(struct tz_store *store, const char *name, const void *data, size_t len,
                        bool replace, struct tz_error *err) TZ_MUST_CHECK;

#endif
