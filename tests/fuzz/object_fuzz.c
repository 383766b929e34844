/* Small objects: the header and, as if it had been decrypted, what is inside. */
#include "fuzz.h"

#include "core/crypto/keyring.h"
#include "core/object/envelope.h"
#include "tozai/core/generation.h"

/* The same keys in every run, so that the corpus holds an object that opens. */
static struct tz_keys *fixed_keys(void)
{
    static struct tz_keys *keys;
    if (!keys) {
        check(tz_crypto_init(NULL) == 0);
        check(tz_keyring_new(&keys, 1, NULL) == 0);
        keys->role = TZ_ROLE_WRITER;
        check(tz_keyring_finish(keys, NULL) == 0);
    }
    return keys;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf body = {0}, object = {0};
    struct tz_error err = {0};
    if (tz_envelope_unpack(data, len, &body, &err) == 0)
        check(body.len <= TZ_OBJECT_MAX);
    else
        check(body.len == 0 && err.kind == TZ_CORRUPT);

    const enum tz_object_type type = TZ_OBJECT_INDEX;
    if (tz_object_open(fixed_keys(), type, "index/", data, len, &object, NULL))
        check(object.len == 0);
    if (tz_seal_check_hash(data, len, NULL) == 0)
        check(len > TZ_OBJECT_HEADER_SIZE + TZ_HASH_SIZE);
    return 0;
}
