/* tozai find: looks for a file in every generation. */
#include "command.h"

#include "tozai/util/banned.h"

static int run(struct tz_context *context, struct tz_error *err)
{
    return tz_fail(err, TZ_UNSUPPORTED, "'%s' is not part of this version", context->command->name);
}

const struct tz_command tz_command_find_entries = {
    .name = "find",
    .summary = "find the generations that hold a file, and where it changed",
    .arguments = "PATTERN [SOURCE]",
    .min_arguments = 1,
    .max_arguments = 2,
    .complete_rest = TZ_COMPLETE_SOURCE,
    .run = run,
};
