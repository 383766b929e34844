/*
 * Entries and extents as bytes; docs/format.md has the tables.
 */
#include "tozai/core/manifest.h"

#include <string.h>

/* Which parts of an entry follow. */
#define HAS_MODE   1U /* mode differs from the last entry of this type */
#define HAS_OWNER  2U /* owner differs from the last entry */
#define HAS_MTIME  4U /* mtime differs from the last entry */
#define HAS_XATTRS 8U
#define HAS_INODE  16U  /* inode flags */
#define HAS_FLAGS  32U  /* entry flags */
#define HAS_LEVEL  64U  /* content is an extent list of a higher level */
#define CONTINUES  128U /* content follows that of the last file in the same chunk */
#define ALL_PARTS  255U
#define FILE_PARTS (HAS_LEVEL | CONTINUES) /* that only files have */

/* How an extent names its chunk. */
enum { EXTENT_HOLE, EXTENT_NEXT, EXTENT_RECENT, EXTENT_NEW };

#define NAME_MAX_LEN    256U
#define XATTR_MAX       65536U /* bytes of a value, as Linux has it */
#define XATTR_NAMES_MAX 65536U /* of all names of a file, each with a NUL: the same */
#define ENTRY_PATH_MAX  (1U << 20)
#define MODE_BITS       07777U
#define NANOSECONDS     1000000000U
/* What the parts of an entry take at most, beside their own bytes. */
#define ENTRY_BYTES  256U
#define XATTR_BYTES  8U
#define EXTENT_BYTES (TZ_ID_SIZE + 16U)

void tz_coder_clear(struct tz_coder *coder)
{
    free(coder->path);
    free(coder->user);
    free(coder->group);
    *coder = (struct tz_coder){0};
}

static uint32_t get_limited(struct tz_cursor *c, uint32_t max)
{
    uint64_t value = tz_get_varint(c);

    if (value <= max)
        return (uint32_t)value;
    tz_wire_bad(c);
    return 0;
}

/* A number that must fit into 32 bits. */
static uint32_t get_u32(struct tz_cursor *c)
{
    return get_limited(c, UINT32_MAX);
}

/* What can be written, so that it can be read again. */
static bool extent_valid(const struct tz_extent *extent)
{
    if (tz_extent_is_hole(extent))
        return extent->len >= 1 && extent->len <= TZ_HOLE_MAX;
    return extent->len >= 1 && extent->len <= TZ_CHUNK_MAX &&
           extent->offset + extent->len <= TZ_CHUNK_MAX;
}

static void remember(struct tz_coder *coder, unsigned from, const uint8_t id[TZ_ID_SIZE],
                     uint64_t pack, uint32_t end)
{
    uint8_t copy[TZ_ID_SIZE];

    memcpy(copy, id, TZ_ID_SIZE);
    if (from > 0)
        memmove(&coder->ids[1], &coder->ids[0], from * sizeof(coder->ids[0]));
    memcpy(coder->ids[0].id, copy, TZ_ID_SIZE);
    coder->ids[0].pack = pack;
    coder->ids[0].end = end;
}

static int find_recent(const struct tz_coder *coder, const uint8_t id[TZ_ID_SIZE])
{
    for (unsigned i = 0; i < coder->id_count; i++)
        if (memcmp(coder->ids[i].id, id, TZ_ID_SIZE) == 0)
            return (int)i;
    return -1;
}

static void remember_new(struct tz_coder *coder, const uint8_t id[TZ_ID_SIZE], uint64_t pack,
                         uint32_t end)
{
    if (coder->id_count < TZ_CODER_IDS)
        coder->id_count++;
    remember(coder, coder->id_count - 1, id, pack, end);
}

