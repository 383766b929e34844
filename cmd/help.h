/*
 * Help texts, and the pieces of them that completions and manual pages need, too.
 */
#ifndef TOZAI_CMD_HELP_H
#define TOZAI_CMD_HELP_H

#include "command.h"

/* What "tozai help" prints. */
void tz_help_overview(FILE *out);
/* What "tozai help COMMAND" prints. */
void tz_help_command(FILE *out, const struct tz_command *command);

#endif
