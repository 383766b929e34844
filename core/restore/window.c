#include "engine.h"

#include "tozai/util/interrupt.h"

#include <string.h>

#define JOBS_AHEAD 8U

static bool is_hole(const struct tz_extent *extent)
{
    static const uint8_t zero[TZ_ID_SIZE];
    return memcmp(extent->id, zero, TZ_ID_SIZE) == 0;
}

static int new_file(struct restore *restore, struct tz_entry *entry, struct file **ret,
                    struct tz_error *err)
{
    struct file *file = calloc(1, sizeof(*file));

    if (!file)
        return tz_fail_nomem(err);
    (void)pthread_mutex_init(&file->mutex, NULL);
    file->fd = -1;
    file->entry = *entry;
    *entry = (struct tz_entry){0};
    atomic_init(&file->pending, 1);
    atomic_init(&file->failed, false);
    restore->files[restore->file_count++] = file;
    *ret = file;
    return 0;
}

/* A want for one extent; consecutive ones of a chunk look its place up once. */
static int add_want(struct restore *restore, struct file *file, const struct tz_extent *extent,
                    uint64_t offset, struct tz_error *err)
{
    if (!restore->wants)
        return tz_fail_nomem(err);
    struct want *want = &restore->wants[restore->want_count];
    const struct want *last =
        restore->want_count > 0 ? &restore->wants[restore->want_count - 1] : NULL;

    if (last && memcmp(last->id, extent->id, TZ_ID_SIZE) == 0) {
        *want = *last;
        want->satisfied = false;
    } else {
        struct tz_chunk_place place;
        bool found = false;
        if (tz_catalog_find_chunk(tz_repo_catalog(restore->repo), extent->id, &place, &found, err))
            return -1;
        if (!found) {
            struct tz_error why = {0};
            (void)tz_fail(&why, TZ_CORRUPT, "a chunk is in no pack that the stores' index names");
            tz_restore_spoil(restore, file, &why);
            return 0;
        }
        *want = (struct want){.pack = place.pack,
                              .frame = place.frame,
                              .chunk_at = place.offset,
                              .chunk_len = place.len};
        memcpy(want->id, extent->id, TZ_ID_SIZE);
    }
    if ((uint64_t)extent->offset + extent->len > want->chunk_len) {
        struct tz_error why = {0};
        (void)tz_fail(&why, TZ_CORRUPT, "the manifest asks for more than a chunk has");
        tz_restore_spoil(restore, file, &why);
        return 0;
    }
    want->file = file;
    want->file_offset = offset;
    want->offset = extent->offset;
    want->len = (uint32_t)extent->len;
    restore->want_count++;
    atomic_fetch_add(&file->pending, 1);
    return 0;
}

/* Run what is planned, but go on with the file that is being planned. */
static int run_wants(struct restore *restore, struct tz_error *err);

int tz_restore_plan_file(struct restore *restore, struct tz_entry *entry, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_extent_walk) struct tz_extent_walk *walk = NULL;
    struct file *file = NULL;
    uint64_t offset = 0;

    if (new_file(restore, entry, &file, err))
        return -1;
    if (file->entry.extent_count > 0 && tz_extent_walk_new(&walk, restore->repo, &file->entry, err))
        return -1;
    while (walk) {
        struct tz_extent extent;
        struct tz_error why = {0};
        bool done = false;

        if (tz_extent_walk_next(walk, &extent, &done, &why)) {
            tz_restore_spoil(restore, file, &why);
            break;
        }
        if (done)
            break;
        if (is_hole(&extent) ? tz_restore_add_hole(file, offset, extent.len, err)
                             : add_want(restore, file, &extent, offset, err))
            return -1;
        if (is_hole(&extent) && !restore->compare)
            atomic_fetch_add(&restore->bytes, extent.len);
        offset += extent.len;
        if (restore->want_count == WINDOW_WANTS && run_wants(restore, err))
            return -1;
    }
    tz_restore_release(restore, file);
    return restore->file_count == restore->window_files ? tz_restore_end_window(restore, err) : 0;
}

