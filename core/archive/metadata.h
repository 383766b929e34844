/*
 * All of an entry but its path, its type and its content, as bytes.
 */
#ifndef TOZAI_CORE_ARCHIVE_METADATA_H
#define TOZAI_CORE_ARCHIVE_METADATA_H

#include "tozai/core/entry.h"

int tz_archive_metadata_write(const struct tz_entry *entry, struct tz_buf *out,
                              struct tz_error *err) TZ_MUST_CHECK;
int tz_archive_metadata_read(struct tz_entry *entry, const void *data, size_t len,
                             struct tz_error *err) TZ_MUST_CHECK;

#endif
