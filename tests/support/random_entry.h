/*
 * Entries of random trees, the same for the same seed, and their comparison.
 */
#ifndef TOZAI_TESTS_RANDOM_ENTRY_H
#define TOZAI_TESTS_RANDOM_ENTRY_H

#include "seeded.h"

#include "tozai/core/entry.h"

/* At most max entries of all types in path order, the first of them the root; returns how many.
 * Their content is made up: ids are no real chunks'. */
size_t random_tree_make(struct seeded *seeded, struct tz_entry *entries, size_t max);
void random_tree_clear(struct tz_entry *entries, size_t count);

/* Fail the test unless all that is stored is the same; local: and what only the local manifest
 * keeps. */
void assert_same_entry(const struct tz_entry *a, const struct tz_entry *b, bool local);

#endif
