/*
 * Crockford's base32: digits and letters without I, L, O and U, so that what people confuse on
 * paper is read alike.  Symbols are numbers 0 to 31 here; the first bits of the bytes come first.
 */
#ifndef TOZAI_CORE_CRYPTO_BASE32_H
#define TOZAI_CORE_CRYPTO_BASE32_H

#include <stddef.h>
#include <stdint.h>

/* The symbol's character. */
char tz_base32_letter(uint8_t symbol);
/* The symbol that a character stands for, in either case, or -1. */
int tz_base32_symbol(char letter);
/* Symbols that hold len bytes, the last one filled up with zero bits. */
static inline size_t tz_base32_len(size_t len)
{
    return (len * 8 + 4) / 5;
}
/* Write tz_base32_len(len) symbols. */
void tz_base32_encode(uint8_t *symbols, const uint8_t *data, size_t len);
/* Write len bytes out of tz_base32_len(len) symbols. */
void tz_base32_decode(uint8_t *data, size_t len, const uint8_t *symbols);

#endif
