#include "metadata.h"

#include "tozai/util/wire.h"

#include <string.h>

#include "tozai/util/banned.h"

#define TEXT_MAX ((size_t)1 << 20)

int tz_archive_metadata_write(const struct tz_entry *entry, struct tz_buf *out,
                              struct tz_error *err)
{
    if (tz_put_varint(out, entry->mode, err) || tz_put_varint(out, entry->uid, err) ||
        tz_put_varint(out, entry->gid, err) ||
        tz_put_text(out, entry->user ? entry->user : "", err) ||
        tz_put_text(out, entry->group ? entry->group : "", err) ||
        tz_put_svarint(out, entry->mtime_s, err) || tz_put_varint(out, entry->mtime_ns, err) ||
        tz_put_varint(out, entry->device, err) || tz_put_varint(out, entry->inode_flags, err) ||
        tz_put_bytes(out, entry->link ? entry->link : "", entry->link_len, err) ||
        tz_put_varint(out, entry->xattr_count, err))
        return -1;
    for (uint32_t i = 0; i < entry->xattr_count; i++) {
        if (tz_put_text(out, entry->xattrs[i].name, err) ||
            tz_put_bytes(out, entry->xattrs[i].value, entry->xattrs[i].value_len, err))
            return -1;
    }
    return 0;
}

/* An empty one is none. */
static void read_name(struct tz_cursor *c, char **ret)
{
    free(*ret);
    *ret = tz_get_text(c, TEXT_MAX);
    if (*ret && !(*ret)[0]) {
        free(*ret);
        *ret = NULL;
    }
}

static int read_link(struct tz_cursor *c, struct tz_entry *entry, struct tz_error *err)
{
    size_t len = 0;
    const uint8_t *link = tz_get_bytes(c, TEXT_MAX, &len);

    if (!link || len == 0)
        return 0;
    entry->link = malloc(len + 1);
    if (!entry->link)
        return tz_fail_nomem(err);
    memcpy(entry->link, link, len);
    entry->link[len] = '\0';
    entry->link_len = len;
    return 0;
}

static int read_xattr(struct tz_cursor *c, struct tz_xattr *xattr, struct tz_error *err)
{
    size_t len = 0;

    xattr->name = tz_get_text(c, TEXT_MAX);
    const uint8_t *value = tz_get_bytes(c, TEXT_MAX, &len);
    xattr->value = malloc(len + 1);
    if (!xattr->name || !value || !xattr->value)
        return tz_fail(err, TZ_IO, "what was kept of the archive is damaged");
    memcpy(xattr->value, value, len);
    xattr->value_len = len;
    return 0;
}

static int read_xattrs(struct tz_cursor *c, struct tz_entry *entry, struct tz_error *err)
{
    uint64_t count = tz_get_varint(c);

    if (!tz_wire_ok(c) || count > tz_left(c))
        return tz_fail(err, TZ_IO, "what was kept of the archive is damaged");
    if (count == 0)
        return 0;
    entry->xattrs = calloc((size_t)count, sizeof(*entry->xattrs));
    if (!entry->xattrs)
        return tz_fail_nomem(err);
    for (uint64_t i = 0; i < count; i++) {
        entry->xattr_count = (uint32_t)i + 1;
        if (read_xattr(c, &entry->xattrs[i], err))
            return -1;
    }
    return 0;
}

int tz_archive_metadata_read(struct tz_entry *entry, const void *data, size_t len,
                             struct tz_error *err)
{
    struct tz_cursor c = tz_cursor(data, len);

    entry->mode = (uint32_t)tz_get_varint(&c);
    entry->uid = (uint32_t)tz_get_varint(&c);
    entry->gid = (uint32_t)tz_get_varint(&c);
    read_name(&c, &entry->user);
    read_name(&c, &entry->group);
    entry->mtime_s = tz_get_svarint(&c);
    entry->mtime_ns = (uint32_t)tz_get_varint(&c);
    entry->device = tz_get_varint(&c);
    entry->inode_flags = (uint32_t)tz_get_varint(&c);
    if (read_link(&c, entry, err) || read_xattrs(&c, entry, err))
        return -1;
    if (!tz_wire_done(&c))
        return tz_fail(err, TZ_IO, "what was kept of the archive is damaged");
    return 0;
}
