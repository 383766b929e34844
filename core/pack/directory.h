/*
 * A pack's directory once it is decrypted.
 */
#ifndef TOZAI_PACK_DIRECTORY_H
#define TOZAI_PACK_DIRECTORY_H

#include "tozai/core/pack.h"

/* Fill in the frames and chunks of info, whose size is set.  begin: where the directory begins in
 * the pack, so where the frames must end.  Hostile bytes: TZ_CORRUPT. */
int tz_pack_directory_parse(struct tz_pack_info *info, const uint8_t *plain, size_t len,
                            uint64_t begin, struct tz_error *err) TZ_MUST_CHECK;

#endif
