#include "internal.h"

#include "tozai/util/interrupt.h"
#include "tozai/util/time.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sys/statvfs.h>

#include "tozai/util/banned.h"

#define ROOM_WARN ((uint64_t)1 << 30)
#define ROOM_FAIL ((uint64_t)64 << 20)

#define CLOCK_SKEW_MAX (INT64_C(300) * TZ_SECOND_NS)

const char *tz_finding_state_name(enum tz_finding_state state)
{
    static const char *const names[] = {"ok", "warn", "fail"};
    return names[state];
}

void tz_doctor_tell(const struct tz_doctor_options *options, enum tz_finding_state state,
                    const char *name, const char *advice, const char *detail, ...)
{
    char text[2048];
    va_list args;

    va_start(args, detail);
    (void)vsnprintf(text, sizeof(text), detail, args);
    va_end(args);
    const struct tz_finding check = {
        .state = state,
        .name = name,
        .detail = text,
        .advice = advice ? advice : "",
    };
    options->found(options->found_arg, &check);
}

void tz_doctor_tell_error(const struct tz_doctor_options *options, const char *name,
                          const struct tz_error *why)
{
    tz_doctor_tell(options, TZ_FINDING_FAIL, name, why->hint, "%s", why->message);
}

void tz_doctor_room(const struct tz_doctor_options *options, const char *name, const char *path)
{
    struct statvfs stat;
    char text[TZ_SIZE_TEXT];

    if (statvfs(path, &stat)) {
        struct tz_error why;
        (void)tz_fail_errno(&why, errno, "ask how much room '%s' has", path);
        tz_doctor_tell_error(options, name, &why);
        return;
    }
    uint64_t bytes = (uint64_t)stat.f_bavail * stat.f_frsize;
    tz_size_format(text, bytes);
    if (bytes >= ROOM_WARN)
        tz_doctor_tell(options, TZ_FINDING_OK, name, NULL, "%s free", text);
    else
        tz_doctor_tell(options, bytes < ROOM_FAIL ? TZ_FINDING_FAIL : TZ_FINDING_WARN, name,
                       "make room, or use a larger disk", "only %s free in '%s'", text, path);
}

void tz_doctor_clock(const struct tz_doctor_options *options, const char *name, int64_t ahead_ns)
{
    int64_t distance_ns = ahead_ns < 0 ? -ahead_ns : ahead_ns;

    if (distance_ns > CLOCK_SKEW_MAX)
        tz_doctor_tell(options, TZ_FINDING_WARN, name,
                       "set both clocks by NTP: times name generations and end retention",
                       "it is %" PRId64 " seconds %s this machine's", distance_ns / TZ_SECOND_NS,
                       ahead_ns < 0 ? "behind" : "before");
    else
        tz_doctor_tell(options, TZ_FINDING_OK, name, NULL, "it agrees with this machine's");
}

int tz_doctor(const struct tz_doctor_options *options, struct tz_error *err)
{
    static void (*const parts[])(const struct tz_doctor_options *options) = {
        tz_doctor_files,
        tz_doctor_stores,
        tz_doctor_keys,
        tz_doctor_sources,
    };

    for (size_t i = 0; i < TZ_COUNT(parts); i++) {
        if (tz_interrupt_check(err))
            return -1;
        parts[i](options);
    }
    return tz_interrupt_check(err);
}
