#include "schema.h"

#include "tozai/util/file.h"
#include "tozai/util/time.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "tozai/util/banned.h"

/*
 * synchronous=NORMAL: a power failure may take the last transactions back, whole, but never
 * damages the database.  FULL would sync at each commit, which is not needed: the catalog is a
 * cache, and what it forgets (that a pack is stored, say) is learnt again from the stores.
 *
 * cache_size is in KiB when negative: 12 MiB of the 128 that the whole program may use.  No
 * mmap: an I/O error would be a SIGBUS, and the file's pages would count as ours.
 *
 * The log is moved into the database when it has 64 MiB: chunks' rows are scattered, and pages
 * that several transactions changed are then moved once.
 */
static const char settings[] = "PRAGMA synchronous = NORMAL;"
                               "PRAGMA cache_size = -12288;"
                               "PRAGMA mmap_size = 0;"
                               "PRAGMA wal_autocheckpoint = 16384;"
                               "PRAGMA journal_size_limit = 67108864;"
                               "PRAGMA cell_size_check = ON;";

/* A new file is made by us, with its mode, since SQLite's would follow the umask; SQLite gives
 * -wal and -shm the mode of the database. */
static int make_file(const char *path, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_fd) int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0) {
        if (fchmod(fd, 0600))
            return tz_fail_errno(err, errno, "catalog '%s': set its mode", path);
        return tz_sync_parent(path, err);
    }
    if (errno != EEXIST)
        return tz_fail_errno(err, errno, "catalog '%s': create", path);
    /* By name: to close a descriptor of a database would drop the locks that this process has. */
    struct stat st;
    if (stat(path, &st))
        return tz_fail_errno(err, errno, "catalog '%s'", path);
    if (!S_ISREG(st.st_mode))
        return tz_fail(err, TZ_INVALID, "catalog '%s': not a regular file", path);
    if ((st.st_mode & 0077) != 0 && chmod(path, st.st_mode & 0700))
        return tz_fail_errno(err, errno, "catalog '%s': set its mode", path);
    return 0;
}

