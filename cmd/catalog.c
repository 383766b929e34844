/* tozai catalog: the local database of what is where. */
#include "command.h"

#include "tozai/util/banned.h"

static const struct tz_verb verbs[] = {
    {.name = "rebuild", .arguments = "", .summary = "make the catalog anew from the stores"},
    {.name = "check",
     .arguments = "",
     .summary = "check the catalog against itself and the stores"},
    {.name = "export",
     .arguments = "FILE",
     .summary = "write a copy of the catalog, an SQLite database",
     .min_arguments = 1,
     .max_arguments = 1},
};

static const struct tz_option options[] = {
    {.name = "store",
     .metavar = "NAME",
     .verb = "rebuild",
     .complete = TZ_COMPLETE_STORE,
     .help = "rebuild from this store alone"},
};

static int run(struct tz_context *context, struct tz_error *err)
{
    return tz_fail(err, TZ_UNSUPPORTED, "'%s' is not part of this version", context->command->name);
}

const struct tz_command tz_command_catalog = {
    .name = "catalog",
    .summary = "rebuild, check or export the local catalog",
    .arguments = "COMMAND ...",
    TZ_OPTIONS(options),
    TZ_VERBS(verbs),
    .complete = TZ_COMPLETE_FILE,
    .run = run,
};
