#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* RTLD_NEXT */
#endif
#include "key_samples.h"
#include "seeded.h"

#include "tozai/core/pack.h"

#include <dlfcn.h>
#include <zstd.h>
#include <zstd_errors.h>

static const uint8_t header[TZ_PACK_HEADER_SIZE] = "associated data: a pack's header";
static const uint8_t key[TZ_KEY_SIZE] = "the random key of a single pack.";
#define NUMBER 7U

/*
 * A compressor that can be made faulty: this program's ZSTD_compress2() stands in front of the
 * library's.
 */
enum fault { FAULT_NONE, FAULT_FLIP, FAULT_CUT, FAULT_OTHER_CONTENT, FAULT_SHORTER, FAULT_ERROR };
static enum fault fault;

size_t ZSTD_compress2(ZSTD_CCtx *context, void *out, size_t cap, const void *data, size_t len)
{
    typedef size_t compress_fn(ZSTD_CCtx *, void *, size_t, const void *, size_t);
    static compress_fn *real;

    if (!real) {
        void *found = dlsym(RTLD_NEXT, "ZSTD_compress2");
        assert_non_null(found);
        memcpy(&real, &found, sizeof(real));
    }
    if (fault == FAULT_ERROR)
        return (size_t)-ZSTD_error_memory_allocation;
    if (fault == FAULT_OTHER_CONTENT || fault == FAULT_SHORTER) {
        TZ_SCOPED(tz_scoped_free) uint8_t *other = exact_copy(data, len);
        other[len / 2] ^= 1;
        return real(context, out, cap, other, fault == FAULT_SHORTER ? len - 1 : len);
    }
    size_t got = real(context, out, cap, data, len);
    if (fault == FAULT_FLIP)
        ((uint8_t *)out)[got / 2] ^= 0x10;
    return fault == FAULT_CUT ? got - 1 : got;
}

/* A sealed frame in memory of exactly its size. */
struct frame {
    uint8_t *sealed;
    struct tz_frame_info info;
};

static void clear_frame(struct frame *frame)
{
    free(frame->sealed);
}

static struct frame seal(const uint8_t *plain, size_t len)
{
    TZ_SCOPED(tz_scoped_frame_sealer) struct tz_frame_sealer *sealer = NULL;
    TZ_SCOPED(tz_scoped_free) uint8_t *data = malloc(len + TZ_AEAD_TAG);
    struct frame frame = {0};
    size_t sealed_len = 0;

    assert_non_null(data);
    memcpy(data, plain, len);
    assert_int_equal(tz_frame_sealer_new(&sealer, 0, NULL), 0);
    assert_int_equal(
        tz_frame_seal(sealer, header, key, NUMBER, data, len, &sealed_len, &frame.info.codec, NULL),
        0);
    assert_true(sealed_len <= len + TZ_AEAD_TAG);
    frame.info.sealed_len = (uint32_t)sealed_len;
    frame.info.plain_len = (uint32_t)len;
    frame.sealed = exact_copy(data, sealed_len);
    return frame;
}

/* What opening a copy says; out has exactly the room that info claims. */
static enum tz_error_kind open_as(const struct frame *frame, const uint8_t *as_header,
                                  const uint8_t *as_key, uint32_t number, const uint8_t *expected)
{
    TZ_SCOPED(tz_scoped_frame_opener) struct tz_frame_opener *opener = NULL;
    TZ_SCOPED(tz_scoped_free) uint8_t *sealed = exact_copy(frame->sealed, frame->info.sealed_len);
    TZ_SCOPED(tz_scoped_free)
    uint8_t *out =
        malloc(frame->info.plain_len <= TZ_FRAME_PLAIN_MAX ? frame->info.plain_len + 1 : 1);
    struct tz_error err = {0};

    assert_non_null(out);
    assert_int_equal(tz_frame_opener_new(&opener, NULL), 0);
    int status = tz_frame_open(opener, as_header, as_key, number, &frame->info, sealed, out, &err);
    assert_int_equal(status == 0, err.kind == TZ_OK);
    if (status == 0 && expected)
        assert_memory_equal(out, expected, frame->info.plain_len);
    return err.kind;
}

