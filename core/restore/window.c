#include "engine.h"

#include "tozai/util/interrupt.h"

#include <string.h>

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
        if (tz_extent_is_hole(&extent) ? tz_restore_add_hole(file, offset, extent.len, err)
                                       : add_want(restore, file, &extent, offset, err))
            return -1;
        if (tz_extent_is_hole(&extent) && !restore->compare)
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

/* The want behind those of the frame that begins with `from`. */
static size_t end_of_frame(const struct restore *restore, size_t from)
{
    const struct want *wants = restore->wants;
    size_t to = from + 1;

    while (to < restore->want_count && wants[to].pack == wants[from].pack &&
           wants[to].frame == wants[from].frame)
        to++;
    return to;
}

/* Does the frame of the want come right behind the job's, and not make it too long? */
static bool goes_on(const struct frame_job *job, const struct want *want,
                    const struct tz_frame_info *info)
{
    const struct frame_part *last = &job->parts[job->count - 1];

    return job->count < TZ_RUN_FRAMES && want->pack == job->pack.pack &&
           want->frame == last->frame + 1 &&
           info->offset == last->info.offset + last->info.sealed_len &&
           job->len + info->sealed_len <= job->restore->run_bytes;
}

/* Put the job together that begins with want *from, and move that on. */
static int plan_job(struct restore *restore, struct frame_job *job, size_t *from,
                    struct tz_error *err)
{
    struct tz_catalog *catalog = tz_repo_catalog(restore->repo);

    *job = (struct frame_job){.job.run = tz_restore_run_frames, .restore = restore};
    if (tz_catalog_get_pack(catalog, restore->wants[*from].pack, &job->pack, err))
        return -1;
    while (*from < restore->want_count) {
        struct want *want = &restore->wants[*from];
        struct frame_part part = {.wants = want, .frame = want->frame};

        if (job->count > 0 && want->pack != job->pack.pack)
            break;
        if (tz_catalog_get_frame(catalog, want->pack, want->frame, &part.info, err))
            return -1;
        if (job->count > 0 && !goes_on(job, want, &part.info))
            break;
        size_t to = end_of_frame(restore, *from);
        part.count = to - *from;
        job->parts[job->count++] = part;
        job->len += part.info.sealed_len;
        *from = to;
    }
    if (restore->far)
        job->early =
            tz_repo_take_early(restore->repo, job->pack.hash, job->parts[0].info.offset, job->len);
    return 0;
}

/* What was guessed and is none of the first jobs. */
static void drop_early(struct restore *restore)
{
    for (size_t dropped = tz_repo_drop_early(restore->repo); dropped > 0; dropped--)
        tz_restore_add_tray(restore, &(struct tz_buf){0});
}

static int run_wants(struct restore *restore, struct tz_error *err)
{
    size_t from = 0, started = 0, awaited = 0;
    int failed = 0;

    qsort(restore->wants, restore->want_count, sizeof(*restore->wants), compare_wants);
    while (!failed && from < restore->want_count) {
        struct frame_job *job = &restore->jobs[started % restore->job_count];
        if (started - awaited == restore->job_count) {
            tz_pool_wait(restore->pool, &job->job);
            awaited++;
        }
        failed = tz_interrupt_check(err) || plan_job(restore, job, &from, err);
        if (failed) {
            atomic_store(&restore->stopped, true);
        } else {
            tz_pool_submit(restore->pool, &job->job);
            if (++started == TZ_EARLY_RUNS)
                drop_early(restore);
        }
        tz_restore_report(restore, false);
    }
    drop_early(restore);
    for (; awaited < started; awaited++)
        tz_pool_wait(restore->pool, &restore->jobs[awaited % restore->job_count].job);
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
