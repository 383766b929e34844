/*
 * Scoped clean-up and the few compiler extensions the project uses; all of them live here.
 *
 * A scoped variable is declared where it is acquired, always initialized, and undone when its
 * block is left.  TZ_TAKE() hands the value over and leaves NULL behind.  A function that uses
 * scoped variables has no goto.
 */
#ifndef TOZAI_UTIL_SCOPE_H
#define TOZAI_UTIL_SCOPE_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TZ_MUST_CHECK   __attribute__((warn_unused_result))
#define TZ_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define TZ_UNUSED       __attribute__((unused))
#define TZ_SCOPED(name) __attribute__((cleanup(name)))

/* Define name(), the clean-up function of a scoped variable of this type. */
#define TZ_DEFINE_SCOPED(type, name, release)                                                      \
    /* NOLINTNEXTLINE(bugprone-macro-parentheses): a type */                                       \
    static inline TZ_UNUSED void name(type *variable)                                              \
    {                                                                                              \
        release(*variable);                                                                        \
    }

/* The value of a scoped pointer, which no longer owns it. */
#define TZ_TAKE(pointer)                                                                           \
    (__extension__({                                                                               \
        __typeof__(pointer) taken_value_ = (pointer);                                              \
        (pointer) = NULL;                                                                          \
        taken_value_;                                                                              \
    }))

/* The same for a file descriptor. */
#define TZ_TAKE_FD(fd)                                                                             \
    (__extension__({                                                                               \
        int taken_fd_ = (fd);                                                                      \
        (fd) = -1;                                                                                 \
        taken_fd_;                                                                                 \
    }))

static inline TZ_UNUSED void tz_scoped_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
}

static inline TZ_UNUSED void tz_scoped_file(FILE **file)
{
    if (*file)
        (void)fclose(*file);
}

static inline TZ_UNUSED void tz_scoped_dir(DIR **dir)
{
    if (*dir)
        (void)closedir(*dir);
}

/* For anything that malloc() gave: TZ_SCOPED(tz_scoped_free) char *text = NULL; */
static inline TZ_UNUSED void tz_scoped_free(void *pointer)
{
    free(*(void **)pointer);
}

#define TZ_COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define TZ_MIN(a, b)    ((a) < (b) ? (a) : (b))
#define TZ_MAX(a, b)    ((a) > (b) ? (a) : (b))

#endif
