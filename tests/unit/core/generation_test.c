#include "key_samples.h"

#include <stdlib.h>

static char *copy_text(const char *text)
{
    char *copy = strdup(text);
    assert_non_null(copy);
    return copy;
}

static struct tz_extent *make_extents(uint32_t count, uint64_t *ret_len)
{
    struct tz_extent *extents = calloc(count, sizeof(*extents));
    assert_non_null(extents);
    *ret_len = 0;
    for (uint32_t i = 0; i < count; i++) {
        bool hole = i == 1;
        if (!hole)
            tz_random(extents[i].id, TZ_ID_SIZE);
        extents[i].offset = hole ? 0 : i * 100;
        extents[i].len = hole ? UINT64_C(1) << 40 : 1 + i * 1000;
        *ret_len += extents[i].len;
    }
    return extents;
}

static void fill(struct tz_head *head)
{
    tz_random(head->source_id, sizeof(head->source_id));
    tz_random(head->host_id, sizeof(head->host_id));
    head->source = copy_text("wiki");
    head->type = copy_text("directory");
    head->host = copy_text("東.example.jp");
    head->version = copy_text("0.1.0");
    head->position = copy_text("0/16B3748");
    head->time_ns = 1795325400123456789;
    head->start_ns = -5;
    head->end_ns = INT64_MAX;
    head->root_count = 4;
    head->root = make_extents(4, &head->root_len);
    head->details_count = 1;
    head->details = make_extents(1, &head->details_len);
    head->entries = 10;
    head->files = 6;
    head->directories = 3;
    head->others = 1;
    head->bytes = UINT64_MAX;
    head->new_bytes = 4711;
    head->stored_bytes = 815;
    head->warnings = 2;
    head->locked_until_ns = 1795325400000000000;
    head->tag_count = 2;
    head->tags = calloc(2, sizeof(*head->tags));
    head->pack_count = 3;
    head->packs = calloc(3, TZ_HASH_SIZE);
    assert_true(head->tags && head->packs);
    head->tags[0] = (struct tz_tag){copy_text("why"), copy_text("before the upgrade")};
    head->tags[1] = (struct tz_tag){copy_text("empty"), copy_text("")};
    for (uint8_t i = 0; i < 3; i++)
        memset(head->packs[i], i * 7, TZ_HASH_SIZE);
}

static void assert_same_extents(const struct tz_extent *a, const struct tz_extent *b,
                                uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        assert_memory_equal(a[i].id, b[i].id, TZ_ID_SIZE);
        assert_int_equal(a[i].offset, b[i].offset);
        assert_true(a[i].len == b[i].len);
    }
}

static void assert_same(const struct tz_head *a, const struct tz_head *b)
{
    assert_memory_equal(a->source_id, b->source_id, TZ_SOURCE_ID_SIZE);
    assert_memory_equal(a->host_id, b->host_id, TZ_SOURCE_ID_SIZE);
    assert_string_equal(a->source, b->source);
    assert_string_equal(a->type, b->type);
    assert_string_equal(a->host, b->host);
    assert_string_equal(a->version, b->version);
    assert_string_equal(a->position, b->position);
    assert_true(a->time_ns == b->time_ns && a->start_ns == b->start_ns && a->end_ns == b->end_ns);
    assert_int_equal(a->root_count, b->root_count);
    assert_int_equal(a->details_count, b->details_count);
    assert_true(a->root_len == b->root_len && a->details_len == b->details_len);
    assert_same_extents(a->root, b->root, a->root_count);
    assert_same_extents(a->details, b->details, a->details_count);
    assert_true(a->entries == b->entries && a->files == b->files &&
                a->directories == b->directories && a->others == b->others);
    assert_true(a->bytes == b->bytes && a->new_bytes == b->new_bytes &&
                a->stored_bytes == b->stored_bytes && a->warnings == b->warnings);
    assert_true(a->locked_until_ns == b->locked_until_ns);
    assert_int_equal(a->tag_count, b->tag_count);
    for (uint32_t i = 0; i < a->tag_count; i++) {
        assert_string_equal(a->tags[i].key, b->tags[i].key);
        assert_string_equal(a->tags[i].value, b->tags[i].value);
    }
    assert_int_equal(a->pack_count, b->pack_count);
    assert_memory_equal(a->packs, b->packs, a->pack_count * TZ_HASH_SIZE);
}

