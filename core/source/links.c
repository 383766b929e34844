#include "links.h"

#include <stdlib.h>
#include <string.h>

#include "tozai/util/banned.h"

struct tz_link_directory {
    size_t references;
    size_t len; /* with the slash behind it, unless it is the root */
    char path[];
};

struct first_name {
    struct tz_link_directory *directory;
    size_t len;
    char name[];
};

/* first NULL: free. */
struct slot {
    uint64_t dev, ino;
    struct first_name *first;
    uint32_t names_left;
};

/* Open addressing, linear probing, at most three quarters full. */
struct tz_links {
    struct slot *slots;
    size_t cap, count; /* cap is a power of two */
};

#define FIRST_CAP 256

int tz_links_new(struct tz_links **ret, struct tz_error *err)
{
    struct tz_links *links = calloc(1, sizeof(*links));
    if (!links)
        return tz_fail_nomem(err);
    *ret = links;
    return 0;
}

void tz_link_directory_release(struct tz_link_directory *directory)
{
    if (directory && --directory->references == 0)
        free(directory);
}

static void free_first(struct first_name *first)
{
    tz_link_directory_release(first->directory);
    free(first);
}

void tz_links_free(struct tz_links *links)
{
    if (!links)
        return;
    for (size_t i = 0; i < links->cap; i++)
        if (links->slots[i].first)
            free_first(links->slots[i].first);
    free(links->slots);
    free(links);
}

size_t tz_links_count(const struct tz_links *links)
{
    return links->count;
}

static size_t home_of(const struct tz_links *links, uint64_t dev, uint64_t ino)
{
    uint64_t x = ino * UINT64_C(0x9e3779b97f4a7c15) ^ dev * UINT64_C(0xc2b2ae3d27d4eb4f);
    x ^= x >> 29;
    x *= UINT64_C(0xbf58476d1ce4e5b9);
    return (size_t)(x >> 32) & (links->cap - 1);
}

/* The slot that holds the file, or the free one where it belongs. */
static struct slot *find(const struct tz_links *links, uint64_t dev, uint64_t ino)
{
    size_t i = home_of(links, dev, ino);

    for (;; i = (i + 1) & (links->cap - 1)) {
        struct slot *slot = &links->slots[i];
        if (!slot->first || (slot->dev == dev && slot->ino == ino))
            return slot;
    }
}

static int grow(struct tz_links *links, struct tz_error *err)
{
    struct tz_links larger = {.cap = links->cap ? links->cap * 2 : FIRST_CAP,
                              .count = links->count};

    larger.slots = calloc(larger.cap, sizeof(*larger.slots));
    if (!larger.slots)
        return tz_fail_nomem(err);
    for (size_t i = 0; i < links->cap; i++) {
        const struct slot *old = &links->slots[i];
        if (old->first)
            *find(&larger, old->dev, old->ino) = *old;
    }
    free(links->slots);
    *links = larger;
    return 0;
}

/* Free the slot and move up what had to make way for it. */
static void drop(struct tz_links *links, struct slot *slot)
{
    size_t mask = links->cap - 1;
    size_t hole = (size_t)(slot - links->slots);

    free_first(slot->first);
    for (size_t i = (hole + 1) & mask; links->slots[i].first; i = (i + 1) & mask) {
        size_t home = home_of(links, links->slots[i].dev, links->slots[i].ino);
        if (((i - home) & mask) < ((i - hole) & mask))
            continue; /* it would come to lie before its home */
        links->slots[hole] = links->slots[i];
        hole = i;
    }
    links->slots[hole].first = NULL;
    links->count--;
}

static int get_directory(struct tz_link_directory **directory, const char *path, size_t len,
                         struct tz_error *err)
{
    if (*directory)
        return 0;
    struct tz_link_directory *made = malloc(sizeof(*made) + len + 1);
    if (!made)
        return tz_fail_nomem(err);
    made->references = 1; /* the caller's */
    made->len = len;
    memcpy(made->path, path, len);
    *directory = made;
    return 0;
}

static int add(struct tz_links *links, const struct slot *file, const char *path, size_t path_len,
               size_t name_len, struct tz_link_directory **directory, struct tz_error *err)
{
    if ((links->count + 1) * 4 > links->cap * 3 && grow(links, err))
        return -1;
    if (get_directory(directory, path, path_len - name_len, err))
        return -1;
    struct first_name *first = malloc(sizeof(*first) + name_len + 1);
    if (!first)
        return tz_fail_nomem(err);

    first->directory = *directory;
    first->directory->references++;
    first->len = name_len;
    memcpy(first->name, path + path_len - name_len, name_len);

    struct slot *slot = find(links, file->dev, file->ino);
    *slot = *file;
    slot->first = first;
    links->count++;
    return 0;
}

static char *first_path(const struct first_name *first, size_t *ret_len)
{
    size_t directory_len = first->directory->len;
    char *path = malloc(directory_len + first->len + 1);
    if (!path)
        return NULL;
    memcpy(path, first->directory->path, directory_len);
    memcpy(path + directory_len, first->name, first->len);
    path[directory_len + first->len] = '\0';
    *ret_len = directory_len + first->len;
    return path;
}

int tz_links_meet(struct tz_links *links, uint64_t dev, uint64_t ino, uint32_t names,
                  const char *path, size_t path_len, size_t name_len,
                  struct tz_link_directory **directory, char **ret_first, size_t *ret_len,
                  struct tz_error *err)
{
    struct slot *slot = links->cap ? find(links, dev, ino) : NULL;

    if (!slot || !slot->first) {
        struct slot file = {.dev = dev, .ino = ino, .names_left = names - 1};
        *ret_first = NULL;
        return add(links, &file, path, path_len, name_len, directory, err);
    }
    char *first = first_path(slot->first, ret_len);
    if (!first)
        return tz_fail_nomem(err);
    if (--slot->names_left == 0)
        drop(links, slot);
    *ret_first = first;
    return 0;
}

void tz_links_forget(struct tz_links *links, uint64_t dev, uint64_t ino)
{
    struct slot *slot = links->cap ? find(links, dev, ino) : NULL;

    if (slot && slot->first)
        drop(links, slot);
}
