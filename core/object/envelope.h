/*
 * The plain text of a small object, which the encryption wraps:
 *
 *   u8 codec, varint length of the body, varint length as stored, the stored bytes, zeros
 *
 * The zeros bring the whole object to a Padmé size.
 */
#ifndef TOZAI_CORE_OBJECT_ENVELOPE_H
#define TOZAI_CORE_OBJECT_ENVELOPE_H

#include "tozai/core/packinfo.h"

/* Append the plain text for a body; around: bytes that come with it in the stored object. */
int tz_envelope_pack(const void *body, size_t len, size_t around, struct tz_buf *out,
                     struct tz_error *err) TZ_MUST_CHECK;
/* Append the body.  Hostile bytes: TZ_CORRUPT, and out is unchanged. */
int tz_envelope_unpack(const void *plain, size_t len, struct tz_buf *out,
                       struct tz_error *err) TZ_MUST_CHECK;

#endif