static enum tz_error_kind open_frame(const struct frame *frame, const uint8_t *expected)
{
    return open_as(frame, header, key, NUMBER, expected);
}

/* Barely: random but for the first or the last bytes, so that it gets hardly smaller. */
enum content {
    CONTENT_RANDOM,
    CONTENT_TEXT,
    CONTENT_ZERO,
    CONTENT_BARELY_FIRST,
    CONTENT_BARELY_LAST,
};
#define BARELY 6000U

static uint8_t *make_content(enum content content, size_t len)
{
    struct seeded seeded = {len * 3 + (size_t)content};
    uint8_t *data = calloc(len, 1);

    assert_non_null(data);
    if (content == CONTENT_RANDOM || content >= CONTENT_BARELY_FIRST)
        seeded_fill(&seeded, data, len);
    if (content == CONTENT_BARELY_FIRST)
        memset(data, 0, TZ_MIN(len, BARELY));
    if (content == CONTENT_BARELY_LAST)
        memset(data + len - TZ_MIN(len, BARELY), 0, TZ_MIN(len, BARELY));
    for (size_t i = 0; content == CONTENT_TEXT && i < len; i++)
        data[i] = (uint8_t)("abcdefgh"[seeded_below(&seeded, 8)]);
    return data;
}

static void frames_of_all_sizes_come_back(void **state)
{
    static const size_t sizes[] = {1,     2,      15,     16,       17,
                                   63,    64,     65,     4095,     4096,
                                   65537, 262144, 999999, 4U << 20, TZ_FRAME_PLAIN_MAX};
    (void)state;
    for (size_t i = 0; i < TZ_COUNT(sizes); i++)
        for (enum content content = CONTENT_RANDOM; content <= CONTENT_BARELY_LAST; content++) {
            TZ_SCOPED(tz_scoped_free) uint8_t *plain = make_content(content, sizes[i]);
            TZ_SCOPED(clear_frame) struct frame frame = seal(plain, sizes[i]);
            if (content == CONTENT_RANDOM || sizes[i] < 8)
                assert_int_equal(frame.info.codec, TZ_CODEC_RAW);
            else if (sizes[i] >= 4095)
                assert_int_equal(frame.info.codec, TZ_CODEC_ZSTD);
            assert_int_equal(open_frame(&frame, plain), TZ_OK);
        }
}

static void a_sealer_and_an_opener_serve_many_frames(void **state)
{
    TZ_SCOPED(tz_scoped_frame_sealer) struct tz_frame_sealer *sealer = NULL;
    TZ_SCOPED(tz_scoped_frame_opener) struct tz_frame_opener *opener = NULL;
    struct seeded seeded = {1};

    (void)state;
    assert_int_equal(tz_frame_sealer_new(&sealer, 0, NULL), 0);
    assert_int_equal(tz_frame_opener_new(&opener, NULL), 0);
    for (uint32_t number = 0; number < 200; number++) {
        size_t len = 1 + seeded_below(&seeded, 100000), sealed_len = 0;
        enum content content = (enum content)seeded_below(&seeded, 5);
        TZ_SCOPED(tz_scoped_free) uint8_t *plain = make_content(content, len);
        TZ_SCOPED(tz_scoped_free) uint8_t *data = malloc(len + TZ_AEAD_TAG);
        TZ_SCOPED(tz_scoped_free) uint8_t *out = malloc(len);
        const bool large = seeded_one_in(&seeded, 2);
        uint8_t pack_key[TZ_KEY_SIZE] = {(uint8_t)(number / 7)};
        struct tz_frame_info info = {.plain_len = (uint32_t)len};

        assert_true(data && out);
        memcpy(data, plain, len);
        assert_int_equal(tz_frame_sealer_large(sealer, large, NULL), 0);
        assert_int_equal(tz_frame_seal(sealer, header, pack_key, number, data, len, &sealed_len,
                                       &info.codec, NULL),
                         0);
        info.sealed_len = (uint32_t)sealed_len;
        assert_int_equal(tz_frame_open(opener, header, pack_key, number, &info, data, out, NULL),
                         0);
        assert_memory_equal(out, plain, len);
    }
}

