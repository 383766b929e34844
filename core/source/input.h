/*
 * The input of an open file: holes where the file system tells of them, and a look at the end
 * whether it held still.
 */
#ifndef TOZAI_CORE_SOURCE_INPUT_H
#define TOZAI_CORE_SOURCE_INPUT_H

#include "tozai/core/source.h"

struct statx;

struct tz_file_input_options {
    uint32_t block_size; /* hint */
    uint64_t size;       /* bytes to read: of the file, or of the block device */
    bool sparse;         /* look for holes */
    /* The file is ours alone, or a device: there is nothing to compare, entry stays as it is. */
    bool fixed;
};

/* Takes fd in any case. st: what fstat said when it was opened. */
int tz_file_input_new(struct tz_input **ret, int fd, const struct statx *st,
                      const struct tz_file_input_options *options,
                      struct tz_error *err) TZ_MUST_CHECK;

#endif
