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
    unsigned queues;     /* that it waits in, counted by the one mirror that has it */
};

/* A blob with room for cap bytes and len 0, held once. */
int tz_blob_new(struct tz_blob **ret, size_t cap, struct tz_error *err) TZ_MUST_CHECK;
/* A copy of data. */
int tz_blob_copy(struct tz_blob **ret, const void *data, size_t len,
                 struct tz_error *err) TZ_MUST_CHECK;
struct tz_blob *tz_blob_hold(struct tz_blob *blob);
/* NULL is allowed. */
void tz_blob_drop(struct tz_blob *blob);
TZ_DEFINE_SCOPED(struct tz_blob *, tz_scoped_blob, tz_blob_drop)

#endif
