#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "parents.h"

#include "tozai/core/entry.h"
#include "tozai/core/inode_flags.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tozai/util/banned.h"

#define SLOTS 32
/* Of a path that goes to the kernel in one piece; it takes 4095. */
#define PIECE_MAX 4000

struct slot {
    char *path; /* NULL: free */
    size_t len;
    int fd;
    bool inherits;
    bool cached; /* false: made for one use, as all others were busy, or it was forgotten */
    unsigned users;
    uint64_t stamp;
};

struct tz_parents {
    int root;
    pthread_mutex_t lock;
    struct slot *slots[SLOTS];
    uint64_t stamp;
};

static atomic_bool no_openat2;

static int open_piece(int at, const char *piece)
{
    struct open_how how = {
        .flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    int fd;

    do
        fd = (int)syscall(SYS_openat2, at, piece, &how, sizeof(how));
    while (fd < 0 && (errno == EAGAIN || errno == EINTR));
    if (fd < 0 && errno == EACCES) { /* one that may be entered but not listed */
        how.flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
        fd = (int)syscall(SYS_openat2, at, piece, &how, sizeof(how));
    }
    return fd;
}

/* One component, which is not followed. */
static int open_component(int at, const char *name)
{
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && errno == EACCES)
        fd = openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd;
}

/* Length of the next piece of a path: whole components, as many as may go at once. */
static size_t piece_length(const char *path, size_t len, bool single)
{
    if (!single && len <= PIECE_MAX)
        return len;
    size_t end = 0;
    for (size_t i = 0; i <= len; i++) {
        if (i < len && path[i] != '/')
            continue;
        if (end > 0 && (single || i > PIECE_MAX))
            break;
        end = i;
    }
    return end;
}

int tz_open_beneath(int root, const char *path, size_t len)
{
    char piece[PIECE_MAX + 1];
    TZ_SCOPED(tz_scoped_fd) int at = -1;

    if (len == 0)
        return openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    while (len > 0) {
        bool single = atomic_load_explicit(&no_openat2, memory_order_relaxed);
        size_t n = piece_length(path, len, single);
        if (n > PIECE_MAX) {
            errno = ENAMETOOLONG;
            return -1;
        }
        memcpy(piece, path, n);
        piece[n] = '\0';
        int from = at >= 0 ? at : root;
        int fd = single ? open_component(from, piece) : open_piece(from, piece);
        /* An old kernel, or a sandbox that does not know it. */
        if (fd < 0 && !single && (errno == ENOSYS || errno == EPERM)) {
            atomic_store(&no_openat2, true);
            continue;
        }
        if (at >= 0)
            (void)close(at);
        at = fd;
        if (fd < 0)
            return -1;
        path += n + (n < len);
        len -= n + (n < len);
    }
    return TZ_TAKE_FD(at);
}

int tz_parents_new(struct tz_parents **ret, int root, struct tz_error *err)
{
    struct tz_parents *parents = calloc(1, sizeof(*parents));
    if (!parents)
        return tz_fail_nomem(err);
    int number = pthread_mutex_init(&parents->lock, NULL);
    if (number) {
        free(parents);
        return tz_fail_errno(err, number, "make a lock");
    }
    parents->root = root;
    *ret = parents;
    return 0;
}

static void free_slot(struct slot *slot)
{
    if (!slot)
        return;
    if (slot->fd >= 0)
        (void)close(slot->fd);
    free(slot->path);
    free(slot);
}

void tz_parents_free(struct tz_parents *parents)
{
    if (!parents)
        return;
    for (size_t i = 0; i < SLOTS; i++)
        free_slot(parents->slots[i]);
    (void)pthread_mutex_destroy(&parents->lock);
    free(parents);
}

/* Would a new file get more than its own metadata? */
static bool inherits(int fd)
{
    uint32_t flags = 0;

    if (fgetxattr(fd, "system.posix_acl_default", NULL, 0) > 0)
        return true;
    return tz_inode_flags_get(fd, &flags) && flags != 0;
}

