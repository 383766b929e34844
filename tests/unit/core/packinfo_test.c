#include "key_samples.h"

/* Frames of these numbers of chunks; the second is stored raw. */
static void fill(struct tz_pack_info *info, const uint32_t *counts, uint32_t frames)
{
    uint64_t offset = TZ_PACK_HEADER_SIZE;
    for (uint32_t i = 0; i < frames; i++) {
        struct tz_frame_info frame = {.offset = offset,
                                      .codec = i == 1 ? TZ_CODEC_RAW : TZ_CODEC_ZSTD,
                                      .first_chunk = info->chunk_count,
                                      .chunk_count = counts[i]};
        for (uint32_t k = 0; k < counts[i]; k++) {
            struct tz_chunk_ref chunk = {.len = 1 + k * 1000};
            tz_random(chunk.id, sizeof(chunk.id));
            frame.plain_len += chunk.len;
            assert_int_equal(tz_pack_info_add_chunk(info, &chunk, NULL), 0);
        }
        frame.sealed_len = TZ_AEAD_TAG + (i == 1 ? frame.plain_len : frame.plain_len / 2);
        offset += frame.sealed_len;
        assert_int_equal(tz_pack_info_add_frame(info, &frame, NULL), 0);
    }
    tz_random(info->hash, sizeof(info->hash));
    tz_random(info->header, sizeof(info->header));
    info->kind = TZ_PACK_DATA;
    info->size = offset + 100;
}

static void assert_same_frames(const struct tz_pack_info *a, const struct tz_pack_info *b)
{
    assert_int_equal(a->frame_count, b->frame_count);
    assert_int_equal(a->chunk_count, b->chunk_count);
    for (uint32_t i = 0; i < a->frame_count; i++) {
        assert_int_equal(a->frames[i].offset, b->frames[i].offset);
        assert_int_equal(a->frames[i].sealed_len, b->frames[i].sealed_len);
        assert_int_equal(a->frames[i].plain_len, b->frames[i].plain_len);
        assert_int_equal(a->frames[i].codec, b->frames[i].codec);
        assert_int_equal(a->frames[i].first_chunk, b->frames[i].first_chunk);
        assert_int_equal(a->frames[i].chunk_count, b->frames[i].chunk_count);
    }
    for (uint32_t i = 0; i < a->chunk_count; i++) {
        assert_memory_equal(a->chunks[i].id, b->chunks[i].id, TZ_ID_SIZE);
        assert_int_equal(a->chunks[i].len, b->chunks[i].len);
    }
}

/* Read a copy of exactly this length, for a pack of this size. */
static enum tz_error_kind try_get(const uint8_t *data, size_t len, uint64_t size)
{
    TZ_SCOPED(tz_scoped_free) uint8_t *copy = exact_copy(data, len);
    TZ_SCOPED(tz_scoped_pack_info) struct tz_pack_info info = {.size = size};
    struct tz_cursor c = tz_cursor(copy, len);
    struct tz_error err = {0};
    int status = tz_pack_info_get_frames(&info, &c, &err);
    assert_int_equal(status == 0, err.kind == TZ_OK);
    assert_int_equal(status == 0, tz_wire_ok(&c));
    return err.kind;
}

static void frames_and_chunks_come_back(void **state)
{
    (void)state;
    static const uint32_t counts[] = {3, 1, 0, 70, 1};
    TZ_SCOPED(tz_scoped_pack_info) struct tz_pack_info info = {0}, back = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
    fill(&info, counts, TZ_COUNT(counts));
    assert_int_equal(tz_pack_info_put_frames(&info, &out, NULL), 0);
    for (int turn = 0; turn < 2; turn++) { /* the second into room that is there */
        struct tz_cursor c = tz_cursor(out.data, out.len);
        back.size = turn ? info.size : 0;
        assert_int_equal(tz_pack_info_get_frames(&back, &c, NULL), 0);
        assert_true(tz_wire_done(&c));
        assert_same_frames(&info, &back);
    }
}

