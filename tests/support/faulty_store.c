#include "faulty_store.h"
#include "tozai/storage/driver.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

struct faulty_store {
    struct tz_store_driver driver; /* with the features of inner */
    struct tz_store *inner;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct faulty_plan plan;
    unsigned count;
    bool held;
    void (*hook)(void *arg, unsigned call);
    void *hook_arg;
    struct tz_buf journal;
};

static void pause_ms(unsigned ms)
{
    struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    if (ms > 0)
        (void)nanosleep(&pause, NULL);
}

/* Count the call and wait as the plan says; is it to be hit?  *plan is the one that holds for it.
 */
static bool begin(struct faulty_store *faulty, unsigned call, struct faulty_plan *plan)
{
    if (faulty->hook)
        faulty->hook(faulty->hook_arg, call);
    (void)pthread_mutex_lock(&faulty->mutex);
    *plan = faulty->plan;
    unsigned n = 0;
    if (plan->calls & call) {
        n = ++faulty->count;
        (void)pthread_cond_broadcast(&faulty->changed);
        while (faulty->held)
            (void)pthread_cond_wait(&faulty->changed, &faulty->mutex);
    }
    (void)pthread_mutex_unlock(&faulty->mutex);
    if (n == 0)
        return false;
    pause_ms(plan->delay_ms);
    return plan->at > 0 && n >= plan->at && n - plan->at < TZ_MAX(plan->times, 1U);
}

static int fault(struct faulty_store *faulty, const struct faulty_plan *plan, const char *verb,
                 const char *name, struct tz_error *err)
{
    return tz_fail(err, plan->kind ? plan->kind : TZ_IO, "%s '%s' in '%s': planned fault", verb,
                   name, tz_store_name(faulty->inner));
}

static int faulty_open(void **ret, const struct tz_store_options *options, struct tz_error *err)
{
    (void)ret;
    return tz_fail(err, TZ_INVALID, "'%s' cannot be opened by its URL", options->url);
}

static void faulty_free(void *state)
{
    struct faulty_store *faulty = state;
    tz_store_free(faulty->inner);
    tz_buf_clear(&faulty->journal);
    (void)pthread_cond_destroy(&faulty->changed);
    (void)pthread_mutex_destroy(&faulty->mutex);
    free(faulty);
}

static int faulty_put(void *state, const char *name, const void *data, size_t len, bool replace,
                      struct tz_error *err)
{
    struct faulty_store *faulty = state;
    struct faulty_plan plan;
    bool hit = begin(faulty, FAULTY_PUT, &plan);
    if (hit && plan.way != FAULTY_AFTER)
        return fault(faulty, &plan, "put", name, err);
    int status = replace ? tz_store_replace(faulty->inner, name, data, len, err)
                         : tz_store_put(faulty->inner, name, data, len, err);
    if (status)
        return status;
    (void)pthread_mutex_lock(&faulty->mutex);
    status = tz_buf_printf(&faulty->journal, err, "%s ", name);
    (void)pthread_mutex_unlock(&faulty->mutex);
    return hit ? fault(faulty, &plan, "put", name, err) : status;
}

static int faulty_get(void *state, const char *name, uint64_t offset, size_t len,
                      const struct tz_store_terms *terms, struct tz_buf *out, struct tz_error *err)
{
    struct faulty_store *faulty = state;
    struct faulty_plan plan;
    bool hit = begin(faulty, FAULTY_GET, &plan);
    bool damage = hit && (plan.way == FAULTY_FLIP || plan.way == FAULTY_TRUNCATE);
    if (hit && !damage)
        return fault(faulty, &plan, "get", name, err);
    size_t before = out->len;
    bool asks = plan.move_ms > 0 && terms && terms->room;
    while (asks && !terms->room(terms->arg, out, len))
        pause_ms(1);
    pause_ms(plan.move_ms);
    if (tz_store_get_with(faulty->inner, name, offset, len, terms, out, err))
        return -1;
    size_t came = out->len - before;
    if (damage && plan.way == FAULTY_FLIP && came > 0)
        out->data[before + came / 2] ^= 0x10;
    if (damage && plan.way == FAULTY_TRUNCATE)
        out->len = before + came / 2;
    return 0;
}

