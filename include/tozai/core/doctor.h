/*
 * Looking for what is wrong, or will go wrong: files and their permissions, stores, keys, clocks
 * and sources.
 *
 * Nothing is changed but that each store gets a small object for a moment, if it can be removed
 * again, and that what stores do (probe.h) is kept in the catalog.
 */
#ifndef TOZAI_CORE_DOCTOR_H
#define TOZAI_CORE_DOCTOR_H

#include "tozai/core/config.h"
#include "tozai/storage/probe.h"

enum tz_finding_state { TZ_FINDING_OK, TZ_FINDING_WARN, TZ_FINDING_FAIL };

/* "ok", "warn", "fail" */
const char *tz_finding_state_name(enum tz_finding_state state);

struct tz_finding {
    enum tz_finding_state state;
    const char *name;             /* "store east: access" */
    const char *detail;           /* what was found */
    const char *advice;           /* what to do about it; may be empty */
    const struct tz_probe *probe; /* what a store does; NULL: this is about something else */
};
/* One thing that was looked at, in order; all is borrowed. */
typedef void tz_finding_fn(void *arg, const struct tz_finding *check);

struct tz_doctor_options {
    const struct tz_config *config;
    bool no_prompt; /* for a passphrase */
    tz_finding_fn *found;
    void *found_arg;
};

/* What is wrong is told, not returned: only an interrupt is an error. */
int tz_doctor(const struct tz_doctor_options *options, struct tz_error *err) TZ_MUST_CHECK;

#endif
