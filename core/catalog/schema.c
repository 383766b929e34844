#include "schema.h"

#include <assert.h>
#include <inttypes.h>

#include "tozai/util/banned.h"

/* The numbers of kinds are in databases. */
_Static_assert(TZ_NAME_OTHER == 0 && TZ_NAME_IS_DESCRIPTOR == 1 && TZ_NAME_IS_KEY == 2 &&
                   TZ_NAME_IS_PACK == 3 && TZ_NAME_IS_INDEX == 4 && TZ_NAME_IS_HEAD == 5 &&
                   TZ_NAME_IS_SEAL == 6 && TZ_NAME_IS_TOMBSTONE == 7,
               "objects.kind");
_Static_assert(TZ_COPY_UNKNOWN == 0 && TZ_COPY_PRESENT == 1 && TZ_COPY_MISSING == 2 &&
                   TZ_COPY_DAMAGED == 3,
               "copies.state");

static const char step_1[] =
    "CREATE TABLE meta("
    "  key TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;"

    "CREATE TABLE stores("
    "  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, url TEXT NOT NULL,"
    "  location TEXT NOT NULL) STRICT;"

    /* AUTOINCREMENT: a number is never given to another object, since rows of chunks outlive
     * their pack. */
    "CREATE TABLE objects("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, kind INTEGER NOT NULL,"
    "  size INTEGER NOT NULL) STRICT;"
    /* Packs that a head names and that nobody has described yet: few. */
    "CREATE INDEX objects_unknown ON objects(id) WHERE kind = 3 AND size = 0;"

    /* The object first: what is asked is where one object lies, and forgetting one is a range. */
    "CREATE TABLE copies("
    "  object INTEGER NOT NULL REFERENCES objects(id) ON DELETE CASCADE,"
    "  store INTEGER NOT NULL REFERENCES stores(id),"
    "  state INTEGER NOT NULL CHECK (state BETWEEN 0 AND 3),"
    "  verified_ns INTEGER NOT NULL DEFAULT 0,"
    "  PRIMARY KEY (object, store)) STRICT, WITHOUT ROWID;"

    "CREATE TABLE packs("
    "  id INTEGER PRIMARY KEY REFERENCES objects(id) ON DELETE CASCADE,"
    "  hash BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),"
    "  kind INTEGER NOT NULL, chunks INTEGER NOT NULL,"
    "  condemned INTEGER NOT NULL CHECK (condemned IN (0, 1)),"
    "  lost INTEGER NOT NULL CHECK (lost IN (0, 1)),"
    "  header BLOB NOT NULL CHECK (length(header) = 128)) STRICT;"
    "CREATE INDEX packs_bad ON packs(id) WHERE condemned = 1 OR lost = 1;"

    "CREATE TABLE frames("
    "  pack INTEGER NOT NULL REFERENCES packs(id) ON DELETE CASCADE, no INTEGER NOT NULL,"
    "  offset INTEGER NOT NULL, sealed_len INTEGER NOT NULL, plain_len INTEGER NOT NULL,"
    "  codec INTEGER NOT NULL, PRIMARY KEY (pack, no)) STRICT, WITHOUT ROWID;"

    /* By far the largest table: no reference to packs (a look-up for each row, and an index of
     * the same size again to delete by pack), no checks, no index but the key. */
    "CREATE TABLE chunks("
    "  id BLOB NOT NULL, pack INTEGER NOT NULL, frame INTEGER NOT NULL, offset INTEGER NOT NULL,"
    "  len INTEGER NOT NULL, PRIMARY KEY (id, pack)) STRICT, WITHOUT ROWID;"

    "CREATE TABLE condemned("
    "  hash BLOB PRIMARY KEY CHECK (length(hash) = 32)) STRICT, WITHOUT ROWID;"

    "CREATE TABLE generations("
    "  number INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE CHECK (length(id) = 32),"
    "  head_object INTEGER NOT NULL UNIQUE REFERENCES objects(id) ON DELETE CASCADE,"
    "  seal_object INTEGER UNIQUE REFERENCES objects(id) ON DELETE SET NULL,"
    "  source TEXT NOT NULL, type TEXT NOT NULL, host TEXT NOT NULL,"
    "  source_id BLOB NOT NULL CHECK (length(source_id) = 16),"
    "  time_ns INTEGER NOT NULL, start_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL,"
    "  entries INTEGER NOT NULL, bytes INTEGER NOT NULL, new_bytes INTEGER NOT NULL,"
    "  stored_bytes INTEGER NOT NULL, warnings INTEGER NOT NULL,"
    "  locked_until_ns INTEGER NOT NULL, verified_ns INTEGER NOT NULL DEFAULT 0,"
    "  drilled_ns INTEGER NOT NULL DEFAULT 0, packs INTEGER NOT NULL) STRICT;"

    /* Apart, since a body may have a megabyte and a list of generations does not need it. */
    "CREATE TABLE heads("
    "  generation INTEGER PRIMARY KEY REFERENCES generations(number) ON DELETE CASCADE,"
    "  body BLOB NOT NULL) STRICT;"

    /* To objects, not to packs: a head may name a pack that is not known yet. */
    "CREATE TABLE generation_packs("
    "  generation INTEGER NOT NULL REFERENCES generations(number) ON DELETE CASCADE,"
    "  pack INTEGER NOT NULL REFERENCES objects(id),"
    "  PRIMARY KEY (generation, pack)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX generation_packs_by_pack ON generation_packs(pack);"

    "CREATE TABLE runs("
    "  id INTEGER PRIMARY KEY, command TEXT NOT NULL, start_ns INTEGER NOT NULL, end_ns INTEGER,"
    "  result TEXT) STRICT;"

    "CREATE TABLE checks("
    "  id INTEGER PRIMARY KEY, store INTEGER NOT NULL REFERENCES stores(id),"
    "  time_ns INTEGER NOT NULL, level TEXT NOT NULL, objects INTEGER NOT NULL,"
    "  bytes INTEGER NOT NULL, bad INTEGER NOT NULL) STRICT;"

    "CREATE TABLE vals("
    "  key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;";

