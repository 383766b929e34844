#include "engine.h"

#include "tozai/util/interrupt.h"
#include "tozai/util/time.h"

#include <string.h>

#define BATCH_RECORDS 1024U
#define BATCH_INPUTS  16U
#define BATCHES_AHEAD 1U
/* A file that changed this shortly before the last backup began may have changed again within
 * the same tick of its file system's clock: some milliseconds, or seconds where it keeps no more.
 */
#define RACY_NS        (TZ_SECOND_NS / 20)
#define RACY_COARSE_NS (2 * TZ_SECOND_NS)
#define REREADS        2

struct scan {
    struct scan_options options;
    pthread_t thread;
    bool started;
    struct tz_queue *queue;
    struct batch *batch; /* being filled */
    size_t inputs;
    struct tz_entry old; /* the next one of the last manifest */
    struct local_extra old_extra;
    bool has_old;
};

void tz_batch_free(struct batch *batch)
{
    if (!batch)
        return;
    for (size_t i = 0; i < batch->count; i++) {
        tz_entry_clear(&batch->records[i].entry);
        tz_input_free(batch->records[i].input);
    }
    free(batch->records);
    free(batch->data);
    free(batch);
}

static int new_batch(struct scan *scan, struct tz_error *err)
{
    struct batch *batch = calloc(1, sizeof(*batch));

    if (batch)
        batch->records = calloc(BATCH_RECORDS, sizeof(*batch->records));
    if (!batch || !batch->records) {
        free(batch);
        return tz_fail_nomem(err);
    }
    scan->batch = batch;
    scan->inputs = 0;
    return 0;
}

/* Hand the batch over; a closed queue means that nobody wants more. */
static int send(struct scan *scan, struct tz_error *err)
{
    struct batch *batch = scan->batch;

    scan->batch = NULL;
    if (tz_queue_push(scan->queue, batch))
        return 0;
    tz_batch_free(batch);
    return tz_fail(err, TZ_INTERRUPTED, "the backup was stopped");
}

static int next_old(struct scan *scan)
{
    struct tz_error why = {0};
    bool done = false;

    if (!scan->options.last)
        return 0;
    if (tz_local_next(scan->options.last, &scan->old, &scan->old_extra, &done, &why)) {
        /* Only a cache: from here on everything is read. */
        tz_warnings_add(scan->options.warnings, "", 0, &why);
        done = true;
    }
    scan->has_old = !done;
    return 0;
}

/* Step the last manifest up to the path; true if it has it. */
static bool match_old(struct scan *scan, const struct tz_entry *entry)
{
    while (scan->has_old) {
        int order =
            tz_path_compare(scan->old.path, scan->old.path_len, entry->path, entry->path_len);
        if (order >= 0)
            return order == 0;
        (void)next_old(scan);
    }
    return false;
}

