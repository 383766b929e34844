/*
 * The table of commands, and the options that all of them take.
 */
#ifndef TOZAI_CMD_COMMANDS_H
#define TOZAI_CMD_COMMANDS_H

#include "command.h"

extern const struct tz_command *const tz_commands[];
extern const size_t tz_command_count;

extern const struct tz_option tz_global_options[];
extern const size_t tz_global_option_count;

/* NULL if there is none. */
const struct tz_command *tz_command_find(const char *name);
/* Fails, with the nearest command as a hint. */
int tz_command_unknown(const char *name, struct tz_error *err);

#endif
