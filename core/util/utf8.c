#include "tozai/util/utf8.h"

#include "tozai/util/banned.h"

size_t tz_utf8_decode(const void *text, size_t len, uint32_t *ret_code)
{
    /* The smallest character that needs so many bytes; a smaller one is overlong. */
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    const uint8_t *at = text;
    uint8_t first = at[0];

    if (first < 0x80) {
        *ret_code = first;
        return 1;
    }
    size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || size > len)
        return 0;
    uint32_t code = first & (0xffU >> (size + 1));
    for (size_t i = 1; i < size; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (at[i] & 0x3fU);
    }
    if (code < smallest[size] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        return 0;
    *ret_code = code;
    return size;
}

bool tz_utf8_valid(const void *text, size_t len)
{
    const uint8_t *at = text;

    while (len > 0) {
        uint32_t code;
        size_t size = tz_utf8_decode(at, len, &code);
        if (size == 0)
            return false;
        at += size;
        len -= size;
    }
    return true;
}
