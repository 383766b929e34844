/* Key slots: the header, and the plain text that only a holder of the secret could have made. */
#include "fuzz.h"

#include "core/crypto/keyring.h"

#include <string.h>

/* A key file's secret: cheap, where a passphrase would let the input choose Argon2id's cost. */
static char secret[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

static void decode(enum tz_role role, const uint8_t *data, size_t len)
{
    static const uint8_t repo_id[TZ_REPO_ID_SIZE];
    TZ_SCOPED(tz_scoped_keys) struct tz_keys *keys = NULL;
    if (tz_keyring_decode(&keys, repo_id, role, data, len, NULL))
        return;
    uint8_t again[TZ_KEYRING_SIZE_MAX];
    check(tz_keyring_size(keys) == len);
    tz_keyring_encode(keys, role, again);
    check(memcmp(again, data, len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static bool ready;
    ready = ready || tz_crypto_init(NULL) == 0;
    check(ready);
    struct tz_slot_info info;
    if (tz_slot_info(&info, data, len, NULL) == 0)
        check(strlen(info.label) <= TZ_SLOT_LABEL_MAX);

    const struct tz_unlock unlock = {
        .kind = TZ_UNLOCK_KEY_FILE, .secret = secret, .len = sizeof(secret) - 1};
    TZ_SCOPED(tz_scoped_keys) struct tz_keys *keys = NULL;
    if (tz_slot_open(&keys, data, len, &unlock, NULL) == 0)
        check(tz_keys_epoch(keys) >= 1);

    decode(TZ_ROLE_OPERATOR, data, len);
    decode(TZ_ROLE_WRITER, data, len);
    return 0;
}
