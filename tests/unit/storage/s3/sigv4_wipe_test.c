/*
 * No memory that is given back holds the secret key: the signer's malloc() and free() go through
 * here, which know the blocks by their sizes.
 */
#include "sigv4_fixture.h"

static const char secret[] = "a secret key whose length no other allocation has: 0123456789";
#define BLOCK_LEN (strlen("AWS4") + sizeof(secret))

static uint8_t *block;
static size_t blocks_seen, blocks_wiped;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
    void *given = __real_malloc(size);
    if (size == BLOCK_LEN)
        block = given;
    return given;
}

static bool holds_part_of_secret(void)
{
    for (size_t i = 0; i + 8 <= BLOCK_LEN; i++)
        for (size_t j = 0; j + 8 < sizeof(secret); j++)
            if (memcmp(block + i, secret + j, 8) == 0)
                return true;
    return false;
}

void __real_free(void *pointer);
void __wrap_free(void *pointer);
void __wrap_free(void *pointer)
{
    if (pointer && pointer == block) {
        blocks_seen++;
        blocks_wiped += !holds_part_of_secret();
        block = NULL;
    }
    __real_free(pointer);
}

static void what_held_the_secret_is_wiped(void **state)
{
    (void)state;
    struct tz_s3_signing signing = example;
    signing.secret_key = secret;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf target = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf lines = {0};
    assert_int_equal(tz_s3_sign(&signing, &target, &lines, NULL), 0);
    assert_int_equal(blocks_seen, 1);
    assert_int_equal(blocks_wiped, blocks_seen);
    assert_null(strstr(text_of(&target), "secret"));
    for (size_t i = 0; i + sizeof("secret") <= lines.len; i++)
        assert_memory_not_equal(lines.data + i, "secret", strlen("secret"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_held_the_secret_is_wiped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
