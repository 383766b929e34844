#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "engine.h"

#include "tozai/util/file.h"
#include "tozai/util/interrupt.h"
#include "tozai/util/time.h"

#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define PROGRESS_NS (TZ_SECOND_NS / 5)
/* Descriptors for all but the files of a window: stores, catalog, directories. */
#define OTHER_DESCRIPTORS 128U
#define FEWEST_FILES      16U

void tz_restore_warn(struct restore *restore, const struct tz_entry *entry,
                     const struct tz_error *why)
{
    atomic_fetch_add(&restore->warnings, 1);
    if (!restore->options->warn)
        return;
    (void)pthread_mutex_lock(&restore->warn_mutex);
    restore->options->warn(restore->options->warn_arg, entry->path, entry->path_len, why);
    (void)pthread_mutex_unlock(&restore->warn_mutex);
}

/* What no other file would fare better with: it ends the restore. */
static bool is_fatal(const struct tz_error *why)
{
    return why->kind == TZ_NOSPC || why->kind == TZ_NOMEM || why->kind == TZ_KEY ||
           why->kind == TZ_INTERRUPTED;
}

void tz_restore_spoil(struct restore *restore, struct file *file, const struct tz_error *why)
{
    if (is_fatal(why)) {
        (void)pthread_mutex_lock(&restore->error_mutex);
        if (restore->error.kind == TZ_OK) {
            restore->error = *why;
            (void)tz_while(&restore->error, "restore '%s'", file->entry.path);
        }
        (void)pthread_mutex_unlock(&restore->error_mutex);
        atomic_store(&restore->stopped, true);
    }
    if (atomic_exchange(&file->failed, true))
        return;
    atomic_fetch_add(&restore->failed, 1);
    if (why->kind == TZ_CORRUPT || why->kind == TZ_NOT_FOUND || why->kind == TZ_UNAVAILABLE)
        atomic_fetch_add(&restore->damaged, 1);
    tz_restore_warn(restore, &file->entry, why);
}

void tz_restore_report(struct restore *restore, bool now)
{
    struct tz_restore_progress progress;

    if (!restore->options->progress || (!now && tz_monotonic() < restore->next_progress))
        return;
    restore->next_progress = tz_monotonic() + PROGRESS_NS;
    progress = (struct tz_restore_progress){.files = atomic_load(&restore->files_done),
                                            .files_total = restore->total_files,
                                            .bytes = atomic_load(&restore->bytes),
                                            .bytes_total = restore->total_bytes};
    restore->options->progress(restore->options->progress_arg, &progress);
}

static void place_warning(void *arg, const char *path, size_t path_len, const struct tz_error *why)
{
    struct restore *restore = arg;
    struct tz_entry entry = {.path = (char *)(uintptr_t)path, .path_len = path_len};

    tz_restore_warn(restore, &entry, why);
}

/* Room for one more item of an array. */
static int grow(void **items, size_t *cap, size_t count, size_t size, struct tz_error *err)
{
    if (count < *cap)
        return 0;
    size_t more = *cap ? *cap * 2 : 64;
    void *fresh = realloc(*items, more * size);
    if (!fresh)
        return tz_fail_nomem(err);
    *items = fresh;
    *cap = more;
    return 0;
}

/* Leave the directories that the entry is not below of. */
static int leave_directories(struct restore *restore, const char *path, size_t path_len, bool all,
                             struct tz_error *err)
{
    while (restore->depth > 0) {
        struct directory *top = &restore->stack[restore->depth - 1];

        if (!all && tz_path_within(path, path_len, top->entry.path, top->entry.path_len))
            return 0;
        if (top->finish) {
            if (grow((void **)&restore->left, &restore->left_cap, restore->left_count,
                     sizeof(*restore->left), err))
                return -1;
            restore->left[restore->left_count++] = top->entry;
        } else {
            tz_entry_clear(&top->entry);
        }
        restore->depth--;
    }
    return 0;
}

static int enter_directory(struct restore *restore, struct tz_entry *entry, bool finish,
                           struct tz_error *err)
{
    struct tz_error why = {0};

