/*
 * The wish to stop.  Signal handlers set it, long loops ask.
 */
#ifndef TOZAI_UTIL_INTERRUPT_H
#define TOZAI_UTIL_INTERRUPT_H

#include "tozai/util/error.h"

#include <stdbool.h>

/*
 * SIGINT, SIGTERM and SIGHUP set the flag; a second one ends the process.  One that was ignored
 * before (nohup) stays ignored.  Calls that wait return EINTR.  SIGPIPE is ignored.
 */
int tz_interrupt_install(struct tz_error *err) TZ_MUST_CHECK;
void tz_interrupt_request(void);
bool tz_interrupted(void);
/* -1 with TZ_INTERRUPTED if the flag is set. */
int tz_interrupt_check(struct tz_error *err) TZ_MUST_CHECK;

#endif
