#include "key_samples.h"

#include "core/crypto/keyring.h"
#include "core/object/envelope.h"

#include <sodium.h>

#define PLACE "index/"

static void seal(struct tz_buf *out, const struct tz_keys *keys, const void *body, size_t len)
{
    assert_int_equal(tz_object_seal(keys, TZ_OBJECT_INDEX, PLACE, body, len, out, NULL), 0);
}

static enum tz_error_kind try_open(const struct tz_keys *keys, enum tz_object_type type,
                                   const char *place, const uint8_t *data, size_t len)
{
    TZ_SCOPED(tz_scoped_free) uint8_t *copy = exact_copy(data, len);
    TZ_SCOPED(tz_scoped_buf) struct tz_buf body = {0};
    struct tz_error err = {0};
    int status = tz_object_open(keys, type, place, copy, len, &body, &err);
    assert_int_equal(status == 0, err.kind == TZ_OK);
    if (status)
        assert_int_equal(body.len, 0);
    return err.kind;
}

static void bodies_of_many_sizes_come_back(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 2, 100, 127, 128, 4096, 100000, 3 << 20};
    TZ_SCOPED(tz_scoped_keys) struct tz_keys *keys = make_keys(1);
    for (size_t i = 0; i < TZ_COUNT(sizes) * 2; i++) {
        size_t len = sizes[i / 2];
        TZ_SCOPED(tz_scoped_free) uint8_t *body = calloc(1, len + 1);
        TZ_SCOPED(tz_scoped_buf) struct tz_buf object = {0}, back = {0};
        assert_non_null(body);
        if (i % 2) /* bytes that do not compress */
            tz_random(body, len);
        seal(&object, keys, body, len);
        assert_int_equal(object.len, tz_padme(object.len));
        assert_int_equal(tz_buf_append(&back, "before", 6, NULL), 0);
        assert_int_equal(
            tz_object_open(keys, TZ_OBJECT_INDEX, PLACE, object.data, object.len, &back, NULL), 0);
        assert_int_equal(back.len, 6 + len);
        assert_memory_equal(back.data, "before", 6);
        assert_memory_equal(back.data + 6, body, len);
    }
}

static void a_body_is_compressed_only_if_that_pays(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_keys) struct tz_keys *keys = make_keys(1);
    TZ_SCOPED(tz_scoped_free) uint8_t *body = calloc(1, 100000);
    TZ_SCOPED(tz_scoped_buf) struct tz_buf zeros = {0}, noise = {0};
    assert_non_null(body);
    seal(&zeros, keys, body, 100000);
    assert_true(zeros.len < 400);
    tz_random(body, 100000);
    seal(&noise, keys, body, 100000);
    assert_true(noise.len >= 100000 && noise.len < 112000);
}

static void two_objects_of_the_same_body_differ(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_keys) struct tz_keys *keys = make_keys(1);
    TZ_SCOPED(tz_scoped_buf) struct tz_buf first = {0}, second = {0};
    seal(&first, keys, "body", 4);
    seal(&second, keys, "body", 4);
    assert_int_equal(first.len, second.len);
    assert_memory_equal(first.data, second.data, 40);
    for (size_t at = 40; at + 8 <= first.len; at += 8)
        assert_memory_not_equal(first.data + at, second.data + at, 8);
}

static void every_changed_bit_is_refused(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_keys) struct tz_keys *keys = make_keys(1);
    TZ_SCOPED(tz_scoped_buf) struct tz_buf object = {0};
    seal(&object, keys, "some body", 9);
    for (size_t bit = 0; bit < object.len * 8; bit++) {
        object.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        enum tz_error_kind kind = try_open(keys, TZ_OBJECT_INDEX, PLACE, object.data, object.len);
        bool version = bit / 8 >= 8 && bit / 8 < 12, epoch = bit / 8 >= 32 && bit / 8 < 36;
        assert_true(kind == TZ_CORRUPT || (version && kind == TZ_UNSUPPORTED) ||
                    (epoch && kind == TZ_KEY));
        object.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t len = 0; len < object.len; len++)
        assert_int_equal(try_open(keys, TZ_OBJECT_INDEX, PLACE, object.data, len), TZ_CORRUPT);
    assert_int_equal(tz_buf_append(&object, "x", 1, NULL), 0);
    assert_int_equal(try_open(keys, TZ_OBJECT_INDEX, PLACE, object.data, object.len), TZ_CORRUPT);
    assert_int_equal(try_open(keys, TZ_OBJECT_INDEX, PLACE, object.data, object.len - 1), TZ_OK);
}

