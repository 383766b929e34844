/* tozai diff: compares two generations. */
#include "command.h"

#include "tozai/util/banned.h"

static int run(struct tz_context *context, struct tz_error *err)
{
    return tz_fail(err, TZ_UNSUPPORTED, "'%s' is not part of this version", context->command->name);
}

const struct tz_command tz_command_diff = {
    .name = "diff",
    .summary = "show what differs between two generations",
    .arguments = "SOURCE@A SOURCE@B",
    .min_arguments = 2,
    .max_arguments = 2,
    .complete = TZ_COMPLETE_SOURCE,
    .complete_rest = TZ_COMPLETE_SOURCE,
    .run = run,
};
