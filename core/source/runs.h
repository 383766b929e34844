/*
 * Sorted runs of names in a temporary file, and their merge.
 *
 * Zero-initialized is empty.  Copying the struct moves it.  One thread at a time.
 */
#ifndef TOZAI_CORE_SOURCE_RUNS_H
#define TOZAI_CORE_SOURCE_RUNS_H

#include "tozai/util/buf.h"

#include <stdbool.h>

struct tz_listed {
    const char *text; /* ends with a NUL; lives until the next name is asked for */
    size_t len;       /* at most UINT16_MAX */
    uint8_t type;     /* DT_REG…, DT_UNKNOWN if the file system does not say */
};

struct tz_run;

struct tz_runs {
    int fd; /* valid if there are runs */
    uint64_t len;
    struct tz_buf out; /* not written yet */
    struct tz_run *items;
    size_t count;
    struct tz_run *current; /* gave the last name */
    struct tz_buf last;     /* that name */
};

/* Begin another run, in a file in scratch. */
int tz_runs_begin(struct tz_runs *runs, const char *scratch, struct tz_error *err) TZ_MUST_CHECK;
/* The next name of the run, which comes behind the one before. */
int tz_runs_add(struct tz_runs *runs, const struct tz_listed *name,
                struct tz_error *err) TZ_MUST_CHECK;
int tz_runs_end(struct tz_runs *runs, struct tz_error *err) TZ_MUST_CHECK;
/* The next name of all runs together, each once. *ret_more false: that was all. */
int tz_runs_next(struct tz_runs *runs, struct tz_listed *ret, bool *ret_more,
                 struct tz_error *err) TZ_MUST_CHECK;
void tz_runs_clear(struct tz_runs *runs);

/* By bytes, a beginning before what goes on. */
int tz_name_compare(const char *a, size_t a_len, const char *b, size_t b_len);

#endif