/* Lists of generations in the order in which they are shown, without sorting. */
static const char step_2[] =
    "CREATE INDEX generations_by_source ON generations(source, time_ns DESC, id DESC);";

/* What index objects and tombstones name, for prune.  They are read again, since nobody noted it.
 */
static const char step_3[] =
    "CREATE TABLE index_packs("
    "  index_object INTEGER NOT NULL REFERENCES objects(id) ON DELETE CASCADE,"
    "  hash BLOB NOT NULL CHECK (length(hash) = 32),"
    "  PRIMARY KEY (index_object, hash)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX index_packs_by_hash ON index_packs(hash);"

    "CREATE TABLE tombstones("
    "  object INTEGER PRIMARY KEY REFERENCES objects(id) ON DELETE CASCADE,"
    "  seen_ns INTEGER NOT NULL, gone_ns INTEGER NOT NULL) STRICT;"

    "CREATE TABLE tombstone_packs("
    "  tombstone INTEGER NOT NULL REFERENCES tombstones(object) ON DELETE CASCADE,"
    "  hash BLOB NOT NULL CHECK (length(hash) = 32),"
    "  PRIMARY KEY (tombstone, hash)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX tombstone_packs_by_hash ON tombstone_packs(hash);"

    "CREATE TABLE tombstone_marks("
    "  tombstone INTEGER NOT NULL REFERENCES tombstones(object) ON DELETE CASCADE,"
    "  store INTEGER NOT NULL REFERENCES stores(id),"
    "  newest_ns INTEGER NOT NULL, after_ns INTEGER NOT NULL,"
    "  PRIMARY KEY (tombstone, store)) STRICT, WITHOUT ROWID;"

    /* NULL: its own id. */
    "ALTER TABLE generations ADD COLUMN origin BLOB;"
    "ALTER TABLE generations ADD COLUMN turn INTEGER NOT NULL DEFAULT 0;"

    "UPDATE copies SET state = 0 WHERE state = 1"
    "  AND object IN (SELECT id FROM objects WHERE kind IN (4, 7));";

/* Run inside of a transaction, where foreign keys cannot be turned off. */
static const char *const steps[] = {step_1, step_2, step_3};

unsigned tz_schema_latest(void)
{
    return TZ_COUNT(steps);
}

