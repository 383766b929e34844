/* Bodies of index objects. */
#include "fuzz.h"

#include "tozai/core/packinfo.h"

static int add(void *arg, const struct tz_pack_info *info, struct tz_error *err)
{
    return tz_index_add(arg, info, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf again = {0};
    check(tz_index_begin(&again, NULL) == 0);
    if (tz_index_read(data, len, add, &again, NULL) == 0)
        check(again.len == len && memcmp(again.data, data, len) == 0);
    return 0;
}
