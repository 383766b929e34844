/*
 * Patterns of paths to leave out, in the syntax of gitignore(5).
 *
 * Patterns are kept as a stack of scopes: a scope belongs to a directory and holds for what is
 * below it.  The last pattern that matches decides, so a later scope takes precedence.  Who walks
 * does not go into a directory that is left out; that is why nothing below it can be included
 * again.
 *
 * Matching takes time proportional to pattern times path at most, whatever the pattern.
 * One thread at a time.
 */
#ifndef TOZAI_CORE_SOURCE_IGNORE_H
#define TOZAI_CORE_SOURCE_IGNORE_H

#include "tozai/util/error.h"

#include <stdbool.h>
#include <stddef.h>

struct tz_ignore;

int tz_ignore_new(struct tz_ignore **ret, struct tz_error *err) TZ_MUST_CHECK;
void tz_ignore_free(struct tz_ignore *ignore);
TZ_DEFINE_SCOPED(struct tz_ignore *, tz_scoped_ignore, tz_ignore_free)

/*
 * Add the lines of a text; they are relative to a directory whose path is base_len long (0: the
 * root).  All paths that are asked for lie below it, so that its length is enough.
 */
int tz_ignore_add(struct tz_ignore *ignore, size_t base_len, const char *text, size_t len,
                  struct tz_error *err) TZ_MUST_CHECK;
/* How many patterns there are, and back to that many. */
size_t tz_ignore_count(const struct tz_ignore *ignore);
void tz_ignore_cut(struct tz_ignore *ignore, size_t count);

/* Is the path, which lies below every scope's directory, to be left out? */
bool tz_ignore_match(const struct tz_ignore *ignore, const char *path, size_t len,
                     bool is_directory);

#endif
