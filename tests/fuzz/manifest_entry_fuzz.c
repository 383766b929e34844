/* Entries of a manifest chunk, one after the other. */
#include "fuzz.h"

#include "tozai/core/manifest.h"

/* An entry that was let through can be stored, and is then read as the same. */
static void check_entry(const struct tz_entry *entry)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf first = {0}, second = {0};
    TZ_SCOPED(tz_scoped_entry) struct tz_entry again = {0};
    struct tz_coder coder = {0};

    check(tz_entry_check(entry, NULL) == 0);
    check(tz_entry_encode(&coder, entry, NULL, &first, NULL) == 0);
    tz_coder_clear(&coder);
    check(first.len <= tz_entry_size_max(entry));
    struct tz_cursor c = tz_cursor(first.data, first.len);
    check(tz_entry_decode(&coder, &c, NULL, &again, NULL) == 0 && tz_wire_done(&c));
    tz_coder_clear(&coder);
    check(tz_entry_encode(&coder, &again, NULL, &second, NULL) == 0);
    tz_coder_clear(&coder);
    check(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    TZ_SCOPED(tz_scoped_entry) struct tz_entry entry = {0};
    struct tz_cursor c = tz_cursor(data, len);
    struct tz_coder coder = {0};
    struct tz_error err = {0};

    while (tz_left(&c) > 0) {
        if (tz_entry_decode(&coder, &c, NULL, &entry, &err)) {
            check(err.kind == TZ_CORRUPT);
            break;
        }
        check_entry(&entry);
    }
    tz_coder_clear(&coder);
    return 0;
}
