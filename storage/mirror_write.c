#include "mirror_private.h"
#include "tozai/util/interrupt.h"
#include "tozai/util/log.h"
#include "tozai/util/time.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tozai/util/banned.h"

/* Beside the patience that it is given, a run waits this part of its time for memory. */
#define PATIENCE_SHARE 4

static void item_free(struct tz_mirror_item *item)
{
    tz_mirror_spool_drop(item);
    tz_blob_drop(item->blob);
    free(item);
}

void tz_mirror_items_add(struct tz_mirror_items *items, struct tz_mirror_item *item)
{
    item->next = NULL;
    *items->end = item;
    items->end = &item->next;
}

struct tz_mirror_item *tz_mirror_items_take(struct tz_mirror_items *items)
{
    struct tz_mirror_item *item = items->first;
    if (!item)
        return NULL;
    items->first = item->next;
    if (!items->first)
        items->end = &items->first;
    return item;
}

void tz_mirror_items_clear(struct tz_mirror_items *items)
{
    for (struct tz_mirror_item *item = tz_mirror_items_take(items); item;
         item = tz_mirror_items_take(items))
        item_free(item);
}

/* What an object counts in a queue.  Even an empty one takes memory. */
static uint64_t weight(const struct tz_blob *blob)
{
    return (uint64_t)blob->len + sizeof(struct tz_mirror_item);
}

/* Results are the items themselves, so that a writer that is done never lacks memory to say so. */
static void finish(struct tz_mirror *mirror, struct tz_mirror_item *item, bool stored)
{
    tz_mirror_spool_drop(item);
    tz_blob_drop(item->blob);
    item->blob = NULL;
    item->stored = stored;
    tz_mirror_items_add(&mirror->results, item);
}

/* Locked: an object counts in a lane's memory from now on; what comes back from a file counts for
 * this lane alone. */
static void enter_memory(struct tz_mirror_lane *lane, const struct tz_mirror_item *item)
{
    lane->queue_bytes += item->weight;
    if (item->back || item->blob->queues++ == 0)
        lane->mirror->memory_bytes += item->weight;
}

static void leave_memory(struct tz_mirror_lane *lane, const struct tz_mirror_item *item)
{
    lane->queue_bytes -= item->weight;
    if (item->back || --item->blob->queues == 0)
        lane->mirror->memory_bytes -= item->weight;
}

/* Locked: an object of the queue will not be written. */
static void leave_queue(struct tz_mirror_lane *lane, const struct tz_mirror_item *item)
{
    if (item->file) {
        lane->spool.waiting--;
        lane->spool.bytes -= item->weight;
    } else {
        leave_memory(lane, item);
    }
}

void tz_mirror_lane_fail(struct tz_mirror_lane *lane, const struct tz_error *why)
{
    if (lane->out)
        return;
    tz_debug("store '%s' is out: %s", lane->name, why->message);
    lane->out = true;
    lane->error = *why;
    for (struct tz_mirror_item *item = tz_mirror_items_take(&lane->queue); item;
         item = tz_mirror_items_take(&lane->queue)) {
        leave_queue(lane, item);
        finish(lane->mirror, item, false);
    }
    (void)pthread_cond_broadcast(&lane->mirror->changed);
}

int tz_mirror_check_usable(struct tz_mirror *mirror, uint32_t mask, struct tz_error *err)
{
    char reasons[sizeof(err->message)] = "";
    size_t len = 0;
    for (size_t i = 0; i < mirror->count; i++) {
        const struct tz_mirror_lane *lane = &mirror->lanes[i];
        if (!(mask & 1U << i))
            continue;
        if (!lane->out)
            return 0;
        int more = snprintf(reasons + len, sizeof(reasons) - len, "%s%s: %s", len ? "; " : "",
                            lane->name, lane->error.message);
        len = TZ_MIN(len + (size_t)TZ_MAX(more, 0), sizeof(reasons) - 1);
    }
    return tz_fail(err, TZ_UNAVAILABLE, "no store can be used: %s", len ? reasons : "none chosen");
}

/* The name is taken.  By the same object, unless the size differs: objects never change. */
static int check_same(struct tz_store *store, const struct tz_mirror_item *item,
                      struct tz_error *err)
{
    struct tz_store_stat stat;
    if (tz_store_stat(store, item->name, &stat, err))
        return -1;
    if (!stat.exists)
        return tz_fail(err, TZ_UNAVAILABLE, "put '%s': it was there and has gone again",
                       item->name);
    if (stat.size != item->blob->len) {
        (void)tz_fail(err, TZ_CORRUPT,
                      "put '%s': it is there already with %" PRIu64 " bytes instead of %zu",
                      item->name, stat.size, item->blob->len);
        return tz_hint(err, "'tozai verify --heal' replaces it by a good copy");
    }
    return tz_store_need_lock(store, item->name, err);
}

