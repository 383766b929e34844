#include "database.h"

#include "tozai/util/hex.h"

#include <string.h>

#include "tozai/util/banned.h"

void tz_generation_clear(struct tz_generation *generation)
{
    free(generation->source);
    free(generation->type);
    free(generation->host);
    *generation = (struct tz_generation){0};
}

static inline TZ_UNUSED void scoped_generation(struct tz_generation *generation)
{
    tz_generation_clear(generation);
}

static int not_found(struct tz_catalog *catalog, const uint8_t id[TZ_HASH_SIZE],
                     struct tz_error *err)
{
    char text[2 * TZ_HASH_SIZE + 1];

    tz_hex(text, id, TZ_HASH_SIZE);
    return tz_fail(err, TZ_NOT_FOUND, "catalog '%s': there is no generation %s", catalog->path,
                   text);
}

/* *ret 0: not known. */
static int find_number(struct tz_catalog *catalog, const uint8_t id[TZ_HASH_SIZE], int64_t *ret,
                       struct tz_error *err)
{
    static const char sql[] = "SELECT number FROM generations WHERE id = ?1";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};
    bool row;

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_blob(&query, 1, id, TZ_HASH_SIZE);
    if (tz_query_step(&query, &row, err))
        return -1;
    *ret = row ? tz_query_get_int(&query, 0) : 0;
    return 0;
}

static const char *text_or_empty(const char *text)
{
    return text ? text : "";
}

/* A count above 2^63 is kept as a negative number and comes back as it was. */
static int insert_generation(struct tz_catalog *catalog, const struct tz_head *head,
                             int64_t head_object, int64_t *ret_number, struct tz_error *err)
{
    static const char sql[] =
        "INSERT INTO generations(id, head_object, source, type, host, source_id, time_ns,"
        " start_ns, end_ns, entries, bytes, new_bytes, stored_bytes, warnings, locked_until_ns,"
        " packs, origin, turn)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, 0, ?16, ?17)";
    uint8_t origin[TZ_HASH_SIZE];
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_blob(&query, 1, head->id, TZ_HASH_SIZE);
    tz_query_int(&query, 2, head_object);
    tz_query_text(&query, 3, text_or_empty(head->source));
    tz_query_text(&query, 4, text_or_empty(head->type));
    tz_query_text(&query, 5, text_or_empty(head->host));
    tz_query_blob(&query, 6, head->source_id, TZ_SOURCE_ID_SIZE);
    const int64_t numbers[] = {
        head->time_ns,
        head->start_ns,
        head->end_ns,
        (int64_t)head->entries,
        (int64_t)head->bytes,
        (int64_t)head->new_bytes,
        (int64_t)head->stored_bytes,
        (int64_t)head->warnings,
        head->locked_until_ns,
    };
    for (size_t i = 0; i < TZ_COUNT(numbers); i++)
        tz_query_int(&query, 7 + (int)i, numbers[i]);
    tz_head_origin(head, origin);
    tz_query_blob(&query, 16, origin, TZ_HASH_SIZE);
    tz_query_int(&query, 17, (int64_t)tz_head_turn(head));
    if (tz_query_run(&query, err))
        return -1;
    *ret_number = sqlite3_last_insert_rowid(catalog->db);
    return 0;
}

static int insert_body(struct tz_catalog *catalog, int64_t number, const void *body, size_t len,
                       struct tz_error *err)
{
    static const char sql[] = "INSERT INTO heads(generation, body) VALUES (?1, ?2)";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_int(&query, 1, number);
    tz_query_blob(&query, 2, body, len);
    return tz_query_run(&query, err);
}

/* The packs it needs; one that is not known yet becomes an object of size 0. */
static int insert_packs(struct tz_catalog *catalog, int64_t number, const struct tz_head *head,
                        struct tz_error *err)
{
    static const char sql[] =
        "INSERT OR IGNORE INTO generation_packs(generation, pack) VALUES (?1, ?2)";
    static const char sum[] = "UPDATE generations SET packs = ?2 WHERE number = ?1";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0}, count = {0};
    int64_t packs = 0;

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_int(&query, 1, number);
    for (uint32_t i = 0; i < head->pack_count; i++) {
        char name[TZ_NAME_TEXT];
        int64_t object;
        tz_name_pack(name, head->packs[i]);
        if (tz_catalog_add_object(catalog, name, 0, &object, err))
            return -1;
        tz_query_int(&query, 2, object);
        if (tz_query_run(&query, err))
            return -1;
        packs += sqlite3_changes(catalog->db);
    }
    if (tz_query_open(&count, catalog, sum, err))
        return -1;
    tz_query_int(&count, 1, number);
    tz_query_int(&count, 2, packs);
    return tz_query_run(&count, err);
}

