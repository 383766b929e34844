#include "tozai/core/pack.h"

#include <assert.h>
#include <zstd.h>
#include <zstd_errors.h>

#define SCRATCH_STEP ((size_t)1 << 20)
/* zstd decompresses in place if its input ends so far behind the output's end: a block, three
 * bytes for each block of the frame, and the ends (zstd.h, ZSTD_DECOMPRESSION_MARGIN). */
#define MARGIN ((size_t)160 << 10)
static_assert(MARGIN >= ZSTD_BLOCKSIZE_MAX + 22 + 3 * (TZ_FRAME_PLAIN_MAX / ZSTD_BLOCKSIZE_MAX + 1),
              "room to decompress the largest frame in place");

struct tz_frame_sealer {
    ZSTD_CCtx *compressor;
    int level;
    bool large;                     /* the compressor is set up for large files */
    struct tz_frame_opener *opener; /* for the check */
    struct tz_aead *aead;
    uint8_t *sealed; /* the sealed frame */
    uint8_t *plain;  /* what the check read back; MARGIN larger */
    size_t cap;
};

struct tz_frame_opener {
    ZSTD_DCtx *decompressor;
    struct tz_aead *aead;
};

int tz_frame_opener_new(struct tz_frame_opener **ret, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_frame_opener) struct tz_frame_opener *opener = calloc(1, sizeof(*opener));
    if (!opener)
        return tz_fail_nomem(err);
    opener->decompressor = ZSTD_createDCtx();
    if (!opener->decompressor)
        return tz_fail_nomem(err);
    if (tz_aead_new(&opener->aead, err))
        return -1;
    *ret = TZ_TAKE(opener);
    return 0;
}

void tz_frame_opener_free(struct tz_frame_opener *opener)
{
    if (!opener)
        return;
    ZSTD_freeDCtx(opener->decompressor);
    tz_aead_free(opener->aead);
    free(opener);
}

/* What is compressed is decrypted to packed. */
static int open_by(struct tz_frame_opener *opener, const uint8_t header[TZ_PACK_HEADER_SIZE],
                   const uint8_t key[TZ_KEY_SIZE], uint32_t number,
                   const struct tz_frame_info *info, const uint8_t *sealed, uint8_t *packed,
                   uint8_t *out, struct tz_error *err)
{
    if (info->sealed_len < TZ_AEAD_TAG || info->plain_len > TZ_FRAME_PLAIN_MAX)
        return tz_fail(err, TZ_CORRUPT, "frame %u: impossible length", number);
    size_t len = info->sealed_len - TZ_AEAD_TAG;
    bool raw = info->codec == TZ_CODEC_RAW;

    /* No writer keeps what compression made larger. */
    if (raw ? len != info->plain_len : len > info->plain_len)
        return tz_fail(err, TZ_CORRUPT, "frame %u: impossible length", number);
    if (tz_aead_open(opener->aead, key, number, header, TZ_PACK_HEADER_SIZE, sealed,
                     info->sealed_len, raw ? out : packed, err))
        return tz_while(err, "frame %u", number);
    if (raw)
        return 0;
    if (info->codec != TZ_CODEC_ZSTD)
        return tz_fail(err, TZ_UNSUPPORTED, "frame %u: unknown codec %u", number, info->codec);

    size_t got = ZSTD_decompressDCtx(opener->decompressor, out, info->plain_len, packed, len);
    if (ZSTD_isError(got))
        return tz_fail(err, TZ_CORRUPT, "frame %u: %s", number, ZSTD_getErrorName(got));
    if (got != info->plain_len)
        return tz_fail(err, TZ_CORRUPT, "frame %u: %zu bytes instead of %u", number, got,
                       info->plain_len);
    return 0;
}

int tz_frame_open(struct tz_frame_opener *opener, const uint8_t header[TZ_PACK_HEADER_SIZE],
                  const uint8_t key[TZ_KEY_SIZE], uint32_t number, const struct tz_frame_info *info,
                  uint8_t *sealed, uint8_t *out, struct tz_error *err)
{
    return open_by(opener, header, key, number, info, sealed, sealed, out, err);
}

/*
 * Between zstd's levels 2 and 3, with a window of a whole frame and tables that stay in the
 * second-level cache (measured: docs/decisions.md).  The many small files, which are mostly text,
 * gain from the double-fast strategy; programs and databases do not.
 */
struct tuning {
    ZSTD_cParameter parameter;
    int small, large;
};
static const struct tuning tuned[] = {
    {ZSTD_c_windowLog, 22, 22},
    {ZSTD_c_hashLog, 15, 16},
    {ZSTD_c_chainLog, 14, 14},
    {ZSTD_c_minMatch, 5, 5},
    {ZSTD_c_strategy, ZSTD_dfast, ZSTD_fast},
};

static int set_parameters(ZSTD_CCtx *compressor, int level, bool large, struct tz_error *err)
{
    /* A frame that did not get smaller has ended half-way. */
    size_t rc = ZSTD_CCtx_reset(compressor, ZSTD_reset_session_only);

    if (!ZSTD_isError(rc))
        rc = ZSTD_CCtx_setParameter(compressor, ZSTD_c_compressionLevel, level ? level : 2);
    for (size_t i = 0; !level && !ZSTD_isError(rc) && i < TZ_COUNT(tuned); i++)
        rc = ZSTD_CCtx_setParameter(compressor, tuned[i].parameter,
                                    large ? tuned[i].large : tuned[i].small);
    /* The AEAD covers it and the length is in the directory. */
    if (!ZSTD_isError(rc))
        rc = ZSTD_CCtx_setParameter(compressor, ZSTD_c_checksumFlag, 0);
    if (!ZSTD_isError(rc))
        rc = ZSTD_CCtx_setParameter(compressor, ZSTD_c_contentSizeFlag, 0);
    if (ZSTD_isError(rc))
        return tz_fail(err, TZ_FAILED, "set up zstd level %d: %s", level, ZSTD_getErrorName(rc));
    return 0;
}