bool tz_pack_is_bad(const int64_t *bad_packs, size_t count, uint64_t pack)
{
    size_t low = 0, high = count;

    if (pack == 0)
        return true;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if ((uint64_t)bad_packs[middle] == pack)
            return true;
        if ((uint64_t)bad_packs[middle] < pack)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

/* Are all packs that the old content lies in still good? */
static bool content_good(struct scan *scan)
{
    const struct scan_options *o = &scan->options;
    struct local_extent rows[64];

    for (uint32_t i = 0; i < scan->old.extent_count; i++)
        if (!tz_extent_is_hole(&scan->old.extents[i]) &&
            tz_pack_is_bad(o->bad_packs, o->bad_count, scan->old.extent_packs[i]))
            return false;
    /* Even if no pack is bad: a damaged row must be found here, where the file can still be read.
     */
    for (uint64_t at = 0; at < scan->old_extra.list_count; at += TZ_COUNT(rows)) {
        size_t count = (size_t)TZ_MIN(scan->old_extra.list_count - at, (uint64_t)TZ_COUNT(rows));
        if (tz_local_list(o->last, scan->old_extra.list_first + at, rows, count, NULL))
            return false;
        for (size_t i = 0; i < count; i++)
            if (!tz_extent_is_hole(&rows[i].extent) &&
                tz_pack_is_bad(o->bad_packs, o->bad_count, rows[i].pack))
                return false;
    }
    return true;
}

static bool is_unchanged(struct scan *scan, const struct tz_entry *entry)
{
    const struct tz_entry *old = &scan->old;
    int64_t changed_ns;

    if (old->type != entry->type || old->ino != entry->ino || old->mtime_s != entry->mtime_s ||
        old->mtime_ns != entry->mtime_ns || old->ctime_s != entry->ctime_s ||
        old->ctime_ns != entry->ctime_ns || (old->flags & TZ_ENTRY_CHANGED))
        return false;
    if (entry->type == TZ_ENTRY_HARDLINK || entry->type == TZ_ENTRY_SYMLINK) {
        if (old->link_len != entry->link_len ||
            memcmp(old->link, entry->link, entry->link_len) != 0)
            return false;
    }
    if (__builtin_mul_overflow(entry->ctime_s, TZ_SECOND_NS, &changed_ns) ||
        __builtin_add_overflow(changed_ns, (int64_t)entry->ctime_ns, &changed_ns) ||
        changed_ns >
            tz_local_start(scan->options.last) - (entry->ctime_ns ? RACY_NS : RACY_COARSE_NS))
        return false;
    return entry->type != TZ_ENTRY_FILE || (old->size == entry->size && content_good(scan));
}

static void warn(struct scan *scan, const struct tz_entry *entry, const struct tz_error *why)
{
    tz_warnings_add(scan->options.warnings, entry->path, entry->path_len, why);
}

/* Read a whole small file into the batch; *ret_len SIZE_MAX: it has become large. */
static int read_small(struct tz_input *input, uint8_t *data, size_t room, size_t *ret_len,
                      struct tz_error *err)
{
    size_t len = 0;

    for (;;) {
        size_t got = 0;
        uint64_t hole = 0;

        if (len == room) {
            *ret_len = SIZE_MAX;
            return 0;
        }
        if (tz_input_read(input, data + len, room - len, &got, &hole, err))
            return -1;
        if (got == 0 && hole == 0)
            break;
        if (hole > room - len) {
            *ret_len = SIZE_MAX;
            return 0;
        }
        if (hole)
            memset(data + len, 0, (size_t)hole);
        len += got + (size_t)hole;
    }
    *ret_len = len;
    return 0;
}

/* Until it holds still, or not: then it is marked. */
static int read_still(struct scan *scan, struct record *record, uint8_t *data, size_t room,
                      size_t *ret_len, struct tz_error *err)
{
    for (int i = 0;; i++) {
        bool changed = false;

        if (read_small(record->input, data, room, ret_len, err) ||
            tz_input_finish(record->input, &record->entry, &changed, err))
            return -1;
        if (!changed || *ret_len == SIZE_MAX)
            return 0;
        if (i == REREADS) {
            struct tz_error why = {0};
            record->entry.flags |= TZ_ENTRY_CHANGED;
            (void)tz_fail(&why, TZ_FAILED, "it changed while it was read, %d times", REREADS + 1);
            warn(scan, &record->entry, &why);
            return 0;
        }
        if (tz_input_rewind(record->input, &record->entry, err))
            return -1;
    }
}

/* Room for one more small file. */
static int make_room(struct scan *scan, struct tz_error *err)
{
    struct batch *batch = scan->batch;

    return batch->data ? 0 : tz_recycler_take(scan->options.buffers, &batch->data, err);
}

static void drop(struct record *record)
{
    tz_input_free(record->input);
    tz_entry_clear(&record->entry);
    *record = (struct record){0};
}

static int take_small(struct scan *scan, struct record *record, bool *ret_kept,
                      struct tz_error *err)
{
    struct batch *batch = scan->batch;
    struct tz_error why = {0};
    size_t len = 0;

    if (make_room(scan, err))
        return -1;
    size_t room = TZ_MIN(scan->options.data_size - batch->data_len, (size_t)TZ_SMALL_FILE + 1);
    if (read_still(scan, record, batch->data + batch->data_len, room, &len, &why) ||
        (len == SIZE_MAX && tz_input_rewind(record->input, &record->entry, &why))) {
        if (!tz_is_files_fault(&why)) {
            if (err)
                *err = why;
            return -1;
        }
        warn(scan, &record->entry, &why);
        *ret_kept = false;
        return 0;
    }
    *ret_kept = true;
    if (len == SIZE_MAX) {
        record->kind = RECORD_INPUT;
        scan->inputs++;
        return 0;
    }
    tz_input_free(record->input);
    record->input = NULL;
    record->entry.size = len;
    record->offset = batch->data_len;
    record->len = len;
    record->kind = len > 0 ? RECORD_SMALL : RECORD_PLAIN;
    batch->data_len += len;
    return 0;
}

/* Complete an entry that is new or changed; false: it is left out. */
static int take_changed(struct scan *scan, struct record *record, bool *ret_kept,
                        struct tz_error *err)
{
    struct tz_entry *entry = &record->entry;

    *ret_kept = true;
    if (entry->type == TZ_ENTRY_HARDLINK)
        return 0;
    int rc = tz_source_load(scan->options.source, entry, &record->input, err);
    if (rc < 0)
        return -1;
    if (rc > 0) {
        *ret_kept = false;
        return 0;
    }
    if (entry->type != TZ_ENTRY_FILE || !record->input)
        return 0;
    const struct tz_input_hints *hints = tz_input_hints(record->input);
    if (!hints->sequential && entry->size < TZ_SMALL_FILE)
        return take_small(scan, record, ret_kept, err);
    record->kind = RECORD_INPUT;
    scan->inputs++;
    return 0;
}

static int take(struct scan *scan, struct tz_entry *entry, struct tz_error *err)
{
    struct batch *batch = scan->batch;
    struct record *record = &batch->records[batch->count];
    bool kept = true, known = match_old(scan, entry);

    *record = (struct record){.entry = *entry};
    *entry = (struct tz_entry){0};
    if (known && is_unchanged(scan, &record->entry)) {
        uint64_t dev = record->entry.dev;
        uint32_t flags = record->entry.flags; /* they come from the configuration too */
        tz_entry_clear(&record->entry);
        record->entry = scan->old;
        record->entry.dev = dev;
        record->entry.flags = flags;
        record->extra = record->old = scan->old_extra;
        record->has_old = record->unchanged = true;
        scan->old = (struct tz_entry){0};
        (void)next_old(scan);
    } else {
        if (known) {
            record->old = scan->old_extra;
            record->has_old = true;
        }
        if (take_changed(scan, record, &kept, err)) {
            drop(record);
            return -1;
        }
    }
    if (kept)
        batch->count++;
    else
        drop(record);
    return 0;
}

static bool is_full(const struct scan *scan)
{
    const struct batch *batch = scan->batch;

    return batch->count == BATCH_RECORDS || scan->inputs >= BATCH_INPUTS ||
           (batch->data && scan->options.data_size - batch->data_len <= TZ_SMALL_FILE);
}

static int run(struct scan *scan, struct tz_error *err)
{
    struct tz_entry entry = {0};
    bool done = false;
    int failed = next_old(scan) || new_batch(scan, err);

    while (!failed && !done) {
        failed =
            tz_interrupt_check(err) || tz_source_next(scan->options.source, &entry, &done, err);
        if (failed || done)
            break;
        failed = take(scan, &entry, err);
        if (!failed && is_full(scan))
            failed = send(scan, err) || new_batch(scan, err);
    }
    tz_entry_clear(&entry);
    return failed ? -1 : 0;
}

static void *thread_main(void *arg)
{
    struct scan *scan = arg;
    struct tz_error err = {0};
    int failed = run(scan, &err);

    if (!scan->batch && new_batch(scan, NULL)) {
        tz_queue_close(scan->queue);
        return NULL;
    }
    scan->batch->last = true;
    scan->batch->failed = failed;
    scan->batch->err = err;
    (void)send(scan, NULL);
    tz_queue_close(scan->queue);
    return NULL;
}

int tz_scan_start(struct scan **ret, const struct scan_options *options, struct tz_error *err)
{
    struct scan *scan = calloc(1, sizeof(*scan));

    if (!scan)
        return tz_fail_nomem(err);
    scan->options = *options;
    if (tz_queue_new(&scan->queue, BATCHES_AHEAD, err)) {
        tz_scan_free(scan);
        return -1;
    }
    int rc = pthread_create(&scan->thread, NULL, thread_main, scan);
    if (rc) {
        tz_scan_free(scan);
        return tz_fail_errno(err, rc, "start a thread");
    }
    scan->started = true;
    *ret = scan;
    return 0;
}

struct batch *tz_scan_next(struct scan *scan)
{
    return tz_queue_pop(scan->queue);
}

void tz_scan_free(struct scan *scan)
{
    if (!scan)
        return;
    if (scan->started) {
        struct batch *batch;
        tz_queue_close(scan->queue);
        while ((batch = tz_queue_pop(scan->queue)))
            tz_batch_free(batch);
        (void)pthread_join(scan->thread, NULL);
    }
    tz_queue_free(scan->queue);
    tz_batch_free(scan->batch);
    tz_entry_clear(&scan->old);
    free(scan);
}
