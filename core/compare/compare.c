#include "tozai/core/compare.h"

#include "content.h"

#include "tozai/core/manifest.h"
#include "tozai/util/interrupt.h"

#include <string.h>

#include "tozai/util/banned.h"

static const struct {
    const char *name;
    char letter;
} names[TZ_DIFFERS_COUNT] = {
    {"type", 'T'},  {"content", 'c'}, {"mode", 'm'},  {"owner", 'o'},
    {"mtime", 't'}, {"xattrs", 'x'},  {"flags", 'f'},
};

const char *tz_difference_name(unsigned index)
{
    return names[index].name;
}

char tz_difference_letter(unsigned index)
{
    return names[index].letter;
}

static bool is_same_link(const struct tz_entry *a, const struct tz_entry *b)
{
    return a->link_len == b->link_len &&
           (a->link_len == 0 || memcmp(a->link, b->link, a->link_len) == 0);
}

static bool is_same_extents(const struct tz_entry *a, const struct tz_entry *b)
{
    if (a->level != b->level || a->extent_count != b->extent_count)
        return false;
    for (uint32_t i = 0; i < a->extent_count; i++) {
        if (memcmp(a->extents[i].id, b->extents[i].id, TZ_ID_SIZE) != 0 ||
            a->extents[i].offset != b->extents[i].offset || a->extents[i].len != b->extents[i].len)
            return false;
    }
    return true;
}

static bool is_same_xattrs(const struct tz_entry *a, const struct tz_entry *b)
{
    if (a->xattr_count != b->xattr_count)
        return false;
    for (uint32_t i = 0; i < a->xattr_count; i++) {
        const struct tz_xattr *x = &a->xattrs[i], *y = &b->xattrs[i];
        if (strcmp(x->name, y->name) != 0 || x->value_len != y->value_len ||
            (x->value_len > 0 && memcmp(x->value, y->value, x->value_len) != 0))
            return false;
    }
    return true;
}

static int differs_in_content(struct tz_repo *repo, const struct tz_entry *a,
                              const struct tz_entry *b, bool *ret, struct tz_error *err)
{
    bool same = a->size == b->size && a->device == b->device && is_same_link(a, b);

    /* Other chunks may hold the same bytes: small files share them with their neighbours. */
    if (same && a->type == TZ_ENTRY_FILE && !is_same_extents(a, b) &&
        tz_same_content(repo, a, b, &same, err))
        return tz_while(err, "compare '%s'", a->path);
    *ret = !same;
    return 0;
}

int tz_compare_entries(struct tz_repo *repo, const struct tz_entry *before,
                       const struct tz_entry *after, unsigned *ret, struct tz_error *err)
{
    bool content = false;

    if (before->type != after->type) {
        *ret = TZ_DIFFERS_TYPE;
        return 0;
    }
    if (differs_in_content(repo, before, after, &content, err))
        return -1;
    *ret = content ? TZ_DIFFERS_CONTENT : 0;
    if (before->mode != after->mode)
        *ret |= TZ_DIFFERS_MODE;
    if (before->uid != after->uid || before->gid != after->gid)
        *ret |= TZ_DIFFERS_OWNER;
    if (before->mtime_s != after->mtime_s || before->mtime_ns != after->mtime_ns)
        *ret |= TZ_DIFFERS_MTIME;
    if (!is_same_xattrs(before, after))
        *ret |= TZ_DIFFERS_XATTRS;
    if (before->inode_flags != after->inode_flags)
        *ret |= TZ_DIFFERS_FLAGS;
    return 0;
}

/* A generation while it is merged with another one. */
struct side {
    struct tz_manifest_reader *reader;
    struct tz_entry entry;
    bool done;
};

static void clear_side(struct side *side)
{
    tz_manifest_reader_free(side->reader);
    tz_entry_clear(&side->entry);
}

static int next(struct side *side, struct tz_error *err)
{
    return tz_manifest_next(side->reader, &side->entry, &side->done, err);
}

struct merge {
    struct tz_repo *repo;
    struct side before, after;
    unsigned mask;
    tz_change_fn *found;
    void *arg;
};

static int tell(const struct merge *merge, enum tz_change change, const struct tz_entry *entry,
                unsigned differences, struct tz_error *err)
{
    return merge->mask & change ? merge->found(merge->arg, change, entry, differences, err) : 0;
}

static int tell_both(const struct merge *merge, struct tz_error *err)
{
    unsigned differences = 0;

    if (!(merge->mask & TZ_CHANGED))
        return 0;
    if (tz_compare_entries(merge->repo, &merge->before.entry, &merge->after.entry, &differences,
                           err))
        return -1;
    return differences ? tell(merge, TZ_CHANGED, &merge->after.entry, differences, err) : 0;
}

/* Which of the two comes first; both when their paths are the same. */
static int order_of(const struct merge *merge)
{
    const struct tz_entry *a = &merge->before.entry, *b = &merge->after.entry;

    if (merge->before.done || merge->after.done)
        return merge->after.done ? -1 : 1;
    return tz_path_compare(a->path, a->path_len, b->path, b->path_len);
}

static int step(struct merge *merge, struct tz_error *err)
{
    int order = order_of(merge);
    int failed = order < 0   ? tell(merge, TZ_REMOVED, &merge->before.entry, 0, err)
                 : order > 0 ? tell(merge, TZ_ADDED, &merge->after.entry, 0, err)
                             : tell_both(merge, err);

    if (failed || (order <= 0 && next(&merge->before, err)) ||
        (order >= 0 && next(&merge->after, err)))
        return -1;
    return tz_interrupt_check(err);
}

static int run_merge(struct merge *merge, struct tz_error *err)
{
    if (next(&merge->before, err) || next(&merge->after, err))
        return -1;
    while (!merge->before.done || !merge->after.done) {
        if (step(merge, err))
            return -1;
    }
    return 0;
}

int tz_compare_generations(struct tz_repo *repo, const struct tz_head *before,
                           const struct tz_head *after, unsigned mask, tz_change_fn *found,
                           void *arg, struct tz_error *err)
{
    struct merge merge = {.repo = repo, .mask = mask, .found = found, .arg = arg};
    int failed = -1;

    if (tz_manifest_reader_new(&merge.before.reader, repo, before, "", 0, err) == 0 &&
        tz_manifest_reader_new(&merge.after.reader, repo, after, "", 0, err) == 0)
        failed = run_merge(&merge, err);
    clear_side(&merge.before);
    clear_side(&merge.after);
    return failed;
}
