/*
 * Which chunks a generation refers to: those of its manifest, of long content lists, and of its
 * content; some come several times.
 *
 * Generations share most of their manifests.  A manifest chunk, or a piece of a list, that is known
 * already need not be read again: the caller keeps account of them by their keys, which are 64 bits
 * of the chunk's id mixed with the place in it.
 */
#ifndef TOZAI_CORE_REFERENCES_H
#define TOZAI_CORE_REFERENCES_H

#include "tozai/core/chunkreader.h"
#include "tozai/core/generation.h"

/* So deep are parts nested at most. */
#define TZ_REFERENCE_DEPTH 8

struct tz_reference_visitor {
    int (*found)(void *arg, const uint8_t id[TZ_ID_SIZE], struct tz_error *err);
    /* Before a part of the manifest is read; true: leave out what it refers to. */
    bool (*enter)(void *arg, uint64_t key);
    /* All that it refers to was told.  Parts are nested. */
    int (*leave)(void *arg, uint64_t key, struct tz_error *err);
    void *arg;
};

/* A manifest that cannot be read: TZ_CORRUPT, TZ_NOT_FOUND, TZ_UNAVAILABLE. */
int tz_each_reference(struct tz_repo *repo, const struct tz_head *head,
                      const struct tz_reference_visitor *visitor,
                      struct tz_error *err) TZ_MUST_CHECK;

#endif
