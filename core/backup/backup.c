#include "engine.h"

#include "tozai/core/lock.h"
#include "tozai/util/grow.h"
#include "tozai/util/hex.h"
#include "tozai/util/interrupt.h"
#include "tozai/util/log.h"
#include "tozai/util/time.h"

#include <string.h>
#include <sys/utsname.h>

#define LINE_BATCHES   6U
#define PROGRESS_NS    (TZ_SECOND_NS / 5)
#define LIST_COPY_ROWS 256U
#define DETAILS_MAX    (64U << 20)
#define ROUNDS         3U /* prunes are rare: a second one in the same run is a surprise */

/* One backup while it runs. */
struct run {
    const struct tz_backup_options *options;
    struct tz_repo *repo;
    struct tz_pool *pool;
    struct tz_packer *packer;
    struct tz_idhash *hash;
    struct tz_local_reader *last;
    struct tz_local_writer *local; /* NULL in a dry run */
    struct tz_source *source;
    struct scan *scan;
    struct cutter *cutter;
    struct tz_manifest_writer *manifest;
    struct tz_id_list refs; /* manifest chunks */
    int64_t *bad_packs;
    size_t bad_count;
    bool condemned; /* by a prune, while this run was at work */
    struct warnings warnings;
    struct batch *line, *line_end; /* read, not yet in the manifest */
    unsigned line_count;
    _Atomic uint64_t bytes_read;
    int64_t next_progress;
    struct tz_head *head;
    struct tz_catalog_packs {
        int64_t *items;
        size_t count, cap;
    } packs; /* that the generation needs */
};

void tz_warnings_add(struct warnings *warnings, const char *path, size_t path_len,
                     const struct tz_error *why)
{
    (void)pthread_mutex_lock(&warnings->mutex);
    warnings->total++;
    if (warnings->count < WARNINGS_KEPT) {
        if (warnings->count == warnings->cap) {
            size_t cap = warnings->cap ? warnings->cap * 2 : 16;
            void *fresh = realloc(warnings->items, cap * sizeof(*warnings->items));
            if (fresh) {
                warnings->items = fresh;
                warnings->cap = cap;
            }
        }
        if (warnings->count < warnings->cap) {
            struct tz_backup_warning *item = &warnings->items[warnings->count];
            item->path = malloc(path_len + 1);
            item->error = strdup(why->message);
            if (item->path && item->error) {
                memcpy(item->path, path, path_len);
                item->path[path_len] = 0;
                item->path_len = path_len;
                warnings->count++;
            } else {
                free(item->path);
                free(item->error);
            }
        }
    }
    (void)pthread_mutex_unlock(&warnings->mutex);
}

void tz_backup_free_warnings(struct tz_backup_warning *warnings, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(warnings[i].path);
        free(warnings[i].error);
    }
    free(warnings);
}

void tz_backup_result_clear(struct tz_backup_result *result)
{
    tz_head_clear(&result->head);
    tz_backup_free_warnings(result->warnings, result->warning_count);
    *result = (struct tz_backup_result){0};
}

static void source_warning(void *arg, const char *path, size_t path_len, const struct tz_error *why)
{
    tz_warnings_add(arg, path, path_len, why);
}

static void report(struct run *run, bool now)
{
    struct tz_backup_progress progress = {0};

    if (!run->options->progress || (!now && tz_monotonic() < run->next_progress))
        return;
    run->next_progress = tz_monotonic() + PROGRESS_NS;
    progress.entries = run->head->entries;
    progress.files = run->head->files;
    progress.bytes = run->head->bytes;
    progress.new_bytes = tz_packer_stats(run->packer).new_bytes;
    progress.expected_bytes = run->last ? tz_local_bytes(run->last) : 0;
    progress.source = run->options->source->name;
    run->options->progress(run->options->progress_arg, &progress);
}

/* The directories that are never backed up. */
struct never {
    char *items[TZ_MIRROR_MAX_STORES + 1];
    size_t count;
};

static void never_clear(struct never *never)
{
    for (size_t i = 0; i < never->count; i++)
        free(never->items[i]);
}