static int faulty_stat(void *state, const char *name, struct tz_store_stat *ret,
                       struct tz_error *err)
{
    struct faulty_store *faulty = state;
    struct faulty_plan plan;
    if (begin(faulty, FAULTY_STAT, &plan))
        return fault(faulty, &plan, "look for", name, err);
    return tz_store_stat(faulty->inner, name, ret, err);
}

static int faulty_list(void *state, const char *prefix, const struct tz_store_terms *terms,
                       tz_store_found_fn *found, void *arg, struct tz_error *err)
{
    struct faulty_store *faulty = state;
    struct faulty_plan plan;
    bool hit = begin(faulty, FAULTY_LIST, &plan);
    if (hit && plan.way != FAULTY_AFTER)
        return fault(faulty, &plan, "list", prefix, err);
    if (tz_store_list_with(faulty->inner, prefix, terms, found, arg, err))
        return -1;
    return hit ? fault(faulty, &plan, "list", prefix, err) : 0;
}

static int faulty_remove(void *state, const char *name, struct tz_error *err)
{
    struct faulty_store *faulty = state;
    struct faulty_plan plan;
    bool hit = begin(faulty, FAULTY_REMOVE, &plan);
    if (hit && plan.way != FAULTY_AFTER)
        return fault(faulty, &plan, "remove", name, err);
    if (tz_store_remove(faulty->inner, name, err))
        return -1;
    return hit ? fault(faulty, &plan, "remove", name, err) : 0;
}

static int faulty_remove_many(void *state, const char *const *names, size_t count, bool *removed,
                              struct tz_error *err)
{
    return tz_store_remove_each(faulty_remove, state, names, count, removed, err);
}

static int faulty_region(void *state, char ret[TZ_STORE_REGION_MAX], struct tz_error *err)
{
    struct faulty_store *faulty = state;
    return tz_store_region(faulty->inner, ret, err);
}

static int faulty_probe(void *state, const struct tz_probe_options *options, struct tz_probe *ret,
                        struct tz_error *err)
{
    struct faulty_store *faulty = state;
    return tz_store_probe(faulty->inner, options, ret, err);
}

static void faulty_trust(void *state, unsigned features)
{
    struct faulty_store *faulty = state;
    tz_store_trust(faulty->inner, features);
}

/* --- Locks go on to the store inside. --- */

static int faulty_put_locked(void *state, const char *name, const void *data, size_t len,
                             bool replace, const struct tz_store_lock *lock, struct tz_error *err)
{
    struct faulty_store *faulty = state;
    if (tz_store_set_lock(faulty->inner, lock->mode, lock->until_ns, err))
        return -1;
    return faulty_put(state, name, data, len, replace, err);
}

static int faulty_read_lock(void *state, const char *name, const char *id,
                            struct tz_store_lock *ret, struct tz_error *err)
{
    struct faulty_store *faulty = state;
    (void)id;
    return tz_store_read_lock(faulty->inner, name, ret, err);
}

static int faulty_extend_lock(void *state, const char *name, const struct tz_store_lock *lock,
                              struct tz_error *err)
{
    struct faulty_store *faulty = state;
    struct faulty_plan plan;
    if (begin(faulty, FAULTY_LOCK, &plan))
        return plan.way == FAULTY_AFTER ? 0 : fault(faulty, &plan, "lock", name, err);
    return tz_store_extend_lock(faulty->inner, name, lock, err);
}

static int faulty_hold(void *state, const char *name, bool held, struct tz_error *err)
{
    struct faulty_store *faulty = state;
    struct faulty_plan plan;
    if (begin(faulty, FAULTY_LOCK, &plan))
        return plan.way == FAULTY_AFTER ? 0 : fault(faulty, &plan, "hold", name, err);
    return tz_store_hold(faulty->inner, name, held, err);
}

static int faulty_purge(void *state, const char *name, struct tz_error *err)
{
    struct faulty_store *faulty = state;
    struct faulty_plan plan;
    if (begin(faulty, FAULTY_REMOVE, &plan))
        return fault(faulty, &plan, "purge", name, err);
    return tz_store_purge(faulty->inner, name, err);
}

static int faulty_versions(void *state, const char *prefix, tz_store_version_fn *found, void *arg,
                           struct tz_error *err)
{
    struct faulty_store *faulty = state;
    return tz_store_versions(faulty->inner, prefix, found, arg, err);
}

