/*
 * A growing run of bytes.
 *
 * Zero-initialized is empty.  On failure the buffer is unchanged.  One thread at a time.
 */
#ifndef TOZAI_UTIL_BUF_H
#define TOZAI_UTIL_BUF_H

#include "tozai/util/error.h"

#include <stddef.h>
#include <stdint.h>

struct tz_buf {
    uint8_t *data;
    size_t len;
    size_t cap;
};

/* Make room for len more bytes. */
int tz_buf_reserve(struct tz_buf *buf, size_t len, struct tz_error *err) TZ_MUST_CHECK;
int tz_buf_append(struct tz_buf *buf, const void *data, size_t len,
                  struct tz_error *err) TZ_MUST_CHECK;
/* Append text as printf() would; the buffer stays terminated by a NUL that len does not count. */
int tz_buf_printf(struct tz_buf *buf, struct tz_error *err, const char *format, ...)
    TZ_PRINTF(3, 4) TZ_MUST_CHECK;
/* Make it empty, keep the memory. */
static inline void tz_buf_reset(struct tz_buf *buf)
{
    buf->len = 0;
}
/* Free the memory. */
void tz_buf_clear(struct tz_buf *buf);

static inline TZ_UNUSED void tz_scoped_buf(struct tz_buf *buf)
{
    tz_buf_clear(buf);
}

#endif
