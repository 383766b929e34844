#include "engine.h"

#include "tozai/util/file.h"

#include <string.h>

/* Does the file hold the whole chunk already?  Then it need not be fetched. */
static bool is_there(struct restore *restore, struct worker *worker, const struct want *want)
{
    const struct file *file = want->file;
    uint8_t id[TZ_ID_SIZE];
    size_t got = 0;

    if (want->offset != 0 || want->len != want->chunk_len)
        return false;
    if (!restore->compare &&
        (want->file_offset >= file->old_size || file->old_size - want->file_offset < want->len))
        return false;
    tz_buf_reset(&worker->local);
    if (tz_buf_reserve(&worker->local, want->len, NULL) ||
        tz_pread_full(file->fd, worker->local.data, want->len, want->file_offset, &got, NULL) ||
        got != want->len || tz_idhash(worker->hash, worker->local.data, want->len, id, NULL))
        return false;
    return memcmp(id, want->id, TZ_ID_SIZE) == 0;
}

/* Is what stands in the file the same? */
static bool is_same(struct worker *worker, const struct want *want, const uint8_t *data)
{
    size_t got = 0;

    tz_buf_reset(&worker->local);
    if (tz_buf_reserve(&worker->local, want->len, NULL) ||
        tz_pread_full(want->file->fd, worker->local.data, want->len, want->file_offset, &got, NULL))
        return false;
    return got == want->len && memcmp(worker->local.data, data, want->len) == 0;
}

static int write_want(struct restore *restore, struct worker *worker, const struct want *want,
                      const uint8_t *data, struct tz_error *err)
{
    struct file *file = want->file;

    if (restore->compare)
        return is_same(worker, want, data)
                   ? 0
                   : tz_fail(err, TZ_CORRUPT, "it reads back as other bytes");
    if (want->file_offset < file->old_size && is_same(worker, want, data))
        return 0;
    if (tz_restore_own_file(restore, file, err) ||
        tz_pwrite_all(file->fd, data, want->len, want->file_offset, err))
        return -1;
    atomic_fetch_add(&restore->written, want->len);
    return 0;
}

static int check_chunk(struct worker *worker, const struct desk *desk, const struct want *want,
                       struct tz_error *err)
{
    uint8_t id[TZ_ID_SIZE];

    if ((uint64_t)want->chunk_at + want->chunk_len > desk->plain.len)
        return tz_fail(err, TZ_CORRUPT, "the catalog's place of a chunk is wrong");
    if (tz_idhash(worker->hash, desk->plain.data + want->chunk_at, want->chunk_len, id, err))
        return -1;
    if (memcmp(id, want->id, TZ_ID_SIZE) != 0)
        return tz_fail(err, TZ_CORRUPT, "a chunk's content is not what its id says");
    return 0;
}

/* Write what is still wanted; each chunk is checked once, before its first byte is used. */
static void use_frame(struct restore *restore, struct worker *worker, const struct desk *desk,
                      const struct frame_part *part)
{
    const struct want *checked = NULL;
    struct tz_error chunk_error = {0};
    int bad = 0;

    for (size_t i = 0; i < part->count; i++) {
        struct want *want = &part->wants[i];
        struct tz_error why = {0};

        if (want->satisfied)
            continue;
        if (!checked || checked->chunk_at != want->chunk_at ||
            memcmp(checked->id, want->id, TZ_ID_SIZE) != 0) {
            bad = check_chunk(worker, desk, want, &chunk_error);
            checked = want;
        }
        if (bad)
            why = chunk_error;
        else if (!write_want(restore, worker, want,
                             desk->plain.data + want->chunk_at + want->offset, &why))
            continue;
        tz_restore_spoil(restore, want->file, &why);
    }
}

/* What a store gave for a job. */
struct arrival {
    struct frame_job *job;
    struct worker *worker;
    uint8_t key[TZ_KEY_SIZE];
    uint64_t taken; /* frames of the last copy that were good and new */
};

static int take_frame(struct arrival *arrival, struct desk *desk, struct frame_part *part,
                      uint8_t *sealed, struct tz_error *err)
{
    struct frame_job *job = arrival->job;

    tz_buf_reset(&desk->plain);
    if (tz_buf_reserve(&desk->plain, part->info.plain_len, err) ||
        tz_frame_open(desk->opener, job->pack.header, arrival->key, part->frame, &part->info,
                      sealed, desk->plain.data, err))
        return -1;
    desk->plain.len = part->info.plain_len;
    part->taken = true;
    arrival->taken++;
    use_frame(job->restore, arrival->worker, desk, part);
    return 0;
}

/* A copy is good when every frame that is still needed opens; those that do are done with. */
static int take_frames(void *arg, uint8_t *data, size_t len, struct tz_error *err)
{
    struct arrival *arrival = arg;
    struct frame_job *job = arrival->job;
    int failed = 0;

    arrival->taken = 0;
    if (len != job->len)
        return tz_fail(err, TZ_CORRUPT, "the pack is too short");
    struct desk *desk = tz_restore_take_desk(job->restore);
    for (size_t i = 0; i < job->count; i++) {
        struct frame_part *part = &job->parts[i];
        if (part->needed && !part->taken && take_frame(arrival, desk, part, data, err))
            failed = -1;
        data += part->info.sealed_len;
    }
    tz_restore_leave_desk(job->restore, desk);
    return failed;
}

