/*
 * The body of a generation head:
 *
 *   u8 version 1
 *   16 source id, 16 host id
 *   text source, type, host, version
 *   svarint consistent time, start, end; text position
 *   manifest root: extents, varint length
 *   details: extents, varint length
 *   varint entries, files, directories, others, bytes, new bytes, stored bytes, warnings
 *   svarint locked until
 *   varint tags, each text key, text value
 *   varint packs, each 32 hash, in ascending order
 *
 * where extents are a varint count and for each 32 id, varint offset, varint length.
 */
#include "tozai/core/generation.h"
#include "tozai/util/hex.h"

#include "body.h"

#include "tozai/util/banned.h"

#define HEAD_VERSION     1U
#define NAME_MAX_SIZE    1024U
#define POSITION_MAX     (64U << 10) /* a set of GTIDs can be long */
#define TAGS_MAX         1024U
#define TAG_KEY_MAX      255U
#define TAG_VALUE_MAX    4096U
#define EXTENT_BYTES_MIN (TZ_ID_SIZE + 2U)
#define EXTENTS_MAX      (1U << 20)
#define PACKS_MAX        (1U << 20)

static void free_tags(struct tz_tag *tags, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        free(tags[i].key);
        free(tags[i].value);
    }
    free(tags);
}

void tz_head_clear(struct tz_head *head)
{
    free(head->source);
    free(head->type);
    free(head->host);
    free(head->version);
    free(head->position);
    free(head->root);
    free(head->details);
    free_tags(head->tags, head->tag_count);
    free(head->packs);
    *head = (struct tz_head){0};
}

bool tz_extent_is_hole(const struct tz_extent *extent)
{
    static const uint8_t zero[TZ_ID_SIZE];
    return memcmp(extent->id, zero, TZ_ID_SIZE) == 0;
}

static bool extent_valid(const struct tz_extent *extent)
{
    if (tz_extent_is_hole(extent))
        return extent->len >= 1 && extent->offset == 0;
    return extent->len >= 1 && extent->len <= TZ_CHUNK_MAX && extent->offset < TZ_CHUNK_MAX &&
           extent->offset + extent->len <= TZ_CHUNK_MAX;
}

/* Are they valid, and len bytes together? */
static bool extents_valid(const struct tz_extent *extents, uint32_t count, uint64_t len)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!extent_valid(&extents[i]) || extents[i].len > len - sum)
            return false;
        sum += extents[i].len;
    }
    return sum == len;
}

static bool packs_sorted(const struct tz_head *head)
{
    for (uint32_t i = 1; i < head->pack_count; i++)
        if (memcmp(head->packs[i - 1], head->packs[i], TZ_HASH_SIZE) >= 0)
            return false;
    return true;
}

static bool text_fits(const char *text, size_t max)
{
    return !text || strlen(text) <= max;
}

static int check_texts(const struct tz_head *head, struct tz_error *err)
{
    bool fit = text_fits(head->source, NAME_MAX_SIZE) && text_fits(head->type, NAME_MAX_SIZE) &&
               text_fits(head->host, NAME_MAX_SIZE) && text_fits(head->version, NAME_MAX_SIZE) &&
               text_fits(head->position, POSITION_MAX);
    for (uint32_t i = 0; fit && i < head->tag_count && i < TAGS_MAX; i++)
        fit = text_fits(head->tags[i].key, TAG_KEY_MAX) &&
              text_fits(head->tags[i].value, TAG_VALUE_MAX);
    if (!fit || head->tag_count > TAGS_MAX)
        return tz_fail(err, TZ_INVALID,
                       "a name, a tag or a position is too long for a generation head, "
                       "or there are more than %u tags",
                       TAGS_MAX);
    return 0;
}

static int check_writable(const struct tz_head *head, struct tz_error *err)
{
    if (check_texts(head, err))
        return -1;
    if (head->root_count > EXTENTS_MAX || head->details_count > EXTENTS_MAX ||
        head->pack_count > PACKS_MAX)
        return tz_fail(err, TZ_FAILED, "the generation is too large: %u packs", head->pack_count);
    if (!extents_valid(head->root, head->root_count, head->root_len) ||
        !extents_valid(head->details, head->details_count, head->details_len) ||
        !packs_sorted(head))
        return tz_fail(err, TZ_FAILED, "internal error: the generation head disagrees with itself");
    return 0;
}

static int put_text(struct tz_buf *out, const char *text, struct tz_error *err)
{
    return tz_put_text(out, text ? text : "", err);
}

