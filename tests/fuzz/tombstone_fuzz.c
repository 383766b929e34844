/* Bodies of tombstones. */
#include "fuzz.h"

#include "tozai/core/packinfo.h"

static int add(void *arg, const uint8_t hash[TZ_HASH_SIZE], struct tz_error *err)
{
    return tz_buf_append(arg, hash, TZ_HASH_SIZE, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf hashes = {0}, again = {0};
    if (tz_tombstone_read(data, len, add, &hashes, NULL))
        return 0;
    const uint8_t(*all)[TZ_HASH_SIZE] = (const uint8_t(*)[TZ_HASH_SIZE])hashes.data;
    check(tz_tombstone_write(&again, all, hashes.len / TZ_HASH_SIZE, NULL) == 0);
    check(again.len == len && memcmp(again.data, data, len) == 0);
    return 0;
}