static int encode_new(struct tz_coder *coder, const struct tz_extent *extent, uint64_t pack,
                      const struct tz_rows *rows, struct tz_buf *out, struct tz_error *err)
{
    if (tz_put_varint(out, extent->len << 2 | EXTENT_NEW, err) ||
        tz_put_varint(out, extent->offset, err))
        return -1;
    if (rows ? rows->put(rows->arg, extent->id, pack, err)
             : tz_buf_append(out, extent->id, TZ_ID_SIZE, err))
        return -1;
    remember_new(coder, extent->id, pack, (uint32_t)(extent->offset + extent->len));
    return 0;
}

int tz_extent_encode(struct tz_coder *coder, const struct tz_extent *extent, uint64_t pack,
                     const struct tz_rows *rows, struct tz_buf *out, struct tz_error *err)
{
    if (!extent_valid(extent))
        return tz_fail(err, TZ_FAILED, "internal error: a piece of %llu bytes in a content list",
                       (unsigned long long)extent->len);
    if (tz_extent_is_hole(extent))
        return tz_put_varint(out, extent->len << 2 | EXTENT_HOLE, err);

    uint32_t end = (uint32_t)(extent->offset + extent->len);
    int recent = find_recent(coder, extent->id);
    if (recent < 0)
        return encode_new(coder, extent, pack, rows, out, err);
    if (recent == 0 && coder->ids[0].end == extent->offset) {
        coder->ids[0].end = end;
        return tz_put_varint(out, extent->len << 2 | EXTENT_NEXT, err);
    }
    remember(coder, (unsigned)recent, extent->id, coder->ids[recent].pack, end);
    if (tz_put_varint(out, extent->len << 2 | EXTENT_RECENT, err) ||
        tz_put_u8(out, (uint8_t)recent, err))
        return -1;
    return tz_put_varint(out, extent->offset, err);
}

static int decode_new(struct tz_coder *coder, struct tz_cursor *c, const struct tz_rows *rows,
                      struct tz_extent *extent, uint64_t *ret_pack, struct tz_error *err)
{
    extent->offset = get_u32(c);
    *ret_pack = 0;
    if (rows) {
        if (rows->get(rows->arg, extent->id, ret_pack, err))
            return -1;
    } else {
        const uint8_t *id = tz_get_raw(c, TZ_ID_SIZE);
        if (id)
            memcpy(extent->id, id, TZ_ID_SIZE);
    }
    if (tz_extent_is_hole(extent))
        tz_wire_bad(c);
    if (tz_wire_ok(c))
        remember_new(coder, extent->id, *ret_pack, (uint32_t)(extent->offset + extent->len));
    return 0;
}

static void decode_recent(struct tz_coder *coder, struct tz_cursor *c, struct tz_extent *extent,
                          uint64_t *ret_pack)
{
    unsigned recent = tz_get_u8(c);
    extent->offset = get_u32(c);
    if (!tz_wire_ok(c) || recent >= coder->id_count) {
        tz_wire_bad(c);
        return;
    }
    uint64_t pack = coder->ids[recent].pack;
    memcpy(extent->id, coder->ids[recent].id, TZ_ID_SIZE);
    remember(coder, recent, extent->id, pack, (uint32_t)(extent->offset + extent->len));
    *ret_pack = pack;
}

static void decode_next(struct tz_coder *coder, struct tz_cursor *c, struct tz_extent *extent,
                        uint64_t *ret_pack)
{
    if (coder->id_count == 0) {
        tz_wire_bad(c);
        return;
    }
    memcpy(extent->id, coder->ids[0].id, TZ_ID_SIZE);
    extent->offset = coder->ids[0].end;
    coder->ids[0].end = (uint32_t)(extent->offset + extent->len);
    *ret_pack = coder->ids[0].pack;
}

int tz_extent_decode(struct tz_coder *coder, struct tz_cursor *c, const struct tz_rows *rows,
                     struct tz_extent *extent, uint64_t *ret_pack, struct tz_error *err)
{
    uint64_t head = tz_get_varint(c);