static int put_names(const struct tz_head *head, struct tz_buf *out, struct tz_error *err)
{
    if (tz_buf_append(out, head->source_id, TZ_SOURCE_ID_SIZE, err) ||
        tz_buf_append(out, head->host_id, TZ_SOURCE_ID_SIZE, err) ||
        put_text(out, head->source, err) || put_text(out, head->type, err) ||
        put_text(out, head->host, err) || put_text(out, head->version, err) ||
        tz_put_svarint(out, head->time_ns, err) || tz_put_svarint(out, head->start_ns, err) ||
        tz_put_svarint(out, head->end_ns, err))
        return -1;
    return put_text(out, head->position, err);
}

static int put_extents(const struct tz_extent *extents, uint32_t count, uint64_t len,
                       struct tz_buf *out, struct tz_error *err)
{
    if (tz_put_varint(out, count, err))
        return -1;
    for (uint32_t i = 0; i < count; i++)
        if (tz_buf_append(out, extents[i].id, TZ_ID_SIZE, err) ||
            tz_put_varint(out, extents[i].offset, err) || tz_put_varint(out, extents[i].len, err))
            return -1;
    return tz_put_varint(out, len, err);
}

static int put_counts(const struct tz_head *head, struct tz_buf *out, struct tz_error *err)
{
    const uint64_t counts[] = {head->entries, head->files,     head->directories,  head->others,
                               head->bytes,   head->new_bytes, head->stored_bytes, head->warnings};
    for (size_t i = 0; i < TZ_COUNT(counts); i++)
        if (tz_put_varint(out, counts[i], err))
            return -1;
    return tz_put_svarint(out, head->locked_until_ns, err);
}

static int put_lists(const struct tz_head *head, struct tz_buf *out, struct tz_error *err)
{
    if (tz_put_varint(out, head->tag_count, err))
        return -1;
    for (uint32_t i = 0; i < head->tag_count; i++)
        if (put_text(out, head->tags[i].key, err) || put_text(out, head->tags[i].value, err))
            return -1;
    if (tz_put_varint(out, head->pack_count, err))
        return -1;
    return head->pack_count
               ? tz_buf_append(out, head->packs, (size_t)head->pack_count * TZ_HASH_SIZE, err)
               : 0;
}

static int put_head(const struct tz_head *head, struct tz_buf *out, struct tz_error *err)
{
    if (tz_put_u8(out, HEAD_VERSION, err) || put_names(head, out, err) ||
        put_extents(head->root, head->root_count, head->root_len, out, err) ||
        put_extents(head->details, head->details_count, head->details_len, out, err) ||
        put_counts(head, out, err))
        return -1;
    return put_lists(head, out, err);
}

int tz_head_write(const struct tz_head *head, struct tz_buf *out, struct tz_error *err)
{
    if (check_writable(head, err))
        return -1;
    size_t begin = out->len;
    if (put_head(head, out, err)) {
        out->len = begin;
        return -1;
    }
    return 0;
}

static void get_id(struct tz_cursor *c, uint8_t id[TZ_SOURCE_ID_SIZE])
{
    const uint8_t *raw = tz_get_raw(c, TZ_SOURCE_ID_SIZE);
    if (raw)
        memcpy(id, raw, TZ_SOURCE_ID_SIZE);
}

/* A count of items that each take item_size bytes or more here; 0 after a failure. */
static uint32_t get_count(struct tz_cursor *c, uint32_t max, size_t item_size)
{
    uint64_t count = tz_get_varint(c);
    if (count <= max && count <= tz_left(c) / item_size)
        return (uint32_t)count;
    tz_wire_bad(c);
    return 0;
}

static void get_names(struct tz_head *head, struct tz_cursor *c)
{
    get_id(c, head->source_id);
    get_id(c, head->host_id);
    head->source = tz_get_text(c, NAME_MAX_SIZE);
    head->type = tz_get_text(c, NAME_MAX_SIZE);
    head->host = tz_get_text(c, NAME_MAX_SIZE);
    head->version = tz_get_text(c, NAME_MAX_SIZE);
    head->time_ns = tz_get_svarint(c);
    head->start_ns = tz_get_svarint(c);
    head->end_ns = tz_get_svarint(c);
    head->position = tz_get_text(c, POSITION_MAX);
}

