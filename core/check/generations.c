/*
 * Every sealed generation's manifest is read, and all that it names must be in packs that some
 * store has.
 */
#include "check.h"

#include "tozai/core/manifest.h"
#include "tozai/util/grow.h"
#include "tozai/util/hex.h"
#include "tozai/util/interrupt.h"
#include "tozai/util/time.h"

#include <string.h>

#include "tozai/util/banned.h"

#define DETAILS_MAX (64U << 20)

struct entry {
    uint8_t id[TZ_HASH_SIZE];
    int64_t verified_ns;
};

struct list {
    struct tz_repo *repo;
    struct entry *items;
    size_t count, cap;
};

/* Those that some store has with head and seal. */
static int add(void *arg, const struct tz_generation *generation, struct tz_error *err)
{
    struct list *list = arg;
    uint32_t heads = 0, seals = 0;

    if (!generation->seal_object)
        return 0;
    if (tz_check_copies(list->repo, generation->head_object, TZ_STATE_PRESENT, &heads, err) ||
        tz_check_copies(list->repo, generation->seal_object, TZ_STATE_PRESENT, &seals, err))
        return -1;
    if (!heads || !seals)
        return 0;
    if (tz_grow(&list->items, list->count, &list->cap, sizeof(*list->items), err))
        return -1;
    struct entry *entry = &list->items[list->count++];
    memcpy(entry->id, generation->id, TZ_HASH_SIZE);
    entry->verified_ns = generation->verified_ns;
    return 0;
}

static int compare(const void *a, const void *b)
{
    const struct entry *left = a, *right = b;

    return (left->verified_ns > right->verified_ns) - (left->verified_ns < right->verified_ns);
}

/* The chunk that was looked up last: extents of the same one come together. */
struct known {
    struct tz_catalog *catalog;
    uint8_t id[TZ_ID_SIZE];
    uint32_t len;
    bool valid;
};

static int look_up(struct known *known, const uint8_t id[TZ_ID_SIZE], struct tz_error *err)
{
    struct tz_chunk_place place;
    bool found = false;

    if (known->valid && memcmp(known->id, id, TZ_ID_SIZE) == 0)
        return 0;
    known->valid = false;
    if (tz_catalog_find_chunk(known->catalog, id, &place, &found, err))
        return -1;
    if (!found)
        return tz_fail(err, TZ_CORRUPT, "a chunk is in no pack that is known");
    if (place.lost)
        return tz_fail(err, TZ_CORRUPT, "a chunk is in a pack that no store has whole");
    memcpy(known->id, id, TZ_ID_SIZE);
    known->len = place.len;
    known->valid = true;
    return 0;
}

static int check_extent(struct known *known, const struct tz_extent *extent, struct tz_error *err)
{
    if (tz_extent_is_hole(extent))
        return 0;
    if (look_up(known, extent->id, err))
        return -1;
    if (extent->len > known->len || extent->offset > known->len - extent->len)
        return tz_fail(err, TZ_CORRUPT, "a piece reaches beyond its chunk");
    return 0;
}

/* Lists of lists are read from manifest chunks. */
static int check_long(struct tz_repo *repo, struct known *known, const struct tz_entry *entry,
                      struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_extent_walk) struct tz_extent_walk *walk = NULL;
    struct tz_extent extent;
    bool end = false;

    if (tz_extent_walk_new(&walk, repo, entry, err))
        return -1;
    for (;;) {
        if (tz_extent_walk_next(walk, &extent, &end, err))
            return -1;
        if (end)
            return 0;
        if (check_extent(known, &extent, err))
            return -1;
    }
}

static int check_entry(struct tz_repo *repo, struct known *known, const struct tz_entry *entry,
                       struct tz_error *err)
{
    uint64_t sum = 0;

    if (entry->level > 0)
        return check_long(repo, known, entry, err);
    for (uint32_t i = 0; i < entry->extent_count; i++) {
        if (check_extent(known, &entry->extents[i], err))
            return -1;
        sum += entry->extents[i].len;
    }
    if (entry->type == TZ_ENTRY_FILE && sum != entry->size)
        return tz_fail(err, TZ_CORRUPT, "its pieces do not make up its size");
    return 0;
}

static int check_manifest(struct tz_check *check, struct known *known, const struct tz_head *head,
                          struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_manifest_reader) struct tz_manifest_reader *reader = NULL;
    TZ_SCOPED(tz_scoped_entry) struct tz_entry entry = {0};
    uint64_t entries = 0;
    bool end = false;

    if (tz_manifest_reader_new(&reader, check->repo, head, "", 0, err))
        return -1;
    for (;; entries++) {
        if (tz_interrupt_check(err) || tz_manifest_next(reader, &entry, &end, err))
            return -1;
        if (end)
            break;
        if (check_entry(check->repo, known, &entry, err))
            return tz_while(err, "'%s'", entry.path_len ? entry.path : "/");
    }
    if (entries != head->entries)
        return tz_fail(err, TZ_CORRUPT, "the manifest has %llu entries, not %llu",
                       (unsigned long long)entries, (unsigned long long)head->entries);
    return 0;
}

/* Warnings with their paths. */
static int check_details(struct tz_check *check, const struct tz_head *head, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_chunk_reader) struct tz_chunk_reader *chunks = NULL;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf bytes = {0};

    if (head->details_count == 0)
        return 0;
    if (tz_chunk_reader_new(&chunks, check->repo, err))
        return -1;
    return tz_manifest_load(chunks, head->details, head->details_count, head->details_len,
                            DETAILS_MAX, &bytes, err);
}

static int read_generation(struct tz_check *check, const uint8_t id[TZ_HASH_SIZE],
                           struct tz_head *head, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf body = {0};
    struct known known = {.catalog = check->catalog};

    if (tz_catalog_get_head(check->catalog, id, &body, err) ||
        tz_head_read(head, body.data, body.len, err))
        return -1;
    memcpy(head->id, id, TZ_HASH_SIZE);
    if (check_manifest(check, &known, head, err))
        return -1;
    return check_details(check, head, err);
}

static int check_one(struct tz_check *check, const uint8_t id[TZ_HASH_SIZE], struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_head) struct tz_head head = {0};
    struct tz_error why = {0};
    char text[TZ_HASH_TEXT];

    if (!read_generation(check, id, &head, &why))
        return tz_catalog_set_verified_generation(check->catalog, id, tz_now(), err);
    if (why.kind == TZ_NOMEM || why.kind == TZ_INTERRUPTED || why.kind == TZ_BUSY)
        return tz_check_pass(err, &why);
    tz_hex(text, id, TZ_HASH_SIZE);
    return tz_check_fault(check, err, "generation %s of '%s': %s", text,
                          head.source ? head.source : "?", why.message);
}

int tz_check_generations(struct tz_check *check, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free) struct entry *items = NULL;
    struct list list = {.repo = check->repo};
    double percent = check->options->sample_percent;

    int failed = tz_catalog_each_generation(check->catalog, NULL, add, &list, err);
    items = list.items;
    if (failed)
        return -1;
    size_t count = list.count;
    if (percent > 0 && percent < 100 && count > 0) {
        qsort(items, count, sizeof(*items), compare);
        count = TZ_MIN(count, (size_t)((double)count * percent / 100) + 1);
    }
    for (size_t i = 0; i < count; i++)
        if (check_one(check, items[i].id, err))
            return -1;
    return 0;
}
