/*
 * Manifests: the list of a generation's entries, in path order, as a stream of chunks that are
 * deduplicated and kept in manifest packs (docs/format.md).
 *
 * Each manifest chunk can be read by itself; the root lists them with their first paths, so a
 * part of the tree is found without reading the rest.  A chunk ends where a keyed hash of a path
 * says so, so an unchanged part of a tree gives the same chunks again.
 */
#ifndef TOZAI_CORE_MANIFEST_H
#define TOZAI_CORE_MANIFEST_H

#include "tozai/core/chunkreader.h"
#include "tozai/core/entry.h"
#include "tozai/core/packwriter.h"

/* What encoder and decoder remember from entry to entry; zero at a chunk's beginning. */
#define TZ_CODER_IDS 8
struct tz_coder {
    struct {
        uint8_t id[TZ_ID_SIZE];
        uint64_t pack;
        uint32_t end;
    } ids[TZ_CODER_IDS]; /* the most recent first */
    uint32_t id_count;
    char *path;
    size_t path_len, path_cap;
    uint32_t uid, gid;
    char *user, *group;
    uint32_t modes[16];
    int64_t mtime_s;
    uint32_t mtime_ns;
    int64_t ctime_s;
    uint32_t ctime_ns;
    uint64_t ino, dev;
};
void tz_coder_clear(struct tz_coder *coder);

/* The local manifest keeps more of an entry than the stores do (entry.h), and keeps chunk ids in a
 * file of their own. */
struct tz_rows {
    int (*put)(void *arg, const uint8_t id[TZ_ID_SIZE], uint64_t pack, struct tz_error *err);
    int (*get)(void *arg, uint8_t id[TZ_ID_SIZE], uint64_t *ret_pack, struct tz_error *err);
    void *arg;
};
/* rows NULL: the form that is stored. */
int tz_entry_encode(struct tz_coder *coder, const struct tz_entry *entry,
                    const struct tz_rows *rows, struct tz_buf *out,
                    struct tz_error *err) TZ_MUST_CHECK;
/* entry is cleared first, but its memory may be used again.  Hostile bytes: TZ_CORRUPT. */
int tz_entry_decode(struct tz_coder *coder, struct tz_cursor *c, const struct tz_rows *rows,
                    struct tz_entry *entry, struct tz_error *err) TZ_MUST_CHECK;
/* Can this entry be stored?  What a reader would refuse is TZ_UNSUPPORTED, with the reason. */
int tz_entry_check(const struct tz_entry *entry, struct tz_error *err) TZ_MUST_CHECK;
/* No entry takes more bytes than this in a manifest. */
size_t tz_entry_size_max(const struct tz_entry *entry);
/* One extent of a list. */
int tz_extent_encode(struct tz_coder *coder, const struct tz_extent *extent, uint64_t pack,
                     const struct tz_rows *rows, struct tz_buf *out,
                     struct tz_error *err) TZ_MUST_CHECK;
int tz_extent_decode(struct tz_coder *coder, struct tz_cursor *c, const struct tz_rows *rows,
                     struct tz_extent *extent, uint64_t *ret_pack,
                     struct tz_error *err) TZ_MUST_CHECK;

/* A list of chunk ids that the new generation refers to; grows in memory (manifest chunks only). */
struct tz_id_list {
    uint8_t (*ids)[TZ_ID_SIZE];
    size_t count, cap;
};
int tz_id_list_add(struct tz_id_list *list, const uint8_t id[TZ_ID_SIZE],
                   struct tz_error *err) TZ_MUST_CHECK;

/* A longer hole is several extents: lengths are written with two bits behind them. */
#define TZ_HOLE_MAX (UINT64_C(1) << 60)

/* Gathers the extents of one file; long lists move into manifest chunks by themselves. */
#define TZ_ENTRY_EXTENTS_MAX 512
#define TZ_LIST_LEVELS       4
struct tz_extent_sink;
int tz_extent_sink_new(struct tz_extent_sink **ret, struct tz_packer *packer,
                       struct tz_idhash *hash, struct tz_id_list *refs,
                       struct tz_error *err) TZ_MUST_CHECK;
void tz_extent_sink_free(struct tz_extent_sink *sink);
/* Adjacent pieces of a chunk, and adjacent holes, are joined. */
int tz_extent_sink_add(struct tz_extent_sink *sink, const struct tz_extent *extent,
                       struct tz_error *err) TZ_MUST_CHECK;
/* Move the result into entry (level, extents); the sink is empty again. */
int tz_extent_sink_finish(struct tz_extent_sink *sink, struct tz_entry *entry,
                          struct tz_error *err) TZ_MUST_CHECK;

/* Bytes of a manifest's root. */
#define TZ_MANIFEST_ROOT_MAX (256U << 20)

struct tz_manifest_writer;
int tz_manifest_writer_new(struct tz_manifest_writer **ret, struct tz_packer *packer,
                           const struct tz_keys *keys, struct tz_id_list *refs,
                           struct tz_error *err) TZ_MUST_CHECK;
void tz_manifest_writer_free(struct tz_manifest_writer *writer);
TZ_DEFINE_SCOPED(struct tz_manifest_writer *, tz_scoped_manifest_writer, tz_manifest_writer_free)
/* In path order.  TZ_UNSUPPORTED as tz_entry_check() gives it: the entry can be left out. */
int tz_manifest_add(struct tz_manifest_writer *writer, const struct tz_entry *entry,
                    struct tz_error *err) TZ_MUST_CHECK;
