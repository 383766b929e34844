#include "mem.h"
#include "tozai/storage/driver.h"
#include "tozai/util/grow.h"
#include "tozai/util/time.h"

#include <pthread.h>
#include <string.h>

#include "tozai/util/banned.h"

struct object {
    char *name;
    uint8_t *data;
    size_t len;
    int64_t changed_ns;
    struct tz_store_lock lock;
};

struct instance {
    struct instance *next;
    char *name;
    unsigned handles; /* under the registry's mutex, like next and known */
    bool known;       /* in the registry; the registry keeps it alive then */
    pthread_mutex_t mutex;
    struct object **objects; /* in the order of their names */
    size_t count;
    size_t cap;
};

static pthread_mutex_t registry_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct instance *registry;

static void object_free(struct object *object)
{
    if (!object)
        return;
    free(object->name);
    free(object->data);
    free(object);
}
TZ_DEFINE_SCOPED(struct object *, scoped_object, object_free)

static int object_new(struct object **ret, const char *name, const void *data, size_t len,
                      struct tz_error *err)
{
    TZ_SCOPED(scoped_object) struct object *object = calloc(1, sizeof(*object));
    if (!object)
        return tz_fail_nomem(err);
    object->name = strdup(name);
    object->data = malloc(len > 0 ? len : 1);
    if (!object->name || !object->data)
        return tz_fail_nomem(err);
    if (len > 0)
        memcpy(object->data, data, len);
    object->len = len;
    object->changed_ns = tz_now();
    *ret = TZ_TAKE(object);
    return 0;
}

static void instance_free(struct instance *instance)
{
    for (size_t i = 0; i < instance->count; i++)
        object_free(instance->objects[i]);
    free(instance->objects);
    free(instance->name);
    (void)pthread_mutex_destroy(&instance->mutex);
    free(instance);
}

static struct instance *instance_new(const char *name)
{
    struct instance *instance = calloc(1, sizeof(*instance));
    if (!instance)
        return NULL;
    instance->name = strdup(name);
    if (!instance->name || pthread_mutex_init(&instance->mutex, NULL)) {
        free(instance->name);
        free(instance);
        return NULL;
    }
    return instance;
}

/* The place of the named store in the registry, or of the end. */
static struct instance **find_instance(const char *name)
{
    struct instance **p = &registry;
    while (*p && strcmp((*p)->name, name) != 0)
        p = &(*p)->next;
    return p;
}

static int mem_open(void **ret, const struct tz_store_options *options, struct tz_error *err)
{
    const char *name = strchr(options->url, ':') + 1;
    (void)pthread_mutex_lock(&registry_mutex);
    struct instance **place = find_instance(name);
    if (!*place) {
        *place = instance_new(name);
        if (*place)
            (*place)->known = true;
    }
    struct instance *instance = *place;
    if (instance)
        instance->handles++;
    (void)pthread_mutex_unlock(&registry_mutex);
    if (!instance)
        return tz_fail_nomem(err);
    *ret = instance;
    return 0;
}

static void mem_free(void *state)
{
    struct instance *instance = state;
    (void)pthread_mutex_lock(&registry_mutex);
    instance->handles--;
    bool last = instance->handles == 0 && !instance->known;
    (void)pthread_mutex_unlock(&registry_mutex);
    if (last)
        instance_free(instance);
}

void tz_store_mem_forget(const char *name)
{
    (void)pthread_mutex_lock(&registry_mutex);
    struct instance **place = find_instance(name);
    struct instance *instance = *place;
    bool last = false;
    if (instance) {
        *place = instance->next;
        instance->known = false;
        last = instance->handles == 0;
    }
    (void)pthread_mutex_unlock(&registry_mutex);
    if (last)
        instance_free(instance);
}