    *extent = (struct tz_extent){.len = head >> 2};
    *ret_pack = 0;
    /* Before the sums below, which must not wrap. */
    if (extent->len == 0 ||
        extent->len > ((head & 3) == EXTENT_HOLE ? TZ_HOLE_MAX : (uint64_t)TZ_CHUNK_MAX))
        tz_wire_bad(c);
    if (tz_wire_ok(c)) {
        if ((head & 3) == EXTENT_NEXT)
            decode_next(coder, c, extent, ret_pack);
        else if ((head & 3) == EXTENT_RECENT)
            decode_recent(coder, c, extent, ret_pack);
        else if ((head & 3) == EXTENT_NEW && decode_new(coder, c, rows, extent, ret_pack, err))
            return -1;
    }
    if (!tz_wire_ok(c) || !extent_valid(extent))
        return tz_fail(err, TZ_CORRUPT, "damaged extent in a manifest");
    return 0;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* Make *copy hold what text says, or NULL. */
static int keep_text(char **copy, const char *text, struct tz_error *err)
{
    if (same_text(*copy, text))
        return 0;
    char *fresh = text ? strdup(text) : NULL;
    if (text && !fresh)
        return tz_fail_nomem(err);
    free(*copy);
    *copy = fresh;
    return 0;
}

static int keep_path(struct tz_coder *coder, const char *path, size_t len, struct tz_error *err)
{
    if (coder->path_cap < len + 1) {
        size_t cap = (len + 1) * 2;
        char *fresh = realloc(coder->path, cap);
        if (!fresh)
            return tz_fail_nomem(err);
        coder->path = fresh;
        coder->path_cap = cap;
    }
    memcpy(coder->path, path, len);
    coder->path[len] = 0;
    coder->path_len = len;
    return 0;
}

/* The name of an owner as it is stored: one that no reader would take is as good as none. */
static const char *stored_name(const char *name)
{
    return name && *name && strlen(name) <= NAME_MAX_LEN ? name : NULL;
}

/* Some file systems have odd times. */
static uint32_t stored_nanoseconds(const struct tz_entry *entry)
{
    return TZ_MIN(entry->mtime_ns, NANOSECONDS - 1);
}

static bool continues(const struct tz_coder *coder, const struct tz_entry *entry)
{
    return entry->type == TZ_ENTRY_FILE && entry->level == 0 && entry->extent_count == 1 &&
           coder->id_count > 0 && entry->extents[0].len == entry->size &&
           entry->extents[0].offset == coder->ids[0].end &&
           memcmp(entry->extents[0].id, coder->ids[0].id, TZ_ID_SIZE) == 0;
}

static unsigned parts_of(const struct tz_coder *coder, const struct tz_entry *entry)
{
    unsigned parts = 0;

    if (coder->modes[entry->type & 15] != (entry->mode & MODE_BITS))
        parts |= HAS_MODE;
    if (coder->uid != entry->uid || coder->gid != entry->gid ||
        !same_text(coder->user, stored_name(entry->user)) ||
        !same_text(coder->group, stored_name(entry->group)))
        parts |= HAS_OWNER;
    if (coder->mtime_s != entry->mtime_s || coder->mtime_ns != stored_nanoseconds(entry))
        parts |= HAS_MTIME;
    if (entry->xattr_count)
        parts |= HAS_XATTRS;
    if (entry->inode_flags)
        parts |= HAS_INODE;
    if (entry->flags)
        parts |= HAS_FLAGS;
    if (entry->level)
        parts |= HAS_LEVEL;
    if (continues(coder, entry))
        parts |= CONTINUES;
    return parts;
}

static int encode_path(struct tz_coder *coder, const struct tz_entry *entry, struct tz_buf *out,
                       struct tz_error *err)
{
    size_t shared = 0, most = TZ_MIN(coder->path_len, entry->path_len);

    while (shared < most && coder->path[shared] == entry->path[shared])
        shared++;
    if (tz_put_varint(out, shared, err) ||
        tz_put_bytes(out, entry->path + shared, entry->path_len - shared, err))
        return -1;
    return keep_path(coder, entry->path, entry->path_len, err);
}

static int encode_owner(struct tz_coder *coder, const struct tz_entry *entry, struct tz_buf *out,
                        struct tz_error *err)
{
    const char *user = stored_name(entry->user), *group = stored_name(entry->group);

