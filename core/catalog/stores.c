#include "database.h"

#include "tozai/util/banned.h"

int tz_catalog_knows_store(struct tz_catalog *catalog, const char *name, bool *ret,
                           struct tz_error *err)
{
    static const char sql[] = "SELECT 1 FROM stores WHERE name = ?1";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_text(&query, 1, name);
    return tz_query_step(&query, ret, err);
}

static int run_with(struct tz_catalog *catalog, const char *sql, const char *name,
                    struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    if (name)
        tz_query_text(&query, 1, name);
    return tz_query_run(&query, err);
}

int tz_catalog_forget_store(struct tz_catalog *catalog, const char *name, struct tz_error *err)
{
#define THE_STORE "(SELECT id FROM stores WHERE name = ?1)"
    static const char copies[] = "DELETE FROM copies WHERE store = " THE_STORE;
    static const char checks[] = "DELETE FROM checks WHERE store = " THE_STORE;
    static const char store[] = "DELETE FROM stores WHERE name = ?1";
    /* As tz_catalog_note_lost() has it for one. */
    static const char lost[] =
        "UPDATE packs SET lost = 1 - lost WHERE lost <>"
        " (EXISTS (SELECT 1 FROM copies WHERE object = packs.id)"
        "  AND NOT EXISTS (SELECT 1 FROM copies WHERE object = packs.id AND state IN (0, 1)))";
    TZ_SCOPED(tz_scoped_change) struct tz_change change = {0};

    if (tz_change_begin(&change, catalog, err) || tz_catalog_flush(catalog, err) ||
        run_with(catalog, copies, name, err) || run_with(catalog, checks, name, err) ||
        run_with(catalog, store, name, err) || run_with(catalog, lost, NULL, err))
        return -1;
    return tz_change_end(&change, err);
}