    if (!restore->compare && tz_place_directory(restore->place, entry, &why)) {
        tz_restore_warn(restore, entry, &why);
        atomic_fetch_add(&restore->failed, 1);
        if (is_fatal(&why)) {
            if (err)
                *err = why;
            return -1;
        }
    }
    if (grow((void **)&restore->stack, &restore->depth_cap, restore->depth, sizeof(*restore->stack),
             err))
        return -1;
    restore->stack[restore->depth++] = (struct directory){.entry = *entry, .finish = finish};
    *entry = (struct tz_entry){0};
    return 0;
}

/* A directory whose entry was lost: what is below it still has a place. */
static int enter_lost_parents(struct restore *restore, const struct tz_entry *below,
                              struct tz_error *err)
{
    for (size_t len = 0; len < below->path_len; len++) {
        TZ_SCOPED(tz_scoped_entry)
        struct tz_entry parent = {.type = TZ_ENTRY_DIRECTORY, .mode = 0700};
        const struct directory *top =
            restore->depth > 0 ? &restore->stack[restore->depth - 1] : NULL;

        if (below->path[len] != '/' || (top && len <= top->entry.path_len))
            continue;
        if (tz_entry_set_path(&parent, below->path, len, err) ||
            enter_directory(restore, &parent, false, err))
            return -1;
    }
    return 0;
}

static void note_lost(void *arg, const char *from, size_t from_len, const char *to, size_t to_len,
                      const struct tz_error *why)
{
    struct restore *restore = arg;
    const struct tz_entry entry = {.path = (char *)(uintptr_t)from, .path_len = from_len};
    struct tz_error what = *why;

    restore->incomplete = true;
    if (restore->compare)
        return;
    atomic_fetch_add(&restore->failed, 1);
    atomic_fetch_add(&restore->damaged, 1);
    if (to)
        (void)tz_while(&what, "all is lost from here to '%.*s'", (int)TZ_MIN(to_len, 200), to);
    else
        (void)tz_while(&what, "all is lost from here on");
    tz_restore_warn(restore, &entry, &what);
}

static int place_other(struct restore *restore, struct tz_entry *entry, struct tz_error *err)
{
    struct tz_error why = {0};

    if (restore->compare)
        return 0;
    if (entry->type == TZ_ENTRY_HARDLINK) {
        if (grow((void **)&restore->links, &restore->link_cap, restore->link_count,
                 sizeof(*restore->links), err))
            return -1;
        restore->links[restore->link_count++] = *entry;
        *entry = (struct tz_entry){0};
        return 0;
    }
    if (tz_place_other(restore->place, entry, &why)) {
        tz_restore_warn(restore, entry, &why);
        atomic_fetch_add(&restore->failed, 1);
    }
    return 0;
}

/* to_file: the one file takes the name that was asked for. */
static int rename_entry(const struct restore *restore, struct tz_entry *entry, struct tz_error *err)
{
    return tz_entry_set_path(entry, restore->file_name, strlen(restore->file_name), err);
}

static int take_entry(struct restore *restore, struct tz_entry *entry, struct tz_error *err)
{
    if (tz_interrupt_check(err) ||
        leave_directories(restore, entry->path, entry->path_len, false, err))
        return -1;
    if (!restore->compare)
        atomic_fetch_add(&restore->entries, 1);
    tz_restore_report(restore, false);
    if (restore->options->dry_run) {
        atomic_fetch_add(&restore->files_done, entry->type == TZ_ENTRY_FILE);
        atomic_fetch_add(&restore->bytes, entry->type == TZ_ENTRY_FILE ? entry->size : 0);
        return 0;
    }
    if (restore->incomplete && !restore->file_name && enter_lost_parents(restore, entry, err))
        return -1;
    if (entry->type == TZ_ENTRY_DIRECTORY)
        return enter_directory(restore, entry, true, err);
    if (entry->type == TZ_ENTRY_HARDLINK &&
        !tz_restore_is_wanted(restore, entry->link, entry->link_len)) {
        struct tz_error why = {0};
        if (tz_restore_adopt(restore, entry, &why)) {
            tz_restore_warn(restore, entry, &why);
            atomic_fetch_add(&restore->failed, 1);
            return 0;
        }
    }
    if (entry->type != TZ_ENTRY_FILE)
        return place_other(restore, entry, err);
    if (restore->file_name && rename_entry(restore, entry, err))
        return -1;
    return tz_restore_plan_file(restore, entry, err);
}

static int stopped_error(struct restore *restore, struct tz_error *err)
{
    if (!atomic_load(&restore->stopped) || restore->error.kind == TZ_OK)
        return 0;
    if (err)
        *err = restore->error;
    return -1;
}

