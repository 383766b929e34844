/* Paper copies as people, or others, type them. */
#include "fuzz.h"

#include "tozai/core/keys.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static bool ready;
    ready = ready || tz_crypto_init(NULL) == 0;
    check(ready);
    TZ_SCOPED(tz_scoped_free) char *text = malloc(len + 1);
    TZ_SCOPED(tz_scoped_keys) struct tz_keys *keys = NULL, *again = NULL;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf page = {0};
    check(text != NULL);
    if (len)
        memcpy(text, data, len);
    text[len] = 0;
    if (tz_paper_read(&keys, text, NULL))
        return 0;
    check(tz_paper_print(keys, &page, NULL) == 0);
    check(tz_paper_read(&again, (const char *)page.data, NULL) == 0);
    check(memcmp(tz_keys_public(keys), tz_keys_public(again), TZ_KEY_SIZE) == 0);
    return 0;
}
