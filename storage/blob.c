#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "tozai/storage/blob.h"

#include <string.h>
#include <sys/mman.h>

#include "tozai/util/banned.h"

/* Memory of so much is mapped at once where the kernel can, instead of page by page. */
#define HUGE_PAGE ((size_t)2 << 20)

int tz_blob_new(struct tz_blob **ret, size_t cap, struct tz_error *err)
{
    if (cap > SIZE_MAX - TZ_BLOB_ALIGN)
        return tz_fail_nomem(err);
    TZ_SCOPED(tz_scoped_blob) struct tz_blob *blob = calloc(1, sizeof(*blob));
    if (!blob)
        return tz_fail_nomem(err);
    blob->references = 1;
    blob->cap = TZ_MAX((cap + TZ_BLOB_ALIGN - 1) & ~(TZ_BLOB_ALIGN - 1), TZ_BLOB_ALIGN);
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

void tz_blob_drop(struct tz_blob *blob)
{
    /* Whoever frees it must see everything that the others did with it before they let go. */
    if (!blob || __atomic_sub_fetch(&blob->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    free(blob->data);
    free(blob);
}
