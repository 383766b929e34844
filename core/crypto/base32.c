#include "base32.h"

#include <string.h>

#include "tozai/util/banned.h"

static const char letters[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

char tz_base32_letter(uint8_t symbol)
{
    return letters[symbol & 31];
}

int tz_base32_symbol(char letter)
{
    if (letter >= 'a' && letter <= 'z')
        letter = (char)(letter - 'a' + 'A');
    if (letter == 'O')
        letter = '0';
    if (letter == 'I' || letter == 'L')
        letter = '1';
    const char *found = letter ? strchr(letters, letter) : NULL;
    return found ? (int)(found - letters) : -1;
}

void tz_base32_encode(uint8_t *symbols, const uint8_t *data, size_t len)
{
    unsigned bits = 0, count = 0; /* bits that wait to be written */
    for (size_t i = 0; i < len; i++) {
        bits = bits << 8 | data[i];
        for (count += 8; count >= 5; count -= 5)
            *symbols++ = (uint8_t)(bits >> (count - 5) & 31);
        bits &= (1U << count) - 1;
    }
    if (count)
        *symbols = (uint8_t)(bits << (5 - count) & 31);
}

void tz_base32_decode(uint8_t *data, size_t len, const uint8_t *symbols)
{
    unsigned bits = 0, count = 0;
    for (size_t i = 0; i < len; count -= 8, i++) {
        for (; count < 8; count += 5)
            bits = bits << 5 | *symbols++;
        data[i] = (uint8_t)(bits >> (count - 8));
        bits &= (1U << (count - 8)) - 1;
    }
}
