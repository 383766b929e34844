/*
 * Completions for shells, from the table of commands.
 */
#ifndef TOZAI_CMD_COMPLETION_H
#define TOZAI_CMD_COMPLETION_H

#include "command.h"

void tz_completion_bash(FILE *out);
void tz_completion_zsh(FILE *out);
void tz_completion_fish(FILE *out);

/* Print text as it stands between single quotes; each character of special gets a backslash. */
void tz_completion_escaped(FILE *out, const char *text, const char *special);
/* Print the words with blanks between them. */
void tz_completion_words(FILE *out, const char *const *words);

#endif
