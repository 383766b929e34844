#include "lock.h"

#include "tozai/util/grow.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "tozai/util/banned.h"

#define THREADS 8U

int tz_lock_list_add(struct tz_lock_list *list, size_t store, int64_t object, const char *name,
                     struct tz_error *err)
{
    if (tz_grow(&list->items, list->count, &list->cap, sizeof(*list->items), err))
        return -1;
    struct tz_lock_item *item = &list->items[list->count++];
    *item = (struct tz_lock_item){.store = store, .object = object};
    (void)snprintf(item->name, sizeof(item->name), "%s", name);
    return 0;
}

struct gathering {
    struct tz_lock_list *list;
    size_t store;
};

static int gather(void *arg, const struct tz_catalog_copy *copy, struct tz_error *err)
{
    struct gathering *gathering = arg;

    if (copy->state != TZ_COPY_PRESENT)
        return 0;
    return tz_lock_list_add(gathering->list, gathering->store, copy->object, copy->name, err);
}

int tz_lock_list_common(struct tz_lock_list *list, struct tz_repo *repo, size_t store,
                        struct tz_error *err)
{
    static const char *const prefixes[] = {"index/", "keys/"};
    struct tz_catalog *catalog = tz_repo_catalog(repo);
    struct gathering gathering = {.list = list, .store = store};
    int64_t descriptor = 0;

    for (size_t i = 0; i < TZ_COUNT(prefixes); i++)
        if (tz_catalog_each_copy(catalog, tz_repo_store(repo, store), prefixes[i], gather,
                                 &gathering, err))
            return -1;
    if (tz_catalog_add_object(catalog, TZ_NAME_DESCRIPTOR, 0, &descriptor, err))
        return -1;
    return tz_lock_list_add(list, store, descriptor, TZ_NAME_DESCRIPTOR, err);
}

/* What the threads share. */
struct crew {
    struct tz_repo *repo;
    struct tz_lock_list *list;
    tz_lock_work_fn *work;
    void *arg;
    atomic_size_t next;
    _Atomic uint32_t failed;
    pthread_mutex_t mutex; /* of errors */
    struct tz_error *errors;
};

static void note_failure(struct crew *crew, size_t store, const struct tz_error *why)
{
    (void)pthread_mutex_lock(&crew->mutex);
    if (!(atomic_load(&crew->failed) & UINT32_C(1) << store))
        crew->errors[store] = *why;
    atomic_fetch_or(&crew->failed, UINT32_C(1) << store);
    (void)pthread_mutex_unlock(&crew->mutex);
}

static void *work_on(void *arg)
{
    struct crew *crew = arg;
    struct tz_mirror *mirror = tz_repo_mirror(crew->repo);

    for (;;) {
        size_t i = atomic_fetch_add(&crew->next, 1);
        if (i >= crew->list->count)
            return NULL;
        struct tz_lock_item *item = &crew->list->items[i];
        struct tz_error why = {0};
        if (atomic_load(&crew->failed) & UINT32_C(1) << item->store)
            continue;
        item->done = !crew->work(crew->arg, tz_mirror_store(mirror, item->store), item, &why);
        if (!item->done)
            note_failure(crew, item->store, &why);
    }
}

void tz_lock_work(struct tz_repo *repo, struct tz_lock_list *list, tz_lock_work_fn *work, void *arg,
                  uint32_t *ret_failed, struct tz_error errors[TZ_MIRROR_MAX_STORES])
{
    struct crew crew = {.repo = repo, .list = list, .work = work, .arg = arg, .errors = errors};
    pthread_t threads[THREADS];
    size_t started = 0;

    (void)pthread_mutex_init(&crew.mutex, NULL);
    /* This thread is one of them: there is always one. */
    while (started + 1 < TZ_MIN(list->count, (size_t)THREADS) &&
           !pthread_create(&threads[started], NULL, work_on, &crew))
        started++;
    (void)work_on(&crew);
    while (started > 0)
        (void)pthread_join(threads[--started], NULL);
    (void)pthread_mutex_destroy(&crew.mutex);
    *ret_failed = atomic_load(&crew.failed);
}
