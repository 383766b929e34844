#include "key_samples.h"
#include "seeded.h"

#include "core/pack/directory.h"

/* A whole pack, and what its writer knows of it. */
struct pack {
    struct tz_blob *blob;
    struct tz_pack_info info;
    uint8_t key[TZ_KEY_SIZE];
    uint8_t *plain; /* of all frames, one after the other */
    size_t frames_end;
};

static struct tz_keys *keys, *other, *writer;

static int make_all_keys(void **state)
{
    if (init_crypto(state))
        return -1;
    keys = make_keys(1);
    other = make_keys(2);
    writer = make_writer(keys);
    return 0;
}

static int free_all_keys(void **state)
{
    (void)state;
    tz_keys_free(keys);
    tz_keys_free(other);
    tz_keys_free(writer);
    return 0;
}

static void clear_pack(struct pack *pack)
{
    tz_blob_drop(pack->blob);
    tz_pack_info_clear(&pack->info);
    free(pack->plain);
}

/* The header and these frames of one to four chunks each, without what stands behind them. */
static struct pack begin_pack(const size_t *sizes, size_t count, size_t room)
{
    TZ_SCOPED(tz_scoped_frame_sealer) struct tz_frame_sealer *sealer = NULL;
    struct pack pack = {.info = {.kind = TZ_PACK_DATA}};
    struct seeded seeded = {count + 1};
    size_t all = 0, at = 0;

    for (size_t i = 0; i < count; i++)
        all += sizes[i] + TZ_AEAD_TAG;
    pack.plain = malloc(all + 1);
    assert_non_null(pack.plain);
    assert_int_equal(tz_blob_new(&pack.blob, TZ_PACK_HEADER_SIZE + all + room, NULL), 0);
    assert_int_equal(tz_pack_header_make(keys, TZ_PACK_DATA, pack.info.header, pack.key, NULL), 0);
    memcpy(pack.blob->data, pack.info.header, TZ_PACK_HEADER_SIZE);
    pack.blob->len = TZ_PACK_HEADER_SIZE;
    assert_int_equal(tz_frame_sealer_new(&sealer, 0, NULL), 0);
    for (size_t i = 0; i < count; at += sizes[i++]) {
        struct tz_frame_info frame = {.offset = pack.blob->len,
                                      .plain_len = (uint32_t)sizes[i],
                                      .first_chunk = pack.info.chunk_count,
                                      .chunk_count = (uint32_t)TZ_MIN(sizes[i], i % 4 + 1)};
        uint8_t *data = pack.blob->data + pack.blob->len;
        size_t sealed_len = 0;

        seeded_fill(&seeded, pack.plain + at, i % 2 ? sizes[i] : sizes[i] / 2);
        if (i % 2 == 0)
            memset(pack.plain + at + sizes[i] / 2, 'x', sizes[i] - sizes[i] / 2);
        for (uint32_t k = 0, left = frame.plain_len; k < frame.chunk_count; k++) {
            struct tz_chunk_ref ref = {.len = k + 1 == frame.chunk_count ? left : 1};
            seeded_fill(&seeded, ref.id, sizeof(ref.id));
            left -= ref.len;
            assert_int_equal(tz_pack_info_add_chunk(&pack.info, &ref, NULL), 0);
        }
        memcpy(data, pack.plain + at, sizes[i]);
        assert_int_equal(tz_frame_seal(sealer, pack.info.header, pack.key, (uint32_t)i, data,
                                       sizes[i], &sealed_len, &frame.codec, NULL),
                         0);
        frame.sealed_len = (uint32_t)sealed_len;
        pack.blob->len += sealed_len;
        assert_int_equal(tz_pack_info_add_frame(&pack.info, &frame, NULL), 0);
    }
    pack.frames_end = pack.blob->len;
    return pack;
}

static struct pack make_pack(const size_t *sizes, size_t count, bool pad)
{
    struct pack pack = begin_pack(sizes, count, 2U << 20);
    struct tz_error err = {0};

    if (tz_pack_finish(pack.blob, &pack.info, pack.key, pad, &err))
        fail_msg("%s", err.message);
    return pack;
}

