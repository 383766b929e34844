#include "output.h"

#include <stdarg.h>
#include <string.h>

#include "tozai/util/banned.h"

#define MESSAGE_SIZE 2048

void tz_clear_line(struct tz_context *context)
{
    /* Back to the first column, and clear what stands behind the cursor. */
    if (context->line_stands)
        (void)fputs("\r\033[K", stderr);
    context->line_stands = false;
}

/* "prefix text" as a line on standard error. */
static void print_line(struct tz_context *context, const char *prefix, const char *text)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf line = {0};

    if (tz_buf_append(&line, prefix, strlen(prefix), NULL) ||
        tz_escape(&line, text, strlen(text), NULL) || tz_buf_append(&line, "\n", 1, NULL)) {
        (void)fputs("tozai: out of memory\n", stderr);
        return;
    }
    tz_clear_line(context);
    /* In one piece, as other programs may write there, too. */
    (void)fwrite(line.data, 1, line.len, stderr);
}

void tz_warn_text(void *arg, const char *text)
{
    struct tz_context *context = arg;

    if (context->quiet)
        return;
    if (context->json)
        tz_json_line(context, json_pack("{s:{s:o}}", "warning", "message",
                                        tz_json_text(text, strlen(text))));
    else
        print_line(context, "tozai: warning: ", text);
}

void tz_warn(struct tz_context *context, const char *format, ...)
{
    char text[MESSAGE_SIZE];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    tz_warn_text(context, text);
}

void tz_note(struct tz_context *context, const char *format, ...)
{
    char text[MESSAGE_SIZE];
    va_list args;

    if (context->verbose == 0 || context->quiet || context->json)
        return;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    print_line(context, "tozai: ", text);
}

static void report_json(struct tz_context *context, const struct tz_error *err)
{
    tz_json_line(context,
                 json_pack("{s:{s:s, s:o, s:o}}", "error", "code", tz_error_code(err->kind),
                           "message", tz_json_text(err->message, strlen(err->message)), "hint",
                           tz_json_text(err->hint, strlen(err->hint))));
}

void tz_report(struct tz_context *context, const struct tz_error *err)
{
    if (context->json) {
        report_json(context, err);
        return;
    }
    print_line(context, "tozai: ", err->message[0] ? err->message : "failed");
    if (err->hint[0])
        print_line(context, "  hint: ", err->hint);
}

int tz_exit_of(const struct tz_error *err)
{
    switch (err->kind) {
    case TZ_INVALID:
        return TZ_EXIT_USAGE;
    case TZ_BUSY:
        return TZ_EXIT_BUSY;
    case TZ_CORRUPT:
        return TZ_EXIT_DAMAGE;
    case TZ_INTERRUPTED:
        return TZ_EXIT_INTERRUPTED;
    default:
        return TZ_EXIT_FAILED;
    }
}
