#include "tozai/util/wire.h"

#include <stdlib.h>
#include <string.h>

#include "tozai/util/banned.h"

/* A 64-bit number in groups of seven bits. */
#define VARINT_MAX_LEN 10

int tz_put_u8(struct tz_buf *buf, uint8_t v, struct tz_error *err)
{
    return tz_buf_append(buf, &v, sizeof(v), err);
}

int tz_put_u16(struct tz_buf *buf, uint16_t v, struct tz_error *err)
{
    uint8_t bytes[sizeof(v)];

    tz_store_le16(bytes, v);
    return tz_buf_append(buf, bytes, sizeof(bytes), err);
}

int tz_put_u32(struct tz_buf *buf, uint32_t v, struct tz_error *err)
{
    uint8_t bytes[sizeof(v)];

    tz_store_le32(bytes, v);
    return tz_buf_append(buf, bytes, sizeof(bytes), err);
}

int tz_put_u64(struct tz_buf *buf, uint64_t v, struct tz_error *err)
{
    uint8_t bytes[sizeof(v)];

    tz_store_le64(bytes, v);
    return tz_buf_append(buf, bytes, sizeof(bytes), err);
}

int tz_put_varint(struct tz_buf *buf, uint64_t v, struct tz_error *err)
{
    uint8_t bytes[VARINT_MAX_LEN];
    size_t len = 0;

    while (v >= 0x80) {
        bytes[len++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    bytes[len++] = (uint8_t)v;
    return tz_buf_append(buf, bytes, len, err);
}

/* 0, -1, 1, -2, … become 0, 1, 2, 3, … */
int tz_put_svarint(struct tz_buf *buf, int64_t v, struct tz_error *err)
{
    uint64_t twice = (uint64_t)v << 1;

    return tz_put_varint(buf, v < 0 ? ~twice : twice, err);
}

int tz_put_bytes(struct tz_buf *buf, const void *data, size_t len, struct tz_error *err)
{
    size_t before = buf->len;

    if (tz_put_varint(buf, len, err))
        return -1;
    if (tz_buf_append(buf, data, len, err)) {
        buf->len = before;
        return -1;
    }
    return 0;
}

int tz_put_text(struct tz_buf *buf, const char *text, struct tz_error *err)
{
    return tz_put_bytes(buf, text, strlen(text), err);
}

uint8_t tz_get_u8(struct tz_cursor *c)
{
    const uint8_t *p = tz_get_raw(c, sizeof(uint8_t));

    return p ? *p : 0;
}

uint16_t tz_get_u16(struct tz_cursor *c)
{
    const uint8_t *p = tz_get_raw(c, sizeof(uint16_t));

    return p ? tz_load_le16(p) : 0;
}

uint32_t tz_get_u32(struct tz_cursor *c)
{
    const uint8_t *p = tz_get_raw(c, sizeof(uint32_t));

    return p ? tz_load_le32(p) : 0;
}

uint64_t tz_get_u64(struct tz_cursor *c)
{
    const uint8_t *p = tz_get_raw(c, sizeof(uint64_t));

    return p ? tz_load_le64(p) : 0;
}

uint64_t tz_get_varint(struct tz_cursor *c)
{
    uint64_t v = 0;

    for (unsigned shift = 0; !c->failed && c->at < c->end; shift += 7) {
        uint8_t byte = *c->at++;

        /* The tenth byte holds bit 63 only, and is the last. */
        if (shift == 63 && byte > 1)
            break;
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte & 0x80)
            continue;
        /* One value, one spelling: a last group of zeros was not needed. */
        if (byte == 0 && shift > 0)
            break;
        return v;
    }
    tz_wire_bad(c);
    return 0;
}

int64_t tz_get_svarint(struct tz_cursor *c)
{
    uint64_t v = tz_get_varint(c);
    int64_t half = (int64_t)(v >> 1);

    return v & 1 ? -half - 1 : half;
}

const uint8_t *tz_get_raw(struct tz_cursor *c, size_t len)
{
    if (c->failed || len > tz_left(c)) {
        tz_wire_bad(c);
        return NULL;
    }
    const uint8_t *data = c->at;
    c->at += len;
    return data;
}

const uint8_t *tz_get_bytes(struct tz_cursor *c, size_t max, size_t *ret_len)
{
    *ret_len = 0;
    uint64_t len = tz_get_varint(c);
    if (c->failed || len > max || len > tz_left(c)) {
        tz_wire_bad(c);
        return NULL;
    }
    *ret_len = (size_t)len;
    return tz_get_raw(c, (size_t)len);
}

char *tz_get_text(struct tz_cursor *c, size_t max)
{
    size_t len;
    const uint8_t *data = tz_get_bytes(c, max, &len);

    if (!data)
        return NULL;
    char *text = memchr(data, '\0', len) ? NULL : malloc(len + 1);
    if (!text) {
        tz_wire_bad(c);
        return NULL;
    }
    memcpy(text, data, len);
    text[len] = '\0';
    return text;
}
