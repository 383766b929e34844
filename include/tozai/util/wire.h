/*
 * The encoding of everything tozai stores: little-endian integers, LEB128 variable-length
 * integers, and byte strings.
 *
 * Writing appends to a tz_buf.  Reading goes through a cursor that remembers the first failure:
 * after it every read gives zero, so a parser reads a whole record and then asks once with
 * tz_wire_ok().  No read ever goes beyond the end, whatever the bytes say.
 */
#ifndef TOZAI_UTIL_WIRE_H
#define TOZAI_UTIL_WIRE_H

#include "tozai/util/buf.h"

#include <stdbool.h>
#include <string.h>

static inline void tz_store_le16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

static inline void tz_store_le32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

static inline void tz_store_le64(uint8_t *p, uint64_t v)
{
    for (int i = 0; i < 8; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

static inline uint16_t tz_load_le16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t tz_load_le32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t tz_load_le64(const uint8_t *p)
{
    return (uint64_t)tz_load_le32(p) | (uint64_t)tz_load_le32(p + 4) << 32;
}

int tz_put_u8(struct tz_buf *buf, uint8_t v, struct tz_error *err) TZ_MUST_CHECK;
int tz_put_u16(struct tz_buf *buf, uint16_t v, struct tz_error *err) TZ_MUST_CHECK;
int tz_put_u32(struct tz_buf *buf, uint32_t v, struct tz_error *err) TZ_MUST_CHECK;
int tz_put_u64(struct tz_buf *buf, uint64_t v, struct tz_error *err) TZ_MUST_CHECK;
/* 1 to 10 bytes, seven bits each, low bits first. */
int tz_put_varint(struct tz_buf *buf, uint64_t v, struct tz_error *err) TZ_MUST_CHECK;
/* Signed numbers near zero stay short (zigzag). */
int tz_put_svarint(struct tz_buf *buf, int64_t v, struct tz_error *err) TZ_MUST_CHECK;
/* A varint length and the bytes. */
int tz_put_bytes(struct tz_buf *buf, const void *data, size_t len,
                 struct tz_error *err) TZ_MUST_CHECK;
int tz_put_text(struct tz_buf *buf, const char *text, struct tz_error *err) TZ_MUST_CHECK;

struct tz_cursor {
    const uint8_t *at;
    const uint8_t *end;
    bool failed;
};

static inline struct tz_cursor tz_cursor(const void *data, size_t len)
{
    /* An empty buffer has no memory; the cursor still points somewhere. */
    const uint8_t *p = data ? data : (const void *)"";
    return (struct tz_cursor){.at = p, .end = p + len};
}

static inline size_t tz_left(const struct tz_cursor *c)
{
    return (size_t)(c->end - c->at);
}

uint8_t tz_get_u8(struct tz_cursor *c);
uint16_t tz_get_u16(struct tz_cursor *c);
uint32_t tz_get_u32(struct tz_cursor *c);
uint64_t tz_get_u64(struct tz_cursor *c);
/* Fails on a varint that is cut, has more than 64 bits or is longer than it need be. */
uint64_t tz_get_varint(struct tz_cursor *c);
int64_t tz_get_svarint(struct tz_cursor *c);
/* len bytes in place, or NULL after a failure; they live as long as the buffer read from. */
const uint8_t *tz_get_raw(struct tz_cursor *c, size_t len);
/* A length-prefixed string of at most max bytes, in place. */
const uint8_t *tz_get_bytes(struct tz_cursor *c, size_t max, size_t *ret_len);
/* The same, copied and NUL-terminated; fails on an inner NUL.  NULL after a failure. */
char *tz_get_text(struct tz_cursor *c, size_t max);

/* Mark the input as wrong. */
static inline void tz_wire_bad(struct tz_cursor *c)
{
    c->failed = true;
    c->at = c->end;
}

static inline bool tz_wire_ok(const struct tz_cursor *c)
{
    return !c->failed;
}

/* All was read, and rightly. */
static inline bool tz_wire_done(const struct tz_cursor *c)
{
    return !c->failed && c->at == c->end;
}

#endif
