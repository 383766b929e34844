/* tozai list: shows what there is. */
#include "command.h"

#include "tozai/util/banned.h"

static int run(struct tz_context *context, struct tz_error *err)
{
    return tz_fail(err, TZ_UNSUPPORTED, "'%s' is not part of this version", context->command->name);
}

const struct tz_command tz_command_list = {
    .name = "list",
    .summary = "list generations and recovery windows",
    .arguments = "[SOURCE]",
    .max_arguments = 1,
    .complete = TZ_COMPLETE_SOURCE,
    .run = run,
};
