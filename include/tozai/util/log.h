/*
 * Debug lines on standard error, off by default.  Not for results, warnings or errors: those are
 * returned, and cmd/ prints them.  Never give it a secret.
 */
#ifndef TOZAI_UTIL_LOG_H
#define TOZAI_UTIL_LOG_H

#include "tozai/util/scope.h"

/* Set before the first thread starts. 0: silent. */
extern int tz_log_level;

void tz_debug(const char *format, ...) TZ_PRINTF(1, 2);

#endif
