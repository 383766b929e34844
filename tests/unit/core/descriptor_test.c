#include "key_samples.h"

#include "tozai/util/time.h"

#define SAMPLE                                                                                     \
    "{\"tozai\":\"repository\",\"version\":1,\"repository\":"                                      \
    "\"000102030405060708090a0b0c0d0e0f\",\"created\":\"2026-11-22T05:30:00Z\"}\n"

static enum tz_error_kind try_read(const char *text, size_t len)
{
    TZ_SCOPED(tz_scoped_free) uint8_t *copy = exact_copy(text, len);
    struct tz_descriptor descriptor = {.version = 77};
    struct tz_error err = {0};
    if (tz_descriptor_read(&descriptor, copy, len, &err))
        assert_int_equal(descriptor.version, 77); /* untouched */
    return err.kind;
}

static void a_descriptor_is_one_line_of_json(void **state)
{
    (void)state;
    struct tz_descriptor descriptor = {.version = 1, .created_ns = 1795325400 * TZ_SECOND_NS};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
    for (uint8_t i = 0; i < TZ_REPO_ID_SIZE; i++)
        descriptor.repo_id[i] = i;
    assert_int_equal(tz_descriptor_write(&descriptor, &out, NULL), 0);
    assert_int_equal(out.len, strlen(SAMPLE));
    assert_memory_equal(out.data, SAMPLE, out.len);
}

static void a_descriptor_comes_back(void **state)
{
    (void)state;
    const int64_t times[] = {0, 1, -1, 1795325400123456789, 1795325400 * TZ_SECOND_NS};
    for (size_t i = 0; i < TZ_COUNT(times); i++) {
        struct tz_descriptor descriptor = {.version = 1, .created_ns = times[i]}, back;
        TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
        tz_random(descriptor.repo_id, sizeof(descriptor.repo_id));
        assert_int_equal(tz_descriptor_write(&descriptor, &out, NULL), 0);
        assert_int_equal(tz_descriptor_read(&back, out.data, out.len, NULL), 0);
        assert_int_equal(back.version, 1);
        assert_true(back.created_ns == times[i]);
        assert_memory_equal(back.repo_id, descriptor.repo_id, TZ_REPO_ID_SIZE);
    }
}

static void any_changed_bit_is_refused_or_names_another_repository(void **state)
{
    (void)state;
    char text[] = SAMPLE;
    size_t len = strlen(text);
    for (size_t bit = 0; bit < len * 8; bit++) {
        text[bit / 8] = (char)(text[bit / 8] ^ 1 << bit % 8);
        struct tz_descriptor back;
        TZ_SCOPED(tz_scoped_buf) struct tz_buf again = {0};
        if (tz_descriptor_read(&back, text, len, NULL) == 0) {
            assert_int_equal(tz_descriptor_write(&back, &again, NULL), 0);
            assert_int_equal(again.len, len);
            assert_memory_equal(again.data, text, len);
        }
        text[bit / 8] = (char)(text[bit / 8] ^ 1 << bit % 8);
    }
    for (size_t cut = 0; cut < len; cut++)
        assert_int_equal(try_read(text, cut), TZ_CORRUPT);
    assert_int_equal(try_read(text, len), TZ_OK);
}

static void anything_odd_is_refused(void **state)
{
    (void)state;
#define ID "000102030405060708090a0b0c0d0e0f"
    static const char *const texts[] = {
        "",
        "\n",
        "{}",
        "null",
        " " SAMPLE,
        SAMPLE SAMPLE,
        SAMPLE " ",
        "{\"tozai\":\"repository\",\"version\":0,\"repository\":\"" ID
        "\",\"created\":\"2026-11-22T05:30:00Z\"}\n",
        "{\"tozai\":\"repository\",\"version\":01,\"repository\":\"" ID
        "\",\"created\":\"2026-11-22T05:30:00Z\"}\n",
        "{\"tozai\":\"repository\",\"version\":-1,\"repository\":\"" ID
        "\",\"created\":\"2026-11-22T05:30:00Z\"}\n",
        "{\"tozai\":\"repository\",\"version\":1,\"repository\":\"" ID "\",\"created\":\"now\"}\n",
        "{\"tozai\":\"repository\",\"version\":1,\"repository\":\"" ID "\",\"created\":\"-3h\"}\n",
        "{\"tozai\":\"repository\",\"version\":1,\"repository\":\"" ID
        "\",\"created\":\"2026-11-22T14:30:00+09:00\"}\n",
        "{\"tozai\":\"repository\",\"version\":1,\"repository\":\"" ID
        "\",\"created\":\"2026-11-22T05:30:00Z\",\"more\":1}\n",
        "{\"tozai\":\"repository\",\"version\":1,\"repository\":\"0" ID
        "\",\"created\":\"2026-11-22T05:30:00Z\"}\n",
        "{\"tozai\":\"repository\",\"version\":1,\"repository\":\"" ID
        "\",\"created\":\"2026-11-22T05:30:00Z2026-11-22T05:30:00Z2026-11-22T05:30:00Z\"}\n",
    };
    for (size_t i = 0; i < TZ_COUNT(texts); i++)
        assert_int_equal(try_read(texts[i], strlen(texts[i])), TZ_CORRUPT);
    assert_int_equal(try_read(SAMPLE, sizeof(SAMPLE)), TZ_CORRUPT); /* with the zero */

    char large[5000];
    memset(large, ' ', sizeof(large));
    memcpy(large, SAMPLE, strlen(SAMPLE));
    assert_int_equal(try_read(large, sizeof(large)), TZ_CORRUPT);
}

static void a_newer_version_is_told_from_damage(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{\"tozai\":\"repository\",\"version\":2,\"what\":\"ever\"}",
        "{\"tozai\":\"repository\",\"version\":4294967297,\"repository\":\"" ID
        "\",\"created\":\"2026-11-22T05:30:00Z\"}\n",
    };
    for (size_t i = 0; i < TZ_COUNT(texts); i++)
        assert_int_equal(try_read(texts[i], strlen(texts[i])), TZ_UNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_descriptor_is_one_line_of_json),
        cmocka_unit_test(a_descriptor_comes_back),
        cmocka_unit_test(any_changed_bit_is_refused_or_names_another_repository),
        cmocka_unit_test(anything_odd_is_refused),
        cmocka_unit_test(a_newer_version_is_told_from_damage),
    };
    return cmocka_run_group_tests(tests, init_crypto, NULL);
}
