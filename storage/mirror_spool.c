/*
 * What a store has no room for waits in files.
 *
 * It is the newest object that goes there, not the oldest, whose turn comes first: so a store reads
 * from memory as long as it can, and nothing is written only to be read at once.  As long as
 * objects of a store wait in files, those that come behind them do, too.
 *
 * The files need not survive anything: what they hold is ciphertext that the run would write again.
 */
#include "mirror_private.h"
#include "tozai/util/file.h"
#include "tozai/util/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tozai/util/banned.h"

/* What a killed run left: nobody else uses the folder, since the caller holds a lock. */
static int empty_folder(const char *path, struct tz_error *err)
{
    DIR *dir = opendir(path);
    const struct dirent *entry;

    if (!dir)
        return tz_fail_errno(err, errno, "open '%s'", path);
    while ((entry = readdir(dir)))
        if (strspn(entry->d_name, "0123456789") == strlen(entry->d_name) &&
            unlinkat(dirfd(dir), entry->d_name, 0))
            tz_debug("'%s/%s' cannot be removed", path, entry->d_name);
    (void)closedir(dir);
    return 0;
}

int tz_mirror_spool(struct tz_mirror *mirror, size_t i, const char *folder, uint64_t max_bytes,
                    struct tz_error *err)
{
    struct tz_mirror_lane *lane = &mirror->lanes[i];
    TZ_SCOPED(tz_scoped_free) char *path = strdup(folder);

    if (!path)
        return tz_fail_nomem(err);
    if (max_bytes == 0) {
        /* It may have been more the last time. */
        if (access(path, F_OK))
            return 0;
        return empty_folder(path, err);
    }
    if (tz_make_dirs(path, 0700, err) || empty_folder(path, err))
        return -1;
    tz_mirror_lock(mirror);
    free(lane->spool.folder);
    lane->spool.folder = TZ_TAKE(path);
    lane->spool.max_bytes = max_bytes;
    tz_mirror_unlock(mirror);
    return 0;
}

bool tz_mirror_spool_has_room(const struct tz_mirror_lane *lane, uint64_t weight)
{
    const struct tz_mirror_spool *spool = &lane->spool;
    return spool->bytes <= spool->max_bytes && weight <= spool->max_bytes - spool->bytes;
}

static int write_file(const char *path, const struct tz_blob *blob, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_fd)
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (fd < 0)
        return tz_fail_errno(err, errno, "make '%s'", path);
    if (tz_write_all(fd, blob->data, blob->len, err)) {
        (void)unlink(path);
        return tz_while(err, "write '%s'", path);
    }
    return 0;
}

int tz_mirror_spool_write(struct tz_mirror_lane *lane, struct tz_mirror_item *item,
                          struct tz_error *err)
{
    char number[32];
    (void)snprintf(number, sizeof(number), "%" PRIu64, lane->spool.next++);
    TZ_SCOPED(tz_scoped_free) char *path = tz_path_join(lane->spool.folder, number);

    if (!path)
        return tz_fail_nomem(err);
    if (tz_sha256(item->hash, item->blob->data, item->blob->len, err) ||
        write_file(path, item->blob, err))
        return -1;
    item->len = item->blob->len;
    item->file = TZ_TAKE(path);
    tz_blob_drop(TZ_TAKE(item->blob));
    return 0;
}

static int read_file(const struct tz_mirror_item *item, struct tz_blob *blob, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_fd) int fd = open(item->file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    uint8_t hash[TZ_HASH_SIZE];

    if (fd < 0)
        return tz_fail_errno(err, errno, "open '%s'", item->file);
    if (tz_read_full(fd, blob->data, item->len, &blob->len, err))
        return tz_while(err, "read '%s'", item->file);
    if (tz_sha256(hash, blob->data, blob->len, err))
        return -1;
    if (blob->len != item->len || memcmp(hash, item->hash, TZ_HASH_SIZE) != 0)
        return tz_fail(err, TZ_IO, "'%s' reads back as other bytes", item->file);
    return 0;
}

int tz_mirror_spool_read(struct tz_mirror_item *item, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_blob) struct tz_blob *blob = NULL;

    if (tz_blob_new(&blob, item->len, err) || read_file(item, blob, err))
        return tz_while(err, "put '%s'", item->name);
    item->blob = TZ_TAKE(blob);
    tz_mirror_spool_drop(item);
    return 0;
}

void tz_mirror_spool_drop(struct tz_mirror_item *item)
{
    if (!item->file)
        return;
    (void)unlink(item->file);
    free(item->file);
    item->file = NULL;
}
