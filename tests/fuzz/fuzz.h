/*
 * What every fuzz target has: libFuzzer, or replay.c, calls it with one input after the other.
 *
 * A target calls check() on what must hold whatever the input is: most often that whatever was
 * read is written again as the same bytes.
 */
#ifndef TOZAI_TESTS_FUZZ_H
#define TOZAI_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define check(condition) check_at((condition), #condition, __FILE__, __LINE__)
static inline void check_at(bool holds, const char *condition, const char *file, int line)
{
    if (holds)
        return;
    (void)fprintf(stderr, "%s:%d: this does not hold: %s\n", file, line, condition);
    abort();
}

#endif