static int put_once(struct tz_store *store, const struct tz_mirror_item *item, struct tz_error *err)
{
    if (!tz_store_put(store, item->name, item->blob->data, item->blob->len, err))
        return 0;
    return err->kind == TZ_EXISTS ? check_same(store, item, err) : -1;
}

static int put_with_retries(struct tz_mirror_lane *lane, const struct tz_mirror_item *item,
                            struct tz_error *err)
{
    struct tz_mirror *mirror = lane->mirror;
    for (unsigned attempt = 1;; attempt++) {
        if (!put_once(lane->store, item, err))
            return 0;
        if (err->kind != TZ_UNAVAILABLE || attempt >= lane->attempts)
            return -1;
        tz_debug("store '%s', attempt %u: %s", lane->name, attempt, err->message);
        tz_mirror_lock(mirror);
        bool again = tz_mirror_pause(mirror, lane, attempt);
        tz_mirror_unlock(mirror);
        if (!again)
            return -1;
    }
}

static uint64_t most_bytes(const struct tz_mirror_lane *lane)
{
    const struct tz_mirror_options *options = &lane->mirror->options;
    return lane->local ? options->queue_bytes : options->remote_queue_bytes;
}

/* In what all queues may hold together. */
static bool fits_total(const struct tz_mirror *mirror, uint64_t bytes)
{
    const uint64_t most = mirror->options.total_queue_bytes;
    return most == 0 || mirror->memory_bytes + bytes <= most;
}

static bool fits_queue(const struct tz_mirror_lane *lane, uint64_t bytes)
{
    return lane->queue_bytes + bytes <= most_bytes(lane);
}

static bool fits_memory(const struct tz_mirror_lane *lane, uint64_t bytes)
{
    return lane->queue_bytes == 0 || (fits_queue(lane, bytes) && fits_total(lane->mirror, bytes));
}

/* It has less than its part of what all may hold: what is in the way is in the others' queues. */
static bool is_modest(const struct tz_mirror_lane *lane, uint64_t bytes)
{
    const struct tz_mirror *mirror = lane->mirror;
    return fits_queue(lane, bytes) &&
           lane->queue_bytes + bytes <= mirror->options.total_queue_bytes / mirror->count;
}

/*
 * Locked.  What comes back from a file is in memory for this store alone, not shared with others:
 * so all stores together may have only two thirds of a queue of it.  But one object of its own each
 * may have: else a slow store would stop the others by what it takes an age to write.
 */
static bool may_read_back(const struct tz_mirror_lane *lane, const struct tz_mirror_item *item)
{
    const struct tz_mirror *mirror = lane->mirror;
    uint64_t back = 0;

    for (size_t i = 0; i < mirror->count; i++)
        back += mirror->lanes[i].spool.back;
    return !item->file || lane->spool.back == 0 ||
           (back + item->weight <= most_bytes(lane) / 3 * 2 && fits_memory(lane, item->weight));
}

/* Locked: may the first object of the queue be written now? */
static bool may_write(const struct tz_mirror_lane *lane)
{
    if (!lane->queue.first || !may_read_back(lane, lane->queue.first))
        return false;
    return lane->busy == 0 || (!lane->alone && !lane->queue.first->alone);
}

/* Locked before and after: bring an object back into memory that waited in a file. */
static int unspool(struct tz_mirror_lane *lane, struct tz_mirror_item *item, struct tz_error *err)
{
    if (!item->file)
        return 0;
    lane->spool.waiting--;
    lane->spool.back += item->weight;
    item->back = true;
    enter_memory(lane, item);
    tz_mirror_unlock(lane->mirror);
    int status = tz_mirror_spool_read(item, err);
    tz_mirror_lock(lane->mirror);
    lane->spool.bytes -= item->weight;
    (void)pthread_cond_broadcast(&lane->mirror->changed);
    return status;
}