static int find_never(const struct tz_config *config, struct never *never, struct tz_error *err)
{
    never->items[never->count] = strdup(config->state);
    if (!never->items[never->count++])
        return tz_fail_nomem(err);
    for (size_t i = 0; i < config->store_count && never->count < TZ_COUNT(never->items); i++) {
        char *path = NULL;
        if (tz_store_local_path(&path, config->stores[i].url, err))
            return -1;
        if (path)
            never->items[never->count++] = path;
    }
    return 0;
}

static int open_source(struct run *run, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free) char *scratch = NULL;
    TZ_SCOPED(never_clear) struct never never = {0};
    struct tz_source_options options = {
        .config = run->options->source,
        .all_new = !run->last,
        .warn = source_warning,
        .warn_arg = &run->warnings,
    };

    if (tz_repo_state_dir(run->repo, "scratch", &scratch, err) ||
        find_never(tz_repo_config(run->repo), &never, err))
        return -1;
    options.scratch = scratch;
    options.never = (const char *const *)never.items;
    options.never_count = never.count;
    if (run->options->open_source)
        return run->options->open_source(run->options->open_source_arg, &run->source, &options,
                                         err);
    return tz_source_open(&run->source, &options, err);
}

static int open_local(struct run *run, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free) char *folder = NULL;
    char hex[2 * TZ_SOURCE_ID_SIZE + 1], name[64];

    tz_hex(hex, run->head->source_id, TZ_SOURCE_ID_SIZE);
    (void)snprintf(name, sizeof(name), "sources/%s", hex);
    if (tz_repo_state_dir(run->repo, name, &folder, err) ||
        (!run->options->open_source && tz_local_open(&run->last, run->repo, folder, err)))
        return -1;
    return run->options->dry_run ? 0 : tz_local_create(&run->local, run->repo, folder, err);
}

static int describe(struct run *run, struct tz_error *err)
{
    const struct tz_config_source *source = run->options->source;
    const struct tz_keys *keys = tz_repo_keys(run->repo);
    struct tz_head *head = run->head;
    struct utsname system;

    if (uname(&system))
        return tz_fail(err, TZ_FAILED, "the system does not tell its name");
    head->source = strdup(source->name);
    head->type =
        strdup(run->options->type ? run->options->type : tz_source_type_name(source->type));
    head->host = strdup(system.nodename);
    head->version = strdup(TOZAI_VERSION);
    head->start_ns = tz_now();
    tz_name_id(keys, "source", source->name, head->source_id);
    tz_name_id(keys, "host", system.nodename, head->host_id);
    head->tags = calloc(run->options->tag_count + 1, sizeof(*head->tags));
    if (!head->source || !head->type || !head->host || !head->version || !head->tags)
        return tz_fail_nomem(err);
    for (uint32_t i = 0; i < run->options->tag_count; i++) {
        head->tags[i].key = strdup(run->options->tags[i].key);
        head->tags[i].value = strdup(run->options->tags[i].value);
        head->tag_count = i + 1;
        if (!head->tags[i].key || !head->tags[i].value)
            return tz_fail_nomem(err);
    }
    return 0;
}

/* What an earlier source of this session left on its way, when it failed, is waited for: its
 * results would be taken for those of this one. */
static void drain(struct tz_mirror *mirror)
{
    struct tz_mirror_result results[16];
    struct tz_error ignored;

    if (tz_mirror_flush(mirror, &ignored))
        tz_debug("drain the mirror: %s", ignored.message);
    while (tz_mirror_results(mirror, results, TZ_COUNT(results)) > 0)
        continue;
}

/* Everything of this run is locked from the start, where objects are locked. */
static int lock(struct run *run, struct tz_error *err)
{
    if (run->options->dry_run || !tz_lock_wanted(run->repo))
        return 0;
    run->head->locked_until_ns =
        tz_lock_end(tz_repo_config(run->repo), run->options->source->name, tz_now());
    return tz_lock_begin(run->repo, run->head->locked_until_ns, err);
}