    if (tz_put_varint(out, entry->uid, err) || tz_put_varint(out, entry->gid, err) ||
        tz_put_text(out, user ? user : "", err) || tz_put_text(out, group ? group : "", err) ||
        keep_text(&coder->user, user, err) || keep_text(&coder->group, group, err))
        return -1;
    coder->uid = entry->uid;
    coder->gid = entry->gid;
    return 0;
}

static int encode_metadata(struct tz_coder *coder, const struct tz_entry *entry, unsigned parts,
                           struct tz_buf *out, struct tz_error *err)
{
    if ((parts & HAS_MODE) && tz_put_varint(out, entry->mode & MODE_BITS, err))
        return -1;
    coder->modes[entry->type & 15] = entry->mode & MODE_BITS;
    if ((parts & HAS_OWNER) && encode_owner(coder, entry, out, err))
        return -1;
    if ((parts & HAS_MTIME) &&
        (tz_put_svarint(out, (int64_t)((uint64_t)entry->mtime_s - (uint64_t)coder->mtime_s), err) ||
         tz_put_varint(out, stored_nanoseconds(entry), err)))
        return -1;
    coder->mtime_s = entry->mtime_s;
    coder->mtime_ns = stored_nanoseconds(entry);
    if ((parts & HAS_FLAGS) && tz_put_varint(out, entry->flags, err))
        return -1;
    if ((parts & HAS_INODE) && tz_put_varint(out, entry->inode_flags, err))
        return -1;
    if (!(parts & HAS_XATTRS))
        return 0;
    if (tz_put_varint(out, entry->xattr_count, err))
        return -1;
    for (uint32_t i = 0; i < entry->xattr_count; i++)
        if (tz_put_text(out, entry->xattrs[i].name, err) ||
            tz_put_bytes(out, entry->xattrs[i].value, entry->xattrs[i].value_len, err))
            return -1;
    return 0;
}

static int encode_content(struct tz_coder *coder, const struct tz_entry *entry, unsigned parts,
                          const struct tz_rows *rows, struct tz_buf *out, struct tz_error *err)
{
    if (tz_put_varint(out, entry->size, err))
        return -1;
    if (parts & CONTINUES) {
        coder->ids[0].end += (uint32_t)entry->size;
        return 0;
    }
    if ((parts & HAS_LEVEL) && tz_put_varint(out, entry->level, err))
        return -1;
    if (tz_put_varint(out, entry->extent_count, err))
        return -1;
    for (uint32_t i = 0; i < entry->extent_count; i++)
        if (tz_extent_encode(coder, &entry->extents[i],
                             entry->extent_packs ? entry->extent_packs[i] : 0, rows, out, err))
            return -1;
    return 0;
}

static int encode_local(struct tz_coder *coder, const struct tz_entry *entry, struct tz_buf *out,
                        struct tz_error *err)
{
    if (tz_put_svarint(out, (int64_t)(entry->dev - coder->dev), err) ||
        tz_put_svarint(out, (int64_t)(entry->ino - coder->ino), err) ||
        tz_put_svarint(out, (int64_t)((uint64_t)entry->ctime_s - (uint64_t)coder->ctime_s), err) ||
        tz_put_varint(out, entry->ctime_ns, err))
        return -1;
    coder->dev = entry->dev;
    coder->ino = entry->ino;
    coder->ctime_s = entry->ctime_s;
    return 0;
}

size_t tz_entry_size_max(const struct tz_entry *entry)
{
    size_t size = ENTRY_BYTES + 2 * (size_t)NAME_MAX_LEN + entry->path_len + entry->link_len +
                  (size_t)entry->extent_count * EXTENT_BYTES;

    for (uint32_t i = 0; i < entry->xattr_count; i++)
        size += strlen(entry->xattrs[i].name) + entry->xattrs[i].value_len + XATTR_BYTES;
    return size;
}

static bool xattrs_storable(const struct tz_entry *entry)
{
    size_t names = 0;

    for (uint32_t i = 0; i < entry->xattr_count; i++) {
        size_t len = strlen(entry->xattrs[i].name);
        names += len + 1;
        if (len == 0 || len > NAME_MAX_LEN || entry->xattrs[i].value_len > XATTR_MAX)
            return false;
    }
    return names <= XATTR_NAMES_MAX;
}

static bool is_link(enum tz_entry_type type)
{
    return type == TZ_ENTRY_SYMLINK || type == TZ_ENTRY_HARDLINK;
}

static bool link_valid(enum tz_entry_type type, const void *link, size_t len)
{
    return len > 0 && len <= ENTRY_PATH_MAX && !memchr(link, 0, len) &&
           (type != TZ_ENTRY_HARDLINK || tz_path_valid(link, len));
}

int tz_entry_check(const struct tz_entry *entry, struct tz_error *err)
{
    if (!tz_path_valid(entry->path, entry->path_len))
        return tz_fail(err, TZ_UNSUPPORTED, "its path cannot be stored");
    if (is_link(entry->type) && !link_valid(entry->type, entry->link, entry->link_len))
        return tz_fail(err, TZ_UNSUPPORTED, "its target cannot be stored");
    if (!xattrs_storable(entry) || tz_entry_size_max(entry) > TZ_CHUNK_MAX)
        return tz_fail(err, TZ_UNSUPPORTED, "its extended attributes are too large to be stored");
    if (entry->size > INT64_MAX || entry->extent_count > TZ_ENTRY_EXTENTS_MAX ||
        entry->level >= TZ_LIST_LEVELS)
        return tz_fail(err, TZ_UNSUPPORTED, "its content is too large to be stored");
    return 0;
}

int tz_entry_encode(struct tz_coder *coder, const struct tz_entry *entry,
                    const struct tz_rows *rows, struct tz_buf *out, struct tz_error *err)
{
    unsigned parts = parts_of(coder, entry);

    if (encode_path(coder, entry, out, err) || tz_put_u8(out, (uint8_t)entry->type, err) ||
        tz_put_varint(out, parts, err) || encode_metadata(coder, entry, parts, out, err))
        return -1;
    if (rows && encode_local(coder, entry, out, err))
        return -1;
    switch (entry->type) {
    case TZ_ENTRY_FILE:
        return encode_content(coder, entry, parts, rows, out, err);
    case TZ_ENTRY_SYMLINK:
    case TZ_ENTRY_HARDLINK:
        return tz_put_bytes(out, entry->link, entry->link_len, err);
    case TZ_ENTRY_CHARACTER:
    case TZ_ENTRY_BLOCK:
        return tz_put_varint(out, entry->device, err);
    default:
        return 0;
    }
}

static int decode_path(struct tz_coder *coder, struct tz_cursor *c, struct tz_entry *entry,
                       struct tz_error *err)
{
    size_t len = 0;
    uint64_t shared = tz_get_varint(c);
    const uint8_t *rest = tz_get_bytes(c, ENTRY_PATH_MAX, &len);