static void every_level_can_be_read(void **state)
{
    TZ_SCOPED(tz_scoped_free) uint8_t *plain = make_content(CONTENT_TEXT, 300000);
    struct tz_error err = {0};

    (void)state;
    for (int level = 0; level <= 19; level++) {
        TZ_SCOPED(tz_scoped_frame_sealer) struct tz_frame_sealer *sealer = NULL;
        TZ_SCOPED(tz_scoped_free) uint8_t *data = malloc(300000 + TZ_AEAD_TAG);
        size_t sealed_len = 0;
        uint8_t codec = 0;

        assert_non_null(data);
        memcpy(data, plain, 300000);
        assert_int_equal(tz_frame_sealer_new(&sealer, level, &err), 0);
        /* The sealer itself opens and compares. */
        assert_int_equal(
            tz_frame_seal(sealer, header, key, 1, data, 300000, &sealed_len, &codec, &err), 0);
        assert_int_equal(codec, TZ_CODEC_ZSTD);
        assert_true(sealed_len < 200000);
    }
}

static void empty_and_oversize_frames_are_refused(void **state)
{
    TZ_SCOPED(tz_scoped_frame_sealer) struct tz_frame_sealer *sealer = NULL;
    uint8_t data[1 + TZ_AEAD_TAG] = {0};
    struct tz_error err = {0};
    size_t sealed_len = 0;
    uint8_t codec = 0;

    (void)state;
    assert_int_equal(tz_frame_sealer_new(&sealer, 0, NULL), 0);
    assert_int_equal(tz_frame_seal(sealer, header, key, 1, data, 0, &sealed_len, &codec, &err), -1);
    assert_int_equal(err.kind, TZ_INVALID);
    assert_int_equal(tz_frame_seal(sealer, header, key, 1, data, TZ_FRAME_PLAIN_MAX + 1,
                                   &sealed_len, &codec, &err),
                     -1);
    assert_int_equal(err.kind, TZ_INVALID);
}

static void every_flipped_bit_is_noticed(void **state)
{
    (void)state;
    for (enum content content = CONTENT_RANDOM; content <= CONTENT_ZERO; content++) {
        TZ_SCOPED(tz_scoped_free) uint8_t *plain = make_content(content, 400);
        TZ_SCOPED(clear_frame) struct frame frame = seal(plain, 400);
        for (size_t bit = 0; bit < 8 * (size_t)frame.info.sealed_len; bit++) {
            frame.sealed[bit / 8] ^= (uint8_t)(1U << bit % 8);
            assert_int_equal(open_frame(&frame, NULL), TZ_CORRUPT);
            frame.sealed[bit / 8] ^= (uint8_t)(1U << bit % 8);
        }
        assert_int_equal(open_frame(&frame, plain), TZ_OK);
    }
}

static void another_place_key_or_header_is_noticed(void **state)
{
    TZ_SCOPED(tz_scoped_free) uint8_t *plain = make_content(CONTENT_TEXT, 5000);
    TZ_SCOPED(clear_frame) struct frame frame = seal(plain, 5000);
    uint8_t other_header[TZ_PACK_HEADER_SIZE], other_key[TZ_KEY_SIZE];

    (void)state;
    assert_int_equal(open_as(&frame, header, key, NUMBER, plain), TZ_OK);
    assert_int_equal(open_as(&frame, header, key, NUMBER + 1, NULL), TZ_CORRUPT);
    assert_int_equal(open_as(&frame, header, key, 0, NULL), TZ_CORRUPT);
    for (size_t i = 0; i < TZ_PACK_HEADER_SIZE; i++) {
        memcpy(other_header, header, sizeof(header));
        other_header[i] ^= 0x80;
        assert_int_equal(open_as(&frame, other_header, key, NUMBER, NULL), TZ_CORRUPT);
    }
    for (size_t i = 0; i < TZ_KEY_SIZE; i++) {
        memcpy(other_key, key, sizeof(key));
        other_key[i] ^= 1;
        assert_int_equal(open_as(&frame, header, other_key, NUMBER, NULL), TZ_CORRUPT);
    }
}

