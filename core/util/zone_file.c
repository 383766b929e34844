/* The files of tzdata: RFC 8536, "TZif". */
#include "zone_private.h"

#include <string.h>

#include "tozai/util/banned.h"

#define HEADER_SIZE 44
#define TYPE_SIZE   6
/* No place is further from Greenwich than this. */
#define OFFSET_MAX INT32_C(93600)

struct header {
    int version;
    uint32_t ut_count, standard_count, leap_count, time_count, type_count, char_count;
};

static uint32_t get_u32(const uint8_t *data)
{
    return (uint32_t)data[0] << 24 | (uint32_t)data[1] << 16 | (uint32_t)data[2] << 8 | data[3];
}

static int64_t get_i64(const uint8_t *data)
{
    return (int64_t)((uint64_t)get_u32(data) << 32 | get_u32(data + 4));
}

static int cut_short(struct tz_error *err)
{
    return tz_fail(err, TZ_INVALID, "the time zone's file is cut short");
}

/* What is left of the file. */
struct input {
    const uint8_t *at;
    size_t len;
};

static const uint8_t *take(struct input *input, size_t len)
{
    const uint8_t *at = input->at;

    if (len > input->len)
        return NULL;
    input->at += len;
    input->len -= len;
    return at;
}

static int read_header(struct header *ret, struct input *input, struct tz_error *err)
{
    const uint8_t *at = take(input, HEADER_SIZE);

    if (!at || memcmp(at, "TZif", 4) != 0)
        return tz_fail(err, TZ_INVALID, "this is not the file of a time zone");
    *ret = (struct header){
        .version = at[4] == 0 ? 1 : at[4] - '0',
        .ut_count = get_u32(at + 20),
        .standard_count = get_u32(at + 24),
        .leap_count = get_u32(at + 28),
        .time_count = get_u32(at + 32),
        .type_count = get_u32(at + 36),
        .char_count = get_u32(at + 40),
    };
    if (ret->version < 1 || ret->version > 9)
        return tz_fail(err, TZ_INVALID, "this is not the file of a time zone");
    return 0;
}

/* The bytes of a data block; time_size is 4 or 8. */
static uint64_t block_size(const struct header *header, uint64_t time_size)
{
    return header->time_count * (time_size + 1) + header->type_count * (uint64_t)TYPE_SIZE +
           header->char_count + header->leap_count * (time_size + 4) + header->standard_count +
           (uint64_t)header->ut_count;
}

static int read_types(struct tz_zone *zone, const uint8_t *types, uint32_t count,
                      struct tz_error *err)
{
    for (uint32_t i = 0; i < count; i++) {
        int32_t offset = (int32_t)get_u32(types + (size_t)i * TYPE_SIZE);
        if (offset <= -OFFSET_MAX || offset >= OFFSET_MAX)
            return tz_fail(err, TZ_INVALID, "the time zone is more than a day from Greenwich");
        zone->offsets[i] = offset;
    }
    return 0;
}

static int read_times(struct tz_zone *zone, const uint8_t *times, const uint8_t *types,
                      const struct header *header, size_t time_size, struct tz_error *err)
{
    for (uint32_t i = 0; i < header->time_count; i++) {
        const uint8_t *at = times + i * time_size;
        zone->times[i] = time_size == 8 ? get_i64(at) : (int32_t)get_u32(at);
        zone->types[i] = types[i];
        if (types[i] >= header->type_count || (i > 0 && zone->times[i] <= zone->times[i - 1]))
            return tz_fail(err, TZ_INVALID, "the changes of the time zone are out of order");
    }
    zone->count = header->time_count;
    return 0;
}

static int read_block(struct tz_zone *zone, struct input *input, const struct header *header,
                      size_t time_size, struct tz_error *err)
{
    uint64_t size = block_size(header, time_size);
    const uint8_t *times = size <= input->len ? take(input, (size_t)size) : NULL;

    if (!times)
        return cut_short(err);
    if (header->type_count == 0 || header->type_count > TZ_ZONE_TYPES)
        return tz_fail(err, TZ_INVALID, "the time zone has %u kinds of time", header->type_count);
    if (header->leap_count > 0)
        return tz_fail(err, TZ_INVALID,
                       "the time zone counts leap seconds, and the system's "
                       "clock does not");
    zone->times = calloc((size_t)header->time_count + 1, sizeof(zone->times[0]));
    zone->types = calloc((size_t)header->time_count + 1, sizeof(zone->types[0]));
    if (!zone->times || !zone->types)
        return tz_fail_nomem(err);
    const uint8_t *types = times + header->time_count * time_size;
    if (read_times(zone, times, types, header, time_size, err))
        return -1;
    return read_types(zone, types + header->time_count, header->type_count, err);
}

/* "\nJST-9\n"; an empty one says nothing. */
static int read_footer(struct tz_zone *zone, struct input *input, struct tz_error *err)
{
    char text[TZ_ZONE_RULE_TEXT];
    const uint8_t *begin = take(input, 1);
    const uint8_t *end = input->len > 0 ? memchr(input->at, '\n', input->len) : NULL;

    if (!begin || *begin != '\n' || !end)
        return cut_short(err);
    size_t len = (size_t)(end - input->at);
    if (len >= sizeof(text) || memchr(input->at, 0, len))
        return tz_fail(err, TZ_INVALID, "the time zone's rule for the future cannot be read");
    memcpy(text, input->at, len);
    text[len] = '\0';
    zone->has_rule = len > 0;
    if (len > 0 && !tz_zone_rule_read(&zone->rule, text))
        return tz_fail(err, TZ_INVALID, "the time zone's rule '%s' cannot be read", text);
    return 0;
}

int tz_zone_read(struct tz_zone **ret, const void *data, size_t len, struct tz_error *err)
{
    struct input input = {data, len};
    struct header header;
    TZ_SCOPED(tz_scoped_zone) struct tz_zone *zone = calloc(1, sizeof(*zone));

    if (!zone)
        return tz_fail_nomem(err);
    if (read_header(&header, &input, err))
        return -1;
    if (header.version == 1) {
        if (read_block(zone, &input, &header, 4, err))
            return -1;
    } else {
        /* The first block is for programs that know nothing else. */
        uint64_t first = block_size(&header, 4);
        if (first > input.len || !take(&input, (size_t)first))
            return cut_short(err);
        if (read_header(&header, &input, err) || read_block(zone, &input, &header, 8, err) ||
            read_footer(zone, &input, err))
            return -1;
    }
    *ret = TZ_TAKE(zone);
    return 0;
}
