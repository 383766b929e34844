/*
 * The way of one object from a store that has it to those that lack it.
 */
#include "sync.h"

#include "tozai/core/lock.h"
#include "tozai/core/packinfo.h"
#include "tozai/util/grow.h"
#include "tozai/util/interrupt.h"
#include "tozai/util/log.h"
#include "tozai/util/time.h"

#include <string.h>

#include "tozai/util/banned.h"

#define PROGRESS_NS (TZ_SECOND_NS / 5)

uint32_t tz_sync_usable(const struct tz_sync *sync, uint32_t stores)
{
    for (size_t i = 0; i < TZ_MIRROR_MAX_STORES; i++)
        if ((stores & TZ_STORE_BIT(i)) &&
            (i >= tz_mirror_count(sync->mirror) || !tz_mirror_usable(sync->mirror, i)))
            stores &= ~TZ_STORE_BIT(i);
    return stores;
}

void tz_sync_warn(struct tz_sync *sync)
{
    for (size_t i = 0; i < tz_mirror_count(sync->mirror); i++) {
        struct tz_error why = {0};
        if ((sync->out & TZ_STORE_BIT(i)) || !tz_mirror_error(sync->mirror, i, &why))
            continue;
        sync->out |= TZ_STORE_BIT(i);
        tz_repo_warn(sync->repo, "store '%s' is left out: %s%s%s", tz_mirror_name(sync->mirror, i),
                     why.message, why.hint[0] ? "; " : "", why.hint);
    }
}

void tz_sync_report(struct tz_sync *sync, bool now)
{
    int64_t time = tz_monotonic();

    if (!sync->options->progress || (!now && time < sync->next_progress))
        return;
    sync->next_progress = time + PROGRESS_NS;
    sync->options->progress(sync->options->progress_arg, &sync->progress);
}

/* Read a whole object into the blob; one byte more shows that it is too long. */
static int read_blob(struct tz_store *store, const char *name, struct tz_blob *blob,
                     struct tz_error *err)
{
    struct tz_buf buf = {.data = blob->data, .cap = blob->cap};

    int failed = tz_check_read(store, name, 0, blob->cap, &buf, err);
    /* A driver may have wanted more room, and moved it. */
    blob->data = buf.data;
    blob->cap = buf.cap;
    blob->len = failed ? 0 : buf.len;
    return failed;
}

/* Room for the object as store i has it; mostly it is there. */
static int make_room(struct tz_sync_copy *copy, struct tz_store *store, struct tz_error *err)
{
    struct tz_store_stat stat;

    if (copy->room)
        return 0;
    if (tz_store_stat(store, copy->name, &stat, err))
        return -1;
    if (!stat.exists)
        return tz_fail(err, TZ_NOT_FOUND, "'%s' is not there", copy->name);
    if (stat.size > tz_check_size_max(tz_name_parse(copy->name).kind))
        return tz_fail(err, TZ_CORRUPT, "'%s' is too large", copy->name);
    return tz_blob_new(&copy->room, (size_t)stat.size + 1, err);
}

static int read_source(struct tz_sync_copy *copy, size_t i, struct tz_error *err)
{
    struct tz_store *store = tz_mirror_store(copy->sync->mirror, i);

    if (make_room(copy, store, err) || read_blob(store, copy->name, copy->room, err) ||
        tz_check_bytes(copy->sync->repo->keys, copy->name, copy->room->data, copy->room->len, false,
                       err))
        return -1;
    /* Drivers write aligned memory past the page cache. */
    if ((uintptr_t)copy->room->data % TZ_BLOB_ALIGN != 0 || copy->room->cap % TZ_BLOB_ALIGN != 0)
        return tz_blob_copy(&copy->blob, copy->room->data, copy->room->len, err);
    copy->blob = TZ_TAKE(copy->room);
    return 0;
}

