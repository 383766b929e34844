/*
 * Reading the command line.
 */
#ifndef TOZAI_CMD_OPTIONS_H
#define TOZAI_CMD_OPTIONS_H

#include "command.h"

/*
 * Global options may stand before and behind the command, options and arguments in any order;
 * "--" ends the options.  "--name=value" and "--name value" are the same, so are "-cvalue" and
 * "-c value"; "-qv" is "-q -v".  Names cannot be shortened.
 *
 * Wrong usage is TZ_INVALID; context is then filled as far as things were right.  context->command
 * is NULL if there is none.  The context borrows argv.  Clear it in any case.
 */
int tz_options_parse(struct tz_context *context, int argc, char **argv,
                     struct tz_error *err) TZ_MUST_CHECK;
void tz_options_clear(struct tz_context *context);

#endif