/* The first object whose name is not below name; count if there is none. */
static size_t lower_bound(const struct instance *instance, const char *name)
{
    size_t low = 0;
    size_t high = instance->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(instance->objects[middle]->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool stands_at(const struct instance *instance, size_t at, const char *name)
{
    return at < instance->count && strcmp(instance->objects[at]->name, name) == 0;
}

static int check_unlocked(const struct instance *instance, const struct object *object,
                          const char *verb, struct tz_error *err)
{
    char until[TZ_TIME_TEXT];

    if (object->lock.held)
        return tz_fail(err, TZ_DENIED, "%s '%s' in 'mem:%s': it is held", verb, object->name,
                       instance->name);
    if (object->lock.mode == TZ_LOCK_NONE || object->lock.until_ns <= tz_now())
        return 0;
    tz_time_format(until, object->lock.until_ns);
    return tz_fail(err, TZ_DENIED, "%s '%s' in 'mem:%s': it is locked until %s", verb, object->name,
                   instance->name, until);
}

/* On success *object holds what is no longer needed. */
static int insert(struct instance *instance, struct object **object, bool replace,
                  struct tz_error *err)
{
    const char *name = (*object)->name;
    size_t at = lower_bound(instance, name);
    if (stands_at(instance, at, name)) {
        if (!replace)
            return tz_fail(err, TZ_EXISTS, "put '%s' in 'mem:%s': the name is taken", name,
                           instance->name);
        struct object *old = instance->objects[at];
        if (check_unlocked(instance, old, "replace", err))
            return -1;
        instance->objects[at] = *object;
        *object = old;
        return 0;
    }
    if (tz_grow(&instance->objects, instance->count, &instance->cap, sizeof(struct object *), err))
        return -1;
    memmove(&instance->objects[at + 1], &instance->objects[at],
            (instance->count - at) * sizeof(struct object *));
    instance->objects[at] = TZ_TAKE(*object);
    instance->count++;
    return 0;
}

static int put(struct instance *instance, const char *name, const void *data, size_t len,
               bool replace, const struct tz_store_lock *lock, struct tz_error *err)
{
    TZ_SCOPED(scoped_object) struct object *object = NULL;
    if (object_new(&object, name, data, len, err))
        return -1;
    object->lock = *lock;
    (void)pthread_mutex_lock(&instance->mutex);
    int status = insert(instance, &object, replace, err);
    (void)pthread_mutex_unlock(&instance->mutex);
    return status;
}

static int mem_put(void *state, const char *name, const void *data, size_t len, bool replace,
                   struct tz_error *err)
{
    return put(state, name, data, len, replace, &(struct tz_store_lock){0}, err);
}

static int read_object(const struct instance *instance, const char *name, uint64_t offset,
                       size_t len, struct tz_buf *out, struct tz_error *err)
{
    size_t at = lower_bound(instance, name);
    if (!stands_at(instance, at, name))
        return tz_fail(err, TZ_NOT_FOUND, "get '%s' from 'mem:%s': no such object", name,
                       instance->name);
    const struct object *object = instance->objects[at];
    if (offset >= object->len)
        return 0;
    size_t left = object->len - (size_t)offset;
    return tz_buf_append(out, object->data + offset, TZ_MIN(len, left), err);
}

static int mem_get(void *state, const char *name, uint64_t offset, size_t len,
                   const struct tz_store_terms *terms, struct tz_buf *out, struct tz_error *err)
{
    (void)terms;
    struct instance *instance = state;
    (void)pthread_mutex_lock(&instance->mutex);
    int status = read_object(instance, name, offset, len, out, err);
    (void)pthread_mutex_unlock(&instance->mutex);
    return status;
}

static struct tz_store_stat stat_of(const struct object *object)
{
    return (struct tz_store_stat){
        .exists = true, .size = object->len, .changed_ns = object->changed_ns};
}

static int mem_stat(void *state, const char *name, struct tz_store_stat *ret, struct tz_error *err)
{
    (void)err;
    struct instance *instance = state;
    (void)pthread_mutex_lock(&instance->mutex);
    size_t at = lower_bound(instance, name);
    *ret = (struct tz_store_stat){0};
    if (stands_at(instance, at, name))
        *ret = stat_of(instance->objects[at]);
    (void)pthread_mutex_unlock(&instance->mutex);
    return 0;
}

/* Replace name, the last one that was listed ("": none yet), by the next that has the prefix. */
static bool next_name(struct instance *instance, const char *prefix,
                      char name[TZ_STORE_NAME_MAX + 1], struct tz_store_stat *stat)
{
    (void)pthread_mutex_lock(&instance->mutex);
    size_t at = lower_bound(instance, *name ? name : prefix);
    if (*name && stands_at(instance, at, name))
        at++;
    bool more =
        at < instance->count && strncmp(instance->objects[at]->name, prefix, strlen(prefix)) == 0;
    if (more) {
        const struct object *object = instance->objects[at];
        memcpy(name, object->name, strlen(object->name) + 1);
        *stat = stat_of(object);
    }
    (void)pthread_mutex_unlock(&instance->mutex);
    return more;
}

/* Nothing is locked while found() runs: it may read from the store. */
static int mem_list(void *state, const char *prefix, const struct tz_store_terms *terms,
                    tz_store_found_fn *found, void *arg, struct tz_error *err)
{
    char name[TZ_STORE_NAME_MAX + 1] = "";
    struct tz_store_stat stat;

    (void)terms;
    while (next_name(state, prefix, name, &stat))
        if (tz_store_name_valid(name) && found(arg, name, &stat, err))
            return -1;
    return 0;
}

static int mem_remove(void *state, const char *name, struct tz_error *err)
{
    struct instance *instance = state;
    struct object *object = NULL;
    int status = 0;
    (void)pthread_mutex_lock(&instance->mutex);
    size_t at = lower_bound(instance, name);
    if (stands_at(instance, at, name))
        status = check_unlocked(instance, instance->objects[at], "remove", err);
    if (!status && stands_at(instance, at, name)) {
        object = instance->objects[at];
        instance->count--;
        memmove(&instance->objects[at], &instance->objects[at + 1],
                (instance->count - at) * sizeof(struct object *));
    }
    (void)pthread_mutex_unlock(&instance->mutex);
    object_free(object);
    return status;
}

/* --- Locks --- */

static int mem_put_locked(void *state, const char *name, const void *data, size_t len, bool replace,
                          const struct tz_store_lock *lock, struct tz_error *err)
{
    return put(state, name, data, len, replace, lock, err);
}

/* Under the mutex. */
static struct object *find(struct instance *instance, const char *name, struct tz_error *err)
{
    size_t at = lower_bound(instance, name);
    if (stands_at(instance, at, name))
        return instance->objects[at];
    (void)tz_fail(err, TZ_NOT_FOUND, "look for '%s' in 'mem:%s': no such object", name,
                  instance->name);
    return NULL;
}

static int mem_read_lock(void *state, const char *name, const char *id, struct tz_store_lock *ret,
                         struct tz_error *err)
{
    struct instance *instance = state;
    (void)id; /* there is one version only */
    (void)pthread_mutex_lock(&instance->mutex);
    const struct object *object = find(instance, name, err);
    if (object)
        *ret = object->lock;
    (void)pthread_mutex_unlock(&instance->mutex);
    return object ? 0 : -1;
}

static int change_lock(struct instance *instance, struct object *object,
                       const struct tz_store_lock *lock, struct tz_error *err)
{
    if (object->lock.until_ns > tz_now() &&
        (object->lock.mode > lock->mode || object->lock.until_ns > lock->until_ns))
        return tz_fail(err, TZ_DENIED, "lock '%s' in 'mem:%s': it is locked longer than that",
                       object->name, instance->name);
    object->lock.mode = lock->mode;
    object->lock.until_ns = lock->until_ns;
    return 0;
}

static int mem_remove_many(void *state, const char *const *names, size_t count, bool *removed,
                           struct tz_error *err)
{
    return tz_store_remove_each(mem_remove, state, names, count, removed, err);
}

static int mem_extend_lock(void *state, const char *name, const struct tz_store_lock *lock,
                           struct tz_error *err)
{
    struct instance *instance = state;
    (void)pthread_mutex_lock(&instance->mutex);
    struct object *object = find(instance, name, err);
    int status = object ? change_lock(instance, object, lock, err) : -1;
    (void)pthread_mutex_unlock(&instance->mutex);
    return status;
}

static int mem_hold(void *state, const char *name, bool held, struct tz_error *err)
{
    struct instance *instance = state;
    (void)pthread_mutex_lock(&instance->mutex);
    struct object *object = find(instance, name, err);
    if (object)
        object->lock.held = held;
    (void)pthread_mutex_unlock(&instance->mutex);
    return object ? 0 : -1;
}

static int mem_versions(void *state, const char *prefix, tz_store_version_fn *found, void *arg,
                        struct tz_error *err)
{
    char name[TZ_STORE_NAME_MAX + 1] = "";
    struct tz_store_stat stat;
    while (next_name(state, prefix, name, &stat)) {
        const struct tz_store_version version = {.name = name,
                                                 .id = "only",
                                                 .latest = true,
                                                 .size = stat.size,
                                                 .changed_ns = stat.changed_ns};
        if (found(arg, &version, err))
            return -1;
    }
    return 0;
}

static int mem_get_version(void *state, const char *name, const char *id, size_t max,
                           struct tz_buf *out, struct tz_error *err)
{
    (void)id;
    return mem_get(state, name, 0, max, 0, out, err);
}

static const struct tz_store_lock_driver locks = {
    .put = mem_put_locked,
    .read = mem_read_lock,
    .extend = mem_extend_lock,
    .hold = mem_hold,
    .purge = mem_remove,
    .versions = mem_versions,
    .get_version = mem_get_version,
};

const struct tz_store_driver tz_store_driver_mem = {
    .scheme = "mem",
    .features = TZ_STORE_RANGES | TZ_STORE_ATOMIC | TZ_STORE_LOCAL | TZ_STORE_LOCKS,
    .open = mem_open,
    .free = mem_free,
    .put = mem_put,
    .get = mem_get,
    .stat = mem_stat,
    .list = mem_list,
    .remove = mem_remove,
    .remove_many = mem_remove_many,
    .leftovers = tz_store_no_leftovers,
    .remove_leftover = tz_store_remove_no_leftover,
    .region = tz_store_no_region,
    .probe = tz_store_sure,
    .trust = tz_store_no_trust,
    .locks = &locks,
};