static int read_number(struct tz_catalog *catalog, const char *sql, int64_t *ret,
                       struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};
    bool row;
    if (tz_query_open(&query, catalog, sql, err) || tz_query_step(&query, &row, err))
        return -1;
    *ret = row ? tz_query_get_int(&query, 0) : 0;
    return 0;
}

/* The three numbers as they were at one moment: another process may be making the database. */
static int read_marks(struct tz_catalog *catalog, int64_t *id, int64_t *number, int64_t *count,
                      struct tz_error *err)
{
    static const char application[] = "PRAGMA application_id";
    static const char version[] = "PRAGMA user_version";
    static const char tables[] = "SELECT count(*) FROM sqlite_schema";
    bool alone = sqlite3_get_autocommit(catalog->db) != 0;

    if (alone && tz_catalog_exec(catalog, "BEGIN", err))
        return -1;
    int failed = read_number(catalog, tables, count, err) ||
                 read_number(catalog, application, id, err) ||
                 read_number(catalog, version, number, err);
    /* It read only: an end that fails changes nothing, and the next statement will say so. */
    if (alone)
        (void)sqlite3_exec(catalog->db, "ROLLBACK", NULL, NULL, NULL);
    return failed ? -1 : 0;
}

int tz_schema_version(struct tz_catalog *catalog, unsigned *ret, struct tz_error *err)
{
    int64_t id = 0, number = 0, count = 0;

    if (read_marks(catalog, &id, &number, &count, err))
        return -1;
    if (id == 0 && number == 0 && count == 0) {
        *ret = 0;
        return 0;
    }
    if (id != TZ_SCHEMA_APPLICATION || number < 1 || count == 0)
        return tz_catalog_corrupt(catalog, "it is not a catalog of tozai", err);
    if ((uint64_t)number > tz_schema_latest()) {
        tz_error_set(err, TZ_UNSUPPORTED, 0,
                     "catalog '%s': a newer tozai made it (version %" PRId64
                     ", this one knows up to %u)",
                     catalog->path, number, tz_schema_latest());
        return tz_hint(err, "use the newer tozai, or " TZ_CATALOG_HINT " to make an older one");
    }
    *ret = (unsigned)number;
    return 0;
}

static int put_meta(struct tz_catalog *catalog, const char *key, const void *value, size_t len,
                    struct tz_error *err)
{
    static const char sql[] = "INSERT INTO meta(key, value) VALUES (?1, ?2)";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_text(&query, 1, key);
    tz_query_blob(&query, 2, value, len);
    return tz_query_run(&query, err);
}

/* What a new database starts with. */
static int fill(struct tz_catalog *catalog, const uint8_t repo_id[TZ_REPO_ID_SIZE],
                struct tz_error *err)
{
    uint8_t instance[TZ_CATALOG_INSTANCE_SIZE];

    tz_random(instance, sizeof(instance));
    if (put_meta(catalog, "repository", repo_id, TZ_REPO_ID_SIZE, err) ||
        put_meta(catalog, "instance", instance, sizeof(instance), err))
        return -1;
    return tz_catalog_exec(
        catalog, "INSERT INTO meta(key, value) VALUES ('chunks', 0), ('dead_chunks', 0);", err);
}

static int note_version(struct tz_catalog *catalog, unsigned version, struct tz_error *err)
{
    char sql[96] = "";

    (void)snprintf(sql, sizeof(sql), "PRAGMA application_id = %d; PRAGMA user_version = %u;",
                   TZ_SCHEMA_APPLICATION, version);
    return tz_catalog_exec(catalog, sql, err);
}

int tz_schema_upgrade(struct tz_catalog *catalog, unsigned version,
                      const uint8_t repo_id[TZ_REPO_ID_SIZE], struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_change) struct tz_change change = {0};
    unsigned now = 0;

    assert(version <= TZ_COUNT(steps));

    /* Look again under the lock: another process may have been faster. */
    if (tz_change_begin(&change, catalog, err) || tz_schema_version(catalog, &now, err))
        return -1;
    bool is_new = now == 0;
    for (unsigned i = now; i < version && i < TZ_COUNT(steps); i++)
        if (tz_catalog_exec(catalog, steps[i], err))
            return tz_while(err, "upgrade to version %u", i + 1);
    if (now < version && note_version(catalog, version, err))
        return -1;
    if (is_new && fill(catalog, repo_id, err))
        return -1;
    return tz_change_end(&change, err);
}