/* Read a copy of exactly this length; what comes of a failure must be empty. */
static enum tz_error_kind try_read(const uint8_t *data, size_t len)
{
    TZ_SCOPED(tz_scoped_free) uint8_t *copy = exact_copy(data, len);
    TZ_SCOPED(tz_scoped_head) struct tz_head head = {0};
    struct tz_error err = {0};
    if (tz_head_read(&head, copy, len, &err)) {
        assert_int_not_equal(err.kind, TZ_OK);
        assert_true(!head.source && !head.root && !head.tags && !head.packs);
    }
    return err.kind;
}

static void a_head_comes_back(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_head) struct tz_head head = {0}, back = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
    fill(&head);
    assert_int_equal(tz_head_write(&head, &out, NULL), 0);
    assert_int_equal(tz_head_read(&back, out.data, out.len, NULL), 0);
    assert_same(&head, &back);
}

static void an_empty_head_comes_back_with_empty_texts(void **state)
{
    (void)state;
    const struct tz_head head = {0};
    TZ_SCOPED(tz_scoped_head) struct tz_head back = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
    assert_int_equal(tz_head_write(&head, &out, NULL), 0);
    assert_int_equal(tz_head_read(&back, out.data, out.len, NULL), 0);
    assert_string_equal(back.source, "");
    assert_string_equal(back.position, "");
    assert_null(back.root);
}

static void every_cut_and_any_addition_is_refused(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_head) struct tz_head head = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
    fill(&head);
    assert_int_equal(tz_head_write(&head, &out, NULL), 0);
    for (size_t len = 0; len < out.len; len++)
        assert_int_equal(try_read(out.data, len), TZ_CORRUPT);
    assert_int_equal(try_read(out.data, out.len), TZ_OK);
    assert_int_equal(tz_buf_append(&out, "", 1, NULL), 0);
    assert_int_equal(try_read(out.data, out.len), TZ_CORRUPT);
}

static void any_changed_byte_gives_an_error_or_another_valid_head(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_head) struct tz_head head = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
    fill(&head);
    assert_int_equal(tz_head_write(&head, &out, NULL), 0);
    for (size_t at = 0; at < out.len; at++) {
        uint8_t was = out.data[at];
        for (unsigned value = 0; value < 256; value += 5) {
            out.data[at] = (uint8_t)value;
            TZ_SCOPED(tz_scoped_head) struct tz_head back = {0};
            TZ_SCOPED(tz_scoped_buf) struct tz_buf again = {0};
            if (tz_head_read(&back, out.data, out.len, NULL))
                continue;
            /* One head, one spelling. */
            assert_int_equal(tz_head_write(&back, &again, NULL), 0);
            assert_int_equal(again.len, out.len);
            assert_memory_equal(again.data, out.data, out.len);
        }
        out.data[at] = was;
    }
}

static void another_version_is_refused(void **state)
{
    (void)state;
    const struct tz_head head = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
    assert_int_equal(tz_head_write(&head, &out, NULL), 0);
    out.data[0] = 2;
    assert_int_equal(try_read(out.data, out.len), TZ_UNSUPPORTED);
    out.data[0] = 0;
    assert_int_equal(try_read(out.data, out.len), TZ_CORRUPT);
}

/* An empty head's body: 1 + 32 bytes, 4 texts, 3 times, position; the root's count is at 41. */
static void a_lying_count_is_refused(void **state)
{
    (void)state;
    static const uint8_t huge[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01};
    static const uint8_t million[] = {0x80, 0x80, 0x40};
    const struct tz_head head = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
    assert_int_equal(tz_head_write(&head, &out, NULL), 0);
    assert_int_equal(out.len, 41 + 4 + 9 + 2);
    for (size_t at = 33; at < out.len; at++) {
        TZ_SCOPED(tz_scoped_buf) struct tz_buf lie = {0};
        assert_int_equal(tz_buf_append(&lie, out.data, at, NULL), 0);
        assert_int_equal(tz_buf_append(&lie, huge, sizeof(huge), NULL), 0);
        assert_int_equal(tz_buf_append(&lie, out.data + at + 1, out.len - at - 1, NULL), 0);
        bool count = at < 37 || at == 40 || (at >= 41 && at < 45) || at >= 54;
        assert_int_equal(try_read(lie.data, lie.len), count ? TZ_CORRUPT : TZ_OK);

        lie.len = at;
        assert_int_equal(tz_buf_append(&lie, million, sizeof(million), NULL), 0);
        assert_int_equal(tz_buf_append(&lie, out.data + at + 1, out.len - at - 1, NULL), 0);
        assert_int_equal(try_read(lie.data, lie.len), count ? TZ_CORRUPT : TZ_OK);
    }
}