static int compare_wants(const void *a, const void *b)
{
    const struct want *x = a, *y = b;

    if (x->pack != y->pack)
        return x->pack < y->pack ? -1 : 1;
    if (x->frame != y->frame)
        return x->frame < y->frame ? -1 : 1;
    if (x->chunk_at != y->chunk_at)
        return x->chunk_at < y->chunk_at ? -1 : 1;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

/* Submit the job of wants [from, to), which are of one frame. */
static int start_job(struct restore *restore, struct frame_job *job, size_t from, size_t to,
                     struct tz_error *err)
{
    struct tz_catalog *catalog = tz_repo_catalog(restore->repo);
    const struct want *first = &restore->wants[from];

    *job = (struct frame_job){.restore = restore,
                              .wants = &restore->wants[from],
                              .count = to - from,
                              .frame = first->frame,
                              .submitted = true};
    job->job.run = tz_restore_run_frame;
    if (tz_catalog_get_pack(catalog, first->pack, &job->pack, err) ||
        tz_catalog_get_frame(catalog, first->pack, first->frame, &job->info, err)) {
        job->submitted = false;
        return -1;
    }
    tz_pool_submit(restore->pool, &job->job);
    return 0;
}

static int run_wants(struct restore *restore, struct tz_error *err)
{
    struct frame_job jobs[JOBS_AHEAD];
    size_t from = 0, started = 0, awaited = 0;
    int failed = 0;

    memset(jobs, 0, sizeof(jobs));
    qsort(restore->wants, restore->want_count, sizeof(*restore->wants), compare_wants);
    while (!failed && from < restore->want_count) {
        size_t to = from + 1;
        while (to < restore->want_count && restore->wants[to].pack == restore->wants[from].pack &&
               restore->wants[to].frame == restore->wants[from].frame)
            to++;
        if (started - awaited == JOBS_AHEAD) {
            tz_pool_wait(restore->pool, &jobs[awaited % JOBS_AHEAD].job);
            awaited++;
        }
        failed = tz_interrupt_check(err) ||
                 start_job(restore, &jobs[started % JOBS_AHEAD], from, to, err);
        if (!failed)
            started++;
        else
            atomic_store(&restore->stopped, true);
        from = to;
        tz_restore_report(restore, false);
    }
    for (; awaited < started; awaited++)
        tz_pool_wait(restore->pool, &jobs[awaited % JOBS_AHEAD].job);
    restore->want_count = 0;
    return failed ? -1 : 0;
}

static void place_links(struct restore *restore)
{
    for (size_t i = 0; i < restore->link_count; i++) {
        struct tz_entry *entry = &restore->links[i];
        struct tz_error why = {0};

        if (tz_place_other(restore->place, entry, &why)) {
            tz_restore_warn(restore, entry, &why);
            atomic_fetch_add(&restore->failed, 1);
        }
        tz_entry_clear(entry);
    }
    restore->link_count = 0;
}

/* Directories that the walk has left: their metadata comes when nothing changes below them any
 * more. */
static void finish_directories(struct restore *restore)
{
    for (size_t i = 0; i < restore->left_count; i++) {
        struct tz_entry *entry = &restore->left[i];
        struct tz_error why = {0};

        if (!restore->compare && tz_place_finish_directory(restore->place, entry, &why)) {
            tz_restore_warn(restore, entry, &why);
            atomic_fetch_add(&restore->failed, 1);
        }
        tz_entry_clear(entry);
    }
    restore->left_count = 0;
}

int tz_restore_end_window(struct restore *restore, struct tz_error *err)
{
    int failed = run_wants(restore, err);

    for (size_t i = 0; i < restore->file_count; i++)
        tz_restore_free_file(restore->files[i]);
    restore->file_count = 0;
    if (failed)
        return -1;
    place_links(restore);
    finish_directories(restore);
    return 0;
}