/* A store has begun to answer. */
static bool has_room(void *arg, struct tz_buf *out, size_t len)
{
    const struct arrival *arrival = arg;

    (void)out; /* the worker's sealed bytes */
    (void)len;
    return tz_restore_take_tray(arrival->job->restore, arrival->worker);
}

/* With what is on its way already; arrival NULL: nobody wants it.  False: the job needs another
 * copy, as it came damaged or did not come. */
static bool use_early(struct frame_job *job, struct arrival *arrival, bool *ret_damaged)
{
    struct tz_buf bytes = {0};
    struct tz_error ignored = {0};
    bool good = false;

    if (!job->early)
        return false;
    tz_early_get(TZ_TAKE(job->early), &bytes);
    if (arrival && bytes.len == job->len) {
        good = !take_frames(arrival, bytes.data, bytes.len, &ignored);
        *ret_damaged = !good;
    }
    tz_restore_add_tray(job->restore, &bytes);
    return good;
}

static int read_frames(struct arrival *arrival, uint32_t *ret_failed, struct tz_error *err)
{
    struct frame_job *job = arrival->job;
    struct restore *restore = job->restore;
    struct worker *worker = arrival->worker;
    char name[TZ_NAME_TEXT];

    tz_name_pack(name, job->pack.hash);
    const struct tz_mirror_request request = {.name = name,
                                              .offset = job->parts[0].info.offset,
                                              .len = job->len,
                                              .accept = take_frames,
                                              .room = restore->far ? has_room : NULL,
                                              .arg = arrival};
    if (restore->far)
        tz_restore_begin_read(restore);
    int rc = tz_mirror_read(tz_repo_mirror(restore->repo), &request, &worker->sealed, NULL,
                            ret_failed, err);
    if (restore->far)
        tz_restore_end_read(restore, worker);
    return rc;
}

static int fetch(struct frame_job *job, struct worker *worker, struct tz_error *err)
{
    struct restore *restore = job->restore;
    struct arrival arrival = {.job = job, .worker = worker};
    uint32_t failed_stores = 0;
    bool damaged = false;

    tz_buf_reset(&worker->sealed);
    if (tz_pack_header_open(tz_repo_keys(restore->repo), job->pack.header, arrival.key, err) ||
        (!restore->far && tz_buf_reserve(&worker->sealed, job->len, err)))
        return -1;
    int rc = use_early(job, &arrival, &damaged) ? 0 : read_frames(&arrival, &failed_stores, err);
    tz_wipe(arrival.key, sizeof(arrival.key));
    if (rc)
        return -1;
    atomic_fetch_add(&restore->fetched, job->len);
    if (failed_stores || damaged)
        atomic_fetch_add(&restore->healed, arrival.taken);
    return 0;
}

/* Nothing that is wanted of the frames at either end: they are not fetched. */
static void trim(struct frame_job *job)
{
    size_t first = 0;

    while (job->count > 0 && !job->parts[job->count - 1].needed)
        job->len -= job->parts[--job->count].info.sealed_len;
    while (first < job->count && !job->parts[first].needed)
        job->len -= job->parts[first++].info.sealed_len;
    job->count -= first;
    memmove(job->parts, job->parts + first, job->count * sizeof(job->parts[0]));
}

static bool is_needed(struct restore *restore, struct worker *worker, const struct frame_part *part)
{
    bool needed = false;

    for (size_t i = 0; i < part->count; i++) {
        struct want *want = &part->wants[i];
        want->satisfied = atomic_load(&restore->stopped) || atomic_load(&want->file->failed) ||
                          !tz_restore_open_file(restore, want->file) ||
                          is_there(restore, worker, want);
        needed = needed || !want->satisfied;
    }
    return needed;
}

static void spoil_frame(struct restore *restore, const struct frame_part *part,
                        const struct tz_error *why)
{
    for (size_t i = 0; i < part->count; i++)
        if (!part->wants[i].satisfied)
            tz_restore_spoil(restore, part->wants[i].file, why);
}

static void fetch_needed(struct frame_job *job, struct worker *worker)
{
    struct tz_error why = {0};

    for (size_t i = 0; i < job->count; i++)
        job->parts[i].needed = is_needed(job->restore, worker, &job->parts[i]);
    trim(job);
    if (job->count == 0 || !fetch(job, worker, &why))
        return;
    for (size_t i = 0; i < job->count; i++)
        if (job->parts[i].needed && !job->parts[i].taken)
            spoil_frame(job->restore, &job->parts[i], &why);
}

void tz_restore_run_frames(struct tz_job *base, unsigned number)
{
    struct frame_job *job = (struct frame_job *)base;
    struct restore *restore = job->restore;
    struct want *wants = job->parts[0].wants;
    const struct frame_part *last = &job->parts[job->count - 1];
    size_t count = (size_t)(last->wants + last->count - wants);

    fetch_needed(job, &restore->workers[number]);
    (void)use_early(job, NULL, NULL);
    for (size_t i = 0; i < count; i++) {
        if (!restore->compare)
            atomic_fetch_add(&restore->bytes, wants[i].len);
        tz_restore_release(restore, wants[i].file);
    }
}
