/*
 * Random numbers that are the same in every run: a test that fails names its seed.
 */
#ifndef TOZAI_TESTS_SEEDED_H
#define TOZAI_TESTS_SEEDED_H

#include "tozai/util/scope.h"

#include <stdbool.h>
#include <stdint.h>

struct seeded {
    uint64_t state;
};

/* splitmix64 */
static inline TZ_UNUSED uint64_t seeded_next(struct seeded *seeded)
{
    uint64_t x = seeded->state += UINT64_C(0x9e3779b97f4a7c15);

    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* 0 to limit - 1. */
static inline TZ_UNUSED uint64_t seeded_below(struct seeded *seeded, uint64_t limit)
{
    return seeded_next(seeded) % limit;
}

/* True once in so many times. */
static inline TZ_UNUSED bool seeded_one_in(struct seeded *seeded, uint64_t times)
{
    return seeded_below(seeded, times) == 0;
}

static inline TZ_UNUSED void seeded_fill(struct seeded *seeded, void *data, size_t len)
{
    uint8_t *bytes = data;
    uint64_t x = 0;

    for (size_t i = 0; i < len; i++, x >>= 8) {
        if (i % 8 == 0)
            x = seeded_next(seeded);
        bytes[i] = (uint8_t)x;
    }
}

#endif