/* Locked: write the first object of the queue. */
static void write_next(struct tz_mirror_lane *lane)
{
    struct tz_mirror *mirror = lane->mirror;
    struct tz_mirror_item *item = tz_mirror_items_take(&lane->queue);
    struct tz_error error = {0};
    lane->busy++;
    lane->alone = item->alone;
    bool stored = unspool(lane, item, &error) == 0;
    tz_mirror_unlock(mirror);
    stored = stored && put_with_retries(lane, item, &error) == 0;
    tz_mirror_lock(mirror);
    lane->busy--;
    lane->alone = false;
    leave_memory(lane, item);
    lane->spool.back -= item->back ? item->weight : 0;
    finish(mirror, item, stored);
    if (!stored)
        tz_mirror_lane_fail(lane, &error);
    /* What one store gives back of memory, another one may have waited for. */
    for (size_t i = 0; i < mirror->count; i++)
        (void)pthread_cond_broadcast(&mirror->lanes[i].work);
    (void)pthread_cond_broadcast(&mirror->changed);
}

void *tz_mirror_write_lane(void *arg)
{
    struct tz_mirror_lane *lane = arg;
    struct tz_mirror *mirror = lane->mirror;
    tz_mirror_lock(mirror);
    while (!mirror->stopping) {
        if (may_write(lane))
            write_next(lane);
        else
            (void)pthread_cond_wait(&lane->work, &mirror->mutex);
    }
    tz_mirror_unlock(mirror);
    return NULL;
}

static int add_item(struct tz_mirror_items *items, const char *name, struct tz_blob *blob,
                    uint64_t tag, size_t store, bool alone, struct tz_error *err)
{
    struct tz_mirror_item *item = calloc(1, sizeof(*item));
    if (!item)
        return tz_fail_nomem(err);
    memcpy(item->name, name, strlen(name) + 1);
    item->blob = tz_blob_hold(blob);
    item->weight = weight(blob);
    item->tag = tag;
    item->store = store;
    item->alone = alone;
    tz_mirror_items_add(items, item);
    return 0;
}

/* Behind objects that wait in files, and where there is no room in memory. */
static bool belongs_in_spool(const struct tz_mirror_lane *lane, uint64_t bytes)
{
    return lane->spool.waiting > 0 || (!fits_memory(lane, bytes) && !is_modest(lane, bytes));
}

/* Locked: is there a place for an object in a lane's memory, or else in its spool? */
static bool takes(const struct tz_mirror_lane *lane, uint64_t bytes)
{
    if (belongs_in_spool(lane, bytes))
        return lane->spool.folder && tz_mirror_spool_has_room(lane, bytes);
    return fits_memory(lane, bytes);
}

/* Locked: does every store that is not out have a place for its item? */
static bool has_room(struct tz_mirror *mirror, const struct tz_mirror_items *items)
{
    for (const struct tz_mirror_item *item = items->first; item; item = item->next) {
        const struct tz_mirror_lane *lane = &mirror->lanes[item->store];
        if (!lane->out && !item->file && !takes(lane, item->weight))
            return false;
    }
    return true;
}

/* Locked: would a store take its item into its spool? */
static bool would_spool(struct tz_mirror *mirror, const struct tz_mirror_items *items)
{
    for (const struct tz_mirror_item *item = items->first; item; item = item->next) {
        const struct tz_mirror_lane *lane = &mirror->lanes[item->store];
        if (!lane->out && lane->spool.folder && !item->file && belongs_in_spool(lane, item->weight))
            return true;
    }
    return false;
}

/*
 * Locked: wait for memory instead of files, as long as that is short beside the whole.  Stores that
 * are equally fast lag behind each other by turns, and a file costs more than a moment.
 */
static void wait_for_memory(struct tz_mirror *mirror, const struct tz_mirror_items *items)
{
    int64_t begin_ns = tz_monotonic(), now_ns = begin_ns;

    if (mirror->options.patience_ms == 0)
        return;
    if (mirror->first_put_ns == 0)
        mirror->first_put_ns = begin_ns;
    int64_t most_ns = (int64_t)mirror->options.patience_ms * (TZ_SECOND_NS / 1000) +
                      (begin_ns - mirror->first_put_ns) / PATIENCE_SHARE;
    int64_t end_ns = begin_ns + most_ns - mirror->patient_ns;
    while (now_ns < end_ns && would_spool(mirror, items) && !tz_interrupted()) {
        tz_mirror_wait(mirror, end_ns - now_ns);
        now_ns = tz_monotonic();
    }
    mirror->patient_ns += now_ns - begin_ns;
}

/* Locked: wait until every usable store of the mask has room. */
static int wait_for_room(struct tz_mirror *mirror, uint32_t mask,
                         const struct tz_mirror_items *items, struct tz_error *err)
{
    for (;;) {
        if (tz_mirror_check_usable(mirror, mask, err))
            return -1;
        if (has_room(mirror, items))
            return 0;
        if (tz_interrupt_check(err))
            return -1;
        tz_mirror_wait(mirror, TZ_SECOND_NS);
    }
}

