/*
 * generations CONFIG SOURCE CHUNKS COUNT: writes so many generations of a source into a repository,
 * a day apart, the last of today, of CHUNKS chunks altogether.
 *
 * Chunks have 32 bytes and files 1000 chunks; each generation has a hundredth of its files other
 * than the one before.  Nothing is faked but the source, so that the generations can be pruned,
 * verified and restored like all others.
 */
#include "core/backup/engine.h"
#include "tozai/core/config.h"
#include "tozai/core/crypto.h"
#include "tozai/core/manifest.h"
#include "tozai/core/packwriter.h"
#include "tozai/util/time.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tozai/util/banned.h"

#define CHUNK_LEN   32U
#define FILE_CHUNKS 1000U
#define FILE_PACKS  8U
#define CHANGED     100U /* one file of so many */
#define DAY_NS      (INT64_C(24) * 3600 * 1000000000)

struct file {
    uint64_t seed; /* of its content */
    bool is_new;
    int64_t packs[FILE_PACKS];
    size_t pack_count;
};

struct maker {
    struct tz_repo *repo;
    struct tz_packer *packer;
    struct tz_idhash *hash;
    struct file *files;
    size_t file_count;
    uint64_t seeds;
};

static void die(const char *what, const struct tz_error *why)
{
    (void)fprintf(stderr, "generations: %s: %s\n", what, why->message);
    exit(1);
}

