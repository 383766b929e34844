/* A block of the local manifest: entries, each with what stands behind it. */
#include "fuzz.h"

#include "core/backup/local.h"

#define ROWS_MAX 2000U

struct rows {
    uint64_t given, taken;
};

/* The rows of a file that has only so many. */
static int get_row(void *arg, uint8_t id[TZ_ID_SIZE], uint64_t *ret_pack, struct tz_error *err)
{
    struct rows *rows = arg;

    if (++rows->given > ROWS_MAX)
        return tz_fail(err, TZ_CORRUPT, "no more rows");
    memset(id, 0, TZ_ID_SIZE);
    if (rows->given % 100 != 99) /* one is damaged: no chunk has this id */
        tz_store_le64(id, rows->given);
    *ret_pack = rows->given * 3;
    return 0;
}

static int put_row(void *arg, const uint8_t id[TZ_ID_SIZE], uint64_t pack, struct tz_error *err)
{
    struct rows *rows = arg;

    (void)err;
    rows->taken++;
    check(tz_load_le64(id) * 3 == pack);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    TZ_SCOPED(tz_scoped_entry) struct tz_entry entry = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
    struct tz_cursor c = tz_cursor(data, len);
    struct rows rows = {0};
    const struct tz_rows reading = {.get = get_row, .put = put_row, .arg = &rows};
    struct tz_coder coder = {0}, writer = {0};
    struct tz_error err = {0};

    while (tz_left(&c) > 0) {
        struct local_extra extra;
        if (tz_entry_decode(&coder, &c, &reading, &entry, &err) ||
            tz_local_extra_decode(&c, &extra, &err)) {
            check(err.kind == TZ_CORRUPT);
            break;
        }
        check(tz_entry_check(&entry, NULL) == 0);
        tz_buf_reset(&out);
        check(tz_entry_encode(&writer, &entry, &reading, &out, NULL) == 0);
        check(tz_local_extra_encode(&extra, &out, NULL) == 0);
        check(rows.taken <= rows.given);
    }
    tz_coder_clear(&coder);
    tz_coder_clear(&writer);
    return 0;
}