/* The directory is authenticated too, but a frame must not rely on it. */
static void lying_lengths_are_refused(void **state)
{
    static const size_t sizes[] = {1, 100, 5000};
    (void)state;
    for (size_t i = 0; i < TZ_COUNT(sizes); i++)
        for (enum content content = CONTENT_RANDOM; content <= CONTENT_ZERO; content++) {
            TZ_SCOPED(tz_scoped_free) uint8_t *plain = make_content(content, sizes[i]);
            TZ_SCOPED(clear_frame) struct frame frame = seal(plain, sizes[i]);
            const struct tz_frame_info good = frame.info;
            const uint32_t plain_lens[] = {good.plain_len - 1, good.plain_len + 1,
                                           good.plain_len / 2, good.plain_len * 2 + 7,
                                           TZ_FRAME_PLAIN_MAX, TZ_FRAME_PLAIN_MAX + 1,
                                           UINT32_MAX};
            for (size_t k = 0; k < TZ_COUNT(plain_lens); k++) {
                if (plain_lens[k] == good.plain_len)
                    continue;
                frame.info.plain_len = plain_lens[k];
                assert_int_equal(open_frame(&frame, NULL), TZ_CORRUPT);
            }
            frame.info = good;
            for (uint32_t len = 0; len < good.sealed_len; len += 1 + len / 8) {
                frame.info.sealed_len = len;
                assert_int_equal(open_frame(&frame, NULL), TZ_CORRUPT);
            }
            frame.info = good;
            frame.info.codec = good.codec == TZ_CODEC_RAW ? TZ_CODEC_ZSTD : TZ_CODEC_RAW;
            assert_int_equal(open_frame(&frame, NULL), TZ_CORRUPT);
            frame.info.codec = 2;
            assert_int_not_equal(open_frame(&frame, NULL), TZ_OK);
        }
}

/* Sealed by someone who has the key and means ill: what comes out is still bounded. */
static void a_bomb_does_not_go_off(void **state)
{
    const size_t bomb_len = 4U << 20;
    TZ_SCOPED(tz_scoped_free) uint8_t *zeros = calloc(bomb_len, 1);
    TZ_SCOPED(tz_scoped_aead) struct tz_aead *aead = NULL;
    uint8_t packed[2048], sealed[sizeof(packed) + TZ_AEAD_TAG];
    static const uint32_t claims[] = {2048, 4096, 65536, (4U << 20) - 1, (4U << 20) + 1};

    (void)state;
    assert_non_null(zeros);
    assert_int_equal(tz_aead_new(&aead, NULL), 0);
    size_t len = ZSTD_compress(packed, sizeof(packed), zeros, bomb_len, 19);
    assert_false(ZSTD_isError(len));
    assert_int_equal(
        tz_aead_seal(aead, key, NUMBER, header, sizeof(header), packed, len, sealed, NULL), 0);
    for (size_t i = 0; i < TZ_COUNT(claims); i++) {
        TZ_SCOPED(clear_frame)
        struct frame frame = {.sealed = exact_copy(sealed, len + TZ_AEAD_TAG),
                              .info = {.sealed_len = (uint32_t)len + TZ_AEAD_TAG,
                                       .plain_len = claims[i],
                                       .codec = TZ_CODEC_ZSTD}};
        assert_int_equal(open_frame(&frame, NULL), TZ_CORRUPT);
    }
}

