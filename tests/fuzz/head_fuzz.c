/* Bodies of generation heads. */
#include "fuzz.h"

#include "tozai/core/generation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    TZ_SCOPED(tz_scoped_head) struct tz_head head = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf again = {0};
    if (tz_head_read(&head, data, len, NULL)) {
        check(!head.source && !head.root && !head.tags && !head.packs);
        return 0;
    }
    check(tz_head_write(&head, &again, NULL) == 0);
    check(again.len == len && memcmp(again.data, data, len) == 0);
    return 0;
}