static int set_up(struct run *run, struct tz_error *err)
{
    const struct tz_keys *keys = tz_repo_keys(run->repo);
    struct tz_packer_options packing = {.repo = run->repo, .dry_run = run->options->dry_run};
    struct cutter_options cutting = {.keys = keys, .refs = &run->refs};
    struct scan_options scanning = {.warnings = &run->warnings};
    const unsigned threads = tz_pool_threads(tz_repo_config(run->repo)->threads, TZ_PACKER_THREADS);

    if (describe(run, err) || tz_pool_new(&run->pool, threads, err))
        return -1;
    packing.pool = cutting.pool = run->pool;
    drain(tz_repo_mirror(run->repo));
    if (lock(run, err))
        return -1;
    if (tz_packer_new(&run->packer, &packing, err) ||
        tz_idhash_new(&run->hash, tz_keys_chunk_id_key(keys), err) ||
        tz_catalog_bad_packs(tz_repo_catalog(run->repo), &run->bad_packs, &run->bad_count, err) ||
        open_local(run, err) ||
        tz_manifest_writer_new(&run->manifest, run->packer, keys, &run->refs, err))
        return -1;
    cutting.packer = run->packer;
    cutting.local = run->local;
    if (tz_cutter_new(&run->cutter, &cutting, err) || open_source(run, err))
        return -1;
    scanning.source = run->source;
    scanning.last = run->last;
    scanning.bad_packs = run->bad_packs;
    scanning.bad_count = run->bad_count;
    scanning.data_size = tz_packer_frame_size(run->packer);
    scanning.buffers = tz_packer_buffers(run->packer);
    return tz_scan_start(&run->scan, &scanning, err);
}

static void tear_down(struct run *run)
{
    tz_scan_free(run->scan);
    tz_cutter_free(run->cutter);
    while (run->line) {
        struct batch *batch = run->line;
        run->line = batch->next;
        tz_batch_free(batch);
    }
    tz_source_free(run->source);
    tz_manifest_writer_free(run->manifest);
    tz_local_writer_free(run->local);
    tz_local_reader_free(run->last);
    tz_idhash_free(run->hash);
    tz_packer_free(run->packer);
    tz_pool_free(run->pool);
    free(run->bad_packs);
    free(run->refs.ids);
    free(run->packs.items);
    tz_backup_free_warnings(run->warnings.items, run->warnings.count);
    (void)pthread_mutex_destroy(&run->warnings.mutex);
}

static int copy_tags(struct run *run, struct record *record, struct tz_error *err)
{
    uint8_t tags[LIST_COPY_ROWS][LOCAL_TAG_SIZE];
    const struct local_extra *old = &record->old;
    uint64_t row = 0;

    for (uint64_t at = 0; at < old->tag_count;) {
        uint64_t left = old->tag_count - at;
        uint64_t count = tz_local_hole_tags(run->last, old->tag_first + at, left);
        if (count > 0) {
            if (tz_local_put_hole_tags(run->local, count, &row, err))
                return -1;
        } else {
            count = TZ_MIN(left, (uint64_t)LIST_COPY_ROWS);
            if (tz_local_tags(run->last, old->tag_first + at, tags, (size_t)count, err) ||
                tz_local_put_tags(run->local, tags, (size_t)count, &row, err))
                return -1;
        }
        if (at == 0)
            record->extra.tag_first = row;
        at += count;
    }
    return 0;
}

/* Lists and tags of an unchanged file move on into the new local manifest. */
static int copy_lists(struct run *run, struct record *record, struct tz_error *err)
{
    struct local_extent rows[LIST_COPY_ROWS];
    struct local_extra *extra = &record->extra;
    uint64_t row = 0;

    for (uint64_t at = 0; at < record->old.list_count; at += LIST_COPY_ROWS) {
        size_t count = (size_t)TZ_MIN(record->old.list_count - at, (uint64_t)LIST_COPY_ROWS);
        if (tz_local_list(run->last, record->old.list_first + at, rows, count, err))
            return -1;
        for (size_t i = 0; i < count; i++) {
            if (tz_local_put_list(run->local, &rows[i], &row, err))
                return -1;
            if (at + i == 0)
                extra->list_first = row;
        }
    }
    return copy_tags(run, record, err);
}

static void count_entry(struct tz_head *head, const struct tz_entry *entry)
{
    head->entries++;
    if (entry->type == TZ_ENTRY_FILE) {
        head->files++;
        head->bytes += entry->size;
    } else if (entry->type == TZ_ENTRY_DIRECTORY) {
        head->directories++;
    } else {
        head->others++;
    }
}