static void run(struct tz_job *job, unsigned worker)
{
    struct tz_sync_copy *copy = (struct tz_sync_copy *)(void *)job;

    (void)worker;
    for (size_t i = 0; !copy->blob && i < TZ_MIRROR_MAX_STORES; i++) {
        struct tz_error why = {0};
        if (!(copy->sources & TZ_STORE_BIT(i)) || !read_source(copy, i, &why))
            continue;
        tz_debug("'%s' of store '%s': %s", copy->name, tz_mirror_name(copy->sync->mirror, i),
                 why.message);
        if (tz_check_is_fatal(why.kind)) {
            copy->fatal = why;
            return;
        }
        if (why.kind == TZ_NOT_FOUND)
            copy->gone |= TZ_STORE_BIT(i);
        else if (why.kind != TZ_UNAVAILABLE)
            copy->damaged |= TZ_STORE_BIT(i);
    }
}

int tz_sync_take_results(struct tz_sync *sync, struct tz_error *err)
{
    struct tz_mirror_result results[64];
    size_t count;

    while ((count = tz_mirror_results(sync->mirror, results, TZ_COUNT(results))) > 0)
        for (size_t i = 0; i < count; i++) {
            const struct tz_mirror_result *result = &results[i];
            if (result->tag == 0 || result->tag > sync->pending_count)
                continue;
            const struct tz_sync_pending *pending = &sync->pending[result->tag - 1];
            sync->open--;
            if (!result->stored)
                continue;
            sync->result->objects++;
            sync->result->bytes += pending->size;
            sync->progress.objects++;
            sync->progress.bytes += pending->size;
            sync->progress.store = tz_mirror_name(sync->mirror, result->store);
            if (sync->catalog &&
                (tz_catalog_set_copy(sync->catalog, pending->object,
                                     sync->repo->store_ids[result->store], TZ_COPY_PRESENT, err) ||
                 tz_lock_note(sync->repo, pending->object, result->store, err)))
                return -1;
        }
    if (sync->open == 0)
        sync->pending_count = 0;
    tz_sync_report(sync, false);
    return 0;
}

static int add_pending(struct tz_sync *sync, int64_t object, uint64_t size, struct tz_error *err)
{
    if (tz_grow(&sync->pending, sync->pending_count, &sync->pending_cap, sizeof(*sync->pending),
                err))
        return -1;
    sync->pending[sync->pending_count++] = (struct tz_sync_pending){object, size};
    return 0;
}

static int note_source(struct tz_sync *sync, const struct tz_sync_copy *copy, size_t i,
                       struct tz_error *err)
{
    bool gone = copy->gone & TZ_STORE_BIT(i);

    if (!gone && !(copy->damaged & TZ_STORE_BIT(i)))
        return 0;
    if (!gone)
        sync->spoiled |= TZ_STORE_BIT(i);
    if (sync->catalog)
        return tz_catalog_set_copy(sync->catalog, copy->object, sync->repo->store_ids[i],
                                   gone ? TZ_COPY_MISSING : TZ_COPY_DAMAGED, err);
    if (!gone)
        tz_repo_warn(sync->repo, "'%s' in store '%s' is damaged; 'tozai verify --heal' replaces it",
                     copy->name, tz_mirror_name(sync->mirror, i));
    return 0;
}

static int note_sources(struct tz_sync *sync, const struct tz_sync_copy *copy, struct tz_error *err)
{
    for (size_t i = 0; i < tz_mirror_count(sync->mirror); i++)
        if (note_source(sync, copy, i, err))
            return -1;
    return 0;
}

/* No store gave it. */
static int note_failure(struct tz_sync *sync, const struct tz_sync_copy *copy, struct tz_error *err)
{
    sync->spoiled |= copy->targets;
    sync->failed_copies += tz_check_count_bits(copy->targets);
    if (!sync->catalog || copy->gone != copy->sources) {
        sync->result->failed++;
        return 0;
    }
    if (tz_grow(&sync->vanished, sync->vanished_count, &sync->vanished_cap, sizeof(*sync->vanished),
                err))
        return -1;
    sync->vanished[sync->vanished_count++] =
        (struct tz_sync_vanished){copy->object, tz_name_parse(copy->name).kind};
    return 0;
}

