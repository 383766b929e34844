#include "tozai/util/hex.h"

#include "tozai/util/banned.h"

void tz_hex(char *text, const uint8_t *data, size_t len)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < len; i++) {
        text[2 * i] = digits[data[i] >> 4];
        text[2 * i + 1] = digits[data[i] & 0x0f];
    }
    text[2 * len] = '\0';
}

/* -1 for what is not a digit, the NUL included. */
static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

bool tz_unhex(uint8_t *data, size_t len, const char *text)
{
    for (size_t i = 0; i < len; i++) {
        int high = digit_value(text[2 * i]);
        if (high < 0)
            return false; /* perhaps the end of the text: do not look behind it */
        int low = digit_value(text[2 * i + 1]);
        if (low < 0)
            return false;
        data[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static int any_digit_value(char c)
{
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : digit_value(c);
}

bool tz_percent_decode(char *text)
{
    char *to = text;
    for (const char *from = text; *from; from++, to++) {
        *to = *from;
        if (*from != '%')
            continue;
        int high = any_digit_value(from[1]);
        int low = high < 0 ? -1 : any_digit_value(from[2]);
        if (low < 0 || (high == 0 && low == 0))
            return false;
        *to = (char)(high << 4 | low);
        from += 2;
    }
    *to = '\0';
    return true;
}