static void what_stands_behind_is_left_to_the_caller(void **state)
{
    (void)state;
    static const uint32_t counts[] = {2};
    TZ_SCOPED(tz_scoped_pack_info) struct tz_pack_info info = {0}, back = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
    fill(&info, counts, 1);
    assert_int_equal(tz_pack_info_put_frames(&info, &out, NULL), 0);
    assert_int_equal(tz_buf_append(&out, "rest", 4, NULL), 0);
    struct tz_cursor c = tz_cursor(out.data, out.len);
    assert_int_equal(tz_pack_info_get_frames(&back, &c, NULL), 0);
    assert_int_equal(tz_left(&c), 4);
}

static void every_cut_is_refused(void **state)
{
    (void)state;
    static const uint32_t counts[] = {3, 1, 2};
    TZ_SCOPED(tz_scoped_pack_info) struct tz_pack_info info = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
    fill(&info, counts, TZ_COUNT(counts));
    assert_int_equal(tz_pack_info_put_frames(&info, &out, NULL), 0);
    for (size_t len = 0; len < out.len; len++)
        assert_int_equal(try_get(out.data, len, info.size), TZ_CORRUPT);
    assert_int_equal(try_get(out.data, out.len, info.size), TZ_OK);
}

static void frames_beyond_the_end_of_the_pack_are_refused(void **state)
{
    (void)state;
    static const uint32_t counts[] = {3, 1, 2};
    TZ_SCOPED(tz_scoped_pack_info) struct tz_pack_info info = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
    fill(&info, counts, TZ_COUNT(counts));
    assert_int_equal(tz_pack_info_put_frames(&info, &out, NULL), 0);
    uint64_t end = info.frames[2].offset + info.frames[2].sealed_len;
    assert_int_equal(try_get(out.data, out.len, end), TZ_OK);
    assert_int_equal(try_get(out.data, out.len, 0), TZ_OK);
    assert_int_equal(try_get(out.data, out.len, end - 1), TZ_CORRUPT);
    assert_int_equal(try_get(out.data, out.len, 1), TZ_CORRUPT);
}

/* One frame with one chunk, written by hand. */
struct odd {
    uint64_t frames, chunks, codec, sealed_len, plain_len, chunk_count, chunk_len;
};

static void put_odd(struct tz_buf *out, const struct odd *odd)
{
    static const uint8_t id[TZ_ID_SIZE] = {1};
    int status =
        tz_put_varint(out, odd->frames, NULL) | tz_put_varint(out, odd->chunks, NULL) |
        tz_put_u8(out, (uint8_t)odd->codec, NULL) | tz_put_varint(out, odd->sealed_len, NULL) |
        tz_put_varint(out, odd->plain_len, NULL) | tz_put_varint(out, odd->chunk_count, NULL) |
        tz_buf_append(out, id, 32, NULL) | tz_put_varint(out, odd->chunk_len, NULL);
    assert_int_equal(status, 0);
}

