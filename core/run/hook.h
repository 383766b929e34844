/*
 * Commands of the operator that are run beside a backup.
 *
 * A command has a process group of its own, nothing to read, and a time limit, after which the
 * group is asked to end and then ended.  What it prints is read to the end, and the last of it is
 * kept.  It gets the environment without our passphrase, and some variables more.
 */
#ifndef TOZAI_CORE_RUN_HOOK_H
#define TOZAI_CORE_RUN_HOOK_H

#include "tozai/util/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of the output, that is kept. */
#define TZ_HOOK_OUTPUT 4096

struct tz_hook {
    const char *command;
    const char *const *variables; /* "TOZAI_RESULT=ok", NULL behind the last */
    int64_t limit_ns;
    bool uninterrupted; /* goes on after tz_interrupt_request(): clearing up */
};

struct tz_hook_result {
    int64_t took_ns;
    char output[TZ_HOOK_OUTPUT + 1]; /* both streams together, the end of it; a zero byte is a
                                        blank */
    size_t output_len;
    uint64_t output_total;
};

/* TZ_FAILED if it did not end well, or in time; ret is filled in even then. */
int tz_hook_run(const struct tz_hook *hook, struct tz_hook_result *ret,
                struct tz_error *err) TZ_MUST_CHECK;

#endif
