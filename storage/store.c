#include "store_private.h"

#include "tozai/util/log.h"
#include "tozai/util/time.h"

#include <string.h>

#include "tozai/util/banned.h"

static const struct tz_store_driver *const drivers[] = {
    &tz_store_driver_file,
    &tz_store_driver_mem,
    &tz_store_driver_s3,
};

static bool name_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '.' ||
           c == '_' || c == '-';
}

/* The components of text up to each '/' are names of directories; returns the rest, or NULL. */
static const char *skip_directories(const char *text)
{
    const char *component = text;
    const char *p = text;
    for (; *p; p++) {
        if (*p != '/') {
            if (!name_char(*p))
                return NULL;
            continue;
        }
        size_t len = (size_t)(p - component);
        if (len == 0 || (len == 1 && component[0] == '.') ||
            (len == 2 && component[0] == '.' && component[1] == '.'))
            return NULL;
        component = p + 1;
    }
    return p - text <= TZ_STORE_NAME_MAX ? component : NULL;
}

static bool reserved(const char *text)
{
    return strncmp(text, "tmp", 3) == 0 && (text[3] == '\0' || text[3] == '/');
}

bool tz_store_name_valid(const char *name)
{
    const char *last = skip_directories(name);
    return last && *last && strcmp(last, ".") != 0 && strcmp(last, "..") != 0 && !reserved(name);
}

int tz_store_check_name(const char *name, struct tz_error *err)
{
    if (!tz_store_name_valid(name))
        return tz_fail(err, TZ_INVALID, "'%.*s' is not a valid object name", TZ_STORE_NAME_MAX,
                       name);
    return 0;
}

int tz_store_check_writable(const struct tz_store *store, const char *name, struct tz_error *err)
{
    if (store->read_only)
        return tz_fail(err, TZ_DENIED, "store '%s' is opened read-only: '%s' is not changed",
                       store->name, name);
    return 0;
}

static int copy_text(char **ret, const char *text, struct tz_error *err)
{
    *ret = strdup(text ? text : "");
    return *ret ? 0 : tz_fail_nomem(err);
}

int tz_store_new(struct tz_store **ret, const struct tz_store_driver *driver, void *state,
                 const struct tz_store_options *options, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_store) struct tz_store *store = calloc(1, sizeof(*store));
    if (!store) {
        driver->free(state);
        return tz_fail_nomem(err);
    }
    store->driver = driver;
    store->state = state;
    store->read_only = options->read_only;
    store->lock_mode = options->lock;
    (void)pthread_mutex_init(&store->mutex, NULL);
    if (copy_text(&store->name, options->name, err) || copy_text(&store->url, options->url, err) ||
        copy_text(&store->location, options->location, err) ||
        copy_text(&store->unlocked, options->unlocked, err))
        return -1;
    *ret = TZ_TAKE(store);
    return 0;
}

static const struct tz_store_driver *find_driver(const char *url)
{
    size_t len = strcspn(url, ":");
    if (url[len] != ':')
        return NULL;
    for (size_t i = 0; i < TZ_COUNT(drivers); i++)
        if (strlen(drivers[i]->scheme) == len && memcmp(drivers[i]->scheme, url, len) == 0)
            return drivers[i];
    return NULL;
}

int tz_store_open(struct tz_store **ret, const struct tz_store_options *options,
                  struct tz_error *err)
{
    const char *url = options->url ? options->url : "";
    const struct tz_store_driver *driver = find_driver(url);
    if (!driver) {
        (void)tz_fail(err, TZ_INVALID, "open store '%s': '%s' has no known scheme",
                      options->name ? options->name : url, url);
        return tz_hint(err, "a store is a URL such as file:///backup/east");
    }
    if (options->lock != TZ_LOCK_NONE && !(driver->features & TZ_STORE_LOCKS))
        return tz_fail(err, TZ_UNSUPPORTED, "open store '%s': '%s:' stores cannot lock objects",
                       options->name ? options->name : url, driver->scheme);
    void *state = NULL;
    if (driver->open(&state, options, err))
        return tz_while(err, "open store '%s'", options->name ? options->name : url);
    return tz_store_new(ret, driver, state, options, err);
}

void tz_store_free(struct tz_store *store)
{
    if (!store)
        return;
    store->driver->free(store->state);
    (void)pthread_mutex_destroy(&store->mutex);
    free(store->name);
    free(store->url);
    free(store->location);
    free(store->unlocked);
    free(store);
}

const char *tz_store_name(const struct tz_store *store)
{
    return store->name;
}

const char *tz_store_url(const struct tz_store *store)
{
    return store->url;
}

const char *tz_store_location(const struct tz_store *store)
{
    return store->location;
}

unsigned tz_store_features(const struct tz_store *store)
{
    return store->driver->features | store->proven;
}

void tz_store_trust(struct tz_store *store, unsigned features)
{
    store->proven = features & store->driver->provable;
    store->driver->trust(store->state, store->proven);
}

int tz_store_put(struct tz_store *store, const char *name, const void *data, size_t len,
                 struct tz_error *err)
{
    if (tz_store_check_name(name, err) || tz_store_check_writable(store, name, err))
        return -1;
    return tz_store_put_locked(store, name, data, len, false, err);
}

int tz_store_replace(struct tz_store *store, const char *name, const void *data, size_t len,
                     struct tz_error *err)
{
    if (tz_store_check_name(name, err) || tz_store_check_writable(store, name, err))
        return -1;
    return tz_store_put_locked(store, name, data, len, true, err);
}

int tz_store_get(struct tz_store *store, const char *name, uint64_t offset, size_t len,
                 struct tz_buf *out, struct tz_error *err)
{
    return tz_store_get_with(store, name, offset, len, NULL, out, err);
}