static struct slot *open_slot(const struct tz_parents *parents, const char *path, size_t len,
                              struct tz_error *err)
{
    struct slot *slot = calloc(1, sizeof(*slot));
    char *copy = malloc(len + 1);
    if (!slot || !copy) {
        free(slot);
        free(copy);
        (void)tz_fail_nomem(err);
        return NULL;
    }
    memcpy(copy, path, len);
    copy[len] = '\0';
    slot->path = copy;
    slot->len = len;
    slot->fd = tz_open_beneath(parents->root, path, len);
    if (slot->fd < 0) {
        int number = errno;
        (void)tz_fail_errno(err, number, "open directory '%s'", copy);
        if (number == ELOOP || number == ENOTDIR || number == EXDEV)
            (void)tz_hint(err, "a symbolic link or a file stands there; restore into an empty "
                               "directory, or remove it");
        free_slot(slot);
        return NULL;
    }
    slot->inherits = inherits(slot->fd);
    return slot;
}

static struct slot *find(struct tz_parents *parents, const char *path, size_t len)
{
    for (size_t i = 0; i < SLOTS; i++) {
        struct slot *slot = parents->slots[i];
        if (slot && slot->len == len && memcmp(slot->path, path, len) == 0)
            return slot;
    }
    return NULL;
}

/* Put the slot in the place of the one that was not used for longest. */
static void cache(struct tz_parents *parents, struct slot *slot)
{
    size_t oldest = SLOTS;

    for (size_t i = 0; i < SLOTS; i++) {
        const struct slot *other = parents->slots[i];
        if (!other) {
            oldest = i;
            break;
        }
        if (other->users > 0)
            continue;
        if (oldest == SLOTS || other->stamp < parents->slots[oldest]->stamp)
            oldest = i;
    }
    if (oldest == SLOTS) /* every one is busy */
        return;
    free_slot(parents->slots[oldest]);
    parents->slots[oldest] = slot;
    slot->cached = true;
}

static struct tz_parent use(struct tz_parents *parents, struct slot *slot)
{
    slot->users++;
    slot->stamp = ++parents->stamp;
    return (struct tz_parent){.fd = slot->fd, .inherits = slot->inherits, .slot = slot};
}

int tz_parents_get(struct tz_parents *parents, const char *path, size_t len, struct tz_parent *ret,
                   struct tz_error *err)
{
    (void)pthread_mutex_lock(&parents->lock);
    struct slot *slot = find(parents, path, len);
    if (slot)
        *ret = use(parents, slot);
    (void)pthread_mutex_unlock(&parents->lock);
    if (slot)
        return 0;

    slot = open_slot(parents, path, len, err);
    if (!slot)
        return -1;
    (void)pthread_mutex_lock(&parents->lock);
    if (!find(parents, path, len))
        cache(parents, slot);
    *ret = use(parents, slot);
    (void)pthread_mutex_unlock(&parents->lock);
    return 0;
}

void tz_parents_release(struct tz_parents *parents, struct tz_parent *parent)
{
    struct slot *slot = parent->slot;

    if (!slot)
        return;
    (void)pthread_mutex_lock(&parents->lock);
    bool last = --slot->users == 0 && !slot->cached;
    (void)pthread_mutex_unlock(&parents->lock);
    if (last)
        free_slot(slot);
    parent->slot = NULL;
}

void tz_parents_forget(struct tz_parents *parents, const char *path, size_t len)
{
    (void)pthread_mutex_lock(&parents->lock);
    for (size_t i = 0; i < SLOTS; i++) {
        struct slot *slot = parents->slots[i];
        if (!slot || !tz_path_within(slot->path, slot->len, path, len))
            continue;
        parents->slots[i] = NULL;
        slot->cached = false;
        if (slot->users == 0)
            free_slot(slot);
    }
    (void)pthread_mutex_unlock(&parents->lock);
}
