#include "writer.h"

/* Some 4 MiB of the smallest files, so at least one frame. */
#define ENTRIES 1024U

struct upcoming {
    struct tz_manifest_reader *reader;
    struct tz_chunk_reader *chunks;   /* NULL: nothing is asked for */
    struct tz_entry entries[ENTRIES]; /* a ring, which begins with the one that was given last */
    unsigned first, count;
    /* What is to be asked for next: an entry, counted from the first, and an extent of it. */
    unsigned at;
    uint32_t extent;
    bool given; /* the first one */
    bool ended; /* by what: */
    int failed;
    struct tz_error why;
};

int tz_upcoming_new(struct upcoming **ret, struct tz_manifest_reader *reader,
                    struct tz_chunk_reader *chunks, struct tz_error *err)
{
    struct upcoming *upcoming = calloc(1, sizeof(*upcoming));

    if (!upcoming)
        return tz_fail_nomem(err);
    upcoming->reader = reader;
    if (chunks && tz_chunk_reader_is_far(chunks))
        upcoming->chunks = chunks;
    *ret = upcoming;
    return 0;
}

void tz_upcoming_free(struct upcoming *upcoming)
{
    if (!upcoming)
        return;
    for (unsigned i = 0; i < ENTRIES; i++)
        tz_entry_clear(&upcoming->entries[i]);
    free(upcoming);
}

static struct tz_entry *entry_at(struct upcoming *upcoming, unsigned i)
{
    return &upcoming->entries[(upcoming->first + i) % ENTRIES];
}

/* False: there is no room for all of it, or it is a long list, of which more is known when its
 * content is walked. */
static bool ask_for(struct upcoming *upcoming, const struct tz_entry *entry)
{
    if (entry->level > 0)
        return false;
    for (; upcoming->extent < entry->extent_count; upcoming->extent++) {
        const struct tz_extent *extent = &entry->extents[upcoming->extent];
        if (!tz_extent_is_hole(extent) && !tz_chunk_expect(upcoming->chunks, extent->id))
            return false;
    }
    return true;
}

static bool ask(struct upcoming *upcoming)
{
    for (; upcoming->at < upcoming->count; upcoming->at++) {
        if (!ask_for(upcoming, entry_at(upcoming, upcoming->at)))
            return false;
        upcoming->extent = 0;
    }
    return true;
}

static void read_one(struct upcoming *upcoming)
{
    upcoming->failed = tz_manifest_next(upcoming->reader, entry_at(upcoming, upcoming->count),
                                        &upcoming->ended, &upcoming->why);
    upcoming->ended = upcoming->ended || upcoming->failed;
    upcoming->count += !upcoming->ended;
}

void tz_upcoming_ask(struct upcoming *upcoming)
{
    while (upcoming->chunks && ask(upcoming) && !upcoming->ended && upcoming->count < ENTRIES)
        read_one(upcoming);
}

static void drop_first(struct upcoming *upcoming)
{
    upcoming->first = (upcoming->first + 1) % ENTRIES;
    upcoming->count--;
    if (upcoming->at > 0)
        upcoming->at--;
    else
        upcoming->extent = 0;
}

int tz_upcoming_next(struct upcoming *upcoming, struct tz_entry **ret, struct tz_error *err)
{
    if (upcoming->given)
        drop_first(upcoming);
    if (upcoming->count == 0 && !upcoming->ended)
        read_one(upcoming);
    tz_upcoming_ask(upcoming);
    upcoming->given = upcoming->count > 0;
    *ret = upcoming->given ? entry_at(upcoming, 0) : NULL;
    if (upcoming->given || !upcoming->failed)
        return 0;
    if (err)
        *err = upcoming->why;
    return -1;
}