/*
 * What was read when tombstones stood that have gone since must not be written: nobody could tell
 * that it is not to be used.
 */
static int check_age(const struct tz_sync *sync, struct tz_error *err)
{
    if (tz_now() - sync->begun_ns < TZ_TOMBSTONE_STANDS_NS)
        return 0;
    (void)tz_fail(err, TZ_FAILED, "it has run for longer than a prune waits for it");
    return tz_hint(err, "start it again: what is copied stays");
}

/* What a worker has read goes to the writers. */
static int send(struct tz_sync *sync, const struct tz_sync_copy *copy, struct tz_error *err)
{
    uint32_t targets = tz_sync_usable(sync, copy->targets);
    struct tz_error why = {0};

    if (!copy->blob)
        return note_failure(sync, copy, err);
    if (!targets)
        return 0;
    if (check_age(sync, err) || add_pending(sync, copy->object, copy->blob->len, err))
        return -1;
    if (tz_mirror_put(sync->mirror, copy->name, copy->blob, targets, sync->pending_count, &why)) {
        if (why.kind != TZ_UNAVAILABLE)
            return tz_check_pass(err, &why);
        tz_sync_warn(sync);
        return 0;
    }
    sync->open += tz_check_count_bits(targets);
    return 0;
}

static int collect(struct tz_sync *sync, struct tz_error *err)
{
    struct tz_sync_copy *copy = &sync->copies[sync->first];

    tz_pool_wait(sync->pool, &copy->job);
    sync->first = (sync->first + 1) % TZ_SYNC_READERS;
    sync->used--;
    int failed = copy->fatal.kind != TZ_OK ? tz_check_pass(err, &copy->fatal)
                                           : note_sources(sync, copy, err) || send(sync, copy, err);
    tz_blob_drop(TZ_TAKE(copy->room));
    tz_blob_drop(TZ_TAKE(copy->blob));
    return failed || tz_sync_take_results(sync, err) ? -1 : 0;
}

int tz_sync_submit(struct tz_sync *sync, const struct tz_target *target, uint32_t sources,
                   uint32_t targets, struct tz_error *err)
{
    if (tz_interrupt_check(err) || (sync->used == TZ_SYNC_READERS && collect(sync, err)))
        return -1;
    struct tz_sync_copy *copy = &sync->copies[(sync->first + sync->used) % TZ_SYNC_READERS];
    *copy = (struct tz_sync_copy){.job.run = run,
                                  .sync = sync,
                                  .object = target->object,
                                  .sources = sources,
                                  .targets = targets};
    memcpy(copy->name, target->name, sizeof(copy->name));
    /* By this thread: memory of the others' own would grow by what they free for each other. */
    if (target->size > 0 && target->size <= TZ_PACK_SIZE_MAX &&
        tz_blob_new(&copy->room, (size_t)target->size + 1, err))
        return -1;
    sync->used++;
    tz_pool_submit(sync->pool, &copy->job);
    return 0;
}

int tz_sync_drain(struct tz_sync *sync, struct tz_error *err)
{
    struct tz_error ignored = {0};

    while (sync->used > 0)
        if (collect(sync, err))
            return -1;
    /* It fails when no store is left: then that shows in what is behind. */
    if (tz_mirror_flush(sync->mirror, &ignored))
        tz_debug("%s", ignored.message);
    tz_sync_warn(sync);
    return tz_sync_take_results(sync, err);
}

void tz_sync_tear_down(struct tz_sync *sync)
{
    struct tz_error ignored = {0};

    tz_pool_free(sync->pool);
    for (size_t i = 0; i < TZ_SYNC_READERS; i++) {
        tz_blob_drop(sync->copies[i].room);
        tz_blob_drop(sync->copies[i].blob);
    }
    /* After a failure: what was stored all the same. */
    if (tz_sync_take_results(sync, &ignored))
        tz_debug("%s", ignored.message);
    free(sync->pending);
    free(sync->vanished);
    tz_presence_clear(&sync->presence);
}
