#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "tozai/storage/blob.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#include "tozai/util/banned.h"

/* Memory of so much is mapped at once where the kernel can, instead of page by page. */
#define HUGE_PAGE ((size_t)2 << 20)

struct tz_blob_shelf {
    pthread_mutex_t mutex;
    unsigned references; /* who may close it, and blobs that may come back; locked */
    size_t max_len;
    unsigned keep, count;
    struct tz_blob *held[];
};

static size_t round_up(size_t cap)
{
    return TZ_MAX((cap + TZ_BLOB_ALIGN - 1) & ~(TZ_BLOB_ALIGN - 1), TZ_BLOB_ALIGN);
}

int tz_blob_new(struct tz_blob **ret, size_t cap, struct tz_error *err)
{
    if (cap > SIZE_MAX - TZ_BLOB_ALIGN)
        return tz_fail_nomem(err);
    TZ_SCOPED(tz_scoped_blob) struct tz_blob *blob = calloc(1, sizeof(*blob));
    if (!blob)
        return tz_fail_nomem(err);
    blob->references = 1;
    blob->cap = round_up(cap);
    void *data = NULL;
    if (posix_memalign(&data, blob->cap >= HUGE_PAGE ? HUGE_PAGE : TZ_BLOB_ALIGN, blob->cap))
        return tz_fail_nomem(err);
    blob->data = data;
    if (blob->cap >= HUGE_PAGE) /* a pack is filled from one end to the other */
        (void)madvise(blob->data, blob->cap / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
    *ret = TZ_TAKE(blob);
    return 0;
}

int tz_blob_copy(struct tz_blob **ret, const void *data, size_t len, struct tz_error *err)
{
    struct tz_blob *blob = NULL;
    if (tz_blob_new(&blob, len, err))
        return -1;
    if (len > 0)
        memcpy(blob->data, data, len);
    blob->len = len;
    *ret = blob;
    return 0;
}

struct tz_blob *tz_blob_hold(struct tz_blob *blob)
{
    (void)__atomic_add_fetch(&blob->references, 1, __ATOMIC_RELAXED);
    return blob;
}

static void free_blob(struct tz_blob *blob)
{
    free(blob->data);
    free(blob);
}

int tz_blob_shelf_new(struct tz_blob_shelf **ret, unsigned keep, size_t max_len,
                      struct tz_error *err)
{
    struct tz_blob_shelf *shelf = calloc(1, sizeof(*shelf) + keep * sizeof(struct tz_blob *));

    if (!shelf)
        return tz_fail_nomem(err);
    (void)pthread_mutex_init(&shelf->mutex, NULL);
    shelf->references = 1;
    shelf->keep = keep;
    shelf->max_len = max_len;
    *ret = shelf;
    return 0;
}

/* Locked: unlocks it. */
static void let_go(struct tz_blob_shelf *shelf)
{
    bool last = --shelf->references == 0;

    (void)pthread_mutex_unlock(&shelf->mutex);
    if (!last)
        return;
    (void)pthread_mutex_destroy(&shelf->mutex);
    free(shelf);
}

void tz_blob_shelf_close(struct tz_blob_shelf *shelf)
{
    if (!shelf)
        return;
    (void)pthread_mutex_lock(&shelf->mutex);
    while (shelf->count > 0)
        free_blob(shelf->held[--shelf->count]);
    shelf->keep = 0;
    let_go(shelf);
}

/* NULL: there is none of this size. */
static struct tz_blob *take_held(struct tz_blob_shelf *shelf, size_t cap)
{
    for (unsigned i = 0; i < shelf->count; i++) {
        struct tz_blob *blob = shelf->held[i];
        if (blob->cap != cap)
            continue;
        shelf->held[i] = shelf->held[--shelf->count];
        blob->len = 0;
        blob->references = 1;
        return blob;
    }
    return NULL;
}

int tz_blob_take(struct tz_blob_shelf *shelf, struct tz_blob **ret, size_t cap,
                 struct tz_error *err)
{
    (void)pthread_mutex_lock(&shelf->mutex);
    struct tz_blob *blob = cap > SIZE_MAX - TZ_BLOB_ALIGN ? NULL : take_held(shelf, round_up(cap));
    shelf->references++; /* for the blob */
    (void)pthread_mutex_unlock(&shelf->mutex);
    if (!blob && tz_blob_new(&blob, cap, err)) {
        (void)pthread_mutex_lock(&shelf->mutex);
        let_go(shelf);
        return -1;
    }
    blob->shelf = shelf;
    *ret = blob;
    return 0;
}

static void give_back(struct tz_blob *blob)
{
    struct tz_blob_shelf *shelf = blob->shelf;

    (void)pthread_mutex_lock(&shelf->mutex);
    if (shelf->count < shelf->keep && blob->len <= shelf->max_len)
        shelf->held[shelf->count++] = TZ_TAKE(blob);
    let_go(shelf);
    if (blob)
        free_blob(blob);
}

void tz_blob_drop(struct tz_blob *blob)
{
    /* Whoever frees it must see everything that the others did with it before they let go. */
    if (!blob || __atomic_sub_fetch(&blob->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    if (blob->shelf)
        give_back(blob);
    else
        free_blob(blob);
}
