/*
 * Immutable bytes that several threads share, such as a pack on its way to every store.
 *
 * The last tz_blob_drop() frees it.  The data is aligned to TZ_BLOB_ALIGN and its memory reaches to
 * a multiple of it, so that a driver may write past the page cache.
 */
#ifndef TOZAI_STORAGE_BLOB_H
#define TOZAI_STORAGE_BLOB_H

#include "tozai/util/error.h"

#include <stddef.h>
#include <stdint.h>

#define TZ_BLOB_ALIGN ((size_t)4096)

struct tz_blob {
    uint8_t *data; /* written by the maker before it is shared */
    size_t len;
    size_t cap;          /* a multiple of TZ_BLOB_ALIGN */
    unsigned references; /* atomic; the module's */
    struct tz_blob_shelf *shelf;
    unsigned queues; /* that it waits in, counted by the one mirror that has it */
};

/* A blob with room for cap bytes and len 0, held once. */
int tz_blob_new(struct tz_blob **ret, size_t cap, struct tz_error *err) TZ_MUST_CHECK;
/*
 * A shelf keeps blobs that were dropped, up to so many, for the next taker: memory that goes back
 * to the system has to be cleared before it can be used again, which costs as much as to encrypt
 * it. Not those that had more than max_len bytes, which would hold more memory than what comes
 * needs. Threads: any number at once.  Blobs may live longer than who closes the shelf.
 */
struct tz_blob_shelf;
int tz_blob_shelf_new(struct tz_blob_shelf **ret, unsigned keep, size_t max_len,
                      struct tz_error *err) TZ_MUST_CHECK;
/* NULL is allowed. */
void tz_blob_shelf_close(struct tz_blob_shelf *shelf);
/* As tz_blob_new(), but of the shelf if it has one of this size, with any content. */
int tz_blob_take(struct tz_blob_shelf *shelf, struct tz_blob **ret, size_t cap,
                 struct tz_error *err) TZ_MUST_CHECK;
/* A copy of data. */
int tz_blob_copy(struct tz_blob **ret, const void *data, size_t len,
                 struct tz_error *err) TZ_MUST_CHECK;
struct tz_blob *tz_blob_hold(struct tz_blob *blob);
/* NULL is allowed. */
void tz_blob_drop(struct tz_blob *blob);
TZ_DEFINE_SCOPED(struct tz_blob *, tz_scoped_blob, tz_blob_drop)

#endif