static void authentic_garbage_is_refused(void **state)
{
    TZ_SCOPED(tz_scoped_aead) struct tz_aead *aead = NULL;
    struct seeded seeded = {5};

    (void)state;
    assert_int_equal(tz_aead_new(&aead, NULL), 0);
    for (unsigned turn = 0; turn < 500; turn++) {
        size_t len = seeded_below(&seeded, 300);
        uint8_t garbage[300], sealed[300 + TZ_AEAD_TAG];
        seeded_fill(&seeded, garbage, len);
        if (turn % 2 && len > 4)
            memcpy(garbage, "\x28\xb5\x2f\xfd", 4); /* zstd's magic */
        assert_int_equal(
            tz_aead_seal(aead, key, NUMBER, header, sizeof(header), garbage, len, sealed, NULL), 0);
        TZ_SCOPED(clear_frame)
        struct frame frame = {
            .sealed = exact_copy(sealed, len + TZ_AEAD_TAG),
            .info = {.sealed_len = (uint32_t)len + TZ_AEAD_TAG,
                     .plain_len = (uint32_t)(len + seeded_below(&seeded, 1000)) + 1,
                     .codec = TZ_CODEC_ZSTD}};
        assert_int_equal(open_frame(&frame, NULL), TZ_CORRUPT);
    }
}

static void a_faulty_compressor_is_noticed(void **state)
{
    static const enum fault faults[] = {FAULT_FLIP, FAULT_CUT, FAULT_OTHER_CONTENT, FAULT_SHORTER};
    (void)state;
    for (enum content content = CONTENT_TEXT; content <= CONTENT_ZERO; content++)
        for (size_t i = 0; i < TZ_COUNT(faults); i++) {
            TZ_SCOPED(tz_scoped_frame_sealer) struct tz_frame_sealer *sealer = NULL;
            TZ_SCOPED(tz_scoped_free) uint8_t *plain = make_content(content, 9000);
            TZ_SCOPED(tz_scoped_free) uint8_t *data = malloc(9000 + TZ_AEAD_TAG);
            struct tz_error err = {0};
            size_t sealed_len = 0;
            uint8_t codec = 0;

            assert_non_null(data);
            memcpy(data, plain, 9000);
            assert_int_equal(tz_frame_sealer_new(&sealer, 0, NULL), 0);
            fault = faults[i];
            int status =
                tz_frame_seal(sealer, header, key, 1, data, 9000, &sealed_len, &codec, &err);
            fault = FAULT_NONE;
            assert_int_equal(status, -1);
            assert_int_equal(err.kind, TZ_CORRUPT);
            assert_non_null(strstr(err.message, "check a frame before it is stored"));

            /* It was this one frame only. */
            memcpy(data, plain, 9000);
            assert_int_equal(
                tz_frame_seal(sealer, header, key, 1, data, 9000, &sealed_len, &codec, &err), 0);
        }
}

static void a_failing_compressor_is_an_error(void **state)
{
    TZ_SCOPED(tz_scoped_frame_sealer) struct tz_frame_sealer *sealer = NULL;
    uint8_t data[100 + TZ_AEAD_TAG] = {0};
    struct tz_error err = {0};
    size_t sealed_len = 0;
    uint8_t codec = 0;

    (void)state;
    assert_int_equal(tz_frame_sealer_new(&sealer, 0, NULL), 0);
    fault = FAULT_ERROR;
    int status = tz_frame_seal(sealer, header, key, 1, data, 100, &sealed_len, &codec, &err);
    fault = FAULT_NONE;
    assert_int_equal(status, -1);
    assert_int_equal(err.kind, TZ_FAILED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_of_all_sizes_come_back),
        cmocka_unit_test(a_sealer_and_an_opener_serve_many_frames),
        cmocka_unit_test(every_level_can_be_read),
        cmocka_unit_test(empty_and_oversize_frames_are_refused),
        cmocka_unit_test(every_flipped_bit_is_noticed),
        cmocka_unit_test(another_place_key_or_header_is_noticed),
        cmocka_unit_test(lying_lengths_are_refused),
        cmocka_unit_test(a_bomb_does_not_go_off),
        cmocka_unit_test(authentic_garbage_is_refused),
        cmocka_unit_test(a_faulty_compressor_is_noticed),
        cmocka_unit_test(a_failing_compressor_is_an_error),
    };
    return cmocka_run_group_tests(tests, init_crypto, NULL);
}
