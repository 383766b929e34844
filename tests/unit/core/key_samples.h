/*
 * Keys, slots and passphrases for the tests of this folder.
 */
#ifndef TOZAI_TESTS_KEY_SAMPLES_H
#define TOZAI_TESTS_KEY_SAMPLES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tozai/core/generation.h"

/* The cheapest that Argon2id can do: these tests stretch many passphrases. */
static const struct tz_kdf_cost cheap_cost TZ_UNUSED = {.passes = 1, .memory_bytes = 8192};

static inline TZ_UNUSED int init_crypto(void **state)
{
    (void)state;
    return tz_crypto_init(NULL);
}

/* An operator's keys of the repository whose id is 16 times this byte. */
static inline TZ_UNUSED struct tz_keys *make_keys(uint8_t repository)
{
    uint8_t id[TZ_REPO_ID_SIZE];
    memset(id, repository, sizeof(id));
    struct tz_keys *keys = NULL;
    assert_int_equal(tz_keys_create(&keys, id, NULL), 0);
    return keys;
}

static inline TZ_UNUSED struct tz_unlock make_unlock(enum tz_unlock_kind kind, const char *text)
{
    size_t len = strlen(text);
    struct tz_unlock unlock = {.kind = kind, .secret = tz_secret_alloc(len + 1), .len = len};
    assert_non_null(unlock.secret);
    memcpy(unlock.secret, text, len + 1);
    return unlock;
}

static inline TZ_UNUSED struct tz_unlock make_passphrase(const char *text)
{
    return make_unlock(TZ_UNLOCK_PASSPHRASE, text);
}

/* A key file of 64 times this digit. */
static inline TZ_UNUSED struct tz_unlock make_key_file(char digit)
{
    char text[2 * TZ_KEY_SIZE + 1] = {0};
    memset(text, digit, sizeof(text) - 1);
    return make_unlock(TZ_UNLOCK_KEY_FILE, text);
}

/* The same keys as a writer has them. */
static inline TZ_UNUSED struct tz_keys *make_writer(const struct tz_keys *keys)
{
    TZ_SCOPED(tz_scoped_unlock) struct tz_unlock unlock = make_key_file('a');
    TZ_SCOPED(tz_scoped_buf) struct tz_buf slot = {0};
    struct tz_keys *writer = NULL;
    assert_int_equal(tz_slot_seal(keys, TZ_ROLE_WRITER, "writer", &unlock, NULL, &slot, NULL), 0);
    assert_int_equal(tz_slot_open(&writer, slot.data, slot.len, &unlock, NULL), 0);
    return writer;
}

/* A copy in memory of exactly its size, so that a sanitizer sees every read beyond it. */
static inline TZ_UNUSED uint8_t *exact_copy(const void *data, size_t len)
{
    uint8_t *copy = malloc(len ? len : 1);
    assert_non_null(copy);
    if (len)
        memcpy(copy, data, len);
    return copy;
}

#endif
