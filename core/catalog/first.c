/*
 * What a restore of everything reads first.
 */
#include "database.h"

#include <string.h>

#include "tozai/util/banned.h"

/* For one with more, what this saves is nothing. */
#define MOST_PACKS 4096

/* Are most of the bytes in the packs of the generation its own? */
static int is_most(struct tz_catalog *catalog, const uint8_t id[TZ_HASH_SIZE], bool *ret,
                   struct tz_error *err)
{
    static const char sql[] =
        "SELECT g.bytes, (SELECT sum(f.plain_len) FROM generation_packs u"
        "  JOIN packs p ON p.id = u.pack AND p.kind = ?2 JOIN frames f ON f.pack = p.id"
        "  WHERE u.generation = g.number)"
        " FROM generations g WHERE g.id = ?1 AND g.packs <= ?3";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_blob(&query, 1, id, TZ_HASH_SIZE);
    tz_query_int(&query, 2, TZ_PACK_DATA);
    tz_query_int(&query, 3, MOST_PACKS);
    if (tz_query_step(&query, ret, err))
        return -1;
    if (*ret)
        *ret = tz_query_get_int(&query, 0) / 3 >= tz_query_get_int(&query, 1) / 4;
    return 0;
}

/* Put the frame where it belongs; false: there is no room. */
static bool add_frame(struct tz_catalog_run *runs, size_t most, size_t *count,
                      const uint8_t pack[TZ_HASH_SIZE], uint64_t offset, size_t len)
{
    struct tz_catalog_run *last = *count > 0 ? &runs[*count - 1] : NULL;

    if (last && memcmp(last->pack, pack, TZ_HASH_SIZE) == 0 && last->offset + last->len == offset &&
        last->frames < TZ_RUN_FRAMES && last->len + len <= TZ_RUN_BYTES) {
        last->frames++;
        last->len += len;
        return true;
    }
    if (*count == most)
        return false;
    runs[*count] = (struct tz_catalog_run){.offset = offset, .len = len, .frames = 1};
    memcpy(runs[(*count)++].pack, pack, TZ_HASH_SIZE);
    return true;
}

int tz_catalog_first_runs(struct tz_catalog *catalog, const uint8_t id[TZ_HASH_SIZE],
                          struct tz_catalog_run *ret, size_t most, size_t *ret_count,
                          struct tz_error *err)
{
    static const char sql[] =
        "SELECT p.hash, f.offset, f.sealed_len FROM generation_packs u"
        " JOIN packs p ON p.id = u.pack AND p.kind = ?2 AND p.condemned = 0 AND p.lost = 0"
        " JOIN frames f ON f.pack = p.id"
        " WHERE u.generation = (SELECT number FROM generations WHERE id = ?1)"
        " ORDER BY u.pack, f.no";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};
    bool row = false;

    *ret_count = 0;
    if (is_most(catalog, id, &row, err))
        return -1;
    if (!row)
        return 0;
    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_blob(&query, 1, id, TZ_HASH_SIZE);
    tz_query_int(&query, 2, TZ_PACK_DATA);
    for (;;) {
        uint8_t pack[TZ_HASH_SIZE];
        if (tz_query_step(&query, &row, err) ||
            (row && tz_query_get_blob(&query, 0, pack, TZ_HASH_SIZE, err)))
            return -1;
        if (!row || !add_frame(ret, most, ret_count, pack, (uint64_t)tz_query_get_int(&query, 1),
                               (size_t)tz_query_get_int(&query, 2)))
            return 0;
    }
}
