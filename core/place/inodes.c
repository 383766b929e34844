/*
 * Sets of inodes.
 */
#include "place.h"

#include <stdlib.h>

static struct tz_inode *find(const struct tz_inode_set *set, const struct tz_inode *inode)
{
    size_t i = (size_t)(inode->ino * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (set->cap - 1);

    while (set->slots[i].ino != 0 &&
           !(set->slots[i].ino == inode->ino && set->slots[i].dev == inode->dev))
        i = (i + 1) & (set->cap - 1);
    return &set->slots[i];
}

static bool grow(struct tz_inode_set *set)
{
    struct tz_inode_set more = {.count = set->count, .cap = set->cap ? set->cap * 2 : 64};

    if ((set->count + 1) * 4 <= set->cap * 3)
        return true;
    more.slots = calloc(more.cap, sizeof(*more.slots));
    if (!more.slots)
        return false;
    for (size_t i = 0; i < set->cap; i++)
        if (set->slots[i].ino != 0)
            *find(&more, &set->slots[i]) = set->slots[i];
    free(set->slots);
    *set = more;
    return true;
}

bool tz_inode_set_add(struct tz_inode_set *set, const struct stat *st, bool *ret_new)
{
    const struct tz_inode inode = {.dev = st->st_dev, .ino = st->st_ino};

    if (!grow(set))
        return false;
    struct tz_inode *slot = find(set, &inode);
    *ret_new = slot->ino == 0;
    set->count += *ret_new;
    *slot = inode;
    return true;
}

bool tz_inode_set_has(const struct tz_inode_set *set, const struct stat *st)
{
    const struct tz_inode inode = {.dev = st->st_dev, .ino = st->st_ino};

    return set->cap > 0 && find(set, &inode)->ino != 0;
}
