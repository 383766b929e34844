#include "output.h"

#include "tozai/util/hex.h"
#include "tozai/util/time.h"
#include "tozai/util/utf8.h"

#include <string.h>

#include "tozai/util/banned.h"

/* U+FFFD */
static const char replacement[] = "\xef\xbf\xbd";

int tz_json_print(const json_t *value, struct tz_error *err)
{
    if (!value)
        return tz_fail_nomem(err);
    /* main() asks at the end whether all output arrived. */
    if (json_dumpf(value, stdout, JSON_COMPACT) && !ferror(stdout))
        return tz_fail_nomem(err);
    (void)putchar('\n');
    return 0;
}

void tz_json_line(struct tz_context *context, json_t *value)
{
    TZ_SCOPED(tz_scoped_json) json_t *owned = value;
    TZ_SCOPED(tz_scoped_free) char *text = owned ? json_dumps(owned, JSON_COMPACT) : NULL;

    tz_clear_line(context);
    (void)fprintf(stderr, "%s\n", text ? text : "{\"error\":{\"code\":\"out-of-memory\"}}");
}

static int clean(struct tz_buf *out, const uint8_t *at, size_t len)
{
    while (len > 0) {
        uint32_t code;
        size_t size = tz_utf8_decode(at, len, &code);
        if (size == 0 ? tz_buf_append(out, replacement, strlen(replacement), NULL)
                      : tz_buf_append(out, at, size, NULL))
            return -1;
        size += size == 0;
        at += size;
        len -= size;
    }
    return 0;
}

json_t *tz_json_text(const void *text, size_t len)
{
    if (tz_utf8_valid(text, len))
        return json_stringn(len > 0 ? text : "", len);

    TZ_SCOPED(tz_scoped_buf) struct tz_buf cleaned = {0};
    if (clean(&cleaned, text, len))
        return NULL;
    return json_stringn((const char *)cleaned.data, cleaned.len);
}

int tz_json_set(json_t *object, const char *key, json_t *value, struct tz_error *err)
{
    return json_object_set_new(object, key, value) ? tz_fail_nomem(err) : 0;
}

int tz_json_append(json_t *array, json_t *value, struct tz_error *err)
{
    return json_array_append_new(array, value) ? tz_fail_nomem(err) : 0;
}

/* RFC 4648, with padding. */
static json_t *base64(const uint8_t *data, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};

    for (size_t i = 0; i < len; i += 3) {
        size_t left = TZ_MIN(len - i, 3U);
        uint32_t bits = (uint32_t)data[i] << 16 | (left > 1 ? (uint32_t)data[i + 1] << 8 : 0) |
                        (left > 2 ? data[i + 2] : 0U);
        char group[4] = {digits[bits >> 18], digits[bits >> 12 & 63], '=', '='};
        if (left > 1)
            group[2] = digits[bits >> 6 & 63];
        if (left > 2)
            group[3] = digits[bits & 63];
        if (tz_buf_append(&out, group, sizeof(group), NULL))
            return NULL;
    }
    return json_stringn((const char *)out.data, out.len);
}

int tz_json_path(json_t *object, const char *key, const void *path, size_t len,
                 struct tz_error *err)
{
    if (tz_json_set(object, key, tz_json_text(path, len), err))
        return -1;
    if (tz_utf8_valid(path, len))
        return 0;

    TZ_SCOPED(tz_scoped_buf) struct tz_buf exact_key = {0};
    if (tz_buf_printf(&exact_key, err, "%s_base64", key))
        return -1;
    return tz_json_set(object, (const char *)exact_key.data, base64(path, len), err);
}

json_t *tz_json_time(int64_t time_ns)
{
    char text[TZ_TIME_TEXT];

    if (time_ns == 0)
        return json_null();
    tz_time_format(text, time_ns);
    return json_string(text);
}

json_t *tz_json_hex(const uint8_t *data, size_t len)
{
    TZ_SCOPED(tz_scoped_free) char *text = malloc(2 * len + 1);
    if (!text)
        return NULL;
    tz_hex(text, data, len);
    return json_string(text);
}