static int connect_database(struct tz_catalog *catalog, struct tz_error *err)
{
    /* One thread at a time is our contract, so that SQLite needs no mutexes. */
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE |
                SQLITE_OPEN_EXRESCODE;
    int code = sqlite3_open_v2(catalog->path, &catalog->db, flags, NULL);
    if (code != SQLITE_OK)
        return tz_catalog_fail(catalog, code, err);
    if ((code = sqlite3_busy_timeout(catalog->db, TZ_CATALOG_WAIT_MS)) != SQLITE_OK)
        return tz_catalog_fail(catalog, code, err);

    /* The file may have been written by somebody else: nothing in its schema may call functions
     * or run triggers behind our back, and no statement of ours may damage it. */
    static const int options[][2] = {
        {SQLITE_DBCONFIG_DEFENSIVE, 1},   {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
        {SQLITE_DBCONFIG_ENABLE_FKEY, 1}, {SQLITE_DBCONFIG_ENABLE_TRIGGER, 0},
        {SQLITE_DBCONFIG_ENABLE_VIEW, 0}, {SQLITE_DBCONFIG_DQS_DML, 0},
    };
    for (size_t i = 0; i < TZ_COUNT(options); i++) {
        code = sqlite3_db_config(catalog->db, options[i][0], options[i][1], (int *)NULL);
        if (code != SQLITE_OK)
            return tz_catalog_fail(catalog, code, err);
    }
    return tz_catalog_exec(catalog, settings, err);
}

/* To change the journal mode SQLite does not wait for other connections as it does elsewhere;
 * two processes that make the catalog at the same moment would fail each other. */
static int use_wal(struct tz_catalog *catalog, struct tz_error *err)
{
    int64_t end = tz_monotonic() + TZ_CATALOG_WAIT_MS * INT64_C(1000000);
    struct timespec pause = {.tv_nsec = 10000000};
    int code;

    while ((code = sqlite3_exec(catalog->db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL)) !=
           SQLITE_OK) {
        if ((code & 0xff) != SQLITE_BUSY || tz_monotonic() > end)
            return tz_catalog_fail(catalog, code, err);
        (void)nanosleep(&pause, NULL);
    }
    return 0;
}

static int read_meta(struct tz_catalog *catalog, const char *key, void *value, size_t len,
                     struct tz_error *err)
{
    static const char sql[] = "SELECT value FROM meta WHERE key = ?1";
    TZ_SCOPED(tz_scoped_query) struct tz_query query = {0};
    bool row;

    if (tz_query_open(&query, catalog, sql, err))
        return -1;
    tz_query_text(&query, 1, key);
    if (tz_query_step(&query, &row, err))
        return -1;
    if (!row)
        return tz_catalog_corrupt(catalog, "it does not say whose it is", err);
    return tz_query_get_blob(&query, 0, value, len, err);
}

static int check_identity(struct tz_catalog *catalog, const uint8_t repo_id[TZ_REPO_ID_SIZE],
                          struct tz_error *err)
{
    uint8_t found[TZ_REPO_ID_SIZE];

    if (read_meta(catalog, "repository", found, sizeof(found), err) ||
        read_meta(catalog, "instance", catalog->instance, sizeof(catalog->instance), err))
        return -1;
    if (memcmp(found, repo_id, sizeof(found)) != 0) {
        tz_error_set(err, TZ_INVALID, 0, "catalog '%s': it belongs to another repository",
                     catalog->path);
        return tz_hint(err, "give each repository a state folder of its own; if the old catalog "
                            "is not needed, " TZ_CATALOG_HINT);
    }
    return 0;
}

/* Make it, or bring it to the latest version; nothing here depends on how large it is. */
static int prepare_schema(struct tz_catalog *catalog, const uint8_t repo_id[TZ_REPO_ID_SIZE],
                          struct tz_error *err)
{
    unsigned version;

    if (tz_schema_version(catalog, &version, err))
        return -1;
    /* First whose it is: one of another repository is left as it is. */
    if (version > 0 && check_identity(catalog, repo_id, err))
        return -1;
    if (use_wal(catalog, err))
        return -1;
    if (version == tz_schema_latest())
        return 0;
    if (tz_schema_upgrade(catalog, tz_schema_latest(), repo_id, err))
        return -1;
    return check_identity(catalog, repo_id, err);
}

int tz_catalog_open(struct tz_catalog **ret, const char *state,
                    const uint8_t repo_id[TZ_REPO_ID_SIZE], struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_catalog) struct tz_catalog *catalog = calloc(1, sizeof(*catalog));
    if (!catalog || !(catalog->path = tz_path_join(state, TZ_CATALOG_FILE)))
        return tz_fail_nomem(err);

    if (make_file(catalog->path, err) || connect_database(catalog, err) ||
        prepare_schema(catalog, repo_id, err))
        return -1;
    *ret = TZ_TAKE(catalog);
    return 0;
}

bool tz_catalog_whose(const char *state, uint8_t ret[TZ_REPO_ID_SIZE])
{
    TZ_SCOPED(tz_scoped_catalog) struct tz_catalog *catalog = calloc(1, sizeof(*catalog));
    struct tz_error ignored = {0};
    uint8_t id[TZ_REPO_ID_SIZE];

    if (!catalog || !(catalog->path = tz_path_join(state, TZ_CATALOG_FILE)) ||
        access(catalog->path, F_OK) || connect_database(catalog, &ignored) ||
        read_meta(catalog, "repository", id, sizeof(id), &ignored))
        return false;
    memcpy(ret, id, sizeof(id));
    return true;
}

void tz_catalog_free(struct tz_catalog *catalog)
{
    if (!catalog)
        return;
    if (catalog->db)
        tz_catalog_rollback(catalog);
    for (size_t i = 0; i < TZ_CATALOG_STATEMENTS; i++)
        (void)sqlite3_finalize(catalog->statements[i].statement);
    /* The last one to close moves the log into the database; if that fails the next one does. */
    (void)sqlite3_close(catalog->db);
    tz_numbers_clear(&catalog->away);
    free(catalog->path);
    free(catalog);
}

const uint8_t *tz_catalog_instance(const struct tz_catalog *catalog)
{
    return catalog->instance;
}
