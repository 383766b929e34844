/* tozai ls: lists a generation. */
#include "command.h"

#include "tozai/util/banned.h"

static const struct tz_option options[] = {
    {.name = "recursive", .letter = 'R', .help = "list everything below, too"},
};

static int run(struct tz_context *context, struct tz_error *err)
{
    return tz_fail(err, TZ_UNSUPPORTED, "'%s' is not part of this version", context->command->name);
}

const struct tz_command tz_command_ls = {
    .name = "ls",
    .summary = "list the entries of a generation",
    .arguments = "SOURCE[@POINT] [PATH]",
    TZ_OPTIONS(options),
    .min_arguments = 1,
    .max_arguments = 2,
    .complete = TZ_COMPLETE_SOURCE,
    .run = run,
};
