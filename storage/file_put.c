/*
 * How the file driver stores an object:
 *
 *     write tmp/<random>; fsync; rename to its name; fsync the directory
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "file_driver.h"

#include "tozai/storage/blob.h"
#include "tozai/util/file.h"
#include "tozai/util/hex.h"

#include <errno.h>
#include <fcntl.h>
#include <stdalign.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "tozai/util/banned.h"

/* From here on an object does not go through the page cache: it is not read again soon. */
#define DIRECT_BYTES ((size_t)1 << 20)

#define RANDOM_BYTES 16

struct temporary {
    struct tz_pace *pace;
    int dir;
    int fd;
    bool direct;                     /* writes go past the page cache */
    char name[2 * RANDOM_BYTES + 1]; /* empty: there is no file, or it has become the object */
};

static void temporary_clear(struct temporary *temporary)
{
    if (temporary->fd >= 0)
        (void)close(temporary->fd);
    if (temporary->name[0])
        (void)unlinkat(temporary->dir, temporary->name, 0);
    if (temporary->dir >= 0)
        (void)close(temporary->dir);
}

static int temporary_open(struct temporary *temporary, struct tz_file_store *store)
{
    int number = tz_file_make_child(store, store->top, TZ_FILE_TEMPORARY, &temporary->dir);
    if (number)
        return number;
    uint8_t bytes[RANDOM_BYTES];
    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
        return EIO;
    char name[sizeof(temporary->name)];
    tz_hex(name, bytes, sizeof(bytes));
    temporary->fd = openat(temporary->dir, name,
                           O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (temporary->fd < 0)
        return errno;
    memcpy(temporary->name, name, sizeof(name));
    return 0;
}

/* Not given to open(): where it is refused, open() leaves the file behind. */
static int set_direct(struct temporary *temporary, bool direct)
{
    int flags = fcntl(temporary->fd, F_GETFL);
    if (flags < 0)
        return errno;
    flags = direct ? flags | O_DIRECT : flags & ~O_DIRECT;
    if (fcntl(temporary->fd, F_SETFL, flags))
        return errno;
    temporary->direct = direct;
    return 0;
}

/* ECANCELED: interrupted. */
static int write_all(struct temporary *temporary, const uint8_t *data, size_t len)
{
    while (len > 0) {
        size_t piece = tz_pace_piece(temporary->pace, len, TZ_BLOB_ALIGN);
        if (tz_pace_wait(temporary->pace, piece, NULL))
            return ECANCELED;
        ssize_t n = write(temporary->fd, data, piece);
        if (n > 0) {
            data += n;
            len -= (size_t)n;
            continue;
        }
        int number = n < 0 ? errno : EIO;
        /* Refused only now, or because the last write stopped where the next is not aligned. */
        if (number == EINVAL && temporary->direct)
            number = set_direct(temporary, false);
        if (number && number != EINTR)
            return number;
    }
    return 0;
}

/*
 * Only whole blocks can be written past the page cache, so the last one is filled up and cut off
 * again.  It is filled up in a copy: what lies behind the data in memory is no business of the
 * disk.
 */
static int write_direct(struct temporary *temporary, const uint8_t *data, size_t len)
{
    size_t rest = len % TZ_BLOB_ALIGN;
    int number = write_all(temporary, data, len - rest);
    if (number || rest == 0)
        return number;
    alignas(TZ_BLOB_ALIGN) uint8_t block[TZ_BLOB_ALIGN] = {0};
    memcpy(block, data + len - rest, rest);
    number = write_all(temporary, block, sizeof(block));
    if (number)
        return number;
    return ftruncate(temporary->fd, (off_t)len) ? errno : 0;
}

static int temporary_write(struct temporary *temporary, const void *data, size_t len)
{
    bool direct = len >= DIRECT_BYTES && (uintptr_t)data % TZ_BLOB_ALIGN == 0 &&
                  set_direct(temporary, true) == 0;
    int number = direct ? write_direct(temporary, data, len) : write_all(temporary, data, len);
    if (number)
        return number;
    if (fsync(temporary->fd))
        return errno;
    int fd = TZ_TAKE_FD(temporary->fd);
    return close(fd) ? errno : 0;
}

static int publish(struct temporary *temporary, int dir, const char *base, bool replace)
{
    int number;
    if (replace)
        number = renameat(temporary->dir, temporary->name, dir, base) ? errno : 0;
    else
        number = tz_rename_new(temporary->dir, temporary->name, dir, base);
    if (number)
        return number;
    temporary->name[0] = '\0';
    number = tz_file_sync_dir(dir);
    /* It may not be durable, so it must not be there: a reader would rely on it. */
    if (number && !replace)
        (void)unlinkat(dir, base, 0);
    return number;
}

/* The name is taken.  Who is told so relies on that object: its name must be durable, too. */
static int fail_exists(struct tz_file_store *store, int dir, const char *name,
                       const struct stat *st, struct tz_error *err)
{
    if (!S_ISREG(st->st_mode))
        return tz_fail(err, TZ_FAILED, "put '%s' in '%s': something else than a file has this name",
                       name, store->path);
    int number = tz_file_sync_dir(dir);
    if (number)
        return tz_file_fail(store, number, "put", name, err);
    return tz_fail(err, TZ_EXISTS, "put '%s' in '%s': the name is taken", name, store->path);
}

int tz_file_put(void *state, const char *name, const void *data, size_t len, bool replace,
                struct tz_error *err)
{
    struct tz_file_store *store = state;
    TZ_SCOPED(tz_scoped_fd) int dir = -1;
    const char *base = NULL;
    int number = tz_file_open_parent(store, name, true, &base, &dir);
    if (number)
        return tz_file_fail(store, number, "put", name, err);

    /* Only to spare the writing; the rename is what decides. */
    struct stat st;
    if (!replace && fstatat(dir, base, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return fail_exists(store, dir, name, &st, err);

    TZ_SCOPED(temporary_clear)
    struct temporary temporary = {.pace = store->upload, .dir = -1, .fd = -1};
    number = temporary_open(&temporary, store);
    if (!number)
        number = temporary_write(&temporary, data, len);
    if (!number)
        number = publish(&temporary, dir, base, replace);
    if (number == EEXIST && fstatat(dir, base, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return fail_exists(store, dir, name, &st, err);
    if (number == ECANCELED)
        return tz_fail(err, TZ_INTERRUPTED, "put '%s' in '%s': interrupted", name, store->path);
    if (number)
        return tz_file_fail(store, number, "put", name, err);
    return 0;
}
