#include "tozai/util/buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include "tozai/util/banned.h"

#define FIRST_CAP 64

int tz_buf_reserve(struct tz_buf *buf, size_t len, struct tz_error *err)
{
    if (len <= buf->cap - buf->len)
        return 0;
    /* Differences of pointers into it must fit a ptrdiff_t. */
    if (len > PTRDIFF_MAX - buf->len)
        return tz_fail_nomem(err);

    size_t need = buf->len + len;
    size_t cap = buf->cap > PTRDIFF_MAX / 2 ? PTRDIFF_MAX : buf->cap * 2;
    cap = TZ_MAX(TZ_MAX(cap, need), FIRST_CAP);
    uint8_t *data = realloc(buf->data, cap);
    if (!data && cap > need) {
        cap = need; /* twice as much was only for speed */
        data = realloc(buf->data, cap);
    }
    if (!data)
        return tz_fail_nomem(err);

    buf->data = data;
    buf->cap = cap;
    return 0;
}

int tz_buf_append(struct tz_buf *buf, const void *data, size_t len, struct tz_error *err)
{
    if (len == 0)
        return 0;
    if (tz_buf_reserve(buf, len, err))
        return -1;

    memcpy(buf->data + buf->len, data, len);
    buf->len += len;
    return 0;
}

int tz_buf_printf(struct tz_buf *buf, struct tz_error *err, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len < 0)
        return tz_fail(err, TZ_FAILED, "text cannot be formatted");
    if (tz_buf_reserve(buf, (size_t)len + 1, err))
        return -1;

    va_start(args, format);
    (void)vsnprintf((char *)buf->data + buf->len, (size_t)len + 1, format, args);
    va_end(args);
    buf->len += (size_t)len;
    return 0;
}

void tz_buf_clear(struct tz_buf *buf)
{
    free(buf->data);
    *buf = (struct tz_buf){0};
}
