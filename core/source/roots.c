#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "roots.h"

#include "tozai/core/entry.h"
#include "tozai/util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tozai/util/banned.h"

static void clear_root(struct tz_root *root)
{
    free(root->file);
    free(root->path);
    *root = (struct tz_root){0};
}

void tz_roots_clear(struct tz_roots *roots)
{
    for (size_t i = 0; i < roots->count; i++)
        clear_root(&roots->items[i]);
    free(roots->items);
    *roots = (struct tz_roots){0};
}

/* Takes file and path in any case; NULL means that memory ran out. */
static int append(struct tz_roots *roots, char *file, char *path, bool implied,
                  struct tz_error *err)
{
    struct tz_root root = {.file = file, .path = path, .implied = implied};
    struct tz_root *items = NULL;

    if (file && path)
        items = realloc(roots->items, (roots->count + 1) * sizeof(*items));
    if (!items) {
        clear_root(&root);
        return tz_fail_nomem(err);
    }
    root.name_len = strlen(tz_path_base(path));
    items[roots->count++] = root;
    roots->items = items;
    return 0;
}

/* Follows symbolic links: a configured path stands for what it leads to. */
static int look_at(struct tz_root *root, struct tz_error *err)
{
    struct stat st;

    if (stat(root->file, &st))
        return tz_fail_errno(err, errno, "path '%s'", root->file);
    root->is_directory = S_ISDIR(st.st_mode);
    return 0;
}

/* The components of an absolute path without "." and doubled slashes, and without a slash in front.
 */
static int normalize(const char *file, char **ret, struct tz_error *err)
{
    size_t len = 0;
    TZ_SCOPED(tz_scoped_free) char *path = malloc(strlen(file) + 1);
    if (!path)
        return tz_fail_nomem(err);

    for (const char *at = file; *at;) {
        size_t n = strcspn(at, "/");
        if (n == 2 && memcmp(at, "..", 2) == 0)
            return tz_fail(err, TZ_INVALID, "path '%s' holds '..', which one of several cannot",
                           file);
        if (n > 0 && !(n == 1 && at[0] == '.')) {
            if (len > 0)
                path[len++] = '/';
            memcpy(path + len, at, n);
            len += n;
        }
        at += n + (at[n] == '/');
    }
    path[len] = '\0';
    *ret = TZ_TAKE(path);
    return 0;
}

/* The absolute form of a path, for one of several. */
static int add_full(struct tz_roots *roots, const char *file, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free) char *absolute = NULL;
    TZ_SCOPED(tz_scoped_free) char *path = NULL;

    if (file[0] == '/') {
        absolute = strdup(file);
    } else {
        TZ_SCOPED(tz_scoped_free) char *here = getcwd(NULL, 0);
        if (!here)
            return tz_fail_errno(err, errno, "current directory");
        absolute = tz_path_join(here, file);
    }
    if (!absolute)
        return tz_fail_nomem(err);
    if (normalize(absolute, &path, err))
        return -1;
    return append(roots, TZ_TAKE(absolute), TZ_TAKE(path), false, err);
}

static int compare_roots(const void *first, const void *second)
{
    const struct tz_root *a = first, *b = second;
    return tz_path_compare(a->path, strlen(a->path), b->path, strlen(b->path));
}

static int check_apart(const struct tz_roots *roots, struct tz_error *err)
{
    for (size_t i = 1; i < roots->count; i++) {
        const char *above = roots->items[i - 1].path, *path = roots->items[i].path;
        if (strcmp(above, path) == 0)
            return tz_fail(err, TZ_INVALID, "path '%s' is there twice", roots->items[i].file);
        if (tz_path_within(path, strlen(path), above, strlen(above)))
            return tz_fail(err, TZ_INVALID, "path '%s' is inside of '%s'", roots->items[i].file,
                           roots->items[i - 1].file);
    }
    return 0;
}

/* Has one of the roots so far this path?  They are sorted, so it would be near the end. */
static bool is_known(const struct tz_roots *roots, const char *path, size_t len)
{
    for (size_t i = roots->count; i-- > 0;) {
        const char *known = roots->items[i].path;
        if (strlen(known) == len && memcmp(known, path, len) == 0)
            return true;
        if (tz_path_compare(known, strlen(known), path, len) < 0)
            return false;
    }
    return false;
}

/* Append the directories above path that are not there yet, "" first. */
static int add_above(struct tz_roots *roots, const char *path, struct tz_error *err)
{
    for (size_t len = 0; path[len]; len++) {
        bool here = len == 0 || path[len] == '/';
        if (!here || is_known(roots, path, len))
            continue;
        char *file = malloc(len + 2);
        if (!file)
            return tz_fail_nomem(err);
        file[0] = '/';
        memcpy(file + 1, path, len);
        file[len + 1] = '\0';
        if (append(roots, file, strndup(path, len), true, err))
            return -1;
    }
    return 0;
}

/* Several paths: sorted, with the directories above them. */
static int read_several(struct tz_roots *ret, const struct tz_config_list *paths,
                        struct tz_error *err)
{
    TZ_SCOPED(tz_roots_clear) struct tz_roots given = {0};

    for (size_t i = 0; i < paths->count; i++)
        if (add_full(&given, paths->items[i], err))
            return -1;
    qsort(given.items, given.count, sizeof(*given.items), compare_roots);
    if (check_apart(&given, err))
        return -1;
    for (size_t i = 0; i < given.count; i++) {
        struct tz_root *root = &given.items[i];
        if (add_above(ret, root->path, err))
            return -1;
        if (append(ret, TZ_TAKE(root->file), TZ_TAKE(root->path), false, err))
            return -1;
    }
    return 0;
}

/* One path: a directory is the root itself, anything else is alone under its own name. */
static int read_one(struct tz_roots *ret, const char *file, struct tz_error *err)
{
    if (append(ret, strdup(file), strdup(""), false, err) || look_at(&ret->items[0], err))
        return -1;
    if (ret->items[0].is_directory)
        return 0;
    char *name = strdup(tz_path_base(file));
    if (!name)
        return tz_fail_nomem(err);
    free(ret->items[0].path);
    ret->items[0].path = name;
    ret->items[0].name_len = strlen(name);
    return 0;
}

int tz_roots_read(struct tz_roots *ret, const struct tz_config_list *paths, struct tz_error *err)
{
    TZ_SCOPED(tz_roots_clear) struct tz_roots roots = {0};

    if (paths->count == 0)
        return tz_fail(err, TZ_INVALID, "no path is configured");
    int failed = paths->count == 1 ? read_one(&roots, paths->items[0], err)
                                   : read_several(&roots, paths, err);
    if (failed)
        return -1;
    for (size_t i = 0; i < roots.count; i++)
        if (look_at(&roots.items[i], err))
            return -1;
    *ret = roots;
    roots = (struct tz_roots){0};
    return 0;
}
