/*
 * What people and programs read: text with names in it, errors, warnings and JSON.
 *
 * Text on standard output goes through stdio; main() finds out at the end whether it arrived.
 * Names are bytes that somebody else chose.  On a terminal, and always in messages and tables,
 * control characters, bytes that are not UTF-8 and marks that turn the direction of text are
 * shown escaped ("\n", "\xff", "\u{202e}", and "\\" for a backslash before one of these); a pipe or
 * file gets the very bytes.
 */
#ifndef TOZAI_CMD_OUTPUT_H
#define TOZAI_CMD_OUTPUT_H

#include "command.h"

#include "tozai/util/buf.h"

#include <jansson.h>

TZ_DEFINE_SCOPED(json_t *, tz_scoped_json, json_decref)

/* Append text, escaped as above. */
int tz_escape(struct tz_buf *out, const void *text, size_t len, struct tz_error *err) TZ_MUST_CHECK;
/* How many columns UTF-8 text takes on a terminal; bytes that are not UTF-8 take one each. */
size_t tz_text_width(const void *text, size_t len);
/* How many bytes of text fit into this many columns. */
size_t tz_text_fit(const void *text, size_t len, size_t columns);
/* Write a name to standard output. */
void tz_print_name(const void *name, size_t len);
/* Columns of the terminal at this descriptor; 80 if it is none. */
size_t tz_terminal_columns(int fd);

/* A line "tozai: warning: ..." on standard error, or {"warning":{"message"}}; not with --quiet. */
void tz_warn(struct tz_context *context, const char *format, ...) TZ_PRINTF(2, 3);
/* The same as a callback; context is the struct tz_context. */
void tz_warn_text(void *context, const char *text);
/* A line on standard error with --verbose; not with --json. */
void tz_note(struct tz_context *context, const char *format, ...) TZ_PRINTF(2, 3);
/* "tozai: message" and "  hint: ..." on standard error, or one JSON object. */
void tz_report(struct tz_context *context, const struct tz_error *err);
/* The exit code of an error. */
int tz_exit_of(const struct tz_error *err);
/* Remove the progress line if one stands. */
void tz_clear_line(struct tz_context *context);

/* Print a JSON document and a line break to standard output.  value may be NULL: TZ_NOMEM. */
int tz_json_print(const json_t *value, struct tz_error *err) TZ_MUST_CHECK;
/* One JSON object as a line on standard error; value is given up. */
void tz_json_line(struct tz_context *context, json_t *value);
/* A JSON string of any bytes: what is not UTF-8 becomes U+FFFD.  NULL without memory. */
json_t *tz_json_text(const void *text, size_t len);
/*
 * Set key of object to a file name.  JSON text is UTF-8, and file names need not be: if this one is
 * not, its wrong bytes are shown as U+FFFD, and "<key>_base64" holds the exact bytes.
 */
int tz_json_path(json_t *object, const char *key, const void *path, size_t len,
                 struct tz_error *err) TZ_MUST_CHECK;
/* Set key of object to value, which is given up; NULL is TZ_NOMEM. */
int tz_json_set(json_t *object, const char *key, json_t *value, struct tz_error *err) TZ_MUST_CHECK;
/* Append value, which is given up, to an array; NULL is TZ_NOMEM. */
int tz_json_append(json_t *array, json_t *value, struct tz_error *err) TZ_MUST_CHECK;
/* A moment as RFC 3339 text, or null for 0. */
json_t *tz_json_time(int64_t time_ns);
/* Bytes in lower-case hexadecimal. */
json_t *tz_json_hex(const uint8_t *data, size_t len);

#endif