int tz_frame_sealer_new(struct tz_frame_sealer **ret, int level, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_frame_sealer) struct tz_frame_sealer *sealer = calloc(1, sizeof(*sealer));
    if (!sealer)
        return tz_fail_nomem(err);
    sealer->level = level;
    sealer->compressor = ZSTD_createCCtx();
    if (!sealer->compressor)
        return tz_fail_nomem(err);
    if (set_parameters(sealer->compressor, level, false, err) ||
        tz_frame_opener_new(&sealer->opener, err) || tz_aead_new(&sealer->aead, err))
        return -1;
    *ret = TZ_TAKE(sealer);
    return 0;
}

void tz_frame_sealer_free(struct tz_frame_sealer *sealer)
{
    if (!sealer)
        return;
    ZSTD_freeCCtx(sealer->compressor);
    tz_frame_opener_free(sealer->opener);
    tz_aead_free(sealer->aead);
    free(sealer->sealed);
    free(sealer->plain);
    free(sealer);
}

int tz_frame_sealer_large(struct tz_frame_sealer *sealer, bool large, struct tz_error *err)
{
    if (sealer->large == large)
        return 0;
    if (set_parameters(sealer->compressor, sealer->level, large, err))
        return -1;
    sealer->large = large;
    return 0;
}

/* Scratch space for frames of this length, in steps: the next one may be a little longer. */
static int make_room(struct tz_frame_sealer *sealer, size_t len, struct tz_error *err)
{
    size_t cap = (len + TZ_AEAD_TAG + SCRATCH_STEP - 1) / SCRATCH_STEP * SCRATCH_STEP;
    if (cap <= sealer->cap)
        return 0;
    free(sealer->sealed);
    free(sealer->plain);
    sealer->cap = 0;
    sealer->sealed = malloc(cap);
    sealer->plain = malloc(cap + MARGIN);
    if (!sealer->sealed || !sealer->plain)
        return tz_fail_nomem(err);
    sealer->cap = cap;
    return 0;
}

/* Compress into sealer->sealed; what does not get smaller stays raw. */
static int compress(struct tz_frame_sealer *sealer, const uint8_t *data, size_t len,
                    size_t *ret_len, uint8_t *ret_codec, struct tz_error *err)
{
    size_t got = ZSTD_compress2(sealer->compressor, sealer->sealed, len, data, len);

    if (ZSTD_isError(got) && ZSTD_getErrorCode(got) != ZSTD_error_dstSize_tooSmall)
        return tz_fail(err, TZ_FAILED, "compress: %s", ZSTD_getErrorName(got));
    bool smaller = !ZSTD_isError(got) && got < len;
    *ret_len = smaller ? got : len;
    *ret_codec = smaller ? TZ_CODEC_ZSTD : TZ_CODEC_RAW;
    return 0;
}

/* Does the sealed frame read back as data? */
static int check(struct tz_frame_sealer *sealer, const uint8_t header[TZ_PACK_HEADER_SIZE],
                 const uint8_t key[TZ_KEY_SIZE], uint32_t number, const uint8_t *data, size_t len,
                 size_t sealed_len, uint8_t codec, struct tz_error *err)
{
    struct tz_frame_info info = {
        .sealed_len = (uint32_t)sealed_len, .plain_len = (uint32_t)len, .codec = codec};
    /* It is decompressed towards its own end. */
    uint8_t *packed = sealer->plain + len + MARGIN - (sealed_len - TZ_AEAD_TAG);

    if (open_by(sealer->opener, header, key, number, &info, sealer->sealed, packed, sealer->plain,
                err) ||
        (memcmp(sealer->plain, data, len) != 0 &&
         tz_fail(err, TZ_CORRUPT, "frame %u: it reads back as other bytes", number)))
        return tz_while(err, "check a frame before it is stored (faulty memory or library?)");
    return 0;
}

int tz_frame_seal(struct tz_frame_sealer *sealer, const uint8_t header[TZ_PACK_HEADER_SIZE],
                  const uint8_t key[TZ_KEY_SIZE], uint32_t number, uint8_t *data, size_t len,
                  size_t *ret_sealed_len, uint8_t *ret_codec, struct tz_error *err)
{
    size_t packed = 0;
    uint8_t codec = TZ_CODEC_RAW;

    if (len == 0 || len > TZ_FRAME_PLAIN_MAX)
        return tz_fail(err, TZ_INVALID, "a frame of %zu bytes", len);
    if (make_room(sealer, len, err) || compress(sealer, data, len, &packed, &codec, err))
        return -1;
    const uint8_t *plain = codec == TZ_CODEC_RAW ? data : sealer->sealed;
    if (tz_aead_seal(sealer->aead, key, number, header, TZ_PACK_HEADER_SIZE, plain, packed,
                     sealer->sealed, err) ||
        check(sealer, header, key, number, data, len, packed + TZ_AEAD_TAG, codec, err))
        return -1;
    memcpy(data, sealer->sealed, packed + TZ_AEAD_TAG);
    *ret_sealed_len = packed + TZ_AEAD_TAG;
    *ret_codec = codec;
    return 0;
}
