/*
 * Generation heads and seals.
 *
 * A head describes one generation; it exists in a store exactly when its head and its seal do.
 * The head is sealed under the index key, so a writer can list it; therefore it holds no file
 * name: those are in the manifest and in the details, which lie in manifest packs.
 */
#ifndef TOZAI_CORE_GENERATION_H
#define TOZAI_CORE_GENERATION_H

#include "tozai/core/packinfo.h"

/* A reference to bytes inside a chunk; a zero id is a hole of len zeros (offset 0). */
struct tz_extent {
    uint8_t id[TZ_ID_SIZE];
    uint32_t offset; /* in the chunk */
    uint64_t len;    /* at most TZ_CHUNK_MAX unless it is a hole */
};
bool tz_extent_is_hole(const struct tz_extent *extent);

struct tz_tag {
    char *key;
    char *value;
};

struct tz_head {
    uint8_t id[TZ_HASH_SIZE]; /* the hash of the head object; not part of its body */
    uint8_t source_id[TZ_SOURCE_ID_SIZE];
    uint8_t host_id[TZ_SOURCE_ID_SIZE];
    char *source; /* name in the configuration */
    char *type;   /* "directory" */
    char *host;
    char *version;   /* of the tool */
    int64_t time_ns; /* the consistent point; names the generation */
    int64_t start_ns, end_ns;
    char *position; /* LSN, binary log position, WAL position; "" if none */

    struct tz_extent *root; /* the manifest root (manifest.h), as extents of manifest chunks */
    uint32_t root_count;
    uint64_t root_len;
    struct tz_extent *details; /* warnings with their paths; may be empty */
    uint32_t details_count;
    uint64_t details_len;

    uint64_t entries, files, directories, others;
    uint64_t bytes;        /* logical content */
    uint64_t new_bytes;    /* plain bytes of chunks that were new */
    uint64_t stored_bytes; /* of this run's packs, in one store */
    uint64_t warnings;
    int64_t locked_until_ns; /* 0: not locked */
    struct tz_tag *tags;
    uint32_t tag_count;
    uint8_t (*packs)[TZ_HASH_SIZE]; /* every pack it needs, sorted */
    uint32_t pack_count;
};

/*
 * When prune writes packs anew, each generation that needs them gets another head, whose tags say
 * which one it was first, and how often it was written.  That first id names the generation to
 * people; one that was never written anew has its own.
 */
#define TZ_TAG_OWN    "tozai:" /* tags of people do not begin so */
#define TZ_TAG_ORIGIN "tozai:id"
#define TZ_TAG_TURN   "tozai:turn"
void tz_head_origin(const struct tz_head *head, uint8_t ret[TZ_HASH_SIZE]);
/* 0: it is the first one. */
uint64_t tz_head_turn(const struct tz_head *head);

void tz_head_clear(struct tz_head *head);
static inline TZ_UNUSED void tz_scoped_head(struct tz_head *head)
{
    tz_head_clear(head);
}
/* The body of a head object. */
int tz_head_write(const struct tz_head *head, struct tz_buf *out,
                  struct tz_error *err) TZ_MUST_CHECK;
/* Read a body; hostile bytes give TZ_CORRUPT.  ret is cleared on failure. */
int tz_head_read(struct tz_head *ret, const void *body, size_t len,
                 struct tz_error *err) TZ_MUST_CHECK;

/*
 * A seal: a sealed object (type TZ_OBJECT_SEAL, position: its whole name) whose body is the head's
 * hash, followed by the SHA-256 of everything before it, so that it can be checked without a key.
 */
int tz_seal_write(const struct tz_keys *keys, const char *name, const uint8_t head[TZ_HASH_SIZE],
                  struct tz_buf *out, struct tz_error *err) TZ_MUST_CHECK;
int tz_seal_check(const struct tz_keys *keys, const char *name, const uint8_t head[TZ_HASH_SIZE],
                  const void *data, size_t len, struct tz_error *err) TZ_MUST_CHECK;
/* Only the trailing hash: no key needed. */
int tz_seal_check_hash(const void *data, size_t len, struct tz_error *err) TZ_MUST_CHECK;

/* The keyed hash of a source's or host's name. */
void tz_name_id(const struct tz_keys *keys, const char *kind, const char *name,
                uint8_t id[TZ_SOURCE_ID_SIZE]);

/*
 * The repository descriptor, object "tozai": one line of plain JSON
 *   {"tozai":"repository","version":1,"repository":"<32 hex>","created":"<RFC 3339>"}
 */
struct tz_descriptor {
    uint32_t version;
    uint8_t repo_id[TZ_REPO_ID_SIZE];
    int64_t created_ns;
};
int tz_descriptor_write(const struct tz_descriptor *descriptor, struct tz_buf *out,
                        struct tz_error *err) TZ_MUST_CHECK;
/* A newer version: TZ_UNSUPPORTED; anything else that is odd: TZ_CORRUPT. */
int tz_descriptor_read(struct tz_descriptor *ret, const void *data, size_t len,
                       struct tz_error *err) TZ_MUST_CHECK;

#endif