static void extents_that_cannot_be_are_refused(void **state)
{
    (void)state;
    const struct tz_extent bad[] = {
        {.id = {1}, .len = 0},
        {.id = {1}, .len = TZ_CHUNK_MAX + 1},
        {.id = {1}, .offset = 1, .len = TZ_CHUNK_MAX},
        {.id = {1}, .offset = TZ_CHUNK_MAX, .len = 1},
        {.id = {1}, .offset = UINT32_MAX, .len = UINT64_MAX},
        {.id = {0}, .offset = 1, .len = 1},
        {.id = {0}, .offset = 0, .len = 0},
    };
    for (size_t i = 0; i < TZ_COUNT(bad); i++) {
        struct tz_extent extent = bad[i];
        struct tz_head head = {.root = &extent, .root_count = 1, .root_len = extent.len};
        TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
        assert_int_equal(tz_head_write(&head, &out, NULL), -1);
        assert_int_equal(out.len, 0);

        /* As somebody else would write it. */
        extent = (struct tz_extent){.id = {1}, .len = 1};
        head.root_len = 1;
        assert_int_equal(tz_head_write(&head, &out, NULL), 0);
        TZ_SCOPED(tz_scoped_buf) struct tz_buf lie = {0};
        int status = tz_buf_append(&lie, out.data, 42, NULL) |
                     tz_buf_append(&lie, bad[i].id, TZ_ID_SIZE, NULL) |
                     tz_put_varint(&lie, bad[i].offset, NULL) |
                     tz_put_varint(&lie, bad[i].len, NULL) | tz_put_varint(&lie, bad[i].len, NULL) |
                     tz_buf_append(&lie, out.data + 77, out.len - 77, NULL);
        assert_int_equal(status, 0);
        assert_int_equal(try_read(lie.data, lie.len), TZ_CORRUPT);
    }
}

static void lengths_that_do_not_add_up_are_refused(void **state)
{
    (void)state;
    struct tz_extent extents[] = {{.len = UINT64_MAX}, {.len = 2}};
    struct tz_head head = {.root = extents, .root_count = 2, .root_len = 1};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
    assert_int_equal(tz_head_write(&head, &out, NULL), -1); /* not even modulo 2^64 */
    head.root_count = 1;
    head.root_len = UINT64_MAX;
    assert_int_equal(tz_head_write(&head, &out, NULL), 0);
    assert_int_equal(try_read(out.data, out.len), TZ_OK);
    head.root_len--;
    assert_int_equal(tz_head_write(&head, &out, NULL), -1);
}

static void packs_out_of_order_or_twice_are_refused(void **state)
{
    (void)state;
    uint8_t packs[2][TZ_HASH_SIZE] = {{1}, {2}};
    struct tz_head head = {.packs = packs, .pack_count = 2};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
    assert_int_equal(tz_head_write(&head, &out, NULL), 0);
    assert_int_equal(try_read(out.data, out.len), TZ_OK);
    out.data[out.len - TZ_HASH_SIZE] = 1;
    assert_int_equal(try_read(out.data, out.len), TZ_CORRUPT);
    out.data[out.len - TZ_HASH_SIZE] = 0;
    assert_int_equal(try_read(out.data, out.len), TZ_CORRUPT);
    packs[1][0] = 1;
    assert_int_equal(tz_head_write(&head, &out, NULL), -1);
}

static void too_long_a_text_is_the_callers_error(void **state)
{
    (void)state;
    char text[300] = {0};
    memset(text, 'x', sizeof(text) - 1);
    struct tz_tag tag = {text, text};
    const struct tz_head head = {.tags = &tag, .tag_count = 1};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
    struct tz_error err = {0};
    assert_int_equal(tz_head_write(&head, &out, &err), -1);
    assert_int_equal(err.kind, TZ_INVALID);
}

