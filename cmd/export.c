/* tozai export: a generation as an archive. */
#include "command.h"

#include "tozai/util/banned.h"

static const struct tz_option options[] = {
    {.name = "output",
     .metavar = "FILE",
     .required = true,
     .complete = TZ_COMPLETE_FILE,
     .help = "the archive; its ending tells the format"},
    {.name = "format", .metavar = "NAME", .help = "the format, where the ending does not tell it"},
};

static int run(struct tz_context *context, struct tz_error *err)
{
    return tz_fail(err, TZ_UNSUPPORTED, "'%s' is not part of this version", context->command->name);
}

const struct tz_command tz_command_export = {
    .name = "export",
    .summary = "write a generation as an archive",
    .arguments = "SOURCE[@POINT]",
    TZ_OPTIONS(options),
    .min_arguments = 1,
    .max_arguments = 1,
    .complete = TZ_COMPLETE_SOURCE,
    .run = run,
};