/* What reading a copy of exactly this length says. */
static enum tz_error_kind read_as(const struct tz_keys *as, const uint8_t *data, size_t len,
                                  const struct tz_pack_info *expected)
{
    TZ_SCOPED(tz_scoped_free) uint8_t *copy = exact_copy(data, len);
    TZ_SCOPED(tz_scoped_pack_info) struct tz_pack_info info = {0};
    struct tz_error err = {0};
    int status = tz_pack_directory(as, copy, len, &info, &err);

    assert_int_equal(status == 0, err.kind == TZ_OK);
    if (status == 0 && expected) {
        assert_int_equal(info.size, expected->size);
        assert_int_equal(info.kind, expected->kind);
        assert_memory_equal(info.header, expected->header, TZ_PACK_HEADER_SIZE);
        assert_int_equal(info.frame_count, expected->frame_count);
        assert_int_equal(info.chunk_count, expected->chunk_count);
        for (uint32_t i = 0; i < info.frame_count; i++) {
            assert_int_equal(info.frames[i].offset, expected->frames[i].offset);
            assert_int_equal(info.frames[i].sealed_len, expected->frames[i].sealed_len);
            assert_int_equal(info.frames[i].plain_len, expected->frames[i].plain_len);
            assert_int_equal(info.frames[i].codec, expected->frames[i].codec);
            assert_int_equal(info.frames[i].first_chunk, expected->frames[i].first_chunk);
            assert_int_equal(info.frames[i].chunk_count, expected->frames[i].chunk_count);
        }
        for (uint32_t i = 0; i < info.chunk_count; i++) {
            assert_memory_equal(info.chunks[i].id, expected->chunks[i].id, TZ_ID_SIZE);
            assert_int_equal(info.chunks[i].len, expected->chunks[i].len);
        }
    }
    return err.kind;
}

static enum tz_error_kind read_pack(const struct pack *pack)
{
    return read_as(keys, pack->blob->data, pack->blob->len, &pack->info);
}

static const size_t some_sizes[] = {1000, 1, 70000, 30, 4096, 12345};

static void a_pack_can_be_read_from_itself_alone(void **state)
{
    (void)state;
    for (size_t count = 0; count <= TZ_COUNT(some_sizes); count++)
        for (int pad = 0; pad < 2; pad++) {
            TZ_SCOPED(clear_pack) struct pack pack = make_pack(some_sizes, count, pad);
            TZ_SCOPED(tz_scoped_frame_opener) struct tz_frame_opener *opener = NULL;
            uint8_t key[TZ_KEY_SIZE], hash[TZ_HASH_SIZE];
            size_t at = 0;

            assert_int_equal(read_pack(&pack), TZ_OK);
            assert_int_equal(tz_sha256(hash, pack.blob->data, pack.blob->len, NULL), 0);
            assert_memory_equal(hash, pack.info.hash, TZ_HASH_SIZE);
            assert_int_equal(pack.info.size, pack.blob->len);

            assert_int_equal(tz_pack_header_open(keys, pack.blob->data, key, NULL), 0);
            assert_memory_equal(key, pack.key, TZ_KEY_SIZE);
            assert_int_equal(tz_frame_opener_new(&opener, NULL), 0);
            for (uint32_t i = 0; i < pack.info.frame_count; i++) {
                const struct tz_frame_info *frame = &pack.info.frames[i];
                TZ_SCOPED(tz_scoped_free) uint8_t *out = malloc(frame->plain_len);
                assert_int_equal(tz_frame_open(opener, pack.blob->data, key, i, frame,
                                               pack.blob->data + frame->offset, out, NULL),
                                 0);
                assert_memory_equal(out, pack.plain + at, frame->plain_len);
                at += frame->plain_len;
            }
        }
}

static void a_padded_pack_has_a_padme_size(void **state)
{
    (void)state;
    for (size_t count = 1; count <= TZ_COUNT(some_sizes); count++) {
        TZ_SCOPED(clear_pack) struct pack bare = make_pack(some_sizes, count, false);
        TZ_SCOPED(clear_pack) struct pack padded = make_pack(some_sizes, count, true);

        assert_int_equal(tz_padme(padded.info.size), padded.info.size);
        assert_int_equal(padded.info.size, tz_padme(bare.info.size));
        assert_true(padded.info.size <= bare.info.size + bare.info.size / 8);
    }
}

/* Where the padding begins is nobody's business: it is inside of the directory's encryption. */
static void padding_looks_like_anything_else(void **state)
{
    const size_t sizes[] = {1, 33500}; /* a little more than two to the fifteenth */
    TZ_SCOPED(clear_pack) struct pack pack = make_pack(sizes, 2, true);
    size_t zeros = 0, run = 0;

    (void)state;
    for (size_t i = pack.frames_end; i < pack.blob->len; i++) {
        run = pack.blob->data[i] ? 0 : run + 1;
        zeros += pack.blob->data[i] == 0;
        assert_true(run < 6);
    }
    assert_true(pack.blob->len - pack.frames_end > 500);
    assert_true(zeros < (pack.blob->len - pack.frames_end) / 50);
}

