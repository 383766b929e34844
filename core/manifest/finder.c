/*
 * Looking entries up by path: a reader that goes on from where it is, and what it found lately.
 */
#include "tozai/core/manifest.h"

#include <string.h>

#define SLOTS 1024U
/* Larger entries, with many extents or attributes, are looked up each time. */
#define SLOT_SIZE ((size_t)4096)

/* Of sizes; a power of two.  A path has two places. */
#define SIZES ((size_t)1 << 20)

struct known_size {
    uint64_t hash; /* of the path; 0: free */
    uint64_t size;
};

struct tz_entry_finder {
    struct tz_manifest_reader *reader;
    struct tz_entry present; /* that the reader gave last */
    bool has_present;
    struct tz_entry slots[SLOTS]; /* by a hash of the path; without a path: free */
    struct known_size *sizes;     /* NULL: nobody asks for them */
};

int tz_entry_finder_new(struct tz_entry_finder **ret, struct tz_repo *repo,
                        const struct tz_head *head, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_entry_finder) struct tz_entry_finder *finder = calloc(1, sizeof(*finder));

    if (!finder)
        return tz_fail_nomem(err);
    if (tz_manifest_reader_new(&finder->reader, repo, head, "", 0, err))
        return -1;
    *ret = TZ_TAKE(finder);
    return 0;
}

void tz_entry_finder_free(struct tz_entry_finder *finder)
{
    if (!finder)
        return;
    for (size_t i = 0; i < SLOTS; i++)
        tz_entry_clear(&finder->slots[i]);
    tz_entry_clear(&finder->present);
    free(finder->sizes);
    tz_manifest_reader_free(finder->reader);
    free(finder);
}

/* FNV-1a, never 0. */
static uint64_t hash_of(const char *path, size_t len)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (uint8_t)path[i]) * UINT64_C(0x100000001b3);
    return hash ? hash : 1;
}

/* The two places of a hash. */
static struct known_size *sizes_of(const struct tz_entry_finder *finder, uint64_t hash)
{
    return &finder->sizes[hash & (SIZES - 1) & ~(uint64_t)1];
}

static void note_size(struct tz_entry_finder *finder, const struct tz_entry *entry)
{
    if (!finder->sizes || entry->type != TZ_ENTRY_FILE)
        return;
    const struct known_size fresh = {hash_of(entry->path, entry->path_len), entry->size};
    struct known_size *two = sizes_of(finder, fresh.hash);
    if (two[0].hash == fresh.hash || two[1].hash == fresh.hash)
        return;
    two[1] = two[0];
    two[0] = fresh;
}

static int compare(const struct tz_entry *entry, const char *path, size_t len)
{
    return tz_path_compare(entry->path, entry->path_len, path, len);
}

/* Go on until the present entry is the one, or one behind it, or there is none. */
static int advance(struct tz_entry_finder *finder, const char *path, size_t len,
                   struct tz_error *err)
{
    bool moved = false;

    if (finder->has_present && compare(&finder->present, path, len) == 0)
        return 0;
    tz_manifest_seek(finder->reader, path, len, &moved);
    finder->has_present = finder->has_present && !moved;
    while (!finder->has_present || compare(&finder->present, path, len) < 0) {
        bool done = false;
        finder->has_present = false;
        if (tz_manifest_next(finder->reader, &finder->present, &done, err))
            return -1;
        if (done)
            return 0;
        finder->has_present = true;
        note_size(finder, &finder->present);
    }
    return 0;
}

int tz_entry_find(struct tz_entry_finder *finder, const char *path, size_t path_len,
                  const struct tz_entry **ret, struct tz_error *err)
{
    struct tz_entry *slot = &finder->slots[hash_of(path, path_len) % SLOTS];

    *ret = NULL;
    if (slot->path && compare(slot, path, path_len) == 0) {
        *ret = slot;
        return 0;
    }
    if (advance(finder, path, path_len, err))
        return -1;
    if (!finder->has_present || compare(&finder->present, path, path_len) != 0)
        return 0;
    *ret = &finder->present;
    if (tz_entry_size_max(&finder->present) > SLOT_SIZE)
        return 0;
    tz_entry_clear(slot);
    return tz_entry_copy(slot, &finder->present, err);
}

int tz_entry_find_first(struct tz_entry_finder *finder, const struct tz_entry *link,
                        const struct tz_entry **ret, struct tz_error *err)
{
    const struct tz_entry *first = NULL;

    if (tz_entry_find(finder, link->link, link->link_len, &first, err))
        return -1;
    if (!first || first->type == TZ_ENTRY_HARDLINK || first->type == TZ_ENTRY_DIRECTORY)
        return tz_fail(err, TZ_CORRUPT, "the other name of this file, '%s', is not in the manifest",
                       link->link);
    *ret = first;
    return 0;
}

int tz_entry_find_size(struct tz_entry_finder *finder, const struct tz_entry *link, uint64_t *ret,
                       struct tz_error *err)
{
    const struct tz_entry *first = NULL;
    uint64_t hash = hash_of(link->link, link->link_len);

    if (!finder->sizes) {
        finder->sizes = calloc(SIZES, sizeof(*finder->sizes));
        if (!finder->sizes)
            return tz_fail_nomem(err);
    }
    const struct known_size *two = sizes_of(finder, hash);
    if (two[0].hash == hash || two[1].hash == hash) {
        *ret = two[two[0].hash != hash].size;
        return 0;
    }
    if (tz_entry_find_first(finder, link, &first, err))
        return -1;
    *ret = first->size;
    return 0;
}