    if (!rest || shared > coder->path_len || shared + len > ENTRY_PATH_MAX)
        return tz_fail(err, TZ_CORRUPT, "damaged path in a manifest");
    char *path = malloc((size_t)shared + len + 1);
    if (!path)
        return tz_fail_nomem(err);
    entry->path = path;
    entry->path_len = (size_t)shared + len;
    if (shared > 0)
        memcpy(path, coder->path, (size_t)shared);
    memcpy(path + shared, rest, len);
    path[entry->path_len] = 0;
    if (!tz_path_valid(path, entry->path_len))
        return tz_fail(err, TZ_CORRUPT, "a manifest holds a path that no backup makes");
    return keep_path(coder, path, entry->path_len, err);
}

static int decode_owner(struct tz_coder *coder, struct tz_cursor *c, struct tz_error *err)
{
    coder->uid = get_u32(c);
    coder->gid = get_u32(c);
    TZ_SCOPED(tz_scoped_free) char *user = tz_get_text(c, NAME_MAX_LEN);
    TZ_SCOPED(tz_scoped_free) char *group = tz_get_text(c, NAME_MAX_LEN);
    if (!user || !group)
        return tz_wire_ok(c) ? tz_fail_nomem(err)
                             : tz_fail(err, TZ_CORRUPT, "damaged owner in a manifest");
    if (keep_text(&coder->user, *user ? user : NULL, err) ||
        keep_text(&coder->group, *group ? group : NULL, err))
        return -1;
    return 0;
}

static int decode_xattrs(struct tz_cursor *c, struct tz_entry *entry, struct tz_error *err)
{
    uint64_t count = tz_get_varint(c);
    size_t names = 0;

    if (count == 0 || count > TZ_MIN(tz_left(c) / 3, (size_t)XATTR_NAMES_MAX / 2))
        return tz_fail(err, TZ_CORRUPT, "damaged attributes in a manifest");
    entry->xattrs = calloc((size_t)count, sizeof(*entry->xattrs));
    if (!entry->xattrs)
        return tz_fail_nomem(err);
    for (uint64_t i = 0; i < count; i++) {
        struct tz_xattr *xattr = &entry->xattrs[i];
        size_t len = 0;

        entry->xattr_count = (uint32_t)i + 1;
        xattr->name = tz_get_text(c, NAME_MAX_LEN);
        const uint8_t *value = tz_get_bytes(c, XATTR_MAX, &len);
        names += xattr->name ? strlen(xattr->name) + 1 : 0;
        if (!xattr->name || !*xattr->name || !value || names > XATTR_NAMES_MAX)
            return tz_fail(err, TZ_CORRUPT, "damaged attributes in a manifest");
        xattr->value = malloc(len + 1);
        if (!xattr->value)
            return tz_fail_nomem(err);
        memcpy(xattr->value, value, len);
        xattr->value_len = len;
    }
    return 0;
}

static int decode_metadata(struct tz_coder *coder, struct tz_cursor *c, struct tz_entry *entry,
                           unsigned parts, struct tz_error *err)
{
    uint32_t *mode = &coder->modes[entry->type & 15];

    if (parts & HAS_MODE)
        *mode = get_limited(c, MODE_BITS);
    entry->mode = *mode;
    if ((parts & HAS_OWNER) && decode_owner(coder, c, err))
        return -1;
    entry->uid = coder->uid;
    entry->gid = coder->gid;
    if (keep_text(&entry->user, coder->user, err) || keep_text(&entry->group, coder->group, err))
        return -1;
    if (parts & HAS_MTIME) {
        coder->mtime_s = (int64_t)((uint64_t)coder->mtime_s + (uint64_t)tz_get_svarint(c));
        coder->mtime_ns = get_limited(c, NANOSECONDS - 1);
    }
    entry->mtime_s = coder->mtime_s;
    entry->mtime_ns = coder->mtime_ns;
    if (parts & HAS_FLAGS)
        entry->flags = get_u32(c);
    if (parts & HAS_INODE)
        entry->inode_flags = get_u32(c);
    return (parts & HAS_XATTRS) ? decode_xattrs(c, entry, err) : 0;
}

/* The extents of level 0 must make up the file. */
static int check_size(const struct tz_entry *entry, struct tz_error *err)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < entry->extent_count; i++)
        if (__builtin_add_overflow(sum, entry->extents[i].len, &sum))
            return tz_fail(err, TZ_CORRUPT, "damaged content list in a manifest");
    if (entry->level == 0 && sum != entry->size)
        return tz_fail(err, TZ_CORRUPT, "a file's pieces do not make up its size in a manifest");
    return 0;
}

