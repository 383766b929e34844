/*
 * One gitignore pattern, taken apart.
 */
#ifndef TOZAI_CORE_SOURCE_GLOB_H
#define TOZAI_CORE_SOURCE_GLOB_H

#include "tozai/util/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tz_glob;

/* *ret NULL: the pattern can never match. */
int tz_glob_new(struct tz_glob **ret, const char *pattern, size_t len,
                struct tz_error *err) TZ_MUST_CHECK;
void tz_glob_free(struct tz_glob *glob);
TZ_DEFINE_SCOPED(struct tz_glob *, tz_scoped_glob, tz_glob_free)
/* Does it match the whole path? */
bool tz_glob_match(const struct tz_glob *glob, const char *path, size_t len);

#endif