#define MUST(call)                                                                                 \
    do {                                                                                           \
        struct tz_error must_err_ = {0};                                                           \
        struct tz_error *err = &must_err_;                                                         \
        if (call)                                                                                  \
            die(#call, err);                                                                       \
    } while (0)

/* splitmix64 */
static uint64_t draw(uint64_t *state)
{
    uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static void make_chunk(const struct file *file, unsigned i, uint64_t data[CHUNK_LEN / 8])
{
    uint64_t state = file->seed * FILE_CHUNKS + i;

    for (size_t k = 0; k < CHUNK_LEN / 8; k++)
        data[k] = draw(&state);
}

static void add_file(struct maker *maker, struct tz_manifest_writer *manifest,
                     struct tz_extent_sink *sink, size_t number)
{
    TZ_SCOPED(tz_scoped_entry) struct tz_entry entry = {.type = TZ_ENTRY_FILE, .mode = 0644};
    const struct file *file = &maker->files[number];
    char path[32];

    (void)snprintf(path, sizeof(path), "file-%09zu", number);
    MUST(tz_entry_set_path(&entry, path, strlen(path), err));
    entry.mtime_s = (int64_t)file->seed;
    for (unsigned i = 0; i < FILE_CHUNKS; i++) {
        uint64_t data[CHUNK_LEN / 8];
        struct tz_extent extent = {.len = CHUNK_LEN};
        make_chunk(file, i, data);
        MUST(tz_idhash(maker->hash, data, CHUNK_LEN, extent.id, err));
        if (file->is_new)
            MUST(tz_packer_add(maker->packer, TZ_PACKER_LARGE, extent.id, (const uint8_t *)data,
                               CHUNK_LEN, err));
        MUST(tz_extent_sink_add(sink, &extent, err));
    }
    entry.size = (uint64_t)FILE_CHUNKS * CHUNK_LEN;
    MUST(tz_extent_sink_finish(sink, &entry, err));
    MUST(tz_manifest_add(manifest, &entry, err));
}

static void note_pack(struct file *file, int64_t pack)
{
    for (size_t i = 0; i < file->pack_count; i++)
        if (file->packs[i] == pack)
            return;
    if (file->pack_count == FILE_PACKS) {
        (void)fprintf(stderr, "generations: a file lies in too many packs\n");
        exit(1);
    }
    file->packs[file->pack_count++] = pack;
}

/* Where the chunks of a new file came to lie. */
static void find_packs(struct maker *maker, struct file *file)
{
    file->pack_count = 0;
    for (unsigned i = 0; i < FILE_CHUNKS; i++) {
        uint64_t data[CHUNK_LEN / 8];
        uint8_t id[TZ_ID_SIZE];
        struct tz_chunk_place place;
        bool found = false;
        make_chunk(file, i, data);
        MUST(tz_idhash(maker->hash, data, CHUNK_LEN, id, err));
        MUST(tz_catalog_find_chunk(tz_repo_catalog(maker->repo), id, &place, &found, err));
        if (!found)
            exit(1);
        note_pack(file, place.pack);
    }
    file->is_new = false;
}

static int compare_numbers(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static int compare_hashes(const void *a, const void *b)
{
    return memcmp(a, b, TZ_HASH_SIZE);
}

static void set_packs(struct maker *maker, struct tz_head *head, const struct tz_id_list *refs)
{
    struct tz_catalog *catalog = tz_repo_catalog(maker->repo);
    size_t count = 0;
    int64_t *packs = calloc(maker->file_count * FILE_PACKS + refs->count, sizeof(*packs));

    if (!packs)
        exit(1);
    for (size_t i = 0; i < maker->file_count; i++)
        for (size_t k = 0; k < maker->files[i].pack_count; k++)
            packs[count++] = maker->files[i].packs[k];
    for (size_t i = 0; i < refs->count; i++) {
        struct tz_chunk_place place;
        bool found = false;
        MUST(tz_catalog_find_chunk(catalog, refs->ids[i], &place, &found, err));
        packs[count++] = place.pack;
    }
    qsort(packs, count, sizeof(*packs), compare_numbers);
    head->packs = calloc(count, sizeof(*head->packs));
    if (!head->packs)
        exit(1);
    for (size_t i = 0; i < count; i++) {
        struct tz_catalog_pack pack;
        if (i > 0 && packs[i] == packs[i - 1])
            continue;
        MUST(tz_catalog_get_pack(catalog, packs[i], &pack, err));
        memcpy(head->packs[head->pack_count++], pack.hash, TZ_HASH_SIZE);
    }
    free(packs);
    qsort(head->packs, head->pack_count, TZ_HASH_SIZE, compare_hashes);
}

static void write_generation(struct maker *maker, const char *source, int64_t time_ns)
{
    const struct tz_keys *keys = tz_repo_keys(maker->repo);
    TZ_SCOPED(tz_scoped_head)
    struct tz_head head = {
        .source = strdup(source),
        .type = strdup("directory"),
        .host = strdup("bench"),
        .version = strdup(TOZAI_VERSION),
        .position = strdup(""),
        .time_ns = time_ns,
        .start_ns = tz_now(),
        .entries = maker->file_count,
        .files = maker->file_count,
        .bytes = (uint64_t)maker->file_count * FILE_CHUNKS * CHUNK_LEN,
    };
    TZ_SCOPED(tz_scoped_manifest_writer) struct tz_manifest_writer *manifest = NULL;
    struct tz_extent_sink *sink = NULL;
    struct tz_id_list refs = {0};
    uint32_t stores = 0;
    bool condemned = false;

    tz_name_id(keys, "source", source, head.source_id);
    tz_name_id(keys, "host", "bench", head.host_id);
    MUST(tz_manifest_writer_new(&manifest, maker->packer, keys, &refs, err));
    MUST(tz_extent_sink_new(&sink, maker->packer, maker->hash, &refs, err));
    for (size_t i = 0; i < maker->file_count; i++)
        add_file(maker, manifest, sink, i);
    tz_extent_sink_free(sink);
    MUST(tz_manifest_finish(manifest, &head, err));
    MUST(tz_packer_flush(maker->packer, err));
    for (size_t i = 0; i < maker->file_count; i++)
        if (maker->files[i].is_new)
            find_packs(maker, &maker->files[i]);
    set_packs(maker, &head, &refs);
    head.end_ns = tz_now();
    MUST(tz_backup_commit(maker->repo, &head, &stores, &condemned, err));
    free(refs.ids);
}

static void change(struct maker *maker, size_t part)
{
    for (size_t i = 0; i < maker->file_count; i++)
        if (part == 0 || i % CHANGED == part % CHANGED) {
            maker->files[i].seed = maker->seeds++;
            maker->files[i].is_new = true;
        }
}

int main(int argc, char **argv)
{
    TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = NULL;
    TZ_SCOPED(tz_scoped_pool) struct tz_pool *pool = NULL;
    struct tz_config *config = NULL;
    struct maker maker = {.seeds = 1};

    if (argc != 5) {
        (void)fputs("usage: generations CONFIG SOURCE CHUNKS COUNT\n", stderr);
        return 2;
    }
    size_t chunks = strtoull(argv[3], NULL, 10), count = strtoull(argv[4], NULL, 10);
    maker.file_count = chunks * CHANGED / (CHANGED + count) / FILE_CHUNKS;
    maker.files = calloc(maker.file_count + 1, sizeof(*maker.files));
    MUST(tz_crypto_init(err));
    MUST(tz_config_read(&config, argv[1], err));
    const struct tz_repo_options options = {
        .config = config, .exclusive = true, .writes = true, .no_prompt = true};
    MUST(tz_repo_open(&repo, &options, err));
    maker.repo = repo;
    MUST(tz_pool_new(&pool, config->threads, err));
    const struct tz_packer_options packing = {.repo = repo, .pool = pool};
    MUST(tz_packer_new(&maker.packer, &packing, err));
    MUST(tz_idhash_new(&maker.hash, tz_keys_chunk_id_key(tz_repo_keys(repo)), err));
    for (size_t i = 0; maker.files && i < count; i++) {
        change(&maker, i);
        write_generation(&maker, argv[2], tz_now() - (int64_t)(count - 1 - i) * DAY_NS);
        (void)fprintf(stderr, "generation %zu of %zu\n", i + 1, count);
    }
    tz_idhash_free(maker.hash);
    tz_packer_free(maker.packer);
    free(maker.files);
    tz_config_free(config);
    return 0;
}
