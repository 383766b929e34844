#include "tozai/util/log.h"

#include "tozai/util/time.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "tozai/util/banned.h"

int tz_log_level;

/* A file name may hold a newline or an escape sequence; a line stays one harmless line. */
static void replace_controls(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            *text = '?';
}

void tz_debug(const char *format, ...)
{
    if (tz_log_level <= 0)
        return;

    int saved_errno = errno;
    char text[2048];
    text[0] = '\0';
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    replace_controls(text);

    char time_text[TZ_TIME_TEXT];
    tz_time_format(time_text, tz_now());
    /* One call, so that the lines of several threads do not mix. */
    (void)fprintf(stderr, "%s debug: %s\n", time_text, text);
    errno = saved_errno;
}
