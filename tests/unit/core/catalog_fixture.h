/*
 * A catalog in a folder of its own for each test, and packs and heads made from numbers.
 */
#ifndef TOZAI_TEST_CATALOG_FIXTURE_H
#define TOZAI_TEST_CATALOG_FIXTURE_H

#include "core/catalog/schema.h"

#include "tozai/util/file.h"
#include "tozai/util/time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static const uint8_t repo[TZ_REPO_ID_SIZE] = "repository no 1";
static const uint8_t other_repo[TZ_REPO_ID_SIZE] = "repository no 2";

/* Of the last call that was checked with ok() or fails(). */
static struct tz_error err;

#define ok(call)          check_result((call), 0, TZ_OK, #call, __FILE__, __LINE__)
#define fails(call, kind) check_result((call), -1, (kind), #call, __FILE__, __LINE__)

static inline TZ_UNUSED void check_result(int result, int wanted, enum tz_error_kind kind,
                                          const char *call, const char *file, int line)
{
    if (result != wanted) {
        print_error("%s gave %d: %s\n", call, result, result ? err.message : "");
        _fail(file, line);
    }
    if (result && err.kind != kind) {
        print_error("%s failed with '%s': %s\n", call, tz_error_code(err.kind), err.message);
        _fail(file, line);
    }
    if (result)
        assert_true(err.message[0] != '\0');
}

struct fixture {
    char *folder;
    char *path; /* of the database */
    struct tz_catalog *catalog;
    int64_t east, west;
};

static inline TZ_UNUSED struct tz_catalog *open_catalog(const struct fixture *f)
{
    struct tz_catalog *catalog = NULL;

    ok(tz_catalog_open(&catalog, f->folder, repo, &err));
    return catalog;
}

static inline TZ_UNUSED void reopen(struct fixture *f)
{
    tz_catalog_free(f->catalog);
    f->catalog = open_catalog(f);
}

/* A folder without a catalog. */
static inline TZ_UNUSED int enter_folder(void **state)
{
    const char *base = getenv("TMPDIR");
    struct fixture *f = calloc(1, sizeof(*f));

    if (!f || tz_crypto_init(&err))
        return -1;
    f->folder = tz_path_join(base && *base ? base : "/tmp", "tozai-test-XXXXXX");
    if (!f->folder || !mkdtemp(f->folder) || !(f->path = tz_path_join(f->folder, "catalog.db")))
        return -1;
    *state = f;
    return 0;
}

static inline TZ_UNUSED int enter(void **state)
{
    if (enter_folder(state))
        return -1;
    struct fixture *f = *state;
    f->catalog = open_catalog(f);
    ok(tz_catalog_store(f->catalog, "east", "file:///east", "tokyo", &f->east, &err));
    ok(tz_catalog_store(f->catalog, "west", "file:///west", "osaka", &f->west, &err));
    return 0;
}

static inline TZ_UNUSED int leave(void **state)
{
    struct fixture *f = *state;
    int result = 0;

    tz_catalog_free(f->catalog);
    {
        TZ_SCOPED(tz_scoped_dir) DIR *dir = opendir(f->folder);
        for (struct dirent *entry; dir && (entry = readdir(dir));)
            if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
                result |= unlinkat(dirfd(dir), entry->d_name, 0);
    }
    result |= rmdir(f->folder);
    free(f->path);
    free(f->folder);
    free(f);
    return result;
}

