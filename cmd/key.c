/* tozai key: key slots and the paper copy. */
#include "command.h"

#include "tozai/util/banned.h"

static const char *const roles[] = {"operator", "writer", NULL};

static const struct tz_verb verbs[] = {
    {.name = "list", .arguments = "", .summary = "list the slots"},
    {.name = "add", .arguments = "", .summary = "add a slot"},
    {.name = "remove",
     .arguments = "SLOT",
     .summary = "remove a slot from every store",
     .min_arguments = 1,
     .max_arguments = 1},
    {.name = "passwd",
     .arguments = "SLOT",
     .summary = "change the passphrase of a slot",
     .min_arguments = 1,
     .max_arguments = 1},
    {.name = "paper", .arguments = "", .summary = "print the operator key for a safe"},
    {.name = "recover",
     .arguments = "",
     .summary = "type the paper copy in again, and make a new slot of it"},
};

static const struct tz_option options[] = {
    {.name = "role",
     .metavar = "ROLE",
     .required = true,
     .words = roles,
     .verb = "add",
     .help = "what the key may do: operator (everything) or writer (back up)"},
    {.name = "out",
     .metavar = "FILE",
     .verb = "add",
     .complete = TZ_COMPLETE_FILE,
     .help = "make a key file instead of asking for a passphrase"},
};

static int run(struct tz_context *context, struct tz_error *err)
{
    return tz_fail(err, TZ_UNSUPPORTED, "'%s' is not part of this version", context->command->name);
}

const struct tz_command tz_command_key = {
    .name = "key",
    .summary = "manage the keys",
    .arguments = "COMMAND ...",
    TZ_OPTIONS(options),
    TZ_VERBS(verbs),
    .run = run,
};
