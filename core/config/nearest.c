#include "tozai/core/config.h"

#include <string.h>

#include "tozai/util/banned.h"

/* Longer words are not typing mistakes of ours. */
#define MAX_WORD 48

static unsigned smallest(unsigned a, unsigned b, unsigned c)
{
    return TZ_MIN(TZ_MIN(a, b), c);
}

/*
 * How many letters must be put in, left out, changed or swapped with the next to make b of a.
 * Three rows of the usual table: the one before the last is for swaps.
 */
static unsigned distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    unsigned rows[3][MAX_WORD + 1];
    unsigned *before = rows[0];
    unsigned *last = rows[1];
    unsigned *row = rows[2];

    for (size_t j = 0; j <= b_len; j++)
        before[j] = last[j] = (unsigned)j;
    for (size_t i = 1; i <= a_len; i++) {
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_len; j++) {
            row[j] = smallest(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = TZ_MIN(row[j], before[j - 2] + 1);
        }
        unsigned *free_row = before;
        before = last;
        last = row;
        row = free_row;
    }
    return last[b_len];
}

const char *tz_nearest_word(const char *word, const char *const *words, size_t count)
{
    const char *nearest = NULL;
    size_t len = strlen(word);
    unsigned best = (unsigned)(len / 3 + 1); /* more is another word */

    if (len == 0 || len > MAX_WORD)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        size_t other_len = strlen(words[i]);
        if (other_len > MAX_WORD)
            continue;
        unsigned d = distance(word, len, words[i], other_len);
        /* Something must be left in common. */
        if (d < len && d < other_len && (d < best || (d == best && !nearest))) {
            best = d;
            nearest = words[i];
        }
    }
    return nearest;
}