static void the_room_for_the_tail_is_enough(void **state)
{
    (void)state;
    struct seeded seeded = {9};

    for (unsigned turn = 0; turn < 40; turn++) {
        size_t sizes[40], count = 1 + seeded_below(&seeded, TZ_COUNT(sizes));
        for (size_t i = 0; i < count; i++)
            sizes[i] = 1 + seeded_below(&seeded, turn % 2 ? 3000 : 60);
        TZ_SCOPED(clear_pack) struct pack pack = begin_pack(sizes, count, 0);
        size_t room = tz_pack_tail_max(&pack.info, pack.blob->len);
        struct tz_blob *exact = NULL;
        /* Not a byte more, however much the allocator gave. */
        assert_int_equal(tz_blob_new(&exact, pack.blob->len + room, NULL), 0);
        exact->cap = pack.blob->len + room;
        memcpy(exact->data, pack.blob->data, pack.blob->len);
        exact->len = pack.blob->len;
        tz_blob_drop(pack.blob);
        pack.blob = exact;
        assert_int_equal(tz_pack_finish(pack.blob, &pack.info, pack.key, true, NULL), 0);
        assert_int_equal(read_pack(&pack), TZ_OK);
    }
}

static void without_room_nothing_is_written_beyond_it(void **state)
{
    TZ_SCOPED(clear_pack) struct pack pack = begin_pack(some_sizes, 3, 2U << 20);
    size_t whole = 0;
    struct tz_error err = {0};

    (void)state;
    {
        TZ_SCOPED(clear_pack) struct pack same = make_pack(some_sizes, 3, false);
        whole = same.blob->len;
    }
    size_t len = pack.blob->len;
    for (size_t cap = len; cap <= whole; cap++) {
        pack.blob->len = len;
        pack.blob->cap = cap;
        memset(pack.blob->data + len, 0xa5, whole - len);
        int status = tz_pack_finish(pack.blob, &pack.info, pack.key, false, &err);
        assert_int_equal(status, cap == whole ? 0 : -1);
        for (size_t i = cap; i < whole; i++)
            assert_int_equal(pack.blob->data[i], 0xa5);
    }
}

static void a_cut_pack_is_refused(void **state)
{
    TZ_SCOPED(clear_pack) struct pack pack = make_pack(some_sizes, 4, true);

    (void)state;
    for (size_t len = 0; len < pack.blob->len; len += len < 400 ? 1 : 611)
        assert_int_equal(read_as(keys, pack.blob->data, len, NULL), TZ_CORRUPT);
    for (size_t cut = 1; cut < 200; cut++)
        assert_int_equal(read_as(keys, pack.blob->data, pack.blob->len - cut, NULL), TZ_CORRUPT);
}

static void a_longer_pack_is_refused(void **state)
{
    TZ_SCOPED(clear_pack) struct pack pack = make_pack(some_sizes, 2, false);

    (void)state;
    for (size_t more = 1; more < 40; more++) {
        pack.blob->data[pack.blob->len + more - 1] = 0;
        assert_int_equal(read_as(keys, pack.blob->data, pack.blob->len + more, NULL), TZ_CORRUPT);
    }
}