static int emit_record(struct run *run, struct record *record, struct tz_error *err)
{
    if (record->kind == RECORD_DROPPED)
        return 0;
    count_entry(run->head, &record->entry);
    /* A list's rows lie together: none of another file may be half written when they come. */
    if (run->local && record->unchanged && (record->old.list_count || record->old.tag_count) &&
        (tz_cutter_settle(run->cutter, true, err) || copy_lists(run, record, err)))
        return -1;
    if (tz_manifest_add(run->manifest, &record->entry, err))
        return -1;
    return run->local ? tz_local_add(run->local, &record->entry, &record->extra, err) : 0;
}

/* Batches at the head of the line whose content is all known go into the manifest. */
static int emit_ready(struct run *run, struct tz_error *err)
{
    while (run->line && run->line->waiting == 0) {
        struct batch *batch = run->line;

        run->line = batch->next;
        if (!run->line)
            run->line_end = NULL;
        run->line_count--;
        int failed = 0;
        for (size_t i = 0; !failed && i < batch->count; i++)
            failed = emit_record(run, &batch->records[i], err);
        tz_batch_free(batch);
        if (failed)
            return -1;
    }
    report(run, false);
    return 0;
}

static int take_batch(struct run *run, struct batch *batch, struct tz_error *err)
{
    struct reading reading = {
        .cutter = run->cutter,
        .last = run->last,
        .local = run->local,
        .tag_key = tz_keys_local_key(tz_repo_keys(run->repo)),
        .bad_packs = run->bad_packs,
        .bad_count = run->bad_count,
        .warnings = &run->warnings,
        .bytes = &run->bytes_read,
    };

    for (size_t i = 0; i < batch->count; i++)
        batch->waiting +=
            batch->records[i].kind == RECORD_SMALL || batch->records[i].kind == RECORD_INPUT;
    if (run->line_end)
        run->line_end->next = batch;
    else
        run->line = batch;
    run->line_end = batch;
    run->line_count++;

    if (tz_cutter_small(run->cutter, batch, err))
        return -1;
    for (size_t i = 0; i < batch->count; i++)
        if (batch->records[i].kind == RECORD_INPUT &&
            tz_read_large(&reading, batch, &batch->records[i], err))
            return -1;
    if (tz_cutter_settle(run->cutter, run->line_count > LINE_BATCHES, err))
        return -1;
    return emit_ready(run, err);
}

static int read_source(struct run *run, struct tz_error *err)
{
    bool last = false;

    while (!last) {
        struct batch *batch = tz_scan_next(run->scan);
        if (!batch)
            return tz_fail(err, TZ_FAILED, "the scan ended early");
        last = batch->last;
        if (batch->failed) {
            if (err)
                *err = batch->err;
            tz_batch_free(batch);
            return -1;
        }
        if (take_batch(run, batch, err))
            return -1;
    }
    if (tz_cutter_settle(run->cutter, true, err) || emit_ready(run, err))
        return -1;
    if (run->line)
        return tz_fail(err, TZ_FAILED, "content of some entries was never resolved");
    return tz_source_finish(run->source, &run->head->time_ns, &run->head->position, err);
}

/* Paths of warnings are content: they lie in manifest packs, not in the head. */
static int store_warnings(struct run *run, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf bytes = {0};
    const struct warnings *warnings = &run->warnings;

    run->head->warnings = warnings->total;
    if (warnings->count == 0)
        return 0;
    for (size_t i = 0; i < warnings->count && bytes.len < DETAILS_MAX / 2; i++)
        if (tz_put_bytes(&bytes, warnings->items[i].path, warnings->items[i].path_len, err) ||
            tz_put_text(&bytes, warnings->items[i].error, err))
            return -1;
    run->head->details_len = bytes.len;
    return tz_manifest_store(run->packer, run->hash, &run->refs, bytes.data, bytes.len,
                             &run->head->details, &run->head->details_count, err);
}

