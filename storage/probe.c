#include "tozai/storage/driver.h"

#include "tozai/util/wire.h"

#include "tozai/util/banned.h"

#define VERSION     1
#define ADDRESS_MAX 4096

const char *tz_probe_part_name(enum tz_probe_part part)
{
    static const char *const names[TZ_PROBE_PARTS] = {
        [TZ_PROBE_READ] = "read_after_write", [TZ_PROBE_LIST] = "list_after_write",
        [TZ_PROBE_RANGES] = "range_reads",    [TZ_PROBE_CONDITIONAL] = "conditional_put",
        [TZ_PROBE_BATCH] = "batch_delete",    [TZ_PROBE_HASH] = "hash_check",
        [TZ_PROBE_VERSIONING] = "versioning", [TZ_PROBE_REMOVE] = "delete",
    };
    return names[part];
}

const char *tz_probe_answer_name(enum tz_probe_answer answer)
{
    static const char *const names[] = {"unknown", "no", "yes"};
    return names[answer];
}

unsigned tz_probe_features(const struct tz_probe *probe)
{
    unsigned features = 0;

    if (probe->parts[TZ_PROBE_CONDITIONAL] == TZ_PROBE_YES)
        features |= TZ_STORE_ATOMIC;
    if (probe->parts[TZ_PROBE_BATCH] == TZ_PROBE_YES)
        features |= TZ_STORE_BATCH;
    return features;
}

/* Files and memory do what is asked of them, and keep no versions. */
int tz_store_sure(void *state, const struct tz_probe_options *options, struct tz_probe *ret,
                  struct tz_error *err)
{
    (void)state;
    (void)options;
    (void)err;
    for (size_t i = 0; i < TZ_PROBE_PARTS; i++)
        ret->parts[i] = TZ_PROBE_YES;
    ret->parts[TZ_PROBE_VERSIONING] = TZ_PROBE_NO;
    return 0;
}

int tz_probe_write(const struct tz_probe *probe, const char *address, struct tz_buf *out,
                   struct tz_error *err)
{
    if (tz_put_u8(out, VERSION, err) || tz_put_text(out, address, err) ||
        tz_put_u64(out, (uint64_t)probe->time_ns, err) || tz_put_u8(out, probe->has_region, err) ||
        tz_put_text(out, probe->region, err) || tz_put_u8(out, TZ_PROBE_PARTS, err))
        return -1;
    for (size_t i = 0; i < TZ_PROBE_PARTS; i++)
        if (tz_put_u8(out, (uint8_t)probe->parts[i], err))
            return -1;
    return 0;
}

bool tz_probe_read(const void *data, size_t len, const char *address, struct tz_probe *ret)
{
    struct tz_cursor cursor = tz_cursor(data, len);
    struct tz_probe probe = {0};

    if (tz_get_u8(&cursor) != VERSION)
        return false;
    TZ_SCOPED(tz_scoped_free) char *of = tz_get_text(&cursor, ADDRESS_MAX);
    probe.time_ns = (int64_t)tz_get_u64(&cursor);
    probe.has_region = tz_get_u8(&cursor) != 0;
    TZ_SCOPED(tz_scoped_free) char *region = tz_get_text(&cursor, TZ_STORE_REGION_MAX - 1);
    uint8_t count = tz_get_u8(&cursor);
    for (size_t i = 0; i < count; i++) {
        uint8_t answer = tz_get_u8(&cursor);
        if (answer > TZ_PROBE_YES)
            return false;
        if (i < TZ_PROBE_PARTS)
            probe.parts[i] = answer;
    }
    /* One of fewer parts was made by a tozai that knew less: better to ask again. */
    if (!tz_wire_done(&cursor) || count < TZ_PROBE_PARTS || strcmp(of, address) != 0)
        return false;
    memcpy(probe.region, region, strlen(region) + 1);
    *ret = probe;
    return true;
}
