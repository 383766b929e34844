#include "tozai/util/fingerprints.h"

#include <stdlib.h>
#include <string.h>

#include "tozai/util/banned.h"

#define FIRST_CAP ((size_t)1024)

void tz_fingerprints_clear(struct tz_fingerprints *set)
{
    free(set->slots);
    *set = (struct tz_fingerprints){0};
}

void tz_fingerprints_reset(struct tz_fingerprints *set)
{
    if (set->slots)
        memset(set->slots, 0, set->cap * sizeof(*set->slots));
    set->count = 0;
    set->has_zero = false;
}

/* Its slot, or the free one where it belongs. */
static size_t find(const struct tz_fingerprints *set, uint64_t number)
{
    size_t at = (size_t)number & (set->cap - 1);

    while (set->slots[at] != 0 && set->slots[at] != number)
        at = (at + 1) & (set->cap - 1);
    return at;
}

bool tz_fingerprints_has(const struct tz_fingerprints *set, uint64_t number)
{
    if (number == 0)
        return set->has_zero;
    return set->cap > 0 && set->slots[find(set, number)] != 0;
}

static int grow(struct tz_fingerprints *set, struct tz_error *err)
{
    struct tz_fingerprints larger = {
        .count = set->count, .cap = set->cap ? 2 * set->cap : FIRST_CAP, .has_zero = set->has_zero};

    larger.slots = calloc(larger.cap, sizeof(*larger.slots));
    if (!larger.slots)
        return tz_fail_nomem(err);
    for (size_t i = 0; i < set->cap; i++)
        if (set->slots[i] != 0)
            larger.slots[find(&larger, set->slots[i])] = set->slots[i];
    free(set->slots);
    *set = larger;
    return 0;
}

int tz_fingerprints_add(struct tz_fingerprints *set, uint64_t number, struct tz_error *err)
{
    if (number == 0) {
        set->count += !set->has_zero;
        set->has_zero = true;
        return 0;
    }
    if (set->count >= set->cap / 4 * 3 && grow(set, err))
        return -1;
    uint64_t *slot = &set->slots[find(set, number)];
    set->count += *slot == 0;
    *slot = number;
    return 0;
}

uint64_t tz_fingerprint(const uint8_t *hash)
{
    uint64_t number;

    memcpy(&number, hash, sizeof(number));
    return number;
}
