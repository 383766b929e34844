/*
 * A shell command whose output is read, in a process group of its own.
 *
 * Its standard error is drained while its output is read, and the end of it is kept for the
 * error message; so neither pipe can block the other.  One thread at a time.
 */
#ifndef TOZAI_CORE_SOURCE_PROCESS_H
#define TOZAI_CORE_SOURCE_PROCESS_H

#include "tozai/util/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tz_process;

int tz_process_start(struct tz_process **ret, const char *command,
                     struct tz_error *err) TZ_MUST_CHECK;
/* Ends the whole group if it is still running. */
void tz_process_free(struct tz_process *process);
TZ_DEFINE_SCOPED(struct tz_process *, tz_scoped_process, tz_process_free)

/* Wait for output. *ret_len 0: the end of it.  TZ_INTERRUPTED if the user wants to stop. */
int tz_process_read(struct tz_process *process, void *data, size_t len, size_t *ret_len,
                    struct tz_error *err) TZ_MUST_CHECK;
/*
 * Wait for the command to end; TZ_FAILED with its status and the end of its standard error unless
 * it was 0, or if its output was not read to the end.
 */
int tz_process_wait(struct tz_process *process, struct tz_error *err) TZ_MUST_CHECK;

#endif
