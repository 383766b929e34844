/*
 * Hexadecimal text, lower case.
 */
#ifndef TOZAI_UTIL_HEX_H
#define TOZAI_UTIL_HEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Write 2 * len digits and a NUL to text. */
void tz_hex(char *text, const uint8_t *data, size_t len);
/* Read exactly 2 * len lower-case digits; false if text holds anything else.  Stops at 2 * len. */
bool tz_unhex(uint8_t *data, size_t len, const char *text);

/* In place: "%20" is a space.  False if a '%' is not followed by two digits, of either case, or if
 * they make a NUL. */
bool tz_percent_decode(char *text);

#endif
