/*
 * Versions that somebody has hidden, from a store that keeps what is locked.
 */
#include "lock.h"

#include "tozai/util/log.h"

#include <string.h>

#include "tozai/util/banned.h"

#define VERSIONS_MAX 64

struct versions {
    const char *name;
    char *ids[VERSIONS_MAX];
    size_t count;
};

static void versions_clear(struct versions *versions)
{
    for (size_t i = 0; i < versions->count; i++)
        free(versions->ids[i]);
}

/* The newest come first; of very many the oldest counts, since it is the first that was put. */
static int note(void *arg, const struct tz_store_version *version, struct tz_error *err)
{
    struct versions *versions = arg;

    if (version->removed || strcmp(version->name, versions->name) != 0)
        return 0;
    if (versions->count == VERSIONS_MAX)
        free(versions->ids[--versions->count]);
    versions->ids[versions->count] = strdup(version->id);
    return versions->ids[versions->count++] ? 0 : tz_fail_nomem(err);
}

int tz_lock_recover(struct tz_store *store, const char *name, size_t max, tz_lock_accept_fn *accept,
                    void *arg, struct tz_buf *out, bool *ret_found, struct tz_error *err)
{
    TZ_SCOPED(versions_clear) struct versions versions = {.name = name};
    size_t before = out->len;

    *ret_found = false;
    if (tz_store_lock_mode(store) == TZ_LOCK_NONE)
        return 0;
    if (tz_store_versions(store, name, note, &versions, err))
        return -1;
    for (size_t i = 0; i < versions.count; i++) {
        struct tz_error why = {0};
        if (!tz_store_get_version(store, name, versions.ids[i], max, out, &why) &&
            !accept(arg, out->data + before, out->len - before, &why)) {
            *ret_found = true;
            return 0;
        }
        out->len = before;
        tz_debug("a version of '%s': %s", name, why.message);
        if (why.kind == TZ_NOMEM || why.kind == TZ_INTERRUPTED) {
            if (err)
                *err = why;
            return -1;
        }
    }
    return 0;
}