/* Every entry that is path or below it. */
static int walk(struct restore *restore, const char *path, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_manifest_reader) struct tz_manifest_reader *reader = NULL;
    TZ_SCOPED(tz_scoped_entry) struct tz_entry entry = {0};
    bool done = false, any = false;

    if (tz_manifest_reader_new(&reader, restore->repo, restore->options->head, path, strlen(path),
                               err))
        return -1;
    tz_manifest_reader_tolerate(reader, note_lost, restore);
    for (;;) {
        if (tz_manifest_next(reader, &entry, &done, err))
            return -1;
        if (done)
            break;
        any = true;
        if (take_entry(restore, &entry, err) || stopped_error(restore, err))
            return -1;
    }
    if (!any && *path) {
        (void)tz_fail(err, TZ_NOT_FOUND, "'%s' is not in this generation", path);
        return tz_hint(err, "'tozai ls %s --recursive' shows what is",
                       restore->options->head->source);
    }
    return 0;
}

/* The directories above a path that is restored by itself, but the target itself. */
static int enter_ancestors(struct restore *restore, const char *path, struct tz_error *err)
{
    for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        TZ_SCOPED(tz_scoped_manifest_reader) struct tz_manifest_reader *reader = NULL;
        TZ_SCOPED(tz_scoped_entry) struct tz_entry entry = {0};
        size_t len = (size_t)(slash - path);
        bool done = false;

        if (leave_directories(restore, path, len, false, err) ||
            tz_manifest_reader_new(&reader, restore->repo, restore->options->head, path, len,
                                   err) ||
            tz_manifest_next(reader, &entry, &done, err))
            return -1;
        bool entered = restore->depth > 0 &&
                       restore->stack[restore->depth - 1].entry.path_len == len &&
                       memcmp(restore->stack[restore->depth - 1].entry.path, path, len) == 0;
        if (done || entered || entry.type != TZ_ENTRY_DIRECTORY || entry.path_len != len)
            continue;
        if (!restore->options->dry_run && enter_directory(restore, &entry, true, err))
            return -1;
    }
    return 0;
}

static int compare_paths(const void *a, const void *b)
{
    const char *x = *(const char *const *)a, *y = *(const char *const *)b;
    return tz_path_compare(x, strlen(x), y, strlen(y));
}

static int walk_paths(struct restore *restore, struct tz_error *err)
{
    const struct tz_restore_options *options = restore->options;
    TZ_SCOPED(tz_scoped_free)
    const char **paths = calloc(options->path_count + 1, sizeof(const char *));
    const char *last = NULL;

    if (!paths)
        return tz_fail_nomem(err);
    memcpy(paths, options->paths, options->path_count * sizeof(*paths));
    qsort(paths, options->path_count, sizeof(*paths), compare_paths);
    for (size_t i = 0; i < options->path_count; i++) {
        if (last && tz_path_within(paths[i], strlen(paths[i]), last, strlen(last)))
            continue;
        last = paths[i];
        if (enter_ancestors(restore, paths[i], err) || walk(restore, paths[i], err))
            return -1;
    }
    return 0;
}

static int pass(struct restore *restore, struct tz_error *err)
{
    int failed =
        restore->options->path_count > 0 ? walk_paths(restore, err) : walk(restore, "", err);

    if (!failed)
        failed = leave_directories(restore, "", 0, true, err);
    if (failed)
        atomic_store(&restore->stopped, true);
    /* Even then: what was begun is closed in good order. */
    if (tz_restore_end_window(restore, failed ? NULL : err))
        failed = -1;
    tz_restore_forget_adopted(restore);
    return failed ? -1 : stopped_error(restore, err);
}

/* All files of a window may be open at once, when their pieces lie far apart. */
static size_t fit_window(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit))
        return FEWEST_FILES;
    rlim_t now = limit.rlim_cur;
    if (now < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        if (!setrlimit(RLIMIT_NOFILE, &limit))
            now = limit.rlim_max;
    }
    if (now == RLIM_INFINITY || now >= WINDOW_FILES + OTHER_DESCRIPTORS)
        return WINDOW_FILES;
    return now > FEWEST_FILES + OTHER_DESCRIPTORS ? (size_t)now - OTHER_DESCRIPTORS : FEWEST_FILES;
}