static int use_pack(void *arg, int64_t pack, struct tz_error *err)
{
    struct run *run = arg;

    if (tz_grow(&run->packs.items, run->packs.count, &run->packs.cap, sizeof(*run->packs.items),
                err))
        return -1;
    run->packs.items[run->packs.count++] = pack;
    return 0;
}

static int compare_numbers(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int compare_hashes(const void *a, const void *b)
{
    return memcmp(a, b, TZ_HASH_SIZE);
}

/* Sort the packs that were used, each once; now and then, so that they stay few. */
static void unite_packs(struct run *run)
{
    size_t kept = 0;

    qsort(run->packs.items, run->packs.count, sizeof(*run->packs.items), compare_numbers);
    for (size_t i = 0; i < run->packs.count; i++)
        if (kept == 0 || run->packs.items[kept - 1] != run->packs.items[i])
            run->packs.items[kept++] = run->packs.items[i];
    run->packs.count = kept;
}

static int use_pack_bounded(void *arg, int64_t pack, struct tz_error *err)
{
    struct run *run = arg;

    if (use_pack(run, pack, err))
        return -1;
    if (run->packs.count == run->packs.cap && run->packs.cap >= 65536)
        unite_packs(run);
    return 0;
}

/* Which packs the generation needs: those of its content and of its manifest. */
static int collect_packs(struct run *run, struct tz_error *err)
{
    struct tz_catalog *catalog = tz_repo_catalog(run->repo);
    struct tz_head *head = run->head;

    if (tz_local_settle(run->local, use_pack_bounded, run, err))
        return -1;
    for (size_t i = 0; i < run->refs.count; i++) {
        struct tz_chunk_place place;
        bool found = false;
        if (tz_catalog_find_chunk(catalog, run->refs.ids[i], &place, &found, err))
            return -1;
        if (!found)
            return tz_fail(err, TZ_CORRUPT, "a manifest chunk of this run is not in the catalog");
        if (use_pack(run, place.pack, err))
            return -1;
    }
    unite_packs(run);
    head->packs = calloc(run->packs.count + 1, sizeof(*head->packs));
    if (!head->packs)
        return tz_fail_nomem(err);
    for (size_t i = 0; i < run->packs.count; i++) {
        struct tz_catalog_pack pack;
        if (tz_catalog_get_pack(catalog, run->packs.items[i], &pack, err))
            return -1;
        memcpy(head->packs[head->pack_count++], pack.hash, TZ_HASH_SIZE);
    }
    if (head->pack_count)
        qsort(head->packs, head->pack_count, TZ_HASH_SIZE, compare_hashes);
    return 0;
}

static int finish(struct run *run, uint32_t *ret_stores, struct tz_error *err)
{
    struct tz_head *head = run->head;
    struct tz_packer_stats stats;

    if (store_warnings(run, err) || tz_manifest_finish(run->manifest, head, err) ||
        tz_packer_flush_packs(run->packer, err))
        return -1;
    stats = tz_packer_stats(run->packer);
    head->new_bytes = stats.new_bytes;
    head->stored_bytes = stats.stored_bytes;
    head->end_ns = tz_now();
    if (run->options->dry_run)
        return 0;
    if (collect_packs(run, err) ||
        tz_backup_commit(run->repo, run->packer, head, ret_stores, &run->condemned, err))
        return -1;
    /* The generation stands: a cache that cannot be written does not take it back. */
    struct tz_error why = {0};
    if (!run->options->open_source &&
        tz_local_commit(run->local, head->start_ns, head->bytes, &why))
        tz_repo_warn(run->repo, "the next backup of '%s' reads everything again: %s", head->source,
                     why.message);
    return 0;
}

static uint32_t usable_stores(const struct run *run)
{
    struct tz_mirror *mirror = tz_repo_mirror(run->repo);
    uint32_t stores = 0;

    for (size_t i = 0; i < tz_mirror_count(mirror); i++)
        if (tz_mirror_usable(mirror, i))
            stores |= UINT32_C(1) << i;
    return stores;
}

/* Why did stores go out meanwhile? */
static void tell_lost(const struct run *run, uint32_t before)
{
    struct tz_mirror *mirror = tz_repo_mirror(run->repo);

    for (size_t i = 0; i < tz_mirror_count(mirror); i++) {
        struct tz_error why = {0};
        if ((before & UINT32_C(1) << i) && tz_mirror_error(mirror, i, &why))
            tz_repo_warn(run->repo, "store '%s' is left out: %s%s%s", tz_mirror_name(mirror, i),
                         why.message, why.hint[0] ? "; " : "", why.hint);
    }
}

static void hand_over(struct run *run, struct tz_backup_result *ret, uint32_t stores, int64_t began)
{
    size_t count = tz_mirror_count(tz_repo_mirror(run->repo));

    ret->warnings = TZ_TAKE(run->warnings.items);
    ret->warning_count = run->warnings.count;
    run->warnings.count = 0;
    ret->warnings_total = run->warnings.total;
    ret->stores = stores;
    ret->complete = stores == (UINT32_C(1) << count) - 1 || run->options->dry_run;
    ret->seconds = (double)(tz_monotonic() - began) / (double)TZ_SECOND_NS;
}

/* *ret_again: it failed only because of a prune, and will find what that condemned next time. */
static int run_once(const struct tz_backup_options *options, struct tz_backup_result *ret,
                    bool *ret_again, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_head) struct tz_head head = {0};
    struct run run = {.options = options, .repo = options->repo, .head = &head};
    int64_t began = tz_monotonic();
    uint32_t stores = 0;

    (void)pthread_mutex_init(&run.warnings.mutex, NULL);
    int failed = set_up(&run, err);
    uint32_t usable = usable_stores(&run);
    if (!failed)
        failed = read_source(&run, err) || finish(&run, &stores, err);
    tell_lost(&run, usable);
    if (!failed) {
        report(&run, true);
        hand_over(&run, ret, stores, began);
        ret->head = head;
        head = (struct tz_head){0};
    }
    *ret_again = failed && run.condemned && !options->open_source;
    tear_down(&run);
    return failed ? -1 : 0;
}