/* Locked before and after.  A disk that is full is no error: the spool is then as large as it
 * could become, and the object has to wait. */
static bool spool_item(struct tz_mirror_lane *lane, struct tz_mirror_item *item)
{
    struct tz_error why = {0};

    lane->spool.bytes += item->weight;
    tz_mirror_unlock(lane->mirror);
    int status = tz_mirror_spool_write(lane, item, &why);
    tz_mirror_lock(lane->mirror);
    if (!status)
        return true;
    tz_debug("the spool of store '%s' grows no further: %s", lane->name, why.message);
    lane->spool.bytes -= item->weight;
    lane->spool.max_bytes = lane->spool.bytes;
    return false;
}

/* Locked before and after: write the files of those that belong there; false: wait again. */
static bool spool_items(struct tz_mirror *mirror, const struct tz_mirror_items *items)
{
    for (struct tz_mirror_item *item = items->first; item; item = item->next) {
        struct tz_mirror_lane *lane = &mirror->lanes[item->store];
        if (!lane->out && !item->file && belongs_in_spool(lane, item->weight) &&
            !spool_item(lane, item))
            return false;
    }
    return has_room(mirror, items);
}

/* Locked: items that will not be queued give their places back. */
static void give_up(struct tz_mirror *mirror, const struct tz_mirror_items *items)
{
    for (const struct tz_mirror_item *item = items->first; item; item = item->next)
        if (item->file)
            mirror->lanes[item->store].spool.bytes -= item->weight;
}

static void queue_item(struct tz_mirror *mirror, struct tz_mirror_item *item)
{
    struct tz_mirror_lane *lane = &mirror->lanes[item->store];
    if (item->file)
        lane->spool.waiting++;
    else
        enter_memory(lane, item);
    if (lane->out) {
        leave_queue(lane, item);
        finish(mirror, item, false);
        return;
    }
    tz_mirror_items_add(&lane->queue, item);
    (void)pthread_cond_signal(&lane->work);
}

static bool unordered(const struct tz_mirror *mirror, const char *name)
{
    const char *prefix = mirror->options.unordered;
    return prefix && strncmp(name, prefix, strlen(prefix)) == 0;
}

int tz_mirror_put(struct tz_mirror *mirror, const char *name, struct tz_blob *blob, uint32_t mask,
                  uint64_t tag, struct tz_error *err)
{
    if (!tz_store_name_valid(name))
        return tz_fail(err, TZ_INVALID, "'%.*s' is not a valid object name", TZ_STORE_NAME_MAX,
                       name);
    /* All memory that is needed, before anything is queued. */
    TZ_SCOPED(tz_mirror_items_clear) struct tz_mirror_items items = {.end = &items.first};
    for (size_t i = 0; i < mirror->count; i++)
        if ((mask & 1U << i) && add_item(&items, name, blob, tag, i, !unordered(mirror, name), err))
            return -1;

    tz_mirror_lock(mirror);
    wait_for_memory(mirror, &items);
    int status;
    do
        status = wait_for_room(mirror, mask, &items, err);
    while (!status && !spool_items(mirror, &items));
    if (status)
        give_up(mirror, &items);
    while (!status && items.first)
        queue_item(mirror, tz_mirror_items_take(&items));
    tz_mirror_unlock(mirror);
    return status;
}

static bool idle(const struct tz_mirror *mirror)
{
    for (size_t i = 0; i < mirror->count; i++)
        if (mirror->lanes[i].queue.first || mirror->lanes[i].busy)
            return false;
    return true;
}

int tz_mirror_flush(struct tz_mirror *mirror, struct tz_error *err)
{
    tz_mirror_lock(mirror);
    while (!idle(mirror))
        tz_mirror_wait(mirror, TZ_SECOND_NS);
    int status = tz_mirror_check_usable(mirror, TZ_MIRROR_ALL, err);
    tz_mirror_unlock(mirror);
    return status;
}

size_t tz_mirror_results(struct tz_mirror *mirror, struct tz_mirror_result *results, size_t max)
{
    size_t count = 0;
    tz_mirror_lock(mirror);
    while (count < max && mirror->results.first) {
        struct tz_mirror_item *item = tz_mirror_items_take(&mirror->results);
        results[count++] = (struct tz_mirror_result){
            .tag = item->tag, .store = item->store, .stored = item->stored};
        item_free(item);
    }
    tz_mirror_unlock(mirror);
    return count;
}