int tz_store_get_with(struct tz_store *store, const char *name, uint64_t offset, size_t len,
                      const struct tz_store_terms *terms, struct tz_buf *out, struct tz_error *err)
{
    if (tz_store_check_name(name, err))
        return -1;
    size_t before = out->len;
    if (store->driver->get(store->state, name, offset, len, terms, out, err)) {
        out->len = before;
        return -1;
    }
    return 0;
}

int tz_store_stat(struct tz_store *store, const char *name, struct tz_store_stat *ret,
                  struct tz_error *err)
{
    if (tz_store_check_name(name, err))
        return -1;
    struct tz_store_stat stat = {0};
    if (store->driver->stat(store->state, name, &stat, err))
        return -1;
    *ret = stat;
    return 0;
}

int tz_store_list(struct tz_store *store, const char *prefix, tz_store_found_fn *found, void *arg,
                  struct tz_error *err)
{
    return tz_store_list_with(store, prefix, NULL, found, arg, err);
}

int tz_store_list_with(struct tz_store *store, const char *prefix,
                       const struct tz_store_terms *terms, tz_store_found_fn *found, void *arg,
                       struct tz_error *err)
{
    if (!skip_directories(prefix))
        return tz_fail(err, TZ_INVALID, "no object name begins with '%.*s'", TZ_STORE_NAME_MAX,
                       prefix);
    return store->driver->list(store->state, prefix, terms, found, arg, err);
}

int tz_store_remove(struct tz_store *store, const char *name, struct tz_error *err)
{
    if (tz_store_check_name(name, err) || tz_store_check_writable(store, name, err))
        return -1;
    return store->driver->remove(store->state, name, err);
}

int tz_store_remove_each(int (*remove)(void *state, const char *name, struct tz_error *err),
                         void *state, const char *const *names, size_t count, bool *removed,
                         struct tz_error *err)
{
    struct tz_error first = {0};

    for (size_t i = 0; i < count; i++) {
        struct tz_error why = {0};
        removed[i] = remove(state, names[i], &why) == 0;
        if (removed[i])
            continue;
        if (!first.kind)
            first = why;
        if (why.kind == TZ_UNAVAILABLE || why.kind == TZ_INTERRUPTED)
            break;
    }
    if (!first.kind)
        return 0;
    if (err)
        *err = first;
    return -1;
}

int tz_store_remove_many(struct tz_store *store, const char *const *names, size_t count,
                         bool *removed, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free) bool *own = calloc(count + 1, sizeof(*own));

    if (!own)
        return tz_fail_nomem(err);
    if (removed && count > 0)
        memset(removed, 0, count * sizeof(*removed));
    for (size_t i = 0; i < count; i++)
        if (tz_store_check_name(names[i], err) || tz_store_check_writable(store, names[i], err))
            return -1;
    int status = store->driver->remove_many(store->state, names, count, own, err);
    if (removed && count > 0)
        memcpy(removed, own, count * sizeof(*removed));
    return status;
}

int tz_store_region(struct tz_store *store, char ret[TZ_STORE_REGION_MAX], struct tz_error *err)
{
    char region[TZ_STORE_REGION_MAX] = "";

    if (store->driver->region(store->state, region, err))
        return tz_while(err, "ask for the region of store '%s'", store->name);
    memcpy(ret, region, sizeof(region));
    return 0;
}

int tz_store_leftovers(struct tz_store *store, tz_store_leftover_fn *found, void *arg,
                       struct tz_error *err)
{
    return store->driver->leftovers(store->state, found, arg, err);
}

int tz_store_remove_leftover(struct tz_store *store, const struct tz_store_leftover *leftover,
                             int64_t still_ns, bool *ret_removed, uint64_t *ret_bytes,
                             struct tz_error *err)
{
    const char *what = leftover->name ? leftover->name : leftover->id;
    uint64_t bytes = 0;
    bool removed = false;

    if (tz_store_check_writable(store, what, err) ||
        store->driver->remove_leftover(store->state, leftover, still_ns, &removed, &bytes, err))
        return -1;
    *ret_removed = removed;
    *ret_bytes = bytes;
    return 0;
}

int tz_store_no_leftovers(void *state, tz_store_leftover_fn *found, void *arg, struct tz_error *err)
{
    (void)state;
    (void)found;
    (void)arg;
    (void)err;
    return 0;
}

int tz_store_remove_no_leftover(void *state, const struct tz_store_leftover *leftover,
                                int64_t still_ns, bool *ret_removed, uint64_t *ret_bytes,
                                struct tz_error *err)
{
    (void)state;
    (void)leftover;
    (void)still_ns;
    (void)ret_removed;
    (void)ret_bytes;
    (void)err;
    return 0;
}

int tz_store_no_region(void *state, char ret[TZ_STORE_REGION_MAX], struct tz_error *err)
{
    (void)state;
    (void)err;
    ret[0] = '\0';
    return 0;
}

void tz_store_no_trust(void *state, unsigned features)
{
    (void)state;
    (void)features;
}

int tz_store_probe(struct tz_store *store, const struct tz_probe_options *options,
                   struct tz_probe *ret, struct tz_error *err)
{
    struct tz_probe probe = {.time_ns = tz_now()};
    struct tz_error why = {0};

    if (tz_store_check_name(options->name, err) ||
        tz_store_check_writable(store, options->name, err) ||
        store->driver->probe(store->state, options, &probe, err))
        return tz_while(err, "probe store '%s'", store->name);
    /* It may have been written anew.  Whether locks hold is proven apart. */
    if (tz_store_need_lock(store, options->name, &why))
        tz_debug("%s", why.message);
    *ret = probe;
    return 0;
}
