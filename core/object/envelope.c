#include "envelope.h"

#include <zstd.h>

#include "tozai/util/banned.h"

#define COMPRESSION_LEVEL 3

uint64_t tz_padme(uint64_t len)
{
    unsigned exponent = 0, exponent_bits = 0;
    while (exponent < 63 && len >> (exponent + 1))
        exponent++;
    while (exponent >> exponent_bits)
        exponent_bits++;
    if (exponent <= exponent_bits)
        return len;
    uint64_t mask = (UINT64_C(1) << (exponent - exponent_bits)) - 1;
    return len > UINT64_MAX - mask ? len : (len + mask) & ~mask;
}

/* Compress into a new buffer; an empty one says that it does not pay. */
static int compress(struct tz_buf *stored, const void *body, size_t len, struct tz_error *err)
{
    size_t bound = ZSTD_compressBound(len);
    if (tz_buf_reserve(stored, bound, err))
        return -1;
    size_t size = ZSTD_compress(stored->data, bound, body, len, COMPRESSION_LEVEL);
    if (ZSTD_isError(size))
        return tz_fail(err, TZ_FAILED, "zstd: %s", ZSTD_getErrorName(size));
    stored->len = size < len ? size : 0;
    return 0;
}

static int pad(struct tz_buf *out, size_t begin, size_t around, struct tz_error *err)
{
    size_t len = out->len - begin;
    size_t zeros = (size_t)tz_padme(len + around) - around - len;
    if (len + zeros + around > TZ_OBJECT_MAX)
        return tz_fail(err, TZ_INVALID, "an object of %zu bytes is too large", len);
    if (tz_buf_reserve(out, zeros, err))
        return -1;
    if (zeros)
        memset(out->data + out->len, 0, zeros);
    out->len += zeros;
    return 0;
}

static int append(const void *body, size_t len, size_t around, struct tz_buf *out,
                  struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf stored = {0};
    if (compress(&stored, body, len, err))
        return -1;
    size_t begin = out->len;
    const void *data = stored.len ? stored.data : body;
    size_t size = stored.len ? stored.len : len;
    if (tz_put_u8(out, stored.len ? TZ_CODEC_ZSTD : TZ_CODEC_RAW, err) ||
        tz_put_varint(out, len, err) || tz_put_bytes(out, data, size, err))
        return -1;
    return pad(out, begin, around, err);
}

int tz_envelope_pack(const void *body, size_t len, size_t around, struct tz_buf *out,
                     struct tz_error *err)
{
    if (len > TZ_OBJECT_MAX)
        return tz_fail(err, TZ_INVALID, "an object of %zu bytes is too large", len);
    size_t begin = out->len;
    if (append(body, len, around, out, err)) {
        out->len = begin;
        return -1;
    }
    return 0;
}

static bool all_zero(const uint8_t *data, size_t len)
{
    uint8_t all = 0;
    for (size_t i = 0; i < len; i++)
        all |= data[i];
    return all == 0;
}

static int decompress(struct tz_buf *out, size_t len, const uint8_t *stored, size_t stored_len,
                      struct tz_error *err)
{
    /* Ask before making room: a lying length costs nothing then. */
    if (ZSTD_getFrameContentSize(stored, stored_len) != len)
        return tz_fail(err, TZ_CORRUPT, "the object's length is not that of its zstd frame");
    if (tz_buf_reserve(out, len, err))
        return -1;
    size_t size = ZSTD_decompress(out->data + out->len, len, stored, stored_len);
    if (ZSTD_isError(size) || size != len)
        return tz_fail(err, TZ_CORRUPT, "the object cannot be decompressed: %s",
                       ZSTD_isError(size) ? ZSTD_getErrorName(size) : "wrong length");
    out->len += len;
    return 0;
}

int tz_envelope_unpack(const void *plain, size_t len, struct tz_buf *out, struct tz_error *err)
{
    struct tz_cursor c = tz_cursor(plain, len);
    uint8_t codec = tz_get_u8(&c);
    uint64_t body_len = tz_get_varint(&c);
    size_t stored_len = 0;
    const uint8_t *stored = tz_get_bytes(&c, TZ_OBJECT_MAX, &stored_len);
    if (!tz_wire_ok(&c) || body_len > TZ_OBJECT_MAX || !all_zero(c.at, tz_left(&c)))
        return tz_fail(err, TZ_CORRUPT, "the object's content is damaged");

    if (codec == TZ_CODEC_ZSTD)
        return decompress(out, (size_t)body_len, stored, stored_len, err);
    if (codec != TZ_CODEC_RAW || stored_len != body_len)
        return tz_fail(err, TZ_CORRUPT, "the object's content is damaged");
    return tz_buf_append(out, stored, stored_len, err);
}