/* Run SQL beside the catalog, as a person with a tool would. */
static inline TZ_UNUSED void run_sql(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    char *message = NULL;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", sql, message);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* The first number that a question to the catalog's own connection gives. */
static inline TZ_UNUSED int64_t ask(const struct fixture *f, const char *sql)
{
    sqlite3_stmt *statement = NULL;

    assert_int_equal(sqlite3_prepare_v2(f->catalog->db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(statement, 0);
    assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
    return value;
}

/* Bytes that differ from number to number at the front, where trees compare them. */
static inline TZ_UNUSED void make_bytes(uint8_t *bytes, size_t len, uint64_t number)
{
    tz_keyed_hash(bytes, NULL, &number, sizeof(number));
    for (size_t i = 32; i < len; i++)
        bytes[i] = bytes[i % 32];
}

#define CHUNK_LEN        1000U
#define CHUNKS_PER_FRAME 4U

/* A pack of chunks first, first + 1, ... of 1000 bytes, four in a frame. */
static inline TZ_UNUSED void make_pack(struct tz_pack_info *info, uint64_t number, uint64_t first,
                                       uint32_t count)
{
    *info = (struct tz_pack_info){.kind = TZ_PACK_DATA, .size = 100000 + count * CHUNK_LEN};
    make_bytes(info->hash, sizeof(info->hash), number << 32);
    uint8_t seed[32];
    make_bytes(seed, sizeof(seed), number);
    for (size_t i = 0; i < sizeof(info->header); i++)
        info->header[i] = seed[i % 32];
    for (uint32_t i = 0; i < count; i++) {
        if (i % CHUNKS_PER_FRAME == 0) {
            uint32_t in_frame = TZ_MIN(CHUNKS_PER_FRAME, count - i);
            struct tz_frame_info frame = {.offset = 128 + i * CHUNK_LEN,
                                          .sealed_len = in_frame * CHUNK_LEN + 16,
                                          .plain_len = in_frame * CHUNK_LEN,
                                          .codec = TZ_CODEC_ZSTD,
                                          .first_chunk = i,
                                          .chunk_count = in_frame};
            ok(tz_pack_info_add_frame(info, &frame, &err));
        }
        struct tz_chunk_ref chunk = {.len = CHUNK_LEN};
        make_bytes(chunk.id, sizeof(chunk.id), first + i);
        ok(tz_pack_info_add_chunk(info, &chunk, &err));
    }
}

static inline TZ_UNUSED int64_t add_pack(struct fixture *f, uint64_t number, uint64_t first,
                                         uint32_t count)
{
    TZ_SCOPED(tz_scoped_pack_info) struct tz_pack_info info = {0};
    int64_t pack = 0;

    make_pack(&info, number, first, count);
    ok(tz_catalog_add_pack(f->catalog, &info, &pack, &err));
    assert_true(pack > 0);
    return pack;
}

static inline TZ_UNUSED void pack_hash(uint8_t hash[TZ_HASH_SIZE], uint64_t number)
{
    make_bytes(hash, TZ_HASH_SIZE, number << 32);
}

static inline TZ_UNUSED bool find_chunk(struct fixture *f, uint64_t number,
                                        struct tz_chunk_place *place)
{
    uint8_t id[TZ_ID_SIZE];
    bool found = false;

    make_bytes(id, sizeof(id), number);
    ok(tz_catalog_find_chunk(f->catalog, id, place, &found, &err));
    return found;
}

/* A head object's id and name for a source ("a" has the source id "aaaa..."). */
static inline TZ_UNUSED void make_head(struct tz_head *head, char *source, uint64_t number,
                                       int64_t time_ns)
{
    static char type[] = "directory", host[] = "host", version[] = "1";

    *head = (struct tz_head){.source = source,
                             .type = type,
                             .host = host,
                             .version = version,
                             .time_ns = time_ns,
                             .start_ns = time_ns + 1,
                             .end_ns = time_ns + 2,
                             .entries = 3,
                             .bytes = 4,
                             .new_bytes = 5,
                             .stored_bytes = 6,
                             .warnings = 7,
                             .locked_until_ns = 8};
    make_bytes(head->id, sizeof(head->id), number);
    memset(head->source_id, source[0], sizeof(head->source_id));
}

static inline TZ_UNUSED int64_t add_head_object(struct fixture *f, const struct tz_head *head)
{
    char name[TZ_NAME_TEXT];
    int64_t object = 0;

    tz_name_head(name, head->source_id, head->time_ns, head->id);
    ok(tz_catalog_add_object(f->catalog, name, 500, &object, &err));
    return object;
}

static inline TZ_UNUSED int64_t add_seal_object(struct fixture *f, const struct tz_head *head)
{
    char name[TZ_NAME_TEXT];
    int64_t object = 0;

    tz_name_seal(name, head->source_id, head->time_ns, head->id);
    ok(tz_catalog_add_object(f->catalog, name, 200, &object, &err));
    return object;
}

#endif
