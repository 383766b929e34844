/*
 * A store in numbers.
 */
#include "database.h"

#include <string.h>

#include "tozai/util/banned.h"

static int64_t only_positive(int64_t value)
{
    return value > 0 ? value : 0;
}

/* The one row that a question about a store has. */
static int ask(struct tz_query *query, struct tz_catalog *catalog, const char *sql, int64_t store,
               bool *ret_row, struct tz_error *err)
{
    if (tz_query_open(query, catalog, sql, err))
        return -1;
    tz_query_int(query, 1, store);
    return tz_query_step(query, ret_row, err);
}

static int count_present(struct tz_catalog *catalog, int64_t store, struct tz_catalog_summary *ret,
                         struct tz_error *err)
{
    /* Every check reads the descriptor, and notes nothing of it. */
    static const char sql[] =
        "SELECT count(*) FILTER (WHERE c.state = 1),"
        " coalesce(sum(o.size) FILTER (WHERE c.state = 1), 0),"
        " count(*) FILTER (WHERE c.state = 3),"
        " coalesce(min(c.verified_ns) FILTER (WHERE c.state = 1 AND c.verified_ns > 0), 0),"
        " coalesce(max(c.verified_ns) FILTER (WHERE c.state = 1), 0),"
        " count(*) FILTER (WHERE c.state = 1 AND c.verified_ns = 0"
        "  AND o.name <> '" TZ_NAME_DESCRIPTOR "')"
        " FROM copies AS c JOIN objects AS o ON o.id = c.object WHERE c.store = ?1";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};
    bool row;

    if (ask(&query, catalog, sql, store, &row, err))
        return -1;
    if (!row)
        return 0;
    ret->objects = (uint64_t)tz_query_get_int(&query, 0);
    ret->bytes = (uint64_t)only_positive(tz_query_get_int(&query, 1));
    ret->damaged = (uint64_t)tz_query_get_int(&query, 2);
    ret->oldest_verified_ns = tz_query_get_int(&query, 3);
    ret->verified_ns = tz_query_get_int(&query, 4);
    ret->unverified = (uint64_t)tz_query_get_int(&query, 5);
    return 0;
}

/* Packs that are condemned and that no generation needs are no longer copied anywhere. */
static int count_behind(struct tz_catalog *catalog, int64_t store, struct tz_catalog_summary *ret,
                        struct tz_error *err)
{
    static const char sql[] =
        "SELECT count(*), coalesce(sum(o.size), 0) FROM objects AS o WHERE"
        " EXISTS (SELECT 1 FROM copies AS c WHERE c.object = o.id AND c.state = 1"
        "  AND c.store <> ?1)"
        " AND NOT EXISTS (SELECT 1 FROM copies AS c WHERE c.object = o.id AND c.state = 1"
        "  AND c.store = ?1)"
        " AND (NOT EXISTS (SELECT 1 FROM packs AS p WHERE p.id = o.id AND p.condemned = 1)"
        "  OR EXISTS (SELECT 1 FROM generation_packs AS g WHERE g.pack = o.id))";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};
    bool row;

    if (ask(&query, catalog, sql, store, &row, err))
        return -1;
    if (row) {
        ret->behind_objects = (uint64_t)tz_query_get_int(&query, 0);
        ret->behind_bytes = (uint64_t)only_positive(tz_query_get_int(&query, 1));
    }
    return 0;
}

static int count_locked(struct tz_catalog *catalog, int64_t store, int64_t now_ns,
                        struct tz_catalog_summary *ret, struct tz_error *err)
{
    static const char sql[] =
        "SELECT coalesce(sum(o.size), 0) FROM objects AS o"
        " JOIN copies AS c ON c.object = o.id AND c.store = ?1 AND c.state = 1 WHERE o.id IN"
        " (SELECT p.pack FROM generation_packs AS p JOIN generations AS g"
        "  ON g.number = p.generation WHERE g.locked_until_ns > ?2)";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};
    bool row;

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_int(&query, 1, store);
    tz_query_int(&query, 2, now_ns);
    if (tz_query_step(&query, &row, err))
        return -1;
    if (row)
        ret->locked_bytes = (uint64_t)only_positive(tz_query_get_int(&query, 0));
    return 0;
}

static int find_check(struct tz_catalog *catalog, int64_t store, struct tz_catalog_summary *ret,
                      struct tz_error *err)
{
    static const char sql[] = "SELECT time_ns, level, bad FROM checks WHERE store = ?1"
                              " ORDER BY id DESC LIMIT 1";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};
    TZ_SCOPED(tz_scoped_free) char *level = NULL;
    bool row;

    if (ask(&query, catalog, sql, store, &row, err))
        return -1;
    if (!row)
        return 0;
    ret->check_ns = tz_query_get_int(&query, 0);
    ret->check_bad = (uint64_t)tz_query_get_int(&query, 2);
    if (tz_query_get_text(&query, 1, &level, err))
        return -1;
    (void)snprintf(ret->check_level, sizeof(ret->check_level), "%.15s", level);
    return 0;
}

int tz_catalog_summarize(struct tz_catalog *catalog, int64_t store, int64_t now_ns,
                         struct tz_catalog_summary *ret, struct tz_error *err)
{
    struct tz_catalog_summary summary = {0};

    if (count_present(catalog, store, &summary, err) ||
        count_behind(catalog, store, &summary, err) ||
        count_locked(catalog, store, now_ns, &summary, err) ||
        find_check(catalog, store, &summary, err))
        return -1;
    *ret = summary;
    return 0;
}