static int open_target(struct restore *restore, struct tz_error *err)
{
    const struct tz_restore_options *options = restore->options;
    TZ_SCOPED(tz_scoped_free) char *folder = strdup(options->target);
    struct stat st;

    if (!folder)
        return tz_fail_nomem(err);
    if (options->to_file) {
        if (!stat(options->target, &st) && S_ISBLK(st.st_mode)) {
            restore->device = options->target;
            return 0;
        }
        char *slash = strrchr(folder, '/');
        restore->file_name = strdup(slash ? slash + 1 : folder);
        if (!restore->file_name)
            return tz_fail_nomem(err);
        if (slash)
            slash[slash == folder ? 1 : 0] = 0;
        else
            memcpy(folder, ".", 2);
    }
    return tz_place_open(&restore->place, folder, options->overwrite, place_warning, restore, err);
}

static int make_pool(struct restore *restore, struct tz_error *err)
{
    const unsigned threads = tz_pool_threads(tz_repo_config(restore->repo)->threads, LOCAL_WORKERS);
    unsigned readers = 0;

    if (tz_pool_new(&restore->pool, threads, err))
        return -1;
    restore->desk_count = tz_pool_size(restore->pool);
    if (tz_mirror_is_far(tz_repo_mirror(restore->repo))) {
        readers = TZ_MAX(restore->desk_count, REMOTE_READERS);
        restore->far = true;
        restore->run_bytes = TZ_RUN_BYTES;
        tz_pool_free(TZ_TAKE(restore->pool));
        if (tz_pool_new(&restore->pool, readers, err))
            return -1;
    }
    restore->job_count = 4 + 2 * (size_t)tz_pool_size(restore->pool);
    restore->jobs = calloc(restore->job_count, sizeof(*restore->jobs));
    restore->workers = calloc(tz_pool_size(restore->pool), sizeof(*restore->workers));
    if (!restore->jobs || !restore->workers)
        return tz_fail_nomem(err);
    if (restore->far &&
        tz_restore_make_trays(restore, TRAYS - tz_repo_early_count(restore->repo), err))
        return -1;
    return tz_restore_make_desks(restore, err);
}

static int set_up(struct restore *restore, struct tz_error *err)
{
    const uint8_t *id_key = tz_keys_chunk_id_key(tz_repo_keys(restore->repo));

    restore->window_files = fit_window();
    if (tz_keys_need_operator(tz_repo_keys(restore->repo), "restore", err) ||
        make_pool(restore, err))
        return -1;
    restore->files = calloc(WINDOW_FILES, sizeof(struct file *));
    restore->wants = calloc(WINDOW_WANTS, sizeof(*restore->wants));
    if (!restore->files || !restore->wants)
        return tz_fail_nomem(err);
    for (unsigned i = 0; i < tz_pool_size(restore->pool); i++)
        if (tz_idhash_new(&restore->workers[i].hash, id_key, err))
            return -1;
    return restore->options->dry_run ? 0 : open_target(restore, err);
}

static void tear_down(struct restore *restore)
{
    for (size_t i = 0; i < restore->file_count; i++)
        tz_restore_free_file(restore->files[i]);
    for (size_t i = 0; i < restore->depth; i++)
        tz_entry_clear(&restore->stack[i].entry);
    for (size_t i = 0; i < restore->left_count; i++)
        tz_entry_clear(&restore->left[i]);
    for (size_t i = 0; i < restore->link_count; i++)
        tz_entry_clear(&restore->links[i]);
    for (unsigned i = 0; restore->workers && i < tz_pool_size(restore->pool); i++) {
        tz_idhash_free(restore->workers[i].hash);
        tz_buf_clear(&restore->workers[i].sealed);
        tz_buf_clear(&restore->workers[i].local);
    }
    tz_restore_free_desks(restore);
    tz_restore_free_trays(restore);
    free(restore->workers);
    free(restore->jobs);
    free(restore->files);
    free(restore->wants);
    free(restore->links);
    free(restore->stack);
    free(restore->left);
    free(restore->file_name);
    tz_restore_forget_adopted(restore);
    tz_entry_finder_free(restore->finder);
    tz_place_free(restore->place);
    tz_pool_free(restore->pool);
    (void)pthread_cond_destroy(&restore->desk_free);
    (void)pthread_mutex_destroy(&restore->desk_mutex);
    (void)pthread_cond_destroy(&restore->turn);
    (void)pthread_mutex_destroy(&restore->tray_mutex);
    (void)pthread_mutex_destroy(&restore->warn_mutex);
    (void)pthread_mutex_destroy(&restore->error_mutex);
}