static void numbers_beyond_their_limits_are_refused(void **state)
{
    (void)state;
    const struct odd good = {1, 1, TZ_CODEC_ZSTD, 50, 100, 1, 100};
    const struct odd also_good = {1, 1, TZ_CODEC_RAW, 116, 100, 1, 100};
    const struct odd bad[] = {
        {0, 1, 1, 50, 100, 1, 100},                           /* no frame */
        {2, 1, 1, 50, 100, 1, 100},                           /* one frame too few */
        {1, 0, 1, 50, 100, 1, 100},                           /* more chunks than said */
        {1, 2, 1, 50, 100, 1, 100},                           /* fewer */
        {1, 1, 2, 50, 100, 1, 100},                           /* codec */
        {1, 1, 0, 50, 100, 1, 100},                           /* raw, but another length */
        {1, 1, 1, 15, 100, 1, 100},                           /* no room for the tag */
        {1, 1, 1, 50, 101, 1, 100},                           /* sum */
        {1, 1, 1, 50, 0, 1, 0},                               /* empty chunk */
        {1, 1, 1, 50, 100, 2, 100},                           /* more chunks in the frame */
        {1, 1, 1, 50, TZ_CHUNK_MAX + 1, 1, TZ_CHUNK_MAX + 1}, /* chunk */
        {1, 1, 1, 50, TZ_FRAME_PLAIN_MAX + 1, 1, 100},        /* frame */
        {1, 1, 1, TZ_PACK_SIZE_MAX, 100, 1, 100},             /* pack */
        {1, 1, 1, UINT64_C(1) << 32, 100, 1, 100},            /* wraps 32 bits */
        {1, 1, 1, (UINT64_C(1) << 32) + 50, 100, 1, 100},     /* as well */
        {1, 1, 1, 50, 100, (UINT64_C(1) << 32) + 1, 100},     /* as well */
        {(UINT64_C(1) << 32) + 1, 1, 1, 50, 100, 1, 100},     /* as well */
        {1, (UINT64_C(1) << 32) + 1, 1, 50, 100, 1, 100},     /* as well */
        {UINT64_MAX, UINT64_MAX, UINT64_MAX, 50, 100, 1, 100},
    };
    for (size_t i = 0; i < TZ_COUNT(bad); i++) {
        TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
        put_odd(&out, &bad[i]);
        assert_int_equal(try_get(out.data, out.len, 0), TZ_CORRUPT);
    }
    TZ_SCOPED(tz_scoped_buf) struct tz_buf first = {0}, second = {0};
    put_odd(&first, &good);
    put_odd(&second, &also_good);
    assert_int_equal(try_get(first.data, first.len, 0), TZ_OK);
    assert_int_equal(try_get(second.data, second.len, 0), TZ_OK);
}

static void a_lying_count_makes_no_room(void **state)
{
    (void)state;
    const struct odd lies[] = {
        {1U << 20, 0, 1, 50, 100, 1, 100},
        {1, 1U << 22, 1, 50, 100, 1, 100},
        {1U << 20, 1U << 22, 1, 50, 100, 1, 100},
        {12, 1, 1, 50, 100, 1, 100},
        {1, 3, 1, 50, 100, 1, 100},
    };
    for (size_t i = 0; i < TZ_COUNT(lies); i++) {
        TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
        TZ_SCOPED(tz_scoped_pack_info) struct tz_pack_info info = {0};
        struct tz_error err = {0};
        put_odd(&out, &lies[i]);
        struct tz_cursor c = tz_cursor(out.data, out.len);
        assert_int_equal(tz_pack_info_get_frames(&info, &c, &err), -1);
        assert_int_equal(err.kind, TZ_CORRUPT);
        assert_int_equal(info.frame_cap, 0);
        assert_int_equal(info.chunk_cap, 0);
    }
}

static void what_disagrees_with_itself_is_not_written(void **state)
{
    (void)state;
    static const uint32_t counts[] = {2, 2};
    for (int what = 0; what < 6; what++) {
        TZ_SCOPED(tz_scoped_pack_info) struct tz_pack_info info = {0};
        TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
        fill(&info, counts, 2);
        if (what == 1)
            info.frames[1].offset++;
        if (what == 2)
            info.frames[0].plain_len++;
        if (what == 3)
            info.frames[1].first_chunk = 1;
        if (what == 4)
            info.chunk_count--;
        if (what == 5)
            info.size = info.frames[1].offset;
        assert_int_equal(tz_pack_info_put_frames(&info, &out, NULL), what ? -1 : 0);
        assert_int_equal(tz_index_add(&out, &info, NULL), what ? -1 : 0);
        if (what)
            assert_int_equal(out.len, 0);
    }
}

struct collected {
    struct tz_pack_info *expected;
    size_t count;
    size_t stop_at;
};

