/* tozai sync: levels the stores. */
#include "command.h"

#include "tozai/util/banned.h"

static const struct tz_option options[] = {
    {.name = "from",
     .metavar = "NAME",
     .complete = TZ_COMPLETE_STORE,
     .help = "copy only from this store"},
    {.name = "to",
     .metavar = "NAME",
     .complete = TZ_COMPLETE_STORE,
     .help = "copy only to this store"},
};

static int run(struct tz_context *context, struct tz_error *err)
{
    return tz_fail(err, TZ_UNSUPPORTED, "'%s' is not part of this version", context->command->name);
}

const struct tz_command tz_command_sync = {
    .name = "sync",
    .summary = "bring every store level with the others",
    .arguments = "",
    TZ_OPTIONS(options),
    .run = run,
};
