/* tozai import: an archive as a generation. */
#include "command.h"

#include "tozai/util/banned.h"

static const struct tz_option options[] = {
    {.name = "input",
     .metavar = "FILE",
     .required = true,
     .complete = TZ_COMPLETE_FILE,
     .help = "the archive, in any format that libarchive reads"},
};

static int run(struct tz_context *context, struct tz_error *err)
{
    return tz_fail(err, TZ_UNSUPPORTED, "'%s' is not part of this version", context->command->name);
}

const struct tz_command tz_command_import = {
    .name = "import",
    .summary = "make a generation of an archive",
    .arguments = "SOURCE",
    TZ_OPTIONS(options),
    .min_arguments = 1,
    .max_arguments = 1,
    .complete = TZ_COMPLETE_SOURCE,
    .run = run,
};
