/*
 * The content of a file on its way into an archive.
 */
#include "writer.h"

#include "tozai/util/interrupt.h"

#include <string.h>

#include "tozai/util/banned.h"

#define ZEROS_SIZE ((size_t)256 << 10)
/* A shorter hole is written as zeros: its place in the map is hardly smaller. */
#define HOLE_MIN 4096U
/* The map is kept in memory.  Where it has more pieces, only larger holes are left out. */
#define PIECES_MAX 65536U

/* A walk along the data between holes of some size. */
struct map {
    uint64_t hole_min;
    uint64_t at;    /* end of what was walked */
    uint64_t begin; /* of the data that at ends */
    uint64_t hole;  /* length of the hole that at ends; then begin is not known yet */
    uint64_t pieces;
    struct archive_entry *out; /* NULL: only count them */
};

static void end_piece(struct map *map, uint64_t end)
{
    if (map->begin == end)
        return;
    map->pieces++;
    if (map->out)
        archive_entry_sparse_add_entry(map->out, (la_int64_t)map->begin,
                                       (la_int64_t)(end - map->begin));
}

static void end_hole(struct map *map)
{
    if (map->hole >= map->hole_min) {
        end_piece(map, map->at - map->hole);
        map->begin = map->at;
    }
    map->hole = 0;
}

static int walk_map(struct export *export, const struct tz_entry *entry, struct map *map,
                    struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_extent_walk) struct tz_extent_walk *walk = NULL;
    struct tz_extent extent;
    bool done = false;

    if (tz_extent_walk_new(&walk, export->options->repo, entry, err))
        return -1;
    for (;;) {
        if (tz_extent_walk_next(walk, &extent, &done, err))
            return -1;
        if (done)
            break;
        if (!tz_extent_is_hole(&extent))
            end_hole(map);
        map->at += extent.len;
        map->hole += tz_extent_is_hole(&extent) ? extent.len : 0;
    }
    end_hole(map);
    end_piece(map, map->at);
    return 0;
}

/* Is there any hole at all?  A list of a higher level may have some. */
static bool may_have_holes(const struct tz_entry *entry)
{
    for (uint32_t i = 0; i < entry->extent_count; i++) {
        if (tz_extent_is_hole(&entry->extents[i]))
            return true;
    }
    return entry->level > 0;
}

int tz_export_holes(struct export *export, const struct tz_entry *entry, struct archive_entry *out,
                    struct tz_error *err)
{
    uint64_t hole_min = HOLE_MIN;

    if (entry->size < HOLE_MIN || !may_have_holes(entry))
        return 0;
    for (;; hole_min *= 4) {
        struct map map = {.hole_min = hole_min};
        if (walk_map(export, entry, &map, err))
            return -1;
        if (map.pieces == 1 && map.begin == 0)
            return 0; /* no hole that counts */
        if (map.pieces <= PIECES_MAX)
            break;
    }
    if (!(export->form->holds & HOLDS_HOLES)) {
        tz_losses_add(&export->losses, LOSS_HOLES, entry);
        return 0;
    }
    struct map map = {.hole_min = hole_min, .out = out};
    if (walk_map(export, entry, &map, err))
        return -1;
    if (map.pieces == 0) /* nothing but a hole */
        archive_entry_sparse_add_entry(out, (la_int64_t)entry->size, 0);
    return 0;
}

static int write_data(struct export *export, const void *data, size_t len, struct tz_error *err)
{
    la_ssize_t written = archive_write_data(export->archive, data, len);

    if (written >= 0 && (size_t)written == len) {
        export->result->bytes += len;
        tz_export_report(export, false);
        return tz_interrupt_check(err);
    }
    if (written >= 0)
        return tz_fail(err, TZ_FAILED, "the archive takes only a part of the content");
    return tz_export_fail(export, err);
}

/* Holes are given as zeros, even where the format then leaves them out. */
static int write_hole(struct export *export, uint64_t len, struct tz_error *err)
{
    static const uint8_t zeros[ZEROS_SIZE];

    while (len > 0) {
        size_t part = (size_t)TZ_MIN(len, (uint64_t)sizeof(zeros));
        if (write_data(export, zeros, part, err))
            return -1;
        len -= part;
    }
    return 0;
}

static int get_chunk(struct export *export, const uint8_t id[TZ_ID_SIZE], struct tz_error *err)
{
    const uint8_t *data = NULL;
    uint32_t len = 0;

    if (export->chunk && memcmp(export->chunk_id, id, TZ_ID_SIZE) == 0)
        return 0;
    export->chunk = NULL;
    tz_upcoming_ask(export->upcoming);
    if (tz_chunk_read(export->chunks, id, &data, &len, err))
        return -1;
    memcpy(export->chunk_id, id, TZ_ID_SIZE);
    export->chunk = data;
    export->chunk_len = len;
    return 0;
}

static int write_extent(struct export *export, const struct tz_extent *extent, struct tz_error *err)
{
    if (tz_extent_is_hole(extent))
        return write_hole(export, extent->len, err);
    if (get_chunk(export, extent->id, err))
        return -1;
    if ((uint64_t)extent->offset + extent->len > export->chunk_len)
        return tz_fail(err, TZ_CORRUPT, "the manifest asks for more than a chunk has");
    return write_data(export, export->chunk + extent->offset, (size_t)extent->len, err);
}

int tz_export_content(struct export *export, const struct tz_entry *entry, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_extent_walk) struct tz_extent_walk *walk = NULL;
    struct tz_extent extent;
    bool done = false;

    if (entry->size == 0)
        return 0;
    if (tz_extent_walk_new(&walk, export->options->repo, entry, err))
        return -1;
    if (entry->level > 0)
        tz_extent_walk_expect(walk, export->chunks);
    for (;;) {
        if (tz_extent_walk_next(walk, &extent, &done, err))
            return -1;
        if (done)
            return 0;
        if (write_extent(export, &extent, err))
            return -1;
    }
}
