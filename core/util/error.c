#include "tozai/util/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tozai/util/banned.h"

/* What a text that did not fit ends with. */
#define CUT_MARK "..."

/* Shorten text to at most len bytes, not in the middle of a UTF-8 character, and mark the cut. */
static void cut(char *text, size_t len)
{
    size_t end = len - strlen(CUT_MARK);

    /* A character has at most three continuation bytes; more are not UTF-8 anyway. */
    for (int i = 0; i < 3 && end > 0 && ((unsigned char)text[end] & 0xc0) == 0x80; i++)
        end--;
    memcpy(text + end, CUT_MARK, sizeof(CUT_MARK));
}

/* vsnprintf() whose result is always a string, and marked where it was cut. */
static TZ_PRINTF(3, 0) void format_text(char *text, size_t size, const char *format, va_list args)
{
    text[0] = '\0';
    int len = vsnprintf(text, size, format, args);
    if (len >= 0 && (size_t)len >= size)
        cut(text, size - 1);
}

/* Put the text behind what is there. */
static void append_text(char *text, size_t size, const char *more)
{
    size_t len = strlen(text);
    size_t more_len = strlen(more);
    size_t fitting = TZ_MIN(more_len, size - 1 - len);

    memcpy(text + len, more, fitting);
    text[len + fitting] = '\0';
    if (fitting < more_len)
        cut(text, size - 1);
}

static TZ_PRINTF(4, 0) void set(struct tz_error *err, enum tz_error_kind kind, int number,
                                const char *format, va_list args)
{
    char text[sizeof(err->message)]; /* the arguments may point into err */

    format_text(text, sizeof(text), format, args);
    *err = (struct tz_error){.kind = kind, .sys_errno = number};
    memcpy(err->message, text, strlen(text) + 1);
}

void tz_error_set(struct tz_error *err, enum tz_error_kind kind, int number, const char *format,
                  ...)
{
    if (!err)
        return;

    va_list args;
    va_start(args, format);
    set(err, kind, number, format, args);
    va_end(args);
}

void tz_error_set_errno(struct tz_error *err, int number, const char *format, ...)
{
    if (!err)
        return;

    va_list args;
    va_start(args, format);
    set(err, tz_error_kind_of(number), number, format, args);
    va_end(args);

    char reason[128];
    if (strerror_r(number, reason, sizeof(reason)))
        (void)snprintf(reason, sizeof(reason), "error %d", number);
    append_text(err->message, sizeof(err->message), ": ");
    append_text(err->message, sizeof(err->message), reason);
}

void tz_error_prefix(struct tz_error *err, const char *format, ...)
{
    if (!err)
        return;

    /* Half of the room at most: the cause, which stands behind, must not be pushed out. */
    char words[sizeof(err->message) / 2];
    va_list args;
    va_start(args, format);
    format_text(words, sizeof(words), format, args);
    va_end(args);

    char cause[sizeof(err->message)];
    memcpy(cause, err->message, sizeof(cause));
    cause[sizeof(cause) - 1] = '\0';

    memcpy(err->message, words, strlen(words) + 1);
    if (cause[0] != '\0') {
        append_text(err->message, sizeof(err->message), ": ");
        append_text(err->message, sizeof(err->message), cause);
    }
    if (err->kind == TZ_OK)
        err->kind = TZ_FAILED;
}

void tz_error_hint(struct tz_error *err, const char *format, ...)
{
    if (!err)
        return;

    char text[sizeof(err->hint)];
    va_list args;
    va_start(args, format);
    format_text(text, sizeof(text), format, args);
    va_end(args);
    memcpy(err->hint, text, strlen(text) + 1);
}

const char *tz_error_code(enum tz_error_kind kind)
{
    switch (kind) {
    case TZ_OK:
        return "ok";
    case TZ_FAILED:
        return "failed";
    case TZ_INVALID:
        return "invalid";
    case TZ_IO:
        return "io";
    case TZ_NOT_FOUND:
        return "not-found";
    case TZ_EXISTS:
        return "exists";
    case TZ_DENIED:
        return "denied";
    case TZ_NOSPC:
        return "no-space";
    case TZ_NOMEM:
        return "out-of-memory";
    case TZ_CORRUPT:
        return "corrupt";
    case TZ_KEY:
        return "key";
    case TZ_BUSY:
        return "busy";
    case TZ_UNAVAILABLE:
        return "unavailable";
    case TZ_UNSUPPORTED:
        return "unsupported";
    case TZ_INTERRUPTED:
        return "interrupted";
    }
    return "failed";
}

enum tz_error_kind tz_error_kind_of(int number)
{
    switch (number) {
    case ENOENT:
        return TZ_NOT_FOUND;
    case EEXIST:
        return TZ_EXISTS;
    case EACCES:
    case EPERM:
    case EROFS:
        return TZ_DENIED;
    case ENOSPC:
    case EDQUOT:
        return TZ_NOSPC;
    case ENOMEM:
        return TZ_NOMEM;
    case EINTR:
        return TZ_INTERRUPTED;
    default:
        return TZ_IO;
    }
}
