/*
 * Copying what a store lacks.
 *
 *   workers        read an object from a store that has it, check its hash
 *   main thread    order, catalog
 *   writers        one for each store (mirror.h)
 *
 * A head goes to a store when every pack that it needs is there, a seal when its head is; both only
 * while another store still has them.  So no prune can take packs away in between: while the head
 * stands anywhere its packs are needed (docs/design.md).
 */
#include "../repo/internal.h"
#include "check.h"

#include "tozai/util/interrupt.h"
#include "tozai/util/log.h"
#include "tozai/util/time.h"

#include <string.h>

#include "tozai/util/banned.h"

#define PROGRESS_NS (TZ_SECOND_NS / 5)
/* Objects that are read while others are written: each may have the size of a pack. */
#define READERS 2

struct copy {
    struct tz_job job;
    struct sync *sync;
    char name[TZ_NAME_TEXT];
    int64_t object;
    uint32_t sources, targets;
    struct tz_blob *room; /* to read it into */
    /* What came out. */
    struct tz_blob *blob;
    uint32_t damaged, gone; /* of the sources */
    struct tz_error fatal;
};

/* A put on its way. */
struct pending {
    int64_t object;
    uint64_t size;
};

struct sync {
    const struct tz_sync_options *options;
    struct tz_repo *repo;
    struct tz_mirror *mirror;
    struct tz_catalog *catalog;
    struct tz_sync_result *result;
    uint32_t sources, targets; /* that the caller asked for */
    uint32_t behind;           /* stores that lack anything */
    uint32_t out;              /* stores that were spoken of */
    struct tz_presence presence;
    struct tz_pool *pool;
    struct copy copies[READERS]; /* a ring */
    size_t first, used;
    struct pending *pending;
    size_t pending_count, pending_cap;
    uint64_t open; /* results that have not come */
    struct tz_verify_progress progress;
    int64_t next_progress;
};

/* Only those that are still usable. */
static uint32_t usable(const struct sync *sync, uint32_t stores)
{
    for (size_t i = 0; i < TZ_MIRROR_MAX_STORES; i++)
        if ((stores & TZ_STORE_BIT(i)) &&
            (i >= tz_mirror_count(sync->mirror) || !tz_mirror_usable(sync->mirror, i)))
            stores &= ~TZ_STORE_BIT(i);
    return stores;
}

static void warn_of_lost(struct sync *sync)
{
    for (size_t i = 0; i < tz_mirror_count(sync->mirror); i++) {
        struct tz_error why = {0};
        if ((sync->out & TZ_STORE_BIT(i)) || !tz_mirror_error(sync->mirror, i, &why))
            continue;
        sync->out |= TZ_STORE_BIT(i);
        tz_repo_warn(sync->repo, "store '%s' is left out: %s", tz_mirror_name(sync->mirror, i),
                     why.message);
    }
}

static void report(struct sync *sync, bool now)
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
static int make_room(struct copy *copy, struct tz_store *store, struct tz_error *err)
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

static int read_source(struct copy *copy, size_t i, struct tz_error *err)
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
    struct copy *copy = (struct copy *)(void *)job;

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

/* Puts that are done are noted. */
static int take_results(struct sync *sync, struct tz_error *err)
{
    struct tz_mirror_result results[64];
    size_t count;

    while ((count = tz_mirror_results(sync->mirror, results, TZ_COUNT(results))) > 0)
        for (size_t i = 0; i < count; i++) {
            const struct tz_mirror_result *result = &results[i];
            if (result->tag == 0 || result->tag > sync->pending_count)
                continue;
            const struct pending *pending = &sync->pending[result->tag - 1];
            sync->open--;
            if (!result->stored)
                continue;
            sync->result->objects++;
            sync->result->bytes += pending->size;
            sync->progress.objects++;
            sync->progress.bytes += pending->size;
            sync->progress.store = tz_mirror_name(sync->mirror, result->store);
            if (tz_catalog_set_copy(sync->catalog, pending->object,
                                    sync->repo->store_ids[result->store], TZ_COPY_PRESENT, err))
                return -1;
        }
    if (sync->open == 0)
        sync->pending_count = 0;
    report(sync, false);
    return 0;
}

static int add_pending(struct sync *sync, int64_t object, uint64_t size, struct tz_error *err)
{
    if (sync->pending_count == sync->pending_cap) {
        size_t cap = sync->pending_cap ? 2 * sync->pending_cap : 64;
        void *fresh = realloc(sync->pending, cap * sizeof(*sync->pending));
        if (!fresh)
            return tz_fail_nomem(err);
        sync->pending = fresh;
        sync->pending_cap = cap;
    }
    sync->pending[sync->pending_count++] = (struct pending){object, size};
    return 0;
}

