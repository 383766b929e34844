#include "local_rows.h"

#include "tozai/util/wire.h"

#include <sodium.h>
#include <string.h>

#define ROW_CHECK 4U

const uint8_t tz_local_magic[8] = {'T', 'Z', 'L', 'A', 'S', 'T', ' ', '1'};

void tz_local_folder_key(const struct tz_keys *keys, const char *folder, uint8_t key[TZ_KEY_SIZE])
{
    tz_keyed_hash(key, tz_keys_local_key(keys), folder, strlen(folder));
}

void tz_local_check(const uint8_t key[TZ_KEY_SIZE], const void *data, size_t len,
                    uint8_t check[LOCAL_CHECK_SIZE])
{
    uint8_t hash[32];

    tz_keyed_hash(hash, key, data, len);
    memcpy(check, hash, LOCAL_CHECK_SIZE);
}

_Static_assert(crypto_shorthash_KEYBYTES <= TZ_KEY_SIZE, "a part of the key is enough");

/* SipHash: rows are many and short. */
static void check_row(const uint8_t *key, enum local_file file, uint64_t number, const uint8_t *row,
                      size_t row_size, uint8_t check[ROW_CHECK])
{
    uint8_t input[LOCAL_LIST_ROW + 9], hash[crypto_shorthash_BYTES];
    size_t len = row_size - ROW_CHECK;

    memcpy(input, row, len);
    tz_store_le64(input + len, number);
    input[len + 8] = (uint8_t)file;
    (void)crypto_shorthash(hash, input, len + 9, key);
    memcpy(check, hash, ROW_CHECK);
}

void tz_local_seal_row(const uint8_t key[TZ_KEY_SIZE], enum local_file file, uint64_t number,
                       uint8_t *row, size_t row_size)
{
    check_row(key, file, number, row, row_size, row + row_size - ROW_CHECK);
}

bool tz_local_row_good(const uint8_t key[TZ_KEY_SIZE], enum local_file file, uint64_t number,
                       const uint8_t *row, size_t row_size)
{
    uint8_t check[ROW_CHECK];

    check_row(key, file, number, row, row_size, check);
    return memcmp(check, row + row_size - ROW_CHECK, ROW_CHECK) == 0;
}