int tz_catalog_add_generation(struct tz_catalog *catalog, const struct tz_head *head,
                              int64_t head_object, const void *body, size_t len,
                              struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_change) struct tz_change change = {0};
    int64_t number;

    if (tz_change_begin(&change, catalog, err) || find_number(catalog, head->id, &number, err))
        return -1;
    if (number == 0 &&
        (insert_generation(catalog, head, head_object, &number, err) ||
         insert_body(catalog, number, body, len, err) || insert_packs(catalog, number, head, err)))
        return -1;
    return tz_change_end(&change, err);
}

/* Run an update of one generation by its id (?1) and a number (?2). */
static int update(struct tz_catalog *catalog, const char *sql, const uint8_t id[TZ_HASH_SIZE],
                  int64_t value, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_blob(&query, 1, id, TZ_HASH_SIZE);
    tz_query_int(&query, 2, value);
    if (tz_query_run(&query, err))
        return -1;
    return sqlite3_changes(catalog->db) > 0 ? 0 : not_found(catalog, id, err);
}

int tz_catalog_add_seal(struct tz_catalog *catalog, const uint8_t id[TZ_HASH_SIZE],
                        int64_t seal_object, struct tz_error *err)
{
    static const char sql[] = "UPDATE generations SET seal_object = ?2 WHERE id = ?1";

    return update(catalog, sql, id, seal_object, err);
}

int tz_catalog_is_sealed(struct tz_catalog *catalog, const uint8_t id[TZ_HASH_SIZE], bool *ret,
                         struct tz_error *err)
{
    static const char sql[] = "SELECT 1 FROM generations WHERE id = ?1 AND seal_object IS NOT NULL";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_blob(&query, 1, id, TZ_HASH_SIZE);
    return tz_query_step(&query, ret, err);
}

int tz_catalog_set_verified_generation(struct tz_catalog *catalog, const uint8_t id[TZ_HASH_SIZE],
                                       int64_t time_ns, struct tz_error *err)
{
    static const char sql[] = "UPDATE generations SET verified_ns = ?2 WHERE id = ?1";

    return update(catalog, sql, id, time_ns, err);
}

int tz_catalog_get_head(struct tz_catalog *catalog, const uint8_t id[TZ_HASH_SIZE],
                        struct tz_buf *body, struct tz_error *err)
{
    static const char sql[] = "SELECT h.body FROM generations g"
                              " CROSS JOIN heads h ON h.generation = g.number WHERE g.id = ?1";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};
    bool row;

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_blob(&query, 1, id, TZ_HASH_SIZE);
    if (tz_query_step(&query, &row, err))
        return -1;
    if (!row)
        return not_found(catalog, id, err);
    const void *data = sqlite3_column_blob(query.statement, 0);
    int len = sqlite3_column_bytes(query.statement, 0);
    if (!data && sqlite3_errcode(catalog->db) == SQLITE_NOMEM)
        return tz_fail_nomem(err);
    return data ? tz_buf_append(body, data, (size_t)len, err) : 0;
}

#define COLUMNS                                                                                    \
    "g.id, g.source_id, g.source, g.type, g.host, g.head_object, g.seal_object, g.time_ns,"        \
    " g.start_ns, g.end_ns, g.entries, g.bytes, g.new_bytes, g.stored_bytes, g.warnings,"          \
    " g.locked_until_ns, g.verified_ns, g.drilled_ns, ifnull(g.origin, g.id), g.turn"

static int read_generation(struct tz_query *query, struct tz_generation *ret, struct tz_error *err)
{
    *ret = (struct tz_generation){
        .head_object = tz_query_get_int(query, 5),
        .seal_object = tz_query_get_int(query, 6), /* NULL gives 0 */
        .time_ns = tz_query_get_int(query, 7),
        .start_ns = tz_query_get_int(query, 8),
        .end_ns = tz_query_get_int(query, 9),
        .entries = (uint64_t)tz_query_get_int(query, 10),
        .bytes = (uint64_t)tz_query_get_int(query, 11),
        .new_bytes = (uint64_t)tz_query_get_int(query, 12),
        .stored_bytes = (uint64_t)tz_query_get_int(query, 13),
        .warnings = (uint64_t)tz_query_get_int(query, 14),
        .locked_until_ns = tz_query_get_int(query, 15),
        .verified_ns = tz_query_get_int(query, 16),
        .drilled_ns = tz_query_get_int(query, 17),
        .turn = (uint64_t)tz_query_get_int(query, 19),
    };
    if (tz_query_get_blob(query, 0, ret->id, sizeof(ret->id), err) ||
        tz_query_get_blob(query, 18, ret->origin, sizeof(ret->origin), err) ||
        tz_query_get_blob(query, 1, ret->source_id, sizeof(ret->source_id), err) ||
        tz_query_get_text(query, 2, &ret->source, err) ||
        tz_query_get_text(query, 3, &ret->type, err))
        return -1;
    return tz_query_get_text(query, 4, &ret->host, err);
}