static int note_sources(struct sync *sync, const struct copy *copy, struct tz_error *err)
{
    for (size_t i = 0; i < tz_mirror_count(sync->mirror); i++)
        if (((copy->damaged | copy->gone) & TZ_STORE_BIT(i)) &&
            tz_catalog_set_copy(sync->catalog, copy->object, sync->repo->store_ids[i],
                                copy->gone & TZ_STORE_BIT(i) ? TZ_COPY_MISSING : TZ_COPY_DAMAGED,
                                err))
            return -1;
    return 0;
}

static int count_bits(uint32_t set)
{
    int count = 0;

    for (; set; set &= set - 1)
        count++;
    return count;
}

/* What a worker has read goes to the writers. */
static int send(struct sync *sync, const struct copy *copy, struct tz_error *err)
{
    uint32_t targets = usable(sync, copy->targets);
    struct tz_error why = {0};

    if (!copy->blob) {
        sync->result->failed++;
        return 0;
    }
    if (!targets)
        return 0;
    if (add_pending(sync, copy->object, copy->blob->len, err))
        return -1;
    if (tz_mirror_put(sync->mirror, copy->name, copy->blob, targets, sync->pending_count, &why)) {
        if (why.kind != TZ_UNAVAILABLE)
            return tz_check_pass(err, &why);
        warn_of_lost(sync);
        return 0;
    }
    sync->open += (uint64_t)count_bits(targets);
    return 0;
}

static int collect(struct sync *sync, struct tz_error *err)
{
    struct copy *copy = &sync->copies[sync->first];

    tz_pool_wait(sync->pool, &copy->job);
    sync->first = (sync->first + 1) % READERS;
    sync->used--;
    int failed = copy->fatal.kind != TZ_OK ? tz_check_pass(err, &copy->fatal)
                                           : note_sources(sync, copy, err) || send(sync, copy, err);
    tz_blob_drop(TZ_TAKE(copy->room));
    tz_blob_drop(TZ_TAKE(copy->blob));
    return failed || take_results(sync, err) ? -1 : 0;
}

