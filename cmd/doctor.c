/* tozai doctor: looks for what will go wrong. */
#include "command.h"

#include "tozai/util/banned.h"

static int run(struct tz_context *context, struct tz_error *err)
{
    return tz_fail(err, TZ_UNSUPPORTED, "'%s' is not part of this version", context->command->name);
}

const struct tz_command tz_command_doctor = {
    .name = "doctor",
    .summary = "check configuration, keys, stores and permissions",
    .arguments = "",
    .run = run,
};