/* Header, directory and trailer; the frames have tests of their own. */
static void every_flipped_bit_is_noticed(void **state)
{
    const size_t sizes[] = {300, 20};
    TZ_SCOPED(clear_pack) struct pack pack = make_pack(sizes, 2, false);

    (void)state;
    for (size_t bit = 0; bit < 8 * pack.blob->len; bit++) {
        if (bit == 8 * (size_t)TZ_PACK_HEADER_SIZE)
            bit = 8 * pack.frames_end;
        pack.blob->data[bit / 8] ^= (uint8_t)(1U << bit % 8);
        enum tz_error_kind kind = read_as(keys, pack.blob->data, pack.blob->len, NULL);
        bool version = bit / 8 >= 8 && bit / 8 < 12, epoch = bit / 8 >= 32 && bit / 8 < 36;
        assert_int_not_equal(kind, TZ_OK);
        if (!version && !epoch)
            assert_int_equal(kind, TZ_CORRUPT);
        pack.blob->data[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    assert_int_equal(read_pack(&pack), TZ_OK);
}

static void other_keys_do_not_open_it(void **state)
{
    TZ_SCOPED(clear_pack) struct pack pack = make_pack(some_sizes, 2, false);

    (void)state;
    assert_int_equal(read_as(other, pack.blob->data, pack.blob->len, NULL), TZ_CORRUPT);
    assert_int_equal(read_as(writer, pack.blob->data, pack.blob->len, NULL), TZ_KEY);
}

static enum tz_error_kind check_header(const uint8_t header[TZ_PACK_HEADER_SIZE])
{
    struct tz_error err = {0};
    uint32_t kind = 0;

    (void)!tz_pack_header_check(keys, header, &kind, &err);
    return err.kind;
}

static void odd_headers_are_refused(void **state)
{
    uint8_t header[TZ_PACK_HEADER_SIZE], odd[TZ_PACK_HEADER_SIZE], key[TZ_KEY_SIZE];
    uint32_t kind = 0;
    /* place, value, what it is */
    static const struct {
        size_t at;
        uint8_t value;
        enum tz_error_kind kind;
    } odds[] = {
        {0, 'X', TZ_CORRUPT},                            /* magic */
        {8, 0, TZ_CORRUPT},                              /* version 0 */
        {8, 2, TZ_UNSUPPORTED},                          /* a newer one */
        {11, 1, TZ_UNSUPPORTED},                         /* a much newer one */
        {12, 0, TZ_CORRUPT},                             /* kind */
        {12, 3, TZ_CORRUPT},     {16, 0xee, TZ_CORRUPT}, /* repository */
        {36, 1, TZ_CORRUPT},                             /* zeros */
        {39, 1, TZ_CORRUPT},     {120, 1, TZ_CORRUPT},   {127, 1, TZ_CORRUPT},
    };

    (void)state;
    for (enum tz_pack_kind k = TZ_PACK_DATA; k <= TZ_PACK_MANIFEST; k++) {
        assert_int_equal(tz_pack_header_make(writer, k, header, key, NULL), 0);
        assert_int_equal(tz_pack_header_check(keys, header, &kind, NULL), 0);
        assert_int_equal(kind, k);
    }
    for (size_t i = 0; i < TZ_COUNT(odds); i++) {
        memcpy(odd, header, sizeof(odd));
        odd[odds[i].at] = odds[i].value;
        assert_int_equal(check_header(odd), odds[i].kind);
    }
}

static void every_pack_has_a_key_of_its_own(void **state)
{
    uint8_t first[TZ_PACK_HEADER_SIZE], second[TZ_PACK_HEADER_SIZE];
    uint8_t key[TZ_KEY_SIZE], again[TZ_KEY_SIZE];

    (void)state;
    assert_int_equal(tz_pack_header_make(keys, TZ_PACK_DATA, first, key, NULL), 0);
    assert_int_equal(tz_pack_header_make(keys, TZ_PACK_DATA, second, again, NULL), 0);
    assert_memory_not_equal(key, again, TZ_KEY_SIZE);
    assert_memory_not_equal(first + 40, second + 40, TZ_KEY_SIZE + TZ_SEAL_EXTRA);
}

static enum tz_error_kind parse(const struct tz_buf *plain, uint64_t size, uint64_t begin)
{
    TZ_SCOPED(tz_scoped_pack_info) struct tz_pack_info info = {.size = size};
    TZ_SCOPED(tz_scoped_free) uint8_t *copy = exact_copy(plain->data, plain->len);
    struct tz_error err = {0};

    (void)!tz_pack_directory_parse(&info, copy, plain->len, begin, &err);
    return err.kind;
}

/* What only a holder of the pack's key could write. */
static void odd_directories_are_refused(void **state)
{
    TZ_SCOPED(clear_pack) struct pack pack = begin_pack(some_sizes, 3, 4096);
    TZ_SCOPED(tz_scoped_buf) struct tz_buf plain = {0};
    uint64_t size = pack.blob->len + 1000;

    (void)state;
    assert_int_equal(tz_pack_info_put_frames(&pack.info, &plain, NULL), 0);
    assert_int_equal(parse(&plain, size, pack.frames_end), TZ_OK);
    assert_int_equal(parse(&plain, size, pack.frames_end - 1), TZ_CORRUPT);
    assert_int_equal(parse(&plain, size, pack.frames_end + 1), TZ_CORRUPT);
    assert_int_equal(parse(&plain, pack.frames_end - 1, pack.frames_end), TZ_CORRUPT);
    assert_int_equal(tz_buf_append(&plain, "\0\0\0", 3, NULL), 0);
    assert_int_equal(parse(&plain, size, pack.frames_end), TZ_OK);
    plain.data[plain.len - 1] = 1;
    assert_int_equal(parse(&plain, size, pack.frames_end), TZ_CORRUPT);
    plain.len = 0;
    assert_int_equal(parse(&plain, size, TZ_PACK_HEADER_SIZE), TZ_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pack_can_be_read_from_itself_alone),
        cmocka_unit_test(a_padded_pack_has_a_padme_size),
        cmocka_unit_test(padding_looks_like_anything_else),
        cmocka_unit_test(the_room_for_the_tail_is_enough),
        cmocka_unit_test(without_room_nothing_is_written_beyond_it),
        cmocka_unit_test(a_cut_pack_is_refused),
        cmocka_unit_test(a_longer_pack_is_refused),
        cmocka_unit_test(every_flipped_bit_is_noticed),
        cmocka_unit_test(other_keys_do_not_open_it),
        cmocka_unit_test(odd_headers_are_refused),
        cmocka_unit_test(every_pack_has_a_key_of_its_own),
        cmocka_unit_test(odd_directories_are_refused),
    };
    return cmocka_run_group_tests(tests, make_all_keys, free_all_keys);
}
