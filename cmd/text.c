/* wcwidth() */
#ifndef _XOPEN_SOURCE
#define _XOPEN_SOURCE 700
#endif
/* struct winsize */
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE
#endif
#include "output.h"

#include "tozai/util/utf8.h"

#include <string.h>
#include <sys/ioctl.h>
#include <wchar.h>

#include "tozai/util/banned.h"

#define DEFAULT_COLUMNS 80

/* Characters that a terminal obeys or shows as something else than what they are. */
static bool is_hostile(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0xad || code == 0x200b ||
           code == 0x200e || code == 0x200f || (code >= 0x2028 && code <= 0x202e) ||
           (code >= 0x2060 && code <= 0x206f) || code == 0xfeff || (code & 0xfffe) == 0xfffe ||
           (code >= 0xe0000 && code <= 0xe0fff);
}

static int escape_code(struct tz_buf *out, uint32_t code, struct tz_error *err)
{
    switch (code) {
    case '\n':
        return tz_buf_append(out, "\\n", 2, err);
    case '\t':
        return tz_buf_append(out, "\\t", 2, err);
    case '\r':
        return tz_buf_append(out, "\\r", 2, err);
    default:
        return code < 0x80 ? tz_buf_printf(out, err, "\\x%02x", (unsigned)code)
                           : tz_buf_printf(out, err, "\\u{%x}", (unsigned)code);
    }
}

/* A backslash that would read as the beginning of an escape is doubled. */
static bool begins_escape(const uint8_t *at, size_t len)
{
    return len > 1 && at[0] == '\\' && at[1] != '\0' && strchr("ntrxu\\", at[1]);
}

int tz_escape(struct tz_buf *out, const void *text, size_t len, struct tz_error *err)
{
    const uint8_t *at = text;

    while (len > 0) {
        uint32_t code;
        size_t size = tz_utf8_decode(at, len, &code);
        int failed = size == 0                ? tz_buf_printf(out, err, "\\x%02x", at[0])
                     : is_hostile(code)       ? escape_code(out, code, err)
                     : begins_escape(at, len) ? tz_buf_append(out, "\\\\", 2, err)
                                              : tz_buf_append(out, at, size, err);
        if (failed)
            return -1;
        size += size == 0;
        at += size;
        len -= size;
    }
    return 0;
}

/* The columns of the character at text, and its bytes. */
static size_t character_width(const uint8_t *at, size_t len, size_t *ret_size)
{
    uint32_t code;
    size_t size = tz_utf8_decode(at, len, &code);

    *ret_size = size == 0 ? 1 : size;
    if (size == 0)
        return 1;
    int width = wcwidth((wchar_t)code);
    return width < 0 ? 1 : (size_t)width;
}

size_t tz_text_width(const void *text, size_t len)
{
    const uint8_t *at = text;
    size_t width = 0;

    for (size_t size; len > 0; at += size, len -= size)
        width += character_width(at, len, &size);
    return width;
}

size_t tz_text_fit(const void *text, size_t len, size_t columns)
{
    const uint8_t *at = text;
    size_t used = 0;

    for (size_t size; used < len; used += size) {
        size_t width = character_width(at + used, len - used, &size);
        if (width > columns)
            break;
        columns -= width;
    }
    return used;
}

void tz_print_name(const void *name, size_t len)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf escaped = {0};

    if (!isatty(STDOUT_FILENO)) {
        (void)fwrite(name, 1, len, stdout);
        return;
    }
    /* Without memory nothing is better than the bytes themselves. */
    if (tz_escape(&escaped, name, len, NULL) == 0 && escaped.len > 0)
        (void)fwrite(escaped.data, 1, escaped.len, stdout);
}

size_t tz_terminal_columns(int fd)
{
    struct winsize size;

    if (ioctl(fd, TIOCGWINSZ, &size) || size.ws_col == 0)
        return DEFAULT_COLUMNS;
    return size.ws_col;
}
