/* tozai verify: checks the stores. */
#include "command.h"

#include "tozai/util/banned.h"

static const char *const levels[] = {"presence", "ciphertext", "content", NULL};

static const struct tz_option options[] = {
    {.name = "level",
     .metavar = "LEVEL",
     .words = levels,
     .help = "how much to check: presence, ciphertext (the default) or content"},
    {.name = "store",
     .metavar = "NAME",
     .complete = TZ_COMPLETE_STORE,
     .help = "check only this store"},
    {.name = "sample",
     .metavar = "PERCENT",
     .help = "check only so many percent, others each time"},
    {.name = "heal", .help = "replace what is damaged or missing from another store"},
};

static int run(struct tz_context *context, struct tz_error *err)
{
    return tz_fail(err, TZ_UNSUPPORTED, "'%s' is not part of this version", context->command->name);
}

const struct tz_command tz_command_verify = {
    .name = "verify",
    .summary = "check what the stores hold, and heal it",
    .arguments = "",
    TZ_OPTIONS(options),
    .run = run,
};
