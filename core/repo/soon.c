#include "internal.h"

#include "tozai/util/time.h"

#include <time.h>

#define TRIES 3U
/* What failed later than this is not tried again. */
#define AT_ONCE_NS TZ_SECOND_NS
#define PAUSE_MS   100

static int try_soon(tz_soon_fn *try, void *arg, struct tz_error *err)
{
    const struct tz_store_terms terms = {.once = true, .still_s = TZ_SILENT_S};
    const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000L};

    for (unsigned tries = 1;; tries++) {
        int64_t began_ns = tz_monotonic();
        struct tz_error why = {0};

        if (!try(arg, &terms, &why))
            return 0;
        if (why.kind != TZ_UNAVAILABLE || tries == TRIES ||
            tz_monotonic() - began_ns > AT_ONCE_NS) {
            if (err)
                *err = why;
            return -1;
        }
        (void)nanosleep(&pause, NULL);
    }
}

int tz_repo_try(enum tz_haste haste, tz_soon_fn *try, void *arg, struct tz_error *err)
{
    const struct tz_store_terms terms = {.once = true, .still_s = TZ_SILENT_S};

    if (haste == TZ_SOON)
        return try_soon(try, arg, err);
    return try(arg, haste == TZ_ONCE ? &terms : NULL, err);
}

struct getting {
    struct tz_store *store;
    const char *name;
    size_t max;
    struct tz_buf *ret;
};

static int get(void *arg, const struct tz_store_terms *terms, struct tz_error *err)
{
    const struct getting *getting = arg;

    tz_buf_reset(getting->ret);
    return tz_store_get_with(getting->store, getting->name, 0, getting->max, terms, getting->ret,
                             err);
}

int tz_repo_get_small(struct tz_store *store, const char *name, size_t max, enum tz_haste haste,
                      struct tz_buf *ret, struct tz_error *err)
{
    struct getting getting = {store, name, max, ret};

    return tz_repo_try(haste, get, &getting, err);
}