/* Fills in root, root_count and root_len of the head. */
int tz_manifest_finish(struct tz_manifest_writer *writer, struct tz_head *head,
                       struct tz_error *err) TZ_MUST_CHECK;
/* Store bytes as manifest chunks; gives their extents. */
int tz_manifest_store(struct tz_packer *packer, struct tz_idhash *hash, struct tz_id_list *refs,
                      const uint8_t *data, size_t len, struct tz_extent **ret, uint32_t *ret_count,
                      struct tz_error *err) TZ_MUST_CHECK;

struct tz_manifest_reader;
/* Every entry that is prefix or below it ("" for all), in order. */
int tz_manifest_reader_new(struct tz_manifest_reader **ret, struct tz_repo *repo,
                           const struct tz_head *head, const char *prefix, size_t prefix_len,
                           struct tz_error *err) TZ_MUST_CHECK;
void tz_manifest_reader_free(struct tz_manifest_reader *reader);
TZ_DEFINE_SCOPED(struct tz_manifest_reader *, tz_scoped_manifest_reader, tz_manifest_reader_free)
/*
 * From now on chunks of the manifest that cannot be had are passed over, as long as one can be had:
 * lost() hears of each run of them, whose entries' paths are `from` or behind it, and before `to`
 * (NULL: up to the end).  What is there but makes no sense is an error as before.
 */
typedef void tz_manifest_lost_fn(void *arg, const char *from, size_t from_len, const char *to,
                                 size_t to_len, const struct tz_error *why);
void tz_manifest_reader_tolerate(struct tz_manifest_reader *reader, tz_manifest_lost_fn *lost,
                                 void *arg);
int tz_manifest_next(struct tz_manifest_reader *reader, struct tz_entry *entry, bool *ret_done,
                     struct tz_error *err) TZ_MUST_CHECK;
/*
 * The entries that come next are those from a path on, or some before it that are passed over: only
 * of a reader of everything.  Cheap if the path lies ahead in the same chunk.  *ret_moved false:
 * what comes next is what would have come.
 */
void tz_manifest_seek(struct tz_manifest_reader *reader, const char *path, size_t path_len,
                      bool *ret_moved);
/* Ids of the chunks that the manifest itself consists of (root and entry chunks). */
typedef int tz_manifest_chunk_fn(void *arg, const uint8_t id[TZ_ID_SIZE], struct tz_error *err);
int tz_manifest_each_chunk(struct tz_manifest_reader *reader, tz_manifest_chunk_fn *found,
                           void *arg, struct tz_error *err) TZ_MUST_CHECK;
/* Read extents of manifest chunks whole, at most max bytes. */
int tz_manifest_load(struct tz_chunk_reader *chunks, const struct tz_extent *extents,
                     uint32_t count, uint64_t len, size_t max, struct tz_buf *out,
                     struct tz_error *err) TZ_MUST_CHECK;

/*
 * Looks entries up by path.  Paths in ascending order, and those of which some were asked for
 * lately, cost little; each other one the reading of a chunk of the manifest.  Memory: that of a
 * reader, and a few megabytes at most; for sizes 16 MiB more.
 */
struct tz_entry_finder;
int tz_entry_finder_new(struct tz_entry_finder **ret, struct tz_repo *repo,
                        const struct tz_head *head, struct tz_error *err) TZ_MUST_CHECK;
void tz_entry_finder_free(struct tz_entry_finder *finder);
TZ_DEFINE_SCOPED(struct tz_entry_finder *, tz_scoped_entry_finder, tz_entry_finder_free)
/* *ret is borrowed until the next call; NULL: there is none. */
int tz_entry_find(struct tz_entry_finder *finder, const char *path, size_t path_len,
                  const struct tz_entry **ret, struct tz_error *err) TZ_MUST_CHECK;
/* The entry that a hard link is another name of; that there is none is TZ_CORRUPT. */
int tz_entry_find_first(struct tz_entry_finder *finder, const struct tz_entry *link,
                        const struct tz_entry **ret, struct tz_error *err) TZ_MUST_CHECK;

/* The size of that entry.  Cheap in any order, up to some 100,000 files: the sizes of all that was
 * passed by are remembered, under a hash of the path. */
int tz_entry_find_size(struct tz_entry_finder *finder, const struct tz_entry *link, uint64_t *ret,
                       struct tz_error *err) TZ_MUST_CHECK;

/* Walk an entry's content extents in file order, whatever the level. */
struct tz_extent_walk;
int tz_extent_walk_new(struct tz_extent_walk **ret, struct tz_repo *repo,
                       const struct tz_entry *entry, struct tz_error *err) TZ_MUST_CHECK;
void tz_extent_walk_free(struct tz_extent_walk *walk);
TZ_DEFINE_SCOPED(struct tz_extent_walk *, tz_scoped_extent_walk, tz_extent_walk_free)
/* All of the content will be read, by this reader: it is told what comes next (tz_chunk_expect()).
 * Before the first step. */
void tz_extent_walk_expect(struct tz_extent_walk *walk, struct tz_chunk_reader *content);
int tz_extent_walk_next(struct tz_extent_walk *walk, struct tz_extent *extent, bool *ret_done,
                        struct tz_error *err) TZ_MUST_CHECK;

#endif