static void another_type_place_or_repository_is_refused(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_keys) struct tz_keys *keys = make_keys(1), *same_id = make_keys(1);
    TZ_SCOPED(tz_scoped_keys) struct tz_keys *others = make_keys(2);
    TZ_SCOPED(tz_scoped_buf) struct tz_buf object = {0};
    seal(&object, keys, "body", 4);
    const uint8_t *data = object.data;
    size_t len = object.len;
    assert_int_equal(try_open(keys, TZ_OBJECT_INDEX, PLACE, data, len), TZ_OK);
    assert_int_equal(try_open(keys, TZ_OBJECT_HEAD, PLACE, data, len), TZ_CORRUPT);
    assert_int_equal(try_open(keys, TZ_OBJECT_INDEX, "index", data, len), TZ_CORRUPT);
    assert_int_equal(try_open(keys, TZ_OBJECT_INDEX, "", data, len), TZ_CORRUPT);
    assert_int_equal(try_open(keys, TZ_OBJECT_INDEX, "index/x", data, len), TZ_CORRUPT);
    assert_int_equal(try_open(others, TZ_OBJECT_INDEX, PLACE, data, len), TZ_CORRUPT);
    assert_int_equal(try_open(same_id, TZ_OBJECT_INDEX, PLACE, data, len), TZ_CORRUPT);

    /* Nor does it help to write another type or repository into the header. */
    object.data[12] = TZ_OBJECT_HEAD;
    assert_int_equal(try_open(keys, TZ_OBJECT_HEAD, PLACE, data, len), TZ_CORRUPT);
    object.data[12] = TZ_OBJECT_INDEX;
    memset(object.data + 16, 2, TZ_REPO_ID_SIZE);
    assert_int_equal(try_open(others, TZ_OBJECT_INDEX, PLACE, data, len), TZ_CORRUPT);
}

static void a_writer_reads_small_objects(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_keys) struct tz_keys *keys = make_keys(1), *writer = make_writer(keys);
    TZ_SCOPED(tz_scoped_buf) struct tz_buf object = {0};
    seal(&object, keys, "body", 4);
    assert_int_equal(try_open(writer, TZ_OBJECT_INDEX, PLACE, object.data, object.len), TZ_OK);
}

static void an_object_of_a_later_epoch_asks_for_a_newer_key(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_keys) struct tz_keys *keys = make_keys(1), *rotated = NULL;
    assert_int_equal(tz_keyring_new(&rotated, 2, NULL), 0);
    memcpy(rotated->repo_id, keys->repo_id, TZ_REPO_ID_SIZE);
    rotated->role = TZ_ROLE_OPERATOR;
    rotated->epochs[0] = keys->epochs[0];
    rotated->epochs[1] = keys->epochs[0];
    tz_random(rotated->epochs[1].index_key, TZ_KEY_SIZE);
    assert_int_equal(tz_keyring_finish(rotated, NULL), 0);

    TZ_SCOPED(tz_scoped_buf) struct tz_buf old = {0}, new = {0};
    seal(&old, keys, "body", 4);
    seal(&new, rotated, "body", 4);
    assert_int_equal(try_open(rotated, TZ_OBJECT_INDEX, PLACE, old.data, old.len), TZ_OK);
    assert_int_equal(try_open(rotated, TZ_OBJECT_INDEX, PLACE, new.data, new.len), TZ_OK);
    assert_int_equal(try_open(keys, TZ_OBJECT_INDEX, PLACE, new.data, new.len), TZ_KEY);
}

static void too_large_a_body_is_refused(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_keys) struct tz_keys *keys = make_keys(1);
    TZ_SCOPED(tz_scoped_buf) struct tz_buf object = {0};
    TZ_SCOPED(tz_scoped_free) uint8_t *body = calloc(1, (size_t)TZ_OBJECT_MAX + 1);
    struct tz_error err = {0};
    assert_non_null(body);
    assert_int_equal(tz_object_seal(keys, TZ_OBJECT_INDEX, PLACE, body, (size_t)TZ_OBJECT_MAX + 1,
                                    &object, &err),
                     -1);
    assert_int_equal(err.kind, TZ_INVALID);
    assert_int_equal(object.len, 0);
    char position[TZ_NAME_TEXT + 1] = {0};
    memset(position, 'x', TZ_NAME_TEXT);
    assert_int_equal(tz_object_seal(keys, TZ_OBJECT_INDEX, position, "", 0, &object, &err), -1);
    assert_int_equal(err.kind, TZ_INVALID);
}