static int faulty_get_version(void *state, const char *name, const char *id, size_t max,
                              struct tz_buf *out, struct tz_error *err)
{
    struct faulty_store *faulty = state;
    return tz_store_get_version(faulty->inner, name, id, max, out, err);
}

static int faulty_leftovers(void *state, tz_store_leftover_fn *found, void *arg,
                            struct tz_error *err)
{
    struct faulty_store *faulty = state;
    return tz_store_leftovers(faulty->inner, found, arg, err);
}

static int faulty_remove_leftover(void *state, const struct tz_store_leftover *leftover,
                                  int64_t still_ns, bool *ret_removed, uint64_t *ret_bytes,
                                  struct tz_error *err)
{
    struct faulty_store *faulty = state;
    return tz_store_remove_leftover(faulty->inner, leftover, still_ns, ret_removed, ret_bytes, err);
}

static const struct tz_store_lock_driver faulty_locks = {
    .put = faulty_put_locked,
    .read = faulty_read_lock,
    .extend = faulty_extend_lock,
    .hold = faulty_hold,
    .purge = faulty_purge,
    .versions = faulty_versions,
    .get_version = faulty_get_version,
};

int faulty_store_new(struct tz_store **ret, struct faulty_store **ret_control,
                     struct tz_store *inner, struct tz_error *err)
{
    struct faulty_store *faulty = calloc(1, sizeof(*faulty));
    if (!faulty) {
        tz_store_free(inner);
        return tz_fail_nomem(err);
    }
    faulty->driver = (struct tz_store_driver){
        .scheme = "faulty",
        .features = tz_store_features(inner),
        .open = faulty_open,
        .free = faulty_free,
        .put = faulty_put,
        .get = faulty_get,
        .stat = faulty_stat,
        .list = faulty_list,
        .remove = faulty_remove,
        .remove_many = faulty_remove_many,
        .leftovers = faulty_leftovers,
        .remove_leftover = faulty_remove_leftover,
        .region = faulty_region,
        .probe = faulty_probe,
        .trust = faulty_trust,
        .locks = &faulty_locks,
    };
    faulty->inner = inner;
    (void)pthread_mutex_init(&faulty->mutex, NULL);
    (void)pthread_cond_init(&faulty->changed, NULL);
    struct tz_store_options options = {.name = tz_store_name(inner),
                                       .url = tz_store_url(inner),
                                       .location = tz_store_location(inner),
                                       .lock = tz_store_lock_mode(inner)};
    if (tz_store_new(ret, &faulty->driver, faulty, &options, err))
        return -1;
    *ret_control = faulty;
    return 0;
}

void faulty_store_features(struct faulty_store *control, unsigned features)
{
    control->driver.features = features;
}

void faulty_store_plan(struct faulty_store *control, const struct faulty_plan *plan)
{
    (void)pthread_mutex_lock(&control->mutex);
    control->plan = *plan;
    control->count = 0;
    (void)pthread_mutex_unlock(&control->mutex);
}

unsigned faulty_store_count(struct faulty_store *control)
{
    (void)pthread_mutex_lock(&control->mutex);
    unsigned count = control->count;
    (void)pthread_mutex_unlock(&control->mutex);
    return count;
}

void faulty_store_await(struct faulty_store *control, unsigned n)
{
    (void)pthread_mutex_lock(&control->mutex);
    while (control->count < n)
        (void)pthread_cond_wait(&control->changed, &control->mutex);
    (void)pthread_mutex_unlock(&control->mutex);
}

static void set_held(struct faulty_store *control, bool held)
{
    (void)pthread_mutex_lock(&control->mutex);
    control->held = held;
    (void)pthread_cond_broadcast(&control->changed);
    (void)pthread_mutex_unlock(&control->mutex);
}

void faulty_store_hold(struct faulty_store *control)
{
    set_held(control, true);
}

void faulty_store_let_go(struct faulty_store *control)
{
    set_held(control, false);
}

void faulty_store_hook(struct faulty_store *control, void (*hook)(void *arg, unsigned call),
                       void *arg)
{
    control->hook = hook;
    control->hook_arg = arg;
}

char *faulty_store_journal(struct faulty_store *control)
{
    (void)pthread_mutex_lock(&control->mutex);
    char *text = control->journal.len ? strdup((const char *)control->journal.data) : strdup("");
    (void)pthread_mutex_unlock(&control->mutex);
    return text;
}
