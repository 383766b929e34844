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
    const struct file *file = want->file;

    if (restore->compare)
        return is_same(worker, want, data)
                   ? 0
                   : tz_fail(err, TZ_CORRUPT, "it reads back as other bytes");
    if (want->file_offset < file->old_size && is_same(worker, want, data))
        return 0;
    if (tz_pwrite_all(file->fd, data, want->len, want->file_offset, err))
        return -1;
    atomic_fetch_add(&restore->written, want->len);
    return 0;
}

static int fetch(struct frame_job *job, struct worker *worker, struct tz_error *err)
{
    struct restore *restore = job->restore;
    uint8_t key[TZ_KEY_SIZE];
    uint32_t failed_stores = 0;

    if (tz_pack_header_open(tz_repo_keys(restore->repo), job->pack.header, key, err))
        return -1;
    int rc =
        tz_frame_fetch(tz_repo_mirror(restore->repo), worker->opener, &job->pack, key, job->frame,
                       &job->info, &worker->sealed, &worker->plain, &failed_stores, err);
    tz_wipe(key, sizeof(key));
    if (rc)
        return -1;
    atomic_fetch_add(&restore->fetched, job->info.sealed_len);
    if (failed_stores)
        atomic_fetch_add(&restore->healed, 1);
    return 0;
}

static int check_chunk(struct worker *worker, const struct want *want, struct tz_error *err)
{
    uint8_t id[TZ_ID_SIZE];

    if ((uint64_t)want->chunk_at + want->chunk_len > worker->plain.len)
        return tz_fail(err, TZ_CORRUPT, "the catalog's place of a chunk is wrong");
    if (tz_idhash(worker->hash, worker->plain.data + want->chunk_at, want->chunk_len, id, err))
        return -1;
    if (memcmp(id, want->id, TZ_ID_SIZE) != 0)
        return tz_fail(err, TZ_CORRUPT, "a chunk's content is not what its id says");
    return 0;
}

/* Write what is still wanted; each chunk is checked once, before its first byte is used. */
static void use_frame(struct frame_job *job, struct worker *worker)
{
    const struct want *checked = NULL;
    struct tz_error chunk_error = {0};
    int bad = 0;

    for (size_t i = 0; i < job->count; i++) {
        struct want *want = &job->wants[i];
        struct tz_error why = {0};

        if (want->satisfied)
            continue;
        if (!checked || checked->chunk_at != want->chunk_at ||
            memcmp(checked->id, want->id, TZ_ID_SIZE) != 0) {
            bad = check_chunk(worker, want, &chunk_error);
            checked = want;
        }
        if (bad)
            why = chunk_error;
        else if (!write_want(job->restore, worker, want,
                             worker->plain.data + want->chunk_at + want->offset, &why))
            continue;
        tz_restore_spoil(job->restore, want->file, &why);
    }
}

void tz_restore_run_frame(struct tz_job *base, unsigned number)
{
    struct frame_job *job = (struct frame_job *)base;
    struct restore *restore = job->restore;
    struct worker *worker = &restore->workers[number];
    struct tz_error why = {0};
    size_t left = 0;

    for (size_t i = 0; i < job->count; i++) {
        struct want *want = &job->wants[i];

        want->satisfied = atomic_load(&restore->stopped) || atomic_load(&want->file->failed) ||
                          !tz_restore_open_file(restore, want->file) ||
                          is_there(restore, worker, want);
        left += !want->satisfied;
    }
    if (left > 0) {
        if (!fetch(job, worker, &why))
            use_frame(job, worker);
        else
            for (size_t i = 0; i < job->count; i++)
                if (!job->wants[i].satisfied)
                    tz_restore_spoil(restore, job->wants[i].file, &why);
    }
    for (size_t i = 0; i < job->count; i++) {
        if (!restore->compare)
            atomic_fetch_add(&restore->bytes, job->wants[i].len);
        tz_restore_release(restore, job->wants[i].file);
    }
}
