/* Repository descriptors. */
#include "fuzz.h"

#include "tozai/core/generation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct tz_descriptor descriptor;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf again = {0};
    if (tz_descriptor_read(&descriptor, data, len, NULL))
        return 0;
    check(descriptor.version == TZ_FORMAT_VERSION);
    check(tz_descriptor_write(&descriptor, &again, NULL) == 0);
    check(again.len == len && memcmp(again.data, data, len) == 0);
    return 0;
}
