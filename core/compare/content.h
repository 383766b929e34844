/*
 * Is the content of two files the same, whatever chunks it lies in?
 */
#ifndef TOZAI_CORE_COMPARE_CONTENT_H
#define TOZAI_CORE_COMPARE_CONTENT_H

#include "tozai/core/entry.h"
#include "tozai/core/repo.h"

/* Both are files of the same size. */
int tz_same_content(struct tz_repo *repo, const struct tz_entry *a, const struct tz_entry *b,
                    bool *ret, struct tz_error *err) TZ_MUST_CHECK;

#endif
