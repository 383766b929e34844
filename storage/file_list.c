/*
 * How the file driver lists objects: a walk in the order of whole names that holds, for each level,
 * the names of one directory.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "file_driver.h"
#include "tozai/util/time.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "tozai/util/banned.h"

struct walk {
    struct tz_file_store *store;
    const char *prefix;
    tz_store_found_fn *found;
    void *arg;
    char name[TZ_STORE_NAME_MAX + 2]; /* where the walk is; a directory ends with '/' */
};

/* The names in a directory, each followed by a NUL; those of directories end with '/'. */
struct names {
    struct tz_buf text;
    size_t count;
    const char **sorted;
};

static void names_clear(struct names *names)
{
    tz_buf_clear(&names->text);
    free(names->sorted);
}

static int fail(struct walk *walk, int number, struct tz_error *err)
{
    return tz_file_fail(walk->store, number, "list", walk->name, err);
}

/* Put the entry behind the directory's name; false if that is no object's name. */
static bool name_entry(struct walk *walk, size_t len, const char *entry)
{
    size_t entry_len = strlen(entry);
    if (len + entry_len > TZ_STORE_NAME_MAX)
        return false;
    memcpy(walk->name + len, entry, entry_len + 1);
    return tz_store_name_valid(walk->name) &&
           strncmp(walk->name, walk->prefix, strlen(walk->prefix)) == 0;
}

/*
 * A symbolic link to a directory, or to nothing, may stand for many objects: leaving it out would
 * make a short list.  Returns 0, with *ret_type 0 for what is to be left out, or an errno value.
 */
static int type_of(int dir, const struct dirent *entry, mode_t *ret_type)
{
    struct stat st;
    *ret_type = entry->d_type == DT_DIR ? S_IFDIR : entry->d_type == DT_REG ? S_IFREG : 0;
    if (*ret_type || (entry->d_type != DT_UNKNOWN && entry->d_type != DT_LNK))
        return 0;
    if (fstatat(dir, entry->d_name, &st, AT_SYMLINK_NOFOLLOW))
        return errno == ENOENT ? 0 : errno;
    if (S_ISLNK(st.st_mode))
        return fstatat(dir, entry->d_name, &st, 0) || S_ISDIR(st.st_mode) ? ELOOP : 0;
    if (S_ISDIR(st.st_mode) || S_ISREG(st.st_mode))
        *ret_type = st.st_mode & S_IFMT;
    return 0;
}

static int add_entry(struct walk *walk, int dir, size_t len, const struct dirent *entry,
                     struct names *names, struct tz_error *err)
{
    if (!name_entry(walk, len, entry->d_name))
        return 0;
    mode_t type;
    int number = type_of(dir, entry, &type);
    if (number)
        return fail(walk, number, err);
    if (!type)
        return 0;
    const char *end = S_ISDIR(type) ? "/" : "";
    if (tz_buf_append(&names->text, entry->d_name, strlen(entry->d_name), err) ||
        tz_buf_append(&names->text, end, strlen(end) + 1, err))
        return -1;
    names->count++;
    return 0;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The '/' of directories takes part: "a-b" comes before what lies in "a". */
static int sort_names(struct names *names, struct tz_error *err)
{
    names->sorted = calloc(names->count + 1, sizeof(char *));
    if (!names->sorted)
        return tz_fail_nomem(err);
    const char *name = (const char *)names->text.data;
    for (size_t i = 0; i < names->count; i++) {
        names->sorted[i] = name;
        name += strlen(name) + 1;
    }
    qsort(names->sorted, names->count, sizeof(char *), compare);
    return 0;
}

static int read_names(struct walk *walk, DIR *stream, size_t len, struct names *names,
                      struct tz_error *err)
{
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(stream);
        if (!entry)
            break;
        if (add_entry(walk, dirfd(stream), len, entry, names, err))
            return -1;
    }
    int number = errno;
    walk->name[len] = '\0';
    if (number)
        return fail(walk, number, err);
    return sort_names(names, err);
}

static int report_file(struct walk *walk, int dir, const char *base, struct tz_error *err)
{
    struct stat st;
    if (fstatat(dir, base, &st, AT_SYMLINK_NOFOLLOW)) {
        /* Removed since its directory was read. */
        return errno == ENOENT ? 0 : fail(walk, errno, err);
    }
    if (!S_ISREG(st.st_mode))
        return 0;
    struct tz_store_stat stat = {
        .exists = true,
        .size = (uint64_t)st.st_size,
        .changed_ns = (int64_t)st.st_mtim.tv_sec * TZ_SECOND_NS + st.st_mtim.tv_nsec,
    };
    return walk->found(walk->arg, walk->name, &stat, err);
}

static int walk_names(struct walk *walk, int fd, size_t len, struct tz_error *err);

static int walk_child(struct walk *walk, int dir, size_t len, const char *name,
                      struct tz_error *err)
{
    size_t name_len = strlen(name);
    memcpy(walk->name + len, name, name_len + 1);
    if (name[name_len - 1] != '/')
        return report_file(walk, dir, name, err);

    char component[TZ_STORE_NAME_MAX + 1];
    memcpy(component, name, name_len - 1);
    component[name_len - 1] = '\0';
    int child = -1;
    int number = tz_file_open_child(dir, component, &child);
    if (number)
        return number == ENOENT ? 0 : fail(walk, number, err);
    return walk_names(walk, child, len + name_len, err);
}

/* Walk the directory, whose name is the first len bytes of walk->name; fd is closed. */
static int walk_names(struct walk *walk, int fd, size_t len, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_dir) DIR *stream = fdopendir(fd);
    if (!stream) {
        int number = errno;
        (void)close(fd);
        return fail(walk, number, err);
    }
    TZ_SCOPED(names_clear) struct names names = {0};
    if (read_names(walk, stream, len, &names, err))
        return -1;
    for (size_t i = 0; i < names.count; i++)
        if (walk_child(walk, dirfd(stream), len, names.sorted[i], err))
            return -1;
    return 0;
}

int tz_file_list(void *state, const char *prefix, const struct tz_store_terms *terms,
                 tz_store_found_fn *found, void *arg, struct tz_error *err)
{
    struct walk walk = {.store = state, .prefix = prefix, .found = found, .arg = arg};
    const char *base = NULL;
    int fd = -1;

    (void)terms; /* no read from a disk can be broken off */
    int number = tz_file_open_parent(walk.store, prefix, false, &base, &fd);
    if (number && number != ENOENT && number != ENOTDIR)
        return tz_file_fail(walk.store, number, "list", prefix, err);
    if (!number) {
        size_t len = (size_t)(base - prefix);
        memcpy(walk.name, prefix, len);
        if (walk_names(&walk, fd, len, err))
            return -1;
    }
    /* A directory that was removed reads as an empty one. */
    if (tz_file_gone(walk.store))
        return tz_file_fail(walk.store, ENOENT, "list", prefix, err);
    return 0;
}