static int collect(void *arg, const struct tz_pack_info *info, struct tz_error *err)
{
    struct collected *collected = arg;
    if (collected->count == collected->stop_at)
        return tz_fail(err, TZ_INTERRUPTED, "enough");
    if (collected->expected) {
        const struct tz_pack_info *expected = &collected->expected[collected->count];
        assert_memory_equal(info->hash, expected->hash, TZ_HASH_SIZE);
        assert_memory_equal(info->header, expected->header, TZ_PACK_HEADER_SIZE);
        assert_int_equal(info->size, expected->size);
        assert_int_equal(info->kind, expected->kind);
        assert_same_frames(info, expected);
    }
    collected->count++;
    return 0;
}

static void make_index(struct tz_buf *out, struct tz_pack_info packs[3])
{
    static const uint32_t counts[3][3] = {{3, 1, 2}, {40, 1, 1}, {1, 2, 0}};
    assert_int_equal(tz_index_begin(out, NULL), 0);
    for (int i = 0; i < 3; i++) {
        fill(&packs[i], counts[i], 3);
        packs[i].kind = i == 1 ? TZ_PACK_MANIFEST : TZ_PACK_DATA;
        assert_int_equal(tz_index_add(out, &packs[i], NULL), 0);
    }
}

static void free_packs(struct tz_pack_info packs[3])
{
    for (int i = 0; i < 3; i++)
        tz_pack_info_clear(&packs[i]);
}

static void an_index_gives_its_packs_in_order(void **state)
{
    (void)state;
    struct tz_pack_info packs[3] = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
    make_index(&out, packs);
    struct collected all = {.expected = packs, .stop_at = SIZE_MAX};
    assert_int_equal(tz_index_read(out.data, out.len, collect, &all, NULL), 0);
    assert_int_equal(all.count, 3);

    struct collected two = {.expected = packs, .stop_at = 2};
    struct tz_error err = {0};
    assert_int_equal(tz_index_read(out.data, out.len, collect, &two, &err), -1);
    assert_int_equal(err.kind, TZ_INTERRUPTED);
    free_packs(packs);
}

static void a_cut_index_is_refused(void **state)
{
    (void)state;
    struct tz_pack_info packs[3] = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
    make_index(&out, packs);
    size_t whole = 0;
    for (size_t len = 0; len <= out.len; len++) {
        TZ_SCOPED(tz_scoped_free) uint8_t *copy = exact_copy(out.data, len);
        struct collected all = {.stop_at = SIZE_MAX};
        struct tz_error err = {0};
        if (tz_index_read(copy, len, collect, &all, &err) == 0)
            whole++;
        else
            assert_int_equal(err.kind, TZ_CORRUPT);
    }
    assert_int_equal(whole, 4); /* between packs it looks like a shorter one: the object's AEAD
                                   sees that */
    free_packs(packs);
}

static void an_index_of_another_version_is_refused(void **state)
{
    (void)state;
    struct collected all = {.stop_at = SIZE_MAX};
    struct tz_error err = {0};
    assert_int_equal(tz_index_read("\x01", 1, collect, &all, &err), 0);
    assert_int_equal(tz_index_read("\x02", 1, collect, &all, &err), -1);
    assert_int_equal(err.kind, TZ_UNSUPPORTED);
    assert_int_equal(tz_index_read("\x00", 1, collect, &all, &err), -1);
    assert_int_equal(err.kind, TZ_CORRUPT);
}

static void packs_that_cannot_be_are_refused(void **state)
{
    (void)state;
    static const uint32_t counts[] = {1};
    TZ_SCOPED(tz_scoped_pack_info) struct tz_pack_info info = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
    struct collected all = {.stop_at = SIZE_MAX};
    fill(&info, counts, 1);
    info.kind = 3;
    assert_int_equal(tz_index_add(&out, &info, NULL), -1);
    info.kind = TZ_PACK_DATA;
    info.size = TZ_PACK_SIZE_MAX + 1;
    assert_int_equal(tz_index_add(&out, &info, NULL), -1);
    info.size = 145; /* two bytes as a varint */
    assert_int_equal(tz_index_begin(&out, NULL), 0);
    assert_int_equal(tz_index_add(&out, &info, NULL), 0);
    assert_int_equal(tz_index_read(out.data, out.len, collect, &all, NULL), 0);
    out.data[1 + 32 + 2] = 3;
    assert_int_equal(tz_index_read(out.data, out.len, collect, &all, NULL), -1);
    out.data[1 + 32 + 2] = TZ_PACK_DATA;
    out.data[1 + 32] = 0x80; /* 128 bytes: only the header */
    assert_int_equal(tz_index_read(out.data, out.len, collect, &all, NULL), -1);
}

