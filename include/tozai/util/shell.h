/*
 * Commands for the shell, as processes of their own.
 *
 * The process has nothing to read, signals are as any program expects them, and of our files it
 * inherits only what is named here.
 */
#ifndef TOZAI_UTIL_SHELL_H
#define TOZAI_UTIL_SHELL_H

#include "tozai/util/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct tz_shell {
    const char *command;
    char *const *environment; /* NULL: ours */
    int output;               /* where it writes to */
    int errors;               /* the same for its errors; -1: where ours go */
    bool group;               /* of its own, so that all of it can be ended; not for one that may
                                 ask somebody at the terminal */
};
/* *ret is to be waited for. */
int tz_shell_start(pid_t *ret, const struct tz_shell *shell, struct tz_error *err) TZ_MUST_CHECK;

/* Add text to what a command has said, of which at most max bytes are kept: the last ones. */
void tz_keep_last(char *kept, size_t *kept_len, size_t max, const char *text, size_t len);

#endif
