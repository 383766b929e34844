/*
 * Frames that are fetched before they are asked for: a queue in the order in which they will be.
 *
 * One thread owns it; its workers fetch.
 */
#ifndef TOZAI_PACK_EXPECTED_H
#define TOZAI_PACK_EXPECTED_H

#include "tozai/core/chunkreader.h"

struct tz_expected;

int tz_expected_new(struct tz_expected **ret, struct tz_mirror *mirror,
                    struct tz_error *err) TZ_MUST_CHECK;
/* Waits for what is on its way. */
void tz_expected_free(struct tz_expected *expected);

bool tz_expected_has_room(const struct tz_expected *expected);
/* Count one more use, if it is in the queue. */
bool tz_expected_want(struct tz_expected *expected, int64_t pack, uint32_t frame);
/* The last of the queue from now on; there must be room.  The key is copied. */
void tz_expected_fetch(struct tz_expected *expected, const struct tz_catalog_pack *pack,
                       const uint8_t key[TZ_KEY_SIZE], uint32_t frame,
                       const struct tz_frame_info *info);
/*
 * Take a frame out, once it has come, and what is before it: that was passed over.  plain is
 * replaced.  *ret_found false: it is not there; if the queue was full, nobody took what was first.
 * Fails as tz_frame_fetch().
 */
int tz_expected_take(struct tz_expected *expected, int64_t pack, uint32_t frame,
                     struct tz_buf *plain, unsigned *ret_wanted, uint32_t *ret_failed_stores,
                     bool *ret_found, struct tz_error *err) TZ_MUST_CHECK;

#endif
