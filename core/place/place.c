#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "place.h"

#include "tozai/util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tozai/util/banned.h"

void tz_place_note(struct tz_place *place, const struct tz_entry *entry, enum tz_place_lack lack,
                   const struct tz_error *why)
{
    unsigned bit = 1U << lack;

    atomic_fetch_add(&place->warnings, 1);
    bool said = (atomic_fetch_or(&place->said, bit) & bit) != 0;
    if (place->warn && (!said || lack == TZ_LACK_DEVICE))
        place->warn(place->warn_arg, entry->path, entry->path_len, why);
}

uint64_t tz_place_warnings(const struct tz_place *place)
{
    return atomic_load(&place->warnings);
}

/* Open the target, or make it. */
static int open_target(struct tz_place *place, const char *target, struct tz_error *err)
{
    struct stat st;

    if (stat(target, &st) == 0 && !S_ISDIR(st.st_mode))
        return tz_fail(err, TZ_INVALID, "target '%s' is not a directory", target);
    place->root = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (place->root >= 0)
        return 0;
    if (errno != ENOENT)
        return tz_fail_errno(err, errno, "open target '%s'", target);
    if (tz_make_dirs(target, 0700, err))
        return tz_while(err, "make target '%s'", target);
    place->root_made = true;
    place->root = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (place->root < 0)
        return tz_fail_errno(err, errno, "open target '%s'", target);
    return 0;
}

int tz_place_open(struct tz_place **ret, const char *target, enum tz_overwrite overwrite,
                  tz_place_warn_fn *warn, void *warn_arg, struct tz_error *err)
{
    struct tz_place *place = calloc(1, sizeof(*place));
    if (!place)
        return tz_fail_nomem(err);

    int number = pthread_mutex_init(&place->lock, NULL);
    if (number) {
        free(place);
        return tz_fail_errno(err, number, "make a lock");
    }
    place->root = -1;
    place->overwrite = overwrite;
    place->warn = warn;
    place->warn_arg = warn_arg;
    if (open_target(place, target, err) || tz_parents_new(&place->parents, place->root, err)) {
        tz_place_free(place);
        return -1;
    }
    *ret = place;
    return 0;
}

void tz_place_free(struct tz_place *place)
{
    if (!place)
        return;
    tz_parents_free(place->parents);
    if (place->root >= 0)
        (void)close(place->root);
    (void)pthread_mutex_destroy(&place->lock);
    free(place->kept.slots);
    free(place->shared.slots);
    free(place);
}

int tz_place_sync(struct tz_place *place, struct tz_error *err)
{
    if (syncfs(place->root))
        return tz_fail_errno(err, errno, "write the target to disk");
    return 0;
}

int tz_spot_open(struct tz_place *place, const char *path, size_t len, struct tz_spot *ret,
                 struct tz_error *err)
{
    const char *slash;

    if (len == 0 || !tz_path_valid(path, len))
        return tz_fail(err, TZ_CORRUPT, "an entry has a path that cannot be restored");
    slash = memrchr(path, '/', len);
    size_t parent_len = slash ? (size_t)(slash - path) : 0;
    const char *name = slash ? slash + 1 : path;
    size_t name_len = len - (size_t)(name - path);
    if (name_len >= sizeof(ret->name))
        return tz_fail_errno(err, ENAMETOOLONG, "name of %zu bytes", name_len);

    *ret = (struct tz_spot){.place = place};
    memcpy(ret->name, name, name_len);
    ret->name[name_len] = '\0';
    return tz_parents_get(place->parents, path, parent_len, &ret->parent, err);
}

void tz_spot_close(struct tz_spot *spot)
{
    if (spot->place)
        tz_parents_release(spot->place->parents, &spot->parent);
}

int tz_spot_stat(const struct tz_spot *spot, struct stat *st, bool *ret_there, struct tz_error *err)
{
    *ret_there = fstatat(spot->parent.fd, spot->name, st, AT_SYMLINK_NOFOLLOW) == 0;
    if (*ret_there || errno == ENOENT)
        return 0;
    return tz_fail_errno(err, errno, "stat");
}

int tz_spot_remove(const struct tz_spot *spot, const struct tz_entry *entry, struct tz_error *err)
{
    tz_parents_forget(spot->place->parents, entry->path, entry->path_len);
    return tz_remove_at(spot->parent.fd, spot->name, err);
}