static enum tz_error_kind unpack(const uint8_t *plain, size_t len)
{
    TZ_SCOPED(tz_scoped_free) uint8_t *copy = exact_copy(plain, len);
    TZ_SCOPED(tz_scoped_buf) struct tz_buf body = {0};
    struct tz_error err = {0};
    if (tz_envelope_unpack(copy, len, &body, &err))
        assert_int_equal(body.len, 0);
    return err.kind;
}

/* Whoever has the index key can seal anything, so the inside is hostile too. */
static void an_envelope_that_lies_is_refused(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf plain = {0};
    uint8_t body[1000] = {0};
    assert_int_equal(tz_envelope_pack(body, sizeof(body), 0, &plain, NULL), 0);
    assert_int_equal(plain.data[0], TZ_CODEC_ZSTD);
    assert_int_equal(unpack(plain.data, plain.len), TZ_OK);
    for (size_t len = 0; len < 10; len++)
        assert_int_equal(unpack(plain.data, len), TZ_CORRUPT);
    plain.data[0] = 2; /* a codec that is not there */
    assert_int_equal(unpack(plain.data, plain.len), TZ_CORRUPT);
    plain.data[0] = TZ_CODEC_RAW;
    assert_int_equal(unpack(plain.data, plain.len), TZ_CORRUPT);
    plain.data[0] = TZ_CODEC_ZSTD;
    plain.data[1] ^= 1; /* another length than the frame says */
    assert_int_equal(unpack(plain.data, plain.len), TZ_CORRUPT);
    plain.data[1] ^= 1;
    plain.data[plain.len - 1] = 1;
    assert_int_equal(unpack(plain.data, plain.len), TZ_CORRUPT);

    static const uint8_t lies[][12] = {
        {TZ_CODEC_RAW, 0xff, 0xff, 0xff, 0xff, 0x0f, 1, 'x'},
        {TZ_CODEC_RAW, 1, 0xff, 0xff, 0xff, 0xff, 0x0f, 'x'},
        {TZ_CODEC_ZSTD, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 1, 0},
        {TZ_CODEC_ZSTD, 4, 4, 'z', 's', 't', 'd'},
    };
    for (size_t i = 0; i < TZ_COUNT(lies); i++)
        assert_int_equal(unpack(lies[i], sizeof(lies[i])), TZ_CORRUPT);
}

static void padme_costs_at_most_an_eighth_and_gives_few_sizes(void **state)
{
    (void)state;
    uint64_t last = 0, sizes = 0;
    for (uint64_t len = 0; len < 300000; len++) {
        uint64_t padded = tz_padme(len);
        assert_true(padded >= len && padded >= last);
        assert_true(padded - len <= len / 8);
        assert_int_equal(tz_padme(padded), padded);
        sizes += padded != last;
        last = padded;
    }
    assert_true(sizes < 250);
    assert_int_equal(tz_padme(9), 10); /* the example of the paper's figure */
    assert_int_equal(tz_padme(TZ_OBJECT_MAX), TZ_OBJECT_MAX);
    assert_int_equal(tz_padme(UINT64_MAX), UINT64_MAX);
    assert_int_equal(tz_padme(UINT64_C(1) << 63), UINT64_C(1) << 63);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_of_many_sizes_come_back),
        cmocka_unit_test(a_body_is_compressed_only_if_that_pays),
        cmocka_unit_test(two_objects_of_the_same_body_differ),
        cmocka_unit_test(every_changed_bit_is_refused),
        cmocka_unit_test(another_type_place_or_repository_is_refused),
        cmocka_unit_test(a_writer_reads_small_objects),
        cmocka_unit_test(an_object_of_a_later_epoch_asks_for_a_newer_key),
        cmocka_unit_test(too_large_a_body_is_refused),
        cmocka_unit_test(an_envelope_that_lies_is_refused),
        cmocka_unit_test(padme_costs_at_most_an_eighth_and_gives_few_sizes),
    };
    return cmocka_run_group_tests(tests, init_crypto, NULL);
}