static int decode_content(struct tz_coder *coder, struct tz_cursor *c, struct tz_entry *entry,
                          unsigned parts, const struct tz_rows *rows, struct tz_error *err)
{
    struct tz_extent extent = {0};
    uint64_t pack = 0;

    entry->size = tz_get_varint(c);
    if (entry->size > INT64_MAX)
        return tz_fail(err, TZ_CORRUPT, "damaged size in a manifest");
    if (parts & CONTINUES) {
        extent.len = entry->size;
        if (entry->size == 0 || entry->size > TZ_CHUNK_MAX)
            return tz_fail(err, TZ_CORRUPT, "damaged content list in a manifest");
        decode_next(coder, c, &extent, &pack);
        if (!tz_wire_ok(c) || (uint64_t)extent.offset + extent.len > TZ_CHUNK_MAX)
            return tz_fail(err, TZ_CORRUPT, "damaged content list in a manifest");
        return tz_entry_add_extent(entry, &extent, pack, err);
    }
    if (parts & HAS_LEVEL)
        entry->level = get_limited(c, TZ_LIST_LEVELS - 1);
    uint32_t count = get_limited(c, TZ_ENTRY_EXTENTS_MAX);
    if (!tz_wire_ok(c))
        return tz_fail(err, TZ_CORRUPT, "damaged content list in a manifest");
    for (uint32_t i = 0; i < count; i++)
        if (tz_extent_decode(coder, c, rows, &extent, &pack, err) ||
            tz_entry_add_extent(entry, &extent, pack, err))
            return -1;
    return check_size(entry, err);
}

