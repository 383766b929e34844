/*
 * UTF-8, strictly: no overlong forms, no surrogates, nothing above U+10FFFF.
 */
#ifndef TOZAI_UTIL_UTF8_H
#define TOZAI_UTIL_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How many bytes the character at text has (1 to 4), 0 if it is not UTF-8; len must not be 0. */
size_t tz_utf8_decode(const void *text, size_t len, uint32_t *ret_code);
/* Is all of it UTF-8?  NUL is a character like any other. */
bool tz_utf8_valid(const void *text, size_t len);

#endif