int tz_backup(const struct tz_backup_options *options, struct tz_backup_result *ret,
              struct tz_error *err)
{
    struct tz_catalog *catalog = tz_repo_catalog(options->repo);
    int64_t run_number = 0;
    bool again = true;

    int failed = !options->dry_run && tz_catalog_run_begin(catalog, "backup", &run_number, err);
    for (unsigned i = 0; !failed && again && i < ROUNDS; i++) {
        failed = run_once(options, ret, &again, err);
        if (failed && again && i + 1 < ROUNDS) {
            tz_repo_warn(options->repo,
                         "backup of '%s' begins anew: a prune has condemned packs "
                         "that it refers to",
                         options->source->name);
            failed = 0;
        }
    }
    /* A note for people: what counts is in the stores. */
    const char *outcome = failed ? "failed" : ret->complete ? "complete" : "degraded";
    struct tz_error ignored;
    if (run_number && tz_catalog_run_end(catalog, run_number, outcome, &ignored))
        tz_debug("the end of the run was not noted: %s", ignored.message);
    return failed ? tz_while(err, "back up '%s'", options->source->name) : 0;
}

int tz_backup_read_warnings(struct tz_repo *repo, const struct tz_head *head,
                            struct tz_backup_warning **ret, size_t *ret_count, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_chunk_reader) struct tz_chunk_reader *chunks = NULL;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf bytes = {0};
    struct warnings warnings = {.mutex = PTHREAD_MUTEX_INITIALIZER};

    if (tz_chunk_reader_new(&chunks, repo, err) ||
        tz_manifest_load(chunks, head->details, head->details_count, head->details_len, DETAILS_MAX,
                         &bytes, err))
        return -1;
    struct tz_cursor c = tz_cursor(bytes.data, bytes.len);
    while (tz_left(&c) > 0) {
        struct tz_error text = {0};
        size_t len = 0;
        const uint8_t *path = tz_get_bytes(&c, 1U << 20, &len);
        TZ_SCOPED(tz_scoped_free) char *message = tz_get_text(&c, sizeof(text.message));
        if (!path || !message)
            break;
        (void)tz_fail(&text, TZ_FAILED, "%s", message);
        tz_warnings_add(&warnings, (const char *)path, len, &text);
    }
    *ret = warnings.items;
    *ret_count = warnings.count;
    return 0;
}