static int collect_hash(void *arg, const uint8_t hash[TZ_HASH_SIZE], struct tz_error *err)
{
    (void)err;
    return tz_buf_append(arg, hash, TZ_HASH_SIZE, NULL);
}

static void a_tombstone_gives_its_packs(void **state)
{
    (void)state;
    uint8_t hashes[200][TZ_HASH_SIZE];
    tz_random(hashes, sizeof(hashes));
    const size_t counts[] = {0, 1, 2, 127, 128, 200};
    for (size_t i = 0; i < TZ_COUNT(counts); i++) {
        TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0}, found = {0};
        assert_int_equal(
            tz_tombstone_write(&out, (const uint8_t(*)[TZ_HASH_SIZE])hashes, counts[i], NULL), 0);
        assert_int_equal(tz_tombstone_read(out.data, out.len, collect_hash, &found, NULL), 0);
        assert_int_equal(found.len, counts[i] * TZ_HASH_SIZE);
        if (found.len)
            assert_memory_equal(found.data, hashes, found.len);
    }
}

static void a_damaged_tombstone_condemns_nothing(void **state)
{
    (void)state;
    uint8_t hashes[3][TZ_HASH_SIZE] = {{1}, {2}, {3}};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0}, found = {0};
    struct tz_error err = {0};
    assert_int_equal(tz_tombstone_write(&out, (const uint8_t(*)[TZ_HASH_SIZE])hashes, 3, NULL), 0);
    for (size_t len = 0; len < out.len; len++) {
        TZ_SCOPED(tz_scoped_free) uint8_t *copy = exact_copy(out.data, len);
        assert_int_equal(tz_tombstone_read(copy, len, collect_hash, &found, &err), -1);
        assert_int_equal(err.kind, TZ_CORRUPT);
    }
    assert_int_equal(tz_buf_append(&out, "x", 1, NULL), 0);
    assert_int_equal(tz_tombstone_read(out.data, out.len, collect_hash, &found, &err), -1);
    out.len--;
    out.data[1] = 2;
    assert_int_equal(tz_tombstone_read(out.data, out.len, collect_hash, &found, &err), -1);
    static const uint8_t wraps[] = {1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x08};
    assert_int_equal(tz_tombstone_read(wraps, sizeof(wraps), collect_hash, &found, &err), -1);
    assert_int_equal(err.kind, TZ_CORRUPT);
    out.data[0] = 2;
    assert_int_equal(tz_tombstone_read(out.data, out.len, collect_hash, &found, &err), -1);
    assert_int_equal(err.kind, TZ_UNSUPPORTED);
    assert_int_equal(found.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_and_chunks_come_back),
        cmocka_unit_test(what_stands_behind_is_left_to_the_caller),
        cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(frames_beyond_the_end_of_the_pack_are_refused),
        cmocka_unit_test(numbers_beyond_their_limits_are_refused),
        cmocka_unit_test(a_lying_count_makes_no_room),
        cmocka_unit_test(what_disagrees_with_itself_is_not_written),
        cmocka_unit_test(an_index_gives_its_packs_in_order),
        cmocka_unit_test(a_cut_index_is_refused),
        cmocka_unit_test(an_index_of_another_version_is_refused),
        cmocka_unit_test(packs_that_cannot_be_are_refused),
        cmocka_unit_test(a_tombstone_gives_its_packs),
        cmocka_unit_test(a_damaged_tombstone_condemns_nothing),
    };
    return cmocka_run_group_tests(tests, init_crypto, NULL);
}