static int each(struct tz_query *query, tz_generation_fn *found, void *arg, struct tz_error *err)
{
    for (;;) {
        TZ_SCOPED(scoped_generation) struct tz_generation generation = {0};
        bool row;
        if (tz_query_step(query, &row, err))
            return -1;
        if (!row)
            return 0;
        if (read_generation(query, &generation, err) || found(arg, &generation, err))
            return -1;
    }
}

static int each_of(struct tz_catalog *catalog, const char *sql, const char *source,
                   tz_generation_fn *found, void *arg, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    if (source)
        tz_query_text(&query, 1, source);
    return each(&query, found, arg, err);
}

int tz_catalog_each_generation(struct tz_catalog *catalog, const char *source,
                               tz_generation_fn *found, void *arg, struct tz_error *err)
{
    static const char all[] = "SELECT " COLUMNS " FROM generations g"
                              " ORDER BY g.source, g.time_ns DESC, g.id DESC";
    static const char one[] = "SELECT " COLUMNS " FROM generations g WHERE g.source = ?1"
                              " ORDER BY g.time_ns DESC, g.id DESC";

    return each_of(catalog, source ? one : all, source, found, arg, err);
}

/* Those of one origin have one time. */
#define CURRENT                                                                                    \
    " NOT (g.turn > 0 AND g.seal_object IS NULL)"                                                  \
    " AND NOT EXISTS (SELECT 1 FROM generations o WHERE o.source = g.source"                       \
    "  AND o.time_ns = g.time_ns AND ifnull(o.origin, o.id) = ifnull(g.origin, g.id)"              \
    "  AND o.seal_object IS NOT NULL AND (o.turn, o.id) > (g.turn, g.id))"

int tz_catalog_each_current(struct tz_catalog *catalog, const char *source, tz_generation_fn *found,
                            void *arg, struct tz_error *err)
{
    static const char all[] = "SELECT " COLUMNS " FROM generations g WHERE" CURRENT
                              " ORDER BY g.source, g.time_ns DESC, g.id DESC";
    static const char one[] =
        "SELECT " COLUMNS " FROM generations g WHERE g.source = ?1 AND" CURRENT
        " ORDER BY g.time_ns DESC, g.id DESC";

    return each_of(catalog, source ? one : all, source, found, arg, err);
}

int tz_catalog_each_user(struct tz_catalog *catalog, int64_t pack, tz_generation_fn *found,
                         void *arg, struct tz_error *err)
{
    static const char sql[] = "SELECT " COLUMNS " FROM generation_packs u"
                              " CROSS JOIN generations g ON g.number = u.generation"
                              " WHERE u.pack = ?1 ORDER BY g.source, g.time_ns DESC, g.id DESC";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_int(&query, 1, pack);
    return each(&query, found, arg, err);
}

int tz_catalog_generation_complete(struct tz_catalog *catalog, const uint8_t id[TZ_HASH_SIZE],
                                   int64_t store, bool *ret, struct tz_error *err)
{
    /* Each pack it needs is described (packs) and present in the store (copies). */
    static const char sql[] =
        "SELECT"
        " EXISTS (SELECT 1 FROM copies WHERE object = g.head_object AND store = ?2 AND state = 1)"
        " AND"
        " EXISTS (SELECT 1 FROM copies WHERE object = g.seal_object AND store = ?2 AND state = 1)"
        " AND g.packs = (SELECT count(*) FROM generation_packs u"
        "  CROSS JOIN packs p ON p.id = u.pack"
        "  CROSS JOIN copies c ON c.object = u.pack AND c.store = ?2 AND c.state = 1"
        "  WHERE u.generation = g.number)"
        " FROM generations g WHERE g.id = ?1";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};
    bool row;

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_blob(&query, 1, id, TZ_HASH_SIZE);
    tz_query_int(&query, 2, store);
    if (tz_query_step(&query, &row, err))
        return -1;
    if (!row)
        return not_found(catalog, id, err);
    *ret = tz_query_get_int(&query, 0) != 0;
    return 0;
}