static void fill_in(struct restore *restore, struct tz_restore_result *ret, int64_t began)
{
    *ret = (struct tz_restore_result){
        .entries = atomic_load(&restore->entries),
        .files = atomic_load(&restore->files_done),
        .bytes = atomic_load(&restore->bytes),
        .fetched_bytes = atomic_load(&restore->fetched),
        .written_bytes = atomic_load(&restore->written),
        .healed = atomic_load(&restore->healed),
        .failed = atomic_load(&restore->failed),
        .damaged = atomic_load(&restore->damaged),
        .warnings = atomic_load(&restore->warnings),
        .seconds = (double)(tz_monotonic() - began) / (double)TZ_SECOND_NS,
    };
}

int tz_restore(const struct tz_restore_options *options, struct tz_restore_result *ret,
               struct tz_error *err)
{
    struct restore restore = {.options = options, .repo = options->repo};
    int64_t began = tz_monotonic();

    (void)pthread_mutex_init(&restore.warn_mutex, NULL);
    (void)pthread_mutex_init(&restore.error_mutex, NULL);
    (void)pthread_mutex_init(&restore.desk_mutex, NULL);
    (void)pthread_mutex_init(&restore.tray_mutex, NULL);
    (void)pthread_cond_init(&restore.turn, NULL);
    (void)pthread_cond_init(&restore.desk_free, NULL);
    if (options->path_count == 0) {
        restore.total_files = options->head->files;
        restore.total_bytes = options->head->bytes;
    }
    int failed = set_up(&restore, err) || pass(&restore, err);
    if (!failed && restore.place)
        failed = tz_place_sync(restore.place, err);
    if (!failed) {
        tz_restore_report(&restore, true);
        fill_in(&restore, ret, began);
        if (options->verify && !options->dry_run && !restore.device) {
            restore.compare = true;
            failed = pass(&restore, err);
            uint64_t bad = atomic_load(&restore.failed) - ret->failed;
            ret->verified = !failed && bad == 0 && ret->failed == 0;
            ret->failed += bad;
            ret->damaged = atomic_load(&restore.damaged);
            ret->warnings = atomic_load(&restore.warnings);
        }
    }
    tear_down(&restore);
    return failed ? -1 : 0;
}

static int write_hole(int fd, uint64_t len, struct tz_error *err)
{
    static const uint8_t zeros[65536];

    for (uint64_t left = len; left > 0;) {
        size_t part = (size_t)TZ_MIN(left, (uint64_t)sizeof(zeros));
        if (tz_write_all(fd, zeros, part, err))
            return -1;
        left -= part;
    }
    return 0;
}

int tz_restore_stream(struct tz_repo *repo, const struct tz_entry *entry, int fd,
                      uint64_t *ret_healed, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_extent_walk) struct tz_extent_walk *walk_extents = NULL;
    TZ_SCOPED(tz_scoped_chunk_reader) struct tz_chunk_reader *reader = NULL;
    struct tz_extent extent;
    bool done = false;

    if (entry->size == 0)
        return 0;
    if (tz_extent_walk_new(&walk_extents, repo, entry, err) ||
        tz_chunk_reader_new(&reader, repo, err))
        return -1;
    tz_extent_walk_expect(walk_extents, reader);
    while (!tz_extent_walk_next(walk_extents, &extent, &done, err)) {
        const uint8_t *data = NULL;
        uint32_t len = 0;

        if (done) {
            *ret_healed += tz_chunk_reader_healed(reader);
            return 0;
        }
        if (tz_interrupt_check(err))
            return -1;
        if (tz_extent_is_hole(&extent)) {
            if (write_hole(fd, extent.len, err))
                return -1;
            continue;
        }
        if (tz_chunk_read(reader, extent.id, &data, &len, err))
            return -1;
        if ((uint64_t)extent.offset + extent.len > len)
            return tz_fail(err, TZ_CORRUPT, "the manifest asks for more than a chunk has");
        if (tz_write_all(fd, data + extent.offset, (size_t)extent.len, err))
            return -1;
    }
    return -1;
}
