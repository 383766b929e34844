/*
 * Hard links whose first name is not restored with them: the first of them gets the content, and
 * the others become its links.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "engine.h"

#include <search.h>
#include <string.h>

/* What stands in for a first name that is not restored. */
struct adopted {
    char *first; /* name in the manifest */
    size_t first_len;
    char *path; /* name that has the content instead */
    size_t path_len;
};

static void free_adopted(void *item)
{
    struct adopted *adopted = item;

    free(adopted->first);
    free(adopted->path);
    free(adopted);
}

static int compare(const void *a, const void *b)
{
    const struct adopted *x = a, *y = b;
    return tz_path_compare(x->first, x->first_len, y->first, y->first_len);
}

void tz_restore_forget_adopted(struct restore *restore)
{
    tdestroy(restore->adopted, free_adopted);
    restore->adopted = NULL;
}

bool tz_restore_is_wanted(const struct restore *restore, const char *path, size_t path_len)
{
    const struct tz_restore_options *options = restore->options;

    for (size_t i = 0; i < options->path_count; i++)
        if (tz_path_within(path, path_len, options->paths[i], strlen(options->paths[i])))
            return true;
    return options->path_count == 0;
}

static int remember(struct restore *restore, const struct tz_entry *link, struct tz_error *err)
{
    struct adopted *adopted = calloc(1, sizeof(*adopted));

    if (!adopted)
        return tz_fail_nomem(err);
    adopted->first = strndup(link->link, link->link_len);
    adopted->path = strndup(link->path, link->path_len);
    adopted->first_len = link->link_len;
    adopted->path_len = link->path_len;
    if (!adopted->first || !adopted->path || !tsearch(adopted, &restore->adopted, compare)) {
        free_adopted(adopted);
        return tz_fail_nomem(err);
    }
    return 0;
}

/* The manifest's entry of a link's first name, under the link's path. */
static int read_first(struct restore *restore, const struct tz_entry *link, struct tz_entry *ret,
                      struct tz_error *err)
{
    const struct tz_entry *first = NULL;

    if (!restore->finder &&
        tz_entry_finder_new(&restore->finder, restore->repo, restore->options->head, err))
        return -1;
    return tz_entry_find_first(restore->finder, link, &first, err) ||
                   tz_entry_copy(ret, first, err) ||
                   tz_entry_set_path(ret, link->path, link->path_len, err)
               ? -1
               : 0;
}

int tz_restore_adopt(struct restore *restore, struct tz_entry *link, struct tz_error *err)
{
    const struct adopted key = {.first = link->link, .first_len = link->link_len};
    const struct adopted *const *found = tfind(&key, &restore->adopted, compare);

    if (found) {
        char *path = strndup((*found)->path, (*found)->path_len);
        if (!path)
            return tz_fail_nomem(err);
        free(link->link);
        link->link = path;
        link->link_len = (*found)->path_len;
        return 0;
    }
    TZ_SCOPED(tz_scoped_entry) struct tz_entry first = {0};
    if (read_first(restore, link, &first, err) || remember(restore, link, err))
        return -1;
    tz_entry_clear(link);
    *link = first;
    first = (struct tz_entry){0};
    return 0;
}