static int get_extents(struct tz_extent **ret, uint32_t *ret_count, uint64_t *ret_len,
                       struct tz_cursor *c, struct tz_error *err)
{
    uint32_t count = get_count(c, EXTENTS_MAX, EXTENT_BYTES_MIN);
    *ret = count ? calloc(count, sizeof(**ret)) : NULL;
    if (count && !*ret)
        return tz_fail_nomem(err);
    *ret_count = count;
    for (uint32_t i = 0; tz_wire_ok(c) && i < count; i++) {
        const uint8_t *id = tz_get_raw(c, TZ_ID_SIZE);
        uint64_t offset = tz_get_varint(c);
        if (!id || offset > TZ_CHUNK_MAX) {
            tz_wire_bad(c);
            break;
        }
        memcpy((*ret)[i].id, id, TZ_ID_SIZE);
        (*ret)[i].offset = (uint32_t)offset;
        (*ret)[i].len = tz_get_varint(c);
    }
    *ret_len = tz_get_varint(c);
    if (tz_wire_ok(c) && !extents_valid(*ret, count, *ret_len))
        tz_wire_bad(c);
    return 0;
}

static void get_counts(struct tz_head *head, struct tz_cursor *c)
{
    uint64_t *const counts[] = {&head->entries,      &head->files,   &head->directories,
                                &head->others,       &head->bytes,   &head->new_bytes,
                                &head->stored_bytes, &head->warnings};
    for (size_t i = 0; i < TZ_COUNT(counts); i++)
        *counts[i] = tz_get_varint(c);
    head->locked_until_ns = tz_get_svarint(c);
}

static int get_lists(struct tz_head *head, struct tz_cursor *c, struct tz_error *err)
{
    uint32_t tags = get_count(c, TAGS_MAX, 2);
    head->tags = tags ? calloc(tags, sizeof(*head->tags)) : NULL;
    if (tags && !head->tags)
        return tz_fail_nomem(err);
    head->tag_count = tags;
    for (uint32_t i = 0; i < tags; i++) {
        head->tags[i].key = tz_get_text(c, TAG_KEY_MAX);
        head->tags[i].value = tz_get_text(c, TAG_VALUE_MAX);
    }

    uint32_t packs = get_count(c, PACKS_MAX, TZ_HASH_SIZE);
    head->packs = packs ? calloc(packs, TZ_HASH_SIZE) : NULL;
    if (packs && !head->packs)
        return tz_fail_nomem(err);
    head->pack_count = packs;
    const uint8_t *raw = tz_get_raw(c, (size_t)packs * TZ_HASH_SIZE);
    if (raw && packs)
        memcpy(head->packs, raw, (size_t)packs * TZ_HASH_SIZE);
    if (!packs_sorted(head))
        tz_wire_bad(c);
    return 0;
}

int tz_head_read(struct tz_head *ret, const void *body, size_t len, struct tz_error *err)
{
    *ret = (struct tz_head){0};
    struct tz_cursor c = tz_cursor(body, len);
    TZ_SCOPED(tz_scoped_head) struct tz_head head = {0};
    if (tz_body_begin(&c, HEAD_VERSION, "generation head", err))
        return -1;
    get_names(&head, &c);
    if (get_extents(&head.root, &head.root_count, &head.root_len, &c, err) ||
        get_extents(&head.details, &head.details_count, &head.details_len, &c, err))
        return -1;
    get_counts(&head, &c);
    if (get_lists(&head, &c, err))
        return -1;
    if (!tz_wire_done(&c))
        return tz_fail(err, TZ_CORRUPT, "the generation head is damaged");
    *ret = head;
    head = (struct tz_head){0};
    return 0;
}

static const char *find_tag(const struct tz_head *head, const char *key)
{
    for (uint32_t i = 0; i < head->tag_count; i++)
        if (strcmp(head->tags[i].key, key) == 0)
            return head->tags[i].value;
    return NULL;
}

void tz_head_origin(const struct tz_head *head, uint8_t ret[TZ_HASH_SIZE])
{
    const char *text = find_tag(head, TZ_TAG_ORIGIN);

    if (!text || strlen(text) != (size_t)2 * TZ_HASH_SIZE || !tz_unhex(ret, TZ_HASH_SIZE, text))
        memcpy(ret, head->id, TZ_HASH_SIZE);
}

uint64_t tz_head_turn(const struct tz_head *head)
{
    const char *text = find_tag(head, TZ_TAG_TURN);

    return text ? strtoull(text, NULL, 10) : 0;
}
