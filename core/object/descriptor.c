/*
 * The descriptor is JSON for people and other tools; we read back only what we write.
 */
#include "tozai/core/generation.h"
#include "tozai/util/hex.h"
#include "tozai/util/time.h"

#include <stdio.h>

#include "tozai/util/banned.h"

#define DESCRIPTOR_MAX 512
#define REPO_HEX       ((size_t)2 * TZ_REPO_ID_SIZE)

static const char before_version[] = "{\"tozai\":\"repository\",\"version\":";
static const char before_id[] = ",\"repository\":\"";
static const char before_time[] = "\",\"created\":\"";

int tz_descriptor_write(const struct tz_descriptor *descriptor, struct tz_buf *out,
                        struct tz_error *err)
{
    char id[REPO_HEX + 1], created[TZ_TIME_TEXT];
    tz_hex(id, descriptor->repo_id, TZ_REPO_ID_SIZE);
    tz_time_format(created, descriptor->created_ns);
    return tz_buf_printf(out, err, "%s%u%s%s%s%s\"}\n", before_version, descriptor->version,
                         before_id, id, before_time, created);
}

/* Step over literal if it is there. */
static bool skip(const char **at, const char *literal)
{
    size_t len = strlen(literal);
    if (strncmp(*at, literal, len) != 0)
        return false;
    *at += len;
    return true;
}

static bool parse_version(const char **at, uint32_t *ret)
{
    uint64_t version = 0;
    int digits = 0;
    for (; **at >= '0' && **at <= '9' && digits < 9; ++*at, digits++)
        version = version * 10 + (uint64_t)(**at - '0');
    *ret = (uint32_t)version;
    return digits > 0;
}

/* The parts behind the version. */
static bool parse_rest(const char *at, struct tz_descriptor *ret)
{
    char created[TZ_TIME_TEXT] = {0};
    if (!skip(&at, before_id) || !tz_unhex(ret->repo_id, TZ_REPO_ID_SIZE, at))
        return false;
    at += REPO_HEX;
    if (!skip(&at, before_time))
        return false;
    size_t len = strcspn(at, "\"");
    if (len >= sizeof(created))
        return false;
    memcpy(created, at, len);
    return tz_time_parse(created, 0, &ret->created_ns, NULL) == 0;
}

/* Odd spacing, escapes, ages for times: whatever we would not write so is refused. */
static int check_again(const struct tz_descriptor *descriptor, const void *data, size_t len,
                       struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf again = {0};
    if (tz_descriptor_write(descriptor, &again, err))
        return -1;
    if (again.len != len || memcmp(again.data, data, len) != 0)
        return tz_fail(err, TZ_CORRUPT, "the repository descriptor is damaged");
    return 0;
}

int tz_descriptor_read(struct tz_descriptor *ret, const void *data, size_t len,
                       struct tz_error *err)
{
    char text[DESCRIPTOR_MAX + 1] = {0};
    if (len <= DESCRIPTOR_MAX && len)
        memcpy(text, data, len);
    struct tz_descriptor found = {0};
    const char *at = text;
    if (!skip(&at, before_version) || !parse_version(&at, &found.version))
        return tz_fail(err, TZ_CORRUPT, "this is not a repository descriptor of tozai");
    if (found.version > TZ_FORMAT_VERSION) {
        (void)tz_fail(err, TZ_UNSUPPORTED, "repository format %u is newer than this tozai",
                      found.version);
        return tz_hint(err, "install a newer tozai");
    }
    if (found.version == 0 || !parse_rest(at, &found))
        return tz_fail(err, TZ_CORRUPT, "the repository descriptor is damaged");
    if (check_again(&found, data, len, err))
        return -1;
    *ret = found;
    return 0;
}
