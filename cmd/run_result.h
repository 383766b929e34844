/*
 * What a run did, as text and as JSON.
 */
#ifndef TOZAI_CMD_RUN_RESULT_H
#define TOZAI_CMD_RUN_RESULT_H

#include "common.h"

#include "tozai/core/run.h"

/* session->repo NULL: it could not be opened. */
void tz_run_print(const struct tz_session *session, const struct tz_run_result *result);
/* NULL without memory. */
json_t *tz_run_json(const struct tz_session *session, const struct tz_run_result *result);

#endif