static int decode_link(struct tz_cursor *c, struct tz_entry *entry, struct tz_error *err)
{
    size_t len = 0;
    const uint8_t *link = tz_get_bytes(c, ENTRY_PATH_MAX, &len);

    if (!link || !link_valid(entry->type, link, len))
        return tz_fail(err, TZ_CORRUPT, "damaged link in a manifest");
    entry->link = malloc(len + 1);
    if (!entry->link)
        return tz_fail_nomem(err);
    memcpy(entry->link, link, len);
    entry->link[len] = 0;
    entry->link_len = len;
    return 0;
}

static void decode_local(struct tz_coder *coder, struct tz_cursor *c, struct tz_entry *entry)
{
    entry->dev = coder->dev += (uint64_t)tz_get_svarint(c);
    entry->ino = coder->ino += (uint64_t)tz_get_svarint(c);
    coder->ctime_s = (int64_t)((uint64_t)coder->ctime_s + (uint64_t)tz_get_svarint(c));
    entry->ctime_s = coder->ctime_s;
    entry->ctime_ns = get_u32(c);
}

int tz_entry_decode(struct tz_coder *coder, struct tz_cursor *c, const struct tz_rows *rows,
                    struct tz_entry *entry, struct tz_error *err)
{
    tz_entry_clear(entry);
    if (decode_path(coder, c, entry, err))
        return -1;
    unsigned type = tz_get_u8(c), parts = get_limited(c, ALL_PARTS);
    if (!tz_wire_ok(c) || type < TZ_ENTRY_FILE || type > TZ_ENTRY_HARDLINK ||
        (type != TZ_ENTRY_FILE && (parts & FILE_PARTS)) || (parts & FILE_PARTS) == FILE_PARTS)
        return tz_fail(err, TZ_CORRUPT, "damaged entry in a manifest");
    entry->type = (enum tz_entry_type)type;
    if (decode_metadata(coder, c, entry, parts, err))
        return -1;
    if (rows)
        decode_local(coder, c, entry);
    if (entry->type == TZ_ENTRY_FILE && decode_content(coder, c, entry, parts, rows, err))
        return -1;
    if (is_link(entry->type) && decode_link(c, entry, err))
        return -1;
    if (entry->type == TZ_ENTRY_CHARACTER || entry->type == TZ_ENTRY_BLOCK)
        entry->device = tz_get_varint(c);
    if (!tz_wire_ok(c))
        return tz_fail(err, TZ_CORRUPT, "damaged entry in a manifest");
    return 0;
}
