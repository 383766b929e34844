/*
 * Errors: what failed, where, why, and what to do next.
 *
 * A function that can fail returns 0 or -1 and takes a struct tz_error last.  The place that
 * finds the fault says what (tz_fail); callers on the way up say what they were doing
 * (tz_while), which puts their words in front.  The text sits in the struct, so reporting never
 * allocates, and a worker can copy its error to another thread.  err may be NULL: the caller
 * does not care why.
 */
#ifndef TOZAI_UTIL_ERROR_H
#define TOZAI_UTIL_ERROR_H

#include "tozai/util/scope.h"

/* The kind decides the exit code and the "code" of a JSON error. */
enum tz_error_kind {
    TZ_OK = 0,
    TZ_FAILED,      /* none of the others */
    TZ_INVALID,     /* wrong usage or configuration */
    TZ_IO,          /* a disk or a pipe failed */
    TZ_NOT_FOUND,   /* it does not exist */
    TZ_EXISTS,      /* it exists already */
    TZ_DENIED,      /* no permission */
    TZ_NOSPC,       /* no room left: disk, quota */
    TZ_NOMEM,       /* no memory left */
    TZ_CORRUPT,     /* stored or received bytes are not what they should be */
    TZ_KEY,         /* wrong passphrase, wrong key, or a key that may not do this */
    TZ_BUSY,        /* another run holds the lock */
    TZ_UNAVAILABLE, /* a store cannot be reached */
    TZ_UNSUPPORTED, /* a newer format, or something this system cannot do */
    TZ_INTERRUPTED, /* the user or the system asked to stop */
};

struct tz_error {
    enum tz_error_kind kind;
    int sys_errno; /* 0 if no system call was involved */
    char message[1024];
    char hint[512]; /* what to do next; may be empty */
};

/* Each of these is the constant -1, so that status and message cannot disagree. */
#define tz_fail(err, kind, ...) (tz_error_set((err), (kind), 0, __VA_ARGS__), -1)
/* With the text and kind of an errno value appended: "open 'x': No such file or directory". */
#define tz_fail_errno(err, number, ...) (tz_error_set_errno((err), (number), __VA_ARGS__), -1)
#define tz_fail_nomem(err)              (tz_error_set((err), TZ_NOMEM, 0, "out of memory"), -1)
/* Put "words: " in front of what is there. */
#define tz_while(err, ...) (tz_error_prefix((err), __VA_ARGS__), -1)
/* Add what the user can do about it. */
#define tz_hint(err, ...) (tz_error_hint((err), __VA_ARGS__), -1)

void tz_error_set(struct tz_error *err, enum tz_error_kind kind, int number, const char *format,
                  ...) TZ_PRINTF(4, 5);
void tz_error_set_errno(struct tz_error *err, int number, const char *format, ...) TZ_PRINTF(3, 4);
void tz_error_prefix(struct tz_error *err, const char *format, ...) TZ_PRINTF(2, 3);
void tz_error_hint(struct tz_error *err, const char *format, ...) TZ_PRINTF(2, 3);

static inline void tz_error_clear(struct tz_error *err)
{
    if (err)
        *err = (struct tz_error){0};
}

/* A short word for the kind: "not-found". */
const char *tz_error_code(enum tz_error_kind kind);
/* The kind that an errno value belongs to. */
enum tz_error_kind tz_error_kind_of(int number);

#endif