static const char seal_name[] = "generations/00112233445566778899aabbccddeeff/20261122T053000Z-"
                                "0000000000000000000000000000000000000000000000000000000000000000"
                                ".seal";

static void a_seal_is_for_one_head_in_one_place(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_keys) struct tz_keys *keys = make_keys(1), *others = make_keys(2);
    TZ_SCOPED(tz_scoped_keys) struct tz_keys *writer = make_writer(keys);
    TZ_SCOPED(tz_scoped_buf) struct tz_buf seal = {0}, second = {0};
    const uint8_t head[TZ_HASH_SIZE] = {1}, other[TZ_HASH_SIZE] = {2};
    struct tz_error err = {0};
    assert_int_equal(tz_seal_write(keys, seal_name, head, &seal, NULL), 0);
    assert_int_equal(tz_seal_check(keys, seal_name, head, seal.data, seal.len, NULL), 0);
    assert_int_equal(tz_seal_check(writer, seal_name, head, seal.data, seal.len, NULL), 0);
    assert_int_equal(tz_seal_check_hash(seal.data, seal.len, NULL), 0);

    assert_int_equal(tz_seal_check(keys, seal_name, other, seal.data, seal.len, &err), -1);
    assert_int_equal(err.kind, TZ_CORRUPT);
    assert_int_equal(tz_seal_check(keys, "generations/x.seal", head, seal.data, seal.len, &err),
                     -1);
    assert_int_equal(err.kind, TZ_CORRUPT);
    assert_int_equal(tz_seal_check(others, seal_name, head, seal.data, seal.len, &err), -1);
    assert_int_equal(err.kind, TZ_CORRUPT);

    assert_int_equal(tz_seal_write(keys, seal_name, head, &second, NULL), 0);
    assert_int_equal(seal.len, second.len);
    assert_memory_not_equal(seal.data, second.data, seal.len);
}

static void every_changed_bit_of_a_seal_is_seen_without_a_key(void **state)
{
    (void)state;
    TZ_SCOPED(tz_scoped_keys) struct tz_keys *keys = make_keys(1);
    TZ_SCOPED(tz_scoped_buf) struct tz_buf seal = {0};
    const uint8_t head[TZ_HASH_SIZE] = {1};
    assert_int_equal(tz_seal_write(keys, seal_name, head, &seal, NULL), 0);
    for (size_t bit = 0; bit < seal.len * 8; bit++) {
        struct tz_error err = {0};
        seal.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(tz_seal_check_hash(seal.data, seal.len, &err), -1);
        assert_int_equal(err.kind, TZ_CORRUPT);
        assert_int_equal(tz_seal_check(keys, seal_name, head, seal.data, seal.len, &err), -1);
        seal.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t len = 0; len < seal.len; len++) {
        TZ_SCOPED(tz_scoped_free) uint8_t *copy = exact_copy(seal.data, len);
        assert_int_equal(tz_seal_check_hash(copy, len, NULL), -1);
    }
    /* A right hash over a changed seal does not help either. */
    seal.data[100] ^= 1;
    assert_int_equal(
        tz_sha256(seal.data + seal.len - TZ_HASH_SIZE, seal.data, seal.len - TZ_HASH_SIZE, NULL),
        0);
    assert_int_equal(tz_seal_check_hash(seal.data, seal.len, NULL), 0);
    assert_int_equal(tz_seal_check(keys, seal_name, head, seal.data, seal.len, NULL), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_head_comes_back),
        cmocka_unit_test(an_empty_head_comes_back_with_empty_texts),
        cmocka_unit_test(every_cut_and_any_addition_is_refused),
        cmocka_unit_test(any_changed_byte_gives_an_error_or_another_valid_head),
        cmocka_unit_test(another_version_is_refused),
        cmocka_unit_test(a_lying_count_is_refused),
        cmocka_unit_test(extents_that_cannot_be_are_refused),
        cmocka_unit_test(lengths_that_do_not_add_up_are_refused),
        cmocka_unit_test(packs_out_of_order_or_twice_are_refused),
        cmocka_unit_test(too_long_a_text_is_the_callers_error),
        cmocka_unit_test(a_seal_is_for_one_head_in_one_place),
        cmocka_unit_test(every_changed_bit_of_a_seal_is_seen_without_a_key),
    };
    return cmocka_run_group_tests(tests, init_crypto, NULL);
}