static int submit(struct sync *sync, const struct tz_target *target, uint32_t sources,
                  uint32_t targets, struct tz_error *err)
{
    if (tz_interrupt_check(err) || (sync->used == READERS && collect(sync, err)))
        return -1;
    struct copy *copy = &sync->copies[(sync->first + sync->used) % READERS];
    *copy = (struct copy){.job.run = run,
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

/* Until all is durable that was sent. */
static int drain(struct sync *sync, struct tz_error *err)
{
    struct tz_error ignored = {0};

    while (sync->used > 0)
        if (collect(sync, err))
            return -1;
    /* It fails when no store is left: then that shows in what is behind. */
    if (tz_mirror_flush(sync->mirror, &ignored))
        tz_debug("%s", ignored.message);
    warn_of_lost(sync);
    return take_results(sync, err);
}

/* What a prune means to delete, and no generation needs, is not brought back. */
static int is_wanted(struct sync *sync, const struct tz_target *target, bool *ret,
                     struct tz_error *err)
{
    struct tz_catalog_pack pack;
    struct tz_error why = {0};

    *ret = true;
    if (strncmp(target->name, "packs/", 6) != 0)
        return 0;
    if (tz_catalog_get_pack(sync->catalog, target->object, &pack, &why))
        return why.kind == TZ_NOT_FOUND ? 0 : tz_check_pass(err, &why);
    return pack.condemned ? tz_check_is_needed(sync->repo, target->object, ret, err) : 0;
}

/* Stores of the set in which this head, or the head of this seal, may be written now. */
static int where_allowed(struct sync *sync, const struct tz_target *target, uint32_t *stores,
                         struct tz_error *err)
{
    struct tz_name parsed = tz_name_parse(target->name);
    uint32_t heads = 0;
    char name[TZ_NAME_TEXT];
    int64_t head = 0;

    if (parsed.kind != TZ_NAME_IS_HEAD && parsed.kind != TZ_NAME_IS_SEAL)
        return 0;
    tz_name_head(name, parsed.source_id, parsed.time_ns, parsed.hash);
    if (tz_catalog_find_object(sync->catalog, name, &head, NULL, err))
        return -1;
    if (head && tz_check_copies(sync->repo, head, TZ_STATE_PRESENT, &heads, err))
        return -1;
    for (size_t i = 0; i < tz_mirror_count(sync->mirror); i++) {
        struct tz_error why = {0};
        bool whole = false;
        if (!(*stores & TZ_STORE_BIT(i)))
            continue;
        if (tz_check_packs_present(sync->repo, &parsed, i, &whole, &why) &&
            tz_check_is_fatal(why.kind))
            return tz_check_pass(err, &why);
        /* A seal's head is here, and still elsewhere. */
        if (!whole || !(heads & ~TZ_STORE_BIT(i)) ||
            (parsed.kind == TZ_NAME_IS_SEAL && !(heads & TZ_STORE_BIT(i))))
            *stores &= ~TZ_STORE_BIT(i);
    }
    return 0;
}

/* Call it for every object of the part that a target lacks. */
typedef int lacking_fn(struct sync *sync, const struct tz_target *target, uint32_t sources,
                       uint32_t targets, struct tz_error *err);

static int each_lacking(struct sync *sync, unsigned part, enum tz_name_kind only, lacking_fn *found,
                        struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_targets) struct tz_targets targets = {0};
    uint32_t all = (uint32_t)((UINT64_C(1) << tz_mirror_count(sync->mirror)) - 1);

    if (tz_targets_load(&targets, sync->repo, all, part, err))
        return -1;
    for (size_t i = 0; i < targets.count; i++) {
        const struct tz_target *target = &targets.items[i];
        uint32_t lacking = sync->targets & ~target->stores;
        uint32_t sources = sync->sources & target->stores & ~target->damaged;
        bool wanted = false;

        if (!lacking || !sources ||
            (only != TZ_NAME_OTHER && tz_name_parse(target->name).kind != only))
            continue;
        if (is_wanted(sync, target, &wanted, err))
            return -1;
        if (wanted && found(sync, target, sources, lacking, err))
            return -1;
    }
    return 0;
}

static int copy_one(struct sync *sync, const struct tz_target *target, uint32_t sources,
                    uint32_t targets, struct tz_error *err)
{
    sources = usable(sync, sources);
    targets = usable(sync, targets);
    if (where_allowed(sync, target, &targets, err))
        return -1;
    return sources && targets ? submit(sync, target, sources, targets, err) : 0;
}

static int count_one(struct sync *sync, const struct tz_target *target, uint32_t sources,
                     uint32_t targets, struct tz_error *err)
{
    uint64_t copies = (uint64_t)count_bits(targets);

    (void)sources;
    (void)err;
    sync->progress.objects_total += copies;
    sync->progress.bytes_total += copies * target->size;
    return 0;
}

static int count_behind(struct sync *sync, const struct tz_target *target, uint32_t sources,
                        uint32_t targets, struct tz_error *err)
{
    (void)target;
    (void)sources;
    (void)err;
    sync->result->behind += (uint64_t)count_bits(targets);
    return 0;
}

static int each_part(struct sync *sync, lacking_fn *found, struct tz_error *err)
{
    for (unsigned part = 0; part < TZ_PARTS; part++)
        if (each_lacking(sync, part, TZ_NAME_OTHER, found, err))
            return -1;
    return 0;
}

static int copy_stages(struct sync *sync, struct tz_error *err)
{
    for (unsigned part = 0; part < TZ_PART_GENERATIONS; part++)
        if (each_lacking(sync, part, TZ_NAME_OTHER, copy_one, err))
            return -1;
    /* The looks: what was pruned meanwhile is not written any more (see above). */
    if (drain(sync, err) || tz_repo_refresh(sync->repo, err) ||
        each_lacking(sync, TZ_PART_GENERATIONS, TZ_NAME_IS_HEAD, copy_one, err) ||
        drain(sync, err) || tz_repo_refresh(sync->repo, err) ||
        each_lacking(sync, TZ_PART_GENERATIONS, TZ_NAME_IS_SEAL, copy_one, err))
        return -1;
    return drain(sync, err);
}

/* A store that has lost even this one is not recognized by the next run. */
static int put_descriptors(struct sync *sync, struct tz_error *err)
{
    const struct tz_buf *bytes = &sync->repo->descriptor_bytes;

    for (size_t i = 0; i < tz_mirror_count(sync->mirror); i++) {
        struct tz_store *store = tz_mirror_store(sync->mirror, i);
        struct tz_store_stat stat;
        struct tz_error why = {0};

        if (!(usable(sync, sync->targets) & TZ_STORE_BIT(i)))
            continue;
        if (tz_store_stat(store, TZ_NAME_DESCRIPTOR, &stat, &why) ||
            (!stat.exists &&
             tz_store_put(store, TZ_NAME_DESCRIPTOR, bytes->data, bytes->len, &why))) {
            if (tz_check_is_fatal(why.kind))
                return tz_check_pass(err, &why);
            tz_mirror_exclude(sync->mirror, i, &why);
            warn_of_lost(sync);
        } else if (!stat.exists) {
            sync->result->objects++;
            sync->result->bytes += bytes->len;
        }
    }
    return 0;
}

static int list(struct sync *sync, uint32_t stores, const char *prefix, struct tz_error *err)
{
    for (size_t i = 0; i < tz_mirror_count(sync->mirror); i++) {
        if (!(stores & TZ_STORE_BIT(i)))
            continue;
        if (tz_presence_list(&sync->presence, i, prefix, err))
            return -1;
        if (sync->presence.listed & TZ_STORE_BIT(i))
            continue;
        tz_mirror_exclude(sync->mirror, i, &sync->presence.stores[i].error);
        warn_of_lost(sync);
    }
    return 0;
}

static int note_behind(struct sync *sync, const struct tz_target *target, uint32_t sources,
                       uint32_t targets, struct tz_error *err)
{
    (void)target;
    (void)sources;
    (void)err;
    sync->behind |= targets;
    return 0;
}

/*
 * The catalog knows of packs what it was told when they were written.  A store that lacks anything
 * may lack them, too: one that was emptied and filled again, say.  So its packs are listed before
 * anything is written that rests on them.
 */
static int list_those_behind(struct sync *sync, struct tz_error *err)
{
    if (each_part(sync, note_behind, err))
        return -1;
    return list(sync, usable(sync, sync->behind), "packs/", err);
}

static int learn(struct sync *sync, struct tz_error *err)
{
    uint32_t all = (uint32_t)((UINT64_C(1) << tz_mirror_count(sync->mirror)) - 1);

    sync->presence.repo = sync->repo;
    if (sync->options->full ? list(sync, usable(sync, all), "", err) : list_those_behind(sync, err))
        return -1;
    return tz_presence_finish(&sync->presence, err);
}

static int choose_stores(struct sync *sync, struct tz_error *err)
{
    uint32_t all = (uint32_t)((UINT64_C(1) << tz_mirror_count(sync->mirror)) - 1);
    size_t from = 0, to = 0;

    if ((sync->options->from && tz_check_find_store(sync->repo, sync->options->from, &from, err)) ||
        (sync->options->to && tz_check_find_store(sync->repo, sync->options->to, &to, err)))
        return -1;
    for (size_t i = 0; i < tz_mirror_count(sync->mirror); i++)
        if (!tz_mirror_usable(sync->mirror, i))
            sync->out |= TZ_STORE_BIT(i); /* the opening has spoken of it */
    sync->sources = sync->options->from ? TZ_STORE_BIT(from) : all;
    sync->targets = sync->options->to ? TZ_STORE_BIT(to) : all;
    struct tz_error why = {0};
    size_t named = sync->options->from ? from : to;
    if ((sync->options->from && tz_mirror_error(sync->mirror, from, &why)) ||
        (sync->options->to && tz_mirror_error(sync->mirror, named = to, &why))) {
        (void)tz_check_pass(err, &why);
        return tz_while(err, "store '%s'", tz_mirror_name(sync->mirror, named));
    }
    return 0;
}

static int work(struct sync *sync, struct tz_error *err)
{
    if (choose_stores(sync, err) || put_descriptors(sync, err) || learn(sync, err) ||
        each_part(sync, count_one, err) || tz_pool_new(&sync->pool, READERS, err) ||
        copy_stages(sync, err) || each_part(sync, count_behind, err))
        return -1;
    report(sync, true);
    return 0;
}

static void tear_down(struct sync *sync)
{
    struct tz_error ignored = {0};

    tz_pool_free(sync->pool);
    for (size_t i = 0; i < READERS; i++) {
        tz_blob_drop(sync->copies[i].room);
        tz_blob_drop(sync->copies[i].blob);
    }
    /* After a failure: what was stored all the same. */
    if (take_results(sync, &ignored))
        tz_debug("%s", ignored.message);
    free(sync->pending);
    tz_presence_clear(&sync->presence);
}

int tz_sync(const struct tz_sync_options *options, struct tz_sync_result *ret, struct tz_error *err)
{
    struct tz_sync_result result = {0};
    struct sync sync = {
        .options = options,
        .repo = options->repo,
        .mirror = options->repo->mirror,
        .catalog = options->repo->catalog,
        .result = &result,
    };

    int failed = work(&sync, err);
    tear_down(&sync);
    if (failed)
        return tz_while(err, "sync");
    *ret = result;
    return 0;
}
